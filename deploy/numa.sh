#!/usr/bin/env bash
# Machines of several NUMA nodes, emulated: what the program makes of nodes, cores and memory under a real kernel.
# By hand, not in CI: see deploy/numa.md for what it shows.
#   deploy/numa.sh [MACHINE...]     two unequal memoryless cpuless nohuge; all of them unless named
#   MARTINET=… the program (.build/release/martinet); TESTS=… a test bundle of which MachineTests run on `two` as well
#   LIMIT=… seconds a machine may take (900); NUMA_WORK=… a folder that keeps what is fetched, and each machine's log,
#   for the next time (one that is removed at the end)
# Needs qemu-system-x86, cpio and mpirun; fetches Debian's kernel and busybox with apt-get and unpacks them, installs
# nothing. Software emulation: minutes for each machine, and no figure of speed means anything.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
martinet=$(realpath "${MARTINET:-.build/release/martinet}")
tests=${TESTS:-}
work=${NUMA_WORK:-$(mktemp -d)}
root=$work/root
mkdir -p "$work/packages" "$root"
[ -n "${NUMA_WORK:-}" ] || trap 'rm -rf "$work"' EXIT
# 0.26 billion parameters: 0.5 GB as stored, 1 GB as f32, more than the smaller of two unequal nodes has.
shape='{"model_type": "mixtral", "vocab_size": 4096, "hidden_size": 1024, "intermediate_size": 2816,
  "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 2, "num_local_experts": 7,
  "num_experts_per_tok": 2, "max_position_embeddings": 512, "rope_theta": 10000.0, "rms_norm_eps": 1e-5,
  "hidden_act": "silu", "tie_word_embeddings": false}'
libraries=/usr/lib/$(uname -m)-linux-gnu

fetch() {
  [ -z "$(find "$work/packages" -name 'vmlinuz-*')" ] || return 0
  local kernel
  kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
  (cd "$work/packages" && apt-get download -q "$kernel" busybox-static)
  for package in "$work"/packages/*.deb; do dpkg -x "$package" "$work/packages"; done
}

# A program or library with all that it is linked with, without symbols.
put() {
  local file
  for file in "$1" $(ldd "$1" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^\t\(\/[^ ]*\) (.*/\1/p'); do
    [ -e "$root$file" ] || install -D "$file" "$root$file"
  done
}

fill() {
  mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc,root,usr/bin,usr/share}
  install "$work/packages/bin/busybox" "$root/bin/busybox"
  put "$martinet"
  ln -sf "$martinet" "$root/bin/martinet"
  put "$(realpath "$(command -v mpirun)")"
  ln -sf "$(realpath "$(command -v mpirun)")" "$root/usr/bin/mpirun"
  local plugin
  for plugin in "$libraries"/openmpi/lib/openmpi3/*.so "$libraries"/pmix2/lib/pmix/*.so; do
    case $plugin in *cuda* | *ucx* | *ofi* | *psm* | *ucc* | *hcoll* | *usnic* | *_openib*) continue ;; esac
    [ ! -e "$plugin" ] || put "$plugin"
  done
  cp -a /etc/openmpi "$root/etc/"
  cp -aL /usr/share/openmpi "$root/usr/share/"
  cp -a "$(dirname "$martinet")"/*_DemoModel.resources "$(dirname "$root$martinet")/"
  # `flock` of a test, and what starts it.
  for tool in env flock sleep; do put "$(realpath "$(command -v $tool)")"; done
  if [ ! -e "$root/model" ]; then
    echo "$shape" > "$work/config.json"
    "$martinet" bench make-checkpoint --shape "$work/config.json" "$root/model"
  fi
  echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
  echo '127.0.0.1 localhost emulated' > "$root/etc/hosts"
  if [ -n "$tests" ]; then
    put "$(realpath "$tests")"
    ln -sf "$(realpath "$tests")" "$root/bin/tests"
  fi
  find "$root" -type f -size +1M \( -perm -100 -o -name '*.so*' \) -exec strip --strip-unneeded {} + 2> /dev/null || true
  cat > "$root/init" << 'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin HOME=/root LANG=C
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp
mount -t devpts pts /dev/pts
hostname emulated
ip link set lo up
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl=self,vader OMPI_MCA_pml=ob1 OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_plm=isolated
head /sys/devices/system/node/online /sys/devices/system/node/has_cpu /sys/devices/system/node/has_memory
cat /sys/kernel/mm/transparent_hugepage/enabled
for node in /sys/devices/system/node/node*; do
  echo "kernel: ${node##*/} cores $(cat $node/cpulist), $(sed -n 's/.*MemTotal: *//p' $node/meminfo)"
done
run() {
  echo "== $*"
  "$@" 2>&1
  echo "== status $?"
}
run martinet topology
run mpirun --bind-to none --oversubscribe -n 2 martinet topology
run mpirun --map-by ppr:1:numa --bind-to numa -n 2 martinet topology
run martinet generate --prompt 58+27= --max-new-tokens 8
run mpirun --map-by ppr:1:numa --bind-to numa -n 2 martinet generate --prompt 58+27= --max-new-tokens 8
big="generate --model /model --prompt-ids 0 --max-new-tokens 2 --ignore-eos"
run martinet $big
run mpirun --bind-to none --oversubscribe -n 2 martinet $big
if grep -q machine=unequal /proc/cmdline; then
  # More than the small node has, by two ranks that each find room for their own part.
  run taskset 8 mpirun --bind-to none --oversubscribe -n 2 martinet $big --weights f32
  dmesg | grep -i -E "oom|killed process" | head -3
fi
if [ -e /bin/tests ] && grep -q machine=two /proc/cmdline; then
  run tests --testing-library swift-testing --filter MachineTests
fi
echo "== end"
poweroff -f
INIT
  chmod +x "$root/init"
  (cd "$root" && find . | cpio --quiet -o -H newc) > "$work/initramfs"
}

# MACHINE: its nodes' memory in MiB and cores, and the kernel's options.
boot() {
  local machine=$1 extra=() append="" sockets=2
  node() { # NUMBER MIB CORES
    local text=node,nodeid=$1
    [ -z "$3" ] || text=$text,cpus=$3
    if [ "$2" != 0 ]; then
      extra+=(-object "memory-backend-ram,id=m$1,size=$2M")
      text=$text,memdev=m$1
    fi
    extra+=(-numa "$text")
  }
  case $machine in
    two) node 0 2048 0-1 && node 1 2048 2-3 ;;
    unequal) node 0 3328 0-2 && node 1 768 3 && sockets=4 ;;
    memoryless) node 0 4096 0-1 && node 1 0 2-3 ;;
    cpuless) node 0 2048 0-3 && node 1 2048 "" ;;
    nohuge) node 0 2048 0-1 && node 1 2048 2-3 && append=transparent_hugepage=never ;;
    *) echo "no machine $machine" >&2 && exit 2 ;;
  esac
  timeout "${LIMIT:-900}" nice -n 5 qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp "4,sockets=$sockets,cores=$((4 / sockets))" \
    -m 4096M "${extra[@]}" -nodefaults -display none -no-reboot -serial stdio \
    -kernel "$(find "$work/packages" -name 'vmlinuz-*' | head -1)" -initrd "$work/initramfs" \
    -append "console=ttyS0 quiet panic=-1 no_timer_check machine=$machine $append" < /dev/null | tr -d '\r' > "$work/$machine.log" || true
}

fetch
fill
[ $# -gt 0 ] || set -- two unequal memoryless cpuless nohuge
for machine in "$@"; do
  echo "== $machine"
  boot "$machine"
  cat "$work/$machine.log"
done
