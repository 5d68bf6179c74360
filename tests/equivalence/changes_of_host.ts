/** Changes of the host: the store, the pods' directories, volumes, networks, cgroups, entries. */
import { list } from "../world/pod_world.ts";
import { aside, type Change, copied, entries, rewritten, scripts } from "./change.ts";
import { NEWER, type Place } from "./place.ts";

const CONF = (name: string, more: string) => `{"cniVersion":"0.4.0","name":"${name}",${more}}`;
const PTP = (subnet: string) =>
  `"type":"ptp","ipMasq":true,"ipam":{"type":"host-local","subnet":"${subnet}","dataDir":"/run/eq-ipam"}`;

/** Does something to the first file below a directory of the data directory. */
function toTrees(name: string, apply: string, undo: string): Change {
  return scripts(
    "image",
    name,
    `for t in $1/data/cas/tree/*/rootfs; do ${apply}; done`,
    `for t in $1/data/cas/tree/*/rootfs; do ${undo}; done`,
  );
}

const removeImages = async (place: Place) => await place.rkt("image", "rm", "example.com/box");

const IMAGES: readonly Change[] = [
  {
    name: "another image is in the store",
    about: "image",
    apply: (place) => place.rkt("fetch", `${place.dir}/other.aci`),
    undo: (place) => place.rkt("image", "rm", "example.com/other"),
  },
  {
    name: "a newer image of the name is in the store",
    about: "image",
    apply: (place) => place.rkt("fetch", `${place.dir}/${NEWER}`),
    undo: (place) => place.rkt("image", "rm", "example.com/box:2"),
  },
  {
    name: "the image is not in the store",
    about: "image",
    apply: removeImages,
    undo: (place) => place.rkt("fetch", `${place.dir}/box.aci`),
  },
  {
    name: "the image was stored anew",
    about: "image",
    apply: async (place) => {
      await removeImages(place);
      await place.rkt("fetch", `${place.dir}/box.aci`);
    },
    undo: () => {},
  },
  aside("image", "data/cas/tree"),
  aside("image", "data/cas/treeid"),
  aside("image", "data/cas/skeleton"),
  copied("image", "data/cas/skeleton"),
  copied("image", "data/cas/tree"),
  aside("image", "data/cas/resolved"),
  aside("image", "data/cas/generation"),
  rewritten("image", "data/cas/generation", `${crypto.randomUUID()}\n`, "another"),
  rewritten("image", "data/cas/generation", "short\n", "too short"),
  aside("image", "data/cas/root-kind"),
  scripts(
    "image",
    "trees are to be copied here",
    'cp -a $1/data/cas/root-kind $1/kind; echo "copy $(uname -r)" > $1/data/cas/root-kind',
    "cp -a $1/kind $1/data/cas/root-kind",
  ),
  aside("image", "data/cas/blob"),
  aside("image", "data/cas/imageInfo"),
  aside("image", "data/cas/index-method"),
  rewritten("image", "data/cas/index-method", "off\n", "off"),
  aside("image", "data/cas/imageManifest"),
  aside("image", "data/locks"),
  copied("image", "data"),
  aside("image", "data", "a link", (at, kept) => Deno.symlinkSync(kept, at)),
  toTrees(
    "users have other numbers",
    "sed -i s/:33:34:/:43:44:/ $t/etc/passwd",
    "sed -i s/:43:44:/:33:34:/ $t/etc/passwd",
  ),
  toTrees("a file has another owner", "chown 77:78 $t/srv/owned", "chown 1234:2345 $t/srv/owned"),
  toTrees("the shell can't be executed", "chmod -x $t/bin/busybox", "chmod +x $t/bin/busybox"),
  toTrees("the shell is gone", "mv $t/bin/sh $t/bin/sh.aside", "mv $t/bin/sh.aside $t/bin/sh"),
  toTrees(
    "there is no working directory",
    "mv $t/srv $t/srv.aside",
    "rm -rf $t/srv; mv $t/srv.aside $t/srv",
  ),
];

