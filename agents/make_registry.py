#!/usr/bin/env python3
"""Writes registry.c: the list of agents in start order, from the names in agents/meson.build."""
import sys

out, names = sys.argv[1], sys.argv[2:]
with open(out, 'w', encoding='utf-8') as f:
    f.write('// Made by agents/make_registry.py from agents/meson.build.\n')
    f.write('#include "agents/registry.h"\n\n')
    for name in names:
        f.write(f'extern const br_agent_def {name}_agent;\n')
    f.write('\nconst br_agent_def *const agents_registry[] = {\n')
    for name in names:
        f.write(f'    &{name}_agent,\n')
    f.write('};\n')
    f.write(f'const size_t agents_registry_count = {len(names)};\n')
