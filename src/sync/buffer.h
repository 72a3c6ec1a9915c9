/*
 * A queue of messages of one size: a ring that lies behind the channel (bounded), or blocks that
 * come and go (unbounded). One drained block is kept, so a channel that goes between empty and a
 * few messages allocates nothing. Under the channel's lock.
 */
#ifndef KI_SYNC_BUFFER_H
#define KI_SYNC_BUFFER_H

#include <kioto/config.h>

struct ki_block {
    struct ki_block *next;
    char bytes[];
};

struct ki_buffer {
    size_t size;             /* of a message */
    size_t count;            /* queued */
    size_t cap;              /* of the ring, or messages in a block */
    size_t head, tail;       /* of the ring; or within the first and the last block */
    char *ring;              /* NULL: unbounded */
    struct ki_block *first, *last, *spare;
};

/* How many bytes a ring of this capacity needs; SIZE_MAX: too many. */
size_t ki_buffer_ring_bytes(size_t size, size_t cap);
void ki_buffer_init(struct ki_buffer *b, size_t size, size_t cap, char *ring);
/* Frees blocks; what is queued is forgotten. */
void ki_buffer_free(struct ki_buffer *b);

/* False: no memory (unbounded only). The caller has seen to it that a ring has room. */
KIO_MUST_USE bool ki_buffer_push(struct ki_buffer *b, const void *message);
/* The caller has seen to it that there is one. */
void ki_buffer_pop(struct ki_buffer *b, void *message);
/* Where the first message lies; and forgetting it. */
void *ki_buffer_front(struct ki_buffer *b);
void ki_buffer_skip(struct ki_buffer *b);

#endif
