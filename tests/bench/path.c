// bench-path: the way of events through brain and agents on the simulated seams, for callgrind.
//
// usage: bench-path [--events N] [--batch N] [--playbooks N] [--source DIR]
//
// One thread, virtual time, the same events and the same turns in every run: instruction counts of
// two builds can be compared, whatever else the machine does. Nothing here is timed.
#include <stdio.h>
#include <string.h>

#include "brain/core/internal.h"
#include "runtime/base/text.h"
#include "tests/bench/whole.h"

#define WARM_UP 1000 // events before the counted ones

// The counted part: valgrind --toggle-collect=path_run starts and stops with it.
__attribute__((noinline)) static void
path_run(whole *w)
{
    whole_send_upto(w, w->messages.count);
}

static bool
read_number(const char *text, uint32_t *ret)
{
    int64_t value = 0;
    bool ok = rt_parse_i64(rt_str_of(text), &value) == RT_OK && value > 0 && value <= 10000000;

    *ret = (uint32_t)value;
    return ok;
}

int
main(int argc, char **argv)
{
    static whole w;
    uint32_t events = 20000;
    uint32_t batch = 64;
    uint32_t playbooks = 0;
    const char *source = ".";
    bool ok = true;

    for (int i = 1; i < argc && ok; i += 2) {
        ok = i + 1 < argc;
        if (ok && strcmp(argv[i], "--events") == 0) {
            ok = read_number(argv[i + 1], &events);
        } else if (ok && strcmp(argv[i], "--batch") == 0) {
            ok = read_number(argv[i + 1], &batch) && batch <= 1024;
        } else if (ok && strcmp(argv[i], "--playbooks") == 0) {
            ok = read_number(argv[i + 1], &playbooks) && playbooks <= 1500;
        } else if (ok && strcmp(argv[i], "--source") == 0) {
            source = argv[i + 1];
        } else {
            ok = false;
        }
    }
    if (!ok) {
        (void)fprintf(stderr, "usage: bench-path [--events N] [--batch N] [--playbooks N] "
                              "[--source DIR]\n");
        return 2;
    }
    whole_start(&w, source, events + WARM_UP, batch, playbooks);
    whole_send_upto(&w, WARM_UP / batch);
    uint64_t before = w.brain->metrics.events_in;
    uint64_t internal = w.brain->metrics.events_internal;
    uint64_t decisions = w.brain->metrics.decisions;
    path_run(&w);
    (void)printf("events %llu own %llu decisions %llu publications %llu\n",
                 (unsigned long long)(w.brain->metrics.events_in - before),
                 (unsigned long long)(w.brain->metrics.events_internal - internal),
                 (unsigned long long)(w.brain->metrics.decisions - decisions),
                 (unsigned long long)w.published);
    return 0;
}
