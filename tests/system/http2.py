"""Frames of HTTP/2 by hand, right ones and wrong ones, as no client library would send them."""

import socket
import struct

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE, CANCEL, ENHANCE_YOUR_CALM = 4, 8, 11


def frame(kind, flags=0, stream=0, payload=b"", size=None):
    """A frame, which may lie about its size."""
    size = len(payload) if size is None else size
    return struct.pack(">I", size)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header that is not indexed, of HPACK."""
    def text(data):
        data = data.encode() if isinstance(data, str) else data
        if len(data) < 127:
            return bytes([len(data)]) + data
        rest, size = len(data) - 127, b"\x7f"
        while rest >= 128:
            size, rest = size + bytes([rest & 127 | 128]), rest >> 7
        return size + bytes([rest]) + data
    return b"\x00" + text(name) + text(value)


def headers(path, *more, method="POST", content="application/grpc"):
    """The headers of a call."""
    fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "test"),
              ("content-type", content), ("te", "trailers"), *more]
    return b"".join(literal(*field) for field in fields)


def call(stream, path, data=b"", end=True, **more):
    """The frames of a call with one message."""
    message = b"\x00" + struct.pack(">I", len(data)) + data
    return (frame(HEADERS, END_HEADERS, stream, headers(path, **more)) +
            frame(DATA, END_STREAM if end else 0, stream, message))


class Connection:
    """A connection on which frames are sent and read."""

    def __init__(self, address, greet=True, receive_size=None):
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket()
        if receive_size:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_size)
        self.socket.settimeout(20)
        self.socket.connect((host, int(port)))
        self.rest = b""
        self.decoder = hpack.Decoder()
        if greet:
            self.send(PREFACE + frame(SETTINGS) + frame(SETTINGS, ACK))

    def close(self):
        self.socket.close()

    def send(self, data):
        """Sends what goes; the other side may have had enough. Returns whether it had not."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def frames(self):
        """Gives the frames that come, as (kind, flags, stream, payload), until the end."""
        while True:
            while len(self.rest) >= 9:
                size = int.from_bytes(self.rest[:3], "big")
                if len(self.rest) < 9 + size:
                    break
                kind, flags = self.rest[3], self.rest[4]
                stream = int.from_bytes(self.rest[5:9], "big")
                payload, self.rest = self.rest[9:9 + size], self.rest[9 + size:]
                yield kind, flags, stream, payload
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionResetError:
                more = b""
            if not more:
                return
            self.rest += more

    def await_frame(self, kind, stream=None):
        """Reads until such a frame comes, and gives its payload; None when the connection ends before."""
        for found, _, where, payload in self.frames():
            if found == kind and stream in (None, where):
                return payload
        return None

    def await_end(self):
        """Reads to the end, and gives the code of the last GOAWAY, or None."""
        code = None
        for kind, _, _, payload in self.frames():
            if kind == GOAWAY:
                code = struct.unpack(">I", payload[4:8])[0]
        return code

    def await_trailers(self, stream):
        """Reads until a stream has ended, and gives all its headers; none when it was reset before."""
        found = {}
        for kind, flags, where, payload in self.frames():
            if kind == HEADERS:
                fields = self.decoder.decode(payload)
                found.update(fields if where == stream else ())
            if where == stream and (kind == RST_STREAM or flags & END_STREAM):
                return found
        return {}
