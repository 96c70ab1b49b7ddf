// Design notes.
// An action is started only when its decision is durable, and ends with the event action.executed.
// Executors other than webhooks finish at once. A webhook is tried with backoff (0.5 s doubled,
// plus up to half of it at random) under one idempotency key; answers 2xx end it, 408, 429 and 5xx
// and network failures are tried again, everything else fails for good. A crash between intent and
// outcome leaves the action in the outbox: at the next start publish, emit and log run again under
// the same key (an emitted event is deduplicated, a subscriber sees the key twice), a webhook
// becomes `unknown` and a dead letter, for a human to look at the receiver before it is retried.
#include <stdio.h>

#include "brain/core/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/civil.h"
#include "runtime/base/hash.h"
#include "runtime/base/log.h"
#include "runtime/base/planted.h"
#include "runtime/base/rng.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/entropy.h"
#include "runtime/seam/file.h"
#include "runtime/wire/json.h"

#define WEBHOOK_BODY_MAX (256u * 1024)
#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS (60 * 1000)
#define RETRIES_MAX 256

// One webhook being tried.
struct br_retry {
    br_brain *brain;
    rt_timer *timer;
    const br_webhook *webhook;
    char action_id[BR_ACTION_ID_MAX];
    uint32_t attempt;
    struct br_retry *next;
};

static void
push(br_execute_queue *queue, rt_str action_id)
{
    if (queue->count == BR_OUTBOX_MAX) { // each action in it has a row in the outbox
        rt_log_error("execute-queue-full", "action=%.*s", RT_STR_ARG(action_id));
        return;
    }
    br_to_execute *item = &queue->items[(queue->first + queue->count++) % BR_OUTBOX_MAX];
    snprintf(item->action_id, sizeof(item->action_id), "%.*s", RT_STR_ARG(action_id));
}

static br_to_execute
pop(br_execute_queue *queue)
{
    br_to_execute item = queue->items[queue->first];
    queue->first = (queue->first + 1) % BR_OUTBOX_MAX;
    queue->count--;
    return item;
}

void
br__execute_add(br_brain *brain, rt_str action_id)
{
    push(&brain->execute, action_id); // emptied after every commit
}

static void
count_status(br_metrics *metrics, const char *status)
{
    if (strcmp(status, "executed") == 0) {
        metrics->actions_executed++;
    } else if (strcmp(status, "failed") == 0) {
        metrics->actions_failed++;
    } else if (strcmp(status, "unknown") == 0) {
        metrics->actions_unknown++;
    } else {
        metrics->actions_cancelled++;
    }
}

static void
write_outcome(rt_mpw *data, const br_intent *intent, const char *status, uint32_t attempts,
              const char *detail)
{
    rt_mpw_map(data, 6);
    rt_mpw_cstr(data, "action_id");
    rt_mpw_str(data, intent->action_id);
    rt_mpw_cstr(data, "action");
    rt_mpw_str(data, intent->action);
    rt_mpw_cstr(data, "decision_seq");
    rt_mpw_u64(data, intent->decision_seq);
    rt_mpw_cstr(data, "status");
    rt_mpw_cstr(data, status);
    rt_mpw_cstr(data, "attempts");
    rt_mpw_u64(data, attempts);
    rt_mpw_cstr(data, "detail");
    rt_mpw_str(data, rt_utf8_whole((rt_str){detail, RT_MIN(strlen(detail), 500)}));
}

