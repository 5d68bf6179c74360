# The engine: executes a plan (Linux x86_64). Its twin is engine_aarch64.S.
#
# A plan is an array of instructions of 80 bytes. The engine keeps no state in memory of its own, calls
# nothing, uses no stack once it runs, and so works in a child that shares its parent's memory
# (CLONE_VM|CLONE_VFORK), as the text of a process of its own, and inside Deno.
#
#   offset  size
#        0     4  nr        >= 0: a system call's number; < 0: one of the operations below
#        4     1  indirect  bit i: args[i] is the address of the eight bytes that are the argument
#        5     1  condition when to branch after this instruction
#        8    48  args[6]
#       56     8  store     where to put the result; 0: nowhere
#       64     8  operand   what the condition compares with; the engine does not look at it else
#       72     8  target    the instruction to branch to
#
# Operations:  -1 let a0         -2 a0 + a1        -3 a0 - a1        -4 a0 & a1      -5 a0 << a1
#              -6 a0 >> a1       -7 *a0            -8 *a0 = a1       -9 the instruction that branched last
#             -10 its result    -11 go to a0      -12 return to the caller
#              (-10 before any branch, where the engine is a process: the stack pointer)
#             -13 1 if the a2 bytes at a0 and at a1 are the same, else 0
#             -14 FNV-1a of the a1 bytes at a0, from the state a2    -15 bytes of the C string at a0
#             -16 leave for the program at a1, with the stack pointer a0
#             -17 digest of the a1/8 words at a0, from the state a2: for each word xor, multiply as FNV-1a, change halves
# Conditions:   0 never    1 result is an error, -4095..-1    2 result = operand    3 result != operand
#               4 result < operand (signed)    5 always
#
# Registers: rbx this instruction, rbp the instruction that branched last, r12 its result.
	.intel_syntax noprefix
	.text

# A process starts here: of what the kernel leaves in registers, the stack pointer may be of use.
entry:	mov	r12, rsp
	mov	rdi, [rip + plan]

# void run(instruction *plan), System V ABI.
run:	push	rbx
	push	rbp
	push	r12
	mov	rbx, rdi

next:	mov	rdi, [rbx + 8]
	mov	rsi, [rbx + 16]
	mov	rdx, [rbx + 24]
	mov	r10, [rbx + 32]
	mov	r8, [rbx + 40]
	mov	r9, [rbx + 48]
	mov	cl, [rbx + 4]
	test	cl, 1
	jz	1f
	mov	rdi, [rdi]
1:	test	cl, 2
	jz	1f
	mov	rsi, [rsi]
1:	test	cl, 4
	jz	1f
	mov	rdx, [rdx]
1:	test	cl, 8
	jz	1f
	mov	r10, [r10]
1:	test	cl, 16
	jz	1f
	mov	r8, [r8]
1:	test	cl, 32
	jz	1f
	mov	r9, [r9]
1:	movsxd	rax, dword ptr [rbx]
	test	rax, rax
	js	operation
	syscall

result:	mov	rdx, [rbx + 56]
	test	rdx, rdx
	jz	1f
	mov	[rdx], rax
1:	mov	cl, [rbx + 5]
	mov	rdx, [rbx + 64]
	test	cl, cl
	jz	4f
	cmp	cl, 2
	jb	2f
	je	3f
	cmp	cl, 4
	ja	branch
	je	5f
	cmp	rax, rdx
	jne	branch
	jmp	4f
5:	cmp	rax, rdx
	jl	branch
	jmp	4f
2:	cmp	rax, -4095		# unsigned: the errors are the largest numbers
	jae	branch
	jmp	4f
3:	cmp	rax, rdx
	je	branch
4:	add	rbx, 80
	jmp	next
branch:	mov	rbp, rbx
	mov	r12, rax
	mov	rbx, [rbx + 72]
	jmp	next

operation:
	xor	eax, -1			# -1, -2, ... become 0, 1, ... (not would leave the flags alone)
	jz	let
	dec	eax
	jz	do_add
	dec	eax
	jz	do_sub
	dec	eax
	jz	do_and
	dec	eax
	jz	do_shl
	dec	eax
	jz	do_shr
	dec	eax
	jz	load
	dec	eax
	jz	put
	dec	eax
	jz	branch_source
	dec	eax
	jz	branch_value
	dec	eax
	jz	goto
	dec	eax
	jz	return
	dec	eax
	jz	same
	dec	eax
	jz	hash
	dec	eax
	jz	length
	dec	eax
	jnz	digest

	mov	rsp, rdi		# leave
	xor	edx, edx		# as the kernel starts a program: nothing to be called at its end
	jmp	rsi

return:	pop	r12
	pop	rbp
	pop	rbx
	ret

let:	mov	rax, rdi
	jmp	result
do_add:	lea	rax, [rdi + rsi]
	jmp	result
do_sub:
	mov	rax, rdi
	sub	rax, rsi
	jmp	result
do_and:	mov	rax, rdi
	and	rax, rsi
	jmp	result
do_shl:	mov	rax, rdi
	mov	ecx, esi
	shl	rax, cl
	jmp	result
do_shr:	mov	rax, rdi
	mov	ecx, esi
	shr	rax, cl
	jmp	result
load:	mov	rax, [rdi]
	jmp	result
put:	mov	[rdi], rsi
	mov	rax, rsi
	jmp	result
branch_source:
	mov	rax, rbp
	jmp	result
branch_value:
	mov	rax, r12
	jmp	result
goto:	mov	rbx, rdi
	jmp	next
same:	mov	rcx, rdx
	xor	eax, eax		# and the zero flag is set, should there be no bytes
	repe cmpsb
	sete	al
	jmp	result
hash:	mov	rax, rdx
	movabs	r8, 0x100000001b3
1:	test	rsi, rsi
	jz	result
	movzx	ecx, byte ptr [rdi]
	xor	rax, rcx
	imul	rax, r8
	inc	rdi
	dec	rsi
	jmp	1b
digest:	mov	rax, rdx
	movabs	r8, 0x100000001b3
1:	sub	rsi, 8
	jb	result
	xor	rax, [rdi]
	imul	rax, r8
	rol	rax, 32
	add	rdi, 8
	jmp	1b
length:	xor	eax, eax
1:	cmp	byte ptr [rdi + rax], 0
	je	result
	inc	rax
	jmp	1b

	.balign 8
plan:	.quad	0			# filled in where the engine is the text of a process
