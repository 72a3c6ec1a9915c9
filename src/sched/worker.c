/*
 * The work-stealing scheduler: workers that run their own queues, steal from each other, and sleep.
 *
 * Where a task goes:
 *   woken by the running task              the LIFO slot (what was there goes to the queue's back):
 *                                          it runs next, with its data still in the cache; three
 *                                          times in a row at most
 *   spawned by it                          the queue's back: whoever spawns one mostly spawns more,
 *                                          and each would push the one before out of the slot
 *   yielded, woken during its own poll     the queue's back
 *   woken by the driver                    the queue's back, in the order of the events
 *   woken or spawned by another thread     the inject queue
 *
 * Where a worker looks: LIFO slot, own queue (and every 61 polls: timers, I/O, the inject queue),
 * inject queue, others' queues; then it looks around for some microseconds more (a sleeping worker
 * costs 25 us to wake, its waker a system call), then it sleeps in the driver. If what it stole before did
 * not pay it does not look, and rests (worth.h).
 *
 * A worker stuck in one poll strands nothing: its queue can be stolen at any time; its LIFO slot
 * when it has been in the same poll for two beats of a sleeper's alarm (idle.h). Stealing it
 * sooner takes a task from the cache it is warm in, for nothing (tokio #8065: 30 % slower).
 */
#include "multi.h"
#include "poll.h"
#include "../base/biased.h"
#include "../base/clock.h"
#include "../base/mem.h"
#include "../base/thread.h"
#include "../future/guard.h"

#include <errno.h>

/* LIFO runs in a row before the queue gets a turn; 3 as Tokio (#5712). */
#define KI_LIFO_MAX 3

/* What a worker takes from the inject queue at once, at most. */
#define KI_INJECT_TAKE 128

/* Rounds of looking around before sleep. A round of pauses is about 1 us; waking a sleeper costs
 * its waker a system call and takes 25 us, so some tens of microseconds here pay for themselves. */
#ifndef KI_SEARCH_ROUNDS /* fewer when a model checker explores it */
#define KI_SEARCH_ROUNDS 16
#define KI_SEARCH_PAUSES 24
#endif

/* ---- putting tasks in queues -------------------------------------------------------------- */

static inline void push_back_now(struct mworker *w, struct ki_task *task)
{
    if (kio_unlikely_(!ki_queue_push(&w->queue, task)))
        push_foreign(w->multi, task); /* 65536 wait in ours already, or there is no memory */
}

/* Functions of their own, so that the usual ones have no call before their work and save nothing. */
static KIO_COLD void push_back_stamped(struct mworker *w, struct ki_task *task)
{
    ki_task_stamp_slow(task);
    push_back_now(w, task);
}

static void push_back(struct mworker *w, struct ki_task *task)
{
    if (ki_task_wants_stamp(task))
        push_back_stamped(w, task);
    else
        push_back_now(w, task);
}

/* Work for somebody else, if there is more than this worker runs next. */
static void share(struct mworker *w)
{
    if (ki_idle_wakeable(&w->multi->idle) && ki_queue_len(&w->queue) > 1)
        notify(w->multi, false);
}

static inline void push_next_now(struct mworker *w, struct ki_task *task)
{
    struct ki_task *old;

    if (w->w.in_turn) {
        push_back_now(w, task);
        return;
    }
    old = ki_lifo_push(&w->lifo, task);
    if (old) {
        push_back_now(w, old);
        share(w);
    }
}

static KIO_COLD void push_next_stamped(struct mworker *w, struct ki_task *task)
{
    ki_task_stamp_slow(task);
    push_next_now(w, task);
}

static void push_next(struct mworker *w, struct ki_task *task)
{
    if (ki_task_wants_stamp(task))
        push_next_stamped(w, task);
    else
        push_next_now(w, task);
}

/* ---- the state word ----------------------------------------------------------------------- */

static void hurry_lingering(struct ki_task *task);

/* Not idle, or a dump was made since its last poll. True: the caller must queue it. */
static KIO_NOINLINE bool task_notify_slow(struct ki_task *task, uint16_t old)
{
    while (old & KI_TASK_LIVE) {
        bool waits = old & KI_TASK_NOTIFIED; /* or is polled, or lingers */

        /* acq_rel: see task.h; also when it was AGAIN already. */
        if (!ki_cas_weak_acq_rel(&task->state, &old, old | (waits ? KI_TASK_AGAIN : KI_TASK_NOTIFIED)))
            continue;
        if (waits)
            hurry_lingering(task);
        return !waits;
    }
    return false;
}

static inline bool task_notify(struct ki_task *task)
{
    uint16_t old = KI_TASK_LIVE;

    /* acq_rel: see task.h */
    return ki_cas_strong_acq_rel(&task->state, &old, KI_TASK_LIVE | KI_TASK_NOTIFIED) ||
           (kio_unlikely_((old & KI_TASK_LIVE) != 0) && task_notify_slow(task, old));
}

