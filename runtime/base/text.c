#include "runtime/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// Number grammars are checked by hand and only then converted, so what libc would also accept
// (spaces, hexadecimal, "inf", a plus sign, a locale's comma) never passes. Conversions that depend
// on the locale run in the C locale, for this thread and this call: asking glibc for "C" returns a
// built-in object and costs no allocation.
//
// A builder that has once truncated drops everything after, so its content is always a prefix of
// what was meant, cut between UTF-8 characters.

#define TEXT_CAP_MIN 64
#define F64_TEXT_MAX 512
#define EDIT_MAX 64
#define MS_PER_S INT64_C(1000)
#define MS_PER_M (60 * MS_PER_S)
#define MS_PER_H (60 * MS_PER_M)
#define MS_PER_D (24 * MS_PER_H)
#define DURATION_MAX_MS (3653 * MS_PER_D)

void
rt_text_init(rt_text *text, size_t max)
{
    RT_ASSERT(max < SIZE_MAX);
    *text = (rt_text){.max = max};
}

void
rt_text_fini(rt_text *text)
{
    rt_free(text->ptr);
    *text = (rt_text){.max = text->max};
}

void
rt_text_clear(rt_text *text)
{
    text->len = 0;
    text->truncated = false;
    if (text->ptr != NULL) {
        text->ptr[0] = '\0';
    }
}

// Makes room for `more` bytes and a NUL, or for as many as `max` and memory allow.
static void
reserve(rt_text *text, size_t more)
{
    size_t room = text->max - text->len;
    size_t need = text->len + RT_MIN(more, room) + 1;
    size_t cap = RT_MAX(need, (size_t)TEXT_CAP_MIN);
    char *ptr = NULL;

    if (need <= text->cap) {
        return;
    }
    if (text->cap <= SIZE_MAX / 2) {
        cap = RT_MAX(cap, text->cap * 2);
    }
    cap = RT_MIN(cap, text->max + 1);
    ptr = rt_try_alloc(cap);
    if (ptr == NULL) {
        return;
    }
    if (text->len > 0) {
        memcpy(ptr, text->ptr, text->len);
    }
    ptr[text->len] = '\0';
    rt_free(text->ptr);
    text->ptr = ptr;
    text->cap = cap;
}

// The longest prefix of at most `len` bytes that does not end inside a UTF-8 character; `bytes`
// holds at least one byte more.
static size_t
cut_between_characters(const char *bytes, size_t len)
{
    size_t at = len;

    while (at > 0 && len - at < 3 && ((uint8_t)bytes[at] & 0xc0) == 0x80) {
        at--;
    }
    return ((uint8_t)bytes[at] & 0xc0) == 0x80 ? len : at;
}

void
rt_text_put(rt_text *text, const void *bytes, size_t len)
{
    size_t fit = len;
    size_t room = 0;

    if (len == 0 || text->truncated) {
        return;
    }
    reserve(text, len);
    room = text->cap > 0 ? text->cap - 1 - text->len : 0;
    if (len > room) {
        text->truncated = true;
        fit = cut_between_characters(bytes, room);
    }
    if (fit > 0) {
        memcpy(text->ptr + text->len, bytes, fit);
        text->len += fit;
        text->ptr[text->len] = '\0';
    }
}

void
rt_text_str(rt_text *text, rt_str str)
{
    rt_text_put(text, str.ptr, str.len);
}

void
rt_text_cstr(rt_text *text, const char *str)
{
    rt_text_put(text, str, strlen(str));
}

void
rt_text_printf(rt_text *text, const char *fmt, ...)
{
    char guess[256];
    char *whole = guess;
    va_list args;
    int len = 0;

    va_start(args, fmt);
    len = vsnprintf(guess, sizeof(guess), fmt, args);
    va_end(args);
    RT_ASSERT(len >= 0);
    if ((size_t)len >= sizeof(guess)) {
        whole = rt_try_alloc((size_t)len + 1);
        if (whole == NULL) {
            text->truncated = true;
            return;
        }
        va_start(args, fmt);
        (void)vsnprintf(whole, (size_t)len + 1, fmt, args);
        va_end(args);
    }
    rt_text_put(text, whole, (size_t)len);
    if (whole != guess) {
        rt_free(whole);
    }
}

