#include "tools/replay/generator.h"

#include <math.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/heap.h"
#include "tools/replay/internal.h"

// Design notes.
// Orders are placed in time order by an inhomogeneous schedule that gives exactly `orders` of them:
// every hour gets its share (cumulative rounding, so nothing is lost), and within an hour the
// next of n uniform times is found from the last one: 1 - u^(1/n) of what is left. Each order draws
// its whole life at once (plan.c) and keeps one place in a heap, under the time of its next step.
// So the stream is ordered without a sort, and memory holds only orders that are not yet over.
// Every order has its own random stream (seed, number): what happens to one does not depend on
// how many there are of the others.

#define EVENT_BYTES_MAX 16384
#define TEXT_BYTES_MAX 4096
#define CHUNK_PLANS 256
#define TICK_BIT (UINT64_C(1) << 63) // heap value: a schedule's tick, not an order
#define TAIL_DAYS_MAX 60
#define OUTAGE_STREAM UINT64_C(0xffffffff00000001)
#define MARK_STREAM UINT64_C(0xffffffff00000002)
#define PLACE_STREAM UINT64_C(0xffffffff00000003)

static void
plan_pool_grow(gen *g)
{
    uint32_t first = g->chunk_count * CHUNK_PLANS;

    g->chunks = rt_realloc(g->chunks, (g->chunk_count + 1) * sizeof(plan *));
    g->chunks[g->chunk_count++] = rt_new_array(plan, CHUNK_PLANS);
    g->free_plans = rt_realloc(g->free_plans,
                               (size_t)g->chunk_count * CHUNK_PLANS * sizeof(uint32_t));
    for (uint32_t i = CHUNK_PLANS; i > 0; i--) {
        g->free_plans[g->free_count++] = first + i - 1;
    }
}

static plan *
plan_at(gen *g, uint32_t index)
{
    return &g->chunks[index / CHUNK_PLANS][index % CHUNK_PLANS];
}

// --- when orders are placed -------------------------------------------------------------------

// The number of orders that are placed before the end of an hour of the schedule.
static void
schedule_hours(gen *g)
{
    size_t hours = (size_t)g->config.days * 24;
    int64_t first_day = g->config.last_day - g->config.days + 1;
    double sum = 0;
    double so_far = 0;

    g->placed_by = rt_new_array(uint64_t, hours);
    for (uint32_t day = 0; day < g->config.days; day++) {
        sum += workload_weekday_weight(workload_weekday(first_day + day));
    }
    for (size_t h = 0; h < hours; h++) {
        size_t weekday = workload_weekday(first_day + (int64_t)(h / 24));

        so_far += workload_weekday_weight(weekday) * workload_hour_weight(h % 24);
        g->placed_by[h] = (uint64_t)floor((double)g->config.orders * so_far / sum + 1e-9);
    }
    g->placed_by[hours - 1] = g->config.orders;
}

// Sets place_ms to when the next order is placed, INT64_MAX when there is none.
static void
schedule_next(gen *g)
{
    size_t hours = (size_t)g->config.days * 24;
    int64_t end_ms = 0;
    uint64_t left = 0;

    while (g->hour < hours && g->placed_by[g->hour] <= g->placed) {
        g->hour++;
        g->place_ms = g->first_ms + (int64_t)g->hour * WORKLOAD_HOUR_MS;
    }
    if (g->hour == hours) {
        g->place_ms = INT64_MAX;
        return;
    }
    end_ms = g->first_ms + ((int64_t)g->hour + 1) * WORKLOAD_HOUR_MS;
    left = g->placed_by[g->hour] - g->placed;
    g->place_ms += (int64_t)((double)(end_ms - g->place_ms)
                             * (1 - pow(rt_rng_f64(&g->place_rng), 1 / (double)left)));
}

// --- disturbances -----------------------------------------------------------------------------

static plan_outage *
add_outage(gen *g, size_t carrier, size_t city, int64_t from_ms, double hours)
{
    plan_outage *o = &g->outages[g->outage_count++];

    *o = (plan_outage){.from_ms = from_ms,
                       .until_ms = from_ms + (int64_t)(hours * (double)WORKLOAD_HOUR_MS),
                       .carrier = (uint8_t)carrier,
                       .city = (uint8_t)city};
    return o;
}

