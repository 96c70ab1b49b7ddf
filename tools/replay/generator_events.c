#include <math.h>

#include "runtime/base/check.h"
#include "runtime/base/civil.h"
#include "tools/replay/draft.h"
#include "tools/replay/internal.h"
#include "tools/replay/texts.h"

// Design notes.
// Turns steps of orders into CloudEvents. Keys are readable: order 261120-00042 is the 42nd order
// of 20 November 2026, and the id of an event is the order's key and what happened, so that the
// same seed sends the same ids and a repeated replay counts nothing twice.

#define KEY_CAP 24

typedef enum gen_type {
    TYPE_CREATED,
    TYPE_APPROVED,
    TYPE_SHIPPED,
    TYPE_DELIVERED,
    TYPE_CANCELLED,
    TYPE_GUIDE_CREATED,
    TYPE_GUIDE_UPDATED,
    TYPE_TRACKING,
    TYPE_FAILED,
    TYPE_ISSUE,
    TYPE_RESOLVED,
    TYPE_INQUIRY,
    TYPE_FEEDBACK,
    TYPE_LOST,
    TYPE_STATUS,
    TYPE_CAPACITY,
    TYPE_COUNT,
} gen_type;

_Static_assert(TYPE_COUNT == GEN_TYPES, "gen_stats counts every type");

static const char *const type_names[TYPE_COUNT] = {
    [TYPE_CREATED] = "order.created",
    [TYPE_APPROVED] = "order.approved",
    [TYPE_SHIPPED] = "order.shipped",
    [TYPE_DELIVERED] = "order.delivered",
    [TYPE_CANCELLED] = "order.cancelled",
    [TYPE_GUIDE_CREATED] = "guide.created",
    [TYPE_GUIDE_UPDATED] = "guide.updated",
    [TYPE_TRACKING] = "tracking.updated",
    [TYPE_FAILED] = "delivery.failed",
    [TYPE_ISSUE] = "issue.reported",
    [TYPE_RESOLVED] = "issue.resolved",
    [TYPE_INQUIRY] = "customer.inquiry",
    [TYPE_FEEDBACK] = "customer.feedback",
    [TYPE_LOST] = "customer.lost",
    [TYPE_STATUS] = "carrier.status",
    [TYPE_CAPACITY] = "carrier.capacity",
};

typedef enum subject { SUBJECT_ORDER, SUBJECT_CUSTOMER, SUBJECT_GUIDE, SUBJECT_CARRIER } subject;

// What a step becomes; the suffix of the id is numbered where a step can happen twice.
static const struct {
    gen_type type;
    subject about;
    const char *suffix;
    bool numbered;
    const char *scan; // status of tracking.updated
} forms[PLAN_KINDS] = {
    [PLAN_CREATED] = {TYPE_CREATED, SUBJECT_ORDER, "created", false, NULL},
    [PLAN_APPROVED] = {TYPE_APPROVED, SUBJECT_ORDER, "approved", false, NULL},
    [PLAN_GUIDE] = {TYPE_GUIDE_CREATED, SUBJECT_GUIDE, "guide", false, NULL},
    [PLAN_SHIPPED] = {TYPE_SHIPPED, SUBJECT_ORDER, "shipped", false, NULL},
    [PLAN_PICKED_UP] = {TYPE_TRACKING, SUBJECT_ORDER, "scan", true, "picked_up"},
    [PLAN_IN_TRANSIT] = {TYPE_TRACKING, SUBJECT_ORDER, "scan", true, "in_transit"},
    [PLAN_AT_HUB] = {TYPE_TRACKING, SUBJECT_ORDER, "scan", true, "at_hub"},
    [PLAN_EXCEPTION] = {TYPE_TRACKING, SUBJECT_ORDER, "scan", true, "exception"},
    [PLAN_OUT] = {TYPE_TRACKING, SUBJECT_ORDER, "scan", true, "out_for_delivery"},
    [PLAN_FAILED] = {TYPE_FAILED, SUBJECT_ORDER, "failed", true, NULL},
    [PLAN_GUIDE_UPDATED] = {TYPE_GUIDE_UPDATED, SUBJECT_GUIDE, "guide", true, NULL},
    [PLAN_DELIVERED] = {TYPE_DELIVERED, SUBJECT_ORDER, "delivered", false, NULL},
    [PLAN_INQUIRY] = {TYPE_INQUIRY, SUBJECT_CUSTOMER, "inquiry", true, NULL},
    [PLAN_ISSUE] = {TYPE_ISSUE, SUBJECT_ORDER, "issue", true, NULL},
    [PLAN_RESOLVED] = {TYPE_RESOLVED, SUBJECT_ORDER, "resolved", true, NULL},
    [PLAN_CANCELLED] = {TYPE_CANCELLED, SUBJECT_ORDER, "cancelled", false, NULL},
    [PLAN_FEEDBACK] = {TYPE_FEEDBACK, SUBJECT_CUSTOMER, "feedback", false, NULL},
    [PLAN_LOST] = {TYPE_LOST, SUBJECT_CUSTOMER, "lost", false, NULL},
};

