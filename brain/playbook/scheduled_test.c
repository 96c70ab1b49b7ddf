// Playbooks that fire by the clock, over time and after times in which nothing ran.
#include "tests/harness/course_kit.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define HEAD "kind: playbook\nid: p\ndoc: Because.\n"
#define ALERT(target, text)                                                                        \
    "do:\n  - {action: alert_operator, target: \"" target "\", args: {text: \"" text "\"}}\n"
#define DAILY(more)                                                                                \
    HEAD "schedule: {cron: 0 15 * * *" more "}\n" ALERT("team/a", "${schedule.missed}")

static int
setup(void **state)
{
    *state = course_kit_open(); // it is noon in Bogotá
    return 0;
}

static int
teardown(void **state)
{
    course_kit_close(*state);
    return 0;
}

// Makes a playbook live, and says so, as the brain does.
static void
play(course_kit *k, const char *text)
{
    course_kit_play(k, text);
    course_kit_own(k, "playbooks.scheduled", "", "{\"version\":1}", false);
}

static void
check_text(const course_kit *k, const char *want)
{
    rt_mp at;
    rt_str text;

    CHECK_TRUE(rt_mp_find(course_kit_first(k)->proposal.args, RT_STR("text"), &at));
    CHECK_OK(rt_mp_str(&at, &text));
    CHECK_STR(text, want);
}

static void
test_schedule_fires_each_time(void **state)
{
    course_kit *k = *state;

    play(k, DAILY(""));
    CHECK_U64(br_progress_count(k->state->progress), 1);
    course_kit_wait(k, 3 * HOUR_MS - 1);
    CHECK_INT(k->acted, 0);
    course_kit_wait(k, 1);
    CHECK_INT(k->acted, 1);
    course_kit_wants(k, "fired", "by its schedule");
    check_text(k, "0");
    course_kit_wait(k, DAY_MS - 1);
    CHECK_INT(k->acted, 1);
    course_kit_wait(k, 1);
    CHECK_INT(k->acted, 2);
    CHECK_U64(br_progress_count(k->state->progress), 1);
    CHECK_U64(br_timers_count(k->state->timers), 1);
}

// What is planned stays, however often a set is said to be live; another schedule is planned anew.
static void
test_schedule_is_planned_once(void **state)
{
    course_kit *k = *state;

    play(k, DAILY(""));
    course_kit_wait(k, 2 * HOUR_MS);
    k->now_ms += 2 * HOUR_MS; // it is due, and was not fired yet
    course_kit_own(k, "playbooks.scheduled", "", "{\"version\":1}", false);
    course_kit_wait(k, 0);
    CHECK_INT(k->acted, 1);
    play(k, HEAD "schedule: {every: 1h}\n" ALERT("team/a", "hora"));
    course_kit_wait(k, 30 * MINUTE_MS); // 16:30
    CHECK_INT(k->acted, 1);
    course_kit_wait(k, 30 * MINUTE_MS);
    CHECK_INT(k->acted, 2);
    CHECK_U64(br_timers_count(k->state->timers), 1);
}

static void
test_schedule_that_goes_leaves_nothing(void **state)
{
    course_kit *k = *state;

    play(k, DAILY(""));
    play(k, HEAD "events: [delivery.failed]\n" ALERT("team/a", "x"));
    course_kit_wait(k, DAY_MS);
    CHECK_INT(k->acted, 0);
    CHECK_U64(br_progress_count(k->state->progress), 0);
    CHECK_U64(br_timers_count(k->state->timers), 0);
}

static void
test_schedule_at_one_instant(void **state)
{
    course_kit *k = *state;
    char text[512];
    char at[RT_RFC3339_CAP];

    (void)snprintf(text, sizeof(text), HEAD "schedule: {at: \"%s\"}\n" ALERT("team/a", "ya"),
                   rt_format_rfc3339(k->now_ms + HOUR_MS, at));
    play(k, text);
    course_kit_wait(k, HOUR_MS);
    CHECK_INT(k->acted, 1);
    CHECK_U64(br_progress_count(k->state->progress), 0);
    CHECK_U64(br_timers_count(k->state->timers), 0);
    play(k, text); // it is past
    CHECK_U64(br_timers_count(k->state->timers), 0);
}

