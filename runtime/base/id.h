// base/id.h: one-field id structs, so that the compiler refuses a swapped argument.
//
// Layer: runtime/base.   Threads: any.
#ifndef CEREBRO_RUNTIME_BASE_ID_H
#define CEREBRO_RUNTIME_BASE_ID_H

#include <stdint.h>

// Index of a tenant in the configured list, from 1; 0 is "the system itself".
typedef struct rt_tenant {
    uint16_t v;
} rt_tenant;

#define RT_TENANT_SYSTEM ((rt_tenant){0})
#define RT_TENANT_MAX 1024

#endif
