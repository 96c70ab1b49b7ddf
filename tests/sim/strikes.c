#include "runtime/base/log.h"
#include "runtime/seam/file.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim_internal.h"
#include "tests/sim/files.h"
#include "tests/sim/garbage.h"
#include "tests/sim/internal.h"

#define FULL_MAX_MS ((int64_t)60 * 1000) // the brain tries again fifty times a second
#define DRIFT_MAX_MS ((int64_t)5 * 60 * 1000)

static void
strike_power(world *w)
{
    world_say(w, "power cut");
    world_die(w, true);
}

static void
strike_kill(world *w)
{
    world_say(w, "kill");
    world_die(w, false);
}

// The power goes in the middle of a write or a sync; noticed when the brain fails.
static void
strike_power_in_call(world *w)
{
    static const sim_disk_op ops[] = {SIM_DISK_WRITE, SIM_DISK_FILL, SIM_DISK_SYNC, SIM_DISK_SYNC,
                                      SIM_DISK_SYNC};
    sim_disk_op op = ops[rt_rng_below(&w->rng, RT_COUNT(ops))];

    w->result->faults[FAULT_POWER_CUT_IN_CALL]++;
    world_say(w, "power cut in the middle of the next disk operation of kind %d", (int)op);
    w->cuts_group = op == SIM_DISK_SYNC && rt_rng_chance(&w->rng, 0.7);
    if (!w->cuts_group) {
        sim_disk_fail_next(op, (uint64_t)world_between(w, 1, 3), RT_ECRASH);
    }
}

// What was struck is mended after a while.
static void
mend_later(world *w, int64_t max_ms)
{
    w->struck = true;
    rt_timer_start(w->mend, RT_MIN(world_span(w), max_ms), 0);
}

static world_host *
draw_host(world *w)
{
    return &w->hosts[rt_rng_below(&w->rng, w->host_count)];
}

static void
strike_host(world *w)
{
    world_host *h = draw_host(w);

    if (h->host == NULL) {
        return;
    }
    world_say(w, "host %s killed", h->config.name);
    w->result->faults[FAULT_HOST_KILL]++;
    world_end_host(h);
    rt_timer_start(h->back, world_span(w), 0);
}

static void
strike_link(world *w)
{
    const char *url = draw_host(w)->config.url;

    world_say(w, "link %s cut", url);
    w->result->faults[FAULT_LINK_CUT]++;
    sim_net_cut(url);
    if (rt_rng_chance(&w->rng, 0.5)) {
        sim_net_block(url, true);
        mend_later(w, INT64_MAX);
    }
}

static void
strike_disk_full(world *w)
{
    world_say(w, "disk full");
    w->result->faults[FAULT_DISK_FULL]++;
    sim_disk_set_capacity(sim_disk_used_bytes() + (uint64_t)world_between(w, 0, 4096));
    if (rt_rng_chance(&w->rng, 0.5)) { // also where the space was thought to be there
        sim_disk_fail_all(SIM_DISK_FILL, RT_ENOSPC);
        sim_disk_fail_all(SIM_DISK_WRITE, RT_ENOSPC);
    }
    mend_later(w, FULL_MAX_MS);
}

static void
strike_cut(world *w)
{
    world_say(w, "the next cuts of the state fail");
    w->result->faults[FAULT_CUT_FAILED]++;
    sim_disk_fail_next(SIM_DISK_COMMIT, (uint64_t)world_between(w, 1, 3), RT_ENOSPC);
}

static void
on_halted(void *user, rt_err err, rt_bytes body, bool last)
{
    (void)user; // watch.c looks at the brain itself
    (void)err;
    (void)body;
    (void)last;
}

