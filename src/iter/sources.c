/* Where values come from: arrays, ranges, channels, and async functions that emit them. */
#include "iter.h"

#include "../future/guard.h"

#include <string.h>

/* ---- array, range ------------------------------------------------------------------------- */

static int array_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_array *self = (struct kio_iter_array *)iter;

    if (!self->left)
        return 0;
    if (!ki_iter_may(cx))
        return KIO_ITER_WAITS;
    memcpy(item, self->at, iter->size);
    self->at += iter->size;
    self->left--;
    return 1;
}

static KIO_ITER_TYPE(array_type, kio_iter_array, array_next);

struct kio_iter_array *kio_iter_array_(struct kio_iter_array *slot, const void *items, size_t size,
                                       size_t count, kio_future *scope)
{
    kio_guard_borrow_(items, "kio_iter_array", "items");
    kio_iter_init_(&slot->iter, &array_type.kio, size, scope);
    slot->at = items;
    slot->left = count;
    return slot;
}

static int range_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_range *self = (struct kio_iter_range *)iter;

    if (self->at >= self->end)
        return 0;
    if (!ki_iter_may(cx))
        return KIO_ITER_WAITS;
    memcpy(item, &self->at, sizeof self->at);
    self->at++;
    return 1;
}

static KIO_ITER_TYPE(range_type, kio_iter_range, range_next);

struct kio_iter_range *kio_iter_range_(struct kio_iter_range *slot, int64_t from, int64_t end,
                                       kio_future *scope)
{
    kio_iter_init_(&slot->iter, &range_type.kio, sizeof slot->at, scope);
    slot->at = from;
    slot->end = end;
    return slot;
}

/* ---- pending ------------------------------------------------------------------------------ */

static int pending_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    (void)iter;
    (void)cx;
    (void)item;
    return KIO_ITER_WAITS;
}

static KIO_ITER_TYPE(pending_type, kio_iter_pending, pending_next);

struct kio_iter_pending *kio_iter_pending_(struct kio_iter_pending *slot, kio_future *scope)
{
    kio_iter_init_(&slot->iter, &pending_type.kio, 0, scope);
    return slot;
}

/* ---- channels ----------------------------------------------------------------------------- */

/* The item may be another one each time, and on the C stack of an adapter: it is written during a
 * poll only, so the receive is made with a place of its own and told the item before each poll. */

static int rx_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_rx *self = (struct kio_iter_rx *)iter;

    if (!kio_is_live(&self->recv))
        kio_adopt_(&iter->kio, &kio_recv_(&self->recv, self->chan, self, 0)->kio);
    self->recv.value = item;
    if (kio_poll_(&self->recv.kio, cx) == KIO_PENDING)
        return KIO_ITER_WAITS;
    return self->recv.out;
}

static KIO_ITER_TYPE(rx_type, kio_iter_rx, rx_next);

struct kio_iter_rx *kio_iter_rx_(struct kio_iter_rx *slot, struct kio_chan_ *chan, kio_future *scope)
{
    if (!chan)
        ki_guard_fail(ki_guard_here(), "make the channel first", "kio_iter_rx got an empty handle");
    kio_iter_init_(&slot->iter, &rx_type.kio, kio_chan_message_size_(chan), scope);
    slot->chan = chan;
    slot->recv = (struct kio_recv){ 0 };
    return slot;
}

static int broadcast_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_broadcast *self = (struct kio_iter_broadcast *)iter;

    if (!kio_is_live(&self->recv))
        kio_adopt_(&iter->kio, &kio_broadcast_recv_(&self->recv, self->rx, self, 0)->kio);
    self->recv.value = item;
    if (kio_poll_(&self->recv.kio, cx) == KIO_PENDING)
        return KIO_ITER_WAITS;
    return self->recv.out;
}

static KIO_ITER_TYPE(broadcast_type, kio_iter_broadcast, broadcast_next);

struct kio_iter_broadcast *kio_iter_broadcast_(struct kio_iter_broadcast *slot,
                                               struct kio_broadcast_rx_ *rx, size_t size,
                                               kio_future *scope)
{
    kio_guard_borrow_(rx, "kio_iter_broadcast", "rx");
    kio_iter_init_(&slot->iter, &broadcast_type.kio, size, scope);
    slot->rx = rx;
    slot->recv = (struct kio_broadcast_recv){ 0 };
    return slot;
}

