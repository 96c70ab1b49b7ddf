// Reads what bounds a playbook: canary, budget, calendar, approve.
#include "brain/playbook/internal.h"
#include "brain/playbook/keys.h"

static int32_t
load_hour(const br_loading *l, const rt_node *calendar, const char *key)
{
    const rt_node *node = br_key_node(calendar, key);
    if (node == NULL) {
        return -1;
    }
    int32_t minutes = br_hours_minute(node->text);
    if (minutes < 0) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2041", node->mark, "for example 08:00 or 24:00",
                    "'%.*s' is no hour of the day", RT_STR_ARG(node->text));
    }
    return minutes;
}

static uint8_t
load_days(const rt_node *calendar)
{
    const rt_node *list = br_key_list(calendar, "days");
    uint8_t days = list == NULL ? 0x7f : 0;
    for (const rt_node *node = list != NULL ? list->child : NULL; node != NULL;
         node = node->next) {
        days = (uint8_t)(days | br_hours_day(node->text));
    }
    return days;
}

static void
load_calendar(const br_loading *l, const rt_node *node)
{
    br_calendar *calendar = &l->playbook->calendar;
    const br_block *block = &br_block_calendar;
    int32_t from = load_hour(l, node, "from");
    int32_t until = load_hour(l, node, "until");
    bool has_from = rt_node_get(node, "from") != NULL;
    bool has_until = rt_node_get(node, "until") != NULL;
    bool has_days = rt_node_get(node, "days") != NULL || rt_node_get(node, "holidays") != NULL;
    if (has_from != has_until) {
        br__load_missing(l, node, has_from ? "until" : "from", "for example from: 08:00, until: "
                                                               "18:00");
    }
    if (from >= 0 && from == until) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2042", rt_node_get(node, "until")->mark,
                    "00:00 to 24:00 is the whole day", "it would never be open");
    }
    calendar->has_hours = has_from || has_days;
    calendar->hours = (br_hours){.from_min = has_from ? from : 0,
                                 .until_min = has_until ? until : BR_MINUTES_OF_DAY,
                                 .days = load_days(node),
                                 .holidays = br_key_bool(block, node, "holidays"),
                                 .zone = br_key_str(block, node, "zone")};
    calendar->hold_closed = br_key_choice(block, node, "closed") == 1;
    calendar->hold_quiet = br_key_choice(block, node, "quiet") == 1;
    calendar->at_most_ms = br_key_duration_ms(block, node, "at_most");
    int64_t offset;
    const rt_node *zone = br_key_node(node, "zone");
    if (zone != NULL && br_zone_offset(zone->text, INT64_C(1700000000000), &offset) != RT_OK) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2043", zone->mark,
                    "for example America/Bogota or -05:00", "unknown time zone '%.*s'",
                    RT_STR_ARG(zone->text));
    }
}

static void
load_budgets(const br_loading *l, const rt_node *list)
{
    br_playbook *playbook = l->playbook;
    for (const rt_node *node = list->child; node != NULL && node->kind == RT_NODE_MAP &&
                                            playbook->budget_count < BR_BUDGETS_MAX;
         node = node->next) {
        playbook->budgets[playbook->budget_count++] = (br_budget){
            .what = (br_counted)br_key_choice(&br_block_budget, node, "what"),
            .limit = br_key_i64(&br_block_budget, node, "limit"),
            .window_ms = br_key_duration_ms(&br_block_budget, node, "window"),
            .on_exceed = (br_exceed)br_key_choice(&br_block_budget, node, "on_exceed")};
        if (playbook->budgets[playbook->budget_count - 1].on_exceed == BR_EXCEED_ASK &&
            !playbook->approve.on) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2044", node->mark,
                        "add approve: {ttl: 2h}", "`on_exceed: ask` needs the block `approve`");
        }
    }
}

static void
load_approve(const br_loading *l, const rt_node *node)
{
    br_approve *approve = &l->playbook->approve;
    const rt_node *roles = br_key_list(node, "roles");
    approve->on = true;
    approve->quorum = (uint32_t)br_key_i64(&br_block_approve, node, "quorum");
    approve->ttl_ms = br_key_duration_ms(&br_block_approve, node, "ttl");
    approve->escalate = br_key_choice(&br_block_approve, node, "on_timeout") == 1;
    for (const rt_node *role = roles != NULL ? roles->child : NULL;
         role != NULL && approve->role_count < BR_ROLES_MAX; role = role->next) {
        approve->roles[approve->role_count++] = role->text;
    }
}

void
br__load_limits(const br_loading *l, const rt_node *root)
{
    br_playbook *playbook = l->playbook;
    const rt_node *canary = br_key_map(root, "canary");
    const rt_node *budgets = br_key_list(root, "budget");
    const rt_node *calendar = br_key_map(root, "calendar");
    const rt_node *approve = br_key_map(root, "approve");
    playbook->canary_percent = canary != NULL ? br_key_f64(&br_block_canary, canary, "percent")
                                              : -1;
    if (br_key_map(canary, "guardrails") != NULL) {
        br__load_guardrails(l, br_key_map(canary, "guardrails"));
        br__check_guardrails(l, root);
    }
    if (playbook->info.mode == BR_MODE_CANARY && canary == NULL) {
        br__load_missing(l, root, "canary", "mode: canary wants canary: {percent: 10}");
    }
    if (approve != NULL) {
        load_approve(l, approve);
    }
    if (budgets != NULL) {
        load_budgets(l, budgets);
    }
    if (calendar != NULL) {
        load_calendar(l, calendar);
    }
    playbook->is_bounded =
        canary != NULL || budgets != NULL || calendar != NULL || approve != NULL;
    playbook->in_order = br_key_bool(&br_block_playbook, root, "in_order");
    playbook->is_bounded = playbook->is_bounded || playbook->in_order;
    l->set->runs = l->set->runs || playbook->in_order;
    l->set->is_bounded = l->set->is_bounded || playbook->is_bounded;
}

void
br__load_rule_limits(const br_loading *l, const rt_node *root, br_rule *rule,
                     const br_expr_env *env)
{
    const rt_node *budgets = br_key_list(root, "budget");
    uint32_t i = 0;
    rule->canary_by =
        br__load_expr(l, br_key_node(br_key_map(root, "canary"), "by"), env, RT_KIND_STR);
    rule->approve_when =
        br__load_expr(l, br_key_node(br_key_map(root, "approve"), "when"), env, RT_KIND_BOOL);
    for (const rt_node *node = budgets != NULL ? budgets->child : NULL;
         node != NULL && i < l->playbook->budget_count; node = node->next) {
        rule->budget_per[i++] = br__load_expr(l, br_key_node(node, "per"), env, RT_KIND_STR);
    }
}
