// The system against a model: random calls, and after each run what the handlers saw, what became
// a dead letter and what still waits must be the same. The model keeps plain arrays, looks at every
// actor and moves memory about: slow, but one sees that it is right.
#include "runtime/actor/system.h"
#include "runtime/base/alloc.h"
#include "runtime/base/rng.h"
#include "tests/harness/check.h"

#define SEEDS 300
#define STEPS 400
#define ACTORS_MAX 40
#define MAIL_MAX 4096
#define LOG_MAX 200000
#define CLASSES 3
#define TURN_MAX 3
#define RUN_MAX 17

enum { WORK = 1 };

// What a message makes its addressee do.
typedef enum deed {
    NOTHING,
    FORWARD,  // send a message of NOTHING to `whom`
    LATER,    // the same, 5 ms later
    LEAVE,    // stop itself
    STOP,     // stop `whom`
    FAIL,     // forward, stop, and fail
    BURST,    // forward five times, as many as are accepted
    DEEDS,
} deed;

typedef struct job {
    uint64_t number;
    uint32_t whom; // place in the arrays of this test
    uint32_t deed;
    uint32_t weight; // the payload is that much longer
    uint32_t pad;
} job;

typedef struct line {
    uint64_t number;
    uint32_t who;
    uint32_t what; // 1 seen by a handler, 2 told down, 100 + cause a dead letter
} line;

static struct {
    line lines[LOG_MAX];
    size_t count;
} system_log, model_log;

static void
log_line(bool is_model, uint64_t number, uint32_t who, uint32_t what)
{
    line *lines = is_model ? model_log.lines : system_log.lines;
    size_t *count = is_model ? &model_log.count : &system_log.count;

    assert_true(*count < LOG_MAX);
    lines[(*count)++] = (line){number, who, what};
}

// --- the system's side ----------------------------------------------------------------------

static rt_actor_id ids[ACTORS_MAX];
static uint32_t made;

static uint32_t
place_of(rt_actor_id id)
{
    for (uint32_t i = 0; i < made; i++) {
        if (ids[i].v == id.v) {
            return i;
        }
    }
    return ACTORS_MAX;
}

static rt_err
send_job(rt_actors *actors, uint32_t to, job j, int64_t at_us)
{
    uint8_t bytes[256] = {0};
    rt_bytes payload = {bytes, sizeof(j) + j.weight};

    memcpy(bytes, &j, sizeof(j));
    return at_us < 0 ? rt_actors_send(actors, ids[to], WORK, payload)
                     : rt_actors_send_at(actors, ids[to], WORK, payload, at_us);
}

static rt_err
on_work(rt_actors *actors, void *state, const rt_actor_message *message)
{
    job j;
    job next = {0};
    uint64_t *taken = state;

    memcpy(&j, message->payload.ptr, sizeof(j));
    (*taken)++;
    next.number = j.number * 10 + 1;
    log_line(false, j.number, place_of(rt_actors_self(actors)), 1);
    switch ((deed)j.deed) {
    case FORWARD:
        (void)!send_job(actors, j.whom, next, -1);
        return RT_OK;
    case LATER:
        (void)!send_job(actors, j.whom, next, rt_actors_now_us(actors) + 5000);
        return RT_OK;
    case LEAVE:
        return rt_actors_stop(actors, rt_actors_self(actors), RT_OK);
    case STOP:
        (void)!rt_actors_stop(actors, ids[j.whom], RT_EIO);
        return RT_OK;
    case FAIL:
        (void)!send_job(actors, j.whom, next, -1);
        (void)!rt_actors_stop(actors, ids[j.whom], RT_EIO);
        return rt_fail(RT_ECRASH, "told to");
    case BURST:
        for (int i = 0; i < 5; i++) {
            next.number = j.number * 10 + (uint64_t)i;
            (void)!send_job(actors, j.whom, next, -1);
        }
        return RT_OK;
    case NOTHING:
    case DEEDS:
        break;
    }
    return RT_OK;
}

