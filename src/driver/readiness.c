#include "readiness.h"
#include "../base/mem.h"
#include "../future/guard.h"

#include <errno.h>

#define KI_READY_CHUNK  256u
#define KI_READY_CHUNKS 16384u /* 4 million fds; Linux allows a process a million by default */

/* The table, for the process. A chunk's pointer is published once and never changes. */
static ki_atomic(struct ki_ready *) chunks[KI_READY_CHUNKS];
static struct ki_lock table_lock;
static struct ki_ready *free_list;
static uint32_t chunk_count;
static ki_atomic(size_t) open_count;

static struct ki_ready *ready_at(uint32_t index)
{
    /* acquire: pairs with the store in grow_locked */
    return &ki_load_acquire(&chunks[index / KI_READY_CHUNK])[index % KI_READY_CHUNK];
}

static bool grow_locked(void)
{
    struct ki_ready *chunk;

    if (chunk_count == KI_READY_CHUNKS)
        return false;
    chunk = ki_mem_alloc_aligned(KI_CACHE_LINE, KI_READY_CHUNK * sizeof *chunk);
    if (!chunk)
        return false;
    ki_mem_keep(chunk);
    for (uint32_t i = KI_READY_CHUNK; i-- > 0;) {
        chunk[i] = (struct ki_ready){ .index = chunk_count * KI_READY_CHUNK + i, .free = free_list };
        free_list = &chunk[i];
    }
    ki_store_release(&chunks[chunk_count++], chunk); /* pairs with ready_at */
    return true;
}

static struct ki_ready *take_free(void)
{
    struct ki_ready *r = NULL;

    ki_lock(&table_lock, KI_RANK_LEAF);
    if (free_list || grow_locked()) {
        r = free_list;
        free_list = r->free;
    }
    ki_unlock(&table_lock, KI_RANK_LEAF);
    return r;
}

static void give_free(struct ki_ready *r)
{
    ki_lock(&table_lock, KI_RANK_LEAF);
    r->free = free_list;
    free_list = r;
    ki_unlock(&table_lock, KI_RANK_LEAF);
}

static void unlink_waiter(struct kio_waiter_ *w)
{
    *w->prev = w->next;
    if (w->next)
        w->next->prev = w->prev;
    w->prev = NULL;
}

static void link_waiter(struct kio_waiter_ **list, struct kio_waiter_ *w)
{
    w->next = *list;
    w->prev = list;
    if (w->next)
        w->next->prev = &w->next;
    *list = w;
}

/* Moves the newest waiter's waker out of a list, under the lock. Its `to` is NULL: nobody waits. */
static inline kio_waker take_waiter(struct kio_waiter_ **list)
{
    struct kio_waiter_ *w = *list;
    kio_waker waker = { NULL };

    if (w) {
        unlink_waiter(w);
        waker = w->waker;
        /* The last touch. release: pairs with ki_ready_forget, whose memory it may be again. */
        ki_bare_store_release(&w->waker.to, NULL);
    }
    return waker;
}

#define KI_READY_BATCH 16

/* Moves wakers out of a list, at most a batch; under the lock. */
static unsigned take_waiters(struct kio_waiter_ **list, kio_waker *batch, unsigned count)
{
    while (*list && count < KI_READY_BATCH)
        batch[count++] = take_waiter(list);
    return count;
}

/* Wakes everybody who waits for these directions; called and returns without the lock. gen: only
 * while the registration still is that one. */
static void wake_waiters(struct ki_ready *r, unsigned dirs, uint32_t gen)
{
    kio_waker batch[KI_READY_BATCH];
    unsigned count;

    do {
        count = 0;
        ki_lock(&r->lock, KI_RANK_IO);
        if (r->gen == gen) {
            if (dirs & KI_READ)
                count = take_waiters(&r->readers, batch, count);
            if (dirs & KI_WRITE)
                count = take_waiters(&r->writers, batch, count);
        }
        ki_unlock(&r->lock, KI_RANK_IO);
        for (unsigned i = 0; i < count; i++)
            kio_waker_wake(batch[i]);
    } while (count == KI_READY_BATCH);
}

