#include "brain/decide/timers.h"

#include <stdio.h>

#include "runtime/base/rng.h"
#include "tests/harness/store_kit.h"

#define TENANT ((rt_tenant){1})

static store_kit kit;
static br_timers *timers;
static br_due due;

static int
setup(void **state)
{
    (void)state;
    store_kit_new(&kit);
    CHECK_OK(br_timers_new(kit.store, &timers));
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    br_timers_free(timers);
    store_kit_close(&kit);
    return 0;
}

static void
restart(void)
{
    br_timers_free(timers);
    store_kit_restart(&kit, 1);
    CHECK_OK(br_timers_new(kit.store, &timers));
}

static void
set(const char *key, int64_t due_ms)
{
    br_timers_set(timers, TENANT, RT_STR("agent"), rt_str_of(key), due_ms, RT_STR("order/1"));
}

// Wants the next due timer to be this one and takes it away, as its event does.
static void
check_fires(const char *key, int64_t now_ms)
{
    CHECK_TRUE(br_timers_due(timers, now_ms, &due));
    CHECK_STR(due.key, key);
    br_timers_set(timers, TENANT, RT_STR("agent"), rt_str_of(key), 0, RT_STR(""));
}

static void
test_timers_fire_at_their_time_with_what_was_set(void **state)
{
    (void)state;
    set("a", 100);

    CHECK_FALSE(br_timers_due(timers, 99, &due));
    CHECK_TRUE(br_timers_due(timers, 100, &due));
    CHECK_INT(due.tenant.v, 1);
    CHECK_INT(due.due_ms, 100);
    CHECK_STR(due.owner, "agent");
    CHECK_STR(due.key, "a");
    CHECK_STR(due.subject, "order/1");
    CHECK_INT(br_timers_next_ms(timers), 100);
    CHECK_INT(br_timers_count(timers), 1);
}

static void
test_timers_equal_times_fire_in_order_of_setting(void **state)
{
    (void)state;
    set("b", 100);
    set("a", 100);
    set("c", 50);
    set("b", 60);
    set("b", 100); // set last

    check_fires("c", 1000);
    check_fires("a", 1000);
    check_fires("b", 1000);
    CHECK_FALSE(br_timers_due(timers, 1000, &due));
    CHECK_INT(br_timers_next_ms(timers), INT64_MAX);
}

static void
test_timers_set_to_the_same_time_keeps_its_place(void **state)
{
    (void)state;
    set("b", 100);
    set("a", 100);
    set("b", 100);

    check_fires("b", 1000);
    check_fires("a", 1000);
}

static void
test_timers_cancelled_does_not_fire(void **state)
{
    (void)state;
    set("a", 100);
    set("b", 200);
    set("a", 0);
    set("never-set", 0);

    CHECK_INT(br_timers_count(timers), 1);
    CHECK_INT(br_timers_next_ms(timers), 200);
    check_fires("b", 1000);
}

static void
test_timers_of_owners_and_tenants_are_apart(void **state)
{
    (void)state;
    set("a", 100);
    br_timers_set(timers, TENANT, RT_STR("other"), RT_STR("a"), 200, RT_STR(""));
    br_timers_set(timers, (rt_tenant){2}, RT_STR("agent"), RT_STR("a"), 300, RT_STR(""));

    CHECK_INT(br_timers_count(timers), 3);
    check_fires("a", 100);
    CHECK_INT(br_timers_next_ms(timers), 200);
}

static void
test_timers_survive_a_restart_in_their_order(void **state)
{
    (void)state;
    set("b", 100);
    set("a", 100);
    restart();
    set("c", 100);

    CHECK_INT(br_timers_count(timers), 3);
    check_fires("b", 100);
    check_fires("a", 100);
    check_fires("c", 100);
}

static void
set_numbered(char letter, int number, int64_t due_ms)
{
    char key[16];

    (void)snprintf(key, sizeof(key), "%c%d", letter, number);
    set(key, due_ms);
}

