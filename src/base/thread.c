#include "thread.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int start_blocked(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                         void *arg)
{
    /* A fault of the thread's own: blocked, it would end the process past the program's handler, a crash
     * reporter's or a sanitizer's. */
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
    sigset_t all, before;
    int err;

    /* The new thread inherits the mask. */
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(thread, attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

int ki_thread_start(pthread_t *thread, void *(*run)(void *), void *arg, size_t stack_size,
                    const char *name, unsigned number)
{
    char text[16];
    pthread_attr_t attr;
    int err = pthread_attr_init(&attr);

    if (err)
        return -err;
    if (stack_size)
        err = pthread_attr_setstacksize(&attr, stack_size);
    if (!err)
        err = start_blocked(thread, &attr, run, arg);
    pthread_attr_destroy(&attr);
    if (err)
        return -err;
    snprintf(text, sizeof text, "%.10s-%u", name, number % 10000);
    pthread_setname_np(*thread, text);
    return 0;
}

static _Thread_local int thread_id;

int ki_thread_id(void)
{
    if (!thread_id)
        thread_id = (int)syscall(SYS_gettid);
    return thread_id;
}

void ki_thread_nap(int64_t ns)
{
    nanosleep(&(struct timespec){ ns / 1000000000, ns % 1000000000 }, NULL);
}

void ki_thread_forked(void)
{
    thread_id = 0;
}

/* Thread sanitizer has a thread of its own. */
#if defined(__SANITIZE_THREAD__)
#define KI_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KI_TSAN 1
#endif
#endif
#ifndef KI_TSAN
#define KI_TSAN 0
#endif

ki_atomic(int) ki_thread_idlers = KI_TSAN;

int ki_thread_count(void)
{
    struct stat st;

    /* A directory's links: itself, its entry in the parent, and one for each directory in it. */
    return stat("/proc/self/task", &st) || st.st_nlink < 3 ? -1 : (int)st.st_nlink - 2;
}
