// Design notes.
// A case is played by the fork that backtests play journals with, so the evaluator is the one of a
// brain that runs: br_playbooks_consult when an event is taken, br_decide when it is decided, the
// same fold. The form of the keys was checked when the file was compiled; here only what the pack
// knows is left to check.
#include "brain/core/rehearse.h"

#include <stdarg.h>
#include <stdio.h>

#include "brain/core/backtest_internal.h"
#include "brain/playbook/keys.h"
#include "runtime/base/alloc.h"
#include "runtime/base/civil.h"
#include "runtime/wire/json.h"

#define REHEARSE_ARENA_MAX (32u * 1024 * 1024)
#define WIRE_MAX (256u * 1024)
#define TEXT_MAX 4096
#define ACTIONS_MAX 64 // of one step
#define BEGIN_MS INT64_C(1767632400000) // 2026-01-05T12:00:00-05:00, a Monday
#define TENANT ((rt_tenant){1})

// An action that was taken, or would have been.
typedef struct taken {
    rt_str action;
    rt_str target;
    rt_bytes args;
    bool matched;
} taken;

typedef struct rehearsing {
    const br_pack *pack;
    rt_diag *diag;
    br__fork fork;
    br_backtest_config config;
    br_backtest_result result;
    int64_t zones[2];
    rt_arena *arena; // of one file
    const br_playbook_file *file;
    rt_str id;
    const rt_node *given; // of the case
    br_situation *known;
    rt_mpw wire;
    taken actions[ACTIONS_MAX]; // of the step
    uint32_t action_count;
    rt_str verdict; // of the playbook, on the step's last event
    rt_str detail;
    rt_str fates[ACTIONS_MAX]; // verdict and reason of each candidate
    rt_str reasons[ACTIONS_MAX];
    uint32_t fate_count;
    rt_text text; // what was not as expected
    void (*on_case)(void *user, const br_rehearsal *rehearsal);
    void *user;
    bool is_scheduled; // the playbook fires by the clock
} rehearsing;

// --- what is given -------------------------------------------------------------------------------

static bool
value_of(const rt_node *node, rt_kind kind, rt_value *ret_value)
{
    *ret_value = (rt_value){.kind = kind};
    switch (kind) {
    case RT_KIND_I64:
        return rt_parse_i64(node->text, &ret_value->i) == RT_OK;
    case RT_KIND_F64:
        return rt_parse_f64(node->text, &ret_value->f) == RT_OK;
    case RT_KIND_BOOL:
        ret_value->b = rt_str_is(node->text, "true");
        return ret_value->b || rt_str_is(node->text, "false");
    case RT_KIND_DURATION:
        return rt_parse_duration_ms(node->text, &ret_value->i) == RT_OK;
    case RT_KIND_TIME:
        return rt_parse_rfc3339(node->text, &ret_value->i) == RT_OK;
    case RT_KIND_STR:
        *ret_value = RT_TEXT(node->text);
        return true;
    case RT_KIND_NONE:
        break;
    }
    return false;
}

static void
give_attributes(const rehearsing *r, br_situation *situation, uint32_t touch)
{
    const br_entity *entity = situation->plan->touches[touch].entity;
    char subject[RT_EVENT_SUBJECT_MAX + 1];
    (void)snprintf(subject, sizeof(subject), "%.*s/%.*s", RT_STR_ARG(entity->name),
                   RT_STR_ARG(situation->keys[touch]));
    const rt_node *facts = rt_node_get(r->given, subject);
    for (uint32_t a = 0; facts != NULL && a < entity->attribute_count; a++) {
        for (const rt_node *fact = facts->child; fact != NULL; fact = fact->next) {
            rt_value value;
            if (rt_str_equal(fact->key, entity->attributes[a].name) &&
                situation->attributes[touch][a].kind == RT_KIND_NONE &&
                value_of(fact, entity->attributes[a].kind, &value)) {
                situation->attributes[touch][a] = value;
            }
        }
    }
}

