#include "brain/agent/runner.h"

#include <stdio.h>

#include "brain/agent/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"

// Design notes.
// Who hears what is known when the agents are started: a range of `hearers` for each event type of
// the catalogue, in agent order. A record is looked at only as far as its type until somebody hears
// it, then it is decoded once for all. The normal way is feed -> attempt -> handler, without a copy
// and without an allocation; only an agent that is behind gets a copy into its mailbox.
//
// An agent is behind while it rests, is quarantined or has records waiting. It takes them in order
// (br_runner_poll) before it hears anything new, so its fold never skips or repeats a record.
//
// A failed handler leaves no trace: rows by the store's savepoint, sayings by a mark, and the state
// struct, which may be half changed, is rebuilt by fini and init before the next record. Therefore
// a restart costs nothing but scratch, and a replay of the journal gives equal rows whether or not
// a handler failed in between.
//
// What is said goes alternately into two collections, so that the views of one take last until the
// feed after the next.

#define SCRATCH_BYTES_MAX (8u * 1024 * 1024)
#define CONFIG_BYTES_MAX (1024 * 1024)
#define DECODE_BYTES_MAX (16u * 1024 * 1024)

// One record as an agent takes it: exactly one of on_event and decision is set, or neither for a
// playbook set.
typedef struct work {
    const rt_record *record;
    const rt_event *event;
    br_on_event on_event;
    const msg_decision *decision;
} work;

static br__said *
said_of(br_runner *runner)
{
    return runner->said[runner->filling];
}

// --- failures ---

static bool
is_behind(const br_agent *agent)
{
    return agent->supervisor.state != RT_SUPERVISOR_RUNNING ||
           rt_mailbox_count(agent->mailbox) > 0;
}

void
br__on_overflow(void *user, const rt_record *record)
{
    br_agent *agent = user;

    if (rt_mailbox_dropped(agent->mailbox) == 1) {
        rt_log_error("agent-mailbox-full", "agent=%s seq=%llu: giving up the oldest records",
                     agent->def->name, (unsigned long long)record->seq);
    }
    br__said_fail(said_of(agent->runner), record->seq, agent->name, 0,
                  "mailbox full while the agent was down");
}

static void
defer(br_agent *agent, const rt_record *record)
{
    rt_err err = rt_mailbox_push(agent->mailbox, record);

    agent->runner->is_any_behind = true;
    if (err != RT_OK) {
        br__said_fail(said_of(agent->runner), record->seq, agent->name, 0,
                      rt_err_detail());
    }
}

// Settles a failure of the record in work; true when that record is to be tried again.
static bool
settle_failure(br_agent *agent, uint64_t seq, rt_err cause, int64_t now_us)
{
    uint32_t tries = rt_supervisor_tries(&agent->supervisor) + 1;
    bool is_retry = rt_supervisor_failed(&agent->supervisor, now_us) == RT_SUPERVISOR_RETRY;

    agent->must_restart = true;
    agent->runner->is_any_behind = true;
    if (agent->supervisor.state == RT_SUPERVISOR_QUARANTINED) {
        rt_log_error("agent-quarantined", "agent=%s seq=%llu tries=%u err=%s detail=\"%s\"",
                     agent->def->name, (unsigned long long)seq, tries, rt_err_name(cause),
                     rt_err_detail());
    } else {
        rt_log_warn("agent-failed", "agent=%s seq=%llu tries=%u err=%s detail=\"%s\", %s",
                    agent->def->name, (unsigned long long)seq, tries, rt_err_name(cause),
                    rt_err_detail(), is_retry ? "trying again" : "giving the record up");
    }
    if (!is_retry) {
        char text[RT_ERR_DETAIL_MAX + 64];

        (void)snprintf(text, sizeof(text), "%s: %s", rt_err_text(cause), rt_err_detail());
        br__said_fail(said_of(agent->runner), seq, agent->name, tries, text);
    }
    return is_retry;
}

rt_err
br__agent_start(br_agent *agent)
{
    rt_err err = RT_OK;

    agent->seq = 0;
    agent->has_rng = false;
    err = agent->def->init(agent, agent->state);
    rt_arena_reset(agent->runner->scratch);
    agent->is_up = err == RT_OK;
    return err;
}

