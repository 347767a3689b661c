// What reinforcement learning told: figures at the head of the page, and curves before those of every training.

/** A figure at the head of the page; `more` stands below its name. */
function card(value, name, ...more) { return element("div", {class: "card"}, element("b", {}, value), name, ...more); }

/** A share with Wilson's interval of 95 % (1927); null of nothing. */
function share(right, all) {
  if (!(all > 0)) return null;
  const [z, p] = [1.959963984540054, right / all];
  const scale = 1 + (z * z) / all;
  const centre = (p + (z * z) / (2 * all)) / scale;
  const half = (z / scale) * Math.sqrt((p * (1 - p)) / all + (z * z) / (4 * all * all));
  return {y: p, least: Math.max(0, centre - half), most: Math.min(1, centre + half)};
}

const interval = ({least, most}) => `95 %: ${(100 * least).toFixed(1)} to ${percent(most)}`;

/** Points of shares among completions; steps without such are left out. */
function shares(history, part, whole) {
  const counts = history.policy.completions;
  return history.last_step
      .map((x, i) => ({x, first: history.first_step[i], ...share(counts[part][i], counts[whole][i])}))
      .filter((point) => point.y !== undefined);
}

const heldOut = (history) => history.policy.held_out.map(({step, right, count}) => ({x: step, ...share(right, count)}));

/** Points of a metric or of a part of the reward; none where nobody told it. */
function told(history, columns) {
  if (!columns) return [];
  return history.last_step
      .map((x, i) => ({
             x,
             first: history.first_step[i],
             y: columns.mean[i],
             least: columns.least[i],
             most: columns.most[i],
           }))
      .filter((point) => point.y !== null);
}

/** Seconds of all ranks in phases of these names, or in all of a step; with or without what was communication. */
function phaseSeconds(report, names, waits) {
  return sum(
      report.ranks.map((rank) => sum(names.map((name) => {
                         const [whole, waiting] = [rank.phase_seconds[name] ?? 0, rank.waiting_seconds[name] ?? 0];
                         return waits ? Math.min(waiting, whole) : Math.max(0, whole - waiting);
                       }))));
}

/**
 * Between what a step's time is shared: by the ranks' phases where these have a rollout, else by the steps' own words.
 */
function timeShares(report) {
  const [names, metrics] = [report.phases_of_a_step, report.history.policy.metrics];
  const wall = sum(report.ranks.map((rank) => rank.wall_seconds));
  if (wall > 0 && names.includes("rollout")) {
    const rest = names.filter((name) => !["rollout", "reward"].includes(name));
    return [
      ["rollout", phaseSeconds(report, ["rollout"], false) / wall],
      ["reward", phaseSeconds(report, ["reward"], false) / wall],
      ["update", phaseSeconds(report, rest, false) / wall],
      ["waiting", phaseSeconds(report, names, true) / wall],
    ];
  }
  const seconds = ["rollout", "reward", "update"].map((name) => {
    const {mean: values = [], steps = []} = metrics[`${name}_seconds`] ?? {};
    return [name, sum(values.map((value, i) => (value ?? 0) * steps[i]))];
  });
  const all = sum(seconds.map(([, value]) => value));
  return all > 0 ? seconds.map(([name, value]) => [name, value / all]) : [];
}

/** A card, or none. */
function timeCard(report) {
  const parts = timeShares(report);
  if (!parts.length) return [];
  const colours =
      {rollout: "var(--phase-1)", reward: "var(--phase-4)", update: "var(--phase-2)", waiting: "var(--phase-3)"};
  const bar = element("div", {class: "bar", role: "img", "aria-label": "shares of a step's time"});
  for (const [name, value] of parts)
    bar.append(element("i", {style: `width: ${100 * value}%; background: ${colours[name]}`}));
  const words = parts.map(
      ([name, value]) =>
          element("span", {}, element("i", {style: `background: ${colours[name]}`}), `${name} ${percent(value)}`));
  return [element("div", {class: "card wide"}, "time of a step", bar, element("div", {class: "legend"}, ...words))];
}

function ratioCard(history) {
  const points = told(history, history.policy.metrics.max_log_ratio);
  if (!points.length) return null;
  const most = Math.max(...points.map((point) => point.most));
  if (most === 0) return card("exactly 1", "first ratios: max |log ratio| 0");
  const made = card(figure(most, 3), "max |log ratio|: rollout and training differ");
  made.classList.add("failure");
  return made;
}

