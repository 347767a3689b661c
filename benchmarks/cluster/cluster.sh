#!/usr/bin/env bash
# A cluster of hosts that are network namespaces of this machine: each with a name, an address, its own /dev/shm and
# cores, and a link of limited bandwidth to a switch. mpirun sees separate hosts and speaks TCP between them. Needs
# root.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
prefix=martinet-node      # host i is the namespace and host name martinet-node<i>
switch=martinet-switch    # the namespace of the bridge: nothing of ours shows among this machine's interfaces
subnet=10.213.77
limit=32

usage() {
  cat <<'TEXT'
cluster.sh up N [BANDWIDTH [DELAY]]      N hosts, each linked with BANDWIDTH (as tc writes it: 1gbit; "unlimited" without), and
                                         DELAY more than the kernel's own on each way between two (30us; none without)
cluster.sh bandwidth BANDWIDTH [DELAY]   change both while they live
cluster.sh counters               a line for each host: name, bytes sent, bytes received, by its interface's own count
cluster.sh run RANKS_PER_HOST COMMAND…   mpirun COMMAND over all hosts; exits as it does
cluster.sh check PROGRAM OPTION…         PROGRAM check of all hosts, with options; exits as it does
cluster.sh down                   remove everything
TEXT
}

fail() {
  echo "cluster.sh: $*" >&2
  exit 1
}

hosts() { ip netns list | awk '{print $1}' | grep "^${prefix}[0-9]*\$" | sort -V || true; }

need() {
  [ "$(id -u)" -eq 0 ] || fail "namespaces need root"
  local tool
  for tool in ip tc unshare taskset; do
    command -v "$tool" >/dev/null || fail "there is no $tool; install iproute2 and util-linux"
  done
}

# The bucket holds two of the largest frames the kernel hands down (64 KiB): with less, the link stays below its rate
# (tc-tbf(8)); with more, whole messages pass unlimited. One message of up to a bucket still does, after a pause.
shape() { # DEVICE BANDWIDTH DELAY; in the namespace of the caller
  local parent=root
  tc qdisc del dev "$1" root 2>/dev/null || true
  if [ "$2" != unlimited ]; then
    tc qdisc add dev "$1" root handle 1: tbf rate "$2" burst 128kb latency 400ms
    parent="parent 1:1"
  fi
  [ "$3" != none ] || return 0
  # What is on its way at 25 Gbit/s is some hundred frames at most.
  # shellcheck disable=SC2086
  tc qdisc add dev "$1" $parent handle 10: netem delay "$3" limit 10000 2>/dev/null ||
    echo "cluster.sh: this kernel has no netem: links have no more delay than its own" >&2
}

set_bandwidth() {
  local host
  for host in $(hosts); do
    # Both ways: out of the host, and out of the switch towards it.
    ip netns exec "$host" "$0" shape eth0 "$1" "$2"
    ip netns exec "$switch" "$0" shape "to-${host#"$prefix"}" "$1" none
  done
}

up() {
  local count=$1 bandwidth=${2:-unlimited} delay=${3:-none} i
  [[ $count =~ ^[0-9]+$ ]] && [ "$count" -ge 1 ] && [ "$count" -le $limit ] || fail "up $count: a number of hosts from 1 to $limit"
  [ -z "$(hosts)" ] || fail "there is a cluster already; remove it with: cluster.sh down"
  trap 'down' ERR
  ip netns add "$switch"
  ip -n "$switch" link add bridge type bridge
  ip -n "$switch" link set bridge up
  for ((i = 1; i <= count; i++)); do
    ip netns add "$prefix$i"
    ip -n "$switch" link add "to-$i" type veth peer name eth0 netns "$prefix$i"
    ip -n "$switch" link set "to-$i" master bridge up
    ip -n "$prefix$i" address add "$subnet.$i/24" dev eth0
    ip -n "$prefix$i" link set eth0 up
    ip -n "$prefix$i" link set lo up
    # ip netns exec puts this in place of /etc/hosts.
    mkdir -p "/etc/netns/$prefix$i"
    { echo "127.0.0.1 localhost"; for ((j = 1; j <= count; j++)); do echo "$subnet.$j $prefix$j"; done; } >"/etc/netns/$prefix$i/hosts"
  done
  set_bandwidth "$bandwidth" "$delay"
  trap - ERR
}

down() {
  local host
  for host in $(hosts) "$switch"; do
    ip netns pids "$host" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
    ip netns del "$host" 2>/dev/null || true
    rm -rf "/etc/netns/$host"
  done
}

# What mpirun needs to reach the hosts. Hosts that share cores must give them up while they wait.
reach=(--mca plm_rsh_agent "$here/launch-agent.sh" --mca btl "tcp,vader,self" --mca btl_tcp_if_include "$subnet.0/24"
  --mca oob_tcp_if_include "$subnet.0/24" --mca btl_vader_single_copy_mechanism none --mca mpi_yield_when_idle 1)

check() {
  local first names
  first=$(hosts | head -n 1)
  [ -n "$first" ] || fail "there are no hosts; start with: cluster.sh up N"
  names=$(mktemp)
  # Beside those that live, those that a caller adds in HOSTS.
  { hosts; printf '%s\n' "${HOSTS:-}"; } | sed '/^$/d' >"$names"
  "$here/launch-agent.sh" "$first" "$(printf '%q ' "$1" check --hostfile "$names" "${@:2}" -- "${reach[@]}")" || {
    local status=$?
    rm -f "$names"
    return $status
  }
  rm -f "$names"
}

run() {
  local ranks=$1 count first
  shift
  count=$(hosts | wc -l)
  [ "$count" -ge 1 ] || fail "there are no hosts; start with: cluster.sh up N"
  [[ $ranks =~ ^[0-9]+$ ]] && [ "$ranks" -ge 1 ] || fail "run $ranks: a number of ranks for each host"
  first=$(hosts | head -n 1)
  local list
  list=$(hosts | sed "s/\$/:$ranks/" | paste -sd, -)
  # Where links cannot be delayed, senders can: with the library that layouts.sh makes of delay.c.
  local delayed=()
  if [ -n "${CLUSTER_DELAY_LIBRARY:-}" ]; then
    delayed=(-x "LD_PRELOAD=$CLUSTER_DELAY_LIBRARY" -x "CLUSTER_DELAY_US=${CLUSTER_DELAY_US:-0}")
  fi
  local line=(mpirun --allow-run-as-root "${reach[@]}" "${delayed[@]}" --host "$list" --bind-to none -n $((count * ranks)) "$@")
  "$here/launch-agent.sh" "$first" "$(printf '%q ' "${line[@]}")"
}

case ${1:-} in
  up) need; up "${2:?$(usage)}" "${3:-}" "${4:-}" ;;
  bandwidth) need; [ -n "$(hosts)" ] || fail "there are no hosts"; set_bandwidth "${2:?$(usage)}" "${3:-none}" ;;
  shape) shape "$2" "$3" "$4" ;;
  counters)
    for host in $(hosts); do
      ip netns exec "$host" sh -c "echo $host \$(cat /sys/class/net/eth0/statistics/tx_bytes /sys/class/net/eth0/statistics/rx_bytes)"
    done ;;
  run) need; shift; [ $# -ge 2 ] || { usage >&2; exit 2; }; run "$@" ;;
  check) need; shift; [ $# -ge 1 ] || { usage >&2; exit 2; }; check "$@" ;;
  down) need; down ;;
  *) usage >&2; exit 2 ;;
esac
