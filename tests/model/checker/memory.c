/*
 * The memory of an execution: stores with their order, what each thread knows, plain accesses.
 *
 * Every atomic variable keeps all its stores, in the order in which they were made: that is their
 * modification order. A thread's view says, of each variable, which store is the oldest that it may
 * still read. A store made with release carries its thread's view, a read-modify-write that of the
 * store it replaced too (the release sequence of C++20), and who reads it with acquire takes that
 * view. A seq_cst load reads nothing older than what any seq_cst operation on the variable saw
 * before. Clocks in the views say which plain accesses happen before which.
 *
 * The newest value also stands in the memory itself, which is what plain accesses use.
 */
#include "inside.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define CELLS   (1u << 14) /* plain memory that is looked after, 8 bytes each */
#define RECORDS 16
#define BLOCKS  4096
#define ARENA   (4u << 20)
#define UNDO    65536
#define LOCALS  8
#define LOCALS_BYTES 256

struct store {
    uint64_t val;
    uint32_t event;
    struct mc_view view; /* what who acquires it learns */
};

struct loc {
    char *addr;
    unsigned size;
    unsigned first;   /* older ones are gone: a plain write came between */
    unsigned last;
    unsigned seq_cst; /* the newest one that a seq_cst operation saw */
    bool dirty;       /* written by a plain access since */
    struct store *store;
};

struct record {
    uint16_t clock;
    uint8_t tid, mask;
    bool write, atomic;
};

struct cell {
    uintptr_t at;
    uint32_t run;
    uint32_t count;
    int loc; /* that begins here; -1: none */
    int undo; /* -1: none */
    struct record record[RECORDS];
};

struct block {
    char *start;
    size_t size;
    uint16_t clock;
    uint8_t tid;
    bool freed;
};

static uint32_t run;
static struct loc locs[MC_LOCS];
static int loc_count;
static struct mc_view views[MC_THREADS + 1];
static struct cell cells[CELLS];

static char *arena;
static size_t arena_used;
static struct block blocks[BLOCKS];
static unsigned block_count, alive;
static uint16_t block_at[ARENA / 16]; /* + 1 */

static struct undo {
    uint64_t *at, was;
    uint8_t mask; /* the bytes that were written: the rest may be the checker's own */
} undo[UNDO];
static unsigned undo_count;

static struct local {
    char *var;
    size_t size, offset;
} locals[LOCALS];
static unsigned local_count;
static char local_values[MC_THREADS + 1][LOCALS_BYTES];

