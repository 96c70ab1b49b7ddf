#include "tools/replay/lines.h"

#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/civil.h"
#include "runtime/wire/json.h"

// Design notes.
// Events leave in the order of the lines. One without a readable time takes that of the line before
// it, so that pacing and bounds go on; the receiver judges the event itself.

#define CHUNK_BYTES 65536
#define EVENT_BYTES_MAX ((size_t)4 * 1024 * 1024)

typedef struct lines {
    FILE *file;
    char name[128];
    rt_str tenant;
    lines_report *report;
    uint64_t line;
    int64_t last_ms;
    rt_text text; // the current line
    char chunk[CHUNK_BYTES];
    size_t chunk_at;
    size_t chunk_len;
    rt_mpw json; // the line as it was
    rt_mpw body; // with a tenant
} lines;

// Reads one line without its end into l->text.   errors    RT_EEND RT_EIO
static rt_err
read_line(lines *l)
{
    rt_text_clear(&l->text);
    for (;;) {
        const char *from = l->chunk + l->chunk_at;
        size_t rest = l->chunk_len - l->chunk_at;
        const char *end = rest > 0 ? memchr(from, '\n', rest) : NULL;
        size_t len = end != NULL ? (size_t)(end - from) : rest;

        rt_text_put(&l->text, from, len);
        l->chunk_at += len;
        if (end != NULL) {
            l->chunk_at++;
            break;
        }
        l->chunk_at = 0;
        l->chunk_len = fread(l->chunk, 1, sizeof(l->chunk), l->file);
        if (l->chunk_len == 0) {
            if (ferror(l->file) != 0) {
                return rt_fail(RT_EIO, "cannot read %s", l->name);
            }
            if (l->text.len == 0) {
                return RT_EEND;
            }
            break;
        }
    }
    l->line++;
    return RT_OK;
}

static int64_t
time_of(const lines *l, rt_bytes event)
{
    rt_mp at = {0};
    rt_mp number = {0};
    rt_str text = {0};
    int64_t ms = 0;

    if (!rt_mp_find(event, RT_STR("time"), &at)) {
        return l->last_ms;
    }
    number = at;
    if (rt_mp_str(&at, &text) == RT_OK) {
        return rt_parse_rfc3339(text, &ms) == RT_OK ? ms : l->last_ms;
    }
    return rt_mp_i64(&number, &ms) == RT_OK ? ms : l->last_ms;
}

// Copies the event with a tenant added, when it has none.   errors    RT_EPROTO no JSON object
static rt_err
add_tenant(lines *l)
{
    rt_bytes event = rt_mpw_view(&l->json);
    rt_mp mp = rt_mp_init(event);
    uint32_t pairs = 0;

    if (rt_mp_map(&mp, &pairs) != RT_OK) {
        return rt_fail(RT_EPROTO, "an event is a JSON object");
    }
    rt_mpw_clear(&l->body);
    if (l->tenant.len == 0 || rt_mp_find(event, RT_STR("tenant"), &(rt_mp){0})) {
        rt_mpw_raw(&l->body, event);
        return RT_OK;
    }
    rt_mpw_map(&l->body, pairs + 1);
    rt_mpw_raw(&l->body, (rt_bytes){mp.at, (size_t)(mp.end - mp.at)});
    rt_mpw_str(&l->body, RT_STR("tenant"));
    rt_mpw_str(&l->body, l->tenant);
    return RT_OK;
}

static rt_err
convert_line(lines *l, stream_event *ret_event)
{
    rt_err err = RT_OK;

    if (l->text.truncated) {
        return rt_fail(RT_ELIMIT, "longer than %zu bytes", LINES_BYTES_MAX);
    }
    rt_mpw_clear(&l->json);
    err = rt_json_to_mp(rt_text_view(&l->text), &l->json);
    err = err == RT_OK ? add_tenant(l) : err;
    if (err != RT_OK) {
        return err;
    }
    l->last_ms = time_of(l, rt_mpw_view(&l->body));
    *ret_event = (stream_event){l->last_ms, rt_mpw_view(&l->body)};
    return RT_OK;
}

static bool
is_blank(rt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != ' ' && text.ptr[i] != '\t' && text.ptr[i] != '\r') {
            return false;
        }
    }
    return true;
}

static rt_err
next_line(void *self, stream_event *ret_event)
{
    lines *l = self;

    for (;;) {
        rt_err err = read_line(l);

        if (err != RT_OK) {
            return err;
        }
        if (is_blank(rt_text_view(&l->text))) {
            continue;
        }
        err = convert_line(l, ret_event);
        if (err == RT_OK) {
            return RT_OK;
        }
        if (l->report->bad++ == 0) {
            (void)snprintf(l->report->first, sizeof(l->report->first), "%s:%llu: %s: %s", l->name,
                           (unsigned long long)l->line, rt_err_text(err), rt_err_detail());
        }
    }
}

static void
close_lines(void *self)
{
    lines *l = self;

    if (l->file != stdin) {
        (void)fclose(l->file); // opened for reading only
    }
    rt_text_fini(&l->text);
    rt_mpw_fini(&l->json);
    rt_mpw_fini(&l->body);
    rt_free(l);
}

rt_err
lines_open(const char *path, rt_str tenant, lines_report *report, stream *ret_stream)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rbe");
    lines *l = NULL;

    if (file == NULL) {
        return rt_fail(RT_ENOTFOUND, "cannot open %s", path);
    }
    l = rt_new(lines);
    l->file = file;
    l->tenant = tenant;
    l->report = report;
    (void)snprintf(l->name, sizeof(l->name), "%s", standard ? "standard input" : path);
    rt_text_init(&l->text, LINES_BYTES_MAX);
    rt_mpw_init(&l->json, EVENT_BYTES_MAX);
    rt_mpw_init(&l->body, EVENT_BYTES_MAX);
    *ret_stream = (stream){.self = l, .next = next_line, .close = close_lines};
    return RT_OK;
}
