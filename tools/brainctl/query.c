#include "tools/brainctl/query.h"

#include "runtime/base/alloc.h"
#include "tools/brainctl/door.h"

#define PAGE 1000
#define ARGS_MAX 65536

ctl_query
ctl_query_of(const ctl_run *run, const char *kind, uint64_t limit)
{
    const ctl_options *o = &run->opt;
    bool forwards = ctl_given(run, CTL_FLAG_FROM);
    return (ctl_query){.kind = kind,
                       .type = rt_str_of(o->values[CTL_FLAG_TYPE]),
                       .subject = rt_str_of(o->values[CTL_FLAG_SUBJECT]),
                       .tenant = rt_str_of(o->values[CTL_FLAG_TENANT]),
                       .newest = !forwards,
                       .from = o->from,
                       .limit = ctl_given(run, CTL_FLAG_LIMIT) ? o->limit : limit};
}

void
ctl_found_add(ctl_found *found, rt_bytes item)
{
    if (found->count == found->cap) {
        found->cap = RT_MAX(found->cap * 2, (size_t)64);
        found->items = rt_realloc(found->items, sizeof(rt_bytes) * found->cap);
    }
    found->items[found->count++] = item;
}

void
ctl_found_free(ctl_found *found)
{
    rt_free(found->items);
    *found = (ctl_found){0};
}

static void
on_found(void *user, rt_bytes item)
{
    ctl_found_add(user, item);
}

static int
ask_page(ctl_run *run, const ctl_query *query, uint64_t from, ctl_found *found,
         rt_bytes *ret_answer)
{
    ctl_map args = ctl_map_begin(ARGS_MAX);
    ctl_map_str(&args, "kind", rt_str_of(query->kind));
    ctl_map_str(&args, "type", query->type);
    ctl_map_str(&args, "subject", query->subject);
    ctl_map_str(&args, "tenant", query->tenant);
    ctl_map_bool(&args, "said", query->said);
    ctl_map_bool(&args, "context", query->context);
    ctl_map_bool(&args, "newest", query->newest);
    if (!query->newest || from > 0) {
        ctl_map_u64(&args, "from", from);
    }
    ctl_map_u64(&args, "limit", RT_MIN(query->limit - found->count, (uint64_t)PAGE));
    int code = ctl_call(run, "records.scan", &args, on_found, found, ret_answer);
    ctl_map_fini(&args);
    return code;
}

static void
reverse(ctl_found *found)
{
    for (size_t a = 0, b = found->count; a + 1 < b; a++, b--) {
        rt_bytes swap = found->items[a];
        found->items[a] = found->items[b - 1];
        found->items[b - 1] = swap;
    }
}

int
ctl_query_run(ctl_run *run, const ctl_query *query, ctl_found *ret_found)
{
    ctl_found found = {0};
    uint64_t from = query->from;
    bool end = false;
    int code = CTL_OK;
    if (run->opt.values[CTL_FLAG_DATA] != NULL) {
        return ctl_offline_query(run, query, ret_found);
    }
    // one page also for a limit of 0: it tells where the journal ends
    do {
        rt_bytes answer;
        code = ask_page(run, query, from, &found, &answer);
        if (code == CTL_OK) {
            from = ctl_u64(answer, "next");
            end = ctl_bool(answer, "end");
            found.last_seq = RT_MAX(found.last_seq, ctl_u64(answer, "last_seq"));
        }
    } while (code == CTL_OK && !end && found.count < query->limit);
    if (code != CTL_OK) {
        ctl_found_free(&found);
        return code;
    }
    if (query->newest) {
        reverse(&found);
    }
    *ret_found = found;
    return CTL_OK;
}

int
ctl_explain_run(ctl_run *run, uint64_t seq, rt_bytes *ret_answer)
{
    if (run->opt.values[CTL_FLAG_DATA] != NULL) {
        return ctl_offline_explain(run, seq, ret_answer);
    }
    ctl_map args = ctl_map_begin(ARGS_MAX);
    ctl_map_u64(&args, "seq", seq);
    int code = ctl_call(run, "explain", &args, NULL, NULL, ret_answer);
    ctl_map_fini(&args);
    return code;
}
