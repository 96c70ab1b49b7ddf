// bench-micro-commit: what a group of records on its way to disk costs. See README.md.
//
// usage: bench-micro-commit [-o json] [--runs N] [--ms N] DIR [DIR...]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "runtime/journal/journal.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/file.h"
#include "tests/bench/micro_report.h"

#define RECORD_BYTES 1024 // an event with its context, about
#define SEGMENT_BYTES (64ull * 1024 * 1024)
#define KEPT_BYTES (256ull * 1024 * 1024)
#define ROWS_MAX 32

static const uint32_t groups[] = {1, 64, 1024};

typedef struct place {
    char dir[512];
    rt_journal *journal;
} place;

static micro_row rows[ROWS_MAX];
static place places[ROWS_MAX / 3];

static void
on_name(void *user, const char *name)
{
    char path[1024];

    (void)snprintf(path, sizeof(path), "%s/%s", (const char *)user, name);
    RT_IGNORE(rt_file_remove(path)); // what is left is seen by who looks into the directory
}

static bool
open_place(place *p, const char *parent)
{
    rt_journal_config config = {
        .dir = p->dir, .segment_bytes = SEGMENT_BYTES, .max_bytes = KEPT_BYTES, .sync = true};

    (void)snprintf(p->dir, sizeof(p->dir), "%s/cerebro-bench-XXXXXX", parent);
    return mkdtemp(p->dir) != NULL && rt_journal_open(&config, &p->journal) == RT_OK;
}

static void
close_place(place *p)
{
    rt_journal_close(p->journal);
    RT_IGNORE(rt_dir_list(p->dir, on_name, p->dir)); // removes what is in it
    (void)rmdir(p->dir);
}

// One group: records, one write, one sync.
static void
commit_group(rt_journal *journal, uint32_t count)
{
    static const uint8_t body[RECORD_BYTES];
    rt_record record;

    for (uint32_t i = 0; i < count; i++) {
        rt_mpw *w = rt_journal_begin(journal, RT_RECORD_EVENT, 0, 1);

        rt_mpw_raw(w, (rt_bytes){body, sizeof(body)});
        RT_ASSERT(rt_journal_end(journal, &record) == RT_OK);
    }
    RT_ASSERT(rt_journal_commit(journal) == RT_OK);
    rt_journal_release(journal, record.seq);
}

static void
run(micro_row *row, rt_journal *journal, uint32_t count, int64_t ms)
{
    int64_t begin_us = rt_clock_mono_us();
    int64_t now_us = begin_us;
    uint64_t done = 0;

    while (now_us - begin_us < ms * 1000) {
        commit_group(journal, count);
        done += count;
        now_us = rt_clock_mono_us();
    }
    row->ops = done;
    row->ns[row->runs++] = (double)(now_us - begin_us) * 1e3 / (double)done;
}

static size_t
measure(char **dirs, size_t dir_count, uint32_t runs, int64_t ms)
{
    size_t count = 0;

    for (size_t d = 0; d < dir_count; d++) {
        if (!open_place(&places[d], dirs[d])) {
            (void)fprintf(stderr, "bench: no journal below %s\n", dirs[d]);
            return 0;
        }
        for (size_t g = 0; g < RT_COUNT(groups); g++) {
            micro_row *row = &rows[d * RT_COUNT(groups) + g];

            (void)snprintf(row->name, sizeof(row->name),
                           "commit of %u x 1 KiB, each record, below %s", groups[g], dirs[d]);
            row->is_events = true;
            count++;
        }
    }
    for (uint32_t round = 0; round < runs; round++) {
        for (size_t i = 0; i < count; i++) {
            run(&rows[i], places[i / RT_COUNT(groups)].journal, groups[i % RT_COUNT(groups)], ms);
        }
    }
    for (size_t d = 0; d < dir_count; d++) {
        close_place(&places[d]);
    }
    return count;
}

int
main(int argc, char **argv)
{
    int64_t runs = 9;
    int64_t ms = 100;
    bool json = false;
    bool ok = true;
    int at = 1;

    for (; at + 1 < argc && argv[at][0] == '-' && ok; at += 2) {
        if (strcmp(argv[at], "-o") == 0) {
            json = strcmp(argv[at + 1], "json") == 0;
        } else {
            int64_t *to = strcmp(argv[at], "--runs") == 0 ? &runs
                          : strcmp(argv[at], "--ms") == 0 ? &ms
                                                          : NULL;

            ok = to != NULL && rt_parse_i64(rt_str_of(argv[at + 1]), to) == RT_OK && *to > 0;
        }
    }
    if (!ok || at >= argc || runs > MICRO_RUNS_MAX || argc - at > (int)RT_COUNT(places)) {
        (void)fprintf(stderr, "usage: bench-micro-commit [-o json] [--runs N] [--ms N] DIR...\n");
        return 2;
    }
    size_t count = measure(argv + at, (size_t)(argc - at), (uint32_t)runs, ms);
    micro_print(rows, count, "a record's share of one write and one sync", json);
    return count > 0 ? 0 : 1;
}
