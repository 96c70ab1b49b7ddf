// Design notes.
// What no single file shows. Only playbooks that are live take part: what one in shadow proposes
// conflicts with nothing.
// Claims: two playbooks that hear one event type, ask for actions of one exclusive group about one
// target and weigh the same are decided by the last tie-break, which no operator means. Their
// conditions may exclude each other in a way that is not seen here, so it is a warning.
// Bounds: more playbooks than are looked at for one event, as far as the index tells them apart.
// Loops: an edge leads from a playbook whose action emits an event type to every playbook that
// hears it. A playbook from which a path leads back to itself can set itself off without end; at
// run time the causal depth stops it (RT_EVENT_DEPTH_MAX).
#include "brain/playbook/decide_internal.h"
#include "runtime/base/alloc.h"

#define TEXT_BYTES 300
#define WAY_MAX 16 // of a longer way the end is shown

static void
begin_file(const br_playbooks *set, const br_playbook *playbook, rt_diag *diag)
{
    for (size_t i = 0; i < set->file_count; i++) {
        if (rt_str_equal(set->files[i].name, playbook->info.file)) {
            rt_diag_source(diag, set->files[i].name.ptr, set->files[i].text);
        }
    }
}

static void
report_claim(const br_playbooks *set, const br_rule *rule, const br_step *step,
             const br_rule *other, const br_step *its, rt_diag *diag)
{
    const br_playbook_info *info = &other->playbook->info;
    begin_file(set, rule->playbook, diag);
    rt_diag_add(diag, RT_SEVERITY_WARNING, "B2062", step->mark,
                "give one of them another priority, or conditions that exclude each other",
                "'%.*s' (%.*s:%u) claims %.*s on the same event with the same weight",
                RT_STR_ARG(info->id), RT_STR_ARG(info->file), its->mark.line,
                RT_STR_ARG(step->action->group));
}

static bool
have_one_in_common(const br_expr_texts *a, const br_expr_texts *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        for (uint32_t k = 0; k < b->count; k++) {
            if (rt_str_equal(a->texts[i], b->texts[k])) {
                return true;
            }
        }
    }
    return false;
}

static bool
excludes(const br_expr_texts *texts, const br_rule *other)
{
    br_expr_texts its;
    size_t parts = other->when != NULL ? br_expr_conjunct_count(other->when) : 0;
    for (size_t i = 0; i < parts; i++) {
        if (br_expr_conjunct_texts(other->when, i, &its) && its.slot == texts->slot &&
            !have_one_in_common(texts, &its)) {
            return true;
        }
    }
    return false;
}

// Whether both compare a variable with texts, none of them the same.
static bool
exclude_each_other(const br_rule *a, const br_rule *b)
{
    br_expr_texts texts;
    size_t parts = a->when != NULL ? br_expr_conjunct_count(a->when) : 0;
    for (size_t i = 0; i < parts; i++) {
        if (br_expr_conjunct_texts(a->when, i, &texts) && excludes(&texts, b)) {
            return true;
        }
    }
    return false;
}

// Whether a step claims what one of the other rule does; it is reported once.
static bool
is_claimed(const br_playbooks *set, const br_rule *rule, const br_step *step, const br_rule *other,
           rt_diag *diag)
{
    const br_steps *list;
    for (uint32_t i = 0; (list = br__rule_steps(other, i)) != NULL; i++) {
        for (uint32_t k = 0; k < list->count; k++) {
            const br_step *its = &list->steps[k];
            if (step->action->group.len > 0 &&
                rt_str_equal(step->action->group, its->action->group) &&
                rt_str_equal(step->target_text, its->target_text) && step->value == its->value &&
                step->cost_cop == its->cost_cop) {
                report_claim(set, rule, step, other, its, diag);
                return true;
            }
        }
    }
    return false;
}

static bool
share_claim(const br_playbooks *set, const br_rule *rule, const br_rule *other, rt_diag *diag)
{
    const br_steps *list;
    for (uint32_t i = 0; (list = br__rule_steps(rule, i)) != NULL; i++) {
        for (uint32_t k = 0; k < list->count; k++) {
            if (is_claimed(set, rule, &list->steps[k], other, diag)) {
                return true;
            }
        }
    }
    return false;
}

