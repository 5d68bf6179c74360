# What an app writes is in the real journal, under the pod's and the app's name, with priorities.
start web -- example.com/box --stdout=journal --stderr=journal \
  -- -c 'echo from the app; echo "<3>an error" >&2; sleep 1000'
until_true sh -c 'journalctl -q -o cat | grep -q "^an error$"'
pod=$(cd /var/lib/rkt/pods/run; grep -lx "$(systemctl show -P MainPID web)" */ppid | cut -d/ -f1)
equal "the journal" "$(journalctl -q -o cat -t "rkt-$pod/box")" "from the app
an error"
equal "its errors" "$(journalctl -q -o cat -p err -t "rkt-$pod/box")" "an error"
systemctl stop web
