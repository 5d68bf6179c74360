# The limits of apps that are added to a pod hold.
add() { # NAME WORDS... -- COMMAND
  local name=$1; shift
  rkt app add "$(uuid owned)" example.com/box --name=$name "$@" >/dev/null
  rkt app start "$(uuid owned)" --app=$name
}
hungry='dd if=/dev/zero of=/dev/null bs=40M count=1; echo survived'

systemd-run -q --unit=owned -p Delegate=yes -p MemoryMax=200M -p OOMPolicy=continue \
  /work/rkt --dir=/var/lib/rkt --insecure-options=image app sandbox --net=none --uuid-file-save=/tmp/owned
until_true test -s /tmp/owned
rkt status --wait-ready --uuid-file=/tmp/owned >/dev/null
add calm --memory=64Mi --cpu=500m --pids-limit=20 --cpu-shares=512 --io-weight=50 -- -c 'sleep 1000'
unit=/sys/fs/cgroup/system.slice/owned.service
app=$(echo $unit/rkt-*/calm)
equal memory.max "$(cat $app/memory.max)" 67108864
equal cpu.max "$(cat $app/cpu.max)" "50000 100000"
equal cpu.weight "$(cat $app/cpu.weight)" 50
equal pids.max "$(cat $app/pids.max)" 20
equal io.weight "$(head -n 1 $app/io.weight)" "default 50"
grep -q . $app/cgroup.procs || fail "the app is not in its cgroup"
equal "the unit's limit" "$(cat $unit/memory.max)" 209715200

add hungry --memory=16Mi -- -c "$hungry"
ended=/var/lib/rkt/pods/run/$(uuid owned)/stage1/rootfs/rkt/status/hungry
until_true test -s "$ended"
equal "how it ended" "$(cat "$ended")" 137
has "the status" "$(rkt status --uuid-file=/tmp/owned)" 'oom-hungry=[1-9].*'
grep -q . $app/cgroup.procs || fail "the other app has gone too"
systemctl stop owned
until_true test ! -e $unit
