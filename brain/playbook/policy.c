// Design notes.
// A policy is drawn where an event is decided, because what it knows changes with every reward. The
// number it is drawn with is a hash of the event and of the playbook's id, so that a replay comes
// to the same choice; nothing else is kept of it. Producers give their events ids; those of the
// brain's own hold numbers of records, which are others when a journal is decided again with an
// edited set, so there it is what the event is about and when. What was chosen, what it was chosen
// by and with which probability stands in the decision.
// A choice that was not done (it lost, was refused, waits, or is in shadow) teaches nothing: only
// one whose actions all won, or that is to do nothing, waits for its reward.
#include <math.h>
#include <stdio.h>

#include "brain/playbook/course_internal.h"
#include "brain/playbook/policy_internal.h"
#include "runtime/base/hash.h"

#define DETAIL_MAX 500
#define SALT UINT64_C(0x706f6c6963793161)
#define RIDGE 1.0
#define NONE UINT32_MAX

// What is known for one draw.
typedef struct drawing {
    br_course *course;
    const br_playbook *playbook;
    const br_policy *policy;
    const br_choice *choice;
    br__learned *models; // by action
    msg_policy head;
    double *x; // the bias, and the features
    msg_option *options;
    bool eligible[BR_POLICY_ACTIONS_MAX];
    rt_str why; // nothing can be drawn
} drawing;

// --- rows ---

void
br__policy_head(br_course *course, const br_playbook *playbook, msg_policy *ret)
{
    bool known = br__course_read(course, BR__POLICY, playbook->info.id, RT_STR(""),
                                 &msg_policy_def, ret);
    if (!known || ret->shape != playbook->policy->shape) {
        *ret = (msg_policy){.shape = playbook->policy->shape,
                            .version = known ? ret->version + 1 : 1,
                            .open = known ? ret->open : 0};
    }
}

void
br__policy_head_write(br_course *course, const br_playbook *playbook, const msg_policy *head)
{
    (void)br__course_write(course, BR__POLICY, playbook->info.id, RT_STR(""), &msg_policy_def,
                           head);
}

static bool
is_usable(const br__learned *l, uint64_t shape)
{
    return l->row.shape == shape && l->row.weights.count == l->model.dim &&
           l->row.covariances.count == BR_SYMMETRIC_COUNT(l->model.dim) &&
           br_linucb_check(&l->model) == RT_OK;
}

bool
br__policy_learned(br_course *course, const br_playbook *playbook, rt_str action,
                   br__learned *ret)
{
    const br_policy *policy = playbook->policy;
    uint32_t dim = policy->feature_count + 1;
    bool known = br__course_read(course, BR__POLICY, playbook->info.id, action, &msg_learned_def,
                                 &ret->row);
    ret->model = (br_linucb){dim, ret->row.weights.items, ret->row.covariances.items};
    if (known && is_usable(ret, policy->shape)) {
        return true;
    }
    double *weights = rt_arena_array(course->arena, double, dim);
    double *covariances = rt_arena_array(course->arena, double, BR_SYMMETRIC_COUNT(dim));
    if (weights == NULL || covariances == NULL) {
        course->failed = true;
        return false;
    }
    ret->model = (br_linucb){dim, weights, covariances};
    br_linucb_init(&ret->model, RIDGE);
    ret->row = (msg_learned){
        .shape = policy->shape,
        .weights = {weights, dim},
        .covariances = {covariances, (uint32_t)BR_SYMMETRIC_COUNT(dim)}};
    return true;
}

// --- drawing ---

static bool
number_of(const br_expr_result *result, double *ret)
{
    if (result->fault != BR_FAULT_NONE) {
        return false;
    }
    switch (result->value.kind) {
    case RT_KIND_F64:
        *ret = result->value.f;
        break;
    case RT_KIND_I64:
        *ret = (double)result->value.i;
        break;
    case RT_KIND_BOOL:
        *ret = result->value.b ? 1.0 : 0.0;
        break;
    case RT_KIND_STR:
    case RT_KIND_TIME:
    case RT_KIND_DURATION:
    case RT_KIND_NONE:
    default:
        return false;
    }
    return isfinite(*ret);
}

bool
br__policy_number(const br_expr *expr, br_expr_load load, const void *user, rt_arena *arena,
                  double *ret)
{
    br_expr_result result;
    br_expr_eval(expr, load, user, arena, &result);
    return number_of(&result, ret);
}

