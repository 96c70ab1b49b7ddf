"""Who may do what at the control door: real users, told apart by the kernel."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

import harness

GROUP = 60200
VIEWER, OPERATOR, SUPERVISOR, UNNAMED, OUTSIDER = 60201, 60202, 60203, 60204, 60205
DENIED = 4  # exit code of brainctl

CONFIG = """tenants:
  - {id: 1, name: demo, utc_offset: "-05:00"}
roles:
  - {name: viewer, users: [%d, nobody-of-this-name]}
  - {name: operator, users: [%d]}
  - {name: supervisor, users: [%d]}
""" % (VIEWER, OPERATOR, SUPERVISOR)

# the first asks supervisors, the second every operator
ASKING = """kind: playbook
id: %s
doc: Somebody has to agree.
owner: tests
mode: live
events: [carrier.capacity]
priority: 40
approve: {%sttl: 1h}
do:
  - action: alert_operator
    target: ${event.subject}
    args: {text: "%s"}
"""


@unittest.skipUnless(os.geteuid() == 0, "only root can run processes of other users")
@unittest.skipUnless(shutil.which("setpriv"), "setpriv (util-linux) is missing")
class RolesTest(harness.Case):
    """A daemon that names users, and brainctl run by them."""

    def setUp(self):
        # others pass here, and nowhere else below /tmp
        self.place = tempfile.mkdtemp(prefix="cerebro-roles-")
        self.addCleanup(shutil.rmtree, self.place, True)
        os.chmod(self.place, 0o711)
        self.program = shutil.copy(harness.BRAINCTL, self.place)
        os.chmod(self.program, 0o755)
        self.brain = harness.Brain(CONFIG, sets=["doors.control_group=%d" % GROUP])
        self.brain.copy_files()
        for name, roles in (("ask-some", "roles: [supervisor], "), ("ask-all", "")):
            with open(os.path.join(self.brain.playbooks, name + ".yaml"), "w",
                      encoding="utf-8") as f:
                f.write(ASKING % (name, roles, name))
        self.brain.control = os.path.join(self.place, "door", "ctl.sock")
        self.brain.start()

    def tearDown(self):
        if self.brain.process is not None and self.brain.process.poll() is None:
            self.brain.stop()

    def run_as(self, uid, *args, group=GROUP):
        """brainctl of a user; (exit code, output and what it said beside it)."""
        done = subprocess.run(
            ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--groups", str(group),
             self.program, *args], capture_output=True, text=True, cwd=self.place,
            timeout=60 * harness.PATIENCE,
            env={"PATH": os.environ["PATH"], "CEREBRO_SOCKET": self.brain.control})
        return done.returncode, done.stdout + done.stderr

    def check(self, uid, code, *args, says=""):
        """What brainctl of a user says, when it ends as it should."""
        got, text = self.run_as(uid, *args)
        self.assertEqual(got, code, "uid %d: brainctl %s: %s" % (uid, " ".join(args), text))
        self.assertIn(says, text)
        return text

    def events(self, kind):
        """Data of all events of a type."""
        return [r["event"]["data"] for r in harness.events_of(self.brain.journal())
                if r["event"]["type"] == kind]

    def test_roles_open_what_they_name_and_are_recorded(self):
        socket = os.stat(self.brain.control)
        door = os.stat(os.path.dirname(self.brain.control))
        self.assertEqual((stat.S_IMODE(socket.st_mode), socket.st_gid), (0o660, GROUP))
        self.assertEqual((stat.S_IMODE(door.st_mode), door.st_gid), (0o710, GROUP))

        self.check(VIEWER, 0, "status")
        self.check(VIEWER, 0, "playbooks", "list", says="ask-some")
        self.check(VIEWER, DENIED, "halt", says="halt needs the role operator")
        self.check(VIEWER, DENIED, "playbooks", "promote", "ask-all", "off",
                   says="users: [%d]" % VIEWER)
        self.check(UNNAMED, DENIED, "status", says="has no role of brain.yaml")
        got, text = self.run_as(OUTSIDER, "status", group=OUTSIDER)
        self.assertEqual(got, DENIED, text)
        self.assertIn("doors.control_group", text)
        self.assertEqual(self.events("system.halted"), [])

        self.check(OPERATOR, 0, "playbooks", "promote", "ask-all", "shadow", "--reason", "try")
        self.check(OPERATOR, 0, "playbooks", "promote", "ask-all", "live")
        modes = self.events("playbook.mode_set")
        self.assertEqual([(m["mode"], m["by"], m.get("role")) for m in modes],
                         [("shadow", "uid:%d" % OPERATOR, "operator"),
                          ("live", "uid:%d" % OPERATOR, "operator")])
        self.answer_requests()
        self.brain.stop()
        self.assertIn("B1048", self.brain.log())  # said once, and nobody got in by it

    def answer_requests(self):
        """Those who are asked may answer, and nobody else."""
        client = self.brain.client()
        result = client.ask([{"id": "c1", "type": "carrier.capacity", "source": "test",
                              "subject": "carrier/tcc", "tenant": "demo",
                              "data": {"capacity": 10, "load": 9, "city": "Cali"}}])["results"]
        client.close()
        self.assertEqual(result[0][0], "ok", result)
        self.brain.settle()
        requests = json.loads(self.check(VIEWER, 0, "approvals", "list", "-o",
                                         "json"))["requests"]
        keys = {r["playbook"]: r["key"] for r in requests}
        self.assertEqual(sorted(keys), ["ask-all", "ask-some"])
        for uid in VIEWER, OPERATOR:
            self.check(uid, DENIED, "approvals", "approve", "ask-some", keys["ask-some"])
        self.check(SUPERVISOR, DENIED, "approvals", "approve", "ask-all", keys["ask-all"],
                   says="no role")
        self.check(SUPERVISOR, 0, "approvals", "approve", "ask-some", keys["ask-some"])
        self.check(OPERATOR, 0, "approvals", "approve", "ask-all", keys["ask-all"])
        said = {d["playbook"]: (d["by"], d.get("role")) for d in self.events("approval.decided")}
        self.assertEqual(said, {"ask-some": ("uid:%d" % SUPERVISOR, "supervisor"),
                                "ask-all": ("uid:%d" % OPERATOR, None)})

    def test_a_directory_that_others_cannot_pass_stops_the_start(self):
        self.brain.stop()
        os.chmod(os.path.dirname(self.brain.control), 0o700)
        self.brain.launch()
        self.assertNotEqual(self.brain.process.wait(20 * harness.PATIENCE), 0)
        self.assertIn("cannot pass", self.brain.log())
        os.chmod(os.path.dirname(self.brain.control), 0o710)
        self.brain.start()
        self.check(VIEWER, 0, "status")


if __name__ == "__main__":
    if os.geteuid() != 0:
        harness.skip("only root can run processes of other users")
    if shutil.which("setpriv") is None:
        harness.skip("setpriv (util-linux) is missing")
    sys.exit(harness.main())