static void
give_features(const rehearsing *r, br_situation *situation)
{
    const rt_node *features = rt_node_get(r->given, "feature");
    for (uint32_t g = 0; features != NULL && g < situation->plan->group_count; g++) {
        const br_group *group = situation->plan->groups[g].group;
        for (uint32_t s = 0; s < group->stat_count; s++) {
            char name[256];
            (void)snprintf(name, sizeof(name), "%.*s.%.*s", RT_STR_ARG(group->name),
                           RT_STR_ARG(group->stats[s].name));
            const rt_node *figure = rt_node_get(features, name);
            rt_value value;
            if (figure != NULL && value_of(figure, RT_KIND_F64, &value)) {
                situation->features[g][s] = value.f;
                situation->has_group[g] = true;
            }
        }
    }
}

static void
give_figure(const rt_node *memory, const char *name, rt_kind kind, int64_t *figure)
{
    const rt_node *node = rt_node_get(memory, name);
    rt_value value;
    if (node != NULL && value_of(node, kind, &value)) {
        *figure = value.i;
    }
}

// The br__fork's `know`: what it saw, and what the case presumes.
static const br_situation *
know(void *user, const br_situation *seen)
{
    rehearsing *r = user;
    if (r->given == NULL) {
        return seen;
    }
    *r->known = *seen;
    for (uint32_t t = 0; t < seen->plan->touch_count; t++) {
        if (seen->keys[t].len > 0) {
            give_attributes(r, r->known, t);
        }
    }
    give_features(r, r->known);
    const rt_node *memory = rt_node_get(r->given, "memory");
    give_figure(memory, "events", RT_KIND_I64, &r->known->memory_events);
    give_figure(memory, "events_24h", RT_KIND_I64, &r->known->memory_events_24h);
    give_figure(memory, "age", RT_KIND_DURATION, &r->known->memory_age_ms);
    give_figure(memory, "idle", RT_KIND_DURATION, &r->known->memory_idle_ms);
    return r->known;
}

static void
complain(rehearsing *r, const rt_node *node, const char *help, const char *fmt, ...)
    RT_PRINTF(4, 5);

static void
complain(rehearsing *r, const rt_node *node, const char *help, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    rt_diag_add(r->diag, RT_SEVERITY_ERROR, "B2502", node->mark, help, "%s", text);
}

static void
check_facts(rehearsing *r, const rt_node *facts)
{
    rt_str kind;
    rt_str key;
    const br_plan *plan = NULL;
    if (rt_subject_split(facts->key, &kind, &key)) {
        plan = br_pack_subject_plan(r->pack, kind);
    }
    if (plan == NULL) {
        complain(r, facts, "subject/key: {attribute: value}, memory or feature",
                 "'%.*s' is no entity of the pack", RT_STR_ARG(facts->key));
        return;
    }
    const br_entity *entity = plan->touches[0].entity;
    for (const rt_node *fact = facts->child; fact != NULL; fact = fact->next) {
        rt_value value;
        uint32_t a = 0;
        while (a < entity->attribute_count &&
               !rt_str_equal(entity->attributes[a].name, fact->key)) {
            a++;
        }
        if (a == entity->attribute_count) {
            complain(r, fact, NULL, "%.*s has no attribute '%.*s'", RT_STR_ARG(kind),
                     RT_STR_ARG(fact->key));
        } else if (!value_of(fact, entity->attributes[a].kind, &value)) {
            complain(r, fact, NULL, "'%.*s' does not fit %.*s.%.*s", RT_STR_ARG(fact->text),
                     RT_STR_ARG(kind), RT_STR_ARG(fact->key));
        }
    }
}