static rt_err
on_down(rt_actors *actors, void *state, const rt_actor_message *message)
{
    const rt_actor_down *down = (const void *)message->payload.ptr;

    (void)state;
    log_line(false, place_of(down->who), place_of(rt_actors_self(actors)), 2);
    return RT_OK;
}

static void
on_letter(void *user, const rt_actor_letter *letter)
{
    job j;

    (void)user;
    memcpy(&j, letter->payload.ptr, sizeof(j));
    log_line(false, j.number, place_of(letter->to), 100 + (uint32_t)letter->cause);
}

static const rt_actor_handler handlers[] = {[RT_ACTOR_DOWN] = on_down, [WORK] = on_work};

#define CLASS(waiting_max, room, rule, after)                                                      \
    {                                                                                              \
        .name = "model", .state_bytes = 8, .handlers = handlers,                                   \
        .handler_count = RT_COUNT(handlers), .count_max = (waiting_max), .bytes_max = (room),      \
        .overflow = (rule), .on_failure = (after),                                                 \
        .supervision = {.backoff_first_us = 1000, .backoff_max_us = 4000, .tries_max = 2,          \
                        .failures_max = 3, .window_us = 10000, .quarantine_us = 20000},            \
    }

static const rt_actor_class classes[CLASSES] = {
    CLASS(4, 200, RT_OVERFLOW_REFUSE, RT_ACTOR_RESTARTS),
    CLASS(3, 150, RT_OVERFLOW_DROP_OLDEST, RT_ACTOR_RESTARTS),
    CLASS(1000, 100000, RT_OVERFLOW_REFUSE, RT_ACTOR_STOPS),
};

// --- the model ------------------------------------------------------------------------------

// A message, wherever it is.
typedef struct mail {
    job j;
    uint32_t to;
    int64_t at_us;
    bool is_down;
    bool is_rest; // in the timers: the end of a rest
    uint64_t turn; // in which it came into a mailbox
} mail;

typedef struct mails {
    mail items[MAIL_MAX];
    size_t count;
} mails;

typedef struct person {
    const rt_actor_class *class;
    bool is_alive;
    bool is_resting;
    rt_supervisor sup;
    mails box;
    uint32_t watchers[ACTORS_MAX * 4];
    size_t watcher_count;
} person;

static struct {
    person *people;
    uint32_t queue[ACTORS_MAX * 4]; // first in first out, each at most once
    size_t queue_count;
    uint64_t turn;
    mails timers;
    int64_t now_us;
} m;

static void
remove_at(mails *box, size_t at)
{
    box->count--;
    memmove(&box->items[at], &box->items[at + 1], (box->count - at) * sizeof(mail));
}

static void
append(mails *box, mail item)
{
    assert_true(box->count < MAIL_MAX);
    box->items[box->count++] = item;
}

static size_t
len_of(const mail *item)
{
    return sizeof(job) + item->j.weight;
}

static void
measure(const mails *box, size_t *ret_count, size_t *ret_bytes)
{
    *ret_count = 0;
    *ret_bytes = 0;
    for (size_t i = 0; i < box->count; i++) {
        *ret_count += box->items[i].is_down ? 0 : 1;
        *ret_bytes += box->items[i].is_down ? 0 : len_of(&box->items[i]);
    }
}

// Whether it fits, with `extra` messages that were asked for and are not there yet.
static bool
fits(uint32_t to, const mail *item, const mails *asked)
{
    size_t count = 0;
    size_t bytes = 0;

    measure(&m.people[to].box, &count, &bytes);
    for (size_t i = 0; asked != NULL && i < asked->count; i++) {
        if (asked->items[i].to == to) {
            count++;
            bytes += len_of(&asked->items[i]);
        }
    }
    return count < m.people[to].class->count_max
        && bytes + len_of(item) <= m.people[to].class->bytes_max;
}

