// A backtest decides as a brain that really runs the edited set over the same events.
#include "runtime/base/log.h"
#include "tests/harness/backtest_kit.h"
#include "tools/replay/olist.h"

#define ORDERS 400
#define SEEDS 4
#define OLIST_EVENTS 20000

typedef struct fixture {
    backtest_kit kit;
    backtest_kit_set recorded;
    backtest_kit_set edited;
} fixture;

static int
setup(void **state)
{
    static const char *const shipped[] = {"carrier-outage",          "carrier-recovered",
                                          "failed-delivery-attempt", "last-delivery-attempt",
                                          "lost-parcel",             "out-for-delivery-notice",
                                          "repeat-issue",            "stuck-parcel",
                                          "bad-rating",              "angry-customer",
                                          "cancelled-order-follow-up"};
    fixture *f = rt_new(fixture);

    rt_log_set_level(RT_LOG_ERROR);
    sim_reset(1);
    sim_disk_reset();
    backtest_kit_init(&f->kit);
    f->recorded.arena = rt_arena_new(16 << 20);
    for (size_t i = 0; i < RT_COUNT(shipped); i++) {
        backtest_kit_ship(&f->recorded, shipped[i]);
    }
    f->edited = f->recorded;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    rt_arena_free(f->recorded.arena);
    br_pack_free(f->kit.pack);
    rt_free(f);
    sim_disk_reset();
    return 0;
}

static gen *
open_stream(uint64_t seed, uint64_t orders)
{
    gen_config config = gen_defaults();
    gen *g = NULL;

    config.seed = seed;
    config.orders = orders;
    config.days = 12;
    config.tail_days = 6;
    config.dup_share = 0;
    config.bad_share = 0;
    config.tenant = RT_STR("demo");
    CHECK_OK(gen_open(&config, &g));
    return g;
}

// A day of the generator, or with seed 0 the first orders of the recorded tables.
static void
run(const fixture *f, const char *dir, const backtest_kit_set *set, uint64_t seed, uint64_t orders)
{
    char path[512];
    gen *g = seed != 0 ? open_stream(seed, orders) : NULL;
    stream s = {0};

    if (seed != 0) {
        s = gen_stream(g);
    } else {
        CHECK_OK(olist_open(drive_data("olist", path), RT_STR("demo"), &s, NULL));
        s = stream_window(s, (stream_bounds){.limit = orders});
    }
    CHECK_TRUE(backtest_kit_run(&f->kit, dir, set, &s) >= orders);
    stream_close(&s);
    gen_close(g);
}

static void
on_pair(void *user, const br_backtest_pair *pair)
{
    if (pair->again != NULL) {
        backtest_kit_note(user, pair->at_ms, pair->again);
    }
}

static br_backtest_result
backtest(const fixture *f, const char *journal, const backtest_kit_set *set, backtest_kit_log *log)
{
    br_backtest_config config = {.journal_dir = journal,
                                 .state = backtest_kit_state(&f->kit),
                                 .files = set->files,
                                 .file_count = set->count,
                                 .version = 1,
                                 .clock_from_events = true,
                                 .on_pair = on_pair,
                                 .user = log};
    br_backtest_result result;
    rt_diag *diag = rt_diag_new();

    rt_text_init(&log->text, BACKTEST_KIT_BYTES_MAX);
    rt_err err = br_backtest(&config, diag, &result);
    if (err != RT_OK) {
        print_error("%s: %s\n", rt_err_name(err), rt_err_detail());
        drive_report(diag);
    }
    rt_diag_free(diag);
    return result;
}

