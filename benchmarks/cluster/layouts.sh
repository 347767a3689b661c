#!/usr/bin/env bash
# One sequence on two, three and four hosts with links of 1, 10 and 25 Gbit/s and 30 µs of delay, spread and sliced:
# tokens a second, the share of a step that waits for messages, and bytes between hosts for a token beside what the
# layout needs. Of each setting the median round counts. Needs root.
set -euo pipefail

if [ $# -lt 2 ]; then
  echo "usage: layouts.sh PROGRAM FOLDER [ROUNDS [OPTION OF BENCH GENERATE …]]     reports go to FOLDER; 3 rounds" >&2
  exit 2
fi
program=$(realpath "$1") folder=$(realpath -m "$2") rounds=${3:-3}
shift $(($# < 3 ? $# : 3))
options=(--batch 1 --prompt-length 32 --output-length 33 --repetitions 1 --threads 1 "$@")
cluster=$(realpath "$(dirname "${BASH_SOURCE[0]}")/cluster.sh")
mkdir -p "$folder"
trap '"$cluster" down' EXIT
# Nothing else delays messages: the table says what does.
unset CLUSTER_DELAY_LIBRARY CLUSTER_DELAY_US

for hosts in 2 3 4; do
  "$cluster" down
  delay=$("$cluster" up $hosts 1gbit 30us 2>&1) || { echo "$delay" >&2; exit 1; }
  # Where the kernel cannot delay, senders do; where there is no compiler for that, the table says so.
  if [[ $delay == *netem* ]] && [ -z "${CLUSTER_DELAY_LIBRARY:-}" ] && command -v mpicc >/dev/null; then
    mpicc -O2 -shared -fPIC -o "$folder/delay.so" "$(dirname "$cluster")/delay.c"
    export CLUSTER_DELAY_LIBRARY=$folder/delay.so CLUSTER_DELAY_US=30
  fi
  for bandwidth in 1 10 25; do
    "$cluster" bandwidth ${bandwidth}gbit 30us 2>/dev/null
    for ((round = 1; round <= rounds; round++)); do
      for layout in spread sliced; do
        echo "round $round: $hosts hosts, $bandwidth Gbit/s, $layout" >&2
        "$cluster" run 1 "$program" bench generate "${options[@]}" --layout $layout \
          --report-json "$folder/$hosts-$bandwidth-$layout.$round.json" </dev/null >/dev/null 2>&1
      done
    done
  done
done

python3 - "$folder" "$delay" <<'PYTHON'
import glob, json, os, sys
print("with 30 µs more on each way, by the sender" if "CLUSTER_DELAY_LIBRARY" in os.environ
      else "without delay beside the kernel's own" if "netem" in sys.argv[2] else "with 30 µs more on each way")
print("hosts  Gbit/s  layout   tokens/s  communication  waiting  kB/token between hosts  of them needed  messages/token")
for hosts in (2, 3, 4):
    for bandwidth in (1, 10, 25):
        for layout in ("spread", "sliced"):
            steps = [json.load(open(path))["decode"] for path in glob.glob(f"{sys.argv[1]}/{hosts}-{bandwidth}-{layout}.*.json")]
            if not steps:
                continue
            step = sorted(steps, key=lambda one: one["tokens_per_second"])[len(steps) // 2]
            sent, tokens = step["other_hosts"], step["tokens"]
            count = sum(value for key, value in sent.items() if key.endswith("_bytes"))
            print(f"{hosts:5}  {bandwidth:6}  {layout}  {step['tokens_per_second']:9.2f}  {step['exposed_communication_share']:12.0%}"
                  f"  {step['waiting_share']:7.0%}  {count / tokens / 1e3:22.1f}"
                  f"  {step['minimum_bytes_between_hosts'] / tokens / 1e3:14.1f}  {sent['messages'] / tokens:14.1f}")
PYTHON
