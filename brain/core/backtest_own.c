// Design notes.
// What the brain makes itself is made here again: outcomes, events of the executor `emit`, events
// that playbooks raise, and timers. A recorded one is kept with its own number when the fork has
// its cause as well, so that an unchanged set stays byte by byte what it was; else it is dropped,
// or, when the same action only got another name, made anew in its place.
#include <stdio.h>

#include "brain/core/backtest_internal.h"
#include "runtime/base/check.h"
#include "runtime/store/key.h"

#define OUTCOME_BYTES_MAX 4096

// An event of the fork's own, before it is validated as everyone's are.
typedef struct own_event {
    const char *type;
    rt_tenant tenant;
    rt_str id;
    const char *source;
    rt_str subject;
    rt_str correlation;
    rt_str causation;
    uint8_t depth;
    int64_t time_ms; // INT64_MIN: now
    rt_bytes data;
} own_event;

static rt_err
take_own(br__fork *f, const own_event *made, bool *ret_taken)
{
    rt_event event;
    rt_reject reject;
    rt_mpw *w = &f->wire;
    *ret_taken = false;
    rt_mpw_clear(w);
    rt_mpw_map(w, 5);
    rt_mpw_cstr(w, "id");
    rt_mpw_str(w, made->id);
    rt_mpw_cstr(w, "source");
    rt_mpw_cstr(w, made->source);
    rt_mpw_cstr(w, "type");
    rt_mpw_cstr(w, made->type);
    rt_mpw_cstr(w, "subject");
    rt_mpw_str(w, made->subject);
    rt_mpw_cstr(w, "data");
    rt_mpw_raw(w, made->data);
    rt_mp mp = rt_mp_init(rt_mpw_view(w));
    if (made->depth > RT_EVENT_DEPTH_MAX ||
        rt_event_decode(br_pack_catalog(f->config->state.pack), &mp, &event, &reject) != RT_OK) {
        return RT_OK; // refused, as it would be live
    }
    int64_t clock_ms = f->state->meta.clock_ms;
    event.seq = ++f->own_seq;
    event.tenant = made->tenant;
    event.internal = true;
    event.depth = made->depth;
    event.correlation = made->correlation;
    event.causation = made->causation;
    event.at_ms = made->time_ms == INT64_MIN ? clock_ms : RT_MAX(clock_ms, made->time_ms);
    event.time_ms = made->time_ms == INT64_MIN ? event.at_ms : made->time_ms;
    *ret_taken = true;
    bool heard = br_state_hears(f->state, &event);
    return br__fork_take(f, &event, heard, true);
}

// --- actions -------------------------------------------------------------------------------------

typedef struct outcome {
    const char *status;
    uint64_t attempts;
    rt_str detail;
} outcome;

static rt_err
end_action(br__fork *f, const br_intent *intent, const outcome *end)
{
    char id[BR_ACTION_ID_MAX + 32];
    bool taken;
    rt_mpw data;
    rt_mpw_init(&data, OUTCOME_BYTES_MAX);
    rt_mpw_map(&data, 6);
    rt_mpw_cstr(&data, "action_id");
    rt_mpw_str(&data, intent->action_id);
    rt_mpw_cstr(&data, "action");
    rt_mpw_str(&data, intent->action);
    rt_mpw_cstr(&data, "decision_seq");
    rt_mpw_u64(&data, intent->decision_seq);
    rt_mpw_cstr(&data, "status");
    rt_mpw_cstr(&data, end->status);
    rt_mpw_cstr(&data, "attempts");
    rt_mpw_u64(&data, end->attempts);
    rt_mpw_cstr(&data, "detail");
    rt_mpw_str(&data, end->detail);
    int len = snprintf(id, sizeof(id), "%.*s/%llu", RT_STR_ARG(intent->action_id),
                       (unsigned long long)f->own_seq);
    own_event made = {.type = "action.executed",
                      .tenant = intent->tenant,
                      .id = {id, (size_t)len},
                      .source = "/brain/outbox",
                      .subject = intent->target,
                      .causation = intent->action_id,
                      .depth = (uint8_t)RT_MIN(intent->depth + 1, RT_EVENT_DEPTH_MAX),
                      .time_ms = INT64_MIN,
                      .data = rt_mpw_view(&data)};
    rt_err err = take_own(f, &made, &taken);
    rt_mpw_fini(&data);
    return err;
}

