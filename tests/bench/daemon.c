#include "tests/bench/daemon.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/attr.h"
#include "runtime/base/bytes.h"
#include "runtime/base/text.h"

// Design notes.
// Ports are found by binding to port 0 and letting go again; another process could take one in
// between, and then braind says so and the run fails.

#define DOORS 3
#define STOP_PATIENCE_MS 20000
#define STOP_POLL_MS 10
#define PROC_BYTES_MAX 4096

static rt_err
free_ports(uint16_t ports[DOORS])
{
    int sockets[DOORS];
    int opened = 0;
    bool ok = true;
    for (; opened < DOORS && ok; opened++) {
        struct sockaddr_in at = {.sin_family = AF_INET};
        socklen_t len = sizeof(at);
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        sockets[opened] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ok = sockets[opened] >= 0 &&
             bind(sockets[opened], (struct sockaddr *)&at, sizeof(at)) == 0 &&
             getsockname(sockets[opened], (struct sockaddr *)&at, &len) == 0;
        ports[opened] = ntohs(at.sin_port);
    }
    while (opened > 0) {
        (void)close(sockets[--opened]); // nothing was sent on it
    }
    return ok ? RT_OK : rt_fail(RT_EIO, "no free port");
}

static void
become_braind(const daemon_config *config, const daemon_state *daemon, uint16_t pull_port)
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
    prctl(PR_SET_PDEATHSIG, SIGKILL); // an interrupted benchmark leaves nothing behind
    execl(config->braind, config->braind, "--config", config->config, "--set", dir, "--set",
          ingest, "--set", pull, "--set", publish, "--set", control, "--set", "log.level=warn",
          (char *)NULL);
    fprintf(stderr, "bench: cannot run %s\n", config->braind);
    _exit(127);
}

rt_err
daemon_start(const daemon_config *config, daemon_state *ret_daemon)
{
    daemon_state daemon = {.keep = config->keep};
    uint16_t ports[DOORS];
    rt_err err = free_ports(ports);
    if (err != RT_OK) {
        return err;
    }
    snprintf(daemon.dir, sizeof(daemon.dir), "%s/cerebro-bench-XXXXXX", config->parent);
    if (mkdtemp(daemon.dir) == NULL) {
        return rt_fail(RT_EIO, "cannot make a directory in %s", config->parent);
    }
    snprintf(daemon.ingest, sizeof(daemon.ingest), "tcp://127.0.0.1:%u", ports[0]);
    snprintf(daemon.publish, sizeof(daemon.publish), "tcp://127.0.0.1:%u", ports[1]);
    daemon.pid = fork();
    if (daemon.pid < 0) {
        return rt_fail(RT_EIO, "cannot fork");
    }
    if (daemon.pid == 0) {
        become_braind(config, &daemon, ports[2]);
    }
    *ret_daemon = daemon;
    return RT_OK;
}

bool
daemon_alive(const daemon_state *daemon)
{
    int status;
    return daemon->pid > 0 && waitpid(daemon->pid, &status, WNOHANG) == 0;
}

// Reads a small file of /proc; empty when it is gone.
static rt_str
read_proc(const char *path, char text[PROC_BYTES_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, PROC_BYTES_MAX - 1) : 0;
    if (fd >= 0) {
        (void)close(fd); // only read from
    }
    len = RT_MAX(len, 0);
    text[len] = '\0';
    return (rt_str){text, (size_t)len};
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

// utime + stime of a stat line, in µs; they are its 14th and 15th fields, after a name that may
// contain anything but ends with the last parenthesis.
static int64_t
cpu_us(rt_str stat)
{
    const char *at = strrchr(stat.ptr, ')');
    int64_t ticks = 0;
    for (int field = 2; at != NULL && *at != '\0' && field < 15; field++) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
        int64_t value = 0;
        rt_str digits = {at, strspn(at, "0123456789")};
        if (field + 1 >= 14 && rt_parse_i64(digits, &value) == RT_OK) {
            ticks += value;
        }
    }
    return ticks * (1000000 / sysconf(_SC_CLK_TCK));
}

static void
add_thread(daemon_usage *usage, pid_t pid, const char *name)
{
    char path[300];
    char text[PROC_BYTES_MAX];
    snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)pid, name);
    rt_str stat = read_proc(path, text);
    if (stat.len == 0) {
        return;
    }
    int64_t main_thread = 0;
    bool number = rt_parse_i64(rt_str_of(name), &main_thread) == RT_OK;
    if (number && main_thread == pid) {
        usage->brain_cpu_us += cpu_us(stat);
    } else if (strstr(stat.ptr, "(agents)") != NULL) {
        usage->agents_cpu_us += cpu_us(stat);
    }
}

daemon_usage
daemon_usage_of(const daemon_state *daemon)
{
    daemon_usage usage = {0};
    char path[64];
    char text[PROC_BYTES_MAX];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)daemon->pid);
    rt_str stat = read_proc(path, text);
    usage.cpu_us = stat.len > 0 ? cpu_us(stat) : 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)daemon->pid);
    rt_str status = read_proc(path, text);
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

static void
remove_tree(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry = NULL;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (unlinkat(fd, entry->d_name, 0) != 0) {
            remove_tree(fd, entry->d_name); // three levels: our own directory, data, journal
        }
    }
    if (dir != NULL) {
        (void)closedir(dir); // closes fd as well
    }
    (void)unlinkat(parent, name, AT_REMOVEDIR); // what is left is left to the temporary directory
}

void
daemon_stop(daemon_state *daemon)
{
    struct timespec pause = {.tv_nsec = STOP_POLL_MS * 1000000L};
    if (daemon->pid > 0 && daemon_alive(daemon)) {
        (void)kill(daemon->pid, SIGTERM); // alive, hence ours
        for (int waited = 0; waited < STOP_PATIENCE_MS && daemon_alive(daemon);
             waited += STOP_POLL_MS) {
            (void)nanosleep(&pause, NULL); // a signal only makes it shorter
        }
        // a process that was waited for is no longer a child: this then fails and hits nobody
        if (waitpid(daemon->pid, NULL, WNOHANG) == 0) {
            fprintf(stderr, "bench: braind does not stop, killed\n");
            (void)kill(daemon->pid, SIGKILL);
            (void)waitpid(daemon->pid, NULL, 0);
        }
    }
    if (!daemon->keep) {
        remove_tree(AT_FDCWD, daemon->dir);
    }
    daemon->pid = 0;
}