static const char *const reasons[PLAN_REASONS] = {
    [PLAN_ABSENT] = "absent", [PLAN_WRONG_ADDRESS] = "wrong_address",
    [PLAN_REFUSED] = "refused", [PLAN_UNSAFE] = "unsafe",
    [PLAN_CLOSED] = "closed", [PLAN_VEHICLE] = "vehicle",
};

static const texts_topic reason_topics[PLAN_REASONS] = {
    [PLAN_ABSENT] = TEXTS_NOTE_ABSENT, [PLAN_WRONG_ADDRESS] = TEXTS_NOTE_ADDRESS,
    [PLAN_REFUSED] = TEXTS_NOTE_REFUSED, [PLAN_UNSAFE] = TEXTS_NOTE_UNSAFE,
    [PLAN_CLOSED] = TEXTS_NOTE_CLOSED, [PLAN_VEHICLE] = TEXTS_NOTE_VEHICLE,
};

static const char *const cancel_reasons[] = {
    "pago rechazado", "el cliente se arrepintió", "sin inventario", "precio equivocado",
    "extraviado por la transportadora", "devuelto al remitente",
};

static const char *const issue_kinds[] = {
    [0] = "late",                             [TEXTS_DAMAGED - TEXTS_LATE] = "damaged",
    [TEXTS_LOST - TEXTS_LATE] = "lost",       [TEXTS_WRONG_ITEM - TEXTS_LATE] = "wrong_item",
    [TEXTS_BILLING - TEXTS_LATE] = "billing", [TEXTS_OTHER - TEXTS_LATE] = "other",
};

static const char *const channels[] = {"web", "app", "store", "marketplace", "whatsapp"};

static const char *const statuses[] = {
    [GEN_UP] = "up", [GEN_DEGRADED] = "degraded", [GEN_DOWN] = "down"};

// The keys of one order, written once an event.
typedef struct keys {
    char order[KEY_CAP];
    char guide[KEY_CAP];
    char customer[KEY_CAP];
    const char *carrier;
    const char *city;
    const workload_goods *goods;
} keys;

const char *
gen_type_name(size_t type)
{
    return type < TYPE_COUNT ? type_names[type] : NULL;
}

