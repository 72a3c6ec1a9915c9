/*
 * A dump when a signal comes. The handler posts a semaphore, which is all that a handler may do; a
 * thread of its own waits for that and dumps, so it works while every worker is stuck. The thread
 * is started once and stays.
 */
#include "../base/lock.h"
#include "../base/thread.h"

#include <kioto/debug.h>

#include <errno.h>
#include <semaphore.h>
#include <signal.h>

static sem_t asked;
static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;
static bool started;

static void on_signal(int signo)
{
    int saved = errno;

    (void)signo;
    sem_post(&asked);
    errno = saved;
}

static void *dump_main(void *arg)
{
    (void)arg;
    for (;;) {
        if (!sem_wait(&asked))
            (void)kio_dump(stderr);
    }
    return NULL;
}

/* Under start_lock. */
static int start_locked(void)
{
    pthread_t thread;
    int err;

    if (started)
        return 0;
    sem_init(&asked, 0, 0);
    err = ki_thread_start(&thread, dump_main, NULL, 0, "kioto-dump", 0);
    if (err)
        return err;
    pthread_detach(thread);
    started = true;
    ki_fetch_add_relaxed(&ki_thread_idlers, 1);
    return 0;
}

int kio_dump_on_signal(int signo)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    int err;

    pthread_mutex_lock(&start_lock);
    err = start_locked();
    pthread_mutex_unlock(&start_lock);
    if (err)
        return err;
    sigemptyset(&action.sa_mask);
    return sigaction(signo, &action, NULL) ? -errno : 0;
}