int ki_ready_open(struct ki_ready **out, struct ki_poller *poller, int fd, unsigned flags)
{
    struct ki_ready *r = take_free();
    uint64_t token;
    int err;

    if (!r)
        return -ENOMEM;
    ki_lock(&r->lock, KI_RANK_IO);
    r->fd = fd;
    r->poller = poller;
    r->shared = flags & KI_SHARED;
    r->readers = r->writers = NULL;
    ki_store_relaxed(&r->word, flags & (KI_READ | KI_WRITE));
    token = (uint64_t)r->gen << 32 | r->index;
    ki_unlock(&r->lock, KI_RANK_IO);
    ki_fetch_add_relaxed(&open_count, 1); /* a statistic */
    err = ki_poller_add(poller, fd, token);
    /* seq_cst: r->poller was set, under the lock, before: either this sees it closed, or the orphaning
     * finds r. */
    if (!err && ki_load_seq_cst(&poller->closed)) {
        ki_poller_remove(poller, fd);
        err = -ESHUTDOWN;
    }
    if (err) {
        ki_lock(&r->lock, KI_RANK_IO);
        r->poller = NULL;
        ki_unlock(&r->lock, KI_RANK_IO);
        ki_ready_close(r);
        return err;
    }
    *out = r;
    return 0;
}

void ki_ready_close(struct ki_ready *r)
{
    uint32_t gen = r->gen; /* ours: only a close changes it */

    ki_lock(&r->lock, KI_RANK_IO);
    if (r->poller)
        ki_poller_remove(r->poller, r->fd); /* under the lock: the poller cannot close meanwhile */
    r->poller = NULL;
    ki_unlock(&r->lock, KI_RANK_IO);
    wake_waiters(r, KI_READ | KI_WRITE, gen);
    ki_lock(&r->lock, KI_RANK_IO);
    r->gen++; /* late events find another generation */
    ki_unlock(&r->lock, KI_RANK_IO);
    ki_fetch_sub_relaxed(&open_count, 1);
    give_free(r);
}

/* Under the lock, which is given back: who handles the abort may use the fd. */
static KIO_COLD void two_wait(struct ki_ready *r, unsigned dir)
{
    ki_unlock(&r->lock, KI_RANK_IO);
    ki_guard_fail(ki_guard_here(), "let one task read and one write; others ask them by a channel",
                  "two futures wait to %s fd %d at once", dir == KI_READ ? "read from" : "write to",
                  r->fd);
}

kio_poll ki_ready_wait(struct ki_ready *r, unsigned dir, struct kio_waiter_ *waiter, kio_context *cx,
                       uint32_t *tick)
{
    kio_waker old = { NULL };
    kio_poll answer = KIO_PENDING;

    ki_lock(&r->lock, KI_RANK_IO);
    *tick = ki_load_relaxed(&r->word); /* events set it under the lock */
    if ((*tick & ki_ready_mask(dir)) || !r->poller) {
        answer = KIO_READY;
        if (waiter->prev) {
            unlink_waiter(waiter);
            old = waiter->waker;
            waiter->waker.to = NULL;
        }
    } else {
        if (!kio_waker_will_wake(waiter->waker, cx->waker)) {
            old = waiter->waker;
            waiter->waker = kio_waker_clone(cx->waker);
        }
        if (!waiter->prev) {
            struct kio_waiter_ **list = dir == KI_READ ? &r->readers : &r->writers;

            if (kio_unlikely_(*list && !r->shared))
                two_wait(r, dir);
            link_waiter(list, waiter);
        }
    }
    ki_unlock(&r->lock, KI_RANK_IO);
    kio_waker_drop(old);
    return answer;
}

