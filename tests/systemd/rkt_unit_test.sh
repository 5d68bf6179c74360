# rkt unit: what it writes is what systemd reads, word by word; installed, started, by the clock, as a template.
# shellcheck disable=SC2016
rkt unit --install words -- run --net=none --rm example.com/box -- -c \
  'for word; do printf "<%s>" "$word"; done; echo' sh '' 'a b' '100%' '$HOME' '${x}' '"' "'" '\' ';' '%i'
systemctl start words
until_true sh -c '[ "$(systemctl show -P ActiveState words)" = inactive ]'
said() { journalctl -q -o cat -u "$1" | grep -- "$2"; }
until_true said words '^<'
equal "its words" "$(said words '^<')" \
  '<><a b><100%><$HOME><${x}><"><'"'"'><\><;><%i>'
equal "its result" "$(systemctl show -P Result words)" success

# Once more: what is there stays, unless it is to go.
if rkt unit --install words -- run --net=none example.com/box; then fail "it was replaced"; fi
rkt unit --install --overwrite words -- run --net=none example.com/box -- -c 'sleep 1000'
systemctl start words
equal "its state" "$(systemctl show -P ActiveState words)" active
has "its pod" "$(rkt status --uuid-file=/run/words.uuid)" state=running
systemctl stop words
equal "its result" "$(systemctl show -P Result words)" success
has "its pod" "$(rkt status --uuid-file=/run/words.uuid)" 'state=exited.*'

rkt unit --install 'each@' -- run --net=none --rm --pod-name=each-%i example.com/box --set-env=NAME=%i -- -c 'echo "I am $NAME"'
systemctl start each@one
until_true said each@one '^I am one$'

rkt unit --install --timer='*:*:0/2' clock -- run --net=none --rm example.com/box -- -c 'echo tick'
# By default systemd lets timers wait for others, up to a minute.
sed -i 's/^OnCalendar=.*/&\nAccuracySec=1ms/' /etc/systemd/system/clock.timer; systemctl daemon-reload
systemctl start clock.timer
until_true sh -c '[ "$(journalctl -q -o cat -u clock | grep -cx tick)" -ge 2 ]'
systemctl stop clock.timer
systemd-analyze verify words.service clock.timer each@one.service
rm /etc/systemd/system/{words,each@,clock}.service /etc/systemd/system/clock.timer; systemctl daemon-reload
