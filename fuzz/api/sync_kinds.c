/* Kinds of futures of locks, permits, notifications and tokens. */
#include "fuzz.h"

static bool lock_build(struct slot *s)
{
    return MAKE(kio_lock, kio_lock(made, &mutex));
}

static const struct kind lock_kind = { .name = "lock", .build = lock_build };

static bool read_build(struct slot *s)
{
    return MAKE(kio_rw_guard, kio_read_lock(made, &rwlock));
}

static bool write_build(struct slot *s)
{
    return MAKE(kio_rw_guard, kio_write_lock(made, &rwlock));
}

static void downgrade(struct slot *s)
{
    if (s->f->state != KIO_KEPT || !FUTURE(s, kio_rw_guard)->write)
        return;
    kio_rw_downgrade(s->memory);
    must(!FUTURE(s, kio_rw_guard)->write);
}

static const struct kind read_kind = { .name = "rwlock", .build = read_build };
static const struct kind write_kind = { .name = "rwlock", .build = write_build, .change = downgrade };

static bool acquire_build(struct slot *s)
{
    s->need = byte() % (permits_in_all + 1);
    return MAKE(kio_acquire, kio_acquire(made, &semaphore, s->need); made->out = UNTOUCHED);
}

static void acquire_over(struct slot *s)
{
    if (FUTURE(s, kio_acquire)->out != 0)
        return;
    permits_held += s->need;
    sync_check();
    permits_held -= s->need;
    kio_release(&semaphore, s->need);
}

static const struct kind acquire_kind = {
    .name = "acquire", .build = acquire_build, .over = acquire_over,
};

static bool permits_build(struct slot *s)
{
    s->need = byte() % (permits_in_all + 1);
    return MAKE(kio_permits, kio_permits(made, &semaphore, s->need));
}

static void permits_ready(struct slot *s)
{
    struct kio_permits *f = FUTURE(s, kio_permits);

    must(f->out == 0 ? f->count == s->need : f->out == -EPIPE && f->count == 0);
}

static void permits_change(struct slot *s)
{
    struct kio_permits *f = FUTURE(s, kio_permits);
    size_t count = byte() % 3, had;

    if (s->f->state != KIO_KEPT)
        return;
    had = f->count;
    if (spare.kio.state != KIO_KEPT) {
        if (kio_permits_split(&spare, f, count))
            must(count > had && f->count == had);
        else
            must(f->count == had - count && spare.count == count);
    } else if (byte() & 1) {
        count = spare.count;
        kio_permits_merge(f, &spare);
        must(f->count == had + count && spare.kio.state != KIO_KEPT);
    } else if (!(byte() & 3)) {
        kio_permits_forget(f);
        permits_in_all -= had;
    }
}

static const struct kind permits_kind = {
    .name = "permits", .build = permits_build, .ready = permits_ready, .change = permits_change,
};

static bool notified_build(struct slot *s)
{
    return MAKE(kio_notified, kio_notified(made, &notify));
}

static void notified_change(struct slot *s)
{
    if (kio_is_live_(s->f))
        (void)kio_notified_enable(s->memory);
}

static const struct kind notified_kind = {
    .name = "notified", .build = notified_build, .change = notified_change,
};

static bool barrier_build(struct slot *s)
{
    return MAKE(kio_barrier_wait, kio_barrier_wait(made, &barrier); made->out = UNTOUCHED);
}

/* One leader for as many as the barrier waits for. */
static void barrier_over(struct slot *s)
{
    int out = FUTURE(s, kio_barrier_wait)->out;

    if (out == UNTOUCHED)
        return;
    barrier_ended++;
    barrier_leaders += out == 1;
    must(out == 0 || out == 1);
    must(barrier_ended <= barrier_leaders * barrier_count);
}

static const struct kind barrier_kind = {
    .name = "barrier_wait", .build = barrier_build, .over = barrier_over,
};

static bool once_build(struct slot *s)
{
    return MAKE(kio_once_init, kio_once_init(made, &once_cell); made->out = UNTOUCHED);
}

static void once_over(struct slot *s)
{
    int out = FUTURE(s, kio_once_init)->out;

    if (out == UNTOUCHED)
        return;
    must(out == (once_was_done ? 0 : 1));
    must(kept_locks("once_init", false) <= 1);
}

static void once_change(struct slot *s)
{
    if (s->f->state != KIO_KEPT || FUTURE(s, kio_once_init)->out != 1 || once_was_done)
        return;
    kio_once_done(s->memory);
    once_was_done = true;
    must(kio_once_is_done(&once_cell));
}

static const struct kind once_kind = {
    .name = "once_init", .build = once_build, .over = once_over, .change = once_change,
};

static bool set_once_build(struct slot *s)
{
    return MAKE(kio_set_once_wait, kio_set_once_wait(made, &set_once); made->out = &set_once);
}

static void set_once_ready(struct slot *s)
{
    must(FUTURE(s, kio_set_once_wait)->out == &rwlock);
}

static const struct kind set_once_kind = {
    .name = "set_once_wait", .build = set_once_build, .ready = set_once_ready,
};

static bool cancelled_build(struct slot *s)
{
    if (!tokens[s->of].node)
        return false;
    return MAKE(kio_cancelled, kio_cancelled(made, &tokens[s->of]));
}

static const struct kind cancelled_kind = { .name = "cancelled", .build = cancelled_build };

const struct kind *const sync_kinds[] = {
    &lock_kind,     &read_kind,    &write_kind, &acquire_kind,  &permits_kind,
    &notified_kind, &barrier_kind, &once_kind,  &set_once_kind, &cancelled_kind,
};
const size_t sync_kinds_count = COUNT(sync_kinds);
