/*
 * Fuzz target: bytes are a program that drives the public API.
 *
 * The program runs in the main task of a deterministic runtime. It has slots, each a heap block of
 * exactly a future's size: it builds futures there, polls them by hand (with its own waker, or with
 * counted ones that change from poll to poll), makes them arms of combinators, drops them and frees
 * the block; it moves time, lets tasks run, closes and drops ends of channels. After each step:
 * messages arrive once and in order, permits and guards are not more than there are, no timer is early.
 * At the end: nothing is left, every clone of a waker was dropped, every destructor ran once.
 *
 * One step in sixteen asks for something illegal: then the guard must say so. Its abort() is ours and
 * leads back here, and all that was said above must hold as if nothing had been tried.
 */
#include "base/mem.h"

#include <kioto.h>

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define must(cond) ((cond) ? (void)0 : broken(#cond, __LINE__))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static KIO_NORETURN void broken(const char *text, int line)
{
    fprintf(stderr, "fuzz/api.c:%d: does not hold: %s\n", line, text);
    raise(SIGABRT);
    _exit(1);
}

/* ---- guards ------------------------------------------------------------------------------- */

static jmp_buf back;
static bool expecting;

/* In place of the library's: a guard that was provoked comes back. */
void abort(void)
{
    if (expecting)
        longjmp(back, 1);
    raise(SIGABRT);
    _exit(1);
}

/* Runs what must fail a guard; gives what that said. */
#define PROVOKE(text, cap, ...)                                                                    \
    do {                                                                                           \
        FILE *kept_ = stderr;                                                                      \
        memset(text, 0, cap);                                                                      \
        stderr = fmemopen(text, cap, "w");                                                         \
        expecting = true;                                                                          \
        if (!setjmp(back)) {                                                                       \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
        expecting = false;                                                                         \
        fclose(stderr);                                                                            \
        stderr = kept_;                                                                            \
    } while (0)

/* ---- wakers that count -------------------------------------------------------------------- */

static struct counted {
    struct kio_wakeable wakeable;
    long refs, wakes;
} counted[3];

static void counted_wake(struct kio_wakeable *w)
{
    must(((struct counted *)w)->refs > 0);
    ((struct counted *)w)->wakes++;
}

static void counted_clone(struct kio_wakeable *w)
{
    ((struct counted *)w)->refs++;
}

static void counted_drop(struct kio_wakeable *w)
{
    must(--((struct counted *)w)->refs > 0);
}

static const kio_waker_type counted_type = { "counted", counted_wake, counted_clone, counted_drop };

/* ---- messages ----------------------------------------------------------------------------- */

#define MESSAGES 4096

enum fate { UNKNOWN, OFFERED, SENT, RECEIVED, DESTROYED, RETURNED };

static uint8_t fate[MESSAGES];
static uint32_t stamp[MESSAGES]; /* when it was seen to be sent; 0: not known */
static uint32_t next_message, clock_of_sends;

static uint32_t message_new(void)
{
    uint32_t m = next_message++ % MESSAGES;

    fate[m] = OFFERED;
    stamp[m] = 0;
    return m;
}

static void message_sent(uint32_t m, bool in_order)
{
    must(fate[m] == OFFERED || fate[m] == RECEIVED || fate[m] == DESTROYED);
    if (fate[m] == OFFERED)
        fate[m] = SENT;
    stamp[m] = in_order ? ++clock_of_sends : 0;
}

static void message_back(uint32_t m)
{
    must(fate[m] == OFFERED);
    fate[m] = RETURNED;
}

static uint32_t last_stamp[2];

static void message_received(uint32_t m, int channel)
{
    must(m < MESSAGES);
    must(fate[m] == SENT || fate[m] == OFFERED);
    if (stamp[m]) {
        must(stamp[m] > last_stamp[channel]);
        last_stamp[channel] = stamp[m];
    }
    fate[m] = RECEIVED;
}

static void message_destroyed(void *message)
{
    uint32_t m = *(uint32_t *)message;

    must(m < MESSAGES && (fate[m] == SENT || fate[m] == OFFERED));
    fate[m] = DESTROYED;
}

/* ---- the program's state ------------------------------------------------------------------ */

#define SLOTS    10
#define CHANNELS 2
#define UNTOUCHED INT_MAX

enum kind {
    EMPTY, SLEEP, YIELD, SEND, RECV, RESERVE, CLOSED, ONESHOT, ONESHOT_CLOSED, LOCK, READ_LOCK, WRITE_LOCK,
    ACQUIRE, NOTIFIED, BARRIER, ONCE, CANCELLED, WATCH, BROADCAST, SELECT, BIASED, JOIN, TIMEOUT,
    UNCONSTRAINED, BOX, HANDLE, CALL, SET_NEXT, KINDS,
};

struct script {
    async_fn(int);
    int depth;
    uint32_t message;
    struct kio_sleep nap;
    struct kio_yield yield;
    struct kio_send send;
    struct kio_lock lock;
    struct kio_acquire acquire;
    struct kio_notified notified;
    struct kio_timeout limit;
    struct kio_select select;
    struct kio_boxed box;
    struct kio_scope scope;
    struct kio_cancelled cancelled;
    size_t held;
    int left;
};

struct slot {
    enum kind kind;
    void *memory; /* a heap block of the future's size */
    kio_future *f;
    bool polled, over, recorded;
    int arms[3], arm_count; /* combinators */
    int of;      /* which channel, oneshot … */
    uint32_t message;
    size_t need;
    kio_instant due;
    struct kio_permit permit;
    uint64_t number;
};

static const uint8_t *code, *code_end;
static struct slot slots[SLOTS];
static struct kio_tx tx[CHANNELS];
static struct kio_rx rx[CHANNELS];
static struct kio_weak_tx weak[CHANNELS];
static struct kio_permit permits[4];
static struct kio_oneshot_tx once_tx[2];
static struct kio_oneshot_rx once_rx[2];
static struct kio_mutex mutex;
static struct kio_rwlock rwlock;
static struct kio_semaphore semaphore;
static struct kio_notify notify;
static struct kio_barrier barrier;
static struct kio_once_cell once_cell;
static struct kio_cancel_token tokens[2];
static struct kio_watch_tx watch_tx;
static struct kio_watch_rx watch_rx;
static struct kio_broadcast_tx broadcast_tx;
static struct kio_broadcast_rx broadcast_rx;
static struct kio_future_set set;
static struct kio_sleep set_sleeps[6];
static struct kio_abort_handle aborts[4];
static size_t permits_in_all, permits_held, cap_of[CHANNELS];
static bool inside_mutex;
static long scripts_made, scripts_dropped;
static uint64_t broadcast_next, broadcast_sent, watch_sent;

static unsigned byte(void)
{
    return code < code_end ? *code++ : 0;
}

static kio_duration short_time(void)
{
    return (kio_duration)byte() * 100 * KIO_US - 2 * KIO_MS;
}

/* ---- an async function that reads the same bytes ------------------------------------------ */

static void script_drop(struct script *self)
{
    if (self->message && self->send.out != 0)
        message_back(self->message);
    if (self->held) {
        permits_held -= self->held;
        kio_release(&semaphore, self->held);
    } else if (self->acquire.out == 0 && self->acquire.kio.type) {
        must(!kio_is_live(&self->acquire));
    }
    scripts_dropped++;
}

async_declare(script);

static struct script script_of(int depth);

async(script, script_drop)
{
    async_begin;
    self->send.out = UNTOUCHED;
    for (self->left = (int)(byte() % 6); self->left; self->left--) {
        switch (byte() % 12) {
        case 0:
        case 2:
            await(kio_yield_now(&self->yield));
            break;
        case 1:
            await(kio_sleep(&self->nap, short_time()));
            break;
        case 3:
            if (!tx[0].chan)
                break;
            self->message = message_new();
            kio_send(&self->send, &tx[0], &self->message);
            self->send.out = UNTOUCHED;
            await(kio_timeout(&self->limit, short_time(), &self->send));
            if (self->send.out == 0)
                message_sent(self->message, true);
            else
                message_back(self->message);
            self->message = 0;
            break;
        case 4:
            await(kio_lock(&self->lock, &mutex));
            must(!inside_mutex);
            inside_mutex = true;
            inside_mutex = false;
            if (byte() & 1)
                await(kio_sleep(&self->nap, short_time()));
            kio_unlock(&self->lock);
            break;
        case 5:
            await(kio_timeout(&self->limit, short_time(), kio_acquire(&self->acquire, &semaphore, 1)));
            if (self->limit.out == 0 && self->acquire.out == 0) {
                self->held = 1;
                must(++permits_held <= permits_in_all);
                await(kio_yield_now(&self->yield));
                self->held = 0;
                permits_held--;
                kio_release(&semaphore, 1);
            }
            break;
        case 6:
            await(kio_select(&self->select, kio_notified(&self->notified, &notify),
                             kio_sleep(&self->nap, short_time())));
            break;
        case 7:
            if (self->depth >= 4)
                break;
            scripts_made++;
            await(kio_box(&self->box, script, .depth = self->depth + 1));
            must(*kio_boxed_output(&self->box, int) == self->depth + 1);
            break;
        case 8:
            scripts_made++;
            if (self->depth < 3)
                (void)kio_scope_spawn(&self->scope, script, .depth = self->depth + 1);
            else
                scripts_made--;
            if (byte() & 1)
                kio_scope_cancel(&self->scope);
            if (byte() & 1)
                await(kio_scope_join(&self->scope));
            break;
        case 9:
            scripts_made++;
            (void)kio_spawn(NULL, script, .depth = 4);
            break;
        case 10:
            await(kio_select_biased(&self->select, kio_cancelled(&self->cancelled, &tokens[0]),
                                    kio_yield_now(&self->yield)));
            break;
        default:
            async_return(self->depth);
        }
    }
    async_return(self->depth);
}

static struct script script_of(int depth)
{
    scripts_made++;
    return (struct script){ .kio = { .type = &script_type }, .depth = depth };
}

/* ---- slots -------------------------------------------------------------------------------- */

static bool is_arm_of_live(int index)
{
    for (int i = 0; i < SLOTS; i++) {
        for (int a = 0; a < slots[i].arm_count; a++) {
            if (slots[i].kind != EMPTY && slots[i].arms[a] == index)
                return true;
        }
    }
    return false;
}

static bool busy(enum kind kind, int of)
{
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i].kind == kind && slots[i].of == of && kio_is_live_(slots[i].f))
            return true;
    }
    return false;
}

