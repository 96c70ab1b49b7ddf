#include "runtime/wire/msg.h"

#include "runtime/base/check.h"
#include "runtime/wire/msg_codec.h"

// Design notes.
// Messages have generated codecs (msg_codec.h); the walkers here serve every message by its table:
// they read or write struct members at their offsets. They are what the generated codecs fall back
// to, and what their test compares them with. A record in a record, or in a list, is again
// [version, fields...], so nested messages evolve as outer ones do.
//
// The walkers call themselves for nested records. The depth is that of the compiled definitions
// (tools/msggen lets a message contain only messages declared before it), never that of the input:
// there is no input that makes them go deeper.
//
// The version changes only when fields were removed, reordered or retyped, which a reader cannot
// survive by position; so another version is refused instead of misread. Appending needs no new
// version.

_Static_assert(sizeof(bool) == 1, "RT_MSG_BOOL fields are one byte");

// Bytes of one list element.
static size_t
element_size(const rt_msg_field *field)
{
    switch (field->element) {
    case RT_MSG_BOOL:
        return sizeof(bool);
    case RT_MSG_U64:
    case RT_MSG_I64:
        return sizeof(uint64_t);
    case RT_MSG_F64:
        return sizeof(double);
    case RT_MSG_STR:
        return sizeof(rt_str);
    case RT_MSG_BIN:
    case RT_MSG_ANY:
        return sizeof(rt_bytes);
    case RT_MSG_RECORD:
        return field->record->size;
    case RT_MSG_LIST:
        break;
    }
    RT_UNREACHABLE("msggen emits no list of lists");
}

typedef void (*write_record)(const rt_msg_def *def, const void *msg, rt_mpw *w);

// Writes one value at `at`; nested records through `record`, so that both wire forms share this.
static void
write_value(rt_msg_type type, const rt_msg_field *field, const void *at, rt_mpw *w,
            write_record record)
{
    const rt_bytes *raw = at;

    switch (type) {
    case RT_MSG_BOOL:
        rt_mpw_bool(w, *(const bool *)at);
        break;
    case RT_MSG_U64:
        rt_mpw_u64(w, *(const uint64_t *)at);
        break;
    case RT_MSG_I64:
        rt_mpw_i64(w, *(const int64_t *)at);
        break;
    case RT_MSG_F64:
        rt_mpw_f64(w, *(const double *)at);
        break;
    case RT_MSG_STR:
        rt_mpw_str(w, *(const rt_str *)at);
        break;
    case RT_MSG_BIN:
        rt_mpw_bin(w, *raw);
        break;
    case RT_MSG_ANY:
        if (raw->len == 0) {
            rt_mpw_nil(w);
        } else {
            rt_mpw_raw(w, *raw);
        }
        break;
    case RT_MSG_RECORD:
        record(field->record, at, w);
        break;
    case RT_MSG_LIST:
        RT_UNREACHABLE("lists are written by write_field");
    }
}

// Writes a field, of a list every element.
static void
write_field(const rt_msg_field *field, const void *msg, rt_mpw *w, write_record record)
{
    const uint8_t *at = (const uint8_t *)msg + field->offset;
    const rt_msg_list *list = (const void *)at;
    size_t size = 0;

    if (field->type != RT_MSG_LIST) {
        write_value(field->type, field, at, w, record);
        return;
    }
    RT_ASSERT(list->count <= RT_MSG_LIST_MAX);
    RT_ASSERT(list->count == 0 || list->items != NULL);
    size = element_size(field);
    rt_mpw_array(w, list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        write_value(field->element, field, (const uint8_t *)list->items + i * size, w, record);
    }
}

void
rt__msg_write_fields(const rt_msg_def *def, uint32_t from, uint32_t to, const void *msg, rt_mpw *w)
{
    RT_ASSERT(to <= def->field_count);
    for (uint32_t i = from; i < to; i++) {
        write_field(&def->fields[i], msg, w, rt__msg_encode_table);
    }
}

void
rt__msg_encode_table(const rt_msg_def *def, const void *msg, rt_mpw *w)
{
    RT_ASSERT(def != NULL && msg != NULL);
    rt_mpw_array(w, def->field_count + 1);
    rt_mpw_u64(w, def->version);
    rt__msg_write_fields(def, 0, def->field_count, msg, w);
}

void
rt_msg_encode(const rt_msg_def *def, const void *msg, rt_mpw *w)
{
    RT_ASSERT(def != NULL && msg != NULL);
    if (def->encode != NULL) {
        def->encode(msg, w);
    } else {
        rt__msg_encode_table(def, msg, w);
    }
}

void
rt_msg_to_map(const rt_msg_def *def, const void *msg, rt_mpw *w)
{
    RT_ASSERT(def != NULL && msg != NULL);
    rt_mpw_map(w, def->field_count);
    for (uint32_t i = 0; i < def->field_count; i++) {
        rt_mpw_cstr(w, def->fields[i].name);
        write_field(&def->fields[i], msg, w, rt_msg_to_map);
    }
}

static rt_err decode_record(const rt_msg_def *def, rt_mp *mp, rt_arena *arena, void *ret_msg);

static rt_err
decode_str(rt_mp *mp, rt_str *ret_str)
{
    rt_str str = {NULL, 0};

    if (!rt__mp_key(mp, &str)) {
        rt_err err = rt_mp_str(mp, &str);

        if (err != RT_OK) {
            return err;
        }
    }
    if (!rt__utf8(str)) {
        return rt_fail(RT_EUTF8, "a string is not UTF-8");
    }
    *ret_str = str;
    return RT_OK;
}

