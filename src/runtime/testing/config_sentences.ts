/** Sentences of config.md of the runtime specification: the version, the root, the process, its user, hooks, annotations. */
import { CAPABILITIES } from "../../linux/capabilities.ts";
import { ownCapabilities } from "../create_container.ts";
import { type Configured, has, lacks, refuses, type Sentence } from "./sentences.ts";

/** What this process may hand on, of those that one word has. */
const own = ownCapabilities();
const HAD = CAPABILITIES.slice(0, 32).filter((name) => own.includes(CAPABILITIES.indexOf(name)));

const process = (fields: Readonly<Record<string, unknown>>): Configured => ({ process: fields });
const user = (fields: Readonly<Record<string, unknown>>) =>
  process({ user: { uid: 0, gid: 0, ...fields } });
const number = (name: string): number => CAPABILITIES.indexOf(name);
/** A set of capabilities as capset(2) takes it, where all are below 32. */
const mask = (...names: readonly string[]): string =>
  names.reduce((bits, name) => bits | 1 << number(name), 0).toString(16);

const TOP: readonly Sentence[] = [
  refuses("ociVersion (string, REQUIRED)", { ociVersion: undefined }, /ociVersion/),
  refuses("ociVersion MUST be in SemVer v2.0.0 format", { ociVersion: "1.x" }, /ociVersion/),
  refuses("ociVersion … specifies the version with which the bundle complies", {
    ociVersion: "2.0.0",
  }, /ociVersion: .*none that this runtime knows/),
  has(
    "if a configuration is compliant with version 1.1, it is compatible with all runtimes that support any 1.1 or later release",
    {
      ociVersion: "1.1.0",
    },
    /execve/,
  ),
  has("ociVersion: a pre-release is SemVer too", { ociVersion: "1.0.2-dev" }, /execve/),
  refuses(
    "root (object): On all other platforms, this field is REQUIRED",
    { root: undefined },
    /root: is missing/,
  ),
  refuses("root.path (string, REQUIRED)", { root: {} }, /root\.path/),
  refuses(
    "A directory MUST exist at the path declared by the field",
    { root: { path: "nowhere" } },
    /is no directory/,
  ),
  has("path is either an absolute path or a relative path to the bundle", {
    root: { path: "rootfs" },
  }, /open_tree\(AT_FDCWD, "[^"]*\/rootfs"/),
  has("If [readonly is] true then the root filesystem MUST be read-only inside the container", {
    root: { path: "rootfs", readonly: true },
  }, /mount_setattr\(AT_FDCWD, "\/", 0, {attr_set=MOUNT_ATTR_RDONLY}/),
  lacks(
    "readonly … defaults to false",
    { root: { path: "rootfs" } },
    /mount_setattr\(AT_FDCWD, "\/"/,
  ),
  has(
    "hostname (string, OPTIONAL) specifies the container's hostname as seen by processes running inside the container",
    { hostname: "name" },
    /sethostname\("name", 4\)/,
  ),
  has("domainname (string, OPTIONAL) specifies the container's domainname", {
    domainname: "a.example",
  }, /setdomainname\("a.example", 9\)/),
  lacks(
    "hostname: without it the container has that of the namespace",
    { hostname: undefined },
    /sethostname/,
  ),
  refuses("Annotations MUST be a key-value map", { annotations: ["a"] }, /annotations/),
  refuses(
    "Keys MUST NOT be an empty string",
    { annotations: { "": "x" } },
    /annotations: one has no name/,
  ),
  refuses("Values MUST be strings", { annotations: { a: 1 } }, /annotations\.a/),
  has("Values MAY be an empty string", { annotations: { a: "" } }, /execve/),
  has("Runtimes MUST handle unknown annotation keys like any other unknown property", {
    annotations: { "org.opencontainers.image.none": "x" },
  }, /execve/),
  has(
    "Runtimes MAY log unknown properties but MUST otherwise ignore them",
    { unknown: { a: 1 } },
    /execve/,
  ),
  has(
    "That includes not generating errors if they encounter an unknown property",
    process({ unknown: 1 }),
    /execve/,
  ),
  refuses(
    "Runtimes MUST generate an error when invalid or unsupported values are encountered",
    process({ cwd: 5 }),
    /process\.cwd/,
  ),
];

const PROCESS: readonly Sentence[] = [
  refuses(
    "process: This property is REQUIRED when start is called",
    { process: undefined },
    /process: is missing/,
  ),
  refuses(
    "cwd (string, REQUIRED) is the working directory",
    process({ cwd: undefined }),
    /process\.cwd/,
  ),
  refuses(
    "cwd (string, REQUIRED): This value MUST be an absolute path",
    process({ cwd: "etc" }),
    /process\.cwd: .*absolute/,
  ),
  has(
    "cwd is the working directory that will be set for the executable",
    process({ cwd: "/etc" }),
    /chdir\("\/etc"\)/,
    /execve\("\/bin\/sh"/,
  ),
  has(
    "env has the same semantics as environ",
    process({ env: ["A=b", "C=d=e"] }),
    /execve\([^[]*\[[^[]*\["A=b", "C=d=e", "HOME=\/root"\]/,
  ),
  refuses("env: an entry has a name", process({ env: ["=b"] }), /process\.env/),
  has(
    "args has similar semantics to execvp's argv",
    process({ args: ["/bin/prog", "a", ""] }),
    /execve\("\/bin\/prog", \["\/bin\/prog", "a", ""\]/,
  ),
  has(
    "args: at least one entry is REQUIRED, found by PATH of env as by execvp",
    process({ args: ["prog"], env: ["PATH=/x:/y"] }),
    /execve\("\/y\/prog"/,
    /execve\("\/x\/prog", \["prog"\], \["PATH=\/x:\/y"/,
  ),
  refuses("args: at least one entry is REQUIRED", process({ args: [] }), /process\.args/),
  has(
    "terminal … pty is duplicated on the process's standard streams",
    process({ terminal: true }),
    /TIOCGPTPEER|dup3\(<slave>, 2|prctl/,
  ),
  lacks(
    "Runtimes MUST ignore consoleSize if terminal is false or unset",
    process({ consoleSize: { height: 5, width: 6 } }),
    /TIOCSWINSZ/,
  ),
  refuses(
    "consoleSize.height (uint, REQUIRED)",
    process({ terminal: true, consoleSize: { height: -1, width: 1 } }),
    /consoleSize\.height/,
  ),
  refuses(
    "consoleSize.width (uint, REQUIRED)",
    process({ terminal: true, consoleSize: { height: 1, width: -1 } }),
    /consoleSize\.width/,
  ),
  has(
    "If oomScoreAdj is set, the runtime MUST set oom_score_adj to the given value",
    process({ oomScoreAdj: -500 }),
    /oom_score_adj/,
    /write\(<file>, "-500", 4\)/,
  ),
  lacks(
    "If oomScoreAdj is not set, the runtime MUST NOT change the value of oom_score_adj",
    process({}),
    /oom_score_adj/,
  ),
  refuses(
    "oomScoreAdj adjusts the oom-killer score: proc(5) has -1000 to 1000",
    process({ oomScoreAdj: 1001 }),
    /oomScoreAdj/,
  ),
  has(
    "setting noNewPrivileges to true prevents the process from gaining additional privileges",
    process({ noNewPrivileges: true }),
    /PR_SET_NO_NEW_PRIVS, 1/,
    /execve\("\/bin\/sh"/,
  ),
  lacks("noNewPrivileges (bool, OPTIONAL)", process({}), /PR_SET_NO_NEW_PRIVS/),
  has(
    "uid specifies the user ID in the container namespace",
    user({ uid: 1234 }),
    /setresuid\(1234, 1234, 1234\)/,
    /execve\("\/bin\/sh"/,
  ),
  has(
    "gid specifies the group ID in the container namespace",
    user({ gid: 4321 }),
    /setresgid\(4321, 4321, 4321\)/,
    /setresuid/,
  ),
  refuses(
    "uid (int, REQUIRED): a user ID is none below 0",
    user({ uid: -1 }),
    /process\.user\.uid/,
  ),
  refuses(
    "gid (int, REQUIRED): 4294967295 stands for no group",
    user({ gid: 4294967295 }),
    /process\.user\.gid/,
  ),
  has(
    "umask specifies the umask of the user",
    user({ umask: 0o27 }),
    /umask\(027\)/,
    /execve\("\/bin\/sh"/,
  ),
  has(
    "additionalGids specifies additional group IDs to be added to the process",
    user({ additionalGids: [5, 6] }),
    /setgroups\(2, {gid=5, gid=6}\)/,
    /setresuid/,
  ),
  has(
    "additionalGids (array of ints, OPTIONAL): without them the runtime's are none of the container's",
    user({}),
    /setgroups\(0, NULL\)/,
    /execve\("\/bin\/sh"/,
  ),
  ...["IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"].map((name, i) =>
    has(
      `ioPriority.class specifies the I/O scheduling class: ${name}`,
      process({
        ioPriority: { class: name, priority: 3 },
      }),
      new RegExp(`ioprio_set\\(1, 0, ${(i + 1) << 13 | 3}\\)`),
    )
  ),
  refuses(
    "ioPriority.class: Possible values are …",
    process({ ioPriority: { class: "IOPRIO_CLASS_X", priority: 1 } }),
    /ioPriority/,
  ),
  refuses(
    "ioPriority.priority should be an integer ranging from 0 (highest) to 7 (lowest)",
    process({ ioPriority: { class: "IOPRIO_CLASS_BE", priority: 8 } }),
    /ioPriority\.priority/,
  ),
  ...["OTHER", "FIFO", "RR", "BATCH", "ISO", "IDLE", "DEADLINE"].map((name) =>
    has(
      `scheduler.policy represents the scheduling policy: SCHED_${name}`,
      process({ scheduler: { policy: `SCHED_${name}` } }),
      /sched_setattr\(0, /,
    )
  ),
  refuses(
    "scheduler.policy: a valid list of values is …",
    process({ scheduler: { policy: "SCHED_X" } }),
    /scheduler/,
  ),
  ...[
    "RESET_ON_FORK",
    "RECLAIM",
    "DL_OVERRUN",
    "KEEP_POLICY",
    "KEEP_PARAMS",
    "UTIL_CLAMP_MIN",
    "UTIL_CLAMP_MAX",
  ].map((name) =>
    has(
      `scheduler.flags: SCHED_FLAG_${name}`,
      process({
        scheduler: { policy: "SCHED_OTHER", flags: [`SCHED_FLAG_${name}`] },
      }),
      /sched_setattr/,
    )
  ),
  refuses(
    "scheduler.flags: a valid list of values is …",
    process({ scheduler: { policy: "SCHED_OTHER", flags: ["X"] } }),
    /scheduler/,
  ),
  lacks(
    "execCPUAffinity: This setting is not applicable to the container's init process",
    process({ execCPUAffinity: { initial: "0", final: "0" } }),
    /sched_setaffinity/,
  ),
];

const LIMITS: readonly Sentence[] = [
  ..."CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME"
    .split(" ").map((name) =>
      has(
        `rlimits: rlim_cur MUST match the configured value: RLIMIT_${name}`,
        process({
          rlimits: [{ type: `RLIMIT_${name}`, soft: 5, hard: 6 }],
        }),
        new RegExp(`prlimit64\\(0, RLIMIT_${name}, {soft=5, hard=6}`),
        /setresuid/,
      )
    ),
  refuses(
    "The runtime MUST generate an error for any values which cannot be mapped to a relevant kernel interface",
    process({ rlimits: [{ type: "RLIMIT_NONE", soft: 1, hard: 1 }] }),
    /there is no limit "RLIMIT_NONE"/,
  ),
  refuses(
    "If rlimits contains duplicated entries with same type, the runtime MUST generate an error",
    process({
      rlimits: [{ type: "RLIMIT_CORE", soft: 1, hard: 1 }, {
        type: "RLIMIT_CORE",
        soft: 2,
        hard: 2,
      }],
    }),
    /RLIMIT_CORE is there twice/,
  ),
  refuses(
    "rlimits: soft is the value of the limit enforced, hard the ceiling for it",
    process({ rlimits: [{ type: "RLIMIT_CORE", soft: 2, hard: 1 }] }),
    /soft limit is above/,
  ),
  refuses(
    "rlimits.soft (uint64, REQUIRED)",
    process({ rlimits: [{ type: "RLIMIT_CORE", hard: 1 }] }),
    /rlimits\[0\]\.soft/,
  ),
  refuses(
    "rlimits.hard (uint64, REQUIRED)",
    process({ rlimits: [{ type: "RLIMIT_CORE", soft: 1 }] }),
    /rlimits\[0\]\.hard/,
  ),
  has(
    "rlimits: the greatest number stands for no limit",
    process({
      rlimits: [{ type: "RLIMIT_CORE", soft: 18446744073709551615, hard: 18446744073709551615 }],
    }),
    /prlimit64\(0, RLIMIT_CORE, {soft=RLIM64_INFINITY, hard=RLIM64_INFINITY/,
  ),
];

const caps = (sets: Readonly<Record<string, readonly string[]>>) => process({ capabilities: sets });
const ONE = ["CAP_KILL"];
const HANDED_OUT: readonly Sentence[] = [
  ...HAD.map((name) =>
    lacks(
      `Valid values are defined in the capabilities(7) man page: ${name}`,
      caps({ bounding: [name], permitted: [name] }),
      new RegExp(`PR_CAPBSET_DROP, ${name},`),
    )
  ),
  has(
    "the bounding field is an array of bounding capabilities that are kept for the process",
    caps({ bounding: ONE }),
    /PR_CAPBSET_DROP, CAP_CHOWN/,
    /setresuid/,
  ),
  lacks("bounding: what is in it is kept", caps({ bounding: ONE }), /PR_CAPBSET_DROP, CAP_KILL,/),
  has(
    "the permitted field is an array of permitted capabilities that are kept for the process",
    caps({ permitted: ONE }),
    new RegExp(`capset\\(.*permitted=0x${mask(...ONE)}`),
  ),
  has(
    "the effective field is an array of effective capabilities that are kept for the process",
    caps({ permitted: ONE, effective: ONE }),
    new RegExp(`capset\\(.*effective=0x${mask(...ONE)}`),
  ),
  has(
    "the inheritable field is an array of inheritable capabilities that are kept for the process",
    caps({ inheritable: ONE }),
    new RegExp(`capset\\(.*inheritable=0x${mask(...ONE)}`),
  ),
  has(
    "the ambient field is an array of ambient capabilities that are kept for the process",
    caps({ permitted: ONE, inheritable: ONE, ambient: ONE }),
    /PR_CAP_AMBIENT_RAISE, CAP_KILL|PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 5/,
  ),
  has(
    "Runtimes SHOULD NOT fail if the container configuration requests capabilities that cannot be granted",
    caps({ bounding: ["CAP_NONE", "CAP_KILL"] }),
    /execve/,
  ),
  lacks(
    "capabilities (object, OPTIONAL): without it the process has what the runtime has",
    process({ capabilities: undefined }),
    /capset|PR_CAPBSET_DROP/,
  ),
];

const POINTS = ["prestart", "createRuntime", "createContainer", "startContainer"] as const;
const hook = { path: "/bin/hook", args: ["hook", "one"], env: ["A=b"], timeout: 3 };
const at = (point: string, ...hooks: readonly unknown[]): Configured => ({
  hooks: { [point]: hooks },
});
const HOOKS: readonly Sentence[] = [
  ...POINTS.flatMap((point) => [
    has(
      `${point} hooks MUST be invoked by the runtime`,
      at(point, hook),
      /execve\("\/bin\/hook", \["hook", "one"\], \["A=b"\]\)/,
    ),
    has(
      `The state of the container MUST be passed to hooks over stdin: ${point}`,
      at(point, hook),
      /dup3\(<hook's input>, 0/,
      /execve\("\/bin\/hook"/,
      /write\(<input's other end>, ".*\\"status\\"/,
    ),
    has(
      `If any ${point} hook fails, the runtime MUST generate an error`,
      at(point, hook),
      new RegExp(`error running ${point} hook 0`),
      /exit_group\(254\)/,
    ),
    has(
      `timeout is the number of seconds before aborting the hook: ${point}`,
      at(point, hook),
      /setitimer\(ITIMER_REAL, {seconds=3}/,
      /execve\("\/bin\/hook"/,
    ),
    refuses(
      `This specification extends the IEEE standard in that path MUST be absolute: ${point}`,
      at(point, { path: "bin/hook" }),
      /is not an absolute path/,
    ),
    refuses(
      `If set, timeout MUST be greater than zero: ${point}`,
      at(point, { ...hook, timeout: 0 }),
      /timeout/,
    ),
    has(
      `Hooks MUST be called in the listed order: ${point}`,
      at(point, { path: "/bin/first" }, { path: "/bin/second" }),
      /execve\("\/bin\/first"/,
      /execve\("\/bin\/second"/,
    ),
  ]),
  has(
    "The prestart hooks MUST be called before the createRuntime hooks",
    { hooks: { createRuntime: [{ path: "/bin/b" }], prestart: [{ path: "/bin/a" }] } },
    /execve\("\/bin\/a"/,
    /execve\("\/bin\/b"/,
  ),
  has(
    "The createContainer hooks MUST be called after the createRuntime hooks",
    { hooks: { createContainer: [{ path: "/bin/b" }], createRuntime: [{ path: "/bin/a" }] } },
    /execve\("\/bin\/a"/,
    /sendto.*\n?/,
    /wait for the hooks|recvfrom/,
    /execve\("\/bin\/b"/,
  ),
  has(
    "The createContainer hooks MUST be called … before the pivot_root",
    at("createContainer", hook),
    /execve\("\/bin\/hook"/,
    /pivot_root/,
  ),
  has(
    "The createContainer hooks MUST be executed in the container namespace",
    at("createContainer", hook),
    /# init: its root/,
    /execve\("\/bin\/hook"/,
  ),
  has(
    "The createRuntime hooks MUST be executed in the runtime namespace",
    at("createRuntime", hook),
    /execve\("\/bin\/hook"/,
    /# init: the container's first process/,
  ),
  has(
    "The prestart hooks MUST be executed in the runtime namespace",
    at("prestart", hook),
    /execve\("\/bin\/hook"/,
    /# init: the container's first process/,
  ),
  has(
    "The startContainer hooks' path MUST resolve in the container namespace",
    at("startContainer", hook),
    /pivot_root/,
    /execve\("\/bin\/hook"/,
  ),
  has(
    "The startContainer hooks MUST be called before the user-specified process is executed as part of the start operation",
    at("startContainer", hook),
    /read\(200, /,
    /execve\("\/bin\/hook"/,
    /execve\("\/bin\/sh"/,
  ),
  lacks(
    "The poststart hooks MUST be called … before the start operation returns: create runs none",
    at("poststart", hook),
    /execve\("\/bin\/hook"/,
  ),
  has(
    "If any … hook fails, the runtime MUST … continue the lifecycle at step 12: poststop hooks",
    at("poststop", hook),
    / failed:/,
    /unlinkat/,
    /execve\("\/bin\/hook"/,
    /# worker/,
  ),
  refuses(
    "hooks.poststart: entries have the same schema",
    at("poststart", { args: ["x"] }),
    /hooks\.poststart\[0\]\.path/,
  ),
  refuses(
    "hooks.poststop: entries have the same schema",
    at("poststop", { path: "" }),
    /hooks\.poststop\[0\]\.path/,
  ),
];

/** All of them. */
export const CONFIG_SENTENCES = [...TOP, ...PROCESS, ...LIMITS, ...HANDED_OUT, ...HOOKS];
