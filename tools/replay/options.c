#include "tools/replay/options.h"

#include <string.h>

#include "runtime/base/civil.h"
#include "runtime/base/text.h"
#include "runtime/wire/diag.h"
#include "tools/replay/send.h"

// Design notes.
// One row an option: its name, the commands that know it, and how its value is read. An option that
// a command would ignore is an error, because a wish that is passed over in silence is a lie.

#define ANY (OPTIONS_OLIST | OPTIONS_DAY | OPTIONS_FILE)

typedef struct option {
    const char *name;
    unsigned commands;
    bool flag; // takes no value
    rt_err (*read)(options *o, rt_str value);
} option;

static rt_err
read_count(rt_str value, int64_t min, int64_t max, int64_t *ret_count)
{
    int64_t count = 0;

    if (rt_parse_i64(value, &count) != RT_OK || count < min || count > max) {
        return rt_fail(RT_EINVAL, "must be a number from %lld to %lld, is '%.*s'", (long long)min,
                       (long long)max, RT_STR_ARG(value));
    }
    *ret_count = count;
    return RT_OK;
}

// Reads "2026-11-20" (midnight UTC) or a whole RFC 3339 time.
static rt_err
read_date(rt_str value, int64_t *ret_ms)
{
    char text[RT_RFC3339_CAP] = "";
    static const char midnight[] = "T00:00:00Z";

    if (value.len == 10) {
        memcpy(text, value.ptr, 10);
        memcpy(text + 10, midnight, sizeof(midnight));
        value = rt_str_of(text);
    }
    if (rt_parse_rfc3339(value, ret_ms) != RT_OK) {
        return rt_fail(RT_EINVAL, "must be a date like 2026-11-20 or 2026-11-20T13:00:00Z");
    }
    return RT_OK;
}

static rt_err
read_share(rt_str value, double *ret_share)
{
    double share = 0;

    if (rt_parse_f64(value, &share) != RT_OK || share < 0 || share > 1) {
        return rt_fail(RT_EINVAL, "must be a number from 0 to 1, is '%.*s'", RT_STR_ARG(value));
    }
    *ret_share = share;
    return RT_OK;
}

// Options are given as text that lives as long as the process, so views of argv may be kept.
static rt_err
read_url(options *o, rt_str value)
{
    o->url = value.ptr;
    return RT_OK;
}

static rt_err
read_tenant(options *o, rt_str value)
{
    o->tenant = value.ptr;
    return value.len <= 64 ? RT_OK : rt_fail(RT_EINVAL, "must have at most 64 characters");
}

static rt_err
read_speed(options *o, rt_str value)
{
    if (rt_str_is(value, "max")) {
        o->speed = 0;
        return RT_OK;
    }
    if (value.len > 1 && value.ptr[value.len - 1] == 'x') {
        value.len--;
    }
    if (rt_parse_f64(value, &o->speed) != RT_OK || o->speed <= 0) {
        return rt_fail(RT_EINVAL, "must be max or a number above 0, e.g. 60 (a minute a second)");
    }
    return RT_OK;
}

static rt_err
read_batch(options *o, rt_str value)
{
    int64_t count = 0;
    rt_err err = read_count(value, 1, SEND_BATCH_MAX, &count);

    o->batch = (uint32_t)count;
    return err;
}

static rt_err
read_window(options *o, rt_str value)
{
    int64_t count = 0;
    rt_err err = read_count(value, 1, SEND_WINDOW_MAX, &count);

    o->window = (uint32_t)count;
    return err;
}

static rt_err
read_timeout(options *o, rt_str value)
{
    if (rt_parse_duration_ms(value, &o->timeout_ms) != RT_OK || o->timeout_ms < 100
        || o->timeout_ms > 3600000) {
        return rt_fail(RT_EINVAL, "must be a duration from 100ms to 1h, e.g. 30s");
    }
    return RT_OK;
}

static rt_err
read_from(options *o, rt_str value)
{
    return read_date(value, &o->bounds.from_ms);
}

