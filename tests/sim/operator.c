#include <stdio.h>

#include "runtime/base/alloc.h"
#include "tests/sim/garbage.h"
#include "tests/sim/internal.h"

// Design notes.
// Somebody at the control door who looks at one tenant after the other, follows the journal, leaves
// without a word, has no business there, or talks nonsense. What was asked of one tenant is
// answered with nothing of another. Others look what playbooks ask for and grant it, deny it,
// answer twice or too late, or set the mode of a playbook.

#define CALL_BYTES_MAX 65536
#define STRANGER_UID 4711
#define FOLLOWED_HAPPENINGS 400
#define NOBODYS_ROLE "left-after-problem" // nobody here has its role (draw.c)

// One call; lives as long as the world, because the door may answer late.
struct world_ask {
    world *w;
    const char *cmd;
    uint16_t tenant; // 0: nothing was asked of one tenant
    bool refused;    // it has to be
    bool ended;
    rt_ctl_call *call;
    uint64_t hang_up; // at so many happenings; 0: never
    struct world_ask *next;
};

static void
on_answer(void *user, rt_err err, rt_bytes body, bool last)
{
    world_ask *ask = user;
    unsigned foreign = ask->tenant != 0 ? shop_foreign(body, ask->tenant) : 0;
    rt_mp at;
    bool ok = false;

    if (foreign != 0) {
        world_violated(ask->w, "%s for tenant %u was answered with something of tenant %u",
                       ask->cmd, ask->tenant, foreign);
    }
    if (err == RT_OK && ask->refused && rt_mp_find(body, RT_STR("ok"), &at) &&
        rt_mp_bool(&at, &ok) == RT_OK && ok) {
        world_violated(ask->w, "%s was answered and should have been refused", ask->cmd);
    }
    ask->ended = ask->ended || last || err != RT_OK;
}

static void
put_subject(world *w, rt_mpw *args, uint16_t tenant)
{
    char subject[96];
    bool customer = rt_rng_chance(&w->rng, 0.5);
    unsigned number = (unsigned)world_between(w, 0, 20);
    int len = 0;

    len = customer ? snprintf(subject, sizeof(subject), "customer/c%06u", number)
                   : snprintf(subject, sizeof(subject), "order/261120-%05u", number);
    if (w->draw.ids_marked) {
        len += snprintf(subject + len, sizeof(subject) - (size_t)len, SHOP_MARK "%u", tenant);
    }
    rt_mpw_cstr(args, "subject");
    rt_mpw_str(args, (rt_str){subject, (size_t)len});
}

// {cmd, args: {tenant, ...}}
static void
write_call(world *w, const world_ask *ask, rt_mpw *call)
{
    bool has_subject = strcmp(ask->cmd, "memory.show") == 0;
    bool has_seq = strcmp(ask->cmd, "explain") == 0;
    uint32_t pairs = 1u + (ask->tenant != 0 ? 1 : 0) + (has_subject || has_seq ? 1 : 0);
    uint64_t last = rt_journal_committed(w->brain->journal);

    rt_mpw_map(call, 2);
    rt_mpw_cstr(call, "cmd");
    rt_mpw_cstr(call, ask->cmd);
    rt_mpw_cstr(call, "args");
    rt_mpw_map(call, pairs);
    rt_mpw_cstr(call, "limit");
    rt_mpw_u64(call, 40);
    if (ask->tenant != 0) {
        rt_mpw_cstr(call, "tenant");
        rt_mpw_cstr(call, world_tenants[ask->tenant - 1].name);
    }
    if (has_subject) {
        put_subject(w, call, ask->tenant);
    } else if (has_seq) {
        rt_mpw_cstr(call, "seq");
        rt_mpw_u64(call, 1 + rt_rng_below(&w->rng, last + 2));
    }
}

static world_ask *
new_ask(world *w, const char *cmd)
{
    world_ask *ask = rt_new(world_ask);

    ask->w = w;
    ask->cmd = cmd;
    ask->next = w->asks;
    w->asks = ask;
    return ask;
}

