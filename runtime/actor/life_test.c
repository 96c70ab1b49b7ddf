// Tests of spawning and stopping: ids, families, memory.
#include "runtime/actor/actor_fixture.h"

static void
test_life_ids_are_never_used_again(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id old = spawn(actors, &puppet_class);
    rt_actor_id next;

    (void)state;
    CHECK_TRUE(rt_actors_is_alive(actors, old));
    CHECK_OK(rt_actors_stop(actors, old, RT_OK));
    next = spawn(actors, &puppet_class);
    CHECK_INT((uint32_t)next.v, (uint32_t)old.v); // the same place
    CHECK_TRUE(next.v != old.v);
    CHECK_FALSE(rt_actors_is_alive(actors, old));
    CHECK_ERR(try_note(actors, old, 1), RT_ENOTFOUND);
    CHECK_ERR(rt_actors_stop(actors, old, RT_OK), RT_ENOTFOUND);
    CHECK_FALSE(rt_actors_is_alive(actors, (rt_actor_id){next.v + (1ull << 32)})); // nor a guess
    CHECK_OK(rt_actors_stop(actors, next, RT_OK));
    CHECK_FALSE(rt_actors_is_alive(actors, (rt_actor_id){next.v + (1ull << 32)}));
    rt_actors_free(actors);
}

static void
test_life_place_whose_ids_are_used_up_is_left_alone(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);

    (void)state;
    CHECK_OK(rt_actors_stop(actors, a, RT_OK));
    rt__actor_at(actors, 0)->generation = UINT32_MAX; // as after four thousand million lives
    a = spawn(actors, &puppet_class);
    CHECK_INT((uint32_t)a.v, 0);
    CHECK_OK(rt_actors_stop(actors, a, RT_OK));
    CHECK_INT((uint32_t)spawn(actors, &puppet_class).v, 1);
    rt_actors_free(actors);
}

static void
test_life_stopped_one_loses_what_waits_as_dead_letters(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);
    rt_actor_id b = spawn(actors, &puppet_class);
    rt_actor_id next;

    (void)state;
    send_note(actors, a, 1);
    send_note(actors, a, 2);
    CHECK_OK(rt_actors_monitor(actors, a, b));
    CHECK_OK(rt_actors_stop(actors, b, RT_OK)); // told a, who will never hear it
    CHECK_OK(rt_actors_stop(actors, a, RT_OK));
    CHECK_INT(seen.letter_count, 2);
    check_letter(0, a, 1, RT_ECLOSED, 0);
    check_letter(1, a, 2, RT_ECLOSED, 0);
    CHECK_CSTR(seen.letters[0].class_name, "puppet");
    CHECK_INT(seen.finis, 2);
    next = spawn(actors, &puppet_class); // while the old place stands in the run queue still
    CHECK_TRUE((uint32_t)next.v != (uint32_t)a.v);
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(seen.note_count, 0);
    CHECK_INT((uint32_t)spawn(actors, &puppet_class).v, (uint32_t)a.v);
    rt_actors_free(actors);
}

static rt_err
act_stop_then_note(rt_actors *actors, puppet *p, const order *o)
{
    rt_err err = act_stop(actors, p, o);

    return err == RT_OK ? try_note(actors, o->whom, 77) : err;
}

static void
test_life_actor_may_stop_itself_and_others(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);
    rt_actor_id b = spawn(actors, &puppet_class);

    (void)state;
    send_order(actors, a, (order){.act = act_stop_then_note, .whom = b});
    send_order(actors, a, (order){.act = act_stop_then_note, .whom = a});
    send_note(actors, a, 5);
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_FALSE(rt_actors_is_alive(actors, a));
    CHECK_FALSE(rt_actors_is_alive(actors, b));
    CHECK_INT(seen.letter_count, 3);
    check_letter(0, b, 77, RT_ECLOSED, 0);
    check_letter(1, a, 5, RT_ECLOSED, 0);
    check_letter(2, a, 77, RT_ECLOSED, 0);
    CHECK_INT(rt_actors_figures_of(actors).actors, 0);
    CHECK_INT((uint32_t)spawn(actors, &puppet_class).v, 0); // its place is free at once
    rt_actors_free(actors);
}

static rt_err
act_stop_twice(rt_actors *actors, puppet *p, const order *o)
{
    rt_err err = act_stop(actors, p, o);

    return err == RT_OK ? act_stop(actors, p, o) : err;
}

static void
test_life_stopping_twice_in_one_handler_is_once(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);
    rt_actor_id b = spawn(actors, &puppet_class);

    (void)state;
    send_order(actors, a, (order){.act = act_stop_twice, .whom = b});
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(seen.finis, 1);
    CHECK_INT(rt_actors_figures_of(actors).actors, 1);
    rt_actors_free(actors);
}