const FILES: readonly Change[] = [
  ...["", "/embryo", "/prepare", "/prepared", "/run", "/garbage"].map((stage) =>
    aside("file", `data/pods${stage}`)
  ),
  scripts(
    "file",
    "the data directory is read-only",
    "mount --bind $1/data $1/data; mount -o remount,bind,ro $1/data",
    "umount $1/data",
  ),
  scripts(
    "file",
    "others can write to the data directory",
    "chmod 777 $1/data",
    "chmod 700 $1/data",
  ),
  scripts("file", "others can write to pods", "chmod 777 $1/data/pods", "chmod 700 $1/data/pods"),
  scripts(
    "file",
    "a group can write to cas",
    "chmod 770 $1/data/cas; chgrp 50 $1/data/cas",
    "chmod 700 $1/data/cas; chgrp 0 $1/data/cas",
  ),
  scripts(
    "file",
    "the data directory is another's",
    "chown 1000:1000 $1/data",
    "chown 0:0 $1/data",
  ),
  scripts(
    "file",
    "another data directory is mounted there",
    "mount -t tmpfs tmpfs $1/data",
    "umount $1/data",
  ),
  ...["example.com", "example.com/box"].map((name) =>
    scripts(
      "file",
      `there is a file ${name}`,
      `mkdir -p $1/cwd/$(dirname ${name}); echo no > $1/cwd/${name}`,
      "rm -rf $1/cwd/example.com",
    )
  ),
  scripts(
    "file",
    "a dangling link has the image's name",
    "mkdir -p $1/cwd/example.com; ln -s nowhere $1/cwd/example.com/box",
    "rm -rf $1/cwd/example.com",
  ),
  aside("file", "files"),
  rewritten("file", "files/environment", "FROM_FILE=second\n"),
  scripts(
    "file",
    "the file of the UUID is a directory",
    "mkdir $1/files/uuid",
    "rm -rf $1/files/uuid",
  ),
  scripts(
    "file",
    "the file of the UUID is a link",
    "ln -s elsewhere $1/files/uuid; rm -f $1/files/elsewhere",
    "rm -rf $1/files/uuid $1/files/elsewhere",
  ),
  scripts(
    "file",
    "the file of the UUID can't be written",
    "mount --bind $1/files $1/files; mount -o remount,bind,ro $1/files",
    "umount $1/files",
  ),
  {
    name: "rkt is started in another directory",
    about: "file",
    apply: (place) => void (place.cwd = place.dir),
    undo: (place) => void (place.cwd = `${place.dir}/cwd`),
  },
  copied("file", "cwd"),
];

const VOLUMES: readonly Change[] = [
  aside("volume", "volumes/dir"),
  copied("volume", "volumes/dir"),
  aside("volume", "volumes/dir", "a file", (at) => Deno.writeTextFileSync(at, "now a file\n")),
  aside("volume", "volumes/dir", "a link", (at) => Deno.symlinkSync("other", at)),
  aside("volume", "volumes/dir", "a dangling link", (at) => Deno.symlinkSync("nowhere", at)),
  scripts(
    "volume",
    "the volume is a device",
    "mv $1/volumes/dir $1/volumes/dir.was; mknod $1/volumes/dir c 1 5",
    "rm -rf $1/volumes/dir; mv $1/volumes/dir.was $1/volumes/dir",
  ),
  scripts(
    "volume",
    "the volume is read-only",
    "mount --bind $1/volumes $1/volumes; mount -o remount,bind,ro $1/volumes",
    "umount $1/volumes",
  ),
  scripts(
    "volume",
    "something is mounted in the volume",
    "mount -t tmpfs tmpfs $1/volumes/dir/below",
    "umount $1/volumes/dir/below",
  ),
  scripts(
    "volume",
    "the volume is mounted over",
    "mount -t tmpfs tmpfs $1/volumes/dir",
    "umount $1/volumes/dir",
  ),
  rewritten("volume", "volumes/dir/file", "another text\n"),
  aside("volume", "volumes/single"),
  aside("volume", "volumes/single", "a directory", (at) => Deno.mkdirSync(at)),
  aside(
    "volume",
    "volumes/single",
    "a pipe",
    async (at) => void await new Deno.Command("mkfifo", { args: [at] }).output(),
  ),
];

