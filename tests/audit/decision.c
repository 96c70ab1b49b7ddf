#include <inttypes.h>
#include <stdio.h>

#include "tests/audit/internal.h"

// Design notes.
// A message is an array [version, fields ...] in the order of brain/core/messages.yaml; fields are
// only ever appended, so a shorter array is an older message and what follows the known fields is
// passed over. What is read here: decision, candidate, proposal, prediction, consulted, timer.

#define ACTION_ID_CAP 64
#define PLAIN_KEY_MAX 79 // bytes of a row's key that is not cut
#define DECISION_VERSION 2

// --- reading ----------------------------------------------------------------------------------

// An array of a message while its fields are read.
typedef struct fields {
    audit__mp *mp;
    uint32_t left;
} fields;

static fields
open_fields(audit__mp *mp, uint64_t version)
{
    uint32_t count = audit__mp_array(mp);

    mp->bad = audit__mp_u64(mp) != version || mp->bad;
    return (fields){mp, count > 0 ? count - 1 : 0};
}

static bool
take(fields *f)
{
    if (f->left == 0 || f->mp->bad) {
        return false;
    }
    f->left--;
    return true;
}

static audit__str
take_str(fields *f)
{
    return take(f) ? audit__mp_str(f->mp) : (audit__str){"", 0};
}

static uint64_t
take_u64(fields *f)
{
    return take(f) ? audit__mp_u64(f->mp) : 0;
}

static double
take_f64(fields *f)
{
    return take(f) ? audit__mp_f64(f->mp) : 0;
}

static void
pass(fields *f)
{
    if (take(f)) {
        audit__mp_skip(f->mp);
    }
}

static uint32_t
take_list(fields *f)
{
    return take(f) ? audit__mp_array(f->mp) : 0;
}

static void
close_fields(fields *f)
{
    while (f->left > 0 && !f->mp->bad) {
        pass(f);
    }
}

static void
read_proposal(audit__mp *mp, audit__candidate *c)
{
    fields f = open_fields(mp, 1);

    c->agent = take_str(&f);
    pass(&f); // model
    c->action = take_str(&f);
    c->target = take_str(&f);
    c->args = take(&f) ? audit__mp_raw(mp) : (audit__str){"", 0};
    c->priority = take(&f) ? audit__mp_i64(mp) : 0;
    c->confidence = take_f64(&f);
    pass(&f); // value
    c->cost = take(&f) ? audit__mp_i64(mp) : 0;
    c->veto = take(&f) && audit__mp_bool(mp);
    close_fields(&f);
}

static void
read_candidate(audit__mp *mp, audit__candidate *c)
{
    fields f = open_fields(mp, 1);

    if (take(&f)) {
        read_proposal(mp, c);
    }
    c->score = take_f64(&f);
    c->verdict = take_str(&f);
    c->why = take_str(&f);
    c->action_id = take_str(&f);
    close_fields(&f);
}

static void
read_consulted(audit__mp *mp, audit__consulted *c)
{
    fields f = open_fields(mp, 1);

    c->playbook = take_str(&f);
    pass(&f); // version
    c->verdict = take_str(&f);
    pass(&f); // detail
    c->throttle_key = take_str(&f);
    close_fields(&f);
}

static void
read_candidates(fields *f, audit__decision *d)
{
    uint32_t count = take_list(f);

    for (uint32_t i = 0; i < count && !f->mp->bad; i++) {
        if (i < AUDIT_CANDIDATES_MAX) {
            d->candidates[i] = (audit__candidate){0};
            read_candidate(f->mp, &d->candidates[i]);
        } else {
            audit__mp_skip(f->mp);
        }
    }
    f->mp->bad = f->mp->bad || count > AUDIT_CANDIDATES_MAX;
    d->candidate_count = f->mp->bad ? 0 : count;
}

