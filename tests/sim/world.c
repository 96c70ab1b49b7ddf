#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>

#include "brain/core/replay.h"
#include "runtime/base/alloc.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim_internal.h"
#include "runtime/wire/json.h"
#include "tests/sim/files.h"
#include "tests/sim/internal.h"

// Design notes.
// The world is driven step by step. After a number of happenings (messages, writes, commits) drawn
// from the seed it is struck. When the day is over and all producers are done the weather turns
// fair, what was broken is mended, and the brain has to come to rest by itself within a bounded
// virtual time. Then the journal is audited, replayed from its beginning into a fresh state, and
// the brain is killed once more: what it recovers must be the same state again.

#define LIFE_MAX_MS ((int64_t)30 * 60 * 1000) // longer than the day, when it has one
#define BATCH_MAX_MS ((int64_t)3 * 3600 * 1000) // that one batch may have to wait
#define REST_MAX_MS (3 * 60 * 1000)
#define QUARANTINES_MAX_MS ((int64_t)6 * 3600 * 1000) // of an agent that fails again and again
#define DECISION_BYTES_MAX (16u * 1024 * 1024)
#define STALLED_MAX 300
#define TORN_GROUP_BYTES (8u * SIM_DISK_SECTOR_BYTES) // enough for sectors that hold no header
#define TRIED_MAX 40
#define TRIED_STRUCK 0.1 // of the times when a first webhook is tried
#define STREAM_WORLD_TEST 200
#define WALL_AFTER_EVENTS_MS ((int64_t)6 * 86400 * 1000)
#define LINE_CAP 512
#define STARVED_WITHIN 30 // allocations of a step
#define REPLAYED_TWICE 0.25 // of the lives are replayed again after their last crash

const char *
world_fault_name(world_fault fault)
{
    static const char *const names[] = {
#define X(name, text) text,
#include "tests/sim/faults.def"
#undef X
    };

    return names[fault];
}

void
world_say(world *w, const char *fmt, ...)
{
    char line[LINE_CAP];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    ring_add(line);
    if (w->told) { // whole, however long it is
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
        w->result->violated_ms = sim_now_ms();
        va_start(args, fmt);
        (void)vsnprintf(w->result->text, WORLD_TEXT_MAX, fmt, args);
        va_end(args);
    }
}

bool
world_detected(world *w, rt_err err, const char *detail)
{
    if (!w->rotten || err != RT_ECORRUPT) {
        return false;
    }
    if (detail != NULL && strstr(detail, JOURNAL_DIR) == NULL) {
        world_violated(w, "damage to the journal is not named: %s", detail);
    }
    world_say(w, "damage was detected%s%s", detail != NULL ? ": " : "",
              detail != NULL ? detail : "");
    w->result->detected = true;
    return true;
}

// --- driving ----------------------------------------------------------------------------------

static bool
is_going_on(const world *w)
{
    return w->result->held && !w->result->detected;
}

static bool
is_done(const world *w)
{
    bool done = !w->draw.paced || sim_now_ms() >= PRODUCER_DAY_MS;

    for (int i = 0; i < TENANTS && done; i++) {
        done = producer_done(w->producers[i]);
    }
    return done;
}

// A brain that gave up does so for an error it cannot go on from; only what was struck may be one.
static void
bury(world *w)
{
    rt_err err = br_brain_failed(w->brain);

    world_say(w, "the brain gave up: %s", rt_err_name(err));
    if (world_detected(w, err, NULL)) { // its log line says where
        return;
    }
    if (err != RT_ECRASH && err != RT_EIO && !w->was_starved) {
        world_violated(w, "the brain gave up: %s", rt_err_name(err));
    }
    // what a failed sync left in the page cache is there for the next start, or is not
    world_die(w, err == RT_ECRASH || rt_rng_chance(&w->rng, 0.5));
}

// A host that gives up ends its process, which is the brain's as well unless it is outside.
static void
bury_hosts(world *w)
{
    for (size_t i = 0; i < w->host_count; i++) {
        world_host *h = &w->hosts[i];
        rt_err err = h->failed;

        if (h->host == NULL || err == RT_OK) {
            continue;
        }
        world_say(w, "host %s gave up: %s", h->config.name, rt_err_name(err));
        if (err != RT_EIO && !(w->was_starved && err == RT_ENOMEM)) {
            world_violated(w, "host %s gave up: %s", h->config.name, rt_err_name(err));
        }
        h->failed = RT_OK;
        if (h->is_outside) {
            world_end_host(h);
            rt_timer_start(h->back, world_span(w), 0);
        } else {
            world_die(w, false);
        }
    }
}

