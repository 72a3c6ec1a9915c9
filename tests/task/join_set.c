/* Join sets: results in the order of their ends, abort, drop. TOKIO.md, JoinSet. */
#include "support/rt.h"

#include "base/mem.h"

struct timed {
    async_fn(int);
    int value;
    kio_duration d;
    struct kio_sleep nap;
};

static void timed_drop(struct timed *self)
{
    (void)self;
    ki_fetch_add_seq_cst(&drops, 1);
}

async(timed, timed_drop)
{
    async_begin;
    if (self->d)
        await(kio_sleep(&self->nap, self->d));
    async_return(self->value);
}

struct user {
    async_fn(int);
    struct kio_join_set set;
    struct kio_join_next next;
    struct kio_yield y;
    int i, sum, last, ordered, canceled;
};

static void user_drop(struct user *self)
{
    kio_join_set_drop(&self->set);
}

async(user, user_drop)
{
    async_begin;
    await(kio_join_next(&self->next, &self->set));
    assert_int_equal(self->next.out, 0); /* empty */

    for (self->i = 5; self->i >= 1; self->i--)
        assert_int_equal(kio_join_set_spawn(&self->set, timed, .value = self->i,
                                            .d = self->i * 10 * KIO_MS),
                         0);
    assert_int_equal(kio_join_set_len(&self->set), 5);
    for (self->i = 1; self->i <= 5; self->i++) {
        await(kio_join_next(&self->next, &self->set));
        assert_int_equal(self->next.out, 1);
        assert_int_equal(self->next.handle.out, 0);
        self->ordered += *kio_output(&self->next.handle, int) == self->i;
    }
    assert_int_equal(kio_join_set_len(&self->set), 0);

    for (self->i = 0; self->i < amount(3000); self->i++)
        assert_int_equal(kio_join_set_spawn(&self->set, timed, .value = 1), 0);
    for (;;) {
        await(kio_join_next(&self->next, &self->set));
        if (!self->next.out)
            break;
        self->sum += *kio_output(&self->next.handle, int);
    }

    for (self->i = 0; self->i < 50; self->i++)
        kio_join_set_spawn(&self->set, timed, .d = 1000 * KIO_SEC);
    await(kio_yield_now(&self->y));
    kio_join_set_abort_all(&self->set);
    for (self->i = 0; self->i < 20; self->i++) {
        await(kio_join_next(&self->next, &self->set));
        self->canceled += self->next.handle.out == -ECANCELED;
    }
    await(kio_join_set_shutdown(&self->next, &self->set));
    assert_int_equal(self->next.out, 0);
    assert_int_equal(kio_join_set_len(&self->set), 0);

    for (self->i = 0; self->i < 50; self->i++) /* left to the destructor */
        kio_join_set_spawn(&self->set, timed, .d = 1000 * KIO_SEC);
    assert_int_equal(self->sum, amount(3000));
    assert_int_equal(self->canceled, 20);
    async_return(self->ordered);
}

static void tasks_are_taken_in_the_order_of_their_ends(void **state)
{
    (void)state;
    assert_int_equal(run(user), 5);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(ki_load_seq_cst(&drops), 5 + amount(3000) + 50 + 50);
}

struct failing {
    async_fn(int);
    struct kio_join_set set;
    struct kio_join_next next;
    int errors, spawned, i, taken;
};

static void failing_drop(struct failing *self)
{
    kio_join_set_drop(&self->set);
}

async(failing, failing_drop)
{
    async_begin;
    for (self->i = 0; self->i < 40; self->i++) {
        if (self->i % 10 == 0)
            ki_mem_fail_at(1);
        if (kio_join_set_spawn(&self->set, timed, .value = 1))
            self->errors++;
        else
            self->spawned++;
        ki_mem_fail_at(0);
    }
    for (;;) {
        await(kio_join_next(&self->next, &self->set));
        if (!self->next.out)
            break;
        self->taken++;
    }
    assert_int_equal(self->taken, self->spawned);
    async_return(self->errors);
}

static void without_memory_nothing_is_lost(void **state)
{
    (void)state;
    assert_in_range(run(failing), 1, 4);
    assert_int_equal(ki_load_seq_cst(&drops), 40); /* those that failed too */
}

/* Five blocks of places: the ended tasks of the newest, which is filled again and again, used to
 * hide those of the oldest for ever. */
#define PLACES (16 + 32 + 64 + 128 + 256)

struct replacing {
    async_fn(int);
    struct kio_join_set set;
    struct kio_join_next next;
    int i;
};

static void replacing_drop(struct replacing *self)
{
    kio_join_set_drop(&self->set);
}

async(replacing, replacing_drop)
{
    async_begin;
    for (self->i = 0; self->i < PLACES; self->i++)
        assert_int_equal(kio_join_set_spawn(&self->set, timed, .value = self->i < 16), 0);
    for (self->i = 0; self->i < 20 * PLACES; self->i++) {
        await(kio_join_next(&self->next, &self->set));
        self->out += *kio_output(&self->next.handle, int);
        assert_int_equal(kio_join_set_spawn(&self->set, timed), 0);
    }
    async_return(self->out);
}

