/**
 * What a repeated start believes. The first run of a command line keeps what it worked out; each of these changes the
 * world between two runs, and the second has to do what a first one would.
 */
import assert from "node:assert/strict";
import { BOX, list, UNSIGNED, World } from "../world/pod_world.ts";
import { nth } from "../world/nth.ts";
import { Random } from "../world/random.ts";
import { type Outcome, RKT } from "../world/rkt.ts";
import { ENTRIES, keepsStarts, keptStarts, startEntries } from "../world/start_entries.ts";
import { exists } from "../../src/linux/exists.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** Whether a start is replayed, and not worked out anew: nothing new is kept. */
async function isReplayed(start: () => Promise<unknown>): Promise<boolean> {
  return keptStarts(world.dataDir) !== "" && await keepsStarts(world.dataDir, start);
}

/** Runs a script until its start is kept. */
async function keep(script: string, ...flags: string[]): Promise<void> {
  const start = () => world.output(script, ...flags);
  await start();
  assert.ok(await isReplayed(start), "the start is not kept");
}

Deno.test("starts at once of command lines that differ in one early word each print their own", async () => {
  const tail = "x".repeat(400);
  const ids = Array.from({ length: 24 }, (_, i) => `${i}`);
  const start = async (id: string) =>
    [id, await world.output(`echo $ID; : ${tail}`, `--environment=ID=${id}`)] as const;
  for (let round = 0; round < 2; round++) {
    const printed = await Promise.all(ids.map(start));
    for (const [id, text] of printed) assert.equal(text, `${id}\n`);
  }
});

Deno.test("a word is not taken for a variable of a service manager, and no variable for a word", async () => {
  for (
    const variable of ["NOTIFY_SOCKET=@nobody", "LISTEN_FDNAMES=a", "CREDENTIALS_DIRECTORY=/x"]
  ) {
    const words = ["run", "--net=none", BOX, "--exec=/bin/busybox", "--", "echo", "said"];
    const run = async (env: string[], more: string[]) => {
      const args = [...env, RKT, `--dir=${world.dataDir}`, UNSIGNED, ...words, ...more];
      const { code, stdout } = await new Deno.Command("env", { args, stdin: "null" }).output();
      assert.equal(code, 0);
      return new TextDecoder().decode(stdout);
    };
    for (let i = 0; i < 2; i++) assert.equal(await run([], [variable]), `said ${variable}\n`);
    for (let i = 0; i < 2; i++) assert.equal(await run([variable], []), "said\n");
    assert.equal(await run([], [variable]), `said ${variable}\n`);
  }
});

Deno.test("a repeated start loads nothing: it works where no library can be read", async () => {
  await keep("exit 0");
  const blind = `mount --bind /dev/null /lib64/ld-linux-x86-64.so.2 && exec "$0" "$@"`;
  const words = world.words("exit 0");
  const run = async (rkt: string[]) => {
    const args = ["--mount", "--propagation=private", "/bin/busybox", "sh", "-c", blind, ...rkt];
    const { code, stderr } = await new Deno.Command("unshare", { args, stdin: "null" }).output();
    return { code, stderr: new TextDecoder().decode(stderr) };
  };
  assert.deepEqual(await run([RKT, ...words]), { code: 0, stderr: "" });
  assert.match((await run([RKT, ...words, "other"])).stderr, /needs glibc/);
});

Deno.test("no argument, variable or working directory decides where starts are kept, or found", async () => {
  const hostile = `${world.dir}/hostile`;
  Deno.mkdirSync(hostile);
  const kept = keptStarts(world.dataDir);
  const words = ["run", "--net=none", BOX, "--exec=/bin/busybox", "--", "echo", `--dir=${hostile}`];
  const names = ["XDG_RUNTIME_DIR", "XDG_DATA_HOME", "HOME", "TMPDIR"];
  const run = async () => {
    const { stdout } = await new Deno.Command(RKT, {
      args: [...world.flags, ...words],
      env: Object.fromEntries(names.map((name) => [name, hostile])),
      cwd: hostile,
      stdin: "null",
    }).output();
    assert.equal(new TextDecoder().decode(stdout), `--dir=${hostile}\n`);
  };
  for (let i = 0; i < 3; i++) await run();
  assert.deepEqual([...Deno.readDirSync(hostile)], []);
  assert.notEqual(keptStarts(world.dataDir), kept);
  // A user has root's own entries, in a directory that only he can write to.
  const theirs = `${hostile}/rkt/starts`;
  Deno.mkdirSync(theirs, { recursive: true, mode: 0o700 });
  for (const entry of startEntries(world.dataDir)) {
    Deno.copyFileSync(entry, `${theirs}/${entry.split("/").at(-1)}`);
    Deno.removeSync(entry);
  }
  for (const path of [`${hostile}/rkt`, theirs]) Deno.chownSync(path, 1000, 1000);
  assert.equal(await keepsStarts(world.dataDir, run), false, "the user's are not root's");
});

