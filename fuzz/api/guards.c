/*
 * Illegal steps: a table of wrong calls, and what the guard of each must say.
 *
 * A wrong call works on `x`, a heap block of its own, so that it can be tried at any moment; three more
 * take the program's slots as they are. The guard prints to memory and calls abort(), which is the one
 * below and leads back here. Then `x` is released and the program goes on. So a guard that is in this
 * table has changed nothing before it fails. Those that cannot be (docs/design/stress.md says why) are
 * shown by tests/misuse; covered.py knows of each in the sources.
 */
#include "base/mem.h"

#include "fuzz.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- failing and coming back ---------------------------------------------------------------- */

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

static char said[8192];

/* Whether it failed a guard; what that said is in `said`. */
static bool provoke(void (*wrong)(void))
{
    FILE *volatile kept = stderr;
    volatile bool failed = true;

    memset(said, 0, sizeof said);
    stderr = fmemopen(said, sizeof said - 1, "w");
    must(stderr);
    expecting = true;
    if (!setjmp(back)) {
        wrong();
        failed = false;
    }
    expecting = false;
    fclose(stderr);
    stderr = kept;
    return failed;
}

/* ---- what wrong calls work on ------------------------------------------------------------- */

struct nothing {
    async_fn(void);
};

async(nothing)
{
    async_begin;
    async_return();
}

struct seven {
    async_fn(int);
};

async(seven)
{
    async_begin;
    async_return(7);
}

struct awaiter {
    async_fn(void);
    struct kio_any_ **what;
};

async(awaiter)
{
    async_begin;
    await(*self->what);
    async_return();
}

struct borrower {
    async_fn(void);
    const int *from;
};

async(borrower)
{
    async_begin;
    async_return();
}

struct emits_nothing {
    async_fn(void);
    struct kio_emitter *to;
};

async(emits_nothing)
{
    async_begin;
    async_return();
}

static struct things {
    struct awaiter awaiters[2], copy; /* the copy is no future: it is not dropped */
    struct borrower borrower;
    struct kio_any_ empty, *what;
    struct kio_yield yield;
    struct kio_sleep nap;
    struct kio_select select;
    struct kio_join join;
    struct kio_timeout timeout;
    struct kio_unconstrained unconstrained;
    struct kio_boxed box;
    struct kio_future_set set;
    struct kio_future_set_next set_next;
    struct kio_future_queue queue;
    struct kio_future_queue_next queue_next;
    struct kio_shared_wait shared_wait;
    struct kio_shared shared;
    struct kio_send send;
    struct kio_recv recv;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_oneshot_tx once_tx;
    struct kio_oneshot_rx once_rx;
    struct kio_oneshot_recv once_recv;
    struct kio_watch_tx watch_tx;
    struct kio_watch_rx watch_rx;
    struct kio_broadcast_tx broadcast_tx;
    struct kio_broadcast_rx broadcast_rx;
    struct kio_semaphore semaphores[2];
    struct kio_permits permits[2];
    struct kio_mutex mutex;
    struct kio_lock lock;
    struct kio_rwlock rwlock;
    struct kio_rw_guard rw;
    struct kio_once_init once_init;
    struct kio_notify notify;
    struct kio_notified notified[2];
    struct kio_cancel_token token;
    struct kio_scope scope;
    struct kio_join_handle handle;
    struct kio_local_set local;
    struct kio_local_run runs[2];
    struct kio_delay_queue delays;
    struct kio_delay_queue_next delay_next[2];
    struct kio_iter_range range, other_range;
    struct kio_iter_array array;
    struct kio_iter_take take, other_take;
    struct kio_iter_map map;
    struct kio_iter_chain chain;
    struct kio_iter_peekable peekable;
    struct kio_iter_peek peek;
    struct kio_iter_set iter_set;
    struct kio_iter_buffered buffered;
    struct kio_iter_chunks chunks;
    struct kio_iter_rx iter_rx;
    struct kio_iter_generator generator;
    struct emits_nothing body;
    struct seven jobs[2];
    struct kio_iter_next next;
    struct kio_emitter emitter;
    struct kio_emit emit;
    struct kio_lookup lookup;
    struct kio_fd fd;
    struct kio_readiness readiness[2];
    struct kio_stream ends[2];
    struct kio_net *net;
    struct kio_net_listener listener;
    int32_t i32;
    int64_t i64;
    char large[2][300];
    bool entered;
    struct kio_runtime *before;
} *x;

