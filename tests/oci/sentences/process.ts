/** What config.md says about the process, its root, and what is there without being asked for. */
import { type Example, LIMITS } from "./sentence.ts";

const PROCESS = "config.md#process", USER = "config.md#posix-platform-user";
const CAPABILITIES = "config.md#linux-process", ROOT = "config.md#root";

const status = (name: string) => `grep -w ${name} /proc/self/status`;
/** A set of capabilities by the numbers of those in it. */
const bits = (...numbers: readonly number[]): RegExp =>
  new RegExp(`:\\s*${numbers.reduce((sum, n) => sum + 2 ** n, 0).toString(16).padStart(16, "0")}$`);

const asRoot: Example = {
  changes: {
    ociVersion: "1.0.2",
    annotations: { "com.example.key": "value", "org.example.empty": "" },
    unknown: { nested: [1] },
    root: { path: "rootfs", readonly: true, unknown: 1 },
    process: {
      terminal: false,
      consoleSize: { width: 1, height: 1 },
      cwd: "/data",
      env: ["PATH=/bin", "EMPTY=", "TWO=a=b", "LINES=1\n2"],
      args: ["sh", "-c", "placeholder", "zero", "one two", ""],
      rlimits: LIMITS.map(([type, , value]) => {
        return { type: `RLIMIT_${type}`, soft: value >> 1, hard: value };
      }),
      oomScoreAdj: 500,
      noNewPrivileges: true,
      capabilities: {
        bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"],
        effective: ["CAP_KILL"],
        permitted: ["CAP_CHOWN", "CAP_KILL"],
        inheritable: [],
        ambient: [],
      },
    },
  },
  questions: {
    cwd: "pwd",
    path: "echo $PATH",
    empty: "env | grep -c ^EMPTY=$",
    two: "echo $TWO",
    lines: 'echo "$LINES"',
    home: "echo $HOME",
    zero: "echo $0",
    arguments: 'echo $#:"$1":"$2"',
    streams: "test -t 0 || test -t 1 || echo no terminal",
    console: "test -e /dev/console && echo there || echo none",
    limits: "cat /proc/self/limits",
    score: "cat /proc/self/oom_score_adj",
    privileges: status("NoNewPrivs"),
    bounding: status("CapBnd"),
    permitted: "grep CapPrm /proc/1/status",
    effective: "grep CapEff /proc/1/status",
    inheritable: status("CapInh"),
    ambient: status("CapAmb"),
    written: "touch /x 2>/dev/null && echo written || echo refused",
    program: "readlink /proc/1/exe",
  },
  seen: [
    [
      "config.md#specification-version",
      "a version of the specification since 1.0.0 is taken",
      "cwd",
      "/data",
    ],
    [
      "config.md#extensibility",
      "properties that nobody knows are ignored, at the top and below",
      "cwd",
      "/data",
    ],
    [
      "config.md#annotations",
      "annotations are keys with texts, which may be empty",
      "cwd",
      "/data",
    ],
    [PROCESS, "cwd is the working directory", "cwd", "/data"],
    [PROCESS, "env is the environment", "path", "/bin"],
    [PROCESS, "env: a variable may be empty", "empty", "1"],
    [PROCESS, "env: a value may contain an equals sign", "two", "a=b"],
    [PROCESS, "env: a value may contain a line feed", "lines", "1\n2"],
    [PROCESS, "env: HOME is that of the user, where it is not given", "home", "/root"],
    [PROCESS, "args: the first is looked for in PATH, as execvp does", "program", "/bin/busybox"],
    [PROCESS, "args: the others reach the program", "zero", "zero"],
    [PROCESS, "args: they may contain spaces and be empty", "arguments", "2:one two:"],
    [PROCESS, "terminal: without it there is none", "streams", "no terminal"],
    [PROCESS, "consoleSize is ignored without a terminal", "console", "none"],
    ...LIMITS.map(([type, name, value]) =>
      [
        ...[
          "config.md#posix-process",
          `rlimits: RLIMIT_${type} has the soft and the hard value`,
        ] as const,
        ...["limits", new RegExp(`^${name} +${value >> 1} +${value} `, "m")] as const,
      ] as const
    ),
    [CAPABILITIES, "oomScoreAdj is set", "score", "500"],
    [CAPABILITIES, "noNewPrivileges is set", "privileges", /\t1$/],
    [CAPABILITIES, "capabilities.bounding is the bounding set", "bounding", bits(0, 5, 7)],
    [
      CAPABILITIES,
      "capabilities.permitted: no more than that, without new privileges",
      "permitted",
      bits(0, 5),
    ],
    [
      CAPABILITIES,
      "capabilities.effective: no more than that, without new privileges",
      "effective",
      bits(0, 5),
    ],
    [CAPABILITIES, "capabilities.inheritable may be empty", "inheritable", bits()],
    [CAPABILITIES, "capabilities.ambient may be empty", "ambient", bits()],
    [ROOT, "readonly: the root can't be written", "written", "refused"],
  ],
};

