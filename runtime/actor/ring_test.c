#include "runtime/actor/ring.h"

#include "runtime/base/alloc.h"
#include "runtime/base/rng.h"
#include "runtime/seam/loop.h"
#include "tests/harness/check.h"

#define BYTES 1024u
#define CROSSING 100000u

static void
put(rt__ring *ring, uint64_t value, uint32_t len)
{
    uint8_t *place = rt__ring_put(ring, len);

    assert_non_null(place);
    CHECK_INT((uintptr_t)place % 8, 0);
    memset(place, (int)(value & 0xff), len);
}

static void
check_next(rt__ring *ring, uint64_t value, uint32_t want_len)
{
    uint32_t len = 0;
    const uint8_t *place = rt__ring_peek(ring, &len);

    assert_non_null(place);
    CHECK_INT(len, want_len);
    for (uint32_t i = 0; i < len; i++) {
        CHECK_INT(place[i], value & 0xff);
    }
    rt__ring_pop(ring);
}

static void
test_ring_shows_only_what_was_published(void **state)
{
    rt__ring *ring = rt__ring_new(BYTES);
    uint32_t len = 0;

    (void)state;
    CHECK_FALSE(rt__ring_publish(ring));
    put(ring, 1, 5);
    CHECK_TRUE(rt__ring_peek(ring, &len) == NULL);
    CHECK_TRUE(rt__ring_publish(ring));
    CHECK_FALSE(rt__ring_publish(ring));
    put(ring, 2, 5);
    check_next(ring, 1, 5);
    CHECK_TRUE(rt__ring_peek(ring, &len) == NULL);
    rt__ring_free(ring);
    rt__ring_free(NULL);
}

static void
test_ring_takes_back_what_was_not_published(void **state)
{
    rt__ring *ring = rt__ring_new(BYTES);
    uint64_t mark = 0;

    (void)state;
    put(ring, 1, 300);
    mark = rt__ring_mark(ring);
    put(ring, 2, 400);
    rt__ring_undo(ring, mark);
    put(ring, 3, 100);
    CHECK_TRUE(rt__ring_publish(ring));
    check_next(ring, 1, 300);
    check_next(ring, 3, 100);
    rt__ring_free(ring);
}

static void
test_ring_full_refuses_and_goes_on(void **state)
{
    rt__ring *ring = rt__ring_new(BYTES);
    uint32_t longest = rt__ring_record_max(ring);

    (void)state;
    CHECK_INT(longest, 504);
    put(ring, 1, longest);
    put(ring, 2, longest);
    CHECK_TRUE(rt__ring_put(ring, 0) == NULL);
    CHECK_TRUE(rt__ring_publish(ring));
    check_next(ring, 1, longest);
    put(ring, 3, longest);
    CHECK_TRUE(rt__ring_publish(ring));
    check_next(ring, 2, longest);
    check_next(ring, 3, longest);
    rt__ring_free(ring);
}

// Any lengths, puts and takes by chance, against the plain list of what was put.
static void
test_ring_keeps_order_and_content_whatever_the_lengths(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        rt__ring *ring = rt__ring_new(BYTES);
        rt_rng rng;
        uint32_t lens[256];
        uint64_t done = 0;
        uint64_t taken = 0;
        int refused = 0;

        rt_rng_seed(&rng, seed, 0);
        while (taken < 2000) {
            uint32_t len = (uint32_t)rt_rng_below(&rng, 505);

            if (rt_rng_below(&rng, 2) == 0) {
                void *place = done - taken < 256 ? rt__ring_put(ring, len) : NULL;

                if (place == NULL) {
                    refused++;
                    CHECK_TRUE(taken < done); // an empty ring takes anything
                } else {
                    memset(place, (int)(done & 0xff), len);
                    lens[done++ % 256] = len;
                    (void)rt__ring_publish(ring);
                }
            } else if (taken < done) {
                check_next(ring, taken, lens[taken % 256]);
                taken++;
            }
        }
        CHECK_TRUE(refused > 0);
        rt__ring_free(ring);
    }
}

static void
write_all(void *user)
{
    rt__ring *ring = user;
    uint32_t sent = 0;

    while (sent < CROSSING) {
        uint32_t *place = rt__ring_put(ring, 8 + sent % 40);

        if (place != NULL) {
            place[0] = sent;
            place[1] = ~sent;
            sent++;
        }
        if (place == NULL || sent % 7 == 0 || sent == CROSSING) {
            (void)rt__ring_publish(ring);
        }
    }
}

static void
test_ring_between_threads_loses_nothing(void **state)
{
    rt__ring *ring = rt__ring_new(64 * BYTES);
    rt_thread *thread = rt_thread_start("writer", write_all, ring);
    uint32_t got = 0;

    (void)state;
    while (got < CROSSING) {
        uint32_t len = 0;
        const uint32_t *place = rt__ring_peek(ring, &len);

        if (place != NULL) {
            assert_true(place[0] == got && place[1] == ~got && len == 8 + got % 40);
            got++;
            rt__ring_pop(ring);
        }
    }
    rt_thread_join(thread);
    rt__ring_free(ring);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring_shows_only_what_was_published),
        cmocka_unit_test(test_ring_takes_back_what_was_not_published),
        cmocka_unit_test(test_ring_full_refuses_and_goes_on),
        cmocka_unit_test(test_ring_keeps_order_and_content_whatever_the_lengths),
        cmocka_unit_test(test_ring_between_threads_loses_nothing),
    };

    return CHECK_RUN(tests);
}
