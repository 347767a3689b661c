// Elements, numbers as people read them, requests.

/** @type {(id: string) => any} */
const byId = (id) => document.getElementById(id);

/// A new element; `children` are elements or texts.
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const count = (value) => isNumber(value) ? Math.round(value).toLocaleString("en-US") : "–";
const plural = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

/// Three significant digits or whole numbers.
function figure(value) {
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  return size >= 100 || size === 0 ? count(value) : size >= 10 ? value.toFixed(1) : value.toFixed(2);
}

const percent = (value) => isNumber(value) ? `${(100 * value).toFixed(value < 0.0995 && value > 0 ? 1 : 0)} %` : "–";

function seconds(value) {
  if (!isNumber(value)) return "–";
  if (value < 1) return `${figure(value * 1000)} ms`;
  return value < 100 ? `${figure(value)} s` : `${Math.floor(value / 60)} min ${Math.floor(value % 60)} s`;
}

function bytes(value) {
  if (!isNumber(value)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${figure(value)} ${units[unit]}`;
}

/// What the style sheet calls `name`, in the present scheme.
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/// A canvas's context with the pixels its place on the screen has.
function sharp(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return context;
}

function headers() {
  const key = byId("key").value.trim();
  return key ? {Authorization: `Bearer ${key}`} : {};
}

/// A refusal as an error: OpenAI's form of it, or else its status.
async function refusal(response) {
  let text = "";
  let code = "";
  try {
    const body = await response.json();
    text = body?.error?.message ?? (typeof body?.error === "string" ? body.error : "");
    code = body?.error?.code ?? "";
  } catch { /* No JSON: the status must do. */
  }
  if (!text) text = `the server answered ${response.status} ${response.statusText}`;
  if (response.status === 401) text += " – enter an API key under Settings.";
  const wait = response.headers.get("Retry-After");
  if (response.status === 429 && wait) text += ` – it asks to wait ${wait} s.`;
  return Object.assign(new Error(text), {status: response.status, code});
}

async function getJSON(path, limit = 5000) {
  const response = await fetch(path, {headers: headers(), cache: "no-store", signal: AbortSignal.timeout(limit)});
  if (!response.ok) throw await refusal(response);
  return response.json();
}
