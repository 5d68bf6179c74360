/** `rkt run --interactive` and `rkt enter` in a real terminal, tmux: the same is true of both. */
import assert from "node:assert/strict";
import { BOX, children, list, Watch, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";
import { Tmux } from "../world/tmux.ts";
import { nth } from "../world/nth.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** The prompt of the host's shell, and that of the app's. */
const HOST = /host# $|host#$/;
const APP = /\/ #$/;

/** What of the terminal's modes a program can leave in disorder. */
const MODES = "stty -a | grep -Eo -- '-?(icanon|echo|isig|opost|icrnl)\\b' | xargs";
const COOKED = /^icrnl opost isig icanon echo$/m;

/** A way to get a shell with a terminal in an app. */
interface Way {
  readonly name: string;
  /** Starts what the shell is to be in, and returns the command line that gives it. */
  readonly start: (stack: AsyncDisposableStack) => Promise<string>;
}

const WAYS: readonly Way[] = [
  {
    name: "run --interactive",
    start: () =>
      Promise.resolve(`${RKT} ${world.flags.join(" ")} run --net=none --interactive ${BOX}`),
  },
  {
    name: "enter",
    start: async (stack) => {
      const before = list(`${world.dataDir}/pods/run`);
      stack.use(await world.start("sleep 1000; true"));
      const [uuid] = list(`${world.dataDir}/pods/run`).filter((each) => !before.includes(each));
      return `${RKT} ${world.flags.join(" ")} enter ${uuid}`;
    },
  },
];

/** Tests both ways, each with the shell's prompt on a terminal. */
function both(what: string, test: (terminal: Tmux) => Promise<void>): void {
  for (const way of WAYS) {
    Deno.test(`${way.name} ${what}`, async () => {
      await using stack = new AsyncDisposableStack();
      const line = await way.start(stack);
      using terminal = new Tmux();
      await terminal.see(HOST);
      terminal.enter(`clear; ${line}; echo status $?`);
      await terminal.see(APP);
      await test(terminal);
    });
  }
}

/** Leaves the app's shell, and sees that the terminal is as it was. */
async function leave(terminal: Tmux, status: number): Promise<void> {
  terminal.enter(`exit ${status}`);
  await terminal.see(new RegExp(`^status ${status}$`, "m"));
  await seeModes(terminal);
}

async function seeModes(terminal: Tmux): Promise<void> {
  await terminal.see(HOST);
  terminal.enter(`clear; ${MODES}`);
  await terminal.see(COOKED);
}

both("has a prompt, and Ctrl-C ends the program in front and not the shell", async (terminal) => {
  terminal.enter("sh -c 'tty; exec sleep 1000'");
  await terminal.see(/^\/dev\/pts\/0$/m);
  terminal.press("C-c");
  terminal.enter("echo was $?");
  await terminal.see(/^was 130$/m);
  await leave(terminal, 9);
});

both("has job control: Ctrl-Z stops, fg goes on", async (terminal) => {
  terminal.enter("sh -c 'echo up; exec cat'");
  await terminal.see(/^up$/m);
  terminal.press("C-z");
  await terminal.see(/Stopped +sh -c/);
  terminal.enter("fg");
  // What is typed before the shell has left its own mode of the terminal is no line for cat.
  await terminal.see(/^sh -c "echo up; exec cat"$/m);
  terminal.enter("once more");
  await terminal.see(/once more\nonce more$/);
  terminal.press("C-d");
  await terminal.see(APP);
  await leave(terminal, 0);
});

both("passes on the terminal's size, also when it changes under a program", async (terminal) => {
  terminal.enter("while sleep 0.1; do busybox stty size; done");
  await terminal.see(/^24 80$/m);
  terminal.resize(91, 31);
  await terminal.see(/^31 91$/m);
  terminal.press("C-c");
  await terminal.see(APP);
  await leave(terminal, 3);
});

both("runs vi", async (terminal) => {
  terminal.enter("cd /srv; busybox vi note");
  await terminal.see(/\n~\n[^]*note/);
  terminal.type("ifirst line");
  terminal.press("Enter");
  terminal.type("second line");
  await terminal.see(/^I note/m);
  terminal.press("Escape");
  await terminal.see(/^- note/m); // else what comes next belongs to the escape
  terminal.enter(":wq");
  await terminal.see(/\/srv #$/);
  terminal.enter("clear; cat note");
  await terminal.see(/^first line\nsecond line\n/m);
  await leave(terminal, 0);
});

both("ends with its shell, whatever still has the terminal open", async (terminal) => {
  terminal.enter("(trap '' HUP; exec sleep 1000) & echo last words; exit 4");
  await terminal.see(/^last words\n(.*\n)*status 4$/m);
  await seeModes(terminal);
});

both("restores the terminal when its shell is killed", async (terminal) => {
  terminal.enter("kill -KILL $$");
  await terminal.see(/^status 137$/m);
  await seeModes(terminal);
});

for (const [way, comm] of [["run --interactive", "rkt-supervisor"], ["enter", "rkt-enter"]]) {
  Deno.test(`a KILL of ${way} ends the shell, and restores the terminal`, async () => {
    await using stack = new AsyncDisposableStack();
    const line = await WAYS.find(({ name }) => name === way)?.start(stack);
    using terminal = new Tmux();
    await terminal.see(HOST);
    terminal.enter(`clear; ${line}`);
    await terminal.see(APP);
    const outside = nth(children(terminal.shell), 0);
    assert.equal(Deno.readTextFileSync(`/proc/${outside}/comm`), `${comm}\n`);
    const watches = children(outside).map((pid) => stack.use(new Watch(pid)));
    assert.equal(watches.length, 4); // shell or init, two relays, the guard
    Deno.kill(outside, "SIGKILL");
    for (const watch of watches) assert.ok(watch.ends());
    await terminal.see(/Killed/);
    await seeModes(terminal);
  });
}

Deno.test("enter gives a program that can't be executed no terminal to spoil", async () => {
  await using stack = new AsyncDisposableStack();
  const line = await nth(WAYS, 1).start(stack);
  using terminal = new Tmux();
  await terminal.see(HOST);
  terminal.enter(`clear; ${line} none; echo status $?`);
  await terminal.see(/execute none in app "box": ENOENT[^]*\nstatus 254/);
  await seeModes(terminal);
});

Deno.test("enter without a terminal for its output leaves the output as it is", async () => {
  await using stack = new AsyncDisposableStack();
  const line = await nth(WAYS, 1).start(stack);
  using terminal = new Tmux();
  await terminal.see(HOST);
  terminal.enter(`clear; ${line} sh -c 'echo a; tty' | od -c`);
  await terminal.see(/0000000 +a +\\n +n +o +t/);
});

Deno.test("the terminal of an entered command is root's of the app, also with users of its own", async () => {
  const before = list(`${world.dataDir}/pods/run`);
  await using _ = await world.start("sleep 1000; true", "--private-users");
  const [uuid] = list(`${world.dataDir}/pods/run`).filter((each) => !before.includes(each));
  using terminal = new Tmux();
  await terminal.see(HOST);
  terminal.enter(`clear; ${RKT} ${world.flags.join(" ")} enter ${uuid}; echo status $?`);
  await terminal.see(APP);
  terminal.enter("clear; echo named > $(tty); stat -c %u:%a $(tty)");
  await terminal.see(/^named\n0:620$/m);
  await leave(terminal, 0);
});
