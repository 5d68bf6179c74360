# Exit status, watchdog, stored descriptors, journal fields: what systemctl and journalctl say of a unit whose main process is a pod.
show() { systemctl show -P "$2" "$1"; }

# The exit status of the app is the unit's.
rkt unit --install ends -- run --net=none example.com/box -- -c 'echo "<4>it ends"; exit 7'
sed -i 's/^Restart=.*/Restart=no/' /etc/systemd/system/ends.service; systemctl daemon-reload
systemctl start ends || true
until_true systemctl -q is-failed ends
equal "its status" "$(show ends ExecMainStatus)" 7
equal "its result" "$(show ends Result)" exit-code
# What it wrote, with its priority and its unit; and the record of its end, whose unit is the same.
until_true sh -c 'journalctl -q -o cat -u ends | grep -qx "it ends"'
field() { journalctl -q -o export "$@" | sed -n "s/^$name=//p" | head -n 1; }
name=PRIORITY; equal "its priority" "$(field -u ends -g '^it ends')" 4
name=_SYSTEMD_UNIT; equal "its unit" "$(field -u ends -g '^it ends')" ends.service
name=RKT_STATUS; equal "the status of the record" "$(field RKT_RECORD=end _SYSTEMD_UNIT=ends.service)" 7

# The watchdog: the supervisor says that the pod lives, and systemd kills the unit when it does not.
systemd-run -q --unit=watched -p Type=notify -p WatchdogSec=2 -p Delegate=yes \
  /work/rkt --dir=/var/lib/rkt --insecure-options=image run --net=none example.com/box -- -c 'sleep 1000'
first=$(show watched WatchdogTimestampMonotonic)
until_true sh -c "[ \"\$(systemctl show -P WatchdogTimestampMonotonic watched)\" != $first ]"
kill -STOP "$(show watched MainPID)"
until_true systemctl -q is-failed watched
equal "its result" "$(show watched Result)" watchdog
systemctl reset-failed watched

# Descriptors that an app stores outlive its pod, and come back by the name that it has given. 46 is sendmsg(2) of x86-64.
rkt fetch /work/server.aci >/dev/null
keeps='$| = 1; my $in; my $to = pack("SZ*", 1, $ENV{NOTIFY_SOCKET} || "");
if (($ENV{LISTEN_FDNAMES} || "") =~ /^one$/) { open($in, "<&=", 3); print "kept: ", scalar(<$in>) }
else { pipe($in, my $out); syswrite $out, "of the first pod\n"; socket(S, 1, 2, 0);
connect(S, $to) or die; my $text = "FDSTORE=1\nFDPOLL=0\nFDNAME=one"; my $part = pack("PQ", $text, length $text);
my $control = pack("Ql<3", 20, 1, 1, fileno($in)) . "\0" x 4; my $header = pack("QQPQPQQ", 0, 0, $part, 1, $control, 24, 0);
syscall(46, fileno(S), $header, 0) >= 0 or die "sendmsg: $!" }
socket(T, 1, 2, 0); send(T, "READY=1", 0, $to); sleep 1000'
systemd-run -q --unit=keeps -p Type=notify -p FileDescriptorStoreMax=4 -p Delegate=yes -p KillMode=mixed -p SuccessExitStatus=143 \
  /work/rkt --dir=/var/lib/rkt --insecure-options=image run --net=none example.com/server \
  --annotation=appc.io/executor/supports-systemd-notify=fdstore -- -e "${keeps//$/\$\$}"
equal "descriptors that systemd keeps" "$(show keeps NFileDescriptorStore)" 1
systemctl restart keeps
until_true sh -c 'journalctl -q -o cat -u keeps | grep -qx "kept: of the first pod"'
systemctl stop keeps

# The units that come with rkt are units.
for unit in /work/units/*; do sed 's|/usr/bin/rkt|/work/rkt|' "$unit" >"/run/systemd/system/${unit##*/}"; done
systemctl daemon-reload
systemd-analyze verify --man=no rkt-gc.timer rkt-image-gc.timer rkt-metadata.service rkt-metadata.socket
systemctl start rkt-gc rkt-image-gc rkt-metadata.socket
equal "gc" "$(show rkt-gc Result)" success
equal "image gc" "$(show rkt-image-gc Result)" success
systemctl stop rkt-metadata.socket
rm /etc/systemd/system/ends* /run/systemd/system/rkt-*; systemctl daemon-reload
