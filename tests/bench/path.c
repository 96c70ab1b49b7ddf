// bench-path: the way of events through brain and agents on the simulated seams, for callgrind.
//
// usage: bench-path [--events N] [--batch N] [--source DIR]
//
// One thread, virtual time, the same events and the same turns in every run: instruction counts of
// two builds can be compared, whatever else the machine does. Nothing here is timed.
#include <stdio.h>
#include <string.h>

#include "agents/registry.h"
#include "brain/agent/host.h"
#include "brain/core/brain.h"
#include "brain/core/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"
#include "runtime/sim/sim_internal.h"
#include "tests/bench/load.h"
#include "tests/sim/files.h"

#define INGEST_URL "tcp://127.0.0.1:7701"
#define PUBLISH_URL "tcp://127.0.0.1:7703"
#define LINK_URL "inproc://agents-inside"
#define OUTSTANDING_MAX 64
#define WARM_UP 1000 // events before the counted ones
#define GIB (1024ull * 1024 * 1024)

static const br_tenant_config tenant = {
    .number = 1, .name = "demo", .utc_offset_ms = (int64_t)-5 * 3600 * 1000};
static const br_webhook webhook = {.name = "shop",
                                   .url = "https://shop.example/hook",
                                   .key = {(const uint8_t *)"key", 3},
                                   .timeout_ms = 3000,
                                   .attempts = 3};

typedef struct path {
    br_pack *pack;
    int64_t zones[RT_TENANT_MAX];
    rt_loop *brain_loop;
    br_brain *brain;
    rt_loop *host_loop;
    br_host *host;
    br_host_entry entry;
    load_messages messages;
    uint32_t next;
    uint32_t under_way;
    uint32_t answered;
    uint64_t published;
} path;

static br_pack *
load_packs(void)
{
    rt_diag *diag = rt_diag_new();
    br_pack *pack = br_pack_new();
    rt_err err = br_pack_load_dir(pack, "/packs/core", diag);

    err = err == RT_OK ? br_pack_load_dir(pack, "/packs/logistics", diag) : err;
    err = err == RT_OK ? br_pack_finish(pack, diag) : err;
    rt_diag_free(diag);
    RT_ASSERT(err == RT_OK); // the tree's own packs
    return pack;
}

static void
open_brain(path *p)
{
    br_brain_config config = {
        .pack = p->pack,
        .data_dir = "/data",
        .segment_bytes = 64ull * 1024 * 1024,
        .journal_max_bytes = GIB,
        .sync = true,
        .store_map_bytes = GIB,
        .cut_every_ms = 3600 * 1000, // a cut is not part of an event's way
        .state = {.pack = p->pack,
                  .gate = {.actions_per_minute = 1000000,
                           .quiet_from_min = 21 * 60,
                           .quiet_until_min = 7 * 60,
                           .utc_offset_ms = p->zones,
                           .tenant_count = RT_TENANT_MAX},
                  .subjects_max = 5000000,
                  .memories_max = 1000000,
                  .dedup_events = 1000000,
                  .dedup_window_ms = (int64_t)90 * 86400 * 1000},
        .tenants = &tenant,
        .tenant_count = 1,
        .future_max_ms = (int64_t)60 * 86400 * 1000,
        .age_max_ms = (int64_t)90 * 86400 * 1000,
        .clock_lag_max_ms = 60 * 1000,
        .deadline_ms = 10000,
        .ingest_url = INGEST_URL,
        .publish_url = PUBLISH_URL,
        .limits = {.message_bytes_max = 1024 * 1024, .connections_max = 16,
                   .inflight_max = OUTSTANDING_MAX},
        .hosts = &p->entry,
        .host_count = 1,
        .webhooks = &webhook,
        .webhook_count = 1,
        .http = {.inflight_max = 4},
        .playbook_dir = "/playbooks",
        .build = "path"};
    rt_diag *diag = rt_diag_new();
    rt_err err = br_brain_new(p->brain_loop, &config, diag, &p->brain);

    rt_diag_free(diag);
    RT_ASSERT(err == RT_OK);
}

