#include "brain/decide/arbitrate.h"

#include <stdio.h>

#include "runtime/base/rng.h"
#include "runtime/base/text.h"
#include "tests/harness/check.h"

static const br_action call = {.index = 0, .name = {"call", 4}, .group = {"contact", 7}};
static const br_action mail = {.index = 1, .name = {"mail", 4}, .group = {"contact", 7}};
static const br_action move = {.index = 2, .name = {"move", 4}, .group = {"carrier", 7}};
static const br_action note = {.index = 3, .name = {"note", 4}}; // of no group

static br_candidate
ask(const char *agent, const br_action *action, const char *target, int64_t priority)
{
    br_candidate candidate = {.action = action};
    msg_proposal *p = &candidate.msg.proposal;

    p->agent = rt_str_of(agent);
    p->action = action != NULL ? action->name : RT_STR("fly");
    p->target = rt_str_of(target);
    p->priority = priority;
    p->confidence = 1;
    return candidate;
}

static br_candidate
veto(const char *agent, const char *action, const char *target, const char *reason)
{
    br_candidate candidate = {.action = NULL};
    msg_proposal *p = &candidate.msg.proposal;

    p->agent = rt_str_of(agent);
    p->action = rt_str_of(action);
    p->target = rt_str_of(target);
    p->reason = rt_str_of(reason);
    p->veto = true;
    return candidate;
}

static bool
admit_all(void *user, br_candidate *candidate)
{
    (void)user;
    (void)candidate;
    return true;
}

static bool
refuse_agent(void *user, br_candidate *candidate)
{
    if (rt_str_is(candidate->msg.proposal.agent, user)) {
        (void)snprintf(candidate->why, BR_WHY_MAX, "not today");
        return false;
    }
    return true;
}

static void
check_verdict(const br_candidate *candidate, const char *verdict, const char *why)
{
    CHECK_STR(candidate->msg.verdict, verdict);
    CHECK_STR(candidate->msg.why, why);
}

static void
test_arbitrate_highest_score_of_a_group_and_target_wins(void **state)
{
    br_candidate list[] = {ask("a", &call, "order/1", 50), ask("b", &mail, "order/1", 70),
                           ask("c", &call, "order/2", 10), ask("d", &move, "order/1", 5)};

    (void)state;
    list[0].msg.proposal.confidence = 0.5;
    CHECK_INT(br_arbitrate(list, 4, admit_all, NULL), 3);

    check_verdict(&list[0], "lost", "lost to mail of b: 25.00 against 70.00");
    check_verdict(&list[1], "won", "");
    check_verdict(&list[2], "won", "");
    check_verdict(&list[3], "won", "");
    CHECK_NEAR(list[0].msg.score, 25, 1e-12);
}

static void
test_arbitrate_without_group_there_is_no_rivalry(void **state)
{
    br_candidate list[] = {ask("a", &note, "order/1", 50), ask("b", &note, "order/1", 70)};

    (void)state;
    CHECK_INT(br_arbitrate(list, 2, admit_all, NULL), 2);
}

static void
test_arbitrate_group_of_one_letter_is_a_group(void **state)
{
    static const br_action brief = {.index = 4, .name = {"b", 1}, .group = {"g", 1}};
    br_candidate list[] = {ask("a", &brief, "order/1", 50), ask("b", &brief, "order/1", 70)};

    (void)state;
    CHECK_INT(br_arbitrate(list, 2, admit_all, NULL), 1);
    check_verdict(&list[0], "lost", "lost to b of b: 50.00 against 70.00");
}

static void
test_arbitrate_ties_go_to_value_cost_name_and_arrival(void **state)
{
    br_candidate list[5];

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        list[i] = ask(i == 3 ? "b" : "c", &call, "order/1", 50);
        list[i].msg.proposal.value = i == 0 ? 0.1 : 0.5;
        list[i].msg.proposal.cost_cop = i == 1 ? 900 : 100;
    }
    // value is worth more than cost, cost more than the name
    (void)br_arbitrate(list, 5, admit_all, NULL);
    check_verdict(&list[3], "won", "");
    (void)br_arbitrate(list, 3, admit_all, NULL);
    check_verdict(&list[2], "won", "");
    (void)br_arbitrate(list, 2, admit_all, NULL);
    check_verdict(&list[1], "won", "");
    list[3] = list[4];
    (void)br_arbitrate(&list[3], 2, admit_all, NULL);
    check_verdict(&list[3], "won", "");
    check_verdict(&list[4], "lost", "lost to call of c: 50.00 against 50.00");
}

