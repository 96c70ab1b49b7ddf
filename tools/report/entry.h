// report/entry.h: journaled events read without an event catalogue.
//
// Layer: tools/report (may use runtime/**).   Threads: any.
// A report must work on any journal, also where the pack that wrote it is not at hand, so fields
// are looked up by name in the record itself.
#ifndef CEREBRO_TOOLS_REPORT_ENTRY_H
#define CEREBRO_TOOLS_REPORT_ENTRY_H

#include "runtime/journal/journal.h"

// One event; everything views the record's payload.
typedef struct report_entry {
    uint64_t seq;
    int64_t at_ms;   // the brain's clock
    int64_t time_ms; // when it happened
    uint64_t tenant;
    uint64_t depth;
    bool internal;
    rt_str type;
    rt_str id;
    rt_str source;
    rt_str subject;
    rt_bytes data; // msgpack map
} report_entry;

// report_entry_read reads the record of an event.
//   errors    RT_EPROTO RT_ETYPE RT_ERANGE it is none
rt_err report_entry_read(const rt_record *record, report_entry *ret_entry) RT_MUST_USE;

// report_entry_str is a text field of the data; empty when there is none.
rt_str report_entry_str(const report_entry *entry, const char *field);

// report_entry_f64 is a number of the data, or `fallback`.
double report_entry_f64(const report_entry *entry, const char *field, double fallback);

// report_entry_i64 is an integer or time of the data, or `fallback`.
int64_t report_entry_i64(const report_entry *entry, const char *field, int64_t fallback);

// report_entry_bool tells whether a field of the data is there and true.
bool report_entry_bool(const report_entry *entry, const char *field);

#endif
