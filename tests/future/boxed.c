/* Futures on the heap: how often they are allocated, freed and destroyed. */
#include "support/leaf.h"
#include "base/mem.h"

#include <kioto/combine.h>

#include <errno.h>

static int destroyed;

struct twice {
    async_fn(long);
    struct leaf *on;
    char large[2000];
};

static void twice_drop(struct twice *self)
{
    (void)self;
    destroyed++;
}

async(twice, twice_drop)
{
    async_begin;
    await(self->on);
    async_return(2L * self->on->out);
}

static int reset(void **state)
{
    (void)state;
    destroyed = 0;
    return 0;
}

static void a_box_is_one_allocation_and_gives_the_result(void **state)
{
    long alive = ki_mem_alive(), count = ki_mem_count();
    struct kio_boxed box = { 0 };
    struct little l;
    struct leaf on;

    (void)state;
    little_init(&l);
    kio_box(&box, twice, .on = leaf(&on, 21));
    assert_int_equal(ki_mem_count(), count + 1);
    assert_int_equal(poll_once(&l, &box), KIO_PENDING);
    leaf_tell(&on);
    assert_int_equal(poll_once(&l, &box), KIO_READY);
    assert_int_equal(box.out, 0);
    assert_int_equal(*kio_boxed_output(&box, long), 42);
    assert_int_equal(destroyed, 1);
    kio_drop(&box);
    assert_int_equal(ki_mem_alive(), alive);
    assert_int_equal(ki_mem_count(), count + 1);
    assert_int_equal(destroyed, 1);
}

static void dropped_half_way_it_is_destroyed_and_freed_once(void **state)
{
    long alive = ki_mem_alive();
    struct kio_boxed box = { 0 };
    struct little l;
    struct leaf on;

    (void)state;
    little_init(&l);
    kio_box(&box, twice, .on = leaf(&on, 1));
    assert_int_equal(poll_once(&l, &box), KIO_PENDING);
    kio_drop(&box);
    kio_drop(&box);
    assert_int_equal(destroyed, 1);
    assert_int_equal(on.drops, 1);
    assert_int_equal(ki_mem_alive(), alive);
}

static void never_started_it_is_destroyed_and_freed(void **state)
{
    long alive = ki_mem_alive();
    struct kio_boxed box = { 0 };
    struct leaf on;

    (void)state;
    kio_box(&box, twice, .on = leaf(&on, 1));
    kio_drop(&box);
    assert_int_equal(destroyed, 1);
    assert_int_equal(ki_mem_alive(), alive);
}

static void a_new_box_in_the_slot_frees_the_old_one(void **state)
{
    long alive = ki_mem_alive();
    struct kio_boxed box = { 0 };
    struct little l;
    struct leaf on, again;

    (void)state;
    little_init(&l);
    leaf(&on, 4)->ready = true;
    kio_box(&box, twice, .on = &on);
    assert_int_equal(poll_once(&l, &box), KIO_READY);
    kio_box(&box, twice, .on = leaf(&again, 5));
    assert_int_equal(ki_mem_alive(), alive + 1);
    kio_drop(&box);
    assert_int_equal(destroyed, 2);
    assert_int_equal(ki_mem_alive(), alive);
}

static void a_box_may_move_until_its_first_poll(void **state)
{
    long alive = ki_mem_alive();
    struct kio_boxed made = { 0 }, moved;
    struct little l;
    struct leaf on;

    (void)state;
    little_init(&l);
    leaf(&on, 3)->ready = true;
    kio_box(&made, twice, .on = &on);
    moved = made;
    assert_int_equal(poll_once(&l, &moved), KIO_READY);
    assert_int_equal(*kio_boxed_output(&moved, long), 6);
    kio_drop(&moved);
    assert_int_equal(ki_mem_alive(), alive);
}

static void without_memory_it_ends_with_enomem_and_releases_its_parameters(void **state)
{
    struct kio_boxed box = { 0 };
    struct little l;
    struct leaf on;

    (void)state;
    little_init(&l);
    ki_mem_fail_at(1);
    kio_box(&box, twice, .on = leaf(&on, 1));
    ki_mem_fail_at(0);
    assert_int_equal(destroyed, 1); /* the destructor owns what the parameters own */
    assert_int_equal(on.polls, 0);
    assert_int_equal(poll_once(&l, &box), KIO_READY);
    assert_int_equal(box.out, -ENOMEM);
    kio_drop(&box);
    assert_int_equal(destroyed, 1);
}

static void boxes_of_several_types_are_one_array(void **state)
{
    static struct kio_boxed boxes[12];
    static struct leaf on[12];
    struct kio_join_all all = { 0 };
    struct little l;
    long alive;

    (void)state;
    little_init(&l);
    for (int i = 0; i < 12; i++)
        kio_box(&boxes[i], twice, .on = leaf(&on[i], i));
    kio_join_all(&all, boxes, 12);
    assert_int_equal(run_until_stalled(&l, &all), KIO_PENDING);
    alive = ki_mem_alive() - 12; /* what stays: a block of wakers in the pool */
    for (int i = 0; i < 12; i++)
        leaf_tell(&on[i]);
    assert_int_equal(run_until_stalled(&l, &all), KIO_READY);
    for (int i = 0; i < 12; i++)
        assert_int_equal(*kio_boxed_output(&boxes[i], long), 2 * i);
    kio_drop(&all);
    assert_int_equal(destroyed, 12);
    assert_int_equal(ki_mem_alive(), alive);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup(test, reset)
    const struct CMUnitTest tests[] = {
        T(a_box_is_one_allocation_and_gives_the_result),
        T(dropped_half_way_it_is_destroyed_and_freed_once),
        T(never_started_it_is_destroyed_and_freed),
        T(a_new_box_in_the_slot_frees_the_old_one),
        T(a_box_may_move_until_its_first_poll),
        T(without_memory_it_ends_with_enomem_and_releases_its_parameters),
        T(boxes_of_several_types_are_one_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
