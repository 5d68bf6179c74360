/* Probes: what a process can do, each tried in a child of its own. See probe.c. */
#ifndef PROBE_H
#define PROBE_H

/* A result that is no error number. */
#define SAID 100000

struct probe {
	const char *name;
	/* 0 where it was possible, else an error number, or SAID where `say` was called. */
	int (*try)(void);
};

/* Gives a verdict in words. */
int say(const char *format, ...);

/* The error of a call's result. */
int result(long returned);

/* The error of opening a file, which is closed again. */
int opened(const char *path, int flags);

/* Makes an empty file that belongs to `uid`, in a directory where that is possible. */
int file_of(const char *path, int uid, int mode);

extern const struct probe capability_probes[];
extern const struct probe path_probes[];
extern const struct probe kernel_probes[];
extern const struct probe escape_probes[];

#endif
