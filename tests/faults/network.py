"""A client of a fault test that comes over the network: calls members by gRPC until the stop file is there, and notes all it
does (operations.py).

    network.py KIND MEMBERS TLS HISTORY CLIENT SEED STOP

KIND is session (appends under sessions: what is not known is sent again, at another member, until it is), produce (appends
that are sent once), consume (single records) or follow (a stream of them). MEMBERS are HOST:PORT, with commas between them,
TLS a folder of certificates.
"""

import errno
import os
import random
import sys
import time

# A call that fails at once drives no connection on: what does, does so this often, and by default each 5 s.
os.environ["GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS"] = "50"
import grpc  # noqa: E402 pylint: disable=wrong-import-position

import records
from operations import NETWORK, Recorder, digest

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import stubs  # noqa: E402 pylint: disable=wrong-import-position
from stubs import clog_pb2, log_pb2  # noqa: E402 pylint: disable=wrong-import-position
from wait import until  # noqa: E402 pylint: disable=wrong-import-position

ATTEMPT_S = 4      # for one call
GIVE_UP_S = 40     # after which it is not known what became of an append
BACKLOG = 300      # records before the last one that it knows, from which on a stream is followed
REFUSALS = ("EHOSTUNREACH", "ENOSPC", "EAGAIN", "ESHUTDOWN")  # of an attempt, after which another may come to more
CODES = {grpc.StatusCode.OUT_OF_RANGE: errno.ENOENT, grpc.StatusCode.NOT_FOUND: errno.ESTALE,
         grpc.StatusCode.DATA_LOSS: errno.EIO, grpc.StatusCode.UNAVAILABLE: errno.EHOSTUNREACH,
         grpc.StatusCode.DEADLINE_EXCEEDED: errno.ETIMEDOUT, grpc.StatusCode.UNKNOWN: errno.ECONNABORTED,
         grpc.StatusCode.CANCELLED: errno.ECONNABORTED}


class Failure(Exception):
    """An append that is refused, or of which it is not known what became."""

    def __init__(self, refused, name):
        super().__init__(name)
        self.refused, self.name = refused, name


def failure_of(error):
    """What a failed append comes to. Without the trailers of clog, nothing is known."""
    told = dict(error.trailing_metadata() or ())
    return Failure(told.get("clog-outcome") == "refused", told.get("clog-errno", "ETIMEDOUT"))


