// harness/kv_cases.h: what every implementation of seam/kv.h must do, run against each.
//
// Layer: tests.   The including test sets `kv_cases_dir` to a directory that is new for each case.
#ifndef CEREBRO_TESTS_HARNESS_KV_CASES_H
#define CEREBRO_TESTS_HARNESS_KV_CASES_H

#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/rng.h"
#include "runtime/seam/kv.h"
#include "tests/harness/check.h"

#define KV_CASES_MAP_BYTES (64u * 1024 * 1024)

static char kv_cases_dir[512];

// kv_cases_text makes a view of text as bytes.
static rt_bytes
kv_cases_text(const char *text)
{
    return rt_bytes_of_str(rt_str_of(text));
}

// kv_cases_open opens the store of the case.
static rt_kv *
kv_cases_open(void)
{
    rt_kv *kv = NULL;

    CHECK_OK(rt_kv_open(kv_cases_dir, KV_CASES_MAP_BYTES, &kv));
    return kv;
}

// kv_cases_put commits one pair.
static void
kv_cases_put(rt_kv *kv, const char *key, const char *value)
{
    rt_kv_batch *batch = rt_kv_batch_new();

    rt_kv_batch_put(batch, kv_cases_text(key), kv_cases_text(value));
    CHECK_OK(rt_kv_commit(kv, batch));
    rt_kv_batch_free(batch);
}

// kv_cases_check wants a key to have a value, or none (NULL).
static void
kv_cases_check(rt_kv *kv, const char *key, const char *want)
{
    rt_arena *arena = rt_arena_new(1024 * 1024);
    rt_bytes value;
    rt_err err = rt_kv_get(kv, kv_cases_text(key), arena, &value);

    if (want == NULL) {
        CHECK_ERR(err, RT_ENOTFOUND);
    } else {
        CHECK_OK(err);
        CHECK_STR(rt_str_of_bytes(value), want);
    }
    rt_arena_free(arena);
}

static rt_err
kv_cases_on_pair(void *user, rt_bytes key, rt_bytes value)
{
    char *all = user;
    size_t used = strlen(all);

    (void)snprintf(all + used, 256 - used, "%.*s=%.*s ", (int)key.len, (const char *)key.ptr,
                   (int)value.len, (const char *)value.ptr);
    return strcmp((const char[]){(char)value.ptr[0], 0}, "!") == 0 ? RT_EEND : RT_OK;
}

static void
test_kv_batch_becomes_visible_together_and_lasts(void **state)
{
    rt_kv *kv = kv_cases_open();
    rt_kv_batch *batch = rt_kv_batch_new();

    (void)state;
    kv_cases_put(kv, "gone", "x");
    rt_kv_batch_put(batch, kv_cases_text("a"), kv_cases_text("1"));
    rt_kv_batch_put(batch, kv_cases_text("b"), kv_cases_text(""));
    rt_kv_batch_del(batch, kv_cases_text("gone"));
    rt_kv_batch_del(batch, kv_cases_text("never there"));
    rt_kv_batch_put(batch, kv_cases_text("a"), kv_cases_text("2"));
    CHECK_U64(rt_kv_batch_count(batch), 5);
    kv_cases_check(kv, "a", NULL);
    CHECK_OK(rt_kv_commit(kv, batch));
    rt_kv_batch_free(batch);
    kv_cases_check(kv, "a", "2");
    rt_kv_close(kv);

    kv = kv_cases_open();
    kv_cases_check(kv, "a", "2");
    kv_cases_check(kv, "b", "");
    kv_cases_check(kv, "gone", NULL);
    CHECK_TRUE(rt_kv_used_bytes(kv) > 0);
    rt_kv_close(kv);
}

static void
test_kv_last_operation_on_a_key_wins(void **state)
{
    rt_kv *kv = kv_cases_open();
    rt_kv_batch *batch = rt_kv_batch_new();

    (void)state;
    rt_kv_batch_put(batch, kv_cases_text("a"), kv_cases_text("1"));
    rt_kv_batch_del(batch, kv_cases_text("a"));
    rt_kv_batch_del(batch, kv_cases_text("b"));
    rt_kv_batch_put(batch, kv_cases_text("b"), kv_cases_text("2"));
    CHECK_OK(rt_kv_commit(kv, batch));
    rt_kv_batch_free(batch);
    kv_cases_check(kv, "a", NULL);
    kv_cases_check(kv, "b", "2");
    rt_kv_close(kv);
}

