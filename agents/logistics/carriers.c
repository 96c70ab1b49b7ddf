// Design notes.
//
// One row per carrier and one per (carrier, city), of the same form. A city's figures are drawn to
// the carrier's, and those to what is usual, so that a carrier's first order in a city is judged by
// what it does elsewhere. Rates forget with a month's half-life: carriers change.
//
// Load counts what was proposed since the carrier last reported it; otherwise everything between
// two reports would go to the one that looked best.
#include "agents/logistics/carriers.h"

#include <math.h>

#include "brain/math/stats.h"
#include "runtime/base/check.h"

#define DAY_MS INT64_C(86400000)
#define RATE_HALF_LIFE_MS (30 * DAY_MS)
#define NAME_MAX_BYTES 32

#define ON_TIME_USUAL 0.9
#define FAILED_USUAL 0.05
#define TRANSIT_USUAL 0.7   // ln(days): two days
#define TRANSIT_DAYS_MIN 0.1
#define CARRIER_STRENGTH 20 // observations that what is usual counts for a carrier
#define CITY_STRENGTH 10    // and what a carrier does elsewhere counts for a city

typedef struct service_row {
    br_decayed on_time;
    br_decayed transit; // ln(days)
    br_decayed failed;  // of attempts
    int64_t health_at_ms;
    int64_t capacity_at_ms;
    int64_t capacity;
    int64_t load;
    int64_t assigned; // proposed since the load was told
    uint32_t health;  // logistics_health
    uint32_t is_full; // an alert was given and the load did not fall since
} service_row;

typedef struct roster_row {
    uint32_t count;
    uint8_t lens[LOGISTICS_OPTIONS_MAX];
    char names[LOGISTICS_OPTIONS_MAX][NAME_MAX_BYTES];
} roster_row;

_Static_assert(sizeof(service_row) == 3 * 24 + 5 * 8 + 8, "service_row has padding");
_Static_assert(sizeof(roster_row) == 4 + LOGISTICS_OPTIONS_MAX * (1 + NAME_MAX_BYTES),
               "roster_row has padding");

static rt_key
roster_key(rt_tenant tenant)
{
    return rt_key_number(tenant, 0); // 8 bytes of zero: no carrier has an empty name
}

static rt_key
service_key(rt_tenant tenant, rt_str carrier, rt_str city)
{
    return rt_key_pair(tenant, carrier, city);
}

static bool
is_name(rt_str carrier)
{
    return carrier.len > 0 && carrier.len <= NAME_MAX_BYTES;
}

static void
read_service(const logistics_carriers *carriers, rt_key key, service_row *ret_row)
{
    rt_bytes bytes;

    memset(ret_row, 0, sizeof(*ret_row));
    if (rt_table_get(carriers->table, rt_key_bytes(&key), &bytes)) {
        RT_ASSERT(bytes.len == sizeof(*ret_row));
        memcpy(ret_row, bytes.ptr, sizeof(*ret_row));
    }
}

static service_row *
edit_service(const logistics_carriers *carriers, rt_key key)
{
    bool created = false;
    rt_bytes bytes;

    if (rt_table_count(carriers->table) >= carriers->rows_max &&
        !rt_table_get(carriers->table, rt_key_bytes(&key), &bytes)) {
        return NULL;
    }
    return rt_table_edit(carriers->table, rt_key_bytes(&key), sizeof(service_row), &created);
}

void
logistics_carriers_seen(const logistics_carriers *carriers, rt_tenant tenant, rt_str carrier)
{
    rt_key key = roster_key(tenant);
    const roster_row *view = NULL;
    roster_row *roster = NULL;
    bool created = false;
    rt_bytes bytes;

    if (!is_name(carrier)) {
        return;
    }
    if (rt_table_get(carriers->table, rt_key_bytes(&key), &bytes)) {
        view = (const roster_row *)(const void *)bytes.ptr;
        for (uint32_t i = 0; i < view->count; i++) {
            if (rt_str_equal(carrier, (rt_str){view->names[i], view->lens[i]})) {
                return;
            }
        }
        if (view->count == LOGISTICS_OPTIONS_MAX) {
            return;
        }
    }
    roster = rt_table_edit(carriers->table, rt_key_bytes(&key), sizeof(*roster), &created);
    memcpy(roster->names[roster->count], carrier.ptr, carrier.len);
    roster->lens[roster->count] = (uint8_t)carrier.len;
    roster->count++;
}

