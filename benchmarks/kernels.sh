#!/usr/bin/env bash
# Times the matrix kernels with 1, 2, 4, … threads up to one on each core, beside what this machine's memory and
# arithmetic units can do. Further arguments go to `martinet bench kernels`; see README.md here for how to read it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
swift build -c release --product martinet >&2

cores=$(lscpu --parse=CORE,SOCKET | grep -v '^#' | sort -u | wc -l)
threads=1
while :; do
  .build/release/martinet bench kernels --threads "$threads" "$@"
  [ "$threads" -lt "$cores" ] || break
  threads=$((threads * 2 < cores ? threads * 2 : cores))
done
