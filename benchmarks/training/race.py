#!/usr/bin/env python3
"""Races `martinet train pretrain` against PyTorch on this machine: tokens a second with the optimiser, alternately, in
rounds.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.23.0 accelerate numpy
    venv/bin/python benchmarks/training/race.py .build/release/martinet --data train.npy --peer train_small.py

`--data`: tokens as uint16 (`deploy/recipe/corpus.py --shards`). `--peer`: a hand-written PyTorch trainer of the same
shape with `--bench`; it runs in fp32 and in bf16. transformers' own class under its `Trainer` runs without being told
where it is. Each contestant takes a few steps; the first is left out, and of the others the median counts, then that of
the rounds. `--only` names contestants by the beginning of their names. Nothing else should run on the machine.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile

from contestants import HandWritten, Martinet, Transformers
from shapes import demonstration, dense_twin, large_sparse


def line_up(options, folder):
    """All contestants of a round, in their order."""
    cores, shape = options.threads, pathlib.Path(options.shape) if options.shape else demonstration(folder)
    common = dict(program=options.program, data=options.data, folder=folder, steps=options.steps)
    demo = dict(common, shape=shape, length=256, sequences=32)
    large = dict(common, shape=large_sparse(folder), length=256, sequences=8, steps=2)
    bf16 = ["--products", "bf16"]
    found = [
        Martinet("threads", ranks=1, threads=cores, **demo),
        Martinet("ranks", ranks=cores, threads=1, **demo),
        Martinet("threads, Muon", ranks=1, threads=cores, options=["--optimizer", "muon"], **demo),
        Martinet("ranks, Muon", ranks=cores, threads=1, options=["--optimizer", "muon"], **demo),
        Martinet("one thread", ranks=1, threads=1, **demo),
        Martinet("dense", ranks=1, threads=cores, **dict(demo, shape=dense_twin(shape, folder))),
    ]
    if options.bf16:
        found += [
            Martinet("threads, bf16", ranks=1, threads=cores, options=bf16, **demo),
            Martinet("ranks, bf16", ranks=cores, threads=1, options=bf16, **demo),
            Martinet("threads, bf16, Muon", ranks=1, threads=cores, options=bf16 + ["--optimizer", "muon"], **demo),
            Martinet("ranks, bf16, Muon", ranks=cores, threads=1, options=bf16 + ["--optimizer", "muon"], **demo),
        ]
    if options.peer:
        found += [
            HandWritten(kind, options.peer, options.data, options.tokenizer, cores, options.steps, folder)
            for kind in ("fp32", "bf16")
        ]
    if not options.without_transformers:
        found.append(Transformers(shape, options.data, cores, min(3, options.steps), folder))
    if not options.without_large:
        found.append(Martinet("400 M", ranks=1, threads=cores, **large))
        if options.bf16:
            found.append(Martinet("400 M, bf16", ranks=1, threads=cores, options=bf16, **large))
    return [one for one in found if not options.only or any(one.name.startswith(name) for name in options.only)]


def ratios(speed, mfu):
    """Rows of what is asked for: name, figure, goal."""
    def best(*names):
        return max((speed[name] for name in names if name in speed), default=None)

    def over(a, b):
        return a / b if a and b else None

    plain = ["threads", "ranks", "threads, bf16", "ranks, bf16"]
    peer = best("PyTorch, hand-written, fp32", "PyTorch, hand-written, bf16")
    yield "AdamW, the faster layout, over hand-written PyTorch (Muon)", over(best(*plain), peer), 1.5
    yield "Muon, the faster layout, over hand-written PyTorch (Muon)", over(best(*(name + ", Muon" for name in plain)), peer), 1.5
    yield "the faster layout over transformers' Trainer", over(best(*plain), best("transformers, Trainer")), 5
    yield "ranks of one thread over one thread", over(speed.get("ranks"), speed.get("one thread")), 1.9
    yield "MFU sparse over dense", over(mfu.get("threads"), mfu.get("dense")), 0.9
    yield "MFU of the better layout", max((mfu[name] for name in ("threads", "ranks") if name in mfu), default=None), 0.60
    yield "MFU of 400 M parameters", mfu.get("400 M"), 0.55


def main():
    parser = argparse.ArgumentParser(description="Race martinet's training against PyTorch.")
    parser.add_argument("program")
    parser.add_argument("--data", required=True, type=os.path.abspath, help="tokens, uint16, .npy")
    parser.add_argument("--shape", help="a config.json in place of the demonstration model's")
    parser.add_argument("--peer", type=os.path.abspath, help="a hand-written PyTorch trainer, train_small.py")
    parser.add_argument("--tokenizer", type=os.path.abspath, help="a folder with a tokenizer.json of 4096 tokens, for the peer")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--bf16", action="store_true", help="our --products bf16, too")
    parser.add_argument("--without-transformers", action="store_true")
    parser.add_argument("--without-large", action="store_true")
    parser.add_argument("--only", action="append")
    parser.add_argument("--json", help="a file for all figures")
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    if options.peer and not options.tokenizer:
        parser.error("--peer needs --tokenizer")
    speeds, uses, foretold = {}, {}, {}
    with tempfile.TemporaryDirectory() as path:
        contestants = line_up(options, pathlib.Path(path))
        for number in range(1, options.rounds + 1):
            for one in contestants if number % 2 else reversed(contestants):
                if number > 1 and one.once:
                    continue
                found = one.run()
                if found is None:
                    continue
                speeds.setdefault(one.name, []).append(found.speed)
                if found.mfu:
                    uses.setdefault(one.name, []).append(found.mfu)
                told = f"   MFU {100 * found.mfu:.1f} %" if found.mfu else ""
                if found.predicted:
                    foretold.setdefault(one.name, []).append(found.speed / found.predicted)
                    grown = ", ".join("?" if part is None else f"{100 * part:+.1f} %" for part in found.memory)
                    told += f"   {found.speed / found.predicted:.2f} x predicted; memory by rank {grown} of what was said"
                print(f"round {number}  {one.name:32} {found.speed:8.0f} tokens/s{told}", file=sys.stderr, flush=True)
    speed = {name: statistics.median(values) for name, values in speeds.items()}
    mfu = {name: statistics.median(values) for name, values in uses.items()}
    print("\n| contestant | tokens/s | MFU | over predicted |\n|---|---|---|---|")
    for name, value in speed.items():
        part = f"{100 * mfu[name]:.1f} %" if name in mfu else ""
        over = f"{statistics.median(foretold[name]):.2f}" if name in foretold else ""
        print(f"| {name} | {value:.0f} | {part} | {over} |")
    print("\n| ratio | | goal |\n|---|---|---|")
    for name, value, goal in ratios(speed, mfu):
        if value is not None:
            print(f"| {name} | {value:.2f} | {goal} |")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(dict(speeds=speeds, mfu=uses, over_predicted=foretold), indent=1) + "\n")


if __name__ == "__main__":
    main()
