"""Every code of a finding stands in brain/playbook/codes.def, in order and once, and is used somewhere.

A code is what machines and people go by; `brainctl errors explain` must know each.
"""

import os
import re
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
TABLE = "brain/playbook/codes.def"
USED = re.compile(r'"(B[0-9]{4})"')
ROW = re.compile(r'^CODE\("(B[0-9]{4})", "([^"]+)", "(.+)"\)$')


def used_codes(root):
    """Codes in the sources, tests left out, each with one file that uses it."""
    found = {}
    for layer in "runtime", "brain", "agents", "tools":
        for folder, _, names in os.walk(os.path.join(root, layer)):
            for name in names:
                if name.endswith((".c", ".h")) and not name.endswith("_test.c"):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as f:
                        for code in USED.findall(f.read()):
                            found.setdefault(code, os.path.relpath(path, root))
    return found


def check(root):
    """What is wrong, one line each."""
    wrong = []
    table = []
    with open(os.path.join(root, TABLE), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            row = ROW.match(line.rstrip("\n"))
            if row:
                table.append(row.group(1))
            elif line.startswith("CODE"):
                wrong.append("%s:%d: a row is CODE(code, title, explanation)" % (TABLE, number))
    if table != sorted(set(table)):
        wrong.append("%s: codes are not in order, each once" % TABLE)
    used = used_codes(root)
    wrong += ["%s: %s is not in %s" % (used[c], c, TABLE) for c in sorted(set(used) - set(table))]
    wrong += ["%s: nobody uses %s" % (TABLE, c) for c in sorted(set(table) - set(used))]
    return wrong


if __name__ == "__main__":
    problems = check(sys.argv[1] if len(sys.argv) > 1 else ROOT)
    print("\n".join(problems + ["codes: %d errors" % len(problems)]))
    sys.exit(1 if problems else 0)
