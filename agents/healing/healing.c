// Design notes.
//
// One run per tenant and scope, in a row; its step machine:
//
//   anomaly.detected → PROPOSED ─ decision: won ────→ WAITING ─┐
//                         │     └ decision: not won → REFUSED ─┤ timer
//                         │       action.executed: failed ─────┤
//                         └ no decision heard ─────────────────┴→ cured · next step · escalate
//
// Two timers are set when a step is proposed: one soon after, which goes on at once when the step
// was refused (what is said about a decision record itself is not heard), and one at the end of the
// wait, so that a run goes on whatever happens to the decision. anomaly.cleared only marks the row:
// whether it stays cleared is looked at when the wait is over, and a new anomaly.detected takes the
// mark away again.

#include "agents/healing/book.h"
#include "agents/healing/run.h"
#include "brain/agent/agent.h"

#define WAIT_PREFIX "run/"
#define CHECK_PREFIX "check/"

typedef enum slot_name {
    DETECTED_METRIC,
    DETECTED_KIND,
    DETECTED_SCOPE,
    DETECTED_VALUE,
    DETECTED_LOW,
    DETECTED_HIGH,
    DETECTED_SCORE,
    DETECTED_SEVERITY,
    DETECTED_DETECTORS,
    CLEARED_METRIC,
    CLEARED_SCOPE,
    EXECUTED_SEQ,
    EXECUTED_ACTION,
    EXECUTED_STATUS,
    EXECUTED_DETAIL,
    TIMER_KEY,
    SLOT_COUNT,
} slot_name;

static const struct {
    const char *event;
    const char *field;
} bindings[SLOT_COUNT] = {
    [DETECTED_METRIC] = {"anomaly.detected", "metric"},
    [DETECTED_KIND] = {"anomaly.detected", "kind"},
    [DETECTED_SCOPE] = {"anomaly.detected", "scope"},
    [DETECTED_VALUE] = {"anomaly.detected", "value"},
    [DETECTED_LOW] = {"anomaly.detected", "expected_low"},
    [DETECTED_HIGH] = {"anomaly.detected", "expected_high"},
    [DETECTED_SCORE] = {"anomaly.detected", "score"},
    [DETECTED_SEVERITY] = {"anomaly.detected", "severity"},
    [DETECTED_DETECTORS] = {"anomaly.detected", "detectors"},
    [CLEARED_METRIC] = {"anomaly.cleared", "metric"},
    [CLEARED_SCOPE] = {"anomaly.cleared", "scope"},
    [EXECUTED_SEQ] = {"action.executed", "decision_seq"},
    [EXECUTED_ACTION] = {"action.executed", "action"},
    [EXECUTED_STATUS] = {"action.executed", "status"},
    [EXECUTED_DETAIL] = {"action.executed", "detail"},
    [TIMER_KEY] = {"timer.fired", "key"},
};

typedef struct healing_state {
    healing_rows rows;
    healing_book book;
    int64_t check_after_ms;
    int64_t rest_ms;
    int slots[SLOT_COUNT];
} healing_state;

// What a handler works with.
typedef struct turn {
    br_agent *agent;
    healing_state *st;
    const rt_event *event;
    healing_run *now;
} turn;

static rt_value
slot(const healing_state *st, const rt_event *event, slot_name name)
{
    return event->slots[st->slots[name]];
}

static rt_str
slot_str(const healing_state *st, const rt_event *event, slot_name name)
{
    rt_value value = slot(st, event, name);

    return value.kind == RT_KIND_STR ? value.s : (rt_str){NULL, 0};
}

static rt_str
scope_of(const rt_event *event, rt_str scope, rt_str metric)
{
    rt_str found = scope.len > 0 ? scope : event->subject.len > 0 ? event->subject : metric;

    return (rt_str){found.ptr, RT_MIN(found.len, (size_t)HEALING_KEPT_MAX)};
}

