#!/usr/bin/env bash
# How far projections are off: fits runs on two hosts at 1 Gbit/s and compares with other bandwidths, batches and
# numbers of hosts. Of each setting the median round counts, as one run on a shared machine may be a fifth slower than
# the next. Needs root.
set -euo pipefail

if [ $# -lt 2 ]; then
  echo "usage: projection.sh PROGRAM FOLDER [ROUNDS [OPTION OF BENCH GENERATE …]]     reports go to FOLDER; 3 rounds" >&2
  exit 2
fi
program=$(realpath "$1") folder=$(realpath -m "$2") rounds=${3:-3}
shift $(($# < 3 ? $# : 3))
options=(--prompt-length 32 --output-length 17 --repetitions 2 --threads 1 "$@")
cluster=$(realpath "$(dirname "${BASH_SOURCE[0]}")/cluster.sh")
mkdir -p "$folder"
trap '"$cluster" down' EXIT

bench() { # HOSTS MBIT BATCH ROUND [OPTION…]
  local report=$folder/$1-$2-$3.$4.json
  echo "round $4: $1 hosts, $2 Mbit/s, batch $3"
  "$cluster" run 1 "$program" bench generate --batch "$3" "${options[@]}" --report-json "$report" "${@:5}" </dev/null >/dev/null 2>&1
}

for ((round = 1; round <= rounds; round++)); do
  for hosts in 2 3 4; do
    "$cluster" down
    "$cluster" up $hosts 1000mbit
    if [ $hosts = 2 ]; then
      bench 2 1000 4 $round
      bench 2 1000 32 $round --record-routing "$folder/routing.safetensors"
    fi
    for bandwidth in 500 1000 2000 5000; do
      [ $hosts = 2 ] || [ $bandwidth != 5000 ] || continue
      "$cluster" bandwidth ${bandwidth}mbit
      bench $hosts $bandwidth 16 $round
    done
  done
done

median() { # HOSTS MBIT BATCH…: reports whose decode took neither longest nor shortest
  python3 - "$folder" "$@" <<'PYTHON'
import glob, json, sys
def seconds(path):
    kinds = [rank["decode"] for rank in json.load(open(path))["ranks"]]
    return kinds[0]["wall_ns"] / kinds[0]["steps"]
folder, settings = sys.argv[1], sys.argv[2:]
paths = [sorted(glob.glob(f"{folder}/{setting}.*.json"), key=seconds) for setting in settings]
print(",".join(path[len(path) // 2] for path in paths))
PYTHON
}
"$program" project --report-json "$(median 2-1000-4 2-1000-32)" \
  --validate "$(median 2-500-16 2-1000-16 2-2000-16 2-5000-16 3-500-16 3-1000-16 3-2000-16 4-500-16 4-1000-16 4-2000-16)" \
  --routing "$folder/routing.safetensors" --ranks 4 --shared-cores "$(nproc)"
