# Type=notify: the unit is started when all apps are; systemd believes the supervisor, which is its main process.
mkdir -p /tmp/gate; [ -p /tmp/gate/fifo ] || mkfifo /tmp/gate/fifo
cat >/run/systemd/system/ready.service <<'U'
[Service]
Type=notify
ExecStart=/work/rkt --dir=/var/lib/rkt --insecure-options=image run --net=none --volume=gate,kind=host,source=/tmp/gate \
  example.com/box --mount=volume=gate,target=/gate -- -c 'echo here >/gate/up; sleep 1000'
KillMode=mixed
SuccessExitStatus=143
Delegate=yes
U
systemctl daemon-reload
systemctl start ready
until_true test -s /tmp/gate/up
equal "its state" "$(systemctl show -P ActiveState ready)" active
equal "its type" "$(systemctl show -P Type ready)" notify
equal "its main process" "$(cat /proc/"$(systemctl show -P MainPID ready)"/comm)" rkt-supervisor
systemctl stop ready
equal "its result" "$(systemctl show -P Result ready)" success

# An app that can't start: no READY, and the start of the unit fails.
sed -i 's|ExecStart=.*|ExecStart=/work/rkt --dir=/var/lib/rkt --insecure-options=image run --net=none example.com/box --exec=/no/such|; /example.com.box --mount/d' \
  /run/systemd/system/ready.service
systemctl daemon-reload
if systemctl start ready; then fail "it started"; fi
rm /run/systemd/system/ready.service; systemctl daemon-reload
