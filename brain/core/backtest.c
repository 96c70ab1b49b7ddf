// Design notes.
// The journal is walked once, without its hashes: they would be more than half of the work. Events
// are taken and decided at the places where the record has them, because what is known, in flight
// or used up at a decision depends on how far everything else had come. Between those places the
// fork puts in what only it has, in the order of a live turn: first what a decision raises, then
// decisions that wait for nobody, then outcomes of new actions in the order of their decisions,
// then timers that are due. The recorded run's own events are merely the sign that such a thing
// happened there: each is kept when the fork has its cause as well.
#include "brain/core/backtest_internal.h"

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

#define FORK_ARENA_MAX (64u * 1024 * 1024)
#define FORK_WIRE_MAX (4u * 1024 * 1024)
#define PROGRESS_EVERY 8192 // records

bool
br__fork_live(const br__fork *f, int64_t at_ms)
{
    return at_ms >= f->config->since_ms;
}

int64_t
br__fork_at(const br__fork *f, int64_t time_ms, int64_t at_ms)
{
    return RT_MAX(f->state->meta.clock_ms, f->config->clock_from_events ? time_ms : at_ms);
}

static br__fork_item *
item_at(br__fork *f, size_t index)
{
    return &f->items[(f->first + index) % BR_PENDING_MAX];
}

// What was known of the event: of its record where the fork has not seen the beginning.
static const br_situation *
known_before(br__fork *f, const rt_event *event)
{
    if (f->know != NULL) {
        return f->know(f->know_user, f->situation);
    }
    if (!f->result->is_partial || event->context.len == 0) {
        return f->situation;
    }
    memset(f->known, 0, sizeof(*f->known));
    f->known->event = event;
    f->known->plan = f->situation->plan;
    f->known->now_ms = event->at_ms;
    br_situation_decode(f->known, event->context);
    return f->known;
}

// The record that a brain would have written: its context is what the fork knows.
static rt_bytes
payload_of(br__fork *f, const rt_event *event, const br_situation *known)
{
    rt_event recorded = *event;
    rt_mpw_clear(&f->context);
    rt_mpw_clear(&f->payload);
    br_situation_encode(known, &f->context);
    recorded.context = rt_mpw_view(&f->context);
    rt_event_encode(&recorded, &f->payload);
    bool fits = !f->payload.failed && f->payload.len <= BR_PENDING_PAYLOAD_MAX;
    return fits ? rt_mpw_view(&f->payload) : (rt_bytes){NULL, 0};
}

rt_err
br__fork_take(br__fork *f, rt_event *event, bool decided, bool is_own)
{
    bool live = br__fork_live(f, event->at_ms);
    bool heard = live && br_state_hears(f->state, event);
    br_consulted_event said = {{NULL, 0}, false};
    br_state_situate(f->state, event, event->at_ms, f->situation);
    if (decided || heard) {
        if (!br_pending_room(f->pending, 0)) {
            return rt_fail(RT_ELIMIT, "more undecided events than a brain can hold");
        }
        const br_situation *known = known_before(f, event);
        if (live && f->config->on_known != NULL) {
            f->config->on_known(f->config->user, known);
        }
        rt_err err = live ? br_state_consult(f->state, known, f->arena, &f->scratch, &said) : RT_OK;
        if (err != RT_OK && err != RT_ELIMIT) { // live it goes on without them, too
            return err;
        }
        *item_at(f, br_pending_count(f->pending)) =
            (br__fork_item){.seq = event->seq,
                            .at_ms = event->at_ms,
                            .is_own = is_own || !decided,
                            .as_recorded = !live};
        // found through its head
        RT_IGNORE(br_pending_push(f->pending, event, said.consultation,
                                  said.follow ? payload_of(f, event, known) : (rt_bytes){NULL, 0}));
    }
    uint64_t applied = f->state->applied_seq;
    br_state_apply_event(f->state, event, f->situation);
    if (is_own) {
        f->state->applied_seq = applied; // the record goes on below
        f->result->events_new++;
    }
    return RT_OK;
}

// --- decisions -----------------------------------------------------------------------------------

static void
tell_pair(br__fork *f, const br_backtest_pair *pair)
{
    f->result->differences += !pair->equal;
    if (f->config->on_pair != NULL) {
        f->config->on_pair(f->config->user, pair);
    }
}

