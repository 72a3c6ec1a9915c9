/* A time limit around a future: the future is polled first, then the timer. */
#include <kioto/time.h>

#include "../future/guard.h"
#include "../future/leaf.h"

#include <errno.h>

static kio_poll timeout_end(struct kio_timeout *self, int out)
{
    self->out = out;
    /* A result that keeps resources stays with us until our slot is vacated. */
    if (out == 0 && self->inner->state == KIO_KEPT && self->kio.child)
        kio_finish_keep(&self->kio);
    else
        kio_finish(&self->kio);
    return KIO_READY;
}

static kio_poll timeout_poll(kio_future *f, kio_context *cx)
{
    struct kio_timeout *self = (struct kio_timeout *)f;
    struct kio_run *run = cx->run;
    int budget = run ? run->budget : 0;
    kio_poll timer;

    if (!f->state) {
        f->state = self;
        if (!self->inner->type || kio_is_over_(self->inner))
            ki_guard_fail(ki_guard_here(), "make the future first, in a slot of its own",
                          "kio_timeout was given an empty slot or a finished future");
    }
    if (kio_poll_(self->inner, cx) == KIO_READY) {
        kio_drop_(&self->limit.kio);
        return timeout_end(self, 0);
    }
    /* A future that uses up the budget must not keep its own limit from being seen. */
    if (run && run->budget <= 0)
        run->budget = 1;
    timer = kio_poll_(&self->limit.kio, cx);
    if (run && budget > 0 && run->budget == 1)
        run->budget = 0;
    return timer == KIO_READY ? timeout_end(self, -ETIMEDOUT) : KIO_PENDING;
}

/* Also when the inner future lives on elsewhere, the timer is ours: it is no child, so that the
 * children of a timeout that keeps a result are that result alone. */
static void timeout_drop(kio_future *f)
{
    kio_drop_(&((struct kio_timeout *)f)->limit.kio);
}

static void timeout_members(const kio_future *f, void (*each)(void *arg, const kio_future *member),
                            void *arg)
{
    each(arg, ((const struct kio_timeout *)f)->inner);
    each(arg, &((const struct kio_timeout *)f)->limit.kio);
}

static const kio_future_type timeout_type = {
    .name = "kio_timeout",
    .kind = KIO_KIND_ANY,
    .members = timeout_members,
    .size = sizeof(struct kio_timeout),
    .poll = timeout_poll,
    .drop = timeout_drop,
    .out_offset = offsetof(struct kio_timeout, out),
    .out_size = sizeof(int),
};

struct kio_timeout *kio_timeout_at_(struct kio_timeout *slot, kio_instant deadline,
                                    kio_future *inner)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &timeout_type };
    slot->inner = inner;
    ki_take_over(&slot->kio, inner);
    slot->limit.kio = (kio_future){ 0 };
    kio_sleep_until(&slot->limit, deadline);
    return slot;
}

struct kio_timeout *kio_timeout_(struct kio_timeout *slot, kio_duration duration, kio_future *inner)
{
    kio_vacate_(&slot->kio);
    slot->kio = (kio_future){ .type = &timeout_type };
    slot->inner = inner;
    ki_take_over(&slot->kio, inner);
    slot->limit.kio = (kio_future){ 0 };
    kio_sleep(&slot->limit, duration);
    return slot;
}
