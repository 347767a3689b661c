#!/usr/bin/env python3
"""Many clients at once, good and bad, for some minutes: every finished greedy answer must be the one computed alone,
every error one that was asked for, and memory must not grow.

usage: soak.py PROGRAM [--minutes N] [--connections N] [--ranks N] [OPTION OF SERVE …]
"""
import argparse
import collections
import json
import random
import threading
import time

from client import Server, raw

parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("--minutes", type=float, default=10)
parser.add_argument("--connections", type=int, default=200)
parser.add_argument("--ranks", type=int, default=2)
parser.add_argument("--launcher", default="mpirun --bind-to none --oversubscribe --allow-run-as-root")
arguments, options = parser.parse_known_args()
server = Server(arguments.program, ["--max-sequences", "64", "--max-queue", "400", *options], launcher=arguments.launcher.split() + ["-n", str(arguments.ranks)])
model = "demo-model"
prompts = [f"{a} {b}" for a in ("In the beginning", "Enter the", "And he said unto", "O") for b in ("king", "ghost of", "all the people", "night")]
bodies = [{"model": model, "prompt": prompt, "max_tokens": 20 + 5 * i, "temperature": 0, "ignore_eos": True} for i, prompt in enumerate(prompts)]
alone = [json.loads(server.post("/v1/completions", body)[1])["choices"][0]["text"] for body in bodies]
counts, faults = collections.Counter(), []
lock = threading.Lock()
end = time.monotonic() + arguments.minutes * 60

malformed = [
    b"{", b"[]", b"null", b'{"model": "demo-model"}', b'{"model": "other", "prompt": "a"}',
    b'{"model": "demo-model", "prompt": "a", "temperature": -1}', b'{"model": "demo-model", "prompt": [99999999]}',
    b'{"model": "demo-model", "prompt": "a", "max_tokens": 1e99}', b'{"model": "demo-model", "prompt": "a", "nonsense": 1}',
    b'{"model": "demo-model", "prompt": "' + b"a " * 5000 + b'"}', b"\xff\xfe", b'{"model": "demo-model", "prompt": "a", "n": 100000}',
]


def note(kind, fault=None):
    with lock:
        counts[kind] += 1
        if fault:
            faults.append(fault)


def work(seed):
    generator = random.Random(seed)
    while time.monotonic() < end:
        kind = generator.random()
        i = generator.randrange(len(bodies))
        try:
            if kind < 0.35:
                status, text = server.post("/v1/completions", bodies[i])
                if status == 429:
                    note("refused, queue full")
                    time.sleep(0.5)
                    continue
                same = status == 200 and json.loads(text)["choices"][0]["text"] == alone[i]
                note("whole", None if same else f"{status} {text[:200]}")
            elif kind < 0.65:
                text, _, _ = server.stream(bodies[i])
                note("streamed", None if text == alone[i] else f"stream {text[:200]}")
            elif kind < 0.8:
                server.stream(bodies[i], leave_after=generator.randrange(1, 6))
                note("left early")
            elif kind < 0.95:
                status, text = server.post("/v1/completions", generator.choice(malformed))
                note("malformed", None if 400 <= status < 500 and b'"error"' in text else f"malformed got {status} {text[:200]}")
            else:
                reply = raw(server.port, generator.choice([b"GARBAGE\r\n\r\n", b"POST /v1/completions HTTP/1.1\r\nContent-Length: 50\r\n\r\n{", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 100]), 0.3)
                note("no HTTP", f"no HTTP got {reply[:100]}" if b" 500 " in reply[:20] else None)
        except RuntimeError as error:
            if "429" in str(error):
                note("refused, queue full")
                time.sleep(0.5)
            else:
                note("failed", f"{error}")
        except Exception as error:
            note("failed", f"{type(error).__name__} {error}")


threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(arguments.connections)]
memory = []
for thread in threads:
    thread.start()
while any(thread.is_alive() for thread in threads):
    memory.append(server.memory())
    time.sleep(min(5, arguments.minutes * 6))
print(f"{arguments.connections} connections for {arguments.minutes} minutes on {arguments.ranks} ranks:", ", ".join(f"{count} {kind}" for kind, count in counts.most_common()))
tenth = max(1, len(memory) // 10)
early, late = max(memory[tenth:3 * tenth + 1]), max(memory[-2 * tenth:])
print(f"memory {memory[0]:.0f} MiB at the start, at most {early:.0f} early, {late:.0f} at the end")
print(f"{len(faults)} faults", faults[:5])
_, health = server.get("/health")
print("health", health.decode())
print("exit status", server.stop())
raise SystemExit(0 if not faults and late < early * 1.1 + 20 else 1)
