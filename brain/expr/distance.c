// Design notes.
// Angles are folded in degrees, where 90 and 180 are exact, to 0..45; there a Taylor series of nine
// terms is as exact as a double. The arc sine is found by Newton's method on that sine: from the
// first two terms of its own series, four steps are more than enough below 45 degrees, and a larger
// angle is 90 degrees less its complement.
// A compiler may not join a multiplication and an addition into one rounding: gcc does not with
// -std=c17, clang is told so.
#include "brain/expr/distance.h"

#include <math.h>

#include "runtime/base/attr.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#define PI 3.14159265358979323846
#define EARTH_KM 6371.0088
#define NEWTON_STEPS 4

// 0 <= x <= pi / 4
static double
sine(double x)
{
    double square = x * x;
    double term = x;
    double sum = x;
    for (int i = 2; i <= 16; i += 2) {
        term = -term * square / (double)(i * (i + 1));
        sum += term;
    }
    return sum;
}

// 0 <= x <= pi / 4
static double
cosine(double x)
{
    double square = x * x;
    double term = 1;
    double sum = 1;
    for (int i = 1; i <= 15; i += 2) {
        term = -term * square / (double)(i * (i + 1));
        sum += term;
    }
    return sum;
}

// 0 <= degrees <= 180
static double
sine_of_degrees(double degrees)
{
    double folded = degrees > 90 ? 180 - degrees : degrees;
    return folded > 45 ? cosine((90 - folded) * (PI / 180)) : sine(folded * (PI / 180));
}

// 0 <= value <= sqrt(1/2)
static double
arc_sine(double value)
{
    double x = value + value * value * value / 6;
    for (int i = 0; i < NEWTON_STEPS; i++) {
        x -= (sine(x) - value) / cosine(x);
    }
    return x;
}

static bool
is_within(double degrees, double limit)
{
    return degrees >= -limit && degrees <= limit; // false for NaN
}

bool
br_distance_km(double lat1, double lon1, double lat2, double lon2, double *ret_km)
{
    if (!is_within(lat1, 90) || !is_within(lat2, 90) || !is_within(lon1, 180) ||
        !is_within(lon2, 180)) {
        return false;
    }
    double half_lat = sine_of_degrees(fabs(lat2 - lat1) / 2);
    double half_lon = sine_of_degrees(fabs(lon2 - lon1) / 2);
    double cosines = sine_of_degrees(90 - fabs(lat1)) * sine_of_degrees(90 - fabs(lat2));
    double a = RT_MIN(half_lat * half_lat + cosines * (half_lon * half_lon), 1);
    double angle = a <= 0.5 ? arc_sine(sqrt(a)) : PI / 2 - arc_sine(sqrt(1 - a));
    *ret_km = 2 * EARTH_KM * angle;
    return true;
}
