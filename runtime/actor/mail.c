#include "runtime/actor/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// A mail is one block: head and payload. Blocks come in four sizes from pools; larger ones are
// allocated one by one. A handler's requests wait in `asked` until it returns: then each is granted
// in order, or all are taken back. A message is counted at its addressee from the moment it is
// asked for, so that a sender learns at once that a mailbox is full.
//
// At a bound, RT_OVERFLOW_DROP_OLDEST makes room when the new message enters the mailbox, not when
// it is asked for: a handler that fails has dropped nothing.

static const uint32_t block_bytes[RT__MAIL_POOLS] = {64, 256, 1024, 4096};

void
rt__mail_pools(rt_actors *actors)
{
    for (uint8_t i = 0; i < RT__MAIL_POOLS; i++) {
        rt__pool_init(&actors->mail_pools[i], block_bytes[i]);
    }
}

static uint8_t
pool_for(size_t bytes)
{
    uint8_t pool = 0;

    while (pool < RT__MAIL_POOLS && bytes > block_bytes[pool]) {
        pool++;
    }
    return pool;
}

rt__mail *
rt__mail_new(rt_actors *actors, rt__op op, rt_bytes payload)
{
    size_t bytes = sizeof(rt__mail) + payload.len;
    uint8_t pool = pool_for(bytes);
    rt__mail *mail = pool < RT__MAIL_POOLS
        ? rt__pool_get(&actors->mail_pools[pool], &actors->quota)
        : rt__quota_alloc(&actors->quota, bytes);

    if (RT_UNLIKELY(mail == NULL)) {
        return NULL;
    }
    mail->len = (uint32_t)payload.len;
    mail->op = (uint8_t)op;
    mail->pool = pool;
    mail->number = 0;
    mail->from = rt_actors_self(actors);
    if (payload.len > 0) {
        memcpy(mail->payload, payload.ptr, payload.len);
    }
    return mail;
}

void
rt__mail_free(rt_actors *actors, rt__mail *mail)
{
    if (mail == NULL) {
        return;
    }
    if (RT_LIKELY(mail->pool < RT__MAIL_POOLS)) {
        rt__pool_put(&actors->mail_pools[mail->pool], mail);
    } else {
        rt__quota_free(&actors->quota, mail, sizeof(rt__mail) + mail->len);
    }
}

void
rt__letter(rt_actors *actors, rt_actor_letter letter)
{
    const rt__actor *actor = rt__actor_find(actors, letter.to);

    actors->figures.letters++;
    if (actors->config.on_letter == NULL) {
        return;
    }
    letter.class_name = actor != NULL ? actor->class->name : NULL;
    actors->is_quiet = true;
    actors->config.on_letter(actors->config.user, &letter);
    actors->is_quiet = false;
}

void
rt__mail_bury(rt_actors *actors, rt__mail *mail, rt_err cause, uint32_t tries, const char *detail)
{
    rt__letter(actors, (rt_actor_letter){
        .to = mail->to,
        .from = mail->from,
        .type = mail->type,
        .payload = {mail->payload, mail->len},
        .cause = cause,
        .tries = tries,
        .detail = detail,
    });
    rt__mail_free(actors, mail);
}

// --- mailboxes ------------------------------------------------------------------------------

void
rt__mail_ready(rt_actors *actors, uint32_t index)
{
    rt__actor *actor = rt__actor_at(actors, index);

    actor->is_queued = true;
    actor->next = RT__NO_ACTOR;
    if (actors->queue_last != RT__NO_ACTOR) {
        rt__actor_at(actors, actors->queue_last)->next = index;
    } else {
        actors->queue_first = index;
    }
    actors->queue_last = index;
}

// Takes the oldest counted message out of a mailbox; NULL when there is none.
static rt__mail *
take_oldest(rt__actor *actor)
{
    rt__mail *before = NULL;
    rt__mail *mail = actor->mailbox.first;

    while (mail != NULL && !rt__mail_is_counted(mail)) {
        before = mail;
        mail = mail->next;
    }
    if (mail == NULL) {
        return NULL;
    }
    if (before == NULL) {
        return rt__mails_pop(&actor->mailbox);
    }
    before->next = mail->next;
    actor->mailbox.last = actor->mailbox.last == mail ? before : actor->mailbox.last;
    return mail;
}

