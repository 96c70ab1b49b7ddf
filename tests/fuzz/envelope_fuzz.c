// The msgpack cursor and the event envelope, as bytes arrive at the ingest door.
//
// What the cursor accepts is written again by the writer and must read the same; typed readers do
// not move when they refuse. What the envelope accepts goes through the journal form and through
// the CloudEvents form and must come back equal.
#include "tests/fuzz/fuzz.h"

#define WRITER_MAX (1u << 20)
#define TENANT_NAME "acme"

static rt_mpw writer;
static rt_mpw second;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_begin();
    (void)fuzz_catalog();
    rt_mpw_init(&writer, WRITER_MAX);
    rt_mpw_init(&second, WRITER_MAX);
    return 0;
}

// Every typed reader on one value: moves on success only, and never past the end.
static void
check_readers(rt_mp at)
{
    uint32_t count = 0;
    rt_str str = {NULL, 0};
    rt_bytes bin = {NULL, 0};
    int64_t i = 0;
    uint64_t u = 0;
    double f = 0;
    bool b = false;
    rt_value value = RT_NONE;
    int taken = 0;

#define READ(call)                                                                                 \
    do {                                                                                           \
        rt_mp mp = at;                                                                             \
        rt_err err = call;                                                                         \
        RT_ASSERT(err == RT_OK ? mp.at > at.at && mp.at <= at.end : mp.at == at.at);               \
        taken += err == RT_OK;                                                                     \
    } while (0)

    READ(rt_mp_array(&mp, &count));
    READ(rt_mp_map(&mp, &count));
    READ(rt_mp_str(&mp, &str));
    READ(rt_mp_bin(&mp, &bin));
    READ(rt_mp_bool(&mp, &b));
    RT_ASSERT(taken <= 1);
    READ(rt_mp_i64(&mp, &i));
    READ(rt_mp_u64(&mp, &u));
    READ(rt_mp_f64(&mp, &f));
    RT_ASSERT(taken <= 3);
    READ(rt_value_read(&mp, &value));
    READ(rt_mp_skip(&mp));
    READ(rt_mp_raw(&mp, &bin));
#undef READ
}

static void
write_token(const rt_mp_token *token, rt_mpw *w)
{
    switch (token->type) {
    case RT_MP_NIL:
        rt_mpw_nil(w);
        break;
    case RT_MP_BOOL:
        rt_mpw_bool(w, token->b);
        break;
    case RT_MP_INT:
        rt_mpw_i64(w, token->i);
        break;
    case RT_MP_UINT:
        rt_mpw_u64(w, token->u);
        break;
    case RT_MP_FLOAT:
        rt_mpw_f64(w, token->f);
        break;
    case RT_MP_STR:
        rt_mpw_str(w, token->str);
        break;
    case RT_MP_BIN:
    case RT_MP_EXT: // the writer has no ext; the body stands for it
        rt_mpw_bin(w, token->bytes);
        break;
    case RT_MP_ARRAY:
        rt_mpw_array(w, token->count);
        break;
    case RT_MP_MAP:
        rt_mpw_map(w, token->count);
        break;
    }
}

// Reads all tokens and writes them in their shortest form; false where the cursor stopped.
static bool
rewrite(rt_bytes bytes, rt_mpw *w)
{
    rt_mp mp = rt_mp_init(bytes);

    rt_mpw_clear(w);
    while (!rt_mp_done(&mp)) {
        rt_mp before = mp;
        rt_mp_token token;

        if (rt_mp_next(&mp, &token) != RT_OK) {
            RT_ASSERT(mp.at == before.at);
            return false;
        }
        RT_ASSERT(mp.at > before.at && mp.at <= mp.end);
        write_token(&token, w);
    }
    return true;
}

static void
check_cursor(rt_bytes bytes)
{
    rt_mp mp = rt_mp_init(bytes);
    rt_err err = rt_mp_check(bytes);
    bool is_read = rewrite(bytes, &writer);

    if (!rt_mp_done(&mp)) {
        check_readers(mp); // of the first token alone: refusing is slow, it formats a reason
    }
    if (err != RT_OK) {
        return;
    }
    RT_ASSERT(is_read && !writer.failed);
    RT_ASSERT(rt_mp_check(rt_mpw_view(&writer)) == RT_OK);
    RT_ASSERT(rewrite(rt_mpw_view(&writer), &second));
    RT_ASSERT(rt_bytes_equal(rt_mpw_view(&writer), rt_mpw_view(&second)));
}

// A path that is found leads to a value inside.
static void
check_find(rt_bytes bytes)
{
    static const char *const paths[] = {"id", "data.status", "."};

    for (size_t i = 0; i < RT_COUNT(paths); i++) {
        rt_mp found;

        if (rt_mp_find_path(bytes, rt_str_of(paths[i]), &found)) {
            RT_ASSERT(found.at > bytes.ptr && found.at < bytes.ptr + bytes.len);
            RT_ASSERT(found.end <= bytes.ptr + bytes.len);
        }
    }
}

