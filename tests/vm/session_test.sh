# Beside a scope that has a shell in it, as a session has, in the same slice; and processes are limited.
systemd-run -q --scope --unit=session -- bash -c '
  /work/rkt --dir=/var/lib/rkt --insecure-options=image run --net=none example.com/box --pids-limit=5 -- \
    -c "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo all" >/tmp/out 2>/tmp/err &
  wait $!; true'
[ ! -s /tmp/out ] || fail "more processes than it may have: $(cat /tmp/out)"
grep -q "can't fork" /tmp/err || fail "$(cat /tmp/err)"
left=$(find /sys/fs/cgroup/system.slice -maxdepth 1 -name 'rkt-*-*-*-*')
equal "what is left" "$left" ""

# Where others are in the cgroup and it is delegated, the limit is warned of, and the app runs: in this very unit.
# The program on the cgroup, which is no controller, lets it make the usual device nodes, and no others.
warning=$(rkt run --net=none example.com/box --pids-limit=5 -- -c 'cat /proc/self/cgroup; exec 2>/dev/null
  cd /dev/shm; mknod a c 1 3 && echo null; mknod b c 1 1; mknod c b 254 0; ls' 2>&1 >/tmp/out)
grep -q 'warning: app "box": isolator os/linux/pids-limit has no effect: .* has other processes' <<<"$warning" ||
  fail "$warning"
equal "the app's view, and its nodes" "$(cat /tmp/out)" $'0::/\nnull\na'
