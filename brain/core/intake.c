// Design notes. A message becomes a delivery on the lane of its most urgent event; a batch of many
// normal events goes to the low lane, so that who has little to say does not wait behind who has
// much. Lanes are served high, normal, low with credits 8 : 4 : 1, so that none starves. A delivery
// is taken event by event; it may stay half taken over several turns (undecided events full, or the
// events' clock would run too far ahead). Its answer goes out after the commit that makes its last
// event durable.
#include <stdio.h>

#include "brain/core/control.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/civil.h"
#include "runtime/seam/clock.h"
#include "runtime/wire/json.h"

#define SPARE_BYTES_MAX 16384u
#define BULK_EVENTS 64u // in a batch; more are bulk

static const uint32_t lane_credits[BR_LANES] = {8, 4, 1};

static bool
looks_like_json(rt_bytes body)
{
    uint8_t first = body.len > 0 ? body.ptr[0] : 0;
    return first == '{' || first == '[' || first == ' ' || first == '\n' || first == '\t' ||
           first == '\r';
}

static br_delivery *
new_delivery(br_brain *brain)
{
    br_delivery *delivery = brain->spare;
    if (delivery != NULL) {
        brain->spare = delivery->next;
        delivery->next = NULL;
        return delivery;
    }
    delivery = rt_new(br_delivery);
    rt_mpw_init(&delivery->transcoded, RT_JSON_BYTES_MAX * 2);
    rt_mpw_init(&delivery->results, BR_REPLY_BYTES_MAX);
    return delivery;
}

// A buffer is kept for the next delivery, but not one that a large batch made large: there are as
// many deliveries as requests that ever were outstanding.
static void
clear(rt_mpw *w)
{
    size_t max = w->max;
    rt_mpw_clear(w);
    if (w->cap > SPARE_BYTES_MAX) {
        rt_mpw_fini(w);
        rt_mpw_init(w, max);
    }
}

static void
recycle(br_brain *brain, br_delivery *delivery)
{
    clear(&delivery->transcoded);
    clear(&delivery->results);
    rt_mpw transcoded = delivery->transcoded;
    rt_mpw results = delivery->results;
    *delivery = (br_delivery){.transcoded = transcoded, .results = results, .next = brain->spare};
    brain->spare = delivery;
}

static void
reply(br_brain *brain, br_delivery *delivery)
{
    rt_mpw *w = &brain->message;
    rt_mpw_clear(w);
    rt_mpw_map(w, 4);
    rt_mpw_cstr(w, "ok");
    rt_mpw_u64(w, delivery->ok);
    rt_mpw_cstr(w, "duplicates");
    rt_mpw_u64(w, delivery->duplicates);
    rt_mpw_cstr(w, "errors");
    rt_mpw_u64(w, delivery->errors);
    rt_mpw_cstr(w, "results");
    rt_mpw_array(w, (uint32_t)(delivery->ok + delivery->duplicates + delivery->errors));
    rt_mpw_raw(w, rt_mpw_view(&delivery->results));
    rt_bytes answer = rt_mpw_view(w);
    if (delivery->call != NULL) {
        br__control_published(delivery->call, answer);
    } else if (delivery->request != NULL && delivery->json) {
        rt_text text;
        rt_text_init(&text, BR_REPLY_BYTES_MAX * 2);
        if (rt_json_from_mp(answer, &text) == RT_OK) {
            answer = rt_bytes_of_str(rt_text_view(&text));
        }
        rt_request_reply(delivery->request, answer);
        rt_text_fini(&text);
    } else if (delivery->request != NULL) {
        rt_request_reply(delivery->request, answer);
    } else {
        rt_parcel_free(delivery->parcel);
    }
    recycle(brain, delivery);
}

static void
result_ok(br_delivery *delivery, const char *status, uint64_t seq)
{
    rt_mpw_array(&delivery->results, 2);
    rt_mpw_cstr(&delivery->results, status);
    rt_mpw_u64(&delivery->results, seq);
}

static void
result_error(br_delivery *delivery, const rt_reject *reject)
{
    delivery->errors++;
    rt_mpw_array(&delivery->results, 4);
    rt_mpw_cstr(&delivery->results, "error");
    rt_mpw_cstr(&delivery->results, rt_err_name(reject->err));
    rt_mpw_cstr(&delivery->results, reject->path);
    rt_mpw_cstr(&delivery->results, reject->text);
}

