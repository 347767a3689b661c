#!/usr/bin/env python3
"""What HTTP and scheduling cost: throughput beside `bench generate`, time to the first token beside others and after a
shared prefix.

usage: figures.py PROGRAM [--batch N] [OPTION OF SERVE AND BENCH …]
"""
import argparse
import json
import os
import random
import re
import statistics
import subprocess
import threading
import time

from client import Server

parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--prompt-length", type=int, default=16)
parser.add_argument("--output-length", type=int, default=65)
parser.add_argument("--prefix", type=int, default=1000)
parser.add_argument("--rounds", type=int, default=3)
arguments, options = parser.parse_known_args()
vocabulary = None


def prompt(length, seed):
    generator = random.Random(seed)
    return [generator.randrange(10, vocabulary - 10) for _ in range(length)]


def bench():
    command = [arguments.program, "bench", "generate", "--json", "--batch", str(arguments.batch), "--prompt-length", str(arguments.prompt_length),
               "--output-length", str(arguments.output_length), "--repetitions", "2", *options]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def together(bodies):
    results = [None] * len(bodies)
    start = time.monotonic()

    def one(i):
        results[i] = server.stream(bodies[i])

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results, time.monotonic() - start


def body(tokens, count):
    return {"model": server.name, "prompt": tokens, "max_tokens": count, "temperature": 0, "ignore_eos": True}


def engine():
    """Steps and the seconds spent in them, as /metrics tells a little later."""
    time.sleep(3)
    metrics = server.get("/metrics")[1].decode()
    return [sum(float(value) for value in re.findall(rf'^martinet_{name}\{{kind="\w+"\}} (\S+)', metrics, re.M)) for name in ("steps_total", "step_seconds_total")]


def http_seconds():
    """Processor time of the threads that serve HTTP and run what it calls: all but the engine's."""
    result = 0
    for thread in os.scandir(f"/proc/{server.process.pid}/task"):
        name = open(f"{thread.path}/comm").read().strip()
        result += 0 if name == "martinet" else int(open(f"{thread.path}/schedstat").read().split()[0]) / 1e9
    return result


for round in range(arguments.rounds):
    measured = bench()
    server = Server(arguments.program, ["--no-prefix-cache", *options])
    cluster = json.loads(server.get("/cluster")[1])
    vocabulary = cluster["facts"]["vocabulary_size"]
    server.name = json.loads(server.get("/v1/models")[1])["data"][0]["id"]
    together([body(prompt(arguments.prompt_length, 1000 + i), 8) for i in range(arguments.batch)])
    (steps, inside), http = engine(), http_seconds()
    results, wall = together([body(prompt(arguments.prompt_length, i), arguments.output_length) for i in range(arguments.batch)])
    http = http_seconds() - http
    steps, inside = (b - a for a, b in zip((steps, inside), engine()))
    # From when all have their first token to when the first has its last: a full batch, as in the bench.
    first, last = max(times[0] for _, times, _ in results), min(times[-1] for _, times, _ in results)
    tokens = sum(sum(1 for time in times if first < time <= last) for _, times, _ in results)
    served, benched = tokens / (last - first), measured["decode"]["tokens_per_second"]
    print(f"decode at batch {arguments.batch}: served {served:.1f} tokens/s, bench generate {benched:.1f}: {served / benched:.3f}")
    print(f"{steps:.0f} steps of {inside / steps * 1e3:.1f} ms: between two steps {(wall - inside) / steps * 1e3:.2f} ms, {(wall - inside) / wall * 100:.2f} % of the time; "
          f"HTTP {http / wall / os.cpu_count() * 100:.2f} % of the processors' time")

    # A short prompt while 16 others decode.
    background = threading.Thread(target=together, args=([body(prompt(16, 50 + i), 200) for i in range(16)],))
    background.start()
    time.sleep(3)
    steps, ttfts = [], []
    for i in range(5):
        _, times, _ = server.stream(body(prompt(8, 90 + i), 6))
        ttfts.append(times[0])
        steps += [b - a for a, b in zip(times, times[1:])]
    step = statistics.median(steps)
    print(f"first token of a short prompt beside 16 streams: {statistics.median(ttfts) * 1e3:.1f} ms, {statistics.median(ttfts) / step:.2f} steps of {step * 1e3:.1f} ms")
    background.join()
    server.stop()

    # The same with the prefix cache: two prompts that share their beginning.
    server = Server(arguments.program, options)
    server.name = json.loads(server.get("/v1/models")[1])["data"][0]["id"]
    server.stream(body(prompt(40, 7), 4))
    shared = prompt(arguments.prefix, 500)
    first = server.stream(body(shared + prompt(8, 501), 4))
    second = server.stream(body(shared + prompt(8, 502), 4))
    print(f"shared prefix of {arguments.prefix} tokens: first token after {first[1][0] * 1e3:.1f} ms, then {second[1][0] * 1e3:.1f} ms: "
          f"{second[1][0] / first[1][0]:.3f}; {second[2]['prompt_tokens_details']['cached_tokens']} tokens cached")
    server.stop()
