#include "brain/agent/agent.h"

#include <math.h>

#include "brain/agent/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// The calls an agent may make. What it says is copied at once into the collection of the running
// batch, so a handler may say things from its stack or scratch memory; texts go to the arena of
// the collection and are undone with it. What would poison others (a NaN, a damaged msgpack value)
// is refused here, at the agent that made it, where the error undoes the whole handler.

#define TIMER_KEY_MAX 160
#define CODE_UNKNOWN_AGENT "B1030"
#define CODE_UNKNOWN_PARAM "B1031"
#define CODE_WRONG_PARAM "B1032"
#define PRIORITY_MAX 100

rt_err
br_agent_table(br_agent *self, unsigned index, const char *name, rt_table **ret_table)
{
    uint8_t id = 0;
    rt_err err = RT_OK;

    RT_CHECK(self, BR__AGENT_MAGIC);
    RT_ASSERT(index < BR_AGENT_TABLES_MAX);
    if (self->tables[index] == NULL) { // declared already when init runs again after a failure
        id = (uint8_t)((self->def->id - 1u) * BR_AGENT_TABLES_MAX + 1 + index);
        err = rt_store_table(self->runner->config.store, id, name,
                             &self->tables[index]);
    }
    if (err == RT_OK) {
        *ret_table = self->tables[index];
    }
    return err;
}

const rt_catalog *
br_agent_catalog(const br_agent *self)
{
    RT_CHECK(self, BR__AGENT_MAGIC);
    return self->runner->config.catalog;
}

rt_err
br_agent_bind(br_agent *self, const char *event, const char *field, int *ret_slot)
{
    const rt_event_type *type = rt_catalog_find(br_agent_catalog(self), rt_str_of(event));
    int slot = type != NULL ? rt_event_type_slot(type, rt_str_of(field)) : -1;

    if (type == NULL) {
        return rt_fail(RT_ECONFIG, "agent %s: the catalogue has no event type %s",
                       self->def->name, event);
    }
    if (slot < 0) {
        return rt_fail(RT_ECONFIG, "agent %s: event type %s (%s:%u) has no field %s",
                       self->def->name, event, type->file != NULL ? type->file : "?",
                       type->mark.line, field);
    }
    *ret_slot = slot;
    return RT_OK;
}

#define TYPE_BIT(type) (1u << (type))
#define WHOLE_TYPES                                                                                \
    (TYPE_BIT(RT_PARAM_I64) | TYPE_BIT(RT_PARAM_DURATION_MS) | TYPE_BIT(RT_PARAM_SIZE_BYTES))

// The value of a declared parameter, which must be of one of the types.
static const rt_param_value *
param_of(const br_agent *self, const char *name, unsigned types)
{
    RT_CHECK(self, BR__AGENT_MAGIC);
    for (size_t i = 0; i < self->def->param_count; i++) {
        if (strcmp(self->def->params[i].name, name) == 0) {
            RT_ASSERT((TYPE_BIT(self->def->params[i].type) & types) != 0);
            return &self->params[i];
        }
    }
    RT_UNREACHABLE("an agent reads only parameters it declares");
}

double
br_agent_param_f64(const br_agent *self, const char *name)
{
    return param_of(self, name, TYPE_BIT(RT_PARAM_F64) | WHOLE_TYPES)->f;
}

int64_t
br_agent_param_i64(const br_agent *self, const char *name)
{
    return param_of(self, name, WHOLE_TYPES)->i;
}

bool
br_agent_param_bool(const br_agent *self, const char *name)
{
    return param_of(self, name, TYPE_BIT(RT_PARAM_BOOL))->b;
}

rt_str
br_agent_param_str(const br_agent *self, const char *name)
{
    return param_of(self, name, TYPE_BIT(RT_PARAM_STR))->s;
}

rt_arena *
br_agent_arena(br_agent *self)
{
    RT_CHECK(self, BR__AGENT_MAGIC);
    return self->runner->scratch;
}

rt_rng *
br_agent_rng(br_agent *self)
{
    RT_CHECK(self, BR__AGENT_MAGIC);
    if (!self->has_rng) {
        rt_rng_seed(&self->rng, self->name_hash, self->seq);
        self->has_rng = true;
    }
    return &self->rng;
}

int64_t
br_agent_utc_offset_ms(const br_agent *self, rt_tenant tenant)
{
    const br_runner_config *config = NULL;

    RT_CHECK(self, BR__AGENT_MAGIC);
    config = &self->runner->config;
    if (config->utc_offset_ms == NULL || tenant.v >= config->tenant_count) {
        return 0;
    }
    return config->utc_offset_ms[tenant.v];
}

size_t
br_agent_playbook_count(const br_agent *self)
{
    RT_CHECK(self, BR__AGENT_MAGIC);
    return br__playset_count(self->playset);
}

