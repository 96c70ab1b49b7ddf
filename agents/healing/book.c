#include "agents/healing/book.h"

#include "runtime/base/log.h"

static bool
is_remediation(rt_str text)
{
    static const rt_str first = {"kind: remediation", sizeof("kind: remediation") - 1};

    for (size_t at = 0; at < text.len;) {
        const char *line = text.ptr + at;
        const char *end = memchr(line, '\n', text.len - at);
        size_t len = end != NULL ? (size_t)(end - line) : text.len - at;
        if (len > 0 && line[0] != '#') {
            return rt_str_starts((rt_str){line, len}, first);
        }
        at += len + 1;
    }
    return false;
}

static bool
comes_before(const br_remediation *a, const br_remediation *b)
{
    size_t shorter = RT_MIN(a->id.len, b->id.len);
    int order;

    if (a->priority != b->priority) {
        return a->priority > b->priority;
    }
    order = memcmp(a->id.ptr, b->id.ptr, shorter);
    return order != 0 ? order < 0 : a->id.len < b->id.len;
}

static void
insert(healing_book *book, br_remediation *playbook)
{
    uint32_t at = book->count++;

    while (at > 0 && comes_before(playbook, book->playbooks[at - 1])) {
        book->playbooks[at] = book->playbooks[at - 1];
        at--;
    }
    book->playbooks[at] = playbook;
}

static void
read_file(healing_book *book, rt_str file, rt_str text)
{
    char name[128];
    rt_diag *diag = rt_diag_new();
    br_remediation *playbook = NULL;
    size_t len = RT_MIN(file.len, sizeof(name) - 1);

    memcpy(name, file.ptr, len);
    name[len] = '\0';
    if (book->count == HEALING_PLAYBOOKS_MAX) {
        rt_log_warn("healing-too-many-playbooks", "file=%s max=%d, leaving it out", name,
                    HEALING_PLAYBOOKS_MAX);
    } else if (br_remediation_parse(name, text, diag, &playbook) == RT_OK) {
        insert(book, playbook);
    } else {
        rt_log_warn("healing-playbook-unusable", "file=%s errors=%zu, leaving it out", name,
                    rt_diag_errors(diag));
    }
    rt_diag_free(diag);
}

void
healing_book_fini(healing_book *book)
{
    for (uint32_t i = 0; i < book->count; i++) {
        br_remediation_free(book->playbooks[i]);
    }
    memset(book, 0, sizeof(*book));
}

void
healing_book_refresh(healing_book *book, const br_agent *self)
{
    uint64_t version = br_agent_playbooks_version(self);

    if (book->is_read && book->version == version) {
        return;
    }
    healing_book_fini(book);
    for (size_t i = 0; i < br_agent_playbook_count(self); i++) {
        rt_str file = {NULL, 0};
        rt_str text = br_agent_playbook_text(self, i, &file);
        if (is_remediation(text)) {
            read_file(book, file, text);
        }
    }
    book->version = version;
    book->is_read = true;
}

static rt_value
field_of(const void *user, const char *name)
{
    return rt_event_field(user, name);
}

const br_remediation *
healing_book_for(const healing_book *book, rt_str anomaly, const rt_event *event)
{
    for (uint32_t i = 0; i < book->count; i++) {
        if (rt_str_equal(book->playbooks[i]->anomaly, anomaly) &&
            br_remediation_applies(book->playbooks[i], field_of, event)) {
            return book->playbooks[i];
        }
    }
    return NULL;
}

const br_remediation *
healing_book_find(const healing_book *book, rt_str id)
{
    for (uint32_t i = 0; i < book->count; i++) {
        if (rt_str_equal(book->playbooks[i]->id, id)) {
            return book->playbooks[i];
        }
    }
    return NULL;
}
