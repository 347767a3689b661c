#!/usr/bin/env bash
# What planned placements do to the busiest of 8 ranks, where experts are chosen by Zipf's law: planned from one half of
# made-up routing with a tenth more memory for replicas, and replayed with the other half, step by step. Prints the
# plain placement and the planned one for each exponent and number of tokens in a step; fails where the planned one has
# more than 1.15 times the mean in steps of 256 tokens or more: in smaller ones chance alone makes one rank busier.
#   benchmarks/placement.sh PROGRAM [OPTION of martinet placement…]
set -euo pipefail

program=${1:?the program, such as .build/release/martinet}
shift
worst=0
for exponent in 0.8 1.0 1.2; do
  for tokens in 32 256 1024; do
    echo "Zipf $exponent, steps of $tokens tokens:"
    "$program" placement --zipf "$exponent" --ranks 8 --replica-memory 10 --tokens "$tokens" "$@"
    [ "$tokens" -ge 256 ] || continue
    worst=$("$program" placement --zipf "$exponent" --ranks 8 --replica-memory 10 --tokens "$tokens" --json "$@" |
      python3 -c 'import json, sys
planned = json.load(sys.stdin)["placements"][-1]
print(max(float(sys.argv[1]), planned["replayed_visits"], planned["replayed_experts"]))' "$worst")
  done
done
echo "the busiest rank in steps of 256 tokens or more: $worst times the mean, of which 1.15 are allowed"
python3 -c 'import sys; sys.exit(float(sys.argv[1]) > 1.15)' "$worst"
