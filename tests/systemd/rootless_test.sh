# Pods of a user other than root below his own systemd, which runs without a session of his: units, sockets, ports, a hundred pods;
# and without it, as su and cron have it.
chmod 755 /work
# Parts of /proc are covered here, and users may mount only what is covered nowhere.
mkdir /run/proc; mount -t proc proc /run/proc
# An overlay is not for the files of another one, which is what this root is.
useradd --create-home --home-dir /var/lib/me --shell /bin/bash me
uid=$(id -u me)
cp /work/{box,server,reached}.aci /var/lib/me
ip link set lo up
# pasta takes the address of what has the default route.
ip link add out type veth peer name far; ip link set far up; ip link set out up
ip addr add 192.0.2.7/24 dev out; ip route add default via 192.0.2.1
mine() { runuser -u me -- env -C /var/lib/me "XDG_RUNTIME_DIR=/run/user/$uid" HOME=/var/lib/me "$@"; }
myrkt() { mine /work/rkt --insecure-options=image "$@"; }
pods() { find /var/lib/me/.local/share/rkt/pods/run -mindepth 1 -maxdepth 1 | wc -l; }
ask() { cat <"/dev/tcp/127.0.0.1/$1"; }

# No systemd of his, no XDG_RUNTIME_DIR, no HOME: from su, from cron.
bare() { runuser -u me -- env -i -C /var/lib/me PATH=/usr/bin:/bin "$@"; }
for _ in 1 2; do
  equal "without an environment" "$(bare /work/rkt --insecure-options=image run --net=none ./box.aci -- -c "id -u" 2>&1)" 0
done
equal "by su" "$(su me -c '/work/rkt --insecure-options=image run --net=none ./box.aci -- -c "id -u"' -s /bin/sh)" 0
code=0; error=$(bare /work/rkt unit --user --install x -- run ./box.aci 2>&1) || code=$?
equal "a unit without a home" "$code $error" \
  "254 unit: --user: neither HOME nor XDG_CONFIG_HOME says where units of the user are"

# By sudo it is root's store, and who has one of his own hears so; who has none, or has named one, does not.
by_sudo() { env SUDO_UID="$1" SUDO_USER=me /work/rkt "${@:2}" 2>&1 >/dev/null; }
equal "by sudo" "$(by_sudo "$uid" list)" \
  "list: this is root's store, /var/lib/rkt; that of me, without sudo, is /var/lib/me/.local/share/rkt"
has "a start that fails" "$(by_sudo "$uid" run --net=none /none.aci)" "run: this is root's store, .*"
equal "by sudo of root" "$(by_sudo 0 list)" ""
equal "by sudo with a directory" "$(by_sudo "$uid" --dir=/var/lib/rkt list)" ""

# What a start ends with is what root's ends with.
matrix() {
  local code
  for words in 'exit 0' 'exit 7' 'exit 255' 'kill -KILL $$' 'kill -TERM $$' 'kill -SEGV $$' 'exec /nothing' 'exec /etc'; do
    code=0; "$1" run --net=none /var/lib/me/box.aci -- -c "$words" >/dev/null 2>&1 || code=$?
    echo "$words: $code"
  done
  for flags in --exec=/nothing --exec=bin/sh --user=none --net=wrong --memory=x --wrong --isolator=x; do
    code=0; "$1" run --net=none /var/lib/me/box.aci "$flags" >/dev/null 2>&1 || code=$?
    echo "$flags: $code"
  done
  code=0; "$1" run --net=none /var/lib/me/none.aci >/dev/null 2>&1 || code=$?
  echo "no image: $code"
  code=0; "$1" run --net=none /var/lib/me/box.aci --name=a -- -c 'exit 3' --- /var/lib/me/box.aci --name=b -- -c 'exit 0' || code=$?
  echo "two apps: $code"
}
equal "what starts end with" "$(matrix myrkt)" "$(matrix rkt)"

