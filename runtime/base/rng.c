#include "runtime/base/rng.h"

#include <math.h>

#include "runtime/base/check.h"

// Design notes.
// The four words come from splitmix64 over a mix of seed and stream, as the authors of xoshiro
// advise; the mix goes through splitmix64 once more, so that neighbouring streams of one seed share
// no state words. Source: Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators",
// 2018; Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014.

static uint64_t
splitmix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t
rotate_left(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

void
rt_rng_seed(rt_rng *rng, uint64_t seed, uint64_t stream)
{
    uint64_t mix = splitmix(&seed) ^ stream;
    uint64_t state = splitmix(&mix);

    for (int i = 0; i < 4; i++) {
        rng->s[i] = splitmix(&state);
    }
}

uint64_t
rt_rng_u64(rt_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t
rt_rng_below(rt_rng *rng, uint64_t bound)
{
    uint64_t draw = 0;
    uint64_t surplus = 0;

    RT_ASSERT(bound > 0);
    // 2^64 mod bound: draws below it would favour the small results, so they are drawn again.
    surplus = (0 - bound) % bound;
    do {
        draw = rt_rng_u64(rng);
    } while (draw < surplus);
    return draw % bound;
}

double
rt_rng_f64(rt_rng *rng)
{
    return (double)(rt_rng_u64(rng) >> 11) * 0x1p-53;
}

bool
rt_rng_chance(rt_rng *rng, double p)
{
    return rt_rng_f64(rng) < p;
}

double
rt_rng_normal(rt_rng *rng)
{
    double x = 0;
    double square = 0;

    // A point in the unit disc. The second value it would give is dropped, so that the stream has
    // no state beside s[].
    do {
        double y = 2 * rt_rng_f64(rng) - 1;

        x = 2 * rt_rng_f64(rng) - 1;
        square = x * x + y * y;
    } while (square >= 1 || square == 0);
    return x * sqrt(-2 * log(square) / square);
}

double
rt_rng_exponential(rt_rng *rng, double mean)
{
    return -mean * log1p(-rt_rng_f64(rng));
}
