/*
 * A queue of messages of one size: a ring that lies behind the channel (bounded), or blocks that
 * come and go (unbounded). One block is kept when it is drained, so a channel that goes between empty
 * and a few messages allocates nothing. Under the channel's lock.
 *
 * Both are a place to write and a place to read, each with the end of the memory it is in: only
 * there is it of interest whether the next place is the ring's start or another block.
 */
#ifndef KI_SYNC_BUFFER_H
#define KI_SYNC_BUFFER_H

#include <kioto/config.h>

#include <string.h>

struct ki_block {
    struct ki_block *next;
    char bytes[];
};

struct ki_buffer {
    size_t count;            /* queued */
    char *tail, *tail_end;   /* where the next one is written; where that memory ends */
    size_t size;             /* of a message */
    size_t step;             /* from one message to the next: 1 when messages have no bytes */
    char *head, *head_end;   /* where the first one lies */
    char *ring;              /* NULL: unbounded */
    size_t cap;              /* messages in a block */
    struct ki_block *first, *last, *spare;
};

/* How many bytes a ring of this capacity needs; SIZE_MAX: too many. */
size_t ki_buffer_ring_bytes(size_t size, size_t cap);
void ki_buffer_init(struct ki_buffer *b, size_t size, size_t cap, char *ring);
/* Frees blocks; what is queued is forgotten. */
void ki_buffer_free(struct ki_buffer *b);

/* The write place is at the end of its memory. False: no memory for another block. */
KIO_MUST_USE bool ki_buffer_more(struct ki_buffer *b);
/* The read place is at the end of its memory. */
void ki_buffer_turn(struct ki_buffer *b);

/* Nothing is queued: frees the spare block. */
void ki_buffer_trim(struct ki_buffer *b);

/* The sizes most messages have are copied without a call. False: it is none of them. */
static inline bool ki_copy_quick(void *to, const void *from, size_t size)
{
    if (size == 8)
        memcpy(to, from, 8);
    else if (size == 16)
        memcpy(to, from, 16);
    else
        return false;
    return true;
}

static inline void ki_copy(void *to, const void *from, size_t size)
{
    if (!ki_copy_quick(to, from, size) && size) /* a message of no bytes may have no address */
        memcpy(to, from, size);
}

/* False: no memory (unbounded only). The caller has seen to it that a ring has room. */
KIO_MUST_USE static inline bool ki_buffer_push(struct ki_buffer *b, const void *message)
{
    if (kio_unlikely_(b->tail == b->tail_end) && !ki_buffer_more(b))
        return false;
    ki_copy(b->tail, message, b->size);
    b->tail += b->step;
    b->count++;
    return true;
}

/* The most frequent case of a push, without any call. False: it is another one, and nothing was done. */
static inline bool ki_buffer_push_quick(struct ki_buffer *b, const void *message)
{
    char *to = b->tail;

    if (kio_unlikely_(to == b->tail_end) && !(to = b->ring))
        return false;
    if (!ki_copy_quick(to, message, b->size))
        return false;
    b->tail = to + b->step;
    b->count++;
    return true;
}

/* Where the first message lies; and forgetting it. The caller has seen to it that there is one. */
static inline void *ki_buffer_front(struct ki_buffer *b)
{
    if (kio_unlikely_(b->head == b->head_end))
        ki_buffer_turn(b);
    return b->head;
}

static inline void ki_buffer_skip(struct ki_buffer *b)
{
    b->head += b->step;
    if (--b->count == 0 && kio_unlikely_(b->spare != NULL))
        ki_buffer_trim(b);
}

static inline void ki_buffer_pop(struct ki_buffer *b, void *message)
{
    ki_copy(message, ki_buffer_front(b), b->size);
    ki_buffer_skip(b);
}

/* The most frequent case of a pop, as above. There may be no message. */
static inline bool ki_buffer_pop_quick(struct ki_buffer *b, void *message)
{
    char *from = b->head;

    if (kio_unlikely_(from == b->head_end) && !(from = b->ring))
        return false;
    if (!b->count || b->spare || !ki_copy_quick(message, from, b->size))
        return false;
    b->head = from + b->step;
    b->count--;
    return true;
}

#endif
