// bench-e2e: durable decided events a second and latencies of a whole braind. See README.md.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/text.h"
#include "runtime/journal/journal.h"
#include "runtime/seam/clock.h"
#include "tests/bench/report.h"
#include "tests/bench/run.h"

// Design notes.
// Every run has a braind of its own with an empty data directory, so that runs do not depend on
// their order. A warm-up load comes first and is not counted: it sizes arenas, tables and the
// journal's first segments, and it trains what learns.

#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define RUNS_MAX 15
#define SEED 20261120
#define WARM_UP_US 700000
#define PATIENCE_US (30 * 1000000LL)
#define RECORD_HEADER_BYTES 28 // journal.h: before the payload
#define RECORD_ALIGN 8

typedef struct bench_case {
    const char *name;
    uint32_t batch;
    uint32_t producers;
    uint32_t slots;
    uint64_t rate;     // events a second; 0 = flood
    uint64_t at_most;  // events a second that a flood is prepared for
} bench_case;

// Outstanding requests stay within limits.inflight of a door (256).
static const bench_case cases[] = {
    {"flood-64", 64, 4, 256, 0, 800000},
    {"flood-1", 1, 4, 256, 0, 200000},
    {"paced-5k-1", 1, 2, 64, 5000, 0},
    {"paced-50k-64", 64, 2, 64, 50000, 0},
    {"paced-100k-64", 64, 2, 64, 100000, 0},
};

typedef struct options {
    daemon_config daemon;
    const char *only; // a case, or NULL
    bool json;
    int64_t seconds;
    int64_t runs;
} options;

typedef struct outcome {
    run_result *result;
    double per_s;
    double rss_mib;
    double bytes_per_event;
} outcome;

static const char usage[] =
    "bench-e2e - events through a whole braind: how many, how fast, at what cost\n"
    "\n"
    "usage: bench-e2e --braind PROGRAM --config FILE [OPTION]...\n"
    "\n"
    "  --seconds N   length of one run (default 5)\n"
    "  --runs N      runs of each case; the middle one is shown (default 3)\n"
    "  --case NAME   only this one: flood-64 flood-1 paced-5k-1 paced-50k-64 paced-100k-64\n"
    "  --dir PATH    where data directories are made (default /tmp; a tmpfs measures no disk)\n"
    "  --keep        leave the data directories\n"
    "  -o json       an array of objects instead of text\n";

static void
say(const char *text)
{
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K%s", text);
    }
}

static void
say_run(const bench_case *c, int64_t number, int64_t runs)
{
    char text[128];
    snprintf(text, sizeof(text), "%s: run %d of %d", c->name, (int)number, (int)runs);
    say(text);
}

// Bytes of the journal's records first < seq <= last.
static uint64_t
journal_bytes(const daemon_state *daemon, uint64_t first_seq, uint64_t last_seq)
{
    char dir[600];
    rt_journal_reader *reader = NULL;
    rt_record record = {0};
    uint64_t bytes = 0;
    snprintf(dir, sizeof(dir), "%s/data/journal", daemon->dir);
    rt_err err = rt_journal_reader_open(dir, first_seq + 1, &reader);
    while (err == RT_OK && record.seq < last_seq) {
        err = rt_journal_reader_next(reader, &record);
        if (err == RT_OK) {
            size_t len = RECORD_HEADER_BYTES + record.payload.len;
            bytes += (len + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
        }
    }
    rt_journal_reader_close(reader);
    return bytes;
}

static rt_err
run_one(const options *opt, const bench_case *c, const load_events *events, outcome *ret)
{
    daemon_state daemon;
    run *r = NULL;
    uint64_t rate = c->rate > 0 ? c->rate : c->at_most;
    uint32_t warm = (uint32_t)(rate * WARM_UP_US / 1000000);
    uint32_t count = (uint32_t)RT_MIN(rate * (uint64_t)opt->seconds, events->count - warm);
    load_messages first;
    load_messages second;
    run_config config = {.producers = c->producers,
                         .slots = c->slots,
                         .rate = c->rate,
                         .limit_us = WARM_UP_US,
                         .patience_us = PATIENCE_US};
    rt_err err = daemon_start(&opt->daemon, &daemon);
    if (err != RT_OK) {
        return err;
    }
    load_pack(events, 0, warm, c->batch, rt_clock_wall_ms(), &first);
    load_pack(events, warm, count, c->batch, rt_clock_wall_ms(), &second);
    err = run_open(&daemon, c->producers, c->slots, events->count, &r);
    if (err == RT_OK) {
        err = run_load(r, &first, &config, ret->result);
    }
    if (err == RT_OK) {
        config.limit_us = opt->seconds * 1000000;
        err = run_load(r, &second, &config, ret->result);
        daemon_usage used = daemon_usage_of(&daemon);
        const run_result *result = ret->result;
        double n = (double)RT_MAX(result->events, 1);
        ret->per_s = n * 1e6 / (double)result->elapsed_us;
        ret->rss_mib = (double)used.rss_kib / 1024;
        ret->bytes_per_event =
            (double)journal_bytes(&daemon, result->first_seq, result->last_seq) / n;
    }
    if (r != NULL) {
        run_close(r);
    }
    daemon_stop(&daemon);
    if (err == RT_OK) {
        load_messages_free(&first);
        load_messages_free(&second);
    }
    return err;
}

static int
by_rate(const void *a, const void *b)
{
    const outcome *x = a;
    const outcome *y = b;
    return (x->per_s > y->per_s) - (x->per_s < y->per_s);
}

static report_quantiles
quantiles(const histogram *h)
{
    return (report_quantiles){histogram_quantile(h, .5), histogram_quantile(h, .9),
                              histogram_quantile(h, .99), histogram_quantile(h, .999)};
}

static report_row
row_of(const bench_case *c, const outcome *sorted, int64_t runs)
{
    const outcome *middle = &sorted[runs / 2];
    const run_result *result = middle->result;
    double n = (double)RT_MAX(result->events, 1);
    return (report_row){.suite = "e2e",
                        .name = c->name,
                        .batch = c->batch,
                        .producers = c->producers,
                        .outstanding = c->slots,
                        .rate = c->rate,
                        .events = result->events,
                        .events_per_s = middle->per_s,
                        .low_per_s = sorted[0].per_s,
                        .high_per_s = sorted[runs - 1].per_s,
                        .ack = quantiles(&result->ack_us),
                        .decision = quantiles(&result->decision_us),
                        .cpu_us_per_event = (double)result->cpu_us / n,
                        .brain_us_per_event = (double)result->brain_cpu_us / n,
                        .agents_us_per_event = (double)result->agents_cpu_us / n,
                        .rss_mib = middle->rss_mib,
                        .bytes_per_event = middle->bytes_per_event,
                        .refused = result->refused,
                        .decided = result->decided,
                        .published = result->published,
                        .gaps = result->gaps,
                        .missing = result->missing};
}

static rt_err
run_case(const options *opt, const bench_case *c, const load_events *events, report_row *ret_row)
{
    outcome outcomes[RUNS_MAX] = {0};
    rt_err err = RT_OK;
    for (int64_t i = 0; i < opt->runs && err == RT_OK; i++) {
        say_run(c, i + 1, opt->runs);
        outcomes[i].result = rt_new(run_result);
        err = run_one(opt, c, events, &outcomes[i]);
    }
    say("");
    if (err == RT_OK) {
        qsort(outcomes, (size_t)opt->runs, sizeof(outcomes[0]), by_rate);
        *ret_row = row_of(c, outcomes, opt->runs);
    }
    for (int64_t i = 0; i < opt->runs; i++) {
        rt_free(outcomes[i].result);
    }
    return err;
}

static bool
wanted(const options *opt, const bench_case *c)
{
    return opt->only == NULL || strcmp(opt->only, c->name) == 0;
}

// Enough events for the largest case.
static uint32_t
events_needed(const options *opt)
{
    uint64_t most = 0;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        uint64_t rate = cases[i].rate > 0 ? cases[i].rate : cases[i].at_most;
        most = wanted(opt, &cases[i]) ? RT_MAX(most, rate) : most;
    }
    return (uint32_t)(most * (uint64_t)opt->seconds + most * WARM_UP_US / 1000000);
}

