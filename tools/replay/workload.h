// replay/workload.h: the invented world of the generator: cities, carriers, sellers, goods.
//
// Layer: tools/replay.   Threads: any (constant tables and pure functions).
// The names of cities and carriers are real ones, so that a demonstration reads like a Colombian
// operation; EVERY FIGURE IS INVENTED. Nothing here says anything about any company's service.
// The world is the same for every seed: what is learned on one day holds on another.
#ifndef CEREBRO_TOOLS_REPLAY_WORKLOAD_H
#define CEREBRO_TOOLS_REPLAY_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORKLOAD_CITIES 16
#define WORKLOAD_CARRIERS 5
#define WORKLOAD_GOODS 14
#define WORKLOAD_SELLERS 60
#define WORKLOAD_ZONE_MS ((int64_t)-5 * 3600 * 1000) // Colombia: UTC-5 all year
#define WORKLOAD_DAY_MS ((int64_t)86400 * 1000)
#define WORKLOAD_HOUR_MS ((int64_t)3600 * 1000)

typedef struct workload_city {
    const char *name;
    const char *state; // department
    double share;      // of the orders
    double lat;
    double lon;
    double late_logit; // hard to reach or to deliver in
    double rain;       // probability of a rainy day
    double unsafe;     // share of the failed attempts
} workload_city;

typedef struct workload_carrier {
    const char *name;
    double share;      // of the orders
    double late_logit; // of the carrier everywhere
    double fail;       // probability that a delivery attempt fails
    double km_per_day;
} workload_carrier;

typedef struct workload_goods {
    const char *category;
    const char *product; // as a customer would call it
    double share;
    double value_cop;   // median
    double weight_g;    // median
    double cm3_per_g;
    double late_logit;
    double damage; // relative to the usual
} workload_goods;

typedef struct workload_seller {
    uint8_t city;
    uint8_t goods;     // what it mostly sells
    double late_logit; // careless or careful
    double prepare_h;  // mean time to hand over
} workload_seller;

// workload_city_at .. workload_goods_at view the tables; the index must be in range.
const workload_city *workload_city_at(size_t city);
const workload_carrier *workload_carrier_at(size_t carrier);
const workload_goods *workload_goods_at(size_t index);
// workload_seller_at derives a seller from its index.
workload_seller workload_seller_at(size_t seller);

// workload_pick_city .. workload_pick_carrier choose by share; `u` is uniform in [0, 1).
size_t workload_pick_city(double u);
size_t workload_pick_goods(double u);
size_t workload_pick_carrier(size_t city, double u);

// workload_pair_logit is what a carrier does worse (or better) in a city than its two averages say.
double workload_pair_logit(size_t carrier, size_t city);
// workload_rains tells whether it rains hard in a city on a local day (days since 1970).
bool workload_rains(size_t city, int64_t local_day);
// workload_km is the road distance between two cities, about.
double workload_km(size_t from, size_t to);
// workload_hour_weight is the share of a day's orders placed in a local hour; they sum to 1.
double workload_hour_weight(size_t hour);
// workload_weekday_weight compares days by their orders; 0 = Sunday.
double workload_weekday_weight(size_t weekday);
// workload_mix turns up to three numbers into one uniform in [0, 1), always the same.
double workload_mix(uint64_t a, uint64_t b, uint64_t c);
// workload_local_day is the local day an instant lies in, in days since 1970.
int64_t workload_local_day(int64_t at_ms);
// workload_local_ms is the instant of a local hour (may be fractional) on a local day.
int64_t workload_local_ms(int64_t local_day, double hour);
// workload_weekday is the weekday of a local day; 0 = Sunday.
size_t workload_weekday(int64_t local_day);

#endif
