#include <inttypes.h>

#include "tests/audit/internal.h"

// Design notes.
// What was seen is noted before the journal is read, and ticked off while it is; what is not ticked
// off at the end is missing from the journal, unless it lies before what is kept of it.

#define MARKERS_MAX 64
#define PUBLISHED_FIELDS 5
#define MISSING_TOLD 20 // one by one; then their number

typedef struct acked {
    audit__key event;
    uint64_t seq;
    uint64_t found; // 0 not yet, 1 there, 2 something else stands there
} acked;

typedef struct published {
    audit__key hash;
    uint64_t seq;
    uint64_t found;
} published;

// An action as it was published.
typedef struct acted {
    audit__key action;
    audit__key target;
    audit__key args;
    int64_t at_ms;
    uint64_t event_seq; // as its id says
    uint64_t found;
} acted;

typedef struct posted {
    char *body; // ends with a NUL
    size_t len;
    uint64_t event_seq;
    uint64_t found;
} posted;

typedef struct marker {
    uint16_t tenant;
    char text[AUDIT_NAME_CAP];
} marker;

struct audit__witness {
    audit__table acked;     // seq -> acked
    audit__table known;     // event, of which no place was told -> found
    audit__table published; // seq -> published
    audit__table acted;     // action id -> acted
    audit__table posted;    // action id -> posted
    bool has_posted;
    marker markers[MARKERS_MAX];
    size_t marker_count;
};

static audit__key
seq_key(uint64_t seq)
{
    return audit__key_of(seq, NULL, 0);
}

audit__witness *
audit__witness_new(void)
{
    audit__witness *w = audit__alloc(sizeof(*w));

    w->acked = audit__table_of(sizeof(acked));
    w->known = audit__table_of(sizeof(uint64_t));
    w->published = audit__table_of(sizeof(published));
    w->acted = audit__table_of(sizeof(acted));
    w->posted = audit__table_of(sizeof(posted));
    return w;
}

void
audit__witness_free(audit__witness *w)
{
    audit__key key;
    posted *p = NULL;

    for (size_t cursor = 0; (p = audit__table_next(&w->posted, &cursor, &key)) != NULL;) {
        audit__free(p->body);
    }
    audit__table_fini(&w->acked);
    audit__table_fini(&w->known);
    audit__table_fini(&w->published);
    audit__table_fini(&w->acted);
    audit__table_fini(&w->posted);
    audit__free(w);
}

// --- noting -----------------------------------------------------------------------------------

void
audit_acked(audit *a, uint64_t seq, uint16_t tenant, const char *source, size_t source_len,
            const char *id, size_t id_len)
{
    const audit__str name[] = {{source, source_len}, {id, id_len}};
    audit__key event = audit__key_of(tenant, name, 2);
    bool created = false;
    acked *seen = NULL;

    if (seq == 0) {
        (void)audit__table_put(&a->witness->known, event, &created);
        a->figures.acked += created;
        return;
    }
    seen = audit__table_put(&a->witness->acked, seq_key(seq), &created);
    a->figures.acked += created;
    if (!created && (seen->event.a != event.a || seen->event.b != event.b)) {
        audit__say(a, seq, "acked-twice",
                   "two events were acknowledged as record %" PRIu64 ", one of them %.*s of %.*s",
                   seq, (int)id_len, id, (int)source_len, source);
        return;
    }
    *seen = (acked){.event = event, .seq = seq};
}

void
audit_published(audit *a, uint64_t seq, const uint8_t *payload, size_t len)
{
    audit__key hash = audit__hash(payload, len);
    bool created = false;
    published *seen = audit__table_put(&a->witness->published, seq_key(seq), &created);

    a->figures.published++;
    if (!created && (seen->hash.a != hash.a || seen->hash.b != hash.b)) {
        audit__say(a, seq, "published", "decision %" PRIu64 " was published in two versions", seq);
    }
    seen->hash = hash;
    seen->seq = seq;
}

// The event that an action id, journal-event-number, was decided on; 0 when it is none.
static uint64_t
event_of(audit__str id)
{
    const char *first = id.len > 0 ? memchr(id.ptr, '-', id.len) : NULL;
    const char *last = id.ptr + id.len;
    uint64_t seq = 0;

    while (first != NULL && last > first && *last != '-') {
        last--;
    }
    if (first == NULL || last <= first ||
        !audit__u64_of((audit__str){first + 1, (size_t)(last - first) - 1}, &seq)) {
        return 0;
    }
    return seq;
}

