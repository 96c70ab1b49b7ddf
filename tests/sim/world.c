#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>

#include "agents/registry.h"
#include "brain/agent/host.h"
#include "brain/core/internal.h"
#include "brain/core/replay.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/log.h"
#include "runtime/seam/file.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim_internal.h"
#include "tests/sim/files.h"
#include "tests/sim/producer.h"

// Design notes.
// The world is driven step by step. After a number of steps drawn from the seed it is struck: power
// cut, kill, a host killed, a link cut or blocked, a full disk, a cut of the state that fails, a
// halt, a new playbook set, a step of the wall clock. When both producers are done the weather
// turns fair, what was broken is mended, and the brain has to come to rest by itself within a
// bounded virtual time. Then the journal is audited, replayed from its beginning into a fresh
// state, and the brain is killed once more: what it recovers must be the same state again.

#define INGEST_URL "tcp://127.0.0.1:7701"
#define PUBLISH_URL "tcp://127.0.0.1:7703"
#define LINK_URL "inproc://agents-inside"
#define CONTROL_PATH "/run/ctl.sock"
#define HALT_FILE "/run/HALT"
#define DATA_DIR "/data"
#define HOST_DIR "/data/agents/inside"
#define PLAYBOOK_DIR "/playbooks"

#define PRODUCERS 2
#define ORDERS 60
#define ORDERS_RECYCLED 700 // enough to fill a small journal several times
#define WEBHOOK_ATTEMPTS 3
#define LIFE_MAX_MS (30 * 60 * 1000)
#define REST_MAX_MS (3 * 60 * 1000)
#define MONITOR_MS 5
#define HALT_GRACE_MS 400 // publications under way when it was halted may still arrive
#define STRIKES_MAX 8
#define STREAM_WORLD_TEST 200
#define WALL_AFTER_EVENTS_MS ((int64_t)6 * 86400 * 1000)

typedef struct world {
    uint64_t seed;
    rt_rng rng;
    bool told;
    const br_pack *pack;
    br_brain_config config;
    br_host_config host_config;
    br_host_entry host_entry;
    int64_t zones[RT_TENANT_MAX];
    rt_loop *client_loop;
    rt_timer *monitor;
    rt_loop *brain_loop;
    br_brain *brain;
    rt_loop *host_loop;
    br_host *host;
    int64_t host_back_ms; // when a killed host starts again
    producer *producers[PRODUCERS];
    rt_map *published; // seq -> hash of a published decision
    rt_map *posted;    // action id of a webhook -> the life of the brain that sent it
    uint64_t life;     // counts starts
    bool small_journal;
    int64_t halted_since_ms; // -1 when not
    int64_t mend_ms;         // when block, full disk and halt end
    bool resuming;
    bool calm;
    uint64_t countdown; // steps to the next strike
    uint32_t strikes;
    world_result *result;
} world;

static const br_tenant_config tenants[PRODUCERS] = {
    {.number = 1, .name = "alpha", .utc_offset_ms = (int64_t)-5 * 3600 * 1000},
    {.number = 2, .name = "beta", .utc_offset_ms = 0},
};

static const br_webhook webhook = {.name = "shop",
                                   .url = "https://shop.example/hook",
                                   .key = {(const uint8_t *)"key", 3},
                                   .timeout_ms = 3000,
                                   .attempts = WEBHOOK_ATTEMPTS};

static void say(world *w, const char *fmt, ...) RT_PRINTF(2, 3);
static void violated(world *w, const char *fmt, ...) RT_PRINTF(2, 3);

static void
say(world *w, const char *fmt, ...)
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

static void
violated(world *w, const char *fmt, ...)
{
    va_list args;

    if (w->result->held) {
        w->result->held = false;
        va_start(args, fmt);
        (void)vsnprintf(w->result->text, WORLD_TEXT_MAX, fmt, args);
        va_end(args);
    }
}

static int64_t
between(world *w, int64_t low, int64_t high)
{
    return low + (int64_t)rt_rng_below(&w->rng, (uint64_t)(high - low + 1));
}

// --- starting and dying ---------------------------------------------------------------------

