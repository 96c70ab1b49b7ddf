#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>

#include "agents/registry.h"
#include "brain/core/replay.h"
#include "runtime/base/alloc.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim_internal.h"
#include "runtime/wire/json.h"
#include "tests/sim/files.h"
#include "tests/sim/internal.h"

// Design notes.
// The world is driven step by step. After a number of steps drawn from the seed it is struck: power
// cut, kill, a host killed, a link cut or blocked, a full disk, a cut of the state that fails, a
// halt, a new playbook set, a step of the wall clock. When both producers are done the weather
// turns fair, what was broken is mended, and the brain has to come to rest by itself within a
// bounded virtual time. Then the journal is audited, replayed from its beginning into a fresh
// state, and the brain is killed once more: what it recovers must be the same state again.

#define INGEST_URL "tcp://127.0.0.1:7701"
#define PUBLISH_URL "tcp://127.0.0.1:7703"
#define DATA_DIR "/data"
#define HOST_DIR "/data/agents/inside"
#define PLAYBOOK_DIR "/playbooks"

#define ORDERS 60
#define ORDERS_LONG 250     // enough to fill some segments
#define ORDERS_RECYCLED 700 // enough to fill a small journal several times
#define WEBHOOK_ATTEMPTS 3
#define LIFE_MAX_MS (30 * 60 * 1000)
#define REST_MAX_MS (3 * 60 * 1000)
#define MONITOR_MS 5
#define STRIKES_MAX 8
#define DECISION_BYTES_MAX (16u * 1024 * 1024)
#define STALLED_STEPS_MAX 300
#define STREAM_WORLD_TEST 200
#define WALL_AFTER_EVENTS_MS ((int64_t)6 * 86400 * 1000)

static const br_tenant_config tenants[PRODUCERS] = {
    {.number = 1, .name = "alpha", .utc_offset_ms = (int64_t)-5 * 3600 * 1000},
    {.number = 2, .name = "beta", .utc_offset_ms = 0},
};

static const br_webhook webhook = {.name = "shop",
                                   .url = "https://shop.example/hook",
                                   .key = {(const uint8_t *)"key", 3},
                                   .timeout_ms = 3000,
                                   .attempts = WEBHOOK_ATTEMPTS};

void
world_say(world *w, const char *fmt, ...)
{
    va_list args;

    if (w->told) {
        va_start(args, fmt);
        (void)printf("%8lld ms  ", (long long)sim_now_ms());
        (void)vprintf(fmt, args);
        (void)printf("\n");
        va_end(args);
    }
}

void
world_violated(world *w, const char *fmt, ...)
{
    va_list args;

    if (w->result->held) {
        w->result->held = false;
        va_start(args, fmt);
        (void)vsnprintf(w->result->text, WORLD_TEXT_MAX, fmt, args);
        va_end(args);
    }
}

int64_t
world_between(world *w, int64_t low, int64_t high)
{
    return low + (int64_t)rt_rng_below(&w->rng, (uint64_t)(high - low + 1));
}

// --- driving ----------------------------------------------------------------------------------

static bool
is_done(const world *w)
{
    bool done = true;

    for (int i = 0; i < PRODUCERS; i++) {
        done = done && producer_done(w->producers[i]);
    }
    return done;
}

// A brain that gave up does so for an error it cannot go on from; only what was struck may be one.
static void
bury(world *w)
{
    rt_err err = br_brain_failed(w->brain);

    world_say(w, "the brain gave up: %s", rt_err_name(err));
    if (err != RT_ECRASH && err != RT_EIO) {
        world_violated(w, "the brain gave up: %s", rt_err_name(err));
    }
    world_die(w, true);
    world_start(w);
}

static void
step(world *w)
{
    if (!sim__step()) {
        world_violated(w, "the world stands still");
        return;
    }
    if (w->brain != NULL && br_brain_failed(w->brain) != RT_OK) {
        bury(w);
    }
    if (w->brain != NULL && w->brain->commit_stalled && w->countdown > STALLED_STEPS_MAX) {
        w->countdown = (uint64_t)world_between(w, 1, STALLED_STEPS_MAX); // hit it when it is down
    }
    if (w->strikes > 0 && --w->countdown == 0) {
        world_strike(w);
    }
}

