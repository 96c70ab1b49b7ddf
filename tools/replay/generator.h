// replay/generator.h: a seeded stream of an invented Colombian last-mile operation.
//
// Layer: tools/replay (may use runtime/**).   Threads: one owner a generator.
// The same configuration gives the same bytes on every machine. Events leave in order of time;
// memory grows with the orders in flight only. Used by brain-replay and by benchmarks.
#ifndef CEREBRO_TOOLS_REPLAY_GENERATOR_H
#define CEREBRO_TOOLS_REPLAY_GENERATOR_H

#include "runtime/base/text.h"
#include "tools/replay/plan.h"
#include "tools/replay/stream.h"
#include "tools/replay/workload.h"

#define GEN_DAYS_MAX 366
#define GEN_ORDERS_MAX UINT64_C(100000000)
#define GEN_TYPES 16 // event types it produces

typedef struct gen_config {
    uint64_t seed;
    uint64_t orders;    // placed in all, over `days`
    uint32_t days;      // 1..GEN_DAYS_MAX
    int64_t last_day;   // local day of the last of them, in days since 1970
    uint32_t tail_days; // how long the stream goes on after it, without new orders
    double dup_share;   // of events sent twice, 0..1
    double bad_share;   // of events followed by one that must be refused, 0..1
    rt_str tenant;      // put on every event; must outlive the generator
} gen_config;

typedef struct gen_tally {
    uint64_t placed;
    uint64_t delivered; // or will be, also after the stream's end
    uint64_t late;
} gen_tally;

// The truth about what was generated so far.
typedef struct gen_stats {
    uint64_t events; // all of the following
    uint64_t duplicates;
    uint64_t bad;
    uint64_t types[GEN_TYPES]; // good first copies, by gen_type_name
    gen_tally all;
    gen_tally cities[WORKLOAD_CITIES];
    gen_tally carriers[WORKLOAD_CARRIERS];
    gen_tally pairs[WORKLOAD_CARRIERS][WORKLOAD_CITIES];
    double best_auc;      // of the best possible prediction when an order is placed
    double best_log_loss; // of it
    double base_log_loss; // of always saying the base rate
} gen_stats;

typedef enum gen_mark { GEN_GOOD, GEN_DUPLICATE, GEN_BAD } gen_mark;

typedef struct gen gen;

// gen_defaults is the configuration of `brain-replay day` without options, but for the tenant.
gen_config gen_defaults(void);
// gen_open starts a generator.
//   errors    RT_ERANGE a figure is out of its range
rt_err gen_open(const gen_config *config, gen **ret_gen) RT_MUST_USE;
// gen_next hands out the next event, one CloudEvents map in msgpack.
//   ret_event valid until the next call
//   errors    RT_EEND the stream's end
//   cost      about a microsecond; no allocation once the orders in flight reach their peak
rt_err gen_next(gen *g, stream_event *ret_event) RT_MUST_USE;
// gen_last_mark tells what the event handed out last was.
gen_mark gen_last_mark(const gen *g);
// gen_stats_of counts what was handed out, with the truth about the orders behind it.
gen_stats gen_stats_of(const gen *g);
// gen_type_name is the name of an event type, or NULL past the last one.
const char *gen_type_name(size_t type);
// gen_outages views the disturbances; those marked severe are the announced one.
const plan_outage *gen_outages(const gen *g, size_t *ret_count);
// gen_first_ms and gen_end_ms bound the stream in time.
int64_t gen_first_ms(const gen *g);
int64_t gen_end_ms(const gen *g);
// gen_close releases it; NULL is fine.
void gen_close(gen *g);
// gen_stream wraps a generator as a stream.   owns      borrows `g`: close it yourself
stream gen_stream(gen *g);

#endif
