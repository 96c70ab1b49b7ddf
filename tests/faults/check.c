// Design notes.
// A start commits its START record, so the state after it can be compared with a replay of the
// whole journal; and a journal that opens but cannot be written to is noticed.
#include "tests/faults/check.h"

#include <stdio.h>

#include "brain/core/internal.h"
#include "brain/core/replay.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/seam/clock.h"

#define POLL_MS 2
#define STOP_PATIENCE_MS 5000
#define AGENTS_MAX (BR_HOSTS_MAX * BR_HOST_AGENTS_MAX)

typedef struct checking {
    settings *s;
    const promises *promises;
    br_brain_config config;
    br_host_entry hosts[BR_HOSTS_MAX];
    check_figures *figures;
} checking;

static rt_err
wrong(rt_err err, const char *what)
{
    char detail[RT_ERR_DETAIL_MAX];

    (void)snprintf(detail, sizeof(detail), "%s", rt_err_detail());
    return rt_fail(err, "%s: %s", what, detail);
}

// The independent audit's word on the journal.
static rt_err
check_promises(const checking *c, rt_bytes list, const char *dir, bool drained)
{
    promises_kept kept;
    rt_err err = promises_check(c->promises, dir, list, drained, &kept);

    c->figures->records = kept.records;
    c->figures->acknowledged = kept.acknowledged;
    c->figures->published = kept.published;
    return err;
}

// --- the fold ---

static size_t
all_agents(const settings *s, const br_agent_def **agents)
{
    size_t count = 0;

    for (size_t h = 0; h < s->host_count; h++) {
        for (size_t a = 0; a < s->hosts[h].agent_count; a++) {
            agents[count++] = s->hosts[h].agents[a];
        }
    }
    return count;
}

static rt_err
check_fold(const checking *c, const char *dir, uint64_t state_hash, const uint64_t *agents_hash)
{
    const br_agent_def *agents[AGENTS_MAX];
    settings *s = c->s;
    br_replay_result again;
    br_replay_config config = {.journal_dir = dir,
                               .state = settings_state(s),
                               .runner = {.agents = agents,
                                          .agent_count = all_agents(s, agents),
                                          .catalog = br_pack_catalog(s->pack),
                                          .overrides = s->overrides,
                                          .diag = s->diag,
                                          .utc_offset_ms = s->utc_offset_ms,
                                          .tenant_count = RT_TENANT_MAX}};
    rt_err err = br_replay(&config, s->diag, NULL, NULL, &again);

    if (err == RT_ESTALE) {
        c->figures->is_recycled = true;
        return RT_OK;
    }
    if (err != RT_OK) {
        return wrong(err, "the journal cannot be replayed");
    }
    if (again.differences > 0 || again.contexts > 0) {
        return rt_fail(RT_ECORRUPT, "%llu decisions and %llu contexts come out otherwise",
                       (unsigned long long)again.differences, (unsigned long long)again.contexts);
    }
    if (again.state_hash != state_hash) {
        return rt_fail(RT_ECORRUPT, "the state is not the fold of the journal");
    }
    if (agents_hash != NULL && again.agents_hash != *agents_hash) {
        return rt_fail(RT_ECORRUPT, "the agents' state is not the fold of the journal");
    }
    if (agents_hash != NULL && again.undecided > 0) {
        return rt_fail(RT_ECORRUPT, "%llu events stay undecided",
                       (unsigned long long)again.undecided);
    }
    return RT_OK;
}

// --- opening only ---

// The state of an agents' host: it opens, and knows nothing that the journal does not.
static rt_err
check_host(const checking *c, const settings_host *host, uint64_t first_seq, uint64_t last_seq)
{
    rt_kv *kv = NULL;
    rt_store *store = NULL;
    rt_err err = rt_kv_open(settings_host_dir(c->s, host), c->config.store_map_bytes, &kv);

    if (err == RT_OK) {
        err = rt_store_open(kv, &store);
    }
    if (err != RT_OK) {
        return wrong(err, "the agents' state does not open");
    }
    if (rt_store_applied(store) > last_seq) {
        err = rt_fail(RT_ECORRUPT, "the agents' state reflects record %llu, the journal ends "
                                   "at %llu",
                      (unsigned long long)rt_store_applied(store), (unsigned long long)last_seq);
    }
    if (rt_store_applied(store) + 1 < first_seq) {
        err = rt_fail(RT_ECORRUPT, "the agents' state ends at %llu, the journal begins at %llu",
                      (unsigned long long)rt_store_applied(store), (unsigned long long)first_seq);
    }
    rt_store_close(store);
    rt_kv_close(kv);
    return err;
}

static rt_err
open_brain(checking *c, rt_loop *loop, br_brain **ret_brain)
{
    rt_err err = br_brain_new(loop, &c->config, c->s->diag, ret_brain);

    return err == RT_OK ? err : wrong(err, "it does not open");
}

static rt_err
check_opened(checking *c, rt_bytes list)
{
    char dir[1024];
    br_brain *brain = NULL;
    rt_journal_info info;
    uint64_t last_seq = 0;
    rt_err err = RT_OK;

    c->config.host_count = 0;
    c->config.playbook_dir = NULL;
    err = open_brain(c, rt_loop_new(), &brain);
    if (err != RT_OK) {
        return err;
    }
    last_seq = rt_journal_committed(brain->journal);
    c->figures->torn_bytes = rt_journal_info_get(brain->journal).torn_bytes;
    err = rt_journal_commit(brain->journal);
    (void)snprintf(dir, sizeof(dir), "%s/journal", c->config.data_dir);
    if (err == RT_OK) {
        err = rt_journal_verify(dir, &info);
    }
    if (err == RT_OK) {
        err = check_promises(c, list, dir, false);
    }
    if (err == RT_OK) {
        err = check_fold(c, dir, br_state_hash(brain->state), NULL);
    }
    for (size_t h = 0; h < c->s->host_count && err == RT_OK; h++) {
        err = check_host(c, &c->s->hosts[h], info.first_seq, last_seq);
    }
    return err;
}