void
audit_acted(audit *a, const uint8_t *map, size_t len)
{
    audit__mp mp = audit__mp_of(map, len);
    uint32_t pairs = audit__mp_map(&mp);
    audit__str id = {"", 0};
    acted seen = {0};
    acted *kept = NULL;
    bool created = false;

    a->figures.published++;
    for (uint32_t i = 0; i < pairs && !mp.bad; i++) {
        audit__str name = audit__mp_str(&mp);

        if (audit__is(name, "at_ms")) {
            seen.at_ms = audit__mp_i64(&mp);
        } else if (audit__is(name, "args")) {
            audit__str args = audit__mp_raw(&mp);

            seen.args = audit__hash(args.ptr, args.len);
        } else {
            audit__str text = audit__mp_str(&mp);

            id = audit__is(name, "action_id") ? text : id;
            seen.action = audit__is(name, "action") ? audit__hash(text.ptr, text.len) : seen.action;
            seen.target = audit__is(name, "target") ? audit__hash(text.ptr, text.len) : seen.target;
        }
    }
    if (mp.bad || pairs != PUBLISHED_FIELDS || id.len == 0) {
        audit__say(a, 0, "published", "an action was published that cannot be read");
        return;
    }
    seen.event_seq = event_of(id);
    kept = audit__table_put(&a->witness->acted, audit__hash(id.ptr, id.len), &created);
    if (!created && memcmp(kept, &seen, sizeof(seen)) != 0) {
        audit__say(a, 0, "published", "action %.*s was published in two versions", STR_ARG(id));
    }
    *kept = seen;
}

void
audit_posted(audit *a, const char *id, size_t id_len, const uint8_t *body, size_t len)
{
    bool created = false;
    posted *seen = audit__table_put(&a->witness->posted, audit__hash(id, id_len), &created);

    a->figures.posted++;
    a->witness->has_posted = true;
    if (!created) {
        if (seen->len != len || memcmp(seen->body, body, len) != 0) {
            audit__say(a, 0, "webhook", "%.*s was sent with two bodies", (int)id_len, id);
        }
        return;
    }
    seen->body = audit__alloc(len + 1);
    memcpy(seen->body, body, len);
    seen->len = len;
    seen->event_seq = event_of((audit__str){id, id_len});
}

void
audit_marker(audit *a, uint16_t tenant, const char *text)
{
    size_t len = strlen(text);

    if (a->witness->marker_count == MARKERS_MAX || len == 0 || len >= AUDIT_NAME_CAP) {
        audit__say(a, 0, "marker", "marker '%.40s' is one too many, or too long", text);
        return;
    }
    marker *m = &a->witness->markers[a->witness->marker_count++];

    m->tenant = tenant;
    memcpy(m->text, text, len + 1);
}

// --- ticking off ------------------------------------------------------------------------------

void
audit__witness_event(audit *a, uint64_t seq, audit__key key)
{
    uint64_t *known = audit__table_get(&a->witness->known, key);
    acked *seen = audit__table_get(&a->witness->acked, seq_key(seq));

    if (known != NULL) {
        *known = 1;
    }
    if (seen != NULL) {
        seen->found = seen->event.a == key.a && seen->event.b == key.b ? 1 : 2;
    }
}

void
audit__witness_decision(audit *a, const audit_record *record)
{
    published *seen = audit__table_get(&a->witness->published, seq_key(record->seq));
    audit__key hash;

    if (seen == NULL) {
        return;
    }
    seen->found = 1;
    hash = audit__hash(record->payload, record->payload_len);
    if (hash.a != seen->hash.a || hash.b != seen->hash.b) {
        audit__say(a, record->seq, "published",
                   "what was published as decision %" PRIu64 " is not what the journal has",
                   record->seq);
    }
}

static bool
same_key(audit__key a, audit__str text)
{
    audit__key b = audit__hash(text.ptr, text.len);

    return a.a == b.a && a.b == b.b;
}

