"""Others that keep a record on three members, beside clog's three, in turns: Redis that syncs each record and waits for a
replica, etcd, and NATS JetStream, which does not sync before it answers. Debian's redis-server, etcd and nats-server."""

import contextlib
import shutil
import subprocess
import tempfile
import urllib.request

from appends import RECORD_SIZE, WRITERS, Load
from members import cluster, program, until

REDIS_PORT, NATS_PORT, ROUTE_PORT, ETCD_PORT, ETCD_PEER_PORT = 17380, 17390, 17394, 17400, 17404
NATS = """server_name: n{number}
listen: 127.0.0.1:{port}
jetstream {{ store_dir: "{folder}" }}
cluster {{ name: bench, listen: 127.0.0.1:{route}, routes: [{routes}] }}
"""


class Peer:
    """A server's process."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)


class PeerLoad(Load):
    """Turns of bench_peer."""

    generator = "peer"


@contextlib.contextmanager
def servers(commands):
    """Runs them."""
    peers = [Peer(*command) for command in commands]
    try:
        yield peers
    finally:
        for peer in peers:
            peer.process.terminate()
        for peer in peers:
            peer.process.wait(20)


@contextlib.contextmanager
def redis(folder):
    """A primary and two replicas."""
    commands = []
    for number in range(3):
        data = tempfile.mkdtemp(dir=folder)
        commands.append(["redis-server", "--port", str(REDIS_PORT + number), "--dir", data, "--appendonly", "yes",
                         "--appendfsync", "always", "--save", ""])
        if number > 0:
            commands[-1] += ["--replicaof", "127.0.0.1", str(REDIS_PORT)]
    with servers(commands) as peers:
        until(lambda: answers("redis", REDIS_PORT, 100, 1, 0.01), 30, "Redis answers with a replica's word")
        yield peers


def answers(*arguments):
    """Whether a short use of bench_peer succeeds. A server that is not ready may say nothing at all."""
    try:
        return subprocess.run([program("peer"), *map(str, arguments)], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False, timeout=3).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@contextlib.contextmanager
def etcd(folder):
    """Three members; the one that leads is the first of what is given, and has an address."""
    def url(port, number):
        return f"http://127.0.0.1:{port + number}"
    everyone = ",".join(f"n{number}={url(ETCD_PEER_PORT, number)}" for number in range(3))
    commands = [["etcd", "--name", f"n{number}", "--data-dir", tempfile.mkdtemp(dir=folder),
                 "--listen-client-urls", url(ETCD_PORT, number), "--advertise-client-urls", url(ETCD_PORT, number),
                 "--listen-peer-urls", url(ETCD_PEER_PORT, number),
                 "--initial-advertise-peer-urls", url(ETCD_PEER_PORT, number), "--initial-cluster", everyone,
                 "--quota-backend-bytes", str(8 << 30)] for number in range(3)]
    with servers(commands) as peers:
        for number, peer in enumerate(peers):
            peer.address = f"127.0.0.1:{ETCD_PORT + number}"
        until(lambda: any(map(leads, peers)), 30, "an etcd leads")
        yield sorted(peers, key=leads, reverse=True)


def leads(peer):
    """Whether an etcd says so."""
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{peer.address}/metrics", timeout=3) as metrics:
        return b"\netcd_server_is_leader 1\n" in metrics.read()
    return False


@contextlib.contextmanager
def nats(folder):
    """Three servers, and a stream in three copies."""
    routes = ", ".join(f"nats://127.0.0.1:{ROUTE_PORT + number}" for number in range(3))
    commands = []
    for number in range(3):
        data = tempfile.mkdtemp(dir=folder)
        with open(data + "/config", "w", encoding="ascii") as file:
            file.write(NATS.format(number=number, port=NATS_PORT + number, folder=data, route=ROUTE_PORT + number,
                                   routes=routes))
        commands.append(["nats-server", "-c", data + "/config"])
    with servers(commands) as peers:
        until(lambda: answers("nats-stream", NATS_PORT), 60, "NATS makes a stream")
        until(lambda: answers("nats", NATS_PORT, 100, 1, 0.01), 30, "NATS takes records")
        yield peers


def compare(table, seconds, turns):
    """Each beside clog."""
    table.title(f"three members, {RECORD_SIZE} B, beside others", "who", "writers", "records/s", "p50 / p99 ms",
                "clog in the same turns", "clog's ratio", "server CPU s per million", "clog's")
    for name, start, port in (("Redis, always + WAIT 1", redis, REDIS_PORT), ("NATS, no sync", nats, NATS_PORT)):
        kind = start.__name__
        if shutil.which(kind + "-server") is None:
            table.row(f"{name}: not installed", *[""] * 7)
            continue
        with tempfile.TemporaryDirectory() as folder, start(folder) as peers, cluster(3) as members:
            for writers in WRITERS:
                log, other = Load(members), PeerLoad(peers)
                for _ in range(turns):
                    other.turn(kind, port, RECORD_SIZE, writers, seconds=seconds)
                    log.turn(members[0].path("log/append"), RECORD_SIZE, writers, seconds=seconds)
                table.row(name, writers, f"{other.rate():,.0f}", other.times(), f"{log.rate():,.0f}",
                          f"{log.rate() / other.rate():.2f}", other.cost(), log.cost())
