#include "tools/report/ledger.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// One pass over the journal. Most records are events and decisions on which nobody said anything:
// of an event only its head is read, a silent decision is counted and not decoded.

#define RECORD_ARENA_BYTES ((size_t)64 * 1024 * 1024)
#define KEY_CAP 512

void
ledger_init(ledger *l, const char *model, bool delivered_only)
{
    *l = (ledger){.model = model, .delivered_only = delivered_only, .first_ms = INT64_MIN};
    tally *const tables[] = {&l->events,    &l->said_by,   &l->said_on, &l->conflicts,
                             &l->vetoes,    &l->refusals,  &l->actions, &l->playbooks,
                             &l->anomalies, &l->healing,   &l->rewards, &l->improvements,
                             &l->rejects,   &l->missing};

    for (size_t i = 0; i < RT_COUNT(tables); i++) {
        tally_init(tables[i]);
    }
    l->incidents = rt_new_array(ledger_incident, LEDGER_INCIDENTS_MAX);
    l->forecast = forecast_new(delivered_only);
    l->ids = rt_map_new();
    l->done = rt_map_new();
    l->arena = rt_arena_new(RECORD_ARENA_BYTES);
}

void
ledger_fini(ledger *l)
{
    tally *const tables[] = {&l->events,    &l->said_by,   &l->said_on, &l->conflicts,
                             &l->vetoes,    &l->refusals,  &l->actions, &l->playbooks,
                             &l->anomalies, &l->healing,   &l->rewards, &l->improvements,
                             &l->rejects,   &l->missing};

    for (size_t i = 0; i < RT_COUNT(tables); i++) {
        tally_fini(tables[i]);
    }
    rt_free(l->incidents);
    forecast_free(l->forecast);
    rt_map_free(l->ids);
    rt_map_free(l->done);
    rt_arena_free(l->arena);
}

void
ledger_sort(ledger *l)
{
    tally_sort(&l->events, EVENTS_EXTERNAL);
    tally_sort(&l->said_by, SAID_PROPOSED);
    tally_sort(&l->said_on, SAID_PROPOSED);
    tally_sort(&l->conflicts, 0);
    tally_sort(&l->vetoes, 0);
    tally_sort(&l->refusals, 0);
    tally_sort(&l->actions, ACTION_DECIDED);
    tally_sort(&l->playbooks, BOOK_FIRED);
    tally_sort(&l->anomalies, ANOMALY_RAISED);
    tally_sort(&l->healing, HEALING_HEALED);
    tally_sort(&l->rewards, 0);
    tally_sort(&l->improvements, 0);
    tally_sort(&l->rejects, 0);
    tally_sort(&l->missing, 0);
}

static void
copy_name(char *to, size_t cap, rt_str name)
{
    snprintf(to, cap, "%.*s", RT_STR_ARG(name));
}

static bool
is_name(const char *kept, rt_str name)
{
    return rt_str_is((rt_str){name.ptr, RT_MIN(name.len, LEDGER_NAME_CAP - 1)}, kept);
}

// A name put together from several; longer ones are cut.
static rt_str RT_PRINTF(2, 3)
key_of(char buf[KEY_CAP], const char *fmt, ...)
{
    va_list args;
    int len = 0;

    va_start(args, fmt);
    len = vsnprintf(buf, KEY_CAP, fmt, args);
    va_end(args);
    return (rt_str){buf, (size_t)RT_MIN(RT_MAX(len, 0), KEY_CAP - 1)};
}

// --- events ---

static ledger_incident *
open_incident(const ledger *l, rt_str metric, rt_str scope)
{
    for (size_t i = l->incident_count; i > 0; i--) {
        ledger_incident *incident = &l->incidents[i - 1];

        if (incident->until_ms == INT64_MIN && is_name(incident->metric, metric) &&
            is_name(incident->scope, scope)) {
            return incident;
        }
    }
    return NULL;
}

