// One event's decision: conflicts, limits, playbooks, and that nothing depends on who ran where.
#include "brain/core/decide.h"

#include "runtime/base/rng.h"
#include "tests/harness/state_kit.h"

#define SEQ 10u
#define AGENTS 6
#define HOSTS 4

typedef struct fixture {
    br_pack *pack;
    rt_store *store;
    br_state *state;
    rt_arena *arena;
    rt_mpw consultation;
    br_undecided event;
    br_hearing hearing;
    msg_proposal proposals[8];
    msg_answer answer;
    br_outcome out;
} fixture;

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);

    f->pack = pack_kit_real();
    f->store = rt_store_open_memory();
    f->state = state_kit_open(f->store, f->pack);
    state_kit_start(f->state, 1, "abcd1234");
    f->arena = rt_arena_new(8 << 20);
    rt_mpw_init(&f->consultation, 1 << 20);
    f->event = (br_undecided){
        .seq = SEQ,
        .type = rt_catalog_find(br_pack_catalog(f->pack), RT_STR("delay.detected")),
        .tenant = PACK_KIT_TENANT,
        .depth = 1,
        .id = RT_STR("e1"),
        .subject = RT_STR("order/1")};
    f->hearing = (br_hearing){.event = &f->event, .now_ms = STATE_KIT_NOON_MS};
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    rt_mpw_fini(&f->consultation);
    rt_arena_free(f->arena);
    br_state_free(f->state);
    rt_store_close(f->store);
    br_pack_free(f->pack);
    rt_free(f);
    return 0;
}

static const uint8_t text_args[] = {0x81, 0xa4, 't', 'e', 'x', 't', 0xa2, 'h', 'i'};

// Adds a proposal to the one host's answer.
static msg_proposal *
propose(fixture *f, const char *agent, const char *action, const char *target, int64_t priority)
{
    uint32_t i = f->answer.proposals.count++;

    f->proposals[i] = (msg_proposal){.agent = rt_str_of(agent),
                                     .action = rt_str_of(action),
                                     .target = rt_str_of(target),
                                     .priority = priority,
                                     .confidence = 1};
    if (strcmp(action, "alert_operator") == 0) {
        f->proposals[i].args = (rt_bytes){text_args, sizeof(text_args)};
    }
    f->answer.seq = SEQ;
    f->answer.proposals.items = f->proposals;
    f->hearing.answers[0] = &f->answer;
    f->hearing.answer_count = 1;
    return &f->proposals[i];
}

static void
decide(fixture *f)
{
    CHECK_OK(br_decide(f->state, &f->hearing, f->arena, &f->out));
}

static const msg_candidate *
candidate(const fixture *f, uint32_t i)
{
    CHECK_TRUE(i < f->out.decision.candidates.count);
    return (const msg_candidate *)f->out.decision.candidates.items + i;
}

static void
check_candidate(const fixture *f, uint32_t i, const char *agent, const char *verdict,
                const char *action_id)
{
    CHECK_STR(candidate(f, i)->proposal.agent, agent);
    CHECK_STR(candidate(f, i)->verdict, verdict);
    CHECK_STR(candidate(f, i)->action_id, action_id);
}

// Folds the last decision, as the brain does right after making it.
static void
apply(fixture *f, uint64_t seq)
{
    rt_record record = {.seq = seq, .at_ms = f->hearing.now_ms, .kind = RT_RECORD_DECISION};

    br_state_apply_decision(f->state, &record, &f->out.decision);
}

// Makes a set of playbooks live (taken) and consults it about the event.
static void
play_set(fixture *f, br_playbooks *set, uint64_t seq)
{
    rt_record record = {.seq = seq, .at_ms = STATE_KIT_NOON_MS, .kind = RT_RECORD_PLAYBOOKS};
    rt_event event = {.type = f->event.type,
                      .seq = f->event.seq,
                      .tenant = f->event.tenant,
                      .subject = f->event.subject};
    br_situation *situation = rt_new(br_situation);
    msg_consultation consultation;

    br_state_apply_playbooks(f->state, &record, set);
    br_state_situate(f->state, &event, STATE_KIT_NOON_MS, situation);
    CHECK_OK(br_playbooks_consult(f->state->playbooks, situation, f->arena, &consultation));
    rt_mpw_clear(&f->consultation);
    rt_msg_encode(&msg_consultation_def, &consultation, &f->consultation);
    f->event.consultation = rt_mpw_view(&f->consultation);
    rt_free(situation);
}

