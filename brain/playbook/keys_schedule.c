// The keys of a playbook that fires by the clock.
#include "brain/playbook/keys.h"

#include "brain/playbook/schedule.h"

#define DAYS_MS(n) ((n)*24.0 * 60 * 60 * 1000)

static const char *const forms[] = {"every", "cron", "at", NULL};
static const char *const catch_ups[] = {"one", "all", "skip", NULL};

static const br_key schedule_keys[] = {
    {.name = "every",
     .forms = BR_KEY_DURATION,
     .min = BR_SCHEDULE_EVERY_MIN,
     .max = DAYS_MS(31),
     .doc = "again and again, counted from local midnight",
     .example = "6h"},
    {.name = "cron",
     .forms = BR_KEY_TEXT,
     .doc = "minute, hour, day of the month, month, day of the week",
     .example = "30 7 * * mon-fri"},
    {.name = "at",
     .forms = BR_KEY_TEXT,
     .doc = "once, at this instant",
     .example = "2026-12-24T08:00:00-05:00"},
    {.name = "time_zone",
     .forms = BR_KEY_TEXT,
     .fallback = "America/Bogota",
     .doc = "whose clocks are meant",
     .example = "America/Bogota"},
    {.name = "catch_up",
     .forms = BR_KEY_ONE_OF,
     .fallback = "one",
     .choices = catch_ups,
     .doc = "what passed while nothing ran: one = acts once; all = once for each; skip = not",
     .example = "skip"},
    {.name = "subject",
     .forms = BR_KEY_TEXT,
     .doc = "what it is about, \"kind/key\": its entity is known to conditions and texts",
     .example = "carrier/tcc"},
    {0},
};

const br_block br_block_schedule = {
    .name = "schedule",
    .doc = "the playbook fires by the clock; durable: schedule.at and schedule.missed",
    .keys = schedule_keys,
    .either = forms,
    .unknown = "B2001",
    .missing = "B2010",
    .shape = "B2024",
    .range = "B2004"};