rt_err
rt__msg_any(rt_mp *mp, rt_bytes *ret_raw)
{
    rt_bytes raw = {NULL, 0};
    rt_err err = rt_mp_raw(mp, &raw);

    if (err != RT_OK) {
        return err;
    }
    *ret_raw = raw.len == 1 && raw.ptr[0] == MP_NIL ? (rt_bytes){NULL, 0} : raw;
    return RT_OK;
}

// Reads one value to `at`.
static rt_err
decode_value(rt_msg_type type, const rt_msg_field *field, rt_mp *mp, rt_arena *arena, void *at)
{
    switch (type) {
    case RT_MSG_BOOL:
        return rt_mp_bool(mp, at);
    case RT_MSG_U64:
        return rt_mp_u64(mp, at);
    case RT_MSG_I64:
        return rt_mp_i64(mp, at);
    case RT_MSG_F64:
        return rt_mp_f64(mp, at);
    case RT_MSG_STR:
        return decode_str(mp, at);
    case RT_MSG_BIN:
        return rt_mp_bin(mp, at);
    case RT_MSG_ANY:
        return rt__msg_any(mp, at);
    case RT_MSG_RECORD:
        return decode_record(field->record, mp, arena, at);
    case RT_MSG_LIST:
        break;
    }
    RT_UNREACHABLE("lists are read by decode_list");
}

rt_err
rt__msg_list(const rt_msg_field *field, rt_mp *mp, rt_arena *arena, rt_msg_list *ret_list)
{
    uint32_t count = 0;
    void *items = NULL;
    rt_err err = rt_mp_array(mp, &count);

    *ret_list = (rt_msg_list){NULL, 0};
    if (err != RT_OK || count == 0) {
        return err;
    }
    if (count > RT_MSG_LIST_MAX) {
        return rt_fail(RT_ELIMIT, "list '%s' has %u elements, more than %d", field->name, count,
                       RT_MSG_LIST_MAX);
    }
    items = rt_arena_alloc(arena, element_size(field) * count);
    if (items == NULL) {
        return rt_fail(RT_ENOMEM, "no room for %u elements of '%s'", count, field->name);
    }
    *ret_list = (rt_msg_list){items, count};
    return RT_OK;
}

static rt_err
decode_list(const rt_msg_field *field, rt_mp *mp, rt_arena *arena, rt_msg_list *ret_list)
{
    size_t size = element_size(field);
    rt_err err = rt__msg_list(field, mp, arena, ret_list);

    for (uint32_t i = 0; err == RT_OK && i < ret_list->count; i++) {
        err = decode_value(field->element, field, mp, arena, (uint8_t *)ret_list->items + i * size);
    }
    return err;
}

// Reads the header [version, ...; *ret_count is the number of fields that follow.
rt_err
rt__msg_header(const rt_msg_def *def, rt_mp *mp, uint32_t *ret_count)
{
    uint32_t count = 0;
    uint64_t version = 0;
    rt_err err = rt_mp_array(mp, &count);

    if (err != RT_OK) {
        return err;
    }
    if (count == 0) {
        return rt_fail(RT_EPROTO, "message '%s' without a version", def->name);
    }
    err = rt_mp_u64(mp, &version);
    if (err != RT_OK) {
        return err;
    }
    if (version != def->version) {
        return rt_fail(RT_EPROTO, "message '%s' has version %llu, version %u is known", def->name,
                       (unsigned long long)version, def->version);
    }
    *ret_count = count - 1;
    return RT_OK;
}

rt_err
rt__msg_decode_rest(const rt_msg_def *def, uint32_t count, rt_mp *mp, rt_arena *arena,
                    void *ret_msg)
{
    rt_err err = RT_OK;

    for (uint32_t i = 0; err == RT_OK && i < count; i++) {
        if (i >= def->field_count) {
            err = rt_mp_skip(mp);
        } else if (def->fields[i].type == RT_MSG_LIST) {
            void *at = (uint8_t *)ret_msg + def->fields[i].offset;

            err = decode_list(&def->fields[i], mp, arena, at);
        } else {
            void *at = (uint8_t *)ret_msg + def->fields[i].offset;

            err = decode_value(def->fields[i].type, &def->fields[i], mp, arena, at);
        }
    }
    return err;
}

// Reads a message to `ret_msg`, which is zeroed; moves *mp even when it fails.
static rt_err
decode_record(const rt_msg_def *def, rt_mp *mp, rt_arena *arena, void *ret_msg)
{
    uint32_t count = 0;
    rt_err err = rt__msg_header(def, mp, &count);

    return err == RT_OK ? rt__msg_decode_rest(def, count, mp, arena, ret_msg) : err;
}

rt_err
rt__msg_decode_table(const rt_msg_def *def, rt_mp *mp, rt_arena *arena, void *ret_msg)
{
    memset(ret_msg, 0, def->size);
    return decode_record(def, mp, arena, ret_msg);
}

rt_err
rt_msg_decode(const rt_msg_def *def, rt_mp *mp, rt_arena *arena, void *ret_msg)
{
    rt_mp m = *mp;
    rt_err err = RT_OK;

    RT_ASSERT(def != NULL && arena != NULL && ret_msg != NULL);
    err = def->decode != NULL ? def->decode(&m, arena, ret_msg)
                              : rt__msg_decode_table(def, &m, arena, ret_msg);
    if (err == RT_OK) {
        *mp = m;
    }
    return err;
}