/* What is known when a future has ended, however: by a poll of ours or of a combinator's. */
static void record(struct slot *s)
{
    if (s->recorded || s->kind == EMPTY || kio_is_live_(s->f))
        return;
    s->recorded = true;
    switch (s->kind) {
    case SEND: {
        struct kio_send *f = s->memory;

        if (f->out == 0)
            message_sent(s->message, false);
        else
            message_back(s->message);
        break;
    }
    case RECV: {
        struct kio_recv *f = s->memory;

        if (f->out == 1)
            message_received(s->message, s->of);
        break;
    }
    case ACQUIRE:
        if (((struct kio_acquire *)s->memory)->out == 0) {
            permits_held += s->need;
            must(permits_held <= permits_in_all);
            kio_release(&semaphore, s->need);
            permits_held -= s->need;
        }
        break;
    case RESERVE:
        if (((struct kio_reserve *)s->memory)->out == 0) {
            must(s->permit.chan);
            for (int i = 0; i < 4 && s->permit.chan; i++) {
                if (!permits[i].chan) {
                    permits[i] = s->permit;
                    s->permit.chan = NULL;
                }
            }
            kio_permit_drop(&s->permit);
        }
        break;
    case BROADCAST: {
        struct kio_broadcast_recv *f = s->memory;

        if (f->out == 1) {
            must(s->number == broadcast_next);
            broadcast_next++;
        } else if (f->out == -EOVERFLOW) {
            must(f->missed > 0);
            broadcast_next += f->missed;
        }
        break;
    }
    default:
        break;
    }
}

