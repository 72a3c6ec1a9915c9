/*
 * Semaphore, mutex and rwlock against a model, under random polls, drops and releases by one thread.
 *
 * The model is a semaphore of a few lines: a mutex is one with a single permit, a rwlock for at most m
 * readers one with m permits, of which a writer needs all. After every step each future is ready
 * exactly when the model says so, and as many were woken.
 *
 * KIOTO_SEED repeats one run.
 */
#include "support/case.h"
#include "base/rand.h"

#include <kioto/sync.h>

#include <stdlib.h>
#include <string.h>

#define ACTORS 8
#define STEPS  4000

enum kind { SEMAPHORE, MUTEX, RWLOCK, KINDS };

/* ---- the model ---------------------------------------------------------------------------- */

enum at { AWAY, MADE, IN_LINE, GRANTED, HOLDS };

struct model {
    int permits, need[ACTORS];
    enum at at[ACTORS];
    int line[ACTORS], count; /* who is in line, first one first */
    uint32_t wakes;
};

static void model_grant(struct model *m)
{
    while (m->count && m->need[m->line[0]] <= m->permits) {
        int who = m->line[0];

        m->permits -= m->need[who];
        m->at[who] = GRANTED;
        m->wakes++;
        memmove(m->line, m->line + 1, (size_t)--m->count * sizeof m->line[0]);
    }
}

/* Whether it is ready. */
static bool model_poll(struct model *m, int who)
{
    if (m->at[who] == MADE && !m->count && m->need[who] <= m->permits) {
        m->permits -= m->need[who];
        m->at[who] = HOLDS;
    } else if (m->at[who] == MADE) {
        m->line[m->count++] = who;
        m->at[who] = IN_LINE;
    } else if (m->at[who] == GRANTED) {
        m->at[who] = HOLDS;
    }
    return m->at[who] == HOLDS;
}

static void model_drop(struct model *m, int who)
{
    for (int i = 0; i < m->count; i++) {
        if (m->line[i] == who)
            memmove(m->line + i, m->line + i + 1, (size_t)(--m->count - i) * sizeof m->line[0]);
    }
    if (m->at[who] == GRANTED || m->at[who] == HOLDS)
        m->permits += m->need[who];
    m->at[who] = AWAY;
    model_grant(m);
}

/* ---- the real ones ------------------------------------------------------------------------ */

static struct {
    enum kind kind;
    int permits;
    struct kio_semaphore semaphore;
    struct kio_mutex mutex;
    struct kio_rwlock rw;
    union slot {
        kio_future kio;
        struct kio_permits permits;
        struct kio_lock lock;
        struct kio_rw_guard rw;
    } slot[ACTORS];
} real;

static void real_init(enum kind kind, int permits)
{
    memset(&real, 0, sizeof real);
    real.kind = kind;
    real.permits = permits;
    kio_semaphore_init(&real.semaphore, (size_t)permits);
    kio_rwlock_init(&real.rw, (size_t)permits);
}

static void real_make(int who, int need)
{
    union slot *slot = &real.slot[who];

    switch (real.kind) {
    case SEMAPHORE:
        kio_permits(&slot->permits, &real.semaphore, (size_t)need);
        break;
    case MUTEX:
        kio_lock(&slot->lock, &real.mutex);
        break;
    case RWLOCK:
        if (need == 1)
            kio_read_lock(&slot->rw, &real.rw);
        else
            kio_write_lock(&slot->rw, &real.rw);
        break;
    case KINDS:
        break;
    }
}

/* ---- step by step ------------------------------------------------------------------------- */

static void step(struct model *m, struct ki_rand *rand)
{
    int who = (int)ki_rand_below(rand, ACTORS);

    if (m->at[who] == AWAY) {
        m->need[who] = 1;
        if (real.kind == SEMAPHORE)
            m->need[who] = 1 + (int)ki_rand_below(rand, (uint32_t)real.permits);
        else if (real.kind == RWLOCK && ki_rand_below(rand, 3) == 0)
            m->need[who] = real.permits;
        real_make(who, m->need[who]);
        m->at[who] = MADE;
    } else if (m->at[who] != HOLDS && ki_rand_below(rand, 3)) {
        assert_int_equal(little_poll(&l, &real.slot[who].kio),
                         model_poll(m, who) ? KIO_READY : KIO_PENDING);
    } else {
        kio_drop_(&real.slot[who].kio);
        model_drop(m, who);
    }
    WAKES(m->wakes);
    if (real.kind == SEMAPHORE)
        assert_int_equal(kio_semaphore_available(&real.semaphore), m->permits);
}

static uint64_t running; /* its seed; 0: it passed */

static int teardown(void **state)
{
    if (running)
        print_error("repeat it with KIOTO_SEED=%llu\n", (unsigned long long)running);
    running = 0;
    return case_teardown(state);
}

static void one_run(enum kind kind, uint64_t seed)
{
    int permits = kind == MUTEX ? 1 : 4;
    struct model m = { .permits = permits };
    struct ki_rand rand;

    ki_rand_seed(&rand, seed);
    real_init(kind, permits);
    little_init(&l);
    for (int i = 0; i < STEPS; i++)
        step(&m, &rand);
    for (int who = 0; who < ACTORS; who++) {
        kio_drop_(&real.slot[who].kio);
        model_drop(&m, who);
    }
    WAKES(m.wakes);
    assert_int_equal(m.permits, permits);
    assert_int_equal(kio_semaphore_available(&real.semaphore), permits);
    assert_false(real.mutex.held || real.rw.writing || real.rw.readers);
    assert_int_equal(l.clones, l.drops);
}

static void runs(enum kind kind)
{
    const char *only = getenv("KIOTO_SEED");
    uint64_t seeds = getenv("KIOTO_TEST_QUICK") ? 3 : 30;

    for (uint64_t seed = 1; seed <= (only ? 1 : seeds); seed++) {
        uint64_t used = only ? strtoull(only, NULL, 0) : seed;

        running = used;
        one_run(kind, used);
        running = 0;
    }
}

static void a_semaphore_does_what_its_model_does(void **state)
{
    (void)state;
    runs(SEMAPHORE);
}

static void a_mutex_does_what_its_model_does(void **state)
{
    (void)state;
    runs(MUTEX);
}

static void a_rwlock_does_what_its_model_does(void **state)
{
    (void)state;
    runs(RWLOCK);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, case_setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_semaphore_does_what_its_model_does),
        T(a_mutex_does_what_its_model_does),
        T(a_rwlock_does_what_its_model_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
