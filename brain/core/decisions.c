// Decides what is answered, in journal order.
#include <stdio.h>

#include "brain/core/internal.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/seam/clock.h"

// A host that has been away for long is not waited for; one that is up has until the deadline.
static bool
overdue(const br_brain *brain, const br_undecided *event, int64_t now_us)
{
    if (now_us >= event->deadline_us && brain->doors_open) {
        return true;
    }
    for (unsigned h = 0; h < brain->host_count; h++) {
        const br_host_link *host = &brain->hosts[h];
        bool waits = (event->waiting >> h & 1) != 0;
        if (waits && (host->up || now_us - host->down_since_us < BR_HOST_PATIENCE_US)) {
            return false;
        }
    }
    return true;
}

static void
refuse_emission(br_brain *brain, const msg_emission *emission, const rt_reject *reject)
{
    brain->metrics.emissions_refused++;
    rt_log_warn("emission-refused", "agent=%.*s event=%.*s path=%s error=\"%s\"",
                RT_STR_ARG(emission->agent), RT_STR_ARG(emission->event), reject->path,
                reject->text);
    br__reject_record(brain, emission->agent, reject, emission->data);
}

static void
raise_emissions(br_brain *brain, const br_undecided *event, const br_outcome *outcome)
{
    for (uint32_t i = 0; i < outcome->emission_count; i++) {
        const msg_emission *emission = &outcome->emissions[i];
        char id[64];
        char source[96];
        char type[96];
        rt_reject reject;
        int id_len = snprintf(id, sizeof(id), "%llu.%u", (unsigned long long)event->seq, i);
        int source_len = snprintf(source, sizeof(source), "/agents/%.*s",
                                  RT_STR_ARG(emission->agent));
        snprintf(type, sizeof(type), "%.*s", RT_STR_ARG(emission->event));
        br_internal_event raised = {
            .type = type,
            .tenant = event->tenant,
            .id = {id, (size_t)id_len},
            .source = {source, (size_t)RT_MIN(source_len, (int)sizeof(source) - 1)},
            .subject = emission->subject,
            .correlation = event->correlation.len > 0 ? event->correlation : event->id,
            .causation = event->id,
            .depth = (uint8_t)(event->depth + 1),
            .time_ms = RT_TIME_NONE,
            .data = emission->data};
        if (br__take_internal(brain, &raised, &reject) != RT_OK) {
            refuse_emission(brain, emission, &reject);
        }
    }
}

// An action that raises an event, decided on the last event of a chain that is as long as may be,
// will be refused: here it is still known who asked for it.
static void
tell_of_loop(br_brain *brain, const msg_decision *decision, const msg_candidate *candidate)
{
    const msg_proposal *proposal = &candidate->proposal;
    const br_action *action = br_pack_action(brain->config.pack, proposal->action);
    if (decision->depth < RT_EVENT_DEPTH_MAX || action == NULL ||
        action->executor != BR_EXECUTE_EMIT) {
        return;
    }
    brain->metrics.action_loops_cut++;
    rt_log_warn("action-loop", "proposer=%.*s action=%.*s event=%.*s raises=%.*s depth=%d: cut "
                "off, see decisions explain %llu",
                RT_STR_ARG(proposal->agent), RT_STR_ARG(proposal->action),
                RT_STR_ARG(decision->event_type), RT_STR_ARG(action->emits), RT_EVENT_DEPTH_MAX,
                (unsigned long long)decision->event_seq);
}

static void
queue_winners(br_brain *brain, const msg_decision *decision)
{
    const msg_candidate *candidates = decision->candidates.items;
    for (uint32_t i = 0; i < decision->candidates.count; i++) {
        if (candidates[i].action_id.len > 0) {
            br__execute_add(brain, candidates[i].action_id);
            tell_of_loop(brain, decision, &candidates[i]);
        }
    }
}

static void
decide_one(br_brain *brain, br_undecided *event, int64_t now_us)
{
    br_hearing hearing = {.event = event, .now_ms = br__now_ms(brain, RT_TIME_NONE)};
    br_outcome outcome;
    rt_record record;
    rt_arena_reset(brain->decide_arena);
    br__hosts_collect(brain, event, &hearing);
    rt_err err = br_decide(brain->state, &hearing, brain->decide_arena, &outcome);
    if (err != RT_OK) {
        br__fail(brain, err, "a decision could not be made");
        return;
    }
    bool said = outcome.decision.candidates.count > 0 || outcome.decision.predictions.count > 0;
    rt_mpw *w = rt_journal_begin(brain->journal, RT_RECORD_DECISION, said ? RT_RECORD_SAID : 0,
                                 hearing.now_ms);
    rt_msg_encode(&msg_decision_def, &outcome.decision, w);
    err = rt_journal_end(brain->journal, &record);
    if (err != RT_OK) {
        br__fail(brain, err, "a decision could not be recorded");
        return;
    }
    br_state_apply_decision(brain->state, &record, &outcome.decision);
    br__hosts_note(brain, &record, NULL, said);
    br__publish_decision(brain, &record, event->tenant.v);
    queue_winners(brain, &outcome.decision);
    brain->metrics.decisions++;
    brain->metrics.decisions_crowded += outcome.decision.crowded > 0;
    brain->metrics.decisions_missing_agent += hearing.missing_count > 0;
    int64_t taken_us = event->deadline_us - brain->config.deadline_ms * 1000;
    br_histogram_add(&brain->metrics.decide_us, (uint64_t)RT_MAX(now_us - taken_us, 0));
    raise_emissions(brain, event, &outcome);
}

bool
br__decide_ready(br_brain *brain)
{
    int64_t now_us = rt_clock_mono_us();
    uint32_t decided = 0;
    while (brain->failed == RT_OK && decided < BR_TURN_EVENTS_MAX && br__turn_room(brain)) {
        br_undecided *event = br_pending_head(brain->pending);
        if (event == NULL || (event->waiting != 0 && !overdue(brain, event, now_us))) {
            break;
        }
        uint64_t seq = event->seq;
        decide_one(brain, event, now_us);
        br_pending_pop(brain->pending);
        br__hosts_drop(brain, seq);
        decided++;
    }
    return decided > 0;
}
