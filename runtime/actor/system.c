#include "runtime/actor/system.h"

#include <stdio.h>

#include "runtime/actor/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// One list of actors that have messages and may work, first in first out. An actor's turn is up to
// turn_messages_max messages, of those that it had when the turn began: what it sends to itself
// ("go on later") waits until everybody else had a turn. Then, when it has more, it goes to the end
// of the list. Nothing else decides who comes next: no clock, no address, no hash. So equal calls
// give equal runs, and nobody waits longer than everybody before it takes for a turn.
//
//   free -> idle -> queued -> (in work) -> idle or queued
//                      |  failed: rests, its message first in the mailbox -> queued when over
//
// The way of a message: rt_actors_send counts it at the addressee -> `asked` until the handler
// succeeds -> mailbox -> handler -> freed. mail.c has the messages, life.c the actors, peers.c the
// ways to other systems.
//
// Invariant: an actor is in the list exactly when it is_queued; it is when it has messages, does
// not rest and is not in work.

rt_actors *
rt_actors_new(rt_actors_config config)
{
    rt_actors *actors = rt_new(rt_actors);

    RT_ASSERT(config.number < RT_ACTORS_SYSTEMS_MAX);
    RT_ASSERT(config.actors_max >= 1 && config.actors_max <= RT_ACTORS_MAX);
    RT_ASSERT(config.run_messages_max >= 1 && config.turn_messages_max >= 1);
    actors->magic = RT__ACTORS_MAGIC;
    actors->config = config;
    actors->quota.max_bytes = config.memory_bytes_max;
    actors->chunks = rt_new_array(rt__actor *, RT__CHUNKS_MAX);
    actors->free_places = RT__NO_ACTOR;
    actors->queue_first = RT__NO_ACTOR;
    actors->queue_last = RT__NO_ACTOR;
    actors->current = RT__NO_ACTOR;
    rt__mail_pools(actors);
    rt__pool_init(&actors->supervisors, sizeof(rt_supervisor));
    for (uint32_t i = 1; i < RT_COUNT(actors->state_pools); i++) {
        rt__pool_init(&actors->state_pools[i], i * RT__STATE_STEP);
    }
    rt_heap_init(&actors->timers);
    return actors;
}

static bool
is_rest(const rt_heap_item *item)
{
    return (item->value & 1) != 0;
}

static rt__mail *
mail_of(const rt_heap_item *item)
{
    return (rt__mail *)(uintptr_t)item->value;
}

static void
free_pools(rt_actors *actors)
{
    for (uint32_t i = 0; i < RT__MAIL_POOLS; i++) {
        rt__pool_fini(&actors->mail_pools[i], &actors->quota);
    }
    for (uint32_t i = 1; i < RT_COUNT(actors->state_pools); i++) {
        rt__pool_fini(&actors->state_pools[i], &actors->quota);
    }
    rt__pool_fini(&actors->supervisors, &actors->quota);
    for (uint32_t i = 0; i < RT__CHUNKS_MAX; i++) {
        rt__quota_free(&actors->quota, actors->chunks[i], sizeof(rt__actor) * RT__CHUNK_ACTORS);
    }
    RT_ASSERT(actors->quota.used_bytes == 0); // nothing was lost on the way
}

void
rt_actors_free(rt_actors *actors)
{
    if (actors == NULL) {
        return;
    }
    RT_CHECK(actors, RT__ACTORS_MAGIC);
    RT_ASSERT(actors->current == RT__NO_ACTOR && !actors->is_quiet);
    actors->config.on_letter = NULL;
    for (uint32_t i = 0; i < actors->made; i++) {
        if (rt__actor_at(actors, i)->class != NULL) {
            rt__actor_end(actors, i, RT_OK);
        }
    }
    while (rt_heap_peek(&actors->timers) != NULL) {
        rt_heap_item item = rt_heap_pop(&actors->timers);

        if (!is_rest(&item)) {
            rt__mail_free(actors, mail_of(&item));
        }
    }
    rt_heap_fini(&actors->timers);
    free_pools(actors);
    for (uint32_t i = 0; i < actors->peer_count; i++) {
        rt__ring_free(actors->peers[i].in);
    }
    rt_free(actors->chunks);
    actors->magic = 0;
    rt_free(actors);
}

// --- failures -------------------------------------------------------------------------------

static void
rest(rt_actors *actors, uint32_t index)
{
    rt__actor *actor = rt__actor_at(actors, index);

    actor->is_resting = true;
    rt_heap_push(&actors->timers, (rt_heap_item){
        .key = rt_supervisor_ready_at(actor->supervisor),
        .tie = actors->timer_tie++,
        .value = (uint64_t)index << 1 | 1,
    });
}

static void
report(rt_actors *actors, rt_actor_failure failure)
{
    actors->figures.failures++;
    if (actors->config.on_failure != NULL) {
        actors->is_quiet = true;
        actors->config.on_failure(actors->config.user, &failure);
        actors->is_quiet = false;
    }
}

