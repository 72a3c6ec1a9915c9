#include "bench.h"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum kio_flavor bench_flavor;
unsigned bench_workers = 1;
const char *bench_port;

static const char *label, *flavor_text;

static const struct bench benches[] = {
    { "spawn_join", bench_spawn_join },
    { "yield", bench_yield },
    { "ping_pong", bench_ping_pong },
    { "mpsc", bench_mpsc },
    { "oneshot", bench_oneshot },
    { "select", bench_select },
    { "join_all", bench_join_all },
    { "timers", bench_timers },
    { "timer_cancel", bench_timer_cancel },
    { "mem_sleep", bench_mem_sleep },
    { "mem_notify", bench_mem_notify },
    { "mem_pending", bench_mem_pending },
    { "blocking", bench_blocking },
    { "cross_wake", bench_cross_wake },
    { "cache_line", bench_cache_line },
    { "blocked", bench_blocked },
    { "parallel", bench_parallel },
    { "latency", bench_latency },
    { "mix", bench_mix },
    { "sweep", bench_sweep },
    { "echo", bench_echo },
    { "http", bench_http },
};

void report(const char *bench, const char *metric, double value, const char *unit)
{
    printf("%s/%s %s %s %.6g %s\n", label, flavor_text, bench, metric, value, unit);
    fflush(stdout);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

void report_percentiles(const char *bench, double *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, compare);
    report(bench, "p50", samples[count / 2] * 1e6, "us");
    report(bench, "p99", samples[count / 100 * 99] * 1e6, "us");
    if (count >= 1000)
        report(bench, "p99.9", samples[count / 1000 * 999] * 1e6, "us");
}

long scale(long usual)
{
    const char *text = getenv("KIOTO_BENCH_N");

    return text && atol(text) > 0 ? atol(text) : usual;
}

double wall_seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

size_t resident_bytes(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (!f)
        return 0;
    if (fscanf(f, "%*s %zu", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

size_t peak_bytes(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (size_t)u.ru_maxrss * 1024;
}

static const struct bench *find(const char *name)
{
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++) {
        if (strcmp(benches[i].name, name) == 0)
            return &benches[i];
    }
    return NULL;
}

static int parse_flavor(const char *text)
{
    flavor_text = text;
    if (strcmp(text, "ct") == 0) {
        bench_flavor = KIO_CURRENT_THREAD;
        return 0;
    }
    bench_flavor = KIO_MULTI_THREAD;
    bench_workers = strncmp(text, "mt", 2) == 0 ? (unsigned)atoi(text + 2) : 0;
    return bench_workers ? 0 : -1;
}

int main(int argc, char **argv)
{
    const struct bench *bench = argc >= 4 ? find(argv[3]) : NULL;
    struct kio_runtime *rt;

    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++)
            printf("%s%s", i ? " " : "", benches[i].name);
        printf("\n");
        return 0;
    }
    if (!bench || parse_flavor(argv[2])) {
        fprintf(stderr, "usage: kioto-bench list | kioto-bench LABEL ct|mtN BENCH [PORT]\n");
        return 2;
    }
    label = argv[1];
    bench_port = argc > 4 ? argv[4] : "0";
    if (kio_runtime_new(&rt, &(struct kio_runtime_config){ .flavor = bench_flavor,
                                                           .workers = bench_workers })) {
        fprintf(stderr, "kioto-bench: no runtime\n");
        return 1;
    }
    bench->run(rt);
    kio_runtime_free(rt);
    return 0;
}
