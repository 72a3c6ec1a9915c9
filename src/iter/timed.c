/* Iterators with a clock: intervals, pauses, limits, batches. */
#include "iter.h"

#include "../future/guard.h"

#include <errno.h>
#include <string.h>

/* ---- interval ----------------------------------------------------------------------------- */

static int interval_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_interval *self = (struct kio_iter_interval *)iter;
    int error = self->error;

    if (!self->interval.period) {
        self->error = 0;
        return error;
    }
    if (!kio_is_live(&self->tick))
        kio_adopt_(&iter->kio, &kio_tick(&self->tick, &self->interval)->kio);
    if (kio_poll_(&self->tick.kio, cx) == KIO_PENDING)
        return KIO_ITER_WAITS;
    memcpy(item, &self->tick.out, sizeof self->tick.out);
    return 1;
}

static KIO_ITER_TYPE(interval_type, kio_iter_interval, interval_next);

struct kio_iter_interval *kio_iter_interval_(struct kio_iter_interval *slot, kio_duration period,
                                             kio_future *scope)
{
    kio_iter_init_(&slot->iter, &interval_type.kio, sizeof(kio_instant), scope);
    slot->interval = (struct kio_interval){ 0 };
    slot->tick = (struct kio_tick){ 0 };
    slot->error = kio_interval(&slot->interval, period);
    return slot;
}

/* ---- throttle, timeout -------------------------------------------------------------------- */

static void start(struct kio_iter *iter, struct kio_sleep *sleep, kio_duration duration)
{
    kio_adopt_(&iter->kio, &kio_sleep(sleep, duration)->kio);
}

/* So that it is neither running nor over. */
static void forget(struct kio_sleep *sleep)
{
    kio_drop(sleep);
    *sleep = (struct kio_sleep){ 0 };
}

static int throttle_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_throttle *self = (struct kio_iter_throttle *)iter;
    int got;

    if (kio_is_live(&self->sleep) && kio_poll_(&self->sleep.kio, cx) == KIO_PENDING)
        return KIO_ITER_WAITS;
    got = kio_iter_pull(self->source, cx, item);
    if (got == 1)
        start(iter, &self->sleep, self->duration);
    return got;
}

static KIO_ITER_TYPE(throttle_type, kio_iter_throttle, throttle_next);

struct kio_iter_throttle *kio_iter_throttle_(struct kio_iter_throttle *slot, struct kio_iter *source,
                                             kio_duration pause, kio_future *scope)
{
    ki_iter_adapt(&slot->iter, &throttle_type, source->size, source, scope, "kio_iter_throttle");
    slot->source = source;
    slot->duration = pause;
    slot->sleep = (struct kio_sleep){ 0 };
    return slot;
}

/* sleep: empty: no item is being waited for; over: it was told that this one takes long. */
static int timeout_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_timeout *self = (struct kio_iter_timeout *)iter;
    int got = kio_iter_pull(self->source, cx, item);

    if (got != KIO_ITER_WAITS) {
        forget(&self->sleep);
        return got;
    }
    if (kio_is_done(&self->sleep) && !self->again)
        return KIO_ITER_WAITS;
    if (!kio_is_live(&self->sleep))
        start(iter, &self->sleep, self->duration);
    return kio_poll_(&self->sleep.kio, cx) == KIO_READY ? -ETIMEDOUT : KIO_ITER_WAITS;
}

static KIO_ITER_TYPE(timeout_type, kio_iter_timeout, timeout_next);

struct kio_iter_timeout *kio_iter_timeout_(struct kio_iter_timeout *slot, struct kio_iter *source,
                                           kio_duration limit, bool again, kio_future *scope)
{
    ki_iter_adapt(&slot->iter, &timeout_type, source->size, source, scope, "kio_iter_timeout");
    slot->source = source;
    slot->duration = limit;
    slot->again = again;
    slot->sleep = (struct kio_sleep){ 0 };
    return slot;
}

/* ---- chunks ------------------------------------------------------------------------------- */

static int give(struct kio_iter_chunks *self, void *item)
{
    forget(&self->sleep);
    memcpy(item, &self->count, sizeof self->count);
    self->count = 0;
    return 1;
}

static int chunks_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_chunks *self = (struct kio_iter_chunks *)iter;
    int got = self->error;

    self->error = 0;
    if (got)
        return got;
    while (self->count < self->max) {
        got = kio_iter_pull(self->source, cx, self->items + self->count * self->item_size);
        if (got != 1)
            break;
        if (self->count++ == 0 && self->limit > 0 && self->limit != KIO_FOREVER)
            start(iter, &self->sleep, self->limit);
    }
    if (self->count == self->max)
        return give(self, item);
    if (got != KIO_ITER_WAITS) {
        if (!self->count)
            return got;
        self->error = got; /* after the batch; 0: the source says so again */
        return give(self, item);
    }
    if (self->count && self->limit <= 0)
        return give(self, item);
    if (kio_is_live(&self->sleep) && kio_poll_(&self->sleep.kio, cx) == KIO_READY)
        return give(self, item);
    return KIO_ITER_WAITS;
}

static KIO_ITER_TYPE(chunks_type, kio_iter_chunks, chunks_next);

struct kio_iter_chunks *kio_iter_chunks_(struct kio_iter_chunks *slot, struct kio_iter *source,
                                         void *items, size_t size, size_t max, kio_duration limit,
                                         kio_future *scope)
{
    if (!max || (source->size && source->size != size))
        ki_guard_fail(ki_guard_here(), "hand over an array of at least one of the source's items",
                      "kio_iter_chunks: an array of %zu items of %zu bytes for items of %zu", max,
                      size, source->size);
    kio_guard_borrow_(items, "kio_iter_chunks", "items");
    ki_iter_adapt(&slot->iter, &chunks_type, sizeof slot->count, source, scope, "kio_iter_chunks");
    slot->source = source;
    slot->items = items;
    slot->item_size = size;
    slot->max = max;
    slot->limit = limit;
    slot->count = 0;
    slot->error = 0;
    slot->sleep = (struct kio_sleep){ 0 };
    return slot;
}
