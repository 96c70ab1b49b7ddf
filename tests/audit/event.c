#include <inttypes.h>
#include <stdio.h>

#include "tests/audit/internal.h"

// Design notes.
// An event record is [1, type, data, time_ms, tenant, priority, flags, depth, sequence, id, source,
// subject, correlation, causation, context], data being a map by name of field. Flags: 1 made by
// the brain, 2 numbered by its producer.

#define EVENT_FIELDS 15
#define EVENT_INTERNAL 1
#define EVENT_SEQUENCE 2
#define EMITTED_BY "/brain/actions"
#define RAISED_BY "/agents/"

typedef struct seen {
    uint64_t seq;
    uint64_t ordinal; // among the events that deduplication counts
    int64_t at_ms;
} seen;

static bool
decode(const audit_record *record, audit__event *e)
{
    audit__mp mp = audit__mp_of(record->payload, record->payload_len);
    uint32_t count = audit__mp_array(&mp);
    uint64_t form = audit__mp_u64(&mp);
    uint64_t tenant = 0;
    uint64_t flags = 0;
    uint64_t depth = 0;

    *e = (audit__event){.seq = record->seq, .at_ms = record->at_ms, .record_flags = record->flags};
    e->type = audit__mp_str(&mp);
    e->data = audit__mp_raw(&mp);
    e->time_ms = audit__mp_i64(&mp);
    tenant = audit__mp_u64(&mp);
    (void)audit__mp_u64(&mp); // priority
    flags = audit__mp_u64(&mp);
    depth = audit__mp_u64(&mp);
    e->sequence = audit__mp_u64(&mp);
    e->id = audit__mp_str(&mp);
    e->source = audit__mp_str(&mp);
    e->subject = audit__mp_str(&mp);
    e->correlation = audit__mp_str(&mp);
    e->causation = audit__mp_str(&mp);
    e->context = audit__mp_bin(&mp);
    e->tenant = (uint16_t)tenant;
    e->depth = (uint8_t)depth;
    e->internal = (flags & EVENT_INTERNAL) != 0;
    e->has_sequence = (flags & EVENT_SEQUENCE) != 0;
    return !mp.bad && count >= EVENT_FIELDS && form == 1 && tenant <= UINT16_MAX &&
           depth <= UINT8_MAX;
}

audit__token
audit__field(const audit__event *event, const char *name)
{
    audit__mp mp = audit__mp_of(event->data.ptr, event->data.len);
    uint32_t pairs = audit__mp_map(&mp);

    for (uint32_t i = 0; i < pairs && !mp.bad; i++) {
        if (audit__is(audit__mp_str(&mp), name)) {
            return audit__mp_next(&mp);
        }
        audit__mp_skip(&mp);
    }
    return (audit__token){.type = MP_NIL, .s = {"", 0}};
}

static audit__str
text_field(const audit__event *event, const char *name)
{
    audit__token token = audit__field(event, name);

    return token.type == MP_STR ? token.s : (audit__str){"", 0};
}

// --- once -------------------------------------------------------------------------------------

// A producer's numbers only rise.
static void
check_sequence(audit *a, const audit__event *e)
{
    audit__key key = audit__key_of(e->tenant, &e->source, 1);
    bool created = false;
    uint64_t *last = audit__table_put(&a->sequences, key, &created);

    if (!created && e->sequence <= *last) {
        audit__say(a, e->seq, "event-twice",
                   "number %" PRIu64 " of %.*s of tenant %u after %" PRIu64, e->sequence,
                   STR_ARG(e->source), e->tenant, *last);
    }
    *last = e->sequence;
}

static void
check_once(audit *a, const audit__event *e)
{
    const audit__str name[] = {e->source, e->id};
    audit__key key = audit__key_of(e->tenant, name, 2);
    bool created = false;
    seen *before = audit__table_put(&a->events, key, &created);
    bool again = audit__is(e->type, "message.dead_lettered"); // a host may try a record anew

    if (!e->has_sequence) {
        a->remembered++;
    }
    if (!created && !again && !e->has_sequence &&
        a->remembered - before->ordinal <= a->limits.dedup_events &&
        e->time_ms - before->at_ms <= a->limits.dedup_window_ms) {
        audit__say(a, e->seq, "event-twice",
                   "%.*s of %.*s of tenant %u stands at %" PRIu64 " already", STR_ARG(e->id),
                   STR_ARG(e->source), e->tenant, before->seq);
    }
    *before = (seen){e->seq, a->remembered, e->at_ms};
    audit__witness_event(a, e->seq, key);
}

