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
 *
 * fork: a child has none of the threads. There its parent's runtimes are shut down (kio_spawn gives
 * -ESHUTDOWN; no destructor runs), and it may make runtimes of its own. A child that was forked inside
 * a task may only exec or _exit. See docs/guide/10-runtime.md.
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

/* A task, as hooks are told of it. Texts live for the call; those of places for ever. */
struct kio_task_info {
    uint64_t id;            /* as kio_task_id() */
    const char *name;       /* its name; NULL: none */
    const char *function;   /* of what was spawned: the async function's name, and where it stands */
    const char *file;
    int line;
    const char *spawn_file; /* where it was spawned; NULL: by block_on, or without memory */
    int spawn_line;
    kio_duration waited;    /* in on_poll_begin and on_poll_end, with time_polls: nanoseconds it was
                               queued before this poll; otherwise -1 */
    bool aborted;           /* in on_task_end: it was dropped before its end */
    const void *out;        /* in on_task_end: its result; NULL: aborted, or it has none */
    size_t out_size;        /* bytes of that */
};

/* Called by workers: on_park before one sleeps, on_unpark after, on the worker's thread. What on_park
 * wakes or spawns runs at once: the worker looks at timers and I/O and does not sleep. on_start
 * and on_stop: on each worker thread of multi_thread, first and last, also on a spare one each time
 * it takes over (kio_block_in_place, the watchdog). on_blocked: on the watchdog's thread, instead of a
 * report to stderr, while the worker is stuck and once more when it goes on.
 * Of each task, that of block_on too; not of jobs, and not of tasks of a local set:
 * on_task_spawn: where it is spawned, on any thread, before it can run. on_poll_begin, on_poll_end:
 * around each poll, on its worker. on_task_end: on its worker, after its destructor, before anybody
 * who awaits it knows. A runtime without these pays nothing for them.
 * No locks are held in any hook. */
struct kio_hooks {
    void (*on_start)(void *arg);
    void (*on_stop)(void *arg);
    void (*on_park)(void *arg);
    void (*on_unpark)(void *arg);
    void (*on_blocked)(const struct kio_blocked *stuck, void *arg);
    void (*on_task_spawn)(const struct kio_task_info *task, void *arg);
    void (*on_task_end)(const struct kio_task_info *task, void *arg);
    void (*on_poll_begin)(const struct kio_task_info *task, void *arg);
    void (*on_poll_end)(const struct kio_task_info *task, void *arg);
    void *arg;
};