static kio_context *context;
static struct kio_runtime *rt;
static struct slot *chosen;

/* From an earlier runtime: a task that has ended, one that was aborted, a runtime that was shut down, and
 * one that nobody runs. */
static struct kio_join_handle ended, aborted;
static struct kio_runtime *gone, *other;

struct maker {
    async_fn(void);
    struct kio_yield yield;
};

async(maker)
{
    async_begin;
    must(kio_spawn(&ended, seven) == 0 && kio_spawn(&aborted, seven) == 0);
    kio_abort(&aborted);
    while (!kio_is_finished(&ended) || !kio_is_finished(&aborted))
        await(kio_yield_now(&self->yield));
    async_return();
}

void guards_open(void)
{
    const struct kio_runtime_config config = { .flavor = KIO_CURRENT_THREAD, .stuck_after = -1 };

    must(kio_runtime_new(&other, &config) == 0 && kio_runtime_new(&gone, &config) == 0);
    kio_runtime_block_on(other, maker);
    must(kio_runtime_shutdown(gone, 0) == 0);
}

static void release(void)
{
    if (x->entered)
        kio_runtime_leave(x->before);
#define DROP(field) kio_drop(&x->field)
    DROP(awaiters[0]), DROP(awaiters[1]), DROP(borrower), DROP(select), DROP(join), DROP(timeout);
    DROP(unconstrained), DROP(runs[0]), DROP(runs[1]), DROP(delay_next[0]), DROP(delay_next[1]);
    DROP(next), DROP(peek), DROP(buffered), DROP(chunks), DROP(take), DROP(other_take), DROP(map);
    DROP(chain), DROP(peekable), DROP(iter_set), DROP(generator), DROP(iter_rx), DROP(range);
    DROP(other_range), DROP(array), DROP(body), DROP(emit), DROP(set_next), DROP(queue_next), DROP(set);
    DROP(queue), DROP(box), DROP(shared_wait), DROP(send), DROP(recv), DROP(permits[0]), DROP(permits[1]);
    DROP(lock), DROP(rw), DROP(once_init), DROP(notified[0]), DROP(notified[1]), DROP(handle);
    DROP(delays), DROP(lookup), DROP(yield), DROP(nap), DROP(jobs[0]), DROP(jobs[1]);
    DROP(readiness[0]), DROP(readiness[1]);
#undef DROP
    kio_shared_drop(&x->shared);
    kio_tx_drop(&x->tx);
    kio_rx_drop(&x->rx);
    kio_oneshot_tx_drop(&x->once_tx);
    kio_oneshot_rx_drop(&x->once_rx);
    kio_watch_tx_drop(&x->watch_tx);
    kio_watch_rx_drop(&x->watch_rx);
    kio_broadcast_tx_drop(&x->broadcast_tx);
    kio_broadcast_rx_drop(&x->broadcast_rx);
    kio_cancel_token_drop(&x->token);
    kio_local_set_drop(&x->local);
    kio_fd_close(&x->fd);
    kio_close(&x->ends[0]);
    kio_close(&x->ends[1]);
    kio_net_close(&x->listener);
    kio_net_free(x->net);
    free(x);
}

static kio_poll poll(kio_future *f)
{
    return kio_future_poll(f, context);
}
#define POLL(fut) poll(&(fut)->kio)

static void finish_yield(void)
{
    kio_yield_now(&x->yield);
    while (POLL(&x->yield) == KIO_PENDING)
        ;
}

/* ---- futures ------------------------------------------------------------------------------ */

static void polls_empty(void)
{
    (void)POLL(&x->empty);
}

static void polls_over(void)
{
    finish_yield();
    (void)POLL(&x->yield);
}

static void await_what(void *future)
{
    x->what = future;
    (void)POLL(async_call(&x->awaiters[0], awaiter, .what = &x->what));
}

static void awaits_empty(void)
{
    await_what(&x->empty);
}

static void awaits_over(void)
{
    finish_yield();
    await_what(&x->yield);
}

static void awaits_foreign(void)
{
    await_what(kio_notified(&x->notified[0], &x->notify));
    (void)POLL(async_call(&x->awaiters[1], awaiter, .what = &x->what));
}

static void moves(void)
{
    await_what(kio_notified(&x->notified[0], &x->notify));
    memcpy(&x->copy, &x->awaiters[0], sizeof x->copy);
    (void)POLL(&x->copy);
}

static void lends_local(void)
{
    int local = 1;

    async_call(&x->borrower, borrower, .from = &local);
}

