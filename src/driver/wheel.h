/*
 * A hierarchical timer wheel (Varghese and Lauck 1987): arming and cancelling cost a list link.
 *
 * Layout: a tick is 2^18 ns (0.26 ms). Level 0 has 256 slots of one tick (67 ms); each further
 * level has 64 slots, a slot as wide as the whole level below: 4.3 s, 4.6 min, 4.9 h, 13 days,
 * 2.3 years, 146 years; the last one's first slots are for the rest of what a deadline can say.
 * A timer lies in the level of the highest bit in which its tick differs from the wheel's.
 *
 * Invariants: a timer in level n differs from `tick` first in that level's bits, and in no slot
 * at or behind the current one; `busy` has a bit for every slot that may hold a timer (a cancelled
 * slot's bit is cleared when it is next looked at, so cancelling touches two pointers only).
 *
 * Not locked: one wheel a worker, guarded by its driver.
 */
#ifndef KI_DRIVER_WHEEL_H
#define KI_DRIVER_WHEEL_H

#include <kioto/time.h>

#define KI_TICK_SHIFT  18
#define KI_TICK_NS     (INT64_C(1) << KI_TICK_SHIFT)
#define KI_L0_BITS     8
#define KI_LN_BITS     6
#define KI_LN_LEVELS   7
#define KI_L0_SLOTS    (1 << KI_L0_BITS)
#define KI_LN_SLOTS    (1 << KI_LN_BITS)

/* A slot's timers lie in as many lists as are walked at once: what one of them waits for, the next timer in
 * memory that was not touched for long, is on its way while the others are looked at. Where many timers lie
 * in one slot when its time comes: in the lower two levels. */
#define KI_NEAR_LISTS 4

struct ki_wheel {
    uint64_t tick;         /* all timers due before it have been taken */
    size_t count;          /* timers armed; others may read it by ki_bare_load_relaxed */
    uint64_t busy0[KI_L0_SLOTS / 64];
    uint64_t busy[KI_LN_LEVELS];
    struct kio_timer_ *slot0[KI_L0_SLOTS][KI_NEAR_LISTS];
    struct kio_timer_ *slot1[KI_LN_SLOTS][KI_NEAR_LISTS]; /* of the first further level */
    struct kio_timer_ *far[KI_LN_LEVELS - 1][KI_LN_SLOTS];
};

void ki_wheel_init(struct ki_wheel *w, int64_t now_ns);

/* Links the timer by its deadline_ns, rounded up to a tick. A deadline that is past is due at the
 * next call of ki_wheel_take. */
void ki_wheel_arm(struct ki_wheel *w, struct kio_timer_ *t);
/* As ki_wheel_take() of this one. */
void ki_wheel_cancel(struct ki_wheel *w, struct kio_timer_ *t);

/* Unlinks and returns one timer that is due at now_ns, or NULL: then the wheel has moved to now. Its `prev`
 * is left as it was: the caller sets it, as the last of all, since the timer's owner may look at it. */
struct kio_timer_ *ki_wheel_take(struct ki_wheel *w, int64_t now_ns);

/* Unlinks and returns any timer; NULL: none is left. As ki_wheel_take(). */
struct kio_timer_ *ki_wheel_any(struct ki_wheel *w);

/* A time at or before the earliest deadline (rounded up to its tick), and the wheel wants to be
 * looked at then: to fire, or to deal out a slot of a higher level. INT64_MAX: nothing armed. */
int64_t ki_wheel_next(struct ki_wheel *w);

/* For a clock that jumps: the exact earliest deadline. Walks one slot. INT64_MAX: none. */
int64_t ki_wheel_earliest(struct ki_wheel *w);

#endif