// --- opening, going on, stopping ---

typedef struct agents_part {
    checking *c;
    rt_loop *loop;
    rt_wake *stop;
    br_host *host;
    rt_err err;
    char detail[RT_ERR_DETAIL_MAX];
    uint64_t hash;
} agents_part;

typedef struct whole_run {
    rt_loop *loop;
    br_brain *brain;
    agents_part *agents;
    bool is_stopping;
} whole_run;

static void
on_agents_stop(void *user)
{
    agents_part *part = user;

    part->err = br_host_stop(part->host);
    part->hash = br_host_hash(part->host);
    rt_loop_stop(part->loop);
}

static void
agents_main(void *user)
{
    agents_part *part = user;
    br_host_config config = settings_host_config(part->c->s, &part->c->s->hosts[0]);

    part->err = br_host_new(part->loop, &config, &part->host);
    if (part->err != RT_OK) {
        (void)snprintf(part->detail, sizeof(part->detail), "%s", rt_err_detail());
        return;
    }
    rt_loop_run(part->loop);
}

static void
on_brain_stopped(void *user)
{
    whole_run *run = user;

    rt_loop_stop(run->loop);
}

static bool
is_at_rest(const br_brain *brain)
{
    const br_host_link *host = &brain->hosts[0];
    uint64_t committed = rt_journal_committed(brain->journal);

    return brain->doors_open && brain->next_playbooks == NULL && host->up && host->live &&
           host->fed >= committed && host->awaiting <= host->answered &&
           br_pending_count(brain->pending) == 0 &&
           br__execute_waiting(brain) == 0 && rt_journal_pending(brain->journal) == 0;
}

static void
on_poll(void *user)
{
    whole_run *run = user;

    if (run->brain->failed != RT_OK || run->agents->err != RT_OK) {
        rt_loop_stop(run->loop);
    } else if (!run->is_stopping && is_at_rest(run->brain)) {
        run->is_stopping = true;
        br_brain_stop(run->brain, STOP_PATIENCE_MS, on_brain_stopped, run);
    }
}

static rt_err
run_whole(checking *c, whole_run *run, agents_part *part)
{
    rt_timer *timer = NULL;
    rt_thread *thread = NULL;
    rt_err err = RT_OK;

    run->loop = rt_loop_new();
    run->agents = part;
    err = open_brain(c, run->loop, &run->brain);
    if (err != RT_OK) {
        return err;
    }
    part->c = c;
    part->loop = rt_loop_new();
    part->stop = rt_wake_new(part->loop, on_agents_stop, part);
    thread = rt_thread_start("agents", agents_main, part);
    timer = rt_timer_new(run->loop, on_poll, run);
    rt_timer_start(timer, POLL_MS, POLL_MS);
    rt_loop_run(run->loop);
    if (part->host != NULL) {
        rt_wake_send(part->stop);
    }
    rt_thread_join(thread);
    if (part->err != RT_OK) {
        return rt_fail(part->err, "the agents' host: %s", part->detail);
    }
    err = br_brain_failed(run->brain);
    return err == RT_OK ? err : wrong(err, "the brain stopped by itself");
}

static rt_err
check_whole(checking *c, rt_bytes list)
{
    char dir[1024];
    whole_run run = {0};
    agents_part part = {0};
    rt_journal_info info;
    rt_err err = run_whole(c, &run, &part);

    (void)snprintf(dir, sizeof(dir), "%s/journal", c->config.data_dir);
    if (err == RT_OK) {
        err = rt_journal_verify(dir, &info);
    }
    if (err == RT_OK) {
        c->figures->torn_bytes = rt_journal_info_get(run.brain->journal).torn_bytes;
        err = check_promises(c, list, dir, true);
    }
    return err == RT_OK ? check_fold(c, dir, br_state_hash(run.brain->state), &part.hash) : err;
}

// Nothing that was asked of the machine here is damage: a store set aside as damaged is a lie about
// it, and would hide that a file was not written well.
static rt_err
check_nothing_aside(const checking *c)
{
    char dir[1024];
    uint64_t count = 0;

    (void)snprintf(dir, sizeof(dir), "%s/state", c->config.data_dir);
    count = rt_kv_aside_count(dir);
    for (size_t h = 0; h < c->s->host_count; h++) {
        count += rt_kv_aside_count(settings_host_dir(c->s, &c->s->hosts[h]));
    }
    return count == 0 ? RT_OK : rt_fail(RT_ECORRUPT, "a store was taken for damaged");
}

rt_err
check_data(settings *s, const promises *known, rt_bytes list, bool whole,
           check_figures *ret_figures)
{
    checking *c = rt_new(checking);
    rt_err err = RT_OK;

    *ret_figures = (check_figures){0};
    c->s = s;
    c->promises = known;
    c->figures = ret_figures;
    c->config = settings_brain(s, c->hosts);
    c->config.ingest_url = NULL;
    c->config.pull_url = NULL;
    c->config.publish_url = NULL;
    c->config.control_path = NULL;
    RT_ASSERT(s->host_count == 1); // the default: all agents in one host
    err = whole ? check_whole(c, list) : check_opened(c, list);
    return err == RT_OK ? check_nothing_aside(c) : err;
}