static void
stop_agent(br_agent *agent)
{
    if (agent->is_up && agent->def->fini != NULL) {
        agent->def->fini(agent, agent->state);
    }
    agent->is_up = false;
}

static rt_err
restart_agent(br_agent *agent)
{
    rt_err err = RT_OK;

    stop_agent(agent);
    memset(agent->state, 0, agent->def->state_size);
    agent->restarts++;
    err = br__agent_start(agent);
    agent->must_restart = err != RT_OK;
    return err;
}

// --- one agent, one record ---

static rt_err
call(br_agent *agent, const work *w)
{
    if (RT_UNLIKELY(agent->must_restart)) {
        rt_err err = restart_agent(agent);

        if (err != RT_OK) {
            return err;
        }
    }
    agent->seq = w->record->seq;
    agent->has_rng = false;
    if (w->on_event != NULL) {
        return w->on_event(agent, agent->state, w->event);
    }
    return agent->def->on_decision(agent, agent->state, w->record, w->decision);
}

// Gives the record to the agent; false when it has to be tried again.
static bool
attempt(br_agent *agent, const work *w, int64_t now_us)
{
    br_runner *runner = agent->runner;
    br__said *said = said_of(runner);
    rt_err err = RT_OK;

    agent->mark = br__said_mark(said);
    rt_check_context(agent->crash_line);
    rt_store_savepoint(runner->config.store);
    agent->is_working = true;
    err = br__said_is_full(said) ? rt_fail(RT_EFULL, "answers were not taken") : call(agent, w);
    agent->is_working = false;
    if (rt_arena_used(runner->scratch) > 0) {
        rt_arena_reset(runner->scratch);
    }
    rt_check_context(NULL);
    if (RT_LIKELY(err == RT_OK)) {
        rt_store_release(runner->config.store);
        rt_supervisor_succeeded(&agent->supervisor);
        agent->heard++;
        agent->proposals += br__said_since(said, &agent->mark, BR__PROPOSALS);
        return true;
    }
    rt_store_rollback(runner->config.store);
    br__said_undo(said, &agent->mark);
    return !settle_failure(agent, w->record->seq, err, now_us);
}

// The normal way of a record: at once, or into the mailbox of an agent that is behind.
static void
give(br_agent *agent, const work *w, int64_t now_us)
{
    if (RT_UNLIKELY(w->record->seq <= agent->skip_upto)) {
        return;
    }
    if (RT_UNLIKELY(agent->runner->is_any_behind) && is_behind(agent)) {
        defer(agent, w->record);
        return;
    }
    if (!attempt(agent, w, now_us)) {
        defer(agent, w->record);
    }
}

// --- reading records ---

// The type of an event in journal form, which begins [form, type, ...: a look at the first bytes
// is all that an event costs that nobody hears. NULL when the catalogue does not know it.
//   errors    RT_EPROTO
static rt_err
peek_type(const br_runner *runner, rt_bytes payload, const rt_event_type **ret_type)
{
    rt_mp mp = rt_mp_init(payload);
    uint32_t count = 0;
    uint64_t form = 0;
    rt_str name = {NULL, 0};

    if (rt_mp_array(&mp, &count) != RT_OK || rt_mp_u64(&mp, &form) != RT_OK ||
        rt_mp_str(&mp, &name) != RT_OK) {
        return rt_fail(RT_EPROTO, "not an event in journal form");
    }
    *ret_type = rt_catalog_find(runner->config.catalog, name);
    return RT_OK;
}

static rt_err
decode_decision(br_runner *runner, const rt_record *record, msg_decision *ret_decision)
{
    rt_mp mp = rt_mp_init(record->payload);

    rt_arena_reset(runner->decoded);
    return rt_msg_decode(&msg_decision_def, &mp, runner->decoded, ret_decision);
}

static rt_err
decode_event(br_runner *runner, const rt_record *record)
{
    return rt_event_decode_record(runner->config.catalog, record->seq, record->at_ms,
                                  record->payload, &runner->event);
}

static bool
is_own_timer(const br_runner *runner, const br_agent *agent)
{
    const rt_value *owner = &runner->event.slots[runner->timer_owner_slot];

    return owner->kind == RT_KIND_STR && rt_str_equal(owner->s, agent->name);
}

