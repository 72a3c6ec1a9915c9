/* A client and a server wherever tasks run: in block_on, in tasks, under load, in a local set, from a job;
 * and what is bound from a plain thread. Tokio's rt_common and rt_handle_block_on. */
#include "support/rt.h"

#include <unistd.h>

struct serves {
    async_fn(void);
    struct kio_listener *listener;
    struct kio_accept accept;
    struct kio_tcp_stream stream;
    struct kio_write_all write;
};

static void serves_drop(struct serves *self)
{
    kio_close(&self->stream);
    ki_fetch_add_seq_cst(&drops, 1);
}

async(serves, serves_drop)
{
    async_begin;
    await(kio_accept(&self->accept, self->listener, &self->stream));
    assert_int_equal(self->accept.out, 0);
    await(kio_write_all(&self->write, &self->stream, "hello", 5));
    async_return();
}

/* Reads "hello" to its end. */
struct asks {
    async_fn(int);
    struct kio_addr addr;
    struct kio_tcp_stream stream;
    struct kio_connect_addr connect;
    struct kio_read_exact read;
    struct kio_read end;
    char buf[6];
};

static void asks_drop(struct asks *self)
{
    kio_close(&self->stream);
}

async(asks, asks_drop)
{
    async_begin;
    await(kio_connect_addr(&self->connect, &self->stream, &self->addr));
    assert_int_equal(self->connect.out, 0);
    await(kio_read_exact(&self->read, &self->stream, self->buf, 5));
    assert_memory_equal(self->buf, "hello", 5);
    await(kio_read(&self->end, &self->stream, self->buf, 1));
    assert_int_equal(self->end.out, 0);
    async_return(1);
}

struct talks {
    async_fn(int);
    bool local;
    struct kio_listener listener;
    struct kio_addr addr;
    struct kio_join_handle server;
    struct asks asks;
};

static void talks_drop(struct talks *self)
{
    kio_listener_close(&self->listener);
}

async(talks, talks_drop)
{
    async_begin;
    assert_int_equal(kio_tcp_listen(&self->listener, "127.0.0.1:0", NULL), 0);
    assert_int_equal(kio_listener_addr(&self->listener, &self->addr), 0);
    if (self->local)
        kio_spawn_local(&self->server, serves, .listener = &self->listener);
    else
        kio_spawn(&self->server, serves, .listener = &self->listener);
    await(async_call(&self->asks, asks, .addr = self->addr));
    await(&self->server);
    async_return(self->asks.out);
}

static void a_client_and_a_server_talk_in_block_on(void **state)
{
    (void)state;
    assert_int_equal(run(talks), 1);
}

/* In tasks nobody awaits, one spawned inside and one from here. */
struct reports {
    async_fn(void);
    ki_atomic(int) *done;
    struct talks talks;
};

async(reports)
{
    async_begin;
    await(async_call(&self->talks, talks));
    ki_fetch_add_seq_cst(self->done, 1);
    async_return();
}

struct spawns_reports {
    async_fn(void);
    ki_atomic(int) *done;
};

async(spawns_reports)
{
    async_begin;
    kio_spawn(NULL, reports, .done = self->done);
    async_return();
}

static void clients_and_servers_talk_in_tasks_that_nobody_awaits(void **state)
{
    static ki_atomic(int) done;

    (void)state;
    ki_store_seq_cst(&done, 0);
    run(spawns_reports, .done = &done);
    assert_int_equal(kio_spawn_on(rt, NULL, reports, .done = &done), 0);
    assert_int_equal(kio_runtime_drain(rt, -1), 0);
    assert_int_equal(ki_load_seq_cst(&done), 2);
}

struct always {
    async_fn(void);
};

static kio_poll always_poll(kio_future *f, kio_context *cx)
{
    f->state = f;
    kio_waker_wake_by_ref(cx->waker);
    return KIO_PENDING;
}

static const kio_future_type always_type = {
    .name = "always",
    .size = sizeof(struct always),
    .poll = always_poll,
};

static void they_talk_beside_a_hundred_tasks_that_are_always_ready(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(kio_spawn_on(rt, NULL, always), 0);
    assert_int_equal(run(talks), 1);
}

/* A local set, on the thread of a block_on: of current_thread, or inside a job. */
struct in_set {
    async_fn(int);
    struct kio_local_set set;
    struct talks talks;
    struct kio_local_run until;
};

static void in_set_drop(struct in_set *self)
{
    kio_local_set_drop(&self->set);
}

async(in_set, in_set_drop)
{
    async_begin;
    assert_int_equal(kio_local_set_new(&self->set), 0);
    await(kio_local_run_until(&self->until, &self->set,
                              async_call(&self->talks, talks, .local = true)));
    async_return(self->talks.out);
}

