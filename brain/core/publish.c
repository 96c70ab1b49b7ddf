// Publications: decisions in batches per tenant, actions and alerts one by one. A message is a
// topic, a zero byte, and msgpack; publications may be lost by a slow subscriber, who sees the gap
// in the numbers and asks the control door for the records.
#include <stdio.h>

#include "brain/core/internal.h"
#include "runtime/base/check.h"

#define PUBLICATION_HEAD_BYTES 256u // topic, zero byte and what stands before the records, at most
// A subscriber's queue is bounded in messages, so a message is kept from being very large.
#define PUBLICATION_BYTES_MAX (128u * 1024)

static void
begin_message(br_brain *brain, const char *family, rt_str tenant, rt_str detail)
{
    char topic[160];
    int len = snprintf(topic, sizeof(topic), "%s.%.*s%s%.*s", family, RT_STR_ARG(tenant),
                       detail.len > 0 ? "." : "", RT_STR_ARG(detail));
    rt_mpw_clear(&brain->message);
    rt_mpw_raw(&brain->message,
               (rt_bytes){(const uint8_t *)topic, (size_t)RT_MIN(len, (int)sizeof(topic) - 1) + 1});
}

static void
send(br_brain *brain)
{
    // one record larger than the door allows is not sent: its number is missing, as for any loss
    if (brain->pub != NULL && !brain->message.failed &&
        brain->message.len <= brain->config.limits.message_bytes_max) {
        rt_pub_send(brain->pub, rt_mpw_view(&brain->message));
        brain->metrics.publications++;
    }
}

void
br__publish_decision(br_brain *brain, const rt_record *record, uint16_t tenant)
{
    if (brain->pub == NULL) {
        return;
    }
    br_outgoing *out = &brain->outgoing[tenant];
    if (out->items.max == 0) {
        rt_mpw_init(&out->items, RT_JOURNAL_GROUP_BYTES_MAX);
    }
    msg_record item = {.seq = record->seq,
                       .at_ms = record->at_ms,
                       .kind = record->kind,
                       .flags = record->flags,
                       .payload = record->payload};
    rt_msg_encode(&msg_record_def, &item, &out->items);
    out->first_seq = out->count == 0 ? record->seq : out->first_seq;
    out->last_seq = record->seq;
    out->count++;
}

// How many of the records at `items`, at least one, go into a message of the size allowed.
static uint32_t
fitting(rt_mp items, size_t max, uint32_t count, uint64_t *ret_last_seq, rt_mp *ret_rest)
{
    const uint8_t *begin = items.at;
    uint32_t fit = 0;
    for (; fit < count; fit++) {
        rt_mp item = items;
        uint32_t fields;
        uint64_t version;
        rt_err err = rt_mp_skip(&items);
        RT_ASSERT(err == RT_OK); // encoded by ourselves
        if (fit > 0 && (size_t)(items.at - begin) > max) {
            break;
        }
        *ret_rest = items;
        err = rt_mp_array(&item, &fields);
        RT_ASSERT(err == RT_OK);
        err = rt_mp_u64(&item, &version);
        RT_ASSERT(err == RT_OK);
        err = rt_mp_u64(&item, ret_last_seq);
        RT_ASSERT(err == RT_OK);
    }
    return fit;
}

// Same bytes as rt_msg_encode of a msg_publication, whose items are encoded already.
static void
publish_part(br_brain *brain, uint16_t tenant, const br_outgoing *part, rt_bytes items)
{
    begin_message(brain, "decisions", br__tenant_name(brain, (rt_tenant){tenant}), RT_STR(""));
    rt_mpw *w = &brain->message;
    rt_mpw_array(w, 1 + msg_publication_def.field_count);
    rt_mpw_u64(w, msg_publication_def.version);
    rt_mpw_u64(w, ++brain->publish_number);
    rt_mpw_u64(w, part->first_seq);
    rt_mpw_u64(w, part->last_seq);
    rt_mpw_array(w, part->count);
    rt_mpw_raw(w, items);
    send(brain);
}

// A turn's decisions in as few messages as the size allowed permits; usually one.
static void
publish_batch(br_brain *brain, uint16_t tenant, br_outgoing *out)
{
    br_outgoing part = {
        .first_seq = out->first_seq, .last_seq = out->last_seq, .count = out->count};
    rt_mp items = rt_mp_init(rt_mpw_view(&out->items));
    size_t max = RT_MIN(brain->config.limits.message_bytes_max, PUBLICATION_BYTES_MAX);
    max -= RT_MIN(max, PUBLICATION_HEAD_BYTES);
    for (uint32_t left = out->count; left > 0; left -= part.count) {
        rt_mp rest = {items.end, items.end};
        part.count = left;
        part.last_seq = out->last_seq;
        if ((size_t)(items.end - items.at) > max) {
            part.count = fitting(items, max, left, &part.last_seq, &rest);
        }
        publish_part(brain, tenant, &part, (rt_bytes){items.at, (size_t)(rest.at - items.at)});
        part.first_seq = part.last_seq + 1;
        items = rest;
    }
    rt_mpw_clear(&out->items);
    out->count = 0;
}

void
br__publish_flush(br_brain *brain)
{
    if (brain->pub == NULL) {
        return;
    }
    if (brain->outgoing[0].count > 0) {
        publish_batch(brain, 0, &brain->outgoing[0]);
    }
    for (size_t i = 0; i < brain->config.tenant_count; i++) {
        uint16_t tenant = brain->config.tenants[i].number;
        if (brain->outgoing[tenant].count > 0) {
            publish_batch(brain, tenant, &brain->outgoing[tenant]);
        }
    }
}

void
br__publish_action(br_brain *brain, const br_intent *intent)
{
    begin_message(brain, "actions", br__tenant_name(brain, intent->tenant), intent->action);
    rt_mpw *w = &brain->message;
    rt_mpw_map(w, 5);
    rt_mpw_cstr(w, "action_id");
    rt_mpw_str(w, intent->action_id);
    rt_mpw_cstr(w, "action");
    rt_mpw_str(w, intent->action);
    rt_mpw_cstr(w, "target");
    rt_mpw_str(w, intent->target);
    rt_mpw_cstr(w, "at_ms");
    rt_mpw_i64(w, intent->at_ms);
    rt_mpw_cstr(w, "args");
    if (intent->args.len > 0) {
        rt_mpw_raw(w, intent->args);
    } else {
        rt_mpw_nil(w);
    }
    send(brain);
}

void
br__publish_alert(br_brain *brain, const rt_event *event)
{
    if (brain->pub == NULL) {
        return;
    }
    rt_str tenant = br__tenant_name(brain, event->tenant);
    begin_message(brain, "alerts", tenant, event->type->name);
    rt_event_to_cloudevent(event, tenant, &brain->message);
    send(brain);
}
