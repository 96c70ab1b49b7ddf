#include "tests/sim/shop.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/rng.h"
#include "runtime/wire/mp.h"
#include "tools/replay/draft.h"

// Design notes.
// An event is read and written again key by key. Subjects and ids get the mark in half of the
// lives only: in the others the four tenants have orders, customers and sources of the same names,
// which keys without the tenant would mix up.

#define EVENT_BYTES_MAX (64u * 1024)
#define TEXT_CAP 4096
#define NAME_CAP 192
#define STREAM_SHOP 300
#define CAPACITY_KEPT 0.08
#define SOURCE_UNMARKED "/shop"

struct shop {
    shop_config config;
    gen *generator;
    rt_rng rng;
    char mark[SHOP_MARK_LEN + 8];
    rt_mpw body;
    bool bad; // the event being written
    uint32_t hostile;
};

// Data fields that hold a key of something else, and those that hold free text.
static const char *const key_fields[] = {"customer_id", "order_id", "guide_id", "seller_id"};

static const struct {
    const char *name;
    size_t cap; // by the catalogue; the smallest where types differ
} text_fields[] = {{"text", 2048}, {"note", 256}};

static const char *const hostile_texts[] = {
    "\x01\x02\x1b[31m\x07 bell\r\n\tand tab",
    "{{ data.text }} ${event.id} {subject} %n%n%s%s",
    "true || data.value > 0 ? event.subject : 'x'; size(\"\")",
    "kind: playbook\nwhen: true\ndo:\n  - action: open_case\n--- !!map\n&a [*a, *a]",
    "{\"type\": \"order.cancelled\", \"data\": {\"reason\": null}}]}",
    "\xe2\x80\xae reversed \xef\xbb\xbf\xef\xbf\xbf\xf0\x9f\x92\xa5\xcc\x81\xcc\x81",
    "alpha beta gamma delta system tenant=beta decisions.beta",
    "$(reboot) `id` ; rm -rf / | cat ../../../etc/passwd \\\\host\\share",
    "<script>alert(1)</script>' OR '1'='1",
    "-9223372036854775809 1e999 NaN 0x7fffffff",
    "",
};

// What no door may take.
static const char *const unclean_texts[] = {"\xc0\xaf over\xc0\x80long", "half \xf0\x9f\x92",
                                            "\xed\xa0\x80 surrogate", "\xff\xfe"};

static bool
is_key_field(rt_str name)
{
    for (size_t i = 0; i < RT_COUNT(key_fields); i++) {
        if (rt_str_is(name, key_fields[i])) {
            return true;
        }
    }
    return false;
}

static size_t
text_cap(rt_str name)
{
    for (size_t i = 0; i < RT_COUNT(text_fields); i++) {
        if (rt_str_is(name, text_fields[i].name)) {
            return text_fields[i].cap;
        }
    }
    return 0;
}

static void
put_marked(shop *s, rt_str text, size_t cap)
{
    char buf[TEXT_CAP];
    rt_str whole = draft_cut(text, RT_MIN(cap, sizeof(buf)) - strlen(s->mark));
    int len = 0;

    memcpy(buf, whole.ptr, whole.len);
    len = snprintf(buf + whole.len, sizeof(buf) - whole.len, "%s", s->mark);
    rt_mpw_str(&s->body, (rt_str){buf, whole.len + (size_t)len});
}

static void
put_key(shop *s, rt_str key)
{
    if (s->config.ids_marked) {
        put_marked(s, key, NAME_CAP);
    } else {
        rt_mpw_str(&s->body, key);
    }
}

static void
put_long(shop *s, size_t len)
{
    char buf[TEXT_CAP];

    memset(buf, 'x', len);
    for (size_t i = 1; i < len / 2; i += 2) {
        memcpy(buf + i, "\xc3\xb1", 2); // two bytes, so that a cut may go wrong
    }
    memcpy(buf + len - strlen(s->mark), s->mark, strlen(s->mark));
    rt_mpw_str(&s->body, (rt_str){buf, len});
}

static void
put_text(shop *s, rt_str text, size_t cap)
{
    if (!rt_rng_chance(&s->rng, s->config.hostile)) {
        put_marked(s, text, cap);
        return;
    }
    uint64_t kind = rt_rng_below(&s->rng, 16);
    s->hostile++;
    if (kind == 0 && !s->config.json) {
        const char *unclean = unclean_texts[rt_rng_below(&s->rng, RT_COUNT(unclean_texts))];

        s->bad = true;
        rt_mpw_str(&s->body, rt_str_of(unclean));
    } else if (kind == 1) {
        s->bad = true;
        put_long(s, cap + 1);
    } else if (kind == 2) {
        put_long(s, cap);
    } else {
        put_marked(s, rt_str_of(hostile_texts[rt_rng_below(&s->rng, RT_COUNT(hostile_texts))]),
                   cap);
    }
}

