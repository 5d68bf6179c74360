/**
 * `rkt enter` and `rkt app exec` without a terminal. What they may do is compared with what the app may do: that they are in
 * its cgroup, and have its filter and capabilities, is what CVE-2019-10144, -10145 and -10147 of the old rkt were about.
 */
import assert from "node:assert/strict";
import { trySyscall } from "../../src/linux/syscall.ts";
import { BOX, children, list, type Pod, processStatus, Watch, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";
import { nth, only } from "../world/nth.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** The UUID of a pod, by its supervisor's file. */
function uuidOf(pod: Pod): string {
  const run = `${world.dataDir}/pods/run`;
  const found = list(run).find((uuid) =>
    Deno.readTextFileSync(`${run}/${uuid}/ppid`).trim() === `${pod.pid}`
  );
  assert.ok(found !== undefined);
  return found;
}

/** What a command in a pod's app prints; it must succeed. */
async function entered(pod: Pod, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await world.rkt("enter", uuidOf(pod), ...words);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Starts `rkt enter` with a script, and returns when that has printed `up`, which it does after `first`. */
async function enter(pod: Pod, script: string, first = "true"): Promise<Pod> {
  const all = `${first}; echo up; ${script}`;
  const words = [...world.flags, "enter", uuidOf(pod), "sh", "-c", all];
  const process = world.spawn(...words);
  assert.equal(await process.line(), "up");
  return process;
}

/** Whether a descriptor is of an anonymous file, as rkt's processes run from. */
function isMemory(path: string): boolean {
  try {
    return Deno.readLinkSync(path).startsWith("/memfd:rkt");
  } catch {
    return false; // closed again
  }
}

const IDLE = "sleep 1000; true";

Deno.test("enter runs a command as root in /, with the environment of the pod's manifest", async () => {
  await using pod = await world.start(
    "export FOO=changed; exec sh -c 'cd /srv; echo ready; sleep 1000; true'",
    ...["--environment=FOO=given", "--user=www", "--working-dir=/srv"],
  );
  assert.equal(await pod.line(), "ready");
  assert.equal(await entered(pod, "sh", "-c", "id; pwd"), "uid=0(root) gid=0(root)\n/\n");
  const variables = (await entered(pod, "env")).trim().split("\n").sort();
  assert.deepEqual(variables, [
    "AC_APP_NAME=box",
    "FOO=given",
    "HOME=/root",
    "LOGNAME=root",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "SHELL=/bin/sh",
    "USER=root",
    "container=rkt",
  ]);
});

Deno.test("enter ends as the command ends", async () => {
  await using pod = await world.start(IDLE);
  const status = async (script: string) =>
    (await world.rkt("enter", uuidOf(pod), "sh", "-c", script)).code;
  assert.equal(await status("exit 7"), 7);
  assert.equal(await status("kill -USR1 $$"), 128 + 10);
  const missing = await world.rkt("enter", uuidOf(pod), "none");
  assert.equal(missing.code, 254);
  assert.match(missing.stderr, /^stage1: execute none in app "box": ENOENT .*; name a program/);
});

Deno.test("enter without a command runs /bin/bash, or else /bin/sh, with the caller's streams", async () => {
  await using pod = await world.start(IDLE);
  const run = async (input: string) => {
    const args = [...world.flags, "enter", uuidOf(pod)];
    const child = new Deno.Command(RKT, { args, stdin: "piped", stdout: "piped" }).spawn();
    const keys = child.stdin.getWriter();
    await keys.write(new TextEncoder().encode(input));
    await keys.close();
    const { code, stdout } = await child.output();
    return [code, new TextDecoder().decode(stdout)];
  };
  assert.deepEqual(await run("echo $0; exit 3\n"), [3, "/bin/sh\n"]);
  // A program of the app's own, which its image lacks.
  await entered(
    pod,
    "sh",
    "-c",
    "printf '#!/bin/sh\necho bash\n' > /bin/bash; busybox chmod 755 /bin/bash",
  );
  assert.deepEqual(await run(""), [0, "bash\n"]);
});

Deno.test("an entered command is in the app's namespaces and root, wherever the app has gone itself", async () => {
  await using pod = await world.start(
    "busybox mkdir /srv/bin && busybox cp bin/busybox /srv/bin/ && " +
      "exec busybox chroot /srv /bin/busybox sh -c 'echo ready; busybox sleep 1000; true'",
  );
  assert.equal(await pod.line(), "ready");
  assert.match(await entered(pod, "ls", "/"), /^bin\ndev\netc\nprivate\n/);
  for (const kind of list(`/proc/${pod.app}/ns`)) {
    const own = Deno.readLinkSync(`/proc/${pod.app}/ns/${kind}`);
    assert.equal((await entered(pod, "readlink", `/proc/self/ns/${kind}`)).trim(), own);
  }
  assert.equal(await entered(pod, "cat", "/proc/1/comm"), "rkt-init\n");
});

Deno.test("an entered command is in the app's cgroups, with its limits and its devices", async () => {
  await using pod = await world.start(
    IDLE,
    "--memory=64Mi",
    "--pids-limit=20",
    "--oom-score-adj=300",
  );
  await using process = await enter(pod, "sleep 1000; true");
  const [program] = children(process.pid);
  for (const file of ["cgroup", "oom_score_adj"]) {
    const app = Deno.readTextFileSync(`/proc/${pod.app}/${file}`);
    assert.equal(Deno.readTextFileSync(`/proc/${program}/${file}`), app);
  }
  assert.notEqual(
    Deno.readTextFileSync(`/proc/${process.pid}/cgroup`),
    Deno.readTextFileSync(`/proc/${program}/cgroup`),
  );
  const many = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21; do sleep 9 & done";
  const { stderr } = await world.rkt("enter", uuidOf(pod), "sh", "-c", many);
  assert.match(stderr, /can't fork/);
});

const CONFINEMENT = [
  "CapInh",
  "CapPrm",
  "CapEff",
  "CapBnd",
  "CapAmb",
  "NoNewPrivs",
  "Seccomp",
  "Seccomp_filters",
];

/** Lines of /proc/PID/status. */
function confinement(status: string, names = CONFINEMENT): string[] {
  const fields = processStatus(status);
  return names.map((name) => `${name} ${fields.get(name)}`);
}

for (
  const flags of [
    [],
    ["--caps-retain=CAP_NET_ADMIN,CAP_CHOWN"],
    ["--caps-remove=CAP_CHOWN"],
    ["--insecure-options=capabilities,paths,seccomp"],
    ["--user=www"],
  ]
) {
  Deno.test(`an entered command is confined like the app: ${flags.join(" ") || "default"}`, async () => {
    await using pod = await world.start(IDLE, ...flags);
    // Another user has no capabilities in effect; what it can have at most is the same for both.
    const names = flags.includes("--user=www") ? CONFINEMENT.slice(3) : CONFINEMENT;
    const app = Deno.readTextFileSync(`/proc/${pod.app}/status`);
    const other = await entered(pod, "cat", "/proc/self/status");
    assert.deepEqual(confinement(other, names), confinement(app, names));
    const limits = await entered(pod, "cat", "/proc/self/limits");
    assert.equal(limits, Deno.readTextFileSync(`/proc/${pod.app}/limits`));
    assert.equal(processStatus(other).get("SigBlk"), "0000000000000000");
  });
}

Deno.test("enter --privileged gives all capabilities, and the namespaces of the app", async () => {
  await using pod = await world.start(IDLE, "--user=www");
  const { stdout } = await world.rkt(
    "enter",
    "--privileged",
    uuidOf(pod),
    "cat",
    "/proc/self/status",
  );
  const own = processStatus(Deno.readTextFileSync("/proc/self/status"));
  const fields = processStatus(stdout);
  assert.equal(fields.get("CapEff"), own.get("CapEff"));
  assert.deepEqual([fields.get("NoNewPrivs"), fields.get("Seccomp")], ["0", "0"]);
  assert.equal(fields.get("NSpid"), fields.get("Pid"));
});

Deno.test("no descriptor but 0, 1 and 2 reaches an entered command", async () => {
  await using pod = await world.start(IDLE);
  const words = `'${RKT}' --dir='${world.dataDir}' enter ${uuidOf(pod)} ls /proc/self/fd`;
  const args = ["-c", `exec 7</ 8</etc/passwd 9>/dev/null; ${words}`];
  const { stdout } = await new Deno.Command("bash", { args }).output();
  // The fourth is that of the directory that ls reads.
  assert.equal(new TextDecoder().decode(stdout).replaceAll("\n", " "), "0 1 2 3 ");
});

Deno.test("nobody can change the program that rkt enter runs from", async () => {
  await using pod = await world.start(IDLE);
  await using process = await enter(pod, IDLE);
  for (const { pid } of [pod, process]) {
    using file = Deno.openSync(`/proc/${pid}/exe`);
    const [name] = list("/proc/self/fd").filter((fd) => isMemory(`/proc/self/fd/${fd}`));
    assert.ok(file.statSync().isFile);
    // F_GET_SEALS: F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE.
    assert.equal(trySyscall("fcntl", Number(name), 1034) & 15, 15);
  }
});

Deno.test("the process outside passes signals on, and its death is the command's", async () => {
  await using pod = await world.start(IDLE);
  await using process = await enter(
    pod,
    "while sleep 0.05; do :; done",
    "trap 'echo got it; exit 5' USR1",
  );
  process.kill("SIGUSR1");
  assert.equal(await process.line(), "got it");
  assert.equal((await process.child.status).code, 5);

  await using killed = await enter(pod, "exec sleep 1000");
  const program = nth(children(killed.pid), 0);
  using watch = new Watch(program);
  killed.kill("SIGKILL");
  assert.ok(watch.ends());
  using main = new Watch(pod.app);
  assert.equal(main.ends(0), false);
});

Deno.test("the end of the pod ends an entered command", async () => {
  await using pod = await world.start(IDLE);
  await using process = await enter(pod, IDLE, "trap '' TERM");
  pod.kill("SIGTERM");
  assert.equal((await process.child.status).code, 128 + 9);
  assert.equal((await pod.child.status).code, 128 + 15);
});

Deno.test("a pod that is ending is entered, or said to have ended", async () => {
  const words = (uuid: string) => [...world.flags, "enter", uuid, "true"];
  await using pod = await world.start(
    "trap 'sleep 0.3; exit 3' TERM; echo ready; while sleep 0.02; do :; done",
  );
  assert.equal(await pod.line(), "ready");
  const uuid = uuidOf(pod);
  pod.kill("SIGTERM");
  const codes: number[] = [];
  let last = "";
  do {
    const { code, stderr } = await new Deno.Command(RKT, { args: words(uuid) }).output();
    codes.push(code);
    last = new TextDecoder().decode(stderr);
    if (code === 254) assert.match(last, /^(enter|stage1): .*(has ended|not running|running one)/);
    assert.ok(codes.length < 1000, "the pod does not end");
  } while (codes.at(-1) !== 254);
  assert.ok(codes.slice(0, -1).every((code) => code === 0 || code === 137), `${codes}`);
  assert.equal((await pod.child.status).code, 3);
});

Deno.test("enter says which apps there are", async () => {
  const app = (name: string) => [BOX, `--name=${name}`, "--", "-c"];
  await using pod = world.spawn(
    ...[...world.flags, "run", "--net=none"],
    ...[...app("one"), "echo up; sleep 1000; true", "---", ...app("two"), "sleep 1000; true"],
  );
  assert.equal(await pod.line(), "up");
  const uuid = uuidOf(pod);
  const several = await world.rkt("enter", uuid, "true");
  assert.equal(several.code, 254);
  assert.equal(
    several.stderr,
    `enter: pod "${uuid}" has several apps: one, two; say which with --app\n`,
  );
  const unknown = await world.rkt("enter", "--app=three", uuid, "true");
  assert.equal(unknown.stderr, `enter: pod "${uuid}" has no app "three", but one, two\n`);
  const second = await world.rkt("app", "exec", "--app=two", uuid, "--", "env");
  assert.match(second.stdout, /^AC_APP_NAME=two$/m);
});

Deno.test("only a running pod can be entered", async () => {
  const running = list(`${world.dataDir}/pods/run`);
  await world.run("true");
  const exited = only(
    list(`${world.dataDir}/pods/run`).filter((uuid) => !running.includes(uuid)),
  );
  const { code, stderr } = await world.rkt("enter", exited, "true");
  assert.equal(code, 254);
  assert.match(stderr, /^enter: pod ".*" is exited: only a running one can be entered\n$/);
});
