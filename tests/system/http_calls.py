"""HTTP on one member, as people use it and as they should not: all calls, bad input, web pages, slow clients."""

import contextlib
import json
import random
import re
import socket
import subprocess

import member
from http_client import Door, Events, WebSocket, encode, read_all, together
from wait import until

LARGEST = 1044480


class HttpTest(member.MemberTest):
    """A test with a member that serves HTTP without TLS."""

    def new_member(self, name="one", *options):
        self.address = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.1:7480"
        self.door = Door(self.address)
        return super().new_member(name, "--http", self.address, *options)

    def refuse(self, answer, status, code):
        """The answer is an error, with all that an error has, and nothing was appended."""
        self.assertEqual((answer.status, answer.code), (status, code), answer.body)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertIs(answer.json["error"]["unknown"], False)
        self.assertTrue(answer.json["error"]["message"] and answer.json["error"]["advice"])


class Calls(HttpTest):
    """What is there, and what it answers."""

    def test_the_book_appends_and_reads(self):
        first = self.door.post("/", json.dumps({"record": {"value": encode(b"hello")}}), "application/json")
        self.assertEqual((first.status, first.json), (200, {"offset": 0}))
        again = self.door.post("/", '{"record":{"value":"","offset":9}}', "application/json; charset=utf-8")
        self.assertEqual((again.status, again.json), (200, {"offset": 1}))
        read = self.door.ask("GET", "/", '{"offset":0}')
        self.assertEqual((read.status, read.json), (200, {"record": {"value": encode(b"hello"), "offset": 0}}))
        self.refuse(self.door.ask("GET", "/", '{"offset":2}'), 404, "ENOENT")
        self.assertEqual(self.record(0), b"hello")

    def test_records_come_back_as_they_went_in(self):
        largest = random.Random(1).randbytes(LARGEST)
        self.assertEqual(self.door.post("/v1/records", b"\0one\n").json, {"offset": 0, "count": 1})
        made = self.door.post("/v1/records", largest)
        self.assertEqual((made.status, made.headers["Location"], made.headers["Clog-Offset"]), (201, "/v1/records/1", "1"))
        lines = '{"value":"%s"}\n"%s"\n' % (encode(b"two"), encode(b"three"))
        self.assertEqual(self.door.post("/v1/records", lines, "application/x-ndjson").json, {"offset": 2, "count": 2})
        text = json.dumps([encode(b"four"), {"value": encode(b"five")}])
        self.assertEqual(self.door.post("/v1/records", text, "application/json").json, {"offset": 4, "count": 2})
        self.assert_log([b"\0one\n", largest, b"two", b"three", b"four", b"five"])
        one = self.door.get("/v1/records/1")
        self.assert_same(one.body, largest, "the largest record")
        self.assertEqual((one.status, one.headers["Content-Type"]), (200, "application/octet-stream"))
        self.assertIn("immutable", one.headers["Cache-Control"])
        kept = self.door.get("/v1/records/1", If_None_Match=one.headers["ETag"])
        self.assertEqual((kept.status, kept.body, kept.headers["ETag"]), (304, b"", one.headers["ETag"]))
        self.assertEqual(self.door.get("/v1/records/1", If_None_Match='"1-00000000"').status, 200)
        head = self.door.ask("HEAD", "/v1/records/1")
        self.assertEqual((head.status, head.body, head.headers["Content-Length"]), (200, b"", str(LARGEST)))
        self.assertEqual(self.door.get("/v1/records/2", Accept="application/json").json["value"], encode(b"two"))

        everything = self.door.get("/v1/records")
        lines = [json.loads(line) for line in everything.body.splitlines()]
        self.assertEqual([line["offset"] for line in lines], list(range(6)))
        self.assertEqual(lines[5]["value"], encode(b"five"))
        some = self.door.get("/v1/records?from=2&limit=3", Accept="application/octet-stream")
        self.assertEqual((some.body, some.headers["Clog-First-Offset"], some.headers["Clog-Next-Offset"]),
                         (b"twothreefour", "2", "5"))
        self.assertEqual(self.door.get("/v1/records?from=6").body, b"")
        self.refuse(self.door.get("/v1/records?from=7"), 404, "ENOENT")

    def test_an_append_may_expect_its_offset(self):
        self.assertEqual(self.door.post("/v1/records", b"a", Clog_Expected_Offset="0").status, 201)
        self.refuse(self.door.post("/v1/records", b"b", Clog_Expected_Offset="0"), 412, "EEXIST")
        self.refuse(self.door.post("/v1/records", b"b", Clog_Expected_Offset="2"), 412, "ENXIO")
        self.refuse(self.door.post("/v1/records", b"b", Clog_Expected_Offset="-1"), 400, "EINVAL")
        self.assert_log([b"a"])

    def test_what_was_trimmed_is_gone(self):
        for _ in range(4):
            self.door.post("/v1/records", b"record")
        self.shell("echo 3 > mnt/log/first")
        self.refuse(self.door.get("/v1/records/2"), 410, "ESTALE")
        self.refuse(self.door.get("/v1/records?from=0"), 410, "ESTALE")
        self.assertEqual(json.loads(self.door.get("/v1/records").body)["offset"], 3)
        events = Events(self.door, "/v1/tail?from=1")
        trimmed, record = events.next(), events.next()
        events.close()
        self.assertEqual((trimmed["event"], trimmed["data"]), ("trimmed", '{"first_offset":3}'))
        self.assertEqual(record["id"], "3")

    def test_a_tail_tells_what_is_appended(self):
        self.door.post("/v1/records", b"before")
        events, socket = Events(self.door, "/v1/tail"), WebSocket(self.door, "/v1/tail?from=0")
        self.assertEqual(events.answer.headers["Content-Type"], "text/event-stream")
        self.assertTrue(socket.open, socket.status)
        self.assertEqual(json.loads(socket.next()[1])["value"], encode(b"before"))
        for i in range(1, 20):
            self.door.post("/v1/records", b"%d" % i)
            event = events.next()
            self.assertEqual((event["id"], json.loads(event["data"])["value"]), (str(i), encode(b"%d" % i)))
            message = json.loads(socket.next()[1])
            self.assertEqual((message["offset"], message["value"]), (i, encode(b"%d" % i)))
        events.close()
        again = Events(self.door, "/v1/tail?from=0", **{"Last-Event-ID": "17"})
        self.assertEqual([again.next()["id"], again.next()["id"]], ["18", "19"])
        socket.send(9, b"ping")
        self.assertEqual(socket.next(), (10, b"ping"))
        self.assertEqual(self.member.stop(), 0)
        self.assertIsNone(again.next(), "a tail ends in order")
        self.assertEqual(socket.next()[0], 8, "a WebSocket is closed in order")
        again.close()
        socket.close()

    def test_it_tells_about_itself(self):
        self.assertEqual((self.door.get("/livez").status, self.door.get("/readyz").status), (200, 200))
        members = self.door.get("/v1/members").json
        self.assertEqual((members["leader"], members["self"], members["members"][0]["role"]), ("one", "one", "voter"))
        status = self.door.get("/v1/status").json
        self.assertEqual((status["health"], status["next_offset"], status["leader"]), ("ok", 0, "one"))
        metrics = self.door.get("/metrics").body.decode()
        self.assertIn("\nclog_next_offset 0\n", metrics)
        mounted = member.read(self.member.path("status/metrics")).decode()
        self.assertEqual([line for line in metrics.splitlines() if line.startswith("#")],
                         [line for line in mounted.splitlines() if line.startswith("#")])

    def test_curl_does_it(self):
        base = f"http://{self.address}/v1/records"
        self.run_program(["curl", "-sS", "--fail-with-body", "-H", "Content-Type: application/octet-stream",
                          "--data-binary", "@-", base], feed=bytes(LARGEST))
        self.assertEqual(self.run_program(["curl", "-sS", base + "/0"]), bytes(LARGEST))


    def test_who_sends_no_more_is_answered(self):
        one = f"POST /v1/records HTTP/1.1\r\nHost: {self.address}\r\nContent-Length: 1\r\nContent-Type: application/octet-stream\r\n\r\nx"
        for text, count in ((one, 1), (one * 3, 3), (one + one[:-1], 1), (one + one[:20], 1)):
            with contextlib.closing(self.door.socket()) as wire:
                wire.sendall(text.encode())
                wire.shutdown(socket.SHUT_WR)
                self.assertEqual(read_all(wire).count(b"HTTP/1.1 201 Created"), count)

    def test_a_body_may_come_in_chunks(self):
        base = f"http://{self.address}/v1/records"
        record = ["curl", "-sS", "--fail-with-body", "-X", "POST", "-T", "-", "-H", "Content-Type: application/octet-stream", base]
        largest = random.Random(2).randbytes(LARGEST)
        self.run_program(record, feed=largest)
        self.run_program([*record[:-2], "Content-Type: application/x-ndjson", base], feed=b'"YQ=="\n' * 3)
        with contextlib.closing(self.door.connect()) as connection:
            for _ in range(3):
                connection.request("POST", "/v1/records", iter((b"in ", b"", b"pie", b"ces")),
                                   {"Content-Type": "application/octet-stream"}, encode_chunked=False)
                self.assertEqual(connection.getresponse().read()[:10], b'{"offset":')
                connection.request("GET", "/v1/status")
                self.assertEqual(connection.getresponse().read()[:10], b'{"version"')
        head = f"POST /v1/records HTTP/1.1\r\nHost: {self.address}\r\nContent-Type: application/octet-stream\r\n"
        chunked = (head + "Transfer-Encoding: Chunked\r\n\r\n").encode() + b"2\r\nab\r\n01\r\nc\r\n0\r\n\r\n"
        last = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        with contextlib.closing(self.door.socket()) as wire:
            for byte in chunked + last.replace(b": a", f": {self.address}".encode()):
                wire.sendall(bytes([byte]))
            answers = read_all(wire)
        self.assertEqual((answers.count(b"HTTP/1.1 201 "), answers.count(b"HTTP/1.1 200 ")), (1, 1), answers)
        self.assert_log([largest, b"a", b"a", b"a", *[b"in pieces"] * 3, b"abc"])


