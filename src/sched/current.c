/*
 * The scheduler of one thread: a FIFO of tasks, and an inbox for wakes from other threads.
 *
 * Layout: the run queue is an intrusive list that only the running thread touches, so a task that
 * wakes another costs no atomic operation. Everybody else pushes the task on `inbox`, a stack by
 * exchange (Treiber), which the thread takes whole. Its links are numbers of slots: four bytes a task.
 *
 * Access: head, tail, a task's state and next: the thread inside ki_current_run ("the thread"),
 * or the one that closes. inbox, a task's inbox word, asleep: everybody, atomically. Which thread
 * is "the thread" is decided by `running`, a lock that is tried, never waited for.
 *
 * A task's inbox word: 0 not in the inbox; otherwise the next task there, 0: none | KI_INBOX_IN.
 *   foreign wake  fetch_or IN    was 0: this waker pushes it; otherwise it is in already
 *   drain         exchange 0     after the stack was taken; then the task is woken locally
 * Both read-modify-writes, acq_rel: what any waker wrote, also one that found IN set, is seen by
 * the poll that follows the drain.
 *
 * The race: the thread goes to sleep while a wake comes. The waker pushes, then looks at asleep;
 * the thread sets asleep, then looks at the inbox (seq_cst each: store-load on two words). Either
 * the thread sees the push, or the waker sees asleep and writes the eventfd, once, because it
 * exchanges asleep to 0. An eventfd that was written before the thread sleeps ends that sleep.
 */
#include "sched.h"
#include "poll.h"
#include "../base/biased.h"
#include "../base/clock.h"
#include "../base/mem.h"
#include "../base/thread.h"
#include "../base/cpu.h"
#include "../future/combine.h"
#include "../future/guard.h"

#include <errno.h>
#include <sched.h>

/* Seeded: how far from the queue's head the next task is chosen. */
#define KI_PICK 64

struct ki_current {
    struct ki_sched base;
    struct ki_worker worker;
    struct ki_task *head, *tail; /* tail is garbage while head is NULL */
    bool seeded;
    struct ki_rand order; /* seeded: of tasks, turns and select's arms */
    ki_atomic(size_t) depth;      /* of the queue, and tasks taken from the inbox so far: the thread */
    ki_atomic(uint64_t) inboxed;  /* writes, others read */
    /* others write */
    KI_CACHE_ALIGNED ki_atomic(uint32_t) inbox;
    ki_atomic(uint32_t) asleep;
    ki_atomic(uint32_t) running;
    ki_atomic(struct asked *) asked; /* see ki_current_ask */
};

/* Something that another thread wants done between two polls. On that thread's stack. */
struct asked {
    void (*fn)(void *arg);
    void *arg;
    ki_atomic(uint32_t) done; /* a futex */
};

static struct ki_current *current_of(struct ki_sched *sched)
{
    return (struct ki_current *)sched; /* its first member */
}

static void push(struct ki_current *cur, struct ki_task *task)
{
    ki_task_stamp(task);
    task->next = NULL;
    if (cur->head)
        cur->tail->next = task;
    else
        cur->head = task;
    cur->tail = task;
    ki_store_relaxed(&cur->depth, ki_load_relaxed(&cur->depth) + 1); /* a statistic */
}

static struct ki_task *pop(struct ki_current *cur)
{
    struct ki_task *task = cur->head;

    if (task) {
        cur->head = task->next;
        ki_store_relaxed(&cur->depth, ki_load_relaxed(&cur->depth) - 1); /* as push */
    }
    return task;
}

/* Seeded: one of the first tasks, by chance; a walk of KI_PICK at most. */
static struct ki_task *pop_any(struct ki_current *cur)
{
    size_t count = cur->depth < KI_PICK ? cur->depth : KI_PICK;
    uint32_t which = count > 1 ? ki_rand_below(&cur->order, (uint32_t)count) : 0;
    struct ki_task *before = NULL;
    struct ki_task *task = cur->head;

    if (!which)
        return pop(cur);
    for (; which; which--) {
        before = task;
        task = task->next;
    }
    before->next = task->next;
    if (cur->tail == task)
        cur->tail = before;
    cur->depth--;
    return task;
}

/* On the thread. acquire: pairs with ki_current_spawn from another thread, for the case that a late
 * wake of the slot's former task brings the new one here; otherwise only this thread writes it. */