static void
record_outcome(br_brain *brain, const br_intent *intent, const char *status, uint32_t attempts,
               const char *detail)
{
    rt_mpw data;
    char id[BR_ACTION_ID_MAX + 32];
    char target[RT_EVENT_SUBJECT_MAX + 1];
    rt_reject reject;
    rt_mpw_init(&data, 4096);
    write_outcome(&data, intent, status, attempts, detail);
    // a retried dead letter ends a second time: the number keeps the two outcomes apart
    int len = snprintf(id, sizeof(id), "%.*s/%llu", RT_STR_ARG(intent->action_id),
                       (unsigned long long)rt_journal_next_seq(brain->journal));
    snprintf(target, sizeof(target), "%.*s", RT_STR_ARG(intent->target));
    br_internal_event event = {.type = "action.executed",
                               .tenant = intent->tenant,
                               .id = {id, (size_t)len},
                               .source = RT_STR("/brain/outbox"),
                               .subject = rt_str_of(target),
                               .causation = intent->action_id,
                               .depth = (uint8_t)RT_MIN(intent->depth + 1, RT_EVENT_DEPTH_MAX),
                               .time_ms = RT_TIME_NONE,
                               .data = rt_mpw_view(&data)};
    rt_err err = br__take_internal(brain, &event, &reject);
    if (err != RT_OK) {
        br__fail(brain, err, "an outcome could not be recorded");
    }
    count_status(&brain->metrics, status);
    rt_mpw_fini(&data);
}

static void
execute_log(br_brain *brain, const br_intent *intent)
{
    rt_text args;
    rt_text_init(&args, 2048);
    if (rt_json_from_mp(intent->args, &args) != RT_OK) {
        rt_text_clear(&args);
    }
    rt_log_info("action", "id=%.*s action=%.*s target=%.*s args=%.*s",
                RT_STR_ARG(intent->action_id), RT_STR_ARG(intent->action),
                RT_STR_ARG(intent->target), RT_STR_ARG(rt_text_view(&args)));
    rt_text_fini(&args);
    record_outcome(brain, intent, "executed", 1, "");
}

static void
execute_emit(br_brain *brain, const br_intent *intent, const br_action *action)
{
    char type[96];
    rt_reject reject;
    snprintf(type, sizeof(type), "%.*s", RT_STR_ARG(action->emits));
    br_internal_event event = {.type = type,
                               .tenant = intent->tenant,
                               .id = intent->action_id,
                               .source = RT_STR("/brain/actions"),
                               .subject = intent->target,
                               .causation = intent->action_id,
                               .depth = (uint8_t)(intent->depth + 1),
                               .time_ms = RT_TIME_NONE,
                               .data = intent->args};
    if (br__take_internal(brain, &event, &reject) == RT_OK) {
        record_outcome(brain, intent, "executed", 1, "");
    } else {
        char why[RT_ERR_DETAIL_MAX + 96];
        (void)snprintf(why, sizeof(why), "%s was not raised on record %llu: %s", type,
                       (unsigned long long)intent->decision_seq, reject.text);
        record_outcome(brain, intent, "failed", 1, why);
    }
}

// Copies an intent, whose views would not outlive the records that end it.
static bool
hold_intent(br_brain *brain, rt_str action_id, br_intent *ret_intent, rt_arena **ret_arena)
{
    br_intent seen;
    if (!br_outbox_get(brain->state->outbox, action_id, &seen)) {
        return false; // ended meanwhile
    }
    rt_arena *arena = rt_arena_new(WEBHOOK_BODY_MAX);
    *ret_intent = seen;
    ret_intent->action_id = rt_arena_str(arena, seen.action_id);
    ret_intent->action = rt_arena_str(arena, seen.action);
    ret_intent->target = rt_arena_str(arena, seen.target);
    ret_intent->args = rt_arena_copy(arena, seen.args);
    if (br__starved(brain)) { // a copy may be missing: what is sent must be whole
        rt_arena_free(arena);
        return false;
    }
    *ret_arena = arena;
    return true;
}

static const br_webhook *
find_webhook(const br_brain *brain, rt_str name)
{
    for (size_t i = 0; i < brain->config.webhook_count; i++) {
        if (rt_str_is(name, brain->config.webhooks[i].name)) {
            return &brain->config.webhooks[i];
        }
    }
    return NULL;
}

static void
end_retry(br_retry *retry, const char *status, const char *detail)
{
    br_brain *brain = retry->brain;
    br_intent intent;
    rt_arena *arena;
    if (hold_intent(brain, rt_str_of(retry->action_id), &intent, &arena)) {
        record_outcome(brain, &intent, status, retry->attempt, detail);
        rt_arena_free(arena);
    }
    br_retry **at = &brain->retries;
    while (*at != retry) {
        at = &(*at)->next;
    }
    *at = retry->next;
    brain->retry_count--;
    rt_timer_free(retry->timer);
    rt_free(retry);
    rt_wake_send(brain->wake);
}

