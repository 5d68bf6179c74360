/** Images as buildah, podman and skopeo push them: of each format, compression and as an index. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { tool } from "../../src/oci/testing/tools.ts";
import { PASSWORD, RegistryWorld } from "../world/registry_world.ts";

/**
 * Two layers; the second takes a file away and puts one over another.
 *
 * @param mark makes the layers others than those of other images, which tools would otherwise take what was pushed before for
 */
async function build(
  world: RegistryWorld,
  storage: readonly string[],
  mark: string,
): Promise<string> {
  const { path } = world;
  const buildah = async (...args: readonly string[]) =>
    (await tool("buildah", [...storage, ...args])).trim();
  const commit = async (container: string) =>
    await buildah("commit", "-q", "--signature-policy", `${path}/policy.json`, container);
  await Deno.mkdir(`${path}/files`, { recursive: true });
  for (const name of ["kept", "gone", "replaced"]) {
    await Deno.writeTextFile(`${path}/files/${name}`, `${name} ${"x".repeat(100_000)} ${mark}\n`);
  }
  const first = await buildah("from", "scratch");
  await buildah("copy", "-q", first, `${path}/files`, "/etc");
  const base = await commit(first);
  const second = await buildah("from", "--signature-policy", `${path}/policy.json`, base);
  const mounted = await buildah("mount", second);
  await Deno.remove(`${mounted}/etc/gone`);
  await Deno.writeTextFile(`${mounted}/etc/replaced`, `new ${mark}\n`);
  await buildah("umount", second);
  await buildah("config", "--cmd", "/etc/kept", "--label", "of=buildah", second);
  return await commit(second);
}

Deno.test("what buildah and podman push is fetched: formats, compressions, an index", async () => {
  await using world = await RegistryWorld.make();
  const { path, registry: { host } } = world;
  await world.rktWith(PASSWORD, "login", "--username=me", "--password-stdin", host);
  await Deno.writeTextFile(
    `${path}/policy.json`,
    '{"default":[{"type":"insecureAcceptAnything"}]}',
  );
  const storage = [
    "--root",
    `${path}/storage`,
    "--runroot",
    `${path}/run`,
    "--storage-driver",
    "vfs",
  ];
  const options = ["--tls-verify=false", `--authfile=${world.authFile}`];
  const podman = (...args: readonly string[]) => tool("podman", [...storage, ...args]);
  const push = async (name: string, ...args: readonly string[]) => {
    const id = await build(world, storage, name);
    await podman("push", "-q", ...options, ...args, id, `docker://${host}/${name}`);
  };
  await push("oci:gzip", "--format=oci");
  await push("docker:gzip", "--format=v2s2");
  await push("oci:zstd", "--format=oci", "--compression-format=zstd");
  await push("oci:chunked", "--format=oci", "--compression-format=zstd:chunked");
  await podman("manifest", "create", "all");
  await podman("manifest", "add", "all", ...options, `docker://${host}/oci:gzip`);
  await podman("manifest", "push", ...options, "all", `docker://${host}/oci:index`);

  const ids: string[] = [];
  for (const name of ["oci:gzip", "docker:gzip", "oci:zstd", "oci:chunked", "oci:index"]) {
    const mark = name === "oci:index" ? "oci:gzip" : name;
    const fetched = await world.rkt(
      ...["--insecure-options=image", "fetch", "--full", world.url(name)],
    );
    strictEqual(fetched.code, 0, `${name}: ${fetched.err}`);
    ids.push(fetched.out.trim());
    const target = `${path}/${name.replace(":", "-")}`;
    const rendered = await world.rkt("image", "render", "--rootfs-only", world.url(name), target);
    strictEqual(rendered.code, 0, `${name}: ${rendered.err}`);
    const files = [...Deno.readDirSync(`${target}/etc`)].map((each) => each.name).sort();
    deepStrictEqual(files, ["kept", "replaced"], name);
    strictEqual(await Deno.readTextFile(`${target}/etc/replaced`), `new ${mark}\n`);
    strictEqual(
      await Deno.readTextFile(`${target}/etc/kept`),
      `kept ${"x".repeat(100_000)} ${mark}\n`,
    );
  }
  // The index is for this platform what it was made of.
  strictEqual(ids[4], ids[0]);
  // They were what they are called.
  const raw = (name: string) => world.skopeo("inspect", "--raw", world.url(name));
  match(await raw("docker:gzip"), /docker\.image\.rootfs\.diff\.tar\.gzip/);
  match(await raw("oci:zstd"), /layer\.v1\.tar\+zstd/);
  match(await raw("oci:chunked"), /zstd-chunked\.manifest-checksum/);
  match(await raw("oci:index"), /"manifests":/);
});
