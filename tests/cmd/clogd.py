"""clogd as a program: what it is started with, what it says, how it ends."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import member  # noqa: E402
from wait import until  # noqa: E402

FIELD = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^" ]+)(?: |$)')


class Clogd(member.Member):
    """A member whose options and environment a test chooses. Data and mount are given unless it says otherwise."""

    def __init__(self, name="one"):
        super().__init__(name)
        self.options = ["--data", self.data, "--mount", self.mount]
        self.environment = {}
        self.wrapper = []
        self.program = os.environ["CLOGD"]
        self.told_before = ""

    def launch(self):
        self.told_before = self.told()
        super().launch()

    def command(self):
        """env gives clogd just the variables that the test wants, and becomes clogd, so that the process is its own."""
        kept = [f"{key}={value}" for key, value in os.environ.items() if not key.startswith("CLOG_")]
        told = [f"{key}={value}" for key, value in self.environment.items()]
        return self.wrapper + ["/usr/bin/env", "-i"] + kept + told + [self.program] + self.options

    def events(self):
        """The events since it was launched last, each as a dictionary, in order."""
        told = self.told().removeprefix(self.told_before)
        lines = [line for line in told.splitlines() if line.startswith("time=")]
        return [{key: value.strip('"') for key, value in FIELD.findall(line)} for line in lines]

    def event(self, name):
        """The first event of a name, or None."""
        return next((event for event in self.events() if event["event"] == name), None)

    def close(self):
        """Unmounts also what a clogd that should have ended by itself has mounted elsewhere in the member's folder."""
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
            within = [line.split()[4] for line in lines if line.split()[4].startswith(self.folder + "/")]
        for folder in within:
            if folder != self.mount:
                subprocess.run(["umount", "-l", folder], timeout=20, check=False)
                subprocess.run(["chattr", "-i", folder], timeout=20, check=False, capture_output=True)
        super().close()

    def run_to_end(self):
        """Runs it where it should end by itself: (status, stdout, stderr)."""
        done = subprocess.run(self.command(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
                              cwd=self.folder)
        return done.returncode, done.stdout.decode(), done.stderr.decode()


class ClogdTest(member.MemberTest):
    """A test with a Clogd that is not started yet, in self.member."""

    starts = False

    def new_member(self, name="one"):
        new = Clogd(name)
        self.members.append(new)
        return new

    def write(self, name, text):
        """Writes a file in the member's folder, and gives its path."""
        path = f"{self.member.folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def assert_refused(self, status, *words, clogd=None):
        """It ends with the status and with one sentence on stderr that has the words, and mounts nothing."""
        clogd = clogd or self.member
        before = member.mounts(clogd.mount)
        found, output, sentence = clogd.run_to_end()
        self.assertEqual((found, output), (status, ""), sentence)
        self.assertRegex(sentence, r"\Aclogd: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, sentence)
        self.assertEqual(member.mounts(clogd.mount), before)

    def wait_for(self, name, clogd=None):
        """Waits for an event, and gives it."""
        return until(lambda: (clogd or self.member).event(name), what=f"the event {name}")
