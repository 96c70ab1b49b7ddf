"""What the checks share: the files of the tree, C text without comments, and how findings are told."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def files(*endings):
    """Paths below the root, sorted; builds, hidden folders and what npm fetched are left out."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if not f.startswith(('.', 'build')) and
                            f not in ('__pycache__', 'cerebro-data', 'node_modules'))
        found += [os.path.relpath(os.path.join(folder, name), ROOT)
                  for name in sorted(names) if name.endswith(endings)]
    return found


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as file:
        return file.read()


def code_of(text):
    """The text with comments and literals blanked out; every line keeps its number."""
    return NOT_CODE.sub(lambda m: re.sub(r'[^\n]', ' ', m.group()), text)


def is_test(path):
    """Tests, their fixtures and everything in tests/ may include what they like."""
    return path.startswith('tests/') or path.endswith(('_test.c', '_fixture.h'))


def line_at(text, offset):
    return text.count('\n', 0, offset) + 1


class Findings:
    """Collects findings; `end` prints them and leaves with 1 when there was one."""

    def __init__(self, name):
        self.name = name
        self.errors = []
        self.advice = []

    def error(self, path, line, text):
        self.errors.append(f'{path}:{line}: {text}')

    def look_again(self, path, line, text):
        self.advice.append(f'{path}:{line}: {text}')

    def end(self):
        if self.advice:
            print(f'{self.name}: worth a second look, not an error:')
            for text in self.advice:
                print(f'  {text}')
        for text in self.errors:
            print(text)
        print(f'{self.name}: {len(self.errors)} errors')
        sys.exit(1 if self.errors else 0)
