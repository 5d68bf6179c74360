# A fetch that takes longer than TimeoutStartSec=: systemd is asked for patience meanwhile.
ip link set lo up
cat >/run/slow.sh <<'S'
while read -r line && [ "$line" != $'\r' ]; do case $line in GET*) echo "$line" >>/run/asked;; esac; done
printf 'HTTP/1.1 200 OK\r\nContent-Length: %s\r\nConnection: close\r\n\r\n' "$(stat -c %s /work/box.aci)"
head -c 100000 /work/box.aci; sleep 25; tail -c +100001 /work/box.aci
S
cat >/run/systemd/system/slow.socket <<'U'
[Socket]
ListenStream=127.0.0.1:8085
Accept=yes
U
cat >/run/systemd/system/slow@.service <<'U'
[Service]
StandardInput=socket
ExecStart=/bin/bash /run/slow.sh
U
cat >/run/systemd/system/patient.service <<'U'
[Service]
Type=notify
TimeoutStartSec=20
ExecStart=/work/rkt --dir=/var/lib/patient --insecure-options=image,http run --net=none --pull-policy=new \
  http://127.0.0.1:8085/box.aci -- -c 'sleep 1000'
KillMode=mixed
SuccessExitStatus=143
U
systemctl daemon-reload
systemctl start slow.socket
systemctl start --no-block patient
until_true sh -c 'systemctl show -P StatusText patient | grep -q "fetching and preparing"'
until_true sh -c '[ "$(systemctl show -P ActiveState patient)" != activating ]'
equal "its state" "$(systemctl show -P ActiveState patient)" active
took=$((($(systemctl show -P ActiveEnterTimestampMonotonic patient) - $(systemctl show -P InactiveExitTimestampMonotonic patient)) / 1000000))
[ "$took" -ge 20 ] || fail "the fetch was done within TimeoutStartSec= ($took s): nothing was shown"
systemctl stop patient slow.socket
rm -r /run/systemd/system/{slow,patient}* /run/slow.sh /var/lib/patient; systemctl daemon-reload