/* It was woken once more than it was queued, or a dump is made, or was made since its last poll. */
static KIO_NOINLINE void task_to_running_slow(struct ki_task *task)
{
    uint16_t old = ki_load_relaxed(&task->state); /* the exchange checks it */

    do {
        ki_assert((old & (KI_TASK_LIVE | KI_TASK_NOTIFIED | KI_TASK_RUNNING)) ==
                  (KI_TASK_LIVE | KI_TASK_NOTIFIED));
        /* acq_rel: it acquires from every wake since the last poll, not only the first one. */
    } while (!ki_cas_weak_acq_rel(&task->state, &old,
                                  KI_TASK_LIVE | KI_TASK_NOTIFIED | KI_TASK_RUNNING));
    if (old & KI_TASK_HELD)
        ki_look_wait(task);
}

static inline void task_to_running(struct mworker *w, struct ki_task *task)
{
    /* Before the looks by the light barrier, see look.c. release: pairs with ki_multi_polls as polls_nothing
     * does: who finds this task here knows that the last one's poll is over. */
    ki_bare_store_release(&w->w.run.self, &task->wakeable);
    ki_barrier_light();
    /* acquire: pairs with ki_multi_look. Of state any order would do: what the last poll and the waker wrote
     * came with the queue. A wake that comes later finds NOTIFIED, and the poll's end finds its AGAIN. */
    if (kio_unlikely_(ki_load_acquire(&w->multi->looks) ||
                      ki_load_acquire(&task->state) != (KI_TASK_LIVE | KI_TASK_NOTIFIED)))
        task_to_running_slow(task);
}

/* Woken during the poll; or a dump is or was made meanwhile, and its bits are here. False: woken. */
static KIO_NOINLINE bool task_to_idle_slow(struct ki_task *task, uint16_t old)
{
    for (;;) {
        bool again = old & KI_TASK_AGAIN;
        uint32_t off = KI_TASK_RUNNING | KI_TASK_SEEN | (again ? KI_TASK_AGAIN : KI_TASK_NOTIFIED);

        /* acq_rel: as task_to_idle */
        if (ki_cas_weak_acq_rel(&task->state, &old, old & ~off))
            return !again;
    }
}

/* False: it was woken during the poll, and is NOTIFIED. */
static inline bool task_to_idle(struct ki_task *task)
{
    uint16_t old = KI_TASK_LIVE | KI_TASK_NOTIFIED;

    /* acq_rel: pairs with task_notify and the next task_to_running. */
    return ki_cas_strong_acq_rel(&task->state, &old, KI_TASK_LIVE) || task_to_idle_slow(task, old);
}

/* It stays NOTIFIED; what brings it to its next poll publishes what this one did. */
static inline void task_to_notified(struct ki_task *task)
{
    /* relaxed: only we have set it. acq_rel: pairs with a dump's hold; any order would do, as the dump looks
     * at run.self next, which brings it along. */
    if (kio_unlikely_(ki_load_relaxed(&task->state) & KI_TASK_RUNNING))
        ki_fetch_and_acq_rel(&task->state, ~KI_TASK_RUNNING);
}

static inline void task_to_over(struct ki_task *task)
{
    /* acq_rel: pairs with task_notify: late wakes find nothing */
    uint32_t old = ki_xchg_acq_rel(&task->state, 0);

    if (kio_unlikely_(old & KI_TASK_HELD))
        ki_look_wait(task);
}

/* Whichever poll of this worker's it was, it is over for a dump as well. */
static inline void polls_nothing(struct mworker *w)
{
    ki_bare_store_release(&w->w.run.self, NULL); /* pairs with ki_multi_polls: what the poll wrote */
}

void ki_multi_steps_aside(struct mworker *w)
{
    struct ki_task *task = ki_task_of(w->w.run.self);

    /* acq_rel: as task_to_running. For the time without run.self. Any order would do: who comes second to the
     * word finds the other's bit. */
    if (ki_fetch_or_acq_rel(&task->state, KI_TASK_RUNNING) & KI_TASK_HELD)
        ki_look_wait(task);
}

/* ---- a task that lingers ------------------------------------------------------------------
 *
 * Two tasks of one worker that talk to each other wake each other in every poll: one locked instruction
 * makes a task idle, another one NOTIFIED again, and no other thread ever looks. So as long as the LIFO slot
 * has the next task, the one just polled stays NOTIFIED, and lingers. If the next poll wakes it, it is queued
 * as it is; if not, it is made idle behind that poll, and the worker does without for a while: it was of no
 * use.
 *
 * A wake by another thread finds NOTIFIED and sets AGAIN, as during a poll, and whoever makes the task idle
 * finds that and queues it. That may be late, as it waits for the end of another task's poll. So the waker
 * looks where the task lingers; if that poll does not end within some microseconds it takes the task from
 * there, and makes it idle itself. `linger` is a slot as lifo.h's is: the owner pays nothing for thieves. The
 * waker may miss a task that begins to linger just then; that one is taken at a beat, like what is in the
 * LIFO slot.
 *
 * A dump, for which a task is idle or queued, takes all that linger first (ki_multi_look), and while one is
 * made none does.   worker: store linger; light; load looks     dump: looks + 1; heavy barrier; load linger
 *
 * Two tasks on one worker: a request by oneshot 74 ns -> 53, a round trip over two channels 63 -> 58.
 */

