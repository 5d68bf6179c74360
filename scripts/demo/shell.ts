/** Types commands in front of the person's eyes: each line is printed, run by `sh`, and its output shown. */
import { Failure } from "../../src/failure.ts";

const INTERRUPTED = "demo: interrupted";

/** A shell in a directory of its own. `rkt` there is a script in its `bin`. */
export class Shell {
  readonly directory: string;
  readonly #environment: Readonly<Record<string, string>>;
  #running: Deno.ChildProcess | undefined;
  readonly #interruption = Promise.withResolvers<never>();
  #interrupted = false;
  /** How many commands were typed. */
  typed = 0;

  constructor(directory: string) {
    this.directory = directory;
    // It may come when nobody waits.
    this.#interruption.promise.catch(() => {});
    this.#environment = {
      PATH: `${directory}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      GNUPGHOME: `${directory}/gnupg`,
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
    const process = this.#spawn(line, "inherit");
    this.#running = process;
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
    const process = this.#spawn(line, "piped");
    this.#running = process;
    const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let output = "";
    while (!output.includes(until)) {
      const { value, done } = await Promise.race([lines.read(), this.#interruption.promise]);
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
    const { stdout } = await this.#command(`${line} 2>/dev/null`, "piped").output();
    return new TextDecoder().decode(stdout);
  }

  /** Ends what runs; what was typed last fails. */
  interrupt(): void {
    this.#interrupted = true;
    this.#interruption.reject(new Failure(INTERRUPTED));
    try {
      this.#running?.kill("SIGTERM");
    } catch {
      // It has just ended.
    }
  }

  #check(): void {
    if (this.#interrupted) throw new Failure(INTERRUPTED);
  }

  #spawn(line: string, stdout: "inherit" | "piped"): Deno.ChildProcess {
    this.#check();
    return this.#command(`{ ${line}\n} 2>&1`, stdout).spawn();
  }

  #command(line: string, stdout: "inherit" | "piped"): Deno.Command {
    return new Deno.Command("sh", {
      args: ["-c", line],
      cwd: this.directory,
      clearEnv: true,
      env: this.#environment,
      stdin: "null",
      stdout,
    });
  }
}
