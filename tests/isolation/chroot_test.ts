/** rkt in a chroot, as installers and recovery systems have it: pods start there, and an app finds no way out. */
import assert from "node:assert/strict";
import { addProgram } from "../world/host_world.ts";
import { World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";

/** Leaves a chroot by another one (chroot(2)), with what an app has by default, and says where it comes to. */
const ESCAPE = `mkdir "/second"; opendir(my $root, "/"); chroot("/second") or die "chroot: $!";
  chdir($root); chdir("..") for 1..200; opendir(my $top, "."); print join(" ", sort readdir $top), "\\n"`;

/** What is in the app's root. */
const INSIDE = ". .. bin dev etc lib lib64 private proc run second srv sys tmp usr\n";

/** Makes a root for rkt, with mounts of its own, and runs rkt in it. */
const SCRIPT = String.raw`
set -e
dir=$1 kind=$2 rkt=$3; shift 3
mount --make-rshared /
mkdir -p "$dir/in"; root=$dir/in
test "$kind" = directory || mount -t tmpfs none "$root"
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/run" "$root/etc" "$root/usr/lib" "$root/usr/lib64"
for each in lib lib64; do if test -L "/$each"; then cp -P "/$each" "$root/"; else mkdir -p "$root/$each"; fi; done
ldd "$rkt" | grep -o '/[^ ]*' | while read -r file; do mkdir -p "$root$(dirname "$file")"; cp -L "$file" "$root$file"; done
touch "$root/rkt" "$root/perl.aci"
mount --bind "$rkt" "$root/rkt"; mount --bind "$dir/perl.aci" "$root/perl.aci"
mount -t proc none "$root/proc"; mount --rbind /sys "$root/sys"; mount --rbind /dev "$root/dev"
mounts() { grep -v -c /run/rkt/trees /proc/self/mountinfo; }
before=$(mounts)
for flags in "" --no-overlay; do
  echo "run $flags"
  chroot "$root" /rkt --dir=/data --insecure-options=image run --net=none $flags /perl.aci -- -e "$1"
done
echo "mounts of the host: $(($(mounts) - before))"
`;

for (const kind of ["directory", "mount"]) {
  Deno.test(`pods start in a chroot whose root is a ${kind}, and their apps stay inside`, async () => {
    await using world = await World.make();
    await addProgram(world.root, "/usr/bin/perl");
    for (const name of ["sys", "tmp", "run"]) {
      Deno.mkdirSync(`${world.root}/${name}`, { recursive: true });
    }
    await world.build("perl.aci", ["--name=example.com/perl", "--exec=/usr/bin/perl"]);
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: ["-m", "sh", "-c", SCRIPT, "sh", world.dir, kind, RKT, ESCAPE],
      stdin: "null",
    }).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert.equal(code, 0, err);
    assert.equal(out, `run \n${INSIDE}run --no-overlay\n${INSIDE}mounts of the host: 0\n`);
  });
}