static rt_err
read_until(options *o, rt_str value)
{
    return read_date(value, &o->bounds.until_ms);
}

static rt_err
read_limit(options *o, rt_str value)
{
    int64_t count = 0;
    rt_err err = read_count(value, 1, INT64_MAX, &count);

    o->bounds.limit = (uint64_t)count;
    return err;
}

static rt_err
read_output(options *o, rt_str value)
{
    if (!rt_str_is(value, "text") && !rt_str_is(value, "json")) {
        return rt_fail(RT_EINVAL, "must be text or json, is '%.*s'", RT_STR_ARG(value));
    }
    o->json_summary = rt_str_is(value, "json");
    return RT_OK;
}

static rt_err
set_dry_run(options *o, rt_str value)
{
    (void)value;
    o->dry_run = true;
    return RT_OK;
}

static rt_err
set_jsonl(options *o, rt_str value)
{
    (void)value;
    o->jsonl = true;
    return RT_OK;
}

static rt_err
set_quiet(options *o, rt_str value)
{
    (void)value;
    o->quiet = true;
    return RT_OK;
}

static rt_err
set_stats(options *o, rt_str value)
{
    (void)value;
    o->stats = true;
    return RT_OK;
}

static rt_err
read_seed(options *o, rt_str value)
{
    int64_t seed = 0;
    rt_err err = read_count(value, 0, INT64_MAX, &seed);

    o->day.seed = (uint64_t)seed;
    return err;
}

static rt_err
read_orders(options *o, rt_str value)
{
    int64_t count = 0;
    rt_err err = read_count(value, 1, (int64_t)GEN_ORDERS_MAX, &count);

    o->day.orders = (uint64_t)count;
    return err;
}

static rt_err
read_days(options *o, rt_str value)
{
    int64_t count = 0;
    rt_err err = read_count(value, 1, GEN_DAYS_MAX, &count);

    o->day.days = (uint32_t)count;
    return err;
}

static rt_err
read_tail(options *o, rt_str value)
{
    int64_t count = 0;
    rt_err err = read_count(value, 0, 60, &count);

    o->day.tail_days = (uint32_t)count;
    return err;
}

static rt_err
read_last_day(options *o, rt_str value)
{
    int64_t ms = 0;
    rt_err err = value.len == 10 ? read_date(value, &ms)
                                 : rt_fail(RT_EINVAL, "must be a date like 2026-11-20");

    o->day.last_day = ms / WORKLOAD_DAY_MS;
    return err;
}

static rt_err
read_dup_share(options *o, rt_str value)
{
    return read_share(value, &o->day.dup_share);
}

static rt_err
read_bad_share(options *o, rt_str value)
{
    return read_share(value, &o->day.bad_share);
}

static const option known[] = {
    {"--url", ANY, false, read_url},
    {"--tenant", ANY, false, read_tenant},
    {"--speed", ANY, false, read_speed},
    {"--batch", ANY, false, read_batch},
    {"--window", ANY, false, read_window},
    {"--timeout", ANY, false, read_timeout},
    {"--from", ANY, false, read_from},
    {"--until", ANY, false, read_until},
    {"--limit", ANY, false, read_limit},
    {"--dry-run", ANY, true, set_dry_run},
    {"--jsonl", ANY, true, set_jsonl},
    {"--quiet", ANY, true, set_quiet},
    {"--output", ANY, false, read_output},
    {"-o", ANY, false, read_output},
    {"--seed", OPTIONS_DAY, false, read_seed},
    {"--orders", OPTIONS_DAY, false, read_orders},
    {"--days", OPTIONS_DAY, false, read_days},
    {"--date", OPTIONS_DAY, false, read_last_day},
    {"--tail", OPTIONS_DAY, false, read_tail},
    {"--dup-share", OPTIONS_DAY, false, read_dup_share},
    {"--bad-share", OPTIONS_DAY, false, read_bad_share},
    {"--stats", OPTIONS_DAY, true, set_stats},
};

