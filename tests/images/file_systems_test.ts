/** A store on other file systems than the host's: indexes are mounted by file or by loop devices, and roots are overlays or copies. */
import assert from "node:assert/strict";
import { World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";

const has = (program: string): boolean =>
  new Deno.Command("sh", { args: ["-c", `command -v ${program}`] }).outputSync().success;

/** How each is made at `$1`, of the file `$2`. */
const KINDS: Readonly<Record<string, { readonly mount: string; readonly ignore?: boolean }>> = {
  ext4: { mount: 'mke2fs -q -t ext4 "$2" && mount -o loop "$2" "$1"' },
  "ext4 with blocks of 1024": {
    mount: 'mke2fs -q -t ext4 -b 1024 "$2" && mount -o loop "$2" "$1"',
  },
  tmpfs: { mount: 'mount -t tmpfs none "$1"' },
  overlay: {
    mount: 'mount -t tmpfs none "$1" && mkdir "$1/l" "$1/u" "$1/w" && ' +
      'mount -t overlay -o "lowerdir=$1/l,upperdir=$1/u,workdir=$1/w" none "$1"',
  },
  xfs: { mount: 'mkfs.xfs -q "$2" && mount -o loop "$2" "$1"', ignore: !has("mkfs.xfs") },
  btrfs: {
    mount: 'mkfs.btrfs -q "$2" && mount -o loop "$2" "$1"',
    ignore: !has("mkfs.btrfs"),
  },
};

/** Fetches two images of the same files, runs, verifies and removes them; prints what apps and rkt say. */
const SCRIPT = `set -e
  mkdir "$1"; truncate -s 512M "$2"; MOUNT
  of() { "$RKT" --dir="$1/rkt" --insecure-options=image "\${@:2}" 2>&1; }
  run() { of "$1" run --net=none "$2" --exec=/bin/cat -- /etc/passwd </dev/null; }
  oci=$(of "$1" fetch --quiet "oci-archive:$3") aci=$(of "$1" fetch --quiet "$4")
  run "$1" "$oci"; run "$1" "$oci"; run "$1" "$aci"
  of "$1" image verify "$oci" "$aci"
  for _ in 1 2; do of "$1" gc --grace-period=0s >/dev/null; done
  of "$1" image rm "$oci" "$aci"; of "$1" image gc`;

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
  const converted = await world.rkt(
    ...["image", "convert", `${world.dir}/box.aci`, `oci-archive:${world.dir}/box.tar`],
  );
  assert.equal(converted.code, 0, converted.stderr);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

for (const [name, { mount, ignore = false }] of Object.entries(KINDS)) {
  Deno.test({
    name: `a store on ${name}: images are fetched, run, verified and removed`,
    ignore,
    fn: async () => {
      const place = `${world.dir}/${name.replaceAll(" ", "-")}`;
      const after = `find "$1/rkt/cas" -path '*/cas/[bclt]*' -type f >"$1.left"; umount -R "$1"`;
      const script = `${SCRIPT.replace("MOUNT", mount)}; ${after}`;
      const { code, stdout, stderr } = await new Deno.Command("unshare", {
        args: ["-m", "bash", "-c", script, "bash"].concat(
          ...[place, `${place}.img`, `${world.dir}/box.tar`, `${world.dir}/box.aci`],
        ),
        env: { RKT },
      }).output();
      const said = new TextDecoder().decode(stdout);
      assert.equal(code, 0, said + new TextDecoder().decode(stderr));
      assert.equal(said.match(/^www:x:33:34::/gm)?.length, 3, said);
      assert.equal(said.match(/successfully verified/g)?.length, 2, said);
      assert.match(said, /2 image\(s\) successfully removed/);
      assert.equal(Deno.readTextFileSync(`${place}.left`), "", "what is left of the images");
    },
  });
}
