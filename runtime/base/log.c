#include "runtime/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/bytes.h"
#include "runtime/base/civil.h"
#include "runtime/base/text.h"

// Design notes.
// A line is built on the stack of the logging thread and leaves in one write(2), so lines of
// several threads never mix and no lock is held. Too long a text is cut, not dropped. Whatever a
// value holds, a line stays one line of valid UTF-8: control bytes become spaces in logfmt and
// \u escapes in JSON, bytes that are not UTF-8 become '?'.
//
// The text after the event id is "key=value key=value". For JSON it is split again: a word without
// a plausible key belongs to the value before it ("err=not found" is one field), and text before
// the first key goes into "msg".

#define BODY_MAX 1536
// Escaping makes at most six bytes of one.
#define LINE_MAX_BYTES (6 * BODY_MAX + 512)

// The settings of the one log of the process. Level and form may change at run time (relaxed: they
// guard no other data); clock and sink are set before other threads start.
static _Atomic int max_level = RT_LOG_INFO;
static _Atomic int is_json;
static int64_t (*clock_now_ms)(void);
static rt_log_sink sink_fn;
static void *sink_user;

// A line being built; what does not fit is left out.
typedef struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
} line;

static void
add(line *l, rt_str part)
{
    // One byte each stays free for the newline and for a NUL.
    size_t fit = RT_MIN(part.len, sizeof(l->text) - 2 - l->len);

    memcpy(l->text + l->len, part.ptr, fit);
    l->len += fit;
}

static void
add_cstr(line *l, const char *part)
{
    add(l, rt_str_of(part));
}

static const char *
level_name(rt_log_level level)
{
    switch (level) {
    case RT_LOG_ERROR:
        return "error";
    case RT_LOG_WARN:
        return "warn";
    case RT_LOG_INFO:
        return "info";
    case RT_LOG_DEBUG:
        return "debug";
    }
    return "error";
}

// Replaces in place what may not stand in a line of text.
static void
clean(char *text, bool keep_control)
{
    bool is_valid = rt_utf8_valid(rt_str_of(text));

    for (char *p = text; *p != '\0'; p++) {
        uint8_t c = (uint8_t)*p;

        if (c >= 0x80 && !is_valid) {
            *p = '?';
        } else if ((c < 0x20 || c == 0x7f) && !keep_control) {
            *p = ' ';
        }
    }
}

static void
add_json_string(line *l, rt_str text)
{
    add_cstr(l, "\"");
    for (size_t i = 0; i < text.len; i++) {
        char escape[8] = {text.ptr[i], '\0'};
        uint8_t c = (uint8_t)text.ptr[i];

        if (c == '"' || c == '\\') {
            (void)snprintf(escape, sizeof(escape), "\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            (void)snprintf(escape, sizeof(escape), "\\u%04x", c);
        }
        add_cstr(l, escape);
    }
    add_cstr(l, "\"");
}

static void
add_json_field(line *l, rt_str key, rt_str value)
{
    add_cstr(l, ",");
    add_json_string(l, key);
    add_cstr(l, ":");
    add_json_string(l, value);
}

// The length of a key ("depth" of "depth=3") that begins at text[at], or 0.
static size_t
key_len_at(rt_str text, size_t at)
{
    size_t end = at;

    while (end < text.len && ((text.ptr[end] >= 'a' && text.ptr[end] <= 'z') ||
                              (text.ptr[end] >= '0' && text.ptr[end] <= '9') ||
                              text.ptr[end] == '_' || text.ptr[end] == '.')) {
        end++;
    }
    return end < text.len && text.ptr[end] == '=' ? end - at : 0;
}

// Where the value that begins at `at` ends: before the next " key=", or at the end. Inside a pair
// of quotes nothing is a key.
static size_t
value_end(rt_str text, size_t at)
{
    bool is_quoted = false;

    for (size_t i = at; i < text.len; i++) {
        if (text.ptr[i] == '"') {
            is_quoted = !is_quoted;
        } else if (text.ptr[i] == ' ' && !is_quoted && key_len_at(text, i + 1) > 0) {
            return i;
        }
    }
    return text.len;
}

static rt_str
unquoted(rt_str value)
{
    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"') {
        return (rt_str){value.ptr + 1, value.len - 2};
    }
    return value;
}

static void
add_json_fields(line *l, rt_str body)
{
    size_t at = 0;

    while (at < body.len) {
        size_t key_len = key_len_at(body, at);
        size_t value_at = key_len > 0 ? at + key_len + 1 : at;
        size_t end = value_end(body, value_at);
        rt_str key = key_len > 0 ? (rt_str){body.ptr + at, key_len} : RT_STR("msg");

        add_json_field(l, key, unquoted((rt_str){body.ptr + value_at, end - value_at}));
        at = end + 1;
    }
}

static void
build_json(line *l, const char *ts, rt_log_level level, const char *event_id, rt_str body)
{
    add_cstr(l, "{\"level\":");
    add_json_string(l, rt_str_of(level_name(level)));
    if (ts[0] != '\0') {
        add_json_field(l, RT_STR("ts"), rt_str_of(ts));
    }
    add_json_field(l, RT_STR("event"), rt_str_of(event_id));
    add_json_fields(l, body);
    add_cstr(l, "}");
}

static void
build_logfmt(line *l, const char *ts, rt_log_level level, const char *event_id, rt_str body)
{
    if (ts[0] != '\0') {
        add_cstr(l, "ts=");
        add_cstr(l, ts);
        add_cstr(l, " ");
    }
    add_cstr(l, "level=");
    add_cstr(l, level_name(level));
    add_cstr(l, " event=");
    add_cstr(l, event_id);
    if (body.len > 0) {
        add_cstr(l, " ");
        add(l, body);
    }
}

static void
deliver(line *l, rt_log_level level)
{
    ssize_t written = 0;

    l->text[l->len] = '\0';
    if (sink_fn != NULL) {
        sink_fn(sink_user, level, l->text);
        return;
    }
    l->text[l->len] = '\n';
    written = write(STDERR_FILENO, l->text, l->len + 1);
    (void)written; // there is nobody left to tell
}

void
rt_log_set_level(rt_log_level level)
{
    atomic_store_explicit(&max_level, (int)level, memory_order_relaxed);
}

void
rt_log_set_json(int json)
{
    atomic_store_explicit(&is_json, json, memory_order_relaxed);
}

void
rt_log_set_clock(int64_t (*now_ms)(void))
{
    clock_now_ms = now_ms;
}

void
rt_log_set_sink(rt_log_sink sink, void *user)
{
    sink_fn = sink;
    sink_user = user;
}

void
rt_log_at(rt_log_level level, const char *event_id, const char *fmt, ...)
{
    char body[BODY_MAX];
    char ts[RT_RFC3339_CAP] = "";
    line l;
    bool want_json = atomic_load_explicit(&is_json, memory_order_relaxed) != 0;
    va_list args;

    if ((int)level > atomic_load_explicit(&max_level, memory_order_relaxed)) {
        return;
    }
    l.len = 0;
    va_start(args, fmt);
    (void)vsnprintf(body, sizeof(body), fmt, args);
    va_end(args);
    clean(body, want_json);
    if (clock_now_ms != NULL) {
        (void)rt_format_rfc3339(clock_now_ms(), ts);
    }
    if (want_json) {
        build_json(&l, ts, level, event_id, rt_str_of(body));
    } else {
        build_logfmt(&l, ts, level, event_id, rt_str_of(body));
    }
    deliver(&l, level);
}
