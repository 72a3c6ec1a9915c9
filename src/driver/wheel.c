#include "wheel.h"
#include "../base/atomic.h"
#include "../base/panic.h"

#include <string.h>

_Static_assert(KI_L0_BITS + KI_LN_LEVELS * KI_LN_BITS > 63 - KI_TICK_SHIFT, "each tick_of() has a level");

/* The first tick at which a deadline is certainly over. */
static uint64_t tick_of(int64_t deadline_ns)
{
    return ((uint64_t)deadline_ns + KI_TICK_NS - 1) >> KI_TICK_SHIFT;
}

/* The lowest bit of tick that level n (0: the one above level 0) looks at. */
static unsigned shift_of(unsigned n)
{
    return KI_L0_BITS + n * KI_LN_BITS;
}

void ki_wheel_init(struct ki_wheel *w, int64_t now_ns)
{
    memset(w, 0, sizeof *w);
    w->tick = (uint64_t)now_ns >> KI_TICK_SHIFT;
}

/* A slot: its lists. */
struct slot {
    struct kio_timer_ **list;
    unsigned count; /* of lists, a power of two */
};

static inline struct slot slot_of_l0(struct ki_wheel *w, unsigned i)
{
    return (struct slot){ w->slot0[i], KI_NEAR_LISTS };
}

static inline struct slot slot_of_ln(struct ki_wheel *w, unsigned n, unsigned i)
{
    return n == 0 ? (struct slot){ w->slot1[i], KI_NEAR_LISTS } : (struct slot){ &w->far[n - 1][i], 1 };
}

/* Any of its timers; NULL: it is empty. */
static inline struct kio_timer_ *any_of(struct slot slot)
{
    struct kio_timer_ *t = NULL;

    for (unsigned k = 0; k < slot.count && !t; k++)
        t = slot.list[k];
    return t;
}

/* relaxed: its owner looks without a lock whether it is NULL, which it is neither before nor after */
static void set_prev(struct kio_timer_ *t, struct kio_timer_ **prev)
{
    ki_bare_store_relaxed(&t->prev, prev);
}

/* Links it to one of the slot's lists, by turns: `turn` is any number that counts. */
static void link_timer(struct slot slot, struct kio_timer_ *t, size_t turn)
{
    struct kio_timer_ **head = &slot.list[turn & (slot.count - 1)];

    t->next = *head;
    set_prev(t, head);
    if (t->next)
        set_prev(t->next, &t->next);
    *head = t;
}

static void unlink_timer(struct kio_timer_ *t)
{
    *t->prev = t->next;
    if (t->next)
        set_prev(t->next, t->prev);
}

/* Puts a timer where its tick belongs, seen from w->tick. */
static void place(struct ki_wheel *w, struct kio_timer_ *t, size_t turn)
{
    uint64_t tick = tick_of(t->deadline_ns);
    uint64_t differ;
    unsigned n;
    unsigned i;

    if (tick < w->tick)
        tick = w->tick;
    differ = tick ^ w->tick;
    if (differ < KI_L0_SLOTS) {
        i = tick & (KI_L0_SLOTS - 1);
        w->busy0[i / 64] |= UINT64_C(1) << (i % 64);
        link_timer(slot_of_l0(w, i), t, turn);
        return;
    }
    n = ((unsigned)(63 - __builtin_clzll(differ)) - KI_L0_BITS) / KI_LN_BITS;
    i = (tick >> shift_of(n)) & (KI_LN_SLOTS - 1);
    w->busy[n] |= UINT64_C(1) << i;
    link_timer(slot_of_ln(w, n, i), t, turn);
}

/* relaxed: others only count it */
static void set_count(struct ki_wheel *w, size_t count)
{
    ki_bare_store_relaxed(&w->count, count);
}

void ki_wheel_arm(struct ki_wheel *w, struct kio_timer_ *t)
{
    place(w, t, w->count);
    set_count(w, w->count + 1);
}

void ki_wheel_cancel(struct ki_wheel *w, struct kio_timer_ *t)
{
    unlink_timer(t);
    set_count(w, w->count - 1);
}

/* The first busy slot of level 0 at or after `from`; KI_L0_SLOTS: none. */
static unsigned next_in_l0(struct ki_wheel *w, unsigned from)
{
    for (unsigned word = from / 64; word < KI_L0_SLOTS / 64; word++) {
        uint64_t bits = w->busy0[word];

        if (word == from / 64)
            bits &= ~UINT64_C(0) << (from % 64);
        while (bits) {
            unsigned bit = (unsigned)__builtin_ctzll(bits);
            unsigned i = word * 64 + bit;

            if (any_of(slot_of_l0(w, i)))
                return i;
            bits &= bits - 1;
            w->busy0[word] &= ~(UINT64_C(1) << bit); /* cancelled since */
        }
    }
    return KI_L0_SLOTS;
}

/* The tick at which level n's next busy slot begins; UINT64_MAX: none. */
static uint64_t next_in_ln(struct ki_wheel *w, unsigned n)
{
    uint64_t at = w->tick >> shift_of(n);
    unsigned current = at & (KI_LN_SLOTS - 1);

    while (w->busy[n]) {
        /* Rotated so that the slot after the current one is bit 0: busy slots in time order. */
        unsigned turn = (current + 1) % KI_LN_SLOTS;
        uint64_t bits = turn ? w->busy[n] >> turn | w->busy[n] << (64 - turn) : w->busy[n];
        unsigned ahead = (unsigned)__builtin_ctzll(bits);
        unsigned i = (turn + ahead) % KI_LN_SLOTS;

        if (any_of(slot_of_ln(w, n, i)))
            return (at + 1 + ahead) << shift_of(n);
        w->busy[n] &= ~(UINT64_C(1) << i);
    }
    return UINT64_MAX;
}

