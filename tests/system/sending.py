"""However bytes are sent, one call is one record, and what is larger than a record is refused with nothing appended."""

import contextlib
import errno
import fcntl
import mmap
import os

import kernel
import member
from kernel import Buffer
from odd import OddCalls

MAX = 1_044_480  # bytes in a record
OVER = (MAX + 1, 1 << 20, (1 << 20) + MAX)
PIPE_MAX = 1 << 20  # bytes that a pipe can have as it comes
NOTHING = 0


@contextlib.contextmanager
def pipe_with(fill, size):
    """A pipe that holds what fill(its end to write to) puts into it."""
    out, into = os.pipe()
    try:
        fcntl.fcntl(into, 1031, max(size, 4096))  # F_SETPIPE_SZ
        moved = fill(into)
        while moved < size:
            moved += fill(into)
        yield out
    finally:
        os.close(out)
        os.close(into)


def by_splice(handle, buffer):
    with pipe_with(lambda into: os.write(into, buffer.view), buffer.size) as out:
        return os.splice(out, handle, buffer.size)


def by_vmsplice(handle, buffer):
    with pipe_with(lambda into: kernel.vmsplice(into, buffer), buffer.size) as out:
        return os.splice(out, handle, buffer.size)


def by_aio(opcode):
    """Linux' own asynchronous writes."""
    def send(handle, buffer):
        with contextlib.closing(kernel.Aio()) as aio:
            return aio.write(handle, buffer, opcode)
    return send


def by_ring(opcode):
    """io_uring."""
    def send(handle, buffer):
        with contextlib.closing(kernel.Ring()) as ring:
            if opcode == kernel.URING_WRITE:
                return ring.call(opcode, handle, buffer.address, buffer.size)
            if opcode == kernel.URING_WRITEV:
                return ring.call(opcode, handle, kernel.ctypes.addressof(buffer.vector), 1)
            with pipe_with(lambda into: os.write(into, buffer.view), buffer.size) as out:
                return ring.call(opcode, handle, kernel.NOWHERE, buffer.size, source=out)
    return send


def write(handle, buffer):
    return os.write(handle, buffer.view)


# What it is called, the flags of the opening, and how.
WAYS = (
    ("write", NOTHING, write),
    ("write, O_APPEND", os.O_APPEND, write),
    ("write, O_TRUNC", os.O_TRUNC, write),
    ("write, O_SYNC", os.O_SYNC, write),
    ("write, O_DSYNC", os.O_DSYNC, write),
    ("write, O_NONBLOCK", os.O_NONBLOCK, write),
    ("write, O_DIRECT", os.O_DIRECT, write),
    ("pwrite", NOTHING, lambda handle, buffer: os.pwrite(handle, buffer.view, 1 << 33)),
    ("writev of 256", NOTHING, lambda handle, buffer: os.writev(handle, buffer.pieces(256))),
    ("pwritev of 2", os.O_APPEND, lambda handle, buffer: os.pwritev(handle, buffer.pieces(2), 12345)),
    ("pwritev2, RWF_APPEND", NOTHING, lambda handle, buffer: os.pwritev(handle, [buffer.view], 0, os.RWF_APPEND)),
    ("pwritev2, RWF_DSYNC", NOTHING, lambda handle, buffer: os.pwritev(handle, [buffer.view], 0, os.RWF_DSYNC)),
    ("splice", NOTHING, by_splice),
    ("vmsplice and splice", NOTHING, by_vmsplice),
    ("AIO write", NOTHING, by_aio(kernel.AIO_WRITE)),
    ("AIO write, O_DIRECT", os.O_DIRECT, by_aio(kernel.AIO_WRITE)),
    ("AIO writev, O_DIRECT", os.O_DIRECT, by_aio(kernel.AIO_WRITEV)),
    ("io_uring write", NOTHING, by_ring(kernel.URING_WRITE)),
    ("io_uring write, O_DIRECT", os.O_DIRECT, by_ring(kernel.URING_WRITE)),
    ("io_uring writev, O_NONBLOCK", os.O_NONBLOCK, by_ring(kernel.URING_WRITEV)),
    ("io_uring splice", NOTHING, by_ring(kernel.URING_SPLICE)),
)