static rt_err
write_args(const br_remediation_step *step, healing_run *now, rt_mpw *w)
{
    rt_err err = RT_OK;
    rt_text filled;

    rt_text_init(&filled, BR_REMEDIATION_TEXT_MAX);
    rt_mpw_map(w, step->arg_count);
    for (uint32_t i = 0; err == RT_OK && i < step->arg_count; i++) {
        const br_remediation_arg *arg = &step->args[i];
        rt_mpw_str(w, arg->name);
        if (arg->value.kind != RT_KIND_STR) {
            rt_value_write(w, arg->value);
            continue;
        }
        rt_text_clear(&filled);
        err = br_remediation_fill(arg->value.s, healing_run_lookup, now, &filled);
        rt_mpw_str(w, rt_text_view(&filled));
    }
    rt_text_fini(&filled);
    return err == RT_OK && w->failed ? rt_fail(RT_ELIMIT, "arguments are too long") : err;
}

static rt_err
set_timers(const turn *t, int64_t wait_ms)
{
    rt_arena *arena = br_agent_arena(t->agent);
    rt_str scope = healing_view(&t->now->scope);
    rt_str subject = healing_view(&t->now->subject);
    int64_t check_ms = RT_MIN(t->st->check_after_ms, wait_ms);
    rt_err err = br_timer_set(t->agent,
                              rt_arena_printf(arena, CHECK_PREFIX "%.*s", RT_STR_ARG(scope)),
                              t->event->at_ms + check_ms, subject);

    if (err == RT_OK) {
        err = br_timer_set(t->agent,
                           rt_arena_printf(arena, WAIT_PREFIX "%.*s", RT_STR_ARG(scope)),
                           t->event->at_ms + wait_ms, subject);
    }
    return err;
}

static rt_err
send_step(const turn *t, const br_remediation *playbook, const br_remediation_step *step,
          rt_str target, rt_bytes args)
{
    const healing_tally *tally = healing_tally_edit(&t->st->rows, t->event->tenant, t->now);
    double confidence = healing_confidence(tally);
    msg_factor factors[] = {
        {RT_STR("cure_rate"), confidence, confidence},
        {RT_STR("tried"), (double)tally->tried, 0.0},
        {RT_STR("anomaly_value"), t->now->value, 0.0},
        {RT_STR("anomaly_score"), t->now->score, 0.0},
    };
    msg_proposal proposal = {
        .model = rt_arena_printf(br_agent_arena(t->agent), "remediation:%.*s",
                                 RT_STR_ARG(playbook->id)),
        .action = step->action,
        .target = target,
        .args = args,
        .priority = healing_priority(playbook->priority, healing_view(&t->now->severity)),
        .confidence = confidence,
        .value = 0.4 * confidence,
        .propensity = 1.0,
        .reason = rt_arena_printf(br_agent_arena(t->agent),
                                  "Step %u of %u against %.*s of %.*s (%.*s is %g).",
                                  t->now->step + 1, playbook->step_count,
                                  RT_STR_ARG(healing_view(&t->now->kind)),
                                  RT_STR_ARG(healing_view(&t->now->scope)),
                                  RT_STR_ARG(healing_view(&t->now->metric)), t->now->value),
        .factors = {factors, RT_COUNT(factors)},
    };

    return br_propose(t->agent, &proposal);
}

// Proposes the run's present step. RT_EMISSING or RT_ELIMIT: its texts cannot be filled.
static rt_err
propose_step(const turn *t, const br_remediation *playbook)
{
    const br_remediation_step *step = &playbook->steps[t->now->step];
    rt_text target;
    rt_mpw args;
    rt_err err;

    rt_text_init(&target, RT_EVENT_SUBJECT_MAX);
    rt_mpw_init(&args, 16384);
    err = br_remediation_fill(step->target.len > 0 ? step->target : RT_STR("${data.scope}"),
                              healing_run_lookup, t->now, &target);
    if (err == RT_OK) {
        err = write_args(step, t->now, &args);
    }
    if (err == RT_OK) {
        err = send_step(t, playbook, step, rt_text_view(&target), rt_mpw_view(&args));
    }
    rt_mpw_fini(&args);
    rt_text_fini(&target);
    return err;
}