// --- memory ---------------------------------------------------------------------------------

static audit__key
named_key(uint16_t tenant, audit__str text)
{
    return audit__key_of(tenant, &text, 1);
}

// What follows the slash of "order/45871".
static audit__str
key_of_subject(audit__str subject)
{
    const char *slash = subject.len > 0 ? memchr(subject.ptr, '/', subject.len) : NULL;
    size_t skipped = slash != NULL ? (size_t)(slash - subject.ptr) + 1 : 0;

    return (audit__str){subject.ptr + skipped, subject.len - skipped};
}

static bool
knows_subject(audit__str context)
{
    audit__mp mp = audit__mp_of(context.ptr, context.len);
    uint32_t pairs = context.len > 0 ? audit__mp_map(&mp) : 0;

    for (uint32_t i = 0; i < pairs && !mp.bad; i++) {
        if (audit__is(audit__mp_str(&mp), "memory")) {
            return true;
        }
        audit__mp_skip(&mp);
    }
    return false;
}

// Whatever is known of a subject comes from events of its own tenant that named it.
static void
check_memory(audit *a, const audit__event *e)
{
    audit__str key = key_of_subject(e->subject);
    audit__mp mp = audit__mp_of(e->data.ptr, e->data.len);
    uint32_t pairs = audit__mp_map(&mp);

    if (!a->recycled && knows_subject(e->context) &&
        audit__table_get(&a->named, named_key(e->tenant, key)) == NULL) {
        audit__say(a, e->seq, "tenant", "something was known of %.*s, which tenant %u never named",
                   STR_ARG(e->subject), e->tenant);
    }
    (void)audit__table_put(&a->named, named_key(e->tenant, key), NULL);
    for (uint32_t i = 0; i < pairs && !mp.bad; i++) {
        audit__mp_skip(&mp);
        audit__mp at = mp;
        audit__token value = audit__mp_next(&at);

        audit__mp_skip(&mp);
        if (value.type == MP_STR) {
            (void)audit__table_put(&a->named, named_key(e->tenant, value.s), NULL);
        }
    }
}

// --- what the brain raises --------------------------------------------------------------------

// An event that an agent raised follows the decision it was raised with, in order.
static void
see_raised(audit *a, const audit__event *e)
{
    const char *dot = e->id.len > 0 ? memchr(e->id.ptr, '.', e->id.len) : NULL;
    uint64_t from = 0;
    uint64_t number = 0;
    const audit__note *parent = NULL;
    bool ok =
        dot != NULL && audit__u64_of((audit__str){e->id.ptr, (size_t)(dot - e->id.ptr)}, &from) &&
        audit__u64_of((audit__str){dot + 1, e->id.len - (size_t)(dot - e->id.ptr) - 1}, &number);

    if (!ok || from != a->last_event_seq || number < a->next_emission ||
        number >= a->last_emissions) {
        if (!a->recycled || a->figures.decisions > 0) {
            audit__say(a, e->seq, "emission",
                       "%.*s of %.*s is none of the %" PRIu64 " that the decision on %" PRIu64
                       " raised",
                       STR_ARG(e->id), STR_ARG(e->source), a->last_emissions, a->last_event_seq);
        }
        return;
    }
    a->next_emission = number + 1;
    parent = audit__note_of(a, from);
    if (parent == NULL) {
        return;
    }
    if (parent->tenant != e->tenant) {
        audit__say(a, e->seq, "tenant", "tenant %u, raised with a decision of tenant %u", e->tenant,
                   parent->tenant);
    }
    if (e->depth != parent->depth + 1) {
        audit__say(a, e->seq, "depth", "depth %u, raised by an event of depth %u", e->depth,
                   parent->depth);
    }
}

