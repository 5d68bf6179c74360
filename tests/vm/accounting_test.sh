# A pod under a unit is accounted to the unit, and the unit's limit holds for it.
start web Delegate=yes MemoryMax=200M -- example.com/box --memory=64Mi --cpu=500m --pids-limit=20 \
  -- -c 'x=$(dd if=/dev/zero bs=1M count=20 | tr "\0" x); sleep 1000'
unit=/sys/fs/cgroup/system.slice/web.service
until_true test -e $unit/rkt-*/box/cgroup.procs
app=$(echo $unit/rkt-*/box)
equal memory.max "$(cat $app/memory.max)" 67108864
equal memory.swap.max "$(cat $app/memory.swap.max 2>/dev/null || echo 0)" 0
equal cpu.max "$(cat $app/cpu.max)" "50000 100000"
equal pids.max "$(cat $app/pids.max)" 20
until_true sh -c "[ \$(cat $app/memory.current) -gt 20000000 ]"
[ "$(cat $unit/memory.current)" -gt 20000000 ] || fail "the unit does not pay for the app"
equal "the unit's limit" "$(cat $unit/memory.max)" 209715200
equal "the supervisor's cgroup" "$(cut -d: -f3 /proc/$(systemctl show -P MainPID web)/cgroup)" /system.slice/web.service/supervisor
until_true test -s $app/cgroup.procs
systemctl stop web
until_true test ! -e $unit
