// harness/drive.h: drives agents through the runner as the brain would: events in, answers out,
// with durable timers on the events' own clock.
//
// Layer: tests (links brain).   Threads: one.
// Loads the real catalogues. Every event is encoded and decoded as on its way through the journal,
// every emission is checked against the catalogue, and a failed handler fails the test.
#ifndef CEREBRO_TESTS_HARNESS_DRIVE_H
#define CEREBRO_TESTS_HARNESS_DRIVE_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "brain/agent/runner.h"
#include "brain/decide/timers.h"
#include "runtime/base/alloc.h"
#include "tests/harness/check.h"

#define DRIVE_TENANT ((rt_tenant){1})
#define DRIVE_RECORD_MAX 65536
#define DRIVE_RAISED_MAX 64
#define DRIVE_ZONE_MS ((int64_t)-5 * 3600 * 1000)

struct drive;
typedef void (*drive_on_answer)(struct drive *d, const rt_event *event, const msg_answer *answer);

typedef struct drive {
    rt_catalog *catalog;
    rt_store *store;
    rt_store *timer_store;
    br_timers *timers;
    br_runner *runner;
    rt_arena *arena;
    rt_diag *diag;
    rt_mpw payload;
    uint64_t seq;
    drive_on_answer on_answer; // may be NULL
    void *user;
    bool feeds_emissions; // emissions come back as events, as from the brain
    rt_mpw raised[DRIVE_RAISED_MAX];
    size_t raised_count;
    // What was said about the last event fed by drive_event; lives until the next.
    msg_answer last;
    // Figures since drive_open.
    uint64_t events;
    uint64_t timers_fired;
    uint64_t emissions;
    uint64_t proposals;
    uint64_t predictions;
} drive;

// drive_read reads a file of the source tree; the caller frees it with rt_free.
static inline char *
drive_read(const char *relative)
{
    char path[1024];
    const char *slash = strrchr(__FILE__, '/');
    char *text = rt_new_array(char, 1 << 18);
    FILE *file = NULL;

    (void)snprintf(path, sizeof(path), "%.*s/../../%s", (int)(slash - __FILE__), __FILE__,
                   relative);
    file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("cannot open %s", path);
    }
    text[fread(text, 1, (1 << 18) - 1, file)] = '\0';
    CHECK_INT(fclose(file), 0);
    return text;
}

static inline void
drive_report(rt_diag *diag)
{
    rt_text report;

    rt_text_init(&report, 8192);
    rt_diag_render(diag, &report);
    fail_msg("%.*s", RT_STR_ARG(rt_text_view(&report)));
}

// drive_open starts agents on an empty store in memory. `overrides` is YAML as in agents.yaml, or
// NULL.
static inline void
drive_open(drive *d, const br_agent_def *const *agents, size_t count, const char *overrides)
{
    static const char *const files[] = {"config/packs/core/catalog.yaml",
                                        "config/packs/logistics/catalog.yaml"};
    static const int64_t zones[] = {0, DRIVE_ZONE_MS, DRIVE_ZONE_MS};
    br_runner_config config = {.agents = agents,
                               .agent_count = count,
                               .utc_offset_ms = zones,
                               .tenant_count = RT_COUNT(zones)};

    memset(d, 0, sizeof(*d));
    d->catalog = rt_catalog_new();
    d->diag = rt_diag_new();
    d->arena = rt_arena_new(1 << 20);
    for (size_t i = 0; i < RT_COUNT(files); i++) {
        char *text = drive_read(files[i]);

        if (rt_catalog_load(d->catalog, files[i], rt_str_of(text), d->diag) != RT_OK) {
            drive_report(d->diag);
        }
        rt_free(text);
    }
    d->store = rt_store_open_memory();
    d->timer_store = rt_store_open_memory();
    CHECK_OK(br_timers_new(d->timer_store, &d->timers));
    rt_mpw_init(&d->payload, DRIVE_RECORD_MAX);
    if (overrides != NULL) {
        rt_node *root = NULL;

        CHECK_OK(rt_yaml_parse("agents.yaml", rt_str_of(overrides), d->arena, d->diag, &root));
        config.overrides = root;
    }
    config.catalog = d->catalog;
    config.store = d->store;
    config.diag = d->diag;
    if (br_runner_new(&config, &d->runner) != RT_OK) {
        print_error("%s\n", rt_err_detail());
        drive_report(d->diag);
    }
}

static inline void
drive_close(drive *d)
{
    br_runner_free(d->runner);
    br_timers_free(d->timers);
    rt_store_close(d->store);
    rt_store_close(d->timer_store);
    rt_mpw_fini(&d->payload);
    rt_arena_free(d->arena);
    rt_diag_free(d->diag);
    rt_catalog_free(d->catalog);
}

