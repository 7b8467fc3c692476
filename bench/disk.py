"""What reaches the disk for what is appended: three members on a disk of their own, a loop image, whose writes the kernel
counts. (What it counts of a process is no use: to touch a large page of the page cache counts as writing all of it.)"""

import contextlib
import os
import subprocess
import tempfile
import time

from appends import RECORD_SIZE, make_lines
from members import cluster, program, say, shell, until

IMAGE_SIZE = 6 << 30
QUIET_S = 0.5
SECTOR_SIZE = 512


@contextlib.contextmanager
def disk_of_its_own():
    """Temporary folders lie on it; gives its device."""
    with tempfile.TemporaryDirectory(prefix="clog-bench.") as folder:
        mount = folder + "/disk"
        os.mkdir(mount)
        say("truncate", "-s", IMAGE_SIZE, folder + "/image")
        say("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", folder + "/image")
        say("mount", "-o", "loop", folder + "/image", mount)
        before, tempfile.tempdir = tempfile.tempdir, mount
        try:
            yield os.path.basename(say("findmnt", "-no", "SOURCE", mount).strip())
        finally:
            tempfile.tempdir = before
            subprocess.run(["umount", mount], check=True)


def written(device):
    """The bytes that were written to a device."""
    with open("/proc/diskstats", encoding="ascii") as lines:
        return next(int(line.split()[9]) for line in lines if line.split()[2] == device) * SECTOR_SIZE


def settled(device):
    """The same, once there are no more."""
    seen = [written(device), time.monotonic()]

    def quiet():
        now = written(device)
        if now != seen[0]:
            seen[:] = now, time.monotonic()
        return time.monotonic() > seen[1] + QUIET_S
    until(quiet, 60, "nothing more is written")
    return seen[0]


def reserved(members):
    """The bytes of the disk that the members' logs take."""
    total = 0
    for member in members:
        with os.scandir(os.path.join(member.data, "log")) as files:
            total += sum(file.stat().st_blocks * 512 for file in files)
    return total


def payload(member):
    """The bytes in the log."""
    return os.stat(member.path("log/stream")).st_size


def disk(table, seconds):
    """Few writers, many, and lines."""
    table.title(f"bytes to the disks of 3 members for each byte of records, {RECORD_SIZE} B", "writers", "all",
                "less what the logs' files grew by")
    with disk_of_its_own() as device, cluster(3) as members:
        lines = tempfile.tempdir + "/big.txt"
        make_lines(lines, 1_000_000)
        for writers in (1, 256, "cat big.txt >> lines"):
            before, zeros, size = settled(device), reserved(members), payload(members[0])
            if writers == "cat big.txt >> lines":
                shell(f"cat {lines} >> {members[0].path('log/lines')}")
            else:
                say(program("append"), members[0].path("log/append"), RECORD_SIZE, writers, seconds)
            size = payload(members[0]) - size
            taken = settled(device) - before
            grown = reserved(members) - zeros
            table.row(writers, f"{taken / size:.1f}", f"{(taken - grown) / size:.1f}")
