/*
 * A task: one slot with a header and the future's frame, of which the header's last two words are the
 * first two: a future's links to its siblings, which the outermost has none of.
 *
 * Layout of the header, 48 bytes, of which 32 are before the frame:
 *   wakeable   the waker's target; its type never changes while the slot exists
 *   tag        id << 1 | abort asked for. Ids are never used twice.
 *   state      LIVE, NOTIFIED, RUNNING: see below
 *   inbox      current_thread: link of the list of wakes from other threads, the number of a slot
 *              (arena.h) in four bytes; KI_INBOX_IN: is in it
 *              multi_thread: 1 + the index of the worker at which it lingered last; 0: at none
 *   join       0, the waker of who awaits the handle, or KI_JOIN_...: see below
 *   next       link of whichever run queue or free list holds the task: it is in one at most. The
 *              frame's `next`, which is not looked at as long as its `prev` is even
 *   extra      name and such, for the few that have them; NULL. The frame's `prev`: even
 *
 * state, who sets and clears:
 *   LIVE      there is a future to poll. Set by the spawner, cleared by who ends the task.
 *   NOTIFIED  will be polled: in a queue, or (with RUNNING) will be put there after this poll.
 *             multi_thread: in a queue, or polled, or lingers (sched/worker.c)
 *   AGAIN     multi_thread: woken while it was NOTIFIED; cleared by the next poll, which is enough, or
 *             when it was set during a poll: queue it again
 *   RUNNING   a worker polls it. multi_thread: only while a dump is made or where somebody meddled;
 *             otherwise it is known to the worker alone (its run.self)
 *   HELD      a dump looks at it, under ki_sched.look: who polls or ends it waits. Set with LIVE.
 *   SEEN      not polled since a dump saw it; each poll takes it away.
 *   JOB       not LIVE: a job of the blocking pool; RUNNING with it: a thread runs it.
 * On current_thread only the runtime's thread touches it (relaxed loads and stores; wakes from
 * elsewhere go through `inbox`). On multi_thread:
 *   wake       cas                   idle -> NOTIFIED: queue it; NOTIFIED -> AGAIN
 *   to_running load                  NOTIFIED and nothing else: nobody else may take it
 *              cas                   takes AGAIN, HELD and SEEN away, and sets RUNNING
 *   to_idle    cas                   NOTIFIED -> idle; AGAIN -> NOTIFIED: queue it again
 *   yielded    nothing               it is NOTIFIED: queue it again
 *   lingers    nothing               it is NOTIFIED: to_idle comes later, or a wake by its worker first
 *   to_over    exchange              -> 0
 *   hold       cas, fetch_and        HELD on and off, by a dump: see sched/look.c
 * Those that write are acq_rel: each pairs with the next one on the same word, so what one poll (and each
 * waker before its wake) wrote is seen by the next poll; also by a wake that finds NOTIFIED set,
 * because it still is a read-modify-write (tokio #7622 was that wake as a plain load).
 *
 * join, one word between the task and its handle, each side exchanges once:
 *   0, waker          the handle exists; KI_JOIN_DETACHED: it does not
 *   KI_JOIN_DONE, _ABORTED: the task is over, the frame destroyed, the result stored
 *   Who comes second frees the slot: the task when it finds DETACHED, the handle when it finds
 *   DONE or ABORTED. acq_rel both: the handle's reader sees the result.
 *
 * The race: a wake from another thread meets the end of the task. Either the wake comes first
 * (AGAIN stays in a word that the end overwrites) or it finds LIVE gone. The slot may by then
 * hold a new task: NOTIFIED from its birth, or polled once more than needed. Rejected: counting
 * references in the state word, as Tokio does: two read-modify-writes for every wait.
 */
#ifndef KI_TASK_TASK_H
#define KI_TASK_TASK_H

#include "arena.h"

#define KI_TASK_LIVE     1u
#define KI_TASK_NOTIFIED 2u
#define KI_TASK_RUNNING  4u
#define KI_TASK_HELD     8u
#define KI_TASK_SEEN     16u
#define KI_TASK_JOB      32u
#define KI_TASK_AGAIN    64u

#define KI_JOIN_DETACHED ((uintptr_t)1)
#define KI_JOIN_DONE     ((uintptr_t)2)
#define KI_JOIN_ABORTED  ((uintptr_t)4)
#define KI_JOIN_OVER     (KI_JOIN_DONE | KI_JOIN_ABORTED)

#define KI_INBOX_IN (UINT32_C(1) << KI_NUMBER_BITS)

/* Task flags, fixed at birth. */
#define KI_TASK_BOXED    1u /* the frame is an allocation of its own; the slot holds its address */
#define KI_TASK_STAMPED  4u /* the slot ends with the time at which it was queued: sched/times.h */
#define KI_TASK_BLOCKING 2u /* runs on the blocking pool, is never polled */
#define KI_TASK_HOOKED   8u /* its runtime has hooks for tasks: sched/hooks.h */
#define KI_TASK_OBSERVED (KI_TASK_STAMPED | KI_TASK_HOOKED)

/* name: swapped under ki_sched.look, so that a dump may read it while the task runs. */
struct ki_task_extra {
    struct kio_tracker_ *tracker; /* NULL: in none */
    const struct kio_place *spawned;  /* hooked: where; NULL: not known */
    const kio_future_type *function;  /* hooked: what was spawned; NULL: as the frame's */
    char name[1]; /* and more; "": none */
};