static void
start_host(world *w)
{
    rt_err err = RT_OK;

    w->host_loop = rt_loop_new();
    err = br_host_new(w->host_loop, &w->host_config, &w->host);
    if (err != RT_OK) {
        violated(w, "the host does not start: %s: %s", rt_err_name(err), rt_err_detail());
    }
    w->host_back_ms = 0;
}

static void
end_host(world *w)
{
    br_host_free(w->host);
    w->host = NULL;
    if (w->host_loop != NULL) {
        rt_loop_free(w->host_loop);
        w->host_loop = NULL;
    }
}

static void
end_brain(world *w)
{
    br_brain_free(w->brain);
    w->brain = NULL;
    if (w->brain_loop != NULL) {
        rt_loop_free(w->brain_loop);
        w->brain_loop = NULL;
    }
}

static void
forget_disk_faults(void)
{
    for (int op = 0; op < SIM_DISK_OPS; op++) {
        sim_disk_fail_next((sim_disk_op)op, 0, RT_OK);
    }
    sim_disk_set_capacity(UINT64_MAX);
}

static void
start(world *w)
{
    for (int attempt = 0; attempt < 4 && w->brain == NULL && w->result->held; attempt++) {
        rt_diag *diag = rt_diag_new();
        rt_err err = RT_OK;

        w->brain_loop = rt_loop_new();
        err = br_brain_new(w->brain_loop, &w->config, diag, &w->brain);
        rt_diag_free(diag);
        if (err == RT_OK) {
            continue;
        }
        say(w, "start failed: %s: %s", rt_err_name(err), rt_err_detail());
        end_brain(w);
        forget_disk_faults();
        if (err == RT_ECRASH || err == RT_EIO) {
            sim_disk_crash(&w->rng);
        } else if (err != RT_ENOSPC) {
            violated(w, "the brain does not start: %s: %s", rt_err_name(err), rt_err_detail());
        }
    }
    w->life++;
    if (w->brain == NULL) {
        violated(w, "the brain does not start at all");
    } else {
        start_host(w);
    }
    w->halted_since_ms = -1;
    w->resuming = false;
}

static void
die(world *w, bool power_cut)
{
    if (power_cut) {
        w->result->power_cuts++;
        sim_disk_crash(&w->rng);
        forget_disk_faults();
    } else {
        w->result->kills++;
    }
    end_host(w);
    end_brain(w);
}

// --- what is done to it -----------------------------------------------------------------------

static void
strike_power(world *w)
{
    say(w, "power cut");
    die(w, true);
    start(w);
}

static void
strike_kill(world *w)
{
    say(w, "kill");
    die(w, false);
    start(w);
}

// The power goes in the middle of a write or a sync; noticed when the brain fails.
static void
strike_power_in_call(world *w)
{
    static const sim_disk_op ops[] = {SIM_DISK_WRITE, SIM_DISK_SYNC, SIM_DISK_FILL};
    sim_disk_op op = ops[rt_rng_below(&w->rng, RT_COUNT(ops))];

    say(w, "power cut in the middle of the next disk operation of kind %d", (int)op);
    sim_disk_fail_next(op, (uint64_t)between(w, 1, 3), RT_ECRASH);
}

static void
strike_host(world *w)
{
    if (w->host == NULL) {
        return;
    }
    say(w, "host killed");
    w->result->host_kills++;
    end_host(w);
    w->host_back_ms = sim_now_ms() + between(w, 1, 8000);
}

static void
strike_link(world *w)
{
    say(w, "link cut");
    w->result->link_cuts++;
    sim_net_cut(LINK_URL);
    if (rt_rng_chance(&w->rng, 0.5)) {
        sim_net_block(LINK_URL, true);
        w->mend_ms = sim_now_ms() + between(w, 1, 9000);
    }
}

static void
strike_disk_full(world *w)
{
    say(w, "disk full");
    w->result->disk_full++;
    sim_disk_set_capacity(sim_disk_used_bytes() + (uint64_t)between(w, 0, 4096));
    if (rt_rng_chance(&w->rng, 0.5)) { // also where the space was thought to be there
        sim_disk_fail_next(SIM_DISK_FILL, 1, RT_ENOSPC);
    }
    w->mend_ms = sim_now_ms() + between(w, 1, 3000);
}

