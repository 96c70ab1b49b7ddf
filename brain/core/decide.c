#include "brain/core/decide.h"

#include <float.h>
#include <stddef.h>
#include <stdio.h>

#include "brain/playbook/guard.h"
#include "runtime/base/check.h"

#define EMISSIONS_MAX 64
#define TIMERS_MAX 128
#define PREDICTIONS_MAX 64
#define SIMILAR_MAX 8
#define RECALLED_MAX 8
#define RECALL_SINCE_MS (90LL * 24 * 60 * 60 * 1000)

typedef struct deciding {
    const br_state *state;
    const br_hearing *hearing;
    rt_arena *arena;
    msg_consultation consultation;
    br_course course;
    br_candidate *candidates;
    uint32_t candidate_count;
    const br_candidate *admitted[BR_CANDIDATES_MAX];
    uint32_t admitted_count;
    uint64_t crowded; // left out because a bound was reached
    br_outcome *out;
} deciding;

static bool
in_shadow(const deciding *d, rt_str agent)
{
    const rt_str *shadow = d->consultation.shadow.items;
    for (uint32_t i = 0; i < d->consultation.shadow.count; i++) {
        if (rt_str_equal(shadow[i], agent)) {
            return true;
        }
    }
    return false;
}

static void
add_candidate(deciding *d, const msg_proposal *proposal)
{
    br_candidate *candidate = &d->candidates[d->candidate_count++];
    candidate->msg.proposal = *proposal;
    candidate->action = br_pack_action(d->state->config.pack, proposal->action);
    candidate->shadow = in_shadow(d, proposal->agent);
}

// How many items of a list the agents' answers hold together; arrays are made as long as they need
// to be, because zeroing the longest possible ones would cost more than deciding.
static uint32_t
answered(const deciding *d, size_t list_offset)
{
    uint32_t count = 0;
    for (uint32_t h = 0; h < d->hearing->answer_count; h++) {
        const uint8_t *answer = (const uint8_t *)d->hearing->answers[h];
        rt_msg_list list;
        memcpy(&list, answer + list_offset, sizeof(list));
        count += list.count;
    }
    return count;
}

// A playbook that acted for the same key within its period proposes nothing now.
static bool
throttled(deciding *d, const msg_proposal *proposal)
{
    msg_consulted *consulted = d->consultation.consulted.items;
    const rt_str prefix = RT_STR("playbook:");
    rt_str id = {proposal->agent.ptr + prefix.len, proposal->agent.len - prefix.len};
    for (uint32_t i = 0; i < d->consultation.consulted.count; i++) {
        if (!rt_str_equal(consulted[i].playbook, id)) {
            continue;
        }
        int64_t ago;
        if (rt_str_is(consulted[i].verdict, "fired") &&
            br_state_throttled(d->state, d->hearing->event->tenant, id, consulted[i].throttle_key,
                               d->hearing->now_ms, &ago)) {
            char text[32];
            consulted[i].verdict = RT_STR("throttled");
            consulted[i].detail = rt_arena_printf(d->arena, "fired %s ago for the same key",
                                                  rt_format_duration(ago, text, sizeof(text)));
        }
        return rt_str_is(consulted[i].verdict, "throttled");
    }
    return false;
}

static void
gather_playbooks(deciding *d)
{
    const msg_proposal *proposals = d->consultation.proposals.items;
    for (uint32_t i = 0; i < d->consultation.proposals.count; i++) {
        if (!throttled(d, &proposals[i])) {
            add_candidate(d, &proposals[i]);
        }
    }
}

#define SORTED_ITEM_MAX 512

// Answers come per host; within the record everything stands in order of agents' names, so that it
// does not matter which host ran an agent or answered first. Every item sorted here begins with
// the name of its agent (asserted below).
static void
sort_by_agent(void *items, size_t size, uint32_t count)
{
    uint8_t *bytes = items;
    uint8_t moved[SORTED_ITEM_MAX];
    RT_ASSERT(size <= sizeof(moved));
    for (uint32_t i = 1; i < count; i++) {
        uint32_t at = i;
        rt_str b;
        memcpy(moved, bytes + i * size, size);
        memcpy(&b, moved, sizeof(b));
        for (; at > 0; at--) {
            rt_str a;
            memcpy(&a, bytes + (at - 1) * size, sizeof(a));
            size_t len = RT_MIN(a.len, b.len); // a name may be empty, and then has no pointer
            int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;
            if (order < 0 || (order == 0 && a.len <= b.len)) {
                break;
            }
            memcpy(bytes + at * size, bytes + (at - 1) * size, size);
        }
        memcpy(bytes + at * size, moved, size);
    }
}

