# Units in the forms of rkt's documentation and of units that people have published, written anew: tests/systemd/units. Each pod
# leaves a word in /run/proof.
ln -s /work/rkt /usr/bin/rkt
mkdir -p /run/proof
units=(/work/fixtures/*)
cp "${units[@]}" /run/systemd/system/
systemctl daemon-reload
ip link set lo up
show() { systemctl show -P "$2" "$1"; }
# proof NAME TEXT: what a pod has left.
proof() { until_true test -s "/run/proof/$1"; equal "what $1 has left" "$(cat "/run/proof/$1")" "$2"; }
# ends NAME...: stopped, they have not failed.
ends() { systemctl stop "$@"; for unit; do equal "the result of $unit" "$(show "$unit" Result)" success; done; }

systemd-analyze verify --man=no "${units[@]/#*\//}" 2>/tmp/verified || fail "$(cat /tmp/verified)"

# Started at once: each takes less than its start.
echo 'WORD=as the file says' >/run/proof/wrapper.env
cat >/run/proof/pod.json <<'J'
{"acVersion": "0.8.11", "acKind": "PodManifest",
 "apps": [{"name": "box", "image": {"id": "ID"}, "mounts": [{"volume": "proof", "path": "/proof"}],
           "app": {"exec": ["/bin/sh", "-c", "echo here >/proof/manifest"], "user": "0", "group": "0"}}],
 "volumes": [{"name": "proof", "kind": "host", "source": "/run/proof"}]}
J
sed -i "s/\"ID\"/\"$(rkt image list --fields=id,name --full --no-legend | sed -n 's/\texample.com\/box.*//p')\"/" /run/proof/pod.json
systemctl start --no-block simple advanced prepared wrapper many@one many@two tenant agent exporter after env manifest sandbox \
  failing reload socket.socket inetd.socket clock.timer collect.timer drop.path
proof simple here
proof advanced green
proof prepared here
proof wrapper "as the file says"
proof many-one one; proof many-two two
proof clock tick
proof tenant here
has "its cgroup" "$(cat "/proc/$(show tenant MainPID)/cgroup")" '0::/tenant.slice/tenant.service.*'
proof agent $'/dev/null\n/sys/fs/cgroup\n/var/log\n/usr/lib/systemd/systemd'
proof exporter $'systemd\n/host/sys/class/net/lo'
proof pair word
proof after "done"
proof env $'env\n7\n1\n1'
proof manifest here
proof sandbox here
proof alarm alarm
has "the simple pod's cgroup" "$(cat "/proc/$(show simple MainPID)/cgroup")" '0::/machine.slice/simple.service.*'
[ "$(show pair ActiveEnterTimestampMonotonic)" -le "$(show after InactiveExitTimestampMonotonic)" ] || fail "after did not wait for pair"

: <"/dev/tcp/127.0.0.1/7001"
proof socket "2 box:box 2 2"
exec 3<>/dev/tcp/127.0.0.1/7002; echo good day >&3
equal "inetd" "$(cat <&3)" "good day to you"; exec 3>&-
echo drop >/run/proof/drop.in
proof drop drop
proof reload here; systemctl reload reload
until_true grep -q again /run/proof/reload

until_true sh -c '[ "$(systemctl show -P ActiveState sandbox)" = active ]'
ends prepared wrapper many@one many@two tenant agent exporter pair sandbox reload socket.socket socket inetd.socket
systemctl stop simple advanced clock.timer collect.timer drop.path
systemctl start collect
equal "gc" "$(show collect Result)" success
equal "pods that are left" "$(rkt list --no-legend)" ""
for unit in "${units[@]}"; do rm "/run/systemd/system/${unit##*/}"; done; systemctl daemon-reload
rm -r /usr/bin/rkt /run/proof
