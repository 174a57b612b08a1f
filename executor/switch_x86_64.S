/*
 * tsuga_switch() and tsuga_switch_start() for the System V ABI on x86-64. See switch.h.
 *
 * A parked stack holds, from its stack pointer upward:
 *
 *     0   mxcsr (4 bytes), x87 control word (2 bytes), 2 unused
 *     8   r15 r14 r13 r12 rbx rbp
 *     56  the address at which it goes on
 *
 * It is resumed by an indirect jump: a `ret` would be predicted to go back to where this stack's
 * own call came from, which is wrong at every switch (12 ns against 3).
 *
 * Control-flow enforcement: the file supports indirect branch tracking and says so in its property
 * note. It does not say that it supports shadow stacks, which would have to be switched as well;
 * the linker then leaves that mark off the whole program, and the loader keeps them disabled.
 */
    .text

    .macro PARK
    .cfi_startproc
    endbr64
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq   %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq   %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq   %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq   %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    subq    $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw  4(%rsp)
    movq    %rsp, (%rdi)
    .endm

    .globl  tsuga_switch
    .hidden tsuga_switch
    .type   tsuga_switch, @function
    .p2align 5
tsuga_switch:
    PARK
    /* Loading a control word is slow and nearly always changes nothing. The low six bits of mxcsr
     * are sticky status flags, which a call may change anyway. */
    movl    (%rsp), %eax
    xorl    (%rsi), %eax
    testl   $0xffffffc0, %eax
    jnz     2f
1:  movzwl  4(%rsp), %eax
    cmpw    4(%rsi), %ax
    jne     3f
    /* Both stacks have the same layout here, so the unwind rules stay true across this line. */
4:  movq    %rsi, %rsp
    addq    $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq    %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq    %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq    %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq    %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq    %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq    %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    popq    %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    notrack jmp *%rcx
    .cfi_restore %rip
    .cfi_def_cfa_offset 64
    .cfi_rel_offset %rbp, 48
    .cfi_rel_offset %rbx, 40
    .cfi_rel_offset %r12, 32
    .cfi_rel_offset %r13, 24
    .cfi_rel_offset %r14, 16
    .cfi_rel_offset %r15, 8
2:  ldmxcsr (%rsi)
    jmp     1b
3:  fldcw   4(%rsi)
    jmp     4b
    .cfi_endproc
    .size   tsuga_switch, . - tsuga_switch

    .globl  tsuga_switch_start
    .hidden tsuga_switch_start
    .type   tsuga_switch_start, @function
    .p2align 5
tsuga_switch_start:
    PARK
    /* Here a backtrace of the new stack ends. */
    movq    %rsi, %rsp
    .cfi_undefined %rip
    xorl    %ebp, %ebp
    movq    %rcx, %rdi
    call    *%rdx
    ud2
    .cfi_endproc
    .size   tsuga_switch_start, . - tsuga_switch_start

    .section .note.GNU-stack, "", @progbits

    .section .note.gnu.property, "a", @note
    .p2align 3
    .long   4               /* bytes of the name */
    .long   16              /* bytes of the properties */
    .long   5               /* NT_GNU_PROPERTY_TYPE_0 */
    .asciz  "GNU"
    .long   0xc0000002      /* GNU_PROPERTY_X86_FEATURE_1_AND */
    .long   4
    .long   1               /* indirect branch tracking, without shadow stacks */
    .long   0
