// harness/course_kit.h: events, decisions and timers of one tenant over the real pack, without a
// brain, for tests of what playbooks do over time.
//
// Layer: tests (links brain).   Threads: one.
// Every event is decided at once and every action is done at once. `now_ms` only moves when a test
// says so; due timers fire on the way, in order.
#ifndef CEREBRO_TESTS_HARNESS_COURSE_KIT_H
#define CEREBRO_TESTS_HARNESS_COURSE_KIT_H

#include <stdio.h>

#include "brain/core/decide.h"
#include "tests/harness/state_kit.h"

typedef struct course_kit {
    br_pack *pack;
    rt_store *store;
    br_state *state;
    br_situation *situation;
    rt_arena *arena; // of the last decision
    rt_arena *consult_arena;
    rt_mpw wire;
    rt_mpw context;
    rt_mpw payload;
    rt_mpw said;
    uint64_t seq;
    int64_t now_ms;
    bool outcomes; // actions that win are done at once
    br_outcome out; // of the last decision
    uint64_t event_seq; // of the last event decided
    uint32_t acted; // winners since the beginning
} course_kit;

// course_kit_open makes one at noon in Bogotá, without playbooks.
static inline course_kit *
course_kit_open(void)
{
    course_kit *k = rt_new(course_kit);

    k->pack = pack_kit_real();
    k->store = rt_store_open_memory();
    k->state = state_kit_open(k->store, k->pack);
    k->situation = rt_new(br_situation);
    k->arena = rt_arena_new(16 << 20);
    k->consult_arena = rt_arena_new(16 << 20);
    rt_mpw_init(&k->wire, 1 << 20);
    rt_mpw_init(&k->context, 1 << 20);
    rt_mpw_init(&k->payload, 1 << 20);
    rt_mpw_init(&k->said, 1 << 20);
    k->now_ms = STATE_KIT_NOON_MS;
    k->outcomes = true;
    state_kit_start(k->state, ++k->seq, "abcd1234");
    return k;
}

// course_kit_close frees it.
static inline void
course_kit_close(course_kit *k)
{
    rt_mpw_fini(&k->said);
    rt_mpw_fini(&k->payload);
    rt_mpw_fini(&k->context);
    rt_mpw_fini(&k->wire);
    rt_arena_free(k->consult_arena);
    rt_arena_free(k->arena);
    rt_free(k->situation);
    br_state_free(k->state);
    rt_store_close(k->store);
    br_pack_free(k->pack);
    rt_free(k);
}

// course_kit_play makes one playbook live as the whole set.
static inline void
course_kit_play(course_kit *k, const char *text)
{
    br_playbooks *set = state_kit_playbook(k->pack, text, k->state->meta.playbooks_version + 1);
    rt_record record = {.seq = ++k->seq, .at_ms = k->now_ms, .kind = RT_RECORD_PLAYBOOKS};

    br_state_apply_playbooks(k->state, &record, set);
}

static inline void course_kit_outcomes(course_kit *k);

// course_kit_take takes and decides one event that is decoded already.
static inline void
course_kit_take(course_kit *k, rt_event *event)
{
    br_consulted_event said;
    rt_record record = {.at_ms = k->now_ms, .kind = RT_RECORD_DECISION};

    event->seq = ++k->seq;
    event->at_ms = k->now_ms;
    br_state_situate(k->state, event, event->at_ms, k->situation);
    rt_mpw_clear(&k->context);
    br_situation_encode(k->situation, &k->context);
    event->context = rt_mpw_view(&k->context);
    rt_mpw_clear(&k->payload);
    rt_event_encode(event, &k->payload);
    CHECK_OK(br_state_consult(k->state, k->situation, k->consult_arena, &k->said, &said));
    br_undecided item = {.seq = event->seq,
                         .at_ms = event->at_ms,
                         .type = event->type,
                         .tenant = event->tenant,
                         .id = event->id,
                         .subject = event->subject,
                         .consultation = said.consultation};
    if (said.follow) {
        item.payload = rt_mpw_view(&k->payload);
    }
    br_state_apply_event(k->state, event, k->situation);
    br_hearing hearing = {.event = &item, .now_ms = k->now_ms};
    rt_arena_reset(k->arena);
    CHECK_OK(br_decide(k->state, &hearing, k->arena, &k->out));
    record.seq = ++k->seq;
    br_state_apply_decision(k->state, &record, &k->out.decision);
    k->event_seq = item.seq;
    k->acted += k->out.winner_count;
    if (k->outcomes) {
        course_kit_outcomes(k);
    }
}

