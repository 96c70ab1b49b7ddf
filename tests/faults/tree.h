// faults/tree.h: directories of scratch data.
//
// Layer: tests/faults.   Threads: one owner.
#ifndef CEREBRO_TESTS_FAULTS_TREE_H
#define CEREBRO_TESTS_FAULTS_TREE_H

// tree_remove removes a directory with everything in it; nothing there is fine.
void tree_remove(const char *path);

#endif
