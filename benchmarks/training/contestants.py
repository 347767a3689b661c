"""Who takes part in race.py: each takes steps of the same size over the same data, and tells how fast the later ones were."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class Result:
    """Tokens a second; and of ours which part of the fp32 peak, probed as the run begins, the model's own operations are,
    what speed was predicted then, and by how much more memory each rank grew than was said, as a part of that."""

    speed: float
    mfu: float | None = None
    predicted: float | None = None
    memory: list | None = None


class Martinet:
    once = False

    def __init__(self, name, program, shape, data, folder, ranks, threads, length, sequences, steps, options=()):
        self.name, self.out, self.once = name, folder / "out", name.startswith("400 M")
        self.command = [program, "train", "pretrain", "--shape", shape, "--data", data, "--out", self.out, "--json"]
        self.command += ["--steps", steps, "--sequence-length", length, "--batch-sequences", sequences]
        self.account = folder / "account.json"
        self.command += ["--learning-rate", "3e-3", "--threads", threads, "--account", self.account, *options]
        if ranks > 1:
            self.command = ["mpirun", "-n", ranks, "--oversubscribe", "--allow-run-as-root", "--bind-to", "none", *self.command]

    def run(self):
        shutil.rmtree(self.out, ignore_errors=True)
        command = [str(part) for part in self.command]
        done = subprocess.run(command, capture_output=True, text=True)
        steps = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{") and "tokens_per_second" in line]
        if done.returncode != 0 or len(steps) < 2:
            print(f"{self.name}: {' '.join(command)}\n{done.stderr.strip()}", file=sys.stderr)
            return None
        shutil.rmtree(self.out, ignore_errors=True)
        speed = statistics.median(step["tokens_per_second"] for step in steps[1:])
        account = json.loads(self.account.read_text())
        said, found = account["predicted"], account["measured"]
        memory = [b / a - 1 if b else None for a, b in zip(said["memory_bytes"], found["memory_bytes"])]
        return Result(speed, statistics.median(step["mfu"] for step in steps[1:]), said["tokens_per_second"], memory)


class HandWritten:
    """A PyTorch trainer that prints `tok/s` at each of its first steps, with `--bench`; stopped when it has taken enough."""

    once = False

    def __init__(self, kind, script, data, tokenizer, threads, steps, folder):
        self.name, self.steps = f"PyTorch, hand-written, {kind}", min(5, steps)
        self.out = folder / f"peer-{kind}"
        self.out.mkdir()
        (self.out / "corpus").mkdir()
        (self.out / "corpus" / "heldout.jsonl").write_text("")
        shutil.copy(pathlib.Path(tokenizer) / "tokenizer.json", self.out)
        (self.out / "train_ids.npy").symlink_to(data)
        # The script's own settings but for the kind of products and where it keeps things.
        text = f"""
import pathlib, sys
sys.path.insert(0, {str(pathlib.Path(script).parent)!r})
import {pathlib.Path(script).stem} as peer, torch
peer.ROOT, peer.Net.dt = {str(self.out)!r}, torch.{'float32' if kind == 'fp32' else 'bfloat16'}
sys.argv = ["peer", "--bench", "100000", "--out", {str(self.out)!r}, "--threads", "{threads}"]
peer.main()
"""
        self.command = [sys.executable, "-u", "-c", text]
        # What the script would set itself, and start anew for.
        self.environment = dict(
            os.environ, MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_="1000000000000", MALLOC_TOP_PAD_="268435456",
            GLIBC_TUNABLES="glibc.malloc.hugetlb=1", PYTHONDONTWRITEBYTECODE="1")

    def run(self):
        return speeds(self, r"^step (\d+) .* tok/s (\d+)", self.steps)


class Transformers:
    """transformers' DeepseekV3ForCausalLM with its Trainer, as its documentation has one type it."""

    once, name = True, "transformers, Trainer"

    def __init__(self, shape, data, threads, steps, folder):
        self.steps = steps
        self.command = [sys.executable, "-u", str(HERE / "trainer.py"), str(shape), str(data), str(steps), str(folder / "trainer")]
        self.environment = dict(os.environ, OMP_NUM_THREADS=str(threads))

    def run(self):
        return speeds(self, r"^step (\d+) tok/s (\d+)", self.steps)


def speeds(contestant, pattern, steps):
    """Reads what a contestant prints until it has taken so many steps, and ends it."""
    process = subprocess.Popen(
        contestant.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=contestant.environment)
    found = []
    for line in process.stdout:
        match = re.match(pattern, line)
        if match:
            found.append(float(match[2]))
        if len(found) >= steps:
            break
    process.kill()
    errors = process.communicate()[1]
    if len(found) < 2:
        print(f"{contestant.name}: {errors.strip()[-2000:]}", file=sys.stderr)
        return None
    return Result(statistics.median(found[1:]))
