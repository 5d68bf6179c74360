/** The confinement of a running app, in words. */
import { DEFAULT_CAPABILITIES } from "../../src/appc/default_capabilities.ts";
import { capabilityName } from "../../src/linux/capabilities.ts";
import type { Limits } from "../../src/cgroup/limits.ts";
import { settings } from "../cgroup/cgroup_settings.ts";
import { toHostId } from "../root/private_users.ts";
import { type Confinement, differenceLines, differences } from "./confinement.ts";
import { hasDomain } from "../app/landlock.ts";
import * as k from "../../src/linux/constants.ts";
import type { Pod, PodApp, StreamMode } from "../pod.ts";
import { processLimitText } from "../app/process_limits.ts";
import { namespaces } from "../processes/pod_plan.ts";
import { PROTECTED } from "../root/kernel_files.ts";

const NAMESPACES: readonly (readonly [number, string])[] = [
  [k.CLONE_NEWNS, "mount"],
  [k.CLONE_NEWPID, "PID"],
  [k.CLONE_NEWUTS, "UTS"],
  [k.CLONE_NEWIPC, "IPC"],
  [k.CLONE_NEWNET, "network"],
  [k.CLONE_NEWUSER, "user"],
  [k.CLONE_NEWCGROUP, "cgroup"],
];

/** What the flavor leaves to hope for. */
const FLY: readonly (readonly [string, string])[] = [
  ["isolation", "none: the app is a program of the host, and its root keeps nobody in who is root"],
];

/** The lines about one app, each a subject and what there is to say. */
export function summary(pod: Pod, app: PodApp): readonly (readonly [string, string])[] {
  const users = pod.privateUsers;
  const hasUsers = users !== undefined || pod.rootless === true;
  const own = namespaces(pod) | (hasUsers ? k.CLONE_NEWUSER : 0) |
    (pod.network.kind === "joined" ? k.CLONE_NEWNET : 0) |
    (pod.cgroups === undefined || pod.flavor === "fly" ? 0 : k.CLONE_NEWCGROUP);
  const names = (has: boolean) =>
    NAMESPACES.filter(([flag]) => ((own & flag) !== 0) === has).map(([, name]) => name).join(", ");
  return [
    ["command", JSON.stringify(app.arguments)],
    ["program", app.executables.join(" or ")],
    ["directory", app.workingDirectory],
    [
      "user",
      `${app.uid}, group ${app.gid}, other groups: ${app.supplementaryGids.join(", ") || "none"}`,
    ],
    ...users === undefined ? [] : [
      [
        "on the host",
        `user ${toHostId(app.uid, users, "uid")}, group ${
          toHostId(app.gid, users, "gid")
        }; root is user ${users.shift}`,
      ] as const,
    ],
    ...pod.flavor === "fly" ? FLY : [],
    ["own namespaces", names(true)],
    ["the host's", names(false)],
    ["networks", networks(pod)],
    ["host name", pod.hostname],
    ["capabilities", capabilities(app)],
    [
      "new privileges",
      app.noNewPrivileges ? "never (no_new_privs)" : "by setuid files and file capabilities",
    ],
    ["system calls", calls(app)],
    [
      "processes",
      pod.flavor === "fly"
        ? "all of the host's"
        : hasDomain(app)
        ? "the pod's are seen; only the app's own can be traced and signalled (by Landlock, where there is one)"
        : "the pod's are seen, and can be traced and signalled as far as the capabilities reach",
    ],
    ...pod.sysctls.map(([path, value]) => [`/proc/sys/${path}`, value] as const),
    ...app.oomScoreAdj === undefined ? [] : [["oom score", `${app.oomScoreAdj}`] as const],
    ["root", root(app)],
    ...app.mounts.map((mount) =>
      [
        mount.target,
        `volume "${mount.volume}" from ${mount.source}${mount.readOnly ? ", read-only" : ""}${
          mount.recursive ? ", with what is mounted below" : ""
        }`,
      ] as const
    ),
    ["kernel files", protection(pod)],
    ...lifecycleLines(pod, app),
    ["devices", devices(pod, app)],
    ["limits", limits(pod, app)],
    ...output(pod, app),
    ["of a process", processLimits(app)],
    ["environment", app.environment.map((each) => each.split("=")[0]).join(" ")],
    ...differenceLines(differences(confinement(pod, app))),
  ];
}

function calls({ systemCalls }: PodApp): string {
  if (systemCalls === undefined) return "all";
  if (systemCalls.calls === "default") return "the default's; others return EPERM or ENOSYS";
  const { kind, set, errno } = systemCalls.calls;
  const others = errno === undefined ? "kill the app (SIGSYS)" : `return ${errno}`;
  return kind === "os/linux/seccomp-retain-set"
    ? `only ${set.join(" ")}; others ${others}`
    : `all but ${set.join(" ")}, which ${others}`;
}

function confinement(pod: Pod, app: PodApp): Confinement {
  return {
    capabilities: app.capabilities.map(capabilityName),
    calls: app.systemCalls?.calls ?? "all",
    noNewPrivileges: app.noNewPrivileges,
    protectPaths: pod.protectPaths && pod.flavor !== "fly",
    readOnlyRoot: app.readOnlyRoot,
    user: `${app.uid}`,
    shared: [
      ...pod.network.kind === "host" ? ["network"] : [],
      ...pod.ipc === "parent" ? ["IPC, with /dev/shm"] : [],
      ...pod.flavor === "fly" ? ["PID", "UTS", "cgroup"] : [],
    ],
    labels: app.label === undefined ? [] : [`confined by ${app.label.module} as ${app.label.name}`],
  };
}

