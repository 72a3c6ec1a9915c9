/* Name lookup: answers, errors, and threads of its own. SEMANTICS.md, Blocking. */
#include "support/rt.h"

#include <time.h>
#include <unistd.h>

struct look {
    async_fn(int);
    const char *name;
    int port;
    struct kio_lookup lookup;
};

async(look)
{
    async_begin;
    await(kio_lookup_host(&self->lookup, self->name));
    if (self->lookup.out > 0) {
        assert_non_null(self->lookup.addrs);
        for (int i = 0; i < self->lookup.out; i++)
            assert_int_equal(kio_addr_port(&self->lookup.addrs[i]), self->port);
    }
    async_return(self->lookup.out);
}

static void names_and_numbers_are_found(void **state)
{
    (void)state;
    assert_true(run(look, .name = "localhost:80", .port = 80) >= 1);
    assert_int_equal(run(look, .name = "192.0.2.7:443", .port = 443), 1);
    assert_int_equal(run(look, .name = "[::1]:1", .port = 1), 1);
}

static void what_is_no_name_is_an_error(void **state)
{
    int err = run(look, .name = "nothing.invalid:80");

    (void)state;
    assert_true(err == -ENOENT || err == -EAGAIN);
    assert_int_equal(run(look, .name = NULL), -EINVAL);
    assert_int_equal(run(look, .name = ""), -EINVAL);
    assert_int_equal(run(look, .name = "localhost"), -EINVAL);
    assert_int_equal(run(look, .name = "localhost:"), -EINVAL);
    assert_int_equal(run(look, .name = ":80"), -EINVAL);
    assert_true(run(look, .name = "localhost:no-such-service") < 0);
}

/* ---- jobs that fill the pool do not hold a lookup up -------------------------------------- */

static ki_atomic(int) stop;

static void *block(void *arg)
{
    (void)arg;
    while (!ki_load_seq_cst(&stop))
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    return NULL;
}

struct crowded {
    async_fn(int);
    struct kio_join_handle jobs[20];
    struct look look;
    int i;
};

async(crowded)
{
    async_begin;
    for (self->i = 0; self->i < 20; self->i++)
        assert_int_equal(kio_spawn_blocking(&self->jobs[self->i], block, NULL), 0);
    await(async_call(&self->look, look, .name = "localhost:80", .port = 80));
    ki_store_seq_cst(&stop, 1); /* only now do the jobs end */
    for (self->i = 0; self->i < 20; self->i++)
        await(&self->jobs[self->i]);
    async_return(self->look.out);
}

static void a_full_pool_does_not_hold_a_lookup_up(void **state)
{
    struct kio_runtime *small;

    (void)state;
    ki_store_seq_cst(&stop, 0);
    assert_int_equal(kio_runtime_new(&small, &(struct kio_runtime_config){ .flavor = rt_flavor,
                                                                          .workers = 2,
                                                                          .max_blocking = 4 }),
                     0);
    assert_true(kio_runtime_block_on(small, crowded) >= 1);
    kio_runtime_free(small);
}

struct hurried {
    async_fn(int);
    struct kio_timeout limit;
    struct kio_lookup lookup;
};

async(hurried)
{
    async_begin;
    await(kio_timeout(&self->limit, 0, kio_lookup_host(&self->lookup, "localhost:80")));
    async_return(self->limit.out);
}

static void a_lookup_that_is_dropped_ends_unseen(void **state)
{
    (void)state;
    for (int i = 0; i < amount(50); i++)
        run(hurried);
}

RT_MAIN(RT(names_and_numbers_are_found), RT(what_is_no_name_is_an_error),
        RT(a_full_pool_does_not_hold_a_lookup_up), RT(a_lookup_that_is_dropped_ends_unseen))
