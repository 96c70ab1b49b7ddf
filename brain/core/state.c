// Design notes.
// Everything here must be a function of the records alone: no clock, no configuration that may
// differ between a live run and its replay except the pack and limits that are part of the run.
// Counting rows that only report (refused memories and the like) stay outside the state.
#include "brain/core/state.h"

#include "brain/memory/place.h"
#include "brain/memory/tables.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/store/key.h"

#define SCRATCH_BYTES_MAX (8u * 1024 * 1024)

static rt_key
meta_key(void)
{
    return rt_key_text(RT_TENANT_SYSTEM, RT_STR("meta"));
}

static rt_key
file_key(rt_str name)
{
    return rt_key_pair(RT_TENANT_SYSTEM, RT_STR("playbook"), name);
}

static rt_err
declare_tables(br_state *state)
{
    const br_state_config *config = &state->config;
    rt_store *store = state->store;
    rt_err err = rt_store_table(store, BR_TABLE_META, "meta", &state->meta_table);
    if (err == RT_OK) {
        err = rt_store_table(store, BR_TABLE_THROTTLE, "throttle", &state->throttles);
    }
    if (err == RT_OK) {
        err = br_subjects_new(store, config->subjects_max, &state->subjects);
    }
    if (err == RT_OK) {
        err = br_longterm_new(store, config->memories_max, &state->longterm);
    }
    if (err == RT_OK) {
        err = br_similar_new(store, &state->similar);
    }
    if (err == RT_OK) {
        err = br_features_new(store, &state->features);
    }
    if (err == RT_OK) {
        err = br_dedup_new(store, config->dedup_events, config->dedup_window_ms, &state->dedup);
    }
    if (err == RT_OK) {
        err = br_outbox_new(store, &state->outbox);
    }
    if (err == RT_OK) {
        err = br_gate_new(store, state->outbox, &config->gate, &state->gate);
    }
    if (err == RT_OK) {
        err = br_timers_new(store, &state->timers);
    }
    if (err == RT_OK) {
        err = br_dead_new(store, &state->dead);
    }
    if (err == RT_OK) {
        err = br_progress_new(store, &state->progress);
    }
    return err;
}

static rt_err
restore_playbooks(br_state *state, rt_diag *diag)
{
    br_playbook_file *files = rt_new_array(br_playbook_file, BR_PLAYBOOKS_MAX);
    size_t count = 0;
    rt_bytes key;
    rt_bytes value;
    for (size_t cursor = 0; rt_table_next(state->meta_table, &cursor, &key, &value);) {
        if (rt_str_is(rt_key_part(key, 0), "playbook")) {
            RT_ASSERT(count < BR_PLAYBOOKS_MAX); // as every set that was compiled
            rt_str name = rt_arena_str(state->scratch, rt_key_part(key, 1));
            files[count++] = (br_playbook_file){name, rt_str_of_bytes(value)};
        }
    }
    rt_err err = br_playbooks_restore(state->config.pack, files, count,
                                      state->meta.playbooks_version, diag, &state->playbooks);
    rt_free(files);
    return err;
}

rt_err
br_state_new(rt_store *store, const br_state_config *config, rt_diag *diag, br_state **ret)
{
    br_state *state = rt_new(br_state);
    state->store = store;
    state->config = *config;
    state->places = rt_new(br_places);
    state->scratch = rt_arena_new(SCRATCH_BYTES_MAX);
    state->applied_seq = rt_store_applied(store);
    rt_err err = declare_tables(state);
    if (err == RT_OK) {
        rt_key key = meta_key();
        rt_bytes row;
        if (rt_table_get(state->meta_table, rt_key_bytes(&key), &row)) {
            memcpy(&state->meta, row.ptr, RT_MIN(row.len, sizeof(state->meta)));
        } else if (state->applied_seq > 0) {
            err = rt_fail(RT_ECORRUPT, "the state has no figures of its own");
        }
    }
    if (err == RT_OK) {
        err = restore_playbooks(state, diag);
    }
    if (err != RT_OK) {
        br_state_free(state);
        return err;
    }
    *ret = state;
    return RT_OK;
}

void
br_state_free(br_state *state)
{
    if (state == NULL) {
        return;
    }
    br_playbooks_free(state->playbooks);
    br_progress_free(state->progress);
    br_dead_free(state->dead);
    br_timers_free(state->timers);
    br_gate_free(state->gate);
    br_outbox_free(state->outbox);
    br_dedup_free(state->dedup);
    br_features_free(state->features);
    br_similar_free(state->similar);
    br_longterm_free(state->longterm);
    br_subjects_free(state->subjects);
    rt_free(state->places);
    rt_arena_free(state->scratch);
    rt_free(state);
}

