/** A configuration to begin with: `rkt oci spec` (config.md, "Configuration Schema Example"). */
const CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

const mount = (destination: string, type: string, options: readonly string[], source = type) => ({
  destination,
  type,
  source,
  options,
});

const INERT = ["nosuid", "noexec", "nodev"];

/** @param rootless for a user other than root, who is its root */
export const defaultSpec = (rootless: boolean) => ({
  ociVersion: "1.2.0",
  process: {
    terminal: false,
    user: { uid: 0, gid: 0 },
    args: ["sh"],
    env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
    cwd: "/",
    capabilities: {
      bounding: CAPABILITIES,
      effective: CAPABILITIES,
      permitted: CAPABILITIES,
    },
    rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
    noNewPrivileges: true,
  },
  root: { path: "rootfs", readonly: true },
  hostname: "rkt",
  mounts: [
    mount("/proc", "proc", INERT),
    mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    mount("/dev/pts", "devpts", [
      ...["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
      ...rootless ? [] : ["gid=5"],
    ]),
    mount("/dev/shm", "tmpfs", [...INERT, "mode=1777", "size=65536k"], "shm"),
    mount("/dev/mqueue", "mqueue", INERT),
    rootless
      ? mount("/sys", "none", ["rbind", ...INERT, "ro"], "/sys")
      : mount("/sys", "sysfs", [...INERT, "ro"]),
    mount("/sys/fs/cgroup", "cgroup", [...INERT, "relatime", "ro"]),
  ],
  linux: {
    resources: { devices: [{ allow: false, access: "rwm" }] },
    namespaces: [
      ...["pid", "network", "ipc", "uts", "mount", "cgroup"],
      ...rootless ? ["user"] : [],
    ].map((type) => ({ type })),
    ...rootless && {
      uidMappings: [{ containerID: 0, hostID: Deno.uid(), size: 1 }],
      gidMappings: [{ containerID: 0, hostID: Deno.gid(), size: 1 }],
    },
    maskedPaths: [
      ...["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats"],
      ...["/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware"],
      ...["/proc/scsi", "/sys/devices/virtual/powercap"],
    ],
    readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
  },
});
