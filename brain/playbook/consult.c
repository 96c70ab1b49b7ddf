// Design notes.
// Consulting only proposes: throttles, conflicts and limits are settled when the event is decided,
// at its place in the journal. A verification comes back as timer.fired with owner "playbook:<id>"
// and the decision's number as its key.
#include "brain/playbook/internal.h"

#define BR_ARGS_BYTES_MAX 16384
#define DETAIL_MAX 400
#define REASON_MAX 512 // of playbook.escalated
#define PROPOSALS_MAX (BR_CONSULTED_MAX)

typedef struct consulting {
    const br_situation *situation;
    rt_arena *arena;
    msg_consultation *out;
    msg_proposal *proposals;
    msg_consulted *consulted;
    msg_timer *timers;
    msg_emission *emissions;
    rt_str *shadow;
} consulting;

static rt_str
keep_text(consulting *c, const rt_text *text)
{
    return rt_arena_str(c->arena, rt_text_view(text));
}

static msg_consulted *
look_at(consulting *c, const br_playbook *playbook, uint64_t version, const char *verdict)
{
    msg_consulted *consulted = &c->consulted[c->out->consulted.count++];
    consulted->playbook = playbook->info.id;
    consulted->version = version;
    consulted->verdict = rt_str_of(verdict);
    return consulted;
}

static bool
argument_value(consulting *c, const br_argument *arg, rt_value *ret_value, rt_str *ret_why)
{
    *ret_value = arg->constant;
    if (arg->template == NULL) {
        return true;
    }
    rt_err err =
        br_template_value(arg->template, br_situation_load, c->situation, c->arena, ret_value);
    if (err != RT_OK) {
        *ret_why = rt_arena_printf(c->arena, "%s", rt_err_detail());
    }
    return err == RT_OK;
}

static bool
build_args(consulting *c, const br_step *step, rt_bytes *ret_args, rt_str *ret_why)
{
    rt_mpw w;
    rt_mpw_init(&w, BR_ARGS_BYTES_MAX);
    rt_mpw_map(&w, step->arg_count);
    bool ok = true;
    for (uint32_t i = 0; i < step->arg_count && ok; i++) {
        rt_value value;
        rt_str why;
        ok = argument_value(c, &step->args[i], &value, &why);
        if (ok) {
            rt_mpw_str(&w, step->args[i].name);
            rt_value_write(&w, value);
        } else {
            *ret_why = rt_arena_printf(c->arena, "argument %.*s: %.*s",
                                       RT_STR_ARG(step->args[i].name), RT_STR_ARG(why));
        }
    }
    *ret_args = rt_arena_copy(c->arena, rt_mpw_view(&w));
    ok = ok && !w.failed && ret_args->ptr != NULL;
    rt_mpw_fini(&w);
    return ok;
}

static bool
build_step(consulting *c, const br_playbook *playbook, const br_step *step, rt_str *ret_why)
{
    if (c->out->proposals.count == PROPOSALS_MAX) {
        *ret_why = RT_STR("too many proposals for one event");
        return false;
    }
    msg_proposal proposal = {.agent = playbook->agent,
                             .model = playbook->model,
                             .action = step->action->name,
                             .priority = playbook->priority,
                             .confidence = playbook->confidence,
                             .value = step->value,
                             .cost_cop = step->cost_cop,
                             .propensity = 1,
                             .reason = playbook->info.doc};
    rt_value target;
    if (br_template_value(step->target, br_situation_load, c->situation, c->arena, &target) !=
            RT_OK ||
        target.kind != RT_KIND_STR) {
        *ret_why = rt_arena_printf(c->arena, "target: %s", rt_err_detail());
        return false;
    }
    proposal.target = target.s;
    if (!build_args(c, step, &proposal.args, ret_why)) {
        return false;
    }
    c->proposals[c->out->proposals.count++] = proposal;
    return true;
}

// All actions of a playbook are proposed, or none.
static bool
build_steps(consulting *c, const br_playbook *playbook, const br_steps *steps, rt_str *ret_why)
{
    uint32_t before = c->out->proposals.count;
    for (uint32_t i = 0; i < steps->count; i++) {
        if (!build_step(c, playbook, &steps->steps[i], ret_why)) {
            c->out->proposals.count = before;
            return false;
        }
    }
    return true;
}

