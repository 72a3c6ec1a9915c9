/*
 * Futurelock (Oxide's RFD 609), for each thing that has a line: a future that stands in it lost a
 * select, lives on unpolled because its function owns it, and the function then waits in the same
 * line, behind it. The dump names it. Where all who wait are woken together it cannot happen, and
 * the dump names nothing.
 */
#include "support/rt.h"

#include <kioto/debug.h>

/* noinline: gcc 12 takes what comes out for a pointer to a local. */
__attribute__((noinline)) static char *dumped(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);

    assert_non_null(to);
    assert_int_equal(kio_runtime_dump(rt, to), 0);
    fclose(to);
    return text;
}

enum kind {
    MUTEX,
    RW_READ,
    RW_WRITE,
    SEMAPHORE,
    PERMITS,
    NOTIFY,
    ONCE,
    /* from here on all are woken together */
    SET_ONCE,
    SHARED,
    CANCELLED,
    KINDS,
};

static const char *const names[] = { "mutex",  "rwlock", "rwlock",    "semaphore",     "semaphore",
                                     "notify", "once",   "set once",  "shared future", "cancel token" };

/* Held by nobody that will let go: everybody who comes has to wait. */
static struct {
    struct kio_mutex mutex;
    struct kio_rwlock rw;
    struct kio_semaphore semaphore;
    struct kio_notify notify;
    struct kio_once_cell once;
    struct kio_set_once set;
    struct kio_shared future;
    struct kio_cancel_token token;
    struct kio_lock lock;
    struct kio_rw_guard rw_guard;
    struct kio_once_init once_init;
} shared;

struct never {
    async_fn(int);
    struct kio_notify nobody;
    struct kio_notified wait;
};

async(never)
{
    async_begin;
    await(kio_notified(&self->wait, &self->nobody));
    async_return(0);
}

static void hold_all(void)
{
    memset(&shared, 0, sizeof shared);
    assert_int_equal(kio_try_lock(&shared.lock, &shared.mutex), 0);
    assert_int_equal(kio_try_write_lock(&shared.rw_guard, &shared.rw), 0);
    assert_int_equal(kio_try_once_init(&shared.once_init, &shared.once), 1);
    assert_int_equal(kio_share(&shared.future, never), 0);
    assert_int_equal(kio_cancel_token_new(&shared.token, NULL), 0);
}

static void let_go_of_all(void)
{
    kio_unlock(&shared.lock);
    kio_rw_unlock(&shared.rw_guard);
    kio_drop(&shared.once_init);
    kio_shared_drop(&shared.future);
    kio_cancel_token_drop(&shared.token);
}

/* ---- the task ------------------------------------------------------------------------------ */

struct stands_in_line {
    async_fn(void);
    enum kind kind;
    struct kio_lock lock;
    struct kio_rw_guard rw;
    struct kio_acquire acquire;
    struct kio_permits permits;
    struct kio_notified notified;
    struct kio_once_init once;
    struct kio_set_once_wait set;
    struct kio_shared_wait wait;
    struct kio_cancelled cancelled;
};

async(stands_in_line)
{
    async_begin;
    switch (self->kind) {
    case MUTEX:
        await(kio_lock(&self->lock, &shared.mutex));
        break;
    case RW_READ:
        await(kio_read_lock(&self->rw, &shared.rw));
        break;
    case RW_WRITE:
        await(kio_write_lock(&self->rw, &shared.rw));
        break;
    case SEMAPHORE:
        await(kio_acquire(&self->acquire, &shared.semaphore, 1));
        break;
    case PERMITS:
        await(kio_permits(&self->permits, &shared.semaphore, 1));
        break;
    case NOTIFY:
        await(kio_notified(&self->notified, &shared.notify));
        break;
    case ONCE:
        await(kio_once_init(&self->once, &shared.once));
        break;
    case SET_ONCE:
        await(kio_set_once_wait(&self->set, &shared.set));
        break;
    case SHARED:
        await(kio_shared_wait(&self->wait, &shared.future));
        break;
    case CANCELLED:
        await(kio_cancelled(&self->cancelled, &shared.token));
        break;
    case KINDS:
        break;
    }
    async_return();
}

struct locked {
    async_fn(void);
    enum kind kind;
    struct stands_in_line first, second;
    struct kio_yield tick;
    struct kio_select either;
};

async(locked)
{
    async_begin;
    kio_task_set_name("locked");
    async_let(async_call(&self->first, stands_in_line, .kind = self->kind));
    await(kio_select(&self->either, &self->first, kio_yield_now(&self->tick)));
    assert_int_equal(self->either.out, 1);
    await(async_call(&self->second, stands_in_line, .kind = self->kind)); /* behind the first */
    async_return();
}

struct finds {
    async_fn(void);
    enum kind kind;
    struct kio_join_handle task;
    struct kio_yield y;
    char *text;
    int i;
};

async(finds)
{
    async_begin;
    hold_all();
    kio_spawn(&self->task, locked, .kind = self->kind);
    for (self->i = 0; self->i < 1000000; self->i++) { /* until it waits for the second */
        await(kio_yield_now(&self->y));
        self->text = dumped();
        if (strstr(self->text, "stands_in_line") && strstr(self->text, "&self->second"))
            break;
        free(self->text);
        self->text = NULL;
    }
    assert_non_null(self->text);
    if (self->kind < SET_ONCE) {
        char expected[100];

        snprintf(expected, sizeof expected, "has a place in the line of %s", names[self->kind]);
        assert_non_null(strstr(self->text, "futurelock: in task"));
        assert_non_null(strstr(self->text, expected));
    } else {
        assert_non_null(strstr(self->text, names[self->kind]));
        assert_null(strstr(self->text, "futurelock: in"));
    }
    free(self->text);
    kio_abort(&self->task);
    await(&self->task);
    let_go_of_all();
    async_return();
}

static void a_futurelock_is_found_in_every_line(void **state)
{
    (void)state;
    for (enum kind kind = 0; kind < SET_ONCE; kind++)
        run(finds, .kind = kind);
}

static void there_is_no_futurelock_where_all_are_woken_together(void **state)
{
    (void)state;
    for (enum kind kind = SET_ONCE; kind < KINDS; kind++)
        run(finds, .kind = kind);
}

/* ---- and how it is avoided ----------------------------------------------------------------- */

struct drops_it_first {
    async_fn(void);
    enum kind kind;
    struct stands_in_line first, second;
    struct kio_yield tick;
    struct kio_select either;
};

async(drops_it_first)
{
    async_begin;
    async_let(async_call(&self->first, stands_in_line, .kind = self->kind));
    await(kio_select(&self->either, &self->first, kio_yield_now(&self->tick)));
    assert_int_equal(self->either.out, 1);
    kio_drop(&self->first);
    let_go_of_all();
    kio_release(&shared.semaphore, 1);
    kio_notify_one(&shared.notify);
    await(async_call(&self->second, stands_in_line, .kind = self->kind));
    async_return();
}

static void one_that_is_dropped_before_the_second_wait_locks_nothing(void **state)
{
    (void)state;
    for (enum kind kind = 0; kind < SET_ONCE; kind++) {
        hold_all();
        run(drops_it_first, .kind = kind);
    }
}

RT_MAIN(RT(a_futurelock_is_found_in_every_line), RT(there_is_no_futurelock_where_all_are_woken_together),
        RT(one_that_is_dropped_before_the_second_wait_locks_nothing))