void mc_memory_reset(void)
{
    if (!arena) {
        arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int i = 0; i < MC_LOCS; i++)
            locs[i].store = mmap(NULL, MC_HISTORY * sizeof(struct store), PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    run++;
    loc_count = 0;
    local_count = 0;
    memset(views, 0, sizeof views);
    for (unsigned t = 0; t <= MC_THREADS; t++)
        views[t].clock[t] = 1;
    memset(block_at, 0, (arena_used / 16 + 1) * sizeof block_at[0]);
    arena_used = 0;
    block_count = alive = 0;
    undo_count = 0;
}

void mc_memory_undo(void)
{
    while (undo_count) {
        struct undo *u = &undo[--undo_count];

        for (unsigned i = 0; i < 8; i++) {
            if (u->mask >> i & 1)
                ((char *)u->at)[i] = ((const char *)&u->was)[i];
        }
    }
}

static bool in_arena(const void *addr)
{
    return (char *)addr >= arena && (char *)addr < arena + ARENA;
}

static struct cell *cell_of(uintptr_t at)
{
    uint32_t i = (uint32_t)(at * 0x9e3779b97f4a7c15u >> 32) & (CELLS - 1);

    for (unsigned probes = 0; probes < CELLS; probes++, i = (i + 1) & (CELLS - 1)) {
        struct cell *c = &cells[i];

        if (c->run == run && c->at == at)
            return c;
        if (c->run != run) {
            c->run = run;
            c->at = at;
            c->count = 0;
            c->loc = c->undo = -1;
            /* The first access to it in this execution. */
            if (!in_arena((void *)at) && !mc_on_stack((void *)at)) {
                if (undo_count == UNDO)
                    mc_fail("the checker has too little room to undo");
                c->undo = (int)undo_count;
                undo[undo_count++] = (struct undo){ (uint64_t *)at, *(uint64_t *)at, 0 };
            }
            return c;
        }
    }
    mc_fail("the checker has too few cells");
}

static void join(struct mc_view *into, const struct mc_view *from)
{
    for (unsigned i = 0; i <= MC_THREADS; i++) {
        if (from->clock[i] > into->clock[i])
            into->clock[i] = from->clock[i];
    }
    for (int i = 0; i < loc_count; i++) {
        if (from->at[i] > into->at[i])
            into->at[i] = from->at[i];
    }
}

void mc_memory_join(unsigned into, unsigned from)
{
    join(&views[into], &views[from]);
    mc_tick(from);
}

void mc_tick(unsigned tid)
{
    views[tid].clock[tid]++;
}

/* ---- atomic variables ---------------------------------------------------------------------- */

static uint64_t fetch(const char *addr, unsigned size)
{
    uint64_t val = 0;

    memcpy(&val, addr, size);
    return val;
}

int mc_loc_of(void *addr, unsigned size)
{
    struct cell *c = cell_of((uintptr_t)addr & ~(uintptr_t)7);
    int i = c->loc;

    /* Two of four bytes may share a cell: the second one is further on in the table. */
    while (i >= 0 && locs[i].addr != addr)
        i = ++i < loc_count ? i : -1;
    if (i < 0) {
        struct loc *l;

        if (loc_count == MC_LOCS)
            mc_fail("more than %d atomic variables", MC_LOCS);
        i = loc_count++;
        if (c->loc < 0)
            c->loc = i;
        l = &locs[i];
        l->addr = addr;
        l->size = size;
        l->first = l->last = l->seq_cst = 0;
        l->dirty = false;
        l->store[0].val = fetch(addr, size);
        l->store[0].event = 0;
        memset(&l->store[0].view, 0, sizeof l->store[0].view);
    } else if (locs[i].dirty) {
        struct loc *l = &locs[i];
        uint64_t val = fetch(addr, size);

        l->dirty = false;
        l->last++;
        l->first = l->last;
        l->store[l->last].val = val;
        l->store[l->last].event = 0;
        memset(&l->store[l->last].view, 0, sizeof l->store[l->last].view);
    }
    return i;
}

unsigned mc_loc_size(void *addr)
{
    for (int i = 0; i < loc_count; i++) {
        if (locs[i].addr == addr)
            return locs[i].size;
    }
    return 0;
}

unsigned mc_last(int loc)
{
    return locs[loc].last;
}

unsigned mc_oldest(unsigned tid, int loc, bool seq_cst)
{
    struct loc *l = &locs[loc];
    unsigned at = views[tid].at[loc] > l->first ? views[tid].at[loc] : l->first;

    return seq_cst && l->seq_cst > at ? l->seq_cst : at;
}

uint64_t mc_value(int loc, unsigned store)
{
    return locs[loc].store[store].val;
}

uint32_t mc_writer(int loc, unsigned store)
{
    return locs[loc].store[store].event;
}

void mc_know_last(unsigned tid, int loc)
{
    views[tid].at[loc] = (uint8_t)locs[loc].last;
}

void mc_know_all(unsigned tid)
{
    for (int i = 0; i < loc_count; i++)
        mc_know_last(tid, i);
}

unsigned mc_seq_cst(int loc)
{
    return locs[loc].seq_cst;
}

bool mc_read(unsigned tid, int loc, unsigned store, enum mc_order order)
{
    struct loc *l = &locs[loc];

    if (store > views[tid].at[loc])
        views[tid].at[loc] = (uint8_t)store;
    if (mc_acquires(order))
        join(&views[tid], &l->store[store].view);
    if (order != MC_SEQ_CST || store <= l->seq_cst)
        return false;
    l->seq_cst = store;
    return true;
}

void mc_write(unsigned tid, int loc, uint64_t val, enum mc_order order, bool rmw, uint32_t event)
{
    struct loc *l = &locs[loc];
    struct store *s;

    if (l->last + 1 == MC_HISTORY)
        mc_fail("more than %d stores to one variable", MC_HISTORY);
    s = &l->store[++l->last];
    s->val = val & (l->size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * l->size) - 1);
    s->event = event;
    if (rmw)
        s->view = s[-1].view;
    else
        memset(&s->view, 0, sizeof s->view);
    views[tid].at[loc] = (uint8_t)l->last;
    if (mc_releases(order))
        join(&s->view, &views[tid]);
    s->view.at[loc] = (uint8_t)l->last;
    if (order == MC_SEQ_CST)
        l->seq_cst = l->last;
    memcpy(l->addr, &val, l->size);
}

/* ---- plain accesses ------------------------------------------------------------------------ */

static void race(const struct record *r, unsigned tid, const void *addr, bool write, bool atomic)
{
    mc_fail("race at %p: %s%s by thread %u, %s%s by thread %u before it", addr,
            atomic ? "atomic " : "", write ? "write" : "read", tid, r->atomic ? "atomic " : "",
            r->write ? "write" : "read", r->tid);
}