static void
make_room(rt_actors *actors, rt__actor *actor)
{
    while (actor->count > actor->class->count_max || actor->bytes > actor->class->bytes_max) {
        bool is_retried = actor->supervisor != NULL && rt_supervisor_tries(actor->supervisor) > 0;
        const rt__mail *first = actor->mailbox.first;
        rt__mail *mail = take_oldest(actor);
        uint32_t tries = 0;

        if (mail == NULL) {
            return; // the rest has only been asked for, and comes here in turn
        }
        if (is_retried && mail == first) { // the tries go with it
            tries = rt_supervisor_tries(actor->supervisor);
            rt_supervisor_drop(actor->supervisor);
        }
        actor->count--;
        actor->bytes -= mail->len;
        rt__mail_bury(actors, mail, RT_EFULL, tries, "");
    }
}

// Puts a mail that was counted into its mailbox.
static void
put(rt_actors *actors, rt__actor *actor, rt__mail *mail)
{
    mail->number = actors->turn;
    rt__mails_push(&actor->mailbox, mail);
    if (RT_UNLIKELY(actor->class->overflow == RT_OVERFLOW_DROP_OLDEST)) {
        make_room(actors, actor);
    }
    if (!actor->is_queued && !actor->is_resting) {
        rt__mail_ready(actors, rt__actor_index(mail->to));
    }
}

static bool
is_understood(const rt__actor *actor, uint32_t type)
{
    return type != RT_ACTOR_DOWN && type < actor->class->handler_count &&
           actor->class->handlers[type] != NULL;
}

// What of an arriving mail its addressee does not take, whatever its mailbox holds.
static rt_err
refusal(const rt__actor *actor, const rt__mail *mail)
{
    if (actor == NULL) {
        return RT_ENOTFOUND;
    }
    if (!is_understood(actor, mail->type)) {
        return RT_EUNKNOWN;
    }
    return mail->len <= actor->class->bytes_max ? RT_OK : RT_ELIMIT;
}

void
rt__mail_arrive(rt_actors *actors, rt__mail *mail)
{
    rt__actor *actor = rt__actor_find(actors, mail->to);
    rt_err err = refusal(actor, mail);

    if (err == RT_OK && actor->class->overflow == RT_OVERFLOW_REFUSE &&
        !rt__mail_has_room(actor, mail->len)) {
        err = RT_EFULL;
    }
    if (err != RT_OK) {
        rt__mail_bury(actors, mail, err, 0, "");
        return;
    }
    actor->count++;
    actor->bytes += mail->len;
    put(actors, actor, mail);
}

void
rt__mail_tell(rt_actors *actors, rt__mail *mail, rt_err reason)
{
    rt__actor *watcher = rt__actor_find(actors, mail->to);
    const rt_actor_down down = {.who = mail->from, .reason = reason};

    if (watcher == NULL) {
        rt__mail_free(actors, mail);
        return;
    }
    mail->type = RT_ACTOR_DOWN;
    mail->number = actors->turn;
    memcpy(mail->payload, &down, sizeof(down));
    rt__mails_push(&watcher->mailbox, mail);
    if (!watcher->is_queued && !watcher->is_resting) {
        rt__mail_ready(actors, rt__actor_index(mail->to));
    }
}

// --- what is asked for ----------------------------------------------------------------------

static bool
is_in_handler(const rt_actors *actors)
{
    return actors->current != RT__NO_ACTOR;
}

static void
start_timer(rt_actors *actors, rt__mail *mail)
{
    actors->figures.timers++;
    rt_heap_push(&actors->timers, (rt_heap_item){
        .key = mail->number,
        .tie = actors->timer_tie++,
        .value = (uint64_t)(uintptr_t)mail,
    });
}

static void
grant_stop(rt_actors *actors, rt__mail *mail)
{
    rt_err reason = (rt_err)mail->type;
    rt_actor_id to = mail->to;

    rt__mail_free(actors, mail);
    if (rt__actor_find(actors, to) != NULL) {
        rt__actor_end(actors, rt__actor_index(to), reason);
    }
}

static void
grant(rt_actors *actors, rt__mail *mail)
{
    rt__actor *actor = NULL;

    switch ((rt__op)mail->op) {
    case RT__OP_SEND:
        actor = rt__actor_find(actors, mail->to);
        if (RT_LIKELY(actor != NULL)) {
            put(actors, actor, mail);
        } else {
            rt__mail_bury(actors, mail, RT_ECLOSED, 0, "");
        }
        return;
    case RT__OP_SEND_AT:
        actors->timers_asked--;
        start_timer(actors, mail);
        return;
    case RT__OP_STOP:
        grant_stop(actors, mail);
        return;
    case RT__OP_WATCH:
        rt__actor_watch(actors, mail);
        return;
    }
    RT_UNREACHABLE("every op is named above");
}