static void
test_arbitrate_veto_forbids_its_action_on_its_target(void **state)
{
    br_candidate list[] = {ask("a", &call, "order/1", 90), ask("a", &mail, "order/1", 10),
                           ask("a", &call, "order/2", 90), veto("v", "call", "order/1", "angry")};

    (void)state;
    CHECK_INT(br_arbitrate(list, 4, admit_all, NULL), 2);

    check_verdict(&list[0], "vetoed", "vetoed by v: angry");
    check_verdict(&list[1], "won", "");
    check_verdict(&list[2], "won", "");
    check_verdict(&list[3], "won", "");
}

static void
test_arbitrate_veto_of_everything_spares_other_vetoes(void **state)
{
    br_candidate list[] = {veto("v", "*", "order/1", "fraud"), ask("a", &note, "order/1", 90),
                           ask("a", &note, "order/2", 90), veto("w", "call", "order/1", "angry")};

    (void)state;
    CHECK_INT(br_arbitrate(list, 4, admit_all, NULL), 1);

    check_verdict(&list[1], "vetoed", "vetoed by v: fraud");
    check_verdict(&list[2], "won", "");
    check_verdict(&list[3], "won", "");
}

static void
test_arbitrate_unknown_and_shadow_never_win(void **state)
{
    br_candidate list[] = {ask("a", NULL, "order/1", 90), ask("b", &call, "order/1", 80),
                           ask("c", &call, "order/1", 10)};

    (void)state;
    list[1].shadow = true;
    CHECK_INT(br_arbitrate(list, 3, admit_all, NULL), 1);

    check_verdict(&list[0], "refused", "action 'fly' is not in the pack's list");
    check_verdict(&list[1], "shadow", "");
    check_verdict(&list[2], "won", "");
}

static void
test_arbitrate_refused_one_leaves_its_place_to_the_next(void **state)
{
    br_candidate list[] = {ask("a", &call, "order/1", 90), ask("b", &mail, "order/1", 80),
                           ask("c", &call, "order/1", 70)};

    (void)state;
    CHECK_INT(br_arbitrate(list, 3, refuse_agent, "a"), 1);

    check_verdict(&list[0], "refused", "not today");
    check_verdict(&list[1], "won", "");
    check_verdict(&list[2], "lost", "lost to mail of b: 70.00 against 80.00");
}

static void
test_arbitrate_shorter_name_goes_before_the_longer_it_begins(void **state)
{
    static const char *const names_down[] = {"aab", "aa", "a", ""};

    (void)state;
    for (size_t i = 0; i + 1 < RT_COUNT(names_down); i++) {
        br_candidate list[] = {ask(names_down[i], &call, "order/1", 50),
                               ask(names_down[i + 1], &call, "order/1", 50)};

        br_candidate turned[] = {list[1], list[0]};

        CHECK_INT(br_arbitrate(list, 2, admit_all, NULL), 1);
        CHECK_STR(list[1].msg.verdict, "won");
        CHECK_INT(br_arbitrate(turned, 2, admit_all, NULL), 1);
        CHECK_STR(turned[0].msg.verdict, "won");
    }
}

static void
test_arbitrate_unnamed_ones_are_told_about_all_the_same(void **state)
{
    br_candidate list[] = {ask("a", &call, "order/1", 90), ask("b", &call, "order/2", 80),
                           ask("c", &call, "order/2", 70), ask("d", NULL, "order/3", 60),
                           veto("v", "call", "order/1", "")};

    (void)state;
    // what an agent leaves out comes as a string without a pointer
    list[1].msg.proposal.agent = (rt_str){NULL, 0};
    list[3].msg.proposal.action = (rt_str){NULL, 0};
    list[4].msg.proposal.agent = (rt_str){NULL, 0};
    list[4].msg.proposal.reason = (rt_str){NULL, 0};
    CHECK_INT(br_arbitrate(list, 5, admit_all, NULL), 1);

    check_verdict(&list[0], "vetoed", "vetoed by : ");
    check_verdict(&list[2], "lost", "lost to call of : 70.00 against 80.00");
    check_verdict(&list[3], "refused", "action '' is not in the pack's list");
}

