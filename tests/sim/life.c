#include "runtime/sim/disk.h"
#include "tests/sim/internal.h"

// Design notes.
// Brain and host are one process: they start together and die together. Dying frees what they hold
// and then their loops, without a word to anybody; what is left is on the simulated disk.

void
world_start_host(world *w)
{
    rt_err err = RT_OK;

    w->host_loop = rt_loop_new();
    err = br_host_new(w->host_loop, &w->host_config, &w->host);
    if (err != RT_OK) {
        world_violated(w, "the host does not start: %s: %s", rt_err_name(err), rt_err_detail());
    }
    w->host_back_ms = 0;
}

void
world_end_host(world *w)
{
    br_host_free(w->host);
    w->host = NULL;
    if (w->host_loop != NULL) {
        rt_loop_free(w->host_loop);
        w->host_loop = NULL;
    }
}

void
world_end_brain(world *w)
{
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

void
world_start(world *w)
{
    for (int attempt = 0; attempt < 4 && w->brain == NULL && w->result->held; attempt++) {
        rt_diag *diag = rt_diag_new();
        rt_err err = RT_OK;

        w->brain_loop = rt_loop_new();
        err = br_brain_new(w->brain_loop, &w->config, diag, &w->brain);
        rt_diag_free(diag);
        if (err == RT_OK) {
            continue;
        }
        world_say(w, "start failed: %s: %s", rt_err_name(err), rt_err_detail());
        world_end_brain(w);
        world_mend_disk();
        if (err == RT_ECRASH || err == RT_EIO) {
            sim_disk_crash(&w->rng);
        } else if (err != RT_ENOSPC) {
            world_violated(w, "the brain does not start: %s: %s", rt_err_name(err),
                           rt_err_detail());
        }
    }
    w->life++;
    if (w->brain == NULL) {
        world_violated(w, "the brain does not start at all");
    } else {
        world_start_host(w);
    }
    w->halted_since_ms = -1;
    w->resuming = false;
}

void
world_die(world *w, bool power_cut)
{
    if (power_cut) {
        w->result->power_cuts++;
        sim_disk_crash(&w->rng);
        world_mend_disk();
    } else {
        w->result->kills++;
    }
    world_end_host(w);
    world_end_brain(w);
}
