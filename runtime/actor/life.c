#include "runtime/actor/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// Actors stand in places, which stand in chunks that never move. A place that is given back counts
// its generation up, so that an old id finds nobody; a place whose generation cannot count further
// is never used again. A place that is still in the run queue is free only when it leaves it.
//
// Trees are walked by their links, not by recursion: an actor ends when it has no child any more,
// the youngest child first.
//
// A watch is the very message that its watcher will get, so that nothing can go wrong later.
// Watches of watchers that are gone are swept out whenever their number has doubled.

#define WATCHES_SWEPT_MIN 16

// --- places ---------------------------------------------------------------------------------

static rt_err
add_chunk(rt_actors *actors)
{
    size_t bytes = sizeof(rt__actor) * RT__CHUNK_ACTORS;
    rt__actor *chunk = rt__quota_alloc(&actors->quota, bytes);

    if (chunk == NULL) {
        return rt_fail(RT_ENOMEM, "no memory for more than %u actors", actors->made);
    }
    memset(chunk, 0, bytes);
    actors->chunks[actors->made >> RT__CHUNK_BITS] = chunk;
    return RT_OK;
}

static rt_err
take_place(rt_actors *actors, uint32_t *ret_index)
{
    rt_err err = RT_OK;

    if (actors->figures.actors >= actors->config.actors_max) {
        return rt_fail(RT_EFULL, "there are %u actors", actors->figures.actors);
    }
    if (actors->free_places != RT__NO_ACTOR) {
        *ret_index = actors->free_places;
        actors->free_places = rt__actor_at(actors, *ret_index)->next;
        return RT_OK;
    }
    if (actors->made == RT_ACTORS_MAX) {
        return rt_fail(RT_EFULL, "all places are worn out or wait to be free");
    }
    if (actors->made % RT__CHUNK_ACTORS == 0) {
        err = add_chunk(actors);
    }
    if (err == RT_OK) {
        *ret_index = actors->made++;
        rt__actor_at(actors, *ret_index)->generation = 1;
    }
    return err;
}

void
rt__actor_release_place(rt_actors *actors, uint32_t index)
{
    rt__actor *actor = rt__actor_at(actors, index);

    if (actor->generation < UINT32_MAX) {
        actor->generation++;
        actor->next = actors->free_places;
        actors->free_places = index;
    }
}

// --- states ---------------------------------------------------------------------------------

static rt__pool *
state_pool(rt_actors *actors, const rt_actor_class *class)
{
    return &actors->state_pools[(class->state_bytes + RT__STATE_STEP - 1) / RT__STATE_STEP];
}

static void
finish_state(rt_actors *actors, rt__actor *actor)
{
    if (actor->is_up && actor->class->fini != NULL) {
        actors->is_quiet = true;
        actor->class->fini(actor->state);
        actors->is_quiet = false;
    }
    actor->is_up = false;
}

static rt_err
begin_state(rt_actors *actors, uint32_t index)
{
    rt__actor *actor = rt__actor_at(actors, index);
    uint32_t current = actors->current;
    rt_bytes args = {NULL, 0};
    rt_err err = RT_OK;

    if (actor->args != NULL) {
        args = (rt_bytes){actor->args->payload, actor->args->len};
    }
    if (actor->class->state_bytes > 0) {
        memset(actor->state, 0, actor->class->state_bytes);
    }
    if (actor->class->init != NULL) {
        actors->current = index;
        actors->depth++;
        err = actor->class->init(actors, actor->state, args);
        actors->depth--;
        actors->current = current;
    }
    actor->is_up = err == RT_OK;
    return err;
}

rt_err
rt__actor_restart(rt_actors *actors, uint32_t index)
{
    rt__actor *actor = rt__actor_at(actors, index);
    rt_err err = RT_OK;

    actors->figures.restarts++;
    finish_state(actors, actor);
    err = begin_state(actors, index);
    actor->must_restart = err != RT_OK;
    return err;
}

// --- families -------------------------------------------------------------------------------

