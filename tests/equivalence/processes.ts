/** What /proc says of a process of a pod, and of its cgroups. */
import { exists } from "../../src/linux/exists.ts";

/** Lines of /proc/PID/status that say how a process is confined. */
const STATUS =
  /^(Name|Umask|Uid|Gid|Groups|NSpid|Cap.*|NoNewPrivs|Seccomp.*|Sig(Blk|Ign|Cgt)|Threads|Cpus_allowed_list|Mems_allowed_list|THP_enabled):/;

const FILES = [
  "limits",
  "cgroup",
  "environ",
  "cmdline",
  "uid_map",
  "gid_map",
  "oom_score_adj",
  "setgroups",
  "personality",
  "timerslack_ns",
  "attr/current",
  "coredump_filter",
  "loginuid",
];

const NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts", "time"];

const CGROUP_FILES = [
  "memory.limit_in_bytes",
  "memory.memsw.limit_in_bytes",
  "memory.soft_limit_in_bytes",
  "memory.swappiness",
  "cpu.shares",
  "cpu.cfs_quota_us",
  "cpu.cfs_period_us",
  "pids.max",
  "blkio.weight",
  "blkio.bfq.weight",
  "devices.list",
  "notify_on_release",
  "cgroup.procs",
];

/** What is to be seen, by name. */
export function processFacts(pid: number): readonly (readonly [string, string])[] {
  const facts: (readonly [string, string])[] = [["status", statusOf(pid)]];
  for (const name of FILES) facts.push([name, read(`/proc/${pid}/${name}`)]);
  facts.push(["mounts", mountsOf(pid)], ["descriptors", descriptorsOf(pid)], [
    "links",
    linksOf(pid),
  ]);
  facts.push(["limits of cgroups", cgroupsOf(pid)]);
  return facts;
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    return `${error instanceof Error && "code" in error ? error.code : "error"}`;
  }
}

function statusOf(pid: number): string {
  return read(`/proc/${pid}/status`).split("\n").filter((line) => STATUS.test(line))
    // The PID in the pod is the same each time, that of the host is not.
    .map((line) =>
      line.startsWith("NSpid:")
        ? `NSpid: ${line.split("\t").slice(2).length > 1 ? line.split("\t").at(-1) : "-"}`
        : line
    )
    .join("\n");
}

function mountsOf(pid: number): string {
  const ids = new Map<string, string>();
  const short = (id: string) => {
    if (!ids.has(id)) ids.set(id, `m${ids.size}`);
    return ids.get(id) ?? "";
  };
  return read(`/proc/${pid}/mountinfo`).split("\n").map((line) => {
    const [id = "", parent = "", device = "", ...others] = line.split(" ");
    if (id === "") return "";
    const group = (text: string) => text.replace(/^(shared|master|propagate_from):\d+$/, "$1:N");
    return [short(parent), short(id), device.replace(/^0:\d+$/, "0:N"), ...others.map(group)].join(
      " ",
    );
  }).join("\n");
}

function descriptorsOf(pid: number): string {
  const found: string[] = [];
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
      const target = link(`/proc/${pid}/fd/${name}`).replace(/\[\d+\]|\(deleted\)/g, "");
      const flags = /flags:\s*(\S+)/.exec(read(`/proc/${pid}/fdinfo/${name}`))?.[1] ?? "";
      found.push(`${Number(name) < 3 ? name : "-"} ${target} ${flags}`);
    }
  } catch {
    return "gone";
  }
  return found.sort().join("\n");
}

function link(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "none";
  }
}

function linksOf(pid: number): string {
  const own = (name: string) =>
    link(`/proc/${pid}/ns/${name}`) === link(`/proc/self/ns/${name}`) ? "host's" : "own";
  return [
    ...["cwd", "root", "exe"].map((name) => `${name} ${link(`/proc/${pid}/${name}`)}`),
    ...NAMESPACES.map((name) => `${name} ${own(name)}`),
  ].join("\n");
}

function cgroupsOf(pid: number): string {
  const found: string[] = [];
  for (const line of read(`/proc/${pid}/cgroup`).split("\n")) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const mount = controllers === "" ? "unified" : controllers.replace("name=", "");
    const directory = `/sys/fs/cgroup/${mount}${path}`;
    if (!path.includes("rkt-") || !exists(directory)) continue;
    for (const name of CGROUP_FILES) {
      if (!exists(`${directory}/${name}`)) continue;
      const text = read(`${directory}/${name}`);
      found.push(
        `${mount}${path}/${name} ${
          name === "cgroup.procs" ? text.trim().split("\n").length : text
        }`,
      );
    }
  }
  return found.join("\n");
}