static rt_str
door_name(const br_delivery *delivery)
{
    if (delivery->call != NULL) {
        return RT_STR("control");
    }
    return delivery->request != NULL ? RT_STR("ingest") : RT_STR("pull");
}

static void
refuse(br_brain *brain, br_delivery *delivery, const rt_reject *reject, rt_bytes input)
{
    brain->metrics.events_rejected++;
    result_error(delivery, reject);
    br__reject_record(brain, door_name(delivery), reject, input);
}

static void
finish(br_brain *brain, br_delivery *delivery)
{
    delivery->next = NULL;
    if (brain->done_last != NULL) {
        brain->done_last->next = delivery;
    } else {
        brain->done_first = delivery;
    }
    brain->done_last = delivery;
}

// The most urgent event decides. Only `type` and `priority` are looked at.
static rt_priority
event_priority(br_brain *brain, rt_bytes event)
{
    rt_mp at;
    rt_str name;
    if (rt_mp_find(event, RT_STR("priority"), &at) && rt_mp_str(&at, &name) == RT_OK) {
        // what is none of the three is refused later
        return rt_str_is(name, "high")  ? RT_PRIORITY_HIGH
               : rt_str_is(name, "low") ? RT_PRIORITY_LOW
                                        : RT_PRIORITY_NORMAL;
    }
    if (rt_mp_find(event, RT_STR("type"), &at) && rt_mp_str(&at, &name) == RT_OK) {
        const rt_event_type *type = rt_catalog_find(br_pack_catalog(brain->config.pack), name);
        return type != NULL ? type->priority : RT_PRIORITY_NORMAL;
    }
    return RT_PRIORITY_NORMAL;
}

static rt_priority
delivery_priority(br_brain *brain, const br_delivery *delivery)
{
    bool bulk = delivery->count > BULK_EVENTS;
    // lanes only matter when messages wait; an idle brain takes them all in this turn anyway
    if (brain->current == NULL && brain->lanes[1].depth == 0) {
        return bulk ? RT_PRIORITY_LOW : RT_PRIORITY_NORMAL;
    }
    rt_mp mp = delivery->at;
    rt_priority most = RT_PRIORITY_LOW;
    for (uint32_t i = 0; i < delivery->left && most != RT_PRIORITY_HIGH; i++) {
        rt_bytes raw;
        if (rt_mp_raw(&mp, &raw) != RT_OK) {
            break;
        }
        rt_priority priority = event_priority(brain, raw);
        most = RT_MAX(most, priority);
    }
    return bulk && most == RT_PRIORITY_NORMAL ? RT_PRIORITY_LOW : most;
}

static rt_err
open_message(br_delivery *delivery, rt_bytes body, rt_reject *ret_reject)
{
    rt_err err = RT_OK;
    delivery->json = looks_like_json(body);
    if (delivery->json) {
        err = rt_json_to_mp(rt_str_of_bytes(body), &delivery->transcoded);
        body = rt_mpw_view(&delivery->transcoded);
    } else {
        err = rt_mp_check(body);
    }
    if (err == RT_OK) {
        rt_mp_token token;
        delivery->at = rt_mp_init(body);
        rt_mp probe = delivery->at;
        err = rt_mp_next(&probe, &token);
        if (err == RT_OK && token.type == RT_MP_ARRAY) {
            delivery->count = token.count;
            delivery->at = probe;
        } else if (err == RT_OK && token.type == RT_MP_MAP) {
            delivery->count = 1;
        } else if (err == RT_OK) {
            err = rt_fail(RT_EPROTO, "an event is a map, a batch an array of maps");
        }
        if (err == RT_OK && delivery->count > RT_EVENT_BATCH_MAX) {
            err = rt_fail(RT_ELIMIT, "a batch holds at most %d events, not %u",
                          RT_EVENT_BATCH_MAX, delivery->count);
        }
    }
    if (err != RT_OK) {
        delivery->count = 0;
        *ret_reject = (rt_reject){.err = err};
        snprintf(ret_reject->text, sizeof(ret_reject->text), "%s", rt_err_detail());
    }
    delivery->left = delivery->count;
    return err;
}

