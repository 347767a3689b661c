#!/usr/bin/env bash
# Times attention at short and long contexts with 1, 2, 4, … threads up to one on each core, beside what this machine's
# memory and arithmetic units can do. Further arguments go to `martinet bench attention`; see README.md here for how to
# read it.
exec "$(dirname "${BASH_SOURCE[0]}")/each-thread-count.sh" attention "$@"
