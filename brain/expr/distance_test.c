// Great circles. The expected kilometres were computed from the haversine formula with 60 digits.
#include "brain/expr/distance.h"

#include <math.h>

#include "tests/harness/check.h"

typedef struct pair {
    double lat1;
    double lon1;
    double lat2;
    double lon2;
    double km;
} pair;

static void
test_distance_known_pairs(void **state)
{
    static const pair pairs[] = {
        {4.711, -74.0721, 6.2442, -75.5812, 238.673293153}, // Bogota, Medellin
        {4.711, -74.0721, 3.4516, -76.532, 306.670589488}, // Bogota, Cali
        {10.3997, -75.5144, 11.0041, -74.807, 102.423438559}, // Cartagena, Barranquilla
        {0, 0, 0, 0, 0}, // the same place
        {90, 0, -90, 0, 20015.114442}, // pole to pole
        {0, 0, 0, 180, 20015.114442}, // half round the equator
        {0, -179.5, 0, 179.5, 111.195080234}, // over the date line
        {-34.6037, -58.3816, 35.6762, 139.6503, 18373.4585988}, // Buenos Aires, Tokyo
        {0, 0, 0, 90, 10007.557221}, // a quarter
        {12.5, -81.7, 12.500001, -81.7, 0.00011119508015}, // 11 centimetres
        {60, 10, -60, -169.9, 20009.5546886}, // nearly the other side
        {45, 0, -45, 180, 20015.114442}, // the other side
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(pairs); i++) {
        const pair *p = &pairs[i];
        double km = -1;
        double back = -1;

        CHECK_TRUE(br_distance_km(p->lat1, p->lon1, p->lat2, p->lon2, &km));
        CHECK_TRUE(br_distance_km(p->lat2, p->lon2, p->lat1, p->lon1, &back));
        CHECK_NEAR(km, p->km, p->km < 20014 ? 1e-6 : 1e-3); // a millimetre, a metre
        CHECK_NEAR(back, km, 0);
    }
}

// The bits themselves, so that another compiler or machine is caught.
static void
test_distance_bits(void **state)
{
    double km = 0;
    uint64_t bits = 0;

    (void)state;
    CHECK_TRUE(br_distance_km(4.711, -74.0721, 6.2442, -75.5812, &km));

    memcpy(&bits, &km, sizeof(bits));
    CHECK_U64(bits, UINT64_C(0x406dd58b9e15032f));
}

static void
test_distance_outside_is_refused(void **state)
{
    static const double wrong[][4] = {
        {90.1, 0, 0, 0}, {0, -180.5, 0, 0}, {0, 0, -91, 0}, {0, 0, 0, 181}, {NAN, 0, 0, 0},
        {0, NAN, 0, 0},  {0, 0, INFINITY, 0},
    };
    double km = 7;

    (void)state;
    for (size_t i = 0; i < RT_COUNT(wrong); i++) {
        CHECK_FALSE(br_distance_km(wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3], &km));
    }
    CHECK_NEAR(km, 7, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance_known_pairs),
        cmocka_unit_test(test_distance_bits),
        cmocka_unit_test(test_distance_outside_is_refused),
    };
    return CHECK_RUN(tests);
}