static void
read_predictions(fields *f, audit__decision *d)
{
    uint32_t count = take_list(f);

    for (uint32_t i = 0; i < count && !f->mp->bad; i++) {
        fields p = open_fields(f->mp, 1);
        audit__str agent = take_str(&p);

        if (i < AUDIT_CANDIDATES_MAX) {
            d->predicted_by[i] = agent;
        }
        close_fields(&p);
    }
    d->prediction_count = count < AUDIT_CANDIDATES_MAX ? count : AUDIT_CANDIDATES_MAX;
}

static void
read_all_consulted(fields *f, audit__decision *d)
{
    uint32_t count = take_list(f);

    for (uint32_t i = 0; i < count && !f->mp->bad; i++) {
        if (i < AUDIT_CONSULTED_MAX) {
            read_consulted(f->mp, &d->consulted[i]);
        } else {
            audit__mp_skip(f->mp);
        }
    }
    d->consulted_count = count < AUDIT_CONSULTED_MAX ? count : AUDIT_CONSULTED_MAX;
}

static bool
decode(const audit_record *record, audit__decision *d)
{
    audit__mp mp = audit__mp_of(record->payload, record->payload_len);
    fields f = open_fields(&mp, DECISION_VERSION);
    uint64_t tenant = 0;

    d->seq = record->seq;
    d->at_ms = record->at_ms;
    d->record_flags = record->flags;
    d->event_seq = take_u64(&f);
    d->event_id = take_str(&f);
    d->event_type = take_str(&f);
    tenant = take_u64(&f);
    d->tenant = (uint16_t)tenant;
    d->subject = take_str(&f);
    d->playbooks = take_u64(&f);
    read_candidates(&f, d);
    read_predictions(&f, d);
    read_all_consulted(&f, d);
    pass(&f); // similar
    d->timers = mp;
    if (f.left == 0) {
        d->timers = audit__mp_of("\x90", 1);
    }
    pass(&f);
    d->missing_count = take_list(&f);
    for (uint32_t i = 0; i < d->missing_count && !mp.bad; i++) {
        (void)audit__mp_str(&mp);
    }
    d->emissions = take_u64(&f);
    pass(&f); // recalled
    d->depth = take_u64(&f);
    pass(&f); // crowded
    d->writes = f.left > 0 ? mp : audit__mp_of("\x90", 1);
    close_fields(&f);
    return !mp.bad && tenant <= UINT16_MAX;
}

// --- which event ------------------------------------------------------------------------------

// That it is the one decision on an open event, and says of it what the event says.
static void
check_event(audit *a, const audit__decision *d)
{
    audit__note *note = audit__note_of(a, d->event_seq);

    if (note == NULL) {
        if (d->event_seq >= a->figures.first_seq || !a->recycled) {
            audit__say(a, d->seq, "decision", "a decision on %" PRIu64 ", which is not there",
                       d->event_seq);
        }
        return;
    }
    if ((note->flags & NOTE_UNDECIDED) == 0 || d->event_seq >= d->seq) {
        audit__say(a, d->seq, "decision", "a decision on %" PRIu64 ", which needs none",
                   d->event_seq);
        return;
    }
    if ((note->flags & NOTE_DECIDED) != 0) {
        audit__say(a, d->seq, "decision-second", "a second decision on %" PRIu64, d->event_seq);
        return;
    }
    note->flags |= NOTE_DECIDED;
    a->figures.undecided--;
    if (note->tenant != d->tenant) {
        audit__say(a, d->seq, "tenant", "tenant %u decides on event %" PRIu64 " of tenant %u",
                   d->tenant, d->event_seq, note->tenant);
    }
    if (note->head != audit__head(d->event_id, d->event_type, d->subject) ||
        note->depth != d->depth) {
        audit__say(a, d->seq, "decision",
                   "%.*s %.*s on %.*s of depth %" PRIu64 " is not what event %" PRIu64 " says",
                   STR_ARG(d->event_type), STR_ARG(d->event_id), STR_ARG(d->subject), d->depth,
                   d->event_seq);
    }
    if (note->playbooks != 0 && note->playbooks != d->playbooks) {
        audit__say(a, d->seq, "playbooks", "decided by version %" PRIu64 ", taken under %u",
                   d->playbooks, note->playbooks);
    }
}