class Sending(OddCalls):
    """All ways, to the files that take records."""

    limit_s = 90

    def ways(self):
        """Those that this kernel has."""
        has_ring = kernel.has_ring()
        for name, flags, send in WAYS:
            if has_ring or "io_uring" not in name:
                yield flags, send, [size for size in OVER if size <= PIPE_MAX or "splice" not in name]

    @contextlib.contextmanager
    def opened(self, name, flags):
        """A handle."""
        handle = os.open(self.member.path(name), os.O_RDWR | flags)
        try:
            yield handle
        finally:
            os.close(handle)

    def test_a_call_is_a_record(self):
        for flags, send, over in self.ways():
            with self.opened("log/append", flags) as handle:
                for size in (1, 4096, MAX):
                    data = os.urandom(size)
                    self.assertEqual(send(handle, Buffer(data)), size)
                    self.assertEqual(os.read(handle, 100), b"%d\n" % len(self.expected))
                    self.expected.append(data)
                    self.assert_same(self.record(len(self.expected) - 1), data, f"a record of {size} bytes")

    def test_a_record_is_made_where_it_is_expected(self):
        for flags, send, over in self.ways():
            with self.opened(f"records/{len(self.expected)}", flags | os.O_CREAT | os.O_EXCL) as handle:
                self.assert_fails(errno.EMSGSIZE, send, handle, Buffer(b"x" * (MAX + 1)))
                self.assertEqual(send(handle, Buffer(b"in its place\n")), 13)
                self.assert_fails(errno.EPERM, send, handle, Buffer(b"again"))
            self.expected.append(b"in its place\n")
            with self.assertRaises(OSError) as late, \
                    self.opened(f"records/{len(self.expected) + 1}", flags | os.O_CREAT | os.O_EXCL) as handle:
                send(handle, Buffer(b"ahead"))
            self.assertEqual(late.exception.errno, errno.ENXIO)

    def test_what_is_too_large_appends_nothing(self):
        for flags, send, over in self.ways():
            with self.opened("log/append", flags) as handle:
                for size in over:
                    self.assert_fails(errno.EMSGSIZE, send, handle, Buffer(b"x" * size))
                    self.assertEqual(os.read(handle, 100), b"")
                self.assertEqual(self.next(), len(self.expected))
                self.assertEqual(send(handle, Buffer(b"small")), 5)
                self.assertEqual(os.read(handle, 100), b"%d\n" % len(self.expected))
            self.expected.append(b"small")

    def test_a_line_that_is_too_long_appends_nothing(self):
        for flags, send, over in self.ways():
            with self.opened("log/lines", flags) as handle:
                for size in over:
                    self.assert_fails(errno.EMSGSIZE, send, handle, Buffer(b"x" * size))
                    self.assert_fails(errno.EMSGSIZE, send, handle, Buffer(b"the end of it\n"))
                self.assertEqual(self.next(), len(self.expected))
                self.assertEqual(send(handle, Buffer(b"a\r\n\0\nrest")), 9)
                self.assertEqual(os.read(handle, 100), b"%d 2\n" % len(self.expected))
            self.expected += [b"a\r\n", b"\0\n", b"rest"]

    def test_sendfile_appends_all_in_pieces_of_the_kernel(self):
        data = os.urandom(3_000_000)
        with open(self.member.folder + "/bytes", "wb+") as file, self.opened("log/append", NOTHING) as handle:
            file.write(data)
            file.flush()
            moved = 0
            while moved < len(data):
                moved += os.sendfile(handle, file.fileno(), moved, len(data) - moved)
        self.expected += [self.record(offset) for offset in range(len(self.expected), self.next())]
        self.assert_same(b"".join(self.expected[2:]), data, "the records of a file that was sent")

    def test_bytes_that_are_not_there_are_not_appended(self):
        pages = kernel.Buffer(b"p" * 8192)
        kernel.forbid(pages.address + 4096, 4096)
        with self.opened("log/append", NOTHING) as handle:
            self.assert_fails(errno.EFAULT, kernel.write_from, handle, pages.address + 4096, 100)
            self.assertEqual(kernel.write_from(handle, pages.address, 8192), 4096)
            self.expected.append(b"p" * 4096)

    def test_gigabytes_are_refused_at_once(self):
        with mmap.mmap(-1, 3 << 30, flags=mmap.MAP_PRIVATE | 0x4000) as zeros:  # MAP_NORESERVE
            for name in ("log/append", "log/lines"):
                with self.opened(name, NOTHING) as handle, memoryview(zeros) as view:
                    self.assert_fails(errno.EMSGSIZE, os.write, handle, view)

    def test_pieces_of_few_pages_are_one_record(self):
        with self.opened("log/append", NOTHING) as handle:
            for pieces in ([b"x%d," % i for i in range(100)], [b"", b"y" * MAX, b""], [b""] * 1000 + [b"z"]):
                self.assertEqual(os.writev(handle, pieces), sum(map(len, pieces)))
                self.expected.append(b"".join(pieces))
                self.assertEqual(os.read(handle, 100), b"%d\n" % (len(self.expected) - 1))


if __name__ == "__main__":
    member.main()
