// harness/backtest_kit.h: really runs a brain over a stream of events, and keeps what it decided.
//
// Layer: tests (links brain and the simulated seams).   Threads: one.
// The brain runs on the simulated disk and the events' own clock. Every event is decided, and its
// actions are done, before the next one of a later millisecond is taken.
#ifndef CEREBRO_TESTS_HARNESS_BACKTEST_KIT_H
#define CEREBRO_TESTS_HARNESS_BACKTEST_KIT_H

#include "brain/core/backtest.h"
#include "brain/core/internal.h"
#include "runtime/base/hash.h"
#include "runtime/seam/file.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"
#include "tests/harness/pack_kit.h"
#include "tools/replay/generator.h"

#define BACKTEST_KIT_FILES_MAX 64
#define BACKTEST_KIT_BATCH 64
#define BACKTEST_KIT_URL "tcp://127.0.0.1:7701"
#define BACKTEST_KIT_PATIENCE_MS ((int64_t)3600 * 1000)
#define BACKTEST_KIT_BYTES_MAX ((size_t)1 << 30)

typedef struct backtest_kit_set {
    rt_arena *arena; // of names and texts; copies of a set share it
    br_playbook_file files[BACKTEST_KIT_FILES_MAX];
    size_t count;
} backtest_kit_set;

typedef struct backtest_kit {
    br_pack *pack;
    int64_t zones[2];
    br_tenant_config tenant;
    int64_t lag_ms;   // clock.lag_max
    uint32_t batch;   // events a request
    const br_host_entry *hosts; // agents, started by the caller; NULL without
    size_t host_count;
} backtest_kit;

// backtest_kit_state is the state's configuration of every run.
static inline br_state_config
backtest_kit_state(const backtest_kit *kit)
{
    return (br_state_config){.pack = kit->pack,
                             .gate = {.actions_per_minute = 100,
                                      .quiet_from_min = 21 * 60,
                                      .quiet_until_min = 8 * 60,
                                      .utc_offset_ms = kit->zones,
                                      .tenant_count = 2},
                             .subjects_max = 100000,
                             .memories_max = 100000,
                             .dedup_events = 65536,
                             .dedup_window_ms = (int64_t)90 * 86400 * 1000};
}

static inline void
backtest_kit_init(backtest_kit *kit)
{
    memset(kit, 0, sizeof(*kit));
    kit->pack = pack_kit_real();
    kit->zones[1] = (int64_t)-5 * 3600 * 1000;
    kit->tenant = (br_tenant_config){.number = 1, .name = "demo", .utc_offset_ms = kit->zones[1]};
    kit->batch = BACKTEST_KIT_BATCH;
}

// backtest_kit_add puts a file of the source tree, or a text, into a set.
static inline void
backtest_kit_add(backtest_kit_set *set, const char *name, const char *text)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "/playbooks/%s.yaml", name);
    set->files[set->count++] =
        (br_playbook_file){rt_arena_str(set->arena, rt_str_of(path)),
                           rt_arena_str(set->arena, rt_str_of(text))};
}

static inline void
backtest_kit_ship(backtest_kit_set *set, const char *name)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "playbooks/logistics/%s.yaml", name);
    char *text = drive_read(path);
    char *tests = strstr(text, "\ntests:"); // they hold for the file as it is shipped only

    if (tests != NULL) {
        tests[1] = '\0';
    }
    backtest_kit_add(set, name, text);
    rt_free(text);
}

// backtest_kit_edit replaces a text of a file, which must hold it.
static inline void
backtest_kit_edit(backtest_kit_set *set, const char *name, const char *was, const char *becomes)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "/playbooks/%s.yaml", name);
    for (size_t i = 0; i < set->count; i++) {
        const char *text = set->files[i].text.ptr;
        const char *place = rt_str_is(set->files[i].name, path) ? strstr(text, was) : NULL;

        if (place != NULL) {
            set->files[i].text = rt_arena_printf(set->arena, "%.*s%s%s", (int)(place - text), text,
                                                 becomes, place + strlen(was));
            return;
        }
    }
    fail_msg("%s does not hold \"%s\"", name, was);
}

static inline void
backtest_kit_write(const backtest_kit_set *set)
{
    CHECK_OK(rt_dir_make("/playbooks"));
    for (size_t i = 0; i < set->count; i++) {
        CHECK_OK(rt_file_replace(set->files[i].name.ptr, rt_bytes_of_str(set->files[i].text)));
    }
}

