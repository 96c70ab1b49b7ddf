// memory.show: what is remembered of a subject, and what long-term memory holds of it, of a type of
// event or of a tag.
#include "brain/core/control.h"
#include "runtime/base/hash.h"

// Rows keep the hash of a type's name; the catalogue gives the name back.
static rt_str
type_of_hash(const br_brain *brain, uint32_t hash)
{
    const rt_catalog *catalog = br_pack_catalog(brain->config.pack);
    for (uint16_t i = 0; i < rt_catalog_count(catalog); i++) {
        rt_str name = rt_catalog_at(catalog, i)->name;
        if ((uint32_t)rt_hash64(rt_bytes_of_str(name), 0) == hash) {
            return name;
        }
    }
    return RT_STR("");
}

static void
write_entry(const br_brain *brain, uint64_t seq, int64_t at_ms, uint32_t type, float importance,
            rt_mpw *w)
{
    br_map map = br__map_begin(w);
    br__map_u64(&map, "seq", seq);
    br__map_i64(&map, "at_ms", at_ms);
    br__map_str(&map, "type", type_of_hash(brain, type));
    br__map_f64(&map, "importance", (double)importance);
    br__map_end(&map);
}

static void
write_recent(const br_brain *brain, const br_subject_row *row, br_map *answer)
{
    uint32_t count = 0;
    while (count < BR_RECENT_MAX && row->recent[count].seq != 0) {
        count++;
    }
    rt_mpw_array(br__map_key(answer, "recent"), count);
    for (uint32_t i = 0; i < count; i++) {
        const br_recent *recent = &row->recent[i];
        write_entry(brain, recent->seq, recent->at_ms, recent->type, recent->importance,
                    answer->w);
    }
}

static void
write_row(const br_brain *brain, rt_bytes bytes, br_map *answer)
{
    const br_subject_row *row = (const br_subject_row *)(const void *)bytes.ptr;
    br__map_i64(answer, "first_ms", row->first_ms);
    br__map_i64(answer, "last_ms", row->last_ms);
    br__map_u64(answer, "events", row->events);
    br__map_raw(answer, "attributes",
                (rt_bytes){bytes.ptr + sizeof(br_subject_row),
                           bytes.len - sizeof(br_subject_row)});
    write_recent(brain, row, answer);
}

static void
write_longterm(const br_brain *brain, rt_tenant tenant, br_recall_by by, rt_str what,
               br_map *answer)
{
    br_memory_entry entries[BR_MEMORIES_MAX];
    uint32_t count =
        br_longterm_recall(brain->state->longterm, tenant, by, what, INT64_MIN, entries);
    rt_mpw_array(br__map_key(answer, "longterm"), count);
    for (uint32_t i = 0; i < count; i++) {
        write_entry(brain, entries[i].seq, entries[i].at_ms, entries[i].type,
                    entries[i].importance, answer->w);
    }
}

static bool
keyed_by(const br_plan *plan, const br_plan_group *group, rt_str entity)
{
    br_source key = group->key;
    bool own = key.slot < 0 && key.attribute < 0 && key.touch >= 0 &&
               rt_str_equal(plan->touches[key.touch].entity->name, entity);
    return own || rt_str_equal(group->group->name, entity);
}

// Groups of features are found through the plans of all event types; the key of those that are kept
// by this entity is its own key.
static void
add_groups(const br_pack *pack, rt_str entity, br_plan *plan)
{
    const rt_catalog *catalog = br_pack_catalog(pack);
    uint64_t seen = 0; // bit per group
    for (uint16_t i = 0; i < rt_catalog_count(catalog); i++) {
        const br_plan *other = br_pack_plan(pack, rt_catalog_at(catalog, i));
        for (uint32_t g = 0; g < other->group_count; g++) {
            const br_group *group = other->groups[g].group;
            bool is_new = (seen >> group->index & 1) == 0;
            if (is_new && plan->group_count < BR_PLAN_GROUPS_MAX &&
                keyed_by(other, &other->groups[g], entity)) {
                seen |= 1ull << group->index;
                plan->groups[plan->group_count++] =
                    (br_plan_group){.group = group, .key = {.slot = -1, .touch = 0,
                                                            .attribute = -1}};
            }
        }
    }
}

