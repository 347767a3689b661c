#!/usr/bin/env bash
# Runs `martinet bench ARGUMENTS` with 1, 2, 4, … threads up to one on each core.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
swift build -c release --product martinet >&2

cores=$(lscpu --parse=CORE,SOCKET | grep -v '^#' | sort -u | wc -l)
threads=1
while :; do
  .build/release/martinet bench "$@" --threads "$threads"
  [ "$threads" -lt "$cores" ] || break
  threads=$((threads * 2 < cores ? threads * 2 : cores))
done
