#include "brain/agent/unconfirmed.h"

#include <stdlib.h>

#include "brain/agent/blob.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"

// Design notes.
// A ring of encoded answers in the order they were given. Most live for less than a millisecond, so
// they touch the table only when a cut finds them still here: an answer gets its row then, and
// loses it when it is confirmed. The order of the ring is not quite that of the records: an agent
// that was behind answers an older record late. Such an answer may keep its place until those
// before it are confirmed, which only means that hello repeats it needlessly.

#define UNCONFIRMED_MAGIC 0x9e4d1001u
#define ANSWER_BYTES_MAX (8u * 1024 * 1024)
#define RING_FIRST 64u

typedef struct item {
    uint64_t seq;
    uint64_t number; // of its blob in the table
    bool is_saved;
    uint32_t len;
    uint8_t *bytes;
} item;

struct br_unconfirmed {
    uint32_t magic;
    rt_table *table;
    item *ring;
    uint32_t cap; // power of two or 0
    uint32_t head;
    uint32_t count;
    size_t bytes;
    uint64_t next_number;
    uint64_t lost;
    rt_mpw w;
};

static item *
item_at(const br_unconfirmed *unconfirmed, uint32_t index)
{
    RT_ASSERT(index < unconfirmed->count);
    return &unconfirmed->ring[(unconfirmed->head + index) & (unconfirmed->cap - 1)];
}

static void
push(br_unconfirmed *unconfirmed, item it)
{
    if (unconfirmed->count == unconfirmed->cap) {
        uint32_t cap = unconfirmed->cap == 0 ? RING_FIRST : unconfirmed->cap * 2;
        item *ring = rt_new_array(item, cap);

        for (uint32_t i = 0; i < unconfirmed->count; i++) {
            ring[i] = *item_at(unconfirmed, i);
        }
        rt_free(unconfirmed->ring);
        unconfirmed->ring = ring;
        unconfirmed->cap = cap;
        unconfirmed->head = 0;
    }
    unconfirmed->count++;
    unconfirmed->bytes += it.len;
    *item_at(unconfirmed, unconfirmed->count - 1) = it;
}

static void
pop(br_unconfirmed *unconfirmed)
{
    item *it = item_at(unconfirmed, 0);

    if (it->is_saved) {
        (void)br_blob_del(unconfirmed->table, it->number);
    }
    unconfirmed->bytes -= it->len;
    rt_free(it->bytes);
    unconfirmed->head = (unconfirmed->head + 1) & (unconfirmed->cap - 1);
    unconfirmed->count--;
}

static uint8_t *
copy_bytes(rt_bytes bytes)
{
    uint8_t *copy = rt_alloc(bytes.len);

    if (bytes.len > 0) {
        memcpy(copy, bytes.ptr, bytes.len);
    }
    return copy;
}

static int
compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

// By record, then as they were given.
static int
compare_items(const void *a, const void *b)
{
    const item *x = *(const item *const *)a;
    const item *y = *(const item *const *)b;

    return x->seq != y->seq ? (x->seq > y->seq) - (x->seq < y->seq)
                            : (x->number > y->number) - (x->number < y->number);
}

// The numbers of all saved answers in the order they were given.
static uint64_t *
saved_numbers(const rt_table *table, size_t *ret_count)
{
    uint64_t *numbers = rt_new_array(uint64_t, rt_table_count(table) + 1);
    size_t cursor = 0;
    size_t count = 0;

    while (br_blob_next(table, &cursor, &numbers[count])) {
        count++;
    }
    qsort(numbers, count, sizeof(*numbers), compare_numbers);
    *ret_count = count;
    return numbers;
}

static rt_err
load_one(br_unconfirmed *unconfirmed, uint64_t number, rt_arena *arena)
{
    rt_bytes bytes = {NULL, 0};
    msg_answer answer;
    rt_mp mp;
    rt_err err = RT_OK;

    rt_arena_reset(arena);
    err = br_blob_get(unconfirmed->table, number, arena, &bytes);
    if (err != RT_OK) {
        return err;
    }
    mp = rt_mp_init(bytes);
    if (rt_msg_decode(&msg_answer_def, &mp, arena, &answer) != RT_OK || !rt_mp_done(&mp)) {
        return rt_fail(RT_ECORRUPT, "saved answer %llu is damaged", (unsigned long long)number);
    }
    push(unconfirmed, (item){
                      .seq = answer.seq,
                      .number = number,
                      .is_saved = true,
                      .len = (uint32_t)bytes.len,
                      .bytes = copy_bytes(bytes),
                  });
    unconfirmed->next_number = number + 1;
    return RT_OK;
}

