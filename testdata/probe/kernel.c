/* Parts of the kernel, namespaces, and the filter of system calls on every ABI. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/quota.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

#define UNSHARES(name, flags) \
	static int name(void) { return result(syscall(SYS_unshare, flags)); }

UNSHARES(unshare_mount, CLONE_NEWNS)
UNSHARES(unshare_user, CLONE_NEWUSER)
UNSHARES(unshare_pid, CLONE_NEWPID)
UNSHARES(unshare_net, CLONE_NEWNET)
UNSHARES(unshare_ipc, CLONE_NEWIPC)
UNSHARES(unshare_uts, CLONE_NEWUTS)
UNSHARES(unshare_cgroup, CLONE_NEWCGROUP)
UNSHARES(unshare_time, CLONE_NEWTIME)
UNSHARES(unshare_files, CLONE_FILES | CLONE_FS)

/* A bit that the kernel does not see, but a careless filter does. */
static int unshare_user_high(void)
{
	return result(syscall(SYS_unshare, CLONE_NEWUSER | 1UL << 32));
}

/* Waits for a child that ends at once: the probes that look for other processes come later. */
static int ended(long child)
{
	int error = result(child);
	if (error == 0)
		waitpid(child, NULL, 0);
	return error;
}

static int cloned(unsigned long flags)
{
	long child = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
	if (child == 0)
		_exit(0);
	return ended(child);
}

static int clone_user(void) { return cloned(CLONE_NEWUSER); }
static int clone_user_high(void) { return cloned(CLONE_NEWUSER | 1UL << 32); }
static int clone_mount(void) { return cloned(CLONE_NEWNS); }
static int clone_net(void) { return cloned(CLONE_NEWNET); }
static int clone_plain(void) { return cloned(0); }

static int clone3_user(void)
{
	struct clone_args arguments = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	long child = syscall(SYS_clone3, &arguments, sizeof arguments);
	if (child == 0)
		_exit(0);
	return ended(child);
}

static int set_ns(void)
{
	return result(setns(open("/proc/self/ns/uts", O_RDONLY), CLONE_NEWUTS));
}

static int pivot(void)
{
	int error = result(syscall(SYS_pivot_root, "/", "/"));
	return error == EBUSY || error == EINVAL ? 0 : error;
}

static int fs_open(void)
{
	return result(syscall(430 /* fsopen */, "tmpfs", 0));
}

static int tree_clone(void)
{
	return result(syscall(428 /* open_tree */, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */));
}

static int mount_set(void)
{
	struct { uint64_t set, clear, propagation, userns; } attributes = { 0, 1, 0, 0 };
	return result(syscall(442 /* mount_setattr */, AT_FDCWD, "/proc", 0, &attributes, sizeof attributes));
}

static int host_name(void)
{
	char name[65];
	gethostname(name, sizeof name);
	return result(sethostname(name, strlen(name)));
}

static int swap(void)
{
	int error = result(syscall(SYS_swapon, "/tmp/no-such", 0));
	return error == ENOENT ? 0 : error;
}

static int quota(void)
{
	return result(syscall(SYS_quotactl, QCMD(Q_SYNC, USRQUOTA), NULL, 0, NULL));
}

static int watch_all(void)
{
	return result(fanotify_init(FAN_CLASS_CONTENT, O_RDONLY));
}

static int kexec(void)
{
	int error = result(syscall(SYS_kexec_load, 0, 0, NULL, -1L));
	return error == EINVAL ? 0 : error;
}

static int bpf_map(void)
{
	union bpf_attr attribute = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };
	return result(syscall(SYS_bpf, BPF_MAP_CREATE, &attribute, sizeof attribute));
}

static int perf(void)
{
	struct perf_event_attr attribute = { .type = PERF_TYPE_SOFTWARE, .size = sizeof attribute,
					     .config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1 };
	return result(syscall(SYS_perf_event_open, &attribute, 0, -1, -1, 0UL));
}

static int uring(void)
{
	char parameters[256] = { 0 };
	return result(syscall(425 /* io_uring_setup */, 1, parameters));
}

static int user_fault(void)
{
	return result(syscall(SYS_userfaultfd, 0));
}

static int user_fault_user(void)
{
	return result(syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */));
}

static int key_add(void)
{
	return result(syscall(SYS_add_key, "user", "probe", "x", 1, -3 /* KEY_SPEC_SESSION_KEYRING */));
}

static int key_session(void)
{
	return result(syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 0));
}

static int key_request(void)
{
	int error = result(syscall(SYS_request_key, "user", "probe-no-such", NULL, 0));
	return error == ENOKEY ? 0 : error;
}

static int no_randomise(void) { return result(personality(ADDR_NO_RANDOMIZE)); }
static int read_implies_exec(void) { return result(personality(READ_IMPLIES_EXEC)); }

