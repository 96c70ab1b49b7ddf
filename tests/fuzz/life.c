#include "tests/fuzz/life.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "brain/core/control.h"
#include "runtime/seam/file.h"
#include "runtime/sim/disk.h"
#include "tests/fuzz/fuzz.h"

#define DATA_DIR "/var/brain"
#define PLAYBOOK_DIR "/etc/playbooks"
#define MIB (1024ull * 1024)
#define EXECUTIONS_MAX 2000 // of one life; its clock goes on
#define HISTORY_BYTES (1u << 20)
#ifdef FUZZ_FAST
#define TOUCHES_MAX 32
#else
#define TOUCHES_MAX 1
#endif
#define DAY_MS ((int64_t)24 * 3600 * 1000)

static const br_tenant_config tenants[] = {
    {.number = 1, .name = "alpha", .utc_offset_ms = (int64_t)-5 * 3600 * 1000},
    {.number = 2, .name = "beta", .utc_offset_ms = 0},
};

static const br_webhook webhook = {.name = "shop",
                                   .url = "https://shop.example/hook",
                                   .key = {(const uint8_t *)"key", 3},
                                   .timeout_ms = 3000,
                                   .attempts = 3};

static const br_host_entry host = {
    .name = LIFE_HOST, .url = LIFE_HOST_URL, .agents = {"logistics"}, .agent_count = 1};

static rt_loop *loop;
static br_brain *live;
static uint64_t known_seq;  // last record when the last execution began
static uint32_t executions; // of this life
static uint32_t touches;    // of them left something behind
static size_t kept;         // bytes of the history that they said
static struct {
    bool is_open;
    uint8_t *bytes; // u32 used, then so many bytes
    size_t used;
} history;

static void
configure(bool with_host, br_brain_config *ret)
{
    static int64_t zones[RT_TENANT_MAX];

    zones[1] = tenants[0].utc_offset_ms;
    *ret = (br_brain_config){
        .pack = fuzz_pack(),
        .data_dir = DATA_DIR,
        .segment_bytes = 64 * 1024,
        .journal_max_bytes = 8 * MIB,
        .sync = true,
        .store_map_bytes = 64 * MIB,
        .cut_every_ms = 60000,
        .state = {.pack = fuzz_pack(),
                  .gate = {.actions_per_minute = 50,
                           .quiet_from_min = 21 * 60,
                           .quiet_until_min = 7 * 60,
                           .utc_offset_ms = zones,
                           .tenant_count = RT_TENANT_MAX},
                  .subjects_max = 1000,
                  .memories_max = 1000,
                  .dedup_events = 1024,
                  .dedup_window_ms = DAY_MS},
        .tenants = tenants,
        .tenant_count = RT_COUNT(tenants),
        .future_max_ms = 60 * DAY_MS,
        .age_max_ms = 3650 * DAY_MS,
        .clock_lag_max_ms = 60000,
        .deadline_ms = 60,
        .ingest_url = LIFE_INGEST,
        .control_path = LIFE_CONTROL,
        .limits = {.message_bytes_max = MIB, .connections_max = 16, .inflight_max = 16},
        .hosts = &host,
        .host_count = with_host ? 1 : 0,
        .webhooks = &webhook,
        .webhook_count = 1,
        .http = {.inflight_max = 4},
        .halt_file = "/run/HALT",
        .playbook_dir = PLAYBOOK_DIR,
        .build = "fuzz"};
}

static void
write_playbooks(void)
{
    static const char *const files[] = {"carrier-outage.yaml", "delayed-order.yaml"};
    static rt_str texts[RT_COUNT(files)];

    RT_ASSERT(rt_dir_make(PLAYBOOK_DIR) == RT_OK);
    for (size_t i = 0; i < RT_COUNT(files); i++) {
        char path[128];

        if (texts[i].ptr == NULL) {
            (void)snprintf(path, sizeof(path), "playbooks/logistics/%s", files[i]);
            texts[i] = fuzz_file(path);
        }
        (void)snprintf(path, sizeof(path), PLAYBOOK_DIR "/%s", files[i]);
        RT_ASSERT(rt_file_replace(path, rt_bytes_of_str(texts[i])) == RT_OK);
    }
}

static void
life_start(bool with_host)
{
    rt_diag *diag = rt_diag_new();
    br_brain_config config;

    if (live != NULL) {
        br_brain_free(live);
        rt_loop_free(loop);
    }
    sim_reset(1);
    sim_disk_reset();
    write_playbooks();
    configure(with_host, &config);
    loop = rt_loop_new();
    RT_ASSERT(br_brain_new(loop, &config, diag, &live) == RT_OK);
    rt_diag_free(diag);
    sim_advance_ms(25);
    known_seq = live->state->applied_seq;
}

// Whether the brain is not as life_start made it: journal, halt, calls that stay.
static bool
is_touched(const br_brain *brain)
{
    const br_control *control = brain->control;

    return brain->host_count > 0 || brain->state->applied_seq != known_seq ||
           brain->failed != RT_OK || control == NULL || control->jobs != NULL ||
           control->tails != NULL || control->promises != NULL || control->hashings != NULL ||
           brain->next_playbooks != NULL;
}

br_brain *
life_next(bool with_host, bool *ret_is_new)
{
    if (live != NULL && is_touched(live)) {
        known_seq = live->state->applied_seq;
        touches++;
        kept = history.used;
    }
    executions++;
    if (live == NULL || touches >= TOUCHES_MAX || executions >= EXECUTIONS_MAX) {
        touches = 0;
        executions = 0;
        kept = 0;
        life_start(with_host);
        *ret_is_new = true;
    } else {
        *ret_is_new = false;
    }
    history.used = kept; // what left nothing behind need not be said again
    return live;
}

// Maps the file of the history, so that it is there when the process is not.
static void
open_history(void)
{
    const char *path = getenv("FUZZ_HISTORY");
    int fd = path != NULL ? open(path, O_RDWR | O_CREAT, 0600) : -1;

    history.is_open = true;
    if (fd >= 0 && ftruncate(fd, HISTORY_BYTES) == 0) {
        void *mapped = mmap(NULL, HISTORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        history.bytes = mapped != MAP_FAILED ? mapped : NULL;
    }
}

void
life_note(rt_bytes said)
{
    if (!history.is_open) {
        open_history();
    }
    if (history.bytes != NULL && said.len <= HISTORY_BYTES - sizeof(uint32_t) - history.used) {
        uint32_t total = (uint32_t)(history.used + said.len);

        memcpy(history.bytes + sizeof(total) + history.used, said.ptr, said.len);
        history.used = total;
        memcpy(history.bytes, &total, sizeof(total));
    }
}

void
life_check(const br_brain *brain)
{
    RT_ASSERT(brain->failed == RT_OK);
    RT_ASSERT(brain->state->meta.decided_seq <= brain->state->applied_seq);
    RT_ASSERT(brain->control != NULL && brain->control->tail_count <= BR_TAILS_MAX);
    RT_ASSERT(brain->control->job_count <= BR_JOBS_MAX);
}