static void an_ended_task_is_taken_although_others_always_end(void **state)
{
    (void)state;
    assert_int_equal(run(replacing), 16);
}

/* ---- without waiting, and other kinds of tasks --------------------------------------------- */

static void *twice(void *arg)
{
    return (char *)arg + (uintptr_t)arg;
}

struct trying {
    async_fn(void);
    struct kio_join_set set;
    struct kio_join_handle taken;
    struct kio_join_next next;
    struct kio_yield y;
    struct kio_select select;
    struct kio_sleep nap;
    int i, found;
};

static void trying_drop(struct trying *self)
{
    kio_join_set_drop(&self->set);
}

async(trying, trying_drop)
{
    async_begin;
    assert_int_equal(kio_join_set_try_next(&self->set, &self->taken), 0); /* empty */
    for (self->i = 0; self->i < 40; self->i++)
        assert_int_equal(kio_join_set_spawn(&self->set, timed, .value = 2), 0);
    kio_join_set_spawn(&self->set, timed, .d = 1000 * KIO_SEC);
    while (self->found < 40) {
        if (kio_join_set_try_next(&self->set, &self->taken)) {
            assert_int_equal(self->taken.out, 0);
            assert_int_equal(*kio_output(&self->taken, int), 2);
            self->found++;
        } else {
            await(kio_yield_now(&self->y));
        }
    }
    assert_int_equal(kio_join_set_try_next(&self->set, &self->taken), 0);
    assert_int_equal(kio_join_set_len(&self->set), 1);

    /* A look in passing does not take the waker of a join_next that waits. */
    async_let(kio_join_next(&self->next, &self->set));
    await(kio_select(&self->select, &self->next, kio_sleep(&self->nap, KIO_MS)));
    assert_int_equal(self->select.out, 1);
    assert_int_equal(kio_join_set_try_next(&self->set, &self->taken), 0);
    kio_join_set_abort_all(&self->set);
    await(&self->next);
    assert_int_equal(self->next.out, 1);
    assert_int_equal(self->next.handle.out, -ECANCELED);
    assert_int_equal(kio_join_set_len(&self->set), 0);
    async_return();
}

static void a_look_takes_what_has_ended_and_waits_for_nothing(void **state)
{
    (void)state;
    run(trying);
    assert_int_equal(ki_load_seq_cst(&drops), 41);
}

struct mixed {
    async_fn(void);
    struct kio_join_set set;
    struct kio_join_next next;
    int i;
    uintptr_t sum;
};

static void mixed_drop(struct mixed *self)
{
    kio_join_set_drop(&self->set);
}

async(mixed, mixed_drop)
{
    async_begin;
    for (self->i = 1; self->i <= 20; self->i++)
        assert_int_equal(kio_join_set_spawn_blocking(&self->set, twice, (void *)(uintptr_t)self->i), 0);
    for (;;) {
        await(kio_join_next(&self->next, &self->set));
        if (!self->next.out)
            break;
        self->sum += (uintptr_t)*kio_output(&self->next.handle, void *);
    }
    assert_int_equal(self->sum, 2 * 210);
    if (rt_flavor == KIO_CURRENT_THREAD) {
        assert_int_equal(kio_join_set_spawn_local(&self->set, timed, .value = 4), 0);
        await(kio_join_next(&self->next, &self->set));
        assert_int_equal(*kio_output(&self->next.handle, int), 4);
    }
    async_return();
}

static void jobs_and_local_tasks_are_members_too(void **state)
{
    (void)state;
    run(mixed);
}

struct detaching {
    async_fn(void);
    struct kio_join_set set;
    struct kio_join_next next;
    int i;
};

static void detaching_drop(struct detaching *self)
{
    kio_join_set_drop(&self->set);
}

async(detaching, detaching_drop)
{
    async_begin;
    for (self->i = 0; self->i < 20; self->i++)
        assert_int_equal(kio_join_set_spawn(&self->set, timed, .d = 1000 * KIO_SEC), 0);
    kio_join_set_detach_all(&self->set);
    assert_int_equal(kio_join_set_len(&self->set), 0);
    await(kio_join_next(&self->next, &self->set));
    assert_int_equal(self->next.out, 0);
    assert_int_equal(ki_load_seq_cst(&drops), 0); /* they go on */
    async_return();
}

static void detached_tasks_go_on(void **state)
{
    (void)state;
    run(detaching);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(ki_load_seq_cst(&drops), 20);
}

RT_MAIN(RT(an_ended_task_is_taken_although_others_always_end),
        RT(tasks_are_taken_in_the_order_of_their_ends), RT(without_memory_nothing_is_lost),
        RT(a_look_takes_what_has_ended_and_waits_for_nothing),
        RT(jobs_and_local_tasks_are_members_too), RT(detached_tasks_go_on))
