/* I/O: streams of bytes that can be checked, over socket pairs, TCP on loopback and memory. */
#include "stress.h"

#include <fcntl.h>
#include <unistd.h>

#define CHUNK 4096

static char byte_at(uint64_t offset)
{
    return (char)(offset * 7 + (offset >> 8));
}

/* What the two ends tell each other beside the stream. */
struct flow {
    struct shared shared;
    uint64_t sent;         /* the writer's; the reader looks after the end of the stream */
    ki_atomic(bool) whole; /* all of it was written, and sent says how much */
    bool relayed;          /* by one who may be dropped half way */
};

struct writer {
    PLAY;
    struct flow *flow;
    struct kio_stream stream;
    struct life stream_life;
    int left;
    uint64_t offset;
    size_t len;
    struct kio_write write;
    struct kio_write_all all;
    struct kio_shutdown shutdown;
    struct kio_sleep nap;
    struct kio_timeout limit;
    char buf[CHUNK];
};

static void writer_drop(struct writer *self)
{
    kio_close(&self->stream);
    died(&self->stream_life);
    unshare(self->flow);
    died(&self->life);
}

static void writer_fill(struct writer *self)
{
    self->len = 1 + roll(&self->dice, CHUNK);
    for (size_t i = 0; i < self->len; i++)
        self->buf[i] = byte_at(self->offset + i);
}

async(writer, writer_drop)
{
    async_begin;
    for (; self->left; self->left--) {
        did();
        writer_fill(self);
        if (chance(&self->dice, 50)) {
            kio_write(&self->write, &self->stream, self->buf, self->len);
            self->write.out = 0;
            await(kio_timeout(&self->limit, 20 * KIO_MS, &self->write));
            if (self->limit.out)
                continue; /* nothing was written */
            if (self->write.out < 0)
                async_return();
            must(self->write.out > 0 && (size_t)self->write.out <= self->len);
            self->offset += (uint64_t)self->write.out;
        } else {
            await(kio_timeout(&self->limit, 20 * KIO_MS,
                              kio_write_all(&self->all, &self->stream, self->buf, self->len)));
            if (self->limit.out == 0 && self->all.out < 0)
                async_return();
            must(self->all.count <= self->len);
            self->offset += self->all.count;
        }
        if (chance(&self->dice, 20))
            await(kio_sleep(&self->nap, a_while(&self->dice)));
        if (chance(&self->dice, 1))
            async_return();
    }
    self->flow->sent = self->offset;
    /* release: with the reader's acquire */
    ki_store_release(&self->flow->whole, true);
    await(kio_shutdown(&self->shutdown, &self->stream));
    if (chance(&self->dice, 50))
        await(kio_sleep(&self->nap, a_while(&self->dice)));
    async_return();
}

struct reader {
    PLAY;
    struct flow *flow;
    struct kio_stream stream;
    struct life stream_life;
    uint64_t offset;
    int idle, arm;
    struct kio_read read;
    struct kio_read_exact exact;
    struct kio_sleep nap;
    struct kio_timeout limit;
    struct kio_select select;
    char buf[CHUNK];
};

static void reader_drop(struct reader *self)
{
    kio_close(&self->stream);
    died(&self->stream_life);
    unshare(self->flow);
    died(&self->life);
}

static void reader_check(struct reader *self, size_t len)
{
    for (size_t i = 0; i < len; i++)
        must(self->buf[i] == byte_at(self->offset + i));
    self->offset += len;
}

async(reader, reader_drop)
{
    async_begin;
    while (self->idle < 10) {
        did();
        if (chance(&self->dice, 1))
            async_return();
        if (chance(&self->dice, 20)) {
            await(kio_timeout(&self->limit, 5 * KIO_MS,
                              kio_read_exact(&self->exact, &self->stream, self->buf,
                                             1 + roll(&self->dice, CHUNK))));
            reader_check(self, self->exact.count);
            self->idle = self->limit.out ? self->idle + 1 : 0;
            continue;
        }
        self->arm = chance(&self->dice, 70) ? 0 : 1;
        if (self->arm == 0)
            await(kio_select(&self->select, kio_read(&self->read, &self->stream, self->buf, CHUNK),
                             kio_sleep(&self->nap, 5 * KIO_MS)));
        else
            await(kio_select_biased(&self->select, kio_sleep(&self->nap, a_while(&self->dice)),
                                    kio_read(&self->read, &self->stream, self->buf, CHUNK)));
        if (self->select.out != self->arm) {
            self->idle++;
            continue;
        }
        self->idle = 0;
        if (self->read.out <= 0) {
            /* acquire: with the writer's release */
            if (self->read.out == 0 && !self->flow->relayed && ki_load_acquire(&self->flow->whole))
                must(self->offset == self->flow->sent);
            async_return();
        }
        reader_check(self, (size_t)self->read.out);
    }
    async_return();
}

