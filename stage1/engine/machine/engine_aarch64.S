// The engine: executes a plan (Linux aarch64). engine_x86_64.S says what a plan is.
//
// Registers: x19 this instruction, x20 the instruction that branched last, x21 its result.
	.text

// A process starts here: of what the kernel leaves in registers, the stack pointer may be of use.
entry:	mov	x21, sp
	ldr	x0, plan

// void run(instruction *plan), AAPCS64.
run:	stp	x19, x20, [sp, #-32]!
	stp	x21, x30, [sp, #16]
	mov	x19, x0

next:	ldp	x0, x1, [x19, #8]
	ldp	x2, x3, [x19, #24]
	ldp	x4, x5, [x19, #40]
	ldrb	w9, [x19, #4]
	tbz	w9, #0, 1f
	ldr	x0, [x0]
1:	tbz	w9, #1, 1f
	ldr	x1, [x1]
1:	tbz	w9, #2, 1f
	ldr	x2, [x2]
1:	tbz	w9, #3, 1f
	ldr	x3, [x3]
1:	tbz	w9, #4, 1f
	ldr	x4, [x4]
1:	tbz	w9, #5, 1f
	ldr	x5, [x5]
1:	ldrsw	x8, [x19]
	tbnz	x8, #63, operation
	svc	#0

result:	ldr	x9, [x19, #56]
	cbz	x9, 1f
	str	x0, [x9]
1:	ldrb	w9, [x19, #5]
	ldr	x10, [x19, #64]
	cbz	w9, 4f
	cmp	w9, #2
	b.lo	2f
	b.eq	3f
	cmp	w9, #4
	b.hi	branch
	b.eq	5f
	cmp	x0, x10
	b.ne	branch
	b	4f
5:	cmp	x0, x10
	b.lt	branch
	b	4f
2:	cmn	x0, #4095		// unsigned: the errors are the largest numbers
	b.hs	branch
	b	4f
3:	cmp	x0, x10
	b.eq	branch
4:	add	x19, x19, #80
	b	next
branch:	mov	x20, x19
	mov	x21, x0
	ldr	x19, [x19, #72]
	b	next

operation:
	mvn	w8, w8			// -1, -2, ... become 0, 1, ...
	cbz	w8, result		// let: a0 is the result
	subs	w8, w8, #1
	b.eq	do_add
	subs	w8, w8, #1
	b.eq	do_sub
	subs	w8, w8, #1
	b.eq	do_and
	subs	w8, w8, #1
	b.eq	do_shl
	subs	w8, w8, #1
	b.eq	do_shr
	subs	w8, w8, #1
	b.eq	load
	subs	w8, w8, #1
	b.eq	put
	subs	w8, w8, #1
	b.eq	branch_source
	subs	w8, w8, #1
	b.eq	branch_value
	subs	w8, w8, #1
	b.eq	goto
	subs	w8, w8, #1
	b.eq	return
	subs	w8, w8, #1
	b.eq	same
	subs	w8, w8, #1
	b.eq	hash
	subs	w8, w8, #1
	b.eq	length
	subs	w8, w8, #1
	b.ne	digest

	mov	sp, x0			// leave
	mov	x0, #0			// as the kernel starts a program: nothing to be called at its end
	br	x1

return:	ldp	x21, x30, [sp, #16]
	ldp	x19, x20, [sp], #32
	ret

do_add:	add	x0, x0, x1
	b	result
do_sub:
	sub	x0, x0, x1
	b	result
do_and:	and	x0, x0, x1
	b	result
do_shl:	lsl	x0, x0, x1
	b	result
do_shr:	lsr	x0, x0, x1
	b	result
load:	ldr	x0, [x0]
	b	result
put:	str	x1, [x0]
	mov	x0, x1
	b	result
branch_source:
	mov	x0, x20
	b	result
branch_value:
	mov	x0, x21
	b	result
goto:	mov	x19, x0
	b	next
same:	cbz	x2, 2f
1:	ldrb	w8, [x0], #1
	ldrb	w9, [x1], #1
	cmp	w8, w9
	b.ne	3f
	subs	x2, x2, #1
	b.ne	1b
2:	mov	x0, #1
	b	result
3:	mov	x0, #0
	b	result
hash:	movz	x10, #0x1b3
	movk	x10, #0x100, lsl #32
1:	cbz	x1, 2f
	ldrb	w8, [x0], #1
	eor	x2, x2, x8
	mul	x2, x2, x10
	sub	x1, x1, #1
	b	1b
2:	mov	x0, x2
	b	result
digest:	movz	x10, #0x1b3
	movk	x10, #0x100, lsl #32
1:	subs	x1, x1, #8
	b.lo	2f
	ldr	x8, [x0], #8
	eor	x2, x2, x8
	mul	x2, x2, x10
	ror	x2, x2, #32
	b	1b
2:	mov	x0, x2
	b	result
length:	mov	x8, x0
1:	ldrb	w9, [x8], #1
	cbnz	w9, 1b
	sub	x0, x8, x0
	sub	x0, x0, #1
	b	result

	.balign 8
plan:	.quad	0			// filled in where the engine is the text of a process
