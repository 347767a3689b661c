// Elements, numbers in words, and curves with a line that follows the pointer.

const namespace = "http://www.w3.org/2000/svg";

/** An element with attributes and children; texts are texts, never markup. */
function element(name, attributes = {}, ...children) {
  const made = ["svg", "path", "line", "text", "circle", "rect", "g", "title"].includes(name) ?
      document.createElementNS(namespace, name) :
      document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "style") made.style.cssText = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const byId = (id) => document.getElementById(id);

/** A number in about so many digits. */
function figure(value, digits = 4) {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toExponential(digits - 2).replace("e+", "e");
  if (size >= 10 ** digits) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(digits)));
}

/** A count in at most five digits. */
function count(value) {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6]]) {
    if (value >= size) return (value / size).toFixed(2) + " " + unit;
  }
  return value.toLocaleString("en");
}

const percent = (share) => (Number.isFinite(share) ? (100 * share).toFixed(1) + " %" : "–");

function time(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds >= 7200) return (seconds / 3600).toFixed(1) + " h";
  if (seconds >= 120) return Math.floor(seconds / 60) + " min " + Math.round(seconds % 60) + " s";
  if (seconds >= 1) return seconds.toFixed(2) + " s";
  return seconds >= 1e-3 ? (seconds * 1e3).toFixed(seconds >= 0.1 ? 0 : 2) + " ms" : (seconds * 1e6).toFixed(0) + " µs";
}

function bytes(count) {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (count >= size) return (count / size).toFixed(2) + " " + unit;
  }
  return Math.round(count) + " B";
}

/** A table; cells that begin with a digit, or stand below such, go to the right. */
function table(header, rows) {
  const isNumber = header.map((_, i) => i > 0 && rows.some((row) => /^[−–\d]/.test(row[i] ?? "")));
  const cells = (name, row) => row.map((text, i) => element(name, isNumber[i] ? {class: "n"} : {}, text));
  return element(
      "table", {}, ...(header.some((text) => text) ? [element("tr", {}, ...cells("th", header))] : []),
      ...rows.map((row) => element("tr", {}, ...cells("td", row))));
}

/** Round numbers from below `least` to above `most`, with at least `count` steps between them. */
function ticks(least, most, count = 4) {
  const span = most - least || Math.abs(most) || 1;
  let step = 10 ** Math.floor(Math.log10(span / count));
  for (const factor of [5, 2])
    if (span / (step * factor) >= count) {
      step *= factor;
      break;
    }
  const first = Math.floor(least / step + 1e-9);
  const last = Math.ceil(most / step - 1e-9);
  return Array.from({length: Math.max(last - first, 1) + 1}, (_, i) => (first + i) * step);
}

/**
 * A curve over steps. `points`: {x, y, least, most}, with a band from `least` to `most`, which `bandWords` names;
 * `second`: {x, y, least, most} drawn with dots; `names` of both, for a legend; `third`: {x, y}, dashed; `marks`: steps
 * with a line; `note`: words below.
 */