rt_str
rt_text_view(const rt_text *text)
{
    return (rt_str){text->ptr, text->len};
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// The number of digits at `at`.
static size_t
count_digits(rt_str text, size_t at)
{
    size_t count = 0;

    while (at + count < text.len && is_digit(text.ptr[at + count])) {
        count++;
    }
    return count;
}

// Adds one decimal digit to *value; false when it would pass `max`.
static bool
push_digit(uint64_t *value, char c, uint64_t max)
{
    uint64_t digit = (uint64_t)(c - '0');

    if (*value > (max - digit) / 10) {
        return false;
    }
    *value = *value * 10 + digit;
    return true;
}

rt_err
rt_parse_i64(rt_str text, int64_t *ret_value)
{
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    size_t start = is_negative ? 1 : 0;
    uint64_t max = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
    uint64_t value = 0;

    if (text.len == start || start + count_digits(text, start) != text.len) {
        return RT_EINVAL;
    }
    for (size_t i = start; i < text.len; i++) {
        if (!push_digit(&value, text.ptr[i], max)) {
            return RT_ERANGE;
        }
    }
    // Negated as unsigned: INT64_MIN has no positive counterpart.
    *ret_value = (int64_t)(is_negative ? 0 - value : value);
    return RT_OK;
}

// Whether the whole text is -?digits[.digits][(e|E)[+-]digits].
static bool
is_decimal(rt_str text)
{
    size_t at = text.len > 0 && text.ptr[0] == '-' ? 1 : 0;
    size_t digits = count_digits(text, at);

    if (digits == 0) {
        return false;
    }
    at += digits;
    if (at < text.len && text.ptr[at] == '.') {
        digits = count_digits(text, at + 1);
        if (digits == 0) {
            return false;
        }
        at += 1 + digits;
    }
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        at++;
        if (at < text.len && (text.ptr[at] == '+' || text.ptr[at] == '-')) {
            at++;
        }
        digits = count_digits(text, at);
        if (digits == 0) {
            return false;
        }
        at += digits;
    }
    return at == text.len;
}

static locale_t
c_locale(void)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);

    RT_ASSERT(c != (locale_t)0);
    return c;
}