static rt_str
explain_failure(consulting *c, const br_rule *rule, const br_expr_result *result)
{
    rt_text text;
    rt_text_init(&text, DETAIL_MAX);
    if (result->failed_conjunct < br_expr_conjunct_count(rule->when)) {
        br_expr_explain(rule->when, result->failed_conjunct, br_situation_load, c->situation,
                        c->arena, &text);
    } else {
        rt_text_cstr(&text, br_expr_fault_text(result->fault));
    }
    rt_str kept = keep_text(c, &text);
    rt_text_fini(&text);
    return kept;
}

static bool
throttle_key(consulting *c, const br_rule *rule, msg_consulted *consulted)
{
    if (rule->throttle_key == NULL) {
        return true;
    }
    br_expr_result result;
    br_expr_eval(rule->throttle_key, br_situation_load, c->situation, c->arena, &result);
    if (result.fault != BR_FAULT_NONE || result.value.kind != RT_KIND_STR) {
        consulted->detail = rt_arena_printf(c->arena, "throttle key: %s",
                                            br_expr_fault_text(result.fault));
        return false;
    }
    consulted->throttle_key = result.value.s;
    return true;
}

static void
set_verification(consulting *c, const br_playbook *playbook)
{
    const rt_event *event = c->situation->event;
    if (playbook->verify_ms == 0) {
        return;
    }
    c->timers[c->out->timers.count++] =
        (msg_timer){.owner = playbook->agent,
                    .key = rt_arena_printf(c->arena, "%llu", (unsigned long long)event->seq),
                    .due_ms = c->situation->now_ms + playbook->verify_ms,
                    .subject = event->subject};
}

static void
consult_rule(consulting *c, const br_rule *rule, uint64_t version)
{
    const br_playbook *playbook = rule->playbook;
    br_expr_result result;
    if (rule->when != NULL) {
        br_expr_eval(rule->when, br_situation_load, c->situation, c->arena, &result);
        if (!br_expr_is_true(&result)) {
            const char *verdict = result.fault != BR_FAULT_NONE ? "error" : "false";
            look_at(c, playbook, version, verdict)->detail = explain_failure(c, rule, &result);
            return;
        }
    }
    msg_consulted *consulted = look_at(c, playbook, version, "fired");
    rt_str why = RT_STR("");
    if (!throttle_key(c, rule, consulted)) {
        consulted->verdict = RT_STR("error");
        return;
    }
    if (!build_steps(c, playbook, &rule->steps, &why)) {
        consulted->verdict = RT_STR("error");
        consulted->detail = why;
        return;
    }
    if (playbook->info.mode == BR_MODE_SHADOW) {
        c->shadow[c->out->shadow.count++] = playbook->agent;
    } else {
        set_verification(c, playbook);
    }
}

static void
emit(consulting *c, const br_playbook *playbook, const char *event, rt_mpw *data)
{
    rt_bytes kept = rt_arena_copy(c->arena, rt_mpw_view(data));
    if (!data->failed && kept.ptr != NULL) {
        c->emissions[c->out->emissions.count++] =
            (msg_emission){.agent = playbook->agent,
                           .event = rt_str_of(event),
                           .subject = c->situation->event->subject,
                           .data = kept};
    }
    rt_mpw_clear(data);
}

static void
emit_verified(consulting *c, const br_playbook *playbook, int64_t decision, bool held)
{
    rt_mpw data;
    rt_mpw_init(&data, 4096);
    rt_mpw_map(&data, 3);
    rt_mpw_cstr(&data, "playbook");
    rt_mpw_str(&data, playbook->info.id);
    rt_mpw_cstr(&data, "decision_seq");
    rt_mpw_i64(&data, decision);
    rt_mpw_cstr(&data, "held");
    rt_mpw_bool(&data, held);
    emit(c, playbook, "playbook.verified", &data);
    rt_mpw_fini(&data);
}

static void
escalate(consulting *c, const br_playbook *playbook, msg_consulted *consulted)
{
    rt_str source = br_expr_source(playbook->expect);
    rt_str why = RT_STR("");
    rt_mpw data;
    rt_mpw_init(&data, 4096);
    rt_mpw_map(&data, 2);
    rt_mpw_cstr(&data, "playbook");
    rt_mpw_str(&data, playbook->info.id);
    rt_mpw_cstr(&data, "reason");
    rt_mpw_str(&data, rt_utf8_whole((rt_str){source.ptr, RT_MIN(source.len, REASON_MAX)}));
    emit(c, playbook, "playbook.escalated", &data);
    rt_mpw_fini(&data);
    if (!build_steps(c, playbook, &playbook->escalate, &why)) {
        consulted->detail = why;
    }
}

