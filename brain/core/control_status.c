// status: what an operator wants to see first, with what is wrong and what to do about it.
#include <stdio.h>

#include "brain/core/control.h"
#include "runtime/base/hash.h"
#include "runtime/seam/clock.h"

typedef struct problems {
    rt_mpw *w;
    size_t header;
    uint32_t count;
    bool degraded;
} problems;

static void
problem(problems *p, bool error, const char *see, const char *text)
{
    br_map map = br__map_begin(p->w);
    br__map_cstr(&map, "level", error ? "error" : "warning");
    br__map_cstr(&map, "text", text);
    if (see != NULL) {
        br__map_cstr(&map, "see", see);
    }
    br__map_end(&map);
    p->count++;
    p->degraded = p->degraded || error;
}

static void
find_host_problems(const br_host_link *host, problems *p)
{
    char text[200];
    if (!host->up) {
        snprintf(text, sizeof(text), "agents' host %s is down", host->name);
        problem(p, true, "brainctl agents list", text);
        return;
    }
    if (!host->live) {
        snprintf(text, sizeof(text), "agents' host %s is catching up", host->name);
        problem(p, true, "brainctl agents list", text);
    }
    for (uint32_t i = 0; i < host->state_count; i++) {
        if (!rt_str_is(host->states[i].state, "running")) {
            snprintf(text, sizeof(text), "agent %.*s is %.*s", RT_STR_ARG(host->states[i].name),
                     RT_STR_ARG(host->states[i].state));
            problem(p, true, "brainctl agents list", text);
        }
    }
}

static void
find_problems(const br_brain *brain, problems *p)
{
    char text[200];
    if (br_gate_halted(brain->state->gate)) {
        problem(p, true, "brainctl resume", "actions are halted");
    }
    if (brain->commit_stalled) {
        problem(p, true, NULL, "the disk is full: nothing can be recorded");
    }
    if (!brain->doors_open) {
        problem(p, true, NULL, "the doors are still closed: agents are catching up");
    }
    for (unsigned h = 0; h < brain->host_count; h++) {
        find_host_problems(&brain->hosts[h], p);
    }
    size_t dead = br_dead_count(brain->state->dead);
    if (dead > 0) {
        snprintf(text, sizeof(text), "%zu in the dead letters", dead);
        problem(p, false, "brainctl dlq list", text);
    }
    if (brain->fill_step > 0) {
        snprintf(text, sizeof(text), "the state's store is %u %% full: raise data.store_max_bytes",
                 brain->fill_step);
        problem(p, brain->fill_step >= 95, NULL, text);
    }
    if (brain->metrics.states_rebuilt > 0) {
        problem(p, false, NULL, "the state was damaged or missing and was rebuilt, see the log");
    }
    if (brain->metrics.journal_damage > 0) {
        problem(p, true, "brain-verify --scrub", "the journal was damaged at start, see the log");
    }
    if (brain->metrics.cuts_failed > 0) {
        snprintf(text, sizeof(text), "the state could not be saved %llu times",
                 (unsigned long long)brain->metrics.cuts_failed);
        problem(p, false, NULL, text);
    }
}

static const char *
health(const br_brain *brain, bool degraded)
{
    if (brain->stopping) {
        return "stopping";
    }
    return degraded ? "degraded" : "healthy";
}

static void
write_rates(const br_control *control, br_map *answer)
{
    const br_metrics *m = &control->brain->metrics;
    uint32_t count = RT_MIN(control->sample_count, (uint32_t)BR_RATE_SAMPLES);
    br_map map = br__map_begin(br__map_key(answer, "rates"));
    if (count > 0) {
        const br_rate_sample *oldest =
            &control->samples[(control->sample_count - count) % BR_RATE_SAMPLES];
        double seconds = (double)(rt_clock_mono_us() - oldest->at_us) / 1e6;
        seconds = RT_MAX(seconds, 1e-3);
        br__map_f64(&map, "over_s", seconds);
        br__map_f64(&map, "events", (double)(m->events_in - oldest->events) / seconds);
        br__map_f64(&map, "decisions", (double)(m->decisions - oldest->decisions) / seconds);
        br__map_f64(&map, "actions", (double)(m->actions_executed - oldest->actions) / seconds);
    }
    br__map_end(&map);
}

