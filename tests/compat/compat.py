"""Real programs at the mounts of a leader and of a follower: every row of docs/compatibility.md, tried.

One cluster of three members with certificates serves all cases, several at a time. They go by phases: programs that
append; programs that read, while nobody appends; programs that go on; programs that append bytes of any kind; and a
trim under those that read. In the end every record of the log is some case's, once, and all members show the same.
"""

import os
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import appending  # noqa: E402,F401
import cluster  # noqa: E402
import growing  # noqa: E402,F401
import member  # noqa: E402
import reading  # noqa: E402,F401
import trimming  # noqa: E402,F401
from cases import APPEND, BYTES, CASES, GROW, READ, TRIM  # noqa: E402
from place import Ledger, Place, Shown  # noqa: E402
from wait import until  # noqa: E402

AT_ONCE = {APPEND: 4, READ: 4, GROW: 12, BYTES: 4}  # cases that run at the same time


class Compatibility(cluster.ClusterTest):
    """All cases, at both mounts."""

    limit_s = 280

    def setUp(self):
        super().setUp()
        scratch = tempfile.TemporaryDirectory(prefix="clog-compat.")
        self.addCleanup(scratch.cleanup)
        self.scratch = os.path.realpath(scratch.name)
        self.plain = self.scratch + "/plain"
        self.ledger = Ledger()
        self.leader = self.leading()
        self.follower = next(other for other in self.members if other is not self.leader)
        self.shown = {other.name: Shown(self.ledger, other.mount) for other in self.members}
        self.count = 0
        self.expected = {}  # what a script says of plain files
        self.failures = []

    def places(self, phase):
        """A place for each case of a phase and each mount."""
        for role, at in (("the leader", self.leader), ("a follower", self.follower)):
            for case in CASES:
                if case.phase == phase and (phase == APPEND or os.environ.get("CLOG_CASE", "") in str(case)):
                    yield case, Place(self, self.shown[at.name], self.plain, f"{case}, at {role}", self.count)
                    self.count += 1

    def attempt(self, run, place, *arguments):
        """Runs a case, or a part of it, and notes what went wrong."""
        begin = time.monotonic()
        try:
            run(place, *arguments)
        except Exception:  # pylint: disable=broad-except
            self.failures.append(f"{place}:\n{traceback.format_exc(limit=-3)}")
        if os.environ.get("CLOG_TRACE"):
            print(f"{time.monotonic() - begin:.2f} s  {place}", file=sys.stderr)

    def run_phase(self, phase):
        """Runs all cases of a phase, several at a time."""
        tried = list(self.places(phase))
        with ThreadPoolExecutor(AT_ONCE[phase]) as pool:
            list(pool.map(lambda pair: self.attempt(pair[0].run, pair[1]), tried))

    def make_plain_files(self):
        """Plain files with the bytes and the times that the mount has now."""
        self.wait_for_equal_logs()
        shown = self.shown[self.leader.name]
        shown.update()
        os.makedirs(self.plain + "/log/records")
        os.symlink("log/records", self.plain + "/records")
        with open(self.plain + "/log/stream", "wb") as stream:
            stream.write(b"".join(shown.records))
        for offset, record in enumerate(shown.records):
            path = f"{self.plain}/log/records/{offset}"
            with open(path, "wb") as file:
                file.write(record)
            os.chmod(path, 0o444)
            time_ns = os.stat(f"{shown.mount}/records/{offset}").st_mtime_ns
            os.utime(path, ns=(time_ns, time_ns))
        os.chmod(self.plain + "/log/stream", 0o444)

    def assert_accounted(self):
        """Every record is some case's, and all members show the same, in each way they have."""
        self.wait_for_equal_logs()
        for shown in self.shown.values():
            shown.update()
        records = self.shown[self.leader.name].records
        nobodys = [offset for offset in range(len(records)) if offset not in self.ledger.owners]
        self.assertEqual([(offset, records[offset][:80]) for offset in nobodys[:5]], [], f"{len(nobodys)} are nobody's")
        self.assertEqual(set(range(len(records))), set(self.ledger.owners))
        for other in self.members:
            self.assertEqual(int(member.read(other.path("log/next"))), len(records))
            self.assertTrue(self.shown[other.name].records == records, other.name)
            self.assert_same(member.read(other.path("log/stream")), b"".join(records), f"{other.name}'s stream")

    def trim_under_readers(self):
        """Runs each case of a trim up to it, trims, and runs the rest."""
        tried = [(case.run(place), place) for case, place in self.places(TRIM)]
        with ThreadPoolExecutor(len(tried) + 1) as pool:
            list(pool.map(lambda pair: self.attempt(lambda _: next(pair[0]), pair[1]), tried))
            records = self.shown[self.leader.name].records
            self.shown[self.leader.name].update()
            trimmed = len(records) // 2
            self.shell(f"echo {trimmed} > {self.leader.mount}/log/first")
            for other in self.members:
                until(lambda other=other: member.read(other.path("log/first")) == b"%d\n" % trimmed, 60, "all have trimmed")
            for _, place in tried:
                place.trimmed, place.gone = trimmed, sum(map(len, records[:trimmed]))
            list(pool.map(lambda pair: self.attempt(lambda _: next(pair[0], None), pair[1]), tried))

    def test_programs_do_as_the_table_says(self):
        for phase in (APPEND, READ, GROW, BYTES):
            if phase == READ:
                self.make_plain_files()
            self.run_phase(phase)
        self.assertEqual(self.failures, [], "\n" + "\n".join(self.failures))
        self.assert_accounted()
        self.trim_under_readers()
        self.assertEqual(self.failures, [], "\n" + "\n".join(self.failures))


if __name__ == "__main__":
    member.main()
