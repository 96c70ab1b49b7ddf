#!/usr/bin/env python3
"""Every header compiles alone, so it includes what it needs, and its guard is its path.

usage: check_headers.py CC BUILD_DIR
"""
import concurrent.futures
import os
import re
import subprocess
import sys

import house

FLAGS = ['-std=c17', '-D_GNU_SOURCE', '-DCEREBRO_VERSION=""', '-fsyntax-only', '-w', '-x', 'c']
# several headers in one go would hide what the first brings to the second; one compiler run each
JOBS = os.cpu_count() or 1


def compile_alone(compiler, build, path):
    run = subprocess.run([compiler, *FLAGS, '-I', house.ROOT, '-I', build, '-'],
                         input=f'#include "{path}"\n', capture_output=True, text=True,
                         check=False)
    return path, run.returncode, run.stderr


def check_guard(path, found):
    guard = 'CEREBRO_' + re.sub(r'[^A-Za-z0-9]', '_', path).upper()
    text = house.read(path)
    if not re.search(rf'^#ifndef {guard}\n#define {guard}$', text, re.M):
        found.error(path, 1, f'the guard is {guard}')


def main():
    compiler, build = sys.argv[1:]
    found = house.Findings('headers')
    headers = house.files('.h')
    for path in headers:
        check_guard(path, found)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for path, code, said in pool.map(lambda p: compile_alone(compiler, build, p), headers):
            if code != 0:
                found.error(path, 1, 'does not compile alone\n' + said.rstrip())
    found.end()


main()