/* ---- pipes: socket pairs and memory ------------------------------------------------------- */

/* Copies one stream to another. */
struct copier {
    PLAY;
    struct kio_stream from, to;
    struct life from_life, to_life;
    struct kio_copy copy;
    struct kio_shutdown shutdown;
    struct kio_timeout limit;
    char buf[512];
};

static void copier_drop(struct copier *self)
{
    kio_close(&self->from);
    kio_close(&self->to);
    died(&self->from_life);
    died(&self->to_life);
    died(&self->life);
}

async(copier, copier_drop)
{
    async_begin;
    did();
    await(kio_timeout(&self->limit, 100 * KIO_MS,
                      kio_copy(&self->copy, &self->from, &self->to, self->buf, sizeof self->buf)));
    if (self->limit.out == 0 && self->copy.out >= 0)
        await(kio_shutdown(&self->shutdown, &self->to));
    async_return();
}

struct pipes {
    PLAY;
    struct flow *flow;
    struct kio_stream ends[4];
    struct kio_join_handle members[3];
    struct kio_sleep nap;
    int i, count;
};

static void pipes_drop(struct pipes *self)
{
    for (int i = 0; i < 4; i++)
        kio_close(&self->ends[i]);
    unshare(self->flow);
    died(&self->life);
}

static struct kio_stream hand_over(struct kio_stream *stream)
{
    struct kio_stream s = *stream;

    *stream = (struct kio_stream){ 0 };
    return s;
}

/* false: no fds are left. */
static bool make_pair(struct pipes *self, int at)
{
    int err;

    if (now.threads && chance(&self->dice, 50))
        err = kio_unix_pair(&self->ends[at], &self->ends[at + 1]);
    else
        err = kio_duplex(&self->ends[at], &self->ends[at + 1], 1 + roll(&self->dice, 3000));
    must(err == 0 || err == -EMFILE || err == -ESHUTDOWN);
    return err == 0;
}

async(pipes, pipes_drop)
{
    async_begin;
    self->flow = share_new(sizeof *self->flow, NULL);
    self->count = chance(&self->dice, 30) ? 2 : 1;
    self->flow->relayed = self->count == 2;
    for (self->i = 0; self->i < self->count; self->i++) {
        if (!make_pair(self, self->i * 2))
            async_return();
    }
    (void)kio_spawn(&self->members[0], writer, .life = born(K_PLAY), .dice = split(&self->dice),
                    .flow = share(self->flow), .stream = hand_over(&self->ends[0]),
                    .stream_life = born(K_STREAM), .left = (int)roll(&self->dice, 30));
    if (self->count == 2)
        (void)kio_spawn(&self->members[2], copier, .life = born(K_PLAY), .dice = split(&self->dice),
                        .from = hand_over(&self->ends[1]), .from_life = born(K_STREAM),
                        .to = hand_over(&self->ends[2]), .to_life = born(K_STREAM));
    (void)kio_spawn(&self->members[1], reader, .life = born(K_PLAY), .dice = split(&self->dice),
                    .flow = share(self->flow), .stream = hand_over(&self->ends[self->count * 2 - 1]),
                    .stream_life = born(K_STREAM));
    await(kio_sleep(&self->nap, a_while(&self->dice)));
    for (self->i = 0; self->i < 3; self->i++) {
        did();
        if (!kio_is_live(&self->members[self->i]))
            continue;
        if (chance(&self->dice, 20))
            kio_abort(&self->members[self->i]);
        if (chance(&self->dice, 20))
            kio_drop(&self->members[self->i]);
        else
            await(&self->members[self->i]);
    }
    async_return();
}
PLAY_IS(pipes, false);

/* ---- TCP ---------------------------------------------------------------------------------- */

/* Connects and sends, or goes away. */
struct client {
    PLAY;
    struct kio_addr addr;
    struct flow *flow;
    struct kio_stream stream;
    struct kio_connect_addr connect;
    struct kio_timeout limit;
    struct kio_join_handle sender;
};

static void client_drop(struct client *self)
{
    kio_close(&self->stream);
    unshare(self->flow);
    died(&self->life);
}

