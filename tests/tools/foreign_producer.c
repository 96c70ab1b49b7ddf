// foreign_producer: a producer that trusts nobody, for tests that kill or torment a daemon.
//
// usage: foreign_producer --port N --events FILE --acked FILE [--seed N] [--batch N] [--msgpack]
//                         [--every MS] [--latency FILE]
//
// Sends the events of FILE (JSON lines, as `brain-replay --jsonl` prints them) one request at a
// time, and keeps its own list of what was acknowledged: a line "seq TAB tenant TAB source TAB id"
// each, synced to disk before the next request leaves. It goes on after the last line of that
// list, so it may be killed itself. What was not answered is sent again, cut into other batches;
// now and then something that was answered is sent again as well, and must come back under the
// same number.
//
// --every sends a request of --batch events that often instead of as fast as they are answered;
// --latency notes "sent at, answered after" of each request, in microseconds.
// Ends with exit code 0 on SIGTERM or when all events are acknowledged, with 1 and a sentence when
// an answer cannot be right.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/rng.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/file.h"
#include "tests/tools/foreign.h"

#define EVENTS_BYTES_MAX (1024u * 1024 * 1024)
#define BATCH_MAX 1024
#define PATIENCE_MS 3000
#define PAUSE_US 2000
#define AGAIN_CHANCE 0.02 // of sending known events again

typedef struct event {
    rt_str json;
    rt_str tenant;
    rt_str source;
    rt_str id;
    uint64_t seq; // 0: not acknowledged
} event;

typedef struct producer {
    uint16_t port;
    bool msgpack;
    uint32_t batch_max;
    int64_t every_ms;
    event *events;
    size_t count;
    size_t next; // everything before it is acknowledged
    rt_rng rng;
    int acked; // the list
    FILE *latency;
    int fd; // of the connection, or -1
    uint32_t number;
    rt_text body;
    rt_text reply;
    rt_text scratch;
    rt_text lines;
    uint64_t resent;
    uint64_t duplicates;
    uint64_t connects;
} producer;

static volatile int stopping;

static void
on_signal(int signo)
{
    (void)signo;
    stopping = 1;
}

static int
complain(const char *what, rt_str about)
{
    (void)fprintf(stderr, "foreign_producer: %s: %.*s\n", what, RT_STR_ARG(about));
    return 1;
}

// --- events and the list ---

// The text between "NAME":" and the next quotation mark; these values hold no escapes.
static rt_str
field(rt_str json, const char *name)
{
    char key[32];
    int len = snprintf(key, sizeof(key), "\"%s\":\"", name);

    for (size_t at = 0; at + (size_t)len < json.len; at++) {
        if (memcmp(json.ptr + at, key, (size_t)len) == 0) {
            const char *begin = json.ptr + at + len;
            const char *end = memchr(begin, '"', json.len - at - (size_t)len);

            return end == NULL ? (rt_str){0} : (rt_str){begin, (size_t)(end - begin)};
        }
    }
    return (rt_str){0};
}

// next_line cuts a line off; false at the end and before a line that was torn.
static bool
next_line(rt_str *text, rt_str *ret_line)
{
    const char *end = text->len == 0 ? NULL : memchr(text->ptr, '\n', text->len);

    if (end == NULL) {
        return false;
    }
    *ret_line = (rt_str){text->ptr, (size_t)(end - text->ptr)};
    text->len -= ret_line->len + 1;
    text->ptr = end + 1;
    return true;
}

static bool
read_events(producer *p, rt_str text)
{
    rt_str rest = text;
    rt_str line;
    size_t cap = 0;

    while (next_line(&rest, &line)) {
        cap++;
    }
    p->events = rt_new_array(event, cap + 1);
    while (next_line(&text, &line)) {
        event *e = &p->events[p->count];

        *e = (event){.json = line, .tenant = field(line, "tenant"),
                     .source = field(line, "source"), .id = field(line, "id")};
        if (e->tenant.len == 0 || e->source.len == 0 || e->id.len == 0) {
            return false;
        }
        p->count++;
    }
    return p->count > 0;
}

// Goes on where the list ends; a line torn by our own end is cut off, it was never relied on.
static bool
read_list(producer *p, rt_str text)
{
    rt_str line;
    size_t whole = 0;

    while (next_line(&text, &line)) {
        const char *tab = memchr(line.ptr, '\t', line.len);
        int64_t seq = 0;

        if (tab == NULL || p->next == p->count ||
            rt_parse_i64((rt_str){line.ptr, (size_t)(tab - line.ptr)}, &seq) != RT_OK) {
            return false;
        }
        p->events[p->next++].seq = (uint64_t)seq;
        whole += line.len + 1;
    }
    return ftruncate(p->acked, (off_t)whole) == 0 && lseek(p->acked, 0, SEEK_END) >= 0;
}