const asUser: Example = {
  changes: {
    root: { path: "rootfs" },
    process: {
      user: { uid: 1000, gid: 1001, umask: 0o27, additionalGids: [5, 60000, 1001] },
      env: ["PATH=/bin", "HOME=/elsewhere"],
      capabilities: {
        bounding: ["CAP_NET_RAW", "CAP_KILL"],
        permitted: ["CAP_NET_RAW"],
        effective: ["CAP_NET_RAW"],
        inheritable: ["CAP_NET_RAW"],
        ambient: ["CAP_NET_RAW"],
      },
      scheduler: { policy: "SCHED_BATCH", nice: 7 },
      ioPriority: { class: "IOPRIO_CLASS_BE", priority: 6 },
      noNewPrivileges: false,
    },
    linux: { personality: { domain: "LINUX32" } },
  },
  questions: {
    ids: "busybox id -u; busybox id -g",
    all: "grep ^Uid: /proc/self/status",
    allGroups: "grep ^Gid: /proc/self/status",
    groups: status("Groups"),
    umask: "umask",
    home: "echo $HOME",
    privileges: status("NoNewPrivs"),
    bounding: status("CapBnd"),
    permitted: status("CapPrm"),
    effective: status("CapEff"),
    inheritable: status("CapInh"),
    ambient: status("CapAmb"),
    nice: "set -- $(cat /proc/self/stat); echo ${19}",
    policy: "set -- $(cat /proc/self/stat); echo ${41}",
    io: "busybox ionice -p 1",
    machine: "busybox uname -m",
    written: "touch /tmp/x && rm /tmp/x && echo written",
    score: "cat /proc/1/oom_score_adj",
  },
  seen: [
    [USER, "uid and gid are those of the process", "ids", "1000\n1001"],
    [
      USER,
      "uid is the real, effective, saved and file system's user",
      "all",
      /\t1000\t1000\t1000\t1000$/,
    ],
    [
      USER,
      "gid is the real, effective, saved and file system's group",
      "allGroups",
      /\t1001\t1001\t1001\t1001$/,
    ],
    [USER, "additionalGids are its other groups", "groups", /\t5 1001 60000 ?$/],
    [USER, "umask is that of the process", "umask", "0027"],
    [PROCESS, "env: HOME that is given stays", "home", "/elsewhere"],
    [CAPABILITIES, "noNewPrivileges: not, where it is false", "privileges", /\t0$/],
    [CAPABILITIES, "capabilities.bounding of another user", "bounding", bits(5, 13)],
    [
      CAPABILITIES,
      "capabilities.permitted of another user, as far as it is ambient",
      "permitted",
      bits(13),
    ],
    [
      CAPABILITIES,
      "capabilities.effective of another user, as far as it is ambient",
      "effective",
      bits(13),
    ],
    [CAPABILITIES, "capabilities.inheritable of another user", "inheritable", bits(13)],
    [CAPABILITIES, "capabilities.ambient of another user", "ambient", bits(13)],
    [CAPABILITIES, "scheduler.nice is the nice value", "nice", "7"],
    [CAPABILITIES, "scheduler.policy: SCHED_BATCH", "policy", "3"],
    [CAPABILITIES, "ioPriority: class and priority", "io", "best-effort: prio 6"],
    [CAPABILITIES, "oomScoreAdj: without it the score stays", "score", /^-?\d+$/],
    [
      "config-linux.md#personality",
      "domain: LINUX32 is the machine's 32 bits",
      "machine",
      /^(i[3-6]86|armv)/,
    ],
    [ROOT, "readonly: false is the default", "written", "written"],
  ],
};

const DEVICES = [["null", "1:3"], ["zero", "1:5"], ["full", "1:7"], ["random", "1:8"], [
  "urandom",
  "1:9",
], ["tty", "5:0"]] as const;
const LINKS = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
] as const;
const FILE_SYSTEMS = [["/proc", "proc"], ["/sys", "sysfs"], ["/dev/pts", "devpts"], [
  "/dev/shm",
  "tmpfs",
], ["/dev/mqueue", "mqueue"]] as const;
const SYMLINKS = "config-linux.md#default-devices" as const;

