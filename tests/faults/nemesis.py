"""The trouble: kinds of faults, and a schedule of them that a seed draws. A fault is made, lasts a while, and is undone
before the next one; so that a majority is able to work again and again."""

import collections
import time

from machine import ask, until


def wait(seconds):
    """Lets time pass."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end, seconds + 60)


def note_failover(harness, machine):
    """The leader is about to end."""
    harness.failovers.append((time.monotonic_ns(), machine.name))


def kill(harness, machine):
    """A crash, and a start."""
    machine.kill()
    wait(harness.dice.uniform(0, 3))
    machine.start()


def kill_any(harness):
    kill(harness, harness.dice.choice(harness.members()))


def kill_leader(harness):
    """A crash of whoever leads."""
    machine = until(harness.leader, 60, "there is a leader")
    note_failover(harness, machine)
    kill(harness, machine)


def kill_all(harness):
    """A crash of all at once."""
    for machine in harness.members():
        machine.end_life()
        machine.process.kill()
    for machine in harness.members():
        machine.process.wait(60)
        machine.start()


def pause(harness):
    """A member that does nothing for a while, and then goes on as if nothing had been."""
    machine = harness.dice.choice(harness.members())
    machine.stopped = True
    machine.process.send_signal(19)
    wait(harness.dice.uniform(0.2, 5))
    machine.process.send_signal(18)
    machine.stopped = False


def divide(harness):
    """Two halves that do not hear each other."""
    members = harness.members()
    harness.dice.shuffle(members)
    part = harness.dice.randrange(1, len(members))
    for machine in members:
        machine.cut_from(members[part:] if machine in members[:part] else members[:part])
    wait(harness.dice.uniform(1, 8))
    for machine in members:
        machine.cut_from([])


def isolate_leader(harness):
    """The leader hears nobody, and nobody hears it."""
    machine = until(harness.leader, 60, "there is a leader")
    others = [other for other in harness.members() if other is not machine]
    note_failover(harness, machine)
    machine.cut_from(others)
    for other in others:
        other.cut_from([machine])
    wait(harness.dice.uniform(2, 8))
    for other in harness.members():
        other.cut_from([])


def deafen(harness):
    """A member does not hear another one, or any, and is heard."""
    members = harness.members()
    machine = harness.dice.choice(members)
    others = [other for other in members if other is not machine]
    machine.cut_from(others if harness.dice.random() < 0.5 else [harness.dice.choice(others)])
    wait(harness.dice.uniform(1, 8))
    machine.cut_from([])


def slow(harness):
    """All that a member says is slow."""
    machine = harness.dice.choice(harness.members())
    machine.slow(True)
    wait(harness.dice.uniform(2, 6))
    machine.slow(False)


def cut_power(harness):
    """A machine's power is cut."""
    machine = harness.dice.choice(harness.members())
    machine.lose_power()
    machine.kill()
    machine.restore_power()
    machine.start()


def cut_all_power(harness):
    """That of all, at once."""
    for machine in harness.members():
        machine.lose_power()
    for machine in harness.members():
        machine.kill()
        machine.restore_power()
    for machine in harness.members():
        machine.start()


def fill_disk(harness):
    """The disks of one or all are full, for a while."""
    members = harness.members()
    full = members if harness.dice.random() < 0.5 else [harness.dice.choice(members)]
    for machine in full:
        machine.fill()
    wait(harness.dice.uniform(2, 8))
    for machine in full:
        machine.empty()


def restart(harness):
    """A member is stopped in order, and started."""
    machine = harness.dice.choice(harness.members())
    machine.stop()
    machine.start()


def join(harness):
    """A member more, with clients."""
    if len(harness.members()) < 5 and len(harness.machines) < 9:
        harness.add_clients(harness.add_machine(), ("append", "lines", "read"))
    else:
        remove(harness)


def remove(harness):
    """A member is removed while it runs; its clogd is ended then."""
    members = harness.members()
    if len(members) <= 3:
        join(harness)
        return
    machine = harness.dice.choice(members[1:])
    others = [other for other in members if other is not machine]
    until(lambda: ask("rmdir", f"{harness.dice.choice(others).mount}/cluster/{machine.name}") is not None
          or all(machine.name not in (ask("ls", f"{other.mount}/cluster") or machine.name) for other in others),
          60, f"{machine.name} is removed")
    machine.departed = True
    if machine.process.poll() is None:
        machine.kill()
    machine.end_life()


def transfer(harness):
    """Leadership is handed over."""
    leader = until(harness.leader, 60, "there is a leader")
    others = [other for other in harness.members() if other is not leader]
    machine = harness.dice.choice(others)
    ask("sh", "-c", f"echo leader > {leader.mount}/cluster/{machine.name}/role")
    wait(0.5)


FAULTS = {"kill": kill_any, "kill_leader": kill_leader, "kill_all": kill_all, "pause": pause, "divide": divide,
          "isolate_leader": isolate_leader, "deafen": deafen, "slow": slow, "cut_power": cut_power,
          "cut_all_power": cut_all_power, "fill_disk": fill_disk, "restart": restart, "join": join, "remove": remove,
          "transfer": transfer}


def trouble(harness):
    """Faults for as long as the harness's options say. Gives the count of each kind."""
    kinds = harness.options.faults.split(",") if harness.options.faults else list(FAULTS)
    counts = collections.Counter()
    end = time.monotonic() + harness.options.seconds
    while time.monotonic() < end:
        wait(harness.dice.uniform(0.5, 2))
        kind = harness.dice.choice(kinds)
        harness.say(kind)
        FAULTS[kind](harness)
        counts[kind] += 1
    return counts
