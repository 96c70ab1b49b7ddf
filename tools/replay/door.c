#include "tools/replay/door.h"

#include <time.h>

#include "runtime/seam/clock.h"
#include "runtime/seam/net.h"

#define TRY_MAX_MS 5000 // one wait for an answer, before the request is sent again
#define TRIES 4         // that fit in a short timeout
#define DIAL_PAUSE_MS 200

static rt_err
send_request(void *self, uint32_t slot, rt_bytes body)
{
    return rt_client_send(self, slot, body);
}

static rt_err
recv_reply(void *self, uint32_t slot, rt_arena *arena, rt_bytes *ret_reply)
{
    return rt_client_recv(self, slot, arena, ret_reply);
}

static int64_t
now_ms(void *self)
{
    (void)self;
    return rt_clock_mono_us() / 1000;
}

static void
sleep_for_ms(void *self, int64_t ms)
{
    struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)self;
    while (nanosleep(&rest, &rest) != 0) { // interrupted: sleep the rest
    }
}

rt_err
door_open(const char *url, int64_t timeout_ms, send_door *ret_door)
{
    int64_t begin_ms = now_ms(NULL);
    int64_t try_ms = RT_MAX(1, RT_MIN(timeout_ms / TRIES, TRY_MAX_MS));
    rt_client *client = NULL;
    rt_err err = rt_client_dial(url, try_ms, &client);

    while (err != RT_OK && rt_err_class_of(err) == RT_CLASS_retry
           && now_ms(NULL) - begin_ms < timeout_ms) {
        sleep_for_ms(NULL, DIAL_PAUSE_MS);
        err = rt_client_dial(url, try_ms, &client);
    }
    if (err != RT_OK) {
        return rt_err_class_of(err) == RT_CLASS_retry
                   ? rt_fail(RT_EUNREACH, "nobody listens at %s", url)
                   : err;
    }
    *ret_door = (send_door){.self = client,
                            .send = send_request,
                            .recv = recv_reply,
                            .now_ms = now_ms,
                            .sleep_ms = sleep_for_ms};
    return RT_OK;
}