// Adds to one statistic (by its offset in the row) of the carrier and of the carrier in the city.
static rt_err
observe(const logistics_carriers *carriers, rt_key overall, rt_key local, size_t offset,
        int64_t at_ms, double value)
{
    rt_key keys[2] = {overall, local};
    rt_err err = RT_OK;

    for (size_t i = 0; i < RT_COUNT(keys) && err == RT_OK; i++) {
        service_row *row = NULL;

        if (i == 1 && rt_bytes_equal(rt_key_bytes(&keys[0]), rt_key_bytes(&keys[1]))) {
            break; // no city
        }
        row = edit_service(carriers, keys[i]);
        if (row != NULL) {
            br_decayed *state = (br_decayed *)(void *)((uint8_t *)row + offset);

            err = br_decayed_add(state, at_ms, value, 1, RATE_HALF_LIFE_MS);
        }
    }
    return err;
}

rt_err
logistics_carriers_result(const logistics_carriers *carriers, rt_tenant tenant, rt_str carrier,
                          rt_str city, int64_t at_ms, bool in_time)
{
    if (!is_name(carrier)) {
        return RT_OK;
    }
    return observe(carriers, service_key(tenant, carrier, RT_STR("")),
                   service_key(tenant, carrier, city), offsetof(service_row, on_time), at_ms,
                   in_time ? 1 : 0);
}

rt_err
logistics_carriers_transit(const logistics_carriers *carriers, rt_tenant tenant, rt_str carrier,
                           rt_str city, int64_t at_ms, double days)
{
    if (!is_name(carrier)) {
        return RT_OK;
    }
    return observe(carriers, service_key(tenant, carrier, RT_STR("")),
                   service_key(tenant, carrier, city), offsetof(service_row, transit), at_ms,
                   log(fmax(days, TRANSIT_DAYS_MIN)));
}

rt_err
logistics_carriers_attempt(const logistics_carriers *carriers, rt_tenant tenant, rt_str carrier,
                           rt_str city, int64_t at_ms, bool failed)
{
    if (!is_name(carrier)) {
        return RT_OK;
    }
    return observe(carriers, service_key(tenant, carrier, RT_STR("")),
                   service_key(tenant, carrier, city), offsetof(service_row, failed), at_ms,
                   failed ? 1 : 0);
}

void
logistics_carriers_health(const logistics_carriers *carriers, rt_tenant tenant, rt_str carrier,
                          rt_str city, int64_t at_ms, logistics_health health)
{
    service_row *row = NULL;

    if (!is_name(carrier)) {
        return;
    }
    row = edit_service(carriers, service_key(tenant, carrier, city));
    if (row != NULL && at_ms >= row->health_at_ms) {
        row->health = (uint32_t)health;
        row->health_at_ms = at_ms;
    }
}

bool
logistics_carriers_capacity(const logistics_carriers *carriers, rt_tenant tenant, rt_str carrier,
                            rt_str city, int64_t at_ms, int64_t capacity, int64_t load,
                            double alert_ratio)
{
    service_row *row = NULL;
    bool was_full;

    if (!is_name(carrier)) {
        return false;
    }
    row = edit_service(carriers, service_key(tenant, carrier, city));
    if (row == NULL || at_ms < row->capacity_at_ms) {
        return false; // an older report that came later
    }
    row->capacity_at_ms = at_ms;
    row->capacity = capacity;
    row->load = load;
    row->assigned = 0;
    was_full = row->is_full != 0;
    row->is_full = load > 0 && (double)load >= alert_ratio * (double)capacity ? 1 : 0;
    return row->is_full != 0 && !was_full;
}

