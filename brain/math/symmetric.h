// math/symmetric.h: symmetric matrices of which only the lower triangle is stored, by rows.
//
// Layer: brain/math (may use runtime/base).   Threads: any; state is the caller's.
// A matrix of dim rows takes BR_SYMMETRIC_COUNT(dim) numbers and cannot drift out of symmetry.
// Sums are made in the order of the rows, so that every machine comes to the same bits.
#ifndef CEREBRO_BRAIN_MATH_SYMMETRIC_H
#define CEREBRO_BRAIN_MATH_SYMMETRIC_H

#include <stdbool.h>
#include <stddef.h>

// BR_SYMMETRIC_COUNT is how many numbers the triangle has.
#define BR_SYMMETRIC_COUNT(dim) ((size_t)(dim) * ((size_t)(dim) + 1) / 2)

// br_symmetric_row is the index of the first number of a row.
static inline size_t
br_symmetric_row(size_t row)
{
    return row * (row + 1) / 2;
}

// br_dot is the sum of products of two vectors.
double br_dot(const double *a, const double *b, size_t count);
// br_symmetric_times multiplies a matrix by a vector.
//   ret  room for `dim` numbers; not x itself
void br_symmetric_times(const double *matrix, size_t dim, const double *x, double *ret);
// br_are_finite tells whether all of the numbers are.
bool br_are_finite(const double *values, size_t count);

#endif
