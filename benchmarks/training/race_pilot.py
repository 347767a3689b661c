#!/usr/bin/env python3
"""Races `martinet train pretrain` against the hand-written PyTorch script that a recipe was tried with: tokens a
second, in rounds.

    deploy/recipe/tasks.py --out DATA
    venv/bin/python benchmarks/training/race_pilot.py .build/release/martinet --data DATA --pilot pilot.py

The same shape (1.6 M parameters, the recipe's teacher), 64 rows of 128 tokens a step, the same kind of optimiser and
balancing, fp32, at each of `--threads`. Ours reads the recipe's rows, the script makes its own. Ours also runs as ranks
of one thread. Of ours the median of all steps but the first counts; of the script the mean of all but two, as it tells
no more: its first one compiles (`torch.compile`, minutes where nothing is kept of an earlier run). Nothing else should
run on the machine.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from contestants import Martinet, Result
from policies import pilot_command, pilot_environment

BATCH = 8192


class Script:
    once = False

    def __init__(self, options, folder, threads):
        self.name = f"pilot, {threads}"
        self.command = pilot_command(
            options.pilot, "pretrain", "--out", folder / "pilot", "--tokens", BATCH * (options.steps + 2), "--batch", BATCH,
            "--opt", {"adamw": "adam", "muon": "muon"}[options.optimizer], "--noeval", 1, "--every", 1_000_000, "--threads", threads)
        self.environment = pilot_environment()

    def run(self):
        done = subprocess.run(
            [str(part) for part in self.command], env=self.environment, capture_output=True, text=True)
        told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{") and '"toks"' in line]
        if done.returncode != 0 or not told:
            print(f"{self.name}: {done.stderr.strip()[-3000:]}", file=sys.stderr)
            return None
        return Result(told[-1]["toks"])


def line_up(options, folder):
    """All contestants of a round, in their order."""
    data = pathlib.Path(options.data)
    common = dict(
        program=options.program, shape=data / "shapes" / "teacher.json", data=data / "pretrain.npy", folder=folder, length=128,
        sequences=BATCH // 128, steps=options.steps + 1,
        options=["--packing", "cut", "--optimizer", options.optimizer, "--balance-speed", "0.008", "--balance-loss", "1e-3",
                 "--weight-decay", "0"])
    found = []
    for count in options.threads:
        found.append(Martinet(f"threads, {count}", ranks=1, threads=count, **common))
        if count > 1:
            found.append(Martinet(f"ranks, {count}", ranks=count, threads=1, **common))
        found.append(Script(options, folder, count))
    return found


def main():
    parser = argparse.ArgumentParser(description="Race martinet's pretraining against the pilot's.")
    parser.add_argument("program", type=os.path.abspath)
    parser.add_argument("--data", required=True, type=os.path.abspath, help="a folder that deploy/recipe/tasks.py made")
    parser.add_argument("--pilot", required=True, type=os.path.abspath, help="the hand-written script, pilot.py")
    parser.add_argument("--optimizer", choices=["adamw", "muon"], default="muon")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=6, help="steps that count")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", help="a file for all figures")
    options = parser.parse_args()
    speeds = {}
    with tempfile.TemporaryDirectory() as path:
        contestants = line_up(options, pathlib.Path(path))
        for number in range(1, options.rounds + 1):
            for one in contestants if number % 2 else reversed(contestants):
                found = one.run()
                if found is None:
                    continue
                speeds.setdefault(one.name, []).append(found.speed)
                print(f"round {number}  {one.name:12} {found.speed:8.0f} tokens/s", file=sys.stderr, flush=True)
    speed = {name: statistics.median(values) for name, values in speeds.items()}
    print("\n| contestant | tokens/s |\n|---|---|")
    for name, value in speed.items():
        print(f"| {name} | {value:.0f} |")
    print("\n| ratio | | goal |\n|---|---|---|")
    for count in options.threads:
        ours = max((speed[name] for name in (f"threads, {count}", f"ranks, {count}") if name in speed), default=None)
        if ours and f"pilot, {count}" in speed:
            print(f"| {options.optimizer}, {count} of a machine's cores, the faster of ours over the pilot "
                  f"| {ours / speed[f'pilot, {count}']:.2f} | 1.67 |")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(speeds, indent=1) + "\n")


if __name__ == "__main__":
    main()
