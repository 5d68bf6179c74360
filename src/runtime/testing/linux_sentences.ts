/** Sentences of config.md and config-linux.md of the runtime specification: mounts, namespaces, devices, seccomp and the like. */
import { type Configured, has, lacks, refuses, type Sentence } from "./sentences.ts";

const linux = (fields: Readonly<Record<string, unknown>>): Configured => ({ linux: fields });
const mount = (fields: Readonly<Record<string, unknown>>): Configured => ({
  mounts: [{ destination: "/data", type: "tmpfs", source: "tmpfs", ...fields }],
});
const bind = (...options: readonly string[]) =>
  mount({ type: "bind", source: "/etc", options: ["bind", ...options] });
const set = (option: string, name: string) =>
  has(
    `${option} | MUST: an attribute of the mount`,
    bind(option),
    new RegExp(`mount_setattr\\(.*attr_set=[^}]*${name}`),
  );
const clears = (option: string, name: string) =>
  has(
    `${option} | MUST: takes an attribute of the mount away`,
    bind(option),
    new RegExp(`mount_setattr\\(.*attr_clr=[^}]*${name}`),
  );
const recursive = (option: string, text: string) =>
  has(
    `${option} | SHOULD: recursive`,
    bind(option),
    new RegExp(`mount_setattr\\(.*AT_RECURSIVE.*${text}`),
  );
/** Passed over, because no kernel knows it as an option. */
const nothing = (option: string) =>
  lacks(
    `${option} | MUST: implemented as mount(8) has it`,
    mount({ options: [option] }),
    new RegExp(`fsconfig\\(.*"${option}"`),
  );
const flag = (option: string) =>
  has(
    `${option} | MUST: of the file system`,
    mount({ options: [option] }),
    new RegExp(`fsconfig\\(<context>, FSCONFIG_SET_FLAG, "${option}"`),
  );
const spreads = (option: string, name: string, rec: boolean) =>
  has(
    `${option} | MUST: bind mount propagation`,
    bind(option),
    new RegExp(
      `mount_setattr\\(<[^>]*>, "", ${
        rec ? "AT_RECURSIVE\\|" : ""
      }AT_EMPTY_PATH, {propagation=${name}`,
    ),
  );

