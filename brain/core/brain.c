// Design notes.
// on_turn runs once per round of the loop, after all callbacks of the round. A turn: host batches,
// then decisions that are answered, then new events (high lanes first), then one commit for all of
// it, then acknowledgements, publications and actions. When something is left to do the brain wakes
// itself, so that the loop does not sleep on it.
// An error that the journal cannot recover from (RT_EIO) stops the process: what was not durable
// was never acknowledged, and the next start reads the truth from the disk.
// So does memory that was refused in the middle of a turn: what was made with less of it is not
// what the journal will make again, so none of it is committed, said or saved.
#include "brain/core/brain.h"

#include <stdio.h>

#include "brain/core/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/log.h"
#include "runtime/base/planted.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/entropy.h"
#include "runtime/seam/file.h"

#define SCRATCH_MAX (8u * 1024 * 1024)
// After a cut the store rests this many times as long as the cut took, so that saving never takes
// more than a fifth of a core or of the disk's time away from deciding, however much there is.
#define CUT_REST 4
// Messages a subscriber may be behind: all actions of a turn and the decisions of a few.
#define PUBLISH_QUEUE (2 * BR_EXECUTE_MAX)
// With the events' own clock a commit per event would dominate; what waits for it waits at most
// this.
#define COMMIT_DELAY_US 2000
#define HOLD_FACTOR 2 // times its bound that the journal may grow for a host that does not save

void
br__fail(br_brain *brain, rt_err err, const char *what)
{
    if (brain->failed != RT_OK) {
        return;
    }
    if (rt_alloc_refused() != brain->refused) {
        err = RT_ENOMEM; // whatever it looks like to who met it
    }
    brain->failed = err;
    rt_log_error("brain-failed", "what=\"%s\" error=%s detail=\"%s\"", what, rt_err_name(err),
                 rt_err_detail());
    rt_loop_stop(brain->loop);
}

// What a start of the brain or of a host would read must stay. A host that cannot save for long
// does not hold the journal for ever: at twice its size only what it was not fed yet stays.
static void
release_journal(br_brain *brain)
{
    uint64_t keep = RT_MIN(rt_store_saved(brain->store), brain->cut_decided_seq);
    bool for_restarts =
        rt_journal_info_get(brain->journal).bytes / HOLD_FACTOR < brain->config.journal_max_bytes;
    rt_journal_release(brain->journal, br__hosts_keep(brain, keep, for_restarts));
}

bool
br__starved(br_brain *brain)
{
    if (brain->failed == RT_OK && rt_alloc_refused() != brain->refused) {
        RT_IGNORE(rt_fail(RT_ENOMEM, "refused %llu times",
                          (unsigned long long)(rt_alloc_refused() - brain->refused)));
        br__fail(brain, RT_ENOMEM, "memory was missing");
    }
    return brain->failed != RT_OK;
}

static void
on_cut_done(void *user, rt_err err)
{
    br_brain *brain = user;
    int64_t now_us = rt_clock_mono_us();
    brain->cutting = false;
    brain->cut_rest_us = now_us + CUT_REST * (now_us - brain->last_cut_us);
    br__watch_fill(brain);
    if (err == RT_OK) {
        brain->metrics.cuts++;
        release_journal(brain);
        return;
    }
    brain->metrics.cuts_failed++;
    rt_log_error("cut-failed", "error=%s detail=\"%s\"", rt_err_name(err), rt_err_detail());
    if (rt_err_class_of(err) == RT_CLASS_fatal) {
        br__fail(brain, err, "the state could not be saved");
    }
}

// Only what is durable in the journal may be in the state on disk.
static void
maybe_cut(br_brain *brain, int64_t now_us)
{
    if (brain->cutting || now_us - brain->last_cut_us < brain->config.cut_every_ms * 1000 ||
        now_us < brain->cut_rest_us ||
        (rt_journal_pending(brain->journal) > 0 && !RT_PLANTED(cut_before_commit)) ||
        rt_store_dirty(brain->store) == 0) {
        return;
    }
    br_state_settle(brain->state);
    brain->last_cut_us = now_us;
    brain->cutting = true;
    brain->cut_decided_seq = brain->state->meta.decided_seq;
    rt_err err = rt_store_cut(brain->store, brain->state->applied_seq, brain->loop, on_cut_done,
                              brain);
    if (err != RT_OK) {
        brain->cutting = false;
    }
}

