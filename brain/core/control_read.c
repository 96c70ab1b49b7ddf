// What the loop has in memory: agents, playbooks, actions in flight, dead letters, configuration.
#include "brain/core/control.h"
#include "brain/playbook/guard.h"

#define LIST_MAX 1000

static const msg_agent_state *
find_state(const br_host_link *host, rt_str agent)
{
    for (uint32_t i = 0; i < host->state_count; i++) {
        if (rt_str_equal(host->states[i].name, agent)) {
            return &host->states[i];
        }
    }
    return NULL;
}

static void
write_agent(const br_host_link *host, const msg_agent_info *agent, rt_mpw *w)
{
    const msg_agent_state *state = find_state(host, agent->name);
    const rt_str *hears = agent->hears.items;
    br_map map = br__map_begin(w);
    br__map_str(&map, "name", agent->name);
    br__map_cstr(&map, "host", host->name);
    br__map_str(&map, "doc", agent->doc);
    br__map_str(&map, "state", !host->up      ? RT_STR("down")
                               : !host->live  ? RT_STR("catching up")
                               : state != NULL ? state->state
                                               : RT_STR("running"));
    if (state != NULL) {
        br__map_u64(&map, "heard", state->heard);
        br__map_u64(&map, "proposals", state->proposals);
        br__map_u64(&map, "restarts", state->restarts);
        br__map_u64(&map, "rows", state->rows);
    }
    rt_mpw_array(br__map_key(&map, "hears"), agent->hears.count);
    for (uint32_t i = 0; i < agent->hears.count; i++) {
        rt_mpw_str(w, hears[i]);
    }
    br__map_bool(&map, "hears_decisions", agent->decisions);
    br__map_end(&map);
}

static void
write_host(const br_brain *brain, const br_host_link *host, rt_mpw *w)
{
    uint64_t last = rt_journal_committed(brain->journal);
    br_map map = br__map_begin(w);
    br__map_cstr(&map, "name", host->name);
    br__map_bool(&map, "up", host->up);
    br__map_bool(&map, "live", host->live);
    br__map_u64(&map, "fed_seq", host->fed);
    br__map_u64(&map, "answered_seq", host->answered);
    br__map_u64(&map, "behind", host->fed < last ? last - host->fed : 0);
    br__map_u64(&map, "agents", host->agent_count);
    br__map_end(&map);
}

void
br__ask_agents(const br_ask *ask)
{
    const br_brain *brain = ask->brain;
    uint32_t count = 0;
    br_map answer = br__answer_begin(ask);
    size_t header = rt_mpw_array32(br__map_key(&answer, "agents"));
    for (unsigned h = 0; h < brain->host_count; h++) {
        for (uint32_t a = 0; a < brain->hosts[h].agent_count; a++) {
            write_agent(&brain->hosts[h], &brain->hosts[h].agents[a], answer.w);
            count++;
        }
    }
    rt_mpw_patch32(answer.w, header, count);
    rt_mpw_array(br__map_key(&answer, "hosts"), brain->host_count);
    for (unsigned h = 0; h < brain->host_count; h++) {
        write_host(brain, &brain->hosts[h], answer.w);
    }
    br__answer_end(ask, &answer);
}

static const char *
mode_name(br_playbook_mode mode)
{
    switch (mode) {
    case BR_MODE_OFF:
        return "off";
    case BR_MODE_SHADOW:
        return "shadow";
    case BR_MODE_CANARY:
        return "canary";
    case BR_MODE_LIVE:
        return "live";
    }
    return "";
}

static void
write_setter(const msg_mode *set, rt_mpw *w)
{
    br_map map = br__map_begin(w);
    br__map_str(&map, "by", set->by);
    br__map_str(&map, "reason", set->reason);
    br__map_u64(&map, "seq", set->seq);
    br__map_i64(&map, "at_ms", set->at_ms);
    br__map_end(&map);
}

// What was counted of a canary that has guardrails.
static void
write_guardrails(const br_ask *ask, rt_str id, br_map *map)
{
    const br_state *state = ask->brain->state;
    br_guard_count counts[BR_GUARDS];
    if (!br_guard_counts(state->playbooks, state->progress, id, ask->control->arena, counts)) {
        return;
    }
    br_map of = br__map_begin(br__map_key(map, "guardrails"));
    for (int i = 0; i < BR_GUARDS; i++) {
        if (counts[i].most < 0) {
            continue;
        }
        br_map one = br__map_begin(br__map_key(&of, counts[i].name));
        br__map_u64(&one, "bad", counts[i].bad);
        br__map_u64(&one, "of", counts[i].of);
        br__map_f64(&one, "low", counts[i].low);
        br__map_f64(&one, "most", counts[i].most);
        br__map_end(&one);
    }
    br__map_end(&of);
}