static void
check_same_event(const rt_event *a, const rt_event *b)
{
    RT_ASSERT(a->type == b->type && a->time_ms == b->time_ms && a->priority == b->priority);
    RT_ASSERT(a->has_sequence == b->has_sequence && a->sequence == b->sequence);
    RT_ASSERT(rt_str_equal(a->id, b->id) && rt_str_equal(a->source, b->source));
    RT_ASSERT(rt_str_equal(a->subject, b->subject));
    RT_ASSERT(rt_str_equal(a->correlation, b->correlation));
    RT_ASSERT(rt_str_equal(a->causation, b->causation));
    for (uint32_t i = 0; i < a->type->field_count; i++) {
        RT_ASSERT(fuzz_same_value(a->slots[i], b->slots[i]));
    }
}

// An accepted event keeps its promises, and both of its other forms say the same.
static void
check_event(const rt_event *event)
{
    static rt_event again;
    rt_reject reject;
    rt_mp mp;

    RT_ASSERT(event->id.len > 0 && event->id.len <= RT_EVENT_ID_MAX);
    RT_ASSERT(event->source.len > 0 && event->source.len <= RT_EVENT_SOURCE_MAX);
    RT_ASSERT(event->subject.len <= RT_EVENT_SUBJECT_MAX);
    RT_ASSERT(rt_utf8_valid(event->id) && rt_utf8_valid(event->source));
    RT_ASSERT(rt_utf8_valid(event->subject) && rt_utf8_valid(event->correlation));
    for (uint32_t i = 0; i < event->type->field_count; i++) {
        const rt_field *field = &event->type->fields[i];
        const rt_value *slot = &event->slots[i];

        RT_ASSERT(slot->kind == field->kind || (slot->kind == RT_KIND_NONE && !field->required));
        RT_ASSERT(slot->kind != RT_KIND_STR ||
                  (slot->s.len <= field->cap && rt_utf8_valid(slot->s)));
    }
    rt_mpw_clear(&writer);
    rt_event_encode(event, &writer);
    RT_ASSERT(!writer.failed);
    RT_ASSERT(rt_event_decode_record(fuzz_catalog(), 7, 8, rt_mpw_view(&writer), &again) == RT_OK);
    RT_ASSERT(again.seq == 7 && again.at_ms == 8);
    check_same_event(event, &again);
    rt_mpw_clear(&writer);
    rt_event_to_cloudevent(event, RT_STR(TENANT_NAME), &writer);
    mp = rt_mp_init(rt_mpw_view(&writer));
    RT_ASSERT(!writer.failed && rt_mp_check(rt_mpw_view(&writer)) == RT_OK);
    RT_ASSERT(rt_event_decode(fuzz_catalog(), &mp, &again, &reject) == RT_OK);
    RT_ASSERT(rt_mp_done(&mp) && rt_str_is(again.tenant_name, TENANT_NAME));
    check_same_event(event, &again);
}

static void
check_reject(const rt_reject *reject, rt_err err)
{
    RT_ASSERT(reject->err == err);
    RT_ASSERT(memchr(reject->path, '\0', sizeof(reject->path)) != NULL);
    RT_ASSERT(memchr(reject->text, '\0', sizeof(reject->text)) != NULL && reject->text[0] != '\0');
    RT_ASSERT(rt_utf8_valid(rt_str_of(reject->path)) && rt_utf8_valid(rt_str_of(reject->text)));
}

// The input as a row of wire events, as in a batch.
static void
check_batch(rt_bytes bytes)
{
    static rt_event event;
    rt_mp mp = rt_mp_init(bytes);
    rt_mp value = mp;
    uint32_t count = 0;

    (void)!rt_mp_array(&mp, &count); // a list, or one event
    while (!rt_mp_done(&mp)) {
        rt_reject reject = {0};
        rt_mp before = mp;
        rt_err err = rt_event_decode(fuzz_catalog(), &mp, &event, &reject);
        bool is_whole = false;

        value = before;
        is_whole = rt_mp_skip(&value) == RT_OK;
        RT_ASSERT(mp.at == (is_whole ? value.at : before.at));
        if (err == RT_OK) {
            RT_ASSERT(is_whole);
            check_event(&event);
        } else {
            check_reject(&reject, err);
        }
        if (!is_whole) {
            break;
        }
    }
}

// The input as the payload of a record: a checksum kept rot out, but not what an older build wrote.
static void
check_record(rt_bytes bytes)
{
    static rt_event event;

    if (rt_event_decode_record(fuzz_catalog(), 1, 2, bytes, &event) == RT_OK) {
        rt_value found = rt_event_context(&event, "order.status");

        (void)found;
        (void)rt_event_field(&event, "status");
        rt_mpw_clear(&writer);
        rt_event_encode(&event, &writer);
        RT_ASSERT(!writer.failed);
        rt_mpw_clear(&second);
        rt_event_to_cloudevent(&event, RT_STR(TENANT_NAME), &second);
        RT_ASSERT(!second.failed);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rt_bytes bytes = {data, size};

    check_cursor(bytes);
    check_find(bytes);
    check_batch(bytes);
    check_record(bytes);
    return 0;
}