static void
after_commit(br_brain *brain)
{
    br__intake_acknowledge(brain);
    br__publish_flush(brain);
    br__control_tails(brain);
    br__execute_run(brain);
}

static bool
commit_wanted(const br_brain *brain, int64_t now_us)
{
    if (rt_journal_pending(brain->journal) == 0) {
        return false;
    }
    if (!brain->config.clock_from_events || brain->done_first != NULL ||
        brain->execute.count > 0 || !br__turn_room(brain)) {
        return true;
    }
    return now_us - brain->last_commit_us >= COMMIT_DELAY_US ||
           (!br__intake_waiting(brain) && br_pending_count(brain->pending) == 0);
}

static void
commit(br_brain *brain)
{
    int64_t from_us = rt_clock_mono_us();
    uint64_t records = rt_journal_pending(brain->journal);
    rt_err err = rt_journal_commit(brain->journal);
    if (err == RT_ENOSPC) {
        if (!brain->commit_stalled) {
            rt_log_error("disk-full", "records=%llu detail=\"%s\", trying again",
                         (unsigned long long)records, rt_err_detail());
        }
        brain->metrics.commits_stalled++;
        brain->commit_stalled = true;
        br__intake_pause(brain, true);
        return;
    }
    if (err != RT_OK) {
        br__fail(brain, err, "the journal could not be written");
        return;
    }
    if (brain->commit_stalled) {
        rt_log_info("disk-usable", "records=%llu", (unsigned long long)records);
        brain->commit_stalled = false;
        br__intake_pause(brain, brain->stopping || RT_PLANTED(doors_stay_shut));
    }
    int64_t done_us = rt_clock_mono_us();
    brain->last_commit_us = done_us;
    brain->decided_seq = brain->state->meta.decided_seq;
    brain->metrics.commits++;
    br_histogram_add(&brain->metrics.commit_us, (uint64_t)(done_us - from_us));
    br_histogram_add(&brain->metrics.group_records, records);
    after_commit(brain);
}

// A new playbook set goes live when everything taken before it is decided, so that no event is
// decided by a set other than the one that was live when it was taken.
static void
maybe_switch_playbooks(br_brain *brain)
{
    if (brain->next_playbooks == NULL || br_pending_count(brain->pending) > 0) {
        return;
    }
    br_playbooks *set = brain->next_playbooks;
    size_t count = br_playbooks_file_count(set);
    br_playbook_file *files = rt_new_array(br_playbook_file, count + 1);
    for (size_t i = 0; i < count; i++) {
        files[i] = br_playbooks_file(set, i);
    }
    rt_record record;
    rt_mpw *w = rt_journal_begin(brain->journal, RT_RECORD_PLAYBOOKS, 0,
                                 br__now_ms(brain, RT_TIME_NONE));
    br_set_note note = {.by = rt_str_of(brain->next_by),
                        .how = rt_str_of(brain->next_how),
                        .reason = rt_str_of(brain->next_reason)};
    br_state_encode_playbooks(br_playbooks_version(set), files, count,
                              note.by.len > 0 ? &note : NULL, w);
    brain->next_by[0] = '\0';
    rt_free(files);
    brain->next_playbooks = NULL;
    rt_err err = rt_journal_end(brain->journal, &record);
    if (err != RT_OK) {
        rt_log_error("playbooks-not-live", "error=%s detail=\"%s\"", rt_err_name(err),
                     rt_err_detail());
        br_playbooks_free(set);
        return;
    }
    br_state_apply_playbooks(brain->state, &record, set);
    br__hosts_note(brain, &record, NULL, false);
    brain->schedules_wait = br_playbooks_scheduled(brain->state->playbooks) > 0;
    rt_log_info("playbooks-live", "version=%llu playbooks=%zu",
                (unsigned long long)br_playbooks_version(set), br_playbooks_count(set));
}

static void
maybe_open_doors(br_brain *brain, int64_t now_us)
{
    if (brain->doors_open || brain->stopping) {
        return;
    }
    bool patient = now_us - brain->hosts_since_us < BR_HOST_PATIENCE_US;
    if (!br__hosts_caught_up(brain) && patient) {
        return;
    }
    if (!br__hosts_caught_up(brain)) {
        rt_log_warn("hosts-missing", "doors open without all agents, their word is missing");
    }
    br__execute_recover(brain);
    rt_err err = br__intake_open(brain);
    if (err != RT_OK) {
        br__fail(brain, err, "a door could not be opened");
        return;
    }
    rt_log_info("ready", "seq=%llu", (unsigned long long)rt_journal_committed(brain->journal));
}

