#include "stress.h"

static kio_poll probe_poll(kio_future *f, kio_context *cx)
{
    struct probe *self = (struct probe *)f;

    did();
    f->state = self;
    must(self->life.magic);
    if (--self->polls_left < 0 || kio_now() >= self->limit) {
        self->out = self->number;
        kio_finish(f);
        return KIO_READY;
    }
    switch (roll(&self->dice, 4)) {
    case 0: /* during its own poll */
        kio_waker_wake_by_ref(cx->waker);
        return KIO_PENDING;
    case 1: { /* a clone more, and one less */
        kio_waker more = kio_waker_clone(cx->waker);

        must(kio_waker_will_wake(more, cx->waker));
        kio_waker_wake(more);
        return KIO_PENDING;
    }
    case 2:
        wake_somebody(&self->dice);
        /* fall through */
    default:
        post_waker(&self->dice, kio_waker_clone(cx->waker));
        break;
    }
    /* Nobody may find it. */
    if (!kio_is_live(&self->nap))
        kio_sleep(&self->nap, a_while(&self->dice) + 100 * KIO_US);
    if (kio_poll_(&self->nap.kio, cx) == KIO_READY)
        kio_waker_wake_by_ref(cx->waker);
    else
        kio_adopt_(f, &self->nap.kio);
    return KIO_PENDING;
}

static void probe_drop(kio_future *f)
{
    died(&((struct probe *)f)->life);
}

static const kio_future_type probe_type = {
    .name = "probe",
    .file = __FILE__,
    .line = __LINE__,
    .size = sizeof(struct probe),
    .poll = probe_poll,
    .drop = probe_drop,
    .out_offset = offsetof(struct probe, out),
    .out_size = sizeof(int),
};

struct probe *probe(struct probe *slot, struct ki_rand *dice, int number)
{
    kio_vacate_(&slot->kio);
    *slot = (struct probe){
        .kio = { .type = &probe_type },
        .life = born(K_PROBE),
        .dice = split(dice),
        .number = number,
        .polls_left = (int)roll(dice, 6),
        .limit = kio_now() + 20 * KIO_MS,
    };
    return slot;
}
