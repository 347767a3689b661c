#!/usr/bin/env bash
# Tries inputs made by chance on the readers of what comes from outside: fuzz.sh SECONDS [TARGET…], SECONDS for each
# target. Prints the seed, and of an input that traps, hangs or breaks a promise how to try it again. FUZZ_SEED chooses
# the seed; BUILD=debug takes the debug build, which is there sooner and tries fewer inputs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! [[ "${1:-}" =~ ^[0-9]+$ ]]; then
  echo "fuzz.sh SECONDS [TARGET…]: how many seconds for each target?" >&2
  exit 2
fi
export SWIFT_BACKTRACE=enable=no FUZZ_SECONDS=$1 FUZZ_SEED=${FUZZ_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
shift
echo "seed $FUZZ_SEED"

# The build of deploy/test.sh, in its folder: optimised, with assertions and checks of indices.
options=(-c release --scratch-path .build/tests -Xswiftc -enable-testing -Xswiftc -assert-config -Xswiftc Debug)
if [ "${BUILD:-}" = debug ]; then options=(); fi
swift build --build-tests "${options[@]}"

status=0
for target in "${@:-}"; do
  FUZZ_TARGET=$target swift test --skip-build --disable-xctest "${options[@]}" \
    --filter HostileInputTests/everyInputIsReadOrRefusedInWords </dev/null || status=1
done
exit $status
