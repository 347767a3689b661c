// Maps of experts' loads: a cell is an expert's tokens over the mean of its layer.

/**
 * A map on a canvas. `cells` [row][column], numbers; `describe` a cell in words; `onRow` hears of a click.
 */
function heatMap(cells, {rows, columns, describe, onRow = null}) {
  const [rowCount, columnCount] = [cells.length, cells[0]?.length ?? 0];
  const canvas = element("canvas", {role: "img"});
  canvas.width = columnCount;
  canvas.height = rowCount;
  const cell = Math.max(4, Math.min(22, Math.round(360 / rowCount)));
  canvas.style.height = `${cell * rowCount}px`;
  const paint = () => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => {
      const probe = document.createElement("canvas").getContext("2d");
      probe.fillStyle = style.getPropertyValue(name).trim();
      probe.fillRect(0, 0, 1, 1);
      return probe.getImageData(0, 0, 1, 1).data;
    };
    const [even, more, less, dead] = ["--empty", "--heat", "--line", "--dead"].map(colour);
    const context = canvas.getContext("2d");
    const image = context.createImageData(columnCount, rowCount);
    for (let row = 0; row < rowCount; row += 1) {
      for (let column = 0; column < columnCount; column += 1) {
        // Full colours are four times the mean, and a quarter of it.
        const share = Math.max(-1, Math.min(1, Math.log2(cells[row][column]) / 2));
        const [at, end] = [4 * (row * columnCount + column), share > 0 ? more : less];
        for (let i = 0; i < 3; i += 1) {
          image.data[at + i] = cells[row][column] === 0 ? dead[i] : even[i] + (end[i] - even[i]) * Math.abs(share);
        }
        image.data[at + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
  };
  paint();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  const value = element("div", {class: "value"});
  const find = (event) => {
    const frame = canvas.getBoundingClientRect();
    const place = (part, whole, count) => Math.max(0, Math.min(count - 1, Math.floor((part / whole) * count)));
    return [
      place(event.clientY - frame.top, frame.height, rowCount),
      place(event.clientX - frame.left, frame.width, columnCount)
    ];
  };
  canvas.addEventListener("pointermove", (event) => {
    value.textContent = describe(...find(event));
  });
  canvas.addEventListener("pointerleave", () => {
    value.textContent = "";
  });
  if (onRow) {
    canvas.style.cursor = "pointer";
    canvas.addEventListener("click", (event) => onRow(find(event)[0]));
  }
  const every = Math.ceil(15 / cell);
  const labels = element(
      "div", {class: "rows"},
      ...rows.map(
          (name, row) =>
              (row % every ? null : element("span", {style: `top: ${((row + 0.5) / rowCount) * 100}%`}, name))));
  labels.style.minWidth = `${Math.max(...rows.map((name) => name.length)) * 7}px`;
  return element(
      "div", {class: "frame"}, labels, canvas,
      element("div", {class: "columns"}, ...columns.map((name) => element("span", {}, name))), value);
}

/** The section of loads; leaves it hidden for a model without experts. */
function drawLoads(history) {
  const {layers, experts, tokens, first_step: first, last_step: last} = history.loads;
  if (!layers.length || !tokens.length) return;
  byId("loads").hidden = false;
  const row = (bin, place) => tokens[bin].slice(place * experts, (place + 1) * experts);
  const ratios = (counts) => {
    const mean = counts.reduce((a, b) => a + b, 0) / experts;
    return counts.map((count) => (mean > 0 ? count / mean : 0));
  };
  const words = (count, ratio) => `${count.toLocaleString("en")} tokens, ${figure(ratio, 3)} × the mean`;
  const end = tokens.length - 1;
  const steps = (bin) => (first[bin] === last[bin] ? `step ${last[bin]}` : `steps ${first[bin]} to ${last[bin]}`);
  const swatch = (name, words) => [element("span", {}, element("i", {style: `background: var(${name})`}), words)];
  byId("loads-note")
      .after(element(
          "div", {class: "legend"}, ...swatch("--heat", "four times the mean of its layer, or more"),
          ...swatch("--empty", "the mean"), ...swatch("--line", "a quarter of it, or less"),
          ...swatch("--dead", "no token")));
  byId("loads-when").textContent = steps(end);
  const select = byId("loads-layer");
  layers.forEach((layer) => select.append(element("option", {}, `layer ${layer}`)));
  const latest = layers.map((_, place) => ratios(row(end, place)));
  const showTime = (place) => {
    const byBin = tokens.map((_, bin) => ratios(row(bin, place)));
    const cells = Array.from({length: experts}, (_, expert) => byBin.map((bin) => bin[expert]));
    byId("loads-time").replaceChildren(heatMap(cells, {
      rows: cells.map((_, expert) => `${expert}`),
      columns: [`step ${first[0]}`, `expert by expert, downwards`, `${last[end]}`],
      describe: (expert, bin) => `layer ${layers[place]}, expert ${expert}, ${steps(bin)}: ${
          words(row(bin, place)[expert], cells[expert][bin])}`,
    }));
  };
  const choose = (place) => {
    select.selectedIndex = place;
    showTime(place);
  };
  select.addEventListener("change", () => showTime(select.selectedIndex));
  byId("loads-layers").replaceChildren(heatMap(latest, {
    rows: layers.map((layer) => `${layer}`),
    columns: ["expert 0", `${experts - 1}`],
    describe: (place, expert) =>
        `layer ${layers[place]}, expert ${expert}: ${words(row(end, place)[expert], latest[place][expert])}`,
    onRow: choose,
  }));
  choose(latest.reduce((worst, all, place) => (Math.max(...all) > Math.max(...latest[worst]) ? place : worst), 0));
  const dead =
      layers.map((layer, place) => [layer, row(end, place).flatMap((count, expert) => (count === 0 ? [expert] : []))])
          .filter(([, list]) => list.length);
  byId("loads-dead").textContent = dead.length ? `Experts that no token chose (${steps(end)}): ` +
          dead.map(([layer, list]) => `layer ${layer}: ${list.join(", ")}`).join("; ") + "." :
                                                 `Every expert got tokens (${steps(end)}).`;
}