static bool
is_worth_hearing(const msg_decision *decision)
{
    return decision->candidates.count > 0 || decision->predictions.count > 0;
}

static rt_err
count_malformed(br_runner *runner, const rt_record *record, rt_err err)
{
    if (runner->malformed++ == 0) {
        rt_log_error("record-malformed", "seq=%llu kind=%d err=%s detail=\"%s\"",
                     (unsigned long long)record->seq, (int)record->kind, rt_err_name(err),
                     rt_err_detail());
    }
    return RT_EPROTO;
}

// --- feeding ---

static rt_err
feed_event(br_runner *runner, const rt_record *record, int64_t now_us)
{
    const rt_event_type *type = NULL;
    const br__hearing *heard = NULL;
    br__mark mark;
    rt_err err = peek_type(runner, record->payload, &type);

    if (err != RT_OK) {
        return count_malformed(runner, record, err);
    }
    if (type == NULL || runner->hearings[type->index].count == 0) {
        return RT_OK;
    }
    err = decode_event(runner, record);
    if (err != RT_OK) {
        return count_malformed(runner, record, err);
    }
    heard = &runner->hearings[type->index];
    mark = br__said_mark(said_of(runner));
    for (uint16_t i = 0; i < heard->count; i++) {
        const br__hearer *h = &runner->hearers[heard->first + i];
        br_agent *agent = &runner->agents[h->agent];
        const work w = {.record = record, .event = &runner->event, .on_event = h->on_event};

        if (type != runner->timer_type || is_own_timer(runner, agent)) {
            give(agent, &w, now_us);
        }
    }
    br__said_close(said_of(runner), &mark, record->seq);
    return RT_OK;
}

static rt_err
feed_decision(br_runner *runner, const rt_record *record, int64_t now_us)
{
    msg_decision decision;
    br__mark mark;
    rt_err err = RT_OK;

    if (runner->decision_hearers == 0) {
        return RT_OK;
    }
    err = decode_decision(runner, record, &decision);
    if (err != RT_OK) {
        return count_malformed(runner, record, err);
    }
    if (!is_worth_hearing(&decision)) {
        return RT_OK;
    }
    mark = br__said_mark(said_of(runner));
    for (size_t i = 0; i < runner->agent_count; i++) {
        const work w = {.record = record, .decision = &decision};

        if (runner->agents[i].def->on_decision != NULL) {
            give(&runner->agents[i], &w, now_us);
        }
    }
    br__said_close(said_of(runner), &mark, record->seq);
    return RT_OK;
}

static void
set_playset(br_agent *agent, br__playset *set)
{
    br__playset *before = agent->playset; // which may be the same
    agent->playset = br__playset_ref(set);
    br__playset_unref(before);
}

static rt_err
feed_playbooks(br_runner *runner, const rt_record *record)
{
    br__playset *set = NULL;
    rt_err err = br__playset_new(record->seq, record->payload, &set);

    if (err != RT_OK) {
        return count_malformed(runner, record, err);
    }
    br__playset_unref(runner->newest);
    runner->newest = set;
    for (size_t i = 0; i < runner->agent_count; i++) {
        if (is_behind(&runner->agents[i])) {
            defer(&runner->agents[i], record);
        } else {
            set_playset(&runner->agents[i], set);
        }
    }
    return RT_OK;
}

static void
turn_page(br_runner *runner)
{
    if (runner->is_taken) {
        runner->filling ^= 1;
        runner->is_taken = false;
        br__said_clear(said_of(runner));
    }
}

rt_err
br_runner_feed(br_runner *runner, const rt_record *record, int64_t now_us)
{
    RT_CHECK(runner, BR__RUNNER_MAGIC);
    turn_page(runner);
    if (RT_UNLIKELY(runner->is_any_behind)) {
        (void)br_runner_poll(runner, now_us); // an agent whose rest is over catches up first
    }
    switch (record->kind) {
    case RT_RECORD_EVENT:
        return feed_event(runner, record, now_us);
    case RT_RECORD_DECISION:
        return feed_decision(runner, record, now_us);
    case RT_RECORD_PLAYBOOKS:
        return feed_playbooks(runner, record);
    case RT_RECORD_REJECT:
    case RT_RECORD_START:
    case RT_RECORD_COMMIT:
        return RT_OK;
    }
    return RT_OK; // a kind of a newer brain
}

