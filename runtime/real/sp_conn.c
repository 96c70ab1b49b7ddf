// Design notes. A connection:
//
//   SHAKING --both greetings--> OPEN --end, error, rule broken, impatience--> CLOSING
//
// In: up to 64 KiB are read at a time into one buffer that all connections share, and cut into
// messages; only the rest of a message too large for it is read straight into the message. A
// message that the door does not take parks its connection: reading stops, what was read behind it
// is kept. rt__sp_resume goes round the parked connections, a message each, so that a flood on one
// does not keep the others waiting.
//
// Out: a ring of messages, many of which leave in one write. What one write holds is bounded,
// because it cannot be given up any more when the peer does not read.
#include <uv.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/net_internal.h"
#include "runtime/real/sp_internal.h"
#include "runtime/seam/clock.h"

#define SHAKE_US (10 * INT64_C(1000000))
#define HEADER_LEN 8u // of a handshake, and of a message
#define RING_FIRST 16u
#define IOVECS 32          // messages in one write
#define WRITE_BYTES 262144 // and bytes, so that a stuck write holds little
#define STRAIGHT_BYTES 16384u // of a message still to come, to be read into its place

typedef enum conn_state { SHAKING, OPEN, CLOSING } conn_state;

struct rt__sp_conn {
    rt__sp *sp;
    rt__sp_conn *prev; // in the list of its state
    rt__sp_conn *next;
    uint64_t id;
    uint32_t slot;
    conn_state state;
    int64_t since_us; // of the handshake; then since when nothing left although something waits
    uv_tcp_t tcp;
    // in
    bool reading;
    uint8_t header[HEADER_LEN];
    size_t have; // of the header, then of the message
    rt__msg *msg;
    rt__msg *refused; // by on_message: the connection is parked
    rt__sp_conn *next_parked;
    uint8_t *stash; // read behind a refused message
    size_t stash_at; // those before are taken
    size_t stash_len;
    // out
    rt__sp_buf **ring;
    uint32_t ring_cap;
    uint32_t ring_first;
    uint32_t ring_count; // with those being written
    size_t queued_bytes;
    uv_write_t write;
    uint32_t writing; // messages in it; 0: none under way
    size_t write_left; // bytes of it when it was last looked at
};

rt__msg *
rt__msg_new(size_t len)
{
    rt__msg *msg = rt_try_alloc(sizeof(*msg) + len);

    if (msg != NULL) {
        msg->next = NULL;
        msg->pipe = 0;
        msg->len = len;
    }
    return msg;
}

static void
put64(uint8_t bytes[HEADER_LEN], uint64_t value)
{
    for (int i = HEADER_LEN - 1; i >= 0; i--) {
        bytes[i] = (uint8_t)value;
        value >>= 8;
    }
}

