#include "tools/replay/draft.h"

#include "runtime/base/check.h"
#include "runtime/base/civil.h"

#define DRAFT_CSTR_CAP 256

static void
put_digits(char *to, int64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        to[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

size_t
draft_format_time(int64_t at_ms, char buf[32])
{
    rt_civil c = rt_civil_from_ms(at_ms);

    RT_ASSERT(c.year >= 0 && c.year <= 9999);
    memcpy(buf, "0000-00-00T00:00:00", 19);
    put_digits(buf, c.year, 4);
    put_digits(buf + 5, c.month, 2);
    put_digits(buf + 8, c.day, 2);
    put_digits(buf + 11, c.hour, 2);
    put_digits(buf + 14, c.minute, 2);
    put_digits(buf + 17, c.second, 2);
    if (c.ms == 0) {
        buf[19] = 'Z';
        return 20;
    }
    buf[19] = '.';
    put_digits(buf + 20, c.ms, 3);
    buf[23] = 'Z';
    return 24;
}

rt_str
draft_cut(rt_str text, size_t cap)
{
    if (text.len <= cap) {
        return text;
    }
    text.len = cap;
    while (text.len > 0 && ((uint8_t)text.ptr[text.len] & 0xc0) == 0x80) {
        text.len--;
    }
    return text;
}

static void
put_time(rt_mpw *w, int64_t at_ms)
{
    char buf[32];
    size_t len = draft_format_time(at_ms, buf);

    rt_mpw_str(w, (rt_str){buf, len});
}

static void
put_subject(rt_mpw *w, const char *kind, rt_str key)
{
    char buf[160];
    size_t kind_len = strlen(kind);

    RT_ASSERT(kind_len + 1 + key.len <= sizeof(buf));
    memcpy(buf, kind, kind_len);
    buf[kind_len] = '/';
    memcpy(buf + kind_len + 1, key.ptr, key.len);
    rt_mpw_str(w, (rt_str){buf, kind_len + 1 + key.len});
}

void
draft_begin(draft *d, rt_mpw *w, const draft_head *head)
{
    rt_mpw_map(w, head->tenant.len > 0 ? 8 : 7);
    rt_mpw_str(w, RT_STR("specversion"));
    rt_mpw_str(w, RT_STR("1.0"));
    rt_mpw_str(w, RT_STR("id"));
    rt_mpw_str(w, head->id);
    rt_mpw_str(w, RT_STR("source"));
    rt_mpw_str(w, head->source);
    rt_mpw_str(w, RT_STR("type"));
    rt_mpw_cstr(w, head->type);
    rt_mpw_str(w, RT_STR("subject"));
    put_subject(w, head->subject_kind, head->subject_key);
    rt_mpw_str(w, RT_STR("time"));
    put_time(w, head->time_ms);
    if (head->tenant.len > 0) {
        rt_mpw_str(w, RT_STR("tenant"));
        rt_mpw_str(w, head->tenant);
    }
    rt_mpw_str(w, RT_STR("data"));
    *d = (draft){.w = w, .data_at = rt_mpw_map32(w)};
}

static void
put_name(draft *d, const char *name)
{
    rt_mpw_cstr(d->w, name);
    d->fields++;
}

void
draft_str(draft *d, const char *name, rt_str value, size_t cap)
{
    if (value.len > 0) {
        put_name(d, name);
        rt_mpw_str(d->w, draft_cut(value, cap));
    }
}

void
draft_cstr(draft *d, const char *name, const char *value)
{
    draft_str(d, name, rt_str_of(value), DRAFT_CSTR_CAP);
}

void
draft_i64(draft *d, const char *name, int64_t value)
{
    put_name(d, name);
    rt_mpw_i64(d->w, value);
}

void
draft_f64(draft *d, const char *name, double value)
{
    put_name(d, name);
    rt_mpw_f64(d->w, value);
}

void
draft_bool(draft *d, const char *name, bool value)
{
    put_name(d, name);
    rt_mpw_bool(d->w, value);
}

void
draft_time(draft *d, const char *name, int64_t at_ms)
{
    put_name(d, name);
    put_time(d->w, at_ms);
}

void
draft_end(draft *d)
{
    rt_mpw_patch32(d->w, d->data_at, d->fields);
}