static void
test_kv_scan_goes_in_key_order_within_the_prefix(void **state)
{
    rt_kv *kv = kv_cases_open();
    char all[256] = {0};

    (void)state;
    CHECK_OK(rt_kv_scan(kv, kv_cases_text("t"), kv_cases_on_pair, all));
    CHECK_CSTR(all, "");
    kv_cases_put(kv, "tb", "2");
    kv_cases_put(kv, "s", "0");
    kv_cases_put(kv, "ta", "1");
    kv_cases_put(kv, "tab", "!");
    kv_cases_put(kv, "u", "3");
    CHECK_OK(rt_kv_scan(kv, kv_cases_text("tb"), kv_cases_on_pair, all));
    CHECK_CSTR(all, "tb=2 ");
    all[0] = '\0';
    CHECK_OK(rt_kv_scan(kv, kv_cases_text("t"), kv_cases_on_pair, all));
    CHECK_CSTR(all, "ta=1 tab=! ");
    all[0] = '\0';
    CHECK_OK(rt_kv_scan(kv, kv_cases_text(""), kv_cases_on_pair, all));
    CHECK_CSTR(all, "s=0 ta=1 tab=! ");
    rt_kv_close(kv);
}

static rt_err
kv_cases_fail(void *user, rt_bytes key, rt_bytes value)
{
    (void)user;
    (void)key;
    (void)value;
    return RT_ECORRUPT;
}

static void
test_kv_scan_hands_on_the_error_of_its_callback(void **state)
{
    rt_kv *kv = kv_cases_open();

    (void)state;
    kv_cases_put(kv, "a", "1");
    CHECK_ERR(rt_kv_scan(kv, kv_cases_text(""), kv_cases_fail, NULL), RT_ECORRUPT);
    kv_cases_check(kv, "a", "1");
    rt_kv_close(kv);
}

static void
test_kv_get_into_a_full_arena_is_enomem(void **state)
{
    rt_kv *kv = kv_cases_open();
    rt_arena *arena = rt_arena_new(16);
    rt_bytes value;

    (void)state;
    kv_cases_put(kv, "a", "a value of more than sixteen bytes");
    CHECK_ERR(rt_kv_get(kv, kv_cases_text("a"), arena, &value), RT_ENOMEM);
    rt_arena_free(arena);
    rt_kv_close(kv);
}

typedef struct kv_cases_done {
    rt_loop *loop;
    rt_err err;
    int count;
} kv_cases_done;

static void
kv_cases_on_done(void *user, rt_err err)
{
    kv_cases_done *done = user;

    done->err = err;
    done->count++;
    rt_loop_stop(done->loop);
}

static rt_kv_batch *
kv_cases_batch(const char *key, const char *value)
{
    rt_kv_batch *batch = rt_kv_batch_new();

    rt_kv_batch_put(batch, kv_cases_text(key), kv_cases_text(value));
    return batch;
}

static void
test_kv_started_commit_calls_back_on_the_loop(void **state)
{
    rt_kv *kv = kv_cases_open();
    kv_cases_done done = {.loop = rt_loop_new(), .err = RT_EIO};

    (void)state;
    for (int i = 1; i <= 20; i++) {
        char value[16];

        (void)snprintf(value, sizeof(value), "%d", i);
        rt_kv_commit_start(kv, kv_cases_batch("a", value), done.loop, kv_cases_on_done, &done);
        CHECK_INT(done.count, i - 1);
        rt_loop_run(done.loop);
        CHECK_INT(done.count, i);
        CHECK_OK(done.err);
        kv_cases_check(kv, "a", value);
    }
    rt_kv_close(kv);
    rt_loop_free(done.loop);
}

