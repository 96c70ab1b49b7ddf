#include "tests/bench/process.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
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
#include "runtime/base/check.h"
#include "runtime/base/text.h"

// Design notes.
// Programs die with the thread that started them (PR_SET_PDEATHSIG). Directories cannot, so a
// process of its own, the watchman, waits until the writing end of a pipe is closed and then
// removes the directory. That happens at a proper end, at Ctrl-C and after kill -9 alike. It has a
// session of its own, so that Ctrl-C does not reach it.
//
// Ports are found by binding to port 0 and letting go again; another process could take one in
// between, and then the program that was to have it says so and the run fails.

#define PORTS_MAX 8
#define STOP_PATIENCE_MS 20000
#define STOP_POLL_MS 10
#define REMOVE_TRIES 1000 // programs that are being killed may still write

static void
pause_ms(int64_t ms)
{
    struct timespec pause = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&pause, NULL); // a signal only makes it shorter
}

// --- the directory ---

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
            remove_tree(fd, entry->d_name); // as deep as our own programs make it: six levels
        }
    }
    if (dir != NULL) {
        (void)closedir(dir); // closes fd as well
    }
    (void)unlinkat(parent, name, AT_REMOVEDIR); // the caller looks whether it is gone
}

void
process_remove(const char *dir)
{
    remove_tree(AT_FDCWD, dir);
}

RT_NORETURN static void
watch_over(const char *dir, int alive)
{
    char nothing;
    (void)setsid(); // fails for a leader only, which a child is not
    (void)prctl(PR_SET_NAME, "bench-watchman");
    for (int fd = 0; fd < 3; fd++) {
        (void)close(fd); // who reads our output need not wait for the watchman
    }
    while (read(alive, &nothing, 1) < 0 && errno == EINTR) {
    }
    process_remove(dir);
    for (int i = 0; i < REMOVE_TRIES && access(dir, F_OK) == 0; i++) {
        pause_ms(STOP_POLL_MS);
        process_remove(dir);
    }
    _exit(0);
}

rt_err
process_scratch_open(const char *parent, bool keep, process_scratch *ret_scratch)
{
    process_scratch scratch = {.alive = -1};
    int ends[2];
    snprintf(scratch.dir, sizeof(scratch.dir), "%s/cerebro-bench-XXXXXX", parent);
    if (mkdtemp(scratch.dir) == NULL) {
        return rt_fail(RT_EIO, "cannot make a directory in %s", parent);
    }
    if (keep) {
        *ret_scratch = scratch;
        return RT_OK;
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return rt_fail(RT_EIO, "cannot make a pipe");
    }
    scratch.watchman = fork();
    if (scratch.watchman < 0) {
        return rt_fail(RT_EIO, "cannot fork");
    }
    if (scratch.watchman == 0) {
        (void)close(ends[1]);
        watch_over(scratch.dir, ends[0]);
    }
    (void)close(ends[0]);
    scratch.alive = ends[1];
    *ret_scratch = scratch;
    return RT_OK;
}

void
process_scratch_close(process_scratch *scratch)
{
    if (scratch->watchman > 0) {
        (void)close(scratch->alive);
        (void)waitpid(scratch->watchman, NULL, 0); // ends by itself
    }
    *scratch = (process_scratch){.alive = -1};
}

// --- ports ---

rt_err
process_ports(uint16_t *ret_ports, size_t count)
{
    int sockets[PORTS_MAX];
    size_t opened = 0;
    bool ok = true;
    RT_ASSERT(count <= PORTS_MAX);
    for (; opened < count && ok; opened++) {
        struct sockaddr_in at = {.sin_family = AF_INET};
        socklen_t len = sizeof(at);
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        sockets[opened] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ok = sockets[opened] >= 0 &&
             bind(sockets[opened], (struct sockaddr *)&at, sizeof(at)) == 0 &&
             getsockname(sockets[opened], (struct sockaddr *)&at, &len) == 0;
        ret_ports[opened] = ntohs(at.sin_port);
    }
    while (opened > 0) {
        (void)close(sockets[--opened]); // nothing was sent on it
    }
    return ok ? RT_OK : rt_fail(RT_EIO, "no free port");
}

// --- programs ---

RT_NORETURN static void
become(const process_config *config, pid_t parent)
{
    const int wanted[3] = {config->in, config->out, config->err};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(0); // it ended before the line above
    }
    for (int fd = 0; fd < 3; fd++) {
        if (wanted[fd] != PROCESS_INHERIT && dup2(wanted[fd], fd) < 0) {
            _exit(127);
        }
    }
    execv(config->argv[0], config->argv);
    dprintf(STDERR_FILENO, "bench: cannot run %s\n", config->argv[0]);
    _exit(127);
}

rt_err
process_start(const process_config *config, pid_t *ret_pid)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        return rt_fail(RT_EIO, "cannot fork");
    }
    if (pid == 0) {
        become(config, parent);
    }
    *ret_pid = pid;
    return RT_OK;
}

bool
process_alive(pid_t pid)
{
    int status;
    return pid > 0 && waitpid(pid, &status, WNOHANG) == 0;
}

void
process_stop(pid_t pid)
{
    if (!process_alive(pid)) {
        return; // and waited for: no longer ours
    }
    (void)kill(pid, SIGTERM); // alive, hence ours
    for (int waited = 0; waited < STOP_PATIENCE_MS; waited += STOP_POLL_MS) {
        pause_ms(STOP_POLL_MS);
        if (!process_alive(pid)) {
            return;
        }
    }
    fprintf(stderr, "bench: process %d does not stop, killed\n", (int)pid);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

// --- /proc ---

rt_str
process_read(const char *path, char text[PROCESS_PROC_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, PROCESS_PROC_BYTES - 1) : 0;
    if (fd >= 0) {
        (void)close(fd); // only read from
    }
    len = RT_MAX(len, 0);
    text[len] = '\0';
    return (rt_str){text, (size_t)len};
}

// utime and stime are the 14th and 15th fields, after a name that may contain anything but ends
// with the last parenthesis.
int64_t
process_stat_cpu_us(rt_str stat)
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

int64_t
process_cpu_us(pid_t pid)
{
    char path[64];
    char text[PROCESS_PROC_BYTES];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    rt_str stat = process_read(path, text);
    return stat.len > 0 ? process_stat_cpu_us(stat) : 0;
}
