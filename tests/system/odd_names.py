"""Odd names, and attributes that nobody may set."""

import errno
import os
import socket
import stat

import member
from odd import OddCalls


class Names(OddCalls):
    """Names that are not there, or cannot be."""

    def test_offsets_are_plain_decimal_numbers(self):
        for name in ("007", "00", "01", "+1", "-1", "-0", " 1", "1 ", "1\n", "0x0", "1e0", "1.0", "2", "1000000",
                     "18446744073709551614", "18446744073709551615", "18446744073709551616", "9223372036854775807",
                     "9223372036854775808", "99999999999999999999999999", "one", ".", "..", "...", "0/", "٣"):
            with self.subTest(name=name):
                if name in (".", ".."):
                    self.assertTrue(os.path.isdir(self.member.path("records", name)))
                    continue
                self.assert_fails((errno.ENOENT, errno.ENOTDIR), os.stat, self.member.path("records", name))

    def test_names_of_any_bytes_are_not_there(self):
        for folder in ("", "log", "records", "cluster", "cluster/one", "status"):
            for name in (b"x" * 255, b"\1\2\3", b"\xff\xfe", b"a\nb", b"\x7f", b" ", b"%s%n", b"append ", b"0 ", b"*"):
                with self.subTest(folder=folder, name=name):
                    self.assert_fails(errno.ENOENT, os.stat, os.fsencode(self.member.path(folder)) + b"/" + name)
            for size in (256, 1023, 1024, 4000):
                self.assert_fails((errno.ENOENT, errno.ENAMETOOLONG), os.stat, self.member.path(folder, "x" * size))

    def test_dots_lead_where_they_say(self):
        root = os.stat(self.mount)
        for path in self.paths("log/..", "records/../..", "cluster/one/../../status/.."):
            self.assertEqual((os.stat(path).st_dev, os.stat(path).st_ino), (root.st_dev, root.st_ino))
        self.assertEqual(os.stat(self.mount + "/..").st_ino, os.stat(self.member.folder).st_ino)

    def test_files_are_no_folders(self):
        for path in self.paths("append/x", "log/next/x", "records/0/x", "log/stream/."):
            self.assert_fails(errno.ENOTDIR, os.stat, path)
        for path in self.paths("append", "log/next", "records/0"):
            self.assert_fails(errno.ENOTDIR, os.listdir, path)
        for path in self.paths("log", "records", "cluster", ""):
            self.assert_fails(errno.EISDIR, os.open, path, os.O_WRONLY)

    def test_nothing_can_be_made(self):
        for folder in ("", "log", "records", "cluster", "status"):
            path = self.member.path(folder, "new")
            with self.subTest(folder=folder):
                self.assert_fails(errno.EPERM, os.mkdir, path)
                self.assert_fails(errno.EPERM, os.mknod, path, 0o600 | stat.S_IFREG)
                self.assert_fails(errno.EPERM, os.mkfifo, path)
                self.assert_fails(errno.EPERM, os.symlink, "log", path)
                self.assert_fails(errno.EPERM, os.link, self.append, path)
                self.assert_fails(errno.EPERM, os.open, path, os.O_WRONLY | os.O_CREAT, 0o600)
                self.assert_fails(errno.EPERM, os.open, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with socket.socket(socket.AF_UNIX) as unix:
                    self.assert_fails(errno.EPERM, unix.bind, path)
                self.assert_fails((errno.EOPNOTSUPP, errno.EPERM), os.open, os.path.dirname(path),
                                  os.O_WRONLY | os.O_TMPFILE, 0o600)
                self.assertFalse(os.path.lexists(path))
        self.assert_fails(errno.EPERM, os.open, self.member.path("records/2"), os.O_WRONLY | os.O_CREAT, 0o600)
        self.assert_fails(errno.ENOENT, os.stat, self.member.path("records/2"))

    def test_nothing_can_be_taken_away_or_moved(self):
        for path in self.paths("append", "leader", "log/append", "log/lines", "log/stream", "log/next", "records/0",
                               "cluster/one/role", "status/health"):
            with self.subTest(path=path):
                self.assert_fails(errno.EPERM, os.unlink, path)
                self.assert_fails(errno.EPERM, os.rename, path, path + ".old")
                self.assert_fails(errno.EPERM, os.rename, path, self.member.path("log/first"))
                self.assertTrue(os.path.lexists(path))
        for path in self.paths("log", "log/records", "cluster", "cluster/one", "status"):
            self.assert_fails(errno.EBUSY if path.endswith("/one") else errno.EPERM, os.rmdir, path)
            self.assert_fails(errno.EPERM, os.rename, path, path + ".old")
        self.shell("echo precious > text; mv text mnt/append", status=1)
        self.assertEqual(self.shell("cat text"), b"precious\n")
        self.shell("rm -rf mnt/records mnt/log", status=1)


class Attributes(OddCalls):
    """Modes, owners, times, sizes, extended attributes."""

    def test_a_size_that_is_set_changes_nothing(self):
        for path in (self.append, self.member.path("log/lines")):
            for size in (0, 1, 1 << 40):
                os.truncate(path, size)
            handle = os.open(path, os.O_WRONLY | os.O_TRUNC)
            os.ftruncate(handle, 3)
            os.close(handle)
        self.shell("touch mnt/append; : > mnt/append; : >> mnt/log/lines; truncate -s 0 mnt/log/lines")

    def test_records_and_what_tells_of_the_log_cannot_be_written(self):
        for path in self.paths("records/0", "log/stream", "log/next", "cluster/one/id", "status/health",
                               "status/config"):
            with self.subTest(path=path):
                self.assert_fails((errno.EPERM, errno.EACCES), os.open, path, os.O_WRONLY)
                self.assert_fails((errno.EPERM, errno.EACCES), os.open, path, os.O_RDWR)
                self.assert_fails((errno.EPERM, errno.EACCES), os.open, path, os.O_WRONLY | os.O_TRUNC)
                self.assert_fails((errno.EPERM, errno.EACCES), os.truncate, path, 0)
                with open(path, "rb", buffering=0) as file:
                    self.assert_fails((errno.EBADF, errno.EINVAL), os.write, file.fileno(), b"x")
                    self.assert_fails((errno.EINVAL, errno.EBADF), os.ftruncate, file.fileno(), 0)
        self.shell("echo x > mnt/records/0", status=1)
        self.assertIn("Operation not permitted", self.complaint)

    def test_modes_and_owners_stay(self):
        for path in self.paths("log/append", "records/0", "log/stream", "log", "status/health"):
            with self.subTest(path=path):
                before = os.stat(path)
                self.assert_fails(errno.EPERM, os.chmod, path, 0o777)
                self.assert_fails(errno.EPERM, os.chown, path, 1, 1)
                after = os.stat(path)
                self.assertEqual((before.st_mode, before.st_uid), (after.st_mode, after.st_uid))
        time = os.stat(self.member.path("records/0")).st_mtime_ns
        try:
            os.utime(self.member.path("records/0"), (1, 1))
        except PermissionError:
            pass
        self.assertEqual(os.stat(self.member.path("records/0")).st_mtime_ns, time)
        os.utime(self.append)

    def test_extended_attributes_are_not_taken(self):
        for path in self.paths("log/append", "records/0", "log", ""):
            with self.subTest(path=path):
                self.assert_fails((errno.EPERM, errno.EOPNOTSUPP), os.setxattr, path, "user.x", b"y")
                self.assert_fails((errno.ENODATA, errno.EOPNOTSUPP), os.getxattr, path, "user.x")
                self.assert_fails((errno.ENODATA, errno.EOPNOTSUPP), os.getxattr, path, "security.capability")
                self.assert_fails((errno.EPERM, errno.EOPNOTSUPP, errno.ENODATA), os.removexattr, path, "user.x")
                try:
                    self.assertNotIn("user.x", os.listxattr(path))
                except OSError as error:
                    self.assertEqual(error.errno, errno.EOPNOTSUPP)

    def test_the_filesystem_says_what_it_is(self):
        found = os.statvfs(self.mount)
        self.assertGreaterEqual(found.f_namemax, 20)
        self.shell("df mnt; stat -f mnt")
        self.assertTrue(os.access(self.append, os.W_OK))

class Strangers(OddCalls):
    """Other users."""

    def setUp(self):
        super().setUp()
        os.chmod(self.member.folder, 0o755)

    def assert_kept_out(self):
        """A user who is nobody can do nothing."""
        for script in ("echo x >> mnt/log/append", "echo x >> mnt/log/lines", "cat mnt/records/0", "cat mnt/log/stream",
                       "ls mnt/records", "cat mnt/log/next", "cat mnt/status/config", "ls mnt/cluster"):
            with self.subTest(script=script):
                self.shell(script + " || exit 9", status=9, user=65534, group=65534, extra_groups=[])
                self.assertIn("Permission denied", self.complaint)

    def test_other_users_are_kept_out(self):
        self.assert_kept_out()

    def test_users_who_are_let_in_are_asked_who_they_are(self):
        self.assertEqual(self.member.stop(), 0)
        command = self.member.command()
        self.member.command = lambda: command + ["--allow-other", "--mode", "600"]
        self.member.start()
        self.assert_kept_out()
        self.run_program(["ls", self.mount])


if __name__ == "__main__":
    member.main()