void
br__intake_deliver(br_brain *brain, rt_request *request, rt_parcel *parcel, rt_ctl_call *call,
                   rt_bytes body)
{
    br_delivery *delivery = new_delivery(brain);
    rt_reject reject;
    delivery->request = request;
    delivery->parcel = parcel;
    delivery->call = call;
    brain->metrics.messages_in++;
    if (open_message(delivery, body, &reject) != RT_OK) {
        brain->metrics.messages_rejected++;
        refuse(brain, delivery, &reject, body);
        finish(brain, delivery);
        rt_wake_send(brain->wake);
        return;
    }
    br_lane *lane = &brain->lanes[RT_PRIORITY_HIGH - delivery_priority(brain, delivery)];
    if (lane->depth == BR_LANE_DEPTH) {
        brain->metrics.lanes_full++;
        reject = (rt_reject){.err = RT_EFULL, .text = "the priority lane is full, send again"};
        result_error(delivery, &reject);
        delivery->left = 0;
        finish(brain, delivery);
        rt_wake_send(brain->wake);
        return;
    }
    if (lane->last != NULL) {
        lane->last->next = delivery;
    } else {
        lane->first = delivery;
    }
    lane->last = delivery;
    lane->depth++;
    rt_wake_send(brain->wake);
}

static br_delivery *
pop_lane(br_lane *lane)
{
    br_delivery *delivery = lane->first;
    lane->first = delivery->next;
    if (lane->first == NULL) {
        lane->last = NULL;
    }
    lane->depth--;
    delivery->next = NULL;
    return delivery;
}

static br_delivery *
next_delivery(br_brain *brain)
{
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < BR_LANES; i++) {
            if (brain->lanes[i].first != NULL && brain->lane_credit[i] > 0) {
                brain->lane_credit[i]--;
                return pop_lane(&brain->lanes[i]);
            }
        }
        memcpy(brain->lane_credit, lane_credits, sizeof(lane_credits));
    }
    return NULL;
}

// Events that change the brain's own books come from the brain only.
static const char *const own_types[] = {"timer.fired",           "action.executed",
                                        "message.dead_lettered", "dead_letter.resolved",
                                        "system.halted",         "system.resumed",
                                        "decision.rewarded",     "metric.sampled",
                                        "playbook.mode_set",     "approval.requested",
                                        "approval.decided",      "approval.expired",
                                        "playbook.acknowledged", "playbook.run_ended",
                                        "playbook.rolled_back",  BR_SCHEDULES_LIVE};

static void
note_own_types(br_brain *brain)
{
    const rt_catalog *catalog = br_pack_catalog(brain->config.pack);
    for (size_t i = 0; i < RT_COUNT(own_types); i++) {
        const rt_event_type *type = rt_catalog_find(catalog, rt_str_of(own_types[i]));
        if (type != NULL) {
            brain->own_types[type->index / 64] |= 1ull << (type->index % 64);
        }
    }
}

static bool
own_type(const br_brain *brain, const rt_event_type *type)
{
    return (brain->own_types[type->index / 64] >> (type->index % 64) & 1) != 0;
}

static rt_err
say(rt_reject *reject, rt_err err, const char *path, const char *text)
{
    *reject = (rt_reject){.err = err};
    snprintf(reject->path, sizeof(reject->path), "%s", path);
    snprintf(reject->text, sizeof(reject->text), "%s", text);
    return err;
}

static rt_err
check_time(br_brain *brain, const rt_event *event, rt_reject *reject)
{
    const br_brain_config *config = &brain->config;
    int64_t clock = config->clock_from_events ? brain->state->meta.clock_ms : rt_clock_wall_ms();
    // a clock driven by events takes its first reading from the first event
    if (clock == 0) {
        return RT_OK;
    }
    char at[RT_RFC3339_CAP];
    char text[RT_REJECT_TEXT_MAX];
    if (event->time_ms - clock > config->future_max_ms) {
        char limit[32];
        snprintf(text, sizeof(text), "%s is more than %s ahead of the brain's clock",
                 rt_format_rfc3339(event->time_ms, at),
                 rt_format_duration(config->future_max_ms, limit, sizeof(limit)));
        return say(reject, RT_EFUTURE, "time", text);
    }
    if (clock - event->time_ms > config->age_max_ms) {
        char limit[32];
        snprintf(text, sizeof(text), "%s is more than %s ago",
                 rt_format_rfc3339(event->time_ms, at),
                 rt_format_duration(config->age_max_ms, limit, sizeof(limit)));
        return say(reject, RT_ESTALE, "time", text);
    }
    return RT_OK;
}