static void
test_kv_close_waits_and_makes_the_call_it_owes(void **state)
{
    rt_kv *kv = kv_cases_open();
    kv_cases_done done = {.loop = rt_loop_new(), .err = RT_EIO};

    (void)state;
    rt_kv_commit_start(kv, kv_cases_batch("a", "1"), done.loop, kv_cases_on_done, &done);
    rt_kv_close(kv);
    CHECK_INT(done.count, 1);
    CHECK_OK(done.err);
    kv = kv_cases_open();
    kv_cases_check(kv, "a", "1");
    rt_kv_close(kv);
    rt_loop_free(done.loop);
}

static void
test_kv_commit_waits_for_a_started_one(void **state)
{
    rt_kv *kv = kv_cases_open();
    kv_cases_done done = {.loop = rt_loop_new(), .err = RT_EIO};

    (void)state;
    rt_kv_commit_start(kv, kv_cases_batch("a", "1"), done.loop, kv_cases_on_done, &done);
    kv_cases_put(kv, "a", "2");
    kv_cases_check(kv, "a", "2");
    CHECK_INT(done.count, 0);
    rt_loop_run(done.loop);
    CHECK_INT(done.count, 1);
    kv_cases_check(kv, "a", "2");
    rt_kv_close(kv);
    rt_loop_free(done.loop);
}

static void
test_kv_full_store_is_enospc_and_goes_on(void **state)
{
    const size_t value_len = 60000;
    uint8_t *value = rt_alloc(value_len);
    rt_kv *kv = NULL;
    rt_err err = RT_OK;
    int stored = 0;

    (void)state;
    CHECK_OK(rt_kv_open(kv_cases_dir, 1024 * 1024, &kv));
    for (; err == RT_OK && stored < 100; stored++) {
        rt_kv_batch *batch = rt_kv_batch_new();
        char key[16];

        (void)snprintf(key, sizeof(key), "k%03d", stored);
        rt_kv_batch_put(batch, kv_cases_text(key), (rt_bytes){value, value_len});
        err = rt_kv_commit(kv, batch);
        rt_kv_batch_free(batch);
    }
    CHECK_ERR(err, RT_ENOSPC);
    CHECK_TRUE(stored > 8 && stored < 20);
    {
        rt_kv_batch *batch = rt_kv_batch_new();

        rt_kv_batch_del(batch, kv_cases_text("k000"));
        rt_kv_batch_del(batch, kv_cases_text("k001"));
        CHECK_OK(rt_kv_commit(kv, batch));
        rt_kv_batch_free(batch);
    }
    kv_cases_put(kv, "small", "fits");
    kv_cases_check(kv, "small", "fits");
    rt_free(value);
    rt_kv_close(kv);
}

static void
test_kv_second_owner_is_locked_out(void **state)
{
    rt_kv *kv = kv_cases_open();
    rt_kv *second = NULL;

    (void)state;
    CHECK_ERR(rt_kv_open(kv_cases_dir, KV_CASES_MAP_BYTES, &second), RT_ELOCKED);
    rt_kv_close(kv);
}

static void
test_kv_readonly_opens_a_stopped_store(void **state)
{
    rt_kv *kv = NULL;

    (void)state;
    CHECK_ERR(rt_kv_open_readonly(kv_cases_dir, &kv), RT_ENOTFOUND);
    kv = kv_cases_open();
    kv_cases_put(kv, "a", "1");
    rt_kv_close(kv);
    CHECK_OK(rt_kv_open_readonly(kv_cases_dir, &kv));
    kv_cases_check(kv, "a", "1");
    rt_kv_close(kv);
}

#define KV_CASES_MODEL_KEYS 200

// kv_cases_compare wants the store to hold exactly the model's pairs.
static void
kv_cases_compare(rt_kv *kv, char model[KV_CASES_MODEL_KEYS][16])
{
    for (int k = 0; k < KV_CASES_MODEL_KEYS; k++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "key%d", k);
        kv_cases_check(kv, key, model[k][0] != '\0' ? model[k] : NULL);
    }
}