static uint64_t
get64(const uint8_t bytes[HEADER_LEN])
{
    uint64_t value = 0;

    for (size_t i = 0; i < HEADER_LEN; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

rt__sp_buf *
rt__sp_buf_new(size_t len)
{
    rt__sp_buf *buf = rt_try_alloc(sizeof(*buf) + HEADER_LEN + len);

    RT_MUST_HAVE(buf != NULL); // bounded by the largest message, and needed
    buf->next = NULL;
    buf->pipe = 0;
    buf->refs = 1;
    buf->len = HEADER_LEN + len;
    put64(buf->bytes, len);
    return buf;
}

uint8_t *
rt__sp_buf_body(rt__sp_buf *buf)
{
    return buf->bytes + HEADER_LEN;
}

void
rt__sp_buf_unref(rt__sp_buf *buf)
{
    RT_ASSERT(buf->refs > 0);
    buf->refs--;
    if (buf->refs == 0) {
        rt_free(buf);
    }
}

// --- lists and places -----------------------------------------------------------------------

static void
list_add(rt__sp_list *list, rt__sp_conn *conn)
{
    conn->prev = list->last;
    conn->next = NULL;
    if (list->last != NULL) {
        list->last->next = conn;
    } else {
        list->first = conn;
    }
    list->last = conn;
}

static void
list_remove(rt__sp_list *list, rt__sp_conn *conn)
{
    if (conn->prev != NULL) {
        conn->prev->next = conn->next;
    } else {
        list->first = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    } else {
        list->last = conn->prev;
    }
    conn->prev = NULL;
    conn->next = NULL;
}

rt__sp_conn *
rt__sp_conn_new(rt__sp *sp)
{
    rt__sp_conn *conn = NULL;
    int rc = 0;

    for (uint32_t i = 0; i < sp->slot_count && conn == NULL; i++) {
        uint32_t slot = (sp->next_slot + i) % sp->slot_count;

        if (sp->slots[slot] == NULL) {
            conn = rt_new(rt__sp_conn);
            conn->slot = slot;
            sp->next_slot = slot + 1;
        }
    }
    if (conn == NULL) {
        return NULL;
    }
    conn->sp = sp;
    sp->slots[conn->slot] = conn;
    sp->generation++;
    conn->id = sp->generation * sp->slot_count + conn->slot;
    conn->since_us = rt_clock_mono_us();
    rc = uv_tcp_init(rt__sp_loop(), &conn->tcp);
    RT__SURE(rc, UV_ENOMEM, "libuv");
    conn->tcp.data = conn;
    list_add(&sp->shaking, conn);
    sp->shaking_count++;
    rt__sp_watch();
    return conn;
}

uv_tcp_t *
rt__sp_conn_tcp(rt__sp_conn *conn)
{
    return &conn->tcp;
}

uint64_t
rt__sp_id(const rt__sp_conn *conn)
{
    return conn->id;
}

rt__sp_conn *
rt__sp_find(rt__sp *sp, uint64_t id)
{
    rt__sp_conn *conn = sp->slots[id % sp->slot_count];

    return conn != NULL && conn->id == id && conn->state == OPEN ? conn : NULL;
}

// --- the end --------------------------------------------------------------------------------

static void
free_conn(rt__sp_conn *conn)
{
    while (conn->ring_count > 0) {
        rt__sp_buf_unref(conn->ring[conn->ring_first]);
        conn->ring_first = (conn->ring_first + 1) % conn->ring_cap;
        conn->ring_count--;
    }
    rt_free(conn->ring);
    rt_free(conn->msg);
    rt_free(conn->refused);
    rt_free(conn->stash);
    rt_free(conn);
}

static void
on_closed(uv_handle_t *handle)
{
    rt__sp_conn *conn = handle->data;

    // a write under way was called back before
    free_conn(conn);
}

static void
unpark(rt__sp *sp, const rt__sp_conn *conn)
{
    rt__sp_conn *before = NULL;

    for (rt__sp_conn *at = sp->parked_first; at != NULL; before = at, at = at->next_parked) {
        if (at != conn) {
            continue;
        }
        if (before != NULL) {
            before->next_parked = at->next_parked;
        } else {
            sp->parked_first = at->next_parked;
        }
        if (sp->parked_last == at) {
            sp->parked_last = before;
        }
        return;
    }
}

void
rt__sp_conn_close(rt__sp_conn *conn)
{
    rt__sp *sp = conn->sp;
    conn_state was = conn->state;

    if (was == CLOSING) {
        return;
    }
    conn->state = CLOSING;
    sp->slots[conn->slot] = NULL;
    if (was == OPEN) {
        list_remove(&sp->open, conn);
        sp->open_count--;
        rt__sp_lock();
        sp->stats.connections--;
        rt__sp_unlock();
        if (conn->refused != NULL) {
            unpark(sp, conn);
        }
        sp->ops->on_close(sp->user, conn, conn->ring_count);
    } else {
        list_remove(&sp->shaking, conn);
        sp->shaking_count--;
    }
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
    rt__sp_closed(sp);
}

static void
count(uint64_t *counter)
{
    rt__sp_lock();
    ++*counter;
    rt__sp_unlock();
}

void
rt__sp_hang_up(rt__sp_conn *conn)
{
    count(&conn->sp->stats.messages_malformed);
    rt__sp_conn_close(conn);
}

// --- out ------------------------------------------------------------------------------------

static void read_if_wanted(rt__sp_conn *conn);
static void write_more(rt__sp_conn *conn);

static void
drop_written(rt__sp_conn *conn, uint32_t written)
{
    for (uint32_t i = 0; i < written; i++) {
        rt__sp_buf *buf = conn->ring[conn->ring_first];

        conn->queued_bytes -= buf->len;
        conn->ring_first = (conn->ring_first + 1) % conn->ring_cap;
        conn->ring_count--;
        rt__sp_buf_unref(buf);
    }
}

static void
on_written(uv_write_t *req, int status)
{
    rt__sp_conn *conn = req->data;
    uint32_t written = conn->writing;

    conn->writing = 0;
    if (conn->state == CLOSING) {
        return; // what is left goes with the connection
    }
    if (status != 0) {
        rt__sp_conn_close(conn);
        return;
    }
    drop_written(conn, written);
    conn->since_us = rt_clock_mono_us();
    if (conn->state == OPEN && conn->sp->ops->on_sent != NULL) {
        conn->sp->ops->on_sent(conn->sp->user, conn, written);
    }
    write_more(conn);
    read_if_wanted(conn);
}

static void
write_more(rt__sp_conn *conn)
{
    uv_buf_t bufs[IOVECS];
    size_t bytes = 0;
    uint32_t taken = 0;

    if (conn->writing > 0 || conn->state == CLOSING) {
        return;
    }
    while (taken < conn->ring_count && taken < IOVECS && bytes < WRITE_BYTES) {
        rt__sp_buf *buf = conn->ring[(conn->ring_first + taken) % conn->ring_cap];

        bufs[taken++] = uv_buf_init((char *)buf->bytes, (unsigned)buf->len);
        bytes += buf->len;
    }
    if (taken == 0) {
        return;
    }
    conn->writing = taken;
    conn->write.data = conn;
    if (uv_write(&conn->write, (uv_stream_t *)&conn->tcp, bufs, taken, on_written) != 0) {
        conn->writing = 0;
        rt__sp_conn_close(conn);
    }
}

static void
grow_ring(rt__sp_conn *conn)
{
    uint32_t cap = RT_MAX(conn->ring_cap * 2, RING_FIRST);
    rt__sp_buf **ring = rt_new_array(rt__sp_buf *, cap);

    for (uint32_t i = 0; i < conn->ring_count; i++) {
        ring[i] = conn->ring[(conn->ring_first + i) % conn->ring_cap];
    }
    rt_free(conn->ring);
    conn->ring = ring;
    conn->ring_cap = cap;
    conn->ring_first = 0;
}

// The oldest that is not being written goes; those being written keep their places.
static bool
give_up_oldest(rt__sp_conn *conn)
{
    uint32_t at = conn->writing;
    rt__sp_buf *buf = NULL;

    if (at == conn->ring_count) {
        return false;
    }
    buf = conn->ring[(conn->ring_first + at) % conn->ring_cap];
    for (uint32_t i = at; i > 0; i--) { // a few pointers, at most IOVECS
        conn->ring[(conn->ring_first + i) % conn->ring_cap] =
            conn->ring[(conn->ring_first + i - 1) % conn->ring_cap];
    }
    conn->ring_first = (conn->ring_first + 1) % conn->ring_cap;
    conn->ring_count--;
    conn->queued_bytes -= buf->len;
    rt__sp_buf_unref(buf);
    return true;
}

static uint32_t
push(rt__sp_conn *conn, rt__sp_buf *buf)
{
    const rt__sp_ops *ops = conn->sp->ops;
    uint32_t given_up = 0;

    while (ops->queue_max > 0 && conn->ring_count >= ops->queue_max && give_up_oldest(conn)) {
        given_up++;
    }
    if (conn->ring_count == 0) {
        conn->since_us = rt_clock_mono_us();
        if (ops->patience_ms > 0) {
            rt__sp_watch();
        }
    }
    if (conn->ring_count == conn->ring_cap) {
        grow_ring(conn);
    }
    conn->ring[(conn->ring_first + conn->ring_count) % conn->ring_cap] = buf;
    conn->ring_count++;
    conn->queued_bytes += buf->len;
    return given_up;
}

uint32_t
rt__sp_send(rt__sp_conn *conn, rt__sp_buf *buf)
{
    uint32_t given_up = push(conn, buf);

    write_more(conn);
    read_if_wanted(conn); // or not any more
    return given_up;
}

uint32_t
rt__sp_send_all(rt__sp *sp, rt__sp_buf *buf)
{
    uint32_t given_up = 0;
    rt__sp_conn *next = NULL;

    for (rt__sp_conn *conn = sp->open.first; conn != NULL; conn = next) {
        next = conn->next; // sending may close it
        buf->refs++;
        given_up += rt__sp_send(conn, buf);
    }
    rt__sp_buf_unref(buf);
    return given_up;
}

// --- in -------------------------------------------------------------------------------------

static void
park(rt__sp_conn *conn, rt__msg *msg)
{
    rt__sp *sp = conn->sp;

    conn->refused = msg;
    conn->next_parked = NULL;
    if (sp->parked_last != NULL) {
        sp->parked_last->next_parked = conn;
    } else {
        sp->parked_first = conn;
    }
    sp->parked_last = conn;
}

static void
keep_rest(rt__sp_conn *conn, const uint8_t *bytes, size_t len)
{
    RT_ASSERT(conn->stash == NULL);
    conn->stash = len > 0 ? rt_alloc(len) : NULL;
    conn->stash_at = 0;
    conn->stash_len = len;
    if (len > 0) {
        memcpy(conn->stash, bytes, len);
    }
}

// Notes that all but the last `len` bytes of what was kept are taken. They stay where they are:
// messages may be tiny, and then moving the rest for each would take longer than they do.
static void
keep_last(rt__sp_conn *conn, size_t len)
{
    conn->stash_at = conn->stash_len - len;
    if (len == 0) {
        rt_free(conn->stash);
        conn->stash = NULL;
        conn->stash_at = 0;
        conn->stash_len = 0;
    }
}

// Begins a message, its header being complete.
static bool
begin_message(rt__sp_conn *conn)
{
    uint64_t len = get64(conn->header);

    if (len > conn->sp->limits.message_bytes_max) {
        count(&conn->sp->stats.messages_oversize);
        return false;
    }
    conn->msg = rt__msg_new((size_t)len);
    conn->have = 0;
    return conn->msg != NULL;
}

static size_t
take_bytes(uint8_t *to, size_t *have, size_t want, const uint8_t *bytes, size_t len)
{
    size_t part = RT_MIN(want - *have, len);

    memcpy(to + *have, bytes, part);
    *have += part;
    return part;
}

// next_message takes bytes up to the end of a message; false when there are not enough, or the
// connection had to be closed.
static bool
next_message(rt__sp_conn *conn, const uint8_t **bytes, size_t *len, rt__msg **ret_msg)
{
    size_t part = 0;

    if (conn->msg == NULL) {
        part = take_bytes(conn->header, &conn->have, HEADER_LEN, *bytes, *len);
        *bytes += part;
        *len -= part;
        if (conn->have < HEADER_LEN) {
            return false;
        }
        if (!begin_message(conn)) {
            rt__sp_conn_close(conn);
            return false;
        }
    }
    part = take_bytes(conn->msg->bytes, &conn->have, conn->msg->len, *bytes, *len);
    *bytes += part;
    *len -= part;
    if (conn->have < conn->msg->len) {
        return false;
    }
    *ret_msg = conn->msg;
    (*ret_msg)->pipe = conn->id;
    conn->msg = NULL;
    conn->have = 0;
    return true;
}

// cut hands out the messages in some bytes, until one is refused.
static void
cut(rt__sp_conn *conn, const uint8_t *bytes, size_t len)
{
    rt__msg *msg = NULL;

    while (conn->state == OPEN && len > 0 && next_message(conn, &bytes, &len, &msg)) {
        if (!conn->sp->ops->on_message(conn->sp->user, conn, msg)) {
            park(conn, msg);
            keep_rest(conn, bytes, len);
            return;
        }
    }
}

void
rt__sp_resume(rt__sp *sp)
{
    while (sp->parked_first != NULL) {
        rt__sp_conn *conn = sp->parked_first;
        rt__msg *msg = conn->refused;
        const uint8_t *bytes = conn->stash != NULL ? conn->stash + conn->stash_at : NULL;
        size_t len = conn->stash_len - conn->stash_at;

        if (!sp->ops->on_message(sp->user, conn, msg)) {
            return;
        }
        if (conn->state != OPEN) {
            conn->refused = NULL; // taken, and broke the rules
            continue;
        }
        unpark(sp, conn);
        conn->refused = NULL;
        if (len > 0 && next_message(conn, &bytes, &len, &msg)) {
            park(conn, msg); // its next one, behind those of the others
        }
        if (conn->state == OPEN) {
            keep_last(conn, len);
            read_if_wanted(conn);
        }
    }
}

static void
on_greeting(rt__sp_conn *conn)
{
    rt__sp *sp = conn->sp;
    const uint8_t *h = conn->header;
    bool good = h[0] == 0 && h[1] == 'S' && h[2] == 'P' && h[3] == 0 && h[6] == 0 && h[7] == 0 &&
                (h[4] << 8 | h[5]) == sp->ops->peer;

    conn->have = 0;
    if (!good) {
        count(&sp->stats.handshakes_failed);
        rt__sp_conn_close(conn);
        return;
    }
    if (sp->open_count >= sp->limits.connections_max || !sp->ops->on_open(sp->user, conn)) {
        count(&sp->stats.connections_refused);
        rt__sp_conn_close(conn);
        return;
    }
    list_remove(&sp->shaking, conn);
    sp->shaking_count--;
    list_add(&sp->open, conn);
    sp->open_count++;
    conn->state = OPEN;
    count(&sp->stats.connections);
    conn->since_us = rt_clock_mono_us();
    sp->redial_ms = RT__NET_RECONNECT_MIN_MS;
}

static void
take(rt__sp_conn *conn, const uint8_t *bytes, size_t len)
{
    if (conn->state == SHAKING) {
        size_t part = take_bytes(conn->header, &conn->have, HEADER_LEN, bytes, len);

        bytes += part;
        len -= part;
        if (conn->have == HEADER_LEN) {
            on_greeting(conn);
        }
    }
    if (conn->state == OPEN) {
        cut(conn, bytes, len);
    }
}

// What is missing of a large message is read into its place.
static bool
reads_straight(const rt__sp_conn *conn)
{
    return conn->state == OPEN && conn->msg != NULL &&
           conn->msg->len - conn->have >= STRAIGHT_BYTES;
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    rt__sp_conn *conn = handle->data;

    (void)suggested; // a guess of libuv's
    if (reads_straight(conn)) {
        *buf = uv_buf_init((char *)conn->msg->bytes + conn->have,
                           (unsigned)(conn->msg->len - conn->have));
    } else {
        *buf = uv_buf_init((char *)rt__sp_scratch(), RT__SP_SCRATCH);
    }
}

static void
on_straight(rt__sp_conn *conn, size_t got)
{
    rt__msg *msg = conn->msg;

    conn->have += got;
    if (conn->have < msg->len) {
        return;
    }
    msg->pipe = conn->id;
    conn->msg = NULL;
    conn->have = 0;
    if (!conn->sp->ops->on_message(conn->sp->user, conn, msg)) {
        park(conn, msg);
    }
}

static void
on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    rt__sp_conn *conn = stream->data;

    if (conn->state == CLOSING || got == 0) {
        return;
    }
    if (got < 0) {
        if (conn->state == SHAKING) {
            count(&conn->sp->stats.handshakes_failed);
        }
        rt__sp_conn_close(conn); // it hung up
        return;
    }
    if ((uint8_t *)buf->base != rt__sp_scratch()) {
        on_straight(conn, (size_t)got);
    } else {
        take(conn, rt__sp_scratch(), (size_t)got);
    }
    read_if_wanted(conn);
}

// Whether anything is to be read now: not while a message waits, not from a peer that does not
// read.
static bool
wants(const rt__sp_conn *conn)
{
    size_t choke = conn->sp->ops->choke_bytes;

    return conn->refused == NULL && (choke == 0 || conn->queued_bytes <= choke);
}

static void
read_if_wanted(rt__sp_conn *conn)
{
    if (conn->state == CLOSING || wants(conn) == conn->reading) {
        return;
    }
    conn->reading = !conn->reading;
    if (!conn->reading) {
        (void)uv_read_stop((uv_stream_t *)&conn->tcp); // always 0
    } else if (uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read) != 0) {
        rt__sp_conn_close(conn);
    }
}

