"""log/follow, as programs wait for it: each reader gets all that comes, once, in order."""

import errno
import fcntl
import itertools
import os
import resource
import select
import signal
import threading

import member
from cluster import ClusterTest
from handles import resident
from wait import until

READERS = 1000


class Readers:
    """What tests of readers do: self.reading is the member whose mount they use, self.written the one that is written
    to."""

    def begin(self, reading, written):
        """Nothing has come yet."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.reading, self.written = reading, written
        self.put(b"before\n")
        self.begun = len(member.read(written.path("log/stream")))
        until(lambda: len(member.read(reading.path("log/stream"))) == self.begun, what="both show the same")

    def open(self, flags=0):
        """An opening, closed with the test."""
        handle = os.open(self.reading.path("log/follow"), os.O_RDONLY | flags)
        self.addCleanup(os.close, handle)
        return handle

    def put(self, data):
        with open(self.written.path("append"), "ab", buffering=0) as append:
            append.write(data)

    def come(self):
        """All that has come since the beginning."""
        return member.read(self.written.path("log/stream"))[self.begun:]

    def write(self, count=30):
        """Four programs append."""
        script = f"for i in {{1..{count}}}; do echo \"$0 writes $i\"; done >> mnt/append"
        return [self.spawn(["bash", "-c", script, str(number)], cwd=self.written.folder) for number in range(4)]

    def done(self, writers):
        """Waits for them."""
        for writer in writers:
            self.assertEqual(writer.wait(60), 0)

    def assert_all_got_all(self, got):
        come = self.come()
        self.assertEqual(come.count(b"writes"), come.count(b"\n"))
        for number, pieces in enumerate(got):
            self.assert_same(b"".join(pieces), come, f"what reader {number} got")

    def take_all(self, writers, got, waits):
        """Reads what comes, by who is ready as each of the waits in turn tells, until all have all of it."""
        size, turns = 0, itertools.cycle(waits)

        def step():
            nonlocal size
            ended = all(writer.poll() is not None for writer in writers)
            size += sum(self.take(handle, got[handle]) for handle in next(turns)())
            return ended and size >= len(got) * len(self.come())
        until(step, 60, "all that is written comes to all")

    def take(self, handle, pieces):
        """Reads all that there is; gives its size."""
        size = 0
        while True:
            try:
                pieces.append(os.read(handle, 1000))
                size += len(pieces[-1])
            except BlockingIOError:
                return size

    def follow_by_epoll(self, count):
        """So many readers in one program, some told once of what comes, some as long as it is there."""
        handles = [self.open(os.O_NONBLOCK) for _ in range(count)]
        before = resident(self.reading.process.pid)
        got = {handle: [] for handle in handles}
        with select.epoll() as epoll:
            for i, handle in enumerate(handles):
                epoll.register(handle, select.EPOLLIN | (select.EPOLLET if i % 2 else 0))
            writers = self.write()
            self.take_all(writers, got, [lambda: [handle for handle, _ in epoll.poll(0.1)]])
            self.assertEqual(epoll.poll(0), [])
        self.done(writers)
        self.assert_all_got_all(got.values())
        self.assertLess(resident(self.reading.process.pid) - before, 32 << 20)


class Following(member.MemberTest, Readers):
    """One member."""

    limit_s = 90

    def setUp(self):
        super().setUp()
        self.begin(self.member, self.member)

    def tearDown(self):
        self.assertEqual(self.member.stop(), 0)

    def test_a_thousand_readers_by_epoll(self):
        self.follow_by_epoll(READERS)

    def test_poll_and_select(self):
        handles = [self.open(os.O_NONBLOCK) for _ in range(100)]
        poll = select.poll()
        for handle in handles:
            poll.register(handle, select.POLLIN)
        self.assertEqual(poll.poll(0), [])
        self.assertEqual(select.select(handles, [], [], 0)[0], [])
        got = {handle: [] for handle in handles}
        writers = self.write()
        self.take_all(writers, got, [lambda: [handle for handle, _ in poll.poll(100)],
                                     lambda: select.select(handles, [], [], 0.1)[0]])
        self.done(writers)
        self.assertEqual(poll.poll(0), [])
        self.assert_all_got_all(got.values())

    def test_hundreds_wait_in_read(self):
        got = [[] for _ in range(200)]
        handles = [self.open() for _ in got]

        def read(handle, pieces):
            while b"the end\n" not in b"".join(pieces[-2:]):
                pieces.append(os.read(handle, 1 << 20))

        threads = [threading.Thread(target=read, args=pair, daemon=True) for pair in zip(handles, got)]
        for thread in threads:
            thread.start()
        self.done(self.write())
        self.put(b"the writes end: the end\n")
        for thread in threads:
            thread.join(40)
        self.assert_all_got_all(got)

    def test_who_share_an_opening_share_its_bytes(self):
        handle = self.open()
        pipes = []
        for _ in range(20):
            out, into = os.pipe()
            if os.fork() == 0:
                try:
                    while (piece := os.read(handle, 7)) and piece[-1:] != b"!":
                        os.write(into, piece + b" " * (8 - len(piece)))
                finally:
                    os._exit(0)
            os.close(into)
            pipes.append(out)
        self.done(self.write())
        come = self.come()
        until(lambda: not select.select([handle], [], [], 0)[0], what="all is read")
        for _ in pipes:
            self.put(b"!")
            os.wait()
        got = b""
        for out in pipes:
            with open(out, "rb") as file:
                got += file.read()
        self.assertEqual(sorted(got.replace(b" ", b"")), sorted(come.replace(b" ", b"")))

    def test_the_flag_of_a_handle_says_whether_it_waits(self):
        handle = self.open()
        fcntl.fcntl(handle, fcntl.F_SETFL, os.O_NONBLOCK)
        with self.assertRaises(BlockingIOError):
            os.read(handle, 100)
        fcntl.fcntl(handle, fcntl.F_SETFL, 0)
        signal.signal(signal.SIGALRM, lambda *_: self.put(b"by the handler\n"))
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        self.assertEqual(os.read(handle, 100), b"by the handler\n")

    def test_who_does_not_read_costs_no_memory(self):
        handles = [self.open(os.O_NONBLOCK) for _ in range(3)]
        before = resident(self.member.process.pid)
        data = os.urandom(1_000_000)
        for _ in range(20):
            self.put(data)
        self.assertLess(resident(self.member.process.pid) - before, 32 << 20)
        for handle in handles:
            for _ in range(20):
                got = b""
                while len(got) < len(data):
                    got += os.read(handle, len(data) - len(got))
                self.assertTrue(got == data)
            with self.assertRaises(OSError) as nothing:
                os.read(handle, 1)
            self.assertEqual(nothing.exception.errno, errno.EAGAIN)


class FollowingAFollower(ClusterTest, Readers):
    """Three members: the readers are at one that does not lead, the writers at the leader."""

    limit_s = 120

    def test_readers_at_a_follower(self):
        leader = self.leading()
        self.begin(next(member for member in self.members if member is not leader), leader)
        self.follow_by_epoll(200)


if __name__ == "__main__":
    member.main()
