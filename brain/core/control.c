// Design notes.
// The door is for the operator and whom brain.yaml names (control_access.c). A call either is
// answered at once from what the loop has in memory, or reads the journal on a thread of its own
// (control_job.c), or waits for a commit (control_write.c), or stays as a tail (control_follow.c).
// No call keeps the loop busy for longer than a turn, whatever it asks for.
#include "brain/core/control.h"

#include <stdio.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/seam/clock.h"

#define ARENA_MAX (16u * 1024 * 1024)
#define SAMPLE_EVERY_US 1000000

static const struct {
    const char *name;
    void (*answer)(const br_ask *ask);
    br_access needs;
} commands[] = {
    {"status", br__ask_status, BR_ACCESS_VIEW},
    {"events.publish", br__ask_publish, BR_ACCESS_OPERATE},
    {"records.scan", br__ask_scan, BR_ACCESS_VIEW},
    {"records.follow", br__ask_follow, BR_ACCESS_VIEW},
    {"explain", br__ask_explain, BR_ACCESS_VIEW},
    {"agents.list", br__ask_agents, BR_ACCESS_VIEW},
    {"memory.show", br__ask_memory, BR_ACCESS_VIEW},
    {"playbooks.list", br__ask_playbooks, BR_ACCESS_VIEW},
    {"playbooks.check", br__ask_check, BR_ACCESS_OPERATE}, // it keeps the loop busy
    {"playbooks.reload", br__ask_reload, BR_ACCESS_OPERATE},
    {"playbooks.schema", br__ask_schema, BR_ACCESS_VIEW},
    {"playbooks.starter", br__ask_starter, BR_ACCESS_VIEW},
    {"playbooks.promote", br__ask_mode, BR_ACCESS_OPERATE},
    {"approvals.list", br__ask_approvals, BR_ACCESS_VIEW},
    {"approvals.decide", br__ask_approval_decide, BR_ACCESS_ANSWER},
    {"runs.list", br__ask_runs, BR_ACCESS_VIEW},
    {"runs.acknowledge", br__ask_run_ack, BR_ACCESS_OPERATE},
    {"budgets.show", br__ask_budgets, BR_ACCESS_VIEW},
    {"actions.list", br__ask_actions, BR_ACCESS_VIEW},
    {"dlq.list", br__ask_dlq, BR_ACCESS_VIEW},
    {"dlq.show", br__ask_dlq_show, BR_ACCESS_VIEW},
    {"dlq.retry", br__ask_dlq_retry, BR_ACCESS_OPERATE},
    {"dlq.discard", br__ask_dlq_discard, BR_ACCESS_OPERATE},
    {"halt", br__ask_halt, BR_ACCESS_OPERATE},
    {"resume", br__ask_resume, BR_ACCESS_OPERATE},
    {"config.show", br__ask_config, BR_ACCESS_VIEW},
    {"sync.hash", br__ask_hash, BR_ACCESS_VIEW},
};

void
br__send_frame(br_control *control, rt_ctl_call *call, bool last)
{
    if (control->out.failed) {
        br__refuse(control, call, RT_ELIMIT, "ask for less at a time",
                   "the answer is larger than the %u bytes a message may have",
                   BR_CONTROL_MESSAGE_MAX);
        return;
    }
    rt_ctl_answer(call, rt_mpw_view(&control->out), last);
}

