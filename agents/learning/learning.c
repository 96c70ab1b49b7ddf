// Design notes.
//
// A decision is remembered when something came of it that can be judged: an action won, a policy
// chose (even to do nothing), or a model forecast. Outcomes find it again by order, customer or
// seq.
// Rewards go out as decision.rewarded, once per decision and cause; forecasts are judged at the
// moment their outcome is known, which for a late order is when its promise passes, not when it
// arrives: else the world would look as if nothing were ever late.
//
// The same decision may be reached by its order and by its customer; the bit per cause in its row
// keeps it from being rewarded twice.

#include <math.h>

#include "agents/learning/intake.h"
#include "agents/learning/report.h"
#include "brain/agent/agent.h"

#define REPORT_KEY "report"
#define LOSS_SUBJECT "metric/model_log_loss"

typedef enum slot_name {
    CREATED_CUSTOMER,
    CREATED_CITY,
    CREATED_CARRIER,
    CREATED_PROMISED,
    DELIVERED_CUSTOMER,
    DELIVERED_CARRIER,
    DELAY_RISK,
    DELAY_PROMISED,
    RESOLVED_SOLVED,
    FEEDBACK_ORDER,
    FEEDBACK_SCORE,
    RECEIVED_SEQ,
    RECEIVED_REWARD,
    EXECUTED_SEQ,
    EXECUTED_ACTION,
    EXECUTED_STATUS,
    VERIFIED_SEQ,
    VERIFIED_HELD,
    HEALING_PLAYBOOK,
    HEALING_OUTCOME,
    RESET_MODEL,
    TIMER_KEY,
    SLOT_COUNT,
} slot_name;

static const struct {
    const char *event;
    const char *field;
} bindings[SLOT_COUNT] = {
    [CREATED_CUSTOMER] = {"order.created", "customer_id"},
    [CREATED_CITY] = {"order.created", "city"},
    [CREATED_CARRIER] = {"order.created", "carrier"},
    [CREATED_PROMISED] = {"order.created", "promised_at"},
    [DELIVERED_CUSTOMER] = {"order.delivered", "customer_id"},
    [DELIVERED_CARRIER] = {"order.delivered", "carrier"},
    [DELAY_RISK] = {"delay.detected", "risk"},
    [DELAY_PROMISED] = {"delay.detected", "promised_at"},
    [RESOLVED_SOLVED] = {"issue.resolved", "solved"},
    [FEEDBACK_ORDER] = {"customer.feedback", "order_id"},
    [FEEDBACK_SCORE] = {"customer.feedback", "score"},
    [RECEIVED_SEQ] = {"feedback.received", "decision_seq"},
    [RECEIVED_REWARD] = {"feedback.received", "reward"},
    [EXECUTED_SEQ] = {"action.executed", "decision_seq"},
    [EXECUTED_ACTION] = {"action.executed", "action"},
    [EXECUTED_STATUS] = {"action.executed", "status"},
    [VERIFIED_SEQ] = {"playbook.verified", "decision_seq"},
    [VERIFIED_HELD] = {"playbook.verified", "held"},
    [HEALING_PLAYBOOK] = {"healing.completed", "playbook"},
    [HEALING_OUTCOME] = {"healing.completed", "outcome"},
    [RESET_MODEL] = {"model.reset", "model"},
    [TIMER_KEY] = {"timer.fired", "key"},
};

typedef struct learning_state {
    learning_memory memory;
    rt_str watched_model; // whose loss goes out as a metric
    int64_t watched_samples;
    int64_t watched_window;
    learning_tuning tuning;
    learning_report_limits limits;
    int64_t report_every_ms;
    double risk_threshold;
    int slots[SLOT_COUNT];
} learning_state;

// The report's row of a tenant: its timer and how far it is told.
typedef struct report_row {
    int64_t due_ms; // 0 = no timer yet
    uint64_t cursor;
} report_row;

// The watched model's mean loss, and how many outcomes came since it last went out.
typedef struct loss_row {
    double mean;
    uint64_t seen;
    uint64_t since;
} loss_row;

// What one outcome does to the decisions it reaches.
typedef struct outcome {
    br_agent *agent;
    const learning_state *st;
    const rt_event *event;
    learning_label label; // forecasts to judge; NONE = none
    bool positive;
    int64_t made_before_ms; // only decisions before this; 0 = all
    int64_t made_after_ms;  // rewards only for decisions since this
    rt_str areas[2];
    learning_cause causes[2];
    size_t cause_count;
    double judgement; // reward of LEARNING_FEEDBACK
    int emitted;
} outcome;

