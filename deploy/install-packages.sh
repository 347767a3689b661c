#!/usr/bin/env bash
# Installs what Martinet needs to build and run on Debian (or Ubuntu) and is not there yet; does nothing when all is.
# With --linters, what deploy/lint.sh asks of, too; that may fail, and nothing depends on it.
# What counts is that a thing can be found, not where it came from: a cluster's own Open MPI is as good as Debian's.
set -euo pipefail

fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# SwiftPM needs git for the one package we depend on, and pkg-config to find the C libraries below.
missing=()
command -v git >/dev/null || missing+=(git)
command -v pkg-config >/dev/null || missing+=(pkg-config)
command -v mpirun >/dev/null || missing+=(openmpi-bin)

# The pkg-config names are those in Package.swift.
while read -r name package; do
  pkg-config --exists "$name" 2>/dev/null || missing+=("$package")
done <<'PACKAGES'
ompi-c libopenmpi-dev
openblas libopenblas-dev
numa libnuma-dev
libpcre2-8 libpcre2-dev
PACKAGES

install() { # PACKAGE…
  command -v apt-get >/dev/null ||
    fail "there is no apt-get here; install these by your system's own means (Debian's names): $*"
  local as_root=(env DEBIAN_FRONTEND=noninteractive)
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "installing needs root and there is no sudo; as root, run: apt-get install $*"
    # Nobody can type a password where there is no terminal.
    if [ -t 0 ]; then as_root=(sudo "${as_root[@]}"); else as_root=(sudo -n "${as_root[@]}"); fi
  fi
  echo "== Installing with apt: $*"
  "${as_root[@]}" apt-get update -qq || fail "apt-get update failed; as root, run: apt-get install $*"
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$@" ||
    fail "apt-get install failed; as root, run: apt-get install $*"
}

if [ ${#missing[@]} -gt 0 ]; then install "${missing[@]}"; fi

if [ "${1:-}" = --linters ]; then
  missing=()
  while read -r command package; do
    command -v "$command" >/dev/null || [ -e "$command" ] || missing+=("$package")
  done <<'PACKAGES'
clang-format clang-format
shellcheck shellcheck
pyflakes3 pyflakes3
tidy tidy
tsc node-typescript
/usr/aarch64-linux-gnu/include libc6-dev-arm64-cross
PACKAGES
  # In a shell of its own, which `fail` ends.
  if [ ${#missing[@]} -gt 0 ]; then (install "${missing[@]}") || echo "== Going on without: ${missing[*]}"; fi
fi

command -v swift >/dev/null || fail "there is no swift; get Swift 6.2 or newer from https://www.swift.org/install/linux"
version=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+)\.([0-9]+).*/\1 \2/p' | head -n 1)
read -r major minor <<<"${version:-0 0}"
if [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 2 ]; }; then
  fail "this is Swift $major.$minor; get Swift 6.2 or newer from https://www.swift.org/install/linux"
fi