static void
on_anomaly(ledger *l, const report_entry *entry)
{
    rt_str metric = report_entry_str(entry, "metric");
    rt_str scope = report_entry_str(entry, "scope");
    rt_str severity = report_entry_str(entry, "severity");
    ledger_incident *incident = open_incident(l, metric, scope);

    tally_add(&l->anomalies, metric, incident == NULL ? ANOMALY_RAISED : ANOMALY_WORSE);
    if (incident == NULL && l->incident_count < LEDGER_INCIDENTS_MAX) {
        incident = &l->incidents[l->incident_count++];
        *incident = (ledger_incident){.from_ms = entry->at_ms,
                                      .until_ms = INT64_MIN,
                                      .value = report_entry_f64(entry, "value", NAN),
                                      .low = report_entry_f64(entry, "expected_low", NAN),
                                      .high = report_entry_f64(entry, "expected_high", NAN)};
        copy_name(incident->metric, sizeof(incident->metric), metric);
        copy_name(incident->scope, sizeof(incident->scope), scope);
        copy_name(incident->kind, sizeof(incident->kind), report_entry_str(entry, "kind"));
    }
    if (incident != NULL) {
        incident->reports++;
        if (!rt_str_is(severity, "info") || incident->severity[0] == '\0') {
            copy_name(incident->severity, sizeof(incident->severity),
                      strcmp(incident->severity, "critical") == 0 ? RT_STR("critical") : severity);
        }
    }
}

static void
on_cleared(ledger *l, const report_entry *entry)
{
    rt_str metric = report_entry_str(entry, "metric");
    ledger_incident *incident = open_incident(l, metric, report_entry_str(entry, "scope"));

    tally_add(&l->anomalies, metric, ANOMALY_CLEARED);
    if (incident != NULL) {
        incident->until_ms = entry->at_ms;
    }
}

static void
on_healing(ledger *l, const report_entry *entry)
{
    bool healed = rt_str_is(report_entry_str(entry, "outcome"), "healed");
    tally_row *row = tally_at(&l->healing, report_entry_str(entry, "playbook"));

    row->count[healed ? HEALING_HEALED : HEALING_ESCALATED]++;
    row->count[HEALING_STEPS] += (uint64_t)RT_MAX(report_entry_i64(entry, "steps", 0), 0);
    row->sum += (double)report_entry_i64(entry, "duration_ms", 0);
}

static void
on_executed(ledger *l, const report_entry *entry)
{
    rt_str status = report_entry_str(entry, "status");
    rt_str id = report_entry_str(entry, "action_id");
    size_t column = ACTION_CANCELLED;

    if (rt_str_is(status, "executed")) {
        column = ACTION_EXECUTED;
        l->repeated_actions += !rt_map_put(l->done, rt_bytes_of_str(id), 1);
    } else if (rt_str_is(status, "failed")) {
        column = ACTION_FAILED;
    } else if (rt_str_is(status, "unknown")) {
        column = ACTION_UNKNOWN;
    }
    tally_add(&l->actions, report_entry_str(entry, "action"), column);
}

static void
on_rewarded(ledger *l, const report_entry *entry)
{
    tally_row *row = tally_at(&l->rewards, report_entry_str(entry, "cause"));

    row->count[0]++;
    row->sum += report_entry_f64(entry, "reward", 0);
}

static void
on_learned(ledger *l, const report_entry *entry)
{
    rt_str model = report_entry_str(entry, "model");
    size_t at = 0;

    while (at < l->lesson_count && !is_name(l->lessons[at].model, model)) {
        at++;
    }
    if (at == LEDGER_LESSONS_MAX) {
        return;
    }
    l->lesson_count = RT_MAX(l->lesson_count, at + 1);
    copy_name(l->lessons[at].model, sizeof(l->lessons[at].model), model);
    l->lessons[at].reports++;
    l->lessons[at].samples += report_entry_i64(entry, "samples", 0);
    l->lessons[at].auc = report_entry_f64(entry, "auc", NAN);
    l->lessons[at].log_loss = report_entry_f64(entry, "log_loss", NAN);
    l->lessons[at].base_log_loss = report_entry_f64(entry, "base_log_loss", NAN);
    l->lessons[at].mean_reward = report_entry_f64(entry, "mean_reward", NAN);
}

static void
on_improvement(ledger *l, const report_entry *entry)
{
    tally_add(&l->improvements, report_entry_str(entry, "route"), 0);
}

static void
on_verified(ledger *l, const report_entry *entry)
{
    tally_add(&l->playbooks, report_entry_str(entry, "playbook"),
              report_entry_bool(entry, "held") ? BOOK_HELD : BOOK_NOT_HELD);
}

// Events of the brain that mean more than their number.
static const struct {
    const char *type;
    void (*take)(ledger *l, const report_entry *entry);
} takers[] = {
    {"action.executed", on_executed},       {"decision.rewarded", on_rewarded},
    {"playbook.verified", on_verified},     {"anomaly.detected", on_anomaly},
    {"anomaly.cleared", on_cleared},        {"healing.completed", on_healing},
    {"learning.completed", on_learned},     {"improvement.proposed", on_improvement},
};

