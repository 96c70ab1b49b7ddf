// Design notes.
// The window is a ring of fixed entries stored as pages of PAGE_ENTRIES, so that remembering an
// event dirties one page after the other instead of one random row per event. The index over the
// ring is memory only: open addressing over ring positions, linear probing, deletion by shifting
// back; 32 bits of the hash beside each position spare nearly all looks at other entries. The
// ring's capacity is part of the stored head; when the configuration changes it, the newest entries
// are laid out anew.
#include "brain/decide/dedup.h"

#include "brain/memory/tables.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/planted.h"
#include "runtime/store/key.h"

#define PAGE_ENTRIES 128u

typedef struct entry {
    uint64_t lo; // 128-bit hash of tenant, source and id
    uint64_t hi;
    uint64_t seq; // 0 = unused
    int64_t at_ms;
} entry;

typedef struct head_row {
    uint64_t next; // entries ever written
    uint64_t capacity;
} head_row;

typedef struct producer_row {
    uint64_t last;
} producer_row;

typedef struct index_slot {
    uint32_t ref; // ring position + 1; 0 = empty
    uint32_t tag; // of the hash at that position
} index_slot;

// A row of the window's table that is written again and again.
typedef struct page_place {
    uint64_t number;
    rt_key key; // of that number; empty at first
    rt_place at;
} page_place;

struct br_dedup {
    rt_table *pages;
    rt_table *producers;
    entry *ring; // copy of the pages, for lookups without a table access
    index_slot *index;
    uint32_t capacity;
    uint32_t index_mask;
    uint64_t next;
    int64_t window_ms;
    page_place page; // the one written last
    page_place head;
};

static rt_hash128
event_hash(const rt_event *event)
{
    uint8_t buf[2 + RT_EVENT_SOURCE_MAX + 1 + RT_EVENT_ID_MAX];
    size_t len = 2;
    uint16_t tenant = RT_PLANTED(dedup_by_id_alone) ? 0 : event->tenant.v;
    buf[0] = (uint8_t)(tenant >> 8);
    buf[1] = (uint8_t)tenant;
    RT_ASSERT(event->source.len <= RT_EVENT_SOURCE_MAX && event->id.len <= RT_EVENT_ID_MAX);
    memcpy(buf + len, event->source.ptr, event->source.len);
    len += event->source.len;
    buf[len++] = 0;
    memcpy(buf + len, event->id.ptr, event->id.len);
    return rt_hash128_of((rt_bytes){buf, len + event->id.len}, 0);
}

static uint32_t
tag_of(rt_hash128 hash)
{
    return (uint32_t)(hash.lo >> 32); // the lower half says where the slot is
}

static uint32_t
index_find(const br_dedup *dedup, rt_hash128 hash, uint32_t *ret_place)
{
    uint32_t place = (uint32_t)hash.lo & dedup->index_mask;
    while (dedup->index[place].ref != 0) {
        if (dedup->index[place].tag == tag_of(hash)) {
            const entry *at = &dedup->ring[dedup->index[place].ref - 1];
            if (at->lo == hash.lo && at->hi == hash.hi) {
                break;
            }
        }
        place = (place + 1) & dedup->index_mask;
    }
    *ret_place = place;
    return dedup->index[place].ref;
}

static void
index_remove(br_dedup *dedup, uint32_t position)
{
    const entry *gone = &dedup->ring[position];
    uint32_t hole;
    if (index_find(dedup, (rt_hash128){gone->lo, gone->hi}, &hole) != position + 1) {
        return; // a newer entry with the same id stands in the index
    }
    uint32_t place = hole;
    for (;;) {
        dedup->index[hole].ref = 0;
        for (;;) {
            place = (place + 1) & dedup->index_mask;
            uint32_t ref = dedup->index[place].ref;
            if (ref == 0) {
                return;
            }
            uint32_t home = (uint32_t)dedup->ring[ref - 1].lo & dedup->index_mask;
            if (((place - home) & dedup->index_mask) >= ((place - hole) & dedup->index_mask)) {
                break;
            }
        }
        dedup->index[hole] = dedup->index[place];
        hole = place;
    }
}

// Number of the row that holds a place of the ring.
static uint64_t
page_number(uint64_t position)
{
    return position / PAGE_ENTRIES + 1; // 0 is the head
}

static void *
edit_row(br_dedup *dedup, page_place *place, uint64_t number, size_t size)
{
    bool created;
    if (place->key.len == 0 || place->number != number) {
        place->number = number;
        place->key = rt_key_number(RT_TENANT_SYSTEM, number);
        place->at = rt_table_place(dedup->pages, rt_key_bytes(&place->key));
    }
    return rt_place_edit(dedup->pages, &place->at, size, &created);
}

static void
store_entry(br_dedup *dedup, uint32_t position)
{
    entry *page = edit_row(dedup, &dedup->page, page_number(position),
                           sizeof(entry) * PAGE_ENTRIES);
    page[position % PAGE_ENTRIES] = dedup->ring[position];
    head_row *head = edit_row(dedup, &dedup->head, 0, sizeof(head_row));
    *head = (head_row){dedup->next, dedup->capacity};
}

