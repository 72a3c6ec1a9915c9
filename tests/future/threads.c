/* Two threads wake members at any moment while the combinator polls, ends and is dropped: no wake
 * is lost, none touches what is gone. Meant for the thread sanitizer. */
#include "support/little.h"
#include "base/cpu.h"
#include "base/lock.h"

#include <kioto/combine.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

/* Leaves its waker for the wakers' threads, and ends when its flag is up. */
struct racer {
    KIO_ASYNC_FN(int);
    ki_atomic(uint32_t) *go;
    ki_atomic(uintptr_t) *waker; /* the waker's address; 0: none. Member wakers are not counted */
    bool yields;                 /* wakes itself at its first poll */
};

static kio_poll racer_poll(kio_future *f, kio_context *cx)
{
    struct racer *self = (struct racer *)f;

    f->state = f;
    ki_xchg_seq_cst(self->waker, (uintptr_t)cx->waker.to); /* first the waker, then the look */
    if (ki_load_seq_cst(self->go)) {
        kio_finish(f);
        return KIO_READY;
    }
    if (self->yields) {
        self->yields = false;
        kio_waker_wake_by_ref(cx->waker);
    }
    return KIO_PENDING;
}

static const kio_future_type racer_type = {
    .name = "racer",
    .size = sizeof(struct racer),
    .poll = racer_poll,
};

#define RACERS 64

static struct racer racers[RACERS];
static ki_atomic(uint32_t) goes[RACERS];
static ki_atomic(uintptr_t) wakers[RACERS];
static ki_atomic(uint32_t) storm_over;

static void line_up(int count)
{
    for (int i = 0; i < count; i++) {
        ki_store_seq_cst(&goes[i], 0);
        racers[i] = (struct racer){
            .kio = { .type = &racer_type },
            .go = &goes[i],
            .waker = &wakers[i],
            .yields = i % 5 == 0,
        };
    }
}

/* ---- each member is woken exactly once: a lost wake is a test that never ends -------------- */

#define FEWEST 9 /* members with wakers of their own begin here */

static ki_atomic(uint32_t) round_now; /* raised when the members of a round stand ready */
static ki_atomic(uint32_t) wakers_done; /* by both threads, of all rounds */

/* arg: NULL wakes the even members, else the odd ones. */
static void *wake_once_a_round(void *arg)
{
    for (uint32_t round = 1;; round++) {
        while (ki_load_seq_cst(&round_now) < round) {
            if (ki_load_seq_cst(&storm_over))
                return NULL;
            sched_yield();
        }
        for (int i = arg != NULL; i < FEWEST; i += 2) {
            uintptr_t waker;

            if (ki_load_seq_cst(&goes[i]))
                continue;
            for (unsigned spin = (round * 7 + (unsigned)i * 13) % 64; spin > 0; spin--)
                ki_cpu_pause();
            ki_store_seq_cst(&goes[i], 1);
            waker = ki_load_seq_cst(&wakers[i]);
            kio_waker_wake_by_ref((kio_waker){ (struct kio_wakeable *)waker });
        }
        ki_fetch_add_seq_cst(&wakers_done, 1);
    }
}

static void one_wake_for_each_member_is_enough(void **state)
{
    static char odd;
    uint32_t many = getenv("KIOTO_TEST_QUICK") ? 100 : 20000;
    struct kio_join_all all = { 0 };
    pthread_t pair[2];

    (void)state;
    ki_store_seq_cst(&storm_over, 0);
    assert_int_equal(pthread_create(&pair[0], NULL, wake_once_a_round, NULL), 0);
    assert_int_equal(pthread_create(&pair[1], NULL, wake_once_a_round, &odd), 0);
    for (uint32_t round = 1; round <= many; round++) {
        struct little l;

        little_init(&l);
        line_up(FEWEST);
        for (int i = 0; i < FEWEST; i++)
            ki_store_seq_cst(&wakers[i], 0);
        kio_join_all(&all, racers, FEWEST);
        if (round % 4 == 1)
            poll_once(&l, &all); /* all are pending when the wakes begin */
        if (round % 4 >= 2) { /* one wake alone, with nothing after it that would make up for it */
            for (int i = 0; i < FEWEST - 1; i++)
                ki_store_seq_cst(&goes[i], 1);
        }
        ki_store_seq_cst(&round_now, round);
        if (kio_is_live(&all))
            block_on(&l, &all);
        while (ki_load_seq_cst(&wakers_done) < 2 * round)
            sched_yield();
        little_settle(&l);
    }
    ki_store_seq_cst(&storm_over, 1);
    for (int i = 0; i < 2; i++)
        pthread_join(pair[i], NULL);
}

