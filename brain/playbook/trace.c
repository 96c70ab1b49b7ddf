// Design notes.
// An evaluation reports its parts innermost first. They are put in order here by where they stand
// in the source: a part belongs to the next one reported that contains it. What a loop evaluates
// again and again stands there as often.
#include "brain/playbook/trace.h"

#include "brain/playbook/decide_internal.h"

// A part as it was reported.
typedef struct seen {
    rt_str text;
    rt_value value;
    br_expr_fault fault;
    uint32_t parent; // NOTHING: no part contains it
    uint32_t size;   // it, and everything below it
    uint32_t place;  // in order
    uint32_t end;    // where what it contains ends that has no place yet
} seen;

#define NOTHING UINT32_MAX

typedef struct tracing {
    const br_playbook *playbook;
    const br_situation *situation;
    br_expr_load load; // what expressions read
    const void *user;
    rt_arena *arena;
    br_trace *out;
    seen *seen; // of one expression
    uint32_t seen_count;
    uint32_t *open; // parts that nothing contains yet
    uint32_t open_count;
    bool failed; // the arena's limit
} tracing;

static bool
is_inside(rt_str part, rt_str whole)
{
    return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len &&
           part.len < whole.len;
}

// A text of an evaluation may last no longer than it.
static rt_value
keep_value(tracing *t, rt_value value)
{
    if (value.kind == RT_KIND_STR) {
        value.s = rt_arena_str(t->arena, value.s);
        t->failed = t->failed || value.s.ptr == NULL;
    }
    return value;
}

static void
on_part(void *watcher, rt_str text, rt_value value, br_expr_fault fault)
{
    tracing *t = watcher;
    uint32_t index = t->seen_count++;
    t->seen[index] = (seen){.text = text,
                            .value = keep_value(t, value),
                            .fault = fault,
                            .parent = NOTHING,
                            .size = 1};
    while (t->open_count > 0 && is_inside(t->seen[t->open[t->open_count - 1]].text, text)) {
        seen *child = &t->seen[t->open[--t->open_count]];
        child->parent = index;
        t->seen[index].size += child->size;
    }
    t->open[t->open_count++] = index;
}

// Which of the conditions that && joins a part belongs to.
static size_t
conjunct_of(const br_expr *expr, rt_str text)
{
    size_t last = br_expr_conjunct_count(expr) - 1;
    for (size_t i = 0; i < last; i++) {
        rt_str conjunct = br_expr_conjunct_text(expr, i);
        if (text.ptr >= conjunct.ptr && text.ptr + text.len <= conjunct.ptr + conjunct.len) {
            return i;
        }
    }
    return last;
}

// A condition of which nothing was reported: it is a constant, or the one before decided.
static br_trace_part
unreported(const br_expr *expr, size_t conjunct, const br_expr_result *result)
{
    br_trace_part part = {.text = br_expr_conjunct_text(expr, conjunct), .is_seen = true};
    if (br_expr_conjunct_count(expr) == 1) {
        part.value = result->value;
        part.fault = result->fault;
        return part;
    }
    part.is_seen = result->fault != BR_FAULT_NONE || conjunct <= result->failed_conjunct;
    part.value = part.is_seen ? RT_BOOL(conjunct != result->failed_conjunct) : RT_NONE;
    return part;
}

// Gives the conditions that && joins their places; those of which nothing was reported are written.
static uint32_t
place_conjuncts(tracing *t, const br_expr *expr, const br_expr_result *result,
                br_trace_part *parts)
{
    size_t next = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->open_count; i++) {
        seen *root = &t->seen[t->open[i]];
        size_t conjunct = conjunct_of(expr, root->text);
        for (; next < conjunct; next++) {
            parts[count++] = unreported(expr, next, result);
        }
        next = conjunct + 1;
        root->place = count;
        count += root->size;
    }
    for (; next < br_expr_conjunct_count(expr); next++) {
        parts[count++] = unreported(expr, next, result);
    }
    return count;
}

// A part is reported before the one that contains it, so backwards that one has its place already.
static void
place_parts(tracing *t, br_trace_part *parts)
{
    for (uint32_t i = t->seen_count; i > 0; i--) {
        seen *s = &t->seen[i - 1];
        seen *parent = s->parent != NOTHING ? &t->seen[s->parent] : NULL;
        if (parent != NULL) {
            s->place = parent->end - s->size;
            parent->end = s->place;
        }
        s->end = s->place + s->size;
        parts[s->place] = (br_trace_part){.text = s->text,
                                          .depth = parent != NULL ? parts[parent->place].depth + 1
                                                                  : 0,
                                          .is_seen = true,
                                          .value = s->value,
                                          .fault = s->fault};
    }
}

