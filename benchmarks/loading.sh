#!/bin/sh
# How fast checkpoints are loaded, beside dd and cat on the same files: cold (the page cache dropped; needs root) and warm.
#   benchmarks/loading.sh MODEL[,MODEL...] [ROUNDS] [OPTION...]   options are those of `martinet generate`, such as --weights q8
# A MODEL is a folder of safetensors or a GGUF file; several take turns, as do several programs: MARTINET=OLD,NEW.
# Where there is perf, a warm round ends with the time of the sums by which ranks compare what they read, in percent.
# Give it a quiet machine, and more free memory than a model takes twice. A virtual machine whose host takes free memory
# back is slow in the first round.
set -eu
models=$1
rounds=${2:-3}
shift $(($# < 2 ? $# : 2))
programs=${MARTINET:-$(dirname "$0")/../.build/release/martinet}
trace=$(mktemp)
trap 'rm -f "$trace"' EXIT
# Names with blanks stay whole.
IFS='
'
cores=$(nproc)

files_of() { if [ -d "$1" ]; then ls "$1"/*.safetensors; else split_of "$1"; fi; }

# A GGUF file, and those that belong to it.
split_of() {
  case $1 in
    *-00001-of-?????.gguf) ls "${1%-00001-of-*}"-?????-of-"${1##*-of-}" ;;
    *) echo "$1" ;;
  esac
}

drop() {
  sync
  if [ "$kind" = cold ]; then echo 3 > /proc/sys/vm/drop_caches; else cat $files > /dev/null; fi
}

# GB/s of a command that reads all files.
rate() {
  drop
  start=$(date +%s%N)
  "$@"
  end=$(date +%s%N)
  echo "$bytes $start $end" | awk '{ printf "%.2f", $1 / ($3 - $2) }'
}
with_dd() { for file in $files; do dd if="$file" of=/dev/null bs=16M 2> /dev/null; done; }
with_cat() { cat $files > /dev/null; }

run() {
  "$@" generate --model "$model" --prompt-ids 0 --max-new-tokens 1 --ignore-eos $options 2>&1 > /dev/null |
    sed -n 's/.* at \([0-9.]*\) GB\/s.*/\1/p' | head -1
}

# The samples of one core in the sums, and how many there were of all cores while the files were read.
digest() {
  [ "$kind" = warm ] && command -v perf > /dev/null || return 0
  found=$(run perf record -q -F 999 -o "$trace" "$program")
  perf report -i "$trace" --stdio --no-children -n --sort symbol 2> /dev/null |
    awk -v rate="$found" -v bytes="$bytes" -v cores="$cores" \
      '/ (cc_sum|sum_with|block_sum|few$)/ { samples += $2 }
       END { if (rate > 0) printf ", sums %.1f %%", 100 * samples / 999 / cores / (bytes / rate / 1e9) }'
}

options=$*
for kind in cold warm; do
  for _ in $(seq "$rounds"); do
    for model in $(echo "$models" | tr , '\n'); do
      files=$(files_of "$model")
      bytes=$(cat $files | wc -c)
      dd=$(rate with_dd)
      cat=$(rate with_cat)
      for program in $(echo "$programs" | tr , '\n'); do
        drop
        own=$(run "$program")
        echo "$kind $dd $cat ${own:-0} $(echo "$model $program" | tr ' ' '_')" | awk \
          '{ printf "%s: dd %s, cat %s, martinet %s GB/s, %.0f %% of dd (%s)", $1, $2, $3, $4, 100 * $4 / $2, $5 }'
        digest
        echo
      done
    done
  done
done
