#include "runtime/base/alloc.h"
#include "runtime/seam/file.h"
#include "runtime/wire/json.h"
#include "tests/sim/internal.h"

#define POST_BYTES_MAX (1024u * 1024)

static void
see_decisions(world *w, rt_bytes body)
{
    msg_publication publication;
    rt_arena *arena = rt_arena_new(16u * 1024 * 1024);
    rt_mp mp = rt_mp_init(body);

    if (rt_msg_decode(&msg_publication_def, &mp, arena, &publication) != RT_OK) {
        world_violated(w, "a publication cannot be read: %s", rt_err_detail());
    } else {
        const msg_record *items = publication.items.items;

        for (uint32_t i = 0; i < publication.items.count; i++) {
            audit_published(w->books, items[i].seq, items[i].payload.ptr, items[i].payload.len);
        }
    }
    rt_arena_free(arena);
}

uint16_t
world_tenant_of(rt_str name)
{
    for (size_t i = 0; i < TENANTS; i++) {
        if (rt_str_is(name, world_tenants[i].name)) {
            return world_tenants[i].number;
        }
    }
    return 0;
}

// The tenant in a topic: decisions.alpha, actions.alpha.notify.
static uint16_t
topic_tenant(rt_str topic)
{
    const char *dot = memchr(topic.ptr, '.', topic.len);
    rt_str rest;

    if (dot == NULL) {
        return 0;
    }
    rest = (rt_str){dot + 1, (size_t)(topic.ptr + topic.len - dot - 1)};
    dot = memchr(rest.ptr, '.', rest.len);
    return world_tenant_of(dot != NULL ? (rt_str){rest.ptr, (size_t)(dot - rest.ptr)} : rest);
}

static bool
is_halted(const world *w)
{
    return w->brain != NULL && w->halted_since_ms >= 0 &&
           br_gate_halted(br_brain_state(w->brain)->gate);
}

void
world_on_publication(void *user, rt_bytes message)
{
    world *w = user;
    const uint8_t *zero = memchr(message.ptr, 0, message.len);
    rt_str topic = {(const char *)message.ptr, zero != NULL ? (size_t)(zero - message.ptr) : 0};
    unsigned foreign = shop_foreign(message, topic_tenant(topic));

    if (foreign != 0) {
        world_violated(w, "%.*s was published with something of tenant %u", RT_STR_ARG(topic),
                       foreign);
    }

    if (zero == NULL) {
        world_violated(w, "a publication without a topic");
    } else if (rt_str_starts(topic, RT_STR("decisions."))) {
        see_decisions(w, (rt_bytes){zero + 1, message.len - topic.len - 1});
    } else if (rt_str_starts(topic, RT_STR("actions."))) {
        audit_acted(w->books, zero + 1, message.len - topic.len - 1);
        if (is_halted(w) && sim_now_ms() - w->halted_since_ms > HALT_GRACE_MS &&
            sim_now_ms() - w->read_again_ms > HALT_GRACE_MS) { // sent before, read only now
            world_violated(w, "%.*s was published while halted", RT_STR_ARG(topic));
        }
    }
}

static rt_str
webhook_id(const rt_http_request *request)
{
    const rt_str name = RT_STR("webhook-id: ");

    for (uint32_t i = 0; i < request->header_count; i++) {
        rt_str header = rt_str_of(request->headers[i]);

        if (rt_str_starts(header, name)) {
            return (rt_str){header.ptr + name.len, header.len - name.len};
        }
    }
    return RT_STR("");
}

static void
draw_answer(world *w, sim_http_answer *ret_answer)
{
    // the last three are taken, and nobody hears of it (in time)
    static const sim_http_answer bad[] = {
        {.status = 500, .retry_after_ms = -1, .delay_ms = 1},
        {.status = 429, .retry_after_ms = 700, .delay_ms = 1},
        {.status = 400, .retry_after_ms = -1, .delay_ms = 1},
        {.err = RT_EUNREACH, .retry_after_ms = -1, .delay_ms = 5},
        {.status = 200, .retry_after_ms = -1, .delay_ms = 20000},
        {.err = RT_ECLOSED, .retry_after_ms = -1, .delay_ms = 5},
        {.status = 200, .retry_after_ms = -1, .delay_ms = 900},
    };

    if (!w->calm && rt_rng_chance(&w->rng, 0.4)) {
        size_t which = (size_t)rt_rng_below(&w->rng, RT_COUNT(bad));

        w->result->faults[which < RT_COUNT(bad) - 3 ? FAULT_HTTP_ERROR : FAULT_HTTP_LOST]++;
        *ret_answer = bad[which];
    }
}

// What is sent names its tenant and holds nothing of another.
static void
see_post(world *w, rt_bytes body)
{
    rt_mpw map;
    rt_mp at;
    rt_str name = {"", 0};

    rt_mpw_init(&map, POST_BYTES_MAX);
    if (rt_json_to_mp(rt_str_of_bytes(body), &map) != RT_OK ||
        !rt_mp_find(rt_mpw_view(&map), RT_STR("tenant"), &at) || rt_mp_str(&at, &name) != RT_OK) {
        world_violated(w, "a webhook cannot be read");
    } else if (shop_foreign(rt_mpw_view(&map), world_tenant_of(name)) != 0) {
        world_violated(w, "a webhook of %.*s holds something of another tenant", RT_STR_ARG(name));
    }
    rt_mpw_fini(&map);
}

// The receiver of webhooks. One life of the brain sends one webhook; the next must not do so again.
void
world_on_post(void *user, const rt_http_request *request, sim_http_answer *ret_answer)
{
    world *w = user;
    rt_str id = webhook_id(request);
    uint64_t life = w->life;

    rt_alloc_fail_after(0); // this is the receiver's memory
    w->result->posts++;
    see_post(w, request->body);
    if (id.len == 0) {
        world_violated(w, "a webhook without an id");
    }
    (void)rt_map_get(w->posted, rt_bytes_of_str(id), &life); // stays when it is new
    if (life != w->life) {
        world_violated(w, "webhook %.*s was sent again after a restart", RT_STR_ARG(id));
    }
    if (is_halted(w) && sim_now_ms() - w->halted_since_ms > HALT_GRACE_MS) {
        world_violated(w, "webhook %.*s was sent while halted", RT_STR_ARG(id));
    }
    (void)rt_map_put(w->posted, rt_bytes_of_str(id), life); // or the same again
    audit_posted(w->books, id.ptr, id.len, request->body.ptr, request->body.len);
    draw_answer(w, ret_answer);
}
