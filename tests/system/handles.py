"""Open files that are many, shared, or passed from one process to another."""

import contextlib
import errno
import fcntl
import os
import resource
import signal
import socket

import member
from odd import OddCalls
from wait import until

COUNT = 10_000


def resident(pid):
    """Bytes of memory that a process has."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS:"))


class Handles(OddCalls):
    """What is done by one."""

    limit_s = 90

    def child(self, action):
        """Does something in a process of its own, which has copies of all handles; gives its exit status."""
        pid = os.fork()
        if pid == 0:
            try:
                action()
                os._exit(0)
            except OSError as error:
                os._exit(error.errno)
            finally:
                os._exit(255)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def opened(self, name, flags=os.O_RDWR):
        """A handle, closed with the test unless it is before."""
        handle = os.open(self.member.path(name), flags)
        self.addCleanup(self.close_if_open, handle)
        return handle

    def close_if_open(self, handle):
        """Closes what the test has not closed."""
        with contextlib.suppress(OSError):
            os.close(handle)

    def test_ten_thousand_are_open_at_once_and_leave_nothing_behind(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(COUNT + 100, hard) if os.geteuid() == 0 else hard,) * 2)
        sizes = []
        for _ in range(2):
            self.open_many()
            sizes.append(resident(self.member.process.pid))
        print("memory of clogd after each time:", sizes, flush=True)
        if "ASAN_OPTIONS" not in os.environ:  # a sanitizer keeps for a while what is freed, and tells of leaks itself
            self.assertLess(sizes[1] - sizes[0], 1 << 20)

    def open_many(self):
        """Opens so many, of several files, and uses some."""
        handles = []
        try:
            for i in range(COUNT):
                name, flags = (("log/append", os.O_RDWR), ("log/lines", os.O_RDWR), ("log/stream", os.O_RDONLY),
                               ("log/follow", os.O_RDONLY | os.O_NONBLOCK), ("log/first", os.O_RDONLY))[i % 5]
                handles.append(os.open(self.member.path(name), flags))
            for i in range(0, COUNT, 1000):
                os.write(handles[i], b"by %d\n" % i)
                os.write(handles[i + 1], b"unfinished, by %d" % i)
                self.assertEqual(os.read(handles[i], 100), b"%d\n" % len(self.expected))
                self.expected.append(b"by %d\n" % i)
            new = b"".join(self.expected[-COUNT // 1000:])
            for i in range(3, COUNT, 1000):
                self.assert_same(os.read(handles[i], 1000), new, "what follows")
                self.assertEqual(os.pread(handles[i - 1], 9, 0), b"zero\none\n")
        finally:
            for handle in handles:
                os.close(handle)
        self.expected += [b"unfinished, by %d" % i for i in range(0, COUNT, 1000)]

    def test_copies_of_a_descriptor_share_what_it_reads_back(self):
        handle = self.opened("log/append")
        copy = os.dup(handle)
        os.write(handle, b"by one\n")
        self.assertEqual(os.read(copy, 1), b"2")
        self.assertEqual(self.child(lambda: os.write(copy, b"by the child\n")), 0)
        self.assertEqual(os.read(handle, 100), b"3\n")
        os.close(copy)
        os.write(handle, b"by one again\n")
        self.assertEqual(os.read(handle, 100), b"4\n")
        self.expected += [b"by one\n", b"by the child\n", b"by one again\n"]

    def test_a_line_is_continued_by_a_child_and_each_close_ends_it(self):
        handle = self.opened("log/lines")
        os.write(handle, b"begun")
        self.assertEqual(self.child(lambda: os.write(handle, b", continued\nbegun by the child")), 0)
        self.assertEqual(self.next(), 4)
        os.write(handle, b"new\n")
        os.write(handle, b"rest")
        os.close(handle)
        self.expected += [b"begun, continued\n", b"begun by the child", b"new\n", b"rest"]

    def test_who_is_killed_closes_and_the_line_is_there(self):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            handle = os.open(self.member.path("log/lines"), os.O_WRONLY)
            os.write(handle, b"unfinished when it came")
            os.write(writer, b"x")
            signal.pause()
            os._exit(1)
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        until(lambda: self.next() == 3, what="its line is appended")
        self.expected.append(b"unfinished when it came")

    def test_descriptors_are_passed_to_another_process(self):
        here, there = socket.socketpair()
        for name, text, record in (("log/append", b"from there\n", b"from there\n"),
                                   ("log/lines", b", to there\n", b"from here, to there\n")):
            handle = self.opened(name)
            if name == "log/lines":
                os.write(handle, b"from here")
            socket.send_fds(here, [b"x"], [handle])
            if name == "log/append":
                os.close(handle)  # it is on its way: nobody has it open now

            def take():
                got = socket.recv_fds(there, 1, 1)[1][0]
                os.write(got, text)
                if os.read(got, 100).split()[0] != b"%d" % len(self.expected):
                    os._exit(254)
            self.assertEqual(self.child(take), 0)
            self.expected.append(record)
        here.close()
        there.close()

    def test_descriptors_that_nobody_takes_are_closed(self):
        here, there = socket.socketpair()
        handle = self.opened("log/lines")
        os.write(handle, b"on its way")
        socket.send_fds(here, [b"x"], [handle])
        os.close(handle)  # a close, whoever has it besides
        self.expected.append(b"on its way")
        self.assertEqual(self.next(), 3)
        here.close()
        there.close()

    def test_locks_are_of_this_machine(self):
        first, second = self.opened("log/first"), self.opened("log/first")
        fcntl.flock(first, fcntl.LOCK_EX)
        self.assert_fails(errno.EAGAIN, fcntl.flock, second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(first, fcntl.LOCK_UN)
        fcntl.lockf(first, fcntl.LOCK_EX)

        def lock():
            fcntl.lockf(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.assertEqual(self.child(lock), errno.EAGAIN)
        fcntl.lockf(first, fcntl.LOCK_UN)
        self.assertEqual(self.child(lock), 0)


if __name__ == "__main__":
    member.main()
