#!/usr/bin/env bash
# Runs the products for AMX on an emulated Sapphire Rapids, and holds their bits to the portable reference:
# run_amx_in_bochs.sh SOURCES [FOLDER]
#
#   SOURCES   a checkout of bochs-emu/Bochs of 2026 (its folder `bochs`, or what holds it); it is copied, not changed
#   FOLDER    where Bochs is built, and found again (default: a temporary one). 1 GB
#
# The emulated machine starts with a ROM of ours instead of a BIOS: a small kernel (Tests/Reference/Bochs) that enables
# AVX-512 and AMX, reads the program of Tests/KernelsTests/Sanitized from a disk, linked as for Linux, and runs it. It
# succeeds where the program says that it has AMX and found no difference.
#
# No run has come to its end yet. In a Bochs built of part of its sources the kernel started, with the tiles enabled,
# and a first program ran as far as an instruction that was left out of that build.
#
# Building Bochs takes some ten minutes of one core and a C++ compiler. For x86-64.
set -euo pipefail
shopt -s globstar
sources=$(readlink -f "${1:?usage: run_amx_in_bochs.sh SOURCES [FOLDER]}")
[ ! -d "$sources/bochs" ] || sources=$sources/bochs
folder=$(readlink -m "${2:-$(mktemp -d)}")
mkdir -p "$folder"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ ! -x "$folder/bochs/bochs" ]; then
  rm -rf "$folder/bochs"
  cp -r "$sources" "$folder/bochs"
  (
    cd "$folder/bochs"
    nice -n 19 ./configure --enable-x86-64 --enable-cpu-level=6 --enable-avx --enable-evex --enable-amx \
      --enable-handlers-chaining --enable-repeat-speedups --disable-docbook --with-nogui CXXFLAGS=-O2 >configure.log
    nice -n 19 make -j1 bochs >make.log
  )
fi

clang="$(dirname "$(readlink -f "$(command -v swift || command -v clang)")")/clang"
objects=$folder/objects
rm -rf "$objects"
mkdir -p "$objects"
flags=(-O2 -Wall -Wextra -Werror -I Sources/Base/CKernels/include -I Sources/Base/CHost/include
  -I Sources/Model/CChecksum/include)
for file in Sources/Base/CKernels/**/*.c Sources/Model/CChecksum/*.c Sources/Base/CHost/{pool,limits,digest}.c \
  Tests/KernelsTests/Sanitized/kernels.c; do
  nice -n 10 "$clang" "${flags[@]}" -c "$file" -o "$objects/${file//\//-}.o"
done
"$clang" -static -s "$objects"/*.o -o "$folder/program" -lm -lpthread

# The disk is the program, filled up to whole cylinders.
sectors=$((($(stat -c %s "$folder/program") + 511) / 512))
cp "$folder/program" "$folder/disk"
truncate -s %$((16 * 63 * 512)) "$folder/disk"
rm -f "$folder/disk.lock"

# Only AMX's own products: an emulator takes minutes for them.
kernel=Tests/Reference/Bochs
"$clang" -O1 -ffreestanding -fno-pic -fno-stack-protector -mno-red-zone -mgeneral-regs-only -Wall -Wextra -Werror \
  "-DSECTORS=$sectors" '-DWORDS="--int8", "amx"' -nostdlib -static -fuse-ld=lld \
  "-Wl,-T,$kernel/kernel.ld,--oformat=binary,--fatal-warnings" $kernel/boot.S $kernel/kernel.c -o "$folder/rom"

cat >"$folder/bochsrc" <<CONFIGURATION
cpu: model=sapphire_rapids, count=1, ips=100000000, reset_on_triple_fault=0
memory: guest=512, host=512
romimage: file=$folder/rom
vgaromimage: file=$folder/bochs/bios/VGABIOS-lgpl/VGABIOS-lgpl-latest.bin
ata0-master: type=disk, path=$folder/disk, mode=flat
display_library: nogui
port_e9_hack: enabled=1
log: $folder/bochs.log
panic: action=fatal
error: action=report
info: action=ignore
sound: waveoutdrv=dummy
CONFIGURATION
# It ends when the program does, by what Bochs calls a panic.
nice -n 10 timeout 3600 "$folder/bochs/bochs" -q -f "$folder/bochsrc" >"$folder/console.log" 2>&1 </dev/null || true
grep -aE '^(amx|exception|.*differ|.*ends itself|the disk)' "$folder/console.log" || tail -n 20 "$folder/console.log" "$folder/bochs.log"
grep -qaE '^amx.?$' "$folder/console.log" && grep -qaE '^0 differences' "$folder/console.log"
