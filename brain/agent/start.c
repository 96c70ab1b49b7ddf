#include "brain/agent/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"

// Design notes.
// Everything that can be wrong with an agent is found here, before the first record: ids, handlers
// of events that the catalogue does not have, parameters, bindings. The dispatch table is built
// once: for each event type a range of hearers in start order, which is the order of the answers.

#define CODE_UNKNOWN_AGENT "B1030"
#define TIMER_EVENT "timer.fired"

static rt_err
check_def(const br_runner_config *config, size_t index)
{
    const br_agent_def *def = config->agents[index];

    if (def->id < 1 || def->id > BR_AGENT_ID_MAX) {
        return rt_fail(RT_ECONFIG, "agent %s: id %u is not within 1..%d", def->name, def->id,
                       BR_AGENT_ID_MAX);
    }
    for (size_t i = 0; i < index; i++) {
        if (config->agents[i]->id == def->id || strcmp(config->agents[i]->name, def->name) == 0) {
            return rt_fail(RT_ECONFIG, "agents %s and %s have one id or name",
                           config->agents[i]->name, def->name);
        }
    }
    return RT_OK;
}

static rt_err
check_handler(const br_runner *runner, const br_agent_def *def, size_t index)
{
    const char *event = def->handlers[index].event;
    char help[160];
    const char *hint = NULL;

    for (size_t i = 0; i < index; i++) {
        if (strcmp(def->handlers[i].event, event) == 0) {
            return rt_fail(RT_ECONFIG, "agent %s: two handlers of event type %s", def->name,
                           event);
        }
    }
    if (rt_catalog_find(runner->config.catalog, rt_str_of(event)) == NULL) {
        hint = rt_catalog_suggest(runner->config.catalog, rt_str_of(event), help, sizeof(help));
        return rt_fail(RT_ECONFIG, "agent %s: the catalogue has no event type %s%s%s", def->name,
                       event, hint != NULL ? ", " : "", hint != NULL ? hint : "");
    }
    return RT_OK;
}

static rt_err
check_defs(const br_runner *runner)
{
    rt_err err = RT_OK;

    for (size_t a = 0; err == RT_OK && a < runner->config.agent_count; a++) {
        const br_agent_def *def = runner->config.agents[a];

        err = check_def(&runner->config, a);
        for (size_t h = 0; err == RT_OK && h < def->handler_count; h++) {
            err = check_handler(runner, def, h);
        }
    }
    return err;
}

static br_on_event
find_handler(const br_agent_def *def, const rt_event_type *type)
{
    for (size_t i = 0; i < def->handler_count; i++) {
        if (rt_str_is(type->name, def->handlers[i].event)) {
            return def->handlers[i].on_event;
        }
    }
    return NULL;
}

static void
build_dispatch(br_runner *runner)
{
    const br_runner_config *config = &runner->config;
    uint16_t types = rt_catalog_count(config->catalog);
    size_t total = 0;

    for (size_t a = 0; a < config->agent_count; a++) {
        total += config->agents[a]->handler_count;
        runner->decision_hearers += config->agents[a]->on_decision != NULL ? 1 : 0;
    }
    RT_ASSERT(total <= UINT16_MAX);
    runner->hearings = rt_new_array(br__hearing, types > 0 ? types : 1);
    runner->hearers = rt_new_array(br__hearer, total > 0 ? total : 1);
    for (uint16_t t = 0; t < types; t++) {
        br__hearing *heard = &runner->hearings[t];

        heard->first = (uint16_t)runner->hearer_count;
        for (size_t a = 0; a < config->agent_count; a++) {
            br_on_event on_event =
                find_handler(config->agents[a], rt_catalog_at(config->catalog, t));

            if (on_event != NULL) {
                runner->hearers[runner->hearer_count++] = (br__hearer){(uint8_t)a, on_event};
                heard->count++;
            }
        }
    }
}

