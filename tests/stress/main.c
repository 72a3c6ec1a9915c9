/*
 * kioto-stress [--flavor ct|mt|det] [--workers N] [--seconds N] [--rounds N] [--seed N] [--watchdog]
 *
 * Rounds: a runtime, a conductor that spawns plays, threads outside that do the same and more, the
 * end at a random moment, then the balance. KIOTO_SEED as --seed. What a round does is drawn from
 * the seed and the round's number: a failure prints a seed with which that round is the first.
 */
#include "stress.h"
#include "base/mem.h"
#include "driver/readiness.h"

#include <dirent.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define CROWD  24  /* tasks whose handles the conductor has */
#define LIMIT  600 /* frames alive: beyond it nobody starts more */
#define THREADS 3
#define SILENCE 60 /* seconds without an operation: a hang */

struct round now;

/* ---- what lies about for others to find --------------------------------------------------- */

#define POSTS 32

static struct post {
    pthread_mutex_t lock;
    struct kio_abort_handle abort[POSTS];
    kio_waker waker[POSTS];
    struct job *jobs;
} post = { .lock = PTHREAD_MUTEX_INITIALIZER };

void post_abort(struct ki_rand *dice, struct kio_abort_handle handle)
{
    pthread_mutex_lock(&post.lock);
    post.abort[roll(dice, POSTS)] = handle;
    pthread_mutex_unlock(&post.lock);
}

static kio_waker swap_waker(struct ki_rand *dice, kio_waker waker)
{
    unsigned at = roll(dice, POSTS);
    kio_waker old;

    pthread_mutex_lock(&post.lock);
    old = post.waker[at];
    post.waker[at] = waker;
    pthread_mutex_unlock(&post.lock);
    return old;
}

void post_waker(struct ki_rand *dice, kio_waker waker)
{
    kio_waker old = swap_waker(dice, waker);

    if (chance(dice, 50))
        kio_waker_wake(old);
    else
        kio_waker_drop(old);
}

void abort_somebody(struct ki_rand *dice)
{
    struct kio_abort_handle handle;

    pthread_mutex_lock(&post.lock);
    handle = post.abort[roll(dice, POSTS)];
    pthread_mutex_unlock(&post.lock);
    kio_abort_by(handle);
}

void wake_somebody(struct ki_rand *dice)
{
    kio_waker_wake(swap_waker(dice, (kio_waker){ 0 }));
}

void *job_new(size_t size, void (*clean)(struct job *job))
{
    struct job *job = calloc(1, size);

    must(job);
    job->life = born(K_JOB);
    job->clean = clean;
    pthread_mutex_lock(&post.lock);
    job->next = post.jobs;
    post.jobs = job;
    pthread_mutex_unlock(&post.lock);
    return job;
}

/* After the runtime: jobs that never began leave what they were given. Wakers that lie about are woken
 * late; abort handles stay for the next round. */
static void clear_posts(void)
{
    struct job *next;

    for (int i = 0; i < POSTS; i++) {
        kio_waker_wake(post.waker[i]);
        post.waker[i] = (kio_waker){ 0 };
    }
    for (struct job *job = post.jobs; job; job = next) {
        next = job->next;
        if (!job->ran && job->clean)
            job->clean(job);
        died(&job->life);
        free(job);
    }
    post.jobs = NULL;
}

/* ---- plays -------------------------------------------------------------------------------- */

static const struct play *const plays[] = {
    &play_mpsc, &play_mpsc, &play_oneshot, &play_broadcast, &play_watch, &play_mutex, &play_rwlock,
    &play_semaphore, &play_notify, &play_barrier, &play_once, &play_cancel, &play_sleeps,
    &play_intervals, &play_probes, &play_pipes, &play_tcp, &play_readiness, &play_handles,
    &play_join_set, &play_scope, &play_tracker, &play_local, &play_blocking, &play_in_place,
    &play_nested, &play_nested, &play_arrays, &play_future_set, &play_iterators, &play_sharing,
    &play_set_once, &play_permits, &play_abortable, &play_delays, &play_ordered, &play_iter_set,
};

static const char *only; /* --play */

const struct play *any_play(struct ki_rand *dice)
{
    for (;;) {
        const struct play *p = plays[roll(dice, sizeof plays / sizeof plays[0])];

        if (only && strcmp(only, p->name) && strcmp(p->name, "nested"))
            continue;
        if (!p->threads || now.threads)
            return p;
    }
}