static rt_err
emit_event(br__fork *f, const br_intent *intent, const br_action *action, bool *ret_taken)
{
    char type[96];
    snprintf(type, sizeof(type), "%.*s", RT_STR_ARG(action->emits));
    own_event made = {.type = type,
                      .tenant = intent->tenant,
                      .id = intent->action_id,
                      .source = "/brain/actions",
                      .subject = intent->target,
                      .causation = intent->action_id,
                      .depth = (uint8_t)(intent->depth + 1),
                      .time_ms = INT64_MIN,
                      .data = intent->args};
    return take_own(f, &made, ret_taken);
}

static rt_err
run_one(br__fork *f, const char *id)
{
    br_intent intent; // its views last until the outbox changes, which its end does
    bool taken = true;
    rt_err err = RT_OK;
    if (!br_outbox_get(f->state->outbox, rt_str_of(id), &intent)) {
        return RT_OK;
    }
    const br_action *action = br_pack_action(f->config->state.pack, intent.action);
    outcome end = {.status = "executed", .attempts = 1};
    if (br_gate_halted(f->state->gate)) {
        end = (outcome){.status = "cancelled", .detail = RT_STR("halted before it was sent")};
    } else if (action == NULL) {
        end = (outcome){.status = "failed",
                        .detail = RT_STR("the pack no longer has this action")};
    } else if (action->executor == BR_EXECUTE_EMIT) {
        err = emit_event(f, &intent, action, &taken);
        end.status = taken ? "executed" : "failed";
    }
    f->result->assumed++;
    return err != RT_OK ? err : end_action(f, &intent, &end);
}

static br__fork_action *
queued(br__fork *f, size_t index)
{
    return &f->queue[(f->queue_first + index) % BR_OUTBOX_MAX];
}

rt_err
br__fork_run_new(br__fork *f, rt_str until)
{
    size_t ahead = 0;
    while (ahead < f->queue_count &&
           (until.len == 0 || !rt_str_is(until, queued(f, ahead)->id))) {
        ahead++;
    }
    if (until.len > 0 && ahead++ == f->queue_count) {
        return RT_OK; // a webhook, which ends whenever it does, or an action that is lost
    }
    rt_err err = RT_OK;
    for (; ahead > 0 && err == RT_OK; ahead--) {
        br__fork_action action = *queued(f, 0);
        f->queue_first = (f->queue_first + 1) % BR_OUTBOX_MAX;
        f->queue_count--;
        if (action.is_new) {
            err = run_one(f, action.id);
        }
    }
    return err;
}

static bool
same_action(const msg_candidate *a, const msg_candidate *b)
{
    return rt_str_equal(a->proposal.action, b->proposal.action) &&
           rt_str_equal(a->proposal.target, b->proposal.target) &&
           rt_bytes_equal(a->proposal.args, b->proposal.args);
}

// The number at the end of an action's id.
static uint64_t
number_of(rt_str action_id, size_t *ret_prefix)
{
    uint64_t number = 0;
    size_t at = action_id.len;
    while (at > 0 && action_id.ptr[at - 1] != '-') {
        at--;
    }
    for (size_t i = at; i < action_id.len; i++) {
        number = number * 10 + (uint64_t)(action_id.ptr[i] - '0');
    }
    *ret_prefix = at;
    return number;
}

// The event it was decided on; 0 when it is no action's id.
static uint64_t
decided_on(rt_str action_id)
{
    size_t prefix;
    (void)number_of(action_id, &prefix);
    return prefix > 0 ? number_of((rt_str){action_id.ptr, prefix - 1}, &prefix) : 0;
}

static const msg_candidate *
find_recorded(br__fork *f, const msg_decision *recorded, const msg_candidate *winner)
{
    const msg_candidate *list = recorded != NULL ? recorded->candidates.items : NULL;
    uint64_t taken;
    for (uint32_t i = 0; list != NULL && i < recorded->candidates.count; i++) {
        if (list[i].action_id.len > 0 && same_action(&list[i], winner) &&
            !rt_map_get(f->matched, rt_bytes_of_str(list[i].action_id), &taken)) {
            return &list[i];
        }
    }
    return NULL;
}

static void
push_action(br__fork *f, rt_str id, bool is_new)
{
    if (f->queue_count == BR_OUTBOX_MAX) {
        f->queue_first = (f->queue_first + 1) % BR_OUTBOX_MAX; // it ended long ago, or never will
        f->queue_count--;
    }
    br__fork_action *action = queued(f, f->queue_count++);
    snprintf(action->id, sizeof(action->id), "%.*s", RT_STR_ARG(id));
    action->is_new = is_new;
}

