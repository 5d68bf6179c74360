/** Images written as files of every format, and read again by rkt, skopeo, umoci and podman: the same files, the same configuration. */
import assert from "node:assert/strict";
import { tool } from "../../src/oci/testing/tools.ts";
import { OciWorld } from "../world/oci_world.ts";
import { until } from "../world/until.ts";
import { treeListing } from "../world/tree_listing.ts";
import { testImage } from "../world/aci.ts";

let world: OciWorld;
let image: string;
Deno.test.beforeAll(async () => {
  world = await OciWorld.make();
  const special = `${world.world.dir}/special`;
  Deno.mkdirSync(`${special}/below`, { recursive: true });
  const script = `cd "$1"
    echo suid > suid; chown 7:8 suid; chmod 4755 suid
    ln suid below/other-name; ln -s ../suid below/link; mkfifo -m 0620 fifo
    truncate -s 3M sparse; printf data | dd of=sparse bs=1 seek=1048576 conv=notrunc 2>/dev/null
    setfattr -n user.mime -v text/plain suid 2>/dev/null ||
      python3 -c 'import os; os.setxattr("suid", "user.mime", b"text/plain")'
    touch -d '2001-02-03 04:05:06.789012345' suid; touch -d '1960-01-01 00:00:00.25' sparse
    chmod 1777 below; touch -h -d 2002-02-02 below/link; touch -d 2003-03-03 below fifo`;
  await tool("bash", ["-c", script, "bash", special]);
  await tool("umoci", ["insert", "--image", `${world.layout}:box`, special, "/special"]);
  await tool("umoci", ["insert", "--image", `${world.layout}:box`, "--whiteout", "/data/link"]);
  image = await world.image("all", [
    ...["--config.entrypoint", "/bin/echo", "--config.entrypoint", "entry"],
    ...["--config.cmd", "default", "--config.user", "app", "--config.env", "A=b=c"],
    ...[
      "--config.workingdir",
      "/special",
      "--config.volume",
      "/data",
      "--config.stopsignal",
      "SIGUSR2",
    ],
    ...["--config.exposedports", "80/tcp", "--config.exposedports", "8000-8010/udp"],
    ...["--config.label", "of=test", "--manifest.annotation", "org.example/key=value"],
    ...["--author", "Jo", "--created", "2020-01-02T03:04:05Z"],
  ]);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

async function rkt(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await world.rkt(...args);
  assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

/** The files of an image, as they are rendered. */
async function tree(id: string): Promise<readonly string[]> {
  const to = `${world.world.dir}/tree-${crypto.randomUUID()}`;
  await rkt("image", "render", "--rootfs-only", "--special-files", id, to);
  return await treeListing(to);
}

/** What skopeo reads of the configuration, lists and sets in order, without what tools add. */
async function configuration(place: string): Promise<Record<string, unknown>> {
  const { os, architecture, author, created, config } = JSON.parse(
    await tool("skopeo", ["inspect", "--config", place]),
  );
  return { os, architecture, author, created, config };
}

const path = (name: string) => `${world.world.dir}/${name}`;

Deno.test("an OCI image is exported in every format, and is the same when it is read again", async () => {
  const id = await rkt("fetch", "--full", image);
  const files = await tree(id);
  const wanted = await configuration(image);
  assert.equal((files.filter((line) => line.includes("special"))).length, 7, files.join("\n"));
  const bundle = path("umoci");
  await tool("umoci", ["unpack", "--image", `${world.layout}:all`, bundle]);
  assert.deepEqual(files, await treeListing(`${bundle}/rootfs`));
  for (const format of ["oci", "oci-archive", "docker-archive"]) {
    const file = path(`exported-${format}`);
    await rkt("image", "export", `--format=${format}`, id, file);
    const place = `${format}:${file}`;
    assert.deepEqual(await configuration(place), wanted, format);
    const read = await rkt("fetch", "--full", place);
    assert.deepEqual(await tree(read), files, format);
    // The same once more makes the same bytes.
    if (format === "oci") continue;
    await rkt("image", "export", `--format=${format}`, id, `${file}-2`);
    assert.deepEqual(Deno.readFileSync(file), Deno.readFileSync(`${file}-2`));
  }
  const unpacked = path("umoci-2");
  await tool("umoci", ["unpack", "--image", `${path("exported-oci")}:all`, unpacked]);
  assert.deepEqual(files, await treeListing(`${unpacked}/rootfs`));
});

Deno.test("podman loads and runs what was exported", async () => {
  const id = await rkt("fetch", "--full", image);
  const short = Deno.makeTempDirSync({ prefix: "rkt-" }); // podman takes 50 characters
  const podman = (...args: string[]) =>
    tool("podman", [
      ...[`--root=${short}/a`, `--runroot=${short}/b`, "--storage-driver=vfs"],
      ...["--cgroup-manager=cgroupfs", "--runtime", "runc", ...args],
    ]);
  try {
    for (const format of ["docker-archive", "oci-archive"]) {
      const file = path(`podman-${format}`);
      await rkt("image", "export", `--format=${format}`, id, file);
      const loaded = (await podman("pull", "-q", `${format}:${file}`)).trim();
      const words = ["--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
      assert.equal(await podman("run", "--rm", ...words, loaded), "entry default\n", format);
    }
  } finally {
    // What podman has left running in the background still writes.
    const gone = () =>
      tool("rm", ["-rf", "--one-file-system", short]).then(() => true, () => false);
    await until(gone, 60, "podman's files to go");
  }
});

Deno.test("an image goes through all formats and comes back the same", async () => {
  const files = await tree(await rkt("fetch", "--full", image));
  const { config: wanted, ...others } = await configuration(image);
  const steps = [
    image,
    `oci-archive:${path("step-1")}:1.2`,
    path("step-2.aci"),
    `docker-archive:${path("step-3")}:registry.example/team/app:3`,
    path("step-4.aci"),
    `oci:${path("step-5")}:v5`,
  ];
  for (const [i, target] of steps.entries()) {
    const source = steps[i - 1];
    if (source === undefined) continue;
    await rkt("image", "convert", source, target);
    const read = await rkt("fetch", "--full", target);
    assert.deepEqual(await tree(read), files, target);
    if (target.endsWith(".aci")) continue;
    const { config, ...rest } = await configuration(target);
    assert.deepEqual(rest, others, target);
    assert.deepEqual(config, wanted, target);
  }
  // A docker archive has no place for annotations of the manifest.
  const raw = JSON.parse(await tool("skopeo", ["inspect", "--raw", steps[1] ?? ""]));
  assert.equal(raw.annotations?.["org.example/key"], "value");
  // What is there is not written over; what is damaged is not believed, and leaves nothing.
  const again = await world.rkt("image", "convert", image, steps[1] ?? "");
  assert.match(again.stderr, /step-1" exists already; --overwrite replaces it/);
  await rkt("image", "convert", "--overwrite", image, steps[1] ?? "");
  Deno.truncateSync(path("step-1"), 100_000);
  const damaged = await world.rkt(
    "image",
    "convert",
    `oci-archive:${path("step-1")}`,
    path("no.aci"),
  );
  assert.equal(damaged.code, 254);
  assert.throws(() => Deno.statSync(path("no.aci")), Deno.errors.NotFound);
});

Deno.test("an ACI becomes an OCI image and an ACI again", async () => {
  const file = testImage(world.world.dir, {
    name: "example.com/app",
    version: "1.0",
    files: { "bin/app": "the app", "etc/conf": "the conf" },
    manifest: {
      app: { exec: ["/bin/app", "--flag"], user: "7", group: "8", workingDirectory: "/etc" },
    },
  });
  const id = await rkt("fetch", "--full", file);
  await rkt("image", "convert", id, `docker-archive:${path("aci.docker")}`);
  const docker = JSON.parse(
    await tool("skopeo", ["inspect", "--config", `docker-archive:${path("aci.docker")}`]),
  );
  assert.deepEqual(docker.config.Entrypoint, ["/bin/app", "--flag"]);
  assert.match(
    await tool("tar", ["-xOf", path("aci.docker"), "manifest.json"]),
    /"RepoTags":\["example.com\/app:1.0"\]/,
  );
  await rkt("image", "convert", `docker-archive:${path("aci.docker")}`, path("back.aci"));
  const back = await rkt("fetch", "--full", path("back.aci"));
  assert.deepEqual(await tree(back), await tree(id));
  const { app } = JSON.parse(await rkt("image", "cat-manifest", back));
  assert.deepEqual([app.exec, app.user, app.group, app.workingDirectory], [
    ["/bin/app", "--flag"],
    "7",
    "8",
    "/etc",
  ]);
});

const REFUSED: readonly (readonly [RegExp, ...string[]])[] = [
  [/written to a file, not to stdout/, "oci-archive:-"],
  [/a digest can't be chosen/, `oci:/tmp/never:@sha256:${"0".repeat(64)}`],
  [/the directory "\/nowhere" does not exist/, "/nowhere/x.aci"],
];

for (const [why, target] of REFUSED) {
  Deno.test(`image convert refuses a target: ${why.source}`, async () => {
    const { code, stderr } = await world.rkt("image", "convert", image, target ?? "");
    assert.equal(code, 254);
    assert.match(stderr, why);
  });
}