static void wake_local(struct ki_current *cur, struct ki_task *task)
{
    unsigned state = ki_load_acquire(&task->state);

    if ((state & (KI_TASK_LIVE | KI_TASK_NOTIFIED)) != KI_TASK_LIVE)
        return;
    ki_store_relaxed(&task->state, state | KI_TASK_NOTIFIED);
    if (!(state & KI_TASK_RUNNING))
        push(cur, task);
}

static void rouse(struct ki_current *cur)
{
    /* seq_cst: after the push, before asleep is read: see the race above. The exchange only chooses who
     * wakes the thread: any order would do. */
    if (ki_load_seq_cst(&cur->asleep) && ki_xchg_seq_cst(&cur->asleep, 0))
        cur->base.park->unpark(cur->base.park);
}

static void push_inbox(struct ki_current *cur, struct ki_task *task, uint32_t number)
{
    uint32_t first = ki_load_relaxed(&cur->inbox);

    do {
        /* An exchange, not a store: it keeps the release of wakers that found IN set, as a read-modify-write
         * of any order does; the push publishes the rest. */
        ki_xchg_acq_rel(&task->inbox, first | KI_INBOX_IN);
        /* seq_cst: pairs with drain, and comes before the look at asleep. */
    } while (!ki_cas_strong_seq_cst(&cur->inbox, &first, number));
    rouse(cur);
}

static KIO_COLD void wake_foreign(struct ki_current *cur, struct ki_chunk *chunk, struct ki_task *task)
{
    if (!ki_sched_enter(&cur->base))
        return;
    /* acq_rel: pairs with the exchange in drain. */
    if (!ki_fetch_or_acq_rel(&task->inbox, KI_INBOX_IN))
        push_inbox(cur, task, ki_task_number(chunk, task));
    ki_sched_leave(&cur->base);
}

static void wake(struct kio_wakeable *self)
{
    struct ki_task *task = ki_task_of(self);
    struct ki_chunk *chunk = ki_chunk_of(task);
    struct ki_current *cur;

    if (kio_unlikely_(!chunk))
        return; /* its memory was given back: its runtime ended long ago */
    cur = current_of(chunk->sched);
    if (ki_worker_here == &cur->worker)
        wake_local(cur, task);
    else
        wake_foreign(cur, chunk, task);
}

static const kio_waker_type waker_type = { .name = "task on current_thread", .wake = wake };

struct ki_sched *ki_current_new(void)
{
    struct ki_current *cur = ki_mem_alloc_aligned(KI_CACHE_LINE, sizeof *cur);

    if (!cur)
        return NULL;
    ki_mem_keep(cur);
    *cur = (struct ki_current){ .base = { .flavor = KIO_CURRENT_THREAD } };
    ki_arena_init(&cur->base.arena, &cur->base, &waker_type);
    ki_store_relaxed(&cur->base.closed, 1);
    cur->worker.sched = &cur->base;
    return &cur->base;
}

int ki_current_open(struct ki_sched *sched, struct ki_park *park, void *driver, uint64_t seed,
                    bool seeded, bool times)
{
    struct ki_current *cur = current_of(sched);
    struct ki_times *made = NULL;

    if (times && ki_times_new(&made))
        return -ENOMEM;
    sched->park = park;
    cur->worker = (struct ki_worker){ .sched = sched, .driver = driver, .times = made };
    ki_store_relaxed(&cur->inboxed, 0);
    ki_rand_seed(&cur->worker.rand, seed);
    ki_rand_seed(&cur->order, seed);
    cur->seeded = seeded;
    /* relaxed: who may come in knows of the runtime, which is made after this; a late wake of the one before
     * is refused, or finds nobody */
    ki_store_relaxed(&sched->closed, 0);
    return 0;
}

void ki_current_forget(struct ki_sched *sched)
{
    struct ki_current *cur = current_of(sched);

    ki_times_free(cur->worker.times);
    cur->worker.times = NULL;
}

