#include <stdio.h>

#include "tests/sim/internal.h"

#define LINES 60
#define LINE_CAP 320

static struct {
    char lines[LINES][LINE_CAP];
    uint64_t count; // ever
} ring;

void
ring_clear(void)
{
    ring.count = 0;
}

void
ring_add(const char *line)
{
    (void)snprintf(ring.lines[ring.count++ % LINES], LINE_CAP, "%10lld ms  %s",
                   (long long)sim_now_ms(), line);
}

void
ring_print(void)
{
    for (uint64_t i = ring.count > LINES ? ring.count - LINES : 0; i < ring.count; i++) {
        (void)printf("    %s\n", ring.lines[i % LINES]);
    }
}