// --- families -------------------------------------------------------------------------------

// The child that the actor spawned last.
static rt_actor_id
child_of(rt_actors *actors, rt_actor_id parent)
{
    const rt__actor *found = rt__actor_find(actors, parent);

    CHECK_TRUE(found != NULL);
    return ((const puppet *)found->state)->child;
}

static rt_actor_id
grow(rt_actors *actors, rt_actor_id parent)
{
    send_order(actors, parent, (order){.act = act_spawn});
    CHECK_INT(run_at(actors, rt_actors_now_us(actors)), -1);
    return child_of(actors, parent);
}

static void
test_life_children_stop_with_their_parent_youngest_first(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id watcher = spawn(actors, &puppet_class);
    rt_actor_id root = spawn(actors, &puppet_class);
    rt_actor_id first = grow(actors, root);
    rt_actor_id second = grow(actors, root);
    rt_actor_id third = grow(actors, root);
    rt_actor_id grandchild = grow(actors, second);
    const rt_actor_id in_order[] = {third, grandchild, second, first, root};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(in_order); i++) {
        CHECK_OK(rt_actors_monitor(actors, watcher, in_order[i]));
    }
    CHECK_OK(rt_actors_stop(actors, root, RT_EHALTED));
    CHECK_INT(rt_actors_figures_of(actors).actors, 1);
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(seen.note_count, RT_COUNT(in_order));
    for (size_t i = 0; i < RT_COUNT(in_order); i++) {
        check_down(i, watcher, in_order[i], RT_EHALTED);
    }
    rt_actors_free(actors);
}

static void
test_life_child_may_leave_from_anywhere_in_the_row(void **state)
{
    (void)state;
    for (size_t gone = 0; gone < 4; gone++) {
        rt_actors *actors = fixture_new(fixture_config());
        rt_actor_id root = spawn(actors, &puppet_class);
        rt_actor_id children[4];

        for (size_t i = 0; i < RT_COUNT(children); i++) {
            children[i] = grow(actors, root);
        }
        CHECK_OK(rt_actors_stop(actors, children[gone], RT_OK));
        CHECK_INT(rt_actors_figures_of(actors).actors, 4);
        CHECK_OK(rt_actors_stop(actors, children[(gone + 1) % 4], RT_OK));
        (void)grow(actors, root);
        CHECK_OK(rt_actors_stop(actors, root, RT_OK));
        CHECK_INT(rt_actors_figures_of(actors).actors, 0);
        rt_actors_free(actors);
    }
}

static void
test_life_child_that_stops_its_parent_goes_too(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id root = spawn(actors, &puppet_class);
    rt_actor_id child = grow(actors, root);

    (void)state;
    send_order(actors, child, (order){.act = act_stop, .whom = root});
    send_note(actors, child, 3);
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(rt_actors_figures_of(actors).actors, 0);
    check_letter(0, child, 3, RT_ECLOSED, 0);
    rt_actors_free(actors);
}

static void
test_life_failure_takes_the_children_and_leaves_the_siblings(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id root = spawn(actors, &puppet_class);
    rt_actor_id failing = grow(actors, root);
    rt_actor_id sibling = grow(actors, root);
    rt_actor_id grandchild = grow(actors, failing);

    (void)state;
    send_order(actors, failing, (order){.fails = RT_EIO});
    CHECK_INT(run_at(actors, 0), 10 * MS);
    CHECK_FALSE(rt_actors_is_alive(actors, grandchild));
    CHECK_TRUE(rt_actors_is_alive(actors, failing));
    CHECK_TRUE(rt_actors_is_alive(actors, sibling));
    CHECK_TRUE(rt_actors_is_alive(actors, root));
    rt_actors_free(actors);
}

static void
test_life_deep_family_ends_without_recursion(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id root = spawn(actors, &puppet_class);
    rt_actor_id at = root;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        send_order(actors, at, (order){.act = act_spawn});
        CHECK_INT(rt_actors_run(actors, 0), -1);
        at = child_of(actors, at);
    }
    CHECK_OK(rt_actors_stop(actors, root, RT_OK));
    CHECK_INT(rt_actors_figures_of(actors).actors, 0);
    rt_actors_free(actors);
}

// --- init -----------------------------------------------------------------------------------

static void
test_life_arguments_reach_init_again_after_a_failure(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = RT_ACTOR_NOBODY;
    uint64_t arg = 4711;

    (void)state;
    CHECK_OK(rt_actors_spawn(actors, &puppet_class, bytes_of(&arg, sizeof(arg)), &a));
    CHECK_U64(seen.init_arg, 4711);
    arg = 0;
    send_order(actors, a, (order){.fails = RT_EIO});
    CHECK_INT(run_at(actors, 0), 10 * MS);
    seen.init_arg = 0;
    CHECK_INT(run_at(actors, 10 * MS), 30 * MS);
    CHECK_U64(seen.init_arg, 4711);
    rt_actors_free(actors);
}

