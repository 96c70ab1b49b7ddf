"""Webhooks: signed, retried under one key, given up for good, never sent again blindly."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import signal
import sys
import threading
import time

import harness
from harness import order

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes....").decode()
KEY = base64.b64decode(SECRET[len("whsec_"):])
PLAYBOOK = """kind: playbook
id: tell-the-shop
doc: Opens a case for every order.
owner: tests
mode: live
events: [order.created]
when: data.value >= 0
priority: 90
confidence: 1
do:
  - action: open_case
    target: ${event.subject}
    args: {kind: seen, text: "Pedido ${order.id} ñ"}
"""


class Receiver(http.server.ThreadingHTTPServer):
    """Answers what it was told to, order by order, and keeps every request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.requests = []  # (headers, body, monotonic time)
        self.script = {}  # target -> statuses to answer, the last one for ever
        self.lock = threading.Lock()
        self.hold = threading.Event()  # until it is set, a status of None is not answered
        self.url = "http://127.0.0.1:%d/hook" % self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def of(self, target):
        """Requests about one order."""
        with self.lock:
            return [r for r in self.requests if r[1]["target"] == target]


class Answer(http.server.BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """Books the request and answers by the script."""
        raw = self.rfile.read(int(self.headers["content-length"]))
        body = json.loads(raw)
        with self.server.lock:
            self.server.requests.append((dict(self.headers.items()), body, time.monotonic(), raw))
            statuses = self.server.script.get(body["target"], [200])
            status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        if status is None:
            self.server.hold.wait(60)
            status = 200
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        """Says nothing."""


class WebhookCase(harness.Case):
    """A daemon whose open_case action goes to a receiver of ours."""

    HOSTS = ""

    def setUp(self):
        self.receiver = Receiver()
        secret = self.addFile("shop.key", SECRET + "\n")
        self.brain = harness.Brain(
            "tenants:\n  - {id: 1, name: demo}\n" + self.HOSTS.format(*harness.free_ports(1)) +
            "webhooks:\n  - {name: shop, url: '%s', secret_file: %s, timeout: 3s, attempts: 3}\n"
            % (self.receiver.url, secret), sets=["webhooks.allow_loopback=true"])
        root = self.brain.copy_files()
        actions = os.path.join(root, "config/packs/logistics/actions.yaml")
        with open(actions) as f:
            before, _, after = f.read().partition("  open_case:")
        with open(actions, "w") as f:
            f.write(before + "  open_case:" +
                    after.replace("executor: publish", "executor: webhook\n    webhook: shop", 1))
        self.brain.playbooks = os.path.join(self.brain.dir, "books")
        os.mkdir(self.brain.playbooks)
        with open(os.path.join(self.brain.playbooks, "tell.yaml"), "w") as f:
            f.write(PLAYBOOK)
        self.start()
        self.client = self.brain.client()

    def start(self):
        """Starts the daemon and what belongs to it."""
        self.brain.start()

    def tearDown(self):
        self.receiver.hold.set()
        self.brain.end_agents()
        if self.brain.process.poll() is None:
            self.brain.kill()
        self.client.close()
        self.receiver.shutdown()
        self.receiver.server_close()
        harness.check_audited(self, self.brain, "--whole")  # also of what was just killed

    def addFile(self, name, text):
        """A file that only its owner reads."""
        directory = harness.tempfile.mkdtemp(prefix="cerebro-test-")
        self.addCleanup(harness.shutil.rmtree, directory, True)
        path = os.path.join(directory, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o400)
        return path

    def send(self, number, *statuses):
        """An order whose webhook is answered so; its subject."""
        self.receiver.script["order/%s" % number] = list(statuses)
        self.assertEqual(self.client.ask(order(number))["ok"], 1)
        return "order/%s" % number

    def outcome(self, target, seconds=20):
        """What the journal says became of the action on a target, once it says so."""
        def found():
            ends = [r["event"]["data"] for r in harness.events_of(self.brain.journal())
                    if r["event"]["type"] == "action.executed" and
                    r["event"]["subject"] == target]
            return ends[-1] if ends else None
        return harness.wait_for(found, seconds, "the outcome for " + target)

    def check_signed(self, request):
        """Standard Webhooks: id, timestamp and an HMAC over id.timestamp.body."""
        headers = {key.lower(): value for key, value in request[0].items()}
        stamp = int(headers["webhook-timestamp"])
        self.assertLess(abs(time.time() - stamp), 60)
        signed = b"%s.%d." % (headers["webhook-id"].encode(), stamp) + request[3]
        want = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        self.assertIn("v1," + want, headers["webhook-signature"].split(" "))
        self.assertEqual(headers["content-type"], "application/json")
        self.assertEqual(headers["webhook-id"], request[1]["id"])


class WebhookTest(WebhookCase):
    """What leaves, when, how often, and what is recorded of it."""

    def test_webhook_is_signed_and_says_what_is_wanted(self):
        target = self.send("w1", 200)
        end = self.outcome(target)
        self.assertEqual((end["status"], end["attempts"]), ("executed", 1), end)
        request, = self.receiver.of(target)
        self.check_signed(request)
        body = request[1]
        self.assertEqual((body["type"], body["tenant"]), ("open_case", "demo"))
        self.assertEqual(body["data"], {"kind": "seen", "text": "Pedido w1 ñ"})
        self.assertEqual(body["id"], end["action_id"])

    def test_server_error_is_tried_again_with_the_same_id(self):
        target = self.send("w2", 500, 503, 200)
        end = self.outcome(target)
        self.assertEqual((end["status"], end["attempts"]), ("executed", 3), end)
        requests = self.receiver.of(target)
        self.assertEqual(len(requests), 3)
        self.assertEqual(len({r[1]["id"] for r in requests}), 1)
        self.assertEqual(len({r[3] for r in requests}), 1, "the body changed between attempts")
        for request in requests:
            self.check_signed(request)
        self.assertGreater(requests[1][2] - requests[0][2], 0.4)  # it waited
        self.assertGreater(requests[2][2] - requests[1][2], 0.9)

    def test_retry_after_is_respected(self):
        target = self.send("w3", 429, 200)
        self.assertEqual(self.outcome(target)["status"], "executed")
        first, second = self.receiver.of(target)
        self.assertGreaterEqual(second[2] - first[2], 0.95)

    def test_refused_webhook_is_a_dead_letter_and_can_be_retried(self):
        target = self.send("w4", 400, 200)
        end = self.outcome(target)
        self.assertEqual((end["status"], end["attempts"]), ("failed", 1), end)
        self.assertIn("400", end["detail"])
        letters = self.brain.command("dlq.list")[-1]["letters"]
        self.assertEqual([l["ref"] for l in letters], [end["action_id"]])
        self.assertTrue(letters[0]["retryable"])
        answer = self.brain.command("dlq.retry", ref=end["action_id"])[-1]
        self.assertTrue(answer["ok"], answer)
        harness.wait_for(lambda: self.outcome(target)["status"] == "executed", 20, "the retry")
        first, second = self.receiver.of(target)
        self.assertEqual(first[1]["id"], second[1]["id"])
        self.assertEqual(self.brain.command("dlq.list")[-1]["letters"], [])

    def test_webhook_that_never_works_is_given_up(self):
        target = self.send("w5", 500)
        end = self.outcome(target)
        self.assertEqual((end["status"], end["attempts"]), ("failed", 3), end)
        time.sleep(0.5)
        self.assertEqual(len(self.receiver.of(target)), 3)

    def test_crash_in_between_makes_it_unknown_and_sends_nothing_blindly(self):
        target = self.send("w6", None)
        harness.wait_for(lambda: self.receiver.of(target), 10, "the request")
        self.brain.kill()
        self.receiver.hold.set()
        self.brain.start()
        end = self.outcome(target)
        self.assertEqual(end["status"], "unknown", end)
        time.sleep(0.5)
        self.assertEqual(len(self.receiver.of(target)), 1)
        letters = self.brain.command("dlq.list")[-1]["letters"]
        self.assertEqual([l["ref"] for l in letters], [end["action_id"]])
        self.assertTrue(self.brain.command("dlq.discard", ref=end["action_id"])[-1]["ok"])
        self.assertEqual(self.brain.command("dlq.list")[-1]["letters"], [])

    def test_nothing_leaves_while_halted(self):
        waiting = self.send("w7", 500, 200)
        harness.wait_for(lambda: self.receiver.of(waiting), 10, "the first attempt")
        self.assertTrue(self.brain.command("halt", reason="test")[-1]["ok"])
        count = len(self.receiver.requests)
        target = self.send("w8", 200)
        self.brain.settle()
        self.assertEqual(self.outcome(waiting)["status"], "cancelled")
        time.sleep(0.5)
        self.assertEqual(len(self.receiver.requests), count)
        self.assertEqual(self.receiver.of(target), [])
        self.assertTrue(self.brain.command("resume")[-1]["ok"])
        self.assertEqual(self.outcome(self.send("w9", 200))["status"], "executed")

    def test_receiver_that_is_not_there_is_retried_then_given_up(self):
        self.receiver.shutdown()
        self.receiver.server_close()
        end = self.outcome(self.send("w10", 200))
        self.assertEqual((end["status"], end["attempts"]), ("failed", 3), end)


class UndecidedTest(WebhookCase):
    """A daemon that waits for an agent when it is killed."""

    HOSTS = """hosts:
  - {{name: inside, agents: [customer, learning, anomaly, healing]}}
  - {{name: far, url: "tcp://127.0.0.1:{0}", agents: [logistics]}}
"""

    def start(self):
        self.brain.sets.append("agents.deadline=1m")
        self.brain.start_with_agent("far")

    def test_webhook_decided_after_a_restart_is_not_taken_for_one_before_it(self):
        self.brain.agents[0].send_signal(signal.SIGSTOP)
        target = self.send("u1", None)  # is not answered yet when the doors open
        harness.wait_for(lambda: self.brain.undecided() > 0, 10, "an undecided event")
        self.assertEqual(self.receiver.of(target), [])
        self.brain.kill()
        self.brain.end_agents()
        self.start()
        harness.wait_for(lambda: self.receiver.of(target), 10, "the request")
        self.receiver.hold.set()
        end = self.outcome(target)
        self.assertEqual((end["status"], end["attempts"]), ("executed", 1), end)


if __name__ == "__main__":
    sys.exit(harness.main())
