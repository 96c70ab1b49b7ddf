// actor/overflow.h: what a full mailbox does with one message more.
//
// Layer: runtime/actor (libc only).   Threads: any.
#ifndef CEREBRO_RUNTIME_ACTOR_OVERFLOW_H
#define CEREBRO_RUNTIME_ACTOR_OVERFLOW_H

typedef enum rt_overflow {
    RT_OVERFLOW_REFUSE,      // the new one is refused with RT_EFULL, so that its sender slows down
    RT_OVERFLOW_DROP_OLDEST, // the oldest ones make room, each reported
} rt_overflow;

#endif