_Static_assert(BR_GROUPS_MAX <= 64, "add_groups keeps a bit per group");

static void
write_features(const br_brain *brain, rt_tenant tenant, rt_str subject, rt_str entity,
               br_map *answer)
{
    const br_plan *own = br_pack_subject_plan(brain->config.pack, entity);
    if (own == NULL) {
        return;
    }
    br_plan plan = *own;
    plan.group_count = 0;
    add_groups(brain->config.pack, entity, &plan);
    rt_event event = {.tenant = tenant, .subject = subject};
    br_situation *situation = brain->situation; // free between two events
    memset(situation, 0, sizeof(*situation));
    situation->event = &event;
    situation->plan = &plan;
    situation->now_ms = brain->state->meta.clock_ms;
    br_subjects_recall(brain->state->subjects, situation);
    br_features_read(brain->state->features, situation);
    br_map features = br__map_begin(br__map_key(answer, "features"));
    for (uint32_t g = 0; g < plan.group_count; g++) {
        const br_group *group = plan.groups[g].group;
        rt_mpw_str(features.w, group->name);
        features.pairs++;
        rt_mpw_map(features.w, group->stat_count);
        for (uint32_t s = 0; s < group->stat_count; s++) {
            rt_mpw_str(features.w, group->stats[s].name);
            rt_mpw_f64(features.w, situation->features[g][s]);
        }
    }
    br__map_end(&features);
    situation->event = NULL; // they were ours
    situation->plan = NULL;
}

static void
show_subject(const br_ask *ask, rt_tenant tenant, rt_str subject)
{
    const br_brain *brain = ask->brain;
    rt_str entity;
    rt_str key;
    if (!rt_subject_split(subject, &entity, &key)) {
        br__refuse(ask->control, ask->call, RT_EINVAL, "e.g. brainctl memory show order/45871",
                   "'%.*s' is no subject: kind/key is wanted", RT_STR_ARG(subject));
        return;
    }
    rt_bytes row = br_subjects_row(brain->state->subjects, tenant, entity, key);
    if (row.len == 0) {
        br__refuse(ask->control, ask->call, RT_ENOTFOUND, NULL, "nothing is remembered of '%.*s'",
                   RT_STR_ARG(subject));
        return;
    }
    br_map answer = br__answer_begin(ask);
    br__map_str(&answer, "subject", subject);
    br__map_str(&answer, "tenant", br__tenant_name(brain, tenant));
    write_row(brain, row, &answer);
    write_longterm(brain, tenant, BR_BY_SUBJECT, subject, &answer);
    write_features(brain, tenant, subject, entity, &answer);
    br__answer_end(ask, &answer);
}

void
br__ask_memory(const br_ask *ask)
{
    rt_tenant tenant;
    bool given;
    rt_str subject = br__arg_str(ask, "subject");
    rt_str type = br__arg_str(ask, "type");
    rt_str tag = br__arg_str(ask, "tag");
    if (!br__arg_tenant(ask, &tenant, &given)) {
        return;
    }
    if (!given && ask->brain->config.tenant_count != 1) {
        br__refuse(ask->control, ask->call, RT_EMISSING, "add --tenant NAME",
                   "memory belongs to a tenant, and there are %zu",
                   ask->brain->config.tenant_count);
        return;
    }
    if (subject.len > RT_EVENT_SUBJECT_MAX || type.len > RT_EVENT_SUBJECT_MAX ||
        tag.len > RT_EVENT_SUBJECT_MAX) {
        br__refuse(ask->control, ask->call, RT_ELIMIT, NULL, "no name is longer than %d bytes",
                   RT_EVENT_SUBJECT_MAX);
        return;
    }
    if (subject.len > 0) {
        show_subject(ask, tenant, subject);
        return;
    }
    br_map answer = br__answer_begin(ask);
    write_longterm(ask->brain, tenant, type.len > 0 ? BR_BY_TYPE : BR_BY_TAG,
                   type.len > 0 ? type : tag, &answer);
    br__answer_end(ask, &answer);
}
