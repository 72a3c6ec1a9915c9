/*
 * What the compiler calls for each access of code that is compiled with -fsanitize=thread (the names and
 * types are those of the sanitizer's interface; gcc's sanitizer.def), and the few other doors of the code
 * under test: memory, system calls, panics.
 */
#include "inside.h"
#include "../../../src/base/block.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#define PC __builtin_return_address(0)

void __tsan_init(void);
void __tsan_init(void)
{
}

static void plain(const void *addr, size_t size, bool write, const void *pc)
{
    if (mc_running() && !mc_is_thread_local(addr, size))
        mc_access(mc_self(), addr, size, write, false, pc);
}

#define PLAIN(n)                                                                                   \
    void __tsan_read##n(void *addr);                                                               \
    void __tsan_read##n(void *addr)                                                                \
    {                                                                                              \
        plain(addr, n, false, PC);                                                                 \
    }                                                                                              \
    void __tsan_write##n(void *addr);                                                              \
    void __tsan_write##n(void *addr)                                                               \
    {                                                                                              \
        plain(addr, n, true, PC);                                                                  \
    }
#define UNALIGNED(n)                                                                               \
    void __tsan_unaligned_read##n(void *addr);                                                     \
    void __tsan_unaligned_read##n(void *addr)                                                      \
    {                                                                                              \
        plain(addr, n, false, PC);                                                                 \
    }                                                                                              \
    void __tsan_unaligned_write##n(void *addr);                                                    \
    void __tsan_unaligned_write##n(void *addr)                                                     \
    {                                                                                              \
        plain(addr, n, true, PC);                                                                  \
    }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)
UNALIGNED(2)
UNALIGNED(4)
UNALIGNED(8)
UNALIGNED(16)

void __tsan_read_range(void *addr, size_t size);
void __tsan_read_range(void *addr, size_t size)
{
    plain(addr, size, false, PC);
}

void __tsan_write_range(void *addr, size_t size);
void __tsan_write_range(void *addr, size_t size)
{
    plain(addr, size, true, PC);
}

/* Of standin.h, which would rename what this file calls. */
void *mc_memcpy(void *to, const void *from, size_t size);
void *mc_memset(void *to, int byte, size_t size);
long mc_syscall(long number, ...);
int mc_sched_yield(void);
int mc_madvise(void *at, size_t size, int what);

void *mc_memcpy(void *to, const void *from, size_t size)
{
    plain(from, size, false, PC);
    plain(to, size, true, PC);
    return memcpy(to, from, size);
}

void *mc_memset(void *to, int byte, size_t size)
{
    plain(to, size, true, PC);
    return memset(to, byte, size);
}

/* ---- atomic operations --------------------------------------------------------------------- */

static enum mc_order order_of(int mo)
{
    switch (mo & 0xffff) {
    case __ATOMIC_RELAXED: return MC_RELAXED;
    case __ATOMIC_ACQUIRE:
    case __ATOMIC_CONSUME: return MC_ACQUIRE;
    case __ATOMIC_RELEASE: return MC_RELEASE;
    case __ATOMIC_ACQ_REL: return MC_ACQ_REL;
    default: return MC_SEQ_CST;
    }
}

#define ATOMIC(bits, type)                                                                         \
    type __tsan_atomic##bits##_load(const volatile type *a, int mo);                               \
    type __tsan_atomic##bits##_load(const volatile type *a, int mo)                                \
    {                                                                                              \
        struct mc_op op = { .kind = MC_LOAD, .order = order_of(mo), .addr = (void *)(uintptr_t)a,  \
                            .size = sizeof *a, .pc = PC };                                         \
                                                                                                   \
        mc_do(&op);                                                                                \
        return (type)op.out;                                                                       \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile type *a, type v, int mo);                            \
    void __tsan_atomic##bits##_store(volatile type *a, type v, int mo)                             \
    {                                                                                              \
        struct mc_op op = { .kind = MC_STORE, .order = order_of(mo), .val = v,                     \
                            .addr = (void *)(uintptr_t)a, .size = sizeof *a, .pc = PC };           \
                                                                                                   \
        mc_do(&op);                                                                                \
    }                                                                                              \
    RMW(bits, type, exchange, MC_XCHG)                                                             \
    RMW(bits, type, fetch_add, MC_ADD)                                                             \
    RMW(bits, type, fetch_sub, MC_SUB)                                                             \
    RMW(bits, type, fetch_and, MC_AND)                                                             \
    RMW(bits, type, fetch_or, MC_OR)                                                               \
    RMW(bits, type, fetch_xor, MC_XOR)                                                             \
    CAS(bits, type, strong, MC_CAS)                                                                \
    CAS(bits, type, weak, MC_CAS_WEAK)

#define RMW(bits, type, name, how)                                                                 \
    type __tsan_atomic##bits##_##name(volatile type *a, type v, int mo);                           \
    type __tsan_atomic##bits##_##name(volatile type *a, type v, int mo)                            \
    {                                                                                              \
        struct mc_op op = { .kind = MC_RMW, .rmw = how, .order = order_of(mo), .val = v,           \
                            .addr = (void *)(uintptr_t)a, .size = sizeof *a, .pc = PC };           \
                                                                                                   \
        mc_do(&op);                                                                                \
        return (type)op.out;                                                                       \
    }

