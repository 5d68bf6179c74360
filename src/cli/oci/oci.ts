/** `rkt oci`: the command line of OCI runtimes, as engines call it. It reads like runc's, and fails like it. */
import { Failure } from "../../failure.ts";
import { originalVariable } from "../../linux/environment.ts";
import { isNamespaceRoot } from "../../linux/own_users.ts";
import { printableLine } from "../../linux/printable.ts";
import { BUILD, RKT_VERSION } from "../../version.ts";
import { errorLine } from "../print/error_line.ts";
import type { ContainerLog } from "../../runtime/kept_descriptors.ts";
import { OCI_COMMANDS, type OciWords, readOciWords } from "./oci_words.ts";

/** The version of the specification that this runtime knows. */
export const SPEC_VERSION = "1.2.0";

/**
 * Runs `rkt oci`.
 *
 * @param words those behind it
 * @returns the exit status
 */
export async function oci(words: readonly string[]): Promise<number> {
  let log: ContainerLog | undefined;
  try {
    const read = readOciWords(words);
    log = logOf(read);
    if (read.on("version")) return printVersion();
    if (read.command === undefined || read.on("help")) return printHelp(read);
    const { runOci } = await import("./run_oci.ts");
    return await runOci(read.command, read, { root: rootOf(read), log });
  } catch (error) {
    return report(error, log);
  }
}

/** The runtime's root: where the states of containers are. */
function rootOf(words: OciWords): string {
  const given = words.value("root");
  if (given !== undefined) return given.startsWith("/") ? given : `${Deno.cwd()}/${given}`;
  if (Deno.uid() === 0 && !isUsersRoot()) return "/run/rkt-oci";
  const own = originalVariable("XDG_RUNTIME_DIR");
  if (own === undefined || !own.startsWith("/")) {
    throw new Failure("XDG_RUNTIME_DIR is not set: choose a directory by --root", 1);
  }
  return `${own}/rkt-oci`;
}

/**
 * Whether a user's engine calls: podman is root of a namespace then, and the host's /run is not the user's. It hands on
 * XDG_RUNTIME_DIR, and no USER. As for runc, a container's root is who has no such directory, or is called root.
 */
const isUsersRoot = (): boolean =>
  isNamespaceRoot() && (originalVariable("XDG_RUNTIME_DIR") ?? "") !== "" &&
  originalVariable("USER") !== "root";

function logOf(words: OciWords): ContainerLog | undefined {
  const path = words.value("log");
  if (path === undefined || path === "" || path === "/dev/stderr") return undefined;
  const time = new Date().toISOString();
  const around = (level: string) =>
    words.value("log-format") === "json"
      ? [`{"level":"${level}","msg":"`, `","time":"${time}"}\n`] as const
      : [`time="${time}" level=${level} msg="`, `"\n`] as const;
  return { path, around: around("error"), aroundWarning: around("warning") };
}

/** An error goes to the log, which engines read, and to standard error, which people do. */
function report(error: unknown, log: ContainerLog | undefined): number {
  const line = errorLine(error);
  if (log !== undefined) {
    const [before, after] = log.around;
    const text = `${before}${JSON.stringify(line).slice(1, -1)}${after}`;
    try {
      Deno.writeTextFileSync(log.path, text, { append: true, create: true });
    } catch {
      // The first error is what counts; it is on standard error too.
    }
  }
  console.error(printableLine(`rkt oci: ${line}`));
  return error instanceof Failure ? error.exitCode : 1;
}

/** Three lines: engines read them by number. */
function printVersion(): number {
  console.log(`rkt version ${RKT_VERSION}\ncommit: ${BUILD ?? "sources"}\nspec: ${SPEC_VERSION}`);
  return 0;
}

function printHelp({ command }: OciWords): number {
  const lines = Object.entries(OCI_COMMANDS)
    .filter(([name]) => command === undefined || name === command)
    .map(([name, { usage, summary }]) => `    ${`${name} ${usage}`.padEnd(36)}${summary}`);
  console.log([
    "rkt oci [--root DIR] [--log FILE] [--log-format text|json] [--systemd-cgroup] [--dry-run] COMMAND …",
    "",
    ...lines,
  ].join("\n"));
  return 0;
}
