// Design notes.
// Reading the journal's past may mean reading a whole segment that is not in memory; on the loop
// that would hold up every decision. So each such call gets a short-lived thread with a reader of
// its own. It touches nothing of the brain but constants (pack, tenants' names) and its own job;
// the loop waits for its end before it looks at the result, so no memory is shared between the two.
#include "brain/core/control.h"

#include <stdio.h>

#include "runtime/base/alloc.h"

#define ITEMS_MAX (BR_SCAN_BYTES_MAX + 2 * BR_CONTROL_MESSAGE_MAX)
#define SCRATCH_MAX (16u * 1024 * 1024)
#define TEXTS_MAX 4096

static void
free_job(br_job *job)
{
    rt_journal_reader_close(job->reader);
    rt_wake_free(job->wake);
    rt_arena_free(job->arena);
    rt_arena_free(job->scratch);
    rt_mpw_fini(&job->items);
    rt_free(job->found);
    rt_free(job);
}

br_job *
br__job_new(const br_ask *ask)
{
    br_control *control = ask->control;
    if (control->job_count == BR_JOBS_MAX) {
        br__refuse(control, ask->call, RT_EBUSY, "try again in a moment",
                   "%d reads of the journal are under way", BR_JOBS_MAX);
        return NULL;
    }
    rt_journal_info info = rt_journal_info_get(ask->brain->journal);
    br_job *job = rt_new(br_job);
    job->control = control;
    job->call = ask->call;
    job->first = info.first_seq;
    job->until = rt_journal_committed(ask->brain->journal);
    job->arena = rt_arena_new(TEXTS_MAX);
    job->scratch = rt_arena_new(SCRATCH_MAX);
    rt_mpw_init(&job->items, ITEMS_MAX);
    snprintf(job->dir, sizeof(job->dir), "%s/journal", ask->brain->config.data_dir);
    control->job_count++;
    job->next = control->jobs;
    control->jobs = job;
    return job;
}

static void
unlink_job(br_job *job)
{
    br_job **at = &job->control->jobs;
    while (*at != job) {
        at = &(*at)->next;
    }
    *at = job->next;
    job->control->job_count--;
}

static void
on_thread(void *user)
{
    br_job *job = user;
    job->run(job);
    rt_wake_send(job->wake);
}

static void
on_done(void *user)
{
    br_job *job = user;
    rt_thread_join(job->thread);
    job->thread = NULL;
    if (job->err != RT_OK) {
        br__refuse(job->control, job->call, job->err, NULL, "%s", job->detail);
    } else {
        job->finish(job);
    }
    unlink_job(job);
    free_job(job);
}

void
br__job_start(br_job *job, void (*run)(br_job *job), void (*finish)(br_job *job))
{
    job->run = run;
    job->finish = finish;
    job->wake = rt_wake_new(job->control->brain->loop, on_done, job);
    job->thread = rt_thread_start("br-journal-read", on_thread, job);
}

void
br__job_fail(br_job *job, rt_err err)
{
    job->err = err;
    snprintf(job->detail, sizeof(job->detail), "%s", rt_err_detail());
}

void
br__job_add(br_job *job, uint64_t seq, size_t offset)
{
    if (job->found_count == job->found_cap) {
        job->found_cap = RT_MAX(job->found_cap * 2, 64u);
        job->found = rt_realloc(job->found, sizeof(br_found) * job->found_cap);
    }
    job->found[job->found_count++] = (br_found){seq, offset, job->items.len - offset};
}

// A refusal ends the call, and with it the request's bytes: nothing may be read from it afterwards.
static bool
read_filter(const br_ask *ask, br_job *job)
{
    br_filter *filter = &job->filter;
    rt_str kinds = br__arg_str(ask, "kind");
    if (!br__arg_tenant(ask, &filter->tenant, &filter->has_tenant)) {
        return false;
    }
    if (!br__kind_parse(kinds.len > 0 ? kinds : RT_STR("event"), &filter->kinds)) {
        br__refuse(ask->control, ask->call, RT_EUNKNOWN,
                   "kinds are event, decision, playbooks, reject and start",
                   "no kind of record is called '%.*s'", RT_STR_ARG(kinds));
        return false;
    }
    filter->type = rt_arena_str(job->arena, br__arg_str(ask, "type"));
    filter->subject = rt_arena_str(job->arena, br__arg_str(ask, "subject"));
    if (filter->type.ptr == NULL || filter->subject.ptr == NULL) {
        br__refuse(ask->control, ask->call, RT_ELIMIT, NULL, "type or subject is too long");
        return false;
    }
    filter->said = br__arg_bool(ask, "said");
    filter->context = br__arg_bool(ask, "context");
    return true;
}

bool
br__job_filter(const br_ask *ask, br_job *job)
{
    if (read_filter(ask, job)) {
        return true;
    }
    unlink_job(job);
    free_job(job);
    return false;
}

void
br__jobs_refuse(br_control *control)
{
    for (br_job *job = control->jobs; job != NULL; job = job->next) {
        if (job->call != NULL) {
            br__refuse(control, job->call, RT_ECLOSED, NULL, "the brain is stopping");
            job->call = NULL;
        }
    }
}

void
br__jobs_free(br_control *control)
{
    br__jobs_refuse(control);
    while (control->jobs != NULL) {
        br_job *job = control->jobs;
        rt_thread_join(job->thread);
        unlink_job(job);
        free_job(job);
    }
}