_Static_assert(offsetof(br_candidate, msg.proposal.agent) == 0, "sorted by it");
_Static_assert(offsetof(msg_prediction, agent) == 0, "sorted by it");
_Static_assert(offsetof(msg_emission, agent) == 0, "sorted by it");
_Static_assert(offsetof(msg_timer, owner) == 0, "sorted by it");
_Static_assert(sizeof(br_candidate) <= SORTED_ITEM_MAX, "sorted through a buffer");

static void
gather_agents(deciding *d)
{
    uint32_t from = d->candidate_count;
    for (uint32_t h = 0; h < d->hearing->answer_count; h++) {
        const msg_answer *answer = d->hearing->answers[h];
        const msg_proposal *proposals = answer->proposals.items;
        for (uint32_t i = 0; i < answer->proposals.count; i++) {
            add_candidate(d, &proposals[i]);
        }
    }
    sort_by_agent(d->candidates + from, sizeof(br_candidate), d->candidate_count - from);
}

// Vetoes stay in any case: leaving one out would let through what it forbids.
static double
worth(const br_candidate *candidate)
{
    const msg_proposal *p = &candidate->msg.proposal;
    return p->veto ? DBL_MAX : (double)p->priority * p->confidence;
}

// Too many proposals: those that would win least are left out, which the record says.
static void
keep_best(deciding *d)
{
    while (d->candidate_count > BR_CANDIDATES_MAX) {
        uint32_t least = 0;
        for (uint32_t i = 1; i < d->candidate_count; i++) {
            least = worth(&d->candidates[i]) <= worth(&d->candidates[least]) ? i : least;
        }
        d->candidate_count--;
        d->crowded++;
        memmove(&d->candidates[least], &d->candidates[least + 1],
                (d->candidate_count - least) * sizeof(br_candidate));
    }
}

// Which items are left out does not depend on the order of the answers: they are sorted before.
static uint32_t
keep_first(deciding *d, uint32_t count, uint32_t max)
{
    d->crowded += count > max ? count - max : 0;
    return RT_MIN(count, max);
}

static bool
admit(void *user, br_candidate *candidate)
{
    deciding *d = user;
    br_admission admission = {.tenant = d->hearing->event->tenant,
                              .now_ms = d->hearing->now_ms,
                              .candidate = candidate,
                              .admitted = d->admitted,
                              .admitted_count = d->admitted_count};
    const msg_proposal *proposal = &candidate->msg.proposal;
    if (!br_gate_admit(d->state->gate, &admission)) {
        candidate->waits =
            strcmp(candidate->why, BR_GATE_QUIET) == 0 &&
            br_course_quiet(&d->course, proposal,
                            br_gate_quiet_until_ms(d->state->gate, admission.tenant,
                                                   admission.now_ms));
        return false;
    }
    if (!br_course_admit(&d->course, proposal, candidate->action, candidate->why, BR_WHY_MAX,
                         &candidate->waits)) {
        return false;
    }
    d->admitted[d->admitted_count++] = candidate;
    return true;
}

static bool
number_actions(deciding *d)
{
    uint32_t number = 0;
    for (uint32_t i = 0; i < d->candidate_count; i++) {
        msg_candidate *msg = &d->candidates[i].msg;
        if (msg->proposal.veto || !rt_str_is(msg->verdict, "won")) {
            continue;
        }
        msg->action_id =
            rt_arena_printf(d->arena, "%.*s-%llu-%u", BR_INSTANCE_LEN, d->state->meta.instance,
                            (unsigned long long)d->hearing->event->seq, number++);
        if (msg->action_id.ptr == NULL) {
            return false;
        }
    }
    d->out->winner_count = number;
    return true;
}

