#include "buffer.h"
#include "../base/mem.h"

#include <string.h>

/* A block is about this large, and holds at least 16 messages. */
#define KI_BLOCK_BYTES 2048
#define KI_BLOCK_MIN   16

size_t ki_buffer_ring_bytes(size_t size, size_t cap)
{
    size_t bytes;

    return __builtin_mul_overflow(size, cap, &bytes) || bytes > SIZE_MAX / 2 ? SIZE_MAX : bytes;
}

void ki_buffer_init(struct ki_buffer *b, size_t size, size_t cap, char *ring)
{
    *b = (struct ki_buffer){ .size = size, .cap = cap, .ring = ring };
    if (!ring) {
        b->cap = size ? KI_BLOCK_BYTES / size : KI_BLOCK_BYTES;
        if (b->cap < KI_BLOCK_MIN)
            b->cap = KI_BLOCK_MIN;
    }
}

void ki_buffer_free(struct ki_buffer *b)
{
    while (b->first) {
        struct ki_block *block = b->first;

        b->first = block->next;
        ki_mem_free(block);
    }
    ki_mem_free(b->spare);
    b->spare = b->last = NULL;
}

/* The sizes most messages have are copied without a call. */
static void copy(void *to, const void *from, size_t size)
{
    switch (size) {
    case 4:
        memcpy(to, from, 4);
        break;
    case 8:
        memcpy(to, from, 8);
        break;
    case 16:
        memcpy(to, from, 16);
        break;
    default:
        if (size) /* a message of no bytes may have no address */
            memcpy(to, from, size);
    }
}

static bool add_block(struct ki_buffer *b)
{
    struct ki_block *block = b->spare;

    b->spare = NULL;
    if (!block)
        block = ki_mem_alloc(sizeof *block + b->cap * b->size);
    if (!block)
        return false;
    block->next = NULL;
    if (b->last)
        b->last->next = block;
    else
        b->first = block;
    b->last = block;
    b->tail = 0;
    return true;
}

bool ki_buffer_push(struct ki_buffer *b, const void *message)
{
    if (b->ring) {
        copy(b->ring + b->tail * b->size, message, b->size);
        b->tail = b->tail + 1 == b->cap ? 0 : b->tail + 1;
        b->count++;
        return true;
    }
    if ((!b->last || b->tail == b->cap) && !add_block(b))
        return false;
    copy(b->last->bytes + b->tail * b->size, message, b->size);
    b->tail++;
    b->count++;
    return true;
}

static void retire_block(struct ki_buffer *b)
{
    struct ki_block *block = b->first;

    b->first = block->next;
    if (!b->first)
        b->last = NULL;
    b->head = 0;
    if (b->spare)
        ki_mem_free(block);
    else
        b->spare = block;
}

void *ki_buffer_front(struct ki_buffer *b)
{
    return (b->ring ? b->ring : b->first->bytes) + b->head * b->size;
}

void ki_buffer_skip(struct ki_buffer *b)
{
    b->head++;
    b->count--;
    if (b->ring)
        b->head = b->head == b->cap ? 0 : b->head;
    else if (b->count == 0 || b->head == b->cap)
        retire_block(b);
}

void ki_buffer_pop(struct ki_buffer *b, void *message)
{
    copy(message, ki_buffer_front(b), b->size);
    ki_buffer_skip(b);
}
