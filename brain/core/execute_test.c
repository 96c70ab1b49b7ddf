// What becomes of actions around a crash, seen by the receiver, the state and the audit.
#include "brain/core/internal.h"
#include "runtime/sim/sim.h"
#include "tests/harness/audit_kit.h"

#define PATIENCE_MS 60000
#define HOOK_PLAYBOOK                                                                              \
    "kind: playbook\nid: hook\nevents: [thing.happened]\nwhen: 'true'\n"                           \
    "do:\n  - {action: hook, target: 'a/1'}\n"

typedef struct fixture {
    audit_kit *kit;
    rt_loop *loop;
    br_brain *brain;
    int64_t zones[2];
    uint32_t posts;
    int64_t per_minute; // actions; 0 = as the audit has it
} fixture;

static void
on_post(void *user, const rt_http_request *request, sim_http_answer *ret_answer)
{
    fixture *f = user;

    f->posts++;
    ret_answer->delay_ms = 500;
    for (uint32_t i = 0; i < request->header_count; i++) {
        const char *name = "webhook-id: ";

        if (strncmp(request->headers[i], name, strlen(name)) == 0) {
            const char *id = request->headers[i] + strlen(name);

            audit_posted(f->kit->audit, id, strlen(id), request->body.ptr, request->body.len);
        }
    }
}

// A journal that begins as a brain with a webhook in its playbook leaves it.
static int
setup(void **state)
{
    fixture *f = rt_new(fixture);
    rt_mpw *w = NULL;

    sim_reset(1);
    sim_set_wall_ms(AUDIT_KIT_NOON_MS);
    f->kit = audit_kit_new(AUDIT_DRAINED | AUDIT_WHOLE);
    f->loop = rt_loop_new();
    f->zones[1] = -5 * AUDIT_KIT_HOUR_MS;
    sim_http_handler(on_post, f);
    (void)audit_kit_start(f->kit);
    w = rt_journal_begin(f->kit->journal, RT_RECORD_PLAYBOOKS, 0, f->kit->now_ms);
    br_state_encode_playbooks(1, &(br_playbook_file){RT_STR("hook.yaml"), rt_str_of(HOOK_PLAYBOOK)},
                              1, NULL, w);
    (void)audit_kit_end(f->kit);
    audit_kit_commit(f->kit);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    br_brain_free(f->brain);
    audit_kit_free(f->kit);
    rt_loop_free(f->loop);
    rt_free(f);
    sim_http_handler(NULL, NULL);
    return 0;
}

// Starts a brain on what is there, as after a crash.
static void
start(fixture *f)
{
    static const br_tenant_config tenant = {.number = 1, .name = "alpha"};
    static const br_webhook webhook = {.name = "shop",
                                       .url = "https://shop.example/hook",
                                       .key = {(const uint8_t *)"key", 3},
                                       .timeout_ms = 3000,
                                       .attempts = 3};
    rt_diag *diag = rt_diag_new();
    br_brain_config config = {.pack = f->kit->pack,
                              .data_dir = "/data",
                              .segment_bytes = 1 << 20,
                              .journal_max_bytes = 64 << 20,
                              .sync = true,
                              .store_map_bytes = 64 << 20,
                              .cut_every_ms = 1000,
                              .state = {.pack = f->kit->pack,
                                        .gate = {.actions_per_minute = f->per_minute > 0
                                                                           ? f->per_minute
                                                                           : AUDIT_KIT_PER_MINUTE,
                                                 .quiet_from_min = 21 * 60,
                                                 .quiet_until_min = 8 * 60,
                                                 .utc_offset_ms = f->zones,
                                                 .tenant_count = 2},
                                        .subjects_max = 1000,
                                        .memories_max = 1000,
                                        .dedup_events = 1024,
                                        .dedup_window_ms = AUDIT_KIT_DAY_MS},
                              .tenants = &tenant,
                              .tenant_count = 1,
                              .webhooks = &webhook,
                              .webhook_count = 1,
                              .http = {.inflight_max = 4},
                              .deadline_ms = 100,
                              .build = "test"};

    audit_kit_commit(f->kit);
    rt_journal_close(f->kit->journal);
    f->kit->journal = NULL;
    CHECK_OK(br_brain_new(f->loop, &config, diag, &f->brain));
    rt_diag_free(diag);
}