static bool
is_accepted(uint32_t to, const mail *item, const mails *asked)
{
    return m.people[to].is_alive && len_of(item) <= m.people[to].class->bytes_max
        && (m.people[to].class->overflow == RT_OVERFLOW_DROP_OLDEST || fits(to, item, asked));
}

static void
queue_up(uint32_t who)
{
    for (size_t i = 0; i < m.queue_count; i++) {
        if (m.queue[i] == who) {
            return;
        }
    }
    if (!m.people[who].is_resting && m.people[who].is_alive) {
        m.queue[m.queue_count++] = who;
    }
}

static void
put(uint32_t to, mail item)
{
    person *p = &m.people[to];
    size_t count = 0;
    size_t bytes = 0;

    item.turn = m.turn;
    append(&p->box, item);
    measure(&p->box, &count, &bytes);
    while (p->class->overflow == RT_OVERFLOW_DROP_OLDEST
           && (count > p->class->count_max || bytes > p->class->bytes_max)) {
        size_t at = 0;

        while (p->box.items[at].is_down) {
            at++;
        }
        if (at == 0) {
            p->sup.tries = 0;
        }
        log_line(true, p->box.items[at].j.number, to, 100 + RT_EFULL);
        remove_at(&p->box, at);
        measure(&p->box, &count, &bytes);
    }
    queue_up(to);
}

static void
model_end(uint32_t who)
{
    person *p = &m.people[who];

    if (!p->is_alive) {
        return;
    }
    for (size_t i = 0; i < p->box.count; i++) {
        if (!p->box.items[i].is_down) {
            log_line(true, p->box.items[i].j.number, who, 100 + RT_ECLOSED);
        }
    }
    p->box.count = 0;
    p->is_alive = false;
    for (size_t i = 0; i < m.queue_count; i++) {
        if (m.queue[i] == who) {
            m.queue_count--;
            memmove(&m.queue[i], &m.queue[i + 1], (m.queue_count - i) * sizeof(m.queue[0]));
        }
    }
    for (size_t i = 0; i < p->watcher_count; i++) {
        if (m.people[p->watchers[i]].is_alive) {
            append(&m.people[p->watchers[i]].box, (mail){.j.number = who, .is_down = true,
                                                                .turn = m.turn});
            queue_up(p->watchers[i]);
        }
    }
}

static void
model_fail(uint32_t who, mail item)
{
    person *p = &m.people[who];

    if (p->class->on_failure == RT_ACTOR_STOPS) {
        log_line(true, item.j.number, who, 100 + RT_ECRASH);
        model_end(who);
        return;
    }
    if (rt_supervisor_failed(&p->sup, m.now_us) == RT_SUPERVISOR_GIVE_UP) {
        log_line(true, item.j.number, who, 100 + RT_ECRASH);
    } else {
        memmove(&p->box.items[1], &p->box.items[0], p->box.count * sizeof(mail));
        p->box.items[0] = item;
        p->box.count++;
    }
    p->is_resting = p->sup.state != RT_SUPERVISOR_RUNNING;
    if (p->is_resting) {
        append(&m.timers, (mail){.to = who, .at_us = rt_supervisor_ready_at(&p->sup),
                                 .is_rest = true});
    }
}

static void
model_take(uint32_t who)
{
    static mails asked;
    person *p = &m.people[who];
    mail item = p->box.items[0];
    mail next = {.j.number = item.j.number * 10 + 1, .to = item.j.whom, .at_us = -1};

    remove_at(&p->box, 0);
    log_line(true, item.j.number, who, item.is_down ? 2 : 1);
    asked.count = 0;
    if (!item.is_down && item.j.deed == FAIL) {
        model_fail(who, item);
        return;
    }
    rt_supervisor_succeeded(&p->sup);
    if (item.is_down) {
        return;
    }
    if (item.j.deed == FORWARD && is_accepted(next.to, &next, NULL)) {
        append(&asked, next);
    } else if (item.j.deed == LATER && m.people[next.to].is_alive) {
        next.at_us = m.now_us + 5000;
        append(&m.timers, next);
    } else if (item.j.deed == BURST) {
        for (uint64_t i = 0; i < 5; i++) {
            next.j.number = item.j.number * 10 + i;
            if (is_accepted(next.to, &next, &asked)) {
                append(&asked, next);
            }
        }
    } else if (item.j.deed == LEAVE) {
        model_end(who);
    } else if (item.j.deed == STOP) {
        model_end(item.j.whom);
    }
    for (size_t i = 0; i < asked.count; i++) {
        put(asked.items[i].to, asked.items[i]);
    }
}

