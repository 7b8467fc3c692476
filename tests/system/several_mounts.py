"""One clogd with several mounts of its log."""

import os
import subprocess

import member
from wait import until

READ = "0" if os.uname().machine == "x86_64" else "63"  # the number of read(2)


class SeveralMounts(member.MemberTest):
    """Three mounts: mnt and two more."""

    starts = False

    def setUp(self):
        super().setUp()
        self.places = [self.member.folder + "/" + name for name in ("mnt", "mnt2", "mnt3")]

    def begin(self):
        """Starts it with all of them, told by the command line."""
        self.member.options = ("--mount", self.places[1], "--mount", self.places[2])
        self.member.start()
        self.assert_mounted(self.places)

    def assert_mounted(self, places):
        """Just these are mounted."""
        self.assertEqual([place for place in self.places if member.mounts(place)], list(places))

    def test_all_show_the_same_log_and_are_taken_off(self):
        self.begin()
        shells = [self.spawn(["bash", "-c", f"for i in {{1..200}}; do echo {number} $i >> {place}/append || exit 1; done"])
                  for number, place in enumerate(self.places)]
        for shell in shells:
            self.assertEqual(shell.wait(60), 0)
        shown = [member.read(place + "/log/stream") for place in self.places]
        self.assertEqual(len(set(shown)), 1)
        for number in range(3):
            mine = [line for line in shown[0].splitlines() if line.startswith(b"%d " % number)]
            self.assertEqual(mine, [b"%d %d" % (number, i) for i in range(1, 201)])
        self.assertEqual(self.member.stop(), 0)
        self.assert_mounted([])
        self.assertEqual(self.member.told().count("event=unmounted"), 3)
        self.assertFalse(any(map(os.path.lexists, self.places)))

    def test_one_that_is_unmounted_leaves_the_others(self):
        self.begin()
        subprocess.run(["umount", self.places[0]], check=True, timeout=20)
        until(lambda: "event=unmounted" in self.member.told(), what="the first mount is ended")
        self.assert_mounted(self.places[1:])
        self.shell("echo data >> mnt2/append; cmp mnt2/log/stream mnt3/log/stream")
        subprocess.run(["umount", self.places[2]], check=True, timeout=20)
        self.shell("echo data >> mnt2/append")
        subprocess.run(["umount", self.places[1]], check=True, timeout=20)
        self.assertEqual(self.member.ended(), 0)
        self.assertIn("event=stopping cause=umount", self.member.told())

    def test_one_that_fails_undoes_the_others(self):
        os.mkdir(self.places[1])
        os.mkdir(self.places[2])
        with open(self.places[2] + "/precious", "wb") as file:
            file.write(b"data\n")
        self.member.options = ("--mount", self.places[1], "--mount", self.places[2])
        self.member.launch()
        self.assertEqual(self.member.ended(), 1)
        self.assertIn(f'clogd: {self.places[2]}: the folder is not empty, it has "precious" in it', self.member.told())
        self.assert_mounted([])
        self.assertFalse(os.path.lexists(self.places[0]))
        self.assertEqual(os.listdir(self.places[2]), ["precious"])
        os.rename(self.places[2], self.member.folder + "/moved")
        subprocess.run(["chattr", "-i", self.places[1]], timeout=20, check=False, capture_output=True)
        self.begin()

    def test_dead_ones_are_taken_off(self):
        self.begin()
        self.shell("echo data >> mnt3/append")
        self.member.kill()
        self.begin()
        for place in self.places:
            self.assertEqual(len(member.mounts(place)), 1)
            self.assertEqual(member.read(place + "/log/stream"), b"data\n")
        self.assertEqual(self.member.told().count("event=stale_mount_removed"), 3)

    def test_mounts_in_each_other_are_refused(self):
        self.member.options = ("--mount", self.places[0] + "/in")
        self.member.launch()
        self.assertEqual(self.member.ended(), 2)
        self.assertIn("two mounts need a folder each", self.member.told())
        self.assertFalse(os.path.lexists(self.places[0]))


class Abort(member.MemberTest):
    """The kernel's connection to clogd is cut."""

    starts = False

    def cut(self, mount):
        """Cuts a mount's connection, by the kernel's control files."""
        number = os.minor(os.lstat(mount).st_dev)
        control = self.member.folder + "/control"
        os.makedirs(control, exist_ok=True)
        subprocess.run(["mount", "-t", "fusectl", "fusectl", control], check=True, timeout=20)
        try:
            with open(f"{control}/{number}/abort", "wb", buffering=0) as abort:
                abort.write(b"1")
        finally:
            subprocess.run(["umount", control], check=True, timeout=20)

    def reads(self, pid):
        """Whether a process is in a read from its standard input."""
        with open(f"/proc/{pid}/syscall", encoding="utf-8") as call:
            return call.read().split()[:2] == [READ, "0x0"]

    def test_clogd_ends_cleanly_and_says_why(self):
        self.member.start()
        self.shell("echo data >> mnt/append")
        with open(self.member.path("log/follow"), "rb", buffering=0) as follow:
            reader = self.spawn(["cat"], stdin=follow, stderr=subprocess.DEVNULL)
        until(lambda: self.reads(reader.pid), what="the reader waits")
        self.cut(self.mount)
        self.assertEqual(self.member.ended(), 0)
        self.assertNotEqual(reader.wait(20), 0)
        self.assertIn(f"event=mount_aborted folder={self.mount}", self.member.told())
        self.assertIn("event=stopped status=0", self.member.told())
        self.assertEqual(member.mounts(self.mount), [])
        self.member.start()
        self.assert_log([b"data\n"])

    def test_other_mounts_are_served_on(self):
        self.member.options = ("--mount", self.member.folder + "/mnt2")
        self.member.start()
        self.cut(self.member.folder + "/mnt2")
        until(lambda: "event=unmounted" in self.member.told(), what="the cut mount is taken off")
        self.assertEqual(member.mounts(self.member.folder + "/mnt2"), [])
        self.shell("echo data >> mnt/append")
        self.assert_log([b"data\n"])
        self.assertEqual(self.member.stop(), 0)


if __name__ == "__main__":
    member.main()