rt_str
br_agent_playbook_text(const br_agent *self, size_t index, rt_str *ret_file)
{
    RT_CHECK(self, BR__AGENT_MAGIC);
    return br__playset_text(self->playset, index, ret_file);
}

uint64_t
br_agent_playbooks_version(const br_agent *self)
{
    RT_CHECK(self, BR__AGENT_MAGIC);
    return br__playset_version(self->playset);
}

// --- saying things ---

static br__said *
said_of(br_agent *self)
{
    RT_CHECK(self, BR__AGENT_MAGIC);
    RT_ASSERT(self->is_working);
    return self->runner->said[self->runner->filling];
}

static rt_err
check_count(br_agent *self, br__saying kind, uint32_t max, const char *what)
{
    if (br__said_since(said_of(self), &self->mark, kind) >= max) {
        return rt_fail(RT_ELIMIT, "agent %s: more than %u %s for one record", self->def->name, max,
                       what);
    }
    return RT_OK;
}

static rt_err
check_map(rt_bytes mp, const char *what)
{
    rt_err err = RT_OK;

    if (mp.len == 0) {
        return RT_OK;
    }
    err = rt_mp_check(mp);
    if (err != RT_OK) {
        return rt_fail(RT_EPROTO, "%s is not one msgpack value: %s", what, rt_err_text(err));
    }
    if ((mp.ptr[0] & 0xf0) != 0x80 && mp.ptr[0] != 0xde && mp.ptr[0] != 0xdf) {
        return rt_fail(RT_ETYPE, "%s is not a msgpack map", what);
    }
    return RT_OK;
}

// Copies of texts; the first that does not fit sets `failed`, which is looked at once at the end.
typedef struct copier {
    rt_arena *arena;
    bool failed;
} copier;

static rt_bytes
copy_bytes(copier *c, rt_bytes from)
{
    rt_bytes to = {NULL, 0};

    if (from.len > 0) {
        to = rt_arena_copy(c->arena, from);
        c->failed = c->failed || to.ptr == NULL;
    }
    return to;
}

static rt_str
copy_str(copier *c, rt_str from)
{
    return rt_str_of_bytes(copy_bytes(c, rt_bytes_of_str(from)));
}

static rt_msg_list
copy_factors(copier *c, rt_msg_list from)
{
    const msg_factor *in = from.items;
    msg_factor *out = NULL;

    if (from.count == 0) {
        return (rt_msg_list){NULL, 0};
    }
    out = rt_arena_array(c->arena, msg_factor, from.count);
    if (out == NULL) {
        c->failed = true;
        return (rt_msg_list){NULL, 0};
    }
    for (uint32_t i = 0; i < from.count; i++) {
        out[i] = in[i];
        out[i].name = copy_str(c, in[i].name);
    }
    return (rt_msg_list){out, from.count};
}

static rt_err
check_copies(const br_agent *self, const copier *c)
{
    if (c->failed) {
        return rt_fail(RT_ENOMEM, "agent %s: the answers of this batch are too large",
                       self->def->name);
    }
    return RT_OK;
}

static bool
is_ratio(double x)
{
    return x >= 0 && x <= 1; // false for a NaN
}

static bool
are_factors_finite(rt_msg_list factors)
{
    const msg_factor *f = factors.items;

    for (uint32_t i = 0; i < factors.count; i++) {
        if (!isfinite(f[i].value) || !isfinite(f[i].contribution)) {
            return false;
        }
    }
    return true;
}

static rt_err
check_proposal(const br_agent *self, const msg_proposal *p)
{
    const char *name = self->def->name;

    if (p->action.len == 0) {
        return rt_fail(RT_EMISSING, "agent %s: a proposal without an action", name);
    }
    if (p->priority < 0 || p->priority > PRIORITY_MAX) {
        return rt_fail(RT_ERANGE, "agent %s: priority %lld of %.*s is not within 0..100", name,
                       (long long)p->priority, RT_STR_ARG(p->action));
    }
    if (!is_ratio(p->confidence) || !is_ratio(p->propensity)) {
        return rt_fail(RT_ERANGE,
                       "agent %s: confidence %g or propensity %g of %.*s is not within 0..1", name,
                       p->confidence, p->propensity, RT_STR_ARG(p->action));
    }
    if (!isfinite(p->value) || !are_factors_finite(p->factors)) {
        return rt_fail(RT_ERANGE, "agent %s: a value or factor of %.*s is not finite", name,
                       RT_STR_ARG(p->action));
    }
    return check_map(p->args, "args");
}

