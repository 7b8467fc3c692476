"""A machine for a member: a network namespace on the test's bridge, a small disk on a loop image, and a clogd.

Everything lies in the mount, network and process namespaces of the test's own (run.py), which the kernel takes down with
it. The harness's process never touches a mount of a log: it asks by children, with a time to give up.
"""

import fcntl
import os
import struct
import subprocess
import sys
import time

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from wait import until  # noqa: E402 pylint: disable=wrong-import-position

PORT, GRPC_PORT = 7400, 8400
SHUTDOWN = 0x8004587D  # ioctl of ext4: from here on nothing more gets to the disk
NO_LOG_FLUSH = struct.pack("I", 2)
ASK_S = 5


def run(*command, feed=None):
    """Runs a program of the system; it has to succeed."""
    result = subprocess.run(command, input=feed, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {result.stderr.strip()}")
    return result.stdout


def ask(*command):
    """What a program says that may hang on a mount; None when it fails, or has no answer in time."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        said = child.communicate(timeout=ASK_S)[0]
        return said.decode().strip() if child.returncode == 0 else None
    except subprocess.TimeoutExpired:
        child.kill()  # it ends when the mount answers
        return None


class Elsewhere:
    """A mount by `clog mount`, which has the log over the network, from all members."""

    def __init__(self, folder, programs, addresses):
        self.name, self.folder, self.departed = "elsewhere", f"{folder}/elsewhere", False
        self.mount = f"{self.folder}/mnt"
        for name in (self.folder, self.mount):
            os.mkdir(name)
        with open(f"{self.folder}/said", "wb") as said:
            self.process = subprocess.Popen([programs[1], "mount", self.mount, "--server", addresses, "--tls", f"{folder}/app"],
                                            stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        until(self.shows, 60, "clog mount shows the log")

    def shows(self):
        """True when it answers."""
        if self.process.poll() is not None:
            raise AssertionError(f"clog mount ended with status {self.process.returncode}")
        return ask("cat", f"{self.mount}/log/next") is not None

    def stop(self):
        """In order."""
        self.process.terminate()
        status = self.process.wait(60)
        if status != 0:
            raise AssertionError(f"clog mount ended with status {status} when it was asked to")


class Machine:
    """One, with its number. Its folder is for all of its files."""

    def __init__(self, number, folder, programs, disk_size):
        self.number, self.name = number, f"n{number}"
        self.address = f"10.99.0.{number}"
        self.folder = f"{folder}/{self.name}"
        self.disk, self.mount = f"{self.folder}/disk", f"{self.folder}/mnt"
        self.data = f"{self.disk}/data"
        self.clogd, self.clog, self.authority = programs
        self.process = None
        self.life = None      # since when the process shows its log, ns
        self.lives = []       # (start, end)
        self.stopped = False
        self.departed = False
        os.mkdir(self.folder)
        os.mkdir(self.disk)
        os.mkdir(self.mount)
        run("truncate", "-s", str(disk_size), f"{self.folder}/image")
        run("mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard", f"{self.folder}/image")
        self.attach()
        self.join_network()
        run(self.clog, "cert", "member", self.authority, self.name, "--host", self.address, "--out",
            f"{self.folder}/tls")

    def attach(self):
        """The disk is there."""
        run("mount", "-o", "loop", f"{self.folder}/image", self.disk)

    def join_network(self):
        """A namespace, and a cable from it to the bridge."""
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", f"b{self.number}", "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "link", "set", f"b{self.number}", "master", "bridge", "up")
        run("ip", "-n", self.name, "address", "add", f"{self.address}/24", "dev", "eth0")
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        run("ip", "-n", self.name, "link", "set", "eth0", "up")
        self.nft("table ip cut { set from { type ipv4_addr; }; chain input { type filter hook input priority 0; "
                 "ip saddr @from drop; }; }")

    def nft(self, rules):
        """Changes this machine's filter."""
        run("nsenter", f"--net=/run/netns/{self.name}", "nft", "-f", "-", feed=rules.replace("; ", "\n") + "\n")

    def cut_from(self, others):
        """Nothing of these machines arrives here; none: everything does."""
        self.nft("flush set ip cut from")
        if others:
            self.nft(f"add element ip cut from {{ {', '.join(other.address for other in others)} }}")

    def slow(self, slow):
        """What leaves this machine is slow, or not."""
        change = ["replace", "dev", "eth0", "root", "tbf", "rate", "4mbit", "burst", "16kb", "latency", "300ms"]
        run("tc", "-n", self.name, "qdisc", *(change if slow else ["del", "dev", "eth0", "root"]))

    # The member

    def launch(self, seeds=()):
        """Starts clogd."""
        command = ["nsenter", f"--net=/run/netns/{self.name}", self.clogd, "--data", self.data, "--mount", self.mount,
                   "--name", self.name, "--peer", f"{self.address}:{PORT}", "--tls", f"{self.folder}/tls",
                   "--grpc", f"{self.address}:{GRPC_PORT}"]
        if seeds:
            command += ["--join", ",".join(f"{seed.address}:{PORT}" for seed in seeds)]
        with open(f"{self.folder}/said", "ab") as said:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    def start(self, seeds=(), seconds=60):
        """Starts it, and waits until its mount answers."""
        self.launch(seeds)
        until(self.shows, seconds, f"{self.name} shows its log")
        self.life = time.monotonic_ns()

    def shows(self):
        """True when the mount answers."""
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name}: clogd ended by itself with status {self.process.returncode}")
        return self.ask("status/term") is not None

    def end_life(self):
        """From here on its mount may be gone."""
        if self.life:
            self.lives.append((self.life, time.monotonic_ns()))
        self.life = None

    def kill(self):
        """As a crash does."""
        self.end_life()
        self.process.kill()
        self.process.wait(60)
        self.process = None
        self.stopped = False

    def stop(self, seconds=60):
        """In order."""
        self.end_life()
        self.process.terminate()
        status = self.process.wait(seconds)
        self.process = None
        if status != 0:
            raise AssertionError(f"{self.name}: clogd ended with status {status} when it was asked to")

    def lose_power(self):
        """What was not synced is gone. Kill it afterwards, then restore."""
        self.end_life()
        handle = os.open(self.disk, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, NO_LOG_FLUSH)
        finally:
            os.close(handle)

    def restore_power(self):
        """The disk as the power cut left it."""
        run("umount", self.disk)
        self.attach()

    def fill(self, leave=16 << 20):
        """Nearly no room is left on the disk."""
        free = os.statvfs(self.disk)
        run("fallocate", "-l", str(max(free.f_bavail * free.f_frsize - leave, 4096)), f"{self.disk}/filler")

    def empty(self):
        """There is room again."""
        if os.path.exists(f"{self.disk}/filler"):
            os.unlink(f"{self.disk}/filler")

    # Asking

    def ask(self, path):
        """What a file of the mount says, or None."""
        return ask("cat", f"{self.mount}/{path}")

    def leader(self):
        """The name of the leader that this member knows, or None."""
        said = ask("readlink", f"{self.mount}/leader")
        return os.path.basename(said) if said else None
