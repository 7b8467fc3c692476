"""Members to measure, as tests/system starts them, the null filesystem beside them, and what their processes take."""

import contextlib
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "system"))
from member import Member, mounts, read  # noqa: E402 pylint: disable=wrong-import-position
from wait import until  # noqa: E402 pylint: disable=wrong-import-position

PORT, GRPC_PORT, HTTP_PORT = 7400, 7401, 7402


def program(name):
    """The path of a program that was built."""
    return os.path.join(os.environ["BUILD"], *{"clog": ("cmd", "clog")}.get(name, ("bench", "bench_" + name)))


def say(*command, seconds=300):
    """Runs a program and gives what it prints."""
    return subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          check=True, timeout=seconds).stdout


def shell(script, seconds=300):
    """Runs a script as it would be typed; it has to succeed."""
    subprocess.run(["bash", "-ec", script], stdin=subprocess.DEVNULL, check=True, timeout=seconds)


def next_offset(member):
    """What log/next says."""
    return int(read(member.path("log/next")))


def voters(member):
    """How many voters a member knows."""
    try:
        names = os.listdir(member.path("cluster"))
        return sum(read(member.path("cluster", name, "role")) == b"voter\n" for name in names)
    except OSError:
        return 0


@contextlib.contextmanager
def cluster(count, doors=False):
    """Gives so many members that vote, the first one leading; more than one talk by TLS. With doors the first one has
    network doors, under TLS, at its grpc and http, and a client's certificates are in the folder client."""
    with contextlib.ExitStack() as stack:
        authority = stack.enter_context(tempfile.TemporaryDirectory(prefix="clog-bench."))
        net = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}"
        if count > 1 or doors:
            say(program("clog"), "cert", "init", authority + "/ca", "--cluster", "bench")
        members = []
        for number in range(1, count + 1):
            options = []
            if count > 1 or doors:
                say(program("clog"), "cert", "member", authority + "/ca", f"n{number}", "--host", f"{net}.{number}",
                    "--out", f"{authority}/n{number}")
                options = ["--peer", f"{net}.{number}:{PORT}", "--tls", f"{authority}/n{number}"]
            if number > 1:
                options += ["--join", f"{net}.1:{PORT}"]
            elif doors:
                options += ["--grpc", f"{net}.1:{GRPC_PORT}", "--http", f"{net}.1:{HTTP_PORT}"]
            member = Member(f"n{number}", *options)
            stack.callback(member.close)
            members.append(member)
            if number == 1:
                member.start()
            else:
                member.launch()
        until(lambda: all(voters(member) == count for member in members), 30, f"{count} members vote")
        if doors:
            members[0].grpc, members[0].http = f"{net}.1:{GRPC_PORT}", f"{net}.1:{HTTP_PORT}"
            members[0].client = authority + "/client"
            say(program("clog"), "cert", "client", authority + "/ca", "bench", "--out", members[0].client)
        yield members


@contextlib.contextmanager
def null_filesystem():
    """Gives the null filesystem, with a path() as a member has one."""
    with tempfile.TemporaryDirectory(prefix="clog-bench.") as mount:
        null = Member("null")
        null.mount = os.path.realpath(mount)
        null.process = subprocess.Popen([program("null_fs"), null.mount], stdin=subprocess.DEVNULL)
        try:
            until(lambda: mounts(null.mount), what="the null filesystem is mounted")
            yield null
        finally:
            null.process.terminate()
            null.process.wait(20)
            null.process = None
            null.close()


def cpu_s(members):
    """The processor's time that they have used, in seconds."""
    total = 0
    for member in members:
        with open(f"/proc/{member.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def anonymous_mb(member):
    """The memory that is a member's own, in MB."""
    with open(f"/proc/{member.process.pid}/smaps_rollup", encoding="ascii") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")) * 1024 / 1e6
