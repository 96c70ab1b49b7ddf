#include <inttypes.h>
#include <stdio.h>

#include "tests/audit/internal.h"

// Design notes.
// What a playbook may do, read from its text as it stands in the journal and worked out anew from
// decisions: its opening hours and holidays, its budgets, that it was agreed to, and that a pattern
// takes its events for each time it is complete. Conditions are not evaluated: a rule that hangs on
// one (approve.when, most of budget.per) is not checked. Of `per` only the form is understood that
// names the target itself: per: x.y with target: kind/${x.y}.

#define MINUTE_MS ((int64_t)60 * 1000)
#define DAY_MS ((int64_t)24 * 60 * MINUTE_MS)
#define BOGOTA_MS (-5 * 60 * MINUTE_MS) // all year
#define BUDGETS_MAX 8
#define VOTES_MAX 16
#define SHOWN_CAP 1024
#define SHOWN_WHOLE 900 // a longer list of actions may have been cut

typedef enum counted { COUNT_ACTIONS, COUNT_CONTACTS, COUNT_COST } counted;

typedef struct limit {
    counted what;
    int64_t most;
    int64_t window_ms;
    bool ask;       // above it somebody has to agree
    bool by_target; // each target has its own
} limit;

// Of a playbook of the live set.
typedef struct bounds {
    bool has_hours;
    int64_t from_min;
    int64_t until_min;
    unsigned days; // a bit each, Sunday first
    bool holidays;
    bool always_asks;
    uint64_t quorum;
    limit limits[BUDGETS_MAX];
    uint64_t limit_count;
    uint64_t parts; // events that a completion takes at least; 0 without a pattern
} bounds;

// What was used of a budget, newest first.
typedef struct use {
    int64_t at_ms;
    int64_t amount;
    size_t before; // index of the one before it, and one; 0: none
} use;

// A request, between approval.requested and its end.
typedef struct request {
    uint64_t votes[VOTES_MAX]; // hashes of who agreed
    uint64_t vote_count;
    char shown[SHOWN_CAP];
} request;

// An event about playbooks that is not decided yet.
typedef struct origin {
    bool is_answer;
    bool granted;
    bool completes; // a timer that ends a window
    audit__key request;
    uint64_t by;
    uint64_t playbook; // hash
} origin;

typedef struct tally {
    uint64_t matched;
    uint64_t completed;
} tally;

struct audit__rules {
    audit__table bounds;   // playbook -> bounds
    audit__table used;     // tenant, playbook, budget, target -> index in uses, and one
    audit__table requests; // tenant, playbook, key -> request
    audit__table origins;  // record -> origin
    audit__table tallies;  // tenant, playbook, pattern -> tally
    audit__table rolled;   // playbook -> rolled back by its guardrails, until it is set anew
    use *uses;
    size_t use_count;
    size_t use_cap;
};

audit__rules *
audit__rules_new(void)
{
    audit__rules *r = audit__alloc(sizeof(*r));

    r->bounds = audit__table_of(sizeof(bounds));
    r->used = audit__table_of(sizeof(size_t));
    r->requests = audit__table_of(sizeof(request));
    r->origins = audit__table_of(sizeof(origin));
    r->tallies = audit__table_of(sizeof(tally));
    r->rolled = audit__table_of(sizeof(uint64_t));
    return r;
}

void
audit__rules_free(audit__rules *r)
{
    audit__table_fini(&r->bounds);
    audit__table_fini(&r->used);
    audit__table_fini(&r->requests);
    audit__table_fini(&r->origins);
    audit__table_fini(&r->tallies);
    audit__table_fini(&r->rolled);
    audit__free(r->uses);
    audit__free(r);
}

// --- reading ----------------------------------------------------------------------------------

static audit__str
text_of(audit__yaml *yaml, audit__node *map, const char *key)
{
    return audit__yaml_text(audit__yaml_get(yaml, map, key));
}

static uint64_t
number_of(audit__yaml *yaml, audit__node *map, const char *key, uint64_t otherwise)
{
    uint64_t number = otherwise;

    (void)audit__u64_of(text_of(yaml, map, key), &number); // else as it was
    return number;
}

static int64_t
minute_of(audit__str text)
{
    if (text.len != 5 || text.ptr[2] != ':') {
        return 0;
    }
    return ((text.ptr[0] - '0') * 10 + text.ptr[1] - '0') * 60 + (text.ptr[3] - '0') * 10 +
           text.ptr[4] - '0';
}

