"""clogd is killed in the middle of a load, again and again, and loses nothing that it acknowledged."""

import hashlib
import os
import random
import sys

import member
import text
from history import History, Load
from wait import until

CRASHES = 60 if member.soak() else 20
SEED = int(os.environ.get("CLOG_SEED", "20240607"))

TEXT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "text.py")


class KillUnderLoad(member.MemberTest):
    """Crash, restart, check."""

    limit_s = 110

    def test_what_was_acknowledged_is_there_once(self):
        print(f"seed {SEED}", flush=True)
        moments = random.Random(SEED)
        history = History(self)
        for number in range(CRASHES):
            load = Load(self, number)
            moment = moments.randrange(6, 1500)
            until(lambda: load.noted()[0] > 0 and load.noted()[1] >= moment, what=f"{moment} writes are acknowledged")
            self.member.kill()
            load.end()
            self.member.start()
            history.check(load)
        for offset, record in enumerate(history.stream.splitlines(keepends=True)):
            self.assert_same(self.record(offset), record, f"record {offset}")

    def test_a_crash_while_starting_loses_nothing(self):
        self.shell("seq 1000 >> mnt/log/lines")
        for i in range(CRASHES // 2):
            self.member.kill()
            self.member.launch()
            wanted = "/dev/fuse" if i % 2 else self.member.data
            until(lambda: self.opened(wanted), what=f"clogd opens {wanted}")
        self.member.kill()
        self.member.start()
        self.assert_log([b"%d\n" % i for i in range(1, 1001)])

    def test_a_crash_of_a_new_member_leaves_one_that_starts(self):
        for i in range(CRASHES):
            new = self.new_member(f"new{i}")
            new.launch()
            until(lambda: len(self.files(new)) >= i % 8, what=f"{i % 8} files in the data folder")
            new.kill()
            new.start()
            with open(new.path("append"), "ab", buffering=0) as append:
                append.write(b"data\n")
            self.assertEqual(member.read(new.path("records/0")), b"data\n")
            self.assertEqual(new.stop(), 0)

    def files(self, new):
        """The files in a member's data folder, and the folder itself."""
        return [name for folder in os.walk(new.data) for name in [folder[0]] + folder[2]]

    def test_a_crash_in_the_middle_of_a_text_leaves_its_first_lines(self):
        moments, written, acknowledged = random.Random(SEED), 0, self.member.folder + "/acknowledged"
        with open(acknowledged, "w", encoding="ascii") as file:
            file.write("0")
        digest = hashlib.sha256()
        for _ in range(CRASHES // 4):
            wanted = written + moments.randrange(1, 120_000_000)
            writer = self.spawn([sys.executable, "-B", TEXT, self.member.path("log/lines"), acknowledged, str(written)])
            until(lambda: self.size() >= wanted, seconds=60, what=f"{wanted} bytes are in the log")
            self.member.kill()
            self.assertEqual(writer.wait(30), 0)
            self.member.start()
            size = self.size()
            self.assertGreaterEqual(size, int(member.read(acknowledged)))
            with open(self.member.path("log/stream"), "rb") as stream:
                stream.seek(written)
                position = written
                for line in stream:
                    self.assertEqual(line, text.line(position))
                    digest.update(line)
                    position += len(line)
            self.assertEqual(position, size)
            written = size
        found = hashlib.sha256(member.read(self.member.path("log/stream")))
        self.assertEqual(found.digest(), digest.digest())

    def size(self):
        """Bytes in the log."""
        return os.stat(self.member.path("log/stream")).st_size

    def opened(self, wanted):
        """True when clogd has a file open whose path begins so."""
        folder = f"/proc/{self.member.process.pid}/fd"
        for name in os.listdir(folder):
            try:
                if os.readlink(f"{folder}/{name}").startswith(wanted):
                    return True
            except FileNotFoundError:
                pass
        return False


if __name__ == "__main__":
    member.main()