static inline void
backtest_kit_unwrite(const backtest_kit_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        CHECK_OK(rt_file_remove(set->files[i].name.ptr));
    }
}

static inline bool
backtest_kit_at_rest(const br_brain *brain)
{
    return br_brain_ready(brain) && br_pending_count(brain->pending) == 0 &&
           br_outbox_count(brain->state->outbox) == 0 && br__execute_waiting(brain) == 0 &&
           rt_journal_pending(brain->journal) == 0 && !br__intake_waiting(brain) &&
           brain->next_playbooks == NULL && br__hosts_caught_up(brain);
}

static inline void
backtest_kit_rest(const br_brain *brain)
{
    int64_t until_ms = sim_now_ms() + BACKTEST_KIT_PATIENCE_MS;

    while (!backtest_kit_at_rest(brain)) {
        CHECK_TRUE(sim_now_ms() < until_ms);
        sim_advance_ms(1);
    }
}

typedef struct backtest_kit_sent {
    bool answered;
    uint64_t errors;
} backtest_kit_sent;

static inline void
backtest_kit_on_reply(void *user, rt_err err, rt_bytes reply)
{
    backtest_kit_sent *sent = user;
    rt_mp at;

    CHECK_OK(err);
    CHECK_TRUE(rt_mp_find(reply, RT_STR("errors"), &at));
    CHECK_OK(rt_mp_u64(&at, &sent->errors));
    sent->answered = true;
}

static inline void
backtest_kit_send(const br_brain *brain, rt_mpw *batch, uint32_t count)
{
    backtest_kit_sent sent = {.answered = false};
    rt_mpw w;

    if (count == 0) {
        return;
    }
    rt_mpw_init(&w, BACKTEST_KIT_BYTES_MAX);
    rt_mpw_array(&w, count);
    rt_mpw_raw(&w, rt_mpw_view(batch));
    sim_request(BACKTEST_KIT_URL, rt_mpw_view(&w), backtest_kit_on_reply, &sent);
    backtest_kit_rest(brain);
    while (!sent.answered) {
        sim_advance_ms(1);
    }
    CHECK_U64(sent.errors, 0);
    rt_mpw_fini(&w);
    rt_mpw_clear(batch);
}

// backtest_kit_run lets a brain with this set take the whole stream; its journal is in
// DIR/journal.   returns the number of events sent
static inline uint64_t
backtest_kit_run(const backtest_kit *kit, const char *dir, const backtest_kit_set *set, stream *s)
{
    br_brain_config config = {.pack = kit->pack,
                              .data_dir = dir,
                              .segment_bytes = 8 << 20,
                              .journal_max_bytes = (uint64_t)1 << 40,
                              .sync = true,
                              .store_map_bytes = 256 << 20,
                              .cut_every_ms = 3600 * 1000,
                              .state = backtest_kit_state(kit),
                              .tenants = &kit->tenant,
                              .tenant_count = 1,
                              .clock_from_events = true,
                              .future_max_ms = (int64_t)400 * 86400 * 1000,
                              .age_max_ms = (int64_t)400 * 86400 * 1000,
                              .clock_lag_max_ms = kit->lag_ms,
                              .deadline_ms = 60000,
                              .ingest_url = BACKTEST_KIT_URL,
                              .limits = {.message_bytes_max = 4 << 20,
                                         .connections_max = 4,
                                         .inflight_max = 4},
                              .hosts = kit->hosts,
                              .host_count = kit->host_count,
                              .playbook_dir = "/playbooks",
                              .build = "test",
                              .idle_tick_ms = 1000,
                              .sample_every_ms = (int64_t)1000 * 86400 * 1000};
    rt_diag *diag = rt_diag_new();
    rt_loop *loop = rt_loop_new();
    br_brain *brain = NULL;
    stream_event event;
    rt_mpw batch;
    uint32_t count = 0;
    uint64_t sent = 0;

    backtest_kit_write(set);
    if (br_brain_new(loop, &config, diag, &brain) != RT_OK) {
        drive_report(diag);
    }
    backtest_kit_unwrite(set);
    backtest_kit_rest(brain);
    rt_mpw_init(&batch, BACKTEST_KIT_BYTES_MAX);
    while (stream_next(s, &event) == RT_OK) {
        rt_mpw_raw(&batch, event.body);
        sent++;
        if (++count == kit->batch) {
            backtest_kit_send(brain, &batch, count);
            count = 0;
        }
    }
    backtest_kit_send(brain, &batch, count);
    rt_mpw_fini(&batch);
    br_brain_free(brain);
    rt_loop_free(loop);
    rt_diag_free(diag);
    return sent;
}

