#!/usr/bin/env python3
"""Layers point down, a library has one door, a function one home: layers.txt against the tree."""
import fnmatch
import os
import re

import house

DOMAIN = {'guide', 'carrier', 'customer', 'delivery', 'shipment', 'cop', 'order'}
# "order" is also how things are sorted; as a word of a longer name it means somebody's purchase
SORTING = re.compile(r'^(order|in_order|memory_order\w*)$')


class Rules:
    def __init__(self, text):
        self.groups, self.floors = {}, {}
        self.libraries, self.homes, self.banned = [], {}, {}
        for number, line in enumerate(text.split('\n'), 1):
            line = line.split('#')[0].strip()
            if line:
                self.add(number, line)

    def add(self, number, line):
        kind, _, rest = line.partition(' ')
        if rest.startswith('= '):
            self.groups[kind] = self.expand(rest[2:].split())
            return
        left, _, right = rest.partition(':')
        if kind == 'floor':
            self.floors[left] = (set(self.expand(right.split())), number)
        elif kind == 'library':
            self.libraries.append((left, right.split()))
        elif kind == 'home':
            self.homes.update({name: right.split() for name in left.split()})
        elif kind == 'banned':
            self.banned.update({name: right.strip() for name in left.split()})
        else:
            raise SystemExit(f'layers.txt:{number}: what is {kind}?')

    def expand(self, names):
        return [folder for name in names for folder in self.groups.get(name, [name])]

    def floor_of(self, path):
        """The name in layers.txt that the file belongs to, or None."""
        if path.endswith('_msgs.h'):
            return 'messages'
        folder = os.path.dirname(path)
        if folder in self.floors:
            return folder
        return next((f for f in self.floors if '*' in f and fnmatch.fnmatch(folder, f)), None)


def is_free(rules, path):
    """Whether a file may include what it likes: tests, but for a folder of tests/ with a floor."""
    bound = path.startswith('tests/') and rules.floor_of(path) is not None
    return house.is_test(path) and (not bound or path.endswith('_test.c'))


def within(path, places):
    return any(path == place or path.startswith(place + '/') for place in places)


def check_rules(rules, found):
    """Folders named must exist, and following the arrows must never come back."""
    for floor, (below, number) in rules.floors.items():
        if floor != 'messages' and '*' not in floor and \
                not os.path.isdir(os.path.join(house.ROOT, floor)):
            found.error('tests/tidy/layers.txt', number, f'there is no folder {floor}')
        for name in below - rules.floors.keys():
            found.error('tests/tidy/layers.txt', number, f'{name} has no floor of its own')
    done, path = set(), []

    def visit(floor):
        if floor in path:
            cycle = ' -> '.join(path[path.index(floor):] + [floor])
            found.error('tests/tidy/layers.txt', rules.floors[floor][1], f'cycle: {cycle}')
            return
        if floor in done or floor not in rules.floors:
            return
        path.append(floor)
        for below in sorted(rules.floors[floor][0]):
            visit(below)
        path.pop()
        done.add(floor)

    for floor in rules.floors:
        visit(floor)


def check_own(rules, path, line, target, found):
    """An include of a header of ours."""
    folder, target_folder = os.path.dirname(path), os.path.dirname(target)
    if folder == target_folder and not is_free(rules, path) and folder.startswith('tests/'):
        return
    if target.startswith('tests/') or house.is_test(target):
        if not is_free(rules, path):
            found.error(path, line, f'includes {target}: only tests include tests')
        return
    private = target.endswith('internal.h')
    if private and folder != target_folder and not is_free(rules, path):
        found.error(path, line, f'includes {target}: internal to {target_folder}')
    if is_free(rules, path) or (folder == target_folder and folder):
        return
    floor, target_floor = rules.floor_of(path), rules.floor_of(target)
    if floor is None:
        return # said once for the file
    if '*' in (target_floor or '') and target_floor not in rules.floors[floor][0]:
        found.error(path, line, f'includes {target}: {floor} may not, and {target_folder} is '
                                'nobody\'s floor')
    elif target_floor not in rules.floors[floor][0]:
        found.error(path, line, f'includes {target}: {floor} stands not above {target_floor}')


def check_foreign(rules, path, line, target, found):
    """An include of a library's header."""
    for header, doors in rules.libraries:
        if not (target == header or (header.endswith('/') and target.startswith(header)) or
                (header == 'msgpack' and target.startswith('msgpack'))):
            continue
        if path.endswith('.h') and not is_free(rules, path):
            found.error(path, line, f'a header must not include <{target}>')
        elif not within(path, doors) and not (header == 'cmocka.h' and is_free(rules, path)):
            found.error(path, line, f'<{target}> belongs to {", ".join(doors)} alone')


def check_calls(rules, path, text, code, found):
    for match in re.finditer(r'(?<![\w.>])([a-z]\w*)\s*\(', code):
        name = match.group(1)
        if name in rules.banned:
            found.error(path, house.line_at(text, match.start()),
                        f'{name} is banned: {rules.banned[name]}')
        elif name in rules.homes and not is_free(rules, path) and \
                not within(path, rules.homes[name]):
            found.error(path, house.line_at(text, match.start()),
                        f'{name} is called in {", ".join(rules.homes[name])} only')


def check_domain_words(path, text, code, found):
    for match in re.finditer(r'[A-Za-z_]\w*', code):
        name = match.group()
        words = DOMAIN.intersection(name.lower().split('_'))
        if words and not SORTING.match(name):
            found.error(path, house.line_at(text, match.start()),
                        f'{name}: runtime/ does not know the word "{words.pop()}"')


def main():
    found = house.Findings('layers')
    rules = Rules(house.read('tests/tidy/layers.txt'))
    check_rules(rules, found)
    for path in house.files('.c', '.h'):
        text = house.read(path)
        code = house.code_of(text)
        if not house.is_test(path) and rules.floor_of(path) is None:
            found.error(path, 1, f'{os.path.dirname(path)} has no floor in tests/tidy/layers.txt')
        for match in house.INCLUDE.finditer(text):
            own, foreign = match.groups()
            line = house.line_at(text, match.start(1 if own else 2))
            if own and '/' not in own:
                found.error(path, line, f'"{own}": includes are root-relative')
            elif own:
                check_own(rules, path, line, own, found)
            else:
                check_foreign(rules, path, line, foreign, found)
        check_calls(rules, path, text, code, found)
        if path.startswith('runtime/') and not house.is_test(path):
            check_domain_words(path, text, code, found)
    found.end()


main()