static void
begin_raise(br__fork *f, const br_undecided *event, const br_outcome *outcome, bool as_recorded)
{
    f->was_decided = true;
    f->raise = (br__fork_raise){.seq = event->seq,
                                .at_ms = f->state->meta.clock_ms,
                                .tenant = event->tenant,
                                .depth = event->depth,
                                .as_recorded = as_recorded,
                                .correlation = rt_arena_str(f->decide_arena, event->correlation),
                                .event_id = rt_arena_str(f->decide_arena, event->id),
                                .emissions = outcome->emissions,
                                .count = outcome->emission_count};
}

static void
pop_head(br__fork *f)
{
    br_pending_pop(f->pending);
    f->first = (f->first + 1) % BR_PENDING_MAX;
}

// Decides the event at the head by what playbooks say alone: nobody else hears it.
static rt_err
decide_own(br__fork *f)
{
    br_undecided *head = br_pending_head(f->pending);
    br__fork_item item = *item_at(f, 0);
    br_state *state = f->state;
    br_hearing hearing = {.event = head, .now_ms = state->meta.clock_ms};
    br_outcome outcome;
    rt_arena_reset(f->decide_arena);
    rt_err err = br_decide(state, &hearing, f->decide_arena, &outcome);
    if (err != RT_OK) {
        return err;
    }
    uint64_t applied = state->applied_seq;
    uint64_t decided = state->meta.decided_seq;
    rt_record record = {.seq = ++f->own_seq, .at_ms = hearing.now_ms, .kind = RT_RECORD_DECISION};
    br_state_apply_decision(state, &record, &outcome.decision);
    state->applied_seq = applied;
    state->meta.decided_seq = decided;
    br__fork_note_timers(f->timers, outcome.decision.tenant, &outcome.decision);
    br__fork_match_winners(f, NULL, &outcome.decision);
    begin_raise(f, head, &outcome, false);
    f->result->decisions++;
    if (br__fork_says(&outcome.decision)) {
        tell_pair(f, &(br_backtest_pair){.event_seq = item.seq < BR__OWN_SEQ ? item.seq : 0,
                                         .after_seq = f->seq,
                                         .at_ms = hearing.now_ms,
                                         .again = &outcome.decision});
    }
    pop_head(f);
    return br__fork_raise_own(f, RT_STR(""));
}

// What the last decision raised, and the decisions that wait for nobody.
static rt_err
settle(br__fork *f)
{
    rt_err err = br__fork_raise_own(f, RT_STR(""));
    f->raise.seq = 0;
    while (err == RT_OK && br_pending_count(f->pending) > 0 && item_at(f, 0)->is_own) {
        err = decide_own(f);
        f->raise.seq = 0;
    }
    f->was_decided = false;
    return err;
}

// Everything that the fork has to do by itself before the record goes on.
static rt_err
quiesce(br__fork *f)
{
    rt_err err = settle(f);
    while (err == RT_OK && f->queue_count > 0) {
        err = br__fork_run_new(f, RT_STR(""));
        if (err == RT_OK) {
            err = settle(f);
        }
    }
    return err;
}

// What agents said, out of the recorded decision.
static rt_err
agents_words(br__fork *f, const msg_decision *recorded, msg_answer *ret_answer)
{
    const msg_candidate *candidates = recorded->candidates.items;
    const msg_timer *timers = recorded->timers.items;
    const rt_str prefix = RT_STR("playbook:");
    msg_proposal *said =
        rt_arena_array(f->decide_arena, msg_proposal, recorded->candidates.count + 1);
    msg_timer *set = rt_arena_array(f->decide_arena, msg_timer, recorded->timers.count + 1);
    if (said == NULL || set == NULL) {
        return RT_ENOMEM;
    }
    *ret_answer = (msg_answer){.seq = recorded->event_seq, .predictions = recorded->predictions};
    for (uint32_t i = 0; i < recorded->candidates.count; i++) {
        if (!rt_str_starts(candidates[i].proposal.agent, prefix)) {
            said[ret_answer->proposals.count++] = candidates[i].proposal;
        }
    }
    for (uint32_t i = 0; i < recorded->timers.count; i++) {
        if (!rt_str_starts(timers[i].owner, prefix)) {
            set[ret_answer->timers.count++] = timers[i];
        }
    }
    ret_answer->proposals.items = said;
    ret_answer->timers.items = set;
    return RT_OK;
}

