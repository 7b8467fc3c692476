"""What changes a log and its cluster by files: trim, retention, roles, conditional appends."""

import errno
import os

import member
from member import read
from wait import until


class Admin(member.MemberTest):
    """One member."""

    def put(self, name, text):
        """Writes as a shell does, and gives the errno."""
        handle = os.open(self.member.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            os.write(handle, text)
            return 0
        except OSError as error:
            return error.errno
        finally:
            os.close(handle)

    def text(self, name):
        """What a file says."""
        return read(self.member.path(name)).decode()

    def test_a_trim_hides_at_once_what_is_below(self):
        self.shell("for i in 0 1 2 3 4 5 6 7 8 9; do echo $i >> mnt/append; done")
        self.shell("echo 4 > mnt/log/first")
        self.assertEqual(self.text("log/first"), "4\n")
        self.assertEqual(os.listdir(self.member.path("records")), ["4", "5", "6", "7", "8", "9"])
        self.assertEqual(self.text("log/stream"), "4\n5\n6\n7\n8\n9\n")
        with self.assertRaises(FileNotFoundError):
            self.record(3)
        self.assertEqual(self.put("log/first", b"11\n"), errno.EINVAL)
        self.assertEqual(self.put("log/first", b"2\n"), 0)
        self.assertEqual(self.text("log/first"), "4\n")
        self.shell("cat mnt/log/next > mnt/log/first")
        self.assertEqual(self.text("log/first"), "10\n")
        self.assertEqual(self.text("log/next"), "10\n")
        self.assertEqual(os.listdir(self.member.path("records")), [])
        self.shell("echo on >> mnt/append")
        self.assertEqual(self.record(10), b"on\n")
        self.assertEqual(self.text("log/stream"), "on\n")

    def test_a_trim_holds_after_a_restart(self):
        self.shell("printf '0\\n1\\n2\\n3\\n' >> mnt/log/lines; echo 2 > mnt/log/first; "
                   "echo 'bytes=1GiB age=2d' > mnt/log/retention")
        self.assertEqual(self.member.stop(), 0)
        self.member.start()
        self.assertEqual(self.text("log/first"), "2\n")
        self.assertEqual(self.text("log/retention"), "bytes=1GiB age=2d\n")
        self.assertEqual(self.text("log/stream"), "2\n3\n")

    def test_the_retention_is_strict(self):
        self.assertEqual(self.text("log/retention"), "all\n")
        self.shell("echo bytes=10Gb > mnt/log/retention", status=1)
        self.assertIn("Invalid argument", self.complaint)
        until(lambda: "event=admin_refused file=log/retention text=\"bytes=10Gb\" uid=0 allowed=\"bytes=N" in
              self.member.told(), what="the event log says what is allowed")
        self.assertEqual(self.text("log/retention"), "all\n")
        self.shell("echo 'bytes=10GiB age=7d' > mnt/log/retention")
        self.assertEqual(self.text("log/retention"), "bytes=10GiB age=7d\n")
        self.assertEqual(os.stat(self.member.path("log/retention")).st_size, len("bytes=10GiB age=7d\n"))

    def test_what_is_over_the_retention_goes(self):
        """Segments go whole: two of 64 MiB, and what is kept at most is one byte."""
        block = b"r" * 1_000_000
        with open(self.member.path("append"), "ab", buffering=0) as append:
            for _ in range(150):
                append.write(block)
        self.assertEqual(self.put("log/retention", b"bytes=1\n"), 0)
        until(lambda: int(self.text("log/first")) > 0, what="the oldest segment is trimmed")
        first = int(self.text("log/first"))
        self.assert_same(self.record(first), block, "the first record kept")
        with self.assertRaises(FileNotFoundError):
            self.record(first - 1)

    def test_the_only_member_keeps_its_role(self):
        self.assertEqual(self.put("cluster/one/role", b"voter\n"), 0)
        self.assertEqual(self.put("leader/role", b"leader\n"), 0)
        self.assertEqual(self.put("cluster/one/role", b"spare\n"), errno.EBUSY)
        self.assertEqual(self.put("cluster/one/role", b"king\n"), errno.EINVAL)
        self.assertEqual(self.text("cluster/one/role"), "voter\n")
        with self.assertRaises(OSError) as failed:
            os.rmdir(self.member.path("cluster/one"))
        self.assertEqual(failed.exception.errno, errno.EBUSY)

    def test_a_record_is_made_where_it_is_expected(self):
        self.shell("set -C; echo zero > mnt/records/0")
        self.shell("set -C; echo again > mnt/records/0", status=1)
        self.assertIn("cannot overwrite existing file", self.complaint)
        self.shell("set -C; echo far > mnt/records/5", status=1)
        self.assertIn("No such device or address", self.complaint)
        self.shell("set -C; : > mnt/records/1")
        self.assertEqual(self.next(), 1)
        self.assert_log([b"zero\n"])

    def test_of_many_who_want_one_offset_one_gets_it(self):
        script = ("import os, sys\n"
                  "won = 0\n"
                  "for offset in range(60):\n"
                  "    try:\n"
                  "        handle = os.open(f'mnt/records/{offset}', os.O_WRONLY | os.O_CREAT | os.O_EXCL)\n"
                  "    except FileExistsError:\n"
                  "        continue\n"
                  "    try:\n"
                  "        os.write(handle, sys.argv[1].encode())\n"
                  "        won += 1\n"
                  "    except FileExistsError:\n"
                  "        pass\n"
                  "    os.close(handle)\n"
                  "print(won)\n")
        racers = [self.spawn(["/usr/bin/python3", "-c", script, name], stdout=-1) for name in "abcd"]
        won = {}
        for name, racer in zip("abcd", racers):
            won[name] = int(racer.communicate(timeout=40)[0])
            self.assertEqual(racer.returncode, 0)
        self.assertEqual(sum(won.values()), 60)
        records = [self.record(offset) for offset in range(60)]
        self.assertEqual({name: records.count(name.encode()) for name in "abcd"}, won)
        self.assertEqual(self.next(), 60)


if __name__ == "__main__":
    member.main()