loginctl enable-linger me
until_true test -S "/run/user/$uid/systemd/private"
has "the check" "$(myrkt check --rootless)" 'ok[[:space:]]+users[[:space:]]+images keep .*'
has "the check" "$(myrkt check --rootless)" 'ok[[:space:]]+overlayfs.*'
has "the check" "$(myrkt check --rootless)" 'ok[[:space:]]+network[[:space:]]+pasta'
has "the check" "$(myrkt check --rootless)" "ok[[:space:]]+limits[[:space:]]+in scopes of the user's systemd.*"

# A unit of his, and a port.
mine systemd-run --user -q --unit=web -p Delegate=yes -p KillMode=mixed -p SuccessExitStatus=143 \
  /work/rkt --insecure-options=image run --port=http:8090 --uuid-file-save=/var/lib/me/web /var/lib/me/reached.aci -- -c \
  'echo up; while echo "from the pod" | nc -l -p 8080; do :; done'
until_true mine test -s /var/lib/me/web
myrkt status --wait-ready --uuid-file=/var/lib/me/web >/dev/null || fail "$(mine systemctl --user status web)"
equal "its unit" "$(mine systemctl --user show -P ActiveState web)" active
equal "an entered command" "$(myrkt enter "$(cat /var/lib/me/web)" /bin/sh -c "id -u" 2>/dev/null)" 0
until_true bash -c '[ "$(cat 2>/dev/null </dev/tcp/127.0.0.1/8090)" = "from the pod" ]' 2>/dev/null
mine systemctl --user stop web
has "its pod" "$(myrkt status --uuid-file=/var/lib/me/web)" 'state=exited.*'

# Socket activation by his systemd: without pasta, and with the true address of who connects.
serve='open(S, "+<&=", 3) or die; while ($p = accept(C, S)) { syswrite C, join(".", unpack("x20C4", $p)) . "\n"; close C }'
myrkt unit --user --install --socket=8091 sock -- run --net=none --port=web:8091 ./server.aci -- -e "$serve"
mine systemctl --user start sock.socket
equal "the service before" "$(mine systemctl --user show -P ActiveState sock)" inactive
equal "the first answer" "$(ask 8091)" 127.0.0.1
equal "the second answer" "$(bash -c 'exec 3<>/dev/tcp/192.0.2.7/8091; cat <&3')" 192.0.2.7
equal "the service" "$(mine systemctl --user show -P ActiveState sock)" active
mine systemctl --user stop sock.socket sock

# A hundred pods of one command line, which after the first is repeated without Deno.
gc() { myrkt gc --grace-period=0s >/dev/null 2>&1; }
gc
equal "pods before" "$(pods)" 0
# No start is repeated where a hierarchy of cgroups is mounted nowhere, as those of the host are.
hierarchies=$(sed -n 's/^[0-9]*:\([^:]\+\):.*/\1/p' /proc/self/cgroup)
for each in $hierarchies; do mkdir -p "/run/v1/$each"; mount -t cgroup -o "${each/#name=/none,name=}" none "/run/v1/$each"; done
many() { mine bash -c "for i in \$(seq $1); do /work/rkt --insecure-options=image run --net=none example.com/box -- -c 'exec sleep 1000' & done; wait"; }
ready() { [ "$(pgrep -u "$uid" -x sleep | wc -l)" = "$1" ]; }
many 1 & until_true ready 1
many 99 & until_true ready 100
equal "pods that run" "$(myrkt list --no-legend | grep -c running)" 100
pkill -TERM -u "$uid" -x rkt-supervisor
wait || true
equal "pods that run" "$(myrkt list --no-legend | grep -c running || true)" 0
gc
equal "pods after" "$(pods)" 0
for each in $hierarchies; do umount "/run/v1/$each"; done

# The session ends, his systemd too; the next start is as the first ones were.
loginctl disable-linger me
until_true sh -c "! systemctl is-active --quiet user@$uid"
equal "without linger" "$(bare /work/rkt --insecure-options=image run --net=none ./box.aci -- -c 'id -u')" 0

# What is left is his.
equal "what is another's" "$(find /var/lib/me ! -user me -not -name '*.aci')" ""
gc
mine rm -r /var/lib/me/.local/share/rkt
