#include "tools/report/follow.h"

#include "tools/report/report_fixture.h"

typedef struct scene {
    kit k;
    follower f;
    rt_text line;
} scene;

static void
open_scene(scene *s)
{
    kit_open(&s->k);
    follower_init(&s->f);
    rt_text_init(&s->line, 600);
}

static void
close_scene(scene *s)
{
    rt_text_fini(&s->line);
    follower_fini(&s->f);
    kit_close(&s->k);
}

static bool
tell_conflict(scene *s, const char *subject)
{
    msg_candidate candidates[] = {
        {.proposal = {.agent = RT_STR("playbook:late"),
                      .action = RT_STR("notify_customer"),
                      .target = RT_STR("customer/ana")},
         .score = 40,
         .verdict = RT_STR("lost"),
         .why = RT_STR("lost to call_customer of customer: 40.00 against 60.00")},
        {.proposal = {.agent = RT_STR("customer"),
                      .action = RT_STR("call_customer"),
                      .target = RT_STR("customer/ana")},
         .score = 60,
         .verdict = RT_STR("won"),
         .action_id = RT_STR("a-1")},
    };
    msg_decision decision = {.event_type = RT_STR("delay.detected"),
                             .event_seq = 77,
                             .subject = rt_str_of(subject),
                             .candidates = {candidates, 2}};
    rt_record record = kit_decision(&s->k, &decision, 1795186800000); // 2026-11-20T13:00Z

    rt_text_clear(&s->line);
    return follower_tell(&s->f, &record, &s->line);
}

static void
test_line_names_winner_and_loser(void **state)
{
    scene s;

    (void)state;
    open_scene(&s);
    CHECK_TRUE(tell_conflict(&s, "order/1"));
    CHECK_STR(
        rt_text_view(&s.line),
        "11-20 15:00  #77 delay.detected order/1: call_customer customer/ana by customer (60); "
        "notify_customer of playbook:late (40) lost");
    close_scene(&s);
}

static void
test_frequent_kinds_are_told_ever_less(void **state)
{
    scene s;
    int told = 0;

    (void)state;
    open_scene(&s);
    for (int i = 1; i <= 600; i++) {
        told += tell_conflict(&s, "order/1");
    }
    CHECK_INT(told, 3); // the 1st, 16th and 256th
    close_scene(&s);
}

static void
test_only_words_of_the_brain_are_told(void **state)
{
    scene s;
    msg_decision silent = {.event_type = RT_STR("order.created")};
    kit_field fields[] = {KIT_S("metric", "carrier.scans"), KIT_S("scope", "carrier/tcc"),
                          KIT_S("severity", "critical")};
    rt_record record;

    (void)state;
    open_scene(&s);
    record = kit_decision(&s.k, &silent, 0);
    CHECK_FALSE(follower_tell(&s.f, &record, &s.line));
    record = kit_created(&s.k, "order/1", RT_STR("A"), 0, KIT_DAY);
    CHECK_FALSE(follower_tell(&s.f, &record, &s.line));
    record = kit_event(&s.k, "anomaly.detected", "carrier/tcc", 0, true, fields, 3);
    CHECK_TRUE(follower_tell(&s.f, &record, &s.line));
    CHECK_STR(rt_text_view(&s.line),
              "01-01 00:00  #3 anomaly.detected carrier/tcc: critical, carrier.scans");
    close_scene(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_names_winner_and_loser),
        cmocka_unit_test(test_frequent_kinds_are_told_ever_less),
        cmocka_unit_test(test_only_words_of_the_brain_are_told),
    };

    return CHECK_RUN(tests);
}