rt_err
br_propose(br_agent *self, const msg_proposal *proposal)
{
    copier c = {br__said_arena(said_of(self)), false};
    msg_proposal copy = *proposal;
    rt_err err = check_count(self, BR__PROPOSALS, BR_ANSWER_PROPOSALS_MAX, "proposals");

    if (err == RT_OK) {
        err = check_proposal(self, proposal);
    }
    if (err != RT_OK) {
        return err;
    }
    copy.agent = self->name;
    copy.model = copy_str(&c, proposal->model);
    copy.action = copy_str(&c, proposal->action);
    copy.target = copy_str(&c, proposal->target);
    copy.args = copy_bytes(&c, proposal->args);
    copy.reason = copy_str(&c, proposal->reason);
    copy.factors = copy_factors(&c, proposal->factors);
    err = check_copies(self, &c);
    if (err == RT_OK) {
        *(msg_proposal *)br__said_add(said_of(self), BR__PROPOSALS) = copy;
    }
    return err;
}

rt_err
br_predict(br_agent *self, const msg_prediction *prediction)
{
    copier c = {br__said_arena(said_of(self)), false};
    msg_prediction copy = *prediction;
    rt_err err = check_count(self, BR__PREDICTIONS, BR_ANSWER_PREDICTIONS_MAX, "predictions");

    if (err != RT_OK) {
        return err;
    }
    if (!isfinite(prediction->value) || !are_factors_finite(prediction->factors)) {
        return rt_fail(RT_ERANGE, "agent %s: prediction of %.*s is not finite", self->def->name,
                       RT_STR_ARG(prediction->model));
    }
    copy.agent = self->name;
    copy.model = copy_str(&c, prediction->model);
    copy.factors = copy_factors(&c, prediction->factors);
    err = check_copies(self, &c);
    if (err == RT_OK) {
        *(msg_prediction *)br__said_add(said_of(self), BR__PREDICTIONS) = copy;
    }
    return err;
}

static rt_err
check_subject(const br_agent *self, rt_str subject)
{
    if (subject.len > RT_EVENT_SUBJECT_MAX) {
        return rt_fail(RT_ELIMIT, "agent %s: a subject of %zu bytes", self->def->name,
                       subject.len);
    }
    return RT_OK;
}

rt_err
br_emit(br_agent *self, const char *event, rt_str subject, rt_bytes data)
{
    static const uint8_t empty_map[] = {0x80};
    copier c = {br__said_arena(said_of(self)), false};
    const rt_event_type *type = rt_catalog_find(br_agent_catalog(self), rt_str_of(event));
    msg_emission copy = {.agent = self->name};
    rt_err err = check_count(self, BR__EMISSIONS, BR_ANSWER_EMISSIONS_MAX, "emissions");

    if (err == RT_OK && type == NULL) {
        return rt_fail(RT_EUNKNOWN, "agent %s: the catalogue has no event type %s",
                       self->def->name, event);
    }
    if (err == RT_OK) {
        err = check_subject(self, subject);
    }
    if (err == RT_OK) {
        err = check_map(data, "data");
    }
    if (err != RT_OK) {
        return err;
    }
    copy.event = type->name;
    copy.subject = copy_str(&c, subject);
    copy.data = data.len > 0 ? copy_bytes(&c, data) : (rt_bytes){empty_map, sizeof(empty_map)};
    err = check_copies(self, &c);
    if (err == RT_OK) {
        *(msg_emission *)br__said_add(said_of(self), BR__EMISSIONS) = copy;
    }
    return err;
}

rt_err
br_timer_set(br_agent *self, rt_str key, int64_t due_ms, rt_str subject)
{
    copier c = {br__said_arena(said_of(self)), false};
    msg_timer copy = {.owner = self->name, .due_ms = due_ms};
    rt_err err = check_count(self, BR__TIMERS, BR_ANSWER_TIMERS_MAX, "timers");

    if (err == RT_OK) {
        err = check_subject(self, subject);
    }
    if (err != RT_OK) {
        return err;
    }
    if (key.len == 0) {
        return rt_fail(RT_EMISSING, "agent %s: a timer without a key", self->def->name);
    }
    if (key.len > TIMER_KEY_MAX) {
        return rt_fail(RT_ELIMIT, "agent %s: a timer key of %zu bytes", self->def->name, key.len);
    }
    if (due_ms < 0) {
        return rt_fail(RT_ERANGE, "agent %s: timer %.*s is due at %lld", self->def->name,
                       RT_STR_ARG(key), (long long)due_ms);
    }
    copy.key = copy_str(&c, key);
    copy.subject = copy_str(&c, subject);
    err = check_copies(self, &c);
    if (err == RT_OK) {
        *(msg_timer *)br__said_add(said_of(self), BR__TIMERS) = copy;
    }
    return err;
}

// --- parameters ---

