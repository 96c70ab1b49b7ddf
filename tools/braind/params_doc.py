#!/usr/bin/env python3
"""Writes the parameter tables of config/README.md from params.def and the agents' own tables.

usage: params_doc.py            writes them
       params_doc.py --check    1 when they are not current
"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
README = os.path.join(ROOT, 'config', 'README.md')
BEGIN = '<!-- Made by tools/braind/params_doc.py from here on; do not edit. -->'
STRING = r'"((?:[^"\\]|\\.)*)"'
BOUND = r'\s*([^,"]+?)\s*'
ROW = (rf'{STRING}\s*,\s*(?:RT_PARAM_)?(\w+)\s*,\s*{STRING}\s*,{BOUND},{BOUND},\s*{STRING}\s*,'
       rf'\s*((?:{STRING}\s*)+)')
DAEMON_ROW = re.compile(rf'^P\({ROW}\)', re.M)
AGENT_ROW = re.compile(rf'\{{{ROW}\}}')
DEFINE = re.compile(r'#define\s+(\w+)\s+\(?([-\d.eE+]+)[uUlL]*\)?\s*(?://.*)?$', re.M)
STEPS = {'DURATION_MS': ((86400000, 'd'), (3600000, 'h'), (60000, 'm'), (1000, 's'), (1, 'ms')),
         'SIZE_BYTES': ((1 << 30, 'GiB'), (1 << 20, 'MiB'), (1 << 10, 'KiB'), (1, 'B'))}
TYPES = {'STR': 'text', 'BOOL': 'bool', 'I64': 'whole number', 'F64': 'number',
         'DURATION_MS': 'duration', 'SIZE_BYTES': 'size'}


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def number_of(text, defines):
    text = defines.get(text, text)
    try:
        return float(re.sub(r'(?<=[\d.])[uUlL]+$', '', text))
    except ValueError:
        sys.exit(f'params_doc: the bound {text} is no number')


def bound_text(value, kind):
    if kind in STEPS:
        exact = [(s, u) for s, u in STEPS[kind] if value >= s and value % s == 0]
        step, unit = exact[0] if exact else STEPS[kind][-1]
        if value / step > 99999: # nothing round: the largest unit
            step, unit = STEPS[kind][0]
        return f'{value / step:.4g}{unit}' if value else '0'
    return f'{value:.0f}' if value == int(value) else f'{value:g}'


def range_text(kind, low, high):
    if kind == 'BOOL':
        return ''
    if kind == 'STR':
        return f'{high:.0f} bytes' if high else ''
    return f'{bound_text(low, kind)} .. {bound_text(high, kind)}'


def table(rows, defines):
    lines = ['| parameter | default | unit | type | range | what it is |',
             '|---|---|---|---|---|---|']
    for match in rows:
        name, kind, fallback, low, high, unit, sentence = match.groups()[:7]
        limits = range_text(kind, number_of(low, defines), number_of(high, defines))
        # durations and sizes carry their unit in the value
        unit = '' if kind in STEPS else unit
        text = ''.join(re.findall(STRING, sentence)).replace('|', '\\|')
        shown = f'`{fallback}`' if fallback else 'empty'
        lines.append(f'| `{name}` | {shown} | {unit} | {TYPES[kind]} | {limits} | {text} |')
    return lines


def agent_tables():
    lines = []
    for folder in sorted(glob.glob(os.path.join(ROOT, 'agents', '*', ''))):
        defines, rows = {}, []
        sources = sorted(glob.glob(folder + '*.[ch]'))
        for path in sources:
            defines.update(DEFINE.findall(read(path)))
        for path in sources:
            if not path.endswith('_test.c'):
                rows += AGENT_ROW.finditer(read(path))
        if rows:
            lines += ['', f'### {os.path.basename(folder[:-1])}', ''] + table(rows, defines)
    return lines


def make():
    source = read(os.path.join(ROOT, 'tools', 'braind', 'params.def'))
    rows = list(DAEMON_ROW.finditer(source))
    if len(rows) != len(re.findall(r'^P\(', source, re.M)):
        sys.exit('params_doc: params.def has rows that cannot be read')
    lines = [BEGIN, '', '## The daemon: `brain.yaml`', ''] + table(rows, {})
    lines += ['', '## The agents: `agents.yaml`'] + agent_tables()
    return '\n'.join(lines) + '\n'


def main():
    hand = read(README).partition(BEGIN)[0]
    whole = hand + make()
    if sys.argv[1:] == ['--check']:
        if read(README) != whole:
            sys.exit('config/README.md is not current: run tools/braind/params_doc.py')
        return
    with open(README, 'w', encoding='utf-8') as file:
        file.write(whole)


main()
