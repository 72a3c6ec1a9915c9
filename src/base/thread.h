/* Starting a named thread. It takes no signals: they are the program's own threads' business, and
 * a handler there never finds one of Kioto's in the middle of something. But its own faults it does. */
#ifndef KI_BASE_THREAD_H
#define KI_BASE_THREAD_H

#include "atomic.h"

#include <kioto/config.h>

#include <pthread.h>

/* name: at most 10 characters are used, the thread is called name-number. NULL: it names itself, because
 * it may have ended, and been joined by another thread, before this returns. stack_size: bytes, 0: the
 * system's default. 0 or a negative errno. */
KIO_MUST_USE int ki_thread_start(pthread_t *thread, void *(*run)(void *), void *arg,
                                 size_t stack_size, const char *name, unsigned number);

/* The kernel's id of this thread; asked for once a thread. */
int ki_thread_id(void);
void ki_thread_forked(void); /* in a forked child: it has another one */

/* Sleeps for so long, or less: a signal ends it. */
void ki_thread_nap(int64_t ns);

/* Threads of this process; -1: not known. */
int ki_thread_count(void);

/* Threads of Kioto's own that wake nobody on their own account: a deadlock's report leaves them out. */
extern ki_atomic(int) ki_thread_idlers;

#endif
