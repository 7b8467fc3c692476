"""A member under test: a real clogd on folders of its own, with its log mounted.

A test is a MemberTest. What it starts is ended and what it mounts is unmounted, however it ends; when it fails, what
clogd said is printed. A call into the mount cannot be interrupted while clogd owes the answer, so a test that is over
its time has its clogd killed: then the kernel answers, and the test fails.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

from wait import until


def soak():
    """True when the tests shall take longer and find more."""
    return os.environ.get("CLOG_SOAK") == "1"


def mounts(folder):
    """The ids of the mounts that lie on a folder, lowest first. Each mount has one of its own."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        return sorted(int(line.split()[0]) for line in lines if line.split()[4] == folder)


def mounts_below(folder):
    """Where something is mounted in a folder, the deepest first."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        places = [line.split()[4] for line in lines]
    return sorted((place for place in places if place.startswith(folder + "/")), reverse=True)


def read(path):
    """All bytes of a file, as one open, reads until the end, and a close give them."""
    with open(path, "rb", buffering=0) as file:
        return file.read()


class Member:
    """One clogd. Its data folder lives as long as the Member, its process from start to kill or stop."""

    def __init__(self, name="one", *options):
        self.name = name
        self.options = options  # more of them, besides its folders and name
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="clog-system."))
        self.data = self.folder + "/data"
        self.mount = self.folder + "/mnt"
        self.process = None
        self.said_path = self.folder + "/said"
        self.said = ""

    def path(self, *names):
        """A path in the mount."""
        return os.path.join(self.mount, *names)

    def command(self):
        """What starts it."""
        return [os.environ["CLOGD"], "--data", self.data, "--mount", self.mount, "--name", self.name,
                *self.options]

    def launch(self):
        """Starts the process, without waiting for anything."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CLOG_")}
        with open(self.said_path, "ab") as said:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                            env=environment)

    def start(self):
        """Starts it and waits until it leads."""
        if not os.path.exists("/dev/fuse"):
            raise AssertionError("there is no /dev/fuse here, so nothing can be mounted and nothing be tested")
        self.launch()
        until(self.leads, what="clogd mounts its log and leads")

    def leads(self):
        """True when the mount answers and says so."""
        if self.process.poll() is not None:
            raise AssertionError(f"clogd ended with status {self.ended()} before it led")
        try:
            return len(mounts(self.mount)) == 1 and read(self.path("leader/state")) == b"leader\n"
        except OSError:
            return False

    def kill(self):
        """Ends it as a crash would. Its mount stays, dead."""
        self.process.kill()
        self.process.wait(20)
        self.process = None

    def stop(self):
        """Asks it to end, waits, and gives its exit status."""
        self.process.terminate()
        return self.ended()

    def ended(self):
        """Waits for its end and gives its exit status."""
        status = self.process.wait(30)
        self.process = None
        return status

    def told(self):
        """All that it wrote to stdout and stderr so far."""
        with open(self.said_path, "a+", encoding="utf-8", errors="replace") as said:
            said.seek(0)
            return said.read()

    def close(self):
        """Ends what is left of it and removes its folders. Fails when a mount stays."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)
        self.said = self.told()
        for place in mounts_below(self.folder):
            subprocess.run(["umount", "-l", place], timeout=20, check=False)
        if mounts_below(self.folder):
            raise AssertionError(f"{mounts_below(self.folder)} cannot be unmounted")
        self.unguard()
        shutil.rmtree(self.folder)

    def unguard(self):
        """Takes the immutable flag off the folders under its mounts."""
        for folder in (self.mount, *(more for told, more in zip(self.options, self.options[1:]) if told == "--mount")):
            if os.path.isdir(folder):
                subprocess.run(["chattr", "-i", folder], timeout=20, check=False, capture_output=True)


class MemberTest(unittest.TestCase):
    """A test with a member that leads, unless starts is False, for at most limit_s seconds."""

    limit_s = 60
    starts = True

    def setUp(self):
        self.late = False
        self.members = []
        self.children = []
        self.limit_s *= 5 if soak() else 1
        self.watchdog = threading.Timer(self.limit_s, self.give_up)
        self.watchdog.daemon = True
        self.watchdog.start()
        self.addCleanup(self.end)
        self.member = self.new_member()
        self.mount = self.member.mount
        if self.starts:
            self.member.start()

    def run(self, result=None):
        result = result or self.defaultTestResult()
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            for member in getattr(self, "members", []):
                print(f"---- {self.id()}: clogd {member.name} said:\n{member.said or '(nothing)'}----", file=sys.stderr)
        return result

    def new_member(self, name="one", *options):
        """A member that is closed with the test."""
        member = Member(name, *options)
        self.members.append(member)
        return member

    def give_up(self):
        """Ends all that the test may wait for."""
        self.late = True
        for process in [member.process for member in self.members] + self.children:
            if process and process.poll() is None:
                process.kill()

    def end(self):
        """Ends what the test started; the members last, for they answer what the others wait for."""
        dead = [member.name for member in self.members if member.process and member.process.poll() is not None]
        with contextlib.ExitStack() as stack:
            stack.callback(self.assertEqual, dead, [], "clogd ended by itself")
            stack.callback(self.assertFalse, self.late, f"the test was not done after {self.limit_s} s")
            stack.callback(self.watchdog.cancel)
            for member in self.members:
                stack.callback(member.close)
            for child in self.children:
                stack.callback(child.wait, 20)
                if child.poll() is None:
                    child.kill()

    # Running programs

    def spawn(self, command, **options):
        """Starts a program in the folder that holds mnt; it is ended with the test."""
        options = {"cwd": self.member.folder, "stdin": subprocess.DEVNULL} | options
        child = subprocess.Popen(command, **options)
        self.children.append(child)
        return child

    def run_program(self, command, feed=b"", status=0, seconds=30, **options):
        """Runs a program in the folder that holds mnt, gives what it wrote to stdout, and fails when its exit status is
        not the expected one or, with status 0, when it complained."""
        child = self.spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        try:
            output, complaint = child.communicate(feed, seconds)
        except subprocess.TimeoutExpired:
            self.give_up()
            raise
        self.children.remove(child)
        self.assertEqual(child.returncode, status, f"{command}: {complaint.decode(errors='replace')}")
        if status == 0:
            self.assertEqual(complaint, b"", f"{command} complained")
        self.complaint = complaint.decode(errors="replace")
        return output

    def shell(self, script, shell="bash", **options):
        """Runs a script as a user would type it, in the folder that holds mnt."""
        return self.run_program([shell, "-c", script], **options)

    # Looking at the log

    def next(self):
        """What log/next says."""
        return int(read(self.member.path("log/next")))

    def record(self, offset):
        """The bytes of one record."""
        return read(self.member.path("records", str(offset)))

    def assert_log(self, records, each=True):
        """The log holds just these records: by its ends, its listing, the joined stream and, with each, one by one."""
        self.assertEqual(read(self.member.path("log/first")), b"0\n")
        self.assertEqual(read(self.member.path("log/next")), b"%d\n" % len(records))
        self.assertEqual(os.listdir(self.member.path("records")), [str(offset) for offset in range(len(records))])
        self.assert_same(read(self.member.path("log/stream")), b"".join(records), "log/stream")
        self.assertEqual(os.stat(self.member.path("log/stream")).st_size, sum(map(len, records)))
        if not each:
            return
        for offset, record in enumerate(records):
            self.assert_same(self.record(offset), record, f"record {offset}")
            self.assertEqual(os.stat(self.member.path("records", str(offset))).st_size, len(record))

    def assert_same(self, found, expected, what):
        """Equal bytes; where they are not, says where, and not all of them."""
        if found == expected:
            return
        place = next((i for i, pair in enumerate(zip(found, expected)) if pair[0] != pair[1]),
                     min(len(found), len(expected)))
        near = slice(max(place - 20, 0), place + 40)
        self.fail(f"{what}: {len(found)} bytes, expected {len(expected)}; they differ from byte {place}: "
                  f"{found[near]!r}, expected {expected[near]!r}")


def main():
    """Runs the tests of a script. The first argument, or CLOGD in the environment, is the clogd to test."""
    if len(sys.argv) > 1 and os.path.isfile(sys.argv[1]):
        os.environ["CLOGD"] = os.path.realpath(sys.argv.pop(1))
    if not os.path.isfile(os.environ.get("CLOGD", "")):
        sys.exit("say which clogd to test: as the first argument, or as CLOGD in the environment")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    unittest.main(verbosity=2)
