/** The commands that engines call for each container, done by the launcher: with so few addresses Deno could not even be loaded. */
import assert from "node:assert/strict";
import { RKT } from "../world/rkt.ts";
import { until } from "../world/until.ts";
import { cgroupsOf, RuntimeWorld, shell } from "../world/runtime_world.ts";

let world: RuntimeWorld;
Deno.test.beforeAll(async () => {
  world = await RuntimeWorld.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const WAITS = shell("echo begun; while :; do sleep 0.1; done");

/** Runs a command that may not start Deno; the code of one that does is 254. */
async function small(...words: string[]) {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", 'ulimit -v 1000000; exec "$0" oci --root "$@"', RKT, world.root, ...words],
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out ?? "", stderr: err ?? "" };
}

async function refused(...words: string[]): Promise<void> {
  const { code, stderr } = await small(...words);
  assert.equal(code, 254, `${words.join(" ")}: ${stderr}`);
  assert.match(stderr, /limit of virtual memory/);
}

const done = async (...words: string[]): Promise<string> => {
  const { code, stdout, stderr } = await small(...words);
  assert.equal(code, 0, `${words.join(" ")}: ${stderr}`);
  return stdout;
};

async function stop(id: string): Promise<void> {
  await world.oci("kill", id, "KILL");
  await world.awaitStatus(id, "stopped");
}

Deno.test("state, start, kill and delete need no Deno, and say what it says", async () => {
  const id = await world.create({ ...WAITS, annotations: { 'a"\n': "ü", "b": "\\" } });
  const same = async (status: string) => {
    const printed = await done("state", id);
    assert.equal(JSON.parse(printed).status, status);
    // A flag that only the full way knows.
    assert.equal(
      printed,
      (await world.oci("--log-level=info", "--rootless=false", "state", id)).stdout,
    );
  };
  await same("created");
  await done("start", id);
  await until(() => world.printed(id) === "begun\n", 60, "the program to begin");
  await same("running");
  await refused("start", id);
  await refused("delete", id);
  await world.oci("pause", id);
  await same("paused");
  await world.oci("resume", id);
  await done("kill", id, "SIGKILL");
  await world.awaitStatus(id, "stopped");
  await same("stopped");
  await refused("kill", id);
  await refused("start", id);
  await done("delete", "--force", id);
  assert.deepEqual(cgroupsOf(id), []);
  assert.deepEqual(world.left(), []);
  await refused("state", id);
});

Deno.test("hooks behind the start and the end are run: by the full way", async () => {
  const note = (name: string) => [{ path: "/bin/touch", args: ["touch", `${world.dir}/${name}`] }];
  const id = await world.create({
    ...WAITS,
    hooks: { poststart: note("started"), poststop: note("stopped") },
  });
  await refused("start", id);
  assert.equal((await world.oci("start", id)).code, 0);
  assert.ok(Deno.statSync(`${world.dir}/started`).isFile);
  await stop(id);
  await refused("delete", id);
  assert.equal((await world.oci("delete", id)).code, 0);
  assert.ok(Deno.statSync(`${world.dir}/stopped`).isFile);
});

Deno.test("two starts at once: one of them starts it", async () => {
  const id = await world.create(WAITS);
  const codes = await Promise.all(Array.from({ length: 8 }, () => world.oci("start", id)));
  assert.deepEqual(codes.filter(({ code }) => code === 0).length, 1);
  await until(() => world.printed(id) === "begun\n", 60, "the program to begin");
  await stop(id);
  await done("delete", id);
});

Deno.test("what another could have written is not believed", async () => {
  const id = await world.create(WAITS);
  const directory = `${world.root}/${id}`;
  const record = `${directory}/launcher`;
  const tried = async (change: () => void, back: () => void) => {
    change();
    await refused("state", id);
    back();
    await done("state", id);
  };
  await tried(() => Deno.chmodSync(directory, 0o731), () => Deno.chmodSync(directory, 0o711));
  await tried(() => Deno.chownSync(directory, 1, 0), () => Deno.chownSync(directory, 0, 0));
  await tried(() => Deno.chmodSync(record, 0o644), () => Deno.chmodSync(record, 0o600));
  await tried(() => Deno.chownSync(record, 1, 0), () => Deno.chownSync(record, 0, 0));
  const bytes = Deno.readFileSync(record);
  const write = (text: Uint8Array<ArrayBuffer>) => () => Deno.writeFileSync(record, text);
  await tried(write(bytes.subarray(0, 50)), write(bytes));
  await tried(write(new Uint8Array(bytes.length)), write(bytes));
  await tried(write(new Uint8Array([...bytes, 0])), write(bytes));
  const moved = () => {
    Deno.renameSync(record, `${world.dir}/moved`);
    Deno.symlinkSync(`${world.dir}/moved`, record);
  };
  await tried(moved, () => Deno.renameSync(`${world.dir}/moved`, record));
  Deno.symlinkSync(directory, `${world.root}/link`);
  await refused("state", "link");
  Deno.removeSync(`${world.root}/link`);
  for (const name of [`../${world.root.split("/").at(-1)}/${id}`, `./${id}`, ".", ""]) {
    await refused("state", name);
  }
  await refused("delete", "--force", id);
  await stop(id);
  Deno.writeTextFileSync(`${directory}/unknown`, "");
  await refused("delete", id);
  assert.equal((await world.oci("delete", id)).code, 0, "the full way removes all");
  assert.deepEqual(world.left(), []);
});