static void
consult_verification(consulting *c, const br_playbook *playbook, rt_str key, uint64_t version)
{
    int64_t decision;
    br_expr_result result;
    if (playbook->expect == NULL || rt_parse_i64(key, &decision) != RT_OK) {
        return;
    }
    // a subject of another kind has other slots than those that `expect` was compiled for
    if (playbook->verify_plan != NULL && c->situation->plan != playbook->verify_plan) {
        look_at(c, playbook, version, "error")->detail = rt_arena_printf(
            c->arena, "the subject is not a %.*s", RT_STR_ARG(playbook->entity));
        emit_verified(c, playbook, decision, false);
        return;
    }
    br_expr_eval(playbook->expect, br_situation_load, c->situation, c->arena, &result);
    bool held = br_expr_is_true(&result);
    msg_consulted *consulted = look_at(c, playbook, version, held ? "verified" : "not verified");
    consulted->detail = br_expr_source(playbook->expect);
    emit_verified(c, playbook, decision, held);
    if (!held && playbook->escalate.count > 0) {
        escalate(c, playbook, consulted);
    }
}

static void
consult_timer(consulting *c, const br_playbooks *set)
{
    const rt_event *event = c->situation->event;
    rt_value owner = rt_event_field(event, "owner");
    rt_value key = rt_event_field(event, "key");
    const rt_str prefix = RT_STR("playbook:");
    if (owner.kind != RT_KIND_STR || key.kind != RT_KIND_STR || !rt_str_starts(owner.s, prefix)) {
        return;
    }
    rt_str id = {owner.s.ptr + prefix.len, owner.s.len - prefix.len};
    const br_playbook *playbook = br__playbook_find(set, id);
    if (playbook != NULL) {
        consult_verification(c, playbook, key.s, set->version);
    }
}

// What the rules can propose at most: arrays are made as long as they need to be, because zeroing
// the longest possible ones would cost more than the rules.
static uint32_t
proposals_at_most(const br_rule_list *rules, bool timer)
{
    uint32_t count = timer ? PROPOSALS_MAX : 0;
    for (uint32_t i = 0; i < rules->count && count < PROPOSALS_MAX; i++) {
        count += rules->rules[i]->steps.count;
    }
    return RT_MIN(count, PROPOSALS_MAX);
}

rt_err
br_playbooks_consult(const br_playbooks *set, const br_situation *situation, rt_arena *arena,
                     msg_consultation *ret)
{
    const br_rule_list *rules = &set->by_type[situation->event->type->index];
    memset(ret, 0, sizeof(*ret));
    bool timer = rt_str_is(situation->event->type->name, "timer.fired");
    if (rules->count == 0 && !timer) {
        return RT_OK;
    }
    uint32_t most = RT_MIN(rules->count, BR_CONSULTED_MAX);
    uint32_t proposals = proposals_at_most(rules, timer);
    consulting c = {.situation = situation,
                    .arena = arena,
                    .out = ret,
                    .proposals = rt_arena_array(arena, msg_proposal, proposals),
                    .consulted = rt_arena_array(arena, msg_consulted, most + 1),
                    .timers = rt_arena_array(arena, msg_timer, most),
                    .emissions = rt_arena_array(arena, msg_emission, 2),
                    .shadow = rt_arena_array(arena, rt_str, most)};
    if (c.shadow == NULL || c.proposals == NULL || c.consulted == NULL || c.timers == NULL ||
        c.emissions == NULL) {
        return RT_ENOMEM;
    }
    for (uint32_t i = 0; i < rules->count && i < BR_CONSULTED_MAX; i++) {
        consult_rule(&c, rules->rules[i], set->version);
    }
    if (timer) {
        consult_timer(&c, set);
    }
    ret->proposals.items = c.proposals;
    ret->consulted.items = c.consulted;
    ret->timers.items = c.timers;
    ret->emissions.items = c.emissions;
    ret->shadow.items = c.shadow;
    return RT_OK;
}
