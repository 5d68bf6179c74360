/** What `$?`, `rkt status` and the JSON of `list` and `status` say of each way in which a pod can end. */
import assert from "node:assert/strict";
import { BOX, list, type Pod, World } from "../world/pod_world.ts";
import { until } from "../world/until.ts";

/** One for all tests of this file. */
let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
  const handler = (name: string, script: string) => ({
    exec: ["/bin/sh"],
    eventHandlers: [{ name, exec: ["/bin/sh", "-c", script] }],
  });
  await world.store("failing-pre", handler("pre-start", "exit 9"));
  await world.store("failing-post", handler("post-stop", "exit 6"));
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** A way to end. */
interface Case {
  readonly name: string;
  /** Of the app that it is about. */
  readonly image?: string;
  readonly flags?: readonly string[];
  /** What the app's shell executes; it says `up` first where something is done to it from outside. */
  readonly script: string;
  /** What is done to the pod when the app is up. */
  act?(pod: Pod, uuid: string, others: number): Promise<void>;
  /** rkt's exit status. */
  readonly code: number;
  /** The status of the app; absent where nobody was left to note it. */
  readonly app: number | undefined;
  /** The status of the other app of the pod, where there is one. */
  readonly other: number | undefined;
  /** What that one executes, where it is not `exit 0` or a sleep. */
  readonly otherScript?: string;
}

/** Ignores what can be ignored. */
const STUBBORN = "trap '' TERM INT; while :; do sleep 1000; done";

const stop = (...flags: string[]) => async (_: Pod, uuid: string): Promise<void> => {
  const { code, stderr } = await world.rkt("stop", ...flags, uuid);
  assert.equal(code, 0, stderr);
};

const kill = (whom: (pod: Pod) => number) => (pod: Pod): Promise<void> => {
  Deno.kill(whom(pod), "SIGKILL");
  return Promise.resolve();
};

/**
 * The pod does not end by a TERM; one that comes after the grace time kills it. Another app does die
 * of the first one, which is a failure that ends the pod after the same grace time: either may be first.
 */
async function stopTwice(pod: Pod, uuid: string, others: number): Promise<void> {
  const { code, stderr } = await world.rkt("stop", "--no-kill", "--timeout=1ms", uuid);
  if (others === 0 || code !== 0) {
    assert.equal(code, 254);
    assert.match(
      stderr,
      /has got SIGTERM, but has not ended after 0.001 s; without --no-kill it is killed/,
    );
  }
  let ended = false;
  const end = pod.child.status.then(() => ended = true);
  // Each one that is ignored came before the timer's signal.
  const again = () => {
    try {
      if (!ended) pod.kill("SIGTERM");
    } catch (error) {
      // The pod has ended, and nobody was told so far.
      if (!(error instanceof TypeError)) throw error;
    }
    return ended;
  };
  await until(again, 60, "the end of a pod that was told to stop twice");
  await end;
}

const CASES: readonly Case[] = [
  { name: "exit 0", script: "exit 0", code: 0, app: 0, other: 0 },
  { name: "exit 3", script: "exit 3", code: 3, app: 3, other: 143 },
  { name: "exit 255", script: "exit 255", code: 255, app: 255, other: 143 },
  { name: "signal TERM", script: "kill -TERM $$", code: 143, app: 143, other: 143 },
  { name: "signal SEGV", script: "kill -SEGV $$", code: 139, app: 139, other: 143 },
  { name: "signal KILL", script: "kill -KILL $$", code: 137, app: 137, other: 143 },
  {
    name: "a program that a volume was to bring",
    flags: ["--mount=volume=none,target=/none", "--exec=/none/there"],
    script: "",
    code: 254,
    app: 254,
    other: 143,
  },
  {
    name: "a pre-start that fails",
    image: "example.com/failing-pre",
    script: "exit 0",
    code: 9,
    app: 9,
    other: 143,
  },
  {
    name: "a post-stop that fails after a success",
    image: "example.com/failing-post",
    script: "exit 0",
    code: 6,
    app: 6,
    other: 143,
  },
  {
    name: "a post-stop that fails after a failure",
    image: "example.com/failing-post",
    script: "exit 3",
    code: 3,
    app: 3,
    other: 143,
  },
  {
    name: "stop of an app that heeds it",
    script: "trap 'exit 0' TERM; sleep 1000 & echo up; wait",
    act: stop(),
    code: 143,
    app: 0,
    other: 143,
  },
  {
    name: "stop of an app that dies of it",
    script: "echo up; exec sleep 1000",
    act: stop(),
    code: 143,
    app: 143,
    other: 143,
  },
  {
    name: "stop --force",
    script: `echo up; ${STUBBORN}`,
    act: stop("--force"),
    code: 137,
    app: undefined,
    other: undefined,
  },
  {
    name: "stop --force --timeout",
    script: `echo up; ${STUBBORN}`,
    act: stop("--force", "--timeout=1ms"),
    code: 137,
    app: undefined,
    other: undefined,
    // Nothing says whether it would have died of the TERM before the KILL.
    otherScript: STUBBORN,
  },
  {
    name: "stop, and again after the grace time",
    flags: ["--stop-timeout=1ms"],
    script: `trap '' TERM; echo up; ${STUBBORN}`,
    act: stopTwice,
    code: 143,
    app: 137,
    other: 143,
  },
  {
    name: "a killed supervisor",
    script: `echo up; ${STUBBORN}`,
    act: kill((pod) => pod.pid),
    code: 137,
    app: undefined,
    other: undefined,
  },
  {
    name: "a killed init",
    script: `echo up; ${STUBBORN}`,
    act: kill((pod) => pod.init),
    code: 137,
    app: undefined,
    other: undefined,
  },
];

