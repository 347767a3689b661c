#!/usr/bin/env python3
"""The held-out loss of a trained folder, by transformers: what `martinet train pretrain --held-out` reports, from
others' code.

    venv/bin/python Tests/Reference/score_trained.py OUT/step-000500 held-out.npy --sequence-length 256 [--reported 3.2107]

Tokens are one array (`deploy/recipe/corpus.py --shards`), cut as `--packing packed` cuts them. The model computes in
fp32 with the folder's bf16 weights. With `--reported` the status is 1 where the two are more than 1e-3 apart.
"""

import argparse
import sys

import training_twin as twins


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("data")
    parser.add_argument("--sequence-length", type=int, required=True)
    parser.add_argument("--reported", type=float)
    options = parser.parse_args()
    loss, tokens = twins.held_out(options.folder, options.data, options.sequence_length)
    print(f"{loss:.8f} nats a token, over {tokens} tokens")
    if options.reported is not None:
        print(f"reported {options.reported:.8f}, {options.reported - loss:+.1e}")
        sys.exit(0 if abs(options.reported - loss) <= 1e-3 else 1)


if __name__ == "__main__":
    main()