const NETWORKS: readonly Change[] = [
  aside("network", "etc/net.d"),
  aside("network", "etc"),
  rewritten("network", "etc/net.d/20-ptp.conf", CONF("p", PTP("10.63.0.0/24")), "another range"),
  rewritten("network", "etc/net.d/20-ptp.conf", "{broken", "broken"),
  rewritten("network", "etc/net.d/10-br.conf", CONF("br", PTP("10.64.0.0/24")), "another type"),
  scripts(
    "network",
    "a file describes the default network",
    `echo '${CONF("default", PTP("10.65.0.0/24"))}' > $1/etc/net.d/05.conf`,
    "rm -f $1/etc/net.d/05.conf",
  ),
  scripts(
    "network",
    "there is one more network",
    `echo '${CONF("more", PTP("10.66.0.0/24"))}' > $1/etc/net.d/90.conf`,
    "rm -f $1/etc/net.d/90.conf",
  ),
  scripts(
    "network",
    "a file of net.d can't be read as JSON",
    "echo '{' > $1/etc/net.d/90.conf",
    "rm -f $1/etc/net.d/90.conf",
  ),
  scripts("network", "packets are not forwarded", "echo 0 > /proc/sys/net/ipv4/ip_forward", ":"),
  scripts("network", "there are no rules", "nft flush ruleset", ":"),
  scripts(
    "network",
    "some addresses are taken",
    "for d in /run/eq-ipam/* /var/lib/cni/networks/*; do for i in 2 3 4 5 6 7 8 9; do for p in 10.61.0 10.62.0 172.16.28 172.31.0; do " +
      "printf 'x\\r\\neth0' > $d/$p.$i; done; done; done 2>/dev/null",
    "for d in /run/eq-ipam/* /var/lib/cni/networks/*; do grep -ls '^x' $d/* | xargs -r rm -f; done",
  ),
  scripts("network", "addresses are forgotten", "rm -rf /run/eq-ipam /var/lib/cni/networks/*", ":"),
  scripts(
    "network",
    "the note of the last address is broken",
    "for d in /run/eq-ipam/* /var/lib/cni/networks/*; do echo no > $d/last_reserved_ip.0; done",
    "rm -f /run/eq-ipam/*/last_reserved_ip.0 /var/lib/cni/networks/*/last_reserved_ip.0",
  ),
  scripts(
    "network",
    "the port is taken",
    "deno eval 'Deno.listen({port:8099});setTimeout(()=>{},1e8)' >/dev/null 2>&1 & echo $! > $1/listener; " +
      "until ss -ltn | grep -q :8099; do :; done",
    "kill $(cat $1/listener); rm $1/listener; until ! ss -ltn | grep -q :8099; do :; done",
  ),
  aside("network", "data/networks"),
  scripts(
    "network",
    "the host has no route",
    "ip route del default",
    "ip route add default via 192.0.2.254",
  ),
  scripts("network", "the bridge is down", "ip link set eqbr0 down 2>/dev/null", ":"),
  scripts("network", "the bridge has no address", "ip addr flush dev eqbr0 2>/dev/null", ":"),
  scripts("network", "the bridge is another's", "ip link set eqbr0 alias x 2>/dev/null", ":"),
  scripts("network", "the bridge is gone", "ip link del eqbr0 2>/dev/null", ":"),
  rewritten("network", "/etc/resolv.conf", "nameserver 127.0.0.54\n"),
  rewritten("network", "/etc/hosts", "127.0.0.1 localhost again\n"),
  aside("network", "/etc/resolv.conf"),
  aside("network", "/etc/hosts"),
];

