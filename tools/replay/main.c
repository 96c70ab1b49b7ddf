// brain-replay: recorded or generated events into a brain. See README.md and --help.

#include <stdio.h>

#include "runtime/base/civil.h"
#include "runtime/wire/json.h"
#include "tools/replay/door.h"
#include "tools/replay/olist.h"
#include "tools/replay/options.h"
#include "tools/replay/progress.h"
#include "tools/replay/summary.h"

// Design notes.
// source → window → meter → sink. The meter counts what passes by type; the sink sends, prints or
// only draws. The exit code is decided once, at the end, from the error and the counts.

#define EXIT_OK 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_REJECTED 3
#define EXIT_UNREACHABLE 7
#define LINE_BYTES_MAX ((size_t)8 * 1024 * 1024)

typedef struct run {
    options opt;
    gen *generator; // of the command day
    lines_report lines;
    stream events;
    progress progress;
    rt_map *types;
    summary sum;
} run;

// Counts what passes; a stream around the window.
typedef struct meter {
    stream inner;
    run *owner;
} meter;

static rt_err
open_files(run *r, stream *ret_stream)
{
    stream parts[OPTIONS_PATHS_MAX];
    size_t count = 0;
    rt_err err = RT_OK;

    while (count < r->opt.path_count && err == RT_OK) {
        err = lines_open(r->opt.paths[count], rt_str_of(r->opt.tenant), &r->lines, &parts[count]);
        count += err == RT_OK ? 1 : 0;
    }
    if (err != RT_OK) {
        while (count > 0) {
            stream_close(&parts[--count]);
        }
        return err;
    }
    *ret_stream = stream_merge(parts, count);
    return RT_OK;
}

static rt_err
open_source(run *r, stream *ret_stream)
{
    rt_err err = RT_OK;

    switch (r->opt.command) {
    case OPTIONS_OLIST:
        return olist_open(r->opt.paths[0], rt_str_of(r->opt.tenant), ret_stream, NULL);
    case OPTIONS_DAY:
        err = gen_open(&r->opt.day, &r->generator);
        if (err == RT_OK) {
            *ret_stream = gen_stream(r->generator);
        }
        return err;
    case OPTIONS_FILE:
        break;
    }
    return open_files(r, ret_stream);
}

static void
count_type(rt_map *types, rt_bytes body)
{
    rt_mp at = {0};
    rt_str type = {0};
    uint64_t count = 0;

    if (!rt_mp_find(body, RT_STR("type"), &at) || rt_mp_str(&at, &type) != RT_OK) {
        type = RT_STR("(no type)");
    }
    if (!rt_map_get(types, rt_bytes_of_str(type), &count)) {
        count = 0;
    }
    (void)rt_map_put(types, rt_bytes_of_str(type), count + 1); // new or not
}

static rt_err
next_metered(void *self, stream_event *ret_event)
{
    meter *m = self;
    run *r = m->owner;
    rt_err err = stream_next(&m->inner, ret_event);

    if (err != RT_OK) {
        return err;
    }
    if (r->sum.events++ == 0) {
        r->sum.first_ms = ret_event->time_ms;
    }
    r->sum.last_ms = ret_event->time_ms;
    if (r->types != NULL) {
        count_type(r->types, ret_event->body);
    }
    return RT_OK;
}

static rt_err
print_events(stream *events)
{
    stream_event event = {0};
    rt_text line = {0};
    rt_err err = RT_OK;

    rt_text_init(&line, LINE_BYTES_MAX);
    while ((err = stream_next(events, &event)) == RT_OK) {
        rt_text_clear(&line);
        err = rt_json_from_mp(event.body, &line);
        if (err != RT_OK) {
            break;
        }
        rt_text_cstr(&line, "\n");
        if (fwrite(line.ptr, 1, line.len, stdout) != line.len) {
            err = rt_fail(RT_EIO, "cannot write to standard output");
            break;
        }
    }
    if (err == RT_EEND && fflush(stdout) != 0) {
        err = rt_fail(RT_EIO, "cannot write to standard output");
    }
    rt_text_fini(&line);
    return err == RT_EEND ? RT_OK : err;
}

