#include "leaf.h"
#include "guard.h"
#include "thread_waker.h"

void ki_block_thread(kio_future *f, const char *call)
{
    struct ki_thread_waker *w;
    kio_context cx;

    if (ki_here.root)
        ki_guard_fail(ki_guard_here(), "await the other form of it instead",
                      "%s inside a task: it would block the thread that runs the tasks", call);
    w = ki_thread_waker_get();
    kio_context_init(&cx, (kio_waker){ &w->wakeable });
    for (;;) {
        uint32_t seen = ki_thread_waker_count(w);

        if (kio_poll_(f, &cx) == KIO_READY)
            break;
        ki_thread_waker_sleep(w, seen, -1);
    }
    ki_thread_waker_put(w);
}
