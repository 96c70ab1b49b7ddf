// Tests of actors on simulated loops: virtual time, two loops on one thread, the same every time.
#include "runtime/actor/actor_fixture.h"
#include "runtime/actor/drive.h"
#include "runtime/seam/clock.h"
#include "runtime/sim/sim.h"

#define ROUNDS 200

typedef struct town {
    rt_loop *loops[2];
    rt_actors *actors[2];
    rt_drive *drives[2];
} town;

static town
town_new(uint64_t seed)
{
    town t;

    sim_reset(seed);
    for (uint32_t i = 0; i < 2; i++) {
        rt_actors_config config = fixture_config();

        config.number = i;
        t.loops[i] = rt_loop_new();
        t.actors[i] = i == 0 ? fixture_new(config) : rt_actors_new(config);
    }
    rt_actors_connect(t.actors[0], t.actors[1], 4096);
    for (uint32_t i = 0; i < 2; i++) {
        t.drives[i] = rt_drive_new(t.actors[i], t.loops[i]);
    }
    return t;
}

static void
town_free(town *t)
{
    for (uint32_t i = 0; i < 2; i++) {
        rt_drive_free(t->drives[i]);
        rt_actors_free(t->actors[i]);
        rt_loop_free(t->loops[i]);
    }
}

static void
test_drive_sim_timers_come_at_their_virtual_time(void **state)
{
    town t = town_new(1);
    rt_actor_id a = spawn(t.actors[0], &puppet_class);
    int64_t now_us = rt_clock_mono_us();
    uint64_t value = 7;

    (void)state;
    CHECK_OK(rt_actors_send_at(t.actors[0], a, NOTE, bytes_of(&value, 8), now_us + 3600 * S));
    CHECK_OK(rt_actors_send_at(t.actors[0], a, NOTE, bytes_of(&value, 8), now_us + 1800 * S));
    sim_run_until(1800 * 1000 - 1);
    CHECK_INT(seen.note_count, 0);
    sim_run_until(1800 * 1000 + 1);
    CHECK_INT(seen.note_count, 1);
    CHECK_TRUE(sim_run_until_idle(3600 * 1000));
    CHECK_INT(seen.note_count, 2);
    CHECK_TRUE(rt_actors_now_us(t.actors[0]) >= now_us + 3600 * S);
    CHECK_TRUE(rt_actors_now_us(t.actors[0]) <= now_us + 3601 * S);
    town_free(&t);
}

// An order that goes to and fro between two loops, a note for each time.
static rt_err
act_throw(rt_actors *actors, puppet *p, const order *o)
{
    const order back = {.act = act_throw, .whom = rt_actors_self(actors), .value = o->value - 1};

    p->sum++;
    log_note((note){rt_actors_self(actors).v, 0, p->sum, false});
    return o->value == 0 ? RT_OK
                         : rt_actors_send(actors, o->whom, ACT, bytes_of(&back, sizeof(back)));
}

static uint64_t
hash_of_a_game(uint64_t seed)
{
    town t = town_new(seed);
    rt_actor_id here = spawn(t.actors[0], &puppet_class);
    rt_actor_id there = spawn(t.actors[1], &puppet_class);
    uint64_t hash = 0;

    send_order(t.actors[0], here, (order){.act = act_throw, .whom = there, .value = ROUNDS});
    CHECK_TRUE(sim_run_until_idle(60 * 1000));
    CHECK_INT(seen.note_count, ROUNDS + 1);
    check_note(ROUNDS, here, ROUNDS / 2 + 1);
    hash = sim_trace_hash();
    town_free(&t);
    return hash;
}

static void
test_drive_sim_equal_seeds_give_equal_runs(void **state)
{
    uint64_t hash = hash_of_a_game(5);

    (void)state;
    CHECK_U64(hash_of_a_game(5), hash);
    CHECK_TRUE(hash_of_a_game(6) != hash);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drive_sim_timers_come_at_their_virtual_time),
        cmocka_unit_test(test_drive_sim_equal_seeds_give_equal_runs),
    };

    return CHECK_RUN(tests);
}
