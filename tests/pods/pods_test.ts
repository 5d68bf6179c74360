/** The life of pods, by the commands that people use. */
import assert from "node:assert/strict";
import { removeCgroupsSoon } from "../../src/pod/cgroups/pod_cgroups.ts";
import { listPods } from "../../src/pod/directory/pod_directory.ts";
import { testImage } from "../world/aci.ts";
import { UNSIGNED } from "../world/pod_world.ts";
import { RKT, rkt } from "../world/rkt.ts";

/** A data directory with an image that has a shell. */
class Place implements AsyncDisposable {
  readonly dir = Deno.makeTempDirSync({ prefix: "rkt-life-" });
  readonly flags = [`--dir=${this.dir}/data`, UNSIGNED];
  readonly #running: Deno.ChildProcess[] = [];

  static async make(): Promise<Place> {
    const place = new Place();
    const image = testImage(place.dir, { name: "example.com/shell", shell: true, manifest: APP });
    const fetched = await place.rkt("fetch", image);
    assert.equal(fetched.code, 0, fetched.stderr);
    return place;
  }

  /** Starts a pod, and returns its UUID when its shell runs. */
  async start(script: string): Promise<string> {
    const file = `${this.dir}/${crypto.randomUUID()}`;
    const child = new Deno.Command(RKT, {
      args: [...this.flags, ...run(`echo up; ${script}`, `--uuid-file-save=${file}`)],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    this.#running.push(child);
    const reader = child.stdout.getReader();
    assert.equal(new TextDecoder().decode((await reader.read()).value), "up\n");
    await reader.cancel();
    return Deno.readTextFileSync(file);
  }

  rkt(...args: string[]) {
    return rkt(...this.flags, ...args);
  }

  async states(): Promise<string[]> {
    const { stdout } = await this.rkt("list", "--format=json");
    const pods: { readonly state: string }[] = JSON.parse(stdout);
    return pods.map(({ state }) => state).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#running) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
    }
    for (const pod of listPods(`${this.dir}/data`)) removeCgroupsSoon(pod);
    Deno.removeSync(this.dir, { recursive: true });
  }
}

const APP = { app: { exec: ["/bin/sh"], user: "0", group: "0" } };

function run(script: string, ...flags: string[]): string[] {
  return ["run", "--net=none", ...flags, "example.com/shell", "--name=app", "--", "-c", script];
}

/** A shell that ends with a status on TERM; `sleep` in the background, so that TERM is heard. */
const ENDS_WITH_7 = "trap 'exit 7' TERM; sleep 1000 & wait";

Deno.test("list and status show a pod while it runs and after", async () => {
  await using place = await Place.make();
  const uuid = await place.start(ENDS_WITH_7);
  const list = await place.rkt("list", "--no-legend");
  assert.match(
    list.stdout,
    new RegExp(`^${uuid.slice(0, 8)}\tapp\texample.com/shell:1.0\trunning\t[^\t]+\t[^\t]+\t\n$`),
  );
  const running = await place.rkt("status", uuid.slice(0, 8));
  assert.match(
    running.stdout,
    /^state=running\ncreated=[^\n]+\nstarted=[^\n]+\nnetworks=\npid=\d+\nexited=false\nroot-app=\w+\nprocesses=\d+\nmemory=\S+\ncpu=[\d.]+s\n$/,
  );
  const ready = await place.rkt("status", "--wait-ready=60s", uuid);
  assert.equal(ready.code, 0, ready.stderr);
  const patience = await place.rkt("status", "--wait=100ms", uuid);
  assert.equal(patience.code, 254);
  assert.match(patience.stderr, /^status: pod ".*" has not ended after 0.1 s\n$/);
  const refused = await place.rkt("rm", uuid);
  assert.equal(refused.code, 254);
  assert.match(refused.stderr, /is currently running/);

  const waiting = place.rkt("status", "--wait", uuid);
  const stopped = await place.rkt("stop", uuid);
  assert.equal(stopped.stdout, `"${uuid}"\n`, stopped.stderr);
  assert.match((await waiting).stdout, /\nexited=true\napp-app=7\n$/);
  const again = await place.rkt("stop", uuid);
  assert.equal(again.stdout, `pod "${uuid}" is already stopped\n`);
  const [json] = JSON.parse((await place.rkt("list", "--format=json")).stdout);
  assert.equal(json.name, uuid);
  assert.equal(json.apps[0].exit_code, 7);
  assert.equal(json.apps[0].state, "exited");

  const manifest = JSON.parse((await place.rkt("cat-manifest", uuid)).stdout);
  assert.equal(manifest.acKind, "PodManifest");
  assert.equal((await place.rkt("rm", uuid)).stdout, `"${uuid}"\n`);
  assert.deepEqual(await place.states(), []);
});

Deno.test("stop --force ends a pod that ignores TERM", async () => {
  await using place = await Place.make();
  const uuid = await place.start("trap '' TERM; while :; do sleep 1000; done");
  assert.equal((await place.rkt("stop", "--force", uuid)).stdout, `"${uuid}"\n`);
  assert.deepEqual(await place.states(), ["exited"]);
});

Deno.test("gc marks what has ended, and removes it after the grace period", async () => {
  await using place = await Place.make();
  const running = await place.start(ENDS_WITH_7);
  await place.rkt(...run("exit 3"));
  assert.deepEqual(await place.states(), ["exited", "running"]);
  const marked = await place.rkt("gc", "--mark-only");
  assert.match(marked.stderr, /^gc: moving pod "[0-9a-f-]{36}" to garbage\n$/);
  assert.deepEqual(await place.states(), ["exited garbage", "running"]);
  assert.equal((await place.rkt("gc")).stdout, "");
  const collected = await place.rkt("gc", "--grace-period=0s");
  assert.match(collected.stdout, /^Garbage collecting pod "[0-9a-f-]{36}"\n$/);
  assert.match(collected.stderr, /^gc: freed \d+(\.\d)?KiB\n$/);
  assert.deepEqual(await place.states(), ["running"]);
  await place.rkt("stop", running);
});

Deno.test("gc deletes a hostile pod, and nothing outside of it", async () => {
  await using place = await Place.make();
  assert.equal((await place.rkt(...run("exit 0"))).code, 0);
  const [pod] = JSON.parse((await place.rkt("list", "--format=json")).stdout);
  const path = `${place.dir}/data/pods/run/${pod.name}`;
  const upper = `${path}/overlay/app/upper`;
  const outside = `${place.dir}/outside`;
  // Looks like the pod's cgroup, but is none.
  const fake = `${outside}/rkt-${pod.name}`;
  Deno.mkdirSync(`${fake}/app`, { recursive: true });
  Deno.writeTextFileSync(`${outside}/file`, "kept");
  Deno.symlinkSync(outside, `${upper}/link`);
  Deno.symlinkSync("../../../../../../../outside", `${upper}/up`);
  Deno.linkSync(`${outside}/file`, `${upper}/hard`);
  Deno.mkdirSync(`${upper}/mounted`);
  Deno.mkdirSync(`${upper}/${"d/".repeat(1000)}`, { recursive: true });
  Deno.writeTextFileSync(`${upper}/fixed`, "");
  Deno.writeTextFileSync(`${path}/subcgroup`, `${fake}\n`);
  command("mount", "--bind", outside, `${upper}/mounted`);
  command("chattr", "+i", `${upper}/fixed`);

  const first = await place.rkt("gc", "--grace-period=0s");
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /stays in the garbage until the next gc: .*fixed: EPERM/);
  assert.deepEqual(mounts(place.dir), []);
  command("chattr", "-i", `${place.dir}/data/pods/garbage/${pod.name}/overlay/app/upper/fixed`);
  assert.equal((await place.rkt("gc", "--grace-period=0s")).code, 0);
  assert.deepEqual([...Deno.readDirSync(`${place.dir}/data/pods/garbage`)], []);
  assert.equal(Deno.readTextFileSync(`${outside}/file`), "kept");
  assert.ok(Deno.statSync(`${fake}/app`).isDirectory);
});