void
br_state_situate(const br_state *state, const rt_event *event, int64_t now_ms,
                 br_situation *ret_situation)
{
    ret_situation->event = event;
    ret_situation->plan = br_pack_plan_of(state->config.pack, event);
    ret_situation->now_ms = now_ms;
    ret_situation->places = state->places;
    br_subjects_recall(state->subjects, ret_situation);
    br_features_read(state->features, ret_situation);
}

bool
br_state_hears(const br_state *state, const rt_event *event)
{
    return br_playbooks_hears(state->playbooks, event->type) ||
           br_course_awaits(state->progress, event);
}

rt_err
br_state_consult(const br_state *state, const br_situation *situation, rt_arena *arena, rt_mpw *w,
                 br_consulted_event *ret)
{
    msg_consultation said;
    rt_mpw_clear(w);
    *ret = (br_consulted_event){{NULL, 0}, false};
    if (!br_state_hears(state, situation->event)) {
        return RT_OK;
    }
    rt_arena_reset(arena);
    rt_err err = br_playbooks_consult(state->playbooks, situation, arena, &said);
    if (err != RT_OK) {
        return err;
    }
    ret->follow = br_playbooks_follow(state->playbooks, situation->event, &said) ||
                  br_course_awaits(state->progress, situation->event);
    if (said.consulted.count == 0 && said.matches.count == 0) {
        return RT_OK;
    }
    rt_msg_encode(&msg_consultation_def, &said, w);
    if (w->failed || w->len > BR_CONSULTATION_BYTES_MAX) {
        *ret = (br_consulted_event){{NULL, 0}, false};
        return rt_fail(RT_ELIMIT, "what the playbooks say of one event is too large");
    }
    ret->consultation = rt_mpw_view(w);
    return RT_OK;
}

static void
apply_outcome(br_state *state, const rt_event *event)
{
    rt_value id = rt_event_field(event, "action_id");
    rt_value status = rt_event_field(event, "status");
    rt_value action = rt_event_field(event, "action");
    bool failed = !rt_str_is(status.s, "executed");
    const br_action *def = br_pack_action(state->config.pack, action.s);
    if (def != NULL && !rt_str_is(status.s, "cancelled")) {
        br_gate_outcome(state->gate, def, failed, event->at_ms);
    }
    rt_bytes row;
    if (rt_str_is(status.s, "failed") || rt_str_is(status.s, "unknown")) {
        rt_value detail = rt_event_field(event, "detail");
        rt_value attempts = rt_event_field(event, "attempts");
        if (br_outbox_raw(state->outbox, id.s, &row)) {
            br_dead_add(state->dead,
                        &(br_dead_letter){.tenant = event->tenant,
                                          .seq = event->seq,
                                          .at_ms = event->at_ms,
                                          .attempts = (uint64_t)rt_value_as_i64(attempts, 0),
                                          .owner = RT_STR("outbox"),
                                          .ref = id.s,
                                          .cause = detail.kind == RT_KIND_STR ? detail.s
                                                                              : RT_STR(""),
                                          .intent = row});
        }
    }
    state->meta.outcomes += br_outbox_end(state->outbox, id.s);
}

static void
apply_reward(br_state *state, const rt_event *event)
{
    rt_value type = rt_event_field(event, "event_type");
    rt_value action = rt_event_field(event, "action");
    rt_value reward = rt_event_field(event, "reward");
    if (type.kind == RT_KIND_STR && action.kind == RT_KIND_STR) {
        br_similar_rewarded(state->similar, event->tenant, type.s, action.s, reward.f,
                            event->at_ms);
    }
}

static void
apply_dead_letter(br_state *state, const rt_event *event)
{
    rt_value owner = rt_event_field(event, "owner");
    rt_value ref = rt_event_field(event, "ref");
    rt_value cause = rt_event_field(event, "cause");
    rt_value attempts = rt_event_field(event, "attempts");
    br_dead_add(state->dead,
                &(br_dead_letter){.tenant = event->tenant,
                                  .seq = event->seq,
                                  .at_ms = event->at_ms,
                                  .attempts = (uint64_t)rt_value_as_i64(attempts, 0),
                                  .owner = owner.s,
                                  .ref = ref.s,
                                  .cause = cause.kind == RT_KIND_STR ? cause.s : RT_STR("")});
}

