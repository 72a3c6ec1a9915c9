#include "support/little.h"
#include "base/lock.h"
#include "base/mem.h"

#include <sched.h>

static void wake(struct kio_wakeable *self)
{
    struct little *l = (struct little *)self;

    ki_fetch_add_seq_cst(&l->wakes, 1);
    ki_futex_wake(&l->wakes, 1); /* the waker is still counted: the memory is there */
}

static void count_clone(struct kio_wakeable *self)
{
    ki_fetch_add_seq_cst(&((struct little *)self)->clones, 1);
}

static void count_drop(struct kio_wakeable *self)
{
    ki_fetch_add_seq_cst(&((struct little *)self)->drops, 1);
}

static const kio_waker_type type = {
    .name = "little",
    .wake = wake,
    .clone = count_clone,
    .drop = count_drop,
};

void little_init(struct little *l)
{
    *l = (struct little){ .wakeable = { &type } };
}

kio_poll little_poll(struct little *l, kio_future *f)
{
    kio_context cx;

    kio_context_init(&cx, (kio_waker){ &l->wakeable });
    l->polls++;
    return kio_future_poll(f, &cx);
}

static uint32_t wakes(struct little *l)
{
    return ki_load_seq_cst(&l->wakes);
}

kio_poll little_run(struct little *l, kio_future *f)
{
    for (;;) {
        uint32_t seen = wakes(l);

        if (little_poll(l, f) == KIO_READY)
            return KIO_READY;
        if (wakes(l) == seen)
            return KIO_PENDING;
    }
}

void little_settle(struct little *l)
{
    while (ki_load_seq_cst(&l->clones) != ki_load_seq_cst(&l->drops))
        sched_yield();
}

void little_block_on(struct little *l, kio_future *f)
{
    for (;;) {
        uint32_t seen = wakes(l);

        if (little_poll(l, f) == KIO_READY)
            break;
        ki_futex_wait(&l->wakes, seen, -1);
    }
    little_settle(l);
}

__attribute__((constructor)) static void watch_memory(void)
{
    ki_mem_watch();
}
