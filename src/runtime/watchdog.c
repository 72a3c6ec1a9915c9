/*
 * How a stuck worker is found, described and replaced.
 *
 * Found: see sched/watch.h. Looked at KI_LOOKS times in a threshold, so a poll is reported after one
 * threshold and at most a quarter more.
 *
 * Described: the frames of a task belong to who polls it, and so does its C stack. So the stuck
 * thread itself is made to read them, in a signal handler (base/interrupt.h): it copies types,
 * sites and addresses into a struct probe that stands ready, and nothing else; the watchdog makes a
 * text of it. The thread may have been interrupted anywhere, also while it links a child, so the
 * probe follows `child` only: that pointer is written when the rest stands.
 *
 * Replaced: ki_multi_stand_in. On current_thread there is nobody to take over.
 *
 * The race: the poll ends while the signal is on its way. The handler then finds another count of
 * polls, or no poll, and leaves the probe empty; the report is dropped with it.
 */
#include "watchdog.h"
#include "../base/clock.h"
#include "../base/interrupt.h"
#include "../base/mem.h"
#include "../base/thread.h"
#include "../future/guard.h"
#include "../sched/sched.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define KI_LOOKS       4
#define KI_PROBE_DEPTH 32  /* awaits */
#define KI_PROBE_STACK 64  /* C frames */
#define KI_REPORT_SIZE 16384

/* How long a thread may take to answer: it is in a system call that no signal ends, or blocks it. */
#define KI_ANSWER_NS (200 * KIO_MS)

struct level {
    const kio_future_type *type;
    const struct kio_site *site; /* NULL: not started, or no async function */
};

/* What the stuck thread copies. */
struct probe {
    const struct ki_worker *worker;
    uint64_t polls;
    enum { PROBE_NONE, PROBE_MOVED_ON, PROBE_TAKEN } got;
    char name[64]; /* empty: it has none */
    int depth;
    struct level levels[KI_PROBE_DEPTH];
    int stack_depth;
    void *stack[KI_PROBE_STACK];
};

struct ki_watchdog {
    struct ki_watch watch;
    struct ki_sched *sched;
    struct kio_hooks hooks;
    int64_t threshold_ns;
    pthread_t thread;
    ki_atomic(uint32_t) stopping;
    ki_atomic(uint64_t) found;
    struct probe probe;
    char report[KI_REPORT_SIZE];
};

/* ---- on the stuck thread, in a signal handler --------------------------------------------- */

static void copy_name(char *to, size_t cap, const char *from)
{
    size_t i = 0;

    for (; from && from[i] && i + 1 < cap; i++)
        to[i] = from[i];
    to[i] = '\0';
}

static void take_probe(void *arg, const void *pc)
{
    struct probe *p = arg;
    const kio_future *f = ki_here.root;

    p->got = PROBE_MOVED_ON;
    if (ki_worker_here != p->worker || !f || ki_load_relaxed(&p->worker->polls) != p->polls)
        return;
    copy_name(p->name, sizeof p->name, ki_here.task_name);
    for (p->depth = 0; p->depth < KI_PROBE_DEPTH && f && f->type; f = kio_child_(f)) {
        bool sited = f->type->kind == KIO_KIND_ASYNC && f->state && !kio_is_over_(f);

        p->levels[p->depth++] = (struct level){ f->type, sited ? f->state : NULL };
    }
    p->stack_depth = ki_stack_take(p->stack, KI_PROBE_STACK, pc);
    p->got = PROBE_TAKEN;
}

/* ---- the report --------------------------------------------------------------------------- */

/* The innermost async function that has passed an await. */
static const struct level *last_await(const struct probe *p)
{
    const struct level *found = NULL;

    for (int i = 0; i < p->depth; i++) {
        if (p->levels[i].site && strcmp(p->levels[i].site->text, "start") != 0)
            found = &p->levels[i];
    }
    return found;
}

static void print_chain(FILE *to, const struct probe *p)
{
    fputs("  async backtrace:\n", to);
    for (int i = 0; i < p->depth; i++) {
        const struct level *at = &p->levels[i];

        fprintf(to, "    %2d: %s", i, at->type->name);
        if (at->type->file)
            fprintf(to, " (%s:%d)", at->type->file, at->type->line);
        if (at->site)
            fprintf(to, ", line %d: %s", at->site->line, at->site->text);
        fputc('\n', to);
    }
}

