#!/usr/bin/env bash
# Runs martinet.sbatch under a real Slurm on this machine alone, by srun and by mpirun, and compares the text with a run
# without Slurm; then serve.sbatch, which is asked for a text and told to end. As root, on Debian or Ubuntu:
#   check-on-one-machine.sh [PROGRAM]        PROGRAM is .build/release/martinet unless given
# Nothing is installed on the machine: packages go into a layer in memory above the machine's files, seen only from
# here, and the daemons run with processes and a network of their own. All of it ends with this script.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
  printf 'check-on-one-machine.sh: %s\n' "$*" >&2
  exit 1
}

# What runs inside, as root of the layer: starts Slurm, submits the script as an ordinary user, compares.
inside() {
  local host address=192.0.2.1 state=/run/slurm launcher status=0
  host=$(hostname -s)

  # Slurm and mpirun want an interface other than the loopback; this pair leads nowhere.
  ip link set lo up
  ip link add check0 type veth peer name check1
  ip link set check0 up
  ip link set check1 up
  ip address add $address/32 dev check0
  echo "$address $host" >>/etc/hosts

  mkdir -p /run/munge $state/state $state/spool /etc/slurm
  chown munge: /run/munge
  chown slurm: $state $state/state
  runuser -u munge -- munged
  cat >/etc/slurm/slurm.conf <<CONF
ClusterName=check
SlurmctldHost=$host($address)
SlurmUser=slurm
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
StateSaveLocation=$state/state
SlurmdSpoolDir=$state/spool
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/slurmd.log
$(slurmd -C | sed -n "1s/^NodeName=[^ ]*/NodeName=$host NodeAddr=$address/p") State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
  slurmctld
  slurmd
  for _ in $(seq 30); do
    [ "$(sinfo -h -o %T 2>/dev/null)" = idle ] && break
    sleep 1
  done
  [ "$(sinfo -h -o %T)" = idle ] || { tail -n 20 $state/*.log >&2; fail "the node did not become idle within 30 s"; }
  echo "== $(sinfo --version) on $host, $(srun --mpi=list 2>&1 | tail -n 1)"

  useradd --create-home tester
  cd /home/tester
  printf '{"prompt": "%s"}\n' "In the beginning" "Enter the ghost" >prompts.jsonl
  chown tester: prompts.jsonl
  runuser -u tester -- /opt/martinet/martinet generate --prompt-file prompts.jsonl --max-new-tokens 256 --json \
    2>/dev/null | texts >expected
  [ -s expected ] || fail "PROGRAM gives no text as an ordinary user without Slurm; are its libraries readable by all?"

  for launcher in srun mpirun; do
    # Two ranks of one core, with the demonstration model; --wait gives the job's exit code.
    runuser -u tester -- env LAUNCHER=$launcher MARTINET=/opt/martinet/martinet ANSWERS=$launcher.jsonl sbatch --wait \
      --nodes=1 --ntasks-per-node=2 --cpus-per-task=1 --time=5 --output=$launcher.log /opt/martinet/martinet.sbatch ||
      { status=1; }
    sed 's/^/   /' $launcher.log
    if [ -s $launcher.jsonl ] && texts <$launcher.jsonl | cmp - expected; then
      echo "== $launcher: the text is that of a run without Slurm"
    else
      echo "== $launcher: the text differs from that of a run without Slurm, or there is none" >&2
      status=1
    fi
  done

  for launcher in srun mpirun; do serve $launcher || status=1; done

  # A wrong path is to be said once, by name, before any rank starts.
  if runuser -u tester -- env MARTINET=/opt/martinet/martinet PROMPTS=absent.jsonl sbatch --wait --nodes=1 \
    --ntasks-per-node=2 --cpus-per-task=1 --output=absent.log /opt/martinet/martinet.sbatch; then
    status=1
  fi
  if grep -q 'no file absent.jsonl' absent.log; then
    echo "== a missing prompt file: $(cat absent.log)"
  else
    echo "== a missing prompt file is not named:" >&2
    cat absent.log >&2
    status=1
  fi
  return $status
}

# Serves by a launcher, asks for a text as its log says, and has it end as Slurm does before the time limit.
serve() {
  local launcher=$1 job key answer state port=8123
  job=$(runuser -u tester -- env LAUNCHER="$launcher" PORT=$port MARTINET=/opt/martinet/martinet sbatch --parsable --nodes=1 \
    --ntasks-per-node=2 --cpus-per-task=1 --time=5 --output "serve-$launcher.log" /opt/martinet/serve.sbatch)
  for _ in $(seq 120); do
    [ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/ready")" = 200 ] && break
    sleep 0.5
  done
  key=$(cat "martinet-$job.key" 2>/dev/null || true)
  answer=$(curl -s -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "http://127.0.0.1:$port/v1/completions" \
    -d '{"prompt": "In the beginning", "temperature": 0, "max_tokens": 8}')
  scancel --signal=USR1 --batch "$job"
  for _ in $(seq 60); do
    state=$(scontrol show job "$job" | grep -o 'JobState=[A-Z]* \|ExitCode=[0-9:]*' | tr -d '\n')
    case $state in *RUNNING*) sleep 0.5 ;; *) break ;; esac
  done
  sed 's/^/   /' "serve-$launcher.log"
  case "$answer/$state" in
  *'"text":" of a model'*/*'JobState=COMPLETED ExitCode=0:0'*) echo "== $launcher: served with its key, and ended when told to" ;;
  *)
    echo "== $launcher: the server answered \"$answer\" and ended as $state" >&2
    return 1
    ;;
  esac
}

