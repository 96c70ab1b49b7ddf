// faults/preload.h: what libraries that stand in front of the C library share.
//
// Layer: tests/faults.   Threads: any.
#ifndef CEREBRO_TESTS_FAULTS_PRELOAD_H
#define CEREBRO_TESTS_FAULTS_PRELOAD_H

#include <dlfcn.h>
#include <string.h>

// PRELOAD_NEXT sets a function pointer, once, to the function of that name that comes after ours.
#define PRELOAD_NEXT(pointer, name)                                                                \
    do {                                                                                           \
        if ((pointer) == NULL) {                                                                   \
            void *found_ = dlsym(RTLD_NEXT, (name));                                               \
            memcpy(&(pointer), &found_, sizeof(found_)); /* ISO C has no such cast */              \
        }                                                                                          \
    } while (0)

#endif
