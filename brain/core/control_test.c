// The control door's own answers: who may ask, what is no request, and how calls end.
#include "brain/core/control.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"
#include "tests/harness/pack_kit.h"

#define PATH "/run/ctl.sock"
#define ANSWER_MS 300
#define STRANGER 4711u

typedef struct fixture {
    br_pack *pack;
    rt_loop *loop;
    br_brain *brain;
    rt_ctl_call *call;
    rt_mpw request;
    rt_text answer; // of the last frame, as JSON
    rt_err err;
    uint32_t frames;
    bool is_over;
} fixture;

// A configuration too large for one message.
static void
describe(void *user, rt_mpw *w)
{
    uint8_t *bytes = rt_alloc(BR_CONTROL_MESSAGE_MAX);

    (void)user;
    rt_mpw_bin(w, (rt_bytes){bytes, BR_CONTROL_MESSAGE_MAX});
    rt_free(bytes);
}

static int
setup(void **state)
{
    static const br_tenant_config tenants[] = {{.number = 1, .name = "alpha"},
                                               {.number = 2, .name = "beta"}};
    static const int64_t zones[3];
    fixture *f = rt_new(fixture);
    rt_diag *diag = rt_diag_new();

    sim_reset(1);
    sim_disk_reset();
    f->pack = pack_kit_real();
    f->loop = rt_loop_new();
    br_brain_config config = {.pack = f->pack,
                              .data_dir = "/data",
                              .segment_bytes = 64 << 10,
                              .journal_max_bytes = 1 << 20,
                              .sync = true,
                              .store_map_bytes = 16 << 20,
                              .cut_every_ms = 1000,
                              .state = {.pack = f->pack,
                                        .gate = {.utc_offset_ms = zones, .tenant_count = 3},
                                        .subjects_max = 100,
                                        .memories_max = 100,
                                        .dedup_events = 1024,
                                        .dedup_window_ms = 1000},
                              .tenants = tenants,
                              .tenant_count = 2,
                              .control_path = PATH,
                              .limits = {1 << 20, 16, 16},
                              .deadline_ms = 100,
                              .describe_config = describe,
                              .build = "test"};
    CHECK_OK(br_brain_new(f->loop, &config, diag, &f->brain));
    rt_diag_free(diag);
    rt_mpw_init(&f->request, 65536);
    rt_text_init(&f->answer, 1 << 20);
    sim_advance_ms(50);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    br_brain_free(f->brain);
    rt_loop_free(f->loop);
    rt_mpw_fini(&f->request);
    rt_text_fini(&f->answer);
    br_pack_free(f->pack);
    rt_free(f);
    return 0;
}

static void
on_answer(void *user, rt_err err, rt_bytes body, bool last)
{
    fixture *f = user;

    CHECK_FALSE(f->is_over);
    f->err = err;
    f->is_over = last || err != RT_OK;
    f->frames++;
    rt_text_clear(&f->answer);
    if (err == RT_OK) {
        CHECK_OK(rt_json_from_mp(body, &f->answer));
    }
}

static void
ask_bytes(fixture *f, uint32_t uid, rt_bytes body)
{
    f->is_over = false;
    f->frames = 0;
    f->call = sim_ctl_call(PATH, uid, body, on_answer, f);
    CHECK_TRUE(f->call != NULL);
    sim_advance_ms(ANSWER_MS);
}

static void
ask(fixture *f, const char *json)
{
    rt_mpw_clear(&f->request);
    CHECK_OK(rt_json_to_mp(rt_str_of(json), &f->request));
    ask_bytes(f, 0, rt_mpw_view(&f->request));
}

static void
check_answer(const fixture *f, const char *want)
{
    CHECK_TRUE(f->is_over);
    CHECK_OK(f->err);
    CHECK_STR(rt_text_view(&f->answer), want);
}

