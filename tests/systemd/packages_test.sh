# The package for Debian: installed, used, upgraded and removed below a pod that runs. The pods of this script have their own data.
rkt() { /usr/bin/rkt --dir=/var/lib/packaged --insecure-options=image "$@"; }
show() { systemctl show -P "$2" "$1"; }
install() { dpkg --install "/work/packages/$1.deb" >/tmp/dpkg 2>&1 || fail "$1.deb: $(cat /tmp/dpkg)"; }
version() { dpkg-query -W -f '${Version}' rkt; }
install old
old=$(version)
has "what it says" "$(rkt version)" "rkt Version: $old"
[ -x /usr/bin/rkt ] && [ -s /usr/share/bash-completion/completions/rkt ] || fail "files are missing"
# An image of Debian may be told to leave manuals out.
has "a manual" "$(dpkg-query -L rkt)" /usr/share/man/man1/rkt-run.1.gz
apparmor_parser --skip-kernel-load --skip-cache /etc/apparmor.d/rkt-app

# Its units, which are not enabled by themselves.
equal "the timer" "$(systemctl is-enabled rkt-gc.timer || true)" disabled
systemctl enable --now rkt-gc.timer rkt-image-gc.timer rkt-metadata.socket 2>/dev/null
equal "the timer" "$(systemctl is-active rkt-gc.timer)" active
systemctl start rkt-gc rkt-image-gc
equal "gc" "$(show rkt-gc Result)" success
equal "image gc" "$(show rkt-image-gc Result)" success
has "the catalogue" "$(journalctl --list-catalog)" '13c3677854c14ac997c82a2f4aeb5fbc .*'

# The first run, and a pod that stays.
rkt fetch /work/box.aci >/dev/null
equal "the first run" "$(rkt run --net=none --rm example.com/box -- -c 'echo up')" up
mkdir -p /tmp/packages; mkfifo /tmp/packages/ask /tmp/packages/answer
systemd-run -q --unit=stays -p Type=notify -p Delegate=yes -p KillMode=mixed -p SuccessExitStatus=143 \
  /usr/bin/rkt --dir=/var/lib/packaged --insecure-options=image run --net=none --uuid-file-save=/tmp/stays \
  --volume=gate,kind=host,source=/tmp/packages example.com/box --mount=volume=gate,target=/gate -- -c \
  'while read x </gate/ask; do echo "$x heard" >/gate/answer; done'
asked() { echo "$1" >/tmp/packages/ask; cat /tmp/packages/answer; }
pid=$(show stays MainPID)
equal "an answer" "$(asked one)" "one heard"

# An upgrade: the pod is the same, and the new program sees to it.
install new
[ "$(version)" != "$old" ] || fail "it was not upgraded"
equal "the main process" "$(show stays MainPID)" "$pid"
equal "an answer after the upgrade" "$(asked two)" "two heard"
has "its status" "$(rkt status "$(uuid stays)")" state=running
equal "who enters" "$(rkt enter "$(uuid stays)" /bin/sh -c 'echo in')" in
equal "a run" "$(rkt run --net=none --rm example.com/box -- -c 'echo again')" again
equal "the timer after the upgrade" "$(systemctl is-active rkt-gc.timer)" active

# Removed: the pod goes on, and ends as it is asked to. What is the administrator's stays.
dpkg --remove rkt >/dev/null 2>&1
[ ! -e /usr/bin/rkt ] && [ ! -e /usr/lib/systemd/system/rkt-gc.timer ] || fail "files have stayed"
[ -e /etc/apparmor.d/rkt-app ] && [ -d /var/lib/packaged/cas ] || fail "what is the administrator's is gone"
equal "the timer after the removal" "$(systemctl is-active rkt-gc.timer || true)" inactive
equal "an answer after the removal" "$(asked three)" "three heard"
systemctl stop stays
equal "the result of its stop" "$(show stays Result)" success
dpkg --purge rkt >/dev/null 2>&1
[ ! -e /etc/apparmor.d/rkt-app ] || fail "the profile has stayed"
rm -r /var/lib/packaged /tmp/packages