static void
live(world *w)
{
    while (w->result->held && !is_done(w)) {
        step(w);
        if (sim_now_ms() > LIFE_MAX_MS) {
            world_violated(w, "the producers were not answered within half an hour");
        }
    }
}

static bool
at_rest(const world *w)
{
    const br_brain *brain = w->brain;

    return br_brain_ready(brain) && br_pending_count(brain->pending) == 0 &&
           br_outbox_count(brain->state->outbox) == 0 && brain->execute_count == 0 &&
           rt_journal_pending(brain->journal) == 0 && !br__intake_waiting(brain) &&
           brain->next_playbooks == NULL && br__hosts_caught_up(brain) && w->host != NULL &&
           !br_gate_halted(brain->state->gate) && brain->hosts[0].batch_count == 0 &&
           brain->hosts[0].answered >= brain->hosts[0].awaiting;
}

static void
come_to_rest(world *w)
{
    int64_t until_ms = sim_now_ms() + REST_MAX_MS;

    while (w->result->held && !at_rest(w)) {
        step(w);
        if (sim_now_ms() > until_ms) {
            world_violated(w,
                     "no rest: ready=%d undecided=%zu outbox=%zu queued=%u records=%llu waiting=%d "
                     "hosts=%d halted=%d",
                     br_brain_ready(w->brain), br_pending_count(w->brain->pending),
                     br_outbox_count(w->brain->state->outbox), w->brain->execute_count,
                     (unsigned long long)rt_journal_pending(w->brain->journal),
                     br__intake_waiting(w->brain), br__hosts_caught_up(w->brain),
                     br_gate_halted(w->brain->state->gate));
        }
    }
}

static void
calm_down(world *w)
{
    world_say(w, "calm");
    w->calm = true;
    w->strikes = 0;
    sim_net_set_faults((sim_net_faults){.delay_min_us = 20, .delay_max_us = 500});
    world_mend_disk();
    world_mend(w);
    for (int i = 0; i < PRODUCERS; i++) {
        producer_calm(w->producers[i]);
    }
}

// --- checking ---------------------------------------------------------------------------------

static void
say_decision(world *w, const char *label, rt_bytes payload)
{
    msg_decision decision;
    rt_arena *arena = rt_arena_new(DECISION_BYTES_MAX);
    rt_mp mp = rt_mp_init(payload);
    rt_mpw map;
    rt_text text;

    rt_mpw_init(&map, DECISION_BYTES_MAX);
    rt_text_init(&text, DECISION_BYTES_MAX);
    if (rt_msg_decode(&msg_decision_def, &mp, arena, &decision) == RT_OK) {
        rt_msg_to_map(&msg_decision_def, &decision, &map);
        if (rt_json_from_mp(rt_mpw_view(&map), &text) == RT_OK) {
            world_say(w, "  %s %.*s", label, RT_STR_ARG(rt_text_view(&text)));
        }
    }
    rt_text_fini(&text);
    rt_mpw_fini(&map);
    rt_arena_free(arena);
}

static void
on_difference(void *user, uint64_t event_seq, rt_bytes recorded, rt_bytes again)
{
    world *w = user;

    world_say(w, "event %llu is decided otherwise", (unsigned long long)event_seq);
    say_decision(w, "recorded", recorded);
    say_decision(w, "again   ", again);
}

static void
check_replay(world *w, const char *when)
{
    br_replay_config config = {.journal_dir = DATA_DIR "/journal",
                               .state = w->config.state,
                               .runner = w->host_config.runner};
    br_replay_result again;
    rt_diag *diag = rt_diag_new();
    uint64_t state = br_state_hash(br_brain_state(w->brain));
    uint64_t agents = br_host_hash(w->host);
    rt_err err = br_replay(&config, diag, on_difference, w, &again);

    rt_diag_free(diag);
    w->result->state_hash = state;
    if (err == RT_ESTALE && w->small_journal) {
        w->result->recycled = true;
        return; // no beginning, no replay
    }
    if (err != RT_OK) {
        world_violated(w, "%s: the journal cannot be replayed: %s: %s", when, rt_err_name(err),
                 rt_err_detail());
        return;
    }
    if (again.state_hash != state) {
        world_violated(w, "%s: the state is not the fold of its journal", when);
    }
    if (again.agents_hash != agents) {
        world_violated(w, "%s: the agents' state is not the fold of the journal", when);
    }
    if (again.differences > 0) {
        world_violated(w, "%s: %llu decisions come out otherwise, the first on event %llu", when,
                 (unsigned long long)again.differences,
                 (unsigned long long)again.first_difference_seq);
    }
    if (again.contexts > 0) {
        world_violated(w, "%s: %llu events were known otherwise", when,
                 (unsigned long long)again.contexts);
    }
}