static bool
read_features(drawing *d, const br_chosen *chosen)
{
    d->x = rt_arena_array(d->course->arena, double, BR_POLICY_FEATURES_MAX + 1);
    if (d->x == NULL) {
        return false;
    }
    d->x[0] = 1.0;
    for (uint32_t i = 0; i < d->policy->feature_count; i++) {
        double number;
        if (!br__policy_number(d->choice->features[i], chosen->load, chosen->user,
                               d->course->arena, &number)) {
            d->why = rt_arena_printf(d->course->arena, "feature %.*s has no value",
                                     RT_STR_ARG(d->policy->features[i]));
            return false;
        }
        d->x[i + 1] = fmin(fmax(number, -BR__FEATURE_LIMIT), BR__FEATURE_LIMIT);
    }
    return true;
}

static bool
is_eligible(const drawing *d, const br_way *way, const br_chosen *chosen)
{
    br_expr_result result;
    if (way->when == NULL) {
        return true;
    }
    br_expr_eval(way->when, chosen->load, chosen->user, d->course->arena, &result);
    return br_expr_is_true(&result); // what cannot be told is not done
}

// What is expected of every action that may be chosen, and which is best; NONE when none may.
static uint32_t
look_at_options(drawing *d, const br_chosen *chosen, uint32_t eligible[], uint32_t *ret_count)
{
    uint32_t best = NONE;
    double most = 0;
    *ret_count = 0;
    for (uint32_t i = 0; i < d->choice->way_count; i++) {
        const br_way *way = &d->choice->ways[i];
        d->options[i].name = way->name;
        if (!is_eligible(d, way, chosen) ||
            !br__policy_learned(d->course, d->playbook, way->name, &d->models[i])) {
            continue;
        }
        br_linucb_estimate e = br_linucb_predict(&d->models[i].model, d->x);
        double score = e.mean + d->policy->alpha * e.doubt;
        d->eligible[i] = true;
        d->options[i].mean = e.mean;
        d->options[i].doubt = e.doubt;
        eligible[(*ret_count)++] = i;
        // among equals the baseline, else the first
        if (best == NONE || score > most || (score == most && i == d->policy->baseline)) {
            best = *ret_count - 1;
            most = score;
        }
    }
    return best;
}

// A number in [0, 1).
static double
number_for(const drawing *d)
{
    const rt_event *event = br__course_situation(d->course)->event;
    uint64_t seed = event->internal
                        ? rt_hash64(rt_bytes_of_str(event->subject), (uint64_t)event->at_ms)
                        : rt_hash64(rt_bytes_of_str(event->id),
                                    rt_hash64(rt_bytes_of_str(event->source), SALT));
    uint64_t hash = rt_hash64(rt_bytes_of_str(d->playbook->info.id), seed ^ SALT);
    return (double)(hash >> 11) * 0x1p-53;
}

static uint32_t
draw(drawing *d, const br_chosen *chosen, double *ret_propensity)
{
    uint32_t eligible[BR_POLICY_ACTIONS_MAX];
    uint32_t count;
    uint32_t best = look_at_options(d, chosen, eligible, &count);
    if (best == NONE) {
        d->why = RT_STR("no action of the policy may be chosen");
        return NONE;
    }
    uint32_t picked =
        br_explore_pick(count, best, d->policy->explore, number_for(d), ret_propensity);
    double share = d->policy->explore / count;
    for (uint32_t i = 0; i < count; i++) {
        d->options[eligible[i]].propensity = share + (i == best ? 1 - d->policy->explore : 0);
    }
    return eligible[picked];
}

// --- saying so ---

static rt_str
in_words(const drawing *d, rt_str before, uint32_t picked, double propensity)
{
    rt_text text;
    rt_text_init(&text, DETAIL_MAX);
    if (before.len > 0) {
        rt_text_printf(&text, "%.*s, ", RT_STR_ARG(before));
    }
    rt_text_printf(&text, "policy v%llu chose %.*s (p %.3g):", (unsigned long long)d->head.version,
                   RT_STR_ARG(d->options[picked].name), propensity);
    for (uint32_t i = 0; i < d->choice->way_count; i++) {
        const msg_option *option = &d->options[i];
        if (d->eligible[i]) {
            rt_text_printf(&text, "%s %.*s %.3g±%.2g", i > 0 ? "," : "", RT_STR_ARG(option->name),
                           option->mean, option->doubt);
        } else {
            rt_text_printf(&text, "%s %.*s not eligible", i > 0 ? "," : "",
                           RT_STR_ARG(option->name));
        }
    }
    rt_str kept = rt_arena_str(d->course->arena, rt_utf8_whole(rt_text_view(&text)));
    rt_text_fini(&text);
    return kept;
}

static rt_msg_list
factors_of(const drawing *d, uint32_t picked)
{
    const double *weights = d->models[picked].model.weights;
    uint32_t count = d->policy->feature_count + 1;
    msg_factor *factors = rt_arena_array(d->course->arena, msg_factor, count);
    for (uint32_t i = 0; factors != NULL && i < count; i++) {
        factors[i] = (msg_factor){.name = i == 0 ? RT_STR("bias") : d->policy->features[i - 1],
                                  .value = d->x[i],
                                  .contribution = weights[i] * d->x[i]};
    }
    d->course->failed = d->course->failed || factors == NULL;
    return (rt_msg_list){factors, factors != NULL ? count : 0};
}