static void
take_external(ledger *l, const report_entry *entry)
{
    char buf[KEY_CAP];
    rt_str key = key_of(buf, "%llu %.*s %.*s", (unsigned long long)entry->tenant,
                        RT_STR_ARG(entry->source), RT_STR_ARG(entry->id));

    l->external++;
    l->repeated += !rt_map_put(l->ids, rt_bytes_of_str(key), 1);
    tally_add(&l->events, entry->type, EVENTS_EXTERNAL);
}

static void
take_event(ledger *l, const rt_record *record)
{
    report_entry entry;

    if (report_entry_read(record, &entry) != RT_OK) {
        l->unreadable++;
        return;
    }
    forecast_event(l->forecast, &entry);
    l->depth_max = RT_MAX(l->depth_max, entry.depth);
    if (!entry.internal) {
        take_external(l, &entry);
    } else {
        l->internal++;
        tally_add(&l->events, entry.type, EVENTS_INTERNAL);
    }
    for (size_t i = 0; i < RT_COUNT(takers); i++) {
        if (rt_str_is(entry.type, takers[i].type)) {
            takers[i].take(l, &entry);
            return;
        }
    }
}

// --- decisions ---

rt_str
ledger_reason(rt_str why)
{
    static const char in_flight[] = " is in flight on ";
    const char *colon = NULL;
    const char *quote = NULL;

    if (why.len == 0 || why.ptr == NULL) {
        return why;
    }
    if (memmem(why.ptr, why.len, in_flight, sizeof(in_flight) - 1) != NULL) {
        return RT_STR("in flight");
    }
    colon = memchr(why.ptr, ':', why.len);
    quote = memchr(why.ptr, '\'', why.len);
    if (quote != NULL && (colon == NULL || quote < colon)) {
        return why; // names an argument or a target: the whole of it says what is wrong
    }
    return colon != NULL ? (rt_str){why.ptr, (size_t)(colon - why.ptr)} : why;
}

static size_t
column_of(rt_str verdict)
{
    static const struct {
        const char *verdict;
        size_t column;
    } columns[] = {{"won", SAID_WON},
                   {"lost", SAID_LOST},
                   {"refused", SAID_REFUSED},
                   {"vetoed", SAID_VETOED},
                   {"shadow", SAID_SHADOW}};

    for (size_t i = 0; i < RT_COUNT(columns); i++) {
        if (rt_str_is(verdict, columns[i].verdict)) {
            return columns[i].column;
        }
    }
    return SAID_PROPOSED; // none of its own
}

// The candidate that another one lost to, or was vetoed by: its words begin with the winner's name.
static const msg_proposal *
winner_over(const msg_decision *decision, const msg_candidate *loser)
{
    const msg_candidate *candidates = decision->candidates.items;

    for (uint32_t i = 0; i < decision->candidates.count; i++) {
        const msg_proposal *p = &candidates[i].proposal;
        char buf[KEY_CAP];
        rt_str prefix = p->veto ? key_of(buf, "vetoed by %.*s: ", RT_STR_ARG(p->agent))
                                : key_of(buf, "lost to %.*s of %.*s: ", RT_STR_ARG(p->action),
                                         RT_STR_ARG(p->agent));

        if (rt_str_starts(loser->why, prefix) && rt_str_is(candidates[i].verdict, "won") &&
            rt_str_equal(p->target, loser->proposal.target)) {
            return p;
        }
    }
    return NULL;
}

static void
take_loser(ledger *l, const msg_decision *decision, const msg_candidate *loser, size_t column)
{
    const msg_proposal *p = &loser->proposal;
    char buf[KEY_CAP];

    if (column == SAID_REFUSED) {
        tally_add(&l->refusals,
                  key_of(buf, "%.*s: %.*s", RT_STR_ARG(p->action),
                         RT_STR_ARG(ledger_reason(loser->why))),
                  0);
        return;
    }
    const msg_proposal *winner = winner_over(decision, loser);
    rt_str by = winner != NULL ? winner->agent : RT_STR("?");
    rt_str with = winner != NULL ? winner->action : RT_STR("?");
    rt_str key = key_of(buf, "%.*s %.*s < %.*s %.*s", RT_STR_ARG(p->agent), RT_STR_ARG(p->action),
                        RT_STR_ARG(by), RT_STR_ARG(with));

    tally_add(column == SAID_LOST ? &l->conflicts : &l->vetoes, key, 0);
}