static rt_err
draw_events(run *r, stream *events)
{
    stream_event event = {0};
    rt_err err = RT_OK;

    while ((err = stream_next(events, &event)) == RT_OK) {
        if (r->sum.events % 4096 == 0) {
            progress_show(&r->progress, r->sum.events, event.time_ms);
        }
    }
    return err == RT_EEND ? RT_OK : err;
}

static rt_err
send_events(run *r, stream *events)
{
    send_door door = {0};
    send_config config = {.batch = r->opt.batch,
                          .window = r->opt.window,
                          .timeout_ms = r->opt.timeout_ms,
                          .speed = r->opt.speed,
                          .on_progress = progress_show,
                          .user = &r->progress};
    rt_err err = door_open(r->opt.url, r->opt.timeout_ms, &door);

    r->sum.sent = true;
    return err == RT_OK ? send_stream(events, &door, &config, &r->sum.totals) : err;
}

static rt_err
drive(run *r)
{
    meter m = {.inner = stream_window(r->events, r->opt.bounds), .owner = r};
    stream metered = {.self = &m, .next = next_metered};
    rt_err err = RT_OK;

    progress_start(&r->progress, &m.inner, !r->opt.quiet && !r->opt.jsonl);
    if (r->opt.jsonl) {
        err = print_events(&metered);
    } else if (r->opt.dry_run) {
        r->types = rt_map_new();
        err = draw_events(r, &metered);
    } else {
        err = send_events(r, &metered);
    }
    r->sum.seconds = progress_seconds(&r->progress);
    progress_end(&r->progress);
    stream_close(&m.inner);
    return err;
}

static int
exit_code(const run *r, rt_err err)
{
    if (err == RT_EUNREACH) {
        return EXIT_UNREACHABLE;
    }
    if (err != RT_OK) {
        return EXIT_FAILED;
    }
    return summary_rejected(&r->sum) > 0 ? EXIT_REJECTED : EXIT_OK;
}

// Says what came of it; with --jsonl standard output belongs to the events.
static void
report(run *r, rt_err err)
{
    FILE *to = r->opt.jsonl ? stderr : stdout;
    summary sum = r->sum;
    gen_stats stats = {0};
    char why[RT_ERR_DETAIL_MAX + 64];

    if (err != RT_OK) {
        (void)snprintf(why, sizeof(why), "%s", rt_err_detail());
        sum.error = why;
        (void)fprintf(stderr, "brain-replay: %s\n", why);
    }
    sum.types = r->types;
    sum.lines = r->opt.command == OPTIONS_FILE ? &r->lines : NULL;
    if (r->opt.stats && r->generator != NULL) {
        stats = gen_stats_of(r->generator);
        sum.stats = &stats;
    }
    if (r->opt.json_summary) {
        summary_print_json(to, &sum);
    } else {
        summary_print_text(to, &sum);
    }
}

int
main(int argc, char **argv)
{
    run r = {0};
    rt_err err = options_parse(argc, argv, &r.opt);
    int code = 0;

    if (err != RT_OK) {
        (void)fprintf(stderr, "brain-replay: %s\nTry brain-replay --help.\n", rt_err_detail());
        return EXIT_USAGE;
    }
    if (r.opt.help) {
        return fputs(options_help(), stdout) >= 0 ? EXIT_OK : EXIT_FAILED;
    }
    err = open_source(&r, &r.events);
    if (err != RT_OK) {
        (void)fprintf(stderr, "brain-replay: %s\n", rt_err_detail());
        return err == RT_ERANGE ? EXIT_USAGE : EXIT_FAILED;
    }
    err = drive(&r);
    report(&r, err);
    code = exit_code(&r, err);
    rt_map_free(r.types);
    gen_close(r.generator);
    return code;
}
