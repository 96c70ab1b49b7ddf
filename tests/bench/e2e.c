// bench-e2e: durable decided events a second and latencies of a whole braind. See README.md.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/text.h"
#include "tests/bench/case.h"
#include "tests/bench/process.h"
#include "tests/bench/report.h"

#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define RUNS_MAX 15

typedef struct options {
    daemon_config daemon;
    const char *only; // a case, or NULL
    bool json;
    int64_t seconds;
    int64_t runs;
} options;

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

static int
by_rate(const void *a, const void *b)
{
    const case_outcome *x = a;
    const case_outcome *y = b;
    return (x->per_s > y->per_s) - (x->per_s < y->per_s);
}

static report_quantiles
quantiles(const histogram *h)
{
    return (report_quantiles){histogram_quantile(h, .5), histogram_quantile(h, .9),
                              histogram_quantile(h, .99), histogram_quantile(h, .999)};
}

static report_row
row_of(const bench_case *c, const case_outcome *sorted, int64_t runs)
{
    const case_outcome *middle = &sorted[runs / 2];
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
    case_outcome outcomes[RUNS_MAX] = {0};
    rt_err err = RT_OK;
    for (int64_t i = 0; i < opt->runs && err == RT_OK; i++) {
        say_run(c, i + 1, opt->runs);
        outcomes[i].result = rt_new(run_result);
        err = case_run(c, &opt->daemon, opt->seconds, events, &outcomes[i]);
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
events_needed(const options *opt, const bench_case *cases, size_t count)
{
    uint64_t most = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t events = wanted(opt, &cases[i]) ? case_events(&cases[i], opt->seconds) : 0;
        most = RT_MAX(most, events);
    }
    return (uint32_t)most;
}

static int
run_all(const options *opt)
{
    load_events events;
    size_t case_count;
    const bench_case *cases = case_list(&case_count);
    report_row *rows = rt_new_array(report_row, case_count);
    size_t count = 0;
    say("making events");
    rt_err err = load_generate(events_needed(opt, cases, case_count), CASE_SEED, &events);
    for (size_t i = 0; i < case_count && err == RT_OK; i++) {
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
    rt_free(rows);
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
        if (value == NULL) {
            return false;
        }
        i++;
        if (strcmp(argv[i - 1], "--braind") == 0) {
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
    process_scratch scratch;
    rt_err err = process_scratch_open(opt.daemon.parent, opt.daemon.keep, &scratch);
    if (err != RT_OK) {
        fprintf(stderr, "bench-e2e: %s\n", rt_err_detail());
        return EXIT_FAILED;
    }
    opt.daemon.parent = scratch.dir;
    int code = run_all(&opt);
    fflush(NULL);
    process_scratch_close(&scratch);
    _exit(code); // no tear-down: nng 1.5.2 can hang when sockets close
}