/* Takes what other threads woke. */
static void drain(struct ki_current *cur)
{
    /* Looking is free; taking is not. acquire: pairs with push_inbox. The look that keeps the thread awake is
     * another one: sleep_until_woken. */
    uint32_t at = ki_load_relaxed(&cur->inbox) ? ki_xchg_acquire(&cur->inbox, 0) : 0;
    uint32_t order = 0;

    /* The stack holds the last one first; turn it round. */
    while (at) {
        struct ki_task *task = ki_task_numbered(&cur->base.arena, at);
        uint32_t number = at;

        at = ki_load_relaxed(&task->inbox) & ~KI_INBOX_IN;
        /* Parked in its own inbox word, in reverse: still IN, so no waker pushes it. (Then it would stand in
         * the stack twice, and who pushes it again cut off what it links to.) Any order: as push_inbox. */
        ki_xchg_acq_rel(&task->inbox, order | KI_INBOX_IN);
        order = number;
    }
    while (order) {
        struct ki_task *task = ki_task_numbered(&cur->base.arena, order);

        /* acq_rel: pairs with wake_foreign; from here on a new wake pushes again. */
        order = ki_xchg_acq_rel(&task->inbox, 0) & ~KI_INBOX_IN;
        ki_count(&cur->inboxed);
        wake_local(cur, task);
    }
}

static void run_task(struct ki_current *cur, struct ki_task *task)
{
    kio_poll answer;
    uintptr_t how;

    /* relaxed: only this thread touches the state; run.self: a dump, a watchdog asks for it */
    ki_store_relaxed(&task->state, KI_TASK_LIVE | KI_TASK_RUNNING);
    ki_bare_store_relaxed(&cur->worker.run.self, &task->wakeable);
    answer = ki_worker_poll(&cur->worker, task, &how);
    ki_bare_store_relaxed(&cur->worker.run.self, NULL);
    if (answer == KIO_READY) {
        ki_store_relaxed(&task->state, 0);
        ki_task_over(task, how, &cur->worker.nest);
        return;
    }
    if (kio_unlikely_((ki_load_relaxed(&task->state) & KI_TASK_NOTIFIED) || cur->worker.run.yielded)) {
        ki_count_forced(&cur->worker);
        ki_store_relaxed(&task->state, KI_TASK_LIVE | KI_TASK_NOTIFIED);
        push(cur, task);
    } else {
        ki_store_relaxed(&task->state, KI_TASK_LIVE);
    }
}

static void turn(struct ki_current *cur, int64_t max_ns)
{
    ki_count(&cur->worker.turns);
    cur->worker.in_turn = true;
    cur->base.park->turn(cur->base.park, cur->worker.driver, max_ns);
    cur->worker.in_turn = false;
}

static void sleep_until_woken(struct ki_current *cur)
{
    if (cur->base.hooks.on_park)
        cur->base.hooks.on_park(cur->base.hooks.arg);
    cur->base.before_sleep(cur->base.before_sleep_arg);
    ki_count(&cur->worker.parks);
    /* seq_cst: before the look at the inbox: see the race above. */
    ki_store_seq_cst(&cur->asleep, 1);
    if (cur->base.watch)
        ki_watch_asleep(&cur->worker.watched);
    turn(cur, ki_load_seq_cst(&cur->inbox) || cur->head ? 0 : -1);
    if (cur->base.watch)
        ki_watch_awake(cur->base.watch, &cur->worker.watched);
    /* relaxed: a waker that still sees 1 writes the eventfd once more than needed */
    ki_store_relaxed(&cur->asleep, 0);
    if (cur->base.hooks.on_unpark)
        cur->base.hooks.on_unpark(cur->base.hooks.arg);
}

/* Polls up to the next turn. */
static void run_some(struct ki_current *cur)
{
    struct ki_task *task;

    for (unsigned i = 0; i < KI_TURN_INTERVAL && (task = pop(cur)); i++) {
        __builtin_prefetch(cur->head, 1); /* woken dozens of tasks ago: in no near cache; NULL does no harm */
        run_task(cur, task);
    }
}

static void run_some_seeded(struct ki_current *cur)
{
    unsigned count = 1 + ki_rand_below(&cur->order, KI_TURN_INTERVAL);
    struct ki_task *task;

    while (count-- && (task = pop_any(cur)))
        run_task(cur, task);
}

static KIO_COLD void answer(struct ki_current *cur)
{
    /* acquire: pairs with post; it is ours now */
    struct asked *asked = ki_xchg_acquire(&cur->asked, NULL);

    if (!asked)
        return;
    asked->fn(asked->arg);
    ki_store_release(&asked->done, 1); /* pairs with wait_answer; the asker may be gone after it */
    ki_futex_wake(&asked->done, 1);
}

