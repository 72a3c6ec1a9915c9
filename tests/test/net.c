/* The network in memory, under many seeds. include/kioto/test.h */
#include <kioto.h>
#include <kioto/test.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define SEEDS 40
#define BYTES 5000

/* ---- a server that echoes ----------------------------------------------------------------- */

struct echo_conn {
    async_fn(void);
    struct kio_stream conn;
    struct kio_read read;
    struct kio_write_all write;
    char buf[300];
};

static void echo_conn_drop(struct echo_conn *self)
{
    kio_close(&self->conn);
}

async(echo_conn, echo_conn_drop)
{
    async_begin;
    for (;;) {
        await(kio_read(&self->read, &self->conn, self->buf, sizeof self->buf));
        if (self->read.out <= 0)
            async_return();
        await(kio_write_all(&self->write, &self->conn, self->buf, (size_t)self->read.out));
        if (self->write.out)
            async_return();
    }
}

struct server {
    async_fn(void);
    struct kio_net_listener *listener;
    struct kio_net_accept accept;
    struct kio_stream conn;
};

async(server)
{
    async_begin;
    for (;;) {
        await(kio_net_accept(&self->accept, self->listener, &self->conn));
        if (self->accept.out)
            async_return();
        kio_spawn(NULL, echo_conn, .conn = self->conn);
    }
}

/* Sends BYTES and reads them back; -errno where that fails. */
struct client {
    async_fn(int);
    struct kio_net *net;
    const char *from;
    struct kio_stream conn;
    struct kio_net_connect connect;
    struct kio_write_all write;
    struct kio_shutdown shut;
    struct kio_read_exact read;
    struct kio_join both;
    struct kio_read end;
    unsigned char sent[BYTES], in[BYTES];
};

static void client_drop(struct client *self)
{
    kio_close(&self->conn);
}

async(client, client_drop)
{
    async_begin;
    await(kio_net_connect(&self->connect, self->net, self->from, "server:echo", &self->conn));
    if (self->connect.out)
        async_return(self->connect.out);
    for (size_t i = 0; i < BYTES; i++)
        self->sent[i] = (unsigned char)(i * 31);
    await(kio_join(&self->both, kio_write_all(&self->write, &self->conn, self->sent, BYTES),
                   kio_read_exact(&self->read, &self->conn, self->in, BYTES)));
    if (self->write.out || self->read.out)
        async_return(self->write.out ? self->write.out : self->read.out);
    await(kio_shutdown(&self->shut, &self->conn));
    await(kio_read(&self->end, &self->conn, self->in, 1));
    kio_test_check(self->end.out == 0);
    kio_test_check(self->read.count == BYTES);
    kio_test_check(!memcmp(self->in, self->sent, BYTES));
    async_return(0);
}

/* ---- scenes ------------------------------------------------------------------------------- */

enum trouble { NONE, SLOW, PARTED, CUT, REFUSED };

struct scene {
    async_fn(int);
    enum trouble trouble;
    struct kio_net *net;
    struct kio_net_listener listener;
    struct kio_join_handle server, client[3];
    struct kio_sleep nap;
    struct kio_timeout limit;
    kio_instant start;
    int i, failed;
};

static void scene_drop(struct scene *self)
{
    kio_drop(&self->server);
}

async(scene, scene_drop)
{
    struct kio_net_link link = {
        .delay_min = 10 * KIO_MS,
        .delay_max = 50 * KIO_MS,
        .bytes_per_second = self->trouble == SLOW ? 1000 : 0,
        .window = 700,
    };

    async_begin;
    kio_test_check(!kio_net_new(&self->net, &link));
    if (self->trouble != REFUSED) {
        kio_test_check(!kio_net_listen(self->net, &self->listener, "server:echo"));
        kio_test_check(kio_net_listen(self->net, &(struct kio_net_listener){ 0 }, "server:echo") ==
                       -EADDRINUSE);
        kio_spawn(&self->server, server, .listener = &self->listener);
    }
    self->start = kio_now();
    for (self->i = 0; self->i < 3; self->i++)
        kio_spawn(&self->client[self->i], client, .net = self->net,
                  .from = self->i ? "near" : "far");
    if (self->trouble == PARTED) {
        await(kio_sleep(&self->nap, 100 * KIO_MS));
        kio_test_check(!kio_net_part(self->net, "far", "server"));
        await(kio_sleep(&self->nap, 60 * KIO_SEC));
        kio_test_check(!kio_is_finished(&self->client[0])); /* 8 windows of at least 20 ms */
        kio_test_check(kio_is_finished(&self->client[1]));
        kio_net_join(self->net, "far", "server");
    }
    for (self->i = 0; self->i < 3; self->i++) {
        await(&self->client[self->i]);
        kio_test_check(!self->client[self->i].out);
        if (*kio_output(&self->client[self->i], int) != (self->trouble == REFUSED ? -ECONNREFUSED : 0))
            self->failed++;
    }
    if (self->trouble == SLOW) /* there and back overlap: at least 5 s for each way's bytes */
        kio_test_check(kio_now() - self->start >= 5 * KIO_SEC);
    kio_net_close(&self->listener);
    if (self->trouble != REFUSED)
        await(&self->server);
    await(kio_sleep(&self->nap, KIO_SEC)); /* what is on its way arrives */
    kio_net_free(self->net);
    async_return(self->failed);
}

