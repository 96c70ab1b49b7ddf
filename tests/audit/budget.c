#include <inttypes.h>

#include "tests/audit/internal.h"

// Design notes.
// What brain/decide/gate.h promises, worked out anew from admitted actions and outcomes: quiet
// hours of the tenant's local time for actions that reach a customer; the pause between two of one
// action on one target; how many of them a local day; how many of one action an hour of the clock
// for a tenant; how many of all actions a minute of the clock for a tenant; and a receiver half of
// whose last 20 outcomes failed is left alone for 60 s, after which it is judged by new outcomes.
// The time of an admission is that of its decision's record.

#define MINUTE_MS ((int64_t)60 * 1000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define BREAKER_OUTCOMES 20
#define BREAKER_OPEN_MS (60 * 1000)

typedef struct target {
    int64_t last_ms;
    int64_t day;
    int64_t count;
} target;

typedef struct window {
    int64_t number; // of the hour or minute
    int64_t count;
} window;

typedef struct breaker {
    bool failed[BREAKER_OUTCOMES]; // a ring
    uint64_t count;
    int64_t open_until_ms;
} breaker;

struct audit__budget {
    audit__table targets;
    audit__table hours;
    audit__table minutes;
    audit__table breakers;
};

audit__budget *
audit__budget_new(void)
{
    audit__budget *b = audit__alloc(sizeof(*b));

    b->targets = audit__table_of(sizeof(target));
    b->hours = audit__table_of(sizeof(window));
    b->minutes = audit__table_of(sizeof(window));
    b->breakers = audit__table_of(sizeof(breaker));
    return b;
}

void
audit__budget_free(audit__budget *b)
{
    audit__table_fini(&b->targets);
    audit__table_fini(&b->hours);
    audit__table_fini(&b->minutes);
    audit__table_fini(&b->breakers);
    audit__free(b);
}

static int64_t
local_ms(const audit *a, uint16_t tenant, int64_t at_ms)
{
    for (size_t i = 0; i < a->limits.tenant_count; i++) {
        if (a->limits.tenants[i].number == tenant) {
            return at_ms + a->limits.tenants[i].utc_offset_ms;
        }
    }
    return at_ms;
}

static void
check_quiet(audit *a, const audit__decision *d, const audit__candidate *c)
{
    int64_t minute = local_ms(a, d->tenant, d->at_ms) % DAY_MS / MINUTE_MS;
    int64_t from = a->limits.quiet_from_min;
    int64_t until = a->limits.quiet_until_min;
    bool quiet =
        from <= until ? minute >= from && minute < until : minute >= from || minute < until;

    if (c->def->contact && quiet) {
        audit__say(a, d->seq, "quiet-hours",
                   "%s on %.*s at local minute %" PRId64 " of the day, "
                   "customers are left alone from %" PRId64 " to %" PRId64,
                   c->def->name, STR_ARG(c->target), minute, from, until);
    }
}

static void
check_target(audit *a, const audit__decision *d, const audit__candidate *c)
{
    const audit__str name[] = {c->action, c->target};
    int64_t day = local_ms(a, d->tenant, d->at_ms) / DAY_MS;
    bool created = false;
    target *t = NULL;

    if (c->def->cooldown_ms == 0 && c->def->per_target_day == 0) {
        return;
    }
    t = audit__table_put(&a->budget->targets, audit__key_of(d->tenant, name, 2), &created);
    if (!created && c->def->cooldown_ms > 0 && d->at_ms - t->last_ms < c->def->cooldown_ms) {
        audit__say(a, d->seq, "cooldown",
                   "%s on %.*s %" PRId64 " ms after the last, its cooldown is "
                   "%" PRId64 " ms",
                   c->def->name, STR_ARG(c->target), d->at_ms - t->last_ms, c->def->cooldown_ms);
    }
    t->count = !created && t->day == day ? t->count + 1 : 1;
    t->day = day;
    t->last_ms = d->at_ms;
    if (a->limits.known && c->def->per_target_day > 0 && t->count > c->def->per_target_day) {
        audit__say(a, d->seq, "budget-target-day",
                   "%s on %.*s for the %" PRId64 ". time this day, %" PRId64 " are allowed",
                   c->def->name, STR_ARG(c->target), t->count, c->def->per_target_day);
    }
}

// Counts one more in the window that holds `number`; how many it has now.
static int64_t
count_in(audit__table *windows, audit__key key, int64_t number)
{
    bool created = false;
    window *w = audit__table_put(windows, key, &created);

    if (created || w->number != number) {
        *w = (window){number, 0};
    }
    w->count++;
    return w->count;
}

static void
check_tenant(audit *a, const audit__decision *d, const audit__candidate *c)
{
    int64_t hour =
        count_in(&a->budget->hours, audit__key_of(d->tenant, &c->action, 1), d->at_ms / HOUR_MS);
    int64_t minute =
        count_in(&a->budget->minutes, audit__key_of(d->tenant, NULL, 0), d->at_ms / MINUTE_MS);

    if (c->def->per_tenant_hour > 0 && hour > c->def->per_tenant_hour) {
        audit__say(a, d->seq, "budget-tenant-hour",
                   "%s for the %" PRId64 ". time this hour, %" PRId64 " are allowed", c->def->name,
                   hour, c->def->per_tenant_hour);
    }
    if (a->limits.known && minute > a->limits.actions_per_minute) {
        audit__say(a, d->seq, "budget-minute",
                   "the %" PRId64 ". action of tenant %u this minute, %" PRId64 " are allowed",
                   minute, d->tenant, a->limits.actions_per_minute);
    }
}

static audit__key
receiver_of(const audit__action *action)
{
    return audit__hash(action->webhook, strlen(action->webhook));
}

static void
check_breaker(audit *a, const audit__decision *d, const audit__candidate *c)
{
    const breaker *b = audit__table_get(&a->budget->breakers, receiver_of(c->def));

    if (c->def->executor == EXECUTE_WEBHOOK && b != NULL && d->at_ms < b->open_until_ms) {
        audit__say(a, d->seq, "breaker", "%s goes to %s, which is left alone until %" PRId64,
                   c->def->name, c->def->webhook, b->open_until_ms);
    }
}

void
audit__budget_admit(audit *a, const audit__decision *d, const audit__candidate *c)
{
    if (a->limits.known) {
        check_quiet(a, d, c);
    }
    check_target(a, d, c);
    check_tenant(a, d, c);
    check_breaker(a, d, c);
}

void
audit__budget_outcome(audit *a, const audit__action *action, bool failed, int64_t at_ms)
{
    breaker *b = NULL;
    int bad = 0;

    if (action->executor != EXECUTE_WEBHOOK) {
        return;
    }
    b = audit__table_put(&a->budget->breakers, receiver_of(action), NULL);
    b->failed[b->count % BREAKER_OUTCOMES] = failed;
    b->count++;
    if (b->count < BREAKER_OUTCOMES) {
        return;
    }
    for (int i = 0; i < BREAKER_OUTCOMES; i++) {
        bad += b->failed[i];
    }
    if (bad * 2 >= BREAKER_OUTCOMES) {
        *b = (breaker){.open_until_ms = at_ms + BREAKER_OPEN_MS};
    }
}