static void
check_order(audit *a, const audit__decision *d)
{
    if (d->event_seq <= a->decided_seq) {
        audit__say(a, d->seq, "decision-order", "decides on %" PRIu64 " after %" PRIu64,
                   d->event_seq, a->decided_seq);
        return;
    }
    a->decided_seq = d->event_seq;
}

// An agent that could not take a record has said nothing about it.
static void
check_silent(audit *a, const audit__decision *d, audit__str agent)
{
    const uint64_t *letter = audit__table_get(&a->failures, audit__key_of(d->event_seq, &agent, 1));

    if (letter != NULL) {
        audit__say(a, d->seq, "dead-letter",
                   "%.*s spoke about event %" PRIu64
                   ", which is its dead letter of record %" PRIu64,
                   STR_ARG(agent), d->event_seq, *letter);
    }
}

static void
check_failures(audit *a, const audit__decision *d)
{
    const audit__note *note = audit__note_of(a, d->event_seq);

    if (note == NULL || (note->flags & NOTE_FAILED) == 0) {
        return;
    }
    for (uint32_t i = 0; i < d->candidate_count; i++) {
        check_silent(a, d, d->candidates[i].agent);
    }
    for (uint32_t i = 0; i < d->prediction_count; i++) {
        check_silent(a, d, d->predicted_by[i]);
    }
}

// --- candidates -------------------------------------------------------------------------------

static bool
won(const audit__candidate *c)
{
    return !c->veto && audit__is(c->verdict, "won");
}

static bool
vetoed_by(const audit__candidate *veto, const audit__candidate *c)
{
    return veto->veto && !c->veto && audit__same(veto->target, c->target) &&
           (audit__is(veto->action, "*") || audit__same(veto->action, c->action));
}

static bool
rivals(const audit__candidate *a, const audit__candidate *b)
{
    return a->def != NULL && b->def != NULL && a->def->group[0] != '\0' &&
           strcmp(a->def->group, b->def->group) == 0 && audit__same(a->target, b->target);
}

// "abcd1234-5-0 is in flight on order/1": it has to be, or its place was never given back.
static void
check_refusal(audit *a, const audit__decision *d, const audit__candidate *c)
{
    static const char words[] = " is in flight on ";
    const char *at = memmem(c->why.ptr, c->why.len, words, sizeof(words) - 1);
    const audit__intent *rival = NULL;

    if (at == NULL || a->recycled || !audit__is(c->verdict, "refused")) {
        return;
    }
    rival = audit__table_get(&a->actions, audit__hash(c->why.ptr, (size_t)(at - c->why.ptr)));
    if (rival == NULL || rival->state != ACTION_IN_FLIGHT) {
        audit__say(a, d->seq, "verdict", "%.*s of %.*s is refused because %.*s, which is not so",
                   STR_ARG(c->action), STR_ARG(c->agent), STR_ARG(c->why));
    }
}

static void
check_verdict(audit *a, const audit__decision *d, const audit__candidate *c)
{
    static const char *const verdicts[] = {"won", "lost", "vetoed", "refused", "shadow",
                                           "waiting"};
    bool known = false;
    bool is_vetoed = false;
    bool lost = audit__is(c->verdict, "lost");
    bool beaten = !lost;

    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        known = known || audit__is(c->verdict, verdicts[i]);
    }
    for (uint32_t i = 0; i < d->candidate_count; i++) {
        const audit__candidate *other = &d->candidates[i];

        is_vetoed = is_vetoed || vetoed_by(other, c);
        beaten = beaten || (won(other) && rivals(other, c) && other->score >= c->score);
    }
    if (!known || won(c) != (c->action_id.len > 0) || (won(c) && is_vetoed) ||
        (audit__is(c->verdict, "vetoed") && !is_vetoed) || !beaten) {
        audit__say(a, d->seq, "verdict", "%.*s of %.*s on %.*s %.*s with action id '%.*s'%s%s",
                   STR_ARG(c->action), STR_ARG(c->agent), STR_ARG(c->target), STR_ARG(c->verdict),
                   STR_ARG(c->action_id), is_vetoed ? ", and is vetoed" : "",
                   beaten ? "" : ", and nobody won against it");
    }
    if ((lost || audit__is(c->verdict, "vetoed") || audit__is(c->verdict, "refused")) &&
        c->why.len == 0) {
        audit__say(a, d->seq, "verdict", "%.*s of %.*s was %.*s without a reason",
                   STR_ARG(c->action), STR_ARG(c->agent), STR_ARG(c->verdict));
    }
    if (c->score != (double)c->priority * c->confidence) {
        audit__say(a, d->seq, "score", "%.*s of %.*s: score %g, expected %" PRId64 " x %g",
                   STR_ARG(c->action), STR_ARG(c->agent), c->score, c->priority, c->confidence);
    }
}