static void
write_door(br_map *doors, const char *name, const char *url, rt_net_stats stats)
{
    br_map map = br__map_begin(br__map_key(doors, name));
    br__map_cstr(&map, "url", url);
    br__map_u64(&map, "connections", stats.connections);
    br__map_u64(&map, "refused", stats.connections_refused);
    br__map_u64(&map, "messages_in", stats.messages_in);
    br__map_u64(&map, "messages_out", stats.messages_out);
    br__map_u64(&map, "messages_dropped", stats.messages_dropped);
    br__map_u64(&map, "handshakes_failed", stats.handshakes_failed);
    br__map_u64(&map, "oversize", stats.messages_oversize);
    br__map_u64(&map, "malformed", stats.messages_malformed);
    br__map_u64(&map, "slow", stats.peers_slow);
    br__map_end(&map);
}

static void
write_doors(const br_brain *brain, br_map *answer)
{
    br_map doors = br__map_begin(br__map_key(answer, "doors"));
    if (brain->rep != NULL) {
        write_door(&doors, "ingest", brain->config.ingest_url, rt_rep_stats(brain->rep));
    }
    if (brain->pull != NULL) {
        write_door(&doors, "pull", brain->config.pull_url, rt_pull_stats(brain->pull));
    }
    if (brain->pub != NULL) {
        write_door(&doors, "publish", brain->config.publish_url, rt_pub_stats(brain->pub));
    }
    for (unsigned h = 0; h < brain->host_count; h++) {
        const char *url = brain->config.hosts[h].url;
        if (strncmp(url, "tcp://", 6) == 0) {
            write_door(&doors, brain->hosts[h].name, url, rt_link_stats(brain->hosts[h].link));
        }
    }
    write_door(&doors, "control", brain->config.control_path, rt_ctl_stats(brain->ctl));
    br__map_end(&doors);
}

static void
write_journal(const br_brain *brain, br_map *answer)
{
    rt_journal_info info = rt_journal_info_get(brain->journal);
    char chain[sizeof(info.chain) * 2 + 1];
    rt_hex((rt_bytes){info.chain, sizeof(info.chain)}, chain, sizeof(chain));
    br_map map = br__map_begin(br__map_key(answer, "journal"));
    br__map_u64(&map, "first_seq", info.first_seq);
    br__map_u64(&map, "last_seq", rt_journal_committed(brain->journal));
    br__map_u64(&map, "bytes", info.bytes);
    br__map_u64(&map, "max_bytes", brain->config.journal_max_bytes);
    br__map_u64(&map, "segments", info.segments);
    br__map_bool(&map, "sync", brain->config.sync);
    br__map_cstr(&map, "chain", chain);
    br__map_end(&map);
}

static void
write_store(const br_brain *brain, br_map *answer)
{
    const br_state *state = brain->state;
    br_map map = br__map_begin(br__map_key(answer, "store"));
    br__map_u64(&map, "applied_seq", state->applied_seq);
    br__map_u64(&map, "saved_seq", rt_store_saved(brain->store));
    br__map_u64(&map, "dirty", rt_store_dirty(brain->store));
    br__map_u64(&map, "bytes", rt_store_bytes(brain->store));
    br__map_u64(&map, "max_bytes", brain->config.store_map_bytes);
    br__map_u64(&map, "subjects", br_subjects_count(state->subjects));
    br__map_u64(&map, "subjects_refused", br_subjects_refused(state->subjects));
    br__map_end(&map);
}

static void
write_agents(const br_brain *brain, br_map *answer)
{
    uint64_t agents = 0;
    uint64_t running = 0;
    uint64_t restarts = 0;
    uint64_t up = 0;
    for (unsigned h = 0; h < brain->host_count; h++) {
        const br_host_link *host = &brain->hosts[h];
        agents += host->agent_count;
        up += host->up && host->live;
        for (uint32_t i = 0; i < host->state_count; i++) {
            running += host->up && rt_str_is(host->states[i].state, "running");
            restarts += host->states[i].restarts;
        }
    }
    br_map map = br__map_begin(br__map_key(answer, "agents"));
    br__map_u64(&map, "hosts", brain->host_count);
    br__map_u64(&map, "hosts_live", up);
    br__map_u64(&map, "agents", agents);
    br__map_u64(&map, "running", running);
    br__map_u64(&map, "restarts", restarts);
    br__map_end(&map);
}

