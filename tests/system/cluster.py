"""A cluster under test: members on addresses of this machine's own, 127.0.0.0/8, with or without certificates."""

import os
import random
import subprocess
import tempfile

from member import MemberTest, read
from wait import until

PORT = 7400


def clog():
    """The program beside the clogd under test."""
    return os.path.join(os.path.dirname(os.environ["CLOGD"]), "clog")


def expired(authority, cluster, name, folder):
    """Makes a member's certificate whose time is over."""
    program = os.path.join(os.path.dirname(os.environ["CLOGD"]), "..", "tests", "tls", "expired")
    subprocess.run([program, authority, cluster, name, folder], check=True, timeout=30)


class ClusterTest(MemberTest):
    """A test with members n1, n2 and so on, all voters, of which n1 led first."""

    starts = False
    count = 3
    certificates = True

    def setUp(self):
        super().setUp()
        self.members.pop().close()  # what a test of one member has
        self.net = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}"
        if self.certificates:
            self.authority = tempfile.TemporaryDirectory(prefix="clog-authority.")
            self.addCleanup(self.authority.cleanup)
            self.cert("init", self.authority.name + "/ca", "--cluster", "test")
        for number in range(1, self.count + 1):
            self.add_member(number)
        self.member = self.members[0]
        self.member.start()
        for member in self.members[1:]:
            member.launch()
        self.wait_for_voters(self.count)

    def cert(self, *arguments):
        """Runs clog cert."""
        subprocess.run([clog(), "cert", *arguments], check=True, timeout=30, stdout=subprocess.DEVNULL)

    def address(self, number):
        """Where a member listens."""
        return f"{self.net}.{number}:{PORT}"

    def issue(self, number):
        """Makes a member's certificate, or a new one in its place."""
        self.cert("member", self.authority.name + "/ca", f"n{number}", "--host", f"{self.net}.{number}", "--out",
                  f"{self.authority.name}/n{number}")

    def add_member(self, number, *more):
        """A member that is told to join, unless it is the first."""
        options = ["--peer", self.address(number), *more]
        if number > 1:
            options += ["--join", self.address(1) if number > 2 else self.address(1) + "," + self.address(3)]
        if self.certificates:
            self.issue(number)
            options += ["--tls", f"{self.authority.name}/n{number}"]
        return self.new_member(f"n{number}", *options)

    def wait_for_voters(self, count, seconds=30):
        """Waits until every running member knows so many voters, and who leads."""
        running = [member for member in self.members if member.process]
        until(lambda: all(self.voters(member) == count and self.leader(member) for member in running), seconds,
              f"{count} members vote")

    def voters(self, member):
        """How many voters a member knows."""
        try:
            names = os.listdir(member.path("cluster"))
            return sum(read(member.path("cluster", name, "role")) == b"voter\n" for name in names)
        except OSError:
            return 0

    def leader(self, member):
        """Who leads, by what a member knows; None while there is nobody."""
        try:
            return os.path.basename(os.readlink(member.path("leader")))
        except OSError:
            return None

    def leading(self):
        """The member that leads, once one does by its own word."""
        def find():
            for member in self.members:
                try:
                    if member.process and read(member.path("self/state")) == b"leader\n":
                        return member
                except OSError:
                    pass
            return None
        return until(find, 30, "a member leads")

    def wait_for_equal_logs(self, seconds=60):
        """Waits until all running members show as much of the log as the one that leads."""
        running = [member for member in self.members if member.process]
        until(lambda: len({read(member.path("log/next")) for member in running}) == 1, seconds,
              "all members show the same log")
