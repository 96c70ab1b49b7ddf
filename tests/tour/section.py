"""Runs the commands of a section of a README as they stand there, and looks at what they say.

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


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def script(readme, heading, named, place):
    """The shell blocks of the section, with `place` where the text names the directory `named`."""
    with open(os.path.join(SOURCE, readme), encoding='utf-8') as file:
        tour = file.read().partition(f'## {heading}')[2].partition('\n## ')[0]
    blocks = re.findall(r'^```sh\n(.*?)^```$', tour, re.M | re.S)
    # what is running already built it; the build under test need not be build/
    lines = [line for line in ''.join(blocks).split('\n') if not line.startswith('meson setup')]
    text = '\n'.join(lines).replace(named, place).replace('build/tools', BUILD + '/tools')
    text = text.replace('$PWD/' + BUILD, BUILD)
    doors = {'ingest': free_port(), 'pull': free_port(), 'publish': free_port()}
    text = text.replace('127.0.0.1:7701', f'127.0.0.1:{doors["ingest"]}')
    env = {f'CEREBRO_DOORS__{name.upper()}': f'tcp://127.0.0.1:{port}'
           for name, port in doors.items()}
    return 'set -eu\n' + text, env


def run(name, readme, heading, named, wanted):
    """Runs the section; `wanted` must be said in this order. Ends the program when it is not."""
    place = tempfile.mkdtemp(prefix=f'cerebro-{name}-')
    os.rmdir(place) # the section makes it
    output = tempfile.TemporaryFile('w+', encoding='utf-8')
    try:
        text, env = script(readme, heading, named, place)
        # in a session of its own, so that one that breaks off leaves no brain behind
        shell = subprocess.Popen(['bash', '-c', text], cwd=SOURCE, env={**os.environ, **env},
                                 stdout=output, stderr=subprocess.STDOUT,
                                 start_new_session=True)
        try:
            shell.wait(timeout=90) # a brain that is left behind would keep the pipe open
        except subprocess.TimeoutExpired:
            print(f'{name}: not done after 90 s')
        finally:
            try:
                os.killpg(shell.pid, 9)
            except ProcessLookupError:
                pass # all ended by themselves
        shell.wait()
        output.seek(0)
        said = output.read()
        print(said)
        at = 0
        for text in wanted:
            found = said.find(text, at)
            if found < 0:
                sys.exit(f'{name}: "{text}" was not said where it should be')
            at = found + len(text)
        if shell.returncode != 0:
            sys.exit(f'{name}: ended with {shell.returncode}')
        print(f'{name}: all that was promised was said')
    finally:
        output.close()
        shutil.rmtree(place, ignore_errors=True)
