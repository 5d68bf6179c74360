/**
 * A part of constants.ts: what every command loads, and a start from the cache (src/start/cache), which shall not load
 * all the others. Where x86_64 and aarch64 differ, the value is that of the machine rkt runs on.
 */

const arm = Deno.build.arch === "aarch64";

// include/uapi/asm-generic/fcntl.h, arch/arm64/include/uapi/asm/fcntl.h
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_DIRECTORY = arm ? 0o40000 : 0o200000;
export const O_NOFOLLOW = arm ? 0o100000 : 0o400000;
export const O_CLOEXEC = 0o2000000;

// include/uapi/asm-generic/fcntl.h
export const F_SETFD = 2;
export const FD_CLOEXEC = 1;
export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;

// include/uapi/linux/fcntl.h
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_EACCESS = 0x200;
export const AT_EMPTY_PATH = 0x1000;
export const F_ADD_SEALS = 1033;
export const F_SEAL_SEAL = 1;
export const F_SEAL_SHRINK = 2;
export const F_SEAL_GROW = 4;
export const F_SEAL_WRITE = 8;

// unistd.h of the C library
export const W_OK = 2;

// include/uapi/linux/capability.h
export const _LINUX_CAPABILITY_VERSION_3 = 0x20080522;

// include/uapi/linux/memfd.h
export const MFD_CLOEXEC = 1;
export const MFD_ALLOW_SEALING = 2;
export const MFD_EXEC = 0x10;

// include/uapi/linux/sched.h
export const CLONE_NEWNET = 0x40000000;

// include/uapi/asm-generic/socket.h, include/linux/socket.h, include/linux/net.h
export const SOL_SOCKET = 1;
export const AF_INET = 2;
export const AF_BRIDGE = 7;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = O_CLOEXEC;
export const MSG_DONTWAIT = 0x40;

// include/uapi/linux/if.h
export const IFF_UP = 1;

// include/uapi/linux/netlink.h
export const NETLINK_ROUTE = 0;
export const NETLINK_SOCK_DIAG = 4;
export const NETLINK_AUDIT = 9;
export const NETLINK_NETFILTER = 12;

// include/uapi/linux/openat2.h, include/uapi/linux/stat.h
/** Bytes of `struct open_how`. */
export const OPEN_HOW_SIZE = 24;
export const RESOLVE_NO_MAGICLINKS = 2;
export const RESOLVE_NO_SYMLINKS = 4;
export const STATX_BASIC_STATS = 0x7ff;