/* Everything zero: the defaults. */
struct kio_runtime_config {
    enum kio_flavor flavor;
    unsigned workers;                /* multi_thread; 0: KIOTO_WORKERS, or one a CPU; at most 1024 */
    unsigned max_blocking;           /* threads for jobs that block; 0: 512 */
    kio_duration blocking_keep_alive;/* an idle one ends after; 0: 10 s */
    size_t stack_size;               /* bytes, of workers and blocking threads; 0: the system's */
    const char *name;                /* of it and its threads, at most 10 characters; NULL: "kioto" */
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
 * Errors:  -ENOMEM; -EINVAL: workers above 1024, a negative duration, a blank name, a paused clock
 *          on multi_thread, a dump_signal that cannot be caught, a watchdog of less than 1 ms or a signal
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
 * suspension point: destructors run, with the runtime as the current one; handles give -ECANCELED;
 * jobs that have not begun do not. A second call waits again. Timers and fds that outlive it: a sleep
 * that is awaited on another runtime fires there, I/O gives -ESHUTDOWN instead of waiting.
 *
 * Tasks that shall end by themselves first are told so (a cancel token) and waited for with
 * kio_runtime_drain().
 *
 * timeout  nanoseconds to wait for workers and for jobs that run; negative: for ever; 0: only starts
 *          it, and gives what is true at once
 *
 * Returns: 0: nothing runs any more
 * Errors:  -ETIMEDOUT: a task or job still blocks a thread, and goes on
 * Threads: any but the runtime's own, one at a time
 * Since:   0.1
 * See:     kio_runtime_drain(), kio_runtime_free()
 */
KIO_API int kio_runtime_shutdown(struct kio_runtime *rt, kio_duration timeout);

/**
 * kio_runtime_drain(rt, grace): wait until every task and job has ended by itself.
 *
 * The polite half of a shutdown. It asks nobody to end: the program does, with a cancel token or by
 * closing channels. Until it returns tasks are accepted as ever; on current_thread this thread runs
 * them meanwhile. Nothing is dropped: kio_runtime_shutdown() comes next, or anything else.
 *
 * grace    nanoseconds of real time, also when the runtime's clock is paused; negative: for ever
 *
 * Returns: 0: there was a moment without any task or job
 * Errors:  -ETIMEDOUT: some are left; -ESHUTDOWN: the runtime is being shut down, and some are left
 * Threads: any that is not running a task or job of rt
 * Cost:    looks at every worker's counts some hundred times a second
 * Since:   0.1
 * See:     kio_runtime_shutdown(); src/runtime/drain.c; docs/guide/10-runtime.md
 */
KIO_API KIO_MUST_USE int kio_runtime_drain(struct kio_runtime *rt, kio_duration grace);

/**
 * kio_runtime_free(rt): shut down, waiting for ever for what runs, and release the runtime.
 *
 * Wakers, handles, senders and receivers may outlive it. So may a sleep that was armed in it and is awaited
 * elsewhere: it is woken, and goes on in the runtime where it is polled next; but nobody may poll, reset or
 * drop it while this call is under way.
 *
 * rt       owned; NULL: nothing happens; of a forked child's parent: only its fds are closed
 *
 * Errors:  a guard fails while this thread has entered it
 * Threads: as kio_runtime_shutdown()
 * Since:   0.1
 */
KIO_API void kio_runtime_free(struct kio_runtime *rt);

/**
 * kio_runtime_enter(rt): make rt the current runtime of this thread, so that it can spawn and open fds.
 *
 * rt       borrowed until kio_runtime_leave()
 *
 * Returns: the one before, or NULL: for kio_runtime_leave(), in the same poll or outside of tasks
 * Threads: any
 * Since:   0.1
 * See:     kio_runtime_current()
 */
KIO_API KIO_MUST_USE struct kio_runtime *kio_runtime_enter(struct kio_runtime *rt);

/**
 * kio_runtime_leave(before): undo the last kio_runtime_enter() of this thread.
 *
 * before   what that one returned
 *
 * Errors:  a guard fails when they are left in another order than they were entered (of the
 *          innermost sixteen)
 * Threads: the one that entered
 * Since:   0.1
 */
KIO_API void kio_runtime_leave(struct kio_runtime *before);

/* kio_runtime_current(): the current runtime of this thread, or NULL. Set in tasks, jobs, hooks of
 * workers, destructors of tasks, and after kio_runtime_enter(). Threads: any */
KIO_API struct kio_runtime *kio_runtime_current(void);

/* kio_runtime_workers(rt): threads that run tasks: 1 on current_thread. Threads: any */
KIO_API unsigned kio_runtime_workers(const struct kio_runtime *rt);

/* kio_runtime_flavor(rt): as configured. Threads: any */
KIO_API enum kio_flavor kio_runtime_flavor(const struct kio_runtime *rt);

/* kio_runtime_name(rt): as configured, shortened to 10 characters; lives as long as rt. Threads: any */
KIO_API const char *kio_runtime_name(const struct kio_runtime *rt);

/* kio_runtime_id(rt): a number, from 1, that no other runtime of this process ever had. Threads: any */
KIO_API uint64_t kio_runtime_id(const struct kio_runtime *rt);

/**
 * kio_worker_index(): which worker of its runtime this thread is.
 *
 * Returns: 0 to workers - 1, and from there on for spares: as kio_metrics_worker() counts. 0 on
 *          current_thread, in whatever thread runs its tasks. -1: this thread runs no tasks: a
 *          plain one, one of the blocking pool, or one inside kio_block_in_place()
 * Threads: any
 * Since:   0.1
 */
KIO_API int kio_worker_index(void);

/* A task being made, and one that is waited for. Private. */
struct kio_nursery_ {
    void *task;
    void *frame; /* NULL: it could not be made, error says why */
    const struct kio_place *at; /* where it is spawned; NULL: not known */
    void *extra;                /* its name and such; NULL: none */
    int error;
};

KIO_API struct kio_nursery_ kio_task_alloc_(struct kio_runtime *rt, const kio_future_type *type);
KIO_API struct kio_nursery_ kio_root_alloc_(struct kio_runtime *rt, const kio_future_type *type,
                                            struct kio_runtime **own);
KIO_API void kio_root_run_(struct kio_runtime *rt, struct kio_nursery_ *made, void *out);
KIO_API void kio_root_end_(struct kio_runtime *own);
KIO_API struct kio_nursery_ kio_root_try_(struct kio_runtime *rt, const kio_future_type *type);
KIO_API KIO_MUST_USE int kio_root_try_run_(struct kio_runtime *rt, struct kio_nursery_ *made, void *out);

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
 * Several threads may do so at once. On current_thread all of their functions run on the one thread
 * that runs tasks at the time, with the timers and I/O; when its own function ends another of the
 * threads takes over. Tasks stand still while nobody is in here.
 *
 * Errors:  a guard fails inside a task, without memory, and when the runtime is shut down before or
 *          meanwhile: kio_runtime_try_block_on() tells these cases apart
 * Threads: any that is not running a task
 * Since:   0.1
 * See:     kio_runtime_try_block_on()
 */
#define kio_runtime_block_on(rt, name, ...) kio_block_(rt, NULL, name __VA_OPT__(, ) __VA_ARGS__)

/**
 * kio_runtime_try_block_on(rt, out_ptr, name, .param = v, …): as kio_runtime_block_on(), with an error.
 *
 * For threads and jobs of the blocking pool that may meet the runtime's shutdown.
 *
 * out_ptr  written: the function's result, only when this is 0; NULL: not wanted
 *
 * Returns: 0: the function has ended
 * Errors:  -ESHUTDOWN, -ENOMEM: it never began, its parameters were released by its destructor;
 *          -ECANCELED: the runtime was shut down meanwhile, and dropped it. A guard fails inside a
 *          task
 * Threads: any that is not running a task
 * Since:   0.1
 */
#define kio_runtime_try_block_on(rt, out_ptr, name, ...)                                           \
    ({                                                                                             \
        struct kio_runtime *try_on_ = (rt);                                                        \
        __typeof__(((struct name *)0)->out) *to_ = (out_ptr);                                      \
        struct kio_nursery_ made_ = kio_root_try_(try_on_, &name##_type);                          \
        struct name lost_;                                                                         \
        struct name *at_ = made_.frame ? made_.frame : &lost_;                                     \
        *at_ = (struct name){ .kio = { .type = &name##_type } __VA_OPT__(, ) __VA_ARGS__ };        \
        if (!made_.frame)                                                                          \
            kio_drop_(&at_->kio);                                                                  \
        kio_root_try_run_(try_on_, &made_, to_);                                                   \
    })

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
