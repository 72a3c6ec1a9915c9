/* The driver: which call is to fail, what a scenario said, and what is looked at afterwards. */
#include "support/faults.h"

#include "base/mem.h"
#include "base/thread.h"
#include "driver/readiness.h"

#include <dirent.h>
#include <kioto/debug.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A call that is made more often than this in one run is one that waits and looks again. */
#define NTH_MAX 400
#define HANGS_AFTER_SECONDS 60
#define NOTES 64
#define CALLS_MAX 128
/* Which worker takes which chunk of the task arena is chance: so many blocks more may stay in the pool. */
#define ARENA_BLOCKS 8
#define THREADS_ANY (1 << 20)
/* More fds than any scenario has open at once. */
#define FDS_MAX 64

static const char *const flavors[] = { "multi_thread", "current_thread", "deterministic" };

static struct fault_calls *all_calls;

typedef void (*fault_hook)(void);

/* The run. relaxed, all of it: a thread that lives on from the run before (the dump's) may still look. */
static struct {
    const struct fault_scenario *scenario;
    ki_atomic(const struct fault_call *) call; /* release and acquire: what follows is set before */
    ki_atomic(const struct fault *) fault;
    ki_atomic(long) nth;
    ki_atomic(bool) lasts;   /* those after the nth fail too */
    ki_atomic(fault_hook) first; /* called where the call is about to fail */
    int fds_limit;           /* 0: none; otherwise one more than may be opened, really */
    ki_atomic(int) on;
    ki_atomic(int) complete;
    ki_atomic(int) noted;
    int notes[NOTES];
    char text[200];
} now;

static _Thread_local int paused;

static struct {
    ki_atomic(long) runs, faults;
    ki_atomic(long) made;            /* calls of now.call in this run */
    ki_atomic(int) reached;          /* the nth of them was made, and failed */
    ki_atomic(int) used[CALLS_MAX];  /* by the scenario's good runs: others need not fail */
    long blocks;                     /* see cold_run */
} *total; /* shared with child processes */

/* ---- for the wrappers --------------------------------------------------------------------- */

void faults_list(struct fault_calls *more)
{
    static unsigned count;

    for (int i = 0; more->calls[i]; i++)
        more->calls[i]->number = count++;
    more->next = all_calls;
    all_calls = more;
}

int faults_hit(struct fault_call *call)
{
    const struct fault_call *failing = ki_load_acquire(&now.call);
    const struct fault *fault = ki_load_relaxed(&now.fault);
    fault_hook first = ki_load_relaxed(&now.first);
    long nth = ki_load_relaxed(&now.nth);
    long made;

    if (!ki_load_relaxed(&now.on) || paused)
        return 0;
    if (!failing)
        ki_store_relaxed(&total->used[call->number], 1);
    if (call != failing || !fault)
        return 0;
    made = ki_fetch_add_relaxed(&total->made, 1) + 1;
    if (made < nth || (made > nth && !ki_load_relaxed(&now.lasts)))
        return 0;
    ki_store_relaxed(&total->reached, 1);
    if (first)
        first();
    errno = fault->error;
    return fault->error;
}

/* ---- for scenarios ------------------------------------------------------------------------ */

static void on_alarm(int signo);

static void begin(void)
{
    signal(SIGALRM, on_alarm);
    if (!total) {
        total = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(total, MAP_FAILED);
    }
}

static struct rlimit usual_limit;

static void limit_fds(int more)
{
    struct rlimit limit;
    int lowest = dup(STDERR_FILENO);

    close(lowest);
    getrlimit(RLIMIT_NOFILE, &usual_limit);
    limit = usual_limit;
    limit.rlim_cur = (rlim_t)(lowest + more);
    setrlimit(RLIMIT_NOFILE, &limit);
}

void faults_on(void)
{
    if (now.fds_limit)
        limit_fds(now.fds_limit - 1);
    ki_store_relaxed(&now.on, 1);
}

void faults_fail(const char *name, int error, void (*first)(void))
{
    static struct fault fault;
    const struct fault_call *call = NULL;

    begin();
    fault = (struct fault){ .error = error };
    for (const struct fault_calls *list = all_calls; list && !call; list = list->next) {
        for (int i = 0; list->calls[i]; i++) {
            if (strcmp(list->calls[i]->name, name) == 0)
                call = list->calls[i];
        }
    }
    assert_non_null(call);
    ki_store_relaxed(&now.fault, &fault);
    ki_store_relaxed(&now.nth, 1);
    ki_store_relaxed(&now.first, first);
    ki_store_release(&now.call, call);
    ki_store_relaxed(&total->made, 0);
    ki_store_relaxed(&total->reached, 0);
    ki_store_relaxed(&now.on, 1);
}