static void record_all(void)
{
    for (int i = 0; i < SLOTS; i++)
        record(&slots[i]);
}

static void vacate(struct slot *s)
{
    if (s->kind == EMPTY)
        return;
    kio_drop_(s->f);
    must(!kio_is_live_(s->f));
    record_all(); /* its arms are over as well */
    free(s->memory);
    *s = (struct slot){ 0 };
}

#define MAKE(type, ...)                                                                            \
    ({                                                                                             \
        struct type *made = s->memory = calloc(1, sizeof(struct type));                            \
        must(made);                                                                                \
        __VA_ARGS__;                                                                               \
        s->f = &made->kio;                                                                         \
    })

static struct kio_any_ *any(int index)
{
    return (struct kio_any_ *)slots[index].f;
}

/* A slot whose future nobody owns or polls, for an arm; -1: none there. */
static int free_arm(int self, int except)
{
    int i = (int)(byte() % SLOTS);

    if (i == self || i == except || slots[i].kind == EMPTY || !kio_is_live_(slots[i].f) ||
        slots[i].f->prev || slots[i].polled || is_arm_of_live(i))
        return -1;
    return i;
}

static void build(int index)
{
    struct slot *s = &slots[index];
    enum kind kind = (enum kind)(1 + byte() % (KINDS - 1));
    int of = (int)(byte() % 2);

    if (s->kind != EMPTY && (is_arm_of_live(index) || s->f->prev))
        return;
    vacate(s);
    s->of = of;
    switch (kind) {
    case SLEEP:
        s->due = kio_now() + short_time();
        MAKE(kio_sleep, kio_sleep_until(made, s->due));
        break;
    case YIELD:
        MAKE(kio_yield, kio_yield_now(made));
        break;
    case SEND:
        if (!tx[of].chan)
            return;
        s->message = message_new();
        MAKE(kio_send, kio_send(made, &tx[of], &s->message); made->out = UNTOUCHED);
        break;
    case RECV:
        if (!rx[of].chan || busy(RECV, of))
            return;
        MAKE(kio_recv, kio_recv(made, &rx[of], &s->message); made->out = UNTOUCHED);
        break;
    case RESERVE:
        if (!tx[of].chan)
            return;
        MAKE(kio_reserve, kio_reserve(made, &tx[of], &s->permit); made->out = UNTOUCHED);
        break;
    case CLOSED:
        if (!tx[of].chan)
            return;
        MAKE(kio_tx_closed, kio_tx_closed(made, &tx[of]));
        break;
    case ONESHOT:
        if (!once_rx[of].once || busy(ONESHOT, of))
            return;
        MAKE(kio_oneshot_recv, kio_oneshot_recv(made, &once_rx[of], &s->message));
        break;
    case ONESHOT_CLOSED:
        if (!once_tx[of].once || busy(ONESHOT_CLOSED, of))
            return;
        MAKE(kio_oneshot_closed, kio_oneshot_closed(made, &once_tx[of]));
        break;
    case LOCK:
        MAKE(kio_lock, kio_lock(made, &mutex));
        break;
    case READ_LOCK:
        MAKE(kio_rw_guard, kio_read_lock(made, &rwlock));
        break;
    case WRITE_LOCK:
        MAKE(kio_rw_guard, kio_write_lock(made, &rwlock));
        break;
    case ACQUIRE:
        s->need = byte() % (permits_in_all + 1);
        MAKE(kio_acquire, kio_acquire(made, &semaphore, s->need); made->out = UNTOUCHED);
        break;
    case NOTIFIED:
        MAKE(kio_notified, kio_notified(made, &notify));
        break;
    case BARRIER:
        MAKE(kio_barrier_wait, kio_barrier_wait(made, &barrier));
        break;
    case ONCE:
        MAKE(kio_once_init, kio_once_init(made, &once_cell));
        break;
    case CANCELLED:
        if (!tokens[of].node)
            return;
        MAKE(kio_cancelled, kio_cancelled(made, &tokens[of]));
        break;
    case WATCH:
        if (!watch_rx.watch || busy(WATCH, 0) || busy(WATCH, 1))
            return;
        MAKE(kio_watch_changed, kio_watch_changed(made, &watch_rx));
        break;
    case BROADCAST:
        if (!broadcast_rx.channel || busy(BROADCAST, 0) || busy(BROADCAST, 1))
            return;
        MAKE(kio_broadcast_recv, kio_broadcast_recv(made, &broadcast_rx, &s->number);
             made->out = UNTOUCHED);
        break;
    case SELECT:
    case BIASED:
    case JOIN: {
        int a = free_arm(index, -1), b = free_arm(index, a);

        if (a < 0 || b < 0)
            return;
        if (kind == SELECT)
            MAKE(kio_select, kio_select(made, any(a), NULL, any(b)));
        else if (kind == BIASED)
            MAKE(kio_select, kio_select_biased(made, any(a), any(b)));
        else
            MAKE(kio_join, kio_join(made, any(a), any(b)));
        s->arms[s->arm_count++] = a;
        s->arms[s->arm_count++] = b;
        break;
    }
    case TIMEOUT:
    case UNCONSTRAINED: {
        int a = free_arm(index, -1);

        if (a < 0)
            return;
        s->due = kio_now() + short_time();
        if (kind == TIMEOUT)
            MAKE(kio_timeout, kio_timeout_at(made, s->due, any(a)));
        else
            MAKE(kio_unconstrained, kio_unconstrained(made, any(a)));
        s->arms[s->arm_count++] = a;
        break;
    }
    case BOX:
        scripts_made++;
        MAKE(kio_boxed, kio_box(made, script, .depth = 1));
        break;
    case HANDLE:
        scripts_made++;
        MAKE(kio_join_handle, (void)kio_spawn(made, script, .depth = 3);
             aborts[byte() % 4] = kio_abort_handle(made));
        break;
    case CALL:
        MAKE(script, *made = script_of(2));
        break;
    case SET_NEXT:
        if (busy(SET_NEXT, 0) || busy(SET_NEXT, 1))
            return;
        MAKE(kio_future_set_next, kio_future_set_next(made, &set));
        break;
    default:
        return;
    }
    s->kind = kind;
}

