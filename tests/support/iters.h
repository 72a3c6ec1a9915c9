/* Tests of async iterators under the little executor: one value a poll, and no memory left. */
#ifndef TESTS_SUPPORT_ITERS_H
#define TESTS_SUPPORT_ITERS_H

#include "support/leaf.h"

#include "base/mem.h"

#include <kioto.h>

#include <errno.h>
#include <string.h>

static struct little l;
static long blocks_before;

static int setup(void **state)
{
    (void)state;
    little_init(&l);
    blocks_before = ki_mem_alive();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(ki_mem_alive(), blocks_before);
    assert_int_equal(ki_load_seq_cst(&l.clones), ki_load_seq_cst(&l.drops));
    return 0;
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* The next value of an iterator of int64_t or int; END and WAITS are none of the tests' values. */
#define END   (-1000)
#define WAITS (-1001)
#define next_of(T_, it)                                                                            \
    ({                                                                                             \
        static struct kio_iter_next slot_;                                                         \
        static T_ item_;                                                                           \
        int64_t got_ = WAITS;                                                                      \
        if (poll_once(&l, kio_iter_next(&slot_, it, &item_)) == KIO_READY)                         \
            got_ = slot_.out == 1 ? (int64_t)item_ : slot_.out == 0 ? END : slot_.out;             \
        kio_drop(&slot_);                                                                          \
        got_;                                                                                      \
    })
#define next64(it) next_of(int64_t, it)
#define nexti(it)  next_of(int, it)

/* Woken since the last look. */
static inline bool woken(void)
{
    return ki_xchg_seq_cst(&l.wakes, 0) != 0;
}

#endif
