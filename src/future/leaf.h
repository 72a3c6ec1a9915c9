/* For leaf futures, and those around one: ending without a call, and threads that wait for a future
 * without a runtime. */
#ifndef KI_FUTURE_LEAF_H
#define KI_FUTURE_LEAF_H

#include <kioto/async.h>

/* Ready, with nothing left to release: as kio_finish() without running the type's drop. */
static inline kio_poll ki_ready_now(kio_future *f)
{
    kio_unlink_(f);
    f->state = KIO_DONE;
    return KIO_READY;
}

/* Whether kio_coop_may_() would say yes: for a short path that leaves what there is to do otherwise to
 * another function. */
static inline bool ki_coop_can(const kio_context *cx)
{
    return !cx->run || cx->run->budget > 0;
}

/* Whether dropping it is no more than saying so. */
static inline bool ki_holds_nothing(const kio_future *f)
{
    return !f->state && f->type->late;
}

/* A future around another owns it from its making on, if nobody does: also when it is dropped before
 * its first poll. */
static inline void ki_take_over(kio_future *f, kio_future *inner)
{
    if (inner->type && !kio_is_owned_(inner) && !kio_is_over_(inner))
        kio_adopt_(f, inner);
}

/* Polls until it is ready, sleeping on a futex in between. Guard: not inside a task; `call` names
 * the function for its message. */
void ki_block_thread(kio_future *f, const char *call);

#endif
