# CPU, disks, swap: what is used is below the limit. Those of CPU and disks are the image's.
mkdir -p /work/volume /tmp/disk; mkfifo /tmp/disk/go /tmp/disk/done
start busy Delegate=yes -- --volume=v,kind=host,source=/work/volume --volume=gate,kind=host,source=/tmp/disk \
  /work/limited.aci --io-weight=50 --mount=volume=v,target=/v --mount=volume=gate,target=/gate -- -c '
    read x </gate/go; dd if=/dev/zero of=/v/file bs=64k count=32 conv=fsync; echo done >/gate/done; while :; do :; done'
unit=/sys/fs/cgroup/system.slice/busy.service
until_true sh -c "grep -q . $unit/rkt-*/limited/cgroup.procs 2>/dev/null"
app=$(echo $unit/rkt-*/limited)
equal cpu.max "$(cat $app/cpu.max)" "20000 100000"
equal io.weight "$(head -n 1 $app/io.weight)" "default 50"
disk=$(cat /sys/class/block/vda/dev)
has io.max "$(cat $app/io.max)" "$disk rbps=1048576 wbps=1048576 riops=1000 wiops=1000"

# What is written by way of the page cache counts too: 2 MiB, at 1 MiB a second.
begun=$(date +%s%N)
echo >/tmp/disk/go
read -r _ </tmp/disk/done
took=$((($(date +%s%N) - begun) / 1000000))
[ $took -ge 1000 ] || fail "2 MiB were written in $took ms"

counted() { sed -n "s/^$1 //p" $app/cpu.stat; }
throttled() { [ "$(counted nr_throttled)" -ge 10 ]; }
until_true throttled
periods=$(counted nr_periods) used=$(counted usage_usec)
# 20 ms a period, and a slice of 5 ms that each of two CPUs may have taken in advance.
[ "$used" -le $(((periods + 1) * 30000)) ] || fail "$used us in $periods periods of 20 ms"
systemctl stop busy

# Memory with swap, and of three apps the hungry one dies alone: without swap, while the one with it goes on.
fallocate -l 96M /work/swap; chmod 600 /work/swap; mkswap -q /work/swap; swapon /work/swap
eat='dd if=/dev/zero of=/dev/null bs=32M count=1 2>/dev/null && echo survived'
start trio OOMPolicy=continue -- --uuid-file-save=/tmp/trio --volume=gate,kind=host,source=/tmp/disk \
  example.com/box --name=calm --mount=volume=gate,target=/gate -- -c 'read x </gate/go; exit 5' \
  --- example.com/box --name=hungry --memory=24Mi --on-exit=keep --mount=volume=gate,target=/gate -- -c "$eat >/gate/hungry" \
  --- example.com/box --name=swapping --memory=24Mi --memory-swap=64Mi --on-exit=keep --mount=volume=gate,target=/gate \
  -- -c "$eat >/gate/swapping"
until_true test -s /tmp/trio
pod=/var/lib/rkt/pods/run/$(uuid trio)
until_true test -e "$pod/stage1/rootfs/rkt/status/hungry"
until_true test -e "$pod/stage1/rootfs/rkt/status/swapping"
has "the status" "$(rkt status "$(uuid trio)")" state=running
echo >/tmp/disk/go
until_true systemctl -q is-failed trio
swapoff /work/swap; rm /work/swap
[ ! -e /tmp/disk/hungry ] || fail "it survived without swap"
equal "with swap" "$(cat /tmp/disk/swapping)" survived
status=$(rkt status "$(uuid trio)")
has "the status" "$status" app-calm=5
has "the status" "$status" app-hungry=137
has "the status" "$status" app-swapping=0
has "the status" "$status" 'oom-hungry=[1-9].*'

# A unit's own limit holds for an app that has none.
out=$(alone bounded -p MemoryMax=24M -- example.com/box -- -c "$eat") || true
equal "in a small unit" "$out" ""
