/**
 * The system calls that plans use: their numbers, and what their arguments are, for the printer.
 * Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
 */
import type { Architecture } from "./machine/engine.ts";

/**
 * What an argument is. A prefix of constants (`"O_"`) means flags of that family,
 * `"=PR_"` one constant of it; {@linkcode print} decodes them.
 */
export type Parameter = "int" | "octal" | "size" | "fd" | "pointer" | "signal" | "pid" | string;

interface Syscall<P extends readonly Parameter[] = readonly Parameter[]> {
  readonly x86_64: number;
  readonly aarch64: number;
  readonly parameters: P;
}

const call = <const P extends readonly Parameter[]>(
  x86_64: number,
  aarch64: number,
  ...parameters: P
): Syscall<P> => ({ x86_64, aarch64, parameters });

// deno-fmt-ignore
export const SYSCALLS = {
  bind: call(49, 200, "fd", "pointer", "size"),
  bpf: call(321, 280, "=BPF_PROG_LOAD|BPF_PROG_ATTACH", "pointer", "size"),
  capget: call(125, 90, "pointer", "pointer"),
  capset: call(126, 91, "pointer", "pointer"),
  chdir: call(80, 49, "pointer"),
  chroot: call(161, 51, "pointer"),
  clock_gettime: call(228, 113, "=CLOCK_", "pointer"),
  clock_nanosleep: call(230, 115, "=CLOCK_", "=TIMER_", "pointer", "pointer"),
  clone: call(56, 220, "CLONE_|signal", "pointer", "pointer", "pointer", "pointer"),
  clone3: call(435, 435, "pointer", "size"),
  close: call(3, 57, "fd"),
  close_range: call(436, 436, "int", "int", "int"),
  connect: call(42, 203, "fd", "pointer", "size"),
  dup3: call(292, 24, "fd", "fd", "O_"),
  execve: call(59, 221, "pointer", "pointer", "pointer"),
  execveat: call(322, 281, "fd", "pointer", "pointer", "pointer", "AT_"),
  exit_group: call(231, 94, "int"),
  faccessat2: call(439, 439, "fd", "pointer", "int", "AT_"),
  fchdir: call(81, 50, "fd"),
  fchmodat: call(268, 53, "fd", "pointer", "octal"),
  fchownat: call(260, 54, "fd", "pointer", "int", "int", "AT_"),
  fcntl: call(72, 25, "fd", "=F_", "O_"),
  flock: call(73, 32, "fd", "LOCK_"),
  fsconfig: call(431, 431, "fd", "=FSCONFIG_", "pointer", "pointer", "int"),
  fsmount: call(432, 432, "fd", "FSMOUNT_", "MOUNT_ATTR_"),
  fsopen: call(430, 430, "pointer", "FSOPEN_"),
  fstatfs: call(138, 44, "fd", "pointer"),
  ftruncate: call(77, 46, "fd", "size"),
  getcwd: call(79, 17, "pointer", "size"),
  getdents64: call(217, 61, "fd", "pointer", "size"),
  getsockname: call(51, 204, "fd", "pointer", "pointer"),
  getsockopt: call(55, 209, "fd", "int", "int", "pointer", "pointer"),
  getpid: call(39, 172),
  getppid: call(110, 173),
  getrandom: call(318, 278, "pointer", "size", "int"),
  getxattr: call(191, 8, "pointer", "pointer", "pointer", "size"),
  inotify_add_watch: call(254, 27, "fd", "pointer", "IN_"),
  inotify_init1: call(294, 26, "O_"),
  ioprio_set: call(251, 30, "int", "pid", "int"),
  ioctl: call(16, 29, "fd", "=TIOC|TCGETS|TCSETSW|SIOC", "pointer"),
  keyctl: call(250, 219, "=KEYCTL_", "pointer"),
  kill: call(62, 129, "pid", "signal"),
  linkat: call(265, 37, "fd", "pointer", "fd", "pointer", "AT_"),
  madvise: call(28, 233, "size", "size", "=MADV_"),
  landlock_add_rule: call(445, 445, "fd", "=LANDLOCK_RULE_", "pointer", "int"),
  landlock_create_ruleset: call(444, 444, "pointer", "size", "int"),
  landlock_restrict_self: call(446, 446, "fd", "int"),
  memfd_create: call(319, 279, "pointer", "MFD_"),
  mkdirat: call(258, 34, "fd", "pointer", "octal"),
  mknodat: call(259, 33, "fd", "pointer", "mode", "device"),
  mmap: call(9, 222, "size", "size", "PROT_", "MAP_", "fd", "size"),
  mount: call(165, 40, "pointer", "pointer", "pointer", "MS_", "pointer"),
  lseek: call(8, 62, "fd", "number", "SEEK_"),
  mount_setattr: call(442, 442, "fd", "pointer", "AT_", "pointer", "size"),
  move_mount: call(429, 429, "fd", "pointer", "fd", "pointer", "MOVE_MOUNT_"),
  munmap: call(11, 215, "size", "size"),
  open_tree: call(428, 428, "fd", "pointer", "OPEN_TREE_|AT_"),
  openat: call(257, 56, "fd", "pointer", "O_", "octal"),
  openat2: call(437, 437, "fd", "pointer", "pointer", "size"),
  pidfd_getfd: call(438, 438, "fd", "int", "int"),
  pidfd_open: call(434, 434, "pid", "int"),
  pidfd_send_signal: call(424, 424, "fd", "signal", "pointer", "int"),
  pipe2: call(293, 59, "pointer", "O_"),
  pivot_root: call(155, 41, "pointer", "pointer"),
  ppoll: call(271, 73, "pointer", "size", "pointer", "pointer", "size"),
  personality: call(135, 92, "int"),
  prctl: call(157, 167, "=PR_", "int", "int", "int", "int"),
  pread64: call(17, 67, "fd", "pointer", "size", "size"),
  prlimit64: call(302, 261, "pid", "=RLIMIT_", "pointer", "pointer"),
  pwrite64: call(18, 68, "fd", "pointer", "size", "size"),
  pwritev: call(296, 70, "fd", "pointer", "size", "size", "size"),
  read: call(0, 63, "fd", "pointer", "size"),
  readlinkat: call(267, 78, "fd", "pointer", "pointer", "size"),
  recvfrom: call(45, 207, "fd", "pointer", "size", "MSG_", "pointer", "pointer"),
  recvmsg: call(47, 212, "fd", "pointer", "MSG_"),
  renameat2: call(316, 276, "fd", "pointer", "fd", "pointer", "RENAME_"),
  rt_sigaction: call(13, 134, "signal", "pointer", "pointer", "size"),
  rt_sigprocmask: call(14, 135, "=SIG_", "pointer", "pointer", "size"),
  rt_sigtimedwait: call(128, 137, "pointer", "pointer", "pointer", "size"),
  sched_setaffinity: call(203, 122, "pid", "size", "pointer"),
  sched_setattr: call(314, 274, "pid", "pointer", "int"),
  seccomp: call(317, 277, "=SECCOMP_", "int", "pointer"),
  sendfile: call(40, 71, "fd", "fd", "pointer", "size"),
  sendmsg: call(46, 211, "fd", "pointer", "MSG_"),
  set_mempolicy: call(238, 237, "int", "pointer", "int"),
  setdomainname: call(171, 162, "pointer", "size"),
  setgroups: call(116, 159, "size", "pointer"),
  sethostname: call(170, 161, "pointer", "size"),
  setitimer: call(38, 103, "=ITIMER_", "pointer", "pointer"),
  setpgid: call(109, 154, "pid", "pid"),
  setresgid: call(119, 149, "int", "int", "int"),
  setresuid: call(117, 147, "int", "int", "int"),
  setsid: call(112, 157),
  shutdown: call(48, 210, "fd", "=SHUT_"),
  sendto: call(44, 206, "fd", "pointer", "size", "MSG_", "pointer", "size"),
  setns: call(308, 268, "fd", "CLONE_"),
  setxattr: call(188, 5, "pointer", "pointer", "pointer", "size", "int"),
  signalfd4: call(289, 74, "fd", "pointer", "size", "O_"),
  socket: call(41, 198, "=AF_", "SOCK_", "int"),
  socketpair: call(53, 199, "=AF_", "SOCK_", "int", "pointer"),
  statx: call(332, 291, "fd", "pointer", "AT_", "int", "pointer"),
  symlinkat: call(266, 36, "pointer", "fd", "pointer"),
  timer_create: call(222, 107, "=CLOCK_", "pointer", "pointer"),
  timer_gettime: call(224, 108, "int", "pointer"),
  timer_settime: call(223, 110, "int", "int", "pointer", "pointer"),
  umask: call(95, 166, "octal"),
  umount2: call(166, 39, "pointer", "MNT_"),
  unlinkat: call(263, 35, "fd", "pointer", "AT_"),
  unshare: call(272, 97, "CLONE_"),
  utimensat: call(280, 88, "fd", "pointer", "pointer", "AT_"),
  wait4: call(61, 260, "pid", "pointer", "WNOHANG|__WALL", "pointer"),
  write: call(1, 64, "fd", "pointer", "size"),
  writev: call(20, 66, "fd", "pointer", "size"),
} as const satisfies Record<string, Syscall>;