// The same with one playbook.
static void
play(fixture *f, const char *text, uint64_t seq)
{
    play_set(f, state_kit_playbook(f->pack, text, 7), seq);
}

#define PLAYBOOK "kind: playbook\nid: p\nevents: [delay.detected]\npriority: 60\n"
#define DO                                                                                         \
    "do:\n  - {action: alert_operator, target: \"${event.subject}\", args: {text: a}}\n"           \
    "  - {action: open_case, target: \"${event.subject}\"}\n"

static void
test_decide_nobody_said_anything_is_a_bare_decision(void **state)
{
    fixture *f = *state;

    decide(f);

    CHECK_U64(f->out.decision.event_seq, SEQ);
    CHECK_STR(f->out.decision.event_id, "e1");
    CHECK_STR(f->out.decision.event_type, "delay.detected");
    CHECK_STR(f->out.decision.subject, "order/1");
    CHECK_U64(f->out.decision.tenant, 1);
    CHECK_U64(f->out.decision.depth, 1);
    CHECK_INT(f->out.decision.candidates.count, 0);
    CHECK_INT(f->out.winner_count, 0);
}

static void
test_decide_conflict_has_one_winner_with_a_key(void **state)
{
    fixture *f = *state;

    propose(f, "b", "expedite_order", "order/1", 60);
    propose(f, "a", "assign_carrier", "order/1", 50);
    propose(f, "c", "expedite_order", "order/2", 10);
    decide(f);

    CHECK_INT(f->out.winner_count, 2);
    check_candidate(f, 0, "a", "lost", "");
    check_candidate(f, 1, "b", "won", "abcd1234-10-0");
    check_candidate(f, 2, "c", "won", "abcd1234-10-1");
    CHECK_NEAR(candidate(f, 1)->score, 60, 0);
}

static void
test_decide_veto_of_one_agent_stops_another(void **state)
{
    fixture *f = *state;
    msg_proposal *veto = propose(f, "b", "*", "order/1", 0);

    veto->veto = true;
    veto->reason = RT_STR("fraud");
    propose(f, "a", "expedite_order", "order/1", 90);
    decide(f);

    CHECK_INT(f->out.winner_count, 0);
    check_candidate(f, 0, "a", "vetoed", "");
    CHECK_STR(candidate(f, 0)->why, "vetoed by b: fraud");
    check_candidate(f, 1, "b", "won", "");
}

static void
test_decide_refusals_name_their_reason(void **state)
{
    fixture *f = *state;

    propose(f, "a", "fly", "order/1", 90);
    propose(f, "b", "assign_carrier", "order/1", 90);
    propose(f, "c", "expedite_order", "carrier/1", 90);
    propose(f, "d", "expedite_order", "order/1", 10);
    decide(f);

    check_candidate(f, 0, "a", "refused", "");
    CHECK_STR(candidate(f, 0)->why, "action 'fly' is not in the pack's list");
    check_candidate(f, 1, "b", "refused", "");
    CHECK_STR(candidate(f, 1)->why, "action assign_carrier needs argument 'carrier'");
    CHECK_STR(candidate(f, 2)->why, "target 'carrier/1' is not a order");
    check_candidate(f, 3, "d", "won", "abcd1234-10-0");
}

static void
test_decide_cooldown_counts_within_one_decision(void **state)
{
    fixture *f = *state;

    propose(f, "a", "alert_operator", "order/1", 50);
    propose(f, "b", "alert_operator", "order/1", 90);
    decide(f);

    CHECK_INT(f->out.winner_count, 1);
    check_candidate(f, 0, "a", "refused", "");
    check_candidate(f, 1, "b", "won", "abcd1234-10-0");
}

static void
test_decide_halted_refuses_everything(void **state)
{
    fixture *f = *state;

    br_gate_halt(f->state->gate, 1);
    propose(f, "a", "alert_operator", "order/1", 50);
    decide(f);

    check_candidate(f, 0, "a", "refused", "");
    CHECK_STR(candidate(f, 0)->why, "halted by an operator");
}

static void
test_decide_missing_agents_are_recorded(void **state)
{
    fixture *f = *state;
    const rt_str missing[] = {RT_STR("customer"), RT_STR("healing")};

    f->hearing.missing = missing;
    f->hearing.missing_count = 2;
    decide(f);
    const rt_str *recorded = f->out.decision.missing.items;

    CHECK_INT(f->out.decision.missing.count, 2);
    CHECK_STR(recorded[1], "healing");
}

