"""What changes a log and its cluster by files, done at a member that does not lead."""

import errno
import os

from cluster import ClusterTest
from member import main, read
from wait import until

REFUSED = {
    "log/first": [b"", b"\n", b"x\n", b"-1\n", b" 1\n", b"1 \n", b"01\n", b"1\n\n", b"1\0", b"0x1\n", b"1.0\n",
                  b"1" * 21, b"1" * 200, b"18446744073709551615\n", b"5\n"],
    "log/retention": [b"bytes=10Gb\n", b"bytes=\n", b"bytes=-1\n", b"bytes=1,age=1d\n", b"bytes=1 bytes=2\n", b"ALL\n",
                      b"size=1\n", b"age=1y\n", b"bytes=99999999999999999999\n", b"bytes=16384PiB\n", b"bytes=1" * 50],
    "cluster/n3/role": [b"king\n", b"Voter\n", b"voter \n", b"voter\nvoter\n", b"follower\n", b"voter" * 40],
}
ALLOWED = {
    "log/first": 'allowed="the lowest offset to keep, in decimal, up to what log/next says"',
    "log/retention": 'allowed="bytes=N, with KiB, MiB, GiB, TiB, PiB or no unit, and age=N, with d, h, m, s, ms, us or '
                     'ns, one or both, with a blank between them; or all"',
    "cluster/n3/role": 'allowed="voter, standby, spare, or leader"',
}


class ClusterAdmin(ClusterTest):
    """Three members, of which n1 leads."""

    limit_s = 120

    def setUp(self):
        super().setUp()
        self.follower = next(member for member in self.members if member is not self.leading())
        self.mount = self.follower.mount

    def put(self, name, text):
        """Writes, and gives the errno."""
        handle = os.open(self.follower.path(name), os.O_WRONLY | os.O_TRUNC)
        try:
            return 0 if os.write(handle, text) == len(text) else -1
        except OSError as error:
            return error.errno
        finally:
            os.close(handle)

    def put_unless_busy(self, name, text):
        """Writes; false while another change of the members is under way."""
        code = self.put(name, text)
        self.assertIn(code, (0, errno.EBUSY))
        return code == 0

    def text(self, name):
        return read(self.follower.path(name)).decode()

    def see(self, name, text, members=None):
        """Waits until the members show a text."""
        def seen(member):
            try:
                return read(member.path(name)).decode() == text
            except OSError:
                return False
        until(lambda: all(map(seen, members or self.members)), 30, f"{name} is {text!r} everywhere")

    def test_what_is_malformed_is_refused_and_told(self):
        for name, texts in REFUSED.items():
            before = self.text(name)
            for text in texts:
                told = self.follower.told().count("event=admin_refused")
                if text == b"":
                    self.assertEqual(self.put(name, text), 0)  # a write of nothing does not come to clogd
                    continue
                with self.subTest(name=name, text=text[:30]):
                    self.assertEqual(errno.errorcode.get(self.put(name, text)), "EINVAL")
                    if text != b"5\n" and not text.startswith(b"1844"):  # these are no errors of the text
                        self.assertEqual(self.follower.told().count("event=admin_refused"), told + 1)
            self.assertIn(ALLOWED[name], self.follower.told())
            self.assertEqual(self.text(name), before)

    def test_a_trim_and_a_retention_are_everywhere(self):
        for number in range(10):
            with open(self.follower.path("append"), "ab", buffering=0) as append:
                append.write(b"%d\n" % number)
        self.assertEqual(self.put("log/first", b"11\n"), errno.EINVAL)
        self.assertEqual(self.put("log/first", b"4\n"), 0)
        self.see("log/first", "4\n")
        for member in self.members:
            self.assertEqual(os.listdir(member.path("records")), ["4", "5", "6", "7", "8", "9"])
            self.assertEqual(read(member.path("log/stream")), b"4\n5\n6\n7\n8\n9\n")
        self.assertEqual(self.put("log/first", b"2"), 0)
        self.assertEqual(self.text("log/first"), "4\n")
        self.assertEqual(self.put("log/retention", b"bytes=10GiB age=7d\n"), 0)
        self.see("log/retention", "bytes=10GiB age=7d\n")
        self.assertEqual(self.put("log/retention", b"all"), 0)
        self.see("log/retention", "all\n")

    def test_roles_change_and_leadership_comes_here(self):
        other = next(member for member in self.members if member not in (self.leading(), self.follower))
        role = f"cluster/{other.name}/role"
        for text in ("standby\n", "voter\n", "spare\n", "standby\n", "voter\n"):
            until(lambda: self.put_unless_busy(role, text.encode()), what=f"{other.name} becomes {text}")
            self.see(role, text, [self.leading(), self.follower])
        until(lambda: self.put_unless_busy(f"cluster/{self.follower.name}/role", b"leader\n"), what="it gets to lead")
        until(lambda: all(self.leader(member) == self.follower.name for member in self.members), 30, "it leads")
        self.assertEqual(self.text("self/state"), "leader\n")

    def test_offsets_are_read_back_here(self):
        for number, shell in enumerate(("bash", "dash")):
            script = 'exec 3<>mnt/append; echo "by $0" >&3; read offset <&3; read more <&3; echo "$offset,$more"'
            self.assertEqual(self.shell(script, shell, cwd=self.follower.folder), b"%d,\n" % number)
        with open(self.follower.path("log/lines"), "r+b", buffering=0) as lines:
            lines.write(b"two\nlines\n")
            self.assertEqual(lines.read(1) + lines.read(100), b"2 2\n")

    def test_a_member_is_removed(self):
        other = next(member for member in self.members if member not in (self.leading(), self.follower))
        for name, code in (("nobody", errno.ENOENT), ("n" * 255, errno.ENOENT), (other.name + "/id", errno.ENOTDIR)):
            with self.assertRaises(OSError) as failed:
                os.rmdir(self.follower.path("cluster", name))
            self.assertEqual(failed.exception.errno, code)
        other.kill()
        self.members.remove(other)
        self.addCleanup(other.close)
        os.rmdir(self.follower.path("cluster", other.name))
        names = sorted(member.name for member in self.members)
        until(lambda: all(sorted(os.listdir(member.path("cluster"))) == names for member in self.members), 30,
              "it is gone everywhere")
        with open(self.follower.path("append"), "ab", buffering=0) as append:
            append.write(b"two are a quorum\n")
        self.assertIn("event=admin_done file=cluster/" + other.name, self.follower.told())


if __name__ == "__main__":
    main()
