// Design notes. Scalability Protocols over TCP: both sides greet with 8 bytes (zero, "SP", zero,
// the protocol's number, two zeros), then a message is its length in 8 bytes, big-endian, and that
// many bytes. A REQ message begins with a number of its own, high bit set, which the reply repeats.
#include "tests/tools/foreign.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define GREETING_LEN 8
#define REPLY_BYTES_MAX (64u * 1024 * 1024)
#define DEPTH_MAX 16
#define FINAL_REQUEST 0x80000000u

static const char greeting[GREETING_LEN] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
static const char expected[GREETING_LEN] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};

// --- the connection ---

static bool
send_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

        if (sent < 0) {
            return false;
        }
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool
receive_all(int fd, void *bytes, size_t len, const volatile int *stop)
{
    char *at = bytes;

    while (len > 0) {
        ssize_t got = recv(fd, at, len, 0);

        if (got < 0 && errno == EINTR && !*stop) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        at += got;
        len -= (size_t)got;
    }
    return true;
}

int
foreign_dial(uint16_t port, int patience_ms)
{
    static const int never = 0;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = patience_ms / 1000, .tv_usec = patience_ms % 1000 * 1000};
    int on = 1;
    char answer[GREETING_LEN];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)); // else it waits
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); // only slower without
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        !send_all(fd, greeting, GREETING_LEN) ||
        !receive_all(fd, answer, GREETING_LEN, &never) ||
        memcmp(answer, expected, GREETING_LEN) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void
put_big_endian(char *bytes, uint64_t value, int len)
{
    for (int i = len - 1; i >= 0; i--) {
        bytes[i] = (char)(value & 0xff);
        value >>= 8;
    }
}

static uint64_t
get_big_endian(const char *bytes, int len)
{
    uint64_t value = 0;

    for (int i = 0; i < len; i++) {
        value = value << 8 | (uint8_t)bytes[i];
    }
    return value;
}

static bool
receive_message(int fd, const volatile int *stop, uint32_t *ret_number, rt_text *reply)
{
    char head[12];
    char buf[16384];
    uint64_t left = 0;

    if (!receive_all(fd, head, sizeof(head), stop)) {
        return false;
    }
    left = get_big_endian(head, 8);
    if (left < 4 || left > REPLY_BYTES_MAX) {
        return false;
    }
    *ret_number = (uint32_t)get_big_endian(head + 8, 4);
    rt_text_clear(reply);
    for (left -= 4; left > 0;) {
        size_t part = left < sizeof(buf) ? (size_t)left : sizeof(buf);

        if (!receive_all(fd, buf, part, stop)) {
            return false;
        }
        rt_text_put(reply, buf, part);
        left -= part;
    }
    return true;
}

bool
foreign_ask(int fd, uint32_t number, rt_bytes body, int patience_ms, const volatile int *stop,
            rt_text *reply)
{
    struct timeval patience = {.tv_sec = patience_ms / 1000, .tv_usec = patience_ms % 1000 * 1000};
    char head[12];
    uint32_t got = 0;

    put_big_endian(head, body.len + 4, 8);
    put_big_endian(head + 8, number | FINAL_REQUEST, 4);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
        !send_all(fd, head, sizeof(head)) || !send_all(fd, body.ptr, body.len)) {
        return false;
    }
    do {
        if (!receive_message(fd, stop, &got, reply)) {
            return false;
        }
    } while (got != (number | FINAL_REQUEST));
    return true;
}

// --- JSON to msgpack ---

static void
put_head(rt_text *packed, int code, uint64_t value, int len)
{
    char head[9] = {(char)code};

    put_big_endian(head + 1, value, len);
    rt_text_put(packed, head, (size_t)len + 1);
}

void
foreign_pack_array(rt_text *packed, uint32_t count)
{
    put_head(packed, 0xdd, count, 4);
}

static void
put_utf8(rt_text *out, uint32_t c)
{
    char bytes[4];
    size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = len - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    bytes[0] = (char)(first[len] | c);
    rt_text_put(out, bytes, len);
}