static bool
is_watched_loop(const world *w, const rt_loop *loop)
{
    bool found = loop != NULL && loop == w->brain_loop;

    for (size_t i = 0; i < w->host_count && loop != NULL; i++) {
        found = found || loop == w->hosts[i].loop;
    }
    return found;
}

// Lets the n-th allocation of this step fail, when it is one of the brain or of a host.
static void
starve(world *w)
{
    if (w->starved > 0 && is_watched_loop(w, sim_next_loop())) {
        w->starved--;
        w->was_starved = true;
        w->result->faults[FAULT_ALLOC]++;
        rt_alloc_fail_after((uint64_t)world_between(w, 1, STARVED_WITHIN));
    }
}

// A strike comes sooner when it would hit something: a brain that waits for its disk, that tries
// webhooks, that was halted.
static void
hasten(world *w)
{
    uint64_t now = sim_happenings();
    bool trying = w->brain->retry_count > 0;
    bool halted = w->halted_since_ms >= 0;

    if (w->brain->commit_stalled && w->next_strike > now + STALLED_MAX) {
        w->next_strike = now + (uint64_t)world_between(w, 1, STALLED_MAX);
    }
    if (trying && !w->was_trying && rt_rng_chance(&w->rng, TRIED_STRUCK)) {
        w->next_strike = now + (uint64_t)world_between(w, 1, TRIED_MAX);
    }
    if (halted && !w->was_halted && rt_rng_chance(&w->rng, 0.5)) {
        w->next_strike = now + (uint64_t)world_between(w, 1, STALLED_MAX);
    }
    w->was_trying = trying;
    w->was_halted = halted;
}

static void
step(world *w)
{
    bool moved = false;

    starve(w);
    moved = sim__step();
    rt_alloc_fail_after(0);
    if (!moved) {
        world_violated(w, "the world stands still");
        return;
    }
    world_watch(w);
    world_archive_more(w);
    if (w->brain != NULL && br_brain_failed(w->brain) != RT_OK) {
        bury(w);
    }
    bury_hosts(w);
    if (w->cuts_group && w->brain != NULL &&
        rt_journal_pending_bytes(w->brain->journal) > TORN_GROUP_BYTES) {
        w->cuts_group = false;
        sim_disk_fail_next(SIM_DISK_SYNC, 1, RT_ECRASH);
    }
    if (w->strikes > 0 && w->brain != NULL) {
        hasten(w);
    }
    if (w->strikes > 0 && sim_happenings() >= w->next_strike) {
        world_strike(w);
    }
}

static void
live(world *w)
{
    int64_t until_ms = LIFE_MAX_MS + (w->draw.paced ? PRODUCER_DAY_MS : 0);

    while (is_going_on(w) && !is_done(w)) {
        step(w);
        if (sim_now_ms() > until_ms) {
            world_violated(w, "the producers were not answered within half an hour");
        }
        for (int i = 0; i < TENANTS && w->draw.paced; i++) {
            if (producer_waits_ms(w->producers[i]) > BATCH_MAX_MS) {
                world_violated(w, "a producer was not answered within three hours");
            }
        }
    }
}

static bool
hosts_at_rest(const world *w)
{
    for (size_t i = 0; i < w->host_count; i++) {
        const br_host_link *link = &w->brain->hosts[i];

        if (w->hosts[i].host == NULL || link->batch_count > 0 || link->answered < link->awaiting ||
            br_host_is_behind(w->hosts[i].host)) {
            return false;
        }
    }
    return br__hosts_caught_up(w->brain);
}

static bool
at_rest(const world *w)
{
    const br_brain *brain = w->brain;

    return brain != NULL && br_brain_ready(brain) && br_pending_count(brain->pending) == 0 &&
           br_outbox_count(brain->state->outbox) == 0 && br__execute_waiting(brain) == 0 &&
           rt_journal_pending(brain->journal) == 0 && !br__intake_waiting(brain) &&
           brain->next_playbooks == NULL && hosts_at_rest(w) &&
           !br_gate_halted(brain->state->gate);
}

static void
say_restless(world *w)
{
    const br_brain *brain = w->brain;

    if (brain == NULL) {
        world_violated(w, "no rest: the brain is not there");
        return;
    }
    world_violated(w,
                   "no rest: ready=%d undecided=%zu outbox=%zu queued=%u records=%llu waiting=%d "
                   "hosts=%d halted=%d",
                   br_brain_ready(brain), br_pending_count(brain->pending),
                   br_outbox_count(brain->state->outbox), br__execute_waiting(brain),
                   (unsigned long long)rt_journal_pending(brain->journal),
                   br__intake_waiting(brain), br__hosts_caught_up(brain),
                   br_gate_halted(brain->state->gate));
}

