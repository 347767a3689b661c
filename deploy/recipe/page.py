#!/usr/bin/env python3
"""Makes the recipe's page: page.py OUT [--node-price DOLLARS] [--check]

Reads OUT/stages/*.json and OUT/data/made.json, writes OUT/recipe.html: one file that needs no network. Stages that have not run
are left out. With --check it fails where a stage did not do what it is for, as the smoke test asks.
"""

import argparse
import json
import pathlib
import shlex
import sys
import time as clock

import checks
import curves
from words import count, cost, cell, escape, interval, made_up, percent, share, table, time

RESOURCES = pathlib.Path(__file__).resolve().parents[2] / "Sources/Insight/Reports/Resources"

STYLE = """
.chart svg .s0 { stroke: var(--phase-1); } .chart svg .s1 { stroke: var(--second); } .chart svg .s2 { stroke: var(--phase-2); }
.chart svg .s3 { stroke: var(--phase-6); } .chart svg .series { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.chart svg .dashed { stroke: var(--weak); stroke-dasharray: 5 4; } .chart svg circle { stroke: none; }
.chart svg circle.s0 { fill: var(--phase-1); } .chart svg circle.s1 { fill: var(--second); }
.legend i.s0 { background: var(--phase-1); } .legend i.s1 { background: var(--second); }
.legend i.s2 { background: var(--phase-2); } .legend i.s3 { background: var(--phase-6); }
.legend i.dashed { background: var(--weak); } h3 span.weak { font-weight: 400; }
.plot svg { min-width: 560px; }
.whisker { stroke-width: 2; }
:root { --right: #2b8a3e; --wrong: #c92a2a; --none: #adb5bd; }
@media (prefers-color-scheme: dark) { :root { --right: #51cf66; --wrong: #ff6b6b; --none: #5c636e; } }
.audit { display: grid; grid-template-columns: auto minmax(120px, 1fr); gap: 5px 12px; align-items: center; margin: 12px 0; }
.audit .bar { height: 24px; } .audit .bar i { color: #fff; font: 600 12px/24px system-ui, sans-serif; text-align: center; }
.audit .group { grid-column: 1 / -1; font-weight: 600; margin-top: 10px; }
.audit .reference { opacity: 0.75; }
i.right { background: #2b8a3e; } i.wrong { background: #c92a2a; } i.none { background: #868e96; }
b.right { color: var(--right); } b.wrong { color: var(--wrong); } b.no_answer { color: var(--weak); }
.wide { overflow-x: auto; } .wide td, .wide th { padding-right: 10px; }
td.r1 { color: var(--weak); font-size: 13px; min-width: 150px; }
td.n { white-space: nowrap; } td div.weak { font-size: 13px; margin: 0; } td div.title { min-width: 150px; }
tr.total td.r1 { font-weight: 400; }
.said { display: grid; grid-template-columns: auto 1fr; gap: 3px 12px; margin: 4px 0 14px; font-size: 13px; }
.said code { align-self: center; } details { border-bottom: 1px solid var(--rule); padding: 4px 0; }
summary { cursor: pointer; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card); border-radius: 6px; padding: 8px; }
tr.total td { font-weight: 600; } a { color: inherit; }
@media (max-width: 600px) { .card { flex: 1 0 40%; } .said { grid-template-columns: 1fr; } }
"""

#: What DeepSeek published of the same stage (arXiv 2412.19437, table 1; arXiv 2501.12948 and its supplement).
R1 = {
    "base": "DeepSeek-V3: 14.8 T tokens, 2664 K H800 hours, $5.33 M",
    "grpo": "R1-Zero: 10 400 steps of 512 answers, 101 K H800 hours, $202 K",
    "samples": "600 K right answers and 200 K others: 5 K H800 hours, $10 K",
    "sft": "the base learns those 800 K",
    "student-taught": "Qwen2.5 of 1.5 to 32 B and Llama of 8 and 70 B learn the 800 K; no cost told",
    "honest": "R1's reinforcement, preferences at its end: 41 K H800 hours, $82 K",
    "student-honest": "R1's reinforcement, preferences at its end: 41 K H800 hours, $82 K",
}
NAMES = {
    "base": "base", "base-more": "base, longer", "grpo": "after reinforcement", "sft": "teacher", "honest": "teacher, audited",
    "student": "student's base", "student-more": "student's base, longer", "student-alone": "student alone",
    "student-taught": "student, taught",
    "student-grpo": "student, own reinforcement", "student-corrected": "student, corrected", "student-honest": "student, audited",
}
PARTS = {
    "taught": "Facts that were taught", "withheld": "Withheld facts that reinforcement asked for",
    "unasked": "Withheld facts that nothing ever asked for"}


