#!/usr/bin/env python3
"""Trains a small model and shows the page of it to a real browser: training_page.py PROGRAM [--screenshots FOLDER]

Checks that the page's scripts draw what its numbers say, in light and dark, and that nothing is wider than a phone.
Needs Chromium and what `page.py` needs; `--page FILE` shows a page that is there already, and trains nothing.
"""

import argparse
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from page import Browser

MODEL = pathlib.Path(__file__).resolve().parent.parent / "Fixtures/goldens/deepseek_v3_bf16"
SIZES = {"light": (1100, "light"), "dark": (1100, "dark"), "phone": (390, "light")}


def train(program, folder):
    """A page of 12 steps on two ranks' worth of sequences, and what `--report-json` says."""
    data = os.path.join(folder, "data.jsonl")
    with open(data, "w", encoding="utf-8") as file:
        for line in range(40):
            file.write(json.dumps({"token_ids": [(line * 5 + i * 3) % 90 for i in range(9 + line % 23)]}) + "\n")
    page, numbers = os.path.join(folder, "page.html"), os.path.join(folder, "report.json")
    subprocess.run(
        [program, "train", "pretrain", "--model", str(MODEL), "--data", data, "--held-out", data, "--out", os.path.join(folder, "out"),
         "--steps", "12", "--score-every", "4", "--save-every", "6", "--sequence-length", "16", "--batch-sequences", "4", "--threads", "1",
         "--report", page, "--report-json", numbers], check=True, stdout=subprocess.DEVNULL)
    return page


def check(browser, what, wanted, found):
    if wanted != found:
        browser.complaints.append(f"{what}: {found!r} instead of {wanted!r}")


def read_transcripts(browser, transcripts):
    """Of reinforcement learning: each filter finds what it should, and an opened completion is a text."""
    shown = "Number(document.getElementById('transcripts-count').textContent.split(' ')[0])"
    choose = "((id, value) => { const field = document.getElementById(id); field.value = value; " \
        "field.dispatchEvent(new Event(field.type === 'search' ? 'input' : 'change')); })"
    check(browser, "transcripts", len(transcripts), browser.evaluate(shown))
    for outcome in sorted({one["outcome"] for one in transcripts if "outcome" in one}):
        browser.evaluate(f"{choose}('transcripts-outcome', {json.dumps('is ' + outcome)})")
        check(browser, f"transcripts {outcome}", sum(one.get("outcome") == outcome for one in transcripts), browser.evaluate(shown))
    browser.evaluate(f"{choose}('transcripts-outcome', '')")
    for step in {transcripts[0]["step"], transcripts[-1]["step"]} if transcripts else ():
        browser.evaluate(f"{choose}('transcripts-step', '{step}')")
        check(browser, f"transcripts of step {step}", sum(one["step"] == step for one in transcripts), browser.evaluate(shown))
    browser.evaluate(f"{choose}('transcripts-step', '')")
    if transcripts:
        text = transcripts[-1]["completion"][:20]
        browser.evaluate(f"{choose}('transcripts-text', {json.dumps(text)})")
        wanted = sum(text.lower() in (one["prompt"] + "\n" + one["completion"]).lower() for one in transcripts)
        check(browser, "transcripts with a text", wanted, browser.evaluate(shown))
        browser.evaluate(f"{choose}('transcripts-text', '')")
    for entry, order in ((0, "latest"), (3, "worst")):
        browser.evaluate(f"{choose}('transcripts-order', '{entry}')")
        browser.evaluate("document.querySelectorAll('.transcript').forEach((entry) => { entry.open = true; })")
        browser.wait("[...document.querySelectorAll('.transcript')].every((entry) => entry.childElementCount > 1)")
        check(browser, f"elements in completions, {order} first", 0, browser.evaluate(
            "document.querySelectorAll('.transcript script, .transcript img, .transcript .text b').length"))


def look(browser, page, screenshots):
    for name, (width, colours) in SIZES.items():
        browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": colours}])
        browser.call("Page.navigate", url=pathlib.Path(page).resolve().as_uri())
        browser.wait("document.readyState === 'complete' && document.getElementById('ranks-table')?.childElementCount > 0")
        report = json.loads(browser.evaluate("document.getElementById('report').textContent"))
        title = browser.evaluate("document.getElementById('title').textContent")
        check(browser, "the title's step", True, f"step {report['step']:,} of {report['steps']:,}" in title)
        check(browser, "curves without a line", 0, browser.evaluate(
            "[...document.querySelectorAll('#curves .chart')].filter((chart) => !chart.querySelector('path.line')).length"))
        check(browser, f"the page's width beyond the window's ({name})", True, browser.evaluate(
            "document.documentElement.scrollWidth <= innerWidth"))
        steps = report["history"]["last_step"]
        check(browser, "what the pointer tells", True, browser.evaluate(
            """(() => {
              const svg = document.querySelector('#curves svg'), frame = svg.getBoundingClientRect();
              svg.dispatchEvent(new PointerEvent('pointermove', {clientX: frame.left + 1, clientY: frame.top + 9}));
              return svg.nextSibling.textContent;
            })()""").startswith(("step ", "steps ")))
        if report["model"]["experts"]:
            layers = report["history"]["loads"]["layers"]
            check(browser, "layers to choose", len(layers), browser.evaluate("document.getElementById('loads-layer').length"))
            check(browser, "a map's size", [len(report["history"]["loads"]["tokens"]), report["model"]["experts"]], browser.evaluate(
                "(({width, height}) => [width, height])(document.querySelector('#loads-time canvas'))"))
        check(browser, "bars of ranks", len(report["ranks"]), browser.evaluate("document.querySelectorAll('#phases-ranks .bar').length"))
        check(browser, "steps", True, bool(steps))
        if report["history"].get("policy"):
            read_transcripts(browser, report["history"]["policy"]["transcripts"])
        if screenshots:
            height = browser.evaluate("document.documentElement.scrollHeight")
            picture = browser.call(
                "Page.captureScreenshot", captureBeyondViewport=True, clip={"x": 0, "y": 0, "width": width, "height": height, "scale": 1})
            os.makedirs(screenshots, exist_ok=True)
            with open(os.path.join(screenshots, f"training-{name}.png"), "wb") as file:
                file.write(base64.b64decode(picture["data"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", nargs="?")
    parser.add_argument("--page")
    parser.add_argument("--screenshots")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.page is None and options.program is None:
            parser.error("name the program, or a --page")
        page = options.page or train(os.path.abspath(options.program), folder)
        browser = Browser(os.path.join(folder, "profile"))
        try:
            look(browser, page, options.screenshots)
        finally:
            browser.process.kill()
            browser.process.wait()
    for complaint in browser.complaints:
        print(complaint)
    print("the training's page is drawn in light, in dark and on a phone" if not browser.complaints else "FAILED")
    sys.exit(1 if browser.complaints else 0)


if __name__ == "__main__":
    main()