/* The tick of the next thing to do, and the level whose slot begins then (-1: level 0 fires). A
 * higher level's slot that begins at the same tick is dealt out first. */
static uint64_t next_tick(struct ki_wheel *w, int *level)
{
    unsigned i = next_in_l0(w, w->tick & (KI_L0_SLOTS - 1));
    uint64_t best = UINT64_MAX;

    *level = -1;
    if (i < KI_L0_SLOTS)
        best = (w->tick & ~(uint64_t)(KI_L0_SLOTS - 1)) + i;
    for (unsigned n = 0; n < KI_LN_LEVELS; n++) {
        uint64_t at = next_in_ln(w, n);

        if (at != UINT64_MAX && at <= best) {
            best = at;
            *level = (int)n;
        }
    }
    return best;
}

/* The wheel has reached the slot's first tick: its timers go to lower levels. */
static void deal_out(struct ki_wheel *w, unsigned n)
{
    unsigned i = (w->tick >> shift_of(n)) & (KI_LN_SLOTS - 1);
    struct slot slot = slot_of_ln(w, n, i);
    struct kio_timer_ *left[KI_NEAR_LISTS] = { NULL };
    size_t turn = 0;
    bool more;

    for (unsigned k = 0; k < slot.count; k++) {
        left[k] = slot.list[k];
        slot.list[k] = NULL;
    }
    w->busy[n] &= ~(UINT64_C(1) << i);
    do {
        more = false;
        for (unsigned k = 0; k < KI_NEAR_LISTS; k++) {
            struct kio_timer_ *t = left[k];

            if (!t)
                continue;
            left[k] = t->next;
            __builtin_prefetch(t->next, 1);
            place(w, t, turn++);
            more = true;
        }
    } while (more);
}

/* Of the slot where the wheel stands: nothing of a higher level begins there any more. */
static struct kio_timer_ *take_here(struct ki_wheel *w)
{
    struct kio_timer_ **list = w->slot0[w->tick & (KI_L0_SLOTS - 1)];
    size_t k = w->count % KI_NEAR_LISTS;
    struct kio_timer_ *t;

    while (!list[k])
        k = (k + 1) % KI_NEAR_LISTS;
    t = list[k];
    __builtin_prefetch(t->next, 1);
    unlink_timer(t);
    set_count(w, w->count - 1);
    return t;
}

struct kio_timer_ *ki_wheel_take(struct ki_wheel *w, int64_t now_ns)
{
    uint64_t now = (uint64_t)now_ns >> KI_TICK_SHIFT;

    if (w->tick <= now && any_of(slot_of_l0(w, w->tick & (KI_L0_SLOTS - 1))))
        return take_here(w); /* what is there was dealt out, or armed when it was due */
    while (w->count) {
        int level;
        uint64_t at = next_tick(w, &level);

        if (at > now)
            break;
        w->tick = at;
        if (level < 0)
            return take_here(w);
        deal_out(w, (unsigned)level);
    }
    /* Nothing lies between here and now (what did was dealt out above), so moving keeps every
     * timer's level: a slot that begins after now still differs in the same bits. */
    if (now > w->tick)
        w->tick = now;
    return NULL;
}

struct kio_timer_ *ki_wheel_any(struct ki_wheel *w)
{
    struct kio_timer_ *t = NULL;

    if (!w->count)
        return NULL;
    for (unsigned i = 0; i < KI_L0_SLOTS && !t; i++)
        t = any_of(slot_of_l0(w, i));
    for (unsigned i = 0; i < KI_LN_LEVELS * KI_LN_SLOTS && !t; i++)
        t = any_of(slot_of_ln(w, i / KI_LN_SLOTS, i % KI_LN_SLOTS));
    ki_wheel_cancel(w, t);
    return t;
}

int64_t ki_wheel_next(struct ki_wheel *w)
{
    int level;
    uint64_t at;

    if (!w->count)
        return INT64_MAX;
    at = next_tick(w, &level);
    return at >> (63 - KI_TICK_SHIFT) ? INT64_MAX : (int64_t)(at << KI_TICK_SHIFT);
}

static int64_t earliest_of(struct slot slot)
{
    int64_t best = INT64_MAX;

    for (unsigned k = 0; k < slot.count; k++) {
        for (const struct kio_timer_ *t = slot.list[k]; t; t = t->next) {
            if (t->deadline_ns < best)
                best = t->deadline_ns;
        }
    }
    return best;
}

int64_t ki_wheel_earliest(struct ki_wheel *w)
{
    int64_t best = INT64_MAX;
    unsigned i;

    if (!w->count)
        return INT64_MAX;
    /* Each level's next busy slot holds that level's earliest; only the first slot with a timer
     * in it matters in level 0. */
    i = next_in_l0(w, w->tick & (KI_L0_SLOTS - 1));
    if (i < KI_L0_SLOTS)
        best = earliest_of(slot_of_l0(w, i));
    for (unsigned n = 0; n < KI_LN_LEVELS; n++) {
        uint64_t at = next_in_ln(w, n);
        int64_t here;

        if (at == UINT64_MAX)
            continue;
        here = earliest_of(slot_of_ln(w, n, (at >> shift_of(n)) & (KI_LN_SLOTS - 1)));
        if (here < best)
            best = here;
    }
    return best;
}
