/** What an operator meets when something is not as it should be: nothing half-made, nothing hung, the first error told. */
import assert from "node:assert/strict";
import { BOX, list, World } from "../world/pod_world.ts";
import { writeNetwork } from "../world/host_world.ts";
import { RKT } from "../world/rkt.ts";

let world: World;

Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** Writes a plugin, and a network of it. */
function plugin(name: string, script: string): string {
  const path = `${world.dir}/${name}`;
  Deno.writeTextFileSync(path, `#!/bin/sh\ncat >/dev/null\n${script}\n`);
  Deno.chmodSync(path, 0o755);
  writeNetwork(world, { cniVersion: "1.0.0", name, type: name, plugin: path });
  return `--net=${name}`;
}

const configured = () => `--local-config=${world.dir}/etc`;

Deno.test("a start that fails leaves no pod, and tells the first error", async () => {
  const failing = plugin(
    "failing",
    `case $CNI_COMMAND in ADD|DEL) echo "{\\"code\\":100,\\"msg\\":\\"$CNI_COMMAND is broken\\"}"; exit 1;; esac`,
  );
  const faults: readonly (readonly [flags: string[], line: RegExp])[] = [
    [
      ["--uuid-file-save=/nowhere/uuid"],
      /^run: --uuid-file-save: \/nowhere\/uuid can't be written: no such file or directory\n$/,
    ],
    [
      [`--uuid-file-save=${world.dir}`],
      /^run: --uuid-file-save: \S+ can't be written: is a directory\n$/,
    ],
    [[failing], /^run: network "failing": plugin failing .*: ADD failed: ADD is broken\n$/],
  ];
  for (const [flags, line] of faults) {
    const before = world.pods().length;
    for (const _time of ["first", "again"]) {
      const { code, stderr } = await world.rkt(
        configured(),
        ...world.words("true", ...flags).slice(1),
      );
      assert.match(stderr, line);
      assert.equal(code, 254);
      assert.equal(world.pods().length, before);
    }
  }
});

Deno.test("a process that a plugin leaves behind does not keep the pod running", async () => {
  const net = plugin(
    "leaving",
    `sleep 1000 & echo $! >> "$0.pids"; [ $CNI_COMMAND = DEL ] || echo '{"cniVersion":"1.0.0","ips":[]}'`,
  );
  const uuidFile = `${world.dir}/uuid`;
  const words = world.words("echo in", net, `--uuid-file-save=${uuidFile}`).slice(1);
  const { code, stdout, stderr } = await world.rkt(configured(), ...words);
  const pids = Deno.readTextFileSync(`${world.dir}/leaving.pids`).trim().split("\n").map(Number);
  try {
    assert.deepEqual([code, stdout, stderr], [0, "in\n", ""]);
    assert.equal(pids.length, 2, "one of ADD, one of DEL");
    const status = await world.rkt("status", Deno.readTextFileSync(uuidFile));
    assert.match(status.stdout, /^state=exited$/m);
    assert.equal((await world.rkt("rm", Deno.readTextFileSync(uuidFile))).code, 0);
  } finally {
    for (const pid of pids) Deno.kill(pid, "SIGKILL");
  }
});

Deno.test("rm and stop go on behind a pod of which nothing can be said", async () => {
  assert.equal((await world.run("true")).code, 0);
  const [first = ""] = list(`${world.dataDir}/pods/run`);
  assert.equal((await world.run("true")).code, 0);
  const second = list(`${world.dataDir}/pods/run`).find((uuid) => uuid !== first) ?? "";
  // Names are looked for in this file, and reading it fails.
  Deno.mkdirSync(`${world.dataDir}/pods/run/${first}/pod-name`);
  for (const command of ["stop", "rm"]) {
    const { code, stdout, stderr } = await world.rkt(command, "web", second);
    assert.equal(code, 254);
    assert.match(
      stderr,
      new RegExp(`^${command}: (?!this is a bug).*\n${command}: failed to .*\n$`),
    );
    assert.ok(stdout.includes(second), stdout);
  }
  assert.deepEqual(list(`${world.dataDir}/pods/run`).includes(second), false);
  assert.equal((await world.rkt("rm", first)).code, 0);
});

