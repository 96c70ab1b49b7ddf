#include "tools/replay/options.h"

#include "tests/harness/check.h"

#define PARSE(o, ...) parse((o), (char *[]){"brain-replay", __VA_ARGS__, NULL})

static rt_err
parse(options *o, char **argv)
{
    int argc = 0;

    while (argv[argc] != NULL) {
        argc++;
    }
    return options_parse(argc, argv, o);
}

static void
test_options_values_and_defaults(void **state)
{
    options o = {0};

    (void)state;
    CHECK_OK(PARSE(&o, "day", "--seed=7", "--orders", "100", "--date", "2026-11-21", "--speed",
                   "60x", "--from", "2026-11-20", "--until=2026-11-20T13:00:00Z", "-o", "json"));

    CHECK_U64(o.day.seed, 7);
    CHECK_U64(o.day.orders, 100);
    CHECK_INT(o.day.last_day, gen_defaults().last_day + 1);
    CHECK_STR(o.day.tenant, "demo");
    CHECK_NEAR(o.speed, 60, 0);
    CHECK_INT(o.bounds.until_ms - o.bounds.from_ms, 13 * 3600 * 1000);
    CHECK_TRUE(o.json_summary);
    CHECK_INT(o.window, 1);
    CHECK_INT(o.batch, 256);
    CHECK_CSTR(o.url, "tcp://127.0.0.1:7701");

    CHECK_OK(PARSE(&o, "file", "a.jsonl", "-", "--speed", "max", "--timeout", "1m30s"));
    CHECK_INT(o.path_count, 2);
    CHECK_CSTR(o.paths[1], "-");
    CHECK_INT(o.timeout_ms, 90000);
    CHECK_OK(PARSE(&o, "nothing", "--help"));
    CHECK_TRUE(o.help);
}

static void
refused(rt_err err, const char *detail)
{
    CHECK_ERR(err, RT_EINVAL);
    CHECK_CSTR(rt_err_detail(), detail);
}

static void
test_options_mistakes_are_named(void **state)
{
    options o = {0};

    (void)state;
    refused(PARSE(&o, "olist"), "olist needs the one directory with the tables");
    refused(PARSE(&o, "play"), "unknown command 'play'; there are olist, day and file");
    refused(PARSE(&o, "day", "--sped", "1"), "unknown option --sped; did you mean '--speed'?");
    refused(PARSE(&o, "day", "--batch"), "--batch needs a value");
    refused(PARSE(&o, "day", "--batch=0"), "--batch must be a number from 1 to 4096, is '0'");
    refused(PARSE(&o, "day", "--dry-run=1"), "--dry-run takes no value");
    refused(PARSE(&o, "file", "x", "--seed", "1"), "--seed belongs to the command day");
    refused(PARSE(&o, "day", "--from", "2026-13-01"),
            "--from must be a date like 2026-11-20 or 2026-11-20T13:00:00Z");
    refused(PARSE(&o, "day", "--from", "2026-11-20", "--until", "2026-11-20"),
            "--until must be after --from");
    refused(PARSE(&o, "day", "--stats"), "--stats goes with --dry-run");
    refused(PARSE(&o, "day", "x"), "day takes no argument, only options");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_values_and_defaults),
        cmocka_unit_test(test_options_mistakes_are_named),
    };

    return CHECK_RUN(tests);
}
