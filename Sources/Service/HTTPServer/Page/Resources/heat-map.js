// Visits of every expert in every layer, against the mean of the layer.

/// Shares of the mean at which the scale ends; cells and margins in pixels of the page.
const heatLimit = 4, heatLeft = 34, heatTop = 6, heatBottom = 18;

/// `visits[layer][expert]`; `layers` are their numbers in the model; `at` is the cell being read.
const heat = {
  layers: [],
  visits: [],
  means: [],
  experts: 0,
  rowHeight: 0,
  at: null
};

/// 256 colours between the style sheet's five.
function heatColors() {
  const stops = [0, 1, 2, 3, 4].map((stop) => {
    const hex = color(`heat-${stop}`);
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  });
  return Array.from({length: 256}, (_, index) => {
    const place = index / 255 * 4;
    const stop = Math.min(3, Math.floor(place));
    const mixed =
        stops[stop].map((from, channel) => Math.round(from + (stops[stop + 1][channel] - from) * (place - stop)));
    return `rgb(${mixed.join(",")})`;
  });
}

const heatShare = (layer, expert) => heat.means[layer] > 0 ? heat.visits[layer][expert] / heat.means[layer] : 0;

function setHeat(layers, visits) {
  heat.visits = visits;
  heat.layers = visits.map((_, index) => layers[index] ?? index);
  heat.experts = visits.reduce((most, row) => Math.max(most, row.length), 0);
  heat.means = visits.map((row) => row.reduce((sum, value) => sum + value, 0) / Math.max(row.length, 1));
  byId("experts").hidden = heat.experts === 0;
  if (heat.at && (heat.at.layer >= visits.length || heat.at.expert >= heat.experts)) heat.at = null;
  drawHeat();
  nameBusiest();
}

/// Where cell `index` of `total` begins, in the canvas's own pixels: whole ones, so that no edge is blurred.
const heatEdge = (start, length, index, total) => Math.round(start + length * index / total);

function drawHeat() {
  const canvas = byId("heat");
  const rows = heat.layers.length;
  const width = byId("heat-frame").clientWidth;
  if (heat.experts === 0 || width === 0) return;
  heat.rowHeight = Math.max(4, Math.min(16, 320 / rows));
  const height = heatTop + heat.rowHeight * rows + heatBottom;
  canvas.style.height = `${height}px`;
  const context = sharp(canvas, width, height);
  const scale = window.devicePixelRatio || 1;
  const colors = heatColors();
  const [left, across] = [heatLeft * scale, (width - heatLeft) * scale];
  const [head, down] = [heatTop * scale, heat.rowHeight * rows * scale];
  const gap = across / heat.experts >= 8 * scale && heat.rowHeight >= 8 ? Math.round(scale) : 0;
  context.setTransform(1, 0, 0, 1, 0, 0);
  for (let row = 0; row < rows; row += 1) {
    const [top, under] = [heatEdge(head, down, row, rows), heatEdge(head, down, row + 1, rows)];
    for (let expert = 0; expert < heat.visits[row].length; expert += 1) {
      const [from, to] =
          [heatEdge(left, across, expert, heat.experts), heatEdge(left, across, expert + 1, heat.experts)];
      context.fillStyle = colors[Math.round(255 * Math.min(heatShare(row, expert) / heatLimit, 1))];
      context.fillRect(from, top, Math.max(1, to - from - gap), Math.max(1, under - top - gap));
    }
  }
  context.setTransform(scale, 0, 0, scale, 0, 0);
  labelHeat(context, width, rows);
  drawScale(colors);
  markHeat();
}

function labelHeat(context, width, rows) {
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = color("weak");
  context.textAlign = "right";
  context.textBaseline = "middle";
  const rowStep = Math.max(1, Math.ceil(14 / heat.rowHeight));
  for (let row = 0; row < rows; row += rowStep) {
    context.fillText(heat.layers[row], heatLeft - 6, heatTop + (row + 0.5) * heat.rowHeight);
  }
  const cell = (width - heatLeft) / heat.experts;
  const step = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].find((step) => step * cell >= 28) ?? 2048;
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  for (let expert = 0; expert < heat.experts; expert += step) {
    context.fillText(expert, heatLeft + (expert + 0.5) * cell, heatTop + heat.rowHeight * rows + 14);
  }
}

