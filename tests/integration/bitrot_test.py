"""Damaged files of a data directory: noticed, named, and rebuilt or refused; never a crash.

The short form of `tools/prove bitrot`, which says what is done and checked (tests/prove/bitrot.py).
"""

import os
import random
import shutil
import sys
import tempfile

import harness

sys.path.insert(0, os.path.join(harness.SOURCE, "tests", "prove"))

import bitrot  # noqa: E402

CYCLES = int(os.environ.get("CEREBRO_BITROT_CYCLES", "100"))
SEED = int(os.environ.get("CEREBRO_BITROT_SEED", str(random.randrange(1, 1 << 30))))
ORDERS = 300


class BitrotTest(harness.Case):
    """Faults drawn at random, and the two that matter most to an operator, with the real daemon."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix="cerebro-test-")
        cls.campaign = bitrot.Campaign(cls.scratch, 1, harness.program("tests/tools/bitrot_probe"),
                                       bases=("stopped",), orders=ORDERS)

    @classmethod
    def tearDownClass(cls):
        cls.campaign.end()
        shutil.rmtree(cls.scratch, ignore_errors=True)

    def test_faults_are_noticed(self):
        for number in range(CYCLES):
            base, fault, _, wrong, kept = self.campaign.case(SEED, number, False)
            if wrong is not None:
                self.fail("seed %d, case %d, '%s': %s: %s\nkept: %s"
                          % (SEED, number, base.name, fault.text, wrong, kept))
        classes = {what for _, what in self.campaign.counts}
        self.assertTrue({"detected: refused", "harmless"} <= classes, classes)
        print("seed %d, %d faults: %s" % (SEED, CYCLES, dict(self.campaign.hows)))

    def damaged(self, path, offset):
        """A copy of the directory with one byte changed there; its root."""
        base = self.campaign.bases[0]
        root = os.path.join(self.scratch, "copy-" + os.path.basename(path))
        base.copy(root)
        with open(os.path.join(root, path), "r+b") as out:
            out.seek(offset)
            byte = out.read(1)[0]
            out.seek(offset)
            out.write(bytes([byte ^ 4]))
        return base, root, bitrot.Fault(bitrot.kind_of(path), path, "flip", "byte %d" % offset, None)

    def test_the_daemon_rebuilds_a_damaged_state(self):
        base, root, fault = self.damaged("data/state/data.mdb", 16)  # its magic number
        self.assertIsNone(bitrot.run_braind(base, fault, root, self.scratch))
        names = os.listdir(os.path.join(root, "data/state"))
        self.assertEqual("data.mdb.damaged-1" in names, True, names)

    def test_the_daemon_refuses_a_damaged_last_group(self):
        base = self.campaign.bases[0]
        last = base.files["journal"][-1]
        with open(os.path.join(base.root, last), "rb") as segment:
            segment.seek(512 + 16)  # the mark: behind the last group that was acknowledged
            end = int.from_bytes(segment.read(8), "little")
        base, root, fault = self.damaged(last, end - 80)
        self.assertIsNone(bitrot.run_braind(base, fault, root, self.scratch))
        with open(os.path.join(root, last), "rb") as segment:
            segment.seek(end - 80)
            self.assertNotEqual(segment.read(80), bytes(80), "it was cut away")


if __name__ == "__main__":
    sys.exit(harness.main())