static rt_err
alert(const turn *t, rt_str target, rt_str text, rt_str severity, const char *reason)
{
    rt_mpw args;
    rt_err err;

    rt_mpw_init(&args, 8192);
    rt_mpw_map(&args, 2);
    rt_mpw_cstr(&args, "text");
    rt_mpw_str(&args, text);
    rt_mpw_cstr(&args, "severity");
    rt_mpw_str(&args, severity);
    msg_proposal proposal = {
        .model = RT_STR("remediation"),
        .action = RT_STR("alert_operator"),
        .target = target,
        .args = rt_mpw_view(&args),
        .priority = healing_priority(80, severity),
        .confidence = 1.0,
        .value = 0.3,
        .propensity = 1.0,
        .reason = rt_str_of(reason),
    };
    err = args.failed ? rt_fail(RT_ELIMIT, "alert is too long") : br_propose(t->agent, &proposal);
    rt_mpw_fini(&args);
    return err;
}

static rt_err
emit_completed(const turn *t, const char *outcome)
{
    const healing_run *now = t->now;
    rt_mpw w;
    rt_err err;

    rt_mpw_init(&w, 4096);
    rt_mpw_map(&w, 6);
    rt_mpw_cstr(&w, "playbook");
    rt_mpw_str(&w, healing_view(&now->playbook));
    rt_mpw_cstr(&w, "scope");
    rt_mpw_str(&w, (rt_str){now->scope.text, RT_MIN(now->scope.len, (uint16_t)96)});
    rt_mpw_cstr(&w, "outcome");
    rt_mpw_cstr(&w, outcome);
    rt_mpw_cstr(&w, "steps");
    rt_mpw_u64(&w, now->steps_taken);
    rt_mpw_cstr(&w, "tried");
    rt_mpw_str(&w, (rt_str){now->tried, now->tried_len});
    rt_mpw_cstr(&w, "duration_ms");
    rt_mpw_i64(&w, RT_MAX(t->event->at_ms - now->started_ms, 0));
    err = w.failed ? rt_fail(RT_ELIMIT, "healing.completed is too long")
                   : br_emit(t->agent, "healing.completed", healing_view(&now->subject),
                             rt_mpw_view(&w));
    rt_mpw_fini(&w);
    return err;
}

static rt_err
finish_healed(const turn *t)
{
    healing_run_forget(&t->st->rows, t->event->tenant, t->now);
    return emit_completed(t, "healed");
}

static rt_err
finish_escalated(const turn *t, const br_remediation *playbook)
{
    rt_text text;
    rt_err err = RT_OK;

    rt_text_init(&text, BR_REMEDIATION_TEXT_MAX + HEALING_TRIED_MAX + 64);
    if (playbook == NULL ||
        br_remediation_fill(playbook->escalate_text, healing_run_lookup, t->now, &text) != RT_OK) {
        rt_text_clear(&text); // a text that cannot be filled must not stop the call for help
        rt_text_printf(&text, "%.*s: %.*s = %g", RT_STR_ARG(healing_view(&t->now->scope)),
                       RT_STR_ARG(healing_view(&t->now->metric)), t->now->value);
    }
    rt_text_printf(&text, "\nIntentado: %.*s", (int)t->now->tried_len, t->now->tried);
    err = alert(t, healing_view(&t->now->scope), rt_text_view(&text),
                playbook != NULL ? playbook->escalate_severity : RT_STR("critical"),
                "Every step of the remediation was tried and the anomaly is still there.");
    rt_text_fini(&text);
    healing_run_forget(&t->st->rows, t->event->tenant, t->now);
    healing_rest(&t->st->rows, t->event->tenant, healing_view(&t->now->scope), t->event->at_ms);
    return err == RT_OK ? emit_completed(t, "escalated") : err;
}

// Proposes steps from the present one on until one can be proposed, or asks a human.
static rt_err
go_on(const turn *t, const br_remediation *playbook)
{
    healing_run *now = t->now;

    for (; playbook != NULL && now->step < playbook->step_count; now->step++) {
        const br_remediation_step *step = &playbook->steps[now->step];
        rt_err err = propose_step(t, playbook);
        if (err == RT_EMISSING || err == RT_ELIMIT) {
            healing_keep(&now->why, rt_str_of(rt_err_detail()));
            healing_run_note(now, step->action, "cannot be proposed");
            continue;
        }
        if (err != RT_OK) {
            return err;
        }
        now->status = HEALING_PROPOSED;
        healing_run_moved(&t->st->rows, t->event->tenant, now, t->event->seq);
        return set_timers(t, step->wait_ms);
    }
    return finish_escalated(t, playbook);
}

