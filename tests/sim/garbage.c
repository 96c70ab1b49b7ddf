#include "tests/sim/garbage.h"

#include <string.h>

#include "runtime/base/check.h"

#define NOISE_MAX 64

static const struct {
    const char *bytes;
    size_t len;
} lies[] = {
    {"\xdd\xff\xff\xff\xff", 5},                   // an array of four thousand million
    {"\xdf\xff\xff\xff\xff\xa1x", 7},              // a map of as many
    {"\xdb\xff\xff\xff\xffxyz", 8},                // a text of 4 GiB
    {"\x91\x81\xa2id\xdb\x00\x10\x00\x00", 10},    // an event whose id goes on behind the end
    {"\xc1", 1},                                   // what msgpack never uses
    {"[{\"id\": \"1\", \"data\": {\"x\": ", 24},   // JSON that stops
    {"{\"id\": \"\\ud800\", \"type\": 1e999}", 32}, // half a character, no number
    {"\xef\xbb\xbf[]", 5},                         // a byte order mark
    {"GET / HTTP/1.1\r\nHost: brain\r\n\r\n", 31},
};

rt_bytes
garbage_make(rt_rng *rng, rt_bytes like, uint8_t buf[GARBAGE_CAP])
{
    uint64_t kind = rt_rng_below(rng, 6);
    size_t len = 0;

    if (kind == 0) {
        return (rt_bytes){buf, 0};
    }
    if (kind == 1) { // deeper than anybody follows
        len = 20 + (size_t)rt_rng_below(rng, 2000);
        memset(buf, rt_rng_chance(rng, 0.5) ? 0x91 : '[', len);
    } else if (kind == 2) {
        size_t which = (size_t)rt_rng_below(rng, RT_COUNT(lies));

        len = lies[which].len;
        memcpy(buf, lies[which].bytes, len);
    } else if (kind <= 4 && like.len > 1) {
        len = (size_t)rt_rng_below(rng, RT_MIN(like.len, (size_t)GARBAGE_CAP));
        memcpy(buf, like.ptr, len);
    } else {
        len = (size_t)rt_rng_below(rng, NOISE_MAX);
        for (size_t i = 0; i < len; i++) {
            buf[i] = (uint8_t)rt_rng_u64(rng);
        }
    }
    return (rt_bytes){buf, len};
}
