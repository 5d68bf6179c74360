/** What config-linux.md says about namespaces, system calls and users. */
import type { Example, Seen, Where } from "./sentence.ts";

const NAMESPACES = "config-linux.md#namespaces", SECCOMP = "config-linux.md#seccomp";

const own = (name: string): string =>
  Deno.readLinkSync(`/proc/self/ns/${name}`).replace(/[[\]]/g, "\\$&");
const TYPES = [
  ["pid", "pid"],
  ["network", "net"],
  ["ipc", "ipc"],
  ["uts", "uts"],
  ["mount", "mnt"],
  ["cgroup", "cgroup"],
] as const;
const asked = Object.fromEntries(
  TYPES.map(([, name]) => [name, `busybox readlink /proc/self/ns/${name}`]),
);

const fresh: Example = {
  changes: {
    namespaces: [{ type: "time" }],
    linux: {
      timeOffsets: {
        boottime: { secs: 20_000_000, nanosecs: 5 },
        monotonic: { secs: 3, nanosecs: 0 },
      },
    },
  },
  questions: {
    ...asked,
    time: "busybox readlink /proc/self/ns/time",
    first: "echo $$",
    offsets: "cat /proc/self/timens_offsets",
    links: "ls /sys/class/net",
    loopback: "ip -o link show lo",
  },
  seen: [
    ...TYPES.map((
      [type, name],
    ): Seen => [
      NAMESPACES,
      `type ${type}: without a path there is a new one`,
      name,
      new RegExp(`^${name}:\\[(?!${/\d+/.exec(own(name))?.[0]}\\])`),
    ]),
    [
      NAMESPACES,
      "type time: without a path there is a new one",
      "time",
      new RegExp(`^time:\\[(?!${/\d+/.exec(own("time"))?.[0]}\\])`),
    ],
    [NAMESPACES, "type pid: the process is the first one", "first", "1"],
    [NAMESPACES, "type network: there is nothing but a loopback interface", "links", "lo"],
    [NAMESPACES, "type network: that interface is up", "loopback", /[<,]UP[,>]/],
    [
      "config-linux.md#offset-for-time-namespace",
      "timeOffsets: boottime",
      "offsets",
      /^boottime\s+20000000\s+5$/m,
    ],
    [
      "config-linux.md#offset-for-time-namespace",
      "timeOffsets: monotonic",
      "offsets",
      /^monotonic\s+3\s+0$/m,
    ],
  ],
};

const SHARED = ["network", "ipc", "uts", "cgroup"] as const;
const inherited: Example = {
  changes: { hostname: undefined, namespaces: SHARED.map((type) => ({ type, none: true })) },
  questions: { ...asked, user: "busybox readlink /proc/self/ns/user" },
  seen: [
    ...TYPES.filter(([type]) => SHARED.some((each) => each === type)).map((
      [type, name],
    ): Seen => [
      NAMESPACES,
      `type ${type}: one that is not listed is the runtime's`,
      name,
      new RegExp(`^${own(name)}$`),
    ]),
    [
      NAMESPACES,
      "type user: one that is not listed is the runtime's",
      "user",
      new RegExp(`^${own("user")}$`),
    ],
  ],
};

/** Asks whether signal 10, 12 or 14 may be sent, where a rule looks at the number. */
const OPERATORS:
  readonly (readonly [op: string, value: number, two: number | undefined, refused: string])[] = [
    ["SCMP_CMP_EQ", 12, undefined, "12"],
    ["SCMP_CMP_NE", 12, undefined, "10 14"],
    ["SCMP_CMP_LT", 12, undefined, "10"],
    ["SCMP_CMP_LE", 12, undefined, "10 12"],
    ["SCMP_CMP_GT", 12, undefined, "14"],
    ["SCMP_CMP_GE", 12, undefined, "12 14"],
    ["SCMP_CMP_MASKED_EQ", 6, 4, "12"],
  ];

const operators = OPERATORS.map(([op, value, valueTwo, refused]): Example => ({
  changes: {
    linux: {
      seccomp: {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{
          names: ["kill"],
          action: "SCMP_ACT_ERRNO",
          args: [{ index: 1, value, ...valueTwo !== undefined && { valueTwo }, op }],
        }],
      },
    },
  },
  questions: {
    refused:
      "trap '' USR1 USR2 ALRM; echo $(for s in 10 12 14; do kill -$s $$ 2>/dev/null || echo $s; done)",
  },
  seen: [[
    SECCOMP,
    `args: ${op} compares an argument`,
    "refused",
    refused,
  ]],
}));