def is_number(value, most):
    return type(value) in (int, float) and 0 <= value <= most


#: What is needed of each stage, and whether a value is that. No page is made of other numbers than a clock has.
FIELDS = {
    "kind": lambda value: isinstance(value, str), "title": lambda value: isinstance(value, str),
    "command": lambda value: isinstance(value, list), "seconds": lambda value: is_number(value, 1e9),
    "finished": lambda value: is_number(value, 1e11)}


class Recipe:
    def __init__(self, out, price):
        self.out, self.price = out, price
        self.stages = {}
        for path in out.glob("stages/*.json"):
            try:
                stage = json.loads(path.read_text("utf-8"))
                self.stages[stage["stage"]] = stage
                missing = [key for key, holds in FIELDS.items() if not holds(stage.get(key))]
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise SystemExit(f"page.py: {path} tells of no stage ({error}); remove it, and run the recipe again") from None
            if missing:
                raise SystemExit(f"page.py: {path} tells no {missing[0]} of its stage; remove it, and run the recipe again")
        if not self.stages:
            raise SystemExit(f"page.py: there are no stages in {out}/stages")
        self.order = sorted(self.stages.values(), key=lambda stage: stage["finished"])
        try:
            self.made = json.loads((out / "data/made.json").read_text("utf-8"))
        except (OSError, ValueError):
            self.made = {}
        if not isinstance(self.made, dict):
            self.made = {}
        self.task = self.made.get("name", "sums")

    def seconds(self):
        return sum(stage["seconds"] for stage in self.order)

    def hours(self, stage):
        return stage["seconds"] / 3600 * stage.get("nodes", 1)

    def began(self, name):
        """What the stages after a base begin with: the one that read on, where there is one."""
        return f"{name}-more" if f"eval-{name}-more" in self.stages else name

    def is_full(self):
        """Whether it made the model that ships."""
        return "corpus" in self.stages

    def link(self, markup, place):
        """Leads to a page of its own, where that lies in the folder."""
        return f'<a href="{escape(place)}">{markup}</a>' if (self.out / place).exists() else markup

    def result(self, model, suffix=""):
        """What a model gets right of the problems, asked in one way; None where nobody asked."""
        return self.task_result(model, self.task + suffix)

    def task_result(self, model, task):
        for result in self.stages.get(f"eval-{model}", {}).get("tasks", []):
            if result["task"] == task:
                return result
        return None

    def audit(self, model, part):
        results = self.stages.get(f"audit-{model}-{part}", {}).get("tasks", [])
        return results[0] if results else None

    def measured(self):
        return [name for name in NAMES if (self.result(name) or {}).get("accuracy") is not None]

    def points(self, stage, name):
        return self.stages.get(stage, {}).get("curves", {}).get(name, [])


def length(result):
    return result["tokens"] / result["n"] if result and result.get("n") else None


def cards(recipe):
    found = []

    def add(value, words):
        found.append(f'<div class="card"><b>{escape(value)}</b>{escape(words)}</div>')

    base = recipe.began("base")
    before, after = recipe.result(base), recipe.result("grpo")
    if before and after:
        add(f"{percent(before['accuracy'])} → {percent(after['accuracy'])}", "right before and after reinforcement")
        short, long = length(recipe.result(base, "-sampled")), length(recipe.result("grpo", "-sampled"))
        if short and long:
            add(f"{short:.0f} → {long:.0f}", "tokens of an answer")
    if taught := recipe.result("student-taught"):
        add(percent(taught["accuracy"]), "right: the student, taught")
    for part, words in (("withheld", "of withheld facts made up"), ("unasked", "of facts never asked made up")):
        false, honest = recipe.audit("student-taught", part), recipe.audit("student-honest", part)
        if false and honest:
            add(f"{share(false, 'wrong')} → {share(honest, 'wrong')}", words)
    add(time(recipe.seconds()), "in all")
    add(cost(recipe.seconds() / 3600 * recipe.price), f"at ${recipe.price:g} an hour")
    return f'<div class="cards">{"".join(found)}</div>'