static bool
won_any(const deciding *d, rt_str agent)
{
    for (uint32_t i = 0; i < d->candidate_count; i++) {
        const msg_candidate *msg = &d->candidates[i].msg;
        if (msg->action_id.len > 0 && rt_str_equal(msg->proposal.agent, agent)) {
            return true;
        }
    }
    return false;
}

static bool
playbook_won(const deciding *d, rt_str id)
{
    char agent[256];
    int len = snprintf(agent, sizeof(agent), "playbook:%.*s", RT_STR_ARG(id));
    return won_any(d, (rt_str){agent, (size_t)RT_MIN(len, (int)sizeof(agent) - 1)});
}

// A throttle counts what was done, not what was wished: a playbook whose actions all lost, were
// refused or are in shadow may ask again. To do nothing, where a policy chose it, is something.
static void
give_back_throttles(deciding *d)
{
    msg_consulted *consulted = d->consultation.consulted.items;
    for (uint32_t i = 0; i < d->consultation.consulted.count; i++) {
        bool took = consulted[i].throttle_key.len > 0 && rt_str_is(consulted[i].verdict, "fired");
        if (took && !playbook_won(d, consulted[i].playbook) &&
            !br_course_did_nothing(&d->course, consulted[i].playbook)) {
            consulted[i].throttle_key = RT_STR("");
        } else if (took) {
            br_course_took(&d->course, consulted[i].playbook, consulted[i].throttle_key);
        }
    }
}

static bool
fill_timers(deciding *d)
{
    uint32_t most = d->consultation.timers.count + d->course.timers.count +
                    answered(d, offsetof(msg_answer, timers));
    msg_timer *timers = rt_arena_array(d->arena, msg_timer, most);
    uint32_t count = 0;
    if (timers == NULL) {
        return false;
    }
    const msg_timer *own = d->consultation.timers.items;
    for (uint32_t i = 0; i < d->consultation.timers.count; i++) {
        if (won_any(d, own[i].owner)) { // nothing was done: nothing to verify
            timers[count++] = own[i];
        }
    }
    const msg_timer *course = d->course.timers.items;
    for (uint32_t i = 0; i < d->course.timers.count; i++) {
        timers[count++] = course[i];
    }
    uint32_t from = count;
    for (uint32_t h = 0; h < d->hearing->answer_count; h++) {
        const msg_timer *asked = d->hearing->answers[h]->timers.items;
        for (uint32_t i = 0; i < d->hearing->answers[h]->timers.count; i++) {
            timers[count++] = asked[i];
        }
    }
    sort_by_agent(timers + from, sizeof(msg_timer), count - from);
    count = keep_first(d, count, TIMERS_MAX);
    sort_by_agent(timers, sizeof(msg_timer), count);
    d->out->decision.timers = (rt_msg_list){timers, count};
    return true;
}

static bool
fill_predictions(deciding *d)
{
    uint32_t most = answered(d, offsetof(msg_answer, predictions));
    msg_prediction *predictions = rt_arena_array(d->arena, msg_prediction, most);
    uint32_t count = 0;
    if (predictions == NULL) {
        return false;
    }
    for (uint32_t h = 0; h < d->hearing->answer_count; h++) {
        const msg_prediction *said = d->hearing->answers[h]->predictions.items;
        for (uint32_t i = 0; i < d->hearing->answers[h]->predictions.count; i++) {
            predictions[count++] = said[i];
        }
    }
    sort_by_agent(predictions, sizeof(msg_prediction), count);
    count = keep_first(d, count, PREDICTIONS_MAX);
    d->out->decision.predictions = (rt_msg_list){predictions, count};
    return true;
}

static bool
fill_emissions(deciding *d)
{
    uint32_t most = d->consultation.emissions.count + answered(d, offsetof(msg_answer, emissions));
    msg_emission *emissions = rt_arena_array(d->arena, msg_emission, most);
    uint32_t count = 0;
    if (emissions == NULL) {
        return false;
    }
    const msg_emission *own = d->consultation.emissions.items;
    for (uint32_t i = 0; i < d->consultation.emissions.count; i++) {
        emissions[count++] = own[i];
    }
    for (uint32_t h = 0; h < d->hearing->answer_count; h++) {
        const msg_emission *raised = d->hearing->answers[h]->emissions.items;
        for (uint32_t i = 0; i < d->hearing->answers[h]->emissions.count; i++) {
            emissions[count++] = raised[i];
        }
    }
    sort_by_agent(emissions, sizeof(msg_emission), count);
    count = keep_first(d, count, EMISSIONS_MAX);
    d->out->emissions = emissions;
    d->out->emission_count = count;
    d->out->decision.emissions = count;
    return true;
}

