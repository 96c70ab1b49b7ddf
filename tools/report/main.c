// brain-report: what a run of a brain came to, read from its journal. See README.md and --help.

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/civil.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/file.h"
#include "tools/report/follow.h"
#include "tools/report/print.h"

// Design notes.
// The journal is read like any other reader reads it, so the brain may run or not, and nothing is
// ever written. --follow goes on until it is told to stop or has said enough.

#define EXIT_FINE 0
#define EXIT_FINDINGS 1 // something happened twice, or not at all
#define EXIT_USAGE 2
#define EXIT_FAILED 3
#define EXIT_NOT_FOUND 5
#define PATH_BYTES 1024
#define LINE_BYTES 600
#define FOLLOW_PAUSE_MS 50
#define ROWS_DEFAULT 12
#define IDS_BYTES_MAX ((size_t)512 * 1024 * 1024)

typedef struct options {
    const char *dir;
    const char *model;
    const char *ids_file;
    forecast_filter filter;
    size_t rows;
    uint64_t lines;
    bool json;
    bool follow;
    bool delivered_only;
} options;

static volatile sig_atomic_t stopped;

static const char usage[] =
    "brain-report: what a run came to, read from a brain's journal\n"
    "\n"
    "usage: brain-report [DIR] [options]\n"
    "\n"
    "  DIR                    data directory of a brain, running or not (cerebro-data)\n"
    "  -o, --output text|json (text)\n"
    "  --rows N               rows of each table, 0 for all (12); json is always whole\n"
    "  --purchased-from D     judge delay forecasts of orders placed from then on\n"
    "  --purchased-until D    and before; a date is midnight UTC\n"
    "  --delivered            leave out orders that are late and never came\n"
    "  --model NAME           whose forecasts at order.created (delay-risk)\n"
    "  --expect-ids FILE      ids of events, one a line, that must all be there\n"
    "  --follow               instead of a report: a sample of decisions as they are made\n"
    "  --lines N              stop following after so many lines (0: never)\n"
    "\n"
    "examples\n"
    "  brain-report /var/lib/cerebro\n"
    "  brain-report -o json | jq '.forecast.all.model'\n"
    "  brain-report --delivered --purchased-from 2018-01-01\n"
    "  brain-report --follow --lines 40\n"
    "\n"
    "exit codes: 0 fine, 1 an event or an action was counted twice or is missing,\n"
    "            2 usage, 3 failed, 5 no journal there\n";

static void
on_signal(int number)
{
    (void)number;
    stopped = 1;
}

// --- options ---

static bool
parse_date(const char *value, int64_t *ret_ms)
{
    char text[RT_RFC3339_CAP];

    (void)snprintf(text, sizeof(text), strlen(value) == 10 ? "%sT00:00:00Z" : "%s", value);
    return rt_parse_rfc3339(rt_str_of(text), ret_ms) == RT_OK;
}

static bool
parse_number(const char *value, uint64_t *ret_number)
{
    int64_t number = 0;

    if (rt_parse_i64(rt_str_of(value), &number) != RT_OK || number < 0) {
        return false;
    }
    *ret_number = (uint64_t)number;
    return true;
}

// Takes an option with a value; false when it is unknown or the value is wrong.
static bool
take_value(options *o, const char *name, const char *value)
{
    uint64_t number = 0;

    if (strcmp(name, "-o") == 0 || strcmp(name, "--output") == 0) {
        o->json = strcmp(value, "json") == 0;
        return o->json || strcmp(value, "text") == 0;
    }
    if (strcmp(name, "--rows") == 0 && parse_number(value, &number)) {
        o->rows = number == 0 ? PRINT_ALL : (size_t)number;
        return true;
    }
    if (strcmp(name, "--lines") == 0) {
        return parse_number(value, &o->lines);
    }
    if (strcmp(name, "--purchased-from") == 0) {
        return parse_date(value, &o->filter.from_ms);
    }
    if (strcmp(name, "--purchased-until") == 0) {
        return parse_date(value, &o->filter.until_ms);
    }
    if (strcmp(name, "--model") == 0) {
        o->model = value;
        return true;
    }
    if (strcmp(name, "--expect-ids") == 0) {
        o->ids_file = value;
        return true;
    }
    return false;
}