/** The name of a system call that plans can make. */
export type SyscallName = keyof typeof SYSCALLS;

/** What the engine does itself; the numbers are those of its source. */
export const OPERATIONS = {
  let: -1,
  add: -2,
  sub: -3,
  and: -4,
  shl: -5,
  shr: -6,
  load: -7,
  put: -8,
  branchSource: -9,
  branchValue: -10,
  goto: -11,
  return: -12,
  same: -13,
  hash: -14,
  length: -15,
  leave: -16,
  digest: -17,
} as const;

/** The name of an operation of the engine. */
export type OperationName = keyof typeof OPERATIONS;

/** How many arguments the operations take: the least and the most. */
export const OPERATION_ARGUMENTS = {
  let: [0, 1],
  add: [2, 2],
  sub: [2, 2],
  and: [2, 2],
  shl: [2, 2],
  shr: [2, 2],
  load: [1, 1],
  put: [2, 2],
  branchSource: [0, 0],
  branchValue: [0, 0],
  goto: [1, 1],
  return: [0, 0],
  same: [3, 3],
  hash: [3, 3],
  length: [1, 1],
  leave: [2, 2],
  digest: [3, 3],
} as const satisfies Record<OperationName, readonly [number, number]>;

/** Whether a name is that of a system call, and not of an operation. */
export const isSyscall = (name: SyscallName | OperationName): name is SyscallName =>
  Object.hasOwn(SYSCALLS, name);

/** The system calls that take fewer arguments than there are registers for. */
const SHORT: ReadonlySet<string> = new Set(
  Object.entries(SYSCALLS).filter(([, { parameters }]) => parameters.length < 6)
    .map(([name]) => name),
);

/** Whether it is a system call to which what the last register of arguments holds is nothing. */
export const leavesLastRegister = (name: SyscallName | OperationName): boolean => SHORT.has(name);

/** The number that the engine wants for a call or operation. */
export function callNumber(name: SyscallName | OperationName, architecture: Architecture): number {
  return name in OPERATIONS
    ? OPERATIONS[name as OperationName]
    : SYSCALLS[name as SyscallName][architecture];
}
