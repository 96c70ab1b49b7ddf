#include "tests/bench/whole.h"

#include <stdio.h>
#include <string.h>

#include "agents/registry.h"
#include "brain/core/internal.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"
#include "runtime/sim/sim_internal.h"
#include "tests/sim/files.h"

#define INGEST_URL "tcp://127.0.0.1:7701"
#define PUBLISH_URL "tcp://127.0.0.1:7703"
#define LINK_URL "inproc://agents-inside"
#define OUTSTANDING_MAX 64
#define GIB (1024ull * 1024 * 1024)

static const br_tenant_config tenant = {
    .number = 1, .name = "demo", .utc_offset_ms = (int64_t)-5 * 3600 * 1000};
static const br_webhook webhook = {.name = "shop",
                                   .url = "https://shop.example/hook",
                                   .key = {(const uint8_t *)"key", 3},
                                   .timeout_ms = 3000,
                                   .attempts = 3};

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
open_brain(whole *w)
{
    br_brain_config config = {
        .pack = w->pack,
        .data_dir = WHOLE_DATA_DIR,
        .segment_bytes = 64ull * 1024 * 1024,
        .journal_max_bytes = GIB,
        .sync = true,
        .store_map_bytes = GIB,
        .cut_every_ms = 3600 * 1000, // a cut is not part of an event's way
        .state = {.pack = w->pack,
                  .gate = {.actions_per_minute = 1000000,
                           .quiet_from_min = 21 * 60,
                           .quiet_until_min = 7 * 60,
                           .utc_offset_ms = w->zones,
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
        .hosts = &w->entry,
        .host_count = 1,
        .webhooks = &webhook,
        .webhook_count = 1,
        .http = {.inflight_max = 4},
        .playbook_dir = "/playbooks",
        .build = "bench"};
    rt_diag *diag = rt_diag_new();
    rt_err err = br_brain_new(w->brain_loop, &config, diag, &w->brain);

    rt_diag_free(diag);
    RT_ASSERT(err == RT_OK);
}

static void
open_host(whole *w)
{
    br_host_config config = {.name = "inside",
                             .url = LINK_URL,
                             .runner = {.agents = agents_registry,
                                        .agent_count = agents_registry_count,
                                        .catalog = br_pack_catalog(w->pack),
                                        .utc_offset_ms = w->zones,
                                        .tenant_count = RT_TENANT_MAX},
                             .dir = WHOLE_DATA_DIR "/agents/inside",
                             .map_bytes = GIB,
                             .cut_every_ms = 3600 * 1000};
    rt_err err = br_host_new(w->host_loop, &config, &w->host);

    RT_ASSERT(err == RT_OK);
}

static void
on_publication(void *user, rt_bytes body)
{
    whole *w = user;

    (void)body;
    w->published++;
}

static void
on_reply(void *user, rt_err err, rt_bytes body)
{
    whole *w = user;

    (void)body;
    RT_ASSERT(err == RT_OK); // the weather is fair
    w->under_way--;
    w->answered++;
}

void
whole_send_upto(whole *w, uint32_t upto)
{
    while (w->answered < upto || br_pending_count(w->brain->pending) > 0) {
        while (w->next < upto && w->under_way < OUTSTANDING_MAX) {
            w->under_way++;
            sim_request(INGEST_URL, load_message(&w->messages, w->next++), on_reply, w);
        }
        RT_ASSERT(sim__step());
    }
}

static void
make_messages(whole *w, uint32_t events, uint32_t batch)
{
    load_events all;
    rt_err err = load_generate(events, 1, &all);

    RT_ASSERT(err == RT_OK);
    load_pack(&all, 0, all.count, batch, sim__wall_ms(), &w->messages);
    load_events_free(&all);
}

// An operator's rules, one for each of so many customers: the same of each.
static void
write_playbooks(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char path[64];
        char text[640];
        (void)snprintf(path, sizeof(path), "/playbooks/customer-%04u.yaml", (unsigned)i);
        int len = snprintf(text, sizeof(text),
                           "kind: playbook\nid: customer-%u\n"
                           "events: [order.approved, order.shipped, tracking.updated]\n"
                           "when: has(order.city) && order.city == \"Cali\" "
                           "&& has(order.customer_id) && order.customer_id == \"c%u\"\n"
                           "throttle: {key: event.subject, per: 24h}\n"
                           "do:\n  - {action: alert_operator, target: \"${event.subject}\", "
                           "args: {text: \"${order.id}\"}}\n",
                           (unsigned)i, (unsigned)i);
        RT_ASSERT(len > 0 && (size_t)len < sizeof(text));
        files_write_text(path, (rt_str){text, (size_t)len});
    }
}

static void
quiet(void *user, rt_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
}

void
whole_start(whole *w, const char *source, uint32_t events, uint32_t batch, uint32_t playbooks)
{
    *w = (whole){0};
    rt_log_set_sink(quiet, NULL);
    files_load(source);
    sim_reset(1);
    sim_disk_reset();
    files_write();
    write_playbooks(playbooks);
    w->pack = load_packs();
    for (int i = 0; i < RT_TENANT_MAX; i++) {
        w->zones[i] = tenant.utc_offset_ms;
    }
    w->entry = (br_host_entry){.name = "inside", .url = LINK_URL};
    for (size_t i = 0; i < agents_registry_count; i++) {
        w->entry.agents[w->entry.agent_count++] = agents_registry[i]->name;
    }
    make_messages(w, events, batch);
    w->brain_loop = rt_loop_new();
    open_brain(w);
    w->host_loop = rt_loop_new();
    open_host(w);
    sim_sub(PUBLISH_URL, on_publication, w);
    while (!br_brain_ready(w->brain) || !br__hosts_caught_up(w->brain)) {
        RT_ASSERT(sim__step());
    }
}
