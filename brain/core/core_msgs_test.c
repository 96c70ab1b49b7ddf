// The generated codecs against the table walkers: the same bytes, the same values, the same errors.
#include "brain/core/core_msgs.h"

#include "runtime/base/rng.h"
#include "runtime/wire/msg_codec.h"
#include "tests/harness/check.h"

#define ROUNDS 300
#define ARENA_BYTES (4u << 20)
#define TEXT_MAX 300

static const rt_msg_def *const defs[] = {
    &msg_factor_def,   &msg_proposal_def,     &msg_prediction_def, &msg_emission_def,
    &msg_timer_def,    &msg_answer_def,       &msg_hello_def,      &msg_record_def,   &msg_fed_def,
    &msg_records_def,  &msg_failure_def,      &msg_answers_def,    &msg_candidate_def,
    &msg_consulted_def, &msg_consultation_def, &msg_decision_def,  &msg_publication_def,
    &msg_match_def,    &msg_write_def,        &msg_captured_def,   &msg_window_def,
    &msg_tally_def,    &msg_mode_def,         &msg_usage_def,      &msg_vote_def,
    &msg_waiting_def,   &msg_run_step_def,     &msg_run_def,        &msg_running_def,
    &msg_guard_def,
};

typedef struct maker {
    rt_rng rng;
    rt_arena *arena;
} maker;

static void make(maker *m, const rt_msg_def *def, void *msg, int depth);

static int64_t
number(maker *m)
{
    int64_t value = (int64_t)(rt_rng_u64(&m->rng) >> rt_rng_below(&m->rng, 64));

    return rt_rng_chance(&m->rng, 0.3) ? -value : value;
}

static rt_str
text(maker *m)
{
    size_t len = rt_rng_below(&m->rng, rt_rng_chance(&m->rng, 0.1) ? TEXT_MAX : 20);
    char *bytes = rt_arena_alloc(m->arena, len + 1);

    memset(bytes, rt_rng_chance(&m->rng, 0.5) ? 'a' : '~', len);
    if (len > 2 && rt_rng_chance(&m->rng, 0.3)) {
        memcpy(bytes, "\xc3\xb1", 2);
    }
    return (rt_str){bytes, len};
}

static double
ratio(maker *m)
{
    static const double some[] = {0, 1, -0.5, 0.1, 1e300};

    return some[rt_rng_below(&m->rng, RT_COUNT(some))];
}

static void
make_value(maker *m, rt_msg_type type, const rt_msg_def *record, void *at, int depth)
{
    static const uint8_t map[] = {0x81, 0xa1, 'k', 0xc0};

    switch (type) {
    case RT_MSG_BOOL:
        *(bool *)at = rt_rng_chance(&m->rng, 0.5);
        break;
    case RT_MSG_U64:
        *(uint64_t *)at = rt_rng_u64(&m->rng) >> rt_rng_below(&m->rng, 64);
        break;
    case RT_MSG_I64:
        *(int64_t *)at = number(m);
        break;
    case RT_MSG_F64:
        *(double *)at = ratio(m);
        break;
    case RT_MSG_STR:
        *(rt_str *)at = text(m);
        break;
    case RT_MSG_BIN:
        *(rt_bytes *)at = rt_bytes_of_str(text(m));
        break;
    case RT_MSG_ANY:
        *(rt_bytes *)at = rt_rng_chance(&m->rng, 0.5) ? (rt_bytes){map, sizeof(map)}
                                                      : (rt_bytes){NULL, 0};
        break;
    case RT_MSG_RECORD:
        make(m, record, at, depth + 1);
        break;
    case RT_MSG_LIST:
        fail();
    }
}

static size_t
size_of(rt_msg_type element, const rt_msg_def *record)
{
    return element == RT_MSG_RECORD ? record->size : element == RT_MSG_STR ? sizeof(rt_str) : 8;
}

static void
make_list(maker *m, const rt_msg_field *field, rt_msg_list *ret, int depth)
{
    uint32_t count = rt_rng_chance(&m->rng, 0.5) ? 0
                     : (uint32_t)rt_rng_below(&m->rng, depth == 0 && rt_rng_chance(&m->rng, 0.1)
                                                            ? 20
                                                            : 4);
    size_t size = size_of(field->element, field->record);
    uint8_t *items = rt_arena_alloc(m->arena, size * count + 1);

    for (uint32_t i = 0; i < count; i++) {
        make_value(m, field->element, field->record, items + i * size, depth);
    }
    *ret = (rt_msg_list){count > 0 ? items : NULL, count};
}

static void
make(maker *m, const rt_msg_def *def, void *msg, int depth)
{
    for (uint32_t i = 0; i < def->field_count; i++) {
        void *at = (uint8_t *)msg + def->fields[i].offset;

        if (def->fields[i].type == RT_MSG_LIST) {
            make_list(m, &def->fields[i], at, depth);
        } else {
            make_value(m, def->fields[i].type, def->fields[i].record, at, depth);
        }
    }
}