static void
test_schedule_catches_up_once(void **state)
{
    course_kit *k = *state;

    play(k, DAILY(""));
    k->now_ms += 3 * DAY_MS + 4 * HOUR_MS; // nothing ran: four times have passed
    course_kit_wait(k, 0);
    CHECK_INT(k->acted, 1);
    course_kit_wants(k, "fired", "3 missed");
    check_text(k, "3");
    course_kit_wait(k, 22 * HOUR_MS);
    CHECK_INT(k->acted, 1);
    course_kit_wait(k, HOUR_MS);
    CHECK_INT(k->acted, 2);
}

static void
test_schedule_catches_up_all(void **state)
{
    course_kit *k = *state;

    // a target for each, or the action's own cooldown would leave one
    play(k, HEAD "schedule: {cron: 0 15 * * *, catch_up: all}\n" ALERT("team/${schedule.at}", "x"));
    k->now_ms += 3 * DAY_MS + 4 * HOUR_MS;
    course_kit_wait(k, HOUR_MS);
    CHECK_INT(k->acted, 4);
    course_kit_wait(k, 22 * HOUR_MS);
    CHECK_INT(k->acted, 5);
}

static void
test_schedule_catch_up_is_bounded(void **state)
{
    course_kit *k = *state;

    k->outcomes = true;
    play(k, HEAD "schedule: {every: 30m, catch_up: all}\n" ALERT("team/a", "x"));
    k->now_ms += 100 * DAY_MS; // 4800 times
    course_kit_wait(k, MINUTE_MS);
    CHECK_TRUE(k->seq < 500); // about a hundred times were looked at
    course_kit_wants(k, "fired", "by its schedule");
    CHECK_U64(br_timers_count(k->state->timers), 1);
}

static void
test_schedule_skips_what_passed(void **state)
{
    course_kit *k = *state;

    play(k, DAILY(", catch_up: skip"));
    k->now_ms += 3 * DAY_MS + 4 * HOUR_MS;
    course_kit_wait(k, 0);
    course_kit_wants(k, "expired", "4 times have passed");
    CHECK_INT(k->acted, 0);
    course_kit_wait(k, 23 * HOUR_MS);
    CHECK_INT(k->acted, 1);
}

// Its subject's entity is known as it is then, to the condition too.
static void
test_schedule_about_an_entity(void **state)
{
    course_kit *k = *state;

    play(k, HEAD "schedule: {every: 1h, subject: carrier/tcc}\nwhen: carrier.status == \"down\"\n"
            ALERT("${event.subject}", "${carrier.id} caída a las ${schedule.at}"));
    course_kit_wait(k, HOUR_MS);
    course_kit_wants(k, "error", "carrier.status");
    course_kit_event(k, "carrier.status", "carrier/tcc", "{\"status\":\"down\"}");
    course_kit_wait(k, HOUR_MS);
    CHECK_INT(k->acted, 1);
    CHECK_STR(course_kit_first(k)->proposal.target, "carrier/tcc");
    course_kit_event(k, "carrier.status", "carrier/tcc", "{\"status\":\"up\"}");
    course_kit_wait(k, HOUR_MS);
    course_kit_wants(k, "false", "carrier.status = \"up\"");
}

// What is closed is asked again, with the same time.
static void
test_schedule_waits_for_hours(void **state)
{
    course_kit *k = *state;

    play(k, HEAD "schedule: {cron: 0 20 * * *}\ncalendar: {from: \"08:00\", until: \"18:00\"}\n"
            ALERT("team/a", "${schedule.at}"));
    course_kit_wait(k, 8 * HOUR_MS);
    CHECK_INT(k->acted, 0);
    course_kit_wants(k, "fired", "waits as");
    course_kit_wait(k, 12 * HOUR_MS);
    CHECK_INT(k->acted, 1);
    CHECK_TRUE(memmem(course_kit_first(k)->proposal.args.ptr,
                      course_kit_first(k)->proposal.args.len, "T01:00:00Z", 10) != NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_schedule_fires_each_time),
        TEST(test_schedule_is_planned_once),
        TEST(test_schedule_that_goes_leaves_nothing),
        TEST(test_schedule_at_one_instant),
        TEST(test_schedule_catches_up_once),
        TEST(test_schedule_catches_up_all),
        TEST(test_schedule_catch_up_is_bounded),
        TEST(test_schedule_skips_what_passed),
        TEST(test_schedule_about_an_entity),
        TEST(test_schedule_waits_for_hours),
    };

    return CHECK_RUN(tests);
}
