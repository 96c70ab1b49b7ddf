// replay/stream.h: a time-ordered stream of events, and what can be done with streams.
//
// Layer: tools/replay.   Threads: one owner.
// A source (rows of a shop, generator, JSON lines) hands out one encoded event at a time. Streams
// wrap one another: stream_merge(many) → stream_window(from, until, limit) → sender.
#ifndef CEREBRO_TOOLS_REPLAY_STREAM_H
#define CEREBRO_TOOLS_REPLAY_STREAM_H

#include "runtime/base/bytes.h"
#include "runtime/base/err.h"

#define STREAM_PARTS_MAX 64

typedef struct stream_event {
    int64_t time_ms;
    rt_bytes body; // one CloudEvents map in msgpack; valid until the next event of the same source
} stream_event;

typedef struct stream {
    void *self;
    rt_err (*next)(void *self, stream_event *ret_event);
    void (*close)(void *self);
    int64_t first_ms; // about when the first and last event happen; both 0 when not known
    int64_t last_ms;
    uint64_t total; // events, 0 when not known
} stream;

// What part of a stream is wanted; zero in a field means no bound.
typedef struct stream_bounds {
    int64_t from_ms;  // events at or after it
    int64_t until_ms; // events before it
    uint64_t limit;
} stream_bounds;

// stream_next hands out the next event.   errors    RT_EEND no more, and those of the source
rt_err stream_next(stream *s, stream_event *ret_event) RT_MUST_USE;
// stream_close releases a stream and those inside it; {0} is fine.
void stream_close(stream *s);
// stream_window passes on what lies within bounds.   owns      takes `inner`
stream stream_window(stream inner, stream_bounds bounds);
// stream_merge merges time-ordered streams into one; events of equal time leave in the order of
// the parts.   owns      takes the parts; 1 <= count <= STREAM_PARTS_MAX
stream stream_merge(const stream *parts, size_t count);

#endif
