#include <math.h>

#include "agents/registry.h"
#include "runtime/base/check.h"
#include "tests/sim/internal.h"

// Design notes.
// Two kinds of lives. A paced one is a day by the wall clock: each event leaves its shop when it
// happens, and the world sleeps between them, so that timers, quiet hours, windows and throttles
// meet the time they are made for. A rushed one sends a day as fast as it is answered, by either
// clock: load, backlog, whole batches in the air when it is struck.

#define ORDERS_PACED 26
#define ORDERS 30
#define ORDERS_LONG 125     // enough to fill some segments
#define ORDERS_RECYCLED 350 // enough to fill a small journal several times
#define WEBHOOK_ATTEMPTS 3
#define MINUTE_MS ((int64_t)60 * 1000)

const br_tenant_config world_tenants[TENANTS] = {
    {.number = 1, .name = "alpha", .utc_offset_ms = -5 * 60 * MINUTE_MS},
    {.number = 2, .name = "beta", .utc_offset_ms = 0},
    {.number = 3, .name = "gamma", .utc_offset_ms = 9 * 60 * MINUTE_MS},
    {.number = 4, .name = "delta", .utc_offset_ms = -3 * 60 * MINUTE_MS - 30 * MINUTE_MS},
};

static const br_webhook webhook = {.name = "shop",
                                   .url = "https://shop.example/hook",
                                   .key = {(const uint8_t *)"key", 3},
                                   .timeout_ms = 3000,
                                   .attempts = WEBHOOK_ATTEMPTS};

static const struct {
    const char *name;
    const char *url;
    const char *dir;
} host_places[HOSTS_MAX] = {
    {"inside", "inproc://agents-inside", "/data/agents/inside"},
    {"outside", "tcp://127.0.0.1:7704", "/data/agents/outside"},
};

int64_t
world_between(world *w, int64_t low, int64_t high)
{
    return low + (int64_t)rt_rng_below(&w->rng, (uint64_t)(high - low + 1));
}

// Short and long ones alike: as many below a second as above.
static int64_t
draw_wide(world *w, int64_t low, int64_t high)
{
    int64_t top = low;

    while (top < high && rt_rng_chance(&w->rng, 0.85)) {
        top = RT_MIN(top * 2, high);
    }
    return world_between(w, low, top);
}

int64_t
world_span(world *w)
{
    return w->draw.paced ? draw_wide(w, 8, w->draw.span_max_ms)
                         : world_between(w, 1, w->draw.span_max_ms);
}

static void
draw_life(world *w)
{
    bool is_long = rt_rng_chance(&w->rng, 0.1);
    world_draw *d = &w->draw;

    d->paced = rt_rng_chance(&w->rng, 0.65);
    d->small_journal = !d->paced && rt_rng_chance(&w->rng, 0.12);
    d->peaceful = rt_rng_chance(&w->rng, 0.15);
    d->rots = !d->peaceful && rt_rng_chance(&w->rng, 0.2);
    d->ids_marked = rt_rng_chance(&w->rng, 0.5);
    d->poison_every =
        d->peaceful || rt_rng_chance(&w->rng, 0.72) ? 0 : (uint64_t)world_between(w, 5, 80);
    d->has_pull = rt_rng_chance(&w->rng, 0.5);
    d->hostile = rt_rng_chance(&w->rng, 0.5) ? 0.3 * rt_rng_f64(&w->rng) : 0;
    d->orders = d->paced           ? ORDERS_PACED
                : d->small_journal ? ORDERS_RECYCLED
                : is_long          ? ORDERS_LONG
                                   : ORDERS;
    d->span_max_ms = d->paced ? 30 * MINUTE_MS : 9000;
    d->gap_max = (uint64_t)world_between(w, 300, 6000);
}

// Nobody who is there looks after customers that leave: such requests are never granted.
static const br_role roles[] = {
    {.name = "supervisor", .uids = {0}, .uid_count = 1},
    {.name = "operaciones", .uids = {0}, .uid_count = 1},
    {.name = "comercial", .uids = {4712}, .uid_count = 1},
};

