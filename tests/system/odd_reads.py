"""Odd ways to read, and many handles."""

import ctypes
import errno
import mmap
import os
import resource
import threading

import member
from odd import OddCalls


STORMED = ("append", "log/lines", "log/stream", "records/0", "log/next", "status/metrics", "self/id")


class Reads(OddCalls):
    """Ways to read."""

    limit_s = 90

    def test_places_far_out_have_nothing(self):
        for path in self.paths("records/0", "log/stream", "log/next", "status/version"):
            with self.subTest(path=path), open(path, "rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                for place in (size, size + 1, 4096, 1 << 31, 1 << 40, (1 << 63) - 4096):
                    self.assertEqual(os.pread(file.fileno(), 100, place), b"")
                self.assertEqual(os.lseek(file.fileno(), 1 << 62, os.SEEK_SET), 1 << 62)
                self.assertEqual(os.read(file.fileno(), 100), b"")
                self.assert_fails(errno.EINVAL, os.pread, file.fileno(), 100, (1 << 63) - 1)

    def test_pieces_of_a_record_are_true(self):
        record = os.urandom(300_000)
        self.add(record)
        direct = lambda path, flags: os.open(path, flags | os.O_DIRECT)
        for opener in (None, direct, None):
            self.assert_pieces(record, opener)

    def assert_pieces(self, record, opener):
        """Reads record 2 in several ways."""
        with open(self.member.path("records/2"), "rb", buffering=0, opener=opener) as file:
            for place in (0, 1, 4095, 4096, 131_071, 299_999):
                for size in (1, 4097, 200_000):
                    self.assert_same(os.pread(file.fileno(), size, place), record[place:place + size], f"at {place}")
            with mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as mapping:
                self.assert_same(mapping[:], record, "a mapping of a record")

    def test_a_listing_can_be_left_and_resumed(self):
        with open(self.member.path("log/lines"), "ab") as file:
            file.write(b"\n" * 5000)
        self.expected += [b"\n"] * 5000
        libc = ctypes.CDLL(None, use_errno=True)
        libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
        libc.telldir.restype = ctypes.c_long
        stream = ctypes.c_void_p(libc.opendir(os.fsencode(self.member.path("records"))))
        entry_name = lambda: ctypes.string_at(entry + 19) if (entry := libc.readdir(stream)) else None  # d_name
        names, places = [], []
        while (place := libc.telldir(stream), name := entry_name())[1]:
            names.append(name)
            places.append(place)
        self.assertEqual(sorted(names[:2]), [b".", b".."])
        self.assertEqual(names[2:], [b"%d" % i for i in range(5002)])
        for i in (5001, 2, 0, 4000, 3, 2500, 5003):
            libc.seekdir(stream, ctypes.c_long(places[i]))
            self.assertEqual(entry_name(), names[i])
        libc.rewinddir(stream)
        self.assertEqual([entry_name() for _ in range(5005)], names + [None])
        libc.closedir(stream)

    def test_a_listing_while_records_come_has_each_once(self):
        writer = self.spawn(["bash", "-c", "for i in {1..3000}; do echo come; done >> mnt/append"])
        while writer.poll() is None:
            before = self.next()
            names = os.listdir(self.member.path("records"))
            after = self.next()
            self.assertTrue(before <= len(names) <= after)
            self.assertEqual(names, [str(i) for i in range(len(names))])
        self.assertEqual(writer.returncode, 0)
        self.expected += [b"come\n"] * 3000

    def test_a_thousand_handles_are_open_at_once(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
        handles = [os.open(self.append, os.O_RDWR) for _ in range(1000)]
        handles += [os.open(self.member.path("log/stream"), os.O_RDONLY) for _ in range(500)]
        handles += [os.open(self.member.path("records/1"), os.O_RDONLY) for _ in range(500)]
        try:
            for i in range(0, 1000, 7):
                os.write(handles[i], b"handle %d\n" % i)
                self.expected.append(b"handle %d\n" % i)
            for place, i in enumerate(range(0, 1000, 7)):
                self.assertEqual(os.read(handles[i], 100), b"%d\n" % (place + 2))
            for i in range(1000, 1500, 7):
                self.assertEqual(os.pread(handles[i], 9, 0), b"zero\none\n")
            for i in range(1500, 2000, 7):
                self.assertEqual(os.read(handles[i], 100), b"one\n")
        finally:
            for handle in handles:
                os.close(handle)

    def test_a_storm_of_opens_and_closes_does_no_harm(self):
        failures, count = [], 400

        def storm(number):
            try:
                for i in range(count):
                    path = self.member.path(STORMED[(i + number) % len(STORMED)])
                    handle = os.open(path, os.O_RDWR if path.endswith(("append", "lines")) else os.O_RDONLY)
                    if i % 3 == 0:
                        os.read(handle, 10)
                    if i % 5 == 0:
                        os.listdir(self.member.path("records"))
                    os.close(handle)
                    self.assertIsNotNone(os.stat(path))
            except OSError as error:
                failures.append(error)

        threads = [threading.Thread(target=storm, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

if __name__ == "__main__":
    member.main()
