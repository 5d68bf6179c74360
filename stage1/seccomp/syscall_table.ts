/**
 * Every system call of Linux 6.18 on x86_64 and aarch64, whether an app may make it by default, and why. The numbers
 * are those of arch/x86/entry/syscalls/syscall_64.tbl and scripts/syscall.tbl.
 *
 * The rule: a call that ordinary programs need is allowed if the kernel itself confines it to the pod. A call that acts
 * on the host, on other pods, or on parts of the kernel that are known for vulnerabilities is refused. If it belongs to
 * a capability, an app with that capability may make it.
 */
/** A check of the call's arguments; see argument_checks.ts. */
export type CheckName = "clone" | "unshare" | "personality" | "socket" | "ioctl";

/** What happens to a call by default. */
export type Verdict =
  | { readonly kind: "allow" }
  /** Allowed to apps that have one of these capabilities. */
  | {
    readonly kind: "needs";
    readonly capabilities: readonly string[];
    readonly errno: "EPERM" | "ENOSYS";
  }
  | { readonly kind: "check"; readonly check: CheckName }
  | { readonly kind: "refuse"; readonly errno: "EPERM" | "ENOSYS" };

/** Calls of one kind. */
export interface SyscallClass {
  readonly name: string;
  readonly reason: string;
  readonly verdict: Verdict;
  /** Names, each with its number on x86_64 and on aarch64, or `-` where there is none. */
  readonly calls: string;
}

const ALLOWED: Verdict = { kind: "allow" };
const needs = (...capabilities: string[]): Verdict => ({
  kind: "needs",
  capabilities,
  errno: "EPERM",
});
/** Without CAP_SYS_ADMIN, as if the kernel had no such call. */
const ABSENT: Verdict = { kind: "needs", capabilities: ["CAP_SYS_ADMIN"], errno: "ENOSYS" };
const check = (name: CheckName): Verdict => ({ kind: "check", check: name });
const refuse = (errno: "EPERM" | "ENOSYS"): Verdict => ({ kind: "refuse", errno });

