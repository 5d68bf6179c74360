/** Layers that skopeo has encrypted (containers/ocicrypt), by JWE and by OpenPGP. */
import assert from "node:assert/strict";
import { testImage } from "../world/aci.ts";
import { FetchWorld } from "../world/fetch_world.ts";
import { rkt } from "../world/rkt.ts";
import { succeed } from "../world/web_site.ts";

const world = new FetchWorld();
const dir = world.directory;
Deno.test.afterAll(() => world[Symbol.dispose]());

/** An image as a layout, encrypted to a key of each kind. */
async function encrypted(): Promise<Record<"rsa" | "curve" | "pgp", string>> {
  const aci = testImage(dir, { name: "example.com/secret", version: "1", shell: true });
  const made = await rkt("image", "convert", "--overwrite", aci, `oci:${dir}/plain:1`);
  assert.equal(made.code, 0, made.stderr);
  succeed("openssl", "genrsa", "-out", `${dir}/rsa.pem`, "2048");
  succeed(
    "openssl",
    "ecparam",
    "-name",
    "prime256v1",
    "-genkey",
    "-noout",
    "-out",
    `${dir}/curve.pem`,
  );
  for (const kind of ["rsa", "curve"]) {
    succeed(
      "openssl",
      "pkey",
      "-in",
      `${dir}/${kind}.pem`,
      "-pubout",
      "-out",
      `${dir}/${kind}.pub`,
    );
  }
  const key = world.gpg.key("host@example.com", "rsa2048");
  world.gpg.run(["--passphrase", "", "--quick-add-key", key, "rsa2048", "encr", "never"]);
  Deno.writeFileSync(
    `${dir}/pgp.pem`,
    world.gpg.run(["--armor", "--export-secret-keys", "host@example.com"]),
  );
  const layouts = { rsa: `${dir}/for-rsa`, curve: `${dir}/for-curve`, pgp: `${dir}/for-pgp` };
  const keys = {
    rsa: `jwe:${dir}/rsa.pub`,
    curve: `jwe:${dir}/curve.pub`,
    pgp: "pgp:host@example.com",
  };
  for (const kind of ["rsa", "curve", "pgp"] as const) {
    const { code, stderr } = await new Deno.Command("skopeo", {
      args: [
        ...["--insecure-policy", "copy", "--encryption-key", keys[kind]],
        ...[`oci:${dir}/plain:1`, `oci:${layouts[kind]}:1`],
      ],
      env: { GNUPGHOME: world.gpg.home },
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  }
  return layouts;
}

/** Gives the host a key. */
function keep(kind: string): void {
  Deno.mkdirSync(`${world.etc}/decryptkeys`, { recursive: true, mode: 0o700 });
  const name = kind === "pgp" ? "host.asc" : "host.pem";
  const content = Deno.readFileSync(`${dir}/${kind}.pem`);
  Deno.writeFileSync(`${world.etc}/decryptkeys/${name}`, content, { mode: 0o600 });
}

const fetch = (layout: string) =>
  world.rkt("--insecure-options=image", "fetch", "--full", `oci:${layout}:1`);

Deno.test("what skopeo encrypts by JWE and OpenPGP is decrypted by the host's keys, and runs", async () => {
  const layouts = await encrypted();
  for (const kind of ["rsa", "curve", "pgp"] as const) {
    world.reset();
    const without = await fetch(layouts[kind]);
    assert.equal(without.code, 254);
    assert.match(without.err, /layer 1 of 1: is encrypted to keys that are not here/);
    keep(kind);
    const fetched = await fetch(layouts[kind]);
    assert.equal(fetched.code, 0, fetched.err);
    const ran = await world.here(
      ...["--insecure-options=image", "run", "--net=none", fetched.out.trim()],
      ...["--exec=/bin/sh", "--", "-c", "echo it was secret"],
    );
    assert.deepEqual([ran.code, ran.out], [0, "it was secret\n"], ran.err);
  }
});