static bool crowded(void)
{
    return alive_now(K_PLAY) > LIMIT;
}

/* ---- the conductor ------------------------------------------------------------------------ */

struct conductor {
    PLAY;
    kio_instant end;
    int steps; /* at most */
    bool calm; /* waits for everybody at the end */
    int i;
    struct kio_join_handle crowd[CROWD];
    struct kio_boxed inner;
    struct kio_timeout limit;
    struct kio_sleep nap;
    struct kio_yield yield;
};

static void conductor_drop(struct conductor *self)
{
    for (int i = 0; i < CROWD; i++) /* spawned by plain functions: nobody's */
        kio_drop(&self->crowd[i]);
    died(&self->life);
}

async(conductor, conductor_drop)
{
    async_begin;
    while (kio_now() < self->end && self->steps-- > 0 && !stopping()) {
        struct kio_join_handle *h = &self->crowd[roll(&self->dice, CROWD)];

        did();
        if (crowded()) {
            await(kio_sleep(&self->nap, KIO_MS));
        } else if (!kio_is_live(h)) {
            (void)any_play(&self->dice)->spawn(NULL, chance(&self->dice, 90) ? h : NULL, split(&self->dice));
            if (kio_is_live(h) && chance(&self->dice, 30))
                post_abort(&self->dice, kio_abort_handle(h));
        } else {
            switch (roll(&self->dice, 8)) {
            case 0:
                kio_abort(h);
                break;
            case 1:
                kio_drop(h);
                break;
            case 2:
                await(kio_timeout(&self->limit, a_while(&self->dice), h));
                break;
            case 3: /* as a part of this task */
                await(kio_timeout(&self->limit, a_while(&self->dice),
                                  any_play(&self->dice)->box(&self->inner, split(&self->dice))));
                break;
            case 4:
                await(kio_yield_now(&self->yield));
                break;
            case 5:
                abort_somebody(&self->dice);
                break;
            default:
                wake_somebody(&self->dice);
                break;
            }
        }
    }
    if (!self->calm)
        async_return();
    ki_store_relaxed(&now.resting, true);
    for (self->i = 0; self->i < CROWD; self->i++) {
        if (kio_is_live(&self->crowd[self->i]))
            await(&self->crowd[self->i]);
    }
    /* Those that were detached end too, and what the threads had under way. */
    while (alive_now(K_PLAY) > 1 && !stopping())
        await(kio_sleep(&self->nap, KIO_MS));
    async_return();
}

/* ---- threads outside ---------------------------------------------------------------------- */

struct outside {
    pthread_t thread;
    struct ki_rand dice;
    struct kio_join_handle handle;
};

/* Nobody may be in block_on when a current_thread runtime is shut down, or start it afterwards. */
static pthread_rwlock_t open_lock = PTHREAD_RWLOCK_INITIALIZER;
static bool is_open;

struct visitor {
    PLAY;
    struct kio_boxed inner;
    struct kio_timeout limit;
};

static void visitor_drop(struct visitor *self)
{
    died(&self->life);
}

async(visitor, visitor_drop)
{
    async_begin;
    did();
    await(kio_timeout(&self->limit, 10 * KIO_MS,
                      any_play(&self->dice)->box(&self->inner, split(&self->dice))));
    async_return();
}

static void visit(struct outside *self)
{
    int err;

    pthread_rwlock_rdlock(&open_lock);
    if (is_open)
        kio_runtime_block_on(now.rt, visitor, .life = born(K_PLAY), .dice = split(&self->dice));
    pthread_rwlock_unlock(&open_lock);
    if (now.multi && chance(&self->dice, 50)) { /* may meet the end */
        err = kio_runtime_try_block_on(now.rt, NULL, visitor, .life = born(K_PLAY),
                                       .dice = split(&self->dice));
        must(err == 0 || err == -ESHUTDOWN || err == -ECANCELED);
    }
}

static void look(struct outside *self)
{
    struct kio_metrics m;
    struct kio_worker_metrics w;
    FILE *nowhere = fopen("/dev/null", "w");

    must(nowhere);
    kio_metrics_read(now.rt, &m);
    for (unsigned i = 0; i < m.workers_known; i++)
        must(kio_metrics_worker(now.rt, i, &w) == 0);
    must(kio_metrics_write(now.rt, nowhere) == 0);
    if (chance(&self->dice, 30))
        must(kio_runtime_dump(now.rt, nowhere) == 0);
    fclose(nowhere);
}

