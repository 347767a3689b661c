#!/usr/bin/env python3
"""Kills a rank again and again while streams are under way, and compares every stream with the same one undisturbed.

usage: kills.py PROGRAM [--ranks N] [--streams N] [--kills N] [--tokens N] [OPTION OF SERVE …]
"""
import argparse
import os
import random
import signal
import threading
import time

from client import Server

parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("--ranks", type=int, default=2)
parser.add_argument("--streams", type=int, default=20)
parser.add_argument("--kills", type=int, default=10)
parser.add_argument("--tokens", type=int, default=400)
parser.add_argument("--launcher", default="mpirun --bind-to none --oversubscribe --allow-run-as-root")
arguments, options = parser.parse_known_args()
job = arguments.launcher.split() + ["-n", str(arguments.ranks)]
server = Server(arguments.program, options, job=job)
model = "demo-model"
words = "king ghost night crown sword sea love death heaven earth lord lady rose thorn fool".split()


def body(i):
    seeded = {"temperature": 0.9, "seed": i} if i % 2 else {"temperature": 0}
    return {"model": model, "prompt": f"And the {words[i % len(words)]} said {i}:", "max_tokens": arguments.tokens, "ignore_eos": True, **seeded}


def run_all():
    results = [None] * arguments.streams

    def one(i):
        try:
            results[i] = server.stream(body(i))
        except Exception as error:
            results[i] = (f"FAILED {error}", [], None)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(arguments.streams)]
    for thread in threads:
        thread.start()
    return threads, results


threads, calm = run_all()
start = time.monotonic()
for thread in threads:
    thread.join()
calm_seconds = time.monotonic() - start

start = time.monotonic()
threads, results = run_all()
killed = 0
random.seed(1)
while any(thread.is_alive() for thread in threads):
    time.sleep(random.uniform(0.3, 0.8) * max(1, calm_seconds / 4))
    ranks = server.ranks()
    if killed < arguments.kills and len(ranks) == arguments.ranks and server.get("/ready")[0] == 200:
        rank = random.choice(sorted(ranks))
        os.kill(ranks[rank], signal.SIGKILL)
        killed += 1
for thread in threads:
    thread.join()
seconds = time.monotonic() - start
same = sum(1 for a, b in zip(calm, results) if a[0] == b[0] and a[2] and b[2] and a[2]["completion_tokens"] == b[2]["completion_tokens"])
pause = max(max((b - a for a, b in zip(times, times[1:])), default=0) for _, times, _ in results)
print(f"{killed} ranks killed during {arguments.streams} streams of {arguments.tokens} tokens on {arguments.ranks} ranks")
print(f"{same} of {arguments.streams} streams are those of the run without kills; {seconds:.1f} s in place of {calm_seconds:.1f} s; longest pause {pause:.1f} s")
for calm_one, one in zip(calm, results):
    if calm_one[0] != one[0]:
        print("differs:", repr(one[0][:200]))
print("exit status", server.stop())
raise SystemExit(0 if same == arguments.streams and killed == arguments.kills else 1)