static void
read_calendar(audit__yaml *yaml, audit__node *map, bounds *b)
{
    static const char *const names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    audit__node *days = audit__yaml_get(yaml, map, "days");
    audit__node *item = NULL;
    audit__str until = text_of(yaml, map, "until");
    audit__str zone = text_of(yaml, map, "zone");

    b->holidays = !audit__is(text_of(yaml, map, "holidays"), "false");
    b->from_min = minute_of(text_of(yaml, map, "from"));
    b->until_min = until.len > 0 ? minute_of(until) : 24 * 60;
    b->days = days != NULL ? 0 : 0x7f;
    for (size_t i = 0; audit__yaml_item(yaml, days, i, &item); i++) {
        for (unsigned day = 0; day < 7; day++) {
            b->days |= audit__is(audit__yaml_text(item), names[day]) ? 1u << day : 0;
        }
    }
    b->has_hours = zone.len == 0 || audit__is(zone, "America/Bogota");
}

// "kind/${x.y}" of the first action against "x.y".
static bool
names_target(audit__yaml *yaml, audit__node *root, audit__str per)
{
    audit__node *step = NULL;
    audit__str target = {"", 0};
    const char *slash = NULL;

    if (!audit__yaml_item(yaml, audit__yaml_get(yaml, root, "do"), 0, &step)) {
        return false;
    }
    target = text_of(yaml, step, "target");
    slash = target.len > 0 ? memchr(target.ptr, '/', target.len) : NULL;
    size_t left = slash != NULL ? target.len - (size_t)(slash - target.ptr) : 0;

    return left == per.len + 4 && memcmp(slash, "/${", 3) == 0 &&
           memcmp(slash + 3, per.ptr, per.len) == 0 && slash[left - 1] == '}';
}

static void
read_budget(audit__yaml *yaml, audit__node *root, audit__node *map, bounds *b)
{
    limit *l = &b->limits[b->limit_count];
    audit__str what = text_of(yaml, map, "what");
    audit__str per = text_of(yaml, map, "per");

    *l = (limit){.what = audit__is(what, "contacts")   ? COUNT_CONTACTS
                         : audit__is(what, "cost_cop") ? COUNT_COST
                                                       : COUNT_ACTIONS,
                 .most = (int64_t)number_of(yaml, map, "limit", 0),
                 .ask = audit__is(text_of(yaml, map, "on_exceed"), "ask"),
                 .by_target = per.len > 0};
    b->always_asks = b->always_asks && !l->ask;
    if (audit__duration_ms(text_of(yaml, map, "window"), &l->window_ms) &&
        (per.len == 0 || names_target(yaml, root, per))) {
        b->limit_count++;
    }
}

static uint64_t
list_len(audit__yaml *yaml, audit__node *list)
{
    audit__node *item = NULL;
    uint64_t count = 0;

    while (audit__yaml_item(yaml, list, count, &item)) {
        count++;
    }
    return count;
}

// How many events a completion takes at least. The last part of a sequence may be one that stays
// away; then a timer completes it, which is no event of it.
static uint64_t
parts_of(audit__yaml *yaml, audit__node *pattern)
{
    audit__node *count = audit__yaml_get(yaml, pattern, "count");
    audit__node *sequence = audit__yaml_get(yaml, pattern, "sequence");
    audit__node *last = NULL;
    uint64_t parts = list_len(yaml, sequence);

    if (count != NULL) {
        return number_of(yaml, count, "at_least", 0);
    }
    if (sequence == NULL) {
        return list_len(yaml, audit__yaml_get(yaml, pattern, "all"));
    }
    if (parts > 0 && audit__yaml_item(yaml, sequence, parts - 1, &last) &&
        audit__is(text_of(yaml, last, "absent"), "true")) {
        parts--;
    }
    return parts;
}

void
audit__rules_clear(audit *a)
{
    audit__table_fini(&a->rules->bounds);
    a->rules->bounds = audit__table_of(sizeof(bounds));
    audit__table_fini(&a->rules->rolled); // another text has the mode of its file
    a->rules->rolled = audit__table_of(sizeof(uint64_t));
}

