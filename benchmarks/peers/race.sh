#!/usr/bin/env bash
# Races Martinet against llama.cpp and ik_llama.cpp on one checkpoint; see README.md here.
# Builds the program unless --martinet names one, and keeps what the converter needs in a Python environment of its own.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
work="${RACE_WORK:-$here/work}"
mkdir -p "$work"

case " $* " in
  *" --martinet "*|*" --help "*|*" -h "*) ;;
  *)
    (cd "$here/../.." && swift build -c release --product martinet >&2)
    set -- --martinet "$here/../../.build/release/martinet" "$@"
    ;;
esac

# RACE_PYTHON: a Python that has these packages already.
python="${RACE_PYTHON:-$work/venv/bin/python}"
if [ -z "${RACE_PYTHON:-}" ] && [ ! -e "$work/venv/complete" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet \
    torch numpy transformers safetensors sentencepiece protobuf pyyaml requests tqdm
  touch "$work/venv/complete"
fi
exec python3 "$here/race.py" --work "$work" --converter-python "$python" "$@"