static void
send(world_ask *ask, uint32_t uid, rt_bytes body)
{
    ask->call = sim_ctl_call(CONTROL_PATH, uid, body, on_answer, ask);
    ask->ended = ask->call == NULL;
}

// --- what playbooks ask for -------------------------------------------------------------------

// {cmd, args} with texts in pairs.
static void
write_texts(const char *cmd, const char *const pairs[][2], uint32_t count, rt_mpw *call)
{
    rt_mpw_map(call, 2);
    rt_mpw_cstr(call, "cmd");
    rt_mpw_cstr(call, cmd);
    rt_mpw_cstr(call, "args");
    rt_mpw_map(call, count);
    for (uint32_t i = 0; i < count; i++) {
        rt_mpw_cstr(call, pairs[i][0]);
        rt_mpw_cstr(call, pairs[i][1]);
    }
}

static void
answer_request(world *w, const world_request *request, bool granted)
{
    const char *const pairs[][2] = {{"playbook", request->playbook},
                                    {"key", request->key},
                                    {"tenant", request->tenant},
                                    {"verdict", granted ? "granted" : "denied"},
                                    {"reason", "looked at"}};
    world_ask *ask = new_ask(w, "approvals.decide");
    rt_mpw call;

    ask->refused = strcmp(request->playbook, NOBODYS_ROLE) == 0;
    world_say(w, "an operator: %s %s of %s", pairs[3][1], request->key, request->playbook);
    rt_mpw_init(&call, CALL_BYTES_MAX);
    write_texts(ask->cmd, pairs, RT_COUNT(pairs), &call);
    send(ask, 0, rt_mpw_view(&call));
    rt_mpw_fini(&call);
    w->result->faults[granted ? FAULT_APPROVAL_GRANTED : FAULT_APPROVAL_DENIED]++;
}

static bool
read_text(rt_bytes map, const char *name, char *ret, size_t cap)
{
    rt_mp at;
    rt_str text;

    return rt_mp_find(map, rt_str_of(name), &at) && rt_mp_str(&at, &text) == RT_OK &&
           snprintf(ret, cap, "%.*s", RT_STR_ARG(text)) < (int)cap;
}

// One of the requests that were told, by lot.
static bool
pick_request(world *w, rt_bytes body, world_request *ret)
{
    rt_mp at;
    rt_bytes row;
    uint32_t count = 0;

    if (!rt_mp_find(body, RT_STR("requests"), &at) || rt_mp_array(&at, &count) != RT_OK ||
        count == 0) {
        return false;
    }
    for (uint64_t skipped = rt_rng_below(&w->rng, count); skipped > 0; skipped--) {
        if (rt_mp_skip(&at) != RT_OK) {
            return false;
        }
    }
    return rt_mp_raw(&at, &row) == RT_OK &&
           read_text(row, "playbook", ret->playbook, sizeof(ret->playbook)) &&
           read_text(row, "key", ret->key, sizeof(ret->key)) &&
           read_text(row, "tenant", ret->tenant, sizeof(ret->tenant));
}

static void
on_requests(void *user, rt_err err, rt_bytes body, bool last)
{
    world_ask *ask = user;
    world *w = ask->w;
    world_request request = {0};

    ask->ended = ask->ended || last || err != RT_OK;
    if (err != RT_OK || w->calm || !pick_request(w, body, &request)) {
        return;
    }
    answer_request(w, &request, rt_rng_chance(&w->rng, 0.7));
    if (rt_rng_chance(&w->rng, 0.2)) { // two operators at once, or one who is not sure
        w->result->faults[FAULT_APPROVAL_AGAIN]++;
        answer_request(w, &request, rt_rng_chance(&w->rng, 0.7));
    }
    w->request = request;
}

static void
ask_requests(world *w)
{
    world_ask *ask = NULL;
    rt_mpw call;

    if (w->request.playbook[0] != '\0' && rt_rng_chance(&w->rng, 0.1)) { // long answered
        w->result->faults[FAULT_APPROVAL_AGAIN]++;
        answer_request(w, &w->request, true);
        return;
    }
    ask = new_ask(w, "approvals.list");
    rt_mpw_init(&call, CALL_BYTES_MAX);
    write_texts(ask->cmd, NULL, 0, &call);
    ask->call = sim_ctl_call(CONTROL_PATH, 0, rt_mpw_view(&call), on_requests, ask);
    ask->ended = ask->call == NULL;
    rt_mpw_fini(&call);
}

