/* Task-locals: what sees a value, and for how long. Nothing here needs a runtime. */
#include "support/leaf.h"

#include <kioto.h>

#include <string.h>

static struct kio_task_local number = { "number" }, other;

static int seen(void)
{
    int *value = kio_task_local_get(&number, int);

    return value ? *value : -1;
}

/* Notes what it sees at its first poll, after an await, and when it is dropped. */
struct looker {
    async_fn(int);
    int *first, *later, *end;
    struct leaf leaf;
};

static void looker_drop(struct looker *self)
{
    *self->end = seen();
}

async(looker, looker_drop)
{
    async_begin;
    *self->first = seen();
    await(&self->leaf);
    *self->later = seen();
    async_return(3);
}

static struct looker *looker(struct looker *slot, int sees[3])
{
    memset(sees, 0, 3 * sizeof *sees);
    async_call(slot, looker, .first = &sees[0], .later = &sees[1], .end = &sees[2]);
    leaf(&slot->leaf, 0);
    return slot;
}

static void a_value_survives_awaits_and_is_there_at_the_end(void **state)
{
    struct looker inner = { 0 };
    struct kio_task_local_scope scope = { 0 };
    struct little l;
    int sees[3], value = 7;

    (void)state;
    little_init(&l);
    assert_int_equal(seen(), -1);
    kio_task_local_scope(&scope, &number, &value, looker(&inner, sees));
    assert_int_equal(poll_once(&l, &scope), KIO_PENDING);
    assert_int_equal(seen(), -1); /* between polls nobody sees it */
    value = 8;
    leaf_tell(&inner.leaf);
    assert_int_equal(poll_once(&l, &scope), KIO_READY);
    assert_int_equal(inner.out, 3);
    assert_int_equal(sees[0], 7);
    assert_int_equal(sees[1], 8);
    assert_int_equal(sees[2], 8);
    assert_int_equal(seen(), -1);
    little_settle(&l);
}

static void a_dropped_future_sees_it_in_its_destructor(void **state)
{
    struct looker inner = { 0 };
    struct kio_task_local_scope scope = { 0 };
    struct little l;
    int sees[3], value = 7;

    (void)state;
    little_init(&l);
    kio_task_local_scope(&scope, &number, &value, looker(&inner, sees));
    assert_int_equal(poll_once(&l, &scope), KIO_PENDING);
    kio_drop(&scope);
    assert_int_equal(sees[2], 7);
    assert_int_equal(inner.leaf.drops, 1);
    assert_int_equal(seen(), -1);
    little_settle(&l);
}

static void a_scope_that_was_never_polled_drops_its_future(void **state)
{
    struct looker inner = { 0 };
    struct kio_task_local_scope scope = { 0 };
    int sees[3], value = 9;

    (void)state;
    kio_task_local_scope(&scope, &number, &value, looker(&inner, sees));
    kio_drop(&scope);
    assert_int_equal(sees[0], 0);
    assert_int_equal(sees[2], 9);
}

static void scopes_nest_and_keys_do_not_mix(void **state)
{
    struct looker inner = { 0 };
    struct kio_task_local_scope a = { 0 }, b = { 0 }, c = { 0 };
    struct little l;
    int sees[3], one = 1, two = 2, three = 3;

    (void)state;
    little_init(&l);
    kio_task_local_scope(&c, &other, &three, looker(&inner, sees));
    kio_task_local_scope(&b, &number, &two, &c);
    kio_task_local_scope(&a, &number, &one, &b);
    leaf_tell(&inner.leaf);
    assert_int_equal(poll_once(&l, &a), KIO_READY);
    assert_int_equal(sees[0], 2);
    assert_int_equal(sees[2], 2);
    assert_int_equal(seen(), -1);
    little_settle(&l);
}

static void a_branch_beside_the_scope_does_not_see_it(void **state)
{
    struct looker in[2] = { 0 }, beside = { 0 };
    struct kio_join inside = { 0 }, join = { 0 };
    struct kio_task_local_scope scope = { 0 };
    struct little l;
    int sees[3][3], value = 5;

    (void)state;
    little_init(&l);
    kio_join(&inside, looker(&in[0], sees[0]), looker(&in[1], sees[1]));
    kio_task_local_scope(&scope, &number, &value, &inside);
    kio_join(&join, &scope, looker(&beside, sees[2]));
    assert_int_equal(run_until_stalled(&l, &join), KIO_PENDING);
    for (int i = 0; i < 2; i++)
        leaf_tell(&in[i].leaf);
    assert_int_equal(run_until_stalled(&l, &join), KIO_PENDING);
    leaf_tell(&beside.leaf);
    assert_int_equal(run_until_stalled(&l, &join), KIO_READY);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sees[0][i], 5);
        assert_int_equal(sees[1][i], 5);
        assert_int_equal(sees[2][i], -1);
    }
    little_settle(&l);
}

static void a_select_inside_sees_it_and_its_losers_too(void **state)
{
    struct looker in[2] = { 0 };
    struct kio_select select = { 0 };
    struct kio_task_local_scope scope = { 0 };
    struct little l;
    int sees[2][3], value = 5;

    (void)state;
    little_init(&l);
    kio_select_biased(&select, looker(&in[0], sees[0]), looker(&in[1], sees[1]));
    kio_task_local_scope(&scope, &number, &value, &select);
    assert_int_equal(poll_once(&l, &scope), KIO_PENDING);
    leaf_tell(&in[1].leaf);
    assert_int_equal(poll_once(&l, &scope), KIO_READY);
    assert_int_equal(select.out, 1);
    assert_int_equal(sees[0][2], 5); /* the loser's destructor */
    assert_int_equal(sees[1][1], 5);
    little_settle(&l);
}

static void *look(void *arg)
{
    *(int *)arg = seen();
    return arg;
}

static void a_plain_call_can_have_one(void **state)
{
    int value = 4, got = 0;

    (void)state;
    assert_ptr_equal(kio_task_local_call(&number, &value, look, &got), &got);
    assert_int_equal(got, 4);
    kio_task_local_call(&number, NULL, look, &got);
    assert_int_equal(got, -1);
    assert_int_equal(seen(), -1);
}

static void what_ends_with_a_kept_result_keeps_it_with_the_scope(void **state)
{
    struct leaf l1 = { 0 };
    struct kio_task_local_scope scope = { 0 };
    struct little l;
    int value = 1;

    (void)state;
    little_init(&l);
    leaf(&l1, 1)->keeps = true;
    leaf_tell(&l1);
    kio_task_local_scope(&scope, &number, &value, &l1);
    assert_int_equal(poll_once(&l, &scope), KIO_READY);
    assert_int_equal(l1.drops, 0);
    kio_drop(&scope);
    assert_int_equal(l1.drops, 1);
    assert_int_equal(seen(), -1);
    little_settle(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_survives_awaits_and_is_there_at_the_end),
        cmocka_unit_test(a_dropped_future_sees_it_in_its_destructor),
        cmocka_unit_test(a_scope_that_was_never_polled_drops_its_future),
        cmocka_unit_test(scopes_nest_and_keys_do_not_mix),
        cmocka_unit_test(a_branch_beside_the_scope_does_not_see_it),
        cmocka_unit_test(a_select_inside_sees_it_and_its_losers_too),
        cmocka_unit_test(a_plain_call_can_have_one),
        cmocka_unit_test(what_ends_with_a_kept_result_keeps_it_with_the_scope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
