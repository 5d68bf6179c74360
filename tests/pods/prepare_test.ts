/** Pods that are made first and run later, and pods of a given manifest. */
import assert from "node:assert/strict";
import { BOX, World } from "../world/pod_world.ts";
import { nth } from "../world/nth.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/;

/** Prepares a pod and returns its UUID. */
async function prepare(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await world.rkt("prepare", ...words);
  assert.equal(code, 0, stderr);
  assert.match(stdout, UUID);
  return stdout.trim();
}

async function state(uuid: string): Promise<string | undefined> {
  const { stdout } = await world.rkt("status", uuid);
  return /^state=(.*)$/m.exec(stdout)?.[1];
}

for (const flag of ["--no-overlay=false", "--no-overlay"]) {
  Deno.test(`a prepared pod is run as run would have run it, ${flag}`, async () => {
    const uuid = await prepare(
      flag,
      "--quiet",
      "--set-env=SAID=early",
      "--volume=v,kind=empty",
      "--mount=volume=v,target=/v",
      BOX,
      "--user=www",
      "--group=staff",
      "--",
      "-c",
      "id -u; id -g; echo $SAID; hostname; ls -d /v; exit 9",
    );
    assert.equal(await state(uuid), "prepared");
    const { code, stdout, stderr } = await world.rkt(
      "run-prepared",
      "--net=none",
      "--hostname=late",
      uuid.slice(0, 8),
    );
    assert.equal(code, 9, stderr);
    assert.equal(stdout, "33\n50\nearly\nlate\n/v\n");
    assert.equal(await state(uuid), "exited");
    const again = await world.rkt("run-prepared", "--net=none", uuid);
    assert.equal(again.code, 254);
    assert.match(again.stderr, /^run-prepared: .*exited.*\n$/);
  });
}

Deno.test("of two that run the same prepared pod one wins, and the other is told so", async () => {
  const uuid = await prepare(BOX, "--", "-c", "cat; echo ran");
  const both = await Promise.all(
    [1, 2].map(() => world.rkt("run-prepared", "--net=none", uuid)),
  );
  both.sort((a, b) => a.code - b.code);
  const [won, lost] = [nth(both, 0), nth(both, 1)];
  assert.deepEqual([won.code, won.stdout, won.stderr], [0, "ran\n", ""]);
  assert.deepEqual([lost.code, lost.stdout], [254, ""]);
  assert.match(lost.stderr, /^run-prepared: [^\n]+\n$/);
});

Deno.test("prepare that fails leaves no pod", async () => {
  const before = world.pods();
  for (const words of [["example.com/none"], [BOX, "--user=nobody-here"]]) {
    const { code, stdout, stderr } = await world.rkt("prepare", "--pull-policy=never", ...words);
    assert.deepEqual([code, stdout], [254, ""]);
    assert.match(stderr, /^prepare: [^\n]+\n$/);
  }
  assert.deepEqual(world.pods(), before);
});

Deno.test("run-prepared --dry-run prints the steps, and the pod stays prepared", async () => {
  const uuid = await prepare(BOX, "--", "-c", "true");
  const { code, stdout, stderr } = await world.rkt(
    "run-prepared",
    "--net=none",
    "--dry-run",
    uuid,
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /renameat2\(.*pods\/run\//);
  assert.equal(await state(uuid), "prepared");
  assert.equal((await world.rkt("rm", uuid)).code, 0);
});

/** The manifest of a pod of one app that prints, as its own file. */
async function manifestFile(change: (manifest: Manifest) => void): Promise<string> {
  const uuid = await prepare(BOX, "--name=one", "--", "-c", "echo of the manifest; exit 4");
  const manifest: Manifest = JSON.parse((await world.rkt("cat-manifest", uuid)).stdout);
  assert.equal((await world.rkt("rm", uuid)).code, 0);
  change(manifest);
  const path = `${world.dir}/pod.json`;
  Deno.writeTextFileSync(path, JSON.stringify(manifest));
  return path;
}

interface Manifest {
  acKind: string;
  apps: {
    name: string;
    image: { id: string; name?: string };
    app: { exec: string[] };
    mounts?: unknown[];
  }[];
  volumes?: unknown[];
}

Deno.test("run --pod-manifest runs the pod that the manifest describes", async () => {
  const file = await manifestFile((manifest) => {
    nth(manifest.apps, 0).name = "renamed";
    nth(manifest.apps, 0).app.exec[2] = "echo $AC_APP_NAME; exit 5";
  });
  const { code, stdout, stderr } = await world.rkt("run", "--net=none", `--pod-manifest=${file}`);
  assert.deepEqual([code, stdout], [5, "renamed\n"], stderr);
});

const ABSENT = `sha512-${"0".repeat(64)}`;
const WRONG: readonly (readonly [string, (manifest: Manifest) => void, RegExp])[] = [
  ["of another kind", (m) => m.acKind = "ImageManifest", /acKind/],
  ["without apps", (m) => m.apps = [], /no app/],
  ["with a name twice", (m) => m.apps.push(nth(m.apps, 0)), /apps\[1\].*"one"|"one".*twice/],
  ["whose image is not in the store", (m) => nth(m.apps, 0).image.id = ABSENT, /0000.*store/],
  ["whose image has another name", (m) => nth(m.apps, 0).image.name = "example.com/other", /other/],
  ["that mounts no volume", (m) => nth(m.apps, 0).mounts = [{ volume: "v", path: "/v" }], /"v"/],
  ["with a hostile name", (m) => nth(m.apps, 0).name = "../../x", /apps\[0\]\.name/],
  ["without a command", (m) => nth(m.apps, 0).app.exec = [], /exec/],
];

for (const [what, change, said] of WRONG) {
  Deno.test(`run --pod-manifest refuses a manifest ${what}`, async () => {
    const file = await manifestFile(change);
    const before = world.pods();
    const { code, stdout, stderr } = await world.rkt("run", "--net=none", `--pod-manifest=${file}`);
    assert.deepEqual([code, stdout], [254, ""], stderr);
    assert.match(stderr, /^run: [^\n]+\n$/);
    assert.match(stderr, said);
    assert.deepEqual(world.pods(), before);
  });
}