static const rt_param *
find_param(const br_agent_def *def, rt_str name, size_t *ret_index)
{
    for (size_t i = 0; i < def->param_count; i++) {
        if (rt_str_is(name, def->params[i].name)) {
            *ret_index = i;
            return &def->params[i];
        }
    }
    return NULL;
}

static void
report_unknown(const br_agent *agent, const rt_node *node, rt_arena *arena, rt_diag *diag)
{
    char help[RT_ERR_DETAIL_MAX];
    size_t count = agent->def->param_count;
    rt_str *names = rt_arena_array(arena, rt_str, count);

    RT_MUST_HAVE(names != NULL);
    for (size_t i = 0; i < count; i++) {
        names[i] = rt_str_of(agent->def->params[i].name);
    }
    rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_UNKNOWN_PARAM, node->key_mark,
                rt_diag_did_you_mean(node->key, names, count, help, sizeof(help)),
                "agent %s has no parameter '%.*s'", agent->def->name, RT_STR_ARG(node->key));
}

static void
override_param(br_agent *agent, const rt_node *node, rt_arena *arena, rt_diag *diag)
{
    size_t index = 0;
    const rt_param *param = find_param(agent->def, node->key, &index);
    rt_param_value value = {.i = 0};

    if (param == NULL) {
        report_unknown(agent, node, arena, diag);
        return;
    }
    if (node->kind != RT_NODE_SCALAR) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_WRONG_PARAM, node->mark, param->help,
                    "parameter %s of agent %s must be a %s", param->name, agent->def->name,
                    rt_param_type_name(param->type));
        return;
    }
    if (rt_param_parse(param, node->text, &value) != RT_OK) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_WRONG_PARAM, node->mark, param->help,
                    "parameter %s of agent %s %s", param->name, agent->def->name, rt_err_detail());
        return;
    }
    if (param->type == RT_PARAM_STR) {
        value.s = rt_arena_str(arena, value.s);
        RT_MUST_HAVE(value.s.ptr != NULL);
    }
    agent->params[index] = value;
}

rt_err
br__agent_params(br_agent *agent, const rt_node *overrides, rt_arena *arena, rt_diag *diag)
{
    const br_agent_def *def = agent->def;
    const rt_node *own = rt_node_get(overrides, def->name);
    size_t errors = diag != NULL ? rt_diag_errors(diag) : 0;

    agent->params = rt_new_array(rt_param_value, def->param_count > 0 ? def->param_count : 1);
    for (size_t i = 0; i < def->param_count; i++) {
        rt_err err = rt_param_parse(&def->params[i], rt_str_of(def->params[i].fallback),
                                    &agent->params[i]);

        if (err != RT_OK) {
            return rt_fail(RT_ECONFIG, "agent %s: default of parameter %s is wrong", def->name,
                           def->params[i].name);
        }
    }
    if (own == NULL) {
        return RT_OK;
    }
    RT_ASSERT(diag != NULL);
    if (own->kind != RT_NODE_MAP) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_WRONG_PARAM, own->mark, NULL,
                    "overrides of agent %s must be a map of parameters", def->name);
    }
    for (const rt_node *node = own->kind == RT_NODE_MAP ? own->child : NULL; node != NULL;
         node = node->next) {
        override_param(agent, node, arena, diag);
    }
    if (rt_diag_errors(diag) > errors) {
        return rt_fail(RT_ECONFIG, "overrides of agent %s are wrong", def->name);
    }
    return RT_OK;
}

static const br_agent_def *
find_def(const br_agent_def *const *agents, size_t count, rt_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (rt_str_is(name, agents[i]->name)) {
            return agents[i];
        }
    }
    return NULL;
}

void
br_check_overrides(const br_agent_def *const *agents, size_t count, const rt_node *overrides,
                   rt_arena *arena, rt_diag *diag)
{
    rt_str *names = rt_arena_array(arena, rt_str, count);

    RT_MUST_HAVE(names != NULL);
    for (size_t i = 0; i < count; i++) {
        names[i] = rt_str_of(agents[i]->name);
    }
    if (overrides->kind != RT_NODE_MAP) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_WRONG_PARAM, overrides->mark, NULL,
                    "a map of agents is wanted");
        return;
    }
    for (const rt_node *node = overrides->child; node != NULL; node = node->next) {
        br_agent probe = {.def = find_def(agents, count, node->key)};
        char help[RT_ERR_DETAIL_MAX];

        if (probe.def == NULL) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, CODE_UNKNOWN_AGENT, node->key_mark,
                        rt_diag_did_you_mean(node->key, names, count, help, sizeof(help)),
                        "no agent is named '%.*s'", RT_STR_ARG(node->key));
            continue;
        }
        RT_IGNORE(br__agent_params(&probe, overrides, arena, diag)); // findings are in diag
        rt_free(probe.params);
    }
}