static void
test_arbitrate_takes_as_many_as_there_may_be(void **state)
{
    static br_candidate list[BR_CANDIDATES_MAX];
    static char orders[BR_CANDIDATES_MAX][16];

    (void)state;
    for (uint32_t i = 0; i < BR_CANDIDATES_MAX; i++) {
        (void)snprintf(orders[i], sizeof(orders[i]), "order/%u", i);
        list[i] = ask("a", &call, orders[i], i);
    }

    CHECK_INT(br_arbitrate(list, BR_CANDIDATES_MAX, admit_all, NULL), BR_CANDIDATES_MAX);
    for (uint32_t i = 0; i < BR_CANDIDATES_MAX; i++) {
        check_verdict(&list[i], "won", "");
    }
}

static void
test_arbitrate_reason_cut_short_is_whole_characters(void **state)
{
    char reason[256];

    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        memset(reason, 'x', sizeof(reason));
        for (size_t i = shift; i + 2 < sizeof(reason) - 1; i += 2) {
            memcpy(reason + i, "\xc3\xb1", 2);
        }
        reason[255] = '\0';
        br_candidate list[] = {ask("a", &call, "order/1", 90),
                               veto("v", "call", "order/1", reason)};
        (void)br_arbitrate(list, 2, admit_all, NULL);

        CHECK_STR(list[0].msg.verdict, "vetoed");
        CHECK_TRUE(list[0].msg.why.len >= BR_WHY_MAX - 3);
        CHECK_TRUE(list[0].msg.why.len < BR_WHY_MAX); // its own bytes, with a NUL behind them
        CHECK_TRUE(rt_utf8_valid(list[0].msg.why));
    }
}

static void
test_arbitrate_reasons_of_long_names_fill_their_room_and_no_more(void **state)
{
    char name[BR_WHY_MAX + 40];

    (void)state;
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    br_candidate list[] = {ask(name, &call, "order/1", 90), ask("b", &call, "order/1", 80),
                           ask("c", NULL, "order/1", 70)};
    list[2].msg.proposal.action = rt_str_of(name);
    (void)br_arbitrate(list, 3, admit_all, NULL);

    CHECK_STR(list[1].msg.verdict, "lost");
    CHECK_INT(list[1].msg.why.len, BR_WHY_MAX - 1);
    CHECK_STR(list[2].msg.verdict, "refused");
    CHECK_INT(list[2].msg.why.len, BR_WHY_MAX - 1);
}

// --- any candidates in any order ----------------------------------------------------------------

#define MANY 24

static const br_action *const actions[] = {&call, &mail, &move, &note, NULL};
static const char *const targets[] = {"order/1", "order/2", "customer/1"};
static char names[MANY][24];

static br_candidate
random_candidate(rt_rng *rng, size_t i)
{
    const br_action *action = actions[rt_rng_below(rng, RT_COUNT(actions))];
    const char *target = targets[rt_rng_below(rng, RT_COUNT(targets))];

    (void)snprintf(names[i], sizeof(names[i]), "a%zu", i);
    if (rt_rng_chance(rng, 0.05)) {
        return veto(names[i], rt_rng_chance(rng, 0.3) ? "*" : "call", target, "no");
    }
    br_candidate candidate = ask(names[i], action, target, (int64_t)rt_rng_below(rng, 4) * 10);
    candidate.msg.proposal.confidence = (double)rt_rng_below(rng, 3) / 2;
    candidate.msg.proposal.value = (double)rt_rng_below(rng, 2);
    candidate.msg.proposal.cost_cop = (int64_t)rt_rng_below(rng, 2);
    candidate.shadow = rt_rng_chance(rng, 0.1);
    return candidate;
}