static void
check_memory(rehearsing *r, const rt_node *memory)
{
    for (const rt_node *figure = memory->child; figure != NULL; figure = figure->next) {
        rt_value value;
        bool counts = rt_str_is(figure->key, "events") || rt_str_is(figure->key, "events_24h");
        bool spans = rt_str_is(figure->key, "age") || rt_str_is(figure->key, "idle");
        if ((!counts && !spans) ||
            !value_of(figure, counts ? RT_KIND_I64 : RT_KIND_DURATION, &value)) {
            complain(r, figure, "memory: {events: 3, events_24h: 1, age: 9d, idle: 4d}",
                     "memory has no such figure '%.*s: %.*s'", RT_STR_ARG(figure->key),
                     RT_STR_ARG(figure->text));
        }
    }
}

static void
check_given(rehearsing *r)
{
    uint32_t count = 0;
    for (const rt_node *n = r->given != NULL ? r->given->child : NULL; n != NULL; n = n->next) {
        if (n->kind != RT_NODE_MAP || count++ == BR_REHEARSE_GIVEN_MAX) {
            complain(r, n, "order/1: {status: shipped}", "what is given is a map, at most %d",
                     BR_REHEARSE_GIVEN_MAX);
        } else if (rt_str_is(n->key, "memory")) {
            check_memory(r, n);
        } else if (!rt_str_is(n->key, "feature")) {
            check_facts(r, n);
        }
    }
}

// --- events --------------------------------------------------------------------------------------

static void
write_data(rehearsing *r, const rt_node *data, const rt_event_type *type)
{
    rt_mpw_map(&r->wire, data != NULL ? data->child_count : 0);
    for (const rt_node *n = data != NULL ? data->child : NULL; n != NULL; n = n->next) {
        rt_value value = RT_TEXT(n->text);
        for (uint32_t i = 0; i < type->field_count; i++) {
            rt_value typed;
            if (rt_str_equal(type->fields[i].name, n->key) &&
                value_of(n, type->fields[i].kind, &typed)) {
                value = typed;
            }
        }
        rt_mpw_str(&r->wire, n->key);
        rt_value_write(&r->wire, value); // what does not fit is refused below, with its name
    }
}

static rt_err
make_event(rehearsing *r, const rt_node *step, const rt_event_type *type, uint32_t number,
           rt_event *ret_event, rt_reject *ret_reject)
{
    char id[32];
    (void)snprintf(id, sizeof(id), "case-%u", number);
    rt_mpw_clear(&r->wire);
    rt_mpw_map(&r->wire, 5);
    rt_mpw_cstr(&r->wire, "id");
    rt_mpw_cstr(&r->wire, id);
    rt_mpw_cstr(&r->wire, "source");
    rt_mpw_cstr(&r->wire, "/tests");
    rt_mpw_cstr(&r->wire, "type");
    rt_mpw_str(&r->wire, type->name);
    rt_mpw_cstr(&r->wire, "subject");
    rt_mpw_str(&r->wire, br_key_str(&br_block_test_step, step, "subject"));
    rt_mpw_cstr(&r->wire, "data");
    write_data(r, br_key_map(step, "data"), type);
    rt_mp mp = rt_mp_init(rt_mpw_view(&r->wire));
    return rt_event_decode(br_pack_catalog(r->pack), &mp, ret_event, ret_reject);
}

static rt_err
play_step(rehearsing *r, const rt_node *step, uint32_t number, int64_t at_ms)
{
    rt_str name = br_key_str(&br_block_test_step, step, "type");
    rt_event event;
    rt_reject reject;
    r->action_count = 0;
    r->fate_count = 0;
    r->verdict = RT_STR("not consulted");
    r->detail = RT_STR("");
    if (name.len == 0) {
        return br__fork_wait(&r->fork, at_ms);
    }
    const rt_event_type *type = rt_catalog_find(br_pack_catalog(r->pack), name);
    if (type == NULL || make_event(r, step, type, number, &event, &reject) != RT_OK) {
        complain(r, step, NULL, "%.*s: %s %s", RT_STR_ARG(name),
                 type == NULL ? "type" : reject.path,
                 type == NULL ? "is not in the catalogue" : reject.text);
        return RT_ECONFIG;
    }
    event.tenant = TENANT;
    event.time_ms = at_ms;
    rt_err err = br__fork_happen(&r->fork, &event);
    if (err == RT_OK && r->result.decisions > BR_REHEARSE_DECISIONS_MAX) {
        err = rt_fail(RT_ELIMIT, "more than %d decisions", BR_REHEARSE_DECISIONS_MAX);
    }
    return err;
}