static rt_err
init_greets(rt_actors *actors, puppet *p, const order *o)
{
    (void)p;
    return try_note(actors, o->whom, 6);
}

static rt_err
act_relay_around_a_failed_spawn(rt_actors *actors, puppet *p, const order *o)
{
    rt_err err = try_note(actors, o->whom, 1);

    CHECK_OK(err);
    CHECK_ERR(act_spawn(actors, p, o), RT_EIO);
    return try_note(actors, o->whom, 2);
}

static void
test_life_what_a_failed_init_asked_for_never_happens(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);
    rt_actor_id b = {99};

    (void)state;
    seen.init_acts = init_greets;
    seen.init_whom = a;
    seen.init_fails = RT_EIO;
    CHECK_ERR(rt_actors_spawn(actors, &puppet_class, bytes_of(NULL, 0), &b), RT_EIO);
    CHECK_U64(b.v, 99); // untouched
    // Within a handler, which itself succeeds: what came before it stays.
    seen.init_fails = RT_OK;
    b = spawn(actors, &puppet_class);
    seen.init_fails = RT_EIO;
    send_order(actors, b, (order){.act = act_relay_around_a_failed_spawn, .whom = a});
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(seen.note_count, 3);
    check_note(0, a, 6);
    check_note(1, a, 1);
    check_note(2, a, 2);
    CHECK_INT(rt_actors_figures_of(actors).actors, 2);
    CHECK_INT(seen.finis, 0);
    rt_actors_free(actors);
}

static rt_err
init_nests(rt_actors *actors, puppet *p, const order *o)
{
    return act_spawn(actors, p, o);
}

static void
test_life_endless_nesting_is_refused(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = RT_ACTOR_NOBODY;

    (void)state;
    seen.init_acts = init_nests;
    CHECK_ERR(rt_actors_spawn(actors, &puppet_class, bytes_of(NULL, 0), &a), RT_ELIMIT);
    CHECK_INT(seen.inits, RT_ACTORS_SPAWN_DEPTH_MAX);
    CHECK_INT(rt_actors_figures_of(actors).actors, 0);
    rt_actors_free(actors);
}

// --- bounds ---------------------------------------------------------------------------------

static void
test_life_actors_are_bounded(void **state)
{
    rt_actors_config config = fixture_config();
    rt_actors *actors = NULL;
    rt_actor_id a;
    rt_actor_id b = RT_ACTOR_NOBODY;

    (void)state;
    config.actors_max = 2;
    actors = fixture_new(config);
    a = spawn(actors, &puppet_class);
    (void)spawn(actors, &puppet_class);
    CHECK_ERR(rt_actors_spawn(actors, &puppet_class, bytes_of(NULL, 0), &b), RT_EFULL);
    CHECK_OK(rt_actors_stop(actors, a, RT_OK));
    CHECK_OK(rt_actors_spawn(actors, &puppet_class, bytes_of(NULL, 0), &b));
    CHECK_OK(rt_actors_stop(actors, b, RT_OK));
    actors->free_places = RT__NO_ACTOR; // as if all places there can be were worn out
    actors->made = RT_ACTORS_MAX;
    CHECK_ERR(rt_actors_spawn(actors, &puppet_class, bytes_of(NULL, 0), &b), RT_EFULL);
    actors->made = 2;
    CHECK_ERR(rt_actors_spawn(actors, &puppet_class,
                              bytes_of(&b, RT_ACTOR_PAYLOAD_BYTES_MAX + 1), &b), RT_ELIMIT);
    rt_actors_free(actors);
}

static void
test_life_memory_is_bounded(void **state)
{
    rt_actors_config config = fixture_config();
    rt_actors *actors = NULL;
    rt_actor_id a;
    rt_err err = RT_OK;
    uint8_t bytes[5000] = {0};
    int sent = 0;

    (void)state;
    config.memory_bytes_max = 1u << 20;
    actors = fixture_new(config);
    a = spawn(actors, &puppet_class);
    while (err == RT_OK) {
        err = rt_actors_send(actors, a, NOTE, bytes_of(bytes, sizeof(bytes)));
        sent++;
    }
    CHECK_INT(err, RT_ENOMEM);
    CHECK_TRUE(sent > 50);
    CHECK_TRUE(rt_actors_figures_of(actors).memory_bytes <= 1u << 20);
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_OK(rt_actors_send(actors, a, NOTE, bytes_of(bytes, sizeof(bytes))));
    rt_actors_free(actors);
}

