// A policy chooses, waits for its reward, and learns: which is chosen in which situation, what is
// learned from, and that nothing is learned twice, too late, or from what was not done.
#include <math.h>

#include "runtime/base/rng.h"
#include "tests/harness/course_kit.h"

#define ROUNDS 900 // the kit remembers a thousand orders
#define HEAD "kind: playbook\nid: p\ndoc: Because.\nevents: [issue.reported]\n"
#define CASE(kind) "{action: open_case, target: \"${event.subject}\", args: {kind: " kind "}}"
#define POLICY(explore)                                                                            \
    "decide:\n  policy:\n    features: {lost: 'data.kind == \"lost\"'}\n"                          \
    "    baseline: wait\n    explore: " explore "\n    actions:\n"                                 \
    "      - {name: search, do: [" CASE("search") "]}\n"                                           \
    "      - {name: wait, do: []}\n"                                                               \
    "      - {name: change, when: order.value > 100.0, do: [" CASE("change") "]}\n"
#define REWARD                                                                                     \
    "reward:\n  outcome: customer.feedback\n  join: event.subject\n"                               \
    "  outcome_join: '\"order/\" + data.order_id'\n  within: 72h\n"                                \
    "  value: (double(data.score) - 1.0) / 4.0\n  default: 0.25\n  clip: [0, 1]\n"

static int
setup(void **state)
{
    *state = course_kit_open();
    return 0;
}

static int
teardown(void **state)
{
    course_kit_close(*state);
    return 0;
}

static void
create(course_kit *k, int order, int value)
{
    char subject[32];
    char data[256];

    (void)snprintf(subject, sizeof(subject), "order/%d", order);
    (void)snprintf(data, sizeof(data),
                   "{\"customer_id\":\"c1\",\"value\":%d,\"promised_at\":"
                   "\"2026-09-09T00:00:00Z\"}",
                   value);
    course_kit_event(k, "order.created", subject, data);
}

static void
report(course_kit *k, int order, const char *kind)
{
    char subject[32];
    char data[256];

    (void)snprintf(subject, sizeof(subject), "order/%d", order);
    (void)snprintf(data, sizeof(data), "{\"customer_id\":\"c1\",\"kind\":\"%s\"}", kind);
    course_kit_event(k, "issue.reported", subject, data);
}

static void
rate(course_kit *k, int order, int score)
{
    char data[256];

    (void)snprintf(data, sizeof(data), "{\"order_id\":\"%d\",\"score\":%d}", order, score);
    course_kit_event(k, "customer.feedback", "customer/c1", data);
}

static bool
row(const course_kit *k, const char *what, const char *key, const rt_msg_def *def, void *ret)
{
    rt_bytes value;

    if (!br_progress_get(k->state->progress, (rt_tenant){1}, rt_str_of(what), RT_STR("p"),
                         rt_str_of(key), &value)) {
        return false;
    }
    rt_mp mp = rt_mp_init(value);
    CHECK_OK(rt_msg_decode(def, &mp, k->arena, ret));
    return true;
}

static msg_policy
head(const course_kit *k)
{
    msg_policy policy = {0};

    (void)row(k, "policy", "", &msg_policy_def, &policy);
    return policy;
}

static msg_learned
learned(const course_kit *k, const char *action)
{
    msg_learned l = {0};

    (void)row(k, "policy", action, &msg_learned_def, &l);
    return l;
}

static void
test_policy_takes_the_baseline_while_nothing_is_known(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD POLICY("0.001") REWARD);
    create(k, 1, 50);
    report(k, 1, "lost");

    course_kit_wants(k, "fired", "policy v1 chose wait (p 0.999): search 0±1.4, wait 0±1.4, "
                                 "change not eligible");
    CHECK_INT(k->out.decision.candidates.count, 0);
    CHECK_U64(head(k).chosen, 1);
    CHECK_U64(head(k).open, 1);
}

static void
test_policy_what_cannot_be_told_is_not_eligible_and_a_feature_must_have_a_value(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD POLICY("0.001") REWARD);
    report(k, 1, "lost"); // nobody knows what the order is worth
    course_kit_wants(k, "fired", "change not eligible");
    course_kit_play(k, HEAD "decide:\n  policy:\n    features: {value: order.value}\n"
                            "    baseline: wait\n    actions: [{name: wait, do: []}, {name: x, do: "
                            "[" CASE("x") "]}]\n" REWARD);
    report(k, 2, "lost");
    course_kit_wants(k, "error", "feature value has no value");
    CHECK_U64(head(k).open, 1);
}

