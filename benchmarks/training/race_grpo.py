#!/usr/bin/env python3
"""Races `martinet train grpo` against what else would do it on CPUs: seconds a step, alternately, in rounds.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.23.0 accelerate numpy trl==1.16.0
    deploy/recipe/tasks.py --out DATA
    venv/bin/python benchmarks/training/race_grpo.py .build/release/martinet --model MODEL --prompts DATA/prompts.jsonl \\
        [--pilot pilot.py]

`--model`: a folder that has learnt to end its answers (`deploy/recipe.sh`'s base or, with longer answers, grpo).
Contestants:

- martinet with all cores as threads of one rank, and as ranks of one thread;
- TRL's GRPOTrainer with transformers' class of the same folder, in fp32: the same prompts, rewards, group size, limit of tokens and
  learning rate, one update a step, β 0, loss `dapo`, advantages not divided. It draws all completions of a step as one
  batch (`generate`; vLLM has no part in it) and takes its update `--trl-rows` completions at a time, gathering
  gradients: give several numbers, the fastest counts. Gradient checkpointing, on by default, is off: the model is
  small. Experts as `--trl-experts`: grouped products, transformers' own choice on CPUs; a loop (`eager`) took 1.1 times
  as long here, `batched_mm` six times. `--trl-compile` adds a contestant with torch.compile, which compiles again where
  shapes change: minutes.
- with `--pilot`, a hand-written PyTorch script with a model of the same shape, a cache of its own that drops completions which have
  ended, and a packed update without the groups that teach nothing. Its problems and tokens are its own: compare tokens
  a second. Without a model of it (`--pilot-model`) one is made by `--pilot-steps` of its pretraining, and kept where
  that names a new file.

The first step of each is left out, as it warms up, and three of the script, as it compiles in them (minutes where
nothing is kept of an earlier run); of the others the medians count, then those of the rounds. The learning rate is so
low that the model, and with it the lengths, stay as they are. Tokens drawn are those of all completions; tokens of an
update are those of prompts and completions in groups whose rewards differ, all that can be learnt from. TRL computes
the others, too. `--only` names contestants by the beginning of their names. Nothing else should run on the machine.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import sys
import tempfile

from policies import Martinet, Pilot, Result, TRL


def line_up(options, folder):
    """All contestants of a round, in their order."""
    cores = options.threads
    found = [Martinet(options, folder, "threads", 1, cores)]
    if cores > 1:
        found.append(Martinet(options, folder, "ranks", cores, 1))
    found += [TRL(options, folder, rows) for rows in options.trl_rows]
    if options.trl_compile:
        found.append(TRL(options, folder, options.trl_rows[0], compiled=True))
    if options.pilot:
        found.append(Pilot(options, folder))
    return [one for one in found if not options.only or any(one.name.startswith(name) for name in options.only)]


def ratios(found):
    """Rows of what is asked for: name, figure, goal."""
    def best(name, value):
        return max((value(one) for key, one in found.items() if key.startswith(name)), default=None)

    rows = [
        ("whole steps", lambda one: 1 / one.seconds, "TRL", 3),
        ("tokens drawn a second", lambda one: one.drawn_speed, "TRL", ""),
        ("tokens of updates a second", lambda one: one.updated_speed, "TRL", ""),
        ("tokens drawn a second", lambda one: one.drawn_speed, "pilot", 1.67),
        ("tokens of updates a second", lambda one: one.updated_speed, "pilot", 1.67),
    ]
    for name, value, peer, goal in rows:
        ours, theirs = best("martinet", value), best(peer, value)
        if ours and theirs:
            yield f"{name}, the faster of ours over {peer}", ours / theirs, goal


def median(results):
    fields = [field.name for field in dataclasses.fields(Result)]
    return Result(*(statistics.median(getattr(one, name) for one in results) for name in fields))


def told(one):
    return (f"{one.seconds:7.2f} s a step, drawing {one.rollout:.2f} s at {one.drawn_speed:.0f} tokens/s, "
            f"learning {one.update:.2f} s at {one.updated_speed:.0f} tokens/s, length {one.mean_length:.1f}, reward {one.reward:.3f}")


def main():
    parser = argparse.ArgumentParser(description="Race martinet's reinforcement learning against PyTorch.")
    parser.add_argument("program", type=os.path.abspath)
    parser.add_argument("--model", required=True, type=os.path.abspath, help="a checkpoint that ends its answers")
    parser.add_argument("--prompts", required=True, type=os.path.abspath, help="prompts.jsonl of deploy/recipe/tasks.py")
    parser.add_argument("--pattern", default=r"<think>[^<]*</think>\d{1,4}", help="the format that is worth 0.1")
    parser.add_argument("--prompts-per-step", type=int, default=32)
    parser.add_argument("--group-size", type=int, default=16)
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--steps", type=int, default=3, help="steps that count; each takes some more before them")
    parser.add_argument("--learning-rate", type=float, default=3e-6)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--trl-rows", type=int, nargs="*", default=[64], help="completions at a time of TRL's update; none: no TRL")
    parser.add_argument("--trl-experts", default="grouped_mm", help="transformers' experts_implementation")
    parser.add_argument("--trl-compile", action="store_true")
    parser.add_argument("--pilot", type=os.path.abspath, help="the hand-written script, pilot.py")
    parser.add_argument("--pilot-model", help="its model, made where the file is missing")
    parser.add_argument("--pilot-steps", type=int, default=60)
    parser.add_argument("--only", action="append")
    parser.add_argument("--json", help="a file for all figures")
    options = parser.parse_args()
    if options.trl_compile and not options.trl_rows:
        parser.error("--trl-compile needs --trl-rows")
    found = {}
    with tempfile.TemporaryDirectory() as path:
        contestants = line_up(options, pathlib.Path(path))
        for one in contestants:
            one.prepare()
        for number in range(1, options.rounds + 1):
            for one in contestants if number % 2 else reversed(contestants):
                result = one.run()
                if result is None:
                    continue
                found.setdefault(one.name, []).append(result)
                print(f"round {number}  {one.name:24} {told(result)}", file=sys.stderr, flush=True)
    medians = {name: median(results) for name, results in found.items()}
    print("\n| contestant | s a step | drawing, s | update, s | drawn tokens/s | update tokens/s | tokens a completion | reward |")
    print("|---|---|---|---|---|---|---|---|")
    for name, one in medians.items():
        print(f"| {name} | {one.seconds:.2f} | {one.rollout:.2f} | {one.update:.2f} | {one.drawn_speed:.0f} "
              f"| {one.updated_speed:.0f} | {one.mean_length:.1f} | {one.reward:.3f} |")
    print("\n| ratio | | goal |\n|---|---|---|")
    for name, value, goal in ratios(medians):
        print(f"| {name} | {value:.2f} | {goal} |")
    if options.json:
        figures = {name: [dataclasses.asdict(one) for one in results] for name, results in found.items()}
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