static void print_stuck(FILE *to, const struct ki_watchdog *dog, const struct kio_blocked *s,
                        bool covered)
{
    const struct probe *p = &dog->probe;

    fprintf(to, "kioto: worker %u has been in one poll for %lld ms: task %s (id %llu)\n", s->worker,
            (long long)(s->lasted / KIO_MS), s->task ? s->task : "of a name not known",
            (unsigned long long)s->task_id);
    if (!s->task) {
        fputs(dog->watch.signal > 0 ? "  the thread does not answer: it blocks the signal, or waits in"
                                      " the kernel\n"
                                    : "  names and stack are not known: watchdog_signal is negative\n",
              to);
    } else {
        if (s->file)
            fprintf(to, "  the await it last passed: %s:%d: %s\n", s->file, s->line, s->awaited);
        else
            fputs("  it has passed no await yet\n", to);
        print_chain(to, p);
        fputs("  C stack (addr2line -fe PROGRAM 0xOFFSET names what has no name here):\n", to);
        ki_stack_print(to, p->stack, p->stack_depth);
    }
    if (covered)
        fputs("  a spare worker runs the other tasks meanwhile\n", to);
    else if (dog->sched->flavor == KIO_CURRENT_THREAD)
        fputs("  every other task of this runtime waits for it\n", to);
    fputs("  fix: kio_spawn_blocking for calls that block, kio_yield_now in long loops\n", to);
}

static void hand_out(struct ki_watchdog *dog, struct kio_blocked *s, bool covered)
{
    FILE *to = fmemopen(dog->report, sizeof dog->report, "w");

    dog->report[0] = '\0';
    if (to) {
        if (s->over)
            fprintf(to, "kioto: worker %u goes on after %lld ms in one poll\n", s->worker,
                    (long long)(s->lasted / KIO_MS));
        else
            print_stuck(to, dog, s, covered);
        fclose(to);
    }
    s->report = dog->report;
    if (dog->hooks.on_blocked)
        dog->hooks.on_blocked(s, dog->hooks.arg);
    else
        fputs(dog->report, stderr);
}

/* False: it has moved on meanwhile. */
static bool describe(struct ki_watchdog *dog, struct ki_worker *w, struct kio_blocked *s)
{
    struct probe *p = &dog->probe;
    /* relaxed: the thread looks at itself before it answers; a task's header stays one */
    int tid = ki_load_relaxed(&w->watched.tid);
    struct kio_wakeable *self = ki_bare_load_relaxed(&w->run.self);
    const struct level *at;

    p->worker = w;
    p->polls = w->watched.seen_polls;
    p->got = PROBE_NONE;
    p->depth = p->stack_depth = 0;
    s->task_id = self ? ki_task_id(ki_task_of(self)) : 0;
    if (dog->watch.signal < 0 || !tid ||
        !ki_interrupt(dog->watch.signal, tid, take_probe, p, KI_ANSWER_NS))
        return self != NULL; /* it is said without names */
    if (p->got != PROBE_TAKEN)
        return false;
    s->task = p->name[0] ? p->name : p->levels[0].type->name;
    s->stack = p->stack;
    s->stack_depth = p->stack_depth;
    at = last_await(p);
    if (at) {
        s->file = at->type->file;
        s->line = at->site->line;
        s->awaited = at->site->text;
    }
    return true;
}

/* ---- looking ------------------------------------------------------------------------------ */

/* False: nobody takes over, at least not yet. */
static bool cover(struct ki_watchdog *dog, struct ki_worker *w)
{
    bool found;

    if (dog->sched->flavor != KIO_MULTI_THREAD)
        return false;
    w->watched.covered = true;
    found = ki_multi_stand_in(dog->sched);
    /* By the gate: when every worker has ended the tasks are dropped, and nothing is queued any more. */
    if (ki_sched_enter(dog->sched)) {
        ki_multi_free_next(w);
        ki_sched_leave(dog->sched);
    }
    return found;
}

static void on_blocked(struct ki_watchdog *dog, struct ki_worker *w, unsigned index, int64_t lasted)
{
    struct kio_blocked s = { .worker = index, .lasted = lasted };
    bool found;

    ki_fetch_add_relaxed(&dog->found, 1); /* a statistic */
    w->watched.reported = true;
    found = cover(dog, w); /* first: the others have waited long enough */
    w->watched.told = describe(dog, w, &s);
    if (w->watched.told)
        hand_out(dog, &s, found);
}