class Network:
    """The members, its history, its dice."""

    def __init__(self, members, tls, history, client, seed, stop):
        self.client, self.stop = client, stop
        self.dice = random.Random(f"{seed} {client}")
        self.recorder = Recorder(history, client, NETWORK)
        self.credentials = stubs.Client.credentials(tls)
        self.channels = {address: None for address in members.split(",")}
        self.address = self.dice.choice(list(self.channels))
        self.bytes_path, self.bytes, self.bytes_size = history.replace(".history", ".bytes"), None, 0
        self.session = self.key = 0
        self.sequence = 1
        self.next = 0  # as far as this client knows

    def stopping(self):
        return os.path.exists(self.stop)

    def pause(self, seconds):
        """Waits, or until it shall end."""
        end = time.monotonic() + seconds
        until(lambda: self.stopping() or time.monotonic() > end, seconds=seconds + 60)

    def move(self):
        """Goes to another member."""
        others = [address for address in self.channels if address != self.address]
        self.address = self.dice.choice(others)

    def channel(self, address=None):
        """That of a member."""
        address = address or self.address
        if self.channels[address] is None:
            # What is called the least time between two attempts to connect is the most that one may take, too.
            self.channels[address] = grpc.secure_channel(address, self.credentials, [
                ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", 2 << 20),
                ("grpc.max_receive_message_length", 2 << 20), ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.min_reconnect_backoff_ms", 3000), ("grpc.max_reconnect_backoff_ms", 500)])
        return self.channels[address]

    def log(self, address=None):
        return stubs.log_pb2_grpc.LogStub(self.channel(address))

    # Appends

    def draw(self):
        """What to append: the kind, its sizes, and the offset that it is to get or None."""
        roll = self.dice.random()
        if roll < 0.4:
            return "lines", [self.dice.randrange(records.SIZE_MIN, 200) for _ in range(self.dice.randrange(1, 30))], None
        size = records.SIZE_MAX if roll > 0.999 else self.dice.randrange(records.SIZE_MIN, 400)
        if roll < 0.55:
            return "at", [size], self.next + self.dice.randrange(100_000 if roll < 0.405 else 30)
        return "append", [size], None

    def request(self, number, kind, sizes, expected):
        """The request of an operation, under the session if there is one."""
        values = [records.payload(self.client, number, place, size) for place, size in enumerate(sizes)]
        more = {"session": self.session, "session_key": self.key, "sequence": self.sequence} if self.session else {}
        if expected is not None:
            more["expected_offset"] = expected
        if kind == "lines":
            return log_pb2.ProduceRequest(values=values, **more)
        return log_pb2.ProduceRequest(record=log_pb2.Record(value=values[0]), **more)

    def append(self, send):
        """One operation: send(request) gives the offset, or raises a Failure."""
        kind, sizes, expected = self.draw()
        asked = (",".join(map(str, sizes)),) + ((expected,) if kind == "at" else ())
        number = self.recorder.begin(kind, *asked)
        try:
            offset = send(self.request(number, kind, sizes, expected))
            if expected not in (None, offset):
                raise AssertionError(f"operation {number} was to be at {expected}, and is at {offset}")
            self.recorder.end("ok", *{"append": (offset,), "lines": (offset, len(sizes)), "at": ()}[kind])
            self.next = offset + len(sizes)
        except Failure as failure:
            code = getattr(errno, failure.name) if failure.refused else errno.ETIMEDOUT
            self.recorder.end("no", code, "write")
            if failure.name in ("EEXIST", "ENXIO"):
                self.look()
            else:
                self.pause(0.05)
        self.sequence += len(sizes)

    def look(self):
        """Finds out how long the log is now."""
        try:
            stub = stubs.clog_pb2_grpc.ClogStub(self.channel())
            self.next = stub.Command(clog_pb2.CommandRequest(kind=0), timeout=ATTEMPT_S).value
        except grpc.RpcError:
            self.move()

    def produce(self):
        """An append that is sent once."""
        def send(request):
            try:
                return self.log().Produce(request, timeout=ATTEMPT_S).offset
            except grpc.RpcError as error:
                self.move()
                raise failure_of(error) from None
        self.append(send)

    def open_session(self):
        """A new session, however often it takes."""
        self.key, self.sequence = self.dice.getrandbits(64) | 1, 1
        while not self.session and not self.stopping():
            try:
                stub = stubs.clog_pb2_grpc.ClogStub(self.channel())
                request = clog_pb2.OpenSessionRequest(key=self.key)
                self.session = stub.OpenSession(request, timeout=ATTEMPT_S).session
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                    raise
                self.move()
                self.pause(0.05)

    def send_once(self, request, addresses):
        """Sends it to these members at once. Gives the offset, which all that answer give, or raises the failure that tells
        least."""
        calls = [self.log(address).Produce.future(request, timeout=ATTEMPT_S) for address in addresses]
        offsets, failures = set(), []
        for call in calls:
            try:
                offsets.add(call.result().offset)
            except grpc.RpcError as error:
                failures.append(failure_of(error))
        if len(offsets) > 1:
            raise AssertionError(f"sequence {self.sequence} of session {self.session} is at the offsets {offsets}")
        if not offsets:
            raise min(failures, key=lambda failure: failure.refused)
        return offsets.pop()

    def send_until_known(self, request):
        """Sends it as often as it takes, now and then to two members at once."""
        end, unknown = time.monotonic() + GIVE_UP_S, False
        while True:
            self_and_other = [self.address]
            if self.dice.random() < 0.05:
                self.move()
                self_and_other.append(self.address)
            try:
                return self.send_once(request, self_and_other)
            except Failure as failure:
                if failure.refused and not unknown:
                    if failure.name not in ("EEXIST", "ENXIO"):
                        self.move()
                    raise
                # Of what was sent before, this refusal says nothing.
                if failure.refused and failure.name not in REFUSALS or time.monotonic() > end:
                    raise Failure(False, failure.name) from None
                unknown = True
            self.move()
            self.pause(0.05)

    def session_append(self):
        """An append under a session. What was acknowledged is the same when it is sent again."""
        if not self.session:
            self.open_session()
            if not self.session:
                return
        def send(request):
            try:
                offset = self.send_until_known(request)
            except Failure as failure:
                if failure.name == "EKEYEXPIRED":
                    self.session = 0
                raise
            if self.dice.random() < 0.05:
                try:
                    self.move()
                    again = self.send_once(request, [self.address])
                    if again != offset:
                        raise AssertionError(f"sequence {self.sequence} of session {self.session} is at {offset} and {again}")
                except Failure:
                    pass  # it could not be asked
            return offset
        self.append(send)

    # Reads

    def consume(self):
        """One record, at one member or another."""
        if self.dice.random() < 0.2:
            self.look()
        offset = self.dice.randrange(max(0, self.next - 50) if self.dice.random() < 0.5 else 0, self.next + 1)
        if self.dice.random() < 0.1:
            self.move()
        self.recorder.begin("read", offset)
        try:
            value = self.log().Consume(log_pb2.ConsumeRequest(offset=offset), timeout=ATTEMPT_S).record.value
            words = records.parse(value)
            self.recorder.end("ok", ",".join(map(str, words)) if words else "?", digest(value))
            self.next = max(self.next, offset + 1)
        except grpc.RpcError as error:
            self.recorder.end("no", CODES.get(error.code(), errno.EPROTO), "read")
            if error.code() is not grpc.StatusCode.OUT_OF_RANGE:
                self.move()
            self.pause(0.05)

    def follow(self):
        """Follows the log until the stream breaks or it shall end."""
        if self.bytes is None:
            self.bytes = open(self.bytes_path, "wb", buffering=0)
        self.look()
        offset, begun, came = max(0, self.next - BACKLOG), self.bytes_size, ("ok",)
        self.recorder.begin("stream", 0)
        try:
            # Ended now and then, so that other members are followed, too, and it is seen that it shall end.
            for answer in self.log().ConsumeStream(log_pb2.ConsumeRequest(offset=offset), timeout=3):
                if answer.record.offset != offset:
                    raise AssertionError(f"{self.address} gave record {answer.record.offset} where {offset} was next")
                offset += 1
                self.bytes.write(answer.record.value)
                self.bytes_size += len(answer.record.value)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                came = ("no", CODES.get(error.code(), errno.EPROTO), "read")
        self.recorder.end(*came, begun, self.bytes_size - begun)
        self.next = max(self.next, offset)
        self.move()
        self.pause(0.05)


def main():
    kind, members, tls, history, client, seed, stop = sys.argv[1:]
    one = Network(members, tls, history, int(client), seed, stop)
    works = {"session": one.session_append, "produce": one.produce, "consume": one.consume, "follow": one.follow}
    while not one.stopping():
        works[kind]()


if __name__ == "__main__":
    main()
