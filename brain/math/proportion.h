// math/proportion.h: how sure one can be of a share that was counted.
//
// Layer: brain/math (pure).   Threads: any.
// Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
// Journal of the American Statistical Association 22 (1927), pages 209-212: the score interval; in
// the form of L. D. Brown, T. T. Cai and A. DasGupta, Interval estimation for a binomial
// proportion, Statistical Science 16 (2001), page 107, equation (4):
//   (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)
// It holds what it promises for small samples and for shares near 0 and 1 too, where the usual
// p ± z √(p(1-p)/n) does not. Only + - * / and the square root are used, which IEEE 754 rounds
// exactly: the same counts give the same bounds on every machine.
#ifndef CEREBRO_BRAIN_MATH_PROPORTION_H
#define CEREBRO_BRAIN_MATH_PROPORTION_H

#include <stdint.h>

#define BR_Z_95 1.959963984540054 // quantile 0.975 of the normal distribution

typedef struct br_interval {
    double low;
    double high;
} br_interval;

// br_wilson is the interval of a share of `hits` in `of` trials; 0..1 without a trial.
//   z   how many standard deviations: BR_Z_95 for 95 %
br_interval br_wilson(uint64_t hits, uint64_t of, double z);
// br_certainty_z is the z for which a normal variable lies within ±z with that probability, 0.5 to
// 0.9999.
double br_certainty_z(double certainty);

#endif
