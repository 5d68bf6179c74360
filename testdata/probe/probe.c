/*
 * Tries what an app might try, and prints a line for each attempt: its name, a tab, and `ok`, the name of an error, the
 * signal that killed it, or what was seen. Arguments choose among the probes.
 *
 * None of them leaves anything behind but files in /tmp and in the pod's own memory, even where everything is allowed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

static char *words;
#define WORDS 256

int say(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	vsnprintf(words, WORDS, format, list);
	va_end(list);
	return SAID;
}

int result(long returned)
{
	return returned < 0 ? errno : 0;
}

int opened(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

int file_of(const char *path, int uid, int mode)
{
	unlink(path);
	int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
	if (fd < 0)
		return errno;
	if (fchmod(fd, mode) || (uid != (int)geteuid() && fchown(fd, uid, uid))) {
		int error = errno;
		close(fd);
		return error;
	}
	close(fd);
	return 0;
}

static void attempt(const struct probe *probe)
{
	words[0] = 0;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		int error = probe->try();
		if (error == 0)
			say("ok");
		else if (error != SAID)
			say("%s", strerrorname_np(error) ? strerrorname_np(error) : "?");
		_exit(0);
	}
	int status = 0;
	if (child < 0 || waitpid(child, &status, 0) < 0)
		snprintf(words, WORDS, "no child");
	else if (WIFSIGNALED(status))
		snprintf(words, WORDS, "SIG%s", sigabbrev_np(WTERMSIG(status)));
	printf("%s\t%s\n", probe->name, words);
}

static int wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(name, argv[i]) == 0)
			return 1;
	return argc < 2;
}

int main(int argc, char **argv)
{
	/* What the setuid copy of this program is run for. */
	if (argc == 2 && strcmp(argv[1], "who") == 0)
		return geteuid() == 0 ? 10 : 11;
	words = mmap(NULL, WORDS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (words == MAP_FAILED)
		return 1;
	mkdir("/tmp", 01777);
	const struct probe *const groups[] = { capability_probes, path_probes, kernel_probes, escape_probes };
	for (int group = 0; group < 4; group++)
		for (const struct probe *probe = groups[group]; probe->name; probe++)
			if (wanted(probe->name, argc, argv))
				attempt(probe);
	/* A failure ends the pod that other apps are in. */
	return strcmp(argv[argc - 1], "fail") == 0;
}