static void
open_host(path *p)
{
    br_host_config config = {.name = "inside",
                             .url = LINK_URL,
                             .runner = {.agents = agents_registry,
                                        .agent_count = agents_registry_count,
                                        .catalog = br_pack_catalog(p->pack),
                                        .utc_offset_ms = p->zones,
                                        .tenant_count = RT_TENANT_MAX},
                             .dir = "/data/agents/inside",
                             .map_bytes = GIB,
                             .cut_every_ms = 3600 * 1000};
    rt_err err = br_host_new(p->host_loop, &config, &p->host);

    RT_ASSERT(err == RT_OK);
}

static void
on_publication(void *user, rt_bytes body)
{
    path *p = user;

    (void)body;
    p->published++;
}

static void
on_reply(void *user, rt_err err, rt_bytes body)
{
    path *p = user;

    (void)body;
    RT_ASSERT(err == RT_OK); // the weather is fair
    p->under_way--;
    p->answered++;
}

// Sends messages until all up to `upto` are answered and decided.
static void
send_upto(path *p, uint32_t upto)
{
    while (p->answered < upto || br_pending_count(p->brain->pending) > 0) {
        while (p->next < upto && p->under_way < OUTSTANDING_MAX) {
            p->under_way++;
            sim_request(INGEST_URL, load_message(&p->messages, p->next++), on_reply, p);
        }
        RT_ASSERT(sim__step());
    }
}

// The counted part: valgrind --toggle-collect=path_run starts and stops with it.
__attribute__((noinline)) static void
path_run(path *p)
{
    send_upto(p, p->messages.count);
}

static void
make_messages(path *p, uint32_t events, uint32_t batch)
{
    load_events all;
    rt_err err = load_generate(events + WARM_UP, 1, &all);

    RT_ASSERT(err == RT_OK);
    load_pack(&all, 0, all.count, batch, sim__wall_ms(), &p->messages);
    load_events_free(&all);
}

static bool
read_number(const char *text, uint32_t *ret)
{
    int64_t value = 0;
    bool ok = rt_parse_i64(rt_str_of(text), &value) == RT_OK && value > 0 && value <= 10000000;

    *ret = (uint32_t)value;
    return ok;
}

static void
quiet(void *user, rt_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
}

int
main(int argc, char **argv)
{
    static path p;
    uint32_t events = 20000;
    uint32_t batch = 64;
    const char *source = ".";
    bool ok = true;

    for (int i = 1; i < argc && ok; i += 2) {
        ok = i + 1 < argc;
        if (ok && strcmp(argv[i], "--events") == 0) {
            ok = read_number(argv[i + 1], &events);
        } else if (ok && strcmp(argv[i], "--batch") == 0) {
            ok = read_number(argv[i + 1], &batch) && batch <= 1024;
        } else if (ok && strcmp(argv[i], "--source") == 0) {
            source = argv[i + 1];
        } else {
            ok = false;
        }
    }
    if (!ok) {
        (void)fprintf(stderr, "usage: bench-path [--events N] [--batch N] [--source DIR]\n");
        return 2;
    }
    rt_log_set_sink(quiet, NULL);
    files_load(source);
    sim_reset(1);
    sim_disk_reset();
    files_write();
    p.pack = load_packs();
    for (int i = 0; i < RT_TENANT_MAX; i++) {
        p.zones[i] = tenant.utc_offset_ms;
    }
    p.entry = (br_host_entry){.name = "inside", .url = LINK_URL};
    for (size_t i = 0; i < agents_registry_count; i++) {
        p.entry.agents[p.entry.agent_count++] = agents_registry[i]->name;
    }
    make_messages(&p, events, batch);
    p.brain_loop = rt_loop_new();
    open_brain(&p);
    p.host_loop = rt_loop_new();
    open_host(&p);
    sim_sub(PUBLISH_URL, on_publication, &p);
    while (!br_brain_ready(p.brain) || !br__hosts_caught_up(p.brain)) {
        RT_ASSERT(sim__step());
    }
    send_upto(&p, WARM_UP / batch);
    uint64_t before = p.brain->metrics.events_in;
    uint64_t internal = p.brain->metrics.events_internal;
    uint64_t decisions = p.brain->metrics.decisions;
    path_run(&p);
    (void)printf("events %llu own %llu decisions %llu publications %llu\n",
                 (unsigned long long)(p.brain->metrics.events_in - before),
                 (unsigned long long)(p.brain->metrics.events_internal - internal),
                 (unsigned long long)(p.brain->metrics.decisions - decisions),
                 (unsigned long long)p.published);
    return 0;
}
