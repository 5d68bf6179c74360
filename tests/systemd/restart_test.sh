# A pod as a service: stopped, failed, started again.
cat >/run/systemd/system/shop.service <<'U'
[Service]
ExecStartPre=/bin/rm -f /tmp/shop
ExecStart=/work/rkt --dir=/var/lib/rkt --insecure-options=image run --net=none --uuid-file-save=/tmp/shop example.com/box -- -c \
  'trap "echo closing; exit 0" TERM; echo open; while :; do sleep 1000 & wait; done'
KillMode=mixed
Restart=on-failure
RestartSec=0
Delegate=yes
U
systemctl daemon-reload
main() { systemctl show -P MainPID shop; }
opened() { [ "$(journalctl -q -o cat -u shop _COMM=sh | grep -c open)" = "$1" ]; }
systemctl start shop
until_true opened 1
systemctl stop shop
equal "its result" "$(systemctl show -P Result shop)" success
equal "its status" "$(systemctl show -P ExecMainStatus shop)" 0
equal "what the app says" "$(journalctl -q -o cat -u shop _COMM=sh)" $'open\nclosing'
has "the pod's status" "$(rkt status "$(uuid shop)")" app-box=0

# The supervisor is killed: the pod goes with it, and there is another one.
systemctl start shop
until_true opened 2
first=$(uuid shop)
kill -KILL "$(main)"
until_true opened 3
[ "$(uuid shop)" != "$first" ] || fail "it is the same pod"
has "the first pod" "$(rkt status "$first")" 'state=exited.*'
equal "pods in the unit" "$(find /sys/fs/cgroup/system.slice/shop.service -name 'rkt-*' | wc -l)" 1

# The app is killed: systemd sees its status, and starts another pod.
pkill -KILL -f 'closing; exit'
until_true opened 4
systemctl stop shop
rm /run/systemd/system/shop.service; systemctl daemon-reload
