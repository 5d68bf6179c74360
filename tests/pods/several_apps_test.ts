/** Pods of several apps that are started again, wait for each other and share volumes. */
import assert from "node:assert/strict";
import { BOX, children, list, mountsBelow, type Pod, World } from "../world/pod_world.ts";
import { RKT, rkt } from "../world/rkt.ts";
import { nth } from "../world/nth.ts";
import { until } from "../world/until.ts";

/** One for all tests of this file. */
let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** An app of a pod: its image's name, its flags, what its shell executes. */
type App = readonly [image: string, flags: readonly string[], script: string];

const words = (flags: readonly string[], ...apps: readonly App[]): string[] => [
  ...world.flags,
  "run",
  "--net=none",
  ...flags,
  ...apps.flatMap(([image, own, script], i) => [
    ...i === 0 ? [] : ["---"],
    ...[image, ...own, "--", "-c", script],
  ]),
];

/** Runs a pod to its end. */
async function ends(pod: Pod): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  for (let line = await pod.line(); line !== undefined; line = await pod.line()) lines.push(line);
  return { code: (await pod.child.status).code, lines };
}

const shell = (...handlers: readonly (readonly [string, string])[]) => ({
  exec: ["/bin/sh"],
  eventHandlers: handlers.map(([name, script]) => ({ name, exec: ["/bin/sh", "-c", script] })),
});

/** KB that a pod's own processes have at most, however many apps it has. */
const MEMORY = 64;

/** The state of a process: proc_pid_stat(5). */
const state = (pid: number): string | undefined =>
  /^State:\t(\w)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];

/** What a process keeps while it waits, as it does all the time: descriptors, mounts, memory in KB. */
async function kept(
  pid: number,
): Promise<{ descriptors: string[]; mounts: string[]; memory: number }> {
  // Until then it is at what it was woken for.
  await until(() => state(pid) === "S", 30, `process ${pid}, which is to sleep`);
  const rollup = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  const mounts = Deno.readTextFileSync(`/proc/${pid}/mountinfo`).split("\n");
  return {
    descriptors: list(`/proc/${pid}/fd`),
    // The supervisor sees the host's, where others may come and go.
    mounts: comm(pid) === "rkt-init" ? mounts : mounts.filter((line) => line.includes(world.dir)),
    memory: Number(/^Rss: +(\d+) kB$/m.exec(rollup)?.[1]),
  };
}

const comm = (pid: number): string => Deno.readTextFileSync(`/proc/${pid}/comm`).trim();

/** A directory of the host's with a fifo to tell apps something by. */
function meetingPlace(name: string): string {
  const path = `${world.dir}/${name}`;
  Deno.mkdirSync(path);
  new Deno.Command("mkfifo", { args: ["-m", "666", `${path}/fifo`] }).outputSync();
  return path;
}

const statusPath = (uuidFile: string): string =>
  `${world.dataDir}/pods/run/${Deno.readTextFileSync(uuidFile)}/stage1/rootfs/rkt/status`;

/** Waits until a file of the pod's status directory is there and not empty. */
async function noted(directory: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const read = () =>
    list(directory).includes(name) ? Deno.readFileSync(`${directory}/${name}`) : new Uint8Array();
  using watcher = Deno.watchFs(directory);
  for (let bytes = read();; bytes = read()) {
    if (bytes.length > 0) return bytes;
    await watcher[Symbol.asyncIterator]().next();
  }
}

Deno.test("a pod survives 1,000 crashes of an app with event handlers and a shared volume, and leaks nothing", async () => {
  await world.store(
    "crashing",
    shell(
      ["pre-start", "[ -e /v/begun ] || read go < /host/fifo; echo b >> /v/begun"],
      ["post-stop", "echo e >> /v/ended"],
    ),
  );
  const host = meetingPlace("crashes");
  const file = `${world.dir}/crashed`;
  const watch =
    `trap 'echo USR1' USR1; trap 'wc -l < /v/begun; wc -l < /v/crashes; wc -l < /v/ended; exit 0' USR2
echo up; while :; do sleep 1000 & wait; done`;
  const pod = world.spawn(...words(
    [
      `--uuid-file-save=${file}`,
      "--volume=v,kind=empty",
      "--mount=volume=v,target=/v",
      `--volume=host,kind=host,source=${host}`,
      "--mount=volume=host,target=/host",
    ],
    [
      "example.com/crashing",
      ["--restart=on-failure:1000", "--restart-delay=0s", "--on-exit=keep"],
      "echo c >> /v/crashes; kill -SEGV $$",
    ],
    [BOX, ["--name=watch"], watch],
  ));
  assert.equal(await pod.line(), "up");
  pod.kill("SIGUSR1");
  // Init has come to its loop when a signal has gone through it.
  assert.equal(await pod.line(), "USR1");
  const status = statusPath(file);
  const { pid, init } = pod;
  const before = [await kept(pid), await kept(init)];
  assert.equal(children(init).length, 2);
  Deno.writeTextFileSync(`${host}/fifo`, "go\n");
  assert.equal(new TextDecoder().decode(await noted(status, "crashing")), "139");
  const restarts = new DataView((await noted(status, "crashing-restarts")).buffer);
  assert.equal(restarts.getUint32(0, true), 1000);
  pod.kill("SIGUSR1");
  assert.equal(await pod.line(), "USR1");
  assert.equal(children(init).length, 1);
  const after = [await kept(pid), await kept(init)];
  for (const [i, { descriptors, mounts, memory }] of after.entries()) {
    assert.deepEqual({ descriptors, mounts, memory }, before[i]);
  }
  pod.kill("SIGUSR2");
  assert.deepEqual(await ends(pod), { code: 139, lines: ["1001", "1001", "1001"] });
  assert.deepEqual(mountsBelow(world.dir), []);
});

