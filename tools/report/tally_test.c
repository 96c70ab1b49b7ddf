#include "tools/report/tally.h"

#include <stdio.h>

#include "tests/harness/check.h"

static void
test_rows_survive_growth_and_are_sorted(void **state)
{
    tally t;

    (void)state;
    tally_init(&t);
    for (int i = 0; i < 100; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "n%02d", i);
        for (int n = 0; n < i % 10; n++) {
            tally_add(&t, rt_str_of(name), 2);
        }
        tally_add(&t, rt_str_of(name), 0);
    }
    CHECK_U64(t.count, 100);
    CHECK_U64(tally_total(&t, 0), 100);
    CHECK_U64(tally_total(&t, 2), 450);
    CHECK_U64(tally_at(&t, RT_STR("n57"))->count[2], 7);
    tally_sort(&t, 2);
    CHECK_STR(t.rows[0].name, "n09");
    CHECK_STR(t.rows[9].name, "n99");
    CHECK_STR(t.rows[10].name, "n08");
    CHECK_STR(t.rows[99].name, "n90");
    tally_fini(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_survive_growth_and_are_sorted),
    };

    return CHECK_RUN(tests);
}
