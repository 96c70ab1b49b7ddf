// Design notes.
//
// One run per tenant and scope, in a row; its step machine:
//
//   anomaly.detected → PROPOSED ─ decision: won ────→ WAITING ─┐
//                         │     └ decision: not won → REFUSED ─┤ timer
//                         │       action.executed: failed ─────┤
//                         └ no decision heard ─────────────────┴→ cured · next step · escalate
//
// The one timer of a run is set when a step is proposed, to the end of its wait, so a run goes on
// whatever happens to the decision; a refusal moves it to now. anomaly.cleared only marks the row:
// whether it stays cleared is looked at when the wait is over, and a new anomaly.detected takes the
// mark away again.

#include "agents/healing/book.h"
#include "agents/healing/policy.h"
#include "brain/agent/agent.h"
#include "runtime/base/check.h"

#define TIMER_PREFIX "run/"
#define SCOPE_MAX 128
#define RUN_VERSION 1

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
    rt_table *runs;    // by scope, and by seq of the event a step was proposed on
    rt_table *tallies; // by playbook and step
    healing_book book;
    int64_t grace_ms;
    int slots[SLOT_COUNT];
} healing_state;

// A text of the anomaly, kept for the templates of later steps.
typedef struct kept {
    uint16_t len;
    char text[SCOPE_MAX];
} kept;

typedef struct run {
    uint32_t version;
    uint32_t status; // healing_status
    uint32_t step;
    uint32_t cleared;
    int64_t started_ms;
    uint64_t seq; // event the present step was proposed on
    double value;
    double expected_low;
    double expected_high;
    double score;
    kept playbook;
    kept metric;
    kept kind;
    kept scope;
    kept severity;
    kept detectors;
    kept subject;
    kept why; // of a refusal or failure
    uint32_t steps_taken;
    uint32_t tried_len;
    char tried[HEALING_TRIED_MAX + 4];
} run;

