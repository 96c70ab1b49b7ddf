// Design notes.
// What is chosen by conditions, and to which side of an experiment a key falls, is a function of
// what the expressions read: it is found when the event is taken, and again, the same, where the
// decision needs it. A condition that cannot be told ends the choice with an error, as `when` does:
// going on to the next branch would do something that nobody wrote for this case.
#include "brain/playbook/decide_internal.h"
#include "runtime/base/hash.h"

#define FROM_PARAMS 14u // beside the places that situations and patterns number
#define DETAIL_MAX 300
#define SHARES 10000
#define SALT UINT64_C(0x6578706572696d31)

// What the expressions behind the side of an experiment read.
typedef struct side_view {
    br_expr_load load;
    const void *user;
    const br_side *side;
} side_view;

static bool
resolve(void *user, rt_str path, br_expr_var *ret_var)
{
    const br_params_names *names = user;
    const rt_str head = RT_STR("params.");
    const br_side *side = &names->experiment->sides[0]; // all have the same names
    for (uint32_t i = 0; rt_str_starts(path, head) && i < side->param_count; i++) {
        rt_str tail = {path.ptr + head.len, path.len - head.len};
        if (rt_str_equal(side->params[i].name, tail)) {
            *ret_var = (br_expr_var){.slot = FROM_PARAMS << 28 | i,
                                     .kind = side->params[i].value.kind};
            return true;
        }
    }
    return names->inner.resolve(names->inner.user, path, ret_var);
}

static size_t
suggest(void *user, rt_str path, rt_str *ret_names, size_t max)
{
    const br_params_names *names = user;
    return names->inner.suggest(names->inner.user, path, ret_names, max);
}

static const br_hours *
calendar(void *user, rt_str name)
{
    const br_params_names *names = user;
    return names->inner.calendar != NULL ? names->inner.calendar(names->inner.user, name) : NULL;
}

static size_t
calendars(void *user, rt_str *ret_names, size_t max)
{
    const br_params_names *names = user;
    return names->inner.calendars != NULL
               ? names->inner.calendars(names->inner.user, ret_names, max)
               : 0;
}

br_expr_env
br__params_env(br_params_names *names)
{
    return (br_expr_env){.resolve = resolve,
                         .suggest = suggest,
                         .calendar = calendar,
                         .calendars = calendars,
                         .user = names,
                         .reasons = names->inner.reasons};
}

static rt_value
side_load(const void *user, uint32_t slot)
{
    const side_view *view = user;
    if (slot >> 28 == FROM_PARAMS) {
        return view->side->params[slot & 0xffff].value;
    }
    return view->load(view->user, slot);
}

// --- experiments ---

static const br_side *
side_of(const br_experiment *experiment, rt_str playbook, rt_str key, uint32_t *ret_index)
{
    // not the salt of a canary, or its share would fall to the first side
    uint64_t salt = rt_hash64(rt_bytes_of_str(playbook), SALT);
    uint32_t share = (uint32_t)(rt_hash64(rt_bytes_of_str(key), salt) % SHARES);
    uint32_t i = 0;
    while (i + 1 < experiment->count && share >= experiment->sides[i].upto) {
        i++;
    }
    *ret_index = i;
    return &experiment->sides[i];
}

static bool
take_side(const br_rule *rule, rt_arena *arena, br_chosen *ret)
{
    const br_playbook *playbook = rule->playbook;
    br_expr_result result;
    uint32_t index;
    side_view *view = rt_arena_new_of(arena, side_view);
    br_expr_eval(rule->choice->side_key, ret->load, ret->user, arena, &result);
    if (view == NULL || result.fault != BR_FAULT_NONE || result.value.kind != RT_KIND_STR) {
        ret->how = rt_arena_printf(arena, "key of the experiment: %s",
                                   br_expr_fault_text(result.fault));
        return false;
    }
    *view = (side_view){ret->load, ret->user,
                        side_of(playbook->experiment, playbook->info.id, result.value.s, &index)};
    ret->load = side_load;
    ret->user = view;
    ret->steps = playbook->experiment->has_steps ? rule->choice->sides[index] : ret->steps;
    ret->how = rt_arena_printf(arena, "arm %.*s", RT_STR_ARG(view->side->name));
    ret->model = rt_arena_printf(arena, "%.*s arm %.*s", RT_STR_ARG(playbook->model),
                                 RT_STR_ARG(view->side->name));
    return true;
}

