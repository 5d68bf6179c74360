import { deepStrictEqual, match, rejects, strictEqual, throws } from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { archive, entry, symlink } from "../aci/testing/archive_fixture.ts";
import { Failure } from "../failure.ts";
import { ArchiveFiles } from "./archive_files.ts";
import { openDockerArchive } from "./docker_archive.ts";
import { digestOf } from "./hash.ts";
import { type ImageSource, readBlob, readConfig } from "./image_source.ts";
import { parseOciLocation } from "./location.ts";
import { openLocalSource } from "./open_source.ts";
import { BlobFixture, jsonBytes } from "./testing/layout_fixture.ts";
import { tool, umociLayout } from "./testing/tools.ts";

async function inDirectory(test: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "rkt-oci-" });
  try {
    await test(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

async function open(text: string, directory: string): Promise<ImageSource> {
  const location = parseOciLocation(text);
  if (location === undefined || location.kind === "registry") throw new Error(text);
  return await openLocalSource(location, { temporaryDirectory: directory, maxBytes: 1 << 20 });
}

/** Reads everything of an image: its command, and the digests of its layers. */
async function readAll(text: string, directory: string) {
  await using source = await open(text, directory);
  const { manifest, digest } = await source.manifest();
  const { config } = await readConfig(source);
  const layers = await Promise.all(manifest.layers.map((each) => readBlob(source, each)));
  return { digest, command: config.process.cmd, layers: layers.map((each) => digestOf(each)) };
}

const refuses = (text: string, directory: string, reason: RegExp) =>
  rejects(() => readAll(text, directory), (error) => {
    match(String(error), reason);
    return error instanceof Failure;
  });

Deno.test("images of umoci and skopeo: layout, archives of both kinds, compressed ones", async () => {
  await inDirectory(async (path) => {
    const layout = `${path}/layout`;
    await umociLayout(layout);
    const skopeo = async (tag: string, to: string) =>
      await tool("skopeo", ["copy", "--insecure-policy", `oci:${layout}:${tag}`, to]);
    await skopeo("two", `oci-archive:${path}/oci.tar:two`);
    await skopeo("two", `docker-archive:${path}/docker.tar:example.com/app:1`);
    await tool("gzip", ["-k", `${path}/docker.tar`]);
    await tool("zstd", ["-q", `${path}/oci.tar`]);

    const whole = await readAll(`oci:${layout}:two`, path);
    deepStrictEqual(whole.command, ["/bin/hello"]);
    strictEqual(whole.layers.length, 2);
    strictEqual((await readAll(`oci:${layout}:one`, path)).layers[0], whole.layers[0]);
    deepStrictEqual(await readAll(`oci-archive:${path}/oci.tar`, path), whole);
    deepStrictEqual(await readAll(`oci-archive:${path}/oci.tar:two`, path), whole);
    deepStrictEqual(await readAll(`oci-archive:${path}/oci.tar.zst`, path), whole);
    deepStrictEqual(await readAll(`oci:${layout}:@${whole.digest}`, path), whole);

    const docker = await readAll(`docker-archive:${path}/docker.tar`, path);
    deepStrictEqual(docker.command, ["/bin/hello"]);
    deepStrictEqual(
      await readAll(`docker-archive:${path}/docker.tar:example.com/app:1`, path),
      docker,
    );
    deepStrictEqual(await readAll(`docker-archive:${path}/docker.tar.gz`, path), docker);
    // skopeo reads what we make of it: the layers are those of the configuration.
    const diffIds = JSON.parse(
      await tool("skopeo", ["inspect", "--config", `docker-archive:${path}/docker.tar`]),
    ).rootfs.diff_ids;
    deepStrictEqual(docker.layers, diffIds);

    await refuses(`oci:${layout}`, path, /which image\? There is "one", "two"/);
    await refuses(`oci:${layout}:three`, path, /no image is called "three" in it; there is "one"/);
    await refuses(`docker-archive:${path}/docker.tar:x`, path, /there is "example.com\/app:1"/);
    deepStrictEqual([...Deno.readDirSync(path)].filter(({ name }) => /^archive-/.test(name)), []);
  });
});

Deno.test("podman and buildah: an archive of podman save, and of both kinds of layers", async () => {
  await inDirectory(async (path) => {
    const layout = `${path}/layout`;
    await umociLayout(layout);
    const storage = [
      "--root",
      `${path}/storage`,
      "--runroot",
      `${path}/run`,
      "--storage-driver",
      "vfs",
    ];
    const policy = ["--signature-policy", `${path}/policy.json`];
    await Deno.writeTextFile(policy[1] ?? "", '{"default":[{"type":"insecureAcceptAnything"}]}');
    await tool("buildah", [...storage, "pull", ...policy, `oci:${layout}:two`]);
    const images = JSON.parse(await tool("buildah", [...storage, "images", "--json"]));
    const id: string = images[0].id;
    for (
      const [format, transport] of [["docker-archive", "docker-archive"], [
        "oci-archive",
        "oci-archive",
      ]]
    ) {
      await tool("podman", [
        ...storage,
        "save",
        "--format",
        `${format}`,
        "-o",
        `${path}/${format}.tar`,
        id,
      ]);
      const read = await readAll(`${transport}:${path}/${format}.tar`, path);
      deepStrictEqual(read.command, ["/bin/hello"]);
      strictEqual(read.layers.length, 2);
    }
  });
});

Deno.test("standard input is spooled, and what is too large is refused", async () => {
  await inDirectory(async (path) => {
    const layout = `${path}/layout`;
    await umociLayout(layout);
    await tool("skopeo", [
      "copy",
      "--insecure-policy",
      `oci:${layout}:two`,
      `docker-archive:${path}/docker.tar`,
    ]);
    const program = `
      import { openLocalSource } from "${new URL("open_source.ts", import.meta.url)}";
      import { readConfig } from "${new URL("image_source.ts", import.meta.url)}";
      const location = { kind: "docker-archive", path: "-" };
      const options = { temporaryDirectory: ${
      JSON.stringify(path)
    }, maxBytes: Number(Deno.args[0]) };
      try {
        await using source = await openLocalSource(location, options);
        console.log((await readConfig(source)).config.process.cmd.join());
      } catch (error) {
        console.log(error.message);
      }`;
    await Deno.writeTextFile(`${path}/program.ts`, program);
    const run = (limit: number, input: string) =>
      tool("sh", [
        "-c",
        `cat ${input} | ${Deno.execPath()} run -A --no-check ${path}/program.ts ${limit}`,
      ]);
    strictEqual(await run(1 << 20, `${path}/docker.tar`), "/bin/hello\n");
    strictEqual(await run(1000, `${path}/docker.tar`), "standard input: larger than 1000 bytes\n");
    match(await run(1 << 20, "/dev/null"), /^standard input: is empty/);
  });
});

const HELLO = new TextEncoder().encode("hello");

Deno.test("a layout is refused where something of it is not what it says", async () => {
  await inDirectory(async (path) => {
    let count = 0;
    const written = async (
      fixture: BlobFixture,
      ...manifests: Parameters<BlobFixture["writeLayout"]>[1]
    ) => {
      const layout = `${path}/${count++}`;
      await fixture.writeLayout(layout, manifests);
      return layout;
    };
    const good = new BlobFixture();
    const image = good.image([HELLO]);
    strictEqual((await readAll(`oci:${await written(good, image)}`, path)).layers.length, 1);

    const blob = (layout: string, digest: string) => `${layout}/blobs/${digest.replace(":", "/")}`;
    const changed = async (digest: string, bytes: string) => {
      const layout = await written(good, image);
      await Deno.writeTextFile(blob(layout, digest), bytes);
      return `oci:${layout}`;
    };
    const layer = digestOf(HELLO);
    await refuses(
      await changed(layer, "hallo"),
      path,
      /its bytes have the digest sha256:.*but sha256/,
    );
    await refuses(await changed(layer, "hell"), path, /ends after 4 of 5 bytes/);
    await refuses(await changed(layer, "hello!"), path, /more than the 5 bytes/);
    await refuses(await changed(image.digest, "{}"), path, /manifest sha256.*has 2 bytes, but/);
    const other = " ".repeat(image.size);
    await refuses(await changed(image.digest, other), path, /manifest .* have the digest sha256/);

    const missing = await written(good, image);
    await Deno.remove(blob(missing, layer));
    await refuses(`oci:${missing}`, path, /not in the layout/);
    const pipe = await written(good, image);
    await Deno.remove(blob(pipe, layer));
    await tool("mkfifo", [blob(pipe, layer)]);
    await refuses(`oci:${pipe}`, path, /not a regular file/);

    const version = await written(good, image);
    await Deno.writeTextFile(`${version}/oci-layout`, '{"imageLayoutVersion":"2.0.0"}');
    await refuses(`oci:${version}`, path, /OCI layout of version "2.0.0"/);
    await Deno.remove(`${version}/oci-layout`);
    await refuses(`oci:${version}`, path, /no OCI layout/);
    await refuses(`oci:${path}/none`, path, /no such directory/);

    const arm = new BlobFixture();
    const foreign = arm.image([HELLO], { config: { architecture: "s390x" } });
    await refuses(`oci:${await written(arm, foreign)}`, path, /is for "linux\/s390x"/);
    const wrong = new BlobFixture();
    const count0 = wrong.image([HELLO], { config: { rootfs: { type: "layers", diff_ids: [] } } });
    await refuses(`oci:${await written(wrong, count0)}`, path, /0 diff IDs/);
    const lying = { ...image, mediaType: "application/vnd.oci.image.index.v1+json" };
    await refuses(`oci:${await written(good, lying)}`, path, /ambiguous/);
    // Indexes inside each other.
    const deep = new BlobFixture();
    let nested = deep.image([HELLO]);
    for (let depth = 0; depth < 5; depth++) {
      nested = deep.add(
        jsonBytes({ schemaVersion: 2, manifests: [nested] }),
        "application/vnd.oci.image.index.v1+json",
      );
    }
    await refuses(`oci:${await written(deep, nested)}`, path, /indexes inside each other/);
  });
});

/** A configuration with layers that are all the same. */
const configOf = (layers: number) =>
  jsonBytes({
    os: "linux",
    architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    rootfs: { type: "layers", diff_ids: Array(layers).fill(digestOf(HELLO)) },
  });

Deno.test("a docker archive whose layers are links to one file has that hashed once", async () => {
  await inDirectory(async (path) => {
    const names = Array.from({ length: 50 }, (_, i) => `${i}/layer.tar`);
    const parts = [
      entry({ path: "c.json" }, configOf(names.length)),
      entry({ path: "0/layer.tar" }, gzipSync(HELLO)),
      ...names.slice(1).map((name) => symlink(name, "../0/layer.tar")),
      entry(
        { path: "manifest.json" },
        JSON.stringify([{ Config: "c.json", RepoTags: [], Layers: names }]),
      ),
    ];
    await Deno.writeFile(`${path}/a.tar`, archive(...parts));
    await using files = await ArchiveFiles.open(`${path}/a.tar`, "a", { temporaryDirectory: path });
    let read = 0;
    const stream = files.stream.bind(files);
    files.stream = async (name) =>
      (await stream(name))?.pipeThrough(
        new TransformStream(
          {
            transform(chunk, controller) {
              read++;
              controller.enqueue(chunk);
            },
          },
          undefined,
          { highWaterMark: 0 },
        ),
      );
    const platform = { os: "linux", architecture: "amd64" };
    const source = await openDockerArchive(files, { name: "a", platform });
    strictEqual((await source.manifest()).manifest.layers.length, names.length);
    strictEqual(read, 1);
  });
});

Deno.test("a docker archive is read through links, and refused where it lies", async () => {
  await inDirectory(async (path) => {
    const config = configOf(2);
    const list = (change: object) =>
      JSON.stringify([{
        Config: "c.json",
        RepoTags: ["x:1"],
        Layers: ["a/layer.tar", "b/layer.tar"],
        ...change,
      }]);
    const parts = {
      config: entry({ path: "./c.json" }, config),
      a: entry({ path: "a/layer.tar" }, "hello"),
      b: symlink("b/layer.tar", "../a/layer.tar"),
      list: entry({ path: "manifest.json" }, list({})),
    };
    let count = 0;
    const written = async (change: Partial<Record<keyof typeof parts | "more", Uint8Array>>) => {
      const file = `${path}/${count++}.tar`;
      await Deno.writeFile(file, archive(...Object.values({ ...parts, ...change })));
      return `docker-archive:${file}`;
    };
    strictEqual((await readAll(await written({}), path)).layers.length, 2);
    // Docker calls x:1 docker.io/library/x:1.
    await readAll(`${await written({})}:docker.io/library/x:1`, path);

    await refuses(
      await written({ a: entry({ path: "a/layer.tar" }, "hallo") }),
      path,
      /have the digest/,
    );
    await refuses(
      await written({ b: symlink("b/layer.tar", "../../../etc/passwd") }),
      path,
      /is missing/,
    );
    await refuses(await written({ b: symlink("b/layer.tar", "/etc/passwd") }), path, /is missing/);
    await refuses(
      await written({ b: symlink("b/layer.tar", "layer.tar") }),
      path,
      /link to a link/,
    );
    await refuses(
      await written({ config: entry({ path: "d" }, config) }),
      path,
      /"c.json" is missing/,
    );
    const named = list({ Config: `${"a".repeat(64)}.json` });
    await refuses(
      await written({
        config: entry({ path: `${"a".repeat(64)}.json` }, config),
        list: entry({ path: "manifest.json" }, named),
      }),
      path,
      /has the digest sha256/,
    );
    await refuses(
      await written({ list: entry({ path: "manifest.json" }, list({ Layers: ["a/layer.tar"] })) }),
      path,
      /2 diff IDs, but manifest.json has 1 layers/,
    );
    await refuses(
      await written({ more: parts.list }),
      path,
      /ambiguous: "manifest.json" is there twice/,
    );
    await refuses(
      await written({ list: entry({ path: "other" }, "") }),
      path,
      /neither an OCI archive/,
    );
    await refuses(
      await written({ list: entry({ path: "repositories" }, "{}") }),
      path,
      /before 1\.10/,
    );

    const tall = Array.from({ length: 501 }, () => "a/layer.tar");
    await refuses(
      await written({
        config: entry({ path: "c.json" }, configOf(tall.length)),
        list: entry({ path: "manifest.json" }, list({ Layers: tall })),
      }),
      path,
      /rootfs\.diff_ids: more than 500 layers/,
    );

    const cut = `${path}/cut.tar`;
    await Deno.writeFile(cut, (await Deno.readFile(`${path}/0.tar`)).subarray(0, 1800));
    await refuses(`docker-archive:${cut}`, path, /ends too early/);
    await Deno.writeTextFile(cut, "no tar at all, but text".repeat(100));
    await refuses(`docker-archive:${cut}`, path, /no tar header here/);
    await refuses(`docker-archive:${path}/none`, path, /no such file/);
  });
});

Deno.test("an archive that is OCI and docker's is read as OCI", async () => {
  await inDirectory(async (path) => {
    const fixture = new BlobFixture();
    const image = fixture.image([HELLO]);
    const name = { "io.containerd.image.name": "docker.io/library/x:1" };
    const entries = [...fixture.blobs].map(([digest, bytes]) =>
      entry({ path: `blobs/${digest.replace(":", "/")}` }, bytes)
    );
    await Deno.writeFile(
      `${path}/both.tar`,
      archive(
        ...entries,
        entry({ path: "oci-layout" }, '{"imageLayoutVersion":"1.0.0"}'),
        entry(
          { path: "index.json" },
          jsonBytes({ schemaVersion: 2, manifests: [{ ...image, annotations: name }] }),
        ),
        entry({ path: "manifest.json" }, "[]"),
      ),
    );
    strictEqual((await readAll(`docker-archive:${path}/both.tar:x:1`, path)).digest, image.digest);
  });
});

Deno.test("openLocalSource() refuses a file as a layout", async () => {
  await inDirectory(async (path) => {
    await Deno.writeTextFile(`${path}/file`, "");
    await rejects(open(`oci:${path}/file`, path), /is no directory/);
    throws(() => parseOciLocation("docker-archive:"), /names no path/);
  });
});
