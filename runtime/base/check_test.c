#include "runtime/base/check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/check.h"

typedef struct thing {
    uint32_t magic;
} thing;

static void
fail_with_context(void)
{
    rt_check_context("sales: order.created 42");
    RT_ASSERT(1 + 1 == 3);
}

static void
fail_after_clearing_context(void)
{
    rt_check_context("stale");
    rt_check_context(NULL);
    RT_UNREACHABLE("state 9");
}

static void
fail_on_dead_object(void)
{
    const thing dead = {0};

    RT_CHECK(&dead, 0x1234u);
}

static void
fail_on_no_object(void)
{
    const thing *none = NULL;

    RT_CHECK(none, 0x1234u);
}

static void
fail_without_failing(void)
{
    (void)rt_fail(RT_OK, "nothing is wrong");
}

// Runs `body` in a child process, keeps what it writes to stderr and wants it to die of SIGABRT.
static rt_str
report_of(void (*body)(void), char *buf, size_t cap)
{
    int ends[2] = {-1, -1};
    int status = 0;
    size_t len = 0;
    ssize_t got = 0;
    pid_t child = 0;

    CHECK_INT(pipe(ends), 0);
    child = fork();
    CHECK_TRUE(child >= 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(ends[1], STDERR_FILENO);
        body();
        _exit(0);
    }
    (void)close(ends[1]);
    while ((got = read(ends[0], buf + len, cap - len)) > 0) {
        len += (size_t)got;
    }
    (void)close(ends[0]);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_TRUE(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), SIGABRT);
    return (rt_str){buf, len};
}

static bool
contains(rt_str text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static void
test_assert_failed_reports_place_and_context(void **state)
{
    char buf[4096];
    rt_str report = report_of(fail_with_context, buf, sizeof(buf));

    (void)state;
    CHECK_TRUE(contains(report, "check_test.c:"));
    CHECK_TRUE(contains(report, "1 + 1 == 3"));
    CHECK_TRUE(contains(report, "sales: order.created 42"));
}

static void
test_assert_failed_without_context_names_none(void **state)
{
    char buf[4096];
    rt_str report = report_of(fail_after_clearing_context, buf, sizeof(buf));

    (void)state;
    CHECK_TRUE(contains(report, "unreachable: state 9"));
    CHECK_FALSE(contains(report, "while"));
    CHECK_FALSE(contains(report, "stale"));
}

static void
test_check_refuses_dead_and_missing_objects(void **state)
{
    char buf[4096];
    const thing live = {0x1234u};

    (void)state;
    RT_CHECK(&live, 0x1234u);
    CHECK_TRUE(contains(report_of(fail_on_dead_object, buf, sizeof(buf)), "magic"));
    CHECK_TRUE(contains(report_of(fail_on_no_object, buf, sizeof(buf)), "NULL"));
}

static void
test_failure_that_is_a_success_is_refused(void **state)
{
    char buf[4096];

    (void)state;
    CHECK_TRUE(contains(report_of(fail_without_failing, buf, sizeof(buf)), "err != RT_OK"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assert_failed_reports_place_and_context),
        cmocka_unit_test(test_assert_failed_without_context_names_none),
        cmocka_unit_test(test_check_refuses_dead_and_missing_objects),
        cmocka_unit_test(test_failure_that_is_a_success_is_refused),
    };

    return CHECK_RUN(tests);
}
