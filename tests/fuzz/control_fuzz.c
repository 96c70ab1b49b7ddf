// The control door of a live brain.
//
// The input is a row of msgpack values, each one request of an operator's tool; what is no msgpack
// at the end is a request too. Every request must be answered by well-formed frames, the last one
// with `ok` and, where it is false, a code and a text; only records.follow may stay. The brain
// lives on.
#include "tests/fuzz/life.h"

#include "brain/core/control.h"
#include "tests/fuzz/fuzz.h"

#define CALLS_MAX 4096
#define ANSWER_MS 400 // virtual; the slowest waits for the hosts' hashes
#define STEP_MS 1

typedef struct call {
    rt_ctl_call *call;
    bool is_follow;
    bool is_over;
} call;

static br_brain *brain;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_begin();
    return 0;
}

static void
check_refusal(rt_bytes answer)
{
    rt_mp at;
    rt_str text = {NULL, 0};

    RT_ASSERT(rt_mp_find_path(answer, RT_STR("error.code"), &at) && rt_mp_str(&at, &text) == RT_OK);
    RT_ASSERT(rt_str_starts(text, RT_STR("RT_E")));
    RT_ASSERT(rt_mp_find_path(answer, RT_STR("error.text"), &at) && rt_mp_str(&at, &text) == RT_OK);
    RT_ASSERT(text.len > 0);
}

static void
on_answer(void *user, rt_err err, rt_bytes body, bool last)
{
    call *c = user;
    rt_mp at;
    bool ok = false;

    RT_ASSERT(!c->is_over);
    c->is_over = last;
    if (err != RT_OK) {
        RT_ASSERT(err == RT_ECLOSED);
        c->is_over = true;
        return;
    }
    RT_ASSERT(rt_mp_check(body) == RT_OK);
    if (!last) {
        return;
    }
    RT_ASSERT(rt_mp_find(body, RT_STR("ok"), &at) && rt_mp_bool(&at, &ok) == RT_OK);
    if (!ok) {
        check_refusal(body);
    }
}

static bool
is_follow(rt_bytes body)
{
    rt_mp at;
    rt_str cmd = {NULL, 0};

    return rt_mp_find(body, RT_STR("cmd"), &at) && rt_mp_str(&at, &cmd) == RT_OK &&
           rt_str_is(cmd, "records.follow");
}

// Makes the calls of an input, one after the other, and lets each be answered.
static void
run(call *calls, rt_bytes input)
{
    rt_mp mp = rt_mp_init(input);
    size_t count = 0;

    while (count < CALLS_MAX && (!rt_mp_done(&mp) || count == 0)) {
        call *c = &calls[count++];
        rt_mp before = mp;
        rt_bytes body = {NULL, 0};

        if (rt_mp_raw(&mp, &body) != RT_OK) {
            body = (rt_bytes){before.at, (size_t)(before.end - before.at)};
            mp.at = mp.end;
        }
        life_note(body);
        *c = (call){.is_follow = is_follow(body)};
        c->call = sim_ctl_call(LIFE_CONTROL, 0, body, on_answer, c);
        RT_ASSERT(c->call != NULL);
        for (int64_t ms = 0; ms < ANSWER_MS && !c->is_over; ms += STEP_MS) {
            if (c->is_follow && ms == 2 * STEP_MS) {
                break;
            }
            sim_advance_ms(STEP_MS);
        }
        RT_ASSERT(c->is_over || c->is_follow);
        life_check(brain);
    }
    for (size_t i = 0; i < count; i++) {
        if (!calls[i].is_over) {
            sim_ctl_hangup(calls[i].call);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static call calls[CALLS_MAX];
    bool is_new = false;

    brain = life_next(false, &is_new);
    run(calls, (rt_bytes){data, size});
    return 0;
}
