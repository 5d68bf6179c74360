/** What an OCI container uses, as runc's `events --stats` prints it. */
import { read } from "./cgroups.ts";

/** `name number` lines of a file. */
function table(text: string | undefined): Readonly<Record<string, number>> {
  const lines = (text ?? "").split("\n").map((line) => line.split(" "));
  return Object.fromEntries(
    lines.flatMap(([name, value]) =>
      name === undefined || value === undefined ? [] : [[name, Number(value)]]
    ),
  );
}

const number = (text: string | undefined): number => {
  const trimmed = (text ?? "").trim();
  return trimmed === "max" ? 2 ** 64 : Number(trimmed === "" ? 0 : trimmed);
};

/** What a container uses, from files of its cgroups. */
export function containerStats(places: Readonly<Record<string, string>>): unknown {
  const unified = places[""];
  return unified === undefined ? stats1(places) : stats2(unified);
}

function stats1(places: Readonly<Record<string, string>>): unknown {
  const of = (controller: string, file: string) => read(`${places[controller]}/${file}`);
  const memory = table(of("memory", "memory.stat"));
  const throttling = table(of("cpu", "cpu.stat"));
  const processor = table(of("cpuacct", "cpuacct.stat"));
  const perProcessor = (of("cpuacct", "cpuacct.usage_percpu") ?? "").trim().split(" ").filter((
    each,
  ) => each !== "");
  const usage = (file: string) => ({
    limit: number(of("memory", `memory.${file}limit_in_bytes`)),
    usage: number(of("memory", `memory.${file}usage_in_bytes`)),
    max: number(of("memory", `memory.${file}max_usage_in_bytes`)),
    failcnt: number(of("memory", `memory.${file}failcnt`)),
  });
  return {
    cpu: {
      usage: {
        total: number(of("cpuacct", "cpuacct.usage")),
        percpu: perProcessor.map(Number),
        kernel: (processor.system ?? 0) * 10_000_000,
        user: (processor.user ?? 0) * 10_000_000,
      },
      throttling: {
        periods: throttling.nr_periods ?? 0,
        throttledPeriods: throttling.nr_throttled ?? 0,
        throttledTime: throttling.throttled_time ?? 0,
      },
    },
    memory: { cache: memory.cache ?? 0, usage: usage(""), swap: usage("memsw."), raw: memory },
    pids: { current: number(of("pids", "pids.current")), limit: number(of("pids", "pids.max")) },
    blkio: {},
    hugetlb: {},
    intel_rdt: {},
  };
}

function stats2(place: string): unknown {
  const of = (file: string) => read(`${place}/${file}`);
  const memory = table(of("memory.stat"));
  const processor = table(of("cpu.stat"));
  const micro = (name: string) => (processor[name] ?? 0) * 1000;
  return {
    cpu: {
      usage: { total: micro("usage_usec"), kernel: micro("system_usec"), user: micro("user_usec") },
      throttling: {
        periods: processor.nr_periods ?? 0,
        throttledPeriods: processor.nr_throttled ?? 0,
        throttledTime: micro("throttled_usec"),
      },
    },
    memory: {
      cache: memory.file ?? 0,
      usage: {
        limit: number(of("memory.max")),
        usage: number(of("memory.current")),
        max: number(of("memory.peak")),
        failcnt: table(of("memory.events")).max ?? 0,
      },
      swap: {
        limit: number(of("memory.swap.max")),
        usage: number(of("memory.swap.current")),
        max: 0,
        failcnt: 0,
      },
      raw: memory,
    },
    pids: { current: number(of("pids.current")), limit: number(of("pids.max")) },
    blkio: {},
    hugetlb: {},
    intel_rdt: {},
  };
}