// --- conditions ---

static rt_str
name_of(const br_choice *choice, uint32_t index, rt_arena *arena)
{
    const br_way *way = &choice->ways[index];
    if (way->name.len > 0) {
        return way->name;
    }
    return way->when == NULL ? RT_STR("else") : rt_arena_printf(arena, "%u", index + 1);
}

static void
say(br_chosen *chosen, rt_arena *arena, rt_str what)
{
    chosen->how = chosen->how.len == 0 ? what
                                       : rt_arena_printf(arena, "%.*s, %.*s",
                                                         RT_STR_ARG(chosen->how),
                                                         RT_STR_ARG(what));
}

static void
say_why(const br_rule *rule, uint32_t index, const br_expr_result *result, rt_arena *arena,
        br_chosen *chosen)
{
    const br_expr *when = rule->choice->ways[index].when;
    rt_text text;
    rt_text_init(&text, DETAIL_MAX);
    rt_text_printf(&text, "branch %.*s: ", RT_STR_ARG(name_of(rule->choice, index, arena)));
    if (result->failed_conjunct < br_expr_conjunct_count(when)) {
        br_expr_explain(when, result->failed_conjunct, chosen->load, chosen->user, arena, &text);
    } else {
        rt_text_cstr(&text, br_expr_fault_text(result->fault));
    }
    say(chosen, arena, rt_arena_str(arena, rt_utf8_whole(rt_text_view(&text))));
    rt_text_fini(&text);
}

// The first way whose condition holds; there is always one, because the last has none.
static bool
take_way(const br_rule *rule, rt_arena *arena, br_chosen *ret)
{
    const br_choice *choice = rule->choice;
    for (uint32_t i = 0; i < choice->way_count; i++) {
        const br_way *way = &choice->ways[i];
        br_expr_result result = {.fault = BR_FAULT_NONE};
        if (way->when != NULL) {
            br_expr_eval(way->when, ret->load, ret->user, arena, &result);
            if (result.fault != BR_FAULT_NONE) {
                say_why(rule, i, &result, arena, ret);
                return false;
            }
        }
        if (way->when == NULL || br_expr_is_true(&result)) {
            ret->steps = way->steps;
            say(ret, arena, rt_arena_printf(arena, "branch %.*s",
                                            RT_STR_ARG(name_of(choice, i, arena))));
            return true;
        }
    }
    return true;
}

bool
br__choose(const br_rule *rule, br_expr_load load, const void *user, rt_arena *arena,
           br_chosen *ret, const char **ret_verdict)
{
    *ret = (br_chosen){.steps = &rule->steps,
                       .load = load,
                       .user = user,
                       .how = RT_STR(""),
                       .model = RT_STR(""),
                       .propensity = 1};
    *ret_verdict = "error";
    if (rule->choice == NULL) {
        return true;
    }
    if (rule->choice->side_key != NULL && !take_side(rule, arena, ret)) {
        return false;
    }
    if (rule->playbook->policy != NULL) {
        return true;
    }
    if (rule->choice->way_count > 0 && !take_way(rule, arena, ret)) {
        return false;
    }
    if (ret->steps->count == 0) {
        say(ret, arena, RT_STR("nothing is to be done"));
        *ret_verdict = "false";
        return false;
    }
    return true;
}

void
br__choice_mark(const br_chosen *chosen, msg_proposal *proposals, uint32_t count)
{
    for (uint32_t i = 0; chosen->model.len > 0 && i < count; i++) {
        proposals[i].model = chosen->model;
        proposals[i].propensity = chosen->propensity;
        proposals[i].factors = chosen->factors;
    }
}
