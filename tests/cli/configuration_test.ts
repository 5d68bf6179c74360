/** What configuration files do to commands. */
import assert from "node:assert/strict";
import { BOX, World } from "../world/pod_world.ts";
import { rkt } from "../world/rkt.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const config = () => `${world.dir}/config`;

function write(file: string, json: Readonly<Record<string, unknown>>): void {
  const path = `${config()}/${file}`;
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  Deno.writeTextFileSync(path, JSON.stringify({ rktVersion: "v1", ...json }));
}

Deno.test("paths.d says where images and pods are kept, unless --dir does, at every start", async () => {
  const words = ["run", "--net=none", BOX, "--", "-c", "echo ran"];
  const run = (...flags: string[]) =>
    rkt(`--local-config=${config()}`, "--insecure-options=image", ...flags, ...words);
  write("paths.d/data.json", { rktKind: "paths", data: world.dataDir });
  for (const _time of ["first", "again"]) {
    const { code, stdout, stderr } = await run();
    assert.deepEqual([code, stdout], [0, "ran\n"], stderr);
  }
  const list = await rkt(`--local-config=${config()}`, "list", "--no-legend");
  assert.equal(list.stdout.trim().split("\n").length, 2);
  // Changed: the next start is another one.
  write("paths.d/data.json", { rktKind: "paths", data: `${world.dir}/empty` });
  assert.equal((await run()).code, 254);
  assert.equal((await run(`--dir=${world.dataDir}`)).code, 0);
  write("paths.d/data.json", { rktKind: "paths", data: "relative" });
  assert.match(
    (await run()).stderr,
    /^run: \S+\/paths\.d\/data\.json: data: "relative" is not an absolute path\n$/,
  );
  assert.equal((await rkt(`--local-config=${config()}`, "version")).code, 0);
  Deno.removeSync(`${config()}/paths.d`, { recursive: true });
});

Deno.test("rkt config prints secrets only where it is asked to", async () => {
  const credentials = { user: "jo", password: "hunter2" };
  write("auth.d/a.json", { rktKind: "auth", domains: ["example.com"], type: "basic", credentials });
  write("auth.d/b.json", {
    rktKind: "auth",
    domains: ["b.example.com"],
    type: "oauth",
    credentials: { token: "hunter3" },
  });
  const shown = async (...flags: string[]) =>
    (await rkt(`--local-config=${config()}`, "config", ...flags)).stdout;
  const hidden = await shown();
  assert.ok(hidden.includes('\t"user": "jo",\n'));
  assert.equal(JSON.parse(hidden).stage0.length, 2);
  assert.deepEqual(JSON.parse(await shown("--pretty-print=false")), JSON.parse(hidden));
  for (const secret of ["hunter2", "hunter3"]) {
    assert.ok(!hidden.includes(secret));
    assert.ok((await shown("--secrets")).includes(secret));
  }
});

Deno.test("--hosts-entry takes several addresses at once", async () => {
  const script = "grep '^192' /etc/hosts";
  const flags = ["--hosts-entry=192.0.2.1=one,two,192.0.2.2=three", "--hosts-entry=192.0.2.3=four"];
  assert.equal(
    await world.output(script, ...flags),
    "192.0.2.1\tone two\n192.0.2.2\tthree\n192.0.2.3\tfour\n",
  );
});
