// Design notes.
// A rule whose condition says `data.city == "Cali" && ...` need not be looked at for another city:
// && is false when any side is. Of the parts that compare a variable with constant texts one is
// chosen for each rule: the one whose texts the fewest rules of the event type ask for, so that a
// thousand rules with a status in common are told apart by what differs. An event then costs one
// look-up for each variable that is compared, whatever the number of rules.
// A rule that the index rules out is not in the decision's record: it was false, and why is told by
// evaluating it again with the context that was recorded.
#include <string.h>

#include "brain/playbook/internal.h"

// A part of a condition by which its rule may be found.
typedef struct choice {
    br_expr_texts texts;
    bool found;
} choice;

typedef struct building {
    br_playbooks *set;
    br_rule_list *list;
    rt_map *asked; // slot and text → how many rules compare them
} building;

static rt_bytes
asked_key(uint32_t slot, rt_str text, uint8_t buffer[BR_EXPR_BYTES_MAX + sizeof(slot)])
{
    size_t len = RT_MIN(text.len, (size_t)BR_EXPR_BYTES_MAX);
    memcpy(buffer, &slot, sizeof(slot));
    memcpy(buffer + sizeof(slot), text.ptr, len);
    return (rt_bytes){buffer, sizeof(slot) + len};
}

static void
count_texts(building *b, const br_rule *rule)
{
    uint8_t buffer[BR_EXPR_BYTES_MAX + sizeof(uint32_t)];
    size_t parts = rule->when != NULL ? br_expr_conjunct_count(rule->when) : 0;
    for (size_t i = 0; i < parts; i++) {
        br_expr_texts texts;
        bool found = br_expr_conjunct_texts(rule->when, i, &texts);
        for (uint32_t t = 0; found && t < texts.count; t++) {
            rt_bytes key = asked_key(texts.slot, texts.texts[t], buffer);
            uint64_t count = 0;
            (void)rt_map_get(b->asked, key, &count);
            (void)rt_map_put(b->asked, key, count + 1);
        }
    }
}

static uint64_t
rules_asking(building *b, const br_expr_texts *texts)
{
    uint8_t buffer[BR_EXPR_BYTES_MAX + sizeof(uint32_t)];
    uint64_t most = 0;
    for (uint32_t t = 0; t < texts->count; t++) {
        uint64_t count = 0;
        (void)rt_map_get(b->asked, asked_key(texts->slot, texts->texts[t], buffer), &count);
        most = RT_MAX(most, count);
    }
    return most;
}

static choice
choose(building *b, const br_rule *rule)
{
    choice best = {.found = false};
    uint64_t fewest = 0;
    size_t parts = rule->when != NULL ? br_expr_conjunct_count(rule->when) : 0;
    for (size_t i = 0; i < parts; i++) {
        br_expr_texts texts;
        if (!br_expr_conjunct_texts(rule->when, i, &texts)) {
            continue;
        }
        uint64_t asking = rules_asking(b, &texts);
        if (!best.found || asking < fewest) {
            best = (choice){texts, true};
            fewest = asking;
        }
    }
    return best;
}

static bool
add_number(br_playbooks *set, br_rule_numbers *numbers, uint32_t number)
{
    if (numbers->count == numbers->room) {
        uint32_t room = RT_MAX(2 * numbers->room, 4u);
        uint16_t *grown = rt_arena_array(set->arena, uint16_t, room);
        if (grown == NULL) {
            set->full = true;
            return false;
        }
        if (numbers->count > 0) {
            memcpy(grown, numbers->rules, sizeof(uint16_t) * numbers->count);
        }
        numbers->rules = grown;
        numbers->room = room;
    }
    // a rule that names a text twice is in its list once
    if (numbers->count == 0 || numbers->rules[numbers->count - 1] != number) {
        numbers->rules[numbers->count++] = (uint16_t)number;
    }
    return true;
}

static br_index_slot *
slot_of(building *b, uint32_t slot)
{
    br_rule_list *list = b->list;
    for (uint32_t i = 0; i < list->slot_count; i++) {
        if (list->slots[i].slot == slot) {
            return &list->slots[i];
        }
    }
    if (list->slot_count == BR_INDEX_SLOTS_MAX) {
        return NULL;
    }
    br_index_slot *made = &list->slots[list->slot_count++];
    *made = (br_index_slot){.slot = slot, .texts = rt_map_new()};
    return made;
}