// The event that an emitting action consists of.
static void
see_emitted(audit *a, const audit__event *e)
{
    audit__intent *intent = audit__table_get(&a->actions, audit__hash(e->id.ptr, e->id.len));
    const audit__action *action = NULL;

    if (intent == NULL) {
        if (!a->recycled) {
            audit__say(a, e->seq, "emission", "action %.*s was never admitted", STR_ARG(e->id));
        }
        return;
    }
    action = &a->pack->actions[intent->action];
    if (action->executor != EXECUTE_EMIT || !audit__is(e->type, action->emits) ||
        intent->target != audit__hash(e->subject.ptr, e->subject.len).a) {
        audit__say(a, e->seq, "emission", "%.*s on %.*s is not what action %.*s emits",
                   STR_ARG(e->type), STR_ARG(e->subject), STR_ARG(e->id));
    }
    if (intent->state != ACTION_IN_FLIGHT) {
        audit__say(a, e->seq, "emission", "action %.*s has ended already", STR_ARG(e->id));
    }
    if (intent->tenant != e->tenant) {
        audit__say(a, e->seq, "tenant", "tenant %u, emitted by an action of tenant %u", e->tenant,
                   intent->tenant);
    }
    if (e->depth != intent->depth + 1) {
        audit__say(a, e->seq, "depth", "depth %u, emitted at depth %u", e->depth, intent->depth);
    }
    if (a->halted) {
        audit__say(a, e->seq, "halted", "action %.*s is executed while halted", STR_ARG(e->id));
    }
    intent->emitted = true;
}

static void
see_timer(audit *a, const audit__event *e)
{
    const audit__str name[] = {text_field(e, "owner"), text_field(e, "key")};
    audit__key key = audit__key_of(e->tenant, name, 2);
    const int64_t *due = audit__table_get(&a->timers, key);

    a->figures.timers_fired++;
    if (due == NULL) {
        if (!a->recycled) {
            audit__say(a, e->seq, "timer", "timer %.*s of %.*s of tenant %u was not set",
                       STR_ARG(name[1]), STR_ARG(name[0]), e->tenant);
        }
        return;
    }
    if (e->at_ms < *due || e->time_ms != *due) {
        audit__say(a, e->seq, "timer",
                   "timer %.*s of %.*s fires at %" PRId64 " for %" PRId64 ", due %" PRId64,
                   STR_ARG(name[1]), STR_ARG(name[0]), e->at_ms, e->time_ms, *due);
    }
    (void)audit__table_del(&a->timers, key);
}

// --- outcomes ---------------------------------------------------------------------------------

static bool
read_status(audit__str text, audit__state *ret)
{
    static const char *const names[] = {
        [ACTION_EXECUTED] = "executed",
        [ACTION_FAILED] = "failed",
        [ACTION_UNKNOWN] = "unknown",
        [ACTION_CANCELLED] = "cancelled",
    };

    for (size_t i = ACTION_EXECUTED; i < sizeof(names) / sizeof(names[0]); i++) {
        if (audit__is(text, names[i])) {
            *ret = (audit__state)i;
            return true;
        }
    }
    return false;
}

static void
count_outcome(audit_figures *f, audit__state status)
{
    f->outcomes++;
    f->executed += status == ACTION_EXECUTED;
    f->failed += status == ACTION_FAILED;
    f->unknown += status == ACTION_UNKNOWN;
    f->cancelled += status == ACTION_CANCELLED;
}

// Whose action it was, and which.
static void
check_identity(audit *a, const audit__event *e, const audit__intent *intent, audit__str id)
{
    const audit__action *action = &a->pack->actions[intent->action];
    audit__token seq = audit__field(e, "decision_seq");
    int depth = intent->depth + 1 < AUDIT_DEPTH_MAX ? intent->depth + 1 : AUDIT_DEPTH_MAX;

    if (intent->tenant != e->tenant) {
        audit__say(a, e->seq, "tenant", "tenant %u, outcome of %.*s of tenant %u", e->tenant,
                   STR_ARG(id), intent->tenant);
    }
    if (!audit__is(text_field(e, "action"), action->name) || seq.type != MP_INT ||
        seq.u != intent->event_seq || !audit__same(e->causation, id) ||
        intent->target != audit__hash(e->subject.ptr, e->subject.len).a) {
        audit__say(a, e->seq, "outcome",
                   "outcome of %.*s names action %.*s on %.*s for event %" PRIu64
                   ", admitted was %s for event %" PRIu64,
                   STR_ARG(id), STR_ARG(text_field(e, "action")), STR_ARG(e->subject), seq.u,
                   action->name, intent->event_seq);
    }
    if (e->depth != depth) {
        audit__say(a, e->seq, "depth", "depth %u of an outcome, expected %d", e->depth, depth);
    }
}

