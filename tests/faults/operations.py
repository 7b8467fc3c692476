"""What the clients of a fault test did: a file of text for each, written as it happens.

    client 3 n1                       the client's number and the member whose mount it uses
    s 0 append 1000 180               begun: the operation's number, its kind, when, and what was asked
    e 0 2000 ok 17                    ended: when, and what came
    s 1 append 2100 90
    e 1 3000 no 110 write             or the errno, and the call that gave it

Times are of CLOCK_MONOTONIC, in ns. An operation that has no end is one whose client was ended in it.

| kind | asked | came with ok |
| --- | --- | --- |
| append | size | its offset, or ? where reading that back failed |
| lines | sizes, with commas | first offset and count, or ? |
| at | size, offset: a conditional append | nothing |
| read | offset | CLIENT,NUMBER,PLACE,SIZE by the record's own words, or ?, and the digest of its bytes |
| next | nothing | what log/next said |
| stream | position: of the joined stream | nothing |
| trim | offset | nothing |

A stream's end, also a failed one, has two words more: which bytes of the client's file of bytes it has read.
"""

import errno
import hashlib
import os
import time

# Refused: nothing of it may be in the log. Only what a right client of a right log can get.
REFUSED = {
    "append": {errno.EHOSTUNREACH, errno.ENOSPC, errno.EAGAIN, errno.EINTR},
    "lines": {errno.EHOSTUNREACH, errno.ENOSPC, errno.EAGAIN, errno.EINTR},
    "at": {errno.EHOSTUNREACH, errno.ENOSPC, errno.EAGAIN, errno.EINTR, errno.EEXIST, errno.ENXIO},
    "trim": {errno.EHOSTUNREACH, errno.EAGAIN, errno.EINTR, errno.EINVAL},
}
# Unknown: it may be there.
UNKNOWN = {errno.ETIMEDOUT, errno.ECONNABORTED, errno.ENOTCONN, errno.EIO}
# An open may fail with any of these, and nothing was sent. The mount may be off, and its folder guarded.
NOT_OPENED = {errno.ECONNABORTED, errno.ENOTCONN, errno.ENOENT, errno.EPERM, errno.EIO, errno.EHOSTUNREACH}
# What a read may fail with besides.
UNREAD = {errno.ECONNABORTED, errno.ENOTCONN, errno.ENOENT, errno.ESTALE, errno.EINTR, errno.EHOSTUNREACH, errno.EIO,
          errno.ETIMEDOUT}
WRITES = ("append", "lines", "at")
NETWORK = "network"  # stands for the member of clients that use all of them
# Refused to them: the member is stopping; the session has ended.
REFUSED_THERE = {errno.ESHUTDOWN, errno.EKEYEXPIRED}


def digest(data):
    """A short name for bytes."""
    return hashlib.blake2b(data, digest_size=12).hexdigest()


class Recorder:
    """Writes a client's file."""

    def __init__(self, path, client, member):
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self.number = -1
        os.write(self.file, b"client %d %s\n" % (client, member.encode()))

    def begin(self, kind, *asked):
        """Notes that an operation begins, and gives its number."""
        self.number += 1
        words = " ".join(map(str, (kind, time.monotonic_ns()) + asked))
        os.write(self.file, b"s %d %s\n" % (self.number, words.encode()))
        return self.number

    def end(self, *came):
        """Notes what came of it."""
        words = " ".join(map(str, (time.monotonic_ns(),) + came))
        os.write(self.file, b"e %d %s\n" % (self.number, words.encode()))


class Operation:
    """One, as it is read back. status is ok, refused or unknown; of what does not append, ok or failed."""

    __slots__ = ("client", "number", "member", "kind", "start", "end", "asked", "came", "status", "sizes", "offset",
                 "found")

    def __init__(self, client, number, member, kind, start, asked):
        self.client, self.number, self.member, self.kind = client, number, member, kind
        self.start, self.end, self.asked, self.came = start, None, asked, None
        self.status = "unknown"
        self.offset = None  # that was acknowledged
        self.found = None   # of its first record, by all that was seen
        self.sizes = ()     # of its records
        if kind in ("append", "at"):
            self.sizes = (int(asked[0]),)
        elif kind == "lines":
            self.sizes = tuple(map(int, asked[0].split(",")))

    def name(self):
        """How sentences call it."""
        return f"{self.kind} {self.client}/{self.number}"

    def finish(self, end, came):
        """Takes in its end. ValueError where that makes no sense."""
        self.end, self.came = end, came
        if end < self.start:
            raise ValueError("it ended before it began")
        if came[0] == "ok":
            self.status = "ok"
            if self.kind == "at":
                self.offset = int(self.asked[1])
            elif self.kind in WRITES and came[1] != "?":
                self.offset = int(came[1])
                if self.kind == "lines" and int(came[2]) != len(self.sizes):
                    raise ValueError(f"{len(self.sizes)} lines were sent, and {came[2]} acknowledged")
        elif self.kind in REFUSED:
            self.status = self.outcome(int(came[1]), came[2])
        else:
            self.status = "failed"
            if int(came[1]) not in UNREAD | NOT_OPENED:
                raise ValueError(f"a {self.kind} does not fail with {errno.errorcode.get(int(came[1]), came[1])}")

    def outcome(self, code, place):
        """Whether an errno means refused or unknown."""
        if code in REFUSED[self.kind] or place == "open" and code in NOT_OPENED:
            return "refused"
        if self.member == NETWORK and code in REFUSED_THERE:
            return "refused"
        if code in UNKNOWN:
            return "unknown"
        raise ValueError(f"a {self.kind} does not fail at {place} with {errno.errorcode.get(code, code)}")


def load(path, complain):
    """Reads a client's file: its operations, by their numbers. complain(sentence) is told what makes no sense."""
    operations = []
    with open(path, encoding="ascii") as lines:
        text = lines.read().split("\n")
    if text.pop():
        complain(f"{path}: its last line is cut")
    words = text[0].split() if text else []
    if len(words) != 3 or words[0] != "client":
        complain(f"{path}: it does not begin with its client")
        return 0, operations
    client, member = int(words[1]), words[2]
    for place, line in enumerate(text[1:], 2):
        words = line.split(" ")
        try:
            if words[0] == "s" and int(words[1]) == len(operations):
                operations.append(Operation(client, len(operations), member, words[2], int(words[3]), words[4:]))
            elif words[0] == "e" and int(words[1]) == len(operations) - 1 and operations[-1].end is None:
                operations[-1].finish(int(words[2]), words[3:])
            else:
                raise ValueError("it is out of its order")
        except (ValueError, IndexError) as error:
            complain(f"{path}:{place}: '{line}': {error}")
    return client, operations
