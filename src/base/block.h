/*
 * Small blocks that come and go often, as a oneshot does: a thread keeps a few of those that were freed
 * on it. Getting one and giving it back are ten instructions each; malloc and free take 150.
 *
 * Access: ki_blocks is the thread's own. A block may be given back on another thread than it came from.
 */
#ifndef KI_BASE_BLOCK_H
#define KI_BASE_BLOCK_H

#include "mem.h"

#define KI_BLOCK_SIZE 64

typedef void *ki_block_link __attribute__((may_alias));

struct ki_blocks {
    ki_block_link *first;
    uint32_t count;
    uint32_t room; /* for as many; 0: this thread has not given one back yet, or keeps none */
};

extern _Thread_local struct ki_blocks ki_blocks;

KIO_COLD void ki_block_put_slow(void *block);

/* size bytes, not zeroed, or NULL. */
KIO_MUST_USE static inline void *ki_block_get(size_t size)
{
    ki_block_link *block = ki_blocks.first;

    if (kio_unlikely_(!block || size > KI_BLOCK_SIZE))
        return ki_mem_alloc(size > KI_BLOCK_SIZE ? size : KI_BLOCK_SIZE);
    ki_blocks.first = *block;
    ki_blocks.count--;
    return block;
}

/* size: as it was asked for. */
static inline void ki_block_put(void *block, size_t size)
{
    ki_block_link *link = block;

    if (size > KI_BLOCK_SIZE) {
        ki_mem_free(block);
    } else if (kio_unlikely_(ki_blocks.count == ki_blocks.room)) {
        ki_block_put_slow(block);
    } else {
        *link = ki_blocks.first;
        ki_blocks.first = link;
        ki_blocks.count++;
    }
}

#endif
