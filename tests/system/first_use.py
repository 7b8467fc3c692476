"""What someone does first, with the programs they have."""

import os
import re
import stat
import time

import member


class FirstUse(member.MemberTest):
    """One member, an empty log."""

    def test_an_echoed_line_is_a_record(self):
        self.shell("echo data >> mnt/append")
        self.assertEqual(self.shell("cat mnt/records/0"), b"data\n")
        self.assertEqual(self.shell("cat mnt/log/next"), b"1\n")
        self.assert_log([b"data\n"])

    def test_an_empty_log_says_so(self):
        self.assert_log([])
        self.assertEqual(self.shell("cat mnt/log/stream mnt/log/first mnt/log/next"), b"0\n0\n")
        self.assertEqual(self.shell("ls mnt/records"), b"")
        with self.assertRaises(FileNotFoundError):
            self.record(0)

    def test_the_first_record_is_seen_by_who_asked_for_it_before(self):
        for offset in range(3):
            with self.assertRaises(FileNotFoundError):
                self.record(offset)
            self.shell("echo data >> mnt/append")
            self.assertEqual(self.record(offset), b"data\n")

    def test_the_member_is_shown_in_cluster(self):
        self.assertEqual(self.shell("ls mnt/cluster"), b"one\n")
        self.assertEqual(self.shell("ls mnt/cluster/one").split(),
                         [b"address", b"id", b"lag", b"match", b"role", b"state"])
        self.assertEqual(self.shell("cat mnt/leader/state mnt/self/state mnt/cluster/one/role"),
                         b"leader\nleader\nvoter\n")
        self.assertGreater(int(self.shell("cat mnt/self/id")), 0)
        self.assertEqual(os.readlink(self.member.path("leader")), "cluster/one")
        self.assertEqual(os.readlink(self.member.path("self")), "cluster/one")

    def test_match_follows_the_log(self):
        before = int(self.shell("cat mnt/self/match"))
        self.shell("echo data >> mnt/append")
        self.assertGreater(int(self.shell("cat mnt/self/match")), before)
        self.assertEqual(self.shell("cat mnt/self/lag"), b"0\n")

    def test_the_root_lists_what_is_there(self):
        self.assertEqual(self.shell("ls mnt").split(),
                         [b"acl", b"append", b"cluster", b"leader", b"log", b"records", b"self", b"status"])
        self.assertEqual(self.shell("ls mnt/log").split(),
                         [b"append", b"first", b"lines", b"next", b"records", b"retention", b"stream"])
        self.assertEqual(self.shell("readlink mnt/append mnt/records"), b"log/append\nlog/records\n")
        listing = self.shell("ls -l mnt mnt/log mnt/cluster/one mnt/status mnt/records").decode()
        self.assertNotIn("?", listing)
        for name in ("append -> log/append", "leader -> cluster/one"):
            self.assertRegex(listing, rf"(?m)^l.* {name}$")

    def test_a_record_has_its_true_size_time_and_mode(self):
        for size in (1, 5, 4096, 100_000):
            with self.subTest(size=size):
                offset, before = self.next(), time.time()
                with open(self.member.path("append"), "ab", buffering=0) as append:
                    append.write(b"x" * size)
                found = os.stat(self.member.path("records", str(offset)))
                self.assertEqual(found.st_size, size)
                self.assertEqual(stat.S_IMODE(found.st_mode), 0o444)
                self.assertTrue(stat.S_ISREG(found.st_mode))
                self.assertLessEqual(before - 1, found.st_mtime)
                self.assertLessEqual(found.st_mtime, time.time() + 1)
                self.assertEqual(found.st_uid, os.getuid())

    def test_every_file_that_can_be_read_has_its_true_size(self):
        self.shell("printf 'one\\ntwo\\n' >> mnt/log/lines")
        paths = self.shell("find mnt -type f ! -name append ! -name lines").decode().split()
        self.assertGreaterEqual(len(paths), 2 + 3 + 6 + 6)
        for path in paths:
            if path.endswith(("status/metrics", "status/health")):
                self.assertGreater(os.stat(os.path.join(self.member.folder, path)).st_size, 0, path)
                continue
            with self.subTest(path=path):
                size = os.stat(os.path.join(self.member.folder, path)).st_size
                self.assertEqual(len(member.read(os.path.join(self.member.folder, path))), size)

    def test_the_status_is_readable(self):
        self.shell("echo data >> mnt/append")
        self.assertEqual(sorted(os.listdir(self.member.path("status"))),
                         ["commit", "config", "health", "metrics", "term", "version"])
        self.assertGreater(int(self.shell("cat mnt/status/term")), 0)
        self.assertGreater(int(self.shell("cat mnt/status/commit")), 0)
        self.assertRegex(self.shell("cat mnt/status/version").decode(), r"^(clogd? )?\d+\.\d+\.\d+")
        self.assertIn(b"ok", self.shell("cat mnt/status/health"))
        self.assertIn(self.member.data.encode(), self.shell("cat mnt/status/config"))
        metrics = self.shell("cat mnt/status/metrics").decode()
        self.assertRegex(metrics, r"(?m)^clog_appended_records(_total)? 1$")
        for line in metrics.splitlines():
            self.assertTrue(line.startswith("#") or re.match(r'^clog_\w+(\{[^}]*\})? \S+$', line), line)

    def test_recursive_programs_come_to_an_end(self):
        self.shell("echo needle >> mnt/append")
        found = self.shell("grep -rl needle mnt/log; true", status=0).split()
        self.assertEqual(sorted(found), [b"mnt/log/records/0", b"mnt/log/stream"])
        self.shell("find mnt -ls")
        self.shell("du -s mnt")
        self.shell("cp -r mnt/records/. copy && cp mnt/log/stream stream && cmp copy/0 stream")
        self.assertEqual(self.next(), 1)

    def test_names_that_are_absolute_and_relative_lead_to_the_same(self):
        self.shell(f"cd mnt/log && echo one >> append && cd records && echo two >> ../append && echo three >> "
                   f"{self.mount}/log/../append")
        self.assert_log([b"one\n", b"two\n", b"three\n"])

    def test_an_offset_is_read_back_by_the_shell(self):
        self.shell("echo before >> mnt/append")
        script = "exec 3<>mnt/append; echo x >&3; read off <&3; echo $off; echo y >&3; read off <&3; echo $off"
        self.assertEqual(self.shell(script), b"1\n2\n")
        self.assertEqual(self.shell(script, shell="dash"), b"3\n4\n")
        self.assert_log([b"before\n", b"x\n", b"y\n", b"x\n", b"y\n"])


class Readme(member.MemberTest):
    """What README.md shows to who comes first."""

    starts = False

    def transcript(self):
        """The commands that README.md shows after a $, each with the output that it shows."""
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../README.md")
        shown = []
        for line in member.read(path).decode().splitlines():
            if line.startswith("    $ "):
                shown.append((line[6:], []))
            elif shown and line.startswith("    "):
                shown[-1][1].append(line[4:])
            elif shown:
                return shown
        return shown

    def test_the_transcript_is_true(self):
        self.member.name = "myhost"
        self.member.start()
        shown = self.transcript()
        self.assertGreater(len(shown), 5)
        for command, output in shown:
            with self.subTest(command=command):
                self.assertEqual(self.shell(command).decode().splitlines(), output)


if __name__ == "__main__":
    member.main()
