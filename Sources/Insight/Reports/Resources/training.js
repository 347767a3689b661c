// The page of a training, from the numbers in it.

const report = JSON.parse(byId("report").textContent);
const {history} = report;

function metric(name) {
  const values = history.metrics[name];
  return history.last_step.map(
      (x, i) => ({x, first: history.first_step[i], y: values.mean[i], least: values.least[i], most: values.most[i]}));
}
const lastOf = (name) => history.metrics[name].mean.at(-1);

function drawHead() {
  byId("title").textContent =
      `Training ${report.model.name}: step ${report.step.toLocaleString("en")} of ${report.steps.toLocaleString("en")}`;
  const processors = [...new Set(report.ranks.map((rank) => rank.processor).filter((name) => name))].join(", ");
  byId("run").append(
      [report.program, report.date, processors, report.instruction_set].filter((text) => text).join(" · ") + " · ",
      element("code", {}, report.command.join(" ")));
  if (report.failure) {
    byId("failure").hidden = false;
    byId("failure").textContent = `The training ended: ${report.failure}`;
  }
  if (report.skipped_steps) {
    byId("skipped").hidden = false;
    byId("skipped").textContent = `Steps skipped: ${report.skipped_steps}. The last: ${report.skipped_because}`;
  }
  const score = history.held_out.at(-1);
  const cards = history.policy ? [] : [[figure(lastOf("loss")), "loss"]];
  if (score) cards.push([figure(score.loss), `held-out loss, step ${score.step}`]);
  if (!history.policy) {
    cards.push(
        [count(report.tokens), "tokens"], [figure(lastOf("tokens_per_second"), 3), "tokens/s"],
        [percent(lastOf("mfu")), "MFU"]);
  }
  if (report.ranks.length > 1 && !history.policy) cards.push([percent(lastOf("communication_share")), "communication"]);
  if (report.model.experts) cards.push([`${figure(lastOf("load_max_over_mean"), 3)} ×`, "load, most over mean"]);
  if (history.checkpoints.length)
    cards.push([`step ${history.checkpoints.at(-1).step.toLocaleString("en")}`, "last checkpoint"]);
  const policy = history.policy ? policyCards(report) : [];
  byId("cards").append(
      ...policy, ...cards.map(([value, name]) => card(value, name)), ...(history.policy ? timeCard(report) : []));
}

function drawCurves() {
  const width = history.bin_steps;
  byId("curves-note").textContent =
      (width > 1 ? `A point is the mean of ${width} steps; the band reaches from the least to the greatest of them. ` :
                   "") +
      (history.held_out.length ? "Held-out loss is drawn in a colour of its own, with dots. " : "") +
      (history.policy ? "Intervals of shares are Wilson's, as if each completion were drawn for itself." : "");
  const seconds = metric("seconds");
  const curves = [
    curve(history.policy ? "Loss of the policy" : "Loss", metric("loss"), {
      second: history.held_out.map(({step, loss}) => ({x: step, y: loss})).filter((p) => p.y !== null),
      secondName: "held out"
    }),
    curve("Gradient norm", metric("gradient_norm"), {fromZero: true}),
    curve("Learning rate", metric("learning_rate"), {fromZero: true}),
    curve("Tokens a second", metric("tokens_per_second"), {fromZero: true}),
    curve("MFU, of the probed peak", metric("mfu"), {fromZero: true, unit: percent}),
    curve("Seconds a step", seconds, {fromZero: true}),
  ];
  if (history.metrics.prediction_loss.mean.some((value) => value !== null))
    curves.splice(1, 0, curve("Loss of the prediction module", metric("prediction_loss")));
  if (report.ranks.length > 1)
    curves.push(curve(
        "Communication, share of a step (rank 0)", metric("communication_share"), {fromZero: true, unit: percent}));
  if (report.model.experts) {
    curves.push(
        curve("Load: busiest expert over the mean, worst layer", metric("load_max_over_mean"), {fromZero: true}),
        curve("Experts without a token in a step, all layers", metric("dead_experts"), {fromZero: true}));
    if (history.metrics.balance_loss.most.some((value) => value > 0))
      curves.push(curve("Balance loss", metric("balance_loss"), {fromZero: true}));
  }
  if (history.policy) byId("curves").append(...policyCurves(history));
  byId("curves").append(...taskCurves());
  byId("curves").append(...curves);
}

/** What the model got right of each task, with intervals. */
function taskCurves() {
  const scores = history.tasks ?? [];
  return [...new Set(scores.map(({task}) => task))].map((name) => {
    const points =
        scores.filter(({task}) => task === name).map(({step, right, count}) => ({x: step, ...share(right, count)}));
    return curve(`Right answers: ${name}`, points, {fromZero: true, unit: shareUnit, bandWords: "95 %:"});
  });
}

function drawTables() {
  for (const {title, note, header, rows} of report.tables) {
    byId("tables").append(
        element("h2", {}, title), element("p", {class: "weak"}, note),
        element("div", {class: "plot"}, table(header.length ? header : rows[0]?.map(() => "") ?? [], rows)));
  }
  const points = history.checkpoints;
  if (points.length) {
    byId("checkpoints").hidden = false;
    byId("checkpoints-note").textContent = `${points.length} made; older ones may be gone (--keep).`;
    byId("checkpoints-table")
        .append(table(
            ["step", "took"], points.slice(-12).map(({step, seconds}) => [step.toLocaleString("en"), time(seconds)])));
  }
  const settings = [];
  const collect = (value, path) => {
    if (value && typeof value === "object") {
      for (const [key, member] of Object.entries(value)) collect(member, path ? `${path}.${key}` : key);
    } else settings.push([path.replaceAll("_", " "), typeof value === "number" ? figure(value, 6) : String(value)]);
  };
  collect(report.recipe, "");
  const {family, hidden_size: hidden, layers, experts, experts_per_token: chosen} = report.model;
  byId("settings-table").append(table(["setting", "value"], [
    [
      "model",
      `${family}, ${layers} layers of ${hidden}` +
          (experts ? `, ${experts} experts of which a token visits ${chosen}` : "")
    ],
    ...settings
  ]));
  byId("ranks-table")
      .append(table(
          ["rank", "host", "threads", "processor"],
          report.ranks.map(
              (rank) =>
                  [`${rank.rank}`, rank.host, `${rank.threads}${rank.shares_cores ? " (shared cores)" : ""}`,
                   rank.processor])));
}

drawHead();
drawCurves();
drawTranscripts(history);
drawLoads(history);
drawPhases(report);
drawBytes(report);
drawTables();
