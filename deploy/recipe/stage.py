#!/usr/bin/env python3
"""Runs one stage of the recipe, or finds that it is done: stage.py OUT NAME KIND [--option value …] -- COMMAND…

What the command prints as JSON goes into OUT/stages/NAME.log, line by line, and all else into NAME.err. When it ends
well, OUT/stages/NAME.json says what ran, how long it took (all attempts together), its tokens and its curve. A stage
with such a file is done, and is not run again. Ctrl-C has a training save what it has; a second one ends it.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

#: Seconds after which the time that a stage has taken is written down again: a kill costs no more of it.
BEAT = 5
#: Points of a curve; more are put together.
POINTS = 400
#: What a curve shows, by name.
CURVES = (
    "loss", "held_out_loss", "reward", "accuracy", "no_answer", "completions", "held_out_accuracy", "mean_length", "entropy",
    "signal_groups", "groups", "load_max_over_mean", "tokens_per_second", "rollout_tokens_per_second", "update_seconds")


def written(command):
    """What a command does, wherever its program lies and however many ranks run it."""
    for i, word in enumerate(command):
        if os.path.basename(word) in ("martinet", "tasks.py", "corpus.py"):
            return command[i + 1:]
    return command


def read_json(path, otherwise):
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return otherwise


def is_record(value):
    """Whether a file holds what a stage writes of itself."""
    return (isinstance(value, dict) and number(value.get("seconds")) and isinstance(value.get("command"), list)
            and all(isinstance(word, str) for word in value["command"]))


def write_json(path, value):
    """All of it or nothing, whatever ends this process."""
    whole = path.with_suffix(".new")
    whole.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")
    whole.replace(path)


def lines_of(path):
    """Lines that are JSON objects; one that a kill cut short is none."""
    found = []
    if path.exists():
        for line in path.read_text("utf-8", "replace").splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                found.append(value)
    return found


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def curves(steps):
    """Of each number its means over neighbouring steps: {name: [[step, value], …]}."""
    together = max(1, -(-len(steps) // POINTS))
    found = {}
    for name in CURVES:
        points = []
        for i in range(0, len(steps), together):
            group = [step for step in steps[i:i + together] if number(step.get(name))]
            if group:
                points.append([group[-1]["step"], sum(step[name] for step in group) / len(group)])
        if points:
            found[name] = points
    return found


def transcripts(path, count=3):
    """The first answers of each task that `eval` wrote."""
    found = []
    for task in read_json(path, {}).get("tasks", []):
        for item in task.get("items", [])[:count]:
            found.append({key: item.get(key) for key in ("prompt", "answer", "target", "outcome", "tokens", "prompt_kind")}
                         | {"task": task.get("task")})
    return found


def summary(kind, lines, options):
    """What of a stage's lines is kept."""
    made = {}
    if kind == "train":
        # Steps that were computed again after a stop count once.
        steps = sorted({line["step"]: line for line in lines if number(line.get("step"))}.values(), key=lambda line: line["step"])
        made["steps"] = steps[-1]["step"] if steps else 0
        made["curves"] = curves(steps)
        drawn = [line["drawn_tokens"] for line in steps if number(line.get("drawn_tokens"))]
        if drawn:
            made["tokens"] = sum(drawn)
        elif steps and number(steps[-1].get("tokens")):
            made["tokens"] = steps[-1]["tokens"]
        ratios = [line["max_log_ratio"] for line in steps if number(line.get("max_log_ratio"))]
        if ratios:
            made["largest_log_ratio"] = max(map(abs, ratios))
    elif kind == "eval":
        made["tasks"] = [line for line in lines if "task" in line]
        made["tokens"] = sum(line.get("tokens", 0) for line in made["tasks"])
        if options.result:
            made["transcripts"] = transcripts(options.result)
    elif lines:
        made["said"] = lines[-1]
        if number(lines[-1].get("tokens")):
            made["tokens"] = lines[-1]["tokens"]
    if options.counts and options.counts.exists():
        with open(options.counts, encoding="utf-8") as file:
            made["lines_written"] = sum(1 for line in file if line.strip())
    return made


def told(line):
    """A line of JSON in some words."""
    words = [f"step {line['step']}"] if number(line.get("step")) else [str(line["task"])] if "task" in line else []
    for name in ("loss", "reward", "accuracy", "mean_length"):
        if number(line.get(name)):
            words.append(f"{name.replace('_', ' ')} {line[name]:.4g}")
    return ", ".join(words)