void
br__fork_match_winners(br__fork *f, const msg_decision *recorded, const msg_decision *again)
{
    const msg_candidate *list = again->candidates.items;
    for (uint32_t i = 0; i < again->candidates.count; i++) {
        if (list[i].action_id.len == 0) {
            continue;
        }
        const msg_candidate *then = find_recorded(f, recorded, &list[i]);
        const br_action *action = br_pack_action(f->config->state.pack, list[i].proposal.action);
        size_t prefix;
        if (then == NULL) {
            push_action(f, list[i].action_id, true);
            continue;
        }
        rt_map_put(f->matched, rt_bytes_of_str(then->action_id),
                   number_of(list[i].action_id, &prefix));
        if (action != NULL && action->executor != BR_EXECUTE_WEBHOOK) {
            push_action(f, then->action_id, false);
        }
    }
}

// What became of an action then becomes of the same action now.
static rt_err
recorded_action(br__fork *f, const rt_event *event, rt_str recorded_id, bool is_outcome,
                br__fork_fate *ret_fate)
{
    char id[BR_ACTION_ID_MAX];
    uint64_t number;
    size_t prefix;
    uint64_t then = number_of(recorded_id, &prefix);
    *ret_fate = BR__FORK_KEEP;
    if (!rt_map_get(f->matched, rt_bytes_of_str(recorded_id), &number)) {
        // decided before the journal begins, or lost
        bool is_older = decided_on(recorded_id) < f->result->first_seq;
        *ret_fate = is_older ? BR__FORK_KEEP : BR__FORK_DROP;
        return RT_OK;
    }
    rt_value status = rt_event_field(event, "status");
    if (is_outcome && !rt_str_is(status.s, "failed") && !rt_str_is(status.s, "unknown")) {
        (void)rt_map_del(f->matched, rt_bytes_of_str(recorded_id)); // else it may be tried again
    }
    if (number == then) {
        return RT_OK;
    }
    br_intent intent;
    bool taken;
    *ret_fate = BR__FORK_MADE;
    snprintf(id, sizeof(id), "%.*s%llu", (int)RT_MIN(prefix, sizeof(id) - 22), recorded_id.ptr,
             (unsigned long long)number);
    if (!br_outbox_get(f->state->outbox, rt_str_of(id), &intent)) {
        return RT_OK;
    }
    if (!is_outcome) {
        const br_action *action = br_pack_action(f->config->state.pack, intent.action);
        return action == NULL ? RT_OK : emit_event(f, &intent, action, &taken);
    }
    char text[16];
    rt_value detail = rt_event_field(event, "detail");
    snprintf(text, sizeof(text), "%.*s", RT_STR_ARG(status.s));
    outcome end = {.status = text,
                   .attempts = (uint64_t)rt_value_as_i64(rt_event_field(event, "attempts"), 0),
                   .detail = detail.kind == RT_KIND_STR ? detail.s : RT_STR("")};
    return end_action(f, &intent, &end);
}

// --- what a decision raises ----------------------------------------------------------------------

static bool
comes_before(rt_str a, rt_str b)
{
    size_t len = RT_MIN(a.len, b.len);
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;
    return order < 0 || (order == 0 && a.len < b.len);
}

static rt_err
raise_one(br__fork *f, const msg_emission *emission)
{
    char id[64];
    char source[96];
    char type[96];
    bool taken;
    br__fork_raise *raise = &f->raise;
    snprintf(source, sizeof(source), "/agents/%.*s", RT_STR_ARG(emission->agent));
    snprintf(type, sizeof(type), "%.*s", RT_STR_ARG(emission->event));
    int len = snprintf(id, sizeof(id), "%llu.%u", (unsigned long long)raise->seq, raise->number++);
    own_event made = {.type = type,
                      .tenant = raise->tenant,
                      .id = {id, (size_t)len},
                      .source = source,
                      .subject = emission->subject,
                      .correlation = raise->correlation.len > 0 ? raise->correlation
                                                                : raise->event_id,
                      .causation = raise->event_id,
                      .depth = (uint8_t)(raise->depth + 1),
                      .time_ms = INT64_MIN,
                      .data = emission->data};
    return take_own(f, &made, &taken);
}

