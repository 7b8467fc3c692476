"""Where a case runs, and the ledger of whose each record is."""

import contextlib
import functools
import os
import random
import re
import subprocess
import threading

from member import read, soak
from wait import until

SECONDS = 60  # that any one program may take
LONGER = 3 if soak() else 1  # how many times what a program reads and writes


class Ledger:
    """Whose each record of the log is. No record may be nobody's in the end, and none is claimed twice: so nothing is
    lost, doubled, cut or joined that a case did not say."""

    def __init__(self):
        self.lock = threading.Lock()
        self.owners = {}  # offset: who claimed it

    def own(self, offset, owner):
        """One record is the owner's."""
        if self.owners.setdefault(offset, owner) is not owner:
            raise AssertionError(f"record {offset} is {owner}'s and {self.owners[offset]}'s")


class Shown:
    """The records that a mount shows, each read once."""

    def __init__(self, ledger, mount):
        self.ledger = ledger
        self.mount = mount
        self.records = []
        self.lock = threading.Lock()

    def update(self):
        """Reads those that have come, and gives how many there are."""
        with self.lock, contextlib.suppress(FileNotFoundError):
            while True:
                self.records.append(read(f"{self.mount}/records/{len(self.records)}"))
        return len(self.records)

    def claim(self, begin, expected, owner):
        """The expected records are there, in order, from an offset on, and are the owner's from now on. Gives their
        offsets."""
        count, offset, found = self.update(), begin, []
        with self.ledger.lock:
            for record in expected:
                while offset < count and (offset in self.ledger.owners or self.records[offset] != record):
                    offset += 1
                if offset == count:
                    raise AssertionError(f"{owner}: record {len(found)} of {len(expected)}, {record[:60]!r}, is not "
                                         f"in the log from offset {begin} on")
                self.ledger.own(offset, owner)
                found.append(offset)
        return found

    def claim_pieces(self, begin, data, owner):
        """Records from an offset on make up the data, and are the owner's from now on. Gives their sizes."""
        count, position, sizes = self.update(), 0, []
        with self.ledger.lock:
            for offset in range(begin, count):
                record = self.records[offset]
                if offset not in self.ledger.owners and position < len(data) and data.startswith(record, position):
                    self.ledger.own(offset, owner)
                    position += len(record)
                    sizes.append(len(record))
        if position != len(data):
            raise AssertionError(f"{owner}: the records make up {position} of {len(data)} bytes, "
                                 f"{len(sizes)} of them")
        return sizes

    def claim_matching(self, begin, pattern, owner):
        """All records from an offset on that match are the owner's from now on. Gives them."""
        count, found = self.update(), []
        with self.ledger.lock:
            for offset in range(begin, count):
                if offset not in self.ledger.owners and re.search(pattern, self.records[offset]):
                    self.ledger.own(offset, owner)
                    found.append(self.records[offset])
        return found


class Running:
    """A program that goes on while its output is looked at."""

    def __init__(self, child, path):
        self.child = child
        self.path = path
        self.output = b""

    def look(self):
        """All of its output so far."""
        with open(self.path, "rb", buffering=0) as file:
            file.seek(len(self.output))
            self.output += file.read()
        return self.output

    def wait_for(self, text):
        """Waits until its output has the text, and gives all of it."""
        def there():
            if self.child.poll() is not None and text not in self.look():
                raise AssertionError(f"{self.child.args} ended with status {self.child.returncode}: {self.output!r}")
            return text in self.look()
        until(there, SECONDS, f"{self.child.args} shows {text!r}")
        return self.output

    def wait_until_open(self, path):
        """Waits until it has opened a file whose path ends so."""
        folder = f"/proc/{self.child.pid}/fd"

        def is_open():
            with contextlib.suppress(OSError):
                return any(os.readlink(f"{folder}/{name}").endswith(path) for name in os.listdir(folder))
            return False
        until(is_open, SECONDS, f"{self.child.args} opens {path}")

    def end(self):
        """It was still running, and is ended."""
        if self.child.poll() is not None:
            raise AssertionError(f"{self.child.args} ended by itself, with status {self.child.returncode}")
        self.child.terminate()
        self.child.wait(SECONDS)
        return self.look()


