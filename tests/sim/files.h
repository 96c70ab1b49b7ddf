// sim/files.h: files of the source tree on the simulated disk.
//
// Layer: tests/sim.   Threads: one.
#ifndef CEREBRO_TESTS_SIM_FILES_H
#define CEREBRO_TESTS_SIM_FILES_H

#include <stdbool.h>

#include "runtime/base/bytes.h"

// files_load reads the packs and playbooks of the source tree into memory, with one change: the
// actions open_case and notify_customer go to the webhook `shop`. Exits the program when they are
// not there.
void files_load(const char *source_root);
// files_write puts them on the simulated disk, below /packs and /playbooks.
void files_write(void);
// files_write_text writes one more file there.
void files_write_text(const char *path, rt_str text);
// files_write_playbook replaces one playbook by a variant: its text with a comment that names
// `number`, or, when `broken`, with a line that does not compile.
void files_write_playbook(unsigned number, bool broken);

#endif
