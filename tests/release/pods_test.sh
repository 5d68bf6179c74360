# The core of what the tests of tests/pods, tests/net and tests/isolation see, on the binary of a release: networks, ports, volumes,
# filters, and what other commands do with a pod that runs.
# shellcheck disable=SC2016
ip link set lo up
rkt fetch /work/web.aci >/dev/null

# A server on the default network, whose port is the host's.
mkdir -p /tmp/www; echo "from the host" >/tmp/www/index.html
systemd-run -q --unit=served -p Type=notify -p Delegate=yes -p KillMode=mixed -p SuccessExitStatus=143 \
  /work/rkt --dir=/var/lib/rkt --insecure-options=image run --uuid-file-save=/tmp/web --pod-name=web --port=http:8080 \
  --volume=www,kind=host,source=/tmp/www,readOnly=true example.com/web --mount=volume=www,target=/www --stdout=log \
  -- -c 'echo serving; echo made >/made; trap "exit 9" TERM; httpd -p 8080 -h /www; while :; do sleep 1000 & wait; done'
# get ADDRESS: the last line of what the server answers there.
get() (
  exec 3<>"/dev/tcp/$1/8080"
  printf 'GET /index.html HTTP/1.0\r\n\r\n' >&3
  tail -n 1 <&3
)
answers() { [ "$(get "$1" 2>/dev/null)" = "from the host" ]; }
address=$(rkt list --format=json | grep -oE '172\.16\.28\.[0-9]+' | head -n 1)
until_true answers "$address"
until_true answers 127.0.0.1
has "its status" "$(rkt status web)" state=running
equal "who enters" "$(rkt enter web /bin/sh -c 'uname -m; cat /made')" "$(uname -m)"$'\nmade'
status=0; rkt enter web /bin/sh -c 'exit 5' || status=$?
equal "the status of who enters" "$status" 5
rkt cp web:/made /tmp/made
equal "what is copied" "$(cat /tmp/made)" made
has "its log" "$(rkt logs web)" '.*serving'
if rkt enter web /bin/sh -c 'echo x >/www/new' 2>/dev/null; then fail "a read-only volume was written to"; fi
rkt status --check-net web >/dev/null
rkt stop web >/dev/null
until_true sh -c '[ "$(systemctl show -P ActiveState served)" != active ]'
has "its end" "$(rkt status web)" 'app-web=9'
rkt rm web >/dev/null

# What an app may do: the filter of system calls is written for each processor.
out=$(rkt run --net=none --rm example.com/box -- -c '
  grep -E "^(Seccomp|NoNewPrivs):" /proc/self/status; mount -t tmpfs none /mnt 2>&1; unshare -U true 2>&1; :')
has "its filter" "$out" 'Seccomp:.2'
has "a mount" "$out" 'mount: .*(not permitted|denied).*'
has "a namespace" "$out" 'unshare.*(not permitted|denied).*'
status=0; rkt run --net=none --rm example.com/box -- -c 'kill -9 $$' || status=$?
equal "the status of a killed app" "$status" 137

# Two apps share a volume.
out=$(rkt run --net=none --rm --volume=both,kind=empty example.com/box --name=one --mount=volume=both,target=/both -- -c \
  'mkfifo /both/go.new; mv /both/go.new /both/go; read x </both/go; echo "one heard $x"' \
  --- example.com/box --name=two --mount=volume=both,target=/both -- -c 'until [ -e /both/go ]; do sleep 0.1; done; echo two >/both/go')
has "what they say" "$out" '.*one heard two'

# Descriptors of systemd reach an app.
rkt unit --install --socket=8081 --accept each -- run --net=none --rm example.com/box -- -c 'echo up; read x'
systemctl start each.socket
exec 3<>/dev/tcp/127.0.0.1/8081
read -r said <&3
equal "what it says" "$said" up
echo end >&3
exec 3>&-
systemctl stop each.socket
rm /etc/systemd/system/each*; systemctl daemon-reload

# Nothing is left.
rkt gc --grace-period=0s >/dev/null 2>&1
equal "pods" "$(rkt list --no-legend)" ""
equal "mounts" "$(grep -c '/var/lib/rkt/pods' /proc/self/mountinfo || true)" 0
equal "links" "$(ip -o link show | grep -c veth || true)" 0
