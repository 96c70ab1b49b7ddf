#include "tools/replay/stream.h"

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/heap.h"

// Design notes.
// A merge keeps one event of each part in its hands and a heap over their times. A part's view
// stays valid until that part is asked again, which happens only when its event has been used: the
// part last handed out is refilled at the beginning of the next call, never earlier.

typedef struct window {
    stream inner;
    stream_bounds bounds;
    uint64_t passed;
} window;

typedef struct merge {
    size_t count;
    size_t refill; // part to ask before the next choice; `count` for none
    rt_heap heap;
    stream parts[STREAM_PARTS_MAX];
    stream_event heads[STREAM_PARTS_MAX];
} merge;

rt_err
stream_next(stream *s, stream_event *ret_event)
{
    RT_ASSERT(s->next != NULL);
    return s->next(s->self, ret_event);
}

void
stream_close(stream *s)
{
    if (s->close != NULL) {
        s->close(s->self);
    }
    *s = (stream){0};
}

static rt_err
next_in_window(void *self, stream_event *ret_event)
{
    window *w = self;
    stream_event event = {0};

    if (w->bounds.limit > 0 && w->passed >= w->bounds.limit) {
        return RT_EEND;
    }
    for (;;) {
        rt_err err = stream_next(&w->inner, &event);

        if (err != RT_OK) {
            return err;
        }
        if (w->bounds.until_ms > 0 && event.time_ms >= w->bounds.until_ms) {
            return RT_EEND;
        }
        if (event.time_ms >= w->bounds.from_ms) {
            w->passed++;
            *ret_event = event;
            return RT_OK;
        }
    }
}

static void
close_window(void *self)
{
    window *w = self;

    stream_close(&w->inner);
    rt_free(w);
}

stream
stream_window(stream inner, stream_bounds bounds)
{
    window *w = rt_new(window);
    stream out = {.self = w, .next = next_in_window, .close = close_window};

    *w = (window){.inner = inner, .bounds = bounds};
    out.first_ms = RT_MAX(inner.first_ms, bounds.from_ms);
    out.last_ms = inner.last_ms;
    if (bounds.until_ms > 0 && inner.last_ms > 0) {
        out.last_ms = RT_MIN(inner.last_ms, bounds.until_ms);
    }
    if (bounds.from_ms == 0 && bounds.until_ms == 0) {
        out.total = inner.total; // else only the source could tell
    }
    if (bounds.limit > 0 && (out.total == 0 || out.total > bounds.limit)) {
        out.total = bounds.limit;
    }
    return out;
}

static rt_err
refill(merge *m, size_t part)
{
    rt_err err = stream_next(&m->parts[part], &m->heads[part]);

    if (err == RT_EEND) {
        return RT_OK;
    }
    if (err == RT_OK) {
        rt_heap_push(&m->heap, (rt_heap_item){m->heads[part].time_ms, part, part});
    }
    return err;
}

static rt_err
next_merged(void *self, stream_event *ret_event)
{
    merge *m = self;
    size_t first = m->refill;
    size_t last = m->refill;

    if (m->refill == m->count) { // the very first call asks every part
        first = 0;
        last = m->count - 1;
    }
    for (size_t part = first; part <= last; part++) {
        rt_err err = refill(m, part);

        if (err != RT_OK) {
            return err;
        }
    }
    if (rt_heap_peek(&m->heap) == NULL) {
        return RT_EEND;
    }
    m->refill = (size_t)rt_heap_pop(&m->heap).value;
    *ret_event = m->heads[m->refill];
    return RT_OK;
}

static void
close_merge(void *self)
{
    merge *m = self;

    for (size_t i = 0; i < m->count; i++) {
        stream_close(&m->parts[i]);
    }
    rt_heap_fini(&m->heap);
    rt_free(m);
}

stream
stream_merge(const stream *parts, size_t count)
{
    merge *m = rt_new(merge);
    stream out = {.self = m, .next = next_merged, .close = close_merge};

    RT_ASSERT(count >= 1 && count <= STREAM_PARTS_MAX);
    m->count = count;
    m->refill = count;
    rt_heap_init(&m->heap);
    for (size_t i = 0; i < count; i++) {
        m->parts[i] = parts[i];
        out.total += parts[i].total;
    }
    return out;
}
