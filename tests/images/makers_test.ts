/** Images that other tools make go through build or convert, sign, publish, fetch and run; the same source gives the same ID. */
import assert from "node:assert/strict";
import { FetchWorld } from "../world/fetch_world.ts";
import { RKT, rkt } from "../world/rkt.ts";

const world = new FetchWorld();
const dir = world.directory;
const keys = `--keys=${dir}/keys`;
const site = `${dir}/site`;
Deno.test.afterAll(() => world[Symbol.dispose]());

/** A busybox, a file, and what runs: the same for all tools. */
Deno.test.beforeAll(async () => {
  sh(`mkdir -p root/bin; cp "$(command -v busybox)" root/bin/busybox; ln -s busybox root/bin/sh
    echo content >root/file; chmod 640 root/file; chown 7:8 root/file
    mkdir -p package/DEBIAN repository; cp -a root/. package
    printf 'Package: tool\\nVersion: 1\\nArchitecture: all\\nMaintainer: a\\nDescription: b\\n' >package/DEBIAN/control
    dpkg-deb -b package repository >/dev/null; cd repository; dpkg-scanpackages . >Packages`);
  const made = await rkt("key", "generate", keys, "Jo <jo@example.com>");
  assert.equal(made.code, 0, made.stderr);
});

/** Runs a script in the test's directory. */
function sh(script: string): string {
  const { success, stdout, stderr } = new Deno.Command("bash", {
    args: ["-euo", "pipefail", "-c", `cd ${dir}; ${script}`],
    env: { SOURCE_DATE_EPOCH: "1700000000", RKT, STORE: `--dir=${dir}/store` },
  }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

const STORAGE = `--root=${dir}/storage --runroot=${dir}/storage-run --storage-driver=vfs`;
const BUILD = '"$RKT" image build --name=example.com/made --label=version=1';
const CONVERT = `"$RKT" "$STORE" image convert --overwrite`;

/** How each tool makes its image, and how rkt takes it, into \`made.aci\`. */
const MAKERS: Readonly<Record<string, { readonly make?: string; readonly take: string }>> = {
  // Debian 12's buildah writes to a file, and to no pipe.
  buildah: {
    take: `container=$(buildah ${STORAGE} from scratch)
      buildah ${STORAGE} copy -q $container root / >/dev/null
      buildah ${STORAGE} copy -q --chown=7:8 $container root/file /file >/dev/null
      buildah ${STORAGE} config --entrypoint '["/bin/sh","-c","cat /file"]' $container
      buildah ${STORAGE} commit -q --timestamp=1700000000 $container local/made:1 >/dev/null
      buildah ${STORAGE} push -q local/made:1 oci-archive:buildah.tar
      ${CONVERT} - made.aci <buildah.tar`,
  },
  podman: {
    take: `podman ${STORAGE} save -q --format=oci-archive local/made:1 | ${CONVERT} - made.aci`,
  },
  umoci: {
    make: `umoci init --layout=umoci; umoci new --image=umoci:1; umoci insert --image=umoci:1 root /
      umoci config --image=umoci:1 --config.entrypoint=/bin/sh --config.entrypoint=-c --config.entrypoint='cat /file'`,
    take: `${CONVERT} oci:umoci:1 made.aci`,
  },
  mmdebstrap: {
    take: `mmdebstrap --quiet --mode=root --variant=extract --include=tool bookworm - \\
      "deb [trusted=yes] copy:$PWD/repository ./" | ${BUILD} --overwrite - made.aci -- /bin/sh -c 'cat /file'`,
  },
  tar: { take: `tar -C root -cf - . | ${BUILD} --overwrite - made.aci -- /bin/sh -c 'cat /file'` },
};

for (const [tool, { make, take }] of Object.entries(MAKERS)) {
  Deno.test(`what ${tool} makes is signed, published, fetched and run; twice it is the same`, async () => {
    if (make !== undefined) sh(make);
    const id = sh(`${take} >/dev/null; tar -xOf made.aci >/dev/null; sha512sum <made.aci`);
    assert.equal(sh(`${take} >/dev/null; sha512sum <made.aci`), id);
    const name = `example.com/${tool}`;
    sh(`"$RKT" image edit --overwrite --name=${name} --label=version=1 made.aci ${tool}.aci
      "$RKT" image sign ${keys} ${tool}.aci
      "$RKT" image publish ${keys} --url=https://cdn.example.com/i site ${tool}.aci`);
    for (const file of JSON.parse(Deno.readTextFileSync(`${site}/index.json`)).images) {
      for (const each of [file.file, `${file.file}.asc`]) {
        world.site.route(`https://cdn.example.com/i/${each}`, {
          body: Deno.readFileSync(`${site}/${each}`),
        });
      }
    }
    world.site.route("https://cdn.example.com/i/pubkeys.asc", {
      body: Deno.readFileSync(`${site}/pubkeys.asc`),
    });
    world.site.route("https://example.com/?ac-discovery=1", {
      body: Deno.readFileSync(`${site}/index.html`),
    });
    await world.rkt("trust", "--prefix=example.com", "--skip-fingerprint-review");
    const fetched = await world.rkt("fetch", `${name}:1`);
    assert.equal(fetched.code, 0, fetched.err);
    assert.match(fetched.err, /signature verified/);
    const ran = await world.here("run", "--net=none", `${name}:1`);
    assert.deepEqual([ran.code, ran.out], [0, "content\n"], ran.err);
    // The owner and the mode are as the tool has seen them.
    const listed = sh(`tar --numeric-owner -tvf ${tool}.aci | grep rootfs/file`);
    assert.match(listed, /^-rw-r----- 7\/8 /);
  });
}