// A small disturbance in one city on every second day, and on the last day one carrier stands still
// in the whole country for some hours.
static void
draw_outages(gen *g)
{
    rt_rng rng;
    int64_t first_day = g->config.last_day - g->config.days + 1;
    size_t carrier = 0;
    size_t city = 0;
    double begin = 0;
    double hours = 0;

    rt_rng_seed(&rng, g->config.seed, OUTAGE_STREAM);
    g->outages = rt_new_array(plan_outage, g->config.days + 2);
    for (int64_t day = first_day; day < g->config.last_day; day++) {
        carrier = (size_t)rt_rng_below(&rng, WORKLOAD_CARRIERS);
        city = (size_t)rt_rng_below(&rng, WORKLOAD_CITIES);
        begin = 7 + 7 * rt_rng_f64(&rng);
        if (rt_rng_chance(&rng, .5)) {
            (void)add_outage(g, carrier, city, workload_local_ms(day, begin), 2.5);
        }
    }
    carrier = (size_t)rt_rng_below(&rng, WORKLOAD_CARRIERS);
    begin = 7 + 1.5 * rt_rng_f64(&rng);
    hours = 5.5 + 2 * rt_rng_f64(&rng);
    add_outage(g, carrier, PLAN_EVERYWHERE, workload_local_ms(g->config.last_day, begin), hours)
        ->severe = true;
}

// --- ticks: what carriers say of themselves ---------------------------------------------------

static void
push_tick(gen *g, int64_t at_ms, gen_tick tick)
{
    uint64_t value = TICK_BIT | (uint64_t)tick.what << 48 | (uint64_t)tick.status << 40
                     | tick.index;

    rt_heap_push(&g->heap, (rt_heap_item){at_ms, value, value});
}

static void
schedule_ticks(gen *g)
{
    int64_t minute_ms = 60000;

    for (uint32_t day = 0; day < g->config.days; day++) {
        int64_t local_day = g->config.last_day - g->config.days + 1 + day;

        push_tick(g, workload_local_ms(local_day, 6), (gen_tick){GEN_TICK_CAPACITY, 0, 0});
        push_tick(g, workload_local_ms(local_day, 13), (gen_tick){GEN_TICK_CAPACITY, 0, 0});
    }
    for (uint32_t i = 0; i < g->outage_count; i++) {
        const plan_outage *o = &g->outages[i];

        push_tick(g, o->from_ms + 25 * minute_ms, (gen_tick){GEN_TICK_STATUS, GEN_DEGRADED, i});
        if (o->severe) {
            push_tick(g, o->from_ms + 70 * minute_ms, (gen_tick){GEN_TICK_STATUS, GEN_DOWN, i});
            push_tick(g, o->until_ms + 15 * minute_ms,
                      (gen_tick){GEN_TICK_STATUS, GEN_DEGRADED, i | GEN_RECOVERING});
        }
        push_tick(g, o->until_ms + (o->severe ? 180 : 20) * minute_ms,
                  (gen_tick){GEN_TICK_STATUS, GEN_UP, i});
    }
}

// Capacity is told for one carrier and city after the other, a second apart.
static void
write_tick(gen *g, const rt_heap_item *item)
{
    gen_tick tick = {(gen_tick_kind)(item->value >> 48 & 0xff),
                     (gen_status)(item->value >> 40 & 0xff),
                     (uint32_t)(item->value & 0xffffffff)};

    if (tick.what == GEN_TICK_STATUS) {
        gen__write_status(g, item->key, tick);
        return;
    }
    if (tick.index == 0 && workload_local_day(item->key) != g->load_day) {
        memset(g->load, 0, sizeof(g->load));
        g->load_day = workload_local_day(item->key);
    }
    gen__write_capacity(g, item->key, tick.index);
    if (tick.index + 1 < WORKLOAD_CARRIERS * WORKLOAD_CITIES) {
        tick.index++;
        push_tick(g, item->key + 1000, tick);
    }
}

// --- the truth --------------------------------------------------------------------------------

static void
tally(gen_tally *t, const plan *p)
{
    t->placed++;
    t->delivered += p->delivered_after_ms > 0 ? 1 : 0;
    t->late += plan_late(p) ? 1 : 0;
}