static void
test_timers_swept_of_cancelled_ones_keep_the_others(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        set_numbered('a', i, 10 + i);
    }
    for (int i = 0; i < 500; i++) {
        CHECK_TRUE(br_timers_due(timers, 10 + i, &due));
        set_numbered('a', i, 0);
    }
    for (int i = 500; i < 2990; i++) {
        set_numbered('a', i, 0);
    }
    for (int i = 0; i < 600; i++) {
        set_numbered('b', i, 20000 + i);
    }

    CHECK_INT(br_timers_count(timers), 610);
    for (int i = 0; i < 610; i++) {
        CHECK_TRUE(br_timers_due(timers, INT64_MAX - 1, &due));
        CHECK_INT(due.due_ms, i < 10 ? 3000 + i : 20000 + i - 10);
        set_numbered(i < 10 ? 'a' : 'b', i < 10 ? 2990 + i : i - 10, 0);
    }
    CHECK_INT(br_timers_count(timers), 0);
}

#define KEYS 300

typedef struct planned {
    int64_t due_ms; // 0 = not set
    uint64_t number;
    int subject;
} planned;

static planned plan[KEYS];
static uint64_t numbers;

static int
plan_first(void)
{
    int first = -1;

    for (int i = 0; i < KEYS; i++) {
        bool earlier =
            first < 0 || plan[i].due_ms < plan[first].due_ms ||
            (plan[i].due_ms == plan[first].due_ms && plan[i].number < plan[first].number);
        if (plan[i].due_ms != 0 && earlier) {
            first = i;
        }
    }
    return first;
}

static void
plan_set(int key, int64_t due_ms, int subject)
{
    char name[16];
    char text[64];

    (void)snprintf(name, sizeof(name), "k%d", key);
    (void)snprintf(text, sizeof(text), "order/%0*d", subject, subject); // of any length
    br_timers_set(timers, TENANT, RT_STR("agent"), rt_str_of(name), due_ms, rt_str_of(text));
    if (due_ms != plan[key].due_ms) {
        plan[key] = (planned){due_ms, ++numbers, subject};
    }
}

static void
fire_until(int64_t now_ms)
{
    for (;;) {
        int key = plan_first();
        bool any = key >= 0 && plan[key].due_ms <= now_ms;
        char name[16];
        char text[64];

        CHECK_INT(br_timers_next_ms(timers), key >= 0 ? plan[key].due_ms : INT64_MAX);
        CHECK_INT(br_timers_due(timers, now_ms, &due), any);
        if (!any) {
            return;
        }
        (void)snprintf(name, sizeof(name), "k%d", key);
        (void)snprintf(text, sizeof(text), "order/%0*d", plan[key].subject, plan[key].subject);
        CHECK_STR(due.key, name);
        CHECK_STR(due.subject, text);
        CHECK_INT(due.due_ms, plan[key].due_ms);
        plan_set(key, 0, 0);
    }
}

static size_t
plan_count(void)
{
    size_t count = 0;

    for (int i = 0; i < KEYS; i++) {
        count += plan[i].due_ms != 0;
    }
    return count;
}

static void
test_timers_agree_with_a_model_over_restarts(void **state)
{
    rt_rng rng;
    int64_t now_ms = 1;

    (void)state;
    memset(plan, 0, sizeof(plan));
    rt_rng_seed(&rng, 31, 1);
    for (int i = 1; i <= 100000; i++) {
        int key = (int)rt_rng_below(&rng, KEYS);
        double what = rt_rng_f64(&rng);

        if (what < 0.85) {
            // seldom due, so that moved timers pile up
            plan_set(key, now_ms + 1 + (int64_t)rt_rng_below(&rng, 4000),
                     (int)rt_rng_below(&rng, 40));
        } else if (what < 0.95) {
            plan_set(key, 0, 0);
        } else if (what < 0.96) {
            now_ms += (int64_t)rt_rng_below(&rng, 200);
            fire_until(now_ms);
        } else {
            plan_set(key, plan[key].due_ms, 39); // changes nothing
        }
        if (i % 997 == 0) {
            restart();
            CHECK_INT(br_timers_count(timers), plan_count());
        }
    }
    fire_until(INT64_MAX - 1);
    CHECK_INT(br_timers_count(timers), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_timers_fire_at_their_time_with_what_was_set),
        TEST(test_timers_equal_times_fire_in_order_of_setting),
        TEST(test_timers_set_to_the_same_time_keeps_its_place),
        TEST(test_timers_cancelled_does_not_fire),
        TEST(test_timers_of_owners_and_tenants_are_apart),
        TEST(test_timers_survive_a_restart_in_their_order),
        TEST(test_timers_swept_of_cancelled_ones_keep_the_others),
        TEST(test_timers_agree_with_a_model_over_restarts),
    };

    return CHECK_RUN(tests);
}
