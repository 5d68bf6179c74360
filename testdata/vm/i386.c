/*
 * A program of 32 bits, without a C library: says so, tries unshare(2) of a user namespace and says what came of it.
 * Built with -m32 -nostdlib.
 */

/* arch/x86/entry/syscalls/syscall_32.tbl */
enum { EXIT = 1, WRITE = 4, UNSHARE = 310 };
#define CLONE_NEWUSER 0x10000000

static long call(long number, long a, long b, long c)
{
	long returned;
	__asm__ volatile("int $0x80" : "=a"(returned) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
	return returned;
}

static void say(const char *text)
{
	long length = 0;
	while (text[length])
		length++;
	call(WRITE, 1, (long)text, length);
}

void _start(void)
{
	say("32 bits\n");
	say(call(UNSHARE, CLONE_NEWUSER, 0, 0) == 0 ? "unshared\n" : "not unshared\n");
	call(EXIT, 0, 0, 0);
}
