// Design notes.
// The replay is the live brain without doors, threads and clock: the same fold, the same br_decide,
// the same agents through the runner. Answers are kept until the decision of their event comes up;
// events and decisions interleave in the journal just as they did live.
#include "brain/core/replay.h"

#include <stdio.h>

#include "brain/core/decide.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

#define REPLAY_ARENA_MAX (64u * 1024 * 1024)
#define KEPT_BYTES_MAX (16u * 1024 * 1024)

// An event on its way to its decision, with what the agents said, encoded.
typedef struct kept {
    uint64_t seq;
    rt_mpw answer; // msg_answer, or empty
} kept;

typedef struct replaying {
    const br_replay_config *config;
    rt_diag *diag;
    int64_t now_us; // moves on when an agent has to rest
    rt_store *store;
    rt_store *agents_store;
    br_state *state;
    br_runner *runner;
    br_pending *pending;
    br_situation *situation;
    kept *answers; // ring parallel to pending
    size_t first;
    rt_arena *arena;
    rt_arena *decode_arena;
    rt_mpw scratch;
    void (*on_difference)(void *user, uint64_t event_seq, rt_bytes recorded, rt_bytes again);
    void *user;
    br_replay_result *result;
} replaying;

static kept *
kept_at(replaying *r, size_t index)
{
    return &r->answers[(r->first + index) % BR_PENDING_MAX];
}

static void
hear_agents(replaying *r, const rt_record *record)
{
    msg_answers said;
    // a record that cannot be decoded changes nothing, as it did live
    RT_IGNORE(br_runner_feed(r->runner, record, r->now_us));
    // an agent that fails takes its rest at once; what it cannot take became a dead letter live too
    for (int64_t at_us = br_runner_poll(r->runner, r->now_us); at_us >= 0;
         at_us = br_runner_poll(r->runner, r->now_us)) {
        r->now_us = RT_MAX(at_us, r->now_us + 1);
    }
    br_runner_take(r->runner, &said);
    const msg_answer *answers = said.answers.items;
    for (uint32_t i = 0; i < said.answers.count; i++) {
        for (size_t at = br_pending_count(r->pending); at > 0; at--) {
            kept *item = kept_at(r, at - 1);
            if (item->seq == answers[i].seq) {
                rt_msg_encode(&msg_answer_def, &answers[i], &item->answer);
                break;
            }
        }
    }
}

static void
compare_context(replaying *r, const rt_event *event)
{
    rt_mpw_clear(&r->scratch);
    br_situation_encode(r->situation, &r->scratch);
    r->result->contexts += !rt_bytes_equal(rt_mpw_view(&r->scratch), event->context);
}

static rt_err
replay_event(replaying *r, const rt_record *record)
{
    rt_event event;
    rt_err err = rt_event_decode_record(br_pack_catalog(r->config->state.pack), record->seq,
                                        record->at_ms, record->payload, &event);
    if (err != RT_OK) {
        return err;
    }
    r->result->events++;
    br_state_situate(r->state, &event, event.at_ms, r->situation);
    compare_context(r, &event);
    if ((record->flags & RT_RECORD_UNDECIDED) != 0) {
        br_consulted_event said;
        if (!br_pending_room(r->pending, 0)) {
            return rt_fail(RT_ELIMIT, "more undecided events than a brain can hold");
        }
        err = br_state_consult(r->state, r->situation, r->arena, &r->scratch, &said);
        if (err != RT_OK && err != RT_ELIMIT) { // live it went on without them, too
            return err;
        }
        bool follow = said.follow && record->payload.len <= BR_PENDING_PAYLOAD_MAX;
        kept *item = kept_at(r, br_pending_count(r->pending));
        // found through its head
        RT_IGNORE(br_pending_push(r->pending, &event, said.consultation,
                                  follow ? record->payload : (rt_bytes){NULL, 0}));
        item->seq = event.seq;
        rt_mpw_clear(&item->answer);
    }
    br_state_apply_event(r->state, &event, r->situation);
    hear_agents(r, record);
    return RT_OK;
}

