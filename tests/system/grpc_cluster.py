"""gRPC under TLS on three members: any client works against any of them."""

import collections
import socket
import ssl
import threading

import grpc
from grpc import StatusCode

import stubs
from member import main, read
from served import PORT, ServedTest
from stubs import Client, request
from wait import until


class Cluster(ServedTest):
    limit_s = 100

    def test_every_member_takes_and_gives_records(self):
        expected = []
        for turn in range(30):
            value = b"%d" % turn
            writer, reader = self.clients[turn % 3], self.clients[(turn + 1) % 3]
            offset = writer.produce(value)
            self.assertEqual(offset, len(expected))
            expected.append(value)
            # What was acknowledged anywhere is there for all, without waiting for it first.
            self.assertEqual(reader.consume(offset).value, value)
        for client in self.clients:
            with self.assertRaises(grpc.RpcError) as caught:
                client.consume(len(expected))
            self.assertEqual(caught.exception.code(), StatusCode.OUT_OF_RANGE)
        follower = next(i for i, member in enumerate(self.members) if member is not self.leading())
        values = [b"stream %d" % i for i in range(3000)]
        answers = self.clients[follower].produce_all(map(request, values))
        self.assertEqual([answer.offset for answer in answers], list(range(30, 3030)))
        for client in self.clients:
            followed = client.follow(0)
            self.assertEqual([next(followed).record.value for _ in range(3030)], expected + values)
            followed.cancel()
        leader = self.leading().name
        for number, client in enumerate(self.clients, 1):
            servers = {server.id: server for server in client.servers()}
            self.assertEqual(sorted(servers), ["n1", "n2", "n3"])
            self.assertEqual([name for name in servers if servers[name].is_leader], [leader])
            self.assertEqual(servers[f"n{number}"].rpc_addr, self.served(number))
        def addresses():
            return [{server.rpc_addr for server in client.servers()} for client in self.clients]
        until(lambda: addresses() == [{self.served(number) for number in (1, 2, 3)}] * 3, 10, "all know all addresses")

    def test_who_has_no_certificate_of_the_cluster_is_kept_out(self):
        self.cert("init", self.folder("other"), "--cluster", "test")
        self.cert("client", self.folder("other"), "app", "--out", self.folder("foreign"))
        with open(self.folder("app/ca.pem"), "rb") as right, open(self.folder("foreign/ca.pem"), "wb") as wrong:
            wrong.write(right.read())
        plain = Client(self.served(1))
        self.addCleanup(plain.close)
        with open(self.folder("app/ca.pem"), "rb") as file:
            bare = grpc.secure_channel(self.served(1), grpc.ssl_channel_credentials(file.read()))
        self.addCleanup(bare.close)
        denied = (StatusCode.PERMISSION_DENIED, StatusCode.UNAUTHENTICATED)
        strangers = [(plain.log, (StatusCode.UNAVAILABLE,)), (stubs.log_pb2_grpc.LogStub(bare), denied),
                     (self.client(1, "foreign").log, (StatusCode.UNAVAILABLE,))]
        for stranger, codes in strangers:
            with self.assertRaises(grpc.RpcError) as caught:
                stranger.Produce(request(b"stranger"), timeout=10)
            self.assertIn(caught.exception.code(), codes)
        until(lambda: "event=rpc_refused" in self.members[0].told(), 10, "it is told")
        self.assertIn("its certificate is not trusted", self.members[0].told())
        self.assertEqual(self.clients[0].produce(b"friend"), 0)
        # A member's certificate does as well.
        self.assertEqual(self.client(1, "n2").produce(b"member"), 1)

    def shown(self):
        """The certificate that a member shows to clients now."""
        context = ssl.create_default_context(cafile=self.folder("app/ca.pem"))
        context.load_cert_chain(self.folder("app/cert.pem"), self.folder("app/key.pem"))
        context.set_alpn_protocols(["h2"])
        with socket.create_connection((f"{self.net}.1", PORT), 20) as plain:
            with context.wrap_socket(plain, server_hostname=f"{self.net}.1") as connection:
                self.assertEqual(connection.selected_alpn_protocol(), "h2")
                return connection.getpeercert(binary_form=True)

    def test_a_new_certificate_is_used_without_a_restart(self):
        before = self.shown()
        self.assertEqual(self.shown(), before)
        self.clients[0].produce(b"before")
        self.issue(1)
        until(lambda: self.shown() != before, 20, "the new one is shown")
        self.assertEqual(self.clients[0].produce(b"on the old connection"), 1)
        self.assertEqual(self.client(1).produce(b"on a new one"), 2)

    def produce_until(self, client, tag, outcomes, stop):
        """Appends again and again, and notes how each ended."""
        number = 0
        while not stop.is_set():
            value = b"%s %d" % (tag, number)
            try:
                outcomes[value] = client.produce(value, timeout=20)
            except grpc.RpcError as error:
                told = dict(error.trailing_metadata() or ())
                outcomes[value] = "refused" if told.get("clog-outcome") == "refused" else "unknown"
            number += 1

    def test_each_record_is_there_as_often_as_was_said_when_the_leader_dies(self):
        victim = self.leading()
        living = [client for client, member in zip(self.clients, self.members) if member is not victim]
        stop, outcomes = threading.Event(), {}
        threads = [threading.Thread(target=self.produce_until, args=(client, b"%d" % i, outcomes, stop), daemon=True)
                   for i, client in enumerate(living)]
        def acknowledged():
            return sum(isinstance(outcome, int) for outcome in list(outcomes.values()))
        for thread in threads:
            thread.start()
        until(lambda: acknowledged() > 100, 30, "records are appended")
        victim.kill()
        before = acknowledged()
        until(lambda: acknowledged() > before + 100, 60, "records are appended again")
        stop.set()
        for thread in threads:
            thread.join(30)
        next_offset = living[0].produce(b"the end")
        followed = living[1].follow(0)
        found = [next(followed).record.value for _ in range(next_offset + 1)]
        followed.cancel()
        times = collections.Counter(found)
        for value, outcome in outcomes.items():
            if isinstance(outcome, int):
                self.assertEqual((found[outcome], times[value]), (value, 1))
            else:
                self.assertLessEqual(times[value], 0 if outcome == "refused" else 1, (value, outcome))

    def test_a_member_without_a_leader_does_not_serve(self):
        watched = self.clients[0].watch()
        self.assertEqual(next(watched).status, stubs.SERVING)
        for member in self.members[1:]:
            member.kill()
        self.assertEqual(next(watched).status, stubs.health_pb2.HealthCheckResponse.NOT_SERVING)
        with self.assertRaises(grpc.RpcError) as caught:
            self.clients[0].produce(b"in vain", timeout=1)
        self.assertEqual(caught.exception.code(), StatusCode.DEADLINE_EXCEEDED)
        self.members[1].launch()
        self.assertEqual(next(watched).status, stubs.SERVING)
        self.assertGreaterEqual(self.clients[0].produce(b"again"), 0)
        watched.cancel()
        self.assertEqual(read(self.members[0].path("cluster/n3/state")), b"unreachable\n")


if __name__ == "__main__":
    main()
