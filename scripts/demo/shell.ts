/** Types commands in front of the person's eyes: each line is printed, run by `sh`, and its output shown. */
import { Failure } from "../../src/failure.ts";

const INTERRUPTED = "demo: interrupted";

/** A shell in a directory of its own. `rkt` there is a script in its `bin`. */
export class Shell {
  readonly directory: string;
  readonly #environment: Readonly<Record<string, string>>;
  #running: Deno.ChildProcess | undefined;
  #interrupted = false;
  /** How many commands were typed. */
  typed = 0;

  constructor(directory: string) {
    this.directory = directory;
    this.#environment = {
      PATH: `${directory}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      GNUPGHOME: `${directory}/gnupg`,
      // The keys of a user other than root are there.
      XDG_CONFIG_HOME: `${directory}/config`,
      ETCDCTL_API: "3",
      // The demo's web site is on this machine, whatever proxy others are behind.
      no_proxy: "*",
    };
  }

  /** A remark to who watches. */
  say(...lines: string[]): void {
    for (const line of lines) console.log(`# ${line}`);
  }

  /** The title of what follows. */
  chapter(title: string): void {
    console.log(`\n## ${title}\n`);
  }

  /**
   * Runs a line to its end and shows what it prints, stdout and stderr in their order.
   *
   * @param status how it must end
   * @throws {Failure} when it ends otherwise, or the demo is interrupted
   */
  async type(line: string, status = 0): Promise<void> {
    console.log(`$ ${line}`);
    this.typed++;
    const process = this.#start(line);
    // Until nobody can write any more: who was started by the shell may outlive it when it is interrupted.
    for await (const bytes of process.stdout) await Deno.stdout.write(bytes);
    const { code } = await process.status;
    this.#running = undefined;
    this.#check();
    if (code !== status) throw new Failure(`demo: that ended with ${code}, not ${status}`);
    if (code !== 0) this.say(`(exit status ${code})`);
    console.log();
  }

  /**
   * Starts a line in the background, shows its output, and waits for a line of it.
   *
   * @returns waits for the command's end
   * @throws {Failure} when it ends before the line comes
   */
  async background(line: string, until: string): Promise<() => Promise<void>> {
    console.log(`$ ${line} &`);
    this.typed++;
    const process = this.#start(line);
    const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let output = "";
    while (!output.includes(until)) {
      const { value, done } = await lines.read();
      if (done) this.#check();
      if (done) throw new Failure(`demo: that ended before it said "${until}"`);
      await Deno.stdout.write(new TextEncoder().encode(value));
      output += value;
    }
    this.#running = undefined;
    console.log();
    return async () => {
      while (!(await lines.read()).done);
      await process.status;
    };
  }

  /** What a line prints, which nobody sees. */
  async quietly(line: string): Promise<string> {
    const { stdout } = await this.#command(`{ ${line}\n} 2>/dev/null`, false).output();
    return new TextDecoder().decode(stdout);
  }

  /** Ends what runs; what was typed last fails. */
  interrupt(): void {
    this.#interrupted = true;
    if (this.#running === undefined) return;
    try {
      // The shell and all that it has started.
      Deno.kill(-this.#running.pid, "SIGTERM");
    } catch {
      // They have just ended.
    }
  }

  #check(): void {
    if (this.#interrupted) throw new Failure(INTERRUPTED);
  }

  #start(line: string): Deno.ChildProcess {
    this.#check();
    this.#running = this.#command(`{ ${line}\n} 2>&1`, true).spawn();
    return this.#running;
  }

  #command(line: string, detached: boolean): Deno.Command {
    return new Deno.Command("sh", {
      args: ["-c", line],
      cwd: this.directory,
      clearEnv: true,
      env: this.#environment,
      stdin: "null",
      stdout: "piped",
      detached,
    });
  }
}
