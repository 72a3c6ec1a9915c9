/*
 * The runtime's door to the allocator. Everything Kioto allocates comes through here, so that
 * tests can count it and let the nth allocation fail.
 */
#ifndef KI_BASE_MEM_H
#define KI_BASE_MEM_H

#include <kioto/config.h>

/* Zeroed memory, or NULL. Freed by ki_mem_free(). */
KIO_MUST_USE void *ki_mem_zalloc(size_t size);
KIO_MUST_USE void *ki_mem_alloc(size_t size);
/* align: a power of two. Not zeroed. */
KIO_MUST_USE void *ki_mem_alloc_aligned(size_t align, size_t size);
/* As realloc: on failure the old block is untouched. */
KIO_MUST_USE void *ki_mem_realloc(void *old, size_t size);
void ki_mem_free(void *ptr);

/* Says that a block is kept for the process's life (a pool's): it no longer counts as alive. NULL:
 * nothing. */
void ki_mem_keep(const void *ptr);

/* Tests: switches on what follows; first thing in the process. */
void ki_mem_watch(void);
bool ki_mem_is_watched(void);
/* Tests: the nth allocation from now fails (1: the next), once; 0: none. */
void ki_mem_fail_at(long n);
/* Tests: allocations made so far; blocks alive. */
long ki_mem_count(void);
long ki_mem_alive(void);

/* Address sanitizer: bytes nobody may touch until they are opened again. */
#if defined(__SANITIZE_ADDRESS__)
#define KI_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KI_ASAN 1
#endif
#endif

#ifdef KI_ASAN
void __asan_poison_memory_region(void const volatile *addr, size_t size);
void __asan_unpoison_memory_region(void const volatile *addr, size_t size);
#define ki_mem_poison(p, n)   __asan_poison_memory_region(p, n)
#define ki_mem_unpoison(p, n) __asan_unpoison_memory_region(p, n)
#else
#define ki_mem_poison(p, n)   ((void)(p), (void)(n))
#define ki_mem_unpoison(p, n) ((void)(p), (void)(n))
#endif

#endif
