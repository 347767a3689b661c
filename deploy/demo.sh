#!/usr/bin/env bash
# From a fresh clone to text: installs what is missing, builds, and has two ranks continue a prompt with the
# demonstration model that comes with the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

./deploy/install-packages.sh

echo "== Building (release)"
swift build -c release --product martinet

echo "== Generating with 2 ranks"
# Two ranks whatever the number of cores (--oversubscribe), each rank's threads pinned by the program itself
# (--bind-to none), and no refusal in a container whose only user is root (--allow-run-as-root).
set -x
mpirun --allow-run-as-root --oversubscribe --bind-to none -n 2 \
  .build/release/martinet generate --prompt "And the king said," --max-new-tokens 90 \
  --temperature 0.8 --top-p 0.95 --seed 5 </dev/null