static bool
note(drawing *d, uint32_t picked, double propensity, rt_str key)
{
    br_draw *kept = rt_arena_new_of(d->course->arena, br_draw);
    bool room = d->course->draw_count < RT_COUNT(d->course->draws);
    if (kept == NULL || !room) {
        d->course->failed = d->course->failed || kept == NULL;
        return false;
    }
    *kept = (br_draw){.playbook = d->playbook,
                      .key = key,
                      .does_nothing = d->choice->ways[picked].steps->count == 0};
    kept->choice = (msg_choice){
        .event_seq = d->course->seq,
        .shape = d->policy->shape,
        .version = d->head.version,
        .rounds = d->head.rewarded + d->head.defaulted,
        .action = d->choice->ways[picked].name,
        .propensity = propensity,
        .features = {d->x, d->policy->feature_count + 1},
        .options = {d->options, d->choice->way_count},
        .at_ms = d->course->at_ms,
        .until_ms = d->course->now_ms + d->policy->within_ms};
    d->course->draws[d->course->draw_count++] = kept;
    return true;
}

static bool
join_key(drawing *d, const br_chosen *chosen, rt_str *ret_key)
{
    br_expr_result result;
    br_expr_eval(d->choice->join, chosen->load, chosen->user, d->course->arena, &result);
    if (result.fault != BR_FAULT_NONE || result.value.kind != RT_KIND_STR) {
        d->why = rt_arena_printf(d->course->arena, "reward.join: %s",
                                 br_expr_fault_text(result.fault));
        return false;
    }
    *ret_key = br__course_key(d->course, result.value.s);
    return ret_key->ptr != NULL || result.value.s.len == 0;
}

// Asked before anything is drawn: what is throttled is no choice.
static bool
is_throttled(br_course *course, const msg_consulted *consulted, rt_str *ret_why)
{
    int64_t ago_ms;
    char text[32];
    if (consulted->throttle_key.len == 0 ||
        !course->silent(course->user, course->tenant, consulted->playbook,
                           consulted->throttle_key, course->now_ms, &ago_ms)) {
        return false;
    }
    *ret_why = rt_arena_printf(course->arena, "fired %s ago for the same key",
                               rt_format_duration(ago_ms, text, sizeof(text)));
    return true;
}

bool
br__policy_draw(br_course *course, const br_rule *rule, br_chosen *chosen,
                const char **ret_verdict)
{
    drawing d = {.course = course,
                 .playbook = rule->playbook,
                 .policy = rule->playbook->policy,
                 .choice = rule->choice,
                 .models = rt_arena_array(course->arena, br__learned, BR_POLICY_ACTIONS_MAX),
                 .options = rt_arena_array(course->arena, msg_option, BR_POLICY_ACTIONS_MAX),
                 .why = RT_STR("no memory")};
    rt_str key;
    double propensity;
    if (d.models == NULL || d.options == NULL) {
        course->failed = true;
        return false;
    }
    if (br__course_situation(course) == NULL) {
        chosen->how = RT_STR("the event cannot be read again");
        return false;
    }
    msg_consulted *consulted = br__course_consulted(course, d.playbook);
    if (consulted != NULL && is_throttled(course, consulted, &chosen->how)) {
        *ret_verdict = "throttled";
        return false;
    }
    br__policy_head(course, d.playbook, &d.head);
    if (!join_key(&d, chosen, &key) || !read_features(&d, chosen)) {
        chosen->how = d.why;
        return false;
    }
    uint32_t picked = draw(&d, chosen, &propensity);
    if (picked == NONE) {
        *ret_verdict = "false";
        chosen->how = d.why;
        return false;
    }
    chosen->steps = d.choice->ways[picked].steps;
    chosen->how = in_words(&d, chosen->how, picked, propensity);
    chosen->model = rt_arena_printf(course->arena, "linucb v%llu.%llu",
                                    (unsigned long long)d.head.version,
                                    (unsigned long long)(d.head.rewarded + d.head.defaulted));
    chosen->propensity = propensity;
    chosen->factors = factors_of(&d, picked);
    return note(&d, picked, propensity, key);
}

// --- the decision ---

static const br_draw *
draw_of(const br_course *course, const br_playbook *playbook)
{
    for (uint32_t i = 0; i < course->draw_count; i++) {
        if (course->draws[i]->playbook == playbook) {
            return course->draws[i];
        }
    }
    return NULL;
}

