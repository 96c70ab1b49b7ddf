// The forecast on real orders: every one is forecast at its purchase from what was known by then.
#include "agents/logistics/logistics.h"

#include "brain/math/metric.h"
#include "tests/harness/drive.h"
#include "tools/replay/olist.h"

#define YEAR_2018_MS INT64_C(1514764800000)
#define CASES_MAX 40000

// Forecasts by order, joined with the outcome that the events themselves tell later.
typedef struct forecast {
    char id[64];
    double risk;
    int64_t promised_at_ms;
    bool delivered;
    bool late;
} forecast;

typedef struct tally {
    forecast *rows;
    size_t count;
    rt_arena *arena;
} tally;

static rt_str
key_of(const rt_event *event)
{
    rt_str kind = RT_STR("");
    rt_str key = RT_STR("");

    CHECK_TRUE(rt_subject_split(event->subject, &kind, &key));
    return key;
}

static void
on_answer(drive *d, const rt_event *event, const msg_answer *answer)
{
    tally *t = d->user;
    const msg_prediction *prediction = answer->predictions.items;
    rt_str key;

    if (answer->predictions.count == 0) {
        return;
    }
    CHECK_U64(answer->predictions.count, 1);
    CHECK_STR(prediction->model, "delay-risk");
    CHECK_U64(prediction->factors.count, 6);
    key = key_of(event);
    if (event->time_ms >= YEAR_2018_MS && t->count < CASES_MAX) {
        forecast *row = &t->rows[t->count++];

        (void)snprintf(row->id, sizeof(row->id), "%.*s", RT_STR_ARG(key));
        row->risk = prediction->value;
        row->promised_at_ms = rt_event_field(event, "promised_at").i;
    }
}

static int
compare_ids(const void *left, const void *right)
{
    return strcmp(((const forecast *)left)->id, ((const forecast *)right)->id);
}

// Reads the stream a second time for the outcomes.
static void
join_outcomes(const drive *d, tally *t, const char *dir)
{
    stream s = {0};
    stream_event next;
    rt_err err = RT_OK;

    qsort(t->rows, t->count, sizeof(forecast), compare_ids);
    CHECK_OK(olist_open(dir, RT_STR(""), &s, NULL));
    while ((err = stream_next(&s, &next)) == RT_OK) {
        rt_mp mp = rt_mp_init(next.body);
        rt_reject reject;
        rt_event event;
        forecast probe;
        forecast *row = NULL;

        CHECK_OK(rt_event_decode(d->catalog, &mp, &event, &reject));
        if (!rt_str_is(event.type->name, "order.delivered")) {
            continue;
        }
        (void)snprintf(probe.id, sizeof(probe.id), "%.*s", RT_STR_ARG(key_of(&event)));
        row = bsearch(&probe, t->rows, t->count, sizeof(forecast), compare_ids);
        if (row != NULL) {
            row->delivered = true;
            row->late = event.time_ms > row->promised_at_ms;
        }
    }
    CHECK_INT(err, RT_EEND);
    stream_close(&s);
}

static void
test_olist_2018_delays_are_forecast_better_than_by_the_best_baseline(void **state)
{
    static const br_agent_def *const agents[] = {&logistics_agent};
    char buf[512];
    const char *dir = drive_data("olist", buf);
    tally t = {0};
    br_scored *scored = NULL;
    size_t count = 0;
    size_t late = 0;
    double auc = 0;
    double loss = 0;
    stream s = {0};
    stream_event next;
    rt_err err = RT_OK;
    drive d;

    (void)state;
    if (dir == NULL) {
        print_message("SKIP: no olist tables (set CEREBRO_DATA)\n");
        skip();
    }
    drive_open(&d, agents, 1, "logistics: {price_scale: 1}\n");
    t.rows = rt_new_array(forecast, CASES_MAX);
    d.user = &t;
    d.on_answer = on_answer;
    CHECK_OK(olist_open(dir, RT_STR(""), &s, NULL));
    while ((err = stream_next(&s, &next)) == RT_OK) {
        drive_wire(&d, next.body);
    }
    CHECK_INT(err, RT_EEND);
    stream_close(&s);
    join_outcomes(&d, &t, dir);

    scored = rt_new_array(br_scored, CASES_MAX);
    for (size_t i = 0; i < t.count; i++) {
        if (t.rows[i].delivered) {
            scored[count++] = (br_scored){t.rows[i].risk, t.rows[i].late};
            late += t.rows[i].late ? 1 : 0;
        }
    }
    CHECK_OK(br_metric_auc(scored, count, &auc));
    CHECK_OK(br_metric_log_loss(scored, count, &loss));
    print_message("%zu orders, %zu late: AUC %.4f, log-loss %.4f; %llu events, %llu timers\n",
                  count, late, auc, loss, (unsigned long long)d.events,
                  (unsigned long long)d.timers_fired);
    CHECK_TRUE(count > 2500 && late > 200);
    CHECK_TRUE(auc >= 0.72);
    CHECK_TRUE(loss <= 0.286);
    rt_free(scored);
    rt_free(t.rows);
    drive_close(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_olist_2018_delays_are_forecast_better_than_by_the_best_baseline),
    };

    return CHECK_RUN(tests);
}
