// brain/playbook/findings.h: findings in the forms that people and machines read, and what their
// codes mean.
//
// Layer: brain/playbook (may use runtime/**).   Threads: any.
#ifndef CEREBRO_BRAIN_PLAYBOOK_FINDINGS_H
#define CEREBRO_BRAIN_PLAYBOOK_FINDINGS_H

#include "runtime/wire/diag.h"

typedef enum br_findings_form {
    BR_FINDINGS_HUMAN, // with the line and a caret
    BR_FINDINGS_GCC,   // file:line:col: error: text [code], one a line
    BR_FINDINGS_JSON,  // an array of objects
    BR_FINDINGS_SARIF, // SARIF 2.1.0
} br_findings_form;

typedef struct br_code {
    const char *code;
    const char *title;
    const char *explanation;
} br_code;

// br_findings_form_of reads the name of a form (human, gcc, json, sarif); false for any other.
bool br_findings_form_of(rt_str name, br_findings_form *ret_form);
// br_findings_write appends all findings of `diag` in one form.
void br_findings_write(const rt_diag *diag, br_findings_form form, rt_text *out);
// br_code_find looks a code up, or NULL.
const br_code *br_code_find(rt_str code);
// br_code_at and br_code_count list all codes, in order.
const br_code *br_code_at(size_t index);
size_t br_code_count(void);

#endif