static void
test_decide_playbook_stands_beside_agents(void **state)
{
    fixture *f = *state;

    play(f, PLAYBOOK DO, 2);
    propose(f, "a", "open_case", "order/1", 90);
    decide(f);

    CHECK_U64(f->out.decision.playbooks, 7);
    CHECK_INT(f->out.decision.consulted.count, 1);
    check_candidate(f, 0, "playbook:p", "won", "abcd1234-10-0");
    check_candidate(f, 1, "playbook:p", "lost", "");
    check_candidate(f, 2, "a", "won", "abcd1234-10-1");
}

static void
test_decide_throttled_playbook_proposes_nothing(void **state)
{
    fixture *f = *state;

    play(f, PLAYBOOK "throttle: {key: event.subject, per: 6h}\n"
                     "verify: {within: 1h, expect: order.status == \"x\"}\n" DO, 2);
    decide(f);
    CHECK_INT(f->out.decision.timers.count, 1);
    apply(f, 11);
    f->event.seq = 12;
    f->hearing.now_ms += STATE_KIT_HOUR_MS;
    decide(f);
    const msg_consulted *consulted = f->out.decision.consulted.items;

    CHECK_INT(f->out.decision.candidates.count, 0);
    CHECK_INT(f->out.decision.timers.count, 0);
    CHECK_STR(consulted->verdict, "throttled");
    CHECK_STR(consulted->detail, "fired 1h ago for the same key");
    f->hearing.now_ms += 5 * STATE_KIT_HOUR_MS;
    decide(f);
    CHECK_INT(f->out.decision.candidates.count, 2);
}

static void
test_decide_each_playbook_has_a_throttle_of_its_own(void **state)
{
#define OF(id, per)                                                                                \
    RT_STR("kind: playbook\nid: " id "\nevents: [delay.detected]\n"                               \
           "throttle: {key: event.subject, per: " per "}\n"                                        \
           "do:\n  - {action: open_case, target: \"order/" id "\"}\n")
    const br_playbook_file files[] = {{RT_STR("a.yaml"), OF("a", "1h")},
                                      {RT_STR("b.yaml"), OF("b", "6h")},
                                      {RT_STR("c.yaml"), OF("c", "1h")}};
    fixture *f = *state;
    rt_diag *diag = rt_diag_new();
    br_playbooks *set = NULL;

    CHECK_OK(br_playbooks_compile(f->pack, files, RT_COUNT(files), 7, diag, &set));
    play_set(f, set, 2);
    decide(f);
    CHECK_INT(f->out.decision.candidates.count, 3);
    apply(f, 11);
    f->event.seq = 12;
    f->hearing.now_ms += 2 * STATE_KIT_HOUR_MS;
    decide(f);
    const msg_consulted *consulted = f->out.decision.consulted.items;

    CHECK_INT(f->out.decision.candidates.count, 2);
    for (uint32_t i = 0; i < f->out.decision.consulted.count; i++) {
        bool is_b = rt_str_is(consulted[i].playbook, "b");

        CHECK_STR(consulted[i].verdict, is_b ? "throttled" : "fired");
    }
    rt_diag_free(diag);
}

static void
test_decide_playbook_that_could_not_act_keeps_its_throttle(void **state)
{
    fixture *f = *state;

    play(f, PLAYBOOK "throttle: {key: event.subject, per: 6h}\n" DO, 2);
    br_gate_halt(f->state->gate, STATE_KIT_NOON_MS);
    decide(f);
    const msg_consulted *consulted = f->out.decision.consulted.items;

    CHECK_STR(consulted->verdict, "fired");
    CHECK_STR(candidate(f, 0)->verdict, "refused");
    CHECK_STR(consulted->throttle_key, "");
    apply(f, 11);
    br_gate_resume(f->state->gate);
    f->event.seq = 12;
    decide(f);
    CHECK_STR(candidate(f, 0)->verdict, "won");
    CHECK_STR(((const msg_consulted *)f->out.decision.consulted.items)->throttle_key, "order/1");
}

static void
test_decide_shadow_playbook_never_wins(void **state)
{
    fixture *f = *state;

    play(f, PLAYBOOK "mode: shadow\n" DO, 2);
    propose(f, "a", "open_case", "order/1", 1);
    decide(f);

    check_candidate(f, 0, "playbook:p", "shadow", "");
    check_candidate(f, 1, "playbook:p", "shadow", "");
    check_candidate(f, 2, "a", "won", "abcd1234-10-0");
}

