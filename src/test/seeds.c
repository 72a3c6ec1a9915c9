/* A test under many seeds, each in a process of its own: one that aborts leaves the others alone. */
#include <kioto/test.h>

#include "../future/combine.h"
#include "../future/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS 60
#define PASSED  42 /* the child's exit status: 0 would also be that of a stray exit() */

void kio_test_begin_(struct kio_test_ *test, uint64_t seeds, const char *name)
{
    const char *text = getenv("KIOTO_SEED");

    *test = (struct kio_test_){ .name = name, .last = seeds, .output = -1 };
    if (text && *text) {
        test->once = true;
        test->seed = strtoull(text, NULL, 0);
    }
}

static bool open_runtime(struct kio_test_ *test)
{
    int err = kio_runtime_new(&test->rt, &(struct kio_runtime_config){
                                             .flavor = KIO_DETERMINISTIC,
                                             .seed = test->seed,
                                         });

    if (err)
        fprintf(stderr, "kio_test: no runtime for seed %llu: %s\n",
                (unsigned long long)test->seed, strerror(-err));
    return !err;
}

/* In the child: everything it writes goes where the parent finds it. */
static bool become_child(struct kio_test_ *test)
{
    const char *limit = getenv("KIOTO_TEST_SECONDS");

    test->child = true;
    if (test->output >= 0) {
        dup2(test->output, STDOUT_FILENO);
        dup2(test->output, STDERR_FILENO);
    }
    alarm(limit && atoi(limit) > 0 ? (unsigned)atoi(limit) : SECONDS);
    if (!open_runtime(test))
        _exit(1);
    return true;
}

static void show_output(int fd)
{
    char buf[4096];
    ssize_t n;

    if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return;
    while ((n = read(fd, buf, sizeof buf)) > 0)
        fwrite(buf, 1, (size_t)n, stderr);
}

static void tell(const struct kio_test_ *test, int status)
{
    unsigned long long seed = test->seed;

    show_output(test->output);
    if (WIFSIGNALED(status))
        fprintf(stderr, "kio_test: %s fails with seed %llu: %s\n", test->name, seed,
                WTERMSIG(status) == SIGALRM ? "it takes too long" : strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "kio_test: %s fails with seed %llu: exit status %d\n", test->name, seed,
                WEXITSTATUS(status));
    fprintf(stderr, "kio_test: to run it again: KIOTO_SEED=%llu\n", seed);
}

static bool once(struct kio_test_ *test)
{
    if (test->rt || test->failed || !test->seed)
        return false;
    fprintf(stderr, "kio_test: %s with seed %llu\n", test->name, (unsigned long long)test->seed);
    if (open_runtime(test))
        return true;
    test->failed = test->seed;
    return false;
}

bool kio_test_next_(struct kio_test_ *test)
{
    if (test->once)
        return once(test);
    while (test->seed < test->last && !test->failed) {
        int status = 0;
        pid_t pid;

        test->seed++;
        test->output = memfd_create("kio_test", MFD_CLOEXEC); /* without: it is not kept apart */
        fflush(NULL);
        pid = fork();
        if (pid == 0)
            return become_child(test);
        if (pid < 0) {
            fprintf(stderr, "kio_test: no process for seed %llu: %s\n",
                    (unsigned long long)test->seed, strerror(errno));
            test->failed = test->seed;
        } else {
            while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
            if (!WIFEXITED(status) || WEXITSTATUS(status) != PASSED) {
                tell(test, status);
                test->failed = test->seed;
            }
        }
        if (test->output >= 0)
            close(test->output);
    }
    return false;
}

void kio_test_result_(struct kio_test_ *test, size_t size, const void *out)
{
    int result = 0;

    if (size)
        memcpy(&result, out, sizeof result);
    if (result)
        fprintf(stderr, "kio_test: %s gave %d\n", test->name, result);
    kio_runtime_free(test->rt); /* what was spawned is dropped: destructors may fail too */
    if (test->child) {
        fflush(NULL);
        _exit(result ? 1 : PASSED);
    }
    if (result)
        test->failed = test->seed;
}

void kio_test_failed_(const char *text, const char *file, int line)
{
    fprintf(stderr, "%s:%d: it does not hold that %s\n", file, line, text);
    if (ki_here.root)
        ki_backtrace_print(stderr, ki_here.root);
    fflush(NULL);
    abort();
}

uint32_t kio_test_random(uint32_t bound)
{
    return bound ? ki_fair_below(bound) : 0;
}
