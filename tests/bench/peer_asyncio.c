#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "runtime/wire/json.h"
#include "tests/bench/case.h"
#include "tests/bench/peer.h"
#include "tests/bench/peer_server.h"

#define EVENTS_PER_S_MAX 60000 // more than it can do; it ends early when it has seen them all
#define WARM_UP "0.7"
#define LINE_BYTES_MAX 256
#define NUMBERS 4

// Writes the events that it gets, one JSON object a line.
static rt_err
write_events(const peer_config *config, const char *path)
{
    FILE *file = fopen(path, "we");
    uint64_t count = RT_MIN((uint64_t)EVENTS_PER_S_MAX * (uint64_t)(config->seconds + 1),
                            config->events->count);
    rt_err err = file != NULL ? RT_OK : rt_fail(RT_EIO, "cannot write %s", path);
    rt_text text;
    rt_text_init(&text, RT_JSON_BYTES_MAX);
    for (uint64_t i = 0; i < count && err == RT_OK; i++) {
        const load_events *events = config->events;
        rt_bytes event = {events->bytes + events->starts[i],
                          events->starts[i + 1] - events->starts[i]};
        rt_text_clear(&text);
        err = rt_json_from_mp(event, &text);
        rt_str line = rt_text_view(&text);
        if (err == RT_OK && (fwrite(line.ptr, 1, line.len, file) != line.len ||
                             fputc('\n', file) == EOF)) {
            err = rt_fail(RT_EIO, "cannot write %s", path);
        }
    }
    rt_text_fini(&text);
    if (file != NULL && fclose(file) != 0 && err == RT_OK) {
        err = rt_fail(RT_EIO, "cannot write %s", path);
    }
    return err;
}

// Reads a line; what is expected comes in one piece, it is short.
static rt_err
read_line(int fd, char line[LINE_BYTES_MAX])
{
    size_t len = 0;
    while (len < LINE_BYTES_MAX - 1 && (len == 0 || line[len - 1] != '\n')) {
        if (read(fd, line + len, 1) != 1) {
            return rt_fail(RT_EIO, "asyncio_loop.py ended");
        }
        len++;
    }
    line[len] = '\0';
    return RT_OK;
}

// "done" and four numbers.
static rt_err
parse(const char *line, int64_t numbers[NUMBERS])
{
    const char *at = line + strcspn(line, " ");
    bool ok = strncmp(line, "done ", 5) == 0;
    for (int i = 0; i < NUMBERS && ok; i++) {
        at += strspn(at, " ");
        rt_str digits = {at, strspn(at, "0123456789")};
        ok = rt_parse_i64(digits, &numbers[i]) == RT_OK;
        at += digits.len;
    }
    ok = ok && numbers[0] > 0 && numbers[1] > 0;
    return ok ? RT_OK : rt_fail(RT_EPROTO, "asyncio_loop.py said: %s", line);
}

static rt_err
measure(pid_t pid, int to, int from, peer_result *ret_result)
{
    char line[LINE_BYTES_MAX];
    int64_t numbers[NUMBERS];
    rt_err err = read_line(from, line);
    int64_t cpu_us = process_cpu_us(pid);
    if (err == RT_OK && (strcmp(line, "ready\n") != 0 || write(to, "go\n", 3) != 3)) {
        err = rt_fail(RT_EPROTO, "asyncio_loop.py said: %s", line);
    }
    if (err == RT_OK) {
        err = read_line(from, line);
    }
    if (err == RT_OK) {
        err = parse(line, numbers);
    }
    if (err == RT_OK) {
        double count = (double)numbers[0];
        *ret_result = (peer_result){
            .events = (uint64_t)numbers[0],
            .per_s = count * 1e6 / (double)numbers[1],
            .p50_us = (uint64_t)numbers[2],
            .p99_us = (uint64_t)numbers[3],
            .cpu_us_per_event = (double)(process_cpu_us(pid) - cpu_us) / count};
    }
    return err;
}

rt_err
peer_asyncio(const peer_config *config, peer_result *ret_result)
{
    peer_server server;
    char events[640];
    char database[640];
    char seconds[16];
    int to[2] = {-1, -1};
    int from[2] = {-1, -1};
    rt_err err = peer_server_dir(config, "asyncio", &server);
    if (err != RT_OK) {
        return err;
    }
    snprintf(events, sizeof(events), "%s/events.jsonl", server.dir);
    snprintf(database, sizeof(database), "%s/brain.db", server.dir);
    snprintf(seconds, sizeof(seconds), "%d", (int)config->seconds);
    err = write_events(config, events);
    if (err == RT_OK && (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)) {
        err = rt_fail(RT_EIO, "cannot make a pipe");
    }
    if (err == RT_OK) {
        char *argv[] = {"/usr/bin/python3", (char *)config->loop, events, database, WARM_UP,
                        seconds, NULL};
        process_config process = {argv, to[0], from[1], PROCESS_INHERIT};
        err = process_start(&process, &server.pid);
        (void)close(to[0]); // its ends
        (void)close(from[1]);
    }
    if (err == RT_OK) {
        err = measure(server.pid, to[1], from[0], ret_result);
    }
    peer_server_stop(&server);
    return err;
}
