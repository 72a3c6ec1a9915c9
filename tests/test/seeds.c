/* The deterministic runtime and kio_test(): the same seed, the same run. */
#include "support/rt.h"

#include <kioto/test.h>

#include <sys/wait.h>
#include <unistd.h>

/* ---- one program with everything in it that may happen in more than one order ------------- */

static char events[20000];
static size_t events_len;

static void saw(char kind, int who)
{
    events_len += (size_t)snprintf(events + events_len, sizeof events - events_len, "%c%d@%lld ", kind,
                                   who, (long long)(kio_now() / KIO_MS));
}

struct busy {
    async_fn(void);
    int who, i;
    struct kio_tx tx;
    struct kio_yield y;
    struct kio_sleep nap;
    struct kio_send send;
};

static void busy_drop(struct busy *self)
{
    kio_tx_drop(&self->tx);
}

async(busy, busy_drop)
{
    async_begin;
    for (self->i = 0; self->i < 5; self->i++) {
        saw('t', self->who);
        await(kio_yield_now(&self->y));
        await(kio_sleep(&self->nap, (1 + self->i) * 10 * KIO_MS)); /* equal deadlines for all */
        await(kio_send(&self->send, &self->tx, &self->who));
    }
    async_return();
}

static void *job(void *arg)
{
    saw('j', (int)(intptr_t)arg);
    return arg;
}

struct program {
    async_fn(void);
    struct kio_rx a, b;
    struct kio_recv ra, rb;
    int va, vb, i, open;
    struct kio_select s;
    struct kio_join_handle jobs[3];
};

static void program_drop(struct program *self)
{
    kio_rx_drop(&self->a);
    kio_rx_drop(&self->b);
}

async(program, program_drop)
{
    struct kio_tx ta, tb;

    async_begin;
    assert_int_equal(kio_mpsc_channel(&ta, &self->a, sizeof(int), 2), 0);
    assert_int_equal(kio_mpsc_channel(&tb, &self->b, sizeof(int), 2), 0);
    for (int i = 0; i < 6; i++)
        kio_spawn(NULL, busy, .who = i, .tx = i % 2 ? kio_tx_clone(&ta) : kio_tx_clone(&tb));
    kio_tx_drop(&ta);
    kio_tx_drop(&tb);
    for (int i = 0; i < 3; i++)
        assert_int_equal(kio_spawn_blocking(&self->jobs[i], job, (void *)(intptr_t)i), 0);
    self->open = 3;
    while (self->open) {
        await(kio_select(&self->s,
                         self->open & 1 ? kio_recv(&self->ra, &self->a, &self->va) : NULL,
                         self->open & 2 ? kio_recv(&self->rb, &self->b, &self->vb) : NULL));
        saw(self->s.out ? 'b' : 'a', self->s.out ? self->vb : self->va);
        if (self->s.out == 0 && !self->ra.out)
            self->open &= ~1;
        if (self->s.out == 1 && !self->rb.out)
            self->open &= ~2;
    }
    for (self->i = 0; self->i < 3; self->i++) {
        await(&self->jobs[self->i]);
        assert_int_equal(self->jobs[self->i].out, 0);
    }
    async_return();
}

static void run_program(uint64_t seed, char *into)
{
    struct kio_runtime *runtime;

    events_len = 0;
    assert_int_equal(kio_runtime_new(&runtime, &(struct kio_runtime_config){
                                                   .flavor = KIO_DETERMINISTIC, .seed = seed }),
                     0);
    kio_runtime_block_on(runtime, program);
    kio_runtime_free(runtime);
    memcpy(into, events, events_len + 1);
}

static void the_same_seed_gives_the_same_run(void **state)
{
    static char first[sizeof events], second[sizeof events];

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        run_program(seed, first);
        run_program(seed, second);
        assert_string_equal(first, second);
    }
}

static void other_seeds_give_other_runs(void **state)
{
    static char runs[10][sizeof events];
    int same = 0;

    (void)state;
    for (int i = 0; i < 10; i++) {
        run_program((uint64_t)i + 1, runs[i]);
        for (int k = 0; k < i; k++)
            same += !strcmp(runs[i], runs[k]);
    }
    assert_int_equal(same, 0);
}

static void the_clock_starts_at_one_second(void **state)
{
    static char text[sizeof events];

    (void)state;
    run_program(3, text);
    assert_non_null(strstr(text, "@1000 "));
}

/* ---- kio_test ----------------------------------------------------------------------------- */

/* A lost update: read, let others run, write. */
struct counter {
    async_fn(void);
    int *value;
    int read;
    struct kio_yield y;
};

async(counter)
{
    async_begin;
    self->read = *self->value;
    if (kio_test_random(8) == 0)
        await(kio_yield_now(&self->y));
    *self->value = self->read + 1;
    async_return();
}

struct lossy {
    async_fn(int);
    int value;
    struct kio_join_handle h[2];
};

async(lossy)
{
    async_begin;
    kio_spawn(&self->h[0], counter, .value = &self->value);
    kio_spawn(&self->h[1], counter, .value = &self->value);
    await(&self->h[0]);
    await(&self->h[1]);
    async_return(self->value != 2);
}

static void a_planted_race_is_found_and_replayed(void **state)
{
    uint64_t seed = kio_test(200, lossy);
    char text[32];

    (void)state;
    assert_true(seed > 0);
    snprintf(text, sizeof text, "%llu", (unsigned long long)seed);
    for (int i = 0; i < 3; i++) {
        setenv("KIOTO_SEED", text, 1);
        assert_int_equal(kio_test(200, lossy), seed);
    }
    unsetenv("KIOTO_SEED");
}

struct fine {
    async_fn(void);
    int *ran;
    struct kio_sleep nap;
};

async(fine)
{
    async_begin;
    await(kio_sleep(&self->nap, 3600 * KIO_SEC));
    ++*self->ran;
    kio_test_check(*self->ran == 1); /* each seed has a process of its own */
    async_return();
}

static void what_passes_is_run_under_every_seed_apart(void **state)
{
    static int ran;

    (void)state;
    assert_int_equal(kio_test(20, fine, .ran = &ran), 0);
    assert_int_equal(ran, 0);
}

struct aborts {
    async_fn(void);
    int how;
};

async(aborts)
{
    async_begin;
    if (self->how == 0)
        kio_test_check(kio_test_random(4) != 3);
    if (self->how == 1)
        exit(0); /* it did not come to its end */
    async_return();
}

static void a_failed_check_fails_the_seed(void **state)
{
    (void)state;
    assert_true(kio_test(100, aborts, .how = 0) > 0);
    assert_int_equal(kio_test(100, aborts, .how = 1), 1);
}

/* ---- configuration ------------------------------------------------------------------------ */

static void a_bad_seed_in_the_environment_is_refused(void **state)
{
    struct kio_runtime *runtime;

    (void)state;
    setenv("KIOTO_SEED", "seven", 1);
    assert_int_equal(kio_runtime_new(&runtime, &(struct kio_runtime_config){
                                                   .flavor = KIO_DETERMINISTIC }),
                     -EINVAL);
    unsetenv("KIOTO_SEED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(other_seeds_give_other_runs),
        cmocka_unit_test(the_clock_starts_at_one_second),
        cmocka_unit_test(a_planted_race_is_found_and_replayed),
        cmocka_unit_test(what_passes_is_run_under_every_seed_apart),
        cmocka_unit_test(a_failed_check_fails_the_seed),
        cmocka_unit_test(a_bad_seed_in_the_environment_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