static void
join_family(rt_actors *actors, uint32_t index, uint32_t parent)
{
    rt__actor *actor = rt__actor_at(actors, index);

    actor->parent = parent;
    actor->child = RT__NO_ACTOR;
    actor->older = RT__NO_ACTOR;
    actor->younger = RT__NO_ACTOR;
    if (parent == RT__NO_ACTOR) {
        return;
    }
    actor->older = rt__actor_at(actors, parent)->child;
    if (actor->older != RT__NO_ACTOR) {
        rt__actor_at(actors, actor->older)->younger = index;
    }
    rt__actor_at(actors, parent)->child = index;
}

static void
leave_family(rt_actors *actors, const rt__actor *actor)
{
    if (actor->older != RT__NO_ACTOR) {
        rt__actor_at(actors, actor->older)->younger = actor->younger;
    }
    if (actor->younger != RT__NO_ACTOR) {
        rt__actor_at(actors, actor->younger)->older = actor->older;
    } else if (actor->parent != RT__NO_ACTOR) {
        rt__actor_at(actors, actor->parent)->child = actor->older;
    }
}

// --- spawning -------------------------------------------------------------------------------

static void
check_class(const rt_actor_class *class)
{
    RT_ASSERT(class != NULL && class->name != NULL);
    RT_ASSERT(class->state_bytes <= RT_ACTOR_STATE_BYTES_MAX);
    RT_ASSERT(class->handler_count <= RT_ACTOR_TYPES_MAX);
    RT_ASSERT(class->handlers != NULL || class->handler_count == 0);
    RT_ASSERT(class->count_max >= 1);
    RT_ASSERT(class->bytes_max <= RT_ACTOR_PAYLOAD_BYTES_MAX);
}

static rt_err
no_memory(const rt_actor_class *class)
{
    return rt_fail(RT_ENOMEM, "no memory for one more %s", class->name);
}

// Gives the actor its memory; what it got is released with the place by rt__actor_end.
static rt_err
furnish(rt_actors *actors, rt__actor *actor, rt_bytes args)
{
    const rt_actor_class *class = actor->class;

    if (class->state_bytes > 0) {
        actor->state = rt__pool_get(state_pool(actors, class), &actors->quota);
        if (actor->state == NULL) {
            return no_memory(class);
        }
    }
    if (args.len > 0) {
        actor->args = rt__mail_new(actors, RT__OP_SEND, args);
        if (actor->args == NULL) {
            return no_memory(class);
        }
    }
    return RT_OK;
}

rt_err
rt_actors_spawn(rt_actors *actors, const rt_actor_class *class, rt_bytes args,
                rt_actor_id *ret_id)
{
    uint32_t index = 0;
    uint32_t generation = 0;
    rt__actor *actor = NULL;
    rt__mark mark;
    rt_err err = RT_OK;

    RT_CHECK(actors, RT__ACTORS_MAGIC);
    RT_ASSERT(!actors->is_quiet);
    check_class(class);
    if (args.len > RT_ACTOR_PAYLOAD_BYTES_MAX || actors->depth >= RT_ACTORS_SPAWN_DEPTH_MAX) {
        return rt_fail(RT_ELIMIT, "spawning %s: %zu bytes of arguments, %u inits within inits",
                       class->name, args.len, actors->depth);
    }
    err = take_place(actors, &index);
    if (err != RT_OK) {
        return err;
    }
    actor = rt__actor_at(actors, index);
    generation = actor->generation;
    *actor = (rt__actor){.class = class, .generation = generation};
    join_family(actors, index, actors->current);
    actors->figures.actors++;
    rt__asked_mark(actors, &mark);
    err = furnish(actors, actor, args);
    err = err == RT_OK ? begin_state(actors, index) : err;
    if (err != RT_OK) {
        rt__asked_undo(actors, &mark);
        rt__actor_end(actors, index, err);
        return err;
    }
    actors->figures.spawned++;
    *ret_id = rt__actor_id(actors, index);
    if (actors->current == RT__NO_ACTOR) {
        rt__asked_grant(actors);
    }
    return RT_OK;
}

// --- stopping -------------------------------------------------------------------------------