static void check_ready(struct slot *s)
{
    switch (s->kind) {
    case SLEEP:
        must(kio_now() >= s->due);
        break;
    case TIMEOUT:
        if (((struct kio_timeout *)s->memory)->out)
            must(kio_now() >= s->due);
        break;
    case LOCK:
        for (int i = 0; i < SLOTS; i++) {
            if (&slots[i] != s && slots[i].kind == LOCK)
                must(slots[i].f->state != KIO_KEPT);
        }
        break;
    case WRITE_LOCK:
    case READ_LOCK:
        for (int i = 0; i < SLOTS; i++) {
            if (&slots[i] != s && (slots[i].kind == WRITE_LOCK || (slots[i].kind == READ_LOCK &&
                                                                    s->kind == WRITE_LOCK)))
                must(slots[i].f->state != KIO_KEPT);
        }
        break;
    case SELECT:
    case BIASED: {
        int out = ((struct kio_select *)s->memory)->out;

        must(out >= -1 && out <= 2);
        break;
    }
    case JOIN:
        for (int a = 0; a < s->arm_count; a++)
            must(!kio_is_live_(slots[s->arms[a]].f));
        break;
    default:
        break;
    }
}

static void poll_slot(struct slot *s, kio_context *cx)
{
    unsigned which = byte() % 4;
    kio_context own;

    if (s->kind == EMPTY || !kio_is_live_(s->f) || s->f->prev || is_arm_of_live((int)(s - slots)))
        return;
    s->polled = true;
    if (which < 3) {
        kio_context_init(&own, (kio_waker){ &counted[which].wakeable });
        cx = &own;
    }
    if (kio_future_poll(s->f, cx) == KIO_READY) {
        must(!kio_is_live_(s->f));
        check_ready(s);
    }
    record_all();
}

