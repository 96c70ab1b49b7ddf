#!/usr/bin/env python3
"""Runs the commands of README.md's "Ten minutes", as they stand there, and looks at what they say.

Only the ports, the directory and the build are others, so that a brain on the usual ones is left alone.
"""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

SOURCE = os.environ['CEREBRO_SOURCE']
BUILD = os.environ['CEREBRO_BUILD']
# what must be said, in this order
WANTED = [
    'healthy',
    '"results":[["ok",',
    '"results":[["duplicate",',
    "did you mean 'status'?",
    '→ pause_carrier carrier/mensajero',
    'pause_carrier executed',
    'throttled',
    "unknown field 'data.statsu'",
    'playbooks are fine',
    'go live',
    'halted, record',
    'halted by an operator',
    'resumed, record',
    ' 0 came out otherwise',
    ': equal',
    'carrier-outage',
]


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def script(place):
    with open(os.path.join(SOURCE, 'README.md'), encoding='utf-8') as file:
        tour = file.read().partition('## Ten minutes')[2].partition('\n## ')[0]
    blocks = re.findall(r'^```sh\n(.*?)^```$', tour, re.M | re.S)
    # what is running already built it; the build under test need not be build/
    lines = [line for line in ''.join(blocks).split('\n') if not line.startswith('meson setup')]
    text = '\n'.join(lines).replace('/tmp/tour', place).replace('build/tools', BUILD + '/tools')
    text = text.replace('$PWD/' + BUILD, BUILD)
    doors = {'ingest': free_port(), 'pull': free_port(), 'publish': free_port()}
    text = text.replace('127.0.0.1:7701', f'127.0.0.1:{doors["ingest"]}')
    env = {f'CEREBRO_DOORS__{name.upper()}': f'tcp://127.0.0.1:{port}'
           for name, port in doors.items()}
    return 'set -eu\n' + text, env


def main():
    place = tempfile.mkdtemp(prefix='cerebro-tour-')
    os.rmdir(place) # the tour makes it
    try:
        text, env = script(place)
        # in a session of its own, so that a tour that breaks off leaves no brain behind
        run = subprocess.Popen(['bash', '-c', text], cwd=SOURCE, env={**os.environ, **env},
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               start_new_session=True)
        try:
            said, _ = run.communicate(timeout=90)
        finally:
            try:
                os.killpg(run.pid, 9)
            except ProcessLookupError:
                pass # all ended by themselves
        print(said)
        at = 0
        for wanted in WANTED:
            found = said.find(wanted, at)
            if found < 0:
                sys.exit(f'tour: "{wanted}" was not said where it should be')
            at = found + len(wanted)
        if run.returncode != 0:
            sys.exit(f'tour: ended with {run.returncode}')
        print('tour: all that was promised was said')
    finally:
        shutil.rmtree(place, ignore_errors=True)


main()
