# Entry stub for a packed Deno program (Linux x86_64, System V ABI).
# Runs in place of Deno's _start, after ld.so has relocated everything.
#   in:  rsp -> argc, argv[], NULL, envp[], NULL, auxv[]   rdx = rtld_fini
# It copies the embedded eszip into an anonymous file (memfd), builds a new
# argv/envp/auxv block below the old one, points libc's `environ` at the new
# envp, and jumps to Deno's _start. The old block is left untouched, so
# /proc/PID/cmdline, /proc/PID/environ and getauxval() keep working.
# Assembled to a flat binary (assemble.ts); the header behind it is written by pack.ts.
	.intel_syntax noprefix

# arch/x86/entry/syscalls/syscall_64.tbl
	.equ	SYS_write, 1
	.equ	SYS_close, 3
	.equ	SYS_fcntl, 72
	.equ	SYS_exit_group, 231
	.equ	SYS_memfd_create, 319
# include/uapi/linux/memfd.h, fcntl.h, asm-generic/errno-base.h
	.equ	MFD_CLOEXEC, 1
	.equ	MFD_NOEXEC_SEAL, 8
	.equ	F_DUPFD_CLOEXEC, 1030
	.equ	EINTR, 4

# The header, relative to its own start; pack.ts has the same table.
	.equ	HDR_ENTRY, 0		# i64 Deno's entry point, from the header
	.equ	HDR_ENVIRON, 8		# i64 the GOT slot of `environ`, from the header
	.equ	HDR_PAYLOAD, 16		# u64 the eszip
	.equ	HDR_PAYLOAD_SIZE, 24	# u64
	.equ	HDR_SCRIPT, 32		# u32 "URL#/proc/self/fd/"
	.equ	HDR_POINTERS, 36	# u16 inserted arguments + variables
	.equ	HDR_SCRIPT_SIZE, 38	# u16
	.equ	HDR_ARGUMENT_COUNT, 40	# u16
	.equ	HDR_VARIABLE_COUNT, 42	# u16
	.equ	HDR_ARGUMENTS, 44	# u32
	.equ	HDR_VARIABLES, 48	# u32
	.equ	HDR_PREFIXES, 52	# u32

	.text
	.globl _stub
_stub:
	mov	r12, rdx		# rtld_fini for _start
	mov	r13, rsp		# old argument block
	lea	rbx, [rip + hdr]	# header

	# --- memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL), retry without NOEXEC_SEAL
	mov	esi, MFD_CLOEXEC | MFD_NOEXEC_SEAL
1:	lea	rdi, [rip + memname]
	mov	eax, SYS_memfd_create
	syscall
	test	rax, rax
	jns	2f
	cmp	esi, MFD_CLOEXEC
	je	fail
	mov	esi, MFD_CLOEXEC
	jmp	1b
2:	mov	r14, rax		# fd
	cmp	r14, 2			# stdio was closed: keep 0..2 free
	ja	2f
	mov	rdi, r14
	mov	esi, F_DUPFD_CLOEXEC
	mov	edx, 3
	mov	eax, SYS_fcntl
	syscall
	test	rax, rax
	js	fail
	xchg	r14, rax
	mov	rdi, rax
	mov	eax, SYS_close
	syscall
2:
	# --- write payload
	mov	rsi, [rbx + HDR_PAYLOAD]
	add	rsi, rbx
	mov	rbp, [rbx + HDR_PAYLOAD_SIZE]
3:	test	rbp, rbp
	jz	4f
	mov	rdi, r14
	mov	rdx, rbp
	mov	eax, SYS_write
	syscall
	cmp	rax, -EINTR
	je	3b
	test	rax, rax
	jle	fail
	add	rsi, rax
	sub	rbp, rax
	jmp	3b
4:
	# --- script argument: template + decimal fd, in a stack buffer
	movzx	ecx, word ptr [rbx + HDR_SCRIPT_SIZE]
	lea	rax, [rcx + 31]
	and	rax, -16
	sub	rsp, rax
	mov	r15, rsp		# r15 = script string
	mov	rdi, rsp
	mov	esi, dword ptr [rbx + HDR_SCRIPT]
	add	rsi, rbx
	rep movsb
	mov	eax, r14d		# decimal digits, least significant first on stack
	xor	ecx, ecx
	mov	r8d, 10
5:	xor	edx, edx
	div	r8d
	add	edx, '0'
	push	rdx
	inc	ecx
	test	eax, eax
	jnz	5b
