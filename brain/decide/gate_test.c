// The gate: every refusal with its reason, and budgets that nothing gets past.
#include "brain/decide/gate.h"

#include "runtime/base/rng.h"
#include "tests/harness/pack_kit.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define NOON_MS (20000 * DAY_MS + 17 * HOUR_MS) // 12:00 in Bogotá
#define PER_MINUTE 10

static const char ACTIONS[] =
    "kind: actions\nactions:\n"
    "  call: {group: contact, contact: true, resource: customer, args: {text: {type: str, "
    "required: "
    "true}}}\n"
    "  move: {group: carrier, cooldown: 2h, budget: {per_target_day: 3}}\n"
    "  note: {budget: {per_tenant_hour: 4}}\n"
    "  ping: {budget: {per_target_day: 2}}\n"
    "  tell: {args: {a: {type: str}}}\n"
    "  free: {}\n"
    "  hook: {executor: webhook, webhook: erp}\n"
    "  hook2: {executor: webhook, webhook: crm}\n";
static const char CUSTOMER[] = "kind: entities\nentities:\n  customer: {}\n";
static const int64_t zones[] = {0, -5 * HOUR_MS, 0};

typedef struct fixture {
    br_pack *pack;
    rt_store *store;
    br_outbox *outbox;
    br_gate *gate;
    br_candidate candidate;
    br_candidate others[8];
    const br_candidate *admitted[8];
    uint32_t admitted_count;
    rt_mpw args;
} fixture;

// A gate over an empty store.
static void
open_gate(fixture *f, int32_t quiet_from_min, int32_t quiet_until_min)
{
    const br_gate_config config = {.actions_per_minute = PER_MINUTE,
                                   .quiet_from_min = quiet_from_min,
                                   .quiet_until_min = quiet_until_min,
                                   .utc_offset_ms = zones,
                                   .tenant_count = RT_COUNT(zones)};

    f->store = rt_store_open_memory();
    CHECK_OK(br_outbox_new(f->store, &f->outbox));
    CHECK_OK(br_gate_new(f->store, f->outbox, &config, &f->gate));
}

static void
close_gate(fixture *f)
{
    br_gate_free(f->gate);
    br_outbox_free(f->outbox);
    rt_store_close(f->store);
}

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);
    const char *const texts[] = {ACTIONS, CUSTOMER};

    f->pack = pack_kit_of(texts, 2);
    open_gate(f, 21 * 60, 8 * 60);
    rt_mpw_init(&f->args, 2 * BR_GATE_ARGS_MAX);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    close_gate(f);
    rt_mpw_fini(&f->args);
    br_pack_free(f->pack);
    rt_free(f);
    return 0;
}

static bool
admit_args(fixture *f, const char *action, const char *target, int64_t now_ms, rt_bytes args)
{
    br_admission admission = {.tenant = PACK_KIT_TENANT,
                              .now_ms = now_ms,
                              .candidate = &f->candidate,
                              .admitted = f->admitted,
                              .admitted_count = f->admitted_count};

    f->candidate = (br_candidate){.action = br_pack_action(f->pack, rt_str_of(action))};
    f->candidate.msg.proposal.action = rt_str_of(action);
    f->candidate.msg.proposal.target = rt_str_of(target);
    f->candidate.msg.proposal.args = args;
    return br_gate_admit(f->gate, &admission);
}

static bool
admit(fixture *f, const char *action, const char *target, int64_t now_ms)
{
    return admit_args(f, action, target, now_ms, (rt_bytes){NULL, 0});
}

static void
take(fixture *f, const char *action, const char *target, int64_t now_ms)
{
    br_gate_consume(f->gate, PACK_KIT_TENANT, now_ms, br_pack_action(f->pack, rt_str_of(action)),
                    rt_str_of(target));
}

static void
check_refused(fixture *f, const char *action, const char *target, int64_t now_ms, const char *why)
{
    CHECK_FALSE(admit(f, action, target, now_ms));
    CHECK_CSTR(f->candidate.why, why);
}

static const uint8_t text_args[] = {0x81, 0xa4, 't', 'e', 'x', 't', 0xa2, 'h', 'i'};

