// brain/playbook/course_internal.h: shared by the files of brain/playbook that run courses only.
#ifndef CEREBRO_BRAIN_PLAYBOOK_COURSE_INTERNAL_H
#define CEREBRO_BRAIN_PLAYBOOK_COURSE_INTERNAL_H

#include "brain/playbook/course.h"
#include "brain/playbook/internal.h"

// --- course.c ---
// br__course_read decodes a row as this decision sees it, its own writes included; false when there
// is none or it cannot be read.
bool br__course_read(br_course *course, rt_str what, rt_str playbook, rt_str key,
                     const rt_msg_def *def, void *ret_msg);
// br__course_write keeps a message under a key; false when it is too large or there are too many.
bool br__course_write(br_course *course, rt_str what, rt_str playbook, rt_str key,
                      const rt_msg_def *def, const void *msg);
// br__course_forget removes a row.
void br__course_forget(br_course *course, rt_str what, rt_str playbook, rt_str key);
// br__course_timer sets, moves or (due_ms 0) cancels a playbook's timer "<what>:<key>".
void br__course_timer(br_course *course, const br_playbook *playbook, const char *what, rt_str key,
                      int64_t due_ms);
// br__course_key makes a key of any text: a long one is cut and told apart by its hash.
rt_str br__course_key(br_course *course, rt_str text);
// br__course_consulted finds the playbook's entry in what was said, or adds one.
msg_consulted *br__course_consulted(br_course *course, const br_playbook *playbook);
// br__course_situation is the event's situation as it was recorded; NULL when there is none.
const br_situation *br__course_situation(br_course *course);
// br__course_ask adds the proposals of a list of steps to what was said, all or none.
bool br__course_ask(br_course *course, const br_playbook *playbook, const br_steps *steps,
                    br_expr_load load, const void *user, rt_str *ret_why);
// br__course_fired notes that a playbook acts: in shadow, or with its verification to come.
void br__course_fired(br_course *course, const br_playbook *playbook);
// br__course_append adds an item to a list of the message, returning its place; NULL at the limit.
void *br__course_append(br_course *course, rt_msg_list *list, size_t size);

// --- pattern.c ---
// br__pattern_match takes an event that is a part of a pattern; br__pattern_timer the end of a
// window's time.
void br__pattern_match(br_course *course, const msg_match *match);
void br__pattern_timer(br_course *course, rt_str playbook, rt_str key);

#endif