/** Where one puts entries that are to be links. */
const MOVED = `${ENTRIES}/../moved-by-test`;
Deno.test.afterAll(() => {
  if (exists(MOVED)) Deno.removeSync(MOVED, { recursive: true });
});

/** Ways in which what is kept can be somebody else's: each is not believed, and made anew or left alone. */
const FOREIGN: Readonly<Record<string, (entry: string) => void>> = {
  "an entry of another user": (entry) => Deno.chownSync(entry, 1000, 0),
  "an entry that others can write": (entry) => Deno.chmodSync(entry, 0o602),
  "an entry that is a link": (entry) => {
    // On the same file system: /run has one of its own mostly. Each link leads to what was there, or its key would differ.
    const moved = `${MOVED}/${entry.split("/").at(-1)}`;
    Deno.mkdirSync(MOVED, { recursive: true });
    Deno.renameSync(entry, moved);
    Deno.symlinkSync(moved, entry);
  },
  "a directory in the place of an entry": (entry) => {
    Deno.removeSync(entry);
    Deno.mkdirSync(`${entry}/something`, { recursive: true });
  },
  // Whoever opened it to read would wait for ever.
  "a pipe in the place of an entry": (entry) => {
    Deno.removeSync(entry);
    new Deno.Command("mkfifo", { args: ["-m", "600", entry] }).outputSync();
  },
};

for (const [what, change] of Object.entries(FOREIGN)) {
  Deno.test(`${what} is not replayed`, async () => {
    const start = () =>
      world.output("echo own", `--environment=FOREIGN=${what.replaceAll(" ", "-")}`);
    await start();
    assert.ok(await isReplayed(start));
    for (const entry of startEntries(world.dataDir)) change(entry);
    assert.equal(
      await keepsStarts(world.dataDir, async () => {
        assert.equal(await start(), "own\n");
      }),
      false,
    );
    assert.ok(await isReplayed(start), "it is not kept again");
  });
}

/** Ways in which a file can be damaged. */
const DAMAGES: readonly ((bytes: Uint8Array, random: Random) => Uint8Array)[] = [
  (bytes, random) => {
    const at = random.below(bytes.length);
    return bytes.with(at, (bytes[at] ?? 0) ^ 1 << random.below(8));
  },
  // The header, the key and the replay are at the beginning.
  (bytes, random) => {
    const at = random.below(8192);
    return bytes.with(at, (bytes[at] ?? 0) ^ 1 << random.below(8));
  },
  (bytes, random) => bytes.slice(0, random.below(bytes.length)),
  (bytes, random) => bytes.slice(0, random.below(200)),
  (bytes, random) => new Uint8Array([...bytes, ...new Uint8Array(1 + random.below(5000))]),
];

Deno.test("an entry that is damaged anywhere costs one slow start, and is replaced", async () => {
  const random = Random.ofTest();
  const start = async () => assert.equal(await world.output("echo whole"), "whole\n");
  for (let i = 0; i < 3 * DAMAGES.length; i++) {
    for (const entry of startEntries(world.dataDir)) Deno.removeSync(entry);
    await start();
    assert.ok(await isReplayed(start), `${i}: it is not kept`);
    for (const entry of startEntries(world.dataDir)) {
      const bytes = nth(DAMAGES, i % DAMAGES.length)(Deno.readFileSync(entry), random);
      Deno.removeSync(entry); // who has it mapped keeps the old one
      Deno.writeFileSync(entry, bytes, { mode: 0o600 });
    }
    await start();
    assert.ok(await isReplayed(start), `${i}: it is not replaced`);
  }
});

Deno.test("a directory of entries that is not root's alone is not used", async () => {
  const start = () => world.output("echo alone");
  await start();
  assert.ok(await isReplayed(start));
  try {
    Deno.chmodSync(ENTRIES, 0o777);
    const before = keptStarts(world.dataDir);
    assert.equal(await start(), "alone\n");
    assert.equal(await world.output("echo new"), "new\n");
    assert.equal(keptStarts(world.dataDir), before);
  } finally {
    Deno.chmodSync(ENTRIES, 0o700);
  }
});

