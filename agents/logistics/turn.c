// Design notes.
//
// An order has one durable timer that is moved from stage to stage: half of the promised time, the
// promise, 45 days overdue, a day after it was resolved. What a stage means is done at its own time
// even when the timer comes late: every event of the order first passes the stages that lie behind
// it, so that the result does not depend on how punctual timers are.
//
// The promise is the moment at which an order teaches whether it came in time, also when it was
// delivered long before: taught at their deliveries, the quick ones would be known before any late
// one can be, and a new operation would look as if it were never late.
#include "agents/logistics/internal.h"

#include "runtime/base/check.h"

#define DAY_MS INT64_C(86400000)
#define LOST_AFTER_MS (45 * DAY_MS)

rt_str
logistics__text_at(const rt_event *event, int slot)
{
    const rt_value *value = &event->slots[slot];

    return value->kind == RT_KIND_STR ? value->s : RT_STR("");
}

logistics_speaker
logistics__speaker_of(const logistics__turn *t)
{
    return (logistics_speaker){t->self, &t->st->scratch};
}

logistics__turn
logistics__turn_of(br_agent *self, void *state, const rt_event *event)
{
    logistics__turn t = {.self = self, .st = state, .event = event};
    rt_str kind;
    rt_str id;

    if (rt_subject_split(event->subject, &kind, &id) && rt_str_is(kind, "order") && id.len > 0) {
        t.id = id;
        t.order = logistics_order_edit(t.st->orders, event->tenant, id);
    }
    return t;
}

bool
logistics__is_open(const logistics__turn *t)
{
    return t->order != NULL && t->order->delivered_at_ms == 0;
}

void
logistics__note_carrier(logistics__turn *t, rt_str carrier)
{
    if (carrier.len == 0 ||
        (t->order != NULL && rt_str_equal(logistics_order_carrier(t->order), carrier))) {
        return;
    }
    logistics_carriers_seen(&t->st->carriers, t->event->tenant, carrier);
    if (logistics__is_open(t)) {
        logistics_order_set_carrier(t->order, carrier);
    }
}

double
logistics__days_between(int64_t from_ms, int64_t to_ms)
{
    return ((double)to_ms - (double)from_ms) / (double)DAY_MS;
}

// --- which carrier ---

static size_t
find_option(const logistics_option *options, size_t count, rt_str carrier)
{
    size_t i = 0;

    while (i < count && !rt_str_equal(options[i].carrier, carrier)) {
        i++;
    }
    return i;
}

// Whether moving an order is worth the trouble: from a carrier that is down or unknown always.
static bool
is_clearly_better(const logistics__state *st, const logistics_choice *choice, size_t now,
                  size_t count)
{
    if (now == choice->best) {
        return false;
    }
    return now == count || choice->second_score <= 0 ||
           choice->best_score >= choice->second_score + st->reassign_margin;
}

rt_err
logistics__propose_carrier(logistics__turn *t, rt_str from, bool *ret_proposed)
{
    const logistics_carriers *carriers = &t->st->carriers;
    logistics_option options[LOGISTICS_OPTIONS_MAX];
    logistics_verdict v = {
        .options = options,
        .city = logistics_order_text(t->order, LOGISTICS_CITY),
        .from = from,
        .days_left = logistics__days_between(t->event->time_ms, t->order->promised_at_ms),
    };
    size_t count = logistics_carriers_options(carriers, t->event->tenant, v.city,
                                              t->event->time_ms, options);
    size_t now;
    rt_err err;

    *ret_proposed = false;
    if (count < 2 || !logistics_choose(options, count, v.days_left, &v.choice)) {
        return RT_OK;
    }
    now = find_option(options, count, from);
    if (from.len > 0 && now < count) {
        logistics_choice_against(&v.choice, options, now, v.days_left);
    }
    if (from.len > 0 && !is_clearly_better(t->st, &v.choice, now, count)) {
        return RT_OK;
    }
    err = logistics_say_carrier(logistics__speaker_of(t), t->id, &v);
    if (err == RT_OK) {
        *ret_proposed = true;
        logistics_carriers_assigned(carriers, t->event->tenant, options[v.choice.best].carrier,
                                    v.city);
    }
    return err;
}

