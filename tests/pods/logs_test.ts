/** `--stdout` and `--stderr` of `rkt run`, what becomes of the output, and `rkt logs`. */
import assert from "node:assert/strict";
import { BOX, children, list, mountsBelow, Watch, World } from "../world/pod_world.ts";
import { type Outcome, RKT } from "../world/rkt.ts";
import { runningPod } from "../world/running_pod.ts";
import { nth } from "../world/nth.ts";
import { until, within } from "../world/until.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const LOG = ["--stdout=log", "--stderr=log"];

/** A pod that was started with a pipe to its app, which is fed line by line. */
class Fed implements AsyncDisposable {
  readonly #keys: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(readonly child: Deno.ChildProcess, readonly uuid: string) {
    this.#keys = child.stdin.getWriter();
  }

  /** Runs a script to which {@linkcode feed} is the input; it is up when this returns. */
  static async start(script: string, ...flags: string[]): Promise<Fed> {
    const child = new Deno.Command(RKT, {
      args: world.words(script, ...flags),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    return new Fed(child, await runningPod(world, child.pid));
  }

  async feed(text: string): Promise<void> {
    await this.#keys.write(new TextEncoder().encode(text));
  }

  /** Ends the input, and returns what came to rkt's own streams. */
  async end(): Promise<Outcome> {
    await this.#keys.close();
    const output = within(this.child.output(), 120, "the end of the pod");
    const { code, stdout, stderr } = await output;
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  }

  /** The process with a name beside the pod's init. */
  helper(name: string): number {
    const found = children(this.child.pid).find((pid) =>
      Deno.readTextFileSync(`/proc/${pid}/comm`).trim() === name
    );
    assert.ok(found !== undefined, `no ${name}`);
    return found;
  }

  get path(): string {
    return `${world.dataDir}/pods/run/${this.uuid}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#keys.abort().catch(() => {});
    await this.child.status;
  }
}

/** What `rkt logs` prints; it must succeed. */
async function logs(uuid: string, ...flags: string[]): Promise<string> {
  const { code, stdout, stderr } = await world.rkt("logs", ...flags, uuid);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Starts `rkt logs -f`. */
function follow(uuid: string, ...flags: string[]) {
  return world.spawn(...world.flags, "logs", "-f", ...flags, uuid);
}

/** Reads numbers as the app prints them, in order and without a gap, and counts them. */
function countsUp(text: string, from: number): number {
  const numbers = text.trim().split("\n").map(Number);
  numbers.forEach((number, i) => assert.equal(number, from + i));
  return numbers.length;
}

Deno.test("what is logged does not come to the caller, and is there while the pod runs and after", async () => {
  await using pod = await Fed.start("cat; echo error >&2", ...LOG);
  const followed = follow(pod.uuid);
  await pod.feed("first\n");
  assert.equal(await followed.line(), "first");
  assert.equal(await logs(pod.uuid.slice(0, 8)), "first\n");
  await pod.feed("second\n");
  assert.equal(await followed.line(), "second");
  assert.deepEqual(await pod.end(), { code: 0, stdout: "", stderr: "" });
  assert.equal(await followed.line(), "error");
  assert.equal((await followed.ended()).code, 0);
  assert.equal(await logs(pod.uuid), "first\nsecond\nerror\n");
});

Deno.test("logs come byte for byte to a pipe, with times and as JSON by lines", async () => {
  await using pod = await Fed.start("printf 'a\\0\\033[2J\\377\\n'; echo b >&2; cat", ...LOG);
  await pod.end();
  const raw = new Deno.Command(RKT, { args: [...world.flags, "logs", pod.uuid] });
  assert.deepEqual(
    (await raw.output()).stdout,
    Uint8Array.from(
      [...[97, 0, 27, 91, 50, 74, 255, 10], ...[98, 10]],
    ),
  );
  const lines = (await logs(pod.uuid, "--format=json")).trim().split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ app, stream, text }) => [app, stream, text]), [
    ["box", "stdout", "a\0\u001b[2J\ufffd"],
    ["box", "stderr", "b"],
  ]);
  const times = (await logs(pod.uuid, "--timestamps")).split("\n").slice(0, 2)
    .map((line) => nth(line.split(" "), 0));
  assert.deepEqual(times, lines.map(({ time }) => time));
  assert.match(nth(times, 0), /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
});

/** A record as the logger writes it. */
function record(time: number, text: string): Uint8Array<ArrayBuffer> {
  const content = new TextEncoder().encode(text);
  const bytes = new Uint8Array(24 + content.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(Math.floor(time / 1000)), true);
  view.setBigUint64(8, BigInt(Math.round(time % 1000)) * 1_000_000n, true);
  view.setUint32(16, content.length, true);
  view.setUint32(20, 1, true);
  bytes.set(content, 24);
  return bytes;
}

Deno.test("logs of several apps are merged by time, with their names, or of one app", async () => {
  const app = (name: string) => [BOX, `--name=${name}`, ...LOG, "--", "-c", "echo up; sleep 1000"];
  const run = [...world.flags, "run", "--net=none"];
  await using pod = world.spawn(...run, ...app("a"), "---", ...app("long"));
  const uuid = await runningPod(world, pod.pid);
  await pod.end();
  const path = `${world.dataDir}/pods/run/${uuid}/logs`;
  const records = (...texts: (readonly [number, string])[]) =>
    Uint8Array.from(texts.flatMap(([time, text]) => [...record(time, text)]));
  Deno.writeFileSync(`${path}/a`, records([1, "1\n"], [3, "3\nhal"], [5, "f\n"]));
  Deno.writeFileSync(`${path}/long`, records([2, "2\n"], [4, "4"]));
  const lines = ["a    | 1", "long | 2", "a    | 3", "a    | half", "long | 4"];
  assert.equal(await logs(uuid), lines.map((line) => `${line}\n`).join(""));
  assert.equal(await logs(uuid, "--app=long"), "2\n4");
  const other = await world.rkt("logs", "--app=x", uuid);
  assert.equal(other.code, 254);
  assert.match(other.stderr, /has no app "x", but a, long\n$/);
});

Deno.test("--since leaves out what is older", async () => {
  await using pod = await Fed.start("cat", ...LOG);
  await pod.feed("now\n");
  await pod.end();
  const hour = 3_600_000;
  const file = `${pod.path}/logs/box`;
  const now = Deno.readFileSync(file);
  const old = [3 * hour, hour].map((ago) => record(Date.now() - ago, `${ago / hour} hours ago\n`));
  Deno.writeFileSync(file, new Uint8Array([...old, now].flatMap((each) => [...each])));
  assert.equal(await logs(pod.uuid), "3 hours ago\n1 hours ago\nnow\n");
  assert.equal(await logs(pod.uuid, "--since=2h"), "1 hours ago\nnow\n");
  assert.equal(await logs(pod.uuid, "--since=30m"), "now\n");
});

Deno.test("50 MB of output leave no more than the bound, and the last lines of it", async () => {
  const most = 1024 * 1024;
  await using pod = await Fed.start(
    "dd if=/dev/zero bs=64k count=800 2>/dev/null; busybox seq 1000 99999; cat",
    ...["--stdout=log", "--log-size=1Mi"],
  );
  assert.equal((await pod.end()).code, 0);
  const sizes = list(`${pod.path}/logs`).map((
    name,
  ) => [name, Deno.statSync(`${pod.path}/logs/${name}`).size]);
  assert.deepEqual(sizes.map(([name]) => name), ["box", "box.1"]);
  const kept = sizes.reduce((sum, [, size]) => sum + Number(size), 0);
  assert.ok(kept <= most && kept > most / 2, `${kept}`);
  const text = (await logs(pod.uuid)).replace(/^\0*[^]*?\n/, "");
  const first = Number(text.slice(0, text.indexOf("\n")));
  assert.equal(countsUp(text, first), 100_000 - first);
});

Deno.test("a follower loses nothing when logs are rotated under it", async () => {
  await using pod = await Fed.start(
    "busybox seq 0 9; cat >/dev/null; busybox seq 10 29999",
    ...LOG,
    "--log-size=2Mi",
  );
  const followed = follow(pod.uuid);
  for (let i = 0; i < 10; i++) assert.equal(await followed.line(), `${i}`);
  await pod.end();
  for (let i = 10; i < 30_000; i++) assert.equal(await followed.line(), `${i}`);
  assert.equal(await followed.line(), undefined);
});

Deno.test("a logger that is killed is made again, and appends whole records", async () => {
  await using pod = await Fed.start("cat", ...LOG);
  const followed = follow(pod.uuid);
  for (let i = 0; i < 5; i++) {
    await pod.feed(`${i}\n`);
    assert.equal(await followed.line(), `${i}`);
    const logger = pod.helper("rkt-log");
    using watch = new Watch(logger);
    Deno.kill(logger, "SIGKILL");
    assert.ok(watch.ends());
    // As if it had been killed while it wrote.
    Deno.writeFileSync(`${pod.path}/logs/box`, record(0, "half").subarray(0, 10 + i * 4), {
      append: true,
    });
  }
  await pod.feed("5\n");
  assert.equal(await followed.line(), "5");
  await pod.end();
  assert.equal(countsUp(await logs(pod.uuid), 0), 6);
});

Deno.test("a full disk loses log data, and not the pod", async () => {
  await using pod = await Fed.start("cat > /dev/null; busybox seq 0 99999; exit 7", ...LOG);
  const path = `${pod.path}/logs`;
  const mount = (...args: string[]) => new Deno.Command("mount", { args }).outputSync();
  assert.ok(mount("-t", "tmpfs", "-o", "size=64k,mode=777", "tmpfs", path).success);
  try {
    assert.equal((await pod.end()).code, 7);
    const text = await logs(pod.uuid);
    assert.ok(text.length > 16 * 1024 && text.length <= 64 * 1024, `${text.length}`);
    // Where a larger chunk was lost, a smaller one may have found room.
    countsUp(text.slice(0, 16 * 1024).replace(/\n\d*$/, ""), 0);
  } finally {
    new Deno.Command("umount", { args: [path] }).outputSync();
  }
  assert.deepEqual(mountsBelow(path), []);
});

Deno.test("a killed supervisor: the logger writes what is in the pipes, ends, and holds no lock", async () => {
  await using pod = await Fed.start("busybox seq 0 4999; cat", ...LOG);
  const followed = follow(pod.uuid);
  for (let i = 0; i < 5000; i++) assert.equal(await followed.line(), `${i}`);
  const logger = pod.helper("rkt-log");
  using watch = new Watch(logger);
  Deno.kill(logger, "SIGSTOP");
  await pod.feed("last words\n".repeat(1000));
  // The app's cat has taken all of it when it waits for more.
  const app = nth(children(nth(children(pod.child.pid), 0)), 0);
  const waits = () =>
    /^(pipe_read|anon_pipe_read)$/.test(Deno.readTextFileSync(`/proc/${cat(app)}/wchan`));
  await until(waits, 30, "the app, which is to wait for input");
  pod.child.kill("SIGKILL");
  assert.equal((await pod.child.status).signal, "SIGKILL");
  assert.match((await world.rkt("status", pod.uuid)).stdout, /^state=exited\n/);
  Deno.kill(logger, "SIGCONT");
  assert.ok(watch.ends());
  let count = 0;
  while (await followed.line() === "last words") count++;
  assert.equal(count, 1000);
  assert.equal((await followed.ended()).code, 0);
});

/** The process of cat: the shell's child, or the shell itself where it has become that. */
function cat(app: number): number {
  return children(app)[0] ?? app;
}

Deno.test("whoever holds an app's output open does not keep the pod from its end", async () => {
  await using pod = await Fed.start("cat", ...LOG);
  const app = nth(children(nth(children(pod.child.pid), 0)), 0);
  using held = Deno.openSync(`/proc/${app}/fd/1`, { write: true });
  assert.equal((await pod.end()).code, 0);
  // Nobody reads it any more.
  assert.throws(() => held.writeSync(new Uint8Array(1)), Deno.errors.BrokenPipe);
});

Deno.test("null is /dev/null, and other streams stay the caller's", async () => {
  const script = "echo lost; echo kept >&2; cat; readlink /proc/self/fd/0 >&2";
  const { code, stdout, stderr } = await world.run(script, "--stdin=null", "--stdout=null");
  assert.deepEqual([code, stdout, stderr], [0, "", "kept\n/dev/null\n"]);
});

/** Runs rkt in a mount namespace of its own, where a directory is the journal's; none without. */
function withJournal(directory: string | undefined, words: readonly string[]): Deno.Command {
  const place = directory === undefined
    ? ""
    : `mkdir -p /run/systemd/journal && mount --bind ${directory} /run/systemd/journal &&`;
  const script = `mount -t tmpfs tmpfs /run && ${place} exec "$@"`;
  return new Deno.Command("unshare", {
    args: ["-m", "sh", "-c", script, "sh", RKT, ...words],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

Deno.test("journal is a stream of journald's own, under the pod's and the app's name", async () => {
  const directory = Deno.makeTempDirSync({ dir: world.dir });
  using journal = Deno.listen({ transport: "unix", path: `${directory}/stdout` });
  // As journald's is: everybody may write.
  Deno.chmodSync(`${directory}/stdout`, 0o666);
  const file = `${world.dir}/journal`;
  const words = world.words(
    "echo one; echo two >&2; exit 3",
    "--stdout=journal",
    "--stderr=journal",
  );
  words.splice(2, 0, `--uuid-file-save=${file}`);
  const child = withJournal(directory, words).spawn();
  const streams = [await journal.accept(), await journal.accept()];
  const texts = await Promise.all(streams.map(({ readable }) => new Response(readable).text()));
  const { code, stdout, stderr } = await child.output();
  assert.deepEqual([code, stdout.length, stderr.length], [3, 0, 0]);
  const header = `rkt-${Deno.readTextFileSync(file)}/box\n\n6\n1\n0\n0\n0\n`;
  assert.deepEqual(texts, [`${header}one\n`, `${header}two\n`]);
});

Deno.test("without a journal there is one line, and no pod", async () => {
  const before = world.pods();
  const words = world.words("true", "--stdout=journal");
  const { code, stderr } = await withJournal(undefined, words).output();
  assert.equal(code, 254);
  assert.match(
    new TextDecoder().decode(stderr),
    /^run: app "box": there is no journal on this host \(\/run\/systemd\/journal\/stdout\); .*\n$/,
  );
  assert.deepEqual(world.pods(), before);
});

Deno.test("an app of any user can open its /dev/stdout where that is a pipe", async () => {
  await using pod = await Fed.start(
    "echo opened > /dev/stdout; echo and > /dev/stderr; cat",
    ...[...LOG, "--user=www", "--group=www"],
  );
  await pod.end();
  assert.equal(await logs(pod.uuid), "opened\nand\n");
});

Deno.test("a program that can't be executed is told of to the caller, and not logged", async () => {
  const { code, stderr } = await world.run("", ...LOG, "--exec=/srv/script");
  assert.equal(code, 254);
  assert.match(stderr, /stage1: execute \/srv\/script in app "box": ENOENT/);
});

Deno.test("logs of a pod that keeps none say how to keep some", async () => {
  const pod = await world.start("sleep 1000");
  const uuid = await runningPod(world, pod.pid);
  const { code, stderr } = await world.rkt("logs", uuid);
  assert.equal(code, 254);
  assert.match(stderr, /^logs: pod ".*" keeps no output; --stdout=log and --stderr=log .*\n$/);
  await pod.end();
});

Deno.test("what the flags and the manifest can't mean is refused", async () => {
  const refused = async (...flags: string[]) => {
    const { code, stderr } = await world.run("true", ...flags);
    assert.equal(code, 254);
    return stderr;
  };
  assert.match(
    await refused("--stdin=log"),
    /--stdin: "log" is not one of inherit, null, tty, stream/,
  );
  assert.match(await refused("--log-size=1Ki"), /--log-size: 1Ki is not from 64Ki to 1Ti/);
  assert.match(
    await refused("--interactive", "--stdout=tty"),
    /--interactive and --stdout=tty exclude each other/,
  );
  const annotation = "--annotation=coreos.com/rkt/stage2/stdout=loud";
  assert.match(
    await refused(annotation),
    /app "box": its stdout can't be "loud"; it is one of inherit,/,
  );
});
