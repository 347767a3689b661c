#!/usr/bin/env bash
# Times attention at short and long contexts with 1, 2, 4, … threads up to one on each core, beside what this machine's
# memory and arithmetic units can do. Further arguments go to `martinet bench attention`; see README.md here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
swift build -c release --product martinet >&2

cores=$(lscpu --parse=CORE,SOCKET | grep -v '^#' | sort -u | wc -l)
threads=1
while :; do
  .build/release/martinet bench attention --threads "$threads" "$@"
  [ "$threads" -lt "$cores" ] || break
  threads=$((threads * 2 < cores ? threads * 2 : cores))
done