void
audit__rules_read(audit *a, audit__yaml *yaml, audit__node *root)
{
    audit__str id = text_of(yaml, root, "id");
    audit__node *calendar = audit__yaml_get(yaml, root, "calendar");
    audit__node *approve = audit__yaml_get(yaml, root, "approve");
    audit__node *budgets = audit__yaml_get(yaml, root, "budget");
    audit__node *pattern = audit__yaml_get(yaml, root, "pattern");
    audit__node *throttle = audit__yaml_get(yaml, root, "throttle");
    audit__node *collect = audit__yaml_get(yaml, throttle, "collect");
    audit__node *item = NULL;
    bounds b = {.quorum = number_of(yaml, approve, "quorum", 1)};

    b.always_asks = approve != NULL && audit__yaml_get(yaml, approve, "when") == NULL;
    if (calendar != NULL && (audit__yaml_get(yaml, calendar, "from") != NULL ||
                             audit__yaml_get(yaml, calendar, "days") != NULL ||
                             audit__yaml_get(yaml, calendar, "holidays") != NULL)) {
        read_calendar(yaml, calendar, &b);
    }
    for (size_t i = 0; i < BUDGETS_MAX && audit__yaml_item(yaml, budgets, i, &item); i++) {
        read_budget(yaml, root, item, &b);
    }
    b.parts = pattern != NULL ? parts_of(yaml, pattern) : 0;
    if (collect != NULL) { // each time it acts takes so many of its events
        b.parts = number_of(yaml, collect, "at_least", 1);
    }
    *(bounds *)audit__table_put(&a->rules->bounds, audit__hash(id.ptr, id.len), NULL) = b;
}

// --- days -------------------------------------------------------------------------------------

// Days since 1970 of a date, by counting days before each year and month.
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t y = year - 1;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return y * 365 + y / 4 - y / 100 + y / 400 + before[month - 1] + (leap && month > 2) + day - 1 -
           719162;
}

// Easter Sunday by Gauss's rule with its two exceptions, for 1900 to 2099.
static int64_t
easter_of(int64_t year)
{
    int64_t d = (19 * (year % 19) + 24) % 30;
    int64_t e = (2 * (year % 4) + 4 * (year % 7) + 6 * d + 5) % 7;

    if (d == 29 && e == 6) {
        d -= 7;
    } else if (d == 28 && e == 6 && year % 19 > 10) {
        d -= 7;
    }
    return days_of(year, 3, 22) + d + e;
}

static int64_t
year_of(int64_t days)
{
    int64_t year = 1970 + days / 366;

    while (days_of(year + 1, 1, 1) <= days) {
        year++;
    }
    return year;
}

// 0 = Sunday; 1 January 1970 was a Thursday.
static int64_t
weekday_of(int64_t days)
{
    return (days + 4) % 7;
}

// Public holidays of Colombia (Ley 51 de 1983): some on their day, some on the Monday after.
static bool
is_holiday(int64_t days)
{
    static const int fixed[][2] = {{1, 1}, {5, 1}, {7, 20}, {8, 7}, {12, 8}, {12, 25}};
    static const int moved[][2] = {{1, 6},   {3, 19}, {6, 29}, {8, 15},
                                   {10, 12}, {11, 1}, {11, 11}};
    static const int easter[] = {-3, -2, 43, 64, 71};
    int64_t year = year_of(days);

    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        if (days == days_of(year, fixed[i][0], fixed[i][1])) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
        int64_t since = days - days_of(year, moved[i][0], moved[i][1]);

        if (weekday_of(days) == 1 && since >= 0 && since < 7) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(easter) / sizeof(easter[0]); i++) {
        if (days == easter_of(year) + easter[i]) {
            return true;
        }
    }
    return false;
}

static bool
opens(const bounds *b, int64_t days)
{
    return (b->days >> weekday_of(days) & 1) != 0 && (b->holidays || !is_holiday(days));
}

static bool
is_open(const bounds *b, int64_t at_ms)
{
    int64_t days = (at_ms + BOGOTA_MS) / DAY_MS;
    int64_t minute = (at_ms + BOGOTA_MS) % DAY_MS / MINUTE_MS;

    if (b->from_min < b->until_min) {
        return opens(b, days) && minute >= b->from_min && minute < b->until_min;
    }
    return (minute >= b->from_min && opens(b, days)) ||
           (minute < b->until_min && opens(b, days - 1)); // its night began the day before
}

// --- events -----------------------------------------------------------------------------------

static audit__str
text_field(const audit__event *e, const char *name)
{
    audit__token token = audit__field(e, name);

    return token.type == MP_STR ? token.s : (audit__str){"", 0};
}

static audit__key
request_key(const audit__event *e)
{
    const audit__str name[] = {text_field(e, "playbook"), text_field(e, "key")};

    return audit__key_of(e->tenant, name, 2);
}

static origin *
put_origin(audit *a, uint64_t seq)
{
    return audit__table_put(&a->rules->origins, audit__key_of(seq, NULL, 0), NULL);
}

