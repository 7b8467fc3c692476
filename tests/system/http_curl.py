"""All of HTTP by curl, over TLS and with a token, on a cluster of three: as a script on another machine would use it."""

import base64
import hashlib
import json
import os
import subprocess

import member
from cluster import ClusterTest, clog
from curl import Curl, Request
from wait import until

HTTP_PORT, GRPC_PORT = 7480, 8400
BYTES, LINES, JSON = "application/octet-stream", "application/x-ndjson", "application/json"


def encode(data):
    return base64.b64encode(data).decode()


class ByCurl(ClusterTest):
    limit_s = 90

    def setUp(self):
        super().setUp()
        self.curl = Curl()
        self.addCleanup(self.curl.close)
        self.cert("client", self.authority.name + "/ca", "ops", "--out", self.authority.name + "/ops")
        self.ca = self.authority.name + "/only"
        os.mkdir(self.ca)
        with open(self.authority.name + "/ops/ca.pem", "rb") as right, open(self.ca + "/ca.pem", "wb") as copy:
            copy.write(right.read())
        self.token = self.clog("token", "create", "script", "--grant", "produce,consume,observe").split()[-1]

    def add_member(self, number, *more):
        return super().add_member(number, "--http", f"{self.net}.{number}:{HTTP_PORT}", "--grpc",
                                  f"{self.net}.{number}:{GRPC_PORT}", *more)

    def clog(self, *words, feed=b""):
        """Runs clog as who may admin; gives what it prints."""
        return self.run_program([clog(), *words, "--server", f"{self.net}.1:{GRPC_PORT}", "--tls",
                                 self.authority.name + "/ops"], feed).decode()

    def ask(self, number, method, path, *more, **headers):
        """One request at a member."""
        request = Request(f"https://{self.net}.{number}:{HTTP_PORT}{path}", method, *more, **headers)
        return self.curl.ask(request, tls=self.ca, token=self.token)[0]

    def expect(self, status, answer):
        self.assertEqual((answer.status, answer.error), (status, 0), answer.body[:300])
        return answer

    def test_all_calls(self):
        until(lambda: all(self.ask(number, "GET", "/v1/status").status == 200 for number in (1, 2, 3)), 20,
              "all members know the token")
        made = self.expect(201, self.ask(1, "POST", "/v1/records", b"\0one\n", BYTES))
        self.assertEqual((json.loads(made.body), made.headers["location"]), ({"offset": 0, "count": 1}, "/v1/records/0"))
        self.expect(201, self.ask(2, "POST", "/v1/records", f'"{encode(b"two")}"\n"{encode(b"three")}"\n'.encode(), LINES))
        self.expect(201, self.ask(3, "POST", "/v1/records", json.dumps([encode(b"four")]).encode(), JSON))
        self.expect(412, self.ask(3, "POST", "/v1/records", b"x", BYTES, Clog_Expected_Offset="2"))
        self.expect(201, self.ask(3, "POST", "/v1/records", b"five", BYTES, Clog_Expected_Offset="4"))
        book = self.expect(200, self.ask(1, "POST", "/", json.dumps({"record": {"value": encode(b"six")}}).encode(), JSON))
        self.assertEqual(json.loads(book.body), {"offset": 5})
        largest = os.urandom(1044480)
        self.expect(201, self.ask(2, "POST", "/v1/records", largest, BYTES))
        self.expect(413, self.ask(2, "POST", "/v1/records", largest + b"x", BYTES))
        self.wait_for_equal_logs()
        for number in (1, 2, 3):
            self.assertEqual(self.expect(200, self.ask(number, "GET", "/v1/records/0")).body, b"\0one\n")
            one = self.expect(200, self.ask(number, "GET", "/v1/records/6"))
            self.assertEqual(hashlib.sha256(one.body).digest(), hashlib.sha256(largest).digest())
            self.expect(304, self.ask(number, "GET", "/v1/records/6", If_None_Match=one.headers["etag"]))
            found = self.expect(200, self.ask(number, "GET", "/", b'{"offset":5}', JSON))
            self.assertEqual(json.loads(found.body)["record"]["value"], encode(b"six"))
            some = self.expect(200, self.ask(number, "GET", "/v1/records?from=1&limit=4", Accept=BYTES))
            self.assertEqual(some.body, b"twothreefourfive")
            self.assertEqual(len(self.expect(200, self.ask(number, "GET", "/v1/records?limit=6")).body.splitlines()), 6)
            self.assertEqual(json.loads(self.expect(200, self.ask(number, "GET", "/v1/status")).body)["name"], f"n{number}")
            self.assertEqual(len(json.loads(self.expect(200, self.ask(number, "GET", "/v1/members")).body)["members"]), 3)
            self.assertIn(b"# HELP", self.expect(200, self.ask(number, "GET", "/metrics")).body)
            self.expect(200, self.ask(number, "GET", "/readyz"))
            self.expect(404, self.ask(number, "GET", "/v1/records/7"))
            self.assertIn(b"<!doctype html>", self.expect(200, self.ask(number, "GET", "/", Accept="text/html")).body)
            self.assertIn("text/event-stream", self.expect(200, self.ask(number, "HEAD", "/v1/tail")).headers["content-type"])

    def test_a_tail_ends_when_its_token_is_revoked(self):
        until(lambda: self.ask(2, "GET", "/v1/status").status == 200, 20, "the member knows the token")
        header = self.ca + "/header"
        with open(header, "w", encoding="ascii") as file:
            file.write(f"Authorization: Bearer {self.token}\n")
        tail = self.spawn(["curl", "-q", "-s", "-N", "--cacert", self.ca + "/ca.pem", "-H", "@" + header,
                           f"https://{self.net}.2:{HTTP_PORT}/v1/tail?from=0"], stdout=subprocess.PIPE)
        self.expect(201, self.ask(1, "POST", "/v1/records", b"told", BYTES))
        lines = iter(tail.stdout.readline, b"")
        self.assertIn(encode(b"told"), next(line for line in lines if line.startswith(b"data: ")).decode())
        self.clog("token", "revoke", "script")
        until(lambda: self.ask(2, "GET", "/v1/status").status == 401, 20, "the token is not known any more")
        self.clog("append", "-", feed=b"not told")
        self.assertEqual([line for line in lines if b"data: " in line], [], "the tail ends")
        tail.stdout.close()
        tail.wait(20)


if __name__ == "__main__":
    member.main()
