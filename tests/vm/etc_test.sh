# The host's own resolv.conf and hosts, in each app of a pod: on kernels that can't clone a mount that is attached nowhere.
echo "127.0.0.9 only.here" >>/etc/hosts
echo "nameserver 192.0.2.7" >/etc/resolv.conf
for users in '' --private-users; do
  out=$(rkt run --net=none $users --dns=host --hosts-entry=host \
    example.com/box --name=one -- -c 'cat /etc/resolv.conf; grep only /etc/hosts' --- \
    example.com/box --name=two -- -c 'cat /etc/resolv.conf; grep only /etc/hosts')
  equal "lines of the name server $users" "$(grep -c 'nameserver 192.0.2.7' <<<"$out")" 2
  equal "lines of the host $users" "$(grep -c '127.0.0.9 only.here' <<<"$out")" 2
done