Deno.test("an entry that a caller with a narrow umask has made is replayed", async () => {
  const run = async () => {
    const words = world.words("echo narrow");
    const args = ["-c", 'umask 0777; exec "$@"', "sh", RKT, ...words];
    const { stdout } = await new Deno.Command("sh", { args, stdin: "null" }).output();
    assert.equal(new TextDecoder().decode(stdout), "narrow\n");
  };
  if (exists(ENTRIES)) Deno.removeSync(ENTRIES, { recursive: true });
  await run();
  assert.ok(await isReplayed(run));
});

/** A change of the world, and what the start after it has to do. */
interface Change {
  readonly name: string;
  readonly flags?: (dir: string) => readonly string[];
  readonly before?: (dir: string) => void;
  readonly change: (dir: string) => void | Promise<void>;
  readonly undo?: (dir: string) => void;
  readonly after: (outcome: Outcome) => void;
}

const works = ({ code, stdout, stderr }: Outcome) => {
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "works\n");
};
const fails = (message: RegExp) => ({ code, stderr }: Outcome) => {
  assert.equal(code, 254);
  assert.match(stderr, message);
};

const VOLUME = (dir: string) => [
  `--volume=v,kind=host,source=${dir}/volume`,
  "--mount=volume=v,target=/v",
];

const CHANGES: readonly Change[] = [
  {
    name: "a file now has the name of the image",
    change: () => {
      Deno.mkdirSync("/tmp/rkt-start-cache-test/example.com", { recursive: true });
      Deno.writeTextFileSync("/tmp/rkt-start-cache-test/example.com/box", "no image");
    },
    undo: () => Deno.removeSync("/tmp/rkt-start-cache-test/example.com/box"),
    after: fails(/example\.com\/box/),
  },
  {
    name: "a volume's source is gone",
    flags: VOLUME,
    before: (dir) => Deno.mkdirSync(`${dir}/volume`),
    change: (dir) => Deno.removeSync(`${dir}/volume`),
    after: fails(/volume "v": there is no/),
  },
  {
    name: "a volume's source became a file",
    flags: VOLUME,
    before: (dir) => Deno.mkdirSync(`${dir}/volume`),
    change: (dir) => {
      Deno.removeSync(`${dir}/volume`);
      Deno.writeTextFileSync(`${dir}/volume`, "");
    },
    undo: (dir) => Deno.removeSync(`${dir}/volume`),
    after: works,
  },
  {
    name: "the store's skeleton is gone",
    change: () => Deno.removeSync(`${world.dataDir}/cas/skeleton`, { recursive: true }),
    after: works,
  },
  {
    name: "the directory of locks is gone",
    change: () => Deno.removeSync(`${world.dataDir}/locks`, { recursive: true }),
    after: works,
  },
  {
    name: "the image's tree is gone",
    change: () => {
      const trees = `${world.dataDir}/cas/tree`;
      for (const name of list(trees)) Deno.removeSync(`${trees}/${name}`, { recursive: true });
    },
    after: works,
  },
  {
    name: "the directories of pods are gone",
    change: () => Deno.removeSync(`${world.dataDir}/pods`, { recursive: true }),
    after: works,
  },
  {
    name: "another image was fetched",
    change: async () => await world.store(`other-${crypto.randomUUID().slice(0, 8)}`, {}),
    after: works,
  },
];

for (const { name, flags = () => [], before, change, undo, after } of CHANGES) {
  Deno.test(`a start is made anew where ${name}`, async () => {
    const cwd = "/tmp/rkt-start-cache-test";
    Deno.mkdirSync(cwd, { recursive: true });
    before?.(world.dir);
    const words = world.words("echo works", ...flags(world.dir), `--environment=CASE=${name}`);
    const run = async (): Promise<Outcome> => {
      const { code, stdout, stderr } = await new Deno.Command(RKT, {
        args: words,
        cwd,
        stdin: "null",
      })
        .output();
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return { code, stdout: text(stdout), stderr: text(stderr) };
    };
    works(await run());
    assert.ok(await isReplayed(async () => works(await run())), "the start is not kept");
    await change(world.dir);
    try {
      after(await run());
    } finally {
      undo?.(world.dir);
    }
  });
}

Deno.test("an image given by its ID does not run after it was removed", async () => {
  const name = "removed";
  await world.store(name, { exec: ["/bin/true"] });
  const listed = await world.rkt("image", "list", "--format=json");
  const images: readonly { readonly id: string; readonly name: string }[] = JSON.parse(
    listed.stdout,
  );
  const id = images.find((image) => image.name.includes(name))?.id ?? "";
  const run = () => world.rkt("run", "--net=none", id);
  for (let i = 0; i < 2; i++) assert.equal((await run()).code, 0);
  await world.rkt("gc", "--grace-period=0s");
  await world.rkt("gc", "--grace-period=0s");
  assert.equal((await world.rkt("image", "rm", id)).code, 0);
  const { code, stderr } = await run();
  assert.equal(code, 254, stderr);
});

