// What others saw, against the journal; and what limits are read from a configuration.
#include "tests/harness/audit_kit.h"

static audit_kit *
begin(void)
{
    audit_kit *k = audit_kit_new(AUDIT_DRAINED | AUDIT_WHOLE);

    audit_kit_begin(k);
    return k;
}

// --- witnesses --------------------------------------------------------------------------------

static void
test_audit_acknowledged_event_that_is_elsewhere_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);

    (void)state;
    (void)audit_kit_decide(k, seq);
    audit_acked(k->audit, seq, 1, "/shop", 5, "e-1", 3);
    audit_acked(k->audit, 0, 1, "/shop", 5, "e-1", 3);
    audit_kit_run(k);
    CHECK_U64(audit_violation_count(k->audit), 0);
    audit_kit_free(k);

    const struct {
        uint64_t seq;
        uint16_t tenant;
        const char *id;
    } wrong[] = {{4, 1, "e-1"}, {3, 2, "e-1"}, {3, 1, "e-2"}, {9, 1, "e-1"}, {0, 1, "e-2"}};
    for (size_t i = 0; i < RT_COUNT(wrong); i++) {
        k = begin();
        (void)audit_kit_decide(k, audit_kit_any(k));
        audit_acked(k->audit, wrong[i].seq, wrong[i].tenant, "/shop", 5, wrong[i].id, 3);
        audit_kit_found(k, "acked-lost", wrong[i].seq);
    }
}

static void
test_audit_what_was_published_otherwise_is_found(void **state)
{
    (void)state;
    for (int wrong = 0; wrong < 3; wrong++) {
        audit_kit *k = begin();
        uint64_t seq = audit_kit_any(k);

        rt_mpw_clear(&k->data);
        audit_kit_encode(k, seq, wrong == 1 ? "e-2" : "e-1", "parcel/1", &k->data);
        k->decision = (msg_decision){0};
        (void)audit_kit_decide(k, seq);
        audit_published(k->audit, k->last_seq + (wrong == 2 ? 7 : 0), k->data.ptr, k->data.len);
        if (wrong == 0) {
            audit_kit_fine(k);
        } else {
            audit_kit_found(k, "published", k->last_seq + (wrong == 2 ? 7 : 0));
        }
    }
}

static void
test_audit_published_action_that_was_not_admitted_is_found(void **state)
{
    const char *const good = "{\"action_id\": \"abcd1234-3-0\", \"action\": \"free\", "
                             "\"target\": \"a/1\", \"at_ms\": %lld, \"args\": null}";

    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        audit_kit *k = begin();
        char json[256];

        (void)snprintf(json, sizeof(json), good, (long long)k->now_ms + wrong);
        rt_mpw_clear(&k->data);
        CHECK_OK(rt_json_to_mp(rt_str_of(json), &k->data));
        audit_acted(k->audit, k->data.ptr, k->data.len);
        (void)audit_kit_act(k, "free", "a/1", NULL);
        if (wrong == 0) {
            audit_kit_fine(k);
        } else {
            audit_kit_found(k, "published", 4);
        }
    }
}

static void
test_audit_webhook_with_another_body_is_found(void **state)
{
    static const struct {
        const char *body;
        bool fine;
    } cases[] = {
        {"{\"id\":\"abcd1234-3-0\",\"type\":\"hook\",\"target\":\"a/1\",\"tenant\":\"alpha\","
         "\"timestamp\":\"x\",\"data\":{\"n\":1.5,\"s\":\"\\u00e1\\\"\\n\"}}",
         true},
        {"{\"id\":\"abcd1234-3-0\",\"type\":\"hook\",\"target\":\"a/1\",\"tenant\":\"beta\","
         "\"timestamp\":\"x\",\"data\":{\"n\":1.5,\"s\":\"\\u00e1\\\"\\n\"}}",
         false},
        {"{\"id\":\"abcd1234-3-0\",\"type\":\"hook\",\"target\":\"a/1\",\"tenant\":\"alpha\","
         "\"timestamp\":\"x\",\"data\":{\"n\":1.25,\"s\":\"\\u00e1\\\"\\n\"}}",
         false},
        {"{\"id\":\"abcd1234-3-0\",\"type\":\"hook\",\"target\":\"a/1\",\"tenant\":\"alpha\","
         "\"timestamp\":\"x\",\"data\":{\"n\":1.5}}",
         false},
        {"{\"id\":\"abcd1234-3-0\",\"type\":\"hook\"", false},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        audit_kit *k = begin();
        const char *body = cases[i].body;

        audit_posted(k->audit, "abcd1234-3-0", 12, (const uint8_t *)body, strlen(body));
        (void)audit_kit_act(k, "hook", "a/1", "{\"n\": 1.5, \"s\": \"á\\\"\\n\"}");
        if (cases[i].fine) {
            audit_kit_fine(k);
        } else {
            audit_kit_found(k, "webhook", 4);
        }
    }
}