// Writes `value` with at least `digits` digits; returns the end. snprintf would cost more than the
// rest of an event.
static char *
put_number(char *to, uint32_t value, int digits)
{
    char backwards[12];
    int count = 0;

    do {
        backwards[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0 || count < digits);
    while (count > 0) {
        *to++ = backwards[--count];
    }
    *to = '\0';
    return to;
}

static void
make_keys(const plan *p, keys *k)
{
    rt_civil c = rt_civil_from_ms(p->created_ms + WORKLOAD_ZONE_MS);
    uint32_t date = (uint32_t)((c.year % 100 * 100 + c.month) * 100 + c.day);
    char *at = put_number(k->order, date, 6);

    *at++ = '-';
    (void)put_number(at, p->day_number, 5);
    k->carrier = workload_carrier_at(p->carrier)->name;
    k->city = workload_city_at(p->city)->name;
    k->goods = workload_goods_at(p->goods);
    k->guide[0] = (char)(k->carrier[0] - 'a' + 'A');
    k->guide[1] = (char)(k->carrier[1] - 'a' + 'A');
    (void)put_number(put_number(k->guide + 2, date, 6), p->day_number, 6);
    k->customer[0] = 'c';
    (void)put_number(k->customer + 1, p->customer, 6);
}

static rt_str
fill_text(gen *g, const plan *p, const keys *k, const plan_step *step, texts_topic topic)
{
    int64_t at_ms = p->created_ms + step->after_ms;
    texts_values values = {.order = k->order,
                           .city = k->city,
                           .carrier = k->carrier,
                           .product = k->goods->product,
                           .name = texts_name(p->customer),
                           .days = (at_ms - p->promised_ms) / WORKLOAD_DAY_MS + 1};

    values.days = RT_MAX(values.days, 1);
    rt_text_clear(&g->text);
    texts_write(&g->text, topic, p->salt + step->after_ms, &values);
    return rt_text_view(&g->text);
}

// Where an order goes: within a few kilometres of the middle of its city.
static double
place_of(double middle, double share)
{
    return round((middle + .06 * (share - .5)) * 1e5) / 1e5;
}

// Where it was handed over: at the address, for one in fifty some kilometres away.
static void
write_place(draft *d, const plan *p, bool is_handed_over)
{
    const workload_city *city = workload_city_at(p->city);
    double strays = is_handed_over && workload_mix(32, p->salt, 0) < .02 ? .05 : 0;

    draft_f64(d, "lat", place_of(city->lat, workload_mix(30, p->salt, 0)) + strays);
    draft_f64(d, "lon", place_of(city->lon, workload_mix(31, p->salt, 0)));
}

static void
write_created(draft *d, const plan *p, const keys *k)
{
    char seller[KEY_CAP] = "s";
    workload_seller s = workload_seller_at(p->seller);

    (void)put_number(seller + 1, p->seller + 1u, 3);
    draft_cstr(d, "customer_id", k->customer);
    draft_cstr(d, "city", k->city);
    draft_cstr(d, "state", workload_city_at(p->city)->state);
    draft_cstr(d, "carrier", p->carrier_known ? k->carrier : NULL);
    draft_f64(d, "value", p->value_cop);
    draft_f64(d, "freight", p->freight_cop);
    draft_i64(d, "items", p->items);
    draft_i64(d, "weight_g", p->weight_g);
    draft_i64(d, "volume_cm3", p->volume_cm3);
    draft_cstr(d, "category", k->goods->category);
    draft_cstr(d, "seller_id", seller);
    draft_cstr(d, "seller_state", workload_city_at(s.city)->state);
    draft_time(d, "promised_at", p->promised_ms);
    draft_cstr(d, "channel", channels[p->channel]);
    write_place(d, p, false);
}

static void
write_guide(gen *g, draft *d, const plan *p, const keys *k)
{
    draft_cstr(d, "order_id", k->order);
    draft_cstr(d, "carrier", k->carrier);
    draft_cstr(d, "origin_city", workload_city_at(workload_seller_at(p->seller).city)->name);
    draft_cstr(d, "city", k->city);
    g->load[p->carrier][p->city]++;
}

static void
write_scan(gen *g, draft *d, const plan *p, const keys *k, const plan_step *step)
{
    bool at_origin = step->kind == PLAN_PICKED_UP || step->kind == PLAN_IN_TRANSIT;
    uint8_t city = at_origin ? workload_seller_at(p->seller).city : p->city;
    int64_t created_day = workload_local_day(p->created_ms);

    draft_cstr(d, "carrier", k->carrier);
    draft_cstr(d, "city", workload_city_at(city)->name);
    draft_cstr(d, "status", forms[step->kind].scan);
    if (step->kind == PLAN_IN_TRANSIT) {
        draft_time(d, "eta_at", workload_local_ms(workload_local_day(p->promised_ms), 18));
    } else if (step->kind == PLAN_EXCEPTION) {
        draft_time(d, "eta_at", workload_local_ms(created_day + step->why, 18));
        draft_str(d, "note", fill_text(g, p, k, step, (texts_topic)step->what), 256);
    }
}

static void
write_failed(gen *g, draft *d, const plan *p, const keys *k, const plan_step *step)
{
    draft_cstr(d, "customer_id", k->customer);
    draft_cstr(d, "carrier", k->carrier);
    draft_cstr(d, "city", k->city);
    draft_i64(d, "attempt", step->what);
    draft_cstr(d, "reason", reasons[step->why]);
    draft_str(d, "note", fill_text(g, p, k, step, reason_topics[step->why]), 256);
}

static void
write_inquiry(gen *g, draft *d, const plan *p, const keys *k, const plan_step *step)
{
    static const char *const by[] = {"whatsapp", "whatsapp", "whatsapp", "whatsapp", "whatsapp",
                                     "whatsapp", "whatsapp", "whatsapp", "whatsapp", "chat",
                                     "chat",     "chat",     "chat",     "email",    "email",
                                     "email",    "web",      "web",      "phone",    "phone"};
    const char *channel = by[step->why % RT_COUNT(by)];

    draft_cstr(d, "order_id", k->order);
    draft_cstr(d, "channel", channel);
    if (channel[0] == 'w' || channel[0] == 'c') { // the others do not measure it
        draft_f64(d, "mood", step->mood / 100.0);
    }
    draft_str(d, "text", fill_text(g, p, k, step, (texts_topic)step->what), 2048);
}

static void
write_feedback(gen *g, draft *d, const plan *p, const keys *k, const plan_step *step)
{
    draft_cstr(d, "order_id", k->order);
    draft_i64(d, "score", step->what);
    if (step->why != 0) {
        texts_topic topic = (texts_topic)(TEXTS_SCORE_1 + step->what - 1);

        draft_str(d, "text", fill_text(g, p, k, step, topic), 2048);
    }
}

static void
write_guide_update(draft *d, const keys *k, const plan_step *step)
{
    draft_cstr(d, "order_id", k->order);
    draft_cstr(d, "carrier", k->carrier);
    draft_cstr(d, "status", step->what == 0 ? "address_corrected" : "returned");
}

// Writes the data of events that tell little more than whom they concern.
static void
write_short(gen *g, draft *d, const plan *p, const keys *k, const plan_step *step)
{
    if (step->kind != PLAN_LOST) {
        draft_cstr(d, "customer_id", k->customer);
    }
    if (step->kind == PLAN_SHIPPED || step->kind == PLAN_DELIVERED) {
        draft_cstr(d, "carrier", k->carrier);
    }
    if (step->kind == PLAN_SHIPPED) {
        draft_cstr(d, "guide_id", k->guide);
    } else if (step->kind == PLAN_DELIVERED) {
        draft_i64(d, "attempts", step->what);
        write_place(d, p, true);
    } else if (step->kind == PLAN_CANCELLED) {
        draft_cstr(d, "reason", cancel_reasons[step->what]);
    } else if (step->kind == PLAN_ISSUE) {
        draft_cstr(d, "kind", issue_kinds[step->what - TEXTS_LATE]);
        draft_str(d, "text", fill_text(g, p, k, step, (texts_topic)step->what), 2048);
    } else if (step->kind == PLAN_RESOLVED) {
        draft_bool(d, "solved", step->what != 0);
    } else if (step->kind == PLAN_LOST) {
        draft_str(d, "reason", fill_text(g, p, k, step, TEXTS_LEAVE), 256);
    }
}

static void
write_data(gen *g, draft *d, const plan *p, const keys *k, const plan_step *step)
{
    switch ((plan_kind)step->kind) {
    case PLAN_CREATED:
        write_created(d, p, k);
        break;
    case PLAN_GUIDE:
        write_guide(g, d, p, k);
        break;
    case PLAN_PICKED_UP:
    case PLAN_IN_TRANSIT:
    case PLAN_AT_HUB:
    case PLAN_EXCEPTION:
    case PLAN_OUT:
        write_scan(g, d, p, k, step);
        break;
    case PLAN_FAILED:
        write_failed(g, d, p, k, step);
        break;
    case PLAN_GUIDE_UPDATED:
        write_guide_update(d, k, step);
        break;
    case PLAN_INQUIRY:
        write_inquiry(g, d, p, k, step);
        break;
    case PLAN_FEEDBACK:
        write_feedback(g, d, p, k, step);
        break;
    case PLAN_APPROVED:
    case PLAN_SHIPPED:
    case PLAN_DELIVERED:
    case PLAN_ISSUE:
    case PLAN_RESOLVED:
    case PLAN_CANCELLED:
    case PLAN_LOST:
        write_short(g, d, p, k, step);
        break;
    case PLAN_KINDS:
        RT_UNREACHABLE("a count, not a kind");
    }
}

static rt_str
subject_key(const keys *k, subject about)
{
    switch (about) {
    case SUBJECT_ORDER:
        return rt_str_of(k->order);
    case SUBJECT_CUSTOMER:
        return rt_str_of(k->customer);
    case SUBJECT_GUIDE:
        return rt_str_of(k->guide);
    case SUBJECT_CARRIER:
        break;
    }
    return rt_str_of(k->carrier);
}

void
gen__write_step(gen *g, const plan *p, const plan_step *step)
{
    static const char *const kinds[] = {[SUBJECT_ORDER] = "order",
                                        [SUBJECT_CUSTOMER] = "customer",
                                        [SUBJECT_GUIDE] = "guide",
                                        [SUBJECT_CARRIER] = "carrier"};
    gen_type type = forms[step->kind].type;
    subject about = forms[step->kind].about;
    char id[64];
    size_t key_len = 0;
    size_t suffix_len = strlen(forms[step->kind].suffix);
    char *end = NULL;
    keys k;
    draft d;
    draft_head head = {.type = type_names[type],
                       .source = rt_str_of(g->source),
                       .subject_kind = kinds[about],
                       .time_ms = p->created_ms + step->after_ms,
                       .tenant = g->config.tenant};

    make_keys(p, &k);
    key_len = strlen(k.order);
    memcpy(id, k.order, key_len);
    id[key_len] = ':';
    memcpy(id + key_len + 1, forms[step->kind].suffix, suffix_len);
    end = id + key_len + 1 + suffix_len;
    if (forms[step->kind].numbered) {
        end = put_number(end, p->next, 1);
    }
    head.id = (rt_str){id, (size_t)(end - id)};
    head.subject_key = subject_key(&k, about);
    draft_begin(&d, &g->body, &head);
    write_data(g, &d, p, &k, step);
    draft_end(&d);
    g->stats.types[type]++;
}

static void
begin_carrier_event(gen *g, draft *d, gen_type type, int64_t at_ms, uint8_t carrier, uint8_t city)
{
    const char *name = workload_carrier_at(carrier)->name;
    char id[96];
    int len = snprintf(id, sizeof(id), "%s:%s:%u:%lld", name,
                       type == TYPE_STATUS ? "status" : "capacity", city, (long long)at_ms);
    draft_head head = {.type = type_names[type],
                       .source = rt_str_of(g->source),
                       .subject_kind = "carrier",
                       .subject_key = rt_str_of(name),
                       .time_ms = at_ms,
                       .tenant = g->config.tenant};

    RT_ASSERT(len > 0 && len < (int)sizeof(id));
    head.id = (rt_str){id, (size_t)len};
    draft_begin(d, &g->body, &head);
    g->stats.types[type]++;
}

void
gen__write_status(gen *g, int64_t at_ms, gen_tick tick)
{
    bool recovering = (tick.index & GEN_RECOVERING) != 0;
    const plan_outage *o = &g->outages[tick.index & ~GEN_RECOVERING];
    bool everywhere = o->city == PLAN_EVERYWHERE;
    const char *city = everywhere ? "todo el país" : workload_city_at(o->city)->name;
    const char *form = tick.status == GEN_UP     ? "Operación normal en %s"
                       : tick.status == GEN_DOWN ? "Operación suspendida en %s: sistema caído"
                       : recovering              ? "Se reanuda la operación en %s con represamiento"
                                                 : "Retrasos en la operación de %s";
    const char *hole = strstr(form, "%s");
    draft d;

    rt_text_clear(&g->text);
    rt_text_put(&g->text, form, (size_t)(hole - form));
    rt_text_cstr(&g->text, city);
    rt_text_cstr(&g->text, hole + 2);
    begin_carrier_event(g, &d, TYPE_STATUS, at_ms, o->carrier, o->city);
    draft_cstr(&d, "status", statuses[tick.status]);
    if (!everywhere) { // no city means everywhere
        draft_cstr(&d, "city", city);
    }
    draft_str(&d, "reason", rt_text_view(&g->text), 256);
    draft_end(&d);
}

void
gen__write_capacity(gen *g, int64_t at_ms, uint32_t index)
{
    uint8_t carrier = (uint8_t)(index / WORKLOAD_CITIES);
    uint8_t city = (uint8_t)(index % WORKLOAD_CITIES);
    double a_day = (double)g->config.orders / g->config.days;
    double usual = a_day * workload_city_at(city)->share * workload_carrier_at(carrier)->share;
    double spare = 1.3 + .7 * workload_mix(20, index, (uint64_t)g->load_day);
    draft d;

    begin_carrier_event(g, &d, TYPE_CAPACITY, at_ms, carrier, city);
    draft_cstr(&d, "city", workload_city_at(city)->name);
    draft_i64(&d, "capacity", 2 + (int64_t)ceil(usual * spare));
    draft_i64(&d, "load", g->load[carrier][city]);
    draft_end(&d);
}

void
gen__write_bad(gen *g)
{
    char id[32];
    int len = snprintf(id, sizeof(id), "bad-%llu", (unsigned long long)g->stats.bad);
    unsigned variant = (unsigned)(g->stats.bad % 5);
    draft_head head = {.type = variant == 0 ? "order.teleported" : "customer.feedback",
                       .id = {id, (size_t)len},
                       .source = rt_str_of(g->source),
                       .subject_kind = "customer",
                       .subject_key = RT_STR("c000000"),
                       .time_ms = g->time_ms,
                       .tenant = g->config.tenant};
    draft d;

    rt_mpw_clear(&g->body);
    draft_begin(&d, &g->body, &head);
    if (variant == 1) {
        draft_i64(&d, "score", 5);
        draft_cstr(&d, "colour", "a field that no catalogue knows");
    } else if (variant == 2) {
        draft_cstr(&d, "score", "five");
    } else if (variant == 3) {
        draft_i64(&d, "score", 9);
    } else {
        draft_cstr(&d, "text", "the score is missing");
    }
    draft_end(&d);
}
