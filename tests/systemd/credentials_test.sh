# Credentials of a unit reach the app that mounts their volume, and no other; registered with machined, a pod is a machine.
show() { systemctl show -P "$2" "$1"; }
mkdir -p /run/proof
echo secret >/run/proof/password; chmod 600 /run/proof/password
rkt unit --install --register --credential=password:/run/proof/password keeper -- run --net=none \
  --volume=proof,kind=host,source=/run/proof \
  example.com/box --name=asks --mount=volume=credentials,target=/run/credentials --mount=volume=proof,target=/proof -- \
  -c 'cat /run/credentials/password >/proof/asks; echo no >/run/credentials/password || echo read-only >>/proof/asks; sleep 1000' \
  --- example.com/box --name=other --mount=volume=proof,target=/proof -- \
  -c 'grep -c credentials /proc/self/mountinfo >/proof/other; ls /run/credentials >>/proof/other; sleep 1000'
systemctl start keeper
until_true sh -c '[ "$(wc -l </run/proof/asks)" = 2 ]'
equal "the credential" "$(cat /run/proof/asks)" $'secret\nread-only'
until_true test -s /run/proof/other
equal "what another app sees of it" "$(cat /run/proof/other)" 0

# The pod as a machine: its name is that of rkt 1.x, its unit the service; it ends with it.
machine=rkt-$(cat /run/keeper.uuid)
has "the machines" "$(machinectl list --no-legend)" "$machine +container +rkt .*"
equal "its unit" "$(machinectl show --value -p Unit "$machine")" keeper.service
equal "its leader" "$(cat "/proc/$(machinectl show --value -p Leader "$machine")/comm")" rkt-init
systemctl stop keeper
equal "its result" "$(show keeper Result)" success
until_true sh -c '[ -z "$(machinectl list --no-legend)" ]'

# Terminated as a machine, its unit is stopped.
systemctl start keeper
machinectl terminate "rkt-$(cat /run/keeper.uuid)"
until_true sh -c '[ "$(systemctl show -P ActiveState keeper)" = inactive ]'

# Without machined nothing is missed.
systemctl mask --now --quiet systemd-machined.service
systemctl start keeper
equal "its state without machined" "$(show keeper ActiveState)" active
systemctl stop keeper
systemctl unmask --quiet systemd-machined.service
rm -r /run/proof /etc/systemd/system/keeper.service; systemctl daemon-reload