static void
take_candidate(ledger *l, const msg_decision *decision, const msg_candidate *candidate)
{
    const msg_proposal *p = &candidate->proposal;
    size_t column = column_of(candidate->verdict);

    if (p->veto) {
        tally_add(&l->said_by, p->agent, SAID_VETOES);
        tally_add(&l->said_on, decision->event_type, SAID_VETOES);
        return;
    }
    tally_add(&l->said_by, p->agent, SAID_PROPOSED);
    tally_add(&l->said_on, decision->event_type, SAID_PROPOSED);
    if (column == SAID_PROPOSED) {
        return;
    }
    tally_add(&l->said_by, p->agent, column);
    tally_add(&l->said_on, decision->event_type, column);
    if (column == SAID_WON) {
        tally_add(&l->actions, p->action, ACTION_DECIDED);
    } else if (column != SAID_SHADOW) {
        take_loser(l, decision, candidate, column);
    }
}

static size_t
book_column(rt_str verdict)
{
    static const struct {
        const char *verdict;
        size_t column;
    } columns[] = {{"fired", BOOK_FIRED}, {"false", BOOK_FALSE}, {"throttled", BOOK_THROTTLED},
                   {"error", BOOK_ERROR}};

    for (size_t i = 0; i < RT_COUNT(columns); i++) {
        if (rt_str_is(verdict, columns[i].verdict)) {
            return columns[i].column;
        }
    }
    return BOOK_OTHER; // a verification, counted when its event comes
}

static void
take_words(ledger *l, const msg_decision *decision)
{
    const msg_candidate *candidates = decision->candidates.items;
    const msg_consulted *consulted = decision->consulted.items;
    const msg_prediction *predictions = decision->predictions.items;
    const rt_str *missing = decision->missing.items;

    for (uint32_t i = 0; i < decision->candidates.count; i++) {
        take_candidate(l, decision, &candidates[i]);
    }
    for (uint32_t i = 0; i < decision->consulted.count; i++) {
        tally_add(&l->playbooks, consulted[i].playbook, book_column(consulted[i].verdict));
    }
    for (uint32_t i = 0; i < decision->predictions.count; i++) {
        l->predictions++;
        if (rt_str_is(predictions[i].model, l->model)) {
            forecast_predicted(l->forecast, decision->event_seq, predictions[i].value);
        }
    }
    for (uint32_t i = 0; i < decision->missing.count; i++) {
        tally_add(&l->missing, missing[i], 0);
    }
    l->with_missing += decision->missing.count > 0;
    if (decision->candidates.count + decision->predictions.count > 0) {
        l->said++;
        tally_add(&l->said_on, decision->event_type, SAID_DECISIONS);
    }
}

static void
take_decision(ledger *l, const rt_record *record)
{
    msg_decision decision;
    rt_mp mp = rt_mp_init(record->payload);

    l->decisions++;
    rt_arena_reset(l->arena);
    if (rt_msg_decode(&msg_decision_def, &mp, l->arena, &decision) != RT_OK) {
        l->unreadable++;
        return;
    }
    take_words(l, &decision);
}

// --- the rest ---

// A refused input is [door, error, path, text, its first bytes].
static void
take_reject(ledger *l, const rt_record *record)
{
    char buf[KEY_CAP];
    rt_mp mp = rt_mp_init(record->payload);
    uint32_t count = 0;
    rt_str door;
    rt_str error;
    rt_str path;

    if (rt_mp_array(&mp, &count) != RT_OK || rt_mp_str(&mp, &door) != RT_OK ||
        rt_mp_str(&mp, &error) != RT_OK || rt_mp_str(&mp, &path) != RT_OK) {
        l->unreadable++;
        return;
    }
    tally_add(&l->rejects,
              key_of(buf, "%.*s %.*s %.*s", RT_STR_ARG(door), RT_STR_ARG(error), RT_STR_ARG(path)),
              0);
}

void
ledger_take(ledger *l, const rt_record *record)
{
    if (l->records++ == 0) {
        l->first_seq = record->seq;
    }
    l->bytes += record->payload.len;
    l->last_seq = record->seq;
    l->last_ms = record->at_ms;
    switch (record->kind) {
    case RT_RECORD_EVENT:
        // a clock that events drive begins with the first of them
        l->first_ms = l->first_ms == INT64_MIN ? record->at_ms : l->first_ms;
        take_event(l, record);
        break;
    case RT_RECORD_DECISION:
        take_decision(l, record);
        break;
    case RT_RECORD_PLAYBOOKS:
        l->playbook_sets++;
        break;
    case RT_RECORD_REJECT:
        take_reject(l, record);
        break;
    case RT_RECORD_START:
        l->starts++;
        break;
    case RT_RECORD_COMMIT:
        break;
    }
}