// What a handler works with.
typedef struct turn {
    br_agent *agent;
    healing_state *st;
    const rt_event *event;
    run *now;
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

static void
keep(kept *into, rt_str text)
{
    memset(into, 0, sizeof(*into));
    into->len = (uint16_t)RT_MIN(text.len, sizeof(into->text));
    if (into->len > 0) {
        memcpy(into->text, text.ptr, into->len);
    }
}

static rt_str
view(const kept *from)
{
    return (rt_str){from->text, RT_MIN(from->len, sizeof(from->text))};
}

static rt_str
scope_of(const rt_event *event, rt_str scope, rt_str metric)
{
    rt_str found = scope.len > 0 ? scope : event->subject.len > 0 ? event->subject : metric;

    return (rt_str){found.ptr, RT_MIN(found.len, (size_t)SCOPE_MAX)};
}

static rt_key
run_key(rt_tenant tenant, rt_str scope)
{
    return rt_key_pair(tenant, RT_STR("r"), scope);
}

static rt_key
seq_key(rt_tenant tenant, uint64_t seq)
{
    rt_key key = rt_key_of(tenant);

    rt_key_str(&key, RT_STR("s"));
    rt_key_u64(&key, seq);
    return key;
}

static bool
read_run(const healing_state *st, rt_tenant tenant, rt_str scope, run *ret_run)
{
    rt_key key = run_key(tenant, scope);
    rt_bytes row;

    if (!rt_table_get(st->runs, rt_key_bytes(&key), &row) || row.len != sizeof(*ret_run)) {
        return false;
    }
    memcpy(ret_run, row.ptr, sizeof(*ret_run));
    return true;
}

// Finds the run whose present step was proposed on the event `seq`.
static bool
read_run_of_seq(const healing_state *st, rt_tenant tenant, uint64_t seq, run *ret_run)
{
    rt_key key = seq_key(tenant, seq);
    rt_bytes scope;

    return rt_table_get(st->runs, rt_key_bytes(&key), &scope) &&
           read_run(st, tenant, rt_str_of_bytes(scope), ret_run) && ret_run->seq == seq;
}

static void
write_run(const healing_state *st, rt_tenant tenant, const run *now)
{
    rt_key key = run_key(tenant, view(&now->scope));

    rt_table_put(st->runs, rt_key_bytes(&key), (rt_bytes){(const uint8_t *)now, sizeof(*now)});
}

static void
forget_seq(const healing_state *st, rt_tenant tenant, const run *now)
{
    rt_key key = seq_key(tenant, now->seq);

    (void)rt_table_del(st->runs, rt_key_bytes(&key)); // its absence is the aim
}

static void
forget_run(const healing_state *st, rt_tenant tenant, const run *now)
{
    rt_key key = run_key(tenant, view(&now->scope));

    forget_seq(st, tenant, now);
    (void)rt_table_del(st->runs, rt_key_bytes(&key)); // its absence is the aim
}

static healing_tally *
tally_of(const healing_state *st, rt_tenant tenant, const run *now)
{
    rt_key key = rt_key_of(tenant);
    bool created;

    rt_key_str(&key, view(&now->playbook));
    rt_key_u64(&key, now->step);
    return rt_table_edit(st->tallies, rt_key_bytes(&key), sizeof(healing_tally), &created);
}

static void
note_step(run *now, rt_str action, const char *result)
{
    rt_text tried;

    rt_text_init(&tried, HEALING_TRIED_MAX + 1);
    rt_text_put(&tried, now->tried, RT_MIN(now->tried_len, (uint32_t)HEALING_TRIED_MAX));
    healing_note(&tried, now->step, action, result, view(&now->why));
    now->tried_len = (uint32_t)RT_MIN(tried.len, (size_t)HEALING_TRIED_MAX);
    memcpy(now->tried, tried.ptr, now->tried_len);
    rt_text_fini(&tried);
    keep(&now->why, (rt_str){NULL, 0});
}

static bool
put_number(rt_text *out, double value)
{
    char digits[RT_F64_CAP];

    rt_text_put(out, digits, rt_format_f64(value, digits, sizeof(digits)));
    return true;
}

static bool
put_kept(rt_text *out, const kept *text)
{
    rt_text_str(out, view(text));
    return text->len > 0;
}

static bool
look_up(void *user, rt_str path, rt_text *out)
{
    const run *now = user;
    rt_str kind = {NULL, 0};
    rt_str key = view(&now->scope);
    const struct {
        const char *path;
        const kept *text;
    } texts[] = {{"data.metric", &now->metric},     {"data.kind", &now->kind},
                 {"data.scope", &now->scope},       {"data.severity", &now->severity},
                 {"data.detectors", &now->detectors}, {"event.subject", &now->subject}};
    const struct {
        const char *path;
        double value;
    } numbers[] = {{"data.value", now->value},
                   {"data.expected_low", now->expected_low},
                   {"data.expected_high", now->expected_high},
                   {"data.score", now->score}};

    for (size_t i = 0; i < RT_COUNT(texts); i++) {
        if (rt_str_is(path, texts[i].path)) {
            return put_kept(out, texts[i].text);
        }
    }
    for (size_t i = 0; i < RT_COUNT(numbers); i++) {
        if (rt_str_is(path, numbers[i].path)) {
            return put_number(out, numbers[i].value);
        }
    }
    (void)rt_subject_split(view(&now->scope), &kind, &key); // without a slash the scope is the key
    rt_text_str(out, rt_str_is(path, "scope.kind") ? kind : key);
    return rt_str_is(path, "scope.kind") ? kind.len > 0 : key.len > 0;
}

static rt_err
write_args(const br_remediation_step *step, run *now, rt_mpw *w)
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
        err = br_remediation_fill(arg->value.s, look_up, now, &filled);
        rt_mpw_str(w, rt_text_view(&filled));
    }
    rt_text_fini(&filled);
    return err == RT_OK && w->failed ? rt_fail(RT_ELIMIT, "arguments are too long") : err;
}