// Equal bytes are equal decisions; else the version of the set may be all that differs.
static bool
is_equal(br__fork *f, const rt_record *record, const msg_decision *recorded, msg_decision *again)
{
    if (again->candidates.count == 0 && recorded->candidates.count == 0 &&
        again->consulted.count == 0 && recorded->consulted.count == 0) {
        return br__fork_same(recorded, again);
    }
    rt_mpw_clear(&f->scratch);
    rt_msg_encode(&msg_decision_def, again, &f->scratch);
    return rt_bytes_equal(rt_mpw_view(&f->scratch), record->payload) ||
           br__fork_same(recorded, again);
}

static rt_err
decide_again(br__fork *f, const rt_record *record, msg_decision *recorded, br_outcome *ret_outcome)
{
    msg_answer answer;
    br_hearing hearing = {.event = br_pending_head(f->pending),
                          .now_ms = record->at_ms,
                          .missing = recorded->missing.items,
                          .missing_count = recorded->missing.count};
    rt_arena_reset(f->decide_arena);
    rt_err err = agents_words(f, recorded, &answer);
    if (err != RT_OK) {
        return err;
    }
    if (answer.proposals.count > 0 || answer.timers.count > 0 || answer.predictions.count > 0) {
        hearing.answers[hearing.answer_count++] = &answer;
    }
    err = br_decide(f->state, &hearing, f->decide_arena, ret_outcome);
    if (err == RT_OK) {
        // agents' events are in the record and not among what was said here
        ret_outcome->decision.emissions = recorded->emissions;
        f->result->decisions++;
    }
    return err;
}

static rt_err
decide_head(br__fork *f, const rt_record *record, msg_decision *recorded)
{
    br_outcome outcome;
    br__fork_item item = *item_at(f, 0);
    memset(&outcome, 0, sizeof(outcome));
    if (item.as_recorded) {
        rt_arena_reset(f->decide_arena);
        outcome.decision = *recorded;
    } else {
        rt_err err = decide_again(f, record, recorded, &outcome);
        if (err != RT_OK) {
            return err;
        }
    }
    br_state_apply_decision(f->state, record, &outcome.decision);
    br__fork_note_timers(f->recorded_timers, recorded->tenant, recorded);
    br__fork_note_timers(f->timers, recorded->tenant, &outcome.decision);
    br__fork_match_winners(f, recorded, &outcome.decision);
    begin_raise(f, br_pending_head(f->pending), &outcome, item.as_recorded);
    if (!item.as_recorded && (br__fork_says(recorded) || br__fork_says(&outcome.decision))) {
        tell_pair(f, &(br_backtest_pair){.event_seq = item.seq,
                                         .after_seq = f->seq,
                                         .at_ms = record->at_ms,
                                         .recorded = recorded,
                                         .again = &outcome.decision,
                                         .equal = is_equal(f, record, recorded,
                                                           &outcome.decision)});
    }
    pop_head(f);
    return RT_OK;
}

// The recorded decision on an event that does not happen now.
static void
drop_decision(br__fork *f, const rt_record *record, const msg_decision *recorded)
{
    br__fork_note_timers(f->recorded_timers, recorded->tenant, recorded);
    f->raise.seq = recorded->event_seq; // what it raised is dropped as well
    f->raise.as_recorded = false;
    f->raise.count = 0;
    f->raise.tenant = (rt_tenant){UINT16_MAX};
    if (br__fork_says(recorded)) {
        tell_pair(f, &(br_backtest_pair){.event_seq = recorded->event_seq,
                                         .after_seq = f->seq,
                                         .at_ms = record->at_ms,
                                         .recorded = recorded});
    }
}

