"""What writers get: records by append and lines by cat, beside the null filesystem and plain synced writes, in turns."""

import os
import statistics
import tempfile
import time

from members import cluster, cpu_s, null_filesystem, program, say, shell

RECORD_SIZE = 100
WRITERS = (1, 16, 64, 256)
PIECE_SIZE = 512 << 10  # what cat writes to lines at once


class Load:
    """Turns of bench_append, and what they cost the members."""

    generator = "append"

    def __init__(self, members=()):
        self.members, self.rates, self.halves, self.lates, self.latest = members, [], [], [], []
        self.cpu_s = self.count = 0

    def run(self, *arguments):
        """What the program says, and what that took of the members' processors."""
        cpu = cpu_s(self.members)
        said = say(program(self.generator), *arguments)
        return said, cpu_s(self.members) - cpu

    def turn(self, *arguments, seconds):
        """One more."""
        said, cpu = self.run(*arguments, seconds)
        rate, half, late, latest = map(int, said.split())
        self.cpu_s += cpu
        self.count += rate * seconds
        self.rates.append(rate)
        self.halves.append(half / 1000)
        self.lates.append(late / 1000)
        self.latest.append(latest / 1000)

    def cost(self):
        """Seconds of the processor for a million records, of all members."""
        return f"{self.cpu_s / self.count * 1e6:.1f}"

    def rate(self):
        """Records a second."""
        return statistics.mean(self.rates)

    def times(self):
        """What half of the records, and 99 of 100, took at most."""
        return f"{statistics.median(self.halves):.2f} / {statistics.median(self.lates):.2f}"

    def all_times(self):
        """The same, and 999 of 1000."""
        return f"{self.times()} / {statistics.median(self.latest):.2f}"


def appends(table, count, seconds, turns):
    """Writers that wait for each record."""
    table.title(f"log/append, {count} member{'s with TLS' if count > 1 else ''}, {RECORD_SIZE} B",
                "writers", "records/s", "p50 / p99 ms", "null filesystem", "ratio", "plain write + fdatasync", "ratio",
                "server CPU s per million")
    with cluster(count) as members, null_filesystem() as null, tempfile.TemporaryDirectory() as folder:
        for writers in WRITERS:
            log, least, plain = Load(members), Load(), Load()
            for _ in range(turns):
                log.turn(members[0].path("log/append"), RECORD_SIZE, writers, seconds=seconds)
                least.turn(null.path("log/append"), RECORD_SIZE, writers, seconds=seconds / 2)
                plain.turn("--sync", folder + "/plain", RECORD_SIZE, 1, seconds=seconds / 2)
            table.row(writers, f"{log.rate():,.0f}", log.times(), f"{least.rate():,.0f}",
                      f"{log.rate() / least.rate():.2f}", f"{plain.rate():,.0f}", f"{log.rate() / plain.rate():.1f}",
                      log.cost())
        lines(table, members, null, folder, turns)


def make_lines(path, count):
    """A file of so many lines of 100 bytes."""
    with open(path, "wb") as file:
        for first in range(0, count, 10000):
            file.write(b"".join(b"%099d\n" % number for number in range(first, min(first + 10000, count))))


def cat_s(text, path):
    """The seconds that cat takes."""
    begin = time.monotonic()
    shell(f"cat {text} >> {path}")
    return time.monotonic() - begin


def lines(table, members, null, folder, turns):
    """A million lines by cat."""
    count = 1_000_000
    text = folder + "/big.txt"
    make_lines(text, count)
    plain, log_s, least_s, cpu = Load(), [], [], 0
    for _ in range(turns):
        before = cpu_s(members)
        log_s.append(cat_s(text, members[0].path("log/lines")))
        cpu += cpu_s(members) - before
        least_s.append(cat_s(text, null.path("log/lines")))
        plain.turn("--sync", folder + "/plain", PIECE_SIZE, 1, seconds=1)
    rate, least = count / statistics.median(log_s), count / statistics.median(least_s)
    floor = plain.rate() * PIECE_SIZE / RECORD_SIZE
    table.row("cat big.txt >> lines", f"{rate:,.0f}", "", f"{least:,.0f}", f"{rate / least:.2f}", f"{floor:,.0f}",
              f"{rate / floor:.2f}", f"{cpu / turns / count * 1e6:.2f}")
    os.unlink(text)


def compare(table, others, seconds, turns, writers=64):
    """Builds of clogd beside each other, in turns."""
    table.title(f"{writers} writers, log/append, 1 member", "build", "records/s", "p50 / p99 ms", "ratio to the first")
    builds = [os.environ["CLOGD"], *others]
    loads = [Load() for _ in builds]
    for _ in range(turns):
        for build, load in zip(builds, loads):
            os.environ["CLOGD"] = build
            with cluster(1) as members:
                load.turn(members[0].path("log/append"), RECORD_SIZE, writers, seconds=seconds)
    os.environ["CLOGD"] = builds[0]
    for build, load in zip(builds, loads):
        table.row(build, f"{load.rate():,.0f}", load.times(), f"{load.rate() / loads[0].rate():.2f}")
