#include "tools/replay/send.h"

#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/wire/mp.h"

// Design notes.
// The brain's clock is driven by the events' own time, so order matters: with a window of one, a
// request leaves only when the one before it is settled, refused-for-now events included. Larger
// windows are for load tests. A ring of window + 1 batches lets the next one fill while the others
// are out. Invariant: batches ring[first .. first + out - 1] are out, the one after them fills.

#define TICK_MS 20 // events due within a tick leave together when time is paced
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 2000
#define REPLY_BYTES_MAX ((size_t)16 * 1024 * 1024)

typedef struct batch {
    rt_mpw body;    // array32 header, then events
    size_t *starts; // offset of each event in the body
    uint32_t count;
    int64_t last_event_ms;
    rt_err posted; // whether its last request left
} batch;

typedef struct sender {
    const send_door *door;
    const send_config *config;
    send_totals totals;
    batch *ring;
    uint32_t ring_count;
    uint32_t first;
    uint32_t out;
    uint8_t *again; // per event of the batch being settled: send it once more
    rt_arena *arena;
    bool paced_yet;
    int64_t paced_event_ms; // event time and wall time at which pacing began
    int64_t paced_wall_ms;
} sender;

static void
batch_clear(batch *b)
{
    rt_mpw_clear(&b->body);
    (void)rt_mpw_array32(&b->body); // always the first five bytes
    b->count = 0;
}

static void
batch_add(batch *b, rt_bytes event)
{
    b->starts[b->count++] = b->body.len;
    rt_mpw_raw(&b->body, event);
}

static rt_bytes
batch_event(const batch *b, uint32_t i)
{
    size_t end = i + 1 < b->count ? b->starts[i + 1] : b->body.len;

    return (rt_bytes){b->body.ptr + b->starts[i], end - b->starts[i]};
}

// Keeps only the marked events, in their order.
static void
batch_keep(batch *b, const uint8_t *marked)
{
    uint32_t kept = 0;
    size_t to = 5;

    for (uint32_t i = 0; i < b->count; i++) {
        size_t start = b->starts[i];
        size_t len = batch_event(b, i).len;

        if (marked[i] != 0) {
            memmove(b->body.ptr + to, b->body.ptr + start, len);
            b->starts[kept++] = to; // kept <= i: nothing still to be read is overwritten
            to += len;
        }
    }
    b->body.len = to;
    b->count = kept;
}

static rt_err_class
class_of_name(rt_str name)
{
    static const struct {
        const char *name;
        rt_err err;
    } known[] = {
#define X(name, code, class, text) {#name, name},
#include "runtime/base/err.def"
#undef X
    };

    for (size_t i = 0; i < RT_COUNT(known); i++) {
        if (rt_str_is(name, known[i].name)) {
            return rt_err_class_of(known[i].err);
        }
    }
    return RT_CLASS_reject;
}

// Notes a refusal: "261120-00042:created: RT_ERANGE at data.value: must be at least 0, is -5".
static void
note_reason(sender *s, rt_bytes event, rt_str code, rt_str path, rt_str text)
{
    rt_mp at = {0};
    rt_str id = {0};

    if (s->totals.reason_count == SEND_REASONS_MAX) {
        return;
    }
    if (!rt_mp_find(event, RT_STR("id"), &at) || rt_mp_str(&at, &id) != RT_OK) {
        id = RT_STR("(no id)");
    }
    (void)snprintf(s->totals.reasons[s->totals.reason_count++], SEND_REASON_CAP,
                   "%.*s: %.*s%s%.*s: %.*s", RT_STR_ARG(id), RT_STR_ARG(code),
                   path.len > 0 ? " at " : "", RT_STR_ARG(path), RT_STR_ARG(text));
}

// Reads ["error", code, path, text] behind its first word and counts it for one event.
static rt_err
count_error(sender *s, rt_mp *mp, uint32_t fields, const batch *b, uint32_t i)
{
    rt_str part[3] = {{0}, {0}, {0}};
    rt_err err = RT_OK;

    for (uint32_t k = 0; k + 1 < fields && err == RT_OK; k++) {
        err = k < 3 ? rt_mp_str(mp, &part[k]) : rt_mp_skip(mp);
    }
    if (err != RT_OK) {
        return err;
    }
    if (class_of_name(part[0]) == RT_CLASS_retry) {
        s->again[i] = 1;
        s->totals.retried++;
        return RT_OK;
    }
    s->totals.rejected++;
    note_reason(s, batch_event(b, i), part[0], part[1], part[2]);
    return RT_OK;
}