#define SOCKET(name, family) \
	static int name(void) { return result(socket(family, SOCK_DGRAM, 0)); }

SOCKET(socket_alg, 38)
SOCKET(socket_vsock, 40)
SOCKET(socket_bluetooth, 31)
SOCKET(socket_can, 29)
SOCKET(socket_tipc, 30)
SOCKET(socket_rds, 21)
SOCKET(socket_ax25, 3)
SOCKET(socket_unix, 1)
SOCKET(socket_inet, 2)

static int typed(unsigned long request)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY);
	char letter = 'x';
	return fd < 0 ? errno : result(syscall(SYS_ioctl, fd, request, &letter));
}

static int tiocsti(void) { return typed(0x5412); }
static int tiocsti_high(void) { return typed(0x5412 | 1UL << 32); }
static int tioclinux(void) { return typed(0x541c); }

static int tiocsetd(void) { return typed(0x5423); }

/* The calls of the new way to mount, by which what is refused to mount(2) could be had. */
static int fs_pick(void) { return result(syscall(433 /* fspick */, AT_FDCWD, "/", 0)); }
static int fs_config(void)
{
	int error = result(syscall(431 /* fsconfig */, -1, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0));
	return error == EBADF || error == EINVAL ? 0 : error;
}
static int fs_mount(void)
{
	int error = result(syscall(432 /* fsmount */, -1, 0, 0));
	return error == EBADF ? 0 : error;
}
static int move(void)
{
	int error = result(syscall(429 /* move_mount */, AT_FDCWD, "/proc", AT_FDCWD, "/tmp", 0));
	return error == EINVAL ? 0 : error;
}
static int move_descriptor(void)
{
	int error = result(syscall(429 /* move_mount */, -1, "", AT_FDCWD, "/tmp", 4 /* F_EMPTY_PATH */));
	return error == EBADF ? 0 : error;
}

/* Since Linux 5.13 an ordinary user may watch by fanotify what he may read. */
static int watch_own(void)
{
	return result(syscall(SYS_fanotify_init, 0x200 /* FAN_REPORT_FID */, O_RDONLY));
}

static int kexec_file(void)
{
	int error = result(syscall(SYS_kexec_file_load, -1, -1, 0UL, "", 8 /* KEXEC_FILE_NO_INITRAMFS */));
	return error == EBADF || error == EINVAL ? 0 : error;
}

/* A module out of memory that has no name. */
static int module_of_memory(void)
{
	int fd = syscall(SYS_memfd_create, "module", 0);
	int error = result(syscall(SYS_finit_module, fd, "", 0));
	return error == ENOEXEC ? 0 : error;
}

static int ring_enter(void)
{
	int error = result(syscall(426 /* io_uring_enter */, -1, 0, 0, 0, NULL, 0));
	return error == EBADF ? 0 : error;
}
static int ring_register(void)
{
	int error = result(syscall(427 /* io_uring_register */, -1, 0, NULL, 0));
	return error == EBADF ? 0 : error;
}

static int bpf_program(void)
{
	union bpf_attr attribute = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER };
	int error = result(syscall(SYS_bpf, BPF_PROG_LOAD, &attribute, sizeof attribute));
	return error == EINVAL || error == E2BIG ? 0 : error;
}

static int compare(void) { return result(syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0)); }
static int advise(void)
{
	struct iovec memory = { NULL, 0 };
	int error = result(syscall(440 /* process_madvise */, -1, &memory, 0UL, 21 /* MADV_PAGEOUT */, 0));
	return error == EBADF ? 0 : error;
}
static int move_memory(void) { return result(syscall(SYS_move_pages, 1, 0UL, NULL, NULL, NULL, 0)); }
static int old_library(void)
{
#if defined(SYS_uselib)
	int error = result(syscall(SYS_uselib, "/tmp/no-such"));
	return error == ENOENT ? 0 : error;
#else
	return ENOSYS;
#endif
}

/* The time of the host, by the call that adjusts it. */
static int adjust(void)
{
	char buffer[512] = { 1 /* ADJ_OFFSET */ };
	return result(syscall(SYS_adjtimex, buffer));
}

/* An address of 0, where faulty kernels look for what is not there. */
static int map_zero(void)
{
	void *zero = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return zero == MAP_FAILED ? errno : 0;
}

static int trace_me(void) { return result(ptrace(PTRACE_TRACEME, 0, 0, 0)); }

static int trace_child(void)
{
	pid_t child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	int error = result(ptrace(PTRACE_SEIZE, child, 0, 0));
	kill(child, SIGKILL);
	/* The probes that look for other processes come later. */
	waitpid(child, NULL, 0);
	return error;
}

static int gift(void)
{
	int ends[2];
	struct iovec memory = { "x", 1 };
	return pipe(ends) ? errno : result(vmsplice(ends[1], &memory, 1, 0));
}

