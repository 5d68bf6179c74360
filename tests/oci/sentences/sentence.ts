/** What the runtime specification says, as rows of tables: each is a test with the sentence as its name. */
import type { Changes } from "../../world/runtime_world.ts";

/** Where a sentence stands: a file of the specification and, with a `#`, a heading in it. */
export type Where = `${"config" | "config-linux"}.md#${string}`;

/** What can be seen in a container: the answer to one of its questions, as it has to be. */
export type Seen = readonly [where: Where, says: string, question: string, answer: string | RegExp];

/** A container, what is asked in it, and what the answers have to be. */
export interface Example {
  readonly changes: Changes;
  /** Commands of a shell by the names of the questions. */
  readonly questions: Readonly<Record<string, string>>;
  readonly seen: readonly Seen[];
}

/** All limits of setrlimit(2), as /proc/PID/limits calls them, each with a value below that of most hosts. */
export const LIMITS = [
  ["AS", "Max address space", 1 << 30],
  ["CORE", "Max core file size", 4096],
  ["CPU", "Max cpu time", 100],
  ["DATA", "Max data size", 1 << 29],
  ["FSIZE", "Max file size", 1 << 20],
  ["LOCKS", "Max file locks", 50],
  ["MEMLOCK", "Max locked memory", 65536],
  ["MSGQUEUE", "Max msgqueue size", 8192],
  ["NICE", "Max nice priority", 0],
  ["NOFILE", "Max open files", 99],
  ["NPROC", "Max processes", 5000],
  ["RSS", "Max resident set", 1 << 28],
  ["RTPRIO", "Max realtime priority", 0],
  ["RTTIME", "Max realtime timeout", 1000],
  ["SIGPENDING", "Max pending signals", 77],
  ["STACK", "Max stack size", 1 << 22],
] as const;
