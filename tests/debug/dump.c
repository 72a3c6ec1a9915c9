/*
 * The task dump, line by line. What differs from run to run is replaced: task ids are dropped (every
 * task of these tests has a name), addresses become #1, #2 in the order of the text, places keep the
 * file's name alone. Tasks are sorted by name, and the test's own, "main", is left out.
 */
#include "support/rt.h"
#include "base/lock.h"
#include "base/mem.h"

#include <kioto/debug.h>

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

/* ---- a dump as text ----------------------------------------------------------------------- */

/* noinline: gcc 12 takes what comes out for a pointer to a local. */
__attribute__((noinline)) static char *text_of(int (*dump)(FILE *))
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);

    assert_non_null(to);
    assert_int_equal(dump(to), 0);
    fclose(to);
    return text;
}

static int dump_rt(FILE *to)
{
    return kio_runtime_dump(rt, to);
}

/* "task 12 "bob"" -> "task bob"; "/a/b/dump.c:31" -> "dump.c"; "line 7:" -> "line:". Addresses later. */
static void simplify(char *text)
{
    char *out = text;

    for (const char *in = text; *in;) {
        int skip = 0;
        unsigned long long id;

        if (sscanf(in, "task %llu%n", &id, &skip) == 1 && skip && (in == text || in[-1] != 'k')) {
            out += sprintf(out, "task");
            in += skip;
        } else if (*in == '"') {
            in++;
        } else if (!strncmp(in, ", not polled since the dump", 27)) {
            in = strchr(in, '\n');
        } else if (!strncmp(in, "line ", 5) && in[5] >= '0' && in[5] <= '9') {
            out += sprintf(out, "line");
            in += 5 + strspn(in + 5, "0123456789");
        } else if ((*in == '/' || !strncmp(in, "../", 3)) && strchr(in, '\n') > strchr(in, ')')) {
            const char *end = strchr(in, ':');
            const char *name = end;

            while (name[-1] != '/')
                name--;
            while (name < end)
                *out++ = *name++;
            in = end + 1 + strspn(end + 1, "0123456789");
        } else {
            *out++ = *in++;
        }
    }
    *out = '\0';
}