// Draws for a playbook that fired when its event was taken.
static void
draw_late(br_course *course, const br_playbook *playbook, msg_consulted *consulted)
{
    const br_rule *rule = br__rule_for(course, playbook, course->type, -1);
    const br_situation *situation = rule != NULL ? br__course_situation(course) : NULL;
    br_chosen chosen;
    const char *verdict = "error";
    rt_str why = RT_STR("the event is too large for a policy");
    if (situation == NULL || !br__course_act(course, rule, br_situation_load, situation, &chosen,
                                             &verdict, &why)) {
        consulted->verdict = rt_str_of(verdict);
        consulted->detail = why;
        consulted->throttle_key = RT_STR("");
        return;
    }
    consulted->detail = chosen.how;
    if (playbook->is_bounded) {
        (void)br__firing_add(course, &(br_firing){.playbook = playbook,
                                                  .rule = rule,
                                                  .steps = chosen.steps,
                                                  .load = chosen.load,
                                                  .user = chosen.user,
                                                  .event_seq = course->seq,
                                                  .event_at_ms = course->at_ms,
                                                  .payload = course->payload});
    }
}

void
br__policy_draw_all(br_course *course)
{
    for (uint32_t i = 0; course->set->learns && i < course->said->consulted.count; i++) {
        msg_consulted *consulted = (msg_consulted *)course->said->consulted.items + i;
        const br_playbook *playbook = rt_str_is(consulted->verdict, "fired")
                                          ? br__playbook_find(course->set, consulted->playbook)
                                          : NULL;
        if (playbook != NULL && playbook->policy != NULL && draw_of(course, playbook) == NULL) {
            draw_late(course, playbook, consulted);
        }
    }
}

void
br_course_acted(br_course *course, const msg_candidate *candidate)
{
    for (uint32_t i = 0; i < course->draw_count; i++) {
        br_draw *kept = course->draws[i];
        if (rt_str_equal(kept->playbook->agent, candidate->proposal.agent)) {
            kept->asked++;
            kept->won += candidate->action_id.len > 0;
        }
    }
}

bool
br__course_in_shadow(const br_course *course, rt_str agent)
{
    const rt_str *shadow = course->said->shadow.items;
    for (uint32_t i = 0; i < course->said->shadow.count; i++) {
        if (rt_str_equal(shadow[i], agent)) {
            return true;
        }
    }
    return false;
}

static bool
is_done(const br_course *course, const br_draw *kept)
{
    const msg_consulted *consulted = course->said->consulted.items;
    bool fired = false;
    for (uint32_t i = 0; i < course->said->consulted.count; i++) {
        fired = fired || (rt_str_equal(consulted[i].playbook, kept->playbook->info.id) &&
                          rt_str_is(consulted[i].verdict, "fired"));
    }
    if (kept->does_nothing) {
        return fired && !br__course_in_shadow(course, kept->playbook->agent);
    }
    return fired && kept->asked > 0 && kept->won == kept->asked;
}

bool
br_course_did_nothing(const br_course *course, rt_str id)
{
    const br_playbook *playbook = course->draw_count > 0 ? br__playbook_find(course->set, id)
                                                         : NULL;
    const br_draw *kept = playbook != NULL ? draw_of(course, playbook) : NULL;
    return kept != NULL && kept->does_nothing && is_done(course, kept);
}

static void
wait_for_reward(br_course *course, const br_draw *kept)
{
    const br_playbook *playbook = kept->playbook;
    msg_choices choices = {0};
    msg_policy head;
    br__policy_head(course, playbook, &head);
    if (!br__course_read(course, BR__CHOICE, playbook->info.id, kept->key, &msg_choices_def,
                         &choices)) {
        choices = (msg_choices){0};
    }
    if (choices.open.count >= BR_POLICY_OPEN_MAX || head.open >= playbook->policy->max_open) {
        head.crowded++;
        br__policy_head_write(course, playbook, &head);
        return;
    }
    msg_choice *place = br__course_append(course, &choices.open, sizeof(msg_choice));
    if (place == NULL) {
        return;
    }
    *place = kept->choice;
    choices.late_ms = 0;
    if (br__course_write(course, BR__CHOICE, playbook->info.id, kept->key, &msg_choices_def,
                         &choices)) {
        head.chosen++;
        head.open++;
        br__policy_head_write(course, playbook, &head);
        br__course_timer(course, playbook, BR__REWARD_TIMER, kept->key,
                         br__choices_due(&choices));
    }
}

rt_err
br_course_learn(br_course *course)
{
    for (uint32_t i = 0; i < course->draw_count; i++) {
        if (is_done(course, course->draws[i])) {
            wait_for_reward(course, course->draws[i]);
        }
    }
    return course->failed ? RT_ENOMEM : RT_OK;
}
