/** The plans that the project makes, in all their shapes: for tests that hold for each of them. */
import * as k from "../../src/linux/constants.ts";
import type { Plan } from "../engine/plan.ts";
import { launcherPlan } from "../launcher/launcher.ts";
import type { Template } from "../launcher/network_replay.ts";
import * as joinNetwork from "../launcher/join_network.ts";
import { type Replay, type ReplayParts, replayPlan } from "../launcher/replay.ts";
import * as replayRootless from "../launcher/replay_rootless.ts";
import * as replayUsers from "../launcher/replay_users.ts";
import { withSocket } from "../manager/relay_notify.ts";
import type { Pod, PodApp, PodAudit } from "../pod.ts";
import { enterPlan } from "../processes/enter.ts";
import { PLAN_PARTS } from "./plan_parts.ts";
import { podPlan } from "../processes/pod_plan.ts";
import { addedAppPlan } from "../processes/shim.ts";
import { overlayProbePlan } from "../root/overlay_probe.ts";
import { guardPlan } from "../processes/terminal_guard.ts";
import { testApp, testPod } from "./fake_kernel.ts";

/** A property of a pod: what it changes in the pod, and in its n-th app. */
interface Feature {
  readonly pod?: Partial<Pod>;
  readonly app?: (number: number) => Partial<PodApp>;
}

const command = (name: string) => ({ executables: [`/bin/${name}`], arguments: [name] });
const users = { shift: 3 * 65_536, count: 65_536 };
const limits = {
  memory: 1n << 26n,
  swap: 1n << 20n,
  cpu: 1500n,
  cpuShares: 512,
  pids: 100,
  ioWeight: 77,
  ioBandwidth: 1n << 20n,
  iops: 100n,
  devices: [{ kind: "read-bps", path: "/dev/sda", rate: 5n, disk: "8:0" }],
} as const;
const controllers = ["memory", "cpu", "pids", "blkio", "devices"] as const;
const first = ["memory", "cpu", "pids", "blkio", "devices"] as const;

const joined = (tearDown: Extract<Pod["network"], { kind: "joined" }>["tearDown"]): Feature => ({
  pod: { network: { kind: "joined", namespace: 201, networks: "default (eth0)", tearDown } },
});

const record = {
  fields: new TextEncoder().encode("RKT_POD=…\n"),
  last: "MESSAGE_ID=…\n",
  kernel: "op=rkt-start",
};
const RECORDED = { start: record, end: record, journal: false, kernel: false, required: false };
const recorded = (to: Partial<PodAudit>): Feature => ({ pod: { audit: { ...RECORDED, ...to } } });
const REMOVAL = ["/usr/bin/rkt", "rm", "uuid"];
const file = (always: boolean) => ({ path: "/data/audit.log", always });

