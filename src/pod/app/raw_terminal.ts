/** The caller's terminal in raw mode. Its modes are restored on every exit, also after SIGKILL. */
import { executableFile } from "../../../stage1/engine/execute.ts";
import { program } from "../../../stage1/engine/launch.ts";
import { guardPlan } from "../../../stage1/processes/terminal_guard.ts";
import { closeDescriptor } from "../../linux/lock.ts";
import { trySyscall } from "../../linux/syscall.ts";
import { TIOCGWINSZ, TIOCSWINSZ } from "../../linux/constants.ts";

/**
 * Standard input in raw mode, for a program on another terminal, which gets the size of this one. The modes are restored on
 * disposal. If this process is killed, a guard process restores them.
 */
export class RawTerminal implements Disposable {
  readonly #resize: () => void;

  private constructor(readonly guard: Deno.ChildProcess, readonly file: number, other: number) {
    this.#resize = () => copySize(other);
    Deno.stdin.setRaw(true);
    redraw(other);
    Deno.addSignalListener("SIGWINCH", this.#resize);
  }

  /**
   * Makes standard input raw.
   *
   * @param other the other terminal's master
   */
  static async make(other: number): Promise<RawTerminal> {
    const file = executableFile(program(guardPlan()));
    const guard = new Deno.Command(`/proc/${Deno.pid}/fd/${file}`, {
      stdin: "inherit",
      stdout: "piped",
      stderr: "inherit",
      clearEnv: true,
    }).spawn();
    const reader = guard.stdout.getReader();
    const { done } = await reader.read();
    reader.releaseLock();
    if (done) throw new Error("the terminal's guard could not be started");
    return new RawTerminal(guard, file, other);
  }

  [Symbol.dispose](): void {
    Deno.removeSignalListener("SIGWINCH", this.#resize);
    Deno.stdin.setRaw(false);
    this.guard.kill("SIGKILL");
    closeDescriptor(this.file);
  }
}

/** Gives a terminal the size of standard input. */
function copySize(to: number): void {
  const size = new Uint8Array(8);
  if (trySyscall("ioctl", 0, TIOCGWINSZ, size) === 0) trySyscall("ioctl", to, TIOCSWINSZ, size);
}

/**
 * Gives a terminal another size, and then the size of standard input. Programs redraw the whole screen when the size
 * changes.
 */
function redraw(to: number): void {
  const size = new Uint8Array(8);
  if (trySyscall("ioctl", 0, TIOCGWINSZ, size) !== 0) return;
  const other = size.slice();
  const view = new DataView(other.buffer);
  view.setUint16(0, view.getUint16(0, true) + 1, true);
  trySyscall("ioctl", to, TIOCSWINSZ, other);
  trySyscall("ioctl", to, TIOCSWINSZ, size);
}
