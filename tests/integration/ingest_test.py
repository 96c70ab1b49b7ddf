"""The acknowledged door as a foreign client sees it: what is taken, what is refused and why."""

import datetime
import json
import shutil
import socket
import struct
import subprocess
import sys
import time

import harness
import mp
from harness import order


def at(**delta):
    """Now, shifted, as RFC 3339."""
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**delta)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def with_data(number, **fields):
    """An order with other or further data fields."""
    event = order(number)
    event["data"].update(fields)
    event["data"] = {key: value for key, value in event["data"].items() if value is not None}
    return event


def raw_event(number, **raw):
    """An order whose top-level attributes are given as msgpack bytes."""
    event = order(number)
    event.update({key: mp.Raw(value) for key, value in raw.items()})
    return event


def nested(depth):
    """Arrays in arrays."""
    return b"\x91" * depth + b"\xc0"


class IngestTest(harness.Case):
    """One daemon for all; every test uses ids of its own."""

    @classmethod
    def setUpClass(cls):
        cls.brain = harness.Brain("tenants:\n  - {id: 1, name: demo}\n  - {id: 2, name: other}\n",
                                  sets=["limits.message_bytes=256KiB"]).start()
        cls.client = cls.brain.client()

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        assert cls.brain.stop() == 0, cls.brain.log()

    def external_ids(self):
        """Ids of all producers' events in the journal."""
        return [r["event"]["id"] for r in harness.events_of(self.brain.journal())
                if not r["internal"]]

    def check_taken(self, answer, count=1):
        """All of the events were new; their sequence numbers."""
        self.assertEqual((answer["ok"], answer["duplicates"], answer["errors"]), (count, 0, 0),
                         answer)
        self.assertEqual([r[0] for r in answer["results"]], ["ok"] * count)
        return [r[1] for r in answer["results"]]

    def check_refused(self, answer, error, path="", text=""):
        """One event or message was refused for this reason."""
        self.assertEqual((answer["ok"], answer["duplicates"], answer["errors"]), (0, 0, 1), answer)
        status, got_error, got_path, got_text = answer["results"][0]
        self.assertEqual((status, got_error, got_path), ("error", error, path), got_text)
        self.assertIn(text, got_text)
        self.assertNotEqual(got_text, "")

    # --- what is taken ---

    def test_msgpack_event_is_acknowledged_with_its_seq(self):
        seq, = self.check_taken(self.client.ask(order("mp-1")))
        record = [r for r in self.brain.journal() if r["seq"] == seq]
        self.assertEqual(record[0]["event"]["id"], "order-mp-1")
        self.assertEqual(record[0]["event"]["data"]["customer_id"], "c-mp-1")

    def test_json_event_is_answered_in_json(self):
        self.check_taken(self.client.ask_json(order("json-1")))

    def test_json_from_nngcat_is_acknowledged(self):
        if shutil.which("nngcat") is None:
            self.skipTest("nngcat is not installed (Debian: nng-utils)")
        done = subprocess.run(["nngcat", "--req", "--dial", self.brain.ingest, "--raw",
                               "--recv-timeout", "5", "--data", json.dumps(order("nngcat-1"))],
                              capture_output=True, timeout=20)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_taken(json.loads(done.stdout))

    def test_event_sent_again_is_a_duplicate_with_the_first_seq(self):
        seq, = self.check_taken(self.client.ask(order("dup-1")))
        for ask in (self.client.ask, self.client.ask_json):
            answer = ask(order("dup-1"))
            self.assertEqual((answer["ok"], answer["duplicates"]), (0, 1), answer)
            self.assertEqual(answer["results"], [["duplicate", seq]])
        again = self.brain.client()
        self.assertEqual(again.ask(order("dup-1"))["results"], [["duplicate", seq]])
        again.close()
        self.assertEqual(self.external_ids().count("order-dup-1"), 1)

    def test_same_id_of_another_source_or_tenant_is_another_event(self):
        self.check_taken(self.client.ask(order("same")))
        self.check_taken(self.client.ask(order("same", source="/test/another")))
        self.check_taken(self.client.ask(order("same", tenant="other")))

    def test_numbered_source_is_deduplicated_by_sequence(self):
        for i in range(1, 4):
            self.check_taken(self.client.ask(order("seq-%d" % i, source="/test/numbered",
                                                   sequence=str(i))))
        answer = self.client.ask(order("seq-2", source="/test/numbered", sequence="2"))
        self.assertEqual(answer["duplicates"], 1, answer)

    def test_batch_is_acknowledged_event_by_event(self):
        seqs = self.check_taken(self.client.ask([order("b-%d" % i) for i in range(40)]), 40)
        self.assertEqual(seqs, sorted(set(seqs)))

    def test_one_bad_event_does_not_spoil_a_batch(self):
        batch = [order("mixed-1"), with_data("mixed-2", value=-5), order("mixed-3"),
                 order("mixed-1")]
        answer = self.client.ask(batch)
        self.assertEqual((answer["ok"], answer["duplicates"], answer["errors"]), (2, 1, 1))
        self.assertEqual([r[0] for r in answer["results"]], ["ok", "error", "ok", "duplicate"])
        self.assertEqual(answer["results"][1][1:3], ["RT_ERANGE", "data.value"])
        self.assertEqual(answer["results"][3][1], answer["results"][0][1])
        ids = self.external_ids()
        self.assertIn("order-mixed-3", ids)
        self.assertNotIn("order-mixed-2", ids)

    def test_empty_batch_is_answered(self):
        self.assertEqual(self.client.ask([]), {"ok": 0, "duplicates": 0, "errors": 0, "results": []})

    def test_requests_in_a_row_are_answered_each_once(self):
        clients = [self.brain.client() for _ in range(8)]
        for i, client in enumerate(clients):
            client.send(mp.pack(order("row-%d" % i)))
        for client in clients:
            self.check_taken(mp.unpack(client.receive()[1]))
            client.close()

    def test_fire_and_forget_event_is_taken(self):
        port = int(self.brain.pull.rsplit(":", 1)[1])
        push = socket.create_connection(("127.0.0.1", port), 5)
        push.sendall(b"\x00SP\x00\x00\x50\x00\x00")  # we are a PUSH socket
        self.assertEqual(push.recv(8), b"\x00SP\x00\x00\x51\x00\x00")
        body = mp.pack(order("pushed-1"))
        push.sendall(struct.pack(">Q", len(body)) + body)
        harness.wait_for(lambda: "order-pushed-1" in self.external_ids(), 10, "the pushed event")
        push.close()

    # --- what is refused ---

    def test_bad_input_is_refused_with_its_reason_and_not_stored(self):
        before = len(harness.events_of(self.brain.journal()))
        for n, (body, error, path, text) in enumerate(self.bad_inputs()):
            with self.subTest(n=n, error=error, text=text):
                if not isinstance(body, bytes):
                    body = mp.pack(body)
                reply = self.client.call(body)
                answer = json.loads(reply) if body[:1] in (b"{", b"[", b" ") else mp.unpack(reply)
                self.check_refused(answer, error, path, text)
        cases = len(self.bad_inputs())
        records = self.brain.journal()
        after = [r for r in harness.events_of(records) if not r["internal"]]
        self.assertNotIn("bad", " ".join(r["event"]["id"] for r in after))
        rejects = [r for r in records if r["kind"] == "reject" and r["door"] == "ingest"]
        self.assertGreaterEqual(len(rejects), cases)
        self.assertTrue(all(r["text"] for r in rejects))
        self.assertLessEqual(before, len(harness.events_of(records)))

    def bad_inputs(self):
        """(message, error, path, part of the text) of everything that must be refused."""
        big = "x" * 300
        return [
            # not msgpack, not JSON
            (b"\x82\xa2id", "RT_EPROTO", "", ""),
            (b"\xc1", "RT_EPROTO", "", ""),
            (mp.pack(order("bad-1")) + b"\x00", "RT_EPROTO", "", ""),
            (b"", "RT_EPROTO", "", ""),
            (mp.pack("hello"), "RT_EPROTO", "", "map"),
            (mp.pack(5), "RT_EPROTO", "", "map"),
            (b'{"id": "bad-2", ', "RT_EPROTO", "", ""),
            (b'{"id": "bad-2"} x', "RT_EPROTO", "", ""),
            (b'{"id": "bad-3", "id": "bad-4"}', "RT_EDUP", "", "id"),
            (b'{"id": "bad-5\xff"}', "RT_EUTF8", "", ""),
            (b'{"n": 123456789012345678901234567890}', "RT_EPROTO", "", ""),
            # bombs
            (b"\xdd\xff\xff\xff\xff", "RT_EPROTO", "", ""),
            (b"\xdf\xff\xff\xff\xff", "RT_EPROTO", "", ""),
            (b"\xdb\xff\xff\xff\xff", "RT_EPROTO", "", ""),
            (nested(10000), "RT_ELIMIT", "", ""),
            (b"[" * 10000, "RT_ELIMIT", "", ""),
            (b"[" * 60 + b"]" * 60, "RT_ELIMIT", "", ""),
            ([order("bad-6")] + [None] * 4096, "RT_ELIMIT", "", "4096"),
            (order("bad-7", id=big), "RT_ELIMIT", "id", "128"),
            (order("bad-8", source=big), "RT_ELIMIT", "source", "128"),
            (order("bad-9", subject=big), "RT_ELIMIT", "subject", "128"),
            (with_data("bad-10", customer_id=big), "RT_ELIMIT", "data.customer_id", "64"),
            # attributes
            (order("bad-11", id=None), "RT_EMISSING", "id", ""),
            (order("bad-12", id=""), "RT_EMISSING", "id", ""),
            (order("bad-13", source=None), "RT_EMISSING", "source", ""),
            (order("bad-14", type=None), "RT_EMISSING", "type", ""),
            (order("bad-15", id=5), "RT_ETYPE", "id", ""),
            (order("bad-16", type="order.creatd"), "RT_EUNKNOWN", "type", "order.created"),
            (order("bad-17", type="zzz"), "RT_EUNKNOWN", "type", "zzz"),
            (order("bad-18", tenant="nobody"), "RT_EUNKNOWN", "tenant", "nobody"),
            (order("bad-19", tenant=None), "RT_EUNKNOWN", "tenant", ""),
            (order("bad-20", priority=11), "RT_ETYPE", "priority", ""),
            (order("bad-45", priority="urgent"), "RT_ERANGE", "priority", "high"),
            (order("bad-21", specversion="2.0"), "RT_ERANGE", "specversion", "1.0"),
            (raw_event("bad-22", id=b"\xa4bad\xff"), "RT_EUTF8", "", ""),
            (order("bad-23", time="yesterday"), "RT_ETYPE", "time", "yesterday"),
            (order("bad-24", time=at(days=-91)), "RT_ESTALE", "time", "90d"),
            (order("bad-25", time=at(minutes=7)), "RT_EFUTURE", "time", "5m"),
            (order("bad-26", time="9999-12-31T23:59:59Z"), "RT_EFUTURE", "time", ""),
            (order("bad-27", data=None), "RT_EMISSING", "data.customer_id", ""),
            (order("bad-28", data=[1]), "RT_ETYPE", "data", ""),
            # data
            (with_data("bad-29", customer_id=None), "RT_EMISSING", "data.customer_id", ""),
            (with_data("bad-30", customer_id=7), "RT_ETYPE", "data.customer_id", ""),
            (with_data("bad-31", items=1.5), "RT_ETYPE", "data.items", ""),
            (with_data("bad-32", items=-1), "RT_ERANGE", "data.items", ""),
            (with_data("bad-33", value=1e18), "RT_ERANGE", "data.value", ""),
            (with_data("bad-34", value=float("nan")), "RT_ERANGE", "data.value", ""),
            (with_data("bad-35", channel="pigeon"), "RT_ERANGE", "data.channel", "pigeon"),
            (with_data("bad-36", customer="c"), "RT_EUNKNOWN", "data.customer", ""),
            (with_data("bad-37", citty="Cali"), "RT_EUNKNOWN", "data.citty", "city"),
            (with_data("bad-38", promised_at="tomorrow"), "RT_ETYPE", "data.promised_at", ""),
            # what only the brain itself may say
            (order("bad-39", type="system.halted", data={"by": "me"}), "RT_EDENIED", "type", ""),
            (order("bad-46", type="approval.decided",
                   data={"playbook": "p", "key": "k", "verdict": "granted", "by": "me"}),
             "RT_EDENIED", "type", ""),
            (order("bad-40", type="system.resumed", data={"by": "me"}), "RT_EDENIED", "type", ""),
            (order("bad-41", type="timer.fired", data={"owner": "o", "key": "k"}), "RT_EDENIED",
             "type", "brain"),
            (order("bad-42", type="action.executed",
                   data={"action_id": "a", "action": "b", "decision_seq": 1, "status": "executed"}),
             "RT_EDENIED", "type", "brain"),
            (order("bad-43", type="metric.sampled", data={"value": 1.0}), "RT_EDENIED", "type", ""),
            (order("bad-44", type="decision.rewarded", data={"decision_seq": 1, "reward": 1.0}),
             "RT_EDENIED", "type", ""),
        ]

    def test_flood_of_bad_input_is_recorded_only_in_part(self):
        time.sleep(1.1)  # a new second for the bound on reject records
        before = len([r for r in self.brain.journal() if r["kind"] == "reject"])
        began = time.monotonic()
        for _ in range(4):
            answer = self.client.ask([5] * 500)
            self.assertEqual(answer["errors"], 500)
        seconds = int(time.monotonic() - began) + 2
        rejects = len([r for r in self.brain.journal() if r["kind"] == "reject"]) - before
        self.assertGreater(rejects, 0)
        self.assertLessEqual(rejects, 100 * seconds)

    def test_counters_say_what_came_in(self):
        def counters():
            return self.brain.command("status")[-1]["metrics"]
        before = counters()
        self.client.ask([order("count-1"), order("count-2"), order("count-1"),
                         with_data("count-3", value=-1)])
        self.client.call(b"\xc1")
        after = counters()
        grown = {name: after[name] - before[name] for name in
                 ("messages_in", "events_in", "events_duplicate", "events_rejected",
                  "messages_rejected")}
        self.assertEqual(grown, {"messages_in": 2, "events_in": 2, "events_duplicate": 1,
                                 "events_rejected": 2, "messages_rejected": 1})

    # --- the door itself ---

    def test_door_survives_connections_that_say_nothing(self):
        for i in range(100):
            s = socket.create_connection(("127.0.0.1", self.brain.port), 5)
            if i % 4 == 1:
                s.sendall(harness.Client.GREETING[:i % 8])
            elif i % 4 == 2:
                s.sendall(b"GET / HTTP/1.1\r\n\r\n")
            elif i % 4 == 3:  # not a REQ socket
                s.sendall(b"\x00SP\x00\x00\x10\x00\x00")
            s.close()
        self.check_alive("nothing")

    def test_oversized_message_ends_its_connection_only(self):
        for length in (257 * 1024, 8 << 30, (1 << 64) - 1):
            client = self.brain.client(timeout=5)
            try:
                client.socket.sendall(struct.pack(">Q", length) + b"\x80\x00\x00\x01" + b"x" * 1000)
                if length < 1 << 20:
                    client.socket.sendall(b"x" * (length - 1004))
                answer = client.socket.recv(8)
                self.assertEqual(answer, b"", "an oversized message was answered")
            except ConnectionError:
                pass
            client.close()
            self.check_alive("oversize-%d" % length)

    def test_request_without_a_reader_does_not_stop_others(self):
        for i in range(20):
            client = self.brain.client()
            client.send(mp.pack(order("gone-%d" % i)))
            client.close()
        self.check_alive("gone")
        self.assertEqual(self.client.ask(order("gone-0"))["errors"], 0)

    def test_message_without_a_request_id_is_no_request(self):
        client = self.brain.client(timeout=2)
        client.socket.sendall(struct.pack(">Q", 2) + b"ab")
        try:
            self.assertEqual(client.socket.recv(8), b"")
        except (ConnectionError, socket.timeout):
            pass
        client.close()
        self.check_alive("no-id")

    def check_alive(self, what):
        """A new client and the old one are answered."""
        client = self.brain.client()
        self.check_taken(client.ask(order("alive-" + what)))
        client.close()
        self.check_taken(self.client.ask(order("alive-too-" + what)))


class EventsClockTest(harness.Case):
    """The events' own time drives the clock, and it may jump by more than any window."""

    def test_batch_over_many_weeks_sent_again_is_all_duplicates(self):
        brain = harness.Brain(sets=["clock.source=events", "dedup.window=30d", "clock.age_max=60d"])
        brain.start()
        client = brain.client()
        batch = [dict(order("far-%d" % i), time=at(days=-120 + 50 * i)) for i in range(3)]
        first = client.ask(batch)
        again = client.ask(batch)
        client.close()
        self.assertEqual(brain.stop(), 0, brain.log())
        self.assertEqual(first["ok"], 3, first)
        self.assertEqual((again["ok"], again["duplicates"], again["errors"]), (0, 3, 0), again)
        self.assertEqual([r[1] for r in again["results"]], [r[1] for r in first["results"]])


if __name__ == "__main__":
    sys.exit(harness.main())