class BadInput(HttpTest):
    """What is refused, each with a clear error, and without an effect."""

    def tearDown(self):
        self.assertEqual(self.door.get("/v1/status").json["next_offset"], 0, "nothing was appended")

    def test_bodies_and_types(self):
        for body in ('{"record":{"value":"a"}}', "[" * 5000, '{"record":{"value":"YQ==","value":"YQ=="}}', "null"):
            self.refuse(self.door.post("/", body, "application/json"), 400, "EINVAL")
        for offset in ("-1", "9223372036854775808", "1.5", '"1"'):
            self.refuse(self.door.ask("GET", "/", '{"offset":%s}' % offset), 400, "EINVAL")
        self.refuse(self.door.post("/v1/records", b"", "application/json"), 400, "EINVAL")
        self.refuse(self.door.post("/v1/records", "[]", "application/json"), 400, "EINVAL")
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"):
            self.refuse(self.door.post("/v1/records", b"x", kind), 415, "EINVAL")
        self.refuse(self.door.post("/", b"x"), 415, "EINVAL")
        self.refuse(self.door.post("/v1/records", bytes(LARGEST + 1)), 413, "EMSGSIZE")
        self.refuse(self.door.post("/v1/records", b"x" * (13 << 20), "application/x-ndjson"), 413, "EMSGSIZE")

    def test_paths_and_methods(self):
        for path in ("/v1", "/v1/records/", "/v2/records", "/etc/passwd", "/v1/../../etc/passwd", "/%2e%2e/x", "//v1//x"):
            self.assertIn(self.door.get(path).status, (400, 404), path)
        for offset in ("-1", "01", "1x", "9223372036854775808", "%31%20"):
            self.refuse(self.door.get("/v1/records/" + offset), 400, "EINVAL")
        for query in ("access_token=x", "from=0&from=0", "from=-1", "limit=0", "x=1"):
            self.refuse(self.door.get("/v1/records?" + query), 400, "EINVAL")
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
            self.refuse(self.door.ask(method, "/v1/records/0"), 405, "EPERM")
        self.refuse(self.door.get("/v1/status", Authorization="Bearer x"), 401, "EKEYREJECTED")

    def test_heads_that_lie(self):
        def head(*lines):
            return "\r\n".join(("POST /v1/records HTTP/1.1", "Host: localhost", *lines, "", "")).encode()
        kind = "Content-Type: application/octet-stream"
        for lines, status in (((kind,), 411), ((kind, "Transfer-Encoding: gzip, chunked"), 501),
                              ((kind, "Transfer-Encoding: identity"), 501), ((kind, "Transfer-Encoding:"), 501),
                              ((kind, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 501),
                              ((kind, "Content-Length: 1", "Transfer-Encoding: chunked"), 400),
                              ((kind, "Transfer-Encoding: chunked", "Content-Length: 1"), 400),
                              ((kind, "Content-Length:"), 400), ((kind, "Content-Length: 1, 1"), 400),
                              ((kind, "Content-Length: 1", "Content-Length: 1"), 400),
                              ((kind, "Content-Length : 1"), 400), ((kind, "X-Folded: a", " Content-Length: 1"), 400),
                              ((kind, "Content-Length: 1\rX: y"), 400), ((kind, "X\0: y", "Content-Length: 1"), 400),
                              ((kind, "Content-Length: -1"), 400), ((kind, "Content-Length: 1", "Content-Length: 2"), 400),
                              ((kind, "Content-Length: 99999999999999999999"), 400), ((kind, "Content-Length: 1x"), 400),
                              ((kind, "Content-Length: 4294967297"), 413)):
            self.assertIn(f" {status} ".encode(), self.door.raw(head(*lines) + b"x").split(b"\r\n")[0], lines)
        chunked = head(kind, "Transfer-Encoding: chunked")
        for body, status in ((b"1;a=b\r\nx\r\n0\r\n\r\n", 400), (b"1\r\nx\r\n0\r\nA: b\r\n\r\n", 400), (b"x\r\n", 400),
                             (b"1\nx\n0\n\n", 400), (b"1\r\nxy\r\n0\r\n\r\n", 400), (b"ffffffffffffffff\r\n", 400),
                             (b"fffffff\r\n" + bytes(2 << 20), 413), (b"100000\r\n" + bytes(1 << 20) + b"\r\n", 413)):
            self.assertIn(f" {status} ".encode(), self.door.raw(chunked + body).split(b"\r\n")[0], body[:40])
        self.assertIn(b" 403 ", self.door.raw(b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n").split(b"\r\n")[0])
        twice = b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        self.assertIn(b" 403 ", self.door.raw(twice).split(b"\r\n")[0])
        for garbage in (b"\x16\x03\x01\x02\0", b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"x" * 20000,
                        b"GET /%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"\r\n" * 9000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            self.assertNotIn(b" 200 ", self.door.raw(garbage)[:20])

    def test_web_pages_of_others(self):
        here = f"http://{self.address}"
        self.assertEqual(self.door.get("/v1/status", Origin=here).status, 200)
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"},
                        {"Host": "evil.example:7480", "Origin": "http://evil.example:7480"},
                        {"Sec_Fetch_Site": "cross-site"}):
            self.refuse(self.door.post("/v1/records", b"x", **headers), 403, "EACCES")
        for path, origin, status in (("/v1/tail", "http://evil.example", 403), ("/v1/tail", here, 101),
                                     ("/v1/tail?from=-1", here, 400), ("/v1/records", here, 400)):
            with contextlib.closing(WebSocket(self.door, path, Origin=origin)) as wire:
                self.assertIn(f" {status} ", wire.status)

    def test_other_users_of_this_machine_are_judged_by_the_mode(self):
        def ask(*words):
            command = ["setpriv", "--reuid=4711", "--regid=4711", "--clear-groups", "curl", "-sS", "-w", "%{http_code}",
                       "-H", "Content-Type: application/octet-stream", *words[:-1], f"http://{self.address}{words[-1]}"]
            return subprocess.run(command, capture_output=True, timeout=20, check=True).stdout[-3:]
        self.assertEqual((ask("/livez"), ask("/v1/status"), ask("/v1/records")), (b"200", b"200", b"200"))
        self.assertEqual(ask("--data-binary", "x", "/v1/records"), b"403")
        until(lambda: "event=denied door=http principal=user:4711 action=produce" in self.member.told(), 10, "an event tells")


class Pace(HttpTest):
    """Clients that are slow, or that go."""

    limit_s = 90

    def test_who_does_not_read_costs_little(self):
        for _ in range(64):
            self.door.post("/v1/records", bytes(LARGEST))
        before = self.anonymous()
        slow = [self.door.socket() for _ in range(8)]
        for wire in slow:
            wire.sendall(f"GET /v1/records HTTP/1.1\r\nHost: {self.address}\r\n\r\n".encode())
        sockets = [WebSocket(self.door, "/v1/tail?from=0") for _ in range(4)]
        for wire in slow:
            self.assertTrue(wire.recv(1))
        for socket in sockets:
            self.assertTrue(socket.wire.recv(1))
        self.assertEqual(self.door.get("/v1/records/63").status, 200)
        self.assertLess(self.anonymous() - before, 100 << 20, "64 MiB of records to 12 who do not read them")
        for wire in slow:
            wire.close()
        for socket in sockets:
            socket.close()

    def anonymous(self):
        """Bytes of memory of its own that the member has."""
        with open(f"/proc/{self.member.process.pid}/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))

    def test_many_at_once_and_what_is_sent_too_early(self):
        def write():
            with contextlib.closing(self.door.connect()) as connection:
                for _ in range(20):
                    connection.request("POST", "/v1/records", b"x", {"Content-Type": "application/octet-stream"})
                    self.assertEqual(connection.getresponse().read()[:10], b'{"offset":')
        together(*[write] * 16)
        one = (f"POST /v1/records HTTP/1.1\r\nHost: {self.address}\r\nContent-Type: application/octet-stream\r\n"
               "Content-Length: 1\r\n\r\nx").encode()
        last = one.replace(b"Content-Length", b"Connection: close\r\nContent-Length")
        answers = self.door.raw(one * 40 + last)
        offsets = [int(number) for number in re.findall(rb'{"offset":(\d+),"count":1}', answers)]
        self.assertEqual(offsets, list(range(320, 361)), "one after the other, on one connection")
        self.door.raw(one * 2000)
        self.assertEqual(self.door.get("/livez").status, 200, "too many end the connection, and it goes on")

    def test_who_has_gone_is_forgotten(self):
        def open_files():
            return len(self.run_program(["ls", f"/proc/{self.member.process.pid}/fd"]).split())
        before = open_files()
        tails = [Events(self.door, "/v1/tail") for _ in range(20)]
        self.assertGreaterEqual(open_files(), before + 10)
        for tail in tails:
            tail.answer.close()
            tail.close()
        until(lambda: open_files() <= before, 10, "what is left of the tails is closed")

    def test_appends_of_who_has_gone_are_appended(self):
        head = f"POST /v1/records HTTP/1.1\r\nHost: {self.address}\r\nContent-Type: application/octet-stream\r\n"
        for _ in range(20):
            wire = self.door.socket()
            wire.sendall(head.encode() + b"Content-Length: 1\r\n\r\nx")
            wire.close()
        self.assertEqual(self.door.post("/v1/records", b"y").status, 201)
        half = self.door.socket()
        half.sendall(head.encode() + b"Content-Length: 100\r\n\r\nx")
        self.assertEqual(self.member.stop(), 0)
        half.close()


if __name__ == "__main__":
    member.main()
