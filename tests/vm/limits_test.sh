# Without Delegate=yes as well: an app past its memory is killed as a whole; CPU is throttled. What `rkt status` says of it is in
# resources_test.sh.
systemd-run -q --wait -p OOMPolicy=continue --unit=hungry /work/rkt --dir=/var/lib/rkt --insecure-options=image run --net=none --uuid-file-save=/tmp/hungry \
  example.com/box --memory=32Mi --cpu=200m -- \
  -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; dd if=/dev/zero of=/dev/null bs=64M count=1; echo survived' ||
  true
status=/var/lib/rkt/pods/run/$(uuid hungry)/stage1/rootfs/rkt/status
equal "the exit status" "$(cat "$status/box")" 137
grep -q '^oom_group_kill 1$' "$status/box-memory-events" ||
  fail "it was not killed as a whole"
