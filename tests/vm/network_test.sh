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
# Behind the link: what is reached by a default route only, and answers to the host's address only.
out address add 198.51.100.2/32 dev eth0
ip route add 198.51.100.0/24 via 192.0.2.2
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
network bridged "$(range 10.7.0.0/24 10.7.0.20)" \
  '"type": "bridge", "bridge": "br7", "isGateway": true, "ipMasq": true'
network routed "$(range 10.8.0.0/24 10.8.0.20)" '"type": "ptp", "ipMasq": true'

before=$(ip -o link show | cut -d' ' -f2 | sort)

# What an app says that looks at its networks: their addresses, then what is wrong or that all is well.
look='ip -o -4 address show; try() { "$@" >/dev/null || { echo "it failed: $*"; exit 1; }; }; reach() { try ping -c1 -W9 $1; };'
# gives WHAT TEXT INTERFACE=ADDRESS...: it has these addresses.
gives() {
  local what=$1 said=$2 each; shift 2
  for each; do
    grep -q " ${each%=*} .* inet ${each#*=}/" <<<"$said" || fail "$what does not give $each: $said"
  done
}
# inside NETWORK ADDRESS SCRIPT: a pod has the address as its first one, and the script succeeds in it.
inside() {
  local said
  said=$(rkt run --net="$1" example.com/box -- -ec "$look $3" 2>&1) || fail "$1: $said"
  gives "$1" "$said" "eth0=$2"
}
# standing UNIT NETWORKS SCRIPT: a pod that stays once the script has succeeded in it, in a unit; its UUID comes to be in /run/UNIT,
# what it says in /run/UNIT.out.
standing() {
  systemd-run -q --unit="$1" -p "StandardOutput=file:/run/$1.out" /work/rkt --dir=/var/lib/rkt --insecure-options=image run \
    --uuid-file-save="/run/$1" --net="$2" example.com/box -- -ec "$look $3; echo well; exec sleep 1000"
  until_true grep -qsE 'well$|it failed' "/run/$1.out"
  grep -q 'well$' "/run/$1.out" || fail "$1: $(cat "/run/$1.out")"
}

# Several at once, in one pod, sorted by name; its default route is that of the first one. Two pods of a link reach each other.
standing many bridged,ipvlan2,vlan5,dummy,routed 'reach 10.7.0.1; reach 198.51.100.2
  reach 192.0.2.2; try ping -6 -c1 -W9 2001:db8::2; reach 10.5.0.2; reach 10.6.0.20; try sh -c "ip link show eth1 | grep \" mtu 1234 \""; reach 10.8.0.1'
gives many "$(cat /run/many.out)" eth0=10.7.0.20 eth1=10.6.0.20 eth2=192.0.2.20 eth3=10.8.0.20 eth4=10.5.0.20
inside ipvlan2 192.0.2.21 'reach 192.0.2.20; reach 192.0.2.2'

# systemd calls gc where the rules of nftables begin anew.
mkdir -p /etc/systemd/system/nftables.service.d
hook="/work/rkt --dir=/var/lib/rkt gc --mark-only"
printf '[Service]\nExecStartPost=%s\nExecReload=%s\n' "$hook" "$hook" \
  >/etc/systemd/system/nftables.service.d/rkt.conf
systemctl daemon-reload
nft flush ruleset
for what in restart reload; do
  systemctl $what nftables
  nft list table inet rkt | grep -q "$(cat /run/many)" || fail "no rules after $what of nftables"
done
rkt status --check-net "$(cat /run/many)" >/dev/null
systemctl stop many nftables

inside ipvlan3 10.3.0.20 'reach 192.0.2.2'
inside macvlan 192.0.2.40 'reach 192.0.2.2'

rkt gc --grace-period=0s >/dev/null 2>&1
links() { [ "$(ip -o link show | cut -d' ' -f2 | sort)" = "$before" ]; }
until_true links
equal "tables of nftables" "$(nft list tables)" ""
equal "what is taken" "$(ls /var/lib/cni/networks/* | grep "^[0-9]" || true)" ""
equal "records" "$(ls /var/lib/rkt/networks)" ""