static bool
fill_candidates(deciding *d)
{
    msg_candidate *list = rt_arena_array(d->arena, msg_candidate, d->candidate_count);
    if (list == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < d->candidate_count; i++) {
        list[i] = d->candidates[i].msg;
    }
    d->out->decision.candidates = (rt_msg_list){list, d->candidate_count};
    return true;
}

static bool
already_listed(const msg_similar *list, uint32_t count, rt_str action)
{
    for (uint32_t i = 0; i < count; i++) {
        if (rt_str_equal(list[i].action, action)) {
            return true;
        }
    }
    return false;
}

static bool
fill_similar(deciding *d)
{
    msg_similar *list = rt_arena_array(d->arena, msg_similar, SIMILAR_MAX);
    uint32_t count = 0;
    if (list == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < d->candidate_count && count < SIMILAR_MAX; i++) {
        const msg_proposal *proposal = &d->candidates[i].msg.proposal;
        msg_similar *similar = &list[count];
        if (!already_listed(list, count, proposal->action) &&
            br_similar_recall(d->state->similar, d->hearing->event->tenant,
                              d->hearing->event->type->name, proposal->action, d->hearing->now_ms,
                              &similar->count, &similar->reward)) {
            similar->action = proposal->action;
            count++;
        }
    }
    d->out->decision.similar = (rt_msg_list){list, count};
    return true;
}

static bool
fill_recalled(deciding *d)
{
    br_memory_entry entries[BR_MEMORIES_MAX];
    uint64_t *list = rt_arena_array(d->arena, uint64_t, RECALLED_MAX);
    const br_undecided *event = d->hearing->event;
    uint32_t count = 0;
    if (list == NULL) {
        return false;
    }
    uint32_t found = br_longterm_recall(d->state->longterm, event->tenant, BR_BY_SUBJECT,
                                        event->subject, d->hearing->now_ms - RECALL_SINCE_MS,
                                        entries);
    for (uint32_t i = 0; i < found && count < RECALLED_MAX; i++) {
        if (entries[i].seq < event->seq) {
            list[count++] = entries[i].seq;
        }
    }
    d->out->decision.recalled = (rt_msg_list){list, count};
    return true;
}

static void
fill_head(deciding *d)
{
    const br_undecided *event = d->hearing->event;
    msg_decision *decision = &d->out->decision;
    decision->event_seq = event->seq;
    decision->event_id = event->id;
    decision->event_type = event->type->name;
    decision->tenant = event->tenant.v;
    decision->subject = event->subject;
    decision->playbooks = br_playbooks_version(d->state->playbooks);
    decision->consulted = d->consultation.consulted;
    d->crowded += d->consultation.crowded;
    decision->missing =
        (rt_msg_list){(void *)(uintptr_t)d->hearing->missing, d->hearing->missing_count};
    decision->depth = event->depth;
}

static void
situate(const void *user, const rt_event *event, int64_t now_ms, br_situation *ret_situation)
{
    br_state_situate(user, event, now_ms, ret_situation);
}

static bool
is_silent(const void *user, rt_tenant tenant, rt_str playbook, rt_str key, int64_t now_ms,
          int64_t *ret_ago_ms)
{
    return br_state_throttled(user, tenant, playbook, key, now_ms, ret_ago_ms);
}

// What playbooks do over several events, at this event's place in the journal.
static rt_err
run_course(deciding *d)
{
    const br_undecided *event = d->hearing->event;
    d->course = (br_course){.set = d->state->playbooks,
                            .progress = d->state->progress,
                            .type = event->type,
                            .tenant = event->tenant,
                            .seq = event->seq,
                            .at_ms = event->at_ms,
                            .now_ms = d->hearing->now_ms,
                            .subject = event->subject,
                            .payload = event->payload,
                            .arena = d->arena,
                            .situate = situate,
                            .silent = is_silent,
                            .user = d->state,
                            .said = &d->consultation};
    rt_err err = event->payload.len > 0 ? br_course_follow(&d->course) : RT_OK;
    br_course_modes(&d->course);
    return err;
}