// Returns an exit code, or -1 to go on.
static int
parse(int argc, char **argv, options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];

        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            (void)fputs(usage, stdout);
            return EXIT_FINE;
        }
        if (strcmp(arg, "--version") == 0) {
            (void)puts("brain-report " CEREBRO_VERSION);
            return EXIT_FINE;
        }
        if (strcmp(arg, "--follow") == 0) {
            o->follow = true;
        } else if (strcmp(arg, "--delivered") == 0) {
            o->delivered_only = true;
        } else if (arg[0] != '-' && o->dir == NULL) {
            o->dir = arg;
        } else if (arg[0] == '-' && i + 1 < argc && take_value(o, arg, argv[i + 1])) {
            i++;
        } else {
            (void)fprintf(stderr, "brain-report: what is '%s%s%s'?\nsee brain-report --help\n", arg,
                          arg[0] == '-' && i + 1 < argc ? " " : "",
                          arg[0] == '-' && i + 1 < argc ? argv[i + 1] : "");
            return EXIT_USAGE;
        }
    }
    o->dir = o->dir != NULL ? o->dir : "cerebro-data";
    return -1;
}

// --- expected ids ---

// Keeps the ids of a file, one a line; the map's keys view nothing of the text.
static rt_err
read_ids(const char *path, rt_map *ids)
{
    rt_arena *arena = rt_arena_new(IDS_BYTES_MAX);
    rt_str text = {NULL, 0};
    rt_err err = rt_file_read_all(path, IDS_BYTES_MAX, arena, &text);

    while (err == RT_OK && text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;

        if (len > 0) {
            (void)rt_map_put(ids, rt_bytes_of_str((rt_str){text.ptr, len}), 0); // may be new or not
        }
        len += end != NULL ? 1 : 0;
        text = (rt_str){text.ptr + len, text.len - len};
    }
    rt_arena_free(arena);
    return err;
}

static void
tick_off(rt_map *ids, const rt_record *record)
{
    report_entry entry;
    uint64_t seen = 0;

    if (record->kind == RT_RECORD_EVENT && report_entry_read(record, &entry) == RT_OK &&
        !entry.internal && rt_map_get(ids, rt_bytes_of_str(entry.id), &seen) && seen == 0) {
        (void)rt_map_put(ids, rt_bytes_of_str(entry.id), 1); // it was there
    }
}

static uint64_t
count_absent(const rt_map *ids)
{
    size_t cursor = 0;
    rt_bytes key;
    uint64_t seen = 0;
    uint64_t absent = 0;

    while (rt_map_next(ids, &cursor, &key, &seen)) {
        absent += seen == 0;
    }
    return absent;
}

// --- journal ---

// A data directory holds the journal in a directory of that name.
static rt_err
open_journal(const char *dir, rt_journal_reader **ret_reader)
{
    char path[PATH_BYTES];
    int len = snprintf(path, sizeof(path), "%s/journal", dir);

    if (len >= PATH_BYTES) {
        return rt_fail(RT_EINVAL, "the directory's name is too long");
    }
    return rt_journal_reader_open(rt_file_exists(path) ? path : dir, 0, ret_reader);
}

static void
pause_ms(long ms)
{
    struct timespec rest = {ms / 1000, ms % 1000 * 1000000};

    (void)nanosleep(&rest, NULL); // a signal ends it early, which is wanted
}

static int
complain(rt_err err)
{
    (void)fprintf(stderr, "brain-report: %s: %s\n", rt_err_text(err), rt_err_detail());
    return err == RT_ENOTFOUND ? EXIT_NOT_FOUND : EXIT_FAILED;
}

