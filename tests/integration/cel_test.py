"""Conditions mean what CEL says: `tools/prove cel` (tests/prove/cel.py), where its tests are at hand."""

import os
import subprocess
import sys

import harness

sys.path.insert(0, os.path.join(harness.SOURCE, "tests", "prove"))

import proof  # noqa: E402

cel = proof.load("cel")


class CelTest(harness.Case):
    """All files of the definition that are not about protocol buffers."""

    def test_conformance(self):
        """Every test passes."""
        done = subprocess.run(
            [sys.executable, os.path.join(harness.SOURCE, "tools", "prove"), "cel"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        print(done.stdout.decode("utf-8", "replace"))
        self.assertEqual(done.returncode, 0)


if __name__ == "__main__":
    if cel.data_directory("") is None:
        harness.skip(cel.NO_DATA)
    sys.exit(harness.main())