static void bytes_arrive_whole_and_in_order(void **state)
{
    (void)state;
    assert_int_equal(kio_test(SEEDS, scene, .trouble = NONE), 0);
}

static void a_slow_line_takes_its_time(void **state)
{
    (void)state;
    assert_int_equal(kio_test(SEEDS, scene, .trouble = SLOW), 0);
}

static void parted_hosts_hear_each_other_again_after_they_are_joined(void **state)
{
    (void)state;
    assert_int_equal(kio_test(SEEDS, scene, .trouble = PARTED), 0);
}

static void nobody_listens_is_refused(void **state)
{
    (void)state;
    assert_int_equal(kio_test(SEEDS, scene, .trouble = REFUSED), 0);
}

/* ---- a cut -------------------------------------------------------------------------------- */

struct cut {
    async_fn(void);
    struct kio_net *net;
    struct kio_net_listener listener;
    struct kio_stream a, b;
    struct kio_net_connect connect;
    struct kio_net_accept accept;
    struct kio_join both;
    struct kio_read read;
    struct kio_write write;
    struct kio_sleep nap;
    char buf[10];
};

async(cut)
{
    async_begin;
    kio_test_check(!kio_net_new(&self->net, NULL));
    kio_test_check(!kio_net_listen(self->net, &self->listener, "b:x"));
    await(kio_join(&self->both,
                   kio_net_connect(&self->connect, self->net, "a", "b:x", &self->a),
                   kio_net_accept(&self->accept, &self->listener, &self->b)));
    kio_test_check(!self->connect.out && !self->accept.out);
    await(kio_write(&self->write, &self->a, "lost", 4));
    kio_test_check(self->write.out == 4);
    kio_net_cut(&self->b);
    await(kio_read(&self->read, &self->b, self->buf, sizeof self->buf));
    kio_test_check(self->read.out == -ECONNRESET);
    await(kio_write(&self->write, &self->a, "more", 4));
    kio_test_check(self->write.out == -ECONNRESET);
    kio_close(&self->a);
    kio_close(&self->b);
    kio_net_close(&self->listener);
    await(kio_sleep(&self->nap, KIO_SEC));
    kio_net_free(self->net);
    async_return();
}

static void a_cut_resets_both_ends(void **state)
{
    (void)state;
    assert_int_equal(kio_test(SEEDS, cut), 0);
}

/* ---- what does not come ------------------------------------------------------------------- */

struct waits {
    async_fn(void);
    struct kio_net *net;
    struct kio_net_listener listener;
    struct kio_stream a, b;
    struct kio_net_connect connect;
    struct kio_net_accept accept;
    struct kio_timeout limit;
    struct kio_yield y;
};

async(waits)
{
    async_begin;
    kio_test_check(!kio_net_new(&self->net, NULL));
    kio_test_check(!kio_net_part(self->net, "a", NULL));
    kio_test_check(!kio_net_listen(self->net, &self->listener, "b:x"));
    await(kio_timeout(&self->limit, 10 * KIO_SEC,
                      kio_net_connect(&self->connect, self->net, "a", "b:x", &self->a)));
    kio_test_check(self->limit.out == -ETIMEDOUT);
    await(kio_timeout(&self->limit, 10 * KIO_SEC,
                      kio_net_accept(&self->accept, &self->listener, &self->b)));
    kio_test_check(self->limit.out == -ETIMEDOUT);
    kio_net_accept(&self->accept, &self->listener, &self->b);
    kio_net_close(&self->listener);
    await(&self->accept);
    kio_test_check(self->accept.out == -EBADF);
    await(kio_net_connect(&self->connect, self->net, "a", "nowhere", &self->a));
    kio_test_check(self->connect.out == -EINVAL);
    kio_net_free(self->net);
    async_return();
}

static void connects_and_accepts_can_be_dropped_and_closed(void **state)
{
    (void)state;
    assert_int_equal(kio_test(SEEDS, waits), 0);
}

/* ---- order -------------------------------------------------------------------------------- */