static void
count_plan(gen *g, const plan *p)
{
    size_t bin = (size_t)((double)p->late_probability * GEN_BINS);

    tally(&g->stats.all, p);
    tally(&g->stats.cities[p->city], p);
    tally(&g->stats.carriers[p->carrier], p);
    tally(&g->stats.pairs[p->carrier][p->city], p);
    if (p->delivered_after_ms > 0) {
        bin = RT_MIN(bin, GEN_BINS - 1);
        g->bins[bin][plan_late(p) ? 1 : 0]++;
        g->log_loss -= log(plan_late(p) ? (double)p->late_probability
                                        : 1 - (double)p->late_probability);
    }
}

// Area under the ROC curve from the histogram; ties within a bin count one half.
static double
auc_of(const gen *g)
{
    double late_above = 0;
    double late_all = 0;
    double on_time_all = 0;
    double area = 0;

    for (size_t i = GEN_BINS; i > 0; i--) {
        double late = (double)g->bins[i - 1][1];
        double on_time = (double)g->bins[i - 1][0];

        area += on_time * (late_above + late / 2);
        late_above += late;
        late_all += late;
        on_time_all += on_time;
    }
    return late_all > 0 && on_time_all > 0 ? area / (late_all * on_time_all) : .5;
}

gen_stats
gen_stats_of(const gen *g)
{
    gen_stats stats = g->stats;
    double n = (double)stats.all.delivered;
    double rate = n > 0 ? (double)stats.all.late / n : 0;

    RT_CHECK(g, GEN_MAGIC);
    stats.best_auc = auc_of(g);
    if (rate > 0 && rate < 1) {
        stats.best_log_loss = g->log_loss / n;
        stats.base_log_loss = -(rate * log(rate) + (1 - rate) * log(1 - rate));
    }
    return stats;
}

// --- the stream -------------------------------------------------------------------------------

// Writes an order's next step and puts the order back under the one after it.
static void
write_step(gen *g, uint32_t index)
{
    plan *p = plan_at(g, index);

    gen__write_step(g, p, &p->steps[p->next]);
    p->next++;
    if (p->next < p->step_count) {
        rt_heap_push(&g->heap, (rt_heap_item){p->created_ms + p->steps[p->next].after_ms,
                                              ++g->pushes, index});
    } else {
        g->free_plans[g->free_count++] = index;
    }
}

static void
place_order(gen *g)
{
    plan_world world = {.customers = g->customers,
                        .outages = g->outages,
                        .outage_count = g->outage_count};
    int64_t day = workload_local_day(g->place_ms);
    uint32_t index = 0;
    rt_rng rng;

    if (day != g->order_day) {
        g->order_day = day;
        g->day_number = 0;
    }
    if (g->free_count == 0) {
        plan_pool_grow(g);
    }
    index = g->free_plans[--g->free_count];
    rt_rng_seed(&rng, g->config.seed, g->placed);
    plan_draw(plan_at(g, index), &world, &rng, g->place_ms, ++g->day_number);
    count_plan(g, plan_at(g, index));
    g->placed++;
    write_step(g, index);
    schedule_next(g);
}

// Writes the next new event into g->body.
static rt_err
write_next(gen *g)
{
    const rt_heap_item *top = rt_heap_peek(&g->heap);
    int64_t due_ms = top != NULL ? top->key : INT64_MAX;

    g->time_ms = RT_MIN(due_ms, g->place_ms);
    if (g->time_ms >= g->end_ms) {
        return RT_EEND;
    }
    rt_mpw_clear(&g->body);
    if (g->place_ms <= due_ms) {
        place_order(g);
    } else {
        rt_heap_item item = rt_heap_pop(&g->heap);

        if ((item.value & TICK_BIT) != 0) {
            write_tick(g, &item);
        } else {
            write_step(g, (uint32_t)item.value);
        }
    }
    return RT_OK;
}

// Decides what follows the event just written: nothing, the same once more, or a damaged one.
static void
draw_mark(gen *g)
{
    double u = 0;

    if (g->config.dup_share + g->config.bad_share > 0) {
        u = rt_rng_f64(&g->mark_rng);
        if (u < g->config.dup_share) {
            g->follows = GEN_DUPLICATE;
        } else if (u < g->config.dup_share + g->config.bad_share) {
            g->follows = GEN_BAD;
        }
    }
}

rt_err
gen_next(gen *g, stream_event *ret_event)
{
    rt_err err = RT_OK;

    RT_CHECK(g, GEN_MAGIC);
    g->mark = g->follows;
    g->follows = GEN_GOOD;
    if (g->mark == GEN_GOOD) {
        err = write_next(g);
        if (err != RT_OK) {
            return err;
        }
        draw_mark(g);
    } else if (g->mark == GEN_BAD) {
        gen__write_bad(g);
        g->stats.bad++;
    } else {
        g->stats.duplicates++;
    }
    RT_ASSERT(!g->body.failed);
    g->stats.events++;
    *ret_event = (stream_event){g->time_ms, rt_mpw_view(&g->body)};
    return RT_OK;
}