static void clear_bits(struct ki_ready *r, uint32_t bits, uint32_t tick)
{
    uint32_t word = tick;

    /* Only while no event came since. relaxed: clears a hint, publishes nothing. */
    do {
        if (word / KI_TICK_ONE != tick / KI_TICK_ONE)
            return;
    } while (!ki_cas_weak_relaxed(&r->word, &word, word & ~bits));
}

void ki_ready_clear(struct ki_ready *r, unsigned dir, uint32_t tick)
{
    clear_bits(r, ki_ready_mask(dir), tick);
}

void ki_ready_drained(struct ki_ready *r, unsigned dir, uint32_t tick)
{
    clear_bits(r, dir, tick);
}

void ki_ready_forget_slow(struct ki_ready *r, struct kio_waiter_ *waiter)
{
    kio_waker old;

    ki_lock(&r->lock, KI_RANK_IO);
    if (waiter->prev)
        unlink_waiter(waiter);
    old = waiter->waker;
    waiter->waker.to = NULL;
    ki_unlock(&r->lock, KI_RANK_IO);
    kio_waker_drop(old);
}

bool ki_ready_alive(struct ki_ready *r)
{
    bool alive;

    ki_lock(&r->lock, KI_RANK_IO);
    alive = r->poller != NULL;
    ki_unlock(&r->lock, KI_RANK_IO);
    return alive;
}

void ki_ready_event(uint64_t token, unsigned bits)
{
    struct ki_ready *r = ready_at((uint32_t)token);
    uint32_t gen = (uint32_t)(token >> 32);
    unsigned dirs = (bits | bits >> 2) & (KI_READ | KI_WRITE);
    kio_waker reader = { NULL }, writer = { NULL };
    bool more = false;

    ki_lock(&r->lock, KI_RANK_IO);
    if (r->gen == gen) {
        uint32_t word = ki_load_relaxed(&r->word);

        /* release: pairs with ki_ready_poll */
        while (!ki_cas_weak_release(&r->word, &word, (word + KI_TICK_ONE) | bits))
            ;
        if (dirs & KI_READ)
            reader = take_waiter(&r->readers);
        if (dirs & KI_WRITE)
            writer = take_waiter(&r->writers);
        more = r->shared; /* otherwise one waits for a direction at most: two_wait */
    }
    ki_unlock(&r->lock, KI_RANK_IO);
    kio_waker_wake(reader);
    kio_waker_wake(writer);
    if (kio_unlikely_(more))
        wake_waiters(r, dirs, gen);
}

void ki_ready_orphan(struct ki_poller *poller)
{
    uint32_t count;

    ki_store_seq_cst(&poller->closed, 1); /* before each registration is looked at: see ki_ready_open */
    ki_lock(&table_lock, KI_RANK_LEAF);
    count = chunk_count;
    ki_unlock(&table_lock, KI_RANK_LEAF);
    for (uint32_t i = 0; i < count * KI_READY_CHUNK; i++) {
        struct ki_ready *r = ready_at(i);
        bool mine;
        uint32_t gen;

        ki_lock(&r->lock, KI_RANK_IO);
        mine = r->poller == poller;
        gen = r->gen;
        if (mine)
            r->poller = NULL;
        ki_unlock(&r->lock, KI_RANK_IO);
        if (mine)
            wake_waiters(r, KI_READ | KI_WRITE, gen);
    }
}

void ki_readies_forked(void)
{
    table_lock = (struct ki_lock){ 0 };
    free_list = NULL; /* another thread may have been in the middle of making some */
    for (uint32_t i = 0; i < chunk_count * KI_READY_CHUNK; i++) {
        struct ki_ready *r = ready_at(i);

        r->lock = (struct ki_lock){ 0 };
        r->poller = NULL;
        r->readers = r->writers = NULL;
    }
}

size_t ki_ready_count(void)
{
    return ki_load_relaxed(&open_count);
}