/** The table. */
export const SYSCALL_CLASSES: readonly SyscallClass[] = [
  {
    name: "descriptors",
    verdict: ALLOWED,
    reason: "They act on descriptors that the app has already.",
    calls:
      `read 0 63, write 1 64, readv 19 65, writev 20 66, pread64 17 67, pwrite64 18 68, preadv 295 69,
      pwritev 296 70, preadv2 327 286, pwritev2 328 287, lseek 8 62, close 3 57, close_range 436 436,
      dup 32 23, dup2 33 -, dup3 292 24, fcntl 72 25, flock 73 32, pipe 22 -, pipe2 293 59,
      sendfile 40 71, splice 275 76, tee 276 77, copy_file_range 326 285, fsync 74 82, fdatasync 75 83,
      sync 162 81, syncfs 306 267, sync_file_range 277 84, readahead 187 213, fadvise64 221 223,
      fallocate 285 47, ftruncate 77 46, cachestat 451 451`,
  },
  {
    name: "waiting",
    verdict: ALLOWED,
    reason: "They wait for descriptors, timers and changes of files that the app can reach.",
    calls:
      `poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72, epoll_create 213 -, epoll_create1 291 20,
      epoll_ctl 233 21, epoll_wait 232 -, epoll_pwait 281 22, epoll_pwait2 441 441, eventfd 284 -,
      eventfd2 290 19, signalfd 282 -, signalfd4 289 74, timerfd_create 283 85, timerfd_settime 286 86,
      timerfd_gettime 287 87, inotify_init 253 -, inotify_init1 294 26, inotify_add_watch 254 27,
      inotify_rm_watch 255 28, io_setup 206 0, io_destroy 207 1, io_submit 209 2, io_cancel 210 3,
      io_getevents 208 4, io_pgetevents 333 292`,
  },
  {
    name: "files",
    verdict: ALLOWED,
    reason:
      "What they reach is decided by the app's root, its mounts (nodev) and the permissions of files.",
    calls: `open 2 -, openat 257 56, openat2 437 437, creat 85 -, access 21 -, faccessat 269 48,
      faccessat2 439 439, stat 4 -, lstat 6 -, fstat 5 80, newfstatat 262 79, statx 332 291,
      statfs 137 43, fstatfs 138 44, readlink 89 -, readlinkat 267 78, getcwd 79 17, chdir 80 49,
      fchdir 81 50, mkdir 83 -, mkdirat 258 34, rmdir 84 -, unlink 87 -, unlinkat 263 35, rename 82 -,
      renameat 264 38, renameat2 316 276, link 86 -, linkat 265 37, symlink 88 -, symlinkat 266 36,
      chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452, chown 92 -, fchown 93 55,
      lchown 94 -, fchownat 260 54, utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88,
      truncate 76 45, mknod 133 -, mknodat 259 33, umask 95 166, getdents 78 -, getdents64 217 61,
      name_to_handle_at 303 264, file_getattr 468 468, file_setattr 469 469`,
  },
  {
    name: "extended attributes",
    verdict: ALLOWED,
    reason:
      "As the other calls on files; attributes with a power of their own need a capability in the kernel.",
    calls: `getxattr 191 8, lgetxattr 192 9, fgetxattr 193 10, getxattrat 464 464, setxattr 188 5,
      lsetxattr 189 6, fsetxattr 190 7, setxattrat 463 463, listxattr 194 11, llistxattr 195 12,
      flistxattr 196 13, listxattrat 465 465, removexattr 197 14, lremovexattr 198 15,
      fremovexattr 199 16, removexattrat 466 466`,
  },
  {
    name: "seeing mounts",
    verdict: ALLOWED,
    reason: "They tell of the app's own mounts what /proc/self/mountinfo tells.",
    calls: `statmount 457 457, listmount 458 458`,
  },
  {
    name: "memory",
    verdict: ALLOWED,
    reason: "They change the memory of the caller alone.",
    calls: `mmap 9 222, mprotect 10 226, munmap 11 215, mremap 25 216, brk 12 214, madvise 28 233,
      mincore 27 232, msync 26 227, mlock 149 228, mlock2 325 284, mlockall 151 230, munlock 150 229,
      munlockall 152 231, memfd_create 319 279, memfd_secret 447 447, remap_file_pages 216 234,
      pkey_alloc 330 289, pkey_free 331 290, pkey_mprotect 329 288, mseal 462 462,
      map_shadow_stack 453 453, membarrier 324 283, process_mrelease 448 448`,
  },
  {
    name: "processes",
    verdict: ALLOWED,
    reason: "They make, run, wait for and end processes of the pod's own PID namespace.",
    calls: `fork 57 -, vfork 58 -, execve 59 221, execveat 322 281, exit 60 93, exit_group 231 94,
      wait4 61 260, waitid 247 95, kill 62 129, tkill 200 130, tgkill 234 131, pidfd_open 434 434,
      pidfd_send_signal 424 424, getpid 39 172, getppid 110 173, gettid 186 178, getpgid 121 155,
      getpgrp 111 -, getsid 124 156, setpgid 109 154, setsid 112 157, set_tid_address 218 96,
      arch_prctl 158 -, prctl 157 167, restart_syscall 219 128, rseq 334 293`,
  },
  {
    name: "threads",
    verdict: ALLOWED,
    reason: "They let threads of the app wait for each other.",
    calls:
      `futex 202 98, futex_waitv 449 449, futex_wake 454 454, futex_wait 455 455, futex_requeue 456 456,
      set_robust_list 273 99, get_robust_list 274 100`,
  },
  {
    name: "scheduling",
    verdict: ALLOWED,
    reason:
      "What would take from others (real time, negative nice values, more than the limits) needs a capability in the kernel.",
    calls:
      `sched_yield 24 124, sched_getaffinity 204 123, sched_setaffinity 203 122, sched_getparam 143 121,
      sched_setparam 142 118, sched_getscheduler 145 120, sched_setscheduler 144 119,
      sched_getattr 315 275, sched_setattr 314 274, sched_get_priority_max 146 125,
      sched_get_priority_min 147 126, sched_rr_get_interval 148 127, getpriority 140 141,
      setpriority 141 140, ioprio_get 252 31, ioprio_set 251 30, getcpu 309 168, getrlimit 97 163,
      setrlimit 160 164, prlimit64 302 261, getrusage 98 165, times 100 153, sysinfo 99 179,
      uname 63 160`,
  },
  {
    name: "signals",
    verdict: ALLOWED,
    reason: "They handle and send signals within the pod.",
    calls:
      `rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigpending 127 136, rt_sigsuspend 130 133,
      rt_sigtimedwait 128 137, rt_sigreturn 15 139, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240,
      sigaltstack 131 132, pause 34 -`,
  },
  {
    name: "time",
    verdict: ALLOWED,
    reason: "They read clocks and set the app's own timers.",
    calls: `clock_gettime 228 113, clock_getres 229 114, clock_nanosleep 230 115, nanosleep 35 101,
      gettimeofday 96 169, time 201 -, alarm 37 -, getitimer 36 102, setitimer 38 103,
      timer_create 222 107, timer_delete 226 111, timer_settime 223 110, timer_gettime 224 108,
      timer_getoverrun 225 109`,
  },
  {
    name: "identity",
    verdict: ALLOWED,
    reason:
      "Gaining anything by them needs a capability in the kernel, and the bounding set bounds it.",
    calls: `getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177, getresuid 118 148,
      getresgid 120 150, getgroups 115 158, setuid 105 146, setgid 106 144, setreuid 113 145,
      setregid 114 143, setresuid 117 147, setresgid 119 149, setfsuid 122 151, setfsgid 123 152,
      setgroups 116 159, capget 125 90, capset 126 91`,
  },
  {
    name: "sockets",
    verdict: ALLOWED,
    reason: "They act on sockets that exist; `socket` decides which may.",
    calls:
      `socketpair 53 199, bind 49 200, connect 42 203, listen 50 201, accept 43 202, accept4 288 242,
      getsockname 51 204, getpeername 52 205, sendto 44 206, recvfrom 45 207, sendmsg 46 211,
      recvmsg 47 212, sendmmsg 307 269, recvmmsg 299 243, setsockopt 54 208, getsockopt 55 209,
      shutdown 48 210`,
  },
  {
    name: "IPC",
    verdict: ALLOWED,
    reason: "The objects are those of the pod's own IPC namespace.",
    calls: `shmget 29 194, shmat 30 196, shmctl 31 195, shmdt 67 197, semget 64 190, semop 65 193,
      semctl 66 191, semtimedop 220 192, msgget 68 186, msgsnd 69 189, msgrcv 70 188, msgctl 71 187,
      mq_open 240 180, mq_unlink 241 181, mq_timedsend 242 182, mq_timedreceive 243 183,
      mq_notify 244 184, mq_getsetattr 245 185`,
  },
  {
    name: "random numbers",
    verdict: ALLOWED,
    reason: "They only give.",
    calls: `getrandom 318 278`,
  },
  {
    name: "restricting oneself",
    verdict: ALLOWED,
    reason: "They only take away; so an app can confine itself further.",
    calls: `seccomp 317 277, landlock_create_ruleset 444 444, landlock_add_rule 445 445,
      landlock_restrict_self 446 446, lsm_get_self_attr 459 459, lsm_set_self_attr 460 460,
      lsm_list_modules 461 461`,
  },
  {
    name: "probes of the host",
    verdict: ALLOWED,
    reason:
      "The kernel's own trampolines make them where the host traces the app; elsewhere they do nothing.",
    calls: `uretprobe 335 -, uprobe 336 -`,
  },
  {
    name: "new processes with namespaces",
    verdict: check("clone"),
    reason:
      "A new user namespace opens the parts of the kernel that are for root; flags of namespaces are refused.",
    calls: `clone 56 220`,
  },
  {
    name: "new namespaces",
    verdict: check("unshare"),
    reason: "As clone; not sharing files or the working directory between threads is harmless.",
    calls: `unshare 272 97`,
  },
  {
    name: "clone3",
    verdict: ABSENT,
    reason:
      "Its flags lie in memory, where no filter sees them; at ENOSYS the C libraries use clone.",
    calls: `clone3 435 435`,
  },
  {
    name: "personality",
    verdict: check("personality"),
    reason:
      "Its bits switch off protections of memory and bring back old behaviour; only the harmless values pass.",
    calls: `personality 135 92`,
  },
  {
    name: "families of sockets",
    verdict: check("socket"),
    reason:
      "Others load modules of little use and long lists of holes, or reach past the network namespace (AF_VSOCK).",
    calls: `socket 41 198`,
  },
  {
    name: "ioctl",
    verdict: check("ioctl"),
    reason:
      "TIOCSTI and TIOCLINUX type into a terminal that the app shares with its caller; TIOCSETD loads line disciplines.",
    calls: `ioctl 16 29`,
  },
  {
    name: "change of the root",
    verdict: needs("CAP_SYS_CHROOT"),
    reason: "It is that capability's one use.",
    calls: `chroot 161 51`,
  },
  {
    name: "mounting",
    verdict: needs("CAP_SYS_ADMIN"),
    reason:
      "Mounts could uncover what is protected; the kernel's parsers of file systems are no border.",
    calls:
      `mount 165 40, umount2 166 39, pivot_root 155 41, fsopen 430 430, fsconfig 431 431, fsmount 432 432,
      fspick 433 433, move_mount 429 429, open_tree 428 428, open_tree_attr 467 467,
      mount_setattr 442 442`,
  },
  {
    name: "namespaces of others",
    verdict: needs("CAP_SYS_ADMIN"),
    reason: "It enters namespaces by descriptors.",
    calls: `setns 308 268`,
  },
  {
    name: "names of the host",
    verdict: needs("CAP_SYS_ADMIN"),
    reason: "The host name belongs to the pod, not to one app.",
    calls: `sethostname 170 161, setdomainname 171 162`,
  },
  {
    name: "administration of file systems",
    verdict: needs("CAP_SYS_ADMIN"),
    reason: "Quotas, swap and the watching of whole file systems are the host's.",
    calls:
      `quotactl 179 60, quotactl_fd 443 443, swapon 167 224, swapoff 168 225, fanotify_init 300 262,
      fanotify_mark 301 263`,
  },
  {
    name: "programs in the kernel",
    verdict: needs("CAP_SYS_ADMIN", "CAP_BPF"),
    reason: "The verifier of eBPF is a large target.",
    calls: `bpf 321 280`,
  },
  {
    name: "performance events",
    verdict: needs("CAP_SYS_ADMIN", "CAP_PERFMON"),
    reason: "They measure the kernel and other processes, and have had many holes.",
    calls: `perf_event_open 298 241`,
  },
  {
    name: "files by handle",
    verdict: needs("CAP_DAC_READ_SEARCH"),
    reason: "A handle names any file of a file system, past every root and mount.",
    calls: `open_by_handle_at 304 265`,
  },
  {
    name: "other processes",
    verdict: needs("CAP_SYS_PTRACE"),
    reason: "They read and change other processes; the apps of a pod see each other.",
    calls:
      `ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, process_madvise 440 440,
      kcmp 312 272, pidfd_getfd 438 438`,
  },
  {
    name: "page faults",
    verdict: needs("CAP_SYS_PTRACE"),
    reason: "Holding the kernel up in a page fault is what turns races into exploits.",
    calls: `userfaultfd 323 282`,
  },
  {
    name: "memory of several nodes",
    verdict: needs("CAP_SYS_NICE"),
    reason: "They move memory between nodes, also of others; few programs want it.",
    calls:
      `get_mempolicy 239 236, set_mempolicy 238 237, set_mempolicy_home_node 450 450, mbind 237 235,
      migrate_pages 256 238, move_pages 279 239`,
  },
  {
    name: "setting clocks",
    verdict: needs("CAP_SYS_TIME"),
    reason: "The clock is the host's.",
    calls: `settimeofday 164 170, clock_settime 227 112, adjtimex 159 171, clock_adjtime 305 266`,
  },
  {
    name: "modules",
    verdict: needs("CAP_SYS_MODULE"),
    reason: "They are the kernel.",
    calls: `init_module 175 105, finit_module 313 273, delete_module 176 106`,
  },
  {
    name: "booting",
    verdict: needs("CAP_SYS_BOOT"),
    reason: "They end or replace the kernel.",
    calls: `reboot 169 142, kexec_load 246 104, kexec_file_load 320 294`,
  },
  {
    name: "ports",
    verdict: needs("CAP_SYS_RAWIO"),
    reason: "They reach the hardware.",
    calls: `iopl 172 -, ioperm 173 -`,
  },
  {
    name: "accounting",
    verdict: needs("CAP_SYS_PACCT"),
    reason: "It writes for the whole host.",
    calls: `acct 163 89`,
  },
  {
    name: "messages of the kernel",
    verdict: needs("CAP_SYSLOG"),
    reason: "They show addresses and what the host does.",
    calls: `syslog 103 116`,
  },
  {
    name: "hanging up",
    verdict: needs("CAP_SYS_TTY_CONFIG"),
    reason: "It takes a terminal from others.",
    calls: `vhangup 153 58`,
  },
  {
    name: "keyrings",
    verdict: refuse("EPERM"),
    reason: "Keys belong to user IDs of the host, and no namespace divides them.",
    calls: `add_key 248 217, request_key 249 218, keyctl 250 219`,
  },
  {
    name: "io_uring",
    verdict: refuse("ENOSYS"),
    reason:
      "It makes other calls past this filter, and is the kernel's richest source of holes; programs fall back at ENOSYS.",
    calls: `io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427`,
  },
  {
    name: "gifts of memory",
    verdict: refuse("EPERM"),
    reason: "It maps the app's pages into pipes; it had holes, and hardly any program uses it.",
    calls: `vmsplice 278 75`,
  },
  {
    name: "segments",
    verdict: refuse("ENOSYS"),
    reason: "Only code of 16 and 32 bits needs them, and that may make no call here.",
    calls: `modify_ldt 154 -, set_thread_area 205 -, get_thread_area 211 -`,
  },
  {
    name: "obsolete",
    verdict: refuse("ENOSYS"),
    reason: "The kernel, or every program, has given them up.",
    calls:
      `_sysctl 156 -, afs_syscall 183 -, create_module 174 -, epoll_ctl_old 214 -, epoll_wait_old 215 -,
      get_kernel_syms 177 -, getpmsg 181 -, lookup_dcookie 212 18, nfsservctl 180 42, putpmsg 182 -,
      query_module 178 -, security 185 -, sysfs 139 -, tuxcall 184 -, uselib 134 -, ustat 136 -,
      vserver 236 -`,
  },
];

