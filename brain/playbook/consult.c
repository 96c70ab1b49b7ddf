// Design notes.
// Consulting only proposes: throttles, conflicts and limits are settled when the event is decided,
// at its place in the journal. A verification comes back as timer.fired with owner "playbook:<id>"
// and the decision's number as its key. Timers of courses (course.c) have a ':' in their keys.
#include "brain/playbook/decide_internal.h"

#define DETAIL_MAX 400
#define REASON_MAX 512 // of playbook.escalated
#define PROPOSALS_MAX (BR_CONSULTED_MAX)
#define CAPTURES_BYTES_MAX 8192 // of one part of a pattern

typedef struct consulting {
    const br_situation *situation;
    rt_arena *arena;
    msg_consultation *out;
    msg_proposal *proposals;
    msg_consulted *consulted;
    msg_timer *timers;
    msg_emission *emissions;
    rt_str *shadow;
    msg_match *matches;
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

// All actions of a playbook are proposed, or none.
static bool
build_steps(consulting *c, const br_playbook *playbook, const br_chosen *chosen, rt_str *ret_why)
{
    uint32_t count = c->out->proposals.count;
    const br_steps *steps = chosen->steps;
    if (steps->count > PROPOSALS_MAX - count) {
        *ret_why = RT_STR("too many proposals for one event");
        return false;
    }
    if (!br__propose(playbook, steps, chosen->load, chosen->user, c->arena, &c->proposals[count],
                     ret_why)) {
        return false;
    }
    br__choice_mark(chosen, &c->proposals[count], steps->count);
    c->out->proposals.count += steps->count;
    return true;
}

static rt_str
explain_failure(consulting *c, const br_rule *rule, const br_expr_result *result)
{
    rt_text text;
    rt_text_init(&text, DETAIL_MAX);
    br_expr_explain_failure(rule->when, result, br_situation_load, c->situation, &text);
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

msg_timer
br__verification(const br_playbook *playbook, uint64_t seq, rt_str subject, int64_t now_ms,
                 rt_arena *arena)
{
    return (msg_timer){.owner = playbook->agent,
                       .key = rt_arena_printf(arena, "%llu", (unsigned long long)seq),
                       .due_ms = now_ms + playbook->verify_ms,
                       .subject = subject};
}

static rt_bytes
capture_values(consulting *c, const br_rule *rule)
{
    const br_element *element = &rule->playbook->pattern.elements[rule->element];
    // what is collected is counted at the decision
    bool is_counted = rule->playbook->pattern.kind == BR_PATTERN_COLLECT;
    uint32_t count = is_counted ? 0 : element->capture_count;
    rt_mpw w;
    rt_mpw_init(&w, CAPTURES_BYTES_MAX);
    rt_mpw_map(&w, count);
    for (uint32_t i = 0; i < count; i++) {
        br_expr_result result;
        br_expr_eval(rule->captures[i], br_situation_load, c->situation, c->arena, &result);
        rt_mpw_str(&w, element->captures[i].name);
        // what is not there is captured as nothing, and asked for with has()
        rt_value_write(&w, result.fault == BR_FAULT_NONE ? result.value : RT_NONE);
    }
    rt_bytes kept = w.failed ? (rt_bytes){NULL, 0} : rt_arena_copy(c->arena, rt_mpw_view(&w));
    rt_mpw_fini(&w);
    return kept;
}

// A part of a pattern: what it leads to is settled at the decision. One entry stands for all parts
// of a playbook that the event could be.
static void
consult_part(consulting *c, const br_rule *rule, uint64_t version)
{
    const br_playbook *playbook = rule->playbook;
    msg_consulted *last = c->out->consulted.count > 0
                              ? &c->consulted[c->out->consulted.count - 1]
                              : NULL;
    bool matched = last != NULL && rt_str_is(last->verdict, "matched") &&
                   rt_str_equal(last->playbook, playbook->info.id);
    br_expr_result result;
    if (rule->when != NULL) {
        br_expr_eval(rule->when, br_situation_load, c->situation, c->arena, &result);
        if (!br_expr_is_true(&result)) {
            if (!matched) {
                const char *verdict = result.fault != BR_FAULT_NONE ? "error" : "false";
                look_at(c, playbook, version, verdict)->detail = explain_failure(c, rule, &result);
            }
            return;
        }
    }
    br_expr_eval(rule->key, br_situation_load, c->situation, c->arena, &result);
    if (result.fault != BR_FAULT_NONE || result.value.kind != RT_KIND_STR) {
        look_at(c, playbook, version, "error")->detail = rt_arena_printf(
            c->arena, "key of the pattern: %s", br_expr_fault_text(result.fault));
        return;
    }
    rt_bytes captures = capture_values(c, rule);
    if (captures.ptr == NULL) {
        look_at(c, playbook, version, "error")->detail =
            RT_STR("what is captured is too large");
        return;
    }
    if (!matched) {
        look_at(c, playbook, version, "matched");
    }
    c->matches[c->out->matches.count++] = (msg_match){.playbook = playbook->info.id,
                                                      .element = (uint64_t)rule->element,
                                                      .key = result.value.s,
                                                      .captures = captures};
}

// An event that ends the period of a throttle; whether one runs is known at the decision.
static void
consult_until(consulting *c, const br_rule *rule)
{
    br_expr_result result;
    if (rule->when != NULL) {
        br_expr_eval(rule->when, br_situation_load, c->situation, c->arena, &result);
        if (!br_expr_is_true(&result)) {
            return;
        }
    }
    br_expr_eval(rule->key, br_situation_load, c->situation, c->arena, &result);
    if (result.fault == BR_FAULT_NONE && result.value.kind == RT_KIND_STR) {
        c->matches[c->out->matches.count++] =
            (msg_match){.playbook = rule->playbook->info.id,
                        .element = (uint64_t)rule->element,
                        .key = result.value.s};
    }
}

// An outcome that a policy may learn from: whether it does is settled at the decision, and nothing
// is said when it does not.
static void
consult_outcome(consulting *c, const br_rule *rule, uint64_t version)
{
    br_expr_result result;
    br_expr_eval(rule->key, br_situation_load, c->situation, c->arena, &result);
    if (result.fault != BR_FAULT_NONE || result.value.kind != RT_KIND_STR) {
        look_at(c, rule->playbook, version, "error")->detail = rt_arena_printf(
            c->arena, "reward.join: %s", br_expr_fault_text(result.fault));
        return;
    }
    c->matches[c->out->matches.count++] = (msg_match){.playbook = rule->playbook->info.id,
                                                      .element = BR_MATCH_REWARD,
                                                      .key = result.value.s};
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
    br_chosen chosen;
    const char *verdict;
    if (!br__choose(rule, br_situation_load, c->situation, c->arena, &chosen, &verdict)) {
        consulted->verdict = rt_str_of(verdict);
        consulted->detail = chosen.how;
        consulted->throttle_key = RT_STR("");
        return;
    }
    consulted->detail = chosen.how;
    if (playbook->policy == NULL && // which is drawn at the decision
        !build_steps(c, playbook, &chosen, &why)) {
        consulted->verdict = RT_STR("error");
        consulted->detail = why;
        return;
    }
    if (playbook->info.mode == BR_MODE_SHADOW) {
        c->shadow[c->out->shadow.count++] = playbook->agent;
    }
    if (playbook->verify_ms > 0) { // set only if an action is done
        const rt_event *event = c->situation->event;
        c->timers[c->out->timers.count++] = br__verification(
            playbook, event->seq, event->subject, c->situation->now_ms, c->arena);
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
    br_chosen all = {.steps = &playbook->escalate,
                     .load = br_situation_load,
                     .user = c->situation};
    if (!build_steps(c, playbook, &all, &why)) {
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
proposals_at_most(const br_rule *const *rules, uint32_t rule_count, bool timer)
{
    uint32_t count = timer ? PROPOSALS_MAX : 0;
    for (uint32_t i = 0; i < rule_count && count < PROPOSALS_MAX; i++) {
        count += rules[i]->element < 0 ? rules[i]->steps_most : 0;
    }
    return RT_MIN(count, PROPOSALS_MAX);
}

static uint32_t
parts_of(const br_rule *const *rules, uint32_t rule_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rule_count; i++) {
        count += rules[i]->element >= 0 || rules[i]->element == BR_RULE_REWARD;
    }
    return count;
}

// Evaluates these rules, and where a timer is due what is verified then.
static rt_err
consult(const br_playbooks *set, const br_situation *situation, rt_arena *arena,
        const br_rule *const *rules, uint32_t count, msg_consultation *ret)
{
    bool timer = rt_str_is(situation->event->type->name, "timer.fired");
    if (count == 0 && !timer) {
        return RT_OK;
    }
    uint32_t proposals = proposals_at_most(rules, count, timer);
    consulting c = {.situation = situation,
                    .arena = arena,
                    .out = ret,
                    .proposals = rt_arena_array(arena, msg_proposal, proposals),
                    .consulted = rt_arena_array(arena, msg_consulted, count + 1),
                    .timers = rt_arena_array(arena, msg_timer, count),
                    .emissions = rt_arena_array(arena, msg_emission, 2),
                    .shadow = rt_arena_array(arena, rt_str, count),
                    .matches = rt_arena_array(arena, msg_match, parts_of(rules, count))};
    if (c.shadow == NULL || c.matches == NULL || c.proposals == NULL || c.consulted == NULL ||
        c.timers == NULL || c.emissions == NULL) {
        return RT_ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (rules[i]->element == BR_ELEMENT_UNTIL) {
            consult_until(&c, rules[i]);
        } else if (rules[i]->element >= 0) {
            consult_part(&c, rules[i], set->version);
        } else if (rules[i]->element == BR_RULE_REWARD) {
            consult_outcome(&c, rules[i], set->version);
        } else {
            consult_rule(&c, rules[i], set->version);
        }
    }
    if (timer) {
        consult_timer(&c, set);
    }
    ret->proposals.items = c.proposals;
    ret->consulted.items = c.consulted;
    ret->timers.items = c.timers;
    ret->emissions.items = c.emissions;
    ret->shadow.items = c.shadow;
    ret->matches.items = c.matches;
    return RT_OK;
}

rt_err
br_playbooks_consult(const br_playbooks *set, const br_situation *situation, rt_arena *arena,
                     msg_consultation *ret)
{
    const br_rule *rules[BR_CONSULTED_MAX];
    uint32_t found = br__index_find(set, situation, rules, BR_CONSULTED_MAX);
    uint32_t most = RT_MIN(found, BR_CONSULTED_MAX);
    memset(ret, 0, sizeof(*ret));
    ret->crowded = found - most; // only in a set that was live before there was a bound
    return consult(set, situation, arena, rules, most, ret);
}

rt_err
br__consult_one(const br_playbooks *set, const br_playbook *playbook,
                const br_situation *situation, rt_arena *arena, msg_consultation *ret)
{
    const br_rule_list *list = &set->by_type[situation->event->type->index];
    const br_rule *rules[BR_CONSULTED_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < list->count && count < BR_CONSULTED_MAX; i++) {
        if (list->rules[i]->playbook == playbook) {
            rules[count++] = list->rules[i];
        }
    }
    memset(ret, 0, sizeof(*ret));
    return consult(set, situation, arena, rules, count, ret);
}