const asFound: Example = {
  changes: {
    linux: {
      maskedPaths: ["/proc/version", "/proc/bus", "/proc/not-there"],
      readonlyPaths: ["/proc/sys", "/proc/irq", "/proc/not-there"],
      sysctl: {
        "net.ipv4.ip_default_ttl": "33",
        "kernel.msgmax": "4321",
        "fs.mqueue.msg_max": "12",
      },
      devices: [
        { path: "/dev/own/fifo", type: "p", fileMode: 0o611 },
        { path: "/dev/own/char", type: "c", major: 1, minor: 5, fileMode: 0o644, uid: 3, gid: 4 },
        { path: "/dev/own/unbuffered", type: "u", major: 1, minor: 3 },
        { path: "/dev/own/block", type: "b", major: 7, minor: 200, fileMode: 0o600 },
      ],
      resources: {
        devices: [{ allow: false, access: "rwm" }, {
          allow: true,
          type: "c",
          major: 1,
          minor: 5,
          access: "r",
        }],
      },
    },
    hostname: "a-name",
    domainname: "example.org",
  },
  questions: {
    devices: "stat -c '%n %t:%T %a %F' /dev/*",
    own: "stat -c '%n %t:%T %a %u:%g %F' /dev/own/*",
    links: "for l in /dev/*; do test -L $l && echo $l $(busybox readlink $l); done",
    mounts: "cut -d' ' -f2,3 /proc/mounts 2>/dev/null || busybox awk '{print $2, $3}' /proc/mounts",
    host: "hostname",
    domain: "cat /proc/sys/kernel/domainname",
    net: "cat /proc/sys/net/ipv4/ip_default_ttl",
    ipc: "cat /proc/sys/kernel/msgmax",
    queue: "cat /proc/sys/fs/mqueue/msg_max",
    version: "wc -c </proc/version",
    bus: "ls /proc/bus | wc -l",
    sys: "echo 1 2>/dev/null >/proc/sys/kernel/msgmax || echo refused",
    irq: "touch /proc/irq/x 2>/dev/null || echo refused",
    readable: "head -c 4 /dev/own/char | wc -c",
    forbidden: "head -c 1 /dev/own/block 2>&1 | grep -c 'not permitted'",
    written: "echo x 2>/dev/null >/dev/own/char || echo refused",
    ptmx: "busybox readlink /dev/ptmx",
  },
  seen: [
    ...DEVICES.map(([name, number]) =>
      [
        ...[SYMLINKS, `every container has /dev/${name}`] as const,
        ...["devices", new RegExp(`^/dev/${name} ${number} 666 character`, "m")] as const,
      ] as const
    ),
    ...LINKS.map(([name, target]) =>
      [
        ...["config-linux.md#dev-symbolic-links", `/dev/${name} is a link`] as const,
        ...["links", new RegExp(`^/dev/${name} ${target}$`, "m")] as const,
      ] as const
    ),
    ...FILE_SYSTEMS.map(([path, type]) =>
      [
        ...[
          "config-linux.md#default-filesystems",
          `${path} is a file system of the type ${type}`,
        ] as const,
        ...["mounts", new RegExp(`^${path} ${type}$`, "m")] as const,
      ] as const
    ),
    [SYMLINKS, "/dev/ptmx leads to that of the container's own terminals", "ptmx", "pts/ptmx"],
    [
      "config-linux.md#devices",
      "type p: a fifo, with its mode",
      "own",
      /^\/dev\/own\/fifo 0:0 611 0:0 fifo$/m,
    ],
    [
      "config-linux.md#devices",
      "type c: number, mode and owner",
      "own",
      /^\/dev\/own\/char 1:5 644 3:4 character/m,
    ],
    [
      "config-linux.md#devices",
      "type u is a character device too",
      "own",
      /^\/dev\/own\/unbuffered 1:3 \d+ 0:0 character/m,
    ],
    [
      "config-linux.md#devices",
      "type b: a block device",
      "own",
      /^\/dev\/own\/block 7:c8 600 0:0 block/m,
    ],
    [
      "config-linux.md#allowed-device-list",
      "a rule that allows comes after one that forbids all",
      "readable",
      "4",
    ],
    ["config-linux.md#allowed-device-list", "what no rule allows is forbidden", "forbidden", "1"],
    ["config-linux.md#allowed-device-list", "access: only what is named", "written", "refused"],
    ["config.md#hostname", "hostname is that of the container", "host", "a-name"],
    ["config.md#domainname", "domainname is that of the container", "domain", "example.org"],
    ["config-linux.md#sysctl", "a parameter of the network is set", "net", "33"],
    ["config-linux.md#sysctl", "a parameter of IPC is set", "ipc", "4321"],
    ["config-linux.md#sysctl", "a parameter of message queues is set", "queue", "12"],
    ["config-linux.md#masked-paths", "a file can't be read", "version", "0"],
    ["config-linux.md#masked-paths", "a directory is empty", "bus", "0"],
    ["config-linux.md#masked-paths", "a path that is not there is no error", "host", "a-name"],
    ["config-linux.md#readonly-paths", "what is below can't be written", "sys", "refused"],
    ["config-linux.md#readonly-paths", "in a directory nothing can be made", "irq", "refused"],
    ["config-linux.md#readonly-paths", "a path that is not there is no error", "host", "a-name"],
  ],
};

/** Examples by their names. */
export const PROCESS_EXAMPLES: readonly Example[] = [asRoot, asUser, asFound];
