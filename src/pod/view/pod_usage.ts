/** What the processes of a running pod use, summed over its PID namespace. */
import { pinInit } from "../app/app_process.ts";
import type { PodView } from "../directory/pod_directory.ts";
import { processFile, processLink } from "../../linux/process.ts";

/** What a pod uses. */
export interface PodUsage {
  /** Processes, init and its like among them. */
  readonly processes: number;
  /** Bytes; what processes share is divided among them. */
  readonly memory: number;
  /** Milliseconds of CPU time since the pod's start. */
  readonly cpu: number;
}

/** Clock ticks a second in /proc/PID/stat: `USER_HZ`, the same on every machine that rkt runs on. */
const TICKS = 100;

/** Looks at the processes of a pod; undefined where it does not run. */
export function podUsage(dataDir: string, pod: PodView): PodUsage | undefined {
  using init = pinInit(dataDir, pod);
  if (init === undefined) return undefined;
  const namespace = processLink(init.pid, "ns/pid")?.ino;
  if (namespace === undefined || !init.alive) return undefined;
  let [processes, memory, ticks] = [0, 0, 0];
  for (const { name } of Deno.readDirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || processLink(pid, "ns/pid")?.ino !== namespace) continue;
    processes += 1;
    const pss = /^Pss:\s+(\d+) kB$/m.exec(processFile(pid, "smaps_rollup") ?? "")?.[1] ?? "0";
    memory += Number(pss) * 1024;
    ticks += cpuTicks(processFile(pid, "stat") ?? "");
  }
  return { processes, memory, cpu: ticks * 1000 / TICKS };
}

/** The CPU time of a process and of its children that have ended: fields 14 to 17 of proc_pid_stat(5). */
function cpuTicks(stat: string): number {
  // Field 2 is a name in parentheses, in which anything may stand.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
}
