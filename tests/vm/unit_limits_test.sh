# The limits of a unit hold for its pod, whoever may make cgroups; and a unit that a connection starts.
mkdir -p /tmp/limits; mkfifo /tmp/limits/up /tmp/limits/forks /tmp/limits/go
for delegate in yes no; do
  # It computes, then forks what it may, then takes what memory it may. The start itself is left in peace: it takes long here.
  start "limited-$delegate" Delegate=$delegate TasksMax=20 OOMPolicy=continue -- \
    --volume=gate,kind=host,source=/tmp/limits example.com/box --mount=volume=gate,target=/gate -- -c '
      echo up >/gate/up; (while :; do :; done) & read x </gate/go; kill -9 -1
      (for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24; do sleep 1000 & done) 2>/gate/forks
      kill -9 -1; read x </gate/go; exec dd if=/dev/zero of=/dev/null bs=24M count=1'
  read -r _ </tmp/limits/up
  unit=/sys/fs/cgroup/system.slice/limited-$delegate.service
  systemctl set-property --runtime "limited-$delegate" CPUQuota=20% MemoryMax=20M
  until_true sh -c "[ \"\$(sed -n 's/^nr_throttled //p' $unit/cpu.stat)\" -ge 5 ]"
  systemctl set-property --runtime "limited-$delegate" CPUQuota=
  echo >/tmp/limits/go
  has "its forks with Delegate=$delegate" "$(cat /tmp/limits/forks)" ".*can't fork.*"
  echo >/tmp/limits/go
  until_true systemctl -q is-failed "limited-$delegate"
  equal "its status with Delegate=$delegate" "$(systemctl show -P ExecMainStatus "limited-$delegate")" 137
  systemctl reset-failed "limited-$delegate"
done
rm -r /tmp/limits

# A unit that a connection starts: the limit of its app stands in the file. All else about sockets is in tests/systemd.
ip link set lo up
rkt unit --install --socket=8081 --accept each -- run --net=none --rm example.com/box --memory=512Mi -- -c 'echo up; read x'
systemctl start each.socket
exec 3<>/dev/tcp/127.0.0.1/8081
read -r said <&3
equal "what it says" "$said" up
equal "its limit" "$(cat /sys/fs/cgroup/system.slice/*each*/each@*/rkt-*/box/memory.max /sys/fs/cgroup/system.slice/each@*/rkt-*/box/memory.max 2>/dev/null)" 536870912
echo end >&3
exec 3>&-
until_true sh -c '[ -z "$(systemctl list-units --no-legend --all "each@*")" ]'
systemctl stop each.socket
rm /etc/systemd/system/each*; systemctl daemon-reload
