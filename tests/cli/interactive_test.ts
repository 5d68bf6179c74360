/** `rkt run --interactive` on a real terminal: a pty that script(1) makes, with a shell of the host's in it. */
import assert from "node:assert/strict";
import { RKT } from "../world/rkt.ts";
import { BOX, children, Watch, World } from "../world/pod_world.ts";
import { until, within } from "../world/until.ts";

/** The prompt of the host's shell. */
const HOST = /bash-[\d.]+# $/;

/** A terminal with a shell, to type into and to read from. */
class Terminal implements AsyncDisposable {
  readonly #child = new Deno.Command("script", {
    args: ["-qfec", "bash --norc --noprofile", "/dev/null"],
    env: { TERM: "dumb", HISTFILE: "/dev/null" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  readonly #keys = this.#child.stdin.getWriter();
  readonly #screen = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  #unread = "";

  async type(keys: string): Promise<void> {
    await this.#keys.write(new TextEncoder().encode(keys));
  }

  /** Waits until the screen shows something, and takes it and all before it away. */
  async see(pattern: RegExp): Promise<RegExpExecArray> {
    while (true) {
      const found = pattern.exec(this.#unread);
      if (found !== null) {
        this.#unread = this.#unread.slice(found.index + found[0].length);
        return found;
      }
      const { value, done } = await within(
        this.#screen.read(),
        60,
        `${pattern}, after ${this.#unread}`,
      );
      assert.ok(!done, `the terminal ended without ${pattern}: ${this.#unread}`);
      this.#unread += value;
    }
  }

  /** Runs a command in the host's shell, and returns what it prints. */
  async host(command: string): Promise<string> {
    await this.type(`${command}; echo "<"end">"\r`);
    const [, printed = ""] = await this.see(/\r\n([^]*?)<end>\r\n/);
    await this.see(HOST);
    return printed.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keys.close().catch(() => {});
    this.#child.kill("SIGKILL");
    await this.#screen.cancel();
    await this.#child.status;
  }
}

/** The prompt of busybox, which asks the terminal where its cursor is. */
const PROMPT = new RegExp("/ # (\u001b\\[6n)?$");

/** What of the terminal's modes a program can leave in disorder. */
const MODES = "stty -a | grep -Eo -- '-?(icanon|echo|isig|opost|icrnl)\\b' | tr '\\n' ' '";
const COOKED = "icrnl opost isig icanon echo";

/** Starts the image's shell on a new terminal. */
async function interactive(world: World): Promise<Terminal> {
  const terminal = new Terminal();
  await terminal.see(HOST);
  assert.equal(await terminal.host(MODES), COOKED);
  await terminal.type(`${RKT} ${world.flags.join(" ")} run --net=none --interactive ${BOX}\r`);
  await terminal.see(PROMPT);
  return terminal;
}

Deno.test("run --interactive gives the app a terminal with job control", async () => {
  await using world = await World.make();
  await using terminal = await interactive(world);
  await terminal.type("readlink /proc/self/fd/0; ls -l /dev/console\r");
  await terminal.see(/\r\n\/dev\/pts\/0\r\n.* 136, +0 .*\/dev\/console\r\n/);
  await terminal.see(PROMPT);

  await terminal.type("sh -c 'echo up; sleep 1000'\r");
  await terminal.see(/\r\nup\r\n/);
  await terminal.type("\x03");
  await terminal.see(PROMPT);
  await terminal.type("echo status $?\r");
  await terminal.see(/\r\nstatus 130\r\n/);

  await terminal.type("sh -c 'echo up; exec cat'\r");
  await terminal.see(/\r\nup\r\n/);
  await terminal.type("\x1a");
  await terminal.see(/Stopped +sh -c/);
  await terminal.see(PROMPT);
  await terminal.type("fg\r");
  await terminal.see(/fg\r\nsh -c[^]*?\r\n/);
  await terminal.type("back again\r");
  await terminal.see(/back again\r\nback again\r\n/);
  await terminal.type("\x04");
  await terminal.see(PROMPT);

  await terminal.type("exit 9\r");
  await terminal.see(HOST);
  assert.equal(await terminal.host("echo $?"), "9");
  assert.equal(await terminal.host(MODES), COOKED);
});

Deno.test("Ctrl-] three times within a second ends the pod, whatever its app does; not in between other keys", async () => {
  await using world = await World.make();
  await using terminal = await interactive(world);
  await terminal.type("echo \x1d\x1da\x1d\x1d\r");
  await terminal.see(PROMPT);
  await terminal.type(
    "trap '' INT TERM HUP QUIT; stty raw -echo; echo deaf; while :; do sleep 1000; done\r",
  );
  await terminal.see(/deaf/);
  await terminal.type("\x1d");
  await terminal.type("\x1d");
  await terminal.type("\x1d");
  await terminal.see(HOST);
  assert.equal(await terminal.host("echo $?"), "137");
  assert.equal(await terminal.host(MODES), COOKED);
});

Deno.test("run --interactive passes the terminal's size on, also when it changes", async () => {
  await using world = await World.make();
  await using terminal = new Terminal();
  await terminal.see(HOST);
  const device = await terminal.host("tty");
  await terminal.host("stty cols 91 rows 31");
  await terminal.type(`${RKT} ${world.flags.join(" ")} run --net=none --interactive ${BOX}\r`);
  await terminal.see(PROMPT);
  const size = async () => {
    await terminal.type("busybox stty size\r");
    const [, shown] = await terminal.see(/\r\n(\d+ \d+)\r\n/);
    await terminal.see(PROMPT);
    return shown;
  };
  assert.equal(await size(), "31 91");
  await new Deno.Command("stty", { args: ["-F", device, "cols", "82", "rows", "22"] }).output();
  await until(async () => await size() === "22 82", 30, "the new size in the app");
  await terminal.type("exit\r");
  await terminal.see(HOST);
});

Deno.test("a KILL of the supervisor ends the pod and restores the terminal", async () => {
  await using world = await World.make();
  await using terminal = await interactive(world);
  const [pod] = world.pods();
  const pid = Number(Deno.readTextFileSync(`${world.dataDir}/pods/${pod}/ppid`).trim());
  using helpers = new DisposableStack();
  const watches = children(pid).map((each) => helpers.use(new Watch(each)));
  Deno.kill(pid, "SIGKILL");
  await terminal.see(/Killed[^]*bash-[\d.]+# $/);
  // What relays the terminal dies right after the supervisor, and takes what is typed until then.
  for (const watch of watches) assert.ok(watch.ends());
  // The guard restores the modes when it has seen the death; the shell has its own until the next command.
  await until(async () => await terminal.host(MODES) === COOKED, 30, "modes of a cooked terminal");
});

Deno.test("a missing program leaves the terminal as it was", async () => {
  await using world = await World.make();
  await using terminal = new Terminal();
  await terminal.see(HOST);
  const words = `run --net=none --interactive ${BOX} --exec=/srv/script`;
  const said = await terminal.host(`${RKT} ${world.flags.join(" ")} ${words}`);
  assert.match(said, /stage1: execute \/srv\/script in app "box": ENOENT/);
  assert.equal(await terminal.host(MODES), COOKED);
});

Deno.test("run --interactive without a terminal passes the streams on", async () => {
  await using world = await World.make();
  const words = [...world.flags, "run", "--net=none", "--interactive", BOX];
  const child = new Deno.Command(RKT, { args: words, stdin: "piped", stdout: "piped" }).spawn();
  const keys = child.stdin.getWriter();
  await keys.write(new TextEncoder().encode("echo $((6 * 7)); exit 3\n"));
  await keys.close();
  const { code, stdout } = await child.output();
  assert.equal(new TextDecoder().decode(stdout), "42\n");
  assert.equal(code, 3);
});