// Every kind of change: conditions, throttles, arguments, verifications, a playbook more and one
// less, one that hears what the brain makes itself.
static void
edit(backtest_kit_set *set)
{
    backtest_kit_edit(set, "failed-delivery-attempt", "per: 12h", "per: 48h");
    backtest_kit_edit(set, "failed-delivery-attempt", "data.attempt < 3", "data.attempt < 2");
    backtest_kit_edit(set, "failed-delivery-attempt", "within: 48h", "within: 20h");
    backtest_kit_edit(set, "stuck-parcel", ">= 259200000", ">= 86400000");
    backtest_kit_edit(set, "stuck-parcel", "throttle: {key: event.subject, per: 3d}\n", "");
    backtest_kit_edit(set, "carrier-outage", "hours: 6\n", "hours: 8\n");
    backtest_kit_edit(set, "bad-rating", "events:", "mode: shadow\nevents:");
    backtest_kit_edit(set, "last-delivery-attempt", "events:", "mode: off\nevents:");
    backtest_kit_add(set, "after-action",
                     "kind: playbook\nid: after-action\ndoc: Hears what was done.\n"
                     "events: [action.executed]\n"
                     "when: data.action == \"open_case\" && data.status == \"executed\"\n"
                     "do:\n"
                     "  - action: alert_operator\n"
                     "    target: ${event.subject}\n"
                     "    args: {text: \"${data.action} ${memory.events}\"}\n"
                     "verify: {within: 1h, expect: memory.events > 3}\n");
    backtest_kit_add(set, "failing-carrier",
                     "kind: playbook\nid: failing-carrier\ndoc: Counts.\n"
                     "pattern:\n  count: {event: delivery.failed, at_least: 2}\n"
                     "  key: data.city\n  within: 12h\n"
                     "do:\n"
                     "  - action: alert_operator\n"
                     "    target: ${event.subject}/city\n"
                     "    args: {text: \"${data.city} ${memory.events}\"}\n");
    backtest_kit_add(set, "silent",
                     "kind: playbook\nid: silent\ndoc: Misses something.\n"
                     "pattern:\n  sequence:\n"
                     "    - {name: shipped, event: order.shipped,"
                     " capture: {carrier: data.carrier}}\n"
                     "    - {name: scan, event: tracking.updated, absent: true}\n"
                     "  key: event.subject\n  within: 10h\n"
                     "do:\n"
                     "  - action: alert_operator\n"
                     "    target: ${event.subject}/silent\n"
                     "    args: {text: \"${memory.events}\"}\n");
    backtest_kit_add(set, "after-escalation",
                     "kind: playbook\nid: after-escalation\ndoc: Hears escalations.\n"
                     "events: [playbook.escalated, playbook.verified]\n"
                     "do:\n"
                     "  - action: alert_operator\n"
                     "    target: ${event.subject}/again\n"
                     "    args: {text: \"${event.type}\"}\n");
}

static void
free_log(backtest_kit_log *log)
{
    rt_text_fini(&log->text);
}

// Really runs both sets over one stream, and backtests the second one over the first one's journal.
static br_backtest_result
compare(const fixture *f, const backtest_kit_set *recorded, const backtest_kit_set *edited,
        uint64_t seed, uint64_t orders, uint64_t *ret_actions)
{
    backtest_kit_log real = {.decisions = 0};
    backtest_kit_log again = {.decisions = 0};

    sim_disk_reset();
    run(f, "/a", recorded, seed, orders);
    run(f, "/b", edited, seed, orders);
    backtest_kit_journal("/b/journal", &real);
    br_backtest_result result = backtest(f, "/a/journal", edited, &again);
    backtest_kit_same(&real, &again);
    CHECK_U64(real.actions, again.actions);
    *ret_actions = real.actions;
    free_log(&real);
    free_log(&again);
    return result;
}

static void
check_unchanged(const fixture *f, const backtest_kit_set *set, uint64_t seed, uint64_t orders)
{
    backtest_kit_log real = {.decisions = 0};
    backtest_kit_log again = {.decisions = 0};

    sim_disk_reset();
    run(f, "/a", set, seed, orders);
    backtest_kit_journal("/a/journal", &real);
    br_backtest_result result = backtest(f, "/a/journal", set, &again);
    backtest_kit_same(&real, &again);
    CHECK_U64(result.differences, 0);
    CHECK_U64(result.events_lost, 0);
    CHECK_U64(result.events_new, 0);
    CHECK_U64(result.assumed, 0);
    CHECK_U64(result.undecided, 0);
    CHECK_TRUE(real.actions > orders / 10);
    free_log(&real);
    free_log(&again);
}

static void
test_backtest_unchanged_set_decides_the_same_bytes(void **state)
{
    fixture *f = *state;

    check_unchanged(f, &f->recorded, 1, ORDERS);
    edit(&f->edited);
    check_unchanged(f, &f->edited, 2, ORDERS);
}

