/*
 * "The current runtime" of this thread: what tasks, timers and sockets made here belong to. Set on
 * workers, in kio_block_on and between kio_runtime_enter and its leave.
 */
#ifndef KI_RUNTIME_CONTEXT_H
#define KI_RUNTIME_CONTEXT_H

#include <kioto/config.h>

struct kio_runtime;
struct ki_poller;
struct ki_blocking;

struct kio_runtime *ki_context_runtime(void);   /* NULL: none */
struct ki_poller *ki_context_poller(void);      /* the runtime's epoll; NULL: no runtime here */
struct ki_blocking *ki_context_blocking(void);  /* the runtime's blocking pool; NULL likewise */

#endif
