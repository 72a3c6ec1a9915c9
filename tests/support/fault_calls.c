/*
 * The wrappers of libc's calls, and the table: what each may fail with, by its manual page, and what
 * is to become of that. tests/fault/covered.py holds it against what the libraries call.
 *
 * Not in the table, because they cannot fail as they are used here: see covered.py.
 */
#include "support/fault_calls.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- memory ------------------------------------------------------------------------------- */

CALL(malloc, "malloc", EITHER(ENOMEM));
WRAP_NULL(void *, malloc, (size_t size), (size))

CALL(calloc, "calloc", EITHER(ENOMEM));
WRAP_NULL(void *, calloc, (size_t n, size_t size), (n, size))

CALL(realloc, "realloc", EITHER(ENOMEM));
WRAP_NULL(void *, realloc, (void *old, size_t size), (old, size))

CALL(aligned_alloc, "aligned_alloc", EITHER(ENOMEM));
WRAP_NULL(void *, aligned_alloc, (size_t align, size_t size), (align, size))

CALL(strdup, "strdup", EITHER(ENOMEM));
WRAP_NULL(char *, strdup, (const char *text), (text))

CALL(madvise, "madvise", HIDDEN(EAGAIN), HIDDEN(ENOMEM), HIDDEN(EINVAL));
WRAP_ERRNO(int, madvise, (void *at, size_t len, int advice), (at, len, advice))

CALL(fmemopen, "fmemopen", HIDDEN(ENOMEM));
WRAP_NULL(FILE *, fmemopen, (void *buf, size_t size, const char *mode), (buf, size, mode))

CALL(backtrace_symbols, "backtrace_symbols", HIDDEN(ENOMEM));
WRAP_NULL(char **, backtrace_symbols, (void *const *frames, int count), (frames, count))

/* ---- the poller --------------------------------------------------------------------------- */

/* What is registered, so that a false EAGAIN can be followed by the event that a true one has. */
#define FDS 4096
static struct {
    ki_atomic(int) epoll; /* 0: none; otherwise the epoll fd plus one */
    struct epoll_event event;
} registered[FDS];
enum kind { OTHER, EVENTFD, TIMERFD };
static ki_atomic(int) kinds[FDS];

static bool is_a(int fd, enum kind kind)
{
    return fd >= 0 && fd < FDS && ki_load_acquire(&kinds[fd]) == (int)kind;
}

static int now_a(int fd, enum kind kind)
{
    if (fd >= 0 && fd < FDS)
        ki_store_release(&kinds[fd], (int)kind);
    return fd;
}

static void rouse(int fd)
{
    int epoll = fd >= 0 && fd < FDS ? ki_load_acquire(&registered[fd].epoll) : 0;
    int saved = errno;

    if (epoll) {
        struct epoll_event ev = registered[fd].event;

        /* A syscall: this one is not to fail. An edge, if the fd is ready. */
        syscall(SYS_epoll_ctl, epoll - 1, EPOLL_CTL_MOD, fd, &ev);
    }
    errno = saved;
}

/* As hit; a call that would block is called again when the fd is ready. */
static int hit_io(struct fault_call *call, int fd)
{
    int err = faults_hit(call);

    if (err == EAGAIN)
        rouse(fd);
    return err;
}

CALL(epoll_create1, "epoll_create1", REPORTED(EMFILE), REPORTED(ENFILE), REPORTED(ENOMEM));
WRAP_ERRNO(int, epoll_create1, (int flags), (flags))

