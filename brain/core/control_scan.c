// records.scan: a page of the journal, forwards from a record or backwards from the newest;
// explain: an event with its decision and what came of it.
#include "brain/core/control.h"

#include "runtime/base/alloc.h"

#define SCAN_RECORDS_MAX 200000
#define WINDOW_RECORDS_MIN 256
#define EXPLAIN_RECORDS_MAX 500000
#define OUTCOMES_MAX 64
#define ITEM_MAX (BR_CONTROL_MESSAGE_MAX - 256) // what a frame can hold

// An item that no frame can hold is named without its content.
static void
replace_item(br_job *job, const rt_record *record, size_t offset)
{
    job->items.len = offset;
    job->items.failed = false;
    br_map item = br__map_begin(&job->items);
    br__map_u64(&item, "seq", record->seq);
    br__map_i64(&item, "at_ms", record->at_ms);
    br__map_cstr(&item, "error", "too large to be shown");
    br__map_u64(&item, "bytes", record->payload.len);
    br__map_end(&item);
}

static void
show_one(br_job *job, const rt_record *record)
{
    size_t offset = job->items.len;
    if (!br__show_record(job->control->brain, &job->filter, record, job->scratch, &job->items)) {
        return;
    }
    if (job->items.failed || job->items.len - offset > ITEM_MAX) {
        replace_item(job, record, offset);
    }
    br__job_add(job, record->seq, offset);
}

// Reads records from..until as long as there is room.
static rt_err
read_range(br_job *job, uint64_t from, uint64_t until, uint32_t limit, uint64_t *ret_next)
{
    rt_journal_reader *reader;
    rt_record record;
    uint64_t next = from;
    uint32_t before = job->found_count;
    rt_err err = rt_journal_reader_open(job->dir, from, &reader);
    if (err != RT_OK) {
        return err;
    }
    uint64_t budget = RT_MAX(SCAN_RECORDS_MAX, until - from + 1);
    while (next <= until && job->found_count - before < limit && budget-- > 0 &&
           job->items.len < BR_SCAN_BYTES_MAX) {
        err = rt_journal_reader_next(reader, &record);
        if (err != RT_OK || record.seq > until) {
            break;
        }
        show_one(job, &record);
        next = record.seq + 1;
    }
    rt_journal_reader_close(reader);
    *ret_next = next;
    return err == RT_EEND ? RT_OK : err;
}

static void
run_forwards(br_job *job)
{
    uint64_t from = RT_MAX(job->from, job->first);
    uint64_t until = RT_MIN(job->until, from + SCAN_RECORDS_MAX - 1);
    job->next_seq = from;
    if (from <= until) {
        rt_err err = read_range(job, from, until, job->limit, &job->next_seq);
        if (err != RT_OK) {
            br__job_fail(job, err);
        }
    }
    job->end = job->next_seq > job->until;
}

// Turns the items found in this window, newest first over all windows, into their final order: a
// window reads forwards, so its part is reversed in place.
static void
reverse_from(br_job *job, uint32_t first)
{
    for (uint32_t a = first, b = job->found_count; a + 1 < b; a++, b--) {
        br_found swap = job->found[a];
        job->found[a] = job->found[b - 1];
        job->found[b - 1] = swap;
    }
}

// The journal reads forwards only: windows before what was read grow until enough is found.
static void
run_backwards(br_job *job)
{
    uint64_t before = RT_MIN(job->from, job->until + 1); // exclusive
    uint64_t size = RT_MAX(WINDOW_RECORDS_MIN, (uint64_t)job->limit * 4);
    uint64_t left = SCAN_RECORDS_MAX;
    while (before > job->first && job->found_count < job->limit && left > 0) {
        uint64_t from = before - job->first > size ? before - size : job->first;
        uint32_t first = job->found_count;
        size_t items = job->items.len;
        uint64_t next;
        rt_err err = read_range(job, from, before - 1, UINT32_MAX, &next);
        if (err != RT_OK) {
            br__job_fail(job, err);
            return;
        }
        if (next < before) { // no room for the whole window
            job->found_count = first;
            job->items.len = items;
            if (first > 0 || size == 1) {
                break;
            }
            size = RT_MAX(size / 4, 1u);
            continue;
        }
        reverse_from(job, first);
        left -= RT_MIN(left, before - from);
        before = from;
        size *= 2;
    }
    if (job->found_count > job->limit) {
        job->found_count = job->limit;
        before = job->found[job->limit - 1].seq;
    }
    job->next_seq = before;
    job->end = before <= job->first;
}