// --- catching up ---

static br_on_event
handler_of(const br_runner *runner, const br_agent *agent, const rt_event_type *type)
{
    const br__hearing *heard = &runner->hearings[type->index];

    for (uint16_t i = 0; i < heard->count; i++) {
        const br__hearer *h = &runner->hearers[heard->first + i];

        if (&runner->agents[h->agent] == agent) {
            return h->on_event;
        }
    }
    RT_UNREACHABLE("a record waits only for an agent that hears it");
}

// Advances an agent that was behind to a playbook set, sharing it with those ahead of it.
static void
take_playset(br_agent *agent, const rt_record *record)
{
    br_runner *runner = agent->runner;
    br__playset *set = NULL;

    if (br__playset_seq(runner->newest) == record->seq) {
        set_playset(agent, runner->newest);
        return;
    }
    for (size_t i = 0; i < runner->agent_count; i++) {
        if (br__playset_seq(runner->agents[i].playset) == record->seq) {
            set_playset(agent, runner->agents[i].playset);
            return;
        }
    }
    if (br__playset_new(record->seq, record->payload, &set) == RT_OK) { // it was well-formed before
        set_playset(agent, set);
        br__playset_unref(set);
    }
}

// Gives a waiting record to the agent; false when it has to be tried again.
static bool
take_waiting(br_agent *agent, const rt_record *record, int64_t now_us)
{
    br_runner *runner = agent->runner;
    msg_decision decision;
    br__mark mark = br__said_mark(said_of(runner));
    work w = {.record = record};
    bool is_done = false;

    if (record->kind == RT_RECORD_PLAYBOOKS) {
        take_playset(agent, record);
        return true;
    }
    if (record->kind == RT_RECORD_DECISION) {
        if (decode_decision(runner, record, &decision) != RT_OK) {
            return true; // cannot be: it was decoded before it was put here
        }
        w.decision = &decision;
    } else {
        if (decode_event(runner, record) != RT_OK) {
            return true;
        }
        w.event = &runner->event;
        w.on_event = handler_of(runner, agent, runner->event.type);
    }
    is_done = attempt(agent, &w, now_us);
    br__said_close(said_of(runner), &mark, record->seq);
    return is_done;
}

static void
catch_up(br_agent *agent, int64_t now_us)
{
    for (int i = 0; i < BR_POLL_RECORDS_MAX; i++) {
        const rt_record *record = rt_mailbox_peek(agent->mailbox);

        if (!rt_supervisor_is_ready(&agent->supervisor, now_us) || record == NULL ||
            !take_waiting(agent, record, now_us)) {
            return;
        }
        rt_mailbox_pop(agent->mailbox);
    }
}

// When an agent that is behind wants to be polled.
static int64_t
next_poll_us(const br_agent *agent, int64_t now_us)
{
    return RT_MAX(rt_supervisor_ready_at(&agent->supervisor), now_us);
}

int64_t
br_runner_poll(br_runner *runner, int64_t now_us)
{
    int64_t next_us = -1;

    RT_CHECK(runner, BR__RUNNER_MAGIC);
    if (RT_LIKELY(!runner->is_any_behind)) {
        return -1;
    }
    turn_page(runner);
    runner->is_any_behind = false;
    for (size_t i = 0; i < runner->agent_count; i++) {
        br_agent *agent = &runner->agents[i];

        if (is_behind(agent)) {
            catch_up(agent, now_us);
        }
        if (is_behind(agent)) {
            int64_t at_us = next_poll_us(agent, now_us);

            runner->is_any_behind = true;
            next_us = next_us < 0 ? at_us : RT_MIN(next_us, at_us);
        }
    }
    return next_us;
}

bool
br_runner_is_behind(const br_runner *runner)
{
    RT_CHECK(runner, BR__RUNNER_MAGIC);
    for (size_t i = 0; runner->is_any_behind && i < runner->agent_count; i++) {
        if (is_behind(&runner->agents[i])) {
            return true;
        }
    }
    return false;
}

// --- answers and figures ---

rt_msg_list
br_runner_late(br_runner *runner)
{
    uint32_t late = 0;

    RT_CHECK(runner, BR__RUNNER_MAGIC);
    for (size_t i = 0; runner->is_any_behind && i < runner->agent_count; i++) {
        if (is_behind(&runner->agents[i])) {
            runner->late[late++] = runner->agents[i].name;
        }
    }
    return (rt_msg_list){late > 0 ? runner->late : NULL, late};
}

