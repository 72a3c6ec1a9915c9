/* A little executor for each case: `l`, new for every one. At its end every waker was given back, and
 * so was all memory. */
#ifndef TESTS_SUPPORT_CASE_H
#define TESTS_SUPPORT_CASE_H

#include "support/little.h"
#include "base/mem.h"

static struct little l;
static long memory_before;

static inline int case_setup(void **state)
{
    (void)state;
    little_init(&l);
    memory_before = ki_mem_alive();
    return 0;
}

static inline int case_teardown(void **state)
{
    (void)state;
    return l.clones == l.drops && ki_mem_alive() == memory_before ? 0 : -1;
}

#define CASE(test)   cmocka_unit_test_setup_teardown(test, case_setup, case_teardown)
#define PENDING(fut) assert_int_equal(poll_once(&l, fut), KIO_PENDING)
#define READY(fut)   assert_int_equal(poll_once(&l, fut), KIO_READY)
#define WAKES(count) assert_int_equal(l.wakes, count)

#endif