/* ---- illegal steps ------------------------------------------------------------------------ */

struct awaiter {
    async_fn(void);
    struct kio_any_ *what;
};

async(awaiter)
{
    async_begin;
    await(self->what);
    async_return();
}

struct two_steps {
    async_fn(void);
    struct kio_sleep nap;
};

async(two_steps)
{
    async_begin;
    await(kio_sleep(&self->nap, KIO_SEC));
    async_return();
}

static void illegal(kio_context *cx)
{
    static char text[4096];
    static struct awaiter awaiter;
    static struct two_steps *steps, *moved;
    static struct kio_any_ empty;
    static struct slot *volatile s;
    static const char *volatile want;
    static uint64_t wide;
    static struct kio_tx none;
    static struct kio_select select;

    s = &slots[byte() % SLOTS];
    switch (byte() % 12) {
    case 0:
        want = "an empty slot was polled";
        PROVOKE(text, sizeof text, (void)kio_future_poll(&empty.kio, cx));
        break;
    case 1:
        if (s->kind == EMPTY || kio_is_live_(s->f))
            return;
        want = "was polled after it had finished";
        PROVOKE(text, sizeof text, (void)kio_future_poll(s->f, cx));
        break;
    case 2:
        want = "awaits an empty slot";
        async_call(&awaiter, awaiter, .what = &empty);
        PROVOKE(text, sizeof text, (void)kio_future_poll(&awaiter.kio, cx));
        kio_drop(&awaiter);
        break;
    case 3:
        if (s->kind == EMPTY || kio_is_live_(s->f))
            return;
        want = "a future that has finished";
        async_call(&awaiter, awaiter, .what = (struct kio_any_ *)s->f);
        PROVOKE(text, sizeof text, (void)kio_future_poll(&awaiter.kio, cx));
        kio_drop(&awaiter);
        break;
    case 4:
        if (s->kind == EMPTY || !kio_is_live_(s->f) || !s->f->prev)
            return;
        want = "which another future is awaiting";
        async_call(&awaiter, awaiter, .what = (struct kio_any_ *)s->f);
        PROVOKE(text, sizeof text, (void)kio_future_poll(&awaiter.kio, cx));
        kio_drop(&awaiter);
        break;
    case 5:
        want = "was moved";
        steps = calloc(1, sizeof *steps);
        moved = calloc(1, sizeof *moved);
        must(steps && moved);
        async_call(steps, two_steps);
        must(kio_future_poll(&steps->kio, cx) == KIO_PENDING);
        memcpy(moved, steps, sizeof *moved);
        PROVOKE(text, sizeof text, (void)kio_future_poll(&moved->kio, cx));
        kio_drop(steps);
        free(steps);
        free(moved);
        break;
    case 6:
        if (!tx[0].chan)
            return;
        want = "the value has 8 bytes, the channel's messages 4";
        PROVOKE(text, sizeof text, (void)!kio_try_send(&tx[0], &wide));
        break;
    case 7:
        want = "got an empty handle";
        PROVOKE(text, sizeof text, (void)!kio_try_send(&none, &wide));
        break;
    case 8:
        if (s->kind != HANDLE || kio_is_done((struct kio_join_handle *)s->memory))
            return;
        want = "of a task that has not ended";
        if (kio_is_finished(s->memory))
            return;
        PROVOKE(text, sizeof text, (void)kio_output((struct kio_join_handle *)s->memory, int));
        break;
    case 9:
        want = "empty slot";
        PROVOKE(text, sizeof text, (void)kio_select(&select, &empty));
        kio_drop(&select);
        memset(&select, 0, sizeof select);
        break;
    case 10:
        want = "kio_block_on";
        PROVOKE(text, sizeof text, (void)kio_block_on(two_steps));
        break;
    default:
        if (!tx[1].chan)
            return;
        want = "kio_blocking_send";
        PROVOKE(text, sizeof text, (void)!kio_blocking_send(&tx[1], &next_message));
        break;
    }
    if (!strstr(text, want) || !strstr(text, "fix:"))
        fprintf(stderr, "expected \"%s\", and got: %s\n", want, text);
    must(strstr(text, want));
    must(strstr(text, "fix:"));
}

