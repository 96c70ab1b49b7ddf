#include "brain/agent/internal.h"

#include <stdlib.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"

// Design notes.
// One growing array a kind for all records since the last take, and for each record that somebody
// said something about the ranges it has in them. Ranges are indices, because the arrays move when
// they grow; br__said_view turns them into the lists of a message. Undoing a failed handler is
// shortening the arrays; the texts it left in the arena go with the next clear. After the first
// batches nothing is allocated any more.
//
// Whoever reads the answers goes through them by seq, so there they stand in order of seq, one for
// each. That is how they are made, unless an agent that was behind speaks late: only then are they
// sorted, and those for one record merged.

#define SAID_MAGIC 0x5a1d0001u
#define SAID_BYTES_MAX (32u * 1024 * 1024)
#define LIST_FIRST 64

typedef struct list {
    uint8_t *items;
    uint32_t count;
    uint32_t cap;
    uint32_t item_size;
} list;

typedef struct range {
    uint64_t seq;
    uint32_t number; // in the order they were made
    br__mark from;
    br__mark upto;
} range;

struct br__said {
    uint32_t magic;
    rt_arena *arena;
    list sayings[BR__SAYINGS];
    list ranges;
    list failures;
    list answers; // made by br__said_view
    bool is_unordered; // somebody spoke late
    uint64_t failures_lost;
};

static void *
add(list *l)
{
    void *item = NULL;

    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? LIST_FIRST : l->cap * 2;
        l->items = rt_realloc(l->items, (size_t)l->cap * l->item_size);
    }
    item = l->items + (size_t)l->count * l->item_size;
    memset(item, 0, l->item_size);
    l->count++;
    return item;
}

br__said *
br__said_new(void)
{
    br__said *said = rt_new(br__said);

    said->magic = SAID_MAGIC;
    said->arena = rt_arena_new(SAID_BYTES_MAX);
    said->sayings[BR__PROPOSALS].item_size = sizeof(msg_proposal);
    said->sayings[BR__PREDICTIONS].item_size = sizeof(msg_prediction);
    said->sayings[BR__EMISSIONS].item_size = sizeof(msg_emission);
    said->sayings[BR__TIMERS].item_size = sizeof(msg_timer);
    said->ranges.item_size = sizeof(range);
    said->failures.item_size = sizeof(msg_failure);
    said->answers.item_size = sizeof(msg_answer);
    return said;
}

void
br__said_free(br__said *said)
{
    if (said == NULL) {
        return;
    }
    RT_CHECK(said, SAID_MAGIC);
    for (int i = 0; i < BR__SAYINGS; i++) {
        rt_free(said->sayings[i].items);
    }
    rt_free(said->ranges.items);
    rt_free(said->failures.items);
    rt_free(said->answers.items);
    rt_arena_free(said->arena);
    said->magic = 0;
    rt_free(said);
}

void
br__said_clear(br__said *said)
{
    RT_CHECK(said, SAID_MAGIC);
    for (int i = 0; i < BR__SAYINGS; i++) {
        said->sayings[i].count = 0;
    }
    said->ranges.count = 0;
    said->failures.count = 0;
    said->answers.count = 0;
    said->is_unordered = false;
    said->failures_lost = 0;
    if (rt_arena_used(said->arena) > 0) {
        rt_arena_reset(said->arena);
    }
}

rt_arena *
br__said_arena(br__said *said)
{
    RT_CHECK(said, SAID_MAGIC);
    return said->arena;
}

void *
br__said_add(br__said *said, br__saying kind)
{
    RT_ASSERT(kind < BR__SAYINGS);
    return add(&said->sayings[kind]);
}

br__mark
br__said_mark(const br__said *said)
{
    br__mark mark;

    for (int i = 0; i < BR__SAYINGS; i++) {
        mark.count[i] = said->sayings[i].count;
    }
    return mark;
}

void
br__said_undo(br__said *said, const br__mark *mark)
{
    for (int i = 0; i < BR__SAYINGS; i++) {
        RT_ASSERT(mark->count[i] <= said->sayings[i].count);
        said->sayings[i].count = mark->count[i];
    }
}

uint32_t
br__said_since(const br__said *said, const br__mark *mark, br__saying kind)
{
    return said->sayings[kind].count - mark->count[kind];
}

void
br__said_close(br__said *said, const br__mark *mark, uint64_t seq)
{
    br__mark upto = br__said_mark(said);
    range *r = NULL;

    if (memcmp(&upto, mark, sizeof(upto)) == 0) {
        return;
    }
    r = add(&said->ranges);
    *r = (range){.seq = seq, .number = said->ranges.count, .from = *mark, .upto = upto};
    if (said->ranges.count > 1 && r[-1].seq >= seq) {
        said->is_unordered = true;
    }
}