static void
test_policy_chooses_by_what_was_learned(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD POLICY("1") REWARD); // all by chance, to learn
    for (int i = 0; i < 60; i++) {
        create(k, i, 500);
        report(k, i, i % 2 == 0 ? "lost" : "late");
        const msg_consulted *said = course_kit_said(k, "p");
        bool searched = k->out.decision.candidates.count > 0 &&
                        memmem(said->detail.ptr, said->detail.len, "chose search", 12) != NULL;
        course_kit_wait(k, STATE_KIT_HOUR_MS);
        rate(k, i, searched == (i % 2 == 0) ? 5 : 1);
        course_kit_wants(k, "rewarded", "1h ago");
    }
    CHECK_U64(head(k).rewarded, 60);
    CHECK_U64(head(k).open, 0);
    // the same reward and features: what was learned holds
    course_kit_play(k, HEAD POLICY("0.001") REWARD);
    create(k, 100, 50);
    report(k, 100, "lost");
    course_kit_wants(k, "fired", "policy v1 chose search (p 0.999)");
    const msg_proposal *asked = &course_kit_first(k)->proposal;
    CHECK_STR(asked->model, "linucb v1.60");
    CHECK_NEAR(asked->propensity, 0.9995, 1e-12); // two of three are eligible
    CHECK_INT(asked->factors.count, 2);
    CHECK_STR(((const msg_factor *)asked->factors.items)[1].name, "lost");
    CHECK_TRUE(((const msg_factor *)asked->factors.items)[1].contribution > 0.3);
    create(k, 101, 50);
    report(k, 101, "late");
    course_kit_wants(k, "fired", "chose wait");
}

static void
test_policy_draws_with_the_probabilities_that_it_records(void **state)
{
    course_kit *k = *state;
    int searched = 0;

    course_kit_play(k, HEAD POLICY("0.5") REWARD);
    for (int i = 0; i < 400; i++) {
        create(k, i, 50);
        report(k, i, "late");
        if (k->out.decision.candidates.count > 0) {
            searched++;
            CHECK_NEAR(course_kit_first(k)->proposal.propensity, 0.25, 1e-12);
        }
    }
    CHECK_TRUE(searched > 70 && searched < 130); // a quarter of 400, 3.5 standard deviations
}

static void
test_policy_reward_counts_once(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD POLICY("0.001") REWARD);
    report(k, 1, "lost");
    course_kit_wait(k, STATE_KIT_HOUR_MS);
    rate(k, 1, 5);
    course_kit_wants(k, "rewarded", "1 for wait 1h ago");
    CHECK_NEAR(learned(k, "wait").sum, 1, 0);
    rate(k, 1, 1);
    CHECK_TRUE(course_kit_said(k, "p") == NULL);
    CHECK_U64(learned(k, "wait").count, 1);
    course_kit_wait(k, 500 * STATE_KIT_HOUR_MS); // no timer comes any more
    CHECK_U64(learned(k, "wait").count, 1);
    CHECK_U64(head(k).defaulted, 0);
}

static void
test_policy_without_an_outcome_has_the_default_and_a_late_one_is_counted(void **state)
{
    course_kit *k = *state;
    msg_choices choices;

    course_kit_play(k, HEAD POLICY("0.001") REWARD);
    report(k, 1, "lost");
    course_kit_wait(k, 73 * STATE_KIT_HOUR_MS);
    course_kit_wants(k, "rewarded", "no outcome in time: 0.25 for wait");
    CHECK_NEAR(learned(k, "wait").sum, 0.25, 0);
    CHECK_U64(head(k).defaulted, 1);
    CHECK_U64(head(k).open, 0);
    rate(k, 1, 5);
    course_kit_wants(k, "rewarded", "too late");
    CHECK_U64(head(k).late, 1);
    CHECK_U64(learned(k, "wait").count, 1);
    CHECK_TRUE(!row(k, "choice", "order/1", &msg_choices_def, &choices));
    rate(k, 1, 5);
    CHECK_U64(head(k).late, 1);
    report(k, 2, "lost");
    course_kit_wait(k, 200 * STATE_KIT_HOUR_MS); // it is not remembered for ever
    CHECK_TRUE(!row(k, "choice", "order/2", &msg_choices_def, &choices));
    CHECK_U64(head(k).defaulted, 2);
}

