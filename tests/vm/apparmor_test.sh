# An app under a profile of AppArmor has its name, and is refused what it denies; so is who enters. The image has it.
rkt --insecure-options=image fetch /work/armoured.aci >/dev/null
code=0; error=$(rkt run --net=none example.com/armoured 2>&1) || code=$?
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
systemd-run -q --unit=armour /work/rkt --dir=/var/lib/rkt --insecure-options=image run --net=none --uuid-file-save=/tmp/armour \
  example.com/armoured --stdout=log -- -c "$tries; exec sleep 1000"
until_true test -s /tmp/armour
should=$'rkt-test (enforce)\nwrote /allowed'
log=/var/lib/rkt/pods/run/$(uuid armour)/logs/armoured
until_true grep -qs 'wrote /allowed' $log
equal "what the app sees" "$(rkt logs "$(uuid armour)")" "$should"
equal "what who enters sees" "$(rkt enter "$(uuid armour)" /bin/sh -c "$tries")" "$should"
equal "what the privileged sees" "$(rkt enter --privileged "$(uuid armour)" cat /proc/self/attr/current)" "unconfined"
systemctl stop armour
