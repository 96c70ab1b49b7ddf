// Design notes.
// An event passes here once: situation, journal record (event and context), playbooks, fold,
// agents. The playbooks are looked at before the fold, because a situation views rows that the fold
// changes.
#include <stdio.h>

#include "brain/core/internal.h"
#include "runtime/base/check.h"
#include "runtime/seam/clock.h"

bool
br__turn_room(const br_brain *brain)
{
    // half a group is left for what a taken event or a decision leads to
    uint64_t group = RT_MIN((uint64_t)RT_JOURNAL_GROUP_BYTES_MAX, brain->config.segment_bytes);
    return rt_journal_pending_bytes(brain->journal) < group / 2;
}

static rt_err
journal_event(br_brain *brain, rt_event *event, uint8_t flags, rt_record *ret_record)
{
    rt_mpw *w = rt_journal_begin(brain->journal, RT_RECORD_EVENT, flags, event->at_ms);
    rt_mpw_clear(&brain->scratch);
    br_situation_encode(brain->situation, &brain->scratch);
    event->context = rt_mpw_view(&brain->scratch);
    rt_event_encode(event, w);
    return rt_journal_end(brain->journal, ret_record);
}

br_undecided *
br__wait(br_brain *brain, const rt_event *event, const br_situation *situation, rt_bytes payload)
{
    br_consulted_event said;
    if (br_state_consult(brain->state, situation, brain->arena, &brain->scratch, &said) != RT_OK) {
        brain->metrics.consult_failed++;
    }
    if (!said.follow || payload.len > BR_PENDING_PAYLOAD_MAX) {
        payload = (rt_bytes){NULL, 0};
    }
    return br_pending_push(brain->pending, event, said.consultation, payload);
}

static void
wait_for_answers(br_brain *brain, const rt_event *event, rt_bytes payload, uint64_t hosts)
{
    br_undecided *item = br__wait(brain, event, brain->situation, payload);
    item->waiting = hosts;
    item->deadline_us = rt_clock_mono_us() + brain->config.deadline_ms * 1000;
}

rt_err
br__take(br_brain *brain, rt_event *event, uint64_t *ret_seq)
{
    if (event->depth > RT_EVENT_DEPTH_MAX) {
        return rt_fail(RT_ELIMIT, "caused through more than %d events: a loop of actions",
                       RT_EVENT_DEPTH_MAX);
    }
    bool external = !event->internal;
    if (!br_pending_room(brain->pending, external ? BR_PENDING_RESERVE : 0)) {
        return rt_fail(RT_EFULL, "too many undecided events");
    }
    uint64_t hosts = br__hosts_hear(brain, event->type);
    bool decided =
        external || hosts != 0 || br_state_hears(brain->state, event);
    event->seq = rt_journal_next_seq(brain->journal);
    br_state_situate(brain->state, event, event->at_ms, brain->situation);
    rt_record record;
    rt_err err =
        journal_event(brain, event, decided ? RT_RECORD_UNDECIDED : 0, &record);
    if (err != RT_OK) {
        return err;
    }
    RT_ASSERT(record.seq == event->seq);
    if (decided) {
        wait_for_answers(brain, event, record.payload, hosts);
    }
    br_state_apply_event(brain->state, event, brain->situation);
    br__hosts_note(brain, &record, event->type, false);
    if (rt_str_is(event->type->name, "anomaly.detected") ||
        rt_str_is(event->type->name, "healing.completed") ||
        rt_str_is(event->type->name, "playbook.escalated") ||
        rt_str_is(event->type->name, "playbook.rolled_back")) {
        br__publish_alert(brain, event);
    }
    brain->metrics.playbooks_rolled_back += rt_str_is(event->type->name, "playbook.rolled_back");
    if (external) {
        brain->metrics.events_in++;
    } else {
        brain->metrics.events_internal++;
    }
    *ret_seq = record.seq;
    return RT_OK;
}

static void
write_wire_event(const br_internal_event *event, rt_mpw *w)
{
    rt_mpw_map(w, 5);
    rt_mpw_cstr(w, "id");
    rt_mpw_str(w, event->id);
    rt_mpw_cstr(w, "source");
    rt_mpw_str(w, event->source);
    rt_mpw_cstr(w, "type");
    rt_mpw_cstr(w, event->type);
    rt_mpw_cstr(w, "subject");
    rt_mpw_str(w, event->subject);
    rt_mpw_cstr(w, "data");
    if (event->data.len > 0) {
        rt_mpw_raw(w, event->data);
    } else {
        rt_mpw_map(w, 0);
    }
}

rt_err
br__take_internal(br_brain *brain, const br_internal_event *made, rt_reject *ret_reject)
{
    // its own events go through the same validation as everyone's: an agent's mistake is found here
    rt_mpw wire;
    rt_event event;
    uint64_t seq;
    rt_mpw_init(&wire, RT_JOURNAL_PAYLOAD_MAX);
    write_wire_event(made, &wire);
    rt_mp mp = rt_mp_init(rt_mpw_view(&wire));
    rt_err err =
        rt_event_decode(br_pack_catalog(brain->config.pack), &mp, &event, ret_reject);
    if (err == RT_OK) {
        event.tenant = made->tenant;
        event.internal = true;
        event.depth = made->depth;
        event.correlation = made->correlation;
        event.causation = made->causation;
        event.at_ms = br__now_ms(brain, made->time_ms);
        event.time_ms = made->time_ms == RT_TIME_NONE ? event.at_ms : made->time_ms;
        err = br__take(brain, &event, &seq);
        if (err != RT_OK) {
            ret_reject->err = err;
            ret_reject->path[0] = '\0';
            snprintf(ret_reject->text, sizeof(ret_reject->text), "%s", rt_err_detail());
        }
    }
    rt_mpw_fini(&wire);
    return err;
}

void
br__reject_record(br_brain *brain, rt_str door, const rt_reject *reject, rt_bytes input)
{
    int64_t now_us = rt_clock_mono_us();
    if (now_us - brain->reject_since_us > 1000000) {
        brain->reject_since_us = now_us;
        brain->reject_records = 0;
    }
    if (brain->reject_records++ >= BR_REJECT_RECORDS_PER_SECOND) {
        brain->metrics.rejects_unrecorded++;
        return;
    }
    rt_record record;
    rt_bytes head = {input.ptr, RT_MIN(input.len, 256)};
    rt_mpw *w = rt_journal_begin(brain->journal, RT_RECORD_REJECT, 0,
                                 br__now_ms(brain, RT_TIME_NONE));
    rt_mpw_array(w, 5);
    rt_mpw_str(w, door);
    rt_mpw_cstr(w, rt_err_name(reject->err));
    rt_mpw_cstr(w, reject->path);
    rt_mpw_cstr(w, reject->text);
    rt_mpw_bin(w, head);
    if (rt_journal_end(brain->journal, &record) == RT_OK) {
        br_state_apply_reject(brain->state, &record);
        br__hosts_note(brain, &record, NULL, false);
    }
}