rt_err
br__fork_raise_own(br__fork *f, rt_str until)
{
    br__fork_raise *raise = &f->raise;
    rt_err err = RT_OK;
    while (err == RT_OK && raise->next < raise->count &&
           (until.len == 0 || comes_before(raise->emissions[raise->next].agent, until))) {
        err = raise_one(f, &raise->emissions[raise->next++]);
    }
    return err;
}

bool
br__fork_is_raised(const br__fork *f, const rt_event *event)
{
    char prefix[32];
    int len = snprintf(prefix, sizeof(prefix), "%llu.", (unsigned long long)f->raise.seq);
    return f->raise.seq != 0 && rt_str_starts(event->source, RT_STR("/agents/")) &&
           rt_str_starts(event->id, (rt_str){prefix, (size_t)len});
}

static rt_err
recorded_raise(br__fork *f, const rt_event *event, br__fork_fate *ret_fate)
{
    br__fork_raise *raise = &f->raise;
    size_t skip = sizeof("/agents/") - 1;
    rt_str agent = {event->source.ptr + skip, event->source.len - skip};
    *ret_fate = BR__FORK_KEEP;
    if (raise->as_recorded) {
        return RT_OK;
    }
    if (raise->tenant.v == UINT16_MAX) {
        *ret_fate = BR__FORK_DROP; // its decision is not made any more
        return RT_OK;
    }
    rt_err err = br__fork_raise_own(f, agent);
    if (err != RT_OK || !rt_str_starts(agent, RT_STR("playbook:"))) {
        raise->number++;
        return err;
    }
    const msg_emission *next = raise->next < raise->count ? &raise->emissions[raise->next] : NULL;
    if (next == NULL || !rt_str_equal(next->agent, agent) ||
        !rt_str_equal(next->event, event->type->name)) {
        *ret_fate = BR__FORK_DROP;
        return RT_OK;
    }
    raise->next++;
    raise->number++;
    return RT_OK;
}

// --- timers --------------------------------------------------------------------------------------

static void
note_timer(rt_map *timers, rt_tenant tenant, rt_str owner, rt_str name, int64_t due_ms)
{
    rt_key key = rt_key_pair(tenant, owner, name);
    if (due_ms == 0) {
        (void)rt_map_del(timers, rt_key_bytes(&key));
    } else {
        rt_map_put(timers, rt_key_bytes(&key), (uint64_t)due_ms);
    }
}

void
br__fork_note_timers(rt_map *timers, uint64_t tenant, const msg_decision *decision)
{
    const msg_timer *list = decision->timers.items;
    for (uint32_t i = 0; i < decision->timers.count; i++) {
        note_timer(timers, (rt_tenant){(uint16_t)tenant}, list[i].owner, list[i].key,
                   list[i].due_ms);
    }
}

static rt_err
fire_one(br__fork *f, const br_due *due)
{
    char id[32];
    char subject[RT_EVENT_SUBJECT_MAX + 1];
    bool taken;
    rt_mpw data;
    rt_mpw_init(&data, 1024);
    rt_mpw_map(&data, 2);
    rt_mpw_cstr(&data, "owner");
    rt_mpw_str(&data, due->owner);
    rt_mpw_cstr(&data, "key");
    rt_mpw_str(&data, due->key);
    note_timer(f->timers, due->tenant, due->owner, due->key, 0);
    snprintf(subject, sizeof(subject), "%.*s", RT_STR_ARG(due->subject));
    int len = snprintf(id, sizeof(id), "%llu", (unsigned long long)(f->own_seq + 1));
    own_event made = {.type = "timer.fired",
                      .tenant = due->tenant,
                      .id = {id, (size_t)len},
                      .source = "/brain/timers",
                      .subject = rt_str_of(subject),
                      .time_ms = due->due_ms,
                      .data = rt_mpw_view(&data)};
    rt_err err = take_own(f, &made, &taken);
    rt_mpw_fini(&data);
    return err == RT_OK && !taken ? rt_fail(RT_EINVAL, "a timer could not be fired") : err;
}

rt_err
br__fork_fire(br__fork *f, int64_t due_ms)
{
    br_due due;
    rt_err err = RT_OK;
    while (err == RT_OK && br_timers_next_ms(f->state->timers) <= due_ms &&
           br_timers_due(f->state->timers, due_ms, &due)) {
        rt_key key = rt_key_pair(due.tenant, due.owner, due.key);
        uint64_t then;
        if (rt_map_get(f->recorded_timers, rt_key_bytes(&key), &then) &&
            then == (uint64_t)due.due_ms) {
            break; // the record says where
        }
        err = fire_one(f, &due);
    }
    return err;
}