static bool
weigh_the_same(const br_playbook *a, const br_playbook *b)
{
    double mine = (double)a->priority * a->confidence;
    double its = (double)b->priority * b->confidence;
    return mine == its && a != b && a->info.mode == BR_MODE_LIVE && b->info.mode == BR_MODE_LIVE;
}

static void
check_claims(const br_playbooks *set, const br_rule_list *list, rt_diag *diag)
{
    for (uint32_t i = 0; i < list->count && rt_diag_warnings(diag) < RT_DIAG_MAX; i++) {
        bool found = false; // one rival of each is enough
        for (uint32_t k = 0; k < i && !found; k++) {
            found = weigh_the_same(list->rules[i]->playbook, list->rules[k]->playbook) &&
                    !exclude_each_other(list->rules[i], list->rules[k]) &&
                    share_claim(set, list->rules[i], list->rules[k], diag);
        }
    }
}

static void
check_bounds(const br_playbooks *set, const br_rule_list *list, const rt_event_type *type,
             rt_diag *diag)
{
    uint32_t most = br__index_most(list);
    if (list->count <= BR_RULES_MAX && most <= BR_CONSULTED_MAX) {
        return;
    }
    const br_rule *last = list->rules[list->count - 1];
    rt_mark mark = last->steps.count > 0 ? last->steps.steps[0].mark : (rt_mark){1, 1, 0};
    begin_file(set, last->playbook, diag);
    if (list->count > BR_RULES_MAX) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B2066", mark, NULL,
                    "%u playbooks hear '%.*s', %d may", list->count, RT_STR_ARG(type->name),
                    BR_RULES_MAX);
    } else {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B2066", mark,
                    "let each say which texts it is about: has(data.city) && data.city == \"Cali\"",
                    "one '%.*s' may have to be looked at by %u playbooks, more than %d",
                    RT_STR_ARG(type->name), most, BR_CONSULTED_MAX);
    }
}

// A step that raises an event; those of one playbook are chained.
typedef struct emission {
    const br_step *step;
    const rt_event_type *type;
    size_t next; // 1 + index, 0 = the last
} emission;

// The search for a way back: which playbooks were reached, and from which. The hearers of a type
// are looked at once.
typedef struct search {
    const br_playbooks *set;
    emission *emissions;
    size_t emission_count;
    size_t *first; // by playbook: 1 + index of its first emission
    size_t *from;  // by playbook; 1 + index of the one before it, 0 = not reached
    bool *heard;   // by event type
    size_t *queue; // playbooks to look at
    size_t begin;
    size_t end;
} search;

static const rt_event_type *
emitted_by(const br_playbooks *set, const br_step *step)
{
    return step->action->executor == BR_EXECUTE_EMIT
               ? rt_catalog_find(br_pack_catalog(set->pack), step->action->emits)
               : NULL;
}

static void
add_emissions(search *s, const br_rule *rule, const br_steps *steps)
{
    size_t playbook = (size_t)(rule->playbook - s->set->playbooks);
    for (uint32_t i = 0; i < steps->count; i++) {
        const rt_event_type *type = emitted_by(s->set, &steps->steps[i]);
        if (type != NULL && rule->playbook->info.mode == BR_MODE_LIVE) {
            s->emissions[s->emission_count] = (emission){&steps->steps[i], type,
                                                         s->first[playbook]};
            s->first[playbook] = ++s->emission_count;
        }
    }
}

static void
reach(search *s, const rt_event_type *type, size_t from)
{
    const br_rule_list *list = &s->set->by_type[type->index];
    for (uint32_t i = 0; i < list->count && !s->heard[type->index]; i++) {
        size_t to = (size_t)(list->rules[i]->playbook - s->set->playbooks);
        if (list->rules[i]->playbook->info.mode == BR_MODE_LIVE && s->from[to] == 0 &&
            list->rules[i]->element != BR_RULE_REWARD) { // that one only learns
            s->from[to] = from + 1;
            s->queue[s->end++] = to;
        }
    }
    s->heard[type->index] = true;
}