static void
strike_halt(world *w)
{
    rt_err err = RT_OK;

    if (rt_rng_chance(&w->rng, 0.5)) {
        world_say(w, "halt at the control door");
        if (world_command(w, "halt", on_halted)) {
            w->result->faults[FAULT_HALT]++;
            mend_later(w, INT64_MAX);
        }
        return;
    }
    world_say(w, "halt");
    err = rt_dir_make("/run");
    if (err == RT_OK) {
        err = rt_file_replace(HALT_FILE, rt_bytes_of_str(RT_STR("halt\n")));
    }
    if (err == RT_OK) { // else the disk is full just now
        w->result->faults[FAULT_HALT]++;
        mend_later(w, INT64_MAX);
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
    w->result->faults[broken ? FAULT_RELOAD_BROKEN : FAULT_RELOAD]++;
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

    w->result->faults[FAULT_WALL_STEP]++;
    world_say(w, "the wall clock steps by %lld s", (long long)(step_ms / 1000));
    sim_set_wall_ms(sim__wall_ms() + step_ms);
}

// Back 5 s each second, for a while.
static void
strike_wall_drift(world *w)
{
    w->result->faults[FAULT_WALL_DRIFT]++;
    w->drift_until_ms = sim_now_ms() + RT_MIN(world_span(w), DRIFT_MAX_MS);
    world_say(w, "the wall clock goes back 5 s each second");
    rt_timer_start(w->drift, 1000, 0);
}

void
world_on_drift(void *user)
{
    world *w = user;

    if (sim_now_ms() < w->drift_until_ms) {
        sim_set_wall_ms(sim__wall_ms() - 5000);
        rt_timer_start(w->drift, 1000, 0);
    }
}

// A process gets SIGSTOP, or its machine swaps: nothing runs there, everything waits for it.
static void
strike_stall(world *w)
{
    world_host *h = draw_host(w);
    bool all = rt_rng_chance(&w->rng, 0.5);

    w->result->faults[FAULT_STALL]++;
    world_say(w, "%s stands still", all ? "the brain" : h->config.name);
    if (all && w->brain_loop != NULL) {
        sim_loop_freeze(w->brain_loop, true);
    } else if (h->loop != NULL) {
        sim_loop_freeze(h->loop, true);
    }
    mend_later(w, INT64_MAX);
}

static void
strike_reader(world *w)
{
    w->result->faults[FAULT_SLOW_READER]++;
    world_say(w, "the subscriber does not read");
    w->unread = true;
    sim_sub_stall(PUBLISH_URL, true);
    mend_later(w, INT64_MAX);
}

// Any operation of the disk fails once, with whatever a disk may say.
static void
strike_disk_error(world *w)
{
    static const struct {
        sim_disk_op op;
        rt_err err;
    } errors[] = {
        {SIM_DISK_OPEN, RT_EIO},    {SIM_DISK_READ, RT_EIO},     {SIM_DISK_WRITE, RT_EIO},
        {SIM_DISK_SYNC, RT_EIO},    {SIM_DISK_FILL, RT_EIO},     {SIM_DISK_RENAME, RT_EIO},
        {SIM_DISK_REMOVE, RT_EIO},  {SIM_DISK_COMMIT, RT_EIO},   {SIM_DISK_WRITE, RT_ENOSPC},
        {SIM_DISK_SYNC, RT_ENOSPC}, {SIM_DISK_RENAME, RT_ENOSPC}, {SIM_DISK_SYNC, RT_EIO},
    };
    size_t which = (size_t)rt_rng_below(&w->rng, RT_COUNT(errors));
    sim_disk_op op = errors[which].op;
    rt_err err = errors[which].err;

    w->result->faults[FAULT_DISK_ERROR]++;
    world_say(w, "%s at the disk operation of kind %d", rt_err_name(err), (int)op);
    sim_disk_fail_next(op, (uint64_t)world_between(w, 1, 4), err);
}

// Something nobody said arrives on a link between brain and agents.
static void
strike_link_garbage(world *w)
{
    uint8_t buf[GARBAGE_CAP];
    const char *url = draw_host(w)->config.url;
    bool to_brain = rt_rng_chance(&w->rng, 0.5);

    world_say(w, "garbage to %s", to_brain ? "the brain" : "a host");
    for (int64_t i = world_between(w, 1, 5); i > 0; i--) {
        w->result->faults[FAULT_GARBAGE_LINK] +=
            sim_net_inject(url, to_brain, garbage_make(&w->rng, (rt_bytes){NULL, 0}, buf));
    }
}

// Memory runs short for some steps of brain and hosts.
static void
strike_memory(world *w)
{
    w->starved = (uint32_t)world_between(w, 1, 20);
    world_say(w, "an allocation fails in each of the next %u steps", w->starved);
}

// What is in trouble already is struck where it hurts; false when nothing is, or by lot.
static bool
strike_again(world *w)
{
    if (w->brain == NULL || rt_rng_chance(&w->rng, 0.5)) {
        return false;
    }
    if (w->brain->commit_stalled) {
        strike_link(w); // answers that wait for the disk must not count twice
    } else if (w->brain->retry_count > 0) {
        strike_halt(w); // what waits to be tried again must not be
    } else if (w->halted_since_ms >= 0) {
        strike_kill(w); // what was halted must stay so
    } else {
        return false;
    }
    return true;
}

void
world_strike(world *w)
{
    static void (*const all[])(world *w) = {
        strike_power,         strike_power,         strike_kill,          strike_host,
        strike_power_in_call, strike_power_in_call, strike_power_in_call, strike_cut,
        strike_link,          strike_link,          strike_disk_full,     strike_playbooks,
        strike_halt,          strike_halt,          strike_wall,          strike_wall_drift,
        strike_stall,         strike_stall,         strike_reader,        strike_link_garbage,
        strike_disk_error,    strike_disk_error,    strike_disk_error,    strike_memory,
    };
    bool was_struck = w->struck;
    uint64_t gap = rt_rng_chance(&w->rng, 0.3) ? 40 : w->draw.gap_max;

    if (w->draw.rots && rt_rng_chance(&w->rng, 0.3)) {
        world_rot(w);
    } else if (!strike_again(w)) {
        all[rt_rng_below(&w->rng, RT_COUNT(all))](w);
    }
    w->strikes--;
    if (w->struck && !was_struck && rt_rng_chance(&w->rng, 0.5)) {
        w->strikes++; // once more, while it is down
    }
    w->next_strike = sim_happenings() + (uint64_t)world_between(w, 1, (int64_t)gap);
}

static void
thaw(world *w)
{
    if (w->brain_loop != NULL) {
        sim_loop_freeze(w->brain_loop, false);
    }
    for (size_t i = 0; i < w->host_count; i++) {
        if (w->hosts[i].loop != NULL) {
            sim_loop_freeze(w->hosts[i].loop, false);
        }
    }
}

void
world_mend(world *w)
{
    w->struck = false;
    world_say(w, "mended");
    thaw(w);
    if (w->unread) {
        w->unread = false;
        w->read_again_ms = sim_now_ms();
        sim_sub_stall(PUBLISH_URL, false);
    }
    for (size_t i = 0; i < w->host_count; i++) {
        sim_net_block(w->hosts[i].config.url, false);
    }
    sim_disk_set_capacity(UINT64_MAX);
    sim_disk_fail_next(SIM_DISK_FILL, 0, RT_OK);
    sim_disk_fail_next(SIM_DISK_WRITE, 0, RT_OK);
    RT_IGNORE(rt_file_remove(HALT_FILE)); // it may not be there
}
