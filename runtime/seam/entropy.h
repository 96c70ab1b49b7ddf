// seam/entropy.h: random bytes from outside. Real: getrandom; simulated: the run's seed.
//
// Layer: runtime/seam.   Threads: any.
#ifndef CEREBRO_RUNTIME_SEAM_ENTROPY_H
#define CEREBRO_RUNTIME_SEAM_ENTROPY_H

#include <stddef.h>

// rt_entropy fills a buffer with random bytes; aborts if the system has none.
void rt_entropy(void *buf, size_t len);

#endif
