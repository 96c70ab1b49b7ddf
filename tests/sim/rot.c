#include <stdio.h>

#include "brain/core/replay.h"
#include "runtime/base/alloc.h"
#include "runtime/journal/journal.h"
#include "runtime/seam/file.h"
#include "runtime/sim/disk.h"
#include "tests/sim/internal.h"

// Design notes.
// One bit of what stands on the disk changes, while nobody writes. Of the journal there is no copy:
// damage is named and refused, at the start or when the record is read, and that ends the life as
// one in which it was detected. A state is made again from the journal, and the life goes on. What
// must not be is that nothing is said and something else comes out.
//
// The first block of a segment holds notes that are no records: damage to a note is told, and
// nothing depends on it. So only what lies behind has to be refused.

#define NAMES_MAX 64
#define NAME_CAP 64
#define PATH_CAP 256
#define HEAD_BYTES 4096 // of a segment
#define STORE_BITS_MAX (1u << 23)

typedef struct names {
    char names[NAMES_MAX][NAME_CAP];
    size_t count;
} names;

static void
on_name(void *user, const char *name)
{
    names *n = user;

    if (strstr(name, ".seg") != NULL && n->count < NAMES_MAX) {
        (void)snprintf(n->names[n->count++], NAME_CAP, "%s", name);
    }
}

// Behind the last byte of a file that is not zero.
static uint64_t
used_bytes(const char *path)
{
    rt_arena *arena = rt_arena_new(4u * 1024 * 1024);
    rt_str text = {"", 0};
    uint64_t used = 0;

    if (rt_file_read_all(path, 2u * 1024 * 1024, arena, &text) == RT_OK) {
        used = text.len;
        while (used > 0 && text.ptr[used - 1] == 0) {
            used--;
        }
    }
    rt_arena_free(arena);
    return used;
}

static bool
rot_journal(world *w, char path[PATH_CAP], uint64_t *ret_at)
{
    names *n = rt_new(names);
    uint64_t used = 0;

    if (rt_dir_list(JOURNAL_DIR, on_name, n) == RT_OK && n->count > 0) {
        (void)snprintf(path, PATH_CAP, JOURNAL_DIR "/%s",
                       n->names[rt_rng_below(&w->rng, n->count)]);
        used = used_bytes(path);
    }
    rt_free(n);
    if (used == 0) {
        return false;
    }
    uint64_t bit = rt_rng_below(&w->rng, used * 8);
    *ret_at = bit / 8;
    w->rotten = sim_disk_flip_bit(path, bit) || w->rotten;
    w->result->faults[FAULT_BIT_FLIP]++;
    world_say(w, "a bit of %s, offset %llu, has changed", path, (unsigned long long)*ret_at);
    return true;
}

static void
rot_store(world *w)
{
    size_t which = (size_t)rt_rng_below(&w->rng, w->host_count + 1);
    const char *dir = which == 0 ? DATA_DIR "/state" : w->hosts[which - 1].config.dir;

    // smaller and smaller numbers, until one is within
    for (uint64_t max = STORE_BITS_MAX; max > 8; max /= 2) {
        if (sim_kv_flip_bit(dir, rt_rng_below(&w->rng, max))) {
            w->result->faults[FAULT_BIT_FLIP]++;
            world_say(w, "a bit of the store %s has changed", dir);
            return;
        }
    }
}

void
world_rot(world *w)
{
    char path[PATH_CAP];
    uint64_t at = 0;

    // A state that rotted can be made again only where the journal has its beginning.
    if (w->draw.small_journal || rt_rng_chance(&w->rng, 0.3)) {
        (void)rot_journal(w, path, &at); // false: there is none yet
        world_die(w, false);             // the page cache, with the segment's mark, is still there
    } else {
        rot_store(w);
        world_die(w, true);
    }
}

static rt_err
replay(world *w, uint64_t *ret_state, uint64_t *ret_agents)
{
    br_replay_config config = {.journal_dir = JOURNAL_DIR,
                               .state = w->config.state,
                               .runner = w->replay};
    br_replay_result again;
    rt_diag *diag = rt_diag_new();
    rt_err err = br_replay(&config, diag, NULL, NULL, &again);

    rt_diag_free(diag);
    *ret_state = again.state_hash;
    *ret_agents = again.agents_hash;
    return err;
}

void
world_rot_at_rest(world *w)
{
    char path[PATH_CAP];
    uint64_t at = 0;
    uint64_t before[2] = {0, 0};
    uint64_t after[2] = {0, 0};
    rt_journal_info info;
    rt_err verified = RT_OK;
    rt_err replayed = replay(w, &before[0], &before[1]);

    if (replayed != RT_OK || !rot_journal(w, path, &at)) {
        return; // recycled: no beginning, no replay
    }
    verified = rt_journal_verify(JOURNAL_DIR, &info);
    if (at >= HEAD_BYTES && verified != RT_ECORRUPT) {
        world_violated(w, "a changed bit at %s, offset %llu, is not found: %s", path,
                       (unsigned long long)at, rt_err_name(verified));
    }
    if (verified == RT_ECORRUPT && strstr(rt_err_detail(), path) == NULL) {
        world_violated(w, "damage to %s is not named: %s", path, rt_err_detail());
    }
    replayed = replay(w, &after[0], &after[1]);
    if (replayed == RT_OK && (before[0] != after[0] || before[1] != after[1])) {
        world_violated(w, "a changed bit at %s, offset %llu, was accepted", path,
                       (unsigned long long)at);
    }
    if (replayed != RT_OK && replayed != RT_ECORRUPT) {
        world_violated(w, "damage to %s is called %s", path, rt_err_name(replayed));
    }
}
