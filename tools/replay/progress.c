#include "tools/replay/progress.h"

#include <stdio.h>

#include <unistd.h>

#include "runtime/base/civil.h"
#include "runtime/base/text.h"
#include "runtime/seam/clock.h"

#define DRAW_EVERY_US 150000
#define BAR_CELLS 24

void
progress_start(progress *p, const stream *s, bool wanted)
{
    *p = (progress){.shown = wanted && isatty(STDERR_FILENO) == 1,
                    .begin_us = rt_clock_mono_us(),
                    .first_ms = s->first_ms,
                    .last_ms = s->last_ms,
                    .total = s->total};
}

double
progress_seconds(const progress *p)
{
    return (double)(rt_clock_mono_us() - p->begin_us) / 1e6;
}

const char *
progress_number(uint64_t value, char buf[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    char *to = buf;

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            *to++ = ',';
        }
        *to++ = digits[i];
    }
    *to = '\0';
    return buf;
}

double
progress_fraction(const progress *p, uint64_t done, int64_t event_ms)
{
    double by_time = -1;
    double by_count = -1;

    if (p->last_ms > p->first_ms) {
        by_time = (double)(event_ms - p->first_ms) / (double)(p->last_ms - p->first_ms);
        by_time = RT_MAX(0, RT_MIN(1, by_time));
    }
    if (p->total > 0) {
        by_count = RT_MIN(1, (double)done / (double)p->total);
    }
    return RT_MAX(by_time, by_count); // a limit or an end date, whichever comes first
}

static void
draw_bar(rt_text *line, double fraction)
{
    int full = (int)(fraction * BAR_CELLS);

    rt_text_cstr(line, "[");
    for (int i = 0; i < BAR_CELLS; i++) {
        rt_text_cstr(line, i < full ? "#" : "-");
    }
    rt_text_printf(line, "] %3.0f %%  ", 100 * fraction);
}

void
progress_show(void *self, uint64_t done, int64_t event_ms)
{
    progress *p = self;
    int64_t now_us = rt_clock_mono_us();
    double fraction = progress_fraction(p, done, event_ms);
    double seconds = (double)(now_us - p->begin_us) / 1e6;
    char number[32];
    char when[RT_RFC3339_CAP];
    char eta[32];
    rt_text line = {0};

    if (!p->shown || now_us - p->drawn_us < DRAW_EVERY_US) {
        return;
    }
    p->drawn_us = now_us;
    rt_text_init(&line, 512);
    if (fraction >= 0) {
        draw_bar(&line, fraction);
    }
    rt_text_printf(&line, "%s events  %.0f/s  %.16s", progress_number(done, number),
                   seconds > 0 ? (double)done / seconds : 0, rt_format_rfc3339(event_ms, when));
    if (fraction > 0 && fraction < 1) {
        int64_t left_ms = (int64_t)(1000 * seconds * (1 - fraction) / fraction);

        rt_text_printf(&line, "  %s left", rt_format_duration(left_ms, eta, sizeof(eta)));
    }
    (void)fprintf(stderr, "\r\033[K%.*s", RT_STR_ARG(rt_text_view(&line)));
    (void)fflush(stderr); // a lost line of progress harms nobody
    rt_text_fini(&line);
}

void
progress_end(progress *p)
{
    if (p->shown) {
        (void)fputs("\r\033[K", stderr); // as above
    }
    p->shown = false;
}
