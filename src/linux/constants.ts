/**
 * The kernel's constants by their headers' names, once for all of rkt: for system calls that rkt makes, and for
 * those in plans (stage1/engine/print.ts finds names here by their prefix and value). Error numbers are in errno.ts, the
 * fields of `struct statx` in statx.ts; numbers of messages of netlink, which nothing else needs, in src/net/kernel.
 */
import { O_CLOEXEC, O_DIRECTORY } from "./early_constants.ts";

export * from "./early_constants.ts";

// include/uapi/asm-generic/fcntl.h, include/uapi/linux/fcntl.h
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_ACCMODE = 3;
export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_ASYNC = 0o20000;
export const O_PATH = 0o10000000;
export const O_TMPFILE = 0o20000000 | O_DIRECTORY;
export const F_DUPFD = 0;
export const F_GETFD = 1;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_GETLK = 5;
export const F_SETLK = 6;
export const F_SETLKW = 7;
export const F_SETOWN = 8;
export const LOCK_UN = 8;
export const AT_REMOVEDIR = 0x200;
export const AT_RECURSIVE = 0x8000;

// include/uapi/linux/sched.h
export const CLONE_NEWTIME = 0x80;
export const CLONE_VM = 0x100;
export const CLONE_FILES = 0x400;
export const CLONE_VFORK = 0x4000;
export const CLONE_PARENT = 0x8000;
export const CLONE_NEWNS = 0x20000;
export const CLONE_NEWCGROUP = 0x2000000;
export const CLONE_NEWUTS = 0x4000000;
export const CLONE_NEWIPC = 0x8000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_INTO_CGROUP = 0x200000000;

// include/uapi/linux/inotify.h
export const IN_DELETE = 0x200;

// include/linux/fs.h (fs_types.h): `d_type` of getdents64(2)
export const DT_DIR = 4;

// include/uapi/linux/fs.h
export const RENAME_EXCHANGE = 2;

// include/uapi/linux/openat2.h
export const RESOLVE_NO_XDEV = 1;
export const RESOLVE_BENEATH = 8;
export const RESOLVE_IN_ROOT = 16;

// include/linux/fs.h: for utimensat(2)
export const UTIME_NOW = 0x3fffffff;
export const UTIME_OMIT = 0x3ffffffe;

// include/uapi/linux/mount.h
// Those that forbid something; MOUNT_ATTR_* have the same values.
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_SYNCHRONOUS = 0x10;
export const MS_DIRSYNC = 0x80;
export const MS_BIND = 0x1000;
export const MS_REC = 0x4000;
export const MS_MOVE = 0x2000;
export const MS_UNBINDABLE = 0x20000;
export const MS_PRIVATE = 0x40000;
export const MS_SLAVE = 1 << 19;
export const MS_SHARED = 1 << 20;
export const MS_LAZYTIME = 1 << 25;
export const MNT_DETACH = 2;
export const UMOUNT_NOFOLLOW = 8;
export const OPEN_TREE_CLONE = 1;
export const OPEN_TREE_CLOEXEC = O_CLOEXEC;
export const MOVE_MOUNT_F_EMPTY_PATH = 4;
export const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
export const FSOPEN_CLOEXEC = 1;
export const FSCONFIG_SET_FLAG = 0;
export const FSCONFIG_SET_STRING = 1;
export const FSCONFIG_CMD_CREATE = 6;
export const FSMOUNT_CLOEXEC = 1;
export const MOUNT_ATTR_RDONLY = 1;
export const MOUNT_ATTR_NOSUID = 2;
export const MOUNT_ATTR_NODEV = 4;
export const MOUNT_ATTR_NOEXEC = 8;
export const MOUNT_ATTR_IDMAP = 0x100000;

// include/uapi/linux/stat.h
export const S_IFMT = 0o170000;
export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFDIR = 0o040000;
export const S_IFBLK = 0o060000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
export const S_IFSOCK = 0o140000;
export const STATX_NLINK = 0x4;
export const STATX_MTIME = 0x40;
export const STATX_CTIME = 0x80;
export const STATX_BLOCKS = 0x400;
export const STATX_DIOALIGN = 0x2000;
export const STATX_ATTR_MOUNT_ROOT = 0x2000;

