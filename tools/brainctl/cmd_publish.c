// brainctl events publish: one event from the command line, or JSON lines from standard input.
#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/civil.h"
#include "runtime/base/hash.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/entropy.h"
#include "runtime/wire/json.h"
#include "tools/brainctl/commands.h"
#include "tools/brainctl/door.h"
#include "tools/brainctl/output.h"

#define EVENT_MAX ((size_t)1024 * 1024)
#define BATCH_EVENTS 256
#define BATCH_BYTES ((size_t)256 * 1024)

typedef struct publishing {
    ctl_run *run;
    rt_mpw batch; // encoded events, one after the other
    uint64_t lines[BATCH_EVENTS]; // where each stood
    uint32_t count;
    uint64_t line;
    uint64_t ok;
    uint64_t duplicates;
    uint64_t errors;
    uint64_t last_seq;
} publishing;

static void
complain(publishing *p, uint64_t line, rt_str code, rt_str path, rt_str text)
{
    char message[512];
    char where[32] = "";
    if (line > 0) {
        (void)snprintf(where, sizeof(where), "line %llu: ", (unsigned long long)line);
    }
    (void)snprintf(message, sizeof(message), "%s%.*s%s%.*s", where, RT_STR_ARG(path),
                   path.len > 0 ? ": " : "", RT_STR_ARG(text));
    (void)ctl_error(p->run, code, rt_str_of(message), RT_STR("")); // counted below
    p->errors++;
}

// A result is ["ok" | "duplicate", seq] or ["error", code, path, text].
static void
take_result(publishing *p, uint32_t i, rt_bytes result)
{
    ctl_list list = ctl_items(result);
    rt_bytes parts[4] = {{NULL, 0}};
    for (size_t n = 0; n < RT_COUNT(parts) && ctl_next_item(&list, &parts[n]); n++) {
    }
    rt_mp at = rt_mp_init(parts[1]);
    if (rt_str_is(ctl_text(parts[0]), "error")) {
        complain(p, p->lines[RT_MIN(i, (uint32_t)BATCH_EVENTS - 1)], ctl_text(parts[1]),
                 ctl_text(parts[2]), ctl_text(parts[3]));
    } else if (rt_str_is(ctl_text(parts[0]), "ok")) {
        p->ok++;
        RT_IGNORE(rt_mp_u64(&at, &p->last_seq)); // only shown
    } else {
        p->duplicates++;
    }
}

static int
send_batch(publishing *p)
{
    rt_mpw events;
    rt_bytes answer;
    if (p->count == 0) {
        return CTL_OK;
    }
    rt_mpw_init(&events, CTL_REQUEST_MAX);
    rt_mpw_array(&events, p->count);
    rt_mpw_raw(&events, rt_mpw_view(&p->batch));
    ctl_map args = ctl_map_begin(CTL_REQUEST_MAX);
    rt_mpw_bin(ctl_map_key(&args, "events"), rt_mpw_view(&events));
    int code = ctl_call(p->run, "events.publish", &args, NULL, NULL, &answer);
    if (code == CTL_OK) {
        ctl_list results = ctl_items(ctl_raw(answer, "reply.results"));
        rt_bytes result;
        for (uint32_t i = 0; ctl_next_item(&results, &result); i++) {
            take_result(p, i, result);
        }
    }
    ctl_map_fini(&args);
    rt_mpw_fini(&events);
    rt_mpw_clear(&p->batch);
    p->count = 0;
    return code;
}

// What looks like JSON gets its type: 47, 0.5, true, "text", {...}; everything else is text.
static void
put_typed(rt_mpw *w, rt_str value)
{
    static const char starts[] = "-0123456789tfn\"{[";
    bool maybe = value.len > 0 && strchr(starts, value.ptr[0]) != NULL;
    if (!maybe || rt_json_to_mp(value, w) != RT_OK) {
        rt_mpw_str(w, value);
    }
}

static void
put_data(const ctl_run *run, ctl_map *event)
{
    rt_mpw *w = ctl_map_key(event, "data");
    rt_mpw_map(w, (uint32_t)run->opt.field_count);
    for (size_t i = 0; i < run->opt.field_count; i++) {
        const char *field = run->opt.fields[i];
        const char *equals = strchr(field, '=');
        rt_mpw_str(w, (rt_str){field, (size_t)(equals - field)});
        put_typed(w, rt_str_of(equals + 1));
    }
}

static void
put_id(const ctl_run *run, ctl_map *event)
{
    uint8_t random[8];
    char hex[sizeof(random) * 2 + 1];
    char id[64];
    const char *given = run->opt.values[CTL_FLAG_ID];
    if (given == NULL) {
        rt_entropy(random, sizeof(random));
        rt_hex((rt_bytes){random, sizeof(random)}, hex, sizeof(hex));
        (void)snprintf(id, sizeof(id), "ctl-%lld-%s", (long long)rt_clock_wall_ms(), hex);
        given = id;
    }
    ctl_map_str(event, "id", rt_str_of(given));
}

