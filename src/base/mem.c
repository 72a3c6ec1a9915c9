#include "mem.h"
#include "atomic.h"

#include <stdlib.h>

/* For tests; relaxed: nothing is published through them. Off unless a test has switched it on: two
 * atomic operations are as dear as the allocation. */
static ki_atomic(bool) watching;
static ki_atomic(long) fail_in;
static ki_atomic(long) total;
static ki_atomic(long) alive;

static bool must_fail(void)
{
    if (!ki_load_relaxed(&watching))
        return false;
    ki_fetch_add_relaxed(&total, 1);
    if (ki_load_relaxed(&fail_in) == 0)
        return false;
    return ki_fetch_sub_relaxed(&fail_in, 1) == 1;
}

static void *counted(void *ptr)
{
    if (ptr && ki_load_relaxed(&watching))
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
    size = (size + align - 1) & ~(align - 1); /* C11 7.22.3.1: a multiple, or it may fail */
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
    if (ki_load_relaxed(&watching))
        ki_fetch_sub_relaxed(&alive, 1);
    free(ptr);
}

void ki_mem_keep(const void *ptr)
{
    if (ptr && ki_load_relaxed(&watching))
        ki_fetch_sub_relaxed(&alive, 1);
}

void ki_mem_watch(void)
{
    ki_store_relaxed(&watching, true);
}

bool ki_mem_is_watched(void)
{
    return ki_load_relaxed(&watching);
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
