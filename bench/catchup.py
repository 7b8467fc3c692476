"""A member that comes back far behind: how long it takes, what it does to those who append, and what memory it takes."""

import statistics
import tempfile
import threading
import time

from appends import RECORD_SIZE
from members import anonymous_mb, cluster, program, read, say
from reads import fill

NEAR = 64      # entries behind: caught up
WINDOW_S = 3   # the appends' times are taken anew each
BOUND_S = 240


class Watch(threading.Thread):
    """The most memory that each member had."""

    def __init__(self, members):
        super().__init__(daemon=True)
        self.members, self.most, self.over = members, {}, threading.Event()

    def run(self):
        while not self.over.wait(0.2):
            for member in self.members:
                self.most[member.name] = max(self.most.get(member.name, 0), anonymous_mb(member))

    def end(self):
        """Gives them, in the members' order."""
        self.over.set()
        self.join()
        return " / ".join(f"{self.most.get(member.name, 0):.0f}" for member in self.members)


def load(member, writers):
    """Appends for a while: records a second, p50 and p99 in ms."""
    rate, half, late, _ = map(int, say(program("append"), member.path("log/append"), RECORD_SIZE, writers,
                                       WINDOW_S).split())
    return rate, half / 1000, late / 1000


def windows(table, what, found, memory):
    """A row of what was found in several windows: the middle, and the worst p99."""
    rates, halves, lates = zip(*found)
    table.row(what, f"{statistics.median(rates):,.0f}", f"{statistics.median(halves):.2f}",
              f"{statistics.median(lates):.2f}", f"{max(lates):.2f}", memory)
    return statistics.median(lates)


def lag(member, name):
    """How many entries a member is behind, by the word of another."""
    return int(read(member.path("cluster", name, "lag")))


def catchup(table, millions, writers):
    """The third of three members is away while millions of records are appended, and comes back."""
    table.title(f"catching up, 3 members with TLS, {writers} writers, {RECORD_SIZE} B", "when", "records/s", "p50 ms",
                "p99 ms", "worst p99 ms", "most anonymous memory, MB, of each member")
    with cluster(3) as members, tempfile.TemporaryDirectory() as folder:
        leader, away = members[0], members[2]
        windows(table, "all three there", [load(leader, writers) for _ in range(3)],
                " / ".join(f"{anonymous_mb(member):.0f}" for member in members))
        away.stop()
        fill(leader, folder, millions)
        before = windows(table, f"the third away, {millions} million records later",
                         [load(leader, writers) for _ in range(3)],
                         " / ".join(f"{anonymous_mb(member):.0f}" for member in members[:2]))
        watch = Watch(members)
        begin = time.monotonic()
        away.launch()
        watch.start()
        found = []
        while time.monotonic() - begin < BOUND_S and (not found or lag(leader, away.name) > NEAR):
            found.append(load(leader, writers))
        took = time.monotonic() - begin
        done = lag(leader, away.name) <= NEAR
        meanwhile = windows(table, f"while it catches up: {took:.0f} s{'' if done else ', and not done'}", found,
                            watch.end())
        windows(table, "afterwards", [load(leader, writers) for _ in range(2)],
                " / ".join(f"{anonymous_mb(member):.0f}" for member in members))
        table.note(f"p99 while it catches up: {meanwhile / before:.1f} times that while it was away")
