#!/usr/bin/env bash
# Runs the products for AMX on an emulated Sapphire Rapids, under Linux, and holds their bits to the portable reference:
# run_amx_in_bochs.sh SOURCES [FOLDER]
#
#   SOURCES   a checkout of bochs-emu/Bochs of 2026 (its folder `bochs`, or what holds it); it is copied, not changed
#   FOLDER    where Bochs is built, and found again (default: a temporary one). 1 GB
#
# It does not succeed yet. With Bochs of November 2026 and Debian's 6.1.0-57 the kernel finds the tiles, and XFD, and
# then raises one invalid instruction within another, before it starts the program: it is ended after twenty minutes.
# What is proven of AMX without it says Tests/README.md.
#
# Building Bochs takes some ten minutes of one core. Installs, if they are missing, Debian's isolinux, syslinux-common,
# xorriso and cpio; of Debian's kernel the package is only unpacked. For x86-64.
set -euo pipefail
shopt -s globstar
sources=$(readlink -f "${1:?usage: run_amx_in_bochs.sh SOURCES [FOLDER]}")
[ ! -d "$sources/bochs" ] || sources=$sources/bochs
folder=$(readlink -m "${2:-$(mktemp -d)}")
mkdir -p "$folder"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

missing=()
for package in isolinux syslinux-common xorriso cpio; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# Bochs has all of AMX but extended feature disable (XFD), without which Linux hands out no tiles: a register that tells
# which state is not lent yet, and #NM for the instruction that would use it (Intel SDM volume 1, chapter 13.14).
add_feature_disable() {
  sed -i 's|^  msr_desc\[BX_MSR_XSS\] = |  msr_desc[BX_MSR_IA32_XFD] = new MSR_Descriptor("MSR_IA32_XFD", BX_ISA_AMX);\n  msr_desc[BX_MSR_IA32_XFD_ERROR] = new MSR_Descriptor("MSR_IA32_XFD_ERR", BX_ISA_AMX);\n&|
s|^    case BX_MSR_XSS:$|    case BX_MSR_IA32_XFD: val64 = bx_xfd; break;\n    case BX_MSR_IA32_XFD_ERROR: val64 = bx_xfd_error; break;\n&|
s|^    case BX_MSR_XSS: // reserved.*|    case BX_MSR_IA32_XFD: bx_xfd = val_64; break;\n    case BX_MSR_IA32_XFD_ERROR: bx_xfd_error = val_64; break;\n&|
s|^#define LOG_THIS.*|&\nBit64u bx_xfd = 0, bx_xfd_error = 0;|' cpu/msr.cc
  sed -i 's|^#define LOG_THIS.*|&\nextern Bit64u bx_xfd, bx_xfd_error;|
/::LDTILECFG(/,/^}/s|^  BxPackedAvxRegister tilecfg;|  if (bx_xfd >> 18 \& 1) { bx_xfd_error = 1 << 18; exception(BX_NM_EXCEPTION, 0); }\n&|' cpu/avx/amx.cc
  sed -i 's|^      leaf->eax .= (1<<3);|&\n    leaf->eax \|= 1<<4;|' cpu/cpuid.cc
  sed -i '/BX_XCR0_XTILEDATA_BIT\].attr/s|BX_XSAVE_ALIGN64|BX_XSAVE_ALIGN64 \| BX_XSAVE_XFD_SUPPORT|' cpu/crregs.cc
}

if [ ! -x "$folder/bochs/bochs" ]; then
  rm -rf "$folder/bochs"
  cp -r "$sources" "$folder/bochs"
  (
    cd "$folder/bochs"
    add_feature_disable
    nice -n 19 ./configure --enable-x86-64 --enable-cpu-level=6 --enable-avx --enable-evex --enable-amx \
      --enable-handlers-chaining --enable-repeat-speedups --disable-docbook --with-nogui CXXFLAGS=-O2 >configure.log
    nice -n 19 make -j1 >make.log
  )
fi

if [ ! -e "$folder/vmlinuz" ]; then
  (
    cd "$folder"
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -nE 's/^ *Depends: (linux-image-[0-9].*)$/\1/p' | head -n 1)
    apt-get download -q "$package"
    dpkg -x "$package"_*.deb unpacked
    cp unpacked/boot/vmlinuz-* vmlinuz
    rm -r unpacked
  )
fi

# One program is all that Linux starts.
clang="$(dirname "$(readlink -f "$(command -v swift || command -v clang)")")/clang"
objects=$folder/objects
rm -rf "$objects" "$folder/image"
mkdir -p "$objects" "$folder/image"
flags=(-O2 -Wall -Wextra -Werror -I Sources/Base/CKernels/include -I Sources/Base/CHost/include
  -I Sources/Model/CChecksum/include)
for file in Sources/Base/CKernels/**/*.c Sources/Model/CChecksum/*.c Sources/Base/CHost/{pool,limits,digest}.c \
  Tests/KernelsTests/Sanitized/kernels.c; do
  nice -n 10 "$clang" "${flags[@]}" -c "$file" -o "$objects/${file//\//-}.o"
done
"$clang" -static "$objects"/*.o -o "$objects/init" -lm -lpthread
(cd "$objects" && echo init | cpio --quiet -o -H newc | gzip -1) >"$folder/image/initrd"
cp "$folder/vmlinuz" /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$folder/image"
# Only AMX's own products: an emulator takes minutes for them.
cat >"$folder/image/isolinux.cfg" <<'CONFIGURATION'
default kernels
label kernels
  kernel /vmlinuz
  append initrd=/initrd console=ttyS0 rdinit=/init panic=0 -- --int8 amx
CONFIGURATION
xorriso -as mkisofs -quiet -o "$folder/image.iso" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 \
  -boot-info-table "$folder/image"

cat >"$folder/bochsrc" <<CONFIGURATION
cpu: model=sapphire_rapids, count=1, ips=100000000, ignore_bad_msrs=1
memory: guest=512, host=512
romimage: file=$folder/bochs/bios/BIOS-bochs-latest
vgaromimage: file=$folder/bochs/bios/VGABIOS-lgpl/VGABIOS-lgpl-latest.bin
display_library: nogui
ata0-master: type=cdrom, path=$folder/image.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$folder/console.log
log: $folder/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
sound: waveoutdrv=dummy
CONFIGURATION
: >"$folder/console.log"
nice -n 10 "$folder/bochs/bochs" -q -f "$folder/bochsrc" >"$folder/output.log" 2>&1 </dev/null &
emulator=$!
trap 'kill "$emulator" 2>/dev/null || true' EXIT
# The program's last line, or the kernel's.
limit=$((SECONDS + 1200))
until grep -qaE '^[0-9]+ differences|Kernel panic' "$folder/console.log"; do
  if [ "$SECONDS" -gt "$limit" ]; then
    echo "no result after twenty minutes; the console's last lines:"
    tail -n 5 "$folder/console.log"
    exit 1
  fi
  kill -0 "$emulator" 2>/dev/null || { tail -n 20 "$folder/output.log" "$folder/bochs.log"; exit 1; }
  sleep 2
done
grep -aE '^(amx|.*differ)' "$folder/console.log"
# Linux has lent the tiles: else the program would say that the processor has none.
grep -qaE '^amx.?$' "$folder/console.log" && grep -qaE '^0 differences' "$folder/console.log"
