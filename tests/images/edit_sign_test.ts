/** `rkt image edit`, `validate` and `sign`, `rkt key`: what a maker of images does with one before it is published. */
import assert from "node:assert/strict";
import { testImage } from "../world/aci.ts";
import { FetchWorld } from "../world/fetch_world.ts";
import { type Outcome, RKT, rkt } from "../world/rkt.ts";

const world = new FetchWorld();
Deno.test.afterAll(() => world[Symbol.dispose]());

const ok = async (...words: string[]): Promise<string> => {
  const { code, stdout, stderr } = await rkt(...words);
  assert.equal(code, 0, `${words}: ${stderr}`);
  return stdout.trim();
};

const image = (files: Record<string, string> = { "bin/app": "the app" }) =>
  testImage(world.directory, { name: "example.com/app", version: "1.0", files });

function sha512(path: string): string {
  const script = 'gzip -cdf <"$0" | sha512sum | cut -d " " -f 1';
  const { stdout } = new Deno.Command("sh", { args: ["-c", script, path] }).outputSync();
  return `sha512-${new TextDecoder().decode(stdout).trim()}`;
}

function listing(path: string): string[] {
  const { stdout } = new Deno.Command("tar", { args: ["-tvf", path] }).outputSync();
  return new TextDecoder().decode(stdout).trim().split("\n")
    .filter((line) => !/ manifest$/.test(line)).sort();
}

Deno.test("image edit changes the manifest and nothing else", async () => {
  const path = image({ "bin/app": "x".repeat(100_000), "etc/conf": "y" });
  const out = `${world.directory}/edited.aci`;
  const id = await ok(
    "image",
    "edit",
    "--label=version=2",
    "--environment=A=b",
    path,
    out,
    "--",
    "/bin/app",
    "-v",
  );
  assert.equal(id, sha512(out));
  assert.deepEqual(listing(out), listing(path));
  const manifest = JSON.parse(await ok("image", "cat-manifest", out));
  assert.deepEqual(manifest.app.exec, ["/bin/app", "-v"]);
  assert.deepEqual(manifest.app.environment, [{ name: "A", value: "b" }]);
  assert.ok(
    manifest.labels.some((label: { name: string; value: string }) =>
      label.name === "version" && label.value === "2"
    ),
  );
  // Back again, in place, is the same as once more.
  assert.equal(await ok("image", "edit", "--overwrite", "--label=version=2", out), id);
  const refused = await rkt("image", "edit", "--label=version=3", out);
  assert.deepEqual([refused.code, refused.stdout], [254, ""]);
  assert.match(
    refused.stderr,
    /would become another image; name a new FILE, or add --overwrite\n$/,
  );
});

/** An archive of tar with this manifest. */
function withManifest(manifest: unknown): string {
  const dir = Deno.makeTempDirSync({ dir: world.directory });
  Deno.mkdirSync(`${dir}/rootfs`);
  const text = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
  Deno.writeTextFileSync(`${dir}/manifest`, text);
  new Deno.Command("tar", { args: ["-C", dir, "-cf", `${dir}/x.aci`, "manifest", "rootfs"] })
    .outputSync();
  return `${dir}/x.aci`;
}

Deno.test("image validate says all that is wrong, each with its place", async () => {
  const path = withManifest({
    acKind: "Image",
    acVersion: "0.8.11",
    name: "Not A Name",
    labels: [{ name: "os", value: "linux" }, { name: "os", value: "linux" }],
    app: {
      exec: ["/bin/app"],
      group: "0",
      ports: [{ name: "http", protocol: "tcp", port: 80 }, {
        name: "b",
        protocol: "tcp",
        port: 70000,
      }],
      environment: [{ name: "1", value: "" }],
      workingDirectory: "relative",
    },
    dependencies: [{ imageName: "example.com/x", imageID: "sha512-1" }],
  });
  const { code, stdout } = await rkt("image", "validate", path);
  assert.equal(code, 1);
  const places = stdout.split("\n").flatMap((line) => /: error: ([^:]*): /.exec(line)?.[1] ?? []);
  assert.deepEqual(places.map((place) => place.replace(/\.(name|imageID)$/, "")).sort(), [
    ...["acKind", "app.environment[0]", "app.ports[1].port", "app.user", "app.workingDirectory"],
    ...["dependencies[0]", "labels[1]", "name"],
  ]);
  for (const bad of ["nonsense", "[]", "{}", '{"acKind":7}']) {
    const ended = await rkt("image", "validate", withManifest(bad));
    assert.equal(ended.code, 1, bad);
    assert.match(ended.stdout, /: error: /);
  }
  const damaged = `${world.directory}/damaged.aci`;
  const whole = Deno.readFileSync(image());
  Deno.writeFileSync(damaged, whole.subarray(0, whole.length / 2));
  const cut = await rkt("image", "validate", damaged);
  assert.deepEqual([cut.code, /: error: archive: /.test(cut.stdout)], [1, true], cut.stdout);
});

