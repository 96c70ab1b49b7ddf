"""Makes small mistakes in C source, one at a time: each is a mutant.

It reads tokens, not text, and knows just enough of C, in the form our house style gives it (a
function's braces stand in column 0, every branch has braces), to tell statements from declarations.
Comments, preprocessor lines, types, assertions and log lines are left alone: a mistake there is no
mistake in what the program does.
"""

import re

TOKEN = re.compile(r"""
    (?P<space>\s+) | (?P<comment>//[^\n]*|/\*.*?\*/)
  | (?P<pre>^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*)
  | (?P<str>"(?:\\.|[^"\\\n])*") | (?P<chr>'(?:\\.|[^'\\\n])+')
  | (?P<num>0[xX][0-9a-fA-F]+[uUlL]*|\d+\.\d+|\d+[uUlL]*)
  | (?P<id>[A-Za-z_]\w*)
  | (?P<op><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[^\s])
""", re.VERBOSE | re.DOTALL | re.MULTILINE)

BOUNDARY = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
SWAPS = {"&&": ("and-or", "||"), "||": ("and-or", "&&"), "++": ("step", "--"), "--": ("step", "++"),
         "+=": ("plus-minus", "-="), "-=": ("plus-minus", "+=")}
TRUTH = {"true": "false", "false": "true"}
LIMIT = re.compile(r"[A-Z][A-Z0-9_]*_(MAX|MIN|MS|BYTES|ENTRIES|WINDOW|LEN|CHUNK|EVERY|TRIES|SPAN)")
UNTOUCHED = re.compile(r"RT_ASSERT|RT_CHECK|RT_UNREACHABLE|rt_log_\w+|sizeof")
PLANTED = "RT_PLANTED"  # a mistake that another proof switches on; here it is off
KEYWORDS = {"const", "static", "struct", "union", "enum", "unsigned", "signed", "char", "int",
            "long", "short", "float", "double", "void", "return", "break", "continue", "goto"}

# What each operator does, for the README and for --help of the curious.
OPERATORS = {
    "boundary": "< becomes <=, > becomes >=, and back",
    "comparison": "a comparison becomes its opposite",
    "and-or": "&& becomes ||, and back",
    "negate": "the condition of an if or while is negated",
    "plus-minus": "+ becomes -, += becomes -=, and back",
    "step": "++ becomes --, and back",
    "off-by-one": "a number or a named limit becomes one more or one less",
    "remove": "a call, an assignment, a break or a continue is left out",
    "return-ok": "an error is returned as RT_OK",
    "return-truth": "a bool function returns true, or false, whatever it found",
    "drop-return": "a return before the end of a function is left out",
    "truth": "true becomes false, and back",
}


class Token:
    """A word of the source."""

    __slots__ = ("kind", "text", "start", "end")

    def __init__(self, kind, text, start):
        self.kind = kind
        self.text = text
        self.start = start
        self.end = start + len(text)


class Mutant:
    """One mistake: a stretch of the source and what stands there instead."""

    def __init__(self, source, function, operator, start, end, text):
        self.source = source
        self.path = source.path
        self.function = function
        self.operator = operator
        self.start = start
        self.end = end
        self.text = text
        self.line = source.text.count("\n", 0, start) + 1
        self.name = ""  # given by Source.mutants

    def apply(self):
        """The whole source with the mistake in it."""
        whole = self.source.text
        return whole[:self.start] + self.text + whole[self.end:]

    def _lines(self):
        whole = self.source.text
        first = whole.rfind("\n", 0, self.start) + 1
        last = whole.find("\n", self.end)
        return first, len(whole) if last < 0 else last

    @property
    def before(self):
        """The lines it is made in, spaces made one."""
        first, last = self._lines()
        return " ".join(self.source.text[first:last].split())

    @property
    def after(self):
        """The same lines with the mistake."""
        first, last = self._lines()
        whole = self.source.text
        return " ".join((whole[first:self.start] + self.text + whole[self.end:last]).split())

    @property
    def diff(self):
        """What a person reads."""
        first, last = self._lines()
        whole = self.source.text
        lines = ["%s:%d  %s  %s" % (self.path, self.line, self.function, self.operator)]
        lines += ["- " + line for line in whole[first:last].split("\n")]
        changed = whole[first:self.start] + self.text + whole[self.end:last]
        lines += ["+ " + line for line in changed.split("\n") if line.strip()]
        return "\n".join(lines)


