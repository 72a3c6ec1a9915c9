/*
 * Cancel safety of everything that waits: dropped before its first poll, dropped in the line, dropped
 * when it had been given what it waits for and had not looked. Each time those behind it get what
 * they would have got without it, and are woken once.
 */
#include "support/case.h"
#include "support/leaf.h"

#include <kioto/abortable.h>
#include <kioto/shared.h>
#include <kioto/sync.h>

#include <string.h>

/* ---- what can be waited for --------------------------------------------------------------- */

static struct {
    struct kio_mutex mutex;
    struct kio_rwlock rw;
    struct kio_semaphore semaphore;
    struct kio_notify notify;
    struct kio_once_cell once;
    struct kio_barrier barrier;
    struct kio_set_once set;
    struct kio_cancel_token token;
    struct kio_shared future;
    struct kio_notify future_goes;
    struct kio_lock lock;
    struct kio_rw_guard rw_guard;
    struct kio_once_init once_init;
    struct kio_barrier_wait last;
} world;

struct until_told {
    async_fn(int);
    struct kio_notified wait;
};

async(until_told)
{
    async_begin;
    await(kio_notified(&self->wait, &world.future_goes));
    async_return(7);
}

/* Everything is taken. */
static void open_world(void)
{
    memset(&world, 0, sizeof world);
    assert_int_equal(kio_try_lock(&world.lock, &world.mutex), 0);
    assert_int_equal(kio_try_write_lock(&world.rw_guard, &world.rw), 0);
    assert_int_equal(kio_try_once_init(&world.once_init, &world.once), 1);
    kio_barrier_init(&world.barrier, 2);
    assert_int_equal(kio_cancel_token_new(&world.token, NULL), 0);
    assert_int_equal(kio_share(&world.future, until_told), 0);
}

static void close_world(void)
{
    kio_unlock(&world.lock);
    kio_rw_unlock(&world.rw_guard);
    kio_drop(&world.once_init);
    kio_drop(&world.last);
    kio_shared_drop(&world.future);
    kio_cancel_token_drop(&world.token);
    assert_false(world.mutex.held || world.rw.writing || world.rw.readers);
    assert_null(world.mutex.line.first);
    assert_null(world.rw.line.first);
    assert_null(world.semaphore.line.first);
    assert_null(world.notify.line.first);
    assert_null(world.once.line.first);
    assert_null(world.barrier.line.first);
    assert_null(world.set.line.first);
}

union slot {
    kio_future kio;
    struct kio_lock lock;
    struct kio_rw_guard rw;
    struct kio_acquire acquire;
    struct kio_permits permits;
    struct kio_notified notified;
    struct kio_once_init once;
    struct kio_barrier_wait barrier;
    struct kio_set_once_wait set;
    struct kio_cancelled cancelled;
    struct kio_shared_wait shared;
};

static void make_lock(union slot *s)
{
    kio_lock(&s->lock, &world.mutex);
}

static void make_read(union slot *s)
{
    kio_read_lock(&s->rw, &world.rw);
}

static void make_write(union slot *s)
{
    kio_write_lock(&s->rw, &world.rw);
}

static void make_acquire(union slot *s)
{
    kio_acquire(&s->acquire, &world.semaphore, 2);
}

static void make_permits(union slot *s)
{
    kio_permits(&s->permits, &world.semaphore, 2);
}

static void make_notified(union slot *s)
{
    kio_notified(&s->notified, &world.notify);
}

static void make_once(union slot *s)
{
    kio_once_init(&s->once, &world.once);
}

static void make_set(union slot *s)
{
    kio_set_once_wait(&s->set, &world.set);
}

static void make_cancelled(union slot *s)
{
    kio_cancelled(&s->cancelled, &world.token);
}

static void make_shared(union slot *s)
{
    kio_shared_wait(&s->shared, &world.future);
}

static void give_lock(void)
{
    kio_unlock(&world.lock);
}

static void give_rw(void)
{
    kio_rw_unlock(&world.rw_guard);
}

static void give_permits(void)
{
    kio_release(&world.semaphore, 2);
}

static void give_notification(void)
{
    kio_notify_one(&world.notify);
}

static void give_last_notification(void)
{
    kio_notify_last(&world.notify);
}

static void give_turn(void)
{
    kio_drop(&world.once_init); /* gives up */
}

static void give_value(void)
{
    assert_int_equal(kio_set_once(&world.set, &world), 0);
}

static void give_cancel(void)
{
    kio_cancel(&world.token);
}

static void give_end(void)
{
    kio_notify_one(&world.future_goes);
}