static void
run_scan(br_job *job)
{
    if (job->until == 0) {
        job->end = true;
    } else if (job->newest) {
        run_backwards(job);
    } else {
        run_forwards(job);
    }
}

// Items found, in groups that fit a frame.
static void
send_items(br_job *job)
{
    rt_mpw frame;
    uint32_t count = 0;
    rt_mpw_init(&frame, job->items.max);
    for (uint32_t i = 0; i < job->found_count; i++) {
        const br_found *found = &job->found[i];
        if (count > 0 && frame.len + found->len > BR_FRAME_BYTES) {
            br__item_frame(job->control, rt_mpw_view(&frame), count);
            rt_ctl_answer(job->call, rt_mpw_view(&job->control->out), false);
            rt_mpw_clear(&frame);
            count = 0;
        }
        rt_mpw_raw(&frame, (rt_bytes){job->items.ptr + found->offset, found->len});
        count++;
    }
    if (count > 0) {
        br__item_frame(job->control, rt_mpw_view(&frame), count);
        rt_ctl_answer(job->call, rt_mpw_view(&job->control->out), false);
    }
    rt_mpw_fini(&frame);
}

static void
finish_scan(br_job *job)
{
    br_ask ask = {.control = job->control, .call = job->call};
    send_items(job);
    br_map answer = br__answer_begin(&ask);
    br__map_u64(&answer, "next", job->next_seq);
    br__map_bool(&answer, "end", job->end);
    br__map_u64(&answer, "first_seq", job->first);
    br__map_u64(&answer, "last_seq", job->until);
    br__answer_end(&ask, &answer);
}

void
br__ask_scan(const br_ask *ask)
{
    br_job *job = br__job_new(ask);
    if (job == NULL || !br__job_filter(ask, job)) {
        return;
    }
    job->newest = br__arg_bool(ask, "newest");
    job->from = br__arg_u64(ask, "from", job->newest ? UINT64_MAX : 0);
    job->limit = (uint32_t)RT_MIN(br__arg_u64(ask, "limit", 100), BR_SCAN_ITEMS_MAX);
    br__job_start(job, run_scan, finish_scan);
}

// Reads one record; RT_ENOTFOUND when the journal does not hold it.
static rt_err
read_record(br_job *job, uint64_t seq, rt_journal_reader **ret_reader, rt_record *ret_record)
{
    if (seq < job->first || seq > job->until || seq == 0) {
        return rt_fail(RT_ENOTFOUND, "the journal holds records %llu to %llu, not %llu",
                       (unsigned long long)job->first, (unsigned long long)job->until,
                       (unsigned long long)seq);
    }
    rt_err err = rt_journal_reader_open(job->dir, seq, ret_reader);
    if (err == RT_OK) {
        err = rt_journal_reader_next(*ret_reader, ret_record);
    }
    if (err == RT_OK && ret_record->seq != seq) {
        err = rt_fail(RT_ENOTFOUND, "record %llu was just recycled", (unsigned long long)seq);
    }
    return err == RT_EEND ? RT_ENOTFOUND : err;
}

static bool
decode_decision(br_job *job, const rt_record *record, msg_decision *ret_decision)
{
    rt_mp mp = rt_mp_init(record->payload);
    rt_arena_reset(job->scratch);
    return rt_msg_decode(&msg_decision_def, &mp, job->scratch, ret_decision) == RT_OK;
}

// The type of an event record without decoding the rest: most records are none of ours.
static rt_str
record_type(const rt_record *record)
{
    rt_mp mp = rt_mp_init(record->payload);
    uint32_t count;
    uint64_t form;
    rt_str type;
    bool ok = rt_mp_array(&mp, &count) == RT_OK && rt_mp_u64(&mp, &form) == RT_OK &&
              rt_mp_str(&mp, &type) == RT_OK;
    return ok ? type : RT_STR("");
}