static void
test_policy_two_choices_about_one_thing_both_learn(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD POLICY("0.001") REWARD);
    report(k, 1, "lost");
    course_kit_wait(k, 48 * STATE_KIT_HOUR_MS);
    report(k, 1, "late");
    course_kit_wait(k, 25 * STATE_KIT_HOUR_MS); // the first is over
    CHECK_U64(head(k).defaulted, 1);
    CHECK_U64(head(k).open, 1);
    rate(k, 1, 5);
    CHECK_U64(head(k).rewarded, 1);
    CHECK_U64(learned(k, "wait").count, 2);
    CHECK_NEAR(learned(k, "wait").sum, 1.25, 0);
    for (int i = 0; i < BR_POLICY_OPEN_MAX + 2; i++) {
        report(k, 2, "late");
    }
    CHECK_U64(head(k).open, BR_POLICY_OPEN_MAX);
    CHECK_U64(head(k).crowded, 2);
    rate(k, 2, 3);
    CHECK_U64(head(k).rewarded, 1 + BR_POLICY_OPEN_MAX);
    CHECK_U64(head(k).open, 0);
}

static void
test_policy_learns_nothing_from_what_was_not_done(void **state)
{
    course_kit *k = *state;
    char text[2048];

    (void)snprintf(text, sizeof(text), "%s", HEAD "mode: shadow\n" POLICY("1") REWARD);
    course_kit_play(k, text);
    for (int i = 0; i < 20; i++) {
        report(k, i, "lost");
        course_kit_wants(k, "fired", "policy v1 chose");
    }
    CHECK_U64(head(k).chosen, 0);
    k->outcomes = false; // so the case of an order stays in flight
    course_kit_play(k, HEAD "decide:\n  policy:\n    features: {one: 1.0}\n    baseline: a\n"
                            "    actions: [{name: a, do: [" CASE("a") "]}, {name: b, do: [" CASE(
                                "b") "]}]\n" REWARD);
    report(k, 50, "lost");
    CHECK_U64(head(k).chosen, 1);
    report(k, 50, "lost");
    CHECK_STR(course_kit_first(k)->verdict, "refused");
    CHECK_U64(head(k).chosen, 1);
}

static void
test_policy_to_do_nothing_takes_the_throttle(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "throttle: {key: event.subject, per: 24h}\n" POLICY("0.001") REWARD);
    report(k, 1, "lost");
    course_kit_wants(k, "fired", "chose wait");
    course_kit_wait(k, STATE_KIT_HOUR_MS);
    report(k, 1, "lost");
    course_kit_wants(k, "throttled", "fired 1h ago");
    CHECK_U64(head(k).chosen, 1);
    course_kit_wait(k, 24 * STATE_KIT_HOUR_MS);
    report(k, 1, "lost");
    course_kit_wants(k, "fired", "chose wait");
}

static void
test_policy_with_another_reward_is_another_version(void **state)
{
    course_kit *k = *state;
    char text[2048];

    course_kit_play(k, HEAD POLICY("0.001") REWARD);
    report(k, 1, "lost");
    course_kit_wait(k, STATE_KIT_HOUR_MS);
    rate(k, 1, 5);
    report(k, 2, "lost");
    (void)snprintf(text, sizeof(text), "%s",
                   HEAD POLICY("0.001") "reward: {outcome: customer.feedback, join: event.subject, "
                                        "outcome_join: '\"order/\" + data.order_id', within: 72h, "
                                        "value: data.score > 4}\n");
    course_kit_play(k, text);
    report(k, 3, "lost");
    course_kit_wants(k, "fired", "policy v2 chose wait (p 0.999): search 0±1.4, wait 0±1.4");
    CHECK_U64(head(k).version, 2);
    rate(k, 2, 5); // chosen by the first version
    CHECK_U64(head(k).stale, 1);
    CHECK_U64(head(k).rewarded, 0);
    rate(k, 3, 5);
    CHECK_U64(head(k).rewarded, 1);
    CHECK_U64(head(k).open, 0);
    CHECK_U64(learned(k, "wait").count, 1);
}

