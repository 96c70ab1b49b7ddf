"""The schema of playbooks as editors use it: yaml-language-server checks and completes by it.

The server is what VS Code, Neovim and others run. It is fetched by `tools/setup --npm`; without it the
test is skipped. It speaks the Language Server Protocol over standard input and output, and gets nothing
from the network: the schema is a file beside the playbook.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ.get("CEREBRO_SOURCE") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.abspath(os.environ.get("CEREBRO_BUILD") or os.path.join(SOURCE, "build"))
BRAINCTL = os.path.join(BUILD, "tools/brainctl/brainctl")
SERVER = os.path.join(SOURCE, "tests/editor/node_modules/yaml-language-server/bin/"
                              "yaml-language-server")
PACK = os.path.join(SOURCE, "config/packs/logistics")
EXIT_SKIPPED = 77


class Server:
    """A language server and what is said to it."""

    def __init__(self, folder):
        self.number = 0
        self.process = subprocess.Popen(["node", SERVER, "--stdio"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.ask("initialize", {"processId": os.getpid(), "rootUri": "file://" + folder,
                                "capabilities": {"workspace": {"configuration": True}}})
        self.tell("initialized", {})

    def send(self, message):
        body = json.dumps(dict(message, jsonrpc="2.0")).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def tell(self, method, params):
        self.send({"method": method, "params": params})

    def receive(self):
        """The next message; what the server asks is answered with nothing special."""
        length = 0
        for line in iter(self.process.stdout.readline, b"\r\n"):
            if not line:
                raise EOFError("the language server ended")
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        message = json.loads(self.process.stdout.read(length))
        if "method" in message and "id" in message:
            items = message.get("params", {}).get("items", []) if message["params"] else []
            settings = [{"validate": True, "completion": True, "schemaStore": {"enable": False}}
                        if i.get("section") == "yaml" else None for i in items]
            self.send({"id": message["id"], "result": settings})
        return message

    def ask(self, method, params):
        self.number += 1
        self.send({"id": self.number, "method": method, "params": params})
        while True:
            message = self.receive()
            if message.get("id") == self.number and "method" not in message:
                return message["result"]

    def open(self, path, text):
        """Opens a text under a path; what the server finds in it."""
        uri = "file://" + path
        self.tell("textDocument/didOpen", {"textDocument": {
            "uri": uri, "languageId": "yaml", "version": 1, "text": text}})
        while True:
            message = self.receive()
            if (message.get("method") == "textDocument/publishDiagnostics"
                    and message["params"]["uri"] == uri):
                return message["params"]["diagnostics"]

    def complete(self, path, line, character):
        found = self.ask("textDocument/completion", {
            "textDocument": {"uri": "file://" + path},
            "position": {"line": line, "character": character}})
        return [item["label"] for item in (found["items"] if isinstance(found, dict) else found)]

    def close(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class EditorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="cerebro-editor-")
        subprocess.run([BRAINCTL, "playbooks", "new", "late-order", "--pack", PACK, "-q"],
                       cwd=cls.folder, check=True, timeout=60)
        cls.server = Server(cls.folder)
        with open(os.path.join(cls.folder, "late-order.yaml"), encoding="utf-8") as f:
            cls.text = f.read()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        shutil.rmtree(cls.folder)

    def open(self, name, text):
        path = os.path.join(self.folder, name)
        return path, self.server.open(path, text)

    def test_new_playbook_has_no_finding(self):
        self.assertEqual(self.open("new.yaml", self.text)[1], [])

    def test_mistakes_are_underlined(self):
        for old, new, message in [
                ("mode: shadow", "mode: shadwo", "Value is not accepted"),
                ("events: [order.created]", "events: [order.creatd]", "Value is not accepted"),
                ("throttle:", "throtle:", "throtle is not allowed"),
                ("action: alert_operator", "action: alert_operatr", "Value is not accepted"),
                ("per: 24h", "per: soon", "does not match the pattern"),
                ("      text: ", "      txt: ", "Missing property \"text\"")]:
            with self.subTest(new=new):
                self.assertIn(old, self.text)
                bad = self.text.replace(old, new, 1)
                findings = self.open("bad-%d.yaml" % abs(hash(new)), bad)[1]
                said = " | ".join(f["message"] for f in findings)
                self.assertIn(message, said)
                line = bad[:bad.index(new.strip())].count("\n")
                self.assertTrue(any(f["range"]["start"]["line"] <= line <= f["range"]["end"]["line"]
                                    for f in findings), findings)

    def test_every_shipped_playbook_is_clean(self):
        head = self.text.split("\n", 1)[0] + "\n"
        for folder, _, names in sorted(os.walk(os.path.join(SOURCE, "playbooks"))):
            for name in sorted(n for n in names if n.endswith(".yaml")):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    self.assertEqual(self.open("shipped-" + name, head + f.read())[1], [], name)

    def test_keys_and_names_are_completed(self):
        path, _ = self.open("keys.yaml", self.text + "\nprio")
        last = (self.text + "\nprio").count("\n")
        self.assertIn("priority", self.server.complete(path, last, 4))
        text = self.text.replace("mode: shadow", "mode: ")
        path, _ = self.open("mode.yaml", text)
        line = text[:text.index("mode: ")].count("\n")
        self.assertLessEqual({"off", "shadow", "live"},
                             {x.strip('"') for x in self.server.complete(path, line, 6)})
        text = self.text.replace("events: [order.created]", "events:\n  - ")
        path, _ = self.open("events.yaml", text)
        line = text[:text.index("events:")].count("\n") + 1
        self.assertIn("delivery.failed", self.server.complete(path, line, 4))


if __name__ == "__main__":
    if not shutil.which("node") or not os.path.exists(SERVER):
        print("SKIP: no yaml-language-server; tools/setup --npm fetches it")
        sys.exit(EXIT_SKIPPED)
    unittest.main(verbosity=2)