static bool
call(fixture *f, const char *target, int64_t now_ms)
{
    return admit_args(f, "call", target, now_ms, (rt_bytes){text_args, sizeof(text_args)});
}

static void
test_gate_halted_admits_nothing_until_resumed(void **state)
{
    fixture *f = *state;

    br_gate_halt(f->gate, NOON_MS);
    CHECK_TRUE(br_gate_halted(f->gate));
    check_refused(f, "free", "order/1", NOON_MS, "halted by an operator");
    br_gate_resume(f->gate);
    br_gate_resume(f->gate);

    CHECK_FALSE(br_gate_halted(f->gate));
    CHECK_TRUE(admit(f, "free", "order/1", NOON_MS));
}

static void
test_gate_shape_of_arguments_and_target_is_checked(void **state)
{
    fixture *f = *state;

    CHECK_TRUE(call(f, "customer/1", NOON_MS));
    check_refused(f, "call", "customer/1", NOON_MS, "action call needs argument 'text'");
    CHECK_FALSE(call(f, "order/1", NOON_MS));
    CHECK_CSTR(f->candidate.why, "target 'order/1' is not a customer");
    CHECK_FALSE(call(f, "customer", NOON_MS));
    CHECK_TRUE(admit(f, "free", "", NOON_MS));
}

// Arguments of the action `tell` that take exactly `len` bytes.
static rt_bytes
args_of(fixture *f, size_t len)
{
    static char text[BR_GATE_ARGS_MAX + 1];
    size_t head = 1 + 2 + 3; // a map, a name of one letter, a length of 16 bits

    memset(text, 'x', sizeof(text));
    rt_mpw_clear(&f->args);
    rt_mpw_map(&f->args, 1);
    rt_mpw_cstr(&f->args, "a");
    rt_mpw_str(&f->args, (rt_str){text, len - head});
    CHECK_INT(f->args.len, len);
    return rt_mpw_view(&f->args);
}

static void
test_gate_target_or_arguments_too_long_are_refused(void **state)
{
    fixture *f = *state;
    char target[RT_EVENT_SUBJECT_MAX + 2];
    uint8_t *args = rt_alloc(BR_GATE_ARGS_MAX + 1);

    memset(target, 'x', sizeof(target));
    memset(args, 0, BR_GATE_ARGS_MAX + 1);
    target[RT_EVENT_SUBJECT_MAX + 1] = '\0';
    check_refused(f, "move", target, NOON_MS, "target or arguments too long");
    CHECK_FALSE(admit_args(f, "free", "a", NOON_MS, (rt_bytes){args, BR_GATE_ARGS_MAX + 1}));
    CHECK_CSTR(f->candidate.why, "target or arguments too long");
    rt_free(args);

    CHECK_TRUE(admit_args(f, "tell", "a", NOON_MS, args_of(f, BR_GATE_ARGS_MAX)));
    CHECK_FALSE(admit_args(f, "tell", "a", NOON_MS, args_of(f, BR_GATE_ARGS_MAX + 1)));
    target[RT_EVENT_SUBJECT_MAX] = '\0';
    CHECK_TRUE(admit(f, "move", target, NOON_MS));
    take(f, "move", target, NOON_MS);
}

static void
test_gate_quiet_hours_spare_customers_in_their_own_time(void **state)
{
    fixture *f = *state;
    int64_t midnight = NOON_MS - 12 * HOUR_MS; // local

    CHECK_FALSE(call(f, "customer/1", midnight));
    CHECK_CSTR(f->candidate.why, "quiet hours");
    CHECK_FALSE(call(f, "customer/1", midnight + 8 * HOUR_MS - 1));
    CHECK_TRUE(call(f, "customer/1", midnight + 8 * HOUR_MS));
    CHECK_TRUE(call(f, "customer/1", midnight + 21 * HOUR_MS - 1));
    CHECK_FALSE(call(f, "customer/1", midnight + 21 * HOUR_MS));
    CHECK_TRUE(admit(f, "free", "customer/1", midnight)); // reaches nobody
}

