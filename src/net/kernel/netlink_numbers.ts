/** The numbers of netlink sockets. They stand apart because pod/rejoin.ts needs them and nothing else of netlink.ts. */

// include/linux/socket.h, include/linux/net.h
export const AF_NETLINK = 16;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = 0o2000000;
export const MSG_DONTWAIT = 0x40;

// include/uapi/linux/netlink.h
export const NETLINK_ROUTE = 0;
export const NETLINK_SOCK_DIAG = 4;
export const NETLINK_NETFILTER = 12;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
/** Bytes of `struct nlmsghdr`. */
export const NLMSG_HDRLEN = 16;

/** The kernel makes datagrams of dumps not longer than this (`NLMSG_GOODSIZE`), and errors may be longer. */
export const RECEIVE_SIZE = 1 << 16;
