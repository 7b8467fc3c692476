"""Writers of a member whose quorum is lost: they are told by the deadline, or when clogd dies, and none is left waiting."""

import errno
import os
import signal
import threading

from member import main, mounts, read
from wait import until
from writing import WritingTest

WRITERS = 100
WRITE = "1" if os.uname().machine == "x86_64" else "64"  # the number of write(2)
UNKNOWN = {errno.ECONNABORTED, errno.ENOTCONN}


class Attempt(threading.Thread):
    """One append, or without a record one opening to read, and what became of it."""

    def __init__(self, path, record):
        super().__init__(daemon=True)
        self.path, self.record, self.outcome = path, record, None
        self.start()

    def run(self):
        try:
            handle = os.open(self.path, os.O_RDONLY if self.record is None else os.O_WRONLY)
            try:
                if self.record is not None:
                    os.write(handle, self.record)
            finally:
                os.close(handle)
            self.outcome = 0
        except OSError as error:
            self.outcome = error.errno


def state(pid):
    """What a process is doing, as the kernel says it: "S", "D", "Z"."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0]


class Quorum(WritingTest):
    certificates = False

    def setUp(self):
        super().setUp()
        self.member = self.leading()
        self.others = [other for other in self.members if other is not self.member]
        with open(self.member.path("append"), "ab", buffering=0) as file:
            file.write(b"before\n")

    def tearDown(self):
        for other in self.others:
            if other.process:
                other.process.send_signal(signal.SIGCONT)

    def halt_others(self):
        """From here on there is no quorum."""
        for other in self.others:
            other.process.send_signal(signal.SIGSTOP)

    def resume_others(self):
        for other in self.others:
            other.process.send_signal(signal.SIGCONT)

    def test_writers_are_told_by_the_deadline_and_readers_go_on(self):
        append = self.member.path("append")
        writers = self.writers([self.member])
        self.wait_for_more(writers)
        self.halt_others()
        until(lambda: self.leader(self.member) is None, 30, "the leader has given up")
        refused = Attempt(append, b"refused\n")
        asking = Attempt(self.member.path("log/next"), None)
        at_once = os.open(append, os.O_WRONLY | os.O_NONBLOCK)
        with self.assertRaises(BlockingIOError):
            os.write(at_once, b"at once\n")
        os.close(at_once)
        while refused.is_alive() or not writers[0].error:
            self.assertEqual(read(self.member.path("records/0")), b"before\n")
            self.assertEqual(read(self.member.path("log/stream")), b"".join([b"before\n", *writers[0].written]))
            self.assertEqual(sorted(os.listdir(self.member.path("cluster"))), ["n1", "n2", "n3"])
            refused.join(0.2)
        self.assertEqual(errno.errorcode.get(writers[0].error.errno), "ETIMEDOUT")  # it was proposed
        self.assertEqual(errno.errorcode.get(refused.outcome), "EHOSTUNREACH")
        asking.join(20)
        self.assertEqual(errno.errorcode.get(asking.outcome), "EHOSTUNREACH")
        self.resume_others()
        self.leading()
        self.shell(f"echo after >> {self.member.mount}/append")
        written = writers[0].written
        unknown = b"%s %d\n" % (writers[0].tag, len(written))
        records = read(self.member.path("log/stream")).splitlines(keepends=True)
        self.assertIn(records, ([b"before\n", *written, b"after\n"], [b"before\n", *written, unknown, b"after\n"]))

    def test_a_killed_clogd_leaves_no_writer_waiting(self):
        held, gate = os.pipe()  # so that all write at once, well before the first one's deadline
        gone = []
        for number in range(WRITERS):
            gone.append(os.fork())
            if gone[-1] == 0:
                os.close(gate)
                self.write_one(number, held)
        self.addCleanup(self.bury, gone)
        self.halt_others()
        os.close(gate)
        os.close(held)
        until(lambda: all(self.writes(pid) for pid in gone), 30, "all writers wait for their answers")
        # A signal that is handled makes the kernel wait on in state D.
        for pid in gone[::2]:
            os.kill(pid, signal.SIGUSR1)
        until(lambda: all(state(pid) == "D" for pid in gone[::2]), 30, "half of them wait in D")
        self.member.kill()
        until(lambda: all(state(pid) == "Z" for pid in gone), 20, "every writer has its answer")
        outcomes = [os.waitstatus_to_exitcode(os.waitpid(gone.pop(), 0)[1]) for _ in range(WRITERS)]
        self.assertLessEqual(set(outcomes), UNKNOWN)
        self.resume_others()
        self.assertEqual(len(mounts(self.member.mount)), 1)  # dead
        self.member.launch()
        self.wait_for_voters(3)
        self.assertIn("event=stale_mount_removed", self.member.told())
        self.assertEqual(len(mounts(self.member.mount)), 1)
        self.wait_for_equal_logs()
        records = read(self.member.path("log/stream")).splitlines()
        self.assertEqual(len(records), len(set(records)))
        self.assertLessEqual(set(records), {b"before", *(b"%d" % number for number in range(WRITERS))})

    def write_one(self, number, held):
        """In a process of its own: one append, once the gate is closed, whose errno is the exit status."""
        status = 255
        try:
            signal.signal(signal.SIGUSR1, lambda *_: None)
            handle = os.open(self.member.path("log", "lines" if number % 3 == 0 else "append"), os.O_WRONLY)
            os.read(held, 1)
            os.write(handle, b"%d\n" % number)
            status = 0
        except OSError as error:
            status = error.errno
        finally:
            os._exit(status)

    def writes(self, pid):
        """Whether a process is in its write."""
        with open(f"/proc/{pid}/syscall", encoding="utf-8") as call:
            return call.read().split()[0] == WRITE

    def bury(self, pids):
        """Ends those that are left."""
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