Deno.test("commands that look at pods write nothing", async () => {
  assert.equal((await world.run("true")).code, 0);
  const [uuid = ""] = list(`${world.dataDir}/pods/run`);
  const looks: readonly (readonly string[])[] = [
    ["list"],
    ["list", "--full", "--format=json"],
    ["status", uuid],
    ["status", "--wait", "--wait-ready=10ms", uuid],
    ["cat-manifest", uuid],
    ["run", "--dry-run", "--net=none", BOX],
    ["config"],
    ["trust", "list"],
  ];
  const seen = () =>
    output("find", world.dataDir, "-name", "db", "-prune", "-o", "-printf", "%p %y %m %s %T@ %C@\n")
      .split("\n").sort();
  for (const words of looks) {
    const before = seen();
    const { code, stderr } = await world.rkt(...words);
    assert.ok(code === 0 || words.includes("--wait-ready=10ms"), stderr);
    assert.deepEqual(seen(), before, words.join(" "));
    // Where there is nothing yet, nothing comes to be.
    const args = [`--dir=${world.dir}/nothing`, ...words];
    await new Deno.Command(RKT, { args, stdin: "null", stdout: "null", stderr: "null" }).output();
    assert.throws(
      () => Deno.lstatSync(`${world.dir}/nothing`),
      Deno.errors.NotFound,
      words.join(" "),
    );
  }
});

function output(program: string, ...args: string[]): string {
  const { code, stdout } = new Deno.Command(program, { args, stderr: "null" }).outputSync();
  assert.equal(code, 0);
  return new TextDecoder().decode(stdout);
}

Deno.test("an app has no attributes of the caller but those that are meant for it", async () => {
  const script = "grep -E '^Sig(Blk|Ign):' /proc/self/status; cat /proc/self/personality";
  const words = world.words(script).map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  const callers: readonly (readonly [caller: string, ignored: string])[] = [
    ["", "0"],
    ["trap '' INT QUIT TERM USR1 USR2 PIPE CHLD TSTP TTIN TTOU WINCH;", "0"],
    ["trap '' HUP INT;", "1"], // as nohup(1) does
    ["exec setarch -R -3 ", "0"],
  ];
  for (const [caller, ignored] of callers) {
    for (const _time of ["first", "again"]) {
      const args = ["-c", `${caller} ${RKT} ${words}`];
      const { code, stdout } = await new Deno.Command("sh", { args, stdin: "null" }).output();
      assert.equal(code, 0);
      // The shell of the image ignores QUIT where it has found HUP ignored.
      const lines = new TextDecoder().decode(stdout).replace(/5$/m, "1").split("\n");
      const hex = ignored.padStart(16, "0");
      const expected = ["SigBlk:\t0000000000000000", `SigIgn:\t${hex}`, "00000000", ""];
      assert.deepEqual(lines, expected, caller);
    }
  }
});

Deno.test("stop ends an app whose rkt was started with TERM ignored", async () => {
  const uuidFile = `${world.dir}/stopped`;
  const words = world.words("echo up; exec sleep 1000", `--uuid-file-save=${uuidFile}`);
  const args = ["-c", 'trap "" TERM INT; exec "$@"', "sh", RKT, ...words];
  const pod = world.adopt(new Deno.Command("sh", { args, stdin: "null", stdout: "piped" }).spawn());
  assert.equal(await pod.line(), "up");
  const stopped = await world.rkt("stop", "--timeout=60s", `--uuid-file=${uuidFile}`);
  assert.equal(stopped.code, 0, stopped.stderr);
  assert.equal((await pod.child.status).code, 128 + 15);
});

