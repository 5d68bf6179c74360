/* Ways out that others have found. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

/* Descriptors that were there before this process opened any (CVE-2024-21626). */
static int descriptors(void)
{
	char list[128] = "";
	for (int fd = 0; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			snprintf(list + strlen(list), sizeof list - strlen(list), "%s%d", *list ? " " : "", fd);
	return say("%s", list);
}

/* A descriptor or working directory outside of the root shows by a path that begins with `(unreachable)`. */
static int unreachable(void)
{
	char path[PATH_MAX];
	if (syscall(SYS_getcwd, path, sizeof path) < 0)
		return errno;
	return strncmp(path, "/", 1) == 0 ? say("reachable") : say("unreachable");
}

/* chroot(2) does not change the working directory, so two of them lead up to where the mounts end. */
static int double_chroot(void)
{
	struct stat before, after;
	if (stat("/", &before))
		return errno;
	mkdir("/tmp/probe-root", 0755);
	int up = open("/", O_RDONLY | O_DIRECTORY);
	if (chroot("/tmp/probe-root"))
		return errno;
	if (fchdir(up))
		return errno;
	for (int i = 0; i < 64; i++)
		if (chdir(".."))
			return errno;
	if (chroot("."))
		return errno;
	if (stat("/", &after))
		return errno;
	return before.st_ino == after.st_ino && before.st_dev == after.st_dev ? say("contained") : 0;
}

#define OF_INIT(name, file, flags) \
	static int name(void) { return opened("/proc/1/" file, flags); }

OF_INIT(init_exe, "exe", O_RDONLY)
OF_INIT(init_exe_write, "exe", O_WRONLY)
OF_INIT(init_mem, "mem", O_RDWR)
OF_INIT(init_root, "root", O_RDONLY)
OF_INIT(init_cwd, "cwd", O_RDONLY)
OF_INIT(init_fd, "fd/2", O_RDONLY)
OF_INIT(init_environ, "environ", O_RDONLY)
OF_INIT(init_namespace, "ns/mnt", O_RDONLY)

static int trace_init(void) { return result(ptrace(PTRACE_SEIZE, 1, 0, 0)); }

static int read_init(void)
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { (void *)0x400000, 1 };
	return result(process_vm_readv(1, &local, 1, &remote, 1, 0));
}

static int write_init(void)
{
	char byte = 0;
	struct iovec local = { &byte, 1 }, remote = { (void *)0x500000, 1 };
	return result(process_vm_writev(1, &local, 1, &remote, 1, 0));
}

static int descriptor_of_init(void)
{
	int init = syscall(434 /* pidfd_open */, 1, 0);
	return init < 0 ? errno : result(syscall(438 /* pidfd_getfd */, init, 2, 0));
}

static int limits_of_init(void)
{
	struct { unsigned long soft, hard; } limit;
	return result(syscall(SYS_prlimit64, 1, 7 /* RLIMIT_NOFILE */, NULL, &limit));
}

/* The program itself, which is the runtime's where an app is started by /proc/self/exe (CVE-2019-5736). */
static int own_exe(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
	if (length < 0)
		return errno;
	path[length] = 0;
	return access(path, F_OK) ? say("outside") : say("of the image");
}

static int others(void)
{
	DIR *processes = opendir("/proc");
	int count = 0;
	struct dirent *entry;
	while (processes && (entry = readdir(processes)))
		if (atoi(entry->d_name) > 2 && atoi(entry->d_name) != getpid() && atoi(entry->d_name) != getppid())
			count++;
	return say("%d", count);
}

/* Runs the setuid copy of this program as an ordinary user. */
static int set_uid_program(void)
{
	pid_t child = fork();
	if (child == 0) {
		if (geteuid() == 0 && (setgid(1234) || setuid(1234)))
			_exit(errno);
		execl("/bin/probe-setuid", "probe-setuid", "who", NULL);
		_exit(errno);
	}
	int status;
	waitpid(child, &status, 0);
	if (!WIFEXITED(status))
		return say("killed");
	if (WEXITSTATUS(status) == 10)
		return say("becomes root");
	return WEXITSTATUS(status) == 11 ? say("stays") : WEXITSTATUS(status);
}

static int kill_init(void)
{
	/* The kernel lets a signal to init pass that init does not wait for, and drops it. */
	return result(kill(1, SIGSTOP));
}

static int parent_directory(void)
{
	int fd = open("/../../../../..", O_RDONLY | O_DIRECTORY);
	struct stat root, above;
	if (fd < 0 || fstat(fd, &above) || stat("/", &root))
		return errno;
	return root.st_ino == above.st_ino && root.st_dev == above.st_dev ? say("contained") : 0;
}