class Source:
    """A C file: its functions and all mutants of them."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.tokens = [Token(m.lastgroup, m.group(), m.start()) for m in TOKEN.finditer(text)
                       if m.lastgroup not in ("space", "comment", "pre")]
        self._found = []
        self._planted = set()

    # --- reading ---

    def _column(self, token):
        return token.start - (self.text.rfind("\n", 0, token.start) + 1)

    def functions(self):
        """(name, type, index of its brace, index behind its end) of every function."""
        found = []
        header = 0
        at = 0
        while at < len(self.tokens):
            token = self.tokens[at]
            if token.text == "{" and self._column(token) == 0:
                end = self._match(at)
                words = self.tokens[header:at]
                name = next(i for i, word in enumerate(words)
                            if word.kind == "id" and self._column(word) == 0 and
                            words[i + 1].text == "(")
                kind = " ".join(word.text for word in words[:name] if word.text != "static")
                found.append((words[name].text, kind, at, end + 1))
                at = end
                header = at + 1
            elif token.text == ";" and self._column(token) >= 0:
                header = at + 1
            elif token.text == "{":
                at = self._match(at)
            at += 1
        return found

    def _match(self, at):
        """Index of the bracket that closes the one at `at`."""
        pairs = {"(": ")", "[": "]", "{": "}"}
        opens = self.tokens[at].text
        depth = 0
        for i in range(at, len(self.tokens)):
            if self.tokens[i].text == opens:
                depth += 1
            elif self.tokens[i].text == pairs[opens]:
                depth -= 1
                if depth == 0:
                    return i
        raise ValueError("%s: no end of '%s'" % (self.path, opens))

    def _statements(self, at, end, conditions):
        """The simple statements between two indexes, as (first, behind); conditions of if and while
        go to `conditions` as the indexes of their brackets."""
        found = []
        while at < end:
            text = self.tokens[at].text
            if text in "{};" or text in ("else", "do"):
                at += 1
            elif text in ("if", "while", "for", "switch"):
                close = self._match(at + 1)
                if text in ("if", "while"):
                    conditions.append((at + 1, close))
                at = close + 1
            elif text in ("case", "default"):
                while self.tokens[at].text != ":":
                    at += 1
                at += 1
            elif self.tokens[at].kind == "id" and self.tokens[at + 1].text == ":":
                at += 2
            else:
                first = at
                while self.tokens[at].text != ";":
                    at = self._match(at) if self.tokens[at].text in "([{" else at
                    at += 1
                at += 1
                found.append((first, at))
        return found

    def _is_declaration(self, first, end):
        words = self.tokens[first:end]
        if words[0].text in KEYWORDS - {"return", "break", "continue", "goto", "void"}:
            return True
        i = 1
        while i < len(words) and words[i].text == "*":
            i += 1
        return words[0].kind == "id" and words[0].text not in KEYWORDS and i < len(words) and \
            words[i].kind == "id"

    # --- making ---

    def mutants(self):
        """All mutants of the file, in order, each with a name of its own."""
        self._found = []
        self._planted = self._find_planted()
        for name, kind, start, end in self.functions():
            if self._is_used(name):
                self._of_function(name, kind, start, end)
        self._found.sort(key=lambda m: (m.start, m.end, m.operator, m.text))
        counts = {}
        for mutant in self._found:
            place = "%s:%d:%s" % (mutant.path, mutant.line, mutant.operator)
            counts[place] = counts.get(place, 0) + 1
            mutant.name = "%s:%d" % (place, counts[place])
        return self._found

    def _find_planted(self):
        """Indexes of everything that is there for planted mistakes only."""
        planted = set()
        for _, _, start, end in self.functions():
            for first, behind in self._statements(start + 1, end - 1, []):
                if any(t.text == PLANTED for t in self.tokens[first:behind]):
                    planted.update(range(first, behind))
            for at in range(start, end):
                if self.tokens[at].text == PLANTED and at not in planted:
                    self._plant(at, planted)
        return planted

    def _plant(self, at, planted):
        """One in a condition: with what joins it to the rest, or with all that depends on it."""
        close = self._match(at + 1)
        first = at
        while self.tokens[first - 1].text in ("!", "&&", "||"):
            first -= 1
        planted.update(range(first, close + 1))
        if self.tokens[first - 1].text == "(" and self.tokens[first - 2].text == "if":
            body = self._match(first - 1) + 1
            planted.update(range(first, self._match(body) + 1))

    def _is_used(self, name):
        """Whether anybody but what is planted calls a function that what is planted calls."""
        uses = [i for i, token in enumerate(self.tokens) if token.text == name]
        others = [i for i in uses if i not in self._planted]
        return len(others) > 1 or len(others) == len(uses)

    def _add(self, function, operator, first, last, text):
        self._found.append(Mutant(self, function, operator, self.tokens[first].start,
                                  self.tokens[last].end, text))

    def _of_function(self, name, kind, start, end):
        conditions = []
        statements = self._statements(start + 1, end - 1, conditions)
        skipped = self._skipped(start, end, statements)
        for opened, closed in conditions:
            inside = self.text[self.tokens[opened].end:self.tokens[closed].start]
            if opened + 1 not in self._planted and not UNTOUCHED.search(inside):
                self._add(name, "negate", opened, closed, "(!(" + inside + "))")
        for first, behind in statements:
            if first not in skipped:
                self._of_statement(name, kind, first, behind, behind == end - 1)
        for at in range(start + 1, end - 1):
            if at not in skipped:
                self._of_token(name, at)

    def _skipped(self, start, end, statements):
        """Indexes of tokens that are left alone."""
        skipped = set(self._planted)
        for at in range(start, end):
            if UNTOUCHED.fullmatch(self.tokens[at].text) and self.tokens[at + 1].text == "(":
                skipped.update(range(at, self._match(at + 1) + 1))
        for first, behind in statements:
            if self._is_declaration(first, behind):
                for at in range(first, behind):
                    if self.tokens[at].text == "[" and self.tokens[at + 1].kind in ("num", "id") \
                            and "=" not in [t.text for t in self.tokens[first:at]]:
                        skipped.update(range(at, self._match(at) + 1))
                skipped.update(self._dead_value(first, behind, end))
        for at in range(start, end - 2):
            if [t.text for t in self.tokens[at:at + 3]] == ["{", "0", "}"]:
                skipped.add(at + 1)
        return skipped

    def _dead_value(self, first, behind, end):
        """Of `type name = number;` (or a truth) the number, when the next thing that happens to the name is that
        it gets another value, in the same block, or that its address is given to who sets it."""
        words = self.tokens[first:behind]
        is_constant = len(words) >= 5 and (words[-2].kind == "num" or words[-2].text in TRUTH)
        if not is_constant or words[-3].text != "=":
            return []
        depth = 0
        for at in range(behind, end):
            depth += {"{": 1, "}": -1}.get(self.tokens[at].text, 0)
            if self.tokens[at].text == words[-4].text:
                is_set = self.tokens[at - 1].text == "&" or \
                    (depth == 0 and self.tokens[at + 1].text == "=" and
                     self.tokens[at - 1].text in (";", "{", "}"))
                return [behind - 2] if is_set else []
        return []

    def _of_statement(self, function, kind, first, behind, is_last):
        words = [t.text for t in self.tokens[first:behind]]
        if words[0] == "return":
            value = " ".join(words[1:-1])
            if kind == "rt_err" and value != "RT_OK":
                self._add(function, "return-ok", first, behind - 1, "return RT_OK;")
            if kind == "bool":
                for truth in TRUTH:
                    if value not in TRUTH:
                        self._add(function, "return-truth", first, behind - 1,
                                  "return %s;" % truth)
            if not is_last:
                self._add(function, "drop-return", first, behind - 1, ";")
            return
        of_name_only = words[:3] == ["(", "void", ")"] and len(words) == 5
        if words[0] == "goto" or of_name_only or self._is_declaration(first, behind):
            return
        self._add(function, "remove", first, behind - 1, ";")

    def _of_token(self, function, at):
        token = self.tokens[at]
        before = self.tokens[at - 1]
        text = token.text
        if text in BOUNDARY:
            self._add(function, "boundary", at, at, BOUNDARY[text])
        if text in OPPOSITE:
            self._add(function, "comparison", at, at, OPPOSITE[text])
        if text in SWAPS:
            operator, other = SWAPS[text]
            self._add(function, operator, at, at, other)
        is_binary = before.kind in ("id", "num") or before.text in (")", "]")
        if text in "+-" and len(text) == 1 and is_binary and before.text != "return":
            self._add(function, "plus-minus", at, at, "-" if text == "+" else "+")
        if text in TRUTH:
            self._add(function, "truth", at, at, TRUTH[text])
        is_whole = token.kind == "num" and "." not in text
        is_limit = LIMIT.fullmatch(text) and self.tokens[at + 1].text != "("
        if is_whole or is_limit:
            for sign in "+-":
                self._add(function, "off-by-one", at, at, "(%s %s 1)" % (text, sign))
