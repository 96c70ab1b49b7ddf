"""Failing calls: the n-th call of a kind on the data directory of a real braind fails, for every n.

Sane is: nothing acknowledged that is not durable, and an end that is named: the daemon goes on, or exits with
a documented code and says why; it never crashes, never hangs, and what it left opens again. How a call fails,
and what a life is: tests/faults/README.md.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import proof  # noqa: E402
import scenario  # noqa: E402

SUMMARY = "failing system calls: every n of a short life, once and for good"
OPTIONS = {"cycles": 600, "only": ""}

# What each kind of call may fail with.
HOW = {
    "open": ("EIO", "EMFILE", "ENOSPC", "EINTR"),
    "read": ("EIO", "EINTR", "short"),
    "write": ("EIO", "ENOSPC", "EINTR", "short"),
    "sync": ("EIO", "ENOSPC", "EINTR"),
    "size": ("EIO", "ENOSPC", "EINTR"),
    "map": ("ENOMEM", "EIO"),
    "rename": ("EIO", "ENOSPC"),
    "unlink": ("EIO", "EACCES"),
    "mkdir": ("EIO", "ENOSPC"),
    "close": ("EIO", "EINTR"),
}
LIVES = {"short": 25, "long": 450}  # events in each of its four batches; a long one needs a second segment
COUNTING_LIVES = 3
BEYOND = 1.1  # lives differ a little in how many calls they make: so much further it is tried


def count(p, lives):
    """How many calls of each kind a life without faults makes: the most of a few lives."""
    most = {}
    for _ in range(COUNTING_LIVES):
        outcome = lives.run(None)
        if outcome.wrong or outcome.ending != "went on":
            raise proof.Failure("a life without faults: %s %s\n%s" % (
                outcome.ending, outcome.wrong, proof.tail(outcome.log)))
        if outcome.acknowledged < scenario.BATCHES * lives.batch:
            raise proof.Failure("a life without faults acknowledged %d events only" % outcome.acknowledged)
        for kind, number in outcome.counts.items():
            most[kind] = max(most.get(kind, 0), number)
    return most


def all_faults(calls):
    """Every fault there is: each kind, each n, each error, once and for good."""
    faults = []
    for kind, errors in HOW.items():
        for nth in range(1, int(calls[kind] * BEYOND) + 1 if calls[kind] else 0):
            for how in errors:
                for forever in (False, True):
                    if not (forever and how in ("EINTR", "short")):  # these are tried again for ever
                        faults.append(scenario.Fault(kind, nth, how, forever))
    return faults


def spread(faults, limit):
    """So many of them: as many of each kind, evenly spread; 0 = all."""
    if limit == 0 or limit >= len(faults):
        return faults
    groups = {}
    for fault in faults:
        groups.setdefault(fault.kind, []).append(fault)
    chosen = []
    left = limit
    for index, group in enumerate(sorted(groups.values(), key=len)):
        share = min(len(group), left // (len(groups) - index))
        chosen += [group[i * len(group) // share] for i in range(share)] if share else []
        left -= share
    return chosen


def choose(p, calls, name, share):
    """What to try in a life: one fault that was named, or a share of all."""
    if ":" in p.options.only:
        life, fault = p.options.only.split("/")
        return [scenario.Fault.parse(fault)] if life == name else []
    faults = [fault for fault in all_faults(calls) if p.options.only in "%s/%s" % (name, fault.kind)]
    p.figure("faults there are in a %s life" % name, len(faults))
    return spread(faults, share)


def try_all(p, name, lives, sums):
    """One kind of life."""
    calls = count(p, lives)
    for kind in HOW:
        p.figure("calls of a %s life: %s" % (name, kind), calls[kind])
    share = -(-p.options.cycles // len(LIVES))
    faults = choose(p, calls, name, share)
    for fault, outcome in p.each(lives.run, faults):
        sums["done"] += 1
        sums["hits"] += outcome.hit
        ending = outcome.ending if outcome.hit else "the call was not made"
        if ending == "went on" and fault.kind != "close" and fault.how not in ("EINTR", "short"):
            ending = "went on without a word"
        sums["endings"][ending] = sums["endings"].get(ending, 0) + 1
        if outcome.wrong:
            p.failed("%s/%s on %s: %s" % (name, fault, outcome.file, "; ".join(outcome.wrong)), proof.tail(outcome.log, 6),
                     "tools/prove io --only %s/%s" % (name, fault))
        else:
            p.passed()
        p.progress(sums["done"], p.options.cycles or sums["done"], "%s/%s" % (name, fault))


def prove(p):
    """Counts, then lets fail what was counted."""
    build = scenario.GIVEN_BUILD or p.build(targets=scenario.TARGETS)
    sums = {"done": 0, "hits": 0, "endings": {}}
    for name, batch in LIVES.items():
        lives = scenario.Scenario(p, build, batch)
        try:
            try_all(p, name, lives, sums)
        finally:
            lives.close()
    p.figure("faults that came about", sums["hits"])
    for ending, number in sorted(sums["endings"].items()):
        p.figure("it ended: %s" % ending, number)
