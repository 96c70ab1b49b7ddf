#include "runtime/base/planted.h"

#include <string.h>

#include "runtime/base/check.h"

rt_plant rt__plant = RT_PLANT_none;

static const char *const names[RT_PLANTS] = {
    "none",
#define X(name, text) #name,
#include "runtime/base/planted.def"
#undef X
};

static const char *const texts[RT_PLANTS] = {
    "no mistake",
#define X(name, text) text,
#include "runtime/base/planted.def"
#undef X
};

bool
rt_plant_choose(const char *name)
{
    for (unsigned i = 0; i < RT_PLANTS; i++) {
        if (strcmp(names[i], name) == 0) {
            rt__plant = (rt_plant)i;
            return true;
        }
    }
    return false;
}

const char *
rt_plant_name(rt_plant plant)
{
    RT_ASSERT(plant < RT_PLANTS);
    return names[plant];
}

const char *
rt_plant_text(rt_plant plant)
{
    RT_ASSERT(plant < RT_PLANTS);
    return texts[plant];
}
