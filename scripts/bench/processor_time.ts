/** What ended children have cost the processors: others on the machine hardly add to that. */

const RUSAGE_CHILDREN = -1;

const libc = Deno.dlopen("libc.so.6", {
  getrusage: { parameters: ["i32", "buffer"], result: "i32" },
}).symbols;

/** Milliseconds of user and system time of all children that have ended, and of theirs (getrusage(2)). */
export function childrenTime(): number {
  const usage = new BigInt64Array(18);
  libc.getrusage(RUSAGE_CHILDREN, usage);
  const [seconds = 0n, microseconds = 0n, systemSeconds = 0n, systemMicroseconds = 0n] = usage;
  return Number(seconds + systemSeconds) * 1e3 + Number(microseconds + systemMicroseconds) / 1e3;
}
