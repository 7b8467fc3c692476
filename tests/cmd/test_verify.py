"""clog verify: members' logs that are the same, that differ, and that are damaged."""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import member  # noqa: E402


class Verify(member.MemberTest):
    """Folders of a member that was stopped, copied and spoilt."""

    def setUp(self):
        super().setUp()
        self.clog = os.path.join(os.path.dirname(os.environ["CLOGD"]), "clog")
        self.fill(self.member, b"record %d\n")
        self.copy = self.member.folder + "/copy"
        shutil.copytree(self.member.data, self.copy)

    def fill(self, one, text):
        """Appends 10,000 records, and a few that make it known that these are committed, and stops it."""
        with open(one.path("log/lines"), "ab", buffering=0) as lines:
            for begin in range(0, 10_000, 1000):
                lines.write(b"".join(text % i for i in range(begin, begin + 1000)))
        for _ in range(3):
            with open(one.path("append"), "ab", buffering=0) as append:
                append.write(b"end\n")
        self.assertEqual(one.stop(), 0)

    def verify(self, *words):
        """Gives the exit status and what it printed."""
        result = subprocess.run([self.clog, "verify", *words], capture_output=True, text=True, timeout=60, check=False)
        return result.returncode, result.stdout + result.stderr

    def digest(self, data, name):
        """The file with the digest of a folder."""
        path = f"{self.member.folder}/{name}.digest"
        with open(path, "wb") as file:
            subprocess.run([self.clog, "verify", "--digest", data], stdout=file, timeout=60, check=False)
        return path

    def spoil(self, data, text):
        """Changes a byte of a record."""
        path = f"{data}/log/00000000000000000001.store"
        with open(path, "r+b") as store:
            position = store.read().index(text)
            store.seek(position)
            store.write(bytes([text[0] ^ 1]))

    def test_equal_logs_are_the_same(self):
        status, said = self.verify(self.member.data, self.copy)
        self.assertEqual(status, 0, said)
        self.assertRegex(said, r": 1000[0-3] records compared, the same\n$")

    def test_a_digest_stands_for_its_folder(self):
        digest = self.digest(self.copy, "copy")
        status, said = self.verify(digest, self.member.data, digest)
        self.assertEqual(status, 0, said)
        self.assertEqual(said.count("the same\n"), 2)

    def test_a_log_in_use_is_compared(self):
        self.member.start()
        status, said = self.verify(self.member.data, self.copy)
        self.assertEqual(status, 0, said)

    def test_other_records_are_named(self):
        one, two = self.new_member("twin"), self.new_member("twin")
        one.start()
        one.stop()
        shutil.copytree(one.data, two.data)
        for twin, text in ((one, b"record %d\n"), (two, b"recOrd %d\n")):
            twin.start()
            self.fill(twin, text)
        status, said = self.verify(one.data, two.data)
        self.assertEqual(status, 1, said)
        self.assertIn("differ in record 5000\n", said)
        status, said = self.verify(self.digest(one.data, "one"), two.data)
        self.assertEqual(status, 1, said)
        self.assertIn("differ in records 4096 to 8191\n", said)

    def test_logs_of_two_clusters_are_not_compared(self):
        other = self.new_member("other")
        other.start()
        self.fill(other, b"record %d\n")
        for source in (other.data, self.digest(other.data, "other")):
            status, said = self.verify(self.member.data, source)
            self.assertEqual(status, 1, said)
            self.assertRegex(said, r"are of two clusters, \d+ and \d+: they were not compared\n$")
            self.assertNotIn("the same", said)

    def test_damage_is_named(self):
        self.spoil(self.copy, b"record 5000\n")
        status, said = self.verify(self.member.data, self.copy)
        self.assertEqual(status, 1, said)
        self.assertIn("copy: 1 stretches are damaged\n", said)
        self.assertIn("copy: 1 of the records 4096 to 8191 are damaged\n", said)
        self.assertIn("differ in record 5000\n", said)
        self.assertNotIn("differ in record 5001\n", said)
        self.assertEqual(self.verify("--digest", self.copy)[0], 1)

    def assert_refused(self, status, *words):
        """With this status, and a sentence."""
        found, said = self.verify(*words)
        self.assertEqual(found, status, f"{words}: {said}")
        self.assertTrue(said.startswith("clog: ") or "\nclog: " in said, said)

    def test_wrong_words_are_refused(self):
        for words in ([], [self.copy], ["--digest"], ["--digest", self.copy, self.copy], ["--nothing", self.copy]):
            self.assert_refused(2, *words)

    def test_a_source_that_cannot_be_read_has_failed(self):
        folder = self.member.folder
        for source in (f"{folder}/nothing", folder, "/dev/null", "/dev/zero", f"{self.copy}/identity"):
            self.assert_refused(1, self.copy, source)
            self.assert_refused(1, "--digest", source)

    def test_a_digest_is_checked(self):
        path = self.digest(self.copy, "right")
        with open(path, "rb") as file:
            lines = file.read().splitlines(True)
        self.assertEqual(len(lines), 6 + 3)
        self.assertEqual(self.verify(path, path)[0], 0)
        wrong = [lines[:count] for count in range(len(lines))]
        wrong += [lines[:i] + lines[i + 1:] for i in range(len(lines) - 1)]
        wrong += [lines[:i] + [line] + lines[i:] for i, line in enumerate(lines)]
        wrong += [lines[:6] + [lines[7], lines[6], lines[8]], lines + [b"\0\n"], lines + [b"1" * 10_000_000]]
        for i, line in enumerate(lines):
            words = line.split()
            for word in (b"-1", b"+1", b"01", b" 1", b"1 1", b"x", b"18446744073709551616", b"9" * 100):
                wrong.append(lines[:i] + [b" ".join([*words[:-1], word]) + b"\n"] + lines[i + 1:])
            wrong.append(lines[:i] + [line[:-1] + b"\0\n"] + lines[i + 1:])
        # A range that goes on into the next stretch, one that is empty, and one with more damage than records.
        first = lines[6].split()
        wrong += [lines[:6] + [b" ".join([first[0], end, *first[2:]]) + b"\n"] + lines[7:]
                  for end in (b"4097", b"0")]
        wrong.append(lines[:6] + [b" ".join([*first[:3], b"4097"]) + b"\n"] + lines[7:])
        for text in wrong:
            with open(path, "wb") as file:
                file.writelines(text)
            self.assert_refused(1, path, self.copy)


if __name__ == "__main__":
    member.main()
