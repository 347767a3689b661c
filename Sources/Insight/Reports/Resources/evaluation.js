"use strict";
// Lists the answers of all tasks, as the filters above them say. Texts go into the page as texts, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const list = document.getElementById("answers");
const count = document.getElementById("count");
const fields = ["task", "prompt_kind", "outcome"].map((name) => [name, document.getElementById(name)]);
const search = document.getElementById("search");
const shownLimit = 200;

const answers =
    data.flatMap((task) => task.items.map((item) => ({task: task.task, names: task.outcomes || {}, ...item})));
for (const [name, select] of fields) {
  const values = [...new Set(answers.map((answer) => answer[name]).filter((value) => value !== undefined))];
  select.hidden = values.length < 2;
  for (const value of values) select.append(new Option(value, value));
  select.addEventListener("change", show);
}
search.addEventListener("input", show);

function element(tag, text, name) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

function entry(answer) {
  const details = element("details");
  const summary = element("summary");
  const outcome = answer.outcome + (answer.cut ? " (cut)" : "");
  summary.append(element("b", answer.names[answer.outcome] || outcome, answer.outcome));
  summary.append(` ${answer.task} ${answer.id} ${answer.prompt_kind || ""} · ${
      answer.answer.trim().replace(/\s+/g, " ").slice(0, 90)}`);
  details.append(summary);
  details.addEventListener("toggle", () => {
    if (details.childElementCount > 1) return;
    const rows = element("dl");
    const row = (name, text, isLong) => {
      if (text === undefined || text === null || text === "") return;
      rows.append(element("dt", name));
      const cell = element("dd");
      cell.append(element(isLong ? "pre" : "span", text));
      rows.append(cell);
    };
    row("prompt", answer.prompt, true);
    row("answer", answer.answer, true);
    row("target", (answer.target || []).join(" | "));
    row("falsehood", (answer.falsehood || []).join(" | "));
    row("choices", (answer.choices || []).map((text, i) => `${text}: ${answer.choice_logprobs[i]}`).join("\n"), true);
    row("rule that decided", answer.rule);
    row("compared", answer.extracted);
    row("log-probability", answer.logprob);
    row("tokens", answer.tokens);
    row("seed", answer.seed === undefined ? undefined : String(answer.seed));
    details.append(rows);
  });
  return details;
}

function show() {
  const wanted = search.value.toLowerCase();
  const found = answers.filter(
      (answer) => fields.every(([name, select]) => !select.value || answer[name] === select.value) &&
          (!wanted || `${answer.prompt}\n${answer.answer}`.toLowerCase().includes(wanted)),
  );
  count.textContent = `${found.length} of ${answers.length} answers` +
      (found.length > shownLimit ? `, the first ${shownLimit} shown` : "");
  list.replaceChildren(...found.slice(0, shownLimit).map(entry));
}
show();