// A step that was tried again and again without a cure: somebody should change the playbook.
static rt_err
report_hopeless(const turn *t, rt_str action, const healing_tally *tally)
{
    rt_arena *arena = br_agent_arena(t->agent);
    rt_str area = rt_arena_printf(arena, "healing/%.*s/%u",
                                  RT_STR_ARG(healing_view(&t->now->playbook)), t->now->step + 1);
    rt_str change = rt_arena_printf(arena,
                                    "Step %u (%.*s) of %.*s cured nothing in %llu tries: take it "
                                    "out or replace it",
                                    t->now->step + 1, RT_STR_ARG(action),
                                    RT_STR_ARG(healing_view(&t->now->playbook)),
                                    (unsigned long long)tally->tried);
    double confidence = healing_hopeless_confidence(tally);
    rt_mpw w;
    rt_err err;

    rt_mpw_init(&w, 2048);
    rt_mpw_map(&w, 4);
    rt_mpw_cstr(&w, "area");
    rt_mpw_str(&w, area);
    rt_mpw_cstr(&w, "change");
    rt_mpw_str(&w, change);
    rt_mpw_cstr(&w, "confidence");
    rt_mpw_f64(&w, confidence);
    rt_mpw_cstr(&w, "route");
    rt_mpw_cstr(&w, "ask");
    err = w.failed ? rt_fail(RT_ELIMIT, "improvement.proposed is too long")
                   : br_emit(t->agent, "improvement.proposed", RT_STR(""), rt_mpw_view(&w));
    rt_mpw_fini(&w);
    return err == RT_OK ? alert(t, rt_arena_printf(arena, "improvement/%.*s", RT_STR_ARG(area)),
                                change, RT_STR("info"), "A remediation step never works.")
                        : err;
}

// Books what came of the present step.
static rt_err
settle_step(const turn *t, rt_str action)
{
    healing_run *now = t->now;
    bool taken = now->status == HEALING_WAITING;
    healing_tally *tally = healing_tally_edit(&t->st->rows, t->event->tenant, now);
    healing_tally copy;

    tally->tried += taken ? 1 : 0;
    tally->cured += taken && now->cleared ? 1 : 0;
    tally->refused += now->status == HEALING_REFUSED ? 1 : 0;
    copy = *tally;
    now->steps_taken += taken ? 1 : 0;
    healing_run_note(now, action, healing_result((healing_status)now->status, now->cleared != 0));
    return taken && healing_is_hopeless(&copy) ? report_hopeless(t, action, &copy) : RT_OK;
}

// The wait for the present step is over.
static rt_err
advance(const turn *t)
{
    healing_run *now = t->now;
    const br_remediation *playbook;
    rt_err err;

    healing_book_refresh(&t->st->book, t->agent);
    playbook = healing_book_find(&t->st->book, healing_view(&now->playbook));
    if (playbook == NULL || now->step >= playbook->step_count) {
        healing_keep(&now->why, RT_STR("the playbook was changed meanwhile"));
        healing_run_note(now, RT_STR("step"), healing_result((healing_status)now->status, false));
        return now->cleared ? finish_healed(t) : finish_escalated(t, playbook);
    }
    err = settle_step(t, playbook->steps[now->step].action);
    if (err != RT_OK) {
        return err;
    }
    switch (healing_next((healing_status)now->status, now->cleared != 0, now->step,
                         playbook->step_count)) {
    case HEALING_CURED:
    case HEALING_GONE:
        return finish_healed(t);
    case HEALING_NEXT:
        now->step++;
        return go_on(t, playbook);
    case HEALING_ESCALATE:
        break;
    }
    return finish_escalated(t, playbook);
}

static void
keep_reading(const healing_state *st, const rt_event *event, healing_run *now)
{
    now->value = rt_value_as_f64(slot(st, event, DETECTED_VALUE), 0.0);
    now->expected_low = rt_value_as_f64(slot(st, event, DETECTED_LOW), 0.0);
    now->expected_high = rt_value_as_f64(slot(st, event, DETECTED_HIGH), 0.0);
    now->score = rt_value_as_f64(slot(st, event, DETECTED_SCORE), 0.0);
    healing_keep(&now->severity, slot_str(st, event, DETECTED_SEVERITY));
    healing_keep(&now->detectors, slot_str(st, event, DETECTED_DETECTORS));
}