/** Starts a pod of so many apps, the last of which tells when a signal has gone through supervisor and init. */
async function podOf(count: number, image: string, ...flags: readonly string[]): Promise<Pod> {
  const apps = Array.from({ length: count }, (_, i): App => {
    const last = i === count - 1;
    const after = i === 0 ? [] : [`--after=app${i - 1}`];
    return [
      image,
      [`--name=app${i}`, ...after, ...flags, ...last ? ["--stdout=inherit"] : []],
      last
        ? "trap 'echo seen' WINCH; echo up; while :; do sleep 1000 & wait; done"
        : flags.includes("--stdout=log")
        ? "echo logged; exec sleep 1000"
        : "exec sleep 1000",
    ];
  });
  const pod = world.spawn(...words([], ...apps));
  assert.equal(await pod.line(), "up");
  pod.kill("SIGWINCH");
  assert.equal(await pod.line(), "seen");
  return pod;
}

for (
  const [count, kind, flags] of [
    [1, "plain", []],
    [20, "plain", []],
    [20, "with event handlers", ["--restart=always"]],
    [20, "plain", ["--stdout=log"]],
    [100, "plain", ["--restart=always"]],
  ] as const
) {
  const said = [`${count} apps ${kind}`, ...flags].join(" ");
  Deno.test(`the processes beside ${said} have at most ${MEMORY} KB`, async () => {
    if (kind !== "plain") {
      await world.store("busy", shell(["pre-start", ":"], ["post-stop", ":"]));
    }
    const pod = await podOf(count, kind === "plain" ? BOX : "example.com/busy", ...flags);
    const beside = children(pod.pid);
    const processes = [
      "rkt-init",
      ...flags.some((flag) => flag === "--stdout=log") ? ["rkt-log"] : [],
    ];
    assert.deepEqual(beside.map(comm), processes);
    assert.equal(children(nth(beside, 0)).length, count);
    const each: number[] = [];
    for (const pid of [pod.pid, ...beside]) each.push((await kept(pid)).memory);
    await pod.end();
    const sum = each.reduce((all, memory) => all + memory);
    assert.ok(sum <= MEMORY, `${each.join(" + ")} KB`);
  });
}

Deno.test("an app that is started again finds its root, its volumes and its arguments as they were", async () => {
  const script = `echo "$0 $1 $$ $(cat /srv/count) $(cat /v/count)"
[ -e /srv/count ] && exit 0
echo root > /srv/count; echo volume > /v/count; cd /srv; umask 0; exit 1`;
  const pod = world.spawn(
    ...words(
      ["--volume=v,kind=empty", "--mount=volume=v,target=/v"],
      [BOX, ["--restart=on-failure", "--restart-delay=1ms", "--user=0"], script],
    ),
    "name",
    "argument",
  );
  const { code, lines } = await ends(pod);
  assert.equal(code, 0);
  assert.equal(lines.length, 2);
  const [first = [], second = []] = lines.map((line) => line.split(" "));
  assert.deepEqual([first[0], first[1], ...first.slice(3)], ["name", "argument", "", ""]);
  assert.deepEqual([second[0], second[1], ...second.slice(3)], [
    "name",
    "argument",
    "root",
    "volume",
  ]);
  assert.notEqual(first[2], second[2]);
});

Deno.test("what is left of an app's process group is killed before the app is started again", async () => {
  // On a busy machine a process that was killed may still have to get a processor to end.
  const script = `if [ -e /srv/pid ]; then
  read pid < /srv/pid; i=0
  while [ -e /proc/$pid ] && [ $i -lt 200 ]; do i=$((i + 1)); usleep 50000; done
  [ -e /proc/$pid ] && grep State /proc/$pid/status; echo again; exit 0
fi
sleep 1000 & echo $! > /srv/pid; exit 1`;
  const pod = world.spawn(...words([], [BOX, ["--restart=always", "--name=a"], script]));
  assert.equal(await pod.line(), "again");
  await pod.end();
});

