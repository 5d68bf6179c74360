/** OCI containers of all shapes, for tests that hold for the plans of each of them. */
import * as k from "../../src/linux/constants.ts";
import type { Container, ContainerHook, ContainerProcess } from "../container/container.ts";
import { createPlan } from "../container/create.ts";
import { type ContainerExec, execPlan } from "../container/exec_in.ts";
import type { Plan } from "../engine/plan.ts";

const hook = (name: string): ContainerHook => ({
  path: `/hooks/${name}`,
  arguments: [name],
  environment: ["A=b"],
  timeout: 5,
});

const NO_HOOKS = {
  prestart: [],
  createRuntime: [],
  createContainer: [],
  startContainer: [],
  poststart: [],
  poststop: [],
};

/** A process that asks for nothing. */
export const PLAIN_PROCESS: ContainerProcess = {
  arguments: ["sh", "-c", "true"],
  executables: ["/usr/bin/sh", "/bin/sh"],
  environment: ["PATH=/usr/bin:/bin"],
  cwd: "/",
  uid: 0,
  gid: 0,
  additionalGids: [],
  umask: 0o022,
  noNewPrivileges: false,
  limits: [],
  labels: [],
  newKeyring: true,
};

/** A container with namespaces of its own and nothing else. */
export function testContainer(changes: Partial<Container> = {}): Container {
  return {
    id: "one",
    directory: "/run/rkt-oci/one",
    rootfs: "/bundle/rootfs",
    readOnlyRoot: false,
    pivots: true,
    namespaces: {
      made: k.CLONE_NEWNS | k.CLONE_NEWPID,
      cgroup: false,
      joined: [],
      hasUsers: false,
      loopback: false,
    },
    sysctls: [],
    mounts: [],
    lateReadOnly: [],
    propagation: 0,
    bindsDevices: false,
    maskedPaths: [],
    readonlyPaths: [],
    cgroups: [],
    ownCgroups: [],
    returnsTo: [],
    process: PLAIN_PROCESS,
    hooks: NO_HOOKS,
    state: (status) => [`{"status":"${status}","pid":`, "}"],
    descriptors: { fifo: 200, preserved: 0 },
    ...changes,
  };
}

const FULL_PROCESS: ContainerProcess = {
  ...PLAIN_PROCESS,
  uid: 1000,
  gid: 1000,
  additionalGids: [7, 8],
  capabilities: {
    bounding: [0, 5, 40],
    effective: [0],
    permitted: [0],
    inheritable: [5],
    ambient: [5],
  },
  noNewPrivileges: true,
  limits: [{ resource: 7, name: "RLIMIT_NOFILE", soft: 10n, hard: 20n }],
  oomScoreAdj: 100,
  labels: [["attr/exec", "label"]],
  ioPriority: 4 << 13,
  scheduler: new Uint8Array(48),
  affinity: new Uint8Array(128),
  memoryPolicy: { mode: 2, nodes: new Uint8Array(128) },
  personality: 8,
  filter: { program: new Uint8Array(16), flags: 0 },
  newKeyring: true,
  terminal: { rows: 24, columns: 80 },
};

const LISTENER = { socket: 203, text: ["{", ",", "}"] };

const restricted = [{ set: k.MOUNT_ATTR_RDONLY, clear: 0, recursive: true }];

