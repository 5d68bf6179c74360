# Without Delegate=yes as well: an app past its memory is killed as a whole, and status says so; CPU is throttled.
systemd-run -q --wait -p OOMPolicy=continue --unit=hungry /work/rkt --dir=/var/lib/rkt --insecure-options=image run --net=none --uuid-file-save=/tmp/hungry \
  example.com/box --memory=32Mi --cpu=200m -- \
  -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; dd if=/dev/zero of=/dev/null bs=64M count=1; echo survived' ||
  true
equal "the exit status" "$(cat /var/lib/rkt/pods/run/$(cat /tmp/hungry)/stage1/rootfs/rkt/status/box)" 137
status=$(rkt status "$(cat /tmp/hungry)")
grep -q '^oom-box=[1-9]$' <<<"$status" || fail "status: $status"
grep -q '^oom_group_kill 1$' /var/lib/rkt/pods/run/$(cat /tmp/hungry)/stage1/rootfs/rkt/status/box-memory-events ||
  fail "it was not killed as a whole"