/* ---- steps -------------------------------------------------------------------------------- */

static void open_channels(int i)
{
    uint64_t zero = 0;

    if (!tx[i].chan && !rx[i].chan && !weak[i].chan) {
        cap_of[i] = i ? SIZE_MAX : 1 + byte() % 4;
        must((i ? kio_mpsc_unbounded(&tx[i], &rx[i], sizeof(uint32_t))
                : kio_mpsc_channel(&tx[i], &rx[i], sizeof(uint32_t), cap_of[i])) == 0);
        kio_rx_on_drop(&rx[i], message_destroyed);
        last_stamp[i] = 0;
    }
    if (!once_tx[i].once && !once_rx[i].once) {
        must(kio_oneshot_channel(&once_tx[i], &once_rx[i], sizeof(uint32_t)) == 0);
    }
    if (!tokens[i].node)
        must(kio_cancel_token_new(&tokens[i], i && tokens[0].node ? &tokens[0] : NULL) == 0);
    if (!watch_tx.watch && !watch_rx.watch)
        must(kio_watch_channel(&watch_tx, &watch_rx, sizeof zero, &zero) == 0);
    if (!broadcast_tx.channel && !broadcast_rx.channel) {
        must(kio_broadcast_channel(&broadcast_tx, &broadcast_rx, sizeof zero, 1 + byte() % 3) == 0);
        broadcast_next = broadcast_sent = 0;
    }
}

static void try_channel(int i)
{
    uint32_t m = 0;
    int err;

    if (tx[i].chan && byte() & 1) {
        m = message_new();
        err = kio_try_send(&tx[i], &m);
        must(err == 0 || err == -EPIPE || (err == -EAGAIN && i == 0));
        if (err)
            message_back(m);
        else
            message_sent(m, true);
    } else if (rx[i].chan && !busy(RECV, i)) {
        err = kio_try_recv(&rx[i], &m);
        must(err == 1 || err == 0 || err == -EAGAIN);
        if (err == 1)
            message_received(m, i);
    }
    if (rx[i].chan)
        must(kio_rx_len(&rx[i]) <= cap_of[i]);
}

/* A pending future borrows the sender. */
static bool sender_borrowed(int of)
{
    return busy(SEND, of) || busy(RESERVE, of) || busy(CLOSED, of);
}

