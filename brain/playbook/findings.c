// Design notes.
// SARIF 2.1.0 (OASIS, 2020): one run; the rules are the codes that were found, each once, and a
// result names its rule and one region. Columns count characters, as everywhere, and so the run
// says.
#include "brain/playbook/findings.h"

#include <inttypes.h>
#include <stdio.h>

#include "runtime/base/check.h"
#include "runtime/wire/json.h"

static const br_code codes[] = {
#define CODE(code, title, explanation) {code, title, explanation},
#include "brain/playbook/codes.def"
#undef CODE
};

bool
br_findings_form_of(rt_str name, br_findings_form *ret_form)
{
    static const char *const names[] = {"human", "gcc", "json", "sarif"};
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        if (rt_str_is(name, names[i])) {
            *ret_form = (br_findings_form)i;
            return true;
        }
    }
    return false;
}

const br_code *
br_code_find(rt_str code)
{
    for (size_t i = 0; i < RT_COUNT(codes); i++) {
        if (rt_str_is(code, codes[i].code)) {
            return &codes[i];
        }
    }
    return NULL;
}

const br_code *
br_code_at(size_t index)
{
    RT_ASSERT(index < RT_COUNT(codes));
    return &codes[index];
}

size_t
br_code_count(void)
{
    return RT_COUNT(codes);
}

static void
put_member(rt_text *out, const char *before, const char *text)
{
    rt_text_cstr(out, before);
    rt_json_string(out, rt_str_of(text));
}

static bool
found_before(const rt_diag *diag, size_t index)
{
    rt_finding f = rt_diag_at(diag, index);
    for (size_t i = 0; i < index; i++) {
        if (strcmp(rt_diag_at(diag, i).code, f.code) == 0) {
            return true;
        }
    }
    return false;
}

static void
put_rules(const rt_diag *diag, rt_text *out)
{
    bool any = false;
    for (size_t i = 0; i < rt_diag_count(diag); i++) {
        const char *code = rt_diag_at(diag, i).code;
        const br_code *known = br_code_find(rt_str_of(code));
        if (found_before(diag, i)) {
            continue;
        }
        put_member(out, any ? ",{\"id\":" : "{\"id\":", code);
        if (known != NULL) {
            put_member(out, ",\"shortDescription\":{\"text\":", known->title);
            put_member(out, "},\"help\":{\"text\":", known->explanation);
            rt_text_cstr(out, "}");
        }
        rt_text_cstr(out, "}");
        any = true;
    }
}

// A path as an URI reference: everything but its safe characters in percent form.
static void
put_uri(rt_text *out, const char *file)
{
    rt_text_cstr(out, "\"");
    for (const char *c = file; *c != '\0'; c++) {
        bool safe = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || strchr("-._~/", *c) != NULL;
        if (safe) {
            rt_text_put(out, c, 1);
        } else {
            rt_text_printf(out, "%%%02X", (unsigned)(uint8_t)*c);
        }
    }
    rt_text_cstr(out, "\"");
}

static void
put_result(const rt_finding *f, rt_text *out)
{
    char text[800];
    (void)snprintf(text, sizeof(text), "%s%s%s", f->message, f->help != NULL ? "; " : "",
                   f->help != NULL ? f->help : "");
    put_member(out, "{\"ruleId\":", f->code);
    put_member(out, ",\"level\":", f->severity == RT_SEVERITY_ERROR ? "error" : "warning");
    put_member(out, ",\"message\":{\"text\":", text);
    rt_text_cstr(out, "},\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":");
    put_uri(out, f->file);
    rt_text_cstr(out, "}");
    if (f->mark.line > 0) {
        uint32_t column = RT_MAX(f->mark.column, 1u);
        rt_text_printf(out,
                       ",\"region\":{\"startLine\":%" PRIu32 ",\"startColumn\":%" PRIu32
                       ",\"endColumn\":%" PRIu32 "}",
                       f->mark.line, column, column + RT_MAX(f->mark.length, 1u));
    }
    rt_text_cstr(out, "}}]}");
}

static void
write_sarif(const rt_diag *diag, rt_text *out)
{
    rt_text_cstr(out, "{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\","
                      "\"version\":\"2.1.0\",\"runs\":[{\"tool\":{\"driver\":{"
                      "\"name\":\"cerebro\",\"version\":\"" CEREBRO_VERSION "\",\"rules\":[");
    put_rules(diag, out);
    rt_text_cstr(out, "]}},\"columnKind\":\"unicodeCodePoints\",\"results\":[");
    for (size_t i = 0; i < rt_diag_count(diag); i++) {
        rt_finding f = rt_diag_at(diag, i);
        rt_text_cstr(out, i > 0 ? "," : "");
        put_result(&f, out);
    }
    rt_text_cstr(out, "]}]}\n");
}

void
br_findings_write(const rt_diag *diag, br_findings_form form, rt_text *out)
{
    switch (form) {
    case BR_FINDINGS_HUMAN:
        rt_diag_render(diag, out);
        break;
    case BR_FINDINGS_GCC:
        rt_diag_render_gcc(diag, out);
        break;
    case BR_FINDINGS_JSON:
        rt_diag_render_json(diag, out);
        rt_text_cstr(out, "\n");
        break;
    case BR_FINDINGS_SARIF:
        write_sarif(diag, out);
        break;
    }
}
