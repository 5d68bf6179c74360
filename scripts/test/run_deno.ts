/** Runs a command of Deno to its end, or to the end of its time. */
import { measuring, readTimes } from "./processor_time.ts";

/** The root of the repository, with a slash at its end. */
export const ROOT = new URL("../..", import.meta.url).pathname;

/** How a command has ended. */
export interface Ended {
  readonly success: boolean;
  /** What it printed on stdout; where its time was over, a line that says so, and at which test, follows. */
  readonly stdout: string;
  /** Seconds that it cost the processors, with all that it waited for; undefined where it was killed. */
  readonly processor: number | undefined;
}

/** The test that runs according to the output of `deno test`: the last line that lacks its result. */
export function runningTest(output: string): string | undefined {
  // deno-lint-ignore no-control-regex -- colors
  const lines = output.replaceAll(/\x1b\[[\d;]*m/g, "").split("\n");
  return lines.findLast((line) => / \.\.\. ?/.test(line))?.replace(/ \.\.\..*$/, "").trim();
}

/** Kills a process group, whose processes may have ended. */
function killGroup(leader: number): void {
  try {
    Deno.kill(-leader, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Signals that end this process, and the processes that it has started. */
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs Deno in the repository, as the leader of a process group: what it has started ends with it when its time is over, or
 * when this process gets a signal.
 *
 * @param seconds how long it may take; then it is killed
 * @param visible whether its output is printed as it comes
 * @param rkt the rkt that tests run; by default `RKT` of the environment, else dist/rkt
 * @param before words of a command that runs Deno, like those of apart.ts
 * @param variables of the environment, beside this process's
 */
export async function runDeno(
  args: readonly string[],
  { seconds, visible, rkt, before = [], variables = {} }: {
    readonly seconds: number;
    readonly visible: boolean;
    readonly rkt?: string;
    readonly before?: readonly string[];
    readonly variables?: Readonly<Record<string, string>>;
  },
): Promise<Ended> {
  const times = Deno.makeTempFileSync({ prefix: "rkt-times-" });
  const [program = "", ...words] = [...measuring(times), ...before, Deno.execPath(), ...args];
  const process = new Deno.Command(program, {
    args: words,
    cwd: ROOT,
    env: { ...variables, RKT: rkt ?? Deno.env.get("RKT") ?? `${ROOT}dist/rkt` },
    stdin: "null",
    stdout: "piped",
    detached: true, // a session of its own, so that a terminal's signals reach this process only
  }).spawn();
  const end = () => {
    killGroup(process.pid);
    Deno.exit(130);
  };
  for (const signal of ENDING) Deno.addSignalListener(signal, end);
  const reader = process.stdout.getReader();
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(() => late.resolve("late"), seconds * 1000);
  const decoder = new TextDecoder();
  let stdout = "";
  try {
    while (true) {
      // What a killed test has left behind may hold the stream open, so that its end is not waited for.
      const read = await Promise.race([reader.read(), late.promise]);
      if (read === "late") {
        killGroup(process.pid);
        await process.status;
        const where = runningTest(stdout);
        const line = `deno ${args.join(" ")}: not done within ${seconds} s` +
          (where === undefined ? "" : `; it hangs in the test "${where}"`);
        console.error(line);
        return { success: false, stdout: `${stdout}\n${line}\n`, processor: undefined };
      }
      if (read.done) break;
      if (visible) await Deno.stdout.write(read.value);
      stdout += decoder.decode(read.value, { stream: true });
    }
    const { success } = await process.status;
    return { success, stdout, processor: readTimes(Deno.readTextFileSync(times)) };
  } finally {
    clearTimeout(timer);
    for (const signal of ENDING) Deno.removeSignalListener(signal, end);
    await reader.cancel();
    Deno.removeSync(times);
  }
}