static rt_err
walk_decision(br__fork *f, const rt_record *record)
{
    msg_decision recorded;
    rt_mp mp = rt_mp_init(record->payload);
    rt_arena_reset(f->decode_arena);
    rt_err err = f->in_batch ? br__fork_end_batch(f) : RT_OK;
    if (err == RT_OK) {
        err = settle(f);
    }
    if (err == RT_OK) {
        err = rt_msg_decode(&msg_decision_def, &mp, f->decode_arena, &recorded);
    }
    if (err != RT_OK) {
        return err;
    }
    uint8_t key[sizeof(uint64_t)];
    memcpy(key, &recorded.event_seq, sizeof(key));
    if (rt_map_del(f->skipped, (rt_bytes){key, sizeof(key)})) {
        drop_decision(f, record, &recorded);
        return RT_OK;
    }
    const br_undecided *head = br_pending_head(f->pending);
    if (head == NULL || head->seq != recorded.event_seq) {
        if (recorded.event_seq < f->result->first_seq) {
            return RT_OK; // its event was recycled
        }
        return rt_fail(RT_ECORRUPT, "record %llu decides on event %llu, which is not the next",
                       (unsigned long long)record->seq, (unsigned long long)recorded.event_seq);
    }
    rt_record now = *record;
    now.at_ms = br__fork_at(f, INT64_MIN, record->at_ms);
    return decide_head(f, &now, &recorded);
}

// --- events --------------------------------------------------------------------------------------

// Everything that a live brain does between the record before and an event that is no consequence
// of the last decision. Timers that are due together are fired together; what they lead to comes
// before the event, unless this is of the same millisecond.
static rt_err
catch_up(br__fork *f, const rt_event *event)
{
    bool fired = rt_str_is(event->type->name, "timer.fired");
    int64_t until_ms = fired ? event->time_ms : br__fork_at(f, event->time_ms, event->at_ms);
    bool was_batch = f->in_batch;
    rt_err err = RT_OK;
    if (was_batch && !fired) {
        err = br__fork_end_batch(f);
    }
    if (err == RT_OK && !(was_batch && (fired || until_ms == f->state->meta.clock_ms))) {
        err = quiesce(f);
    }
    if (fired) {
        f->in_batch = true;
        f->batch_ms = event->at_ms;
        return err != RT_OK ? err : br__fork_fire(f, until_ms);
    }
    for (uint64_t before = f->own_seq - 1; err == RT_OK && before != f->own_seq;) {
        before = f->own_seq;
        err = br__fork_fire(f, until_ms);
        if (err == RT_OK && until_ms > f->state->meta.clock_ms) {
            err = quiesce(f);
        }
    }
    return err;
}

// When it is recorded now: what happened before it may have come earlier or later than then.
static void
set_clock(const br__fork *f, rt_event *event)
{
    bool has_time = !event->internal || rt_str_is(event->type->name, "timer.fired");
    if (!has_time && f->config->clock_from_events && event->time_ms == event->at_ms) {
        event->at_ms = f->state->meta.clock_ms;
        event->time_ms = event->at_ms;
        return;
    }
    event->at_ms = br__fork_at(f, event->time_ms, event->at_ms);
}

static void
skip(br__fork *f, const rt_record *record)
{
    uint8_t key[sizeof(uint64_t)];
    memcpy(key, &record->seq, sizeof(key));
    if ((record->flags & RT_RECORD_UNDECIDED) != 0) {
        rt_map_put(f->skipped, (rt_bytes){key, sizeof(key)}, 1);
    }
    f->result->events_lost++;
}

static rt_err
walk_event(br__fork *f, const rt_record *record)
{
    rt_event event;
    br__fork_fate fate = BR__FORK_KEEP;
    rt_err err = rt_event_decode_record(br_pack_catalog(f->config->state.pack), record->seq,
                                        record->at_ms, record->payload, &event);
    if (err != RT_OK) {
        return err;
    }
    if (event.internal && br__fork_is_executed(&event)) {
        err = f->was_decided ? settle(f) : RT_OK; // outcomes follow one another without decisions
    } else if (!event.internal || !br__fork_is_raised(f, &event)) {
        err = catch_up(f, &event);
    }
    if (err == RT_OK && event.internal) {
        err = br__fork_recorded(f, &event, &fate);
    }
    if (err == RT_OK && br__fork_live(f, record->at_ms)) {
        f->result->first_at_ms = f->result->events++ == 0 ? record->at_ms : f->result->first_at_ms;
        f->result->last_at_ms = record->at_ms;
    }
    if (err == RT_OK && fate == BR__FORK_KEEP) {
        set_clock(f, &event);
        err = br__fork_take(f, &event, (record->flags & RT_RECORD_UNDECIDED) != 0, false);
    } else if (err == RT_OK) {
        skip(f, record);
        f->result->events_lost -= fate == BR__FORK_MADE;
    }
    return err;
}