static void
check_attempts(audit *a, const audit__event *e, const audit__action *action, audit__str id,
               audit__state status)
{
    audit__token token = audit__field(e, "attempts");
    int64_t attempts = token.type == MP_INT ? token.i : -1;
    bool sent = action->executor == EXECUTE_WEBHOOK;
    bool tried = status == ACTION_EXECUTED || status == ACTION_UNKNOWN;
    bool ok = attempts >= (tried ? 1 : 0) && (sent || attempts <= 1);

    if (sent && a->limits.webhook_attempts > 0) {
        ok = ok && attempts <= a->limits.webhook_attempts;
    }
    if (!ok) {
        audit__say(a, e->seq, "attempts",
                   "%.*s was tried %" PRId64 " times, at most %" PRId64 " are configured",
                   STR_ARG(id), attempts, sent ? a->limits.webhook_attempts : 1);
    }
}

static void
check_status(audit *a, const audit__event *e, const audit__intent *intent, audit__str id,
             audit__state status)
{
    const audit__action *action = &a->pack->actions[intent->action];
    bool sent = action->executor == EXECUTE_WEBHOOK;
    audit__key key = audit__hash(id.ptr, id.len);

    // whether a webhook that a restart interrupted arrived is not known to anybody but its receiver
    if ((status == ACTION_UNKNOWN) != (sent && intent->starts <= a->figures.starts)) {
        audit__say(a, e->seq, "outcome",
                   "%.*s is %s after %" PRIu64 " restarts since it was admitted", STR_ARG(id),
                   status == ACTION_UNKNOWN ? "unknown" : "known",
                   a->figures.starts + 1 - intent->starts);
    }
    // a webhook may be answered after the halt when it was sent before it
    if (status == ACTION_EXECUTED && a->halted && !(sent && audit__witness_has_posted(a, key))) {
        audit__say(a, e->seq, "halted", "%.*s was executed while halted", STR_ARG(id));
    }
    if (status == ACTION_EXECUTED && sent && !audit__witness_has_posted(a, key)) {
        audit__say(a, e->seq, "webhook", "%.*s was executed, and nobody received it", STR_ARG(id));
    }
    if (status == ACTION_EXECUTED && action->executor == EXECUTE_EMIT && !intent->emitted) {
        audit__say(a, e->seq, "emission", "%.*s was executed without its event", STR_ARG(id));
    }
    check_attempts(a, e, action, id, status);
}

// What failed waits for an operator, with its cause.
static void
see_letter(audit *a, const audit__event *e, audit__str ref, audit__str cause, bool of_agent)
{
    uint64_t *letter = audit__table_put(&a->letters, audit__hash(ref.ptr, ref.len), NULL);

    *letter = of_agent ? 1 : 2;
    a->figures.dead_letters++;
    if (cause.len == 0) {
        audit__say(a, e->seq, "dead-letter", "dead letter %.*s without a cause", STR_ARG(ref));
    }
}