CALL(epoll_add, "epoll_ctl, adding", REPORTED(ENOMEM), REPORTED(ENOSPC));
/* On current_thread a timerfd is an alarm that only the search for deadlocks wants. */
CALL(epoll_add_timer, "epoll_ctl, adding a timerfd", EITHER(ENOMEM), EITHER(ENOSPC));
CALL(epoll_del, "epoll_ctl, removing", HIDDEN(ENOENT), HIDDEN(ENOMEM));
WRAP(int, epoll_ctl, (int epoll, int op, int fd, struct epoll_event *event))
{
    int err;

    if (op == EPOLL_CTL_DEL) {
        if (fd < FDS)
            ki_store_release(&registered[fd].epoll, 0);
        err = __real_epoll_ctl(epoll, op, fd, event);
        return faults_hit(&call_epoll_del) ? -1 : err;
    }
    if (faults_hit(is_a(fd, TIMERFD) ? &call_epoll_add_timer : &call_epoll_add))
        return -1;
    if (fd < FDS) {
        registered[fd].event = *event;
        ki_store_release(&registered[fd].epoll, epoll + 1);
    }
    return __real_epoll_ctl(epoll, op, fd, event);
}

CALL(epoll_wait, "epoll_wait", HIDDEN(EINTR));
WRAP_ERRNO(int, epoll_wait, (int epoll, struct epoll_event *events, int max, int timeout),
           (epoll, events, max, timeout))

CALL(epoll_pwait2, "epoll_pwait2", HIDDEN(EINTR), HIDDEN(ENOSYS), HIDDEN(EPERM));
CALL(futex_wait, "futex, waiting", HIDDEN(EINTR), HIDDEN(EAGAIN), HIDDEN(ETIMEDOUT));
CALL(tgsigqueue, "rt_tgsigqueueinfo", HIDDEN(EAGAIN), HIDDEN(ESRCH), HIDDEN(EPERM));
long __real_syscall(long number, ...);
WRAP_WORDS(long, syscall, (long number, long a, long b, long c, long d, long e, long f))
{
    struct fault_call *call = number == SYS_rt_tgsigqueueinfo ? &call_tgsigqueue : NULL;

#ifdef SYS_epoll_pwait2
    if (number == SYS_epoll_pwait2)
        call = &call_epoll_pwait2;
#endif
    if (number == SYS_futex && (b & 1) == 0) /* FUTEX_WAIT is 0, FUTEX_WAKE 1 */
        call = &call_futex_wait;
    return call && faults_hit(call) ? -1 : __real_syscall(number, a, b, c, d, e, f);
}

CALL(eventfd, "eventfd", REPORTED(EMFILE), REPORTED(ENFILE), REPORTED(ENODEV), REPORTED(ENOMEM));
WRAP(int, eventfd, (unsigned count, int flags))
{
    return faults_hit(&call_eventfd) ? -1 : now_a(__real_eventfd(count, flags), EVENTFD);
}

CALL(timerfd_create, "timerfd_create", EITHER(EMFILE), EITHER(ENFILE), EITHER(ENODEV),
     EITHER(ENOMEM));
WRAP(int, timerfd_create, (int clock, int flags))
{
    return faults_hit(&call_timerfd_create) ? -1 : now_a(__real_timerfd_create(clock, flags), TIMERFD);
}

/* ---- fds ---------------------------------------------------------------------------------- */

/* The fd is closed all the same, and must not be closed again (close(2)). */
CALL(close, "close", HIDDEN(EINTR), HIDDEN(EIO));
WRAP(int, close, (int fd))
{
    int err;

    if (fd >= 0 && fd < FDS)
        ki_store_release(&registered[fd].epoll, 0);
    now_a(fd, OTHER);
    err = __real_close(fd);
    return faults_hit(&call_close) ? -1 : err;
}

static size_t shorter(struct fault_call *call, int fd, size_t len, bool *fails)
{
    int err = hit_io(call, fd);

    *fails = err > 0;
    return err == FAULT_SHORT && len > 1 ? len / 2 : len;
}

CALL(read, "read", HIDDEN(EINTR), HIDDEN(EAGAIN), HIDDEN(FAULT_SHORT), REPORTED(EIO));
WRAP(ssize_t, read, (int fd, void *buf, size_t len))
{
    bool fails;

    len = shorter(&call_read, fd, len, &fails);
    return fails ? -1 : __real_read(fd, buf, len);
}

