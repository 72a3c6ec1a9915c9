/*
 * Type-stable memory for tasks: a slot that held a task header holds nothing else there, ever.
 *
 * Why: a waker is the bare address of a task header, uncounted. It may be used long after its task
 * ended; then it finds the header of a dead task (the wake does nothing) or of a newer one (which
 * is polled once more than needed). So wakers are copied and forgotten for free, and a wake on the
 * task's own thread costs no atomic operation. What it takes: the memory stays a task header. The
 * pages of unused chunks are given back to the kernel when the runtime ends (they read as zero,
 * and a zero header ignores wakes); their addresses are kept and used again.
 *
 * Layout: regions (256 KiB, doubling to 4 MiB) are cut into chunks of 64 KiB, aligned to their
 * size; a chunk holds slots of one size class for ever. Its first word points to its descriptor,
 * so a task finds its scheduler by masking its address.
 *
 *   chunk: | ki_chunk * | 0 | slot | slot | ...   slots start at a multiple of 16
 *
 * A slot has a number, smaller than an address: that of its chunk, counted from 1, and of its place in it.
 * Chunks are found by their number in a table that grows by parts, each twice the one before, and none of
 * which ever moves, so it is read without a lock.
 *
 * Access: a worker takes and gives slots through its own ki_slots, without locks; those trade
 * batches with the arena under its lock. Everybody else uses the arena's own ki_slots, locked.
 */
#ifndef KI_TASK_ARENA_H
#define KI_TASK_ARENA_H

#include "../base/lock.h"

#include <kioto/async.h>

/* Smaller when a model checker explores it. */
#ifndef KI_CHUNK_SIZE
#define KI_CHUNK_SIZE   65536
/* Frames up to this lie in the slot; larger ones are allocated on their own. */
#define KI_SLOT_MAX     16384
#endif
#define KI_CLASS_STEP   8
#define KI_CLASS_FINE   64 /* classes 8, 16 .. 512, then four for each doubling */
#define KI_CLASS_COUNT  (KI_CLASS_FINE + 4 * 5)
#ifndef KI_SLOT_BATCH /* as above */
/* Slots that move between a worker and the arena at once. */
#define KI_SLOT_BATCH   64
#endif

/* Of a slot's number. 2^20 chunks are 64 GiB: a runtime has no more memory for tasks than that. */
#define KI_NUMBER_BITS 31
#define KI_PLACE_BITS  11
#define KI_CHUNKS_MAX  (UINT32_C(1) << (KI_NUMBER_BITS - KI_PLACE_BITS))
#define KI_TABLE_FIRST 64 /* chunks in the table's first part; a power of two */
#define KI_TABLE_PARTS 15

struct ki_task;
struct ki_sched;

struct ki_chunk {
    struct ki_sched *sched;  /* for ever */
    char *slots;             /* the first slot */
    uint32_t slot_size;
    uint16_t slot_class;
    uint32_t slot_cap;
    uint32_t number;         /* from 1, for ever */
    ki_atomic(uint32_t) carved; /* slots that were ever handed out since the last trim */
    struct ki_chunk *next;      /* of the same class, fresh */
    struct ki_chunk *all;       /* all chunks of the arena */
};

/* Free slots at hand. A worker's own, or the arena's (then under its lock). */
struct ki_slots {
    struct ki_task *free[KI_CLASS_COUNT];
    uint32_t count[KI_CLASS_COUNT];
    struct ki_chunk *open[KI_CLASS_COUNT]; /* the chunk that fresh slots are cut from */
};

struct ki_arena {
    struct ki_lock lock;
    struct ki_sched *sched;
    const kio_waker_type *waker_type;
    struct ki_slots shared;
    struct ki_chunk *fresh[KI_CLASS_COUNT]; /* chunks bound to a class, nothing carved */
    struct ki_chunk *unbound;               /* chunks that no class has used yet */
    struct ki_chunk *all;
    struct ki_chunk **table[KI_TABLE_PARTS]; /* by number */
    uint32_t chunk_count;
    size_t region_size;                     /* of the next region */
    uint32_t stamp_size;                    /* bytes at the end of a slot, see sched/times.h */
    uint32_t task_flags;                    /* that every new task has */
};

void ki_arena_init(struct ki_arena *arena, struct ki_sched *sched, const kio_waker_type *type);

/* A slot of `size` bytes, at most KI_SLOT_MAX, with a task header in front; NULL: out of memory. The
 * header's waker type is set, nothing else. slots: the calling worker's own; NULL: the arena's. */
KIO_MUST_USE struct ki_task *ki_arena_get(struct ki_arena *arena, struct ki_slots *slots,
                                          size_t size);
void ki_arena_put(struct ki_arena *arena, struct ki_slots *slots, struct ki_task *task);

/* After every task ended and no wake is under way: gives the pages back of every chunk in which
 * no join handle keeps a task. Workers' slots must have been forgotten: all free slots are found
 * anew. */
void ki_arena_trim(struct ki_arena *arena);

/* Calls visit for every slot ever carved, live or not. Those carved meanwhile may be left out. */
void ki_arena_each(struct ki_arena *arena, void (*visit)(struct ki_task *, void *), void *arg);

/* Whether tasks made from now on are KI_TASK_STAMPED, KI_TASK_HOOKED; while there are none. */
void ki_arena_observe(struct ki_arena *arena, bool stamped, bool hooked);

/* The chunk of a task; NULL: its memory was given back. */
static inline struct ki_chunk *ki_chunk_of(const struct ki_task *task)
{
    uintptr_t base = (uintptr_t)task & ~(uintptr_t)(KI_CHUNK_SIZE - 1);

    return ki_bare_load_relaxed((struct ki_chunk **)base);
}

/* Of a chunk's number, from 1: where the table has it. */
static inline struct ki_chunk **ki_arena_place(const struct ki_arena *arena, uint32_t number)
{
    uint32_t n = number - 1 + KI_TABLE_FIRST; /* part p has those from KI_TABLE_FIRST << p on */
    unsigned part = 31u - (unsigned)__builtin_clz(n / KI_TABLE_FIRST);

    return arena->table[part] + (n - ((uint32_t)KI_TABLE_FIRST << part));
}

/* The number of a task's slot, never 0. The chunk's memory may have been given back. */
static inline uint32_t ki_task_number(const struct ki_chunk *chunk, const struct ki_task *task)
{
    return chunk->number << KI_PLACE_BITS |
           (uint32_t)((const char *)task - chunk->slots) / chunk->slot_size;
}

static inline struct ki_task *ki_task_numbered(const struct ki_arena *arena, uint32_t number)
{
    const struct ki_chunk *chunk = *ki_arena_place(arena, number >> KI_PLACE_BITS);
    uint32_t place = number & ((UINT32_C(1) << KI_PLACE_BITS) - 1);

    return (struct ki_task *)(chunk->slots + (size_t)place * chunk->slot_size);
}

#endif