bool
br__said_is_full(const br__said *said)
{
    // One record may add an answer and, for each agent, a failure.
    return said->ranges.count >= RT_MSG_LIST_MAX
        || said->failures.count + BR_RUNNER_AGENTS_MAX > RT_MSG_LIST_MAX;
}

void
br__said_fail(br__said *said, uint64_t seq, rt_str agent, uint64_t attempts, const char *cause)
{
    msg_failure *failure = NULL;

    if (said->failures.count >= RT_MSG_LIST_MAX) {
        if (said->failures_lost++ == 0) {
            rt_log_error("dead-letters-lost", "agent=%.*s seq=%llu and further ones: too many",
                         RT_STR_ARG(agent), (unsigned long long)seq);
        }
        return;
    }
    failure = add(&said->failures);
    *failure = (msg_failure){
        .seq = seq,
        .agent = agent,
        .attempts = attempts,
        .cause = rt_arena_str(said->arena, rt_str_of(cause)), // empty when there is no room
    };
}

static int
compare_ranges(const void *a, const void *b)
{
    const range *x = a;
    const range *y = b;

    if (x->seq != y->seq) {
        return x->seq < y->seq ? -1 : 1;
    }
    return x->number < y->number ? -1 : 1;
}

static rt_msg_list
list_of(const br__said *said, const range *r, br__saying kind)
{
    const list *l = &said->sayings[kind];
    uint32_t from = r->from.count[kind];
    uint32_t count = r->upto.count[kind] - from;

    return (rt_msg_list){
        .items = count > 0 ? l->items + (size_t)from * l->item_size : NULL,
        .count = count,
    };
}

// Appends `more` to `to`; false when the arena has no room.
static bool
append_list(rt_arena *arena, rt_msg_list *to, rt_msg_list more, uint32_t item_size)
{
    uint8_t *items = NULL;

    if (more.count == 0) {
        return true;
    }
    items = rt_arena_alloc(arena, ((size_t)to->count + more.count) * item_size);
    if (items == NULL) {
        return false;
    }
    if (to->count > 0) {
        memcpy(items, to->items, (size_t)to->count * item_size);
    }
    memcpy(items + (size_t)to->count * item_size, more.items, (size_t)more.count * item_size);
    *to = (rt_msg_list){items, to->count + more.count};
    return true;
}

static bool
merge_answer(br__said *said, msg_answer *into, const msg_answer *from)
{
    const list *l = said->sayings;
    msg_answer merged = *into;
    bool is_done = append_list(said->arena, &merged.proposals, from->proposals,
                               l[BR__PROPOSALS].item_size) &&
                   append_list(said->arena, &merged.predictions, from->predictions,
                               l[BR__PREDICTIONS].item_size) &&
                   append_list(said->arena, &merged.emissions, from->emissions,
                               l[BR__EMISSIONS].item_size) &&
                   append_list(said->arena, &merged.timers, from->timers, l[BR__TIMERS].item_size);

    if (is_done) {
        *into = merged;
    }
    return is_done;
}

// Makes one of several answers for a record, which stand next to each other.
static void
merge_answers(br__said *said)
{
    msg_answer *answers = (msg_answer *)(void *)said->answers.items;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < said->answers.count; i++) {
        bool is_same = kept > 0 && answers[kept - 1].seq == answers[i].seq;

        if (!is_same || !merge_answer(said, &answers[kept - 1], &answers[i])) {
            answers[kept++] = answers[i];
        }
    }
    said->answers.count = kept;
}

void
br__said_view(br__said *said, msg_answers *ret_answers)
{
    RT_CHECK(said, SAID_MAGIC);
    said->answers.count = 0;
    if (said->is_unordered) {
        qsort(said->ranges.items, said->ranges.count, sizeof(range), compare_ranges);
    }
    for (uint32_t i = 0; i < said->ranges.count; i++) {
        const range *r = (const range *)(void *)said->ranges.items + i;
        msg_answer *answer = add(&said->answers);

        *answer = (msg_answer){
            .seq = r->seq,
            .proposals = list_of(said, r, BR__PROPOSALS),
            .predictions = list_of(said, r, BR__PREDICTIONS),
            .emissions = list_of(said, r, BR__EMISSIONS),
            .timers = list_of(said, r, BR__TIMERS),
        };
    }
    if (said->is_unordered) {
        merge_answers(said);
    }
    *ret_answers = (msg_answers){
        .answers = {said->answers.items, said->answers.count},
        .failures = {said->failures.items, said->failures.count},
    };
}