static rt_err
unknown_option(rt_str name)
{
    rt_str names[RT_COUNT(known)];
    char buf[128];
    const char *help = NULL;

    for (size_t i = 0; i < RT_COUNT(known); i++) {
        names[i] = rt_str_of(known[i].name);
    }
    help = rt_diag_did_you_mean(name, names, RT_COUNT(known), buf, sizeof(buf));
    return rt_fail(RT_EINVAL, "unknown option %.*s%s%s", RT_STR_ARG(name), help != NULL ? "; " : "",
                   help != NULL ? help : "");
}

static rt_err
find_option(rt_str name, options_command command, const option **ret_option)
{
    for (size_t i = 0; i < RT_COUNT(known); i++) {
        if (rt_str_is(name, known[i].name)) {
            if ((known[i].commands & (unsigned)command) == 0) {
                return rt_fail(RT_EINVAL, "%s belongs to the command day", known[i].name);
            }
            *ret_option = &known[i];
            return RT_OK;
        }
    }
    return unknown_option(name);
}

// Reads the option at argv[*at] and moves behind it and its value.
static rt_err
read_option(options *o, int argc, char **argv, int *at)
{
    rt_str arg = rt_str_of(argv[*at]);
    const char *equals = strchr(argv[*at], '=');
    rt_str name = {arg.ptr, equals != NULL ? (size_t)(equals - arg.ptr) : arg.len};
    rt_str value = {0};
    const option *opt = NULL;
    char why[RT_ERR_DETAIL_MAX];
    rt_err err = find_option(name, o->command, &opt);

    if (err != RT_OK) {
        return err;
    }
    if (opt->flag && equals != NULL) {
        return rt_fail(RT_EINVAL, "%s takes no value", opt->name);
    }
    if (!opt->flag && equals == NULL && *at + 1 == argc) {
        return rt_fail(RT_EINVAL, "%s needs a value", opt->name);
    }
    if (!opt->flag) {
        value = rt_str_of(equals != NULL ? equals + 1 : argv[*at + 1]);
    }
    *at += opt->flag || equals != NULL ? 1 : 2;
    err = opt->read(o, value);
    if (err != RT_OK) {
        memcpy(why, rt_err_detail(), sizeof(why) - 1);
        why[sizeof(why) - 1] = '\0';
        return rt_fail(RT_EINVAL, "%s %s", opt->name, why);
    }
    return RT_OK;
}

static rt_err
read_command(const char *name, options_command *ret_command)
{
    if (strcmp(name, "olist") == 0) {
        *ret_command = OPTIONS_OLIST;
    } else if (strcmp(name, "day") == 0) {
        *ret_command = OPTIONS_DAY;
    } else if (strcmp(name, "file") == 0) {
        *ret_command = OPTIONS_FILE;
    } else {
        return rt_fail(RT_EINVAL, "unknown command '%s'; there are olist, day and file", name);
    }
    return RT_OK;
}

static rt_err
check_together(const options *o)
{
    if (o->command == OPTIONS_OLIST && o->path_count != 1) {
        return rt_fail(RT_EINVAL, "olist needs the one directory with the tables");
    }
    if (o->command == OPTIONS_DAY && o->path_count != 0) {
        return rt_fail(RT_EINVAL, "day takes no argument, only options");
    }
    if (o->command == OPTIONS_FILE && o->path_count == 0) {
        return rt_fail(RT_EINVAL, "file needs at least one file of JSON lines, or -");
    }
    if (o->jsonl && o->dry_run) {
        return rt_fail(RT_EINVAL, "--jsonl sends nothing anyway: leave --dry-run out");
    }
    if (o->bounds.until_ms > 0 && o->bounds.until_ms <= o->bounds.from_ms) {
        return rt_fail(RT_EINVAL, "--until must be after --from");
    }
    if (o->stats && !o->dry_run) {
        return rt_fail(RT_EINVAL, "--stats goes with --dry-run");
    }
    return RT_OK;
}