static rt_value
slot(const learning_state *st, const rt_event *event, slot_name name)
{
    return event->slots[st->slots[name]];
}

static rt_str
slot_str(const learning_state *st, const rt_event *event, slot_name name)
{
    rt_value value = slot(st, event, name);

    return value.kind == RT_KIND_STR ? value.s : (rt_str){NULL, 0};
}

static rt_str
subject_key(rt_str subject, const char *kind)
{
    rt_str found;
    rt_str key;

    if (rt_subject_split(subject, &found, &key) && rt_str_is(found, kind)) {
        return key;
    }
    return (rt_str){NULL, 0};
}

static rt_str
context_str(const rt_event *event, const char *path)
{
    rt_value value = rt_event_context(event, path);

    return value.kind == RT_KIND_STR ? value.s : (rt_str){NULL, 0};
}

static rt_str
first_of(rt_str a, rt_str b)
{
    return a.len > 0 ? a : b;
}

static rt_key
report_key(rt_tenant tenant)
{
    return rt_key_pair(tenant, RT_STR("T"), RT_STR(REPORT_KEY));
}

static report_row
read_report(const learning_state *st, rt_tenant tenant)
{
    rt_key key = report_key(tenant);
    report_row row = {0, 0};
    rt_bytes found;

    if (rt_table_get(st->memory.names, rt_key_bytes(&key), &found) && found.len == sizeof(row)) {
        memcpy(&row, found.ptr, sizeof(row));
    }
    return row;
}

static rt_err
schedule_report(br_agent *self, const learning_state *st, rt_tenant tenant, report_row row)
{
    rt_key key = report_key(tenant);

    rt_table_put(st->memory.names, rt_key_bytes(&key),
                 (rt_bytes){(const uint8_t *)&row, sizeof(row)});
    return br_timer_set(self, RT_STR(REPORT_KEY), row.due_ms, RT_STR(""));
}

// The first event of a tenant starts its reports, at the next local midnight and so on.
static rt_err
ensure_report(br_agent *self, const learning_state *st, const rt_event *event)
{
    int64_t offset = br_agent_utc_offset_ms(self, event->tenant);
    int64_t every = st->report_every_ms;
    report_row row = read_report(st, event->tenant);

    if (row.due_ms != 0) {
        return RT_OK;
    }
    row.due_ms = ((event->at_ms + offset) / every + 1) * every - offset;
    return schedule_report(self, st, event->tenant, row);
}

static bool
is_rewardable(const learning_decision *decision)
{
    return decision->action_count > 0 || decision->chosen != 0;
}

static rt_err
emit_reward(const outcome *o, uint64_t seq, const learning_decision *decision,
            learning_cause cause, double reward)
{
    const learning_memory *memory = &o->st->memory;
    rt_str action = {NULL, 0};
    rt_mpw w;
    rt_err err;

    if (decision->action_count > 0) {
        action = learning_name_text(memory, o->event->tenant, 'a', decision->actions[0]);
    }
    rt_mpw_init(&w, 512);
    rt_mpw_map(&w, action.len > 0 ? 5 : 4);
    rt_mpw_cstr(&w, "event_type");
    rt_mpw_str(&w, learning_name_text(memory, o->event->tenant, 'e', decision->event_type));
    rt_mpw_cstr(&w, "decision_seq");
    rt_mpw_u64(&w, seq);
    rt_mpw_cstr(&w, "reward");
    rt_mpw_f64(&w, reward);
    rt_mpw_cstr(&w, "cause");
    rt_mpw_cstr(&w, learning_cause_name(cause));
    if (action.len > 0) {
        rt_mpw_cstr(&w, "action");
        rt_mpw_str(&w, action);
    }
    err = w.failed ? rt_fail(RT_ELIMIT, "reward event is too long")
                   : br_emit(o->agent, "decision.rewarded", learning_decision_subject(decision),
                             rt_mpw_view(&w));
    rt_mpw_fini(&w);
    return err;
}

