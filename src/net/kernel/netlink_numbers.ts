/** The numbers of netlink sockets. They stand apart from what is done with them. */

export {
  AF_NETLINK,
  MSG_DONTWAIT,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  NETLINK_SOCK_DIAG,
  SOCK_CLOEXEC,
  SOCK_RAW,
} from "../../linux/early_constants.ts";

// include/uapi/linux/netlink.h
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
/** Bytes of `struct nlmsghdr`. */
export const NLMSG_HDRLEN = 16;

/** The kernel makes datagrams of dumps not longer than this (`NLMSG_GOODSIZE`), and errors may be longer. */
export const RECEIVE_SIZE = 1 << 16;