static void
test_gate_quiet_hours_within_one_day(void **state)
{
    fixture *f = *state;
    int64_t midnight = NOON_MS - 12 * HOUR_MS; // local

    close_gate(f);
    open_gate(f, 12 * 60 + 30, 14 * 60);

    CHECK_TRUE(call(f, "customer/1", midnight));
    CHECK_TRUE(call(f, "customer/1", midnight + 12 * HOUR_MS + 30 * MINUTE_MS - 1));
    CHECK_FALSE(call(f, "customer/1", midnight + 12 * HOUR_MS + 30 * MINUTE_MS));
    CHECK_FALSE(call(f, "customer/1", midnight + 14 * HOUR_MS - 1));
    CHECK_TRUE(call(f, "customer/1", midnight + 14 * HOUR_MS));
}

static void
test_gate_quiet_from_and_until_the_same_minute_is_never(void **state)
{
    fixture *f = *state;

    close_gate(f);
    open_gate(f, 12 * 60, 12 * 60);

    CHECK_TRUE(call(f, "customer/1", NOON_MS));
    CHECK_TRUE(call(f, "customer/1", NOON_MS - MINUTE_MS));
}

static void
test_gate_tenant_without_a_zone_lives_in_utc(void **state)
{
    fixture *f = *state;
    br_admission admission = {.tenant = {RT_COUNT(zones)}, .candidate = &f->candidate};

    CHECK_TRUE(call(f, "customer/1", NOON_MS)); // fills the candidate
    admission.now_ms = NOON_MS - 17 * HOUR_MS + 8 * HOUR_MS - 1;
    CHECK_FALSE(br_gate_admit(f->gate, &admission));
    CHECK_CSTR(f->candidate.why, "quiet hours");
    admission.now_ms++;
    CHECK_TRUE(br_gate_admit(f->gate, &admission));
}

static void
test_gate_full_outbox_admits_nothing(void **state)
{
    fixture *f = *state;
    char id[32];
    br_intent intent = {.tenant = PACK_KIT_TENANT,
                        .action = RT_STR("free"),
                        .target = RT_STR("order/1")};

    for (int i = 0; i < BR_OUTBOX_MAX; i++) {
        (void)snprintf(id, sizeof(id), "x-%d", i);
        intent.action_id = rt_str_of(id);
        br_outbox_add(f->outbox, &intent, RT_STR(""));
    }
    check_refused(f, "free", "order/1", NOON_MS, "outbox full");
    CHECK_TRUE(br_outbox_end(f->outbox, RT_STR("x-7")));
    CHECK_TRUE(admit(f, "free", "order/1", NOON_MS));
}

static void
test_gate_action_in_flight_keeps_its_group_and_target(void **state)
{
    fixture *f = *state;
    br_intent intent = {.tenant = PACK_KIT_TENANT,
                        .action_id = RT_STR("x-1-0"),
                        .action = RT_STR("move"),
                        .target = RT_STR("order/1")};

    br_outbox_add(f->outbox, &intent, RT_STR("carrier"));

    check_refused(f, "move", "order/1", NOON_MS, "x-1-0 is in flight on order/1");
    CHECK_TRUE(admit(f, "move", "order/2", NOON_MS));
    CHECK_TRUE(admit(f, "free", "order/1", NOON_MS));
    CHECK_TRUE(br_outbox_end(f->outbox, RT_STR("x-1-0")));
    CHECK_TRUE(admit(f, "move", "order/1", NOON_MS));
}

static void
test_gate_cooldown_holds_for_its_time_and_target(void **state)
{
    fixture *f = *state;

    take(f, "move", "order/1", NOON_MS);

    check_refused(f, "move", "order/1", NOON_MS + HOUR_MS, "cooldown: done 1h ago, limit 2h");
    CHECK_FALSE(admit(f, "move", "order/1", NOON_MS + 2 * HOUR_MS - 1));
    CHECK_TRUE(admit(f, "move", "order/1", NOON_MS + 2 * HOUR_MS));
    CHECK_TRUE(admit(f, "move", "order/2", NOON_MS));
}