static int watch_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_watch *self = (struct kio_iter_watch *)iter;

    if (self->started) {
        if (!kio_is_live(&self->changed))
            kio_adopt_(&iter->kio, &kio_watch_changed_(&self->changed, self->rx)->kio);
        if (kio_poll_(&self->changed.kio, cx) == KIO_PENDING)
            return KIO_ITER_WAITS;
        if (self->changed.out)
            return 0; /* the sender is gone */
    }
    self->started = true;
    kio_watch_get_(self->rx, item, 0);
    return 1;
}

static KIO_ITER_TYPE(watch_type, kio_iter_watch, watch_next);

struct kio_iter_watch *kio_iter_watch_(struct kio_iter_watch *slot, struct kio_watch_rx_ *rx,
                                       size_t size, bool now, kio_future *scope)
{
    kio_guard_borrow_(rx, "kio_iter_watch", "rx");
    kio_iter_init_(&slot->iter, &watch_type.kio, size, scope);
    slot->rx = rx;
    slot->started = !now;
    slot->changed = (struct kio_watch_changed){ 0 };
    return slot;
}

/* ---- generators --------------------------------------------------------------------------- */

/*
 * The consumer's poll goes through the generator's body to the emit, which writes the item where
 * the consumer wants it and answers pending: the body stops there, and the poll comes back with an
 * item. The next poll finds the emit done. So no wakes are needed, and nothing is buffered.
 */
static kio_poll emit_poll(kio_future *f, kio_context *cx)
{
    struct kio_emit *self = (struct kio_emit *)f;
    struct kio_emitter *emitter = self->emitter;

    (void)cx;
    if (f->state) {
        kio_finish(f);
        return KIO_READY;
    }
    if (!emitter->to || emitter->full)
        return KIO_PENDING; /* another emit of the same poll came first: the next poll is ours */
    memcpy(emitter->to, self->item, emitter->size);
    emitter->full = true;
    f->state = f;
    return KIO_PENDING;
}

static const kio_future_type emit_type = {
    .name = "kio_emit",
    .size = sizeof(struct kio_emit),
    .poll = emit_poll,
};

struct kio_emit *kio_emit_(struct kio_emit *slot, struct kio_emitter *emitter, const void *item,
                           size_t size)
{
    if (size && size != emitter->size)
        ki_guard_fail(ki_guard_here(), "emit the type that the iterator was made for",
                      "kio_emit: the value has %zu bytes, an item %zu", size, emitter->size);
    kio_guard_borrow_(item, "kio_emit", "item");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_emit){ .kio = { .type = &emit_type }, .emitter = emitter, .item = item };
    return slot;
}

static int generator_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_generator *self = (struct kio_iter_generator *)iter;
    int result;

    if (!self->body)
        return 0;
    if (!ki_iter_may(cx))
        return KIO_ITER_WAITS;
    self->emitter.to = item;
    self->emitter.full = false;
    if (kio_poll_(self->body, cx) == KIO_PENDING) {
        self->emitter.to = NULL;
        return self->emitter.full ? 1 : KIO_ITER_WAITS;
    }
    memcpy(&result, (const char *)self->body + self->body->type->out_offset, sizeof result);
    self->body = NULL;
    return result < 0 ? result : 0;
}

static KIO_ITER_TYPE(generator_type, kio_iter_generator, generator_next);

struct kio_iter_generator *kio_iter_generator_(struct kio_iter_generator *slot, size_t size,
                                               kio_future *scope)
{
    kio_iter_init_(&slot->iter, &generator_type.kio, size, scope);
    slot->emitter = (struct kio_emitter){ .size = size };
    slot->body = NULL;
    return slot;
}

void kio_iter_body_(struct kio_iter_generator *slot, kio_future *body)
{
    if (body->type->out_size != sizeof(int))
        ki_guard_fail(ki_guard_here(), "declare it async_fn(int): 0 at the end, or a negative errno",
                      "kio_iter_generator: %s is not an async_fn(int)", body->type->name);
    kio_guard_borrow_(body, "kio_iter_generator", "the body's slot");
    slot->body = body;
    kio_adopt_(&slot->kio, body);
}