static void
strike_cut(world *w)
{
    say(w, "the next cuts of the state fail");
    w->result->failed_cuts++;
    sim_disk_fail_next(SIM_DISK_COMMIT, (uint64_t)between(w, 1, 3), RT_ENOSPC);
}

static void
strike_halt(world *w)
{
    rt_err err = RT_OK;

    say(w, "halt");
    err = rt_dir_make("/run");
    if (err == RT_OK) {
        err = rt_file_replace(HALT_FILE, rt_bytes_of_str(RT_STR("halt\n")));
    }
    if (err == RT_OK) { // else the disk is full just now
        w->mend_ms = sim_now_ms() + between(w, 1, 2000);
    }
}

static void
strike_playbooks(world *w)
{
    bool broken = rt_rng_chance(&w->rng, 0.3);
    rt_diag *diag = rt_diag_new();
    rt_err err = RT_OK;

    if (w->brain == NULL || sim_disk_used_bytes() == 0) {
        rt_diag_free(diag);
        return;
    }
    sim_disk_set_capacity(UINT64_MAX);
    forget_disk_faults();
    files_write_playbook((unsigned)rt_rng_below(&w->rng, 1000), broken);
    err = br_brain_reload_playbooks(w->brain, diag);
    say(w, "playbooks reloaded%s: %s", broken ? ", broken" : "", rt_err_name(err));
    w->result->reloads++;
    if (broken && err == RT_OK) {
        violated(w, "a broken playbook set was accepted");
    }
    if (!broken && err != RT_OK) {
        violated(w, "a good playbook set was refused: %s", rt_err_detail());
    }
    files_write(); // or the next start would stumble over the broken one
    rt_diag_free(diag);
}

static void
strike_wall(world *w)
{
    int64_t step_ms = between(w, -3600 * 1000, 30 * 3600 * 1000);

    say(w, "the wall clock steps by %lld s", (long long)(step_ms / 1000));
    sim_set_wall_ms(sim__wall_ms() + step_ms);
}

static void
strike(world *w)
{
    static void (*const all[])(world *w) = {
        strike_power,     strike_power, strike_kill,  strike_power_in_call, strike_host,
        strike_link,      strike_link,  strike_cut,   strike_disk_full,     strike_halt,
        strike_playbooks, strike_wall,  strike_power_in_call,
    };

    all[rt_rng_below(&w->rng, RT_COUNT(all))](w);
    w->strikes--;
    w->countdown = (uint64_t)between(w, 1, rt_rng_chance(&w->rng, 0.3) ? 60 : 3000);
}

// --- what is seen -----------------------------------------------------------------------------

static void
see_decisions(world *w, rt_bytes body)
{
    msg_publication publication;
    rt_arena *arena = rt_arena_new(16u * 1024 * 1024);
    rt_mp mp = rt_mp_init(body);

    if (rt_msg_decode(&msg_publication_def, &mp, arena, &publication) != RT_OK) {
        violated(w, "a publication cannot be read: %s", rt_err_detail());
    } else {
        const msg_record *items = publication.items.items;

        for (uint32_t i = 0; i < publication.items.count; i++) {
            rt_bytes key = {(const uint8_t *)&items[i].seq, sizeof(items[i].seq)};

            (void)rt_map_put(w->published, key, rt_hash64(items[i].payload, 0)); // or once more
        }
    }
    rt_arena_free(arena);
}

static bool
is_halted(const world *w)
{
    return w->brain != NULL && w->halted_since_ms >= 0 &&
           br_gate_halted(br_brain_state(w->brain)->gate);
}

static void
on_publication(void *user, rt_bytes message)
{
    world *w = user;
    const uint8_t *zero = memchr(message.ptr, 0, message.len);
    rt_str topic = {(const char *)message.ptr, zero != NULL ? (size_t)(zero - message.ptr) : 0};

    if (rt_str_starts(topic, RT_STR("decisions."))) {
        see_decisions(w, (rt_bytes){zero + 1, message.len - topic.len - 1});
    } else if (rt_str_starts(topic, RT_STR("actions.")) && is_halted(w) &&
               sim_now_ms() - w->halted_since_ms > HALT_GRACE_MS) {
        violated(w, "%.*s was published while halted", RT_STR_ARG(topic));
    }
}