static void awaits_local(void)
{
    struct kio_yield local = { 0 };

    await_what(kio_yield_now(&local));
}

static void receives_in_local(void)
{
    int32_t local;

    must(kio_mpsc_channel(&x->tx, &x->rx, sizeof local, 1) == 0);
    kio_recv(&x->recv, &x->rx, &local);
}

/* ---- combinators -------------------------------------------------------------------------- */

static void selects_empty(void)
{
    kio_select(&x->select, &x->empty);
}

static void joins_null(void)
{
    kio_join(&x->join, NULL);
}

static void limits_over(void)
{
    finish_yield();
    (void)POLL(kio_timeout(&x->timeout, KIO_SEC, &x->yield));
}

static void unconstrained_over(void)
{
    finish_yield();
    (void)POLL(kio_unconstrained(&x->unconstrained, &x->yield));
}

static void box_empty(void)
{
    (void)kio_boxed_output(&x->box, int);
}

static void box_early(void)
{
    kio_box(&x->box, seven);
    (void)kio_boxed_output(&x->box, int);
}

static void box_type(void)
{
    must(POLL(kio_box(&x->box, seven)) == KIO_READY);
    (void)kio_boxed_output(&x->box, int64_t);
}

static void set_polled(void)
{
    must(kio_future_set_add(&x->set, seven) == 0);
    (void)POLL(&x->set);
}

static void set_none(void)
{
    must(POLL(kio_future_set_next(&x->set_next, &x->set)) == KIO_READY);
    (void)kio_future_set_output(&x->set_next, int);
}

static void set_type(void)
{
    must(kio_future_set_add(&x->set, seven) == 0);
    must(POLL(kio_future_set_next(&x->set_next, &x->set)) == KIO_READY);
    (void)kio_future_set_output(&x->set_next, int64_t);
}

static void queue_polled(void)
{
    must(kio_future_queue_add(&x->queue, seven) == 0);
    (void)POLL(&x->queue);
}

static void queue_none(void)
{
    must(POLL(kio_future_queue_next(&x->queue_next, &x->queue)) == KIO_READY);
    (void)kio_future_queue_output(&x->queue_next, int);
}

static void queue_type(void)
{
    must(kio_future_queue_add(&x->queue, seven) == 0);
    must(POLL(kio_future_queue_next(&x->queue_next, &x->queue)) == KIO_READY);
    (void)kio_future_queue_output(&x->queue_next, int64_t);
}

static void share_empty(void)
{
    x->shared = kio_shared_clone(&x->shared);
}

static void share_early(void)
{
    must(kio_share(&x->shared, seven) == 0);
    (void)kio_shared_output(&x->shared, int);
}

static void share_type(void)
{
    must(kio_share(&x->shared, seven) == 0);
    must(POLL(kio_shared_wait(&x->shared_wait, &x->shared)) == KIO_READY);
    (void)kio_shared_output(&x->shared, int64_t);
}

/* ---- channels ----------------------------------------------------------------------------- */

static void mpsc_empty(void)
{
    (void)!kio_try_send(&x->tx, &x->i32);
}

static void mpsc_size(void)
{
    must(kio_mpsc_unbounded(&x->tx, &x->rx, sizeof x->i32) == 0);
    (void)!kio_try_send(&x->tx, &x->i64);
}

static void oneshot_empty(void)
{
    kio_oneshot_recv(&x->once_recv, &x->once_rx, &x->i32);
}

static void oneshot_size(void)
{
    must(kio_oneshot_channel(&x->once_tx, &x->once_rx, sizeof x->i32) == 0);
    (void)kio_oneshot_send(&x->once_tx, &x->i64);
}

static void watch_empty(void)
{
    kio_watch_get(&x->watch_rx, &x->i32);
}

static void watch_size(void)
{
    must(kio_watch_channel(&x->watch_tx, &x->watch_rx, sizeof x->i32, &x->i32) == 0);
    (void)kio_watch_send(&x->watch_tx, &x->i64);
}

static void broadcast_empty(void)
{
    (void)kio_broadcast_send(&x->broadcast_tx, &x->i32);
}

static void broadcast_size(void)
{
    must(kio_broadcast_channel(&x->broadcast_tx, &x->broadcast_rx, sizeof x->i32, 1) == 0);
    (void)kio_broadcast_send(&x->broadcast_tx, &x->i64);
}

static void send_blocks(void)
{
    must(kio_mpsc_channel(&x->tx, &x->rx, sizeof x->i32, 1) == 0);
    (void)!kio_blocking_send(&x->tx, &x->i32);
}