gen_mark
gen_last_mark(const gen *g)
{
    RT_CHECK(g, GEN_MAGIC);
    return g->mark;
}

const plan_outage *
gen_outages(const gen *g, size_t *ret_count)
{
    RT_CHECK(g, GEN_MAGIC);
    *ret_count = g->outage_count;
    return g->outages;
}

int64_t
gen_first_ms(const gen *g)
{
    RT_CHECK(g, GEN_MAGIC);
    return g->first_ms;
}

int64_t
gen_end_ms(const gen *g)
{
    RT_CHECK(g, GEN_MAGIC);
    return g->end_ms;
}

gen_config
gen_defaults(void)
{
    return (gen_config){.seed = 1,
                        .orders = 9600,
                        .days = 12,
                        .last_day = 20777, // 2026-11-20
                        .dup_share = .002};
}

static rt_err
check_config(const gen_config *c)
{
    if (c->orders < 1 || c->orders > GEN_ORDERS_MAX) {
        return rt_fail(RT_ERANGE, "orders must be 1 to %llu", (unsigned long long)GEN_ORDERS_MAX);
    }
    if (c->days < 1 || c->days > GEN_DAYS_MAX) {
        return rt_fail(RT_ERANGE, "days must be 1 to %d", GEN_DAYS_MAX);
    }
    if (c->tail_days > TAIL_DAYS_MAX) {
        return rt_fail(RT_ERANGE, "tail must be 0 to %d days", TAIL_DAYS_MAX);
    }
    if (!(c->dup_share >= 0 && c->bad_share >= 0 && c->dup_share + c->bad_share <= 1)) {
        return rt_fail(RT_ERANGE, "shares must be 0 to 1 together");
    }
    return RT_OK;
}

rt_err
gen_open(const gen_config *config, gen **ret_gen)
{
    rt_err err = check_config(config);
    gen *g = NULL;
    uint64_t customers = config->orders * 45 / 100;

    if (err != RT_OK) {
        return err;
    }
    g = rt_new(gen);
    g->magic = GEN_MAGIC;
    g->config = *config;
    g->customers = (uint32_t)RT_MAX(RT_MIN(customers, 5000000), 50);
    g->first_ms = workload_local_ms(config->last_day - config->days + 1, 0);
    g->end_ms = workload_local_ms(config->last_day + config->tail_days + 1, 0);
    g->place_ms = g->first_ms;
    g->load_day = INT64_MIN;
    g->order_day = INT64_MIN;
    rt_rng_seed(&g->mark_rng, config->seed, MARK_STREAM);
    rt_rng_seed(&g->place_rng, config->seed, PLACE_STREAM);
    rt_mpw_init(&g->body, EVENT_BYTES_MAX);
    rt_text_init(&g->text, TEXT_BYTES_MAX);
    rt_heap_init(&g->heap);
    (void)snprintf(g->source, sizeof(g->source), "/replay/day/%llu",
                   (unsigned long long)config->seed);
    schedule_hours(g);
    draw_outages(g);
    schedule_ticks(g);
    schedule_next(g);
    *ret_gen = g;
    return RT_OK;
}

void
gen_close(gen *g)
{
    if (g == NULL) {
        return;
    }
    RT_CHECK(g, GEN_MAGIC);
    g->magic = 0;
    for (uint32_t i = 0; i < g->chunk_count; i++) {
        rt_free(g->chunks[i]);
    }
    rt_free(g->chunks);
    rt_free(g->free_plans);
    rt_free(g->placed_by);
    rt_free(g->outages);
    rt_heap_fini(&g->heap);
    rt_text_fini(&g->text);
    rt_mpw_fini(&g->body);
    rt_free(g);
}

static rt_err
next_generated(void *self, stream_event *ret_event)
{
    return gen_next(self, ret_event);
}

stream
gen_stream(gen *g)
{
    RT_CHECK(g, GEN_MAGIC);
    return (stream){.self = g,
                    .next = next_generated,
                    .first_ms = g->first_ms,
                    .last_ms = g->end_ms};
}