/* Looks at one that lingers before its waker takes it: about 2 us. */
#ifndef KI_LINGER_LOOKS /* none when a model checker explores it */
#define KI_LINGER_LOOKS 48
#endif

/* So many polls are not tried after one that was of no use. */
#define KI_LINGER_SKIP 16

/* Waits, behind its poll. */
static inline bool may_linger(struct mworker *w, struct ki_task *task)
{
    /* relaxed: looks is never 0 where there are no barriers, and linger() looks again; what comes to state
     * later is found where the task is made idle */
    return ki_lifo_has(&w->lifo) && !ki_load_relaxed(&w->multi->looks) &&
           ki_load_relaxed(&task->state) == (KI_TASK_LIVE | KI_TASK_NOTIFIED) &&
           (kio_likely_(!w->linger_skip) || !w->linger_skip--);
}

/* True: it is the caller's again. False: another one took it, or is about to. */
static inline bool take_lingering(struct mworker *w)
{
    w->lingers = NULL;
    return ki_lifo_take(&w->linger) != NULL;
}

static KIO_NOINLINE void settle_lingering(struct mworker *w)
{
    struct ki_task *task = w->lingers;

    w->linger_skip = KI_LINGER_SKIP;
    if (!take_lingering(w) || task_to_idle(task))
        return;
    push_back(w, task);
    share(w);
}

static inline void linger(struct mworker *w, struct ki_task *task)
{
    ki_store_relaxed(&task->inbox, w->index + 1); /* a hint: who uses it looks */
    w->lingers = task;
    (void)ki_lifo_push(&w->linger, task);
    if (kio_unlikely_(ki_load_relaxed(&w->multi->looks))) /* after the push by the slot's light barrier */
        settle_lingering(w);
}

void ki_mworker_settle(struct mworker *w)
{
    if (w->lingers)
        settle_lingering(w);
}

/* By another thread: the task if it was woken meanwhile, or NULL. */
static struct ki_task *steal_lingering(struct mworker *w)
{
    struct ki_task *task = ki_lifo_steal(&w->linger);

    return task && !task_to_idle(task) ? task : NULL;
}

void ki_multi_free_lingering(struct mworker *w)
{
    struct ki_task *task = steal_lingering(w);

    if (task)
        push_foreign(w->multi, task);
}

static bool lingers_at(const struct mworker *w, const struct ki_task *task)
{
    return w && ki_load_relaxed(&w->linger.task) == task; /* a look: who takes it looks again */
}

/* It was marked AGAIN, by a thread that is not where it lingers if it does. */
static void hurry_lingering(struct ki_task *task)
{
    uint32_t at = ki_load_relaxed(&task->inbox); /* a hint */
    struct mworker *w = at ? worker_at(multi_of(ki_chunk_of(task)->sched), at - 1) : NULL;

    for (unsigned looks = 0; lingers_at(w, task); looks++) {
        if (looks == KI_LINGER_LOOKS) {
            ki_multi_free_lingering(w);
            return;
        }
        ki_cpu_pause();
    }
}

/* ---- wakes and spawns ---------------------------------------------------------------------- */

static void wake(struct kio_wakeable *self)
{
    struct ki_task *task = ki_task_of(self);
    struct ki_chunk *chunk = ki_chunk_of(task);
    struct ki_worker *w;

    if (kio_unlikely_(!chunk))
        return; /* its memory was given back: its runtime ended long ago */
    w = ki_worker_of(chunk->sched);
    if (w) {
        if ((mworker_of(w)->lingers == task && take_lingering(mworker_of(w))) || task_notify(task))
            push_next(mworker_of(w), task);
        return;
    }
    if (!ki_sched_enter(chunk->sched))
        return;
    if (task_notify(task))
        push_foreign(multi_of(chunk->sched), task);
    ki_sched_leave(chunk->sched);
}

static const kio_waker_type waker_type = { .name = "task on multi_thread", .wake = wake };

void ki_multi_spawn(struct ki_sched *sched, struct ki_worker *worker, struct ki_task *task)
{
    /* release: a late wake of the slot's former task may look at it; the queue publishes the rest */
    ki_store_release(&task->state, KI_TASK_LIVE | KI_TASK_NOTIFIED);
    if (worker) {
        push_back(mworker_of(worker), task);
        share(mworker_of(worker));
    } else {
        push_foreign(multi_of(sched), task);
    }
}