/* Things that may happen to any of the shared objects. */
static void meddle(void)
{
    int i = (int)(byte() % 2);
    struct kio_permit *p = &permits[byte() % 4];
    uint32_t m;
    uint64_t n;

    switch (byte() % 26) {
    case 0:
        open_channels(i);
        break;
    case 1: /* a pending send, and a script's, borrow the sender */
        if (scripts_made == scripts_dropped && !sender_borrowed(i))
            kio_tx_drop(&tx[i]);
        break;
    case 2:
        if (!busy(RECV, i))
            kio_rx_drop(&rx[i]);
        break;
    case 3:
        if (rx[i].chan)
            kio_rx_close(&rx[i]);
        break;
    case 4:
    case 5:
        try_channel(i);
        break;
    case 6:
        if (tx[i].chan && !weak[i].chan)
            weak[i] = kio_tx_downgrade(&tx[i]);
        else
            kio_weak_tx_drop(&weak[i]);
        break;
    case 7:
        if (weak[i].chan && !tx[i].chan)
            (void)!kio_tx_upgrade(&weak[i], &tx[i]);
        break;
    case 8:
        if (p->chan) {
            m = message_new();
            if (kio_permit_send(p, &m))
                message_back(m);
            else
                message_sent(m, true);
        }
        break;
    case 9:
        kio_permit_drop(p);
        break;
    case 10:
        if (tx[i].chan && !p->chan)
            (void)!kio_try_reserve(&tx[i], p);
        break;
    case 11:
        if (once_tx[i].once && !busy(ONESHOT_CLOSED, i)) {
            m = 7;
            (void)kio_oneshot_send(&once_tx[i], &m);
        }
        break;
    case 12:
        if (!busy(ONESHOT_CLOSED, i))
            kio_oneshot_tx_drop(&once_tx[i]);
        break;
    case 13:
        if (!busy(ONESHOT, i))
            kio_oneshot_rx_drop(&once_rx[i]);
        break;
    case 14:
        if (once_rx[i].once)
            kio_oneshot_rx_close(&once_rx[i]);
        break;
    case 15:
        kio_notify_one(&notify);
        break;
    case 16:
        kio_notify_waiters(&notify);
        break;
    case 17:
        if (!(byte() % 8))
            kio_semaphore_close(&semaphore);
        must(kio_semaphore_available(&semaphore) <= permits_in_all - permits_held);
        break;
    case 18:
        if (tokens[i].node)
            kio_cancel(&tokens[i]);
        break;
    case 19:
        if (scripts_made == scripts_dropped)
            kio_cancel_token_drop(&tokens[i]);
        break;
    case 20:
        n = ++watch_sent;
        if (watch_tx.watch)
            (void)kio_watch_send(&watch_tx, &n);
        break;
    case 21:
        kio_watch_tx_drop(&watch_tx);
        break;
    case 22:
        if (!busy(WATCH, 0) && !busy(WATCH, 1))
            kio_watch_rx_drop(&watch_rx);
        break;
    case 23:
        if (broadcast_tx.channel && kio_broadcast_send(&broadcast_tx, &broadcast_sent) >= 0)
            broadcast_sent++;
        break;
    case 24:
        if (byte() & 1)
            kio_broadcast_tx_drop(&broadcast_tx);
        else if (!busy(BROADCAST, 0) && !busy(BROADCAST, 1))
            kio_broadcast_rx_drop(&broadcast_rx);
        break;
    default:
        kio_abort_by(aborts[byte() % 4]);
        break;
    }
}

static void change_slot(struct slot *s)
{
    if (s->kind == EMPTY)
        return;
    switch (s->kind) {
    case SLEEP:
        if (is_arm_of_live((int)(s - slots)))
            return;
        s->due = kio_now() + short_time();
        kio_sleep_reset(s->memory, s->due);
        s->recorded = false;
        break;
    case NOTIFIED:
        if (kio_is_live_(s->f))
            (void)kio_notified_enable(s->memory);
        break;
    case HANDLE:
        kio_abort(s->memory);
        break;
    case WRITE_LOCK:
        if (s->f->state == KIO_KEPT && ((struct kio_rw_guard *)s->memory)->write) {
            kio_rw_downgrade(s->memory);
            s->kind = READ_LOCK;
        }
        break;
    case ONCE:
        if (s->f->state == KIO_KEPT && ((struct kio_once_init *)s->memory)->out == 1)
            kio_once_done(s->memory);
        break;
    default:
        break;
    }
}

static void set_step(void)
{
    int i = (int)(byte() % 6);

    if (!set_sleeps[i].kio.type || (!kio_is_live(&set_sleeps[i]) && !set_sleeps[i].kio.prev &&
                                    kio_future_set_len(&set) == 0)) {
        kio_sleep(&set_sleeps[i], short_time());
        must(kio_future_set_push(&set, &set_sleeps[i]) == 0);
    }
}

struct machine {
    async_fn(void);
    struct kio_yield yield;
    struct kio_sleep nap;
    struct kio_time_advance advance;
    int step;
};

