#include "tools/replay/plan.h"

#include <math.h>

#include "runtime/base/attr.h"
#include "runtime/base/check.h"
#include "tools/replay/texts.h"
#include "tools/replay/workload.h"

// Design notes.
// A life is drawn from its end: whether the order is late is a coin with the log-odds below, then
// the day of delivery follows, then the scans that lead there, then outages push what they touch,
// and last come the customer's reactions to what really happened. So lateness has a known best
// prediction, and scans, attempts and complaints agree with it as they would in life.
//
//   log-odds = BASE + SPREAD * (city + carrier + (carrier, city) + seller + goods + weight
//              + address + weekday) + rain on the promised day
//
// Nobody knows the rain when the order is placed; the rest can be learned.

#define LATE_BASE (-3.28)
#define LATE_SPREAD 1.45
#define LATE_RAIN 0.7
#define MINUTE_MS ((int64_t)60000)
#define HOUR_MS WORKLOAD_HOUR_MS
#define AFTER_MAX_MS ((int64_t)45 * WORKLOAD_DAY_MS)
#define SUNDAY 0

typedef struct draw {
    plan *p;
    const plan_world *world;
    rt_rng *rng;
    workload_seller seller;
    int64_t created_day;
    int64_t promised_day;
    int64_t approved_ms;
    bool hard_address; // this customer lives where parcels go astray
    bool late;
    bool rains; // on the promised day
} draw;

static double
uniform(draw *d, double from, double to)
{
    return from + (to - from) * rt_rng_f64(d->rng);
}

static bool
chance(draw *d, double p)
{
    return rt_rng_chance(d->rng, p);
}

// Chooses an index by weights that sum to 1.
static size_t
choose(draw *d, const double *weights, size_t count)
{
    double u = rt_rng_f64(d->rng);
    size_t i = 0;

    while (i + 1 < count && u >= weights[i]) {
        u -= weights[i++];
    }
    return i;
}

static plan_step *
add_step(draw *d, plan_kind kind, int64_t at_ms)
{
    int64_t after_ms = RT_MIN(RT_MAX(at_ms - d->p->created_ms, 0), AFTER_MAX_MS);
    plan_step *step = NULL;

    RT_ASSERT(d->p->step_count < PLAN_STEPS_MAX);
    step = &d->p->steps[d->p->step_count++];
    *step = (plan_step){.after_ms = (uint32_t)after_ms, .kind = (uint8_t)kind};
    return step;
}

// Moves a time out of the night and out of Sunday, to when sellers and carriers work.
static int64_t
to_work(draw *d, int64_t at_ms)
{
    int64_t day = workload_local_day(at_ms);

    if (at_ms >= workload_local_ms(day, 19)) {
        day++;
        at_ms = workload_local_ms(day, uniform(d, 8, 11));
    } else if (at_ms < workload_local_ms(day, 8)) {
        at_ms = workload_local_ms(day, uniform(d, 8, 11));
    }
    return workload_weekday(day) == SUNDAY ? at_ms + WORKLOAD_DAY_MS : at_ms;
}

static void
draw_goods(draw *d)
{
    plan *p = d->p;
    const workload_goods *g = NULL;

    p->seller = (uint8_t)(WORKLOAD_SELLERS * pow(rt_rng_f64(d->rng), 1.6));
    d->seller = workload_seller_at(p->seller);
    p->goods = chance(d, .7) ? d->seller.goods : (uint8_t)workload_pick_goods(rt_rng_f64(d->rng));
    g = workload_goods_at(p->goods);
    p->items = 1;
    while (p->items < 6 && chance(d, .2)) {
        p->items++;
    }
    p->value_cop = (uint32_t)(g->value_cop * p->items * exp(.45 * rt_rng_normal(d->rng)));
    p->value_cop -= p->value_cop % 100; // prices are round
    p->weight_g = 20 + (uint32_t)(g->weight_g * p->items * exp(.5 * rt_rng_normal(d->rng)));
    p->volume_cm3 = (uint32_t)(p->weight_g * g->cm3_per_g * uniform(d, .7, 1.4));
}