static void
insert(br_dedup *dedup, entry item)
{
    uint32_t position = (uint32_t)(dedup->next % dedup->capacity);
    uint32_t place;
    if (dedup->ring[position].seq != 0) {
        index_remove(dedup, position);
    }
    (void)index_find(dedup, (rt_hash128){item.lo, item.hi}, &place);
    dedup->ring[position] = item;
    dedup->index[place] = (index_slot){position + 1, tag_of((rt_hash128){item.lo, item.hi})};
    dedup->next++;
}

static rt_err
load_pages(br_dedup *dedup)
{
    rt_key head_key = rt_key_number(RT_TENANT_SYSTEM, 0);
    rt_bytes bytes;
    if (!rt_table_get(dedup->pages, rt_key_bytes(&head_key), &bytes)) {
        return RT_OK;
    }
    const head_row head = *(const head_row *)(const void *)bytes.ptr;
    uint64_t count = RT_MIN(head.next, head.capacity);
    entry *old = rt_new_array(entry, count + 1);
    for (uint64_t i = 0; i < count; i++) { // oldest first
        uint64_t position = (head.next - count + i) % head.capacity;
        rt_key key = rt_key_number(RT_TENANT_SYSTEM, page_number(position));
        if (!rt_table_get(dedup->pages, rt_key_bytes(&key), &bytes)) {
            rt_free(old);
            return rt_fail(RT_ECORRUPT, "page %llu of the deduplication window is missing",
                           (unsigned long long)(position / PAGE_ENTRIES));
        }
        old[i] = ((const entry *)(const void *)bytes.ptr)[position % PAGE_ENTRIES];
    }
    dedup->next = head.capacity == dedup->capacity ? head.next - count : 0;
    uint64_t skip = count > dedup->capacity ? count - dedup->capacity : 0;
    for (uint64_t i = skip; i < count; i++) {
        insert(dedup, old[i]);
        if (head.capacity != dedup->capacity) {
            store_entry(dedup, (uint32_t)((dedup->next - 1) % dedup->capacity));
        }
    }
    rt_free(old);
    return RT_OK;
}

rt_err
br_dedup_new(rt_store *store, uint32_t events_max, int64_t window_ms, br_dedup **ret)
{
    rt_table *pages;
    rt_table *producers;
    rt_err err = rt_store_table(store, BR_TABLE_DEDUP, "dedup", &pages);
    if (err == RT_OK) {
        err = rt_store_table(store, BR_TABLE_SEQUENCE, "sequence", &producers);
    }
    if (err != RT_OK) {
        return err;
    }
    br_dedup *dedup = rt_new(br_dedup);
    dedup->pages = pages;
    dedup->producers = producers;
    dedup->capacity = (events_max + PAGE_ENTRIES - 1) / PAGE_ENTRIES * PAGE_ENTRIES;
    RT_ASSERT(dedup->capacity > 0); // there is no window of 0 events, nor one past 32 bits
    dedup->window_ms = window_ms;
    uint32_t slots = PAGE_ENTRIES;
    while (slots < dedup->capacity * 2) {
        slots *= 2;
    }
    dedup->index_mask = slots - 1;
    dedup->ring = rt_new_array(entry, dedup->capacity);
    dedup->index = rt_new_array(index_slot, slots);
    err = load_pages(dedup);
    if (err != RT_OK) {
        br_dedup_free(dedup);
        return err;
    }
    if (RT_PLANTED(dedup_not_reloaded)) {
        memset(dedup->index, 0, slots * sizeof(*dedup->index));
    }
    *ret = dedup;
    return RT_OK;
}

void
br_dedup_free(br_dedup *dedup)
{
    if (dedup != NULL) {
        rt_free(dedup->ring);
        rt_free(dedup->index);
        rt_free(dedup);
    }
}

bool
br_dedup_seen(const br_dedup *dedup, const rt_event *event, uint64_t *ret_seq)
{
    *ret_seq = 0;
    if (event->has_sequence) {
        rt_key key = rt_key_text(event->tenant, event->source);
        rt_bytes bytes;
        return rt_table_get(dedup->producers, rt_key_bytes(&key), &bytes) &&
               event->sequence <= ((const producer_row *)(const void *)bytes.ptr)->last;
    }
    uint32_t place;
    uint32_t found = index_find(dedup, event_hash(event), &place);
    if (found == 0 || event->time_ms - dedup->ring[found - 1].at_ms > dedup->window_ms) {
        return false;
    }
    *ret_seq = dedup->ring[found - 1].seq;
    return true;
}

void
br_dedup_remember(br_dedup *dedup, const rt_event *event)
{
    if (event->has_sequence) {
        rt_key key = rt_key_text(event->tenant, event->source);
        bool created;
        producer_row *row =
            rt_table_edit(dedup->producers, rt_key_bytes(&key), sizeof(producer_row), &created);
        row->last = event->sequence;
        return;
    }
    rt_hash128 hash = event_hash(event);
    insert(dedup, (entry){hash.lo, hash.hi, event->seq, event->at_ms});
    store_entry(dedup, (uint32_t)((dedup->next - 1) % dedup->capacity));
}