const CGROUPS: readonly Change[] = [
  ...["devices", "memory", "pids", "cpu", "blkio"].flatMap((name): Change[] => [
    scripts(
      "cgroup",
      `the hierarchy of ${name} is not mounted`,
      `umount /sys/fs/cgroup/${name}`,
      `mount -t cgroup -o ${name} cgroup /sys/fs/cgroup/${name}`,
    ),
    scripts(
      "cgroup",
      `the hierarchy of ${name} is read-only`,
      `mount -o remount,bind,ro /sys/fs/cgroup/${name}`,
      `mount -o remount,bind,rw /sys/fs/cgroup/${name}`,
    ),
  ]),
  scripts(
    "cgroup",
    "the hierarchy of pids is elsewhere",
    "mkdir -p /run/pids; mount --bind /sys/fs/cgroup/pids /run/pids; umount /sys/fs/cgroup/pids",
    "mount --bind /run/pids /sys/fs/cgroup/pids; umount /run/pids",
  ),
  scripts(
    "cgroup",
    "no cgroups are mounted",
    "mount -t tmpfs tmpfs /sys/fs/cgroup",
    "umount /sys/fs/cgroup",
  ),
];

const flip = (path: string): void => {
  const bytes = Deno.readFileSync(path);
  const at = Math.floor(bytes.length / 3);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  Deno.writeFileSync(path, bytes);
};

const ENTRIES: readonly Change[] = [
  entries("a byte is another", flip),
  entries("truncated", (path) => Deno.truncateSync(path, 5000)),
  entries("empty", (path) => Deno.truncateSync(path, 0)),
  entries("longer", (path) => Deno.writeTextFileSync(path, "more", { append: true })),
  entries("of another version", (path) => {
    const file = Deno.openSync(path, { write: true });
    file.writeSync(new TextEncoder().encode("rktstar0"));
    file.close();
  }),
  entries("of another owner", (path) => Deno.chownSync(path, 1000, 1000)),
  entries("readable by others", (path) => Deno.chmodSync(path, 0o644)),
  entries("a link", (path) => {
    Deno.renameSync(path, `${path}.was`);
    Deno.symlinkSync(`${path}.was`, path);
  }),
  entries("a directory", (path) => {
    Deno.removeSync(path);
    Deno.mkdirSync(path);
  }),
  entries("a directory with something in it", (path) => {
    Deno.removeSync(path);
    Deno.mkdirSync(path);
    Deno.writeTextFileSync(`${path}/something`, "");
  }),
  entries("a pipe that nobody writes to", (path) => {
    Deno.removeSync(path);
    new Deno.Command("mkfifo", { args: ["-m", "600", path] }).outputSync();
  }),
  entries("hard links to each other's", (path) => {
    const [first = path] = list("/run/rkt/starts").map((name) => `/run/rkt/starts/${name}`);
    if (first === path) return;
    Deno.removeSync(path);
    Deno.linkSync(first, path);
  }),
  entries("each other's", (path) => {
    const [first = path] = list("/run/rkt/starts").map((name) => `/run/rkt/starts/${name}`);
    if (first !== path) Deno.copyFileSync(first, path);
  }),
  scripts(
    "caller",
    "/run is read-only",
    "mount --bind /run /run; mount -o remount,bind,ro /run",
    "umount /run",
  ),
  scripts("caller", "/run is noexec", "mount -o remount,noexec /run", "mount -o remount,exec /run"),
  scripts(
    "caller",
    "the directory of entries is everybody's",
    "chmod 777 /run/rkt/starts",
    "rm -rf /run/rkt/starts",
  ),
  scripts(
    "caller",
    "the directory of entries is a link",
    "mv /run/rkt/starts /run/rkt/elsewhere; ln -s elsewhere /run/rkt/starts",
    "rm -rf /run/rkt",
  ),
];

/** All of them. */
export const CHANGES_OF_HOST: readonly Change[] = [
  ...IMAGES,
  ...FILES,
  ...VOLUMES,
  ...NETWORKS,
  ...CGROUPS,
  ...ENTRIES,
];