async(client, client_drop)
{
    async_begin;
    did();
    await(kio_timeout(&self->limit, 50 * KIO_MS,
                      kio_connect_addr(&self->connect, &self->stream, &self->addr)));
    if (self->limit.out || self->connect.out)
        async_return();
    (void)kio_spawn(&self->sender, writer, .life = born(K_PLAY), .dice = split(&self->dice),
                    .flow = share(self->flow), .stream = hand_over(&self->stream),
                    .stream_life = born(K_STREAM), .left = (int)roll(&self->dice, 20));
    if (chance(&self->dice, 70))
        await(&self->sender);
    async_return();
}

struct tcp {
    PLAY;
    struct kio_listener listener;
    struct kio_addr addr;
    struct kio_stream stream;
    struct flow *flow; /* of one connection: which one comes first is not known */
    struct kio_accept accept;
    struct kio_timeout limit;
    struct kio_join_handle client, reader;
    int err;
};

static void tcp_drop(struct tcp *self)
{
    kio_close(&self->stream);
    kio_listener_close(&self->listener);
    unshare(self->flow);
    died(&self->life);
}

async(tcp, tcp_drop)
{
    async_begin;
    did();
    self->flow = share_new(sizeof *self->flow, NULL);
    self->err = kio_tcp_listen(&self->listener, "127.0.0.1:0", NULL);
    if (self->err)
        async_return();
    must(kio_listener_addr(&self->listener, &self->addr) == 0);
    (void)kio_spawn(&self->client, client, .life = born(K_PLAY), .dice = split(&self->dice),
                    .addr = self->addr, .flow = share(self->flow));
    await(kio_timeout(&self->limit, a_while(&self->dice) + 5 * KIO_MS,
                      kio_accept(&self->accept, &self->listener, &self->stream)));
    if (chance(&self->dice, 50))
        kio_listener_close(&self->listener);
    if (self->limit.out || self->accept.out)
        async_return();
    (void)kio_spawn(&self->reader, reader, .life = born(K_PLAY), .dice = split(&self->dice),
                    .flow = share(self->flow), .stream = hand_over(&self->stream),
                    .stream_life = born(K_STREAM));
    if (chance(&self->dice, 50))
        await(&self->reader);
    async_return();
}
PLAY_IS(tcp, true);

/* ---- readiness ---------------------------------------------------------------------------- */

/* Closes what its parent waits for, in the same task. */
struct closer {
    PLAY;
    struct kio_fd *fd;
    int other; /* the writing end: -1, or written to */
    struct kio_sleep nap;
};

static void closer_drop(struct closer *self)
{
    died(&self->life);
}

async(closer, closer_drop)
{
    async_begin;
    await(kio_sleep(&self->nap, a_while(&self->dice)));
    did();
    if (self->other < 0 || chance(&self->dice, 50))
        kio_fd_close(self->fd);
    else
        must(write(self->other, "x", 1) == 1);
    async_return();
}

struct readiness {
    PLAY;
    int pipe[2], left;
    struct kio_fd in;
    struct kio_readiness readable;
    struct closer closer;
    struct kio_join join;
    struct kio_select select;
    struct kio_sleep nap;
};

static void readiness_close(struct readiness *self)
{
    kio_fd_close(&self->in);
    for (int i = 0; i < 2; i++) {
        if (self->pipe[i] > 0)
            close(self->pipe[i]);
        self->pipe[i] = 0;
    }
}

static void readiness_drop(struct readiness *self)
{
    readiness_close(self);
    died(&self->life);
}

async(readiness, readiness_drop)
{
    async_begin;
    for (self->left = (int)roll(&self->dice, 8); self->left; self->left--) {
        did();
        readiness_close(self);
        if (pipe2(self->pipe, O_CLOEXEC))
            async_return();
        if (kio_fd_open(&self->in, self->pipe[0]))
            async_return();
        self->pipe[0] = 0; /* the reactor's */
        if (chance(&self->dice, 50)) {
            await(kio_select(&self->select, kio_readable(&self->readable, &self->in),
                             kio_sleep(&self->nap, a_while(&self->dice))));
            must(self->select.out == 1);
            must(write(self->pipe[1], "x", 1) == 1);
            await(kio_readable(&self->readable, &self->in));
            must(self->readable.out == 0 || self->readable.out == -ESHUTDOWN);
        } else {
            await(kio_join(&self->join, kio_readable(&self->readable, &self->in),
                           async_call(&self->closer, closer, .life = born(K_PLAY),
                                      .dice = split(&self->dice), .fd = &self->in,
                                      .other = self->pipe[1])));
            must(self->readable.out == 0 || self->readable.out == -EBADF || self->readable.out == -ESHUTDOWN);
        }
    }
    async_return();
}
PLAY_IS(readiness, true);
