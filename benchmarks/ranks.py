#!/usr/bin/env python3
"""Two ranks of one thread beside one rank of two, in turn: how much of a thread's worth a rank is.

usage: ranks.py PROGRAM [--rounds N] [--minutes N] [OPTION OF BENCH GENERATE …]

Every round measures one rank of two threads, two ranks spread and two ranks sliced, decode at batch 1, 4 and 16, and
begins with another of the three: memory, neighbours and clocks drift within minutes. What counts is the median of the
rounds' ratios to one rank; where neither layout reaches a batch's goal, the status is 1. With --minutes a round is
begun only while as long as the longest one is left. Before and after each run the program measures what all threads
read from memory: a round in which that differs by more than a tenth is told, since something else used the machine.
MARTINET_MPIRUN is the launcher, `mpirun --bind-to none` unless it is set.
"""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time

# Of two ranks over one, by batch.
GOALS = {1: 0.95, 4: 0.95, 16: 1.0}
# Ranks, threads of each, layout.
LAYOUTS = {"1 x 2": (1, 2, "spread"), "2 x 1 spread": (2, 1, "spread"), "2 x 1 sliced": (2, 1, "sliced")}

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("program")
parser.add_argument("--rounds", type=int, default=6)
parser.add_argument("--minutes", type=float, help="of all rounds; at least one is made")
arguments, options = parser.parse_known_args()
launcher = shlex.split(os.environ.get("MARTINET_MPIRUN", "mpirun --bind-to none"))
os.environ |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def run(layout):
    """Decode's tokens a second by batch, and how far what memory gives went down or up meanwhile."""
    ranks, threads, shares = LAYOUTS[layout]
    command = [*launcher, "-n", str(ranks), arguments.program, "bench", "generate", "--threads", str(threads), "--json"]
    lengths = ["--batch", ",".join(map(str, GOALS)), "--prompt-length", "32", "--output-length", "65"]
    found = subprocess.run([*command, "--layout", shares, *lengths, *options], stdout=subprocess.PIPE, check=True)
    cases = json.loads(found.stdout)["cases"]
    drift = max(abs(case["read_bytes_per_second_after"] / case["read_bytes_per_second_before"] - 1) for case in cases)
    return {case["batch"]: case["decode"]["tokens_per_second"] for case in cases}, drift


rounds, longest, began = [], 0.0, time.monotonic()
for number in range(arguments.rounds):
    started = time.monotonic()
    if number and arguments.minutes and started - began + longest > 60 * arguments.minutes:
        break
    names = list(LAYOUTS)
    first = number % len(names)
    speeds = {}
    for name in names[first:] + names[:first]:
        speeds[name], drift = run(name)
        print(f"round {number + 1}: {name:13}", *(f"{speed:9.2f}" for speed in speeds[name].values()),
              f"  memory differs by {drift:.0%}" if drift > 0.1 else "", flush=True)
    rounds.append(speeds)
    longest = max(longest, time.monotonic() - started)

print("\nbatch  layout          tokens/s  over 1 x 2  goal  of each round")
missed = False
for batch, goal in GOALS.items():
    best = 0.0
    for name in list(LAYOUTS)[1:]:
        ratios = [speeds[name][batch] / speeds["1 x 2"][batch] for speeds in rounds]
        middle = statistics.median(ratios)
        best = max(best, middle)
        print(f"{batch:5}  {name}  {statistics.median(speeds[name][batch] for speeds in rounds):10.2f}  {middle:10.3f}"
              f"  {goal:4.2f}  {', '.join(f'{ratio:.2f}' for ratio in ratios)}")
    missed |= best < goal
sys.exit(missed)