// The watched model's mean loss goes out every so many outcomes, so that a drift is noticed like
// any other anomaly. The mean reaches over many outcomes because they come in clumps: what is late
// is known when its promise passes, all at the same hour, and a mean over that hour alone says
// nothing about the model.
static rt_err
watch_loss(outcome *o, double probability, bool positive)
{
    const learning_memory *memory = &o->st->memory;
    loss_row *row;
    double mean;
    double rate;
    bool created;
    rt_mpw w;
    rt_err err;
    rt_key key = rt_key_pair(o->event->tenant, RT_STR("L"), o->st->watched_model);

    row = rt_table_edit(memory->names, rt_key_bytes(&key), sizeof(*row), &created);
    row->seen++;
    row->since++;
    rate = fmax(1.0 / (double)o->st->watched_window, 1.0 / (double)row->seen);
    row->mean += rate * (learning_log_loss(probability, positive) - row->mean);
    if (row->since < (uint64_t)o->st->watched_samples || o->emitted >= BR_ANSWER_EMISSIONS_MAX) {
        return RT_OK;
    }
    mean = row->mean;
    row->since = 0;
    o->emitted++;
    rt_mpw_init(&w, 128);
    rt_mpw_map(&w, 2);
    rt_mpw_cstr(&w, "value");
    rt_mpw_f64(&w, mean);
    rt_mpw_cstr(&w, "unit");
    rt_mpw_cstr(&w, "nats");
    err = br_emit(o->agent, "metric.sampled", RT_STR(LOSS_SUBJECT), rt_mpw_view(&w));
    rt_mpw_fini(&w);
    return err;
}

static rt_err
judge(outcome *o, learning_decision *decision, learning_label label, bool positive)
{
    const learning_memory *memory = &o->st->memory;
    rt_err err = RT_OK;

    for (unsigned i = 0; err == RT_OK && i < decision->prediction_count; i++) {
        rt_str model = learning_name_text(memory, o->event->tenant, 'm', decision->models[i]);
        if ((decision->labelled & 1u << i) != 0 || learning_label_of(model) != label) {
            continue;
        }
        bool watched = rt_str_equal(model, o->st->watched_model);
        decision->labelled = (uint16_t)(decision->labelled | 1u << i);
        err = learning_score_note(memory, &o->st->tuning, o->event->tenant, decision->models[i],
                                  decision->values[i], positive, o->areas, RT_COUNT(o->areas),
                                  o->event->at_ms);
        if (err == RT_OK && watched) {
            err = watch_loss(o, decision->values[i], positive);
        }
    }
    return err;
}

static rt_err
reward(outcome *o, uint64_t seq, learning_decision *decision, learning_cause cause)
{
    double given = cause == LEARNING_FEEDBACK ? o->judgement : learning_reward(cause);
    bool first = decision->causes == 0;
    double delta;
    rt_err err = RT_OK;

    if (o->emitted >= BR_ANSWER_EMISSIONS_MAX ||
        !learning_give(&decision->causes, &decision->total, cause, given, &delta)) {
        return RT_OK;
    }
    if (first) {
        err = judge(o, decision, LEARNING_LABEL_REWARD, given > 0.0);
    }
    for (unsigned i = 0; err == RT_OK && i < decision->action_count; i++) {
        err = learning_worth_note(&o->st->memory, &o->st->tuning, o->event->tenant,
                                  decision->actions[i], delta, first, o->event->at_ms);
    }
    o->emitted++;
    return err == RT_OK ? emit_reward(o, seq, decision, cause, delta) : err;
}

static rt_err
reach(outcome *o, uint64_t seq)
{
    learning_decision decision;
    rt_err err = RT_OK;

    if (!learning_decision_get(&o->st->memory, o->event->tenant, seq, &decision) ||
        (o->made_before_ms != 0 && decision.at_ms >= o->made_before_ms)) {
        return RT_OK;
    }
    if (o->label != LEARNING_LABEL_NONE) {
        err = judge(o, &decision, o->label, o->positive);
    }
    for (size_t i = 0; err == RT_OK && i < o->cause_count; i++) {
        bool in_time = decision.at_ms >= o->made_after_ms;
        if (is_rewardable(&decision) && in_time &&
            (o->causes[i] != LEARNING_DELAY_PREVENTED || decision.action_count > 0)) {
            err = reward(o, seq, &decision, o->causes[i]);
        }
    }
    learning_decision_put(&o->st->memory, o->event->tenant, seq, &decision);
    return err;
}

static rt_err
reach_all(outcome *o, const uint64_t seqs[LEARNING_SEQS_MAX], uint64_t count)
{
    rt_err err = RT_OK;

    for (uint32_t i = 0; err == RT_OK && i < learning_seqs(count); i++) {
        err = reach(o, seqs[i]);
    }
    return err;
}

