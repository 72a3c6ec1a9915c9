/* Whether stealing pays, by itself: src/sched/worth.h. */
#include "support/rt.h"

#include "sched/worth.h"

/* Steals, and has run that for so long, with so many fights. */
static int64_t after(struct ki_worth *w, int64_t ran_ns, uint32_t fights)
{
    ki_worth_stole(w, 1000);
    ki_friction += fights;
    return ki_worth_judge(w, 1000 + ran_ns);
}

static void work_that_lasts_needs_no_rest(void **state)
{
    struct ki_worth w = { 0 };

    (void)state;
    assert_int_equal(after(&w, KI_STEAL_PAYS_NS, 0), 0);
    assert_int_equal(w.since, 0);
}

static void rests_double_up_to_a_bound(void **state)
{
    struct ki_worth w = { 0 };
    int64_t rest = KI_REST_MIN_NS;

    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(after(&w, KI_STEAL_PAYS_NS - 1, 0), rest);
        rest = 2 * rest < KI_REST_MAX_NS ? 2 * rest : KI_REST_MAX_NS;
    }
    assert_int_equal(w.rest_ns, KI_REST_MAX_NS);
}

static void work_that_pays_ends_the_rests(void **state)
{
    struct ki_worth w = { 0 };

    (void)state;
    assert_int_equal(after(&w, 1, 0), KI_REST_MIN_NS);
    assert_int_equal(after(&w, 1, 0), 2 * KI_REST_MIN_NS);
    assert_int_equal(after(&w, KI_STEAL_PAYS_NS, 0), 0);
    assert_int_equal(after(&w, 1, 0), KI_REST_MIN_NS);
}

static void long_work_that_grates_does_not_pay(void **state)
{
    struct ki_worth w = { 0 };
    int64_t ran_ns = 1000 * KI_FRICTION_NS;

    (void)state;
    assert_int_equal(after(&w, ran_ns, 500), 0); /* half of the time */
    assert_int_equal(after(&w, ran_ns, 501), KI_REST_MIN_NS);
}

static void friction_wraps(void **state)
{
    struct ki_worth w = { 0 };

    (void)state;
    ki_friction = UINT32_MAX - 10;
    assert_int_equal(after(&w, 1000 * KI_FRICTION_NS, 100), 0);
    assert_int_equal(after(&w, 1000 * KI_FRICTION_NS, 600), KI_REST_MIN_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_that_lasts_needs_no_rest), cmocka_unit_test(rests_double_up_to_a_bound),
        cmocka_unit_test(work_that_pays_ends_the_rests), cmocka_unit_test(long_work_that_grates_does_not_pay),
        cmocka_unit_test(friction_wraps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