static void
empty_mailbox(rt_actors *actors, rt__actor *actor)
{
    rt__mail *mail = rt__mails_pop(&actor->mailbox);

    while (mail != NULL) {
        if (rt__mail_is_counted(mail)) {
            rt__mail_bury(actors, mail, RT_ECLOSED, 0, "");
        } else {
            rt__mail_free(actors, mail);
        }
        mail = rt__mails_pop(&actor->mailbox);
    }
}

// Tells the watchers, in the order they came.
static void
tell_watchers(rt_actors *actors, rt__actor *actor, rt_err reason)
{
    rt__mail *oldest = NULL;

    while (actor->watches != NULL) {
        rt__mail *watch = actor->watches;

        actor->watches = watch->next;
        watch->next = oldest;
        oldest = watch;
    }
    while (oldest != NULL) {
        rt__mail *watch = oldest;

        oldest = watch->next;
        rt__mail_tell(actors, watch, reason);
    }
}

static void
end_one(rt_actors *actors, uint32_t index, rt_err reason)
{
    rt__actor *actor = rt__actor_at(actors, index);

    RT_ASSERT(actor->child == RT__NO_ACTOR);
    finish_state(actors, actor);
    empty_mailbox(actors, actor);
    tell_watchers(actors, actor, reason);
    leave_family(actors, actor);
    rt__mail_free(actors, actor->args);
    if (actor->state != NULL) {
        rt__pool_put(state_pool(actors, actor->class), actor->state);
    }
    if (actor->supervisor != NULL) {
        rt__pool_put(&actors->supervisors, actor->supervisor);
    }
    actor->class = NULL;
    actors->figures.actors--;
    if (!actor->is_queued) {
        rt__actor_release_place(actors, index);
    }
}

void
rt__actor_end(rt_actors *actors, uint32_t index, rt_err reason)
{
    uint32_t at = index;

    for (;;) {
        const rt__actor *actor = rt__actor_at(actors, at);
        uint32_t parent = actor->parent;

        if (actor->child != RT__NO_ACTOR) {
            at = actor->child;
            continue;
        }
        end_one(actors, at, reason);
        if (at == index) {
            return;
        }
        at = parent;
    }
}

void
rt__actor_end_children(rt_actors *actors, uint32_t index, rt_err reason)
{
    const rt__actor *actor = rt__actor_at(actors, index);

    while (actor->child != RT__NO_ACTOR) {
        rt__actor_end(actors, actor->child, reason);
    }
}

// --- watching -------------------------------------------------------------------------------

// The number of watches from here on, and at how many to sweep: in the two halves of `number`.
static uint32_t
watch_count(const rt__mail *watch)
{
    return watch != NULL ? (uint32_t)watch->number : 0;
}

static uint32_t
sweep_at(const rt__mail *watch)
{
    return watch != NULL ? (uint32_t)(watch->number >> 32) : WATCHES_SWEPT_MIN;
}

static void
set_counts(rt__mail *watch, uint32_t count, uint32_t sweep)
{
    watch->number = (int64_t)((uint64_t)sweep << 32 | count);
}

// Removes the watches of watchers that are gone.
static void
sweep(rt_actors *actors, rt__actor *actor)
{
    rt__mail **link = &actor->watches;
    uint32_t count = 0;

    while (*link != NULL) {
        rt__mail *watch = *link;

        if (rt__actor_find(actors, watch->to) != NULL) {
            count++;
            link = &watch->next;
        } else {
            *link = watch->next;
            rt__mail_free(actors, watch);
        }
    }
    if (actor->watches != NULL) {
        set_counts(actor->watches, count, RT_MAX(2 * count, WATCHES_SWEPT_MIN));
    }
}

void
rt__actor_watch(rt_actors *actors, rt__mail *watch)
{
    rt__actor *watched = rt__actor_find(actors, watch->from);

    if (watched == NULL) {
        rt__mail_tell(actors, watch, RT_ENOTFOUND);
        return;
    }
    set_counts(watch, watch_count(watched->watches) + 1, sweep_at(watched->watches));
    watch->next = watched->watches;
    watched->watches = watch;
    if (watch_count(watch) >= sweep_at(watch)) {
        sweep(actors, watched);
    }
}
