#!/usr/bin/env python3
"""One table of what was measured beside the peers, vendors side by side, from results/*.json.

usage: table.py [--write]       prints it; with --write puts it between the marks in the README of the repository
"""

import json
import os
import re
import statistics
import sys
import textwrap

HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = os.path.join(HERE, "results")
README = os.path.join(HERE, "..", "..", "README.md")
MARKS = "<!-- race -->", "<!-- /race -->"
PEERS = "llama.cpp", "ik_llama.cpp"
NAMES = {"prefill": "a prompt of 512 tokens", "prefill 8k": "a prompt of 8192 tokens", "decode 8k": "decode after 8192 tokens"}


def named(measure):
    return NAMES.get(measure, measure.replace("decode ", "decode, ") + (" sequence" if measure == "decode 1" else " sequences"))


def cell(rows, kind):
    """A ratio of `kind` (a peer), or our speed (None), of the rows of one measure on one machine."""
    if kind is None:
        speeds = [row["ours"] for row in rows if row["ours"] is not None]
        return "%.1f" % statistics.median(speeds) if speeds else ""
    ratios = [row["ratio"] for row in rows if row["peer"] == kind]
    return "%.2f ×" % ratios[0] if ratios else ""


def render(reports):
    """Markdown: a row for each shape, format and measure, three columns for each machine."""
    titles = [report["vendor"] for report in reports]
    head = ["", *("%s%s" % (vendor, ", " + what) for vendor in titles for what in ("tokens/s", "× llama.cpp", "× ik_llama.cpp"))]
    lines = ["| " + " | ".join(head).strip() + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    keys = dict.fromkeys((row["shape"], row["weights"], row["measure"]) for report in reports for row in report["rows"])
    for shape, weights, measure in keys:
        cells = ["%s, %s, %s" % (re.sub("-(small|quick)$", "", shape), weights, named(measure))]
        for report in reports:
            rows = [row for row in report["rows"] if (row["shape"], row["weights"], row["measure"]) == (shape, weights, measure)]
            cells += [cell(rows, kind) for kind in (None, *PEERS)]
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("")
    for each in reports:
        text = "- %s: %s, %s; %s." % tuple(each[key] for key in ("vendor", "machine", "date", "source"))
        lines += textwrap.wrap(text, 120, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)


def load():
    reports = []
    for name in sorted(os.listdir(RESULTS)):
        if name.endswith(".json"):
            with open(os.path.join(RESULTS, name)) as file:
                reports.append(json.load(file))
    return reports


def fill():
    """Puts the table of all results between the marks in README.md."""
    with open(README) as file:
        text = file.read()
    start, end = (text.find(mark) for mark in MARKS)
    if start < 0 or end < start:
        sys.exit("table.py: %s lacks %s … %s; put them where the table belongs" % (README, *MARKS))
    with open(README, "w") as file:
        file.write(text[:start + len(MARKS[0])] + "\n" + render(load()) + "\n" + text[end:])


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        fill()
    elif sys.argv[1:]:
        sys.exit(__doc__.strip())
    else:
        print(render(load()))
