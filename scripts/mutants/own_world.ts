/**
 * A world of its own for each run of a test: a program with a fault in it may kill, delete or leave anything.
 *
 * Network, mounts, PIDs and IPC are its own; so are /run, CNI's addresses and the directory of temporary files. What is still
 * running at the end is killed by the kernel, with the first process of the PID namespace. Cgroups are the host's. Mounts in
 * /run are shared, as systemd makes them.
 */
import { shellQuoted } from "./shell_quoted.ts";

/** Mounts of the world: sysfs shows the links of its own network; the host's cgroups stay where they are. */
const MOUNTS = `
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run
mount --make-shared /run
mkdir -p /run/lock /run/netns /run/cgroups /var/lib/cni
mount -t tmpfs tmpfs /var/lib/cni
mount --rbind /sys/fs/cgroup /run/cgroups
mount -t sysfs sysfs /sys
mount --rbind /run/cgroups /sys/fs/cgroup
`;

/** The command that runs another one in a world of its own. */
export function inOwnWorld(command: readonly string[]): readonly string[] {
  const script = `set -e${MOUNTS}exec ${command.map(shellQuoted).join(" ")}`;
  return [
    "unshare",
    ...["--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"],
    ...["--propagation", "private", "sh", "-c", script],
  ];
}
