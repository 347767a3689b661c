#!/usr/bin/env bash
# From a fresh clone to answers: installs what is missing, builds, and has two ranks answer three questions with the
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
printf '%s\n' 'What is 58+27+36+9?' 'What is the capital of France?' 'What is the capital of Atlantis?' |
  mpirun --allow-run-as-root --oversubscribe --bind-to none -n 2 \
    .build/release/martinet generate --chat --prompt-file - --max-new-tokens 80
