/*
 * The context switch itself: a few instructions in switch_<architecture>.S. It saves the registers
 * that the calling convention lets a callee keep, with the floating-point control words, and
 * nothing else; no system call, no signal mask.
 *
 * Private to stack.c, which adds what the sanitizers must be told.
 *
 * Thread: any; both stacks belong to the calling thread.
 * Blocks: never.
 */
#ifndef TSUGA_EXECUTOR_SWITCH_H
#define TSUGA_EXECUTOR_SWITCH_H

/* Parks the running stack: stores its stack pointer in *save_sp. Then resumes the one that an
 * earlier call parked with stack pointer load_sp. Returns when somebody resumes this one. */
void tsuga_switch(void **save_sp, void *load_sp);

/* Resumes the stack that was parked with stack pointer load_sp and forgets the running one. */
_Noreturn void tsuga_switch_resume(void *load_sp);

/* Parks the running stack likewise, then calls entry(context) on an empty stack that begins below
 * `top` (aligned to 16 bytes). entry must not return; unwinders see it as the outermost frame. */
void tsuga_switch_start(void **save_sp, void *top, void (*entry)(void *context), void *context);

#endif