Deno.test("an app waits for the pre-start of another one, and finds in a shared volume what that has made", async () => {
  await world.store("slow", shell(["pre-start", "read go < /host/fifo; echo made > /v/file"]));
  const host = meetingPlace("order");
  const pod = world.spawn(...words(
    [
      "--volume=v,kind=empty,mode=0777",
      "--mount=volume=v,target=/v",
      `--volume=host,kind=host,source=${host}`,
      "--mount=volume=host,target=/host",
    ],
    [BOX, ["--name=last", "--after=slow,first"], "cat /v/file; echo last > /host/fifo"],
    ["example.com/slow", [], "read last < /host/fifo; echo $last"],
    [BOX, ["--name=first"], "echo first; echo go > /host/fifo"],
  ));
  assert.deepEqual(await ends(pod), { code: 0, lines: ["first", "made", "last"] });
});

Deno.test("apps of a pod have flags of their own, and share volumes in ways of their own", async () => {
  const host = `${world.dir}/shared`;
  Deno.mkdirSync(`${host}/below`, { recursive: true });
  Deno.writeTextFileSync(`${host}/file`, "of the host\n");
  const mounted = new Deno.Command("mount", {
    args: ["-t", "tmpfs", "-o", "mode=0777", "shared-test", `${host}/below`],
  }).outputSync();
  assert.ok(mounted.success);
  try {
    Deno.writeTextFileSync(`${host}/below/deep`, "deep\n");
    const look = (then: string) =>
      `echo "$AC_APP_NAME $(id -u):$(id -g) $A$B $(cat /h/file) $(cat /h/below/deep)"
touch /h/below/$AC_APP_NAME 2> /dev/null || echo "$AC_APP_NAME reads"; ${then}`;
    const pod = world.spawn(...words(
      [
        "--volume=e,kind=empty,mode=0777",
        `--volume=h,kind=host,source=${host}`,
        `--volume=r,kind=host,source=${host},readOnly=true`,
        "--set-env=A=pod",
      ],
      [BOX, [
        "--name=one",
        "--user=33",
        "--group=34",
        "--environment=B=-one",
        "--mount=volume=e,target=/e",
        "--mount=volume=r,target=/h",
        "--after=two",
      ], look("mkfifo -m 666 /e/fifo 2> /dev/null; read x < /e/fifo; echo $x")],
      [
        BOX,
        [
          "--name=two",
          "--readonly-rootfs",
          "--environment=B=-two",
          "--mount=volume=e,target=/empty",
          "--mount=volume=h,target=/h",
        ],
        look(
          "touch /srv/x 2> /dev/null || echo two has a read-only root; mkfifo -m 666 /empty/fifo 2> /dev/null; echo through a fifo > /empty/fifo",
        ),
      ],
    ));
    const { code, lines } = await ends(pod);
    assert.equal(code, 0);
    assert.deepEqual(lines.toSorted(), [
      "one 33:34 pod-one of the host deep",
      "one reads",
      "through a fifo",
      "two 0:0 pod-two of the host deep",
      "two has a read-only root",
    ]);
    assert.deepEqual(list(`${host}/below`), ["deep", "two"]);
  } finally {
    new Deno.Command("umount", { args: [`${host}/below`] }).outputSync();
  }
});

Deno.test("TERM ends a pod whose app is always started again, also while it rests", async () => {
  const runs = await world.start("sleep 1000 & wait", "--restart=always");
  runs.kill("SIGTERM");
  assert.equal((await runs.child.status).code, 143);
  const pod = world.spawn(...words(
    ["--volume=v,kind=empty", "--mount=volume=v,target=/v"],
    [
      BOX,
      ["--name=rests", "--restart=always", "--restart-delay=1h"],
      "while [ ! -p /v/fifo ]; do :; done; read go < /v/fifo; echo $$ > /v/fifo; exit 3",
    ],
    [
      BOX,
      ["--name=sees"],
      `mkfifo /v/fifo; echo > /v/fifo; read pid < /v/fifo
while [ -e /proc/$pid ]; do :; done; echo rests; sleep 1000 & wait`,
    ],
  ));
  assert.equal(await pod.line(), "rests");
  pod.kill("SIGTERM");
  assert.equal((await pod.child.status).code, 3);
});