// Refuses what the brain would refuse of an emission; keeps it for feeding when wanted.
static inline void
drive_raise(drive *d, const rt_event *cause, const msg_emission *emission)
{
    rt_mpw w;
    rt_event decoded;
    rt_reject reject = {0};
    rt_mp mp;

    rt_mpw_init(&w, DRIVE_RECORD_MAX);
    rt_mpw_map(&w, 6);
    rt_mpw_cstr(&w, "id");
    rt_mpw_cstr(&w, "emission");
    rt_mpw_cstr(&w, "source");
    rt_mpw_cstr(&w, "/test");
    rt_mpw_cstr(&w, "type");
    rt_mpw_str(&w, emission->event);
    rt_mpw_cstr(&w, "subject");
    rt_mpw_str(&w, emission->subject);
    rt_mpw_cstr(&w, "time");
    rt_mpw_i64(&w, cause->time_ms);
    rt_mpw_cstr(&w, "data");
    rt_mpw_raw(&w, emission->data);
    mp = rt_mp_init(rt_mpw_view(&w));
    if (rt_event_decode(d->catalog, &mp, &decoded, &reject) != RT_OK) {
        fail_msg("emission %.*s: %s %s", RT_STR_ARG(emission->event), reject.path, reject.text);
    }
    if (d->feeds_emissions && d->raised_count < DRIVE_RAISED_MAX) {
        d->raised[d->raised_count++] = w;
    } else {
        rt_mpw_fini(&w);
    }
}

static inline void
drive_take(drive *d, const rt_event *event)
{
    msg_answers answers;
    const msg_answer *list = NULL;

    br_runner_take(d->runner, &answers);
    if (answers.failures.count > 0) {
        const msg_failure *failure = answers.failures.items;

        fail_msg("agent %.*s failed on %.*s: %.*s", RT_STR_ARG(failure->agent),
                 RT_STR_ARG(event->type->name), RT_STR_ARG(failure->cause));
    }
    if (br_runner_is_behind(d->runner)) {
        fail_msg("an agent failed on %.*s: %s", RT_STR_ARG(event->type->name), rt_err_detail());
    }
    memset(&d->last, 0, sizeof(d->last));
    list = answers.answers.items;
    for (uint32_t i = 0; i < answers.answers.count; i++) {
        const msg_timer *timers = list[i].timers.items;
        const msg_emission *emissions = list[i].emissions.items;

        d->last = list[i];
        d->emissions += list[i].emissions.count;
        d->proposals += list[i].proposals.count;
        d->predictions += list[i].predictions.count;
        for (uint32_t t = 0; t < list[i].timers.count; t++) {
            br_timers_set(d->timers, event->tenant, timers[t].owner, timers[t].key,
                          timers[t].due_ms, timers[t].subject);
        }
        for (uint32_t e = 0; e < list[i].emissions.count; e++) {
            drive_raise(d, event, &emissions[e]);
        }
        if (d->on_answer != NULL) {
            d->on_answer(d, event, &list[i]);
        }
    }
}

static inline void
drive_feed_one(drive *d, rt_event *event)
{
    rt_record record = {.seq = ++d->seq,
                        .at_ms = event->time_ms,
                        .kind = RT_RECORD_EVENT,
                        .flags = RT_RECORD_UNDECIDED};

    event->seq = record.seq;
    event->at_ms = record.at_ms;
    rt_mpw_clear(&d->payload);
    rt_event_encode(event, &d->payload);
    CHECK_FALSE(d->payload.failed);
    record.payload = rt_mpw_view(&d->payload);
    d->events++;
    CHECK_OK(br_runner_feed(d->runner, &record, (int64_t)record.seq));
    drive_take(d, event);
}

static inline void
drive_feed(drive *d, rt_event *event)
{
    drive_feed_one(d, event);
    for (size_t i = 0; i < d->raised_count; i++) { // grows while it is walked
        rt_mp mp = rt_mp_init(rt_mpw_view(&d->raised[i]));
        rt_event raised;
        rt_reject reject;

        CHECK_OK(rt_event_decode(d->catalog, &mp, &raised, &reject));
        raised.tenant = event->tenant;
        drive_feed_one(d, &raised);
    }
    for (size_t i = 0; i < d->raised_count; i++) {
        rt_mpw_fini(&d->raised[i]);
    }
    d->raised_count = 0;
}