void faults_off(void)
{
    ki_store_relaxed(&now.on, 0);
    ki_store_relaxed(&now.first, NULL);
}

void faults_pause(void)
{
    paused++;
}

void faults_resume(void)
{
    paused--;
}

bool faults_reached(void)
{
    return ki_load_relaxed(&total->reached);
}

bool faults_saw(int err)
{
    int at;

    if (err >= 0)
        return false;
    at = ki_fetch_add_relaxed(&now.noted, 1);
    if (at < NOTES)
        now.notes[at] = err;
    return true;
}

int faults_given(void)
{
    return faults_reached() ? -ki_load_relaxed(&now.fault)->told : 0;
}

void faults_complete(void)
{
    ki_store_relaxed(&now.complete, 1);
}

void faults_open(void)
{
    assert_int_equal(kio_runtime_new(&rt, &(struct kio_runtime_config){
                                              .flavor = rt_flavor,
                                              .workers = 2,
                                          }),
                     0);
}

void faults_broken(const char *text, const char *file, int line)
{
    ki_store_relaxed(&now.on, 0);
    fprintf(stderr, "%s\n%s:%d: it does not hold that %s\n", now.text, file, line, text);
    for (int i = 0; i < ki_load_relaxed(&now.noted) && i < NOTES; i++)
        fprintf(stderr, "  noted: %s\n", strerror(-now.notes[i]));
    fflush(NULL);
    abort();
}

static void on_alarm(int signo)
{
    (void)signo;
    ki_store_relaxed(&now.on, 0);
    fprintf(stderr, "%s\nit hangs\n", now.text); /* all is lost anyway */
    (void)kio_dump(stderr);
    abort();
}

/* ---- what must be as it was --------------------------------------------------------------- */

struct balance {
    long blocks;
    size_t registrations;
    int fds, threads;
};

static int open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static struct balance balance_now(int threads)
{
    struct balance b = { ki_mem_alive(), ki_ready_count(), open_fds(), ki_thread_count() };

    /* One that was joined is in /proc for a moment still. */
    for (int i = 0; b.threads > threads && i < 1000; i++) {
        usleep(1000);
        b.threads = ki_thread_count();
    }
    return b;
}

/* To compare with: once the threads that were joined before are out of /proc. */
static struct balance balance_before(void)
{
    struct balance b = balance_now(THREADS_ANY);

    for (int same = 0, i = 0; same < 5 && i < 1000; i++) {
        int threads = ki_thread_count();

        same = threads == b.threads ? same + 1 : 0;
        b.threads = threads;
        usleep(1000);
    }
    return b;
}

/* ---- one run ------------------------------------------------------------------------------ */

static void describe(const struct fault_scenario *s, const struct fault_call *call,
                     const struct fault *f, long nth)
{
    if (call)
        snprintf(now.text, sizeof now.text, "faults: %s on %s, %s, error %d, time %ld%s",
                 s->name, flavors[rt_flavor], call->name, f->error, nth,
                 ki_load_relaxed(&now.lasts) ? " and after" : "");
    else
        snprintf(now.text, sizeof now.text, "faults: %s on %s, nothing fails", s->name,
                 flavors[rt_flavor]);
}

static void run_once(const struct fault_scenario *s, const struct fault_call *call,
                     const struct fault *f, long nth)
{
    now.scenario = s;
    ki_store_relaxed(&now.fault, f);
    ki_store_relaxed(&now.nth, nth);
    ki_store_release(&now.call, call);
    ki_store_relaxed(&total->made, 0);
    ki_store_relaxed(&total->reached, 0);
    ki_store_relaxed(&now.complete, 0);
    ki_store_relaxed(&now.noted, 0);
    describe(s, call, f, nth);
    alarm(HANGS_AFTER_SECONDS);
    s->body();
    alarm(0);
    ki_store_relaxed(&now.on, 0);
    ki_fetch_add_relaxed(&total->runs, 1);
}

