"""Starts that are refused, and writes to the folder under the mount."""

import errno
import os
import subprocess

import member


class Refused(member.MemberTest):
    """Starts that are refused."""

    limit_s = 90

    def assert_refused(self, *words, status=1):
        """A second clogd, said in self.second, ends with the status and a sentence that has the words."""
        said_before = self.second.told()
        self.second.launch()
        self.assertEqual(self.second.ended(), status)
        told = self.second.told().removeprefix(said_before).splitlines()
        sentences = [line for line in told if line.startswith("clogd: ")]
        self.assertEqual(len(sentences), 1, f"it shall say once what is wrong: {told}")
        for word in words:
            self.assertIn(word, sentences[0])

    def setUp(self):
        super().setUp()
        self.shell("echo data >> mnt/append")
        self.second = self.new_member("two")

    def tearDown(self):
        self.assertEqual(len(member.mounts(self.mount)), 1)
        self.shell("echo more >> mnt/append")
        self.assert_log([b"data\n", b"more\n"])

    def test_a_data_folder_in_use_is_refused(self):
        self.second.data = self.member.data
        self.second.name = "one"
        self.assert_refused(self.member.data, "use")
        self.assertEqual(member.mounts(self.second.mount), [])

    def test_a_mount_folder_in_use_is_refused(self):
        self.second.mount = self.member.mount
        self.assert_refused(self.member.mount)
        self.second.mount = self.second.folder + "/mnt"

    def test_a_mount_folder_with_something_in_it_is_refused(self):
        os.mkdir(self.second.mount)
        with open(self.second.mount + "/precious", "wb") as file:
            file.write(b"data\n")
        self.assert_refused(self.second.mount, "precious")
        self.assertEqual(os.listdir(self.second.mount), ["precious"])
        self.assertEqual(member.read(self.second.mount + "/precious"), b"data\n")

    def test_a_mount_that_is_a_file_is_refused(self):
        with open(self.second.mount, "wb") as file:
            file.write(b"data\n")
        self.assert_refused(self.second.mount)
        self.assertEqual(member.read(self.second.mount), b"data\n")

    def test_a_data_folder_of_something_else_is_refused(self):
        os.mkdir(self.second.data)
        with open(self.second.data + "/thesis", "wb") as file:
            file.write(b"data\n")
        self.assert_refused(self.second.data, "thesis")
        self.assertEqual(os.listdir(self.second.data), ["thesis"])

    def test_another_name_for_the_same_member_is_refused(self):
        self.second.start()
        self.assertEqual(self.second.stop(), 0)
        self.second.name = "three"
        self.assert_refused("two", "three")

    def test_a_bad_name_is_refused(self):
        for name in ("../up", ".hidden", "a b", "x" * 64, "a/b", "é"):
            with self.subTest(name=name):
                self.second = self.new_member(name)
                self.assert_refused(name, status=2)
                self.assertEqual(member.mounts(self.second.mount), [])


class Guard(member.MemberTest):
    """The folder under the mount."""

    starts = False

    def setUp(self):
        super().setUp()
        os.mkdir(self.mount)
        if subprocess.run(["chattr", "+i", self.mount], timeout=20, check=False, capture_output=True).returncode != 0:
            self.skipTest(f"the filesystem of {self.mount} has no immutable folders")
        self.member.unguard()

    def flags(self):
        """The attributes of the folder under the mount, as lsattr shows them."""
        return self.run_program(["lsattr", "-d", self.mount]).split()[0].decode()

    def test_an_append_with_nothing_mounted_is_refused_and_nothing_lost(self):
        self.member.start()
        self.shell("echo data >> mnt/append")
        self.member.kill()
        self.member.start()
        for end in (self.member.stop, self.crash):
            end()
            self.assertEqual(member.mounts(self.mount), [])
            self.assertIn("i", self.flags())
            self.shell("echo lost >> mnt/append", status=1)
            self.assertIn("Operation not permitted", self.complaint)
            with self.assertRaises(PermissionError) as refused:
                os.open(self.mount + "/append", os.O_WRONLY | os.O_CREAT, 0o600)
            self.assertEqual(refused.exception.errno, errno.EPERM)
            self.assertEqual(os.listdir(self.mount), [])
            self.member.start()
            self.assert_log([b"data\n"])

    def crash(self):
        """An end that leaves a dead mount, taken off by the administrator."""
        self.member.kill()
        self.run_program(["umount", self.mount])

    def test_without_the_guard_the_folder_is_left_alone(self):
        command = self.member.command()
        self.member.command = lambda: command + ["--guard", "no"]
        self.member.start()
        self.assertEqual(self.member.stop(), 0)
        self.assertNotIn("i", self.flags())
        self.assertEqual(os.listdir(self.mount), [])


if __name__ == "__main__":
    member.main()