static rt_err
walk_record(br__fork *f, const rt_record *record)
{
    switch (record->kind) {
    case RT_RECORD_EVENT:
        return walk_event(f, record);
    case RT_RECORD_DECISION:
        return walk_decision(f, record);
    case RT_RECORD_START:
        br_state_apply_start(f->state, record);
        return RT_OK;
    case RT_RECORD_REJECT:
    case RT_RECORD_PLAYBOOKS: // the edited set stays
        f->state->meta.clock_ms = record->at_ms;
        return RT_OK;
    case RT_RECORD_COMMIT:
        return RT_OK;
    }
    return rt_fail(RT_EVERSION, "record %llu is of unknown kind %d",
                   (unsigned long long)record->seq, (int)record->kind);
}

static bool
goes_on(br__fork *f, const rt_record *record)
{
    const br_backtest_config *config = f->config;
    if (config->until_seq != 0 && record->seq > config->until_seq) {
        return false;
    }
    if (config->on_progress == NULL || f->result->records % PROGRESS_EVERY != 0) {
        return true;
    }
    br_backtest_progress progress = {.seq = record->seq,
                                     .at_ms = record->at_ms,
                                     .records = f->result->records,
                                     .events = f->result->events};
    f->result->was_stopped = !config->on_progress(config->user, &progress);
    return !f->result->was_stopped;
}

static rt_err
walk(br__fork *f)
{
    rt_journal_reader *reader;
    rt_record record;
    rt_err err = rt_journal_reader_open(f->config->journal_dir, 0, &reader);
    if (err != RT_OK) {
        return err;
    }
    if (!f->config->verify) {
        rt_journal_reader_trust(reader);
    }
    while ((err = rt_journal_reader_next(reader, &record)) == RT_OK) {
        if (f->result->records == 0) {
            f->result->first_seq = record.seq;
            f->result->is_partial = record.seq != 1;
        }
        if (!goes_on(f, &record)) {
            break;
        }
        err = walk_record(f, &record);
        if (err != RT_OK) {
            break;
        }
        f->seq = record.seq;
        f->result->records++;
        f->result->last_seq = record.seq;
    }
    rt_journal_reader_close(reader);
    rt_journal_reader_close(f->scout);
    if (err == RT_EEND || err == RT_OK) {
        err = quiesce(f);
    }
    return err;
}

// --- parts ---------------------------------------------------------------------------------------

static void
open_state_parts(br__fork *f)
{
    f->store = rt_store_open_memory();
    f->skipped = rt_map_new();
    f->matched = rt_map_new();
    f->recorded_timers = rt_map_new();
    f->timers = rt_map_new();
    f->own_seq = BR__OWN_SEQ;
    f->seq = 0;
    f->first = 0;
    f->queue_first = 0;
    f->queue_count = 0;
    f->raise = (br__fork_raise){.seq = 0};
    f->was_decided = false;
    f->in_batch = false;
}

static void
close_state_parts(br__fork *f)
{
    br_state_free(f->state);
    f->state = NULL;
    rt_store_close(f->store);
    rt_map_free(f->skipped);
    rt_map_free(f->matched);
    rt_map_free(f->recorded_timers);
    rt_map_free(f->timers);
}

rt_err
br__fork_open(br__fork *f, rt_diag *diag)
{
    open_state_parts(f);
    f->pending = br_pending_new();
    f->items = rt_new_array(br__fork_item, BR_PENDING_MAX);
    f->situation = rt_new(br_situation);
    f->known = rt_new(br_situation);
    f->arena = rt_arena_new(FORK_ARENA_MAX);
    f->decide_arena = rt_arena_new(FORK_ARENA_MAX);
    f->decode_arena = rt_arena_new(FORK_ARENA_MAX);
    rt_mpw_init(&f->scratch, FORK_WIRE_MAX);
    rt_mpw_init(&f->wire, FORK_WIRE_MAX);
    rt_mpw_init(&f->context, FORK_WIRE_MAX);
    rt_mpw_init(&f->payload, FORK_WIRE_MAX);
    f->queue = rt_new_array(br__fork_action, BR_OUTBOX_MAX);
    return br_state_new(f->store, &f->config->state, diag, &f->state);
}