const STREAMS: Readonly<Record<StreamMode, string>> = {
  inherit: "the caller's",
  null: "/dev/null",
  log: "kept in the pod, for `rkt logs`",
  journal: "the host's journal",
  tty: "a terminal, for `rkt attach`",
  stream: "a pipe, for `rkt attach`",
};

function output(pod: Pod, app: PodApp): readonly (readonly [string, string])[] {
  return (["stdin", "stdout", "stderr"] as const).map((name) => {
    const mode = app.streams[name];
    const terminal = pod.interactive && mode === "inherit" ? "a terminal, relayed to " : "";
    const prefix = mode === "inherit" && name !== "stdin" && pod.prefixed.includes(name)
      ? ", with the app's name in front of each line"
      : "";
    const file = mode === "inherit" && !pod.interactive ? callers(pod, name) : "";
    return [name, `${terminal}${STREAMS[mode]}${file}${prefix}`];
  });
}

/** What becomes of a stream of the caller's. */
function callers({ caller }: Pod, name: "stdin" | "stdout" | "stderr"): string {
  const kind = caller?.[name] ?? "other";
  if (kind === "null") return " /dev/null: the pod's own";
  if (kind !== "file") return "";
  return name === "stdin" ? " file, read-only" : " file, through a pipe";
}

function capabilities(app: PodApp): string {
  const names = app.capabilities.map((number) => capabilityName(number).slice(4));
  const beyond = names.filter((name) => !DEFAULT_CAPABILITIES.includes(`CAP_${name}`));
  const list = names.join(" ") || "none";
  const who = app.uid === 0 ? "" : " (as a limit: the user is not root and has none by itself)";
  return `${list}${who}${beyond.length > 0 ? `; beyond the default: ${beyond.join(" ")}` : ""}`;
}

function devices(pod: Pod, app: PodApp): string {
  if (pod.flavor === "fly") return "all of the host's";
  const more = app.mounts.flatMap(({ device, target }) => device === undefined ? [] : [target]);
  const list = ["null zero full random urandom tty net/tun", ...more].join(" ");
  return `${list}, a /dev/pts and a /dev/shm of the pod${
    pod.cgroups === undefined ? "" : "; no other can be opened"
  }`;
}

function limits({ cgroups, limits: ofPod }: Pod, app: PodApp): string {
  if (cgroups === undefined) return "none: this system has no cgroups for it";
  const files = (limits: Limits, who: string) => {
    const all = cgroups.bases.flatMap((base) => settings(cgroups, base, limits));
    return all.map(({ file, text }) => `${file}=${text.replaceAll(" ", ",")}${who}`);
  };
  const list = [...files(app.limits, ""), ...files(ofPod, " (all apps together)")];
  return `${list.join(" ") || "none"}, by cgroups of version ${cgroups.version}`;
}

function processLimits({ processLimits: limits }: PodApp): string {
  const files = limits.some(({ resource }) => resource === "nofile")
    ? []
    : ["nofile=1024 (the hard limit is the caller's)"];
  return [...files, ...limits.map(processLimitText), "else as the caller's"].join(" ");
}

function networks({ network }: Pod): string {
  if (network.kind === "joined") return network.networks;
  return network.kind === "host" ? "the host's own" : "none but the loopback interface";
}

function root(app: PodApp): string {
  const kind = app.root.kind === "overlay"
    ? `overlay over ${app.root.tree}`
    : "a copy of the image's files";
  const durable = app.root.kind === "overlay" && !app.root.durable
    ? ", lost in a crash of the machine"
    : "";
  return `${kind}, ${
    app.readOnlyRoot ? "read-only" : `changes are the pod's own${durable}`
  }, device nodes have no effect`;
}

function protection(pod: Pod): string {
  if (pod.flavor === "fly") return "all of /proc, /sys and /dev, which are the host's";
  if (!pod.protectPaths) return "all of /proc and /sys, as far as the capabilities reach";
  const { proc, sys } = PROTECTED;
  const paths = (of: string, list: readonly { readonly path: string }[]) =>
    list.map(({ path }) => `${of}/${path}`);
  return `read-only: /sys ${proc.readOnly.map((path) => `/proc/${path}`).join(" ")}; hidden: ${
    [...paths("/proc", proc.hidden), ...paths("/sys", sys.hidden)].join(" ")
  }`;
}

/** When the app starts, what its end means, and which handlers it has. */
function lifecycleLines(pod: Pod, app: PodApp): readonly (readonly [string, string])[] {
  const { restart, keep, after } = app.lifecycle;
  const most = restart.most === Infinity ? "" : `, at most ${restart.most} times`;
  const again = restart.when === "always" ? "always" : `when it fails${most}`;
  const lines: (readonly [string, string])[] = [];
  for (
    const [event, command] of [["pre-start", app.preStart], ["post-stop", app.postStop]] as const
  ) {
    if (command !== undefined) lines.push([event, `${JSON.stringify(command.arguments)}, as root`]);
  }
  if (after.length > 0) lines.push(["starts after", after.join(", ")]);
  if (restart.when !== "no") {
    lines.push(["started again", `${again}; after ${restart.delay} ms, each time twice as long`]);
  }
  if (pod.apps.length > 1) {
    lines.push(["failure", keep ? "leaves the other apps running" : "ends the pod"]);
  }
  return lines;
}
