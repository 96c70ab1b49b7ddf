"""Random expressions mean the same in another implementation: a short `tools/prove cel_diff`."""

import os
import subprocess
import sys

import harness

sys.path.insert(0, os.path.join(harness.SOURCE, "tests", "prove"))

import proof  # noqa: E402

cel_diff = proof.load("cel_diff")

CYCLES = 6000


class CelDiffTest(harness.Case):
    """Some thousand expressions, always the same ones."""

    def test_random_expressions_agree(self):
        """No disagreement that is not known and mended."""
        done = subprocess.run(
            [sys.executable, os.path.join(harness.SOURCE, "tools", "prove"), "cel_diff",
             "--cycles", str(CYCLES)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        print(done.stdout.decode("utf-8", "replace"))
        self.assertEqual(done.returncode, 0)


if __name__ == "__main__":
    if cel_diff.missing():
        harness.skip(cel_diff.missing())
    sys.exit(harness.main())
