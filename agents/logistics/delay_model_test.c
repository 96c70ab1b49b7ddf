// The forecast from the first order on: on an operation that nobody knows yet, the model must not
// do worse than somebody who says the rate of late orders so far, and must learn from there.
#include "agents/logistics/logistics.h"

#include <math.h>

#include "brain/math/metric.h"
#include "runtime/base/map.h"
#include "tests/harness/drive.h"
#include "tools/replay/generator.h"

#define QUARTERS 4
#define AREAS_MAX 64
#define PRIOR_RATE 0.1 // of late orders, to who only counts, before anything is known
#define PRIOR_WEIGHT 10.0
#define AREA_WEIGHT 20.0

// One order: its forecast, what mere counting said of it, and what became of it.
typedef struct forecast {
    int64_t created_at_ms;
    int64_t promised_at_ms;
    int64_t delivered_at_ms; // INT64_MAX: not
    int64_t cancelled_at_ms; // INT64_MAX: not
    uint64_t area;
    double risk;
    double base;      // rate of late orders so far
    double area_rate; // rate in its state, drawn to the former
} forecast;

typedef struct tally {
    forecast *rows;
    size_t count;
    size_t cap;
    rt_map *by_subject;
    rt_map *areas;
} tally;

typedef struct score {
    double model;
    double base;
    double area;
    double auc;
} score;

// A run's scores, in all and by quarters of the orders judged.
typedef struct verdict {
    size_t count;
    score all;
    score second_half;
    score quarters[QUARTERS];
} verdict;

static bool
is_late(const forecast *row)
{
    return row->delivered_at_ms > row->promised_at_ms;
}

static uint64_t
area_of(tally *t, const rt_event *event)
{
    rt_bytes name = rt_bytes_of_str(rt_event_field(event, "state").s);
    uint64_t area = rt_map_count(t->areas);

    if (!rt_map_get(t->areas, name, &area)) {
        CHECK_TRUE(area < AREAS_MAX);
        (void)rt_map_put(t->areas, name, area); // it is new
    }
    return area;
}

static void
on_answer(drive *d, const rt_event *event, const msg_answer *answer)
{
    tally *t = d->user;
    rt_bytes subject = rt_bytes_of_str(event->subject);
    bool is_delivered = rt_str_is(event->type->name, "order.delivered");
    uint64_t at = 0;

    if (answer->predictions.count > 0 && !rt_map_get(t->by_subject, subject, &at)) {
        CHECK_TRUE(t->count < t->cap);
        (void)rt_map_put(t->by_subject, subject, t->count); // it is new
        t->rows[t->count++] =
            (forecast){.created_at_ms = event->time_ms,
                       .promised_at_ms = rt_event_field(event, "promised_at").i,
                       .delivered_at_ms = INT64_MAX,
                       .cancelled_at_ms = INT64_MAX,
                       .area = area_of(t, event),
                       .risk = ((const msg_prediction *)answer->predictions.items)->value};
    } else if (is_delivered && rt_map_get(t->by_subject, subject, &at)) {
        t->rows[at].delivered_at_ms = RT_MIN(t->rows[at].delivered_at_ms, event->time_ms);
    } else if (rt_str_is(event->type->name, "order.cancelled") &&
               rt_map_get(t->by_subject, subject, &at)) {
        t->rows[at].cancelled_at_ms = event->time_ms;
    }
}

static int
compare_promises(const void *left, const void *right)
{
    int64_t a = (*(const forecast *const *)left)->promised_at_ms;
    int64_t b = (*(const forecast *const *)right)->promised_at_ms;

    return (a > b) - (a < b);
}

// Says the rates as they were known at every purchase: an order counts once its promise passed,
// unless it was cancelled by then.
static void
count_rates(tally *t)
{
    const forecast **due = (const forecast **)rt_alloc(t->count * sizeof(forecast *));
    double late[AREAS_MAX + 1] = {0}; // the last one is everywhere
    double seen[AREAS_MAX + 1] = {0};
    size_t next = 0;

    for (size_t i = 0; i < t->count; i++) {
        due[i] = &t->rows[i];
    }
    qsort((void *)due, t->count, sizeof(*due), compare_promises);
    for (size_t i = 0; i < t->count; i++) {
        forecast *row = &t->rows[i];

        for (; next < t->count && due[next]->promised_at_ms < row->created_at_ms; next++) {
            const size_t places[] = {due[next]->area, AREAS_MAX};
            bool counts = due[next]->cancelled_at_ms > due[next]->promised_at_ms;

            for (size_t p = 0; p < RT_COUNT(places) && counts; p++) {
                late[places[p]] += is_late(due[next]) ? 1 : 0;
                seen[places[p]]++;
            }
        }
        row->base =
            (late[AREAS_MAX] + PRIOR_RATE * PRIOR_WEIGHT) / (seen[AREAS_MAX] + PRIOR_WEIGHT);
        row->area_rate =
            (late[row->area] + row->base * AREA_WEIGHT) / (seen[row->area] + AREA_WEIGHT);
    }
    rt_free((void *)due);
}

