#include "mem.h"
#include "atomic.h"

#include <stdlib.h>

/* Counters for tests; relaxed: nothing is published through them. */
static ki_atomic(long) fail_in;
static ki_atomic(long) total;
static ki_atomic(long) alive;

static bool must_fail(void)
{
    ki_fetch_add_relaxed(&total, 1);
    if (ki_load_relaxed(&fail_in) == 0)
        return false;
    return ki_fetch_sub_relaxed(&fail_in, 1) == 1;
}

static void *counted(void *ptr)
{
    if (ptr)
        ki_fetch_add_relaxed(&alive, 1);
    return ptr;
}

void *ki_mem_alloc(size_t size)
{
    return must_fail() ? NULL : counted(malloc(size));
}

void *ki_mem_zalloc(size_t size)
{
    return must_fail() ? NULL : counted(calloc(1, size));
}

void *ki_mem_alloc_aligned(size_t align, size_t size)
{
    return must_fail() ? NULL : counted(aligned_alloc(align, size));
}

void *ki_mem_realloc(void *old, size_t size)
{
    void *ptr;

    if (must_fail())
        return NULL;
    ptr = realloc(old, size);
    return old ? ptr : counted(ptr);
}

void ki_mem_free(void *ptr)
{
    if (!ptr)
        return;
    ki_fetch_sub_relaxed(&alive, 1);
    free(ptr);
}

void ki_mem_fail_at(long n)
{
    ki_store_relaxed(&fail_in, n);
}

long ki_mem_count(void)
{
    return ki_load_relaxed(&total);
}

long ki_mem_alive(void)
{
    return ki_load_relaxed(&alive);
}
