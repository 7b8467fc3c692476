"""What programs get over the network, by gRPC and HTTP under TLS: beside the mount, and beside others that sync each record
on three members, Redis and etcd, all by the same generator (but for the mount) and in turns."""

import contextlib
import shutil
import subprocess
import tempfile

from appends import RECORD_SIZE, Load
from members import anonymous_mb, cluster, cpu_s, next_offset, program, say, until
from peers import REDIS_PORT, etcd, redis

OUTSTANDING = (1, 64, 256)
CONNECTIONS = 4  # that gRPC's calls are spread over, besides one
WINDOWS = (256, 4096)
HELD = 1000
REFUSED = 10_000
SPARE_MB, SETTLE_S = 5, 12


class RpcLoad(Load):
    """Turns of bench_rpc."""

    generator = "rpc"

    def run(self, *arguments):
        """What the opening of the connections takes is not counted."""
        with subprocess.Popen([program("rpc"), *map(str, arguments)], stdout=subprocess.PIPE, text=True) as process:
            process.stdout.readline()
            cpu = cpu_s(self.members)
            said = process.stdout.readline()
            return said, cpu_s(self.members) - cpu


class Contender:
    """Somebody who takes records: its members, and a load of so many records that are under way."""

    def __init__(self, name, members, load):
        self.name, self.members, self.load = name, members, load


def rpc_load(kind, address, tls, spread):
    """A load by bench_rpc, over so many connections; None: one for each record."""
    def turn(load, outstanding, seconds):
        connections = min(spread or outstanding, outstanding)
        load.turn(kind, address, tls, RECORD_SIZE, outstanding // connections, connections, seconds=seconds)
    return turn


def contenders(members, redises, etcds):
    """All of them; the peers first."""
    first = members[0]
    found = []
    if redises:
        found.append(Contender("Redis, always + WAIT 1", redises, rpc_load("redis", f"127.0.0.1:{REDIS_PORT}", "-", None)))
    if etcds:
        found.append(Contender("etcd, Put", etcds, rpc_load("etcd", etcds[0].address, "-", CONNECTIONS)))
    peers = len(found)
    found += [
        Contender("clog, mount", members, lambda load, outstanding, seconds: load.turn(
            first.path("log/append"), RECORD_SIZE, outstanding, seconds=seconds)),
        Contender("clog, Produce, 1 connection", members, rpc_load("produce", first.grpc, first.client, 1)),
        Contender(f"clog, Produce, {CONNECTIONS} connections", members,
                  rpc_load("produce", first.grpc, first.client, CONNECTIONS)),
        Contender("clog, HTTP POST", members, rpc_load("post", first.http, first.client, None))]
    return found, peers


def one_by_one(table, found, peers, seconds, turns):
    """So many records under way."""
    table.title(f"records by calls, 3 members, clog under TLS, {RECORD_SIZE} B", "outstanding", "who", "records/s",
                "p50 / p99 / p99.9 ms", "ratio to the best peer", "server CPU s per million")
    for outstanding in OUTSTANDING:
        # One call at a time needs one connection.
        those = [who for who in found if outstanding > 1 or who.name != f"clog, Produce, {CONNECTIONS} connections"]
        loads = [(Load if who.name == "clog, mount" else RpcLoad)(who.members) for who in those]
        for _ in range(turns):
            for who, load in zip(those, loads):
                who.load(load, outstanding, seconds)
        best = max((load.rate() for load in loads[:peers]), default=0)
        for who, load in zip(those, loads):
            table.row(outstanding, who.name, f"{load.rate():,.0f}", load.all_times(),
                      f"{load.rate() / best:.2f}" if best else "", load.cost())


def streams(table, members, seconds, turns, count):
    """Many records in one call."""
    table.title("streams of gRPC and single records, 3 members under TLS", "what", "records/s", "p50 / p99 / p99.9 ms",
                "server CPU s per million")
    first = members[0]
    for window in WINDOWS:
        load = RpcLoad(members)
        for _ in range(turns):
            load.turn("stream", first.grpc, first.client, RECORD_SIZE, window, 1, seconds=seconds)
        table.row(f"ProduceStream, {window} outstanding", f"{load.rate():,.0f}", load.all_times(), load.cost())
    load = RpcLoad(members)
    for _ in range(turns):
        load.turn("read", first.grpc, first.client, RECORD_SIZE, 64, 1, seconds=seconds)
    table.row("Consume, 64 outstanding", f"{load.rate():,.0f}", load.all_times(), load.cost())
    count = min(count, next_offset(first))
    rates = [int(say(program("rpc"), "consume", first.grpc, first.client, count).split()[1]) for _ in range(turns)]
    table.row(f"ConsumeStream of {count:,} records", f"{sum(rates) / turns:,.0f}", "", "")


@contextlib.contextmanager
def held(*arguments):
    """Connections that are open and idle."""
    holder = subprocess.Popen([program("rpc"), *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        if int(holder.stdout.readline() or 0) != arguments[-1]:
            raise AssertionError(f"{arguments} did not open its connections")
        yield
    finally:
        holder.stdin.close()
        holder.wait(20)
        holder.stdout.close()


def settled_mb(member, before):
    """Its memory once what is free has been given back, as far as that happens soon."""
    with contextlib.suppress(AssertionError):
        until(lambda: anonymous_mb(member) < before + SPARE_MB, SETTLE_S)
    return anonymous_mb(member)


def memory(table, member):
    """What connections take of a member."""
    table.title("anonymous memory of a member under TLS, MB", "connections", "before", "with them", "KB for each",
                "afterwards")
    for name, kind, address in (("gRPC", "hold", member.grpc), ("HTTP", "hold-post", member.http)):
        before = anonymous_mb(member)
        with held(kind, address, member.client, HELD):
            full = anonymous_mb(member)
        table.row(f"{HELD:,} idle of {name}", f"{before:.1f}", f"{full:.1f}", f"{(full - before) * 1000 / HELD:.0f}",
                  f"{settled_mb(member, before):.1f}")
    for name, address in (("gRPC", member.grpc), ("HTTP", member.http)):
        before = anonymous_mb(member)
        say(program("rpc"), "refused", address, "-", REFUSED)
        table.row(f"{REFUSED:,} refused by {name}, which they do not speak TLS to", f"{before:.1f}", "", "", f"{settled_mb(member, before):.1f}")


def rpc(table, seconds, turns, count):
    """All of it. Peers that are not installed are left out."""
    with contextlib.ExitStack() as stack:
        members = stack.enter_context(cluster(3, doors=True))
        memory(table, members[0])
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        redises = stack.enter_context(redis(folder)) if shutil.which("redis-server") else []
        etcds = stack.enter_context(etcd(folder)) if shutil.which("etcd") else []
        found, peers = contenders(members, redises, etcds)
        one_by_one(table, found, peers, seconds, turns)
        streams(table, members, seconds, turns, count)