static void
test_gate_day_of_a_target_is_the_tenants_own(void **state)
{
    fixture *f = *state;
    int64_t midnight = NOON_MS + 12 * HOUR_MS; // the next one, local

    for (int i = 3; i > 0; i--) {
        take(f, "move", "order/1", midnight - i * 2 * HOUR_MS);
    }

    check_refused(f, "move", "order/1", midnight - 1, "cooldown: done 1h 59m ago, limit 2h");
    CHECK_TRUE(admit(f, "move", "order/1", midnight));
    take(f, "move", "order/2", midnight - 9 * HOUR_MS);
    take(f, "move", "order/2", midnight - 7 * HOUR_MS);
    take(f, "move", "order/2", midnight - 5 * HOUR_MS);
    check_refused(f, "move", "order/2", midnight - 1,
                  "budget: 3 of 3 a day used for this target");
}

static void
test_gate_day_of_a_target_is_counted_without_a_cooldown(void **state)
{
    fixture *f = *state;

    take(f, "ping", "order/1", NOON_MS);
    CHECK_TRUE(admit(f, "ping", "order/1", NOON_MS));
    take(f, "ping", "order/1", NOON_MS);

    check_refused(f, "ping", "order/1", NOON_MS, "budget: 2 of 2 a day used for this target");
    CHECK_TRUE(admit(f, "ping", "order/2", NOON_MS));
    CHECK_TRUE(admit(f, "ping", "order/1", NOON_MS + 12 * HOUR_MS));
    // the same decision admitted one already
    f->others[0] = f->candidate;
    f->admitted[0] = &f->others[0];
    f->admitted_count = 1;
    CHECK_TRUE(admit(f, "ping", "order/1", NOON_MS + 12 * HOUR_MS));
    take(f, "ping", "order/1", NOON_MS + 12 * HOUR_MS);
    check_refused(f, "ping", "order/1", NOON_MS + 12 * HOUR_MS,
                  "budget: 2 of 2 a day used for this target");
}

static void
test_gate_hour_and_minute_of_a_tenant_are_bounded(void **state)
{
    fixture *f = *state;

    for (int i = 0; i < 4; i++) {
        take(f, "note", "order/1", NOON_MS + i);
    }
    check_refused(f, "note", "order/2", NOON_MS + 10 * MINUTE_MS,
                  "budget: 4 of 4 an hour used by this tenant");
    CHECK_TRUE(admit(f, "note", "order/2", NOON_MS + HOUR_MS));
    for (int i = 4; i < PER_MINUTE; i++) {
        take(f, "free", "order/1", NOON_MS + i);
    }
    check_refused(f, "free", "order/2", NOON_MS + MINUTE_MS - 1,
                  "budget: 10 actions a minute, the tenant's ceiling");
    CHECK_TRUE(admit(f, "free", "order/2", NOON_MS + MINUTE_MS));
}

static void
test_gate_counts_what_the_same_decision_admitted(void **state)
{
    fixture *f = *state;

    f->others[0] = (br_candidate){.action = br_pack_action(f->pack, RT_STR("move"))};
    f->others[0].msg.proposal.target = RT_STR("order/1");
    f->admitted[0] = &f->others[0];
    f->admitted_count = 1;

    check_refused(f, "move", "order/1", NOON_MS, "cooldown: done 0 ms ago, limit 2h");
    CHECK_TRUE(admit(f, "move", "order/2", NOON_MS));
    for (uint32_t i = 0; i < 4; i++) {
        f->others[i] = (br_candidate){.action = br_pack_action(f->pack, RT_STR("note"))};
        f->admitted[i] = &f->others[i];
    }
    f->admitted_count = 4;
    check_refused(f, "note", "order/9", NOON_MS, "budget: 4 of 4 an hour used by this tenant");
    take(f, "free", "order/1", NOON_MS);
    for (int i = 0; i < PER_MINUTE - 5; i++) {
        take(f, "free", "order/1", NOON_MS);
    }
    check_refused(f, "free", "order/2", NOON_MS,
                  "budget: 10 actions a minute, the tenant's ceiling");
}