// drive_until fires every timer due at or before `now_ms`.
static inline void
drive_until(drive *d, int64_t now_ms)
{
    br_due due;

    while (br_timers_due(d->timers, now_ms, &due)) {
        char owner[64];
        char key[160];
        char subject[160];
        rt_event event = {.type = rt_catalog_find(d->catalog, RT_STR("timer.fired")),
                          .tenant = due.tenant,
                          .time_ms = due.due_ms,
                          .internal = true,
                          .id = RT_STR("timer"),
                          .source = RT_STR("/brain/timers")};

        (void)snprintf(owner, sizeof(owner), "%.*s", RT_STR_ARG(due.owner));
        (void)snprintf(key, sizeof(key), "%.*s", RT_STR_ARG(due.key));
        (void)snprintf(subject, sizeof(subject), "%.*s", RT_STR_ARG(due.subject));
        br_timers_set(d->timers, due.tenant, rt_str_of(owner), rt_str_of(key), 0, RT_STR(""));
        event.subject = rt_str_of(subject);
        event.slots[rt_event_type_slot(event.type, RT_STR("owner"))] = RT_TEXT(rt_str_of(owner));
        event.slots[rt_event_type_slot(event.type, RT_STR("key"))] = RT_TEXT(rt_str_of(key));
        d->timers_fired++;
        drive_feed(d, &event);
    }
}

// drive_wire feeds one CloudEvents map in msgpack, after the timers due before it.
static inline void
drive_wire(drive *d, rt_bytes body)
{
    rt_mp mp = rt_mp_init(body);
    rt_reject reject = {0};
    rt_event event;

    if (rt_event_decode(d->catalog, &mp, &event, &reject) != RT_OK) {
        fail_msg("%s: %s", reject.path, reject.text);
    }
    event.tenant = DRIVE_TENANT;
    drive_until(d, event.time_ms - 1);
    drive_feed(d, &event);
}

// drive_field is one data field of drive_event.
typedef struct drive_field {
    const char *name;
    rt_value value;
} drive_field;

#define DRIVE_F(name, value) ((drive_field){(name), (value)})
#define DRIVE_S(name, text) ((drive_field){(name), RT_TEXT(rt_str_of(text))})
#define drive_event(d, type, subject, at_ms, ...)                                                  \
    drive_event_of((d), DRIVE_TENANT, (type), (subject), (at_ms), (drive_field[]){__VA_ARGS__},    \
                   sizeof((drive_field[]){__VA_ARGS__}) / sizeof(drive_field))

// drive_event_of feeds an event of a tenant, after the timers due before it.
static inline void
drive_event_of(drive *d, rt_tenant tenant, const char *type, const char *subject, int64_t at_ms,
               const drive_field *fields, size_t count)
{
    rt_event event = {.type = rt_catalog_find(d->catalog, rt_str_of(type)),
                      .tenant = tenant,
                      .time_ms = at_ms,
                      .id = RT_STR("test"),
                      .source = RT_STR("/test"),
                      .subject = rt_str_of(subject)};

    CHECK_TRUE(event.type != NULL);
    for (size_t i = 0; i < count; i++) {
        int slot = rt_event_type_slot(event.type, rt_str_of(fields[i].name));

        if (slot < 0) {
            fail_msg("%s has no field %s", type, fields[i].name);
        }
        event.slots[slot] = fields[i].value;
    }
    drive_until(d, at_ms - 1);
    drive_feed(d, &event);
}

// drive_proposal finds a proposal of an action in what was said last, or NULL.
static inline const msg_proposal *
drive_proposal(const drive *d, const char *action)
{
    const msg_proposal *list = d->last.proposals.items;

    for (uint32_t i = 0; i < d->last.proposals.count; i++) {
        if (rt_str_is(list[i].action, action)) {
            return &list[i];
        }
    }
    return NULL;
}

// drive_emission finds an emission of a type in what was said last, or NULL.
static inline const msg_emission *
drive_emission(const drive *d, const char *event)
{
    const msg_emission *list = d->last.emissions.items;

    for (uint32_t i = 0; i < d->last.emissions.count; i++) {
        if (rt_str_is(list[i].event, event)) {
            return &list[i];
        }
    }
    return NULL;
}

// drive_arg reads a text of a msgpack map; empty when it is not there.
static inline rt_str
drive_arg(rt_bytes map, const char *name)
{
    rt_mp at;
    rt_str text = RT_STR("");

    if (rt_mp_find(map, rt_str_of(name), &at)) {
        CHECK_OK(rt_mp_str(&at, &text));
    }
    return text;
}

// drive_number reads a number of a msgpack map; fails the test when it is not there.
static inline double
drive_number(rt_bytes map, const char *name)
{
    rt_mp at;
    double value = 0;

    if (!rt_mp_find(map, rt_str_of(name), &at)) {
        fail_msg("no %s", name);
    }
    CHECK_OK(rt_mp_f64(&at, &value));
    return value;
}

// drive_data finds a folder of the measurement data, or NULL.
static inline const char *
drive_data(const char *folder, char buf[512])
{
    const char *const tries[] = {getenv("CEREBRO_DATA"), "../shared/data", "../../shared/data"};
    struct stat info;

    for (size_t i = 0; i < RT_COUNT(tries); i++) {
        if (tries[i] != NULL) {
            (void)snprintf(buf, 512, "%s/%s", tries[i], folder);
            if (stat(buf, &info) == 0) {
                return buf;
            }
        }
    }
    return NULL;
}

#endif
