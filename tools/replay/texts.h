// replay/texts.h: what customers and carriers say, in Spanish, from templates with variables.
//
// Layer: tools/replay.   Threads: any.
#ifndef CEREBRO_TOOLS_REPLAY_TEXTS_H
#define CEREBRO_TOOLS_REPLAY_TEXTS_H

#include "runtime/base/text.h"

#define TEXTS_BYTES_MAX 1024

typedef enum texts_topic {
    TEXTS_WHERE,     // inquiry, nothing wrong yet
    TEXTS_CHANGE,    // inquiry: address, time of day
    TEXTS_IMPATIENT, // inquiry: the promise is near or gone
    TEXTS_ANGRY,     // inquiry, second time about a late order
    TEXTS_LATE,      // issue of that kind; the next ones too
    TEXTS_DAMAGED,
    TEXTS_LOST,
    TEXTS_WRONG_ITEM,
    TEXTS_BILLING,
    TEXTS_OTHER,
    TEXTS_SCORE_1, // feedback by score
    TEXTS_SCORE_2,
    TEXTS_SCORE_3,
    TEXTS_SCORE_4,
    TEXTS_SCORE_5,
    TEXTS_NOTE_RAIN, // carrier's remark; the next ones too
    TEXTS_NOTE_ROAD,
    TEXTS_NOTE_HUB,
    TEXTS_NOTE_ABSENT, // driver's remark; the next ones too
    TEXTS_NOTE_ADDRESS,
    TEXTS_NOTE_REFUSED,
    TEXTS_NOTE_UNSAFE,
    TEXTS_NOTE_CLOSED,
    TEXTS_NOTE_VEHICLE,
    TEXTS_LEAVE, // why a customer left
    TEXTS_TOPICS,
} texts_topic;

// What the variables of a template stand for.
typedef struct texts_values {
    const char *order;   // {pedido}
    const char *city;    // {ciudad}
    const char *carrier; // {transportadora}
    const char *product; // {producto}
    const char *name;    // {nombre}
    int64_t days;        // {dias} with the word: "1 día", "3 días"; at least 1
} texts_values;

// texts_write appends a template of the topic, chosen by `salt`, with its variables filled in.
void texts_write(rt_text *out, texts_topic topic, uint32_t salt, const texts_values *values);
// texts_name is a person's first name, chosen by `salt`.
const char *texts_name(uint32_t salt);
// texts_templates is the number of templates of a topic.
size_t texts_templates(texts_topic topic);

#endif