static void
check_journal(world *w)
{
    const rt_map *acked[PRODUCERS];
    audit_witness witness = {.acked = acked,
                             .acked_count = PRODUCERS,
                             .published = w->published,
                             .posted = w->posted,
                             .recycled = w->small_journal};
    char text[AUDIT_TEXT_MAX];

    for (int i = 0; i < PRODUCERS; i++) {
        acked[i] = producer_acked(w->producers[i]);
        w->result->resent += producer_resent(w->producers[i]);
    }
    if (!audit_journal(DATA_DIR "/journal", w->pack, &witness, &w->result->audit, text)) {
        world_violated(w, "%s", text);
    }
}

// --- the whole --------------------------------------------------------------------------------

static void
on_wrong(void *user, const char *what)
{
    world_violated(user, "%s", what);
}

static void
configure(world *w)
{
    static const int64_t deadlines_ms[] = {60, 300, 1000};

    w->small_journal = rt_rng_chance(&w->rng, 0.05);
    w->zones[1] = tenants[0].utc_offset_ms;
    w->host_entry = (br_host_entry){.name = "inside", .url = LINK_URL};
    for (size_t i = 0; i < agents_registry_count; i++) {
        w->host_entry.agents[w->host_entry.agent_count++] = agents_registry[i]->name;
    }
    w->config = (br_brain_config){
        .pack = w->pack,
        .data_dir = DATA_DIR,
        .segment_bytes = 1024 * 1024,
        .journal_max_bytes = (w->small_journal ? 4ull : 1024ull) * 1024 * 1024,
        .sync = true,
        .store_map_bytes = 256ull * 1024 * 1024,
        .cut_every_ms = world_between(w, 10, 400),
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
        .tenants = tenants,
        .tenant_count = PRODUCERS,
        .clock_from_events = rt_rng_chance(&w->rng, 0.6),
        .future_max_ms = (int64_t)60 * 86400 * 1000,
        .age_max_ms = (int64_t)90 * 86400 * 1000,
        .clock_lag_max_ms = 60 * 1000,
        .deadline_ms = deadlines_ms[rt_rng_below(&w->rng, RT_COUNT(deadlines_ms))],
        .ingest_url = INGEST_URL,
        .publish_url = PUBLISH_URL,
        .control_path = CONTROL_PATH,
        .limits = {.message_bytes_max = 1024 * 1024, .connections_max = 16, .inflight_max = 16},
        .hosts = &w->host_entry,
        .host_count = 1,
        .webhooks = &webhook,
        .webhook_count = 1,
        .http = {.inflight_max = 4},
        .halt_file = HALT_FILE,
        .playbook_dir = PLAYBOOK_DIR,
        .build = "sim"};
    w->host_config = (br_host_config){
        .name = "inside",
        .url = LINK_URL,
        .runner = {.agents = agents_registry,
                   .agent_count = agents_registry_count,
                   .catalog = br_pack_catalog(w->pack),
                   .utc_offset_ms = w->zones,
                   .tenant_count = RT_TENANT_MAX},
        .dir = HOST_DIR,
        .map_bytes = 256ull * 1024 * 1024,
        .cut_every_ms = world_between(w, 10, 400)};
}