static rt_err
check_rate(br_brain *brain, const rt_event *event, rt_reject *reject)
{
    if (brain->config.rate_per_source == 0) {
        return RT_OK;
    }
    int64_t now_us = rt_clock_mono_us();
    if (now_us - brain->rates_since_us > 1000000) {
        rt_map_free(brain->rates);
        brain->rates = rt_map_new();
        brain->rates_since_us = now_us;
    }
    uint64_t count = 0;
    (void)rt_map_get(brain->rates, rt_bytes_of_str(event->source), &count); // absent: 0
    if (count >= (uint64_t)brain->config.rate_per_source) {
        brain->metrics.rate_limited++;
        return say(reject, RT_EBUSY, "source", "this source sends too many events a second");
    }
    (void)rt_map_put(brain->rates, rt_bytes_of_str(event->source), count + 1);
    return RT_OK;
}

// Whose it is and when it happened; after this it can be told from others.
static rt_err
identify(br_brain *brain, rt_event *event, rt_reject *reject)
{
    if (!br__tenant_find(brain, event->tenant_name, &event->tenant)) {
        char text[RT_REJECT_TEXT_MAX];
        snprintf(text, sizeof(text), "unknown tenant '%.*s'", RT_STR_ARG(event->tenant_name));
        return say(reject, RT_EUNKNOWN, "tenant", text);
    }
    if (own_type(brain, event->type)) {
        return say(reject, RT_EDENIED, "type", "this event is raised by the brain only");
    }
    if (event->time_ms == RT_TIME_NONE) {
        event->time_ms = br__now_ms(brain, RT_TIME_NONE);
    }
    return RT_OK;
}

// With the events' own clock, what is undecided, or decided and not done yet, must not fall too far
// behind the event at hand, or a fast replay would decide the morning's events in the evening, and
// its outcomes would fall at other places in each run.
static bool
clock_would_run_ahead(br_brain *brain, const rt_event *event)
{
    if (!brain->config.clock_from_events ||
        (br_pending_count(brain->pending) == 0 && br__execute_waiting(brain) == 0)) {
        return false;
    }
    return br__now_ms(brain, event->time_ms) - brain->state->meta.clock_ms >
               brain->config.clock_lag_max_ms ||
           br_timers_are_due(brain->state->timers, event->time_ms);
}

typedef enum take_result { TAKEN, WAIT } take_result;

static take_result
take_one(br_brain *brain, br_delivery *delivery)
{
    rt_event event;
    rt_reject reject;
    rt_mp before = delivery->at;
    rt_err err =
        rt_event_decode(br_pack_catalog(brain->config.pack), &delivery->at, &event, &reject);
    rt_bytes raw = {before.at, (size_t)(delivery->at.at - before.at)};
    uint64_t seq = 0;
    int64_t now_ms = 0; // read once: the clock costs as much as a lookup
    if (err == RT_OK) {
        err = identify(brain, &event, &reject);
    }
    if (err == RT_OK) {
        now_ms = br__now_ms(brain, event.time_ms);
    }
    // before its time is judged: what was taken once is a duplicate however old it has become
    if (err == RT_OK && br_dedup_seen(brain->state->dedup, &event, &seq)) {
        delivery->duplicates++;
        brain->metrics.events_duplicate++;
        result_ok(delivery, "duplicate", seq);
        return TAKEN;
    }
    if (err == RT_OK) {
        err = check_time(brain, &event, &reject);
    }
    if (err == RT_OK && (!br_pending_room(brain->pending, BR_PENDING_RESERVE) ||
                         clock_would_run_ahead(brain, &event))) {
        delivery->at = before;
        return WAIT;
    }
    if (err == RT_OK) {
        br__fire_timers(brain, now_ms);
        if (br_timers_are_due(brain->state->timers, now_ms) ||
            !br_pending_room(brain->pending, BR_PENDING_RESERVE) ||
            clock_would_run_ahead(brain, &event)) {
            delivery->at = before; // timers just fired come first, with what they lead to
            return WAIT;
        }
        err = check_rate(brain, &event, &reject); // once an event, so not before it may be taken
    }
    if (err == RT_OK) {
        event.at_ms = RT_MAX(now_ms, brain->state->meta.clock_ms); // timers may have moved it
        err = br__take(brain, &event, &seq);
        if (err != RT_OK) {
            (void)say(&reject, err, "", rt_err_detail()); // `err` is kept
        }
    }
    if (err != RT_OK) {
        refuse(brain, delivery, &reject, raw);
        return TAKEN;
    }
    delivery->ok++;
    result_ok(delivery, "ok", seq);
    return TAKEN;
}

