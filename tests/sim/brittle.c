#include "tests/sim/brittle.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/hash.h"
#include "runtime/base/map.h"

#define STUMBLE_EVERY 7
#define STUMBLED_MAX 64
#define ATTEMPTS 3
#define ARENA_BYTES_MAX (16u * 1024 * 1024)
#define TYPE "order.created"

typedef struct brittle_state {
    rt_table *taken;
} brittle_state;

static struct {
    uint64_t poison_every;
    uint64_t failures;
    uint64_t stumbled[STUMBLED_MAX]; // over which orders: only once each
    size_t stumbled_count;
} begun;

static uint64_t
number_of(rt_tenant tenant, rt_str id)
{
    return rt_hash64(rt_bytes_of_str(id), tenant.v);
}

static bool
is_poison(rt_tenant tenant, rt_str id)
{
    return begun.poison_every > 0 && number_of(tenant, id) % begun.poison_every == 0;
}

// Fails the first time that it is asked about some orders.
static bool
stumbles(rt_tenant tenant, rt_str id)
{
    uint64_t number = number_of(tenant, id);

    if (begun.poison_every == 0 || number % STUMBLE_EVERY != 1 ||
        begun.stumbled_count == STUMBLED_MAX) {
        return false;
    }
    for (size_t i = 0; i < begun.stumbled_count; i++) {
        if (begun.stumbled[i] == number) {
            return false;
        }
    }
    begun.stumbled[begun.stumbled_count++] = number;
    return true;
}

static rt_err
init(br_agent *self, void *state)
{
    brittle_state *st = state;

    return br_agent_table(self, 0, "taken", &st->taken);
}

static rt_err
on_order(br_agent *self, void *state, const rt_event *event)
{
    brittle_state *st = state;
    msg_prediction prediction = {.model = RT_STR("taken"), .version = 1, .value = 1};
    rt_err err = br_predict(self, &prediction);

    // said and written before the failure: both must be undone with it
    rt_table_put(st->taken, rt_bytes_of_str(event->id), (rt_bytes){(const uint8_t *)"1", 1});
    if (err == RT_OK && (is_poison(event->tenant, event->id) ||
                         stumbles(event->tenant, event->id))) {
        begun.failures++;
        // without a word of the tenant's: a dead letter is the operator's
        err = rt_fail(RT_EINVAL, "order %llu is too much", (unsigned long long)event->seq);
    }
    return err;
}

static const br_handler handlers[] = {{TYPE, on_order}};

const br_agent_def brittle_def = {
    .id = 14,
    .name = BRITTLE_NAME,
    .doc = "Takes orders, but for some.",
    .state_size = sizeof(brittle_state),
    .init = init,
    .handlers = handlers,
    .handler_count = RT_COUNT(handlers),
};

void
brittle_begin(uint64_t poison_every)
{
    begun.poison_every = poison_every;
    begun.failures = 0;
    begun.stumbled_count = 0;
}

uint64_t
brittle_failures(void)
{
    return begun.failures;
}

// --- what the journal shows -------------------------------------------------------------------

typedef struct check {
    const rt_catalog *catalog;
    rt_map *orders; // seq -> 1 when it is poison
    rt_map *dead;   // seq -> attempts
    rt_arena *arena;
    char *text;
    size_t cap;
    bool wrong;
} check;

static void
say(check *c, const char *fmt, ...) RT_PRINTF(2, 3);

static void
say(check *c, const char *fmt, ...)
{
    va_list args;

    if (!c->wrong) {
        c->wrong = true;
        va_start(args, fmt);
        (void)vsnprintf(c->text, c->cap, fmt, args);
        va_end(args);
    }
}

static rt_bytes
key_of(const uint64_t *seq)
{
    return (rt_bytes){(const uint8_t *)seq, sizeof(*seq)};
}

// "brittle/17"
static bool
read_ref(rt_str ref, uint64_t *ret_seq)
{
    const rt_str before = RT_STR(BRITTLE_NAME "/");
    int64_t seq = 0;

    if (!rt_str_starts(ref, before) ||
        rt_parse_i64((rt_str){ref.ptr + before.len, ref.len - before.len}, &seq) != RT_OK) {
        return false;
    }
    *ret_seq = (uint64_t)seq;
    return true;
}