void
logistics_carriers_assigned(const logistics_carriers *carriers, rt_tenant tenant, rt_str carrier,
                            rt_str city)
{
    service_row *row = NULL;

    if (!is_name(carrier)) {
        return;
    }
    row = edit_service(carriers, service_key(tenant, carrier, city));
    if (row != NULL) {
        row->assigned++;
    }
}

static double
mean_of(const br_decayed *state, int64_t at_ms, double prior, double strength)
{
    return br_decayed_mean(state, at_ms, RATE_HALF_LIFE_MS, prior, strength);
}

// The state of the carrier in the city: the worse of what was said of everywhere and of the city,
// when the latter was not overtaken by the former.
static logistics_health
health_of(const logistics_carriers *carriers, const service_row *overall, const service_row *local,
          int64_t at_ms)
{
    uint32_t health = LOGISTICS_HEALTH_UP;

    if (at_ms - overall->health_at_ms <= carriers->status_age_ms) {
        health = overall->health;
    }
    if (at_ms - local->health_at_ms <= carriers->status_age_ms &&
        local->health_at_ms >= overall->health_at_ms) {
        health = RT_MAX(health, local->health);
    }
    return (logistics_health)health;
}

static logistics_option
option_of(const logistics_carriers *carriers, rt_tenant tenant, rt_str carrier, rt_str city,
          int64_t at_ms)
{
    logistics_option option = {.carrier = carrier, .load = -1};
    service_row overall;
    service_row local;

    read_service(carriers, service_key(tenant, carrier, RT_STR("")), &overall);
    memset(&local, 0, sizeof(local));
    if (city.len > 0) {
        read_service(carriers, service_key(tenant, carrier, city), &local);
    }
    option.on_time = mean_of(&overall.on_time, at_ms, ON_TIME_USUAL, CARRIER_STRENGTH);
    option.on_time = mean_of(&local.on_time, at_ms, option.on_time, CITY_STRENGTH);
    option.failed = mean_of(&overall.failed, at_ms, FAILED_USUAL, CARRIER_STRENGTH);
    option.failed = mean_of(&local.failed, at_ms, option.failed, CITY_STRENGTH);
    option.transit_days = mean_of(&overall.transit, at_ms, TRANSIT_USUAL, CARRIER_STRENGTH);
    option.transit_days = exp(mean_of(&local.transit, at_ms, option.transit_days, CITY_STRENGTH));
    option.evidence = br_decayed_weight(city.len > 0 ? &local.on_time : &overall.on_time, at_ms,
                                        RATE_HALF_LIFE_MS);
    option.health = health_of(carriers, &overall, &local, at_ms);
    if (local.capacity_at_ms != 0 && local.capacity > 0 &&
        at_ms - local.capacity_at_ms <= carriers->capacity_age_ms) {
        option.load = (double)(local.load + local.assigned) / (double)local.capacity;
    } else if (local.capacity_at_ms != 0 && local.capacity == 0 &&
               at_ms - local.capacity_at_ms <= carriers->capacity_age_ms) {
        option.load = 1; // it takes nothing there today
    }
    return option;
}

size_t
logistics_carriers_options(const logistics_carriers *carriers, rt_tenant tenant, rt_str city,
                           int64_t at_ms, logistics_option ret_options[LOGISTICS_OPTIONS_MAX])
{
    rt_key key = roster_key(tenant);
    const roster_row *roster = NULL;
    rt_bytes bytes;

    if (!rt_table_get(carriers->table, rt_key_bytes(&key), &bytes)) {
        return 0;
    }
    roster = (const roster_row *)(const void *)bytes.ptr;
    for (uint32_t i = 0; i < roster->count; i++) {
        rt_str name = {roster->names[i], roster->lens[i]};

        ret_options[i] = option_of(carriers, tenant, name, city, at_ms);
    }
    return roster->count;
}