static void
take_back(rt_actors *actors, rt__mail *mail)
{
    if (mail->op == RT__OP_SEND) {
        rt__actor *actor = rt__actor_find(actors, mail->to);

        RT_ASSERT(actor != NULL); // nobody stops before the handler has succeeded
        actor->count--;
        actor->bytes -= mail->len;
    } else if (mail->op == RT__OP_SEND_AT) {
        actors->timers_asked--;
    }
    rt__mail_free(actors, mail);
}

void
rt__asked_mark(const rt_actors *actors, rt__mark *ret_mark)
{
    ret_mark->last = actors->asked.last;
    for (uint32_t i = 0; i < actors->peer_count; i++) {
        ret_mark->rings[i] = rt__ring_mark(actors->peers[i].out);
    }
}

void
rt__asked_undo(rt_actors *actors, const rt__mark *mark)
{
    rt__mail *mail = mark->last != NULL ? mark->last->next : actors->asked.first;

    if (mark->last != NULL) {
        mark->last->next = NULL;
    } else {
        actors->asked.first = NULL;
    }
    actors->asked.last = mark->last;
    while (mail != NULL) {
        rt__mail *next = mail->next;

        take_back(actors, mail);
        mail = next;
    }
    for (uint32_t i = 0; i < actors->peer_count; i++) {
        rt__ring_undo(actors->peers[i].out, mark->rings[i]);
    }
}

void
rt__asked_grant(rt_actors *actors)
{
    rt__mail *mail = rt__mails_pop(&actors->asked);

    while (mail != NULL) {
        grant(actors, mail);
        mail = rt__mails_pop(&actors->asked);
    }
}

// From a handler it waits for the handler's success.
static void
ask(rt_actors *actors, rt__mail *mail)
{
    if (is_in_handler(actors)) {
        rt__mails_push(&actors->asked, mail);
    } else {
        grant(actors, mail);
    }
}

static rt_err
no_memory(const rt_actors *actors)
{
    return rt_fail(RT_ENOMEM, "actors have %zu of %zu bytes", actors->quota.used_bytes,
                   actors->quota.max_bytes);
}

// --- the calls ------------------------------------------------------------------------------

static rt_err
gone(rt_actor_id who)
{
    return rt_fail(RT_ENOTFOUND, "no actor %llx", (unsigned long long)who.v);
}

// Finds an addressee that understands the message and could ever hold it.
static rt_err
find_addressee(rt_actors *actors, rt_actor_id to, uint32_t type, size_t len, rt__actor **ret_actor)
{
    rt__actor *actor = rt__actor_find(actors, to);

    if (RT_UNLIKELY(actor == NULL)) {
        return gone(to);
    }
    if (RT_UNLIKELY(!is_understood(actor, type))) {
        return rt_fail(RT_EUNKNOWN, "%s does not understand message type %u", actor->class->name,
                       type);
    }
    if (RT_UNLIKELY(len > actor->class->bytes_max)) {
        return rt_fail(RT_ELIMIT, "message of %zu bytes, mailbox of %u", len,
                       actor->class->bytes_max);
    }
    *ret_actor = actor;
    return RT_OK;
}

rt_err
rt_actors_send(rt_actors *actors, rt_actor_id to, uint32_t type, rt_bytes payload)
{
    rt__actor *actor = NULL;
    rt__mail *mail = NULL;
    rt_err err = RT_OK;

    RT_CHECK(actors, RT__ACTORS_MAGIC);
    RT_ASSERT(!actors->is_quiet);
    if (rt__actor_system(to) != actors->config.number) {
        return rt__peers_send(actors, to, type, payload);
    }
    err = find_addressee(actors, to, type, payload.len, &actor);
    if (RT_UNLIKELY(err != RT_OK)) {
        return err;
    }
    if (actor->class->overflow == RT_OVERFLOW_REFUSE && !rt__mail_has_room(actor, payload.len)) {
        return rt_fail(RT_EFULL, "the mailbox is full");
    }
    mail = rt__mail_new(actors, RT__OP_SEND, payload);
    if (mail == NULL) {
        return no_memory(actors);
    }
    mail->to = to;
    mail->type = (uint16_t)type;
    actor->count++;
    actor->bytes += mail->len;
    ask(actors, mail);
    return RT_OK;
}

