/* Scopes: children that borrow from their parent's frame, and that end before it. */
#include "support/rt.h"

#include "base/mem.h"

#include <unistd.h>

/* Adds one to *at in each of `polls` polls, then ends with `result`; endless when polls is negative. */
struct adder {
    async_fn(int);
    int *at;
    int polls, result;
    struct kio_yield y;
};

static void adder_drop(struct adder *self)
{
    *self->at += 1000; /* the parent's frame is still there */
    ki_fetch_add_seq_cst(&drops, 1);
}

async(adder, adder_drop)
{
    async_begin;
    while (self->polls--) {
        ++*self->at;
        await(kio_yield_now(&self->y));
    }
    async_return(self->result);
}

/* Waits until it is dropped. */
struct sleeper {
    async_fn(int);
    int *at;
    struct kio_notify *never;
    struct kio_notified wait;
    int32_t ballast;
};

static void sleeper_drop(struct sleeper *self)
{
    *self->at += 1000;
    ki_fetch_add_seq_cst(&drops, 1);
}

async(sleeper, sleeper_drop)
{
    async_begin;
    ++*self->at;
    await(kio_notified(&self->wait, self->never));
    async_return(0);
}

static struct kio_notify never; /* nobody notifies it */

/* ---- the end by itself --------------------------------------------------------------------- */

#define MANY 40

struct summing {
    async_fn(int);
    int at[MANY];
    struct kio_scope scope;
    int i, sum;
};

async(summing)
{
    async_begin;
    await(kio_scope_join(&self->scope)); /* no child: ready at once */
    assert_int_equal(self->scope.out, 0);
    for (self->i = 0; self->i < MANY; self->i++)
        assert_int_equal(kio_scope_spawn(&self->scope, adder, .at = &self->at[self->i], .polls = self->i), 0);
    await(kio_scope_join(&self->scope));
    assert_int_equal(self->scope.out, 0);
    assert_int_equal(kio_scope_len(&self->scope), 0);
    for (self->i = 0; self->i < MANY; self->i++) {
        assert_int_equal(self->at[self->i], 1000 + self->i);
        self->sum += self->at[self->i] - 1000;
    }
    assert_int_equal(kio_scope_spawn(&self->scope, adder, .at = &self->at[0], .polls = 1, .result = 7), 0);
    await(kio_scope_join(&self->scope)); /* again */
    assert_int_equal(self->scope.out, 0);
    async_return(self->sum);
}

static void children_write_into_the_frame_and_the_join_sees_it(void **state)
{
    (void)state;
    assert_int_equal(run(summing), MANY * (MANY - 1) / 2);
    assert_int_equal(ki_load_seq_cst(&drops), MANY + 1);
}

/* A future by hand that counts how often the one inside it is polled. */
struct counted {
    KIO_ASYNC_FN(void);
    kio_future *inner;
    int *polls;
};

static kio_poll counted_poll(kio_future *f, kio_context *cx)
{
    struct counted *self = (struct counted *)f;

    f->state = f;
    ++*self->polls;
    if (kio_future_poll(self->inner, cx) == KIO_PENDING)
        return KIO_PENDING;
    kio_finish(f);
    return KIO_READY;
}

static const kio_future_type counted_type = {
    .name = "counted",
    .size = sizeof(struct counted),
    .poll = counted_poll,
};

struct counting {
    async_fn(int);
    int at[MANY], polls, i;
    struct kio_scope scope;
    struct counted join;
};

async(counting)
{
    async_begin;
    for (self->i = 0; self->i < MANY; self->i++)
        assert_int_equal(kio_scope_spawn(&self->scope, adder, .at = &self->at[self->i], .polls = 5), 0);
    self->join = (struct counted){
        .kio = { .type = &counted_type },
        .inner = &kio_scope_join(&self->scope)->kio,
        .polls = &self->polls,
    };
    await(&self->join);
    async_return(self->polls);
}

static void the_last_child_wakes_the_parent_and_no_other_does(void **state)
{
    (void)state;
    assert_in_range(run(counting), 1, 2);
}

/* ---- errors ------------------------------------------------------------------------------- */

struct failing {
    async_fn(int);
    int at[MANY], i;
    struct kio_scope scope;
};