// The supervisor of an actor, made at its first failure; NULL without memory.
static rt_supervisor *
supervisor_of(rt_actors *actors, rt__actor *actor)
{
    if (actor->class->on_failure == RT_ACTOR_STOPS) {
        return NULL;
    }
    if (actor->supervisor == NULL) {
        actor->supervisor = rt__pool_get(&actors->supervisors, &actors->quota);
        if (actor->supervisor != NULL) {
            rt_supervisor_init(actor->supervisor, actor->class->supervision);
        }
    }
    return actor->supervisor;
}

// An actor that is not restarted, or cannot be supervised for want of memory.
static void
fail_for_good(rt_actors *actors, uint32_t index, rt__mail *mail, rt_actor_failure failure)
{
    failure.tries = 1;
    failure.is_given_up = true;
    failure.is_stopped = true;
    rt__mail_bury(actors, mail, failure.cause, failure.tries, failure.detail);
    report(actors, failure);
    rt__actor_end(actors, index, failure.cause);
}

static void
settle_failure(rt_actors *actors, uint32_t index, rt__mail *mail, rt_err cause)
{
    rt__actor *actor = rt__actor_at(actors, index);
    rt_supervisor *supervisor = supervisor_of(actors, actor);
    char detail[RT_ERR_DETAIL_MAX];
    rt_actor_failure failure = {
        .who = rt__actor_id(actors, index),
        .class_name = actor->class->name,
        .type = mail->type,
        .cause = cause,
        .detail = detail,
    };

    (void)snprintf(detail, sizeof(detail), "%s", rt_err_detail()); // before others fail as well
    if (supervisor == NULL) {
        fail_for_good(actors, index, mail, failure);
        return;
    }
    failure.tries = rt_supervisor_tries(supervisor) + 1;
    failure.is_given_up =
        rt_supervisor_failed(supervisor, actors->now_us) == RT_SUPERVISOR_GIVE_UP;
    failure.state = supervisor->state;
    actor->must_restart = true;
    if (failure.is_given_up) {
        rt__mail_bury(actors, mail, cause, failure.tries, detail);
    } else {
        rt__mails_push_front(&actor->mailbox, mail);
        actor->count += rt__mail_is_counted(mail) ? 1 : 0;
        actor->bytes += rt__mail_is_counted(mail) ? mail->len : 0;
    }
    report(actors, failure);
    rt__actor_end_children(actors, index, cause);
    if (supervisor->state != RT_SUPERVISOR_RUNNING) {
        rest(actors, index);
    }
}

// --- work -----------------------------------------------------------------------------------

static rt_err
call(rt_actors *actors, uint32_t index, const rt__mail *mail)
{
    const rt__actor *actor = rt__actor_at(actors, index);
    const rt_actor_message message = {
        .from = mail->from,
        .type = mail->type,
        .payload = {mail->payload, mail->len},
    };
    rt_err err = RT_OK;

    actors->current = index;
    if (RT_UNLIKELY(actor->must_restart)) {
        err = rt__actor_restart(actors, index);
    }
    if (err == RT_OK) {
        err = actor->class->handlers[mail->type](actors, actor->state, &message);
    }
    actors->current = RT__NO_ACTOR;
    return err;
}

// An actor that was linked and does not want to know goes the same way.
static void
follow_down(rt_actors *actors, uint32_t index, rt__mail *mail)
{
    rt_actor_down down;

    memcpy(&down, mail->payload, sizeof(down));
    rt__mail_free(actors, mail);
    if (down.reason != RT_OK) {
        rt__actor_end(actors, index, down.reason);
    }
}

static bool
hears_down(const rt__actor *actor)
{
    return actor->class->handler_count > 0 && actor->class->handlers[RT_ACTOR_DOWN] != NULL;
}

static void
take(rt_actors *actors, uint32_t index, rt__mail *mail)
{
    rt__actor *actor = rt__actor_at(actors, index);
    rt__mark mark;
    rt_err err = RT_OK;

    if (RT_LIKELY(rt__mail_is_counted(mail))) {
        actor->count--;
        actor->bytes -= mail->len;
    } else if (!hears_down(actor)) {
        follow_down(actors, index, mail);
        return;
    }
    rt__asked_mark(actors, &mark);
    err = call(actors, index, mail);
    if (RT_UNLIKELY(err != RT_OK)) {
        rt__asked_undo(actors, &mark);
        settle_failure(actors, index, mail, err);
        return;
    }
    if (RT_UNLIKELY(actor->supervisor != NULL)) {
        rt_supervisor_succeeded(actor->supervisor);
    }
    actors->figures.taken++;
    rt__mail_free(actors, mail);
    rt__asked_grant(actors);
}

// Lets an actor that left the run queue take messages; returns how many. It counts as queued
// meanwhile, so that messages to itself do not queue it a second time.
static uint32_t
give_turn(rt_actors *actors, uint32_t index, uint32_t messages_max)
{
    rt__actor *actor = rt__actor_at(actors, index);
    uint32_t taken = 0;

    rt_check_context(actor->class->name);
    actors->turn++;
    while (taken < messages_max && !actor->is_resting && actor->mailbox.first != NULL &&
           actor->mailbox.first->number != actors->turn) {
        taken++;
        take(actors, index, rt__mails_pop(&actor->mailbox));
        if (actor->class == NULL) {
            rt__actor_release_place(actors, index);
            return taken;
        }
    }
    actor->is_queued = false;
    if (!actor->is_resting && actor->mailbox.first != NULL) {
        rt__mail_ready(actors, index);
    }
    return taken;
}

