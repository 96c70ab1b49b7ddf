#include "runtime/seam/file.h"
#include "runtime/sim/sim.h"
#include "tests/sim/internal.h"

// Design notes.
// This runs after every step of the world, some ten thousand times in a life: comparisons only.

#define STORE_BYTES_MAX (64u * 1024 * 1024)
#define STORE_WATCHED_EVERY 256
#define ASKED_EVERY_MAX 2500
#define RECORDS_MAX 200000 // of a life; more are made by something that sets itself off

static void
bound(world *w, const char *what, uint64_t value, uint64_t max)
{
    if (value > max) {
        world_violated(w, "%s: %llu, never more than %llu", what, (unsigned long long)value,
                       (unsigned long long)max);
    }
}

static void
watch_bounds(world *w)
{
    const br_brain *brain = w->brain;

    bound(w, "undecided events", br_pending_count(brain->pending), BR_PENDING_MAX);
    bound(w, "intents without an outcome", br_outbox_count(brain->state->outbox), BR_OUTBOX_MAX);
    bound(w, "actions queued", br__execute_waiting(brain), BR_OUTBOX_MAX);
    bound(w, "bytes of the group in the making", rt_journal_pending_bytes(brain->journal),
          RT_MIN((uint64_t)RT_JOURNAL_GROUP_BYTES_MAX, brain->config.segment_bytes));
    bound(w, "records of a life", rt_journal_committed(brain->journal), RECORDS_MAX);
    for (size_t i = 0; i < BR_LANES; i++) {
        bound(w, "messages on a lane", brain->lanes[i].depth, BR_LANE_DEPTH);
    }
    for (size_t i = 0; i < w->host_count; i++) {
        const br_host_link *link = &brain->hosts[i];

        bound(w, "answers of a host", link->queue_count, BR_ANSWER_PARCELS_MAX);
        bound(w, "records for a host", link->batch_count, BR_HOST_BATCH_MAX);
    }
}

static void
on_resumed(void *user, rt_err err, rt_bytes body, bool last)
{
    world *w = user;

    (void)err; // asked again until the brain says that it is not halted
    (void)body;
    if (last) {
        w->resuming = false;
    }
}

bool
world_command(world *w, const char *command,
              void (*on_answer)(void *user, rt_err err, rt_bytes body, bool last))
{
    rt_mpw body;
    bool asked = false;

    rt_mpw_init(&body, 256);
    rt_mpw_map(&body, 2);
    rt_mpw_cstr(&body, "cmd");
    rt_mpw_cstr(&body, command);
    rt_mpw_cstr(&body, "args");
    rt_mpw_map(&body, 0);
    asked = sim_ctl_call(CONTROL_PATH, 0, rt_mpw_view(&body), on_answer, w) != NULL;
    rt_mpw_fini(&body);
    return asked;
}

static void
watch_halt(world *w)
{
    bool halted = br_gate_halted(br_brain_state(w->brain)->gate);

    if (!halted) {
        w->halted_since_ms = -1;
    } else if (w->halted_since_ms < 0) {
        w->halted_since_ms = sim_now_ms();
    }
    if (halted && !w->struck && !w->resuming) {
        RT_IGNORE(rt_file_remove(HALT_FILE)); // gone already, or kept by the disk till now
        w->resuming = world_command(w, "resume", on_resumed);
    }
}

// Somebody looks in at the control door, now and then.
static void
watch_door(world *w)
{
    if (sim_happenings() < w->next_ask || w->calm) {
        return;
    }
    world_ask_door(w);
    world_hang_up(w, false);
    w->next_ask = sim_happenings() + (uint64_t)world_between(w, 1, ASKED_EVERY_MAX);
}

// A saved state that knew more than the journal would be of another history after a power cut.
static void
watch_saved(world *w)
{
    uint64_t saved = rt_store_saved(w->brain->store);
    uint64_t committed = rt_journal_committed(w->brain->journal);

    if (saved > committed) {
        world_violated(w, "the state is saved up to record %llu, the journal ends at %llu",
                       (unsigned long long)saved, (unsigned long long)committed);
    }
}

void
world_watch(world *w)
{
    watch_door(w);
    if (w->brain != NULL) {
        watch_bounds(w);
        if (++w->steps % STORE_WATCHED_EVERY == 0) { // it has to be summed up
            bound(w, "bytes of state", rt_store_bytes(w->brain->store), STORE_BYTES_MAX);
        }
        watch_halt(w);
        watch_saved(w);
    }
}