static void
outcomes(fixture *f, const char *action, int count, bool failed)
{
    for (int i = 0; i < count; i++) {
        br_gate_outcome(f->gate, br_pack_action(f->pack, rt_str_of(action)), failed, NOON_MS);
    }
}

static void
fail_hook_at(fixture *f, int count, int64_t now_ms)
{
    for (int i = 0; i < count; i++) {
        br_gate_outcome(f->gate, br_pack_action(f->pack, RT_STR("hook")), true, now_ms);
    }
}

static void
test_gate_breaker_judges_by_20_outcomes_and_not_before(void **state)
{
    fixture *f = *state;

    outcomes(f, "hook", 19, true);
    CHECK_TRUE(admit(f, "hook", "order/1", NOON_MS));
    outcomes(f, "hook", 1, false);
    CHECK_FALSE(admit(f, "hook", "order/1", NOON_MS));
}

static void
test_gate_breaker_opens_at_half_of_the_last_20_failed(void **state)
{
    fixture *f = *state;

    outcomes(f, "hook", 10, false);
    outcomes(f, "hook", 9, true);
    CHECK_TRUE(admit(f, "hook", "order/1", NOON_MS));
    outcomes(f, "hook", 1, true);

    check_refused(f, "hook", "order/1", NOON_MS,
                  "circuit breaker: half of the last 20 executions failed");
    CHECK_TRUE(admit(f, "hook2", "order/1", NOON_MS)); // of another receiver
    CHECK_FALSE(admit(f, "hook", "order/1", NOON_MS + BR_BREAKER_OPEN_MS - 1));
    CHECK_TRUE(admit(f, "hook", "order/1", NOON_MS + BR_BREAKER_OPEN_MS));
    fail_hook_at(f, 19, NOON_MS + DAY_MS); // judged anew by 20
    CHECK_TRUE(admit(f, "hook", "order/1", NOON_MS + DAY_MS));
    fail_hook_at(f, 1, NOON_MS + DAY_MS);
    CHECK_FALSE(admit(f, "hook", "order/1", NOON_MS + DAY_MS));
}

static void
test_gate_breaker_forgets_what_is_older_than_its_window(void **state)
{
    fixture *f = *state;

    outcomes(f, "hook", 9, true);
    outcomes(f, "hook", 11, false);
    outcomes(f, "hook", 9, true); // pushes the first nine out
    CHECK_TRUE(admit(f, "hook", "order/1", NOON_MS));
    outcomes(f, "hook", 1, true);

    CHECK_FALSE(admit(f, "hook", "order/1", NOON_MS));
}

static void
test_gate_breaker_is_of_webhooks_only(void **state)
{
    fixture *f = *state;

    outcomes(f, "free", 100, true);

    CHECK_TRUE(admit(f, "free", "order/1", NOON_MS));
}

static void
test_gate_tenants_have_budgets_of_their_own(void **state)
{
    fixture *f = *state;

    for (int i = 0; i < PER_MINUTE; i++) {
        br_gate_consume(f->gate, (rt_tenant){2}, NOON_MS, br_pack_action(f->pack, RT_STR("note")),
                        RT_STR("order/1"));
    }

    CHECK_TRUE(admit(f, "note", "order/1", NOON_MS));
}

static void
test_gate_target_left_out_is_told_as_empty(void **state)
{
    fixture *f = *state;
    br_admission admission = {.tenant = PACK_KIT_TENANT,
                              .now_ms = NOON_MS,
                              .candidate = &f->candidate};
    br_intent intent = {.tenant = PACK_KIT_TENANT,
                        .action_id = RT_STR("x-1-0"),
                        .action = RT_STR("move")};

    CHECK_TRUE(call(f, "customer/1", NOON_MS)); // fills the candidate
    f->candidate.msg.proposal.target = (rt_str){NULL, 0};
    CHECK_FALSE(br_gate_admit(f->gate, &admission));
    CHECK_CSTR(f->candidate.why, "target '' is not a customer");
    br_outbox_add(f->outbox, &intent, RT_STR("carrier"));
    f->candidate.action = br_pack_action(f->pack, RT_STR("move"));
    f->candidate.msg.proposal.args = (rt_bytes){NULL, 0};
    CHECK_FALSE(br_gate_admit(f->gate, &admission));
    CHECK_CSTR(f->candidate.why, "x-1-0 is in flight on ");
}

