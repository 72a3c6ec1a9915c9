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

/* Ends when it is told. */
struct told {
    async_fn(int);
    int value;
    struct kio_notify *go;
    struct kio_notified wait;
};

static void told_drop(struct told *self)
{
    (void)self;
    ki_fetch_add_seq_cst(&drops, 1);
}

async(told, told_drop)
{
    async_begin;
    await(kio_notified(&self->wait, self->go));
    async_return(self->value);
}

struct user {
    async_fn(int);
    struct kio_notify go[6];
    struct kio_abort_handle handle[6];
    struct kio_join_set set;
    struct kio_join_next next, watched;
    struct kio_select first;
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

    for (self->i = 5; self->i >= 1; self->i--) {
        assert_int_equal(kio_join_set_spawn(&self->set, told, .value = self->i,
                                            .go = &self->go[self->i]),
                         0);
        self->handle[self->i] = kio_join_set_spawned(&self->set);
    }
    assert_int_equal(kio_join_set_len(&self->set), 5);
    self->watched = (struct kio_join_next){ 0 };
    async_let(kio_join_next(&self->watched, &self->set));
    await(kio_select_biased(&self->first, &self->watched, kio_yield_now(&self->y)));
    assert_int_equal(self->first.out, 1); /* it waits, and is woken by each from now on */
    for (self->i = 1; self->i <= 5; self->i++) {
        kio_notify_one(&self->go[self->i]);
        while (!kio_abort_is_finished(self->handle[self->i]))
            await(kio_yield_now(&self->y));
    }
    kio_drop(&self->watched); /* which takes none */
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

/* ---- without waiting, and other kinds of tasks ----------------------------------------------- */

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

/* ---- one by one ------------------------------------------------------------------------------ */

struct picking {
    async_fn(void);
    struct kio_join_set set;
    struct kio_join_next next;
    struct kio_abort_handle abort[16];
    int i, canceled, completed;
};

static void picking_drop(struct picking *self)
{
    kio_join_set_drop(&self->set);
}

async(picking, picking_drop)
{
    async_begin;
    for (self->i = 0; self->i < 16; self->i++) {
        assert_int_equal(kio_join_set_spawn(&self->set, timed, .value = self->i,
                                            .d = self->i % 2 ? 1000 * KIO_SEC : KIO_MS),
                         0);
        self->abort[self->i] = kio_join_set_spawned(&self->set);
        if (self->i % 2)
            kio_abort_by(self->abort[self->i]);
    }
    for (;;) {
        await(kio_join_next(&self->next, &self->set));
        if (!self->next.out)
            break;
        for (self->i = 0; self->i < 16; self->i++) {
            if (kio_abort_task_id(self->abort[self->i]) == kio_task_id(&self->next.handle))
                break;
        }
        assert_in_range(self->i, 0, 15); /* the taken handle says which it was */
        assert_int_equal(self->next.handle.out, self->i % 2 ? -ECANCELED : 0);
        if (self->next.handle.out == 0) {
            assert_int_equal(*kio_output(&self->next.handle, int), self->i);
            self->completed++;
        } else {
            self->canceled++;
        }
    }
    assert_int_equal(self->completed, 8);
    assert_int_equal(self->canceled, 8);
    async_return();
}

static void single_tasks_of_a_set_are_aborted_and_told_apart(void **state)
{
    (void)state;
    run(picking);
}

struct alternating {
    async_fn(void);
    struct kio_join_set set;
    struct kio_join_next next;
    int i;
};

static void alternating_drop(struct alternating *self)
{
    kio_join_set_drop(&self->set);
}

async(alternating, alternating_drop)
{
    async_begin;
    assert_int_equal(kio_join_set_spawn(&self->set, timed), 0);
    assert_int_equal(kio_join_set_spawn(&self->set, timed), 0);
    for (self->i = 0; self->i < 16; self->i++) {
        assert_int_equal(kio_join_set_len(&self->set), 2);
        await(kio_join_next(&self->next, &self->set));
        assert_int_equal(self->next.out, 1);
        assert_int_equal(kio_join_set_len(&self->set), 1);
        assert_int_equal(kio_join_set_spawn(&self->set, timed), 0);
    }
    async_return();
}

static void spawns_and_joins_alternate(void **state)
{
    (void)state;
    run(alternating);
}

/* ---- ends ------------------------------------------------------------------------------------ */

struct dropping {
    async_fn(void);
    struct kio_join_set set;
    struct kio_sleep nap;
    int i;
};

static void dropping_drop(struct dropping *self)
{
    kio_join_set_drop(&self->set);
}

async(dropping, dropping_drop)
{
    async_begin;
    for (self->i = 0; self->i < 16; self->i++)
        assert_int_equal(kio_join_set_spawn(&self->set, timed, .d = 1000 * KIO_SEC), 0);
    kio_join_set_drop(&self->set);
    assert_int_equal(kio_join_set_len(&self->set), 0);
    while (ki_load_seq_cst(&drops) < 16)
        await(kio_sleep(&self->nap, KIO_MS));
    async_return();
}

static void a_dropped_set_aborts_its_tasks(void **state)
{
    (void)state;
    run(dropping);
    assert_int_equal(ki_load_seq_cst(&drops), 16); /* not by a shutdown: the runtime lives */
}

struct halves {
    async_fn(void);
    struct kio_join_set set;
    struct kio_join_next next;
    struct kio_sleep nap;
    int i, canceled, completed;
};

static void halves_drop(struct halves *self)
{
    kio_join_set_drop(&self->set);
}

async(halves, halves_drop)
{
    async_begin;
    for (self->i = 0; self->i < 10; self->i++)
        assert_int_equal(kio_join_set_spawn(&self->set, timed, .d = self->i % 2 ? 1000 * KIO_SEC : 0), 0);
    while (ki_load_seq_cst(&drops) < 5) /* five have ended, nobody took them */
        await(kio_sleep(&self->nap, KIO_MS));
    kio_join_set_abort_all(&self->set);
    assert_int_equal(kio_join_set_len(&self->set), 10);
    for (;;) {
        await(kio_join_next(&self->next, &self->set));
        if (!self->next.out)
            break;
        self->canceled += self->next.handle.out == -ECANCELED;
        self->completed += self->next.handle.out == 0;
    }
    assert_int_equal(self->canceled, 5);
    assert_int_equal(self->completed, 5);
    assert_int_equal(kio_join_set_len(&self->set), 0);
    async_return();
}

static void abort_all_leaves_the_results_of_those_that_ended(void **state)
{
    (void)state;
    run(halves);
}

struct orphaned {
    async_fn(void);
    struct kio_join_set set;
    struct kio_join_next next;
    struct kio_runtime *other;
};

static void orphaned_drop(struct orphaned *self)
{
    kio_join_set_drop(&self->set);
}

async(orphaned, orphaned_drop)
{
    async_begin;
    assert_int_equal(kio_runtime_new(&self->other, &(struct kio_runtime_config){
                                                       .flavor = KIO_CURRENT_THREAD }),
                     0);
    assert_int_equal(kio_join_set_spawn_on(&self->set, self->other, timed, .value = 1), 0);
    kio_runtime_free(self->other);
    await(kio_join_next(&self->next, &self->set));
    assert_int_equal(self->next.out, 1);
    assert_int_equal(self->next.handle.out, -ECANCELED);
    async_return();
}

static void a_task_whose_runtime_is_gone_was_canceled(void **state)
{
    (void)state;
    run(orphaned);
}

/* Joins that are always ready take from the budget: the other task has its turns meanwhile. */
struct turns {
    async_fn(void);
    ki_atomic(int) *count, *stop;
    struct kio_yield y;
};

async(turns)
{
    async_begin;
    while (!ki_load_seq_cst(self->stop)) {
        ki_fetch_add_seq_cst(self->count, 1);
        await(kio_yield_now(&self->y));
    }
    async_return();
}

struct greedy {
    async_fn(int);
    struct kio_join_set set;
    struct kio_join_next next;
    struct kio_join_handle other;
    struct kio_sleep nap;
    ki_atomic(int) count, stop;
    int i, taken;
};

static void greedy_drop(struct greedy *self)
{
    kio_join_set_drop(&self->set);
}

async(greedy, greedy_drop)
{
    async_begin;
    for (self->i = 0; self->i < 1000; self->i++)
        assert_int_equal(kio_join_set_spawn(&self->set, timed), 0);
    while (ki_load_seq_cst(&drops) < 1000)
        await(kio_sleep(&self->nap, KIO_MS));
    kio_spawn(&self->other, turns, .count = &self->count, .stop = &self->stop);
    for (self->taken = 0;; self->taken++) {
        await(kio_join_next(&self->next, &self->set));
        if (!self->next.out)
            break;
    }
    assert_int_equal(self->taken, 1000);
    self->out = ki_load_seq_cst(&self->count);
    ki_store_seq_cst(&self->stop, 1);
    await(&self->other);
    async_return(self->out);
}

static void joins_that_are_always_ready_let_others_run(void **state)
{
    int count;

    (void)state;
    count = run(greedy);
    if (rt_flavor == KIO_CURRENT_THREAD)
        assert_in_range(count, 7, 1000); /* 1000 / 128 */
}

/* ---- local tasks ----------------------------------------------------------------------------- */

struct local_user {
    async_fn(void);
    struct kio_join_set *set;
    struct kio_join_next next;
    int fate; /* 0: join, 1: shut down, 2: drop */
    bool inside;
    struct kio_yield y;
    int i, sum;
};

async(local_user)
{
    async_begin;
    for (self->i = 1; self->inside && self->i <= 8; self->i++)
        assert_int_equal(kio_join_set_spawn_local(self->set, timed, .value = self->i,
                                                  .d = self->fate ? 1000 * KIO_SEC : 0),
                         0);
    assert_int_equal(kio_join_set_len(self->set), 8);
    if (self->fate == 2) {
        kio_join_set_drop(self->set);
        while (ki_load_seq_cst(&drops) < 8)
            await(kio_yield_now(&self->y));
        async_return();
    }
    if (self->fate == 1) {
        await(kio_join_set_shutdown(&self->next, self->set));
        assert_int_equal(ki_load_seq_cst(&drops), 8);
    }
    for (;;) {
        await(kio_join_next(&self->next, self->set));
        if (!self->next.out)
            break;
        assert_int_equal(self->next.handle.out, 0);
        self->sum += *kio_output(&self->next.handle, int);
    }
    assert_int_equal(self->sum, self->fate ? 0 : 36);
    assert_int_equal(kio_join_set_len(self->set), 0);
    async_return();
}

struct local_main {
    async_fn(void);
    struct kio_local_set local;
    struct kio_local_run run;
    struct kio_join_set set;
    struct local_user user;
    int i, fate, inside;
};

static void local_main_drop(struct local_main *self)
{
    kio_join_set_drop(&self->set);
    kio_local_set_drop(&self->local);
}

async(local_main, local_main_drop)
{
    async_begin;
    /* on the runtime itself, without a local set */
    for (self->fate = 0; self->fate < 3; self->fate++) {
        ki_store_seq_cst(&drops, 0);
        await(async_call(&self->user, local_user, .set = &self->set, .inside = true, .fate = self->fate));
    }
    /* in a set, spawned inside or before it runs */
    for (self->inside = 0; self->inside < 2; self->inside++) {
        for (self->fate = 0; self->fate < 3; self->fate++) {
            ki_store_seq_cst(&drops, 0);
            assert_int_equal(kio_local_set_new(&self->local), 0);
            for (self->i = 1; !self->inside && self->i <= 8; self->i++)
                assert_int_equal(kio_join_set_spawn_local_on(&self->set, &self->local, timed,
                                                             .value = self->i,
                                                             .d = self->fate ? 1000 * KIO_SEC : 0),
                                 0);
            await(kio_local_run_until(&self->run, &self->local,
                                      async_call(&self->user, local_user, .set = &self->set,
                                                 .inside = self->inside, .fate = self->fate)));
            kio_local_set_drop(&self->local);
            assert_int_equal(ki_load_seq_cst(&drops), 8);
        }
    }
    /* dropped before the set ran at all */
    ki_store_seq_cst(&drops, 0);
    assert_int_equal(kio_local_set_new(&self->local), 0);
    for (self->i = 0; self->i < 8; self->i++)
        assert_int_equal(kio_join_set_spawn_local_on(&self->set, &self->local, timed), 0);
    kio_join_set_drop(&self->set);
    await(kio_local_set_wait(&self->run, &self->local));
    assert_int_equal(ki_load_seq_cst(&drops), 8);
    async_return();
}

static void local_tasks_are_joined_shut_down_and_dropped_like_others(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        run(local_main);
}

RT_MAIN(RT(an_ended_task_is_taken_although_others_always_end),
        RT(tasks_are_taken_in_the_order_of_their_ends), RT(without_memory_nothing_is_lost),
        RT(a_look_takes_what_has_ended_and_waits_for_nothing),
        RT(jobs_and_local_tasks_are_members_too), RT(detached_tasks_go_on),
        RT(single_tasks_of_a_set_are_aborted_and_told_apart), RT(spawns_and_joins_alternate),
        RT(a_dropped_set_aborts_its_tasks), RT(abort_all_leaves_the_results_of_those_that_ended),
        RT(a_task_whose_runtime_is_gone_was_canceled), RT(joins_that_are_always_ready_let_others_run),
        RT(local_tasks_are_joined_shut_down_and_dropped_like_others))