bool ki_current_run(struct ki_sched *sched, bool (*done)(void *), void *arg)
{
    struct ki_current *cur = current_of(sched);
    struct ki_worker *before = ki_worker_here;
    struct ki_here here = ki_here;
    struct ki_rand *before_fair = NULL;

    /* acquire: pairs with the release below; the last runner's queue is ours now. */
    if (ki_xchg_acquire(&cur->running, 1))
        return false;
    ki_bias_begin();
    ki_worker_here = &cur->worker;
    ki_store_relaxed(&cur->worker.thread, ki_thread_id()); /* for metrics */
    ki_here_set((struct ki_here){ .stack_base = __builtin_frame_address(0) });
    if (cur->seeded)
        before_fair = ki_fair_from(&cur->order);
    if (cur->base.watch)
        ki_watch_begin(cur->base.watch, &cur->worker.watched);
    while (!done(arg)) {
        if (kio_unlikely_(ki_load_relaxed(&cur->asked) != NULL)) /* answer takes it */
            answer(cur);
        drain(cur);
        ki_bias_look();
        if (kio_unlikely_(cur->seeded))
            run_some_seeded(cur);
        else
            run_some(cur);
        if (cur->head)
            turn(cur, 0);
        else if (!done(arg))
            sleep_until_woken(cur);
    }
    if (cur->seeded)
        ki_fair_from(before_fair);
    if (cur->base.watch)
        ki_watch_end(cur->base.watch, &cur->worker.watched);
    ki_here_set(here);
    ki_worker_here = before;
    ki_bias_end();
    ki_store_release(&cur->running, 0); /* pairs with the acquire above */
    return true;
}

bool ki_current_step(struct ki_sched *sched, unsigned max)
{
    struct ki_current *cur = current_of(sched);
    struct ki_worker *before = ki_worker_here;
    struct ki_here here = ki_here;
    struct ki_task *task;
    bool more;

    /* As ki_current_run; but a local set has one thread, so this only finds a set that runs itself. */
    if (ki_xchg_acquire(&cur->running, 1))
        ki_guard_fail(ki_guard_here(), "let what runs the set run it: its tasks spawn into it",
                      "a local set is run by one of its own tasks");
    ki_worker_here = &cur->worker;
    cur->worker.outer = before;
    ki_here_set((struct ki_here){ .stack_base = __builtin_frame_address(0) });
    /* relaxed: as sleep_until_woken */
    ki_store_relaxed(&cur->asleep, 0);
    drain(cur);
    for (unsigned i = 0; i < max && (task = pop(cur)); i++)
        run_task(cur, task);
    more = cur->head;
    if (!more) {
        ki_store_seq_cst(&cur->asleep, 1); /* as sleep_until_woken: before the look at the inbox */
        more = ki_load_seq_cst(&cur->inbox);
    }
    cur->worker.outer = NULL;
    ki_here_set(here);
    ki_worker_here = before;
    ki_store_release(&cur->running, 0); /* as above */
    return more;
}

size_t ki_current_live(struct ki_sched *sched)
{
    struct ki_worker *w = &current_of(sched)->worker;

    return ki_load_relaxed(&w->spawned) - ki_load_relaxed(&w->ended); /* statistics, as ki_count */
}

void ki_current_count(struct ki_sched *sched)
{
    ki_count(&current_of(sched)->worker.spawned);
}

struct ki_nest *ki_current_nest(struct ki_sched *sched)
{
    return &current_of(sched)->worker.nest;
}

void ki_current_spawn(struct ki_sched *sched, struct ki_worker *worker, struct ki_task *task)
{
    struct ki_current *cur = current_of(sched);

    if (worker) {
        ki_store_relaxed(&task->state, KI_TASK_LIVE | KI_TASK_NOTIFIED);
        push(cur, task);
        return;
    }
    /* The thread puts it in the queue as if it were woken. release: pairs with wake_local: a late
     * wake may have the slot in the inbox already, and bring the new task in. */
    ki_store_release(&task->state, KI_TASK_LIVE);
    if (!ki_fetch_or_acq_rel(&task->inbox, KI_INBOX_IN))
        push_inbox(cur, task, ki_task_number(ki_chunk_of(task), task));
}

/* From here on a wake finds NOTIFIED and queues nothing. */
static void mute_task(struct ki_task *task, void *arg)
{
    (void)arg;
    if (ki_load_relaxed(&task->state) & KI_TASK_LIVE)
        ki_store_relaxed(&task->state, KI_TASK_LIVE | KI_TASK_NOTIFIED);
}

