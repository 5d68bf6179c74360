# Containers of an OCI runtime in scopes of systemd's: `--systemd-cgroup`, as engines ask for it.
ln -sf /work/rkt /tmp/rkt-oci
oci() { /tmp/rkt-oci --root /run/oci --systemd-cgroup "$@"; }
bundle=/tmp/oci-bundle
rm -rf $bundle /run/oci; mkdir -p $bundle
rkt image extract --rootfs-only example.com/box $bundle/rootfs >/dev/null
# configure PATH RESOURCES SCRIPT: its configuration, with a path of a cgroup.
configure() {
  rm -f $bundle/config.json; /tmp/rkt-oci spec --bundle $bundle
  perl -0pi -e '
    BEGIN { our ($path, $resources, $script) = splice(@ARGV, 0, 3) }
    s/"args": \[[^\]]*\]/"args": ["sh", "-c", "$script"]/; s/"terminal": true/"terminal": false/;
    s/"linux": \{/"linux": { "cgroupsPath": "$path",/; s/"resources": \{/"resources": { $resources/' \
    "$1" "$2" "$3" $bundle/config.json
}

limits=; [ ! -e /sys/fs/cgroup/system.slice/memory.max ] || limits='"pids":{"limit":55},"memory":{"limit":67108864},'
configure test-oci.slice:engine:one "$limits" 'exec sleep 1000'
before=$(cat /proc/self/cgroup)
oci create --bundle $bundle one >/tmp/one.out 2>&1 </dev/null || fail "create: $(cat /tmp/one.out)"
equal "the caller's cgroup" "$(cat /proc/self/cgroup)" "$before"
unit=engine-one.scope
equal "its state" "$(systemctl show -P ActiveState $unit)" active
equal "its slice" "$(systemctl show -P Slice $unit)" test-oci.slice
[ -z "$limits" ] ||
  equal "its limits" "$(systemctl show -P MemoryMax $unit) $(systemctl show -P TasksMax $unit)" "67108864 55"
equal "Delegate=" "$(systemctl show -P Delegate $unit)" yes
cgroup=/sys/fs/cgroup$(systemctl show -P ControlGroup $unit)
pid=$(cat /run/oci/one/pid)
equal "who is in it" "$(cat $cgroup/cgroup.procs)" "$pid"
[ -z "$limits" ] || equal "the file" "$(cat $cgroup/memory.max)" 67108864
oci start one
[ -z "$limits" ] || {
  oci update --memory 96m one
  equal "its new limit" "$(systemctl show -P MemoryMax $unit) $(cat $cgroup/memory.max)" "100663296 100663296"
}
# What systemd sets up anew it leaves as it was.
systemctl daemon-reload
equal "who is in it" "$(cat $cgroup/cgroup.procs)" "$pid"
equal "a device" "$(oci exec one sh -c 'echo x >/dev/null && echo well')" well
oci delete --force one
until_true sh -c "[ \"\$(systemctl show -P ActiveState $unit)\" = inactive ]"
[ ! -e $cgroup ] || fail "$cgroup is left"

# One that ends by itself; its scope goes with it.
configure '' '' 'exit 7'
status=0; oci run --bundle $bundle two || status=$?
equal "its status" $status 7
until_true sh -c '[ -z "$(systemctl list-units --no-legend "rkt-oci-*")" ]'

# One that can't be made leaves no unit, and the caller where it was.
configure test.slice:engine:three '' true
sed -i 's/"sh", "-c"/"no-such-program", "-c"/' $bundle/config.json
oci create --bundle $bundle three >/tmp/three.out 2>&1 </dev/null && fail "it was made"
grep -q no-such-program /tmp/three.out || fail "it said: $(cat /tmp/three.out)"
until_true sh -c '[ "$(systemctl show -P ActiveState engine-three.scope)" = inactive ]'
equal "the caller's cgroup" "$(cat /proc/self/cgroup)" "$before"
equal "what is left of states" "$(ls /run/oci)" ""

# Nor does one whose limits can't be had.
configure test.slice:engine:limits '"unified":{"memory.none":"1"},' true
oci create --bundle $bundle limits >/tmp/limits.out 2>&1 </dev/null && fail "it was made"
grep -q memory.none /tmp/limits.out || fail "it said: $(cat /tmp/limits.out)"
until_true sh -c '[ "$(systemctl show -P ActiveState engine-limits.scope)" = inactive ]'
equal "the caller's cgroup" "$(cat /proc/self/cgroup)" "$before"

# What is no path of a unit is refused.
configure /some/path '' true
oci create --bundle $bundle four >/tmp/four.out 2>&1 </dev/null && fail "it was made"
grep -q SLICE:PREFIX:NAME /tmp/four.out || fail "it said: $(cat /tmp/four.out)"
rm -r $bundle
