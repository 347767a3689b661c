#!/usr/bin/env python3
"""What physics allows of the goals beside the peers: bytes over bandwidth, operations over peaks, for each measure.

usage: limits.py --results FILE.json            speeds, peers' speeds and probes of a run of race.sh --quick
       limits.py --martinet PROGRAM [--shape …]  probes only: the bounds, without a peer to compare with

A step cannot take less time than reading its weights and cache at the probed bandwidth, nor than its products at the
probed peak of their rows' arithmetic (int8, or bf16 with bf16 weights). The bound is the greater of the two; anything
else of a step only adds to it. Attention is shown beside it and is no part of the bound: its time at fp32's probed peak
is that of our order of operations (latent attention in its absorbed form), which another one need not take. A goal is
forbidden where it asks for more than the bound; the reverse proves nothing. Probes are the highest of a run: a
disturbed probe would forbid too much. Where a goal demands a share of a peak, the same counts give the speed that it
means.
"""

import argparse
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Bits a weight, with scales: q8 and q4 have one byte of scale for 64 columns.
BITS = {"q8": 8.125, "q4": 4.125, "bf16": 16}
# measure: (least ratio to the faster peer, least share of the peak that binds: integers in prefill, bandwidth in decode)
GOALS = {
    "prefill": (2.5, 0.62), "decode 1": (1.45, 0.94), "decode 4": (1.5, 0.90), "decode 16": (1.8, 0.88),
    "decode 32": (2.2, 0.80), "prefill 8k": (1.5, None), "decode 8k": (1.5, None),
}
CONTEXT, PROMPT, BATCH_PROMPT = 8192, 512, 16


class Model:
    """Counts of weights and of operations, from a configuration."""

    def __init__(self, config):
        c, hidden, layers = config, config["hidden_size"], config["num_hidden_layers"]
        self.layers, self.hidden, self.heads = layers, hidden, c["num_attention_heads"]
        self.latent = "kv_lora_rank" in c
        if self.latent:
            rank, rope = c["kv_lora_rank"], c["qk_rope_head_dim"]
            q = c["q_lora_rank"]
            self.attention = hidden * q + q * self.heads * (c["qk_nope_head_dim"] + rope) + hidden * (rank + rope)
            self.attention += rank * self.heads * (c["qk_nope_head_dim"] + c["v_head_dim"]) + self.heads * c["v_head_dim"] * hidden
            self.cache = rank + rope  # numbers a token and layer
            self.attending = 2 * self.heads * (2 * rank + rope)  # operations a pair of positions and layer, absorbed form
        else:
            width = c.get("head_dim") or hidden // self.heads
            heads = c["num_key_value_heads"]
            self.attention = hidden * width * (2 * self.heads + 2 * heads)
            self.cache = 2 * heads * width
            self.attending = 4 * self.heads * width
        self.experts = c.get("n_routed_experts") or c.get("num_local_experts") or c.get("num_experts")
        self.chosen = c["num_experts_per_tok"]
        self.expert = 3 * hidden * (c.get("moe_intermediate_size") or c["intermediate_size"])
        self.dense = min(c.get("first_k_dense_replace", 0), layers)
        self.dense_size = 3 * hidden * c["intermediate_size"]
        self.shared = c.get("n_shared_experts", 0) * self.expert
        self.head = hidden * c["vocab_size"]

    def visited(self, tokens):
        """Distinct experts that so many tokens are expected to choose in a layer, all being equally likely."""
        return self.experts * (1 - (1 - self.chosen / self.experts) ** tokens)

    def weights(self, tokens):
        """Weights that a step of so many tokens reads."""
        sparse = self.layers - self.dense
        every = self.layers * self.attention + self.dense * self.dense_size + sparse * self.shared
        return every + sparse * self.visited(tokens) * self.expert + self.head

    def products(self, tokens, heads):
        """Operations of matrix products of a step of `tokens`, `heads` of which ask for logits."""
        sparse = self.layers - self.dense
        token = self.layers * self.attention + self.dense * self.dense_size + sparse * (self.shared + self.chosen * self.expert)
        return 2 * (tokens * token + heads * self.head)