static void
see_letter(check *c, const rt_event *event)
{
    uint64_t seq = 0;
    uint64_t poison = 0;
    int64_t attempts = rt_value_as_i64(rt_event_field(event, "attempts"), 0);

    if (!rt_str_is(rt_event_field(event, "owner").s, BRITTLE_NAME)) {
        return;
    }
    if (!read_ref(rt_event_field(event, "ref").s, &seq)) {
        say(c, "record %llu: a dead letter of no record", (unsigned long long)event->seq);
    } else if (!rt_map_get(c->orders, key_of(&seq), &poison) || poison == 0) {
        say(c, "record %llu: a dead letter of %llu, which is no poison",
            (unsigned long long)event->seq, (unsigned long long)seq);
    } else if (!rt_map_put(c->dead, key_of(&seq), (uint64_t)attempts)) {
        say(c, "record %llu: a second dead letter of %llu", (unsigned long long)event->seq,
            (unsigned long long)seq);
    } else if (attempts != ATTEMPTS) {
        say(c, "record %llu: a dead letter after %lld tries", (unsigned long long)event->seq,
            (long long)attempts);
    }
}

static void
see_event(check *c, const rt_record *record)
{
    rt_event event;

    if (rt_event_decode_record(c->catalog, record->seq, record->at_ms, record->payload, &event) !=
        RT_OK) {
        return; // named by the audit
    }
    if (rt_str_is(event.type->name, TYPE)) {
        (void)rt_map_put(c->orders, key_of(&record->seq),
                         is_poison(event.tenant, event.id)); // new
    } else if (rt_str_is(event.type->name, "message.dead_lettered")) {
        see_letter(c, &event);
    }
}

static bool
is_predicted(const msg_decision *decision)
{
    const msg_prediction *predictions = decision->predictions.items;

    for (uint32_t i = 0; i < decision->predictions.count; i++) {
        if (rt_str_is(predictions[i].agent, BRITTLE_NAME)) {
            return true;
        }
    }
    return false;
}

static bool
is_missing(const msg_decision *decision)
{
    const rt_str *missing = decision->missing.items;

    for (uint32_t i = 0; i < decision->missing.count; i++) {
        if (rt_str_is(missing[i], BRITTLE_NAME)) {
            return true;
        }
    }
    return false;
}

static void
see_decision(check *c, const rt_record *record)
{
    msg_decision decision;
    rt_mp mp = rt_mp_init(record->payload);
    uint64_t poison = 0;

    rt_arena_reset(c->arena);
    if (rt_msg_decode(&msg_decision_def, &mp, c->arena, &decision) != RT_OK ||
        !rt_map_get(c->orders, key_of(&decision.event_seq), &poison)) {
        return;
    }
    if (poison != 0 && is_predicted(&decision)) {
        say(c, "record %llu: something is said of order %llu, which nobody could take",
            (unsigned long long)record->seq, (unsigned long long)decision.event_seq);
    }
    if (poison == 0 && !is_predicted(&decision) && !is_missing(&decision)) {
        say(c, "record %llu: order %llu was taken and nothing is said of it",
            (unsigned long long)record->seq, (unsigned long long)decision.event_seq);
    }
}

static void
check_letters(check *c)
{
    rt_bytes key;
    uint64_t poison = 0;
    uint64_t attempts = 0;

    for (size_t cursor = 0; rt_map_next(c->orders, &cursor, &key, &poison);) {
        uint64_t seq = 0;

        memcpy(&seq, key.ptr, sizeof(seq));
        if (poison != 0 && !rt_map_get(c->dead, key, &attempts)) {
            say(c, "order %llu is poison and no dead letter", (unsigned long long)seq);
        }
    }
}

bool
brittle_check(const char *journal_dir, const rt_catalog *catalog, char *ret_text, size_t cap)
{
    check c = {.catalog = catalog, .text = ret_text, .cap = cap};
    rt_journal_reader *reader = NULL;
    rt_record record;
    rt_err err = rt_journal_reader_open(journal_dir, 1, &reader);

    c.orders = rt_map_new();
    c.dead = rt_map_new();
    c.arena = rt_arena_new(ARENA_BYTES_MAX);
    while (err == RT_OK) {
        err = rt_journal_reader_next(reader, &record);
        if (err == RT_OK && record.kind == RT_RECORD_EVENT) {
            see_event(&c, &record);
        } else if (err == RT_OK && record.kind == RT_RECORD_DECISION) {
            see_decision(&c, &record);
        }
    }
    check_letters(&c);
    if (reader != NULL) {
        rt_journal_reader_close(reader);
    }
    rt_map_free(c.orders);
    rt_map_free(c.dead);
    rt_arena_free(c.arena);
    return !c.wrong;
}