/* ---- members are woken all the time -------------------------------------------------------- */

static void *wake_all(void *arg)
{
    (void)arg;
    while (!ki_load_seq_cst(&storm_over)) {
        for (int i = 0; i < RACERS; i++) {
            uintptr_t waker;

            ki_store_seq_cst(&goes[i], 1);
            waker = ki_load_seq_cst(&wakers[i]);
            kio_waker_wake_by_ref((kio_waker){ (struct kio_wakeable *)waker });
        }
    }
    return NULL;
}

static pthread_t threads[2];

static int storm(void **state)
{
    (void)state;
    ki_store_seq_cst(&storm_over, 0);
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&threads[i], NULL, wake_all, NULL))
            return -1;
    }
    return 0;
}

static int calm(void **state)
{
    (void)state;
    ki_store_seq_cst(&storm_over, 1);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

static int rounds(void)
{
    return getenv("KIOTO_TEST_QUICK") ? 20 : 1000;
}

static void join_all_of_members_woken_by_threads_ends(void **state)
{
    struct kio_join_all all = { 0 };

    (void)state;
    for (int round = 0; round < rounds(); round++) {
        struct little l;

        little_init(&l);
        line_up(RACERS);
        kio_join_all(&all, racers, RACERS);
        block_on(&l, &all);
        for (int i = 0; i < RACERS; i++)
            assert_true(kio_is_done(&racers[i]));
    }
}

static void join_all_may_be_dropped_while_threads_wake_its_members(void **state)
{
    struct kio_join_all all = { 0 };

    (void)state;
    for (int round = 0; round < rounds(); round++) {
        struct little l;

        little_init(&l);
        line_up(RACERS);
        kio_join_all(&all, racers, RACERS);
        for (int polls = round % 4; polls > 0; polls--) {
            if (poll_once(&l, &all) == KIO_READY)
                break;
        }
        kio_drop(&all);
        little_settle(&l);
        for (int i = 0; i < RACERS; i++)
            assert_true(kio_is_done(&racers[i]));
    }
}

/* The block's late wakes reach combinators of other sizes and kinds. */
static void select_all_of_members_woken_by_threads_ends(void **state)
{
    struct kio_select_all first = { 0 };

    (void)state;
    for (int round = 0; round < rounds(); round++) {
        int count = 9 + round % (RACERS - 9);
        struct little l;

        little_init(&l);
        line_up(count);
        kio_select_all(&first, racers, count);
        block_on(&l, &first);
        assert_in_range(first.out, 0, count - 1);
    }
}

static void the_task_may_change_while_threads_wake_its_members(void **state)
{
    struct kio_join_all all = { 0 };

    (void)state;
    for (int round = 0; round < rounds(); round++) {
        struct little a, b;

        little_init(&a);
        little_init(&b);
        line_up(RACERS);
        kio_join_all(&all, racers, RACERS);
        if (poll_once(&a, &all) == KIO_PENDING)
            block_on(&b, &all);
        little_settle(&a);
    }
}

static void a_set_gives_every_member_once(void **state)
{
    struct kio_future_set set = { 0 };
    struct kio_future_set_next next = { 0 };

    (void)state;
    for (int round = 0; round < rounds(); round++) {
        int taken = 0;
        struct little l;

        little_init(&l);
        line_up(RACERS);
        for (int i = 0; i < RACERS / 2; i++)
            assert_int_equal(kio_future_set_push(&set, &racers[i]), 0);
        for (;;) {
            if (taken < RACERS / 2)
                assert_int_equal(kio_future_set_push(&set, &racers[RACERS / 2 + taken]), 0);
            kio_future_set_next(&next, &set);
            for (;;) { /* cells keep wakers between two nexts: settled at the end */
                uint32_t seen = ki_load_seq_cst(&l.wakes);

                if (poll_once(&l, &next) == KIO_READY)
                    break;
                ki_futex_wait(&l.wakes, seen, -1);
            }
            if (!next.out)
                break;
            taken++;
            if (round % 7 == 3 && taken == 20)
                break; /* dropped with the rest in it */
        }
        kio_drop(&set);
        little_settle(&l);
        assert_int_equal(taken, round % 7 == 3 ? 20 : RACERS);
    }
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, storm, calm)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_wake_for_each_member_is_enough),
        T(join_all_of_members_woken_by_threads_ends),
        T(join_all_may_be_dropped_while_threads_wake_its_members),
        T(select_all_of_members_woken_by_threads_ends),
        T(the_task_may_change_while_threads_wake_its_members),
        T(a_set_gives_every_member_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