def step(model, measure):
    """(tokens, weights read, numbers of the cache read, operations of products, operations of attention)."""
    if measure.startswith("prefill"):
        tokens = CONTEXT if "8k" in measure else PROMPT
        pairs = tokens * (tokens + 1) / 2
        # Read once for the whole prompt: a program that reads in chunks reads more.
        return tokens, model.weights(tokens), model.layers * model.cache * tokens, model.products(tokens, 1), model.layers * model.attending * pairs
    batch = 1 if "8k" in measure else int(measure.split()[1])
    length = CONTEXT if "8k" in measure else 1 if measure == "decode 1" else BATCH_PROMPT
    return (batch, model.weights(batch), batch * model.layers * model.cache * length, model.products(batch, batch),
            batch * model.layers * model.attending * length)


def bound(model, weights, measure, probes, cache_bytes):
    """{what: seconds} that a step cannot go below, its tokens, and its bytes."""
    tokens, read, cache, products, attention = step(model, measure)
    peak = probes["bfloat16_operations_per_second" if weights == "bf16" else "int8_operations_per_second"]
    size = read * BITS[weights] / 8 + cache * cache_bytes
    return {
        "bandwidth": size / probes["read_bytes_per_second"], "products": products / peak,
        "attention": attention / probes["float32_operations_per_second"],
    }, tokens, size


def probes_of(program):
    done = subprocess.run([program, "bench", "kernels", "--probes-only", "--json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit("limits.py: %s" % done.stderr.strip())
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--results", metavar="FILE")
    given.add_argument("--martinet", metavar="PROGRAM")
    parser.add_argument("--shape", action="append", help="a name in shapes/ or a config.json (default: all in shapes/)")
    parser.add_argument("--cache-bytes", type=float, default=4, help="bytes a number of the cache: 4 for f32, 2 for bf16")
    options = parser.parse_args()
    report, rows = None, []
    if options.results:
        with open(options.results) as file:
            report = json.load(file)
        rows = [row for row in report["rows"] if row.get("probes") and row["theirs"]]
        if not rows:
            sys.exit("limits.py: %s has no probes of its run; take a file of race.sh --quick" % options.results)
    shapes = options.shape or sorted({row["shape"] for row in rows}) or sorted(
        name[:-5] for name in os.listdir(os.path.join(HERE, "shapes")))
    probes = None if report else probes_of(options.martinet)
    if probes:
        print("Probed: %s\n" % ", ".join("%s %.0f" % (key.split("_per_")[0], value / 1e9) for key, value in probes.items()
                                           if key.endswith("_per_second")))
    print("Bytes: weights × bits / 8 (q8 8.125, q4 4.125, bf16 16) of distinct experts visited, E (1 − (1 − k/E)^batch),")
    print("and the cache, read at the probed bandwidth; products at the int8 (bf16: bf16) peak. Attention, at fp32's, is ours and no bound.\n")
    print("| shape, weights | measure | MB a step | ms: bandwidth | products | attention | bound, tokens/s | "
          "faster peer | goal | allowed | |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    for shape in shapes:
        path = shape if os.path.exists(shape) else os.path.join(HERE, "shapes", shape + ".json")
        if not os.path.exists(path):
            sys.exit("limits.py: no shape %s" % shape)
        with open(path) as file:
            model = Model(json.load(file))
        for weights in BITS:
            for measure, (ratio, share) in GOALS.items():
                mine = [row for row in rows if (row["shape"], row["weights"], row["measure"]) == (shape, weights, measure)]
                if report and not mine:
                    continue
                # Those of results are in 10^9 a second.
                limits = probes or {key: 1e9 * value for key, value in mine[0]["probes"].items()}
                times, tokens, size = bound(model, weights, measure, limits, options.cache_bytes)
                most = tokens / max(times["bandwidth"], times["products"])
                peer = max((row["theirs"] for row in mine), default=None)
                verdict = ""
                if peer:
                    verdict = "**forbidden**: the bound is %.2f ×" % (most / peer) if ratio * peer > most else "not forbidden"
                if share and peer:
                    # What the share alone means: of the integer peak in prefill, of the bandwidth in decode.
                    meant = share * tokens / times["products" if measure.startswith("prefill") else "bandwidth"]
                    verdict += "; %.0f %% means %.1f tokens/s%s" % (100 * share, meant, ", forbidden" if meant > most else "")
                print("| %s, %s | %s | %.0f | %.2f | %.2f | %.2f | %.1f | %s | %s | %s | %s |" % (
                    re.sub(".*/", "", shape), weights, measure, size / 1e6, 1e3 * times["bandwidth"], 1e3 * times["products"],
                    1e3 * times["attention"], most, "%.1f" % peer if peer else "", "%.2f ×" % ratio,
                    "%.2f ×" % (most / peer) if peer else "", verdict))


if __name__ == "__main__":
    main()
