/* kioto-bench: one program, a function a bench. The interface is described in docs/benchmarks.md. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <kioto.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    const char *name;
    void (*run)(struct kio_runtime *rt);
};

/* "LABEL/FLAVOR bench metric value unit" */
void report(const char *bench, const char *metric, double value, const char *unit);

/* How many: the bench's own number, or KIOTO_BENCH_N. */
long scale(long usual);

/* p50, p99 and p99.9 of samples in seconds, reported in us; sorts them. */
void report_percentiles(const char *bench, double *samples, size_t count);

double wall_seconds(void);
double cpu_seconds(void);
size_t resident_bytes(void);
size_t peak_bytes(void);

/* From the command line: the flavor, and a server's port. */
extern enum kio_flavor bench_flavor;
extern unsigned bench_workers;
extern const char *bench_port;

void bench_spawn_join(struct kio_runtime *rt);
void bench_yield(struct kio_runtime *rt);
void bench_ping_pong(struct kio_runtime *rt);
void bench_mpsc(struct kio_runtime *rt);
void bench_oneshot(struct kio_runtime *rt);
void bench_select(struct kio_runtime *rt);
void bench_join_all(struct kio_runtime *rt);
void bench_timers(struct kio_runtime *rt);
void bench_timer_cancel(struct kio_runtime *rt);
void bench_mem_sleep(struct kio_runtime *rt);
void bench_mem_pending(struct kio_runtime *rt);
void bench_mem_notify(struct kio_runtime *rt);
void bench_mix(struct kio_runtime *rt);
void bench_sweep(struct kio_runtime *rt);
void bench_blocked(struct kio_runtime *rt);
void bench_blocking(struct kio_runtime *rt);
void bench_cross_wake(struct kio_runtime *rt);
void bench_cache_line(struct kio_runtime *rt);
void bench_parallel(struct kio_runtime *rt);
void bench_latency(struct kio_runtime *rt);
void bench_echo(struct kio_runtime *rt);
void bench_http(struct kio_runtime *rt);

#endif