static void
configure_brain(world *w)
{
    static const int64_t deadlines_ms[] = {60, 300, 1000};
    const world_draw *d = &w->draw;

    w->config = (br_brain_config){
        .pack = w->pack,
        .data_dir = DATA_DIR,
        .segment_bytes = 1024 * 1024,
        .journal_max_bytes = (d->small_journal ? 4ull : 1024ull) * 1024 * 1024,
        .sync = true,
        .store_map_bytes = 256ull * 1024 * 1024,
        .cut_every_ms = d->paced ? draw_wide(w, 20, 10 * MINUTE_MS) : world_between(w, 10, 400),
        .state = {.pack = w->pack,
                  .gate = {.actions_per_minute = rt_rng_chance(&w->rng, 0.2) ? 5 : 10000,
                           .quiet_from_min = 21 * 60,
                           .quiet_until_min = 7 * 60,
                           .utc_offset_ms = w->zones,
                           .tenant_count = RT_TENANT_MAX},
                  .subjects_max = 100000,
                  .memories_max = 100000,
                  .dedup_events = 65536,
                  .dedup_window_ms = (int64_t)90 * 86400 * 1000},
        .tenants = world_tenants,
        .tenant_count = TENANTS,
        .roles = roles,
        .role_count = RT_COUNT(roles),
        .clock_from_events = !d->paced && rt_rng_chance(&w->rng, 0.6),
        .future_max_ms = (int64_t)60 * 86400 * 1000,
        .age_max_ms = (int64_t)90 * 86400 * 1000,
        .clock_lag_max_ms = MINUTE_MS,
        .deadline_ms = deadlines_ms[rt_rng_below(&w->rng, RT_COUNT(deadlines_ms))],
        .ingest_url = INGEST_URL,
        .pull_url = d->has_pull ? PULL_URL : NULL,
        .publish_url = PUBLISH_URL,
        .control_path = CONTROL_PATH,
        .limits = {.message_bytes_max = 1024 * 1024, .connections_max = 16, .inflight_max = 16},
        .hosts = w->entries,
        .host_count = w->host_count,
        .webhooks = &webhook,
        .webhook_count = 1,
        .http = {.inflight_max = 4},
        .halt_file = HALT_FILE,
        .playbook_dir = PLAYBOOK_DIR,
        .build = "sim",
        .idle_tick_ms = d->paced ? draw_wide(w, 2000, 5 * MINUTE_MS)
                        : rt_rng_chance(&w->rng, 0.5) ? 0
                                                      : 200,
        .sample_every_ms = d->paced ? world_between(w, 30, 120) * MINUTE_MS : 0};
}

static void
choose_agents(world *w)
{
    for (size_t i = 0; i < agents_registry_count; i++) {
        w->agents[w->agent_count++] = agents_registry[i];
    }
    if (w->draw.poison_every > 0) {
        w->agents[w->agent_count++] = &brittle_def;
    }
    brittle_begin(w->draw.poison_every);
}

// Agents are given to hosts by lot; each host has one at least.
static void
configure_hosts(world *w)
{
    w->host_count = rt_rng_chance(&w->rng, 0.25) ? 2 : 1;
    for (size_t i = 0; i < w->host_count; i++) {
        w->entries[i] = (br_host_entry){.name = host_places[i].name, .url = host_places[i].url};
    }
    for (size_t i = 0; i < w->agent_count; i++) {
        size_t to = i < w->host_count ? i : (size_t)rt_rng_below(&w->rng, w->host_count);
        br_host_entry *entry = &w->entries[to];

        w->hosts[to].agents[entry->agent_count] = w->agents[i];
        entry->agents[entry->agent_count++] = w->agents[i]->name;
    }
    w->replay = (br_runner_config){.agents = w->agents,
                                   .agent_count = w->agent_count,
                                   .catalog = br_pack_catalog(w->pack),
                                   .utc_offset_ms = w->zones,
                                   .tenant_count = RT_TENANT_MAX};
    for (size_t i = 0; i < w->host_count; i++) {
        world_host *h = &w->hosts[i];

        h->config = (br_host_config){
            .name = host_places[i].name,
            .url = host_places[i].url,
            .runner = w->replay,
            .dir = host_places[i].dir,
            .map_bytes = 256ull * 1024 * 1024,
            .cut_every_ms = w->draw.paced ? draw_wide(w, 20, 10 * MINUTE_MS)
                                          : world_between(w, 5, 400),
            .health_every_ms = w->draw.paced ? MINUTE_MS : 0};
        h->is_outside = i > 0;
        h->config.runner.agents = h->agents;
        h->config.runner.agent_count = w->entries[i].agent_count;
    }
}

static void
draw_weather(world *w)
{
    sim_net_faults faults = {.delay_min_us = 20, .delay_max_us = 500};

    if (!w->draw.peaceful) {
        faults.cut = rt_rng_chance(&w->rng, 0.3) ? 0.002 : 0;
        faults.late = rt_rng_chance(&w->rng, 0.3) ? 0.05 : 0;
        faults.delay_max_us = rt_rng_chance(&w->rng, 0.3) ? 40000 : 500;
        w->strikes = (uint32_t)world_between(w, 1, rt_rng_chance(&w->rng, 0.15) ? 20 : 6);
    }
    sim_net_set_faults(faults);
    w->next_strike = (uint64_t)world_between(w, 1, (int64_t)w->draw.gap_max);
    w->next_ask = (uint64_t)world_between(w, 1, 1000);
    world_say(w, "%s, %s clock, %zu hosts, deadline %lld ms, delay up to %lld us, %u strikes",
              w->draw.paced ? "a day at its pace" : "in a rush",
              w->config.clock_from_events ? "events'" : "wall", w->host_count,
              (long long)w->config.deadline_ms, (long long)faults.delay_max_us, w->strikes);
}

void
world_configure(world *w)
{
    for (size_t i = 0; i < TENANTS; i++) {
        w->zones[world_tenants[i].number] = world_tenants[i].utc_offset_ms;
    }
    draw_life(w);
    choose_agents(w);
    configure_hosts(w);
    configure_brain(w);
    draw_weather(w);
}
