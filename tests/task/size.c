/* What a task and the futures it waits in take. */
#include "support/rt.h"
#include "task/task.h"

#include <string.h>

struct never {
    async_fn(void);
};

static void a_header_is_32_bytes_and_a_leaf_has_no_more_than_it_needs(void **state)
{
    (void)state;
    assert_int_equal(KI_TASK_FRAME, 32);
    assert_int_equal(sizeof(struct never), 40);
    assert_int_equal(sizeof(struct kio_notified), 56);
    assert_true(sizeof(struct kio_sleep) <= 64);
    assert_true(sizeof(struct kio_acquire) <= 80);
    assert_true(sizeof(struct kio_lock) <= 80);
    assert_true(sizeof(struct kio_send) <= 80);
    assert_true(sizeof(struct kio_recv) <= 64);
    assert_true(sizeof(struct kio_join_handle) <= 48);
}

struct small {
    async_fn(bool);
    char next;
};

static void what_follows_a_small_result_lies_beside_it(void **state)
{
    (void)state;
    assert_int_equal(offsetof(struct small, next), offsetof(struct small, out) + 1);
}

/* ---- the words that a task's header and its frame share ------------------------------------ */

struct named {
    async_fn(int);
    int turns;
    struct kio_yield y;
};

/* While it is polled it is in the queue (it wakes itself), has a name, and ends. */
async(named)
{
    async_begin;
    for (; self->turns > 0; self->turns--) {
        assert_string_equal(kio_current_task_name(), "first");
        await(kio_yield_now(&self->y));
    }
    assert_int_equal(kio_task_set_name("second"), 0);
    kio_waker_wake_by_ref(cx->waker);
    async_return(7);
}

struct naming {
    async_fn(void);
    int i;
    struct kio_join_handle task[3];
};

async(naming)
{
    char text[16];

    async_begin;
    for (self->i = 0; self->i < 3; self->i++)
        kio_spawn_named(&self->task[self->i], "first", named, .turns = self->i);
    for (self->i = 0; self->i < 3; self->i++) {
        await(&self->task[self->i]);
        assert_int_equal(*kio_output(&self->task[self->i], int), 7);
        kio_task_name(&self->task[self->i], text, sizeof text);
        assert_string_equal(text, "second");
    }
    async_return();
}

static void a_named_task_that_is_queued_while_it_ends_keeps_name_and_result(void **state)
{
    (void)state;
    run(naming);
}

struct large {
    async_fn(int);
    struct kio_yield y;
    char room[2 * KI_SLOT_MAX];
};

async(large)
{
    async_begin;
    memset(self->room, 1, sizeof self->room);
    await(kio_yield_now(&self->y));
    assert_string_equal(kio_current_task_name(), "large");
    async_return(self->room[sizeof self->room - 1]);
}

struct spawns_large {
    async_fn(void);
    struct kio_join_handle task;
};

async(spawns_large)
{
    async_begin;
    kio_spawn_named(&self->task, "large", large);
    await(&self->task);
    assert_int_equal(*kio_output(&self->task, int), 1);
    async_return();
}

static void a_frame_that_does_not_fit_a_slot_has_links_of_its_own(void **state)
{
    (void)state;
    run(spawns_large);
}

/* ---- handles -------------------------------------------------------------------------------- */

struct ids {
    async_fn(void);
    struct kio_join_handle task;
    uint64_t id;
};

async(ids)
{
    async_begin;
    assert_int_equal(kio_task_id(&self->task), 0); /* zeroed */
    kio_spawn(&self->task, named);
    self->id = kio_task_id(&self->task);
    assert_true(self->id > 0);
    await(&self->task);
    assert_int_equal(kio_task_id(&self->task), self->id);
    kio_drop(&self->task);
    assert_int_equal(kio_task_id(&self->task), self->id);
    assert_int_equal(kio_abort_task_id(kio_abort_handle(&self->task)), self->id);
    assert_true(kio_is_finished(&self->task));
    kio_abort(&self->task);
    async_return();
}

static void a_dropped_handle_still_says_its_id(void **state)
{
    (void)state;
    run(ids);
}

RT_MAIN(cmocka_unit_test(a_header_is_32_bytes_and_a_leaf_has_no_more_than_it_needs),
        cmocka_unit_test(what_follows_a_small_result_lies_beside_it),
        RT(a_named_task_that_is_queued_while_it_ends_keeps_name_and_result),
        RT(a_frame_that_does_not_fit_a_slot_has_links_of_its_own), RT(a_dropped_handle_still_says_its_id))