static void
see_outcome(audit *a, const audit__event *e)
{
    audit__str id = text_field(e, "action_id");
    audit__key key = audit__hash(id.ptr, id.len);
    audit__intent *intent = audit__table_get(&a->actions, key);
    audit__token from = audit__field(e, "decision_seq");
    audit__state status = ACTION_IN_FLIGHT;
    const audit__key *holder = NULL;

    if (!read_status(text_field(e, "status"), &status)) {
        audit__say(a, e->seq, "outcome", "status %.*s", STR_ARG(text_field(e, "status")));
    }
    count_outcome(&a->figures, status);
    if (intent == NULL) {
        if (!a->recycled || from.u >= a->figures.first_seq) {
            audit__say(a, e->seq, "outcome-without-intent",
                       "outcome of %.*s, which nobody admitted", STR_ARG(id));
        }
        return;
    }
    if (intent->state != ACTION_IN_FLIGHT) {
        audit__say(a, e->seq, "outcome-second", "a second outcome of %.*s", STR_ARG(id));
        return;
    }
    check_identity(a, e, intent, id);
    check_status(a, e, intent, id, status);
    if (status == ACTION_FAILED || status == ACTION_UNKNOWN) {
        see_letter(a, e, id, text_field(e, "detail"), false);
    }
    if (status != ACTION_CANCELLED) {
        audit__budget_outcome(a, &a->pack->actions[intent->action], status != ACTION_EXECUTED,
                              e->at_ms);
    }
    intent->state = (uint8_t)status;
    a->figures.in_flight--;
    holder = audit__table_get(&a->places, intent->place);
    if (holder != NULL && holder->a == key.a && holder->b == key.b) {
        (void)audit__table_del(&a->places, intent->place);
    }
}

// --- dead letters -----------------------------------------------------------------------------

static void
see_failure(audit *a, const audit__event *e)
{
    audit__str owner = text_field(e, "owner");
    audit__str ref = text_field(e, "ref");
    audit__token attempts = audit__field(e, "attempts");
    uint64_t of = 0;
    bool ok = ref.len > owner.len + 1 && memcmp(ref.ptr, owner.ptr, owner.len) == 0 &&
              ref.ptr[owner.len] == '/' &&
              audit__u64_of((audit__str){ref.ptr + owner.len + 1, ref.len - owner.len - 1}, &of);
    audit__note *note = audit__note_of(a, of);

    see_letter(a, e, ref, text_field(e, "cause"), true);
    if (!ok || of >= e->seq) {
        audit__say(a, e->seq, "dead-letter", "dead letter %.*s of %.*s names no record before it",
                   STR_ARG(ref), STR_ARG(owner));
    }
    if (attempts.type != MP_INT || attempts.i < 1) {
        audit__say(a, e->seq, "dead-letter", "dead letter %.*s does not say how often it was tried",
                   STR_ARG(ref));
    }
    if (note != NULL) {
        uint64_t *failure = audit__table_put(&a->failures, audit__key_of(of, &owner, 1), NULL);

        note->flags |= NOTE_FAILED;
        *failure = e->seq;
    }
    if ((a->expected & AUDIT_NO_DEAD) != 0) {
        audit__say(a, e->seq, "dead-letter", "an agent failed: %.*s: %.*s", STR_ARG(ref),
                   STR_ARG(text_field(e, "cause")));
    }
}

static void
retry(audit *a, const audit__event *e, audit__str ref)
{
    audit__key key = audit__hash(ref.ptr, ref.len);
    audit__intent *intent = audit__table_get(&a->actions, key);

    a->figures.retries++;
    if (a->halted) {
        audit__say(a, e->seq, "halted", "dead letter %.*s is retried while halted", STR_ARG(ref));
    }
    if (intent != NULL) {
        audit__take_off(a, e->seq, ref, key, intent);
    } else if (!a->recycled) {
        audit__say(a, e->seq, "dead-letter", "dead letter %.*s is retried and was no action",
                   STR_ARG(ref));
    }
}

static void
see_resolution(audit *a, const audit__event *e)
{
    audit__str ref = text_field(e, "ref");
    audit__str how = text_field(e, "how");

    if (!audit__table_del(&a->letters, audit__hash(ref.ptr, ref.len)) && !a->recycled) {
        audit__say(a, e->seq, "dead-letter", "there is no dead letter %.*s to %.*s", STR_ARG(ref),
                   STR_ARG(how));
        return;
    }
    if (audit__is(how, "retry")) {
        retry(a, e, ref);
    }
}

// --- the whole --------------------------------------------------------------------------------