// Evaluates one expression and keeps what it reports.   returns   whether it is a true condition
static bool
trace_expr(tracing *t, const char *block, rt_str name, const br_expr *expr)
{
    br_expr_result result;
    if (expr == NULL || t->out->expr_count == BR_TRACE_EXPRS_MAX) {
        return expr == NULL;
    }
    t->seen_count = 0;
    t->open_count = 0;
    br_expr_trace(expr, t->load, t->user, t->arena, on_part, t, &result);
    result.value = keep_value(t, result.value);
    br_trace_part *parts = rt_arena_array(t->arena, br_trace_part,
                                          t->seen_count + br_expr_conjunct_count(expr));
    if (parts == NULL || t->failed) {
        t->failed = true;
        return false;
    }
    uint32_t count = place_conjuncts(t, expr, &result, parts);
    place_parts(t, parts);
    t->out->exprs[t->out->expr_count++] = (br_trace_expr){.block = block,
                                                          .name = name,
                                                          .source = br_expr_source(expr),
                                                          .value = result.value,
                                                          .fault = result.fault,
                                                          .parts = parts,
                                                          .part_count = count};
    return br_expr_is_true(&result);
}

static void
trace_part_of_pattern(tracing *t, const br_rule *rule)
{
    if (rule->element == BR_ELEMENT_UNTIL) {
        if (trace_expr(t, "throttle.until.when", RT_STR(""), rule->when)) {
            (void)trace_expr(t, "throttle.until.key", RT_STR(""), rule->key);
        }
        return;
    }
    if (t->playbook->pattern.kind == BR_PATTERN_COLLECT) {
        if (trace_expr(t, "when", RT_STR(""), rule->when)) {
            (void)trace_expr(t, "throttle.key", RT_STR(""), rule->key);
        }
        return;
    }
    const br_element *element = &t->playbook->pattern.elements[rule->element];
    if (!trace_expr(t, "pattern.when", element->name, rule->when)) {
        return;
    }
    (void)trace_expr(t, "pattern.key", element->name, rule->key);
    for (uint32_t i = 0; i < element->capture_count; i++) {
        (void)trace_expr(t, "pattern.capture", element->captures[i].name, rule->captures[i]);
    }
}

// What a policy draws by, or the branches up to the one that is taken.
static void
trace_choice(tracing *t, const br_rule *rule)
{
    const br_choice *choice = rule->choice;
    br_chosen chosen;
    const char *verdict;
    (void)trace_expr(t, "experiment.key", RT_STR(""), choice->side_key);
    (void)br__choose(rule, br_situation_load, t->situation, t->arena, &chosen, &verdict);
    t->load = chosen.load; // params are those of the arm
    t->user = chosen.user;
    bool draws = t->playbook->policy != NULL;
    for (uint32_t i = 0; draws && i < t->playbook->policy->feature_count; i++) {
        (void)trace_expr(t, "policy.features", t->playbook->policy->features[i],
                         choice->features[i]);
    }
    for (uint32_t i = 0; draws && i < choice->way_count; i++) {
        if (choice->ways[i].when != NULL) {
            (void)trace_expr(t, "policy.when", choice->ways[i].name, choice->ways[i].when);
        }
    }
    bool taken = draws;
    for (uint32_t i = 0; i < choice->way_count && choice->ways[i].when != NULL && !taken; i++) {
        taken = trace_expr(t, "decide.when", choice->ways[i].name, choice->ways[i].when);
    }
    t->load = br_situation_load;
    t->user = t->situation;
}

static void
trace_rule(tracing *t, const br_rule *rule)
{
    const rt_str none = RT_STR("");
    if (!trace_expr(t, "when", none, rule->when)) {
        return;
    }
    (void)trace_expr(t, "throttle.key", none, rule->throttle_key);
    (void)trace_expr(t, "canary.by", none, rule->canary_by);
    for (uint32_t i = 0; i < t->playbook->budget_count; i++) {
        (void)trace_expr(t, "budget.per", none, rule->budget_per[i]);
    }
    (void)trace_expr(t, "approve.when", none, rule->approve_when);
    if (rule->choice != NULL) {
        trace_choice(t, rule);
    }
}

static void
trace_outcome(tracing *t, const br_rule *rule)
{
    const rt_str none = RT_STR("");
    (void)trace_expr(t, "reward.join", none, rule->key);
    if (trace_expr(t, "reward.when", none, rule->when)) {
        (void)trace_expr(t, "reward.value", none, rule->choice->value);
    }
}

