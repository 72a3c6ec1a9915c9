/*
 * Runtimes: who polls the futures.
 *
 *     struct async_main { async_fn(void); struct kio_sleep nap; };
 *
 *     async(async_main)
 *     {
 *         async_begin;
 *         await(kio_sleep(&self->nap, 50 * KIO_MS));
 *         async_return();
 *     }
 *
 *     kio_main(async_main)                                    // multi_thread, one worker a CPU
 *     kio_main(async_main, .flavor = KIO_CURRENT_THREAD)      // or this one
 *
 * current_thread: tasks run on the thread that is inside kio_runtime_block_on, in FIFO order.
 * multi_thread: workers with a queue each, which steal from one another; tasks run whether or not
 * somebody blocks.
 * deterministic: as current_thread, on a paused clock that starts at one second, and with everything
 * that may happen in more than one order drawn from the seed: which ready task runs next (of the first
 * 64), when timers and fds are looked at, the arms of select, jobs of kio_spawn_blocking (which run on
 * this thread, between tasks). The same seed gives the same run, as long as the program talks to no
 * other thread or process and looks at no address and no other clock. See kioto/test.h.
 *
 * A runtime is made, used from any thread, and freed once; what outlives it
 * (wakers, join handles, senders) stays safe to use and to drop.
 */
#ifndef KIOTO_RUNTIME_H
#define KIOTO_RUNTIME_H

#include "time.h"

struct kio_runtime; /* opaque */

enum kio_flavor {
    KIO_MULTI_THREAD,
    KIO_CURRENT_THREAD,
    KIO_DETERMINISTIC, /* for tests: see below */
};

/* What the watchdog tells of a worker that is stuck in one poll. Texts live for the call. */
struct kio_blocked {
    unsigned worker;
    bool over;             /* false: it is stuck now. true: it goes on; what follows is as before */
    kio_duration lasted;   /* nanoseconds it has been in this poll */
    uint64_t task_id;
    const char *task;      /* its name, or its async function's; NULL: the thread did not answer */
    const char *file;      /* the await it last passed; NULL: none, it was polled the first time */
    int line;
    const char *awaited;   /* the text of that await */
    void *const *stack;    /* the C stack of the thread, innermost first */
    int stack_depth;       /* 0: this C library cannot tell, or the thread did not answer */
    const char *report;    /* all of it as text of some lines, as it would go to stderr */
};

/* Called by workers: on_park before one sleeps, on_unpark after, on the worker's thread. on_start
 * and on_stop: on each worker thread of multi_thread, first and last, also on a spare one each time
 * it takes over (kio_block_in_place, the watchdog). on_blocked: on the watchdog's thread, instead of a
 * report to stderr, while the worker is stuck and once more when it goes on. No locks are held. */
struct kio_hooks {
    void (*on_start)(void *arg);
    void (*on_stop)(void *arg);
    void (*on_park)(void *arg);
    void (*on_unpark)(void *arg);
    void (*on_blocked)(const struct kio_blocked *stuck, void *arg);
    void *arg;
};

/* Everything zero: the defaults. */
struct kio_runtime_config {
    enum kio_flavor flavor;
    unsigned workers;                /* multi_thread; 0: KIOTO_WORKERS, or one a CPU; at most 1024 */
    unsigned max_blocking;           /* threads for jobs that block; 0: 512 */
    kio_duration blocking_keep_alive;/* an idle one ends after; 0: 10 s */
    size_t stack_size;               /* bytes, of workers and blocking threads; 0: the system's */
    const char *name;                /* of the threads, at most 10 characters; NULL: "kioto" */
    bool start_paused;               /* current_thread: begin with a paused clock */
    uint64_t seed;                   /* of what is random in scheduling; 0: from the clock;
                                        deterministic: KIOTO_SEED, or 1 */
    int dump_signal;                 /* as kio_dump_on_signal() (debug.h); 0: none */
    /* A report on stderr when the runtime sleeps and nothing is left that could wake it: no timer,
     * fd or job. 0: after 1 s, if there is no other thread either; positive: after that time, also
     * if another thread may come; negative: never. It says so once and goes on sleeping. */
    kio_duration stuck_after;
    bool time_polls;                 /* measure polls and waits in queues for metrics.h: two readings
                                        of the clock a poll, one each time a task is queued */
    kio_duration watchdog;           /* a poll that lasts longer is reported, and on multi_thread a
                                        spare worker takes over; 0: no watchdog; at least 1 ms */
    int watchdog_signal;             /* asks the stuck thread for its stack; 0: SIGURG; negative:
                                        none is sent, and the report has no names and no stack */
    struct kio_hooks hooks;
};

/**
 * kio_runtime_new(rt, config): make a runtime.
 *
 * rt       written: the runtime, to be freed with kio_runtime_free(); NULL on error
 * config   NULL: the defaults; copied
 *
 * Returns: 0
 * Errors:  -ENOMEM; -EINVAL: workers above 1024, a negative duration, a paused clock on
 *          multi_thread, a dump_signal that cannot be caught, a watchdog of less than 1 ms or a signal
 *          that it cannot have; -EMFILE, -ENFILE: no fd left; -EAGAIN: no thread can be started.
 *          Nothing is left behind
 * Threads: any
 * Since:   0.1
 */
KIO_API KIO_MUST_USE int kio_runtime_new(struct kio_runtime **rt,
                                         const struct kio_runtime_config *config);

