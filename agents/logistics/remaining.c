// Design notes.
//
// For each kind of scan the mean and spread of ln(days to the delivery), over all carriers and for
// each: the latter is drawn to the former, and that to what is believed at first. A long way (the
// shift of the order's route) is taken out before learning and put back when reading, in full at
// the start of the way and not at all when the van is at the door.
#include "agents/logistics/remaining.h"

#include <math.h>

#include "brain/math/stats.h"
#include "runtime/base/check.h"

#define HALF_LIFE_MS (30 * INT64_C(86400000))
#define DAYS_MIN 0.02
#define ALL_STRENGTH 5      // observations that the first belief is worth
#define CARRIER_STRENGTH 10 // observations that all carriers are worth for one
#define SD_USUAL 0.7        // believed before anything is known
#define SD_MIN 0.2          // never be surer than this

typedef struct remaining_row {
    br_decayed mean;
    br_decayed square;
} remaining_row;

static const struct {
    double usual_days;
    double shift_ratio; // how much of a long way is still ahead
} scans[LOGISTICS_SCANS] = {
    [LOGISTICS_SCAN_PICKED_UP] = {2.0, 1.0},
    [LOGISTICS_SCAN_IN_TRANSIT] = {1.5, 0.8},
    [LOGISTICS_SCAN_AT_HUB] = {1.0, 0.6},
    [LOGISTICS_SCAN_OUT_FOR_DELIVERY] = {0.3, 0.0},
    [LOGISTICS_SCAN_EXCEPTION] = {2.0, 0.5},
};

static rt_key
row_key(rt_tenant tenant, logistics_scan scan, rt_str carrier)
{
    rt_key key = rt_key_of(tenant);

    rt_key_str(&key, RT_STR("remaining"));
    rt_key_str(&key, carrier);
    rt_key_u64(&key, (uint64_t)scan);
    return key;
}

static rt_err
add(const logistics_delay_model *model, rt_key key, int64_t at_ms, double log_days)
{
    remaining_row *row = NULL;
    bool created = false;
    rt_bytes bytes;
    rt_err err;

    if (rt_table_count(model->stats) >= model->entities_max &&
        !rt_table_get(model->stats, rt_key_bytes(&key), &bytes)) {
        return RT_OK; // one more carrier than we have room for: it stays at the mean
    }
    row = rt_table_edit(model->stats, rt_key_bytes(&key), sizeof(*row), &created);
    err = br_decayed_add(&row->mean, at_ms, log_days, 1, HALF_LIFE_MS);
    return err == RT_OK ? br_decayed_add(&row->square, at_ms, log_days * log_days, 1, HALF_LIFE_MS)
                        : err;
}

rt_err
logistics_remaining_add(const logistics_delay_model *model, rt_tenant tenant, rt_str carrier,
                        logistics_scan scan, int64_t at_ms, double days, double shift)
{
    double log_days = log(fmax(days, DAYS_MIN));
    rt_err err;

    RT_ASSERT(scan < LOGISTICS_SCANS);
    log_days -= scans[scan].shift_ratio * shift;
    err = add(model, row_key(tenant, scan, RT_STR("")), at_ms, log_days);
    return err == RT_OK && carrier.len > 0
               ? add(model, row_key(tenant, scan, carrier), at_ms, log_days)
               : err;
}

// Draws mean and mean square towards what stands in them.
static void
refine(const logistics_delay_model *model, rt_key key, int64_t at_ms, double strength,
       double *mean, double *square)
{
    remaining_row row = {0};
    rt_bytes bytes;

    if (!rt_table_get(model->stats, rt_key_bytes(&key), &bytes)) {
        return;
    }
    RT_ASSERT(bytes.len == sizeof(row));
    memcpy(&row, bytes.ptr, sizeof(row));
    *mean = br_decayed_mean(&row.mean, at_ms, HALF_LIFE_MS, *mean, strength);
    *square = br_decayed_mean(&row.square, at_ms, HALF_LIFE_MS, *square, strength);
}

logistics_remaining
logistics_remaining_read(const logistics_delay_model *model, rt_tenant tenant, rt_str carrier,
                         logistics_scan scan, int64_t at_ms, double shift)
{
    double mean;
    double square;

    RT_ASSERT(scan < LOGISTICS_SCANS);
    mean = log(scans[scan].usual_days);
    square = mean * mean + SD_USUAL * SD_USUAL;
    refine(model, row_key(tenant, scan, RT_STR("")), at_ms, ALL_STRENGTH, &mean, &square);
    if (carrier.len > 0) {
        refine(model, row_key(tenant, scan, carrier), at_ms, CARRIER_STRENGTH, &mean, &square);
    }
    return (logistics_remaining){
        .mean = mean + scans[scan].shift_ratio * shift,
        .sd = sqrt(fmax(square - mean * mean, SD_MIN * SD_MIN)),
    };
}
