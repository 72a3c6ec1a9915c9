/*
 * Guards: mistakes of the user that the compiler cannot see. A failed guard prints the place, what
 * happened, the fix and the async backtrace, and aborts.
 */
#ifndef KI_FUTURE_GUARD_H
#define KI_FUTURE_GUARD_H

#include "../base/atomic.h"
#include "../base/cpu.h"

#include <kioto/async.h>

#include <stdio.h>

/* What this thread is polling right now. Written by whoever polls tasks, around the loop. */
struct ki_here {
    const char *stack_base; /* frames of the poll lie below it; NULL: nothing is polled here */
    kio_future *root;       /* the task's outermost future; NULL outside a poll */
    const char *task_name;  /* may be NULL */
    const struct kio_binding_ *locals; /* task-locals, innermost first: see task_local.c */
};

extern _Thread_local struct ki_here ki_here;

/* Relaxed: a dump on another thread compares root with a task's future, to tell which worker has it. */
static inline void ki_here_root(kio_future *root)
{
    ki_bare_store_relaxed(&ki_here.root, root);
}

static inline void ki_here_set(struct ki_here to)
{
    ki_here.stack_base = to.stack_base;
    ki_here_root(to.root);
    ki_here.task_name = to.task_name;
    ki_here.locals = to.locals;
}

/* Whether ptr points into the C stack of the poll that runs now: gone when it returns. */
static inline bool ki_on_poll_stack(const void *ptr)
{
    return (const char *)ptr < ki_here.stack_base && (uintptr_t)ptr >= ki_cpu_stack();
}

/* what: one sentence of what happened; fix: what to do instead. */
KIO_NORETURN KIO_COLD void ki_guard_fail(struct kio_place at, const char *fix, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

KIO_NORETURN KIO_COLD void ki_borrow_fault(const char *call, const char *what);

/* As kio_guard_borrow_(), for constructors whose cost shows. */
static inline void ki_guard_borrow(const void *ptr, const char *call, const char *what)
{
    if (kio_unlikely_(ki_on_poll_stack(ptr)))
        ki_borrow_fault(call, what);
}

/* The place of the async function that runs now: its file, and the line it last waited at. */
struct kio_place ki_guard_here(void);

/* The chain of awaits from `root` inwards, one a line. */
void ki_backtrace_print(FILE *to, const kio_future *root);

#endif