static bool was_noted(int err)
{
    for (int i = 0; i < ki_load_relaxed(&now.noted) && i < NOTES; i++) {
        if (now.notes[i] == -err)
            return true;
    }
    return false;
}

static void check_good(void)
{
    faults_check(ki_load_relaxed(&now.noted) == 0);
    faults_check(ki_load_relaxed(&now.complete));
}

static void check_outcome(void)
{
    bool silent = !ki_load_relaxed(&now.noted);

    if (!ki_load_relaxed(&total->reached)) {
        check_good();
        return;
    }
    ki_fetch_add_relaxed(&total->faults, 1);
    switch (ki_load_relaxed(&now.fault)->then) {
    case FAULT_HIDDEN:
        check_good();
        break;
    case FAULT_REPORTED:
        faults_check(was_noted(ki_load_relaxed(&now.fault)->told));
        break;
    case FAULT_EITHER:
        if (silent)
            check_good();
        else
            faults_check(was_noted(ki_load_relaxed(&now.fault)->told));
        break;
    }
}

static void good_run(const struct fault_scenario *s)
{
    run_once(s, NULL, NULL, 0);
    check_good();
}

/* Pools may grow at the first run that needs them; a leak grows each time. */
static void check_balance(const struct balance *before)
{
    /* Thread sanitizer starts one of its own in each process, some time. */
    bool any = now.scenario->flags & FAULT_THREADS ||
               (now.scenario->flags & FAULT_ALONE && ki_load_relaxed(&ki_thread_idlers));
    struct balance b = balance_now(any ? THREADS_ANY : before->threads);

    faults_check(b.fds == before->fds);
    faults_check(b.registrations == before->registrations);
    faults_check(any || b.threads == before->threads);
}

static bool one_fault(const struct fault_scenario *s, const struct fault_call *call,
                      const struct fault *f, long nth, struct balance *before)
{
    bool reached = true;

    for (int again = 0; again < 8; again++) {
        long blocks;

        run_once(s, call, f, nth);
        check_outcome();
        reached = ki_load_relaxed(&total->reached);
        check_balance(before);
        good_run(s);
        check_balance(before);
        blocks = ki_mem_alive();
        if (blocks <= before->blocks)
            return reached;
        before->blocks = blocks;
    }
    describe(s, call, f, nth);
    faults_check(!"memory is what it was");
    return false;
}

/* ---- in a process of its own -------------------------------------------------------------- */

static bool in_child(void (*fn)(void *), void *arg)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fn(arg);
        exit(now.text[0] ? 10 + ki_load_relaxed(&total->reached) : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 10 && WEXITSTATUS(status) != 11)) {
        fprintf(stderr, "faults: a run in a process of its own failed, status %x\n", status);
        exit(1);
    }
    return WEXITSTATUS(status) == 11;
}

struct cold {
    const struct fault_scenario *s;
    const struct fault_call *call;
    const struct fault *f;
    long nth;
};

static void cold_run(void *arg)
{
    struct cold *c = arg;
    struct balance before = balance_before();
    bool reached;

    if (c->call) {
        run_once(c->s, c->call, c->f, c->nth);
        check_outcome();
        check_balance(&before);
    }
    reached = ki_load_relaxed(&total->reached);
    for (int i = c->call ? 1 : 0; i < 2; i++) {
        good_run(c->s);
        check_balance(&before);
    }
    describe(c->s, c->call, c->f, c->nth);
    if (!c->call)
        total->blocks = ki_mem_alive(); /* what good runs leave in pools */
    else
        faults_check(ki_mem_alive() <= total->blocks + (rt_flavor == KIO_MULTI_THREAD ? ARENA_BLOCKS : 0));
    ki_store_relaxed(&total->reached, reached);
}

/* ---- all of a scenario -------------------------------------------------------------------- */

static void each_time(const struct fault_scenario *s, const struct fault_call *call,
                      const struct fault *f, struct balance *before)
{
    bool reached = true;
    long nth;

    for (nth = 1; reached && nth <= NTH_MAX; nth++) {
        struct cold c = { s, call, f, nth };

        reached = s->flags & FAULT_ALONE ? in_child(cold_run, &c) : one_fault(s, call, f, nth, before);
    }
    if (getenv("KIOTO_FAULTS_VERBOSE"))
        printf("%14ld %s, error %d%s\n", nth - 1 - !reached, call->name, f->error,
               ki_load_relaxed(&now.lasts) ? " and after" : "");
}