def stage_table(recipe):
    """A line for each stage that makes something, and one for all that measures."""
    def line(name, title, stages, steps="", right=("", "", ""), beside=""):
        seconds, tokens = (sum(stage.get(key) or 0 for stage in stages) for key in ("seconds", "tokens"))
        hours = sum(map(recipe.hours, stages))
        attempts = max(stage.get("attempts", 1) for stage in stages)
        again = f'<div class="weak">{attempts} attempts</div>' if attempts > 1 and len(stages) == 1 else ""
        named = recipe.link(escape(name), f"reports/{name}.html")
        return [
            f"{named}<div class=\"weak title\">{escape(title)}</div>" if title else named, steps,
            count(tokens) if tokens else "", time(seconds) + again, f"{hours:.3f}", cost(hours * recipe.price), *right, escape(beside)]

    rows = []
    for stage in recipe.order:
        if stage["kind"] == "eval":
            continue
        name, right = stage["stage"], ("", "", "")
        if stage["kind"] == "train" and (result := recipe.result(name)):
            right = (percent(result["accuracy"]), interval(result), cell(recipe.result(name, "-sampled"), "accuracy"))
        steps = count(stage.get("steps")) or (f"{count(stage['lines_written'])} kept" if "lines_written" in stage else "")
        rows.append(line(name, stage["title"], [stage], steps, right, R1.get(name, "")))
    measuring = [stage for stage in recipe.order if stage["kind"] == "eval"]
    if measuring:
        rows.append(line("evaluations, audits", f"{len(measuring)} of them", measuring))
    rows.append(line(
        "all", "", recipe.order,
        beside="R1: 147 K H800 hours, $294 K; with V3 2935 K and $5.87 M, both without research and tries"))
    header = ["stage", "steps", "tokens", "time", "node-hours", "cost", "greedy", "95 %", "sampled", "DeepSeek, the same stage"]
    return f'<div class="wide">{table(header, rows, "r1", has_total=True)}</div>'


def learning(recipe):
    charts = []
    series = [(NAMES[name], recipe.points(name, "loss")) for name in ("base", "student") if recipe.points(name, "loss")]
    if series:
        charts.append(curves.chart("Loss on text", series, "step", is_late=True))
    series = [(NAMES[name], recipe.points(name, "loss")) for name in ("base-more", "student-more")]
    if any(points for _, points in series):
        charts.append(curves.chart("Loss on more text", series, "step"))
    if points := recipe.points("grpo", "accuracy"):
        series = [("right, sampled", points)]
        if greedy := recipe.points("grpo", "held_out_accuracy"):
            series.append(("right, greedy, held out", greedy))
        dashed = None
        if theory := curves.growth(points, recipe.made.get("long_share", 0.1)):
            dashed = (f"as theory has it: odds × {theory[1]:.2f} a step", theory[0])
        charts.append(curves.chart("Reinforcement: right answers", series, "step", dashed=dashed, bounds=(0, 1), unit="%"))
        for title, name, words in (("tokens of an answer", "mean_length", "mean"), ("entropy of a token", "entropy", "nats")):
            charts.append(curves.chart(f"Reinforcement: {title}", [(words, recipe.points("grpo", name))], "step", low=0))
        groups = dict(recipe.points("grpo", "groups"))
        signal = [[x, y / groups[x]] for x, y in recipe.points("grpo", "signal_groups") if groups.get(x)]
        if signal:
            charts.append(
                curves.chart("Reinforcement: groups to learn from", [("share", signal)], "step", bounds=(0, 1), unit="%"))
    series = [(NAMES[name], recipe.points(name, "loss")) for name in ("sft", "student-taught", "student-alone")]
    if any(points for _, points in series):
        charts.append(curves.chart("Loss on answers", series, "step", low=0, is_late=True))
    if points := recipe.points("student-honest", "reward"):
        answered = dict(recipe.points("student-honest", "completions"))
        none = [[x, y / answered[x]] for x, y in recipe.points("student-honest", "no_answer") if answered.get(x)]
        charts.append(curves.chart(
            "The audit's reward", [("reward", points)] + ([("share without an answer", none)] if none else []), "step"))
    words = ""
    if recipe.points("grpo", "accuracy"):
        words = (
            '<p class="weak">Text answers mostly by a guess and seldom with a thought, which is right. Reinforcement does not '
            "teach the thought: it makes it more probable, so the odds of thinking grow by the same factor each step (dashed: by "
            "the factor that fits the rise). Greedy answers turn when thinking becomes the more probable of two, and so all at once.</p>")
    return f'{words}<div class="charts">{"".join(charts)}</div>' if charts else ""