static void recv_blocks(void)
{
    must(kio_mpsc_channel(&x->tx, &x->rx, sizeof x->i32, 1) == 0);
    (void)!kio_blocking_recv(&x->rx, &x->i32);
}

static void oneshot_blocks(void)
{
    must(kio_oneshot_channel(&x->once_tx, &x->once_rx, sizeof x->i32) == 0);
    (void)!kio_oneshot_blocking_recv(&x->once_rx, &x->i32);
}

static void broadcast_blocks(void)
{
    must(kio_broadcast_channel(&x->broadcast_tx, &x->broadcast_rx, sizeof x->i32, 1) == 0);
    (void)!kio_broadcast_blocking_recv(&x->broadcast_rx, &x->i32, NULL);
}

/* ---- locks and their kin ------------------------------------------------------------------ */

static void lock_blocks(void)
{
    kio_blocking_lock(&x->lock, &x->mutex);
}

static void rwlock_blocks(void)
{
    kio_blocking_write_lock(&x->rw, &x->rwlock);
}

static void acquire_blocks(void)
{
    (void)!kio_blocking_acquire(&x->semaphores[0], 1);
}

static void rwlock_none(void)
{
    kio_rwlock_init(&x->rwlock, 0);
}

static void downgrades_reader(void)
{
    must(kio_try_read_lock(&x->rw, &x->rwlock) == 0);
    kio_rw_downgrade(&x->rw);
}

static void too_many_permits(void)
{
    kio_semaphore_init(&x->semaphores[0], SIZE_MAX);
}

static void releases_too_many(void)
{
    kio_semaphore_init(&x->semaphores[0], KIO_SEMAPHORE_MAX);
    kio_release(&x->semaphores[0], 1);
}

static void forgets_none(void)
{
    kio_permits_forget(&x->permits[0]);
}

static void merges_two(void)
{
    for (int i = 0; i < 2; i++) {
        kio_semaphore_init(&x->semaphores[i], 1);
        must(kio_try_permits(&x->permits[i], &x->semaphores[i], 1) == 0);
    }
    kio_permits_merge(&x->permits[0], &x->permits[1]);
}

static void once_done_by_none(void)
{
    kio_once_done(&x->once_init);
}

static void token_empty(void)
{
    kio_cancel(&x->token);
}

/* ---- runtimes and tasks ------------------------------------------------------------------- */

static void blocks_on(void)
{
    kio_block_on(nothing);
}

static void tries_to_block_on(void)
{
    (void)!kio_runtime_try_block_on(other, NULL, seven);
}

static void drains_inside(void)
{
    (void)!kio_runtime_drain(rt, 0);
}

static void *returns(void *arg)
{
    return arg;
}

static void blocks_in_place(void)
{
    (void)kio_block_in_place(returns, NULL);
}

static void shuts_down_inside(void)
{
    (void)kio_runtime_shutdown(rt, 0);
}

static void frees_entered(void)
{
    x->before = kio_runtime_enter(other);
    x->entered = true;
    kio_runtime_free(other);
}

static void leaves_wrongly(void)
{
    kio_runtime_leave(gone);
}

static void blocks_on_gone(void)
{
    kio_runtime_block_on(gone, nothing);
}

static void blocks_on_none(void)
{
    kio_runtime_block_on(NULL, nothing);
}

static void tries_none(void)
{
    (void)!kio_runtime_try_block_on(NULL, NULL, seven);
}

static void blocks_without_memory(void)
{
    ki_mem_fail_at(1);
    kio_block_on(nothing);
}

static void spawns_nowhere(void)
{
    (void)kio_spawn(NULL, nothing);
}

static void spawns_local_nowhere(void)
{
    (void)kio_spawn_local(NULL, nothing);
}

static void spawns_in_no_scope(void)
{
    (void)kio_scope_spawn(&x->scope, nothing);
}

static void joins_no_scope(void)
{
    kio_scope_join(&x->scope);
}

static void output_unspawned(void)
{
    (void)kio_output(&x->handle, int);
}

static void output_early(void)
{
    must(kio_spawn(&x->handle, seven) == 0);
    (void)kio_output(&x->handle, int);
}

static void output_aborted(void)
{
    (void)kio_output(&aborted, int);
}

static void output_type(void)
{
    (void)kio_output(&ended, int64_t);
}