void
br_runner_take(br_runner *runner, msg_answers *ret_answers)
{
    RT_CHECK(runner, BR__RUNNER_MAGIC);
    turn_page(runner); // a second take without a feed in between has nothing
    br__said_view(said_of(runner), ret_answers);
    runner->is_taken = true;
    ret_answers->late = br_runner_late(runner);
}

size_t
br_runner_agents(const br_runner *runner, const msg_agent_info **ret_infos)
{
    RT_CHECK(runner, BR__RUNNER_MAGIC);
    *ret_infos = runner->infos;
    return runner->agent_count;
}

void
br_runner_states(const br_runner *runner, rt_arena *arena, rt_msg_list *ret_states)
{
    msg_agent_state *states = NULL;

    RT_CHECK(runner, BR__RUNNER_MAGIC);
    states = rt_arena_array(arena, msg_agent_state, runner->agent_count);
    if (states == NULL) {
        *ret_states = (rt_msg_list){NULL, 0};
        return;
    }
    for (size_t i = 0; i < runner->agent_count; i++) {
        const br_agent *agent = &runner->agents[i];

        states[i] = (msg_agent_state){
            .name = agent->name,
            .state = rt_str_of(rt_supervisor_state_name(&agent->supervisor)),
            .heard = agent->heard,
            .proposals = agent->proposals,
            .restarts = agent->restarts,
        };
        for (unsigned t = 0; t < BR_AGENT_TABLES_MAX; t++) {
            states[i].rows += agent->tables[t] != NULL ? rt_table_count(agent->tables[t]) : 0;
        }
    }
    *ret_states = (rt_msg_list){states, (uint32_t)runner->agent_count};
}

uint64_t
br_runner_malformed(const br_runner *runner)
{
    RT_CHECK(runner, BR__RUNNER_MAGIC);
    return runner->malformed;
}

// --- life ---

rt_err
br_runner_new(const br_runner_config *config, br_runner **ret_runner)
{
    br_runner *runner = rt_new(br_runner);
    rt_err err = RT_OK;

    RT_ASSERT(config->agent_count <= BR_RUNNER_AGENTS_MAX);
    RT_ASSERT(config->catalog != NULL);
    RT_ASSERT(config->store != NULL);
    RT_ASSERT(config->overrides == NULL || config->diag != NULL);
    runner->magic = BR__RUNNER_MAGIC;
    runner->config = *config;
    runner->agents = rt_new_array(br_agent, BR_RUNNER_AGENTS_MAX);
    runner->infos = rt_new_array(msg_agent_info, BR_RUNNER_AGENTS_MAX);
    runner->lasting = rt_arena_new(CONFIG_BYTES_MAX);
    runner->scratch = rt_arena_new(SCRATCH_BYTES_MAX);
    runner->decoded = rt_arena_new(DECODE_BYTES_MAX);
    runner->said[0] = br__said_new();
    runner->said[1] = br__said_new();
    err = br__runner_start(runner);
    if (err != RT_OK) {
        br_runner_free(runner);
        return err;
    }
    *ret_runner = runner;
    return RT_OK;
}

static void
free_agent(br_agent *agent)
{
    stop_agent(agent);
    br__playset_unref(agent->playset);
    rt_mailbox_free(agent->mailbox);
    rt_free(agent->params);
    rt_free(agent->state);
    agent->magic = 0;
}

void
br_runner_free(br_runner *runner)
{
    if (runner == NULL) {
        return;
    }
    RT_CHECK(runner, BR__RUNNER_MAGIC);
    while (runner->agent_count > 0) {
        free_agent(&runner->agents[--runner->agent_count]);
    }
    br__playset_unref(runner->newest);
    br__said_free(runner->said[0]);
    br__said_free(runner->said[1]);
    rt_arena_free(runner->lasting);
    rt_arena_free(runner->scratch);
    rt_arena_free(runner->decoded);
    rt_free(runner->agents);
    rt_free(runner->infos);
    rt_free(runner->hearings);
    rt_free(runner->hearers);
    runner->magic = 0;
    rt_free(runner);
}
