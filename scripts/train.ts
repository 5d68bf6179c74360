/**
 * Finds out which functions a first `rkt run`, and a first `rkt oci create`, call, and has V8 compile them with their scripts
 * (eager_functions.ts). Both are tried with --dry-run, which goes all the way but for the program's start, and needs no root.
 */
import type { Bundle, Chunk } from "./bundle.ts";
import { withEagerFunctions } from "./eager_functions.ts";

/** What V8 has compiled: where functions begin, by the text of their script. */
type Compiled = ReadonlyMap<string, ReadonlySet<number>>;

/** How long a command may take, in milliseconds; on a busy machine, one takes a second. */
const TIMEOUT_MS = 60_000;

/**
 * The same bundle, in which what is called at first starts is compiled at once.
 *
 * @param say gets one line where that can't be found out; the bundle is the same then
 */
export async function trained(bundle: Bundle, say: (line: string) => void): Promise<Bundle> {
  const dir = await Deno.makeTempDir({ prefix: "rkt-train-" });
  try {
    const compiled = await compiledFunctions(bundle, dir);
    const [entry, ...others] = bundle;
    return [eager(entry, compiled), ...others.map((chunk) => eager(chunk, compiled))];
  } catch (error) {
    if (!(error instanceof TrainingError)) throw error;
    say(`first starts will be slower: ${error.message}`);
    return bundle;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

class TrainingError extends Error {}

function eager(chunk: Chunk, compiled: Compiled): Chunk {
  const source = new TextDecoder().decode(chunk.source);
  const starts = compiled.get(source);
  if (starts === undefined) return chunk;
  return { ...chunk, source: new TextEncoder().encode(withEagerFunctions(source, starts)) };
}

/** Runs the commands, and reads V8's logs. */
async function compiledFunctions(bundle: Bundle, dir: string): Promise<Compiled> {
  await Deno.mkdir(`${dir}/rootfs`);
  await Deno.writeTextFile(`${dir}/rootfs/program`, "", { mode: 0o755 });
  for (const { name, source } of bundle) await Deno.writeFile(`${dir}/${name}`, source);
  const program = `${dir}/${bundle[0].name}`;
  const rkt = async (words: readonly string[], v8Flags: readonly string[] = []) => {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--no-config", "--no-lock", "--no-remote", "--no-npm"]
        .concat(["--no-code-cache", ...v8Flags, program])
        .concat(words),
      cwd: dir,
      stdin: "null",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const { success, stderr } = await command.output();
    if (success) return;
    const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
    throw new TrainingError(`rkt ${words.join(" ")}: ${said}`);
  };
  const logged = async (name: string, words: readonly string[]) => {
    const log = `${dir}/${name}.log`;
    const flags = ["--log-code", "--log-source-code", "--log-source-position"]
      .concat(["--no-logfile-per-isolate", `--logfile=${log}`]);
    await rkt(words, [`--v8-flags=${flags.join(",")}`]);
    return await Deno.readTextFile(log);
  };
  const store = [`--dir=${dir}/data`, `--local-config=${dir}/config`, "--insecure-options=image"];
  const create = ["oci", "--root", `${dir}/containers`, "--dry-run", "create", "container"];
  await rkt([
    "image",
    "build",
    "--name=example.com/image",
    "rootfs",
    "image.aci",
    "--",
    "/program",
  ]);
  await rkt(["oci", "spec"]);
  await rkt([...store, "fetch", "image.aci"]);
  try {
    return functionsOf([
      await logged("run", [...store, "run", "--dry-run", "--net=none", "example.com/image"]),
      await logged("create", create),
    ]);
  } finally {
    // Root's rkt has the image mounted. The first error is the one to know.
    await rkt([...store, "image", "gc", "--grace-period=0s"]).catch(() => {});
  }
}

/** What logs of V8 (its src/logging/log.cc) say about functions that were compiled. */
export function functionsOf(logs: readonly string[]): Compiled {
  const compiled = new Map<string, Set<number>>();
  for (const log of logs) {
    const lines = log.split("\n").map((line) => line.split(","));
    const scripts = new Map(
      lines.filter(([event]) => event === "script-source")
        .map(([, id = "", , ...text]) => [id, unescaped(text.join(","))]),
    );
    for (const [event, , id = "", start] of lines) {
      const source = scripts.get(id);
      if (event !== "code-source-info" || source === undefined) continue;
      const starts = compiled.get(source) ?? new Set();
      compiled.set(source, starts.add(Number(start)));
    }
  }
  return compiled;
}

/** A text as it was before V8 put it into its log. */
function unescaped(text: string): string {
  return text.replace(/\\(?:x([0-9A-F]{2})|u([0-9A-F]{4})|n|\\)/gi, (all, byte, unit) => {
    if (byte !== undefined || unit !== undefined) {
      return String.fromCharCode(parseInt(byte ?? unit, 16));
    }
    return all === "\\n" ? "\n" : "\\";
  });
}
