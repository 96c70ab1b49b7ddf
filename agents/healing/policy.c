// Design notes.
//
// "Executed" is never "cured": a step counts as a cure only when the anomaly was cleared while it
// was being waited for. What clears by itself, before anything was done, is no step's merit.

#include "agents/healing/policy.h"

#include <math.h>
#include <stdio.h>

bool
healing_starts(rt_str severity)
{
    return rt_str_is(severity, "warning") || rt_str_is(severity, "critical");
}

healing_move
healing_next(healing_status status, bool cleared, uint32_t step, uint32_t step_count)
{
    if (cleared) {
        return status == HEALING_WAITING ? HEALING_CURED : HEALING_GONE;
    }
    return step + 1 < step_count ? HEALING_NEXT : HEALING_ESCALATE;
}

const char *
healing_result(healing_status status, bool cleared)
{
    switch (status) {
    case HEALING_PROPOSED:
        return "no decision";
    case HEALING_WAITING:
        return cleared ? "cured" : "no effect";
    case HEALING_REFUSED:
        return "refused";
    case HEALING_FAILED:
        return "failed";
    }
    return "unknown";
}

void
healing_note(rt_text *tried, uint32_t step, rt_str action, const char *result, rt_str why)
{
    const char *const full = "; ...";
    char line[256];
    int len = snprintf(line, sizeof(line), "%s%u %.*s: %s%s%.*s%s", tried->len > 0 ? "; " : "",
                       step + 1, RT_STR_ARG(action), result, why.len > 0 ? " (" : "",
                       (int)RT_MIN(why.len, 96u), why.len > 0 ? why.ptr : "",
                       why.len > 0 ? ")" : "");
    size_t fits = len < 0 ? 0 : RT_MIN((size_t)len, sizeof(line) - 1);

    if (tried->len + fits + strlen(full) <= HEALING_TRIED_MAX) {
        rt_text_put(tried, line, fits);
    } else if (tried->len + strlen(full) <= HEALING_TRIED_MAX &&
               (tried->len < strlen(full) ||
                strcmp(tried->ptr + tried->len - strlen(full), full) != 0)) {
        rt_text_cstr(tried, full);
    }
}

double
healing_confidence(const healing_tally *tally)
{
    return ((double)tally->cured + 2.0) / ((double)tally->tried + 3.0);
}

int64_t
healing_priority(int64_t priority, rt_str severity)
{
    int64_t raised = priority + (rt_str_is(severity, "critical") ? 10 : 0);

    return RT_MIN(RT_MAX(raised, 0), 100);
}

bool
healing_is_hopeless(const healing_tally *tally)
{
    return tally->cured == 0 && tally->tried > 0 && tally->tried % HEALING_HOPELESS_TRIES == 0;
}

double
healing_hopeless_confidence(const healing_tally *tally)
{
    return fmin(1.0 - pow(0.75, (double)tally->tried), 0.8);
}