static void
draw_promise(draw *d)
{
    plan *p = d->p;
    double km = workload_km(d->seller.city, p->city);
    double days = (19 + 24 * km / 500) / 24 + .55;

    if (p->created_ms >= workload_local_ms(d->created_day, 16)) {
        days += .6; // too late for today's pick-up
    }
    d->promised_day = d->created_day + RT_MAX(2, (int64_t)ceil(days));
    if (workload_weekday(d->promised_day) == SUNDAY) {
        d->promised_day++;
    }
    p->promised_ms = workload_local_ms(d->promised_day, 20);
    p->freight_cop = 100 * (uint32_t)((5200 + 9 * km + .45 * p->weight_g) / 100);
    d->rains = workload_rains(p->city, d->promised_day);
}

static double
late_log_odds(const draw *d)
{
    const plan *p = d->p;
    size_t weekday = workload_weekday(d->created_day);
    double heavy = p->weight_g > 25000 ? 1.1 : p->weight_g > 10000 ? .6 : 0;

    double sum = workload_city_at(p->city)->late_logit
                 + workload_carrier_at(p->carrier)->late_logit
                 + workload_pair_logit(p->carrier, p->city) + d->seller.late_logit
                 + workload_goods_at(p->goods)->late_logit + heavy + (d->hard_address ? .8 : 0)
                 + (weekday == 5 || weekday == 6 ? .3 : 0);

    return LATE_BASE + LATE_SPREAD * sum;
}

static double
logistic(double z)
{
    return 1 / (1 + exp(-z));
}

static void
draw_lateness(draw *d)
{
    double rain = workload_city_at(d->p->city)->rain;
    double z = late_log_odds(d);

    d->late = chance(d, logistic(z + (d->rains ? LATE_RAIN : 0)));
    d->p->late_probability =
        (float)(rain * logistic(z + LATE_RAIN) + (1 - rain) * logistic(z));
}

static void
draw_fate(draw *d)
{
    static const double weights[] = {.9785, .007, .007, .004, .0035};

    d->p->fate = (uint8_t)choose(d, weights, RT_COUNT(weights));
}

static void
draw_order(draw *d, uint32_t day_number)
{
    static const double channels[] = {.41, .35, .03, .14, .07}; // in the order of the catalogue
    plan *p = d->p;
    uint32_t customers = d->world->customers;

    p->day_number = day_number;
    p->salt = (uint32_t)rt_rng_u64(d->rng);
    p->customer = (uint32_t)(customers * pow(rt_rng_f64(d->rng), 1.35)); // some buy often
    p->city = (uint8_t)workload_pick_city(workload_mix(10, p->customer, 0));
    d->hard_address = workload_mix(11, p->customer, 0) < .1;
    d->created_day = workload_local_day(p->created_ms);
    p->channel = (uint8_t)choose(d, channels, RT_COUNT(channels));
    p->carrier = (uint8_t)workload_pick_carrier(p->city, rt_rng_f64(d->rng));
    p->carrier_known = chance(d, .9);
    draw_goods(d);
    draw_promise(d);
    draw_lateness(d);
    draw_fate(d);
}

static void
draw_payment(draw *d)
{
    int64_t created_ms = d->p->created_ms;
    double minutes = chance(d, .12) ? uniform(d, 40, 420) : 1 + rt_rng_exponential(d->rng, 9);

    (void)add_step(d, PLAN_CREATED, created_ms);
    if (d->p->fate == PLAN_UNPAID) {
        add_step(d, PLAN_CANCELLED, created_ms + (int64_t)(uniform(d, .5, 24) * (double)HOUR_MS));
        return;
    }
    d->approved_ms = created_ms + (int64_t)(minutes * (double)MINUTE_MS);
    (void)add_step(d, PLAN_APPROVED, d->approved_ms);
    if (d->p->fate == PLAN_WITHDRAWN) {
        int64_t at_ms = d->approved_ms + (int64_t)(uniform(d, .3, 16) * (double)HOUR_MS);

        add_step(d, PLAN_CANCELLED, at_ms)->what = (uint8_t)(1 + rt_rng_below(d->rng, 3));
    }
}

static int64_t
draw_delivery_day(draw *d)
{
    static const double early[] = {.50, .35, .15};
    int64_t day = d->promised_day;

    if (d->late) {
        do {
            day++;
        } while (day < d->promised_day + 9 && chance(d, .42));
        return workload_weekday(day) == SUNDAY ? day + 1 : day;
    }
    day -= (int64_t)choose(d, early, RT_COUNT(early));
    day = RT_MAX(day, d->created_day + 1);
    if (workload_weekday(day) == SUNDAY) {
        day += day > d->created_day + 1 ? -1 : 1; // the promise is no Sunday, so there is room
    }
    return day;
}