/* ---- looking for work --------------------------------------------------------------------- */

/* Takes a fair share of the inject queue: the first to run, the rest to the own queue. */
static struct ki_task *take_injected(struct mworker *w)
{
    struct ki_multi *m = w->multi;
    size_t max = ki_load_relaxed(&m->inject.len) / m->count + 1;
    struct ki_task *list;
    struct ki_task *first;

    if (max > KI_INJECT_TAKE)
        max = KI_INJECT_TAKE;
    if (!ki_inject_pop(&m->inject, &list, max))
        return NULL;
    first = list;
    for (struct ki_task *task = first->next; task;) {
        struct ki_task *next = task->next;

        push_back(w, task);
        task = next;
    }
    return first;
}

/* Half of what the victim has; counted. */
static struct ki_task *steal_from(struct mworker *w, struct mworker *victim)
{
    uint32_t tail = ki_load_relaxed(&w->queue.tail); /* only we write it */
    struct ki_task *task = victim == w ? NULL : ki_queue_steal(&w->queue, &victim->queue);

    if (task) {
        ki_count(&w->w.steals);
        ki_count_more(&w->w.stolen, ki_load_relaxed(&w->queue.tail) - tail + 1);
        ki_worth_stole(&w->worth, ki_clock_now());
    }
    return task;
}

static struct ki_task *steal(struct mworker *w)
{
    struct ki_multi *m = w->multi;
    unsigned start = ki_rand_below(&w->w.rand, m->count);

    for (unsigned i = 0; i < m->count; i++) {
        struct ki_task *task = steal_from(w, &m->workers[(start + i) % m->count]);

        if (task)
            return task;
    }
    each_spare(s, m) { /* as many as were ever blocked at once */
        struct ki_task *task = steal_from(w, s);

        if (task)
            return task;
    }
    return take_injected(w);
}

static struct ki_task *take_stuck(struct mworker *w, struct mworker *victim)
{
    uint64_t polls = ki_load_relaxed(&victim->w.polls); /* a statistic is enough here */
    bool stuck = victim != w && polls == victim->polls_seen;
    struct ki_task *task;

    victim->polls_seen = polls;
    if (!stuck || !((task = ki_lifo_steal(&victim->lifo)) || (task = steal_lingering(victim))))
        return NULL;
    ki_count(&w->w.steals);
    ki_count(&w->w.stolen);
    return task;
}

/* The alarm went off: a worker that is in the same poll as at the last beat gives up its slot. */
static struct ki_task *steal_stuck(struct mworker *w)
{
    struct ki_multi *m = w->multi;
    struct ki_task *task = NULL;

    if (!ki_try_lock(&m->beat, KI_RANK_SLAB)) /* above a slot's lock */
        return NULL;
    for (unsigned i = 0; i < m->count && !task; i++)
        task = take_stuck(w, &m->workers[i]);
    each_spare(s, m) {
        if (!task)
            task = take_stuck(w, s);
    }
    ki_unlock(&m->beat, KI_RANK_SLAB);
    return task;
}

static unsigned turn(struct mworker *w, int64_t max_ns)
{
    unsigned taken;

    ki_count(&w->w.turns);
    w->w.tick = 0;
    w->w.in_turn = true;
    taken = w->multi->base.park->turn(w->multi->base.park, w->w.driver, max_ns);
    w->w.in_turn = false;
    share(w);
    return taken;
}

/* Something that somebody asleep would have to be told about. */
bool ki_multi_has_work(struct ki_multi *m)
{
    if (ki_load_seq_cst(&m->inject.len)) /* seq_cst: see idle.h */
        return true;
    for (unsigned i = 0; i < m->count; i++) {
        if (ki_queue_len(&m->workers[i].queue))
            return true;
    }
    each_spare(s, m) {
        if (ki_queue_len(&s->queue))
            return true;
    }
    return false;
}

/* As that; who rests wants no work of others', nor what it leaves to them. */
static bool has_work_for_me(struct ki_multi *m, int64_t rest_ns)
{
    return rest_ns ? ki_load_seq_cst(&m->inject.len) != 0 : ki_multi_has_work(m); /* seq_cst: see idle.h */
}

/* True: the hook woke or spawned something (tokio #7835), so that the worker makes its turn (#8222) and
 * does not sleep. Its own slot counts: nobody else would look there. */
static KIO_COLD bool ask_park_hook(struct mworker *w, int64_t rest_ns)
{
    struct ki_multi *m = w->multi;

    m->base.hooks.on_park(m->base.hooks.arg);
    return ki_lifo_has(&w->lifo) || has_work_for_me(m, rest_ns);
}