/*
 * Tries a file of each process that is neither init nor of this app: `none` where there are none, `ok` where one could be
 * opened, else the last error.
 */
static int of_others(const char *file, int flags)
{
	DIR *processes = opendir("/proc");
	int error = 0, count = 0;
	struct dirent *entry;
	while (processes && (entry = readdir(processes))) {
		char path[PATH_MAX];
		int pid = atoi(entry->d_name);
		if (pid < 2 || pid == getpid() || pid == getppid())
			continue;
		snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
		error = opened(path, flags);
		if (error == 0)
			return 0;
		if (error != ENOENT && error != ESRCH)
			count++;
	}
	return count == 0 ? say("none") : error;
}

static int memory_of_others(void) { return of_others("mem", O_RDWR); }
static int files_of_others(void) { return of_others("root", O_RDONLY); }
static int environ_of_others(void) { return of_others("environ", O_RDONLY); }

static int exe_of_others(void) { return of_others("exe", O_WRONLY); }
static int directory_of_others(void) { return of_others("cwd", O_RDONLY); }
static int namespace_of_others(void) { return of_others("ns/mnt", O_RDONLY); }

/* Tries a call at each process that is neither init nor of this app: `none` where there are none. */
static int at_others(int (*try)(int pid))
{
	DIR *processes = opendir("/proc");
	int error = 0, count = 0;
	struct dirent *entry;
	while (processes && (entry = readdir(processes))) {
		int pid = atoi(entry->d_name);
		if (pid < 2 || pid == getpid() || pid == getppid())
			continue;
		count++;
		error = try(pid);
		if (error == 0)
			return 0;
	}
	return count == 0 ? say("none") : error;
}

static int trace(int pid) { return result(ptrace(PTRACE_SEIZE, pid, 0, 0)); }

static int take(int pid)
{
	int fd = syscall(434 /* pidfd_open */, pid, 0);
	return fd < 0 ? errno : result(syscall(438 /* pidfd_getfd */, fd, 0, 0));
}

static int read_memory(int pid)
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { (void *)0x400000, 1 };
	int error = result(process_vm_readv(pid, &local, 1, &remote, 1, 0));
	return error == EFAULT ? 0 : error;
}

static int enter(int pid)
{
	int fd = syscall(434 /* pidfd_open */, pid, 0);
	return fd < 0 ? errno : result(setns(fd, CLONE_NEWNS));
}

static int trace_others(void) { return at_others(trace); }
static int descriptor_of_others(void) { return at_others(take); }
static int read_others(void) { return at_others(read_memory); }
static int enter_others(void) { return at_others(enter); }

/* The file that is executed, by a name that its loader does not know: what runs now must not change (CVE-2019-5736). */
static int own_exe_write(void) { return opened("/proc/self/exe", O_WRONLY); }

/* Sockets that have no file belong to a network namespace (CVE-2020-15257). Its own is the app's to use. */
static int host_socket(void)
{
	char line[512];
	FILE *sockets = fopen("/proc/net/unix", "r");
	int found = 0;
	while (sockets && fgets(line, sizeof line, sockets))
		found += strstr(line, " @") != NULL;
	return found ? 0 : say("none");
}

const struct probe escape_probes[] = {
	{ "descriptors", descriptors },
	{ "working directory", unreachable },
	{ "double chroot", double_chroot },
	{ "above the root", parent_directory },
	{ "open exe of init", init_exe },
	{ "write exe of init", init_exe_write },
	{ "open mem of init", init_mem },
	{ "open root of init", init_root },
	{ "open cwd of init", init_cwd },
	{ "open a descriptor of init", init_fd },
	{ "read environ of init", init_environ },
	{ "open a namespace of init", init_namespace },
	{ "ptrace init", trace_init },
	{ "read memory of init", read_init },
	{ "write memory of init", write_init },
	{ "take a descriptor of init", descriptor_of_init },
	{ "read limits of init", limits_of_init },
	{ "stop init", kill_init },
	{ "own executable", own_exe },
	{ "other processes", others },
	{ "memory of other apps", memory_of_others },
	{ "files of other apps", files_of_others },
	{ "environ of other apps", environ_of_others },
	{ "ptrace other apps", trace_others },
	{ "executables of other apps", exe_of_others },
	{ "directories of other apps", directory_of_others },
	{ "namespaces of other apps", namespace_of_others },
	{ "descriptors of other apps", descriptor_of_others },
	{ "memory of other apps by a call", read_others },
	{ "enter other apps", enter_others },
	{ "write the own executable", own_exe_write },
	{ "abstract sockets of others", host_socket },
	{ "setuid program", set_uid_program },
	{ 0 },
};