static rt_str
webhook_id(const rt_http_request *request)
{
    const rt_str name = RT_STR("webhook-id: ");

    for (uint32_t i = 0; i < request->header_count; i++) {
        rt_str header = rt_str_of(request->headers[i]);

        if (rt_str_starts(header, name)) {
            return (rt_str){header.ptr + name.len, header.len - name.len};
        }
    }
    return RT_STR("");
}

static void
draw_answer(world *w, sim_http_answer *ret_answer)
{
    static const sim_http_answer bad[] = {
        {.status = 500, .retry_after_ms = -1, .delay_ms = 1},
        {.status = 429, .retry_after_ms = 700, .delay_ms = 1},
        {.status = 400, .retry_after_ms = -1, .delay_ms = 1},
        {.status = 200, .retry_after_ms = -1, .delay_ms = 20000},
        {.err = RT_ECLOSED, .retry_after_ms = -1, .delay_ms = 5},
        {.status = 200, .retry_after_ms = -1, .delay_ms = 900},
    };

    if (!w->calm && rt_rng_chance(&w->rng, 0.4)) {
        *ret_answer = bad[rt_rng_below(&w->rng, RT_COUNT(bad))];
    }
}

// The receiver of webhooks. One life of the brain sends one webhook; the next must not do so again.
static void
on_post(void *user, const rt_http_request *request, sim_http_answer *ret_answer)
{
    world *w = user;
    rt_str id = webhook_id(request);
    uint64_t life = w->life;

    w->result->posts++;
    if (id.len == 0) {
        violated(w, "a webhook without an id");
    }
    (void)rt_map_get(w->posted, rt_bytes_of_str(id), &life); // stays when it is new
    if (life != w->life) {
        violated(w, "webhook %.*s was sent again after a restart", RT_STR_ARG(id));
    }
    if (is_halted(w) && sim_now_ms() - w->halted_since_ms > HALT_GRACE_MS) {
        violated(w, "webhook %.*s was sent while halted", RT_STR_ARG(id));
    }
    (void)rt_map_put(w->posted, rt_bytes_of_str(id), life); // or the same again
    draw_answer(w, ret_answer);
}

static void
on_resumed(void *user, rt_err err, rt_bytes body, bool last)
{
    world *w = user;

    (void)err; // asked again until the brain says that it is not halted
    (void)body;
    if (last) {
        w->resuming = false;
    }
}

static void
resume(world *w)
{
    rt_mpw body;

    RT_IGNORE(rt_file_remove(HALT_FILE)); // it may never have been there
    if (w->resuming) {
        return;
    }
    rt_mpw_init(&body, 256);
    rt_mpw_map(&body, 2);
    rt_mpw_cstr(&body, "cmd");
    rt_mpw_cstr(&body, "resume");
    rt_mpw_cstr(&body, "args");
    rt_mpw_map(&body, 0);
    w->resuming = sim_ctl_call(CONTROL_PATH, 0, rt_mpw_view(&body), on_resumed, w) != NULL;
    rt_mpw_fini(&body);
}

static void
mend(world *w)
{
    w->mend_ms = 0;
    say(w, "mended");
    sim_net_block(LINK_URL, false);
    sim_disk_set_capacity(UINT64_MAX);
    RT_IGNORE(rt_file_remove(HALT_FILE)); // it may not be there
}

static void
on_monitor(void *user)
{
    world *w = user;

    if (w->mend_ms != 0 && sim_now_ms() >= w->mend_ms) {
        mend(w);
    }
    if (w->host == NULL && w->host_back_ms != 0 && sim_now_ms() >= w->host_back_ms) {
        say(w, "host back");
        start_host(w);
    }
    if (w->brain == NULL) {
        return;
    }
    bool halted = br_gate_halted(br_brain_state(w->brain)->gate);
    if (!halted) {
        w->halted_since_ms = -1;
    } else if (w->halted_since_ms < 0) {
        w->halted_since_ms = sim_now_ms();
    }
    if (halted && w->mend_ms == 0) {
        resume(w);
    }
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

    say(w, "the brain gave up: %s", rt_err_name(err));
    if (err != RT_ECRASH && err != RT_EIO) {
        violated(w, "the brain gave up: %s", rt_err_name(err));
    }
    die(w, true);
    start(w);
}