static void touch(unsigned tid, uintptr_t at, uint8_t mask, bool write, bool atomic)
{
    struct cell *c = cell_of(at);
    struct mc_view *v = &views[tid];
    struct record *mine = NULL;
    unsigned kept = 0;

    if (write && c->undo >= 0)
        undo[c->undo].mask |= mask;
    for (unsigned i = 0; i < c->count; i++) {
        struct record *r = &c->record[i];
        bool known = v->clock[r->tid] >= r->clock;

        if (!known && (r->mask & mask) && (r->write || write) && !(r->atomic && atomic))
            race(r, tid, (void *)at, write, atomic);
        /* What a plain write comes after need not be remembered beside it. */
        if (write && !atomic && known && !(r->mask & ~mask))
            continue;
        if (r->tid == tid && r->mask == mask && r->write == write && r->atomic == atomic)
            mine = &c->record[kept];
        c->record[kept++] = *r;
    }
    c->count = kept;
    if (!mine) {
        if (kept == RECORDS)
            mc_fail("the checker has too few records for a cell");
        mine = &c->record[c->count++];
    }
    *mine = (struct record){ v->clock[tid], (uint8_t)tid, mask, write, atomic };
    if (write && !atomic && c->loc >= 0) {
        for (int i = c->loc; i < loc_count; i++) {
            if (((uintptr_t)locs[i].addr & ~(uintptr_t)7) == at &&
                (mask >> ((uintptr_t)locs[i].addr & 7)) & 1)
                locs[i].dirty = true;
        }
    }
}

static void check_block(unsigned tid, const char *addr, size_t size)
{
    uint16_t i = block_at[(size_t)(addr - arena) / 16];
    struct block *b = &blocks[i - 1];

    if (!i || addr < b->start || addr + size > b->start + b->size)
        mc_fail("%p is in no block of memory", (void *)addr);
    if (b->freed)
        mc_fail("%p: the memory was freed by thread %u", (void *)addr, b->tid);
    if (views[tid].clock[b->tid] < b->clock)
        mc_fail("%p: thread %u cannot know yet of this memory, which thread %u allocated",
                (void *)addr, tid, b->tid);
}

void mc_access(unsigned tid, const void *addr, size_t size, bool write, bool atomic, const void *pc)
{
    uintptr_t at = (uintptr_t)addr;

    (void)pc;
    if (!size)
        return;
    if (in_arena(addr))
        check_block(tid, addr, size);
    while (size) {
        unsigned skip = at & 7;
        unsigned n = 8 - skip < size ? 8 - skip : (unsigned)size;

        touch(tid, at - skip, (uint8_t)(((1u << n) - 1) << skip), write, atomic);
        at += n;
        size -= n;
    }
}

/* ---- allocations, thread-locals ------------------------------------------------------------ */

void *mc_alloc(size_t size, size_t align, bool zero)
{
    size_t start = (arena_used + 16 + align - 1) & ~(align - 1);
    unsigned tid = mc_self();

    if (align < 16)
        start = (start + 15) & ~(size_t)15;
    if (start + size > ARENA || block_count == BLOCKS)
        mc_fail("the checker has too little memory");
    for (size_t i = start / 16; i <= (start + size) / 16; i++)
        block_at[i] = (uint16_t)(block_count + 1);
    blocks[block_count++] =
        (struct block){ arena + start, size, views[tid].clock[tid], (uint8_t)tid, false };
    arena_used = start + size;
    alive++;
    memset(arena + start, zero ? 0 : 0xd5, size);
    return arena + start;
}

void mc_free(void *ptr)
{
    unsigned tid = mc_self();
    struct block *b;

    if (!ptr)
        return;
    mc_access(tid, ptr, 1, true, false, __builtin_return_address(0));
    b = &blocks[block_at[(size_t)((char *)ptr - arena) / 16] - 1];
    if (b->start != ptr)
        mc_fail("%p was not allocated", ptr);
    /* All that was ever done with it must come before. */
    mc_access(tid, ptr, b->size, true, false, __builtin_return_address(0));
    b->freed = true;
    b->tid = (uint8_t)tid;
    alive--;
}

unsigned mc_alive(void)
{
    return alive;
}

void mc_thread_local(void *var, size_t size)
{
    struct local *l = &locals[local_count];

    if (local_count == LOCALS)
        mc_fail("more than %d thread-local variables", LOCALS);
    *l = (struct local){ var, size, local_count ? l[-1].offset + l[-1].size : 0 };
    if (l->offset + size > LOCALS_BYTES)
        mc_fail("more than %d bytes of thread-local variables", LOCALS_BYTES);
    local_count++;
    memset(var, 0, size);
    memset(local_values, 0, sizeof local_values);
}

bool mc_is_thread_local(const void *addr, size_t size)
{
    for (unsigned i = 0; i < local_count; i++) {
        if ((const char *)addr >= locals[i].var &&
            (const char *)addr + size <= locals[i].var + locals[i].size)
            return true;
    }
    return false;
}

void mc_switch_locals(unsigned from, unsigned to)
{
    for (unsigned i = 0; i < local_count; i++) {
        struct local *l = &locals[i];

        memcpy(local_values[from] + l->offset, l->var, l->size);
        memcpy(l->var, local_values[to] + l->offset, l->size);
    }
}
