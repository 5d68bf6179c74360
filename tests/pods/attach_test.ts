/** `rkt attach`: streams by pipes, terminals by tmux. */
import assert from "node:assert/strict";
import { Lines, list, type Pod, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";
import { runningPod } from "../world/running_pod.ts";
import { Tmux } from "../world/tmux.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const STREAMS = ["--stdin=stream", "--stdout=stream", "--stderr=stream"];
const TERMINAL = ["--stdin=tty", "--stdout=tty", "--stderr=tty"];

/** Starts a script whose output goes elsewhere. */
async function start(script: string, ...flags: string[]): Promise<{ pod: Pod; uuid: string }> {
  const pod = world.spawn(...world.words(script, ...flags));
  const uuid = await runningPod(world, pod.pid);
  return { pod, uuid };
}

/** `rkt attach` with pipes. */
class Attached {
  readonly child: Deno.ChildProcess;
  readonly #keys: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: Lines;
  readonly #errors: Lines;

  constructor(uuid: string, ...flags: string[]) {
    const args = [...world.flags, "attach", ...flags, uuid];
    const streams = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    this.child = new Deno.Command(RKT, { args, ...streams }).spawn();
    this.#keys = this.child.stdin.getWriter();
    this.#lines = new Lines(this.child.stdout);
    this.#errors = new Lines(this.child.stderr);
  }

  async type(text: string): Promise<void> {
    await this.#keys.write(new TextEncoder().encode(text));
  }

  line(): Promise<string | undefined> {
    return this.#lines.next();
  }

  errorLine(): Promise<string | undefined> {
    return this.#errors.next();
  }

  /** How it ends, and what is left on its error output. */
  async end(): Promise<readonly [number, string]> {
    let errors = "";
    for (let line = await this.errorLine(); line !== undefined; line = await this.errorLine()) {
      errors += `${line}\n`;
    }
    const { code } = await this.child.status;
    await this.#keys.abort().catch(() => {});
    await this.#lines.cancel();
    return [code, errors];
  }
}

const ECHO = "while read line; do echo got $line; echo saw $line >&2; done";

Deno.test("attach connects to an app's streams, lets go of them, and ends as the app", async () => {
  const { pod, uuid } = await start(`${ECHO}; exit 5`, ...STREAMS);
  assert.equal((await world.rkt("attach", "--mode=list", uuid)).stdout, "stdin\nstdout\nstderr\n");
  const first = new Attached(uuid.slice(0, 8));
  await first.type("one\n");
  assert.equal(await first.line(), "got one");
  // The other stream may be later.
  assert.equal(await first.errorLine(), "saw one");
  first.child.kill("SIGINT");
  assert.deepEqual(await first.end(), [0, ""]);

  // Several at once; each mode connects what it names, and shows what nobody has seen.
  const input = new Attached(uuid, "--mode=stdin");
  await input.type("two\nthree\n");
  const [second, third] = [
    new Attached(uuid, "--mode=stdout"),
    new Attached(uuid, "--mode=stdout"),
  ];
  for (const each of [second, third]) {
    assert.equal(await each.line(), "got two");
    assert.equal(await each.line(), "got three");
  }
  pod.kill("SIGTERM");
  const code = (await pod.child.status).code;
  for (const each of [second, third]) assert.deepEqual(await each.end(), [code, ""]);
  assert.equal((await world.rkt("logs", uuid)).stdout.match(/got three/g)?.length, 1);
});

Deno.test("an app whose streams nobody is attached to goes on", async () => {
  const file = `${world.dir}/uuid`;
  const words = world.words("busybox seq 1 100000; exit 6", ...STREAMS);
  words.splice(2, 0, `--uuid-file-save=${file}`);
  assert.equal(await world.spawn(...words).child.status.then(({ code }) => code), 6);
  const { code, stderr } = await world.rkt("attach", Deno.readTextFileSync(file));
  assert.equal(code, 254);
  assert.match(stderr, /is exited: only a running one can be attached to\n$/);
});

Deno.test("attach says what an app has to attach to", async () => {
  const { pod, uuid } = await start("sleep 1000", "--stdout=stream");
  const refused = async (mode: string) =>
    (await world.rkt("attach", `--mode=${mode}`, uuid)).stderr;
  assert.match(await refused("tty"), /app "box" has no tty to attach to, but stdout\n$/);
  assert.match(await refused("stdin,stdout"), /app "box" has no stdin to attach to, but stdout\n$/);
  assert.match(await refused("loud"), /--mode: "loud" is not auto, list, tty,/);
  await pod.end();
  const plain = await world.start("sleep 1000");
  const other = await runningPod(world, plain.pid);
  assert.match((await world.rkt("attach", other)).stderr, /app "box" has nothing to attach to/);
  await plain.end();
});

const HOST = /host#$/;
const PROMPT = /\/ #$/;

/** The modes of the terminal that a program can leave in disorder, as the host's shell shows them. */
const MODES = "stty -a | grep -Eo -- '-?(icanon|echo|isig|opost|icrnl)\\b' | tr '\\n' ' '";
const COOKED = /icrnl opost isig icanon echo/;

function attachWords(uuid: string): string {
  return `clear; ${RKT} ${world.flags.join(" ")} attach ${uuid}; echo status $?`;
}

async function seeModes(tmux: Tmux): Promise<void> {
  tmux.enter(`clear; ${MODES}`);
  await tmux.see(COOKED);
}

Deno.test("attach to a terminal: prompt, Ctrl-C, job control, sizes, vi, detaching, the exit status", async () => {
  const { pod, uuid } = await start("exec sh", ...TERMINAL);
  using tmux = new Tmux(80, 24);
  await tmux.see(HOST);
  tmux.enter(attachWords(uuid));
  await tmux.see(PROMPT);
  tmux.enter("tty; echo $TERM; busybox stty size");
  await tmux.see(/\/dev\/pts\/0\nxterm\n24 80\n\/ #$/);
  tmux.enter("sh -c 'echo up; sleep 1000'");
  await tmux.see(/^up$/m);
  tmux.press("C-c");
  await tmux.see(PROMPT);
  tmux.enter("echo status $?");
  await tmux.see(/status 130\n\/ #$/);
  tmux.enter("sh -c 'echo again; sleep 1000'");
  await tmux.see(/^again$/m);
  tmux.press("C-z");
  await tmux.see(/Stopped +sh -c.*\n\/ #$/);
  tmux.enter("fg");
  await tmux.see(/\n\/ # fg\nsh -c[^\n]*$/);
  tmux.press("C-c");
  await tmux.see(PROMPT);
  tmux.resize(90, 30);
  await tmux.see(/[^]*\/ #$/);
  tmux.enter("busybox clear; busybox stty size");
  await tmux.see(/30 90\n/);
  tmux.enter("busybox vi /srv/text");
  await tmux.see(/\n~\n[^]*text/);
  tmux.type("ihello");
  await tmux.see(/^I .*text/m);
  tmux.press("Escape");
  await tmux.see(/^- .*text/m); // else what comes next belongs to the escape
  tmux.enter(":wq");
  await tmux.see(PROMPT);
  tmux.enter("busybox clear; cat /srv/text");
  await tmux.see(/hello\n\/ #$/);

  tmux.press("C-p", "C-q");
  await tmux.see(/^status 0\nhost#$/m);
  await seeModes(tmux);
  tmux.enter(attachWords(uuid));
  await tmux.see(PROMPT);
  tmux.enter("exit 9");
  await tmux.see(/^status 9\nhost#$/m);
  await seeModes(tmux);
  assert.equal((await pod.child.status).code, 9);
});

Deno.test("a KILL of either side gives the terminal back", async () => {
  const { pod, uuid } = await start("exec sh", ...TERMINAL);
  using tmux = new Tmux(80, 24);
  await tmux.see(HOST);
  tmux.enter(attachWords(uuid));
  await tmux.see(PROMPT);
  const attach = attachedPid(uuid);
  Deno.kill(attach, "SIGKILL");
  await tmux.see(/Killed[^]*^status 137\nhost#$/m);
  await seeModes(tmux);

  tmux.enter(attachWords(uuid));
  tmux.press("Enter");
  await tmux.see(PROMPT);
  pod.kill("SIGKILL");
  await tmux.see(/was killed\nstatus 137\nhost#$/m);
  await seeModes(tmux);
});

/** The PID of `rkt attach` of a pod. */
function attachedPid(uuid: string): number {
  const found = list("/proc").filter((name) => /^\d+$/.test(name)).find((pid) => {
    try {
      const words = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
      return words.includes("attach") && words.includes(uuid);
    } catch {
      return false; // it has ended
    }
  });
  assert.ok(found !== undefined);
  return Number(found);
}

Deno.test("several apps on a terminal have their names in front of their lines, on pipes not", async () => {
  const app = (name: string) =>
    `example.com/box --name=${name} -- -c "echo hello; echo error >&2; printf half"`;
  const command = `${RKT} ${world.flags.join(" ")} run --net=none ${app("a")} --- ${app("long")}`;
  using tmux = new Tmux(200, 30);
  await tmux.see(HOST);
  tmux.enter(`clear; ${command}; echo "<"end">"`);
  await tmux.see(/<end>/);
  const shown = tmux.screen.replaceAll("<end>", "\n<end>").split("\n")
    .filter((line) => / \| /.test(line)).sort();
  for (const name of ["a   ", "long"]) {
    for (const text of ["hello", "error"]) {
      assert.ok(shown.includes(`${name} | ${text}`), `${shown}`);
    }
    assert.ok(shown.some((line) => line.startsWith(`${name} | half`)), `${shown}`);
  }
  tmux.enter(`clear; ${command} 2>&1 | sort; echo "<"done">"`);
  const [, piped = ""] = await tmux.see(/\n?([^]*)<done>/);
  assert.ok(!piped.includes(" | "), piped);
  assert.equal(piped.match(/hello/g)?.length, 2);
  // What was remembered of the run on pipes is not for a terminal.
  tmux.enter(`clear; ${command}; echo "<"again">"`);
  await tmux.see(/<again>/);
  assert.match(tmux.screen, /^long \| hello$/m);
});
