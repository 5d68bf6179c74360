// Entry stub for a packed Deno program (Linux aarch64). Same job and header as stub_x86_64.S.
// in: sp -> argc, argv[], NULL, envp[], NULL, auxv[]   x0 = rtld_fini

// include/uapi/asm-generic/unistd.h
	.equ	SYS_fcntl, 25
	.equ	SYS_close, 57
	.equ	SYS_write, 64
	.equ	SYS_exit_group, 94
	.equ	SYS_memfd_create, 279
// include/uapi/linux/memfd.h, fcntl.h, asm-generic/errno-base.h
	.equ	MFD_CLOEXEC, 1
	.equ	MFD_NOEXEC_SEAL, 8
	.equ	F_DUPFD_CLOEXEC, 1030
	.equ	EINTR, 4

// The header, relative to its own start; pack.ts has the same table.
	.equ	HDR_ENTRY, 0		// i64 Deno's entry point, from the header
	.equ	HDR_ENVIRON, 8		// i64 the GOT slot of `environ`, from the header
	.equ	HDR_PAYLOAD, 16		// u64 the eszip; its size follows
	.equ	HDR_SCRIPT, 32		// u32 "URL#/proc/self/fd/"
	.equ	HDR_POINTERS, 36	// u16 inserted arguments + variables
	.equ	HDR_SCRIPT_SIZE, 38	// u16
	.equ	HDR_ARGUMENT_COUNT, 40	// u16
	.equ	HDR_VARIABLE_COUNT, 42	// u16
	.equ	HDR_ARGUMENTS, 44	// u32
	.equ	HDR_VARIABLES, 48	// u32
	.equ	HDR_PREFIXES, 52	// u32

	.text
	.globl _stub
_stub:
	mov	x19, x0			// rtld_fini
	mov	x20, sp			// old argument block
	adr	x21, hdr
	// memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL), retry without
	mov	x1, #(MFD_CLOEXEC | MFD_NOEXEC_SEAL)
1:	adr	x0, memname
	mov	x8, #SYS_memfd_create
	svc	#0
	tbz	x0, #63, 2f
	cmp	x1, #MFD_CLOEXEC
	b.eq	fail
	mov	x1, #MFD_CLOEXEC
	b	1b
2:	mov	x22, x0
	cmp	x22, #2
	b.hi	3f
	mov	x1, #F_DUPFD_CLOEXEC
	mov	x2, #3
	mov	x8, #SYS_fcntl
	svc	#0
	tbnz	x0, #63, fail
	mov	x9, x22
	mov	x22, x0
	mov	x0, x9
	mov	x8, #SYS_close
	svc	#0
3:	ldp	x1, x23, [x21, #HDR_PAYLOAD]
	add	x1, x1, x21
4:	cbz	x23, 5f
	mov	x0, x22
	mov	x2, x23
	mov	x8, #SYS_write
	svc	#0
	cmn	x0, #EINTR
	b.eq	4b
	cmp	x0, #0
	b.le	fail
	add	x1, x1, x0
	sub	x23, x23, x0
	b	4b
5:	// script argument: template + decimal fd
	ldrh	w2, [x21, #HDR_SCRIPT_SIZE]
	add	x3, x2, #31
	and	x3, x3, #-16
	mov	x4, sp
	sub	x4, x4, x3
	mov	sp, x4
	mov	x24, x4			// script string
	ldr	w5, [x21, #HDR_SCRIPT]
	add	x5, x5, x21
6:	cbz	x2, 7f
	ldrb	w6, [x5], #1
	strb	w6, [x4], #1
	sub	x2, x2, #1
	b	6b
7:	// digits, most significant first
	mov	x5, #10
	mov	x6, #1			// divisor
8:	mul	x7, x6, x5
	cmp	x7, x22
	b.hi	9f
	mov	x6, x7
	b	8b
9:	udiv	x7, x22, x6
	msub	x22, x7, x6, x22
	add	w7, w7, #'0'
	strb	w7, [x4], #1
	udiv	x6, x6, x5
	cbnz	x6, 9b
	strb	wzr, [x4]
	// size of the old block
	ldr	x0, [x20]		// argc
	cbz	x0, fail
	add	x1, x20, x0, lsl #3
	add	x1, x1, #16		// envp
10:	ldr	x2, [x1], #8
	cbnz	x2, 10b
11:	ldr	x2, [x1], #16
	cbnz	x2, 11b
	sub	x1, x1, x20
	ldrh	w2, [x21, #HDR_POINTERS]
	add	x1, x1, x2, lsl #3
	add	x1, x1, #32
	mov	x3, sp
	sub	x3, x3, x1
	and	x3, x3, #-16
	mov	sp, x3
	// argc, argv
	ldrh	w4, [x21, #HDR_ARGUMENT_COUNT]
	add	x5, x0, x4
	str	x5, [x3], #8
	add	x6, x20, #8
	ldr	x7, [x6], #8
	str	x7, [x3], #8
	ldr	w5, [x21, #HDR_ARGUMENTS]
	add	x5, x5, x21
12:	mov	x7, x5
	ldrb	w9, [x5]
	cmp	w9, #1			// "\1": the script argument
	csel	x7, x24, x7, eq
	str	x7, [x3], #8
13:	ldrb	w9, [x5], #1
	cbnz	w9, 13b
	subs	w4, w4, #1
	b.ne	12b
14:	ldr	x7, [x6], #8
	str	x7, [x3], #8
	cbnz	x7, 14b
	// envp
	mov	x10, x3
	ldrh	w4, [x21, #HDR_VARIABLE_COUNT]
	ldr	w5, [x21, #HDR_VARIABLES]
	add	x5, x5, x21
15:	cbz	w4, 17f
	str	x5, [x3], #8
16:	ldrb	w9, [x5], #1
	cbnz	w9, 16b
	sub	w4, w4, #1
	b	15b
17:	ldr	x7, [x6], #8
	cbz	x7, 22f
	ldr	w5, [x21, #HDR_PREFIXES]
	add	x5, x5, x21
18:	ldrb	w9, [x5]
	cbz	w9, 21f			// end of list: keep
	mov	x11, x7
19:	ldrb	w9, [x5], #1
	cbz	w9, 17b			// prefix matched: drop
	ldrb	w12, [x11], #1
	cmp	w9, w12
	b.eq	19b
20:	cbz	w9, 18b
	ldrb	w9, [x5], #1
	b	20b
21:	str	x7, [x3], #8
	b	17b
22:	str	xzr, [x3], #8
23:	ldp	x7, x9, [x6], #16
	stp	x7, x9, [x3], #16
	cbnz	x7, 23b
	// environ, then Deno's _start
	ldr	x7, [x21, #HDR_ENVIRON]
	ldr	x7, [x21, x7]
	str	x10, [x7]
	ldr	x7, [x21, #HDR_ENTRY]
	add	x16, x7, x21
	mov	x0, x19
	mov	x29, xzr
	mov	x30, xzr
	br	x16
fail:	mov	x0, #2
	adr	x1, msg
	mov	x2, #(msgend - msg)
	mov	x8, #SYS_write
	svc	#0
	mov	x0, #126
	mov	x8, #SYS_exit_group
	svc	#0
memname: .asciz "app"
msg:	.ascii "cannot start: argv is empty or memfd_create failed\n"
msgend:
	.balign 16
hdr:
