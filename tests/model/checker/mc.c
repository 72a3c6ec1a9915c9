/*
 * The exploration: depth first over who goes next and what a load gives.
 *
 * Threads are coroutines; each stops before its next visible operation (an atomic one, a lock, a futex)
 * and says what it is going to be. The scheduler chooses one, carries the operation out and lets the
 * thread run to its next one. An execution is a path of such choices, kept in nodes[]; the next
 * execution repeats the path up to its last node that has a choice left.
 *
 * Not every schedule is tried. Reversals (dynamic partial-order reduction, Flanagan and Godefroid 2005):
 * a thread gets its turn at a node only where it has an operation that depends on one that was made
 * there. Sleep sets (Godefroid 1996): what was explored at a node is not tried again until something that
 * depends on it has happened. A load that was explored and then sees a new store is tried again for that
 * store alone, because to load an older value after the store is the same as to load it before: so a
 * load never needs its turn before a store, only after. (Unless both are seq_cst.)
 *
 * `--full` switches both off; litmus.c compares, over random programs, what is seen with and without.
 */
#include "inside.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK 65536
#define USUAL_LIMIT 4000000
#define OUTCOMES 4096

struct thread {
    jmp_buf at;
    struct mc_op op;  /* the next one */
    bool live;
    bool sleeps, woken; /* in a futex */
    uint32_t events;
    void *seen_at;    /* its last load, for mc_spin */
    unsigned seen_size, seen;
    uint32_t clock[MC_THREADS + 1]; /* events of others that come before its next one */
};

struct asleep {
    bool on;
    unsigned mark; /* of a load: values before this store were explored */
};

struct node {
    unsigned tid, option, options;
    unsigned enabled, turns, done; /* sets of threads */
    uint32_t next_event[MC_THREADS + 1]; /* how far each thread was */
    struct asleep sleep[MC_THREADS + 1];
    struct { /* what was done here */
        int loc;
        bool wrote, last, seq_cst;
        bool raised; /* seq_cst loads may not give as old a store any more as before */
    } did;
    int before; /* the node before this one that did something to the same variable; -1 */
    uint32_t clock[MC_THREADS + 1]; /* of the event */
};

static const struct mc_test *test;
static struct thread threads[MC_THREADS + 1];
static unsigned thread_count, current = UINT32_MAX; /* UINT32_MAX: none runs */
static char *stacks;
static jmp_buf scheduler, threads_start[MC_THREADS + 1];

static struct node nodes[MC_STEPS];
static int depth, known; /* nodes in this execution; nodes that are chosen already */
static int newest[MC_LOCS];
static unsigned spurious_left;
static uint64_t outcome;
static const uint64_t *known_outcomes; /* of the exploration with reduction */
static unsigned known_count;
static bool has_outcome;

static struct {
    uint64_t value, count;
} seen[OUTCOMES];
static unsigned seen_count;

static bool full, verbose, random_walk, quiet;
static uint64_t random_state;
static struct mc_op trace[MC_STEPS];
static char failure[600];
static const char *replay;
static uint64_t executions, pruned, most_steps;

enum { FAILED = 1, PRUNED };

/* ---- coroutines ---------------------------------------------------------------------------- */

bool mc_on_stack(const void *addr)
{
    return (const char *)addr >= stacks && (const char *)addr < stacks + STACK * (MC_THREADS + 1);
}

bool mc_running(void)
{
    return current != UINT32_MAX;
}

unsigned mc_self(void)
{
    return current == UINT32_MAX ? 0 : current;
}

static void (*entry)(void);

/* Every start of a thread begins in the middle of this: a jump costs no system call. */
static void coroutine(void)
{
    if (!_setjmp(threads_start[current]))
        _longjmp(scheduler, 1);
    (current ? test->thread[current - 1] : entry)();
    threads[current].live = false;
    _longjmp(scheduler, 1);
}

static void make_coroutine(unsigned tid)
{
    static ucontext_t context;

    current = tid;
    getcontext(&context);
    context.uc_stack.ss_sp = stacks + STACK * tid;
    context.uc_stack.ss_size = STACK;
    makecontext(&context, coroutine, 0);
    if (!_setjmp(scheduler))
        setcontext(&context);
    current = UINT32_MAX;
}

/* Runs the thread up to its next operation or its end. */
static void resume(unsigned tid, bool start)
{
    mc_switch_locals(0, tid);
    current = tid;
    if (!_setjmp(scheduler))
        _longjmp(start ? threads_start[tid] : threads[tid].at, 1);
    mc_switch_locals(current, 0);
    current = UINT32_MAX;
}

static void perform(unsigned tid, struct mc_op *op, struct node *n);

void mc_do(struct mc_op *op)
{
    struct thread *t = &threads[current];

    if (!current) { /* setup and final: alone */
        struct node alone = { .option = 0 };

        op->loc = op->addr ? mc_loc_of(op->addr, op->size) : -1;
        perform(0, op, &alone);
        return;
    }
    t->op = *op;
    if (!_setjmp(t->at))
        _longjmp(scheduler, 1);
    *op = t->op;
}

void mc_spin(void)
{
    struct thread *t = &threads[current];

    if (!t->seen_at)
        mc_fail("waits for a change of nothing");
    mc_do(&(struct mc_op){ .kind = MC_SPIN, .addr = t->seen_at, .size = t->seen_size,
                           .pc = __builtin_return_address(0) });
}

static jmp_buf run_end;

void mc_fail(const char *format, ...)
{
    va_list args;
    size_t used = 0;

    if (mc_running())
        used = (size_t)snprintf(failure, sizeof failure, "thread %u: ", current);
    va_start(args, format);
    vsnprintf(failure + used, sizeof failure - used, format, args);
    va_end(args);
    if (current != UINT32_MAX)
        mc_switch_locals(current, 0);
    current = UINT32_MAX;
    _longjmp(run_end, FAILED);
}

/* ---- operations ---------------------------------------------------------------------------- */

static bool waits_for_zero(const struct mc_op *op)
{
    return op->kind == MC_TAKE;
}

static bool may_write(const struct mc_op *op)
{
    return op->kind != MC_LOAD && op->kind != MC_SPIN && op->kind != MC_TIMED_WAIT &&
           op->kind != MC_CHOOSE && op->kind != MC_FUTEX_WOKEN;
}

static bool reads(const struct mc_op *op)
{
    return op->kind != MC_STORE;
}

static bool is_seq_cst(const struct mc_op *op)
{
    return op->order == MC_SEQ_CST;
}

static bool is_enabled(unsigned tid)
{
    struct thread *t = &threads[tid];
    struct mc_op *op = &t->op;

    if (!t->live)
        return false;
    switch (op->kind) {
    case MC_TAKE:
    case MC_WAIT:
        return (mc_value(op->loc, mc_last(op->loc)) == 0) == waits_for_zero(op);
    case MC_SPIN:
        return mc_last(op->loc) > t->seen;
    case MC_TIMED_WAIT:
        return mc_value(op->loc, mc_last(op->loc)) != op->expected;
    case MC_FUTEX_WOKEN:
        return t->woken;
    default:
        return true;
    }
}

/* The k-th store that a failing compare-and-swap may have read beside the newest one; false: none. */
static bool stale_for_cas(unsigned tid, const struct mc_op *op, unsigned k, unsigned *store)
{
    unsigned lo = mc_oldest(tid, op->loc, op->failure == MC_SEQ_CST);

    for (unsigned s = mc_last(op->loc); s-- > lo;) {
        if (mc_value(op->loc, s) != op->expected && !k--) {
            *store = s;
            return true;
        }
    }
    return false;
}

static bool may_fail_for_nothing(const struct mc_op *op)
{
    return op->kind == MC_CAS_WEAK && spurious_left &&
           mc_value(op->loc, mc_last(op->loc)) == op->expected;
}

static unsigned count_options(unsigned tid, const struct mc_op *op, const struct asleep *sleep)
{
    unsigned lo, last, count = 1, ignored;

    switch (op->kind) {
    case MC_LOAD:
        lo = mc_oldest(tid, op->loc, is_seq_cst(op));
        last = mc_last(op->loc);
        if (sleep->on && sleep->mark > lo)
            lo = sleep->mark;
        return last - lo + 1;
    case MC_CAS:
    case MC_CAS_WEAK:
        while (stale_for_cas(tid, op, count - 1, &ignored))
            count++;
        return count + may_fail_for_nothing(op);
    case MC_CHOOSE:
        return op->size;
    default:
        return 1;
    }
}

static uint64_t combine(const struct mc_op *op, uint64_t old)
{
    switch (op->rmw) {
    case MC_XCHG: return op->val;
    case MC_ADD: return old + op->val;
    case MC_SUB: return old - op->val;
    case MC_AND: return old & op->val;
    case MC_OR: return old | op->val;
    case MC_XOR: return old ^ op->val;
    }
    return 0;
}

static uint32_t event_of(unsigned tid)
{
    return tid ? (uint32_t)depth + 1 : 0;
}

static void remember(struct thread *t, const struct mc_op *op)
{
    t->seen_at = op->addr;
    t->seen_size = op->size;
    t->seen = op->from;
}

static void read_write(unsigned tid, struct mc_op *op, uint64_t val, struct node *n)
{
    op->from = mc_last(op->loc);
    op->out = mc_value(op->loc, op->from);
    mc_read(tid, op->loc, op->from, op->order);
    mc_write(tid, op->loc, val, op->order, true, event_of(tid));
    n->did.wrote = n->did.last = true;
}

static void futex_wake(struct mc_op *op)
{
    for (unsigned t = 1; t <= thread_count; t++) {
        struct thread *w = &threads[t];

        if (w->live && w->sleeps && !w->woken && w->op.addr == op->addr && op->val) {
            w->woken = true;
            op->val--;
            op->out++;
            for (unsigned i = 0; i <= MC_THREADS; i++) { /* comes before it */
                uint32_t mine = nodes[depth].clock[i];

                if (mine > w->clock[i])
                    w->clock[i] = mine;
            }
        }
    }
}

static void perform(unsigned tid, struct mc_op *op, struct node *n)
{
    struct thread *t = &threads[tid];

    op->from = 0;
    n->did.loc = op->loc;
    n->did.wrote = n->did.last = false;
    n->did.seq_cst = is_seq_cst(op);
    n->did.raised = false;
    if (op->loc >= 0 && op->kind != MC_FUTEX_WAKE && op->kind != MC_FUTEX_WOKEN)
        mc_access(tid, op->addr, op->size, may_write(op) && op->kind != MC_FUTEX_WAIT, true,
                  op->pc);
    switch (op->kind) {
    case MC_LOAD:
        op->from = mc_last(op->loc) - n->option;
        op->out = mc_value(op->loc, op->from);
        n->did.raised = mc_read(tid, op->loc, op->from, op->order);
        remember(t, op);
        break;
    case MC_STORE:
        mc_write(tid, op->loc, op->val, op->order, false, event_of(tid));
        n->did.wrote = true;
        break;
    case MC_RMW:
        read_write(tid, op, combine(op, mc_value(op->loc, mc_last(op->loc))), n);
        remember(t, op);
        t->seen++; /* its own store is no news */
        break;
    case MC_CAS:
    case MC_CAS_WEAK: {
        uint64_t now = mc_value(op->loc, mc_last(op->loc));
        unsigned store = mc_last(op->loc);
        bool stale = n->option && stale_for_cas(tid, op, n->option - 1, &store);

        op->ok = now == op->expected && !n->option;
        if (op->ok) {
            read_write(tid, op, op->val, n);
            break;
        }
        if (n->option && !stale)
            spurious_left--;
        op->from = store;
        op->out = mc_value(op->loc, store);
        n->did.raised = mc_read(tid, op->loc, store, op->failure);
        n->did.last = !stale;
        n->did.seq_cst = op->failure == MC_SEQ_CST;
        remember(t, op);
        break;
    }
    case MC_TAKE:
    case MC_WAIT:
        if ((mc_value(op->loc, mc_last(op->loc)) == 0) != waits_for_zero(op))
            mc_fail("would wait for ever outside of the threads");
        read_write(tid, op, op->val, n);
        break;
    case MC_TIMED_WAIT: /* the others wait: what they stored arrives in time, but brings nothing along */
        if (mc_value(op->loc, mc_last(op->loc)) == op->expected)
            mc_know_all(tid);
        /* fallthrough */
    case MC_SPIN:
        mc_know_last(tid, op->loc);
        t->seen = mc_last(op->loc);
        n->did.last = true;
        break;
    case MC_FUTEX_WAIT:
        op->out = mc_value(op->loc, mc_last(op->loc));
        mc_know_last(tid, op->loc); /* the kernel read it for this thread */
        n->did.last = n->did.wrote = true; /* nothing passes it, either way */
        if (op->out == op->expected) {
            if (!tid)
                mc_fail("would wait for ever outside of the threads");
            t->sleeps = true;
            t->woken = false;
            op->kind = MC_FUTEX_WOKEN;
        }
        break;
    case MC_FUTEX_WOKEN:
        t->sleeps = false;
        break;
    case MC_FUTEX_WAKE:
        n->did.last = n->did.wrote = true;
        futex_wake(op);
        break;
    case MC_CHOOSE:
        op->out = n->option;
        break;
    }
    mc_tick(tid);
}

/* ---- reduction ----------------------------------------------------------------------------- */

/* Two seq_cst loads of a variable can be told apart if one keeps the other from an old value. */
static bool seq_cst_reads(const struct node *n, const struct mc_op *op)
{
    return n->did.seq_cst && is_seq_cst(op) &&
           (n->did.raised || mc_last(op->loc) > mc_seq_cst(op->loc));
}

/* Whether an operation that was explored, of a thread that has not made it, is to be tried again after
 * what was done here. (A load that sees a new store is tried again without this: see the mark.) */
static bool wakes(const struct node *n, const struct mc_op *op)
{
    if (n->did.loc < 0 || n->did.loc != op->loc)
        return false;
    if (op->kind == MC_LOAD)
        return !n->did.wrote && seq_cst_reads(n, op);
    if (n->did.wrote)
        return true;
    if (!may_write(op)) /* a spin: it waits for a store */
        return false;
    return n->did.last || (n->did.seq_cst && (is_seq_cst(op) || op->failure == MC_SEQ_CST));
}

/* Whether the operation could come before what was done at n, to another end. */
static bool races(const struct node *n, const struct mc_op *op)
{
    if (may_write(op))
        return true;
    if (n->did.wrote)
        return op->kind == MC_SPIN || op->kind == MC_TIMED_WAIT ||
               (n->did.seq_cst && is_seq_cst(op));
    return seq_cst_reads(n, op);
}

static void join_clock(uint32_t *into, const uint32_t *from)
{
    for (unsigned i = 0; i <= MC_THREADS; i++) {
        if (from[i] > into[i])
            into[i] = from[i];
    }
}

/* What comes before the thread's next operation: beside its own earlier ones, those that it depends on. */
static void order(unsigned tid, unsigned option, uint32_t *clock)
{
    const struct mc_op *op = &threads[tid].op;

    memcpy(clock, threads[tid].clock, sizeof threads[tid].clock);
    for (int i = op->loc < 0 ? -1 : newest[op->loc]; i >= 0; i = nodes[i].before) {
        if (races(&nodes[i], op))
            join_clock(clock, nodes[i].clock);
    }
    if (op->kind == MC_LOAD) {
        uint32_t e = mc_writer(op->loc, mc_last(op->loc) - option);

        if (e)
            join_clock(clock, nodes[e - 1].clock);
    }
}

static bool comes_before(const struct node *a, const uint32_t *clock)
{
    return clock[a->tid] > a->next_event[a->tid];
}

/*
 * Who could go first at nodes[i] so that the operation, and what it needs, comes before what was done
 * there: the first ones of those that do not come after nodes[i].
 */
static unsigned initials(int i, unsigned tid, const uint32_t *its_clock)
{
    unsigned set = 0, later = 0; /* threads */
    int first[MC_THREADS + 1];

    for (int k = i + 1; k <= depth; k++) {
        unsigned q = k < depth ? nodes[k].tid : tid;
        const uint32_t *clock = k < depth ? nodes[k].clock : its_clock;

        if ((set | later) >> q & 1)
            continue;
        if (comes_before(&nodes[i], clock)) {
            later |= 1u << q; /* so does all that it does then */
            continue;
        }
        first[q] = k;
        for (unsigned t = 1; t <= thread_count; t++) {
            if ((set >> t & 1) && comes_before(&nodes[first[t]], clock))
                later |= 1u << q;
        }
        /* Not first itself, and what it does may be needed before others' too. */
        if (later >> q & 1)
            continue;
        set |= 1u << q;
    }
    return set;
}

static void add_turns(unsigned tid, const uint32_t *clock)
{
    struct thread *t = &threads[tid];
    struct mc_op *op = &t->op;

    if (op->loc < 0)
        return;
    for (int i = newest[op->loc]; i >= 0; i = nodes[i].before) {
        struct node *n = &nodes[i];
        unsigned who;

        if (n->tid == tid || comes_before(n, t->clock) || !races(n, op))
            continue;
        if (!(n->enabled >> tid & 1) && n->next_event[tid] == t->events)
            continue; /* it was this very operation, and it had to wait for n */
        who = initials(i, tid, clock) & n->enabled;
        if (!who)
            n->turns |= n->enabled;
        else if (!(who & n->turns))
            n->turns |= who & -who;
    }
}

/* ---- one execution ------------------------------------------------------------------------- */

static uint32_t draw(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 20) % n);
}

static bool may_go(const struct node *n, unsigned tid)
{
    const struct mc_op *op = &threads[tid].op;

    if (!(n->enabled >> tid & 1))
        return false;
    if (!n->sleep[tid].on)
        return true;
    return op->kind == MC_LOAD && mc_last(op->loc) >= n->sleep[tid].mark;
}

static void inherit_sleep(struct node *n)
{
    const struct node *up = depth ? &nodes[depth - 1] : NULL;

    memset(n->sleep, 0, sizeof n->sleep);
    if (!up || full || random_walk)
        return;
    for (unsigned t = 1; t <= thread_count; t++) {
        if (t != up->tid && threads[t].live && up->sleep[t].on && !wakes(up, &threads[t].op))
            n->sleep[t] = up->sleep[t];
    }
}

/* Explored at this node: it sleeps from here on. */
static void put_to_sleep(struct node *n, unsigned tid)
{
    const struct mc_op *op = &threads[tid].op;

    n->done |= 1u << tid;
    if (full)
        return;
    n->sleep[tid].on = true;
    n->sleep[tid].mark = op->kind == MC_LOAD ? mc_last(op->loc) + 1 : 0;
}

/* Chooses a thread among those whose turn it is; false: there is none. */
static bool choose_thread(struct node *n)
{
    unsigned set = n->turns & ~n->done;

    for (unsigned t = 1; t <= thread_count; t++) {
        if ((set >> t & 1) && may_go(n, t)) {
            n->tid = t;
            n->option = 0;
            n->options = count_options(t, &threads[t].op, &n->sleep[t]);
            return true;
        }
    }
    return false;
}

static unsigned new_node(struct node *n)
{
    unsigned prefer = depth ? nodes[depth - 1].tid : 1;
    unsigned first = 0;

    inherit_sleep(n);
    n->done = n->turns = 0;
    for (unsigned i = 0; i < thread_count; i++) {
        unsigned t = (prefer - 1 + i) % thread_count + 1;

        if (may_go(n, t)) {
            if (!first)
                first = t;
            n->turns |= 1u << t;
        }
    }
    if (first && !full && !random_walk)
        n->turns = 1u << first;
    return first;
}

static unsigned enabled_set(void)
{
    unsigned set = 0;

    for (unsigned t = 1; t <= thread_count; t++) {
        struct mc_op *op = &threads[t].op;

        op->loc = threads[t].live && op->addr && op->kind != MC_FUTEX_WOKEN
                      ? mc_loc_of(op->addr, op->size)
                      : -1;
        if (is_enabled(t))
            set |= 1u << t;
    }
    for (unsigned t = 1; t <= thread_count && !set; t++) {
        if (threads[t].live && threads[t].op.kind == MC_TIMED_WAIT)
            set = 1u << t; /* its time is over */
    }
    return set;
}

static void take_replay(struct node *n)
{
    n->tid = (unsigned)(*replay++ - '0');
    n->option = *replay >= 'b' && *replay <= 'z' ? (unsigned)(*replay++ - 'a') : 0;
    n->options = n->option + 1;
    if (!n->tid || n->tid > thread_count || !(n->enabled >> n->tid & 1))
        mc_fail("the schedule does not fit the program");
}

static void show_all(void)
{
    static const char *const names[] = { "load", "store", "rmw", "cas", "cas", "take", "wait", "spin",
                                         "timed wait", "futex wait", "woken", "futex wake", "choose" };
    static const char *const orders[] = { "relaxed", "acquire", "release", "acq_rel", "seq_cst" };
    char *command = malloc(100 + 20 * (size_t)depth);
    FILE *lines;

    sprintf(command, "addr2line -s -e /proc/%d/exe", (int)getpid());
    for (int i = 0; i < depth; i++)
        sprintf(command + strlen(command), " %#tx", (char *)trace[i].pc - 1 - (char *)0);
    lines = depth ? popen(command, "r") : NULL;
    for (int i = 0; i < depth; i++) {
        const struct mc_op *op = &trace[i];
        const struct node *n = &nodes[i];
        char line[200] = "?\n";

        if (!lines || !fgets(line, sizeof line, lines))
            strcpy(line, "?\n");
        fprintf(stderr, "  %3d %*s%u %s", i, (int)(n->tid - 1) * 2, "", n->tid, names[op->kind]);
        if (op->kind != MC_CHOOSE)
            fprintf(stderr, " %s %p", orders[op->order], op->addr);
        if (reads(op))
            fprintf(stderr, " -> %#llx%s", (unsigned long long)op->out,
                    op->kind == MC_LOAD && n->option ? " (old)" : "");
        if (may_write(op) && n->did.wrote && op->kind < MC_FUTEX_WAIT)
            fprintf(stderr, " = %#llx", (unsigned long long)combine(op, op->out));
        fprintf(stderr, "   %s", line);
    }
    if (lines)
        pclose(lines);
    free(command);
}

static void deadlock(void)
{
    char text[200] = "";

    for (unsigned t = 1; t <= thread_count; t++) {
        if (threads[t].live)
            snprintf(text + strlen(text), sizeof text - strlen(text), " %u at %p", t,
                     threads[t].op.pc);
    }
    mc_fail("deadlock: all that are left wait:%s", text);
}

static void step(struct node *n)
{
    unsigned tid = n->tid;
    struct thread *t = &threads[tid];

    order(tid, n->option, n->clock);
    if (!full && depth >= known - 1)
        add_turns(tid, n->clock);
    n->clock[tid] = ++t->events;
    memcpy(t->clock, n->clock, sizeof t->clock);
    perform(tid, &t->op, n);
    if (verbose || known_count)
        trace[depth] = t->op;
    if (n->did.loc >= 0) {
        n->before = newest[n->did.loc];
        newest[n->did.loc] = depth;
    }
    depth++;
    /* One that fell asleep in a futex has its waking as its next operation. */
    if (t->op.kind == MC_FUTEX_WOKEN && t->sleeps)
        t->op.loc = -1;
    else
        resume(tid, false);
}

static void alone(void (*fn)(void))
{
    if (!fn)
        return;
    entry = fn;
    threads[0].live = true;
    resume(0, true);
}

static void execute(void)
{
    unsigned enabled;
    bool left = false;

    mc_memory_reset();
    memset(threads, 0, sizeof threads);
    memset(newest, -1, sizeof newest);
    depth = 0;
    spurious_left = test->spurious;
    has_outcome = false;
    alone(test->setup);
    for (unsigned t = 1; t <= thread_count; t++) {
        mc_memory_join(t, 0);
        threads[t].live = true;
    }
    mc_tick(0);
    for (unsigned t = 1; t <= thread_count; t++)
        resume(t, true);
    while ((enabled = enabled_set()) != 0) {
        struct node *n = &nodes[depth];

        if (depth + 1 >= MC_STEPS)
            mc_fail("more than %d steps", MC_STEPS);
        n->enabled = enabled;
        for (unsigned t = 1; t <= thread_count; t++)
            n->next_event[t] = threads[t].events;
        if (replay) {
            if (!*replay)
                mc_fail("the schedule ends here");
            take_replay(n);
        } else if (depth < known - 1) {
            /* as before */
        } else if (depth == known - 1) {
            /* Its last choice was explored. The next one: */
            if (++n->option >= n->options) {
                put_to_sleep(n, n->tid);
                if (!choose_thread(n)) {
                    n->turns = n->done; /* the others sleep */
                    _longjmp(run_end, PRUNED);
                }
            }
        } else {
            if (!new_node(n))
                _longjmp(run_end, PRUNED);
            if (random_walk) {
                do
                    n->tid = 1 + draw(thread_count);
                while (!(n->turns >> n->tid & 1));
                n->options = count_options(n->tid, &threads[n->tid].op, &n->sleep[n->tid]);
                n->option = draw(n->options);
            } else {
                choose_thread(n);
            }
            known = depth + 1;
        }
        step(n);
    }
    for (unsigned t = 1; t <= thread_count; t++) {
        if (threads[t].live) {
            uint32_t clock[MC_THREADS + 1];

            left = true;
            order(t, 0, clock);
            add_turns(t, clock);
        }
    }
    if (left && !test->at_rest)
        deadlock();
    for (unsigned t = 1; t <= thread_count; t++)
        mc_memory_join(0, t);
    alone(left || !test->final ? test->at_rest : test->final);
    if (replay && *replay)
        mc_fail("the schedule goes on, the program does not");
}

/* ---- all of them --------------------------------------------------------------------------- */

void mc_outcome(uint64_t value)
{
    outcome = value;
    has_outcome = true;
}

static void print_schedule(FILE *to)
{
    for (int i = 0; i < depth; i++) {
        fputc((int)('0' + nodes[i].tid), to);
        if (nodes[i].option)
            fputc((int)('a' + nodes[i].option), to);
    }
}

static void count_outcome(void)
{
    bool is_new = true;

    for (unsigned i = 0; i < seen_count; i++) {
        if (seen[i].value == outcome) {
            seen[i].count++;
            return;
        }
    }
    for (unsigned i = 0; i < known_count; i++)
        is_new &= known_outcomes[i] != outcome;
    if (known_count && is_new) {
        printf("without reduction, only: ");
        print_schedule(stdout);
        printf("\n");
        show_all();
    }
    if (seen_count < OUTCOMES) {
        seen[seen_count].value = outcome;
        seen[seen_count++].count = 1;
    }
}

bool mc_seen(uint64_t value)
{
    for (unsigned i = 0; i < seen_count; i++) {
        if (seen[i].value == value)
            return true;
    }
    return false;
}

unsigned mc_outcomes(void)
{
    return seen_count;
}

/* Forgets nodes at the end that have nothing left to choose. False: all is explored. */
static bool next_path(void)
{
    while (known > 0) {
        struct node *n = &nodes[known - 1];

        if (n->option + 1 < n->options)
            return true;
        /* Whether one of these may go is found out there: it depends on the state. */
        if (n->turns & ~n->done & ~(1u << n->tid))
            return true;
        known--;
    }
    return false;
}

/* Runs one execution; what it came to. */
static int run_once(void)
{
    int how = _setjmp(run_end);

    current = UINT32_MAX;
    if (!how)
        execute();
    if (depth > (int)most_steps)
        most_steps = (uint64_t)depth;
    mc_memory_undo();
    return how;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void explain(const char *program)
{
    static char schedule[MC_STEPS * 2 + 1];
    FILE *mem = fmemopen(schedule, sizeof schedule, "w");
    char first[sizeof failure];

    print_schedule(mem);
    fclose(mem);
    memcpy(first, failure, sizeof first);
    fprintf(stderr, "%s: %s\n", test->name, first);
    fprintf(stderr, "  again: %s --replay %s %s\n", program, schedule, test->name);
    if (quiet)
        return;
    verbose = true;
    replay = schedule;
    run_once();
    show_all();
    verbose = false;
    replay = NULL;
}

/* 0: as it should be. */
static int explore(const struct mc_test *t, const char *program, uint64_t walks)
{
    uint64_t limit = t->limit ? t->limit : USUAL_LIMIT;
    double start = seconds();
    int how = 0;
    bool over = false;

    test = t;
    executions = pruned = most_steps = 0;
    seen_count = 0;
    known = 0;
    for (thread_count = 0; thread_count < MC_THREADS && t->thread[thread_count];)
        thread_count++;
    random_walk = walks != 0;
    if (replay) {
        verbose = true;
        how = run_once();
        show_all();
        fprintf(stderr, "%s: %s\n", t->name, how == FAILED ? failure : "passed");
        return how == FAILED;
    }
    do {
        if (random_walk)
            known = 0;
        how = run_once();
        if (how == FAILED)
            break;
        if (how == PRUNED) {
            pruned++;
        } else {
            executions++;
            if (has_outcome)
                count_outcome();
        }
        if (how == PRUNED && known > depth + 1)
            known = depth + 1;
        if (executions + pruned > limit) {
            over = true;
            break;
        }
    } while (random_walk ? executions < walks : next_path());
    if (how == FAILED && t->must_fail) {
        if (!quiet)
            printf("%-44s fails as it must: %s\n", t->name, failure);
        return 0;
    }
    if (how == FAILED) {
        explain(program);
        return 1;
    }
    if (!quiet)
        printf("%-44s %8llu executions %8llu cut short %4llu steps %7.2f s%s\n", t->name,
               (unsigned long long)executions, (unsigned long long)pruned,
               (unsigned long long)most_steps, seconds() - start, random_walk ? " (random)" : "");
    if (over || t->must_fail) {
        fprintf(stderr, "%s: %s\n", t->name,
                over ? "more executions than its limit: not exhausted" : "did not fail");
        return 1;
    }
    if (verbose) {
        for (unsigned i = 0; i < seen_count; i++)
            printf("    outcome %#llx: %llu times\n", (unsigned long long)seen[i].value,
                   (unsigned long long)seen[i].count);
    }
    if (t->done && !random_walk) {
        how = _setjmp(run_end);
        if (!how)
            t->done();
        if (how == FAILED) {
            fprintf(stderr, "%s: %s\n", t->name, failure);
            return 1;
        }
    }
    return 0;
}

static void on_signal(int number)
{
    fprintf(stderr, "%s: signal %d after:\n  ", test ? test->name : "?", number);
    print_schedule(stderr);
    fputc('\n', stderr);
    _exit(1);
}

static void set_up(void)
{
    if (stacks)
        return;
    stacks = mmap(NULL, STACK * (MC_THREADS + 1), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGSEGV, on_signal);
    signal(SIGABRT, on_signal);
    for (unsigned t = 0; t <= MC_THREADS; t++)
        make_coroutine(t);
}

bool mc_same_without_reduction(const struct mc_test *t, const char *program)
{
    static uint64_t reduced[OUTCOMES];
    unsigned count;

    set_up();
    quiet = true;
    full = false;
    if (explore(t, program, 0))
        return false;
    count = seen_count;
    for (unsigned i = 0; i < count; i++)
        reduced[i] = seen[i].value;
    full = true;
    known_outcomes = reduced;
    known_count = count;
    if (explore(t, program, 0))
        return false;
    known_count = 0;
    if (count != seen_count) {
        printf("%u outcomes with reduction, %u without\n", count, seen_count);
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!mc_seen(reduced[i]))
            return false;
    }
    return true;
}

/*
 * Options: --full no reduction; --outcomes prints them; --random N SEED walks at random instead;
 * --replay SCHEDULE one execution, step by step; --quiet. Then names of tests; none: all.
 */
int mc_main(const struct mc_test *tests, size_t count, int argc, char **argv)
{
    uint64_t walks = 0;
    int failed = 0;
    int arg = 1;

    set_up();
    for (; arg < argc && argv[arg][0] == '-'; arg++) {
        if (!strcmp(argv[arg], "--full")) {
            full = true;
        } else if (!strcmp(argv[arg], "--outcomes")) {
            verbose = true;
        } else if (!strcmp(argv[arg], "--quiet")) {
            quiet = true;
        } else if (!strcmp(argv[arg], "--replay") && arg + 1 < argc) {
            replay = argv[++arg];
        } else if (!strcmp(argv[arg], "--random") && arg + 2 < argc) {
            walks = strtoull(argv[++arg], NULL, 10);
            random_state = strtoull(argv[++arg], NULL, 10) * 2654435761u + 88172645463325252u;
        } else {
            fprintf(stderr, "%s: unknown option %s\n", argv[0], argv[arg]);
            return 2;
        }
    }
    for (size_t i = 0; i < count; i++) {
        bool wanted = arg == argc;

        for (int k = arg; k < argc; k++)
            wanted |= !strcmp(argv[k], tests[i].name);
        if (wanted)
            failed |= explore(&tests[i], argv[0], walks);
    }
    return failed;
}
