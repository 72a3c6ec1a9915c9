/* For tests with tasks: a future that counts what happens to it. */
#ifndef MC_TASKS_H
#define MC_TASKS_H

#include "mc.h"
#include "future/guard.h"
#include "sched/sched.h"

#include <kioto/task.h>

struct probe {
    KIO_ASYNC_FN(uint32_t);
    uint32_t needs; /* flags that have to be set: it is pending until then */
    unsigned polls;
    unsigned yields;          /* so often it yields first */
    struct ki_task *wakes[2]; /* that each poll wakes, in this order */
    void (*does)(void);       /* in each poll */
};

static ki_atomic(uint32_t) flags[4]; /* relaxed: their order has to come from what is tested */
static ki_atomic(unsigned) drop_count;

static inline unsigned drops(void)
{
    return ki_load_relaxed(&drop_count);
}

static bool probe_has(const struct probe *p)
{
    for (unsigned i = 0; i < 4; i++) {
        if ((p->needs >> i & 1) && !ki_load_relaxed(&flags[i]))
            return false;
    }
    return true;
}

static kio_poll probe_poll(kio_future *f, kio_context *cx)
{
    struct probe *p = (struct probe *)f;

    f->state = p;
    p->polls++;
    for (unsigned i = 0; i < 2 && p->wakes[i]; i++)
        kio_waker_wake(ki_task_waker(p->wakes[i]));
    if (p->does)
        p->does();
    if (p->yields) {
        p->yields--;
        cx->run->yielded = true;
        return KIO_PENDING;
    }
    if (!probe_has(p))
        return KIO_PENDING;
    p->out = 42;
    kio_finish(f);
    return KIO_READY;
}

static void probe_drop(kio_future *f)
{
    (void)f;
    ki_fetch_add_relaxed(&drop_count, 1);
}

static const kio_future_type probe_type = {
    .name = "probe",
    .size = sizeof(struct probe),
    .poll = probe_poll,
    .drop = probe_drop,
    .out_offset = offsetof(struct probe, out),
    .out_size = sizeof(uint32_t),
};

static inline struct probe *probe_of(struct ki_task *task)
{
    return (struct probe *)ki_task_future(task);
}

/* Neither queued nor live. */
static struct ki_task *probe_new(struct ki_sched *sched, struct ki_nest *nest, size_t size,
                                 uint32_t needs)
{
    struct ki_task *task = ki_task_new(&sched->arena, nest, size);
    struct probe *p;

    MC_ASSERT(task);
    p = (struct probe *)ki_task_future(task);
    *p = (struct probe){ .kio = { .type = &probe_type }, .needs = needs };
    return task;
}

#endif
