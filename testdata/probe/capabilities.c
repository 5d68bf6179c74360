/* What each capability is needed for. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <sys/io.h>
#endif

#include "probe.h"

#define OTHER 4321
#define FILE_OF_OTHER "/tmp/probe-other"

static int cap_chown(void)
{
	int error = file_of("/tmp/probe-chown", geteuid(), 0600);
	return error ? error : result(chown("/tmp/probe-chown", OTHER, OTHER));
}

static int cap_dac_override(void)
{
	int error = file_of(FILE_OF_OTHER, OTHER, 0);
	return error ? error : opened(FILE_OF_OTHER, O_RDWR);
}

static int cap_dac_read_search(void)
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} of = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount;
	if (name_to_handle_at(AT_FDCWD, "/tmp", &of.handle, &mount, 0))
		memset(&of, 0, sizeof of), of.handle.handle_bytes = 8, of.handle.handle_type = 1;
	int root = open("/", O_RDONLY | O_DIRECTORY);
	int fd = open_by_handle_at(root, &of.handle, O_RDONLY);
	/* The kernel asks for the capability first. */
	return fd >= 0 || errno == ESTALE || errno == EOPNOTSUPP || errno == EINVAL ? 0 : errno;
}

static int cap_fowner(void)
{
	int error = file_of(FILE_OF_OTHER, OTHER, 0600);
	return error ? error : result(chmod(FILE_OF_OTHER, 0644));
}

static int cap_fsetid(void)
{
	struct stat status;
	int error = file_of("/tmp/probe-fsetid", geteuid(), 0600);
	if (error || chown("/tmp/probe-fsetid", -1, OTHER) || chmod("/tmp/probe-fsetid", 02755))
		return error ? error : errno;
	if (stat("/tmp/probe-fsetid", &status))
		return errno;
	return status.st_mode & S_ISGID ? 0 : EPERM;
}

static int cap_kill(void)
{
	int ready[2], end[2], error;
	if (pipe(ready) || pipe(end))
		return errno;
	pid_t child = fork();
	if (child == 0) {
		close(end[1]);
		error = result(setresuid(OTHER, OTHER, OTHER));
		if (write(ready[1], &error, sizeof error) > 0 && read(end[0], &error, 1) == 0)
			_exit(0);
		_exit(1);
	}
	if (read(ready[0], &error, sizeof error) == sizeof error && error == 0)
		error = result(kill(child, 0));
	close(end[1]);
	waitpid(child, NULL, 0);
	return error;
}

static int cap_setgid(void)
{
	return result(setgid(OTHER));
}

static int cap_setuid(void)
{
	return result(setuid(OTHER));
}

static int cap_setpcap(void)
{
	return result(prctl(PR_CAPBSET_DROP, CAP_CHOWN, 0, 0, 0));
}

static int cap_linux_immutable(void)
{
	int flags = 0, error = file_of("/dev/shm/probe-immutable", geteuid(), 0600);
	int fd = open(error ? "/tmp" : "/dev/shm/probe-immutable", O_RDONLY);
	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return errno;
	int on = flags | FS_APPEND_FL;
	error = result(ioctl(fd, FS_IOC_SETFLAGS, &on));
	if (!error)
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
	return error;
}

static int cap_net_bind_service(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(81) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	return fd < 0 ? errno : result(bind(fd, (struct sockaddr *)&address, sizeof address));
}

static int cap_net_admin(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &request))
		return errno;
	return result(ioctl(fd, SIOCSIFMTU, &request));
}

static int cap_net_raw(void)
{
	return result(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int packet_socket(void)
{
	return result(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)));
}

static int cap_ipc_lock(void)
{
	struct rlimit none = { 0, 0 };
	static char page[8192];
	if (setrlimit(RLIMIT_MEMLOCK, &none))
		return errno;
	return result(mlock(page, sizeof page));
}

static int cap_ipc_owner(void)
{
	int segment = shmget(IPC_PRIVATE, 4096, 0600);
	if (segment < 0)
		return errno;
	struct shmid_ds status;
	shmctl(segment, IPC_STAT, &status);
	status.shm_perm.uid = OTHER;
	status.shm_perm.mode = 0;
	shmctl(segment, IPC_SET, &status);
	void *at = shmat(segment, NULL, 0);
	int error = at == (void *)-1 ? errno : 0;
	shmctl(segment, IPC_RMID, NULL);
	return error;
}

static int cap_sys_module(void)
{
	int error = result(syscall(SYS_init_module, "", 0, ""));
	return error == ENOEXEC || error == EINVAL ? 0 : error;
}

static int unload_module(void)
{
	int error = result(syscall(SYS_delete_module, "probe-no-such", O_NONBLOCK));
	return error == ENOENT ? 0 : error;
}

static int cap_sys_rawio(void)
{
#if defined(__x86_64__)
	return result(ioperm(0x80, 1, 1));
#else
	return EPERM;
#endif
}

static int cap_sys_chroot(void)
{
	return result(chroot("/"));
}

static int cap_sys_pacct(void)
{
	/* Where there is no accounting, off is as it was. */
	return result(syscall(SYS_acct, NULL));
}

static int cap_sys_admin(void)
{
	return result(mount("none", "/tmp", "tmpfs", 0, "size=4k"));
}

static int cap_sys_boot(void)
{
	int error = result(syscall(SYS_reboot, 0, 0, 0, NULL));
	return error == EINVAL ? 0 : error;
}

static int cap_sys_nice(void)
{
	return result(setpriority(PRIO_PROCESS, 0, -5));
}