// Of a playbook that has to wait nothing is done: when another of its actions was admitted before
// that was known, all candidates are looked at again. Each time one playbook more waits.
static bool
is_torn(const deciding *d)
{
    for (uint32_t i = 0; i < d->admitted_count; i++) {
        if (br_course_waits(&d->course, d->admitted[i]->msg.proposal.agent)) {
            return true;
        }
    }
    return false;
}

static void
arbitrate(deciding *d)
{
    uint32_t writes = d->course.writes.count;
    uint32_t timers = d->course.timers.count;
    do {
        d->admitted_count = 0;
        d->course.writes.count = writes; // what the admitted used up
        d->course.timers.count = timers;
        for (uint32_t i = 0; i < d->candidate_count; i++) {
            d->candidates[i].waits = false;
        }
        (void)br_arbitrate(d->candidates, d->candidate_count, admit, d); // counted by numbering
    } while (is_torn(d));
}

// What this decision means for canaries that have guardrails.
static rt_err
guard(deciding *d)
{
    if (!br_playbooks_guarded(d->state->playbooks)) {
        return RT_OK;
    }
    msg_candidate *list = rt_arena_array(d->arena, msg_candidate, d->candidate_count);
    if (list == NULL) {
        return RT_ENOMEM;
    }
    for (uint32_t i = 0; i < d->candidate_count; i++) {
        list[i] = d->candidates[i].msg;
    }
    return br_course_guard(&d->course, list, d->candidate_count);
}

static rt_err
fill(deciding *d)
{
    rt_err err = run_course(d);
    if (err != RT_OK) {
        return err;
    }
    uint32_t most = d->consultation.proposals.count + answered(d, offsetof(msg_answer, proposals));
    d->candidates = rt_arena_array(d->arena, br_candidate, most);
    if (d->candidates == NULL) {
        return RT_ENOMEM;
    }
    gather_playbooks(d);
    gather_agents(d);
    keep_best(d);
    if (d->candidate_count > 0) {
        arbitrate(d);
        err = br_course_settle(&d->course);
        if (err != RT_OK) {
            return err;
        }
        if (!fill_similar(d) || !fill_recalled(d)) {
            return RT_ENOMEM;
        }
    }
    if (!number_actions(d)) {
        return RT_ENOMEM;
    }
    for (uint32_t i = 0; d->course.run_count > 0 && i < d->candidate_count; i++) {
        br_course_ran(&d->course, &d->candidates[i].msg);
    }
    for (uint32_t i = 0; d->course.draw_count > 0 && i < d->candidate_count; i++) {
        br_course_acted(&d->course, &d->candidates[i].msg);
    }
    err = br_course_learn(&d->course);
    if (err != RT_OK) {
        return err;
    }
    err = guard(d);
    if (err != RT_OK) {
        return err;
    }
    fill_head(d);
    give_back_throttles(d);
    d->out->decision.writes = d->course.writes;
    bool ok = fill_timers(d) && fill_predictions(d) && fill_emissions(d) && fill_candidates(d);
    d->out->decision.crowded = d->crowded;
    return ok ? RT_OK : RT_ENOMEM;
}

rt_err
br_decide(const br_state *state, const br_hearing *hearing, rt_arena *arena,
          br_outcome *ret_outcome)
{
    memset(ret_outcome, 0, sizeof(*ret_outcome));
    deciding d = {.state = state, .hearing = hearing, .arena = arena, .out = ret_outcome};
    if (hearing->event->consultation.len > 0) {
        rt_mp mp = rt_mp_init(hearing->event->consultation);
        rt_err err = rt_msg_decode(&msg_consultation_def, &mp, arena, &d.consultation);
        if (err != RT_OK) {
            return err;
        }
    }
    if (hearing->answer_count == 0 && hearing->event->consultation.len == 0 &&
        hearing->event->payload.len == 0) {
        fill_head(&d); // nobody said anything: the common case costs nothing more
        return RT_OK;
    }
    return fill(&d);
}
