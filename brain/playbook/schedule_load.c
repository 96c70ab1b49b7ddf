// Reads the block schedule.
#include "brain/playbook/internal.h"
#include "brain/playbook/keys.h"

// As conditions and texts read them: schedule.at.
static const br_capture scheduled[] = {
    [BR_SCHEDULED_AT] = {{"at", 2}, RT_KIND_TIME},
    [BR_SCHEDULED_MISSED] = {{"missed", 6}, RT_KIND_I64},
};

static void
load_cron(const br_loading *l, const rt_node *node, br_schedule *schedule)
{
    size_t at = 0;
    size_t len = 0;
    const char *why = br_cron_parse(node->text, schedule, &at, &len);
    if (why != NULL) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2091", rt_node_mark_at(node, at, len),
                    "for example 30 7 * * mon-fri", "%s", why);
        schedule->kind = BR_SCHEDULE_AT; // never comes
    } else if (br_schedule_next(schedule, INT64_C(1700000000000)) == INT64_MAX) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2091", node->mark,
                    "months have at most 31, 30 or 29 days", "no such day ever comes");
    }
}

static void
load_time(const br_loading *l, const rt_node *node, br_schedule *schedule)
{
    static const char *const names[] = {"every", "cron", "at"};
    const rt_node *cron = br_key_node(node, "cron");
    const rt_node *at = br_key_node(node, "at");
    int named = 0;
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        named += rt_node_get(node, names[i]) != NULL;
    }
    if (named != 1) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2090", node->key_mark, NULL,
                    "a schedule has one of `every`, `cron` and `at`");
        return;
    }
    schedule->every_ms = br_key_duration_ms(&br_block_schedule, node, "every");
    schedule->kind = schedule->every_ms > 0 ? BR_SCHEDULE_EVERY : BR_SCHEDULE_AT;
    if (cron != NULL) {
        load_cron(l, cron, schedule);
    } else if (at != NULL && rt_parse_rfc3339(at->text, &schedule->at_ms) != RT_OK) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2092", at->mark,
                    "for example 2026-12-24T08:00:00-05:00", "'%.*s' is no instant",
                    RT_STR_ARG(at->text));
    }
}

static const br_plan *
load_subject(const br_loading *l, const rt_node *node, br_schedule *schedule)
{
    const rt_node *subject = br_key_node(node, "subject");
    const br_plan *plan = NULL;
    rt_str kind;
    rt_str key;
    if (subject == NULL) {
        return NULL;
    }
    schedule->subject = subject->text;
    if (rt_subject_split(subject->text, &kind, &key)) {
        plan = br_pack_subject_plan(l->set->pack, kind);
        l->playbook->entity = kind;
    }
    if (plan == NULL) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2094", subject->mark, "for example carrier/tcc",
                    "'%.*s' is no entity of the pack", RT_STR_ARG(subject->text));
    }
    return plan;
}

static void
check_alone(const br_loading *l, const rt_node *root, const rt_node *node)
{
    static const char *const elsewhere[] = {"events", "pattern"};
    const rt_node *throttle = br_key_map(root, "throttle");
    for (size_t i = 0; i < RT_COUNT(elsewhere); i++) {
        if (rt_node_get(root, elsewhere[i]) != NULL) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2090", node->key_mark,
                        "make a playbook for each", "`%s` and `schedule` exclude each other",
                        elsewhere[i]);
        }
    }
    if (throttle != NULL && rt_node_get(throttle, "collect") != NULL) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2080", rt_node_get(throttle, "collect")->key_mark,
                    NULL, "`collect` and `schedule` exclude each other");
    }
}

void
br__load_schedule(const br_loading *l, const rt_node *root, const rt_node *node)
{
    const rt_catalog *catalog = br_pack_catalog(l->set->pack);
    const rt_event_type *timer = rt_catalog_find(catalog, RT_STR("timer.fired"));
    br_pattern *pattern = &l->playbook->pattern;
    br_schedule *schedule = rt_arena_new_of(l->set->arena, br_schedule);
    br_rule *rule = rt_arena_new_of(l->set->arena, br_rule);
    if (schedule == NULL || rule == NULL || timer == NULL) {
        l->set->full = l->set->full || schedule == NULL || rule == NULL;
        return;
    }
    check_alone(l, root, node);
    schedule->zone = br_key_str(&br_block_schedule, node, "time_zone");
    schedule->catch_up = (br_catch_up)br_key_choice(&br_block_schedule, node, "catch_up");
    schedule->shape = br__load_hash(node);
    int64_t offset_ms;
    if (br_zone_offset(schedule->zone, INT64_C(1700000000000), &offset_ms) != RT_OK) {
        const rt_node *zone = br_key_node(node, "time_zone");
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2043", zone != NULL ? zone->mark : node->mark,
                    "for example America/Bogota or -05:00", "unknown time zone '%.*s'",
                    RT_STR_ARG(schedule->zone));
        schedule->zone = RT_STR("UTC");
    }
    load_time(l, node, schedule);
    const br_plan *plan = load_subject(l, node, schedule);
    if (l->set->schedule_count == BR_SCHEDULES_MAX) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2093", node->key_mark, NULL,
                    "a set has at most %d schedules", BR_SCHEDULES_MAX);
        return;
    }
    l->set->schedule_count++;
    l->playbook->schedule = schedule;
    l->playbook->info.events = 1;
    pattern->kind = BR_PATTERN_SCHEDULE;
    pattern->shape = schedule->shape;
    pattern->element_count = 1;
    pattern->elements[0].name = RT_STR("schedule");
    pattern->elements[0].capture_count = RT_COUNT(scheduled);
    memcpy(pattern->elements[0].captures, scheduled, sizeof(scheduled));
    rule->playbook = l->playbook;
    pattern->late = rule;
    br__load_end(l, root, rule, timer, plan != NULL ? plan : br_pack_plan(l->set->pack, timer));
}
