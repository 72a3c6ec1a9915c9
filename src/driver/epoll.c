/* The poller on Linux: epoll, edge-triggered; eventfd to wake, timerfd for the sleepers' alarm. */
#include "poller.h"
#include "readiness.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* Tokens that no registration has: an index beyond the table. */
#define KI_TOKEN_WAKE  UINT64_MAX
#define KI_TOKEN_TIMER (UINT64_MAX - 1)

static int add_own(struct ki_poller *p, int fd, uint64_t token)
{
    struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u64 = token };

    return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int close_with(struct ki_poller *p, int err)
{
    if (p->timer_fd >= 0)
        close(p->timer_fd);
    if (p->wake_fd >= 0)
        close(p->wake_fd);
    if (p->epoll_fd >= 0)
        close(p->epoll_fd);
    p->timer_fd = p->wake_fd = p->epoll_fd = -1;
    return err;
}

static int open_timer(struct ki_poller *p)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    int err = fd < 0 ? -errno : add_own(p, fd, KI_TOKEN_TIMER);

    if (!err)
        p->timer_fd = fd;
    else if (fd >= 0)
        close(fd);
    return err;
}

int ki_poller_open(struct ki_poller *p, bool with_timer)
{
    int err = 0;

    *p = (struct ki_poller){ .epoll_fd = -1, .wake_fd = -1, .timer_fd = -1 };
    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll_fd < 0)
        return close_with(p, -errno);
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake_fd < 0)
        return close_with(p, -errno);
    err = add_own(p, p->wake_fd, KI_TOKEN_WAKE);
    if (!err && with_timer)
        err = open_timer(p);
    return err ? close_with(p, err) : 0;
}

bool ki_poller_need_timer(struct ki_poller *p)
{
    return p->timer_fd >= 0 || !open_timer(p);
}

void ki_poller_close(struct ki_poller *p)
{
    ki_ready_orphan(p);
    close_with(p, 0);
}

int ki_poller_add(struct ki_poller *p, int fd, uint64_t token)
{
    struct epoll_event ev = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET,
        .data.u64 = token,
    };

    if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &ev))
        return -errno;
    ki_fetch_add_relaxed(&p->fds, 1); /* statistics, beside a system call */
    ki_fetch_add_relaxed(&p->added, 1);
    return 0;
}

void ki_poller_remove(struct ki_poller *p, int fd)
{
    struct epoll_event unused = { 0 };

    /* Fails only for an fd that is not registered: nothing to undo then. */
    (void)epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, fd, &unused);
    ki_fetch_sub_relaxed(&p->fds, 1); /* as above */
}

static unsigned bits_of(uint32_t events)
{
    unsigned bits = 0;

    if (events & (EPOLLIN | EPOLLPRI))
        bits |= KI_READ;
    if (events & EPOLLPRI)
        bits |= KI_READ_CLOSED; /* a read stops at the urgent byte: a short one says nothing */
    if (events & EPOLLOUT)
        bits |= KI_WRITE;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        bits |= KI_READ_CLOSED;
    if (events & (EPOLLHUP | EPOLLERR))
        bits |= KI_WRITE_CLOSED;
    return bits;
}

static int wait_ms(struct ki_poller *p, struct epoll_event *events, int64_t timeout_ns)
{
    /* Rounded up: a timer may be late by a millisecond, never early. */
    int64_t ms = timeout_ns < 0 ? -1 : (timeout_ns + 999999) / 1000000;

    return epoll_wait(p->epoll_fd, events, KI_EVENTS, ms > INT32_MAX ? INT32_MAX : (int)ms);
}

static int wait_events(struct ki_poller *p, struct epoll_event *events, int64_t timeout_ns)
{
#ifdef SYS_epoll_pwait2
    /* Nanoseconds; Linux 5.11 and later. By number: older C libraries have no name for it. */
    static ki_atomic(int) missing; /* relaxed: at worst one more call that fails */

    if (timeout_ns > 0 && !ki_load_relaxed(&missing)) {
        struct timespec ts = {
            .tv_sec = (time_t)(timeout_ns / 1000000000),
            .tv_nsec = (long)(timeout_ns % 1000000000),
        };
        int n = (int)syscall(SYS_epoll_pwait2, p->epoll_fd, events, KI_EVENTS, &ts, NULL, 0);

        if (n >= 0 || (errno != ENOSYS && errno != EPERM)) /* EPERM: a seccomp filter */
            return n;
        ki_store_relaxed(&missing, 1);
    }
#endif
    return wait_ms(p, events, timeout_ns);
}

void ki_poller_wait(struct ki_poller *p, int64_t timeout_ns, struct ki_polled *seen)
{
    struct epoll_event events[KI_EVENTS];
    int n = wait_events(p, events, timeout_ns);

    seen->count = 0;
    seen->woken = seen->timer = false;
    for (int i = 0; i < n; i++) {
        uint64_t token = events[i].data.u64;

        if (token == KI_TOKEN_WAKE)
            seen->woken = true;
        else if (token == KI_TOKEN_TIMER)
            seen->timer = true;
        else
            seen->events[seen->count++] = (struct ki_event){ token, bits_of(events[i].events) };
    }
    if (seen->count)
        ki_fetch_add_relaxed(&p->events, (uint64_t)seen->count); /* a statistic */
}

void ki_poller_deliver(const struct ki_polled *seen)
{
    for (int i = 0; i < seen->count; i++)
        ki_ready_event(seen->events[i].token, seen->events[i].bits);
}

void ki_poller_wake(struct ki_poller *p)
{
    int saved = errno;
    uint64_t one = 1;

    /* Never read, so the counter only grows: 2^64 wakes are not reached. Each write is an edge. */
    while (write(p->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = saved;
}

void ki_poller_set_timer(struct ki_poller *p, int64_t deadline_ns)
{
    struct itimerspec at = { 0 };

    if (deadline_ns != INT64_MAX) {
        if (deadline_ns < 1)
            deadline_ns = 1; /* zero would disarm it */
        at.it_value.tv_sec = (time_t)(deadline_ns / 1000000000);
        at.it_value.tv_nsec = (long)(deadline_ns % 1000000000);
    }
    timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}