static void they_talk_in_a_local_set(void **state)
{
    (void)state;
    if (rt_flavor == KIO_CURRENT_THREAD)
        assert_int_equal(run(in_set), 1);
    else
        assert_int_equal(kio_block_on(in_set), 1);
}

static void *ask_from_job(void *arg)
{
    return (void *)(intptr_t)kio_runtime_block_on(rt, asks, .addr = *(struct kio_addr *)arg);
}

struct asked_by_job {
    async_fn(int);
    struct kio_listener listener;
    struct kio_addr addr;
    struct kio_join_handle job;
    struct serves serves;
};

static void asked_by_job_drop(struct asked_by_job *self)
{
    kio_listener_close(&self->listener);
}

async(asked_by_job, asked_by_job_drop)
{
    async_begin;
    assert_int_equal(kio_tcp_listen(&self->listener, "127.0.0.1:0", NULL), 0);
    assert_int_equal(kio_listener_addr(&self->listener, &self->addr), 0);
    assert_int_equal(kio_spawn_blocking(&self->job, ask_from_job, &self->addr), 0);
    await(async_call(&self->serves, serves, .listener = &self->listener));
    await(&self->job);
    async_return((int)(intptr_t)*kio_output(&self->job, void *));
}

static void a_job_connects_to_a_task(void **state)
{
    (void)state;
    assert_int_equal(run(asked_by_job), 1);
}

/* ---- from a plain thread -------------------------------------------------------------------------- */

struct accepts {
    async_fn(int);
    struct kio_listener *listener;
    struct kio_tcp_stream stream;
    struct kio_accept accept;
    struct kio_timeout limit;
};

async(accepts)
{
    async_begin;
    await(kio_timeout(&self->limit, 2 * KIO_MS,
                      kio_accept(&self->accept, self->listener, &self->stream)));
    async_return(self->limit.out ? self->limit.out : self->accept.out);
}

static void a_thread_that_entered_binds_and_a_task_accepts(void **state)
{
    struct kio_runtime *before = kio_runtime_enter(rt);
    struct kio_listener tcp, un;
    struct kio_udp udp;
    char name[64];

    (void)state;
    snprintf(name, sizeof name, "@kioto-test-%d-%d", getpid(), rt_flavor);
    assert_int_equal(kio_tcp_listen(&tcp, "127.0.0.1:0", NULL), 0);
    assert_int_equal(kio_udp_bind(&udp, "127.0.0.1:0"), 0);
    assert_int_equal(kio_unix_listen(&un, name), 0);
    kio_runtime_leave(before);
    assert_int_equal(run(accepts, .listener = &tcp), -ETIMEDOUT); /* nobody connects: no error before */
    assert_int_equal(run(accepts, .listener = &un), -ETIMEDOUT);
    kio_listener_close(&tcp);
    kio_listener_close(&un);
    kio_udp_close(&udp);
}

struct accepts_at_once {
    async_fn(int);
    struct kio_listener *listener;
    struct kio_tcp_stream stream;
    struct kio_accept accept;
};

async(accepts_at_once)
{
    async_begin;
    await(kio_accept(&self->accept, self->listener, &self->stream));
    async_return(self->accept.out);
}

static void after_the_shutdown_nothing_is_bound_and_accepts_end(void **state)
{
    struct kio_runtime *before = kio_runtime_enter(rt);
    struct kio_listener tcp, un, late;
    struct kio_udp udp;
    char name[64];

    (void)state;
    snprintf(name, sizeof name, "@kioto-test-late-%d-%d", getpid(), rt_flavor);
    assert_int_equal(kio_tcp_listen(&tcp, "127.0.0.1:0", NULL), 0);
    assert_int_equal(kio_unix_listen(&un, name), 0);
    assert_int_equal(kio_runtime_shutdown(rt, -1), 0);
    assert_int_equal(kio_tcp_listen(&late, "127.0.0.1:0", NULL), -ESHUTDOWN);
    assert_int_equal(kio_udp_bind(&udp, "127.0.0.1:0"), -ESHUTDOWN);
    assert_int_equal(kio_unix_listen(&late, "@kioto-test-later"), -ESHUTDOWN);
    kio_runtime_leave(before);
    assert_int_equal(kio_block_on(accepts_at_once, .listener = &tcp), -ESHUTDOWN);
    assert_int_equal(kio_block_on(accepts_at_once, .listener = &un), -ESHUTDOWN);
    kio_listener_close(&tcp);
    kio_listener_close(&un);
}

RT_MAIN(RT(a_client_and_a_server_talk_in_block_on),
        RT(clients_and_servers_talk_in_tasks_that_nobody_awaits),
        RT(they_talk_beside_a_hundred_tasks_that_are_always_ready), RT(they_talk_in_a_local_set),
        RT(a_job_connects_to_a_task), RT(a_thread_that_entered_binds_and_a_task_accepts),
        RT(after_the_shutdown_nothing_is_bound_and_accepts_end))
