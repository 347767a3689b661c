#!/usr/bin/env bash
# Installs what is missing and runs the whole test suite twice: in debug, where Swift checks every index and overflow,
# and in release, where the kernels and everything else are compiled as users run them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A crash is to fail at once: Swift's own backtrace of a test process takes minutes.
export SWIFT_BACKTRACE=enable=no

./deploy/install-packages.sh

for configuration in debug release; do
  echo "== Building the tests ($configuration)"
  swift build --build-tests -c "$configuration"
  echo "== Testing ($configuration)"
  # All tests are Swift Testing's; XCTest would only add a line about none of its own.
  swift test --skip-build --disable-xctest -c "$configuration" </dev/null
done
