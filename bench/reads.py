"""What readers get of a large log on one member, beside the null filesystem, in turns; and what memory it takes."""

import statistics
import tempfile
import time

from appends import make_lines
from members import anonymous_mb, cluster, null_filesystem, program, read, say, shell

LISTED = 1_000_000  # records that are listed
READ = 20_000       # records that are read one by one in a turn
SCATTER = 7919      # a prime


def timed(script):
    """The seconds that a script takes."""
    begin = time.monotonic()
    shell(script)
    return time.monotonic() - begin


def fill(member, folder, millions):
    """Appends so many million lines of 100 bytes."""
    make_lines(folder + "/big.txt", LISTED)
    for _ in range(millions):
        shell(f"cat {folder}/big.txt >> {member.path('log/lines')}")


def reads(table, turns, millions):
    """Listing, single records, and the stream."""
    table.title("reads, 1 member, 100 B records", "what", "clog", "null filesystem", "ratio")
    with cluster(1) as (member,), null_filesystem() as null, tempfile.TemporaryDirectory() as folder:
        table.row("idle, an empty log: anonymous memory", f"{anonymous_mb(member):.1f} MB", "", "")
        fill(member, folder, 1)
        listing(table, member, null, turns)
        cold(table, member, null, turns)
        fill(member, folder, millions - 1)
        stream(table, member, null, turns, millions)
        table.row(f"after {millions} million records came, and were read", f"{anonymous_mb(member):.1f} MB", "", "")
        table.row(f"start with {millions} million records, until it leads and is mounted", f"{restart_s(member):.2f} s",
                  "", "")
        table.row("and then anonymous memory", f"{anonymous_mb(member):.1f} MB", "", "")


def restart_s(member):
    """The seconds that a start takes, after a stop in order."""
    member.stop()
    begin = time.monotonic()
    member.start()
    return time.monotonic() - begin


def large(table, millions):
    """A member with many records, of 8 bytes each."""
    table.title(f"a member with {millions} million records of 8 B", "what", "clog")
    with cluster(1) as (member,), tempfile.TemporaryDirectory() as folder:
        shell(f"seq -f %07g 0 999999 > {folder}/text")
        begin = time.monotonic()
        for _ in range(millions):
            shell(f"cat {folder}/text >> {member.path('log/lines')}")
        table.row("appended by cat, records/s", f"{millions * 1e6 / (time.monotonic() - begin):,.0f}")
        table.row("anonymous memory afterwards", f"{anonymous_mb(member):.1f} MB")
        table.row("start, until it leads and is mounted", f"{restart_s(member):.2f} s")
        table.row("anonymous memory then", f"{anonymous_mb(member):.1f} MB")
        say(program("records"), member.path("log/records"), 0, millions * 1_000_000, 999_983, 200_000)
        table.row("and after 200,000 records all over the log were read", f"{anonymous_mb(member):.1f} MB")


def listing(table, member, null, turns):
    """ls -U of a million."""
    before, log_s, null_s = anonymous_mb(member), [], []
    for _ in range(turns):
        log_s.append(timed(f"ls -U {member.path('log/records')} > /dev/null"))
        null_s.append(timed(f"ls -U {null.path('log/records')} > /dev/null"))
    log, least = statistics.median(log_s), statistics.median(null_s)
    table.row("`ls -U` of a million records", f"{log:.2f} s", f"{least:.2f} s", f"{least / log:.2f}")
    table.row("anonymous memory that it took", f"{anonymous_mb(member) - before:.1f} MB", "", "")


def cold(table, member, null, turns):
    """Records that the kernel does not know yet, each once."""
    part = LISTED // 2 // turns
    for name, step, first in (("one after the other", 1, 0), ("all over the place", SCATTER, LISTED // 2)):
        log, least = [], []
        for turn in range(turns):
            which = first + turn * part, part, step, READ
            log.append(int(say(program("records"), member.path("log/records"), *which)))
            least.append(int(say(program("records"), null.path("log/records"), *which)))
        rate, floor = statistics.mean(log), statistics.mean(least)
        table.row(f"records/s, cold, {name}: open, read, close", f"{rate:,.0f}", f"{floor:,.0f}", f"{rate / floor:.2f}")


def stream(table, member, null, turns, millions):
    """cat of the stream, from the page cache."""
    log, least = [], []
    for _ in range(turns):
        log.append(millions * 100 / timed(f"cat {member.path('log/stream')} > /dev/null"))
        least.append(1074 / timed(f"cat {null.path('log/stream')} > /dev/null"))
    rate, floor = statistics.median(log) / 1000, statistics.median(least) / 1000
    table.row(f"`cat log/stream > /dev/null`, {millions / 10:g} GB", f"{rate:.2f} GB/s", f"{floor:.2f} GB/s",
              f"{rate / floor:.2f}")
    assert read(member.path("log/first")) == b"0\n"
