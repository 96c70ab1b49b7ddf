// Design notes.
// Rows of one table, told apart by the first part of their key: "t" action target: cooldown and the
// target's day; "h" action: the tenant's hour; "m": the tenant's minute; "b" executor: breaker
// (system); "halt": present while halted by record.
#include "brain/decide/gate.h"

#include <stdio.h>

#include "brain/memory/tables.h"
#include "runtime/base/alloc.h"
#include "runtime/base/civil.h"
#include "runtime/base/planted.h"
#include "runtime/store/key.h"

#define DAY_MS (24LL * 60 * 60 * 1000)
#define HOUR_MS (60LL * 60 * 1000)
#define MINUTE_MS (60LL * 1000)

typedef struct target_row {
    int64_t last_ms;
    int64_t day;
    int64_t count;
} target_row;

typedef struct window_row {
    int64_t window;
    int64_t count;
} window_row;

typedef struct breaker_row {
    uint64_t outcomes; // bit per outcome, newest lowest, 1 = failed
    uint64_t count;
    int64_t open_until_ms;
} breaker_row;

struct br_gate {
    rt_table *table;
    const br_outbox *outbox;
    br_gate_config config;
};

// What the planted mistake does: budgets start from nothing.
static void
forget_windows(br_gate *gate)
{
    rt_bytes key;
    rt_bytes row;
    for (size_t cursor = 0; rt_table_next(gate->table, &cursor, &key, &row);) {
        rt_str kind = rt_key_part(key, 0);
        if (rt_str_is(kind, "h") || rt_str_is(kind, "m") || rt_str_is(kind, "t")) {
            memset((void *)(uintptr_t)row.ptr, 0, row.len);
        }
    }
}

rt_err
br_gate_new(rt_store *store, const br_outbox *outbox, const br_gate_config *config, br_gate **ret)
{
    rt_table *table;
    rt_err err = rt_store_table(store, BR_TABLE_GATE, "gate", &table);
    if (err != RT_OK) {
        return err;
    }
    *ret = rt_new(br_gate);
    **ret = (br_gate){table, outbox, *config};
    if (RT_PLANTED(budget_per_life)) {
        forget_windows(*ret);
    }
    if (RT_PLANTED(halt_forgotten)) {
        br_gate_resume(*ret);
    }
    return RT_OK;
}

void
br_gate_free(br_gate *gate)
{
    rt_free(gate);
}

static rt_key
target_key(rt_tenant tenant, rt_str action, rt_str target)
{
    rt_key key = rt_key_pair(tenant, RT_STR("t"), action);
    rt_key_str(&key, target);
    return key;
}

static rt_key
hour_key(rt_tenant tenant, rt_str action)
{
    return rt_key_pair(tenant, RT_STR("h"), action);
}

static rt_key
breaker_key(const br_action *action)
{
    static const rt_str names[] = {{"log", 3}, {"publish", 7}, {"emit", 4}, {"webhook", 7}};
    rt_key key = rt_key_pair(RT_TENANT_SYSTEM, RT_STR("b"), names[action->executor]);
    rt_key_str(&key, action->webhook);
    return key;
}

static bool
refuse(const br_admission *admission, const char *why)
{
    snprintf(admission->candidate->why, BR_WHY_MAX, "%s", why);
    return false;
}

static int64_t
local_ms(const br_gate *gate, rt_tenant tenant, int64_t now_ms)
{
    return tenant.v < gate->config.tenant_count ? now_ms + gate->config.utc_offset_ms[tenant.v]
                                                : now_ms;
}

static bool
quiet(const br_gate *gate, rt_tenant tenant, int64_t now_ms)
{
    rt_civil civil = rt_civil_from_ms(local_ms(gate, tenant, now_ms));
    int32_t minute = civil.hour * 60 + civil.minute;
    int32_t from = gate->config.quiet_from_min;
    int32_t until = gate->config.quiet_until_min;
    if (from <= until) {
        return minute >= from && minute < until;
    }
    return minute >= from || minute < until;
}

int64_t
br_gate_quiet_until_ms(const br_gate *gate, rt_tenant tenant, int64_t now_ms)
{
    if (!quiet(gate, tenant, now_ms)) {
        return now_ms;
    }
    int64_t minute = local_ms(gate, tenant, now_ms) / MINUTE_MS % (DAY_MS / MINUTE_MS);
    int64_t left = gate->config.quiet_until_min - minute;
    left = left <= 0 ? left + DAY_MS / MINUTE_MS : left;
    return (now_ms / MINUTE_MS + left) * MINUTE_MS;
}