/** The statuses of the apps of all pods so far. */
const EXPECTED = new Map<string, Readonly<Record<string, unknown>>>();

/** The statuses of a pod's apps as the JSON of a pod has them. */
function statusesIn(json: unknown): Record<string, unknown> {
  const { state, apps } = json as {
    state: string;
    apps: readonly { name: string; state: string; exit_code?: number }[];
  };
  assert.equal(state, "exited");
  for (const app of apps) assert.equal(app.state, "exited");
  return Object.fromEntries(apps.map((app) => [app.name, app.exit_code]));
}

async function run(row: Case, others: number): Promise<void> {
  const file = `${world.dir}/uuid`;
  const shell = (script: string) => script === "" ? [] : ["--", "-c", script];
  // It ends at the same time where that is a success, and must be stopped else.
  const other = row.otherScript ?? (row.code === 0 ? "exit 0" : "exec sleep 1000");
  const pod = world.spawn(
    ...world.flags,
    "run",
    "--net=none",
    `--uuid-file-save=${file}`,
    "--volume=none,kind=empty",
    row.image ?? BOX,
    "--name=app",
    ...row.flags ?? [],
    ...shell(row.script),
    ...others === 0 ? [] : ["---", BOX, "--name=other", ...shell(other)],
  );
  if (row.act !== undefined) {
    assert.equal(await pod.line(), "up");
    await row.act(pod, Deno.readTextFileSync(file), others);
  }
  const { code, signal } = await pod.child.status;
  await pod.end();
  const expected = others === 0 && row.act !== undefined && row.app !== undefined
    ? row.app
    : row.code;
  assert.equal(signal === "SIGKILL" ? 137 : code, expected);
  const statuses = others === 0 ? { app: row.app } : { app: row.app, other: row.other };
  const uuid = Deno.readTextFileSync(file);

  const lines = (await world.rkt("status", uuid)).stdout.split("\n");
  assert.ok(lines.includes("state=exited"));
  assert.deepEqual(
    lines.filter((line) => line.startsWith("app-")),
    Object.entries(statuses).filter(([, status]) => status !== undefined)
      .map(([name, status]) => `app-${name}=${status}`),
  );
  const status = await world.rkt("status", "--format=json", uuid);
  assert.deepEqual(statusesIn(JSON.parse(status.stdout)), statuses);
  EXPECTED.set(uuid, statuses);
}

for (const row of CASES) {
  Deno.test(`${row.name}: $?, status and JSON agree, for one and for two apps`, async () => {
    for (const others of [0, 1]) await run(row, others);
  });
}

Deno.test("list says the same of all of these pods", async () => {
  const { stdout } = await world.rkt("list", "--format=json");
  const listed: readonly { readonly name: string }[] = JSON.parse(stdout);
  assert.equal(listed.length, CASES.length * 2);
  for (const pod of listed) assert.deepEqual(statusesIn(pod), EXPECTED.get(pod.name));
});

Deno.test("a program that is in no image is refused before there is a pod", async () => {
  const before = world.pods();
  for (const others of [[], ["---", BOX, "--name=other", "--", "-c", "exit 0"]]) {
    const { code, stderr } = await world.rkt(
      "run",
      "--net=none",
      BOX,
      "--name=app",
      "--exec=/bin/missing",
      ...others,
    );
    assert.equal(code, 254);
    assert.match(stderr, /^run: app "app": exec "\/bin\/missing" is not in the image;.*\n$/);
  }
  assert.deepEqual(world.pods(), before);
  assert.deepEqual(list(`${world.dataDir}/pods/embryo`), []);
});
