/*
 * The checker's own tests: what the C11 model allows is seen, what it forbids is not; faults are found;
 * and the reduction loses nothing.
 *
 * Outcomes are the loads' values as decimal digits, first thread first.
 */
#include "checker/mc.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint32_t x, y, z;
static uint32_t plain, word;
static uint32_t r[4];

#define RLX memory_order_relaxed
#define ACQ memory_order_acquire
#define REL memory_order_release
#define SC  memory_order_seq_cst
#define LOAD(v, order)      atomic_load_explicit(&v, order)
#define STORE(v, n, order)  atomic_store_explicit(&v, n, order)
#define ADD(v, n, order)    atomic_fetch_add_explicit(&v, n, order)

static void digits(void)
{
    mc_outcome(r[0] * 1000 + r[1] * 100 + r[2] * 10 + r[3]);
}

static void clear(void)
{
    x = y = z = 0;
    memset(r, 0, sizeof r);
    plain = word = 0;
}

static void expect(const char *name, const int *outcomes)
{
    unsigned count = 0;

    for (; outcomes[count] >= 0; count++) {
        if (!mc_seen((uint64_t)outcomes[count]))
            mc_fail("%s: never saw %04d", name, outcomes[count]);
    }
    if (mc_outcomes() != count)
        mc_fail("%s: %u outcomes, %u are allowed", name, mc_outcomes(), count);
}