/** One property of a pod each. */
export const FEATURES: Readonly<Record<string, Feature>> = {
  plain: {},
  fly: { pod: { flavor: "fly", network: { kind: "host" }, ipc: "parent" } },
  recorded: recorded({ journal: true, kernel: true, file: file(false) }),
  "recorded twice": recorded({ journal: true, file: file(true), required: true }),
  "recorded in the journal": recorded({ journal: true, required: true }),
  "recorded in a file": recorded({ file: file(true), required: true }),
  "recorded in the kernel": recorded({ kernel: true }),
  "recorded in the journal if it can be": recorded({ journal: true }),
  "user other than root": { pod: { rootless: true } },
  "the only user": {
    pod: { rootless: true },
    app: () => ({ uid: 0, gid: 0, supplementaryGids: [], keepsGroups: true }),
  },
  "OCI image": {
    pod: { sharedMemory: 1 << 20 },
    app: () => ({
      isOci: true,
      makesDirectory: true,
      workingDirectory: "/srv/app/data",
      stopSignal: k.SIGQUIT,
    }),
  },
  restarts: {
    app: () => ({
      lifecycle: { restart: { when: "always", most: Infinity, delay: 100 }, keep: true, after: [] },
    }),
  },
  "bounded restarts": {
    app: () => ({
      lifecycle: { restart: { when: "on-failure", most: 3, delay: 100 }, keep: false, after: [] },
    }),
  },
  order: {
    app: (number) => ({
      lifecycle: {
        restart: { when: "no", most: 0, delay: 100 },
        keep: false,
        after: number === 0 ? [] : ["app-0"],
      },
    }),
  },
  "event handlers": { app: () => ({ preStart: command("before"), postStop: command("after") }) },
  logging: { app: () => ({ streams: { stdin: "null", stdout: "log", stderr: "log" } }) },
  journal: { app: () => ({ streams: { stdin: "null", stdout: "journal", stderr: "journal" } }) },
  streams: {
    app: () => ({
      streams: { stdin: "stream", stdout: "stream", stderr: "stream" },
      uid: 1000,
      gid: 100,
    }),
  },
  "terminals to attach to": {
    app: () => ({ streams: { stdin: "tty", stdout: "tty", stderr: "tty" } }),
  },
  "lines with names": { pod: { prefixed: ["stdout", "stderr"] } },
  "output into files": {
    pod: { caller: { stdin: "file", stdout: "file", stderr: "file", shared: false } },
  },
  "output into one file": {
    pod: { caller: { stdin: "device", stdout: "file", stderr: "file", shared: true } },
  },
  "lines with names and a file": {
    pod: {
      prefixed: ["stdout"],
      caller: { stdin: "null", stdout: "device", stderr: "file", shared: false },
    },
  },
  interactive: { pod: { interactive: true } },
  notify: { pod: { notifySocket: "/run/systemd/notify" } },
  "apps that notify": {
    pod: { notifySocket: "/run/systemd/notify" },
    app: (number) => number < 2 ? withSocket(testApp(`app-${number}`), number, "1000000") : {},
  },
  "apps that store descriptors": {
    pod: { notifySocket: "/run/systemd/notify" },
    app: (number) =>
      number < 2 ? withSocket(testApp(`app-${number}`), number, undefined, number === 1) : {},
  },
  watchdog: { pod: { notifySocket: "@notify", watchdog: 2_500_000 } },
  "passed descriptors": {
    pod: { passed: 4 },
    app: (number) => ({
      ...number < 2 && {
        passed: { numbers: [number, number + 2], names: ["a", "b"], onDemand: false },
      },
    }),
  },
  "on demand": {
    pod: { passed: 3, notifySocket: "/run/systemd/notify" },
    app: (number) => ({ passed: { numbers: [number], onDemand: number !== 1 } }),
  },
  "private users": { pod: { privateUsers: users } },
  "host network": { pod: { network: { kind: "host" } } },
  "joined network": joined({
    messages: [new Uint8Array(20).fill(7), new Uint8Array(32)],
    files: ["/var/lib/cni/a", "/var/lib/cni/b"],
  }),
  "network torn down by a program": joined({
    messages: [],
    files: [],
    command: ["/usr/bin/rkt", "network-down", "uuid"],
  }),
  sandbox: { pod: { sandbox: true } },
  "host IPC": { pod: { ipc: "parent" } },
  "removed at its end": { pod: { removal: REMOVAL } },
  "removed and recorded": {
    pod: {
      removal: REMOVAL,
      audit: { ...RECORDED, removal: record, journal: true, kernel: true, file: file(true) },
    },
  },
  "removed when a program has torn down its network": {
    pod: {
      removal: REMOVAL,
      ...joined({ messages: [], files: [], command: ["/usr/bin/rkt", "network-down", "uuid"] }).pod,
    },
  },
  "files of etc": {
    pod: {
      etc: {
        resolvConf: { kind: "text", text: "nameserver 10.0.0.1\n" },
        hosts: { kind: "host" },
      },
    },
  },
  sysctls: {
    pod: { sysctls: [["net/ipv4/ip_forward", "1"], ["kernel/shmmax", "65536"]] },
  },
  "prepared before": { pod: { stage: "prepared" } },
  "complete before": { pod: { stage: "prepare", prepareLock: 7, used: ["/data/cas/used"] } },
  "pod directory": {
    pod: {
      entries: [
        { kind: "directory", path: "a", mode: 0o755 },
        { kind: "file", path: "a/b", text: "text" },
        { kind: "owned", path: "v", mode: 0o700, uid: 1, gid: 2 },
        {
          kind: "owned",
          path: "upper",
          mode: 0o2770,
          uid: 1,
          gid: 2,
          attributes: [{ name: "user.a", value: new Uint8Array([1, 0, 2]) }],
        },
      ],
    },
  },
  "paths not protected": { pod: { protectPaths: false } },
  "no grace time": { pod: { stopTimeout: 0 } },
  cgroups: {
    pod: {
      cgroups: {
        version: 2,
        bases: [{ path: "/sys/fs/cgroup/x", controllers: ["devices"] }],
        enable: [],
        disks: [],
      },
    },
  },
  limits: {
    pod: {
      limits,
      cgroups: {
        version: 2,
        bases: [{ path: "/sys/fs/cgroup/x", controllers }],
        enable: [["/sys/fs/cgroup/x/cgroup.subtree_control", "+memory"]],
        leaf: "/sys/fs/cgroup/x/supervisor",
        disks: ["8:0"],
      },
    },
    app: () => ({ limits }),
  },
  "limits of version 1": {
    pod: {
      limits,
      cgroups: {
        version: 1,
        bases: first.map((name) => ({ path: `/sys/fs/cgroup/${name}`, controllers: [name] })),
        enable: [],
        disks: ["8:0"],
      },
    },
    app: () => ({ limits }),
  },
  "a copied root": {
    app: (number) => ({ root: { kind: "copy", path: `stage1/app-${number}/rootfs` } }),
  },
  "a read-only root": { app: () => ({ readOnlyRoot: true }) },
  "a durable root": {
    app: () => ({
      root: {
        kind: "overlay",
        durable: true,
        tree: "cas/tree/t/rootfs",
        skeleton: "cas/skeleton",
        layers: "overlay",
      },
    }),
  },
  volumes: {
    app: () => ({
      mounts: [
        { volume: "a", source: "/srv", target: "/srv", readOnly: true, recursive: true },
        { volume: "b", source: "volumes/b", target: "/b", readOnly: false, recursive: false },
        { volume: "c", source: "/c", target: "/srv/c", readOnly: false, recursive: false },
      ].map((each) => ({
        ...each,
        place: each.target,
        inside: each.volume === "c",
        directory: true,
      })),
    }),
  },
  "the host's kernel files": {
    app: () => ({
      mounts: ["/dev", "/sys", "/sys/fs/cgroup"].map((path) => ({
        volume: "v",
        source: path,
        target: path,
        place: path,
        inside: path === "/sys/fs/cgroup",
        readOnly: false,
        recursive: true,
        directory: true,
      })),
    }),
  },
  "a device": {
    app: () => ({
      mounts: [{
        volume: "tty",
        source: "/dev/ttyS0",
        target: "/dev/ttyS0",
        place: "/dev/ttyS0",
        inside: false,
        readOnly: false,
        recursive: false,
        directory: false,
        device: { type: "char", major: 4, minor: 64, access: "rw" },
      }],
    }),
  },
  "an ordinary user": { app: () => ({ uid: 1000, gid: 100, supplementaryGids: [1, 2, 3] }) },
  "an ordinary user with capabilities": {
    app: () => ({ uid: 1000, gid: 100, capabilities: [10, 13], ambient: [10, 13] }),
  },
  "no new privileges": { app: () => ({ noNewPrivileges: true }) },
  "an administrator": { app: () => ({ capabilities: Array.from({ length: 41 }, (_, i) => i) }) },
  "a system call filter": {
    app: () => ({
      systemCalls: { program: new Uint8Array(16), calls: "default", unknownNames: [] },
    }),
  },
  "a security label": {
    app: () => ({
      label: { module: "AppArmor", file: "attr/apparmor/exec", text: "exec own", name: "own" },
    }),
  },
  "a score for memory": { app: () => ({ oomScoreAdj: 500 }) },
  "limits of processes": {
    app: () => ({ processLimits: [{ resource: "nofile", soft: 10n, hard: 20n }] }),
  },
  "a program of PATH": {
    app: () => ({ executables: ["/bin/x", "/usr/bin/x"], arguments: ["x"] }),
  },
};