static bool
is_missing(const msg_decision *decision, rt_str agent)
{
    const rt_str *missing = decision->missing.items;
    for (uint32_t i = 0; i < decision->missing.count; i++) {
        if (rt_str_equal(missing[i], agent)) {
            return true;
        }
    }
    return false;
}

// Takes out what agents recorded as missing said: the brain did not hear it.
static void
leave_out(msg_answer *answer, const msg_decision *recorded)
{
#define KEEP(list, type, name)                                                \
    do {                                                                      \
        type *items = answer->list.items;                                     \
        uint32_t left = 0;                                                    \
        for (uint32_t i = 0; i < answer->list.count; i++) {                   \
            if (!is_missing(recorded, items[i].name)) {                       \
                items[left++] = items[i];                                     \
            }                                                                 \
        }                                                                     \
        answer->list.count = left;                                            \
    } while (0)
    KEEP(proposals, msg_proposal, agent);
    KEEP(predictions, msg_prediction, agent);
    KEEP(emissions, msg_emission, agent);
    KEEP(timers, msg_timer, owner);
#undef KEEP
}

static rt_err
decide_again(replaying *r, const rt_record *record, const msg_decision *recorded)
{
    br_undecided *head = br_pending_head(r->pending);
    if (head == NULL || head->seq != recorded->event_seq) {
        return rt_fail(RT_ECORRUPT, "record %llu decides on event %llu, which is not the next",
                       (unsigned long long)record->seq, (unsigned long long)recorded->event_seq);
    }
    br_hearing hearing = {.event = head,
                          .now_ms = record->at_ms,
                          .missing = recorded->missing.items,
                          .missing_count = recorded->missing.count};
    msg_answer answer;
    kept *item = kept_at(r, 0);
    if (item->answer.len > 0) {
        rt_mp mp = rt_mp_init(rt_mpw_view(&item->answer));
        rt_err err = rt_msg_decode(&msg_answer_def, &mp, r->arena, &answer);
        if (err != RT_OK) {
            return err;
        }
        leave_out(&answer, recorded);
        hearing.answers[hearing.answer_count++] = &answer;
    }
    br_outcome outcome;
    rt_err err = br_decide(r->state, &hearing, r->arena, &outcome);
    if (err != RT_OK) {
        return err;
    }
    rt_mpw_clear(&r->scratch);
    rt_msg_encode(&msg_decision_def, &outcome.decision, &r->scratch);
    if (!rt_bytes_equal(rt_mpw_view(&r->scratch), record->payload)) {
        if (r->result->differences++ == 0) {
            r->result->first_difference_seq = recorded->event_seq;
        }
        if (r->on_difference != NULL) {
            r->on_difference(r->user, recorded->event_seq, record->payload,
                             rt_mpw_view(&r->scratch));
        }
    }
    return RT_OK;
}

static rt_err
replay_decision(replaying *r, const rt_record *record)
{
    msg_decision recorded;
    rt_mp mp = rt_mp_init(record->payload);
    rt_arena_reset(r->decode_arena);
    rt_arena_reset(r->arena);
    rt_err err = rt_msg_decode(&msg_decision_def, &mp, r->decode_arena, &recorded);
    if (err == RT_OK) {
        err = decide_again(r, record, &recorded);
    }
    if (err != RT_OK) {
        return err;
    }
    r->result->decisions++;
    br_pending_pop(r->pending);
    r->first = (r->first + 1) % BR_PENDING_MAX;
    // the recorded decision is what happened: a difference must not lead to others
    br_state_apply_decision(r->state, record, &recorded);
    if ((record->flags & RT_RECORD_SAID) != 0) {
        hear_agents(r, record);
    }
    return RT_OK;
}

