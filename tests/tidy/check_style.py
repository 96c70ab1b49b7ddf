#!/usr/bin/env python3
"""Sizes, line lengths, and a comment for every promise in a header.

Errors: a line over 100 columns, TODO and its kin, a tab, white space at a line's end, a prototype in
a header of runtime/ or brain/ whose comment does not name it. Long files and functions, and
exemptions that nothing needs, are listed, not refused: sometimes the long form reads better.
"""
import fnmatch
import re

import house

COLUMNS = 100
FUNCTION_LINES = 70
FILE_LINES = {'_test.c': 800, '.c': 700, '.h': 300}
EXEMPT = '// tidy: table'
MARKS = re.compile(r'\b(TODO|FIXME|XXX|HACK)\b')
# a definition: return type on the line before, the name at the line's start, "{" at the next start
DEFINITION = re.compile(r'^([a-z_]\w*)\([^;{}]*\)\n\{\n', re.M)
PROTOTYPE = re.compile(r'^(?!static|typedef|#|struct \w+ \{)[A-Za-z_][\w \t\n*]*?[ \n*]'
                       r'([a-z_]\w*)\s*\((?!\*)[^;{}]*\)[^;{}=]*;', re.M)


def file_limit(path):
    return next(limit for ending, limit in FILE_LINES.items() if path.endswith(ending))


def check_lines(path, text, lines, exempt, found):
    wide = 0
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            wide += 1
            if not exempt:
                found.error(path, number, f'{len(line)} columns, {COLUMNS} are enough')
        if line.endswith((' ', '\t')):
            found.error(path, number, 'white space at the end')
        if '\t' in line:
            found.error(path, number, 'a tab; four spaces')
    for mark in MARKS.finditer(text):
        if 'XXXXXX' not in text[mark.start():mark.end() + 5]:
            found.error(path, house.line_at(text, mark.start()),
                        f'{mark.group()}: finish it, or say in a sentence what is not covered')
    return wide


def check_sizes(path, text, lines, found):
    """Returns how many sizes are past their limit."""
    past = 0
    if len(lines) > file_limit(path):
        past += 1
        found.look_again(path, 1, f'{len(lines)} lines, over {file_limit(path)}')
    for match in DEFINITION.finditer(text):
        end = text.find('\n}\n', match.end() - 1)
        size = text.count('\n', match.start(), end) + 1
        if size > FUNCTION_LINES:
            past += 1
            found.look_again(path, house.line_at(text, match.start()),
                             f'{match.group(1)} has {size} lines, over {FUNCTION_LINES}')
    return past


def comment_above(lines, number):
    """The comments between line `number` (from 1) and the empty line above it."""
    said = []
    at = number - 2
    while at >= 0 and lines[at].strip():
        if lines[at].lstrip().startswith('//'):
            said.append(lines[at])
        at -= 1
    return '\n'.join(said)


def names(comment, name):
    """Whether the comment holds the name, or a pattern for it such as rt_mpw_*."""
    return any(fnmatch.fnmatchcase(name, word) for word in re.findall(r'[\w*]+', comment)
               if word == name or len(word.strip('*')) > 3)


def check_promises(path, text, lines, found):
    # bodies of inline functions and struct members are no prototypes
    code = house.code_of(text)
    depth, flat = 0, []
    for char in code:
        depth -= char == '}'
        flat.append(char if depth == 0 or char == '\n' else ' ')
        depth += char == '{'
    family_ends = 0
    for match in PROTOTYPE.finditer(''.join(flat)):
        name = match.group(1)
        line = house.line_at(text, match.start())
        last = house.line_at(text, match.end() - 1)
        named = names(comment_above(lines, line), name)
        # prototypes that follow one another without a gap may share the first one's comment
        if not named and line != family_ends + 1:
            found.error(path, line, f'{name} wants a comment that begins with its name')
        elif named or family_ends:
            family_ends = last


def main():
    found = house.Findings('style')
    for path in house.files('.c', '.h', '.def'):
        text = house.read(path)
        lines = text.split('\n')
        if lines[-1] == '':
            lines.pop()
        exempt = EXEMPT in lines[:12]
        told = len(found.advice)
        past = check_lines(path, text, lines, exempt, found)
        if not path.endswith('.def'):
            past += check_sizes(path, text, lines, found)
        if exempt:
            del found.advice[told:]
            if past == 0 and not path.endswith('.def'):
                found.look_again(path, 1, f'"{EXEMPT}" is not needed')
        if path.startswith(('runtime/', 'brain/')) and path.endswith('.h') and \
                not house.is_test(path):
            check_promises(path, text, lines, found)
    found.end()


main()