const MOUNTS: readonly Sentence[] = [
  has(
    "The runtime MUST mount entries in the listed order",
    {
      mounts: [
        { destination: "/one", type: "tmpfs" },
        { destination: "/two", type: "tmpfs" },
      ],
    },
    /attach the mount at \/one/,
    /attach the mount at \/two/,
  ),
  refuses(
    "destination (string, REQUIRED)",
    mount({ destination: undefined }),
    /mounts\[0\]\.destination/,
  ),
  has(
    '[a relative path] MUST be interpreted as relative to "/"',
    mount({ destination: "rel/ative" }),
    /attach the mount at \/rel\/ative/,
  ),
  has(
    "destination … path inside container: none leads out of it",
    mount({ destination: "/../../up" }),
    /attach the mount at \/up/,
  ),
  has(
    "source: A device name, but can also be a file or directory name for bind mounts or a dummy",
    mount({ source: "dummy" }),
    /fsconfig\(<context>, FSCONFIG_SET_STRING, "source", "dummy"/,
  ),
  has(
    "Path values for bind mounts are either absolute or relative to the bundle",
    mount({ type: "none", source: "rootfs", options: ["bind"] }),
    /open_tree\(AT_FDCWD, "[^"]*\/rootfs"/,
  ),
  refuses(
    "source: what is not there can't be mounted",
    mount({ source: "/no/where", options: ["bind"] }),
    /\/no\/where: no such file/,
  ),
  has(
    "A mount is a bind mount if it has either bind or rbind in the options",
    mount({ type: "none", source: "/etc", options: ["rbind"] }),
    /open_tree\(AT_FDCWD, "\/etc", .*AT_RECURSIVE/,
  ),
  has(
    "Runtimes SHOULD treat unknown options as filesystem-specific ones",
    mount({ options: ["size=1m", "huge=never"] }),
    /FSCONFIG_SET_STRING, "size", "1m"/,
    /FSCONFIG_SET_STRING, "huge", "never"/,
  ),
  has(
    "and pass those as a comma-separated string to … mount(2): where fsconfig(2) takes no value so long",
    mount({
      type: "overlay",
      source: "overlay",
      options: [`lowerdir=${"/x".repeat(200)}`, "index=off", "dirsync", "async"],
    }),
    /mount\("overlay", "[^"]*", "overlay", MS_DIRSYNC, "lowerdir=[/x]*,index=off"\)/,
    /open_tree\(/,
    /umount2\(/,
  ),
  has(
    "type: filesystem types supported by the kernel",
    mount({ type: "ramfs" }),
    /fsopen\("ramfs"/,
  ),
  refuses(
    "uidMappings: If specified, it MUST be specified along with gidMappings",
    mount({
      type: "bind",
      source: "/etc",
      options: ["bind"],
      uidMappings: [{ containerID: 0, hostID: 1, size: 1 }],
    }),
    /go together/,
  ),
  refuses(
    "gidMappings: If specified, it MUST be specified along with uidMappings",
    mount({
      type: "bind",
      source: "/etc",
      options: ["bind"],
      gidMappings: [{ containerID: 0, hostID: 1, size: 1 }],
    }),
    /go together/,
  ),
  has(
    "idmap: If uidMappings or gidMappings are specified for the mount, the runtime MUST use those",
    mount({
      type: "bind",
      source: "/etc",
      options: ["bind", "idmap"],
      uidMappings: [{ containerID: 0, hostID: 1, size: 1 }],
      gidMappings: [{ containerID: 0, hostID: 1, size: 1 }],
    }),
    /mount_setattr\(.*MOUNT_ATTR_IDMAP/,
  ),
  has(
    "idmap: This SHOULD be implemented using mount_setattr(MOUNT_ATTR_IDMAP)",
    bind("idmap"),
    /mount_setattr\(.*MOUNT_ATTR_IDMAP/,
  ),
  has(
    "ridmap: the mapping is applied recursively",
    bind("ridmap"),
    /mount_setattr\(.*AT_RECURSIVE.*MOUNT_ATTR_IDMAP/,
  ),
  lacks(
    "idmap: This option SHOULD NOT be passed to the underlying mount(2) call",
    mount({ options: ["idmap"] }),
    /fsconfig\(.*"idmap"/,
  ),
  set("ro", "MOUNT_ATTR_RDONLY"),
  clears("rw", "MOUNT_ATTR_RDONLY"),
  set("nosuid", "MOUNT_ATTR_NOSUID"),
  clears("suid", "MOUNT_ATTR_NOSUID"),
  set("nodev", "MOUNT_ATTR_NODEV"),
  clears("dev", "MOUNT_ATTR_NODEV"),
  set("noexec", "MOUNT_ATTR_NOEXEC"),
  clears("exec", "MOUNT_ATTR_NOEXEC"),
  set("noatime", "(MOUNT_ATTR_NOATIME|0x10|16)"),
  set("strictatime", "(MOUNT_ATTR_STRICTATIME|0x20|32)"),
  set("nodiratime", "(MOUNT_ATTR_NODIRATIME|0x80|128)"),
  set("nosymfollow", "(MOUNT_ATTR_NOSYMFOLLOW|0x200000|2097152)"),
  clears("atime", ""),
  clears("relatime", ""),
  clears("norelatime", ""),
  clears("nostrictatime", ""),
  clears("diratime", ""),
  clears("symfollow", ""),
  recursive("rro", "attr_set=MOUNT_ATTR_RDONLY"),
  recursive("rrw", "attr_clr=MOUNT_ATTR_RDONLY"),
  recursive("rnosuid", "attr_set=MOUNT_ATTR_NOSUID"),
  recursive("rsuid", "attr_clr=MOUNT_ATTR_NOSUID"),
  recursive("rnodev", "attr_set=MOUNT_ATTR_NODEV"),
  recursive("rdev", "attr_clr=MOUNT_ATTR_NODEV"),
  recursive("rnoexec", "attr_set=MOUNT_ATTR_NOEXEC"),
  recursive("rexec", "attr_clr=MOUNT_ATTR_NOEXEC"),
  recursive("rnoatime", "attr_set="),
  recursive("ratime", "attr_clr="),
  recursive("rrelatime", "attr_clr="),
  recursive("rnorelatime", "attr_clr="),
  recursive("rstrictatime", "attr_set="),
  recursive("rnostrictatime", "attr_clr="),
  recursive("rnodiratime", "attr_set="),
  recursive("rdiratime", "attr_clr="),
  recursive("rnosymfollow", "attr_set="),
  recursive("rsymfollow", "attr_clr="),
  ...[
    "defaults",
    "iversion",
    "loud",
    "mand",
    "noiversion",
    "nomand",
    "remount",
    "silent",
  ].map(nothing),
  ...["sync", "async", "dirsync", "lazytime", "nolazytime"].map(flag),
  spreads("private", "262144", false),
  spreads("rprivate", "262144", true),
  spreads("shared", "1048576", false),
  spreads("rshared", "1048576", true),
  spreads("slave", "524288", false),
  spreads("rslave", "524288", true),
  spreads("unbindable", "131072", false),
  spreads("runbindable", "131072", true),
  has(
    "tmpcopyup | MAY: copy up the contents to a tmpfs",
    mount({ destination: "/etc", options: ["tmpcopyup"] }),
    /move_mount\(<mount>|300 = <mount>/,
  ),
];

const KINDS = [
  ["pid", "CLONE_NEWPID", "/proc/self/ns/pid"],
  ["network", "CLONE_NEWNET", "/proc/self/ns/net"],
  ["ipc", "CLONE_NEWIPC", "/proc/self/ns/ipc"],
  ["uts", "CLONE_NEWUTS", "/proc/self/ns/uts"],
  ["cgroup", "CLONE_NEWCGROUP", "/proc/self/ns/cgroup"],
  ["time", "CLONE_NEWTIME", "/proc/self/ns/time"],
] as const;
const spaces = (...all: readonly unknown[]) => linux({ namespaces: [{ type: "mount" }, ...all] });
const maps = [{ containerID: 0, hostID: 1000, size: 5 }];
const users = (fields: Readonly<Record<string, unknown>> = {}) =>
  linux({
    namespaces: [{ type: "mount" }, { type: "user" }],
    uidMappings: maps,
    gidMappings: maps,
    ...fields,
  });

const NAMESPACES: readonly Sentence[] = [
  ...KINDS.flatMap(([type, name, path]) => [
    has(
      `If path is not specified, the runtime MUST create a new container namespace of type: ${type}`,
      spaces({ type }),
      new RegExp(`(clone|unshare)\\([^)]*${name}`),
    ),
    lacks(
      `If a namespace type is not specified … the container MUST inherit the runtime namespace of that type: ${type}`,
      spaces(),
      new RegExp(name),
    ),
    has(
      `The runtime MUST place the container process in the namespace associated with that path: ${type}`,
      spaces({ type, path }),
      new RegExp(`openat\\(AT_FDCWD, "${path}"`),
      new RegExp(`setns\\(<${type} namespace>, ${name}\\)`),
    ),
    refuses(
      `path: This value MUST be an absolute path in the runtime mount namespace: ${type}`,
      spaces({ type, path: "ns/x" }),
      /is not an absolute path/,
    ),
    refuses(
      `If a namespaces field contains duplicated namespaces with same type, the runtime MUST generate an error: ${type}`,
      spaces({ type }, { type }),
      new RegExp(`${type} is there twice`),
    ),
  ]),
  has("the container will have an isolated mount table", spaces(), /clone\([^)]*CLONE_NEWNS/),
  refuses(
    "namespaces.type (string, REQUIRED)",
    spaces({ type: "none" }),
    /is no kind of namespace/,
  ),
  has(
    "the container will be able to remap user and group IDs from the host",
    users(),
    /clone\([^)]*CLONE_NEWUSER/,
  ),
  has(
    "uidMappings describes the user namespace uid mappings from the host to the container",
    users(),
    /"uid_map"/,
    /write\(<file>, "0 1000 5\\n"/,
  ),
  has(
    "gidMappings describes the user namespace gid mappings from the host to the container",
    users(),
    /"gid_map"/,
    /write\(<file>, "0 1000 5\\n"/,
  ),
  refuses(
    "uidMappings: containerID (uint32, REQUIRED)",
    users({ uidMappings: [{ containerID: -1, hostID: 0, size: 1 }] }),
    /containerID/,
  ),
  refuses(
    "uidMappings: hostID (uint32, REQUIRED)",
    users({ uidMappings: [{ containerID: 0, hostID: "x", size: 1 }] }),
    /hostID/,
  ),
  refuses(
    "uidMappings: size (uint32, REQUIRED)",
    users({ uidMappings: [{ containerID: 0, hostID: 0 }] }),
    /size/,
  ),
  lacks(
    "The runtime SHOULD NOT modify the ownership of referenced filesystems to realize the mapping",
    users(),
    /fchownat\(<root>/,
  ),
  refuses(
    "uidMappings need a user namespace",
    linux({ uidMappings: maps, gidMappings: maps }),
    /they need a user namespace/,
  ),
  has(
    "timeOffsets sets the offset for Time Namespace: secs",
    linux({
      namespaces: [{ type: "mount" }, { type: "time" }],
      timeOffsets: { monotonic: { secs: -5 } },
    }),
    /write\(<file>, "monotonic -5 0\\n"/,
  ),
  has(
    "timeOffsets: nanosecs is the offset of clock (in nanoseconds)",
    linux({
      namespaces: [{ type: "mount" }, { type: "time" }],
      timeOffsets: { boottime: { nanosecs: 7 } },
    }),
    /write\(<file>, "boottime 0 7\\n"/,
  ),
  refuses(
    "timeOffsets: The name of the clock is the entry key",
    linux({
      namespaces: [{ type: "mount" }, { type: "time" }],
      timeOffsets: { realtime: { secs: 1 } },
    }),
    /there is no clock "realtime"/,
  ),
  has(
    "runtimes: the loopback interface of a new network is up",
    spaces({ type: "network" }),
    /SIOCSIFFLAGS/,
  ),
];

const device = (fields: Readonly<Record<string, unknown>>) =>
  linux({ devices: [{ path: "/dev/own", type: "c", major: 10, minor: 229, ...fields }] });
const DEVICES: readonly Sentence[] = [
  ...[
    ["null", "0x103|259"],
    ["zero", "0x105|261"],
    ["full", "0x107|263"],
    ["random", "0x108|264"],
    ["urandom", "0x109|265"],
    ["tty", "0x500|1280"],
  ].map(([name]) =>
    has(
      `the runtime MUST also supply: /dev/${name}`,
      {},
      new RegExp(`mknodat\\(<target>, "${name}"`),
    )
  ),
  has(
    "the runtime MUST also supply: /dev/ptmx, a bind-mount or symlink of the container's /dev/pts/ptmx",
    {},
    /symlinkat\("pts\/ptmx", [^,]*, "ptmx"\)/,
  ),
  ...[["/proc/self/fd", "fd"], ["/proc/self/fd/0", "stdin"], ["/proc/self/fd/1", "stdout"], [
    "/proc/self/fd/2",
    "stderr",
  ]].map(([to, name]) =>
    has(
      `runtimes MUST create the following symlinks: /dev/${name}`,
      {},
      new RegExp(`symlinkat\\("${to}", [^,]*, "${name}"\\)`),
    )
  ),
  has(
    "devices lists devices that MUST be available in the container",
    device({}),
    /mknodat\(<target>, "own", /,
  ),
  has("type of device: c", device({ type: "c" }), /mknodat\(<target>, "own", S_IFCHR/),
  has("type of device: b", device({ type: "b" }), /mknodat\(<target>, "own", S_IFBLK/),
  has("type of device: u", device({ type: "u" }), /mknodat\(<target>, "own", S_IFCHR/),
  has(
    "type of device: p",
    device({ type: "p", major: undefined, minor: undefined }),
    /mknodat\(<target>, "own", S_IFIFO/,
  ),
  refuses("type of device: c, b, u or p", device({ type: "x" }), /none of b, c, u, p/),
  ...["major", "minor"].map((name) =>
    refuses(
      `${name} (int64, REQUIRED unless type is p)`,
      device({ [name]: undefined }),
      new RegExp(`devices.*${name}`),
    )
  ),
  refuses(
    "allow (boolean, REQUIRED) - whether the entry is allowed or denied",
    linux({ resources: { devices: [{ type: "c", major: 1, minor: 3, access: "r" }] } }),
    /devices.*allow/,
  ),
  refuses(
    "path (string, REQUIRED) - full path to device inside container",
    device({ path: "dev/own" }),
    /no absolute path/,
  ),
  has(
    "The path MAY be anywhere in the container filesystem, notably outside of /dev",
    device({ path: "/data/own" }),
    /\/data\/own/,
  ),
  has(
    "If a file already exists at path that does not match the requested device, the runtime MUST generate an error",
    device({}),
    /statx\(<target>, "own"/,
    /refuse what is at \/dev\/own/,
  ),
  has(
    "fileMode … Note it is a decimal (not an octal) number",
    device({ fileMode: 0o640 }),
    /mknodat\(<target>, "own", S_IFCHR\|0?640/,
  ),
  has(
    "uid - id of device owner in the container namespace",
    device({ uid: 5 }),
    /fchownat\(<target>, "own", 5, 0/,
  ),
  has(
    "gid - id of device group in the container namespace",
    device({ gid: 6 }),
    /fchownat\(<target>, "own", 0, 6/,
  ),
];

const ALLOW = { defaultAction: "SCMP_ACT_ALLOW" };
const seccomp = (fields: Readonly<Record<string, unknown>>) =>
  linux({ seccomp: { ...ALLOW, ...fields } });
const rule = (fields: Readonly<Record<string, unknown>>) =>
  seccomp({ syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO", ...fields }] });
const FILTER = /seccomp\(SECCOMP_SET_MODE_FILTER, /;
const SECCOMP: readonly Sentence[] = [
  ...["KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO", "TRACE", "LOG"].map((name) =>
    has(`syscalls.action: SCMP_ACT_${name}`, rule({ action: `SCMP_ACT_${name}` }), FILTER)
  ),
  lacks(
    "syscalls.action: SCMP_ACT_ALLOW, where all is allowed",
    rule({ action: "SCMP_ACT_ALLOW" }),
    FILTER,
  ),
  has(
    "syscalls.action: SCMP_ACT_NOTIFY",
    seccomp({
      listenerPath: "/agent",
      syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }],
    }),
    /pidfd_getfd\(/,
    /sendmsg\(203, /,
    /shutdown\(203/,
    /seccomp\(SECCOMP_SET_MODE_FILTER, 8/,
  ),
  refuses(
    "SCMP_ACT_NOTIFY: listenerPath specifies the path of UNIX domain socket",
    seccomp({ syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }] }),
    /needs listenerPath/,
  ),
  refuses(
    "listenerMetadata: This field MUST NOT be set if listenerPath is not set",
    seccomp({ listenerMetadata: "x" }),
    /listenerMetadata: it needs listenerPath/,
  ),
  lacks("If the SCMP_ACT_NOTIFY action is not used this value is ignored", {
    ...rule({}),
    ...linux({
      seccomp: {
        ...ALLOW,
        listenerPath: "/agent",
        syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO" }],
      },
    }),
  }, /pidfd_getfd/),
  refuses(
    "defaultAction (string, REQUIRED)",
    seccomp({ defaultAction: undefined }),
    /defaultAction/,
  ),
  refuses(
    "Allowed values are the same as syscalls[].action",
    seccomp({ defaultAction: "SCMP_ACT_X" }),
    /there is no action SCMP_ACT_X/,
  ),
  refuses(
    "defaultErrnoRet: When the action doesn't support an errno, the runtime MUST print and error and fail",
    seccomp({ defaultErrnoRet: 5 }),
    /errnoRet: the action SCMP_ACT_ALLOW has no error/,
  ),
  refuses(
    "errnoRet: When the action doesn't support an errno, the runtime MUST print and error and fail",
    rule({ action: "SCMP_ACT_KILL", errnoRet: 5 }),
    /errnoRet: the action SCMP_ACT_KILL has no error/,
  ),
  has("errnoRet - the errno return code to use", rule({ errnoRet: 38 }), FILTER),
  refuses("names MUST contain at least one entry", rule({ names: [] }), /names.* is empty/),
  refuses(
    "action (string, REQUIRED) - the action for seccomp rules",
    rule({ action: undefined }),
    /action/,
  ),
  ...["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"].map((name) =>
    has(
      `args.op: SCMP_CMP_${name}`,
      rule({ args: [{ index: 1, value: 5, valueTwo: 5, op: `SCMP_CMP_${name}` }] }),
      FILTER,
    )
  ),
  refuses(
    "args.op: A valid list of constants …",
    rule({ args: [{ index: 1, value: 5, op: "SCMP_CMP_X" }] }),
    /there is no operator/,
  ),
  refuses(
    "args.index (uint, REQUIRED) - the index for syscall arguments in seccomp",
    rule({ args: [{ index: 6, value: 5, op: "SCMP_CMP_EQ" }] }),
    /index/,
  ),
  refuses(
    "args.value (uint64, REQUIRED)",
    rule({ args: [{ index: 1, value: -5, op: "SCMP_CMP_EQ" }] }),
    /value/,
  ),
  ...["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"].map((name, i) =>
    has(`flags: SECCOMP_FILTER_FLAG_${name}`, {
      ...seccomp({
        flags: [`SECCOMP_FILTER_FLAG_${name}`],
        syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO" }],
      }),
    }, new RegExp(`seccomp\\(SECCOMP_SET_MODE_FILTER, ${[1, 2, 4, 32][i]}, `))
  ),
  refuses("flags: A valid list of constants …", seccomp({ flags: ["X"] }), /there is no flag X/),
  ..."X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X PARISC PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB"
    .split(" ").map((name) =>
      has(
        `architectures: SCMP_ARCH_${name}`,
        seccomp({
          architectures: [`SCMP_ARCH_${name}`],
          syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO" }],
        }),
        FILTER,
      )
    ),
  refuses(
    "architectures: A valid list of constants …",
    seccomp({ architectures: ["SCMP_ARCH_X"] }),
    /there is no architecture SCMP_ARCH_X/,
  ),
];

const OTHERS: readonly Sentence[] = [
  has("sysctl allows kernel parameters to be modified at runtime for the container", {
    linux: {
      namespaces: [{ type: "mount" }, { type: "network" }],
      sysctl: { "net.ipv4.ip_forward": "1" },
    },
  }, /ip_forward/),
  refuses(
    "sysctl: what is in no namespace would be the host's",
    linux({ sysctl: { "kernel.panic": "1" } }),
    /kernel\.panic/,
  ),
  has(
    "maskedPaths will mask over the provided paths inside the container so that they cannot be read",
    linux({ maskedPaths: ["/proc/kcore"] }),
    /openat2\(<root>, "proc\/kcore"/,
    /open_tree\(AT_FDCWD, "\/dev\/null"/,
  ),
  has(
    "readonlyPaths will set the provided paths as readonly inside the container",
    linux({ readonlyPaths: ["/proc/sys"] }),
    /openat2\(<root>, "proc\/sys"/,
    /MOUNT_ATTR_RDONLY/,
  ),
  ...["shared", "slave", "private", "unbindable"].map((name) =>
    has(
      `rootfsPropagation: ${name}`,
      linux({ rootfsPropagation: name }),
      new RegExp(`mount\\("none", "/", NULL, MS_${name.toUpperCase()}`),
    )
  ),
  refuses(
    "rootfsPropagation: Its value is either shared, slave, private or unbindable",
    linux({ rootfsPropagation: "none" }),
    /rootfsPropagation/,
  ),
  has(
    "personality sets the Linux execution personality: LINUX",
    linux({ personality: { domain: "LINUX" } }),
    /personality\(0\).*set the personality|personality\(PER_LINUX\)|personality\(0\)/,
  ),
  has(
    "personality sets the Linux execution personality: LINUX32",
    linux({ personality: { domain: "LINUX32" } }),
    /personality\((8|PER_LINUX32)\)/,
  ),
  refuses(
    "personality.domain: valid values are LINUX and LINUX32",
    linux({ personality: { domain: "BSD" } }),
    /there is no domain BSD/,
  ),
  refuses(
    "intelRdt: If no mounted resctrl pseudo-filesystem is available … the runtime MUST generate an error",
    linux({ intelRdt: { closID: "x" } }),
    /intelRdt/,
  ),
  lacks(
    "If intelRdt is not set, the runtime MUST NOT manipulate any resctrl pseudo-filesystems",
    {},
    /resctrl/,
  ),
  refuses(
    "netDevices … MUST be made available in the container: or nothing is",
    linux({ netDevices: { eth0: {} } }),
    /not yet: linux\.netDevices/,
  ),
  ...[
    "DEFAULT",
    "PREFERRED",
    "BIND",
    "INTERLEAVE",
    "LOCAL",
    "PREFERRED_MANY",
    "WEIGHTED_INTERLEAVE",
  ].map((name, i) =>
    has(
      `memoryPolicy.mode: MPOL_${name}`,
      linux({ memoryPolicy: { mode: `MPOL_${name}` } }),
      new RegExp(`set_mempolicy\\(${i}, NULL, 0\\)`),
    )
  ),
  ...["NUMA_BALANCING", "RELATIVE_NODES", "STATIC_NODES"].map((name, i) =>
    has(
      `memoryPolicy.flags: MPOL_F_${name}`,
      linux({ memoryPolicy: { mode: "MPOL_BIND", nodes: "0-1", flags: [`MPOL_F_${name}`] } }),
      new RegExp(`set_mempolicy\\(${1 << 13 + i | 2}, \\{`),
    )
  ),
  refuses(
    "memoryPolicy.mode (string, REQUIRED)",
    linux({ memoryPolicy: {} }),
    /memoryPolicy: there is no mode/,
  ),
  refuses(
    "memoryPolicy.flags: a valid list of constants is …",
    linux({ memoryPolicy: { mode: "MPOL_BIND", flags: ["X"] } }),
    /memoryPolicy: there is no flag X/,
  ),
  refuses(
    "memoryPolicy.nodes: a comma-separated list, with dashes to represent ranges",
    linux({ memoryPolicy: { mode: "MPOL_BIND", nodes: "a" } }),
    /memoryPolicy\.nodes/,
  ),
  refuses(
    "cgroupsPath: Runtimes MAY consider certain cgroupsPath values to be invalid, and MUST generate an error if this is the case",
    linux({ cgroupsPath: "/../up" }),
    /cgroupsPath/,
  ),
];

/** All of them. */
export const LINUX_SENTENCES = [...MOUNTS, ...NAMESPACES, ...DEVICES, ...SECCOMP, ...OTHERS];
