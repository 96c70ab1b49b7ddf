#!/usr/bin/env python3
"""What the documents name is there: links, paths of the tree, and tests."""
import os
import re

import house

LINK = re.compile(r'\]\((?!https?:|#)([^)#\s]+)[^)]*\)')
FENCE = re.compile(r'^```.*?^```$', re.M | re.S)
# a path that begins with one of the house's folders, or a script of tests and tools
PATH = re.compile(r'`((?:runtime|brain|agents|tools|tests|config|playbooks)/[\w./-]+)`')
TEST = re.compile(r'`(test_\w+)`')
EXAMPLE = 'agents/finance' # what agents/README.md tells how to make
TEST_DEFINED = re.compile(r'^(test_\w+)\(void \*\*', re.M)


def is_there(path, name):
    """From the root or from the document; a module is named without .h and .c."""
    for base in (house.ROOT, os.path.join(house.ROOT, os.path.dirname(path))):
        whole = os.path.normpath(os.path.join(base, name))
        if os.path.exists(whole) or os.path.exists(whole + '.c') or os.path.exists(whole + '.h'):
            return True
    return name.endswith('_msgs.h') # made by the build


def main():
    found = house.Findings('docs')
    tests = set()
    for path in house.files('_test.c'):
        tests.update(TEST_DEFINED.findall(house.read(path)))
    for path in house.files('.md'):
        whole = house.read(path)
        text = FENCE.sub(lambda m: '\n' * m.group().count('\n'), whole)
        for pattern, said in ((LINK, 'link to'), (PATH, 'path')):
            for match in pattern.finditer(text):
                name = match.group(1)
                if not is_there(path, name) and not name.startswith(EXAMPLE):
                    found.error(path, house.line_at(text, match.start()),
                                f'{said} {name}: is not there')
        for match in TEST.finditer(text):
            if match.group(1) not in tests:
                found.error(path, house.line_at(text, match.start()),
                            f'{match.group(1)}: there is no such test')
    found.end()


main()
