# The limits of apps that are added to a pod hold: in a unit that is delegated, in one that is not, and in a session.
desk() { # UNIT PROPERTY...
  local unit=$1; shift
  systemd-run -q --unit="$unit" "$@" /work/rkt --dir=/var/lib/rkt app sandbox --net=none --uuid-file-save=/tmp/$unit
  until_true test -s /tmp/$unit
  rkt status --wait-ready --uuid-file=/tmp/$unit >/dev/null
}
add() { # UNIT NAME WORDS... -- COMMAND
  local unit=$1 name=$2; shift 2
  rkt app add "$(uuid $unit)" example.com/box --name=$name "$@" >/dev/null
  rkt app start "$(uuid $unit)" --app=$name
}
hungry='x=$(dd if=/dev/zero bs=1M count=40 | tr "\0" x); echo survived'

desk owned -p Delegate=yes -p MemoryMax=200M -p OOMPolicy=continue
add owned calm --memory=64Mi --cpu=500m --pids-limit=20 --cpu-shares=512 --io-weight=50 -- -c 'sleep 1000'
unit=/sys/fs/cgroup/system.slice/owned.service
app=$(echo $unit/rkt-*/calm)
equal memory.max "$(cat $app/memory.max)" 67108864
equal cpu.max "$(cat $app/cpu.max)" "50000 100000"
equal cpu.weight "$(cat $app/cpu.weight)" 50
equal pids.max "$(cat $app/pids.max)" 20
equal io.weight "$(head -n 1 $app/io.weight)" "default 50"
grep -q . $app/cgroup.procs || fail "the app is not in its cgroup"
equal "the unit's limit" "$(cat $unit/memory.max)" 209715200

add owned hungry --memory=16Mi -- -c "$hungry"
ended=/var/lib/rkt/pods/run/$(uuid owned)/stage1/rootfs/rkt/status/hungry
until_true test -s "$ended"
equal "how it ended" "$(cat "$ended")" 137
has "the status" "$(rkt status --uuid-file=/tmp/owned)" 'oom-hungry=[1-9].*'
grep -q . $app/cgroup.procs || fail "the other app has gone too"
systemctl stop owned
until_true test ! -e $unit

desk plain
add plain small --pids-limit=5 -- -c 'sleep 1000'
equal pids.max "$(cat /sys/fs/cgroup/system.slice/plain.service/rkt-*/small/pids.max)" 5
systemctl stop plain
