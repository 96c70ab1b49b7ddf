#include "runtime/base/log.h"
#include "runtime/seam/file.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim_internal.h"
#include "tests/sim/files.h"
#include "tests/sim/internal.h"

static void
strike_power(world *w)
{
    world_say(w, "power cut");
    world_die(w, true);
    world_start(w);
}

static void
strike_kill(world *w)
{
    world_say(w, "kill");
    world_die(w, false);
    world_start(w);
}

// The power goes in the middle of a write or a sync; noticed when the brain fails.
static void
strike_power_in_call(world *w)
{
    static const sim_disk_op ops[] = {SIM_DISK_WRITE, SIM_DISK_SYNC, SIM_DISK_FILL};
    sim_disk_op op = ops[rt_rng_below(&w->rng, RT_COUNT(ops))];

    world_say(w, "power cut in the middle of the next disk operation of kind %d", (int)op);
    sim_disk_fail_next(op, (uint64_t)world_between(w, 1, 3), RT_ECRASH);
}

static void
strike_host(world *w)
{
    if (w->host == NULL) {
        return;
    }
    world_say(w, "host killed");
    w->result->host_kills++;
    world_end_host(w);
    w->host_back_ms = sim_now_ms() + world_between(w, 1, 8000);
}

static void
strike_link(world *w)
{
    world_say(w, "link cut");
    w->result->link_cuts++;
    sim_net_cut(LINK_URL);
    if (rt_rng_chance(&w->rng, 0.5)) {
        sim_net_block(LINK_URL, true);
        w->mend_ms = sim_now_ms() + world_between(w, 1, 9000);
    }
}

static void
strike_disk_full(world *w)
{
    world_say(w, "disk full");
    w->result->disk_full++;
    sim_disk_set_capacity(sim_disk_used_bytes() + (uint64_t)world_between(w, 0, 4096));
    if (rt_rng_chance(&w->rng, 0.5)) { // also where the space was thought to be there
        sim_disk_fail_next(SIM_DISK_FILL, 1, RT_ENOSPC);
    }
    w->mend_ms = sim_now_ms() + world_between(w, 1, 8000);
}

static void
strike_cut(world *w)
{
    world_say(w, "the next cuts of the state fail");
    w->result->failed_cuts++;
    sim_disk_fail_next(SIM_DISK_COMMIT, (uint64_t)world_between(w, 1, 3), RT_ENOSPC);
}

static void
strike_halt(world *w)
{
    rt_err err = RT_OK;

    world_say(w, "halt");
    err = rt_dir_make("/run");
    if (err == RT_OK) {
        err = rt_file_replace(HALT_FILE, rt_bytes_of_str(RT_STR("halt\n")));
    }
    if (err == RT_OK) { // else the disk is full just now
        w->mend_ms = sim_now_ms() + world_between(w, 1, 6000);
    }
}

static void
strike_playbooks(world *w)
{
    bool broken = rt_rng_chance(&w->rng, 0.3);
    rt_diag *diag = rt_diag_new();
    rt_err err = RT_OK;

    if (w->brain == NULL || sim_disk_used_bytes() == 0) {
        rt_diag_free(diag);
        return;
    }
    sim_disk_set_capacity(UINT64_MAX);
    world_mend_disk();
    files_write_playbook((unsigned)rt_rng_below(&w->rng, 1000), broken);
    err = br_brain_reload_playbooks(w->brain, diag);
    world_say(w, "playbooks reloaded%s: %s", broken ? ", broken" : "", rt_err_name(err));
    w->result->reloads++;
    if (broken && err == RT_OK) {
        world_violated(w, "a broken playbook set was accepted");
    }
    if (!broken && err != RT_OK) {
        world_violated(w, "a good playbook set was refused: %s", rt_err_detail());
    }
    files_write(); // or the next start would stumble over the broken one
    rt_diag_free(diag);
}

static void
strike_wall(world *w)
{
    int64_t step_ms = world_between(w, -3600 * 1000, 30 * 3600 * 1000);

    world_say(w, "the wall clock steps by %lld s", (long long)(step_ms / 1000));
    sim_set_wall_ms(sim__wall_ms() + step_ms);
}

void
world_strike(world *w)
{
    static void (*const all[])(world *w) = {
        strike_power,     strike_power, strike_kill,  strike_power_in_call, strike_host,
        strike_link,      strike_link,  strike_cut,   strike_disk_full,     strike_halt,
        strike_playbooks, strike_wall,  strike_power_in_call, strike_halt,
    };

    all[rt_rng_below(&w->rng, RT_COUNT(all))](w);
    w->strikes--;
    w->countdown = (uint64_t)world_between(w, 1, rt_rng_chance(&w->rng, 0.3) ? 60 : 3000);
}

void
world_mend(world *w)
{
    w->mend_ms = 0;
    world_say(w, "mended");
    sim_net_block(LINK_URL, false);
    sim_disk_set_capacity(UINT64_MAX);
    RT_IGNORE(rt_file_remove(HALT_FILE)); // it may not be there
}