static bool
worth_retrying(const rt_http_response *response)
{
    if (response->err != RT_OK) {
        return rt_err_class_of(response->err) == RT_CLASS_retry || response->err == RT_EIO;
    }
    return response->status == 408 || response->status == 429 || response->status >= 500;
}

static int64_t
backoff_ms(uint32_t attempt, int64_t asked_ms)
{
    rt_rng rng;
    uint64_t seed;
    int64_t delay = BACKOFF_FIRST_MS;
    rt_entropy(&seed, sizeof(seed));
    rt_rng_seed(&rng, seed, attempt);
    for (uint32_t i = 1; i < attempt && delay < BACKOFF_MAX_MS; i++) {
        delay *= 2;
    }
    delay += (int64_t)rt_rng_below(&rng, (uint64_t)(delay / 2 + 1));
    delay = RT_MAX(delay, asked_ms);
    return RT_MIN(delay, BACKOFF_MAX_MS);
}

static void
on_response(void *user, const rt_http_response *response)
{
    br_retry *retry = user;
    char detail[160];
    if (response->err == RT_OK && response->status >= 200 && response->status < 300) {
        snprintf(detail, sizeof(detail), "HTTP %d", response->status);
        end_retry(retry, "executed", detail);
        return;
    }
    if (response->err != RT_OK) {
        snprintf(detail, sizeof(detail), "%s", rt_err_text(response->err));
    } else {
        snprintf(detail, sizeof(detail), "HTTP %d", response->status);
    }
    if (worth_retrying(response) && retry->attempt < retry->webhook->attempts) {
        retry->attempt++;
        retry->brain->metrics.actions_retried++;
        rt_timer_start(retry->timer, backoff_ms(retry->attempt - 1, response->retry_after_ms), 0);
        return;
    }
    end_retry(retry, "failed", detail);
}

// Standard Webhooks: HMAC-SHA256 over "id.timestamp.body", base64 in webhook-signature as "v1,...".
static void
sign(const br_webhook *webhook, const char *id, int64_t at_s, rt_str body, char *out, size_t cap)
{
    uint8_t mac[RT_SHA256_LEN];
    rt_text text;
    rt_text_init(&text, WEBHOOK_BODY_MAX * 2);
    rt_text_printf(&text, "%s.%lld.", id, (long long)at_s);
    rt_text_str(&text, body);
    rt_hmac_sha256(webhook->key, rt_bytes_of_str(rt_text_view(&text)), mac);
    rt_text_fini(&text);
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = (size_t)snprintf(out, cap, "webhook-signature: v1,");
    for (size_t i = 0; i < RT_SHA256_LEN && len + 5 < cap; i += 3) {
        size_t left = RT_SHA256_LEN - i;
        uint32_t bits = (uint32_t)mac[i] << 16 | (left > 1 ? (uint32_t)mac[i + 1] << 8 : 0) |
                        (left > 2 ? mac[i + 2] : 0);
        out[len++] = digits[bits >> 18 & 63];
        out[len++] = digits[bits >> 12 & 63];
        out[len++] = left > 1 ? digits[bits >> 6 & 63] : '=';
        out[len++] = left > 2 ? digits[bits & 63] : '=';
    }
    out[len] = '\0';
}