async(machine)
{
    async_begin;
    for (self->step = 0; code < code_end && self->step < 400; self->step++) {
        unsigned op = byte();
        struct slot *s = &slots[(op >> 4) % SLOTS];

        switch (op & 15) {
        case 0:
        case 1:
        case 2:
            build((int)(s - slots));
            break;
        case 3:
        case 4:
        case 5:
            poll_slot(s, cx);
            break;
        case 6:
            if (!is_arm_of_live((int)(s - slots)))
                vacate(s);
            break;
        case 7:
            await(kio_yield_now(&self->yield));
            break;
        case 8:
            await(kio_sleep(&self->nap, short_time()));
            break;
        case 9:
            await(kio_time_advance(&self->advance, (kio_duration)byte() * 100 * KIO_US));
            must(self->advance.out == 0);
            break;
        case 10:
            change_slot(s);
            break;
        case 11:
        case 12:
        case 13:
            meddle();
            break;
        case 14:
            if (byte() & 1)
                set_step();
            else if (s->kind != EMPTY && !s->f->prev && !is_arm_of_live((int)(s - slots)))
                kio_drop_(s->f);
            record_all();
            break;
        default:
            illegal(cx);
            break;
        }
    }
    async_return();
}

/* What has a timer in it needs its runtime; handles, channels and locks do not. */
static bool needs_runtime(enum kind kind)
{
    return kind == SLEEP || kind == TIMEOUT || kind == BOX || kind == CALL || kind == SET_NEXT;
}

/* Combinators first, then what they had. */
static void end_slots(bool all)
{
    for (int round = 0; round < SLOTS; round++) {
        for (int i = 0; i < SLOTS; i++) {
            if (slots[i].kind != EMPTY && !is_arm_of_live(i) &&
                (all || slots[i].arm_count || needs_runtime(slots[i].kind)))
                vacate(&slots[i]);
        }
    }
}

static void end_set(void)
{
    kio_drop(&set);
    for (int i = 0; i < 6; i++)
        kio_drop(&set_sleeps[i]);
    memset(&set, 0, sizeof set);
    memset(set_sleeps, 0, sizeof set_sleeps);
}

static void drop_objects(void)
{
    for (int i = 0; i < 4; i++)
        kio_permit_drop(&permits[i]);
    for (int i = 0; i < 2; i++) {
        kio_tx_drop(&tx[i]);
        kio_rx_drop(&rx[i]);
        kio_weak_tx_drop(&weak[i]);
        kio_oneshot_tx_drop(&once_tx[i]);
        kio_oneshot_rx_drop(&once_rx[i]);
        kio_cancel_token_drop(&tokens[i]);
    }
    kio_watch_tx_drop(&watch_tx);
    kio_watch_rx_drop(&watch_rx);
    kio_broadcast_tx_drop(&broadcast_tx);
    kio_broadcast_rx_drop(&broadcast_rx);
    must(permits_held == 0);
    must(kio_semaphore_available(&semaphore) == permits_in_all);
    must(!mutex.held && !rwlock.writing && !rwlock.readers);
    for (uint32_t m = 0; m < MESSAGES; m++)
        must(fate[m] != SENT && fate[m] != OFFERED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool watching;
    struct kio_runtime *rt, *before;
    long blocks;

    if (!watching)
        ki_mem_watch();
    watching = true;
    if (size < 2)
        return 0;
    blocks = ki_mem_alive();
    memset(fate, 0, sizeof fate);
    next_message = 1; /* 0: none */
    clock_of_sends = 0;
    code = data + 1;
    code_end = data + size;
    for (int i = 0; i < 3; i++)
        counted[i] = (struct counted){ { &counted_type }, 1, 0 };
    mutex = (struct kio_mutex){ 0 };
    rwlock = (struct kio_rwlock){ 0 };
    notify = (struct kio_notify){ 0 };
    once_cell = (struct kio_once_cell){ 0 };
    permits_in_all = 1 + (data[0] & 3);
    permits_held = 0;
    kio_semaphore_init(&semaphore, permits_in_all);
    kio_barrier_init(&barrier, 1 + (data[0] >> 2 & 1));
    memset(aborts, 0, sizeof aborts);
    scripts_made = scripts_dropped = 0;
    must(kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = KIO_DETERMINISTIC,
                                                            .seed = 1 + (data[0] >> 3),
                                                            .stuck_after = -1 }) == 0);
    open_channels(0);
    open_channels(1);
    kio_runtime_block_on(rt, machine);
    before = kio_runtime_enter(rt);
    end_slots(!(data[0] & 0x80)); /* or some outlive it */
    end_set();
    kio_runtime_leave(before);
    kio_runtime_free(rt);
    end_slots(true);
    drop_objects();
    must(scripts_made == scripts_dropped);
    for (int i = 0; i < 3; i++)
        must(counted[i].refs == 1);
    must(ki_mem_alive() == blocks);
    return 0;
}