static void
model_turn(uint32_t who, int *left)
{
    person *p = &m.people[who];

    // At work it stands nowhere in the queue; what it sends to itself queues it behind.
    m.turn++;
    for (int i = 0; i < TURN_MAX && *left > 0 && p->is_alive && !p->is_resting
                    && p->box.count > 0 && p->box.items[0].turn != m.turn; i++) {
        model_take(who);
        (*left)--;
        // If it queued itself: it goes behind those that came during its turn.
        for (size_t q = 0; q < m.queue_count; q++) {
            if (m.queue[q] == who) {
                m.queue_count--;
                memmove(&m.queue[q], &m.queue[q + 1], (m.queue_count - q) * sizeof(m.queue[0]));
            }
        }
    }
    if (p->box.count > 0) {
        queue_up(who);
    }
}

// The earliest of the timers that are due; those of one time in order of asking.
static size_t
first_due(void)
{
    size_t best = m.timers.count;

    for (size_t i = 0; i < m.timers.count; i++) {
        if (m.timers.items[i].at_us <= m.now_us
            && (best == m.timers.count || m.timers.items[i].at_us < m.timers.items[best].at_us)) {
            best = i;
        }
    }
    return best;
}

static void
model_wake(uint32_t who)
{
    person *p = &m.people[who];

    if (!p->is_alive || !p->is_resting || !rt_supervisor_is_ready(&p->sup, m.now_us)) {
        return;
    }
    p->is_resting = false;
    if (p->box.count > 0) {
        queue_up(who);
    }
}

static void
model_run(int64_t now_us)
{
    int left = RUN_MAX;

    m.now_us = now_us;
    for (int fired = 0; fired < RUN_MAX && first_due() < m.timers.count; fired++) {
        size_t at = first_due();
        mail item = m.timers.items[at];

        remove_at(&m.timers, at);
        if (item.is_rest) {
            model_wake(item.to);
        } else if (!m.people[item.to].is_alive) {
            log_line(true, item.j.number, item.to, 100 + RT_ENOTFOUND);
        } else if (!is_accepted(item.to, &item, NULL)) {
            log_line(true, item.j.number, item.to, 100 + RT_EFULL);
        } else {
            put(item.to, item);
        }
    }
    while (left > 0 && m.queue_count > 0) {
        uint32_t who = m.queue[0];

        m.queue_count--;
        memmove(&m.queue[0], &m.queue[1], m.queue_count * sizeof(m.queue[0]));
        model_turn(who, &left);
    }
}

// --- side by side ---------------------------------------------------------------------------

static void
compare(const rt_actors *actors, uint64_t seed)
{
    for (size_t i = 0; i < RT_MIN(system_log.count, model_log.count); i++) {
        const line *got = &system_log.lines[i];
        const line *want = &model_log.lines[i];

        if (memcmp(got, want, sizeof(*got)) != 0) {
            print_error("seed %d, line %d: got %d of %d (%d), want %d of %d (%d)\n", (int)seed,
                        (int)i, (int)got->number, (int)got->who, (int)got->what,
                        (int)want->number, (int)want->who, (int)want->what);
            fail();
        }
    }
    CHECK_INT(system_log.count, model_log.count);
    for (uint32_t i = 0; i < made; i++) {
        size_t count = 0;
        size_t bytes = 0;

        measure(&m.people[i].box, &count, &bytes);
        CHECK_INT(rt_actors_is_alive(actors, ids[i]), m.people[i].is_alive);
        CHECK_INT(rt_actors_waiting(actors, ids[i]), count);
    }
}