#define CAS(bits, type, name, how)                                                                 \
    bool __tsan_atomic##bits##_compare_exchange_##name(volatile type *a, type *e, type v, int mo,  \
                                                       int fail);                                  \
    bool __tsan_atomic##bits##_compare_exchange_##name(volatile type *a, type *e, type v, int mo,  \
                                                       int fail)                                   \
    {                                                                                              \
        struct mc_op op = { .kind = how, .order = order_of(mo), .failure = order_of(fail),         \
                            .val = v, .expected = *e, .addr = (void *)(uintptr_t)a,                \
                            .size = sizeof *a, .pc = PC };                                         \
                                                                                                   \
        mc_do(&op);                                                                                \
        if (!op.ok)                                                                                \
            *e = (type)op.out;                                                                     \
        return op.ok;                                                                              \
    }

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

/* ---- other doors --------------------------------------------------------------------------- */

static struct mc_op *on_word(enum mc_kind kind, void *word, struct mc_op *op, const void *pc)
{
    *op = (struct mc_op){ .kind = kind, .order = MC_ACQ_REL, .addr = word, .size = 4, .pc = pc };
    return op;
}

void mc_take(uint32_t *word)
{
    struct mc_op op;

    on_word(MC_TAKE, word, &op, PC)->order = MC_ACQUIRE;
    op.val = 1;
    mc_do(&op);
}

void mc_wait(uint32_t *word)
{
    struct mc_op op;

    mc_do(on_word(MC_WAIT, word, &op, PC));
}

unsigned mc_choose(unsigned n)
{
    struct mc_op op = { .kind = MC_CHOOSE, .size = n, .pc = PC };

    mc_do(&op);
    return (unsigned)op.out;
}

static bool barriers = true;
static uint64_t barrier_of[MC_THREADS + 1];

bool mc_has_barriers(void);
bool mc_has_barriers(void)
{
    return barriers;
}

void mc_barriers(bool on)
{
    barriers = on;
}

static void barrier(unsigned tid, enum mc_order order, const void *pc)
{
    struct mc_op op = { .kind = MC_RMW, .rmw = MC_ADD, .order = order, .val = 1,
                        .addr = &barrier_of[tid], .size = 8, .pc = pc };

    mc_do(&op);
}

void mc_light(void)
{
    barrier(mc_self(), MC_ACQ_REL, PC);
}

/* All are told before any is listened to, so that they do not hear of each other. */
void mc_heavy(void)
{
    unsigned self = mc_self();

    for (unsigned t = 1; t <= MC_THREADS; t++) {
        if (t != self)
            barrier(t, MC_RELEASE, PC);
    }
    for (unsigned t = 1; t <= MC_THREADS; t++) {
        if (t != self)
            barrier(t, MC_ACQUIRE, PC);
    }
}

long mc_syscall(long number, ...)
{
    struct mc_op op;
    va_list args;
    void *word;
    int what;
    uint32_t val;
    void *limit;

    va_start(args, number);
    word = va_arg(args, void *);
    what = va_arg(args, int);
    val = va_arg(args, uint32_t);
    limit = va_arg(args, void *);
    va_end(args);
    if (number != SYS_futex)
        mc_fail("system call %ld", number);
    if ((what & FUTEX_CMD_MASK) == FUTEX_WAKE) {
        on_word(MC_FUTEX_WAKE, word, &op, PC)->val = val;
        mc_do(&op);
        return (long)op.out;
    }
    on_word(limit ? MC_TIMED_WAIT : MC_FUTEX_WAIT, word, &op, PC)->expected = val;
    mc_do(&op);
    return 0;
}

int mc_sched_yield(void)
{
    mc_spin();
    return 0;
}

/* Pages that are given back read as zero: to who still looks at a word of them, as if it were stored. */
int mc_madvise(void *at, size_t size, int what)
{
    char *end = (char *)at + size;

    (void)what;
    for (char *word = at; word < end; word += 4) {
        unsigned n = mc_loc_size(word);
        struct mc_op op = { .kind = MC_STORE, .addr = word, .size = n, .pc = PC };

        if (n)
            mc_do(&op);
        else if (((uintptr_t)word & 7) == 0 || mc_loc_size(word - 4) != 8)
            memset(word, 0, 4);
    }
    return 0;
}

/* Nothing is kept: every block that is freed is looked after. */
_Thread_local struct ki_blocks ki_blocks;

void ki_block_put_slow(void *block)
{
    ki_mem_free(block);
}

void *ki_mem_alloc(size_t size)
{
    return mc_alloc(size, 16, false);
}

void *ki_mem_zalloc(size_t size)
{
    return mc_alloc(size, 16, true);
}

void *ki_mem_alloc_aligned(size_t align, size_t size)
{
    return mc_alloc(size, align, false);
}

void ki_mem_free(void *ptr)
{
    mc_free(ptr);
}

void ki_mem_keep(const void *ptr)
{
    (void)ptr;
}

_Noreturn void ki_panic(const char *file, int line, const char *format, ...);
_Noreturn void ki_panic(const char *file, int line, const char *format, ...)
{
    char text[300];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mc_fail("%s:%d: %s", file, line, text);
}