static void
step(world *w)
{
    if (!sim__step()) {
        violated(w, "the world stands still");
        return;
    }
    if (w->brain != NULL && br_brain_failed(w->brain) != RT_OK) {
        bury(w);
    }
    if (w->strikes > 0 && --w->countdown == 0) {
        strike(w);
    }
}

static void
live(world *w)
{
    while (w->result->held && !is_done(w)) {
        step(w);
        if (sim_now_ms() > LIFE_MAX_MS) {
            violated(w, "the producers were not answered within half an hour");
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
            violated(w,
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
    say(w, "calm");
    w->calm = true;
    w->strikes = 0;
    sim_net_set_faults((sim_net_faults){.delay_min_us = 20, .delay_max_us = 500});
    forget_disk_faults();
    mend(w);
    for (int i = 0; i < PRODUCERS; i++) {
        producer_calm(w->producers[i]);
    }
}

// --- checking ---------------------------------------------------------------------------------

static void
on_difference(void *user, uint64_t event_seq, rt_bytes recorded, rt_bytes again)
{
    world *w = user;

    say(w, "event %llu is decided otherwise: %zu and %zu bytes", (unsigned long long)event_seq,
        recorded.len, again.len);
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
        violated(w, "%s: the journal cannot be replayed: %s: %s", when, rt_err_name(err),
                 rt_err_detail());
        return;
    }
    if (again.state_hash != state) {
        violated(w, "%s: the state is not the fold of its journal", when);
    }
    if (again.agents_hash != agents) {
        violated(w, "%s: the agents' state is not the fold of the journal", when);
    }
    if (again.differences > 0) {
        violated(w, "%s: %llu decisions come out otherwise, the first on event %llu", when,
                 (unsigned long long)again.differences,
                 (unsigned long long)again.first_difference_seq);
    }
    if (again.contexts > 0) {
        violated(w, "%s: %llu events were known otherwise", when,
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
        violated(w, "%s", text);
    }
}

// --- the whole --------------------------------------------------------------------------------

static void
on_wrong(void *user, const char *what)
{
    violated(user, "%s", what);
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
        .cut_every_ms = between(w, 10, 400),
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
        .cut_every_ms = between(w, 10, 400)};
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
    w->strikes = calm ? 0 : (uint32_t)between(w, 1, STRIKES_MAX);
    w->countdown = (uint64_t)between(w, 1, 3000);
    say(w, "%s clock, deadline %lld ms, delay up to %lld us, %u strikes",
        w->config.clock_from_events ? "events'" : "wall", (long long)w->config.deadline_ms,
        (long long)faults.delay_max_us, w->strikes);
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
                                  .orders = w->small_journal ? ORDERS_RECYCLED : ORDERS,
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
    forget_disk_faults();
    rt_rng_seed(&w->rng, w->seed, STREAM_WORLD_TEST);
    files_write();
    configure(w);
    // with the wall clock all events lie some days back, where no bound refuses them
    sim_set_wall_ms(gen_defaults().last_day * 86400000 + WALL_AFTER_EVENTS_MS);
    draw_weather(w);
    w->published = rt_map_new();
    w->posted = rt_map_new();
    sim_http_handler(on_post, w);
    w->client_loop = rt_loop_new();
    w->monitor = rt_timer_new(w->client_loop, on_monitor, w);
    rt_timer_start(w->monitor, MONITOR_MS, MONITOR_MS);
    sim_sub(PUBLISH_URL, on_publication, w);
    start(w);
    start_producers(w);
}

static void
close_world(world *w)
{
    for (int i = 0; i < PRODUCERS; i++) {
        producer_free(w->producers[i]);
    }
    end_host(w);
    end_brain(w);
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

    die(w, rt_rng_chance(&w->rng, 0.5));
    start(w);
    come_to_rest(w);
    if (w->result->held && w->config.clock_from_events &&
        br_brain_state(w->brain)->applied_seq == seq + 1 &&
        br_state_hash(br_brain_state(w->brain)) != before) {
        violated(w, "a restart at rest changed the state");
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