/* Two connections, a byte on each, one after the other; which arrives first. */
struct overtaking {
    async_fn(int);
    struct kio_net *net;
    struct kio_net_listener listener;
    struct kio_stream from[2], to[2];
    struct kio_net_connect connect;
    struct kio_net_accept accept;
    struct kio_join both;
    struct kio_write write;
    struct kio_read read[2];
    struct kio_select first;
    struct kio_sleep nap;
    char bytes[2][4];
    int i;
};

async(overtaking)
{
    static const struct kio_net_link link = { .delay_min = KIO_MS, .delay_max = 20 * KIO_MS };

    async_begin;
    kio_test_check(!kio_net_new(&self->net, &link));
    kio_test_check(!kio_net_listen(self->net, &self->listener, "b:x"));
    for (self->i = 0; self->i < 2; self->i++) {
        await(kio_join(&self->both,
                       kio_net_connect(&self->connect, self->net, "a", "b:x", &self->from[self->i]),
                       kio_net_accept(&self->accept, &self->listener, &self->to[self->i])));
    }
    for (self->i = 0; self->i < 2; self->i++)
        await(kio_write(&self->write, &self->from[self->i], "1", 1));
    await(kio_select_biased(&self->first, kio_read(&self->read[0], &self->to[0], self->bytes[0], 1),
                            kio_read(&self->read[1], &self->to[1], self->bytes[1], 1)));
    for (self->i = 0; self->i < 2; self->i++) {
        kio_close(&self->from[self->i]);
        kio_close(&self->to[self->i]);
    }
    kio_net_close(&self->listener);
    await(kio_sleep(&self->nap, KIO_SEC));
    kio_net_free(self->net);
    async_return(self->first.out);
}

static void what_was_sent_on_another_connection_may_overtake(void **state)
{
    int firsts[2] = { 0, 0 };

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct kio_runtime *rt;

        assert_int_equal(kio_runtime_new(&rt, &(struct kio_runtime_config){
                                                  .flavor = KIO_DETERMINISTIC, .seed = seed }),
                         0);
        firsts[kio_runtime_block_on(rt, overtaking)]++;
        kio_runtime_free(rt);
    }
    assert_true(firsts[0] >= SEEDS / 8 && firsts[1] >= SEEDS / 8);
}

/* A peer that reads a little now and then holds the writer up: the window is full. */
struct slow_peer {
    async_fn(void);
    struct kio_net *net;
    struct kio_net_listener listener;
    struct kio_stream a, b;
    struct kio_net_connect connect;
    struct kio_net_accept accept;
    struct kio_join both;
    struct kio_timeout limit;
    struct kio_write_all write;
    struct kio_read read;
    struct kio_sleep nap;
    char sent[300], in[100];
    size_t got;
    kio_instant start;
};

async(slow_peer)
{
    static const struct kio_net_link link = { .window = 100 };

    async_begin;
    kio_test_check(!kio_net_new(&self->net, &link));
    kio_test_check(!kio_net_listen(self->net, &self->listener, "b:x"));
    await(kio_join(&self->both, kio_net_connect(&self->connect, self->net, "a", "b:x", &self->a),
                   kio_net_accept(&self->accept, &self->listener, &self->b)));
    async_let(kio_write_all(&self->write, &self->a, self->sent, sizeof self->sent));
    self->start = kio_now();
    for (;;) {
        await(kio_timeout(&self->limit, 10 * KIO_SEC, &self->write));
        if (!self->limit.out)
            break;
        kio_test_check(self->write.count - self->got <= 100);
        await(kio_read(&self->read, &self->b, self->in, sizeof self->in));
        kio_test_check(self->read.out > 0);
        self->got += (size_t)self->read.out;
    }
    kio_test_check(!self->write.out && self->got >= 200); /* the last window lies there */
    kio_test_check(kio_now() - self->start >= 20 * KIO_SEC);
    kio_close(&self->a);
    kio_close(&self->b);
    kio_net_close(&self->listener);
    await(kio_sleep(&self->nap, KIO_SEC));
    kio_net_free(self->net);
    async_return();
}

static void a_slow_peer_holds_the_writer_up(void **state)
{
    (void)state;
    assert_int_equal(kio_test(SEEDS, slow_peer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_arrive_whole_and_in_order),
        cmocka_unit_test(a_slow_line_takes_its_time),
        cmocka_unit_test(parted_hosts_hear_each_other_again_after_they_are_joined),
        cmocka_unit_test(nobody_listens_is_refused),
        cmocka_unit_test(a_cut_resets_both_ends),
        cmocka_unit_test(connects_and_accepts_can_be_dropped_and_closed),
        cmocka_unit_test(what_was_sent_on_another_connection_may_overtake),
        cmocka_unit_test(a_slow_peer_holds_the_writer_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
