#include "arena.h"
#include "task.h"
#include "../base/mem.h"

#include <string.h>
#include <sys/mman.h>

#define KI_REGION_MIN  (4 * (size_t)KI_CHUNK_SIZE)
#define KI_REGION_MAX  ((size_t)4 << 20)
#define KI_HUGE_PAGE   ((size_t)2 << 20)
/* Slots start here, behind the descriptor's address. */
#define KI_SLOTS_START 16

_Static_assert((KI_SLOTS_START + KI_TASK_FRAME) % 16 == 0, "frames of slots of 16, 32 .. are 16-aligned");
_Static_assert((KI_CHUNK_SIZE - KI_SLOTS_START) / (sizeof(struct ki_task) + sizeof(void *)) <
                   1u << KI_PLACE_BITS,
               "places have numbers");

static unsigned class_of(size_t size)
{
    unsigned top;

    if (size <= KI_CLASS_FINE * KI_CLASS_STEP)
        return (unsigned)((size + KI_CLASS_STEP - 1) / KI_CLASS_STEP) - 1;
    top = 63 - (unsigned)__builtin_clzll(size - 1); /* size is in (2^top, 2^(top+1)] */
    return KI_CLASS_FINE + (top - 9) * 4 + (unsigned)((size - 1) >> (top - 2)) - 4;
}

static size_t class_size(unsigned c)
{
    unsigned top;

    if (c < KI_CLASS_FINE)
        return (c + 1) * (size_t)KI_CLASS_STEP;
    c -= KI_CLASS_FINE;
    top = 9 + c / 4;
    return ((size_t)4 + c % 4 + 1) << (top - 2);
}

void ki_arena_init(struct ki_arena *arena, struct ki_sched *sched, const kio_waker_type *type)
{
    *arena = (struct ki_arena){
        .sched = sched,
        .waker_type = type,
        .region_size = KI_REGION_MIN,
    };
}

/* Room in the table for `count` more chunks. */
static bool grow_table_locked(struct ki_arena *arena, size_t count)
{
    size_t room = 0;

    for (unsigned part = 0; part < KI_TABLE_PARTS && room < arena->chunk_count + count; part++) {
        size_t size = (size_t)KI_TABLE_FIRST << part;

        room += size;
        if (arena->table[part])
            continue;
        arena->table[part] = ki_mem_alloc(size * sizeof(struct ki_chunk *));
        if (!arena->table[part])
            return false;
        ki_mem_keep(arena->table[part]);
    }
    return arena->chunk_count + count < KI_CHUNKS_MAX;
}

/* One more region, cut into chunks without a class. */
static bool grow_locked(struct ki_arena *arena)
{
    size_t size = arena->region_size;
    size_t align = size >= KI_HUGE_PAGE ? KI_HUGE_PAGE : KI_CHUNK_SIZE;
    size_t count = size / KI_CHUNK_SIZE;
    struct ki_chunk *chunks =
        grow_table_locked(arena, count) ? ki_mem_zalloc(count * sizeof *chunks) : NULL;
    char *region = chunks ? ki_mem_alloc_aligned(align, size) : NULL;

    if (!region) {
        ki_mem_free(chunks);
        return false;
    }
    ki_mem_keep(chunks);
    ki_mem_keep(region);
    /* A page fault costs 1.3 to 5 us here; with huge pages a million tasks take 90 instead of
     * 45 000 of them. Only for regions that a program with few tasks never reaches. */
    if (align == KI_HUGE_PAGE)
        madvise(region, size, MADV_HUGEPAGE);
    for (size_t i = 0; i < count; i++) {
        struct ki_chunk *chunk = &chunks[count - 1 - i];

        chunk->sched = arena->sched;
        chunk->number = ++arena->chunk_count;
        *ki_arena_place(arena, chunk->number) = chunk;
        chunk->slots = region + (count - 1 - i) * KI_CHUNK_SIZE + KI_SLOTS_START;
        chunk->next = arena->unbound;
        arena->unbound = chunk;
        chunk->all = arena->all;
        arena->all = chunk;
    }
    if (arena->region_size < KI_REGION_MAX)
        arena->region_size *= 2;
    return true;
}

static char *chunk_base(const struct ki_chunk *chunk)
{
    return chunk->slots - KI_SLOTS_START;
}