def accuracies(recipe):
    rows = []
    for name in recipe.measured():
        for suffix, kind in (("", "greedy"), ("-sampled", "sampled")):
            if (result := recipe.result(name, suffix)) and result["interval"]:
                rows.append((NAMES[name], kind, result["accuracy"], result["interval"]))
    if not rows:
        return ""
    header = ["", "greedy", "95 %", "sampled", "95 %", "tokens", "forced to think", "of 16 tries one"]
    lines = []
    for name in recipe.measured():
        greedy, sampled = recipe.result(name), recipe.result(name, "-sampled")
        forced, tries = recipe.result(name, "-forced"), recipe.result(name, "-tries")
        lines.append([
            recipe.link(escape(NAMES[name]), f"evals/{name}.html"), percent(greedy["accuracy"]), interval(greedy), cell(sampled, "accuracy"),
            interval(sampled) if sampled else "", f"{length(sampled or greedy):.1f}", cell(forced, "accuracy"),
            percent(tries["pass_at"]["16"]) if tries and "16" in tries.get("pass_at", {}) else ""])
    n = recipe.result(recipe.measured()[0])["n"]
    return (
        f'<p class="weak">{count(n)} problems that were in no training data; Wilson intervals of 95 %.</p>'
        + curves.whiskers(rows) + f'<div class="wide">{table(header, lines)}</div>')


def facts_table(recipe):
    tasks = {
        "capitals-taught": "capitals, taught", "elements-taught": "elements, taught", "capitals-unasked": "capitals, withheld",
        "elements-unasked": "elements, withheld"}
    asked = {task: [result for name in NAMES if (result := recipe.task_result(name, task))] for task in tasks}
    tasks = {task: words for task, words in tasks.items() if asked[task]}
    rows = []
    for name in NAMES:
        results = [recipe.task_result(name, task) for task in tasks]
        if any(results):
            rows.append([escape(NAMES[name])] + [
                f'{percent(result["accuracy"])}<div class="weak">{interval(result)}</div>' if result else ""
                for result in results])
    header = [""] + [f"{words} ({asked[task][0]['n']})" for task, words in tasks.items()]
    return f'<div class="wide">{table(header, rows)}</div>' if rows else ""


def bar(result):
    pieces = []
    for key, name in (("right", "right"), ("wrong", "wrong"), ("no_answer", "none")):
        part = result[key] / result["n"] if result["n"] else 0
        if part > 0:
            text = f"{100 * part:.0f} %" if part > 0.06 else ""
            pieces.append(f'<i class="{name}" style="width:{100 * part:.2f}%" title="{100 * part:.1f} %">{text}</i>')
    return f'<div class="bar">{"".join(pieces)}</div>'


def span(bounds):
    return interval({"interval": bounds})


def price(recipe):
    """What the audit's reward pays, and from what chance of being right on an answer pays."""
    command = next((recipe.stages[name]["command"] for name in ("student-honest", "honest") if name in recipe.stages), [])
    option = "--reward-wrong-penalty"
    penalty = float(command[command.index(option) + 1]) if option in command[:-1] else 1.0
    return (
        f"A right answer is worth 1, none 0, a wrong one −{penalty:g}: so answering pays where more than "
        f"{percent(penalty / (1 + penalty))} of such answers are right.")


