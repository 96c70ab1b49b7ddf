#!/usr/bin/env python3
"""Runs the commands of README.md's "Ten minutes", as they stand there, and looks at what they say."""
import section

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

section.run('tour', 'README.md', 'Ten minutes', '/tmp/tour', WANTED)