static void
test_decide_verification_is_set_only_when_something_was_done(void **state)
{
    fixture *f = *state;

    play(f, PLAYBOOK "verify: {within: 1h, expect: order.status == \"x\"}\n"
                     "do:\n  - {action: open_case, target: \"${event.subject}\"}\n", 2);
    propose(f, "a", "open_case", "order/1", 90);
    decide(f);
    check_candidate(f, 0, "playbook:p", "lost", "");
    CHECK_INT(f->out.decision.timers.count, 0);

    f->hearing.answer_count = 0;
    decide(f);
    CHECK_INT(f->out.decision.timers.count, 1);
}

static void
test_decide_similar_and_recalled_are_what_was_known_before(void **state)
{
    fixture *f = *state;
    rt_event event = {.type = f->event.type,
                      .tenant = f->event.tenant,
                      .subject = f->event.subject,
                      .at_ms = STATE_KIT_NOON_MS};

    for (uint64_t seq = SEQ - 2; seq <= SEQ + 1; seq++) {
        event.seq = seq; // this event and a later one are remembered already
        br_longterm_remember(f->state->longterm, &event);
    }
    br_similar_acted(f->state->similar, PACK_KIT_TENANT, RT_STR("delay.detected"),
                     RT_STR("open_case"));
    propose(f, "a", "open_case", "order/1", 50);
    propose(f, "b", "open_case", "order/1", 50);
    propose(f, "b", "expedite_order", "order/1", 50);
    decide(f);
    const uint64_t *recalled = f->out.decision.recalled.items;
    const msg_similar *similar = f->out.decision.similar.items;

    CHECK_INT(f->out.decision.recalled.count, 2);
    CHECK_U64(recalled[0], SEQ - 1);
    CHECK_U64(recalled[1], SEQ - 2);
    CHECK_INT(f->out.decision.similar.count, 1);
    CHECK_STR(similar->action, "open_case");
    CHECK_U64(similar->count, 1);
}

static void
test_decide_damaged_consultation_is_an_error(void **state)
{
    fixture *f = *state;
    const uint8_t damaged[] = {0x93, 0x01};

    f->event.consultation = (rt_bytes){damaged, sizeof(damaged)};

    CHECK_TRUE(br_decide(f->state, &f->hearing, f->arena, &f->out) != RT_OK);
}

static void
test_decide_without_memory_is_enomem(void **state)
{
    fixture *f = *state;
    rt_err err = RT_ENOMEM;
    int refused = 0;

    propose(f, "a", "open_case", "order/1", 50);
    for (size_t max = 32; err != RT_OK && max < 65536; max += 32) {
        rt_arena *small = rt_arena_new(max);

        err = br_decide(f->state, &f->hearing, small, &f->out);
        CHECK_TRUE(err == RT_OK || err == RT_ENOMEM);
        refused += err != RT_OK;
        rt_arena_free(small);
    }
    CHECK_OK(err);
    CHECK_TRUE(refused > 10); // each of its allocations failed once
}

// --- agents spread over hosts in any way --------------------------------------------------------

typedef struct said {
    msg_proposal proposals[3];
    uint32_t proposal_count;
    msg_prediction predictions[2];
    msg_emission emissions[2];
    msg_timer timers[2];
} said;

typedef struct host {
    msg_proposal proposals[3 * AGENTS];
    msg_prediction predictions[2 * AGENTS];
    msg_emission emissions[2 * AGENTS];
    msg_timer timers[2 * AGENTS];
    msg_answer answer;
} host;

static void
make_said(rt_rng *rng, said *s, const char *agent)
{
    static const char *const actions[] = {"open_case", "expedite_order", "resume_carrier", "fly"};
    static const char *const targets[] = {"order/1", "order/2", "carrier/1"};
    static const char *const models[] = {"m1", "m2"};

    s->proposal_count = (uint32_t)rt_rng_below(rng, 4);
    for (uint32_t i = 0; i < s->proposal_count; i++) {
        s->proposals[i] = (msg_proposal){.agent = rt_str_of(agent),
                                         .action = rt_str_of(actions[rt_rng_below(rng, 4)]),
                                         .target = rt_str_of(targets[rt_rng_below(rng, 3)]),
                                         .priority = (int64_t)rt_rng_below(rng, 3),
                                         .confidence = 1,
                                         .veto = rt_rng_chance(rng, 0.05)};
    }
    for (uint32_t i = 0; i < 2; i++) {
        s->predictions[i] =
            (msg_prediction){.agent = rt_str_of(agent), .model = rt_str_of(models[i])};
        s->emissions[i] = (msg_emission){.agent = rt_str_of(agent), .event = rt_str_of(models[i])};
        s->timers[i] = (msg_timer){.owner = rt_str_of(agent), .key = rt_str_of(models[i])};
    }
}

