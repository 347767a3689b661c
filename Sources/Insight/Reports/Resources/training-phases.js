// Where the time of steps and the bytes between ranks went.

const phaseWords = {
  data: "reading data",
  agreement: "adding up losses and loads",
  reduction: "sums of gradients",
  norm: "norm",
  update: "optimiser",
  gather: "new weights",
  score: "held-out loss",
  checkpoint: "checkpoint",
};
const wordsOf = (phase) => phaseWords[phase] ?? phase;

/** Parts of a pass as plots show them. */
const passParts = [
  ["attention", ["attention"], "#4269d0"],
  ["dense", ["dense"], "#97bbf5"],
  ["router", ["gate"], "#9c6b4e"],
  ["shared expert", ["shared"], "#6cc5b0"],
  ["experts", ["experts"], "#3ca951"],
  ["adding up", ["merge"], "#a463f2"],
  ["head, loss, embedding", ["embedding", "head", "sampling"], "#9498a0"],
  ["pack, unpack", ["pack", "unpack"], "#efb118"],
  ["waiting for others", ["dispatch", "combine", "plan", "outcome"], "#ff725c"],
];

/** @param {any} numbers */
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
/** @param {any} numbers */
const mean = (numbers) => (numbers.length ? sum(numbers) / numbers.length : 0);

function legend(entries) {
  return entries.map(
      ([name, colour]) => element(
          "span", {}, colour ? element("i", {style: `background: ${colour}`}) : element("i", {class: "waiting"}),
          name));
}

function drawPhases(report) {
  const ranks = report.ranks.filter((rank) => rank.steps > 0);
  if (!ranks.length) return;
  byId("phases").hidden = false;
  const [phases, steps] = [report.phases_of_a_step, ranks[0].steps];
  const wall = mean(ranks.map((rank) => rank.wall_seconds)) / steps;
  const covered = mean(ranks.map((rank) => sum(phases.map((phase) => rank.phase_seconds[phase])) / rank.wall_seconds));
  byId("phases-note").textContent = `${steps.toLocaleString("en")} steps of this run, ${
      time(wall)} a step; the phases add up to ${
      percent(
          covered)} of it. Hatched is what a rank only communicated: it packed messages, or waited for other ranks.`;
  const colours = phases.map((_, i) => `var(--phase-${i % 10})`);
  byId("phases-legend").replaceChildren(...legend([
    ...phases.map((phase, i) => [wordsOf(phase), colours[i]]), ["communicating", null]
  ]));
  const longest = Math.max(...ranks.map((rank) => rank.wall_seconds));
  const grid = element("div", {class: "ranks"});
  for (const rank of ranks.slice(0, 64)) {
    const bar = element("div", {class: "bar"});
    phases.forEach((phase, i) => {
      const [whole, waiting] =
          [rank.phase_seconds[phase], Math.min(rank.waiting_seconds[phase], rank.phase_seconds[phase])];
      for (const kind of ["", "waiting"]) {
        const seconds = kind ? waiting : whole - waiting;
        bar.append(element("i", {
          class: kind,
          style: `width: ${(100 * seconds) / longest}%; background-color: ${colours[i]}`,
          title: `rank ${rank.rank}, ${wordsOf(phase)}${kind && ", communicating"}: ${
              time(seconds / rank.steps)} a step, ${percent(seconds / rank.wall_seconds)}`,
        }));
      }
    });
    const communication = sum(phases.map((phase) => rank.waiting_seconds[phase])) / rank.wall_seconds;
    grid.append(
        element("span", {}, `rank ${rank.rank}`), bar,
        element("span", {}, ranks.length > 1 ? percent(communication) : time(rank.wall_seconds / rank.steps)));
  }
  byId("phases-ranks").replaceChildren(grid);
  const of = (phase, key) => mean(ranks.map((rank) => rank[key][phase] / rank.steps));
  byId("phases-table")
      .replaceChildren(table(
          ["phase", "a step", "share", ...(ranks.length > 1 ? ["communicating"] : [])],
          phases
              .map(
                  (phase) =>
                      [wordsOf(phase), time(of(phase, "phase_seconds")), percent(of(phase, "phase_seconds") / wall),
                       ...(ranks.length > 1 ? [percent(of(phase, "waiting_seconds") / wall)] : [])])
              .concat(report.phases.filter((phase) => !phases.includes(phase))
                          .map(
                              (phase) =>
                                  [`${wordsOf(phase)} (between steps)`,
                                   `${time(mean(ranks.map((rank) => rank.phase_seconds[phase])))} in all`, "",
                                   ...(ranks.length > 1 ? [""] : [])]))));
  drawPasses(report, ranks, steps);
}