static uint32_t
pop_queue(rt_actors *actors)
{
    uint32_t index = actors->queue_first;

    actors->queue_first = rt__actor_at(actors, index)->next;
    if (actors->queue_first == RT__NO_ACTOR) {
        actors->queue_last = RT__NO_ACTOR;
    }
    return index;
}

static void
work(rt_actors *actors)
{
    uint32_t left = actors->config.run_messages_max;

    while (left > 0 && actors->queue_first != RT__NO_ACTOR) {
        uint32_t index = pop_queue(actors);

        if (rt__actor_at(actors, index)->class == NULL) {
            rt__actor_at(actors, index)->is_queued = false;
            rt__actor_release_place(actors, index);
        } else {
            left -= give_turn(actors, index, RT_MIN(left, actors->config.turn_messages_max));
        }
    }
    rt_check_context(NULL);
}

// --- time -----------------------------------------------------------------------------------

// Ends the rest of an actor, unless that was over long ago or lasts longer by now.
static void
wake(rt_actors *actors, uint32_t index)
{
    rt__actor *actor = rt__actor_at(actors, index);

    if (actor->class == NULL || !actor->is_resting ||
        !rt_supervisor_is_ready(actor->supervisor, actors->now_us)) {
        return;
    }
    actor->is_resting = false;
    if (actor->mailbox.first != NULL) {
        rt__mail_ready(actors, index);
    }
}

static bool
is_due(const rt_actors *actors)
{
    const rt_heap_item *item = rt_heap_peek(&actors->timers);

    return item != NULL && item->key <= actors->now_us;
}

static void
fire_due(rt_actors *actors)
{
    for (uint32_t i = 0; i < actors->config.run_messages_max && is_due(actors); i++) {
        rt_heap_item item = rt_heap_pop(&actors->timers);

        if (is_rest(&item)) {
            wake(actors, (uint32_t)(item.value >> 1));
        } else {
            actors->figures.timers--;
            rt__mail_arrive(actors, mail_of(&item));
        }
    }
}

static int64_t
next_us(const rt_actors *actors, bool is_more_waiting)
{
    const rt_heap_item *item = rt_heap_peek(&actors->timers);

    if (is_more_waiting || actors->queue_first != RT__NO_ACTOR) {
        return actors->now_us;
    }
    return item != NULL ? RT_MAX(item->key, actors->now_us) : -1;
}

int64_t
rt_actors_run(rt_actors *actors, int64_t now_us)
{
    bool is_more_waiting = false;

    RT_CHECK(actors, RT__ACTORS_MAGIC);
    RT_ASSERT(actors->current == RT__NO_ACTOR && !actors->is_quiet);
    RT_ASSERT(now_us >= actors->now_us);
    actors->now_us = now_us;
    fire_due(actors);
    is_more_waiting = rt__peers_take(actors);
    work(actors);
    rt__peers_flush(actors);
    return next_us(actors, is_more_waiting);
}

// --- questions ------------------------------------------------------------------------------

rt_actor_id
rt_actors_self(const rt_actors *actors)
{
    RT_CHECK(actors, RT__ACTORS_MAGIC);
    return actors->current != RT__NO_ACTOR ? rt__actor_id(actors, actors->current)
                                           : RT_ACTOR_NOBODY;
}

int64_t
rt_actors_now_us(const rt_actors *actors)
{
    RT_CHECK(actors, RT__ACTORS_MAGIC);
    return actors->now_us;
}

bool
rt_actors_is_alive(const rt_actors *actors, rt_actor_id who)
{
    RT_CHECK(actors, RT__ACTORS_MAGIC);
    return rt__actor_find(actors, who) != NULL;
}

uint32_t
rt_actors_waiting(const rt_actors *actors, rt_actor_id who)
{
    const rt__actor *actor = NULL;

    RT_CHECK(actors, RT__ACTORS_MAGIC);
    actor = rt__actor_find(actors, who);
    return actor != NULL ? actor->count : 0;
}

rt_err
rt_actors_state(const rt_actors *actors, rt_actor_id who, rt_supervisor_state *ret_state)
{
    const rt__actor *actor = NULL;

    RT_CHECK(actors, RT__ACTORS_MAGIC);
    actor = rt__actor_find(actors, who);
    if (actor == NULL) {
        return rt_fail(RT_ENOTFOUND, "no actor %llx", (unsigned long long)who.v);
    }
    *ret_state = actor->supervisor != NULL ? actor->supervisor->state : RT_SUPERVISOR_RUNNING;
    return RT_OK;
}

rt_actors_figures
rt_actors_figures_of(const rt_actors *actors)
{
    rt_actors_figures figures;

    RT_CHECK(actors, RT__ACTORS_MAGIC);
    figures = actors->figures;
    figures.memory_bytes = actors->quota.used_bytes;
    return figures;
}