static rt_err
webhook_body(const br_brain *brain, const br_intent *intent, rt_text *body)
{
    rt_mpw w;
    rt_mpw_init(&w, WEBHOOK_BODY_MAX);
    rt_mpw_map(&w, 6);
    rt_mpw_cstr(&w, "id");
    rt_mpw_str(&w, intent->action_id);
    rt_mpw_cstr(&w, "type");
    rt_mpw_str(&w, intent->action);
    rt_mpw_cstr(&w, "target");
    rt_mpw_str(&w, intent->target);
    rt_mpw_cstr(&w, "tenant");
    rt_mpw_str(&w, br__tenant_name(brain, intent->tenant));
    rt_mpw_cstr(&w, "timestamp");
    char at[RT_RFC3339_CAP];
    rt_mpw_cstr(&w, rt_format_rfc3339(intent->at_ms, at));
    rt_mpw_cstr(&w, "data");
    if (intent->args.len > 0) {
        rt_mpw_raw(&w, intent->args);
    } else {
        rt_mpw_nil(&w);
    }
    rt_err err = w.failed ? RT_ELIMIT : rt_json_from_mp(rt_mpw_view(&w), body);
    rt_mpw_fini(&w);
    return err;
}

static rt_err
send_webhook(br_retry *retry, const br_intent *intent)
{
    char id[BR_ACTION_ID_MAX + 16];
    char timestamp[64];
    char signature[160];
    rt_text body;
    rt_text_init(&body, WEBHOOK_BODY_MAX);
    rt_err err = webhook_body(retry->brain, intent, &body);
    int64_t at_s = rt_clock_wall_ms() / 1000;
    snprintf(id, sizeof(id), "webhook-id: %s", retry->action_id);
    if (RT_PLANTED(webhook_key_per_attempt)) {
        snprintf(id, sizeof(id), "webhook-id: %s-%u", retry->action_id, retry->attempt);
    }
    snprintf(timestamp, sizeof(timestamp), "webhook-timestamp: %lld", (long long)at_s);
    rt_http_request request = {
        .method = "POST",
        .url = retry->webhook->url,
        .headers = {"content-type: application/json", id, timestamp, signature},
        .header_count = retry->webhook->key.len > 0 ? 4 : 3,
        .body = rt_bytes_of_str(rt_text_view(&body)),
        .timeout_ms = retry->webhook->timeout_ms};
    if (retry->webhook->key.len > 0) {
        sign(retry->webhook, retry->action_id, at_s, rt_text_view(&body), signature,
             sizeof(signature));
    }
    if (err == RT_OK && br__starved(retry->brain)) {
        err = RT_ENOMEM;
    }
    if (err == RT_OK) {
        err = rt_http_send(retry->brain->http, &request, on_response, retry);
    }
    rt_text_fini(&body);
    return err;
}

static void
try_webhook(void *user)
{
    br_retry *retry = user;
    br_intent intent;
    if (br_gate_halted(retry->brain->state->gate) && !RT_PLANTED(halt_not_asked)) {
        end_retry(retry, "cancelled", "halted by an operator");
        return;
    }
    rt_err err = RT_ENOTFOUND;
    if (br_outbox_get(retry->brain->state->outbox, rt_str_of(retry->action_id), &intent)) {
        err = send_webhook(retry, &intent);
    }
    if (err == RT_EFULL && RT_PLANTED(retry_not_armed)) {
        return;
    }
    if (err == RT_EFULL) {
        rt_timer_start(retry->timer, backoff_ms(retry->attempt, 0), 0);
    } else if (err != RT_OK) {
        end_retry(retry, "failed", rt_err_detail());
    }
}

static void
execute_webhook(br_brain *brain, const br_intent *intent, const br_action *action)
{
    const br_webhook *webhook = find_webhook(brain, action->webhook);
    if (brain->retry_count == RETRIES_MAX) {
        push(&brain->webhooks, intent->action_id); // until one has ended
        return;
    }
    brain->metrics.actions_started++;
    if (webhook == NULL || brain->http == NULL) {
        record_outcome(brain, intent, "failed", 1, "no such webhook in the configuration");
        return;
    }
    br_retry *retry = rt_new(br_retry);
    retry->brain = brain;
    retry->webhook = webhook;
    retry->attempt = 1;
    snprintf(retry->action_id, sizeof(retry->action_id), "%.*s", RT_STR_ARG(intent->action_id));
    retry->timer = rt_timer_new(brain->loop, try_webhook, retry);
    retry->next = brain->retries;
    brain->retries = retry;
    brain->retry_count++;
    try_webhook(retry);
}