static void
add_said(host *h, const said *s)
{
    msg_answer *a = &h->answer;

    memcpy(&h->proposals[a->proposals.count], s->proposals,
           sizeof(msg_proposal) * s->proposal_count);
    memcpy(&h->predictions[a->predictions.count], s->predictions, sizeof(s->predictions));
    memcpy(&h->emissions[a->emissions.count], s->emissions, sizeof(s->emissions));
    memcpy(&h->timers[a->timers.count], s->timers, sizeof(s->timers));
    a->proposals = (rt_msg_list){h->proposals, a->proposals.count + s->proposal_count};
    a->predictions = (rt_msg_list){h->predictions, a->predictions.count + 2};
    a->emissions = (rt_msg_list){h->emissions, a->emissions.count + 2};
    a->timers = (rt_msg_list){h->timers, a->timers.count + 2};
}

// Spreads the agents over hosts at random, decides, and encodes all that came of it.
static void
decide_spread(fixture *f, rt_rng *rng, const said *all, rt_mpw *w)
{
    static host hosts[HOSTS];
    size_t order[AGENTS] = {0, 1, 2, 3, 4, 5};

    memset(hosts, 0, sizeof(hosts));
    for (size_t i = 0; i < AGENTS; i++) {
        size_t j = i + (size_t)rt_rng_below(rng, AGENTS - i);
        size_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    for (size_t i = 0; i < AGENTS; i++) {
        add_said(&hosts[rt_rng_below(rng, HOSTS)], &all[order[i]]);
    }
    for (size_t h = 0; h < HOSTS; h++) {
        f->hearing.answers[h] = &hosts[h].answer;
    }
    f->hearing.answer_count = HOSTS;
    rt_arena_reset(f->arena);
    decide(f);
    rt_mpw_clear(w);
    rt_msg_encode(&msg_decision_def, &f->out.decision, w);
    for (uint32_t i = 0; i < f->out.emission_count; i++) {
        rt_msg_encode(&msg_emission_def, &f->out.emissions[i], w);
    }
}

static void
test_decide_hosts_and_their_order_change_no_byte(void **state)
{
    static const char *const names[AGENTS] = {"a", "ab", "b", "c", "customer", "z"};
    fixture *f = *state;
    said all[AGENTS];
    rt_mpw first;
    rt_mpw other;
    rt_rng rng;

    rt_mpw_init(&first, 1 << 20);
    rt_mpw_init(&other, 1 << 20);
    rt_rng_seed(&rng, 91, 1);
    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < AGENTS; i++) {
            make_said(&rng, &all[i], names[i]);
        }
        decide_spread(f, &rng, all, &first);
        for (int again = 0; again < 3; again++) {
            decide_spread(f, &rng, all, &other);
            CHECK_BYTES(rt_mpw_view(&other), rt_mpw_view(&first));
        }
        CHECK_INT(f->out.emission_count, 2 * AGENTS);
        CHECK_INT(f->out.decision.emissions, 2 * AGENTS);
    }
    rt_mpw_fini(&first);
    rt_mpw_fini(&other);
}

#define CROWD 80 // proposals of one event, from two hosts
#define CROWD_MAX BR_CANDIDATES_MAX

// Two hosts want much; the last proposal of all is a veto.
static void
crowd(fixture *f, msg_proposal proposals[CROWD], msg_answer answers[2], bool swapped)
{
    static char targets[CROWD][16];

    memset(answers, 0, 2 * sizeof(*answers));
    for (uint32_t i = 0; i < CROWD; i++) {
        (void)snprintf(targets[i], sizeof(targets[i]), "order/%u", i);
        proposals[i] = (msg_proposal){.agent = i < CROWD / 2 ? RT_STR("a") : RT_STR("b"),
                                      .action = RT_STR("expedite_order"),
                                      .target = rt_str_of(targets[i]),
                                      .priority = (int64_t)i + 1,
                                      .confidence = 1};
    }
    proposals[CROWD - 1].veto = true;
    proposals[CROWD - 1].priority = 0;
    for (uint32_t h = 0; h < 2; h++) {
        answers[h] = (msg_answer){.seq = SEQ,
                                  .proposals = {proposals + h * CROWD / 2, CROWD / 2}};
        f->hearing.answers[h] = &answers[swapped ? 1 - h : h];
    }
    f->hearing.answer_count = 2;
}

