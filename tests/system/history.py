"""Loads of writers, and the check that a log holds what they were told it holds."""

import errno
import os
import re
import sys

import writer
from member import read

MODES = ("append", "append", "append", "open", "lines", "lines")
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "writer.py")

# What a write may fail with when clogd goes away under it; whether it was appended is not known.
UNKNOWN = frozenset({errno.ECONNABORTED, errno.ENOTCONN, errno.ETIMEDOUT})
# With these nothing was appended.
REFUSED = {errno.EHOSTUNREACH, errno.EAGAIN, errno.EINTR}
# What an open may fail with besides: the mount is off, and its folder gone or guarded.
GONE = {errno.ENOENT, errno.EPERM}


class Load:
    """Writers that run until their writes fail. With the errnos in unknown they may have been appended yet."""

    def __init__(self, test, number, unknown=UNKNOWN):
        self.number = number
        self.unknown = unknown
        self.notes = [f"{test.member.folder}/notes.{number}.{i}" for i in range(len(MODES))]
        for path in self.notes:
            open(path, "wb").close()
        self.writers = [test.spawn([sys.executable, "-B", PROGRAM, mode, test.mount, path, str(number), str(i)])
                        for i, (mode, path) in enumerate(zip(MODES, self.notes))]

    def noted(self):
        """The least number of acknowledged writes that a writer has noted, and the sum."""
        counts = [read(path).count(b"\n") for path in self.notes]
        return min(counts), sum(counts)

    def end(self):
        """Waits for the writers, and takes in their notes."""
        for process in self.writers:
            if process.wait(30) != 0:
                raise AssertionError(f"a writer ended with status {process.returncode}")
        self.acknowledged = {}  # (writer, number) -> (first offset or None, count)
        self.attempted = {}     # (writer, number), of which it is not known whether it was appended
        for i, path in enumerate(self.notes):
            *notes, last = [line.split() for line in read(path).decode().splitlines()]
            self.take_failure(i, len(notes), last)
            for number, note in enumerate(notes):
                if int(note[0]) != number:
                    raise AssertionError(f"writer {i} noted {note} where number {number} was next")
                if note[1] == "?" and number != len(notes) - 1:
                    raise AssertionError(f"writer {i} could not read back the offset of write {number}")
                self.acknowledged[i, number] = (None, 0) if note[1] == "?" else (int(note[1]), int(note[2]))

    def take_failure(self, i, count, note):
        """The last note tells why the writer ended."""
        if note[0] != "failed":
            raise AssertionError(f"writer {i} ended without a failed write, with the note {note}")
        number, code, place = int(note[1]), int(note[2]), note[3]
        allowed = self.unknown | REFUSED | (GONE if place == "open" else set())
        if code not in allowed:
            name = errno.errorcode.get(code, code)
            raise AssertionError(f"write {number} of writer {i} failed at {place} with {name}")
        if place == "write" and code in self.unknown:
            self.attempted[i, number] = True
        if number != count - (place == "close"):
            raise AssertionError(f"writer {i} failed in write {number}, having noted {count}")


class History:
    """All that was ever seen in a log; what was seen once must stay."""

    def __init__(self, test):
        self.test = test
        self.stream = b""
        self.count = 0

    def check(self, load):
        """The log holds what it held, and after that of the load's writes the acknowledged ones, at their offsets, each
        once, and perhaps the unknown ones, each at most once, and nothing else."""
        stream = read(self.test.member.path("log/stream"))
        self.test.assert_same(stream[:len(self.stream)], self.stream, "what was in the log before")
        added = stream[len(self.stream):].splitlines(keepends=True)
        self.test.assertEqual(self.test.next(), self.count + len(added))
        self.check_each(load, added)
        missing = [(i, number) for i, number in load.acknowledged if (i, number) not in self.found]
        self.test.assertEqual(missing, [], "acknowledged writes (of writer, number) that are not in the log")
        for (i, number), offsets in self.found.items():
            records = writer.payload(MODES[i], load.number, i, number)
            first, count = load.acknowledged.get((i, number), (None, 0))
            what = f"the offsets of write {number} of writer {i}"
            self.test.assertEqual(offsets, list(range(offsets[0], offsets[0] + len(records))), what)
            if first is not None:
                self.test.assertEqual((offsets[0], len(offsets)), (first, count), what)
        self.check_files(added)
        self.stream, self.count = stream, self.count + len(added)

    def check_each(self, load, added):
        """Each record added is one of a write that was made. Fills found: (writer, number) -> offsets."""
        self.found = {}
        for offset, record in enumerate(added, self.count):
            match = re.match(rb"(\d+) (\d+) (\d+) (\d+) ", record)
            self.test.assertTrue(match, f"record {offset} is nobody's: {record[:80]!r}")
            number, i, write, place = map(int, match.groups())
            self.test.assertEqual(number, load.number, f"record {offset} is of another load: {record[:80]!r}")
            known = (i, write) in load.acknowledged or (i, write) in load.attempted
            self.test.assertTrue(known, f"record {offset} was refused or never written: {record[:80]!r}")
            records = writer.payload(MODES[i], number, i, write)
            offsets = self.found.setdefault((i, write), [])
            self.test.assertEqual(place, len(offsets), f"record {offset} is twice there or out of its order")
            self.test.assert_same(record, records[place], f"record {offset}")
            offsets.append(offset)

    def check_files(self, added):
        """The records added are files of their own, and the listing has all there are, and no more."""
        records = self.test.member.path("records")
        self.test.assertEqual(os.listdir(records), [str(i) for i in range(self.count + len(added))])
        step = max(len(added) // 300, 1)
        for place in range(0, len(added), step):
            self.test.assert_same(self.test.record(self.count + place), added[place], f"record {self.count + place}")