static void
test_life_idle_actor_stays_within_128_bytes(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    size_t before = 0;

    (void)state;
    (void)spawn(actors, &puppet_class);
    before = rt_actors_figures_of(actors).memory_bytes;
    for (int i = 0; i < 100000; i++) {
        (void)spawn(actors, &puppet_class);
    }
    CHECK_TRUE(rt_actors_figures_of(actors).memory_bytes - before
               <= (size_t)100000 * (128 + sizeof(puppet)));
    rt_actors_free(actors);
}

static rt_err
act_everything_at_once(rt_actors *actors, puppet *p, const order *o)
{
    rt_actor_id self = rt_actors_self(actors);
    rt_err err = act_spawn(actors, p, o);

    err = err == RT_OK ? rt_actors_stop(actors, p->child, RT_OK) : err;
    err = err == RT_OK ? rt_actors_monitor(actors, self, p->child) : err;
    return err == RT_OK ? rt_actors_link(actors, self, p->child) : err;
}

// Everything that can be asked for, with the n-th allocation failing: an error or none, but never a
// crash, a leak (rt_actors_free would notice) or a half-made actor.
static rt_err
try_everything(rt_actors *actors)
{
    rt_actor_id a = RT_ACTOR_NOBODY;
    rt_actor_id b = RT_ACTOR_NOBODY;
    uint8_t bytes[9000] = {0};
    const order o = {.act = act_everything_at_once, .whom = RT_ACTOR_NOBODY};
    rt_err err = rt_actors_spawn(actors, &puppet_class, bytes_of(bytes, 900), &a);

    err = err == RT_OK ? rt_actors_spawn(actors, &puppet_class, bytes_of(NULL, 0), &b) : err;
    err = err == RT_OK ? rt_actors_send(actors, a, NOTE, bytes_of(bytes, 9000)) : err;
    err = err == RT_OK ? rt_actors_send_at(actors, a, NOTE, bytes_of(bytes, 2000), 5) : err;
    err = err == RT_OK ? rt_actors_monitor(actors, a, b) : err;
    err = err == RT_OK ? rt_actors_link(actors, a, b) : err;
    err = err == RT_OK ? rt_actors_send(actors, a, ACT, bytes_of(&o, sizeof(o))) : err;
    (void)run_at(actors, 0);
    (void)run_at(actors, 10 * S);
    if (rt_actors_is_alive(actors, b)) {
        CHECK_OK(rt_actors_stop(actors, b, RT_OK));
    }
    (void)run_at(actors, 20 * S);
    return err;
}

static void
test_life_any_allocation_may_fail(void **state)
{
    uint64_t failed = 0;

    (void)state;
    for (uint64_t n = 1;; n++) {
        rt_actors *actors = fixture_new(fixture_config());
        rt_err err = RT_OK;
        bool is_through = false;

        rt_alloc_fail_after(n);
        err = try_everything(actors);
        is_through = rt_alloc_tries() < n;
        rt_alloc_fail_after(0);
        CHECK_TRUE(err == RT_OK || err == RT_ENOMEM);
        failed += err != RT_OK || seen.failure_count > 0 ? 1 : 0;
        rt_actors_free(actors);
        if (is_through) {
            break;
        }
    }
    CHECK_TRUE(failed >= 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life_ids_are_never_used_again),
        cmocka_unit_test(test_life_place_whose_ids_are_used_up_is_left_alone),
        cmocka_unit_test(test_life_stopped_one_loses_what_waits_as_dead_letters),
        cmocka_unit_test(test_life_actor_may_stop_itself_and_others),
        cmocka_unit_test(test_life_stopping_twice_in_one_handler_is_once),
        cmocka_unit_test(test_life_children_stop_with_their_parent_youngest_first),
        cmocka_unit_test(test_life_child_may_leave_from_anywhere_in_the_row),
        cmocka_unit_test(test_life_child_that_stops_its_parent_goes_too),
        cmocka_unit_test(test_life_failure_takes_the_children_and_leaves_the_siblings),
        cmocka_unit_test(test_life_deep_family_ends_without_recursion),
        cmocka_unit_test(test_life_arguments_reach_init_again_after_a_failure),
        cmocka_unit_test(test_life_what_a_failed_init_asked_for_never_happens),
        cmocka_unit_test(test_life_endless_nesting_is_refused),
        cmocka_unit_test(test_life_actors_are_bounded),
        cmocka_unit_test(test_life_memory_is_bounded),
        cmocka_unit_test(test_life_idle_actor_stays_within_128_bytes),
        cmocka_unit_test(test_life_any_allocation_may_fail),
    };

    return CHECK_RUN(tests);
}