CALL(write, "write", HIDDEN(EINTR), HIDDEN(EAGAIN), HIDDEN(FAULT_SHORT), REPORTED(EIO),
     REPORTED(EPIPE), REPORTED(ENOSPC));
CALL(write_eventfd, "write, to an eventfd", HIDDEN(EINTR));
WRAP(ssize_t, write, (int fd, const void *buf, size_t len))
{
    bool fails;

    if (is_a(fd, EVENTFD))
        return faults_hit(&call_write_eventfd) ? -1 : __real_write(fd, buf, len);
    len = shorter(&call_write, fd, len, &fails);
    return fails ? -1 : __real_write(fd, buf, len);
}

CALL(fcntl, "fcntl, F_SETFL", REPORTED(EPERM));
int __real_fcntl(int fd, int command, ...);
WRAP_WORDS(int, fcntl, (int fd, int command, long arg))
{
    return command == F_SETFL && faults_hit(&call_fcntl) ? -1 : __real_fcntl(fd, command, arg);
}

/* The HTTP client tells curl to try. */
CALL(poll, "poll", HIDDEN(EINTR), EITHER(ENOMEM));
WRAP_ERRNO(int, poll, (struct pollfd *fds, nfds_t count, int timeout), (fds, count, timeout))

CALL(memfd_create, "memfd_create", HIDDEN(EMFILE), HIDDEN(ENFILE), HIDDEN(ENOMEM));
WRAP_ERRNO(int, memfd_create, (const char *name, unsigned flags), (name, flags))

CALL(lseek, "lseek", HIDDEN(ESPIPE));
WRAP_ERRNO(off_t, lseek, (int fd, off_t at, int whence), (fd, at, whence))

CALL(stat, "stat", HIDDEN(ENOMEM), HIDDEN(EACCES));
WRAP_ERRNO(int, stat, (const char *path, struct stat *st), (path, st))

/* ---- sockets ------------------------------------------------------------------------------ */

CALL(socket, "socket", REPORTED(EMFILE), REPORTED(ENFILE), REPORTED(ENOBUFS), REPORTED(ENOMEM),
     REPORTED(EAFNOSUPPORT), REPORTED(EACCES));
WRAP_ERRNO(int, socket, (int family, int type, int protocol), (family, type, protocol))

CALL(socketpair, "socketpair", REPORTED(EMFILE), REPORTED(ENFILE), REPORTED(ENOMEM));
WRAP_ERRNO(int, socketpair, (int family, int type, int protocol, int fds[2]),
           (family, type, protocol, fds))

CALL(bind, "bind", REPORTED(EADDRINUSE), REPORTED(EACCES), REPORTED(EADDRNOTAVAIL),
     REPORTED(ENOMEM));
WRAP_ERRNO(int, bind, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))

CALL(listen, "listen", REPORTED(EADDRINUSE));
WRAP_ERRNO(int, listen, (int fd, int backlog), (fd, backlog))

CALL(setsockopt, "setsockopt", REPORTED(ENOMEM), REPORTED(ENOBUFS), REPORTED(ENOPROTOOPT));
WRAP_ERRNO(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len),
           (fd, level, name, value, len))

CALL(getsockopt, "getsockopt", REPORTED(ENOBUFS), REPORTED(ENOMEM));
WRAP_ERRNO(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len),
           (fd, level, name, value, len))

CALL(getsockname, "getsockname", REPORTED(ENOBUFS));
WRAP_ERRNO(int, getsockname, (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len))

CALL(getpeername, "getpeername", REPORTED(ENOBUFS));
WRAP_ERRNO(int, getpeername, (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len))

