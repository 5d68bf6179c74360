/**
 * Runs the program of a plugin: an input, an output, and an end within a time limit, whatever the program leaves behind.
 */
import { Failure } from "../../failure.ts";
import { trySyscall } from "../../linux/syscall.ts";
import { SIGKILL } from "../../linux/constants.ts";

/** Plugins run others (iptables, sysctl), which they look for in PATH; of ours they get nothing. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** How a program has ended. */
export interface Ended {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Milliseconds without a word, after the program's end, until what it has left behind is not listened to any more. */
const SILENCE = 500;

/** Bytes of an answer that are read. */
const MOST_OUTPUT = 1 << 20;

/** What ends a run before its time. */
const INTERRUPTIONS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs a program in a process group of its own, so that all of it can be killed.
 *
 * @param who how messages call it
 * @param timeLimit in milliseconds
 * @throws {Failure} it can't be executed, has taken too long, or rkt was told to end; its processes are killed then
 */
export async function runProgram(
  path: string,
  who: string,
  env: Readonly<Record<string, string>>,
  input: string,
  timeLimit: number,
): Promise<Ended> {
  const child = spawn(path, who, env);
  const [stdout, stderr] = [new Answer(child.stdout), new Answer(child.stderr)];
  const { promise: stopped, resolve: stop } = Promise.withResolvers<string>();
  const late = setTimeout(
    () => stop(`took longer than ${timeLimit / 1000} seconds and was killed`),
    timeLimit,
  );
  const interrupted = () => stop("was killed, because rkt was told to end");
  for (const signal of INTERRUPTIONS) Deno.addSignalListener(signal, interrupted);
  try {
    const fed = feed(child, input);
    const ended = await Promise.race([child.status, stopped]);
    if (typeof ended === "string") {
      trySyscall("kill", -child.pid, SIGKILL);
      await child.status;
      throw new Failure(`${who}: ${ended}`);
    }
    await Promise.all([stdout.rest(), stderr.rest(), beforeSilence(fed)]);
    return { success: ended.success, stdout: stdout.text, stderr: stderr.text };
  } finally {
    clearTimeout(late);
    for (const signal of INTERRUPTIONS) Deno.removeSignalListener(signal, interrupted);
    await Promise.all([stdout.close(), stderr.close()]);
  }
}

function spawn(
  path: string,
  who: string,
  env: Readonly<Record<string, string>>,
): Deno.ChildProcess {
  try {
    return new Deno.Command(path, {
      clearEnv: true,
      env: { PATH, ...env },
      cwd: "/",
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
  } catch (error) {
    throw new Failure(`${who}: can't be executed`, 254, { cause: error });
  }
}

/** Waits for a promise; false where there is silence before. */
async function beforeSilence(promise: Promise<void>): Promise<boolean> {
  const { promise: silence, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), SILENCE);
  try {
    return await Promise.race([promise.then(() => true), silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** What comes out of a pipe, whose other end may have been left to a process that never closes it. */
class Answer {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #done: Promise<void>;
  readonly #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
    this.#done = this.#read();
  }

  async #read(): Promise<void> {
    try {
      while (true) {
        const { value } = await this.#reader.read();
        if (value === undefined || this.#size > MOST_OUTPUT) return;
        this.#chunks.push(value);
        this.#size += value.length;
      }
    } catch {
      // Closed below.
    }
  }

  /** Waits for the end of the pipe, or until nothing comes any more. */
  async rest(): Promise<void> {
    for (let size = -1; size !== this.#size;) {
      size = this.#size;
      if (await beforeSilence(this.#done)) return;
    }
  }

  get text(): string {
    const bytes = new Uint8Array(this.#size);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return new TextDecoder().decode(bytes);
  }

  async close(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
    await this.#done;
  }
}

async function feed(child: Deno.ChildProcess, input: string): Promise<void> {
  const writer = child.stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch {
    // It ended without reading; how it ended says more.
  }
}
