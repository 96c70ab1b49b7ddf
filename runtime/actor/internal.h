// actor/internal.h: what the files of this folder share; nobody else includes it.
//
// Layer: runtime/actor.   Threads: the system's owner.
#ifndef CEREBRO_RUNTIME_ACTOR_INTERNAL_H
#define CEREBRO_RUNTIME_ACTOR_INTERNAL_H

#include "runtime/actor/pool.h"
#include "runtime/actor/ring.h"
#include "runtime/actor/system.h"
#include "runtime/base/heap.h"

#define RT__ACTORS_MAGIC 0xac704501u
#define RT__CHUNK_BITS 12u
#define RT__CHUNK_ACTORS (1u << RT__CHUNK_BITS)
#define RT__CHUNKS_MAX (RT_ACTORS_MAX / RT__CHUNK_ACTORS)
#define RT__NO_ACTOR UINT32_MAX
#define RT__STATE_STEP 16u // sizes of states are rounded up to it
#define RT__MAIL_POOLS 4

// What a handler asked for: a message, or one of the things that also wait for its success.
typedef enum rt__op {
    RT__OP_SEND,
    RT__OP_SEND_AT,
    RT__OP_STOP,  // type: the reason
    RT__OP_WATCH, // from: the watched one, to: the watcher
} rt__op;

// A message, and everything else that a handler can ask for. As a message in a mailbox it is
// counted there from the moment it is asked for; RT_ACTOR_DOWN is not counted at all.
typedef struct rt__mail {
    struct rt__mail *next;
    rt_actor_id from;
    rt_actor_id to;
    // In a mailbox: the turn in which it came. Before that, of RT__OP_SEND_AT: when it is due; of
    // a watch: how many there are from here on.
    int64_t number;
    uint32_t len;
    uint16_t type;
    uint8_t op;
    uint8_t pool; // RT__MAIL_POOLS: allocated by itself
    uint8_t payload[];
} rt__mail;

_Static_assert(sizeof(rt__mail) == 40, "40 bytes of head leave 24 in the smallest block");

typedef struct rt__mails {
    rt__mail *first;
    rt__mail *last;
} rt__mails;

typedef struct rt__actor {
    const rt_actor_class *class; // NULL: a free place
    void *state;
    rt__mails mailbox;
    rt__mail *watches; // of this actor: what its watchers are told
    rt__mail *args;    // of its spawn
    rt_supervisor *supervisor; // since its first failure
    uint32_t count; // messages in the mailbox, or asked for
    uint32_t bytes; // of their payloads
    uint32_t generation;
    uint32_t next; // in the run queue, or of the free places
    uint32_t parent;
    uint32_t child; // the youngest
    uint32_t older; // sibling
    uint32_t younger;
    bool is_queued;
    bool is_resting;
    bool must_restart;
    bool is_up; // init succeeded, fini is due
} rt__actor;

_Static_assert(sizeof(rt__actor) <= 112, "with its state, an idle actor stays within 128 bytes");

typedef struct rt__peer {
    rt_actors *system;
    rt__ring *out; // the other one's
    rt__ring *in;  // ours
} rt__peer;

// How much had been asked for at some moment.
typedef struct rt__mark {
    rt__mail *last;
    uint64_t rings[RT_ACTORS_SYSTEMS_MAX]; // as far as there are peers
} rt__mark;

struct rt_actors {
    uint32_t magic;
    uint32_t made; // places of actors so far
    rt__actor **chunks;
    uint32_t free_places;
    uint32_t queue_first;
    uint32_t queue_last;
    uint32_t current; // the actor in work
    uint32_t depth;   // of inits within inits
    int64_t turn;     // counts turns
    bool is_quiet;    // in a callback that may call nothing of the system
    rt__mails asked;  // by the handler in work
    int64_t now_us;
    rt_actors_config config;
    rt__quota quota;
    rt__pool mail_pools[RT__MAIL_POOLS];
    rt__pool supervisors;
    rt__pool state_pools[RT_ACTOR_STATE_BYTES_MAX / RT__STATE_STEP + 1];
    rt_heap timers; // value: a mail, or index << 1 | 1 of an actor that rests
    uint64_t timer_tie;
    uint32_t timers_asked; // by the handler in work
    rt_actors_figures figures;
    rt__peer peers[RT_ACTORS_SYSTEMS_MAX];
    uint32_t peer_count;
    uint8_t peer_of[RT_ACTORS_SYSTEMS_MAX]; // by number: 1 + place in peers, 0 = none
    // Called on the sender's thread when it has put something into one of our rings; may be NULL.
    void (*on_work)(void *user);
    void *on_work_user;
};

static inline rt__actor *
rt__actor_at(const rt_actors *actors, uint32_t index)
{
    return &actors->chunks[index >> RT__CHUNK_BITS][index & (RT__CHUNK_ACTORS - 1)];
}

static inline uint32_t
rt__actor_index(rt_actor_id id)
{
    return (uint32_t)id.v & (RT_ACTORS_MAX - 1);
}

static inline uint32_t
rt__actor_system(rt_actor_id id)
{
    return (uint32_t)id.v >> 24;
}