static void
check_acted(audit *a, const audit__decision *d, const audit__candidate *c)
{
    acted *seen =
        audit__table_get(&a->witness->acted, audit__hash(c->action_id.ptr, c->action_id.len));

    if (seen == NULL) {
        return;
    }
    seen->found = 1;
    if (!same_key(seen->action, c->action) || !same_key(seen->target, c->target) ||
        !same_key(seen->args, c->args) || seen->at_ms != d->at_ms) {
        audit__say(a, d->seq, "published",
                   "what was published as action %.*s is not what was "
                   "admitted",
                   STR_ARG(c->action_id));
    }
}

// A JSON scalar against the msgpack one it was made of.
static bool
same_value(audit__token json, audit__token mp)
{
    switch (mp.type) {
    case MP_NIL:
        return json.type == MP_NIL;
    case MP_BOOL:
        return json.type == MP_BOOL && json.b == mp.b;
    case MP_STR:
        return json.type == MP_STR && audit__same(json.s, mp.s);
    case MP_INT:
        return json.type == MP_F64 && json.f == (double)mp.i;
    case MP_F64:
        return json.type == MP_F64 && json.f == mp.f;
    case MP_U64:
    case MP_BIN:
    case MP_ARRAY:
    case MP_MAP:
    case MP_EXT:
    case MP_BAD:
        break;
    }
    return false;
}

static bool
same_args(audit__json *j, audit__str args)
{
    audit__mp mp = audit__mp_of(args.ptr, args.len);
    audit__token head = audit__mp_next(&mp);

    if (head.type == MP_NIL) {
        return audit__json_scalar(j).type == MP_NIL;
    }
    if (head.type != MP_MAP || !audit__json_char(j, '{')) {
        return false;
    }
    for (uint32_t i = 0; i < head.count; i++) {
        audit__str name = audit__json_str(j);
        bool ok = audit__same(name, audit__mp_str(&mp)) && audit__json_char(j, ':');

        ok = ok && same_value(audit__json_scalar(j), audit__mp_next(&mp));
        if (!ok || j->bad || mp.bad || (i + 1 < head.count && !audit__json_char(j, ','))) {
            return false;
        }
    }
    return audit__json_char(j, '}');
}

static bool
is_tenant(const audit *a, audit__str name, uint16_t tenant)
{
    for (size_t i = 0; i < a->limits.tenant_count; i++) {
        if (a->limits.tenants[i].number == tenant) {
            return audit__is(name, a->limits.tenants[i].name);
        }
    }
    return true; // nobody said what it is called
}

// {"id", "type", "target", "tenant", "timestamp", "data"} in any order.
static bool
same_body(const audit *a, audit__json *j, const audit__decision *d, const audit__candidate *c)
{
    unsigned seen = 0;
    bool ok = audit__json_char(j, '{');

    while (ok && !j->bad) {
        audit__str name = audit__json_str(j);

        ok = audit__json_char(j, ':');
        if (audit__is(name, "data")) {
            ok = ok && same_args(j, c->args);
            seen |= 1;
        } else {
            audit__token value = audit__json_scalar(j);

            if (audit__is(name, "id")) {
                ok = ok && audit__same(value.s, c->action_id);
                seen |= 2;
            } else if (audit__is(name, "type")) {
                ok = ok && audit__same(value.s, c->action);
                seen |= 4;
            } else if (audit__is(name, "target")) {
                ok = ok && audit__same(value.s, c->target);
                seen |= 8;
            } else if (audit__is(name, "tenant")) {
                ok = ok && is_tenant(a, value.s, d->tenant);
                seen |= 16;
            }
        }
        if (!audit__json_char(j, ',')) {
            return ok && audit__json_char(j, '}') && !j->bad && seen == 31;
        }
    }
    return false;
}

static void
check_posted(audit *a, const audit__decision *d, const audit__candidate *c)
{
    posted *seen =
        audit__table_get(&a->witness->posted, audit__hash(c->action_id.ptr, c->action_id.len));
    char *room = NULL;
    audit__json j;

    if (seen == NULL) {
        return;
    }
    seen->found = 1;
    room = audit__alloc(seen->len + 1);
    j = (audit__json){.at = seen->body, .end = seen->body + seen->len, .room = room};
    if (c->def->executor != EXECUTE_WEBHOOK || !same_body(a, &j, d, c)) {
        audit__say(a, d->seq, "webhook", "what was sent as %.*s is not what was admitted: %.200s",
                   STR_ARG(c->action_id), seen->body);
    }
    audit__free(room);
}

