#!/usr/bin/env bash
# Runs Martinet on three hosts that cluster.sh makes and checks what only several hosts can show: test.sh [PROGRAM]
# Prints why and succeeds where this machine does not allow it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=$(realpath "${1:-$here/../../.build/release/martinet}")
cluster=$here/cluster.sh
scratch=$(mktemp -d)

skip() {
  echo "cluster test skipped: $*"
  exit 0
}
fail() {
  echo "cluster test failed: $*" >&2
  exit 1
}

[ -x "$program" ] || fail "$program is no program; build it with: swift build -c release --product martinet"
[ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
for tool in ip tc unshare taskset mpirun awk; do command -v "$tool" >/dev/null || skip "there is no $tool"; done
[ "$(ip netns list | grep -c '^martinet-node')" -eq 0 ] || skip "a cluster of cluster.sh is in use"
trap '"$cluster" down; rm -rf "$scratch"' EXIT
"$cluster" up 3 1gbit >"$scratch/up" 2>&1 || skip "namespaces cannot be made here: $(tail -n 1 "$scratch/up")"

run() { timeout 900 "$cluster" run "$@" 2>"$scratch/errors" || fail "run $*: $(cat "$scratch/errors")"; }

# Three hosts, not one: by name, and each rank the only one on its own.
[ "$(run 1 "$program" topology | grep -c '^host martinet-node')" -eq 3 ] || fail "the ranks do not see three hosts"

# The same text as on one rank, over three hosts and over six ranks on them, with shared memory within and TCP between.
prompt=(generate --prompt "In the beginning" --max-new-tokens 24)
"$program" "${prompt[@]}" >"$scratch/alone" 2>"$scratch/errors" || fail "one rank alone: $(cat "$scratch/errors")"
for ranks in 1 2; do
  run $ranks "$program" "${prompt[@]}" >"$scratch/text"
  cmp -s "$scratch/alone" "$scratch/text" || fail "$ranks ranks on each of three hosts wrote another text than one rank alone"
done

# Bytes: what eight more repetitions add to the interfaces' counts beside what the program says it sent.
sent() { "$cluster" counters | awk '{ sum += $2 } END { print sum }'; }
field() { awk -v key="\"$1\":" '$1 == key { gsub(",", "", $2); sum += $2 } END { print sum }' "$2"; }
bench() { run 1 "$program" bench generate --batch 48 --prompt-length 16 --output-length 17 --repetitions "$1" --json >"$scratch/json"; }
start=$(sent); bench 1; middle=$(sent); bench 9; end=$(sent)
counted=$((end - middle - (middle - start)))
told=$((8 * $(field bytes_sent "$scratch/json")))
awk -v counted=$counted -v told=$told 'BEGIN { exit !(told > 0 && counted / told > 0.98 && counted / told < 1.2) }' ||
  fail "the interfaces sent $counted bytes more for eight more repetitions, of which the program tells $told"
echo "bytes between hosts: $counted by the interfaces' count, $told by the program's ($(awk -v a=$counted -v b=$told 'BEGIN { printf "%.3f", a / b }'))"

# Little but payload, each token once to each host; and one clock, as they are one machine.
run 1 "$program" bench generate --batch 48 --prompt-length 16 --output-length 17 --repetitions 1 --report-json "$scratch/report" --json >"$scratch/json"
least() { grep -o '"'"$1"'":[0-9]*' "$scratch/report" | tail -n 1 | cut -d: -f2; }
decode=$(grep -o '"decode":{"steps".*' "$scratch/report")
far=$(grep -o '"other_hosts":{[^}]*}' <<<"$decode" | head -n 1)
payload=$(grep -oE '"(dispatch|combine)_payload_bytes":[0-9]+' <<<"$far" | awk -F: '{ sum += $2 } END { print sum }')
all=$(grep -oE '"(dispatch|combine)_(payload|metadata)_bytes":[0-9]+' <<<"$far" | awk -F: '{ sum += $2 } END { print sum }')
minimum=$(least minimum_bytes_between_hosts)
awk -v all="$all" -v minimum="$minimum" 'BEGIN { exit !(minimum > 0 && all / minimum >= 0.999) }' ||
  fail "decode sent $all bytes to other hosts, fewer than the least possible, $minimum"
echo "decode sent $all bytes to other hosts, $payload of it rows; $(awk -v a="$all" -v b="$minimum" 'BEGIN { printf "%.3f", a / b }') × the least possible"
# Each within the error told, which is half a message's way there and back: long where the machine is busy.
offsets=$(grep -oE '"clock":\{[^}]*\}' "$scratch/report" | sed -E 's/.*"offset_ns":([-0-9.e+]+).*"error_ns":([-0-9.e+]+).*/\1 \2/')
[ "$(grep -cE '^[-0-9.e+]+ [-0-9.e+]+$' <<<"$offsets")" -ge 3 ] || fail "the report does not tell three ranks' clocks: $offsets"
awk '{ if ($1 > $2 + 1e5 || $1 < -$2 - 1e5) exit 1 }' <<<"$offsets" || fail "clocks of one machine differ by more than their error: $offsets ns"

# The check before a run: hosts that are alike are well, and each that is not is named with its reason.
"$cluster" check "$program" >"$scratch/check" 2>"$scratch/errors" || fail "check of three hosts alike: $(cat "$scratch/check" "$scratch/errors")"
grep -qE '^(ok|warning) +links ' "$scratch/check" || fail "check does not tell of links: $(cat "$scratch/check")"
grep -q 'eth0 10\.213\.77\.2' "$scratch/check" || fail "check does not tell which interface is used: $(cat "$scratch/check")"
different() { # WORDS SETUP OPTION…: the check fails, with the third host's name and these words in one row
  local words=$1
  # shellcheck disable=SC2016  # for the script that is written
  printf '#!/bin/bash\n[ "$1" = martinet-node3 ] || exit 0\n%s\n' "$2" >"$scratch/setup"
  chmod +x "$scratch/setup"
  CLUSTER_NODE_SETUP=$scratch/setup "$cluster" check "$program" "${@:3}" >"$scratch/check" 2>"$scratch/errors" &&
    fail "check finds nothing where the third host differs: $2: $(cat "$scratch/check")"
  grep -q "^problem.*$words" "$scratch/check" || fail "check does not say \"$words\" after $2: $(cat "$scratch/check" "$scratch/errors")"
  echo "check: $(grep -m 1 "^problem.*$words" "$scratch/check")"
}
cp -r "$(dirname "$program")/martinet_DemoModel.resources/demo-model" "$scratch/model"
cp -r "$scratch/model" "$scratch/other"
sed 's/"rope_theta": *[0-9.]*/"rope_theta": 9999.0/' "$scratch/model/config.json" >"$scratch/other/config.json"
printf '#!/bin/sh\necho "Usage: martinet <subcommand>" >&2\nexit 64\n' >"$scratch/script"
chmod +x "$scratch/script"
different 'not the same everywhere.*martinet-node3' "mount --bind $scratch/other $scratch/model" --model "$scratch/model"
different 'martinet-node3' "mount -t tmpfs tmpfs $scratch/model" --model "$scratch/model"
different 'martinet-node3 has no program' "mount -t tmpfs tmpfs $(dirname "$program")"
different 'martinet-node3 is an older version' "mount --bind $scratch/script $program"
different 'martinet-node3 did not answer within 30 s' 'sleep 1000' --timeout 30
HOSTS=martinet-node9 "$cluster" check "$program" --timeout 30 >"$scratch/check" 2>"$scratch/errors" &&
  fail "check finds nothing where a host is not there"
grep -q '^problem.*martinet-node9' "$scratch/check" || fail "check does not name a host that is not there: $(cat "$scratch/check" "$scratch/errors")"
echo "check: $(grep -m 1 '^problem.*martinet-node9' "$scratch/check")"

# A rank that is killed ends the run at once, and nothing is left of it.
"$cluster" run 1 "$program" bench generate --batch 8 --prompt-length 64 --output-length 400 --repetitions 1000 >"$scratch/out" 2>"$scratch/errors" &
launcher=$!
for ((i = 0; i < 6000; i++)); do
  victim=$(ip netns pids martinet-node2 | while read -r pid; do grep -qx "$(basename "$program")" "/proc/$pid/comm" 2>/dev/null && echo "$pid"; done | head -n 1 || true)
  [ -n "$victim" ] && break
  sleep 0.1
done
[ -n "$victim" ] || fail "no rank appeared on the second host"
sleep 1.5
kill -9 "$victim"
start=$SECONDS
while kill -0 $launcher 2>/dev/null && [ $((SECONDS - start)) -lt 300 ]; do sleep 0.1; done
kill -0 $launcher 2>/dev/null && fail "five minutes after a rank was killed the others still run"
wait $launcher && fail "a run with a killed rank succeeded"
grep -q 'martinet-node2' "$scratch/errors" || fail "the message does not name the host of the killed rank: $(cat "$scratch/errors")"
for ((i = 0; i < 600; i++)); do
  [ -n "$(pgrep -f "$program bench generate" || true)" ] || break
  sleep 0.1
done
[ -z "$(pgrep -f "$program bench generate" || true)" ] || fail "ranks are left behind after one was killed"
echo "cluster test passed: three hosts, the same text, bytes as counted, a killed rank noticed after $((SECONDS - start)) s"