/* The first lot are errors of the connection that was to be accepted: the next one is taken. */
CALL(accept4, "accept4", HIDDEN(EINTR), HIDDEN(EAGAIN), HIDDEN(ECONNABORTED), HIDDEN(EPROTO),
     HIDDEN(ENETDOWN), HIDDEN(ENOPROTOOPT), HIDDEN(EHOSTDOWN), HIDDEN(ENONET), HIDDEN(EHOSTUNREACH),
     HIDDEN(ENETUNREACH), REPORTED(EMFILE), REPORTED(ENFILE), REPORTED(ENOBUFS), REPORTED(ENOMEM),
     REPORTED(EPERM));
WRAP(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags))
{
    return hit_io(&call_accept4, fd) > 0 ? -1 : __real_accept4(fd, addr, len, flags);
}

/* After EINTR the kernel goes on connecting. */
CALL(connect, "connect", HIDDEN(EINTR), REPORTED(ECONNREFUSED), REPORTED(ENETUNREACH),
     REPORTED(EADDRNOTAVAIL), REPORTED(ETIMEDOUT), REPORTED(EACCES), REPORTED(EPERM),
     REPORTED(EADDRINUSE), REPORTED(EAGAIN));
WRAP(int, connect, (int fd, const struct sockaddr *addr, socklen_t len))
{
    int err = faults_hit(&call_connect);

    if (err == EINTR && __real_connect(fd, addr, len) == 0)
        errno = EINTR;
    else if (!err)
        return __real_connect(fd, addr, len);
    return -1;
}

CALL(shutdown, "shutdown", REPORTED(ENOTCONN));
WRAP_ERRNO(int, shutdown, (int fd, int how), (fd, how))

CALL(recv, "recv", HIDDEN(EINTR), HIDDEN(EAGAIN), REPORTED(ECONNRESET), REPORTED(ECONNREFUSED),
     REPORTED(ENOMEM), REPORTED(ETIMEDOUT));
WRAP(ssize_t, recv, (int fd, void *buf, size_t len, int flags))
{
    return hit_io(&call_recv, fd) ? -1 : __real_recv(fd, buf, len, flags);
}

CALL(send, "send", HIDDEN(EINTR), HIDDEN(EAGAIN), REPORTED(ECONNRESET), REPORTED(EPIPE),
     REPORTED(ENOBUFS), REPORTED(ENOMEM));
WRAP(ssize_t, send, (int fd, const void *buf, size_t len, int flags))
{
    return hit_io(&call_send, fd) ? -1 : __real_send(fd, buf, len, flags);
}

CALL(recvfrom, "recvfrom", HIDDEN(EINTR), HIDDEN(EAGAIN), REPORTED(ECONNREFUSED),
     REPORTED(ENOMEM));
WRAP(ssize_t, recvfrom,
     (int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *from_len))
{
    return hit_io(&call_recvfrom, fd) ? -1 : __real_recvfrom(fd, buf, len, flags, from, from_len);
}

CALL(sendto, "sendto", HIDDEN(EINTR), HIDDEN(EAGAIN), REPORTED(ENOBUFS), REPORTED(ENOMEM),
     REPORTED(EMSGSIZE), REPORTED(ENETUNREACH), REPORTED(EPERM), REPORTED(ECONNREFUSED));
WRAP(ssize_t, sendto,
     (int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t to_len))
{
    return hit_io(&call_sendto, fd) ? -1 : __real_sendto(fd, buf, len, flags, to, to_len);
}

CALL(getaddrinfo, "getaddrinfo", TOLD_AS(EAI_AGAIN, EAGAIN), TOLD_AS(EAI_MEMORY, ENOMEM),
     TOLD_AS(EAI_SYSTEM, EMFILE), TOLD_AS(EAI_FAIL, ENOENT), TOLD_AS(EAI_NONAME, ENOENT));
WRAP(int, getaddrinfo,
     (const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **list))
{
    int err = faults_hit(&call_getaddrinfo);

    if (err)
        errno = EMFILE;
    return err ? err : __real_getaddrinfo(host, port, hints, list);
}