function command(name: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(name, { args }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
}

Deno.test("pods that don't exist are said so", async () => {
  await using place = await Place.make();
  const none = "00000000-0000-0000-0000-000000000000";
  const cases: readonly (readonly [string[], number, RegExp])[] = [
    [["status", none], 254, /^status: no pod "0000.*\n$/],
    [["status", "zzz"], 254, /^status: "zzz" is not a pod UUID.*\n$/],
    [["status", `--uuid-file=${place.dir}/none`], 1, /^status: --uuid-file ".*": no such file\n$/],
    [["stop", none], 254, /^stop: no pod .*\nstop: failed to stop 1 pod\(s\)\n$/],
    [["rm", none], 254, /^rm: no pod .*\nrm: failed to remove one or more pods\n$/],
    [["cat-manifest", none], 254, /^cat-manifest: no pod/],
    [["rm"], 254, /^rm: which pod\?/],
  ];
  for (const [args, code, message] of cases) {
    const outcome = await place.rkt(...args);
    assert.equal(outcome.code, code, args.join(" "));
    assert.match(outcome.stderr, message);
  }
});

Deno.test("an image that a pod uses survives image gc", async () => {
  await using place = await Place.make();
  const uuid = await place.start(ENDS_WITH_7);
  assert.equal((await place.rkt("image", "gc", "--grace-period=0s")).stdout, "");
  assert.match((await place.rkt("image", "list", "--no-legend")).stdout, /example.com\/shell/);
  assert.equal((await place.rkt(...run("exit 5"))).code, 5);
  await place.rkt("stop", uuid);
  await place.rkt("gc", "--grace-period=0s");
  const gc = await place.rkt("image", "gc", "--grace-period=0s");
  assert.match(gc.stdout, /^successfully removed aci/);
  assert.match(gc.stderr, /removed treestore "deps-sha512-/);
});

function mounts(dir: string): string[] {
  // The mount point; an index that is mounted elsewhere is named behind it (proc_pid_mountinfo(5)).
  const lines = Deno.readTextFileSync("/proc/self/mountinfo").split("\n");
  return lines.filter((line) => line.split(" ")[4]?.startsWith(dir));
}
