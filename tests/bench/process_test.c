#include "tests/bench/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/harness/check.h"

#define PATIENCE_MS 10000

static void
pause_ms(int64_t ms)
{
    struct timespec pause = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&pause, NULL);
}

static void
make_file(const char *dir, const char *name)
{
    char path[700];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK_TRUE(fd >= 0);
    close(fd);
}

static void
test_process_scratch_closed_is_removed_with_what_is_in_it(void **state)
{
    process_scratch scratch;
    char below[600];

    (void)state;
    CHECK_OK(process_scratch_open("/tmp", false, &scratch));
    char dir[sizeof(scratch.dir)];
    memcpy(dir, scratch.dir, sizeof(dir));
    snprintf(below, sizeof(below), "%s/below", dir);
    CHECK_INT(mkdir(below, 0700), 0);
    make_file(below, "file");

    process_scratch_close(&scratch);

    CHECK_TRUE(access(dir, F_OK) != 0);
}

// The owner of a directory and of a program is killed: both are gone soon.
static void
test_process_owner_killed_leaves_nothing_behind(void **state)
{
    struct { char dir[512]; pid_t sleeper; } told = {0};
    int ends[2];

    (void)state;
    CHECK_INT(pipe(ends), 0);
    pid_t owner = fork();
    if (owner == 0) {
        process_scratch scratch;
        char *argv[] = {"/bin/sleep", "100", NULL};
        process_config config = {argv, PROCESS_INHERIT, PROCESS_INHERIT, PROCESS_INHERIT};
        bool ok = process_scratch_open("/tmp", false, &scratch) == RT_OK &&
                  process_start(&config, &told.sleeper) == RT_OK;
        memcpy(told.dir, scratch.dir, sizeof(told.dir));
        ok = ok && write(ends[1], &told, sizeof(told)) == (ssize_t)sizeof(told);
        pause();
        _exit(ok ? 0 : 1);
    }
    CHECK_INT(read(ends[0], &told, sizeof(told)), (ssize_t)sizeof(told));
    make_file(told.dir, "file");

    CHECK_INT(kill(owner, SIGKILL), 0);
    CHECK_INT(waitpid(owner, NULL, 0), owner);

    bool gone = false;
    for (int i = 0; i < PATIENCE_MS / 10 && !gone; i++) {
        char path[64];
        char text[PROCESS_PROC_BYTES];
        snprintf(path, sizeof(path), "/proc/%d/stat", (int)told.sleeper);
        rt_str stat = process_read(path, text);
        bool ended = stat.len == 0 || strstr(text, ") Z ") != NULL; // nobody may have waited for it
        gone = ended && access(told.dir, F_OK) != 0;
        pause_ms(10);
    }
    CHECK_TRUE(gone);
}

static void
test_process_ports_are_all_different(void **state)
{
    uint16_t ports[8];

    (void)state;
    CHECK_OK(process_ports(ports, 8));

    for (int i = 0; i < 8; i++) {
        CHECK_TRUE(ports[i] != 0);
        for (int k = 0; k < i; k++) {
            CHECK_TRUE(ports[i] != ports[k]);
        }
    }
}

static void
test_process_stat_name_with_brackets_is_passed_over(void **state)
{
    int64_t tick_us = 1000000 / sysconf(_SC_CLK_TCK);

    (void)state;
    int64_t cpu_us = process_stat_cpu_us(
        RT_STR("7 (a ) b 1) S 1 7 7 0 -1 4194560 111 0 5 0 30 12 900 900 20 0 3 0 77"));

    CHECK_INT(cpu_us, 42 * tick_us);
}

static void
test_process_stop_of_one_that_ended_harms_nobody(void **state)
{
    char *argv[] = {"/bin/true", NULL};
    process_config config = {argv, PROCESS_INHERIT, PROCESS_INHERIT, PROCESS_INHERIT};
    pid_t pid;

    (void)state;
    CHECK_OK(process_start(&config, &pid));
    for (int i = 0; i < PATIENCE_MS / 10 && process_alive(pid); i++) {
        pause_ms(10);
    }
    CHECK_TRUE(!process_alive(pid));

    process_stop(pid);

    CHECK_TRUE(!process_alive(pid));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_process_scratch_closed_is_removed_with_what_is_in_it),
        cmocka_unit_test(test_process_owner_killed_leaves_nothing_behind),
        cmocka_unit_test(test_process_ports_are_all_different),
        cmocka_unit_test(test_process_stat_name_with_brackets_is_passed_over),
        cmocka_unit_test(test_process_stop_of_one_that_ended_harms_nobody),
    };
    return CHECK_RUN(tests);
}
