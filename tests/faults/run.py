"""Fault tests: members with disks and networks of their own, clients, trouble, and the checker.

    run.py BUILD [--seconds N] [--seed S] [--members N] [--writers N] [--faults KIND,...] [--keep FOLDER]

brings up a cluster, lets clients use it through all mounts, makes trouble for so many seconds as the seed says, puts
everything right, waits until appends succeed at each member again, stops all, and gives the history and the members'
logs to the checker. Prints what was done, and exits 1 when anything was not as it has to be.

It runs itself in mount, network and process namespaces of its own: whatever becomes of it, the kernel ends its processes
and takes down its mounts, loops and networks.
"""

import argparse
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time

import check
import nemesis
import operations
import stores
from machine import GRPC_PORT, Elsewhere, Machine, run, until

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ("append", "open", "lines", "at", "read", "tail")
NETWORK_KINDS = ("session", "session", "produce", "consume", "follow")
ELSEWHERE_KINDS = ("append", "lines", "at", "read")  # at a mount that has the log over the network
WRITERS = ("append", "open", "lines", "session", "produce")
DISK_SIZE = 1 << 30
HEAL_S = 120
SOAK_S = 120
SPACE = "/mnt"  # a disk in memory goes there, in the test's own namespace


class Harness:
    """The cluster and its clients."""

    def __init__(self, options):
        self.options = options
        self.dice = random.Random(options.seed)
        self.folder = f"{SPACE}/run"
        self.programs = (f"{options.build}/cmd/clogd", f"{options.build}/cmd/clog", f"{self.folder}/ca")
        self.machines, self.clients, self.elsewhere = [], [], None
        self.stop = f"{self.folder}/stop"
        for name in ("", "/history", "/stores"):
            os.mkdir(self.folder + name)
        run(self.programs[1], "cert", "init", self.programs[2], "--cluster", "faults")
        run("ip", "link", "add", "bridge", "type", "bridge")
        run("ip", "link", "set", "bridge", "up")
        run("ip", "address", "add", "10.99.0.254/24", "dev", "bridge")
        run(self.programs[1], "cert", "client", self.programs[2], "app", "--out", f"{self.folder}/app")

    def say(self, text):
        """With the time since the beginning."""
        print(f"{time.monotonic() - self.begun:7.2f} {text}", flush=True)

    def members(self):
        """Machines whose member is, or is meant to be, in the cluster."""
        return [machine for machine in self.machines if not machine.departed]

    def add_machine(self):
        """A machine more, whose member joins."""
        machine = Machine(len(self.machines) + 1, self.folder, self.programs, DISK_SIZE)
        seeds = self.members()
        self.machines.append(machine)
        machine.start(seeds)
        return machine

    def add_clients(self, machine, kinds=KINDS):
        """Clients of its mount, a process each."""
        for kind in kinds:
            number = len(self.clients) + 1
            command = [sys.executable, "-B", f"{HERE}/client.py", kind, machine.mount,
                       f"{self.folder}/history/{number:03}.history", str(number), machine.name,
                       str(self.options.seed), self.stop]
            self.clients.append((machine, kind, number, subprocess.Popen(command, stdin=subprocess.DEVNULL)))

    def add_network_clients(self):
        """Clients of all members, from a machine of their own that hears all of them."""
        addresses = ",".join(f"{machine.address}:{GRPC_PORT}" for machine in self.machines)
        for kind in NETWORK_KINDS:
            number = len(self.clients) + 1
            command = [sys.executable, "-B", f"{HERE}/network.py", kind, addresses, f"{self.folder}/app",
                       f"{self.folder}/history/{number:03}.history", str(number), str(self.options.seed), self.stop]
            self.clients.append((None, kind, number, subprocess.Popen(command, stdin=subprocess.DEVNULL)))
        self.elsewhere = Elsewhere(self.folder, self.programs, addresses)
        self.add_clients(self.elsewhere, ELSEWHERE_KINDS)

    def voters(self):
        """How many vote by what a member says that can be asked."""
        for machine in self.members():
            roles = [machine.ask(f"cluster/{other.name}/role") for other in self.members()]
            if None not in roles:
                return roles.count("voter")
        return 0

    def leader(self):
        """The machine whose member leads by its own word, or None."""
        for machine in self.members():
            if machine.process and not machine.stopped and machine.ask(f"cluster/{machine.name}/state") == "leader":
                return machine
        return None

    def begin(self):
        """The cluster and its clients, all of which have begun."""
        self.begun, since = time.monotonic(), time.monotonic_ns()
        for _ in range(self.options.members):
            self.add_machine()
        until(lambda: self.voters() == self.options.members, 120, "all members vote")
        for machine in self.machines:
            self.add_clients(machine)
        for i in range(self.options.writers):
            self.add_clients(self.machines[i % len(self.machines)], ("append",))
        if self.options.trim:
            self.add_clients(self.machines[0], ("trim",))
        self.add_network_clients()
        until(lambda: self.acknowledged_since(since) == self.wanted(), HEAL_S, "appends succeed")
        self.say(f"{self.options.members} members, {len(self.clients)} clients")

    def wanted(self):
        """What acknowledged_since gives when all is well."""
        return ({machine.name for machine in self.members()} | {self.elsewhere.name} |
                {operations.NETWORK + kind for kind in NETWORK_KINDS if kind in WRITERS})

    def acknowledged_since(self, since):
        """Machines through whose mounts, or clients of the network by which, an append has succeeded that began after
        that."""
        found = set()
        for machine, kind, number, process in self.clients:
            if process.poll():
                raise AssertionError(f"client {number} ({kind}) ended with status {process.returncode}")
            path = f"{self.folder}/history/{number:03}.history"
            if kind not in WRITERS or machine and machine.departed or not os.path.exists(path):
                continue
            _, done = operations.load(path, lambda _: None)
            if any(one.status == "ok" and one.start > since for one in done[-50:] if one.kind in operations.WRITES):
                found.add(machine.name if machine else operations.NETWORK + kind)
        return found

    def converge(self):
        """Appends succeed at each member, and all show the same log once the clients have stopped."""
        since = time.monotonic_ns()
        until(lambda: self.acknowledged_since(since) >= self.wanted(), HEAL_S, "appends succeed at each member again")
        self.say("appends succeed at each member again")
        with open(self.stop, "wb"):
            pass
        for machine, kind, number, process in self.clients:
            status = process.wait(60)
            if status != 0 and not (machine and machine.departed):
                place = machine.name if machine else "the network"
                raise AssertionError(f"client {number} ({kind} on {place}) ended with status {status}")
        until(lambda: len({machine.ask("log/next") for machine in self.members()} - {None}) == 1
              and all(machine.ask("log/next") for machine in self.members()), HEAL_S, "all members show the same log")
        self.say(f"all members show {self.members()[0].ask('log/next')} records")

    def finish(self):
        """Stops the members, and lets the checker judge. Gives the count of broken promises."""
        self.elsewhere.stop()
        for machine in self.members():
            machine.stop()
        with open(f"{self.folder}/lives", "w", encoding="ascii") as file:
            for machine in self.machines:
                file.writelines(f"{machine.name} {start} {end}\n" for start, end in machine.lives)
            # What one member has acknowledged to who comes over the network, all of them have.
            file.write(f"{operations.NETWORK} 0 0\n{self.elsewhere.name} 0 0\n")
        checker = check.Checker()
        for machine in self.machines:
            name = machine.name + (".departed" if machine.departed else "")
            try:
                stores.dump(f"{self.options.build}/tests/faults/dump_log", machine.data,
                            f"{self.folder}/stores/{name}")
            except AssertionError as error:
                checker.complain("damaged", f"{name}: {error}")
        checker.load(self.folder)
        broken = checker.check()
        checker.report()
        print(f"{broken} promises broken", flush=True)
        self.tell_failover(checker)
        return broken

    def tell_failover(self, checker):
        """How long after each leader's end the next append was accepted by another member."""
        accepted = sorted((one.end, one.start, one.member) for one in checker.operations("append", "lines")
                          if one.status == "ok")
        times = []
        for killed, name in self.failovers:
            end = next((end for end, start, member in accepted if start > killed and member != name), None)
            if end:
                times.append((end - killed) / 1e6)
        if len(times) > 1:
            times.sort()
            print(f"after {len(times)} ends of a leader the next append that began then was accepted after "
                  f"{statistics.median(times):.0f} ms (p50), {times[min(len(times) - 1, len(times) * 99 // 100)]:.0f} ms "
                  f"(p99), {times[-1]:.0f} ms (most)")

    def go(self):
        """All of it. Gives the exit status."""
        self.failovers = []  # (when, the leader's name)
        status = 1
        try:
            self.begin()
            counts = nemesis.trouble(self)
            self.say("trouble is over: " + ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())))
            self.converge()
            status = 1 if self.finish() else 0
        finally:
            if status != 0:
                self.tell_all()
            if self.options.keep:
                self.keep()
        return status

    def tell_all(self):
        """What the members said last."""
        for machine in [*self.machines, *([self.elsewhere] if self.elsewhere else [])]:
            path = f"{machine.folder}/said"
            if os.path.exists(path):
                print(f"---- {machine.name} said:")
                subprocess.run(["tail", "-n", "40", path], check=False)
                sys.stdout.flush()

    def keep(self):
        """Copies what there is for who wants to look."""
        for machine in self.machines:
            target = f"{self.options.keep}/{machine.name}"
            os.makedirs(target, exist_ok=True)
            shutil.copy(f"{machine.folder}/said", target)
            subprocess.run(["cp", "-a", machine.data, target], check=False)
        for name in ("history", "stores", "lives"):
            subprocess.run(["cp", "-a", f"{self.folder}/{name}", self.options.keep], check=False)


def enter():
    """Runs this script again, in namespaces of its own, and gives its status."""
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-B",
               *sys.argv, "--inside"]
    child = subprocess.Popen(command)

    def end(*_):
        child.kill()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    return child.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--seconds", type=int, default=60, help="of trouble; at least 120 s with CLOG_SOAK=1")
    drawn = os.environ.get("CLOG_SEED", random.SystemRandom().getrandbits(31))
    parser.add_argument("--seed", type=int, default=int(drawn))
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--writers", type=int, default=0, help="more of them, in turn at the members' mounts")
    parser.add_argument("--faults", default="")
    parser.add_argument("--trim", action="store_true")
    parser.add_argument("--keep", type=os.path.abspath)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    if os.environ.get("CLOG_SOAK") == "1":
        options.seconds = max(options.seconds, SOAK_S)
    if not options.inside:
        print(f"seed {options.seed}", flush=True)
        sys.argv += ["--seed", str(options.seed)]
        return enter()
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "run", "/run")
    run("mount", "-t", "tmpfs", "-o", "size=90%", "space", SPACE)
    return Harness(options).go()


if __name__ == "__main__":
    sys.exit(main())
