#include "brain/math/proportion.h"

#include <math.h>

#include "runtime/base/attr.h"

// Probability of ±z: the power series of the error function. Source: M. Abramowitz and I. A.
// Stegun, Handbook of Mathematical Functions (1964), 7.1.5. Up to z = 4 it keeps twelve digits.
static double
probability_within(double z)
{
    const double scale = 0.7978845608028654; // sqrt(2 / pi)
    double power = z; // z^(2k+1) / (2^k k!), with its sign
    double sum = 0;
    for (int k = 0; k < 80; k++) {
        sum += power / (2 * k + 1);
        power = -power * z * z / (2 * (k + 1));
    }
    return scale * sum;
}

double
br_certainty_z(double certainty)
{
    double low = 0;
    double high = 4;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (probability_within(middle) < certainty) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (low + high) / 2;
}

br_interval
br_wilson(uint64_t hits, uint64_t of, double z)
{
    hits = RT_MIN(hits, of);
    if (of == 0) {
        return (br_interval){0, 1};
    }
    double n = (double)of;
    double p = (double)hits / n;
    double middle = p + z * z / (2 * n);
    double reach = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    double scale = 1 + z * z / n;
    // at 0 and n hits the bound is exact, which rounding would miss
    return (br_interval){hits == 0 ? 0 : RT_MAX((middle - reach) / scale, 0.0),
                         hits == of ? 1 : RT_MIN((middle + reach) / scale, 1.0)};
}
