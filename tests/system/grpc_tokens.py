"""gRPC with tokens instead of certificates, calls spread over all members, and what clog's own client asks for."""

import json

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