6:	pop	rax
	stosb
	dec	ecx
	jnz	6b
	mov	byte ptr [rdi], 0

	# --- size of the old block, in words (argc .. AT_NULL pair)
	mov	rax, [r13]		# argc
	lea	rsi, [r13 + 8*rax + 16]	# envp
	mov	rdi, rsi
7:	mov	rcx, [rdi]
	add	rdi, 8
	test	rcx, rcx
	jnz	7b
8:	mov	rcx, [rdi]		# auxv
	add	rdi, 16
	test	rcx, rcx
	jnz	8b
	sub	rdi, r13		# bytes in the old block
	movzx	ecx, word ptr [rbx + HDR_POINTERS]
	lea	rdi, [rdi + 8*rcx + 32]
	mov	rax, rsp
	sub	rax, rdi
	and	rax, -16
	mov	rsp, rax

	# --- argc, argv
	mov	rdi, rsp		# write cursor
	movzx	ecx, word ptr [rbx + HDR_ARGUMENT_COUNT]
	mov	rax, [r13]
	lea	rdx, [rax + rcx]
	mov	[rdi], rdx
	add	rdi, 8
	lea	r8, [r13 + 8]		# old argv cursor
	test	rax, rax
	jz	fail			# argc == 0: refuse
	mov	rax, [r8]		# argv[0]
	add	r8, 8
	mov	[rdi], rax
	add	rdi, 8
	mov	esi, dword ptr [rbx + HDR_ARGUMENTS]
	add	rsi, rbx
9:	mov	rax, rsi
	cmp	byte ptr [rsi], 1	# "\1": the script argument
	jne	10f
	mov	rax, r15
10:	mov	[rdi], rax
	add	rdi, 8
11:	lodsb
	test	al, al
	jnz	11b
	dec	ecx
	jnz	9b
12:	mov	rax, [r8]		# user args and the NULL
	add	r8, 8
	mov	[rdi], rax
	add	rdi, 8
	test	rax, rax
	jnz	12b

	# --- envp: added entries first, then the old ones that are not dropped
	mov	r9, rdi			# new envp
	movzx	ecx, word ptr [rbx + HDR_VARIABLE_COUNT]
	jecxz	15f
	mov	esi, dword ptr [rbx + HDR_VARIABLES]
	add	rsi, rbx
13:	mov	[rdi], rsi
	add	rdi, 8
14:	lodsb
	test	al, al
	jnz	14b
	dec	ecx
	jnz	13b
15:	mov	r10, [r8]		# next old entry
	add	r8, 8
	test	r10, r10
	jz	20f
	mov	esi, dword ptr [rbx + HDR_PREFIXES]	# the list ends with an empty string
	add	rsi, rbx
16:	cmp	byte ptr [rsi], 0
	je	19f			# no prefix matched: keep
	mov	r11, r10
17:	mov	al, [rsi]
	test	al, al
	jz	15b			# whole prefix matched: drop
	cmp	al, [r11]
	jne	18f
	inc	rsi
	inc	r11
	jmp	17b
18:	lodsb				# skip to the next prefix
	test	al, al
	jnz	18b
	jmp	16b
19:	mov	[rdi], r10
	add	rdi, 8
	jmp	15b
20:	mov	qword ptr [rdi], 0
	add	rdi, 8

	# --- auxv
21:	mov	rax, [r8]
	mov	rcx, [r8 + 8]
	add	r8, 16
	mov	[rdi], rax
	mov	[rdi + 8], rcx
	add	rdi, 16
	test	rax, rax
	jnz	21b

	# --- environ (ld.so has already resolved the GOT slot), then Deno's _start
	mov	rax, [rbx + HDR_ENVIRON]
	mov	rax, [rbx + rax]
	mov	[rax], r9
	mov	rax, [rbx + HDR_ENTRY]
	add	rax, rbx
	mov	rdx, r12
	xor	ebp, ebp
	jmp	rax

fail:	mov	edi, 2
	lea	rsi, [rip + msg]
	mov	edx, offset msgend - msg
	mov	eax, SYS_write
	syscall
	mov	edi, 126
	mov	eax, SYS_exit_group
	syscall
	hlt

memname:	.asciz	"app"
msg:	.ascii	"cannot start: argv is empty or memfd_create failed\n"
msgend:
	.balign 16
hdr:
