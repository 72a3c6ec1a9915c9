/*
 * Readiness: what epoll has said about an fd, and the futures that wait to hear it.
 *
 * Layout: a registration lies in a table that grows by chunks and is never freed, so that an event
 * that comes late (epoll_wait had it in hand when the fd was closed) finds a registration, sees
 * that its generation is another one, and is forgotten. epoll's token = generation << 32 | index.
 *
 * word: bits KI_READ, KI_WRITE, KI_READ_CLOSED, KI_WRITE_CLOSED and above them a tick that counts
 * events. Events set bits (under the lock, with the waiters); who saw EAGAIN clears them (without
 * the lock), but only if the tick is still the one he read before his system call: an event that
 * came in between is not lost (the edge comes once).
 *
 * Access: word: atomic. waiters, poller, gen: under the lock. fd: fixed while registered.
 */
#ifndef KI_DRIVER_READINESS_H
#define KI_DRIVER_READINESS_H

#include "poller.h"
#include "../base/cpu.h"
#include "../base/lock.h"

#include <kioto/async.h>

enum {
    KI_READ = 1,
    KI_WRITE = 2,
    KI_READ_CLOSED = 4,  /* the peer sends no more, an error waits to be fetched, or urgent data */
    KI_WRITE_CLOSED = 8, /* nobody reads any more, or an error waits */
    KI_TICK_ONE = 16,
    KI_SHARED = 32, /* to ki_ready_open: see struct ki_ready */
};

struct ki_ready {
    KI_CACHE_ALIGNED ki_atomic(uint32_t) word; /* a line each: an event and a poll touch one */
    struct ki_lock lock;
    uint32_t gen;
    uint32_t index;
    int fd;
    bool shared;                         /* any number of futures may wait for a direction */
    struct ki_poller *poller;            /* NULL: its runtime has ended */
    struct kio_waiter_ *readers, *writers;
    struct ki_ready *free;               /* link of the free list */
};

/* 0 or a negative errno (-EPERM: a file that epoll does not take). The fd must be non-blocking and
 * stay open until ki_ready_close. flags: directions that are ready as far as known (the first call
 * is tried before any event), and KI_SHARED. */
KIO_MUST_USE int ki_ready_open(struct ki_ready **out, struct ki_poller *poller, int fd,
                               unsigned flags);

/* Ends the registration; before the fd is closed. Futures that still wait are woken and are in no
 * list any more. */
void ki_ready_close(struct ki_ready *r);

void ki_ready_forget_slow(struct ki_ready *r, struct kio_waiter_ *waiter);

/* The future is dropped or ready: it waits no longer. */
static inline void ki_ready_forget(struct ki_ready *r, struct kio_waiter_ *waiter)
{
    /* In a list exactly as long as it has a waker; an event takes the waker last. acquire: pairs
     * with take_waiter: nobody else touches it any more. */
    if (ki_bare_load_acquire(&waiter->waker.to))
        ki_ready_forget_slow(r, waiter);
}

/* A direction's bit, with that of its end. */
static inline unsigned ki_ready_mask(unsigned dir)
{
    return dir | dir << 2;
}

/* As ki_ready_poll, which has found that nothing is known to be ready. */
kio_poll ki_ready_wait(struct ki_ready *r, unsigned dir, struct kio_waiter_ *waiter, kio_context *cx,
                       uint32_t *tick);

/* KIO_READY: as far as known the direction (KI_READ or KI_WRITE) is ready: try the call; *tick is
 * for ki_ready_clear. KIO_PENDING: the waker is left in `waiter`, which is linked. Ready as well when
 * the runtime has ended (ki_ready_alive): no event will come, so a caller that sees EAGAIN then
 * gives up. */
static inline kio_poll ki_ready_poll(struct ki_ready *r, unsigned dir, struct kio_waiter_ *waiter,
                                     kio_context *cx, uint32_t *tick)
{
    /* acquire: pairs with ki_ready_event; what the other side did before is the kernel's matter */
    *tick = ki_load_acquire(&r->word);
    if (!(*tick & ki_ready_mask(dir)))
        return ki_ready_wait(r, dir, waiter, cx, tick);
    ki_ready_forget(r, waiter);
    return KIO_READY;
}

/* The call that followed a ki_ready_poll gave EAGAIN: not ready until the next event. */
void ki_ready_clear(struct ki_ready *r, unsigned dir, uint32_t tick);

/* A stream gave less than was asked for: empty until the next event, unless it is closed. */
void ki_ready_drained(struct ki_ready *r, unsigned dir, uint32_t tick);

/* Whether the registration's runtime still lives. */
bool ki_ready_alive(struct ki_ready *r);

/* From the poller: an event for a token. */
void ki_ready_event(uint64_t token, unsigned bits);

/* Nobody waits for the poller's events any more: its registrations become orphans, who waits is
 * woken, and from now on there are no new ones (-ESHUTDOWN). */
void ki_ready_orphan(struct ki_poller *poller);

/* In a forked child: all registrations are the parent's, whose epoll sets are left alone. */
void ki_readies_forked(void);

/* Registrations that are open, in the whole process: for metrics and tests. */
size_t ki_ready_count(void);

#endif