static void
apply_resolution(br_state *state, const rt_event *event)
{
    rt_value ref = rt_event_field(event, "ref");
    rt_value how = rt_event_field(event, "how");
    br_dead_letter letter;
    if (!br_dead_get(state->dead, ref.s, &letter)) {
        return;
    }
    if (rt_str_is(how.s, "retry") && letter.intent.len > 0) {
        br_outbox_restore(state->outbox, letter.intent);
    }
    (void)br_dead_remove(state->dead, ref.s);
}

static void
apply_timer(br_state *state, const rt_event *event)
{
    rt_value owner = rt_event_field(event, "owner");
    rt_value key = rt_event_field(event, "key");
    br_timers_set(state->timers, event->tenant, owner.s, key.s, 0, RT_STR(""));
}

static void
apply_halt(br_state *state, const rt_event *event)
{
    br_gate_halt(state->gate, event->at_ms);
}

static void
apply_resume(br_state *state, const rt_event *event)
{
    (void)event;
    br_gate_resume(state->gate);
}

static void
apply_mode(br_state *state, const rt_event *event)
{
    static const char *const names[] = {"off", "shadow", "canary", "live"};
    rt_value id = rt_event_field(event, "playbook");
    rt_value mode = rt_event_field(event, "mode");
    rt_value percent = rt_event_field(event, "percent");
    if (!rt_str_is(event->source, BR_OPERATORS)) {
        return; // an agent cannot set it
    }
    rt_value by = rt_event_field(event, "by");
    rt_value reason = rt_event_field(event, "reason");
    msg_mode set = {.percent = rt_value_as_f64(percent, 100),
                    .file = br_playbooks_text_hash(state->playbooks, id.s),
                    .by = by.kind == RT_KIND_STR ? by.s : RT_STR(""),
                    .reason = reason.kind == RT_KIND_STR ? reason.s : RT_STR(""),
                    .seq = event->seq,
                    .at_ms = event->at_ms};
    for (uint64_t i = 0; i < RT_COUNT(names); i++) {
        set.mode = rt_str_is(mode.s, names[i]) ? i : set.mode;
    }
    rt_mpw w;
    rt_mpw_init(&w, BR_PROGRESS_VALUE_MAX);
    rt_msg_encode(&msg_mode_def, &set, &w);
    br_progress_fold(state->progress, RT_TENANT_SYSTEM,
                     &(msg_write){RT_STR("mode"), id.s, RT_STR(""), rt_mpw_view(&w)});
    rt_mpw_fini(&w);
}

// Events that mean something to the brain itself. Producers cannot send these (intake.c).
static const struct {
    const char *type;
    void (*apply)(br_state *state, const rt_event *event);
} own_events[] = {
    {"action.executed", apply_outcome},      {"decision.rewarded", apply_reward},
    {"message.dead_lettered", apply_dead_letter}, {"dead_letter.resolved", apply_resolution},
    {"timer.fired", apply_timer},            {"system.halted", apply_halt},
    {"system.resumed", apply_resume},        {"playbook.mode_set", apply_mode},
};

static void
apply_own(br_state *state, const rt_event *event)
{
    for (size_t i = 0; i < RT_COUNT(own_events); i++) {
        if (rt_str_is(event->type->name, own_events[i].type)) {
            own_events[i].apply(state, event);
            return;
        }
    }
}

void
br_state_apply_event(br_state *state, const rt_event *event, const br_situation *situation)
{
    RT_ASSERT(event->seq > state->applied_seq);
    rt_arena_reset(state->scratch);
    br_dedup_remember(state->dedup, event);
    br_features_update(state->features, situation, state->scratch);
    br_longterm_remember(state->longterm, event);
    if (event->internal) {
        apply_own(state, event);
    }
    br_subjects_remember(state->subjects, situation);
    state->meta.events++;
    state->meta.clock_ms = event->at_ms;
    state->applied_seq = event->seq;
}

