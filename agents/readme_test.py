#!/usr/bin/env python3
"""Compiles the example agent of agents/README.md with the house's warnings, so that it stays true."""
import re
import subprocess
import sys
import tempfile

root, build, *cc = sys.argv[1:]
text = open(f'{root}/agents/README.md', encoding='utf-8').read()
blocks = re.findall(r'```c\n(.*?)```', text, re.S)
if not blocks:
    sys.exit('agents/README.md holds no C example')
with tempfile.TemporaryDirectory() as folder:
    source = f'{folder}/finance.c'
    with open(source, 'w', encoding='utf-8') as f:
        f.write(blocks[0])
    command = [*cc, '-std=c17', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-Wshadow', '-Wconversion',
               f'-I{root}', f'-I{build}', '-c', source, '-o', f'{folder}/finance.o']
    sys.exit(subprocess.run(command).returncode)
