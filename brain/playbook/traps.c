// Design notes.
// Texts that a person and YAML read differently, although the file is well formed: what stands
// behind " #" is a comment. Only what is surely a slip is reported: a comment that begins right
// behind its #, or that goes on like a condition.
#include "brain/playbook/internal.h"

#define DEPTH_MAX (RT_YAML_DEPTH_MAX + 1)

// The comment behind a plain scalar, in its line; empty without one. The text of a file that was
// parsed ends in NUL.
static rt_str
comment_behind(const rt_node *node)
{
    const char *at = node->raw.ptr + node->raw.len;
    while (*at == ' ' || *at == '\t') {
        at++;
    }
    if (node->raw.len == 0 || *at != '#') {
        return RT_STR("");
    }
    return (rt_str){at + 1, strcspn(at + 1, "\r\n")};
}

static bool
goes_on(rt_str comment)
{
    bool at_once = comment.len > 0 && comment.ptr[0] != ' ' && comment.ptr[0] != '#' &&
                   comment.ptr[0] != '-' && comment.ptr[0] != '=';
    return at_once || memmem(comment.ptr, comment.len, "&&", 2) != NULL ||
           memmem(comment.ptr, comment.len, "||", 2) != NULL;
}

static void
check_scalar(const rt_node *node, rt_diag *diag)
{
    rt_str comment = comment_behind(node);
    if (comment.len > 0 && goes_on(comment)) {
        rt_diag_add(diag, RT_SEVERITY_WARNING, "B2064", node->mark,
                    "put the whole text in quotes, or a space behind the #",
                    "'#%.*s' is a comment, no part of the value",
                    RT_MIN((int)comment.len, 40), comment.ptr);
    }
}

void
br__check_traps(const rt_node *root, rt_diag *diag)
{
    const rt_node *stack[DEPTH_MAX];
    size_t depth = 0;
    const rt_node *node = root;
    while (node != NULL) {
        if (node->kind == RT_NODE_SCALAR && node->style == RT_SCALAR_PLAIN) {
            check_scalar(node, diag);
        }
        if (node->child != NULL) {
            stack[depth++] = node; // the reader bounds the depth
            node = node->child;
            continue;
        }
        while (node != NULL && node->next == NULL) {
            node = depth > 0 ? stack[--depth] : NULL;
        }
        node = node != NULL ? node->next : NULL;
    }
}