static bool
keep_list(producer *p)
{
    rt_str lines = rt_text_view(&p->lines);

    while (lines.len > 0) {
        ssize_t written = write(p->acked, lines.ptr, lines.len);

        if (written < 0) {
            return false;
        }
        lines.ptr += written;
        lines.len -= (size_t)written;
    }
    return fdatasync(p->acked) == 0;
}

// --- requests ---

static void
pause_us(int64_t us)
{
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

    (void)nanosleep(&time, NULL); // a signal may cut it short
}

static bool
write_body(producer *p, size_t from, size_t count)
{
    bool good = true;

    rt_text_clear(&p->body);
    if (p->msgpack) {
        foreign_pack_array(&p->body, (uint32_t)count);
    }
    for (size_t i = 0; i < count && good; i++) {
        rt_str json = p->events[from + i].json;

        if (p->msgpack) {
            good = foreign_pack(json, &p->body);
        } else {
            rt_text_cstr(&p->body, i == 0 ? "[" : ",");
            rt_text_str(&p->body, json);
        }
    }
    if (!p->msgpack) {
        rt_text_cstr(&p->body, "]");
    }
    return good && !p->body.truncated;
}

// ask sends and waits for the answer; false when there is none: the same goes out again, cut anew.
static bool
ask(producer *p)
{
    rt_bytes body = rt_bytes_of_str(rt_text_view(&p->body));

    while (!stopping) {
        if (p->fd < 0) {
            p->fd = foreign_dial(p->port, PATIENCE_MS);
            p->connects += p->fd >= 0;
        }
        if (p->fd >= 0) {
            int64_t sent_us = rt_clock_mono_us();

            if (foreign_ask(p->fd, p->number++, body, PATIENCE_MS, &stopping, &p->reply)) {
                if (p->latency != NULL) {
                    (void)fprintf(p->latency, "%lld\t%lld\n", (long long)sent_us,
                                  (long long)(rt_clock_mono_us() - sent_us));
                }
                return true;
            }
            (void)close(p->fd);
            p->fd = -1;
            p->resent++;
            return false; // cut anew by the caller
        }
        pause_us(PAUSE_US);
    }
    return false;
}

static bool
worth_waiting(rt_str code)
{
    return rt_str_is(code, "RT_EFULL") || rt_str_is(code, "RT_EBUSY") ||
           rt_str_is(code, "RT_ENOSPC") || rt_str_is(code, "RT_EAGAIN");
}

// book takes down what the answer says of each event, until one that has to wait.
static int
book(producer *p, size_t from, const foreign_result *results, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        event *e = &p->events[from + i];

        if (rt_str_is(results[i].status, "error")) {
            if (worth_waiting(results[i].code)) {
                return 0;
            }
            (void)complain("refused", results[i].text);
            return complain("a good event", e->json);
        }
        if (e->seq != 0 && e->seq != results[i].seq) {
            return complain("acknowledged under two numbers", e->json);
        }
        p->duplicates += rt_str_is(results[i].status, "duplicate");
        if (e->seq == 0) {
            e->seq = results[i].seq;
            p->next = from + i + 1;
            rt_text_printf(&p->lines, "%llu\t%.*s\t%.*s\t%.*s\n", (unsigned long long)e->seq,
                           RT_STR_ARG(e->tenant), RT_STR_ARG(e->source), RT_STR_ARG(e->id));
        }
    }
    return 0;
}

static size_t
draw_count(producer *p)
{
    size_t left = p->count - p->next;
    size_t count = p->batch_max;

    if (p->every_ms == 0) { // as many small batches as large ones
        for (uint64_t halvings = rt_rng_below(&p->rng, 8); halvings > 0 && count > 1; halvings--) {
            count /= 2;
        }
        count = 1 + (size_t)rt_rng_below(&p->rng, count);
    }
    return count < left ? count : left;
}

static int
send_batch(producer *p)
{
    static foreign_result results[2 * BATCH_MAX];
    size_t count = draw_count(p);
    size_t from = p->next;
    int answered = 0;

    if (p->next > 0 && p->every_ms == 0 && rt_rng_chance(&p->rng, AGAIN_CHANCE)) {
        size_t back = 1 + (size_t)rt_rng_below(&p->rng, BATCH_MAX);

        from -= back < from ? back : from;
        count = RT_MIN(count + (p->next - from), (size_t)BATCH_MAX);
    }
    if (!write_body(p, from, count)) {
        return complain("no event", p->events[from].json);
    }
    if (!ask(p)) {
        return 0;
    }
    answered = foreign_results(rt_text_view(&p->reply), &p->scratch, results, 2 * BATCH_MAX);
    if (answered != (int)count) {
        return complain("an answer that makes no sense", rt_text_view(&p->reply));
    }
    rt_text_clear(&p->lines);
    if (book(p, from, results, count) != 0) {
        return 1;
    }
    if (p->lines.len > 0 && !keep_list(p)) {
        return complain("the list cannot be kept", RT_STR("write or sync failed"));
    }
    return 0;
}

