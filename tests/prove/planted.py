"""Classic mistakes, planted in the real code (runtime/base/planted.def), are found by the simulator.

tests/sim/sim-planted is the simulator with every mistake in it, one of which --plant switches on. Seed
after seed is lived with it until one does not hold; a mistake that survives --seeds of them has failed
the proof. With none switched on the same program must hold all of these seeds: no false alarm.
"""

import os
import re
import subprocess

import proof

SUMMARY = "mistakes planted in the real code are found by the simulator"
OPTIONS = {"seeds": 500, "seed_start": 1, "sound": 500, "only": "", "build": "build"}

proof.HELP["sound"] = "how many seeds must hold with no mistake switched on"
CHUNK = 10
SEED_S = 30  # a life that a mistake sends astray may be long before it is seen


def listed(program):
    """The mistakes that a program can make: {name: what it is}."""
    text = subprocess.run([program, "--plants"], capture_output=True, text=True, check=True).stdout
    return dict(line.split("\t") for line in text.splitlines())


def live(program, plant, first, count):
    """Lives some seeds, none after the first that does not hold: (its number, what was said) or None."""
    command = [program, "--plant", plant, "--seed", str(first), "--seeds", str(count), "--first"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors="replace", cwd=proof.SOURCE)
    try:
        output, _ = child.communicate(timeout=60 + SEED_S * count)
    except subprocess.TimeoutExpired:
        child.terminate()  # it says at which seed it is
        output, _ = child.communicate()
    if child.returncode == 0:
        return None
    held = re.search(r"^FAILED seed (\d+) at \d+ virtual ms: (.*)", output, re.M)
    died = re.search(r"seed (\d+) died of signal (\d+)", output)
    if held:
        return int(held.group(1)), held.group(2)
    if died:
        why = re.search(r"assertion failed: .*", output)
        return int(died.group(1)), why.group(0) if why else "signal " + died.group(2)
    raise proof.Failure("%s: exit %d\n%s" % (" ".join(command), child.returncode, proof.tail(output)))


def search(p, program, plant):
    """The first seed that shows the mistake, and how; None when none does."""
    first = p.options.seed_start
    end = first + p.options.seeds
    while first < end and not p.out_of_time:
        found = live(program, plant, first, min(CHUNK, end - first))
        if found:
            return found
        first += CHUNK
    return None


def sound(p, program):
    """Without a mistake every seed holds."""
    firsts = range(p.options.seed_start, p.options.seed_start + p.options.sound, CHUNK)
    held = 0
    for first, found in p.each(lambda first: live(program, "none", first, CHUNK), firsts):
        held += 0 if found else CHUNK
        p.progress(held, p.options.sound, "no mistake")
        if found:
            p.failed("a false alarm", "seed %d: %s" % found,
                     "%s --seed %d" % (os.path.relpath(program), found[0]))
    if held > 0:
        p.passed()
    p.figure("seeds that held with no mistake", held)


def prove(p):
    """Looks for each mistake, then for false alarms."""
    build = p.build(p.options.build, targets=["tests/sim/sim-planted"])
    program = os.path.join(build, "tests", "sim", "sim-planted")
    plants = {name: text for name, text in listed(program).items() if name != "none"}
    wanted = [name for name in plants if re.search(p.options.only, name)]
    later = 0
    for number, (name, found) in enumerate(p.each(lambda name: search(p, program, name), wanted)):
        p.progress(number + 1, len(wanted), name)
        command = "%s --plant %s" % (os.path.relpath(program), name)
        if found is None:
            p.failed("%s: %s: not found in %d seeds" % (name, plants[name], p.options.seeds), "",
                     command + " --seed %d --seeds %d" % (p.options.seed_start, p.options.seeds))
            continue
        p.passed()
        later += found[0] - p.options.seed_start
        p.figure(name, "seed %d: %s" % found)
    if p.counts["passed"] > 0:
        p.figure("mistakes found", p.counts["passed"])
        p.figure("lives it took, on average", 1 + later / p.counts["passed"])
    if p.options.sound > 0:
        sound(p, program)