static void
spawn_both(rt_actors *actors, rt_rng *rng)
{
    const rt_actor_class *class = &classes[rt_rng_below(rng, CLASSES)];
    person *p = &m.people[made];

    CHECK_OK(rt_actors_spawn(actors, class, (rt_bytes){NULL, 0}, &ids[made]));
    memset(p, 0, sizeof(*p));
    p->class = class;
    p->is_alive = true;
    rt_supervisor_init(&p->sup, class->supervision);
    made++;
}

static void
send_both(rt_actors *actors, rt_rng *rng, uint64_t number)
{
    mail item = {.at_us = -1};
    rt_err err = RT_OK;

    item.to = (uint32_t)rt_rng_below(rng, made);
    item.j = (job){
        .number = number,
        .whom = (uint32_t)rt_rng_below(rng, made),
        .deed = (uint32_t)(rt_rng_below(rng, 3) == 0 ? rt_rng_below(rng, DEEDS)
                                                     : rt_rng_below(rng, LATER + 1)),
        .weight = (uint32_t)rt_rng_below(rng, 200),
    };
    err = send_job(actors, item.to, item.j, -1);
    CHECK_INT(err == RT_OK, is_accepted(item.to, &item, NULL));
    if (err == RT_OK) {
        put(item.to, item);
    }
}

static void
watch_both(rt_actors *actors, rt_rng *rng)
{
    uint32_t watcher = (uint32_t)rt_rng_below(rng, made);
    uint32_t watched = (uint32_t)rt_rng_below(rng, made);
    person *p = &m.people[watched];

    if (!m.people[watcher].is_alive || !p->is_alive || p->watcher_count == RT_COUNT(p->watchers)) {
        return;
    }
    CHECK_OK(rt_actors_monitor(actors, ids[watcher], ids[watched]));
    p->watchers[p->watcher_count++] = watcher;
}

static void
step(rt_actors *actors, rt_rng *rng, uint64_t number, int64_t *now_us)
{
    uint64_t dice = rt_rng_below(rng, 100);
    uint32_t who = (uint32_t)rt_rng_below(rng, made);

    if (dice < 5 && made < ACTORS_MAX) {
        spawn_both(actors, rng);
    } else if (dice < 60) {
        send_both(actors, rng, number);
    } else if (dice < 62) {
        CHECK_INT(rt_actors_stop(actors, ids[who], RT_OK) == RT_OK, m.people[who].is_alive);
        model_end(who);
    } else if (dice < 66) {
        watch_both(actors, rng);
    } else {
        *now_us += (int64_t)rt_rng_below(rng, 3000);
        (void)rt_actors_run(actors, *now_us);
        model_run(*now_us);
    }
}

static void
test_model_and_system_agree_on_everything(void **state)
{
    (void)state;
    m.people = rt_new_array(person, ACTORS_MAX);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        rt_actors_config config = RT_ACTORS_DEFAULT;
        rt_actors *actors = NULL;
        rt_rng rng;
        int64_t now_us = 0;

        config.turn_messages_max = TURN_MAX;
        config.run_messages_max = RUN_MAX;
        config.on_letter = on_letter;
        actors = rt_actors_new(config);
        rt_rng_seed(&rng, seed, 0);
        made = 0;
        system_log.count = 0;
        model_log.count = 0;
        m.queue_count = 0;
        m.timers.count = 0;
        m.now_us = 0;
        for (int i = 0; i < 3; i++) {
            spawn_both(actors, &rng);
        }
        for (uint64_t i = 1; i <= STEPS; i++) {
            step(actors, &rng, i * 1000, &now_us);
        }
        compare(actors, seed);
        rt_actors_free(actors);
    }
    rt_free(m.people);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_and_system_agree_on_everything),
    };

    return CHECK_RUN(tests);
}