async(failing)
{
    async_begin;
    for (self->i = 0; self->i < MANY - 1; self->i++)
        assert_int_equal(kio_scope_spawn(&self->scope, sleeper, .at = &self->at[self->i],
                                         .never = &never),
                         0);
    assert_int_equal(kio_scope_spawn(&self->scope, adder, .at = &self->at[MANY - 1], .polls = 2,
                                     .result = -EIO),
                     0);
    await(kio_scope_join(&self->scope));
    for (self->i = 0; self->i < MANY; self->i++)
        assert_true(self->at[self->i] >= 1000);
    async_return(self->scope.out);
}

static void an_error_cancels_the_others_and_is_the_result(void **state)
{
    (void)state;
    assert_int_equal(run(failing), -EIO);
    assert_int_equal(ki_load_seq_cst(&drops), MANY);
}

struct canceling {
    async_fn(int);
    int at[MANY], i;
    struct kio_scope scope;
};

async(canceling)
{
    async_begin;
    for (self->i = 0; self->i < MANY; self->i++)
        assert_int_equal(kio_scope_spawn(&self->scope, sleeper, .at = &self->at[self->i],
                                         .never = &never),
                         0);
    kio_scope_cancel(&self->scope);
    kio_scope_cancel(&self->scope);
    assert_int_equal(kio_scope_spawn(&self->scope, sleeper, .at = &self->at[0], .never = &never), -ECANCELED);
    await(kio_scope_join(&self->scope));
    assert_int_equal(self->scope.out, -ECANCELED);
    assert_int_equal(self->at[0], 2000 + self->at[0] % 1000); /* the refused one's destructor ran too */
    assert_int_equal(kio_scope_spawn(&self->scope, adder, .at = &self->at[0], .polls = 1), 0);
    await(kio_scope_join(&self->scope));
    async_return(self->scope.out);
}

static void a_canceled_scope_refuses_children_until_it_was_joined(void **state)
{
    (void)state;
    assert_int_equal(run(canceling), 0);
    assert_int_equal(ki_load_seq_cst(&drops), MANY + 2);
}

/* ---- the parent's end before its children's ------------------------------------------------ */

static ki_atomic(int) parents;

struct leaving {
    async_fn(int);
    int at[MANY], i, turns;
    bool waits;
    struct kio_scope scope;
    struct kio_yield y;
};

/* Runs after the scope was dropped: every child is gone. */
static void leaving_drop(struct leaving *self)
{
    for (int i = 0; i < self->i && i < MANY; i++)
        assert_true(self->at[i] >= 1000);
    ki_fetch_add_seq_cst(&parents, 1);
}

async(leaving, leaving_drop)
{
    int err;

    async_begin;
    for (self->i = 0; self->i < MANY; self->i++) {
        if (self->i % 2)
            err = kio_scope_spawn(&self->scope, sleeper, .at = &self->at[self->i], .never = &never);
        else
            err = kio_scope_spawn(&self->scope, adder, .at = &self->at[self->i], .polls = -1);
        if (err == -ESHUTDOWN)
            async_return(err); /* its first poll came while the runtime shut down */
        assert_int_equal(err, 0);
    }
    while (self->turns--)
        await(kio_yield_now(&self->y));
    if (self->waits)
        await(kio_scope_join(&self->scope));
    async_return(0);
}

static void a_return_without_a_join_drops_the_children_first(void **state)
{
    int before = ki_load_seq_cst(&parents);

    (void)state;
    for (int turns = 0; turns < 20; turns++)
        assert_int_equal(run(leaving, .turns = turns), 0);
    assert_int_equal(ki_load_seq_cst(&parents), before + 20);
    assert_int_equal(ki_load_seq_cst(&drops), 20 * MANY);
}

struct aborting {
    async_fn(void);
    struct kio_join_handle parent;
    struct kio_yield y;
    int i, turns;
};

async(aborting)
{
    async_begin;
    for (self->i = 0; self->i < amount(100); self->i++) {
        kio_spawn(&self->parent, leaving, .waits = true, .turns = 0);
        for (self->turns = 0; self->turns < self->i % 7; self->turns++)
            await(kio_yield_now(&self->y));
        kio_abort(&self->parent);
        await(&self->parent);
        assert_int_equal(self->parent.out, -ECANCELED);
    }
    async_return();
}

static void an_aborted_parent_is_gone_after_its_children(void **state)
{
    int before = ki_load_seq_cst(&parents);

    (void)state;
    run(aborting);
    assert_int_equal(ki_load_seq_cst(&parents), before + amount(100));
}

struct abandoned {
    async_fn(void);
    int i;
    struct kio_yield y;
};

