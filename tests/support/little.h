/*
 * A little executor for tests: polls one future by hand with a waker that counts. Nothing of the
 * runtime is in it, so what passes here depends on wakers alone.
 */
#ifndef TESTS_SUPPORT_LITTLE_H
#define TESTS_SUPPORT_LITTLE_H

#include "base/atomic.h"

#include <kioto/async.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct little {
    struct kio_wakeable wakeable; /* first */
    ki_atomic(uint32_t) wakes; /* by any thread; a futex */
    ki_atomic(uint32_t) clones, drops;
    int polls;
};

void little_init(struct little *l);
/* Polls once. */
kio_poll little_poll(struct little *l, kio_future *f);
/* Polls as long as it was woken; the last answer. */
kio_poll little_run(struct little *l, kio_future *f);
/* Waits until every clone of the waker was dropped: from then on nobody touches it. */
void little_settle(struct little *l);
/* Polls until ready, sleeping until woken: other threads may wake. Settles. */
void little_block_on(struct little *l, kio_future *f);

#define poll_once(l, fut) little_poll(l, &(fut)->kio)
#define run_until_stalled(l, fut) little_run(l, &(fut)->kio)
#define block_on(l, fut) little_block_on(l, &(fut)->kio)

#endif
