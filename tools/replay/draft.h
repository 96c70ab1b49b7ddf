// replay/draft.h: writes one CloudEvents map in msgpack, attribute by attribute.
//
// Layer: tools/replay.   Threads: one owner.
// Empty text and absent values are left out, so that a source can hand over what it has.
#ifndef CEREBRO_TOOLS_REPLAY_DRAFT_H
#define CEREBRO_TOOLS_REPLAY_DRAFT_H

#include "runtime/wire/mp.h"

typedef struct draft_head {
    const char *type;
    rt_str id;
    rt_str source;
    const char *subject_kind; // "order"
    rt_str subject_key;       // "45871"
    int64_t time_ms;
    rt_str tenant; // empty: left to the receiver
} draft_head;

typedef struct draft {
    rt_mpw *w;
    size_t data_at; // offset of the data map's header
    uint32_t fields;
} draft;

// draft_begin appends the attributes and opens the data map.
void draft_begin(draft *d, rt_mpw *w, const draft_head *head);
// draft_str, draft_cstr, draft_i64, draft_f64, draft_bool and draft_time add one data field;
// text is cut to `cap` bytes at a character boundary, and left out when empty.
void draft_str(draft *d, const char *name, rt_str value, size_t cap);
void draft_cstr(draft *d, const char *name, const char *value);
void draft_i64(draft *d, const char *name, int64_t value);
void draft_f64(draft *d, const char *name, double value);
void draft_bool(draft *d, const char *name, bool value);
void draft_time(draft *d, const char *name, int64_t at_ms);
// draft_end closes the data map.
void draft_end(draft *d);

// draft_format_time writes RFC 3339 in UTC with milliseconds when there are any; returns its
// length. Ten times as fast as rt_format_rfc3339, which a generator calls twice an event.
size_t draft_format_time(int64_t at_ms, char buf[32]);

// draft_cut shortens UTF-8 text to at most `cap` bytes without splitting a character.
rt_str draft_cut(rt_str text, size_t cap);

#endif
