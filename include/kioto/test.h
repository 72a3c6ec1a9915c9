/*
 * Testing programs made with Kioto: under many schedules, on a clock that takes no time, over a
 * network that fails when it is told to.
 *
 *     int main(void)
 *     {
 *         return kio_test(1000, orders_are_never_lost, .clients = 3) != 0;
 *     }
 *
 * runs the async function under seeds 1 to 1000, each in a process of its own on a deterministic
 * runtime (see runtime.h). The first seed that fails is printed with what it wrote; the same program
 * with KIOTO_SEED=that runs it again, alone and in this process, so under a debugger too.
 */
#ifndef KIOTO_TEST_H
#define KIOTO_TEST_H

#include "io.h"
#include "runtime.h"
#include "sync.h"

/* Private. */
struct kio_test_ {
    const char *name;
    uint64_t seed, last, failed;
    struct kio_runtime *rt;
    int output; /* what the child writes */
    bool once, child;
};

KIO_API void kio_test_begin_(struct kio_test_ *test, uint64_t seeds, const char *name);
KIO_API bool kio_test_next_(struct kio_test_ *test);
KIO_API void kio_test_result_(struct kio_test_ *test, size_t size, const void *result);

/**
 * kio_test(seeds, name, .param = v, …): run an async function under the seeds 1 to `seeds`.
 *
 * A seed fails when the process ends otherwise than by the function's end (abort, a signal, exit),
 * when an async_fn(int) gives another result than 0, when it takes more than 60 s of real time
 * (KIOTO_TEST_SECONDS), or when kio_test_check() fails. Then the rest is not run.
 *
 * Parameters are evaluated in each of the processes.
 *
 * Returns: 0: all passed; the seed that failed otherwise
 * Errors:  a seed for which no process or runtime can be made has failed
 * Threads: any that runs no task; there should be no others, which the processes would lack
 * Since:   0.1
 */
#define kio_test(seeds, name_, ...)                                                                \
    ({                                                                                             \
        struct kio_test_ test_;                                                                    \
        kio_test_begin_(&test_, seeds, #name_);                                                    \
        while (kio_test_next_(&test_)) {                                                           \
            __typeof__(((struct name_ *)0)->out) result_ =                                         \
                kio_runtime_block_on(test_.rt, name_ __VA_OPT__(, ) __VA_ARGS__);                  \
            kio_test_result_(&test_, _Generic(result_, int: sizeof(int), default: 0), &result_);   \
        }                                                                                          \
        test_.failed;                                                                              \
    })

/* kio_test_check(cond): aborts, with the place and the chain of awaits, when it does not hold. */
#define kio_test_check(cond) ((cond) ? (void)0 : kio_test_failed_(#cond, __FILE__, __LINE__))
KIO_API KIO_NORETURN void kio_test_failed_(const char *text, const char *file, int line);

/* kio_test_random(bound): evenly in 0 .. bound - 1, drawn from the seed inside a deterministic
 * runtime. Threads: any */
KIO_API uint32_t kio_test_random(uint32_t bound);

/* ---- a network in memory ------------------------------------------------------------------ */

/*
 * Hosts are names; an address is "host:service", both any text. Connections are kio_stream ends, so
 * servers and clients run on them unchanged. Bytes take their link's time, arrive in order within a
 * connection and in any order between connections, and are read in random pieces. While two hosts
 * are parted nothing passes between them; what was sent arrives after they are joined again.
 *
 * All of it on one runtime, which must be current_thread or deterministic.
 */
struct kio_net; /* opaque */

/* How bytes travel between two hosts. */
struct kio_net_link {
    kio_duration delay_min, delay_max; /* of each write's bytes; 0, 0: at once */
    uint64_t bytes_per_second;         /* 0: no limit */
    size_t window;                     /* bytes on the way in one direction, then a write waits; 0: 65536 */
    bool whole;                        /* reads give all that is there, not a random part */
};

/**
 * kio_net_new(net, link): make a network.
 *
 * net      written; to be freed with kio_net_free() when no connection, listener or pending connect is
 *          left
 * link     of all pairs of hosts for which kio_net_set_link() says nothing else; NULL: zeroed
 *
 * Returns: 0 or -ENOMEM
 * Threads: the runtime's
 * Since:   0.1
 */
KIO_API KIO_MUST_USE int kio_net_new(struct kio_net **net, const struct kio_net_link *link);
KIO_API void kio_net_free(struct kio_net *net);

/* kio_net_set_link(net, a, b, link): between two hosts, both ways, from now on. 0 or -ENOMEM. */
KIO_API KIO_MUST_USE int kio_net_set_link(struct kio_net *net, const char *a, const char *b,
                                          const struct kio_net_link *link);
/* kio_net_part(net, a, b): nothing passes between them; b NULL: between a and all others. 0 or -ENOMEM. */
KIO_API KIO_MUST_USE int kio_net_part(struct kio_net *net, const char *a, const char *b);
/* kio_net_join(net, a, b): the opposite. */
KIO_API void kio_net_join(struct kio_net *net, const char *a, const char *b);

struct kio_net_listener {
    /* private from here on */
    struct kio_net_port_ *port; /* NULL: empty */
};

/* kio_net_listen(net, listener, address): 0; -EADDRINUSE; -EINVAL: no "host:service"; -ENOMEM. */
KIO_API KIO_MUST_USE int kio_net_listen(struct kio_net *net, struct kio_net_listener *listener,
                                        const char *address);
/* kio_net_close(listener): who waits in accept gets -EBADF; connections not accepted yet are reset. Of an
 * empty one: nothing. */
KIO_API void kio_net_close(struct kio_net_listener *listener);

struct kio_net_accept {
    KIO_WAITER_FN_(int); /* 0; -EBADF: closed meanwhile */
    /* private from here on */
    struct kio_net_listener *listener;
    struct kio_stream *stream;
};

/* kio_net_accept(slot, listener, stream): wait for a connection. One at a time; listener is borrowed.
 * Cancel: safe */
KIO_API struct kio_net_accept *kio_net_accept(struct kio_net_accept *slot,
                                              struct kio_net_listener *listener,
                                              struct kio_stream *stream);

struct kio_net_connect {
    KIO_ASYNC_FN(int); /* 0; -ECONNREFUSED: nobody listens there; -ENOMEM; -EINVAL */
    /* private from here on */
    struct kio_net *net;
    const char *from, *to;
    struct kio_stream *stream;
    struct kio_sleep way;
    struct kio_notified joined;
};

/**
 * kio_net_connect(slot, net, from, to, stream): connect from a host to an address.
 *
 * Takes the link's time there and back, and waits while the hosts are parted (for ever, if they stay so:
 * give it a kio_timeout()).
 *
 * from, to borrowed until the future ends
 * stream   written when out is 0; owned then, to be closed with kio_close()
 *
 * Cancel:  safe
 * Threads: owner
 * Since:   0.1
 */
KIO_API struct kio_net_connect *kio_net_connect(struct kio_net_connect *slot, struct kio_net *net,
                                                const char *from, const char *to,
                                                struct kio_stream *stream);

/* kio_net_cut(stream): as if the line broke: both ends get -ECONNRESET, what is on the way is lost. */
KIO_API void kio_net_cut(struct kio_stream *stream);

#endif
