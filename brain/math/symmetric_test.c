#include "brain/math/symmetric.h"

#include <math.h>

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

#define DIM 9

static void
test_symmetric_times_is_what_the_whole_matrix_gives(void **unused)
{
    double triangle[BR_SYMMETRIC_COUNT(DIM)];
    double whole[DIM][DIM];
    double x[DIM];
    double got[DIM];
    rt_rng rng;

    rt_rng_seed(&rng, 3, 1);
    for (size_t i = 0; i < DIM; i++) {
        x[i] = rt_rng_f64(&rng) - 0.5;
        for (size_t j = 0; j <= i; j++) {
            whole[i][j] = whole[j][i] = triangle[br_symmetric_row(i) + j] = rt_rng_f64(&rng);
        }
    }
    br_symmetric_times(triangle, DIM, x, got);

    for (size_t i = 0; i < DIM; i++) {
        CHECK_NEAR(got[i], br_dot(whole[i], x, DIM), 1e-12);
    }
    (void)unused;
}

static void
test_are_finite_finds_the_one_that_is_not(void **unused)
{
    double values[] = {0, -1e300, INFINITY};

    CHECK_TRUE(br_are_finite(values, 2));
    CHECK_TRUE(!br_are_finite(values, 3));
    values[2] = NAN;
    CHECK_TRUE(!br_are_finite(values, 3));
    (void)unused;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symmetric_times_is_what_the_whole_matrix_gives),
        cmocka_unit_test(test_are_finite_finds_the_one_that_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