static const struct kind {
    const char *name;
    void (*make)(union slot *s);
    void (*give)(void);
    bool to_all;      /* who waits is woken together with the others */
    bool last_first;  /* the one that came last is served first */
} kinds[] = {
    { "lock", make_lock, give_lock, false, false },
    { "read lock", make_read, give_rw, true, false },
    { "write lock", make_write, give_rw, false, false },
    { "acquire", make_acquire, give_permits, false, false },
    { "permits", make_permits, give_permits, false, false },
    { "notified", make_notified, give_notification, false, false },
    { "notified, the last", make_notified, give_last_notification, false, true },
    { "once", make_once, give_turn, false, false },
    { "set once", make_set, give_value, true, false },
    { "cancelled", make_cancelled, give_cancel, true, false },
    { "shared future", make_shared, give_end, true, false },
};

#define EACH_KIND(k) for (const struct kind *k = kinds; k < kinds + sizeof kinds / sizeof kinds[0]; k++)

static union slot gone, stays;
static struct little other; /* the task of `stays` */

static void begin(const struct kind *k)
{
    memset(&gone, 0, sizeof gone);
    memset(&stays, 0, sizeof stays);
    little_init(&other);
    open_world();
    k->make(&gone);
}

static void end(const struct kind *k)
{
    if (other.wakes != 1 || poll_once(&other, &stays) != KIO_READY)
        fail_msg("%s: the one that stays was woken %u times", k->name, (unsigned)other.wakes);
    kio_drop(&stays);
    close_world();
    assert_int_equal(other.clones, other.drops);
}

#define STAYS(k)                                                                                   \
    do {                                                                                           \
        k->make(&stays);                                                                           \
        assert_int_equal(poll_once(&other, &stays), KIO_PENDING);                                  \
    } while (0)

static void dropped_before_its_first_poll_it_was_never_there(void **state)
{
    (void)state;
    EACH_KIND(k)
    {
        begin(k);
        kio_drop(&gone);
        STAYS(k);
        k->give();
        end(k);
    }
}

static void dropped_in_the_line_it_leaves_its_place_to_the_next(void **state)
{
    (void)state;
    EACH_KIND(k)
    {
        begin(k);
        if (k->last_first)
            STAYS(k);
        PENDING(&gone);
        if (!k->last_first)
            STAYS(k);
        kio_drop(&gone);
        assert_int_equal(other.wakes, 0);
        k->give();
        end(k);
    }
    WAKES(0);
}

static void dropped_when_it_was_given_and_had_not_looked_it_passes_it_on(void **state)
{
    uint32_t given = 0;

    (void)state;
    EACH_KIND(k)
    {
        begin(k);
        if (k->last_first)
            STAYS(k);
        PENDING(&gone);
        if (!k->last_first)
            STAYS(k);
        k->give();
        WAKES(++given);
        if (!k->to_all)
            assert_int_equal(other.wakes, 0);
        kio_drop(&gone);
        end(k);
    }
}

static void a_barrier_counts_who_waits_and_not_who_left(void **state)
{
    struct kio_barrier_wait a = { 0 }, b = { 0 }, c = { 0 };
    struct kio_barrier barrier;

    (void)state;
    kio_barrier_init(&barrier, 2);
    kio_barrier_wait(&a, &barrier);
    kio_drop(&a); /* never there */
    PENDING(kio_barrier_wait(&a, &barrier));
    kio_drop(&a); /* has not arrived after all */
    PENDING(kio_barrier_wait(&b, &barrier));
    READY(kio_barrier_wait(&c, &barrier));
    kio_drop(&b); /* had arrived: the round is over for c as well */
    assert_int_equal(c.out, 1);
    PENDING(kio_barrier_wait(&a, &barrier));
    kio_drop(&a);
}

/* Dropping it drops what is in it, at each of the three moments. */
static void an_abortable_future_is_dropped_with_what_it_waits_for(void **state)
{
    struct kio_abortable job = { 0 };
    struct kio_cancel_token token;
    struct leaf f;

    (void)state;
    assert_int_equal(kio_cancel_token_new(&token, NULL), 0);
    kio_abortable(&job, &token, leaf(&f, 1));
    kio_drop(&job);
    assert_int_equal(f.drops, 1);
    PENDING(kio_abortable(&job, &token, leaf(&f, 1)));
    kio_drop(&job);
    assert_int_equal(f.drops, 1);
    PENDING(kio_abortable(&job, &token, leaf(&f, 1)));
    kio_cancel(&token);
    kio_drop(&job); /* aborted, and had not looked */
    assert_int_equal(f.drops, 1);
    kio_cancel_token_drop(&token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(dropped_before_its_first_poll_it_was_never_there),
        CASE(dropped_in_the_line_it_leaves_its_place_to_the_next),
        CASE(dropped_when_it_was_given_and_had_not_looked_it_passes_it_on),
        CASE(a_barrier_counts_who_waits_and_not_who_left),
        CASE(an_abortable_future_is_dropped_with_what_it_waits_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
