// Design notes. getrandom blocks until the kernel's pool is ready once after boot and never fails
// later; there is no fallback to weaker sources.

#include "runtime/seam/entropy.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/types.h>

#include "runtime/base/check.h"

void
rt_entropy(void *buf, size_t len)
{
    uint8_t *at = buf;

    RT_ASSERT(buf != NULL || len == 0);
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        RT_ASSERT(got > 0);
        at += got;
        len -= (size_t)got;
    }
}
