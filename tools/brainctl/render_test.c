#include "tools/brainctl/render.h"

#include "tests/harness/check.h"

#define OUT_MAX 65536

typedef struct fixture {
    ctl_grid grid;
    rt_text out;
} fixture;

static const ctl_column columns[] = {{"NAME", false, 8}, {"COUNT", true, 0}, {"NOTE", false, 0}};

static int
setup(void **state)
{
    static fixture f;
    rt_text_init(&f.out, OUT_MAX);
    ctl_grid_init(&f.grid, columns, RT_COUNT(columns));
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;
    ctl_grid_fini(&f->grid);
    rt_text_fini(&f->out);
    return 0;
}

static void
test_width_counts_columns_not_bytes(void **state)
{
    (void)state;
    CHECK_INT(ctl_width(RT_STR("Bogotá")), 6);
    CHECK_INT(ctl_width(RT_STR("日本")), 4);
    CHECK_INT(ctl_width(RT_STR("e\xcc\x81")), 1); // e and a combining accent
    CHECK_INT(ctl_width(RT_STR("\xff\xfe")), 2);  // damaged: one each
}

static void
test_clean_takes_escape_codes_out(void **state)
{
    fixture *f = *state;
    ctl_clean(&f->out, RT_STR("a\033[31mb\nc\x7f\xff" "d\xe2\x80\xae" "e"));
    CHECK_STR(rt_text_view(&f->out), "a\xef\xbf\xbd[31mb c\xef\xbf\xbd\xef\xbf\xbd"
                                     "d\xef\xbf\xbd" "e");
}

static void
test_grid_aligns_by_width(void **state)
{
    fixture *f = *state;
    ctl_grid_cstr(&f->grid, CTL_PLAIN, "Bogotá");
    ctl_grid_printf(&f->grid, CTL_PLAIN, "%d", 7);
    ctl_grid_cstr(&f->grid, CTL_PLAIN, "");
    ctl_grid_cstr(&f->grid, CTL_PLAIN, "Cali");
    ctl_grid_printf(&f->grid, CTL_PLAIN, "%d", 1234567);
    ctl_grid_cstr(&f->grid, CTL_PLAIN, "x");

    ctl_grid_write(&f->grid, &f->out, true, false, 1, 0);

    CHECK_STR(rt_text_view(&f->out), " NAME      COUNT  NOTE\n"
                                     " Bogotá        7\n"
                                     " Cali    1234567  x\n");
}

static void
test_grid_cuts_long_cells_and_the_last_column(void **state)
{
    fixture *f = *state;
    ctl_grid_cstr(&f->grid, CTL_PLAIN, "interrapidisimo");
    ctl_grid_cstr(&f->grid, CTL_PLAIN, "1");
    ctl_grid_cstr(&f->grid, CTL_PLAIN, "a long note that does not fit");

    ctl_grid_write(&f->grid, &f->out, false, false, 0, 30);

    CHECK_STR(rt_text_view(&f->out), "interra\xe2\x80\xa6  1  a long note that\xe2\x80\xa6\n");
}

static void
test_grid_without_colour_has_no_escape_codes(void **state)
{
    fixture *f = *state;
    ctl_grid_cstr(&f->grid, CTL_RED, "red");
    ctl_grid_cstr(&f->grid, CTL_GREEN, "1");
    ctl_grid_cstr(&f->grid, CTL_BOLD, "bold");

    ctl_grid_write(&f->grid, &f->out, true, false, 0, 0);
    CHECK_TRUE(memchr(f->out.ptr, '\033', f->out.len) == NULL);
    ctl_grid_write(&f->grid, &f->out, true, true, 0, 0);
    CHECK_TRUE(memchr(f->out.ptr, '\033', f->out.len) != NULL);
}

static void
test_figures_read_well(void **state)
{
    fixture *f = *state;
    ctl_count(&f->out, 0);
    rt_text_cstr(&f->out, "|");
    ctl_count(&f->out, 999);
    rt_text_cstr(&f->out, "|");
    ctl_count(&f->out, 1234567);
    rt_text_cstr(&f->out, "|");
    ctl_bytes(&f->out, 1023);
    rt_text_cstr(&f->out, "|");
    ctl_bytes(&f->out, 1887436);
    rt_text_cstr(&f->out, "|");
    ctl_us(&f->out, 813);
    rt_text_cstr(&f->out, "|");
    ctl_us(&f->out, 3100);
    rt_text_cstr(&f->out, "|");
    ctl_number(&f->out, 0.123456);
    rt_text_cstr(&f->out, "|");
    ctl_number(&f->out, -30);
    rt_text_cstr(&f->out, "|");
    ctl_number(&f->out, -0.0);
    rt_text_cstr(&f->out, "|");
    ctl_time(&f->out, 1795236801652);
    CHECK_STR(rt_text_view(&f->out), "0|999|1,234,567|1023 B|1.8 MiB|813 us|3.1 ms|0.123|-30|0|"
                                     "2026-11-21 04:53:21.652");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_width_counts_columns_not_bytes),
        TEST(test_clean_takes_escape_codes_out),
        TEST(test_grid_aligns_by_width),
        TEST(test_grid_cuts_long_cells_and_the_last_column),
        TEST(test_grid_without_colour_has_no_escape_codes),
        TEST(test_figures_read_well),
    };
    return CHECK_RUN(tests);
}