/* rest_ns: at most so long, and work in queues does not wake it; 0: see mworker. */
static struct ki_task *sleep_until_woken(struct mworker *w, bool searching, int64_t rest_ns)
{
    struct ki_multi *m = w->multi;
    bool sleepless = false;
    unsigned taken;
    bool may_sleep;

    if (m->base.watch)
        ki_watch_asleep(&w->w.watched);
    ki_idle_enter(&m->idle, searching);
    /* The end is looked for to save a sleep: without it who closes ends that. */
    may_sleep = !has_work_for_me(m, rest_ns) && !is_ending(m);
    if (may_sleep)
        ki_count(&w->w.parks);
    if (may_sleep && m->base.hooks.on_park)
        sleepless = ask_park_hook(w, rest_ns);
    /* As long as somebody is awake, the sleepers look after it every beat. */
    if (may_sleep && ki_load_relaxed(&m->idle.sleepers) < m->count)
        m->base.park->alarm(m->base.park, KI_BEAT_NS);
    ki_fetch_add_relaxed(&m->idle.resting, rest_ns != 0); /* a hint, like the wakes it saves */
    taken = turn(w, !may_sleep || sleepless ? 0 : rest_ns ? rest_ns : w->sleep_ns);
    ki_fetch_sub_relaxed(&m->idle.resting, rest_ns != 0);
    ki_idle_leave(&m->idle);
    w->slept = true;
    if (may_sleep && m->base.hooks.on_unpark)
        m->base.hooks.on_unpark(m->base.hooks.arg);
    if (m->base.watch)
        ki_watch_awake(m->base.watch, &w->w.watched);
    /* The end of a rest is no beat: of those two can come in the same short poll. */
    return rest_ns && !(taken & KI_TURN_ALARM) ? NULL : steal_stuck(w);
}

/* How long the worker is to keep away from others' queues. Not while nobody else is awake. */
static int64_t must_rest(struct mworker *w)
{
    int64_t rest_ns = w->worth.since ? ki_worth_judge(&w->worth, ki_clock_now()) : 0;

    /* relaxed: two that see each other awake may both rest, for a moment */
    return ki_load_relaxed(&w->multi->idle.sleepers) + 1 < w->multi->count ? rest_ns : 0;
}

/* A stolen task has used up its budget. If it fights with others all the while, the worker rests, and leaves
 * what it has to them: alone with it they are faster. */
static KIO_COLD void look_back(struct mworker *w)
{
    int64_t rest_ns = ki_worth_grates(&w->worth, ki_clock_now()) ? must_rest(w) : 0;
    struct ki_task *task;

    if (!rest_ns)
        return;
    if ((task = ki_lifo_take(&w->lifo)))
        push_back(w, task); /* where they can take it */
    if ((task = sleep_until_woken(w, false, rest_ns)))
        push_back(w, task);
}

static struct ki_task *search(struct mworker *w)
{
    struct ki_multi *m = w->multi;
    struct ki_task *task = take_injected(w);
    int64_t rest_ns;
    bool searching;

    if (task)
        return task;
    rest_ns = must_rest(w);
    if (rest_ns)
        return sleep_until_woken(w, false, rest_ns);
    searching = ki_idle_search(&m->idle);
    for (unsigned round = 0; searching && round < KI_SEARCH_ROUNDS && !is_ending(m); round++) {
        task = steal(w);
        if (task) {
            if (ki_idle_found(&m->idle) && ki_multi_has_work(m))
                notify(m, false);
            return task;
        }
        for (unsigned i = 0; i < KI_SEARCH_PAUSES; i++)
            ki_cpu_pause();
    }
    return sleep_until_woken(w, searching, 0);
}

/* A look at the driver by a worker that goes on working. What was meant for a sleeper it hands on:
 * without that `waking` would stay set for ever, and nobody be woken again. */
static void busy_turn(struct mworker *w)
{
    struct ki_multi *m = w->multi;
    unsigned taken = turn(w, 0);

    if (kio_unlikely_(taken & KI_TURN_WOKEN)) {
        ki_idle_took_wake(&m->idle);
        if (ki_multi_has_work(m))
            notify(m, true);
    }
    if (kio_unlikely_((taken & KI_TURN_ALARM) && ki_load_relaxed(&m->idle.sleepers)))
        m->base.park->alarm(m->base.park, KI_BEAT_NS);
}

static struct ki_task *next_task(struct mworker *w)
{
    struct ki_task *task;

    if (kio_unlikely_(++w->w.tick >= KI_TURN_INTERVAL)) {
        busy_turn(w);
        if (w->is_spare && ki_spare_may_retire(w))
            return NULL;
        task = take_injected(w);
        if (task)
            return task;
    }
    if (w->lifo_runs < KI_LIFO_MAX && (task = ki_lifo_take(&w->lifo))) {
        w->lifo_runs++;
        return task;
    }
    w->lifo_runs = 0;
    task = ki_queue_pop(&w->queue);
    return task ? task : ki_lifo_take(&w->lifo);
}