static void
go_live(br__fork *f, br_playbooks *set)
{
    br_playbooks_free(f->state->playbooks);
    f->state->playbooks = set;
}

rt_err
br__fork_renew(br__fork *f, br_playbooks *set)
{
    rt_diag *diag = rt_diag_new();
    close_state_parts(f);
    while (br_pending_count(f->pending) > 0) { // it is large: emptied, not made anew
        br_pending_pop(f->pending);
    }
    open_state_parts(f);
    rt_err err = br_state_new(f->store, &f->config->state, diag, &f->state);
    rt_diag_free(diag);
    if (err == RT_OK) {
        go_live(f, set);
    } else {
        br_playbooks_free(set);
    }
    return err;
}

void
br__fork_close(br__fork *f)
{
    close_state_parts(f);
    br_pending_free(f->pending);
    rt_free(f->items);
    rt_free(f->situation);
    rt_free(f->known);
    rt_arena_free(f->arena);
    rt_arena_free(f->decide_arena);
    rt_arena_free(f->decode_arena);
    rt_mpw_fini(&f->scratch);
    rt_mpw_fini(&f->wire);
    rt_mpw_fini(&f->context);
    rt_mpw_fini(&f->payload);
    rt_free(f->queue);
}

// Fires what is due up to a time, one time after the other, each with what it leads to; with the
// events' own clock all that is due fires together, when the event comes that moves the clock.
static rt_err
pass_time(br__fork *f, int64_t until_ms)
{
    bool together = f->config->clock_from_events;
    rt_err err = quiesce(f);
    while (err == RT_OK && br_timers_next_ms(f->state->timers) <= until_ms) {
        err = br__fork_fire(f, together ? until_ms : br_timers_next_ms(f->state->timers));
        if (err == RT_OK) {
            err = quiesce(f);
        }
    }
    return err;
}

rt_err
br__fork_wait(br__fork *f, int64_t until_ms)
{
    rt_err err = pass_time(f, until_ms);
    f->state->meta.clock_ms = RT_MAX(f->state->meta.clock_ms, until_ms);
    return err;
}

rt_err
br__fork_happen(br__fork *f, rt_event *event)
{
    rt_err err = br__fork_wait(f, event->time_ms);
    if (err == RT_OK) {
        event->seq = ++f->own_seq;
        event->at_ms = f->state->meta.clock_ms;
        err = br__fork_take(f, event, true, true);
    }
    return err == RT_OK ? quiesce(f) : err;
}

// What somebody asks about after the end of the record.
static rt_err
go_beyond(br__fork *f)
{
    rt_event event;
    rt_err err = RT_OK;
    while (err == RT_OK && f->config->next_event != NULL &&
           f->config->next_event(f->config->user, &event)) {
        event.time_ms = RT_MAX(event.time_ms, f->state->meta.clock_ms);
        err = br__fork_happen(f, &event);
    }
    return err;
}

rt_err
br_backtest(const br_backtest_config *config, rt_diag *diag, br_backtest_result *ret_result)
{
    memset(ret_result, 0, sizeof(*ret_result));
    br__fork f = {.config = config, .result = ret_result};
    br_playbooks *set = NULL;
    rt_err err = br__fork_open(&f, diag);
    if (err == RT_OK) {
        err = br_playbooks_compile(config->state.pack, config->files, config->file_count,
                                   config->version, diag, &set);
    }
    if (err == RT_OK) {
        go_live(&f, set);
        err = walk(&f);
    }
    if (err == RT_OK) {
        err = go_beyond(&f);
    }
    if (err == RT_OK) {
        ret_result->undecided = br_pending_count(f.pending);
        if (config->on_end != NULL) {
            config->on_end(config->user, f.state);
        }
    }
    br__fork_close(&f);
    return err;
}
