#include "tools/brainctl/tail.h"

#include "tools/brainctl/door.h"
#include "tools/brainctl/output.h"

#define ARGS_MAX 65536

typedef struct tailing {
    ctl_run *run;
    void (*put_line)(ctl_run *run, rt_bytes item);
} tailing;

int
ctl_read_seq(const ctl_run *run, const char *text, uint64_t *ret_seq)
{
    int64_t seq;
    const char *digits = text[0] == '#' ? text + 1 : text;
    if (rt_parse_i64(rt_str_of(digits), &seq) != RT_OK || seq <= 0) {
        return ctl_refuse(run, RT_EINVAL, "brainctl events list shows numbers of records",
                          "'%s' is no record's number", text);
    }
    *ret_seq = (uint64_t)seq;
    return CTL_OK;
}

static void
put_item(void *user, rt_bytes item)
{
    tailing *t = user;
    if (ctl_is_json(t->run)) {
        ctl_list_item(t->run, item);
    } else {
        t->put_line(t->run, item);
    }
}

static void
end_frame(void *user)
{
    tailing *t = user;
    ctl_flush(t->run);
}

int
ctl_tail(ctl_run *run, const ctl_query *query, void (*put_line)(ctl_run *run, rt_bytes item))
{
    tailing t = {run, put_line};
    ctl_found found;
    // also when nothing of the past is wanted: it tells where to follow from
    int code = ctl_query_run(run, query, &found);
    if (code != CTL_OK) {
        return code;
    }
    ctl_list_begin(run);
    for (size_t i = 0; i < found.count; i++) {
        put_item(&t, found.items[i]);
    }
    ctl_flush(run);
    ctl_map args = ctl_map_begin(ARGS_MAX);
    ctl_map_str(&args, "kind", rt_str_of(query->kind));
    ctl_map_str(&args, "type", query->type);
    ctl_map_str(&args, "subject", query->subject);
    ctl_map_str(&args, "tenant", query->tenant);
    ctl_map_bool(&args, "said", query->said);
    ctl_map_u64(&args, "from", found.last_seq + 1);
    ctl_found_free(&found);
    code = ctl_follow(run, &args, put_item, end_frame, &t);
    ctl_map_fini(&args);
    ctl_list_end(run);
    return code;
}