static void
test_policy_in_order_and_behind_a_pattern(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, "kind: playbook\nid: p\npattern:\n  sequence:\n"
                       "    - {name: failed, event: delivery.failed, capture: {why: data.reason}}\n"
                       "    - {name: issue, event: issue.reported}\n"
                       "  key: event.subject\n  within: 72h\nin_order: true\n"
                       "decide:\n  policy:\n    features: {absent: 'failed.why == \"absent\"'}\n"
                       "    baseline: a\n    explore: 0.001\n"
                       "    actions:\n      - name: a\n        do:\n          - " CASE("a")
                       "\n          - {action: alert_operator, target: \"${event.subject}\", args: "
                       "{severity: info, text: x}}\n"
                       "      - {name: b, do: [" CASE("b") "]}\n" REWARD);
    course_kit_event(k, "delivery.failed", "order/1", "{\"reason\":\"absent\"}");
    report(k, 1, "late");
    course_kit_wants(k, "fired", "the whole sequence");
    course_kit_wants(k, "fired", "policy v1 chose a");
    CHECK_INT(k->out.decision.candidates.count, 1);
    CHECK_U64(head(k).open, 1);
    rate(k, 1, 4);
    CHECK_NEAR(learned(k, "a").sum, 0.75, 0);
}

// The world: what is right depends on the issue and on what the order is worth.
static double
play_world(course_kit *k, const char *book, int rounds)
{
    double sum = 0;
    rt_rng rng;

    rt_rng_seed(&rng, 77, 1);
    course_kit_play(k, book);
    for (int i = 0; i < rounds; i++) {
        bool lost = rt_rng_chance(&rng, 0.5);
        bool dear = rt_rng_chance(&rng, 0.5);
        double luck = rt_rng_f64(&rng);
        rt_value kind = RT_NONE;

        create(k, i, dear ? 500 : 50);
        report(k, i, lost ? "lost" : "late");
        if (k->out.decision.candidates.count > 0) {
            rt_mp at;

            CHECK_TRUE(rt_mp_find(course_kit_first(k)->proposal.args, RT_STR("kind"), &at));
            CHECK_OK(rt_value_read(&at, &kind));
        }
        bool right = lost   ? kind.kind == RT_KIND_STR && rt_str_is(kind.s, "search")
                     : dear ? kind.kind == RT_KIND_STR && rt_str_is(kind.s, "change")
                            : kind.kind == RT_KIND_NONE;
        int score = luck < (right ? 0.8 : 0.2) ? 5 : 1;
        course_kit_wait(k, 60 * 1000);
        rate(k, i, score);
        sum += i >= rounds * 3 / 4 && score == 5 ? 1 : 0;
    }
    return sum / (rounds / 4);
}

#define WORLD(explore)                                                                             \
    HEAD "decide:\n  policy:\n    features: {lost: 'data.kind == \"lost\"', dear: order.value > "  \
         "100.0, both: 'data.kind == \"lost\" && order.value > 100.0'}\n"                          \
         "    baseline: wait\n    explore: " explore "\n    actions:\n"                            \
         "      - {name: search, do: [" CASE("search") "]}\n"                                      \
         "      - {name: wait, do: []}\n"                                                          \
         "      - {name: change, do: [" CASE("change") "]}\n" REWARD

static void
test_policy_learns_more_than_chance_and_the_baseline(void **state)
{
    course_kit *k = *state;
    double learns = play_world(k, WORLD("0.05"), ROUNDS);
    course_kit *other = course_kit_open();
    double chance = play_world(other, WORLD("1"), ROUNDS);
    course_kit_close(other);
    other = course_kit_open();
    // the baseline does nothing, as this one does
    double baseline =
        play_world(other, HEAD "when: 'data.kind == \"damaged\"'\ndo: [" CASE("x") "]\n", ROUNDS);
    course_kit_close(other);

    print_message("mean reward of the last quarter: %.3f learned, %.3f by chance, %.3f baseline\n",
                  learns, chance, baseline);
    CHECK_TRUE(learns > 0.68);
    CHECK_TRUE(chance < 0.48 && baseline < 0.48);
    CHECK_U64(head(k).rewarded, ROUNDS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_policy_takes_the_baseline_while_nothing_is_known,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_policy_what_cannot_be_told_is_not_eligible_and_a_feature_must_have_a_value, setup,
            teardown),
        cmocka_unit_test_setup_teardown(test_policy_chooses_by_what_was_learned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_policy_draws_with_the_probabilities_that_it_records,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_policy_reward_counts_once, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_policy_without_an_outcome_has_the_default_and_a_late_one_is_counted, setup,
            teardown),
        cmocka_unit_test_setup_teardown(test_policy_two_choices_about_one_thing_both_learn, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_policy_learns_nothing_from_what_was_not_done, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_policy_to_do_nothing_takes_the_throttle, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_policy_with_another_reward_is_another_version, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_policy_in_order_and_behind_a_pattern, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_policy_learns_more_than_chance_and_the_baseline,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