// --- follow ---

static int
follow(const options *o)
{
    rt_journal_reader *reader = NULL;
    rt_record record;
    follower f;
    rt_text line;
    uint64_t told = 0;
    rt_err err = open_journal(o->dir, &reader);

    if (err != RT_OK) {
        return complain(err);
    }
    follower_init(&f);
    rt_text_init(&line, LINE_BYTES);
    while (!stopped && (o->lines == 0 || told < o->lines)) {
        err = rt_journal_reader_next(reader, &record);
        if (err == RT_EEND) {
            pause_ms(FOLLOW_PAUSE_MS);
            continue;
        }
        if (err != RT_OK) {
            break;
        }
        rt_text_clear(&line);
        if (follower_tell(&f, &record, &line)) {
            told++;
            if (printf("%.*s\n", (int)line.len, line.ptr) < 0 || fflush(stdout) != 0) {
                stopped = 1; // nobody listens any more
            }
        }
    }
    rt_text_fini(&line);
    follower_fini(&f);
    rt_journal_reader_close(reader);
    return err == RT_OK || err == RT_EEND ? EXIT_FINE : complain(err);
}

// --- report ---

static rt_err
read_journal(const options *o, ledger *l, rt_map *ids)
{
    rt_journal_reader *reader = NULL;
    rt_record record;
    rt_err err = open_journal(o->dir, &reader);

    while (err == RT_OK && (err = rt_journal_reader_next(reader, &record)) == RT_OK) {
        ledger_take(l, &record);
        if (ids != NULL) {
            tick_off(ids, &record);
        }
    }
    rt_journal_reader_close(reader);
    return err == RT_EEND ? RT_OK : err;
}

static int
print_report(const options *o, report *r)
{
    bool doubled = r->ledger->repeated > 0 || r->ledger->repeated_actions > 0;

    if (!o->json) {
        print_text(stdout, r, o->rows);
    } else if (print_json(stdout, r) != RT_OK) {
        (void)fprintf(stderr, "brain-report: %s\n", rt_err_detail());
        return EXIT_FAILED;
    }
    if (fflush(stdout) != 0) {
        return EXIT_FAILED;
    }
    return doubled || r->absent_ids > 0 ? EXIT_FINDINGS : EXIT_FINE;
}

static int
make_report(const options *o)
{
    int64_t begin_us = rt_clock_mono_us();
    rt_map *ids = o->ids_file != NULL ? rt_map_new() : NULL;
    ledger *l = rt_new(ledger);
    forecast_report judged;
    int code = EXIT_FAILED;
    rt_err err = ids != NULL ? read_ids(o->ids_file, ids) : RT_OK;

    ledger_init(l, o->model, o->delivered_only);
    if (err == RT_OK) {
        err = read_journal(o, l, ids);
    }
    if (err == RT_OK) {
        report r = {.ledger = l, .forecast = &judged};

        r.forecast_known = forecast_report_make(l->forecast, &o->filter, &judged);
        r.wanted_ids = ids != NULL ? rt_map_count(ids) : 0;
        r.absent_ids = ids != NULL ? count_absent(ids) : 0;
        ledger_sort(l);
        r.seconds = (double)(rt_clock_mono_us() - begin_us) / 1e6;
        code = print_report(o, &r);
    } else {
        code = complain(err);
    }
    ledger_fini(l);
    rt_free(l);
    rt_map_free(ids);
    return code;
}

int
main(int argc, char **argv)
{
    options o = {.model = "delay-risk",
                 .rows = ROWS_DEFAULT,
                 .filter = {.from_ms = INT64_MIN, .until_ms = INT64_MAX}};
    int code = parse(argc, argv, &o);

    if (code >= 0) {
        return code;
    }
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGINT, on_signal);
    (void)signal(SIGPIPE, SIG_IGN);
    return o.follow ? follow(&o) : make_report(&o);
}