static rt_err
reach_customer(outcome *o, rt_str customer)
{
    learning_customer row;

    if (!learning_customer_get(&o->st->memory, o->event->tenant, customer, &row)) {
        return RT_OK;
    }
    return reach_all(o, row.seqs, row.seq_count);
}

static outcome
outcome_of(br_agent *self, const learning_state *st, const rt_event *event)
{
    return (outcome){.agent = self, .st = st, .event = event};
}

// Where the order goes and who carries it, for the weak areas.
static void
name_areas(outcome *o, const learning_order *row, rt_str carrier)
{
    rt_arena *arena = br_agent_arena(o->agent);
    rt_str city = first_of(context_str(o->event, "order.city"), learning_order_city(row));

    carrier = first_of(carrier, first_of(context_str(o->event, "order.carrier"),
                                         learning_order_carrier(row)));
    if (city.len > 0) {
        o->areas[0] = rt_arena_printf(arena, "city/%.*s", RT_STR_ARG(city));
    }
    if (carrier.len > 0) {
        o->areas[1] = rt_arena_printf(arena, "carrier/%.*s", RT_STR_ARG(carrier));
    }
}

static rt_err
on_order_created(br_agent *self, void *state, const rt_event *event)
{
    const learning_state *st = state;
    rt_str order = subject_key(event->subject, "order");
    rt_str customer = slot_str(st, event, CREATED_CUSTOMER);
    outcome stayed = outcome_of(self, st, event);
    learning_order row;
    rt_err err = ensure_report(self, st, event);

    (void)learning_order_get(&st->memory, event->tenant, order, &row); // may be told twice
    row.promised_ms = rt_value_as_i64(slot(st, event, CREATED_PROMISED), 0);
    learning_order_name(&row, customer, slot_str(st, event, CREATED_CITY),
                        slot_str(st, event, CREATED_CARRIER));
    learning_order_put(&st->memory, event->tenant, order, &row, event->at_ms);
    stayed.label = LEARNING_LABEL_LOST; // who orders again was not lost
    stayed.made_before_ms = event->at_ms;
    return err == RT_OK ? reach_customer(&stayed, customer) : err;
}

static rt_err
on_order_delivered(br_agent *self, void *state, const rt_event *event)
{
    const learning_state *st = state;
    rt_str order = subject_key(event->subject, "order");
    outcome o = outcome_of(self, st, event);
    learning_order row;
    int64_t promised;
    rt_err err = ensure_report(self, st, event);

    if (err != RT_OK || !learning_order_get(&st->memory, event->tenant, order, &row) ||
        row.delivered != 0) {
        return err; // nobody decided anything about it, or told twice
    }
    row.delivered = 1;
    learning_order_put(&st->memory, event->tenant, order, &row, event->at_ms);
    promised = row.promised_ms != 0
                   ? row.promised_ms
                   : rt_value_as_i64(rt_event_context(event, "order.promised_at"), 0);
    if (promised == 0) {
        return RT_OK; // neither late nor in time
    }
    o.label = LEARNING_LABEL_LATE;
    o.positive = event->time_ms > promised;
    name_areas(&o, &row, slot_str(st, event, DELIVERED_CARRIER));
    if (o.positive) {
        o.causes[o.cause_count++] = LEARNING_DELAY_OCCURRED;
        return reach_all(&o, row.seqs, row.seq_count);
    }
    o.causes[o.cause_count++] = LEARNING_DELIVERY_SUCCESS;
    err = reach_all(&o, row.seqs, row.seq_count);
    if (err == RT_OK && row.risk_ms != 0) {
        o.causes[0] = LEARNING_DELAY_PREVENTED;
        o.made_after_ms = row.risk_ms; // what was done before the risk was known prevented nothing
        err = reach_all(&o, row.seqs, row.seq_count);
    }
    return err;
}

