# What apps write to the journal stands there under the app's name, with its priority and its unit; and
# they go on when journald is started again.
mkdir -p /tmp/gate; mkfifo /tmp/gate/one /tmp/gate/again /tmp/gate/end /tmp/gate/two
said() { journalctl -q -o "${3:-cat}" -u "$1" -t "$2"; }
logs() { [ "$(said "$1" "$2" | tail -n 1)" = "$3" ]; }
words=(--stdout=journal --stderr=journal --mount=volume=gate,target=/gate)
start papers -- --uuid-file-save=/tmp/papers --volume=gate,kind=host,source=/tmp/gate \
  example.com/box --name=one "${words[@]}" -- -c '
    echo "one is up"; echo "<3>one has failed" >&2; read x </gate/one; echo "one again"; read x </gate/again; echo "one ends"; read x </gate/end' \
  --- example.com/box --name=two "${words[@]}" -- -c 'echo "two is up"; read x </gate/two; exit 3'
until_true test -s /tmp/papers
until_true logs papers two "two is up"
# Its two streams are journald's to read in any order.
until_true sh -c '[ "$(journalctl -q -o cat -u papers -t one | wc -l)" = 2 ]'
equal "what one says" "$(said papers one | sort)" $'one has failed\none is up'
equal "lines of priority 3" "$(journalctl -q -o cat -u papers -t one -p 3)" "one has failed"
verbose=$(said papers one verbose)
has "a line of one's" "$verbose" ' *_SYSTEMD_UNIT=papers\.service'
has "a line of one's" "$verbose" ' *PRIORITY=6'
has "a line of one's" "$verbose" ' *_TRANSPORT=stdout'
has "lines of the unit" "$(journalctl -q -o cat -u papers)" 'two is up'

# systemd keeps the streams for journald, also when it is killed. The app is there until its line is: a new journald finds a
# line's unit by the process that has written it.
systemctl restart systemd-journald
echo >/tmp/gate/one
until_true logs papers one "one again"
killed=$(systemctl show -P MainPID systemd-journald)
kill -KILL "$killed"
until_true sh -c "[ \$(systemctl show -P MainPID systemd-journald) != $killed ] && systemctl -q is-active systemd-journald"
echo >/tmp/gate/again
until_true logs papers one "one ends"
echo >/tmp/gate/end
echo >/tmp/gate/two
until_true systemctl -q is-failed papers
equal "the unit's status" "$(systemctl show -P ExecMainStatus papers)" 3

# An app that is added.
systemd-run -q --unit=desk /work/rkt --dir=/var/lib/rkt --insecure-options=image app sandbox --net=none --uuid-file-save=/tmp/desk
until_true test -s /tmp/desk
rkt status --wait-ready --uuid-file=/tmp/desk >/dev/null
rkt app add "$(uuid desk)" example.com/box --name=late --stdout=journal -- -c 'echo "late is up"; sleep 1000' >/dev/null
rkt app start "$(uuid desk)" --app=late
# No unit has started this one, but a command: its lines have the pod's name, too.
late() { journalctl -q -o "$1" -t "rkt-$(uuid desk)/late"; }
is_up() { [ "$(late cat)" = "late is up" ]; }
until_true is_up
has "a line of the added app's" "$(late verbose)" ' *_SYSTEMD_UNIT=desk\.service'
systemctl stop desk