static void
come_to_rest(world *w)
{
    int64_t until_ms = sim_now_ms() + REST_MAX_MS +
                       (w->draw.poison_every > 0 ? QUARANTINES_MAX_MS : 0);

    while (is_going_on(w) && !at_rest(w)) {
        step(w);
        if (sim_now_ms() > until_ms) {
            say_restless(w);
        }
    }
}

static void
calm_down(world *w)
{
    world_say(w, "calm");
    w->calm = true;
    w->cuts_group = false;
    w->strikes = 0;
    w->starved = 0;
    sim_net_set_faults((sim_net_faults){.delay_min_us = 20, .delay_max_us = 500});
    w->drift_until_ms = 0;
    world_mend_disk();
    world_mend(w);
    world_hang_up(w, true);
    for (int i = 0; i < TENANTS; i++) {
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

static uint64_t
agents_hash(const world *w)
{
    uint64_t sum = 0; // as of one host with all of them

    for (size_t i = 0; i < w->host_count; i++) {
        sum += br_host_hash(w->hosts[i].host);
    }
    return sum;
}

static void
check_replay(world *w, const char *when)
{
    br_replay_config config = {.journal_dir = world_journal_dir(w),
                               .state = w->config.state,
                               .runner = w->replay};
    br_replay_result again;
    rt_diag *diag = rt_diag_new();
    uint64_t state = br_state_hash(br_brain_state(w->brain));
    uint64_t agents = agents_hash(w);
    rt_err err = br_replay(&config, diag, on_difference, w, &again);

    rt_diag_free(diag);
    w->result->state_hash = state;
    w->result->recycled = br_brain_journal(w->brain).first_seq > 1;
    if (err == RT_ESTALE && w->draw.rots && w->result->recycled) {
        return; // no beginning and no copy, no replay
    }
    if (world_detected(w, err, rt_err_detail())) {
        return;
    }
    if (err != RT_OK) {
        world_violated(w, "%s: the journal cannot be replayed: %s: %s", when, rt_err_name(err),
                 rt_err_detail());
        return;
    }
    if (again.state_hash != state) {
        world_violated(w, "%s: the state is not the fold of its journal", when);
    }
    world_note_loss(w);
    // what a host that cannot save for long would need is not kept for ever, and its agents, who
    // know less than those of a replay, say other things from then on
    if (again.agents_hash != agents && !w->history_lost) {
        world_violated(w, "%s: the agents' state is not the fold of the journal", when);
    }
    if (again.differences > 0 && !w->history_lost) {
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
check_poison(world *w)
{
    char text[WORLD_TEXT_MAX];

    w->result->faults[FAULT_POISON] = brittle_failures();
    world_note_loss(w);
    if (w->draw.poison_every > 0 && !w->history_lost &&
        (w->archive != NULL || !w->draw.small_journal) &&
        !brittle_check(world_journal_dir(w), br_pack_catalog(w->pack), text, sizeof(text))) {
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
on_mend(void *user)
{
    world_mend(user);
}

static void
on_back(void *user)
{
    world *w = user;

    world_say(w, "started again");
    world_start(w);
}

static void
on_host_back(void *user)
{
    world *w = user;

    for (size_t i = 0; i < w->host_count && w->brain != NULL; i++) {
        if (w->hosts[i].host == NULL) {
            world_say(w, "host %s back", w->hosts[i].config.name);
            world_start_host(w, &w->hosts[i]);
        }
    }
}

// Each fault is its own: none in some lives, one request in eight in others.
static double
draw_rate(world *w)
{
    bool none = w->draw.peaceful || rt_rng_chance(&w->rng, 0.5);

    return none ? 0 : 0.12 * rt_rng_f64(&w->rng);
}

static void
start_producers(world *w)
{
    for (int i = 0; i < TENANTS; i++) {
        producer_config config = {
            .url = INGEST_URL,
            .pull_url = w->config.pull_url,
            .counts = w->result->faults,
            .shop = {.tenant = world_tenants[i].number,
                     .name = world_tenants[i].name,
                     .seed = w->seed,
                     .orders = w->draw.orders,
                     .days = w->draw.paced ? 3 : 1,
                     .tail_days = w->draw.paced ? 0 : (uint32_t)world_between(w, 0, 3),
                     .json = rt_rng_chance(&w->rng, 0.25),
                     .ids_marked = w->draw.ids_marked,
                     .hostile = w->draw.hostile},
            .paced = w->draw.paced,
            .linger_ms = rt_rng_chance(&w->rng, 0.5) ? 0 : 20000,
            .pause_max_ms = rt_rng_chance(&w->rng, 0.5) ? 1 : 40,
            .faults = {.lost = draw_rate(w),
                       .doubled = draw_rate(w),
                       .unheard = draw_rate(w),
                       .malformed = draw_rate(w),
                       .pushed = draw_rate(w)},
            .on_wrong = on_wrong,
            .on_acked = books_on_acked,
            .user = w};

        w->producers[i] = producer_new(w->client_loop, &config);
    }
}

static void
open_world(world *w, const audit_pack *rules)
{
    ring_clear();
    sim_reset(w->seed);
    sim_disk_reset();
    world_mend_disk();
    rt_rng_seed(&w->rng, w->seed, STREAM_WORLD_TEST);
    files_write();
    world_configure(w);
    world_archive_begin(w);
    // rushed by the wall clock, all events lie some days back, where no bound refuses them
    sim_set_wall_ms(producer_day_ms() + (w->draw.paced ? 0 : WALL_AFTER_EVENTS_MS));
    books_open(w, rules);
    w->posted = rt_map_new();
    sim_http_handler(world_on_post, w);
    w->client_loop = rt_loop_new();
    w->mend = rt_timer_new(w->client_loop, on_mend, w);
    w->back = rt_timer_new(w->client_loop, on_back, w);
    w->drift = rt_timer_new(w->client_loop, world_on_drift, w);
    for (size_t i = 0; i < w->host_count; i++) {
        w->hosts[i].back = rt_timer_new(w->client_loop, on_host_back, w);
    }
    sim_sub(PUBLISH_URL, world_on_publication, w);
    world_start(w);
    start_producers(w);
}

static void
close_world(world *w)
{
    for (int i = 0; i < TENANTS; i++) {
        producer_free(w->producers[i]);
    }
    for (size_t i = 0; i < w->host_count; i++) {
        world_end_host(&w->hosts[i]);
        rt_timer_free(w->hosts[i].back);
    }
    world_end_brain(w);
    rt_timer_free(w->mend);
    rt_timer_free(w->back);
    rt_timer_free(w->drift);
    world_forget_asks(w);
    world_archive_end(w);
    audit_free(w->books);
    rt_map_free(w->posted);
    rt_loop_free(w->client_loop);
}

// Nothing was under way: what is recovered is what was there, but for the record of the start.
static void
crash_at_rest(world *w)
{
    uint64_t before = br_state_hash(br_brain_state(w->brain));
    uint64_t seq = br_brain_state(w->brain)->applied_seq;
    uint64_t agents = agents_hash(w);

    world_die(w, rt_rng_chance(&w->rng, 0.5));
    come_to_rest(w);
    if (!is_going_on(w) || br_brain_state(w->brain)->applied_seq != seq + 1) {
        return; // timers came due meanwhile
    }
    world_note_loss(w);
    if (agents_hash(w) != agents && !w->history_lost) {
        world_violated(w, "a restart at rest changed the agents' state");
    }
    if (w->config.clock_from_events && br_state_hash(br_brain_state(w->brain)) != before) {
        world_violated(w, "a restart at rest changed the state");
    }
}

void
world_run(uint64_t seed, const br_pack *pack, const audit_pack *rules, bool told,
          world_result *ret_result)
{
    world *w = rt_new(world);

    memset(ret_result, 0, sizeof(*ret_result));
    ret_result->held = true;
    *w = (world){.seed = seed, .told = told, .pack = pack, .result = ret_result};
    open_world(w, rules);
    live(w);
    if (is_going_on(w)) {
        calm_down(w);
        come_to_rest(w);
    }
    if (is_going_on(w)) {
        check_replay(w, "at rest");
    }
    if (is_going_on(w)) {
        crash_at_rest(w);
    }
    if (is_going_on(w) && rt_rng_chance(&w->rng, REPLAYED_TWICE)) {
        check_replay(w, "after a last crash");
    }
    if (is_going_on(w)) {
        check_poison(w);
        books_check(w);
    }
    if (is_going_on(w) && w->draw.rots) {
        world_rot_at_rest(w);
    }
    ret_result->trace_hash = sim_trace_hash();
    ret_result->happenings = sim_happenings();
    ret_result->faults[FAULT_REQUEST_LATE] = sim_net_late();
    ret_result->paced = w->draw.paced;
    ret_result->virtual_ms = sim_now_ms();
    close_world(w);
    rt_free(w);
}