static void runs_set_twice(void)
{
    must(kio_local_set_new(&x->local) == 0);
    for (int i = 0; i < 2; i++) {
        kio_notified(&x->notified[i], &x->notify);
        (void)POLL(kio_local_run_until(&x->runs[i], &x->local, &x->notified[i]));
    }
}

/* ---- time, I/O ---------------------------------------------------------------------------- */

static void sleeps_nowhere(void)
{
    (void)POLL(kio_sleep(&x->nap, KIO_SEC));
}

static void looks_up_nowhere(void)
{
    (void)POLL(kio_lookup_host(&x->lookup, "localhost:1"));
}

static void opens_fd_nowhere(void)
{
    (void)!kio_fd_open(&x->fd, STDIN_FILENO);
}

static void reads_twice(void)
{
    must(kio_fd_open(&x->fd, eventfd(0, EFD_CLOEXEC)) == 0);
    for (int i = 0; i < 2; i++)
        (void)POLL(kio_readable(&x->readiness[i], &x->fd));
}

static void delays_polled(void)
{
    (void)POLL(kio_delay_queue(&x->delays, sizeof x->i32));
}

static void delays_large(void)
{
    kio_delay_queue(&x->delays, SIZE_MAX / 2);
}

static void delays_empty(void)
{
    (void)!kio_delay_queue_insert(&x->delays, &x->i32, 0, NULL);
}

static void delays_size(void)
{
    kio_delay_queue(&x->delays, sizeof x->i32);
    (void)!kio_delay_queue_insert(&x->delays, &x->i64, 0, NULL);
}

static void delays_twice(void)
{
    kio_delay_queue(&x->delays, sizeof x->i32);
    must(kio_delay_queue_insert(&x->delays, &x->i32, KIO_SEC, NULL) == 0);
    for (int i = 0; i < 2; i++)
        (void)POLL(kio_delay_queue_next(&x->delay_next[i], &x->delays, &x->i32));
}

static void frees_net_early(void)
{
    must(kio_net_new(&x->net, NULL) == 0);
    must(kio_net_listen(x->net, &x->listener, "host:1") == 0);
    kio_net_free(x->net);
}

static void cuts_other_stream(void)
{
    must(kio_duplex(&x->ends[0], &x->ends[1], 8) == 0);
    kio_net_cut(&x->ends[0]);
}

/* ---- iterators ---------------------------------------------------------------------------- */

static void iter_polled(void)
{
    (void)POLL(kio_iter_range(&x->range, 0, 9));
}

static void iter_empty(void)
{
    kio_iter_next(&x->next, &x->range, &x->i64);
}

static void iter_size(void)
{
    kio_iter_next(&x->next, kio_iter_range(&x->range, 0, 9), &x->i32);
}

static void source_empty(void)
{
    kio_iter_take(&x->take, &x->range, 1);
}

static void source_taken(void)
{
    kio_iter_take(&x->take, kio_iter_range(&x->range, 0, 9), 1);
    kio_iter_take(&x->other_take, &x->range, 1);
}

static void nop(void *arg, const void *in, void *out)
{
    (void)arg;
    (void)in;
    (void)out;
}

static void item_too_large(void)
{
    kio_iter_map(&x->map, kio_iter_array(&x->array, x->large, 2), sizeof x->i32, nop, NULL);
}

static void chain_of_sizes(void)
{
    kio_iter_chain(&x->chain, kio_iter_range(&x->range, 0, 9), kio_iter_array(&x->array, &x->i32, 1));
}

static void peeks_empty(void)
{
    kio_iter_peek(&x->peek, &x->peekable);
}

static void set_of_sizes(void)
{
    kio_iter_set(&x->iter_set, sizeof x->i32);
    (void)!kio_iter_set_add(&x->iter_set, 1, kio_iter_range(&x->range, 0, 9));
}

static void start_nothing(void *arg, const void *item, void *slot)
{
    (void)arg;
    (void)item;
    (void)slot;
}

static void buffers_none(void)
{
    kio_iter_buffered(&x->buffered, kio_iter_range(&x->range, 0, 9), x->jobs, 0, start_nothing, NULL);
}

static void buffers_nothing(void)
{
    kio_iter_buffered(&x->buffered, kio_iter_range(&x->range, 0, 9), x->jobs, 2, start_nothing, NULL);
    (void)POLL(kio_iter_next(&x->next, &x->buffered, &x->i32));
}

static void chunks_of_none(void)
{
    kio_iter_chunks(&x->chunks, kio_iter_range(&x->range, 0, 9), &x->i64, 0, 0);
}

