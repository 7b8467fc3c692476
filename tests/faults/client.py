"""A client of a fault test: uses one member's mount until the stop file is there, and notes all it does.

    client.py KIND MOUNT HISTORY CLIENT MEMBER SEED STOP

KIND is append (one handle), open (a handle for each write), lines, at (conditional appends), read, tail or trim. What
fails is noted, and the client goes on; nothing is ever sent again.
"""

import os
import random
import sys
import time

import records
from operations import Recorder, digest

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from wait import until  # noqa: E402 pylint: disable=wrong-import-position

TAIL_SIZE = 256 << 10  # bytes before the end where a tail begins


class Client:
    """Its mount, its history, its dice."""

    def __init__(self, mount, history, client, member, seed, stop):
        self.mount, self.client, self.stop = mount, client, stop
        self.dice = random.Random(f"{seed} {client}")
        self.recorder = Recorder(history, client, member)
        self.bytes = None
        self.bytes_path = history.replace(".history", ".bytes")
        self.bytes_size = 0
        self.handle = -1
        self.next = 0  # as far as this client knows

    def stopping(self):
        """True when it shall end."""
        return os.path.exists(self.stop)

    def pause(self, seconds):
        """Waits, or until it shall end."""
        end = time.monotonic() + seconds
        until(lambda: self.stopping() or time.monotonic() > end, seconds=seconds + 60)

    def size(self):
        """Of a record: most are small."""
        roll = self.dice.random()
        if roll < 0.001:
            return records.SIZE_MAX - self.dice.randrange(2)
        return self.dice.randrange(records.SIZE_MIN, 50_000 if roll < 0.02 else 400)

    def close(self):
        """Its handle is opened anew."""
        if self.handle >= 0:
            try:
                os.close(self.handle)
            except OSError:
                pass
            self.handle = -1

    def do(self, kind, asked, work):
        """One operation: work(step) calls step(place) before each call, and gives the words that came."""
        number = self.recorder.begin(kind, *asked)
        place = ["open"]
        try:
            came = ("ok",) + work(number, place)
        except OSError as error:
            came = ("no", error.errno, place[0])
        if kind == "stream":
            came += self.stream_place
        self.recorder.end(*came)
        if came[0] == "no":
            self.close()
            if place[0] != "open" or kind not in ("at", "read"):
                self.pause(0.05)
        return came

    def open(self, name, flags):
        """The handle, opened if it is not."""
        if self.handle < 0:
            self.handle = os.open(f"{self.mount}/log/{name}", flags)

    def write(self, data):
        """All of it, or nothing."""
        size = os.write(self.handle, data)
        if size != len(data):
            raise AssertionError(f"a write of {len(data)} bytes wrote {size}")

    def answer(self):
        """What the handle says of the last write."""
        try:
            return tuple(os.read(self.handle, 100).decode().split())
        except OSError:
            return ()

    def append(self, keep=True):
        """One record."""
        size = self.size()

        def work(number, place):
            self.open("append", os.O_RDWR)
            place[0] = "write"
            self.write(records.payload(self.client, number, 0, size))
            return self.answer() or ("?",)

        came = self.do("append", (size,), work)
        if came[0] == "ok" and came[1] != "?":
            self.next = int(came[1]) + 1
            if self.dice.random() < 0.2:
                self.read(self.next - 1)
        if not keep:
            self.close()

    def lines(self):
        """One batch."""
        sizes = [self.dice.randrange(records.SIZE_MIN, 200) for _ in range(self.dice.randrange(1, 30))]

        def work(number, place):
            self.open("lines", os.O_RDWR)
            place[0] = "write"
            self.write(b"".join(records.payload(self.client, number, i, size) for i, size in enumerate(sizes)))
            return self.answer() or ("?",)

        self.do("lines", (",".join(map(str, sizes)),), work)

    def at(self):
        """A conditional append: near the log's end as it was a moment ago, for others append meanwhile."""
        self.look()
        ahead = 100_000 if self.dice.random() < 0.02 else 40
        expected = self.next + self.dice.randrange(ahead)
        size = self.size()

        def work(number, place):
            handle = os.open(f"{self.mount}/log/records/{expected}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                place[0] = "write"
                os.write(handle, records.payload(self.client, number, 0, size))
            finally:
                try:
                    os.close(handle)
                except OSError:
                    pass
            return ()

        self.do("at", (size, expected), work)

    def look(self):
        """Reads log/next."""

        def work(_, place):
            with open(f"{self.mount}/log/next", "rb", buffering=0) as file:
                place[0] = "read"
                return (int(file.read()),)

        came = self.do("next", (), work)
        if came[0] == "ok":
            self.next = came[1]

    def read(self, offset=None):
        """One record."""
        if offset is None:
            self.look()
            recent = self.dice.random() < 0.5
            offset = self.dice.randrange(max(0, self.next - 50) if recent else 0, max(self.next + 1, 1))

        def work(_, place):
            with open(f"{self.mount}/log/records/{offset}", "rb", buffering=0) as file:
                place[0] = "read"
                data = file.readall()
            words = records.parse(data)
            return (",".join(map(str, words)) if words else "?", digest(data))

        self.do("read", (offset,), work)

    def tail(self):
        """Follows the stream until it breaks or the client shall end."""
        if self.bytes is None:
            self.bytes = open(self.bytes_path, "wb", buffering=0)
        self.stream_place = (self.bytes_size, 0)
        try:
            size = os.stat(f"{self.mount}/log/stream").st_size
        except OSError:
            size = 0
        begin = max(0, size - TAIL_SIZE)

        def work(_, place):
            with open(f"{self.mount}/log/stream", "rb", buffering=0) as stream:
                stream.seek(begin)
                place[0] = "read"
                while not self.stopping():
                    data = until(lambda: stream.read(TAIL_SIZE) or self.stopping(), seconds=24 * 3600)
                    if data is not True:
                        self.bytes.write(data)
                        self.bytes_size += len(data)
                        self.stream_place = (self.stream_place[0], self.stream_place[1] + len(data))
            return ()

        self.do("stream", (begin,), work)

    def trim(self):
        """Trims half of what is there, now and then."""
        self.pause(15)
        self.look()
        offset = self.next // 2

        def work(_, place):
            handle = os.open(f"{self.mount}/log/first", os.O_WRONLY)
            try:
                place[0] = "write"
                os.write(handle, b"%d\n" % offset)
            finally:
                os.close(handle)
            return ()

        if not self.stopping():
            self.do("trim", (offset,), work)


def main():
    kind, mount, history, client, member, seed, stop = sys.argv[1:]
    one = Client(mount, history, int(client), member, seed, stop)
    works = {"append": one.append, "open": lambda: one.append(False), "lines": one.lines, "at": one.at,
             "read": one.read, "tail": one.tail, "trim": one.trim}
    while not one.stopping():
        works[kind]()


if __name__ == "__main__":
    main()