// Stands at the first event from outside behind the record at hand.
static rt_err
look_ahead(br__fork *f)
{
    rt_err err = RT_OK;
    rt_record record;
    rt_event event;
    if (f->scout == NULL) {
        err = rt_journal_reader_open(f->config->journal_dir, f->seq, &f->scout);
        if (err == RT_OK) {
            rt_journal_reader_trust(f->scout); // what it sees is read again
        }
    }
    while (err == RT_OK && f->scout_seq <= f->seq) {
        err = rt_journal_reader_next(f->scout, &record);
        if (err == RT_OK && record.kind == RT_RECORD_EVENT) {
            err = rt_event_decode_record(br_pack_catalog(f->config->state.pack), record.seq,
                                         record.at_ms, record.payload, &event);
            f->scout_seq = err != RT_OK || event.internal ? f->scout_seq : record.seq;
            f->scout_ms = err != RT_OK || event.internal ? f->scout_ms : event.time_ms;
        }
    }
    if (err == RT_EEND) {
        f->scout_seq = UINT64_MAX;
        f->scout_ms = f->state->meta.clock_ms;
    }
    return err == RT_EEND ? RT_OK : err;
}

// Whether the next timer is due where no record will say so.
static bool
is_ours_next(br__fork *f)
{
    br_due due;
    uint64_t then;
    if (!br_timers_due(f->state->timers, INT64_MAX, &due)) {
        return false;
    }
    rt_key key = rt_key_pair(due.tenant, due.owner, due.key);
    return !rt_map_get(f->recorded_timers, rt_key_bytes(&key), &then) ||
           then != (uint64_t)due.due_ms;
}

rt_err
br__fork_end_batch(br__fork *f)
{
    rt_err err = RT_OK;
    f->in_batch = false;
    if (!is_ours_next(f)) {
        return RT_OK;
    }
    if (f->config->clock_from_events) {
        err = look_ahead(f);
    }
    return err != RT_OK
               ? err
               : br__fork_fire(f, f->config->clock_from_events ? f->scout_ms : f->batch_ms);
}

static rt_err
recorded_timer(br__fork *f, const rt_event *event, br__fork_fate *ret_fate)
{
    rt_value owner = rt_event_field(event, "owner");
    rt_value name = rt_event_field(event, "key");
    rt_key key = rt_key_pair(event->tenant, owner.s, name.s);
    uint64_t then;
    uint64_t now;
    bool recorded = rt_map_get(f->recorded_timers, rt_key_bytes(&key), &then);
    bool ours = rt_map_get(f->timers, rt_key_bytes(&key), &now);
    if (!recorded) { // set before the journal begins
        *ret_fate = f->result->is_partial ? BR__FORK_KEEP : BR__FORK_DROP;
        return RT_OK;
    }
    (void)rt_map_del(f->recorded_timers, rt_key_bytes(&key));
    *ret_fate = ours && now == then ? BR__FORK_KEEP : BR__FORK_DROP;
    if (*ret_fate == BR__FORK_KEEP) {
        (void)rt_map_del(f->timers, rt_key_bytes(&key));
    }
    return RT_OK;
}

// --- recorded events -----------------------------------------------------------------------------

static bool
is_outcome(const rt_event *event)
{
    return rt_str_is(event->type->name, "action.executed");
}

static bool
is_emitted(const rt_event *event)
{
    return rt_str_is(event->source, "/brain/actions");
}

bool
br__fork_is_executed(const rt_event *event)
{
    return is_outcome(event) || is_emitted(event);
}

rt_err
br__fork_recorded(br__fork *f, const rt_event *event, br__fork_fate *ret_fate)
{
    rt_err err = RT_OK;
    *ret_fate = BR__FORK_KEEP;
    if (br__fork_is_raised(f, event)) {
        return recorded_raise(f, event, ret_fate);
    }
    if (br__fork_is_executed(event)) {
        rt_str id = is_outcome(event) ? rt_event_field(event, "action_id").s : event->id;
        err = br__fork_run_new(f, id);
        return err != RT_OK ? err : recorded_action(f, event, id, is_outcome(event), ret_fate);
    }
    if (rt_str_is(event->type->name, "timer.fired")) {
        return recorded_timer(f, event, ret_fate);
    }
    return RT_OK;
}
