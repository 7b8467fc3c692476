"""What connections of gRPC take of a member's memory, under TLS, and that it comes back when they are gone."""

import os
import re
import struct

from http2 import ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, Connection, frame, headers
from http_client import client_context
from member import MemberTest, main
from wait import until

ADDRESS = "127.0.0.1:8403"
CONNECTIONS = 300
EACH_MAX = 64  # KiB
SPARE_MAX = 10 << 10  # KiB
RECORD_SIZE = 100 << 10
FRAME_SIZE_MAX = 16 << 10


class Memory(MemberTest):
    starts = False

    def setUp(self):
        super().setUp()
        clog = os.path.join(os.path.dirname(os.environ["CLOGD"]), "clog")
        folder = self.member.folder
        self.run_program([clog, "cert", "init", folder + "/ca", "--cluster", "test"])
        self.run_program([clog, "cert", "member", folder + "/ca", "one", "--host", "127.0.0.1", "--out", folder + "/one"])
        self.run_program([clog, "cert", "client", folder + "/ca", "alice", "--out", folder + "/alice"])
        self.member.options = ("--grpc", ADDRESS, "--tls", folder + "/one")
        self.member.start()
        self.context = client_context(folder + "/alice")

    def anonymous(self):
        """KiB of memory that the member has of its own."""
        with open(f"/proc/{self.member.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"^RssAnon:\s*(\d+) kB$", status.read(), re.M)[1])

    def connect(self):
        """A connection that has greeted, and was greeted."""
        connection = Connection(ADDRESS, greet=False)
        self.addCleanup(connection.close)
        connection.socket = self.context.wrap_socket(connection.socket, server_hostname="127.0.0.1")
        connection.send(PREFACE + frame(SETTINGS) + frame(SETTINGS, ACK))
        connection.await_frame(SETTINGS)
        return connection

    def test_a_connection_takes_little_whatever_it_has_sent_and_leaves_nothing(self):
        before = self.anonymous()
        connections = [self.connect() for _ in range(CONNECTIONS)]
        self.assertLess((self.anonymous() - before) / CONNECTIONS, EACH_MAX, "KiB for each, idle")
        frames = produce(b"r" * RECORD_SIZE)
        for connection in connections:
            self.assertTrue(connection.send(frames))
        for connection in connections:
            self.assertEqual(connection.await_trailers(1).get("grpc-status"), "0")
        until(lambda: (self.anonymous() - before) / CONNECTIONS < EACH_MAX, 20,
              f"less than {EACH_MAX} KiB for each, after a large record")
        for connection in connections:
            connection.close()
        until(lambda: self.anonymous() - before < SPARE_MAX, 20, "the memory is given back")


def varint(number):
    """A number as protobuf writes it."""
    text = b""
    while number >= 128:
        text, number = text + bytes([number & 127 | 128]), number >> 7
    return text + bytes([number])


def produce(value):
    """The frames of a call that appends a record."""
    record = b"\x0a" + varint(len(value)) + value
    request = b"\x0a" + varint(len(record)) + record
    body = b"\x00" + struct.pack(">I", len(request)) + request
    pieces = [body[place:place + FRAME_SIZE_MAX] for place in range(0, len(body), FRAME_SIZE_MAX)]
    return (frame(HEADERS, END_HEADERS, 1, headers("/log.v1.Log/Produce")) +
            b"".join(frame(DATA, 0, 1, piece) for piece in pieces) + frame(DATA, END_STREAM, 1))


if __name__ == "__main__":
    main()