/* A chunk of the class with nothing carved. */
static struct ki_chunk *fresh_chunk_locked(struct ki_arena *arena, unsigned c)
{
    struct ki_chunk *chunk = arena->fresh[c];

    if (chunk) {
        arena->fresh[c] = chunk->next;
    } else {
        if (!arena->unbound && !grow_locked(arena))
            return NULL;
        chunk = arena->unbound;
        arena->unbound = chunk->next;
        chunk->slot_class = (uint16_t)c;
        chunk->slot_size = (uint32_t)class_size(c);
        chunk->slot_cap = (uint32_t)((KI_CHUNK_SIZE - KI_SLOTS_START) / chunk->slot_size);
    }
    chunk->next = NULL;
    ki_bare_store_relaxed((struct ki_chunk **)chunk_base(chunk), chunk);
    return chunk;
}

/* relaxed: of the shared list, which is written under the lock, get() looks whether it is empty
 * without it, as a hint. */
static void set_free(struct ki_slots *slots, unsigned c, struct ki_task *task)
{
    ki_bare_store_relaxed(&slots->free[c], task);
}

/* Moves up to a batch of free slots from one to the other. */
static void move_batch(struct ki_slots *to, struct ki_slots *from, unsigned c)
{
    for (unsigned i = 0; i < KI_SLOT_BATCH && from->free[c]; i++) {
        struct ki_task *task = from->free[c];

        set_free(from, c, task->next);
        from->count[c]--;
        task->next = to->free[c];
        set_free(to, c, task);
        to->count[c]++;
    }
}

static struct ki_task *pop_free(struct ki_slots *slots, unsigned c)
{
    struct ki_task *task = slots->free[c];

    if (task) {
        set_free(slots, c, task->next);
        slots->count[c]--;
    }
    return task;
}

static struct ki_task *carve(struct ki_arena *arena, struct ki_chunk *chunk)
{
    /* Only the chunk's opener carves. release: pairs with ki_arena_each, which visits the slot. */
    uint32_t i = ki_load_relaxed(&chunk->carved);
    struct ki_task *task = (struct ki_task *)(chunk->slots + (size_t)i * chunk->slot_size);

    ki_store_relaxed(&task->state, 0);
    ki_store_relaxed(&task->tag, 0);
    ki_bare_store_relaxed(&task->wakeable.type, arena->waker_type);
    ki_store_relaxed(&task->inbox, 0);
    ki_store_release(&chunk->carved, i + 1);
    return task;
}

static KIO_COLD struct ki_task *get_slow(struct ki_arena *arena, struct ki_slots *slots, unsigned c,
                                         bool locked)
{
    struct ki_task *task = NULL;

    if (!locked)
        ki_lock(&arena->lock, KI_RANK_SLAB);
    if (slots != &arena->shared) {
        move_batch(slots, &arena->shared, c);
        task = pop_free(slots, c);
    }
    if (!task) {
        if (!slots->open[c] || ki_load_relaxed(&slots->open[c]->carved) == slots->open[c]->slot_cap)
            slots->open[c] = fresh_chunk_locked(arena, c);
        if (slots->open[c])
            task = carve(arena, slots->open[c]);
    }
    if (!locked)
        ki_unlock(&arena->lock, KI_RANK_SLAB);
    return task;
}

static struct ki_task *get(struct ki_arena *arena, struct ki_slots *slots, unsigned c, bool locked)
{
    struct ki_task *task = pop_free(slots, c);
    struct ki_chunk *open = slots->open[c];

    if (!task && open && ki_load_relaxed(&open->carved) < open->slot_cap &&
        (locked || !ki_bare_load_relaxed(&arena->shared.free[c]))) /* see set_free */
        return carve(arena, open);
    return task ? task : get_slow(arena, slots, c, locked);
}

struct ki_task *ki_arena_get(struct ki_arena *arena, struct ki_slots *slots, size_t size)
{
    unsigned c = class_of(size);
    struct ki_task *task;

    if (slots) {
        task = get(arena, slots, c, false);
    } else {
        ki_lock(&arena->lock, KI_RANK_SLAB);
        task = get(arena, &arena->shared, c, true);
        ki_unlock(&arena->lock, KI_RANK_SLAB);
    }
    if (task)
        ki_mem_unpoison(task + 1, class_size(c) - sizeof *task);
    return task;
}

