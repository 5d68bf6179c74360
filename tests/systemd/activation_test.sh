# Sockets of a real systemd: a pod at the first connection, one for each connection, descriptors that an app keeps, stop and restart;
# and etcd, which tells systemd itself that it is ready, started by a connection, which systemd's own proxy takes in the pod.
rkt fetch /work/server.aci /work/etcd.aci /work/proxy.aci >/dev/null
show() { systemctl show -P "$2" "$1"; }
# ask PORT: what a server says to whoever connects.
ask() { cat <"/dev/tcp/127.0.0.1/$1"; }
ip link set lo up

# The first connection starts the pod, without a network of its own; the next one finds the same pod.
serve='open(S, "+<&=", 3) or die; while (accept(C, S)) { syswrite C, "$ENV{LISTEN_FDNAMES} " . ($ENV{LISTEN_PID} == $$ ? "mine" : "not mine") . "\n"; close C }'
rkt unit --install --socket=8080 --socket-name=server web -- run --net=none --port=web:8080 example.com/server -- -e "$serve"
systemctl start web.socket
equal "the service before" "$(show web ActiveState)" inactive
equal "the first answer" "$(ask 8080)" "server mine"
until_true sh -c '[ "$(systemctl show -P ActiveState web)" = active ]'
pid=$(show web MainPID)
equal "its main process" "$(cat "/proc/$pid/comm")" rkt-supervisor
equal "the second answer" "$(ask 8080)" "server mine"
equal "the same pod" "$(show web MainPID)" "$pid"
# Stopped, it starts again at the next connection: systemd holds the socket.
systemctl stop web
equal "the result of a stop" "$(show web Result)" success
equal "the answer of another pod" "$(ask 8080)" "server mine"
[ "$(show web MainPID)" != "$pid" ] || fail "it is the same process"
systemctl restart web
equal "after a restart" "$(ask 8080)" "server mine"
systemctl kill --signal=KILL web
until_true sh -c '[ "$(systemctl show -P NRestarts web)" -ge 1 ]'
equal "after a kill" "$(ask 8080)" "server mine"
has "its state" "$(systemctl status web || true)" '.*Active: active \(running\).*'
has "its tree" "$(systemctl status web || true)" '.*rkt-init.*'
# `kill` of the main process alone is a stop that nobody asked systemd for: the pod ends as the app does.
systemctl kill --kill-whom=main web
until_true sh -c '[ "$(systemctl show -P ActiveState web)" = inactive ]'
equal "the result of TERM" "$(show web Result)" success
equal "the status of TERM" "$(show web ExecMainStatus)" 143
systemctl stop web.socket web

# A pod for each connection, which is its input and output.
rkt unit --install --socket=8081 --accept each -- run --net=none --rm example.com/box -- -c 'echo "to you from $AC_APP_NAME"'
systemctl start each.socket
for _ in 1 2 3; do equal "an answer" "$(ask 8081)" "to you from box"; done
until_true sh -c '[ -z "$(systemctl list-units --no-legend --all "each@*")" ]'
equal "connections" "$(show each.socket NAccepted)" 3
systemctl stop each.socket

# etcd is in a network of its own, with a proxy that systemd starts the pod for; etcd says itself that it is ready.
rkt unit --install --socket=2379 etcd -- run --net=none example.com/etcd -- --data-dir=/tmp/data \
  --- example.com/proxy -- 127.0.0.1:2379
systemctl start etcd.socket
equal "etcd before" "$(show etcd ActiveState)" inactive
equal "its type" "$(show etcd Type)" notify
etcdctl() { rkt run --net=host --rm example.com/etcd --environment=ETCDCTL_API=3 --exec=/bin/etcdctl -- --command-timeout=120s --endpoints=http://127.0.0.1:2379 "$@"; }
equal "etcd says" "$(etcdctl put color green)" OK
equal "etcd" "$(show etcd ActiveState)" active
equal "its main process" "$(cat "/proc/$(show etcd MainPID)/comm")" rkt-supervisor
equal "etcd has it" "$(etcdctl get --print-value-only color)" green
systemctl stop etcd.socket etcd
equal "the result of its stop" "$(show etcd Result)" success
rm /etc/systemd/system/{web,each,etcd}*; systemctl daemon-reload