static int64_t
day_before(int64_t day)
{
    return workload_weekday(day - 1) == SUNDAY ? day - 2 : day - 1;
}

static plan_reason
draw_reason(draw *d)
{
    double unsafe = workload_city_at(d->p->city)->unsafe;
    double lost = d->hard_address ? .5 : .2;
    double rest = 1 - unsafe - lost;
    const double weights[] = {rest * .58, lost, rest * .06, unsafe, rest * .20, rest * .16};

    return (plan_reason)choose(d, weights, RT_COUNT(weights));
}

// Adds the attempts before `last_day`, none before `earliest_day`; returns the day of the first.
static int64_t
draw_failures(draw *d, int64_t earliest_day, int64_t last_day, uint32_t *ret_failures)
{
    const workload_carrier *c = workload_carrier_at(d->p->carrier);
    double p = (d->late ? .28 : .02) + c->fail + (d->hard_address ? .12 : 0);
    uint32_t max = d->p->fate == PLAN_RETURNED ? 2 : d->late ? 2 : 1;
    uint32_t count = d->p->fate == PLAN_RETURNED ? 2 : 0;
    int64_t day = last_day;

    while (count < max && chance(d, p)) {
        count++;
    }
    *ret_failures = 0;
    for (uint32_t i = count; i > 0 && day_before(day) >= earliest_day; i--) {
        day = day_before(day);
        *ret_failures += 1;
    }
    day = last_day;
    for (uint32_t attempt = *ret_failures; attempt > 0; attempt--) {
        plan_step *step = NULL;

        day = day_before(day);
        (void)add_step(d, PLAN_OUT, workload_local_ms(day, uniform(d, 6.7, 8.4)));
        step = add_step(d, PLAN_FAILED, workload_local_ms(day, uniform(d, 9, 18.5)));
        step->what = (uint8_t)attempt;
        step->why = (uint8_t)draw_reason(d);
        if (step->why == PLAN_WRONG_ADDRESS) {
            (void)add_step(d, PLAN_GUIDE_UPDATED, workload_local_ms(day, uniform(d, 18.6, 20)));
        }
    }
    return day;
}

static texts_topic
exception_topic(draw *d)
{
    if (d->rains && chance(d, .6)) {
        return TEXTS_NOTE_RAIN;
    }
    return chance(d, .3) ? TEXTS_NOTE_ROAD : TEXTS_NOTE_HUB;
}

// Adds the remarks of a late parcel on its way, with the carrier's new estimate.
static void
draw_exceptions(draw *d, int64_t transit_ms, int64_t first_day)
{
    int64_t day = RT_MIN(d->promised_day, first_day - 1);

    for (int i = 0; i < 2 && chance(d, .55); i++) {
        int64_t at_ms = workload_local_ms(day, uniform(d, 7, 17));
        int64_t eta_day = chance(d, .6) ? first_day : day + 1;
        plan_step *step = NULL;

        if (at_ms <= transit_ms) {
            return;
        }
        step = add_step(d, PLAN_EXCEPTION, at_ms);
        step->what = (uint8_t)exception_topic(d);
        step->why = (uint8_t)RT_MIN(eta_day - d->created_day, 40);
        day--;
    }
}