/* ---- threads, signals, processes ---------------------------------------------------------- */

CALL(pthread_create, "pthread_create", EITHER(EAGAIN));
WRAP_DIRECT(int, pthread_create,
            (pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg),
            (thread, attr, run, arg))

CALL(pthread_attr_init, "pthread_attr_init", EITHER(ENOMEM));
WRAP_DIRECT(int, pthread_attr_init, (pthread_attr_t *attr), (attr))

CALL(pthread_attr_setstacksize, "pthread_attr_setstacksize", EITHER(EINVAL));
WRAP_DIRECT(int, pthread_attr_setstacksize, (pthread_attr_t *attr, size_t size), (attr, size))

CALL(pthread_setname_np, "pthread_setname_np", HIDDEN(ENOENT), HIDDEN(EMFILE));
WRAP_DIRECT(int, pthread_setname_np, (pthread_t thread, const char *name), (thread, name))

CALL(pthread_cond_timedwait, "pthread_cond_timedwait, too early", HIDDEN(FAULT_SHORT));
WRAP(int, pthread_cond_timedwait,
     (pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until))
{
    if (faults_hit(&call_pthread_cond_timedwait))
        return 0; /* a spurious wake */
    return __real_pthread_cond_timedwait(cond, mutex, until);
}

CALL(sched_getaffinity, "sched_getaffinity", HIDDEN(EINVAL));
WRAP_ERRNO(int, sched_getaffinity, (pid_t pid, size_t size, cpu_set_t *set), (pid, size, set))

CALL(sigaction, "sigaction", REPORTED(EINVAL));
WRAP_ERRNO(int, sigaction, (int signo, const struct sigaction *to, struct sigaction *old),
           (signo, to, old))

CALL(sem_wait, "sem_wait", HIDDEN(EINTR));
WRAP_ERRNO(int, sem_wait, (sem_t *sem), (sem))

CALL(fork, "fork", REPORTED(EAGAIN), REPORTED(ENOMEM));
WRAP_ERRNO(pid_t, fork, (void), ())

CALL(waitpid, "waitpid", HIDDEN(EINTR));
WRAP_ERRNO(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options))

CALL(dup2, "dup2", HIDDEN(EINTR), HIDDEN(EBUSY), HIDDEN(EMFILE));
WRAP_ERRNO(int, dup2, (int from, int to), (from, to))

static struct fault_call *const all[] = {
    &call_malloc, &call_calloc, &call_realloc, &call_aligned_alloc, &call_strdup, &call_madvise,
    &call_fmemopen, &call_backtrace_symbols, &call_epoll_create1, &call_epoll_add, &call_epoll_add_timer,
    &call_epoll_del,
    &call_epoll_wait, &call_epoll_pwait2, &call_futex_wait, &call_tgsigqueue, &call_eventfd,
    &call_timerfd_create, &call_close, &call_read, &call_write, &call_write_eventfd, &call_fcntl,
    &call_poll, &call_memfd_create, &call_lseek, &call_stat, &call_socket, &call_socketpair, &call_bind,
    &call_listen, &call_setsockopt, &call_getsockopt, &call_getsockname, &call_getpeername,
    &call_accept4, &call_connect, &call_shutdown, &call_recv, &call_send, &call_recvfrom, &call_sendto,
    &call_getaddrinfo, &call_pthread_create, &call_pthread_attr_init,
    &call_pthread_attr_setstacksize, &call_pthread_setname_np,
    &call_pthread_cond_timedwait, &call_sched_getaffinity, &call_sigaction, &call_sem_wait, &call_fork,
    &call_waitpid, &call_dup2, NULL,
};

__attribute__((constructor)) static void list(void)
{
    static struct fault_calls mine = { .calls = all };

    faults_list(&mine);
}
