"""What may come to a member's gRPC from anywhere: it is refused, others are served meanwhile, and memory stays small."""

import os
import random
import re
import time

import grpc
import http2
import stubs
from http2 import Connection, call, frame, headers
from member import MemberTest, main, read
from stubs import Client, request
from wait import until

ADDRESS = "127.0.0.1:8401"
GROWTH_MAX = 32 << 10  # KiB that the member may take more
PRODUCE, CONSUME, FOLLOW = ("/log.v1.Log/" + name for name in ("Produce", "Consume", "ConsumeStream"))


class Hostile(MemberTest):
    limit_s = 100
    starts = False

    def setUp(self):
        super().setUp()
        self.member.options = ("--grpc", ADDRESS)
        self.member.start()
        self.client = Client(ADDRESS)
        self.addCleanup(self.client.close)
        self.client.produce(b"first")
        self.resident = self.anonymous()
        self.open = []

    def tearDown(self):
        """It goes on."""
        self.assertEqual(self.client.consume(0).value, b"first")
        self.assert_small()
        while self.open:
            self.open.pop().close()
        until(lambda: self.connections() == 1, 20, "only the client is left")

    def anonymous(self):
        """KiB of memory that the member has of its own."""
        with open(f"/proc/{self.member.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"^RssAnon:\s*(\d+) kB$", status.read(), re.M)[1])

    def assert_small(self):
        self.assertLess(self.anonymous() - self.resident, GROWTH_MAX, "the member's memory grew")

    def connections(self):
        """How many sockets of its port the member has that are connected."""
        port = ":%04X" % int(ADDRESS.rsplit(":", 1)[1])
        with open("/proc/net/tcp", encoding="ascii") as table:
            rows = [line.split() for line in table][1:]
        return sum(row[1].endswith(port) and row[3] == "01" for row in rows)

    def connect(self, **more):
        connection = Connection(ADDRESS, **more)
        self.open.append(connection)
        return connection

    def test_what_is_not_http2_is_refused(self):
        seed = int(os.environ.get("CLOG_SEED", time.time_ns() % 2**32))
        print(f"CLOG_SEED={seed}", flush=True)
        rng = random.Random(seed)
        wrong = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00" + rng.randbytes(512),
                 http2.PREFACE[:-1] + b"x", http2.PREFACE + frame(http2.HEADERS, 0, 1),
                 http2.PREFACE + frame(http2.SETTINGS, size=1 << 23) + bytes(100000)]
        wrong += [http2.PREFACE + frame(http2.SETTINGS) + rng.randbytes(rng.randrange(10, 50000)) for _ in range(50)]
        for data in wrong:
            connection = self.connect(greet=False)
            connection.send(data)
            connection.socket.shutdown(1)
            connection.await_end()
        self.assert_small()

    def test_frames_that_are_wrong_end_the_connection(self):
        right = headers(PRODUCE)
        wrong = {
            "data of no stream": frame(http2.DATA, 0, 1, b"x"),
            "an even stream": frame(http2.HEADERS, 4, 2, right),
            "settings of a stream": frame(http2.SETTINGS, 0, 1),
            "half a setting": frame(http2.SETTINGS, 0, 0, bytes(5)),
            "a window past its end": frame(http2.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2,
            "a frame of 16 MiB": frame(http2.DATA, 0, 1, b"", size=(1 << 24) - 1),
            "a push": frame(http2.PUSH, 4, 1, b"\0\0\0\2" + right),
            "headers that are no HPACK": frame(http2.HEADERS, 4, 1, b"\xff" * 50),
            "a continuation of nothing": frame(http2.CONTINUATION, 4, 1, right),
        }
        for what, data in wrong.items():
            with self.subTest(what):
                connection = self.connect()
                connection.send(data)
                self.assertTrue(connection.await_end(), "it is told why")

    def test_calls_that_are_wrong_end_alone(self):
        cut = {
            "a head that is cut off": b"\0\0\0",
            "a message that is cut off": b"\0\0\0\0\x09abc",
            "no message": b"",
            "two messages": b"\0\0\0\0\0" * 2,
            "a flag that is none": b"\x02\0\0\0\0",
            "four GiB": b"\0\xff\xff\xff\xff",
        }
        connection = self.connect()
        for stream, (what, data) in enumerate(cut.items()):
            stream = 2 * stream + 1
            with self.subTest(what):
                connection.send(frame(http2.HEADERS, 4, stream, headers(PRODUCE)) +
                                frame(http2.DATA, http2.END_STREAM, stream, data))
                code = "8" if what == "four GiB" else "13"
                self.assertEqual(connection.await_trailers(stream).get("grpc-status"), code)
        stream = 101
        for more, status in (({"method": "GET"}, "405"), ({"content": "text/html"}, "415")):
            connection.send(call(stream, PRODUCE, **more))
            self.assertEqual(connection.await_trailers(stream), {":status": status})
            stream += 2
        connection.send(frame(http2.HEADERS, 5, stream, headers(PRODUCE, ("grpc-timeout", "soon"))))
        self.assertEqual(connection.await_trailers(stream)["grpc-status"], "3")
        # A message that never ends is refused by its first bytes, and no more of it is taken.
        stream += 2
        connection.send(frame(http2.HEADERS, 4, stream, headers(PRODUCE)) + frame(http2.DATA, 0, stream, b"\0\0\0\0\0"))
        connection.send(frame(http2.DATA, 0, stream, bytes(16000)))
        self.assertEqual(connection.await_trailers(stream)["grpc-status"], "13")
        self.assertEqual(read(self.member.path("log/next")), b"1\n")

    def test_floods_are_ended(self):
        reset = b"".join(frame(http2.HEADERS, 4, stream, headers(PRODUCE)) +
                         frame(http2.RST_STREAM, 0, stream, b"\0\0\0\x08") for stream in range(1, 8001, 2))
        floods = {
            "reset": reset,
            "ping": frame(http2.PING, 0, 0, bytes(8)) * 20000,
            "settings": frame(http2.SETTINGS, 0, 0, struct_setting(4, 70000)) * 20000,
            "empty data": call(1, "/log.v1.Log/ProduceStream", end=False) + frame(http2.DATA, 0, 1) * 20000,
            "priority": frame(http2.PRIORITY, 0, 1, bytes(4) + b"\x10") * 20000,
            "continuation": frame(http2.HEADERS, 0, 1, headers(PRODUCE)) +
            frame(http2.CONTINUATION, 0, 1, http2.literal("a", "b" * 100)) * 20000,
            "streams": b"".join(frame(http2.HEADERS, 4, stream, headers(FOLLOW)) for stream in range(1, 40001, 2)),
            "header bomb": frame(http2.HEADERS, 0, 1, headers(PRODUCE) + b"\x40\x01a\x7f\xe1\x1e" + b"b" * 4000 +
                                 b"\xbe" * 8000) + frame(http2.CONTINUATION, 4, 1, b"\xbe" * 16000),
        }
        for what, data in floods.items():
            with self.subTest(what):
                connection = self.connect()
                connection.send(data)
                connection.await_end()
            self.assert_small()
        for what in ("it resets too many calls", "frames that ask for nothing", "CONTINUATION"):
            self.assertIn(what, self.member.told())

    def test_a_crowd_of_strangers_does_not_keep_others_out(self):
        for _ in range(600):
            self.connect(greet=False)
        other = Client(ADDRESS)
        self.assertEqual(other.consume(0).value, b"first")
        other.close()
        self.assert_small()
        until(lambda: "event=rpc_crowded" in self.member.told(), 10, "it is told")
        # Those that are left have not said anything in time.
        until(lambda: self.connections() <= 1, 20, "they are closed")

    def test_tokens_that_are_no_good_are_refused_and_told_nowhere(self):
        secret = "s3cr3t" * 20
        tokens = ["", "Bearer", "Bearer  ", "Basic " + secret, "Bearer " + secret, "Bearer " + secret * 40,
                  "Bearer %s.%s.%s" % (secret, secret, secret), "Bearer clog_" + secret, secret,
                  b"Bearer \xff\x80" + secret.encode()]
        connection = self.connect()
        for stream, token in enumerate(tokens):
            block = headers(CONSUME, ("authorization", token))
            connection.send(frame(http2.HEADERS, 5, 2 * stream + 1, block))
            said = connection.await_trailers(2 * stream + 1)
            # What begins or ends with a space is no header at all, and is not even answered.
            self.assertIn(said.get("grpc-status"), ("16",) if str(token).strip() == token or stream == 9 else ("16", None),
                          token)
            self.assertNotIn("s3cr3t", str(said))
        twice = headers(CONSUME, ("authorization", "Bearer a"), ("authorization", "Bearer b"))
        connection.send(frame(http2.HEADERS, 5, 101, twice))
        self.assertIn("more than one", connection.await_trailers(101)["grpc-message"])
        flood = self.connect()
        for stream in range(1, 8001, 2):
            if not flood.send(frame(http2.HEADERS, 5, stream, headers(CONSUME, ("authorization", "Bearer " + secret * 30)))):
                break
        self.assert_small()
        self.assertNotIn("s3cr3t", self.member.told())

    def test_many_who_watch_and_do_not_read_take_no_memory(self):
        for _ in range(20):
            connection = self.connect(receive_size=4096)
            for stream in range(1, 256, 2):
                connection.send(call(stream, "/clog.v1.Clog/Watch"))
        for number in range(500):
            self.client.produce(b"%d" % number)
        self.assert_small()

    def test_messages_of_all_shapes_are_answered(self):
        seed = int(os.environ.get("CLOG_SEED") or random.randrange(1 << 32))
        dice = random.Random(seed)
        kinds = stubs.clog_pb2
        whole = {"Read": kinds.ReadRequest(kind=1, least_offset=1), "Command": kinds.CommandRequest(kind=0),
                 "OpenSession": kinds.OpenSessionRequest(key=1), "GetSettings": kinds.GetSettingsRequest()}
        for turn in range(200):
            name, message = dice.choice(list(whole.items()))
            data = bytearray(message.SerializeToString() + dice.randbytes(dice.choice([0, 1, 5, 50])))
            for _ in range(dice.randrange(3)):
                if data:
                    data[dice.randrange(len(data))] = dice.randrange(256)
            # Nothing that would change the members.
            if name == "Command":
                data[:0] = b"\x08\x00"
                data = data if 8 not in data[2:] else data[:2]
            try:
                self.client.channel.unary_unary("/clog.v1.Clog/" + name)(bytes(data), timeout=20)
            except grpc.RpcError as error:
                self.assertIn(error.code().name, ("INVALID_ARGUMENT", "OUT_OF_RANGE"), (seed, turn, name, bytes(data)))

    def test_a_slow_reader_has_its_own_pace_and_takes_no_memory(self):
        count = 100
        for _ in range(count):
            self.client.produce(bytes(1 << 19))
        self.resident = self.anonymous()
        # Its window is large, and it does not read; and one whose window is closed.
        greedy = self.connect(receive_size=4096)
        window = frame(http2.SETTINGS, 0, 0, struct_setting(http2.INITIAL_WINDOW_SIZE, 2**31 - 1))
        greedy.send(window + frame(http2.WINDOW_UPDATE, 0, 0, b"\x7f\xff\x00\x00"))
        for stream in range(1, 200, 2):
            greedy.send(call(stream, FOLLOW))
        closed = self.connect()
        closed.send(frame(http2.SETTINGS, 0, 0, struct_setting(http2.INITIAL_WINDOW_SIZE, 0)))
        for stream in range(1, 200, 2):
            closed.send(call(stream, FOLLOW))
        self.assertEqual(self.client.consume(count).offset, count)
        self.assert_small()
        # Who reads slowly gets all there is, in order.
        followed = self.client.follow(0)
        self.assertEqual([next(followed).record.offset for _ in range(count + 1)], list(range(count + 1)))
        followed.cancel()
        self.assert_small()

    def test_messages_that_stay_unfinished_take_no_memory_without_end(self):
        started = self.anonymous()
        for _ in range(4):
            connection = self.connect()
            for stream in range(1, 200, 2):
                connection.send(frame(http2.HEADERS, 4, stream, headers(PRODUCE)) +
                                frame(http2.DATA, 0, stream, b"\0\0\x0f\0\0" + bytes(16000)) +
                                frame(http2.DATA, 0, stream, bytes(16000)))
        until(lambda: self.client.check() == stubs.SERVING)
        self.assertLess(self.anonymous() - started, 4 * (20 << 10))
        while self.open:
            self.open.pop().close()
        until(lambda: self.connections() == 1, 20, "they are gone")
        self.assertEqual(list(self.client.produce_all(iter([request(b"x")])))[0].offset, 1)


def struct_setting(number, value):
    return number.to_bytes(2, "big") + value.to_bytes(4, "big")


if __name__ == "__main__":
    main()