// Nobody wrote a remediation for it: a human is asked at once.
static rt_err
ask_without_playbook(const turn *t)
{
    rt_str text = rt_arena_printf(br_agent_arena(t->agent),
                                  "%.*s: %.*s = %g (%.*s). No hay un plan de remediación para "
                                  "%.*s.",
                                  RT_STR_ARG(healing_view(&t->now->scope)),
                                  RT_STR_ARG(healing_view(&t->now->metric)), t->now->value,
                                  RT_STR_ARG(healing_view(&t->now->severity)),
                                  RT_STR_ARG(healing_view(&t->now->kind)));

    healing_rest(&t->st->rows, t->event->tenant, healing_view(&t->now->scope), t->event->at_ms);
    return alert(t, healing_view(&t->now->scope), text, healing_view(&t->now->severity),
                 "No remediation playbook fits the anomaly.");
}

static rt_err
on_anomaly_detected(br_agent *self, void *state, const rt_event *event)
{
    healing_state *st = state;
    rt_str metric = slot_str(st, event, DETECTED_METRIC);
    rt_str scope = scope_of(event, slot_str(st, event, DETECTED_SCOPE), metric);
    const br_remediation *playbook;
    healing_run now;
    turn t = {self, st, event, &now};

    if (healing_run_read(&st->rows, event->tenant, scope, &now)) {
        if (rt_str_equal(healing_view(&now.metric), metric)) {
            now.cleared = 0;
            keep_reading(st, event, &now);
            healing_run_write(&st->rows, event->tenant, &now);
        }
        return RT_OK;
    }
    if (!healing_starts(slot_str(st, event, DETECTED_SEVERITY)) ||
        healing_is_resting(&st->rows, event->tenant, scope, event->at_ms, st->rest_ms)) {
        return RT_OK;
    }
    memset(&now, 0, sizeof(now));
    now.version = HEALING_RUN_VERSION;
    now.started_ms = event->at_ms;
    healing_keep(&now.metric, metric);
    healing_keep(&now.kind, slot_str(st, event, DETECTED_KIND));
    healing_keep(&now.scope, scope);
    healing_keep(&now.subject, event->subject);
    keep_reading(st, event, &now);
    healing_book_refresh(&st->book, self);
    playbook = healing_book_for(&st->book, healing_view(&now.kind), event);
    if (playbook == NULL) {
        return ask_without_playbook(&t);
    }
    healing_keep(&now.playbook, playbook->id);
    return go_on(&t, playbook);
}

static rt_err
on_anomaly_cleared(br_agent *self, void *state, const rt_event *event)
{
    const healing_state *st = state;
    rt_str metric = slot_str(st, event, CLEARED_METRIC);
    rt_str scope = scope_of(event, slot_str(st, event, CLEARED_SCOPE), metric);
    healing_run now;

    (void)self;
    healing_rest_end(&st->rows, event->tenant, scope);
    if (healing_run_read(&st->rows, event->tenant, scope, &now) &&
        rt_str_equal(healing_view(&now.metric), metric)) {
        now.cleared = 1;
        healing_run_write(&st->rows, event->tenant, &now);
    }
    return RT_OK;
}

static rt_err
on_action_executed(br_agent *self, void *state, const rt_event *event)
{
    healing_state *st = state;
    rt_str status = slot_str(st, event, EXECUTED_STATUS);
    const br_remediation *playbook;
    healing_run now;
    turn t = {self, st, event, &now};

    if ((!rt_str_is(status, "failed") && !rt_str_is(status, "cancelled")) ||
        !healing_run_of_seq(&st->rows, event->tenant,
                         (uint64_t)rt_value_as_i64(slot(st, event, EXECUTED_SEQ), 0), &now)) {
        return RT_OK;
    }
    healing_book_refresh(&st->book, self);
    playbook = healing_book_find(&st->book, healing_view(&now.playbook));
    if (playbook == NULL || now.step >= playbook->step_count ||
        !rt_str_equal(playbook->steps[now.step].action, slot_str(st, event, EXECUTED_ACTION))) {
        return RT_OK; // another action of the same decision
    }
    now.status = HEALING_FAILED;
    healing_keep(&now.why, slot_str(st, event, EXECUTED_DETAIL));
    return advance(&t);
}

