# Every built-in type of network, with the modules of Debian's kernel: a pod gets its address, reaches what it should,
# and leaves nothing.
ip netns add outside
ip link add up0 up type veth peer name eth0 netns outside
ip address add 192.0.2.1/24 dev up0
ip address add 2001:db8::1/64 dev up0 nodad
out() { ip -n outside "$@"; }
out link set eth0 up
out address add 192.0.2.2/24 dev eth0
out address add 2001:db8::2/64 dev eth0 nodad
out route add 10.3.0.0/24 via 192.0.2.1
modprobe 8021q
out link add eth0.5 link eth0 type vlan id 5
out link set eth0.5 up
out address add 10.5.0.2/24 dev eth0.5

mkdir -p /etc/rkt/net.d
# network NAME SUBNET FIELDS: its pods get addresses of a subnet, and a default route.
network() {
  cat >"/etc/rkt/net.d/$1.conf" <<END
{ "cniVersion": "1.0.0", "name": "$1", $3,
  "ipam": { "type": "host-local", "ranges": [$2], "routes": [{ "dst": "0.0.0.0/0" }] } }
END
}
range() { echo "[{ \"subnet\": \"$1\", \"rangeStart\": \"$2\" }]"; }
network ipvlan2 "$(range 192.0.2.0/24 192.0.2.20), $(range 2001:db8::/64 2001:db8::20)" \
  '"type": "ipvlan", "master": "up0"'
network ipvlan3 "$(range 10.3.0.0/24 10.3.0.20)" '"type": "ipvlan", "master": "up0", "mode": "l3"'
network vlan5 "$(range 10.5.0.0/24 10.5.0.20)" '"type": "vlan", "master": "up0", "vlanId": 5'
network dummy "$(range 10.6.0.0/24 10.6.0.20)" '"type": "dummy", "mtu": 1234'
network macvlan "$(range 192.0.2.0/24 192.0.2.40)" '"type": "macvlan", "master": "up0", "mode": "bridge"'
network switched "$(range 10.7.0.0/24 10.7.0.20)" \
  '"type": "bridge", "bridge": "br7", "isGateway": true, "ipMasq": true'
network routed "$(range 10.8.0.0/24 10.8.0.20)" '"type": "ptp", "ipMasq": true'

before=$(ip -o link show | cut -d' ' -f2 | sort)

# inside NETWORK ADDRESS SCRIPT: a pod has the address as its first one, and the script succeeds in it.
inside() {
  local said
  said=$(rkt run --net="$1" example.com/box -- -ec "ip -o -4 address show eth0; reach() {
    ping -c1 -W9 \$1 >/dev/null || { echo \"\$1 is not reached\"; exit 1; }; }; $3" 2>&1) || fail "$1: $said"
  [[ $said == *" inet $2/"* ]] || fail "$1 gives: $said"
}
inside ipvlan2 192.0.2.20 'reach 192.0.2.2; ping -6 -c1 -W9 2001:db8::2 >/dev/null'
inside ipvlan3 10.3.0.20 'reach 192.0.2.2'
inside vlan5 10.5.0.20 'reach 10.5.0.2'
inside dummy 10.6.0.20 'reach 10.6.0.20; ip link show eth0 | grep -q " mtu 1234 "'
inside macvlan 192.0.2.40 'reach 192.0.2.2'
inside switched 10.7.0.20 'reach 10.7.0.1; reach 192.0.2.2'
inside routed 10.8.0.20 'reach 10.8.0.1; reach 192.0.2.2'

# Several at once, in one pod; two pods of a link reach each other.
# standing UNIT FLAGS: a pod that stays, in a unit; its UUID comes to be in /run/UNIT.
standing() {
  systemd-run -q --unit="$1" /work/rkt --dir=/var/lib/rkt --insecure-options=image run --uuid-file-save="/run/$1" "${@:2}" \
    example.com/box -- -c 'exec sleep 1000'
  until_true eval "test -s /run/$1 && rkt status \$(cat /run/$1) 2>/dev/null | grep -q state=running"
  rkt status --wait-ready=90s "$(cat "/run/$1")" >/dev/null
}
standing many --net=ipvlan2,vlan5,dummy,switched,routed
rkt status --check-net "$(cat /run/many)" >/dev/null
inside ipvlan2 192.0.2.22 'reach 192.0.2.21'
systemctl stop many

# systemd calls gc where the rules of nftables begin anew.
standing forwarder --net=routed
mkdir -p /etc/systemd/system/nftables.service.d
hook="/work/rkt --dir=/var/lib/rkt gc --mark-only"
printf '[Service]\nExecStartPost=%s\nExecReload=%s\n' "$hook" "$hook" \
  >/etc/systemd/system/nftables.service.d/rkt.conf
systemctl daemon-reload
nft flush ruleset
for what in restart reload; do
  systemctl $what nftables
  nft list table inet rkt | grep -q "$(cat /run/forwarder)" || fail "no rules after $what of nftables"
done
rkt status --check-net "$(cat /run/forwarder)" >/dev/null
systemctl stop forwarder nftables

rkt gc --grace-period=0s >/dev/null 2>&1
links() { [ "$(ip -o link show | cut -d' ' -f2 | sort)" = "$before" ]; }
until_true links
equal "tables of nftables" "$(nft list tables)" ""
equal "what is taken" "$(ls /var/lib/cni/networks/* | grep "^[0-9]" || true)" ""
equal "records" "$(ls /var/lib/rkt/networks)" ""