// Lets the brain run until every action has ended, and ends it.
static void
drain(fixture *f)
{
    int64_t until_ms = sim_now_ms() + PATIENCE_MS;

    while (!f->brain->doors_open || br_pending_count(f->brain->pending) > 0 ||
           br_outbox_count(f->brain->state->outbox) > 0 ||
           rt_journal_pending(f->brain->journal) > 0) {
        CHECK_TRUE(sim_now_ms() < until_ms);
        sim_advance_ms(10);
    }
    br_brain_free(f->brain);
    f->brain = NULL;
}

static void
check_ended(fixture *f, uint64_t executed, uint64_t unknown, uint32_t posts)
{
    audit_kit_run(f->kit);
    for (size_t i = 0; audit_violation_at(f->kit->audit, i) != NULL; i++) {
        const audit_violation *v = audit_violation_at(f->kit->audit, i);

        print_error("record %llu: %s: %s\n", (unsigned long long)v->seq, v->rule, v->text);
    }
    CHECK_U64(audit_violation_count(f->kit->audit), 0);
    CHECK_U64(audit_figures_of(f->kit->audit)->executed, executed);
    CHECK_U64(audit_figures_of(f->kit->audit)->unknown, unknown);
    CHECK_INT(f->posts, posts);
}

static void
test_execute_webhook_decided_after_a_crash_is_sent_and_known(void **state)
{
    fixture *f = *state;

    (void)audit_kit_any(f->kit); // undecided when the brain died
    start(f);
    drain(f);

    check_ended(f, 1, 0, 1);
}

static void
test_execute_webhook_in_flight_at_a_crash_is_unknown_and_not_sent(void **state)
{
    fixture *f = *state;
    uint64_t seq = audit_kit_any(f->kit);

    (void)audit_kit_propose(f->kit, "hook", "a/1", NULL);
    (void)audit_kit_decide(f->kit, seq);
    start(f);
    drain(f);

    check_ended(f, 0, 1, 0);
}

static void
test_execute_other_action_in_flight_at_a_crash_runs_again(void **state)
{
    fixture *f = *state;
    uint64_t seq = audit_kit_any(f->kit);

    (void)audit_kit_propose(f->kit, "move", "parcel/1", NULL);
    (void)audit_kit_propose(f->kit, "reset", "model/x", "{\"model\": \"x\"}");
    (void)audit_kit_decide(f->kit, seq);
    start(f);
    drain(f);

    check_ended(f, 2, 0, 0);
}

// Two playbooks that set each other off: the ninth event of the chain is not raised, and it is told
// who asked for it.
static void
test_execute_loop_of_actions_is_cut_off_and_named(void **state)
{
    static const char first[] = "kind: playbook\nid: first\nevents: [thing.happened]\ndo:\n"
                                "  - {action: reset, target: 'model/x', args: {model: x}}\n";
    static const char again[] = "kind: playbook\nid: again\nevents: [model.reset]\ndo:\n"
                                "  - {action: reset, target: 'model/x', args: {model: x}}\n";
    const br_playbook_file files[] = {{RT_STR("again.yaml"), rt_str_of(again)},
                                      {RT_STR("first.yaml"), rt_str_of(first)}};
    fixture *f = *state;
    int64_t until_ms = sim_now_ms() + PATIENCE_MS;

    br_state_encode_playbooks(
        2, files, 2, NULL,
        rt_journal_begin(f->kit->journal, RT_RECORD_PLAYBOOKS, 0, f->kit->now_ms));
    (void)audit_kit_end(f->kit);
    (void)audit_kit_any(f->kit);
    f->per_minute = 1000;
    start(f);
    while (f->brain->metrics.actions_failed == 0) {
        CHECK_TRUE(sim_now_ms() < until_ms);
        sim_advance_ms(10);
    }
    sim_advance_ms(1000);

    CHECK_U64(f->brain->metrics.action_loops_cut, 1);
    CHECK_U64(f->brain->metrics.actions_executed, RT_EVENT_DEPTH_MAX);
    CHECK_U64(f->brain->metrics.actions_failed, 1);
    CHECK_INT(br_outbox_count(f->brain->state->outbox), 0);
    CHECK_INT(br_pending_count(f->brain->pending), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_execute_webhook_decided_after_a_crash_is_sent_and_known),
        TEST(test_execute_webhook_in_flight_at_a_crash_is_unknown_and_not_sent),
        TEST(test_execute_other_action_in_flight_at_a_crash_runs_again),
        TEST(test_execute_loop_of_actions_is_cut_off_and_named),
    };

    return CHECK_RUN(tests);
}
