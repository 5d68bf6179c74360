# Limits of a user other than root: in a cgroup that was delegated to him, and in a scope that rkt asks his systemd for. What needs
# no controllers is in tests/systemd.
useradd --create-home --shell /bin/bash me
uid=$(id -u me)
cp /work/{box,limited}.aci /home/me
sysctl -q kernel.unprivileged_userns_clone=1 2>/dev/null || true
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
has "the check" "$(myrkt check --rootless)" 'ok[[:space:]]+users[[:space:]]+images keep .*'
has "the check" "$(myrkt check --rootless)" 'ok[[:space:]]+limits[[:space:]]+in scopes of .*memory pids'

# From anywhere: rkt asks for a scope.
limited() { myrkt run "$@"; }
try() {
  out=$("$1" --net=none ./box.aci --pids-limit=5 -- -c "$crowd" 2>/tmp/err) || true
  equal "more processes than it may have" "$out" ""
  grep -q "can't fork" /tmp/err || fail "$(cat /tmp/err)"
  code=0; "$1" --net=none ./box.aci --memory=32M -- -c 'x=$(head -c 100000000 /dev/zero | tr "\0" x); echo all' 2>/tmp/err || code=$?
  equal "more memory than it may have" $code 137
}
try limited
# Below a scope that he has made himself.
scoped() { mine systemd-run --user --scope -q -p Delegate=yes /work/rkt --insecure-options=image run "$@"; }
try scoped

myrkt gc --grace-period=0s
left=$(find /home/me/.local/share/rkt/pods -path "*-*-*-*")
equal "what is left of his pods" "$left" ""
