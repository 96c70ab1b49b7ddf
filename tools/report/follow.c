#include "tools/report/follow.h"

#include "brain/core/core_msgs.h"
#include "runtime/base/civil.h"
#include "tools/report/entry.h"
#include "tools/report/ledger.h"

#define ARENA_BYTES ((size_t)64 * 1024 * 1024)
#define KEY_BYTES 4096
#define SPARSE 16 // of each kind the first, the 16th, the 256th ...

void
follower_init(follower *f)
{
    tally_init(&f->kinds);
    f->arena = rt_arena_new(ARENA_BYTES);
    rt_text_init(&f->key, KEY_BYTES);
}

void
follower_fini(follower *f)
{
    tally_fini(&f->kinds);
    rt_arena_free(f->arena);
    rt_text_fini(&f->key);
}

// Counts one more of the kind in f->key; true when this one is told.
static bool
is_told(follower *f)
{
    uint64_t seen = ++tally_at(&f->kinds, rt_text_view(&f->key))->count[0];

    while (seen % SPARSE == 0) {
        seen /= SPARSE;
    }
    return seen == 1;
}

static void
put_head(rt_text *out, uint64_t seq, int64_t at_ms, rt_str type, rt_str subject)
{
    rt_civil c = rt_civil_from_ms(at_ms);

    rt_text_printf(out, "%02d-%02d %02d:%02d  #%llu %.*s %.*s", c.month, c.day, c.hour, c.minute,
                   (unsigned long long)seq, RT_STR_ARG(type), RT_STR_ARG(subject));
}

// --- decisions ---

static bool
is_winner(const msg_candidate *candidate)
{
    return candidate->action_id.len > 0;
}

// What is told apart: the first action done, and whether somebody lost, was refused or vetoed.
// False when nobody asked for anything that counts.
static bool
put_kind(rt_text *key, const msg_decision *decision)
{
    const msg_candidate *candidates = decision->candidates.items;
    rt_str done = RT_STR("");
    rt_str against = RT_STR("");

    for (uint32_t i = 0; i < decision->candidates.count; i++) {
        const msg_candidate *c = &candidates[i];

        if (is_winner(c)) {
            done = done.len == 0 ? c->proposal.action : done;
        } else if (!c->proposal.veto && !rt_str_is(c->verdict, "shadow") &&
                   !rt_str_is(against, "lost")) {
            against = c->verdict; // a conflict tells more than a refusal
        }
    }
    rt_text_clear(key);
    rt_text_printf(key, "%.*s|%.*s", RT_STR_ARG(done), RT_STR_ARG(against));
    return done.len + against.len > 0;
}

static void
put_winners(rt_text *out, const msg_decision *decision)
{
    const msg_candidate *candidates = decision->candidates.items;
    const char *between = ": ";

    for (uint32_t i = 0; i < decision->candidates.count; i++) {
        const msg_proposal *p = &candidates[i].proposal;

        if (is_winner(&candidates[i])) {
            bool here = rt_str_equal(p->target, decision->subject);

            rt_text_printf(out, "%s%.*s%s%.*s by %.*s (%.0f)", between, RT_STR_ARG(p->action),
                           here ? "" : " ", here ? 0 : (int)p->target.len,
                           p->target.ptr != NULL ? p->target.ptr : "", RT_STR_ARG(p->agent),
                           candidates[i].score);
            between = " + ";
        }
    }
    if (between[0] == ':') {
        rt_text_cstr(out, ": nothing");
    }
}

static void
put_losers(rt_text *out, const msg_decision *decision)
{
    const msg_candidate *candidates = decision->candidates.items;

    for (uint32_t i = 0; i < decision->candidates.count; i++) {
        const msg_candidate *c = &candidates[i];

        if (is_winner(c) || c->proposal.veto || rt_str_is(c->verdict, "shadow")) {
            continue;
        }
        rt_text_printf(out, "; %.*s of %.*s (%.0f) %.*s", RT_STR_ARG(c->proposal.action),
                       RT_STR_ARG(c->proposal.agent), c->score, RT_STR_ARG(c->verdict));
        if (!rt_str_is(c->verdict, "lost")) {
            rt_text_printf(out, ": %.*s", RT_STR_ARG(c->why));
        }
    }
}

static bool
tell_decision(follower *f, const rt_record *record, rt_text *out)
{
    msg_decision decision;
    rt_mp mp = rt_mp_init(record->payload);

    if ((record->flags & RT_RECORD_SAID) == 0) {
        return false;
    }
    rt_arena_reset(f->arena);
    if (rt_msg_decode(&msg_decision_def, &mp, f->arena, &decision) != RT_OK ||
        decision.candidates.count == 0) {
        return false;
    }
    if (!put_kind(&f->key, &decision) || !is_told(f)) {
        return false;
    }
    put_head(out, decision.event_seq, record->at_ms, decision.event_type, decision.subject);
    put_winners(out, &decision);
    put_losers(out, &decision);
    return true;
}

// --- events of the brain ---

static void
put_fields(rt_text *out, const report_entry *entry, const char *const *fields)
{
    const char *between = ": ";

    for (size_t i = 0; fields[i] != NULL; i++) {
        rt_str text = report_entry_str(entry, fields[i]);

        if (text.len > 0) {
            rt_text_printf(out, "%s%.*s", between, RT_STR_ARG(text));
            between = ", ";
        }
    }
}

static bool
tell_event(follower *f, const rt_record *record, rt_text *out)
{
    static const struct {
        const char *type;
        const char *kind; // field that tells kinds apart
        const char *fields[5];
    } notices[] = {
        {"anomaly.detected", "scope", {"severity", "metric", "detectors", NULL}},
        {"anomaly.cleared", "scope", {"metric", NULL}},
        {"healing.completed", "scope", {"outcome", "playbook", "tried", NULL}},
        {"improvement.proposed", "route", {"route", "area", "change", NULL}},
        {"system.halted", "by", {"by", "reason", NULL}},
        {"system.resumed", "by", {"by", "reason", NULL}},
    };
    report_entry entry;

    if (report_entry_read(record, &entry) != RT_OK || !entry.internal) {
        return false;
    }
    for (size_t i = 0; i < RT_COUNT(notices); i++) {
        if (!rt_str_is(entry.type, notices[i].type)) {
            continue;
        }
        rt_text_clear(&f->key);
        rt_text_printf(&f->key, "%s|%.*s", notices[i].type,
                       RT_STR_ARG(report_entry_str(&entry, notices[i].kind)));
        if (!is_told(f)) {
            return false;
        }
        put_head(out, entry.seq, entry.at_ms, entry.type, entry.subject);
        put_fields(out, &entry, notices[i].fields);
        return true;
    }
    return false;
}

bool
follower_tell(follower *f, const rt_record *record, rt_text *out)
{
    if (record->kind == RT_RECORD_DECISION) {
        return tell_decision(f, record, out);
    }
    return record->kind == RT_RECORD_EVENT && tell_event(f, record, out);
}