static void
maybe_stop(br_brain *brain, int64_t now_us)
{
    bool idle = !br__intake_waiting(brain) && br_pending_count(brain->pending) == 0 &&
                br__execute_waiting(brain) == 0 && rt_journal_pending(brain->journal) == 0;
    if (!brain->stopping || brain->on_stopped == NULL || brain->cutting ||
        (!idle && now_us < brain->stop_deadline_us)) {
        return;
    }
    br_state_settle(brain->state);
    rt_err err = rt_journal_pending(brain->journal) == 0
                     ? rt_store_cut_wait(brain->store, brain->state->applied_seq)
                     : RT_EBUSY;
    if (err != RT_OK) {
        rt_log_warn("stopped-unsaved", "error=%s detail=\"%s\", the next start reads the journal",
                    rt_err_name(err), err == RT_EBUSY ? "not everything is written"
                                                      : rt_err_detail());
    }
    rt_log_info("stopped", "applied_seq=%llu saved=%s",
                (unsigned long long)brain->state->applied_seq, rt_err_name(err));
    void (*on_stopped)(void *) = brain->on_stopped;
    brain->on_stopped = NULL;
    on_stopped(brain->stopped_user);
}

static void
on_turn(void *user)
{
    br_brain *brain = user;
    int64_t now_us = rt_clock_mono_us();
    if (br__starved(brain)) {
        return;
    }
    bool busy = false;
    if (!brain->commit_stalled) {
        br__hosts_flush(brain);
        busy = br__decide_ready(brain);
        maybe_switch_playbooks(brain);
        if (brain->doors_open && brain->next_playbooks == NULL) {
            busy = br__intake_take(brain) || busy;
        }
        br__hosts_flush(brain);
        busy = br__decide_ready(brain) || busy; // what nobody but playbooks hears
        busy = busy || !br__turn_room(brain);   // what was left out goes on after the commit
    }
    if (RT_PLANTED(ack_before_commit)) {
        br__intake_acknowledge(brain);
    }
    if (RT_PLANTED(publish_before_commit)) {
        br__publish_flush(brain);
    }
    if (RT_PLANTED(send_before_commit)) {
        br__execute_run(brain);
    }
    if (br__starved(brain)) {
        return;
    }
    if (commit_wanted(brain, now_us)) {
        commit(brain);
    } else if (rt_journal_pending(brain->journal) == 0) {
        br__intake_acknowledge(brain); // duplicates, and refusals past the bound, leave no record
    }
    if (busy && brain->failed == RT_OK) {
        rt_wake_send(brain->wake);
    }
    maybe_open_doors(brain, now_us);
    if (br__starved(brain)) {
        return;
    }
    maybe_cut(brain, now_us);
    maybe_stop(brain, now_us);
    br__tick_arm(brain);
}

static void
on_wake(void *user)
{
    (void)user; // on_turn follows every round
}

static void
sample(br_brain *brain, const char *name, const char *unit, double value)
{
    char id[96];
    char subject[96];
    rt_mpw data;
    rt_reject reject;
    rt_mpw_init(&data, 512);
    rt_mpw_map(&data, 2);
    rt_mpw_cstr(&data, "value");
    rt_mpw_f64(&data, value);
    rt_mpw_cstr(&data, "unit");
    rt_mpw_cstr(&data, unit);
    snprintf(id, sizeof(id), "%s/%llu", name,
             (unsigned long long)rt_journal_next_seq(brain->journal));
    snprintf(subject, sizeof(subject), "metric/%s", name);
    br_internal_event event = {.type = "metric.sampled",
                               .tenant = RT_TENANT_SYSTEM,
                               .id = rt_str_of(id),
                               .source = RT_STR("/brain/metrics"),
                               .subject = rt_str_of(subject),
                               .time_ms = RT_TIME_NONE,
                               .data = rt_mpw_view(&data)};
    if (br__take_internal(brain, &event, &reject) != RT_OK) {
        rt_log_warn("sample-lost", "metric=%s error=\"%s\"", name, reject.text);
    }
    rt_mpw_fini(&data);
}