rt_err
rt_parse_f64(rt_str text, double *ret_value)
{
    char copy[F64_TEXT_MAX];
    double value = 0;

    if (text.len >= sizeof(copy) || !is_decimal(text)) {
        return RT_EINVAL;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    value = strtod_l(copy, NULL, c_locale());
    if (!isfinite(value)) {
        return RT_ERANGE;
    }
    *ret_value = value;
    return RT_OK;
}

// A unit a number may carry, with its size in the base unit.
typedef struct unit {
    const char *name;
    int64_t size;
} unit;

// Reads digits and a unit name (letters) at *at and moves *at past them.
static rt_err
parse_quantity(rt_str text, size_t *at, const unit *units, size_t unit_count, int64_t max,
               int64_t *ret_value, int64_t *ret_size)
{
    size_t digits = count_digits(text, *at);
    size_t name_at = *at + digits;
    size_t end = name_at;
    uint64_t value = 0;
    bool is_small = true;

    while (end < text.len && !is_digit(text.ptr[end])) {
        end++;
    }
    if (digits == 0) {
        return RT_EINVAL;
    }
    for (size_t i = *at; i < name_at; i++) {
        is_small = is_small && push_digit(&value, text.ptr[i], (uint64_t)max);
    }
    for (size_t i = 0; i < unit_count; i++) {
        if (rt_str_is((rt_str){text.ptr + name_at, end - name_at}, units[i].name)) {
            if (!is_small || (int64_t)value > max / units[i].size) {
                return RT_ERANGE;
            }
            *at = end;
            *ret_value = (int64_t)value * units[i].size;
            *ret_size = units[i].size;
            return RT_OK;
        }
    }
    return RT_EINVAL;
}

rt_err
rt_parse_duration_ms(rt_str text, int64_t *ret_ms)
{
    static const unit units[] = {
        {"ms", 1}, {"s", MS_PER_S}, {"m", MS_PER_M}, {"h", MS_PER_H}, {"d", MS_PER_D},
    };
    int64_t total = 0;
    int64_t last_size = INT64_MAX;
    size_t at = 0;

    if (text.len == 0) {
        return RT_EINVAL;
    }
    while (at < text.len) {
        int64_t part = 0;
        int64_t size = 0;
        rt_err err =
            parse_quantity(text, &at, units, RT_COUNT(units), DURATION_MAX_MS, &part, &size);

        if (err != RT_OK) {
            return err;
        }
        // Units must fall, so "30m1h" and "1h1h" are refused as slips.
        if (size >= last_size) {
            return RT_EINVAL;
        }
        last_size = size;
        total += part;
        if (total > DURATION_MAX_MS) {
            return RT_ERANGE;
        }
    }
    *ret_ms = total;
    return RT_OK;
}

rt_err
rt_parse_size_bytes(rt_str text, int64_t *ret_bytes)
{
    static const unit units[] = {
        {"", 1},
        {"KiB", INT64_C(1) << 10},
        {"MiB", INT64_C(1) << 20},
        {"GiB", INT64_C(1) << 30},
        {"TiB", INT64_C(1) << 40},
    };
    int64_t value = 0;
    int64_t size = 0;
    size_t at = 0;
    rt_err err = parse_quantity(text, &at, units, RT_COUNT(units), INT64_MAX, &value, &size);

    if (err != RT_OK) {
        return err;
    }
    if (at != text.len) {
        return RT_EINVAL;
    }
    *ret_bytes = value;
    return RT_OK;
}

// Writes "1h 30m", or "2h" when the smaller part is zero.
static void
format_two_units(char *buf, size_t cap, const char *sign, uint64_t big, char big_unit,
                 uint64_t small, char small_unit)
{
    if (small == 0) {
        (void)snprintf(buf, cap, "%s%" PRIu64 "%c", sign, big, big_unit);
    } else {
        (void)snprintf(buf, cap, "%s%" PRIu64 "%c %" PRIu64 "%c", sign, big, big_unit, small,
                       small_unit);
    }
}

const char *
rt_format_duration(int64_t ms, char *buf, size_t cap)
{
    const char *sign = ms < 0 ? "-" : "";
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    uint64_t s = left / (uint64_t)MS_PER_S;
    uint64_t tenths = left % (uint64_t)MS_PER_S / 100;

    RT_ASSERT(cap > 0);
    if (left < (uint64_t)MS_PER_S) {
        (void)snprintf(buf, cap, "%s%" PRIu64 " ms", sign, left);
    } else if (left < (uint64_t)MS_PER_M && tenths != 0) {
        (void)snprintf(buf, cap, "%s%" PRIu64 ".%" PRIu64 " s", sign, s, tenths);
    } else if (left < (uint64_t)MS_PER_M) {
        (void)snprintf(buf, cap, "%s%" PRIu64 " s", sign, s);
    } else if (left < (uint64_t)MS_PER_H) {
        format_two_units(buf, cap, sign, s / 60, 'm', s % 60, 's');
    } else if (left < (uint64_t)MS_PER_D) {
        format_two_units(buf, cap, sign, s / 3600, 'h', s % 3600 / 60, 'm');
    } else {
        format_two_units(buf, cap, sign, s / 86400, 'd', s % 86400 / 3600, 'h');
    }
    return buf;
}

// Tries value = whole / 10^places with a short `whole`. The division of two exact doubles is
// correctly rounded, so equality proves that the decimal reads back; returns 0 when none fits.
static size_t
format_few_places(double value, char *buf, size_t cap)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
    double size = fabs(value);

    if (size != 0 && !(size >= 1e-3 && size < 1e9)) {
        return 0;
    }
    for (size_t places = 0; places < RT_COUNT(powers); places++) {
        double whole = rint(size * powers[places]);

        if (whole < 1e15 && whole / powers[places] == size) {
            uint64_t digits = (uint64_t)whole;
            uint64_t scale = (uint64_t)powers[places];
            const char *sign = signbit(value) ? "-" : "";
            int len = places == 0
                          ? snprintf(buf, cap, "%s%" PRIu64, sign, digits)
                          : snprintf(buf, cap, "%s%" PRIu64 ".%0*" PRIu64, sign, digits / scale,
                                     (int)places, digits % scale);

            return (size_t)len;
        }
    }
    return 0;
}

