/*
 * tsuga_switch() and tsuga_switch_start() for AAPCS64. See switch.h.
 *
 * A parked stack holds, from its stack pointer upward: x19 to x28, x29 (frame pointer), x30 (where
 * it goes on), d8 to d15, fpcr and 8 unused bytes: 176 bytes.
 *
 * It is resumed by `ret`: under branch target identification a `br` may only land on a marked
 * instruction, and the address at which C code goes on is none.
 *
 * The property note claims branch target identification only; guarded control stacks would have
 * to be switched as well, so the file does not claim them and the loader keeps them disabled.
 */
    .text

    /* Expects the caller's rules at the entry of a function; x0 says where to keep the stack
     * pointer. Leaves fpcr in x9. */
    .macro PARK
    sub     sp, sp, #176
    .cfi_def_cfa_offset 176
    stp     x19, x20, [sp, #0]
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x20, 8
    stp     x21, x22, [sp, #16]
    .cfi_rel_offset x21, 16
    .cfi_rel_offset x22, 24
    stp     x23, x24, [sp, #32]
    .cfi_rel_offset x23, 32
    .cfi_rel_offset x24, 40
    stp     x25, x26, [sp, #48]
    .cfi_rel_offset x25, 48
    .cfi_rel_offset x26, 56
    stp     x27, x28, [sp, #64]
    .cfi_rel_offset x27, 64
    .cfi_rel_offset x28, 72
    stp     x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp     d8, d9, [sp, #96]
    .cfi_rel_offset d8, 96
    .cfi_rel_offset d9, 104
    stp     d10, d11, [sp, #112]
    .cfi_rel_offset d10, 112
    .cfi_rel_offset d11, 120
    stp     d12, d13, [sp, #128]
    .cfi_rel_offset d12, 128
    .cfi_rel_offset d13, 136
    stp     d14, d15, [sp, #144]
    .cfi_rel_offset d14, 144
    .cfi_rel_offset d15, 152
    mrs     x9, fpcr
    str     x9, [sp, #160]
    mov     x10, sp
    str     x10, [x0]
    .endm

    /* Moves to the stack parked at x1, all but the jump. The running stack's fpcr is in x9. */
    .macro UNPARK
    /* Both stacks have the same layout here, so the unwind rules stay true across this line. */
    mov     sp, x1
    ldr     x10, [sp, #160]
    cmp     x9, x10
    b.eq    1f
    msr     fpcr, x10       /* slow, and nearly always changes nothing */
1:  ldp     d14, d15, [sp, #144]
    ldp     d12, d13, [sp, #128]
    ldp     d10, d11, [sp, #112]
    ldp     d8, d9, [sp, #96]
    ldp     x29, x30, [sp, #80]
    ldp     x27, x28, [sp, #64]
    ldp     x25, x26, [sp, #48]
    ldp     x23, x24, [sp, #32]
    ldp     x21, x22, [sp, #16]
    ldp     x19, x20, [sp, #0]
    add     sp, sp, #176
    .cfi_def_cfa_offset 0
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    .cfi_restore d8
    .cfi_restore d9
    .cfi_restore d10
    .cfi_restore d11
    .cfi_restore d12
    .cfi_restore d13
    .cfi_restore d14
    .cfi_restore d15
    .endm

    .globl  tsuga_switch
    .hidden tsuga_switch
    .type   tsuga_switch, %function
    .p2align 5
tsuga_switch:
    .cfi_startproc
    hint    34              /* bti c */
    PARK
    UNPARK
    ret
    .cfi_endproc
    .size   tsuga_switch, . - tsuga_switch

    .globl  tsuga_switch_resume
    .hidden tsuga_switch_resume
    .type   tsuga_switch_resume, %function
    .p2align 5
tsuga_switch_resume:
    .cfi_startproc
    hint    34              /* bti c */
    mov     x1, x0
    mrs     x9, fpcr
    sub     sp, sp, #176    /* a frame of the parked shape for the unwind rules */
    .cfi_def_cfa_offset 176
    UNPARK
    ret
    .cfi_endproc
    .size   tsuga_switch_resume, . - tsuga_switch_resume

    .globl  tsuga_switch_start
    .hidden tsuga_switch_start
    .type   tsuga_switch_start, %function
    .p2align 5
tsuga_switch_start:
    .cfi_startproc
    hint    34              /* bti c */
    PARK
    /* Here a backtrace of the new stack ends. */
    mov     sp, x1
    .cfi_undefined x30
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x3
    blr     x2
    brk     #1
    .cfi_endproc
    .size   tsuga_switch_start, . - tsuga_switch_start

    .section .note.GNU-stack, "", %progbits

    .section .note.gnu.property, "a", %note
    .p2align 3
    .long   4               /* bytes of the name */
    .long   16              /* bytes of the properties */
    .long   5               /* NT_GNU_PROPERTY_TYPE_0 */
    .asciz  "GNU"
    .long   0xc0000000      /* GNU_PROPERTY_AARCH64_FEATURE_1_AND */
    .long   4
    .long   1               /* branch target identification */
    .long   0
