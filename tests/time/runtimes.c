/* Timers that cross from one runtime to another, and that outlive theirs. tokio #8252, #8169. */
#include "support/little.h"
#include "support/rt.h"

#include "driver/driver.h"

static struct little l;
static struct kio_sleep shared;

#define on(rt_, name, ...) kio_runtime_block_on(rt_, name __VA_OPT__(, ) __VA_ARGS__)

static struct kio_runtime *open(enum kio_flavor flavor, bool paused)
{
    struct kio_runtime *r;

    assert_int_equal(kio_runtime_new(&r, &(struct kio_runtime_config){ .flavor = flavor,
                                                                       .workers = 1,
                                                                       .start_paused = paused }),
                     0);
    return r;
}

/* Polls the shared sleep once, on the runtime this runs on. */
struct begins {
    async_fn(size_t); /* timers armed there */
    kio_duration d;
};

async(begins)
{
    async_begin;
    assert_int_equal(poll_once(&l, kio_sleep(&shared, self->d)), KIO_PENDING);
    async_return(ki_drivers_timers(ki_driver_here->all));
}

struct resets {
    async_fn(size_t);
    kio_instant to;
};

async(resets)
{
    async_begin;
    kio_sleep_reset(&shared, self->to);
    async_return(ki_drivers_timers(ki_driver_here->all));
}

struct polls {
    async_fn(kio_poll);
};

async(polls)
{
    async_begin;
    async_return(poll_once(&l, &shared));
}

struct awaits {
    async_fn(kio_duration); /* how long it took */
    kio_instant start;
};

async(awaits)
{
    async_begin;
    self->start = kio_now();
    await(&shared);
    assert_true(self->start <= kio_now());
    assert_true(kio_sleep_deadline(&shared) <= kio_now());
    async_return(kio_now() - self->start);
}

struct looks {
    async_fn(size_t);
};

async(looks)
{
    async_begin;
    async_return(ki_drivers_timers(ki_driver_here->all));
}

static const enum kio_flavor flavors[] = { KIO_CURRENT_THREAD, KIO_MULTI_THREAD };

static void a_sleep_reset_on_another_runtime_waits_there(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct kio_runtime *first = open(flavors[i / 2], false);
        struct kio_runtime *second = open(flavors[i % 2], false);

        little_init(&l);
        assert_int_equal(on(first, begins, .d = 3600 * KIO_SEC), 1);
        assert_int_equal(on(second, resets, .to = kio_now() + 1800 * KIO_SEC), 1);
        assert_int_equal(on(first, looks), 0);
        kio_runtime_free(first); /* nothing of it is left there */
        assert_int_equal(ki_load_seq_cst(&l.wakes), 0);
        on(second, resets, .to = kio_now() + 10 * KIO_MS);
        on(second, awaits);
        kio_runtime_free(second);
        assert_int_equal(ki_load_seq_cst(&l.clones), ki_load_seq_cst(&l.drops));
    }
}

static void a_sleep_polled_on_another_runtime_waits_there(void **state)
{
    struct kio_runtime *first = open(KIO_CURRENT_THREAD, true);
    struct kio_runtime *second = open(KIO_CURRENT_THREAD, true);

    (void)state;
    little_init(&l);
    on(first, begins, .d = KIO_MS);
    /* Armed on the second one by the reset, whose clock shows another time; back by the await. */
    on(second, resets, .to = kio_sleep_deadline(&shared) + KIO_MS);
    assert_int_equal(on(first, awaits), 2 * KIO_MS);
    kio_runtime_free(first);
    kio_runtime_free(second);
    assert_int_equal(ki_load_seq_cst(&l.clones), ki_load_seq_cst(&l.drops));
}

static void a_freed_runtime_wakes_who_still_waits_and_the_sleep_goes_on_elsewhere(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct kio_runtime *first = open(flavors[i / 2], false);
        struct kio_runtime *second = open(flavors[i % 2], false);

        little_init(&l);
        on(first, begins, .d = 30 * KIO_MS);
        kio_runtime_free(first);
        assert_int_equal(ki_load_seq_cst(&l.wakes), 1);
        if (kio_sleep_deadline(&shared) > kio_now() + 10 * KIO_MS)
            assert_int_equal(on(second, polls), KIO_PENDING);
        on(second, awaits); /* not before its deadline */
        kio_runtime_free(second);
        assert_int_equal(ki_load_seq_cst(&l.clones), ki_load_seq_cst(&l.drops));
    }
}

static void a_sleep_that_outlives_its_runtime_can_be_dropped_and_reset(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct kio_runtime *first = open(flavors[i], false);
        struct kio_runtime *second = open(KIO_CURRENT_THREAD, true);

        little_init(&l);
        on(first, begins, .d = i ? 3600 * KIO_SEC : INT64_MAX);
        kio_runtime_free(first);
        on(second, resets, .to = kio_now() + 3600 * KIO_SEC);
        assert_int_equal(on(second, looks), 0); /* it begins anew at its next poll */
        assert_int_equal(on(second, polls), KIO_PENDING);
        assert_int_equal(on(second, looks), 1);
        kio_runtime_free(second);
        kio_drop(&shared);
        assert_int_equal(ki_load_seq_cst(&l.clones), ki_load_seq_cst(&l.drops));
    }
}

/* Until the shared sleep has fired. */
struct fires {
    async_fn(void);
    struct kio_sleep nap;
};

async(fires)
{
    async_begin;
    while (!ki_load_seq_cst(&l.wakes))
        await(kio_sleep(&self->nap, KIO_MS));
    async_return();
}

static void a_sleep_that_fired_before_its_runtime_was_freed_is_over(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        struct kio_runtime *first = open(flavors[i % 2], false);
        struct kio_runtime *second = open(flavors[i % 2], false);

        little_init(&l);
        on(first, begins, .d = KIO_MS);
        on(first, fires);
        kio_runtime_free(first); /* and with it the driver that it was armed with */
        if (i < 2)
            assert_int_equal(on(second, polls), KIO_READY);
        else if (i < 4)
            on(second, resets, .to = kio_now() + 3600 * KIO_SEC);
        kio_drop(&shared);
        kio_runtime_free(second);
        assert_int_equal(ki_load_seq_cst(&l.clones), ki_load_seq_cst(&l.drops));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sleep_reset_on_another_runtime_waits_there),
        cmocka_unit_test(a_sleep_polled_on_another_runtime_waits_there),
        cmocka_unit_test(a_freed_runtime_wakes_who_still_waits_and_the_sleep_goes_on_elsewhere),
        cmocka_unit_test(a_sleep_that_outlives_its_runtime_can_be_dropped_and_reset),
        cmocka_unit_test(a_sleep_that_fired_before_its_runtime_was_freed_is_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