static rt_err
replay_record(replaying *r, const rt_record *record)
{
    br_playbooks *set;
    rt_err err;
    switch (record->kind) {
    case RT_RECORD_EVENT:
        return replay_event(r, record);
    case RT_RECORD_DECISION:
        return replay_decision(r, record);
    case RT_RECORD_PLAYBOOKS:
        err = br_state_decode_playbooks(r->config->state.pack, record->payload, r->diag, &set);
        if (err == RT_OK) {
            br_state_apply_playbooks(r->state, record, set);
            hear_agents(r, record);
        }
        return err;
    case RT_RECORD_START:
        br_state_apply_start(r->state, record);
        return RT_OK;
    case RT_RECORD_REJECT:
        br_state_apply_reject(r->state, record);
        return RT_OK;
    case RT_RECORD_COMMIT:
        return RT_OK;
    }
    return rt_fail(RT_EVERSION, "record %llu is of unknown kind %d",
                   (unsigned long long)record->seq, (int)record->kind);
}

static rt_err
replay_all(replaying *r)
{
    rt_journal_reader *reader;
    rt_record record;
    rt_err err = rt_journal_reader_open(r->config->journal_dir, 1, &reader);
    if (err != RT_OK) {
        return err;
    }
    while ((err = rt_journal_reader_next(reader, &record)) == RT_OK) {
        if (r->result->records == 0 && record.seq != 1) {
            err = rt_fail(RT_ESTALE, "the journal begins at record %llu: older ones were recycled",
                          (unsigned long long)record.seq);
            break;
        }
        if (r->config->until_seq != 0 && record.seq > r->config->until_seq) {
            err = RT_EEND;
            break;
        }
        err = replay_record(r, &record);
        if (err != RT_OK) {
            break;
        }
        r->result->records++;
        r->result->last_seq = record.seq;
    }
    rt_journal_reader_close(reader);
    return err == RT_EEND ? RT_OK : err;
}

static rt_err
open_parts(replaying *r)
{
    br_runner_config runner = r->config->runner;
    r->store = rt_store_open_memory();
    r->agents_store = rt_store_open_memory();
    runner.store = r->agents_store;
    rt_err err = br_state_new(r->store, &r->config->state, r->diag, &r->state);
    if (err == RT_OK) {
        err = br_runner_new(&runner, &r->runner);
    }
    r->pending = br_pending_new();
    r->situation = rt_new(br_situation);
    r->answers = rt_new_array(kept, BR_PENDING_MAX);
    for (size_t i = 0; i < BR_PENDING_MAX; i++) {
        rt_mpw_init(&r->answers[i].answer, KEPT_BYTES_MAX);
    }
    r->arena = rt_arena_new(REPLAY_ARENA_MAX);
    r->decode_arena = rt_arena_new(REPLAY_ARENA_MAX);
    rt_mpw_init(&r->scratch, KEPT_BYTES_MAX);
    return err;
}

static void
close_parts(replaying *r)
{
    br_runner_free(r->runner);
    br_state_free(r->state);
    br_pending_free(r->pending);
    for (size_t i = 0; i < BR_PENDING_MAX; i++) {
        rt_mpw_fini(&r->answers[i].answer);
    }
    rt_free(r->answers);
    rt_free(r->situation);
    rt_mpw_fini(&r->scratch);
    rt_arena_free(r->arena);
    rt_arena_free(r->decode_arena);
    rt_store_close(r->store);
    rt_store_close(r->agents_store);
}

rt_err
br_replay(const br_replay_config *config, rt_diag *diag,
          void (*on_difference)(void *user, uint64_t event_seq, rt_bytes recorded, rt_bytes again),
          void *user, br_replay_result *ret_result)
{
    memset(ret_result, 0, sizeof(*ret_result));
    replaying r = {.config = config,
                   .diag = diag,
                   .on_difference = on_difference,
                   .user = user,
                   .result = ret_result};
    rt_err err = open_parts(&r);
    if (err == RT_OK) {
        err = replay_all(&r);
    }
    if (err == RT_OK) {
        ret_result->undecided = br_pending_count(r.pending);
        ret_result->state_hash = br_state_hash(r.state);
        ret_result->agents_hash = br_runner_hash(r.runner);
    }
    close_parts(&r);
    return err;
}