static void enter_and_spawn(struct outside *self)
{
    struct kio_runtime *before = kio_runtime_enter(now.rt);
    struct kio_join_set set = { 0 };

    for (int i = (int)roll(&self->dice, 3); i >= 0; i--)
        (void)any_play(&self->dice)->spawn_in(&set, split(&self->dice));
    kio_join_set_drop(&set);
    kio_runtime_leave(before);
}

static void *outside_run(void *arg)
{
    struct outside *self = arg;

    while (!stopping() && !ki_load_relaxed(&now.resting)) {
        did();
        switch (roll(&self->dice, 9)) {
        case 0:
        case 1:
            if (!crowded())
                (void)any_play(&self->dice)->spawn(now.rt, chance(&self->dice, 50) ? &self->handle : NULL,
                                                   split(&self->dice));
            break;
        case 2:
            if (kio_is_live(&self->handle))
                kio_abort(&self->handle);
            break;
        case 3:
            visit(self);
            break;
        case 4:
            look(self);
            break;
        case 5:
            if (!crowded())
                enter_and_spawn(self);
            break;
        case 6:
            abort_somebody(&self->dice);
            break;
        case 7:
            wake_somebody(&self->dice);
            break;
        default:
            usleep(roll(&self->dice, 2000));
            break;
        }
    }
    return NULL;
}

/* ---- a round ------------------------------------------------------------------------------ */

static struct options {
    enum kio_flavor flavor;
    unsigned workers;
    int seconds, rounds;
    bool watchdog;
} opt = { .flavor = KIO_MULTI_THREAD, .workers = 2, .seconds = 10 };

static uint64_t tasks_in_all, calm_rounds;

