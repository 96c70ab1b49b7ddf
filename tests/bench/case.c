#include "tests/bench/case.h"

#include <stdio.h>

#include "runtime/base/attr.h"
#include "runtime/journal/journal.h"
#include "runtime/seam/clock.h"

// Design notes.
// Every run has a braind of its own with an empty data directory, so that runs do not depend on
// their order. A warm-up load comes first and is not counted: it sizes arenas, tables and the
// journal's first segments, and it trains what learns.

#define PATIENCE_US (30 * 1000000LL)
#define RECORD_HEADER_BYTES 28 // journal.h: before the payload
#define RECORD_ALIGN 8

// Outstanding requests stay within limits.inflight of a door (256).
static const bench_case cases[] = {
    {"flood-64", 64, 4, 256, 0, 800000},
    {"flood-1", 1, 4, 256, 0, 200000},
    {"paced-5k-1", 1, 2, 64, 5000, 0},
    {"paced-50k-64", 64, 2, 64, 50000, 0},
    {"paced-100k-64", 64, 2, 64, 100000, 0},
};

const bench_case *
case_list(size_t *ret_count)
{
    *ret_count = RT_COUNT(cases);
    return cases;
}

uint64_t
case_events(const bench_case *c, int64_t seconds)
{
    uint64_t rate = c->rate > 0 ? c->rate : c->at_most;
    return rate * (uint64_t)seconds + rate * CASE_WARM_UP_US / 1000000;
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

rt_err
case_run(const bench_case *c, const daemon_config *braind, int64_t seconds,
         const load_events *events, case_outcome *ret_outcome)
{
    daemon_state daemon;
    run *r = NULL;
    uint64_t rate = c->rate > 0 ? c->rate : c->at_most;
    uint32_t warm = (uint32_t)(rate * CASE_WARM_UP_US / 1000000);
    uint32_t count = (uint32_t)RT_MIN(rate * (uint64_t)seconds, events->count - warm);
    load_messages first;
    load_messages second;
    run_config config = {.producers = c->producers,
                         .slots = c->slots,
                         .rate = c->rate,
                         .limit_us = CASE_WARM_UP_US,
                         .patience_us = PATIENCE_US};
    rt_err err = daemon_start(braind, &daemon);
    if (err != RT_OK) {
        return err;
    }
    load_pack(events, 0, warm, c->batch, rt_clock_wall_ms(), &first);
    load_pack(events, warm, count, c->batch, rt_clock_wall_ms(), &second);
    err = run_open(&daemon, c->producers, c->slots, events->count, &r);
    if (err == RT_OK) {
        err = run_load(r, &first, &config, ret_outcome->result);
    }
    if (err == RT_OK) {
        config.limit_us = seconds * 1000000;
        err = run_load(r, &second, &config, ret_outcome->result);
        daemon_usage used = daemon_usage_of(&daemon);
        const run_result *result = ret_outcome->result;
        double n = (double)RT_MAX(result->events, 1);
        ret_outcome->per_s = n * 1e6 / (double)result->elapsed_us;
        ret_outcome->rss_mib = (double)used.rss_kib / 1024;
        ret_outcome->bytes_per_event =
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

