"""Threads that append while something is done to a cluster, and what has to be true of what they wrote."""

import os
import threading
import time

from cluster import ClusterTest
from member import read
from wait import until


class Writer:
    """Appends through a member, one record after the other, until it is told to stop."""

    def __init__(self, member, tag):
        self.path = member.path("append")
        self.tag = tag
        self.written = []
        self.longest_s = 0.0  # that a write took
        self.error = None
        self.stopping = False
        self.thread = threading.Thread(target=self.write_all, daemon=True)
        self.thread.start()

    def write_all(self):
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            while not self.stopping:
                record = b"%s %d\n" % (self.tag, len(self.written))
                begin = time.monotonic()
                if os.write(file, record) != len(record):
                    raise OSError("a record was cut")
                self.longest_s = max(self.longest_s, time.monotonic() - begin)
                self.written.append(record)
            os.close(file)
        except OSError as error:
            self.error = error

    def stop(self):
        """Waits for its end."""
        self.stopping = True
        self.thread.join(60)
        return self.written


class WritingTest(ClusterTest):
    """A test of a cluster that is written to."""

    def writers(self, members, tag=""):
        return [Writer(member, (member.name + tag).encode()) for member in members]

    def wait_for_more(self, writers, more=50):
        """Waits until each has written so many more."""
        marks = [len(writer.written) + more for writer in writers]
        until(lambda: all(writer.error or len(writer.written) >= mark for writer, mark in zip(writers, marks)), 60,
              "each writer gets on")
        self.assertEqual([writer.error for writer in writers], [None] * len(writers))

    def assert_written(self, writers):
        """Ends the writers. All that they wrote is in the log of every member, once, each one's in its order."""
        expected = {writer.tag: b"".join(writer.stop()) for writer in writers}
        self.assertEqual([writer.error for writer in writers], [None] * len(writers))
        print(f"{self.id()}: {sum(len(writer.written) for writer in writers)} writes, the longest took "
              f"{max(writer.longest_s for writer in writers):.3f} s", flush=True)
        self.wait_for_equal_logs()
        for member in self.members:
            found = {tag: [] for tag in expected}
            for line in read(member.path("log/stream")).splitlines(keepends=True):
                found[line.split()[0]].append(line)
            for tag, lines in expected.items():
                self.assert_same(b"".join(found[tag]), lines, f"{tag.decode()}'s records at {member.name}")