// Adds guide, pick-up and line haul between payment and the arrival at the destination's hub;
// returns when the line haul was scanned.
static int64_t
draw_haul(draw *d, int64_t hub_ms)
{
    double gap_ms = (double)RT_MAX(hub_ms - d->approved_ms, 8 * MINUTE_MS);
    bool slow_seller = d->late && chance(d, d->seller.late_logit > .4 ? .5 : .15);
    double prepare_ms = rt_rng_exponential(d->rng, d->seller.prepare_h) * (double)HOUR_MS;
    int64_t guide_ms = d->approved_ms + (int64_t)fmin(prepare_ms + (double)HOUR_MS, .4 * gap_ms);
    int64_t shipped_ms = 0;
    int64_t transit_ms = 0;

    if (slow_seller) {
        guide_ms = d->approved_ms + (int64_t)(uniform(d, .4, .6) * gap_ms);
    }
    guide_ms = to_work(d, guide_ms);
    shipped_ms = to_work(d, guide_ms + (int64_t)(uniform(d, .5, 4) * (double)HOUR_MS));
    transit_ms = shipped_ms + (int64_t)(uniform(d, 2, 6) * (double)HOUR_MS);
    if (transit_ms + HOUR_MS / 2 > hub_ms) { // a tight promise: everything closer together
        guide_ms = d->approved_ms + (int64_t)(.2 * gap_ms);
        shipped_ms = d->approved_ms + (int64_t)(.45 * gap_ms);
        transit_ms = d->approved_ms + (int64_t)(.7 * gap_ms);
    }
    (void)add_step(d, PLAN_GUIDE, guide_ms);
    (void)add_step(d, PLAN_SHIPPED, shipped_ms);
    (void)add_step(d, PLAN_PICKED_UP,
                   shipped_ms + (int64_t)(uniform(d, .05, .6) * (double)(transit_ms - shipped_ms)));
    (void)add_step(d, PLAN_IN_TRANSIT, transit_ms);
    return transit_ms;
}

static void
draw_parcel(draw *d)
{
    int64_t earliest_day = workload_local_day(d->approved_ms + 2 * HOUR_MS) + 1;
    int64_t drawn_day = draw_delivery_day(d);
    int64_t last_day = RT_MAX(drawn_day, earliest_day);
    int64_t first_day = 0;
    int64_t hub_ms = 0;
    int64_t transit_ms = 0;
    uint32_t failures = 0;

    first_day = draw_failures(d, earliest_day, last_day, &failures);
    hub_ms = workload_local_ms(first_day, uniform(d, 3, 6.5));
    transit_ms = draw_haul(d, hub_ms);
    if (d->late) {
        draw_exceptions(d, transit_ms, first_day);
    }
    if (d->p->fate == PLAN_MISLAID) {
        return; // no scan after the line haul
    }
    (void)add_step(d, PLAN_AT_HUB, hub_ms);
    (void)add_step(d, PLAN_OUT, workload_local_ms(last_day, uniform(d, 6.7, 8.4)));
    if (d->p->fate == PLAN_RETURNED) {
        plan_step *step = add_step(d, PLAN_FAILED, workload_local_ms(last_day, uniform(d, 9, 18)));

        step->what = (uint8_t)(failures + 1);
        step->why = chance(d, .5) ? PLAN_REFUSED : PLAN_WRONG_ADDRESS;
        return;
    }
    add_step(d, PLAN_DELIVERED, workload_local_ms(last_day, uniform(d, 8.6, 19.4)))->what =
        (uint8_t)(failures + 1);
}

static bool
before(const plan_step *a, const plan_step *b)
{
    return a->after_ms != b->after_ms ? a->after_ms < b->after_ms : a->kind < b->kind;
}

static void
sort_steps(plan *p)
{
    for (uint32_t i = 1; i < p->step_count; i++) {
        plan_step step = p->steps[i];
        uint32_t to = i;

        while (to > 0 && before(&step, &p->steps[to - 1])) {
            p->steps[to] = p->steps[to - 1];
            to--;
        }
        p->steps[to] = step;
    }
}

// Scans of a mislaid parcel end with the line haul; attempts that were drawn are taken back.
static void
drop_attempts(plan *p)
{
    uint8_t kept = 0;

    for (uint8_t i = 0; i < p->step_count; i++) {
        uint8_t kind = p->steps[i].kind;

        if (kind != PLAN_OUT && kind != PLAN_FAILED && kind != PLAN_GUIDE_UPDATED) {
            p->steps[kept++] = p->steps[i];
        }
    }
    p->step_count = kept;
}

static bool
at_the_door(uint8_t kind)
{
    return kind == PLAN_OUT || kind == PLAN_FAILED || kind == PLAN_DELIVERED;
}

