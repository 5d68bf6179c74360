/** What commands cost the processors: on a busy machine that says more than how long they took. */

/** The shell's last line has its children, and all that they have waited for. */
const MEASURE = `file=$1; shift; code=0; "$@" || code=$?; times >"$file"; exit $code`;

/**
 * Words that stand before a command. At its end they write what it cost to a file; where it is killed with them, nothing.
 *
 * @param file what {@linkcode readTimes} reads then
 */
export const measuring = (file: string): readonly string[] => [
  ...["bash", "-c", MEASURE, "measuring", file],
];

/** Seconds of user and system time of all children, of what `times` of bash prints; undefined where it printed nothing. */
export function readTimes(text: string): number | undefined {
  const times = /(\d+)m([\d.]+)s (\d+)m([\d.]+)s\n$/.exec(text)?.slice(1).map(Number);
  if (times === undefined) return undefined;
  const [userMinutes = 0, user = 0, systemMinutes = 0, system = 0] = times;
  return (userMinutes + systemMinutes) * 60 + user + system;
}

/** Hundredths of a second: the unit of times in /proc/PID/stat, on all machines that Linux runs on (proc(5), USER_HZ). */
const TICKS = 100;

/** Seconds of user and system time of a process without its children (proc(5), stat); undefined where it has ended. */
export function processorTime(pid: number): number | undefined {
  let stat: string;
  try {
    stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  // The name in parentheses may have any byte in it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}
