#include "tests/bench/load.h"

#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/civil.h"
#include "runtime/wire/mp.h"
#include "tools/replay/draft.h"
#include "tools/replay/generator.h"

#define EVENTS_PER_ORDER 8 // at least; the stream is cut at the count wanted
#define DAYS 60
#define EVENT_BYTES_FIRST 320

static void
keep(load_events *events, size_t *cap, const stream_event *event)
{
    if (events->len + event->body.len > *cap) {
        *cap = RT_MAX(*cap * 2, events->len + event->body.len);
        events->bytes = rt_realloc(events->bytes, *cap);
    }
    memcpy(events->bytes + events->len, event->body.ptr, event->body.len);
    events->starts[events->count] = events->len;
    events->at_ms[events->count] = event->time_ms;
    events->len += event->body.len;
    events->count++;
    events->starts[events->count] = events->len;
}

rt_err
load_generate(uint32_t count, uint64_t seed, load_events *ret_events)
{
    gen_config config = gen_defaults();
    gen *g = NULL;
    config.seed = seed;
    config.orders = count / EVENTS_PER_ORDER + 1000;
    config.days = DAYS;
    config.tail_days = 0;
    config.dup_share = 0;
    config.bad_share = 0;
    rt_err err = gen_open(&config, &g);
    if (err != RT_OK) {
        return err;
    }
    size_t cap = (size_t)count * EVENT_BYTES_FIRST;
    load_events events = {.bytes = rt_alloc(cap),
                          .starts = rt_new_array(size_t, (size_t)count + 1),
                          .at_ms = rt_new_array(int64_t, count)};
    while (events.count < count && err == RT_OK) {
        stream_event event;
        err = gen_next(g, &event);
        if (err == RT_OK) {
            keep(&events, &cap, &event);
        }
    }
    gen_close(g);
    if (err != RT_OK && err != RT_EEND) {
        load_events_free(&events);
        return err;
    }
    *ret_events = events;
    return RT_OK;
}

void
load_events_free(load_events *events)
{
    rt_free(events->bytes);
    rt_free(events->starts);
    rt_free(events->at_ms);
    *events = (load_events){0};
}

static bool
looks_like_time(rt_str text)
{
    return (text.len == 20 || text.len == 24) && text.ptr[4] == '-' && text.ptr[7] == '-' &&
           text.ptr[10] == 'T' && text.ptr[13] == ':' && text.ptr[text.len - 1] == 'Z';
}

void
load_move(uint8_t *bytes, size_t len, int64_t delta_ms)
{
    rt_mp mp = rt_mp_init((rt_bytes){bytes, len});
    rt_mp_token token;
    delta_ms -= delta_ms % 1000;
    while (!rt_mp_done(&mp)) {
        rt_err err = rt_mp_next(&mp, &token);
        RT_ASSERT(err == RT_OK); // our own bytes
        int64_t at_ms;
        if (token.type == RT_MP_STR && looks_like_time(token.str) &&
            rt_parse_rfc3339(token.str, &at_ms) == RT_OK) {
            char text[32];
            size_t text_len = draft_format_time(at_ms + delta_ms, text);
            RT_ASSERT(text_len == token.str.len);
            memcpy(bytes + (token.str.ptr - (const char *)bytes), text, text_len);
        }
    }
}

void
load_pack(const load_events *events, uint32_t first, uint32_t count, uint32_t batch,
          int64_t now_ms, load_messages *ret_messages)
{
    RT_ASSERT(batch > 0 && batch <= UINT16_MAX && first + count <= events->count);
    uint32_t messages = (count + batch - 1) / batch;
    size_t len = events->starts[first + count] - events->starts[first];
    load_messages m = {.bytes = rt_alloc(len + (size_t)messages * 3),
                       .starts = rt_new_array(size_t, (size_t)messages + 1),
                       .sizes = rt_new_array(uint32_t, messages),
                       .count = messages,
                       .events = count};
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *from = events->bytes + events->starts[first + i];
        size_t event_len = events->starts[first + i + 1] - events->starts[first + i];
        if (i % batch == 0) {
            uint32_t size = RT_MIN(batch, count - i);
            m.starts[i / batch] = at;
            m.sizes[i / batch] = size;
            if (batch > 1) { // array 16
                m.bytes[at++] = 0xdc;
                m.bytes[at++] = (uint8_t)(size >> 8);
                m.bytes[at++] = (uint8_t)size;
            }
        }
        memcpy(m.bytes + at, from, event_len);
        load_move(m.bytes + at, event_len, now_ms - events->at_ms[first + i]);
        at += event_len;
    }
    m.starts[messages] = at;
    *ret_messages = m;
}

rt_bytes
load_message(const load_messages *messages, uint32_t index)
{
    RT_ASSERT(index < messages->count);
    size_t from = messages->starts[index];
    return (rt_bytes){messages->bytes + from, messages->starts[index + 1] - from};
}

void
load_messages_free(load_messages *messages)
{
    rt_free(messages->bytes);
    rt_free(messages->starts);
    rt_free(messages->sizes);
    *messages = (load_messages){0};
}