// The actor of that id, NULL when there is none any more.
static inline rt__actor *
rt__actor_find(const rt_actors *actors, rt_actor_id id)
{
    uint32_t index = rt__actor_index(id);
    rt__actor *actor = NULL;

    if (rt__actor_system(id) != actors->config.number || index >= actors->made) {
        return NULL;
    }
    actor = rt__actor_at(actors, index);
    return actor->generation == id.v >> 32 && actor->class != NULL ? actor : NULL;
}

static inline rt_actor_id
rt__actor_id(const rt_actors *actors, uint32_t index)
{
    return (rt_actor_id){(uint64_t)rt__actor_at(actors, index)->generation << 32 |
                         (uint64_t)actors->config.number << 24 | index};
}

static inline void
rt__mails_push(rt__mails *mails, rt__mail *mail)
{
    mail->next = NULL;
    if (mails->last != NULL) {
        mails->last->next = mail;
    } else {
        mails->first = mail;
    }
    mails->last = mail;
}

static inline rt__mail *
rt__mails_pop(rt__mails *mails)
{
    rt__mail *mail = mails->first;

    if (mail != NULL) {
        mails->first = mail->next;
        mails->last = mails->first != NULL ? mails->last : NULL;
    }
    return mail;
}

static inline void
rt__mails_push_front(rt__mails *mails, rt__mail *mail)
{
    mail->next = mails->first;
    mails->first = mail;
    mails->last = mails->last != NULL ? mails->last : mail;
}

// --- mail.c: messages, mailboxes, and what a handler asks for ---------------------------------

// rt__mail_pools prepares the pools of mails.
void rt__mail_pools(rt_actors *actors);
// rt__mail_new makes a mail with a copy of the payload; NULL without memory.
rt__mail *rt__mail_new(rt_actors *actors, rt__op op, rt_bytes payload) RT_MUST_USE;
// rt__mail_free releases it; NULL is fine.
void rt__mail_free(rt_actors *actors, rt__mail *mail);
// rt__mail_is_counted tells whether it takes room in its mailbox.
static inline bool
rt__mail_is_counted(const rt__mail *mail)
{
    return mail->type != RT_ACTOR_DOWN;
}
// rt__letter reports a dead letter; all but the class's name is filled in by the caller.
void rt__letter(rt_actors *actors, rt_actor_letter letter);
// rt__mail_bury reports a mail as a dead letter and releases it.
void rt__mail_bury(rt_actors *actors, rt__mail *mail, rt_err cause, uint32_t tries,
                   const char *detail);
// rt__mail_has_room tells whether a payload of `len` bytes fits into a mailbox as it is.
static inline bool
rt__mail_has_room(const rt__actor *actor, size_t len)
{
    return actor->count < actor->class->count_max &&
           actor->bytes + len <= actor->class->bytes_max;
}
// rt__mail_arrive brings a mail that nobody could refuse any more (a timer's, another system's)
// into its mailbox, or buries it.
void rt__mail_arrive(rt_actors *actors, rt__mail *mail);
// rt__mail_tell puts an RT_ACTOR_DOWN into its mailbox.
void rt__mail_tell(rt_actors *actors, rt__mail *mail, rt_err reason);
// rt__mail_ready puts an actor with messages at the end of the run queue.
void rt__mail_ready(rt_actors *actors, uint32_t index);
// rt__asked_mark remembers how much was asked for; rt__asked_undo takes back what came after it,
// rt__asked_grant makes all of it true.
void rt__asked_mark(const rt_actors *actors, rt__mark *ret_mark);
void rt__asked_undo(rt_actors *actors, const rt__mark *mark);
void rt__asked_grant(rt_actors *actors);

// --- peers.c: messages between systems ----------------------------------------------------------

// rt__peers_send writes a message for an actor of another system.
//   errors    RT_EFULL · RT_ENOTFOUND not connected with that system · RT_ELIMIT
rt_err rt__peers_send(rt_actors *actors, rt_actor_id to, uint32_t type,
                      rt_bytes payload) RT_MUST_USE;
// rt__peers_flush shows the others what was sent to them and wakes them, once each.
void rt__peers_flush(rt_actors *actors);
// rt__peers_take brings what the others sent into the mailboxes; true when something had to stay
// behind because its mailbox is full.
bool rt__peers_take(rt_actors *actors);

// --- life.c: spawning, restarting, stopping ---------------------------------------------------

// rt__actor_restart rebuilds the state of an actor that failed.
//   errors    those of init
rt_err rt__actor_restart(rt_actors *actors, uint32_t index) RT_MUST_USE;
// rt__actor_end stops an actor and its children.
void rt__actor_end(rt_actors *actors, uint32_t index, rt_err reason);
// rt__actor_end_children stops its children only.
void rt__actor_end_children(rt_actors *actors, uint32_t index, rt_err reason);
// rt__actor_release_place makes a place that has left the run queue free.
void rt__actor_release_place(rt_actors *actors, uint32_t index);
// rt__actor_watch enters a watch, or tells the watcher at once.
void rt__actor_watch(rt_actors *actors, rt__mail *watch);

#endif
