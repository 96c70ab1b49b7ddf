#!/usr/bin/env python3
"""Tests of msggen.py: what it writes, which mistakes it names, and what the lock guards."""

import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
MSGGEN = os.path.join(HERE, "msggen.py")
ROOT = os.path.dirname(os.path.dirname(HERE))

GOOD = """\
owner: sample
messages:
  factor:
    version: 1
    doc: One contribution.
    fields:
      name: {type: str, doc: Name.}
      value: {type: f64, unit: ratio 0..1, doc: "Value, then."}
  order.made:
    version: 2
    doc: Says "why?", with a \\ and año.
    fields:
      flag: {type: bool, doc: F.}
      count: {type: u64, doc: C.}
      delta_ms: {type: i64, doc: D.}
      blob: {type: bin, doc: B.}
      args: {type: any, doc: A.}
      main: {type: record, of: factor, doc: M.}
      factors: {type: list, of: factor, doc: All.}
      words: {type: list, of: str, doc: W.}
"""


def one_field(body):
    return f"owner: o\nmessages:\n  m:\n    version: 1\n    doc: D.\n    fields:\n      {body}\n"


class Case(unittest.TestCase):
    """A directory of its own and the program to run in it."""

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def put(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def get(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def run_it(self, *args):
        return subprocess.run([sys.executable, MSGGEN, *args], capture_output=True, text=True,
                              check=False)


class GenerateTest(Case):
    def generate(self, text, *more):
        self.put("messages.yaml", text)
        return self.run_it("--out-h", self.path("x_msgs.h"), "--out-c", self.path("x_msgs.c"),
                           *more, self.path("messages.yaml"))

    def refused(self, text, line, *parts):
        result = self.generate(text)
        self.assertEqual(result.returncode, 1, result.stderr)
        first = result.stderr.splitlines()[0]
        self.assertTrue(first.startswith(f"{self.path('messages.yaml')}:{line}: "), first)
        for part in parts:
            self.assertIn(part, first)
        self.assertFalse(os.path.exists(self.path("x_msgs.h")))

    def test_generated_c_compiles_and_keeps_order(self):
        result = self.generate(GOOD)
        self.assertEqual(result.returncode, 0, result.stderr)
        header = self.get("x_msgs.h")
        self.assertLess(header.index("bool flag;"), header.index("uint64_t count;"))
        self.assertIn("double value; // [ratio 0..1] Value, then.", header)
        self.assertIn("extern const rt_msg_def msg_order_made_def;", header)
        self.assertIn('.name = "order.made"', self.get("x_msgs.c"))
        for text in (header, self.get("x_msgs.c")):
            self.assertLessEqual(max(map(len, text.splitlines())), 100)
        flags = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wconversion",
                 "-Wshadow", "-Wpedantic", f"-I{ROOT}", f"-I{self.dir.name}", "-fsyntax-only"]
        done = subprocess.run(["cc", *flags, self.path("x_msgs.c")], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_same_input_gives_same_output(self):
        self.generate(GOOD)
        first = self.get("x_msgs.h") + self.get("x_msgs.c")
        self.generate(GOOD)
        self.assertEqual(self.get("x_msgs.h") + self.get("x_msgs.c"), first)
        self.assertNotIn(self.dir.name, first.replace(os.path.basename(self.dir.name), ""))

    def test_header_path_and_includes(self):
        other = self.put("other.yaml", GOOD)
        text = one_field("f: {type: list, of: factor, doc: F.}")
        result = self.generate(text, "--header-path", "a/b/x_msgs.h", "--include", other,
                               "--include-header", "a/other_msgs.h")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('#include "a/b/x_msgs.h"', self.get("x_msgs.c"))
        self.assertIn('#include "a/other_msgs.h"', self.get("x_msgs.h"))
        self.assertIn("CEREBRO_A_B_X_MSGS_H", self.get("x_msgs.h"))
        self.assertIn("&msg_factor_def", self.get("x_msgs.c"))

    def test_mistakes_are_named_with_their_line(self):
        self.refused(one_field("f: {type: int, doc: F.}"), 7, "unknown type 'int'")
        self.refused(one_field("f: {type: strr, doc: F.}"), 7, "did you mean 'str'?")
        self.refused(one_field("f: {typ: str, doc: F.}"), 7, "unknown key 'typ'",
                     "did you mean 'type'?")
        self.refused(one_field("f: {type: str}"), 7, "has no 'doc'")
        self.refused(one_field("f: {type: str, doc: A, b.}"), 7, "needs quotes")
        self.refused(one_field("f: {type: str, of: u64, doc: F.}"), 7, "neither list nor record")
        self.refused(one_field("f: {type: list, doc: F.}"), 7, "needs 'of'")
        self.refused(one_field("f: {type: list, of: bool, doc: F.}"), 7, "not declared before")
        self.refused(one_field("f: {type: record, of: str, doc: F.}"), 7, "not declared before")
        self.refused(one_field("f: {type: record, of: m, doc: F.}"), 7, "not declared before")
        self.refused(one_field("int: {type: u64, doc: F.}"), 7, "no word of C")
        self.refused(one_field("F: {type: u64, doc: F.}"), 7, "lower-case")
        self.refused(one_field("f: {type: u64, doc: F.}\n      f: {type: u64, doc: F.}"), 8,
                     "'f' stands twice")
        self.refused(one_field("f: {type: u64, doc: F.}").replace("version: 1", "version: 0"), 4,
                     "whole number from 1")
        self.refused(one_field("f: [").replace("\n\n", "\n"), 8)
        self.refused(GOOD.replace("order.made", "factor"), 9, "'factor' stands twice")
        self.refused("owner: o\nmessages: {}\nmore: 1\n", 3, "unknown key 'more'")
        self.refused("", 1, "empty")

    def test_two_names_with_one_c_name_are_refused(self):
        text = GOOD + ("  order_made:\n    version: 1\n    doc: D.\n    fields:\n"
                       "      f: {type: u64, doc: F.}\n")
        self.refused(text, 21, "declared already, as 'order.made'")

    def test_nesting_is_limited(self):
        text = "owner: o\nmessages:\n"
        for depth in range(7):
            inner = "type: u64" if depth == 0 else f"type: list, of: m{depth - 1}"
            text += (f"  m{depth}:\n    version: 1\n    doc: D.\n    fields:\n"
                     f"      f: {{{inner}, doc: F.}}\n")
        self.refused(text, 33, "nests 7 messages")

    def test_outputs_stay_when_the_input_is_bad(self):
        self.generate(GOOD)
        before = self.get("x_msgs.h")
        self.assertEqual(self.generate("owner: 1x\nmessages: {}\n").returncode, 1)
        self.assertEqual(self.get("x_msgs.h"), before)


class LockTest(Case):
    def lock(self, text, *more):
        self.put("messages.yaml", text)
        return self.run_it("--lock", self.path("lock"), *more, self.path("messages.yaml"))

    def setUp(self):
        super().setUp()
        self.assertEqual(self.lock(GOOD, "--update").returncode, 0)

    def broken(self, text, part):
        before = self.get("lock")
        for more in ([], ["--update"]):
            result = self.lock(text, *more)
            self.assertEqual(result.returncode, 1)
            self.assertIn(part, result.stderr)
            self.assertIn(f"{self.path('lock')}:", result.stderr)
        self.assertEqual(self.get("lock"), before)

    def test_lock_holds_name_version_and_fields(self):
        self.assertEqual(self.lock(GOOD).returncode, 0)
        self.assertIn("\nfactor 1 name:str value:f64\n", self.get("lock"))
        self.assertIn(" main:record<factor> factors:list<factor> words:list<str>\n",
                      self.get("lock"))

    def test_lock_ignores_docs_and_order_of_messages(self):
        self.assertEqual(self.lock(GOOD.replace("One contribution", "Another")).returncode, 0)

    def test_lock_refuses_removed_retyped_and_reordered_fields(self):
        flag = "      flag: {type: bool, doc: F.}\n"
        count = "      count: {type: u64, doc: C.}\n"
        self.broken(GOOD.replace(flag, ""), "'order.made' lost field 'flag'")
        self.broken(GOOD.replace("type: u64", "type: i64"),
                    "changed field 'count' from u64 to i64")
        self.broken(GOOD.replace("of: str", "of: u64"),
                    "changed field 'words' from list<str> to list<u64>")
        self.broken(GOOD.replace(flag + count, count + flag), "changed the order of its fields")
        self.broken(GOOD.replace("      value:", "      new: {type: u64, doc: N.}\n      value:"),
                    "changed the order of its fields")

    def test_lock_lets_a_new_version_change_everything(self):
        text = GOOD.replace("version: 2", "version: 3").replace("type: u64", "type: i64")
        self.assertEqual(self.lock(text, "--update").returncode, 0)
        self.assertEqual(self.lock(text).returncode, 0)
        self.broken(GOOD, "goes back from version 3 to 2")

    def test_lock_wants_appended_fields_and_new_messages_entered(self):
        text = GOOD + "      extra: {type: u64, doc: E.}\n"
        result = self.lock(text)
        self.assertEqual(result.returncode, 1)
        self.assertIn("--update", result.stderr)
        self.assertEqual(self.lock(text, "--update").returncode, 0)
        self.assertEqual(self.lock(text).returncode, 0)
        self.broken(GOOD, "lost field 'extra'")

    def test_lock_refuses_a_message_that_is_gone(self):
        self.broken(GOOD[: GOOD.index("  order.made")], "'order.made' is gone")

    def test_lock_that_is_damaged_is_named(self):
        self.put("lock", "factor\n")
        result = self.lock(GOOD)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{self.path('lock')}:1: ", result.stderr)


if __name__ == "__main__":
    unittest.main()