static void
test_decide_crowd_leaves_out_the_least_and_says_so(void **state)
{
    fixture *f = *state;
    msg_proposal *proposals = rt_new_array(msg_proposal, CROWD);
    msg_answer answers[2];

    for (int swapped = 0; swapped < 2; swapped++) {
        crowd(f, proposals, answers, swapped != 0);
        decide(f);

        CHECK_INT(f->out.decision.candidates.count, CROWD_MAX);
        CHECK_U64(f->out.decision.crowded, CROWD - CROWD_MAX);
        CHECK_NEAR(candidate(f, 0)->score, CROWD - CROWD_MAX + 1, 0); // the least was left out
        CHECK_TRUE(candidate(f, CROWD_MAX - 1)->proposal.veto);       // a veto never
    }
    rt_free(proposals);
}

static void
test_decide_too_many_timers_keep_the_first_by_name(void **state)
{
    fixture *f = *state;
    msg_timer *timers = rt_new_array(msg_timer, 200);
    msg_answer answers[2] = {{.seq = SEQ, .timers = {timers, 100}},
                             {.seq = SEQ, .timers = {timers + 100, 100}}};

    for (int i = 0; i < 200; i++) {
        timers[i] = (msg_timer){.owner = i < 100 ? RT_STR("z") : RT_STR("a"),
                                .key = RT_STR("k"),
                                .due_ms = i + 1,
                                .subject = RT_STR("order/1")};
    }
    f->hearing.answers[0] = &answers[0];
    f->hearing.answers[1] = &answers[1];
    f->hearing.answer_count = 2;
    decide(f);

    const msg_timer *kept = f->out.decision.timers.items;
    CHECK_INT(f->out.decision.timers.count, 128);
    CHECK_U64(f->out.decision.crowded, 72);
    CHECK_STR(kept[99].owner, "a");
    CHECK_STR(kept[127].owner, "z");
    rt_free(timers);
}

static void
test_decide_proposers_without_a_name_are_taken_in_order(void **state)
{
    fixture *f = *state;

    // as they are decoded: an empty text has no pointer
    propose(f, "b", "open_case", "order/1", 10)->agent = (rt_str){NULL, 0};
    propose(f, "a", "alert_operator", "order/1", 10);
    propose(f, "c", "alert_operator", "order/2", 10)->agent = (rt_str){NULL, 0};
    decide(f);

    CHECK_INT(f->out.decision.candidates.count, 3);
    CHECK_STR(candidate(f, 0)->proposal.action, "open_case");
    CHECK_STR(candidate(f, 1)->proposal.target, "order/2");
    CHECK_STR(candidate(f, 2)->proposal.agent, "a");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_decide_nobody_said_anything_is_a_bare_decision),
        TEST(test_decide_conflict_has_one_winner_with_a_key),
        TEST(test_decide_veto_of_one_agent_stops_another),
        TEST(test_decide_refusals_name_their_reason),
        TEST(test_decide_cooldown_counts_within_one_decision),
        TEST(test_decide_halted_refuses_everything),
        TEST(test_decide_missing_agents_are_recorded),
        TEST(test_decide_playbook_stands_beside_agents),
        TEST(test_decide_throttled_playbook_proposes_nothing),
        TEST(test_decide_each_playbook_has_a_throttle_of_its_own),
        TEST(test_decide_playbook_that_could_not_act_keeps_its_throttle),
        TEST(test_decide_shadow_playbook_never_wins),
        TEST(test_decide_verification_is_set_only_when_something_was_done),
        TEST(test_decide_similar_and_recalled_are_what_was_known_before),
        TEST(test_decide_damaged_consultation_is_an_error),
        TEST(test_decide_without_memory_is_enomem),
        TEST(test_decide_hosts_and_their_order_change_no_byte),
        TEST(test_decide_crowd_leaves_out_the_least_and_says_so),
        TEST(test_decide_too_many_timers_keep_the_first_by_name),
        TEST(test_decide_proposers_without_a_name_are_taken_in_order),
    };

    return CHECK_RUN(tests);
}
