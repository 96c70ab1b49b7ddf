// Opening hours with names: what is_business_hours and business_days_between go by.
#include "brain/pack/internal.h"

static void
load_hour(const rt_node *node, const char *key, int32_t *ret_minute, rt_diag *diag)
{
    const rt_node *hour = rt_node_get(node, key);
    if (hour == NULL) {
        return;
    }
    *ret_minute = hour->kind == RT_NODE_SCALAR ? br_hours_minute(hour->text) : -1;
    if (*ret_minute < 0) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1504", hour->mark, "for example 08:00 or 24:00",
                    "`%s` is no hour of the day", key);
    }
}

static uint8_t
load_days(const rt_node *node, rt_diag *diag)
{
    const rt_node *list = rt_node_get(node, "days");
    uint8_t days = 0;
    if (list == NULL) {
        return 0x7f;
    }
    for (const rt_node *day = list->child; day != NULL; day = day->next) {
        uint8_t bit = day->kind == RT_NODE_SCALAR ? br_hours_day(day->text) : 0;
        if (bit == 0) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, "B1505", day->mark,
                        "days are sun, mon, tue, wed, thu, fri, sat", "this is no day of the week");
        }
        days = (uint8_t)(days | bit);
    }
    if (days == 0) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1505", list->mark, "for example [mon, tue, wed]",
                    "a calendar without days is never open");
    }
    return days;
}

static void
load_calendar(br_pack *pack, const rt_node *node, rt_diag *diag)
{
    static const char *const allowed[] = {"doc", "from", "until", "days", "holidays", "zone", NULL};
    int64_t offset_ms = 0;
    (void)rt_node_only(node, allowed, "B1501", diag); // findings are in diag
    br_named_hours *calendar = &pack->calendars[pack->calendar_count++];
    *calendar = (br_named_hours){
        .name = node->key,
        .hours = {.until_min = BR_MINUTES_OF_DAY,
                  .days = load_days(node, diag),
                  .holidays = rt_node_bool(node, "holidays", true, diag),
                  .zone = rt_node_str(node, "zone", RT_STR("America/Bogota"), diag)}};
    load_hour(node, "from", &calendar->hours.from_min, diag);
    load_hour(node, "until", &calendar->hours.until_min, diag);
    if (calendar->hours.from_min == calendar->hours.until_min) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1504", node->key_mark,
                    "00:00 to 24:00 is the whole day", "it would never be open");
    }
    if (br_zone_offset(calendar->hours.zone, INT64_C(1700000000000), &offset_ms) != RT_OK) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1506", rt_node_get(node, "zone")->mark,
                    "for example America/Bogota or -05:00", "unknown time zone '%.*s'",
                    RT_STR_ARG(calendar->hours.zone));
    }
}

void
br__load_calendars(br_pack *pack, const br_document *document, rt_diag *diag)
{
    static const char *const top[] = {"kind", "calendars", NULL};
    (void)rt_node_only(document->root, top, "B1501", diag); // findings are in diag
    const rt_node *list = rt_node_get(document->root, "calendars");
    for (const rt_node *node = list != NULL ? list->child : NULL; node != NULL; node = node->next) {
        if (pack->calendar_count == BR_CALENDARS_MAX) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, "B1502", node->key_mark, NULL,
                        "a pack has at most %d calendars", BR_CALENDARS_MAX);
            return;
        }
        if (br_pack_calendar(pack, node->key) != NULL) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, "B1503", node->key_mark, NULL,
                        "calendar '%.*s' is declared twice", RT_STR_ARG(node->key));
            continue;
        }
        load_calendar(pack, node, diag);
    }
}

const br_hours *
br_pack_calendar(const br_pack *pack, rt_str name)
{
    for (uint32_t i = 0; i < pack->calendar_count; i++) {
        if (rt_str_equal(pack->calendars[i].name, name)) {
            return &pack->calendars[i].hours;
        }
    }
    return NULL;
}

size_t
br_pack_calendar_names(const br_pack *pack, rt_str *ret_names, size_t max)
{
    size_t count = RT_MIN((size_t)pack->calendar_count, max);
    for (size_t i = 0; i < count; i++) {
        ret_names[i] = pack->calendars[i].name;
    }
    return count;
}