static void on_over(struct ki_watchdog *dog, struct ki_worker *w, unsigned index, int64_t lasted)
{
    struct kio_blocked s = { .worker = index, .over = true, .lasted = lasted };

    if (w->watched.covered)
        ki_multi_stand_down(dog->sched);
    if (w->watched.told)
        hand_out(dog, &s, false);
    w->watched.covered = w->watched.reported = w->watched.told = false;
}

static void look_at(struct ki_worker *w, unsigned index, void *arg)
{
    struct ki_watchdog *dog = arg;
    struct ki_watched *seen = &w->watched;
    int64_t now = ki_clock_now();
    /* relaxed: statistics; a poll that is as old as a threshold is seen by now */
    uint64_t polls = ki_load_relaxed(&w->polls);
    bool in_poll = ki_bare_load_relaxed(&w->run.self) != NULL;

    if (in_poll && seen->in_poll && polls == seen->seen_polls) {
        if (!seen->reported && now - seen->seen_ns >= dog->threshold_ns)
            on_blocked(dog, w, index, now - seen->seen_ns);
        return;
    }
    if (seen->reported)
        on_over(dog, w, index, now - seen->seen_ns);
    seen->in_poll = in_poll;
    seen->seen_polls = polls;
    seen->seen_ns = now;
}

static void is_awake(struct ki_worker *w, unsigned index, void *arg)
{
    (void)index;
    /* seq_cst: after the store to asleep: see watch.h. One that was reported is still to be told of. */
    if (ki_load_seq_cst(&w->watched.awake) || w->watched.reported)
        *(bool *)arg = true;
}

static void wait_awake(struct ki_watchdog *dog)
{
    /* seq_cst: pairs with ki_watch_awake, and with ki_watchdog_stop */
    while (ki_load_seq_cst(&dog->watch.asleep))
        ki_futex_wait(&dog->watch.asleep, 1, -1);
}

static void sleep_until_awake(struct ki_watchdog *dog)
{
    bool awake = false;

    ki_store_seq_cst(&dog->watch.asleep, 1); /* before the look at awake: see watch.h */
    ki_sched_each(dog->sched, is_awake, &awake);
    if (awake || ki_load_seq_cst(&dog->stopping)) {
        ki_store_seq_cst(&dog->watch.asleep, 0);
        return;
    }
    wait_awake(dog);
}

static void *dog_main(void *arg)
{
    struct ki_watchdog *dog = arg;

    wait_awake(dog); /* the workers are being made: there is nothing to look at yet */
    while (!ki_load_seq_cst(&dog->stopping)) {
        ki_sched_each(dog->sched, look_at, dog);
        ki_futex_wait(&dog->stopping, 0, dog->threshold_ns / KI_LOOKS);
        sleep_until_awake(dog);
    }
    return NULL;
}

/* ---- life --------------------------------------------------------------------------------- */

int ki_watchdog_start(struct ki_watchdog **out, struct ki_sched *sched,
                      const struct kio_runtime_config *config)
{
    struct ki_watchdog *dog;
    int err = config->watchdog_signal > 0 ? ki_interrupt_prepare(config->watchdog_signal) : 0;

    if (err)
        return err;
    dog = ki_mem_zalloc(sizeof *dog);
    if (!dog)
        return -ENOMEM;
    dog->watch.signal = config->watchdog_signal;
    dog->sched = sched;
    dog->hooks = config->hooks;
    dog->threshold_ns = config->watchdog;
    ki_store_relaxed(&dog->watch.asleep, 1); /* until the first worker begins; published by start */
    sched->watch = &dog->watch;
    err = ki_thread_start(&dog->thread, dog_main, dog, 0, "kioto-dog", 0);
    if (err) {
        sched->watch = NULL;
        ki_mem_free(dog);
        return err;
    }
    *out = dog;
    return 0;
}

void ki_watchdog_stop(struct ki_watchdog *dog)
{
    if (!dog)
        return;
    ki_store_seq_cst(&dog->stopping, 1); /* before asleep: pairs with sleep_until_awake */
    ki_futex_wake(&dog->stopping, 1);
    if (ki_xchg_seq_cst(&dog->watch.asleep, 0))
        ki_futex_wake(&dog->watch.asleep, 1);
    pthread_join(dog->thread, NULL);
    ki_mem_free(dog);
}

uint64_t ki_watchdog_count(struct ki_watchdog *dog)
{
    return dog ? ki_load_relaxed(&dog->found) : 0;
}