// `image gc` without a grace time would also take the image that all these starts are of.
const COLLECTING = [["image", "gc", "--grace-period=1h"], ["gc"]];

for (const command of COLLECTING) {
  Deno.test(`rkt ${command.join(" ")} removes the entries that an image less has made useless`, async () => {
    const start = () => world.output("echo kept", `--environment=BY=${command.join("-")}`);
    await start();
    const kept = startEntries(world.dataDir).length;
    assert.ok(kept > 0);
    Deno.writeTextFileSync(`${world.dataDir}/cas/generation`, `${crypto.randomUUID()}\n`);
    await world.rkt("gc", "--grace-period=0s", "--mark-only");
    const { code, stderr } = await world.rkt(...command);
    assert.equal(code, 0, stderr);
    assert.deepEqual(startEntries(world.dataDir), []);
    await start();
    const before = startEntries(world.dataDir);
    assert.ok(before.length > 0);
    await world.rkt("gc");
    assert.deepEqual(startEntries(world.dataDir), before, "one of now stays");
  });
}

Deno.test("240 starts at once of command lines that differ in one early word each print their own", async () => {
  const ids = Array.from({ length: 240 }, (_, i) => `${i}`);
  const tail = "y".repeat(400);
  const printed = await Promise.all(
    ids.map((id) => world.output(`echo $ID; : ${tail}`, `--environment=ID=many${id}`)),
  );
  assert.deepEqual(printed, ids.map((id) => `many${id}\n`));
});

Deno.test("--dry-run says what a repeated start asks first, and what is filled in; or why it is not kept", async () => {
  const shown = async (...flags: string[]) => {
    const { code, stdout, stderr } = await world.rkt(
      "run",
      "--net=none",
      "--dry-run",
      ...flags,
      BOX,
    );
    assert.equal(code, 0, stderr);
    return stdout;
  };
  await world.output("exit 0");
  const asked = await shown();
  const [, questions = "", filled = ""] = asked.split(/\n# what (?:a repeated|is filled)/);
  assert.match(
    questions,
    new RegExp(`^    ${world.dataDir}/cas/generation has the same \\d+ bytes$`, "m"),
  );
  assert.match(questions, /^ {4}the caller has the same capabilities$/m);
  assert.match(filled, /^ {4}the pod's UUID: 36 bytes, in \d+ places$/m);
  assert.doesNotMatch(filled, /range of users/);
  assert.match(
    await shown("--private-users"),
    /^ {4}the pod's range of users, in numbers: 2 bytes/m,
  );
  assert.match(
    await shown("--interactive"),
    /^# a repeated start is worked out anew: it is interactive$/m,
  );
});

Deno.test("--rm executes the rkt that is at its path now only if that is the one that started", async () => {
  const copy = `${world.dir}/rkt`;
  const own = Deno.readFileSync(RKT);
  Deno.writeFileSync(copy, own, { mode: 0o755 });
  const run = async () => {
    const args = world.words("echo works", "--rm");
    const { code, stdout } = await new Deno.Command(copy, { args, stdin: "null" }).output();
    return [code, new TextDecoder().decode(stdout)];
  };
  for (let i = 0; i < 2; i++) assert.deepEqual(await run(), [0, "works\n"]);
  // The same bytes in another file: the start is not the old one's.
  Deno.removeSync(copy);
  Deno.writeFileSync(copy, own, { mode: 0o755 });
  assert.equal(await isReplayed(run), false);
});

Deno.test("a start from another cgroup is another start", async () => {
  const hierarchy = "/sys/fs/cgroup/devices";
  const cgroup = `${hierarchy}/rkt-start-cache-test`;
  Deno.mkdirSync(cgroup, { recursive: true });
  try {
    const inCgroup = async (path: string) => {
      const script = `echo $$ > ${path}/cgroup.procs && exec "$@"`;
      const args = ["-c", script, "sh", RKT, ...world.words("grep devices /proc/1/cgroup")];
      const { stdout } = await new Deno.Command("sh", { args, stdin: "null" }).output();
      return new TextDecoder().decode(stdout).replace(/rkt-[0-9a-f-]{36}/, "rkt-UUID");
    };
    const outside = await inCgroup(hierarchy);
    assert.equal(await inCgroup(hierarchy), outside);
    const inside = await inCgroup(cgroup);
    assert.equal(inside, outside.replace("/rkt-UUID", "/rkt-start-cache-test/rkt-UUID"));
    assert.equal(await inCgroup(hierarchy), outside);
  } finally {
    Deno.removeSync(cgroup);
  }
});
