#!/bin/sh
# How fast a checkpoint is loaded, beside dd on the same files: cold (the page cache dropped; needs root) and warm.
#   benchmarks/loading.sh MODEL [ROUNDS] [OPTION...]    options are those of `martinet generate`, such as --weights q8
# MODEL is a folder of safetensors or a GGUF file.
# Give it a quiet machine, and more free memory than the model takes.
set -eu
model=$1
rounds=${2:-3}
shift $(($# < 2 ? $# : 2))
martinet=${MARTINET:-$(dirname "$0")/../.build/release/martinet}
if [ -d "$model" ]; then files=$model/*.safetensors; else files=$model; fi
# Names with blanks stay whole.
IFS='
'
bytes=$(cat $files | wc -c)

drop() {
  sync
  if [ "$1" = cold ]; then echo 3 > /proc/sys/vm/drop_caches; else cat $files > /dev/null; fi
}

read_with_dd() {
  start=$(date +%s%N)
  for file in $files; do dd if="$file" of=/dev/null bs=16M 2> /dev/null; done
  end=$(date +%s%N)
  echo "$bytes $start $end" | awk '{ printf "%.2f", $1 / ($3 - $2) }'
}

load() {
  "$martinet" generate --model "$model" --prompt-ids 0 --max-new-tokens 1 --ignore-eos "$@" 2>&1 > /dev/null |
    sed -n 's/.* at \([0-9.]*\) GB\/s.*/\1/p' | head -1
}

for kind in cold warm; do
  for _ in $(seq "$rounds"); do
    drop $kind
    dd=$(read_with_dd)
    drop $kind
    own=$(load "$@")
    echo "$kind $dd $own" | awk '{ printf "%s: dd %s GB/s, martinet %s GB/s, %.0f %%\n", $1, $2, $3, 100 * $3 / $2 }'
  done
done
