// base/planted.h: mistakes made on purpose, to see that the simulator and the audits find them.
//
// Layer: runtime/base (libc only).   Threads: chosen before there are others, then read only.
// Planted mistakes exist only in programs compiled with CEREBRO_PLANTED: meson's option `planted`,
// and tests/sim/sim-planted. Everywhere else RT_PLANTED is the constant false, so that the compiler
// leaves nothing of it.
#ifndef CEREBRO_RUNTIME_BASE_PLANTED_H
#define CEREBRO_RUNTIME_BASE_PLANTED_H

#include "runtime/base/attr.h"

#include <stdbool.h>

typedef enum rt_plant {
    RT_PLANT_none,
#define X(name, text) RT_PLANT_##name,
#include "runtime/base/planted.def"
#undef X
    RT_PLANTS
} rt_plant;

#ifdef CEREBRO_PLANTED

// RT_PLANTED is true where the mistake of that name is to be made.
#define RT_PLANTED(name) RT_UNLIKELY(rt__plant == RT_PLANT_##name)
#define RT_PLANTED_BUILD true
extern rt_plant rt__plant;

// rt_plant_choose switches one mistake on; false when there is none of that name.
bool rt_plant_choose(const char *name);
// rt_plant_name tells the name of a mistake by its number.
const char *rt_plant_name(rt_plant plant);
// rt_plant_text says what it is, for a person.
const char *rt_plant_text(rt_plant plant);

#else

#define RT_PLANTED(name) (RT_PLANT_##name == RT_PLANT_none)
#define RT_PLANTED_BUILD false

static inline bool
rt_plant_choose(const char *name)
{
    (void)name;
    return false;
}

static inline const char *
rt_plant_name(rt_plant plant)
{
    (void)plant;
    return "";
}

static inline const char *
rt_plant_text(rt_plant plant)
{
    (void)plant;
    return "";
}

#endif

#endif
