#!/usr/bin/env bash
# What mpirun calls in place of ssh: launch-agent.sh HOST COMMAND…  Runs the command in the namespace that plays the
# host, under its name, with a /dev/shm of its own, on its share of this machine's cores. Where CLUSTER_NODE_SETUP names
# a script, it is called before, with the host's name: what it mounts is seen by the command only, so that hosts can
# differ.
set -euo pipefail

host=$1
shift
number=${host##*[!0-9]}
hosts=$(ip netns list | grep -c '^martinet-node[0-9]')
# All of them: a caller on a host has only its own.
cores=$(nproc --all)
if [ "$hosts" -le "$cores" ]; then
  # Equal runs of cores; what does not divide is left idle.
  each=$((cores / hosts))
  mine=$(((number - 1) * each))-$((number * each - 1))
else
  mine=$(((number - 1) % cores))
fi
# As ssh does: the words are put together, and a shell takes them apart.
# shellcheck disable=SC2016  # for the shell within
exec ip netns exec "$host" unshare --uts --mount --propagation private bash -c '
  hostname "$1"
  mount -t tmpfs tmpfs /dev/shm
  if [ -n "${CLUSTER_NODE_SETUP:-}" ]; then "$CLUSTER_NODE_SETUP" "$1"; fi
  exec taskset -c "$2" bash -c "$3"' agent "$host" "$mine" "$*"
