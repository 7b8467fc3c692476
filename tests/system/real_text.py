"""A text of 100 MB goes in by cat, and comes out the same, also after a crash."""

import array
import mmap
import os
import random

import member

SIZE = (300 if member.soak() else 100) * 1_000_000  # bytes at least
SAMPLES = 1000
SEED = 20240607

STATES = (b"startup archives unpack", b"install", b"status half-installed", b"status unpacked", b"configure",
          b"status half-configured", b"trigproc", b"status installed")


def lines(count):
    """Lines as a package manager's log has them, numbered, some of them empty, some long, all the same in each run."""
    for i in range(count):
        if i % 97 == 0:
            yield b"\n"
        elif i % 5003 == 0:
            yield b"2024-06-07 conffile %d " % i + b"%x/" % (i * i) * (i % 4999) + b"\n"
        else:
            yield b"2024-06-07 %02d:%02d:%02d %s lib%x:amd64 %d.%d-%d <none> \xc3\xa9\n" % (
                i // 3600 % 24, i // 60 % 60, i % 60, STATES[i * 7 % 8], i * 2654435761 % (1 << 32), i % 13, i % 9, i)


class RealText(member.MemberTest):
    """100 MB of lines."""

    limit_s = 110

    def make_text(self):
        """Writes the text and gives the position of each of its lines, and of its end."""
        self.text = self.member.folder + "/text"
        positions, position = array.array("Q", [0]), 0
        with open(self.text, "wb", buffering=1 << 20) as file:
            for line in lines(1 << 62):
                file.write(line)
                position += len(line)
                positions.append(position)
                if position >= SIZE:
                    return positions

    def assert_text(self, positions):
        """The log holds the text."""
        count = len(positions) - 1
        self.assertEqual(self.shell("cat mnt/log/next"), self.shell("wc -l < text"))
        self.assertEqual(self.next(), count)
        self.assertEqual(os.stat(self.member.path("log/stream")).st_size, positions[-1])
        sums = self.shell("sha256sum < text; sha256sum < mnt/log/stream").split()
        self.assertEqual(sums[0], sums[2])
        self.shell("dd if=mnt/log/stream of=/dev/null bs=1M 2> said")
        whole, rest = divmod(positions[-1], 1 << 20)
        self.assertIn(b"%d+%d records in" % (whole, rest > 0), member.read(self.member.folder + "/said"))
        offsets = random.Random(SEED).sample(range(count), SAMPLES) + [0, count - 1]
        with open(self.text, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as text, \
                open(self.member.path("log/stream"), "rb", buffering=0) as stream:
            for offset in offsets:
                begin, end = positions[offset], positions[offset + 1]
                self.assert_same(self.record(offset), text[begin:end], f"record {offset}")
            for offset in offsets[:100]:
                begin = max(positions[offset] - 7, 0)
                found = os.pread(stream.fileno(), 5000, begin)
                self.assert_same(found, text[begin:begin + 5000], f"log/stream from byte {begin}")
        with self.assertRaises(FileNotFoundError):
            self.record(count)

    def test_a_text_is_its_lines_also_after_a_crash(self):
        positions = self.make_text()
        self.shell("cat text >> mnt/log/lines", seconds=self.limit_s)
        self.assert_text(positions)
        self.member.kill()
        self.member.start()
        self.assert_text(positions)
        self.shell("echo after >> mnt/append")
        self.assertEqual(self.record(len(positions) - 1), b"after\n")


if __name__ == "__main__":
    member.main()