static rt_err
on_delay_detected(br_agent *self, void *state, const rt_event *event)
{
    const learning_state *st = state;
    rt_str order = subject_key(event->subject, "order");
    double risk = rt_value_as_f64(slot(st, event, DELAY_RISK), 1.0);
    int64_t promised = rt_value_as_i64(slot(st, event, DELAY_PROMISED), 0);
    outcome o = outcome_of(self, st, event);
    learning_order row;
    rt_err err = ensure_report(self, st, event);

    (void)learning_order_get(&st->memory, event->tenant, order, &row); // may be new to us
    row.promised_ms = row.promised_ms != 0 ? row.promised_ms : promised;
    if (row.risk_ms == 0 && risk >= st->risk_threshold) {
        row.risk_ms = event->at_ms;
    }
    learning_order_put(&st->memory, event->tenant, order, &row, event->at_ms);
    if (err != RT_OK || risk < 1.0 || row.delivered != 0) {
        return err;
    }
    o.label = LEARNING_LABEL_LATE;
    o.positive = true;
    o.causes[o.cause_count++] = LEARNING_DELAY_OCCURRED;
    name_areas(&o, &row, (rt_str){NULL, 0});
    return reach_all(&o, row.seqs, row.seq_count);
}

static rt_err
on_issue_reported(br_agent *self, void *state, const rt_event *event)
{
    const learning_state *st = state;
    rt_str order = subject_key(event->subject, "order");
    learning_order row;

    (void)learning_order_get(&st->memory, event->tenant, order, &row); // may be new to us
    if (row.issue_ms == 0) {
        row.issue_ms = event->at_ms;
        learning_order_put(&st->memory, event->tenant, order, &row, event->at_ms);
    }
    return ensure_report(self, st, event);
}

static rt_err
on_issue_resolved(br_agent *self, void *state, const rt_event *event)
{
    const learning_state *st = state;
    rt_str order = subject_key(event->subject, "order");
    outcome o = outcome_of(self, st, event);
    learning_order row;

    if (!learning_order_get(&st->memory, event->tenant, order, &row)) {
        return RT_OK;
    }
    o.made_after_ms = row.issue_ms; // only what was decided about the problem
    o.causes[o.cause_count++] = slot(st, event, RESOLVED_SOLVED).b ? LEARNING_ISSUE_RESOLVED
                                                                   : LEARNING_ISSUE_UNRESOLVED;
    return reach_all(&o, row.seqs, row.seq_count);
}

static rt_err
on_customer_feedback(br_agent *self, void *state, const rt_event *event)
{
    const learning_state *st = state;
    rt_str order = slot_str(st, event, FEEDBACK_ORDER);
    outcome o = outcome_of(self, st, event);
    learning_order row;

    if (rt_value_as_i64(slot(st, event, FEEDBACK_SCORE), 0) < 4) {
        return RT_OK;
    }
    o.causes[o.cause_count++] = LEARNING_CUSTOMER_HAPPY;
    if (learning_order_get(&st->memory, event->tenant, order, &row)) {
        return reach_all(&o, row.seqs, row.seq_count);
    }
    return reach_customer(&o, subject_key(event->subject, "customer"));
}

static rt_err
on_customer_lost(br_agent *self, void *state, const rt_event *event)
{
    outcome o = outcome_of(self, state, event);

    o.label = LEARNING_LABEL_LOST;
    o.positive = true;
    o.causes[o.cause_count++] = LEARNING_CUSTOMER_LOST;
    return reach_customer(&o, subject_key(event->subject, "customer"));
}

static rt_err
on_feedback_received(br_agent *self, void *state, const rt_event *event)
{
    const learning_state *st = state;
    outcome o = outcome_of(self, st, event);

    o.causes[o.cause_count++] = LEARNING_FEEDBACK;
    o.judgement = rt_value_as_f64(slot(st, event, RECEIVED_REWARD), 0.0);
    return reach(&o, (uint64_t)rt_value_as_i64(slot(st, event, RECEIVED_SEQ), 0));
}

// An action that was never carried out gets neither praise nor blame.
static rt_err
on_action_executed(br_agent *self, void *state, const rt_event *event)
{
    const learning_state *st = state;
    uint64_t seq = (uint64_t)rt_value_as_i64(slot(st, event, EXECUTED_SEQ), 0);
    rt_str status = slot_str(st, event, EXECUTED_STATUS);
    rt_str action = slot_str(st, event, EXECUTED_ACTION);
    learning_decision decision;
    unsigned kept = 0;

    (void)self;
    if ((!rt_str_is(status, "failed") && !rt_str_is(status, "cancelled")) ||
        !learning_decision_get(&st->memory, event->tenant, seq, &decision)) {
        return RT_OK;
    }
    for (unsigned i = 0; i < decision.action_count; i++) {
        rt_str name = learning_name_text(&st->memory, event->tenant, 'a', decision.actions[i]);
        if (!rt_str_equal(name, action)) {
            decision.actions[kept++] = decision.actions[i];
        }
    }
    if (kept < decision.action_count) {
        decision.chosen = 0; // what was chosen did not happen
    }
    decision.action_count = (uint8_t)kept;
    learning_decision_put(&st->memory, event->tenant, seq, &decision);
    return RT_OK;
}

