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

RT_MAIN(RT(an_ended_task_is_taken_although_others_always_end),
        RT(tasks_are_taken_in_the_order_of_their_ends), RT(without_memory_nothing_is_lost))
