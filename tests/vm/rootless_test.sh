# Limits of a user other than root: in a cgroup that was delegated to him, and in a scope that rkt asks his systemd for. What needs
# no controllers is in tests/systemd.
useradd --create-home --shell /bin/bash me
uid=$(id -u me)
cp /work/{box,limited,reached}.aci /home/me
sysctl -q kernel.unprivileged_userns_clone=1 2>/dev/null || true
# Without udev the device is root's.
modprobe tun 2>/dev/null || true; chmod 666 /dev/net/tun
# pasta takes the address of what has the default route.
ip link add out type veth peer name far; ip link set far up; ip link set out up
ip addr add 192.0.2.7/24 dev out; ip route add default via 192.0.2.1 || true
mine() { runuser -u me -- env -C /home/me "XDG_RUNTIME_DIR=/run/user/$uid" HOME=/home/me "$@"; }
myrkt() { mine /work/rkt --insecure-options=image "$@"; }
crowd='for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo all'

# Without a systemd of his: a limit that the command line asks for is refused, an image's is said to have no effect.
code=0; error=$(myrkt run --net=none ./box.aci --pids-limit=5 -- -c "$crowd" 2>&1) || code=$?
equal "the status without his systemd" $code 254
has "the refusal" "$error" 'run: app "box": isolator os/linux/pids-limit has no effect: no systemd of this user runs here.*linger USER\)'
has "the check" "$(myrkt check --rootless)" 'less[[:space:]]+limits.*enable-linger.*'
error=$(myrkt run --net=none ./limited.aci -- -c 'echo it runs' 2>&1) || fail "$error"
has "an image with limits" "$error" 'it runs'
has "its warning" "$error" 'run: warning: app "limited": isolator resource/cpu has no effect: no systemd of this user.*'

loginctl enable-linger me
until_true test -S "/run/user/$uid/systemd/private"
check=$(myrkt check --rootless)
has "the check" "$check" 'ok[[:space:]]+users[[:space:]]+images keep .*'
has "the check" "$check" 'ok[[:space:]]+limits[[:space:]]+in scopes of .*memory pids'

# From anywhere: rkt asks for a scope. An app has more processes than it may have, one more memory, and pasta is beside them.
limited() { myrkt run "$@"; }
try() {
  out=$("$1" --port=http:8080 --uuid-file-save=/home/me/tried \
    ./reached.aci --memory=64M -- -c 'ip -o -4 addr show eth0' \
    --- ./box.aci --name=crowd --pids-limit=5 --on-exit=keep -- -c "$crowd" \
    --- ./box.aci --name=hungry --memory=32M --on-exit=keep -- -c 'dd if=/dev/zero of=/dev/null bs=64M count=1; echo all' \
    2>/tmp/err) || true
  has "limits beside pasta" "$out" '.*inet .*'
  ended=/home/me/.local/share/rkt/pods/run/$(cat /home/me/tried)/stage1/rootfs/rkt/status
  equal "the app beside pasta" "$(cat "$ended/reached")" 0
  if grep -q all <<<"$out"; then fail "more than they may have: $out"; fi
  grep -q "can't fork" /tmp/err || fail "$(cat /tmp/err)"
  equal "more memory than it may have" "$(cat "$ended/hungry")" 137
}
try limited
# Below a scope that he has made himself.
scoped() { mine systemd-run --user --scope -q -p Delegate=yes /work/rkt --insecure-options=image run "$@"; }
try scoped
until_true sh -c "[ -z \"\$(find /sys/fs/cgroup/user.slice/user-$uid.slice -name 'rkt-*')\" ]"

# A running one is changed by nobody else, entered in its limits, and counted.
myrkt run --net=none --pod-name=web ./box.aci --memory=64M -- -c 'echo up; exec sleep 1000' >/tmp/web &
until_true grep -q up /tmp/web
has "the scope" "$(mine systemctl --user list-units --no-legend 'rkt-*.scope')" '.*rkt-.*\.scope .*rkt run.*'
# It sees the app's cgroup as the root of all.
equal "an entered command" "$(myrkt enter web cat /proc/self/cgroup)" 0::/
myrkt stop web
wait || true

myrkt gc --grace-period=0s
left=$(find /home/me/.local/share/rkt/pods -path "*-*-*-*")
equal "what is left of his pods" "$left" ""
