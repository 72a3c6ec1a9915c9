/* Small blocks that a thread keeps (base/block.h). Not under ki_mem_watch(): it keeps none then. */
#include "base/block.h"

#include <kioto.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#ifdef KI_ASAN
#define KEPT(n) 0
#else
#define KEPT(n) (n)
#endif

static void *in_a_thread(void *unused)
{
    void *block[50];

    for (int i = 0; i < 50; i++) {
        block[i] = ki_block_get(KI_BLOCK_SIZE);
        assert_non_null(block[i]);
        memset(block[i], i, KI_BLOCK_SIZE);
    }
    assert_int_equal(ki_blocks.count, 0);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(((unsigned char *)block[i])[KI_BLOCK_SIZE - 1], i); /* nobody else's */
        ki_block_put(block[i], KI_BLOCK_SIZE);
    }
    assert_int_equal(ki_blocks.count, KEPT(32)); /* the others went back */
    return unused; /* what it keeps is freed with it: valgrind and ASan see that */
}

static void a_thread_keeps_so_many_and_frees_them_when_it_ends(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, in_a_thread, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(ki_blocks.count, 0); /* each thread has its own */
}

static void what_was_given_back_is_given_out_next(void **state)
{
    void *block = ki_block_get(10);
    void *large = ki_block_get(KI_BLOCK_SIZE + 1);

    (void)state;
    ki_block_put(large, KI_BLOCK_SIZE + 1); /* not kept */
    assert_int_equal(ki_blocks.count, 0);
    ki_block_put(block, 10);
    assert_int_equal(ki_blocks.count, KEPT(1));
    large = ki_block_get(KI_BLOCK_SIZE + 1);
    assert_int_equal(ki_blocks.count, KEPT(1));
    ki_block_put(large, KI_BLOCK_SIZE + 1);
#ifndef KI_ASAN
    assert_ptr_equal(ki_block_get(KI_BLOCK_SIZE), block);
    ki_block_put(block, KI_BLOCK_SIZE);
#endif
}

/* A oneshot made here and freed there, and the other way round. */
static void *receiver(void *arg)
{
    struct kio_oneshot_rx *rx = arg;
    int value = 0;

    assert_int_equal(kio_oneshot_blocking_recv(rx, &value), 1);
    assert_int_equal(value, 5);
    return arg;
}

static void a_channel_may_be_freed_by_another_thread(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct kio_oneshot_tx tx;
        struct kio_oneshot_rx rx;
        pthread_t thread;
        int value = 5;

        assert_int_equal(kio_oneshot_channel(&tx, &rx, sizeof value), 0);
        assert_int_equal(pthread_create(&thread, NULL, receiver, &rx), 0);
        assert_int_equal(kio_oneshot_send(&tx, &value), 0);
        pthread_join(thread, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_keeps_so_many_and_frees_them_when_it_ends),
        cmocka_unit_test(what_was_given_back_is_given_out_next),
        cmocka_unit_test(a_channel_may_be_freed_by_another_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