// "order/45871" is an order.
static bool
is_of(audit__str target, const char *resource)
{
    size_t len = strlen(resource);

    return len == 0 || (target.len > len + 1 && memcmp(target.ptr, resource, len) == 0 &&
                        target.ptr[len] == '/');
}

static bool
fits(audit__arg_kind kind, audit__type type)
{
    switch (kind) {
    case ARG_BOOL:
        return type == MP_BOOL;
    case ARG_STR:
        return type == MP_STR;
    case ARG_F64:
        return type == MP_F64 || type == MP_INT;
    case ARG_I64:
    case ARG_TIME:
    case ARG_DURATION:
        return type == MP_INT;
    }
    return false;
}

static const audit__arg *
find_arg(const audit__action *action, audit__str name)
{
    for (size_t i = 0; i < action->arg_count; i++) {
        if (audit__is(name, action->args[i].name)) {
            return &action->args[i];
        }
    }
    return NULL;
}

// Arguments by the action's schema; false with what is wrong.
static bool
check_args(const audit__candidate *c, char wrong[96])
{
    audit__mp mp = audit__mp_of(c->args.ptr, c->args.len);
    audit__token head = audit__mp_next(&mp);
    size_t needed = 0;
    size_t given = 0;

    for (size_t i = 0; i < c->def->arg_count; i++) {
        needed += c->def->args[i].required;
    }
    for (uint32_t i = 0; head.type == MP_MAP && i < head.count && !mp.bad; i++) {
        audit__str name = audit__mp_str(&mp);
        const audit__arg *arg = find_arg(c->def, name);
        audit__mp at = mp;
        audit__token value = audit__mp_next(&at);

        audit__mp_skip(&mp);
        if (arg == NULL || (value.type != MP_NIL && !fits(arg->kind, value.type))) {
            (void)snprintf(wrong, 96, "argument '%.*s'", (int)(name.len < 60 ? name.len : 60),
                           name.ptr);
            return false;
        }
        given += arg->required && value.type != MP_NIL;
    }
    if (mp.bad || (head.type != MP_MAP && head.type != MP_NIL && c->args.len > 0)) {
        (void)snprintf(wrong, 96, "arguments that cannot be read");
        return false;
    }
    if (given < needed) {
        (void)snprintf(wrong, 96, "%zu of %zu required arguments", given, needed);
        return false;
    }
    return true;
}

// --- intents ----------------------------------------------------------------------------------

void
audit__take_off(audit *a, uint64_t seq, audit__str id, audit__key key, audit__intent *intent)
{
    const audit__action *action = &a->pack->actions[intent->action];
    audit__key *holder = NULL;
    bool created = true;

    if (intent->state == ACTION_IN_FLIGHT && intent->starts != 0) {
        audit__say(a, seq, "intent-twice", "%.*s is in flight already", STR_ARG(id));
        return;
    }
    intent->state = ACTION_IN_FLIGHT;
    intent->starts = a->figures.starts + 1;
    a->figures.in_flight++;
    if (action->group[0] == '\0') {
        return;
    }
    holder = audit__table_put(&a->places, intent->place, &created);
    if (!created) {
        const audit__intent *other = audit__table_get(&a->actions, *holder);

        audit__say(a, seq, "two-in-flight",
                   "%.*s, %s, meets an action of group %s in flight on its "
                   "target since record %" PRIu64,
                   STR_ARG(id), action->name, action->group, other != NULL ? other->seq : 0);
    }
    *holder = key;
}