// --- what was decided ----------------------------------------------------------------------------

static bool
is_own(const rehearsing *r, rt_str agent)
{
    const rt_str prefix = RT_STR("playbook:");
    return rt_str_starts(agent, prefix) &&
           rt_str_equal((rt_str){agent.ptr + prefix.len, agent.len - prefix.len}, r->id);
}

static void
on_pair(void *user, const br_backtest_pair *pair)
{
    rehearsing *r = user;
    const msg_consulted *consulted = pair->again->consulted.items;
    const msg_candidate *candidates = pair->again->candidates.items;
    for (uint32_t i = 0; i < pair->again->consulted.count; i++) {
        if (rt_str_equal(consulted[i].playbook, r->id)) {
            r->verdict = rt_arena_str(r->arena, consulted[i].verdict);
            r->detail = rt_arena_str(r->arena, consulted[i].detail);
        }
    }
    for (uint32_t i = 0; i < pair->again->candidates.count; i++) {
        const msg_candidate *c = &candidates[i];
        if (!is_own(r, c->proposal.agent)) {
            continue;
        }
        if (r->fate_count < ACTIONS_MAX) {
            r->fates[r->fate_count] = rt_arena_str(r->arena, c->verdict);
            r->reasons[r->fate_count++] = rt_arena_str(r->arena, c->why);
        }
        if (c->action_id.len > 0 && r->action_count < ACTIONS_MAX) {
            r->actions[r->action_count++] =
                (taken){.action = rt_arena_str(r->arena, c->proposal.action),
                        .target = rt_arena_str(r->arena, c->proposal.target),
                        .args = rt_arena_copy(r->arena, c->proposal.args)};
        }
    }
}

static bool
arg_is(rt_bytes args, const rt_node *want)
{
    rt_mp at;
    rt_value got;
    rt_value value;
    if (!rt_mp_find(args, want->key, &at) || rt_value_read(&at, &got) != RT_OK) {
        return false;
    }
    if (got.kind == RT_KIND_STR) {
        return rt_str_equal(got.s, want->text);
    }
    if (!value_of(want, got.kind, &value)) {
        return false;
    }
    return got.kind == RT_KIND_F64    ? got.f == value.f
           : got.kind == RT_KIND_BOOL ? got.b == value.b
                                      : got.i == value.i;
}

static bool
is_wanted(const taken *t, const rt_node *want)
{
    const rt_node *target = br_key_node(want, "target");
    const rt_node *args = br_key_map(want, "args");
    bool same = rt_str_equal(t->action, br_key_str(&br_block_test_action, want, "action")) &&
                (target == NULL || rt_str_equal(t->target, target->text));
    for (const rt_node *arg = args != NULL ? args->child : NULL; same && arg != NULL;
         arg = arg->next) {
        same = arg_is(t->args, arg);
    }
    return same;
}

static void
fail(rehearsing *r, const rt_node *node, const char *help, const char *text)
{
    rt_diag_add(r->diag, RT_SEVERITY_ERROR, "B2503", node->mark, help, "%s", text);
    rt_text_printf(&r->text, "%s%s", r->text.len > 0 ? "\n" : "", text);
}