static rt_err
set_timer(const turn *t, int64_t due_ms)
{
    rt_str key = rt_arena_printf(br_agent_arena(t->agent), TIMER_PREFIX "%.*s",
                                 RT_STR_ARG(view(&t->now->scope)));

    return br_timer_set(t->agent, key, due_ms, view(&t->now->subject));
}

static rt_err
send_step(const turn *t, const br_remediation *playbook, const br_remediation_step *step,
          rt_str target, rt_bytes args)
{
    const healing_tally *tally = tally_of(t->st, t->event->tenant, t->now);
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
        .priority = healing_priority(playbook->priority, view(&t->now->severity)),
        .confidence = confidence,
        .value = 0.4 * confidence,
        .propensity = 1.0,
        .reason = rt_arena_printf(br_agent_arena(t->agent),
                                  "Step %u of %u against %.*s of %.*s (%.*s is %g).",
                                  t->now->step + 1, playbook->step_count,
                                  RT_STR_ARG(view(&t->now->kind)),
                                  RT_STR_ARG(view(&t->now->scope)),
                                  RT_STR_ARG(view(&t->now->metric)), t->now->value),
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
                              look_up, t->now, &target);
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
    const run *now = t->now;
    rt_mpw w;
    rt_err err;

    rt_mpw_init(&w, 4096);
    rt_mpw_map(&w, 6);
    rt_mpw_cstr(&w, "playbook");
    rt_mpw_str(&w, view(&now->playbook));
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
                   : br_emit(t->agent, "healing.completed", view(&now->subject), rt_mpw_view(&w));
    rt_mpw_fini(&w);
    return err;
}

static rt_err
finish_healed(const turn *t)
{
    forget_run(t->st, t->event->tenant, t->now);
    return emit_completed(t, "healed");
}

static rt_err
finish_escalated(const turn *t, const br_remediation *playbook)
{
    rt_text text;
    rt_err err = RT_OK;

    rt_text_init(&text, BR_REMEDIATION_TEXT_MAX + HEALING_TRIED_MAX + 64);
    if (playbook == NULL ||
        br_remediation_fill(playbook->escalate_text, look_up, t->now, &text) != RT_OK) {
        rt_text_clear(&text); // a text that cannot be filled must not stop the call for help
        rt_text_printf(&text, "%.*s: %.*s = %g", RT_STR_ARG(view(&t->now->scope)),
                       RT_STR_ARG(view(&t->now->metric)), t->now->value);
    }
    rt_text_printf(&text, "\nIntentado: %.*s", (int)t->now->tried_len, t->now->tried);
    err = alert(t, view(&t->now->scope), rt_text_view(&text),
                playbook != NULL ? playbook->escalate_severity : RT_STR("critical"),
                "Every step of the remediation was tried and the anomaly is still there.");
    rt_text_fini(&text);
    forget_run(t->st, t->event->tenant, t->now);
    return err == RT_OK ? emit_completed(t, "escalated") : err;
}

// Proposes steps from the present one on until one can be proposed, or asks a human.
static rt_err
go_on(const turn *t, const br_remediation *playbook)
{
    run *now = t->now;

    for (; playbook != NULL && now->step < playbook->step_count; now->step++) {
        const br_remediation_step *step = &playbook->steps[now->step];
        rt_err err = propose_step(t, playbook);
        if (err == RT_EMISSING || err == RT_ELIMIT) {
            keep(&now->why, rt_str_of(rt_err_detail()));
            note_step(now, step->action, "cannot be proposed");
            continue;
        }
        if (err != RT_OK) {
            return err;
        }
        forget_seq(t->st, t->event->tenant, now);
        now->status = HEALING_PROPOSED;
        now->seq = t->event->seq;
        rt_key key = seq_key(t->event->tenant, now->seq);
        rt_table_put(t->st->runs, rt_key_bytes(&key), rt_bytes_of_str(view(&now->scope)));
        write_run(t->st, t->event->tenant, now);
        return set_timer(t, t->event->at_ms + step->wait_ms + t->st->grace_ms);
    }
    return finish_escalated(t, playbook);
}

