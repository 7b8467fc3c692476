"""clogd run by a user who is not root: fusermount3 mounts for it, and takes off what an earlier one left.

The test runs in a mount namespace of its own, in which every user may open /dev/fuse, as Debian sets it up. Root itself is
kept out of such a mount, so that all looks into it are the user's.
"""

import os
import shutil
import stat
import subprocess
import sys

import member

USER = "nobody"
AS_USER = ["setpriv", "--reuid", USER, "--regid", "nogroup", "--clear-groups"]


def open_device():
    """Lets all users open /dev/fuse, in this namespace."""
    device, here = os.stat("/dev/fuse"), f"/tmp/clog-fuse.{os.getpid()}"
    os.mknod(here, stat.S_IFCHR | 0o600, device.st_rdev)
    try:
        os.chmod(here, 0o666)
        subprocess.run(["mount", "--bind", here, "/dev/fuse"], check=True, timeout=20)
    finally:
        os.unlink(here)


class Plain(member.Member):
    """A member of that user's."""

    def __init__(self, name="one", *options):
        super().__init__(name, *options)
        os.chmod(self.folder, 0o755)
        shutil.copy(os.environ["CLOGD"], self.folder)  # from where that user may not look, perhaps
        os.mkdir(self.folder + "/own")
        shutil.chown(self.folder + "/own", USER, "nogroup")
        self.data, self.mount = self.folder + "/own/data", self.folder + "/own/mnt"

    def command(self):
        command = super().command()
        return AS_USER + ["env", f"GCOV_PREFIX={self.folder}/own", self.folder + "/clogd"] + command[1:]

    def leads(self):
        if self.process.poll() is not None:
            raise AssertionError(f"clogd ended with status {self.ended()} before it led")
        shown = subprocess.run([*AS_USER, "cat", self.path("leader/state")], capture_output=True, timeout=20, check=False)
        return shown.stdout == b"leader\n"


class PlainUser(member.MemberTest):
    """One member, run by that user."""

    def new_member(self, name="one", *options):
        new = Plain(name, *options)
        self.members.append(new)
        return new

    def own_shell(self, script, **options):
        """Runs a script as that user, in the folder that holds mnt."""
        return self.run_program([*AS_USER, "bash", "-c", script], cwd=self.member.folder + "/own", **options)

    def test_it_mounts_and_the_user_alone_gets_in(self):
        self.assertEqual(self.own_shell("echo data >> mnt/append; cat mnt/records/0; seq 3 >> mnt/log/lines; cat mnt/log/next"),
                         b"data\n4\n")
        self.assertEqual(self.own_shell("stat -c '%U %G %a' mnt/log/append mnt/log/first"), b"nobody nogroup 644\n" * 2)
        self.own_shell("echo bytes=1GiB > mnt/log/retention")
        self.shell("ls own/mnt", status=2)
        self.assertIn("Permission denied", self.complaint)
        self.assertEqual(self.member.stop(), 0)
        self.assertEqual(member.mounts(self.mount), [])
        self.assertEqual(os.listdir(self.member.folder + "/own"), ["data"])

    def test_a_dead_mount_is_taken_off_and_an_unmount_ends_it(self):
        self.own_shell("echo data >> mnt/append")
        self.member.kill()
        self.own_shell("ls mnt", status=2)
        self.assertIn("Transport endpoint is not connected", self.complaint)
        self.member.start()
        self.assertEqual(len(member.mounts(self.mount)), 1)
        self.assertIn("event=stale_mount_removed", self.member.told())
        self.assertEqual(self.own_shell("cat mnt/log/stream"), b"data\n")
        self.own_shell("fusermount3 -u mnt")
        self.assertEqual(self.member.ended(), 0)
        self.assertEqual(member.mounts(self.mount), [])

    def test_others_are_let_in_only_where_the_administrator_allows_it(self):
        self.assertEqual(self.member.stop(), 0)
        self.member.options = ("--allow-other",)
        self.member.launch()
        self.assertEqual(self.member.ended(), 1)
        self.assertIn("user_allow_other", self.member.told())
        self.assertIn(f"clogd: {self.mount}: fusermount3 does not mount there, and has said why\n", self.member.told())
        self.assertEqual(os.listdir(self.member.folder + "/own"), ["data"])


if __name__ == "__main__":
    if os.environ.get("CLOG_APART") != "1":
        os.execvpe("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, "-B", *sys.argv],
                   os.environ | {"CLOG_APART": "1"})
    open_device()
    member.main()