static bool
admit_shape(const br_admission *admission)
{
    const br_action *action = admission->candidate->action;
    const msg_proposal *proposal = &admission->candidate->msg.proposal;
    if (proposal->target.len > RT_EVENT_SUBJECT_MAX || proposal->args.len > BR_GATE_ARGS_MAX) {
        return refuse(admission, "target or arguments too long");
    }
    if (br_pack_action_check(action, proposal->args) != RT_OK) {
        return refuse(admission, rt_err_detail());
    }
    rt_str kind;
    rt_str key;
    bool split = rt_subject_split(proposal->target, &kind, &key);
    if (action->resource.len > 0 && (!split || !rt_str_equal(kind, action->resource))) {
        snprintf(admission->candidate->why, BR_WHY_MAX, "target '%.*s' is not a %.*s",
                 RT_STR_ARG(proposal->target), RT_STR_ARG(action->resource));
        return false;
    }
    return true;
}

// Actions admitted earlier in the same decision are not in the tables yet.
static int64_t
admitted_before(const br_admission *admission, bool same_target)
{
    const br_candidate *candidate = admission->candidate;
    int64_t count = 0;
    for (uint32_t i = 0; i < admission->admitted_count; i++) {
        const br_candidate *other = admission->admitted[i];
        bool same = other->action == candidate->action;
        if (same_target) {
            same = same && rt_str_equal(other->msg.proposal.target, candidate->msg.proposal.target);
        }
        count += same;
    }
    return count;
}

static bool
admit_target(const br_gate *gate, const br_admission *admission)
{
    const br_action *action = admission->candidate->action;
    rt_str target = admission->candidate->msg.proposal.target;
    rt_str holder = br_outbox_in_flight(gate->outbox, admission->tenant, target, action->group);
    if (holder.len > 0) {
        snprintf(admission->candidate->why, BR_WHY_MAX, "%.*s is in flight on %.*s",
                 RT_STR_ARG(holder), RT_STR_ARG(target));
        return false;
    }
    int64_t now = admitted_before(admission, true);
    rt_key key = target_key(admission->tenant, action->name, target);
    target_row row = {0};
    rt_bytes bytes;
    if (rt_table_get(gate->table, rt_key_bytes(&key), &bytes)) {
        memcpy(&row, bytes.ptr, sizeof(row));
    }
    bool recent = row.last_ms != 0 && admission->now_ms - row.last_ms < action->cooldown_ms;
    if (action->cooldown_ms > 0 && (recent || now > 0)) {
        char ago[32];
        char limit[32];
        snprintf(
            admission->candidate->why, BR_WHY_MAX, "cooldown: done %s ago, limit %s",
            rt_format_duration(now > 0 ? 0 : admission->now_ms - row.last_ms, ago, sizeof(ago)),
            rt_format_duration(action->cooldown_ms, limit, sizeof(limit)));
        return false;
    }
    int64_t day = local_ms(gate, admission->tenant, admission->now_ms) / DAY_MS;
    int64_t used = (row.day == day ? row.count : 0) + now;
    if (action->per_target_day > 0 && used >= action->per_target_day) {
        snprintf(admission->candidate->why, BR_WHY_MAX,
                 "budget: %lld of %lld a day used for this target", (long long)used,
                 (long long)action->per_target_day);
        return false;
    }
    return true;
}

static int64_t
window_count(const br_gate *gate, rt_key key, int64_t window)
{
    rt_bytes bytes;
    window_row row;
    if (!rt_table_get(gate->table, rt_key_bytes(&key), &bytes)) {
        return 0;
    }
    memcpy(&row, bytes.ptr, sizeof(row));
    return row.window == window ? row.count : 0;
}

static bool
admit_budgets(const br_gate *gate, const br_admission *admission)
{
    const br_action *action = admission->candidate->action;
    int64_t hour = window_count(gate, hour_key(admission->tenant, action->name),
                                admission->now_ms / HOUR_MS) +
                   admitted_before(admission, false);
    if (action->per_tenant_hour > 0 && hour >= action->per_tenant_hour) {
        snprintf(admission->candidate->why, BR_WHY_MAX,
                 "budget: %lld of %lld an hour used by this tenant", (long long)hour,
                 (long long)action->per_tenant_hour);
        return false;
    }
    int64_t minute = window_count(gate, rt_key_text(admission->tenant, RT_STR("m")),
                                  admission->now_ms / MINUTE_MS) +
                     admission->admitted_count;
    if (minute >= gate->config.actions_per_minute) {
        snprintf(admission->candidate->why, BR_WHY_MAX,
                 "budget: %lld actions a minute, the tenant's ceiling", (long long)minute);
        return false;
    }
    return true;
}