def run(command, log, errors, saves):
    """The command's status, 130 where it was stopped; its lines go into the log, and to a terminal, where there is one."""
    # In a session of its own: a terminal's Ctrl-C comes here, and only here.
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8",
            errors="replace", bufsize=1, start_new_session=True)
    except OSError as error:
        sys.exit(f"recipe: cannot run {command[0]}: {error.strerror}; is it installed (deploy/install-packages.sh)?")
    stops = []

    def stop(*_):
        # mpirun hands this one on; a training saves and ends.
        child.send_signal(signal.SIGUSR1 if saves and not stops else signal.SIGTERM)
        stops.append(True)

    # A terminal that is closed is a stop as well.
    for what in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(what, stop)
    shown, last = sys.stdout.isatty(), 0.0
    try:
        with open(log, "a", encoding="utf-8") as file:
            for line in child.stdout:
                file.write(line)
                file.flush()
                if shown and line.startswith("{") and time.monotonic() - last > 0.5:
                    last = time.monotonic()
                    try:
                        print(f"\r\x1b[K  {told(json.loads(line))}", end="", flush=True)
                    except (ValueError, OSError):
                        pass
    except OSError as error:
        # Nobody would hear it any more.
        child.terminate()
        child.stdout.close()
        child.wait()
        sys.exit(f"recipe: cannot write {log}: {error.strerror}; make room, and run the same command again to go on")
    if shown:
        print("\r\x1b[K", end="")
    status = child.wait()
    return 130 if stops else status


def main():
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("name")
    parser.add_argument("kind", choices=("data", "train", "eval", "sample"))
    parser.add_argument("--title", default="")
    parser.add_argument("--model", default="", help="what is measured or made")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--result", type=pathlib.Path, help="what `eval --out` writes")
    parser.add_argument("--counts", type=pathlib.Path, help="a file whose lines are counted at the end")
    options = parser.parse_args(sys.argv[1:split])
    command = sys.argv[split + 1:]
    if not command:
        parser.error("there is no command after --")
    folder = options.out / "stages"
    folder.mkdir(parents=True, exist_ok=True)
    done, log, part = (folder / f"{options.name}.{end}" for end in ("json", "log", "part"))

    made = read_json(done, None)
    if made is not None:
        if not is_record(made):
            sys.exit(f"recipe: {done} is no record of a stage; remove it, and run the same command again")
        if written(made["command"]) != written(command):
            sys.exit(f"recipe: {done} is of another command than this run's; take another --out, or remove that file and those "
                     "of the stages after it with their folders in models")
        print(f"== {options.name}: done in {made['seconds']:.0f} s before")
        return 0
    before = read_json(part, {})
    if not is_record(before) or written(before["command"]) != written(command):
        # New, or half of something else.
        before = {}
        log.unlink(missing_ok=True)
    print(f"== {options.name}: {options.title}", flush=True)
    start = time.monotonic()
    attempts = 1 + (before["attempts"] if type(before.get("attempts")) is int else 0)

    def seconds():
        return before.get("seconds", 0.0) + time.monotonic() - start

    def note():
        write_json(part, dict(command=command, seconds=seconds(), attempts=attempts))

    ended = threading.Event()

    def beat():
        while not ended.wait(BEAT):
            try:
                note()
            except OSError:
                pass

    note()
    if options.kind != "train":
        log.unlink(missing_ok=True)
    errors = folder / f"{options.name}.err"
    beats = threading.Thread(target=beat, daemon=True)
    beats.start()
    try:
        with open(errors, "w", encoding="utf-8") as file:
            status = run(command, log, file, saves=options.kind == "train")
    finally:
        ended.set()
        beats.join()
    note()
    if status != 0:
        if status != 130:
            print("\n".join(errors.read_text("utf-8", "replace").splitlines()[-20:]), file=sys.stderr)
        print(f"recipe: {options.name} ended with status {status} ({errors}); run the same command again to go on",
              file=sys.stderr)
        return status if status > 0 else 128 - status
    record = dict(
        stage=options.name, kind=options.kind, title=options.title, model=options.model, command=command, seconds=seconds(),
        attempts=attempts, ranks=options.ranks, nodes=1, finished=time.time())
    lines = lines_of(log)
    record.update(summary(options.kind, lines, options))
    write_json(done, record)
    part.unlink(missing_ok=True)
    ends = [told(line) for line in (lines if options.kind == "eval" else lines[-1:])]
    print("\n".join(f"   {line}" for line in ends + [f"{record['seconds']:.0f} s"] if line), flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as failure:
        sys.exit(f"recipe: {failure.filename or 'the terminal'}: {failure.strerror}; run the same command again to go on")
