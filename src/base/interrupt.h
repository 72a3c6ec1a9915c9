/*
 * Having another thread of the process do something at once, wherever it is: by a signal. What it
 * does runs in a signal handler, so it may only read and write memory that stands ready.
 *
 * A system call that the thread is blocked in is restarted where Linux does so; sleeps and waits
 * for events end early with EINTR, as with every signal.
 */
#ifndef KI_BASE_INTERRUPT_H
#define KI_BASE_INTERRUPT_H

#include <kioto/config.h>

#include <stdio.h>

/* pc: where the thread was interrupted; NULL: not known on this processor. */
typedef void (*ki_interrupt_fn)(void *arg, const void *pc);

/* Installs the handler for a signal, for good; one that the program installed before is called for
 * signals that are not ours. Also loads what ki_stack_take needs. 0 or a negative errno. */
KIO_MUST_USE int ki_interrupt_prepare(int signal);

/* The calling thread's number, for ki_interrupt. */
int ki_interrupt_self(void);

/* Lets the signal through on this thread, or not; gives whether it was blocked. */
bool ki_interrupt_admit(int signal, bool admit);

/* Runs fn on the thread tid and returns when it has; false: it did not come to it in timeout_ns
 * (it has ended, or blocks the signal) and will not. One at a time in the process. */
bool ki_interrupt(int signal, int tid, ki_interrupt_fn fn, void *arg, int64_t timeout_ns);

/* The C stack of this thread, innermost first, in a signal handler too: at most cap addresses,
 * beginning with pc if that is among them. 0: this C library cannot tell (no <execinfo.h>). */
int ki_stack_take(void **frames, int cap, const void *pc);

/* One line for each address; says so when there is none. */
void ki_stack_print(FILE *to, void *const *frames, int count);

#endif
