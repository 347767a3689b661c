#!/usr/bin/env bash
# Makes an archive that runs on nodes without Swift, wherever it is unpacked:
#   package.sh [--program FILE] [--out FOLDER] [--no-test] [--root FOLDER]
# Without --program it builds one with Swift's libraries inside. --program takes one that was built before, with its
# *.resources beside it; libraries of Swift that it needs are then put beside it. Afterwards the archive is unpacked
# elsewhere and run with an empty environment, unless --no-test; with --root (as root) also within that folder, a Debian
# with no more than openmpi-bin:
#   debootstrap --variant=minbase --include=openmpi-bin bookworm FOLDER
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(dirname "$here")

fail() {
  printf 'package.sh: %s\n' "$*" >&2
  exit 1
}

program='' out=$PWD test=1 root=''
while [ $# -gt 0 ]; do
  case $1 in
  --program) program=${2:?--program needs a file}; shift 2 ;;
  --out) out=${2:?--out needs a folder}; shift 2 ;;
  --root) root=${2:?--root needs a folder}; shift 2 ;;
  --no-test) test=''; shift ;;
  *) fail "unknown option $1; the head of this script tells what there is" ;;
  esac
done
for tool in readelf ldd tar gzip sha256sum strip; do
  command -v $tool >/dev/null || fail "there is no $tool; install binutils, tar, gzip and coreutils"
done
if [ -z "$program" ]; then
  command -v swift >/dev/null || fail "there is no swift; give a built program with --program"
  (cd "$repository" && swift build -c release --product martinet --static-swift-stdlib)
  program=$(cd "$repository" && swift build -c release --product martinet --static-swift-stdlib --show-bin-path)/martinet
fi
program=$(realpath -e "$program") || fail "no program there"
resources=("$(dirname "$program")"/*.resources)
[ -d "${resources[0]}" ] || fail "no *.resources beside $program: they hold the demonstration model"

version=$("$program" --version) || fail "$program does not run here"
name=martinet-${version%% *}-$(uname -m)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tree=$scratch/$name
mkdir -p "$tree/bin" "$tree/lib/martinet" "$tree/share/martinet" "$out"
cp "$program" "$tree/lib/martinet/martinet"
# Names of functions stay, for the words of a crash; lines of source go.
strip --strip-debug "$tree/lib/martinet/martinet"
cp -r "${resources[@]}" "$tree/lib/martinet/"
dynamic=$(readelf -d "$tree/lib/martinet/martinet")
# shellcheck disable=SC2016  # $ORIGIN is the loader's word
grep -q 'R\(UN\)\?PATH.*\$ORIGIN' <<<"$dynamic" ||
  fail "$program does not look for libraries beside itself; build it with -Xlinker -rpath -Xlinker '\$ORIGIN'"

# Libraries. libmpi stays the node's: it must be that of the node's mpirun. The C library and those that come with it
# are everywhere.
bundled=() wanted=()
while read -r library path; do
  case $library in
  libmpi.so.* | libopen-*.so.* | libhwloc.so.* | libevent*.so.* | libz.so.*) ;;
  libc.so.* | libm.so.* | libgcc_s.so.* | libstdc++.so.* | ld-linux* | libpthread.so.* | libdl.so.* | librt.so.* | libutil.so.*) ;;
  libnuma.so.* | libpcre2-8.so.* | libswift*.so | lib_*.so | libFoundation*.so | libdispatch.so | libBlocksRuntime.so)
    cp -L "$path" "$tree/lib/martinet/$library"
    bundled+=("$library")
    ;;
  *) # What libmpi brings is the node's, too.
    grep -qF "[$library]" <<<"$dynamic" && fail "$program needs $library, which this script does not know"
    true
    ;;
  esac
done < <(ldd "$program" | awk '$3 ~ /^\// {print $1, $3}')
while read -r library; do wanted+=("$library"); done < <(
  sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic" | grep -vxF -f <(printf '%s\n' "${bundled[@]}"))
for library in libnuma1 libpcre2-8-0; do
  if [ -r /usr/share/doc/$library/copyright ]; then
    install -D -m 644 /usr/share/doc/$library/copyright "$tree/share/doc/$library/copyright"
  fi
done

cat >"$tree/bin/martinet" <<'LAUNCHER'
#!/bin/sh
# Starts the program that lies beside, wherever both were unpacked, and says what is missing where it cannot start.
self=$0
while [ -h "$self" ]; do
  link=$(readlink "$self")
  case $link in /*) self=$link ;; *) self=$(dirname "$self")/$link ;; esac
done
program=$(cd "$(dirname "$self")/.." && pwd -P)/lib/martinet/martinet
missing=$(ldd "$program" 2>/dev/null | sed -n 's/^[[:space:]]*\([^ ]*\) => not found.*/\1/p')
if [ -n "$missing" ]; then
  echo "martinet: this host lacks" $missing >&2
  case $missing in
  *libmpi*) echo "martinet: install Open MPI 4 (Debian and Ubuntu: openmpi-bin; Fedora and RHEL: openmpi, then 'module load mpi')" >&2 ;;
  esac
  exit 127
fi
exec "$program" "$@"
LAUNCHER
chmod 755 "$tree/bin/martinet"

