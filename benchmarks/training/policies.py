"""Who takes part in race_grpo.py: each draws, judges and learns in steps of the same size, and tells what a step took."""

import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class Step:
    """Seconds of a whole step, of drawing and of the update; tokens drawn, tokens of the update, and the mean reward.

    An update's tokens are those of prompts and completions in groups whose rewards differ: all that can be learnt from.
    """

    seconds: float
    rollout: float
    update: float
    drawn: int
    updated: int
    reward: float


@dataclasses.dataclass
class Result:
    """Medians of the steps that count."""

    seconds: float
    rollout: float
    update: float
    drawn_speed: float
    updated_speed: float
    mean_length: float
    reward: float

    @staticmethod
    def of(steps, completions):
        def median(value):
            return statistics.median(map(value, steps))

        return Result(
            median(lambda one: one.seconds), median(lambda one: one.rollout), median(lambda one: one.update),
            median(lambda one: one.drawn / one.rollout), median(lambda one: one.updated / one.update),
            statistics.mean(one.drawn for one in steps) / completions, statistics.mean(one.reward for one in steps))


class Contestant:
    """A program that prints a line of JSON of each step."""

    name, command, environment = "", [], None
    #: Steps before those that count.
    warm_up = 1

    def __init__(self, options):
        self.options = options

    def prepare(self):
        """What is done once, before any round."""

    def read(self, line):
        raise NotImplementedError

    def run(self):
        command = [str(part) for part in self.command]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment)
        found = (self.read(json.loads(line)) for line in done.stdout.splitlines() if line.startswith('{"'))
        steps = [step for step in found if step]
        if done.returncode != 0 or len(steps) <= self.warm_up:
            print(f"{self.name}: {' '.join(command)}\n{done.stderr.strip()[-3000:]}", file=sys.stderr)
            return None
        steps = steps[self.warm_up :]
        if not all(step.updated for step in steps):
            print(f"{self.name}: a step without any signal; a model that is right now and then is needed", file=sys.stderr)
        return Result.of(steps, self.options.prompts_per_step * self.options.group_size)


class Martinet(Contestant):
    def __init__(self, options, folder, name, ranks, threads):
        super().__init__(options)
        self.name, self.out = f"martinet, {name}", folder / "out"
        self.command = [
            options.program, "train", "grpo", "--model", options.model, "--prompts", options.prompts, "--out", self.out,
            "--reward", "numeric,format=0.1", "--reward-format-pattern", options.pattern, "--steps", options.steps + self.warm_up,
            "--prompts-per-step", options.prompts_per_step, "--group-size", options.group_size,
            "--max-new-tokens", options.max_new_tokens, "--learning-rate", options.learning_rate,
            "--schedule", "constant", "--save-every", 1_000_000, "--threads", threads, "--json"]
        if ranks > 1:
            launcher = ["mpirun", "-n", ranks, "--oversubscribe", "--allow-run-as-root", "--bind-to", "none"]
            self.command = launcher + self.command

    def run(self):
        shutil.rmtree(self.out, ignore_errors=True)
        found = super().run()
        shutil.rmtree(self.out, ignore_errors=True)
        return found

    def read(self, line):
        if "rollout_seconds" not in line:
            return None
        updated = round(line["update_tokens_per_second"] * line["update_seconds"])
        return Step(
            line["seconds"], line["rollout_seconds"], line["update_seconds"], line["drawn_tokens"], updated, line["reward"])


class TRL(Contestant):
    def __init__(self, options, folder, rows, compiled=False):
        super().__init__(options)
        self.name = f"TRL, {rows} rows at a time" + (", compiled" if compiled else "")
        self.command = [
            sys.executable, "-u", HERE / "trl_grpo.py", "--model", options.model, "--prompts", options.prompts,
            "--out", folder / "trl", "--pattern", options.pattern, "--prompts-per-step", options.prompts_per_step,
            "--group-size", options.group_size, "--max-new-tokens", options.max_new_tokens, "--steps", options.steps + self.warm_up,
            "--threads", options.threads, "--learning-rate", options.learning_rate, "--rows", rows,
            "--experts", options.trl_experts] + (["--compile"] if compiled else [])
        self.environment = dict(
            os.environ, OMP_NUM_THREADS=str(options.threads), TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1",
            PYTHONDONTWRITEBYTECODE="1")

    def read(self, line):
        return Step(**line) if "rollout" in line else None


class Pilot(Contestant):
    """The pilot's own script, with its own model and problems; what it does is counted from outside."""

    # It compiles in its first steps.
    name, warm_up = "pilot", 3

    def __init__(self, options, folder):
        super().__init__(options)
        self.out = folder / "pilot"
        self.model = pathlib.Path(options.pilot_model).absolute() if options.pilot_model else folder / "pilot-model"
        self.environment = pilot_environment()
        self.command = pilot_command(
            options.pilot, "grpo", "--init", self.model, "--out", self.out, "--steps", options.steps + self.warm_up, "--n", 8,
            "--prompts", options.prompts_per_step, "--G", options.group_size, "--maxnew", options.max_new_tokens,
            "--lr", options.learning_rate, "--every", 1_000_000, "--threads", options.threads)

    def prepare(self):
        if self.model.exists():
            return
        print(f"pilot: {self.options.pilot_steps} steps of pretraining make {self.model}", file=sys.stderr, flush=True)
        command = pilot_command(
            self.options.pilot, "pretrain", "--out", self.model, "--tokens", 8192 * self.options.pilot_steps, "--noeval", 1,
            "--every", 1_000_000, "--threads", self.options.threads)
        subprocess.run([str(part) for part in command], env=self.environment, check=True, stdout=sys.stderr)

    def read(self, line):
        return Step(**line) if "rollout" in line else None


def pilot_environment():
    # What the script would set itself, and start anew for.
    return dict(
        os.environ, MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_="1000000000000", MALLOC_TOP_PAD_="268435456",
        GLIBC_TUNABLES="glibc.malloc.hugetlb=1", PYTHONDONTWRITEBYTECODE="1")


def pilot_command(script, stage, *arguments):
    """Runs a stage of the script; of reinforcement each step tells its times and tokens unrounded."""
    path = pathlib.Path(script).absolute()
    text = f"""
import json, sys, time
sys.path.insert(0, {str(path.parent)!r})
import {path.stem} as peer
now = dict(drawn=0, updated=0, start=0.0, rollout=0.0)
generate, pack, log = peer.generate, peer.pack, peer.log
def drawing(*a, **k):
    now.update(start=time.perf_counter(), updated=0)
    found = generate(*a, **k)
    now.update(rollout=time.perf_counter() - now["start"], drawn=sum(map(len, found)))
    return found
def packing(documents, *a):
    now["updated"] = sum(len(ids) for ids, _ in documents)
    return pack(documents, *a)
def telling(a, **k):
    seconds = time.perf_counter() - now["start"]
    log(a, **k)
    if "rolltoks" in k:
        print(json.dumps(dict(seconds=seconds, rollout=now["rollout"], update=seconds - now["rollout"], drawn=now["drawn"],
                              updated=now["updated"], reward=k["reward"])), flush=True)
peer.generate, peer.pack, peer.log = drawing, packing, telling
sys.argv = [{path.name!r}, *{[stage, *map(str, arguments)]!r}]
peer.main()
"""
    return [sys.executable, "-u", "-c", text]