static void
judge_actions(rehearsing *r, const rt_node *expect)
{
    char text[TEXT_MAX];
    char said[768];
    (void)snprintf(said, sizeof(said), "it said %.*s%s%.*s", RT_STR_ARG(r->verdict),
                   r->detail.len > 0 ? ": " : "", RT_STR_ARG(r->detail));
    for (const rt_node *want = expect->child; want != NULL; want = want->next) {
        uint32_t i = 0;
        while (i < r->action_count && (r->actions[i].matched || !is_wanted(&r->actions[i], want))) {
            i++;
        }
        if (i < r->action_count) {
            r->actions[i].matched = true;
            continue;
        }
        (void)snprintf(text, sizeof(text), "no %.*s as expected",
                       RT_STR_ARG(br_key_str(&br_block_test_action, want, "action")));
        fail(r, want, said, text);
    }
    for (uint32_t i = 0; i < r->action_count; i++) {
        const taken *t = &r->actions[i];
        rt_text args;
        if (t->matched) {
            continue;
        }
        rt_text_init(&args, TEXT_MAX / 2);
        RT_IGNORE(rt_json_from_mp(t->args, &args)); // what could not be written is left out
        (void)snprintf(text, sizeof(text), "unexpected %.*s of %.*s %.*s", RT_STR_ARG(t->action),
                       RT_STR_ARG(t->target), RT_STR_ARG(rt_text_view(&args)));
        fail(r, expect, said, text);
        rt_text_fini(&args);
    }
}

static void
judge_verdict(rehearsing *r, const rt_node *want)
{
    char text[TEXT_MAX];
    char said[768];
    bool same = rt_str_equal(r->verdict, want->text);
    for (uint32_t i = 0; i < r->fate_count; i++) {
        same = same || rt_str_equal(r->fates[i], want->text);
    }
    if (!same) {
        (void)snprintf(text, sizeof(text), "verdict is %.*s, not %.*s", RT_STR_ARG(r->verdict),
                       RT_STR_ARG(want->text));
        (void)snprintf(said, sizeof(said), "%.*s", RT_STR_ARG(r->detail));
        fail(r, want, said[0] != '\0' ? said : NULL, text);
    }
}

static bool
holds(rt_str text, rt_str part)
{
    return part.len == 0 ||
           (text.len > 0 && memmem(text.ptr, text.len, part.ptr, part.len) != NULL);
}

static void
judge_why(rehearsing *r, const rt_node *want)
{
    char text[TEXT_MAX];
    bool found = holds(r->detail, want->text);
    for (uint32_t i = 0; i < r->fate_count; i++) {
        found = found || holds(r->reasons[i], want->text);
    }
    if (!found) {
        rt_str why = r->detail.len > 0     ? r->detail
                     : r->fate_count > 0 ? r->reasons[0]
                                         : RT_STR("");
        (void)snprintf(text, sizeof(text), "the reason is \"%.*s\" and does not hold \"%.*s\"",
                       RT_STR_ARG(why), RT_STR_ARG(want->text));
        fail(r, want, NULL, text);
    }
}

static void
judge(rehearsing *r, const rt_node *said)
{
    const rt_node *expect = br_key_list(said, "expect");
    const rt_node *verdict = br_key_node(said, "verdict");
    const rt_node *why = br_key_node(said, "why");
    if (expect != NULL) {
        judge_actions(r, expect);
    }
    if (verdict != NULL) {
        judge_verdict(r, verdict);
    }
    if (why != NULL) {
        judge_why(r, why);
    }
}

// --- cases ---------------------------------------------------------------------------------------

static bool
expects(const rt_node *said)
{
    return rt_node_get(said, "expect") != NULL || rt_node_get(said, "verdict") != NULL ||
           rt_node_get(said, "why") != NULL;
}