/** Mean seconds of a step [layer][part] of a pass; the last layer is what is outside of all. */
function passTimes(report, ranks, pass, steps) {
  const at = (names) => names.map((name) => report.pass_phases.indexOf(name)).filter((i) => i >= 0);
  return ranks[0][pass].time_ns.map(
      (_, layer) => passParts.map(
          ([, names]) => mean(ranks.map((rank) => sum(at(names).map((phase) => rank[pass].time_ns[layer][phase])))) /
              1e9 / steps));
}

function drawPasses(report, ranks, steps) {
  const passes = ["forward", "backward"].map((pass) => passTimes(report, ranks, pass, steps));
  const walls = ["forward", "backward"].map((pass) => mean(ranks.map((rank) => rank[pass].wall_ns)) / 1e9 / steps);
  const rows = passParts
                   .map(([name], part) => {
                     const both = passes.map((layers) => sum(layers.map((parts) => parts[part])));
                     return [name, ...both.flatMap((seconds, i) => [time(seconds), percent(seconds / walls[i])])];
                   })
                   .filter((_, part) => passes.some((layers) => layers.some((parts) => parts[part] > 1e-7)));
  byId("passes-table").replaceChildren(table(["part", "forward", "share", "backward", "share"], [
    ...rows, ["together", time(walls[0]), "", time(walls[1]), ""]
  ]));
  byId("layers-legend").replaceChildren(...legend(passParts.map(([name, , colour]) => [name, colour])));
  const most = Math.max(...passes.flat().map(sum));
  byId("layers").replaceChildren(...passes.map((layers, i) => layerBars(["Forward", "Backward"][i], layers, most)));
}

/** Bars of the layers of a pass, stacked by part. */
function layerBars(title, layers, most) {
  const grid = element("div", {class: "ranks"});
  layers.forEach((parts, layer) => {
    const name = layer === layers.length - 1 ? "outside" : `${layer}`;
    const bar = element("div", {class: "bar", style: "height: 13px"});
    parts.forEach((seconds, part) => bar.append(element("i", {
      style: `width: ${(100 * seconds) / most}%; background: ${passParts[part][2]}`,
      title: `${title}, layer ${name}, ${passParts[part][0]}: ${time(seconds)}`,
    })));
    grid.append(element("span", {}, name), bar, element("span", {}, time(sum(parts))));
  });
  return element("div", {class: "chart"}, element("h3", {}, title), grid);
}

function drawBytes(report) {
  const steps = report.ranks[0]?.steps ?? 0;
  if (report.ranks.length < 2 || !steps) return;
  byId("bytes").hidden = false;
  const rows = report.sent.filter((sent) => sent.messages > 0);
  const line = (name, sent, messages, least) =>
      [name, bytes(sent / steps), figure(messages / steps, 3), bytes(least / steps),
       least > 0 ? `${(sent / least).toFixed(2)} ×` : "–"];
  byId("bytes-table").replaceChildren(table(["a step", "sent", "messages", "least possible", "sent over least"], [
    ...rows.map((row) => line(row.kind, row.bytes, row.messages, row.least_bytes)),
    line(
        "together", sum(rows.map((row) => row.bytes)), sum(rows.map((row) => row.messages)),
        sum(rows.map((row) => row.least_bytes)))
  ]));
}