static void
set_mode(world *w)
{
    static const char *const playbooks[] = {"unconfirmed-payment", "out-for-delivery-notice",
                                            "damaged-item", "failed-delivery-attempt",
                                            "ask-for-rating", "stuck-parcel", "no-such-playbook"};
    static const char *const modes[] = {"off", "shadow", "canary", "live", "live"};
    const char *playbook = playbooks[rt_rng_below(&w->rng, RT_COUNT(playbooks))];
    const char *mode = modes[rt_rng_below(&w->rng, RT_COUNT(modes))];
    const char *const pairs[][2] = {{"playbook", playbook}, {"mode", mode}, {"reason", "tried"}};
    world_ask *ask = new_ask(w, "playbooks.promote");
    rt_mpw call;

    ask->refused = strcmp(playbook, "no-such-playbook") == 0;
    world_say(w, "an operator: %s is %s", playbook, mode);
    w->result->faults[FAULT_MODE_SET]++;
    rt_mpw_init(&call, CALL_BYTES_MAX);
    write_texts(ask->cmd, pairs, RT_COUNT(pairs), &call);
    send(ask, 0, rt_mpw_view(&call));
    rt_mpw_fini(&call);
}

static void
ask_garbage(world *w)
{
    uint8_t buf[GARBAGE_CAP];
    world_ask *ask = new_ask(w, "garbage");

    w->result->faults[FAULT_GARBAGE_CONTROL]++;
    ask->refused = true;
    send(ask, 0, garbage_make(&w->rng, (rt_bytes){NULL, 0}, buf));
}

static void
ask_something(world *w)
{
    static const struct {
        const char *cmd;
        bool of_tenant;
    } questions[] = {
        {"records.scan", true},  {"memory.show", true},   {"actions.list", true},
        {"records.follow", true}, {"records.scan", true}, {"status", false},
        {"agents.list", false},  {"playbooks.list", false}, {"dlq.list", false},
        {"explain", false},      {"sync.hash", false},
        {"approvals.list", true}, {"budgets.show", false},
    };
    size_t which = (size_t)rt_rng_below(&w->rng, RT_COUNT(questions));
    world_ask *ask = new_ask(w, questions[which].cmd);
    bool stranger = rt_rng_chance(&w->rng, 0.1);
    rt_mpw call;

    ask->tenant = questions[which].of_tenant ? (uint16_t)world_between(w, 1, TENANTS) : 0;
    ask->refused = stranger;
    if (strcmp(ask->cmd, "records.follow") == 0 || rt_rng_chance(&w->rng, 0.1)) {
        ask->hang_up = sim_happenings() + rt_rng_below(&w->rng, FOLLOWED_HAPPENINGS);
    }
    rt_mpw_init(&call, CALL_BYTES_MAX);
    write_call(w, ask, &call);
    send(ask, stranger ? STRANGER_UID : 0, rt_mpw_view(&call));
    rt_mpw_fini(&call);
}

void
world_ask_door(world *w)
{
    if (w->brain == NULL) {
        return;
    }
    if (!w->draw.peaceful && rt_rng_chance(&w->rng, 0.15)) {
        ask_garbage(w);
    } else if (rt_rng_chance(&w->rng, 0.6)) {
        ask_requests(w);
    } else if (rt_rng_chance(&w->rng, 0.1)) {
        set_mode(w);
    } else {
        ask_something(w);
    }
}

void
world_hang_up(world *w, bool all)
{
    for (world_ask *ask = w->asks; ask != NULL; ask = ask->next) {
        if (!ask->ended && ask->hang_up != 0 && (all || sim_happenings() >= ask->hang_up)) {
            ask->ended = true;
            sim_ctl_hangup(ask->call);
        }
    }
}

void
world_forget_asks(world *w)
{
    while (w->asks != NULL) {
        world_ask *next = w->asks->next;

        rt_free(w->asks);
        w->asks = next;
    }
}