static bool
is_playable(rehearsing *r, const rt_node *node, const rt_node *events)
{
    bool any = expects(node);
    for (const rt_node *step = events->child; step != NULL; step = step->next) {
        any = any || expects(step);
    }
    if (!any) {
        rt_diag_add(r->diag, RT_SEVERITY_ERROR, "B2501", node->mark,
                    "expect: [] says that nothing is done", "the case expects nothing");
    }
    return any;
}

// A playbook that fires by the clock gets its first time when the case begins.
static rt_err
begin_schedule(rehearsing *r, int64_t at_ms)
{
    rt_event event;
    rt_reject reject;
    const rt_catalog *catalog = br_pack_catalog(r->pack);
    const rt_event_type *type = rt_catalog_find(catalog, rt_str_of(BR_SCHEDULES_LIVE));
    rt_mpw_clear(&r->wire);
    rt_mpw_map(&r->wire, 4);
    rt_mpw_cstr(&r->wire, "id");
    rt_mpw_cstr(&r->wire, "schedules");
    rt_mpw_cstr(&r->wire, "source");
    rt_mpw_cstr(&r->wire, "/brain/timers");
    rt_mpw_cstr(&r->wire, "type");
    rt_mpw_cstr(&r->wire, BR_SCHEDULES_LIVE);
    rt_mpw_cstr(&r->wire, "data");
    rt_mpw_map(&r->wire, 1);
    rt_mpw_cstr(&r->wire, "version");
    rt_mpw_u64(&r->wire, 1);
    rt_mp mp = rt_mp_init(rt_mpw_view(&r->wire));
    if (type == NULL || rt_event_decode(catalog, &mp, &event, &reject) != RT_OK) {
        return rt_fail(RT_ECONFIG, "the catalogue has no " BR_SCHEDULES_LIVE);
    }
    event.tenant = TENANT;
    event.time_ms = at_ms;
    return br__fork_happen(&r->fork, &event);
}

static rt_err
play_steps(rehearsing *r, const rt_node *node, const rt_node *events)
{
    rt_str at = br_key_str(&br_block_test, node, "at");
    int64_t now_ms = BEGIN_MS;
    uint32_t number = 0;
    rt_err err = RT_OK;
    if (at.len > 0 && rt_parse_rfc3339(at, &now_ms) != RT_OK) {
        complain(r, rt_node_get(node, "at"), "2026-01-05T12:00:00-05:00", "'%.*s' is no time",
                 RT_STR_ARG(at));
        return RT_ECONFIG;
    }
    if (r->is_scheduled) {
        err = begin_schedule(r, now_ms);
    }
    for (const rt_node *step = events->child; err == RT_OK && step != NULL; step = step->next) {
        now_ms += br_key_duration_ms(&br_block_test_step, step, "after");
        err = play_step(r, step, number++, now_ms);
        if (err == RT_OK) {
            judge(r, step);
        }
    }
    if (err == RT_OK) {
        judge(r, node);
    }
    return err;
}

static rt_err
play_case(rehearsing *r, const rt_node *node, br_rehearsal *rehearsal)
{
    const rt_node *events = br_key_list(node, "events");
    size_t before = rt_diag_errors(r->diag);
    br_playbooks *set = NULL;
    rt_err err = RT_OK;
    r->given = br_key_map(node, "given");
    rt_text_clear(&r->text);
    r->result.decisions = 0;
    if (events == NULL || !is_playable(r, node, events)) {
        return RT_OK; // complained of
    }
    check_given(r);
    if (rt_diag_errors(r->diag) != before) {
        return RT_OK;
    }
    rt_diag *compiled = rt_diag_new(); // it was accepted as part of its set
    err = br_playbooks_compile(r->pack, r->file, 1, 1, compiled, &set);
    rt_diag_free(compiled);
    if (err == RT_OK) {
        br_playbooks_act(set);
        r->is_scheduled = br_playbooks_scheduled(set) > 0;
        err = br__fork_renew(&r->fork, set);
    }
    if (err == RT_OK) {
        err = play_steps(r, node, events);
    }
    if (err != RT_OK && err != RT_ECONFIG && err != RT_ENOMEM) {
        fail(r, node, NULL, rt_err_detail());
    }
    rehearsal->passed = rt_diag_errors(r->diag) == before;
    rehearsal->text = rt_text_view(&r->text);
    return err == RT_ENOMEM ? err : RT_OK;
}