cp "$repository/LICENSE" "$tree/"
cp -r "$repository/hostfiles" "$here/systemd" "$tree/share/martinet/"
mkdir -p "$tree/share/martinet/slurm"
cp "$here"/slurm/*.sbatch "$tree/share/martinet/slurm/"
cat >"$tree/README" <<README
Martinet $version

bin/martinet starts it, from any folder; put it into PATH, or link to it. On every host of a run it must lie at the same path:
  tar -xzf $name.tar.gz -C /opt
  mpirun --hostfile hosts --map-by ppr:1:numa --bind-to numa /opt/$name/bin/martinet generate --prompt "In the beginning"
  /opt/$name/bin/martinet check --hostfile hosts

The host gives: ${wanted[*]}
  Debian and Ubuntu: apt-get install openmpi-bin
  The C library must be $(ldd --version | sed -n '1s/.* //p') or newer, Open MPI of version $(mpirun --version 2>/dev/null | sed -n '1s/.* \([0-9]*\)\..*/\1/p').
In the archive: ${bundled[*]}
share/martinet holds host files, a systemd unit and batch scripts.
README
chmod -R go+rX "$tree"
(cd "$tree" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$scratch/sums"
mv "$scratch/sums" "$tree/SHA256SUMS"
archive=$(realpath "$out")/$name.tar.gz
# The same files give the same archive.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-0}" -C "$scratch" -c "$name" | gzip -n -6 >"$archive"
(cd "$(dirname "$archive")" && sha256sum "$(basename "$archive")" >"$(basename "$archive").sha256")

[ -n "$test" ] || { echo "$archive ($(du -h "$archive" | cut -f1))"; exit; }

# Another folder, and nothing of this shell's environment.
rm -rf "$tree"
trial="$scratch/a folder"
mkdir "$trial"
tar -xzf "$archive" -C "$trial"
(cd "$trial/$name" && sha256sum --quiet -c SHA256SUMS) || fail "the archive does not hold what its sums say"
ln -s "$trial/$name/bin/martinet" "$trial/link"
bare() { env -i PATH=/usr/bin:/bin HOME="$trial" OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "$@"; }
[ "$(bare "$trial/link" --version)" != "" ] || fail "it does not start with an empty environment"
elsewhere=$(bare ldd "$trial/$name/lib/martinet/martinet" | grep -E 'libnuma|libpcre2' | grep -vF "$trial" || true)
[ -z "$elsewhere" ] || fail "it takes libraries from outside of the archive: $elsewhere"
# Swift's are taken from this host where it has them, and must be there for others.
while read -r library; do
  [ -f "$trial/$name/lib/martinet/$library" ] || fail "$library is not in the archive"
done < <(bare ldd "$trial/$name/lib/martinet/martinet" | awk '/libswift|lib_|libFoundation|libdispatch|libBlocksRuntime/ {print $1}')
alone=$(bare "$trial/link" generate --prompt "In the beginning" --max-new-tokens 8 2>"$scratch/errors") || fail "alone: $(cat "$scratch/errors")"
both=$(bare mpirun --oversubscribe --bind-to none -n 2 "$trial/$name/bin/martinet" generate --prompt "In the beginning" --max-new-tokens 8 \
  2>"$scratch/errors") || fail "under mpirun: $(cat "$scratch/errors")"
if [ -z "$alone" ] || [ "$alone" != "$both" ]; then fail "two ranks wrote \"$both\", one wrote \"$alone\""; fi
echo "== with an empty environment, alone and on two ranks:$alone"

if [ -n "$root" ]; then
  [ "$(id -u)" -eq 0 ] || fail "--root needs root, to run within it"
  [ -x "$root/usr/bin/mpirun" ] || fail "$root has no /usr/bin/mpirun; make it as the head of this script says"
  [ ! -e "$root/opt/martinet-trial" ] || fail "$root/opt/martinet-trial exists already"
  mkdir -p "$root/opt/martinet-trial"
  tar -xzf "$archive" -C "$root/opt/martinet-trial" --strip-components 1
  # In a mount namespace of its own, so that nothing stays mounted.
  # shellcheck disable=SC2016  # for the shell within
  inside=$(unshare --mount --propagation private sh -c '
    mount -t proc proc "$1/proc" && mount --rbind /sys "$1/sys" && mount -t tmpfs tmpfs "$1/dev/shm" 2>/dev/null ||
      { mkdir -p "$1/dev/shm" && mount -t tmpfs tmpfs "$1/dev/shm"; }
    [ -c "$1/dev/null" ] || mount --bind /dev/null "$1/dev/null"
    exec chroot "$1" env -i PATH=/usr/bin:/bin HOME=/ OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
      mpirun --oversubscribe --bind-to none -n 2 /opt/martinet-trial/bin/martinet generate --prompt "In the beginning" --max-new-tokens 8' \
    sh "$root" 2>"$scratch/errors") || { rm -rf "$root/opt/martinet-trial"; fail "within $root: $(cat "$scratch/errors")"; }
  rm -rf "$root/opt/martinet-trial"
  [ "$inside" = "$alone" ] || fail "within $root it wrote \"$inside\""
  echo "== within $root, without Swift:$inside"
fi
echo "$archive ($(du -h "$archive" | cut -f1))"
