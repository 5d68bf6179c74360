/**
 * Runs a command as if the host were its own: in a network, processes and mounts of its own, with an empty /run and an empty
 * /var/lib/cni. So files of tests that make pods run beside each other. Cgroups are the host's: those of pods are named after
 * their UUIDs.
 */

/**
 * The shell stays, as the first process: it takes orphans. One that nobody takes would keep the end of a pod waiting, whose PID
 * namespace it is in. The new sysfs shows the links of the new network; cgroups are in it as before.
 */
const SET_UP = `
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/netns /run/cgroups /var/lib/cni
mount -t tmpfs tmpfs /var/lib/cni
mount --rbind /sys/fs/cgroup /run/cgroups
mount -t sysfs sysfs /sys
mount --rbind /run/cgroups /sys/fs/cgroup
code=0
"$@" || code=$?
exit $code
`;

/** Words that stand before a command, as root. What it leaves running is killed with its last word. */
export const APART: readonly string[] = [
  "unshare",
  ...["--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"],
  ...["--propagation", "private"],
  ...["bash", "-ec", SET_UP, "apart"],
];