// Without a time the event happens now, on the brain's clock, which its events may drive.
static int
put_time(ctl_run *run, ctl_map *event)
{
    char text[RT_RFC3339_CAP];
    rt_bytes status;
    const char *given = run->opt.values[CTL_FLAG_TIME];
    if (given != NULL) {
        ctl_map_str(event, "time", rt_str_of(given));
        return CTL_OK;
    }
    int code = ctl_call(run, "status", NULL, NULL, NULL, &status);
    if (code == CTL_OK) {
        int64_t clock_ms = ctl_i64(status, "clock_ms");
        bool by_events = rt_str_is(ctl_str(status, "clock"), "events") && clock_ms > 0;
        rt_format_rfc3339(by_events ? clock_ms : ctl_i64(status, "wall_ms"), text);
        ctl_map_str(event, "time", rt_str_of(text));
    }
    return code;
}

static int
publish_one(publishing *p)
{
    ctl_run *run = p->run;
    const char *source = run->opt.values[CTL_FLAG_SOURCE];
    ctl_map event = ctl_map_begin(EVENT_MAX);
    put_id(run, &event);
    ctl_map_str(&event, "type", rt_str_of(run->args[0]));
    ctl_map_str(&event, "source", rt_str_of(source != NULL ? source : "/brainctl"));
    ctl_map_str(&event, "subject", rt_str_of(run->opt.values[CTL_FLAG_SUBJECT]));
    ctl_map_str(&event, "tenant", rt_str_of(run->opt.values[CTL_FLAG_TENANT]));
    int code = put_time(run, &event);
    put_data(run, &event);
    if (code == CTL_OK) {
        rt_mpw_raw(&p->batch, ctl_map_end(&event));
        p->lines[p->count++] = 0;
        code = send_batch(p);
    }
    ctl_map_fini(&event);
    return code;
}

// Adds an event of a line; one that names no tenant gets the one of the command line.
static void
add_event(publishing *p, rt_bytes event)
{
    const char *tenant = p->run->opt.values[CTL_FLAG_TENANT];
    ctl_list pairs = ctl_pairs(event);
    rt_str key;
    rt_bytes value;
    if (tenant == NULL || pairs.left == 0 || ctl_has(event, "tenant")) {
        rt_mpw_raw(&p->batch, event);
    } else {
        rt_mpw_map(&p->batch, pairs.left + 1);
        rt_mpw_cstr(&p->batch, "tenant");
        rt_mpw_cstr(&p->batch, tenant);
        while (ctl_next_pair(&pairs, &key, &value)) {
            rt_mpw_str(&p->batch, key);
            rt_mpw_raw(&p->batch, value);
        }
    }
    p->lines[p->count++] = p->line;
}

static int
take_line(publishing *p, rt_str line)
{
    rt_mpw event;
    int code = CTL_OK;
    rt_mpw_init(&event, EVENT_MAX * 2);
    while (line.len > 0 && strchr(" \t\r\n", line.ptr[line.len - 1]) != NULL) {
        line.len--;
    }
    if (line.len > 0 && rt_json_to_mp(line, &event) != RT_OK) {
        complain(p, p->line, RT_STR("RT_EPROTO"), RT_STR(""), rt_str_of(rt_err_detail()));
    } else if (line.len > 0) {
        if (p->count == BATCH_EVENTS || p->batch.len + event.len > BATCH_BYTES) {
            code = send_batch(p);
        }
        add_event(p, rt_mpw_view(&event));
    }
    rt_mpw_fini(&event);
    return code;
}

static int
publish_lines(publishing *p)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    int code = CTL_OK;
    if (p->run->opt.field_count > 0 || p->run->opt.values[CTL_FLAG_SUBJECT] != NULL) {
        return ctl_refuse(p->run, RT_EINVAL, NULL, "with - the events come whole, as JSON lines");
    }
    while (code == CTL_OK && (len = getline(&line, &cap, stdin)) >= 0) {
        p->line++;
        code = take_line(p, (rt_str){line, (size_t)len});
    }
    rt_free(line); // of getline; rt_free is free
    return code == CTL_OK ? send_batch(p) : code;
}

static void
put_summary(publishing *p)
{
    ctl_run *run = p->run;
    if (ctl_is_json(run)) {
        ctl_map map = ctl_map_begin(1024);
        ctl_map_u64(&map, "published", p->ok);
        ctl_map_u64(&map, "duplicates", p->duplicates);
        ctl_map_u64(&map, "errors", p->errors);
        ctl_map_u64(&map, "last_seq", p->last_seq);
        ctl_put_json(run, ctl_map_end(&map));
        ctl_map_fini(&map);
    } else if (p->ok == 1 && p->duplicates + p->errors == 0) {
        ctl_say(run, "published as record %llu\n", (unsigned long long)p->last_seq);
    } else if (p->ok + p->duplicates > 0) {
        ctl_say(run, "published %llu, known already %llu, refused %llu\n",
                (unsigned long long)p->ok, (unsigned long long)p->duplicates,
                (unsigned long long)p->errors);
    }
}

int
ctl_cmd_events_publish(ctl_run *run)
{
    publishing p = {.run = run};
    rt_mpw_init(&p.batch, CTL_REQUEST_MAX);
    int code = strcmp(run->args[0], "-") == 0 ? publish_lines(&p) : publish_one(&p);
    if (code == CTL_OK) {
        put_summary(&p);
        code = p.errors > 0 ? CTL_FAILED : CTL_OK;
    }
    rt_mpw_fini(&p.batch);
    return code;
}
