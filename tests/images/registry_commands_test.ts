import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { digestOf } from "../../src/oci/hash.ts";
import { MANIFEST_TYPES } from "../../src/oci/media_types.ts";
import { jsonBytes } from "../../src/oci/testing/layout_fixture.ts";
import { tool } from "../../src/oci/testing/tools.ts";
import { testImage } from "../world/aci.ts";
import { PASSWORD, RegistryWorld } from "../world/registry_world.ts";
import { Tmux } from "../world/tmux.ts";

Deno.test("rkt login tries a password and keeps it for podman too; logout takes it out", async () => {
  await using world = await RegistryWorld.make();
  const { host } = world.registry;
  const login = (password: string, ...args: string[]) =>
    world.rktWith(password, "login", "--username=me", "--password-stdin", ...args, host);
  const wrong = await login("wrong");
  deepStrictEqual([wrong.code, wrong.out], [254, ""]);
  match(wrong.err, /^login: 127\.0\.0\.1:\d+: refuses the user or password: 401/);
  strictEqual(await Deno.stat(world.authFile).then(() => true, () => false), false);
  const empty = await login("");
  match(empty.err, /^login: there is no password on standard input/);

  const good = await login(`${PASSWORD}\n`);
  strictEqual(good.err, "");
  strictEqual(good.out, `Logged in to ${host} as me; ${world.authFile} keeps the password\n`);
  strictEqual(((await Deno.stat(world.authFile)).mode ?? 0) & 0o777, 0o600);
  const podman = (...args: string[]) =>
    tool("podman", [...args, `--authfile=${world.authFile}`], {
      env: { HOME: `${world.path}/home` },
    });
  strictEqual(await podman("login", "--get-login", host), "me\n");

  await world.skopeo("copy", `oci:${world.path}/layout:two`, world.url("team/app:1"));
  const tags = await world.rkt("image", "tags", world.url("team/app"));
  deepStrictEqual([tags.code, tags.out, tags.err], [0, "1\n", ""]);

  const out = await world.rkt("logout", host);
  deepStrictEqual([out.code, out.out], [0, `Logged out of ${host}\n`]);
  const again = await world.rkt("logout", host);
  match(again.err, /^logout: not logged in to 127/);
  const refused = await world.rkt("image", "tags", world.url("team/app"));
  match(refused.err, /asks for a user and password; rkt login 127\.0\.0\.1:\d+ keeps one\n$/);
  // podman's own login is seen, too.
  await tool("podman", [
    ...["login", "--tls-verify=false", `--authfile=${world.authFile}`, "-u", "me", "-p", PASSWORD],
    host,
  ]);
  strictEqual((await world.rkt("image", "tags", world.url("team/app"))).out, "1\n");
  strictEqual((await world.rkt("logout", "--all")).code, 0);
});

Deno.test("rkt login asks at the terminal, and shows no password", async () => {
  await using world = await RegistryWorld.make();
  using tmux = new Tmux(200);
  const { host } = world.registry;
  tmux.enter(`${world.commandLine("login", host)}; echo "status $?"`);
  await tmux.see(/User of 127\.0\.0\.1:\d+:$/);
  // A slip of the finger, taken back.
  tmux.type("mee");
  tmux.press("BSpace", "Enter");
  await tmux.see(/Password:$/);
  tmux.enter(PASSWORD);
  await tmux.see(/Logged in to 127.* as me;[^]*status 0/);
  strictEqual(tmux.screen.includes(PASSWORD), false);
  strictEqual((await world.rkt("logout", host)).code, 0);
  // Given up; the terminal is as it was.
  tmux.enter(`clear; ${world.commandLine("login", "--username=me", host)}; echo "status $?"`);
  await tmux.see(/Password:$/);
  tmux.type("abc");
  tmux.press("C-c");
  await tmux.see(/login: given up\n+status 254/);
  tmux.enter("stty -a | tr ' ' '\\n' | grep -c -x echo");
  await tmux.see(/^1$/m);
  strictEqual((await world.rkt("login", "--username=me", host)).code, 254);
});

Deno.test("rkt image tags, list and inspect show what a registry has", async () => {
  await using world = await RegistryWorld.make();
  await world.rktWith(PASSWORD, "login", "--username=me", "--password-stdin", world.registry.host);
  for (const tag of ["1", "2", "latest"]) {
    await world.skopeo("copy", `oci:${world.path}/layout:two`, world.url(`team/app:${tag}`));
  }
  const tags = await world.rkt("image", "tags", "--format=json", world.url("team/app"));
  deepStrictEqual(JSON.parse(tags.out), {
    name: `${world.registry.host}/team/app`,
    tags: ["1", "2", "latest"],
  });
  const inspected = await world.rkt("image", "inspect", world.url("team/app:2"));
  strictEqual(inspected.err, "");
  match(inspected.out, /^name +127\.0\.0\.1_\d+\/team\/app$/m);
  match(inspected.out, /^command +\["\/bin\/hello"\]$/m);
  const digest = JSON.parse(await world.skopeo("inspect", world.url("team/app:2"))).Digest;
  match(inspected.out, new RegExp(`^id +${digest.replace(":", "-")}$`, "m"));
  const raw = await world.skopeo("inspect", "--raw", world.url("team/app:1"));
  const sizes: number[] = JSON.parse(raw).layers.map(({ size }: { size: number }) => size);
  const size = sizes.reduce((sum, each) => sum + each, 0);
  const index = jsonBytes({
    schemaVersion: 2,
    manifests: [
      ["linux", "arm64"],
      ["unknown", "unknown"],
    ].map(([os, architecture]) => ({
      mediaType: MANIFEST_TYPES.ociManifest,
      digest,
      size: new TextEncoder().encode(raw).length,
      platform: { os, architecture },
    })),
  });
  await world.put("team/app", "all", [], { bytes: index, mediaType: MANIFEST_TYPES.ociIndex });
  const list = await world.rkt("image", "list", "--full", world.url("team/app"));
  deepStrictEqual(list.out.trim().split("\n").map((line) => line.split(/\t+/)), [
    ["TAG", "DIGEST", "SIZE", "PLATFORMS"],
    ...["1", "2"].map((tag) => [tag, digest, `${size}`, "-"]),
    ["all", digestOf(index), "-", "linux/arm64"],
    ["latest", digest, `${size}`, "-"],
  ]);
  const json = await world.rkt("image", "list", "--format=json", world.url("team/app"));
  deepStrictEqual(JSON.parse(json.out)[0], { tag: "1", digest, platforms: [], size });
  const unknown = await world.rkt("image", "list", "--sort=name", world.url("team/app"));
  match(unknown.err, /^list: --sort is for the images of the store\n$/);
  match((await world.rkt("image", "list", "nginx")).err, /"nginx" is not a name like docker:/);
  const none = await world.rkt("image", "inspect", world.url("team/none"));
  match(none.err, /^inspect: docker:\/\/127.*: not in .*: 404/);
  strictEqual((await world.rkt("image", "tags", "nginx")).code, 254);
});