rt_err
logistics__warn(logistics__turn *t, const logistics_delay *delay)
{
    rt_str carrier = logistics_order_carrier(t->order);
    bool can_move = t->order->shipped_at_ms == 0 || t->order->scan == LOGISTICS_SCAN_AT_HUB;
    bool moved = false;
    rt_err err = logistics_say_delay(logistics__speaker_of(t), t->id, t->order, delay);

    if (t->order->warned != 0 || carrier.len == 0) {
        return err; // asked before, or nobody to ask
    }
    t->order->warned = 1;
    if (err == RT_OK && can_move) {
        err = logistics__propose_carrier(t, carrier, &moved);
    }
    if (err == RT_OK && !moved) {
        err = logistics_say_expedite(logistics__speaker_of(t), t->id, carrier, delay);
    }
    return err;
}

// --- stages of an order's time ---

static int64_t
stage_due_ms(const logistics__state *st, const logistics_order *order)
{
    switch ((logistics_stage)order->stage) {
    case LOGISTICS_STAGE_HALF:
        return logistics_order_half_ms(order);
    case LOGISTICS_STAGE_PROMISE:
        return order->promised_at_ms;
    case LOGISTICS_STAGE_LOST:
        return order->promised_at_ms + LOST_AFTER_MS;
    case LOGISTICS_STAGE_DROP:
        return order->delivered_at_ms + st->keep_ms;
    }
    RT_UNREACHABLE("stages are listed above");
}

rt_err
logistics__set_timer(const logistics__turn *t)
{
    int64_t due_ms = RT_MAX(stage_due_ms(t->st, t->order), 1);

    return br_timer_set(t->self, t->id, due_ms, t->event->subject);
}

static rt_err
pass_half(logistics__turn *t)
{
    logistics_parties parties = logistics_order_parties(t->order);

    t->order->stage = LOGISTICS_STAGE_PROMISE;
    return logistics_delay_half(&t->st->model, t->event->tenant, &parties,
                                logistics_order_half_ms(t->order), logistics__is_open(t));
}

static rt_err
pass_promise(logistics__turn *t)
{
    logistics_parties parties = logistics_order_parties(t->order);
    bool late = logistics__is_open(t);
    rt_err err;

    t->order->stage = late ? LOGISTICS_STAGE_LOST : LOGISTICS_STAGE_DROP;
    t->order->label = late ? LOGISTICS_LABEL_LATE : LOGISTICS_LABEL_IN_TIME;
    err = logistics_delay_label(&t->st->model, t->event->tenant, &parties, t->order->features,
                                t->order->promised_at_ms, late, t->order->shipped_at_ms != 0);
    if (err == RT_OK) {
        err = logistics_carriers_result(&t->st->carriers, t->event->tenant, parties.carrier,
                                        logistics_order_text(t->order, LOGISTICS_CITY),
                                        t->order->promised_at_ms, !late);
    }
    return err;
}

static rt_err
pass_lost(logistics__turn *t)
{
    rt_err err = logistics_delay_found(&t->st->model, t->event->tenant,
                                       t->order->promised_at_ms + LOST_AFTER_MS,
                                       t->order->shipped_at_ms != 0, false);

    logistics_order_del(t->st->orders, t->event->tenant, t->id);
    t->order = NULL;
    return err;
}

rt_err
logistics__pass_stages(logistics__turn *t, int64_t now_ms, bool *ret_overdue)
{
    rt_err err = RT_OK;

    *ret_overdue = false;
    while (err == RT_OK && t->order != NULL && stage_due_ms(t->st, t->order) < now_ms) {
        switch ((logistics_stage)t->order->stage) {
        case LOGISTICS_STAGE_HALF:
            err = pass_half(t);
            break;
        case LOGISTICS_STAGE_PROMISE:
            *ret_overdue = logistics__is_open(t);
            err = pass_promise(t);
            break;
        case LOGISTICS_STAGE_LOST:
            err = pass_lost(t);
            break;
        case LOGISTICS_STAGE_DROP:
            logistics_order_del(t->st->orders, t->event->tenant, t->id);
            t->order = NULL;
            break;
        }
    }
    return err;
}

rt_err
logistics__catch_up(logistics__turn *t, int64_t now_ms)
{
    logistics_delay delay = {.risk = 1, .at_ms = now_ms, .why = "the promised time has passed"};
    bool is_overdue = false;
    rt_err err = logistics__pass_stages(t, now_ms, &is_overdue);

    return err == RT_OK && is_overdue && logistics__is_open(t) ? logistics__warn(t, &delay) : err;
}