// --- what was decided, as text -------------------------------------------------------------------

typedef struct backtest_kit_log {
    rt_text text; // a paragraph a decision on which somebody said something
    uint64_t decisions;
    uint64_t actions;
} backtest_kit_log;

static inline void
backtest_kit_note(backtest_kit_log *log, int64_t at_ms, const msg_decision *decision)
{
    const msg_consulted *consulted = decision->consulted.items;
    const msg_candidate *candidates = decision->candidates.items;

    if (decision->consulted.count == 0 && decision->candidates.count == 0) {
        return;
    }
    log->decisions++;
    rt_text_printf(&log->text, "%lld %.*s %.*s depth=%llu\n", (long long)at_ms,
                   RT_STR_ARG(decision->event_type), RT_STR_ARG(decision->subject),
                   (unsigned long long)decision->depth);
    for (uint32_t i = 0; i < decision->consulted.count; i++) {
        rt_text_printf(&log->text, "  %.*s %.*s %.*s [%.*s]\n", RT_STR_ARG(consulted[i].playbook),
                       RT_STR_ARG(consulted[i].verdict), RT_STR_ARG(consulted[i].detail),
                       RT_STR_ARG(consulted[i].throttle_key));
    }
    for (uint32_t i = 0; i < decision->candidates.count; i++) {
        const msg_proposal *p = &candidates[i].proposal;
        rt_str why = candidates[i].why;
        const char *flies = why.len > 0 ? memmem(why.ptr, why.len, " is in flight on ", 17) : NULL;

        if (flies != NULL) { // behind the action's id, which holds the number of a record
            why = (rt_str){flies, why.len - (size_t)(flies - why.ptr)};
        }
        log->actions += candidates[i].action_id.len > 0;
        rt_text_printf(&log->text, "  %.*s: %.*s %.*s %.*s %.*s args=%016llx\n",
                       RT_STR_ARG(p->agent), RT_STR_ARG(p->action), RT_STR_ARG(p->target),
                       RT_STR_ARG(candidates[i].verdict), RT_STR_ARG(why),
                       (unsigned long long)rt_hash64(p->args, 0));
    }
}

// backtest_kit_journal notes every decision that a journal holds.
static inline void
backtest_kit_journal(const char *dir, backtest_kit_log *log)
{
    rt_journal_reader *reader = NULL;
    rt_record record;
    rt_arena *arena = rt_arena_new(64 << 20);

    rt_text_init(&log->text, BACKTEST_KIT_BYTES_MAX);
    CHECK_OK(rt_journal_reader_open(dir, 1, &reader));
    while (rt_journal_reader_next(reader, &record) == RT_OK) {
        msg_decision decision;
        rt_mp mp = rt_mp_init(record.payload);

        if (record.kind == RT_RECORD_DECISION) {
            rt_arena_reset(arena);
            CHECK_OK(rt_msg_decode(&msg_decision_def, &mp, arena, &decision));
            backtest_kit_note(log, record.at_ms, &decision);
        }
    }
    rt_journal_reader_close(reader);
    rt_arena_free(arena);
}

// backtest_kit_same wants two logs to be equal, and shows where they part.
static inline void
backtest_kit_same(const backtest_kit_log *real, const backtest_kit_log *backtested)
{
    rt_str a = rt_text_view(&real->text);
    rt_str b = rt_text_view(&backtested->text);
    size_t at = 0;
    size_t from = 0;

    while (at < a.len && at < b.len && a.ptr[at] == b.ptr[at]) {
        at++;
    }
    if (at == a.len && at == b.len) {
        return;
    }
    for (from = at; from > 0 && at - from < 300; from--) {
    }
    print_error("really:\n%.*s\n", (int)RT_MIN(a.len - from, 900), a.ptr + from);
    print_error("backtested:\n%.*s\n", (int)RT_MIN(b.len - from, 900), b.ptr + from);
    fail_msg("they part at byte %zu of %zu and %zu", at, a.len, b.len);
}

#endif
