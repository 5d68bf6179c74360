/** Descriptors of a service manager reach the apps that they are for: sd_listen_fds(3), systemd.socket(5). */
import assert from "node:assert/strict";
import { BOX, children, type Pod, World } from "../world/pod_world.ts";
import { addProgram } from "../world/host_world.ts";
import { keepsStarts } from "../world/start_entries.ts";
import { runningPod } from "../world/running_pod.ts";
import { type Passing, passing } from "../world/service_manager.ts";
import { until } from "../world/until.ts";

const SERVER = "example.com/server";

/** Takes connections at descriptor 3 and says which app it is; the second argument is how many. */
const SERVE = `
  use Socket; $| = 1; open(S, "+<&=", 3) or die "no descriptor 3: $!";
  print "$ARGV[0] $ENV{LISTEN_FDS} " . ($ENV{LISTEN_PID} == $$ ? "mine" : "$ENV{LISTEN_PID} is not $$") .
    " $ENV{LISTEN_FDNAMES} $ENV{LISTEN_PIDFDID}\\n";
  for (1..$ARGV[1]) { accept(C, S) or die "accept: $!"; syswrite C, "$ARGV[0]\\n"; close C; }`;
const serve = (name: string, count = 1) => ["--", "-e", SERVE, name, `${count}`];

const portOf = (name: string, port: number, socketActivated = true) => ({
  name,
  protocol: "tcp",
  port,
  socketActivated,
});

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
  await addProgram(world.root, "/usr/bin/perl");
  for (
    const library of ["/usr/lib/x86_64-linux-gnu/perl-base", "/usr/lib/aarch64-linux-gnu/perl-base"]
  ) {
    await new Deno.Command("cp", { args: ["-r", "--parents", library, world.root] }).output();
  }
  const exec = ["/usr/bin/perl"];
  await world.store("server", { exec, ports: [portOf("web", 8080)] });
  await world.store("other", {
    exec,
    ports: [portOf("other", 8081), portOf("plain", 8082, false)],
  });
  await world.store("eager", { exec, ports: [portOf("web", 8080, false)] });
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** A port that nobody uses. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** Starts a pod with descriptors; returns it with what the service manager says of these. */
async function start(
  what: Passing,
  ...words: string[]
): Promise<{ pod: Pod; links: readonly string[] } & AsyncDisposable> {
  const pod = world.adopt(passing(what, [...world.flags, "run", ...words]).spawn());
  const links: string[] = [];
  for (const _ of what.descriptors) {
    const link = await pod.line();
    if (link === undefined) throw new Error(await new Response(pod.child.stderr).text());
    links.push(link);
  }
  return { pod, links, [Symbol.asyncDispose]: () => pod.end() };
}

const answer = async (port: number): Promise<string> => {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  return (await new Response(connection.readable).text()).trim();
};