// Types that only the brain may raise.
static const struct {
    const char *type;
    void (*see)(audit *a, const audit__event *e);
} own[] = {
    {"action.executed", see_outcome},
    {"timer.fired", see_timer},
    {"message.dead_lettered", see_failure},
    {"dead_letter.resolved", see_resolution},
    {"system.halted", NULL},
    {"system.resumed", NULL},
    {"decision.rewarded", NULL},
    {"metric.sampled", NULL},
    {"approval.requested", NULL},
    {"approval.decided", NULL},
    {"approval.expired", NULL},
    {"playbook.mode_set", NULL},
    {"playbook.rolled_back", NULL},
};

#define OWN_COUNT (sizeof(own) / sizeof(own[0]))

static size_t
own_type(audit__str type)
{
    size_t i = 0;

    while (i < OWN_COUNT && !audit__is(type, own[i].type)) {
        i++;
    }
    return i;
}

// What speaks of a decision is of its tenant.
static void
check_reference(audit *a, const audit__event *e)
{
    audit__token seq = audit__field(e, "decision_seq");
    const audit__note *note = seq.type == MP_INT ? audit__note_of(a, seq.u) : NULL;

    if (note != NULL && (note->flags & NOTE_EVENT) != 0 && note->tenant != e->tenant) {
        audit__say(a, e->seq, "tenant",
                   "%.*s of tenant %u speaks of event %" PRIu64 " of tenant %u", STR_ARG(e->type),
                   e->tenant, seq.u, note->tenant);
    }
}

void
audit__see_own(audit *a, const audit__event *e)
{
    size_t type = own_type(e->type);

    a->figures.internal++;
    audit__rules_event(a, e);
    if (audit__is(e->type, "system.halted")) {
        a->halted = true;
        a->figures.halts++;
    } else if (audit__is(e->type, "system.resumed")) {
        a->halted = false;
    } else if (type < OWN_COUNT && own[type].see != NULL) {
        own[type].see(a, e);
    }
    if (audit__starts(e->source, RAISED_BY)) {
        see_raised(a, e);
        check_reference(a, e);
    } else if (audit__is(e->source, EMITTED_BY)) {
        see_emitted(a, e);
    }
}

static void
see_external(audit *a, const audit__event *e)
{
    a->figures.external++;
    if (own_type(e->type) < OWN_COUNT) {
        audit__say(a, e->seq, "event", "a producer's %.*s, which only the brain may raise",
                   STR_ARG(e->type));
    }
    if ((e->record_flags & FLAG_UNDECIDED) == 0) {
        audit__say(a, e->seq, "event", "a producer's event that nobody decides on");
    }
    if (e->depth != 0) {
        audit__say(a, e->seq, "depth", "depth %u of a producer's event", e->depth);
    }
}

void
audit__see_event(audit *a, const audit_record *record)
{
    audit__event e;
    audit__note *note = audit__note_of(a, record->seq);
    bool undecided = (record->flags & FLAG_UNDECIDED) != 0;

    if (!decode(record, &e)) {
        audit__say(a, record->seq, "event", "an event that cannot be read");
        return;
    }
    if (a->pack->types.count > 0 &&
        audit__table_get(&a->pack->types, audit__hash(e.type.ptr, e.type.len)) == NULL) {
        audit__say(a, e.seq, "event", "type %.*s is not in the catalogue", STR_ARG(e.type));
    }
    if (note != NULL) {
        note->head = audit__head(e.id, e.type, e.subject);
        note->tenant = e.tenant;
        note->depth = e.depth;
        note->flags = (uint8_t)(NOTE_EVENT | (undecided ? NOTE_UNDECIDED : 0));
    }
    a->figures.undecided += undecided;
    if (e.depth > AUDIT_DEPTH_MAX) {
        audit__say(a, e.seq, "depth", "caused through %u events, at most %d are allowed", e.depth,
                   AUDIT_DEPTH_MAX);
    }
    if (e.has_sequence) {
        check_sequence(a, &e);
    }
    check_once(a, &e);
    check_memory(a, &e);
    audit__witness_markers(a, e.seq, e.tenant, record->payload, record->payload_len);
    if (e.internal) {
        audit__see_own(a, &e);
    } else {
        see_external(a, &e);
    }
}