static void
apply_winner(br_state *state, const rt_record *record, const msg_decision *decision,
             const msg_candidate *candidate)
{
    const msg_proposal *proposal = &candidate->proposal;
    const br_action *action = br_pack_action(state->config.pack, proposal->action);
    rt_tenant tenant = {(uint16_t)decision->tenant};
    if (action == NULL) {
        return; // a record of a pack that had this action: nothing can be in flight for it
    }
    br_gate_consume(state->gate, tenant, record->at_ms, action, proposal->target);
    br_similar_acted(state->similar, tenant, decision->event_type, proposal->action);
    br_intent intent = {.tenant = tenant,
                        .decision_seq = decision->event_seq,
                        .at_ms = record->at_ms,
                        .depth = (uint8_t)decision->depth,
                        .action_id = candidate->action_id,
                        .action = proposal->action,
                        .target = proposal->target,
                        .args = proposal->args};
    br_outbox_add(state->outbox, &intent, action->group);
    state->meta.actions++;
}

static void
apply_throttle(br_state *state, const rt_record *record, const msg_decision *decision,
               const msg_consulted *consulted)
{
    if (consulted->throttle_key.len == 0 || !rt_str_is(consulted->verdict, "fired")) {
        return;
    }
    rt_key key = rt_key_pair((rt_tenant){(uint16_t)decision->tenant}, consulted->playbook,
                             consulted->throttle_key);
    bool created;
    int64_t *last =
        rt_table_edit(state->throttles, rt_key_bytes(&key), sizeof(int64_t), &created);
    *last = record->at_ms;
}

static void
count_verdict(br_meta *meta, rt_str verdict)
{
    if (rt_str_is(verdict, "lost") || rt_str_is(verdict, "vetoed")) {
        meta->conflicts++;
    } else if (rt_str_is(verdict, "refused")) {
        meta->refusals++;
    }
}

void
br_state_apply_decision(br_state *state, const rt_record *record, const msg_decision *decision)
{
    RT_ASSERT(record->seq > state->applied_seq);
    const msg_candidate *candidates = decision->candidates.items;
    for (uint32_t i = 0; i < decision->candidates.count; i++) {
        count_verdict(&state->meta, candidates[i].verdict);
        if (candidates[i].action_id.len > 0) {
            apply_winner(state, record, decision, &candidates[i]);
        }
    }
    const msg_consulted *consulted = decision->consulted.items;
    for (uint32_t i = 0; i < decision->consulted.count; i++) {
        apply_throttle(state, record, decision, &consulted[i]);
    }
    const msg_timer *timers = decision->timers.items;
    for (uint32_t i = 0; i < decision->timers.count; i++) {
        br_timers_set(state->timers, (rt_tenant){(uint16_t)decision->tenant}, timers[i].owner,
                      timers[i].key, timers[i].due_ms, timers[i].subject);
    }
    const msg_write *writes = decision->writes.items;
    for (uint32_t i = 0; i < decision->writes.count; i++) {
        br_progress_fold(state->progress, (rt_tenant){(uint16_t)decision->tenant}, &writes[i]);
    }
    RT_ASSERT(decision->event_seq > state->meta.decided_seq);
    state->meta.decided_seq = decision->event_seq;
    state->meta.decisions++;
    state->meta.clock_ms = record->at_ms;
    state->applied_seq = record->seq;
}

void
br_state_encode_playbooks(uint64_t version, const br_playbook_file *files, size_t count,
                          const br_set_note *note, rt_mpw *w)
{
    rt_mpw_array(w, note != NULL ? 3 : 2);
    rt_mpw_u64(w, version);
    rt_mpw_array(w, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        rt_mpw_array(w, 2);
        rt_mpw_str(w, files[i].name);
        rt_mpw_str(w, files[i].text);
    }
    if (note != NULL) {
        rt_mpw_array(w, 3);
        rt_mpw_str(w, note->by);
        rt_mpw_str(w, note->how);
        rt_mpw_str(w, note->reason);
    }
}

// Reads the head of a list of two.
static rt_err
read_pair(rt_mp *mp)
{
    uint32_t count;
    rt_err err = rt_mp_array(mp, &count);
    if (err == RT_OK && count != 2) {
        err = rt_fail(RT_EPROTO, "a list of %u instead of 2", count);
    }
    return err;
}

