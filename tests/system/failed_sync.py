"""The disk fails: clogd says so and ends, and keeps what it acknowledged."""

import errno
import shutil

import member
from history import UNKNOWN, History, Load
from wait import until

# What is made to fail, how, and which one of those that come.
FAULTS = (("fdatasync,fsync", errno.EIO, 1), ("fdatasync,fsync", errno.EIO, 30),
          ("pwrite64,pwritev,pwritev2", errno.ENOSPC, 40), ("pwrite64,pwritev,pwritev2", errno.EIO, 7))


class FailedSync(member.MemberTest):
    """strace makes a system call of clogd fail."""

    limit_s = 90

    def fail(self, calls, code, count):
        """From now on, the count-th of these calls fails, and all after it."""
        self.assertTrue(shutil.which("strace"), "without strace no system call can be made to fail")
        said = f"{self.member.folder}/strace.said"
        with open(said, "wb") as output:
            strace = self.spawn(["strace", "-f", "-e", "signal=none", "-e", f"trace={calls}", "-o", "/dev/null", "-e",
                                 f"inject={calls}:error={errno.errorcode[code]}:when={count}+",
                                 "-p", str(self.member.process.pid)], stderr=output)
        until(lambda: b"attached" in member.read(said) or strace.poll() is not None, what="strace attaches to clogd")
        self.assertIsNone(strace.poll(), f"strace cannot attach to clogd: {member.read(said).decode()}")

    def test_a_member_whose_disk_fails_ends_and_keeps_what_it_acknowledged(self):
        history = History(self)
        for number, fault in enumerate(FAULTS):
            with self.subTest(fault=fault):
                load = Load(self, number, unknown=UNKNOWN | {fault[1], errno.EIO})
                until(lambda: load.noted()[0] > 5, what="each writer has 5 writes acknowledged")
                told = len(self.member.told())
                self.fail(*fault)
                self.assertEqual(self.member.ended(), 1)
                self.assertIn("event=failed", self.member.told()[told:])
                self.assertEqual(member.mounts(self.mount), [])
                load.end()
                self.member.start()
                history.check(load)


if __name__ == "__main__":
    member.main()
