"""HTTP with TLS at a leader and a follower of three members: certificates, who may ask, and what followers do."""

import json
import ssl

import member
from cluster import ClusterTest
from http_client import Door, Events, WebSocket, client_context, encode
from wait import until


class HttpCluster(ClusterTest):
    """Three members with certificates that serve HTTP."""

    limit_s = 90

    def add_member(self, number, *more):
        return super().add_member(number, "--http", f"{self.net}.{number}:7480", *more)

    def door(self, number, tls):
        """The door of a member."""
        return Door(f"{self.net}.{number}:7480", tls)

    def test_three_members_with_certificates(self):
        folder = self.authority.name
        self.cert("client", folder + "/ca", "ann", "--out", folder + "/ann")
        ann, nobody = client_context(folder + "/ann"), client_context(authority=folder + "/ann")
        doors = [self.door(number, ann) for number in (1, 2, 3)]

        # Appended at each, read at each: what a member acknowledged it shows.
        for offset, door in enumerate(doors):
            self.assertEqual(door.post("/v1/records", b"%d" % offset).json, {"offset": offset, "count": 1})
            self.assertEqual(door.get(f"/v1/records/{offset}").body, b"%d" % offset)
        self.wait_for_equal_logs()
        tags = {door.get("/v1/records/1").headers["ETag"] for door in doors}
        self.assertEqual(len(tags), 1, "a record has one tag, whichever member is asked")
        leader = self.leader(self.member)
        self.assertEqual([door.get("/v1/members").json["leader"] for door in doors], [leader] * 3)
        self.assertEqual([door.get("/v1/status").json["name"] for door in doors], ["n1", "n2", "n3"])
        self.assertEqual(doors[1].post("/v1/records", b"x", Clog_Expected_Offset="1").code, "EEXIST")

        # A tail at a follower tells what was appended at the leader.
        follower = next(number for number in (1, 2, 3) if f"n{number}" != leader)
        events = Events(self.door(follower, ann), "/v1/tail?from=3")
        socket = WebSocket(self.door(follower, ann), "/v1/tail?from=3")
        self.assertTrue(socket.open, socket.status)
        self.assertEqual(self.door(int(leader[1]), ann).post("/v1/records", b"told").status, 201)
        self.assertEqual(json.loads(events.next()["data"])["value"], encode(b"told"))
        self.assertEqual(json.loads(socket.next()[1])["offset"], 3)
        events.close()
        socket.close()

        # Nobody gets nothing but the probes; who has another authority's certificate, no connection.
        stranger = self.door(1, nobody)
        self.assertEqual(stranger.get("/livez").status, 200)
        for path in ("/v1/records", "/v1/status", "/metrics", "/v1/tail"):
            self.assertEqual((stranger.get(path).status, stranger.get(path).code), (401, "EKEYREJECTED"), path)
        self.assertEqual(stranger.post("/v1/records", b"x").status, 401)
        self.cert("init", folder + "/other", "--cluster", "test")
        self.cert("client", folder + "/other", "eve", "--out", folder + "/eve")
        eve = client_context(folder + "/eve")
        eve.load_verify_locations(folder + "/ann/ca.pem")
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.door(1, eve).get("/livez")
        old = client_context(folder + "/ann")
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.door(1, old).get("/livez")

        # A member's new certificate is taken without a restart.
        def serial():
            with self.door(1, ann).socket() as wire:
                return wire.getpeercert()["serialNumber"]
        before = serial()
        self.issue(1)
        until(lambda: serial() != before, 20, "the new certificate is shown")
        self.assertEqual(doors[0].get("/v1/records/0").body, b"0")


if __name__ == "__main__":
    member.main()