static bool
read_hex4(rt_str *json, uint32_t *ret_value)
{
    static const char digits[] = "0123456789abcdef";

    *ret_value = 0;
    for (int i = 0; i < 4; i++) {
        const char *digit =
            json->len == 0 ? NULL : memchr(digits, json->ptr[0] | 0x20, sizeof(digits) - 1);

        if (digit == NULL) {
            return false;
        }
        *ret_value = *ret_value << 4 | (uint32_t)(digit - digits);
        json->ptr++;
        json->len--;
    }
    return true;
}

static char
take(rt_str *json)
{
    char c = '\0';

    if (json->len > 0) {
        c = json->ptr[0];
        json->ptr++;
        json->len--;
    }
    return c;
}

static bool
read_escape(rt_str *json, rt_text *out)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    char c = take(json);
    const char *at = c == '\0' ? NULL : strchr(from, c);
    uint32_t high = 0;
    uint32_t low = 0;

    if (at != NULL) {
        rt_text_put(out, &to[at - from], 1);
        return true;
    }
    if (c != 'u' || !read_hex4(json, &high)) {
        return false;
    }
    if (high >= 0xd800 && high < 0xdc00) { // the first of two that are one character
        if (take(json) != '\\') {
            return false;
        }
        if (take(json) != 'u' || !read_hex4(json, &low) || low < 0xdc00 || low >= 0xe000) {
            return false;
        }
        high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    put_utf8(out, high);
    return true;
}

static bool
pack_string(rt_str *json, rt_text *packed)
{
    size_t head = packed->len;

    put_head(packed, 0xdb, 0, 4);
    for (char c = take(json); c != '"'; c = take(json)) {
        if (c == '\0' || (c == '\\' && !read_escape(json, packed))) {
            return false;
        }
        if (c != '\\') {
            rt_text_put(packed, &c, 1);
        }
    }
    put_big_endian(packed->ptr + head + 1, packed->len - head - 5, 4);
    return true;
}

static bool
pack_number(rt_str *json, rt_text *packed)
{
    rt_str number = {json->ptr, 0};
    int64_t whole = 0;
    double real = 0;
    uint64_t bits = 0;

    while (number.len < json->len && strchr("+-.0123456789eE", json->ptr[number.len]) != NULL) {
        number.len++;
    }
    json->ptr += number.len;
    json->len -= number.len;
    if (rt_parse_i64(number, &whole) == RT_OK) {
        put_head(packed, 0xd3, (uint64_t)whole, 8);
        return true;
    }
    if (rt_parse_f64(number, &real) != RT_OK) {
        return false;
    }
    memcpy(&bits, &real, sizeof(bits));
    put_head(packed, 0xcb, bits, 8);
    return true;
}

static bool
pack_word(rt_str *json, rt_text *packed)
{
    static const struct {
        rt_str word;
        char code;
    } words[] = {{RT_STR("null"), (char)0xc0}, {RT_STR("false"), (char)0xc2},
                 {RT_STR("true"), (char)0xc3}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (rt_str_starts(*json, words[i].word)) {
            json->ptr += words[i].word.len;
            json->len -= words[i].word.len;
            rt_text_put(packed, &words[i].code, 1);
            return true;
        }
    }
    return false;
}

typedef struct open_value {
    size_t head; // where its header stands
    uint32_t count;
    bool map;
} open_value;

// One token; `open` is the stack of arrays and maps not yet closed, of which *depth are in use.
static bool
pack_token(rt_str *json, rt_text *packed, open_value *open, int *depth)
{
    char c = json->ptr[0];

    if (strchr(" \t\r\n,:", c) != NULL) {
        (void)take(json);
        return true;
    }
    if (c == '}' || c == ']') {
        const open_value *top = &open[*depth - 1];

        (void)take(json);
        if (*depth == 0 || top->map != (c == '}')) {
            return false;
        }
        put_big_endian(packed->ptr + top->head + 1, top->map ? top->count / 2 : top->count, 4);
        --*depth;
        return true;
    }
    if (*depth > 0) {
        open[*depth - 1].count++;
    }
    if (c == '{' || c == '[') {
        (void)take(json);
        if (*depth == DEPTH_MAX) {
            return false;
        }
        open[*depth] = (open_value){.head = packed->len, .map = c == '{'};
        ++*depth;
        put_head(packed, c == '{' ? 0xdf : 0xdd, 0, 4);
        return true;
    }
    if (c == '"') {
        (void)take(json);
        return pack_string(json, packed);
    }
    return c == '-' || (c >= '0' && c <= '9') ? pack_number(json, packed)
                                              : pack_word(json, packed);
}