static bool
asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return argc == 2 && strcmp(argv[1], "help") == 0;
}

rt_err
options_parse(int argc, char **argv, options *ret_options)
{
    options o = {.url = "tcp://127.0.0.1:7701",
                 .tenant = "demo",
                 .batch = 256,
                 .window = 1,
                 .timeout_ms = 30000,
                 .day = gen_defaults()};
    rt_err err = RT_OK;
    int at = 2;

    if (asks_for_help(argc, argv)) {
        o.help = true;
        *ret_options = o;
        return RT_OK;
    }
    if (argc < 2) {
        return rt_fail(RT_EINVAL, "no command; there are olist, day and file");
    }
    err = read_command(argv[1], &o.command);
    while (err == RT_OK && at < argc) {
        if (argv[at][0] == '-' && argv[at][1] != '\0') {
            err = read_option(&o, argc, argv, &at);
        } else if (o.path_count == OPTIONS_PATHS_MAX) {
            err = rt_fail(RT_EINVAL, "at most %d files", OPTIONS_PATHS_MAX);
        } else {
            o.paths[o.path_count++] = argv[at++];
        }
    }
    err = err == RT_OK ? check_together(&o) : err;
    if (err == RT_OK) {
        o.day.tenant = rt_str_of(o.tenant);
        *ret_options = o;
    }
    return err;
}

const char *
options_help(void)
{
    return "brain-replay: sends recorded or generated events to a brain, acknowledged and in "
           "order\n"
           "\n"
           "usage: brain-replay olist DIR [options]      the public Olist tables (CSV)\n"
           "       brain-replay day [options]            an invented Colombian logistics day\n"
           "       brain-replay file FILE... | - [options]   CloudEvents as JSON lines\n"
           "\n"
           "options\n"
           "  --url URL          the brain's acknowledged door (tcp://127.0.0.1:7701)\n"
           "  --tenant NAME      tenant of events that name none (demo)\n"
           "  --speed max|N      N seconds of event time in one second; max: no pauses (max)\n"
           "  --batch N          events in a request, 1 to 4096 (256)\n"
           "  --window N         requests outstanding, 1 to 64 (1); more than 1 is for load\n"
           "                     tests: the brain may then see events a little out of order\n"
           "  --timeout T        give up when nobody answers for T (30s)\n"
           "  --from D --until D only events in D <= time < D; a date is midnight UTC\n"
           "  --limit N          at most N events\n"
           "  --dry-run          send nothing, only count\n"
           "  --jsonl            send nothing, print the events as JSON lines\n"
           "  --quiet            no progress line\n"
           "  -o, --output F     summary as text or json (text)\n"
           "\n"
           "options of day (all figures are invented; the same seed gives the same bytes)\n"
           "  --seed N           (1)\n"
           "  --orders N         orders placed in all, over all days (9600)\n"
           "  --days N           days of history up to and with --date (12)\n"
           "  --date D           the last day, on which a carrier breaks down (2026-11-20)\n"
           "  --tail N           days to go on after it, without new orders (0)\n"
           "  --dup-share X      share of events sent twice (0.002)\n"
           "  --bad-share X      share of events followed by a damaged one (0)\n"
           "  --stats            with --dry-run: the truth behind the stream\n"
           "\n"
           "examples\n"
           "  brain-replay day                              fill a demo brain\n"
           "  brain-replay day --dry-run --stats            what is in it\n"
           "  brain-replay day --speed 600                  ten minutes a second\n"
           "  brain-replay day --orders 1000000 --window 8  load\n"
           "  brain-replay olist ./olist --until 2018-01-01\n"
           "  brain-replay day --jsonl | brain-replay file - --tenant other\n"
           "\n"
           "exit codes: 0 all accepted (or known already), 1 failed on the way, 2 usage,\n"
           "            3 events were rejected, 7 nobody answers\n";
}
