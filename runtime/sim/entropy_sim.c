// Design notes. Random bytes of the run's seed, from a stream of their own: how often somebody asks
// for them changes nothing else in the run.

#include "runtime/seam/entropy.h"

#include <string.h>

#include "runtime/base/check.h"
#include "runtime/sim/sim_internal.h"

void
rt_entropy(void *buf, size_t len)
{
    uint8_t *at = buf;

    RT_ASSERT(buf != NULL || len == 0);
    while (len > 0) {
        uint64_t bits = rt_rng_u64(sim__entropy_rng());
        size_t part = RT_MIN(len, sizeof(bits));

        memcpy(at, &bits, part);
        at += part;
        len -= part;
    }
}
