// brain/expr/distance.h: how far two places are from each other.
//
// Layer: brain/expr.   Threads: any; pure.   Units: degrees, km.
// The same bits with every compiler and C library: nothing of libm is used but sqrt, which IEEE 754
// defines to the last bit. Against a computation with 60 digits the error is below a millimetre,
// and below a metre within a kilometre of the opposite point, where the formula itself is blunt.
// Source: R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984), p. 159; mean
// radius of the Earth: GRS 80 (H. Moritz, "Geodetic Reference System 1980", 2000).
#ifndef CEREBRO_BRAIN_EXPR_DISTANCE_H
#define CEREBRO_BRAIN_EXPR_DISTANCE_H

#include <stdbool.h>

// br_distance_km is the length of the great circle between two places, on a sphere.
//   lat    degrees, -90..90          lon  degrees, -180..180
//   returns false for what lies outside of that, NaN too
bool br_distance_km(double lat1, double lon1, double lat2, double lon2, double *ret_km);

#endif