// Counts the fate of one event and stands behind its entry.
static rt_err
count_result(sender *s, rt_mp *mp, const batch *b, uint32_t i)
{
    uint32_t fields = 0;
    rt_str status = {0};
    rt_err err = rt_mp_array(mp, &fields);

    if (err == RT_OK && fields == 0) {
        return RT_EPROTO;
    }
    err = err == RT_OK ? rt_mp_str(mp, &status) : err;
    if (err != RT_OK) {
        return err;
    }
    if (rt_str_is(status, "error")) {
        return count_error(s, mp, fields, b, i);
    }
    if (rt_str_is(status, "ok")) {
        s->totals.accepted++;
    } else if (rt_str_is(status, "duplicate")) {
        s->totals.duplicates++;
    } else {
        return RT_EPROTO;
    }
    for (uint32_t k = 1; k < fields && err == RT_OK; k++) {
        err = rt_mp_skip(mp);
    }
    return err;
}

// One error stands for the whole request: it counts for every event in it.
static rt_err
count_whole(sender *s, rt_mp entry, const batch *b)
{
    rt_err err = RT_OK;

    for (uint32_t i = 0; i < b->count && err == RT_OK; i++) {
        rt_mp mp = entry;

        err = count_result(s, &mp, b, i);
    }
    return err;
}

static rt_err
read_results(sender *s, rt_bytes reply, const batch *b)
{
    rt_mp mp = {0};
    uint32_t count = 0;
    rt_err err = RT_OK;

    if (!rt_mp_find(reply, RT_STR("results"), &mp) || rt_mp_array(&mp, &count) != RT_OK) {
        return RT_EPROTO;
    }
    if (count == 1 && b->count > 1) {
        return count_whole(s, mp, b);
    }
    if (count != b->count) {
        return RT_EPROTO;
    }
    for (uint32_t i = 0; i < count && err == RT_OK; i++) {
        err = count_result(s, &mp, b, i);
    }
    return err;
}

// Counts what the answer says and keeps in the batch what must be sent again.
static rt_err
apply_answer(sender *s, rt_bytes reply, batch *b)
{
    memset(s->again, 0, b->count);
    if (read_results(s, reply, b) != RT_OK) {
        return rt_fail(RT_EPROTO, "the answer to %u events cannot be understood (%zu bytes)",
                       b->count, reply.len);
    }
    batch_keep(b, s->again);
    s->totals.events = s->totals.accepted + s->totals.duplicates + s->totals.rejected;
    return RT_OK;
}

static bool
nobody_there(rt_err err)
{
    return err == RT_ETIMEOUT || err == RT_EUNREACH || err == RT_ECLOSED || err == RT_EAGAIN;
}

static void
post(sender *s, uint32_t slot)
{
    batch *b = &s->ring[slot];

    rt_mpw_patch32(&b->body, 0, b->count);
    s->totals.requests++;
    b->posted = s->door->send(s->door->self, slot, rt_mpw_view(&b->body));
}

// Waits for an answer to what was posted last, posting again while nobody answers.
static rt_err
wait_answer(sender *s, uint32_t slot, rt_bytes *ret_reply)
{
    int64_t begin_ms = s->door->now_ms(s->door->self);

    for (;;) {
        rt_err err = s->ring[slot].posted;

        rt_arena_reset(s->arena);
        err = err == RT_OK ? s->door->recv(s->door->self, slot, s->arena, ret_reply) : err;
        if (!nobody_there(err)) {
            return err;
        }
        if (s->door->now_ms(s->door->self) - begin_ms >= s->config->timeout_ms) {
            return rt_fail(RT_EUNREACH, "no answer for %lld s",
                           (long long)(s->config->timeout_ms / 1000));
        }
        if (err != RT_ETIMEOUT) {
            s->door->sleep_ms(s->door->self, BACKOFF_MIN_MS); // a timeout has waited enough
        }
        s->totals.resent++;
        post(s, slot);
    }
}

// Settles the oldest batch that is out: every event of it accepted, known already, or refused.
static rt_err
settle(sender *s)
{
    uint32_t slot = s->first;
    batch *b = &s->ring[slot];
    int64_t begin_ms = s->door->now_ms(s->door->self);
    int64_t backoff_ms = BACKOFF_MIN_MS;

    for (;;) {
        rt_bytes reply = {0};
        rt_err err = wait_answer(s, slot, &reply);

        err = err == RT_OK ? apply_answer(s, reply, b) : err;
        if (err != RT_OK) {
            return err;
        }
        if (b->count == 0) {
            break;
        }
        if (s->door->now_ms(s->door->self) - begin_ms >= SEND_BUSY_MAX_MS) {
            return rt_fail(RT_EBUSY, "the brain answers, but had no room for %lld s",
                           (long long)(SEND_BUSY_MAX_MS / 1000));
        }
        s->door->sleep_ms(s->door->self, backoff_ms);
        backoff_ms = RT_MIN(2 * backoff_ms, BACKOFF_MAX_MS);
        post(s, slot);
    }
    if (s->config->on_progress != NULL) {
        s->config->on_progress(s->config->user, s->totals.events, b->last_event_ms);
    }
    batch_clear(b);
    s->first = (s->first + 1) % s->ring_count;
    s->out--;
    return RT_OK;
}