static void
sample_metrics(br_brain *brain, int64_t now_us)
{
    static const double per_s = 1e6;
    double seconds = (double)(now_us - brain->last_sample_us) / per_s;
    const br_metrics *m = &brain->metrics;
    br_samples *last = &brain->samples;
    uint64_t bad = m->events_rejected + m->actions_failed;
    uint64_t decided = m->decide_us.count - last->decided;
    sample(brain, "ingest_rate", "1/s", (double)(m->events_in - last->events) / seconds);
    sample(brain, "error_rate", "1/s", (double)(bad - last->bad) / seconds);
    sample(brain, "backlog", "events", (double)br_pending_count(brain->pending));
    sample(brain, "memory_bytes", "B", (double)rt_store_bytes(brain->store));
    if (decided > 0) {
        double mean_us = (double)(m->decide_us.sum - last->decide_sum) / (double)decided;
        sample(brain, "decision_latency_ms", "ms", mean_us / 1000);
    }
    *last = (br_samples){m->events_in, bad, m->decide_us.count, m->decide_us.sum};
    brain->last_sample_us = now_us;
}

static void
check_halt_file(br_brain *brain)
{
    rt_reject reject;
    rt_mpw data;
    if (brain->config.halt_file == NULL || br_gate_halted(brain->state->gate) ||
        !rt_file_exists(brain->config.halt_file)) {
        return;
    }
    char id[64];
    rt_mpw_init(&data, 256);
    rt_mpw_map(&data, 2);
    rt_mpw_cstr(&data, "by");
    rt_mpw_cstr(&data, "HALT file");
    rt_mpw_cstr(&data, "reason");
    rt_mpw_cstr(&data, brain->config.halt_file);
    snprintf(id, sizeof(id), "halt/%llu",
             (unsigned long long)rt_journal_next_seq(brain->journal));
    br_internal_event event = {.type = "system.halted",
                               .tenant = RT_TENANT_SYSTEM,
                               .id = rt_str_of(id),
                               .source = RT_STR("/brain/halt-file"),
                               .time_ms = RT_TIME_NONE,
                               .data = rt_mpw_view(&data)};
    if (br__take_internal(brain, &event, &reject) == RT_OK) {
        rt_log_warn("halted", "file=%s, until brainctl resume", brain->config.halt_file);
    }
    rt_mpw_fini(&data);
}

// Says for each tenant that schedules are live; what has been planned already stays as it is.
static void
begin_schedules(br_brain *brain)
{
    rt_reject reject;
    rt_mpw data;
    const br_brain_config *config = &brain->config;
    if (!brain->schedules_wait || !br__clock_runs(brain) ||
        !br_pending_room(brain->pending, BR_PENDING_RESERVE + config->tenant_count)) {
        return;
    }
    brain->schedules_wait = false;
    rt_mpw_init(&data, 64);
    for (size_t i = 0; i < config->tenant_count; i++) {
        char id[64];
        rt_mpw_clear(&data);
        rt_mpw_map(&data, 1);
        rt_mpw_cstr(&data, "version");
        rt_mpw_u64(&data, br_playbooks_version(brain->state->playbooks));
        snprintf(id, sizeof(id), "schedules/%llu",
                 (unsigned long long)rt_journal_next_seq(brain->journal));
        br_internal_event event = {.type = BR_SCHEDULES_LIVE,
                                   .tenant = {config->tenants[i].number},
                                   .id = rt_str_of(id),
                                   .source = RT_STR("/brain/timers"),
                                   .time_ms = RT_TIME_NONE,
                                   .data = rt_mpw_view(&data)};
        if (br__take_internal(brain, &event, &reject) != RT_OK) {
            brain->schedules_wait = true; // room or disk: said again at the next tick
        }
    }
    rt_mpw_fini(&data);
}

static void
on_tick(void *user)
{
    br_brain *brain = user;
    int64_t now_us = rt_clock_mono_us();
    brain->tick_due_us = INT64_MAX;
    br__control_tick(brain);
    if (brain->failed != RT_OK || brain->commit_stalled || !brain->doors_open) {
        return; // on_turn runs all the same and tries again
    }
    if (!brain->config.clock_from_events) {
        br__fire_timers(brain, br__now_ms(brain, RT_TIME_NONE));
    }
    check_halt_file(brain);
    begin_schedules(brain);
    if (now_us - brain->last_told_us >= BR_TELL_EVERY_US) {
        brain->last_told_us = now_us;
        br__hosts_tell_committed(brain);
    }
    if (br__clock_runs(brain) && now_us - brain->last_sample_us >= br__sample_every_us(brain)) {
        sample_metrics(brain, now_us);
    }
}