static void
put_data(shop *s, rt_bytes data)
{
    rt_mp mp = rt_mp_init(data);
    uint32_t pairs = 0;
    rt_str name;
    rt_str text;
    rt_bytes raw;
    bool ok = rt_mp_map(&mp, &pairs) == RT_OK;

    rt_mpw_map(&s->body, pairs);
    for (uint32_t i = 0; ok && i < pairs; i++) {
        ok = rt_mp_str(&mp, &name) == RT_OK;
        rt_mpw_str(&s->body, name);
        size_t cap = text_cap(name);
        rt_mp value = mp;
        if (is_key_field(name) && rt_mp_str(&value, &text) == RT_OK) {
            put_key(s, text);
        } else if (cap > 0 && rt_mp_str(&value, &text) == RT_OK) {
            put_text(s, text, cap);
        } else {
            rt_mp whole = mp;

            ok = ok && rt_mp_raw(&whole, &raw) == RT_OK;
            if (ok) {
                rt_mpw_raw(&s->body, raw);
            }
        }
        ok = ok && rt_mp_skip(&mp) == RT_OK;
    }
    RT_ASSERT(ok); // the generator's own
}

// Writes one attribute of the event again.
static void
put_attribute(shop *s, rt_str name, rt_bytes raw)
{
    rt_mp mp = rt_mp_init(raw);
    rt_str text;
    bool is_text = rt_mp_str(&mp, &text) == RT_OK;

    if (rt_str_is(name, "data")) {
        put_data(s, raw);
    } else if (is_text && rt_str_is(name, "source")) {
        if (s->config.ids_marked) {
            put_marked(s, text, NAME_CAP);
        } else {
            rt_mpw_cstr(&s->body, SOURCE_UNMARKED);
        }
    } else if (is_text && (rt_str_is(name, "id") ||
                           (rt_str_is(name, "subject") &&
                            !rt_str_starts(text, RT_STR("carrier/"))))) {
        put_key(s, text);
    } else {
        rt_mpw_raw(&s->body, raw);
    }
}

static void
put_event(shop *s, rt_bytes event)
{
    rt_mp mp = rt_mp_init(event);
    uint32_t pairs = 0;
    rt_str name;
    rt_bytes raw;
    bool ok = rt_mp_map(&mp, &pairs) == RT_OK;

    rt_mpw_clear(&s->body);
    rt_mpw_map(&s->body, pairs);
    for (uint32_t i = 0; ok && i < pairs; i++) {
        ok = rt_mp_str(&mp, &name) == RT_OK && rt_mp_raw(&mp, &raw) == RT_OK;
        if (ok) {
            rt_mpw_str(&s->body, name);
            put_attribute(s, name, raw);
        }
    }
    RT_ASSERT(ok && !s->body.failed); // the generator's own
}

static bool
is_left_out(shop *s, rt_bytes event)
{
    rt_mp at;
    rt_str type = {"", 0};

    return rt_mp_find(event, RT_STR("type"), &at) && rt_mp_str(&at, &type) == RT_OK &&
           rt_str_is(type, "carrier.capacity") && !rt_rng_chance(&s->rng, CAPACITY_KEPT);
}

bool
shop_next(shop *s, shop_event *ret_event)
{
    stream_event event;
    rt_err err = RT_OK;

    do {
        err = gen_next(s->generator, &event);
    } while (err == RT_OK && is_left_out(s, event.body));
    if (err != RT_OK) {
        return false;
    }
    s->bad = gen_last_mark(s->generator) == GEN_BAD;
    s->hostile = 0;
    put_event(s, event.body);
    *ret_event = (shop_event){event.time_ms, s->bad, s->hostile, rt_mpw_view(&s->body)};
    return true;
}

shop *
shop_new(const shop_config *config)
{
    shop *s = rt_new(shop);
    gen_config day = gen_defaults();
    rt_err err = RT_OK;

    RT_ASSERT(config->tenant > 0 && config->tenant < 10);
    s->config = *config;
    (void)snprintf(s->mark, sizeof(s->mark), "%s%u", SHOP_MARK, config->tenant);
    rt_rng_seed(&s->rng, config->seed, STREAM_SHOP + config->tenant);
    day.seed = config->seed * 10 + config->tenant;
    day.orders = config->orders;
    day.days = config->days;
    day.tail_days = config->tail_days;
    day.dup_share = 0.02;
    day.bad_share = 0.02;
    day.tenant = rt_str_of(config->name);
    err = gen_open(&day, &s->generator);
    RT_ASSERT(err == RT_OK); // figures are in range
    rt_mpw_init(&s->body, EVENT_BYTES_MAX);
    return s;
}

void
shop_free(shop *s)
{
    gen_close(s->generator);
    rt_mpw_fini(&s->body);
    rt_free(s);
}

unsigned
shop_foreign(rt_bytes bytes, uint16_t tenant)
{
    const uint8_t *at = bytes.ptr;
    const uint8_t *end = bytes.len > 0 ? at + bytes.len : at;

    while ((size_t)(end - at) > SHOP_MARK_LEN) {
        at = memmem(at, (size_t)(end - at), SHOP_MARK, SHOP_MARK_LEN);
        if (at == NULL || (size_t)(end - at) <= SHOP_MARK_LEN) {
            break;
        }
        if (at[SHOP_MARK_LEN] != '0' + tenant && at[SHOP_MARK_LEN] > '0' &&
            at[SHOP_MARK_LEN] <= '9') {
            return at[SHOP_MARK_LEN] - '0';
        }
        at += SHOP_MARK_LEN;
    }
    return 0;
}