static int
run(producer *p)
{
    int64_t due_us = rt_clock_mono_us();
    int code = 0;

    while (code == 0 && !stopping && p->next < p->count) {
        if (p->every_ms > 0) {
            due_us += p->every_ms * 1000;
            pause_us(RT_MAX(due_us - rt_clock_mono_us(), 0));
        }
        code = send_batch(p);
    }
    if (p->latency != NULL && fclose(p->latency) != 0) {
        code = complain("the latencies cannot be kept", RT_STR("write failed"));
    }
    (void)printf("acked %zu of %zu, %llu requests sent again, %llu duplicates, %llu connections\n",
                 p->next, p->count, (unsigned long long)p->resent,
                 (unsigned long long)p->duplicates, (unsigned long long)p->connects);
    return code;
}

// --- the command line ---

typedef struct flags {
    const char *events;
    const char *acked;
    const char *latency;
    int64_t port;
    int64_t seed;
    int64_t batch;
    int64_t every_ms;
    bool msgpack;
} flags;

static bool
read_flags(int argc, char **argv, flags *f)
{
    bool good = argc % 2 == (f->msgpack ? 0 : 1);

    for (int i = 1; i < argc && good; i += 2) {
        const char *value = argv[i + 1];
        int64_t *number = NULL;

        if (strcmp(argv[i], "--msgpack") == 0) {
            i--;
            continue;
        }
        if (strcmp(argv[i], "--events") == 0) {
            f->events = value;
        } else if (strcmp(argv[i], "--acked") == 0) {
            f->acked = value;
        } else if (strcmp(argv[i], "--latency") == 0) {
            f->latency = value;
        } else {
            number = strcmp(argv[i], "--port") == 0    ? &f->port
                     : strcmp(argv[i], "--seed") == 0  ? &f->seed
                     : strcmp(argv[i], "--batch") == 0 ? &f->batch
                     : strcmp(argv[i], "--every") == 0 ? &f->every_ms
                                                       : NULL;
            good = number != NULL && rt_parse_i64(rt_str_of(value), number) == RT_OK;
        }
    }
    return good && f->events != NULL && f->acked != NULL && f->port > 0 && f->port < 65536 &&
           f->batch >= 1 && f->batch <= BATCH_MAX && f->every_ms >= 0;
}

static int
start(producer *p, const flags *f, rt_arena *arena)
{
    rt_str text;

    if (rt_file_read_all(f->events, EVENTS_BYTES_MAX, arena, &text) != RT_OK ||
        !read_events(p, text)) {
        return complain("no events in", rt_str_of(f->events));
    }
    p->acked = open(f->acked, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (p->acked < 0 ||
        rt_file_read_all(f->acked, EVENTS_BYTES_MAX, arena, &text) != RT_OK ||
        !read_list(p, text)) {
        return complain("no list of these events", rt_str_of(f->acked));
    }
    p->latency = f->latency == NULL ? NULL : fopen(f->latency, "we");
    if (f->latency != NULL && p->latency == NULL) {
        return complain("cannot be written", rt_str_of(f->latency));
    }
    if (p->latency != NULL) {
        (void)setvbuf(p->latency, NULL, _IOLBF, 0); // somebody reads along
    }
    return 0;
}

int
main(int argc, char **argv)
{
    static producer p = {.fd = -1};
    flags f = {.batch = 256};
    struct sigaction action = {.sa_handler = on_signal}; // without SA_RESTART: it ends a wait
    int code = 0;

    for (int i = 1; i < argc; i++) {
        f.msgpack = f.msgpack || strcmp(argv[i], "--msgpack") == 0;
    }
    if (!read_flags(argc, argv, &f)) {
        (void)fprintf(stderr, "usage: foreign_producer --port N --events FILE --acked FILE "
                              "[--seed N] [--batch 1..%d] [--msgpack] [--every MS] "
                              "[--latency FILE]\n", BATCH_MAX);
        return 2;
    }
    (void)sigaction(SIGTERM, &action, NULL); // cannot fail for a valid signal
    p.port = (uint16_t)f.port;
    p.msgpack = f.msgpack;
    p.batch_max = (uint32_t)f.batch;
    p.every_ms = f.every_ms;
    rt_rng_seed(&p.rng, (uint64_t)f.seed, 0);
    rt_text_init(&p.body, EVENTS_BYTES_MAX);
    rt_text_init(&p.reply, EVENTS_BYTES_MAX);
    rt_text_init(&p.scratch, EVENTS_BYTES_MAX);
    rt_text_init(&p.lines, EVENTS_BYTES_MAX);
    code = start(&p, &f, rt_arena_new(2ull * EVENTS_BYTES_MAX));
    return code == 0 ? run(&p) : code;
}
