#include "leaf.h"
#include "guard.h"
#include "../base/lock.h"

struct thread_waker {
    struct kio_wakeable wakeable;
    ki_atomic(uint32_t) wakes;
};

static void wake(struct kio_wakeable *self)
{
    struct thread_waker *w = (struct thread_waker *)self;

    /* seq_cst: after the condition changed; pairs with the look at wakes before the poll. The
     * frame may be gone after this: a futex wake where nobody waits does nothing. */
    ki_fetch_add_seq_cst(&w->wakes, 1);
    ki_futex_wake(&w->wakes, 1);
}

static const kio_waker_type type = { .name = "thread", .wake = wake };

void ki_block_thread(kio_future *f, const char *call)
{
    struct thread_waker w = { .wakeable = { &type } };
    kio_context cx;

    if (ki_here.root)
        ki_guard_fail(ki_guard_here(), "await the other form of it instead",
                      "%s inside a task: it would block the thread that runs the tasks", call);
    kio_context_init(&cx, (kio_waker){ &w.wakeable });
    for (;;) {
        uint32_t seen = ki_load_seq_cst(&w.wakes);

        if (kio_poll_(f, &cx) == KIO_READY)
            return;
        ki_futex_wait(&w.wakes, seen, -1);
    }
}