static int
run_all(const options *opt)
{
    load_events events;
    report_row rows[RT_COUNT(cases)];
    size_t count = 0;
    say("making events");
    rt_err err = load_generate(events_needed(opt), SEED, &events);
    for (size_t i = 0; i < RT_COUNT(cases) && err == RT_OK; i++) {
        if (wanted(opt, &cases[i])) {
            err = run_case(opt, &cases[i], &events, &rows[count]);
            if (err != RT_OK) {
                fprintf(stderr, "bench-e2e: %s: ", cases[i].name);
            }
            count += err == RT_OK;
        }
    }
    if (opt->json) {
        report_json(rows, count);
    } else {
        report_table(rows, count);
    }
    if (err != RT_OK) {
        fprintf(stderr, "%s: %s\n", rt_err_text(err), rt_err_detail());
    }
    return err == RT_OK ? 0 : EXIT_FAILED;
}

static bool
number(const char *text, int64_t most, int64_t *ret)
{
    return rt_parse_i64(rt_str_of(text), ret) == RT_OK && *ret >= 1 && *ret <= most;
}

static bool
parse(int argc, char **argv, options *opt)
{
    bool ok = true;
    for (int i = 1; i < argc && ok; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--keep") == 0) {
            opt->daemon.keep = true;
            continue;
        }
        i++;
        if (value == NULL) {
            ok = false;
        } else if (strcmp(argv[i - 1], "--braind") == 0) {
            opt->daemon.braind = value;
        } else if (strcmp(argv[i - 1], "--config") == 0) {
            opt->daemon.config = value;
        } else if (strcmp(argv[i - 1], "--dir") == 0) {
            opt->daemon.parent = value;
        } else if (strcmp(argv[i - 1], "--case") == 0) {
            opt->only = value;
        } else if (strcmp(argv[i - 1], "--seconds") == 0) {
            ok = number(value, 600, &opt->seconds);
        } else if (strcmp(argv[i - 1], "--runs") == 0) {
            ok = number(value, RUNS_MAX, &opt->runs);
        } else if (strcmp(argv[i - 1], "-o") == 0) {
            opt->json = strcmp(value, "json") == 0;
            ok = opt->json || strcmp(value, "text") == 0;
        } else {
            ok = false;
        }
    }
    return ok && opt->daemon.braind != NULL && opt->daemon.config != NULL;
}

int
main(int argc, char **argv)
{
    options opt = {.daemon = {.parent = "/tmp"}, .seconds = 5, .runs = 3};
    if (!parse(argc, argv, &opt)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1UL); // paced sends leave on time, not up to 50 us late
    int code = run_all(&opt);
    fflush(NULL);
    _exit(code); // no tear-down: nng 1.5.2 can hang when sockets close
}