Deno.test("the apps of a pod that can't be told apart, or wait for each other, are refused before there is a pod", async () => {
  const before = world.pods();
  const cases: readonly (readonly [readonly App[], RegExp])[] = [
    [[[BOX, ["--after=other"], ""]], /app "box" starts after "other", which is no app of the pod/],
    [
      [[BOX, ["--name=a", "--after=b"], ""], [BOX, ["--name=b", "--after=a"], ""]],
      /the apps wait for each other: a, b, a /,
    ],
    [[[BOX, ["--name=a"], ""], [BOX, ["--name=a-pid"], ""]], /"a" and "a-pid" can't be told apart/],
    [[[BOX, ["--restart=sometimes"], ""]], /--restart: "sometimes" is not no, on-failure/],
  ];
  for (const [apps, message] of cases) {
    const { code, stderr } = await rkt(...words([], ...apps));
    assert.equal(code, 254);
    assert.match(stderr, message);
    assert.equal(stderr.split("\n").length, 2, stderr);
  }
  assert.deepEqual(world.pods(), before);
});

Deno.test("run --rm leaves nothing of the pod, and has its exit status", async () => {
  const before = world.pods();
  for (let i = 0; i < 2; i++) { // the second one is run by a recipe
    const { code, stdout, stderr } = await world.run("echo ran; exit 5", "--rm");
    assert.deepEqual({ code, stdout, stderr }, { code: 5, stdout: "ran\n", stderr: "" });
    assert.deepEqual(world.pods(), before);
  }
  const failing = await world.run(
    "",
    "--rm",
    "--exec=/v/none",
    "--volume=v,kind=empty",
    "--mount=volume=v,target=/v",
  );
  assert.equal(failing.code, 254);
  assert.deepEqual(world.pods(), before);
  const files = "mkdir -p /new/a/b && ln -s /srv /new/a/link && mkfifo /new/a/b/fifo && rm /bin/ls";
  // More levels than the supervisor goes through itself.
  const deep = "i=0; while [ $i -lt 50 ]; do mkdir d && cd d && echo $i >file; i=$((i + 1)); done";
  for (const script of [files, deep]) {
    const { code, stderr } = await world.run(`cd /tmp && ${script}`, "--rm");
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.deepEqual(world.pods(), before);
  }
  const pod = await world.start("trap '' INT TERM; read x < /srv/owned; exit 0", "--rm");
  assert.equal((await pod.child.status).code, 0);
  assert.deepEqual(world.pods(), before);
});

Deno.test("gc removes what a killed run --rm has left", async () => {
  const before = world.pods();
  const pod = await world.start("sleep 1000", "--rm");
  pod.kill("SIGKILL");
  await pod.child.status;
  assert.equal(world.pods().length, before.length + 1);
  const { code, stderr } = await world.rkt("gc", "--grace-period=0s");
  assert.equal(code, 0, stderr);
  assert.deepEqual(world.pods(), []);
});

Deno.test("an app with a terminal of its own keeps it when it is started again", async () => {
  const script =
    "stty -a > /dev/null 2>&1; [ -t 0 ] && echo on a terminal; [ -e /srv/x ] && exit 7; touch /srv/x; exit 1";
  const run = [
    RKT,
    ...words(["--interactive"], [
      BOX,
      ["--restart=on-failure:1", "--restart-delay=1ms"],
      `'${script}'`,
    ]),
  ].join(" ");
  const { code, stdout } = await new Deno.Command("script", {
    args: ["-qfec", run, "/dev/null"],
    stdin: "null",
  }).output();
  assert.equal(code, 7);
  assert.equal(new TextDecoder().decode(stdout).match(/on a terminal/g)?.length, 2);
});

Deno.test("the manifest of a pod says all of its apps' lives, to run it again and to prepare it", async () => {
  await world.store("handled", shell(["pre-start", "echo pre"], ["post-stop", "echo post"]));
  const file = `${world.dir}/handled-uuid`;
  const flags = [`--uuid-file-save=${file}`, "--volume=v,kind=empty", "--mount=volume=v,target=/v"];
  const first = await rkt(...words(
    flags,
    [BOX, ["--name=last", "--after=handled", "--on-exit=keep"], "exit 2"],
    ["example.com/handled", ["--restart=on-failure:1", "--restart-delay=0s"], "echo main; exit 3"],
  ));
  const expected = "pre\nmain\npost\npre\nmain\npost\n";
  assert.deepEqual([first.code, first.stdout], [3, expected]);
  const manifest = `${world.dir}/handled-pod.json`;
  const { stdout } = await world.rkt("cat-manifest", "--uuid-file", file);
  Deno.writeTextFileSync(manifest, stdout);
  const again = await world.rkt("run", "--net=none", `--pod-manifest=${manifest}`);
  assert.deepEqual([again.code, again.stdout], [3, expected]);
  const prepared = await world.rkt("prepare", `--pod-manifest=${manifest}`);
  const uuid = prepared.stdout.trim();
  const third = await world.rkt("run-prepared", "--net=none", "--rm", uuid);
  assert.deepEqual([third.code, third.stdout], [3, expected]);
  assert.equal((await world.rkt("status", uuid)).code, 254);
});