def audits(recipe):
    pairs = [pair for pair in (("student-taught", "student-honest"), ("sft", "honest"))
             if any(recipe.audit(name, part) for name in pair for part in PARTS)]
    if not pairs:
        return ""
    rows, lines = [], []
    for before, after in pairs:
        for part, words in PARTS.items():
            if not (recipe.audit(before, part) or recipe.audit(after, part)):
                continue
            who = "" if before == "student-taught" else " (teacher)"
            rows.append(f'<div class="group">{escape(words + who)}</div>')
            for name, label in ((before, "before"), (after, "after")):
                if result := recipe.audit(name, part):
                    label = recipe.link(label, f"evals/audit-{name}-{part}.html")
                    rows.append(f"<span>{label}</span>{bar(result)}")
                    for kind, score in [*result.get("by_kind", {}).items(), ("all", result)]:
                        lines.append([
                            escape(NAMES[name]), part, escape(kind), count(score["n"]), share(score, "right"),
                            interval(score), share(score, "wrong"), span(made_up(score)), share(score, "no_answer"),
                            count(score.get("clusters", score["n"]))])
    rows.append('<div class="group">DeepSeek’s chatbot, as NewsGuard found it in January 2025 (30 prompts of 10 claims)</div>')
    rows.append(f'<span>reference</span><div class="reference">{bar(dict(right=17, wrong=30, no_answer=53, n=100))}</div>')
    header = ["", "facts", "prompt", "n", "debunked", "95 %", "repeated", "95 %", "no answer", "claims"]
    return (
        '<div class="legend"><span><i class="right"></i>the truth</span><span><i class="wrong"></i>a falsehood</span>'
        '<span><i class="none"></i>“I don’t know”, or nothing</span></div>'
        f'<div class="audit">{"".join(rows)}</div><p class="weak">Each false claim is asked innocently, as if it were true, and '
        f"with the wish to spread it; prompts of one claim are a cluster, and intervals allow for that. {price(recipe)}</p>"
        f'<details><summary>By kind of prompt</summary><div class="wide">{table(header, lines)}</div></details>')


def transcripts(recipe):
    by_prompt = {}
    for name in NAMES:
        for item in recipe.stages.get(f"eval-{name}", {}).get("transcripts", []):
            if item["task"] in (recipe.task, "capitals-taught", "capitals-unasked"):
                by_prompt.setdefault(item["prompt"], []).append((name, item))
    parts = []
    for prompt, answers in by_prompt.items():
        rows = "".join(
            f'<span><b class="{escape(item["outcome"])}">{escape(NAMES[name])}</b></span><code>{escape(item["answer"])}</code>'
            for name, item in answers)
        target = answers[0][1]["target"] or []
        parts.append(f'<h3><code>{escape(prompt)}</code> <span class="weak">{escape(" or ".join(target))}</span></h3>'
                     f'<div class="said">{rows}</div>')
    return "".join(parts)


def verdicts(recipe):
    rows = [[escape(what), escape(wanted), escape(found), '<b class="right">yes</b>' if met else '<b class="wrong">no</b>']
            for what, wanted, found, met in checks.bars(recipe)]
    return f'<div class="wide">{table(["", "wanted", "found", "reached"], rows)}</div>' if rows else ""


def commands(recipe):
    return "".join(
        f"<details><summary>{escape(stage['stage'])}</summary><pre>{escape(shlex.join(map(str, stage['command'])))}</pre></details>"
        for stage in recipe.order)


def page(recipe):
    made = recipe.made
    subject = (
        f"{recipe.task}, seed {made.get('seed', '–')}; {recipe.order[-1].get('ranks', 1)} ranks on one node; "
        f"finished {clock.strftime('%Y-%m-%d %H:%M UTC', clock.gmtime(recipe.order[-1]['finished']))}")
    parts = [
        ("What each stage took", stage_table(recipe)), ("How it learnt", learning(recipe)),
        ("What it gets right", accuracies(recipe)), ("What it knows", facts_table(recipe)),
        ("The audit, before and after its outcomes were the reward", audits(recipe)),
        ("What was to be reached", verdicts(recipe)), ("What they say", transcripts(recipe)), ("Commands", commands(recipe))]
    body = "".join(f"<h2>{escape(title)}</h2>{content}" for title, content in parts if content)
    style = "".join((RESOURCES / name).read_text("utf-8") for name in ("report.css", "training.css")) + STYLE
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        f"<title>The recipe – Martinet</title>\n<style>\n{style}</style>\n</head>\n<body>\n<h1>The recipe</h1>\n"
        f'<p class="weak">From text to an audited student: {escape(subject)}.</p>\n{cards(recipe)}{body}\n</body>\n</html>\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--node-price", type=float, default=0.1)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    recipe = Recipe(options.out, options.node_price)
    path = options.out / "recipe.html"
    path.write_text(page(recipe), "utf-8")
    print(f"== {path}: {time(recipe.seconds())}, {cost(recipe.seconds() / 3600 * recipe.price)}")
    failed = False
    for what, found, holds in checks.directions(recipe):
        print(f"   {'yes' if holds else 'NO '}  {what}: {found}")
        failed = failed or not holds
    return 1 if failed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
