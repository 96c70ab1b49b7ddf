// JSON at the ingest door: text in, msgpack inside, text out.
//
// What is accepted becomes well-formed msgpack; written as JSON and read again it is the same
// msgpack, and written again the same text. The first byte says which of the two comes first.
#include "runtime/wire/json.h"

#include "tests/fuzz/fuzz.h"

#define OUT_MAX (4u << 20)

static rt_mpw mp;
static rt_mpw again;
static rt_text text;
static rt_text pretty;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_begin();
    (void)fuzz_catalog();
    rt_mpw_init(&mp, OUT_MAX);
    rt_mpw_init(&again, OUT_MAX);
    rt_text_init(&text, OUT_MAX);
    rt_text_init(&pretty, OUT_MAX);
    return 0;
}

// Well-formed msgpack that came from JSON is its own fixpoint, compact and pretty.
static void
check_fixpoint(rt_bytes value)
{
    rt_text_clear(&text);
    RT_ASSERT(rt_json_from_mp(value, &text) == RT_OK);
    RT_ASSERT(!text.truncated && rt_utf8_valid(rt_text_view(&text)));
    RT_ASSERT(memchr(text.ptr, '\n', text.len) == NULL);
    rt_mpw_clear(&again);
    RT_ASSERT(rt_json_to_mp(rt_text_view(&text), &again) == RT_OK);
    RT_ASSERT(rt_bytes_equal(rt_mpw_view(&again), value));
    rt_text_clear(&pretty);
    RT_ASSERT(rt_json_pretty(value, &pretty) == RT_OK);
    rt_mpw_clear(&again);
    RT_ASSERT(rt_json_to_mp(rt_text_view(&pretty), &again) == RT_OK);
    RT_ASSERT(rt_bytes_equal(rt_mpw_view(&again), value));
}

static void
check_json(rt_str json)
{
    static rt_event event;
    rt_reject reject = {0};
    rt_mp at;
    rt_err err = RT_OK;

    rt_mpw_clear(&mp);
    err = rt_json_to_mp(json, &mp);
    if (err != RT_OK) {
        RT_ASSERT(mp.len == 0);
        return;
    }
    RT_ASSERT(!mp.failed && rt_mp_check(rt_mpw_view(&mp)) == RT_OK);
    check_fixpoint(rt_mpw_view(&mp));
    at = rt_mp_init(rt_mpw_view(&mp));
    err = rt_event_decode(fuzz_catalog(), &at, &event, &reject);
    RT_ASSERT(rt_mp_done(&at)); // it is well-formed, so it ends, accepted or not
    RT_ASSERT(err == RT_OK || reject.text[0] != '\0');
}

// Any msgpack as JSON: what comes out is JSON, though not always the same value (bin, ext, keys).
static void
check_msgpack(rt_bytes bytes)
{
    rt_err err = RT_OK;

    rt_text_clear(&text);
    err = rt_json_from_mp(bytes, &text);
    if (err != RT_OK) {
        RT_ASSERT(text.len == 0);
        return;
    }
    RT_ASSERT(rt_utf8_valid(rt_text_view(&text)));
    rt_mpw_clear(&mp);
    err = rt_json_to_mp(rt_text_view(&text), &mp);
    // a map may say the same key twice, in msgpack as a number and as text; our JSON has no NUL;
    // what becomes an object or base64 takes more room and depth than it had
    if (err != RT_OK) {
        RT_ASSERT(err == RT_EDUP || err == RT_EPROTO || err == RT_ELIMIT);
        return;
    }
    check_fixpoint(rt_mpw_view(&mp));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 0x01) { // no JSON begins with it
        check_msgpack((rt_bytes){data + 1, size - 1});
    } else {
        check_json((rt_str){(const char *)data, size});
    }
    return 0;
}
