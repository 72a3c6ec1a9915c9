#include "block.h"

#include <pthread.h>

_Thread_local struct ki_blocks ki_blocks;

#ifdef KI_ASAN
static bool begins(void)
{
    return false;
}
#else
#define ROOM 32

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

/* Whether it begins to keep some. */
static bool begins(void)
{
    if (ki_blocks.room || ki_mem_is_watched())
        return false;
    pthread_once(&once, make_key);
    if (!has_key || pthread_setspecific(at_exit, &ki_blocks))
        return false;
    ki_blocks.room = ROOM;
    return true;
}
#endif

/* The first one of a thread, or one too many. Nothing is kept where every allocation is looked after. */
void ki_block_put_slow(void *block)
{
    if (begins())
        ki_block_put(block, KI_BLOCK_SIZE);
    else
        ki_mem_free(block);
}
