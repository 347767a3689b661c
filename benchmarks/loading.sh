#!/bin/bash
# How fast checkpoints are loaded, beside dd and cat on the same files: cold (the page cache dropped; needs root) and
# warm.
#   benchmarks/loading.sh MODEL[,MODEL...] [ROUNDS] [OPTION...]
# Options are those of `martinet generate`, such as --weights q8.
# A MODEL is a folder of safetensors or a GGUF file; several take turns, as do several programs: MARTINET=OLD,NEW.
# Where there is perf, a warm round ends with the time of the sums by which ranks compare what they read, in percent.
# Give it a quiet machine, and more free memory than a model takes twice. A virtual machine whose host takes free memory
# back is slow in the first round.
set -euo pipefail
IFS=, read -ra models <<< "$1"
rounds=${2:-3}
shift $(($# < 2 ? $# : 2))
options=("$@")
IFS=, read -ra programs <<< "${MARTINET:-$(dirname "$0")/../.build/release/martinet}"
trace=$(mktemp)
trap 'rm -f "$trace"' EXIT

# The files of `model`: of GGUF those that belong together.
find_files() {
  if [ -d "$model" ]; then
    files=("$model"/*.safetensors)
  elif [[ $model == *-00001-of-?????.gguf ]]; then
    files=("${model%-00001-of-*}"-?????-of-"${model##*-of-}")
  else
    files=("$model")
  fi
  bytes=$(cat "${files[@]}" | wc -c)
}

drop() {
  sync
  if [ "$kind" = cold ]; then echo 3 > /proc/sys/vm/drop_caches; else cat "${files[@]}" > /dev/null; fi
}

# GB/s of a function that reads all files.
rate() {
  drop
  local start end
  start=$(date +%s%N)
  "$@"
  end=$(date +%s%N)
  echo "$bytes $start $end" | awk '{ printf "%.2f", $1 / ($3 - $2) }'
}
with_dd() { for file in "${files[@]}"; do dd if="$file" of=/dev/null bs=16M 2> /dev/null; done; }
with_cat() { cat "${files[@]}" > /dev/null; }

# GB/s as a command that loads says it; what else it says where it fails.
run() {
  local said
  said=$("$@" generate --model "$model" --prompt-ids 0 --max-new-tokens 1 --ignore-eos "${options[@]}" \
    2>&1 > /dev/null) || { echo "$said" >&2; return 1; }
  sed -n '/ at [0-9.]* GB\/s/ { s/.* at \([0-9.]*\) GB\/s.*/\1/p; q; }' <<< "$said"
}

# The samples in the sums, of all that there were of all cores while the files were read.
digest() {
  [ "$kind" = warm ] && command -v perf > /dev/null || return 0
  local found
  # It may be forbidden.
  found=$(run perf record -q -F 999 -o "$trace" "$program") || return 0
  perf report -i "$trace" --stdio --no-children -n --sort symbol 2> /dev/null |
    awk -v rate="$found" -v bytes="$bytes" -v cores="$(nproc)" \
      '/ (cc_sum|sum_with|block_sum|few$)/ { samples += $2 }
       END { if (rate > 0) printf ", sums %.1f %%", 100 * samples / 999 / cores / (bytes / rate / 1e9) }'
}

for kind in cold warm; do
  for _ in $(seq "$rounds"); do
    for model in "${models[@]}"; do
      find_files
      dd=$(rate with_dd)
      cat=$(rate with_cat)
      for program in "${programs[@]}"; do
        drop
        own=$(run "$program")
        echo "$kind $dd $cat ${own:-0}" | awk \
          '{ printf "%s: dd %s, cat %s, martinet %s GB/s, %.0f %% of dd", $1, $2, $3, $4, 100 * $4 / $2 }'
        digest
        echo " ($model, $program)"
      done
    done
  done
done
