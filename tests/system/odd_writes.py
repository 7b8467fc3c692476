"""Odd ways to write."""

import ctypes
import errno
import fcntl
import mmap
import os
import subprocess
import termios

import member
from odd import OddCalls
from wait import until

MAX = 1_044_480  # bytes in a record


class Writes(OddCalls):
    """Ways to write."""

    limit_s = 90

    def open(self, flags=os.O_RDWR, path=None):
        """A handle on append, closed with the test."""
        handle = os.open(path or self.append, flags)
        self.addCleanup(os.close, handle)
        return handle

    def test_a_write_of_nothing_appends_nothing(self):
        handle = self.open()
        self.assertEqual(os.write(handle, b""), 0)
        self.assertEqual(os.read(handle, 100), b"")
        self.shell("cat /dev/null >> mnt/append; printf '' >> mnt/append; cp /dev/null mnt/append")

    def test_a_record_of_the_maximum_is_taken_and_larger_ones_refused(self):
        handle = self.open()
        largest = os.urandom(MAX)
        self.assertEqual(os.write(handle, largest), MAX)
        self.assertEqual(os.read(handle, 100), b"2\n")
        self.expected.append(largest)
        for size in (MAX + 1, 1 << 20, (1 << 20) + 1, 2 << 20, 3 << 20, (1 << 20) + MAX, 20 << 20):
            with self.subTest(size=size):
                self.assert_fails(errno.EMSGSIZE, os.write, handle, b"x" * size)
                self.assertEqual(self.next(), 3)
        self.assert_fails(errno.EMSGSIZE, os.pwrite, handle, b"x" * (MAX + 1), 1 << 20)
        self.shell("head -c 1044481 /dev/zero > large; dd if=large of=mnt/append bs=2M", status=1)
        self.assertIn("Message too long", self.complaint)
        self.assertEqual(os.write(handle, b"small"), 5)
        self.assertEqual(os.read(handle, 100), b"3\n")
        self.expected.append(b"small")

    def test_the_place_of_a_write_means_nothing(self):
        handle = self.open()
        for place in (0, 1, 4095, 4097, 1 << 33, (1 << 62) + 12345):
            self.assertEqual(os.pwrite(handle, b"at %d\n" % place, place), len(b"at %d\n" % place))
            self.expected.append(b"at %d\n" % place)
        for place in (0, 7, 1 << 40):
            os.lseek(handle, place, os.SEEK_SET)
            self.assertEqual(os.write(handle, b"sought %d\n" % place), len(b"sought %d\n" % place))
            self.expected.append(b"sought %d\n" % place)
        self.assert_fails(errno.EINVAL, os.lseek, handle, -1, os.SEEK_SET)

    def test_pieces_of_a_writev_are_one_record(self):
        handle = self.open()
        for pieces in ([b"a"], [b"", b"a", b"", b"bc"], [b"x%d," % i for i in range(100)], [b"y" * 300_000] * 3):
            self.assertEqual(os.writev(handle, pieces), sum(map(len, pieces)))
            self.expected.append(b"".join(pieces))

    def test_pieces_of_too_many_pages_lose_no_bytes(self):
        handle = self.open()
        for pieces in ([b"z%d," % i for i in range(1000)], [b"z" * 9000 for _ in range(100)]):
            self.assertEqual(os.writev(handle, pieces), sum(map(len, pieces)))
            self.assert_same(self.take_added(), b"".join(pieces), "the records of a writev")

    def test_flags_of_an_open_do_not_matter(self):
        for flags in (os.O_APPEND, os.O_TRUNC, os.O_CREAT, os.O_SYNC, os.O_DSYNC, os.O_NONBLOCK, os.O_NOFOLLOW,
                      os.O_NOATIME, os.O_APPEND | os.O_CREAT | os.O_TRUNC):
            self.add(b"with %o\n" % flags, flags=flags)
        self.assert_fails(errno.EEXIST, os.open, self.append, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        self.assert_fails(errno.ELOOP, os.open, self.member.path("append"), os.O_WRONLY | os.O_NOFOLLOW)
        self.assert_fails(errno.ENOTDIR, os.open, self.append, os.O_RDONLY | os.O_DIRECTORY)

    def test_a_direct_write_is_a_record(self):
        handle = self.open(os.O_WRONLY | os.O_DIRECT)
        with mmap.mmap(-1, 8192) as page:
            page[:] = b"d" * 8192
            for size in (8192, 512, 100):
                self.assertEqual(os.write(handle, memoryview(page)[:size]), size)
                self.expected.append(b"d" * size)

    def test_a_mapping_cannot_be_written(self):
        handle = self.open()
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        found = libc.mmap(None, ctypes.c_size_t(4096), mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, handle,
                          ctypes.c_long(0))
        self.assertEqual(found, ctypes.c_void_p(-1).value)
        self.assertEqual(ctypes.get_errno(), errno.ENODEV)

    def test_bytes_that_the_kernel_moves_are_appended(self):
        data = os.urandom(200_000)
        with open(self.member.folder + "/bytes", "wb+") as file:
            file.write(data)
            file.flush()
            handle, moved = self.open(os.O_WRONLY), 0
            while moved < len(data):
                moved += os.sendfile(handle, file.fileno(), moved, len(data) - moved)
            self.assertEqual(self.take_added(), data)
            out, into = os.pipe()
            os.write(into, b"through a pipe\n")
            self.assertEqual(os.splice(out, handle, 1000), 15)
            self.assertEqual(self.take_added(), b"through a pipe\n")
            self.assert_fails((errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF), os.copy_file_range,
                              file.fileno(), handle, 1000, 0)
            os.close(out)
            os.close(into)

    def take_added(self):
        """The joined records that are new, which are expected from here on."""
        added = [self.record(offset) for offset in range(len(self.expected), self.next())]
        self.expected += added
        return b"".join(added)

    def test_calls_that_have_no_meaning_here_fail(self):
        handle = self.open()
        self.assert_fails((errno.ENOTTY, errno.ENOSYS), fcntl.ioctl, handle, termios.TIOCGWINSZ, b"\0" * 8)
        self.assert_fails((errno.ENOTTY, errno.EOPNOTSUPP), fcntl.ioctl, handle, 0x40049409, handle)
        self.assert_fails(errno.EPERM, os.posix_fallocate, handle, 0, 4096)
        os.fsync(handle)
        os.fdatasync(handle)
        fcntl.flock(handle, fcntl.LOCK_EX)
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)

    def test_an_append_that_is_only_read_says_nothing(self):
        for path in self.paths("log/append", "log/lines"):
            try:
                self.assertEqual(member.read(path), b"")
            except PermissionError:
                pass
        handle = self.open()
        self.assertEqual(os.read(handle, 100), b"")

    def test_a_writer_that_takes_signals_appends_once(self):
        script = ("import os, signal\n"
                  "signal.signal(signal.SIGALRM, lambda *_: None)\n"
                  "signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)\n"
                  "handle = os.open('mnt/append', os.O_WRONLY)\n"
                  "for i in range(3000): os.write(handle, b'signalled %d\\n' % i)\n"
                  "signal.setitimer(signal.ITIMER_REAL, 0)\n")
        self.run_program(["/usr/bin/python3", "-c", script])
        self.expected += [b"signalled %d\n" % i for i in range(3000)]

    def test_a_killed_writer_leaves_whole_records(self):
        script = "while :; do echo 'a whole record'; done >> mnt/append"
        for _ in range(5):
            writers = [self.spawn(["bash", "-c", script], stderr=subprocess.DEVNULL) for _ in range(4)]
            count = len(self.expected)
            until(lambda: self.next() > count + 20, what="records are appended")
            for writer in writers:
                writer.kill()
                writer.wait(20)
            # Who is killed leaves before its record has its place; what comes after it comes behind it.
            self.add(b"a record after them\n")
            self.expected[-1:-1] = [b"a whole record\n"] * (self.next() - count - 1)

if __name__ == "__main__":
    member.main()
