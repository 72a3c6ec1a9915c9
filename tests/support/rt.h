/* Tests that run on both flavors: kio_runtime_block_on(rt, …) inside, RT_MAIN at the end. */
#ifndef TESTS_SUPPORT_RT_H
#define TESTS_SUPPORT_RT_H

#include "base/atomic.h"

#include <kioto.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The runtime of the test that runs: two workers, or the test's own thread. */
extern struct kio_runtime *rt;
extern enum kio_flavor rt_flavor;

int rt_open(void **state);
/* Frees it and checks that no allocation of the test is left. */
int rt_close(void **state);

#define RT(test) cmocka_unit_test_setup_teardown(test, rt_open, rt_close)
#define run(name, ...) kio_runtime_block_on(rt, name __VA_OPT__(, ) __VA_ARGS__)

#define RT_MAIN(...)                                                                               \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                         \
        int failed;                                                                                \
                                                                                                   \
        rt_flavor = KIO_CURRENT_THREAD;                                                            \
        failed = cmocka_run_group_tests_name("current_thread", tests, NULL, NULL);                 \
        rt_flavor = KIO_MULTI_THREAD;                                                              \
        return failed + cmocka_run_group_tests_name("multi_thread", tests, NULL, NULL);            \
    }

/* How long something is, cut down under valgrind (KIOTO_TEST_QUICK). */
static inline int amount(int usual)
{
    return getenv("KIOTO_TEST_QUICK") ? usual / 20 + 1 : usual;
}

/* Counts destructors. */
extern ki_atomic(int) drops;

#endif
