"""What log/lines makes of writes: every line a record, whatever the pieces."""

import errno
import os

import member

MAX = 1_044_480  # bytes in a record


class Lines(member.MemberTest):
    """Handles on log/lines."""

    def open(self):
        """A handle, open for reading and writing, closed with the test."""
        handle = os.open(self.member.path("log/lines"), os.O_RDWR)
        self.addCleanup(self.close_if_open, handle)
        return handle

    def close_if_open(self, handle):
        """Closes what the test has not closed."""
        try:
            os.close(handle)
        except OSError:
            pass

    def write(self, handle, data):
        """Writes all of it, in one call."""
        self.assertEqual(os.write(handle, data), len(data))

    def test_a_write_of_lines_is_a_batch(self):
        handle = self.open()
        self.write(handle, b"one\ntwo\n\nfour\n")
        self.assert_log([b"one\n", b"two\n", b"\n", b"four\n"])
        self.assertEqual(os.read(handle, 100), b"0 4\n")
        self.write(handle, b"five\n")
        self.assertEqual(os.read(handle, 100), b"4 1\n")
        self.assertEqual(os.read(handle, 100), b"")

    def test_the_answer_can_be_read_byte_by_byte(self):
        handle = self.open()
        self.write(handle, b"x\n" * 12)
        self.assertEqual([os.read(handle, 1) for _ in range(6)], [b"0", b" ", b"1", b"2", b"\n", b""])

    def test_a_line_in_pieces_is_one_record(self):
        handle = self.open()
        self.write(handle, b"a")
        self.write(handle, b"b")
        self.assert_log([])
        self.write(handle, b"c\nd")
        self.assert_log([b"abc\n"])
        self.assertEqual(os.read(handle, 100), b"0 1\n")
        self.write(handle, b"\n")
        self.assert_log([b"abc\n", b"d\n"])

    def test_a_close_appends_the_rest(self):
        handle = self.open()
        self.write(handle, b"whole\nrest")
        self.assert_log([b"whole\n"])
        os.close(handle)
        self.assert_log([b"whole\n", b"rest"])
        handle = self.open()
        os.close(handle)
        self.assert_log([b"whole\n", b"rest"])

    def test_an_fsync_appends_the_rest(self):
        for sync in (os.fsync, os.fdatasync):
            with self.subTest(sync=sync.__name__):
                handle, first = self.open(), self.next()
                self.write(handle, b"rest")
                self.assertEqual(self.next(), first)
                sync(handle)
                self.assertEqual(self.next(), first + 1)
                self.assertEqual(self.record(first), b"rest")
                self.assertEqual(os.read(handle, 100), b"%d 1\n" % first)
                sync(handle)
                self.write(handle, b"of it\n")
                os.close(handle)
                self.assertEqual(self.next(), first + 2)
                self.assertEqual(self.record(first + 1), b"of it\n")

    def test_the_rest_is_there_when_the_program_has_ended(self):
        for i in range(20):
            self.assertEqual(self.shell("printf abc >> mnt/log/lines; cat mnt/log/stream"), b"abc" * (i + 1))
        self.assert_log([b"abc"] * 20)

    def test_each_program_of_a_group_ends_its_own_line(self):
        self.shell("{ /usr/bin/printf a; echo b; } >> mnt/log/lines")
        self.assert_log([b"a", b"b\n"])

    def test_a_copy_of_the_descriptor_shares_the_unfinished_line(self):
        handle = self.open()
        copy = os.dup(handle)
        self.write(handle, b"a")
        self.write(copy, b"b\nc")
        self.assert_log([b"ab\n"])
        os.close(copy)
        self.assert_log([b"ab\n", b"c"])
        self.write(handle, b"d\n")
        self.assert_log([b"ab\n", b"c", b"d\n"])

    def test_handles_do_not_share_unfinished_lines(self):
        left, right = self.open(), self.open()
        self.write(left, b"left ")
        self.write(right, b"right ")
        self.write(left, b"side\n")
        self.assert_log([b"left side\n"])
        self.write(right, b"side\nright")
        self.write(left, b"left")
        os.close(right)
        os.close(left)
        self.assert_log([b"left side\n", b"right side\n", b"right", b"left"])

    def test_bytes_of_any_kind_are_kept(self):
        lines = [b"\0\n", b"\r\n", b"\xff\xfe\xc3\n", b"\0\0\0\n", b" \t\n", b"no end\0"]
        handle = self.open()
        self.write(handle, b"".join(lines))
        os.close(handle)
        self.assert_log(lines)

    def test_a_line_of_the_maximum_is_a_record(self):
        longest = b"x" * (MAX - 1) + b"\n"
        handle = self.open()
        self.write(handle, longest)
        for i in range(0, MAX, 65_536):
            self.write(handle, longest[i:i + 65_536])
        self.assertEqual(os.read(handle, 100), b"1 1\n")
        self.write(handle, b"y" * MAX)
        os.close(handle)
        self.assert_log([longest, longest, b"y" * MAX])

    def test_a_line_too_long_is_dropped_through_its_newline(self):
        for pieces in ([b"x" * MAX + b"\n"], [b"x" * MAX, b"\n"], [b"x" * 1_000_000, b"x" * 100_000, b"x\n"]):
            with self.subTest(pieces=list(map(len, pieces))):
                handle, first = self.open(), self.next()
                self.write(handle, b"before\n")
                with self.assertRaises(OSError) as refused:
                    for piece in pieces:
                        os.write(handle, piece)
                self.assertEqual(refused.exception.errno, errno.EMSGSIZE)
                os.close(handle)
                self.assertEqual(self.next(), first + 1)
                self.assertEqual(self.record(first), b"before\n")

    def test_after_a_line_too_long_the_next_one_is_a_record(self):
        handle = self.open()
        for piece in (b"x" * 600_000, b"x" * 600_000):
            try:
                os.write(handle, piece)
            except OSError as error:
                self.assertEqual(error.errno, errno.EMSGSIZE)
        try:
            os.write(handle, b"the end of it\n")
        except OSError as error:
            self.assertEqual(error.errno, errno.EMSGSIZE)
        self.write(handle, b"next\n")
        self.assert_log([b"next\n"])

    def test_a_million_lines_are_one_batch(self):
        handle, count = self.open(), MAX
        self.write(handle, b"\n" * count)
        self.assertEqual(os.read(handle, 100), b"0 %d\n" % count)
        self.assertEqual(self.next(), count)
        self.assertEqual(self.record(count - 1), b"\n")
        self.assertEqual(len(os.listdir(self.member.path("records"))), count)
        self.assert_same(member.read(self.member.path("log/stream")), b"\n" * count, "log/stream")

    def test_a_long_line_and_a_million_short_ones_are_one_batch(self):
        handle, count = self.open(), MAX
        self.write(handle, b"x" * (MAX - 1))
        self.write(handle, b"\n" * count)
        self.assertEqual(os.read(handle, 100), b"0 %d\n" % count)
        self.assertEqual(self.next(), count)
        self.assert_same(self.record(0), b"x" * (MAX - 1) + b"\n", "record 0")
        self.assert_same(member.read(self.member.path("log/stream")), b"x" * (MAX - 1) + b"\n" * count, "log/stream")

    def test_a_write_of_many_mebibytes_is_its_lines(self):
        lines = [b"%d " % i + b"." * (i % 3001) + b"\n" for i in range(4000)]
        data = b"".join(lines)
        handle = self.open()
        self.write(handle, data)
        self.assert_log(lines, each=False)
        for offset in range(0, len(lines), 97):
            self.assert_same(self.record(offset), lines[offset], f"record {offset}")

    def test_an_unfinished_line_is_not_kept_through_a_crash(self):
        handle = self.open()
        self.write(handle, b"kept\nnot acknowledged")
        self.member.kill()
        with self.assertRaises(OSError) as dead:
            os.fsync(handle)
        self.assertIn(dead.exception.errno, (errno.ENOTCONN, errno.ECONNABORTED))
        self.member.start()
        self.assert_log([b"kept\n"])


if __name__ == "__main__":
    member.main()