/**
 * kio_runtime_shutdown(rt, timeout): drop every task and wait for jobs that run.
 *
 * No task is accepted any more (kio_spawn gives -ESHUTDOWN). Every task is dropped at its
 * suspension point: destructors run, handles give -ECANCELED; jobs that have not begun do not.
 * A second call waits again.
 *
 * timeout  nanoseconds to wait for workers and for jobs that run; negative: for ever
 *
 * Returns: 0: nothing runs any more
 * Errors:  -ETIMEDOUT: a task or job still blocks a thread
 * Threads: any but the runtime's own, one at a time; on current_thread nobody may be in block_on
 * Since:   0.1
 */
KIO_API int kio_runtime_shutdown(struct kio_runtime *rt, kio_duration timeout);

/**
 * kio_runtime_free(rt): shut down, waiting for ever for what runs, and release the runtime.
 *
 * rt       owned; NULL: nothing happens
 *
 * Threads: as kio_runtime_shutdown()
 * Since:   0.1
 */
KIO_API void kio_runtime_free(struct kio_runtime *rt);

/* kio_runtime_enter(rt): makes rt the current runtime of this thread, so that it can spawn and
 * make timers; gives the one before, for kio_runtime_leave(before). Threads: any */
KIO_API KIO_MUST_USE struct kio_runtime *kio_runtime_enter(struct kio_runtime *rt);
KIO_API void kio_runtime_leave(struct kio_runtime *before);

/* kio_runtime_current(): the current runtime of this thread, or NULL. Threads: any */
KIO_API struct kio_runtime *kio_runtime_current(void);

/* kio_runtime_workers(rt): threads that run tasks: 1 on current_thread. Threads: any */
KIO_API unsigned kio_runtime_workers(const struct kio_runtime *rt);

/* A task being made, and one that is waited for. Private. */
struct kio_nursery_ {
    void *task;
    void *frame; /* NULL: it could not be made, error says why */
    int error;
};

KIO_API struct kio_nursery_ kio_task_alloc_(struct kio_runtime *rt, const kio_future_type *type);
KIO_API struct kio_nursery_ kio_root_alloc_(struct kio_runtime *rt, const kio_future_type *type,
                                            struct kio_runtime **own);
KIO_API void kio_root_run_(struct kio_runtime *rt, struct kio_nursery_ *made, void *out);
KIO_API void kio_root_end_(struct kio_runtime *own);

#define kio_block_(rt_, own_ptr_, name, ...)                                                       \
    ({                                                                                             \
        struct kio_runtime *run_on_ = (rt_);                                                       \
        struct kio_runtime *own_ = NULL;                                                           \
        struct kio_nursery_ made_ = kio_root_alloc_(run_on_, &name##_type, own_ptr_);              \
        __typeof__(((struct name *)0)->out) out_;                                                  \
        *(struct name *)made_.frame =                                                              \
            (struct name){ .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };           \
        kio_root_run_(own_ ? own_ : run_on_, &made_, &out_);                                       \
        kio_root_end_(own_);                                                                       \
        out_;                                                                                      \
    })

/**
 * kio_block_on(name, .param = v, …): run an async function to its end, on this thread.
 *
 * On a current_thread runtime of its own, which ends with it: tasks it spawned and did not wait
 * for are dropped. An expression with the function's result.
 *
 * Errors:  a guard fails inside a task, and when the runtime cannot be made (kio_runtime_new()
 *          tells that case apart)
 * Threads: any that is not running a task
 * Since:   0.1
 */
#define kio_block_on(name, ...) kio_block_(NULL, &own_, name __VA_OPT__(, ) __VA_ARGS__)

/**
 * kio_runtime_block_on(rt, name, .param = v, …): run an async function to its end on a runtime.
 *
 * On multi_thread it runs on a worker, while this thread sleeps; on current_thread this thread
 * becomes the one that runs tasks (or, if another one is, sleeps until that one has run it, or
 * takes over from it).
 *
 * Errors:  a guard fails inside a task, after the runtime's shutdown, and without memory
 * Threads: any that is not running a task
 * Since:   0.1
 */
#define kio_runtime_block_on(rt, name, ...) kio_block_(rt, NULL, name __VA_OPT__(, ) __VA_ARGS__)

/* The exit status of a main: its result if that is an int, 0 otherwise. */
#define kio_main_status_(out) _Generic((out), int: (out), default: 0)

KIO_API struct kio_runtime *kio_main_begin_(const struct kio_runtime_config *config);

#define kio_main_(name, params, ...)                                                               \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        struct kio_runtime *rt_ =                                                                  \
            kio_main_begin_(&(struct kio_runtime_config){ __VA_ARGS__ });                          \
        (void)argc;                                                                                \
        (void)argv;                                                                                \
        __typeof__(((struct name *)0)->out) out_main_ =                                            \
            kio_runtime_block_on(rt_, name KIO_ARGS_##params);                                     \
        kio_runtime_free(rt_);                                                                     \
        (void)out_main_;                                                                           \
        return kio_main_status_(out_main_);                                                        \
    }
#define KIO_ARGS_none
#define KIO_ARGS_argv , .argc = argc, .argv = argv

/* kio_main(name, config…): defines main(), which runs an async function without parameters. */
#define kio_main(name, ...) kio_main_(name, none __VA_OPT__(, ) __VA_ARGS__)
/* kio_main_args(name, config…): its struct has `int argc; char **argv;`. */
#define kio_main_args(name, ...) kio_main_(name, argv __VA_OPT__(, ) __VA_ARGS__)

#endif