static rt_err
on_playbook_verified(br_agent *self, void *state, const rt_event *event)
{
    const learning_state *st = state;
    outcome o = outcome_of(self, st, event);

    o.causes[o.cause_count++] = slot(st, event, VERIFIED_HELD).b ? LEARNING_ISSUE_RESOLVED
                                                                 : LEARNING_ISSUE_UNRESOLVED;
    return reach(&o, (uint64_t)rt_value_as_i64(slot(st, event, VERIFIED_SEQ), 0));
}

// A remediation belongs to no single decision; its playbook is reported like an action.
static rt_err
on_healing_completed(br_agent *self, void *state, const rt_event *event)
{
    const learning_state *st = state;
    rt_str playbook = slot_str(st, event, HEALING_PLAYBOOK);
    bool healed = rt_str_is(slot_str(st, event, HEALING_OUTCOME), "healed");
    rt_str name = rt_arena_printf(br_agent_arena(self), "healing:%.*s", RT_STR_ARG(playbook));
    uint16_t action = learning_name_of(&st->memory, event->tenant, 'a', name);
    rt_err err = ensure_report(self, st, event);

    if (err != RT_OK || action == 0) {
        return err;
    }
    return learning_worth_note(
        &st->memory, &st->tuning, event->tenant, action,
        learning_reward(healed ? LEARNING_ISSUE_RESOLVED : LEARNING_ISSUE_UNRESOLVED), true,
        event->at_ms);
}

static rt_err
on_model_reset(br_agent *self, void *state, const rt_event *event)
{
    const learning_state *st = state;
    uint16_t model =
        learning_name_of(&st->memory, event->tenant, 'm', slot_str(st, event, RESET_MODEL));

    (void)self;
    if (model != 0) {
        learning_score_reset(&st->memory, event->tenant, model);
    }
    return RT_OK;
}

static rt_err
on_timer_fired(br_agent *self, void *state, const rt_event *event)
{
    const learning_state *st = state;
    report_row row = read_report(st, event->tenant);
    rt_err err;

    if (!rt_str_is(slot_str(st, event, TIMER_KEY), REPORT_KEY)) {
        return RT_OK;
    }
    err = learning_report(self, &st->memory, &st->tuning, &st->limits, event->tenant,
                          event->at_ms, &row.cursor);
    if (err != RT_OK) {
        return err;
    }
    if (row.cursor != 0) {
        row.due_ms = event->at_ms; // the next page at once
    } else {
        int64_t offset = br_agent_utc_offset_ms(self, event->tenant);
        row.due_ms = ((event->at_ms + offset) / st->report_every_ms + 1) * st->report_every_ms -
                     offset;
    }
    return schedule_report(self, st, event->tenant, row);
}

static rt_err
on_decision(br_agent *self, void *state, const rt_record *record, const msg_decision *decision)
{
    const learning_state *st = state;

    (void)self;
    learning_take(&st->memory, record->at_ms, decision);
    return RT_OK;
}