static bool
is_outcome(const br_job *job, const rt_record *record, uint64_t event_seq)
{
    static const char *const types[] = {"action.executed", "decision.rewarded",
                                        "feedback.received", "playbook.verified"};
    rt_str name = record_type(record);
    bool ours = false;
    for (size_t i = 0; i < RT_COUNT(types); i++) {
        ours = ours || rt_str_is(name, types[i]);
    }
    rt_event event;
    if (!ours || rt_event_decode_record(br_pack_catalog(job->control->brain->config.pack),
                                        record->seq, record->at_ms, record->payload,
                                        &event) != RT_OK) {
        return false;
    }
    rt_value of = rt_event_field(&event, "decision_seq");
    return of.kind == RT_KIND_I64 && (uint64_t)of.i == event_seq;
}

// found[0] is the event, found[1] its decision when there is one yet, the rest what came of it.
static rt_err
read_consequences(br_job *job, uint64_t event_seq)
{
    rt_record record;
    msg_decision decision;
    bool decided = false;
    rt_err err = RT_OK;
    for (uint32_t left = EXPLAIN_RECORDS_MAX; left > 0 && job->next_seq <= job->until; left--) {
        err = rt_journal_reader_next(job->reader, &record);
        if (err != RT_OK || record.seq > job->until) {
            break;
        }
        job->next_seq = record.seq + 1;
        if (record.kind == RT_RECORD_DECISION && !decided) {
            decided = decode_decision(job, &record, &decision) && decision.event_seq == event_seq;
            if (decided) {
                show_one(job, &record);
                job->has_decision = true;
            }
        } else if (record.kind == RT_RECORD_EVENT && job->found_count < OUTCOMES_MAX &&
                   job->items.len < BR_SCAN_BYTES_MAX && is_outcome(job, &record, event_seq)) {
            show_one(job, &record);
        }
    }
    job->end = job->next_seq > job->until;
    return err == RT_EEND ? RT_OK : err;
}

static rt_err
explain(br_job *job)
{
    rt_record record;
    msg_decision decision;
    uint64_t seq = job->from;
    rt_err err = read_record(job, seq, &job->reader, &record);
    if (err == RT_OK && record.kind == RT_RECORD_DECISION) {
        if (!decode_decision(job, &record, &decision)) {
            return rt_fail(RT_EPROTO, "record %llu is damaged", (unsigned long long)seq);
        }
        seq = decision.event_seq;
        rt_journal_reader_close(job->reader);
        job->reader = NULL;
        err = read_record(job, seq, &job->reader, &record);
    }
    if (err != RT_OK) {
        return err;
    }
    if (record.kind != RT_RECORD_EVENT) {
        return rt_fail(RT_ENOTFOUND, "record %llu is neither an event nor a decision",
                       (unsigned long long)seq);
    }
    bool decided = (record.flags & RT_RECORD_UNDECIDED) != 0;
    show_one(job, &record);
    job->next_seq = seq + 1;
    return decided ? read_consequences(job, seq) : RT_OK;
}

static void
run_explain(br_job *job)
{
    rt_err err = explain(job);
    if (err != RT_OK) {
        br__job_fail(job, err);
    }
}

static rt_bytes
found_bytes(const br_job *job, uint32_t i)
{
    return (rt_bytes){job->items.ptr + job->found[i].offset, job->found[i].len};
}

static void
finish_explain(br_job *job)
{
    br_ask ask = {.control = job->control, .call = job->call};
    uint32_t first = job->has_decision ? 2 : 1;
    br_map answer = br__answer_begin(&ask);
    br__map_raw(&answer, "event", found_bytes(job, 0));
    if (job->has_decision) {
        br__map_raw(&answer, "decision", found_bytes(job, 1));
    }
    rt_mpw_array(br__map_key(&answer, "outcomes"), job->found_count - first);
    for (uint32_t i = first; i < job->found_count; i++) {
        rt_mpw_raw(answer.w, found_bytes(job, i));
    }
    br__map_u64(&answer, "searched_to", job->next_seq - 1);
    br__map_bool(&answer, "end", job->end);
    br__answer_end(&ask, &answer);
}

void
br__ask_explain(const br_ask *ask)
{
    br_job *job = br__job_new(ask);
    if (job == NULL) {
        return;
    }
    job->filter = (br_filter){.kinds = UINT32_MAX, .context = true};
    job->from = br__arg_u64(ask, "seq", 0);
    br__job_start(job, run_explain, finish_explain);
}
