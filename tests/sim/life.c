#include "runtime/sim/disk.h"
#include "tests/sim/internal.h"

// Design notes.
// The brain and its first host are one process: they start together and die together. The second
// host is a process of its own on the same machine. Dying frees what they hold and then their
// loops, without a word to anybody; what is left is on the simulated disk.

#define START_ATTEMPTS 4

static void
on_host_failed(void *user, rt_err err)
{
    world_host *h = user;

    h->failed = err; // it is buried after this step
}

void
world_start_host(world *w, world_host *h)
{
    rt_err err = RT_OK;

    h->failed = RT_OK;
    h->config.on_failed = on_host_failed;
    h->config.failed_user = h;
    h->loop = rt_loop_new();
    // as braind tells the host in it; one outside asks the brain
    h->config.journal_first_seq =
        h->is_outside || w->brain == NULL ? 0 : br_brain_journal(w->brain).first_seq;
    err = br_host_new(h->loop, &h->config, &h->host);
    if (err != RT_OK) {
        world_violated(w, "the host does not start: %s: %s", rt_err_name(err), rt_err_detail());
    }
}

void
world_end_host(world_host *h)
{
    br_host_free(h->host);
    h->host = NULL;
    if (h->loop != NULL) {
        rt_loop_free(h->loop);
        h->loop = NULL;
    }
}

void
world_note_loss(world *w)
{
    w->history_lost =
        w->history_lost || (w->brain != NULL && w->brain->metrics.host_history_lost > 0);
}

void
world_end_brain(world *w)
{
    world_note_loss(w);
    br_brain_free(w->brain);
    w->brain = NULL;
    if (w->brain_loop != NULL) {
        rt_loop_free(w->brain_loop);
        w->brain_loop = NULL;
    }
}

void
world_mend_disk(void)
{
    for (int op = 0; op < SIM_DISK_OPS; op++) {
        sim_disk_fail_next((sim_disk_op)op, 0, RT_OK);
    }
    sim_disk_set_capacity(UINT64_MAX);
}

// Those of the brain's process, or of the whole machine.
static void
end_hosts(world *w, bool all)
{
    for (size_t i = 0; i < w->host_count; i++) {
        if (all || !w->hosts[i].is_outside) {
            rt_timer_stop(w->hosts[i].back);
            world_end_host(&w->hosts[i]);
        }
    }
}

static void
try_start(world *w)
{
    rt_diag *diag = rt_diag_new();
    rt_err err = RT_OK;

    w->brain_loop = rt_loop_new();
    err = br_brain_new(w->brain_loop, &w->config, diag, &w->brain);
    rt_diag_free(diag);
    if (err == RT_OK) {
        return;
    }
    world_say(w, "start failed: %s: %s", rt_err_name(err), rt_err_detail());
    world_end_brain(w);
    world_mend_disk();
    if (err == RT_ECRASH || (err == RT_EIO && rt_rng_chance(&w->rng, 0.5))) {
        sim_disk_crash(&w->rng);
        end_hosts(w, true);
    } else if (err != RT_ENOSPC && err != RT_EIO && !world_detected(w, err, rt_err_detail())) {
        world_violated(w, "the brain does not start: %s: %s", rt_err_name(err), rt_err_detail());
    }
}

void
world_start(world *w)
{
    rt_timer_stop(w->back); // it may have died twice
    for (int i = 0;
         i < START_ATTEMPTS && w->brain == NULL && w->result->held && !w->result->detected; i++) {
        try_start(w);
    }
    w->life++;
    if (w->result->detected) {
        return;
    }
    if (w->brain == NULL) {
        world_violated(w, "the brain does not start at all");
    }
    for (size_t i = 0; i < w->host_count && w->brain != NULL; i++) {
        rt_timer_stop(w->hosts[i].back);
        if (w->hosts[i].host == NULL) {
            world_start_host(w, &w->hosts[i]);
        }
    }
    w->halted_since_ms = -1;
    w->resuming = false;
}

void
world_die(world *w, bool power_cut)
{
    if (power_cut) {
        w->result->faults[FAULT_POWER_CUT]++;
        sim_disk_crash(&w->rng);
        world_mend_disk();
    } else {
        w->result->faults[FAULT_KILL]++;
    }
    end_hosts(w, power_cut);
    world_end_brain(w);
    if (w->calm || rt_rng_chance(&w->rng, 0.5)) {
        world_start(w);
    } else {
        rt_timer_start(w->back, world_span(w), 0);
    }
}
