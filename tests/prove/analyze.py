"""Static analysis: gcc's -fanalyzer and clang-tidy over all C files, each finding fixed or explained.

What is not fixed stands in analyze_exceptions.txt with its reason; an exception that nothing needs any more
is a failure as well, so that the list only ever says what is so. The checks of clang-tidy: .clang-tidy.
"""

import json
import os
import re
import shlex
import shutil
import subprocess

import proof

SUMMARY = "gcc -fanalyzer and clang-tidy over the tree, each finding fixed or explained"
OPTIONS = {"only": "", "build": "build"}
OPTION_HELP = {"only": "only the files whose path matches", "build": "a build by gcc, made when missing (build)"}
EXCEPTIONS = os.path.join(proof.SOURCE, "tests", "prove", "analyze_exceptions.txt")
FINDING = re.compile(r"^(\S+?):(\d+):(\d+): (?:warning|error): (.*) \[(?:CWE-\d+\] \[)?(-?W?[\w.,-]+)\]$")
TOOLS = ("gcc", "clang-tidy")
SECONDS = 1800
# a mistake that both have to find, or else they are not looking
PLANTED = "int read_it(void);\nint\nread_it(void)\n{\n    int *at = 0;\n    return *at;\n}\n"


def relative(path, directory):
    """A path from the root of the tree, or None for a file that is not ours."""
    inside = os.path.relpath(os.path.realpath(os.path.join(directory, path)), proof.SOURCE)
    return None if inside.startswith(("..", "build")) else inside


def read_exceptions():
    """[(check, path, words, reason, line number)] of the file: a block of lines shares the reason above it."""
    found = []
    reason = []
    is_reason = False
    with open(EXCEPTIONS, encoding="utf-8") as text:
        for number, line in enumerate(text, 1):
            line = line.strip()
            if line.startswith("#"):
                reason = reason + [line[1:].strip()] if is_reason else [line[1:].strip()]
            elif line:
                check, path, words = (line.split(None, 2) + [""])[:3]
                if not reason:
                    raise proof.Failure("analyze_exceptions.txt:%d: no reason above it" % number)
                found.append((check, path, words, " ".join(reason), number))
            else:
                reason = []
            is_reason = line.startswith("#")
    return found


def commands(build):
    """{source: its compile command without what asks for output}, each source once; planted ones last."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as text:
        entries = json.load(text)
    found = {}
    for entry in sorted(entries, key=lambda entry: "-DCEREBRO_PLANTED" in entry["command"]):
        source = relative(entry["file"], entry["directory"])
        words = shlex.split(entry["command"])
        if source is None or source in found:
            continue
        at = words.index("-o")
        found[source] = words[:at] + words[at + 2:]
    return found


def findings(text, directory):
    """{(check, path, line, what)} of an analyzer's output, of our files only."""
    found = set()
    for line in text.splitlines():
        match = FINDING.match(line)
        path = relative(match.group(1), directory) if match else None
        if path is not None:
            found.add((match.group(5).replace("-W", "", 1), path, int(match.group(2)), match.group(4)))
    return found


def gcc(words):
    """The command for a file: without optimisation, which removes the code that a mistake makes void."""
    keep = [word for word in words[1:] if not word.startswith(("-W", "-O", "-fdiagnostics"))
            and word not in ("-MD", "-MQ", "-MF") and not word.endswith((".o", ".o.d"))]
    return ["gcc", "-fanalyzer", *keep, "-O0", "-fdiagnostics-plain-output", "-o", "/dev/null"]


def tidy(build, path):
    """The command for a file; headers of ours are looked at where they are included."""
    return ["clang-tidy", "-p", build, "--quiet", path]


def run(command, build):
    """(findings, exit code or None for no end in time, output) of an analyzer."""
    try:
        done = subprocess.run(command, cwd=build, text=True, errors="replace", stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
        return findings(done.stdout, build), done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        return set(), None, "not done in %d s" % SECONDS


def look_at_planted(p, build):
    """Whether each analyzer finds a mistake, read by the same eyes as everything else."""
    path = os.path.join(build, "analyze_planted.c")
    with open(path, "w", encoding="utf-8") as text:
        text.write(PLANTED)
    for name, command in (("gcc", gcc(["cc", "-c", path])), ("clang-tidy", [*tidy(build, path), "--"])):
        done = subprocess.run(command, cwd=build, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        if any(FINDING.match(line) for line in done.stdout.splitlines()):
            p.passed()
        else:
            p.failed("%s does not find the mistake that is planted for it" % name, proof.tail(done.stdout))
    os.remove(path)


def explained(finding, exceptions, used):
    """Whether an exception speaks of this finding; notes that it was needed."""
    check, path, _, what = finding
    hits = [number for known, where, words, _, number in exceptions
            if known == check and where in (path, "*") and words in what]
    used.update(hits)
    return bool(hits)


def prove(p):
    """File by file, both analyzers."""
    for program in TOOLS:
        if shutil.which(program) is None:
            raise proof.Failure("there is no %s: apt install %s" % (program, program))
    build = p.build(p.options.build)
    sources = {source: words for source, words in commands(build).items()
               if re.search(p.options.only, source)}
    exceptions = read_exceptions()
    used = set()
    seen = set()
    unexplained = 0
    look_at_planted(p, build)

    def analyze(one):
        source, tool = one
        return run(gcc(sources[source]) if tool == "gcc"
                   else tidy(build, os.path.join(proof.SOURCE, source)), build)

    work = [(source, tool) for source in sorted(sources) for tool in TOOLS]
    for number, ((source, tool), (found, code, said)) in enumerate(p.each(analyze, work), 1):
        p.progress(number, len(work), source)
        left = {one for one in found - seen if not explained(one, exceptions, used)}
        seen |= found
        unexplained += len(left)
        again = "tools/prove analyze --only '^%s$'" % re.escape(source)
        for check, path, line, what in sorted(left):
            p.failed("%s:%d: %s [%s]" % (path, line, what, check), again=again)
        if code != 0 and not found:
            p.failed("%s: %s: exit %s" % (source, tool, code), proof.tail(said), again)
        elif not left:
            p.passed()
    if not p.options.only and not p.out_of_time:
        for check, path, words, _, number in exceptions:
            if number not in used:
                p.failed("analyze_exceptions.txt:%d: nothing needs '%s %s %s' any more"
                         % (number, check, path, words))
    p.figure("files", len(sources))
    p.figure("findings explained", len(seen) - unexplained)
    p.figure("exceptions", len(exceptions))