static rt_err
bind_timer(br_runner *runner)
{
    runner->timer_type = rt_catalog_find(runner->config.catalog, RT_STR(TIMER_EVENT));
    if (runner->timer_type == NULL) {
        return RT_OK;
    }
    runner->timer_owner_slot = rt_event_type_slot(runner->timer_type, RT_STR("owner"));
    if (runner->timer_owner_slot < 0) {
        return rt_fail(RT_ECONFIG, "event type " TIMER_EVENT " has no field owner");
    }
    return RT_OK;
}

static msg_agent_info
describe(br_runner *runner, const br_agent_def *def)
{
    rt_str *hears = rt_arena_array(runner->lasting, rt_str, def->handler_count);

    RT_MUST_HAVE(hears != NULL);
    for (size_t i = 0; i < def->handler_count; i++) {
        hears[i] = rt_str_of(def->handlers[i].event);
    }
    return (msg_agent_info){
        .name = rt_str_of(def->name),
        .doc = rt_str_of(def->doc != NULL ? def->doc : ""),
        .hears = {hears, (uint32_t)def->handler_count},
        .decisions = def->on_decision != NULL,
    };
}

static rt_err
add_agent(br_runner *runner, size_t index)
{
    const br_agent_def *def = runner->config.agents[index];
    br_agent *agent = &runner->agents[index];
    rt_err err = RT_OK;

    runner->agent_count = index + 1; // from here on br_runner_free sees to it
    *agent = (br_agent){
        .magic = BR__AGENT_MAGIC,
        .runner = runner,
        .def = def,
        .name = rt_str_of(def->name),
        .name_hash = rt_hash64(rt_bytes_of_str(rt_str_of(def->name)), 0),
        .state = rt_alloc(def->state_size),
        .playset = br__playset_ref(runner->newest),
        .crash_line = rt_arena_printf(runner->lasting, "agent %s", def->name).ptr,
    };
    agent->mailbox = rt_mailbox_new((rt_mailbox_config){
        .count_max = BR_MAILBOX_COUNT_MAX,
        .bytes_max = BR_MAILBOX_BYTES_MAX,
        .overflow = RT_OVERFLOW_DROP_OLDEST,
        .on_drop = br__on_overflow,
        .user = agent,
    });
    rt_supervisor_init(&agent->supervisor, RT_SUPERVISION_DEFAULT);
    br__runner_load_position(runner, agent);
    runner->infos[index] = describe(runner, def);
    err = br__agent_params(agent, runner->config.overrides, runner->lasting, runner->config.diag);
    return err == RT_OK ? br__agent_start(agent) : err;
}

// A name that is nearly one of ours is a slip; another one may be an agent of another host.
static void
warn_of_unknown_agents(br_runner *runner)
{
    rt_str names[BR_RUNNER_AGENTS_MAX];
    const br_runner_config *config = &runner->config;
    const rt_node *node = config->overrides != NULL ? config->overrides->child : NULL;
    char help[160];

    for (size_t i = 0; i < config->agent_count; i++) {
        names[i] = rt_str_of(config->agents[i]->name);
    }
    for (; node != NULL; node = node->next) {
        bool is_known = false;
        const char *hint =
            rt_diag_did_you_mean(node->key, names, config->agent_count, help, sizeof(help));

        for (size_t i = 0; i < config->agent_count; i++) {
            is_known = is_known || rt_str_equal(node->key, names[i]);
        }
        if (!is_known && hint != NULL) {
            rt_diag_add(config->diag, RT_SEVERITY_WARNING, CODE_UNKNOWN_AGENT, node->key_mark,
                        hint, "no agent is named '%.*s'", RT_STR_ARG(node->key));
        }
    }
}

rt_err
br__runner_start(br_runner *runner)
{
    rt_err err = check_defs(runner);

    if (err == RT_OK) {
        err = bind_timer(runner);
    }
    if (err == RT_OK) {
        err = rt_store_table(runner->config.store, BR__TABLE_RUNNER, "runner", &runner->table);
    }
    if (err == RT_OK) {
        err = br__runner_load_playset(runner);
    }
    if (err != RT_OK) {
        return err;
    }
    warn_of_unknown_agents(runner);
    build_dispatch(runner);
    for (size_t i = 0; err == RT_OK && i < runner->config.agent_count; i++) {
        err = add_agent(runner, i);
    }
    return err;
}