/**
 * Names of calls that neither machine has: those of 32-bit and other machines. Sets of isolators may name them; they
 * have no effect here.
 */
export const FOREIGN_NAMES: ReadonlySet<string> = new Set(
  `_llseek _newselect arm_fadvise64_64 arm_sync_file_range bdflush break breakpoint cacheflush
    chown32 clock_adjtime64 clock_getres_time64 clock_gettime64 clock_nanosleep_time64
    clock_settime64 fadvise64_64 fchown32 fcntl64 fstat64 fstatat64 fstatfs64 ftime ftruncate64
    futex_time64 getegid32 geteuid32 getgid32 getgroups32 getresgid32 getresuid32 getuid32 gtty
    idle io_pgetevents_time64 ipc lchown32 lock lstat64 mmap2 mpx mq_timedreceive_time64
    mq_timedsend_time64 nice oldfstat oldlstat oldolduname oldstat olduname pciconfig_iobase
    pciconfig_read pciconfig_write ppoll_time64 prof profil pselect6_time64 readdir recv
    recvmmsg_time64 rt_sigtimedwait_time64 s390_pci_mmio_read s390_pci_mmio_write
    s390_runtime_instr sched_rr_get_interval_time64 semtimedop_time64 send sendfile64 set_tls
    setfsgid32 setfsuid32 setgid32 setgroups32 setregid32 setresgid32 setresuid32 setreuid32
    setuid32 sgetmask sigaction signal sigpending sigprocmask sigreturn sigsuspend socketcall
    ssetmask stat64 statfs64 stime stty swapcontext sync_file_range2 timer_gettime64
    timer_settime64 timerfd_gettime64 timerfd_settime64 truncate64 ugetrlimit ulimit umount
    utimensat_time64 vm86 vm86old waitpid`.split(/\s+/),
);
