#include "buffer.h"
#include "../base/mem.h"

/* A block is about this large, and holds at least 16 messages. */
#define KI_BLOCK_BYTES 2048
#define KI_BLOCK_MIN   16

static size_t step_of(size_t size)
{
    return size ? size : 1;
}

size_t ki_buffer_ring_bytes(size_t size, size_t cap)
{
    size_t bytes;

    return __builtin_mul_overflow(step_of(size), cap, &bytes) || bytes > SIZE_MAX / 2 ? SIZE_MAX
                                                                                      : bytes;
}

void ki_buffer_init(struct ki_buffer *b, size_t size, size_t cap, char *ring)
{
    size_t step = step_of(size);

    *b = (struct ki_buffer){ .size = size, .step = step, .ring = ring };
    if (ring) {
        b->head = b->tail = ring;
        b->head_end = b->tail_end = ring + cap * step;
    } else {
        b->cap = KI_BLOCK_BYTES / step;
        if (b->cap < KI_BLOCK_MIN)
            b->cap = KI_BLOCK_MIN;
    }
}

void ki_buffer_trim(struct ki_buffer *b)
{
    ki_mem_free(b->spare);
    b->spare = NULL;
}

void ki_buffer_free(struct ki_buffer *b)
{
    while (b->first) {
        struct ki_block *block = b->first;

        b->first = block->next;
        ki_mem_free(block);
    }
    ki_buffer_trim(b);
    b->last = NULL;
    if (!b->ring)
        b->head = b->head_end = b->tail = b->tail_end = NULL;
}

bool ki_buffer_more(struct ki_buffer *b)
{
    struct ki_block *block = b->spare;

    if (b->ring) {
        b->tail = b->ring;
        return true;
    }
    if (!b->count && b->last) { /* the only one, and drained */
        b->head = b->tail = b->last->bytes;
        return true;
    }
    b->spare = NULL;
    if (!block)
        block = ki_mem_alloc(sizeof *block + b->cap * b->step);
    if (!block)
        return false;
    block->next = NULL;
    b->tail = block->bytes;
    b->tail_end = block->bytes + b->cap * b->step;
    if (b->last) {
        b->last->next = block;
    } else {
        b->first = block;
        b->head = b->tail;
        b->head_end = b->tail_end;
    }
    b->last = block;
    return true;
}

void ki_buffer_turn(struct ki_buffer *b)
{
    struct ki_block *block = b->first;

    if (b->ring) {
        b->head = b->ring;
        return;
    }
    b->first = block->next; /* there is one: a message lies in it */
    b->head = b->first->bytes;
    b->head_end = b->head + b->cap * b->step;
    if (b->spare)
        ki_mem_free(block);
    else
        b->spare = block;
}