static void iter_of_no_rx(void)
{
    kio_iter_rx(&x->iter_rx, &x->rx);
}

static void emits_size(void)
{
    x->emitter.size = sizeof x->i64;
    kio_emit(&x->emit, &x->emitter, &x->i32);
}

static void generates_nothing(void)
{
    kio_iter_generator(&x->generator, sizeof x->i32, &x->body, emits_nothing);
}

/* ---- in the program's own slots ----------------------------------------------------------- */

static void polls_over_slot(void)
{
    (void)poll(chosen->f);
}

static void awaits_slot(void)
{
    await_what(chosen->f);
}

/* ---- the table ---------------------------------------------------------------------------- */

enum where { IN_TASK = 1, OUTSIDE = 2, BOTH = 3 };

static const struct wrong {
    enum where where;
    void (*call)(void);
    const char *says, *fix;
} wrongs[] = {
    { BOTH, polls_empty, "an empty slot was polled", "make the future first" },
    { BOTH, polls_over, "was polled after it had finished", "a future is not polled again" },
    { BOTH, awaits_empty, "awaiter awaits an empty slot", "make the future in its slot first" },
    { BOTH, awaits_over, "a future that has finished", "a future is awaited once" },
    { BOTH, awaits_foreign, "which another future is awaiting", "a future has one owner" },
    { BOTH, moves, "awaiter was moved", "a future that was polled stays where it is" },
    { IN_TASK, lends_local, "borrower was given a pointer to a C local",
      "keep what a future refers to" },
    { IN_TASK, awaits_local, "lives in a C local", "make the slot a field of `self`" },
    { IN_TASK, receives_in_local, "kio_recv was given a C local as value", "keep it in `self`" },
    { BOTH, selects_empty, "kio_select was given an empty slot", "make each future in its slot first" },
    { BOTH, joins_null, "kio_join was given NULL", "leave it out, or use kio_select" },
    { BOTH, limits_over, "kio_timeout was given an empty slot or a finished", "make the future first" },
    { BOTH, unconstrained_over, "kio_unconstrained was given an empty slot or",
      "make the future first" },
    { BOTH, box_empty, "kio_boxed_output of a box that is empty", "await the box" },
    { BOTH, box_early, "kio_boxed_output of a box that has not ended", "await the box" },
    { BOTH, box_type, "kio_boxed_output of seven, whose result has 4 bytes",
      "name the type that stands" },
    { BOTH, set_polled, "a kio_future_set was awaited", "await(kio_future_set_next(" },
    { BOTH, set_none, "kio_future_set_output where no member was taken", "await kio_future_set_next" },
    { BOTH, set_type, "kio_future_set_output of seven, whose result has 4",
      "name the type that stands" },
    { BOTH, queue_polled, "a kio_future_queue was awaited", "await(kio_future_queue_next(" },
    { BOTH, queue_none, "kio_future_queue_output where no member", "await kio_future_queue_next" },
    { BOTH, queue_type, "kio_future_queue_output of seven, whose result", "name the type that stands" },
    { BOTH, share_empty, "kio_shared_clone got an empty handle", "kio_share first" },
    { BOTH, share_early, "kio_shared_output of seven, which has not ended",
      "await kio_shared_wait first" },
    { BOTH, share_type, "kio_shared_output of seven, whose result has 4 bytes",
      "name the type that stands" },
    { BOTH, mpsc_empty, "kio_try_send got an empty handle", "make the channel first" },
    { BOTH, mpsc_size, "the value has 8 bytes, the channel's messages 4",
      "hand over a pointer to the type" },
    { BOTH, oneshot_empty, "kio_oneshot_recv got an empty handle", "a oneshot handle is used once" },
    { BOTH, oneshot_size, "kio_oneshot_send: the value has 8 bytes",
      "hand over a pointer to the type" },
    { BOTH, watch_empty, "kio_watch_get got an empty handle", "make the channel first" },
    { BOTH, watch_size, "kio_watch_send: the value has 8 bytes", "hand over a pointer to the type" },
    { BOTH, broadcast_empty, "kio_broadcast_send got an empty handle", "make the channel first" },
    { BOTH, broadcast_size, "kio_broadcast_send: the value has 8", "hand over a pointer to the type" },
    { IN_TASK, send_blocks, "kio_blocking_send inside a task", "await the other form" },
    { IN_TASK, recv_blocks, "kio_blocking_recv inside a task", "await the other form" },
    { IN_TASK, oneshot_blocks, "kio_oneshot_blocking_recv inside a task", "await the other form" },
    { IN_TASK, broadcast_blocks, "kio_broadcast_blocking_recv inside a task", "await the other form" },
    { IN_TASK, lock_blocks, "kio_blocking_lock inside a task", "await the other form" },
    { IN_TASK, rwlock_blocks, "kio_blocking_write_lock inside a task", "await the other form" },
    { IN_TASK, acquire_blocks, "kio_blocking_acquire inside a task", "await the other form" },
    { BOTH, rwlock_none, "kio_rwlock_init for 0 readers", "a zeroed kio_rwlock lets any number in" },
    { BOTH, downgrades_reader, "kio_rw_downgrade", "downgrade a guard of kio_write_lock" },
    { BOTH, too_many_permits, "kio_semaphore_init: a semaphore has at most",
      "release what was acquired" },
    { BOTH, releases_too_many, "kio_release: a semaphore has at most", "release what was acquired" },
    { BOTH, forgets_none, "kio_permits_forget of a guard that holds no permits", "await kio_permits" },
    { BOTH, merges_two, "kio_permits_merge of permits of two semaphores",
      "merge guards of one semaphore" },
    { BOTH, once_done_by_none, "kio_once_done by one that does not initialise",
      "call it once, by who got 1" },
    { BOTH, token_empty, "kio_cancel got an empty token", "make the token first" },
    { IN_TASK, blocks_on, "kio_block_on inside a task", "await the function instead" },
    { IN_TASK, tries_to_block_on, "kio_runtime_try_block_on inside a task",
      "await the function instead" },
    { IN_TASK, drains_inside, "kio_runtime_drain inside a task", "await the function instead" },
    { IN_TASK, blocks_in_place, "kio_block_in_place on current_thread", "use kio_spawn_blocking" },
    { IN_TASK, shuts_down_inside, "a runtime is shut down from one of its own tasks",
      "let the main task" },
    { BOTH, frees_entered, "of a runtime that this thread has entered", "kio_runtime_leave it first" },
    { BOTH, leaves_wrongly, "kio_runtime_leave that does not belong to",
      "leave on the thread that entered" },
    { OUTSIDE, blocks_on_gone, "kio_runtime_block_on(nothing): ", "block on it before shutdown" },
    { OUTSIDE, blocks_on_none, "kio_runtime_block_on(nothing) got no runtime", "make one with" },
    { OUTSIDE, tries_none, "kio_runtime_try_block_on(seven) got no runtime", "make one with" },
    { OUTSIDE, blocks_without_memory, "kio_block_on(nothing) cannot make a runtime",
      "use kio_runtime_new" },
    { OUTSIDE, spawns_nowhere, "kio_spawn needs a runtime, and this thread has none",
      "call it in a task" },
    { OUTSIDE, spawns_local_nowhere, "kio_spawn_local where no local tasks run",
      "call it in a task of a" },
    { OUTSIDE, spawns_in_no_scope, "kio_scope_spawn outside a task",
      "call it in an async function that" },
    { BOTH, joins_no_scope, "a kio_scope that no async function owns is used",
      "make it a field of `self`" },
    { BOTH, output_unspawned, "was never spawned, or whose handle was dropped",
      "look at the handle's out" },
    { IN_TASK, output_early, "kio_output of a task that has not ended", "look at the handle's out" },
    { BOTH, output_aborted, "kio_output of a task that was aborted", "look at the handle's out" },
    { BOTH, output_type, "kio_output of seven, whose result has 4 bytes", "name the type that stands" },
    { BOTH, runs_set_twice, "a local set is run by two futures at once", "run a set by one future" },
    { OUTSIDE, sleeps_nowhere, "kio_sleep is polled on a thread that runs no tasks",
      "poll it in a task" },
    { OUTSIDE, looks_up_nowhere, "kio_lookup_host needs a runtime's blocking pool",
      "await it in a task" },
    { OUTSIDE, opens_fd_nowhere, "an fd needs a runtime's reactor", "open it in a task" },
    { IN_TASK, reads_twice, "two futures wait to read from fd", "let one task read and one write" },
    { BOTH, delays_polled, "a kio_delay_queue was awaited", "await(kio_delay_queue_next(" },
    { BOTH, delays_large, "kio_delay_queue of values of", "let the values be pointers" },
    { BOTH, delays_empty, "kio_delay_queue_insert was given an empty queue", "make it first" },
    { BOTH, delays_size, "kio_delay_queue_insert: the value has 8 bytes",
      "hand over a pointer to the type" },
    { IN_TASK, delays_twice, "two futures wait for the same kio_delay_queue",
      "await one kio_delay_queue" },
    { BOTH, frees_net_early, "kio_net_free while somebody listens at host:1", "kio_net_close() every" },
    { BOTH, cuts_other_stream, "kio_net_cut of a stream that is not of this network",
      "hand over an end" },
    { BOTH, iter_polled, "an iterator was awaited (kio_iter_range)", "await(kio_iter_next(" },
    { BOTH, iter_empty, "kio_iter_next was given an empty iterator", "make it first" },
    { BOTH, iter_size, "kio_iter_next: the value has 4 bytes", "hand over a pointer to the type" },
    { BOTH, source_empty, "kio_iter_take was given an empty iterator", "make the source first" },
    { BOTH, source_taken, "an iterator that another one owns", "an iterator has one consumer" },
    { BOTH, item_too_large, "the source's items have 300 bytes", "let the items be pointers" },
    { BOTH, chain_of_sizes, "kio_iter_chain of items of 8 and of 4 bytes", "map one of them" },
    { BOTH, peeks_empty, "kio_iter_peek was given an empty iterator", "make it first" },
    { BOTH, set_of_sizes, "kio_iter_set_add of items of 8 bytes to a set of 4",
      "map it to the set's type" },
    { BOTH, buffers_none, "kio_iter_buffered with no slot", "hand over at least one slot" },
    { BOTH, buffers_nothing, "start made no future of the jobs' type", "let it be async_call(" },
    { BOTH, chunks_of_none, "kio_iter_chunks: an array of 0 items",
      "hand over an array of at least one" },
    { BOTH, iter_of_no_rx, "kio_iter_rx got an empty handle", "make the channel first" },
    { BOTH, emits_size, "kio_emit: the value has 4 bytes, an item 8",
      "emit the type that the iterator" },
    { BOTH, generates_nothing, "emits_nothing is not an async_fn(int)", "declare it async_fn(int)" },
};