static void run_task(struct mworker *w, struct ki_task *task)
{
    kio_poll answer;
    uintptr_t how;

    task_to_running(w, task);
    answer = ki_worker_poll(&w->w, task, &how);
    if (kio_unlikely_(w->lingers != NULL))
        settle_lingering(w);
    if (answer == KIO_READY) {
        task_to_over(task);
        polls_nothing(w);
        ki_task_over(task, how, &w->w.nest);
        return;
    }
    if (w->w.run.yielded) {
        task_to_notified(task);
    } else if (may_linger(w, task)) {
        linger(w, task);
        polls_nothing(w);
        return;
    } else if (task_to_idle(task)) {
        polls_nothing(w);
        return;
    }
    polls_nothing(w);
    ki_count_forced(&w->w);
    push_back(w, task);
    share(w);
    if (kio_unlikely_(w->worth.since && w->w.run.budget <= 0))
        look_back(w);
}

/* ---- life --------------------------------------------------------------------------------- */

/* From here on a wake finds NOTIFIED and queues nothing. relaxed, here and below: the others have left, see
 * ki_mworker_leave. */
static void mute_task(struct ki_task *task, void *arg)
{
    (void)arg;
    if (ki_load_relaxed(&task->state) & KI_TASK_LIVE)
        ki_store_relaxed(&task->state, KI_TASK_LIVE | KI_TASK_NOTIFIED);
}

static void drop_task(struct ki_task *task, void *arg)
{
    struct mworker *w = arg;

    if (!(ki_load_relaxed(&task->state) & KI_TASK_LIVE))
        return;
    ki_worker_drop(task);
    ki_count_ended(&w->w);
    ki_store_relaxed(&task->state, 0);
    ki_task_over(task, KI_JOIN_ABORTED, &w->w.nest);
}

/* The last worker to leave drops every task; nobody runs and nobody comes in any more. */
static void drop_all(struct mworker *w)
{
    struct ki_arena *arena = &w->multi->base.arena;

    ki_sched_close(&w->multi->base);
    ki_arena_each(arena, mute_task, NULL);
    ki_arena_each(arena, drop_task, w);
}

static void show_here(struct mworker *w, struct ki_here *here)
{
    ki_lock(&w->multi->base.look, KI_RANK_RUNTIME);
    w->here = here;
    ki_unlock(&w->multi->base.look, KI_RANK_RUNTIME);
}

/* This thread works for w, or (end) no more. */
void ki_mworker_begin(struct mworker *w, const char *stack_base)
{
    struct ki_multi *m = w->multi;

    ki_bias_begin();
    ki_worker_here = &w->w;
    ki_store_relaxed(&w->w.thread, ki_thread_id()); /* for metrics */
    ki_here_set((struct ki_here){ .stack_base = stack_base });
    show_here(w, &ki_here);
    m->config.on_thread(m->config.arg, w->w.driver, true);
    if (m->base.watch)
        ki_watch_begin(m->base.watch, &w->w.watched);
}

void ki_mworker_end(struct mworker *w)
{
    struct ki_multi *m = w->multi;

    if (m->base.watch)
        ki_watch_end(m->base.watch, &w->w.watched);
    m->config.on_thread(m->config.arg, w->w.driver, false);
    show_here(w, NULL);
    ki_here_set((struct ki_here){ 0 });
    ki_worker_here = NULL;
    ki_bias_end();
}

void ki_mworker_leave(struct mworker *w)
{
    struct ki_multi *m = w->multi;

    /* acq_rel: the last one sees everything the others did. */
    if (ki_fetch_sub_acq_rel(&m->running, 1) == 2) {
        drop_all(w);
        ki_store_release(&m->running, 0); /* pairs with ki_multi_close */
        ki_futex_wake(&m->running, 1);
    }
}

/* It runs a task, and others sleep: they look after it. Not sooner, at the end of its sleep: workers that
 * the beat wakes, and that find nothing, would wake each other for ever. */
static KIO_COLD void ask_for_beat(struct mworker *w)
{
    struct ki_multi *m = w->multi;

    w->slept = false;
    if (ki_load_relaxed(&m->idle.sleepers)) /* relaxed: who falls asleep later asks for it too */
        m->base.park->alarm(m->base.park, KI_BEAT_NS);
}

void ki_mworker_work(struct mworker *w)
{
    while (!is_ending(w->multi)) {
        struct ki_task *task = next_task(w);

        if (!task) {
            if (w->is_spare && ki_spare_may_retire(w))
                return;
            if (kio_unlikely_(w->lingers != NULL)) { /* what was to run next was stolen */
                settle_lingering(w);
                continue;
            }
            task = search(w);
        }
        if (!task)
            continue;
        if (kio_unlikely_(w->slept))
            ask_for_beat(w);
        run_task(w, task);
    }
}