static score
score_of(const forecast *rows, size_t count)
{
    br_scored *scored = rt_new_array(br_scored, count);
    score s;

    for (size_t i = 0; i < count; i++) {
        scored[i] = (br_scored){rows[i].base, is_late(&rows[i])};
    }
    CHECK_OK(br_metric_log_loss(scored, count, &s.base));
    for (size_t i = 0; i < count; i++) {
        scored[i].score = rows[i].area_rate;
    }
    CHECK_OK(br_metric_log_loss(scored, count, &s.area));
    for (size_t i = 0; i < count; i++) {
        scored[i].score = rows[i].risk;
    }
    CHECK_OK(br_metric_log_loss(scored, count, &s.model));
    CHECK_OK(br_metric_auc(scored, count, &s.auc)); // sorts, so it comes last
    rt_free(scored);
    return s;
}

// Leaves out cancelled orders and those whose promise had not passed by the end.
static verdict
judge(tally *t, int64_t end_ms)
{
    verdict v = {0};

    count_rates(t);
    for (size_t i = 0; i < t->count; i++) {
        if (t->rows[i].cancelled_at_ms == INT64_MAX && t->rows[i].promised_at_ms < end_ms) {
            t->rows[v.count++] = t->rows[i];
        }
    }
    v.all = score_of(t->rows, v.count);
    v.second_half = score_of(t->rows + v.count / 2, v.count - v.count / 2);
    for (size_t q = 0; q < QUARTERS; q++) {
        size_t from = v.count * q / QUARTERS;

        v.quarters[q] = score_of(t->rows + from, v.count * (q + 1) / QUARTERS - from);
    }
    return v;
}

static void
print_score(const char *name, const score *s)
{
    print_message("  %-8s AUC %.3f, log-loss %.4f, base rate %.4f (x %.3f), area rate %.4f\n", name,
                  s->auc, s->model, s->base, s->model / s->base, s->area);
}

static verdict
run_operation(uint64_t seed, uint32_t days, uint64_t orders)
{
    static const br_agent_def *const agents[] = {&logistics_agent};
    static const char *const names[QUARTERS] = {"1st", "2nd", "3rd", "4th"};
    gen_config config = gen_defaults();
    tally t = {.cap = orders, .by_subject = rt_map_new(), .areas = rt_map_new()};
    gen *g = NULL;
    stream_event next;
    rt_err err = RT_OK;
    verdict v;
    drive d;

    config.seed = seed;
    config.days = days;
    config.orders = orders;
    t.rows = rt_new_array(forecast, t.cap);
    drive_open(&d, agents, 1, NULL);
    d.user = &t;
    d.on_answer = on_answer;
    CHECK_OK(gen_open(&config, &g));
    while ((err = gen_next(g, &next)) == RT_OK) {
        drive_wire(&d, next.body);
    }
    CHECK_INT(err, RT_EEND);
    v = judge(&t, gen_end_ms(g));
    print_message("seed %u, %u days: %zu orders judged\n", (unsigned)seed, days, v.count);
    for (size_t q = 0; q < QUARTERS; q++) {
        print_score(names[q], &v.quarters[q]);
    }
    print_score("2nd half", &v.second_half);
    print_score("all", &v.all);
    gen_close(g);
    drive_close(&d);
    rt_map_free(t.by_subject);
    rt_map_free(t.areas);
    rt_free(t.rows);
    return v;
}

static void
test_delay_model_new_operation_is_forecast_honestly_from_the_first_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        verdict v = run_operation(seed, 12, 9600);

        CHECK_TRUE(v.count > 6000);
        CHECK_TRUE(v.all.model <= v.all.base * 1.01);
        for (size_t q = 0; q < QUARTERS; q++) {
            CHECK_TRUE(v.quarters[q].model <= v.quarters[q].base * 1.03);
        }
        CHECK_TRUE(v.second_half.auc >= 0.66);
    }
}

static void
test_delay_model_month_of_orders_beats_counting_by_area(void **state)
{
    verdict v = run_operation(1, 30, 12000);

    (void)state;
    CHECK_TRUE(v.all.model < v.all.area);
    CHECK_TRUE(v.second_half.auc >= 0.73);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delay_model_new_operation_is_forecast_honestly_from_the_first_order),
        cmocka_unit_test(test_delay_model_month_of_orders_beats_counting_by_area),
    };

    return CHECK_RUN(tests);
}
