/* Barriers under a little executor. */
#include "support/case.h"

#include <kioto/sync.h>

static void a_barrier_for_none_or_one_never_waits_and_everybody_leads(void **state)
{
    (void)state;
    for (size_t count = 0; count < 2; count++) {
        struct kio_barrier b;
        struct kio_barrier_wait w = { 0 };

        kio_barrier_init(&b, count);
        for (int i = 0; i < 3; i++) {
            READY(kio_barrier_wait(&w, &b));
            assert_int_equal(w.out, 1);
        }
    }
}

static void of_two_one_leads(void **state)
{
    struct kio_barrier b;
    struct kio_barrier_wait v = { 0 }, w = { 0 };

    (void)state;
    kio_barrier_init(&b, 2);
    PENDING(kio_barrier_wait(&v, &b));
    READY(kio_barrier_wait(&w, &b));
    WAKES(1);
    READY(&v);
    assert_int_equal(v.out + w.out, 1);
    assert_int_equal(w.out, 1); /* the last to arrive */
}

static void a_hundred_ten_times(void **state)
{
    static struct kio_barrier_wait w[100];
    struct kio_barrier b;

    (void)state;
    kio_barrier_init(&b, 100);
    for (int round = 0; round < 10; round++) {
        int leaders = 0;

        for (int i = 0; i < 99; i++)
            PENDING(kio_barrier_wait(&w[i], &b));
        for (int i = 0; i < 99; i++)
            PENDING(&w[i]);
        READY(kio_barrier_wait(&w[99], &b));
        WAKES(99 * (round + 1));
        for (int i = 0; i < 99; i++)
            READY(&w[i]);
        for (int i = 0; i < 100; i++)
            leaders += w[i].out;
        assert_int_equal(leaders, 1);
    }
}

/* One that was woken and has not looked belongs to its round, also when the next one fills up. */
static void the_next_round_may_fill_before_all_of_the_last_have_looked(void **state)
{
    struct kio_barrier b;
    struct kio_barrier_wait w[4] = { 0 };

    (void)state;
    kio_barrier_init(&b, 2);
    PENDING(kio_barrier_wait(&w[0], &b));
    READY(kio_barrier_wait(&w[1], &b));
    PENDING(kio_barrier_wait(&w[2], &b));
    kio_drop(&w[0]); /* had arrived: takes nothing from the new round */
    READY(kio_barrier_wait(&w[3], &b));
    READY(&w[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_barrier_for_none_or_one_never_waits_and_everybody_leads),
        CASE(of_two_one_leads),
        CASE(a_hundred_ten_times),
        CASE(the_next_round_may_fill_before_all_of_the_last_have_looked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
