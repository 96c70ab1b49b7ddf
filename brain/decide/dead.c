#include "brain/decide/dead.h"

#include "brain/memory/tables.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/store/key.h"
#include "runtime/wire/mp.h"

#define LETTER_FIELDS 8
#define LETTER_BYTES_MAX 65536

struct br_dead {
    rt_table *table;
    uint64_t dropped;
    rt_mpw scratch;
};

rt_err
br_dead_new(rt_store *store, br_dead **ret)
{
    rt_table *table;
    rt_err err = rt_store_table(store, BR_TABLE_DEAD, "dead", &table);
    if (err != RT_OK) {
        return err;
    }
    *ret = rt_new(br_dead);
    (*ret)->table = table;
    rt_mpw_init(&(*ret)->scratch, LETTER_BYTES_MAX);
    return RT_OK;
}

void
br_dead_free(br_dead *dead)
{
    if (dead != NULL) {
        rt_mpw_fini(&dead->scratch);
        rt_free(dead);
    }
}

static rt_key
letter_key(rt_str ref)
{
    return rt_key_text(RT_TENANT_SYSTEM, ref);
}

static void
decode(rt_bytes row, br_dead_letter *ret)
{
    rt_mp mp = rt_mp_init(row);
    uint32_t count;
    uint64_t tenant = 0;
    bool ok = rt_mp_array(&mp, &count) == RT_OK && count == LETTER_FIELDS &&
              rt_mp_u64(&mp, &tenant) == RT_OK && rt_mp_u64(&mp, &ret->seq) == RT_OK &&
              rt_mp_i64(&mp, &ret->at_ms) == RT_OK && rt_mp_u64(&mp, &ret->attempts) == RT_OK &&
              rt_mp_str(&mp, &ret->owner) == RT_OK && rt_mp_str(&mp, &ret->ref) == RT_OK &&
              rt_mp_str(&mp, &ret->cause) == RT_OK && rt_mp_bin(&mp, &ret->intent) == RT_OK;
    RT_ASSERT(ok); // rows carry a checksum; only this file writes them
    ret->tenant = (rt_tenant){(uint16_t)tenant};
}

// The oldest by record number: rows are not ordered, but this happens only at the bound.
static void
drop_oldest(br_dead *dead)
{
    br_dead_letter letter;
    br_dead_letter oldest = {.seq = UINT64_MAX};
    for (size_t cursor = 0; br_dead_next(dead, &cursor, &letter);) {
        oldest = letter.seq < oldest.seq ? letter : oldest;
    }
    rt_key key = letter_key(oldest.ref);
    (void)rt_table_del(dead->table, rt_key_bytes(&key));
    dead->dropped++;
}

void
br_dead_add(br_dead *dead, const br_dead_letter *letter)
{
    rt_mpw *w = &dead->scratch;
    rt_mpw_clear(w);
    rt_mpw_array(w, LETTER_FIELDS);
    rt_mpw_u64(w, letter->tenant.v);
    rt_mpw_u64(w, letter->seq);
    rt_mpw_i64(w, letter->at_ms);
    rt_mpw_u64(w, letter->attempts);
    rt_mpw_str(w, letter->owner);
    rt_mpw_str(w, letter->ref);
    rt_mpw_str(w, letter->cause);
    rt_mpw_bin(w, letter->intent);
    // Texts are bounded by the catalogue, intents by the outbox. Without memory the turn comes to
    // nothing.
    RT_ASSERT(!w->failed || rt_alloc_refused() > 0);
    rt_key key = letter_key(letter->ref);
    rt_bytes before;
    bool replaces = rt_table_get(dead->table, rt_key_bytes(&key), &before);
    if (!replaces && rt_table_count(dead->table) >= BR_DEAD_MAX) {
        drop_oldest(dead);
    }
    rt_table_put(dead->table, rt_key_bytes(&key), rt_mpw_view(w));
}

bool
br_dead_get(const br_dead *dead, rt_str ref, br_dead_letter *ret_letter)
{
    rt_key key = letter_key(ref);
    rt_bytes row;
    if (!rt_table_get(dead->table, rt_key_bytes(&key), &row)) {
        return false;
    }
    decode(row, ret_letter);
    return true;
}

bool
br_dead_remove(br_dead *dead, rt_str ref)
{
    rt_key key = letter_key(ref);
    return rt_table_del(dead->table, rt_key_bytes(&key));
}

size_t
br_dead_count(const br_dead *dead)
{
    return rt_table_count(dead->table);
}

uint64_t
br_dead_dropped(const br_dead *dead)
{
    return dead->dropped;
}

bool
br_dead_next(const br_dead *dead, size_t *cursor, br_dead_letter *ret_letter)
{
    rt_bytes key;
    rt_bytes row;
    if (!rt_table_next(dead->table, cursor, &key, &row)) {
        return false;
    }
    decode(row, ret_letter);
    return true;
}