bool
foreign_pack(rt_str json, rt_text *packed)
{
    open_value open[DEPTH_MAX];
    int depth = 0;

    while (json.len > 0) {
        if (!pack_token(&json, packed, open, &depth)) {
            return false;
        }
    }
    return depth == 0 && !packed->truncated;
}

// --- reading a reply ---

typedef enum kind { NUMBER, STRING, ARRAY, MAP, NOTHING } kind;

// One header: what comes, and its value, length or count. Strings are cut off whole.
static kind
read_head(rt_str *in, uint64_t *ret_value, rt_str *ret_string)
{
    static const struct {
        uint8_t code;
        kind kind;
        int len;
    } wide[] = {{0xcc, NUMBER, 1}, {0xcd, NUMBER, 2}, {0xce, NUMBER, 4}, {0xcf, NUMBER, 8},
                {0xd3, NUMBER, 8}, {0xd9, STRING, 1}, {0xda, STRING, 2}, {0xdb, STRING, 4},
                {0xdc, ARRAY, 2},  {0xdd, ARRAY, 4},  {0xde, MAP, 2},    {0xdf, MAP, 4}};
    uint8_t code = (uint8_t)take(in);
    kind found = NOTHING;

    *ret_value = 0;
    if (code < 0x80) {
        *ret_value = code;
        return NUMBER;
    }
    if (code < 0xc0) {
        found = code < 0x90 ? MAP : code < 0xa0 ? ARRAY : STRING;
        *ret_value = found == STRING ? code & 0x1f : code & 0x0f;
    }
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        if (wide[i].code == code && in->len >= (size_t)wide[i].len) {
            found = wide[i].kind;
            *ret_value = get_big_endian(in->ptr, wide[i].len);
            in->ptr += wide[i].len;
            in->len -= (size_t)wide[i].len;
        }
    }
    if (found == STRING) {
        if (*ret_value > in->len) {
            return NOTHING;
        }
        *ret_string = (rt_str){in->ptr, (size_t)*ret_value};
        in->ptr += *ret_value;
        in->len -= (size_t)*ret_value;
    }
    return found;
}

static bool
read_result(rt_str *in, foreign_result *result)
{
    uint64_t parts = 0;
    uint64_t value = 0;

    *result = (foreign_result){0};
    if (read_head(in, &parts, &result->status) != ARRAY || parts < 2 ||
        read_head(in, &value, &result->status) != STRING) {
        return false;
    }
    if (!rt_str_is(result->status, "error")) {
        return parts == 2 && read_head(in, &result->seq, &result->code) == NUMBER;
    }
    return parts == 4 && read_head(in, &value, &result->code) == STRING &&
           read_head(in, &value, &result->path) == STRING &&
           read_head(in, &value, &result->text) == STRING;
}

static int
read_results(rt_str *in, foreign_result *results, int cap)
{
    uint64_t count = 0;
    rt_str none;

    if (read_head(in, &count, &none) != ARRAY || count > (uint64_t)cap) {
        return -1;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!read_result(in, &results[i])) {
            return -1;
        }
    }
    return (int)count;
}

int
foreign_results(rt_str reply, rt_text *scratch, foreign_result *results, int cap)
{
    uint64_t pairs = 0;
    uint64_t value = 0;
    rt_str key;
    int found = -1;

    rt_text_clear(scratch);
    if (reply.len > 0 && reply.ptr[0] == '{') {
        if (!foreign_pack(reply, scratch)) {
            return -1;
        }
        reply = rt_text_view(scratch);
    }
    if (read_head(&reply, &pairs, &key) != MAP) {
        return -1;
    }
    for (uint64_t i = 0; i < pairs; i++) {
        if (read_head(&reply, &value, &key) != STRING) {
            return -1;
        }
        if (rt_str_is(key, "results")) {
            found = read_results(&reply, results, cap);
        } else if (read_head(&reply, &value, &key) != NUMBER) {
            return -1;
        }
    }
    return reply.len == 0 ? found : -1;
}