static batch *
filling(sender *s)
{
    return &s->ring[(s->first + s->out) % s->ring_count];
}

// Sends the batch being filled, when there is something in it.
static rt_err
launch(sender *s)
{
    rt_err err = RT_OK;

    if (filling(s)->count == 0) {
        return RT_OK;
    }
    if (s->out == s->config->window) {
        err = settle(s);
    }
    if (err == RT_OK) {
        post(s, (s->first + s->out) % s->ring_count); // settle sees whether it left
        s->out++;
    }
    return err;
}

static rt_err
settle_all(sender *s)
{
    rt_err err = RT_OK;

    while (s->out > 0 && err == RT_OK) {
        err = settle(s);
    }
    return err;
}

// Waits until an event is due; what was collected until then leaves first.
static rt_err
pace(sender *s, int64_t event_ms)
{
    int64_t now_ms = s->door->now_ms(s->door->self);
    int64_t due_ms = 0;
    rt_err err = RT_OK;

    if (s->config->speed <= 0) {
        return RT_OK;
    }
    if (!s->paced_yet) {
        s->paced_yet = true;
        s->paced_event_ms = event_ms;
        s->paced_wall_ms = now_ms;
    }
    due_ms = s->paced_wall_ms
             + (int64_t)((double)(event_ms - s->paced_event_ms) / s->config->speed);
    if (due_ms <= now_ms + TICK_MS) {
        return RT_OK;
    }
    err = launch(s);
    err = err == RT_OK ? settle_all(s) : err;
    now_ms = s->door->now_ms(s->door->self);
    if (err == RT_OK && due_ms > now_ms) {
        s->door->sleep_ms(s->door->self, due_ms - now_ms);
    }
    return err;
}

static rt_err
add_event(sender *s, const stream_event *event)
{
    batch *b = filling(s);
    rt_err err = RT_OK;

    if (b->count > 0 && b->body.len + event->body.len > SEND_BODY_BYTES_MAX) {
        err = launch(s);
        b = filling(s);
    }
    if (err != RT_OK) {
        return err;
    }
    batch_add(b, event->body);
    b->last_event_ms = event->time_ms;
    return b->count == s->config->batch ? launch(s) : RT_OK;
}

static rt_err
send_all(sender *s, stream *events)
{
    stream_event event = {0};
    rt_err err = RT_OK;

    while ((err = stream_next(events, &event)) == RT_OK) {
        err = pace(s, event.time_ms);
        err = err == RT_OK ? add_event(s, &event) : err;
        if (err != RT_OK) {
            return err;
        }
    }
    if (err != RT_EEND) {
        return err;
    }
    err = launch(s);
    return err == RT_OK ? settle_all(s) : err;
}

rt_err
send_stream(stream *events, const send_door *door, const send_config *config,
            send_totals *ret_totals)
{
    sender s = {.door = door, .config = config};
    rt_err err = RT_OK;

    RT_ASSERT(config->batch >= 1 && config->batch <= SEND_BATCH_MAX);
    RT_ASSERT(config->window >= 1 && config->window <= SEND_WINDOW_MAX);
    s.ring_count = config->window + 1;
    s.ring = rt_new_array(batch, s.ring_count);
    s.again = rt_new_array(uint8_t, config->batch);
    s.arena = rt_arena_new(REPLY_BYTES_MAX);
    for (uint32_t i = 0; i < s.ring_count; i++) {
        rt_mpw_init(&s.ring[i].body, SIZE_MAX);
        s.ring[i].starts = rt_new_array(size_t, config->batch);
        batch_clear(&s.ring[i]);
    }
    err = send_all(&s, events);
    *ret_totals = s.totals;
    for (uint32_t i = 0; i < s.ring_count; i++) {
        rt_mpw_fini(&s.ring[i].body);
        rt_free(s.ring[i].starts);
    }
    rt_free(s.ring);
    rt_free(s.again);
    rt_arena_free(s.arena);
    return err;
}
