/* Once and set once under a little executor, and set once from threads. */
#include "support/case.h"

#include <kioto/sync.h>

#include <errno.h>
#include <pthread.h>

/* ---- once --------------------------------------------------------------------------------- */

static void trying_sets_it_and_then_it_is_set(void **state)
{
    struct kio_once_cell cell = { 0 };
    struct kio_once_init a = { 0 }, b = { 0 };
    int value = 0;

    (void)state;
    assert_false(kio_once_is_done(&cell));
    assert_int_equal(kio_try_once_init(&a, &cell), 1);
    value = 5;
    kio_once_done(&a);
    assert_true(kio_once_is_done(&cell));
    assert_int_equal(kio_try_once_init(&b, &cell), 0); /* twice: told */
    READY(kio_once_init(&b, &cell));
    assert_int_equal(b.out, 0);
    assert_int_equal(value, 5);
}

static void trying_while_another_initialises_is_refused(void **state)
{
    struct kio_once_cell cell = { 0 };
    struct kio_once_init a = { 0 }, b = { 0 }, c = { 0 };

    (void)state;
    READY(kio_once_init(&a, &cell));
    assert_int_equal(a.out, 1);
    assert_int_equal(kio_try_once_init(&b, &cell), -EBUSY);
    assert_false(kio_once_is_done(&cell));
    PENDING(kio_once_init(&c, &cell));
    assert_int_equal(kio_try_once_init(&b, &cell), -EBUSY);
    kio_once_done(&a);
    READY(&c);
    assert_int_equal(c.out, 0);
}

struct fails_or_not {
    async_fn(int);
    struct kio_once_cell *cell;
    int error;
    int *value;
    struct kio_once_init once;
    struct kio_notify *go;
    struct kio_notified wait;
};

async(fails_or_not)
{
    async_begin;
    await(kio_once_init(&self->once, self->cell));
    if (!self->once.out)
        async_return(0);
    await(kio_notified(&self->wait, self->go));
    if (self->error)
        async_return(self->error); /* gives up by ending */
    *self->value = 10;
    kio_once_done(&self->once);
    async_return(0);
}

static void when_the_initialiser_fails_the_next_one_tries(void **state)
{
    struct kio_once_cell cell = { 0 };
    struct kio_notify go = { 0 };
    struct fails_or_not a = { 0 }, b = { 0 }, c = { 0 };
    int value = 0;

    (void)state;
    PENDING(async_call(&a, fails_or_not, .cell = &cell, .error = -EIO, .value = &value, .go = &go));
    PENDING(async_call(&b, fails_or_not, .cell = &cell, .value = &value, .go = &go));
    PENDING(async_call(&c, fails_or_not, .cell = &cell, .value = &value, .go = &go));
    kio_notify_one(&go);
    READY(&a);
    assert_int_equal(a.out, -EIO);
    WAKES(2); /* a, then b: its turn */
    PENDING(&b);
    PENDING(&c);
    kio_notify_one(&go);
    READY(&b);
    assert_int_equal(value, 10);
    READY(&c);
    assert_true(kio_once_is_done(&cell));
}

static void one_that_tried_and_is_dropped_gives_up(void **state)
{
    struct kio_once_cell cell = { 0 };
    struct kio_once_init a = { 0 }, b = { 0 };

    (void)state;
    assert_int_equal(kio_try_once_init(&a, &cell), 1);
    PENDING(kio_once_init(&b, &cell));
    kio_drop(&a);
    WAKES(1);
    READY(&b);
    assert_int_equal(b.out, 1);
    kio_drop(&b);
    assert_int_equal(kio_try_once_init(&a, &cell), 1);
    kio_once_done(&a);
}

/* ---- set once ----------------------------------------------------------------------------- */

static int four = 4, five = 5;

