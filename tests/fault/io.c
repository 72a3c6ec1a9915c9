/* fds, pipes, streams in memory, with every call failing once. */
#include "support/faults.h"

#include <fcntl.h>
#include <kioto/test.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- through a pipe ----------------------------------------------------------------------- */

struct piped {
    async_fn(void);
    int fds[2];
    struct kio_stream from, to;
    struct kio_fd fd;
    struct kio_readiness ready;
    struct kio_write_all write;
    struct kio_read_exact read;
    char sent[3000], got[3000];
};

/* The test's own fds are closed by it, faults or not. */
static void close_own(int *fds)
{
    faults_pause();
    for (int i = 0; i < 2; i++) {
        if (fds[i] > 0)
            close(fds[i]);
    }
    faults_resume();
}

static void piped_drop(struct piped *self)
{
    kio_close(&self->from);
    kio_close(&self->to);
    kio_fd_release(&self->fd);
    close_own(self->fds);
}

async(piped, piped_drop)
{
    async_begin;
    faults_check(pipe(self->fds) == 0);
    faults_on();
    FAULT_TRY(kio_stream_open(&self->to, self->fds[1]));
    self->fds[1] = 0; /* the stream's */
    FAULT_TRY(kio_fd_open(&self->fd, self->fds[0]));
    memset(self->sent, 'x', sizeof self->sent);
    await(kio_write_all(&self->write, &self->to, self->sent, sizeof self->sent));
    FAULT_TRY(self->write.out);
    await(kio_readable(&self->ready, &self->fd));
    FAULT_TRY(self->ready.out);
    kio_fd_release(&self->fd);
    FAULT_TRY(kio_stream_open(&self->from, self->fds[0]));
    self->fds[0] = 0;
    await(kio_read_exact(&self->read, &self->from, self->got, sizeof self->got));
    FAULT_TRY(self->read.out);
    faults_check(memcmp(self->got, self->sent, sizeof self->got) == 0);
    faults_complete();
    async_return();
}

static void a_pipe(void)
{
    faults_in_runtime(piped);
}

/* ---- a socket of the program's own -------------------------------------------------------- */

struct adopted {
    async_fn(void);
    int fds[2];
    struct kio_stream s;
    struct kio_write_all write;
    struct kio_read_exact read;
    struct kio_shutdown shut;
    char text[5];
};

static void adopted_drop(struct adopted *self)
{
    kio_close(&self->s);
    close_own(self->fds);
}

async(adopted, adopted_drop)
{
    async_begin;
    faults_check(socketpair(AF_UNIX, SOCK_STREAM, 0, self->fds) == 0);
    faults_check(write(self->fds[1], "hello", 5) == 5);
    faults_on();
    FAULT_TRY(kio_stream_open(&self->s, self->fds[0]));
    self->fds[0] = 0;
    await(kio_read_exact(&self->read, &self->s, self->text, 5));
    FAULT_TRY(self->read.out);
    await(kio_write_all(&self->write, &self->s, "world", 5));
    FAULT_TRY(self->write.out);
    await(kio_shutdown(&self->shut, &self->s));
    FAULT_TRY(self->shut.out);
    faults_complete();
    async_return();
}

static void a_socket_of_the_programs_own(void)
{
    faults_in_runtime(adopted);
}

/* ---- in memory ---------------------------------------------------------------------------- */

struct doubled {
    async_fn(void);
    struct kio_stream a, b;
    struct kio_write_all write;
    struct kio_lines lines;
    struct kio_next_line line;
    char buf[100];
};

static void doubled_drop(struct doubled *self)
{
    kio_close(&self->a);
    kio_close(&self->b);
}

async(doubled, doubled_drop)
{
    async_begin;
    faults_on();
    FAULT_TRY(kio_duplex(&self->a, &self->b, 100));
    await(kio_write_all(&self->write, &self->a, "one\ntwo\n", 8));
    FAULT_TRY(self->write.out);
    kio_close(&self->a);
    kio_lines(&self->lines, &self->b, self->buf, sizeof self->buf);
    await(kio_next_line(&self->line, &self->lines));
    faults_check(self->line.out == 3 && memcmp(self->line.line, "one", 3) == 0);
    await(kio_next_line(&self->line, &self->lines));
    faults_check(self->line.out == 3);
    await(kio_next_line(&self->line, &self->lines));
    faults_check(self->line.out == 0 && !self->line.line);
    faults_complete();
    async_return();
}

static void a_stream_in_memory(void)
{
    faults_in_runtime(doubled);
}

/* ---- a network in memory ------------------------------------------------------------------ */

struct far {
    async_fn(void);
    struct kio_net *net;
    struct kio_net_listener listener;
    struct kio_net_connect connect;
    struct kio_net_accept accept;
    struct kio_join both;
    struct kio_stream here, there;
    struct kio_write_all write;
    struct kio_read_exact read;
    char text[5];
};

static void far_drop(struct far *self)
{
    kio_drop(&self->both);
    kio_drop(&self->connect);
    kio_drop(&self->accept);
    kio_close(&self->here);
    kio_close(&self->there);
    kio_net_close(&self->listener);
    kio_net_free(self->net);
}

async(far, far_drop)
{
    async_begin;
    faults_on();
    FAULT_TRY(kio_net_new(&self->net, &(struct kio_net_link){ .delay_max = KIO_MS }));
    FAULT_TRY(kio_net_set_link(self->net, "a", "b", &(struct kio_net_link){ .whole = true }));
    FAULT_TRY(kio_net_part(self->net, "c", NULL));
    FAULT_TRY(kio_net_listen(self->net, &self->listener, "b:echo"));
    await(kio_net_connect(&self->connect, self->net, "a", "b:echo", &self->here));
    FAULT_TRY(self->connect.out);
    await(kio_net_accept(&self->accept, &self->listener, &self->there));
    FAULT_TRY(self->accept.out);
    await(kio_write_all(&self->write, &self->here, "hello", 5));
    FAULT_TRY(self->write.out);
    await(kio_read_exact(&self->read, &self->there, self->text, 5));
    FAULT_TRY(self->read.out);
    faults_complete();
    async_return();
}

static void a_network_in_memory(void)
{
    faults_in_runtime(far);
}

static const struct fault_scenario scenarios[] = {
    SCENARIO(a_pipe),
    SCENARIO(a_socket_of_the_programs_own),
    SCENARIO(a_stream_in_memory),
    SCENARIO(a_network_in_memory, FAULT_CURRENT_ONLY | FAULT_DETERMINISTIC),
};

FAULTS_FDS_MAIN()