async(abandoned)
{
    async_begin;
    for (self->i = 0; self->i < 10; self->i++)
        kio_spawn(NULL, leaving, .waits = true);
    for (self->i = 0; self->i < 20; self->i++)
        await(kio_yield_now(&self->y));
    async_return();
}

static void the_runtimes_shutdown_drops_parents_and_children(void **state)
{
    int before = ki_load_seq_cst(&parents);

    (void)state;
    run(abandoned);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(ki_load_seq_cst(&parents), before + 10);
}

/* The child is in the middle of a poll when the parent ends. */
struct slow {
    async_fn(void);
    ki_atomic(int) *stage;
    int *wrote;
    struct kio_yield y;
};

static void slow_drop(struct slow *self)
{
    ++*self->wrote;
}

async(slow, slow_drop)
{
    async_begin;
    ki_store_seq_cst(self->stage, 1);
    while (ki_load_seq_cst(self->stage) != 2)
        usleep(100);
    usleep(3000); /* the parent is in its drop by now, or comes there: it has to wait either way */
    ++*self->wrote;
    await(kio_yield_now(&self->y));
    async_return();
}

struct impatient {
    async_fn(void);
    ki_atomic(int) stage;
    int wrote;
    struct kio_scope scope;
};

static void impatient_drop(struct impatient *self)
{
    assert_int_equal(self->wrote, 2);
    ki_fetch_add_seq_cst(&drops, 1);
}

async(impatient, impatient_drop)
{
    async_begin;
    kio_scope_spawn(&self->scope, slow, .stage = &self->stage, .wrote = &self->wrote);
    while (ki_load_seq_cst(&self->stage) != 1)
        usleep(100);
    ki_store_seq_cst(&self->stage, 2);
    async_return();
}

static void the_drop_waits_for_a_child_that_is_being_polled(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        return; /* one thread: nobody polls the child while its parent runs */
    run(impatient);
    assert_int_equal(ki_load_seq_cst(&drops), 1);
}

/* ---- spawning by children, scopes in scopes ------------------------------------------------ */

struct tree {
    async_fn(int);
    struct kio_scope *scope; /* of the root */
    ki_atomic(int) *leaves;
    int depth;
    struct kio_yield y;
};

async(tree)
{
    async_begin;
    await(kio_yield_now(&self->y));
    if (self->depth == 0) {
        ki_fetch_add_seq_cst(self->leaves, 1);
        async_return(0);
    }
    kio_scope_spawn(self->scope, tree, .scope = self->scope, .leaves = self->leaves,
                    .depth = self->depth - 1);
    kio_scope_spawn(self->scope, tree, .scope = self->scope, .leaves = self->leaves,
                    .depth = self->depth - 1);
    async_return(0);
}

struct planting {
    async_fn(int);
    ki_atomic(int) leaves;
    struct kio_scope scope;
    struct kio_timeout limit;
    struct kio_yield y;
    int turns, depth;
};

async(planting)
{
    async_begin;
    kio_scope_spawn(&self->scope, tree, .scope = &self->scope, .leaves = &self->leaves, .depth = self->depth);
    if (self->turns) {
        while (self->turns--)
            await(kio_yield_now(&self->y));
        async_return(0); /* while children spawn children */
    }
    await(kio_scope_join(&self->scope));
    assert_int_equal(self->scope.out, 0);
    async_return(ki_load_seq_cst(&self->leaves));
}

static void children_may_spawn_siblings(void **state)
{
    (void)state;
    assert_int_equal(run(planting, .depth = 8), 256);
    for (int turns = 1; turns < 12; turns++)
        assert_int_equal(run(planting, .depth = 30, .turns = turns), 0);
}

struct nest {
    async_fn(int);
    int depth;
    int at[2];
    struct kio_scope scope;
    int *outer;
    struct kio_yield y;
};

static void nest_drop(struct nest *self)
{
    *self->outer += 1;
}

async(nest, nest_drop)
{
    async_begin;
    if (self->depth == 0) {
        await(kio_yield_now(&self->y));
        async_return(-EDOM);
    }
    kio_scope_spawn(&self->scope, nest, .depth = self->depth - 1, .outer = &self->at[0]);
    kio_scope_spawn(&self->scope, sleeper, .at = &self->at[1], .never = &never);
    await(kio_scope_join(&self->scope));
    assert_int_equal(self->at[0], 1);
    async_return(self->scope.out);
}