/* The shared list: under the lock, so that the trim sees a slot either in use or in the list. */
static void push_free(struct ki_slots *slots, unsigned c, struct ki_task *task)
{
    ki_store_relaxed(&task->tag, 0); /* see ki_task_in_use */
    task->next = slots->free[c];
    set_free(slots, c, task);
    slots->count[c]++;
}

void ki_arena_put(struct ki_arena *arena, struct ki_slots *slots, struct ki_task *task)
{
    unsigned c = ki_chunk_of(task)->slot_class;

    ki_mem_poison(task + 1, class_size(c) - sizeof *task);
    if (slots) {
        push_free(slots, c, task);
        if (kio_unlikely_(slots->count[c] < 4 * KI_SLOT_BATCH || slots->count[c] % KI_SLOT_BATCH))
            return;
        /* More than this worker needs: somebody else may. On one thread nobody else does, but
         * the lock is free and the batch comes back as one. */
        ki_lock(&arena->lock, KI_RANK_SLAB);
        move_batch(&arena->shared, slots, c);
        ki_unlock(&arena->lock, KI_RANK_SLAB);
        return;
    }
    ki_lock(&arena->lock, KI_RANK_SLAB);
    push_free(&arena->shared, c, task);
    ki_unlock(&arena->lock, KI_RANK_SLAB);
}

static struct ki_task *slot_at(const struct ki_chunk *chunk, uint32_t i)
{
    return (struct ki_task *)(chunk->slots + (size_t)i * chunk->slot_size);
}

void ki_arena_each(struct ki_arena *arena, void (*visit)(struct ki_task *, void *), void *arg)
{
    struct ki_chunk *first;

    ki_lock(&arena->lock, KI_RANK_SLAB);
    first = arena->all; /* behind it the list stays as it is */
    ki_unlock(&arena->lock, KI_RANK_SLAB);
    for (struct ki_chunk *chunk = first; chunk; chunk = chunk->all) {
        /* acquire: pairs with carve */
        uint32_t carved = ki_load_acquire(&chunk->carved);

        for (uint32_t i = 0; i < carved; i++)
            visit(slot_at(chunk, i), arg);
    }
}

static bool chunk_in_use(const struct ki_chunk *chunk, uint32_t carved)
{
    for (uint32_t i = 0; i < carved; i++) {
        if (ki_task_in_use(slot_at(chunk, i)))
            return true;
    }
    return false;
}

/* Memory that goes back to the kernel; neighbours together, because each call stops every processor. */
struct going {
    char *from, *to;
};

static void go_now(struct going *g)
{
    if (g->from != g->to)
        madvise(g->from, (size_t)(g->to - g->from), MADV_DONTNEED);
    g->from = g->to;
}

static void let_go(struct going *g, char *chunk)
{
    ki_mem_unpoison(chunk, KI_CHUNK_SIZE);
    if (g->from != g->to && chunk == g->to) {
        g->to += KI_CHUNK_SIZE;
    } else if (g->from != g->to && chunk + KI_CHUNK_SIZE == g->from) {
        g->from = chunk;
    } else {
        go_now(g);
        *g = (struct going){ chunk, chunk + KI_CHUNK_SIZE };
    }
}

void ki_arena_trim(struct ki_arena *arena)
{
    struct going going = { 0 };

    ki_lock(&arena->lock, KI_RANK_SLAB);
    memset(&arena->shared, 0, sizeof arena->shared);
    memset(arena->fresh, 0, sizeof arena->fresh);
    for (struct ki_chunk *chunk = arena->all; chunk; chunk = chunk->all) {
        uint32_t carved = ki_load_relaxed(&chunk->carved);

        if (!chunk->slot_size)
            continue;
        if (chunk_in_use(chunk, carved)) {
            for (; carved < chunk->slot_cap; carved++)
                carve(arena, chunk);
            for (uint32_t i = 0; i < carved; i++) {
                if (!ki_task_in_use(slot_at(chunk, i)))
                    push_free(&arena->shared, chunk->slot_class, slot_at(chunk, i));
            }
            continue;
        }
        if (carved)
            let_go(&going, chunk_base(chunk));
        ki_store_relaxed(&chunk->carved, 0);
        chunk->next = arena->fresh[chunk->slot_class];
        arena->fresh[chunk->slot_class] = chunk;
    }
    go_now(&going);
    ki_unlock(&arena->lock, KI_RANK_SLAB);
}
