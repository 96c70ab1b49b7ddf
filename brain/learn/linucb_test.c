#include "brain/learn/linucb.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

#define DIM 4
#define ARMS 3
#define ROUNDS 4000
#define LETTERS 26
#define LETTER_DIM 17
#define LETTER_ROWS 20000

typedef struct store {
    double weights[LETTERS][LETTER_DIM];
    double covariances[LETTERS][BR_SYMMETRIC_COUNT(LETTER_DIM)];
    br_linucb arms[LETTERS];
} store;

static void
begin(store *s, uint32_t arms, uint32_t dim)
{
    for (uint32_t a = 0; a < arms; a++) {
        s->arms[a] = (br_linucb){dim, s->weights[a], s->covariances[a]};
        br_linucb_init(&s->arms[a], 1.0);
    }
}

static uint32_t
best_of(const store *s, uint32_t arms, const double *x, double alpha)
{
    uint32_t best = 0;
    double most = -INFINITY;

    for (uint32_t a = 0; a < arms; a++) {
        br_linucb_estimate e = br_linucb_predict(&s->arms[a], x);

        if (e.mean + alpha * e.doubt > most) {
            most = e.mean + alpha * e.doubt;
            best = a;
        }
    }
    return best;
}

static void
test_linucb_weights_are_those_of_least_squares(void **unused)
{
    static store s;
    const double truth[DIM] = {0.5, -1.0, 2.0, 0.25};
    rt_rng rng;

    begin(&s, 1, DIM);
    rt_rng_seed(&rng, 5, 1);
    for (int i = 0; i < 2000; i++) {
        double x[DIM] = {1.0, rt_rng_f64(&rng), rt_rng_f64(&rng), rt_rng_f64(&rng)};

        CHECK_OK(br_linucb_update(&s.arms[0], x, br_dot(truth, x, DIM)));
    }

    for (size_t i = 0; i < DIM; i++) {
        CHECK_NEAR(s.weights[0][i], truth[i], 0.05); // the ridge pulls to 0
    }
    CHECK_OK(br_linucb_check(&s.arms[0]));
    (void)unused;
}

static void
test_linucb_doubt_falls_as_rewards_come(void **unused)
{
    static store s;
    const double x[DIM] = {1.0, 0.5, 0, 0};
    const double other[DIM] = {0, 0, 0, 1.0};

    begin(&s, 1, DIM);
    double before = br_linucb_predict(&s.arms[0], x).doubt;
    for (int i = 0; i < 99; i++) {
        CHECK_OK(br_linucb_update(&s.arms[0], x, 1.0));
    }

    CHECK_NEAR(before, sqrt(1.25), 1e-12);
    CHECK_NEAR(br_linucb_predict(&s.arms[0], x).doubt, sqrt(1.25 / (1 + 99 * 1.25)), 1e-9);
    CHECK_NEAR(br_linucb_predict(&s.arms[0], other).doubt, 1.0, 1e-12); // nothing is known of it
    (void)unused;
}

// The mean reward of the last quarter, where each action is best in a third of the situations.
static double
play(bool learns, double explore, double *ret_least)
{
    static store s;
    rt_rng rng;
    double sum = 0;

    begin(&s, ARMS, DIM);
    rt_rng_seed(&rng, 11, 1);
    *ret_least = 1;
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t kind = (uint32_t)rt_rng_below(&rng, ARMS);
        double x[DIM] = {1.0, kind == 0, kind == 1, rt_rng_f64(&rng)};
        uint32_t best = learns ? best_of(&s, ARMS, x, 0.3) : 0;
        double propensity;
        uint32_t arm = br_explore_pick(ARMS, best, explore, rt_rng_f64(&rng), &propensity);
        double reward = rt_rng_chance(&rng, arm == kind ? 0.8 : 0.2) ? 1.0 : 0.0;

        CHECK_OK(br_linucb_update(&s.arms[arm], x, reward));
        sum += i >= ROUNDS * 3 / 4 ? reward : 0;
        *ret_least = fmin(*ret_least, propensity);
    }
    return sum / (ROUNDS / 4);
}

static void
test_linucb_beats_chance_and_any_one_action(void **unused)
{
    double least;
    double learned = play(true, 0.1, &least);
    double fixed = play(false, 0, &least);
    double chance = play(false, 1, &least);

    CHECK_TRUE(learned > 0.70); // 0.76 is what it can reach while it explores
    CHECK_TRUE(fixed < 0.46 && chance < 0.46);
    (void)play(true, 0.1, &least);
    CHECK_NEAR(least, 0.1 / ARMS, 1e-12);
    (void)unused;
}