Deno.test("image validate warns of what is hardly meant, and says what the app may do", async () => {
  const root = `${world.directory}/strange`;
  Deno.mkdirSync(root);
  for (const [name, mode] of [["setuid", 0o4755], ["open", 0o666]] as const) {
    Deno.writeTextFileSync(`${root}/${name}`, "");
    Deno.chmodSync(`${root}/${name}`, mode);
  }
  const path = `${world.directory}/strange.aci`;
  await ok(
    ...[
      "image",
      "build",
      "--name=example.com/strange",
      "--dependency=example.com/below",
      root,
      path,
    ],
  );
  const text = await ok("image", "validate", path);
  assert.match(text, /warning: labels: there is no label "version"/);
  assert.match(text, /warning: "rootfs\/setuid": is setuid or setgid/);
  assert.match(text, /warning: "rootfs\/open": can be written by everybody/);
  assert.match(
    text,
    /warning: dependencies\[0\]: example.com\/below may be another image tomorrow/,
  );
  const lacking = `${world.directory}/lacking.aci`;
  await ok(
    ...[
      "image",
      "build",
      "--name=example.com/a",
      "--working-dir=/srv",
      "--isolator=os/linux/capabilities-retain-set=" + '{"set":["CAP_SYS_ADMIN"]}',
    ],
    ...[root, lacking, "--", "/bin/app"],
  );
  const said = await ok("image", "validate", lacking);
  assert.match(said, /warning: app.exec\[0\]: \/bin\/app is not in the image/);
  assert.match(said, /warning: app.workingDirectory: \/srv is not in the image/);
  assert.match(said, /SYS_ADMIN/);
  const [json] = JSON.parse(await ok("image", "validate", "--format=json", lacking));
  assert.ok(json.findings.length >= 3 && json.id.startsWith("sha512-"));
});

Deno.test("image validate reads OCI images as a fetch would, whatever they are called by", async () => {
  const words = [`--dir=${world.data}`, "image"];
  const [oci, docker] = [`${world.directory}/oci.tar`, `${world.directory}/docker.tar`];
  await ok(...words, "convert", image(), `oci-archive:${oci}:1`);
  await ok(...words, "convert", image(), `docker-archive:${docker}`);
  for (const text of [oci, docker, `oci-archive:${oci}:1`, `docker-archive:${docker}`]) {
    assert.match(await ok(...words, "validate", text), /: is an OCI image$/m, text);
  }
  const [json] = JSON.parse(await ok(...words, "validate", "--format=json", oci));
  assert.match(json.id, /^sha256-[0-9a-f]{64}$/);
  // A bit of the layer that is another one: what its digest is for.
  const bytes = Deno.readFileSync(oci);
  const at = new TextDecoder("latin1").decode(bytes).indexOf("the app");
  assert.ok(at > 0);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  Deno.writeFileSync(oci, bytes);
  const damaged = await rkt(...words, "validate", oci);
  assert.equal(damaged.code, 1, damaged.stderr);
  assert.match(damaged.stdout, /: error: image: .*its bytes have the digest/);
  assert.deepEqual([...Deno.readDirSync(`${world.data}/cas/tmp`)], []);
});

/** Fetches a file and its signature with a key trusted. */
async function fetched(path: string, publicKey: string): Promise<Outcome> {
  const etc = Deno.makeTempDirSync({ dir: world.directory });
  const data = `${etc}/data`;
  const global = [`--dir=${data}`, `--local-config=${etc}`, `--system-config=${etc}/none`];
  Deno.writeTextFileSync(`${etc}/key.asc`, publicKey);
  await ok(
    ...global,
    "trust",
    "--prefix=example.com",
    "--skip-fingerprint-review",
    `${etc}/key.asc`,
  );
  return await rkt(...global, "fetch", path);
}

