#!/usr/bin/env bash
# Tries the JSON schemas of MaskBench, with their valid and invalid instances, against the grammars that outputs are
# held to. DATA is the folder maskbench/data of a checkout of https://github.com/guidance-ai/jsonschemabench. Further
# arguments go to `martinet bench schemas`, such as `--model DIR` for its tokenizer or `--every 10` for a tenth; see
# README.md here.
set -euo pipefail
data=${1:?"usage: structured-output.sh DATA [arguments of martinet bench schemas]"}
shift
exec "${MARTINET:-"$(dirname "${BASH_SOURCE[0]}")/../.build/release/martinet"}" bench schemas "$data" "$@"