Deno.test("what of a kind is passed is what the app has, with variables that are right in the pod", async () => {
  const fifo = `${world.dir}/fifo`;
  await new Deno.Command("mkfifo", { args: [fifo] }).output();
  const kinds = ["tcp=127.0.0.1:0", "udp=127.0.0.1:0", `unix=${world.dir}/u1`];
  const others = [`datagram=${world.dir}/u2`, `fifo=${fifo}`, "netlink=15", "file=/etc/passwd"];
  const script = "echo $LISTEN_FDS $LISTEN_FDNAMES $(test $LISTEN_PID = $$ && echo mine); " +
    "for fd in 3 4 5 6 7 8 9; do readlink /proc/$$/fd/$fd; done; ls /proc/$$/fd; sleep 1000";
  const wrong = ["--environment=LISTEN_FDS=1", "--environment=LISTEN_PID=1"];
  for (const flags of [[], ["--private-users"], wrong, ["--stdout=log", "--stderr=null"]]) {
    for (const path of ["u1", "u2"]) await Deno.remove(`${world.dir}/${path}`).catch(() => {});
    const names = "a:b:c:d:e:f:g";
    const kept = [BOX, ...flags, "--", "-c", script];
    const what = { descriptors: [...kinds, ...others], names };
    await using run = await start(what, "--net=none", ...kept);
    const { pod, links } = run;
    if (flags.includes("--stdout=log")) {
      const uuid = await runningPod(world, pod.pid);
      const said = async () => (await world.rkt("logs", uuid)).stdout;
      await until(async () => (await said()).split("\n").length > 10, 30, "the app's output");
      assert.ok((await said()).includes(`7 ${names} mine`), await said());
      continue;
    }
    assert.equal(await pod.line(), `7 ${names} mine`);
    // One each: a shell takes the last of several, and the C library the first.
    const variables = Deno.readTextFileSync(`/proc/${pod.app}/environ`).split("\0")
      .map((each) => each.split("=", 1)[0]).filter((name) => name?.startsWith("LISTEN_"));
    assert.deepEqual(variables.sort(), ["LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID"]);
    for (const link of links) {
      const line = await pod.line();
      // A file of the host's has another name there.
      if (link.startsWith("socket:")) assert.equal(line, link);
      else assert.notEqual(line, "");
    }
    const open: string[] = [];
    while (open.at(-1) !== "9") open.push(await pod.line() ?? "9");
    assert.deepEqual(open, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    const left = [...Deno.readDirSync(`/proc/${pod.pid}/fd`)].map(({ name }) => name);
    const held = left.map((fd) => Deno.readLinkSync(`/proc/${pod.pid}/fd/${fd}`));
    assert.deepEqual(held.filter((each) => links.includes(each)), [], "the supervisor holds on");
  }
});

Deno.test("apps get their sockets by port: of the manifest, or as --port maps it", async () => {
  const mapped = freePort();
  // In the other order, so that both have to be moved, and under no name that says anything.
  const what = { descriptors: [`tcp=127.0.0.1:${mapped}`, "tcp=127.0.0.1:8080"], names: "x:y" };
  const apps = [SERVER, ...serve("server"), "---", "example.com/other", ...serve("other")];
  await using run = await start(what, "--net=none", `--port=other:${mapped}`, ...apps);
  assert.equal(await answer(8080), "server");
  assert.equal(await answer(mapped), "other");
  const lines = [await run.pod.line(), await run.pod.line()].sort();
  assert.deepEqual(lines, ["other 1 mine x ", "server 1 mine y "]);
  assert.equal((await run.pod.child.status).code, 0);
});

Deno.test("an app of a port that is socket-activated starts at its first connection, the others at once", async () => {
  const what = { descriptors: ["tcp=127.0.0.1:8080", "tcp=127.0.0.1:8081"], names: "server:other" };
  for (const flags of [[], ["--private-users"]]) {
    await using run = await start(
      what,
      ...["--net=none", ...flags, SERVER, ...serve("server", 2), "---"],
      ...["example.com/other", "--name=other", ...serve("other"), "---"],
      ...["example.com/eager", "--name=eager", "--", "-e", "$| = 1; print qq(up\\n); sleep 1000"],
    );
    const { pod } = run;
    assert.equal(await pod.line(), "up");
    const { init } = pod;
    assert.equal(children(init).length, 1, "an app did not wait");
    assert.equal(await answer(8081), "other");
    assert.equal(await pod.line(), "other 1 mine other ");
    await until(() => children(init).length === 1, 30, "the end of the app");
    assert.equal(await answer(8080), "server");
    assert.equal(children(init).length, 2);
    assert.equal(await answer(8080), "server");
    await until(() => children(init).length === 1, 30, "the end of the other app");
  }
});

Deno.test("a pod with an app that waits can be stopped, and init does not turn in circles meanwhile", async () => {
  const what = { descriptors: ["tcp=127.0.0.1:8080"] };
  await using run = await start(what, "--net=none", SERVER, ...serve("server"));
  const uuid = await runningPodNow(run.pod);
  await until(() => children(run.pod.pid).length === 1, 30, "init");
  const ticks = () => {
    const stat = Deno.readTextFileSync(`/proc/${run.pod.init}/stat`).split(" ");
    return Number(stat[13]) + Number(stat[14]);
  };
  const before = ticks();
  const status = await world.rkt("status", uuid);
  assert.match(status.stdout, /^state=running$/m);
  // It may have been on its way still; turning in circles it would have used all of the time.
  assert.ok(ticks() - before <= 2, `${ticks()} of ${before}`);
  await run.pod.stop();
  assert.match((await world.rkt("status", uuid)).stdout, /^state=exited$/m);
});

/** The UUID of a pod none of whose apps need have started. */
async function runningPodNow(pod: Pod): Promise<string> {
  const run = `${world.dataDir}/pods/run`;
  const found = () => {
    for (const { name } of Deno.readDirSync(run)) {
      if (Deno.readTextFileSync(`${run}/${name}/ppid`).trim() === `${pod.pid}`) return name;
    }
    return "";
  };
  await until(() => found() !== "", 30, "the pod");
  return found();
}

Deno.test("nothing is forwarded from a port that a socket is bound to", async () => {
  const port = freePort();
  const what = { descriptors: [`tcp=127.0.0.1:${port}`] };
  await using run = await start(what, `--port=web:${port}`, SERVER, ...serve("through the socket"));
  assert.equal(await answer(port), "through the socket");
  assert.equal((await run.pod.child.status).code, 0);
});

Deno.test("descriptors that are for another process are not there, and their variables neither", async () => {
  const what = { descriptors: ["tcp=127.0.0.1:0"], names: "box", variables: { LISTEN_PID: "1" } };
  for (const flags of [[], ["--inherit-env"]]) {
    const script = "env; ls /proc/$$/fd; true";
    await using run = await start(what, "--net=none", ...flags, BOX, "--", "-c", script);
    const lines: string[] = [];
    for (let line = await run.pod.line(); line !== undefined; line = await run.pod.line()) {
      lines.push(line);
    }
    assert.ok(lines.includes("2") && !lines.includes("3"), lines.join("\n"));
    assert.ok(!lines.some((line) => line.startsWith("LISTEN_")), lines.join("\n"));
  }
});

const REFUSED: Readonly<Record<string, [Passing, RegExp]>> = {
  "a socket of another port": [
    { descriptors: ["tcp=127.0.0.1:8090"], names: "web.socket" },
    /descriptor 3 \("web.socket", tcp 127\.0\.0\.1:8090\) is for no app of the pod; no app has a socket-activated port 8090/,
  ],
  "a count that is no number": [
    { descriptors: [], variables: { LISTEN_FDS: "1 2" } },
    /LISTEN_FDS=1 2: a service manager passes a number/,
  ],
  "too many": [
    { descriptors: [], variables: { LISTEN_FDS: "129" } },
    /LISTEN_FDS=129: a service manager passes a number of descriptors, 128 at most/,
  ],
  "one that is not there": [
    { descriptors: ["tcp=127.0.0.1:8080"], variables: { LISTEN_FDS: "2" } },
    /LISTEN_FDS=2, but descriptor 4 was not passed/,
  ],
  "names of others": [
    { descriptors: ["tcp=127.0.0.1:8080"], names: "a:b" },
    /LISTEN_FDNAMES="a:b" does not name 1 descriptors/,
  ],
};
for (const [name, [what, message]] of Object.entries(REFUSED)) {
  Deno.test(`refused in one line, and no pod is made: ${name}`, async () => {
    const before = world.pods();
    const words = [...world.flags, "run", "--net=none", SERVER, ...serve("server")];
    const { code, stderr } = await passing(what, words).output();
    const text = new TextDecoder().decode(stderr);
    assert.equal(code, 254, text);
    assert.match(text, message);
    assert.equal(text.trimEnd().split("\n").length, 1, text);
    assert.deepEqual(world.pods(), before);
  });
}

Deno.test("a start that was kept without descriptors is not repeated with them", async () => {
  const words = ["--net=none", BOX, "--", "-c", "echo ${LISTEN_FDS:-none}"];
  for (let i = 0; i < 2; i++) {
    assert.equal((await world.rkt("run", ...words)).stdout, "none\n");
  }
  await using run = await start({ descriptors: ["tcp=127.0.0.1:0"] }, ...words);
  assert.equal(await run.pod.line(), "1");
});

Deno.test("a start with descriptors is kept: for the same ones, and nobody else's", async () => {
  const script = "echo $LISTEN_FDS $(test $LISTEN_PID = $$ && echo mine) $(readlink /proc/$$/fd/3)";
  for (const flags of [[], ["--private-users"], ["--net=default"]]) {
    const net = flags.includes("--net=default") ? [] : ["--net=none"];
    const words = ["--rm", ...net, BOX, ...flags, "--", "-c", script];
    const said = async (what: Passing) => {
      await using run = await start(what, ...words);
      const line = await run.pod.line();
      assert.equal((await run.pod.child.status).code, 0);
      return { line, link: run.links[0] ?? "" };
    };
    const web = { descriptors: ["tcp=127.0.0.1:8080"], names: "web" };
    const check = async (what: Passing) => {
      const { line, link } = await said(what);
      assert.equal(line, `1 mine ${link}`);
    };
    await check(web);
    assert.ok(await keepsStarts(world.dataDir, () => check(web)), `not replayed: ${flags}`);
    // Other sockets, other names, or another kind are another start.
    for (
      const what of [
        { ...web, descriptors: ["tcp=127.0.0.2:8080"] },
        { ...web, descriptors: ["tcp=127.0.0.1:8081"] },
        { ...web, names: "other" },
        { ...web, descriptors: ["udp=127.0.0.1:8080"] },
        { ...web, descriptors: ["netlink=15"] },
      ]
    ) {
      await check(what);
      assert.ok(!await keepsStarts(world.dataDir, () => check(web)) || what.names === "other");
    }
    // Variables that are another process's, and such as nobody has passed anything for.
    const { line } = await said({ ...web, variables: { LISTEN_PID: "1" } });
    assert.ok(line !== undefined && !line.startsWith("1"), line);
    const lie = passing({ ...web, descriptors: [], variables: { LISTEN_FDS: "1" } }, [
      ...world.flags,
      "run",
      ...words,
    ]);
    const { code, stderr } = await lie.output();
    assert.equal(code, 254);
    assert.match(new TextDecoder().decode(stderr), /descriptor 3 was not passed/);
  }
});

Deno.test("a prepared pod has descriptors, too", async () => {
  const words = ["prepare", "--quiet", SERVER, ...serve("prepared")];
  const { stdout } = await world.rkt(...words);
  const what = { descriptors: ["tcp=127.0.0.1:8080"] };
  const run = [...world.flags, "run-prepared", "--net=none", stdout.trim()];
  await using pod = world.adopt(passing(what, run).spawn());
  await pod.line();
  assert.equal(await answer(8080), "prepared");
  assert.equal((await pod.child.status).code, 0);
});
