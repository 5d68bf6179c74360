# Pods of a user other than root: below his own systemd, with limits by cgroups that were delegated to him, as his unit.
useradd --create-home --shell /bin/bash me
uid=$(id -u me)
has "/etc/subuid" "$(cat /etc/subuid)" 'me:[0-9]+:65536'
loginctl enable-linger me
until_true test -S "/run/user/$uid/systemd/private"
mine() { runuser -u me -- env -C /home/me "XDG_RUNTIME_DIR=/run/user/$uid" HOME=/home/me "$@"; }
myrkt() { mine /work/rkt --insecure-options=image "$@"; }
cp /work/box.aci /home/me/box.aci
sysctl -q kernel.unprivileged_userns_clone=1 2>/dev/null || true

checked=$(myrkt check --rootless)
has "the check" "$checked" 'ok[[:space:]]+users[[:space:]]+images keep .*'
has "the check" "$checked" 'ok[[:space:]]+user namespaces.*'
has "the check" "$checked" 'ok[[:space:]]+overlayfs.*'

# A scope of his own systemd: limits work.
scoped() { mine systemd-run --user --scope -q -p Delegate=yes /work/rkt --insecure-options=image run --net=none "$@"; }
out=$(scoped ./box.aci --pids-limit=5 -- -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo all' 2>/tmp/err) || true
equal "more processes than it may have" "$out" ""
grep -q "can't fork" /tmp/err || fail "$(cat /tmp/err)"
left=$(find "/sys/fs/cgroup/user.slice/user-$uid.slice" -name 'rkt-*-*-*-*')
equal "what is left" "$left" ""

# A unit of his.
mine systemd-run --user -q --unit=web -p Delegate=yes -p KillMode=mixed -p SuccessExitStatus=143 \
  /work/rkt --insecure-options=image run --net=none --uuid-file-save=/home/me/web ./box.aci -- -c 'echo up; sleep 1000'
until_true mine test -s /home/me/web
until_true myrkt status --wait-ready --uuid-file=/home/me/web
equal "its unit" "$(mine systemctl --user show -P ActiveState web)" active
equal "an entered command" "$(myrkt enter "$(cat /home/me/web)" /bin/sh -c "id -u" 2>/dev/null)" 0
mine systemctl --user stop web
has "its pod" "$(myrkt status --uuid-file=/home/me/web)" 'state=exited.*'

myrkt gc --grace-period=0s
left=$(find /home/me/.local/share/rkt/pods -path "*-*-*-*")
equal "what is left of his pods" "$left" ""