static rt_err
play_file(rehearsing *r, const br_playbook_file *file)
{
    rt_node *root = NULL;
    rt_arena_reset(r->arena);
    r->file = file;
    const char *name = rt_arena_printf(r->arena, "%.*s", RT_STR_ARG(file->name)).ptr;
    rt_err err = name == NULL
                     ? RT_ENOMEM
                     : rt_yaml_parse(name, file->text, r->arena, r->diag, &root);
    if (err != RT_OK) {
        return err;
    }
    const rt_node *tests = br_key_list(root, "tests");
    bool off = rt_str_is(br_key_str(&br_block_playbook, root, "mode"), "off");
    r->id = br_key_str(&br_block_playbook, root, "id");
    for (const rt_node *n = tests != NULL ? tests->child : NULL; err == RT_OK && n != NULL;
         n = n->next) {
        br_rehearsal rehearsal = {.file = file->name,
                                  .playbook = r->id,
                                  .name = br_key_str(&br_block_test, n, "name"),
                                  .line = n->mark.line,
                                  .skipped = off};
        if (!off) {
            err = play_case(r, n, &rehearsal);
        }
        if (r->on_case != NULL) {
            r->on_case(r->user, &rehearsal);
        }
    }
    return err;
}

static bool
has_tests(const br_playbook_file *file)
{
    const char key[] = "\ntests:";
    return memmem(file->text.ptr, file->text.len, key, sizeof(key) - 1) != NULL;
}

static rt_err
open_stage(rehearsing *r)
{
    r->arena = rt_arena_new(REHEARSE_ARENA_MAX);
    r->known = rt_new(br_situation);
    rt_mpw_init(&r->wire, WIRE_MAX);
    rt_text_init(&r->text, TEXT_MAX * 4);
    r->config = (br_backtest_config){.state = {.pack = r->pack,
                                               .gate = {.actions_per_minute = 1000000,
                                                        .utc_offset_ms = r->zones,
                                                        .tenant_count = RT_COUNT(r->zones)},
                                               .subjects_max = 1000,
                                               .memories_max = 1000,
                                               .dedup_events = 256,
                                               .dedup_window_ms = 1000},
                                     .on_pair = on_pair,
                                     .user = r};
    r->fork = (br__fork){
        .config = &r->config, .result = &r->result, .know = know, .know_user = r};
    return br__fork_open(&r->fork, r->diag);
}

rt_err
br_rehearse(const br_pack *pack, const br_playbook_file *files, size_t count, rt_diag *diag,
            void (*on_case)(void *user, const br_rehearsal *rehearsal), void *user)
{
    rehearsing *r = NULL;
    size_t before = rt_diag_errors(diag);
    rt_err err = RT_OK;
    for (size_t i = 0; i < count && err == RT_OK; i++) {
        if (!has_tests(&files[i])) {
            continue;
        }
        if (r == NULL) { // most sets have none: the stage is large
            r = rt_new(rehearsing);
            r->pack = pack;
            r->diag = diag;
            r->on_case = on_case;
            r->user = user;
            err = open_stage(r);
        }
        err = err == RT_OK ? play_file(r, &files[i]) : err;
    }
    if (r != NULL) {
        br__fork_close(&r->fork);
        rt_mpw_fini(&r->wire);
        rt_text_fini(&r->text);
        rt_arena_free(r->arena);
        rt_free(r->known);
        rt_free(r);
    }
    if (err == RT_OK && rt_diag_errors(diag) != before) {
        err = RT_ECONFIG;
    }
    return err;
}
