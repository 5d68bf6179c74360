/** Starts of users other than root that are repeated: by the launcher, of their own entries and of nobody else's. */
import assert from "node:assert/strict";
import { list } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";
import { UserWorld } from "../world/user_world.ts";
import { USER_STARTS } from "../../stage1/launcher/start_entry.ts";

const MODES = ["range", "one"] as const;
const worlds = new Map<string, UserWorld>();

Deno.test.beforeAll(async () => {
  for (const mode of MODES) {
    const world = await UserWorld.make(mode);
    worlds.set(mode, world);
    const { code, stderr } = await world.rkt("fetch", `${world.dir}/box.aci`);
    assert.equal(code, 0, stderr);
  }
});
Deno.test.afterAll(async () => {
  for (const world of worlds.values()) await world[Symbol.asyncDispose]();
});

function of(mode: string): UserWorld {
  const world = worlds.get(mode);
  assert.ok(world);
  return world;
}

/** The words of a start that is kept. */
const words = (script: string, ...flags: string[]): string[] => [
  ...[RKT, "--insecure-options=image", "run", "--net=none", "example.com/box"],
  ...[...flags, "--", "-c", script],
];

const starts = (world: UserWorld) => `${world.runtime}/${USER_STARTS}`;

/** What is kept, so that one sees what was made anew: that is another file. */
function kept(world: UserWorld): string {
  const path = starts(world);
  return list(path).map((name) => {
    const { ino, mtime } = Deno.lstatSync(`${path}/${name}`);
    return `${name} ${ino} ${mtime?.getTime()}`;
  }).join("\n");
}

/** What a command prints, and whether its start was replayed: nothing is kept anew. */
async function run(
  world: UserWorld,
  command: readonly string[],
  prepare?: readonly string[],
): Promise<{ readonly stdout: string; readonly stderr: string; readonly replayed: boolean }> {
  const before = kept(world);
  const { stdout, stderr } = await world.command(command, {}, prepare);
  return { stdout, stderr, replayed: before !== "" && kept(world) === before };
}

