// Publications: decisions in batches per tenant, actions and alerts one by one. A message is a
// topic, a zero byte, and msgpack; publications may be lost by a slow subscriber, who sees the gap
// in the numbers and asks the control door for the records.
#include <stdio.h>

#include "brain/core/internal.h"
#include "runtime/base/alloc.h"

#define ITEM_HEAD_BYTES 40u         // of a record around its payload, at most
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
    if (brain->pub != NULL && !brain->message.failed && !br__starved(brain) &&
        brain->message.len <= brain->config.limits.message_bytes_max) {
        rt_pub_send(brain->pub, rt_mpw_view(&brain->message));
        brain->metrics.publications++;
    }
}

// The part that a record of about `len` bytes goes into: the last one while it stays small enough.
static br_part *
part_for(const br_brain *brain, br_outgoing *out, size_t len, uint64_t seq)
{
    size_t max = RT_MIN(brain->config.limits.message_bytes_max, PUBLICATION_BYTES_MAX);
    size_t begin = out->part_count > 1 ? out->parts[out->part_count - 2].end : 0;
    if (out->part_count > 0 && out->items.len - begin + len + PUBLICATION_HEAD_BYTES <= max) {
        return &out->parts[out->part_count - 1];
    }
    if (out->part_count == out->part_cap) {
        out->part_cap = RT_MAX(out->part_cap * 2, 16u);
        out->parts = rt_realloc(out->parts, out->part_cap * sizeof(br_part));
    }
    br_part *part = &out->parts[out->part_count++];
    *part = (br_part){.first_seq = seq};
    return part;
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
    br_part *part = part_for(brain, out, record->payload.len + ITEM_HEAD_BYTES, record->seq);
    rt_msg_encode(&msg_record_def, &item, &out->items);
    part->last_seq = record->seq;
    part->end = out->items.len;
    part->count++;
}

// Same bytes as rt_msg_encode of a msg_publication, whose items are encoded already.
static void
publish_part(br_brain *brain, uint16_t tenant, const br_part *part, rt_bytes items)
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
    size_t begin = 0;
    for (uint32_t i = 0; i < out->part_count; i++) {
        const br_part *part = &out->parts[i];
        publish_part(brain, tenant, part, (rt_bytes){out->items.ptr + begin, part->end - begin});
        begin = part->end;
    }
    rt_mpw_clear(&out->items);
    out->part_count = 0;
}

void
br__publish_flush(br_brain *brain)
{
    if (brain->pub == NULL) {
        return;
    }
    if (brain->outgoing[0].part_count > 0) {
        publish_batch(brain, 0, &brain->outgoing[0]);
    }
    for (size_t i = 0; i < brain->config.tenant_count; i++) {
        uint16_t tenant = brain->config.tenants[i].number;
        if (brain->outgoing[tenant].part_count > 0) {
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
