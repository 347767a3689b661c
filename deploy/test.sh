#!/usr/bin/env bash
# Installs what is missing and runs the whole test suite twice: in debug, where Swift checks every index and overflow,
# and in release, where the kernels and everything else are compiled as users run them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A crash is to fail at once: Swift's own backtrace of a test process takes minutes.
export SWIFT_BACKTRACE=enable=no

./deploy/install-packages.sh

# Ranks that wait spin: tests that start mpirun take the machine for themselves, one at a time, after all others; and so do tests
# of servers and clients, whose waits would count what runs beside them.
# All tests are Swift Testing's; XCTest would only add a line about none of its own.
run_tests() {
  local whole_runs='^(FabricTests\.MPITests|CommandTests\.|CoordinatorTests\.|LoadGeneratorTests\.|SupervisionTests\.)'
  swift test --skip-build --disable-xctest "$@" --skip "$whole_runs" </dev/null
  swift test --skip-build --disable-xctest "$@" --filter "$whole_runs" --no-parallel </dev/null
}

echo "== Building the tests (debug)"
swift build --build-tests
echo "== Testing (debug)"
run_tests

# Tests reach internals, which release builds hide unless asked. That changes every module, so these builds have a
# folder of their own: building for use and for tests in turn would start afresh each time.
release=(-c release --scratch-path .build/release-tests -Xswiftc -enable-testing)
echo "== Building the tests (release)"
swift build --build-tests "${release[@]}"
echo "== Testing (release)"
run_tests "${release[@]}"

echo "== Testing on several hosts"
# Network namespaces, where this machine allows them; says so where it does not.
./benchmarks/cluster/test.sh .build/release-tests/release/martinet
