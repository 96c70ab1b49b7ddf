#!/usr/bin/env python3
"""The core touches the world through seams only: what its objects call, read from the libraries.

usage: check_seams.py REAL_LIB SIM_LIB CORE_LIB...

A symbol that an object of the core leaves undefined must be defined in the core, stand in libc.txt,
or be a seam: defined by both runtime/real and runtime/sim. Every function that runtime/seam declares
must have both implementations, or one in the core.
"""
import os
import re
import subprocess
import sys

import house

PROTOTYPE = re.compile(r'^(?!static|typedef|#)[A-Za-z_][\w \t*]*?[ \n*](rt_\w+)\s*\([^;{}]*\)'
                       r'[^;{}=]*;', re.M)


def symbols(library):
    """(defined names, [(object, undefined name)]) of a static library."""
    listing = subprocess.run(['nm', '-A', library], capture_output=True, text=True, check=True)
    defined, undefined = set(), []
    for line in listing.stdout.split('\n'):
        place, _, rest = line.rpartition(':')
        fields = rest.split()
        if len(fields) == 2 and fields[0] in 'Uw':
            object_name = re.sub(r'\.c\.o$', '', os.path.basename(place.replace(':', '/')))
            undefined.append((object_name, fields[1]))
        elif len(fields) == 3 and fields[1].isupper():
            defined.add(fields[2])
    return defined, undefined


def read_allowed():
    everywhere, by_object = set(), {}
    for line in house.read('tests/tidy/libc.txt').split('\n'):
        line = line.split('#')[0].strip()
        if ':' in line:
            name, _, names = line.partition(':')
            by_object.setdefault(name, set()).update(names.split())
        else:
            everywhere.update(line.split())
    return everywhere, by_object


def source_of(object_name):
    """Where the object comes from, as well as its name tells: folder_file."""
    folder, _, name = object_name.partition('_')
    for top in ('runtime', 'brain', 'agents'):
        path = f'{top}/{folder}/{name}.c'
        if os.path.exists(os.path.join(house.ROOT, path)):
            return path
    return object_name


def check_core(libraries, seams, found):
    everywhere, by_object = read_allowed()
    core = [symbols(library) for library in libraries]
    defined = set().union(*(names for names, _ in core))
    for _, undefined in core:
        for object_name, name in undefined:
            if not (name in defined or name in seams or name in everywhere or
                    name.startswith(('__asan', '__ubsan', '__sanitizer')) or
                    name in by_object.get(object_name, ())):
                found.error(source_of(object_name), 1,
                            f'calls {name}, which is neither ours, nor a seam, nor in libc.txt')
    return defined


def check_both_sides(core, real, sim, found):
    for path in house.files('.h'):
        if not path.startswith('runtime/seam/'):
            continue
        text = house.read(path)
        for match in PROTOTYPE.finditer(house.code_of(text)):
            name = match.group(1)
            for side, names in (('real', real), ('sim', sim)):
                if name not in names and name not in core:
                    found.error(path, house.line_at(text, match.start()),
                                f'{name} is not implemented in runtime/{side}')


def main():
    real_library, sim_library, *core_libraries = sys.argv[1:]
    found = house.Findings('seams')
    real, _ = symbols(real_library)
    sim, _ = symbols(sim_library)
    core = check_core(core_libraries, real & sim, found)
    check_both_sides(core, real, sim, found)
    found.end()


main()
