/*
 * buffered, buffer_unordered: a future for each item of the source, some at once.
 *
 * The futures live in the caller's slots and run in a future_set, so that a wake polls who woke.
 * Ordered: the slots are a ring: head is the oldest one whose result was not given, `used` are in
 * flight or done. Unordered: a slot is free when its future is over and was given.
 * What a result refers to (a future that ended as kept) lives until the next item is asked for.
 */
#include "iter.h"

#include "../future/guard.h"

#include <string.h>

static kio_future *slot_at(const struct kio_iter_buffered *self, size_t i)
{
    return (kio_future *)(self->slots + i % self->count * self->stride);
}

/* Unordered: from head on, which is where the last one came from. */
static kio_future *free_slot(struct kio_iter_buffered *self)
{
    while (kio_is_live_(slot_at(self, self->head)))
        self->head++;
    return slot_at(self, self->head);
}

/* 1: one more is in flight; otherwise as kio_iter_pull(). */
static int start_one(struct kio_iter_buffered *self, kio_context *cx)
{
    _Alignas(16) char item[KIO_ITEM_MAX];
    int got = kio_iter_pull(self->source, cx, item);
    kio_future *f;
    int err;

    if (got != 1)
        return got;
    f = self->ordered ? slot_at(self, self->head + self->used) : free_slot(self);
    kio_vacate_(f);
    self->start(self->arg, item, f);
    if (!kio_is_live_(f) || f->type->out_size != self->iter.size)
        ki_guard_fail(ki_guard_here(), "let it be async_call(slot, name, …) of the jobs' type",
                      "kio_iter_buffered: start made no future of the jobs' type in its slot");
    err = kio_future_set_push_(&self->set, f, false, NULL);
    if (err) {
        kio_drop_(f);
        return err;
    }
    kio_adopt_(&self->kio, &self->set.kio);
    self->used++;
    return 1;
}

/* NULL: none has ended. */
static kio_future *poll_set(struct kio_iter_buffered *self, kio_context *cx)
{
    kio_future *f;

    if (!self->set.count)
        return NULL;
    if (!kio_is_live(&self->next))
        kio_adopt_(&self->kio, &kio_future_set_next(&self->next, &self->set)->kio);
    if (kio_poll_(&self->next.kio, cx) == KIO_PENDING)
        return NULL;
    f = self->next.future;
    if (f->state == KIO_KEPT)
        kio_adopt_(&self->kio, f); /* not next's, whose slot is used again */
    return f;
}

static int give(struct kio_iter_buffered *self, kio_future *f, void *item)
{
    memcpy(item, (const char *)f + f->type->out_offset, self->iter.size);
    self->given = f;
    self->used--;
    return 1;
}

static int buffered_next(struct kio_iter *iter, kio_context *cx, void *item)
{
    struct kio_iter_buffered *self = (struct kio_iter_buffered *)iter;
    kio_future *done;

    if (self->given)
        kio_drop_(self->given);
    self->given = NULL;
    while (!self->drained && self->used < self->count) {
        int got = start_one(self, cx);

        if (got == KIO_ITER_WAITS)
            break;
        if (got < 0)
            return got;
        self->drained = got == 0;
    }
    if (self->ordered) {
        while (self->used && !kio_is_over_(slot_at(self, self->head)) && poll_set(self, cx))
            ;
        if (self->used && kio_is_over_(slot_at(self, self->head)))
            return give(self, slot_at(self, self->head++), item);
    } else {
        done = poll_set(self, cx);
        if (done) {
            self->head = (size_t)((char *)done - self->slots) / self->stride;
            return give(self, done, item);
        }
    }
    return self->drained && !self->used ? 0 : KIO_ITER_WAITS;
}

static KIO_ITER_TYPE(buffered_type, kio_iter_buffered, buffered_next);

struct kio_iter_buffered *
kio_iter_buffered_(struct kio_iter_buffered *slot, struct kio_iter *source, void *jobs, size_t stride,
                   size_t out_size, size_t count,
                   void (*start)(void *arg, const void *item, void *slot), void *arg, bool ordered,
                   kio_future *scope)
{
    if (!count)
        ki_guard_fail(ki_guard_here(), "hand over at least one slot for a future",
                      "kio_iter_buffered with no slot");
    ki_iter_fits(source, "kio_iter_buffered");
    kio_guard_borrow_(jobs, "kio_iter_buffered", "jobs");
    kio_guard_borrow_(arg, "kio_iter_buffered", "arg");
    ki_iter_adapt(&slot->iter, &buffered_type, out_size, source, scope, "kio_iter_buffered");
    slot->source = source;
    slot->set = (struct kio_future_set){ 0 };
    slot->next = (struct kio_future_set_next){ 0 };
    slot->start = start;
    slot->arg = arg;
    slot->slots = jobs;
    slot->stride = stride;
    slot->count = count;
    slot->head = slot->used = 0;
    slot->ordered = ordered;
    slot->drained = false;
    slot->given = NULL;
    return slot;
}
