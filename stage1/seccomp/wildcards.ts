/**
 * The wildcards of seccomp sets. Those of `@systemd/` are systemd's groups of these names (`systemd-analyze
 * syscall-filter` shows them); those of `@docker/` are rkt's own lists with the same purpose.
 */

const names = (text: string): readonly string[] => text.split(" ");

const CLOCK = names("adjtimex clock_adjtime clock_settime settimeofday");
const RAW_IO = names("ioperm iopl");

/** Groups of calls by wildcard. */
export const GROUPS: Readonly<Record<string, readonly string[]>> = {
  "@systemd/clock": CLOCK,
  "@systemd/default-whitelist": names(
    "arch_prctl brk clock_getres clock_gettime clock_nanosleep execve exit exit_group futex " +
      "futex_waitv get_robust_list get_thread_area getegid geteuid getgid getgroups getpgid " +
      "getpgrp getpid getppid getrandom getresgid getresuid getrlimit getsid gettid gettimeofday " +
      "getuid membarrier mmap mprotect munmap nanosleep pause prlimit64 restart_syscall rseq " +
      "rt_sigreturn sched_getaffinity sched_yield set_robust_list set_thread_area " +
      "set_tid_address time uretprobe",
  ),
  "@systemd/mount": names(
    "chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree " +
      "open_tree_attr pivot_root umount2",
  ),
  "@systemd/network-io": names(
    "accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg " +
      "recvmsg sendmmsg sendmsg sendto setsockopt shutdown socket socketpair",
  ),
  "@systemd/obsolete": names(
    "_sysctl afs_syscall create_module get_kernel_syms getpmsg putpmsg query_module security " +
      "sysfs tuxcall uselib ustat vserver",
  ),
  "@systemd/privileged": [
    ...CLOCK,
    ...RAW_IO,
    ...names(
      "_sysctl acct bpf capset chown chroot delete_module fanotify_init fanotify_mark fchown " +
        "fchownat finit_module init_module kexec_file_load kexec_load lchown nfsservctl " +
        "open_by_handle_at pivot_root quotactl quotactl_fd reboot setdomainname setfsuid " +
        "setgroups sethostname setresuid setreuid setuid swapoff swapon vhangup",
    ),
  ],
  "@systemd/process": names(
    "capget clone clone3 execveat fork getrusage kill pidfd_open pidfd_send_signal prctl " +
      "rt_sigqueueinfo rt_tgsigqueueinfo setns tgkill times tkill unshare vfork wait4 waitid",
  ),
  "@systemd/raw-io": RAW_IO,
  "@appc.io/empty": [],
};

/** The calls that the default allows. */
export const WHITELISTS: ReadonlySet<string> = new Set([
  "@rkt/default-whitelist",
  "@docker/default-whitelist",
]);

/** The calls that the default refuses. */
export const BLACKLISTS: ReadonlySet<string> = new Set([
  "@rkt/default-blacklist",
  "@docker/default-blacklist",
]);

/** Every call. */
export const ALL = "@appc.io/all";

/** Whether a wildcard is one of those above. */
export const isWildcard = (name: string): boolean =>
  name === ALL || Object.hasOwn(GROUPS, name) || WHITELISTS.has(name) || BLACKLISTS.has(name);