static void wake_nobody(struct kio_wakeable *w)
{
    (void)w;
}

static kio_context *outside_context(void)
{
    static const kio_waker_type nobody = { .name = "nobody", .wake = wake_nobody };
    static struct kio_wakeable wakeable = { &nobody };
    static kio_context outside;

    kio_context_init(&outside, (kio_waker){ &wakeable });
    return &outside;
}

static void try_wrong(const struct wrong *w)
{
    bool failed;

    x = calloc(1, sizeof *x);
    must(x);
    failed = provoke(w->call);
    release();
    if (!failed || !strstr(said, w->says) || !strstr(said, "  fix: ") || !strstr(said, w->fix))
        fprintf(stderr, "expected \"%s\" and \"%s\", and got: %s\n", w->says, w->fix, said);
    must(failed && strstr(said, w->says));
    must(strstr(strstr(said, "  fix: "), w->fix));
}

/* A wrong call in one of the program's slots, if it has one for it. */
static void wrong_in_slot(bool polls)
{
    static const struct wrong over = { BOTH, polls_over_slot, "polled after it had finished",
                                       "read its `out`" };
    static const struct wrong again = { BOTH, awaits_slot, "a future that has finished",
                                        "is awaited once" };
    static const struct wrong twice = { BOTH, awaits_slot, "which another future is awaiting",
                                        "one owner" };

    chosen = &slots[byte() % SLOTS];
    if (!chosen->kind)
        return;
    if (!kio_is_live_(chosen->f))
        try_wrong(polls ? &over : &again);
    else if (chosen->f->prev)
        try_wrong(&twice);
}

void wrong_step(struct kio_runtime *runtime, kio_context *cx)
{
    unsigned which = byte() % (COUNT(wrongs) + 2);

    rt = runtime;
    context = cx ? cx : outside_context();
    if (which >= COUNT(wrongs))
        wrong_in_slot(which & 1);
    else if (wrongs[which].where & (cx ? IN_TASK : OUTSIDE))
        try_wrong(&wrongs[which]);
}

void guards_tour(struct kio_runtime *runtime, kio_context *cx)
{
    rt = runtime;
    context = cx ? cx : outside_context();
    for (size_t i = 0; i < COUNT(wrongs); i++) {
        if (!(wrongs[i].where & (cx ? IN_TASK : OUTSIDE)))
            continue;
        try_wrong(&wrongs[i]);
        fputs(said, stdout);
    }
}