static bool
is_own_timer(const br_playbook *playbook, const rt_event *event, rt_str *ret_key)
{
    rt_value owner = rt_event_field(event, "owner");
    rt_value key = rt_event_field(event, "key");
    *ret_key = key.kind == RT_KIND_STR ? key.s : RT_STR("");
    return rt_str_is(event->type->name, "timer.fired") && owner.kind == RT_KIND_STR &&
           rt_str_equal(owner.s, playbook->agent) && key.kind == RT_KIND_STR;
}

// A timer that looks at what became of an action; those of courses have a ':' in their keys.
static bool
is_verification(const tracing *t)
{
    rt_str key;
    return is_own_timer(t->playbook, t->situation->event, &key) &&
           memchr(key.ptr, ':', key.len) == NULL &&
           (t->playbook->verify_plan == NULL || t->situation->plan == t->playbook->verify_plan);
}

static void
trace_all(tracing *t, const br_rule_list *rules)
{
    for (uint32_t i = 0; i < rules->count; i++) {
        const br_rule *rule = rules->rules[i];
        if (rule->playbook == t->playbook && rule->element >= 0) {
            trace_part_of_pattern(t, rule);
        } else if (rule->playbook == t->playbook && rule->element == BR_RULE_REWARD) {
            trace_outcome(t, rule);
        } else if (rule->playbook == t->playbook) {
            trace_rule(t, rule);
        }
    }
    if (is_verification(t)) {
        (void)trace_expr(t, "verify.expect", RT_STR(""), t->playbook->expect);
    }
}

static rt_err
take_verdict(tracing *t, const br_playbooks *set)
{
    msg_consultation said;
    rt_err err = br__consult_one(set, t->playbook, t->situation, t->arena, &said);
    const msg_consulted *list = said.consulted.items;
    for (uint32_t i = 0; err == RT_OK && i < said.consulted.count; i++) {
        if (rt_str_equal(list[i].playbook, t->playbook->info.id)) {
            t->out->verdict = list[i].verdict;
            t->out->detail = list[i].detail;
            t->out->throttle_key = list[i].throttle_key;
        }
    }
    return err;
}

rt_err
br_playbooks_trace(const br_playbooks *set, rt_str id, const br_situation *situation,
                   rt_arena *arena, br_trace *ret)
{
    tracing t = {.playbook = br__playbook_find(set, id),
                 .situation = situation,
                 .load = br_situation_load,
                 .user = situation,
                 .arena = arena,
                 .out = ret,
                 .seen = rt_arena_array(arena, seen, BR_EXPR_TRACE_MAX),
                 .open = rt_arena_array(arena, uint32_t, BR_EXPR_TRACE_MAX)};
    memset(ret, 0, sizeof(*ret));
    if (t.seen == NULL || t.open == NULL) {
        return RT_ENOMEM;
    }
    if (t.playbook == NULL) {
        return RT_OK;
    }
    trace_all(&t, &set->by_type[situation->event->type->index]);
    rt_err err = take_verdict(&t, set);
    return err == RT_OK && t.failed ? RT_ENOMEM : err;
}

static bool
is_answer(const rt_event_type *type)
{
    return rt_str_is(type->name, "approval.decided") ||
           rt_str_is(type->name, "playbook.acknowledged");
}

bool
br_playbooks_names(const br_playbooks *set, rt_str id, const rt_event_type *type)
{
    const br_playbook *playbook = br__playbook_find(set, id);
    const br_rule_list *rules = &set->by_type[type->index];
    bool found = playbook != NULL && (is_answer(type) || rt_str_is(type->name, "timer.fired"));
    for (uint32_t i = 0; playbook != NULL && !found && i < rules->count; i++) {
        found = rules->rules[i]->playbook == playbook;
    }
    return found;
}

bool
br_playbooks_concerns(const br_playbooks *set, rt_str id, const rt_event *event)
{
    const br_playbook *playbook = br__playbook_find(set, id);
    const br_rule_list *rules = &set->by_type[event->type->index];
    rt_str key;
    if (playbook == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < rules->count; i++) {
        if (rules->rules[i]->playbook == playbook) {
            return true;
        }
    }
    if (is_answer(event->type)) {
        rt_value of = rt_event_field(event, "playbook");
        return of.kind == RT_KIND_STR && rt_str_equal(of.s, id);
    }
    return is_own_timer(playbook, event, &key) && !rt_str_starts(key, RT_STR("budget:"));
}