Deno.test("rkt image push: unchanged where the layers are there, else compressed anew", async () => {
  await using world = await RegistryWorld.make();
  await world.rktWith(PASSWORD, "login", "--username=me", "--password-stdin", world.registry.host);
  await world.skopeo("copy", `oci:${world.path}/layout:two`, world.url("team/app:1"));
  const layers = async (name: string): Promise<string[]> =>
    JSON.parse(await world.skopeo("inspect", "--config", world.url(name))).rootfs.diff_ids;
  const { Digest: digest } = JSON.parse(await world.skopeo("inspect", world.url("team/app:1")));
  const fetched = await world.rkt("--insecure-options=image", "fetch", world.url("team/app:1"));
  strictEqual(fetched.code, 0, fetched.err);

  // To another tag, and to another repository of the same registry.
  for (const target of ["team/app:2", "other/app:1"]) {
    const pushed = await world.rkt("image", "push", world.url("team/app:1"), world.url(target));
    deepStrictEqual([pushed.code, pushed.out], [0, `${digest}\n`], pushed.err);
    match(pushed.err, target.startsWith("team") ? /is there already/ : /taken from team\/app/);
    strictEqual(JSON.parse(await world.skopeo("inspect", world.url(target))).Digest, digest);
  }
  // An image that no registry had: its layers were gzipped by umoci, and are now by rkt.
  const local = await world.rkt(
    ...["--insecure-options=image", "fetch", "--full", `oci:${world.path}/layout:one`],
  );
  const pushed = await world.rkt("image", "push", local.out.trim(), world.url("local/app:1"));
  strictEqual(pushed.code, 0, pushed.err);
  match(pushed.err, /layer 1 of 1: sending/);
  const config = JSON.parse(
    await tool("skopeo", ["inspect", "--config", `oci:${world.path}/layout:one`]),
  );
  deepStrictEqual(await layers("local/app:1"), config.rootfs.diff_ids);
  match(pushed.out, /^sha256:[0-9a-f]{64}\n$/);

  const pinned = await world.rkt(
    "image",
    "push",
    world.url("team/app:1"),
    world.url(`x@${digest}`),
  );
  match(
    pinned.err,
    /^push: push: a name with a digest can't be chosen|^push: a name with a digest/,
  );
});

Deno.test("rkt image push makes an OCI image of an ACI, which podman's tools and rkt read", async () => {
  await using world = await RegistryWorld.make();
  await world.rktWith(PASSWORD, "login", "--username=me", "--password-stdin", world.registry.host);
  const file = testImage(world.path, {
    name: "example.com/app",
    version: "1.0",
    files: { "bin/app": "the app", "etc/conf": "the conf" },
    manifest: {
      app: {
        exec: ["/bin/app", "--flag"],
        user: "7",
        group: "8",
        environment: [{ name: "A", value: "1" }],
        ports: [{ name: "http", protocol: "tcp", port: 80 }],
        mountPoints: [{ name: "data", path: "/data" }],
      },
    },
  });
  const fetched = await world.rkt("--insecure-options=image", "fetch", file);
  strictEqual(fetched.code, 0, fetched.err);
  const pushed = await world.rkt("image", "push", "example.com/app:1.0", world.url("team/aci:1"));
  strictEqual(pushed.code, 0, pushed.err);
  const config = JSON.parse(await world.skopeo("inspect", "--config", world.url("team/aci:1")));
  deepStrictEqual(config.config, {
    User: "7:8",
    ExposedPorts: { "80/tcp": {} },
    Env: ["A=1"],
    Entrypoint: ["/bin/app", "--flag"],
    Volumes: { "/data": {} },
    WorkingDir: "/",
  });
  // The same files come out of it.
  await tool("skopeo", [
    ...["copy", "--insecure-policy", "--src-tls-verify=false", `--src-creds=me:${PASSWORD}`],
    world.url("team/aci:1"),
    `oci:${world.path}/back:1`,
  ]);
  await tool("umoci", ["unpack", "--image", `${world.path}/back:1`, `${world.path}/bundle`]);
  strictEqual(await Deno.readTextFile(`${world.path}/bundle/rootfs/bin/app`), "the app");
  strictEqual(await Deno.readTextFile(`${world.path}/bundle/rootfs/etc/conf`), "the conf");
  const again = await world.rkt("--insecure-options=image", "fetch", world.url("team/aci:1"));
  strictEqual(again.code, 0, again.err);
  ok(again.out.startsWith("sha256-"));
});