// include/uapi/asm-generic/signal.h, signal-defs.h
export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGSTKFLT = 16;
export const SIGXFSZ = 25;
export const SIGPWR = 30;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGWINCH = 28;
export const SIGIO = 29;
export const SIG_BLOCK = 0;
export const SIG_SETMASK = 2;

// include/uapi/linux/prctl.h
export const PR_SET_PDEATHSIG = 1;
export const PR_SET_CHILD_SUBREAPER = 36;
export const PR_SET_DUMPABLE = 4;
export const PR_SET_NAME = 15;
export const PR_CAPBSET_DROP = 24;
export const PR_SET_SECUREBITS = 28;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_SET_KEEPCAPS = 8;
export const PR_CAP_AMBIENT = 47;
export const PR_CAP_AMBIENT_RAISE = 2;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;

// include/uapi/linux/personality.h
export const PER_LINUX = 0;

// include/uapi/linux/seccomp.h
export const SECCOMP_SET_MODE_FILTER = 1;

// include/uapi/linux/landlock.h
export const LANDLOCK_RULE_PATH_BENEATH = 1;
export const LANDLOCK_ACCESS_FS_MAKE_BLOCK = 0x800;
export const LANDLOCK_ACCESS_FS_REFER = 0x2000;
export const LANDLOCK_SCOPE_SIGNAL = 2;

// include/uapi/linux/keyctl.h
export const KEYCTL_JOIN_SESSION_KEYRING = 1;

// include/uapi/linux/capability.h

// include/uapi/asm-generic/resource.h
export const RLIMIT_CPU = 0;
export const RLIMIT_FSIZE = 1;
export const RLIMIT_DATA = 2;
export const RLIMIT_STACK = 3;
export const RLIMIT_CORE = 4;
export const RLIMIT_RSS = 5;
export const RLIMIT_NPROC = 6;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_MEMLOCK = 8;
export const RLIMIT_AS = 9;
export const RLIMIT_LOCKS = 10;
export const RLIMIT_SIGPENDING = 11;
export const RLIMIT_MSGQUEUE = 12;
export const RLIMIT_NICE = 13;
export const RLIMIT_RTPRIO = 14;
export const RLIMIT_RTTIME = 15;

// include/uapi/linux/bpf.h
export const BPF_PROG_LOAD = 5;
export const BPF_PROG_ATTACH = 8;
export const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
export const BPF_CGROUP_DEVICE = 6;
export const BPF_F_ALLOW_MULTI = 2;

// include/uapi/linux/wait.h
export const WNOHANG = 1;
export const __WALL = 0x40000000;

// include/uapi/linux/time.h
export const ITIMER_REAL = 0;
export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_MONOTONIC_COARSE = 6;
export const TIMER_ABSTIME = 1;

// include/uapi/asm-generic/siginfo.h
export const SIGEV_SIGNAL = 0;

// include/uapi/asm-generic/mman-common.h, include/uapi/linux/mman.h
export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
export const MAP_PRIVATE = 2;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_FIXED_NOREPLACE = 0x100000;
export const MADV_DONTNEED = 4;

// include/uapi/asm-generic/poll.h
export const POLLIN = 1;
export const POLLOUT = 4;

// include/linux/socket.h, include/uapi/linux/{sockios,if}.h
export const AF_UNIX = 1;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
export const SIOCSIFFLAGS = 0x8914;
export const SCM_RIGHTS = 1;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;
export const SHUT_RD = 0;
export const SHUT_RDWR = 2;

// include/uapi/linux/{audit,netlink}.h
export const AUDIT_USER = 1005;
export const NLM_F_REQUEST = 1;

// include/uapi/asm-generic/ioctls.h
export const TCGETS = 0x5401;
export const TCSETSW = 0x5403;
export const TIOCSCTTY = 0x540e;
export const TIOCGWINSZ = 0x5413;
export const TIOCSWINSZ = 0x5414;
export const TIOCGPTPEER = 0x5441;
export const TIOCSPTLCK = 0x40045431;

// include/uapi/linux/loop.h
export const LOOP_CONFIGURE = 0x4c0a;
export const LOOP_CTL_GET_FREE = 0x4c82;
export const LO_FLAGS_READ_ONLY = 1;
export const LO_FLAGS_AUTOCLEAR = 4;
export const LO_FLAGS_DIRECT_IO = 16;

// include/uapi/linux/close_range.h
export const CLOSE_RANGE_CLOEXEC = 4;