static void
test_control_another_user_is_denied(void **state)
{
    fixture *f = *state;

    rt_mpw_clear(&f->request);
    CHECK_OK(rt_json_to_mp(RT_STR("{\"cmd\":\"halt\"}"), &f->request));
    ask_bytes(f, STRANGER, rt_mpw_view(&f->request));

    check_answer(f, "{\"ok\":false,\"error\":{\"code\":\"RT_EDENIED\",\"text\":\"uid 4711 has "
                    "no role of brain.yaml and may not use the control door\",\"hint\":\""
                    "brain.yaml names who may, for example roles: [{name: viewer, users: "
                    "[4711]}]; or use sudo\"}}");
    CHECK_FALSE(br_gate_halted(f->brain->state->gate));
}

// Every command, by users of each role; the table says who gets past the door.
static void
test_control_roles_open_what_they_name(void **state)
{
    enum { VIEWER = 2001, OPERATOR = 2002, SUPERVISOR = 2003, BOTH = 2004 };
    static const br_role roles[] = {{"viewer", {VIEWER, BOTH}, 2},
                                    {"operator", {OPERATOR}, 1},
                                    {"supervisor", {SUPERVISOR, BOTH}, 2}};
    static const struct {
        const char *command;
        bool view;
        bool answer;
    } list[] = {
        {"status", true, true},           {"agents.list", true, true},
        {"playbooks.list", true, true},   {"approvals.list", true, true},
        {"budgets.show", true, true},     {"actions.list", true, true},
        {"runs.list", true, true},        {"dlq.list", true, true},
        {"memory.show", true, true},      {"records.scan", true, true},
        {"explain", true, true},          {"playbooks.schema", true, true},
        {"playbooks.starter", true, true}, {"sync.hash", true, true},
        {"dlq.show", true, true},         {"approvals.decide", false, true},
        {"events.publish", false, false}, {"playbooks.check", false, false},
        {"playbooks.reload", false, false}, {"playbooks.promote", false, false},
        {"runs.acknowledge", false, false}, {"dlq.retry", false, false},
        {"dlq.discard", false, false},    {"halt", false, false},
        {"resume", false, false},
    };
    fixture *f = *state;

    f->brain->config.roles = roles;
    f->brain->config.role_count = RT_COUNT(roles);
    for (size_t i = 0; i < RT_COUNT(list); i++) {
        const struct {
            uint32_t uid;
            bool may;
        } users[] = {{VIEWER, list[i].view},
                     {OPERATOR, true},
                     {SUPERVISOR, list[i].answer},
                     {BOTH, list[i].answer},
                     {STRANGER, false}};

        for (size_t u = 0; u < RT_COUNT(users); u++) {
            char json[64];
            bool denied = false;

            (void)snprintf(json, sizeof(json), "{\"cmd\":\"%s\"}", list[i].command);
            rt_mpw_clear(&f->request);
            CHECK_OK(rt_json_to_mp(rt_str_of(json), &f->request));
            ask_bytes(f, users[u].uid, rt_mpw_view(&f->request));
            denied = strstr(f->answer.ptr, "RT_EDENIED") != NULL;
            if (denied == users[u].may) {
                fail_msg("uid %u, %s: %s", users[u].uid, list[i].command, f->answer.ptr);
            }
        }
    }
}

static void
test_control_role_that_is_missing_is_named(void **state)
{
    static const br_role roles[] = {{"viewer", {STRANGER}, 1}};
    fixture *f = *state;

    f->brain->config.roles = roles;
    f->brain->config.role_count = 1;
    rt_mpw_clear(&f->request);
    CHECK_OK(rt_json_to_mp(RT_STR("{\"cmd\":\"halt\"}"), &f->request));
    ask_bytes(f, STRANGER, rt_mpw_view(&f->request));

    check_answer(f, "{\"ok\":false,\"error\":{\"code\":\"RT_EDENIED\",\"text\":\"uid 4711 may "
                    "look, but halt needs the role operator\",\"hint\":\"in brain.yaml: roles: "
                    "[{name: operator, users: [4711]}]; or use sudo\"}}");
    CHECK_FALSE(br_gate_halted(f->brain->state->gate));
}

