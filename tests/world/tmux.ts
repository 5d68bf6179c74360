/** A real terminal to drive programs in: tmux with a server of its own. */
import assert from "node:assert/strict";

/** How long something may take until the screen shows it, in milliseconds; only a failing test waits so long. */
const PATIENCE = 20_000;

/** A window of tmux with a shell of the host's in it. */
export class Tmux implements Disposable {
  readonly #socket = `/tmp/rkt-tmux-${crypto.randomUUID()}`;

  constructor(columns = 80, rows = 24) {
    const size = ["-x", `${columns}`, "-y", `${rows}`];
    const shell = ["env", "PS1=host\\$ ", "HISTFILE=/dev/null", "bash", "--norc", "--noprofile"];
    this.#tmux("-f", "/dev/null", "new-session", "-d", ...size, ...shell);
  }

  #tmux(...args: string[]): string {
    const command = ["-S", this.#socket, ...args];
    const { success, stdout, stderr } = new Deno.Command("tmux", { args: command }).outputSync();
    assert.ok(success, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  }

  /** Types text as it is. */
  type(text: string): void {
    this.#tmux("send-keys", "-l", "--", text);
  }

  /** Types a line. */
  enter(line: string): void {
    this.type(line);
    this.press("Enter");
  }

  /** Presses keys, by tmux's names: `C-c`, `Escape`. */
  press(...keys: string[]): void {
    this.#tmux("send-keys", ...keys);
  }

  /** What the screen shows: lines without blanks at their ends, and without empty ones below. */
  get screen(): string {
    return this.#tmux("capture-pane", "-p").trimEnd();
  }

  /** Waits until the screen shows something. */
  async see(pattern: RegExp): Promise<RegExpExecArray> {
    const end = Date.now() + PATIENCE;
    while (true) {
      const { screen } = this;
      const found = pattern.exec(screen);
      if (found !== null) return found;
      assert.ok(Date.now() < end, `the screen never shows ${pattern}:\n${screen}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  /** The PID of the host's shell. */
  get shell(): number {
    return Number(this.#tmux("display-message", "-p", "#{pane_pid}"));
  }

  resize(columns: number, rows: number): void {
    this.#tmux("resize-window", "-x", `${columns}`, "-y", `${rows}`);
  }

  [Symbol.dispose](): void {
    this.#tmux("kill-server");
    Deno.removeSync(this.#socket); // tmux leaves it
  }
}