static rt_err
record_start(br_brain *brain)
{
    uint8_t random[BR_INSTANCE_LEN / 2];
    char name[BR_INSTANCE_LEN + 1];
    rt_record record;
    rt_entropy(random, sizeof(random));
    rt_hex((rt_bytes){random, sizeof(random)}, name, sizeof(name));
    rt_mpw *w = rt_journal_begin(brain->journal, RT_RECORD_START, 0,
                                 br__now_ms(brain, RT_TIME_NONE));
    rt_mpw_array(w, 3);
    rt_mpw_str(w, (rt_str){name, BR_INSTANCE_LEN});
    rt_mpw_cstr(w, brain->config.build);
    rt_mpw_u64(w, rt_catalog_hash(br_pack_catalog(brain->config.pack)));
    rt_err err = rt_journal_end(brain->journal, &record);
    if (err == RT_OK) {
        br_state_apply_start(brain->state, &record);
        br__hosts_note(brain, &record, NULL, false);
    }
    return err;
}

static rt_err
open_doors(br_brain *brain)
{
    const br_brain_config *config = &brain->config;
    rt_err err = RT_OK;
    if (config->publish_url != NULL) {
        rt_net_limits limits = config->limits;
        limits.inflight_max = PUBLISH_QUEUE;
        err = rt_pub_listen(brain->loop, config->publish_url, limits, &brain->pub);
    }
    if (err == RT_OK && config->webhook_count > 0) {
        brain->http = rt_http_new(brain->loop, config->http);
    }
    if (err == RT_OK) {
        err = br__hosts_open(brain);
    }
    if (err == RT_OK && config->control_path != NULL) {
        err = br__control_open(brain);
    }
    return err;
}

static void
make_parts(br_brain *brain)
{
    brain->pending = br_pending_new();
    brain->arena = rt_arena_new(BR_TURN_ARENA_BYTES);
    brain->decide_arena = rt_arena_new(BR_TURN_ARENA_BYTES);
    brain->situation = rt_new(br_situation);
    brain->execute.items = rt_new_array(br_to_execute, BR_OUTBOX_MAX);
    brain->webhooks.items = rt_new_array(br_to_execute, BR_OUTBOX_MAX);
    brain->outgoing = rt_new_array(br_outgoing, RT_TENANT_MAX);
    brain->rates = rt_map_new();
    rt_mpw_init(&brain->scratch, SCRATCH_MAX);
    rt_mpw_init(&brain->message, RT_JOURNAL_GROUP_BYTES_MAX * 2);
    int64_t now_us = rt_clock_mono_us();
    brain->started_us = now_us;
    brain->hosts_since_us = now_us;
    brain->last_cut_us = now_us;
    brain->last_sample_us = now_us;
}

rt_err
br_brain_new(rt_loop *loop, const br_brain_config *config, rt_diag *diag, br_brain **ret)
{
    br_brain *brain = rt_new(br_brain);
    brain->loop = loop;
    brain->config = *config;
    brain->refused = rt_alloc_refused();
    make_parts(brain);
    rt_err err = br__open_storage(brain, diag);
    if (err == RT_OK) {
        err = br__recover(brain, diag);
    }
    if (err == RT_OK) {
        brain->decided_seq = brain->state->meta.decided_seq; // all of it was read back
        br__execute_note_interrupted(brain);
    }
    if (err == RT_OK) {
        err = br__load_playbooks(brain, diag, &brain->next_playbooks);
    }
    if (err == RT_OK) {
        err = record_start(brain);
    }
    if (err == RT_OK) {
        err = open_doors(brain);
    }
    if (err == RT_OK && rt_alloc_refused() != brain->refused) {
        err = rt_fail(RT_ENOMEM, "memory was missing at the start");
    }
    if (err != RT_OK) {
        br_brain_free(brain);
        return err;
    }
    brain->schedules_wait = br_playbooks_scheduled(brain->state->playbooks) > 0;
    // undecided events of the last run wait for every host again
    for (unsigned h = 0; h < brain->host_count; h++) {
        br_pending_expect(brain->pending, h);
    }
    brain->wake = rt_wake_new(loop, on_wake, brain);
    brain->tick = rt_timer_new(loop, on_tick, brain);
    rt_timer_start(brain->tick, BR_TICK_MS, config->idle_tick_ms > 0 ? 0 : BR_TICK_MS);
    brain->tick_due_us = rt_clock_mono_us() + BR_TICK_MS * 1000;
    rt_loop_on_turn(loop, on_turn, brain);
    rt_wake_send(brain->wake);
    *ret = brain;
    return RT_OK;
}

