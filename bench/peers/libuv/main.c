/* The benches of kioto-bench that libuv has a counterpart for: libuv-bench LABEL ct BENCH [PORT].
 * A bare timer stands for a sleeping task: libuv has no tasks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

static const char *label, *flavor;
static uv_loop_t *loop;

static double wall(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double cpu(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double peak_mib(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

static size_t resident(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f && fscanf(f, "%*s %zu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return pages * 4096;
}

static void report(const char *bench, const char *metric, double value, const char *unit)
{
    printf("%s/%s %s %s %.6g %s\n", label, flavor, bench, metric, value, unit);
    fflush(stdout);
}

static long scale(long usual)
{
    const char *text = getenv("KIOTO_BENCH_N");

    return text && atol(text) > 0 ? atol(text) : usual;
}

static uint64_t next(uint64_t *rand)
{
    *rand = *rand * 6364136223846793005u + 1442695040888963407u;
    return *rand >> 33;
}

static void on_timer(uv_timer_t *t)
{
    (void)t;
}

static void timers(void)
{
    long n = scale(1000000);
    double start = wall(), before = cpu();
    uint64_t rand = 42;

    for (long i = 0; i < n; i++) {
        uv_timer_t *t = malloc(sizeof *t);

        uv_timer_init(loop, t);
        uv_timer_start(t, on_timer, next(&rand) % 1000, 0);
    }
    uv_run(loop, UV_RUN_DEFAULT);
    report("timers_1M", "wall", wall() - start, "s");
    report("timers_1M", "cpu", cpu() - before, "s");
    report("timers_1M", "peak_rss", peak_mib(), "MiB");
}

static void timer_cancel(void)
{
    static uv_timer_t live[1000];
    long n = scale(1000000);
    uint64_t rand = 1;
    double start;

    for (int i = 0; i < 1000; i++)
        uv_timer_init(loop, &live[i]);
    start = wall();
    for (long i = 0; i < n; i++) {
        uv_timer_stop(&live[i % 1000]);
        uv_timer_start(&live[i % 1000], on_timer, 1000 + next(&rand) % 60 * 1000, 0);
    }
    report("timer_cancel", "per_timer", (wall() - start) / (double)n * 1e9, "ns");
}

static void mem_sleep(void)
{
    long n = scale(1000000);
    size_t before = resident();

    for (long i = 0; i < n; i++) {
        uv_timer_t *t = malloc(sizeof *t);

        uv_timer_init(loop, t);
        uv_timer_start(t, on_timer, 600000, 0);
    }
    report("mem_sleep", "per_task", (double)(resident() - before) / (double)n, "B");
}

/* ---- spawn_blocking ----------------------------------------------------------------------- */

static long jobs_left;

static void job(uv_work_t *w)
{
    (void)w;
}

static void job_done(uv_work_t *w, int status)
{
    (void)w;
    (void)status;
    jobs_left--;
}

static void blocking(void)
{
    static uv_work_t work[1000];
    long n = scale(100000);
    double start = wall();

    for (long done = 0; done < n; done += 1000) {
        jobs_left = 1000;
        for (int i = 0; i < 1000; i++)
            uv_queue_work(loop, &work[i], job, job_done);
        while (jobs_left)
            uv_run(loop, UV_RUN_ONCE);
    }
    report("spawn_blocking_batch", "per_job", (wall() - start) / (double)n * 1e9, "ns");
}

/* ---- echo --------------------------------------------------------------------------------- */

static void alloc_buf(uv_handle_t *h, size_t size, uv_buf_t *buf)
{
    static char space[65536];

    (void)h;
    (void)size;
    *buf = uv_buf_init(space, sizeof space);
}

static void on_closed(uv_handle_t *h)
{
    free(h);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    if (n < 0) {
        uv_close((uv_handle_t *)s, on_closed);
        return;
    }
    if (n > 0) {
        uv_buf_t out = uv_buf_init(buf->base, (unsigned)n);

        if (uv_try_write(s, &out, 1) != n)
            uv_close((uv_handle_t *)s, on_closed);
    }
}

static void on_connection(uv_stream_t *server, int status)
{
    uv_tcp_t *conn = malloc(sizeof *conn);

    if (status)
        return;
    uv_tcp_init(loop, conn);
    if (uv_accept(server, (uv_stream_t *)conn)) {
        uv_close((uv_handle_t *)conn, on_closed);
        return;
    }
    uv_tcp_nodelay(conn, 1);
    uv_read_start((uv_stream_t *)conn, alloc_buf, on_read);
}

static void echo(const char *port)
{
    static uv_tcp_t server;
    struct sockaddr_in addr;
    int len = sizeof addr;

    uv_ip4_addr("127.0.0.1", atoi(port), &addr);
    uv_tcp_init(loop, &server);
    uv_tcp_bind(&server, (struct sockaddr *)&addr, 0);
    if (uv_listen((uv_stream_t *)&server, 1024, on_connection))
        exit(1);
    uv_tcp_getsockname(&server, (struct sockaddr *)&addr, &len);
    printf("listening on %d\n", ntohs(addr.sin_port));
    fflush(stdout);
    uv_run(loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        printf("timers timer_cancel mem_sleep blocking echo\n");
        return 0;
    }
    label = argv[1];
    flavor = argv[2];
    if (strcmp(flavor, "ct") != 0)
        return 0; /* one thread is all there is */
    loop = uv_default_loop();
    if (strcmp(argv[3], "timers") == 0)
        timers();
    else if (strcmp(argv[3], "timer_cancel") == 0)
        timer_cancel();
    else if (strcmp(argv[3], "mem_sleep") == 0)
        mem_sleep();
    else if (strcmp(argv[3], "blocking") == 0)
        blocking();
    else if (strcmp(argv[3], "echo") == 0)
        echo(argc > 4 ? argv[4] : "0");
    return 0;
}