function drawScale(colors) {
  const canvas = byId("heat-scale").querySelector("canvas");
  canvas.width = 256;
  canvas.height = 1;
  const context = canvas.getContext("2d");
  colors.forEach((one, index) => {
    context.fillStyle = one;
    context.fillRect(index, 0, 1, 1);
  });
}

function nameBusiest() {
  const top = [];
  heat.visits.forEach((row, layer) => row.forEach((_, expert) => {
    const share = heatShare(layer, expert);
    if (share === 0 || (top.length === 3 && share <= top[2].share)) return;
    top.push({layer, expert, share});
    top.sort((a, b) => b.share - a.share).splice(3);
  }));
  const words =
      top.map((cell) => `layer ${heat.layers[cell.layer]}, expert ${cell.expert} (${cell.share.toFixed(1)} ×)`);
  byId("heat-top").textContent = words.length > 0 ? `Busiest: ${words.join("; ")}.` : "No visits yet.";
  byId("heat").setAttribute(
      "aria-label",
      `Visits of ${heat.experts} experts, across, in ${
          plural(heat.layers.length, "layer")}, down. Arrow keys read single cells.`);
}

const heatWords = ({layer, expert}) =>
    `layer ${heat.layers[layer]}, expert ${expert}: ${plural(heat.visits[layer][expert] ?? 0, "visit")}, ` +
    `${heatShare(layer, expert).toFixed(2)} × the mean`;

/// Frames the cell being read, and tells of it beside.
function markHeat() {
  const [mark, tip] = [byId("heat-mark"), byId("heat-tip")];
  mark.hidden = tip.hidden = heat.at === null;
  if (heat.at === null) return;
  const width = byId("heat-frame").clientWidth;
  const cell = (width - heatLeft) / heat.experts;
  const [x, y] = [heatLeft + heat.at.expert * cell, heatTop + heat.at.layer * heat.rowHeight];
  Object.assign(mark.style, {
    left: `${x - 3}px`,
    top: `${y - 3}px`,
    width: `${cell + 6}px`,
    height: `${heat.rowHeight + 6}px`,
  });
  tip.textContent = heatWords(heat.at);
  const isRight = x > width / 2;
  Object.assign(tip.style, {
    left: isRight ? "auto" : `${x + cell + 8}px`,
    right: isRight ? `${width - x + 8}px` : "auto",
    top: `${Math.max(0, y - 16)}px`,
  });
}

function readHeat(at) {
  heat.at = at;
  markHeat();
}

function pointAtHeat(event) {
  const frame = byId("heat").getBoundingClientRect();
  const expert = Math.floor((event.clientX - frame.left - heatLeft) / (frame.width - heatLeft) * heat.experts);
  const layer = Math.floor((event.clientY - frame.top - heatTop) / heat.rowHeight);
  readHeat(expert >= 0 && expert < heat.experts && layer >= 0 && layer < heat.layers.length ? {layer, expert} : null);
}
byId("heat").addEventListener("pointermove", pointAtHeat);
byId("heat").addEventListener("pointerdown", pointAtHeat);
byId("heat").addEventListener("pointerleave", (event) => {
  if (event.pointerType === "mouse") readHeat(null);
});
byId("heat").addEventListener("blur", () => readHeat(null));
byId("heat").addEventListener("keydown", (event) => {
  const move = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
  if (event.key === "Escape") readHeat(null);
  if (!move || heat.experts === 0) return;
  event.preventDefault();
  const within = (value, limit) => Math.min(Math.max(value, 0), limit - 1);
  const at = heat.at ?? {layer: 0, expert: -move[1]};
  readHeat({
    layer: within(at.layer + (heat.at ? move[0] : 0), heat.layers.length),
    expert: within(at.expert + move[1], heat.experts),
  });
  byId("heat-words").textContent = heatWords(heat.at);
});