void
br__ask_playbooks(const br_ask *ask)
{
    const br_playbooks *set = ask->brain->state->playbooks;
    size_t count = br_playbooks_count(set);
    br_map answer = br__answer_begin(ask);
    br__map_u64(&answer, "version", br_playbooks_version(set));
    rt_mpw_array(br__map_key(&answer, "playbooks"), (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        br_playbook_info info = br_playbooks_info(set, i);
        br_map map = br__map_begin(answer.w);
        br__map_str(&map, "id", info.id);
        msg_mode by;
        br_playbook_mode mode = br_course_mode(set, ask->brain->state->progress, info.id,
                                               ask->control->arena, &by);
        mode = rt_str_is(info.kind, "playbook") ? mode : info.mode;
        br__map_cstr(&map, "mode", mode_name(mode));
        br__map_cstr(&map, "file_mode", mode_name(info.mode));
        if (mode == BR_MODE_CANARY) {
            br__map_f64(&map, "percent", by.percent);
        }
        if (by.seq != 0) {
            write_setter(&by, br__map_key(&map, "set"));
        }
        write_guardrails(ask, info.id, &map);
        br__map_str(&map, "kind", info.kind);
        br__map_u64(&map, "events", info.events);
        br__map_i64(&map, "throttle_ms", info.throttle_ms);
        br__map_str(&map, "owner", info.owner);
        br__map_str(&map, "file", info.file);
        br__map_str(&map, "doc", info.doc);
        br__map_end(&map);
    }
    br__answer_end(ask, &answer);
}

static void
write_intent(const br_brain *brain, const br_intent *intent, rt_mpw *w)
{
    br_map map = br__map_begin(w);
    br__map_str(&map, "action_id", intent->action_id);
    br__map_str(&map, "action", intent->action);
    br__map_str(&map, "target", intent->target);
    br__map_str(&map, "tenant", br__tenant_name(brain, intent->tenant));
    br__map_u64(&map, "decision_seq", intent->decision_seq);
    br__map_i64(&map, "at_ms", intent->at_ms);
    br__map_raw(&map, "args", intent->args);
    br__map_end(&map);
}

void
br__ask_actions(const br_ask *ask)
{
    const br_outbox *outbox = ask->brain->state->outbox;
    rt_tenant tenant;
    bool given;
    if (!br__arg_tenant(ask, &tenant, &given)) {
        return;
    }
    uint64_t limit = RT_MIN(br__arg_u64(ask, "limit", LIST_MAX), LIST_MAX);
    uint32_t count = 0;
    br_intent intent;
    br_map answer = br__answer_begin(ask);
    size_t header = rt_mpw_array32(br__map_key(&answer, "in_flight"));
    for (size_t cursor = 0; count < limit && br_outbox_next(outbox, &cursor, &intent);) {
        if (!given || intent.tenant.v == tenant.v) {
            write_intent(ask->brain, &intent, answer.w);
            count++;
        }
    }
    rt_mpw_patch32(answer.w, header, count);
    br__map_u64(&answer, "total", br_outbox_count(outbox));
    br__answer_end(ask, &answer);
}

static void
write_letter(const br_brain *brain, const br_dead_letter *letter, rt_mpw *w)
{
    br_map map = br__map_begin(w);
    br__map_str(&map, "ref", letter->ref);
    br__map_str(&map, "owner", letter->owner);
    br__map_str(&map, "tenant", br__tenant_name(brain, letter->tenant));
    br__map_u64(&map, "seq", letter->seq);
    br__map_i64(&map, "at_ms", letter->at_ms);
    br__map_u64(&map, "attempts", letter->attempts);
    br__map_str(&map, "cause", letter->cause);
    br__map_bool(&map, "retryable", letter->intent.len > 0);
    br__map_end(&map);
}

void
br__ask_dlq(const br_ask *ask)
{
    const br_dead *dead = ask->brain->state->dead;
    uint64_t limit = RT_MIN(br__arg_u64(ask, "limit", LIST_MAX), LIST_MAX);
    uint32_t count = 0;
    br_dead_letter letter;
    br_map answer = br__answer_begin(ask);
    size_t header = rt_mpw_array32(br__map_key(&answer, "letters"));
    for (size_t cursor = 0; count < limit && br_dead_next(dead, &cursor, &letter);) {
        write_letter(ask->brain, &letter, answer.w);
        count++;
    }
    rt_mpw_patch32(answer.w, header, count);
    br__map_u64(&answer, "total", br_dead_count(dead));
    br__map_u64(&answer, "dropped", br_dead_dropped(dead));
    br__answer_end(ask, &answer);
}

void
br__ask_dlq_show(const br_ask *ask)
{
    rt_str ref = br__arg_str(ask, "ref");
    br_dead_letter letter;
    if (!br_dead_get(ask->brain->state->dead, ref, &letter)) {
        br__refuse(ask->control, ask->call, RT_ENOTFOUND, "brainctl dlq list",
                   "no dead letter '%.*s'", RT_STR_ARG(ref));
        return;
    }
    br_map answer = br__answer_begin(ask);
    write_letter(ask->brain, &letter, br__map_key(&answer, "letter"));
    br__answer_end(ask, &answer);
}

static void
write_path(br_map *answer, const char *key, const char *path)
{
    if (path != NULL) {
        br__map_cstr(answer, key, path);
    }
}

void
br__ask_config(const br_ask *ask)
{
    const br_brain_config *config = &ask->brain->config;
    if (config->describe_config == NULL) {
        br__refuse(ask->control, ask->call, RT_ENOTFOUND, NULL,
                   "this brain does not tell its configuration");
        return;
    }
    br_map answer = br__answer_begin(ask);
    config->describe_config(config->describe_user, br__map_key(&answer, "config"));
    write_path(&answer, "work_dir", config->work_dir);
    write_path(&answer, "config_file", config->config_file);
    write_path(&answer, "data_dir", config->data_dir);
    write_path(&answer, "playbook_dir", config->playbook_dir);
    br__answer_end(ask, &answer);
}