for (const mode of MODES) {
  const test = (name: string, act: (world: UserWorld) => Promise<void>) =>
    Deno.test(`${name}: ${mode}`, () => act(of(mode)));

  test("a repeated start of a user is replayed, and is what the first one was", async (world) => {
    const script = "id; cat /proc/self/uid_map /proc/self/gid_map; grep Cap /proc/self/status; " +
      "stat -c '%n %u %g' /srv/owned /proc/1; touch /srv/new; ls /srv /proc/self/fd; exit 0";
    const first = await run(world, words(script));
    const second = await run(world, words(script));
    assert.deepEqual(
      [first.replayed, second.replayed],
      [false, true],
      first.stderr + second.stderr,
    );
    assert.equal(second.stdout, first.stdout);
    assert.match(first.stdout, /uid=0\(root\)/);
  });

  test("the status of an app is that of its repeated start", async (world) => {
    for (let i = 0; i < 3; i++) assert.equal((await world.command(words("exit 9"))).code, 9);
  });

  test("an entry that somebody else could have written is not replayed", async (world) => {
    const command = words("echo own");
    await run(world, command);
    const other = `${world.home}/moved`;
    const changes: readonly ((entry: string) => void)[] = [
      (entry) => Deno.chownSync(entry, 0, 0),
      (entry) => Deno.chownSync(entry, world.uid + 1000, world.uid),
      (entry) => Deno.chmodSync(entry, 0o620),
      (entry) => {
        Deno.renameSync(entry, other);
        Deno.symlinkSync(other, entry);
      },
    ];
    for (const change of changes) {
      assert.ok((await run(world, command)).replayed);
      for (const name of list(starts(world))) change(`${starts(world)}/${name}`);
      const { stdout, replayed, stderr } = await run(world, command);
      assert.deepEqual([stdout, replayed], ["own\n", false], `${change}: ${stderr}`);
    }
    for (const [owner, bits] of [[world.uid, 0o777], [world.uid, 0o750], [0, 0o755]] as const) {
      Deno.chownSync(starts(world), owner, owner);
      Deno.chmodSync(starts(world), bits);
      const before = kept(world);
      assert.equal((await run(world, words("echo new"))).stdout, "new\n");
      assert.equal(kept(world), before, "a directory that is not the user's alone is not used");
    }
    Deno.chownSync(starts(world), world.uid, world.uid);
    Deno.chmodSync(starts(world), 0o700);
    assert.ok((await run(world, command)).replayed);
  });

  test("root takes no entry of a user's, whatever the variables say", async (world) => {
    const command = [RKT, `--dir=${world.data}`, ...words("echo mine").slice(1)];
    await run(world, command);
    assert.ok((await run(world, command)).replayed);
    const before = kept(world);
    const [program = "", ...args] = command;
    const { code, stdout } = await new Deno.Command(program, {
      args,
      cwd: world.home,
      stdin: "null",
      clearEnv: true,
      env: { HOME: world.home, XDG_RUNTIME_DIR: world.runtime, PATH: "/usr/bin:/bin" },
    }).output();
    assert.notEqual(code, 0);
    assert.equal(new TextDecoder().decode(stdout), "");
    assert.equal(kept(world), before);
  });

  test("a user takes no entry of root's or of another's, whatever the variables say", async (world) => {
    const other = of(mode === "one" ? "range" : "one");
    const command = words("echo mine");
    await other.command(command);
    for (const runtime of ["/run", other.runtime, "relative", ""]) {
      const { stdout } = await world.command(command, { XDG_RUNTIME_DIR: runtime });
      assert.equal(stdout, "mine\n");
    }
  });

  test("other variables are another store: nothing is replayed from this one", async (world) => {
    const command = words("echo found", "--pull-policy=never");
    await run(world, command);
    assert.ok((await run(world, command)).replayed);
    for (const name of ["HOME", "XDG_DATA_HOME"]) {
      const { code, stderr } = await world.command(command, { [name]: `${world.home}/empty` });
      assert.equal(code, 254);
      assert.match(stderr, /example\.com\/box/);
    }
    assert.ok((await run(world, command)).replayed);
  });

  test("where an image has come, the start goes on in the namespace that it has entered", async (world) => {
    const command = words("cat /proc/self/uid_map; id -u");
    const { stdout: first } = await run(world, command);
    assert.ok((await run(world, command)).replayed);
    const image = await world.build(`more-${mode}`, ["--exec=/bin/sh"], "root");
    assert.equal((await world.rkt("fetch", image)).code, 0);
    const after = await run(world, command);
    assert.deepEqual([after.stdout, after.replayed, after.stderr], [first, false, ""]);
    assert.ok((await run(world, command)).replayed, "it is kept again");
  });

  test("rkt gc removes the entries that an image more has made useless", async (world) => {
    await run(world, words("echo swept"));
    assert.notEqual(kept(world), "");
    const image = await world.build(`swept-${mode}`, ["--exec=/bin/sh"], "root");
    assert.equal((await world.rkt("fetch", image)).code, 0);
    const { code, stderr } = await world.rkt("gc");
    assert.equal(code, 0, stderr);
    assert.equal(kept(world), "");
  });

  test("nothing of the launcher's stays: no process, and no pod that is not over", async (world) => {
    const command = words("exit 0");
    for (let i = 0; i < 3; i++) await run(world, command);
    const mine = Array.from(Deno.readDirSync("/proc")).filter(({ name }) => {
      try {
        return /^\d+$/.test(name) && Deno.statSync(`/proc/${name}`).uid === world.uid;
      } catch {
        return false;
      }
    });
    assert.deepEqual(mine, []);
    assert.deepEqual(list(`${world.data}/pods/embryo`), []);
  });
}

Deno.test("where the administrator takes the ranges back, or gives them, the namespace is another one", async () => {
  const world = of("range");
  const command = words("cat /proc/self/uid_map");
  const ranges = Deno.readTextFileSync(world.subids);
  const { stdout: several } = await run(world, command);
  assert.ok((await run(world, command)).replayed);
  assert.equal(several.trim().split("\n").length, 2);
  try {
    Deno.writeTextFileSync(world.subids, "");
    const one = await run(world, command);
    assert.equal(one.stdout.trim().split("\n").length, 1, one.stderr);
    assert.equal(one.replayed, false);
  } finally {
    Deno.writeTextFileSync(world.subids, ranges);
  }
  assert.equal((await run(world, command)).stdout, several);
});

Deno.test("with one user a repeated start loads nothing: it works where no library can be read", async () => {
  const world = of("one");
  const command = words("echo alone");
  await run(world, command);
  assert.ok((await run(world, command)).replayed);
  // The shell that comes before has loaded its own libraries; this one has none.
  const wait = (file: string) =>
    `for i in $(busybox seq 3000); do [ -e ${file} ] && break; busybox usleep 10000; done`;
  const [there, blind] = [`${world.home}/there`, `${world.home}/blind`];
  const loader = Deno.realPathSync("/lib64/ld-linux-x86-64.so.2");
  const blinder = `${wait(there)}; busybox mount --bind /dev/null ${loader}; : >${blind}`;
  const asUser = ["busybox", "sh", "-c", `: >${there}; ${wait(blind)}; exec "$@"`, "sh"];
  const start = async (line: readonly string[]) => {
    for (const file of [there, blind]) await Deno.remove(file).catch(() => undefined);
    return await run(world, [...asUser, ...line], [`busybox sh -c '${blinder}' >/dev/null 2>&1 &`]);
  };
  assert.deepEqual(await start(command), { stdout: "alone\n", stderr: "", replayed: true });
  assert.match((await start(words("echo other"))).stderr, /needs glibc/);
});