static void
test_kv_random_batches_agree_with_a_model(void **state)
{
    static char model[KV_CASES_MODEL_KEYS][16];
    rt_kv *kv = kv_cases_open();
    rt_rng rng;

    (void)state;
    memset(model, 0, sizeof(model));
    rt_rng_seed(&rng, 11, 1);
    for (int round = 0; round < 30; round++) {
        rt_kv_batch *batch = rt_kv_batch_new();

        for (uint64_t n = rt_rng_below(&rng, 100); n > 0; n--) {
            size_t k = (size_t)rt_rng_below(&rng, KV_CASES_MODEL_KEYS);
            char key[16];

            (void)snprintf(key, sizeof(key), "key%zu", k);
            if (rt_rng_chance(&rng, 0.3)) {
                model[k][0] = '\0';
                rt_kv_batch_del(batch, kv_cases_text(key));
            } else {
                (void)snprintf(model[k], sizeof(model[k]), "v%u",
                               (unsigned)rt_rng_below(&rng, 100000));
                rt_kv_batch_put(batch, kv_cases_text(key), kv_cases_text(model[k]));
            }
        }
        CHECK_OK(rt_kv_commit(kv, batch));
        rt_kv_batch_free(batch);
        kv_cases_compare(kv, model);
        if (round % 10 == 9) {
            rt_kv_close(kv);
            kv = kv_cases_open();
            kv_cases_compare(kv, model);
        }
    }
    rt_kv_close(kv);
}

static void
test_kv_set_aside_makes_room_for_a_new_one(void **state)
{
    char path[600];
    rt_kv *kv = NULL;

    (void)state;
    CHECK_ERR(rt_kv_set_aside(kv_cases_dir, path, sizeof(path)), RT_ENOTFOUND);
    kv = kv_cases_open();
    CHECK_TRUE(rt_kv_is_new(kv));
    CHECK_U64(rt_kv_aside_count(kv_cases_dir), 0);
    for (unsigned i = 1; i <= RT_KV_ASIDE_MAX + 2; i++) {
        kv_cases_put(kv, "a", "1");
        CHECK_ERR(rt_kv_set_aside(kv_cases_dir, path, sizeof(path)), RT_ELOCKED);
        rt_kv_close(kv);
        kv = kv_cases_open();
        CHECK_FALSE(rt_kv_is_new(kv));
        rt_kv_close(kv);

        CHECK_OK(rt_kv_set_aside(kv_cases_dir, path, sizeof(path)));
        CHECK_TRUE(strncmp(path, kv_cases_dir, strlen(kv_cases_dir)) == 0);
        CHECK_U64(rt_kv_aside_count(kv_cases_dir), RT_MIN(i, RT_KV_ASIDE_MAX));
        CHECK_ERR(rt_kv_set_aside(kv_cases_dir, path, sizeof(path)), RT_ENOTFOUND);
        kv = kv_cases_open();
        CHECK_TRUE(rt_kv_is_new(kv));
        kv_cases_check(kv, "a", NULL);
    }
    rt_kv_close(kv);
}

#define KV_CASES(setup)                                                                            \
    cmocka_unit_test_setup(test_kv_batch_becomes_visible_together_and_lasts, setup),               \
        cmocka_unit_test_setup(test_kv_last_operation_on_a_key_wins, setup),                       \
        cmocka_unit_test_setup(test_kv_scan_goes_in_key_order_within_the_prefix, setup),           \
        cmocka_unit_test_setup(test_kv_scan_hands_on_the_error_of_its_callback, setup),            \
        cmocka_unit_test_setup(test_kv_get_into_a_full_arena_is_enomem, setup),                    \
        cmocka_unit_test_setup(test_kv_started_commit_calls_back_on_the_loop, setup),              \
        cmocka_unit_test_setup(test_kv_close_waits_and_makes_the_call_it_owes, setup),             \
        cmocka_unit_test_setup(test_kv_commit_waits_for_a_started_one, setup),                     \
        cmocka_unit_test_setup(test_kv_full_store_is_enospc_and_goes_on, setup),                   \
        cmocka_unit_test_setup(test_kv_second_owner_is_locked_out, setup),                         \
        cmocka_unit_test_setup(test_kv_readonly_opens_a_stopped_store, setup),                     \
        cmocka_unit_test_setup(test_kv_set_aside_makes_room_for_a_new_one, setup),                 \
        cmocka_unit_test_setup(test_kv_random_batches_agree_with_a_model, setup)

#endif