// The key is the journal's name, the event and a number, so it is the same however often it is
// made.
static void
check_id(audit *a, const audit__decision *d, const audit__candidate *c, uint32_t number)
{
    char expected[ACTION_ID_CAP];
    int len = 0;

    if (a->instance[0] == '\0' && c->action_id.len > 8 && c->action_id.ptr[8] == '-') {
        memcpy(a->instance, c->action_id.ptr, 8); // the first start is gone
    }
    len = snprintf(expected, sizeof(expected), "%s-%" PRIu64 "-%u", a->instance, d->event_seq,
                   number);
    if (len <= 0 || !audit__is(c->action_id, expected)) {
        audit__say(a, d->seq, "action-id", "action id %.*s, expected %s", STR_ARG(c->action_id),
                   expected);
    }
}

static void
see_intent(audit *a, const audit__decision *d, const audit__candidate *c, uint32_t number)
{
    audit__key key = audit__hash(c->action_id.ptr, c->action_id.len);
    bool created = false;
    char wrong[96] = "";
    audit__intent *intent = NULL;

    a->figures.intents++;
    check_id(a, d, c, number);
    if (a->halted) {
        audit__say(a, d->seq, "halted", "%.*s was admitted while halted", STR_ARG(c->action));
    }
    if (c->def == NULL) {
        audit__say(a, d->seq, "action", "action '%.*s' is not in the pack", STR_ARG(c->action));
        return;
    }
    if (!is_of(c->target, c->def->resource) || !check_args(c, wrong)) {
        audit__say(a, d->seq, "action", "%s on %.*s: %s", c->def->name, STR_ARG(c->target),
                   wrong[0] != '\0' ? wrong : "no such kind of target");
    }
    intent = audit__table_put(&a->actions, key, &created);
    if (!created) {
        audit__say(a, d->seq, "intent-twice", "%.*s is admitted at record %" PRIu64 " already",
                   STR_ARG(c->action_id), intent->seq);
        return;
    }
    const audit__str place[] = {c->target, audit__str_of(c->def->group)};
    *intent = (audit__intent){.seq = d->seq,
                              .event_seq = d->event_seq,
                              .target = audit__hash(c->target.ptr, c->target.len).a,
                              .args = audit__hash(c->args.ptr, c->args.len),
                              .place = audit__key_of(d->tenant, place, 2),
                              .at_ms = d->at_ms,
                              .number = number,
                              .tenant = d->tenant,
                              .action = c->def->index,
                              .depth = (uint8_t)d->depth};
    audit__take_off(a, d->seq, c->action_id, key, intent);
    audit__budget_admit(a, d, c);
    audit__witness_intent(a, d, c);
}

// --- what it sets off -------------------------------------------------------------------------

static void
see_timers(audit *a, const audit__decision *d)
{
    audit__mp mp = d->timers;
    uint32_t count = audit__mp_array(&mp);

    for (uint32_t i = 0; i < count && !mp.bad; i++) {
        fields f = open_fields(&mp, 1);
        const audit__str owner = take_str(&f);
        const audit__str name[] = {owner, take_str(&f)};
        int64_t due = take(&f) ? audit__mp_i64(&mp) : 0;
        audit__key key = audit__key_of(d->tenant, name, 2);

        close_fields(&f);
        if (due == 0) {
            (void)audit__table_del(&a->timers, key);
        } else {
            int64_t *kept = audit__table_put(&a->timers, key, NULL);

            *kept = due;
        }
    }
}