void
rt__sp_conn_begin(rt__sp_conn *conn)
{
    uint16_t self = conn->sp->ops->self;
    char greeting[HEADER_LEN] = {0, 'S', 'P', 0, (char)(self >> 8), (char)self, 0, 0};
    uv_buf_t buf = uv_buf_init(greeting, sizeof(greeting));

    if (conn->state == CLOSING) {
        return;
    }
    (void)uv_tcp_nodelay(&conn->tcp, 1); // only slower without
    if (uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1) != (int)sizeof(greeting)) {
        rt__sp_conn_close(conn); // a new connection takes eight bytes, or is gone already
        return;
    }
    read_if_wanted(conn);
}

// One write may take long, and all the while be read by a peer that is only slow.
static void
note_progress(rt__sp_conn *conn, int64_t now_us)
{
    size_t left = uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp);

    if (left != conn->write_left) {
        conn->write_left = left;
        conn->since_us = now_us;
    }
}

bool
rt__sp_look(rt__sp *sp, int64_t now_us)
{
    int64_t patience_us = sp->ops->patience_ms * 1000;
    bool more = false;
    rt__sp_conn *next = NULL;

    for (rt__sp_conn *conn = sp->shaking.first; conn != NULL; conn = next) {
        next = conn->next;
        if (now_us - conn->since_us >= SHAKE_US) {
            count(&sp->stats.handshakes_failed);
            rt__sp_conn_close(conn);
        } else {
            more = true;
        }
    }
    for (rt__sp_conn *conn = sp->open.first; conn != NULL && patience_us > 0; conn = next) {
        next = conn->next;
        if (conn->ring_count == 0) {
            continue;
        }
        note_progress(conn, now_us);
        if (now_us - conn->since_us >= patience_us) {
            count(&sp->stats.peers_slow);
            rt__sp_conn_close(conn);
        } else {
            more = true;
        }
    }
    return more;
}
