/** Pods whose apps come and go: `rkt app sandbox`, `add`, `start`, `stop`, `rm`, `list`, `status`. */
import assert from "node:assert/strict";
import { BOX, Lines, list, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";
import { runningPod } from "../world/running_pod.ts";
import { only } from "../world/nth.ts";
import { until } from "../world/until.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** Says that it is up, and ends with 3 when it is asked to. */
const POLITE = "trap 'exit 3' TERM; echo up; while :; do sleep 1000 & wait; done";

const VOLUME = ["--volume=v,kind=empty,uid=5,gid=6,mode=0777"];

/** A pod that waits for apps. */
async function sandbox(...flags: string[]) {
  const net = flags.some((flag) => flag.startsWith("--net")) ? [] : ["--net=none"];
  const words = ["app", "sandbox", ...VOLUME, ...net, ...flags];
  const pod = world.spawn(...world.flags, ...words);
  const uuid = await runningPod(world, pod.pid);
  /** Runs `rkt app …` for the pod; it must succeed. */
  const app = async (command: string, ...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await world.rkt("app", command, uuid, ...words);
    assert.equal(code, 0, `app ${command}: ${stderr}`);
    return stdout;
  };
  const states = async () => (await app("list", "--no-legend")).trim().replace(/[\t ]+/g, " ");
  return { pod, uuid, app, states };
}

/** A command of an app that has to be refused in one line. */
async function refused(said: RegExp, ...words: string[]): Promise<void> {
  const { code, stdout, stderr } = await world.rkt("app", ...words);
  assert.deepEqual([code, stdout], [254, ""], stderr);
  assert.match(stderr, /^[a-z]+: [^\n]+\n$/);
  assert.match(stderr, said);
}

Deno.test("an app is added, started again and again, stopped and removed; what it says is logged", async () => {
  const { pod, uuid, app, states } = await sandbox();
  assert.equal(await states(), "");
  await app("add", BOX, "--name=one", "--", "-c", POLITE);
  assert.equal(await states(), "one created");
  for (let start = 0; start < 3; start++) {
    await app("start", "--app=one");
    assert.equal(await states(), "one running");
    const { stdout } = await world.rkt("app", "exec", "--app=one", uuid, "--", "/bin/id", "-u");
    assert.equal(stdout, "0\n");
    await app("stop", "--app=one");
    assert.equal(await states(), "one exited");
    assert.match(await app("status", "--app=one"), /^exit_code=(3|143)$/m);
  }
  const lines = (await world.rkt("logs", uuid)).stdout.trim().split("\n");
  assert.ok(lines.every((line) => line === "up"), lines.join());
  await app("rm", "--app=one");
  assert.equal(await states(), "");
  pod.kill("SIGTERM");
  assert.equal((await pod.child.status).code, 0);
});

Deno.test("rkt attach reaches the streams of added apps, and each app's own", async () => {
  const { pod, uuid, app } = await sandbox();
  const streams = ["--stdin=stream", "--stdout=stream", "--stderr=stream"];
  for (const name of ["one", "two"]) {
    const script = `while read line; do echo ${name} got $line; done`;
    await app("add", BOX, `--name=${name}`, ...streams, "--", "-c", script);
    await app("start", `--app=${name}`);
  }
  for (const name of ["two", "one", "two"]) {
    const child = new Deno.Command(RKT, {
      args: [...world.flags, "attach", `--app=${name}`, uuid],
      ...{ stdin: "piped", stdout: "piped", stderr: "inherit" },
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`hello ${name}\n`));
    const lines = new Lines(child.stdout);
    assert.equal(await lines.next(), `${name} got hello ${name}`);
    child.kill("SIGINT");
    assert.equal((await child.status).code, 0);
    await writer.abort().catch(() => {});
  }
  pod.kill("SIGTERM");
  assert.equal((await pod.child.status).code, 0);
});

Deno.test("an added app has a terminal at each start, which rkt attach and rkt logs reach", async () => {
  for (const flags of [[], ["--private-users"]]) {
    const { pod, uuid, app } = await sandbox(...flags);
    const streams = ["--stdin=tty", "--stdout=tty", "--stderr=tty"];
    const script =
      "busybox tty; busybox stty -echo; while read line; do echo got $line on $TERM; done; echo end";
    await app("add", BOX, "--name=box", ...streams, "--", "-c", script);
    for (const word of ["one", "two"]) {
      await app("start", "--app=box");
      assert.equal((await world.rkt("attach", "--mode=list", uuid)).stdout, "tty\n");
      const child = new Deno.Command(RKT, {
        args: [...world.flags, "attach", uuid],
        ...{ stdin: "piped", stdout: "piped", stderr: "inherit" },
      }).spawn();
      const lines = new Lines(child.stdout);
      assert.equal(await lines.next(), "/dev/pts/0\r");
      const writer = child.stdin.getWriter();
      const type = (text: string) => writer.write(new TextEncoder().encode(text));
      await type(`${word}\n`);
      const isAnswer = (line: string | undefined) => line === `got ${word} on xterm\r`;
      let line = await lines.next();
      // The terminal echoes until the app has told it not to.
      for (; line !== undefined && !isAnswer(line); line = await lines.next());
      assert.ok(isAnswer(line));
      // Ctrl-D ends the input of the app.
      await type("\x04");
      assert.equal(await lines.next(), "end\r");
      child.kill("SIGINT");
      assert.equal((await child.status).code, 0);
      await writer.abort().catch(() => {});
      assert.match((await world.rkt("logs", uuid)).stdout, new RegExp(`got ${word} on xterm`));
      await app("stop", "--app=box");
    }
    pod.kill("SIGTERM");
    assert.equal((await pod.child.status).code, 0);
  }
});

/** The processes of a name whose working directory is the pod's. */
function processesOf(uuid: string, name: string): number[] {
  const of = (pid: string, file: string): string => {
    try {
      return file === "cwd"
        ? Deno.readLinkSync(`/proc/${pid}/cwd`)
        : Deno.readTextFileSync(`/proc/${pid}/${file}`).trim();
    } catch {
      return ""; // it has ended
    }
  };
  return list("/proc").filter((pid) => of(pid, "comm") === name)
    .filter((pid) => of(pid, "cwd").endsWith(`/${uuid}`))
    .map(Number);
}

Deno.test("a killed logger of an added app is made again, and loses nothing", async () => {
  const { pod, uuid, app } = await sandbox();
  const volume = "--mount=volume=v,target=/v";
  // It has the fifo open all the time: else it could see the end of one writer twice.
  const script = "mkfifo /v/fifo; echo ready; while read line <&3; do echo $line; done 3<> /v/fifo";
  await app("add", BOX, "--name=one", volume, "--stderr=log", "--", "-c", script);
  await app("start", "--app=one");
  const words = [...world.flags, "logs", "--follow", uuid];
  const following = new Deno.Command(RKT, { args: words, stdout: "piped" }).spawn();
  const lines = new Lines(following.stdout);
  assert.equal(await lines.next(), "ready");
  const guard = processesOf(uuid, "rkt-log-guard");
  assert.equal(guard.length, 1);
  for (let i = 0; i < 3; i++) {
    Deno.kill(only(processesOf(uuid, "rkt-log")), "SIGKILL");
    const said = `echo ${i} > /v/fifo`;
    const { code } = await world.rkt("enter", "--app=one", uuid, "/bin/sh", "-c", said);
    assert.equal(code, 0);
    assert.equal(await lines.next(), `${i}`);
  }
  assert.deepEqual(processesOf(uuid, "rkt-log-guard"), guard);
  await app("stop", "--app=one");
  pod.kill("SIGTERM");
  await pod.child.status;
  assert.equal(await lines.next(), undefined);
  await following.status;
  // It ends after its child.
  await until(() => processesOf(uuid, "rkt-log-guard").length === 0, 30, "the guard's end");
});

Deno.test("apps beside each other share the pod and not their roots; its end ends them", async () => {
  const { pod, uuid, app, states } = await sandbox();
  for (const name of ["one", "two"]) {
    await app("add", BOX, `--name=${name}`, "--", "-c", `touch /of-${name}; ${POLITE}`);
    await app("start", `--app=${name}`);
  }
  assert.equal(await states(), "one running\ntwo running");
  const inside = async (name: string, ...command: string[]) =>
    (await world.rkt("enter", `--app=${name}`, uuid, ...command)).stdout;
  assert.match(await inside("two", "/bin/sh", "-c", "echo /of-*"), /^\/of-(two|\*)\n$/);
  assert.equal(await inside("one", "/bin/hostname"), await inside("two", "/bin/hostname"));
  const { stdout } = await world.rkt("list", "--format=json");
  const pods: { name: string; app_names: string[] }[] = JSON.parse(stdout);
  assert.deepEqual(pods.find(({ name }) => name === uuid)?.app_names, ["one", "two"]);
  assert.equal((await world.rkt("stop", uuid)).code, 0);
  assert.equal((await pod.child.status).code, 0);
  assert.match((await world.rkt("status", uuid)).stdout, /^state=exited$/m);
});

/** What an app is allowed and sees; what differs from pod to pod is left out of it. */
const CONFINEMENT = [
  "grep -E '^(Cap|NoNewPrivs|Seccomp|[UG]id|Groups)' /proc/self/status",
  "busybox cut -d' ' -f5- /proc/self/mountinfo | busybox sed 's/rkt-[0-9a-f-]*/POD/g; s/ - overlay.*//' | busybox sort",
  "busybox sed 's/rkt-[0-9a-f-]*/POD/' /proc/self/cgroup",
  "busybox ls -l /dev | busybox awk '{ print $1, $3, $4, $NF }'",
  "env | busybox sort; ls /proc/self/fd; ulimit -n; umask; cat /proc/self/oom_score_adj",
].join("; ");

/** With `--private-users` mounts show which users of the host the pod has. */
const sameUsers = (text: string): string =>
  text.replace(/\b([ug]id)=(\d+)/g, (_, name, id) => `${name}=${Number(id) % 65_536}`);

Deno.test("an added app is confined like one that was there from the beginning", async () => {
  const rows: readonly (readonly [user: string, ...flags: string[]])[] = [
    ["0"],
    ["33"],
    ["33", "--private-users"],
  ];
  for (const [user, ...flags] of rows) {
    const words = [`--user=${user}`, "--stdin=null", "--stdout=log", "--stderr=log"];
    const before = await world.rkt("list", "--full", "--no-legend");
    const ran = await world.run(CONFINEMENT, "--name=one", ...flags, ...words);
    assert.equal(ran.code, 0, ran.stderr);
    const { stdout: after } = await world.rkt("list", "--full", "--no-legend");
    const uuids = (text: string) => text.split("\n").map((line) => line.split("\t")[0]);
    const plain = uuids(after).find((uuid) => !uuids(before.stdout).includes(uuid)) ?? "";
    const expected = sameUsers((await world.rkt("logs", plain)).stdout);
    assert.match(expected, /^crw-rw-rw- .* null$/m);

    const { pod, uuid, app, states } = await sandbox(...flags);
    await app("add", BOX, "--name=one", ...words, "--", "-c", CONFINEMENT);
    await app("start", "--app=one");
    await until(async () => await states() === "one exited", 30, "the end of app one");
    // The log is complete when the pod has ended.
    assert.equal((await world.rkt("stop", uuid)).code, 0);
    await pod.child.status;
    assert.equal(sameUsers((await world.rkt("logs", "--app=one", uuid)).stdout), expected);
  }
});

Deno.test("added apps live with the pod's own users, overlaid, copied and beside the host's network", async () => {
  for (const flags of [[], ["--no-overlay"], ["--net=host"]]) {
    const { pod, uuid, app } = await sandbox("--private-users", ...flags);
    const path = `${world.dataDir}/pods/run/${uuid}`;
    const shift = Number(Deno.readTextFileSync(`${path}/private-users-prepared`).split(":")[0]);
    const script = "stat -c %u:%g /srv/owned /dev/null /v; touch /new /v/new && echo made; " +
      "busybox head -1 /proc/self/uid_map | busybox xargs; sleep 1000";
    const volume = ["--mount=volume=v,target=/v", "--stdout=log"];
    await app("add", BOX, "--name=one", ...volume, "--", "-c", script);
    const starts = flags.length === 0 ? 2 : 1;
    for (let start = 0; start < starts; start++) {
      await app("start", "--app=one");
      const { stdout } = await world.rkt("enter", uuid, "/bin/id", "-u");
      assert.equal(stdout, "0\n");
      await app("stop", "--app=one");
    }
    assert.equal((await world.rkt("stop", uuid)).code, 0);
    assert.equal((await pod.child.status).code, 0);
    const said = `1234:2345\n0:0\n5:6\nmade\n0 ${shift} 65536\n`;
    assert.equal((await world.rkt("logs", "--app=one", uuid)).stdout, said.repeat(starts));
    const root = flags[0] === "--no-overlay"
      ? "stage1/rootfs/opt/stage2/one/rootfs"
      : "overlay/one/upper";
    for (const file of [`${root}/new`, "sharedVolumes/v/new"]) {
      assert.equal(Deno.statSync(`${path}/${file}`).uid, shift);
    }
  }
});

Deno.test("what can't be done with an app is said in one line", async () => {
  const { pod, uuid, app } = await sandbox();
  await app("add", BOX, "--name=one", "--", "-c", POLITE);
  await refused(/already an app "one"/, "add", uuid, BOX, "--name=one");
  await refused(/no app "none"/, "start", uuid, "--app=none");
  await app("start", "--app=one");
  await refused(/runs already/, "start", uuid, "--app=one");
  await refused(/running|runs/, "rm", uuid, "--app=one");
  const other = await world.start("sleep 1000 & wait");
  const plain = await runningPod(world, other.pid);
  await refused(/sandbox|mutable/, "add", plain, BOX, "--name=two");
  await other.end();
  pod.kill("SIGKILL");
  await pod.child.status;
  await refused(/is not running/, "start", uuid, "--app=one");
});

Deno.test("a sandbox has ports and notes in rkt's forms, and apps volumes of their own", async () => {
  const host = `${world.dir}/of-the-host`;
  Deno.mkdirSync(host);
  Deno.writeTextFileSync(`${host}/file`, "of the host\n");
  const { pod, uuid, app } = await sandbox(
    "--net=default",
    "--port=web:TCP:8081:127.0.0.1:18081",
    "--port=dns:udp:53::15353",
    "--port=all:tcp:8082:0.0.0.0:18082",
    "--annotation=example.com/team=red",
    "--user-annotation=any thing=a=b",
    "--user-label=tier=front",
  );
  const manifest = JSON.parse((await world.rkt("cat-manifest", uuid)).stdout);
  assert.deepEqual(
    manifest.ports.map((port: Record<string, unknown>) => [port.name, port.hostIP]),
    [
      ["web", "127.0.0.1"],
      ["dns", undefined],
      ["all", undefined],
    ],
  );
  const [, ...notes] = [manifest.annotations[0], manifest.userAnnotations, manifest.userLabels];
  assert.deepEqual(manifest.annotations[0], { name: "example.com/team", value: "red" });
  assert.deepEqual(notes, [{ "any thing": "a=b" }, { tier: "front" }]);
  const serve = "while :; do echo answer | busybox nc -l -p 8081; done";
  const volume = (name: string, more: string) => `--mnt-volume=name=${name},target=/mnt,${more}`;
  await app("add", BOX, "--name=one", volume("own", `kind=host,source=${host}`), "--", "-c", serve);
  await app("start", "--app=one");
  const seen = await world.rkt("app", "exec", "--app=one", uuid, "--", "/bin/cat", "/mnt/file");
  assert.equal(seen.stdout, "of the host\n", seen.stderr);
  await until(
    async () => {
      try {
        using connection = await Deno.connect({ hostname: "127.0.0.1", port: 18081 });
        return (await new Response(connection.readable).text()) === "answer\n";
      } catch {
        return false; // the app does not listen yet, or again
      }
    },
    30,
    "an answer",
  );
  await refused(
    /has another volume "own"/,
    "add",
    uuid,
    BOX,
    "--name=two",
    volume("own", "kind=empty"),
  );
  await refused(
    /is not of the form name=/,
    "add",
    uuid,
    BOX,
    "--name=two",
    "--mnt-volume=kind=empty",
  );
  const again = volume("own", `kind=host,source=${host}`);
  await app(
    "add",
    BOX,
    "--name=two",
    again,
    volume("more", "kind=empty,mode=0711").replace("/mnt", "/more"),
  );
  await pod.stop();
  await refused(/is not a protocol/, "sandbox", "--net=none", "--port=a:t+:1:2");
});
