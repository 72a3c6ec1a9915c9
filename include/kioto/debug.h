/*
 * Debugging: what the tasks of a runtime do, as text.
 *
 *     kio_dump(stderr);                       // all runtimes, from anywhere: a task, a thread
 *     kio_dump_on_signal(SIGUSR1);            // kill -USR1 shows it on stderr
 *
 *     runtime kioto, multi_thread with 2 workers: 1 running, 0 queued, 2 idle, 0 over, …
 *     task 7 "alice": idle
 *       transfer (bank.c:12), line 19: kio_lock(&self->second, self->to)
 *         kio_lock: mutex 0x5581e0, 1 of 1 in line, held by task 9 "bob"
 *       + kio_lock: has mutex 0x5581a0, 1 in line
 *     …
 *     cycle: waits for ever, each for the next:
 *       task 7 "alice" waits for mutex 0x5581e0, held by task 9 "bob"
 *       task 9 "bob" waits for mutex 0x5581a0, held by task 7 "alice"
 *
 * It reads the tasks' own frames: no debug information is needed and no task is polled. On
 * multi_thread the workers go on meanwhile: each task is shown as it stood at one instant, one after
 * another; a task that is being polled is shown by its name alone. docs/guide/12-debugging.md
 * explains the lines, docs/design/dump.md how they are had.
 */
#ifndef KIOTO_DEBUG_H
#define KIOTO_DEBUG_H

#include "runtime.h"

#include <stdio.h>

/**
 * kio_dump(to): write every task of every runtime of this process.
 *
 * A task's line has its id, name (kio_task_set_name()) and state; below it stand the futures that it
 * waits for, as a tree: async functions with file and line and the awaited expression, then what the
 * innermost ones wait for: a lock with the task that holds it; a channel with the tasks whose frames
 * have its address, so probably the other end. A line that begins with + is a future that the task
 * owns and does not poll now. Cycles of tasks that wait for each other, and futurelocks (a future
 * that has a lock, or a place in its line, and is not polled), come last.
 *
 * to       borrowed, written with the runtimes going on
 *
 * Returns: 0
 * Errors:  -ENOMEM: what there was memory for is written; -EIO: writing failed (or had before: the file has
 *          its error indicator set)
 * Threads: any, one at a time (a second one waits); not in a signal handler
 * Cost:    a task is held for some microseconds while it is read: it cannot be polled; the whole text
 *          is built in memory. A current_thread runtime makes it between two polls: if it is in one
 *          poll for a second, its tasks are left out and that is said
 * Since:   0.1
 * See:     kio_runtime_dump(), kio_dump_on_signal(); src/debug/dump.c; examples/deadlock.c
 */
KIO_API int kio_dump(FILE *to);

/* kio_runtime_dump(rt, to): as kio_dump(), of one runtime. Threads: any, while rt is not freed */
KIO_API int kio_runtime_dump(struct kio_runtime *rt, FILE *to);

/**
 * kio_dump_on_signal(signo): write kio_dump() to stderr whenever the process gets a signal.
 *
 * A thread waits for that, so that it works while every worker is stuck. The signal's former handler
 * is replaced. Called again: one signal more. As config: kio_runtime_config.dump_signal.
 *
 * signo    such as SIGUSR1
 *
 * Returns: 0
 * Errors:  -EINVAL: no such signal, or one that cannot be caught; -EAGAIN: no thread can be started
 * Threads: any
 * Since:   0.1
 */
KIO_API KIO_MUST_USE int kio_dump_on_signal(int signo);

#endif