rt_err
br_unconfirmed_open(rt_table *table, br_unconfirmed **ret_unconfirmed)
{
    br_unconfirmed *unconfirmed = rt_new(br_unconfirmed);
    rt_arena *arena = rt_arena_new(4 * ANSWER_BYTES_MAX);
    size_t count = 0;
    uint64_t *numbers = saved_numbers(table, &count);
    rt_err err = RT_OK;

    unconfirmed->magic = UNCONFIRMED_MAGIC;
    unconfirmed->table = table;
    unconfirmed->next_number = 1;
    rt_mpw_init(&unconfirmed->w, ANSWER_BYTES_MAX);
    for (size_t i = 0; err == RT_OK && i < count; i++) {
        err = load_one(unconfirmed, numbers[i], arena);
    }
    rt_free(numbers);
    rt_arena_free(arena);
    if (err != RT_OK) {
        br_unconfirmed_free(unconfirmed);
        return err == RT_ENOMEM ? RT_ECORRUPT : err;
    }
    *ret_unconfirmed = unconfirmed;
    return RT_OK;
}

void
br_unconfirmed_free(br_unconfirmed *unconfirmed)
{
    if (unconfirmed == NULL) {
        return;
    }
    RT_CHECK(unconfirmed, UNCONFIRMED_MAGIC);
    for (uint32_t i = 0; i < unconfirmed->count; i++) {
        rt_free(item_at(unconfirmed, i)->bytes);
    }
    rt_free(unconfirmed->ring);
    rt_mpw_fini(&unconfirmed->w);
    unconfirmed->magic = 0;
    rt_free(unconfirmed);
}

static void
lose(br_unconfirmed *unconfirmed, uint64_t seq, const char *why)
{
    if (unconfirmed->lost++ == 0) {
        rt_log_warn("answer-not-kept", "seq=%llu: %s; it is lost if the brain has lost it",
                    (unsigned long long)seq, why);
    }
}

void
br_unconfirmed_add(br_unconfirmed *unconfirmed, const msg_answer *answer)
{
    rt_bytes bytes = {NULL, 0};

    RT_CHECK(unconfirmed, UNCONFIRMED_MAGIC);
    rt_mpw_clear(&unconfirmed->w);
    rt_msg_encode(&msg_answer_def, answer, &unconfirmed->w);
    if (unconfirmed->w.failed) {
        lose(unconfirmed, answer->seq, "too large");
        return;
    }
    bytes = rt_mpw_view(&unconfirmed->w);
    while (unconfirmed->count >= BR_UNCONFIRMED_COUNT_MAX ||
           (unconfirmed->count > 0 && unconfirmed->bytes + bytes.len > BR_UNCONFIRMED_BYTES_MAX)) {
        lose(unconfirmed, item_at(unconfirmed, 0)->seq, "too many are unconfirmed");
        pop(unconfirmed);
    }
    push(unconfirmed, (item){
                      .seq = answer->seq,
                      .number = unconfirmed->next_number++,
                      .len = (uint32_t)bytes.len,
                      .bytes = copy_bytes(bytes),
                  });
}

void
br_unconfirmed_confirm(br_unconfirmed *unconfirmed, uint64_t decided_seq)
{
    RT_CHECK(unconfirmed, UNCONFIRMED_MAGIC);
    while (unconfirmed->count > 0 && item_at(unconfirmed, 0)->seq <= decided_seq) {
        pop(unconfirmed);
    }
}

void
br_unconfirmed_save(br_unconfirmed *unconfirmed)
{
    RT_CHECK(unconfirmed, UNCONFIRMED_MAGIC);
    for (uint32_t i = unconfirmed->count; i > 0; i--) {
        item *it = item_at(unconfirmed, i - 1);

        if (it->is_saved) {
            break; // and so are all before it
        }
        br_blob_put(unconfirmed->table, it->number, (rt_bytes){it->bytes, it->len});
        it->is_saved = true;
    }
}

rt_err
br_unconfirmed_list(const br_unconfirmed *unconfirmed, rt_arena *arena, rt_msg_list *ret_answers)
{
    msg_answer *answers = NULL;
    const item **items = NULL;

    RT_CHECK(unconfirmed, UNCONFIRMED_MAGIC);
    answers = rt_arena_array(arena, msg_answer, unconfirmed->count);
    items = rt_arena_array(arena, const item *, unconfirmed->count);
    if (answers == NULL || items == NULL) {
        return rt_fail(RT_ENOMEM, "no room for %u answers", unconfirmed->count);
    }
    for (uint32_t i = 0; i < unconfirmed->count; i++) {
        items[i] = item_at(unconfirmed, i);
    }
    qsort(items, unconfirmed->count, sizeof(*items), compare_items);
    for (uint32_t i = 0; i < unconfirmed->count; i++) {
        const item *it = items[i];
        rt_mp mp = rt_mp_init((rt_bytes){it->bytes, it->len});
        rt_err err = rt_msg_decode(&msg_answer_def, &mp, arena, &answers[i]);

        if (err != RT_OK) {
            return err;
        }
    }
    *ret_answers = (rt_msg_list){answers, unconfirmed->count};
    return RT_OK;
}

size_t
br_unconfirmed_count(const br_unconfirmed *unconfirmed)
{
    RT_CHECK(unconfirmed, UNCONFIRMED_MAGIC);
    return unconfirmed->count;
}
