#include "brain/agent/letters.h"

#include <stdlib.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/store/key.h"

// Design notes.
// Failures are rare, so each has its row at once and the list is a plain array, oldest first. A row
// is the encoded failure under its number.

#define LETTERS_MAGIC 0x1e77e251u
#define FAILURE_BYTES_MAX 8192
#define CAUSE_MAX 512

typedef struct letter {
    msg_failure failure; // its texts in `texts`
    bool is_sent;
    char *texts;
} letter;

struct br_letters {
    uint32_t magic;
    rt_table *table;
    letter *list;
    size_t count;
    size_t cap;
    uint64_t next_number;
    uint64_t lost;
};

static rt_key
key_of(uint64_t number)
{
    return rt_key_number(RT_TENANT_SYSTEM, number);
}

static void
append(br_letters *letters, const msg_failure *failure)
{
    rt_str cause = {failure->cause.ptr, RT_MIN(failure->cause.len, (size_t)CAUSE_MAX)};
    letter *l = NULL;

    if (letters->count == letters->cap) {
        letters->cap = RT_MAX(letters->cap * 2, (size_t)16);
        letters->list = rt_realloc(letters->list, letters->cap * sizeof(letter));
    }
    l = &letters->list[letters->count++];
    cause = rt_utf8_whole(cause);
    *l = (letter){.failure = *failure, .texts = rt_alloc(failure->agent.len + cause.len)};
    memcpy(l->texts, failure->agent.ptr, failure->agent.len);
    memcpy(l->texts + failure->agent.len, cause.ptr, cause.len);
    l->failure.agent = (rt_str){l->texts, failure->agent.len};
    l->failure.cause = (rt_str){l->texts + failure->agent.len, cause.len};
}

static void
drop(br_letters *letters, size_t index)
{
    rt_key key = key_of(letters->list[index].failure.number);

    (void)rt_table_del(letters->table, rt_key_bytes(&key)); // it has one
    rt_free(letters->list[index].texts);
    letters->count--;
    memmove(letters->list + index, letters->list + index + 1,
            (letters->count - index) * sizeof(letter));
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = ((const letter *)a)->failure.number;
    uint64_t y = ((const letter *)b)->failure.number;

    return (x > y) - (x < y);
}

static rt_err
load(br_letters *letters)
{
    rt_arena *arena = rt_arena_new(4 * FAILURE_BYTES_MAX);
    rt_bytes key;
    rt_bytes value;
    rt_err err = RT_OK;

    for (size_t cursor = 0;
         err == RT_OK && rt_table_next(letters->table, &cursor, &key, &value);) {
        msg_failure failure;
        rt_mp mp = rt_mp_init(value);

        rt_arena_reset(arena);
        if (rt_msg_decode(&msg_failure_def, &mp, arena, &failure) != RT_OK || !rt_mp_done(&mp)) {
            err = rt_fail(RT_ECORRUPT, "a saved failure is damaged");
        } else {
            append(letters, &failure);
            letters->next_number = RT_MAX(letters->next_number, failure.number + 1);
        }
    }
    rt_arena_free(arena);
    if (letters->count > 0) {
        qsort(letters->list, letters->count, sizeof(letter), compare);
    }
    return err;
}

rt_err
br_letters_open(rt_table *table, br_letters **ret_letters)
{
    br_letters *letters = rt_new(br_letters);
    rt_err err = RT_OK;

    letters->magic = LETTERS_MAGIC;
    letters->table = table;
    letters->next_number = 1;
    err = load(letters);
    if (err != RT_OK) {
        br_letters_free(letters);
        return err;
    }
    *ret_letters = letters;
    return RT_OK;
}

void
br_letters_free(br_letters *letters)
{
    if (letters == NULL) {
        return;
    }
    RT_CHECK(letters, LETTERS_MAGIC);
    for (size_t i = 0; i < letters->count; i++) {
        rt_free(letters->list[i].texts);
    }
    rt_free(letters->list);
    letters->magic = 0;
    rt_free(letters);
}

void
br_letters_add(br_letters *letters, const msg_failure *failure)
{
    rt_mpw w;
    letter *l = NULL;
    rt_key key;

    RT_CHECK(letters, LETTERS_MAGIC);
    if (letters->count == BR_LETTERS_MAX) {
        if (letters->lost++ == 0) {
            rt_log_error("dead-letter-not-kept", "agent=%.*s seq=%llu: the brain settles none",
                         RT_STR_ARG(letters->list[0].failure.agent),
                         (unsigned long long)letters->list[0].failure.seq);
        }
        drop(letters, 0);
    }
    append(letters, failure);
    l = &letters->list[letters->count - 1];
    l->failure.number = letters->next_number++;
    key = key_of(l->failure.number);
    rt_mpw_init(&w, FAILURE_BYTES_MAX);
    rt_msg_encode(&msg_failure_def, &l->failure, &w);
    rt_table_put(letters->table, rt_key_bytes(&key), rt_mpw_view(&w));
    rt_mpw_fini(&w);
}

rt_msg_list
br_letters_take(br_letters *letters, rt_arena *arena)
{
    msg_failure *failures = NULL;
    uint32_t count = 0;

    RT_CHECK(letters, LETTERS_MAGIC);
    if (br_letters_waiting(letters) == 0) {
        return (rt_msg_list){NULL, 0};
    }
    failures = rt_arena_array(arena, msg_failure, letters->count);
    for (size_t i = 0; failures != NULL && i < letters->count; i++) {
        if (!letters->list[i].is_sent) {
            letters->list[i].is_sent = true;
            failures[count++] = letters->list[i].failure;
        }
    }
    return (rt_msg_list){failures, count};
}

void
br_letters_again(br_letters *letters)
{
    RT_CHECK(letters, LETTERS_MAGIC);
    for (size_t i = 0; i < letters->count; i++) {
        letters->list[i].is_sent = false;
    }
}

void
br_letters_settle(br_letters *letters, uint64_t number)
{
    RT_CHECK(letters, LETTERS_MAGIC);
    for (size_t i = 0; i < letters->count; i++) {
        if (letters->list[i].failure.number == number) {
            drop(letters, i);
            return;
        }
    }
}

size_t
br_letters_count(const br_letters *letters)
{
    RT_CHECK(letters, LETTERS_MAGIC);
    return letters->count;
}

size_t
br_letters_waiting(const br_letters *letters)
{
    size_t count = 0;

    RT_CHECK(letters, LETTERS_MAGIC);
    for (size_t i = 0; i < letters->count; i++) {
        count += !letters->list[i].is_sent;
    }
    return count;
}
