/** Images as buildah, podman and skopeo push them: of each format, compression and as an index. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { tool } from "../../src/oci/testing/tools.ts";
import { treeListing as wholeListing } from "../world/tree_listing.ts";
import { PASSWORD, RegistryWorld } from "../world/registry_world.ts";

/** All but the root: no layer of these lists it, and podman gives it other permissions than umoci and rkt do. */
const treeListing = async (path: string) =>
  (await wholeListing(path)).filter((line) => !line.startsWith('["./."'));

/** Files of every kind that a layer can have, with times of their own. */
const SPECIAL = `mkdir "$1/special"; cd "$1/special"; mkdir below
  echo suid > suid; chown 7:8 suid; chmod 4755 suid; ln suid below/other-name
  ln -s ../suid below/link; mkfifo -m 0620 fifo
  truncate -s 3M sparse; printf data | dd of=sparse bs=1 seek=1048576 conv=notrunc 2>/dev/null
  python3 -c 'import os; os.setxattr("suid", "user.mime", b"text/plain")'
  touch -d '2001-02-03 04:05:06' suid; touch -d 2003-03-03 sparse fifo; chmod 1777 below
  touch -h -d 2002-02-02 below/link`;

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
  await tool("bash", ["-c", SPECIAL, "bash", mounted]);
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
  /** What podman shows of each. */
  const built = new Map<string, readonly string[]>();
  const push = async (name: string, ...args: readonly string[]) => {
    const id = await build(world, storage, name);
    built.set(name, await treeListing((await podman("image", "mount", id)).trim()));
    await podman("image", "umount", id);
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
    const render = async (image: string, to: string) => {
      const words = ["image", "render", "--rootfs-only", "--special-files", image, to];
      const { code, err } = await world.rkt(...words);
      strictEqual(code, 0, `${name}: ${err}`);
      return await treeListing(to);
    };
    deepStrictEqual(await render(world.url(name), target), built.get(mark), name);
    // To an App Container Image and back.
    const [aci, back] = [`${target}.aci`, `oci-archive:${target}.tar:1`];
    for (const words of [[world.url(name), aci], [aci, back]]) {
      const { code, err } = await world.rkt("image", "convert", ...words);
      strictEqual(code, 0, `${name}: ${err}`);
    }
    const again = await world.rkt("--insecure-options=image", "fetch", "--full", back);
    strictEqual(again.code, 0, again.err);
    deepStrictEqual(await render(again.out.trim(), `${target}-back`), built.get(mark), name);
    await tool("umoci", ["init", "--layout", `${target}.layout`]);
    await tool("skopeo", ["copy", "--insecure-policy", back, `oci:${target}.layout:1`]);
    await tool("umoci", ["unpack", "--image", `${target}.layout:1`, `${target}.bundle`]);
    deepStrictEqual(await treeListing(`${target}.bundle/rootfs`), built.get(mark), name);
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
