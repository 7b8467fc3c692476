"""gRPC with tokens instead of certificates, calls spread over all members, and what clog's own client asks for."""

import json
import random

import grpc
from grpc import StatusCode

import stubs
from member import main
from served import HOST, ServedTest
from stubs import Client, clog_pb2, log_pb2, request
from wait import until

END, TRIM = 0, 1
RECORD = 1


class Tokens(ServedTest):
    limit_s = 100

    def code(self, call, *arguments, **more):
        """The code that a call ends with, and what is said."""
        try:
            result = call(*arguments, **{"timeout": 30, **more})
            if hasattr(result, "cancel"):
                list(result)
            return StatusCode.OK, {}
        except grpc.RpcError as error:
            return error.code(), {"said": error.details(), **dict(error.trailing_metadata() or ())}

    def assert_code(self, code, call, *arguments, **more):
        found, said = self.code(call, *arguments, **more)
        self.assertEqual(found, code, said)
        return said

    def test_who_has_a_token_needs_no_certificate_until_it_is_revoked(self):
        text = self.make_token("ci", "produce,consume")
        users = [self.client(number, token=text) for number in (1, 2, 3)]
        for user in users:
            until(lambda: self.code(user.log.Produce, request(b"a"))[0] == StatusCode.OK, 20, "the token is known")
            self.assertEqual(user.check(), stubs.SERVING)
            self.assertEqual(len(user.servers()), 3)
            said = self.assert_code(StatusCode.PERMISSION_DENIED, user.clog.Command, clog_pb2.CommandRequest(kind=TRIM))
            self.assertEqual((said["said"], said["clog-errno"]), ("token:ci may not admin", "EACCES"))
            self.assert_code(StatusCode.PERMISSION_DENIED, user.clog.GetSettings, clog_pb2.GetSettingsRequest())
            self.assert_code(StatusCode.OK, user.clog.Command, clog_pb2.CommandRequest(kind=END))
        # Nobody, and who has a token that is none, whatever certificate he shows.
        nobody, wrong = self.client(2, bare=True), self.client(2, token=text[:-1] + ("A" if text[-1] != "A" else "E"))
        self.assertEqual(nobody.check(), stubs.SERVING)
        self.assert_code(StatusCode.UNAUTHENTICATED, nobody.log.Produce, request(b"x"))
        self.assert_code(StatusCode.UNAUTHENTICATED, nobody.log.GetServers, log_pb2.GetServersRequest())
        self.assert_code(StatusCode.UNAUTHENTICATED, wrong.log.Produce, request(b"x"))
        header = [("authorization", "Bearer none")]
        self.assert_code(StatusCode.UNAUTHENTICATED, self.clients[1].log.Produce, request(b"x"), metadata=header)
        # What goes on for long ends with the token, everywhere.
        followed = [user.follow(0) for user in users]
        watched = [user.clog.Watch(clog_pb2.WatchRequest(), timeout=30) for user in users]
        for stream in followed + watched:
            next(stream)
        self.set("token/ci")
        for stream in followed + watched:
            self.assert_code(StatusCode.PERMISSION_DENIED, lambda timeout, ended=stream: ended)
        for user in users:
            self.assert_code(StatusCode.UNAUTHENTICATED, user.log.Produce, request(b"x"))
        for member in self.members:
            self.assertIn("event=denied", member.told())
            self.assertNotIn(text, member.told())

    def test_calls_go_to_all_members_in_turn_and_on_when_one_dies(self):
        addresses = "ipv4:" + ",".join(self.served(number) for number in (1, 2, 3))
        spread = [("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]}))]
        text = self.make_token("ci", "produce")
        until(lambda: all(self.code(self.client(number, token=text).log.Produce, request(b"a"))[0] == StatusCode.OK
                          for number in (1, 2, 3)), 20, "the token is known")
        client = Client(addresses, self.folder("app"), HOST, text, options=spread)
        self.addCleanup(client.close)
        first = client.produce(b"first")
        self.assertEqual([client.produce(b"%d" % i) for i in range(30)], list(range(first + 1, first + 31)))
        next(member for member in self.members if member is not self.leading()).kill()
        produced = []
        for i in range(30):
            code, _ = self.code(client.log.Produce, request(b"later %d" % i))
            produced.append(code == StatusCode.OK)
        # Of what was on its way to the one that died nobody knows; the others go on.
        self.assertTrue(all(produced[-20:]), produced)

    def insist(self, client, again):
        """Sends a request under a session until it is acknowledged, and gives its offset."""
        def sent():
            try:
                return client.log.Produce(again, timeout=10)
            except grpc.RpcError as error:
                self.assertIn(error.code(), (StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED), error.details())
                return None
        return until(sent, 40, "it is acknowledged").offset

    def test_what_is_sent_again_under_a_session_is_appended_once(self):
        key = random.randrange(1, 1 << 64)
        session = self.clients[0].clog.OpenSession(clog_pb2.OpenSessionRequest(key=key), timeout=30).session
        def batch(sequence, *values, **more):
            return log_pb2.ProduceRequest(**{"values": values, "session": session, "session_key": key,
                                             "sequence": sequence, **more})
        # To all members at once, again and again, also after the leader has died.
        answers = [client.log.Produce.future(batch(1, b"a", b"b"), timeout=30) for client in self.clients * 3]
        self.assertEqual({answer.result().offset for answer in answers}, {0})
        victim = self.leading()
        living = [client for client, member in zip(self.clients, self.members) if member is not victim]
        requests = [batch(3 + 2 * i, b"%d" % i, b"", expected_offset=2 + 2 * i) for i in range(60)]
        answers = living[0].produce_all(iter(requests))
        self.assertEqual(next(answers).offset, 2)
        victim.kill()
        offsets = []
        for again in requests:
            offsets.append(self.insist(living[1], again))
        self.assertEqual(offsets, [2 + 2 * i for i in range(60)])
        answers.cancel()
        self.assertEqual(living[1].produce(b"the end"), 122)
        # What is not the same, or not of the session.
        self.assert_code(StatusCode.INVALID_ARGUMENT, living[0].log.Produce, batch(122, b"x"))
        self.assert_code(StatusCode.INVALID_ARGUMENT, living[0].log.Produce, batch(999, b"x", session_key=key ^ 1))
        said = self.assert_code(StatusCode.ABORTED, living[0].log.Produce, batch(1, b"x", session=session + 1000000))
        self.assertEqual((said["clog-errno"], said["clog-outcome"]), ("EKEYEXPIRED", "refused"))

    def test_what_was_acknowledged_anywhere_is_read_everywhere(self):
        watched = [client.clog.Watch(clog_pb2.WatchRequest(), timeout=60) for client in self.clients]
        states = [next(stream) for stream in watched]
        self.assertEqual([sorted(member.name for member in state.members) for state in states], [["n1", "n2", "n3"]] * 3)
        for turn in range(30):
            values = [b"%d" % turn, b"", b"x" * turn]
            offset = self.clients[turn % 3].log.Produce(log_pb2.ProduceRequest(values=values), timeout=30).offset
            self.assertEqual(offset, 3 * turn)
            read = clog_pb2.ReadRequest(kind=RECORD, offset=offset + 2, least_offset=offset + 3)
            self.assertEqual(self.clients[(turn + 1) % 3].clog.Read(read, timeout=30).data, values[2])
        for stream in watched:
            until(lambda: next(stream).next_offset == 90, 20, "who watches sees the end")
        said = self.assert_code(StatusCode.OUT_OF_RANGE, self.clients[1].clog.Read,
                                clog_pb2.ReadRequest(kind=RECORD, offset=90, least_offset=91))
        self.assertEqual(said["clog-errno"], "ENOENT")


if __name__ == "__main__":
    main()
