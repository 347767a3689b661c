#!/usr/bin/env bash
# Runs the kernels for Armv8 (NEON, and I8MM where there is a processor for it) in QEMU, and holds their bits to the
# portable reference: run_kernels_in_qemu.sh. Half a minute of compiling, two of emulation. Installs, if they are
# missing, Debian's qemu-user, gcc-aarch64-linux-gnu and libc6-dev-arm64-cross.
set -euo pipefail
shopt -s globstar
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

missing=()
command -v qemu-aarch64 >/dev/null || missing+=(qemu-user)
command -v aarch64-linux-gnu-gcc >/dev/null || missing+=(gcc-aarch64-linux-gnu)
[ -e /usr/aarch64-linux-gnu/include ] || missing+=(libc6-dev-arm64-cross)
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# Swift's own clang, which compiles the kernels.
clang="$(dirname "$(readlink -f "$(command -v swift || command -v clang)")")/clang"
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
flags=(--target=aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include -O1 -Wall -Wextra -Werror
  -I Sources/Base/CKernels/include -I Sources/Base/CHost/include -I Sources/Model/CChecksum/include
  -I Sources/Learning/CGradients/include)
for file in Sources/Base/CKernels/**/*.c Sources/Model/CChecksum/*.c Sources/Base/CHost/{pool,limits,digest}.c \
  Sources/Learning/CGradients/*.c Tests/{Kernels,Gradients}Tests/Sanitized/*.c; do
  "$clang" "${flags[@]}" -c "$file" -o "$folder/${file//\//-}.o"
done
for program in kernels gradients; do
  aarch64-linux-gnu-gcc -static "$folder"/Tests-*-"$program".c.o "$folder"/Sources-*.o -o "$folder/$program" -lm -lpthread
done

status=0
echo "Every instruction that QEMU knows:"
qemu-aarch64 -cpu max "$folder/kernels" || status=1
qemu-aarch64 -cpu max "$folder/gradients" || status=1
echo "A Cortex-A72, which has no dot product:"
qemu-aarch64 -cpu cortex-a72 "$folder/kernels" neon || status=1
exit $status