static void an_error_goes_up_through_nested_scopes(void **state)
{
    static int outer;

    (void)state;
    assert_int_equal(run(nest, .depth = 6, .outer = &outer), -EDOM);
    assert_int_equal(ki_load_seq_cst(&drops), 6);
}

/* ---- limits ------------------------------------------------------------------------------- */

struct limited {
    async_fn(int);
    int at[2];
    struct kio_scope scope;
    struct kio_timeout limit;
};

async(limited)
{
    async_begin;
    kio_scope_spawn(&self->scope, sleeper, .at = &self->at[0], .never = &never);
    kio_scope_spawn(&self->scope, sleeper, .at = &self->at[1], .never = &never);
    await(kio_timeout(&self->limit, KIO_MS, kio_scope_join(&self->scope)));
    assert_int_equal(self->limit.out, -ETIMEDOUT);
    assert_int_equal(kio_scope_len(&self->scope), 2); /* it is the function's, not the timeout's */
    kio_drop(&self->scope);
    assert_true(self->at[0] >= 1000 && self->at[1] >= 1000);
    await(kio_scope_join(&self->scope));
    async_return(self->scope.out);
}

static void a_timeout_leaves_the_scope_and_a_drop_ends_it(void **state)
{
    (void)state;
    assert_int_equal(run(limited), 0);
    assert_int_equal(ki_load_seq_cst(&drops), 2);
}

struct large {
    async_fn(int);
    char bytes[40000];
    int *at;
    struct kio_yield y;
};

static void large_drop(struct large *self)
{
    *self->at += self->bytes[39999];
}

async(large, large_drop)
{
    async_begin;
    self->bytes[39999] = 5;
    await(kio_yield_now(&self->y));
    async_return(0);
}

struct without_memory {
    async_fn(int);
    int at[20], big, i, errors;
    struct kio_scope scope;
};

async(without_memory)
{
    async_begin;
    for (self->i = 0; self->i < 20; self->i++) {
        ki_mem_fail_at(self->i % 2 ? 1 : 0);
        /* too large for a slot: an allocation of its own */
        if (kio_scope_spawn(&self->scope, large, .at = &self->big)) {
            self->errors++;
            ki_mem_fail_at(0);
        }
    }
    await(kio_scope_join(&self->scope));
    assert_int_equal(self->scope.out, 0);
    assert_int_equal(self->big, 5 * 10);
    async_return(self->errors);
}

static void without_memory_the_spawn_says_so(void **state)
{
    (void)state;
    if (rt_flavor == KIO_MULTI_THREAD)
        return; /* other threads allocate too */
    assert_int_equal(run(without_memory), 10);
}

/* ---- many at once -------------------------------------------------------------------------- */

struct crowd {
    async_fn(void);
    struct kio_join_handle parent[8];
    struct kio_yield y;
    int round, i;
};

async(crowd)
{
    async_begin;
    for (self->round = 0; self->round < amount(60); self->round++) {
        for (self->i = 0; self->i < 8; self->i++)
            kio_spawn(&self->parent[self->i], leaving, .turns = self->round % 5, .waits = self->i % 2);
        for (self->i = 0; self->i < self->round % 3; self->i++)
            await(kio_yield_now(&self->y));
        for (self->i = 0; self->i < 8; self->i++)
            kio_abort(&self->parent[self->i]);
        for (self->i = 0; self->i < 8; self->i++)
            await(&self->parent[self->i]);
    }
    async_return();
}

static void parents_and_children_end_in_any_order(void **state)
{
    int before = ki_load_seq_cst(&parents);

    (void)state;
    run(crowd);
    assert_int_equal(ki_load_seq_cst(&parents), before + 8 * amount(60));
}

RT_MAIN(RT(children_write_into_the_frame_and_the_join_sees_it),
        RT(the_last_child_wakes_the_parent_and_no_other_does),
        RT(an_error_cancels_the_others_and_is_the_result),
        RT(a_canceled_scope_refuses_children_until_it_was_joined),
        RT(a_return_without_a_join_drops_the_children_first),
        RT(an_aborted_parent_is_gone_after_its_children),
        RT(the_runtimes_shutdown_drops_parents_and_children),
        RT(the_drop_waits_for_a_child_that_is_being_polled), RT(children_may_spawn_siblings),
        RT(an_error_goes_up_through_nested_scopes), RT(a_timeout_leaves_the_scope_and_a_drop_ends_it),
        RT(without_memory_the_spawn_says_so), RT(parents_and_children_end_in_any_order))