static void
execute_one(br_brain *brain, const br_intent *intent, bool halted)
{
    const br_action *action = br_pack_action(brain->config.pack, intent->action);
    if (halted && !RT_PLANTED(halt_not_asked)) {
        record_outcome(brain, intent, "cancelled", 0, "halted before it was sent");
        return;
    }
    if (action == NULL) {
        record_outcome(brain, intent, "failed", 0, "the pack no longer has this action");
        return;
    }
    brain->metrics.actions_started += action->executor != BR_EXECUTE_WEBHOOK;
    switch (action->executor) {
    case BR_EXECUTE_LOG:
        execute_log(brain, intent);
        break;
    case BR_EXECUTE_PUBLISH:
        br__publish_action(brain, intent);
        record_outcome(brain, intent, "executed", 1, "");
        break;
    case BR_EXECUTE_EMIT:
        execute_emit(brain, intent, action);
        break;
    case BR_EXECUTE_WEBHOOK:
        execute_webhook(brain, intent, action);
        break;
    }
}

// Where something can be done: webhooks that waited come first, when there is room for one more, or
// when none may be sent any more.
static br_execute_queue *
due_queue(br_brain *brain, bool halted)
{
    if (brain->webhooks.count > 0 && (halted || brain->retry_count < RETRIES_MAX)) {
        return &brain->webhooks;
    }
    return brain->execute.count > 0 ? &brain->execute : NULL;
}

void
br__execute_run(br_brain *brain)
{
    const char *file = brain->config.halt_file;
    bool halted = br_gate_halted(brain->state->gate) || (file != NULL && rt_file_exists(file));
    uint32_t started = 0;
    br_execute_queue *queue;
    while ((queue = due_queue(brain, halted)) != NULL && started++ < BR_EXECUTE_MAX &&
           brain->failed == RT_OK && br_pending_room(brain->pending, 64)) {
        br_to_execute item = pop(queue);
        br_intent intent;
        rt_arena *arena;
        if (hold_intent(brain, rt_str_of(item.action_id), &intent, &arena)) {
            execute_one(brain, &intent, halted);
            rt_arena_free(arena);
        }
    }
    if (started > 0 || due_queue(brain, halted) != NULL) {
        rt_wake_send(brain->wake);
    }
}

uint32_t
br__execute_waiting(const br_brain *brain)
{
    return brain->execute.count + brain->webhooks.count;
}

void
br__execute_note_interrupted(br_brain *brain)
{
    br_intent intent;
    brain->interrupted = rt_new_array(br_to_execute, br_outbox_count(brain->state->outbox) + 1);
    for (size_t cursor = 0; br_outbox_next(brain->state->outbox, &cursor, &intent);) {
        br_to_execute *item = &brain->interrupted[brain->interrupted_count++];
        snprintf(item->action_id, sizeof(item->action_id), "%.*s", RT_STR_ARG(intent.action_id));
    }
}

void
br__execute_recover(br_brain *brain)
{
    for (uint32_t i = 0; i < brain->interrupted_count; i++) {
        rt_str action_id = rt_str_of(brain->interrupted[i].action_id);
        br_intent intent;
        rt_arena *arena;
        if (!hold_intent(brain, action_id, &intent, &arena)) {
            continue;
        }
        const br_action *action = br_pack_action(brain->config.pack, intent.action);
        if (action != NULL && action->executor == BR_EXECUTE_WEBHOOK &&
            !RT_PLANTED(unknown_sent_again)) {
            record_outcome(brain, &intent, "unknown", 1, "a restart interrupted it");
        } else {
            br__execute_add(brain, action_id);
        }
        rt_arena_free(arena);
    }
    brain->interrupted_count = 0;
}

void
br__execute_free(br_brain *brain)
{
    rt_free(brain->interrupted);
    while (brain->retries != NULL) {
        br_retry *retry = brain->retries;
        brain->retries = retry->next;
        rt_timer_free(retry->timer);
        rt_free(retry);
    }
}
