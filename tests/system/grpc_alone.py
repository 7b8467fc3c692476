"""A member's gRPC on loopback, as gRPC's stock client finds it."""

import queue
import subprocess
import threading
import time

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc import StatusCode

import stubs
from member import MemberTest, main, read
from stubs import Client, request
from users import ELSEWHERE, STRANGER
from wait import until

ADDRESS = "127.0.0.1:8400"
RECORD_SIZE_MAX = 1044480
MESSAGE_SIZE_MAX = 2 << 20


class Alone(MemberTest):
    starts = False

    def setUp(self):
        super().setUp()
        self.member.options = ("--grpc", ADDRESS)
        self.member.start()
        self.client = Client(ADDRESS)
        self.addCleanup(self.client.close)

    def assert_fails(self, code, words, call, *arguments, outcome=None, **more):
        """The call ends with that code, and the words are in what it says."""
        with self.assertRaises(grpc.RpcError) as caught:
            result = call(*arguments, **more)
            if hasattr(result, "cancel"):
                list(result)
        error = caught.exception
        self.assertEqual(error.code(), code, error.details())
        self.assertIn(words, error.details())
        found = dict(error.trailing_metadata())
        self.assertEqual(found.get("clog-outcome"), outcome, error.details())

    def test_what_is_produced_is_consumed_and_is_in_the_mount(self):
        values = [b"", b"one", bytes(range(256)) * 40, b"x" * RECORD_SIZE_MAX]
        for offset, value in enumerate(values):
            self.assertEqual(self.client.produce(value), offset)
        for offset, value in enumerate(values):
            record = self.client.consume(offset)
            self.assertEqual((record.value, record.offset, record.type), (value, offset, 0))
            self.assertGreater(record.term, 0)
            self.assertLess(abs(time.time() - record.time_ns / 1e9), 60)
        self.assert_log(values)
        with open(self.member.path("append"), "wb", buffering=0) as file:
            file.write(b"by file")
        self.assertEqual(self.client.consume(len(values)).value, b"by file")

    def test_each_refusal_has_its_code(self):
        for value in (b"a", b"b", b"c"):
            self.client.produce(value)
        with open(self.member.path("log/first"), "w", encoding="ascii") as file:
            file.write("1")
        refused = {"outcome": "refused"}
        self.assert_fails(StatusCode.OUT_OF_RANGE, "does not reach", self.client.consume, 3)
        self.assert_fails(StatusCode.OUT_OF_RANGE, "does not reach", self.client.consume, 2**64 - 1)
        self.assert_fails(StatusCode.NOT_FOUND, "trimmed", self.client.consume, 0)
        self.assert_fails(StatusCode.NOT_FOUND, "trimmed", self.client.follow, 0)
        self.assert_fails(StatusCode.INVALID_ARGUMENT, str(RECORD_SIZE_MAX), self.client.produce,
                          bytes(RECORD_SIZE_MAX + 1), **refused)
        self.assert_fails(StatusCode.RESOURCE_EXHAUSTED, str(MESSAGE_SIZE_MAX), self.client.produce,
                          bytes(MESSAGE_SIZE_MAX), **refused)
        self.assert_fails(StatusCode.ALREADY_EXISTS, "another record", self.client.produce, b"x", expected_offset=2,
                          **refused)
        self.assert_fails(StatusCode.OUT_OF_RANGE, "does not reach", self.client.produce, b"x", expected_offset=4,
                          **refused)
        self.assertEqual(self.client.produce(b"d", expected_offset=3), 3)
        self.assert_fails(StatusCode.INVALID_ARGUMENT, "malformed", self.client.log.Produce,
                          stubs.log_pb2.ProduceRequest(), **refused)
        self.assertEqual(read(self.member.path("log/next")), b"4\n")

    def call(self, path, data=b"", timeout=10, **more):
        """A call of any path with any bytes."""
        return self.client.channel.unary_unary(path)(data, timeout=timeout, **more)

    def test_what_is_no_call_of_ours_is_refused(self):
        self.client.produce(b"a")
        self.assert_fails(StatusCode.UNIMPLEMENTED, "/log.v1.Log/Nothing", self.call, "/log.v1.Log/Nothing")
        self.assert_fails(StatusCode.UNIMPLEMENTED, "there is no method /" + "x" * 90, self.call, "/" + "x" * 1000)
        self.assert_fails(StatusCode.INVALID_ARGUMENT, "malformed", self.call, "/log.v1.Log/Produce", b"\xff" * 9,
                          outcome="refused")
        self.assert_fails(StatusCode.INVALID_ARGUMENT, "ConsumeRequest", self.call, "/log.v1.Log/Consume", b"\x08")
        self.assert_fails(StatusCode.UNIMPLEMENTED, "compressed", self.client.log.Produce, request(b"z" * 1000),
                          timeout=10, compression=grpc.Compression.Gzip, outcome="refused")
        large = [("large", "x" * 12000), ("more", "x" * 12000)]
        with self.assertRaises(grpc.RpcError) as caught:
            self.call("/log.v1.Log/GetServers", metadata=large)
        self.assertEqual(caught.exception.code(), StatusCode.RESOURCE_EXHAUSTED)
        self.assertEqual(read(self.member.path("log/next")), b"1\n")

    def test_a_stream_of_records_is_acknowledged_in_its_order(self):
        count = 20000
        answers = self.client.produce_all(request(b"record %d" % i) for i in range(count))
        self.assertEqual([answer.offset for answer in answers], list(range(count)))
        followed = self.client.follow(0)
        for i in range(count):
            record = next(followed).record
            self.assertEqual((record.offset, record.value), (i, b"record %d" % i))
        followed.cancel()

    def test_a_stream_ends_with_the_first_that_is_refused(self):
        requests = [request(b"a"), request(b"b"), request(b"c", expected_offset=2), request(b"d", expected_offset=9)]
        answers = self.client.produce_all(iter(requests))
        for offset in range(3):
            self.assertEqual(next(answers).offset, offset)
        self.assert_fails(StatusCode.OUT_OF_RANGE, "does not reach", lambda: answers, outcome="refused")

    def test_records_are_acknowledged_while_the_client_goes_on(self):
        sent = queue.Queue()
        answers = self.client.produce_all(iter(sent.get, None))
        for offset in range(100):
            sent.put(request(b"%d" % offset))
            self.assertEqual(next(answers).offset, offset)
        sent.put(None)
        self.assertEqual(list(answers), [])

    def test_who_follows_waits_for_records_to_come(self):
        followed = self.client.follow(2)
        got = queue.Queue()
        thread = threading.Thread(target=lambda: [got.put(next(followed).record.value) for _ in range(3)], daemon=True)
        thread.start()
        for i in range(5):
            self.client.produce(b"%d" % i)
        self.assertEqual([got.get(timeout=20) for _ in range(3)], [b"2", b"3", b"4"])
        self.assertTrue(got.empty())
        thread.join(20)
        followed.cancel()

    def test_the_time_that_a_client_gives_is_kept(self):
        self.assert_fails(StatusCode.DEADLINE_EXCEEDED, "", self.client.follow, 0, timeout=0.2)
        self.assertEqual(self.client.produce(b"still here"), 0)

    def test_users_may_what_the_mode_says(self):
        self.client.produce(b"a")
        # What is refused at once has no message, which curl would fail to send.
        for call, message, status in (("Produce", b"", "7"), ("Consume", bytes(5), "0")):
            said = subprocess.run(
                ["curl", "-sS", "-D", "-", "--max-time", "30", "--http2-prior-knowledge", "-H", "te: trailers", "-H",
                 "content-type: application/grpc", "--data-binary", "@-", "-o", "/dev/null",
                 f"http://{ADDRESS}/log.v1.Log/{call}"],
                input=message, capture_output=True, check=True,
                user=STRANGER, group=ELSEWHERE, extra_groups=[]).stdout.decode()
            self.assertIn(f"grpc-status: {status}\r\n", said)
        self.assertIn(f"principal=user:{STRANGER}", self.member.told())
        self.assert_log([b"a"])

    def reflect(self, service="v1", **asked):
        """What reflection answers to a request."""
        kind = stubs.reflection_pb2
        call = self.client.channel.stream_stream(
            f"/grpc.reflection.{service}.ServerReflection/ServerReflectionInfo",
            kind.ServerReflectionRequest.SerializeToString, kind.ServerReflectionResponse.FromString)
        answer, = call(iter([kind.ServerReflectionRequest(host="here", **asked)]), timeout=20)
        self.assertEqual((answer.valid_host, answer.original_request.host), ("here", "here"))
        return answer

    def test_what_is_served_is_described(self):
        pool = descriptor_pool.DescriptorPool()
        for version in ("v1", "v1alpha"):
            listed = [service.name for service in self.reflect(version, list_services="").list_services_response.service]
            self.assertEqual(listed, ["log.v1.Log", "clog.v1.Clog", "grpc.health.v1.Health",
                                      "grpc.reflection.v1.ServerReflection"])
        for service in listed:
            file, = self.reflect(file_containing_symbol=service).file_descriptor_response.file_descriptor_proto
            pool.AddSerializedFile(file)
        # A call that is made by the description alone.
        method = pool.FindMethodByName("log.v1.Log.Produce")
        message = message_factory.MessageFactory(pool).GetPrototype(method.input_type)()
        message.record.value = b"described"
        self.call("/log.v1.Log/Produce", message.SerializeToString())
        self.assertEqual(self.client.consume(0).value, b"described")
        by_name, = self.reflect(file_by_filename="log.proto").file_descriptor_response.file_descriptor_proto
        for symbol in ("log.v1.Record", "log.v1.Log.Produce", "log.v1.Record.value"):
            found, = self.reflect(file_containing_symbol=symbol).file_descriptor_response.file_descriptor_proto
            self.assertEqual(found, by_name)
        unknown = [{"file_by_filename": "/etc/passwd"}, {"file_containing_symbol": "log.v1.Nothing"},
                   {"file_containing_symbol": ""}, {"all_extension_numbers_of_type": "log.v1.Record"},
                   {"file_containing_extension": {"containing_type": "log.v1.Record", "extension_number": 1}}]
        for asked in unknown:
            self.assertEqual(self.reflect(**asked).error_response.error_code, 5, asked)
        self.assertEqual(self.reflect().error_response.error_code, 3)
        self.assert_fails(StatusCode.INVALID_ARGUMENT, "4096", self.reflect, file_by_filename="x" * 4096)
        self.assert_fails(StatusCode.INVALID_ARGUMENT, "ServerReflectionRequest", self.reflect,
                          file_by_filename="log.proto\0x")

    def test_health_and_members_are_told(self):
        self.assertEqual(self.client.check(), stubs.SERVING)
        self.assertEqual(self.client.check("log.v1.Log"), stubs.SERVING)
        self.assert_fails(StatusCode.NOT_FOUND, "no such service", self.client.check, "other")
        self.assertEqual(next(self.client.watch("other")).status,
                         stubs.health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
        servers = [(server.id, server.rpc_addr, server.is_leader) for server in self.client.servers()]
        self.assertEqual(servers, [("one", ADDRESS, True)])

    def test_a_member_that_stops_says_so_to_those_who_wait(self):
        watched, followed = self.client.watch(), self.client.follow(0)
        sent = queue.Queue()
        answers = self.client.produce_all(iter(sent.get, None))
        self.assertEqual(next(watched).status, stubs.SERVING)
        sent.put(request(b"a"))
        self.assertEqual(next(answers).offset, 0)
        self.assertEqual(next(followed).record.value, b"a")
        self.assertEqual(self.member.stop(), 0)
        self.assertEqual(next(watched).status, stubs.health_pb2.HealthCheckResponse.NOT_SERVING)
        for call, outcome in ((watched, None), (followed, None), (answers, "refused")):
            self.assert_fails(StatusCode.UNAVAILABLE, "stopping", lambda c=call: c, outcome=outcome)
        sent.put(None)

    def test_a_port_that_others_reach_needs_certificates(self):
        self.assertEqual(self.member.stop(), 0)
        self.member.options = ("--grpc", "0.0.0.0:8400")
        self.member.launch()
        self.assertEqual(self.member.ended(), 1)
        self.assertIn("without certificates (--tls DIR) gRPC is served on 127.0.0.1", self.member.told())
        self.member.options = ("--grpc", ADDRESS)
        self.member.start()
        until(lambda: self.client.check() == stubs.SERVING)


if __name__ == "__main__":
    main()
