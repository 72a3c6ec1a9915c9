/* Time limits on a paused clock, polled by hand. TOKIO.md 1.3, timeout. */
#include "support/leaf.h"
#include "support/paused.h"

static struct little l;
static struct kio_timeout limit;
static struct leaf inner;

static int open_limit(void **state)
{
    little_init(&l);
    return open_paused(state);
}

static int close_limit(void **state)
{
    int err = rt_close(state);

    kio_drop(&limit);
    kio_drop(&inner);
    return err;
}

#define L(test) cmocka_unit_test_setup_teardown(test, open_limit, close_limit)

STORY(ready)
{
    async_begin;
    await(sleep_ms(2000));
    for (self->i = 0; self->i < 4; self->i++) {
        leaf(&inner, 3)->ready = true;
        switch (self->i) {
        case 0:
            kio_timeout_at(&limit, kio_now(), &inner);
            break;
        case 1:
            kio_timeout_at(&limit, kio_now() - KIO_SEC, &inner);
            break;
        case 2:
            kio_timeout(&limit, 0, &inner);
            break;
        case 3:
            kio_timeout_at(&limit, INT64_MIN, &inner);
            break;
        }
        assert_int_equal(poll_once(&l, &limit), KIO_READY);
        assert_int_equal(limit.out, 0);
        assert_int_equal(inner.out, 3);
        assert_int_equal(inner.polls, 1);
    }
    async_return();
}

static void a_future_that_is_ready_wins_though_the_time_is_over(void **state)
{
    tell(ready);
}

STORY(in_time)
{
    async_begin;
    self->start = kio_now();
    for (self->i = 0; self->i < 2; self->i++) {
        if (self->i)
            kio_timeout(&limit, 100 * KIO_MS, leaf(&inner, 4));
        else
            kio_timeout_at(&limit, kio_now() + 100 * KIO_MS, leaf(&inner, 4));
        assert_int_equal(poll_once(&l, &limit), KIO_PENDING);
        await(advance_ms(90));
        assert_false(woken_since(&l));
        assert_int_equal(poll_once(&l, &limit), KIO_PENDING);
        leaf_tell(&inner);
        assert_true(woken_since(&l));
        assert_int_equal(poll_once(&l, &limit), KIO_READY);
        assert_int_equal(limit.out, 0);
        assert_int_equal(inner.out, 4);
        assert_int_equal(inner.drops, 1);
        await(advance_ms(100)); /* the timer went with it */
        assert_false(woken_since(&l));
    }
    async_return();
}

static void a_future_that_ends_in_time_takes_its_timer_with_it(void **state)
{
    tell(in_time);
}

STORY(large)
{
    async_begin;
    for (self->i = 0; self->i < 2; self->i++) {
        if (self->i)
            kio_timeout(&limit, INT64_MAX, leaf(&inner, 5));
        else
            kio_timeout_at(&limit, INT64_MAX, leaf(&inner, 5));
        assert_int_equal(poll_once(&l, &limit), KIO_PENDING);
        await(kio_time_advance(&self->by, INT64_C(86400) * 365 * 10 * KIO_SEC));
        assert_false(woken_since(&l));
        assert_int_equal(poll_once(&l, &limit), KIO_PENDING);
        leaf_tell(&inner);
        (void)woken_since(&l);
        assert_int_equal(poll_once(&l, &limit), KIO_READY);
        assert_int_equal(limit.out, 0);
    }
    async_return();
}

static void the_largest_limit_is_no_limit(void **state)
{
    tell(large);
}

STORY(late)
{
    async_begin;
    kio_timeout_at(&limit, kio_now(), leaf(&inner, 6)); /* now is over at once */
    assert_int_equal(poll_once(&l, &limit), KIO_READY);
    assert_int_equal(limit.out, -ETIMEDOUT);
    assert_int_equal(inner.polls, 1);
    assert_int_equal(inner.drops, 1);
    kio_timeout_at(&limit, kio_now() + 300 * KIO_MS, leaf(&inner, 6));
    assert_int_equal(poll_once(&l, &limit), KIO_PENDING);
    await(advance_ms(299));
    assert_false(woken_since(&l));
    await(advance_ms(1));
    assert_true(woken_since(&l));
    assert_int_equal(poll_once(&l, &limit), KIO_READY);
    assert_int_equal(limit.out, -ETIMEDOUT);
    assert_int_equal(inner.drops, 1);
    assert_false(kio_is_live(&inner));
    async_return();
}

static void when_the_time_is_over_the_future_is_dropped(void **state)
{
    tell(late);
}

/* ---- futures that never wait ----------------------------------------------------------------- */

struct reads {
    async_fn(void);
    struct kio_sleep none;
};

async(reads)
{
    async_begin;
    for (;;)
        await(kio_sleep(&self->none, 0)); /* always ready: it stops at the end of each budget */
}

struct never_waits {
    async_fn(int);
    struct kio_timeout limit;
    struct reads inner;
};

async(never_waits)
{
    async_begin;
    await(kio_timeout(&self->limit, KIO_MS, async_call(&self->inner, reads)));
    async_return(self->limit.out);
}

static void a_future_that_uses_up_every_budget_does_not_keep_its_limit_from_being_seen(void **state)
{
    (void)state;
    assert_int_equal(run(never_waits), -ETIMEDOUT);
}

/* A hundred tasks, each with a limit of its own on its own worker: none is early. */
struct limited {
    async_fn(void);
    kio_instant start;
    struct kio_notify never;
    struct kio_notified wait;
    struct kio_timeout limit;
};

async(limited)
{
    async_begin;
    self->start = kio_now();
    await(kio_timeout(&self->limit, 10 * KIO_MS, kio_notified(&self->wait, &self->never)));
    assert_int_equal(self->limit.out, -ETIMEDOUT);
    assert_true(kio_now() - self->start >= 10 * KIO_MS);
    async_return();
}

struct crowd {
    async_fn(void);
    struct limited here;
    struct kio_join_set set;
    struct kio_join_next next;
    int i;
};

static void crowd_drop(struct crowd *self)
{
    kio_join_set_drop(&self->set);
}

async(crowd, crowd_drop)
{
    async_begin;
    await(async_call(&self->here, limited));
    for (self->i = 0; self->i < amount(512); self->i++)
        assert_int_equal(kio_join_set_spawn(&self->set, limited), 0);
    for (;;) {
        await(kio_join_next(&self->next, &self->set));
        if (!self->next.out)
            async_return();
        assert_int_equal(self->next.handle.out, 0);
    }
}

static void limits_on_every_worker_are_never_early(void **state)
{
    (void)state;
    run(crowd);
}

int main(void)
{
    const struct CMUnitTest paused[] = {
        L(a_future_that_is_ready_wins_though_the_time_is_over),
        L(a_future_that_ends_in_time_takes_its_timer_with_it),
        L(the_largest_limit_is_no_limit),
        L(when_the_time_is_over_the_future_is_dropped),
    };
    const struct CMUnitTest real[] = {
        RT(a_future_that_uses_up_every_budget_does_not_keep_its_limit_from_being_seen),
        RT(limits_on_every_worker_are_never_early),
    };
    int failed = cmocka_run_group_tests_name("paused", paused, NULL, NULL);

    rt_flavor = KIO_CURRENT_THREAD;
    failed += cmocka_run_group_tests_name("current_thread", real, NULL, NULL);
    rt_flavor = KIO_MULTI_THREAD;
    return failed + cmocka_run_group_tests_name("multi_thread", real, NULL, NULL);
}