size_t
rt_format_f64(double value, char *buf, size_t cap)
{
    locale_t old = (locale_t)0;
    size_t len = 0;

    RT_ASSERT(cap >= RT_F64_CAP);
    if (isnan(value)) { // whose sign depends on the machine that made it
        return (size_t)snprintf(buf, cap, "nan");
    }
    len = format_few_places(value, buf, cap);
    if (len > 0) {
        return len;
    }
    old = uselocale(c_locale());
    for (int digits = 15; digits <= 17; digits++) {
        len = (size_t)snprintf(buf, cap, "%.*g", digits, value);
        if (!isfinite(value) || strtod(buf, NULL) == value) {
            break;
        }
    }
    (void)uselocale(old);
    return len;
}

// The length of the well-formed sequence that starts at p[0] >= 0x80, or 0. Unicode 15, table 3-7.
static size_t
sequence_len(const uint8_t *p, size_t left)
{
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    size_t len = 0;

    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        len = 3;
        low = p[0] == 0xe0 ? 0xa0 : low;   // shorter form exists
        high = p[0] == 0xed ? 0x9f : high; // surrogates
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        low = p[0] == 0xf0 ? 0x90 : low;
        high = p[0] == 0xf4 ? 0x8f : high; // above U+10FFFF
    }
    if (len == 0 || left < len || p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

rt_str
rt_utf8_whole(rt_str text)
{
    size_t tail = 0; // bytes after the last lead byte

    while (tail < 3 && tail < text.len &&
           ((uint8_t)text.ptr[text.len - 1 - tail] & 0xc0) == 0x80) {
        tail++;
    }
    if (tail < text.len) {
        uint8_t lead = (uint8_t)text.ptr[text.len - 1 - tail];
        size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;

        text.len -= length > tail + 1 ? tail + 1 : 0;
    }
    return text;
}

bool
rt_utf8_valid(rt_str text)
{
    const uint8_t *p = (const uint8_t *)text.ptr;
    size_t at = 0;

    while (at < text.len) {
        uint64_t word = 0;
        size_t len = 1;

        // Eight ASCII bytes a step: nearly all text is ASCII.
        if (text.len - at >= sizeof(word)) {
            memcpy(&word, p + at, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof(word);
                continue;
            }
        }
        if (p[at] >= 0x80) {
            len = sequence_len(p + at, text.len - at);
        }
        if (len == 0) {
            return false;
        }
        at += len;
    }
    return true;
}

unsigned
rt_edit_distance(rt_str a, rt_str b, unsigned limit)
{
    // Three rows of the usual matrix: the row before last serves swaps of neighbours.
    unsigned rows[3][EDIT_MAX + 1];
    size_t a_len = RT_MIN(a.len, (size_t)EDIT_MAX);
    size_t b_len = RT_MIN(b.len, (size_t)EDIT_MAX);
    unsigned distance = 0;

    if (RT_MAX(a_len, b_len) - RT_MIN(a_len, b_len) > limit) {
        return limit + 1; // so many letters are missing; most names of a long list end here
    }
    for (size_t j = 0; j <= b_len; j++) {
        rows[0][j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3];
        const unsigned *two_above = rows[(i + 1) % 3];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned cost = a.ptr[i - 1] == b.ptr[j - 1] ? 0 : 1;
            unsigned best = RT_MIN(above[j] + 1, row[j - 1] + 1);

            best = RT_MIN(best, above[j - 1] + cost);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1]) {
                best = RT_MIN(best, two_above[j - 2] + 1);
            }
            row[j] = best;
        }
    }
    distance = rows[a_len % 3][b_len];
    return distance > limit ? limit + 1 : distance;
}
