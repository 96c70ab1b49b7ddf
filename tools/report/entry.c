#include "tools/report/entry.h"

// Design notes.
// The journal form of an event is an array whose order never changes (runtime/wire/event_record.c):
// form, type, data, time, tenant, priority, flags, depth, sequence, id, source, subject, ...

#define FORM_VERSION 1
#define FORM_FIELDS 15
#define FLAG_INTERNAL 0x01

static rt_err
read_numbers(rt_mp *mp, report_entry *entry)
{
    int64_t flags = 0;
    rt_err err = rt_mp_i64(mp, &entry->time_ms);

    if (err == RT_OK) {
        err = rt_mp_u64(mp, &entry->tenant);
    }
    if (err == RT_OK) {
        err = rt_mp_skip(mp); // priority
    }
    if (err == RT_OK) {
        err = rt_mp_i64(mp, &flags);
    }
    if (err == RT_OK) {
        err = rt_mp_u64(mp, &entry->depth);
    }
    entry->internal = (flags & FLAG_INTERNAL) != 0;
    return err == RT_OK ? rt_mp_skip(mp) : err; // producer's sequence
}

static rt_err
read_names(rt_mp *mp, report_entry *entry)
{
    rt_err err = rt_mp_str(mp, &entry->id);

    if (err == RT_OK) {
        err = rt_mp_str(mp, &entry->source);
    }
    return err == RT_OK ? rt_mp_str(mp, &entry->subject) : err;
}

rt_err
report_entry_read(const rt_record *record, report_entry *ret_entry)
{
    report_entry entry = {.seq = record->seq, .at_ms = record->at_ms};
    rt_mp mp = rt_mp_init(record->payload);
    uint32_t count = 0;
    int64_t form = 0;
    rt_err err = rt_mp_array(&mp, &count);

    if (err == RT_OK) {
        err = rt_mp_i64(&mp, &form);
    }
    if (err == RT_OK && (count < FORM_FIELDS || form != FORM_VERSION)) {
        err = rt_fail(RT_EPROTO, "record %llu is no event", (unsigned long long)record->seq);
    }
    if (err == RT_OK) {
        err = rt_mp_str(&mp, &entry.type);
    }
    if (err == RT_OK) {
        err = rt_mp_raw(&mp, &entry.data);
    }
    if (err == RT_OK) {
        err = read_numbers(&mp, &entry);
    }
    if (err == RT_OK) {
        err = read_names(&mp, &entry);
    }
    if (err == RT_OK) {
        *ret_entry = entry;
    }
    return err;
}

static bool
find(const report_entry *entry, const char *field, rt_mp *ret_at)
{
    return rt_mp_find(entry->data, rt_str_of(field), ret_at);
}

rt_str
report_entry_str(const report_entry *entry, const char *field)
{
    rt_mp at;
    rt_str text = {NULL, 0};

    return find(entry, field, &at) && rt_mp_str(&at, &text) == RT_OK ? text : RT_STR("");
}

double
report_entry_f64(const report_entry *entry, const char *field, double fallback)
{
    rt_mp at;
    double value = 0;

    return find(entry, field, &at) && rt_mp_f64(&at, &value) == RT_OK ? value : fallback;
}

int64_t
report_entry_i64(const report_entry *entry, const char *field, int64_t fallback)
{
    rt_mp at;
    int64_t value = 0;

    return find(entry, field, &at) && rt_mp_i64(&at, &value) == RT_OK ? value : fallback;
}

bool
report_entry_bool(const report_entry *entry, const char *field)
{
    rt_mp at;
    bool value = false;

    return find(entry, field, &at) && rt_mp_bool(&at, &value) == RT_OK && value;
}
