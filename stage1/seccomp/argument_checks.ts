/**
 * Checks of arguments in the default filter. The kernel reads these arguments as 32 bits, so only 32 bits are compared:
 * a comparison of all 64 could be bypassed by setting bits that the kernel ignores (CVE-2019-10063).
 */
import { CLONE_NEWTIME } from "../../src/linux/constants.ts";
import type { CheckName } from "./syscall_table.ts";

/** A condition on one argument, under which a call is allowed. */
export interface ArgumentCheck {
  /** Which argument, from 0. */
  readonly argument: number;
  /** `in`: one of the values; `not in`: none of them; `without`: none of the bits of the only value. */
  readonly test: "in" | "not in" | "without";
  readonly values: readonly number[];
  /** The error of a call that is refused. */
  readonly errno: "EPERM" | "EAFNOSUPPORT";
  /** An app with any of these capabilities is not checked. */
  readonly lifted: readonly string[];
  /** Describes what passes. */
  readonly allows: string;
}

// include/uapi/linux/sched.h: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
const NAMESPACES = 0x7e020000;

/** The checks by name. */
export const ARGUMENT_CHECKS: Readonly<Record<CheckName, ArgumentCheck>> = {
  clone: {
    argument: 0,
    test: "without",
    values: [NAMESPACES],
    errno: "EPERM",
    lifted: ["CAP_SYS_ADMIN"],
    allows: "without namespaces",
  },
  unshare: {
    argument: 0,
    test: "without",
    // Only unshare(2) takes this flag; for clone(2) the bit is part of a signal's number.
    values: [NAMESPACES | CLONE_NEWTIME],
    errno: "EPERM",
    lifted: ["CAP_SYS_ADMIN"],
    allows: "without namespaces",
  },
  // include/uapi/linux/personality.h: PER_LINUX, PER_LINUX32, each also with UNAME26; and the question what is set
  personality: {
    argument: 0,
    test: "in",
    values: [0, 8, 0x20000, 0x20008, 0xffffffff],
    errno: "EPERM",
    lifted: ["CAP_SYS_PTRACE"], // a debugger switches the randomisation of addresses off
    allows: "Linux, Linux32, UNAME26",
  },
  // include/linux/socket.h: AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET
  socket: {
    argument: 0,
    test: "in",
    values: [1, 2, 10, 16, 17],
    errno: "EAFNOSUPPORT",
    lifted: ["CAP_SYS_ADMIN"],
    allows: "unix, inet, inet6, netlink, packet",
  },
  // include/uapi/asm-generic/ioctls.h: TIOCSTI, TIOCLINUX, TIOCSETD
  ioctl: {
    argument: 1,
    test: "not in",
    values: [0x5412, 0x541c, 0x5423],
    errno: "EPERM",
    lifted: ["CAP_SYS_ADMIN"],
    allows: "all but TIOCSTI, TIOCLINUX, TIOCSETD",
  },
};