static void *worker_main(void *arg)
{
    struct mworker *w = arg;
    struct ki_multi *m = w->multi;

    ki_mworker_begin(w, __builtin_frame_address(0));
    ki_mworker_work(w);
    m->base.park->unpark(m->base.park); /* the next sleeper, that it may end too */
    ki_mworker_leave(w);
    ki_mworker_end(w);
    return NULL;
}

size_t ki_multi_depth(struct ki_worker *base)
{
    struct mworker *w = mworker_of(base);

    return ki_queue_len(&w->queue) + ki_lifo_has(&w->lifo);
}

unsigned ki_multi_index(const struct ki_worker *w)
{
    return ((const struct mworker *)w)->index; /* its first member */
}

void ki_multi_injected(struct ki_sched *sched, size_t *depth, uint64_t *pushed)
{
    struct ki_multi *m = multi_of(sched);

    *depth = ki_load_relaxed(&m->inject.len); /* statistics */
    *pushed = ki_load_relaxed(&m->inject.pushed);
}

void ki_multi_each(struct ki_sched *sched, void (*visit)(struct ki_worker *, unsigned, void *),
                   void *arg)
{
    struct ki_multi *m = multi_of(sched);

    for (unsigned i = 0; m->workers && i < m->count; i++)
        visit(&m->workers[i].w, i, arg);
    each_spare(s, m)
        visit(&s->w, s->index, arg);
}

/* ---- opening and closing ------------------------------------------------------------------ */

int ki_mworker_init(struct mworker *w, struct ki_multi *m, unsigned index)
{
    *w = (struct mworker){ .multi = m, .index = index, .sleep_ns = -1 };
    w->w.sched = &m->base;
    ki_rand_seed(&w->w.rand, m->config.seed + index);
    if (ki_queue_init(&w->queue))
        return -ENOMEM;
    w->w.driver = m->config.driver_of(m->config.arg, index);
    if (!w->w.driver)
        return -ENOMEM;
    return m->config.times ? ki_times_new(&w->w.times) : 0;
}

void ki_mworker_fini(struct mworker *w)
{
    ki_queue_free(&w->queue);
    ki_times_free(w->w.times);
}

struct ki_sched *ki_multi_new(void)
{
    struct ki_multi *m = ki_mem_alloc_aligned(KI_CACHE_LINE, sizeof *m);

    if (!m)
        return NULL;
    ki_mem_keep(m);
    *m = (struct ki_multi){ .base = { .flavor = KIO_MULTI_THREAD } };
    ki_arena_init(&m->base.arena, &m->base, &waker_type);
    ki_store_relaxed(&m->looks, !ki_barriers()); /* nobody knows it yet */
    ki_store_relaxed(&m->base.closed, 1);
    return &m->base;
}

unsigned ki_multi_workers(struct ki_sched *sched)
{
    return multi_of(sched)->count;
}

bool ki_multi_quiet(struct ki_sched *sched, uint64_t *polls)
{
    struct ki_multi *m = multi_of(sched);
    bool quiet;

    *polls = 0;
    if (!ki_sched_enter(sched))
        return false;
    /* While a spare stands in, a worker is blocked: that is not quiet. acquire: pairs with put_spare, whose
     * spare sleeps no more; the checker in tests/model sees that without it, as sleepers is seq_cst. */
    quiet = !ki_load_acquire(&m->standing_in) &&
            ki_load_seq_cst(&m->idle.sleepers) == m->count && !ki_multi_has_work(m);
    for (unsigned i = 0; i < m->count; i++) {
        *polls += ki_load_relaxed(&m->workers[i].w.polls); /* a statistic */
        quiet &= !ki_lifo_has(&m->workers[i].lifo);        /* a sleeper's is empty for good */
    }
    ki_sched_leave(sched);
    return quiet;
}

void ki_multi_look(struct ki_sched *sched, bool begin)
{
    struct ki_multi *m = multi_of(sched);

    if (!begin) {
        ki_fetch_sub_release(&m->looks, 1); /* pairs with task_to_running: the frames were read */
        return;
    }
    ki_fetch_add_relaxed(&m->looks, 1); /* before the looks at run.self, and linger, by the barrier */
    if (ki_barriers())
        ki_barrier_heavy();
    if (!ki_sched_enter(sched))
        return;
    for (unsigned i = 0; i < m->count; i++)
        ki_multi_free_lingering(&m->workers[i]);
    each_spare(s, m)
        ki_multi_free_lingering(s);
    ki_sched_leave(sched);
}

static bool polls_task(const struct mworker *w, const struct ki_task *task)
{
    return ki_bare_load_acquire(&w->w.run.self) == &task->wakeable; /* pairs with polls_nothing */
}

bool ki_multi_polls(struct ki_sched *sched, const struct ki_task *task)
{
    struct ki_multi *m = multi_of(sched);
    bool found = false;

    for (unsigned i = 0; i < m->count && !found; i++)
        found = polls_task(&m->workers[i], task);
    each_spare(s, m)
        found = found || polls_task(s, task);
    return found;
}

