/**
 * Transports: executables `transport.d/SCHEME` that get what a URL of another scheme names. They are trusted with nothing:
 * what they write is bounded, and it is verified as if a stranger had sent it.
 */
import type { ConfigDirectories } from "../../config/config.ts";
import { Failure } from "../../failure.ts";
import { isHostRoot } from "../../linux/own_users.ts";
import { closeDescriptor, openDirectory } from "../../linux/lock.ts";
import { trySyscall } from "../../linux/syscall.ts";
import { SIGKILL } from "../../linux/constants.ts";

/** The schemes that rkt itself knows. */
const OWN: readonly string[] = ["http", "https", "file", "docker", "oci"];

/** Milliseconds without a byte or a line of progress until a transport is ended. */
const PATIENCE = 5 * 60_000;

/** Lines of a transport that are shown at most. */
const MOST_LINES = 50;
/** Characters of a line at most. */
const MOST_LINE = 300;

/** The user and group of nobody (Debian's base-passwd; the kernel's overflowuid). */
const NOBODY = 65_534;

/** What a transport is to get. */
export interface Errand {
  readonly url: string;
  /** Bytes at most. */
  readonly most: number;
  /** Where it may write meanwhile: an empty directory, which it gets as its working directory. */
  readonly directory: string;
  /** The file that gets the bytes. */
  readonly file: string;
  /** Told how far it is. */
  progress(received: number, total: number | undefined): void;
  message(line: string): void;
  /** Default: {@linkcode PATIENCE}. */
  readonly patience?: number;
}

/** The scheme of a URL that only a transport can get; undefined for other texts. */
export function transportScheme(text: string): string | undefined {
  const [, scheme] = /^([a-z][a-z0-9+.-]*):(?:\/\/|\?)/.exec(text) ?? [];
  return scheme === undefined || OWN.includes(scheme) ? undefined : scheme;
}

/**
 * The executable for a scheme: the administrator's, else the distribution's.
 *
 * @throws {Failure} where there is none, or somebody else could have written it
 */
export function transportProgram(directories: ConfigDirectories, scheme: string): string {
  const found = findTransport(directories, scheme);
  if (found !== undefined) return found;
  throw new Failure(
    `no transport for ${scheme} URLs: rkt knows ${OWN.join(", ")}, and what ` +
      `${directories.local}/transport.d has an executable for`,
  );
}

/**
 * The executable for a scheme; undefined where there is none.
 *
 * @throws {Failure} where somebody else could have written it
 */
export function findTransport(
  { local, system }: ConfigDirectories,
  scheme: string,
): string | undefined {
  for (const directory of [local, system]) {
    const path = `${directory}/transport.d/${scheme}`;
    try {
      const info = Deno.statSync(path);
      checkOwner(path, info);
      checkOwner(`${directory}/transport.d`, Deno.statSync(`${directory}/transport.d`));
      return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

function checkOwner(path: string, { uid, mode }: Deno.FileInfo): void {
  const own = uid === 0 || uid === Deno.uid();
  if (own && ((mode ?? 0) & 0o022) === 0) return;
  throw new Failure(`${path} can be written by others, so rkt does not run it: chmod go-w ${path}`);
}

/**
 * Lets a transport get something.
 *
 * @throws {Failure} where it fails, sends too much, or nothing for too long
 */
export async function runTransport(program: string, errand: Errand): Promise<void> {
  const { url, most, directory, patience = PATIENCE } = errand;
  const asNobody = isHostRoot();
  if (asNobody) Deno.chownSync(directory, NOBODY, NOBODY);
  // Nobody may not enter the data directory, so the new process gets there by a descriptor.
  using place = new OpenDirectory(directory);
  const child = started(program, {
    args: [url, `${most}`, "1"],
    cwd: `/proc/self/fd/${place.fd}`,
    clearEnv: true,
    env: {
      PATH: "/usr/local/bin:/usr/bin:/bin",
      HOME: ".",
      TMPDIR: ".",
      LANG: "C.UTF-8",
    },
    ...asNobody && { uid: NOBODY, gid: NOBODY },
    detached: true, // so that what it has started ends with it
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  let why: string | undefined;
  const end = (reason: string) => {
    why ??= reason;
    trySyscall("kill", -child.pid, SIGKILL);
  };
  const timer = new Timer(patience, () => end(`nothing came for ${patience / 1000} s`));
  try {
    const lines = readLines(child.stderr, errand, () => timer.restart());
    const received = await readBytes(child.stdout, errand, () => timer.restart(), end);
    const { success, code, signal } = await child.status;
    await lines;
    if (why === undefined && !success) {
      why = signal === null ? `it ended with status ${code}` : `${signal} ended it`;
    }
    if (why === undefined && received === 0) why = "it sent nothing";
    if (why !== undefined) throw new Failure(`${url}: transport ${program}: ${why}`);
  } finally {
    timer.stop();
    end("it is over");
  }
}

/** @throws {Failure} where it can't be run: the interpreter is gone, or nobody may not enter a directory above it */
function started(program: string, options: Deno.CommandOptions): Deno.ChildProcess {
  try {
    return new Deno.Command(program, options).spawn();
  } catch (error) {
    const why = error instanceof Deno.errors.PermissionDenied
      ? "nobody may not run it: all directories above it have to be open to others (chmod o+x)"
      : error instanceof Error
      ? error.message
      : String(error);
    throw new Failure(`transport ${program}: ${why}`, 254, { cause: error });
  }
}

async function readBytes(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  { file, most, progress }: Errand,
  came: () => void,
  end: (why: string) => void,
): Promise<number> {
  using output = Deno.openSync(file, { write: true, createNew: true, mode: 0o600 });
  let received = 0;
  for await (const chunk of stream) {
    came();
    received += chunk.length;
    if (received > most) {
      end(`it sent more than the ${most} bytes that it may`);
      break;
    }
    for (let at = 0; at < chunk.length;) at += output.writeSync(chunk.subarray(at));
    progress(received, undefined);
  }
  return received;
}

/** `progress DONE TOTAL` is how far it is; what else it says is for people. */
async function readLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  { progress, message }: Errand,
  came: () => void,
): Promise<void> {
  let rest = "";
  let shown = 0;
  const line = (text: string) => {
    const [, done, total] = /^progress (\d{1,15})(?: (\d{1,15}))?$/.exec(text) ?? [];
    if (done !== undefined) {
      return progress(Number(done), total === undefined ? total : Number(total));
    }
    if (text !== "" && shown++ < MOST_LINES) message(text.slice(0, MOST_LINE));
  };
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    came();
    const lines = (rest + chunk).split("\n");
    rest = (lines.pop() ?? "").slice(0, MOST_LINE);
    lines.forEach(line);
  }
  line(rest);
}

/** A directory that is open. */
class OpenDirectory implements Disposable {
  readonly fd: number;

  constructor(path: string) {
    this.fd = openDirectory(path);
  }

  [Symbol.dispose](): void {
    closeDescriptor(this.fd);
  }
}

/** Calls something where nothing restarts it in time. */
class Timer {
  #timer: ReturnType<typeof setTimeout>;

  constructor(readonly milliseconds: number, readonly act: () => void) {
    this.#timer = setTimeout(act, milliseconds);
  }

  restart(): void {
    this.stop();
    this.#timer = setTimeout(this.act, this.milliseconds);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