# Without the timings, which differ from run to run.
texts() { sed 's/,"timings":.*//'; }

# The layer: the machine's files below, memory above. Seen only within the mount namespace that this runs in.
layer() {
  local program=$1 root log
  mount --make-rprivate /
  mount -t tmpfs -o mode=755 check "$folder"
  mkdir "$folder/upper" "$folder/work" "$folder/root"
  root=$folder/root
  mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" check "$root" ||
    fail "this kernel or container allows no overlay mount; run it on a virtual machine"
  mount --rbind /dev "$root/dev"
  mount --rbind /sys "$root/sys"
  mount -t proc check "$root/proc"
  mount -t tmpfs check "$root/run"
  mount -t tmpfs -o mode=1777 check "$root/tmp"

  echo "== Getting Slurm's packages"
  # Packages are not to start their daemons; those are started above.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  # /run is empty here, and resolv.conf may be a link into it.
  rm -f "$root/etc/resolv.conf"
  cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
  log=$folder/apt.log
  chroot "$root" sh -c 'export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && apt-get install -y -qq \
    --no-install-recommends slurmctld slurmd slurm-client munge openmpi-bin iproute2 curl' >"$log" 2>&1 </dev/null ||
    { tail -n 20 "$log" >&2; fail "apt-get did not install Slurm"; }

  mkdir -p "$root/opt/martinet"
  cp "$program" "$root/opt/martinet/martinet"
  cp -r "$(dirname "$program")"/*.resources "$root/opt/martinet/"
  cp "$here/martinet.sbatch" "$here/serve.sbatch" "$here/check-on-one-machine.sh" "$root/opt/martinet/"
  chmod -R go+rX "$root/opt/martinet"
  chroot "$root" unshare --net bash /opt/martinet/check-on-one-machine.sh --inside
}

case ${1:-} in
--inside) inside; exit ;;
--layer) folder=$2; layer "$3"; exit ;;
-*) fail "the only argument is the program's path" ;;
esac

[ "$(id -u)" -eq 0 ] || fail "needs root, to mount a layer above the machine's files and to run Slurm's daemons in it"
for command in apt-get unshare chroot runuser pgrep; do
  command -v $command >/dev/null || fail "there is no $command here; this is for Debian and Ubuntu"
done
[ ! -e /etc/slurm/slurm.conf ] || fail "/etc/slurm/slurm.conf exists: this machine has a Slurm; use that one"
for daemon in slurmd slurmctld slurmstepd; do
  ! pgrep -x $daemon >/dev/null || fail "$daemon runs on this machine: it has a Slurm; use that one"
done
[ "$(nproc)" -ge 2 ] || fail "needs two cores, one for each rank"
program=$(realpath -e "${1:-$here/../../.build/release/martinet}" 2>/dev/null) ||
  fail "no program at ${1:-.build/release/martinet}; build it (swift build -c release) or give its path"
compgen -G "$(dirname "$program")/*.resources" >/dev/null || fail "no martinet_DemoModel.resources beside $program"

folder=$(mktemp -d)
# The mounts vanish with their namespace; what remains is an empty folder.
trap 'rmdir "$folder"' EXIT
# Every process inside is a child of this one and is killed with it.
unshare --mount --pid --fork --kill-child --mount-proc bash "$here/check-on-one-machine.sh" --layer "$folder" "$program"
