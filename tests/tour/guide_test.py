#!/usr/bin/env python3
"""The guide to playbooks: its tutorial runs as it stands there, its playbooks are fine and hold their
cases, and no key is left out."""
import json
import os
import re
import subprocess
import sys
import tempfile

import section

README = 'playbooks/README.md'
# what must be said, in this order
WANTED = [
    'published as record',
    'playbook.schema.json',
    'is fine',
    '2 passed, 0 failed',
    'FIRED THEN',
    'expensive-parcel',
    'go live (was v1)',
    'shadow   open_case  order/a4',
    'expensive-parcel',
    'order/a4  shadow',
    'data.status == "exception"                            true',
    'the same was done          1             0',
    'recommendation: wait: it was to act 1 times, 20 are wanted',
    'expensive-parcel is canary:50 (was shadow)',
    'expensive-parcel is live (was canary:50)',
    'order/a6  playbook:expensive-parcel',
    'removed',
    'go live (was v2)',
    'rollback to v1: too many cases',
    '0\n',
]


def keys_of(schema, found):
    """Every name of a property, wherever it stands in the schema."""
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == 'properties':
                found.update(value)
            keys_of(value, found)
    elif isinstance(schema, list):
        for value in schema:
            keys_of(value, found)


def check_keys():
    """Every key of the schema stands in the guide, as `key:`, `key` in a list, or in backquotes."""
    ctl = os.path.join(section.BUILD, 'tools/brainctl/brainctl')
    pack = os.path.join(section.SOURCE, 'config/packs/logistics')
    schema = subprocess.run([ctl, 'playbooks', 'schema', '--pack', pack], check=True,
                            stdout=subprocess.PIPE).stdout
    keys = set()
    keys_of(json.loads(schema)['definitions'], keys)
    with open(os.path.join(section.SOURCE, 'config/packs/logistics/actions.yaml'),
              encoding='utf-8') as file:
        arguments = set(re.findall(r'^      (\w+): \{', file.read(), re.M)) # of actions
    with open(os.path.join(section.SOURCE, README), encoding='utf-8') as file:
        guide = file.read()
    missing = [key for key in sorted(keys - arguments)
               if not re.search(rf'\b{key}:|`{key}\b|\b{key}`', guide)]
    if missing:
        sys.exit(f'guide: {README} does not mention {", ".join(missing)}')
    print(f'guide: all {len(keys - arguments)} keys are mentioned')


def check_examples():
    """Whatever is shown as a whole playbook is one, and its cases pass."""
    ctl = os.path.join(section.BUILD, 'tools/brainctl/brainctl')
    pack = os.path.join(section.SOURCE, 'config/packs/logistics')
    with open(os.path.join(section.SOURCE, README), encoding='utf-8') as file:
        examples = re.findall(r'^```yaml\n(kind: playbook\b.*?)^```$', file.read(), re.M | re.S)
    for example in examples:
        with tempfile.NamedTemporaryFile('w', suffix='.yaml', encoding='utf-8') as file:
            file.write(example)
            file.flush()
            for verb in 'check', 'test':
                done = subprocess.run([ctl, 'playbooks', verb, '--pack', pack, file.name],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                if done.returncode != 0:
                    sys.exit(f'guide: playbooks {verb} of {README}:\n{example}\n{done.stdout}')
    print(f'guide: {len(examples)} playbooks are fine')


check_keys()
check_examples()
section.run('guide', README, 'From the first rule to a rolled-out one', '/tmp/guide', WANTED)