/** A property of a container each. */
export const CONTAINERS: Readonly<Record<string, Partial<Container>>> = {
  plain: {},
  "everything made": {
    pidFile: "/run/engine/one.pid",
    namespaces: {
      made: k.CLONE_NEWNS | k.CLONE_NEWPID | k.CLONE_NEWNET | k.CLONE_NEWUSER,
      cgroup: true,
      joined: [],
      maps: { users: "0 1 1\n", groups: "0 1 1\n", deniesSetgroups: true },
      hasUsers: true,
      loopback: true,
    },
    hostname: "host",
    domainname: "domain",
    sysctls: [["net/ipv4/ip_forward", "1"]],
    mounts: [
      {
        kind: "bind",
        source: "/data",
        recursive: true,
        directory: true,
        target: "/data/in/there",
        attributes: restricted,
        propagation: [k.MS_SLAVE | k.MS_REC],
        users: 300,
      },
      {
        kind: "new",
        type: "tmpfs",
        options: [["size", "1m"]],
        target: "/dev",
        attributes: [],
        propagation: [],
      },
      { kind: "made", descriptor: 301, target: "/tmp", attributes: [], propagation: [] },
      { kind: "link", target: "/sys/fs/cgroup/cpu", to: "cpu,cpuacct" },
    ],
    lateReadOnly: ["/sys/fs/cgroup"],
    propagation: k.MS_SHARED,
    readOnlyRoot: true,
    devices: [{
      path: "/dev/a/b",
      mode: k.S_IFCHR | 0o666,
      number: 259,
      uid: 1,
      gid: 2,
    }],
    maskedPaths: ["/proc/kcore", "/sys/firmware"],
    readonlyPaths: ["/proc/sys"],
    cgroups: ["/sys/fs/cgroup/one/cgroup.procs"],
    ownCgroups: ["/sys/fs/cgroup/one"],
    returnsTo: ["/sys/fs/cgroup/user.slice/cgroup.procs"],
    allowedDevices: {
      cgroup: "/sys/fs/cgroup/one",
      devices: [{ type: "char", access: "m" }, { type: "char", major: 1, minor: 3, access: "rwm" }],
    },
    process: FULL_PROCESS,
    descriptors: { fifo: 200, preserved: 3, console: 204, log: 205 },
    log: ['{"msg":"', '"}\n'],
  },
  "namespaces joined": {
    namespaces: {
      made: k.CLONE_NEWNS,
      cgroup: false,
      timeOffsets: "boottime 1 2\n",
      joined: [
        { path: "/proc/1/ns/user", flag: k.CLONE_NEWUSER, name: "user" },
        { path: "/proc/1/ns/pid", flag: k.CLONE_NEWPID, name: "pid" },
      ],
      hasUsers: true,
      loopback: false,
    },
    devices: [{ path: "/dev/null", mode: k.S_IFCHR | 0o666, number: 259, uid: 0, gid: 0 }],
    bindsDevices: true,
    pivots: false,
  },
  hooks: {
    hooks: {
      prestart: [hook("prestart")],
      createRuntime: [hook("createRuntime"), hook("another")],
      createContainer: [hook("createContainer")],
      startContainer: [hook("startContainer")],
      poststart: [hook("poststart")],
      poststop: [hook("poststop")],
    },
    run: { detached: false, keep: false },
  },
  "in the foreground": {
    process: { ...PLAIN_PROCESS, terminal: { rows: 0, columns: 0 } },
    run: { detached: false, keep: false, relaysTerminal: true },
  },
  "a filter with a listener": {
    process: {
      ...PLAIN_PROCESS,
      filter: { program: new Uint8Array(16), flags: 8, listener: LISTENER },
    },
    namespaces: { made: 0, cgroup: false, joined: [], hasUsers: false, loopback: false },
  },
  "a filter with a listener, and no new privileges": {
    process: {
      ...PLAIN_PROCESS,
      noNewPrivileges: true,
      filter: { program: new Uint8Array(16), flags: 8, listener: LISTENER },
    },
  },
  "a mount with long options": {
    mounts: [{
      kind: "new",
      type: "overlay",
      options: [["source", "overlay"], ["lowerdir", "/x".repeat(200)], ["sync"]],
      target: "/data",
      attributes: [],
      propagation: [],
    }],
  },
  "run detached": { run: { detached: true, keep: false } },
  "run and kept": { run: { detached: false, keep: true } },
};

const EXEC: ContainerExec = {
  target: 206,
  namespaces: k.CLONE_NEWNS | k.CLONE_NEWPID,
  cgroups: [],
  process: PLAIN_PROCESS,
  hasUsers: false,
  detached: false,
  preserved: 0,
};

/** Ways to execute something in a container. */
export const EXECS: Readonly<Record<string, Partial<ContainerExec>>> = {
  plain: {},
  everything: {
    root: 207,
    cgroups: ["/sys/fs/cgroup/one/cgroup.procs"],
    process: FULL_PROCESS,
    hasUsers: true,
    detached: true,
    pidFile: "/run/engine/exec.pid",
    console: 204,
    log: { descriptor: 205, around: ["<", ">\n"] },
    preserved: 2,
  },
  "no namespaces": { namespaces: 0 },
  "of a user other than root": {
    namespaces: k.CLONE_NEWUSER | k.CLONE_NEWPID | k.CLONE_NEWNS,
    entersUsersFirst: true,
    hasUsers: true,
  },
  "in the foreground": {
    process: { ...PLAIN_PROCESS, terminal: { rows: 0, columns: 0 } },
    relaysTerminal: true,
  },
  "a filter with a listener": {
    process: {
      ...PLAIN_PROCESS,
      initialAffinity: new Uint8Array(128),
      filter: { program: new Uint8Array(16), flags: 8, listener: LISTENER },
    },
  },
};

/** All plans, by names. */
export function containerPlans(): readonly (readonly [name: string, plan: Plan])[] {
  return [
    ...Object.entries(CONTAINERS).map(([name, changes]) =>
      [`create: ${name}`, createPlan(testContainer(changes))] as const
    ),
    ...Object.entries(EXECS).map(([name, changes]) =>
      [`exec: ${name}`, execPlan({ ...EXEC, ...changes })] as const
    ),
  ];
}
