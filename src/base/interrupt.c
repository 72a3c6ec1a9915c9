#include "interrupt.h"
#include "clock.h"
#include "lock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__has_include)
#if __has_include(<execinfo.h>)
#include <execinfo.h>
#define HAVE_EXECINFO 1
#endif
#endif

/* state, a futex, one cycle a call:
 *   IDLE -> ASKED    the asker, after it wrote the rest
 *   ASKED -> RUNNING the thread, in its handler: the rest is its own
 *   ASKED -> IDLE    the asker, whose patience is over; a handler that comes later does nothing
 *   RUNNING -> DONE  the thread; DONE -> IDLE the asker */
enum { IDLE, ASKED, RUNNING, DONE };

static struct {
    pthread_mutex_t one; /* asker */
    ki_atomic(uint32_t) state;
    ki_atomic(int) tid;
    ki_interrupt_fn fn;
    void *arg;
} call = { .one = PTHREAD_MUTEX_INITIALIZER };

/* What was installed before; written under call.one before the handler is. */
static struct sigaction before[NSIG];
static bool installed[NSIG];

static const void *pc_of(const void *context)
{
#if defined(__x86_64__)
    return (const void *)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (const void *)((const ucontext_t *)context)->uc_mcontext.pc;
#else
    (void)context;
    return NULL;
#endif
}

static void pass_on(int signal, siginfo_t *info, void *context)
{
    const struct sigaction *old = &before[signal];

    if (old->sa_flags & SA_SIGINFO)
        old->sa_sigaction(signal, info, context);
    else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN)
        old->sa_handler(signal);
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    int saved = errno;
    uint32_t asked = ASKED;

    if (info->si_code != SI_QUEUE || info->si_value.sival_ptr != &call) {
        pass_on(signal, info, context);
    } else if (ki_load_relaxed(&call.tid) == ki_interrupt_self() &&
               ki_cas_strong_acquire(&call.state, &asked, RUNNING)) {
        /* relaxed: one who reads an old tid finds it is not its own, or the exchange fails.
         * acquire: pairs with the asker's release */
        call.fn(call.arg, pc_of(context));
        ki_store_release(&call.state, DONE); /* pairs with wait_done */
        ki_futex_wake(&call.state, 1);
    }
    errno = saved;
}

int ki_interrupt_prepare(int signal)
{
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
    void *frames[4];
    int err = 0;

    if (signal < 1 || signal >= NSIG)
        return -EINVAL;
    sigemptyset(&action.sa_mask);
    pthread_mutex_lock(&call.one);
    (void)ki_stack_take(frames, 4, NULL); /* the first time loads a library and allocates */
    if (!installed[signal]) {
        if (sigaction(signal, NULL, &before[signal]) || sigaction(signal, &action, NULL))
            err = -errno;
        installed[signal] = !err;
    }
    pthread_mutex_unlock(&call.one);
    return err;
}

int ki_interrupt_self(void)
{
    return (int)syscall(SYS_gettid);
}

bool ki_interrupt_admit(int signal, bool admit)
{
    sigset_t set, old;

    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(admit ? SIG_UNBLOCK : SIG_BLOCK, &set, &old);
    return sigismember(&old, signal) == 1;
}

static bool wait_done(int64_t limit_ns)
{
    uint32_t state;

    /* acquire: pairs with the handler's release */
    while ((state = ki_load_acquire(&call.state)) != DONE) {
        int64_t left = limit_ns - ki_clock_now();
        uint32_t asked = ASKED;

        if (left <= 0 && ki_cas_strong_acquire(&call.state, &asked, IDLE))
            return false;
        ki_futex_wait(&call.state, state, left > 0 ? left : -1);
    }
    ki_store_relaxed(&call.state, IDLE); /* nobody looks before the next one asks */
    return true;
}

/* The value marks it as ours: what the program sends itself is passed on. */
static bool send(int signal, int tid)
{
    siginfo_t info = { .si_code = SI_QUEUE, .si_value.sival_ptr = &call };

    info.si_pid = getpid();
    info.si_uid = getuid();
    return syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, signal, &info) == 0;
}

bool ki_interrupt(int signal, int tid, ki_interrupt_fn fn, void *arg, int64_t timeout_ns)
{
    bool done = false;

    pthread_mutex_lock(&call.one);
    call.fn = fn;
    call.arg = arg;
    ki_store_relaxed(&call.tid, tid);      /* published by state */
    ki_store_release(&call.state, ASKED);  /* pairs with on_signal */
    if (send(signal, tid))
        done = wait_done(ki_clock_add(ki_clock_now(), timeout_ns));
    else
        ki_store_relaxed(&call.state, IDLE); /* it has ended: nobody else reads it */
    pthread_mutex_unlock(&call.one);
    return done;
}

int ki_stack_take(void **frames, int cap, const void *pc)
{
#ifdef HAVE_EXECINFO
    int count = backtrace(frames, cap);
    int first = 0;

    while (pc && first < count && frames[first] != pc)
        first++;
    if (first == count)
        return count;
    for (int i = first; i < count; i++)
        frames[i - first] = frames[i];
    return count - first;
#else
    (void)frames;
    (void)cap;
    (void)pc;
    return 0;
#endif
}

void ki_stack_print(FILE *to, void *const *frames, int count)
{
#ifdef HAVE_EXECINFO
    char **lines = count ? backtrace_symbols(frames, count) : NULL;

    for (int i = 0; i < count; i++) {
        if (lines)
            fprintf(to, "    %2d: %s\n", i, lines[i]);
        else
            fprintf(to, "    %2d: %p\n", i, frames[i]);
    }
    free(lines);
#else
    (void)frames;
    (void)count;
    fputs("    not known: this C library has no <execinfo.h>\n", to);
#endif
}