// How long the outages hold up a step that would happen at at_ms.
static int64_t
held_up_ms(draw *d, uint8_t kind, int64_t at_ms)
{
    bool at_origin = kind == PLAN_SHIPPED || kind == PLAN_PICKED_UP || kind == PLAN_IN_TRANSIT;
    uint8_t city = at_origin ? d->seller.city : d->p->city;

    if (kind < PLAN_SHIPPED) {
        return 0;
    }
    for (uint32_t i = 0; i < d->world->outage_count; i++) {
        const plan_outage *o = &d->world->outages[i];

        bool here = o->city == city || o->city == PLAN_EVERYWHERE;
        if (o->carrier != d->p->carrier || !here || at_ms < o->from_ms || at_ms >= o->until_ms ||
            (!o->severe && d->p->salt % 2 == 0)) {
            continue;
        }
        if (at_the_door(kind)) {
            return WORKLOAD_DAY_MS * (o->severe && chance(d, .35) ? 2 : 1);
        }
        return o->until_ms - at_ms + (int64_t)(uniform(d, .2, 4) * (double)HOUR_MS);
    }
    return 0;
}

// Outages push the steps they touch and all later ones; a door is not knocked at on Sundays.
static void
push_steps(draw *d)
{
    plan *p = d->p;
    int64_t pushed_ms = 0;

    for (uint32_t i = 0; i < p->step_count; i++) {
        int64_t at_ms = 0;
        int64_t more_ms = 0;

        if (at_the_door(p->steps[i].kind)) { // the courier comes at the same hour of another day
            pushed_ms = (pushed_ms + WORKLOAD_DAY_MS - 1) / WORKLOAD_DAY_MS * WORKLOAD_DAY_MS;
        }
        at_ms = p->created_ms + p->steps[i].after_ms + pushed_ms;
        more_ms = held_up_ms(d, p->steps[i].kind, at_ms);
        if (at_the_door(p->steps[i].kind)
            && pushed_ms + more_ms > 0 // what was planned for a Sunday stays there
            && workload_weekday(workload_local_day(at_ms + more_ms)) == SUNDAY) {
            more_ms += WORKLOAD_DAY_MS;
        }
        pushed_ms += more_ms;
        at_ms += more_ms;
        p->steps[i].after_ms = (uint32_t)RT_MIN(at_ms - p->created_ms, AFTER_MAX_MS);
        if (p->steps[i].kind == PLAN_DELIVERED) {
            p->delivered_after_ms = p->steps[i].after_ms;
        }
    }
}

static int64_t
hours_after(draw *d, int64_t at_ms, double from, double to)
{
    return at_ms + (int64_t)(uniform(d, from, to) * (double)HOUR_MS);
}

static void
ask(draw *d, texts_topic topic, int64_t at_ms, double mood)
{
    int64_t day = workload_local_day(at_ms);
    plan_step *step = NULL;

    if (at_ms < workload_local_ms(day, 6)) { // nobody writes at night
        at_ms = workload_local_ms(day, uniform(d, 6, 9));
    }
    mood += .22 * rt_rng_normal(d->rng);
    step = add_step(d, PLAN_INQUIRY, at_ms);
    step->what = (uint8_t)topic;
    step->mood = (int8_t)(100 * fmax(-1, fmin(1, mood)));
    step->why = (uint8_t)rt_rng_below(d->rng, 20); // channel
}

static void
complain(draw *d, texts_topic topic, int64_t at_ms, double solved)
{
    add_step(d, PLAN_ISSUE, at_ms)->what = (uint8_t)topic;
    if (chance(d, .93)) {
        int64_t closed_ms = hours_after(d, at_ms, 2, 44);

        add_step(d, PLAN_RESOLVED, closed_ms)->what = chance(d, solved) ? 1 : 0;
    }
}

static texts_topic
draw_complaint(draw *d)
{
    double damage = .008 * workload_goods_at(d->p->goods)->damage;
    double u = rt_rng_f64(d->rng);

    if (u < damage) {
        return TEXTS_DAMAGED;
    }
    u -= damage;
    return u < .006 ? TEXTS_WRONG_ITEM : u < .010 ? TEXTS_BILLING : u < .013 ? TEXTS_OTHER
                                                                           : TEXTS_TOPICS;
}