void
audit__rules_event(audit *a, const audit__event *e)
{
    audit__str playbook = text_field(e, "playbook");

    if (audit__is(e->type, "playbook.rolled_back")) {
        uint64_t *at =
            audit__table_put(&a->rules->rolled, audit__hash(playbook.ptr, playbook.len), NULL);

        *at = e->seq;
    } else if (audit__is(e->type, "playbook.mode_set")) {
        (void)audit__table_del(&a->rules->rolled, audit__hash(playbook.ptr, playbook.len));
    } else if (audit__is(e->type, "approval.requested")) {
        request *r = audit__table_put(&a->rules->requests, request_key(e), NULL);
        audit__str actions = text_field(e, "actions");

        *r = (request){0};
        (void)snprintf(r->shown, sizeof(r->shown), "%.*s", STR_ARG(actions));
    } else if (audit__is(e->type, "approval.expired")) {
        (void)audit__table_del(&a->rules->requests, request_key(e));
    } else if (audit__is(e->type, "approval.decided")) {
        audit__str by = text_field(e, "by");

        *put_origin(a, e->seq) =
            (origin){.is_answer = audit__is(e->source, "/brain/control"),
                     .granted = audit__is(text_field(e, "verdict"), "granted"),
                     .request = request_key(e),
                     .by = audit__hash(by.ptr, by.len).a,
                     .playbook = audit__hash(playbook.ptr, playbook.len).a};
    } else if (audit__is(e->type, "timer.fired")) {
        *put_origin(a, e->seq) =
            (origin){.completes = audit__starts(text_field(e, "key"), "window:")};
    }
}

// --- decisions --------------------------------------------------------------------------------

static void
vote(request *r, uint64_t by)
{
    for (uint64_t i = 0; i < r->vote_count; i++) {
        if (r->votes[i] == by) {
            return;
        }
    }
    if (r->vote_count < VOTES_MAX) {
        r->votes[r->vote_count++] = by;
    }
}

static bool
is_fired(const audit__decision *d, audit__str playbook)
{
    for (uint32_t i = 0; i < d->consulted_count; i++) {
        if (audit__same(d->consulted[i].playbook, playbook)) {
            return audit__is(d->consulted[i].verdict, "fired");
        }
    }
    return false;
}

static int64_t
used_since(const audit__rules *r, size_t newest, int64_t since_ms)
{
    int64_t sum = 0;

    for (size_t i = newest; i > 0 && r->uses[i - 1].at_ms > since_ms; i = r->uses[i - 1].before) {
        sum += r->uses[i - 1].amount;
    }
    return sum;
}

static size_t
add_use(audit__rules *r, int64_t at_ms, int64_t amount, size_t before)
{
    if (r->use_count == r->use_cap) {
        r->use_cap = r->use_cap > 0 ? r->use_cap * 2 : 256;
        r->uses = audit__grow(r->uses, r->use_cap * sizeof(use));
    }
    r->uses[r->use_count++] = (use){at_ms, amount, before};
    return r->use_count;
}

static void
check_budgets(audit *a, const audit__decision *d, const audit__candidate *c, const bounds *b,
              audit__str playbook, bool granted)
{
    static const char *const names[] = {"actions", "contacts", "COP"};

    for (uint64_t i = 0; i < b->limit_count; i++) {
        const limit *l = &b->limits[i];
        char place[64];
        int len = snprintf(place, sizeof(place), "%" PRIu64 " %" PRId64, i, l->window_ms);
        const audit__str name[] = {playbook, {place, (size_t)len},
                                   l->by_target ? c->target : audit__str_of("")};
        int64_t amount = l->what == COUNT_COST       ? c->cost
                         : l->what == COUNT_CONTACTS ? (c->def != NULL && c->def->contact)
                                                     : 1;
        size_t *newest = audit__table_put(&a->rules->used, audit__key_of(d->tenant, name, 3), NULL);
        int64_t sum = used_since(a->rules, *newest, d->at_ms - l->window_ms) + amount;

        if (amount > 0 && sum > l->most && !(l->ask && granted)) {
            audit__say(a, d->seq, "playbook-budget",
                       "%.*s uses %" PRId64 " %s in %" PRId64 " ms, %" PRId64 " are allowed",
                       STR_ARG(playbook), sum, names[l->what], l->window_ms, l->most);
        }
        *newest = add_use(a->rules, d->at_ms, amount, *newest);
    }
}

