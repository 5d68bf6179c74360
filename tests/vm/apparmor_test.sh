# An app under a profile of AppArmor has its name, and is refused what it denies; so is who enters. The image has it.
code=0; error=$(rkt run --net=none /work/armoured.aci 2>&1) || code=$?
equal "the status" $code 254
equal "what is said without the profile" "$error" \
  'run: app "armoured": the AppArmor profile rkt-test is not loaded; load it with apparmor_parser'

cat >/tmp/profile <<'P'
profile rkt-test flags=(attach_disconnected) {
  file,
  capability,
  signal,
  deny /forbidden rw,
  deny /tmp/** w,
}
P
apparmor_parser -r /tmp/profile
tries='cat /proc/self/attr/current; for f in /forbidden /tmp/x /allowed; do (echo x >$f) 2>/dev/null && echo "wrote $f"; done'
systemd-run -q --unit=armour -p StandardOutput=file:/run/armour.out /work/rkt --dir=/var/lib/rkt --insecure-options=image run --net=none --uuid-file-save=/tmp/armour \
  example.com/armoured -- -c "$tries; exec sleep 1000"
should=$'rkt-test (enforce)\nwrote /allowed'
until_true grep -qs 'wrote /allowed' /run/armour.out
equal "what the app sees" "$(cat /run/armour.out)" "$should"
equal "what who enters sees" "$(rkt enter "$(uuid armour)" /bin/sh -c "$tries")" "$should"
equal "what the privileged sees" "$(rkt enter --privileged "$(uuid armour)" cat /proc/self/attr/current)" "unconfined"
systemctl stop armour