bool
br__intake_take(br_brain *brain)
{
    uint32_t taken = 0;
    while (taken < BR_TURN_EVENTS_MAX && brain->failed == RT_OK) {
        if (brain->current == NULL) {
            brain->current = next_delivery(brain);
        }
        br_delivery *delivery = brain->current;
        if (delivery == NULL) {
            break;
        }
        while (delivery->left > 0 && taken < BR_TURN_EVENTS_MAX) {
            if (!br__turn_room(brain) || take_one(brain, delivery) == WAIT) {
                return taken > 0;
            }
            delivery->left--;
            taken++;
        }
        if (delivery->left == 0) {
            brain->current = NULL;
            finish(brain, delivery);
        }
    }
    return taken > 0;
}

bool
br__intake_waiting(const br_brain *brain)
{
    if (brain->current != NULL) {
        return true;
    }
    for (size_t i = 0; i < BR_LANES; i++) {
        if (brain->lanes[i].first != NULL) {
            return true;
        }
    }
    return false;
}

void
br__intake_acknowledge(br_brain *brain)
{
    while (brain->done_first != NULL) {
        br_delivery *delivery = brain->done_first;
        brain->done_first = delivery->next;
        if (brain->done_first == NULL) {
            brain->done_last = NULL;
        }
        reply(brain, delivery);
    }
}

static void
on_request(void *user, rt_request *request, rt_bytes body)
{
    br__intake_deliver(user, request, NULL, NULL, body);
}

static void
on_parcel(void *user, rt_parcel *parcel, rt_bytes body)
{
    br__intake_deliver(user, NULL, parcel, NULL, body);
}

rt_err
br__intake_open(br_brain *brain)
{
    const br_brain_config *config = &brain->config;
    rt_err err = RT_OK;
    note_own_types(brain);
    if (config->ingest_url != NULL) {
        err = rt_rep_listen(brain->loop, config->ingest_url, config->limits, on_request, brain,
                            &brain->rep);
    }
    if (err == RT_OK && config->pull_url != NULL) {
        err = rt_pull_listen(brain->loop, config->pull_url, config->limits, on_parcel, brain,
                             &brain->pull);
    }
    brain->doors_open = err == RT_OK;
    return err;
}

void
br__intake_pause(br_brain *brain, bool paused)
{
    if (brain->doors_paused == paused) {
        return;
    }
    brain->doors_paused = paused;
    if (brain->rep != NULL) {
        rt_rep_pause(brain->rep, paused);
    }
    if (brain->pull != NULL) {
        rt_pull_pause(brain->pull, paused);
    }
}

// What was published through the control door and is not durable: its caller is told, since for him
// nothing but an answer ends the call.
static void
refuse_calls(br_brain *brain, br_delivery *list)
{
    for (; list != NULL; list = list->next) {
        if (list->call != NULL) {
            br__refuse(brain->control, list->call, RT_ECLOSED,
                       "publish it again: under the same id it counts once",
                       "the brain stopped before this was durable");
            list->call = NULL;
        }
    }
}

void
br__intake_refuse(br_brain *brain)
{
    refuse_calls(brain, brain->current);
    refuse_calls(brain, brain->done_first);
    for (size_t i = 0; i < BR_LANES; i++) {
        refuse_calls(brain, brain->lanes[i].first);
    }
}

static void
free_list(br_delivery *list)
{
    while (list != NULL) {
        br_delivery *next = list->next;
        rt_mpw_fini(&list->transcoded);
        rt_mpw_fini(&list->results);
        rt_free(list);
        list = next;
    }
}

void
br__intake_free(br_brain *brain)
{
    br__intake_refuse(brain);
    free_list(brain->current);
    free_list(brain->done_first);
    free_list(brain->spare);
    for (size_t i = 0; i < BR_LANES; i++) {
        free_list(brain->lanes[i].first);
    }
}