static int ldt(void)
{
#if defined(__x86_64__)
	char table[16];
	return result(syscall(SYS_modify_ldt, 0, table, sizeof table));
#else
	return ENOSYS;
#endif
}

static int bind_memory(void)
{
	return result(syscall(SYS_set_mempolicy, 0 /* MPOL_DEFAULT */, NULL, 0));
}

static int unknown(void) { return result(syscall(999)); }
static int obsolete(void) { return result(syscall(SYS_nfsservctl, 0, NULL, NULL)); }

/* The number of a call by the old door of i386. */
static int by_int80(long number)
{
#if defined(__x86_64__)
	long returned;
	__asm__ volatile("int $0x80"
			 : "=a"(returned)
			 : "a"(number), "b"(0), "c"(0), "d"(0), "S"(0), "D"(0)
			 : "r8", "r9", "r10", "r11", "memory");
	return returned < 0 && returned > -4096 ? (int)-returned : 0;
#else
	(void)number;
	raise(SIGSYS);
	return 0;
#endif
}

static int i386_getpid(void) { return by_int80(20); }
static int i386_unshare(void) { return by_int80(310); }
static int i386_unknown(void) { return by_int80(9999); }

static int by_x32(long number)
{
#if defined(__x86_64__)
	return result(syscall(number | 0x40000000));
#else
	(void)number;
	return ENOSYS;
#endif
}

static int x32_getpid(void) { return by_x32(SYS_getpid); }
static int x32_unshare(void) { return by_x32(SYS_unshare); }
static int native_getpid(void) { return result(syscall(SYS_getpid)); }

const struct probe kernel_probes[] = {
	{ "unshare mount", unshare_mount },
	{ "unshare user", unshare_user },
	{ "unshare user, high bits", unshare_user_high },
	{ "unshare PID", unshare_pid },
	{ "unshare network", unshare_net },
	{ "unshare IPC", unshare_ipc },
	{ "unshare UTS", unshare_uts },
	{ "unshare cgroup", unshare_cgroup },
	{ "unshare time", unshare_time },
	{ "unshare files", unshare_files },
	{ "clone user", clone_user },
	{ "clone user, high bits", clone_user_high },
	{ "clone mount", clone_mount },
	{ "clone network", clone_net },
	{ "clone", clone_plain },
	{ "clone3 user", clone3_user },
	{ "setns", set_ns },
	{ "pivot_root", pivot },
	{ "fsopen", fs_open },
	{ "open_tree", tree_clone },
	{ "mount_setattr", mount_set },
	{ "sethostname", host_name },
	{ "swapon", swap },
	{ "quotactl", quota },
	{ "fanotify", watch_all },
	{ "kexec", kexec },
	{ "bpf", bpf_map },
	{ "perf", perf },
	{ "io_uring", uring },
	{ "userfaultfd", user_fault },
	{ "userfaultfd of user mode", user_fault_user },
	{ "add a key", key_add },
	{ "session keyring", key_session },
	{ "request a key", key_request },
	{ "switch randomisation off", no_randomise },
	{ "make all memory executable", read_implies_exec },
	{ "socket alg", socket_alg },
	{ "socket vsock", socket_vsock },
	{ "socket bluetooth", socket_bluetooth },
	{ "socket can", socket_can },
	{ "socket tipc", socket_tipc },
	{ "socket rds", socket_rds },
	{ "socket ax25", socket_ax25 },
	{ "socket unix", socket_unix },
	{ "socket inet", socket_inet },
	{ "TIOCSTI", tiocsti },
	{ "TIOCSTI, high bits", tiocsti_high },
	{ "TIOCLINUX", tioclinux },
	{ "TIOCSETD", tiocsetd },
	{ "fspick", fs_pick },
	{ "fsconfig", fs_config },
	{ "fsmount", fs_mount },
	{ "move_mount", move },
	{ "move_mount of a descriptor", move_descriptor },
	{ "fanotify of a user", watch_own },
	{ "kexec of a file", kexec_file },
	{ "module of memory", module_of_memory },
	{ "io_uring_enter", ring_enter },
	{ "io_uring_register", ring_register },
	{ "bpf program", bpf_program },
	{ "kcmp", compare },
	{ "process_madvise", advise },
	{ "move_pages of init", move_memory },
	{ "uselib", old_library },
	{ "adjust the clock", adjust },
	{ "map the address 0", map_zero },
	{ "ptrace me", trace_me },
	{ "ptrace a child", trace_child },
	{ "vmsplice", gift },
	{ "modify_ldt", ldt },
	{ "set_mempolicy", bind_memory },
	{ "unknown call", unknown },
	{ "obsolete call", obsolete },
	{ "i386 getpid", i386_getpid },
	{ "i386 unshare", i386_unshare },
	{ "i386 unknown call", i386_unknown },
	{ "x32 getpid", x32_getpid },
	{ "x32 unshare", x32_unshare },
	{ "native getpid", native_getpid },
	{ 0 },
};