static void number_addresses(char *text)
{
    void *seen[32];
    int count = 0;
    char *out = text;

    for (const char *in = text; *in;) {
        void *at;
        int skip = 0;
        int i;

        if (strncmp(in, "0x", 2) || sscanf(in, "%p%n", &at, &skip) != 1) {
            *out++ = *in++;
            continue;
        }
        for (i = 0; i < count && seen[i] != at; i++)
            ;
        if (i == count)
            seen[count++] = at;
        out += sprintf(out, "#%d", i + 1);
        in += skip;
    }
    *out = '\0';
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The tasks between the first line and what was found, sorted. Gives a new text. */
static char *sort_tasks(const char *text)
{
    char *blocks[64];
    int count = 0;
    const char *at = strchr(text, '\n') + 1;
    char *sorted = calloc(1, strlen(text) + 1);

    strncpy(sorted, text, (size_t)(at - text));
    while (!strncmp(at, "task", 4)) {
        const char *end = strchr(at, '\n') + 1;

        while (*end == ' ')
            end = strchr(end, '\n') + 1;
        if (strncmp(at, "task main", 9)) /* the test itself: where it is differs */
            blocks[count++] = strndup(at, (size_t)(end - at));
        at = end;
    }
    qsort(blocks, (size_t)count, sizeof blocks[0], by_text);
    for (int i = 0; i < count; i++) {
        strcat(sorted, blocks[i]);
        free(blocks[i]);
    }
    return strcat(sorted, at);
}

static void assert_dump(int (*dump)(FILE *), const char *want)
{
    char *text = text_of(dump);
    char *sorted;

    simplify(text);
    sorted = sort_tasks(text);
    number_addresses(sorted);
    /* The first line tells the flavors apart; the numbers in it are compared. */
    if (strcmp(strchr(sorted, ':') + 2, want))
        fprintf(stderr, "%s\n-- is not --\n%s", strchr(sorted, ':') + 2, want);
    assert_string_equal(strchr(sorted, ':') + 2, want);
    free(text);
    free(sorted);
}

static bool dump_has(const char *what)
{
    char *text = text_of(dump_rt);
    bool has = strstr(text, what) != NULL;

    free(text);
    return has;
}

/* A line has it that is not settle's own call, in which it stands too. */
static bool dump_says(const char *what)
{
    char *text = text_of(dump_rt);
    bool has = false;

    for (char *line = text, *end; !has && *line; line = end) {
        end = strchr(line, '\n') + 1;
        char *copy = strndup(line, (size_t)(end - line));
        has = strstr(copy, what) && !strstr(copy, "async_call(&self->settle");
        free(copy);
    }
    free(text);
    return has;
}

/* Until the dump says so; others run meanwhile. */
struct settle {
    async_fn(void);
    const char *text;
    struct kio_sleep nap;
};

async(settle)
{
    async_begin;
    while (!dump_says(self->text))
        await(kio_sleep(&self->nap, KIO_MS));
    async_return();
}

/* ---- trees, files and lines --------------------------------------------------------------- */

struct inner {
    async_fn(void);
    struct kio_oneshot_rx *rx;
    struct kio_oneshot_recv recv;
    int value;
};

enum { INNER_LINE = __LINE__ + 5 };

async(inner)
{
    async_begin;
    await(kio_oneshot_recv(&self->recv, self->rx, &self->value));
    async_return();
}

struct outer {
    async_fn(void);
    const char *name;
    struct kio_oneshot_rx rx;
    struct inner inner;
};

static void outer_drop(struct outer *self)
{
    kio_oneshot_rx_drop(&self->rx);
}

async(outer, outer_drop)
{
    async_begin;
    kio_task_set_name(self->name);
    await(async_call(&self->inner, inner, .rx = &self->rx));
    async_return();
}

struct tree {
    async_fn(void);
    struct kio_oneshot_tx tx;
    struct kio_oneshot_rx rx;
    struct kio_join_handle task;
    struct settle settle;
    char place[80];
};

async(tree)
{
    async_begin;
    kio_task_set_name("main");
    assert_int_equal(kio_oneshot_channel(&self->tx, &self->rx, sizeof(int)), 0);
    kio_spawn(&self->task, outer, .name = "waiter", .rx = self->rx);
    await(async_call(&self->settle, settle, .text = " 1 idle"));
    assert_dump(dump_rt,
                "1 running, 0 queued, 1 idle, 0 over, 0 blocking jobs\n"
                "task waiter: idle\n"
                "  outer (dump.c), line: async_call(&self->inner, inner, .rx = &self->rx)\n"
                "    inner (dump.c), line: kio_oneshot_recv(&self->recv, self->rx, &self->value)\n"
                "      kio_oneshot_recv: oneshot #1, known to task main\n");
    assert_true(dump_has(" \"main\": running, and makes this dump\n  tree ("));
    assert_true(dump_has(", has waited in line"));
    assert_true(dump_has("not polled since the dump 0."));
    snprintf(self->place, sizeof self->place, "dump.c:%d), line %d: kio_oneshot_recv(", INNER_LINE - 3,
             INNER_LINE);
    assert_true(dump_has(self->place));
    kio_oneshot_tx_drop(&self->tx);
    await(&self->task);
    async_return();
}

static void a_task_is_shown_with_what_it_awaits_as_a_tree(void **state)
{
    (void)state;
    run(tree);
}


/* ---- for how long, where polls are measured -------------------------------------------------- */

static double idle_for(void)
{
    char *text = text_of(dump_rt);
    const char *at = strstr(text, "\"waiter\": idle, for ");
    double s = at ? strtod(at + strlen("\"waiter\": idle, for "), NULL) : -1;

    free(text);
    return s;
}

struct measured {
    async_fn(void);
    struct kio_oneshot_tx tx;
    struct kio_oneshot_rx rx;
    struct kio_join_handle task;
    struct settle settle;
    struct kio_sleep nap;
    double before;
};

async(measured)
{
    async_begin;
    assert_int_equal(kio_oneshot_channel(&self->tx, &self->rx, sizeof(int)), 0);
    kio_spawn(&self->task, outer, .name = "waiter", .rx = self->rx);
    await(async_call(&self->settle, settle, .text = "\"waiter\": idle"));
    self->before = idle_for();
    assert_true(self->before >= 0);
    await(kio_sleep(&self->nap, 30 * KIO_MS));
    assert_true(idle_for() >= self->before + 0.029); /* what is shown is rounded */
    kio_oneshot_tx_drop(&self->tx);
    await(&self->task);
    async_return();
}

static void where_polls_are_measured_a_task_says_for_how_long_it_waits(void **state)
{
    struct kio_runtime *usual = rt;

    (void)state;
    assert_int_equal(kio_runtime_new(&rt, &(struct kio_runtime_config){
                                              .flavor = rt_flavor, .workers = 2, .time_polls = true }), 0);
    run(measured);
    kio_runtime_free(rt);
    rt = usual;
}

/* ---- the other end of a channel ----------------------------------------------------------- */

struct client {
    async_fn(void);
    struct kio_oneshot_rx rx;
    struct kio_oneshot_recv recv;
    int value;
};

static void client_drop(struct client *self)
{
    kio_oneshot_rx_drop(&self->rx);
}

async(client, client_drop)
{
    async_begin;
    kio_task_set_name("client");
    await(kio_oneshot_recv(&self->recv, &self->rx, &self->value));
    async_return();
}

struct server {
    async_fn(void);
    struct kio_oneshot_tx reply;
    struct kio_notify *go;
    struct kio_notified going;
};

static void server_drop(struct server *self)
{
    kio_oneshot_tx_drop(&self->reply);
}

async(server, server_drop)
{
    async_begin;
    kio_task_set_name("server");
    await(kio_notified(&self->going, self->go));
    async_return();
}

struct ask {
    async_fn(void);
    struct kio_notify go;
    struct kio_join_handle client, server;
    struct settle settle;
};

async(ask)
{
    struct kio_oneshot_tx tx;
    struct kio_oneshot_rx rx;

    async_begin;
    kio_task_set_name("main");
    assert_int_equal(kio_oneshot_channel(&tx, &rx, sizeof(int)), 0);
    kio_spawn(&self->client, client, .rx = rx);
    kio_spawn(&self->server, server, .reply = tx, .go = &self->go);
    await(async_call(&self->settle, settle, .text = " 2 idle"));
    assert_dump(dump_rt,
                "1 running, 0 queued, 2 idle, 0 over, 0 blocking jobs\n"
                "task client: idle\n"
                "  client (dump.c), line: kio_oneshot_recv(&self->recv, &self->rx, &self->value)\n"
                "    kio_oneshot_recv: oneshot #1, known to task server\n"
                "task server: idle\n"
                "  server (dump.c), line: kio_notified(&self->going, self->go)\n"
                "    kio_notified: notify #2, 1 of 1 in line\n");
    kio_notify_one(&self->go);
    await(&self->server);
    await(&self->client);
    async_return();
}

static void who_waits_for_a_channel_sees_whose_frame_has_the_other_end(void **state)
{
    (void)state;
    run(ask);
}

/* ---- cycles ------------------------------------------------------------------------------- */

static struct kio_mutex left, right;

struct taker {
    async_fn(void);
    const char *name;
    struct kio_mutex *first, *second;
    struct kio_notify *go;
    struct kio_lock one, two;
    struct kio_notified start;
};

async(taker)
{
    async_begin;
    kio_task_set_name(self->name);
    await(kio_lock(&self->one, self->first));
    await(kio_notified(&self->start, self->go));
    await(kio_lock(&self->two, self->second));
    async_return();
}

struct cross {
    async_fn(void);
    struct kio_notify go;
    struct kio_join_handle alice, bob;
    struct settle settle;
};

async(cross)
{
    async_begin;
    kio_task_set_name("main");
    kio_spawn(&self->alice, taker, .name = "alice", .first = &left, .second = &right, .go = &self->go);
    kio_spawn(&self->bob, taker, .name = "bob", .first = &right, .second = &left, .go = &self->go);
    await(async_call(&self->settle, settle, .text = "2 idle")); /* both hold one and wait for go */
    kio_notify_waiters(&self->go);
    await(async_call(&self->settle, settle, .text = "cycle: waits"));
    assert_dump(dump_rt,
                "1 running, 0 queued, 2 idle, 0 over, 0 blocking jobs\n"
                "task alice: idle\n"
                "  taker (dump.c), line: kio_lock(&self->two, self->second)\n"
                "    kio_lock: mutex #1, 1 of 1 in line, held by task bob\n"
                "  + kio_lock: has mutex #2, 1 in line\n"
                "task bob: idle\n"
                "  taker (dump.c), line: kio_lock(&self->two, self->second)\n"
                "    kio_lock: mutex #2, 1 of 1 in line, held by task alice\n"
                "  + kio_lock: has mutex #1, 1 in line\n"
                "cycle: waits for ever, each for the next:\n"
                "  task alice waits for mutex #1, held by task bob\n"
                "  task bob waits for mutex #2, held by task alice\n");
    kio_abort(&self->alice);
    await(&self->alice);
    await(&self->bob);
    async_return();
}

static void tasks_that_wait_for_each_others_locks_are_shown_as_a_cycle(void **state)
{
    (void)state;
    run(cross);
    assert_false(left.held);
    assert_false(right.held);
}
/* ---- futurelock --------------------------------------------------------------------------- */

/* The story of Oxide's RFD 609: a future that is in the lock's line is given up for a while, not
 * dropped; the lock comes to it, and nobody polls it. */
struct locks_and_goes {
    async_fn(void);
    struct kio_mutex *mutex;
    struct kio_lock guard;
};

async(locks_and_goes)
{
    async_begin;
    await(kio_lock(&self->guard, self->mutex));
    async_return();
}

struct holds_for_a_while {
    async_fn(void);
    struct kio_mutex *mutex;
    struct kio_notify *let_go;
    struct kio_lock guard;
    struct kio_notified going;
};

async(holds_for_a_while)
{
    async_begin;
    kio_task_set_name("holder");
    await(kio_lock(&self->guard, self->mutex));
    await(kio_notified(&self->going, self->let_go));
    async_return();
}

struct futurelocked {
    async_fn(void);
    struct kio_mutex *mutex;
    struct kio_notify *tick;
    struct locks_and_goes first, second;
    struct kio_notified ticked;
    struct kio_select either;
};

async(futurelocked)
{
    async_begin;
    kio_task_set_name("locked");
    async_let(async_call(&self->first, locks_and_goes, .mutex = self->mutex));
    await(kio_select(&self->either, &self->first, kio_notified(&self->ticked, self->tick)));
    assert_int_equal(self->either.out, 1);
    await(async_call(&self->second, locks_and_goes, .mutex = self->mutex));
    async_return();
}

struct futurelock {
    async_fn(void);
    struct kio_mutex mutex;
    struct kio_notify let_go, tick;
    struct kio_join_handle holder, locked;
    struct settle settle;
};

async(futurelock)
{
    async_begin;
    kio_task_set_name("main");
    kio_spawn(&self->holder, holds_for_a_while, .mutex = &self->mutex, .let_go = &self->let_go);
    await(async_call(&self->settle, settle, .text = " 1 idle"));
    kio_spawn(&self->locked, futurelocked, .mutex = &self->mutex, .tick = &self->tick);
    await(async_call(&self->settle, settle, .text = " 2 idle"));
    kio_notify_one(&self->tick);
    await(async_call(&self->settle, settle, .text = "2 of 2 in line"));
    assert_dump(dump_rt,
                "1 running, 0 queued, 2 idle, 0 over, 0 blocking jobs\n"
                "task holder: idle\n"
                "  holds_for_a_while (dump.c), line: kio_notified(&self->going, self->let_go)\n"
                "    kio_notified: notify #1, 1 of 1 in line\n"
                "  + kio_lock: has mutex #2, 2 in line\n"
                "task locked: idle\n"
                "  futurelocked (dump.c), line: async_call(&self->second, locks_and_goes, .mutex = "
                "self->mutex)\n"
                "    locks_and_goes (dump.c), line: kio_lock(&self->guard, self->mutex)\n"
                "      kio_lock: mutex #2, 2 of 2 in line, held by task holder\n"
                "  + locks_and_goes (dump.c), not polled, line: kio_lock(&self->guard, self->mutex)\n"
                "      kio_lock: mutex #2, 1 of 2 in line, held by task holder\n"
                "futurelock: in task locked, locks_and_goes (dump.c) is not polled and has a place in "
                "the line of mutex #2\n"
                "  which is waited for by task locked\n");
    kio_notify_one(&self->let_go);
    await(&self->holder);
    await(async_call(&self->settle, settle, .text = "cycle: waits"));
    assert_dump(dump_rt,
                "1 running, 0 queued, 1 idle, 1 over, 0 blocking jobs\n"
                "task locked: idle\n"
                "  futurelocked (dump.c), line: async_call(&self->second, locks_and_goes, .mutex = "
                "self->mutex)\n"
                "    locks_and_goes (dump.c), line: kio_lock(&self->guard, self->mutex)\n"
                "      kio_lock: mutex #1, 1 of 1 in line, held by this task\n"
                "  + locks_and_goes (dump.c), not polled, line: kio_lock(&self->guard, self->mutex)\n"
                "      kio_lock: was given, and has not looked: mutex #1, 1 in line\n"
                "task: done, its handle has not been dropped\n"
                "futurelock: in task locked, locks_and_goes (dump.c) is not polled and has mutex #1\n"
                "  which is waited for by task locked\n"
                "cycle: waits for ever, each for the next:\n"
                "  task locked waits for mutex #1, held by itself\n");
    kio_abort(&self->locked);
    await(&self->locked);
    async_return();
}

static void a_future_that_has_a_lock_and_is_not_polled_is_shown_as_a_futurelock(void **state)
{
    (void)state;
    run(futurelock);
}

/* ---- every kind of thing to wait for ------------------------------------------------------ */

struct shared {
    struct kio_rwlock rw;
    struct kio_semaphore few;
    struct kio_barrier barrier;
    struct kio_once_cell once;
    struct kio_notify stop;
    struct kio_tx tx;
    struct kio_rx rx;
};

#define WAITER(name_, slots, body)                                                                 \
    struct name_ {                                                                                 \
        async_fn(void);                                                                            \
        struct shared *s;                                                                          \
        slots                                                                                      \
    };                                                                                             \
    async(name_)                                                                                   \
    {                                                                                              \
        async_begin;                                                                               \
        kio_task_set_name(#name_);                                                                 \
        body                                                                                       \
        async_return();                                                                            \
    }

WAITER(reader, struct kio_rw_guard g; struct kio_notified n;, {
    await(kio_read_lock(&self->g, &self->s->rw));
    await(kio_notified(&self->n, &self->s->stop));
})
WAITER(writer, struct kio_rw_guard g;, { await(kio_write_lock(&self->g, &self->s->rw)); })
WAITER(acquirer, struct kio_acquire a;, { await(kio_acquire(&self->a, &self->s->few, 3)); })
WAITER(comer, struct kio_barrier_wait b;, { await(kio_barrier_wait(&self->b, &self->s->barrier)); })
WAITER(maker, struct kio_once_init o; struct kio_notified n;, {
    await(kio_once_init(&self->o, &self->s->once));
    await(kio_notified(&self->n, &self->s->stop));
})
WAITER(user, struct kio_once_init o;, { await(kio_once_init(&self->o, &self->s->once)); })
WAITER(sender, struct kio_send send; int v;, { await(kio_send(&self->send, &self->s->tx, &self->v)); })
WAITER(timed, struct kio_timeout t; struct kio_recv r; int v;, {
    await(kio_timeout(&self->t, KIO_SEC, kio_recv(&self->r, &self->s->rx, &self->v)));
})

struct kinds {
    async_fn(void);
    struct shared s;
    struct kio_join_set set;
    struct kio_join_next next;
    struct settle settle;
    int v;
};

static void kinds_drop(struct kinds *self)
{
    kio_tx_drop(&self->s.tx);
    kio_rx_drop(&self->s.rx);
}

async(kinds, kinds_drop)
{
    async_begin;
    kio_task_set_name("main");
    kio_semaphore_init(&self->s.few, 2);
    kio_barrier_init(&self->s.barrier, 3);
    assert_int_equal(kio_mpsc_channel(&self->s.tx, &self->s.rx, sizeof(int), 1), 0);
    assert_int_equal(kio_try_send(&self->s.tx, &self->v), 0);
    kio_join_set_spawn(&self->set, reader, .s = &self->s);
    await(async_call(&self->settle, settle, .text = " 1 idle"));
    kio_join_set_spawn(&self->set, maker, .s = &self->s);
    await(async_call(&self->settle, settle, .text = " 2 idle"));
    kio_join_set_spawn(&self->set, writer, .s = &self->s);
    kio_join_set_spawn(&self->set, acquirer, .s = &self->s);
    kio_join_set_spawn(&self->set, comer, .s = &self->s);
    kio_join_set_spawn(&self->set, user, .s = &self->s);
    kio_join_set_spawn(&self->set, sender, .s = &self->s);
    await(async_call(&self->settle, settle, .text = " 7 idle"));
    assert_dump(dump_rt,
                "1 running, 0 queued, 7 idle, 0 over, 0 blocking jobs\n"
                "task acquirer: idle\n"
                "  acquirer (dump.c), line: kio_acquire(&self->a, &self->s->few, 3)\n"
                "    kio_acquire: semaphore #1, 3 wanted, 2 free, 1 of 1 in line\n"
                "task comer: idle\n"
                "  comer (dump.c), line: kio_barrier_wait(&self->b, &self->s->barrier)\n"
                "    kio_barrier_wait: barrier #2, 1 of 3 have come\n"
                "task maker: idle\n"
                "  maker (dump.c), line: kio_notified(&self->n, &self->s->stop)\n"
                "    kio_notified: notify #3, 2 of 2 in line\n"
                "  + kio_once_init: has once #4, 1 in line\n"
                "task reader: idle\n"
                "  reader (dump.c), line: kio_notified(&self->n, &self->s->stop)\n"
                "    kio_notified: notify #3, 1 of 2 in line\n"
                "  + kio_read_lock or kio_write_lock: has rwlock #5, to read, 1 in line\n"
                "task sender: idle\n"
                "  sender (dump.c), line: kio_send(&self->send, &self->s->tx, &self->v)\n"
                "    kio_send: channel #6, 1 of 1 queued, the receiver does not wait, 1 of 1 in line, "
                "known to task main\n"
                "task user: idle\n"
                "  user (dump.c), line: kio_once_init(&self->o, &self->s->once)\n"
                "    kio_once_init: once #4, 1 of 1 in line, held by task maker\n"
                "task writer: idle\n"
                "  writer (dump.c), line: kio_write_lock(&self->g, &self->s->rw)\n"
                "    kio_read_lock or kio_write_lock: rwlock #5, to write, 1 read it, 1 of 1 in line, "
                "held by task reader\n");
    assert_int_equal(kio_try_recv(&self->s.rx, &self->v), 1);
    await(kio_join_next(&self->next, &self->set)); /* the sender */
    assert_int_equal(kio_try_recv(&self->s.rx, &self->v), 1);
    kio_join_set_abort_all(&self->set);
    await(kio_join_set_shutdown(&self->next, &self->set));
    kio_join_set_spawn(&self->set, timed, .s = &self->s);
    await(async_call(&self->settle, settle, .text = " 1 idle"));
    kio_tx_drop(&self->s.tx);
    await(kio_join_next(&self->next, &self->set));
    kio_join_set_drop(&self->set);
    async_return();
}

static void what_a_task_waits_for_is_named_with_who_has_it(void **state)
{
    (void)state;
    run(kinds);
}
/* ---- permits ------------------------------------------------------------------------------ */

struct pool {
    struct kio_semaphore permits;
    struct kio_mutex mutex;
    struct kio_notify go, stop;
};

/* Has three of four permits, in two guards, and waits for what the third task has. */
struct alice {
    async_fn(void);
    struct pool *pool;
    struct kio_permits one, two;
    struct kio_notified go;
    struct kio_lock lock;
};

async(alice)
{
    async_begin;
    kio_task_set_name("alice");
    await(kio_permits(&self->one, &self->pool->permits, 3));
    assert_int_equal(kio_permits_split(&self->two, &self->one, 1), 0);
    await(kio_notified(&self->go, &self->pool->go));
    await(kio_lock(&self->lock, &self->pool->mutex));
    async_return();
}

struct bob {
    async_fn(void);
    struct pool *pool;
    struct kio_permits one;
    struct kio_notified on;
};

async(bob)
{
    async_begin;
    kio_task_set_name("bob");
    assert_int_equal(kio_try_permits(&self->one, &self->pool->permits, 1), 0);
    await(kio_notified(&self->on, &self->pool->stop));
    async_return();
}

struct carol {
    async_fn(void);
    struct pool *pool;
    struct kio_lock lock;
    struct kio_permits some;
};

async(carol)
{
    async_begin;
    kio_task_set_name("carol");
    await(kio_lock(&self->lock, &self->pool->mutex));
    await(kio_permits(&self->some, &self->pool->permits, 2));
    async_return();
}

struct permits {
    async_fn(void);
    struct pool pool;
    struct kio_join_set set;
    struct kio_join_next next;
    struct settle settle;
};

async(permits)
{
    async_begin;
    kio_task_set_name("main");
    kio_semaphore_init(&self->pool.permits, 4);
    kio_join_set_spawn(&self->set, bob, .pool = &self->pool);
    kio_join_set_spawn(&self->set, alice, .pool = &self->pool);
    await(async_call(&self->settle, settle, .text = " 2 idle"));
    kio_join_set_spawn(&self->set, carol, .pool = &self->pool);
    await(async_call(&self->settle, settle, .text = " 3 idle"));
    kio_notify_one(&self->pool.go);
    await(async_call(&self->settle, settle, .text = "kio_lock: mutex"));
    assert_dump(dump_rt,
                "1 running, 0 queued, 3 idle, 0 over, 0 blocking jobs\n"
                "task alice: idle\n"
                "  alice (dump.c), line: kio_lock(&self->lock, &self->pool->mutex)\n"
                "    kio_lock: mutex #1, 1 of 1 in line, held by task carol\n"
                "  + kio_permits: has semaphore #2, 1 of its permits\n"
                "  + kio_permits: has semaphore #2, 2 of its permits\n"
                "task bob: idle\n"
                "  bob (dump.c), line: kio_notified(&self->on, &self->pool->stop)\n"
                "    kio_notified: notify #3, 1 of 1 in line\n"
                "  + kio_permits: has semaphore #2, 1 of its permits\n"
                "task carol: idle\n"
                "  carol (dump.c), line: kio_permits(&self->some, &self->pool->permits, 2)\n"
                "    kio_permits\n"
                "      kio_acquire: semaphore #2, 2 wanted, 0 free, 1 of 1 in line, held by task bob, "
                "task alice\n"
                "  + kio_lock: has mutex #1, 1 in line\n");
    kio_join_set_abort_all(&self->set);
    await(kio_join_set_shutdown(&self->next, &self->set));
    async_return();
}

/* No cycle: bob may give back what carol waits for. */
static void who_has_permits_is_named_and_closes_no_cycle(void **state)
{
    (void)state;
    run(permits);
}

struct in_line {
    async_fn(void);
    struct kio_notify *n;
    struct kio_notified on;
};

struct queue {
    async_fn(void);
    struct kio_notify n;
    struct kio_join_set set;
    struct settle settle;
    int i;
};

static void queue_drop(struct queue *self)
{
    kio_join_set_drop(&self->set);
}

async(in_line)
{
    async_begin;
    await(kio_notified(&self->on, self->n));
    async_return();
}

async(queue, queue_drop)
{
    async_begin;
    kio_task_set_name("main");
    for (self->i = 0; self->i < 102; self->i++)
        kio_join_set_spawn(&self->set, in_line, .n = &self->n);
    await(async_call(&self->settle, settle, .text = " 102 idle"));
    assert_true(dump_has(", 1 of more than 100 in line\n"));
    assert_true(dump_has(", 100 of more than 100 in line\n"));
    assert_true(dump_has(", behind 100 others in line\n"));
    kio_notify_waiters(&self->n);
    await(async_call(&self->settle, settle, .text = " 0 queued, 0 idle"));
    async_return();
}

static void a_long_line_is_counted_up_to_a_hundred(void **state)
{
    (void)state;
    run(queue);
}

/* ---- tasks that wait for tasks, combinators, borrowed arms -------------------------------- */

struct member {
    async_fn(void);
    struct kio_notify *n;
    struct kio_notified on;
};

async(member)
{
    async_begin;
    await(kio_notified(&self->on, self->n));
    async_return();
}

struct combined {
    async_fn(void);
    struct kio_notify *n;
    struct kio_rx *rx;
    struct kio_sleep report; /* this function's; the select borrows it */
    struct kio_recv recv;
    struct kio_select either;
    struct member many[40];
    struct kio_join_all all;
    struct kio_timeout limit;
    struct kio_join both;
    struct kio_boxed boxed;
    int v;
};

async(combined)
{
    async_begin;
    kio_task_set_name("combined");
    async_let(kio_sleep(&self->report, KIO_SEC * 3600));
    for (int i = 0; i < 40; i++)
        async_call(&self->many[i], member, .n = self->n);
    kio_box(&self->boxed, member, .n = self->n);
    kio_select(&self->either, kio_recv(&self->recv, self->rx, &self->v), &self->report);
    await(kio_join(&self->both, kio_join_all(&self->all, self->many, 40),
                   kio_timeout(&self->limit, 3600 * KIO_SEC, &self->boxed), &self->either));
    async_return();
}

struct combinators {
    async_fn(void);
    struct kio_notify n;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_join_handle task;
    struct settle settle;
};

static void combinators_drop(struct combinators *self)
{
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
}

async(combinators, combinators_drop)
{
    async_begin;
    kio_task_set_name("main");
    assert_int_equal(kio_mpsc_unbounded(&self->tx, &self->rx, sizeof(int)), 0);
    kio_spawn(&self->task, combined, .n = &self->n, .rx = &self->rx);
    await(async_call(&self->settle, settle, .text = " 1 idle"));
    char *text = text_of(dump_rt);
    char *all = strstr(text, "    kio_join\n");
    assert_non_null(all);
    if (strstr(all, "\ntask"))
        *strstr(all, "\ntask") = '\0';
    assert_null(strstr(all, "not polled")); /* not even the timer that is only borrowed */
    assert_non_null(strstr(all, "      kio_join_all\n        member ("));
    assert_non_null(strstr(all, "        ... and 24 more\n      kio_timeout\n        kio_boxed\n"
                                "          member ("));
    assert_non_null(strstr(all, "        kio_sleep: 3599"));
    assert_non_null(strstr(all, "      kio_select\n        kio_recv: channel 0x"));
    assert_non_null(strstr(all, "0 queued, 1 senders, known to task"));
    assert_non_null(strstr(all, "\"main\"\n        kio_sleep: 3599"));
    assert_non_null(strstr(all, ", 41 of 41 in line\n")); /* the box */
    free(text);
    kio_abort(&self->task);
    await(&self->task);
    async_return();
}

static void combinators_show_what_they_poll_and_only_that(void **state)
{
    (void)state;
    run(combinators);
}

struct awaits_back {
    async_fn(void);
    struct kio_mutex *mutex;
    struct kio_lock lock;
};

async(awaits_back)
{
    async_begin;
    kio_task_set_name("child");
    await(kio_lock(&self->lock, self->mutex));
    async_return();
}

struct awaits_child {
    async_fn(void);
    struct kio_mutex *mutex;
    struct kio_lock lock;
    struct kio_join_handle child;
    struct kio_sleep nap;
    struct kio_select either;
    bool limited;
};

async(awaits_child)
{
    async_begin;
    kio_task_set_name("parent");
    assert_int_equal(kio_try_lock(&self->lock, self->mutex), 0);
    kio_spawn(&self->child, awaits_back, .mutex = self->mutex);
    if (self->limited)
        await(kio_select(&self->either, &self->child, kio_sleep(&self->nap, 3600 * KIO_SEC)));
    else
        await(&self->child);
    async_return();
}

struct family {
    async_fn(void);
    struct kio_mutex mutex;
    struct kio_join_handle parent;
    struct settle settle;
    bool limited;
};

async(family)
{
    async_begin;
    kio_task_set_name("main");
    kio_spawn(&self->parent, awaits_child, .mutex = &self->mutex, .limited = self->limited);
    await(async_call(&self->settle, settle, .text = "cycle: "));
    if (self->limited)
        assert_true(dump_has("cycle: each waits for the next, unless something else that it waits for"));
    else
        assert_dump(dump_rt,
                    "1 running, 0 queued, 2 idle, 0 over, 0 blocking jobs\n"
                    "task child: idle\n"
                    "  awaits_back (dump.c), line: kio_lock(&self->lock, self->mutex)\n"
                    "    kio_lock: mutex #1, 1 of 1 in line, held by task parent\n"
                    "task parent: idle\n"
                    "  awaits_child (dump.c), line: &self->child\n"
                    "    kio_join_handle: task child\n"
                    "  + kio_lock: has mutex #1, 1 in line\n"
                    "cycle: waits for ever, each for the next:\n"
                    "  task parent waits for task child\n"
                    "  task child waits for mutex #1, held by task parent\n");
    kio_abort(&self->parent);
    await(&self->parent);
    await(async_call(&self->settle, settle, .text = "1 running, 0 queued, 0 idle"));
    async_return();
}

static void a_cycle_may_lead_through_a_join_handle_and_a_lock_that_was_tried(void **state)
{
    (void)state;
    run(family, .limited = false);
    run(family, .limited = true);
}

/* ---- jobs, ends --------------------------------------------------------------------------- */

static ki_atomic(uint32_t) job_may_end;

static void *wait_job(void *arg)
{
    while (!ki_load_seq_cst(&job_may_end))
        ki_futex_wait(&job_may_end, 0, -1);
    return arg;
}

struct waits_for_ever {
    async_fn(void);
    struct kio_notify never;
    struct kio_notified n;
};

async(waits_for_ever)
{
    async_begin;
    kio_task_set_name("waiter");
    await(kio_notified(&self->n, &self->never));
    async_return();
}

struct ends {
    async_fn(int);
};

async(ends)
{
    async_begin;
    async_return(7);
}

struct jobs {
    async_fn(void);
    struct kio_join_handle job, done, gone;
    struct settle settle;
};

async(jobs)
{
    async_begin;
    kio_task_set_name("main");
    kio_spawn_blocking(&self->job, wait_job, NULL);
    kio_spawn(&self->done, ends);
    kio_spawn(&self->gone, waits_for_ever);
    await(async_call(&self->settle, settle, .text = "a blocking job, runs\n"));
    await(async_call(&self->settle, settle, .text = ": done, its handle has not been dropped\n"));
    kio_abort(&self->gone);
    await(async_call(&self->settle, settle, .text = ": aborted, its handle has not been dropped\n"));
    assert_true(dump_has("1 running, 0 queued, 0 idle, 2 over, 1 blocking jobs\n"));
    ki_store_seq_cst(&job_may_end, 1);
    ki_futex_wake(&job_may_end, 1);
    await(&self->job);
    assert_true(dump_has("0 blocking jobs\n"));
    kio_drop(&self->done);
    assert_true(dump_has(" 2 over,")); /* the job and the aborted one */
    async_return();
}

static void jobs_and_tasks_whose_result_waits_are_listed(void **state)
{
    (void)state;
    ki_store_seq_cst(&job_may_end, 0);
    run(jobs);
}

/* ---- from other threads ------------------------------------------------------------------- */

static void *dump_here(void *found)
{
    ki_store_seq_cst((ki_atomic(uint32_t) *)found, dump_has("\"waiter\": idle"));
    return NULL;
}

/* The thread sleeps, so that the runtime is asleep too, or in other tasks. */
struct foreign {
    async_fn(void);
    struct kio_join_handle waiter, dumper;
    ki_atomic(uint32_t) found;
    struct settle settle;
};

async(foreign)
{
    async_begin;
    kio_task_set_name("main");
    kio_spawn(&self->waiter, waits_for_ever);
    await(async_call(&self->settle, settle, .text = "\"waiter\": idle"));
    kio_spawn_blocking(&self->dumper, dump_here, &self->found);
    await(&self->dumper);
    assert_true(ki_load_seq_cst(&self->found));
    async_return();
}

static void another_thread_may_dump_while_the_runtime_runs_and_while_nobody_runs_it(void **state)
{
    (void)state;
    run(foreign);
    if (rt_flavor == KIO_CURRENT_THREAD) /* it was dropped with its handle's owner: detached */
        assert_true(dump_has("0 running, 0 queued, 1 idle"));
    else
        assert_true(dump_has(" 1 idle"));
}

static int dump_all(FILE *to)
{
    return kio_dump(to);
}

static void kio_dump_shows_every_runtime_with_its_name(void **state)
{
    struct kio_runtime *other;
    char *text;

    (void)state;
    assert_int_equal(kio_runtime_new(&other, &(struct kio_runtime_config){
                                                 .flavor = KIO_CURRENT_THREAD, .name = "other" }),
                     0);
    text = text_of(dump_all);
    assert_non_null(strstr(text, "runtime other, current_thread: 0 running, 0 queued, 0 idle"));
    assert_non_null(strstr(text, rt_flavor == KIO_CURRENT_THREAD
                                     ? "runtime kioto, current_thread: 0"
                                     : "runtime kioto, multi_thread with 2 workers: 0"));
    free(text);
    kio_runtime_free(other);
    text = text_of(dump_all);
    assert_null(strstr(text, "other"));
    free(text);
}

/* ---- under load --------------------------------------------------------------------------- */

struct load {
    struct kio_mutex mutex;
    struct kio_rwlock rw;
    struct kio_tx tx;
    ki_atomic(int) ended;
};

/* Is renamed, waits for this and that, moves between workers, and ends. */
struct busy {
    async_fn(void);
    struct load *load;
    struct kio_lock lock;
    struct kio_rw_guard rw;
    struct kio_send send;
    struct kio_yield y;
    struct kio_sleep nap;
    struct kio_select either;
    int i;
};

static void busy_drop(struct busy *self)
{
    ki_fetch_add_seq_cst(&self->load->ended, 1);
}

async(busy, busy_drop)
{
    char name[20];

    async_begin;
    for (self->i = 0; self->i < 3; self->i++) {
        snprintf(name, sizeof name, "round %d", self->i);
        kio_task_set_name(name);
        await(kio_lock(&self->lock, &self->load->mutex));
        await(kio_yield_now(&self->y));
        kio_unlock(&self->lock);
        if (self->i == 1)
            await(kio_write_lock(&self->rw, &self->load->rw));
        else
            await(kio_read_lock(&self->rw, &self->load->rw));
        await(kio_yield_now(&self->y));
        kio_rw_unlock(&self->rw);
        await(kio_select(&self->either, kio_send(&self->send, &self->load->tx, &self->i),
                         kio_sleep(&self->nap, KIO_MS)));
    }
    async_return();
}

struct under_load {
    async_fn(void);
    struct load *load;
    int tasks;
    struct kio_join_set set;
    struct kio_join_next next;
    struct kio_rx rx;
    int i, v;
};

static void under_load_drop(struct under_load *self)
{
    kio_join_set_drop(&self->set);
    kio_rx_drop(&self->rx);
    kio_tx_drop(&self->load->tx);
}

async(under_load, under_load_drop)
{
    async_begin;
    kio_task_set_name("main");
    assert_int_equal(kio_mpsc_channel(&self->load->tx, &self->rx, sizeof(int), 2), 0);
    for (self->i = 0; self->i < self->tasks; self->i++) {
        kio_join_set_spawn(&self->set, busy, .load = self->load);
        if (self->i % 3 == 0)
            kio_spawn(NULL, ends);
        if (self->set.count < 20)
            continue;
        await(kio_join_next(&self->next, &self->set));
        while (kio_try_recv(&self->rx, &self->v) == 1)
            ;
    }
    while (self->set.count) {
        await(kio_join_next(&self->next, &self->set));
        while (kio_try_recv(&self->rx, &self->v) == 1)
            ;
    }
    async_return();
}

static ki_atomic(uint32_t) stop_dumping;

static void *keep_dumping(void *arg)
{
    int *dumps = arg;

    while (!ki_load_seq_cst(&stop_dumping)) {
        char *text = text_of(dump_all);

        assert_non_null(strstr(text, "runtime kioto, "));
        assert_null(strstr(text, "cycle"));
        free(text);
        ++*dumps;
        sched_yield();
    }
    return NULL;
}

static void dumps_under_load_disturb_no_task_and_find_no_cycle(void **state)
{
    struct load load = { 0 };
    int tasks = amount(2000);
    int dumps = 0;
    pthread_t thread;

    (void)state;
    ki_store_seq_cst(&stop_dumping, 0);
    assert_int_equal(pthread_create(&thread, NULL, keep_dumping, &dumps), 0);
    run(under_load, .load = &load, .tasks = tasks);
    ki_store_seq_cst(&stop_dumping, 1);
    pthread_join(thread, NULL);
    assert_int_equal(ki_load_seq_cst(&load.ended), tasks);
    assert_true(dumps > 0);
}

/* A thread spawns from outside, into slots whose last tasks left their handles' words. */
struct made_elsewhere {
    async_fn(void);
    int tasks;
    pthread_t thread;
    ki_atomic(uint32_t) over;
    struct kio_tx tx;
    struct kio_rx rx;
    struct kio_recv recv;
    struct kio_sleep nap;
    struct kio_select either;
    int v;
};

static void made_elsewhere_drop(struct made_elsewhere *self)
{
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
}

static void *spawn_and_wait(void *arg)
{
    struct made_elsewhere *on = arg;
    struct kio_join_handle handle = { 0 };

    for (int i = 0; i < on->tasks; i++) {
        assert_int_equal(kio_spawn_on(rt, &handle, ends), 0);
        while (!kio_is_finished(&handle))
            sched_yield();
        kio_drop(&handle);
    }
    ki_store_seq_cst(&on->over, 1);
    return NULL;
}

async(made_elsewhere, made_elsewhere_drop)
{
    async_begin;
    assert_int_equal(kio_mpsc_channel(&self->tx, &self->rx, sizeof(int), 2), 0);
    assert_int_equal(pthread_create(&self->thread, NULL, spawn_and_wait, self), 0);
    while (!ki_load_seq_cst(&self->over))
        await(kio_select(&self->either, kio_recv(&self->recv, &self->rx, &self->v),
                         kio_sleep(&self->nap, KIO_MS)));
    pthread_join(self->thread, NULL);
    async_return();
}

static void a_task_that_is_being_made_elsewhere_is_not_taken_for_another(void **state)
{
    int dumps = 0;
    pthread_t dumper;

    (void)state;
    ki_store_seq_cst(&stop_dumping, 0);
    assert_int_equal(pthread_create(&dumper, NULL, keep_dumping, &dumps), 0);
    run(made_elsewhere, .tasks = amount(3000));
    ki_store_seq_cst(&stop_dumping, 1);
    pthread_join(dumper, NULL);
    assert_true(dumps > 0);
}

/* ---- without memory ----------------------------------------------------------------------- */

struct poor {
    async_fn(void);
    struct kio_notify n;
    struct kio_join_handle task;
    struct kio_rx rx;
    struct kio_tx tx;
    struct settle settle;
};

static void poor_drop(struct poor *self)
{
    kio_tx_drop(&self->tx);
    kio_rx_drop(&self->rx);
}

async(poor, poor_drop)
{
    async_begin;
    kio_task_set_name("main");
    assert_int_equal(kio_mpsc_unbounded(&self->tx, &self->rx, sizeof(int)), 0);
    kio_spawn(&self->task, combined, .n = &self->n, .rx = &self->rx);
    await(async_call(&self->settle, settle, .text = " 1 idle"));
    long alive = ki_mem_alive();
    int err = -ENOMEM;
    for (int nth = 1; err; nth++) {
        char *text = NULL;
        size_t len = 0;
        FILE *to = open_memstream(&text, &len);

        ki_mem_fail_at(nth);
        err = kio_runtime_dump(rt, to);
        ki_mem_fail_at(0);
        fclose(to);
        assert_true(err == 0 || err == -ENOMEM);
        assert_int_equal(strstr(text, "no memory") != NULL, err != 0);
        free(text);
        assert_int_equal(ki_mem_alive(), alive);
        assert_true(nth < 1000);
    }
    kio_abort(&self->task);
    await(&self->task);
    async_return();
}

static void a_dump_without_memory_says_so_and_leaks_nothing(void **state)
{
    (void)state;
    run(poor);
}

RT_MAIN(RT(a_task_is_shown_with_what_it_awaits_as_a_tree),
        RT(where_polls_are_measured_a_task_says_for_how_long_it_waits),
        RT(who_waits_for_a_channel_sees_whose_frame_has_the_other_end),
        RT(tasks_that_wait_for_each_others_locks_are_shown_as_a_cycle),
        RT(a_future_that_has_a_lock_and_is_not_polled_is_shown_as_a_futurelock),
        RT(what_a_task_waits_for_is_named_with_who_has_it),
        RT(who_has_permits_is_named_and_closes_no_cycle),
        RT(a_long_line_is_counted_up_to_a_hundred),
        RT(combinators_show_what_they_poll_and_only_that),
        RT(a_cycle_may_lead_through_a_join_handle_and_a_lock_that_was_tried),
        RT(jobs_and_tasks_whose_result_waits_are_listed),
        RT(another_thread_may_dump_while_the_runtime_runs_and_while_nobody_runs_it),
        RT(kio_dump_shows_every_runtime_with_its_name),
        RT(dumps_under_load_disturb_no_task_and_find_no_cycle),
        RT(a_task_that_is_being_made_elsewhere_is_not_taken_for_another),
        RT(a_dump_without_memory_says_so_and_leaks_nothing))
