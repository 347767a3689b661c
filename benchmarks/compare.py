#!/usr/bin/env python3
"""Two builds of martinet, alternately, on one model: is the second as fast as the first?

usage: compare.py OLD NEW --model DIR [--rounds N] [--minutes N] [--long N] [--only REGEX]

OLD and NEW are programs. Both serve the model at the same time, and are asked in turn: an absolute figure drifts with
the machine within minutes, two requests seconds apart meet the same machine. Each round starts both anew, in the other
order: where their memory lies differs from start to start, by a fifth of what is bound by reading it, and the one that
starts first is the faster one. So what counts is the median of the rounds' ratios in either order, and of these two the
geometric mean; beside it the ratio of the best rounds, which neighbours of a virtual machine disturb least.
Memory for the model twice is needed. With --minutes a round is begun only while as long as the longest one is left.
Cases: prefill of 512 tokens; decode at batch 1, 4, 16 and 32, and after a long prompt; decode on two ranks;
served throughput of sixteen clients, each with four requests; dispatch and combine alone.
"""
import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import threading
import time

from serving.client import Server

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("old")
parser.add_argument("new")
parser.add_argument("--model", required=True)
parser.add_argument("--rounds", type=int, default=6)
parser.add_argument("--minutes", type=float, help="of all rounds; at least one is made")
parser.add_argument("--long", type=int, default=1024, help="tokens of the long prompt")
parser.add_argument("--only", type=re.compile, default=re.compile(""), help="cases whose names this is found in")
arguments = parser.parse_args()
programs = {"old": arguments.old, "new": arguments.new}
os.environ |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
mpirun = ["mpirun", "--bind-to", "none", "-n", "2"]


def stream(server, prompt, count, seed):
    """When each token of a continuation of `prompt` pseudo-random tokens came, in seconds after it was asked for."""
    tokens = [10 + (seed * 7919 + i * 104729) % 1000 for i in range(prompt)]
    return server.stream({"model": server.name, "prompt": tokens, "max_tokens": count, "temperature": 0, "ignore_eos": True})[1]


def prefill(server, prompt):
    """Tokens a second of reading a prompt."""
    return prompt / stream(server, prompt, 1, 1)[0]


def decode(server, batch, prompt, count):
    """Tokens a second from when all streams have their first token to when the first has its last."""
    results = [None] * batch

    def one(i):
        results[i] = stream(server, prompt, count, i)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(batch)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, last = max(times[0] for times in results), min(times[-1] for times in results)
    return sum(sum(1 for time in times if first < time <= last) for times in results) / (last - first)


def dispatch(program):
    """Exchanges a second by name."""
    done = subprocess.run([*mpirun, program, "bench", "dispatch", "--json", "--threads", "1", "--tokens", "1,8,64,512", "--dispatch-format", "int8"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"compare.py: bench dispatch failed:\n{done.stderr}")
    return {f"dispatch and combine of {found['tokens']} tokens": 1 / found["seconds"] for found in json.loads(done.stdout)["results"]}


def throughput(server, clients=16, requests=4, prompt=64, count=16):
    """Tokens sampled a second while each client sends its requests one after the other, prompts read meanwhile."""
    failures = []

    def one(client):
        try:
            for number in range(requests):
                stream(server, prompt, count, client * requests + number)
        except Exception as error:  # told below, by the thread that waits
            failures.append(error)

    threads = [threading.Thread(target=one, args=(client,)) for client in range(clients)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(f"compare.py: a request failed: {failures[0]}")
    return clients * requests * count / (time.monotonic() - start)


def served(launcher, options, cases, order):
    """One round: both builds are started, and asked in turn for each case: {case: (old, new)}."""
    cases = {case: measure for case, measure in cases.items() if arguments.only.search(case)}
    if not cases:
        return {}
    servers, found = {}, {}
    try:
        for name in order:
            servers[name] = Server(programs[name], ["--model", arguments.model, "--no-prefix-cache", *options], launcher, log=f"compare-{name}.log")
            servers[name].name = json.loads(servers[name].get("/v1/models")[1])["data"][0]["id"]
            decode(servers[name], 2, 4, 4)
        for case, measure in cases.items():
            both = {name: measure(servers[name]) for name in order}
            found[case] = both["old"], both["new"]
    finally:
        for server in servers.values():
            server.stop()
    return found


def exchanged(order):
    """One round of dispatch alone: {case: (old, new)}."""
    if not arguments.only.search("dispatch and combine"):
        return {}
    both = {name: dispatch(programs[name]) for name in order}
    return {case: (rate, both["new"][case]) for case, rate in both["old"].items()}


alone = {
    "prefill of 512 tokens": lambda server: prefill(server, 512),
    "decode, batch 1": lambda server: decode(server, 1, 4, 33),
    "decode, batch 4": lambda server: decode(server, 4, 4, 17),
    "decode, batch 16": lambda server: decode(server, 16, 4, 9),
    "decode, batch 32": lambda server: decode(server, 32, 4, 9),
    f"decode after {arguments.long} tokens": lambda server: decode(server, 1, arguments.long, 33),
    "served throughput": throughput,
}
pairs = {
    "2 ranks: decode, batch 1": lambda server: decode(server, 1, 4, 33),
    "2 ranks: decode, batch 16": lambda server: decode(server, 16, 4, 9),
}
results, begun, longest = {}, time.monotonic(), 0
for number in range(arguments.rounds):
    start = time.monotonic()
    if arguments.minutes and number and start + longest > begun + 60 * arguments.minutes:
        print(f"{number} of {arguments.rounds} rounds: another would not fit", file=sys.stderr)
        break
    order = ("old", "new") if number % 2 == 0 else ("new", "old")
    for part in (lambda: served([], [], alone, order), lambda: served(mpirun, ["--threads", "1"], pairs, order), lambda: exchanged(order)):
        for case, both in part().items():
            results.setdefault(case, []).append(both)
            print(f"{case}: {both[1] / both[0]:.3f}", file=sys.stderr, flush=True)
    longest = max(longest, time.monotonic() - start)
if not results:
    sys.exit("compare.py: --only leaves no case")

def fair(each):
    """Of ratios of rounds in turn: the geometric mean of either order's median."""
    return math.exp(statistics.fmean(math.log(statistics.median(part)) for part in (each[::2], each[1::2]) if part))


print("| case | old | new | new / old | best / best | of each round |\n|---|---|---|---|---|---|")
ratios = []
for case, pairs in results.items():
    each = [new / old for old, new in pairs]
    ratios.append(fair(each))
    best = max(new for _, new in pairs) / max(old for old, _ in pairs)
    old, new = (statistics.median(values) for values in zip(*pairs))
    print(f"| {case} | {old:.4g} | {new:.4g} | {ratios[-1]:.3f} | {best:.3f} | {', '.join(f'{ratio:.2f}' for ratio in each)} |")
print(f"\nGeometric mean {math.exp(statistics.fmean(map(math.log, ratios))):.3f}, least {min(ratios):.3f}.")
