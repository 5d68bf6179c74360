# Users of the pod's own, on a kernel older than the one that the other tests run on.
out=$(rkt run --net=none --private-users --uuid-file-save=/tmp/users example.com/box -- \
  -c 'id -u; stat -c %u /bin/busybox; echo x > /new; cat /proc/self/uid_map')
pod=/var/lib/rkt/pods/run/$(cat /tmp/users)
shift=$(cut -d: -f1 $pod/private-users-prepared)
equal "what the app says" "$(echo $out)" "0 0 0 $shift 65536"
root=$pod/overlay/box/upper
[ -e $root ] || root=$pod/stage1/rootfs/opt/stage2/box/rootfs
equal "the owner outside" "$(stat -c %u:%g $root/new)" $shift:$shift
