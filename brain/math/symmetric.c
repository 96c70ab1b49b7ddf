#include "brain/math/symmetric.h"

#include <math.h>

double
br_dot(const double *a, const double *b, size_t count)
{
    double sum = 0.0;

    for (size_t i = 0; i < count; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

void
br_symmetric_times(const double *matrix, size_t dim, const double *x, double *ret)
{
    for (size_t i = 0; i < dim; i++) {
        const double *row = &matrix[br_symmetric_row(i)];
        double sum = row[i] * x[i];

        for (size_t j = 0; j < i; j++) {
            sum += row[j] * x[j];
            ret[j] += row[j] * x[i];
        }
        ret[i] = sum;
    }
}

bool
br_are_finite(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return false;
        }
    }
    return true;
}
