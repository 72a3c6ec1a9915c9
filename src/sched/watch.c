#include "watch.h"
#include "../base/interrupt.h"

void ki_watch_begin(struct ki_watch *watch, struct ki_watched *w)
{
    w->was_blocked = watch->signal > 0 && ki_interrupt_admit(watch->signal, true);
    ki_store_relaxed(&w->tid, ki_interrupt_self()); /* who is asked looks at itself again */
    ki_watch_awake(watch, w);
}

void ki_watch_end(struct ki_watch *watch, struct ki_watched *w)
{
    ki_watch_asleep(w);
    ki_store_relaxed(&w->tid, 0);
    if (w->was_blocked)
        ki_interrupt_admit(watch->signal, false);
}
