"""clog's client on three members of which the leader is killed again and again: what was acknowledged is there once, what was
refused is not, and each client finds who leads without being told."""

import collections
import os
import subprocess
import threading

from cluster import ClusterTest
from member import main, soak
from wait import until

PORT = 8400
WINDOW = 24
ENDLESS = 10_000_000
UNKNOWN = (-110, -103)  # ETIMEDOUT, ECONNABORTED


def drive():
    """The program on the client that is built beside the clogd under test."""
    return os.path.join(os.path.dirname(os.environ["CLOGD"]), "..", "tests", "client", "client_drive")


class Writer:
    """A client that appends records, and what it was told of each."""

    def __init__(self, name, servers, tls):
        self.name = name
        self.told = []  # (record, status, offset)
        command = [drive(), servers, tls, "-", "20000", "append", name, str(ENDLESS), str(WINDOW)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.complaints = []
        self.threads = [threading.Thread(target=self.listen), threading.Thread(target=self.hear)]
        for thread in self.threads:
            thread.start()

    def listen(self):
        for line in self.process.stdout:
            record, status, offset = line.split()
            self.told.append((record, int(status), int(offset)))

    def hear(self):
        self.complaints += self.process.stderr.read().splitlines()[-5:]

    def end(self):
        """Lets it end; gives what it was told."""
        self.process.stdin.close()
        self.process.wait(60)
        for thread in self.threads:
            thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return self.told


class Failover(ClusterTest):
    limit_s = 150

    def setUp(self):
        super().setUp()
        self.cert("client", self.authority.name + "/ca", "app", "--out", self.tls)

    @property
    def tls(self):
        return self.authority.name + "/app"

    def add_member(self, number, *more):
        return super().add_member(number, "--grpc", self.served(number), *more)

    def served(self, number):
        """Where a member serves gRPC."""
        return f"{self.net}.{number}:{PORT}"

    def writer(self, name, number):
        """One that is told of one member alone."""
        writer = Writer(name, self.served(number), self.tls)
        self.children.append(writer.process)
        return writer

    def read_all(self, number, count):
        """The log, as a client reads it that was told of that member."""
        output = self.run_program([drive(), self.served(number), self.tls, "-", "20000", "read", "0", str(count)],
                                  seconds=100)
        return output.split(b"\n")[:-1]

    def acknowledged(self, writers):
        return [sum(status == 0 for _, status, _ in list(writer.told)) for writer in writers]

    def wait_for_more(self, writers, what, more=200):
        before = self.acknowledged(writers)
        until(lambda: all(now >= then + more for now, then in zip(self.acknowledged(writers), before)), 40, what)

    def test_leaders_die_and_nothing_is_lost_or_doubled(self):
        writers = [self.writer(f"w{number}-", number) for number in (1, 2, 3)]
        self.wait_for_more(writers, "all append")
        for turn in range(6 if soak() else 2):
            leader = self.leading()
            leader.kill()
            self.wait_for_more(writers, f"all go on without leader {turn}")
            leader.launch()
            self.wait_for_voters(self.count)
        told = [writer.end() for writer in writers]
        for writer in writers:
            self.assertEqual(writer.process.returncode, 0, writer.complaints)
        self.check(told)

    def check(self, told):
        end = max(offset for one in told for _, status, offset in one if status == 0) + 1
        log = self.read_all(1, end)
        self.assertEqual(len(log), end)
        found = collections.Counter(log)
        for one in told:
            self.assertEqual(len({record for record, _, _ in one}), len(one), "each was answered once")
            for record, status, offset in one:
                if status == 0:
                    self.assertEqual(log[offset], record)
                    self.assertEqual(found[record], 1, record)
                elif status in UNKNOWN:
                    self.assertLessEqual(found[record], 1, record)
                else:
                    self.assertEqual(found[record], 0, (record, status))
            offsets = [offset for _, status, offset in sorted(one, key=lambda each: int(each[0].split(b"-")[1]))
                       if status == 0]
            self.assertEqual(offsets, sorted(offsets), "they are in the order in which they were appended")


if __name__ == "__main__":
    main()