function policyCards(report) {
  const {history} = report;
  const {metrics, completions} = history.policy;
  const [right, exams, lengths] =
      [shares(history, "right", "graded"), heldOut(history), told(history, metrics.mean_length)];
  const reward = told(history, metrics.reward).at(-1);
  const small = (text) => element("small", {}, text);
  const cards = [];
  if (reward) cards.push(card(figure(reward.y, 3), "reward"));
  if (right.length) cards.push(card(percent(right.at(-1).y), "right, sampled", small(interval(right.at(-1)))));
  if (exams.length) {
    const {x, ...exam} = exams.at(-1);
    cards.push(card(
        percent(exam.y), x === report.step ? "right, held out, greedy" : `right, held out, greedy, step ${x}`,
        small(interval(exam))));
  }
  if (lengths.length) {
    cards.push(card(figure(lengths.at(-1).y, 3), "tokens a completion", small(`at first ${figure(lengths[0].y, 3)}`)));
  }
  cards.push(
      ratioCard(history),
      card(count(sum(completions.tokens)), "tokens sampled", small(`${count(sum(completions.count))} completions`)));
  return cards.filter((made) => made);
}

/**
 * The theory of keeping what is right (Tsilivis et al., arXiv 2510.11495): p′ = 2p/(1 + p) a round, so that the odds
 * p/(1 − p) double. How many steps a round takes is fitted to the points before p first passes 0.8, where skill is the
 * limit.
 */
function doubling(points) {
  const end = points.findIndex((point) => point.y > 0.8);
  const rising = points.slice(0, end < 0 ? points.length : end).filter((point) => point.y > 0 && point.y < 1);
  if (rising.length < 6 || !(points.at(-1).y > 2 * rising[0].y)) return null;
  const rows = rising.map(({x, y}) => ({x, odds: Math.log(y / (1 - y)), weight: y * (1 - y)}));
  const weight = sum(rows.map((row) => row.weight));
  const [x, odds] = ["x", "odds"].map((key) => sum(rows.map((row) => row[key] * row.weight)) / weight);
  const slope = sum(rows.map((row) => row.weight * (row.x - x) * (row.odds - odds))) /
      sum(rows.map((row) => row.weight * (row.x - x) ** 2));
  if (!(slope > 0)) return null;
  return {
    points: points.map((point) => ({x: point.x, y: 1 / (1 + Math.exp(-odds - slope * (point.x - x)))})),
    note: `Dashed: p′ = 2p/(1 + p) a round, the theory of keeping what is right, with rounds of ${
        figure(Math.LN2 / slope, 3)} steps (fitted).`,
  };
}

/** Shares, with few digits beside an axis. */
const shareUnit = (value, digits) => (digits ? `${figure(100 * value, digits)} %` : percent(value));

function policyCurves(history) {
  const {metrics, parts} = history.policy;
  const of = (name) => told(history, metrics[name]);
  const curves = [];
  const add = (title, points, options) => {
    if (points.length) curves.push(curve(title, points, options));
  };
  const zero = {fromZero: true};
  const shareOf = {fromZero: true, unit: shareUnit};
  const line = (points) => points.map(({x, y}) => ({x, y}));
  add("Reward", of("reward"), zero);
  const [sampled, exams] = [shares(history, "right", "graded"), heldOut(history)];
  const words = {bandWords: "95 %:", ...shareOf};
  if (sampled.length) {
    const {points: third, note} = doubling(sampled) ?? {points: [], note: ""};
    const names = ["sampled", "held-out prompts, greedy"];
    add("Right answers", sampled, {...words, second: exams, secondName: "held out, greedy:", names, third, note});
  } else {
    add("Right answers to held-out prompts, greedy", exams, words);
  }
  add("Tokens a completion", of("mean_length"), zero);
  add("Entropy, nats a token", of("entropy"), zero);
  add("Groups whose rewards differ", of("signal_groups"), shareOf);
  const names = ["without an answer", "cut at the limit of length"];
  add("Completions without an answer", line(shares(history, "no_answer", "count")),
      {...shareOf, names, second: line(shares(history, "cut", "count")), secondName: "cut:"});
  for (const [name, columns] of Object.entries(parts)) add(`Reward: ${name}`, told(history, columns), zero);
  const pair = (title, name, unit) => {
    const second = line(of(`update_${name}`));
    add(title, of(`rollout_${name}`), {...zero, unit, names: ["rollout", "update"], second, secondName: "update:"});
  };
  pair("Tokens a second of rollout and update", "tokens_per_second", figure);
  pair("Seconds a step of rollout and update", "seconds", figure);
  const some = (name) => of(name).some((point) => point.most > 0);
  if (some("max_log_ratio")) add("Max |log ratio| before the first update", of("max_log_ratio"), zero);
  if (some("clipped_share")) add("Tokens whose ratio was cut", of("clipped_share"), shareOf);
  if (some("reference_kl")) add("KL from the reference, nats a token", of("reference_kl"), zero);
  add("Routes that the update changed", of("changed_routes"), shareOf);
  return curves;
}
