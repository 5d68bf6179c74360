# Records in a real journal: each kind, who asked, many starts at once, a journal that is stopped.
log=/var/lib/rkt/audit.log
rm -f $log
count() { rkt audit --format=json | grep -o '"record":"'"$1"'"' | wc -l; }
field() { journalctl -q -o export "$@" | sed -n "s/^$field=//p"; }

# A unit's pod: the start says who, the end how.
systemd-run -q --wait --unit=recorded /work/rkt --dir=/var/lib/rkt --insecure-options=image run --net=none \
  --uuid-file-save=/tmp/recorded example.com/box --caps-retain=CAP_SYS_ADMIN -- -c 'exit 6' || true
pod=$(uuid recorded)
until_true sh -c "journalctl -q -o export RKT_POD=$pod RKT_RECORD=end | grep -q RKT_STATUS"
field=RKT_STATUS; equal "its status" "$(field RKT_POD=$pod RKT_RECORD=end)" 6
field=RKT_PRIVILEGE; equal "its privileges" "$(field RKT_POD=$pod RKT_RECORD=start)" "box: capabilities CAP_SYS_ADMIN"
field=_SYSTEMD_UNIT; equal "its unit" "$(field RKT_POD=$pod RKT_RECORD=start)" recorded.service
field=RKT_LOGIN_UID; equal "its login" "$(field RKT_POD=$pod RKT_RECORD=start)" 4294967295
[ ! -e $log ] || fail "there is a file beside the journal"
has "what rkt says" "$(rkt audit --pod=$pod)" '.*start.*uid 0, recorded\.service.*'

# What people do with a pod, and keys and images.
start recorded2 -- --uuid-file-save=/tmp/recorded2 example.com/box -- -c 'sleep 1000'
until_true test -s /tmp/recorded2
pod=$(uuid recorded2)
rkt status --wait-ready $pod >/dev/null
rkt enter $pod /bin/true
echo file >/tmp/file; rkt cp /tmp/file $pod:/tmp/file
systemctl stop recorded2
rkt rm $pod >/dev/null
rkt fetch /work/box.aci >/dev/null
kinds=$(rkt audit --format=json --pod=$pod | grep -o '"record":"[a-z-]*"' | cut -d '"' -f 4 | xargs)
equal "the records of a pod" "$kinds" "start enter copy end remove"
has "the fetch" "$(rkt audit --image=example.com/box --since=1h)" '.*fetch.*verified by nothing.*'

# The catalogue.
mkdir -p /usr/lib/systemd/catalog; cp /work/rkt.catalog /usr/lib/systemd/catalog/; journalctl --update-catalog
has "an explanation" "$(journalctl -q -x RKT_POD=$pod RKT_RECORD=end)" ".*The pod $pod has ended with the status.*"

# A user of the machine can't forge what root has done.
forged=$(printf 'MESSAGE_ID=13c3677854c14ac997c82a2f4aeb5fbc\nMESSAGE=forged\nRKT_POD=f0f0f0f0\n')
setpriv --reuid=1234 --clear-groups logger --journald <<<"$forged"
until_true sh -c 'journalctl -q RKT_POD=f0f0f0f0 | grep -q forged'
equal "a forged record" "$(rkt audit --pod=f0f0f0f0 --no-legend)" ""

# Many at once, repeated: none is lost.
rkt run --net=none example.com/box -- -c true; rkt run --net=none example.com/box -- -c true
journalctl --sync; before=$(count start)
for i in $(seq 6); do
  (for j in $(seq 4); do rkt run --net=none example.com/box -- -c true; done) &
done
wait
journalctl --sync
equal "starts" "$(count start)" $((before + 24))
equal "ends" "$(count end)" "$(count start)"

# Without journald and its socket, the file; rkt audit reads both.
systemctl stop systemd-journald.socket systemd-journald-dev-log.socket systemd-journald-audit.socket systemd-journald 2>/dev/null || true
rkt run --net=none example.com/box -- -c 'exit 9' || true
grep -q RKT_STATUS=9 $log || fail "it is not in the file"
systemctl start systemd-journald.socket systemd-journald-dev-log.socket systemd-journald
equal "starts" "$(count start)" $((before + 25))

# In both, it is one record.
mkdir -p /etc/rkt/audit.d; echo '{ "rktKind": "audit", "rktVersion": "v1", "to": ["journal", "file"] }' >/etc/rkt/audit.d/both.json
rkt run --net=none example.com/box -- -c true
journalctl --sync
equal "starts in the file" "$(grep -ac RKT_RECORD=start $log)" 2
equal "starts" "$(count start)" $((before + 26))
rm -r /etc/rkt/audit.d
