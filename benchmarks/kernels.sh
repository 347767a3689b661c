#!/usr/bin/env bash
# Times the matrix kernels with 1, 2, 4, … threads up to one on each core, beside what this machine's memory and
# arithmetic units can do. Further arguments go to `martinet bench kernels`; see README.md here for how to read it.
exec "$(dirname "${BASH_SOURCE[0]}")/each-thread-count.sh" kernels "$@"