static void
follow(search *s, size_t at)
{
    for (size_t e = s->first[at]; e > 0; e = s->emissions[e - 1].next) {
        reach(s, s->emissions[e - 1].type, at);
    }
}

// The way in words: "a → b → a".
static void
write_way(const search *s, size_t start, rt_text *out)
{
    size_t way[WAY_MAX];
    size_t count = 0;
    for (size_t at = start; count < RT_COUNT(way); at = way[count - 1]) {
        way[count++] = s->from[at] - 1;
        if (way[count - 1] == start) {
            break;
        }
    }
    for (size_t i = count; i > 0; i--) {
        rt_text_printf(out, "%.*s → ", RT_STR_ARG(s->set->playbooks[way[i - 1]].info.id));
    }
    rt_text_str(out, s->set->playbooks[start].info.id);
}

static void
check_loop(search *s, size_t start, const emission *first, rt_diag *diag)
{
    memset(s->from, 0, sizeof(*s->from) * s->set->count);
    memset(s->heard, 0, sizeof(*s->heard) * rt_catalog_count(br_pack_catalog(s->set->pack)));
    s->begin = 0;
    s->end = 0;
    reach(s, first->type, start);
    while (s->begin < s->end && s->from[start] == 0) {
        follow(s, s->queue[s->begin++]);
    }
    if (s->from[start] != 0) {
        rt_text way;
        rt_text_init(&way, TEXT_BYTES);
        write_way(s, start, &way);
        begin_file(s->set, &s->set->playbooks[start], diag);
        rt_diag_add(diag, RT_SEVERITY_WARNING, "B2063", first->step->mark,
                    "a condition or a throttle must end it; the causal depth cuts it off",
                    "emits %.*s and so sets itself off: %.*s", RT_STR_ARG(first->type->name),
                    RT_STR_ARG(rt_text_view(&way)));
        rt_text_fini(&way);
    }
}

static void
gather_emissions(search *s)
{
    uint16_t types = rt_catalog_count(br_pack_catalog(s->set->pack));
    const br_steps *list;
    size_t steps = 0;
    for (uint16_t t = 0; t < types; t++) {
        for (uint32_t i = 0; i < s->set->by_type[t].count; i++) {
            for (uint32_t k = 0;
                 (list = br__rule_steps(s->set->by_type[t].rules[i], k)) != NULL; k++) {
                steps += list->count;
            }
        }
    }
    s->emissions = rt_new_array(emission, steps + 1);
    for (uint16_t t = 0; t < types; t++) {
        for (uint32_t i = 0; i < s->set->by_type[t].count; i++) {
            const br_rule *rule = s->set->by_type[t].rules[i];
            for (uint32_t k = 0; (list = br__rule_steps(rule, k)) != NULL; k++) {
                add_emissions(s, rule, list);
            }
        }
    }
}

static void
check_loops(const br_playbooks *set, rt_diag *diag)
{
    search s = {.set = set,
                .first = rt_new_array(size_t, set->count + 1),
                .from = rt_new_array(size_t, set->count + 1),
                .heard = rt_new_array(bool, rt_catalog_count(br_pack_catalog(set->pack)) + 1),
                .queue = rt_new_array(size_t, set->count + 1)};
    gather_emissions(&s);
    for (size_t p = 0; p < set->count && rt_diag_warnings(diag) < RT_DIAG_MAX; p++) {
        for (size_t e = s.first[p]; e > 0; e = s.emissions[e - 1].next) {
            check_loop(&s, p, &s.emissions[e - 1], diag);
        }
    }
    rt_free(s.emissions);
    rt_free(s.first);
    rt_free(s.from);
    rt_free(s.heard);
    rt_free(s.queue);
}

void
br__check_sense(const br_playbooks *set, rt_diag *diag)
{
    if (set->is_restored) {
        return; // warnings, and nobody reads them then
    }
    for (uint16_t t = 0; t < rt_catalog_count(br_pack_catalog(set->pack)); t++) {
        check_bounds(set, &set->by_type[t], rt_catalog_at(br_pack_catalog(set->pack), t), diag);
        check_claims(set, &set->by_type[t], diag);
    }
    check_loops(set, diag);
}
