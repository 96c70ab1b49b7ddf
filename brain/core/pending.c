#include "brain/core/pending.h"

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

#define EARLY_BYTES (8u * 1024 * 1024)
#define ITEM_BYTES_MAX (1024u * 1024) // texts and a consultation are bounded well below

struct br_pending {
    br_undecided *items; // ring of BR_PENDING_MAX
    size_t first;
    size_t count;
    uint8_t *bytes;
    size_t head; // first used byte
    size_t tail; // next free byte
    size_t answered[64]; // per host: items counted from `first` that were looked at already
    unsigned hosts;      // one more than the highest host that ever answered
};

br_pending *
br_pending_new(void)
{
    br_pending *pending = rt_new(br_pending);
    pending->items = rt_new_array(br_undecided, BR_PENDING_MAX);
    pending->bytes = rt_alloc(BR_PENDING_BYTES);
    return pending;
}

void
br_pending_free(br_pending *pending)
{
    if (pending != NULL) {
        rt_free(pending->bytes);
        rt_free(pending->items);
        rt_free(pending);
    }
}

// Bytes of one item are contiguous: when they do not fit before the end they start over at 0, and
// also as soon as there is much room, because memory that was used lately is in the cache.
static bool
find_room(const br_pending *pending, size_t len, size_t *ret_at)
{
    if (pending->count == 0) {
        *ret_at = 0;
        return len <= BR_PENDING_BYTES;
    }
    if (pending->tail >= pending->head) {
        bool roomy = pending->head >= EARLY_BYTES &&
                     pending->tail - pending->head <= EARLY_BYTES / 2 && len < EARLY_BYTES / 2;
        if (!roomy && BR_PENDING_BYTES - pending->tail >= len) {
            *ret_at = pending->tail;
            return true;
        }
        *ret_at = 0;
        return pending->head > len;
    }
    *ret_at = pending->tail;
    return pending->head - pending->tail > len;
}

bool
br_pending_room(const br_pending *pending, size_t reserve)
{
    size_t at;
    return pending->count + reserve < BR_PENDING_MAX && find_room(pending, ITEM_BYTES_MAX, &at);
}

static rt_bytes
keep(br_pending *pending, rt_bytes bytes)
{
    uint8_t *at = pending->bytes + pending->tail;
    if (bytes.len > 0) {
        memcpy(at, bytes.ptr, bytes.len);
    }
    pending->tail += bytes.len;
    return (rt_bytes){at, bytes.len};
}

br_undecided *
br_pending_push(br_pending *pending, const rt_event *event, rt_bytes consultation,
                rt_bytes payload)
{
    size_t len = event->id.len + event->subject.len + event->correlation.len +
                 consultation.len + payload.len;
    size_t at;
    bool fits = find_room(pending, len, &at);
    RT_ASSERT(pending->count < BR_PENDING_MAX && fits && len <= ITEM_BYTES_MAX);
    if (pending->count == 0) {
        pending->head = 0;
    }
    pending->tail = at;
    size_t place = (pending->first + pending->count++) % BR_PENDING_MAX;
    br_undecided *item = &pending->items[place];
    *item = (br_undecided){.seq = event->seq,
                           .type = event->type,
                           .tenant = event->tenant,
                           .at_ms = event->at_ms,
                           .depth = event->depth};
    item->id = rt_str_of_bytes(keep(pending, rt_bytes_of_str(event->id)));
    item->subject = rt_str_of_bytes(keep(pending, rt_bytes_of_str(event->subject)));
    item->correlation = rt_str_of_bytes(keep(pending, rt_bytes_of_str(event->correlation)));
    item->consultation = keep(pending, consultation);
    item->payload = keep(pending, payload);
    item->ring_end = pending->tail;
    return item;
}

br_undecided *
br_pending_head(br_pending *pending)
{
    return pending->count > 0 ? &pending->items[pending->first] : NULL;
}

void
br_pending_pop(br_pending *pending)
{
    RT_ASSERT(pending->count > 0);
    pending->head = pending->items[pending->first].ring_end;
    pending->first = (pending->first + 1) % BR_PENDING_MAX;
    pending->count--;
    for (unsigned h = 0; h < pending->hosts; h++) {
        pending->answered[h] -= pending->answered[h] > 0;
    }
}

size_t
br_pending_count(const br_pending *pending)
{
    return pending->count;
}

void
br_pending_expect(br_pending *pending, unsigned host)
{
    RT_ASSERT(host < RT_COUNT(pending->answered));
    for (size_t i = 0; i < pending->count; i++) {
        pending->items[(pending->first + i) % BR_PENDING_MAX].waiting |= 1ull << host;
    }
    pending->answered[host] = 0;
}

void
br_pending_answered(br_pending *pending, unsigned host, uint64_t upto_seq)
{
    RT_ASSERT(host < RT_COUNT(pending->answered));
    pending->hosts = RT_MAX(pending->hosts, host + 1);
    size_t i = pending->answered[host];
    for (; i < pending->count; i++) {
        br_undecided *item = &pending->items[(pending->first + i) % BR_PENDING_MAX];
        if (item->seq > upto_seq) {
            break;
        }
        item->waiting &= ~(1ull << host);
    }
    pending->answered[host] = i;
}