static int fds_open(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    must(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static bool set_open(bool open)
{
    pthread_rwlock_wrlock(&open_lock);
    is_open = open;
    pthread_rwlock_unlock(&open_lock);
    return open;
}

static void on_blocked(const struct kio_blocked *stuck, void *arg)
{
    (void)arg;
    must(stuck->report);
}

/* Each task of the runtime is heard of twice, and each poll. Relaxed: only sums are compared. */
static ki_atomic(uint64_t) heard_spawned, heard_ended, heard_begun, heard_done;

static void on_spawn(const struct kio_task_info *task, void *arg)
{
    (void)arg;
    must(task->id && task->function);
    ki_fetch_add_relaxed(&heard_spawned, 1);
}

static void on_end(const struct kio_task_info *task, void *arg)
{
    (void)arg;
    must(task->id && (!task->aborted || !task->out));
    ki_fetch_add_relaxed(&heard_ended, 1);
}

static void on_begin(const struct kio_task_info *task, void *arg)
{
    (void)arg;
    must(task->id);
    ki_fetch_add_relaxed(&heard_begun, 1);
}

static void on_done(const struct kio_task_info *task, void *arg)
{
    (void)arg;
    must(task->id);
    ki_fetch_add_relaxed(&heard_done, 1);
}

static bool hooked; /* the runtime of now */

static void set_hooks(struct kio_hooks *hooks)
{
    hooks->on_task_spawn = on_spawn;
    hooks->on_task_end = on_end;
    hooks->on_poll_begin = on_begin;
    hooks->on_poll_end = on_done;
    ki_store_relaxed(&heard_spawned, 0);
    ki_store_relaxed(&heard_ended, 0);
    ki_store_relaxed(&heard_begun, 0);
    ki_store_relaxed(&heard_done, 0);
}

static void make_runtime(struct ki_rand *dice)
{
    struct kio_runtime_config config = {
        .flavor = opt.flavor,
        .workers = opt.flavor == KIO_MULTI_THREAD ? opt.workers : 0,
        .seed = ki_rand_next(dice) | 1,
        .stuck_after = -1,
        .time_polls = chance(dice, 30),
        .blocking_keep_alive = chance(dice, 50) ? KIO_MS : 0,
        .watchdog = opt.watchdog && opt.flavor != KIO_DETERMINISTIC && chance(dice, 30) ? 2 * KIO_MS : 0,
        .hooks = { .on_blocked = on_blocked },
    };

    hooked = chance(dice, 30);
    if (hooked)
        set_hooks(&config.hooks);
    must(kio_runtime_new(&now.rt, &config) == 0);
}

static void check_metrics(void)
{
    struct kio_metrics m;

    kio_metrics_read(now.rt, &m);
    must(m.tasks_spawned == m.tasks_ended);
    must(m.tasks_alive == 0);
    must(m.timers == 0);
    must(m.queue_depth == 0);
    if (hooked) {
        must(ki_load_relaxed(&heard_spawned) == m.tasks_spawned);
        must(ki_load_relaxed(&heard_ended) == m.tasks_spawned);
        must(ki_load_relaxed(&heard_begun) == ki_load_relaxed(&heard_done));
    }
    tasks_in_all += m.tasks_spawned;
}

static void run_conductor(struct ki_rand *dice, kio_duration length, bool calm)
{
    if (opt.flavor != KIO_MULTI_THREAD || calm || chance(dice, 50)) {
        struct kio_runtime *before = kio_runtime_enter(now.rt);
        kio_instant end = kio_now() + length;

        kio_runtime_leave(before);
        kio_runtime_block_on(now.rt, conductor, .life = born(K_PLAY), .dice = split(dice), .end = end,
                             .steps = now.threads ? INT_MAX : (int)roll(dice, 3000), .calm = calm);
    } else { /* it is shut down with all the others */
        struct timespec t = { 0, (long)length };

        (void)kio_spawn_on(now.rt, NULL, conductor, .life = born(K_PLAY), .dice = split(dice),
                           .end = INT64_MAX, .steps = INT_MAX);
        nanosleep(&t, NULL);
    }
}

static void round_once(uint64_t seed)
{
    struct ki_rand dice;
    struct outside outside[THREADS] = { 0 };
    unsigned count;
    bool calm, late_handles;
    kio_duration length;

    ki_rand_seed(&dice, seed);
    seed_now = seed;
    count = now.threads ? roll(&dice, THREADS + 1) : 0;
    calm = chance(&dice, 40);
    late_handles = chance(&dice, 50);
    length = chance(&dice, 50) ? roll(&dice, 20) * KIO_MS : roll(&dice, 300) * KIO_MS;
    ki_store_relaxed(&now.stopping, false);
    ki_store_relaxed(&now.resting, false);
    make_runtime(&dice);
    set_open(true);
    for (unsigned i = 0; i < count; i++) {
        outside[i].dice = split(&dice);
        must(pthread_create(&outside[i].thread, NULL, outside_run, &outside[i]) == 0);
    }
    run_conductor(&dice, length, calm);
    calm_rounds += calm;
    set_open(false);
    if (calm && !count && now.threads) { /* all have ended by themselves, but for jobs under way */
        int err = kio_runtime_drain(now.rt, 20 * KIO_SEC);

        must(err == 0);
    } else if (now.threads && chance(&dice, 20)) { /* in real time: not on the deterministic runtime */
        int err = kio_runtime_drain(now.rt, roll(&dice, 5) * KIO_MS);

        must(err == 0 || err == -ETIMEDOUT);
    }
    if (chance(&dice, 30)) /* with a limit first, while the threads go on */
        (void)kio_runtime_shutdown(now.rt, chance(&dice, 50) ? 0 : KIO_MS);
    must(kio_runtime_shutdown(now.rt, -1) == 0);
    ki_store_relaxed(&now.stopping, true);
    for (unsigned i = 0; i < count; i++)
        must(pthread_join(outside[i].thread, NULL) == 0);
    check_metrics();
    for (unsigned i = 0; i < count && !late_handles; i++)
        kio_drop(&outside[i].handle);
    kio_runtime_free(now.rt);
    now.rt = NULL;
    for (unsigned i = 0; i < count; i++) {
        if (kio_is_live(&outside[i].handle))
            must(kio_is_finished(&outside[i].handle));
        kio_drop(&outside[i].handle);
    }
    clear_posts();
}

/* ---- the monitor -------------------------------------------------------------------------- */

static void *monitor(void *arg)
{
    uint64_t last = 0;
    int silent = 0;

    (void)arg;
    for (;;) {
        uint64_t done = operations();

        sleep(1);
        silent = done == last ? silent + 1 : 0;
        last = done;
        if (silent < SILENCE)
            continue;
        fprintf(stderr, "stress: %s: nothing has happened for %d s; KIOTO_SEED=%llu\n", cell, SILENCE,
                (unsigned long long)seed_now);
        alarm(30); /* the dump may hang as well */
        (void)balanced();
        (void)kio_dump(stderr);
        abort();
    }
    return NULL;
}

static int64_t seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

static void usage(void)
{
    fprintf(stderr, "kioto-stress [--flavor ct|mt|det] [--workers N] [--seconds N] [--rounds N] [--seed N]"
                    " [--play NAME] [--watchdog]\n");
    exit(2);
}

static uint64_t read_options(int argc, char **argv)
{
    const char *seed = getenv("KIOTO_SEED");

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (!strcmp(argv[i], "--watchdog")) {
            opt.watchdog = true;
            continue;
        }
        i++;
        if (!strcmp(argv[i - 1], "--flavor"))
            opt.flavor = !strcmp(value, "ct")    ? KIO_CURRENT_THREAD
                         : !strcmp(value, "det") ? KIO_DETERMINISTIC
                                                 : KIO_MULTI_THREAD;
        else if (!strcmp(argv[i - 1], "--workers"))
            opt.workers = (unsigned)atoi(value);
        else if (!strcmp(argv[i - 1], "--seconds"))
            opt.seconds = atoi(value);
        else if (!strcmp(argv[i - 1], "--rounds"))
            opt.rounds = atoi(value);
        else if (!strcmp(argv[i - 1], "--seed"))
            seed = value;
        else if (!strcmp(argv[i - 1], "--play"))
            only = value;
        else
            usage();
    }
    if (seed && *seed)
        return strtoull(seed, NULL, 0);
    return (uint64_t)time(NULL) * 1000000 + (uint64_t)getpid();
}

/* The memory and the fds that a round leaves behind. */
static bool level(long memory, int fds, size_t registered)
{
    bool even = balanced();

    if (ki_mem_alive() != memory)
        fprintf(stderr, "stress: %ld blocks of memory are left\n", ki_mem_alive() - memory);
    if (fds_open() != fds)
        fprintf(stderr, "stress: %d fds are left\n", fds_open() - fds);
    if (ki_ready_count() != registered)
        fprintf(stderr, "stress: %zu fds are still registered\n", ki_ready_count() - registered);
    return even && ki_mem_alive() == memory && fds_open() == fds && ki_ready_count() == registered;
}

int main(int argc, char **argv)
{
    uint64_t seed = read_options(argc, argv);
    char name[32];
    pthread_t watching;
    int64_t end = seconds_now() + opt.seconds;
    long memory;
    size_t registered;
    int fds, rounds = 0;

    ki_mem_watch();
    must(kio_dump_on_signal(SIGUSR1) == 0);
    if (opt.flavor == KIO_MULTI_THREAD)
        snprintf(name, sizeof name, "mt%u", opt.workers);
    else
        snprintf(name, sizeof name, "%s", opt.flavor == KIO_CURRENT_THREAD ? "ct" : "det");
    cell = name;
    printf("stress: %s, KIOTO_SEED=%llu%s\n", cell, (unsigned long long)seed,
           opt.flavor == KIO_DETERMINISTIC ? "" : " (repeats what is tried, not the threads' timing)");
    fflush(stdout);
    now.multi = opt.flavor == KIO_MULTI_THREAD;
    now.threads = opt.flavor != KIO_DETERMINISTIC;
    must(pthread_create(&watching, NULL, monitor, NULL) == 0);
    memory = ki_mem_alive();
    registered = ki_ready_count();
    fds = fds_open();
    while (opt.rounds ? rounds < opt.rounds : seconds_now() < end) {
        round_once(seed + (uint64_t)rounds);
        rounds++;
        if (!level(memory, fds, registered)) {
            fprintf(stderr, "stress: %s; to try it again: KIOTO_SEED=%llu\n", cell,
                    (unsigned long long)seed_now);
            return 1; /* the leak sanitizer says more */
        }
    }
    printf("stress: %s: %d rounds (%llu to the last task's own end), %llu tasks, %llu frames, %llu messages,"
           " %llu operations, no failure\n",
           cell, rounds, (unsigned long long)calm_rounds, (unsigned long long)tasks_in_all,
           (unsigned long long)made_so_far(K_PLAY), (unsigned long long)made_so_far(K_MESSAGE),
           (unsigned long long)operations());
    if (!now.threads)
        printf("stress: digest %016llx\n", (unsigned long long)digest);
    return 0;
}
