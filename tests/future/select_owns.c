/* Who owns a select's arms, from its making to its end: see src/future/select.c. */
#include "support/case.h"

#include <kioto/combine.h>

#include <string.h>

/* A leaf that writes its name down when it is dropped. */
struct named {
    KIO_ASYNC_FN(void);
    char name;
    bool ready;
    int polls;
};

static char dropped[32];

static kio_poll named_poll(kio_future *f, kio_context *cx)
{
    struct named *n = (struct named *)f;

    (void)cx;
    f->state = f;
    n->polls++;
    if (!n->ready)
        return KIO_PENDING;
    kio_finish(f);
    return KIO_READY;
}

static void named_drop(kio_future *f)
{
    size_t at = strlen(dropped);

    dropped[at] = ((struct named *)f)->name;
    dropped[at + 1] = '\0';
}

#define NAMED .name = "named", .size = sizeof(struct named), .poll = named_poll, .drop = named_drop
static const kio_future_type named_type = { NAMED };
static const kio_future_type late_type = { NAMED, .late = true };

static struct named *made(struct named *slot, char name, const kio_future_type *type)
{
    *slot = (struct named){ .kio = { .type = type }, .name = name };
    return slot;
}

static struct named *named(struct named *slot, char name)
{
    return made(slot, name, &named_type);
}

static struct named *now(struct named *n)
{
    n->ready = true;
    return n;
}

static int begin(void **state)
{
    dropped[0] = '\0';
    return case_setup(state);
}

static void one_that_was_never_polled_drops_its_arms_newest_first(void **state)
{
    struct kio_select s = { 0 };
    struct named a, b, c;

    (void)state;
    kio_select(&s, named(&a, 'a'), NULL, named(&b, 'b'), named(&c, 'c'));
    kio_drop(&s);
    assert_string_equal(dropped, "cba");
    kio_select(&s, named(&a, 'a'), named(&b, 'b'));
    kio_select(&s, now(named(&c, 'c')), NULL); /* in the slot of one that was never polled */
    assert_string_equal(dropped, "cbaba");
    READY(&s);
    assert_string_equal(dropped, "cbabac");
}

static void one_that_waits_drops_its_arms_newest_first(void **state)
{
    struct kio_select s = { 0 };
    struct named a, b, c;

    (void)state;
    PENDING(kio_select(&s, named(&a, 'a'), named(&b, 'b'), named(&c, 'c')));
    kio_drop(&s);
    assert_string_equal(dropped, "cba");
    PENDING(kio_select(&s, named(&a, 'a'), named(&b, 'b')));
    a.ready = true;
    READY(&s);
    assert_string_equal(dropped, "cbaab");
}

static void the_losers_of_the_first_poll_are_dropped_newest_first(void **state)
{
    struct kio_select s = { 0 };
    struct named a, b, c, d;

    (void)state;
    READY(kio_select_biased(&s, named(&a, 'a'), named(&b, 'b'), now(named(&c, 'c')), named(&d, 'd')));
    assert_int_equal(s.out, 2);
    assert_string_equal(dropped, "cdba");
    assert_int_equal(d.polls, 0);
}

static void an_arm_written_twice_is_dropped_once(void **state)
{
    struct kio_select s = { 0 };
    struct named a, b;

    (void)state;
    named(&a, 'a');
    kio_select(&s, &a, named(&b, 'b'), &a);
    kio_drop(&s);
    assert_string_equal(dropped, "ab");
    named(&a, 'a');
    PENDING(kio_select(&s, &a, named(&b, 'b'), &a, &b));
    kio_drop(&s);
    assert_string_equal(dropped, "abba");
    READY(kio_select(&s, now(named(&a, 'a')), &a));
    assert_string_equal(dropped, "abbaa");
}

/* Its arms become this function's own between the select's making and its first poll. */
struct taker {
    async_fn(void);
    struct named *mine, *other;
    struct kio_select s;
    int first;
};

async(taker)
{
    async_begin;
    kio_select(&self->s, self->mine, self->other);
    async_let(self->mine);
    await(&self->s);
    self->first = self->s.out;
    await(self->mine);
    async_return();
}

static void an_arm_taken_over_before_the_first_poll_is_polled_and_lives_on(void **state)
{
    struct taker t = { 0 };
    struct named mine, other;

    (void)state;
    PENDING(async_call(&t, taker, .mine = named(&mine, 'm'), .other = named(&other, 'o')));
    assert_int_equal(mine.polls, 1);
    other.ready = true;
    PENDING(&t);
    assert_int_equal(t.first, 1);
    assert_string_equal(dropped, "o");
    mine.ready = true;
    READY(&t);
    assert_string_equal(dropped, "om");
}

static void an_arm_dropped_before_the_first_poll_is_disabled(void **state)
{
    struct kio_select s = { 0 };
    struct named a, b;

    (void)state;
    kio_select(&s, named(&a, 'a'), named(&b, 'b'));
    kio_drop(&a);
    PENDING(&s);
    kio_drop(&b);
    READY(&s);
    assert_int_equal(s.out, -1);
    assert_string_equal(dropped, "ab");
}

static void a_late_one_runs_its_drop_only_if_it_was_polled(void **state)
{
    struct kio_select s = { 0 };
    struct named a, b;

    (void)state;
    kio_drop(made(&a, 'a', &late_type));
    assert_true(kio_is_done(&a));
    READY(kio_select_biased(&s, now(made(&a, 'a', &late_type)), made(&b, 'b', &late_type)));
    assert_true(kio_is_done(&b));
    assert_string_equal(dropped, "a");
    PENDING(kio_select(&s, made(&a, 'a', &late_type), made(&b, 'b', &late_type)));
    kio_drop(&s);
    assert_string_equal(dropped, "aba");
}

/* As often as two coins: each arm, and each again after itself. */
static void of_two_ready_arms_neither_is_preferred(void **state)
{
    int wins[2] = { 0 }, again = 0, before = 0;

    (void)state;
    for (int i = 0; i < 4000; i++) {
        struct kio_select s = { 0 };
        struct named a, b;

        dropped[0] = '\0';
        READY(kio_select(&s, now(made(&a, 'a', &late_type)), now(made(&b, 'b', &late_type))));
        assert_string_equal(dropped, s.out ? "b" : "a");
        wins[s.out]++;
        again += s.out == before;
        before = s.out;
    }
    assert_in_range(wins[0], 1750, 2250); /* 2000 expected; 250 are eight deviations */
    assert_in_range(again, 1750, 2250);
}

#define OWNS(name) cmocka_unit_test_setup_teardown(name, begin, case_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OWNS(one_that_was_never_polled_drops_its_arms_newest_first),
        OWNS(one_that_waits_drops_its_arms_newest_first),
        OWNS(the_losers_of_the_first_poll_are_dropped_newest_first),
        OWNS(an_arm_written_twice_is_dropped_once),
        OWNS(an_arm_taken_over_before_the_first_poll_is_polled_and_lives_on),
        OWNS(an_arm_dropped_before_the_first_poll_is_disabled),
        OWNS(a_late_one_runs_its_drop_only_if_it_was_polled),
        OWNS(of_two_ready_arms_neither_is_preferred),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