/* The compiler must not take what lies in a kio_future for something else. */
typedef struct ki_task *ki_task_link __attribute__((may_alias));
typedef struct ki_task_extra *ki_task_more __attribute__((may_alias));

struct ki_task {
    struct kio_wakeable wakeable;
    ki_atomic(uint64_t) tag;
    ki_atomic(uint16_t) state;
    uint16_t flags;
    ki_atomic(uint32_t) inbox;
    ki_atomic(uintptr_t) join;
    ki_task_link next;   /* these two are the frame's, see above */
    ki_task_more extra;
};

/* Where a slot's frame begins. A boxed one's slot has the frame's address there, behind the header. */
#define KI_TASK_FRAME offsetof(struct ki_task, next)

_Static_assert(KI_TASK_FRAME == 32, "the header's size is part of what a task costs");
_Static_assert(offsetof(kio_future, next) == offsetof(struct ki_task, next) - KI_TASK_FRAME &&
                   offsetof(kio_future, prev) == offsetof(struct ki_task, extra) - KI_TASK_FRAME,
               "the header's last two words are the frame's links");

static inline kio_future *ki_task_future(struct ki_task *task)
{
    void *frame = (char *)task + KI_TASK_FRAME;

    return task->flags & KI_TASK_BOXED ? *(kio_future **)(task + 1) : frame;
}

/* Of a frame that is not boxed. */
static inline struct ki_task *ki_task_around(const void *frame)
{
    return (struct ki_task *)((char *)frame - KI_TASK_FRAME);
}

static inline kio_waker ki_task_waker(struct ki_task *task)
{
    return (kio_waker){ &task->wakeable };
}

static inline struct ki_task *ki_task_of(struct kio_wakeable *wakeable)
{
    return (struct ki_task *)wakeable; /* its first member */
}

/* The id of the job that this thread of the pool runs; 0: none. */
extern _Thread_local uint64_t ki_job_id_here;

static inline uint64_t ki_task_id(struct ki_task *task)
{
    return ki_load_relaxed(&task->tag) >> 1;
}

static inline bool ki_task_abort_asked(struct ki_task *task)
{
    /* relaxed: the aborter's wake, which follows, orders it before the poll it causes */
    return ki_load_relaxed(&task->tag) & 1;
}

/* Asks for the end of the task with this id, if it still is in the slot. The caller wakes it. */
static inline bool ki_task_ask_abort(struct ki_task *task, uint64_t id)
{
    uint64_t expected = id << 1;

    /* relaxed: see ki_task_abort_asked */
    return ki_cas_strong_relaxed(&task->tag, &expected, id << 1 | 1);
}

/* For the trim: a live task, or one whose result a handle may still fetch. */
static inline bool ki_task_in_use(struct ki_task *task)
{
    /* relaxed: what a worker put in its own list comes before its end, all else is under the arena's lock */
    return ki_load_relaxed(&task->tag) != 0;
}

/* Stamped only: when it was queued, in ki_clock_now()'s time; 0: it is polled; negative: when its last
 * poll ended. Written by who queues it and who polls it, relaxed: the queue publishes it. */
static inline int64_t *ki_task_stamp_of(struct ki_task *task)
{
    return (int64_t *)((char *)task + ki_chunk_of(task)->slot_size) - 1;
}

KIO_COLD void ki_task_stamp_slow(struct ki_task *task);

static inline bool ki_task_wants_stamp(const struct ki_task *task)
{
    return kio_unlikely_(task->flags & KI_TASK_STAMPED);
}

/* It is about to be queued. What is moved from queue to queue keeps its first stamp. */
static inline void ki_task_stamp(struct ki_task *task)
{
    if (ki_task_wants_stamp(task))
        ki_task_stamp_slow(task);
}

/* What a worker keeps at hand for making tasks. */
struct ki_nest {
    struct ki_slots slots;
    uint64_t next_id, last_id;
};

/* A new task with an unwritten frame for a future of this type, or NULL. Neither queued nor live. */
KIO_MUST_USE struct ki_task *ki_task_new(struct ki_arena *arena, struct ki_nest *nest,
                                         size_t frame_size);

/* The slot goes back; nest: the calling worker's, or NULL. */
void ki_task_release(struct ki_task *task, struct ki_nest *nest);

/* The future is over or dropped: publishes the result and wakes who joins, or frees the slot. The
 * task must not be touched afterwards. how: KI_JOIN_DONE or KI_JOIN_ABORTED. */
void ki_task_over(struct ki_task *task, uintptr_t how, struct ki_nest *nest);

/* Given by the scheduler: where its tasks' memory is. */
struct ki_arena *ki_sched_arena(struct ki_sched *sched);

/* An extra with this name, "": none; NULL: no memory. */
KIO_MUST_USE struct ki_task_extra *ki_task_extra_new(const char *name);

/* NULL, or text that lives until the task is renamed or ends. */
static KIO_ALWAYS_INLINE const char *ki_task_name(const struct ki_task *task)
{
    return task->extra && task->extra->name[0] ? task->extra->name : NULL;
}

#endif