// Agreed to by enough people, and to these actions.
static void
check_approval(audit *a, const audit__decision *d, const audit__candidate *c, const bounds *b,
               audit__str playbook, const origin *from)
{
    const request *r = from != NULL && from->is_answer && from->granted &&
                               from->playbook == audit__hash(playbook.ptr, playbook.len).a
                           ? audit__table_get(&a->rules->requests, from->request)
                           : NULL;
    char action[SHOWN_CAP];

    if (r == NULL || r->vote_count < b->quorum) {
        if (!a->recycled) {
            audit__say(a, d->seq, "approval",
                       "%.*s of %.*s was done after %" PRIu64 " agreed, %" PRIu64 " have to",
                       STR_ARG(c->action), STR_ARG(playbook), r != NULL ? r->vote_count : 0,
                       b->quorum);
        }
        return;
    }
    (void)snprintf(action, sizeof(action), "%.*s %.*s", STR_ARG(c->action), STR_ARG(c->target));
    if (strlen(r->shown) < SHOWN_WHOLE && strstr(r->shown, action) == NULL) {
        audit__say(a, d->seq, "approval", "%s was done, agreed to was %s", action, r->shown);
    }
}

static void
check_winner(audit *a, const audit__decision *d, const audit__candidate *c, const origin *from)
{
    static const char prefix[] = "playbook:";
    size_t head = sizeof(prefix) - 1;
    audit__str playbook = {c->agent.ptr + head, c->agent.len - head};
    const bounds *b = NULL;
    const uint64_t *rolled = NULL;
    bool granted = from != NULL && from->is_answer && from->granted;

    if (!audit__starts(c->agent, prefix) || !is_fired(d, playbook)) {
        return; // an agent's, or an escalation, which only the gate bounds
    }
    rolled = audit__table_get(&a->rules->rolled, audit__hash(playbook.ptr, playbook.len));
    if (rolled != NULL) {
        audit__say(a, d->seq, "playbook-guard",
                   "%.*s of %.*s was done, which was rolled back at record %" PRIu64,
                   STR_ARG(c->action), STR_ARG(playbook), *rolled);
    }
    b = audit__table_get(&a->rules->bounds, audit__hash(playbook.ptr, playbook.len));
    if (b == NULL) {
        return;
    }
    if (b->has_hours && !is_open(b, d->at_ms)) {
        audit__say(a, d->seq, "playbook-hours", "%.*s of %.*s was done outside of its hours",
                   STR_ARG(c->action), STR_ARG(playbook));
    }
    check_budgets(a, d, c, b, playbook, granted);
    if (b->always_asks) {
        check_approval(a, d, c, b, playbook, from);
    }
}

// Each completion takes events of its own.
static void
check_pattern(audit *a, const audit__decision *d, const audit__consulted *c, const origin *from)
{
    const bounds *b =
        audit__table_get(&a->rules->bounds, audit__hash(c->playbook.ptr, c->playbook.len));
    bool fired = audit__is(c->verdict, "fired") || audit__is(c->verdict, "throttled");
    tally *t = NULL;

    if (b == NULL || b->parts == 0 || a->recycled) {
        return;
    }
    t = audit__table_put(&a->rules->tallies, audit__key_of(d->tenant, &c->playbook, 1), NULL);
    // what waited and is asked again was complete before
    t->matched += audit__is(c->verdict, "matched") || (fired && from == NULL);
    t->completed += fired && (from == NULL || from->completes);
    if (t->completed * b->parts > t->matched) {
        audit__say(a, d->seq, "pattern",
                   "%.*s is complete for the %" PRIu64 ". time after %" PRIu64
                   " events, each takes %" PRIu64,
                   STR_ARG(c->playbook), t->completed, t->matched, b->parts);
        t->matched = t->completed * b->parts;
    }
}

void
audit__rules_decision(audit *a, const audit__decision *d)
{
    audit__key key = audit__key_of(d->event_seq, NULL, 0);
    const origin *kept = audit__table_get(&a->rules->origins, key);
    origin from = kept != NULL ? *kept : (origin){0};
    request *r = from.is_answer ? audit__table_get(&a->rules->requests, from.request) : NULL;
    bool waits = false;

    if (r != NULL && from.granted) {
        vote(r, from.by);
    }
    for (uint32_t i = 0; i < d->candidate_count; i++) {
        if (d->candidates[i].action_id.len > 0) {
            check_winner(a, d, &d->candidates[i], kept != NULL ? &from : NULL);
        }
    }
    for (uint32_t i = 0; i < d->consulted_count; i++) {
        bool answered = from.is_answer && audit__hash(d->consulted[i].playbook.ptr,
                                                      d->consulted[i].playbook.len)
                                                  .a == from.playbook;

        check_pattern(a, d, &d->consulted[i], kept != NULL ? &from : NULL);
        waits = waits || (answered && audit__is(d->consulted[i].verdict, "matched"));
    }
    if (r != NULL && !waits) {
        (void)audit__table_del(&a->rules->requests, from.request);
    }
    (void)audit__table_del(&a->rules->origins, key);
}