function curve(title, points, {
  second = [],
  secondName = "",
  names = [],
  third = [],
  bandWords = "from",
  note = "",
  unit = figure,
  marks = [],
  fromZero = false
} = {}) {
  const [width, height, left, right, top, bottom] = [460, 210, 58, 20, 10, 24];
  points = points.filter((point) => point.y !== null && Number.isFinite(point.y));
  const value = element("div", {class: "value"}, "");
  const box = element("div", {class: "chart"}, element("h3", {}, title));
  if (names.length && second.length) {
    box.append(element(
        "div", {class: "legend"},
        ...["--line", "--second"].map(
            (colour, i) => element("span", {}, element("i", {style: `background: var(${colour})`}), names[i]))));
  }
  if (!points.length) {
    box.append(value, "no numbers yet");
    return box;
  }
  // What lies far out for a few steps does not flatten all else.
  const sorted = points.map((point) => point.y).concat(second.map((point) => point.y)).sort((a, b) => a - b);
  const whole = sorted[sorted.length - 1];
  const usual = sorted[Math.floor((sorted.length - 1) * 0.98)];
  const least = fromZero ? Math.min(0, sorted[0]) : sorted[0];
  const most = whole - least > 4 * (usual - least) && usual > least ? usual + (usual - least) / 2 : whole;
  const marksY = ticks(least, most);
  const [low, high] = [marksY[0], marksY[marksY.length - 1]];
  const all = points.concat(second);
  const [from, to] = [Math.min(...all.map((p) => p.x)), Math.max(...all.map((p) => p.x))];
  const x = (step) => left + (width - left - right) * (to > from ? (step - from) / (to - from) : 0.5);
  const y = (number) =>
      top + (height - top - bottom) * (1 - (Math.min(Math.max(number, low), high) - low) / (high - low));
  const path = (list) =>
      list.map((point, i) => `${i ? "L" : "M"}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`).join("");
  const svg = element("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title, tabindex: "0"});
  for (const mark of marksY) {
    svg.append(
        element("line", {x1: left, x2: width - right, y1: y(mark), y2: y(mark)}),
        element("text", {x: left - 6, y: y(mark) + 4, "text-anchor": "end", class: "weak"}, unit(mark, 3)));
  }
  const marksX =
      to > from ? ticks(from, to, 3).filter((step) => step >= from && step <= to && Number.isInteger(step)) : [from];
  for (const step of marksX) {
    svg.append(element(
        "text", {x: x(step), y: height - 6, "text-anchor": "middle", class: "weak"}, step.toLocaleString("en")));
  }
  for (const mark of marks) {
    svg.append(element("line", {class: "mark", x1: x(mark), x2: x(mark), y1: top, y2: height - bottom}));
  }
  if (points.some((point) => point.most > point.least)) {
    const upper = points.map((point) => ({x: point.x, y: point.most}));
    const lower = points.map((point) => ({x: point.x, y: point.least})).reverse();
    svg.append(element("path", {class: "band", d: path(upper) + path(lower).replace("M", "L") + "Z"}));
  }
  if (third.length) svg.append(element("path", {class: "third", d: path(third)}));
  svg.append(element("path", {class: "line", d: path(points)}));
  if (points.length === 1)
    svg.append(element("circle", {cx: x(points[0].x), cy: y(points[0].y), r: 3, fill: "var(--line)"}));
  if (second.length) {
    svg.append(element("path", {class: "second", d: path(second)}));
    for (const point of second.length > 60 ? [] : second.filter((point) => point.most > point.least)) {
      svg.append(
          element("line", {class: "span", x1: x(point.x), x2: x(point.x), y1: y(point.least), y2: y(point.most)}));
    }
    for (const point of second.length > 60 ? second.slice(-1) : second) {
      svg.append(element("circle", {class: "dot", cx: x(point.x), cy: y(point.y), r: 3}));
    }
  }
  const follower = element("line", {y1: top, y2: height - bottom, x1: -9, x2: -9, style: "stroke: var(--weak)"});
  svg.append(follower);
  const tell = (step) => {
    const near = (list) => list.reduce((a, b) => (Math.abs(b.x - step) < Math.abs(a.x - step) ? b : a));
    const point = near(points);
    const parts = [`${point.first < point.x ? `steps ${point.first}–` : "step "}${point.x}: ${unit(point.y)}`];
    if (point.most > point.least) parts.push(`${bandWords} ${unit(point.least)} to ${unit(point.most)}`);
    if (second.length) {
      const other = near(second);
      parts.push(`${secondName} ${unit(other.y)}${other.x === point.x ? "" : ` at step ${other.x}`}`);
    }
    value.textContent = parts.join(", ");
    return point;
  };
  const follow = (step) => {
    const point = tell(step);
    follower.setAttribute("x1", x(point.x));
    follower.setAttribute("x2", x(point.x));
    return points.indexOf(point);
  };
  const rest = () => {
    follower.setAttribute("x1", -9);
    follower.setAttribute("x2", -9);
    tell(to);
  };
  svg.addEventListener("pointermove", (event) => {
    const frame = svg.getBoundingClientRect();
    const place = ((event.clientX - frame.left) / frame.width) * width;
    follow(from + ((place - left) / (width - left - right)) * (to - from));
  });
  svg.addEventListener("pointerleave", rest);
  let place = points.length - 1;
  svg.addEventListener("keydown", (event) => {
    const move = {ArrowLeft: -1, ArrowRight: 1, Home: -points.length, End: points.length}[event.key];
    if (!move) return;
    event.preventDefault();
    place = follow(points[Math.max(0, Math.min(points.length - 1, place + move))].x);
  });
  svg.addEventListener("blur", rest);
  tell(to);
  box.append(svg, value);
  if (note) box.append(element("div", {class: "value"}, note));
  return box;
}
