# A pod in a unit: its limits stand in the files, the unit pays for it and limits it, and its end leaves nothing.
# What is in /dev/shm is memory of the app.
start web Delegate=yes MemoryMax=200M -- example.com/box --memory=64Mi --cpu=500m --pids-limit=20 \
  --cpu-shares=512 -- -c 'dd if=/dev/zero of=/dev/shm/x bs=1M count=20; exec sleep 1000'
unit=/sys/fs/cgroup/system.slice/web.service
until_true sh -c "test -e $unit/rkt-*/box/cgroup.procs"
app=$(echo $unit/rkt-*/box)
until_true sh -c "[ \$(cat $app/memory.current) -gt 20000000 ]"
equal memory.max "$(cat $app/memory.max)" 67108864
equal memory.oom.group "$(cat $app/memory.oom.group)" 1
equal cpu.max "$(cat $app/cpu.max)" "50000 100000"
equal cpu.weight "$(cat $app/cpu.weight)" 50
equal pids.max "$(cat $app/pids.max)" 20
until_true sh -c "[ \$(cat $unit/memory.current) -gt 20000000 ]"
equal "the unit's limit" "$(cat $unit/memory.max)" 209715200
main=$(systemctl show -P MainPID web)
equal "the supervisor's cgroup" "$(cat /proc/$main/cgroup)" 0::/system.slice/web.service/supervisor
systemctl stop web
until_true test ! -e $unit