static bool
add_text(building *b, br_index_slot *slot, rt_str text, uint32_t number)
{
    uint64_t at;
    if (!rt_map_get(slot->texts, rt_bytes_of_str(text), &at)) {
        if (slot->list_count == slot->list_room) {
            uint32_t room = RT_MAX(2 * slot->list_room, 8u);
            br_rule_numbers *grown = rt_arena_array(b->set->arena, br_rule_numbers, room);
            if (grown == NULL) {
                b->set->full = true;
                return false;
            }
            if (slot->list_count > 0) {
                memcpy(grown, slot->lists, sizeof(br_rule_numbers) * slot->list_count);
            }
            slot->lists = grown;
            slot->list_room = room;
        }
        at = slot->list_count++;
        (void)rt_map_put(slot->texts, rt_bytes_of_str(text), at);
    }
    return add_number(b->set, &slot->lists[at], number);
}

static void
place(building *b, uint32_t number)
{
    choice chosen = choose(b, b->list->rules[number]);
    br_index_slot *slot = chosen.found ? slot_of(b, chosen.texts.slot) : NULL;
    if (slot == NULL) {
        (void)add_number(b->set, &b->list->always, number);
        return;
    }
    for (uint32_t t = 0; t < chosen.texts.count; t++) {
        (void)add_text(b, slot, chosen.texts.texts[t], number);
    }
    if (!chosen.texts.is_false_absent) {
        (void)add_number(b->set, &slot->absent, number);
    }
}

uint32_t
br__index_most(const br_rule_list *list)
{
    uint32_t most = list->always.count;
    for (uint32_t i = 0; i < list->slot_count; i++) {
        const br_index_slot *slot = &list->slots[i];
        uint32_t here = slot->absent.count;
        for (uint32_t l = 0; l < slot->list_count; l++) {
            here = RT_MAX(here, slot->lists[l].count);
        }
        most += here;
    }
    return most;
}

void
br__index_build(br_playbooks *set)
{
    for (uint16_t t = 0; t < rt_catalog_count(br_pack_catalog(set->pack)); t++) {
        br_rule_list *list = &set->by_type[t];
        uint32_t count = RT_MIN(list->count, (uint32_t)BR_RULES_MAX);
        building b = {set, list, rt_map_new()};
        for (uint32_t i = 0; i < count; i++) {
            count_texts(&b, list->rules[i]);
        }
        for (uint32_t i = 0; i < count; i++) {
            place(&b, i);
        }
        rt_map_free(b.asked);
    }
}

void
br__index_free(br_rule_list *list)
{
    for (uint32_t i = 0; i < list->slot_count; i++) {
        rt_map_free(list->slots[i].texts);
    }
}

static void
mark(uint64_t bits[BR_RULES_MAX / 64], const br_rule_numbers *numbers)
{
    for (uint32_t i = 0; i < numbers->count; i++) {
        bits[numbers->rules[i] / 64] |= UINT64_C(1) << (numbers->rules[i] % 64);
    }
}

static void
mark_slot(uint64_t bits[BR_RULES_MAX / 64], const br_index_slot *slot, rt_value value)
{
    uint64_t at;
    if (value.kind == RT_KIND_STR) {
        if (rt_map_get(slot->texts, rt_bytes_of_str(value.s), &at)) {
            mark(bits, &slot->lists[at]);
        }
        return;
    }
    mark(bits, &slot->absent);
}

uint32_t
br__index_find(const br_playbooks *set, const br_situation *situation, const br_rule **ret_rules,
               uint32_t max)
{
    const br_rule_list *list = &set->by_type[situation->event->type->index];
    uint64_t bits[BR_RULES_MAX / 64];
    uint32_t words = (RT_MIN(list->count, (uint32_t)BR_RULES_MAX) + 63) / 64;
    uint32_t count = 0;
    if (set->looks_at_all) {
        for (uint32_t i = 0; i < list->count; i++, count++) {
            if (count < max) {
                ret_rules[count] = list->rules[i];
            }
        }
        return count;
    }
    memset(bits, 0, words * sizeof(bits[0]));
    mark(bits, &list->always);
    for (uint32_t i = 0; i < list->slot_count; i++) {
        mark_slot(bits, &list->slots[i], br_situation_load(situation, list->slots[i].slot));
    }
    for (uint32_t w = 0; w < words; w++) {
        for (uint64_t left = bits[w]; left != 0; left &= left - 1, count++) {
            if (count < max) {
                ret_rules[count] = list->rules[w * 64 + (uint32_t)__builtin_ctzll(left)];
            }
        }
    }
    return count;
}
