#!/usr/bin/env python3
"""Trains small models beside PyTorch and transformers, from the same first weights over the same data.

    python3 -m venv venv && venv/bin/pip install torch transformers==5.23.0 safetensors numpy
    venv/bin/python Tests/Reference/compare_training.py .build/release/martinet [CASE…]

A case is the shape of a golden (`Tests/Fixtures/goldens`, or `delta` of models with gated DeltaNet) or a path of a
config.json, with `:muon` behind it for that optimiser. For each, `martinet train pretrain` takes 50 steps and saves
what it begins with and each step. The twin (`training_twin.py`, fp32)

- takes every step from the state that was saved before it: losses must agree within 1e-4, and it is printed how far the weights
  after a step are from each other, as a part of how far the step went;
- begins with the same weights and takes all steps by itself. Dense models must agree within 1e-4 again. Where a router chooses, two
  experts whose scores lie closer than rounding are chosen otherwise now and then, and trainings part, as those of gated
  DeltaNet do without a router; how far is printed beside how far the twin parts from
  itself when it adds the sequences of a step in the other order: ours must not be beyond four times that.

The held-out loss of the trained folder, loaded by transformers, must be the one that `martinet` reports, within 1e-5.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch

import training_twin as twins

FIXTURES = twins.pathlib.Path(__file__).resolve().parent.parent / "Fixtures"
DELTA = "qwen3_next qwen3_5_moe qwen3_5".split()
CASES = "deepseek_v3 deepseek_v3:muon deepseek_v3_noqlora glm4_moe qwen3_moe qwen3_moe:muon olmoe mixtral gpt_oss qwen3 llama llama:muon".split()
CASES += DELTA + ["qwen3_next:muon", "qwen3_5:muon"]


def make_tokens(path, count, vocabulary, seed):
    """Text that can be learnt: each token depends on the one before it, with noise."""
    generator = np.random.default_rng(seed)
    follow = np.random.default_rng(7).integers(0, vocabulary, (vocabulary, 4))
    choice, noise = generator.integers(0, 4, count), generator.random(count)
    random = generator.integers(0, vocabulary, count)
    tokens = np.zeros(count, np.int64)
    for i in range(1, count):
        tokens[i] = follow[tokens[i - 1], choice[i]] if noise[i] < 0.9 else random[i]
    np.save(path, tokens.astype(np.uint16))


def shape(case, folder):
    """A config.json of a case, in `folder`: a golden's settings, as bf16 weights have them."""
    kind = "delta" if case in DELTA else "goldens"
    path = pathlib.Path(case) if case.endswith(".json") else FIXTURES / kind / case / "config.json"
    config = json.loads(path.read_text())
    config.pop("quantization_config", None)
    (folder / "config.json").write_text(json.dumps(config))
    return config.get("text_config", config)


def train(program, folder, settings, threads):
    options = {key.replace("_", "-"): value for key, value in settings.items()}
    command = [program, "train", "pretrain", "--shape", folder / "config.json", "--data", folder / "train.npy"]
    command += ["--held-out", folder / "held-out.npy", "--out", folder / "out", "--json", "--save-initial", "--keep", 1000]
    command += ["--threads", threads] + [part for key, value in options.items() for part in (f"--{key}", value)]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return twins.events(done.stdout)


def compare(case, options):
    name, _, optimizer = case.partition(":")
    with tempfile.TemporaryDirectory() as path:
        folder = pathlib.Path(path)
        config = shape(name, folder)
        settings = dict(
            steps=options.steps, sequence_length=options.sequence_length, batch_sequences=options.batch_sequences,
            learning_rate=options.learning_rate, warmup_steps=options.steps // 10, weight_decay=0.1, clip=1.0,
            optimizer=optimizer or "adamw", balance_speed=0.01, balance_rest=0.1, balance_loss=0.01, seed=11,
            save_every=1, score_every=options.steps)
        make_tokens(folder / "train.npy", 40_000, config["vocab_size"], 1)
        make_tokens(folder / "held-out.npy", 4_000, config["vocab_size"], 2)
        found = train(options.program, folder, settings, options.threads)
        steps = [event for event in found if "loss" in event]
        out = folder / "out"
        data = twins.Data(folder / "train.npy", settings["sequence_length"], settings["seed"])
        free, other, bound = (twins.Twin(out / "step-000000", out / "state-000000", settings) for _ in range(3))
        apart, floor, each, way, norms, same = 0.0, 0.0, 0.0, 0.0, 0.0, 0
        for number, event in enumerate(steps, 1):
            sequences = data.step((number - 1) * settings["batch_sequences"], settings["batch_sequences"])
            loss, _, busiest = free.step(number, sequences)
            apart = max(apart, abs(event["loss"] - loss))
            same += same == number - 1 and abs(event["load_max_over_mean"] - busiest) < 1e-9
            floor = max(floor, abs(other.step(number, sequences.flip(0))[0] - loss))
            state = out / f"state-{number - 1:06}"
            bound.go_on_from(state)
            mine, norm, _ = bound.step(number, sequences)
            each, norms = max(each, abs(event["loss"] - mine)), max(norms, abs(event["gradient_norm"] / norm - 1))
            way = max(way, distance(twins.saved(out / f"state-{number:06}", "master"), bound.masters, twins.saved(state, "master")))
            rate = twins.learning_rate(number, settings["steps"], settings["learning_rate"], settings["warmup_steps"])
            assert abs(event["learning_rate"] / rate - 1) < 1e-12, (event["learning_rate"], rate)
            if options.verbose:
                print(f"{number:5} {event['loss']:10.6f} by itself {loss:10.6f} from our state {mine:10.6f}"
                      f" {event['gradient_norm']:10.6f} {norm:10.6f} {event['load_max_over_mean']:7.4f} {busiest:7.4f}")
        reported = [event["held_out_loss"] for event in found if "held_out_loss" in event][-1]
        scored, _ = twins.held_out(out / f"step-{options.steps:06}", folder / "held-out.npy", settings["sequence_length"])
        fits = each <= options.tolerance and apart <= max(options.tolerance, 4 * floor) and abs(reported - scored) <= 1e-5
        routed = f", the same loads for {same} steps" if free.routers else ""
        print(f"{case:22} loss {steps[0]['loss']:.3f} to {steps[-1]['loss']:.3f}; from our states at most {each:.1e} apart,"
              f" gradient norm {norms:.1e}, weights {way:.1e} of a step; by itself {apart:.1e}, from itself {floor:.1e}{routed};"
              f" held-out {reported:.6f}, transformers {scored - reported:+.1e}{'' if fits else '   NOT WITHIN BOUNDS'}", flush=True)
        return fits


def distance(found, wanted, before):
    """How far weights are from each other, as a part of how far they have gone."""
    far = gone = 0.0
    for name, value in found.items():
        far += float((value - wanted[name]).double().square().sum())
        gone += float((value - before[name]).double().square().sum())
    return (far / gone) ** 0.5


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("cases", nargs="*", default=CASES)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--sequence-length", type=int, default=64)
    parser.add_argument("--batch-sequences", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    torch.set_num_threads(options.threads)
    sys.exit(0 if all([compare(case, options) for case in options.cases]) else 1)


if __name__ == "__main__":
    main()