// Hundreds of events are taken together, decisions come later, outcomes later still.
static void
test_backtest_unchanged_set_decides_the_same_bytes_in_a_hurry(void **state)
{
    fixture *f = *state;
    f->kit.lag_ms = (int64_t)6 * 3600 * 1000;
    f->kit.batch = 500;
    edit(&f->edited);

    check_unchanged(f, &f->recorded, 3, ORDERS);
    check_unchanged(f, &f->edited, 4, ORDERS);
}

static void
test_backtest_edited_set_decides_as_really_running_it(void **state)
{
    fixture *f = *state;
    uint64_t actions;
    edit(&f->edited);

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        br_backtest_result there =
            compare(f, &f->recorded, &f->edited, seed, ORDERS, &actions);
        CHECK_TRUE(actions > ORDERS / 2);
        CHECK_TRUE(there.differences > 50);
        CHECK_TRUE(there.events_lost > 10);
        CHECK_TRUE(there.assumed > 50);

        br_backtest_result back = compare(f, &f->edited, &f->recorded, seed, ORDERS, &actions);
        CHECK_TRUE(back.differences > 50);
        CHECK_TRUE(back.events_lost > 50);
    }
}

// From nothing to everything, and back: every action is new, then every one is lost.
static void
test_backtest_all_or_nothing_decides_as_really_running_it(void **state)
{
    fixture *f = *state;
    backtest_kit_set none = {.arena = f->recorded.arena};
    uint64_t actions;

    br_backtest_result there = compare(f, &none, &f->recorded, 1, ORDERS, &actions);
    CHECK_U64(there.assumed, actions);
    br_backtest_result back = compare(f, &f->recorded, &none, 1, ORDERS, &actions);
    CHECK_U64(actions, 0);
    CHECK_TRUE(back.events_lost > 100);
}

// The recorded orders know neither carriers nor attempts: playbooks over what they have.
static void
add_olist_playbooks(backtest_kit_set *set)
{
    backtest_kit_add(set, "expensive",
                     "kind: playbook\nid: expensive\ndoc: x\nevents: [order.created]\n"
                     "when: data.value > 300.0\n"
                     "throttle: {key: event.subject, per: 1h}\n"
                     "do:\n"
                     "  - action: open_case\n"
                     "    target: ${event.subject}\n"
                     "    args: {kind: look, text: \"${data.value}\"}\n"
                     "verify: {within: 20d, expect: order.status == \"delivered\"}\n"
                     "escalate:\n"
                     "  - action: expedite_order\n"
                     "    target: ${event.subject}\n"
                     "    args: {reason: late}\n");
    backtest_kit_add(set, "rated",
                     "kind: playbook\nid: rated\ndoc: x\nevents: [customer.feedback]\n"
                     "when: has(data.score) && data.score <= 2\n"
                     "throttle: {key: 'string(data.score)', per: 6h}\n"
                     "do:\n"
                     "  - action: alert_operator\n"
                     "    target: ${event.subject}\n"
                     "    args: {text: \"${data.score}\"}\n");
}

static void
test_backtest_of_recorded_orders_decides_as_really_running_it(void **state)
{
    fixture *f = *state;
    char path[512];
    uint64_t actions;
    if (drive_data("olist", path) == NULL) {
        print_message("SKIP: no olist tables (set CEREBRO_DATA)\n");
        skip();
    }
    add_olist_playbooks(&f->recorded);
    f->edited = f->recorded;
    backtest_kit_edit(&f->edited, "expensive", "> 300.0", "> 200.0");
    backtest_kit_edit(&f->edited, "expensive", "20d", "10d");
    backtest_kit_edit(&f->edited, "rated", "per: 6h", "per: 30m");

    br_backtest_result there =
        compare(f, &f->recorded, &f->edited, 0, OLIST_EVENTS, &actions);
    CHECK_TRUE(actions > 500);
    CHECK_TRUE(there.differences > 500);
    br_backtest_result back = compare(f, &f->edited, &f->recorded, 0, OLIST_EVENTS, &actions);
    CHECK_TRUE(back.events_lost > 500);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_backtest_unchanged_set_decides_the_same_bytes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_backtest_unchanged_set_decides_the_same_bytes_in_a_hurry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_backtest_edited_set_decides_as_really_running_it,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_backtest_all_or_nothing_decides_as_really_running_it,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_backtest_of_recorded_orders_decides_as_really_running_it, setup, teardown),
    };

    return cmocka_run_group_tests_name("backtest", tests, NULL, NULL);
}