rt_err
br_brain_inspect(rt_loop *loop, const br_brain_config *config, rt_diag *diag,
                 br_inspection *ret_inspection)
{
    br_brain *brain = rt_new(br_brain);
    brain->loop = loop;
    brain->config = *config;
    make_parts(brain);
    rt_err err = br__open_storage(brain, diag);
    if (err == RT_OK) {
        err = br__recover(brain, diag);
    }
    if (err == RT_OK) {
        *ret_inspection = (br_inspection){.state_hash = br_state_hash(brain->state),
                                          .applied_seq = brain->state->applied_seq,
                                          .states_rebuilt = brain->metrics.states_rebuilt,
                                          .undecided = br_pending_count(brain->pending),
                                          .journal = rt_journal_info_get(brain->journal)};
    }
    br_brain_free(brain);
    return err;
}

void
br_brain_stop(br_brain *brain, int64_t patience_ms, void (*on_stopped)(void *user), void *user)
{
    brain->stopping = true;
    brain->stop_deadline_us = rt_clock_mono_us() + patience_ms * 1000;
    brain->on_stopped = on_stopped;
    brain->stopped_user = user;
    br__intake_pause(brain, true);
    rt_wake_send(brain->wake);
}

void
br_brain_hang_up(br_brain *brain)
{
    br__intake_refuse(brain);
    br__control_hang_up(brain);
}

void
br_brain_free(br_brain *brain)
{
    if (brain == NULL) {
        return;
    }
    rt_loop_on_turn(brain->loop, NULL, brain);
    br__execute_free(brain);
    br__intake_free(brain);
    br__hosts_free(brain);
    br__control_close(brain);
    if (brain->http != NULL) {
        rt_http_free(brain->http);
    }
    rt_timer_free(brain->tick);
    if (brain->wake != NULL) {
        rt_wake_free(brain->wake);
    }
    br_playbooks_free(brain->next_playbooks);
    br__close_state(brain);
    if (brain->journal != NULL) {
        rt_journal_close(brain->journal);
    }
    for (size_t i = 0; i < RT_TENANT_MAX; i++) {
        rt_mpw_fini(&brain->outgoing[i].items);
        rt_free(brain->outgoing[i].parts);
    }
    rt_free(brain->outgoing);
    rt_map_free(brain->rates);
    rt_mpw_fini(&brain->message);
    rt_mpw_fini(&brain->scratch);
    rt_free(brain->execute.items);
    rt_free(brain->webhooks.items);
    rt_free(brain->situation);
    rt_arena_free(brain->decide_arena);
    rt_arena_free(brain->arena);
    br_pending_free(brain->pending);
    rt_free(brain);
}

rt_err
br_brain_reload_playbooks(br_brain *brain, rt_diag *diag)
{
    br_playbooks *set = NULL;
    uint64_t refused = rt_alloc_refused();
    rt_err err = br__load_playbooks(brain, diag, &set);
    if (err == RT_OK && rt_alloc_refused() != refused) {
        err = rt_fail(RT_ENOMEM, "memory was missing for the new playbooks");
    }
    if (err != RT_OK) {
        br_playbooks_free(set);
        rt_alloc_forgive(refused); // nothing of it stays
        return err;
    }
    if (set != NULL) {
        br_playbooks_free(brain->next_playbooks);
        brain->next_playbooks = set;
        rt_wake_send(brain->wake);
    }
    return RT_OK;
}

static void
keep_note(char *out, size_t cap, rt_str text)
{
    text = rt_utf8_whole((rt_str){text.ptr, RT_MIN(text.len, cap - 1)});
    (void)snprintf(out, cap, "%.*s", RT_STR_ARG(text)); // it fits
}

void
br_brain_note_playbooks(br_brain *brain, rt_str by, rt_str how, rt_str reason)
{
    if (brain->next_playbooks == NULL) {
        return;
    }
    keep_note(brain->next_by, sizeof(brain->next_by), by);
    keep_note(brain->next_how, sizeof(brain->next_how), how);
    keep_note(brain->next_reason, sizeof(brain->next_reason), reason);
}

bool
br_brain_ready(const br_brain *brain)
{
    return brain->doors_open;
}

rt_err
br_brain_failed(const br_brain *brain)
{
    return brain->failed;
}

rt_journal_info
br_brain_journal(const br_brain *brain)
{
    return rt_journal_info_get(brain->journal);
}

br_state *
br_brain_state(br_brain *brain)
{
    return brain->state;
}