// --- random admissions against a log of everything taken ---

#define LOG_MAX 20000

typedef struct logged {
    int64_t at_ms;
    int action;
    int target;
} logged;

static const char *const names[] = {"move", "note", "free"};
static logged taken[LOG_MAX];
static size_t taken_count;

static int64_t
local_day(int64_t at_ms)
{
    return (at_ms - 5 * HOUR_MS) / DAY_MS;
}

static bool
model_admits(int action, int target, int64_t now_ms)
{
    int day = 0;
    int hour = 0;
    int minute = 0;

    for (size_t i = taken_count; i > 0 && now_ms - taken[i - 1].at_ms <= DAY_MS; i--) {
        const logged *t = &taken[i - 1];
        bool same = t->action == action;

        if (same && action == 0 && t->target == target) {
            if (now_ms - t->at_ms < 2 * HOUR_MS) {
                return false;
            }
            day += local_day(t->at_ms) == local_day(now_ms);
        }
        hour += same && t->at_ms / HOUR_MS == now_ms / HOUR_MS;
        minute += t->at_ms / MINUTE_MS == now_ms / MINUTE_MS;
    }
    return day < 3 && (action != 1 || hour < 4) && minute < PER_MINUTE;
}

static void
test_gate_random_admissions_agree_with_a_log(void **state)
{
    static const char *const targets[] = {"order/1", "order/2", "order/3"};
    fixture *f = *state;
    int64_t now_ms = NOON_MS;
    size_t refused = 0;
    rt_rng rng;

    taken_count = 0;
    rt_rng_seed(&rng, 51, 1);
    for (int i = 0; i < 100000 && taken_count < LOG_MAX; i++) {
        int action = (int)rt_rng_below(&rng, 3);
        int target = (int)rt_rng_below(&rng, 3);

        now_ms += rt_rng_chance(&rng, 0.98) ? (int64_t)rt_rng_below(&rng, 9000)
                                            : (int64_t)rt_rng_below(&rng, 3 * (uint64_t)HOUR_MS);
        bool want = model_admits(action, target, now_ms);
        CHECK_INT(admit(f, names[action], targets[target], now_ms), want);
        refused += !want;
        if (want) {
            take(f, names[action], targets[target], now_ms);
            taken[taken_count++] = (logged){now_ms, action, target};
        }
    }
    CHECK_TRUE(refused > 10000 && taken_count > 10000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_gate_halted_admits_nothing_until_resumed),
        TEST(test_gate_shape_of_arguments_and_target_is_checked),
        TEST(test_gate_target_or_arguments_too_long_are_refused),
        TEST(test_gate_quiet_hours_spare_customers_in_their_own_time),
        TEST(test_gate_quiet_hours_within_one_day),
        TEST(test_gate_quiet_from_and_until_the_same_minute_is_never),
        TEST(test_gate_tenant_without_a_zone_lives_in_utc),
        TEST(test_gate_full_outbox_admits_nothing),
        TEST(test_gate_action_in_flight_keeps_its_group_and_target),
        TEST(test_gate_cooldown_holds_for_its_time_and_target),
        TEST(test_gate_day_of_a_target_is_the_tenants_own),
        TEST(test_gate_day_of_a_target_is_counted_without_a_cooldown),
        TEST(test_gate_hour_and_minute_of_a_tenant_are_bounded),
        TEST(test_gate_counts_what_the_same_decision_admitted),
        TEST(test_gate_breaker_judges_by_20_outcomes_and_not_before),
        TEST(test_gate_breaker_opens_at_half_of_the_last_20_failed),
        TEST(test_gate_breaker_forgets_what_is_older_than_its_window),
        TEST(test_gate_breaker_is_of_webhooks_only),
        TEST(test_gate_tenants_have_budgets_of_their_own),
        TEST(test_gate_random_admissions_agree_with_a_log),
        TEST(test_gate_target_left_out_is_told_as_empty),
    };

    return CHECK_RUN(tests);
}
