#include "tests/bench/peer_server.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/check.h"
#include "runtime/seam/clock.h"

#define PAUSE_NS 100000
#define SETTLE_US (60 * 1000000LL)

rt_err
peer_server_dir(const peer_config *config, const char *name, peer_server *ret_server)
{
    peer_server server = {0};
    snprintf(server.dir, sizeof(server.dir), "%s/%s", config->dir, name);
    if (mkdir(server.dir, 0700) != 0) {
        return rt_fail(RT_EIO, "cannot make %s", server.dir);
    }
    rt_err err = process_ports(&server.port, 1);
    if (err == RT_OK) {
        *ret_server = server;
    }
    return err;
}

rt_err
peer_server_start(peer_server *server, char *const *argv)
{
    char log[640];
    snprintf(log, sizeof(log), "%s/log", server->dir);
    int fd = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return rt_fail(RT_EIO, "cannot make %s", log);
    }
    process_config config = {argv, PROCESS_INHERIT, fd, fd};
    rt_err err = process_start(&config, &server->pid);
    (void)close(fd); // the server has it
    return err;
}

void
peer_server_stop(peer_server *server)
{
    process_stop(server->pid);
    process_remove(server->dir);
}

void
peer_pause(void)
{
    struct timespec pause = {.tv_nsec = PAUSE_NS};
    (void)nanosleep(&pause, NULL); // a signal only makes it shorter
}

bool
peer_flood_take(peer_flood *flood, uint32_t count, uint64_t *ret_first)
{
    for (;;) {
        uint64_t sent = atomic_load(&flood->sent);
        if (atomic_load(&flood->broken) || rt_clock_mono_us() >= flood->end_us ||
            sent + count > flood->events->count) {
            return false;
        }
        if (sent + count - atomic_load(&flood->consumed) > PEER_OUTSTANDING) {
            peer_pause();
        } else if (atomic_compare_exchange_weak(&flood->sent, &sent, sent + count)) {
            *ret_first = sent;
            return true;
        }
    }
}

rt_bytes
peer_flood_event(const peer_flood *flood, uint64_t index)
{
    const load_events *events = flood->events;
    RT_ASSERT(index < events->count);
    return (rt_bytes){events->bytes + events->starts[index],
                      events->starts[index + 1] - events->starts[index]};
}

rt_err
peer_flood_settle(peer_flood *flood)
{
    int64_t until_us = rt_clock_mono_us() + SETTLE_US;
    while (atomic_load(&flood->consumed) < atomic_load(&flood->sent)) {
        if (atomic_load(&flood->broken)) {
            return rt_fail(RT_EIO, "a producer or the consumer failed");
        }
        if (rt_clock_mono_us() > until_us) {
            return rt_fail(RT_ETIMEOUT, "not everything sent was consumed in time");
        }
        peer_pause();
    }
    return RT_OK;
}