/** What a shell prints that has given something up before it runs rkt. */
async function poor(before: string, ...words: string[]) {
  const args = ["-c", `${before}; exec "$@"`, "sh", RKT, ...words];
  const { code, stdout, stderr } = await new Deno.Command("bash", { args, stdin: "null" }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("commands work from a directory that is gone, and find no files by relative names there", async () => {
  const gone = `mkdir ${world.dir}/gone; cd ${world.dir}/gone; rmdir ${world.dir}/gone`;
  const dir = `--dir=${world.dataDir}`;
  const uuidFile = `${world.dir}/in-gone`;
  for (const _time of ["first", "again"]) {
    const run = await poor(gone, ...world.words("pwd", `--uuid-file-save=${uuidFile}`));
    assert.deepEqual([run.code, run.stdout], [0, "/\n"], run.stderr);
  }
  const uuid = Deno.readTextFileSync(uuidFile);
  for (const words of [["list"], ["status", uuid], ["stop", uuid], ["rm", uuid], ["help"]]) {
    const { code, stderr } = await poor(gone, dir, ...words);
    assert.equal(code, 0, `${words}: ${stderr}`);
  }
  for (const file of ["./etc", "./proc/self/exe", "./1"]) {
    const { code, stderr } = await poor(gone, dir, "run", file);
    assert.equal(code, 254);
    assert.match(stderr, /^run: .*no such file/i, file);
  }
});

Deno.test("what rkt can't do without is said in one line", async () => {
  const list = [...world.flags, "list"];
  const poverties: readonly (readonly [before: string, words: string[], line: RegExp])[] = [
    ["mount -t tmpfs none /proc", list, /^rkt: \/proc is not mounted, .*\n$/],
    [
      "ulimit -v 1000000",
      list,
      /^rkt: the limit of virtual memory \(ulimit -v\) is too low: .*\n$/,
    ],
    [
      "ulimit -v 30000000",
      list,
      /^rkt: the limit of virtual memory \(ulimit -v\) is too low: .*\n$/,
    ],
    ["ulimit -d 600000", list, /^rkt: the limit of data \(ulimit -d\) is too low: .*\n$/],
    ["ulimit -s 256", list, /^rkt: the limit of the stack \(ulimit -s\) is too low: .*\n$/],
    ["ulimit -n 1", list, /^rkt: the limit of open files \(ulimit -n\) is too low: .*\n$/],
    ["ulimit -n 10", list, /^rkt: the limit of open files \(ulimit -n\) is too low: .*\n$/],
    [
      "ulimit -f 8", // blocks of 1,024 bytes
      world.words("ulimit -n"),
      /^rkt: the limit of a file's size \(ulimit -f\) is too low: .*\n$/,
    ],
    [
      "ulimit -f 1024",
      [`--dir=${world.dir}/small`, "--insecure-options=image", "fetch", `${world.dir}/box.aci`],
      /^fetch: file too large\n$/,
    ],
    [
      "ulimit -n 100",
      world.words("ulimit -n"),
      /^(run: the limit of open files \(ulimit -n\) is 100, .*\n)?$/, // with CAP_SYS_RESOURCE it is raised
    ],
    [
      "echo 2 >/proc/sys/vm/memfd_noexec",
      world.words("ulimit -n"),
      /^run: vm\.memfd_noexec forbids [^\n]*: EACCES [^\n]*\n$/,
    ],
    [
      `mkdir -p ${world.dir}/noexec; mount -t tmpfs -o noexec none ${world.dir}/noexec`,
      [
        ...[`--dir=${world.dir}/noexec/data`, "--insecure-options=image", "run", "--net=none"],
        ...["--no-overlay", `${world.dir}/box.aci`, "--", "-c", "true"],
      ],
      /^stage1: execute .* EACCES .*; a data directory mounted noexec takes no --no-overlay; .*\n$/,
    ],
  ];
  for (const [before, words, line] of poverties) {
    const args = [
      "-mpf",
      "--mount-proc",
      "bash",
      "-c",
      `${before}; exec "$@"`,
      "sh",
      RKT,
      ...words,
    ];
    const { code, stdout, stderr } = await new Deno.Command("unshare", { args, stdin: "null" })
      .output();
    const said = new TextDecoder().decode(stderr);
    assert.match(said, line, before);
    assert.equal(code, said === "" ? 0 : 254, before);
    assert.equal(new TextDecoder().decode(stdout), said === "" ? "100\n" : "");
  }
  // What is enough for rkt is enough, and stays the app's limit.
  for (const limit of ["ulimit -v 60000000; ulimit -n 300", "ulimit -n 1000"]) {
    const { code, stdout, stderr } = await poor(limit, ...world.words("ulimit -n"));
    assert.deepEqual([code, stdout], [0, `${limit.split(" ").at(-1)}\n`], stderr);
  }
});
