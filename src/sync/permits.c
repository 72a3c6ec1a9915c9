/*
 * Permits with a guard: a kio_acquire inside, and when that has ended, a kept future that gives them
 * back. `count` is what it holds; the acquire's own drop takes care of what was granted and not seen.
 *
 * The dump names it as one of the holders, and lets no cycle lead through it: whoever gives permits
 * back may be another.
 */
#include "waiters.h"
#include "../future/guard.h"

#include <errno.h>
#include <stdio.h>

static kio_poll permits_poll(kio_future *f, kio_context *cx)
{
    struct kio_permits *self = (struct kio_permits *)f;

    if (!f->state) {
        f->state = f;
        kio_adopt_(f, &self->acquire.kio);
    }
    if (kio_poll_(&self->acquire.kio, cx) == KIO_PENDING)
        return KIO_PENDING;
    self->out = self->acquire.out;
    if (self->out) {
        kio_finish(f);
        return KIO_READY;
    }
    self->count = self->acquire.need;
    kio_finish_keep(f);
    return KIO_READY;
}

static void permits_drop(kio_future *f)
{
    struct kio_permits *self = (struct kio_permits *)f;
    size_t count = self->count;

    self->count = 0;
    if (count)
        kio_release(self->of, count);
}

/* While it waits, the acquire inside says for what. */
static void permits_waits(const kio_future *f, struct kio_waits *to)
{
    const struct kio_permits *self = (const struct kio_permits *)f;

    if (f->state != KIO_KEPT || !self->count)
        return;
    to->what = "semaphore";
    to->at = self->of;
    to->has = to->shares = true;
    snprintf(to->text, sizeof to->text, "%zu of its permits", self->count);
}

static const kio_future_type permits_type = {
    .name = "kio_permits",
    .waits = permits_waits,
    .size = sizeof(struct kio_permits),
    .poll = permits_poll,
    .drop = permits_drop,
    .out_offset = offsetof(struct kio_permits, out),
    .out_size = sizeof(int),
};

struct kio_permits *kio_permits(struct kio_permits *slot, struct kio_semaphore *semaphore, size_t count)
{
    kio_guard_borrow_(semaphore, "kio_permits", "semaphore");
    kio_vacate_(&slot->kio);
    *slot = (struct kio_permits){ .kio = { .type = &permits_type }, .of = semaphore };
    kio_acquire(&slot->acquire, semaphore, count);
    return slot;
}

/* A guard that holds permits without having been awaited. */
static void hold(struct kio_permits *slot, struct kio_semaphore *s, size_t count, kio_future *scope)
{
    kio_permits(slot, s, count);
    slot->count = count;
    kio_finish_keep(&slot->kio);
    if (scope && kio_is_within_(scope, &slot->kio))
        kio_adopt_(scope, &slot->kio);
}

int kio_try_permits_(struct kio_permits *slot, struct kio_semaphore *s, size_t count, kio_future *scope)
{
    int err;

    kio_vacate_(&slot->kio);
    *slot = (struct kio_permits){ 0 };
    err = kio_try_acquire(s, count);
    if (!err)
        hold(slot, s, count, scope);
    return err;
}

static void must_hold(const struct kio_permits *guard, const char *call)
{
    if (kio_unlikely_(!guard->kio.type || guard->kio.state != KIO_KEPT))
        ki_guard_fail(ki_guard_here(), "await kio_permits, and look at its out first",
                      "%s of a guard that holds no permits", call);
}

void kio_permits_forget(struct kio_permits *guard)
{
    must_hold(guard, "kio_permits_forget");
    guard->count = 0;
    kio_drop(guard);
}

int kio_permits_split_(struct kio_permits *slot, struct kio_permits *from, size_t count,
                       kio_future *scope)
{
    must_hold(from, "kio_permits_split");
    if (count > from->count)
        return -EINVAL;
    from->count -= count;
    hold(slot, from->of, count, scope);
    return 0;
}

void kio_permits_merge(struct kio_permits *into, struct kio_permits *from)
{
    must_hold(into, "kio_permits_merge");
    must_hold(from, "kio_permits_merge");
    if (into->of != from->of)
        ki_guard_fail(ki_guard_here(), "merge guards of one semaphore",
                      "kio_permits_merge of permits of two semaphores");
    if (into == from)
        return;
    into->count += from->count;
    from->count = 0;
    kio_drop(from);
}
