#include "tests/bench/daemon.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/text.h"
#include "tests/bench/process.h"

#define DOORS 3

static rt_err
start(const daemon_config *config, daemon_state *daemon, uint16_t pull_port)
{
    char dir[600];
    char ingest[128];
    char pull[128];
    char publish[128];
    char control[640];
    snprintf(dir, sizeof(dir), "data.dir=%s/data", daemon->dir);
    snprintf(ingest, sizeof(ingest), "doors.ingest=%s", daemon->ingest);
    snprintf(pull, sizeof(pull), "doors.pull=tcp://127.0.0.1:%u", pull_port);
    snprintf(publish, sizeof(publish), "doors.publish=%s", daemon->publish);
    snprintf(control, sizeof(control), "doors.control=%s/ctl/ctl.sock", daemon->dir);
    char *argv[] = {(char *)config->braind, "--config", (char *)config->config, "--set", dir,
                    "--set", ingest, "--set", pull, "--set", publish, "--set", control, "--set",
                    "log.level=warn", NULL};
    process_config process = {argv, PROCESS_INHERIT, PROCESS_INHERIT, PROCESS_INHERIT};
    return process_start(&process, &daemon->pid);
}

rt_err
daemon_start(const daemon_config *config, daemon_state *ret_daemon)
{
    daemon_state daemon = {.keep = config->keep};
    uint16_t ports[DOORS];
    rt_err err = process_ports(ports, DOORS);
    if (err != RT_OK) {
        return err;
    }
    snprintf(daemon.dir, sizeof(daemon.dir), "%s/braind-XXXXXX", config->parent);
    if (mkdtemp(daemon.dir) == NULL) {
        return rt_fail(RT_EIO, "cannot make a directory in %s", config->parent);
    }
    snprintf(daemon.ingest, sizeof(daemon.ingest), "tcp://127.0.0.1:%u", ports[0]);
    snprintf(daemon.publish, sizeof(daemon.publish), "tcp://127.0.0.1:%u", ports[1]);
    err = start(config, &daemon, ports[2]);
    if (err == RT_OK) {
        *ret_daemon = daemon;
    }
    return err;
}

bool
daemon_alive(const daemon_state *daemon)
{
    return process_alive(daemon->pid);
}

// The number after a name at the beginning of a line, 0 when there is none.
static uint64_t
number_after(rt_str text, const char *name)
{
    const char *at = strstr(text.ptr, name);
    int64_t value = 0;
    if (at == NULL) {
        return 0;
    }
    at += strlen(name);
    at += strspn(at, ": \t");
    rt_str digits = {at, strspn(at, "0123456789")};
    return rt_parse_i64(digits, &value) == RT_OK ? (uint64_t)value : 0;
}

static void
add_thread(daemon_usage *usage, pid_t pid, const char *name)
{
    char path[300];
    char text[PROCESS_PROC_BYTES];
    snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)pid, name);
    rt_str stat = process_read(path, text);
    if (stat.len == 0) {
        return;
    }
    int64_t main_thread = 0;
    bool number = rt_parse_i64(rt_str_of(name), &main_thread) == RT_OK;
    if (number && main_thread == pid) {
        usage->brain_cpu_us += process_stat_cpu_us(stat);
    } else if (strstr(stat.ptr, "(agents)") != NULL) {
        usage->agents_cpu_us += process_stat_cpu_us(stat);
    }
}

daemon_usage
daemon_usage_of(const daemon_state *daemon)
{
    daemon_usage usage = {0};
    char path[64];
    char text[PROCESS_PROC_BYTES];
    usage.cpu_us = process_cpu_us(daemon->pid);
    snprintf(path, sizeof(path), "/proc/%d/status", (int)daemon->pid);
    rt_str status = process_read(path, text);
    usage.rss_kib = number_after(status, "\nVmRSS");
    usage.rss_peak_kib = number_after(status, "\nVmHWM");
    snprintf(path, sizeof(path), "/proc/%d/task", (int)daemon->pid);
    DIR *tasks = opendir(path);
    const struct dirent *task = NULL;
    while (tasks != NULL && (task = readdir(tasks)) != NULL) {
        add_thread(&usage, daemon->pid, task->d_name);
    }
    if (tasks != NULL) {
        (void)closedir(tasks); // only read from
    }
    return usage;
}

void
daemon_stop(daemon_state *daemon)
{
    process_stop(daemon->pid);
    if (!daemon->keep) {
        process_remove(daemon->dir);
    }
    daemon->pid = 0;
}