static void
draw_weather(world *w)
{
    bool calm = rt_rng_chance(&w->rng, 0.2);
    sim_net_faults faults = {.cut = rt_rng_chance(&w->rng, 0.3) ? 0.002 : 0,
                             .delay_min_us = 20,
                             .delay_max_us = rt_rng_chance(&w->rng, 0.3) ? 40000 : 500};

    if (calm) {
        faults = (sim_net_faults){.delay_min_us = 20, .delay_max_us = 500};
    }
    sim_net_set_faults(faults);
    w->strikes = calm ? 0 : (uint32_t)world_between(w, 1, STRIKES_MAX);
    w->countdown = (uint64_t)world_between(w, 1, 3000);
    world_say(w, "%s clock, deadline %lld ms, delay up to %lld us, %u strikes",
        w->config.clock_from_events ? "events'" : "wall", (long long)w->config.deadline_ms,
        (long long)faults.delay_max_us, w->strikes);
}

static uint64_t
orders(world *w)
{
    bool is_long = rt_rng_chance(&w->rng, 0.1);

    return w->small_journal ? ORDERS_RECYCLED : is_long ? ORDERS_LONG : ORDERS;
}

static void
start_producers(world *w)
{
    double rough = rt_rng_chance(&w->rng, 0.5) ? 0.05 : 0;

    for (int i = 0; i < PRODUCERS; i++) {
        producer_config config = {.url = INGEST_URL,
                                  .tenant = tenants[i].name,
                                  .tenant_number = tenants[i].number,
                                  .seed = w->seed,
                                  .orders = orders(w),
                                  .pause_max_ms = rt_rng_chance(&w->rng, 0.5) ? 1 : 40,
                                  .faults = {rough, rough, rough, rough},
                                  .on_wrong = on_wrong,
                                  .user = w};

        w->producers[i] = producer_new(w->client_loop, &config);
    }
}

static void
open_world(world *w)
{
    sim_reset(w->seed);
    sim_disk_reset();
    world_mend_disk();
    rt_rng_seed(&w->rng, w->seed, STREAM_WORLD_TEST);
    files_write();
    configure(w);
    // with the wall clock all events lie some days back, where no bound refuses them
    sim_set_wall_ms(gen_defaults().last_day * 86400000 + WALL_AFTER_EVENTS_MS);
    draw_weather(w);
    w->published = rt_map_new();
    w->posted = rt_map_new();
    sim_http_handler(world_on_post, w);
    w->client_loop = rt_loop_new();
    w->monitor = rt_timer_new(w->client_loop, world_on_monitor, w);
    rt_timer_start(w->monitor, MONITOR_MS, MONITOR_MS);
    sim_sub(PUBLISH_URL, world_on_publication, w);
    world_start(w);
    start_producers(w);
}

static void
close_world(world *w)
{
    for (int i = 0; i < PRODUCERS; i++) {
        producer_free(w->producers[i]);
    }
    world_end_host(w);
    world_end_brain(w);
    rt_timer_free(w->monitor);
    rt_map_free(w->published);
    rt_map_free(w->posted);
    rt_loop_free(w->client_loop);
}

// Nothing was under way: what is recovered is what was there, but for the record of the start.
static void
crash_at_rest(world *w)
{
    uint64_t before = br_state_hash(br_brain_state(w->brain));
    uint64_t seq = br_brain_state(w->brain)->applied_seq;

    world_die(w, rt_rng_chance(&w->rng, 0.5));
    world_start(w);
    come_to_rest(w);
    if (w->result->held && w->config.clock_from_events &&
        br_brain_state(w->brain)->applied_seq == seq + 1 &&
        br_state_hash(br_brain_state(w->brain)) != before) {
        world_violated(w, "a restart at rest changed the state");
    }
}

void
world_run(uint64_t seed, const br_pack *pack, bool told, world_result *ret_result)
{
    world *w = rt_new(world);

    memset(ret_result, 0, sizeof(*ret_result));
    ret_result->held = true;
    *w = (world){.seed = seed, .told = told, .pack = pack, .result = ret_result};
    open_world(w);
    live(w);
    if (ret_result->held) {
        calm_down(w);
        come_to_rest(w);
    }
    if (ret_result->held) {
        check_replay(w, "at rest");
    }
    if (ret_result->held) {
        crash_at_rest(w);
    }
    if (ret_result->held) {
        check_replay(w, "after a last crash");
        check_journal(w);
    }
    ret_result->trace_hash = sim_trace_hash();
    ret_result->virtual_ms = sim_now_ms();
    close_world(w);
    rt_free(w);
}