/** A pod of some apps with features; where two change the same, the later one wins. */
export function variantPod(count: number, names: readonly string[]): Pod {
  const features = names.map((name) => FEATURES[name] ?? {});
  const apps = Array.from(
    { length: count },
    (_, i) => testApp(`app-${i}`, Object.assign({}, ...features.map(({ app }) => app?.(i)))),
  );
  const changes: Partial<Pod> = Object.assign({}, ...features.map(({ pod }) => pod));
  // What the flavor excludes is refused before there is a plan.
  const { privateUsers: _users, rootless: _rootless, sandbox: _sandbox, ...fly } = changes;
  if (changes.flavor !== "fly") return testPod(apps, changes);
  return testPod(apps, { ...fly, network: { kind: "host" }, sysctls: [] });
}

/** A plan, and what it is of. */
export type NamedPlan = readonly [name: string, plan: Plan];

/** The plans of a pod with features: that of the pod, and that of its first app as one that is added. */
export function podPlans(count: number, names: readonly string[]): readonly NamedPlan[] {
  const pod = variantPod(count, names);
  const what = `${count} apps: ${names.join(" + ")}`;
  const [app] = pod.apps;
  // A pod whose apps come later has no terminal; neither is its network or its directory made again.
  const addable = app !== undefined && !pod.interactive && pod.network.kind !== "joined";
  return [
    [what, podPlan(pod, PLAN_PARTS)],
    ...addable ? [[`added to ${what}`, addedAppPlan({ ...pod, apps: [app] }, app)] as const] : [],
  ];
}

