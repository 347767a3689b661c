// Counters are sums since the job's start; rates come from their differences between polls.

/// Seconds of the plot, of the figures, and of the bars.
const plotSpan = 300, rateSpan = 3, shareSpan = 10, recentSpan = 60;

/// Statuses of this job without visits, oldest first; visits every five seconds; points of the plot, over restarts too.
const past = {
  statuses: [],
  visits: [],
  points: []
};

/// Remembers `status`; false where it is the one of the last poll.
function remember(status) {
  const last = past.statuses.at(-1);
  if (last && status.time === last.time) return false;
  if (last && (status.time < last.time || status.generated_tokens < last.generated_tokens)) {
    // Another job counts from zero.
    past.statuses = [];
    past.visits = [];
  }
  const {visits, ...rest} = status;
  past.statuses.push(rest);
  while (past.statuses.length > 2 && past.statuses[1].time < status.time - 2 * shareSpan) past.statuses.shift();
  const lastVisits = past.visits.at(-1);
  if (!lastVisits || status.time - lastVisits.time >= 5) past.visits.push({time: status.time, visits});
  while (past.visits.length > 1 && past.visits[1].time <= status.time - recentSpan) past.visits.shift();
  return true;
}

/// The last status, and the one `span` seconds before it or the oldest there is; null where there is but one.
function pair(span) {
  const now = past.statuses.at(-1);
  if (past.statuses.length < 2) return null;
  const before = past.statuses.findLast((status) => status.time <= now.time - span) ?? past.statuses[0];
  return {now, before, time: now.time - before.time};
}

/// What `field` grew by in a second.
function rate(field, span = rateSpan) {
  const both = pair(span);
  return both && isNumber(both.now[field]) ? (both.now[field] - both.before[field]) / both.time : null;
}

/// Growth of `field` over that of `divisor`.
function ratio(field, divisor, span = shareSpan) {
  const both = pair(span);
  const steps = both ? both.now[divisor] - both.before[divisor] : 0;
  return steps > 0 ? (both.now[field] - both.before[field]) / steps : null;
}

/// Visits of the last minute, or all of them.
function recentVisits(visits) {
  const before = past.visits[0]?.visits;
  if (!before || before === visits) return visits;
  return visits.map((row, layer) => row.map((value, expert) => value - (before[layer]?.[expert] ?? 0)));
}

function addPoint(value) {
  const now = Date.now() / 1000;
  past.points.push({when: now, value});
  while (past.points.length > 0 && past.points[0].when < now - plotSpan) past.points.shift();
}

/// A limit for the plot that reads well: few digits times a power of ten.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((limit) => limit >= value);
}

function drawRate() {
  const canvas = byId("rate");
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (width === 0) return;
  const context = sharp(canvas, width, height);
  const points = past.points;
  const peak = points.reduce((most, point) => Math.max(most, point.value), 0);
  const limit = roundUp(peak * 1.05);
  const now = Date.now() / 1000;
  const label = figure(limit).replace(/\.?0+$/, (zeros) => zeros.includes(".") ? "" : zeros);
  context.font = "11px system-ui, sans-serif";
  const left = context.measureText(label).width + 8;
  const bottom = height - 16;
  const x = (when) => left + (width - left) * (1 - (now - when) / plotSpan);
  const y = (value) => 5 + (bottom - 5) * (1 - value / limit);
  context.strokeStyle = color("rule");
  context.fillStyle = color("weak");
  for (const [value, text] of [[0, "0"], [limit, label]]) {
    context.beginPath();
    context.moveTo(left, Math.round(y(value)) - 0.5);
    context.lineTo(width, Math.round(y(value)) - 0.5);
    context.stroke();
    context.textAlign = "right";
    context.fillText(text, left - 5, y(value) + 4);
  }
  for (const [minutes, align] of [[5, "left"], [2.5, "center"], [0, "right"]]) {
    context.textAlign = align;
    context.fillText(minutes === 0 ? "now" : `${minutes} min ago`, x(now - 60 * minutes), height - 3);
  }
  if (points.length > 1) {
    context.beginPath();
    points.forEach((point, index) => context[index === 0 ? "moveTo" : "lineTo"](x(point.when), y(point.value)));
    context.strokeStyle = color("line");
    context.lineWidth = 1.5;
    context.lineJoin = "round";
    context.stroke();
    context.lineTo(x(points.at(-1).when), y(0));
    context.lineTo(x(points[0].when), y(0));
    context.globalAlpha = 0.15;
    context.fillStyle = color("line");
    context.fill();
  }
  const words = points.length > 0 ? `now ${figure(points.at(-1).value)} · most ${figure(peak)}` : "";
  byId("rate-range").textContent = words;
  canvas.setAttribute("aria-label", `Generated tokens per second of the last five minutes: ${words}`);
}