#define EXPECT(name, ...)                                                                          \
    static void name##_done(void)                                                                  \
    {                                                                                              \
        expect(#name, (const int[]){ __VA_ARGS__, -1 });                                           \
    }

/* Message passing: the flag brings the data along, if both sides say so. */
#define MP(name, store, load, ...)                                                                 \
    static void name##_1(void)                                                                     \
    {                                                                                              \
        STORE(x, 1, RLX);                                                                          \
        STORE(y, 1, store);                                                                        \
    }                                                                                              \
    static void name##_2(void)                                                                     \
    {                                                                                              \
        r[0] = LOAD(y, load);                                                                      \
        r[1] = LOAD(x, RLX);                                                                       \
    }                                                                                              \
    EXPECT(name, __VA_ARGS__)
MP(mp_rel_acq, REL, ACQ, 0, 100, 1100)
MP(mp_rlx_acq, RLX, ACQ, 0, 100, 1000, 1100)
MP(mp_rel_rlx, REL, RLX, 0, 100, 1000, 1100)

/* Store buffering: only seq_cst forbids that neither sees the other. */
#define SB(name, store, load, ...)                                                                 \
    static void name##_1(void)                                                                     \
    {                                                                                              \
        STORE(x, 1, store);                                                                        \
        r[0] = LOAD(y, load);                                                                      \
    }                                                                                              \
    static void name##_2(void)                                                                     \
    {                                                                                              \
        STORE(y, 1, store);                                                                        \
        r[1] = LOAD(x, load);                                                                      \
    }                                                                                              \
    EXPECT(name, __VA_ARGS__)
SB(sb_seq_cst, SC, SC, 100, 1000, 1100)
SB(sb_rel_acq, REL, ACQ, 0, 100, 1000, 1100)
SB(sb_store_weak, REL, SC, 0, 100, 1000, 1100)
SB(sb_load_weak, SC, ACQ, 0, 100, 1000, 1100)

/* Load buffering: C11 allows 1100 with relaxed loads; an execution here is a sequence, so it is not
 * seen. No compiler and machine that Kioto runs on does it where the code depends on the value. */
static void lb_1(void)
{
    r[0] = LOAD(x, RLX);
    STORE(y, 1, RLX);
}
static void lb_2(void)
{
    r[1] = LOAD(y, RLX);
    STORE(x, 1, RLX);
}
EXPECT(lb, 0, 100, 1000)

/* Independent reads of independent writes: with acquire the readers may disagree. */
static void write_x_rel(void) { STORE(x, 1, REL); }
static void write_y_rel(void) { STORE(y, 1, REL); }
static void write_x_sc(void) { STORE(x, 1, SC); }
static void write_y_sc(void) { STORE(y, 1, SC); }
#define IRIW(name, load, ...)                                                                      \
    static void name##_1(void)                                                                     \
    {                                                                                              \
        r[0] = LOAD(x, load);                                                                      \
        r[1] = LOAD(y, load);                                                                      \
    }                                                                                              \
    static void name##_2(void)                                                                     \
    {                                                                                              \
        r[2] = LOAD(y, load);                                                                      \
        r[3] = LOAD(x, load);                                                                      \
    }                                                                                              \
    EXPECT(name, __VA_ARGS__)
IRIW(iriw_acq, ACQ, 0, 1, 10, 11, 100, 101, 110, 111, 1000, 1001, 1010, 1011, 1100, 1101, 1110, 1111)
IRIW(iriw_sc, SC, 0, 1, 10, 11, 100, 101, 110, 111, 1000, 1001, 1011, 1100, 1101, 1110, 1111)

/* Coherence: two loads of one variable do not go back. */
static void corr_1(void)
{
    STORE(x, 1, RLX);
    STORE(x, 2, RLX);
}
static void corr_2(void)
{
    r[0] = LOAD(x, RLX);
    r[1] = LOAD(x, RLX);
}
EXPECT(corr, 0, 100, 200, 1100, 1200, 2200)

/* A read-modify-write in between carries on what the first store released; a store does not. */
static void seq_1(void)
{
    STORE(x, 1, RLX);
    STORE(y, 1, REL);
}
static void seq_rmw(void)
{
    r[2] = ADD(y, 1, RLX);
}
static void seq_store(void)
{
    if (LOAD(y, RLX) == 1)
        STORE(y, 2, RLX);
}
static void seq_2(void)
{
    r[0] = LOAD(y, ACQ);
    r[1] = LOAD(x, RLX);
}
static void seq_rmw_done(void)
{
    if (mc_seen(2010) || !mc_seen(2110))
        mc_fail("release sequence: a read-modify-write breaks it");
}
static void seq_store_done(void)
{
    if (!mc_seen(2000))
        mc_fail("release sequence: a store carries it on");
}

/* Increments are not lost. */
static void add(void) { ADD(x, 1, RLX); }
static void add_all(void) { mc_outcome(x); }
EXPECT(adds, 3)

/* A weak exchange may fail for nothing, a strong one may not. */
static void cas_weak(void)
{
    uint32_t e = 0;

    r[0] = atomic_compare_exchange_weak_explicit(&x, &e, 1, RLX, RLX);
}
static void cas_strong(void)
{
    uint32_t e = 0;

    r[0] = atomic_compare_exchange_strong_explicit(&x, &e, 1, RLX, RLX);
}
EXPECT(cas_weak, 0, 1000)
EXPECT(cas_strong, 1000)
/* One that fails may have read something old. */
static void cas_old_1(void)
{
    STORE(x, 1, RLX);
    STORE(x, 2, RLX);
}
static void cas_old_2(void)
{
    uint32_t e = 2;

    r[0] = LOAD(x, RLX);
    r[1] = (uint32_t)atomic_compare_exchange_strong_explicit(&x, &e, 3, RLX, RLX) ? 9 : e;
}
EXPECT(cas_old, 0, 100, 900, 1100, 1900, 2900)

/* Plain accesses: found without order, right with it. */
static void race_1(void)
{
    plain = 1;
    STORE(x, 1, REL);
}
static void race_acq(void)
{
    if (LOAD(x, ACQ))
        r[0] = plain;
}
static void race_rlx(void)
{
    if (LOAD(x, RLX))
        r[0] = plain;
}

/* Threads that wait. */
static void lock_1(void)
{
    mc_take(&word);
    plain++;
    atomic_store_explicit((_Atomic uint32_t *)&word, 0, REL);
}
static void lock_bad(void)
{
    mc_take(&word);
    plain++;
    atomic_store_explicit((_Atomic uint32_t *)&word, 0, RLX);
}
static void plain_is_3(void) { MC_ASSERT(plain == 3); }
static void lose_wake_1(void)
{
    STORE(x, 1, REL);
    if (LOAD(y, ACQ))
        STORE(z, 1, REL);
}
static void lose_wake_2(void)
{
    STORE(y, 1, REL);
    if (LOAD(x, ACQ))
        return;
    while (!LOAD(z, ACQ))
        mc_spin();
}
static void keep_wake_1(void)
{
    STORE(x, 1, SC);
    if (LOAD(y, SC))
        STORE(z, 1, REL);
}
static void keep_wake_2(void)
{
    STORE(y, 1, SC);
    if (LOAD(x, SC))
        return;
    while (!LOAD(z, ACQ))
        mc_spin();
}

/* Memory that is given back while somebody reads it, or not seen to be there. */
static uint32_t *block;
static void make_block(void)
{
    clear();
    block = mc_alloc(8, 8, true);
}
static void free_it(void)
{
    if (ADD(x, 1, RLX) == 1)
        mc_free(block);
}
static void use_then_free(void)
{
    r[0] = *block;
    free_it();
}
static void use_then_free_well(void)
{
    r[mc_self()] = *block;
    if (ADD(x, 1, memory_order_acq_rel) == 1)
        mc_free(block);
}
static void publish(void)
{
    uint32_t *made = mc_alloc(8, 8, true);

    __atomic_store_n(&block, made, __ATOMIC_RELAXED);
}
static void look(void)
{
    uint32_t *at = __atomic_load_n(&block, __ATOMIC_ACQUIRE);

    if (at)
        r[0] = __atomic_load_n(at, __ATOMIC_RELAXED);
}
static void no_block(void)
{
    clear();
    block = NULL;
}

/* ---- random programs: what is seen with reduction and without ------------------------------ */

#define OPS 3 /* at most */
static struct {
    uint8_t what, var, order;
} program[3][OPS];
static uint64_t seed;
static unsigned ops = 2;
static uint32_t hash[4];

static uint32_t draw(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % n;
}

static void write_program(void)
{
    for (int t = 0; t < 3; t++) {
        for (int i = 0; i < OPS; i++) {
            program[t][i].what = (uint8_t)draw(10);
            program[t][i].var = (uint8_t)draw(2);
            program[t][i].order = (uint8_t)draw(3);
        }
    }
}

static void show_program(void)
{
    static const char *const what[] = { "load", "load", "load", "load", "store", "store", "store",
                                        "exchange", "cas", "choose" };
    static const char *const order[] = { "relaxed", "acquire/release", "seq_cst" };

    for (int t = 0; t < 3; t++) {
        for (unsigned i = 0; i < ops; i++)
            printf("  thread %d: %s %c %s\n", t + 1, what[program[t][i].what],
                   'x' + program[t][i].var, order[program[t][i].order]);
    }
}

static _Atomic uint32_t vars[2];

static void run_program(void)
{
    static const memory_order loads[] = { RLX, ACQ, SC }, stores[] = { RLX, REL, SC };
    unsigned t = mc_self();
    uint32_t h = 1;

    for (unsigned i = 0; i < ops; i++) {
        _Atomic uint32_t *v = &vars[program[t - 1][i].var];
        unsigned order = program[t - 1][i].order;
        uint32_t mark = t * 10 + i + 1, e;

        switch (program[t - 1][i].what) {
        case 0: case 1: case 2: case 3:
            h = h * 101 + atomic_load_explicit(v, loads[order]);
            break;
        case 4: case 5: case 6:
            atomic_store_explicit(v, mark, stores[order]);
            break;
        case 7:
            h = h * 101 + atomic_exchange_explicit(v, mark, stores[order]);
            break;
        case 8:
            e = 0;
            atomic_compare_exchange_strong_explicit(v, &e, mark, stores[order], RLX);
            h = h * 101 + e;
            break;
        case 9:
            h = h * 101 + mc_choose(2);
            break;
        }
    }
    __atomic_store_n(&hash[t], h, __ATOMIC_RELAXED);
}

static void clear_program(void)
{
    vars[0] = vars[1] = 0;
    memset(hash, 0, sizeof hash);
}

static void hash_program(void)
{
    uint64_t h = 7;

    for (int t = 1; t <= 3; t++)
        h = h * 1000003 + hash[t];
    mc_outcome((h * 101 + vars[0]) * 101 + vars[1]);
}

static const struct mc_test random_program = {
    "random program", clear_program, { run_program, run_program, run_program }, hash_program,
    .limit = UINT64_MAX,
};

#define PAIR(name) #name, clear, { name##_1, name##_2 }, digits, .done = name##_done

/* Store buffering with a light barrier here and a heavy one there; a light one on both sides is none. What
 * was written before a barrier is known behind the other one. */
static void light_1(void)
{
    plain = 1;
    STORE(x, 1, RLX);
    mc_light();
    r[0] = LOAD(y, RLX);
}

static void heavy_2(void)
{
    STORE(y, 1, RLX);
    mc_heavy();
    r[1] = LOAD(x, RLX);
}

static void light_2(void)
{
    STORE(y, 1, RLX);
    mc_light();
    r[1] = LOAD(x, RLX);
}

EXPECT(sb_light_heavy, 100, 1000, 1100)
EXPECT(sb_light_light, 0, 100, 1000, 1100)

/* Two that are hit by the same heavy barrier learn nothing of each other. */
static void light_write(void)
{
    STORE(x, 1, RLX);
    mc_light();
    STORE(z, 1, RLX);
}

static void light_look(void)
{
    r[0] = LOAD(z, RLX);
    mc_light();
    r[1] = LOAD(x, RLX);
}

static void heavy_alone(void)
{
    mc_heavy();
}

EXPECT(light_hears_no_light, 0, 100, 1000, 1100)

static const struct mc_test tests[] = {
    { PAIR(mp_rel_acq) },
    { PAIR(mp_rlx_acq) },
    { PAIR(mp_rel_rlx) },
    { PAIR(sb_seq_cst) },
    { PAIR(sb_rel_acq) },
    { PAIR(sb_store_weak) },
    { PAIR(sb_load_weak) },
    { "sb_light_heavy", clear, { light_1, heavy_2 }, digits, .done = sb_light_heavy_done },
    { "sb_light_light", clear, { light_1, light_2 }, digits, .done = sb_light_light_done },
    { "light_hears_no_light", clear, { light_write, light_look, heavy_alone }, digits,
      .done = light_hears_no_light_done },
    { PAIR(lb) },
    { "iriw_acq", clear, { write_x_rel, write_y_rel, iriw_acq_1, iriw_acq_2 }, digits,
      .done = iriw_acq_done },
    { "iriw_sc", clear, { write_x_sc, write_y_sc, iriw_sc_1, iriw_sc_2 }, digits, .done = iriw_sc_done },
    { "iriw_sc_loads", clear, { write_x_rel, write_y_rel, iriw_sc_1, iriw_sc_2 }, digits,
      .done = iriw_sc_done },
    { PAIR(corr) },
    { "release_sequence_rmw", clear, { seq_1, seq_rmw, seq_2 }, digits, .done = seq_rmw_done },
    { "release_sequence_store", clear, { seq_1, seq_store, seq_2 }, digits, .done = seq_store_done },
    { "adds", clear, { add, add, add }, add_all, .done = adds_done },
    { "cas_weak", clear, { cas_weak }, digits, .done = cas_weak_done, .spurious = 1 },
    { "cas_strong", clear, { cas_strong }, digits, .done = cas_strong_done, .spurious = 1 },
    { PAIR(cas_old) },
    { "plain_access_with_order", clear, { race_1, race_acq } },
    { "plain_access_without_order", clear, { race_1, race_rlx }, .must_fail = true },
    { "lock", clear, { lock_1, lock_1, lock_1 }, plain_is_3 },
    { "lock_without_release", clear, { lock_1, lock_bad, lock_1 }, plain_is_3, .must_fail = true },
    { "lost_wake", clear, { lose_wake_1, lose_wake_2 }, .must_fail = true },
    { "kept_wake", clear, { keep_wake_1, keep_wake_2 } },
    { "use_after_free", make_block, { use_then_free, use_then_free }, .must_fail = true },
    { "free_by_the_last", make_block, { use_then_free_well, use_then_free_well } },
    { "memory_not_published", no_block, { publish, look }, .must_fail = true },
};

/* litmus --random-programs COUNT [FIRST [OPERATIONS]]: 2 (the usual), or 3, which takes seconds each. */
int main(int argc, char **argv)
{
    int failed;

    if (argc > 2 && !strcmp(argv[1], "--random-programs")) {
        uint64_t count = strtoull(argv[2], NULL, 10);

        if (argc > 4)
            ops = argv[4][0] == '3' ? 3 : 2;

        for (uint64_t i = 0; i < count; i++) {
            uint64_t number = (argc > 3 ? strtoull(argv[3], NULL, 10) : 1) + i;

            seed = number * 7919;
            write_program();
            if (!mc_same_without_reduction(&random_program, argv[0])) {
                printf("program %llu: the reduction loses an outcome\n", (unsigned long long)number);
                show_program();
                return 1;
            }
        }
        return 0;
    }
    failed = mc_main(tests, sizeof tests / sizeof tests[0], argc, argv);
    return failed;
}
