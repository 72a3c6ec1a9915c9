#include "thread.h"

#include <signal.h>
#include <stdio.h>

static int start_blocked(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
                         void *arg)
{
    sigset_t all, before;
    int err;

    /* The new thread inherits the mask. What a fault raises on itself is delivered all the same. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(thread, attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

int ki_thread_start(pthread_t *thread, void *(*run)(void *), void *arg, size_t stack_size,
                    const char *name, unsigned number)
{
    pthread_attr_t attr;
    char text[16];
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
