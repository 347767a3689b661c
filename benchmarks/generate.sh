#!/usr/bin/env bash
# Times prefill and decode for each division of this host's cores into ranks × threads: 1, 2, 4, … ranks, and for each
# 1, 2, 4, … threads as long as every thread has a core. Further arguments go to `martinet bench generate` (--model,
# --batch, --prompt-length, …; without --model the demonstration model runs); see README.md here for how to read it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
swift build -c release --product martinet >&2

cores=$(lscpu --parse=CORE,SOCKET | grep -v '^#' | sort -u | wc -l)
for ((ranks = 1; ranks <= cores; ranks *= 2)); do
  launcher=()
  if [ "$ranks" -gt 1 ]; then launcher=(mpirun --allow-run-as-root --bind-to none -n "$ranks"); fi
  for ((threads = 1; ranks * threads <= cores; threads *= 2)); do
    "${launcher[@]}" .build/release/martinet bench generate --threads "$threads" "$@" </dev/null
    echo
  done
done