static void drop_task(struct ki_task *task, void *arg)
{
    struct ki_current *cur = arg;

    if (!(ki_load_relaxed(&task->state) & KI_TASK_LIVE))
        return;
    ki_worker_drop(task);
    ki_count_ended(&cur->worker);
    ki_store_relaxed(&task->state, 0);
    ki_task_over(task, KI_JOIN_ABORTED, &cur->worker.nest);
}

int ki_current_close(struct ki_sched *sched)
{
    struct ki_current *cur = current_of(sched);
    struct ki_worker *before = ki_worker_here;
    struct ki_here here = ki_here;

    /* acquire: as ki_current_run */
    if (ki_xchg_acquire(&cur->running, 1))
        return -EBUSY;
    ki_sched_close(sched);
    drain(cur);
    ki_worker_here = &cur->worker;
    ki_here_set((struct ki_here){ 0 });
    ki_arena_each(&sched->arena, mute_task, NULL);
    ki_arena_each(&sched->arena, drop_task, cur);
    ki_here_set(here);
    ki_worker_here = before;
    cur->head = NULL;
    ki_store_relaxed(&cur->depth, 0);
    cur->worker.nest.slots = (struct ki_slots){ 0 }; /* the trim finds every free slot */
    ki_arena_trim(&sched->arena);
    ki_store_release(&cur->running, 0); /* as ki_current_run */
    return 0;
}

/* ---- asking ------------------------------------------------------------------------------- */

/* How often who asks looks whether the thread has left meanwhile. */
#define KI_ASK_STEP_NS 10000000

static bool post(struct ki_current *cur, struct asked *asked)
{
    struct asked *none = NULL;

    /* acq_rel: pairs with answer. Before the unpark, which ends the sleep that misses it. */
    if (!ki_cas_strong_acq_rel(&cur->asked, &none, asked))
        return false;
    cur->base.park->unpark(cur->base.park);
    return true;
}

/* False: not begun by then, and taken back. */
static bool wait_answer(struct ki_current *cur, struct asked *asked)
{
    ki_futex_wait(&asked->done, 0, KI_ASK_STEP_NS);
    if (!ki_load_acquire(&asked->done)) { /* acquire: pairs with answer */
        struct asked *mine = asked;

        if (ki_cas_strong_acq_rel(&cur->asked, &mine, NULL)) /* any order: its own */
            return false;
        /* acquire: as above; but in tests/model no time ends between a question and its answer */
        while (!ki_load_acquire(&asked->done))
            ki_futex_wait(&asked->done, 0, -1);
    }
    return true;
}

int ki_current_ask(struct ki_sched *sched, void (*fn)(void *), void *arg, int64_t timeout_ns,
                   uint64_t *polled)
{
    struct ki_current *cur = current_of(sched);
    int64_t limit = ki_clock_add(ki_clock_now(), timeout_ns);
    struct kio_wakeable *at;

    if (ki_worker_here == &cur->worker) {
        fn(arg);
        return 0;
    }
    do {
        struct asked asked = { .fn = fn, .arg = arg };

        if (!ki_xchg_acquire(&cur->running, 1)) { /* as ki_current_run */
            fn(arg);
            ki_store_release(&cur->running, 0);
            return 0;
        }
        if (post(cur, &asked) ? wait_answer(cur, &asked) : (sched_yield(), false))
            return 0;
    } while (ki_clock_now() < limit);
    /* relaxed: see ki_worker_poll; a task's header stays one */
    at = ki_bare_load_relaxed(&cur->worker.run.self);
    *polled = at ? ki_task_id(ki_task_of(at)) : 0;
    return -EBUSY;
}

struct ki_worker *ki_current_worker(struct ki_sched *sched)
{
    return &current_of(sched)->worker;
}

size_t ki_current_depth(struct ki_sched *sched)
{
    return ki_load_relaxed(&current_of(sched)->depth);
}

uint64_t ki_current_inboxed(struct ki_sched *sched)
{
    return ki_load_relaxed(&current_of(sched)->inboxed);
}

bool ki_current_quiet(struct ki_sched *sched, uint64_t *polls)
{
    struct ki_current *cur = current_of(sched);

    *polls = ki_load_relaxed(&cur->worker.polls); /* a statistic */
    return !cur->head && !ki_load_relaxed(&cur->inbox); /* relaxed: an old answer is one too */
}