const ENTER = { namespaces: k.CLONE_NEWNS | k.CLONE_NEWUTS, terminal: false } as const;

function enterPlans(): readonly NamedPlan[] {
  const shells = ["/bin/bash", "/bin/sh"].map((path) => ({ path, arguments: [path] }));
  const entering = {
    app: testApp("app"),
    process: 20,
    cgroups: [21, 22],
    programs: shells,
    command: "/bin/bash or /bin/sh",
  };
  const user = { ...ENTER, namespaces: ENTER.namespaces | k.CLONE_NEWUSER };
  const rootless = { ...ENTER, rootless: true };
  const caller = { stdin: "file", stdout: "file", stderr: "file", shared: false } as const;
  return [
    ENTER,
    user,
    { ...ENTER, terminal: true },
    { ...user, terminal: true, cgroups: [] },
    rootless,
    { ...ENTER, root: "/data/pods/run/UUID/root" },
    { ...rootless, terminal: true },
    { ...ENTER, caller },
    { ...user, caller: { ...caller, stdin: "null" as const, shared: true } },
  ]
    .map((each, i) => [`enter ${i}`, enterPlan({ ...entering, ...each })]);
}

const REPLAYED = {
  ...{ conditions: [], dataDirectory: "/data", prepareLock: 200, podMode: 0o700, users: false },
  holes: [{ name: "uuid", at: 100, size: 36 }],
} as const;

/** Starts that are repeated: the least that a replay can be, and one with each kind of condition. */
const REPLAY_PARTS: ReplayParts = {
  users: replayUsers,
  user: replayRootless,
  network: joinNetwork,
};