static bool
admit_some(void *user, br_candidate *candidate)
{
    uint64_t *salt = user;
    size_t i = (size_t)(candidate->msg.proposal.agent.ptr - names[0]) / sizeof(names[0]);

    return (*salt >> i & 1) != 0;
}

static void
check_invariants(const br_candidate *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool won = rt_str_is(list[i].msg.verdict, "won");

        CHECK_TRUE(list[i].msg.verdict.len > 0);
        for (size_t j = 0; won && !list[i].msg.proposal.veto && j < count; j++) {
            const msg_proposal *p = &list[i].msg.proposal;
            const msg_proposal *q = &list[j].msg.proposal;
            bool same_target = rt_str_equal(p->target, q->target);

            CHECK_FALSE(q->veto && same_target &&
                        (rt_str_is(q->action, "*") || rt_str_equal(p->action, q->action)));
            CHECK_FALSE(i != j && !q->veto && rt_str_is(list[j].msg.verdict, "won") &&
                        same_target && list[i].action->group.len > 0 &&
                        rt_str_equal(list[i].action->group, list[j].action->group));
        }
    }
}

static const br_candidate *
of_agent(const br_candidate *list, size_t count, rt_str agent)
{
    for (size_t i = 0; i < count; i++) {
        if (rt_str_equal(list[i].msg.proposal.agent, agent)) {
            return &list[i];
        }
    }
    return NULL;
}

static void
test_arbitrate_order_never_changes_verdicts(void **state)
{
    static br_candidate list[MANY];
    static br_candidate mixed[MANY];
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 41, 1);
    for (int round = 0; round < 10000; round++) {
        size_t count = 1 + (size_t)rt_rng_below(&rng, MANY);
        uint64_t salt = rt_rng_u64(&rng);

        for (size_t i = 0; i < count; i++) {
            list[i] = random_candidate(&rng, i);
        }
        memcpy(mixed, list, sizeof(list));
        for (size_t i = 0; i < count; i++) {
            size_t j = i + (size_t)rt_rng_below(&rng, count - i);
            br_candidate swap = mixed[i];
            mixed[i] = mixed[j];
            mixed[j] = swap;
        }
        uint32_t winners = br_arbitrate(list, (uint32_t)count, admit_some, &salt);
        CHECK_INT(br_arbitrate(mixed, (uint32_t)count, admit_some, &salt), winners);
        check_invariants(list, count);
        for (size_t i = 0; i < count; i++) {
            const br_candidate *other = of_agent(mixed, count, list[i].msg.proposal.agent);

            CHECK_TRUE(rt_str_equal(other->msg.verdict, list[i].msg.verdict));
            // which of two vetoes is named may differ
            CHECK_TRUE(rt_str_is(list[i].msg.verdict, "vetoed") ||
                       rt_str_equal(other->msg.why, list[i].msg.why));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arbitrate_highest_score_of_a_group_and_target_wins),
        cmocka_unit_test(test_arbitrate_without_group_there_is_no_rivalry),
        cmocka_unit_test(test_arbitrate_group_of_one_letter_is_a_group),
        cmocka_unit_test(test_arbitrate_ties_go_to_value_cost_name_and_arrival),
        cmocka_unit_test(test_arbitrate_veto_forbids_its_action_on_its_target),
        cmocka_unit_test(test_arbitrate_veto_of_everything_spares_other_vetoes),
        cmocka_unit_test(test_arbitrate_unknown_and_shadow_never_win),
        cmocka_unit_test(test_arbitrate_refused_one_leaves_its_place_to_the_next),
        cmocka_unit_test(test_arbitrate_shorter_name_goes_before_the_longer_it_begins),
        cmocka_unit_test(test_arbitrate_unnamed_ones_are_told_about_all_the_same),
        cmocka_unit_test(test_arbitrate_takes_as_many_as_there_may_be),
        cmocka_unit_test(test_arbitrate_reason_cut_short_is_whole_characters),
        cmocka_unit_test(test_arbitrate_order_never_changes_verdicts),
        cmocka_unit_test(test_arbitrate_reasons_of_long_names_fill_their_room_and_no_more),
    };

    return CHECK_RUN(tests);
}