class Place:
    """A folder of a case's own with a mount in it, and bytes that no other case writes."""

    def __init__(self, test, shown, plain, name, number):
        self.test = test
        self.shown = shown
        self.plain = plain  # a folder of plain files with what the mount has
        self.name = name
        self.mount = shown.mount
        self.folder = f"{test.scratch}/{number}"
        self.token = f"T{number:04d}"
        self.line = f"{self.token} the quick brown fox\n".encode()
        self.lines = [f"{self.token} line {i}, gr\u00fc\u00df dich{' and more' * i}\n".encode() for i in range(12 * LONGER)]
        self.lines[7] = f"{self.token} ends as a text of another system's lines does\r\n".encode()
        self.lines[8] = self.token.encode() + b" is longer than a block of stdio " + b"." * 9000 + b"\n"
        os.mkdir(self.folder)
        os.symlink(self.mount, self.folder + "/mnt")
        self.put("line", self.line)
        self.put("text", b"".join(self.lines))

    @functools.cached_property
    def blob(self):
        """Bytes of the case's own, in the file `blob` from now on."""
        blob = random.Random(self.token).randbytes(1_300_017 * LONGER)
        self.put("blob", blob)
        return blob

    def put(self, name, data):
        """Makes a file in the folder, and gives its path."""
        with open(f"{self.folder}/{name}", "wb") as file:
            file.write(data)
        return f"{self.folder}/{name}"

    def path(self, *names):
        """A path in the mount."""
        return os.path.join(self.mount, *names)

    # Running programs

    def environment(self):
        """What a program runs in."""
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": self.folder,
                "TERM": "vt100", "T": self.token + " the quick brown fox"}

    def shell(self, script, shell=("bash",), status=0, complaint=None, folder=None, feed=b""):
        """Runs a script as a user would type it, and gives what it wrote to stdout. It complains of nothing unless its
        status or a complaint, which is a pattern, is given."""
        child = self.test.spawn([*shell, "-c", script], cwd=folder or self.folder, env=self.environment(),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, said = child.communicate(feed, SECONDS)
        self.test.children.remove(child)
        said = said.decode(errors="replace")
        if child.returncode != status:
            raise AssertionError(f"{script}: status {child.returncode}, expected {status}; it said {said!r}")
        if complaint is None and status == 0 and said:
            raise AssertionError(f"{script}: complained: {said!r}")
        if complaint is not None and not re.search(complaint, said):
            raise AssertionError(f"{script}: said {said!r}, expected {complaint!r}")
        return output

    def start(self, script):
        """Starts a program that goes on; its stdout and stderr are one."""
        path = f"{self.folder}/output.{len(os.listdir(self.folder))}"
        with open(path, "wb") as output:
            child = self.test.spawn(["bash", "-c", "exec " + script], cwd=self.folder, env=self.environment(),
                                    stdout=output, stderr=output)
        return Running(child, path)

    # Looking at the log

    def begin(self):
        """An offset that is not past what will be appended."""
        return self.shown.update()

    def expect(self, records, begin=0):
        """These records were appended, in this order. Gives their offsets."""
        return self.shown.claim(begin, records, self)

    def expect_pieces(self, data, begin=0):
        """Records that make up the data were appended. Gives their sizes."""
        return self.shown.claim_pieces(begin, data, self)

    def expect_matching(self, pattern, begin=0):
        """Gives the records that match."""
        return self.shown.claim_matching(begin, pattern, self)

    def append(self, data):
        """Appends a record, and gives its offset."""
        handle = os.open(self.path("append"), os.O_RDWR)
        try:
            if os.write(handle, data) != len(data):
                raise AssertionError("a write was cut short")
            offset = int(os.read(handle, 100))
        finally:
            os.close(handle)
        with self.shown.ledger.lock:
            self.shown.ledger.own(offset, self)
        return offset

    def stream(self):
        """The joined log."""
        return read(self.path("log/stream"))

    def expect_part(self, output, begin=0):
        """The output is a part of the joined log, from a position on, without a gap or a repetition."""
        stream = self.stream()
        if not output or stream.find(output, begin) < 0:
            raise AssertionError(f"{self}: {len(output)} bytes are no part of the {len(stream)} of the log: "
                                 f"{output[:80]!r} to {output[-80:]!r}")

    def compare(self, script, shell=("bash",)):
        """A script says the same in the mount and in plain files."""
        if script not in self.test.expected:
            os.mkdir(self.folder + "/of_plain_files")
            os.symlink(self.plain, self.folder + "/of_plain_files/mnt")
            self.test.expected[script] = self.shell(script, shell, folder=self.folder + "/of_plain_files")
        if not self.test.expected[script]:
            raise AssertionError(f"{script}: says nothing of plain files, so it shows nothing")
        self.test.assert_same(self.shell(script, shell), self.test.expected[script], script)

    def __str__(self):
        return self.name
