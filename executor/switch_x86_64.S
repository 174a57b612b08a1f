/*
 * tsuga_switch() and tsuga_switch_start() for the System V ABI on x86-64. See switch.h.
 *
 * A parked stack holds, from its stack pointer upward:
 *
 *     0   mxcsr (4 bytes), x87 control word (2 bytes), 2 unused
 *     8   r15 r14 r13 r12 rbx rbp
 *     56  the address at which it goes on
 *
 * tsuga_switch() resumes it by `ret`. The return predictor expects the site of its own call, and
 * that is right when both stacks blocked in the same function, as it is for what their callers
 * return to next: 8 to 10 ns, where an indirect jump leaves the predictor one entry ahead and costs
 * a missed prediction in each caller (20 to 26 ns two calls deep). tsuga_switch_resume() comes from
 * a place that never blocks there, so nothing can be predicted, and jumps (15 ns against 17).
 *
 * Control-flow enforcement: the file supports indirect branch tracking and says so in its property
 * note. It does not say that it supports shadow stacks, which would have to be switched as well;
 * the linker then leaves that mark off the whole program, and the loader keeps them disabled.
 */
    .text

    /* Expects the caller's rules at the entry of a function; %rdi says where to keep the stack
     * pointer. */
    .macro PARK
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

    /* Moves to the stack parked at %rsi, all but the jump. The running stack's control words are
     * at (%rsp).
     *
     * Loading a control word is slow and nearly always changes nothing. The low six bits of mxcsr
     * are sticky status flags, which a call may change anyway. */
    .macro UNPARK
    movl    (%rsp), %eax
    xorl    (%rsi), %eax
    testl   $0xffffffc0, %eax
    jz      1f
    ldmxcsr (%rsi)
1:  movzwl  4(%rsp), %eax
    cmpw    4(%rsi), %ax
    je      2f
    fldcw   4(%rsi)
    /* Both stacks have the same layout here, so the unwind rules stay true across this line. */
2:  movq    %rsi, %rsp
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
    .endm

    .globl  tsuga_switch
    .hidden tsuga_switch
    .type   tsuga_switch, @function
    .p2align 5
tsuga_switch:
    .cfi_startproc
    endbr64
    PARK
    UNPARK
    ret
    .cfi_endproc
    .size   tsuga_switch, . - tsuga_switch

    .globl  tsuga_switch_resume
    .hidden tsuga_switch_resume
    .type   tsuga_switch_resume, @function
    .p2align 5
tsuga_switch_resume:
    .cfi_startproc
    endbr64
    /* A frame of the parked shape, so that one set of unwind rules serves both stacks. Nobody will
     * look at its registers again. */
    movq    %rdi, %rsi
    subq    $56, %rsp
    .cfi_adjust_cfa_offset 56
    .cfi_rel_offset %rbp, 48
    .cfi_rel_offset %rbx, 40
    .cfi_rel_offset %r12, 32
    .cfi_rel_offset %r13, 24
    .cfi_rel_offset %r14, 16
    .cfi_rel_offset %r15, 8
    stmxcsr (%rsp)
    fnstcw  4(%rsp)
    UNPARK
    popq    %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    notrack jmp *%rcx
    .cfi_endproc
    .size   tsuga_switch_resume, . - tsuga_switch_resume

    .globl  tsuga_switch_start
    .hidden tsuga_switch_start
    .type   tsuga_switch_start, @function
    .p2align 5
tsuga_switch_start:
    .cfi_startproc
    endbr64
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