/* What has run out once may stay so. */
static bool may_last(const struct fault *f)
{
    return f->then != FAULT_HIDDEN && (f->error == ENOMEM || f->error == EMFILE || f->error == EAGAIN);
}

static void each_fault(const struct fault_scenario *s, const struct fault_call *call,
                       const struct fault *f, struct balance *before)
{
    each_time(s, call, f, before);
    ki_store_relaxed(&now.lasts, may_last(f));
    if (ki_load_relaxed(&now.lasts))
        each_time(s, call, f, before);
    ki_store_relaxed(&now.lasts, false);
}

static bool is_asked_for(const char *name)
{
    const char *only = getenv("KIOTO_FAULTS_ONLY");

    return !only || strstr(name, only);
}

static void run_scenario(const struct fault_scenario *s)
{
    struct cold cold = { .s = s };
    struct balance before = { 0 };

    for (int i = 0; i < CALLS_MAX; i++)
        ki_store_relaxed(&total->used[i], 0);
    if (s->flags & FAULT_ALONE) {
        in_child(cold_run, &cold);
    } else {
        for (int i = 0; i < 3; i++)
            good_run(s);
        before = balance_before();
    }
    for (const struct fault_calls *list = all_calls; list; list = list->next) {
        for (int i = 0; list->calls[i]; i++) {
            if (!ki_load_relaxed(&total->used[list->calls[i]->number]))
                continue;
            for (const struct fault *f = list->calls[i]->faults; f->error; f++)
                each_fault(s, list->calls[i], f, &before);
        }
    }
}

static bool runs_on(const struct fault_scenario *s, enum kio_flavor flavor)
{
    if (!is_asked_for(s->name))
        return false;
    switch (flavor) {
    case KIO_CURRENT_THREAD:
        return !(s->flags & FAULT_MULTI_ONLY);
    case KIO_MULTI_THREAD:
        return !(s->flags & FAULT_CURRENT_ONLY);
    default:
        return s->flags & FAULT_DETERMINISTIC;
    }
}

/* ---- a real limit ------------------------------------------------------------------------- */

static bool ran_out(const struct fault_scenario *s, int fds, struct balance *before)
{
    bool out;

    now.fds_limit = fds + 1;
    run_once(s, NULL, NULL, 0);
    now.fds_limit = 0;
    setrlimit(RLIMIT_NOFILE, &usual_limit);
    snprintf(now.text, sizeof now.text, "faults: %s, flavor %d, %d fds", s->name, (int)rt_flavor,
             fds);
    out = ki_load_relaxed(&now.noted);
    if (out)
        faults_check(was_noted(EMFILE));
    else
        faults_check(ki_load_relaxed(&now.complete));
    check_balance(before);
    good_run(s);
    check_balance(before);
    if (out)
        ki_fetch_add_relaxed(&total->faults, 1);
    return out;
}

static void run_out_of_fds(const struct fault_scenario *s)
{
    struct balance before;
    int fine = 0;

    good_run(s);
    before = balance_before();
    for (int fds = 0; fine < 3; fds++) {
        faults_check(fds < FDS_MAX);
        fine = ran_out(s, fds, &before) ? 0 : fine + 1;
    }
}

static void run_all(const struct fault_scenario *scenarios, size_t count, unsigned but,
                    void (*run_one)(const struct fault_scenario *))
{
    begin();
    for (size_t i = 0; i < count; i++) {
        for (int flavor = 0; flavor <= KIO_DETERMINISTIC; flavor++) {
            long faults = ki_load_relaxed(&total->faults);

            if (!runs_on(&scenarios[i], (enum kio_flavor)flavor) || scenarios[i].flags & but)
                continue;
            rt_flavor = (enum kio_flavor)flavor;
            run_one(&scenarios[i]);
            printf("%6ld faults: %s on %s\n", ki_load_relaxed(&total->faults) - faults,
                   scenarios[i].name, flavors[flavor]);
        }
    }
    printf("%ld faults in %ld runs\n", ki_load_relaxed(&total->faults),
           ki_load_relaxed(&total->runs));
}

void faults_run(const struct fault_scenario *scenarios, size_t count)
{
    run_all(scenarios, count, 0, run_scenario);
}

void faults_run_out_of_fds(const struct fault_scenario *scenarios, size_t count)
{
    run_all(scenarios, count, FAULT_NO_LIMIT, run_out_of_fds);
}