static void
write_totals(const br_state *state, br_map *answer)
{
    const br_meta *meta = &state->meta;
    br_map map = br__map_begin(br__map_key(answer, "totals"));
    br__map_u64(&map, "events", meta->events);
    br__map_u64(&map, "decisions", meta->decisions);
    br__map_u64(&map, "actions", meta->actions);
    br__map_u64(&map, "outcomes", meta->outcomes);
    br__map_u64(&map, "rejects", meta->rejects);
    br__map_u64(&map, "conflicts", meta->conflicts);
    br__map_u64(&map, "refusals", meta->refusals);
    br__map_end(&map);
}

static void
write_waiting(const br_brain *brain, br_map *answer)
{
    br_state *state = brain->state;
    int64_t due_ms = br_timers_next_ms(state->timers);
    br_map map = br__map_begin(br__map_key(answer, "waiting"));
    br__map_u64(&map, "undecided", br_pending_count(brain->pending));
    br__map_u64(&map, "messages", brain->lanes[0].depth + brain->lanes[1].depth +
                                      brain->lanes[2].depth);
    br__map_u64(&map, "actions", br_outbox_count(state->outbox));
    br__map_u64(&map, "dead_letters", br_dead_count(state->dead));
    br__map_u64(&map, "dead_letters_dropped", br_dead_dropped(state->dead));
    br__map_u64(&map, "timers", br_timers_count(state->timers));
    if (due_ms != INT64_MAX) {
        br__map_i64(&map, "next_timer_ms", due_ms);
    }
    br__map_end(&map);
}

static void
write_head(const br_brain *brain, br_map *answer)
{
    const br_brain_config *config = &brain->config;
    br__map_cstr(answer, "build", config->build);
    br__map_str(answer, "instance",
                (rt_str){brain->state->meta.instance, strnlen(brain->state->meta.instance,
                                                              BR_INSTANCE_LEN)});
    br__map_cstr(answer, "data_dir", config->data_dir);
    br__map_i64(answer, "uptime_ms", (rt_clock_mono_us() - brain->started_us) / 1000);
    br__map_i64(answer, "wall_ms", rt_clock_wall_ms());
    br__map_i64(answer, "clock_ms", brain->state->meta.clock_ms);
    br__map_cstr(answer, "clock", config->clock_from_events ? "events" : "wall");
    br__map_bool(answer, "ready", brain->doors_open);
    br__map_bool(answer, "halted", br_gate_halted(brain->state->gate));
    rt_mpw_array(br__map_key(answer, "tenants"), (uint32_t)config->tenant_count);
    for (size_t i = 0; i < config->tenant_count; i++) {
        rt_mpw_cstr(answer->w, config->tenants[i].name);
    }
    br_map playbooks = br__map_begin(br__map_key(answer, "playbooks"));
    br__map_u64(&playbooks, "version", br_playbooks_version(brain->state->playbooks));
    br__map_u64(&playbooks, "count", br_playbooks_count(brain->state->playbooks));
    br__map_bool(&playbooks, "switching", brain->next_playbooks != NULL);
    br__map_end(&playbooks);
}

void
br__ask_status(const br_ask *ask)
{
    const br_brain *brain = ask->brain;
    br_map answer = br__answer_begin(ask);
    problems p = {.w = br__map_key(&answer, "problems")};
    p.header = rt_mpw_array32(p.w);
    find_problems(brain, &p);
    rt_mpw_patch32(p.w, p.header, p.count);
    br__map_cstr(&answer, "health", health(brain, p.degraded));
    write_head(brain, &answer);
    write_rates(ask->control, &answer);
    write_totals(brain->state, &answer);
    write_waiting(brain, &answer);
    write_agents(brain, &answer);
    write_journal(brain, &answer);
    write_store(brain, &answer);
    write_doors(brain, &answer);
    br_metrics_write(&brain->metrics, br__map_key(&answer, "metrics"));
    br__answer_end(ask, &answer);
}