static void
draw_feedback(draw *d, int64_t delivered_ms, int64_t late_days, bool complained)
{
    static const double good[] = {.02, .03, .10, .27, .58};
    static const double bad[] = {.32, .25, .24, .13, .06};
    static const double worst[] = {.55, .25, .12, .05, .03};
    const double *weights = complained || late_days > 2 ? worst : late_days > 0 ? bad : good;
    uint8_t score = (uint8_t)(1 + choose(d, weights, 5));
    plan_step *step = NULL;

    if (chance(d, late_days > 0 || complained ? .42 : .28)) {
        step = add_step(d, PLAN_FEEDBACK, hours_after(d, delivered_ms, 1, 50));
        step->what = score;
        step->why = chance(d, .7) ? 1 : 0; // with words
    }
    if (score <= 2 && chance(d, .05)) {
        (void)add_step(d, PLAN_LOST, hours_after(d, delivered_ms, 51, 90));
    }
}

static void
react_to_delay(draw *d, int64_t until_ms)
{
    int64_t promised_ms = d->p->promised_ms;
    int64_t last_ms = until_ms - 10 * MINUTE_MS;

    if (chance(d, .45)) {
        int64_t at_ms = hours_after(d, promised_ms, -9, 16);

        ask(d, TEXTS_IMPATIENT, RT_MIN(at_ms, last_ms), -.45);
    }
    if (until_ms > promised_ms + 20 * HOUR_MS && chance(d, .35)) {
        int64_t at_ms = hours_after(d, promised_ms, 17, 40);

        ask(d, TEXTS_ANGRY, RT_MIN(at_ms, last_ms), -.8);
    }
    if (chance(d, .30)) {
        int64_t at_ms = hours_after(d, promised_ms, 2, 30);

        complain(d, TEXTS_LATE, RT_MIN(at_ms, last_ms), .72);
    }
}

static void
react_to_delivery(draw *d)
{
    int64_t delivered_ms = d->p->created_ms + d->p->delivered_after_ms;
    int64_t late_days = workload_local_day(delivered_ms) - d->promised_day;
    texts_topic complaint = draw_complaint(d);

    if (chance(d, .09)) {
        int64_t wait_ms = delivered_ms - d->approved_ms;
        int64_t at_ms = d->approved_ms + (int64_t)(uniform(d, .2, .95) * (double)wait_ms);

        ask(d, chance(d, .75) ? TEXTS_WHERE : TEXTS_CHANGE, at_ms, .1);
    }
    if (delivered_ms > d->p->promised_ms) {
        react_to_delay(d, delivered_ms);
    }
    if (complaint != TEXTS_TOPICS) {
        complain(d, complaint, hours_after(d, delivered_ms, .3, 20), .8);
    }
    draw_feedback(d, delivered_ms, late_days, complaint != TEXTS_TOPICS);
}

// Ends an order that does not arrive.
static void
react_to_loss(draw *d)
{
    int64_t last_ms = d->p->created_ms + d->p->steps[d->p->step_count - 1].after_ms;

    if (d->p->fate == PLAN_MISLAID) {
        int64_t missed_ms = d->p->promised_ms;

        ask(d, TEXTS_IMPATIENT, hours_after(d, missed_ms, 1, 20), -.5);
        complain(d, TEXTS_LOST, hours_after(d, missed_ms, 30, 60), .4);
        add_step(d, PLAN_CANCELLED, hours_after(d, missed_ms, 100, 140))->what = 4;
    } else {
        add_step(d, PLAN_GUIDE_UPDATED, hours_after(d, last_ms, 1, 3))->what = 1;
        add_step(d, PLAN_CANCELLED, hours_after(d, last_ms, 4, 30))->what = 5;
    }
}

void
plan_draw(plan *p, const plan_world *world, rt_rng *rng, int64_t created_ms, uint32_t day_number)
{
    draw d = {.p = p, .world = world, .rng = rng};

    RT_ASSERT(world->customers > 0);
    *p = (plan){.created_ms = created_ms};
    draw_order(&d, day_number);
    draw_payment(&d);
    if (p->fate != PLAN_UNPAID && p->fate != PLAN_WITHDRAWN) {
        draw_parcel(&d);
        if (p->fate == PLAN_MISLAID) {
            drop_attempts(p);
        }
        sort_steps(p);
        push_steps(&d);
        if (p->fate == PLAN_PLAIN) {
            react_to_delivery(&d);
        } else {
            react_to_loss(&d);
        }
    }
    sort_steps(p);
}

bool
plan_late(const plan *p)
{
    return p->delivered_after_ms > 0 && p->created_ms + p->delivered_after_ms > p->promised_ms;
}