// course_kit_own takes an event of the brain's own; `fold_only` does not decide on it.
static inline void
course_kit_own(course_kit *k, const char *type, const char *subject, const char *data,
               bool fold_only)
{
    char json[8192];
    rt_event event;
    rt_mpw wire;

    rt_mpw_init(&wire, 1 << 20);
    (void)snprintf(json, sizeof(json),
                   "{\"id\":\"i%llu\",\"source\":\"/brain/control\",\"type\":\"%s\","
                   "\"subject\":\"%s\",\"data\":%s}",
                   (unsigned long long)k->seq, type, subject, data);
    pack_kit_event(k->pack, json, &wire, &event);
    event.internal = true;
    if (fold_only) {
        event.seq = ++k->seq;
        event.at_ms = k->now_ms;
        br_state_situate(k->state, &event, event.at_ms, k->situation);
        br_state_apply_event(k->state, &event, k->situation);
    } else {
        course_kit_take(k, &event);
    }
    rt_mpw_fini(&wire);
}

// course_kit_outcomes says that all actions of the last decision are done.
static inline void
course_kit_outcomes(course_kit *k)
{
    const msg_candidate *candidates = k->out.decision.candidates.items;

    for (uint32_t i = 0; i < k->out.decision.candidates.count; i++) {
        char data[512];

        if (candidates[i].action_id.len == 0) {
            continue;
        }
        (void)snprintf(data, sizeof(data),
                       "{\"action_id\":\"%.*s\",\"action\":\"%.*s\",\"decision_seq\":%llu,"
                       "\"status\":\"executed\"}",
                       RT_STR_ARG(candidates[i].action_id),
                       RT_STR_ARG(candidates[i].proposal.action),
                       (unsigned long long)k->event_seq);
        course_kit_own(k, "action.executed", "", data, true);
    }
}

// course_kit_event takes and decides an event of a producer.
static inline void
course_kit_event(course_kit *k, const char *type, const char *subject, const char *data)
{
    char json[8192];
    rt_event event;
    rt_mpw wire;

    rt_mpw_init(&wire, 1 << 20);
    (void)snprintf(json, sizeof(json),
                   "{\"id\":\"e%llu\",\"source\":\"/s\",\"type\":\"%s\",\"subject\":\"%s\","
                   "\"data\":%s}",
                   (unsigned long long)k->seq, type, subject, data);
    pack_kit_event(k->pack, json, &wire, &event);
    course_kit_take(k, &event);
    rt_mpw_fini(&wire);
}

// course_kit_wait lets time pass; due timers fire on the way. Afterwards `out` is the decision on
// the last one that fired, if any did.
static inline void
course_kit_wait(course_kit *k, int64_t ms)
{
    int64_t until_ms = k->now_ms + ms;
    br_due due;

    while (br_timers_due(k->state->timers, until_ms, &due)) {
        char data[512];
        char subject[256];

        k->now_ms = RT_MAX(k->now_ms, due.due_ms);
        (void)snprintf(data, sizeof(data), "{\"owner\":\"%.*s\",\"key\":\"%.*s\"}",
                       RT_STR_ARG(due.owner), RT_STR_ARG(due.key));
        (void)snprintf(subject, sizeof(subject), "%.*s", RT_STR_ARG(due.subject));
        course_kit_own(k, "timer.fired", subject, data, false);
    }
    k->now_ms = until_ms;
}

// course_kit_said finds what the last decision says of a playbook, or NULL.
static inline const msg_consulted *
course_kit_said(const course_kit *k, const char *playbook)
{
    const msg_consulted *list = k->out.decision.consulted.items;

    for (uint32_t i = 0; i < k->out.decision.consulted.count; i++) {
        if (rt_str_is(list[i].playbook, playbook)) {
            return &list[i];
        }
    }
    return NULL;
}

// course_kit_wants checks verdict and detail (a part of it) of playbook `p` in the last decision.
static inline void
course_kit_wants(const course_kit *k, const char *verdict, const char *detail)
{
    const msg_consulted *said = course_kit_said(k, "p");

    CHECK_TRUE(said != NULL);
    CHECK_STR(said->verdict, verdict);
    CHECK_HAS(said->detail, detail);
}

// course_kit_first is the first candidate of the last decision.
static inline const msg_candidate *
course_kit_first(const course_kit *k)
{
    CHECK_TRUE(k->out.decision.candidates.count > 0);
    return k->out.decision.candidates.items;
}

#endif