const REPLAYS: readonly Replay[] = [
  { ...REPLAYED, holes: [] },
  {
    ...REPLAYED,
    conditions: [
      { kind: "absent", path: "/etc/rkt" },
      ...(["type", "object", "owner", "content"] as const).map((part) =>
        ({ kind: "status", path: `/${part}`, part, status: new Uint8Array(256) }) as const
      ),
      { kind: "content", path: "/etc/hosts", bytes: new Uint8Array(9) },
      { kind: "content", path: "/empty", bytes: new Uint8Array() },
      { kind: "terminal", fd: 1, is: true },
      { kind: "terminal", fd: 2, is: false },
      { kind: "access", errno: 0, path: "/sys/fs/cgroup" },
      { kind: "names", path: "/etc/rkt/net.d", bytes: new Uint8Array(48) },
      { kind: "attribute", path: "/sys/fs/cgroup", name: "user.delegate" },
      { kind: "attribute", path: "/x", name: "user.delegate", value: new Uint8Array(1) },
      { kind: "capabilities", bytes: new Uint8Array(24) },
      ...(["none", "own", "others"] as const).map((which) =>
        ({ kind: "processes", path: `/${which}`, which }) as const
      ),
    ],
    uuidFile: "/run/uuid",
    holes: [...REPLAYED.holes, { name: "uuid", at: 200, size: 36 }],
  },
  {
    ...REPLAYED,
    users: true,
    holes: [
      ...REPLAYED.holes,
      { name: "users", at: 10, size: 2 },
      { name: "users", at: 20, size: 2 },
      { name: "digits", at: 30, size: 10 },
    ],
  },
  ...[testNetwork(), testBridge()].map((network) => ({
    ...REPLAYED,
    holes: [
      ...REPLAYED.holes,
      { name: "file 0" as const, at: 500, size: 40 },
      { name: "message 0" as const, at: 700, size: 40 },
      { name: "message 0" as const, at: 800, size: 40 },
    ],
    network,
  })),
  ...[undefined, ["newuidmap", "newgidmap"]].map((programs) => ({
    ...REPLAYED,
    user: {
      uid: 1000,
      gid: 100,
      conditions: [{ kind: "absent" as const, path: "/etc/subuid" }],
      ...programs && {
        mappers: programs.map((name) => ({
          program: `/usr/bin/${name}`,
          map: ["0", "1000", "1", "1", "100000", "65536"],
        })),
      },
    },
  })),
];

/** A network with rules and a port, and the same behind a bridge. */
function testNetwork(): NonNullable<Replay["network"]> {
  const template = (...holes: Template["holes"]): Template => ({ hex: "00".repeat(64), holes });
  return {
    ...{
      ipv6: true,
      namespace: 201,
      records: "/data/networks",
      info: ['{"ip":"', '","ips":["', '/24"]}'],
    },
    range: { directory: "/ipam/net", first: 0x0a010002, last: 0x0a0100fe, gateway: 0x0a010001 },
    link: template(["link", 40]),
    podLink: template(),
    podEnd: template(["podIndex", 16], ["address", 31]),
    hostEnd: template(["hostIndex", 16], ["addressNumber", 32]),
    rules: template(["uuid", 4], ["generation", 44]),
    noRules: template(["uuid", 4]),
    ports: {
      hostPorts: [8080, 8081],
      listeners: ["00".repeat(72), "01".repeat(72)],
      generation: "02".repeat(20),
      others: ["03".repeat(40), "04".repeat(40)],
      keys: ["1f900600", "1f910600"],
    },
    program: [
      ["file 0", template(["uuid", 4])],
      ["message 0", template(["addressFile", 20])],
    ],
  };
}

function testBridge(): NonNullable<Replay["network"]> {
  const attributes = ["0c00140064617461", "0b000100627269646765000000"];
  return { ...testNetwork(), bridge: { name: "br0", question: "05".repeat(32), attributes } };
}

/** Plans that run before rkt, beside it, or in a child of it. */
function helperPlans(): readonly NamedPlan[] {
  return [
    ...REPLAYS.map((replay, i) => [`replay ${i}`, replayPlan(replay, REPLAY_PARTS)] as const),
    ["launcher", launcherPlan(0x1000, 64)],
    ["launcher that looks for entries", launcherPlan(0x1000, 64, "0".repeat(32))],
    ["overlay probe", overlayProbePlan("/tmp").plan],
    ["terminal guard", guardPlan()],
  ];
}

/** All plans: pods with no app, one and several, with each feature; enter, and those of helpers. */
export function allPlans(): readonly NamedPlan[] {
  const names = Object.keys(FEATURES);
  return [
    ...names.flatMap((name) => [0, 1, 3].flatMap((count) => podPlans(count, [name]))),
    ...enterPlans(),
    ...helperPlans(),
  ];
}