Deno.test("a key that rkt made signs what rkt and gpg verify; several sign one image", async () => {
  const keys = `--keys=${world.directory}/keys`;
  const path = image();
  const none = await rkt("image", "sign", keys, "--key=ffffffffffffffff", path);
  assert.equal(none.code, 254);
  const fingerprint = await ok("key", "generate", keys, "Jo <jo@example.com>");
  const { mode } = Deno.statSync(`${world.directory}/keys/${fingerprint}.key`);
  assert.equal((mode ?? 0) & 0o777, 0o600);
  assert.match(
    await ok("key", "list", keys, "--no-legend"),
    new RegExp(`^${fingerprint}\\t.*Jo <jo@example.com>$`),
  );
  const exported = await ok("key", "export", keys, fingerprint.slice(-16));
  assert.match(exported, /^-----BEGIN PGP PUBLIC KEY BLOCK-----/);

  assert.equal(await ok("image", "sign", keys, path), `${path}.asc`);
  assert.equal((await fetched(path, exported)).code, 0);
  Deno.writeTextFileSync(`${world.directory}/pub.asc`, exported);
  world.gpg.run(["--import", `${world.directory}/pub.asc`]);
  world.gpg.run(["--verify", `${path}.asc`, path]);

  const again = await rkt("image", "sign", keys, path);
  assert.deepEqual([again.code, /exists; --add keeps/.test(again.stderr)], [254, true]);
  const other = await ok("key", "generate", keys, "builds@example.com");
  const two = await rkt("image", "sign", keys, "--overwrite", path);
  assert.match(two.stderr, /there are several keys/);
  await ok("image", "sign", keys, "--add", `--key=${other}`, path);
  for (const key of [fingerprint, other]) {
    assert.equal((await fetched(path, await ok("key", "export", keys, key))).code, 0, key);
  }
  // Tampered with, it is refused.
  const bytes = Deno.readFileSync(path);
  const changed = `${world.directory}/changed.aci`;
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  Deno.writeFileSync(changed, bytes);
  Deno.copyFileSync(`${path}.asc`, `${changed}.asc`);
  assert.equal((await fetched(changed, exported)).code, 254);
});

Deno.test("gpg gets the variables of whoever calls rkt, and not those of its runtime", async () => {
  const programs = `${world.directory}/programs`;
  Deno.mkdirSync(programs);
  const script = '#!/bin/sh\necho "home $HOME, $OTHER" >&2; exit 1\n';
  Deno.writeTextFileSync(`${programs}/gpg`, script, { mode: 0o755 });
  const { code, stderr } = await new Deno.Command(RKT, {
    args: ["image", "sign", "--overwrite", `--keys=${world.directory}/none`, image()],
    clearEnv: true,
    env: { HOME: "/home/of-mine", OTHER: "word", PATH: `${programs}:/usr/bin:/bin` },
    stdin: "null",
  }).output();
  assert.equal(code, 254);
  assert.match(new TextDecoder().decode(stderr), /^home \/home\/of-mine, word\nsign: gpg did not/);
});

Deno.test("gpg signs with its keys; keys that others may read, or that need a passphrase, are refused", async () => {
  const path = image();
  const sign = async (...words: string[]) => {
    const { code, stderr } = await new Deno.Command(RKT, {
      args: ["image", "sign", "--overwrite", `--keys=${world.directory}/none`, ...words, path],
      env: { GNUPGHOME: world.gpg.home },
      stdin: "null",
    }).output();
    return { code, stderr: new TextDecoder().decode(stderr) };
  };
  const { key } = world;
  assert.equal((await sign(`--key=${key}`)).code, 0);
  const exported = new TextDecoder().decode(world.gpg.export(key));
  assert.equal((await fetched(path, exported)).code, 0);
  assert.equal((await sign()).code, 0);
  assert.equal((await sign("--key=nobody@example.com")).code, 254);

  const secret = `${world.directory}/secret.asc`;
  Deno.writeFileSync(secret, world.gpg.run(["--armor", "--export-secret-keys", key]));
  const open = await sign(`--key-file=${secret}`);
  assert.deepEqual([open.code, /others may read it; chmod 600/.test(open.stderr)], [254, true]);
  Deno.chmodSync(secret, 0o600);
  assert.equal((await sign(`--key-file=${secret}`)).code, 0);
  assert.equal((await fetched(path, exported)).code, 0);
  world.gpg.run([
    ...["--passphrase", "secret", "--pinentry-mode", "loopback"],
    ...["--quick-generate-key", "Locked <locked@example.com>", "ed25519", "sign", "never"],
  ]);
  const locked = ["--armor", "--pinentry-mode", "loopback", "--passphrase", "secret"];
  Deno.writeFileSync(
    secret,
    world.gpg.run([...locked, "--export-secret-keys", "locked@example.com"]),
  );
  const refused = await sign(`--key-file=${secret}`);
  assert.match(refused.stderr, /it is protected by a passphrase/);
});

Deno.test("keys are in the home of whoever calls rkt, unless --keys says otherwise", async () => {
  const home = `${world.directory}/home`;
  const places = [
    [{ HOME: home }, `${home}/.config/rkt/keys`],
    [{ HOME: home, XDG_CONFIG_HOME: `${home}/xdg` }, `${home}/xdg/rkt/keys`],
  ] as const;
  for (const [env, place] of places) {
    const { success, stdout, stderr } = await new Deno.Command(RKT, {
      args: ["key", "generate", "home@example.com"],
      clearEnv: true,
      env,
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const fingerprint = new TextDecoder().decode(stdout).trim();
    assert.ok(Deno.statSync(`${place}/${fingerprint}.key`).isFile);
  }
});