rt_err
rt_actors_send_at(rt_actors *actors, rt_actor_id to, uint32_t type, rt_bytes payload,
                  int64_t at_us)
{
    rt__actor *actor = NULL;
    rt__mail *mail = NULL;
    rt_err err = RT_OK;

    RT_CHECK(actors, RT__ACTORS_MAGIC);
    RT_ASSERT(!actors->is_quiet);
    if (rt__actor_system(to) != actors->config.number) {
        return rt_fail(RT_EINVAL, "a timer for an actor of another system");
    }
    err = find_addressee(actors, to, type, payload.len, &actor);
    if (err != RT_OK) {
        return err;
    }
    if (actors->figures.timers + actors->timers_asked >= actors->config.timers_max) {
        return rt_fail(RT_EFULL, "%u messages wait for their time", actors->figures.timers);
    }
    mail = rt__mail_new(actors, RT__OP_SEND_AT, payload);
    if (mail == NULL) {
        return no_memory(actors);
    }
    mail->to = to;
    mail->type = (uint16_t)type;
    mail->number = at_us;
    actors->timers_asked++;
    ask(actors, mail);
    return RT_OK;
}

rt_err
rt_actors_stop(rt_actors *actors, rt_actor_id who, rt_err reason)
{
    rt__mail *mail = NULL;

    RT_CHECK(actors, RT__ACTORS_MAGIC);
    RT_ASSERT(!actors->is_quiet);
    if (rt__actor_find(actors, who) == NULL) {
        return gone(who);
    }
    if (!is_in_handler(actors)) {
        rt__actor_end(actors, rt__actor_index(who), reason);
        return RT_OK;
    }
    mail = rt__mail_new(actors, RT__OP_STOP, (rt_bytes){NULL, 0});
    if (mail == NULL) {
        return no_memory(actors);
    }
    mail->to = who;
    mail->type = (uint16_t)reason;
    ask(actors, mail);
    return RT_OK;
}

static rt__mail *
new_watch(rt_actors *actors, rt_actor_id watcher, rt_actor_id watched)
{
    const rt_actor_down down = {.who = watched};
    rt__mail *mail = rt__mail_new(actors, RT__OP_WATCH, (rt_bytes){(const uint8_t *)&down,
                                                                   sizeof(down)});

    if (mail != NULL) {
        mail->from = watched;
        mail->to = watcher;
        mail->type = RT_ACTOR_DOWN;
    }
    return mail;
}

static bool
is_ours(const rt_actors *actors, rt_actor_id a, rt_actor_id b)
{
    return rt__actor_system(a) == actors->config.number &&
           rt__actor_system(b) == actors->config.number;
}

rt_err
rt_actors_monitor(rt_actors *actors, rt_actor_id watcher, rt_actor_id watched)
{
    const rt__actor *actor = NULL;
    rt__mail *watch = NULL;

    RT_CHECK(actors, RT__ACTORS_MAGIC);
    RT_ASSERT(!actors->is_quiet);
    if (!is_ours(actors, watcher, watched)) {
        return rt_fail(RT_EINVAL, "a monitor across systems");
    }
    actor = rt__actor_find(actors, watcher);
    if (actor == NULL) {
        return gone(watcher);
    }
    if (actor->class->handler_count == 0 || actor->class->handlers[RT_ACTOR_DOWN] == NULL) {
        return rt_fail(RT_EUNKNOWN, "%s does not understand RT_ACTOR_DOWN", actor->class->name);
    }
    watch = new_watch(actors, watcher, watched);
    if (watch == NULL) {
        return no_memory(actors);
    }
    ask(actors, watch);
    return RT_OK;
}

rt_err
rt_actors_link(rt_actors *actors, rt_actor_id a, rt_actor_id b)
{
    rt__mail *one = NULL;
    rt__mail *other = NULL;

    RT_CHECK(actors, RT__ACTORS_MAGIC);
    RT_ASSERT(!actors->is_quiet);
    if (!is_ours(actors, a, b)) {
        return rt_fail(RT_EINVAL, "a link across systems");
    }
    if (rt__actor_find(actors, a) == NULL || rt__actor_find(actors, b) == NULL) {
        return gone(rt__actor_find(actors, a) == NULL ? a : b);
    }
    one = new_watch(actors, a, b);
    other = new_watch(actors, b, a);
    if (one == NULL || other == NULL) {
        rt__mail_free(actors, one);
        rt__mail_free(actors, other);
        return no_memory(actors);
    }
    ask(actors, one);
    ask(actors, other);
    return RT_OK;
}
