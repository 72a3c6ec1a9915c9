/* A small seeded generator: xorshift64* (Vigna 2016), one per worker; not for secrets. */
#ifndef KI_BASE_RAND_H
#define KI_BASE_RAND_H

#include <stdint.h>

struct ki_rand {
    uint64_t state; /* never 0 once seeded */
};

static inline void ki_rand_seed(struct ki_rand *r, uint64_t seed)
{
    /* splitmix64's step: neighbouring seeds give unrelated states */
    uint64_t z = seed + 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    r->state = z ? z : 1;
}

static inline uint64_t ki_rand_next(struct ki_rand *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * 0x2545f4914f6cdd1du;
}

/* Evenly in 0 .. bound - 1 (Lemire's multiply; the bias below 2^-32 does not matter here). */
static inline uint32_t ki_rand_below(struct ki_rand *r, uint32_t bound)
{
    return (uint32_t)(((ki_rand_next(r) >> 32) * (uint64_t)bound) >> 32);
}

#endif