static void
test_explore_pick_has_the_probabilities_that_it_says(void **unused)
{
    int count[4] = {0};
    double said[4] = {0};
    rt_rng rng;

    rt_rng_seed(&rng, 2, 9);
    for (int i = 0; i < 100000; i++) {
        double propensity;
        uint32_t picked = br_explore_pick(4, 2, 0.2, rt_rng_f64(&rng), &propensity);

        count[picked]++;
        said[picked] = propensity;
    }

    for (int i = 0; i < 4; i++) {
        CHECK_NEAR(said[i], i == 2 ? 0.85 : 0.05, 1e-12);
        CHECK_NEAR(count[i] / 100000.0, said[i], 0.004);
    }
    double propensity;
    CHECK_INT(br_explore_pick(1, 0, 1, 0.999999, &propensity), 0);
    CHECK_NEAR(propensity, 1, 0);
    CHECK_INT(br_explore_pick(3, 1, 0, 0, &propensity), 1);
    CHECK_NEAR(propensity, 1, 0);
    (void)unused;
}

static void
test_linucb_absurd_input_changes_nothing(void **unused)
{
    static store s;
    double x[DIM] = {1.0, NAN, 0, 0};

    begin(&s, 1, DIM);
    CHECK_ERR(br_linucb_update(&s.arms[0], x, 1.0), RT_EINVAL);
    x[1] = 1e200;
    CHECK_ERR(br_linucb_update(&s.arms[0], x, 1.0), RT_EINVAL);
    x[1] = 1;
    CHECK_ERR(br_linucb_update(&s.arms[0], x, INFINITY), RT_EINVAL);
    CHECK_NEAR(s.weights[0][0], 0, 0);
    CHECK_NEAR(s.covariances[0][0], 1, 0);
    s.covariances[0][2] = -1;
    CHECK_ERR(br_linucb_check(&s.arms[0]), RT_ECORRUPT);
    s.covariances[0][2] = NAN;
    CHECK_ERR(br_linucb_check(&s.arms[0]), RT_ECORRUPT);
    (void)unused;
}

// "T,2,8,3,..." as bias and 16 features around 0.
static bool
read_letter(FILE *file, double *x, uint32_t *ret_letter)
{
    char line[256];
    char *at = line;

    if (fgets(line, sizeof(line), file) == NULL || line[0] < 'A' || line[0] > 'Z') {
        return false;
    }
    *ret_letter = (uint32_t)(line[0] - 'A');
    x[0] = 1;
    for (int i = 1; i < LETTER_DIM; i++) {
        double number = 0;

        at = strchr(at, ',');
        if (at == NULL) {
            return false;
        }
        for (at++; *at >= '0' && *at <= '9'; at++) {
            number = number * 10 + (*at - '0');
        }
        x[i] = (number - 7.5) / 7.5;
    }
    return true;
}

static void
test_linucb_learns_letters_from_right_or_wrong(void **unused)
{
    static store s;
    const char *root = getenv("CEREBRO_DATA");
    char path[512];
    char header[256];
    double x[LETTER_DIM];
    uint32_t letter;
    int wrong = 0;
    int rows = 0;
    rt_rng rng;

    (void)snprintf(path, sizeof(path), "%s/bandit/letter-recognition.data",
                   root != NULL ? root : "../shared/data");
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        print_message("SKIP: no letter-recognition.data (set CEREBRO_DATA)\n");
        skip();
    }
    begin(&s, LETTERS, LETTER_DIM);
    rt_rng_seed(&rng, 1, 1);
    CHECK_TRUE(fgets(header, sizeof(header), file) != NULL);
    while (rows < LETTER_ROWS && read_letter(file, x, &letter)) {
        double propensity;
        uint32_t guess = br_explore_pick(LETTERS, best_of(&s, LETTERS, x, 0.3), 0.02,
                                         rt_rng_f64(&rng), &propensity);

        CHECK_OK(br_linucb_update(&s.arms[guess], x, guess == letter ? 1 : 0));
        rows++;
        wrong += rows > LETTER_ROWS * 3 / 4 && guess != letter;
    }
    (void)fclose(file);
    print_message("letters: %.3f wrong of the last %d; by chance %.3f\n",
                  wrong / (LETTER_ROWS / 4.0), LETTER_ROWS / 4, 1 - 1.0 / LETTERS);
    CHECK_INT(rows, LETTER_ROWS);
    CHECK_TRUE(wrong < LETTER_ROWS / 4 * 6 / 10);
    (void)unused;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linucb_weights_are_those_of_least_squares),
        cmocka_unit_test(test_linucb_doubt_falls_as_rewards_come),
        cmocka_unit_test(test_linucb_beats_chance_and_any_one_action),
        cmocka_unit_test(test_explore_pick_has_the_probabilities_that_it_says),
        cmocka_unit_test(test_linucb_absurd_input_changes_nothing),
        cmocka_unit_test(test_linucb_learns_letters_from_right_or_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