void
br__refuse(br_control *control, rt_ctl_call *call, rt_err err, const char *hint, const char *fmt,
           ...)
{
    char text[RT_ERR_DETAIL_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    rt_mpw_clear(&control->out);
    control->out.failed = false;
    br_map answer = br__map_begin(&control->out);
    br__map_bool(&answer, "ok", false);
    br_map error = br__map_begin(br__map_key(&answer, "error"));
    br__map_cstr(&error, "code", rt_err_name(err));
    br__map_cstr(&error, "text", text[0] != '\0' ? text : rt_err_text(err));
    if (hint != NULL) {
        br__map_cstr(&error, "hint", hint);
    }
    br__map_end(&error);
    br__map_end(&answer);
    rt_ctl_answer(call, rt_mpw_view(&control->out), true);
}

br_map
br__answer_begin(const br_ask *ask)
{
    rt_mpw_clear(&ask->control->out);
    rt_arena_reset(ask->control->arena);
    br_map answer = br__map_begin(&ask->control->out);
    br__map_bool(&answer, "ok", true);
    return answer;
}

void
br__answer_end(const br_ask *ask, br_map *answer)
{
    br__map_end(answer);
    br__send_frame(ask->control, ask->call, true);
}

void
br__item_frame(br_control *control, rt_bytes items, uint32_t count)
{
    rt_mpw_clear(&control->out);
    rt_mpw_map(&control->out, 1);
    rt_mpw_cstr(&control->out, "items");
    rt_mpw_array(&control->out, count);
    rt_mpw_raw(&control->out, items);
}

rt_str
br__arg_str(const br_ask *ask, const char *name)
{
    rt_mp at;
    rt_str text = {NULL, 0};
    if (rt_mp_find(ask->args, rt_str_of(name), &at) && rt_mp_str(&at, &text) != RT_OK) {
        text = (rt_str){NULL, 0};
    }
    return text;
}

uint64_t
br__arg_u64(const br_ask *ask, const char *name, uint64_t fallback)
{
    rt_mp at;
    uint64_t value;
    bool given = rt_mp_find(ask->args, rt_str_of(name), &at) && rt_mp_u64(&at, &value) == RT_OK;
    return given ? value : fallback;
}

bool
br__arg_bool(const br_ask *ask, const char *name)
{
    rt_mp at;
    bool value;
    return rt_mp_find(ask->args, rt_str_of(name), &at) && rt_mp_bool(&at, &value) == RT_OK &&
           value;
}

static const char *
suggest_tenant(const br_ask *ask, rt_str name, char *buf, size_t cap)
{
    rt_str names[RT_TENANT_MAX];
    const br_brain_config *config = &ask->brain->config;
    size_t count = RT_MIN(config->tenant_count, RT_COUNT(names));
    for (size_t i = 0; i < count; i++) {
        names[i] = rt_str_of(config->tenants[i].name);
    }
    return rt_diag_did_you_mean(name, names, count, buf, cap);
}

bool
br__arg_tenant(const br_ask *ask, rt_tenant *ret_tenant, bool *ret_given)
{
    char hint[128];
    rt_str name = br__arg_str(ask, "tenant");
    *ret_given = true;
    if (rt_str_is(name, "system")) {
        *ret_tenant = RT_TENANT_SYSTEM;
        return true;
    }
    if (br__tenant_find(ask->brain, name, ret_tenant)) {
        *ret_given = name.len > 0;
        return true;
    }
    *ret_given = false;
    if (name.len == 0) {
        return true;
    }
    br__refuse(ask->control, ask->call, RT_ENOTFOUND,
               suggest_tenant(ask, name, hint, sizeof(hint)), "no tenant '%.*s'",
               RT_STR_ARG(name));
    return false;
}

static const char *
suggest_command(rt_str name, char *buf, size_t cap)
{
    rt_str names[RT_COUNT(commands)];
    for (size_t i = 0; i < RT_COUNT(commands); i++) {
        names[i] = rt_str_of(commands[i].name);
    }
    return rt_diag_did_you_mean(name, names, RT_COUNT(commands), buf, cap);
}

static void
dispatch(br_ask *ask, rt_bytes body)
{
    rt_mp at;
    rt_str name = {NULL, 0};
    if (rt_mp_check(body) != RT_OK) {
        br__refuse(ask->control, ask->call, RT_EPROTO, NULL, "the request is no msgpack map");
        return;
    }
    if (!rt_mp_find(body, RT_STR("cmd"), &at) || rt_mp_str(&at, &name) != RT_OK) {
        br__refuse(ask->control, ask->call, RT_EMISSING, NULL, "the request names no cmd");
        return;
    }
    if (rt_mp_find(body, RT_STR("args"), &at) && rt_mp_raw(&at, &ask->args) != RT_OK) {
        ask->args = (rt_bytes){NULL, 0};
    }
    for (size_t i = 0; i < RT_COUNT(commands); i++) {
        if (rt_str_is(name, commands[i].name)) {
            if (br__access_allows(ask, commands[i].name, commands[i].needs)) {
                commands[i].answer(ask);
            }
            return;
        }
    }
    char hint[96];
    br__refuse(ask->control, ask->call, RT_EUNKNOWN, suggest_command(name, hint, sizeof(hint)),
               "no command '%.*s'", RT_STR_ARG(name));
}

static void
on_call(void *user, rt_ctl_call *call, uint32_t uid, rt_bytes body)
{
    br_control *control = user;
    const br_brain_config *config = &control->brain->config;
    bool is_owner = uid == 0 || uid == (uint32_t)geteuid();
    br_ask ask = {.brain = control->brain,
                  .control = control,
                  .call = call,
                  .uid = uid,
                  .is_owner = is_owner,
                  .access = is_owner ? BR_ACCESS_OPERATE
                                     : br__access_of(config->roles, config->role_count, uid)};
    control->brain->metrics.control_calls++;
    if (!br__access_opens(&ask)) {
        return;
    }
    if (control->brain->failed != RT_OK) {
        br__refuse(control, call, RT_ECLOSED, NULL, "the brain has stopped: %s",
                   rt_err_text(control->brain->failed));
        return;
    }
    dispatch(&ask, body);
}

static void
take_sample(br_control *control, int64_t now_us)
{
    const br_brain *brain = control->brain;
    uint32_t last = (control->sample_count + BR_RATE_SAMPLES - 1) % BR_RATE_SAMPLES;
    if (control->sample_count > 0 && now_us - control->samples[last].at_us < SAMPLE_EVERY_US) {
        return;
    }
    control->samples[control->sample_count++ % BR_RATE_SAMPLES] =
        (br_rate_sample){.at_us = now_us,
                         .events = brain->metrics.events_in,
                         .decisions = brain->metrics.decisions,
                         .actions = brain->metrics.actions_executed};
}

void
br__control_tick(br_brain *brain)
{
    br_control *control = brain->control;
    if (control == NULL) {
        return;
    }
    take_sample(control, rt_clock_mono_us());
    if (control->tails_behind) {
        br__tails_run(control);
    }
    br__hashings_poll(control);
}

bool
br__control_waits(const br_brain *brain)
{
    const br_control *control = brain->control;
    return control != NULL && (control->tails_behind || control->hashings != NULL);
}

rt_err
br__control_open(br_brain *brain)
{
    br_control *control = rt_new(br_control);
    control->brain = brain;
    control->arena = rt_arena_new(ARENA_MAX);
    rt_mpw_init(&control->out, BR_CONTROL_MESSAGE_MAX);
    brain->control = control;
    rt_net_limits limits = brain->config.limits;
    limits.message_bytes_max = BR_CONTROL_MESSAGE_MAX; // tools ask for more than producers send
    rt_err err = rt_ctl_listen(brain->loop, brain->config.control_path, limits, on_call, control,
                               &brain->ctl);
    if (err == RT_OK && brain->config.control_gid != 0) {
        err = rt_ctl_admit(brain->ctl, brain->config.control_gid);
    }
    return err;
}

void
br__control_tails(br_brain *brain)
{
    if (brain->control != NULL) {
        br__promises_keep(brain->control);
        br__tails_run(brain->control);
    }
}

void
br__control_hang_up(br_brain *brain)
{
    br_control *control = brain->control;
    if (control == NULL || brain->ctl == NULL) {
        return;
    }
    br__jobs_refuse(control);
    br__tails_free(control);
    br__promises_free(control);
    br__hashings_free(control);
    rt_ctl_close(brain->ctl);
    brain->ctl = NULL;
}

void
br__control_close(br_brain *brain)
{
    br_control *control = brain->control;
    if (control == NULL) {
        return;
    }
    br__jobs_free(control);
    br__tails_free(control);
    br__promises_free(control);
    br__hashings_free(control);
    if (brain->ctl != NULL) {
        rt_ctl_close(brain->ctl);
    }
    rt_mpw_fini(&control->out);
    rt_arena_free(control->arena);
    rt_free(control);
    brain->control = NULL;
    brain->ctl = NULL;
}