static void
test_control_what_is_no_request_is_told_so(void **state)
{
    fixture *f = *state;

    ask_bytes(f, 0, (rt_bytes){(const uint8_t *)"\xc1", 1});
    check_answer(f, "{\"ok\":false,\"error\":{\"code\":\"RT_EPROTO\",\"text\":\"the request is no "
                    "msgpack map\"}}");
    ask(f, "[1]");
    check_answer(f,
                 "{\"ok\":false,\"error\":{\"code\":\"RT_EMISSING\",\"text\":\"the request names "
                 "no cmd\"}}");
    ask(f, "{\"cmd\":7}");
    check_answer(f,
                 "{\"ok\":false,\"error\":{\"code\":\"RT_EMISSING\",\"text\":\"the request names "
                 "no cmd\"}}");
    ask(f, "{\"cmd\":\"statsu\"}");
    check_answer(f, "{\"ok\":false,\"error\":{\"code\":\"RT_EUNKNOWN\",\"text\":\"no command "
                    "'statsu'\",\"hint\":\"did you mean 'status'?\"}}");
}

static void
test_control_unknown_tenant_is_named_with_a_near_one(void **state)
{
    fixture *f = *state;

    ask(f, "{\"cmd\":\"memory.show\",\"args\":{\"tenant\":\"alhpa\",\"entity\":\"order/1\"}}");

    check_answer(f, "{\"ok\":false,\"error\":{\"code\":\"RT_ENOTFOUND\",\"text\":\"no tenant "
                    "'alhpa'\",\"hint\":\"did you mean 'alpha'?\"}}");
}

static void
test_control_answer_over_the_bound_is_refused_instead(void **state)
{
    fixture *f = *state;

    ask(f, "{\"cmd\":\"config.show\"}");
    check_answer(f,
                 "{\"ok\":false,\"error\":{\"code\":\"RT_ELIMIT\",\"text\":\"the answer is larger "
                 "than the 4194304 bytes a message may have\",\"hint\":\"ask for less at a "
                 "time\"}}");
    ask(f, "{\"cmd\":\"playbooks.list\"}"); // the writer is whole again
    CHECK_TRUE(rt_str_starts(rt_text_view(&f->answer), RT_STR("{\"ok\":true")));
}

static void
test_control_of_a_brain_that_stopped_says_why(void **state)
{
    fixture *f = *state;

    f->brain->failed = RT_EIO;
    ask(f, "{\"cmd\":\"status\"}");

    CHECK_TRUE(f->is_over);
    CHECK_TRUE(strstr(f->answer.ptr, "\"RT_ECLOSED\",\"text\":\"the brain has stopped: ") != NULL);
}

static void
test_control_hang_up_ends_what_stays(void **state)
{
    fixture *f = *state;

    ask(f, "{\"cmd\":\"records.follow\",\"args\":{\"kinds\":[\"event\"]}}");
    CHECK_FALSE(f->is_over);
    CHECK_INT(f->brain->control->tail_count, 1);
    br__control_hang_up(f->brain);
    sim_advance_ms(ANSWER_MS);

    CHECK_TRUE(f->is_over);
    CHECK_TRUE(sim_ctl_call(PATH, 0, rt_mpw_view(&f->request), on_answer, f) == NULL);
    br__control_hang_up(f->brain); // nothing left to end
    CHECK_FALSE(br__control_waits(f->brain));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_control_another_user_is_denied),
        TEST(test_control_roles_open_what_they_name),
        TEST(test_control_role_that_is_missing_is_named),
        TEST(test_control_what_is_no_request_is_told_so),
        TEST(test_control_unknown_tenant_is_named_with_a_near_one),
        TEST(test_control_answer_over_the_bound_is_refused_instead),
        TEST(test_control_of_a_brain_that_stopped_says_why),
        TEST(test_control_hang_up_ends_what_stays),
    };

    return CHECK_RUN(tests);
}