static int real_time(void)
{
	struct sched_param parameter = { .sched_priority = 1 };
	return result(sched_setscheduler(0, SCHED_RR, &parameter));
}

static int cap_sys_resource(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return errno;
	limit.rlim_cur = limit.rlim_max = limit.rlim_max / 2;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		return errno;
	limit.rlim_max += 1;
	return result(setrlimit(RLIMIT_NOFILE, &limit));
}

static int cap_sys_time(void)
{
	struct timex nothing = { .modes = ADJ_TICK };
	/* A tick that is out of range: asked for after the capability. */
	int error = result(adjtimex(&nothing));
	return error == EINVAL ? 0 : error;
}

static int set_clock(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return result(clock_settime(CLOCK_REALTIME, &now));
}

static int cap_sys_tty_config(void)
{
	return result(vhangup());
}

static int cap_mknod(void)
{
	unlink("/tmp/probe-node");
	return result(mknod("/tmp/probe-node", S_IFCHR | 0600, 1 << 8 | 3));
}

static int cap_lease(void)
{
	int error = file_of(FILE_OF_OTHER, OTHER, 0666);
	int fd = open(FILE_OF_OTHER, O_RDONLY);
	if (error || fd < 0)
		return error ? error : errno;
	return result(fcntl(fd, F_SETLEASE, F_RDLCK));
}

/* Sends a message of the audit system that changes nothing, and returns what the kernel answers. */
static int audit(int type)
{
	struct {
		struct nlmsghdr header;
		char text[16];
	} message = { .header = { .nlmsg_len = sizeof message, .nlmsg_type = type,
				  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK } };
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[512];
	} answer = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);
	if (fd < 0)
		return errno;
	struct timeval patience = { .tv_sec = 5 };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (send(fd, &message, sizeof message, 0) < 0)
		return errno;
	if (recv(fd, &answer, sizeof answer, 0) < 0)
		return errno;
	return answer.header.nlmsg_type == NLMSG_ERROR ? -answer.error.error : 0;
}

static int cap_audit_write(void)
{
	return audit(AUDIT_USER);
}

static int cap_audit_control(void)
{
	return audit(AUDIT_GET);
}

static int cap_audit_read(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT);
	return fd < 0 ? errno : result(bind(fd, (struct sockaddr *)&address, sizeof address));
}

static int cap_setfcap(void)
{
	struct vfs_cap_data data = { .magic_etc = VFS_CAP_REVISION_2 };
	int error = file_of("/tmp/probe-fcap", geteuid(), 0700);
	if (error)
		return error;
	return result(setxattr("/tmp/probe-fcap", "security.capability", &data, sizeof data, 0));
}

static int cap_syslog(void)
{
	/* A level that there is none of: asked for after the capability. */
	int error = result(syscall(SYS_syslog, 8 /* SYSLOG_ACTION_CONSOLE_LEVEL */, NULL, 0));
	return error == EINVAL ? 0 : error;
}

static int cap_wake_alarm(void)
{
	return result(timerfd_create(CLOCK_REALTIME_ALARM, 0));
}

static int next_pid(void)
{
	return opened("/proc/sys/kernel/ns_last_pid", O_WRONLY);
}

const struct probe capability_probes[] = {
	{ "CAP_CHOWN", cap_chown },
	{ "CAP_DAC_OVERRIDE", cap_dac_override },
	{ "CAP_DAC_READ_SEARCH", cap_dac_read_search },
	{ "CAP_FOWNER", cap_fowner },
	{ "CAP_FSETID", cap_fsetid },
	{ "CAP_KILL", cap_kill },
	{ "CAP_SETGID", cap_setgid },
	{ "CAP_SETUID", cap_setuid },
	{ "CAP_SETPCAP", cap_setpcap },
	{ "CAP_LINUX_IMMUTABLE", cap_linux_immutable },
	{ "CAP_NET_BIND_SERVICE", cap_net_bind_service },
	{ "CAP_NET_ADMIN", cap_net_admin },
	{ "CAP_NET_RAW", cap_net_raw },
	{ "packet socket", packet_socket },
	{ "CAP_IPC_LOCK", cap_ipc_lock },
	{ "CAP_IPC_OWNER", cap_ipc_owner },
	{ "CAP_SYS_MODULE", cap_sys_module },
	{ "unload a module", unload_module },
	{ "CAP_SYS_RAWIO", cap_sys_rawio },
	{ "CAP_SYS_CHROOT", cap_sys_chroot },
	{ "CAP_SYS_PACCT", cap_sys_pacct },
	{ "CAP_SYS_ADMIN", cap_sys_admin },
	{ "CAP_SYS_BOOT", cap_sys_boot },
	{ "CAP_SYS_NICE", cap_sys_nice },
	{ "real time scheduling", real_time },
	{ "CAP_SYS_RESOURCE", cap_sys_resource },
	{ "CAP_SYS_TIME", cap_sys_time },
	{ "set the clock", set_clock },
	{ "CAP_SYS_TTY_CONFIG", cap_sys_tty_config },
	{ "CAP_MKNOD", cap_mknod },
	{ "CAP_LEASE", cap_lease },
	{ "CAP_AUDIT_WRITE", cap_audit_write },
	{ "CAP_AUDIT_CONTROL", cap_audit_control },
	{ "CAP_AUDIT_READ", cap_audit_read },
	{ "CAP_SETFCAP", cap_setfcap },
	{ "CAP_SYSLOG", cap_syslog },
	{ "CAP_WAKE_ALARM", cap_wake_alarm },
	{ "choose the next PID", next_pid },
	{ 0 },
};