// tidy: table
static const rt_param learning_params[] = {
    {"window", RT_PARAM_DURATION_MS, "14d", 3600000, 31536000000, "ms",
     "How long a decision waits for its outcome."},
    {"rows_max", RT_PARAM_I64, "200000", 1, 100000000, "rows",
     "Decisions remembered per tenant; the oldest go first."},
    {"order_keep", RT_PARAM_DURATION_MS, "60d", 3600000, 315360000000, "ms",
     "How long an order and a customer are remembered."},
    {"report_every", RT_PARAM_DURATION_MS, "24h", 60000, 2678400000, "ms",
     "Period of the reports, from local midnight."},
    {"score_decay", RT_PARAM_F64, "0.999", 0.5, 1, "", "What is left of a forecast at the next."},
    {"area_half_life", RT_PARAM_DURATION_MS, "14d", 3600000, 315360000000, "ms",
     "How fast the picture of a city or carrier fades."},
    {"worth_half_life", RT_PARAM_DURATION_MS, "30d", 3600000, 315360000000, "ms",
     "How fast an action's rewards fade."},
    {"risk_threshold", RT_PARAM_F64, "0.4", 0, 1, "ratio",
     "Risk from which an order that arrives in time counts as a delay prevented."},
    {"model_samples", RT_PARAM_I64, "200", 1, 1000000, "outcomes",
     "Evidence needed before a model is found wanting."},
    {"area_samples", RT_PARAM_I64, "20", 1, 1000000, "outcomes",
     "Evidence needed before an area is called weak."},
    {"action_samples", RT_PARAM_I64, "30", 1, 1000000, "decisions",
     "Evidence needed before an action is found wanting."},
    {"improvement_every", RT_PARAM_DURATION_MS, "7d", 3600000, 31536000000, "ms",
     "The same area is not proposed again before."},
    {"watched_model", RT_PARAM_STR, "delay-risk", 0, 64, "",
     "Model whose log-loss goes out as metric model_log_loss."},
    {"watched_samples", RT_PARAM_I64, "50", 1, 100000, "outcomes",
     "Outcomes between two values of that metric."},
    {"watched_window", RT_PARAM_I64, "1000", 1, 1000000, "outcomes",
     "Outcomes that it is averaged over."},
    {"reward_sd", RT_PARAM_F64, "0.5", 0.001, 2, "", "Spread of one decision's reward."},
};

static rt_err
init(br_agent *self, void *state)
{
    learning_state *st = state;
    learning_memory *memory = &st->memory;
    struct {
        const char *name;
        rt_table **table;
    } tables[] = {{"decisions", &memory->decisions},
                  {"index", &memory->index},
                  {"scores", &memory->names},
                  {"queues", &memory->queues}};
    rt_err err = RT_OK;

    memory->window_ms = br_agent_param_i64(self, "window");
    memory->rows_max = br_agent_param_i64(self, "rows_max");
    memory->order_keep_ms = br_agent_param_i64(self, "order_keep");
    st->watched_model = br_agent_param_str(self, "watched_model");
    st->watched_samples = br_agent_param_i64(self, "watched_samples");
    st->watched_window = br_agent_param_i64(self, "watched_window");
    st->report_every_ms = br_agent_param_i64(self, "report_every");
    st->risk_threshold = br_agent_param_f64(self, "risk_threshold");
    st->tuning = (learning_tuning){
        .decay = br_agent_param_f64(self, "score_decay"),
        .area_half_life_ms = br_agent_param_i64(self, "area_half_life"),
        .worth_half_life_ms = br_agent_param_i64(self, "worth_half_life"),
    };
    st->limits = (learning_report_limits){
        .model_samples = br_agent_param_i64(self, "model_samples"),
        .area_samples = br_agent_param_i64(self, "area_samples"),
        .action_samples = br_agent_param_i64(self, "action_samples"),
        .improvement_every_ms = br_agent_param_i64(self, "improvement_every"),
        .reward_sd = br_agent_param_f64(self, "reward_sd"),
    };
    for (size_t i = 0; err == RT_OK && i < SLOT_COUNT; i++) {
        err = br_agent_bind(self, bindings[i].event, bindings[i].field, &st->slots[i]);
    }
    for (unsigned i = 0; err == RT_OK && i < RT_COUNT(tables); i++) {
        err = br_agent_table(self, i, tables[i].name, tables[i].table);
    }
    return err;
}

static const br_handler handlers[] = {
    {"order.created", on_order_created},
    {"order.delivered", on_order_delivered},
    {"delay.detected", on_delay_detected},
    {"issue.reported", on_issue_reported},
    {"issue.resolved", on_issue_resolved},
    {"customer.feedback", on_customer_feedback},
    {"customer.lost", on_customer_lost},
    {"feedback.received", on_feedback_received},
    {"action.executed", on_action_executed},
    {"playbook.verified", on_playbook_verified},
    {"healing.completed", on_healing_completed},
    {"model.reset", on_model_reset},
    {"timer.fired", on_timer_fired},
};

const br_agent_def learning_agent = {
    .id = 3,
    .name = "learning",
    .doc = "Joins outcomes to decisions, judges models and actions, proposes improvements.",
    .state_size = sizeof(learning_state),
    .init = init,
    .handlers = handlers,
    .handler_count = RT_COUNT(handlers),
    .on_decision = on_decision,
    .params = learning_params,
    .param_count = RT_COUNT(learning_params),
};
