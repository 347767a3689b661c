// Completions to read: filtered, sorted, and shown as texts that no character in them can disguise.

const outcomeWords = {
  right: "right",
  wrong: "wrong",
  no_answer: "no answer",
  error: "error",
  unscored: "unscored"
};
const wordOfOutcome = (outcome) => (Object.hasOwn(outcomeWords, outcome) ? outcomeWords[outcome] : outcome);

/** What writes nothing, or changes how other text is written: controls, directions, invisible characters. */
const unseen =
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffc]/u;

/** A text with its unseen characters by name. */
function seen(text) {
  return text.split(new RegExp(`(${unseen.source})`, "u")).filter((part) => part).map((part) => {
    if (!(part.length === 1 && unseen.test(part))) return part;
    const code = part.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    return element("span", {class: "unseen"}, `U+${code}`);
  });
}

/** A completion in pieces: {text, thinks}; tags belong to the thought. A thought may have begun in the prompt. */
function pieces(completion) {
  const found = [];
  const add = (text, thinks) => {
    if (text) found.push({text, thinks});
  };
  let rest = completion;
  const [open, close] = [rest.indexOf("<think>"), rest.indexOf("</think>")];
  let thinks = close >= 0 && (open < 0 || close < open);
  for (;;) {
    const tag = thinks ? "</think>" : "<think>";
    const place = rest.indexOf(tag);
    if (place < 0) break;
    const end = thinks ? place + tag.length : place;
    add(rest.slice(0, end), thinks);
    rest = rest.slice(end);
    thinks = !thinks;
  }
  add(rest, thinks);
  return found;
}

/** The answer in one line: what follows the last thought, or else the end of it. */
function glimpse(completion) {
  const last = pieces(completion).at(-1);
  if (!last) return "(empty)";
  const line = last.text.replace(/\s+/g, " ").trim();
  return last.thinks ? `… ${line.slice(-100)}` : line.slice(0, 200);
}

function transcriptEntry(transcript) {
  const {outcome, cut} = transcript;
  const words = [outcome ? wordOfOutcome(outcome) : "", cut ? "cut" : ""].filter((word) => word).join(", ") || "–";
  const details = element(
      "details", {class: "transcript"},
      element(
          "summary", {},
          element("b", {class: `outcome ${outcome && Object.hasOwn(outcomeWords, outcome) ? outcome : ""}`}, words),
          element("span", {class: "figures"}, `reward ${figure(transcript.reward, 3)} · step ${transcript.step}`),
          element("bdi", {class: "glimpse"}, ...seen(glimpse(transcript.completion)))));
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    const advantage = figure(transcript.advantage, 3);
    const {expected = ""} = transcript;
    const isShort = expected.length <= 60 && !expected.includes("\n");
    const figures = `advantage ${transcript.advantage > 0 ? "+" : ""}${advantage} · ${
        transcript.tokens.toLocaleString("en")} tokens${cut ? ", cut at the limit of length" : ""}`;
    const box = (name, ...children) =>
        [element("div", {class: "weak"}, name), element("div", {class: "text", dir: "auto"}, ...children)];
    details.append(
        element(
            "p", {class: "weak"}, figures,
            ...(expected && isShort ? [" · expected ", element("bdi", {}, ...seen(expected))] : [])),
        ...box("prompt", ...seen(transcript.prompt)),
        ...box(
            "completion",
            ...pieces(transcript.completion)
                .map(({text, thinks}) => element("div", thinks ? {class: "thought"} : {}, ...seen(text)))));
    if (expected && !isShort) details.append(...box("expected", ...seen(expected)));
  });
  return details;
}

const transcriptOrders = [
  ["latest step first", (a, b) => b.step - a.step],
  ["earliest step first", (a, b) => a.step - b.step],
  ["best reward first", (a, b) => (b.reward ?? -Infinity) - (a.reward ?? -Infinity) || b.step - a.step],
  ["worst reward first", (a, b) => (a.reward ?? Infinity) - (b.reward ?? Infinity) || b.step - a.step],
  ["longest first", (a, b) => b.tokens - a.tokens || b.step - a.step],
];

/** The section of transcripts; leaves it hidden where there are none. */
function drawTranscripts(history) {
  const all = history.policy?.transcripts ?? [];
  if (!all.length) return;
  byId("transcripts").hidden = false;
  byId("transcripts-note").textContent =
      "Some completions of the training, with what they earned. Thoughts stand beside a line; characters that write " +
      "nothing are shown by their number.";
  const [outcome, step, order, text] = ["outcome", "step", "order", "text"].map((name) => byId(`transcripts-${name}`));
  for (const word of new Set(all.map((one) => one.outcome).filter((word) => word)))
    outcome.append(element("option", {value: `is ${word}`}, wordOfOutcome(word)));
  if (all.some((one) => one.cut)) outcome.append(element("option", {value: "cut"}, "cut"));
  for (const number of new Set(all.map((one) => one.step)))
    step.append(element("option", {value: `${number}`}, number.toLocaleString("en")));
  transcriptOrders.forEach(([words], i) => order.append(element("option", {value: `${i}`}, words)));
  const page = 40;
  let shown = page;
  const show = () => {
    const wanted = text.value.toLowerCase();
    const found = all.filter(
                         (one) => (!outcome.value ||
                                   (outcome.value === "cut" ? one.cut : outcome.value === `is ${one.outcome}`)) &&
                             (!step.value || `${one.step}` === step.value) &&
                             (!wanted || `${one.prompt}\n${one.completion}`.toLowerCase().includes(wanted)))
                      .sort(transcriptOrders[Number(order.value)][1]);
    byId("transcripts-count").textContent =
        `${found.length} of ${all.length}` + (found.length > shown ? `, the first ${shown} shown` : "");
    byId("transcripts-list").replaceChildren(...found.slice(0, shown).map(transcriptEntry));
    byId("transcripts-more").hidden = found.length <= shown;
  };
  const again = () => {
    shown = page;
    show();
  };
  for (const select of [outcome, step, order]) select.addEventListener("change", again);
  text.addEventListener("input", again);
  byId("transcripts-more").addEventListener("click", () => {
    shown += page;
    show();
  });
  show();
}
