/* Protected paths, devices and mounts. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "probe.h"

/* A file that is there and has nothing in it is as good as none. */
static int readable(const char *path)
{
	char byte;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno;
	ssize_t got = read(fd, &byte, 1);
	int error = errno;
	close(fd);
	return got > 0 ? 0 : got == 0 ? say("empty") : error;
}

static int listed(const char *path)
{
	DIR *directory = opendir(path);
	if (!directory)
		return errno;
	int names = 0;
	while (readdir(directory))
		names++;
	closedir(directory);
	return names > 2 ? 0 : say("empty");
}

#define WRITES(name, path) \
	static int name(void) { return opened(path, O_WRONLY); }
#define READS(name, path) \
	static int name(void) { return readable(path); }
#define LISTS(name, path) \
	static int name(void) { return listed(path); }

WRITES(core_pattern, "/proc/sys/kernel/core_pattern")
WRITES(modprobe, "/proc/sys/kernel/modprobe")
WRITES(panic_on_oom, "/proc/sys/vm/panic_on_oom")
WRITES(binfmt, "/proc/sys/fs/binfmt_misc/register")
WRITES(own_network, "/proc/sys/net/ipv4/ip_forward")
WRITES(hostname, "/proc/sys/kernel/hostname")
WRITES(sysrq, "/proc/sysrq-trigger")
WRITES(irq, "/proc/irq/default_smp_affinity")
WRITES(uevent_helper, "/sys/kernel/uevent_helper")
WRITES(ksm, "/sys/kernel/mm/ksm/run")
WRITES(cgroup_v1, "/sys/fs/cgroup/memory/cgroup.procs")
WRITES(kernel_profiling, "/sys/kernel/profiling")
WRITES(init_oom, "/proc/1/oom_score_adj")
WRITES(poweroff, "/proc/sys/kernel/poweroff_cmd")
WRITES(helper_caps, "/proc/sys/kernel/usermodehelper/bset")
WRITES(drop_caches, "/proc/sys/vm/drop_caches")
WRITES(release_agent, "/sys/fs/cgroup/release_agent")
WRITES(release_agent_v1, "/sys/fs/cgroup/memory/release_agent")
WRITES(cgroup_v2, "/sys/fs/cgroup/cgroup.procs")
WRITES(trace_file, "/sys/kernel/tracing/kprobe_events")
WRITES(pci_rescan, "/sys/bus/pci/rescan")
WRITES(power_state, "/sys/power/state")
WRITES(block_device, "/sys/block/loop0/queue/read_ahead_kb")
READS(kpageflags, "/proc/kpageflags")
READS(kpagecount, "/proc/kpagecount")
READS(kpagecgroup, "/proc/kpagecgroup")
READS(vmallocinfo, "/proc/vmallocinfo")
READS(slabinfo, "/proc/slabinfo")
READS(interrupts, "/proc/interrupts")
READS(latency, "/proc/latency_stats")
LISTS(powercap, "/sys/devices/virtual/powercap")
READS(kcore, "/proc/kcore")
READS(kallsyms, "/proc/kallsyms")
READS(keys, "/proc/keys")
READS(timer_list, "/proc/timer_list")
READS(kmsg, "/proc/kmsg")
READS(config, "/proc/config.gz")
LISTS(firmware, "/sys/firmware")
LISTS(modules, "/sys/module")
LISTS(debug, "/sys/kernel/debug")
LISTS(scsi, "/proc/scsi")

static int uncover(void)
{
	return result(umount2("/proc/kcore", MNT_DETACH));
}