static bool
admit_breaker(const br_gate *gate, const br_admission *admission)
{
    rt_key key = breaker_key(admission->candidate->action);
    rt_bytes bytes;
    breaker_row row;
    if (!rt_table_get(gate->table, rt_key_bytes(&key), &bytes)) {
        return true;
    }
    memcpy(&row, bytes.ptr, sizeof(row));
    if (row.open_until_ms <= admission->now_ms) {
        return true;
    }
    return refuse(admission, "circuit breaker: half of the last 20 executions failed");
}

bool
br_gate_admit(const br_gate *gate, const br_admission *admission)
{
    if (br_gate_halted(gate)) {
        return refuse(admission, "halted by an operator");
    }
    if (!admit_shape(admission)) {
        return false;
    }
    if (admission->candidate->action->contact &&
        quiet(gate, admission->tenant, admission->now_ms)) {
        return refuse(admission, BR_GATE_QUIET);
    }
    if (br_outbox_count(gate->outbox) >= BR_OUTBOX_MAX) {
        return refuse(admission, "outbox full");
    }
    return admit_target(gate, admission) && admit_budgets(gate, admission) &&
           admit_breaker(gate, admission);
}

static void
count_window(br_gate *gate, rt_key key, int64_t window)
{
    bool created;
    window_row *row = rt_table_edit(gate->table, rt_key_bytes(&key), sizeof(window_row), &created);
    if (row->window != window) {
        *row = (window_row){window, 0};
    }
    row->count++;
}

void
br_gate_consume(br_gate *gate, rt_tenant tenant, int64_t now_ms, const br_action *action,
                rt_str target)
{
    if (action->cooldown_ms > 0 || action->per_target_day > 0) {
        rt_key key = target_key(tenant, action->name, target);
        bool created;
        target_row *row =
            rt_table_edit(gate->table, rt_key_bytes(&key), sizeof(target_row), &created);
        int64_t day = local_ms(gate, tenant, now_ms) / DAY_MS;
        row->count = row->day == day ? row->count + 1 : 1;
        row->day = day;
        row->last_ms = now_ms;
    }
    if (action->per_tenant_hour > 0) {
        count_window(gate, hour_key(tenant, action->name), now_ms / HOUR_MS);
    }
    count_window(gate, rt_key_text(tenant, RT_STR("m")), now_ms / MINUTE_MS);
}

void
br_gate_outcome(br_gate *gate, const br_action *action, bool failed, int64_t now_ms)
{
    if (action->executor != BR_EXECUTE_WEBHOOK) {
        return; // the others cannot fail on their own
    }
    rt_key key = breaker_key(action);
    bool created;
    breaker_row *row =
        rt_table_edit(gate->table, rt_key_bytes(&key), sizeof(breaker_row), &created);
    row->outcomes = row->outcomes << 1 | failed;
    row->count++;
    uint64_t window = row->outcomes & ((1u << BR_BREAKER_WINDOW) - 1);
    bool full = row->count >= BR_BREAKER_WINDOW;
    if (full && __builtin_popcountll(window) * 2 >= BR_BREAKER_WINDOW) {
        row->open_until_ms = now_ms + BR_BREAKER_OPEN_MS;
        row->outcomes = 0; // half-open afterwards: judged by new outcomes only
        row->count = 0;
    }
}

static rt_key
halt_key(void)
{
    return rt_key_text(RT_TENANT_SYSTEM, RT_STR("halt"));
}

void
br_gate_halt(br_gate *gate, int64_t now_ms)
{
    rt_key key = halt_key();
    bool created;
    int64_t *since = rt_table_edit(gate->table, rt_key_bytes(&key), sizeof(int64_t), &created);
    *since = now_ms;
}

void
br_gate_resume(br_gate *gate)
{
    rt_key key = halt_key();
    (void)rt_table_del(gate->table, rt_key_bytes(&key)); // resuming twice is fine
}

bool
br_gate_halted(const br_gate *gate)
{
    rt_key key = halt_key();
    rt_bytes bytes;
    return rt_table_get(gate->table, rt_key_bytes(&key), &bytes);
}