static bool polls_now(const struct mworker *w, const kio_future *f)
{
    /* relaxed: see ki_worker_poll */
    return w->here && ki_bare_load_relaxed(&w->here->root) == f;
}

int ki_multi_worker_of(struct ki_sched *sched, const kio_future *f)
{
    struct ki_multi *m = multi_of(sched);

    for (unsigned i = 0; i < m->count; i++) {
        if (polls_now(&m->workers[i], f))
            return (int)i;
    }
    each_spare(s, m) {
        if (polls_now(s, f))
            return (int)s->index;
    }
    return -1;
}

static int start_thread(struct ki_multi *m, struct mworker *w)
{
    return ki_thread_start(&w->thread, worker_main, w, m->config.stack_size, m->config.name,
                           w->index);
}

static void join_threads(struct ki_multi *m, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        pthread_join(m->workers[i].thread, NULL);
}

static void forget_queued(struct mworker *w)
{
    ki_queue_forget(&w->queue);
    ki_lifo_forget(&w->lifo);
    ki_lifo_forget(&w->linger);
    w->lingers = NULL;
}

/* Their memory stays until ki_multi_forget: a spare may still be on its way, and counts are read. */
static void forget_tasks(struct ki_multi *m)
{
    m->inject.head = m->inject.tail = NULL;
    ki_store_relaxed(&m->inject.len, 0); /* only metrics look, as at those below */
    for (unsigned i = 0; i < m->count; i++)
        forget_queued(&m->workers[i]);
    each_spare(s, m)
        forget_queued(s);
    ki_arena_trim(&m->base.arena);
}

void ki_multi_forget(struct ki_sched *sched)
{
    struct ki_multi *m = multi_of(sched);
    struct mworker *spare = ki_load_relaxed(&m->spares); /* nobody else is left */

    while (spare) {
        struct mworker *older = spare->older;

        ki_mworker_fini(spare);
        ki_mem_free(spare);
        spare = older;
    }
    ki_store_relaxed(&m->spares, NULL);
    ki_store_relaxed(&m->surplus, 0);
    m->inject = (struct ki_inject){ 0 };
    m->spare_free = NULL;
    m->spare_count = 0;
    for (unsigned i = 0; m->workers && i < m->count; i++)
        ki_mworker_fini(&m->workers[i]);
    ki_mem_free(m->workers);
    m->workers = NULL;
}

int ki_multi_open(struct ki_sched *sched, const struct ki_multi_config *config)
{
    struct ki_multi *m = multi_of(sched);
    unsigned started = 0;
    int err = 0;

    m->workers = ki_mem_alloc_aligned(KI_CACHE_LINE, config->workers * sizeof *m->workers);
    if (!m->workers)
        return -ENOMEM;
    m->config = *config;
    m->count = config->workers;
    m->idle = (struct ki_idle){ .workers = config->workers };
    sched->park = config->park;
    ki_store_relaxed(&m->ending, 0); /* the threads' start publishes these */
    ki_store_relaxed(&m->running, config->workers + 1);
    for (unsigned i = 0; i < m->count; i++) {
        if (ki_mworker_init(&m->workers[i], m, i))
            err = -ENOMEM;
    }
    if (err)
        return err;
    ki_store_relaxed(&sched->closed, 0); /* relaxed: as ki_current_open */
    while (started < m->count && !(err = start_thread(m, &m->workers[started])))
        started++;
    if (!err)
        return 0;
    /* Those that started end again; the missing ones count as ended. relaxed: there is no task, and the
     * threads are joined. */
    ki_fetch_sub_relaxed(&m->running, m->count - started);
    ki_store_relaxed(&m->ending, 1); /* relaxed: as ki_multi_close */
    sched->park->unpark(sched->park);
    join_threads(m, started);
    ki_sched_close(sched);
    forget_tasks(m);
    return err;
}

int ki_multi_close(struct ki_sched *sched, int64_t timeout_ns)
{
    struct ki_multi *m = multi_of(sched);
    int64_t limit = timeout_ns < 0 ? INT64_MAX : ki_clock_add(ki_clock_now(), timeout_ns);
    uint32_t left;

    /* relaxed: the wake is kept until a worker takes it, who then sees this, and wakes the next */
    ki_store_relaxed(&m->ending, 1);
    sched->park->unpark(sched->park);
    /* acquire: pairs with the last worker's store of 0 */
    while ((left = ki_load_acquire(&m->running)) != 0) {
        int64_t now = ki_clock_now();

        if (now >= limit)
            return -ETIMEDOUT;
        ki_futex_wait(&m->running, left, limit == INT64_MAX ? -1 : limit - now);
    }
    join_threads(m, m->count);
    forget_tasks(m);
    return 0;
}