// What a throttle waits for has come: its playbook may act again. Only the event that its text
// names may say so.
static void
see_resolved(audit *a, const audit__decision *d)
{
    audit__mp mp = d->writes;
    uint32_t count = audit__mp_array(&mp);

    for (uint32_t i = 0; i < count && !mp.bad; i++) {
        fields f = open_fields(&mp, 1);
        audit__str what = take_str(&f);
        audit__str name[2];
        const audit__key *until = NULL;
        audit__key type = audit__hash(d->event_type.ptr, d->event_type.len);
        size_t size = 0;

        name[0] = take_str(&f);
        name[1] = take_str(&f);
        size = take(&f) ? audit__mp_raw(&mp).len : 0;
        close_fields(&f);
        if (!audit__is(what, "resolved") || size <= 2) { // a row that goes holds no bytes
            continue;
        }
        until = audit__table_get(&a->untils, audit__hash(name[0].ptr, name[0].len));
        if (until == NULL && a->recycled) {
            continue; // its text stood in what the journal has no more
        }
        if (until == NULL || until->a != type.a || until->b != type.b) {
            audit__say(a, d->seq, "throttle", "%.*s: its throttle is ended by %.*s",
                       STR_ARG(name[0]), STR_ARG(d->event_type));
        } else if (name[1].len > PLAIN_KEY_MAX) { // cut: which one it is cannot be told
            (void)audit__table_del(&a->periods, audit__hash(name[0].ptr, name[0].len));
        } else {
            (void)audit__table_del(&a->throttles, audit__key_of(d->tenant, name, 2));
        }
    }
}

static void
see_throttles(audit *a, const audit__decision *d)
{
    for (uint32_t i = 0; i < d->consulted_count; i++) {
        const audit__consulted *c = &d->consulted[i];
        const audit__str name[] = {c->playbook, c->throttle_key};
        const int64_t *period =
            audit__table_get(&a->periods, audit__hash(c->playbook.ptr, c->playbook.len));
        bool created = false;
        int64_t *last = NULL;

        if (c->throttle_key.len == 0 || !audit__is(c->verdict, "fired")) {
            continue;
        }
        last = audit__table_put(&a->throttles, audit__key_of(d->tenant, name, 2), &created);
        if (!created && period != NULL && d->at_ms - *last < *period) {
            audit__say(a, d->seq, "throttle",
                       "%.*s acts for %.*s %" PRId64 " ms after it did, its throttle is %" PRId64
                       " ms",
                       STR_ARG(c->playbook), STR_ARG(c->throttle_key), d->at_ms - *last, *period);
        }
        *last = d->at_ms;
    }
}

static void
see_candidates(audit *a, audit__decision *d)
{
    uint32_t number = 0;

    for (uint32_t i = 0; i < d->candidate_count; i++) {
        d->candidates[i].def = audit__pack_action(a->pack, d->candidates[i].action);
    }
    for (uint32_t i = 0; i < d->candidate_count; i++) {
        a->figures.candidates++;
        check_verdict(a, d, &d->candidates[i]);
        check_refusal(a, d, &d->candidates[i]);
        if (d->candidates[i].action_id.len > 0) {
            see_intent(a, d, &d->candidates[i], number++);
        }
    }
}

void
audit__see_decision(audit *a, const audit_record *record)
{
    audit__decision *d = a->decision;
    bool said = false;

    if (!decode(record, d)) {
        audit__say(a, record->seq, "decision", "a decision that cannot be read");
        return;
    }
    a->figures.decisions++;
    a->figures.missing += d->missing_count > 0;
    said = d->candidate_count > 0 || d->prediction_count > 0;
    if (said != ((record->flags & FLAG_SAID) != 0)) {
        audit__say(a, record->seq, "record",
                   "flags %u of a decision with %u candidates and %u "
                   "predictions",
                   record->flags, d->candidate_count, d->prediction_count);
    }
    check_event(a, d);
    check_order(a, d);
    check_failures(a, d);
    audit__witness_decision(a, record);
    audit__witness_markers(a, d->seq, d->tenant, record->payload, record->payload_len);
    see_candidates(a, d);
    see_resolved(a, d);
    see_throttles(a, d);
    audit__rules_decision(a, d);
    see_timers(a, d);
    a->last_event_seq = d->event_seq;
    a->last_emissions = d->emissions;
    a->next_emission = 0;
}
