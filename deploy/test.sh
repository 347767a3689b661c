#!/usr/bin/env bash
# Installs what is missing, and runs linters and the whole test suite, optimised as users run it, with the assertions
# and the checks of indices that optimised code goes without left in. Says after each part how long it took.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A crash is to fail at once: Swift's own backtrace of a test process takes minutes.
export SWIFT_BACKTRACE=enable=no

./deploy/install-packages.sh --linters

# Tests reach internals, which release builds hide unless asked. That and the checks change every module, so this build
# has a folder of its own: building for use and for tests in turn would start afresh each time.
options=(-c release --scratch-path .build/tests -Xswiftc -enable-testing -Xswiftc -assert-config -Xswiftc Debug)

# Ranks that wait spin: tests that start mpirun take the machine for themselves, one at a time, after all others; and
# so do tests of servers and clients, whose waits would count what runs beside them.
whole_runs='^(FabricTests\.MPITests|CommandTests\.|HTTPServerTests\.|LoadGeneratorTests\.|SupervisionTests\.)'
# All tests are Swift Testing's; XCTest would only add a line about none of its own.
run_tests() { swift test --skip-build --disable-xctest "${options[@]}" "$@" </dev/null; }

# A part that fails does not hide the others: all run, and the end tells which failed.
failed=()
part() { # NAME COMMAND…
  local start=$SECONDS
  echo "== $1"
  "${@:2}" || failed+=("$1")
  echo "   $((SECONDS - start)) s"
}
# Packages come meanwhile, as far as they can: the build fetches what is missing, and says why where it cannot.
swift package --scratch-path .build/tests resolve >/dev/null 2>&1 </dev/null &
fetching=$!
part "Linting" ./deploy/lint.sh
wait "$fetching" || true
part "Building the tests" swift build --build-tests "${options[@]}"
[ ${#failed[@]} -eq 0 ] || [ "${failed[-1]}" != "Building the tests" ] || exit 1

# Links in comments lead somewhere.
part "Writing pages of all types" ./deploy/docs.sh .build/tests/docs .build/tests/release
part "Testing" run_tests --skip "$whole_runs"
part "Testing whole runs" run_tests --filter "$whole_runs" --no-parallel
# Network namespaces, where this machine allows them; says so where it does not.
part "Testing on several hosts" ./benchmarks/cluster/test.sh .build/tests/release/martinet
part "Testing the recipe's scripts" ./Tests/Reference/recipe_scripts.py
# All of it with tiny models: some minutes. Each stage is to do what it is for.
recipe() {
  rm -rf .build/tests/recipe
  ./deploy/recipe.sh --smoke --program .build/tests/release/martinet --out .build/tests/recipe
}
part "Running the recipe at its smallest" recipe
# The server's page in a browser: Debian's chromium, where it is installed.
if [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null; then
  part "Testing the page in Chromium" ./Tests/Reference/page.py .build/tests/release/martinet
  part "Testing a training's page in Chromium" ./Tests/Reference/training_page.py .build/tests/release/martinet
else
  echo "== Not tested: the pages in Chromium, which is not installed"
fi
if [ ${#failed[@]} -gt 0 ]; then
  printf 'test.sh: failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
