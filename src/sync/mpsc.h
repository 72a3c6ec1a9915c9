/* The channel, for those files that are parts of mpsc. How it works: mpsc.c. */
#ifndef KI_SYNC_MPSC_H
#define KI_SYNC_MPSC_H

#include "buffer.h"
#include "waiters.h"
#include "../base/biased.h"

#include <kioto/channel.h>

/* What a send touches comes first, then what a receive does: each cache line that two workers take from
 * each other costs 60 ns. */
struct kio_chan_ {
    KI_CACHE_ALIGNED struct ki_biased lock;
    bool rx_gone, closed;
    size_t cap;           /* SIZE_MAX: unbounded */
    size_t promised;
    kio_waker receiver;   /* of a recv that waits */
    struct ki_buffer buffer;
    struct ki_waiters line;    /* senders without a place */
    struct ki_waiters closing; /* closed() futures */
    size_t senders;       /* strong ones */
    size_t weaks;         /* weak ones */
    size_t refs;
    void (*destroy)(void *message);
    KI_CACHE_ALIGNED char ring[];
};

static inline void ki_chan_lock(struct kio_chan_ *c)
{
    ki_biased_lock(&c->lock, KI_RANK_SYNC);
}

static inline void ki_chan_lock_alone(struct kio_chan_ *c)
{
    ki_biased_lock_alone(&c->lock, KI_RANK_SYNC);
}

static inline bool ki_chan_try_lock(struct kio_chan_ *c)
{
    return ki_biased_try_lock(&c->lock, KI_RANK_SYNC);
}

static inline void ki_chan_unlock(struct kio_chan_ *c)
{
    ki_biased_unlock(&c->lock, KI_RANK_SYNC);
}

/* Places that nobody has or was promised. */
static inline size_t ki_chan_free_places(const struct kio_chan_ *c)
{
    return c->cap - c->buffer.count - c->promised;
}

/* A guard fails when it is empty. */
struct kio_chan_ *ki_chan_checked(struct kio_chan_ *c, const char *call);

/* One future's place in the line, or a single reservation: value NULL. The step gives 0, -EPIPE, or
 * -EAGAIN: it waits. */
void ki_send_init(struct kio_send *send, struct kio_chan_ *c, const void *value);
int ki_send_step(struct kio_send *send, kio_context *cx);
void ki_send_leave(struct kio_send *send);
void ki_send_waits(const kio_future *send, struct kio_waits *to);

/* Unlocks; one handle less. The last one frees. */
void ki_chan_unlock_unref(struct kio_chan_ *c);

/* Under the lock, which is let go for each wake: promised places go to those in line, or are free. */
void ki_chan_give_up(struct kio_chan_ *c, size_t places);

/* Under the lock: the first in line, of a kio_reserve_many, was promised one more place. True: it has
 * all of them. */
bool ki_reserve_many_got_one(struct kio_send *send);

#endif