static int remount(void)
{
	return result(mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int remount_sys(void)
{
	return result(mount(NULL, "/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int bind_root(void)
{
	return result(mount("/", "/tmp", NULL, MS_BIND, NULL));
}

static int new_proc(void)
{
	return result(mount("none", "/tmp", "proc", 0, NULL));
}

/* The directory of a cgroup hierarchy has the file that runs a program of the host: release_agent. */
static int new_cgroup(void)
{
	return result(mount("none", "/tmp", "cgroup", 0, "memory"));
}

static int of_host(const char *path)
{
	return opened(path, O_RDWR);
}

static int dev_mem(void) { return of_host("/dev/mem"); }
static int dev_kmsg(void) { return of_host("/dev/kmsg"); }
static int dev_fuse(void) { return of_host("/dev/fuse"); }
static int dev_kvm(void) { return of_host("/dev/kvm"); }
static int dev_vsock(void) { return of_host("/dev/vsock"); }
static int dev_null(void) { return of_host("/dev/null"); }
static int dev_ptmx(void) { return of_host("/dev/ptmx"); }

/* Makes a node of a kind of its own and tries to use it. */
static int own_node(const char *path, int type, int major, int minor)
{
	unlink(path);
	if (mknod(path, type | 0666, makedev(major, minor)))
		return errno;
	int error = opened(path, O_RDONLY);
	unlink(path);
	return error;
}

/* The disk that something of the host's lies on: the device of /proc/partitions that comes first. */
static int own_disk(const char *path)
{
	int major = 0, minor = 0;
	char line[128];
	FILE *partitions = fopen("/proc/partitions", "r");
	if (!partitions)
		return errno;
	while (fgets(line, sizeof line, partitions) && sscanf(line, "%d %d", &major, &minor) != 2)
		;
	fclose(partitions);
	return major == 0 ? say("no disk") : own_node(path, S_IFBLK, major, minor);
}

static int disk_in_tmp(void) { return own_disk("/tmp/probe-disk"); }
static int disk_in_dev(void) { return own_disk("/dev/probe-disk"); }
static int disk_in_shm(void) { return own_disk("/dev/shm/probe-disk"); }
static int disk_in_volume(void) { return own_disk("/volume/probe-disk"); }
static int mem_in_tmp(void) { return own_node("/tmp/probe-mem", S_IFCHR, 1, 1); }
static int mem_in_dev(void) { return own_node("/dev/probe-mem", S_IFCHR, 1, 1); }
static int fuse_in_dev(void) { return own_node("/dev/probe-fuse", S_IFCHR, 10, 229); }
static int fuse_in_volume(void) { return own_node("/volume/probe-fuse", S_IFCHR, 10, 229); }
static int kmsg_in_dev(void) { return own_node("/dev/probe-kmsg", S_IFCHR, 1, 11); }

static int console(void)
{
	int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? errno : result(write(fd, "", 0));
}

const struct probe path_probes[] = {
	{ "write core_pattern", core_pattern },
	{ "write modprobe", modprobe },
	{ "write panic_on_oom", panic_on_oom },
	{ "register a binary format", binfmt },
	{ "write net.ipv4.ip_forward", own_network },
	{ "write kernel.hostname", hostname },
	{ "write sysrq-trigger", sysrq },
	{ "write irq affinity", irq },
	{ "write uevent_helper", uevent_helper },
	{ "write ksm/run", ksm },
	{ "write profiling", kernel_profiling },
	{ "write to the memory cgroup", cgroup_v1 },
	{ "write oom_score_adj of init", init_oom },
	{ "write poweroff_cmd", poweroff },
	{ "write usermodehelper/bset", helper_caps },
	{ "write drop_caches", drop_caches },
	{ "write release_agent", release_agent },
	{ "write release_agent, version 1", release_agent_v1 },
	{ "write to the top of all cgroups", cgroup_v2 },
	{ "write kprobe_events", trace_file },
	{ "write pci/rescan", pci_rescan },
	{ "write power/state", power_state },
	{ "write a queue's settings", block_device },
	{ "read kpageflags", kpageflags },
	{ "read kpagecount", kpagecount },
	{ "read kpagecgroup", kpagecgroup },
	{ "read vmallocinfo", vmallocinfo },
	{ "read slabinfo", slabinfo },
	{ "read interrupts", interrupts },
	{ "read latency_stats", latency },
	{ "list powercap", powercap },
	{ "read kcore", kcore },
	{ "read kallsyms", kallsyms },
	{ "read keys", keys },
	{ "read timer_list", timer_list },
	{ "read kmsg", kmsg },
	{ "read config.gz", config },
	{ "list firmware", firmware },
	{ "list modules", modules },
	{ "list debugfs", debug },
	{ "list scsi", scsi },
	{ "uncover kcore", uncover },
	{ "make /proc/sys writable", remount },
	{ "make /sys writable", remount_sys },
	{ "bind mount", bind_root },
	{ "mount a proc", new_proc },
	{ "mount a cgroup", new_cgroup },
	{ "open /dev/mem", dev_mem },
	{ "open /dev/kmsg", dev_kmsg },
	{ "open /dev/fuse", dev_fuse },
	{ "open /dev/kvm", dev_kvm },
	{ "open /dev/vsock", dev_vsock },
	{ "open /dev/null", dev_null },
	{ "open /dev/ptmx", dev_ptmx },
	{ "write /dev/console", console },
	{ "use an own disk node in /tmp", disk_in_tmp },
	{ "use an own disk node in /dev", disk_in_dev },
	{ "use an own disk node in /dev/shm", disk_in_shm },
	{ "use an own disk node in a volume", disk_in_volume },
	{ "use an own mem node in /tmp", mem_in_tmp },
	{ "use an own mem node in /dev", mem_in_dev },
	{ "use an own kmsg node in /dev", kmsg_in_dev },
	{ "use an own fuse node in /dev", fuse_in_dev },
	{ "use an own fuse node in a volume", fuse_in_volume },
	{ 0 },
};
