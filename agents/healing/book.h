// healing/book.h: the remediation playbooks of the live set, parsed.
//
// Layer: agents/healing.   Threads: the host's loop thread.
#ifndef CEREBRO_AGENTS_HEALING_BOOK_H
#define CEREBRO_AGENTS_HEALING_BOOK_H

#include "brain/agent/agent.h"
#include "brain/playbook/remediation.h"

#define HEALING_PLAYBOOKS_MAX 128

// healing_book is rebuilt from the recorded playbook set whenever that changes; zero is empty.
typedef struct healing_book {
    uint64_t version;
    bool is_read;
    uint32_t count;
    br_remediation *playbooks[HEALING_PLAYBOOKS_MAX]; // by priority, the highest first, then id
} healing_book;

// healing_book_refresh parses the live set anew when it changed. Files of other kinds are passed
// over; a remediation that cannot be parsed is left out (it was checked before it became live).
void healing_book_refresh(healing_book *book, const br_agent *self);
// healing_book_fini releases it.
void healing_book_fini(healing_book *book);
// healing_book_for finds the first playbook for an anomaly whose condition holds, or NULL.
const br_remediation *healing_book_for(const healing_book *book, rt_str anomaly,
                                       const rt_event *event);
// healing_book_find finds a playbook by id, or NULL.
const br_remediation *healing_book_find(const healing_book *book, rt_str id);

#endif