static void what_is_set_is_read_by_all_and_set_only_once(void **state)
{
    struct kio_set_once cell = { 0 };

    (void)state;
    assert_null(kio_set_once_get(&cell));
    assert_false(kio_set_once_is_set(&cell));
    assert_int_equal(kio_set_once(&cell, &five), 0);
    assert_ptr_equal(kio_set_once_get(&cell), &five);
    assert_int_equal(kio_set_once(&cell, &four), -EEXIST);
    assert_ptr_equal(kio_set_once_get(&cell), &five);
    assert_true(kio_set_once_is_set(&cell));
}

static void setting_wakes_all_who_wait_and_those_who_come_later_wait_no_more(void **state)
{
    static struct kio_set_once_wait waits[40];
    struct kio_set_once_wait late = { 0 };
    struct kio_set_once cell = { 0 };

    (void)state;
    for (int i = 0; i < 40; i++)
        PENDING(kio_set_once_wait(&waits[i], &cell));
    PENDING(&waits[7]);
    kio_drop(&waits[3]);
    assert_int_equal(kio_set_once(&cell, &five), 0);
    WAKES(39);
    for (int i = 0; i < 40; i++) {
        if (i == 3)
            continue;
        READY(&waits[i]);
        assert_ptr_equal(waits[i].out, &five);
    }
    READY(kio_set_once_wait(&late, &cell));
    assert_ptr_equal(late.out, &five);
}

static void taking_gives_what_was_set_and_empties_it(void **state)
{
    struct kio_set_once_wait wait = { 0 };
    struct kio_set_once cell = { 0 };

    (void)state;
    assert_null(kio_set_once_take(&cell));
    assert_int_equal(kio_set_once(&cell, &five), 0);
    assert_ptr_equal(kio_set_once_take(&cell), &five);
    assert_false(kio_set_once_is_set(&cell));
    PENDING(kio_set_once_wait(&wait, &cell));
    assert_int_equal(kio_set_once(&cell, &four), 0);
    READY(&wait);
    assert_ptr_equal(wait.out, &four);
}

static void it_may_be_set_to_nothing(void **state)
{
    struct kio_set_once_wait wait = { 0 };
    struct kio_set_once cell = { 0 };

    (void)state;
    assert_int_equal(kio_set_once(&cell, NULL), 0);
    assert_true(kio_set_once_is_set(&cell));
    assert_int_equal(kio_set_once(&cell, &four), -EEXIST);
    READY(kio_set_once_wait(&wait, &cell));
    assert_null(wait.out);
}

/* ---- threads ------------------------------------------------------------------------------ */

struct setter {
    struct kio_set_once *cell;
    int value, err;
};

static void *set(void *arg)
{
    struct setter *s = arg;

    s->value *= 2; /* seen by who gets the pointer */
    s->err = kio_set_once(s->cell, &s->value);
    return NULL;
}

static void of_two_threads_one_sets_it_and_who_waits_sees_what_it_wrote(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct kio_set_once cell = { 0 };
        struct kio_set_once_wait wait = { 0 };
        struct setter a = { &cell, 2, 0 }, b = { &cell, 3, 0 };
        pthread_t ta, tb;

        assert_int_equal(pthread_create(&ta, NULL, set, &a), 0);
        assert_int_equal(pthread_create(&tb, NULL, set, &b), 0);
        kio_set_once_wait(&wait, &cell);
        block_on(&l, &wait);
        assert_int_equal(*(int *)wait.out, wait.out == &a.value ? 4 : 6);
        pthread_join(ta, NULL);
        pthread_join(tb, NULL);
        assert_int_equal((a.err == 0) + (b.err == 0), 1);
        assert_int_equal(a.err + b.err, -EEXIST);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(trying_sets_it_and_then_it_is_set),
        CASE(trying_while_another_initialises_is_refused),
        CASE(when_the_initialiser_fails_the_next_one_tries),
        CASE(one_that_tried_and_is_dropped_gives_up),
        CASE(what_is_set_is_read_by_all_and_set_only_once),
        CASE(setting_wakes_all_who_wait_and_those_who_come_later_wait_no_more),
        CASE(taking_gives_what_was_set_and_empties_it),
        CASE(it_may_be_set_to_nothing),
        CASE(of_two_threads_one_sets_it_and_who_waits_sees_what_it_wrote),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
