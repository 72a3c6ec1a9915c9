#include "block.h"

#include <pthread.h>

#define ROOM 32

_Thread_local struct ki_blocks ki_blocks;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;
static bool has_key;

static void free_all(void *unused)
{
    (void)unused;
    while (ki_blocks.first) {
        ki_block_link *block = ki_blocks.first;

        ki_blocks.first = *block;
        ki_mem_free(block);
    }
    ki_blocks.count = ki_blocks.room = 0;
}

static void make_key(void)
{
    has_key = pthread_key_create(&at_exit, free_all) == 0;
}

/* The first one of a thread, or one too many. Nothing is kept where every allocation is looked after. */
void ki_block_put_slow(void *block)
{
#ifndef KI_ASAN
    if (!ki_blocks.room && !ki_mem_is_watched()) {
        pthread_once(&once, make_key);
        if (has_key && pthread_setspecific(at_exit, &ki_blocks) == 0) {
            ki_blocks.room = ROOM;
            ki_block_put(block, KI_BLOCK_SIZE);
            return;
        }
    }
#endif
    ki_mem_free(block);
}
