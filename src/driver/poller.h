/*
 * The seam to the kernel: which fds have something to say. One per runtime; every parked worker
 * waits in it, so that the kernel wakes exactly one of them for an event, a wake or a timer, and a
 * worker that blocks never takes the driver with it.
 */
#ifndef KI_DRIVER_POLLER_H
#define KI_DRIVER_POLLER_H

#include "../base/atomic.h"

#include <kioto/config.h>

struct ki_poller {
    int epoll_fd;
    int wake_fd;  /* eventfd, edge-triggered, never read: each write wakes one waiter */
    int timer_fd; /* timerfd, edge-triggered; -1: none (the waiter's timeout serves) */
    ki_atomic(uint32_t) fds; /* registered now; relaxed: who registers the last one knows it */
    ki_atomic(uint64_t) added;  /* so far; statistics, as is events: that were fetched */
    ki_atomic(uint64_t) events;
    ki_atomic(uint32_t) closed; /* its runtime was shut down: see ki_ready_orphan */
};

/* Events a wait fetches at once: the rest stays in the kernel's list, in order, for this worker's
 * next turn or another worker's. */
#define KI_EVENTS 128

struct ki_event {
    uint64_t token;
    unsigned bits; /* as readiness.h's */
};

/* What one wait fetched. */
struct ki_polled {
    int count;
    bool woken;  /* somebody called ki_poller_wake */
    bool timer;  /* the timerfd fired */
    struct ki_event events[KI_EVENTS];
};

/* 0 or a negative errno; with_timer: make the timerfd too. */
KIO_MUST_USE int ki_poller_open(struct ki_poller *p, bool with_timer);
void ki_poller_close(struct ki_poller *p);
/* Makes the timerfd if there is none; false: it cannot. One thread at a time. */
KIO_MUST_USE bool ki_poller_need_timer(struct ki_poller *p);

/* token: what readiness.c gave; the fd must be non-blocking. 0 or a negative errno. */
KIO_MUST_USE int ki_poller_add(struct ki_poller *p, int fd, uint64_t token);
void ki_poller_remove(struct ki_poller *p, int fd);

/* Waits at most timeout_ns (0: looks; negative: for ever). EINTR counts as nothing seen. Any number
 * of threads at once. */
void ki_poller_wait(struct ki_poller *p, int64_t timeout_ns, struct ki_polled *seen);

/* Hands what was fetched to its registrations, which wake. */
void ki_poller_deliver(const struct ki_polled *seen);

/* Any thread, also a signal handler: one waiter (the next, if there is none) returns. */
void ki_poller_wake(struct ki_poller *p);

/* Monotonic nanoseconds at which the timerfd fires; INT64_MAX: never. */
void ki_poller_set_timer(struct ki_poller *p, int64_t deadline_ns);

#endif