static void
test_audit_webhook_that_nobody_admitted_or_received_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    audit_posted(k->audit, "abcd1234-3-7", 12, (const uint8_t *)"{}", 2);
    (void)audit_kit_act(k, "hook", "a/1", NULL);
    audit_kit_run(k);
    CHECK_U64(audit_violation_count(k->audit), 2);
    CHECK_CSTR(audit_violation_at(k->audit, 0)->rule, "webhook"); // 3-0 executed, not received
    CHECK_U64(audit_violation_at(k->audit, 0)->seq, 5);
    CHECK_CSTR(audit_violation_at(k->audit, 1)->rule, "webhook"); // 3-7 sent, not admitted
    audit_kit_free(k);
}

static void
test_audit_marker_of_another_tenant_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    audit_marker(k->audit, 1, "alpha-only");
    (void)audit_kit_decide_on(k, audit_kit_event(k, "x", "parcel/alpha-only"), "x",
                              "parcel/alpha-only");
    k->tenant = 2;
    (void)audit_kit_decide_on(k, audit_kit_event(k, "y", "parcel/1"), "y", "parcel/1");
    (void)audit_kit_event(k, "alpha-only", "parcel/1");
    (void)audit_kit_decide_on(k, k->last_seq, "alpha-only", "parcel/1");
    audit_kit_run(k);
    CHECK_U64(audit_violation_count(k->audit), 2);
    CHECK_CSTR(audit_violation_at(k->audit, 0)->rule, "tenant");
    CHECK_U64(audit_violation_at(k->audit, 0)->seq, 7);
    CHECK_U64(audit_violation_at(k->audit, 1)->seq, 8);
    audit_kit_free(k);
}

// --- configuration ----------------------------------------------------------------------------

static void
test_audit_limits_are_read_and_mistakes_named(void **state)
{
    audit_limits limits = audit_limits_defaults();
    char why[256] = "";

    (void)state;
    CHECK_TRUE(audit_limits_read(&limits, AUDIT_KIT_CONFIG, strlen(AUDIT_KIT_CONFIG), why));
    CHECK_TRUE(limits.known);
    CHECK_INT(limits.tenant_count, 2);
    CHECK_INT(limits.tenants[0].utc_offset_ms, -5 * AUDIT_KIT_HOUR_MS);
    CHECK_INT(limits.actions_per_minute, AUDIT_KIT_PER_MINUTE);
    CHECK_INT(limits.quiet_from_min, 21 * 60);
    CHECK_INT(limits.quiet_until_min, 8 * 60);
    CHECK_INT(limits.dedup_events, 1024);
    CHECK_INT(limits.dedup_window_ms, AUDIT_KIT_DAY_MS);
    CHECK_INT(limits.webhook_attempts, 3);
    CHECK_INT(audit_tenant_find(&limits, "beta"), 2);
    CHECK_INT(audit_tenant_find(&limits, "7"), 7);
    CHECK_INT(audit_tenant_find(&limits, "gamma"), -1);

    CHECK_TRUE(audit_limits_set(&limits, "gate.quiet_from=22:30", why));
    CHECK_INT(limits.quiet_from_min, 22 * 60 + 30);
    CHECK_TRUE(audit_limits_set(&limits, "doors.ingest=tcp://127.0.0.1:1", why));
    CHECK_FALSE(audit_limits_set(&limits, "gate.quiet_from=late", why));
    CHECK_FALSE(audit_limits_set(&limits, "gate.quiet_from", why));
    CHECK_FALSE(audit_limits_read(&limits, "limits: {actions_per_minute: many}", 34, why));
    CHECK_FALSE(audit_limits_read(&limits, "a: [", 4, why));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audit_acknowledged_event_that_is_elsewhere_is_found),
        cmocka_unit_test(test_audit_what_was_published_otherwise_is_found),
        cmocka_unit_test(test_audit_published_action_that_was_not_admitted_is_found),
        cmocka_unit_test(test_audit_webhook_with_another_body_is_found),
        cmocka_unit_test(test_audit_webhook_that_nobody_admitted_or_received_is_found),
        cmocka_unit_test(test_audit_marker_of_another_tenant_is_found),
        cmocka_unit_test(test_audit_limits_are_read_and_mistakes_named),
    };

    return CHECK_RUN(tests);
}