// A step that was tried again and again without a cure: somebody should change the playbook.
static rt_err
report_hopeless(const turn *t, rt_str action, const healing_tally *tally)
{
    rt_arena *arena = br_agent_arena(t->agent);
    rt_str area = rt_arena_printf(arena, "healing/%.*s/%u", RT_STR_ARG(view(&t->now->playbook)),
                                  t->now->step + 1);
    rt_str change = rt_arena_printf(arena,
                                    "Step %u (%.*s) of %.*s cured nothing in %llu tries: take it "
                                    "out or replace it",
                                    t->now->step + 1, RT_STR_ARG(action),
                                    RT_STR_ARG(view(&t->now->playbook)),
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
    run *now = t->now;
    bool taken = now->status == HEALING_WAITING;
    healing_tally *tally = tally_of(t->st, t->event->tenant, now);
    healing_tally copy;

    tally->tried += taken ? 1 : 0;
    tally->cured += taken && now->cleared ? 1 : 0;
    tally->refused += now->status == HEALING_REFUSED ? 1 : 0;
    copy = *tally;
    now->steps_taken += taken ? 1 : 0;
    note_step(now, action, healing_result((healing_status)now->status, now->cleared != 0));
    return taken && healing_is_hopeless(&copy) ? report_hopeless(t, action, &copy) : RT_OK;
}

// The wait for the present step is over.
static rt_err
advance(const turn *t)
{
    run *now = t->now;
    const br_remediation *playbook;
    rt_err err;

    healing_book_refresh(&t->st->book, t->agent);
    playbook = healing_book_find(&t->st->book, view(&now->playbook));
    if (playbook == NULL || now->step >= playbook->step_count) {
        keep(&now->why, RT_STR("the playbook was changed meanwhile"));
        note_step(now, RT_STR("step"), healing_result((healing_status)now->status, false));
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
keep_reading(const healing_state *st, const rt_event *event, run *now)
{
    now->value = rt_value_as_f64(slot(st, event, DETECTED_VALUE), 0.0);
    now->expected_low = rt_value_as_f64(slot(st, event, DETECTED_LOW), 0.0);
    now->expected_high = rt_value_as_f64(slot(st, event, DETECTED_HIGH), 0.0);
    now->score = rt_value_as_f64(slot(st, event, DETECTED_SCORE), 0.0);
    keep(&now->severity, slot_str(st, event, DETECTED_SEVERITY));
    keep(&now->detectors, slot_str(st, event, DETECTED_DETECTORS));
}

// Nobody wrote a remediation for it: a human is asked at once.
static rt_err
ask_without_playbook(const turn *t)
{
    rt_str text = rt_arena_printf(br_agent_arena(t->agent),
                                  "%.*s: %.*s = %g (%.*s). No hay un plan de remediación para %.*s.",
                                  RT_STR_ARG(view(&t->now->scope)),
                                  RT_STR_ARG(view(&t->now->metric)), t->now->value,
                                  RT_STR_ARG(view(&t->now->severity)),
                                  RT_STR_ARG(view(&t->now->kind)));

    return alert(t, view(&t->now->scope), text, view(&t->now->severity),
                 "No remediation playbook fits the anomaly.");
}

static rt_err
on_anomaly_detected(br_agent *self, void *state, const rt_event *event)
{
    healing_state *st = state;
    rt_str metric = slot_str(st, event, DETECTED_METRIC);
    rt_str scope = scope_of(event, slot_str(st, event, DETECTED_SCOPE), metric);
    const br_remediation *playbook;
    run now;
    turn t = {self, st, event, &now};

    if (read_run(st, event->tenant, scope, &now)) {
        if (rt_str_equal(view(&now.metric), metric)) {
            now.cleared = 0;
            keep_reading(st, event, &now);
            write_run(st, event->tenant, &now);
        }
        return RT_OK;
    }
    if (!healing_starts(slot_str(st, event, DETECTED_SEVERITY))) {
        return RT_OK;
    }
    memset(&now, 0, sizeof(now));
    now.version = RUN_VERSION;
    now.started_ms = event->at_ms;
    keep(&now.metric, metric);
    keep(&now.kind, slot_str(st, event, DETECTED_KIND));
    keep(&now.scope, scope);
    keep(&now.subject, event->subject);
    keep_reading(st, event, &now);
    healing_book_refresh(&st->book, self);
    playbook = healing_book_for(&st->book, view(&now.kind), event);
    if (playbook == NULL) {
        return ask_without_playbook(&t);
    }
    keep(&now.playbook, playbook->id);
    return go_on(&t, playbook);
}

static rt_err
on_anomaly_cleared(br_agent *self, void *state, const rt_event *event)
{
    const healing_state *st = state;
    rt_str metric = slot_str(st, event, CLEARED_METRIC);
    run now;

    (void)self;
    if (read_run(st, event->tenant,
                 scope_of(event, slot_str(st, event, CLEARED_SCOPE), metric), &now) &&
        rt_str_equal(view(&now.metric), metric)) {
        now.cleared = 1;
        write_run(st, event->tenant, &now);
    }
    return RT_OK;
}

static rt_err
on_action_executed(br_agent *self, void *state, const rt_event *event)
{
    healing_state *st = state;
    rt_str status = slot_str(st, event, EXECUTED_STATUS);
    const br_remediation *playbook;
    run now;
    turn t = {self, st, event, &now};

    if ((!rt_str_is(status, "failed") && !rt_str_is(status, "cancelled")) ||
        !read_run_of_seq(st, event->tenant,
                         (uint64_t)rt_value_as_i64(slot(st, event, EXECUTED_SEQ), 0), &now)) {
        return RT_OK;
    }
    healing_book_refresh(&st->book, self);
    playbook = healing_book_find(&st->book, view(&now.playbook));
    if (playbook == NULL || now.step >= playbook->step_count ||
        !rt_str_equal(playbook->steps[now.step].action, slot_str(st, event, EXECUTED_ACTION))) {
        return RT_OK; // another action of the same decision
    }
    now.status = HEALING_FAILED;
    keep(&now.why, slot_str(st, event, EXECUTED_DETAIL));
    return advance(&t);
}

static rt_err
on_timer_fired(br_agent *self, void *state, const rt_event *event)
{
    healing_state *st = state;
    rt_str key = slot_str(st, event, TIMER_KEY);
    size_t prefix = sizeof(TIMER_PREFIX) - 1;
    run now;
    turn t = {self, st, event, &now};

    if (!rt_str_starts(key, RT_STR(TIMER_PREFIX)) ||
        !read_run(st, event->tenant, (rt_str){key.ptr + prefix, key.len - prefix}, &now)) {
        return RT_OK;
    }
    return advance(&t);
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
    run now;
    turn t = {self, st, NULL, &now};

    if (own == NULL || !read_run_of_seq(st, tenant, decision->event_seq, &now) ||
        now.status != HEALING_PROPOSED) {
        return RT_OK;
    }
    if (rt_str_is(own->verdict, "won")) {
        now.status = HEALING_WAITING;
        write_run(st, tenant, &now);
        return RT_OK;
    }
    now.status = HEALING_REFUSED;
    keep(&now.why, own->why);
    write_run(st, tenant, &now);
    return set_timer(&t, record->at_ms);
}

// tidy: table
static const rt_param healing_params[] = {
    {"grace", RT_PARAM_DURATION_MS, "5s", 0, 3600000, "ms",
     "Added to a step's wait, for the time until it is decided and carried out."},
};

static rt_err
init(br_agent *self, void *state)
{
    healing_state *st = state;
    rt_err err = RT_OK;

    st->grace_ms = br_agent_param_i64(self, "grace");
    for (size_t i = 0; err == RT_OK && i < SLOT_COUNT; i++) {
        err = br_agent_bind(self, bindings[i].event, bindings[i].field, &st->slots[i]);
    }
    if (err == RT_OK) {
        err = br_agent_table(self, 0, "runs", &st->runs);
    }
    return err == RT_OK ? br_agent_table(self, 1, "tallies", &st->tallies) : err;
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
