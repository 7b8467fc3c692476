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
        other = self.new_member("other")
        other.start()
        self.fill(other, b"recOrd %d\n")
        status, said = self.verify(self.member.data, other.data)
        self.assertEqual(status, 1, said)
        self.assertIn("differ in record 5000\n", said)
        status, said = self.verify(self.digest(self.member.data, "one"), other.data)
        self.assertEqual(status, 1, said)
        self.assertIn("differ in records 4096 to 8191\n", said)

    def test_damage_is_named(self):
        self.spoil(self.copy, b"record 5000\n")
        status, said = self.verify(self.member.data, self.copy)
        self.assertEqual(status, 1, said)
        self.assertIn("copy: 1 stretches are damaged\n", said)
        self.assertIn("copy: 1 of the records 4096 to 8191 are damaged\n", said)
        self.assertIn("differ in record 5000\n", said)
        self.assertNotIn("differ in record 5001\n", said)
        self.assertEqual(self.verify("--digest", self.copy)[0], 1)

    def test_what_is_no_source_is_refused(self):
        folder = self.member.folder
        with open(f"{folder}/empty", "wb"):
            pass
        cut = self.digest(self.copy, "cut")
        with open(cut, "rb+") as file:
            file.truncate(os.path.getsize(cut) - 20)
        for words in ([], [self.copy], ["--digest"], ["--digest", self.copy, self.copy], ["--nothing", self.copy],
                      [self.copy, f"{folder}/nothing"], [self.copy, folder], [self.copy, f"{folder}/empty"],
                      [self.copy, cut]):
            status, said = self.verify(*words)
            self.assertEqual(status, 2, f"{words}: {said}")
            self.assertTrue(said.startswith("clog: ") or "\nclog: " in said, said)


if __name__ == "__main__":
    member.main()