// Reads the run that a timer with this prefix is about; false when it is another timer, or over.
static bool
run_of_timer(const turn *t, rt_str key, rt_str prefix)
{
    return rt_str_starts(key, prefix) &&
           healing_run_read(&t->st->rows, t->event->tenant,
                            (rt_str){key.ptr + prefix.len, key.len - prefix.len}, t->now);
}

static rt_err
on_timer_fired(br_agent *self, void *state, const rt_event *event)
{
    healing_state *st = state;
    rt_str key = slot_str(st, event, TIMER_KEY);
    healing_run now;
    turn t = {self, st, event, &now};

    if (run_of_timer(&t, key, RT_STR(CHECK_PREFIX))) {
        return now.status == HEALING_REFUSED ? advance(&t) : RT_OK;
    }
    return run_of_timer(&t, key, RT_STR(WAIT_PREFIX)) ? advance(&t) : RT_OK;
}

static const msg_candidate *
own_candidate(const msg_decision *decision)
{
    const msg_candidate *candidates = decision->candidates.items;

    for (uint32_t i = 0; i < decision->candidates.count; i++) {
        if (rt_str_is(candidates[i].proposal.agent, "healing") &&
            rt_str_starts(candidates[i].proposal.model, RT_STR("remediation:"))) {
            return &candidates[i];
        }
    }
    return NULL;
}

static rt_err
on_decision(br_agent *self, void *state, const rt_record *record, const msg_decision *decision)
{
    healing_state *st = state;
    rt_tenant tenant = {(uint16_t)decision->tenant};
    const msg_candidate *own = own_candidate(decision);
    healing_run now;

    (void)self;
    (void)record;
    if (own == NULL || !healing_run_of_seq(&st->rows, tenant, decision->event_seq, &now) ||
        now.status != HEALING_PROPOSED) {
        return RT_OK;
    }
    if (rt_str_is(own->verdict, "won")) {
        now.status = HEALING_WAITING;
        healing_run_write(&st->rows, tenant, &now);
        return RT_OK;
    }
    now.status = HEALING_REFUSED;
    healing_keep(&now.why, own->why);
    healing_run_write(&st->rows, tenant, &now);
    return RT_OK; // the check timer goes on
}

// tidy: table
static const rt_param healing_params[] = {
    {"check_after", RT_PARAM_DURATION_MS, "10s", 1, 3600000, "ms",
     "How soon after a step was proposed a refusal is acted on."},
    {"rest", RT_PARAM_DURATION_MS, "6h", 0, 604800000, "ms",
     "After an escalation nothing is tried again for this long, unless the anomaly was cleared."},
};

static rt_err
init(br_agent *self, void *state)
{
    healing_state *st = state;
    rt_err err = RT_OK;

    st->check_after_ms = br_agent_param_i64(self, "check_after");
    st->rest_ms = br_agent_param_i64(self, "rest");
    for (size_t i = 0; err == RT_OK && i < SLOT_COUNT; i++) {
        err = br_agent_bind(self, bindings[i].event, bindings[i].field, &st->slots[i]);
    }
    if (err == RT_OK) {
        err = br_agent_table(self, 0, "runs", &st->rows.runs);
    }
    return err == RT_OK ? br_agent_table(self, 1, "tallies", &st->rows.tallies) : err;
}

static void
fini(br_agent *self, void *state)
{
    healing_state *st = state;

    (void)self;
    healing_book_fini(&st->book);
}

static const br_handler handlers[] = {
    {"anomaly.detected", on_anomaly_detected},
    {"anomaly.cleared", on_anomaly_cleared},
    {"action.executed", on_action_executed},
    {"timer.fired", on_timer_fired},
};

const br_agent_def healing_agent = {
    .id = 5,
    .name = "healing",
    .doc = "Runs remediation playbooks against anomalies, verifies each step, then asks a human.",
    .state_size = sizeof(healing_state),
    .init = init,
    .fini = fini,
    .handlers = handlers,
    .handler_count = RT_COUNT(handlers),
    .on_decision = on_decision,
    .params = healing_params,
    .param_count = RT_COUNT(healing_params),
};