const calls = (names: readonly string[], rest: Readonly<Record<string, unknown>>) => ({
  names,
  ...rest,
});
const filters: Example = {
  changes: {
    linux: {
      seccomp: {
        defaultAction: "SCMP_ACT_ALLOW",
        flags: ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
        syscalls: [
          calls(["mkdir", "mkdirat"], { action: "SCMP_ACT_ERRNO", errnoRet: 28 }),
          calls(["symlink", "symlinkat"], { action: "SCMP_ACT_ERRNO" }),
          calls(["mknod", "mknodat"], { action: "SCMP_ACT_KILL_PROCESS" }),
          calls(["sethostname"], { action: "SCMP_ACT_TRAP" }),
          calls(["chmod", "fchmodat"], { action: "SCMP_ACT_LOG" }),
          calls(["no_such_call"], { action: "SCMP_ACT_ERRNO" }),
          calls(["chown", "fchownat"], { action: "SCMP_ACT_ALLOW" }),
        ],
      },
    },
    root: { path: "rootfs" },
  },
  questions: {
    errno: "mkdir /tmp/x 2>&1",
    plain: "ln -s a /tmp/l 2>&1",
    killed: "busybox mknod /tmp/p p; echo $?",
    trapped: "busybox hostname x; echo $?",
    logged: "touch /tmp/f; chmod 600 /tmp/f && stat -c %a /tmp/f; rm /tmp/f",
    allowed: "touch /tmp/f; busybox chown 0:0 /tmp/f && echo may; rm /tmp/f",
    mode: "grep ^Seccomp: /proc/self/status",
  },
  seen: [
    [
      SECCOMP,
      "SCMP_ACT_ERRNO with errnoRet: the call fails with that error",
      "errno",
      /No space left/,
    ],
    [SECCOMP, "SCMP_ACT_ERRNO without errnoRet: EPERM", "plain", /not permitted/],
    [SECCOMP, "SCMP_ACT_KILL_PROCESS: the process ends by SIGSYS", "killed", /159$/],
    [SECCOMP, "SCMP_ACT_TRAP: the process gets SIGSYS", "trapped", /159$/],
    [SECCOMP, "SCMP_ACT_LOG: the call is done", "logged", "600"],
    [SECCOMP, "SCMP_ACT_ALLOW: the call is done", "allowed", "may"],
    [SECCOMP, "names: a call that this machine has not is no error", "mode", /\t2$/],
    [SECCOMP, "flags: they are taken", "mode", /\t2$/],
  ],
};

const MAPS: Where = "config-linux.md#user-namespace-mappings";
const users: Example = {
  changes: {
    root: { path: "rootfs", readonly: true },
    namespaces: [{ type: "user" }],
    process: { user: { uid: 5, gid: 6, additionalGids: [7] }, capabilities: {} },
    linux: {
      uidMappings: [{ containerID: 0, hostID: 100_000, size: 10 }, {
        containerID: 10,
        hostID: 300_000,
        size: 5,
      }],
      gidMappings: [{ containerID: 0, hostID: 200_000, size: 20 }],
    },
  },
  questions: {
    uids: "cat /proc/self/uid_map",
    gids: "cat /proc/self/gid_map",
    id: "busybox id -u; busybox id -g",
    groups: "grep Groups /proc/self/status",
    owner: "stat -c '%u %g' /bin/busybox",
    null: "echo x >/dev/null && echo written",
  },
  seen: [
    [MAPS, "uidMappings: all ranges", "uids", /^\s*0\s+100000\s+10\n\s*10\s+300000\s+5$/],
    [MAPS, "gidMappings are other ones", "gids", /^\s*0\s+200000\s+20$/],
    [MAPS, "user and group are those of the container", "id", "5\n6"],
    [MAPS, "other groups are those of the container", "groups", /\t7 ?$/],
    [MAPS, "the owners of the root's files stay as they are", "owner", "65534 65534"],
    [
      "config-linux.md#default-devices",
      "there are devices also where nobody may make one",
      "null",
      "written",
    ],
  ],
};

/** The examples. */
export const CONFINEMENT_EXAMPLES: readonly Example[] = [
  fresh,
  inherited,
  filters,
  users,
  ...operators,
];