void
audit__witness_intent(audit *a, const audit__decision *d, const audit__candidate *c)
{
    check_acted(a, d, c);
    check_posted(a, d, c);
}

bool
audit__witness_has_posted(const audit *a, audit__key action)
{
    return !a->witness->has_posted || audit__table_get(&a->witness->posted, action) != NULL;
}

void
audit__witness_markers(audit *a, uint64_t seq, uint16_t tenant, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < a->witness->marker_count; i++) {
        const marker *m = &a->witness->markers[i];

        if (m->tenant != tenant && memmem(bytes, len, m->text, strlen(m->text)) != NULL) {
            audit__say(a, seq, "tenant", "a record of tenant %u holds '%s' of tenant %u", tenant,
                       m->text, m->tenant);
        }
    }
}

// --- the end ----------------------------------------------------------------------------------

// What is missing one by one, and from some number on in a sum.
static void
missing(audit *a, uint64_t *count, uint64_t seq, const char *rule, const char *what)
{
    *count += 1;
    if (*count <= MISSING_TOLD) {
        audit__say(a, seq, rule, "%s", what);
    }
}

static void
sum(audit *a, uint64_t count, const char *rule, const char *what)
{
    if (count > MISSING_TOLD) {
        audit__say(a, 0, rule, "%" PRIu64 " in all %s", count, what);
    }
}

static bool
is_gone(const audit *a, uint64_t seq)
{
    return a->recycled && seq < a->figures.first_seq;
}

static void
end_acked(audit *a)
{
    audit__key key;
    const acked *seen = NULL;
    uint64_t lost = 0;

    for (size_t cursor = 0;
         (seen = audit__table_next(&a->witness->acked, &cursor, &key)) != NULL;) {
        if (seen->found != 1 && !is_gone(a, seen->seq)) {
            missing(a, &lost, seen->seq, "acked-lost",
                    seen->seq > a->figures.last_seq
                        ? "was acknowledged and stands behind the journal's end"
                        : "was acknowledged, and something else stands there");
        }
    }
    sum(a, lost, "acked-lost", "were acknowledged and are not in the journal");
}

static void
end_known(audit *a)
{
    audit__key key;
    const uint64_t *found = NULL;
    uint64_t lost = 0;

    for (size_t cursor = 0;
         (found = audit__table_next(&a->witness->known, &cursor, &key)) != NULL;) {
        lost += *found == 0 && !a->recycled;
    }
    if (lost > 0) {
        audit__say(a, 0, "acked-lost",
                   "%" PRIu64 " events are said to be known and are not in the "
                   "journal",
                   lost);
    }
}

static void
end_seen(audit *a)
{
    audit__key key;
    uint64_t lost = 0;
    const published *p = NULL;
    const acted *t = NULL;
    const posted *s = NULL;

    for (size_t cursor = 0;
         (p = audit__table_next(&a->witness->published, &cursor, &key)) != NULL;) {
        if (p->found == 0 && !is_gone(a, p->seq)) {
            missing(a, &lost, p->seq, "published",
                    "a decision was published and is not in the journal");
        }
    }
    for (size_t cursor = 0; (t = audit__table_next(&a->witness->acted, &cursor, &key)) != NULL;) {
        if (t->found == 0 && !is_gone(a, t->event_seq)) {
            missing(a, &lost, t->event_seq, "published",
                    "an action on this event was published and is not in the journal");
        }
    }
    for (size_t cursor = 0; (s = audit__table_next(&a->witness->posted, &cursor, &key)) != NULL;) {
        if (s->found == 0 && !is_gone(a, s->event_seq)) {
            missing(a, &lost, s->event_seq, "webhook",
                    "a webhook on this event was sent and is not in the journal");
        }
    }
    sum(a, lost, "published", "were seen outside and are not in the journal");
}

void
audit__witness_end(audit *a)
{
    end_acked(a);
    end_known(a);
    end_seen(a);
}
