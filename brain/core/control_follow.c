// Design notes.
// A tail reads the journal with a reader of its own, so that it sees exactly what is durable, in
// order, and costs nothing when nobody follows. The reader is brought to the journal's end by a
// job, off the loop; from then on each commit lets the tail read on, within a bound of time per
// turn. A tail that falls too far behind is ended: its client asks for the records from where it
// stands.
#include "brain/core/control.h"
#include "runtime/base/alloc.h"
#include "runtime/seam/clock.h"

#define TURN_US 1000 // for all tails together
#define LAG_RECORDS_MAX 200000
#define SCRATCH_MAX (16u * 1024 * 1024)
#define LOOK_AT_CLOCK 64 // records between two looks
#define ITEM_MAX (BR_CONTROL_MESSAGE_MAX / 2) // behind a frame that is not yet full

struct br_tail {
    br_control *control;
    rt_ctl_call *call;
    rt_journal_reader *reader;
    br_filter filter;
    rt_arena *texts;
    rt_arena *scratch;
    rt_mpw items;
    uint32_t item_count;
    uint64_t seq; // last record read
    br_tail *next;
};

static void
free_tail(br_tail *tail)
{
    br_tail **at = &tail->control->tails;
    while (*at != tail) {
        at = &(*at)->next;
    }
    *at = tail->next;
    tail->control->tail_count--;
    rt_journal_reader_close(tail->reader);
    rt_arena_free(tail->texts);
    rt_arena_free(tail->scratch);
    rt_mpw_fini(&tail->items);
    rt_free(tail);
}

static void
flush(br_tail *tail)
{
    if (tail->item_count > 0) {
        br__item_frame(tail->control, rt_mpw_view(&tail->items), tail->item_count);
        rt_ctl_answer(tail->call, rt_mpw_view(&tail->control->out), false);
    }
    rt_mpw_clear(&tail->items);
    tail->item_count = 0;
}

static void
show(br_tail *tail, const rt_record *record)
{
    size_t before = tail->items.len;
    tail->seq = record->seq;
    if (!br__show_record(tail->control->brain, &tail->filter, record, tail->scratch,
                         &tail->items)) {
        return;
    }
    if (tail->items.failed || tail->items.len - before > ITEM_MAX) {
        tail->items.len = before; // no frame can hold it; a scan names it
        tail->items.failed = false;
        return;
    }
    tail->item_count++;
    if (tail->items.len > BR_FRAME_BYTES) {
        flush(tail);
    }
}

static bool
end_tail(br_tail *tail, rt_err err, const char *text)
{
    flush(tail);
    br__refuse(tail->control, tail->call, err, "go on from the last record seen", "%s", text);
    free_tail(tail);
    return false;
}

// Reads on; false when the tail is gone. *ret_behind is set when time was up before the end.
static bool
run_tail(br_tail *tail, int64_t until_us, bool *ret_behind)
{
    const br_brain *brain = tail->control->brain;
    uint64_t committed = rt_journal_committed(brain->journal);
    rt_record record;
    rt_err err = RT_OK;
    if (!rt_ctl_alive(tail->call)) {
        br__refuse(tail->control, tail->call, RT_ECLOSED, NULL, "the client is gone");
        free_tail(tail);
        return false;
    }
    if (committed - tail->seq > LAG_RECORDS_MAX) {
        return end_tail(tail, RT_ELIMIT, "records are made faster than they are followed");
    }
    for (uint32_t n = 1; tail->seq < committed; n++) {
        err = rt_journal_reader_next(tail->reader, &record);
        if (err != RT_OK) {
            break;
        }
        show(tail, &record);
        if (n % LOOK_AT_CLOCK == 0 && rt_clock_mono_us() >= until_us) {
            *ret_behind = *ret_behind || tail->seq < committed;
            break;
        }
    }
    if (err != RT_OK && err != RT_EEND) {
        return end_tail(tail, err, rt_err_detail());
    }
    flush(tail);
    return true;
}

void
br__tails_run(br_control *control)
{
    int64_t until_us = rt_clock_mono_us() + TURN_US;
    bool behind = false;
    for (br_tail *tail = control->tails; tail != NULL;) {
        br_tail *next = tail->next;
        (void)run_tail(tail, until_us, &behind); // one that ended is gone
        tail = next;
    }
    control->tails_behind = behind;
}

// On the job's thread: stands behind the last record that the caller has.
static void
run_seek(br_job *job)
{
    rt_record record;
    rt_err err = rt_journal_reader_open(job->dir, job->from, &job->reader);
    if (err == RT_OK) {
        err = rt_journal_reader_next(job->reader, &record);
    }
    if (err == RT_OK && record.seq != job->from) {
        err = rt_fail(RT_ENOTFOUND, "record %llu is gone, the journal begins at %llu",
                      (unsigned long long)job->from, (unsigned long long)record.seq);
    }
    if (err != RT_OK) {
        br__job_fail(job, err);
    }
}

static void
become_tail(br_job *job)
{
    br_control *control = job->control;
    br_tail *tail = rt_new(br_tail);
    tail->control = control;
    tail->call = job->call;
    tail->reader = job->reader;
    tail->filter = job->filter;
    tail->texts = job->arena;
    tail->scratch = job->scratch;
    tail->seq = job->from;
    rt_mpw_init(&tail->items, control->out.max);
    job->reader = NULL; // the tail's now
    job->arena = NULL;
    job->scratch = NULL;
    tail->next = control->tails;
    control->tails = tail;
    control->tail_count++;
    // an empty frame tells the client that nothing from here on is missed
    br__item_frame(control, (rt_bytes){NULL, 0}, 0);
    rt_ctl_answer(tail->call, rt_mpw_view(&control->out), false);
    control->tails_behind = true;
}

void
br__ask_follow(const br_ask *ask)
{
    uint64_t committed = rt_journal_committed(ask->brain->journal);
    uint64_t from = br__arg_u64(ask, "from", committed + 1);
    if (ask->control->tail_count + ask->control->job_count >= BR_TAILS_MAX) {
        br__refuse(ask->control, ask->call, RT_EBUSY, NULL, "%d tails are already followed",
                   BR_TAILS_MAX);
        return;
    }
    if (committed == 0 || from == 0 || from > committed + 1 ||
        committed + 1 - from > LAG_RECORDS_MAX) {
        br__refuse(ask->control, ask->call, RT_ERANGE, "scan first, then follow",
                   "records can be followed from %llu to %llu on, not %llu",
                   (unsigned long long)(committed > LAG_RECORDS_MAX
                                            ? committed - LAG_RECORDS_MAX
                                            : 1),
                   (unsigned long long)committed + 1, (unsigned long long)from);
        return;
    }
    br_job *job = br__job_new(ask);
    if (job == NULL || !br__job_filter(ask, job)) {
        return;
    }
    job->from = RT_MAX(from - 1, 1u);
    br__job_start(job, run_seek, become_tail);
}

void
br__tails_free(br_control *control)
{
    while (control->tails != NULL) {
        br__refuse(control, control->tails->call, RT_ECLOSED, NULL, "the brain is stopping");
        free_tail(control->tails);
    }
}