static rt_err
decode_files(rt_mp *mp, uint64_t *ret_version, br_playbook_file *files, uint32_t *ret_count)
{
    uint32_t parts; // what follows the files is for people
    rt_err err = rt_mp_array(mp, &parts);
    if (err == RT_OK && parts < 2) {
        err = rt_fail(RT_EPROTO, "a list of %u instead of 2", parts);
    }
    if (err == RT_OK) {
        err = rt_mp_u64(mp, ret_version);
    }
    if (err == RT_OK) {
        err = rt_mp_array(mp, ret_count);
    }
    if (err == RT_OK && *ret_count > BR_PLAYBOOKS_MAX) {
        err = rt_fail(RT_ELIMIT, "%u playbooks, at most %d are read", *ret_count,
                      BR_PLAYBOOKS_MAX);
    }
    for (uint32_t i = 0; err == RT_OK && i < *ret_count; i++) {
        err = read_pair(mp);
        if (err == RT_OK) {
            err = rt_mp_str(mp, &files[i].name);
        }
        if (err == RT_OK) {
            err = rt_mp_str(mp, &files[i].text);
        }
    }
    return err;
}

rt_err
br_state_decode_playbooks(const br_pack *pack, rt_bytes payload, rt_diag *diag,
                          br_playbooks **ret_set)
{
    br_playbook_file *files = rt_new_array(br_playbook_file, BR_PLAYBOOKS_MAX);
    rt_mp mp = rt_mp_init(payload);
    uint64_t version;
    uint32_t count;
    rt_err err = decode_files(&mp, &version, files, &count);
    if (err == RT_OK) {
        err = br_playbooks_restore(pack, files, count, version, diag, ret_set);
    }
    rt_free(files);
    return err;
}

void
br_state_apply_playbooks(br_state *state, const rt_record *record, br_playbooks *set)
{
    rt_bytes key_bytes;
    rt_bytes value;
    for (size_t cursor = 0; rt_table_next(state->meta_table, &cursor, &key_bytes, &value);) {
        if (rt_str_is(rt_key_part(key_bytes, 0), "playbook")) {
            rt_key key = file_key(rt_key_part(key_bytes, 1));
            (void)rt_table_del(state->meta_table, rt_key_bytes(&key));
            cursor = 0;
        }
    }
    br_playbook_file *files = rt_new_array(br_playbook_file, br_playbooks_file_count(set) + 1);
    for (size_t i = 0; i < br_playbooks_file_count(set); i++) {
        files[i] = br_playbooks_file(set, i);
        rt_key key = file_key(files[i].name);
        rt_table_put(state->meta_table, rt_key_bytes(&key), rt_bytes_of_str(files[i].text));
    }
    state->meta.playbooks_version = br_playbooks_version(set);
    state->meta.playbooks_hash = br_playbooks_hash(files, br_playbooks_file_count(set));
    rt_free(files);
    br_playbooks_free(state->playbooks);
    state->playbooks = set;
    state->meta.clock_ms = record->at_ms;
    state->applied_seq = record->seq;
}

void
br_state_apply_start(br_state *state, const rt_record *record)
{
    // START: [instance str, build str, pack hash u64]; the first one names the journal
    rt_mp mp = rt_mp_init(record->payload);
    uint32_t count;
    rt_str instance;
    if (state->meta.instance[0] == '\0' && rt_mp_array(&mp, &count) == RT_OK &&
        rt_mp_str(&mp, &instance) == RT_OK && instance.len <= BR_INSTANCE_LEN) {
        memcpy(state->meta.instance, instance.ptr, instance.len);
    }
    state->meta.clock_ms = record->at_ms;
    state->applied_seq = record->seq;
}

void
br_state_apply_reject(br_state *state, const rt_record *record)
{
    state->meta.rejects++;
    state->meta.clock_ms = record->at_ms;
    state->applied_seq = record->seq;
}

bool
br_state_throttled(const br_state *state, rt_tenant tenant, rt_str playbook, rt_str throttle_key,
                   int64_t now_ms, int64_t *ret_ago_ms)
{
    rt_key key = rt_key_pair(tenant, playbook, throttle_key);
    rt_bytes row;
    int64_t last;
    if (throttle_key.len == 0 || !rt_table_get(state->throttles, rt_key_bytes(&key), &row)) {
        return false;
    }
    memcpy(&last, row.ptr, sizeof(last));
    *ret_ago_ms = now_ms - last;
    return *ret_ago_ms < br_playbooks_throttle_ms(state->playbooks, playbook) &&
           !br_throttle_ended(state->playbooks, state->progress, tenant, playbook, throttle_key,
                              last);
}

void
br_state_settle(br_state *state)
{
    rt_key key = meta_key();
    bool created;
    br_meta *row =
        rt_table_edit(state->meta_table, rt_key_bytes(&key), sizeof(br_meta), &created);
    *row = state->meta;
}

uint64_t
br_state_hash(br_state *state)
{
    br_state_settle(state);
    return rt_store_hash(state->store);
}
