#include "tests/audit/internal.h"

#define FIRST_CAP 64
#define KEY_BYTES sizeof(audit__key)

static uint8_t *
slot_at(const audit__table *t, size_t i)
{
    return t->slots + i * (KEY_BYTES + t->value_bytes);
}

static audit__key
key_at(const audit__table *t, size_t i)
{
    audit__key key;

    memcpy(&key, slot_at(t, i), KEY_BYTES);
    return key;
}

static bool
is_empty(audit__key key)
{
    return key.a == 0 && key.b == 0;
}

audit__table
audit__table_of(size_t value_bytes)
{
    return (audit__table){.value_bytes = (value_bytes + 7) & ~(size_t)7};
}

void
audit__table_fini(audit__table *t)
{
    audit__free(t->slots);
    *t = (audit__table){0};
}

// The slot of the key, or the empty one where it would go.
static size_t
find(const audit__table *t, audit__key key)
{
    size_t i = (size_t)key.a & (t->cap - 1);

    for (;; i = (i + 1) & (t->cap - 1)) {
        audit__key at = key_at(t, i);

        if (is_empty(at) || (at.a == key.a && at.b == key.b)) {
            return i;
        }
    }
}

void *
audit__table_get(const audit__table *t, audit__key key)
{
    size_t i = 0;

    if (t->count == 0) {
        return NULL;
    }
    i = find(t, key);
    return is_empty(key_at(t, i)) ? NULL : slot_at(t, i) + KEY_BYTES;
}

static void
grow(audit__table *t)
{
    audit__table larger = {.value_bytes = t->value_bytes,
                           .cap = t->cap > 0 ? t->cap * 2 : FIRST_CAP};

    larger.slots = audit__alloc(larger.cap * (KEY_BYTES + t->value_bytes));
    for (size_t i = 0; i < t->cap; i++) {
        audit__key key = key_at(t, i);

        if (!is_empty(key)) {
            memcpy(slot_at(&larger, find(&larger, key)), slot_at(t, i), KEY_BYTES + t->value_bytes);
        }
    }
    larger.count = t->count;
    audit__free(t->slots);
    *t = larger;
}

void *
audit__table_put(audit__table *t, audit__key key, bool *ret_created)
{
    size_t i = 0;
    bool created = false;

    if (t->count * 4 >= t->cap * 3) {
        grow(t);
    }
    i = find(t, key);
    created = is_empty(key_at(t, i));
    if (created) {
        memcpy(slot_at(t, i), &key, KEY_BYTES);
        memset(slot_at(t, i) + KEY_BYTES, 0, t->value_bytes);
        t->count++;
    }
    if (ret_created != NULL) {
        *ret_created = created;
    }
    return slot_at(t, i) + KEY_BYTES;
}

bool
audit__table_del(audit__table *t, audit__key key)
{
    size_t mask = t->cap - 1;
    size_t hole = 0;

    if (t->count == 0) {
        return false;
    }
    hole = find(t, key);
    if (is_empty(key_at(t, hole))) {
        return false;
    }
    // what probed past the hole moves into it, so that no walk ends too early
    for (size_t i = (hole + 1) & mask; !is_empty(key_at(t, i)); i = (i + 1) & mask) {
        size_t home = (size_t)key_at(t, i).a & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            memcpy(slot_at(t, hole), slot_at(t, i), KEY_BYTES + t->value_bytes);
            hole = i;
        }
    }
    memset(slot_at(t, hole), 0, KEY_BYTES);
    t->count--;
    return true;
}

void *
audit__table_next(const audit__table *t, size_t *cursor, audit__key *ret_key)
{
    while (*cursor < t->cap) {
        size_t i = (*cursor)++;

        if (!is_empty(key_at(t, i))) {
            *ret_key = key_at(t, i);
            return slot_at(t, i) + KEY_BYTES;
        }
    }
    return NULL;
}
