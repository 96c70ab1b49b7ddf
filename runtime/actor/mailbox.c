#include "runtime/actor/mailbox.h"

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// A ring of pointers to items; each item is one block with the record and its payload behind it.
// A mailbox fills only while its actor is behind, so one allocation a record is no cost that
// counts, and a payload of 4 MiB does not have to fit between two others. The ring itself grows by
// doubling up to count_max and never shrinks.
//
// Invariant: count <= count_max and bytes <= bytes_max.

#define MAILBOX_MAGIC 0x3a11b001u
#define RING_FIRST 16u

typedef struct item {
    rt_record record;
    uint8_t payload[];
} item;

struct rt_mailbox {
    uint32_t magic;
    rt_mailbox_config config;
    item **ring;
    uint32_t cap; // power of two or 0
    uint32_t head;
    uint32_t count;
    size_t bytes;
    uint64_t dropped;
};

rt_mailbox *
rt_mailbox_new(rt_mailbox_config config)
{
    rt_mailbox *mailbox = rt_new(rt_mailbox);

    RT_ASSERT(config.count_max >= 1 && config.count_max <= RT_MAILBOX_COUNT_MAX);
    mailbox->magic = MAILBOX_MAGIC;
    mailbox->config = config;
    return mailbox;
}

void
rt_mailbox_free(rt_mailbox *mailbox)
{
    if (mailbox == NULL) {
        return;
    }
    RT_CHECK(mailbox, MAILBOX_MAGIC);
    while (mailbox->count > 0) {
        rt_mailbox_pop(mailbox);
    }
    rt_free(mailbox->ring);
    mailbox->magic = 0;
    rt_free(mailbox);
}

static item *
copy_record(const rt_record *record)
{
    item *it = rt_try_alloc(sizeof(item) + record->payload.len);

    if (it == NULL) {
        return NULL;
    }
    it->record = *record;
    if (record->payload.len > 0) {
        memcpy(it->payload, record->payload.ptr, record->payload.len);
    }
    it->record.payload.ptr = it->payload;
    return it;
}

static void
grow(rt_mailbox *mailbox)
{
    uint32_t cap = mailbox->cap == 0 ? RING_FIRST : mailbox->cap * 2;
    item **ring = rt_new_array(item *, cap);

    for (uint32_t i = 0; i < mailbox->count; i++) {
        ring[i] = mailbox->ring[(mailbox->head + i) & (mailbox->cap - 1)];
    }
    rt_free(mailbox->ring);
    mailbox->ring = ring;
    mailbox->cap = cap;
    mailbox->head = 0;
}

static bool
is_room_for(const rt_mailbox *mailbox, size_t len)
{
    return mailbox->count < mailbox->config.count_max
        && len <= mailbox->config.bytes_max - mailbox->bytes;
}

static void
drop_oldest(rt_mailbox *mailbox)
{
    mailbox->dropped++;
    if (mailbox->config.on_drop != NULL) {
        mailbox->config.on_drop(mailbox->config.user, rt_mailbox_peek(mailbox));
    }
    rt_mailbox_pop(mailbox);
}

rt_err
rt_mailbox_push(rt_mailbox *mailbox, const rt_record *record)
{
    item *it = NULL;
    size_t len = record->payload.len;

    RT_CHECK(mailbox, MAILBOX_MAGIC);
    if (len > mailbox->config.bytes_max) {
        return rt_fail(RT_ELIMIT, "record of %zu bytes, mailbox of %zu", len,
                       mailbox->config.bytes_max);
    }
    if (!is_room_for(mailbox, len) && mailbox->config.overflow == RT_OVERFLOW_REFUSE) {
        return rt_fail(RT_EFULL, "%u records of %zu bytes are waiting", mailbox->count,
                       mailbox->bytes);
    }
    it = copy_record(record);
    if (it == NULL) {
        return rt_fail(RT_ENOMEM, "no memory for a record of %zu bytes", len);
    }
    while (!is_room_for(mailbox, len)) {
        drop_oldest(mailbox);
    }
    if (mailbox->count == mailbox->cap) {
        grow(mailbox);
    }
    mailbox->ring[(mailbox->head + mailbox->count) & (mailbox->cap - 1)] = it;
    mailbox->count++;
    mailbox->bytes += len;
    RT_ASSERT(mailbox->bytes <= mailbox->config.bytes_max);
    return RT_OK;
}

const rt_record *
rt_mailbox_peek(const rt_mailbox *mailbox)
{
    RT_CHECK(mailbox, MAILBOX_MAGIC);
    return mailbox->count > 0 ? &mailbox->ring[mailbox->head]->record : NULL;
}

void
rt_mailbox_pop(rt_mailbox *mailbox)
{
    item *it = NULL;

    RT_CHECK(mailbox, MAILBOX_MAGIC);
    RT_ASSERT(mailbox->count > 0);
    it = mailbox->ring[mailbox->head];
    mailbox->head = (mailbox->head + 1) & (mailbox->cap - 1);
    mailbox->count--;
    mailbox->bytes -= it->record.payload.len;
    rt_free(it);
}

size_t
rt_mailbox_count(const rt_mailbox *mailbox)
{
    RT_CHECK(mailbox, MAILBOX_MAGIC);
    return mailbox->count;
}

size_t
rt_mailbox_bytes(const rt_mailbox *mailbox)
{
    RT_CHECK(mailbox, MAILBOX_MAGIC);
    return mailbox->bytes;
}

uint64_t
rt_mailbox_dropped(const rt_mailbox *mailbox)
{
    RT_CHECK(mailbox, MAILBOX_MAGIC);
    return mailbox->dropped;
}
