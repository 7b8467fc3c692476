"""Who asks over HTTP, by tokens: made, used and taken away at different members; the access list; long answers that end with
the right to them; and what speaks TLS 1.2, where that is let in, and where not."""

import json
import socket
import ssl

import member
from cluster import PORT, ClusterTest
from http_client import Door, Events, WebSocket, client_context, encode
from wait import until

JSON = "application/json"


class HttpTokens(ClusterTest):
    """Three members with certificates that serve HTTP."""

    limit_s = 120

    def add_member(self, number, *more):
        return super().add_member(number, "--http", f"{self.net}.{number}:7480", "--tls-min", "1.2", *more)

    def setUp(self):
        super().setUp()
        folder = self.authority.name
        self.cert("client", folder + "/ca", "ann", "--out", folder + "/ann")
        self.ann, self.nobody = client_context(folder + "/ann"), client_context(authority=folder + "/ann")
        self.admins = [Door(f"{self.net}.{number}:7480", self.ann) for number in (1, 2, 3)]
        self.doors = [Door(f"{self.net}.{number}:7480", self.nobody) for number in (1, 2, 3)]

    def make(self, name, *grants, **more):
        """Makes a token, and gives its header."""
        made = self.admins[0].post("/v1/tokens", json.dumps({"name": name, "grants": grants, **more}), JSON)
        self.assertEqual(made.status, 201, made.body)
        self.assertEqual(made.headers["Cache-Control"], "no-store")
        self.secrets.append(made.json["token"])
        return "Bearer " + made.json["token"]

    def wait_for(self, door, status, path, header):
        until(lambda: door.get(path, Authorization=header).status == status, 10, f"{path} is answered by {status}")

    def refused(self, answer, error):
        """It is not known who asks, and the client is told how to say it."""
        self.assertEqual((answer.status, answer.code), (401, "EKEYREJECTED"), answer.body)
        told = 'Bearer realm="clog"' + (f', error="{error}"' if error else "")
        self.assertEqual(answer.headers["WWW-Authenticate"], told)
        for secret in self.secrets:
            self.assertNotIn(secret.encode(), answer.body)

    def test_tokens(self):
        self.secrets = []
        writer, reader = self.make("writer", "produce"), self.make("reader", "consume", "observe")
        for door in self.doors:
            self.wait_for(door, 200, "/v1/status", reader)
        self.assertEqual(self.doors[1].post("/v1/records", b"x", Authorization=writer).json["offset"], 0)
        until(lambda: self.doors[2].get("/v1/records/0", Authorization=reader).body == b"x", 10, "it is read elsewhere")
        for door in self.doors:
            self.assertEqual(door.post("/v1/records", b"x", Authorization=reader).status, 403)
            self.assertEqual(door.get("/v1/records/0", Authorization=writer).status, 403)
            self.assertEqual(door.get("/v1/tokens", Authorization=reader).status, 403)
        # Whatever the connection is: a token is never more than itself, and one that is not good is nobody.
        self.assertEqual(self.admins[0].post("/v1/records", b"x", Authorization=reader).status, 403)
        for door in (self.doors[0], self.admins[0]):
            for bad in ("Bearer clog_" + "A" * 43, "Bearer", "Bearer ", "Bearer x y", reader + "A", "Bearer " + "x" * 5000):
                self.refused(door.get("/v1/status", Authorization=bad),
                             "invalid_token" if bad[:7] == "Bearer " and bad[7:] else None)
            for bad in ("Basic YWRtaW46YWRtaW4=", "", "Digest x", reader[7:]):
                self.refused(door.get("/v1/status", Authorization=bad), None)
            twice = f"GET /v1/status HTTP/1.1\r\nHost: a\r\nAuthorization: {reader}\r\nAuthorization: {reader}\r\n"
            head = door.raw((twice + "Connection: close\r\n\r\n").encode())
            self.assertIn(b"HTTP/1.1 401 ", head)
            self.assertEqual(door.get("/v1/status?access_token=" + reader[7:]).status, 400)
        self.assertEqual(self.doors[0].get("/livez", Authorization=reader).status, 200)
        self.refused(self.doors[0].get("/v1/status"), None)

        # Names, and what is told of them.
        again = json.dumps({"name": "reader", "grants": ["admin"]})
        self.assertEqual(self.admins[1].post("/v1/tokens", again, JSON).status, 409)
        for wrong in ({"name": "x"}, {"name": "x", "grants": []}, {"name": "x", "grants": ["root"]}, {"name": ".x", "grants": ["admin"]},
                      {"name": "x", "grants": ["admin"], "seconds": 0}, {"name": "x", "grants": "admin"}, [], {"name": "x/y", "grants": ["admin"]}):
            self.assertEqual(self.admins[0].post("/v1/tokens", json.dumps(wrong), JSON).status, 400, wrong)
        told = self.admins[2].get("/v1/tokens")
        self.assertEqual([(token["name"], token["grants"]) for token in told.json["tokens"]],
                         [("reader", ["consume", "observe"]), ("writer", ["produce"])])

        # Long answers end when the token does.
        tails = [Events(self.doors[1], "/v1/tail?from=0", Authorization=reader)]
        socket_tail = WebSocket(self.doors[1], "/v1/tail?from=0", Authorization=reader)
        self.assertEqual(json.loads(tails[0].next()["data"])["value"], encode(b"x"))
        self.assertEqual(json.loads(socket_tail.next()[1])["value"], encode(b"x"))
        self.assertEqual(self.admins[2].ask("DELETE", "/v1/tokens/reader").status, 200)
        self.assertIsNone(tails[0].next(), "the tail ends")
        self.assertEqual(socket_tail.next()[0], 8, "the WebSocket is closed")
        self.refused(self.doors[1].get("/v1/status", Authorization=reader), "invalid_token")
        self.assertEqual(self.admins[2].ask("DELETE", "/v1/tokens/reader").status, 404)
        socket_tail.close()
        tails[0].close()

        # One that ends by itself.
        short = self.make("short", "consume", seconds=2)
        self.wait_for(self.doors[0], 200, "/v1/records/0", short)
        tail = Events(self.doors[0], "/v1/tail?from=0", Authorization=short)
        tail.next()
        self.assertIsNone(tail.next(), "the tail ends with the token's time")
        tail.close()
        self.refused(self.doors[0].get("/v1/records/0", Authorization=short), "invalid_token")

        # The list rules certificates; tokens have what they were granted.
        self.assertEqual(self.admins[0].get("/v1/acl").status, 404)
        self.assertEqual(self.admins[0].ask("PUT", "/v1/acl", "nonsense\n").status, 400)
        self.assertEqual(self.admins[0].ask("PUT", "/v1/acl", "").status, 400)
        self.assertEqual(self.admins[0].ask("PUT", "/v1/acl", "p, cert:ann, *, admin\n").status, 200)
        until(lambda: all(door.get("/v1/records/0").status == 403 for door in self.admins), 10, "the list is in force")
        self.assertEqual(self.admins[2].get("/v1/acl").body, b"p, cert:ann, *, admin\n")
        self.assertEqual(self.doors[0].post("/v1/records", b"y", Authorization=writer).status, 201)
        self.assertEqual(self.admins[1].ask("DELETE", "/v1/acl").status, 200)
        until(lambda: self.admins[0].get("/v1/records/0").status == 200, 10, "the list is gone")

        # The log's bounds.
        kept = json.dumps({"bytes": 1 << 40, "seconds": 7 * 86400})
        self.assertEqual(self.admins[1].ask("PUT", "/v1/retention", kept, Content_Type=JSON).json, json.loads(kept))
        until(lambda: self.admins[0].get("/v1/retention").json == json.loads(kept), 10, "all keep as much")
        for wrong in ("{}", '{"bytes":1}', '{"bytes":-1,"seconds":0}', '{"bytes":1,"seconds":0,"x":1}', "[]"):
            self.assertEqual(self.admins[0].ask("PUT", "/v1/retention", wrong, Content_Type=JSON).status, 400, wrong)
        self.assertEqual(self.admins[0].ask("DELETE", "/v1/records").status, 400)
        self.assertEqual(self.admins[0].ask("DELETE", "/v1/records?below=3").status, 400)
        self.assertEqual(self.admins[0].ask("DELETE", "/v1/records?below=1").json, {"first_offset": 1})
        self.assertEqual(self.doors[0].ask("DELETE", "/v1/records?below=2", Authorization=writer).status, 403)
        until(lambda: self.admins[2].get("/v1/records/0").status == 410, 10, "it is trimmed everywhere")
        for member_ in self.members:
            for secret in self.secrets:
                self.assertNotIn(secret, member_.told())
        self.assertIn("event=admin_done door=http principal=cert:ann command=set key=token/writer", self.members[0].told())

    def test_who_may_speak_tls_1_2(self):
        def old(context, newest=ssl.TLSVersion.TLSv1_2):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = newest
            return context
        self.assertEqual(Door(f"{self.net}.1:7480", old(self.ann)).post("/v1/records", b"x").status, 201)
        self.assertEqual(Door(f"{self.net}.1:7480", old(self.nobody)).get("/livez").status, 200)
        older = old(client_context(authority=self.authority.name + "/ann"), ssl.TLSVersion.TLSv1_1)
        older.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            Door(f"{self.net}.1:7480", older).get("/livez")
        # Members are as strict as ever: a member's certificate and TLS 1.3.
        peer = client_context(self.authority.name + "/n2")
        for context, let_in in ((peer, True), (self.nobody, False), (old(client_context(self.authority.name + "/n2")), False)):
            def shake():
                with socket.create_connection((f"{self.net}.1", PORT), 20) as plain:
                    with context.wrap_socket(plain, server_hostname=f"{self.net}.1") as wire:
                        wire.settimeout(1)
                        try:
                            return wire.recv(1) != b""
                        except TimeoutError:
                            return True
            if let_in:
                self.assertTrue(shake())
            else:
                with self.assertRaises((ssl.SSLError, ConnectionError)):
                    shake()


if __name__ == "__main__":
    member.main()
