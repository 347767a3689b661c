#!/usr/bin/env bash
# How far projections of sliced runs and of runs with drafts are off: two ranks of one thread on this machine. Fits
# spread and sliced runs of two batches, and compares with other batches and with drafts; of each setting the median
# round counts. No round is begun that would end later than ten minutes after the first began.
set -euo pipefail

if [ $# -lt 2 ]; then
  echo "usage: projection.sh PROGRAM FOLDER [ROUNDS [OPTION OF GENERATE AND BENCH GENERATE …]]     reports go to FOLDER; 3 rounds" >&2
  exit 2
fi
program=$(realpath "$1") folder=$(realpath -m "$2") rounds=${3:-3}
shift $(($# < 3 ? $# : 3))
read -ra launch <<<"${MARTINET_MPIRUN:-mpirun --bind-to none}"
mkdir -p "$folder"

run() { # NAME ROUND COMMAND…
  local name=$1 round=$2
  shift 2
  echo "round $round: $name"
  "${launch[@]}" -n 2 "$program" "$@" --threads 1 --report-json "$folder/$name.$round.json" </dev/null >/dev/null 2>&1
}

text="One, two, three, four. One, two, three, four. One, two, three, four. One, two, three,"
limit=600 longest=0
for ((round = 1; round <= rounds; round++)); do
  began=$SECONDS
  if ((round > 1 && began + longest > limit)); then
    echo "$((round - 1)) of $rounds rounds: another would not end within $((limit / 60)) minutes" >&2
    break
  fi
  for layout in spread sliced; do
    for batch in 1 4 8 16; do
      record=()
      [ $layout-$batch = spread-16 ] && record=(--record-routing "$folder/routing.safetensors")
      run $layout-$batch $round bench generate --batch $batch --layout $layout --prompt-length 64 --output-length 33 \
        --repetitions 3 "${record[@]}" "$@"
    done
    for drafts in lookup mtp; do
      run $layout-$drafts $round generate --prompt "$text" --max-new-tokens 128 --ignore-eos --layout $layout \
        --speculate $drafts "$@" || echo "no run with --speculate $drafts: see speculation.md" >&2
    done
  done
  longest=$((SECONDS - began > longest ? SECONDS - began : longest))
done

median() { # SETTING…: reports whose decode took neither longest nor shortest
  python3 - "$folder" "$@" <<'PYTHON'
import glob, json, sys
def seconds(path):
    kinds = [rank["decode"] for rank in json.load(open(path))["ranks"]]
    return kinds[0]["wall_ns"] / kinds[0]["steps"]
folder, settings = sys.argv[1], sys.argv[2:]
paths = [sorted(glob.glob(f"{folder}/{setting}.[0-9]*.json"), key=seconds) for setting in settings]
print(",".join(path[len(path) // 2] for path in paths if path))
PYTHON
}
"$program" project --report-json "$(median spread-1 spread-16 sliced-1 sliced-16)" \
  --validate "$(median spread-4 spread-8 sliced-4 sliced-8 spread-lookup spread-mtp sliced-lookup sliced-mtp)" \
  --routing "$folder/routing.safetensors" --ranks 2 --ranks-per-host 2 --batch 1,4,16 --layout auto