// Decodes with both; the result, written by the table, is the same, and so is an error.
static rt_err
check_decode(const rt_msg_def *def, rt_bytes bytes, rt_arena *arena)
{
    rt_mpw again[2];
    rt_err err[2];

    for (int i = 0; i < 2; i++) {
        void *got = rt_arena_alloc(arena, def->size);
        rt_mp mp = rt_mp_init(bytes);

        memset(got, 0x5a, def->size);
        err[i] = i == 0 ? rt__msg_decode_table(def, &mp, arena, got)
                        : rt_msg_decode(def, &mp, arena, got);
        rt_mpw_init(&again[i], ARENA_BYTES);
        if (err[i] == RT_OK) {
            CHECK_TRUE(mp.at == bytes.ptr + bytes.len);
            rt__msg_encode_table(def, got, &again[i]);
        }
    }
    CHECK_INT(err[1], err[0]);
    CHECK_BYTES(rt_mpw_view(&again[1]), rt_mpw_view(&again[0]));
    rt_mpw_fini(&again[0]);
    rt_mpw_fini(&again[1]);
    return err[0];
}

static void
test_core_msgs_codecs_agree_with_the_tables(void **state)
{
    maker m = {.arena = rt_arena_new(ARENA_BYTES)};
    rt_mpw table;
    rt_mpw fast;

    (void)state;
    rt_rng_seed(&m.rng, 7, 1);
    rt_mpw_init(&table, ARENA_BYTES);
    rt_mpw_init(&fast, ARENA_BYTES);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t d = 0; d < RT_COUNT(defs); d++) {
            rt_arena_reset(m.arena);
            void *msg = rt_arena_alloc(m.arena, defs[d]->size);
            make(&m, defs[d], msg, 0);
            rt_mpw_clear(&table);
            rt_mpw_clear(&fast);
            rt__msg_encode_table(defs[d], msg, &table);
            rt_msg_encode(defs[d], msg, &fast);
            CHECK_BYTES(rt_mpw_view(&fast), rt_mpw_view(&table));
            CHECK_INT(check_decode(defs[d], rt_mpw_view(&table), m.arena), RT_OK);
        }
    }
    rt_mpw_fini(&fast);
    rt_mpw_fini(&table);
    rt_arena_free(m.arena);
}

static void
test_core_msgs_codecs_fill_a_writer_to_the_last_byte(void **state)
{
    maker m = {.arena = rt_arena_new(ARENA_BYTES)};
    rt_mpw whole;

    (void)state;
    rt_rng_seed(&m.rng, 8, 1);
    rt_mpw_init(&whole, ARENA_BYTES);
    for (size_t d = 0; d < RT_COUNT(defs); d++) {
        void *msg = rt_arena_alloc(m.arena, defs[d]->size);

        make(&m, defs[d], msg, 1);
        rt_mpw_clear(&whole);
        rt__msg_encode_table(defs[d], msg, &whole);
        for (size_t less = 0; less < 2; less++) {
            rt_mpw tight;
            rt_mpw_init(&tight, whole.len - less);
            rt_msg_encode(defs[d], msg, &tight);
            CHECK_INT(tight.failed, less == 1);
            CHECK_TRUE(less == 1 || tight.len == whole.len);
            rt_mpw_fini(&tight);
        }
    }
    rt_mpw_fini(&whole);
    rt_arena_free(m.arena);
}

static void
test_core_msgs_damaged_bytes_fail_alike(void **state)
{
    maker m = {.arena = rt_arena_new(ARENA_BYTES)};
    rt_mpw whole;

    (void)state;
    rt_rng_seed(&m.rng, 9, 1);
    rt_mpw_init(&whole, ARENA_BYTES);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t d = 0; d < RT_COUNT(defs); d++) {
            rt_arena_reset(m.arena);
            void *msg = rt_arena_alloc(m.arena, defs[d]->size);
            make(&m, defs[d], msg, 1);
            rt_mpw_clear(&whole);
            rt_msg_encode(defs[d], msg, &whole);
            size_t at = rt_rng_below(&m.rng, whole.len);
            if (rt_rng_chance(&m.rng, 0.5)) {
                whole.ptr[at] ^= (uint8_t)(1u << rt_rng_below(&m.rng, 8));
            } else {
                whole.len = at;
            }
            rt_mp mp = rt_mp_init(rt_mpw_view(&whole));
            if (rt_mp_skip(&mp) == RT_OK && mp.at != whole.ptr + whole.len) {
                continue; // shorter now: what both leave behind is not the subject here
            }
            rt_err err = check_decode(defs[d], rt_mpw_view(&whole), m.arena);
            CHECK_TRUE(err == RT_OK || rt_err_detail()[0] != '\0');
        }
    }
    rt_mpw_fini(&whole);
    rt_arena_free(m.arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_core_msgs_codecs_agree_with_the_tables),
        cmocka_unit_test(test_core_msgs_codecs_fill_a_writer_to_the_last_byte),
        cmocka_unit_test(test_core_msgs_damaged_bytes_fail_alike),
    };

    return CHECK_RUN(tests);
}
