// base/rng.h: seeded random streams; the only randomness below the seams.
//
// Layer: runtime/base.   Threads: one owner.
// Source: xoshiro256** 1.0, Blackman and Vigna 2018; seeding by splitmix64.
#ifndef CEREBRO_RUNTIME_BASE_RNG_H
#define CEREBRO_RUNTIME_BASE_RNG_H

#include <stdbool.h>
#include <stdint.h>

typedef struct rt_rng {
    uint64_t s[4];
} rt_rng;

// rt_rng_seed starts a stream; equal (seed, stream) give equal draws on every machine.
void rt_rng_seed(rt_rng *rng, uint64_t seed, uint64_t stream);
// rt_rng_u64 draws 64 random bits.
uint64_t rt_rng_u64(rt_rng *rng);
// rt_rng_below draws uniformly from 0..bound-1 without bias; bound > 0.
uint64_t rt_rng_below(rt_rng *rng, uint64_t bound);
// rt_rng_f64 draws uniformly from [0, 1).
double rt_rng_f64(rt_rng *rng);
// rt_rng_chance is true with probability p.
bool rt_rng_chance(rt_rng *rng, double p);
// rt_rng_normal draws from N(0, 1) (Marsaglia polar, one value a call).
double rt_rng_normal(rt_rng *rng);
// rt_rng_exponential draws from Exp with the given mean.
double rt_rng_exponential(rt_rng *rng, double mean);

#endif
