/* The memory that tasks lie in: numbers of slots, and where frames begin. */
#include "support/rt.h"
#include "task/task.h"

#define SLOTS 100000

static const kio_waker_type waker_type = { .name = "nobody" };
static struct ki_arena arena, other; /* their memory is kept */
static struct ki_task *slot[SLOTS];

static void every_slot_has_a_number_that_leads_back_to_it(void **state)
{
    (void)state;
    ki_arena_init(&arena, NULL, &waker_type);
    for (size_t i = 0; i < SLOTS; i++) {
        slot[i] = ki_arena_get(&arena, NULL, 56 + i % 40 * 8);
        assert_non_null(slot[i]);
    }
    assert_true(arena.chunk_count > 3 * KI_TABLE_FIRST); /* more than one part of the table */
    for (size_t i = 0; i < SLOTS; i++) {
        uint32_t number = ki_task_number(ki_chunk_of(slot[i]), slot[i]);

        assert_true(number != 0 && number < KI_INBOX_IN);
        assert_ptr_equal(ki_task_numbered(&arena, number), slot[i]);
    }
    for (size_t i = 0; i < SLOTS; i++)
        ki_arena_put(&arena, NULL, slot[i]);
}

#define SIZES 40

/* Of each size a few, one behind the other: as long as there are slots of 8 more than a multiple of 16 each
 * second one lies between. */
static void a_frame_that_may_want_it_is_aligned_as_malloc_aligns(void **state)
{
    (void)state;
    ki_arena_init(&other, NULL, &waker_type);
    for (int stamps = 0; stamps < 2; stamps++) {
        ki_arena_observe(&other, stamps, false);
        for (size_t i = 0; i < SIZES * 3; i++) {
            size_t size = sizeof(kio_future) + 8 + i / 3 * 8;
            struct ki_task *task = ki_task_new(&other, NULL, size);

            assert_non_null(task);
            if (size % 16 == 0)
                assert_int_equal((uintptr_t)ki_task_future(task) % 16, 0);
            assert_int_equal((uintptr_t)ki_task_future(task) % 8, 0);
            assert_true((char *)ki_task_future(task) + size <=
                        (char *)task + ki_chunk_of(task)->slot_size - other.stamp_size);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slot_has_a_number_that_leads_back_to_it),
        cmocka_unit_test(a_frame_that_may_want_it_is_aligned_as_malloc_aligns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
